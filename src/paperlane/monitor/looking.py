"""One look at everything: the ledger's queue, members and counts, its database, and this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from paperlane.ledger import Ledger
from paperlane.machine import Sensors
from paperlane.model.figures import NOBODY, Figures, ModelFigures, WorkerFigures
from paperlane.model.tasks import Lane, Letters, Member, UserId
from paperlane.records import accounts, portable, rates

_LANES = 100
_FRESH = 3_600.0
_COUNTED = 60.0  # seconds between two counts of all dead letters, which may be many


@dataclass(slots=True)
class Looking:
    """Looks, and knows what is counted less often. `usual` is the engine of new users, `host` is this machine.

    For one thread.
    """

    ledger: Ledger
    sensors: Sensors
    usual: str
    host: str
    _dead: int = 0
    _counted_at: float = field(default=-_COUNTED)

    def look(self) -> Figures:
        """What goes on now. Unavailable where the database is away."""
        at, models = self.ledger.read(_clock_and_models)
        queue, members, vitals = self.ledger.queue(most=_LANES), self.ledger.members(), self.ledger.vitals()
        backlogs = sorted(((_waiting(lane), lane.user) for lane in queue.lanes if _waiting(lane)), reverse=True)
        load = self.sensors.look()
        return Figures(
            at=at,
            queued=queue.queued,
            running=queue.running,
            slots=sum(engine.slots for engine in queue.engines),
            limit=queue.limit,
            oldest=queue.oldest,
            users=queue.busy,
            engines=queue.engines,
            workers=[_worker(member, at) for member in members],
            deepest=(backlogs[0][1], backlogs[0][0]) if backlogs else NOBODY,
            backlogs=self._by_name(backlogs),
            usual=self.usual,
            runnable=frozenset(
                engine.name for engine in queue.engines if engine.queued and self.ledger.runnable(engine.name)
            ),
            lease=self.ledger.rules.lease,
            dead=self._all_dead(at),
            fresh_dead=self.ledger.causes(Letters(since=at - _FRESH)),
            repairs=queue.repairs,
            vitals=vitals,
            host=self.host,
            cpu=load.cpu,
            memory=load.memory,
            tallies=self.ledger.tallies(),
            models=models,
        )

    def _by_name(self, backlogs: Sequence[tuple[int, UserId]]) -> dict[str, int]:
        """A user without an account, of another application's ledger, is known by their number."""
        users = [user for _, user in backlogs]
        names = self.ledger.read(lambda connection: accounts.names(connection, users)) if users else {}
        return {names.get(user, f"{user}"): waiting for waiting, user in backlogs}

    def _all_dead(self, at: float) -> int:
        if abs(at - self._counted_at) >= _COUNTED:
            self._dead, self._counted_at = sum(self.ledger.causes(Letters()).values()), at
        return self._dead


def _clock_and_models(connection: Connection) -> tuple[float, Sequence[ModelFigures]]:
    return portable.now(connection), rates.standings(connection)


def _waiting(lane: Lane) -> int:
    return lane.ready + lane.waiting + lane.leased


def _worker(of: Member, at: float) -> WorkerFigures:
    return WorkerFigures(
        id=of.id,
        engine=of.engine,
        host=of.host.partition("/")[0],
        pid=of.pid,
        slots=of.slots,
        asked=of.asked or of.slots,
        least=of.least or of.slots,
        running=of.running,
        cpu=of.cpu,
        memory=of.memory,
        seen=max(0.0, at - of.seen_at),
        live=of.live,
        started_at=of.started_at,
    )
