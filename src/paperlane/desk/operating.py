"""What operates the queue: how much runs at once, on which engine for whom."""

from dataclasses import dataclass

from sqlalchemy import Connection

from paperlane.clock import Clock
from paperlane.desk.choices import check_engine
from paperlane.desk.rights import only_own
from paperlane.desk.trail import Trail, id_of
from paperlane.errors import BadRequest, Conflict
from paperlane.ledger import Ledger
from paperlane.ledger.sense import clean
from paperlane.model.tasks import Queue
from paperlane.records import accounts
from paperlane.records.accounts import Account
from paperlane.rollout import RollOut, check_percent
from paperlane.rollout.rules import Rule


@dataclass(frozen=True, slots=True)
class Operating:
    """The queue, its limit, its engines, and the roll-outs of these."""

    ledger: Ledger
    clock: Clock
    rollout: RollOut
    trail: Trail

    def queue(self, account: Account, most: int = 100) -> Queue:
        """What runs and waits: one's own, or everything for who sees all; of so many lanes at most."""
        return self.ledger.queue(only_own(account), most)

    def pause(self, by: Account | None, engine: str, *, paused: bool) -> None:
        """Whether an engine starts tasks. BadRequest for an engine that there is not."""
        check_engine(engine)
        what = "engine paused" if paused else "engine resumed"
        now = self.clock.now()
        self.ledger.pause(engine, paused=paused, also=lambda c: self.trail.note(c, by, now, what, {"engine": engine}))

    def limit(self, by: Account | None, max_running: int | None) -> None:
        """How many tasks run at once in the whole system, None for what the settings say; lowered, it kills nothing.

        BadRequest for a number that makes no sense.
        """
        now = self.clock.now()
        details = {"max_running": max_running}
        self.ledger.limit(max_running, also=lambda c: self.trail.note(c, by, now, "limit changed", details))

    def roll_out(
        self, by: Account | None, engine: str, percent: float, group: str = "", *, force: bool = False
    ) -> None:
        """This engine carries so many percent of all users, or of a group; `rollout.settle` moves them.

        BadRequest for an engine or a group that there is not, and for what is no percentage; Conflict for an engine
        that no worker serves, unless by `force`.
        """
        check_engine(engine)
        check_percent(percent)
        group = clean(group)
        if group and not self.ledger.read(lambda connection: accounts.has_group(connection, group)):
            raise BadRequest(f"Nobody is in a group {group!r}.", hint="See: paperlane user list.")
        if percent and not force and not any(one.live and one.engine == engine for one in self.ledger.members()):
            raise Conflict(
                f"No worker of {engine} is running, so their tasks would wait.",
                code="engine_unserved",
                hint="Start one first; or insist with --force.",
            )
        now = self.clock.now()
        details = {"engine": engine, "percent": percent, "group": group}

        def also(connection: Connection) -> None:
            self.trail.note(connection, by, now, "rollout", details)

        self.rollout.set(engine, percent, group, id_of(by), now, also)

    def roll_back(self, by: Account | None) -> Rule:
        """Take the last roll-out back: which one that was. Conflict where there is none."""
        now = self.clock.now()

        def note(connection: Connection, of: Rule) -> None:
            details = {"engine": of.engine, "percent": of.percent, "group": of.group}
            self.trail.note(connection, by, now, "rollout taken back", details)

        return self.rollout.undo(id_of(by), now, note)
