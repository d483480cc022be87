"""What operates the queue: how much runs at once, on which engine for whom."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from sqlalchemy import Connection

from paperlane.clock import Clock
from paperlane.desk.choices import check_engine, check_served, serving
from paperlane.desk.rights import check_looks, only_own
from paperlane.desk.trail import Trail, id_of
from paperlane.errors import BadRequest, NotFound
from paperlane.ledger import Ledger
from paperlane.ledger.sense import clean
from paperlane.model.tasks import Queue
from paperlane.records import accounts
from paperlane.records.accounts import Account
from paperlane.rollout import Changed, NewRule, RollOut, check_seen, engines_that_gain, flags, guarded, hidden, rules
from paperlane.rollout.flags import Flag
from paperlane.rollout.guarded import Guard, Mode
from paperlane.rollout.rules import Rule


@dataclass(frozen=True, slots=True)
class Carried:
    """An engine with how many users it carries, for how many of these it was chosen alone, and its live workers.

    Workers that `serve` ends, while the flag `use_worker_pool` is off, are not among these.
    """

    engine: str
    users: int
    of_their_own: int
    workers: int


@dataclass(frozen=True, slots=True)
class RolledOut:
    """Rules in force, the newest first; flags; who carries how many. `usual` carries whom no rule takes in.

    `settled`: all lanes are as rules and flags say.
    """

    usual: str
    rules: Sequence[Rule]
    flags: Sequence[Flag]
    engines: Sequence[Carried]
    settled: bool
    guards: Mapping[int, Guard] = field(default_factory=dict)
    """Of each rule in force, by its number."""

    @property
    def unserved(self) -> Sequence[str]:
        """Engines that carry somebody and have no worker."""
        return [one.engine for one in self.engines if one.users and not one.workers]

    @property
    def hidden(self) -> Mapping[int, Rule]:
        """Rules that carry nobody, for newer ones take the same users: see `rollout.hidden`."""
        return hidden(self.rules)


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

    def rolled_out(self, by: Account | None) -> RolledOut:
        """What was rolled out and which flags are on, for who sees all."""
        check_looks(by)
        served = serving(self.ledger)

        def ask(connection: Connection) -> RolledOut:
            carried = accounts.by_engine(connection)
            usual = self.rollout.usual(connection)
            in_force = rules.in_force(connection)
            return RolledOut(
                usual,
                in_force,
                list(flags.standing(connection).values()),
                [
                    Carried(engine, *carried.get(engine, (0, 0)), served.get(engine, 0))
                    for engine in sorted({usual, *carried, *served})
                ],
                settled=False,
                guards=guarded.standing(connection, [rule.id for rule in in_force]),
            )

        return replace(self.ledger.read(ask), settled=not self.rollout.is_unsettled())

    def groups(self, by: Account | None) -> Sequence[str]:
        """The groups that somebody is in, by name, for who sees all."""
        check_looks(by)
        return self.ledger.read(accounts.groups)

    def roll_out(
        self,
        by: Account | None,
        engine: str,
        percent: float,
        group: str = "",
        *,
        force: bool = False,
        guard: Mode | None = None,
    ) -> Changed:
        """This engine carries so many percent of all users, or of a group; `rollout.settle` moves them.

        Refused as by `change`.
        """
        return self.change(by, NewRule(engine, percent, group, guard), force=force)

    def change(
        self,
        by: Account | None,
        rule: NewRule | None = None,
        to: Mapping[str, bool] | None = None,
        seen: int | None = None,
        *,
        force: bool = False,
    ) -> Changed:
        """Set a rule, switch flags `to`, or both, all or nothing; `rollout.settle` moves users, and bounds them.

        What is so already is left as it is, and not written down again. BadRequest for an engine, a group or a flag
        that there is not, and where nothing is named; Conflict where users would go to an engine that no worker serves,
        unless by `force`, and for a rule where another one than was `seen` is the newest by now.
        """
        to = {flags.named(name): on for name, on in (to or {}).items()}
        if rule is None and not to:
            raise BadRequest("Nothing was named to change.", hint="Name an engine with its percent, or flags.")
        if rule is not None:
            check_engine(rule.engine)
            rule = replace(rule, group=clean(rule.group))
            self._check_group(rule.group)
            check_seen(rule, self.rollout.in_force(), seen)  # and again as it is set: it is the better reason
        if not force:
            self._check_served(rule, to)
        now = self.clock.now()

        def note(connection: Connection, changed: Changed) -> None:
            if changed.rule is not None:
                self.trail.note(connection, by, now, "rollout", asdict(changed.rule))
            if changed.guard is not None and rule is not None:
                details = {"engine": rule.engine, "group": rule.group, "guard": changed.guard}
                self.trail.note(connection, by, now, "guard changed", details)
            for name, on in changed.flags.items():
                self.trail.note(connection, by, now, "flag switched", {"flag": name, "on": on})

        return self.rollout.change(id_of(by), now, note, rule, to, seen)

    def acknowledge(self, by: Account | None, rule: int | None = None) -> Sequence[Rule]:
        """Whoever asks knows what a guard has found of a rule, or of all: these are guarded no more, and may grow.

        As `RollOut.acknowledge`.
        """
        now = self.clock.now()

        def note(connection: Connection, known: Sequence[Rule]) -> None:
            for one in known:
                details = {"rule": one.id, "engine": one.engine, "percent": one.percent, "group": one.group}
                self.trail.note(connection, by, now, "guardrail acknowledged", details)

        return self.rollout.acknowledge(now, note, rule)

    def guard(self, by: Account | None, rule: int, mode: Mode) -> bool:
        """What the guard of a rule in force does from now on, as `guarded.switch` says; False where it did that before.

        NotFound where no rule in force has this number.
        """
        now = self.clock.now()

        def write(connection: Connection) -> bool:
            rules.hold(connection)
            of = next((one for one in rules.in_force(connection) if one.id == rule), None)
            if of is None:
                raise NotFound("There is no such roll-out in force.", hint="See: paperlane rollout.")
            if not guarded.switch(connection, rule, mode, now):
                return False
            details = {"rule": rule, "engine": of.engine, "group": of.group, "guard": mode}
            self.trail.note(connection, by, now, "guard changed", details)
            return True

        return self.ledger.write(write)

    def _check_group(self, group: str) -> None:
        """BadRequest for one that nobody is in, unless a rule names it: that may be changed still."""

        def is_known(connection: Connection) -> bool:
            named = (rule.group for rule in rules.in_force(connection))
            return accounts.has_group(connection, group) or group in named

        if group and not self.ledger.read(is_known):
            raise BadRequest(f"Nobody is in a group {group!r}.", hint="See: paperlane user list.")

    def _check_served(self, rule: NewRule | None, to: Mapping[str, bool]) -> None:
        """Conflict where users would be given to an engine that no live worker serves, and were not before."""
        plan, groups, chosen = self.ledger.read(
            lambda c: (self.rollout.plan(c), accounts.groups(c), accounts.chosen_engines(c))
        )
        gaining = engines_that_gain(plan, plan.changed(rule, to), groups, chosen)
        check_served(self.ledger, gaining, has_pool=to.get(flags.WORKER_POOL))

    def roll_back(self, by: Account | None, rule: int | None = None, *, force: bool = False) -> Rule | None:
        """Take the last roll-out back: which one that was. Conflict where there is none.

        With the id of a `rule` as `RollOut.undo` says: None where that one was taken back before. Nobody is refused to
        go back to an engine without workers, for away is what was wanted; see `RolledOut.unserved`. Conflict where
        users would go to an engine that a guard holds, unless by `force`.
        """
        now = self.clock.now()

        def note(connection: Connection, of: Rule) -> None:
            self._note_back(connection, by, now, of)

        return self.rollout.undo(id_of(by), now, note, rule, force=force)

    def roll_all_back(self, by: Account | None, engine: str, *, force: bool = False) -> Sequence[Rule]:
        """Take back all that was rolled out of an engine: which rules that were, none where they were so already.

        BadRequest for an engine that there is not; else refused as `RollOut.take_all_back` says.
        """
        check_engine(engine)
        now = self.clock.now()

        def note(connection: Connection, undone: Sequence[Rule]) -> None:
            for of in undone:
                self._note_back(connection, by, now, of)

        return self.rollout.take_all_back(engine, id_of(by), now, note, force=force)

    def _note_back(self, connection: Connection, by: Account | None, now: float, of: Rule) -> None:
        details = {"engine": of.engine, "percent": of.percent, "group": of.group}
        self.trail.note(connection, by, now, "rollout taken back", details)

    def name_usual(self, engine: str) -> str | None:
        """A service starts with this engine: it carries whom no rule takes in, to where `rollout.settle` moves them.

        Which one did before, "" where no service had named one; None where it is so already. It is never refused: who
        starts a service says so.
        """
        now = self.clock.now()

        def note(connection: Connection, before: str) -> None:
            self.trail.note(connection, None, now, "default engine", {"from": before or None, "to": engine})

        return self.rollout.name_usual(engine, now, note)
