"""One look at everything: the ledger's queue, members and counts, its database, and this machine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from paperlane.ledger import Ledger
from paperlane.machine import Sensors
from paperlane.model.figures import Figures, GuardFigures, WorkerFigures
from paperlane.model.tasks import Channel, EngineState, Letters, Member, Queue, UserId
from paperlane.records import accounts, portable, rates
from paperlane.rollout import engines_to_come, guarded
from paperlane.rollout.guarded import Alarming

_LANES = 300  # whose users are told one by one, of those in which most could start
_FRESH = 3_600.0
_COUNTED = 60.0  # seconds between two counts of all dead letters, which may be many


@dataclass(slots=True)
class Looking:
    """Looks, and knows what is counted less often. `host` is this machine.

    `otherwise` is the usual engine until a service has named one. For one thread.
    """

    ledger: Ledger
    sensors: Sensors
    otherwise: str
    host: str
    _dead: int = 0
    _counted_at: float = field(default=-_COUNTED)

    def look(self) -> Figures:
        """What goes on now. Unavailable where the database is away."""
        at, models, to_come = self.ledger.read(
            lambda c: (portable.now(c), rates.standings(c), engines_to_come(c, self.otherwise))
        )
        worse = self.ledger.read(lambda connection: guarded.alarming(connection, at - _FRESH))
        queue, members, vitals = self.ledger.queue(most=_LANES), self.ledger.members(), self.ledger.vitals()
        workers = [_worker(member, at) for member in members]
        load = self.sensors.look()
        return Figures(
            at=at,
            queued=queue.queued,
            startable=sum(engine.startable for engine in queue.engines),
            running=queue.running,
            slots=sum(engine.slots for engine in queue.engines),
            limit=queue.limit,
            oldest=queue.oldest,
            users=queue.busy,
            engines=queue.engines,
            workers=workers,
            backlogs=self._by_name(_backlogs(queue)),
            of_new=to_come,
            runnable=frozenset(self._runnable(queue.engines, workers)),
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
            guards=[found for one in worse if (found := _guard(one))],
        )

    def _runnable(
        self, engines: Sequence[EngineState], workers: Sequence[WorkerFigures]
    ) -> Iterator[tuple[str, Channel]]:
        """Only where a worker has room: nobody asks about the others."""
        with_tasks = {engine.name for engine in engines if engine.queued}
        channels = {(one.engine, one.channel) for one in workers if one.room and one.engine in with_tasks}
        return ((name, channel) for name, channel in channels if self.ledger.runnable(name, channel))

    def _by_name(self, backlogs: Mapping[UserId, int]) -> dict[str, int]:
        """A user without an account, of another application's ledger, is known by their number."""
        users = list(backlogs)
        names = self.ledger.read(lambda connection: accounts.names(connection, users)) if users else {}
        return {names.get(user, f"{user}"): waiting for user, waiting in backlogs.items()}

    def _all_dead(self, at: float) -> int:
        if abs(at - self._counted_at) >= _COUNTED:
            self._dead, self._counted_at = sum(self.ledger.causes(Letters()).values()), at
        return self._dead


def _backlogs(queue: Queue) -> Mapping[UserId, int]:
    """What each user waits for that could start, the deepest first."""
    found = {lane.user: lane.startable for lane in queue.lanes if lane.startable}
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))


def _guard(of: Alarming) -> GuardFigures | None:
    if of.guard.judgement is None or (worst := of.guard.judgement.worst) is None:
        return None
    a, b = ((f"{value:.1%}" if worst.measure == "failures" else f"{value:.1f} s") for value in (worst.a, worst.b))
    return GuardFigures(
        of.rule.engine, of.rule.percent, of.guard.judgement.control, worst.measure, a, b, of.guard.state.value
    )


def _worker(of: Member, at: float) -> WorkerFigures:
    return WorkerFigures(
        id=of.id,
        engine=of.engine,
        host=of.machine,
        pid=of.pid,
        slots=of.slots,
        asked=of.asked or of.slots,
        least=of.least or of.slots,
        wants=of.wants,
        running=of.running,
        cpu=of.cpu,
        memory=of.memory,
        seen=max(0.0, at - of.seen_at),
        live=of.live,
        started_at=of.started_at,
        channel=of.channel,
    )
