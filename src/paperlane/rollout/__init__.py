"""Which engine carries whose tasks: rules for a part of the users, so that an engine is tried before all depend on it.

The truth is the engine of each lane; rules say what it should be, and `RollOut.settle` brings the lanes there. Who is
moved first stays moved as the part grows, and comes back last as it shrinks: everybody has a fixed place from 0 to 100.
Flags say what is in use at all, over all rules, and lanes follow them likewise.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from paperlane.errors import BadRequest, Conflict
from paperlane.ledger import Ledger
from paperlane.model.tasks import UserId
from paperlane.rollout import flags, guarded, rules, usual
from paperlane.rollout.flags import DATABASE_QUEUE, USER_SEMAPHORE, Flag
from paperlane.rollout.guarded import Mode
from paperlane.rollout.guards import State
from paperlane.rollout.rules import Rule

UNQUEUED = "inline"
"""The engine of all users while the flag `use_database_queue` is off."""

_PAGE = 500  # users whose lanes are moved in one transaction
_PLACES = 100_000


@dataclass(frozen=True, slots=True)
class Whose:
    """A user, as far as a roll-out cares: `pinned` is the engine that somebody chose for this one alone, "" for none.

    `engine` is that of the lane, None where there is no lane yet.
    """

    id: UserId
    group: str
    pinned: str
    engine: str | None


Users = Callable[[Connection, int, int], Sequence[Whose]]
"""A page of all users by id: those after this one, so many at most."""


def place_of(user: UserId) -> float:
    """Where this user stands between 0 and 100: by chance, and always there."""
    return int.from_bytes(hashlib.sha256(f"rollout {user}".encode()).digest()[:8]) % _PLACES * 100 / _PLACES


def check_percent(percent: float) -> None:
    """BadRequest for what is no percentage."""
    if not 0 <= percent <= 100:  # noqa: PLR2004  percent
        raise BadRequest(f"{percent:g} is no percentage.", hint="Give a number from 0 to 100.")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which engine should carry whom: by rules, the newest first, and `usual` of whom none takes in.

    Unless `queued`, which the flag `use_database_queue` says, one carries all.
    """

    rules: Sequence[Rule]
    usual: str
    queued: bool = True

    def engine_of(self, user: UserId, group: str, pinned: str) -> str:
        """The engine that should carry this user's tasks."""
        return self.engine_at(place_of(user), group, pinned)

    def engine_at(self, place: float, group: str, pinned: str = "") -> str:
        """The engine of whoever stands there between 0 and 100."""
        if not self.queued:
            return UNQUEUED
        if pinned:
            return pinned
        for rule in self.rules:
            if rule.group in {"", group} and place < rule.percent:
                return rule.engine
        return self.usual

    def changed(self, rule: "NewRule | None" = None, to: Mapping[str, bool] | None = None) -> "Plan":
        """The same once a rule is set and flags are switched."""
        queued = (to or {}).get(DATABASE_QUEUE, self.queued)
        return replace(self, rules=self.rules if rule is None else rule.before(self.rules), queued=queued)


def _places(*in_force: Rule) -> set[float]:
    """Where the engine may become another one as one goes from place 0 to 100, and 0."""
    return {0.0, *(rule.percent for rule in in_force if rule.percent < 100)}  # noqa: PLR2004  percent


def engines_that_gain(before: Plan, after: Plan, groups: Collection[str], chosen: Collection[str]) -> frozenset[str]:
    """The engines that a change gives users to whom another one carried before, wherever these may stand.

    Asked are users of these groups, or of none, and those with an engine of their own, which was `chosen` for them.
    """
    of_rules = [*before.rules, *after.rules]
    named = {"", *({rule.group for rule in of_rules} & set(groups))}
    whose = [(place, group, "") for place in _places(*of_rules) for group in named]
    whose += [(0.0, "", pinned) for pinned in chosen]
    return frozenset(to for one in whose if (to := after.engine_at(*one)) != before.engine_at(*one))


def hidden(in_force: Sequence[Rule]) -> Mapping[int, Rule]:
    """Rules that carry nobody, by their numbers, each with a newer one that takes all whom it names.

    Everybody has one place for all engines. One of 0 % shall carry nobody, and is none of them.
    """
    found: dict[int, Rule] = {}
    for at, rule in enumerate(in_force):
        newer = (one for one in in_force[:at] if one.group in {"", rule.group} and one.percent >= rule.percent > 0)
        if (by := next(newer, None)) is not None:
            found[rule.id] = by
    return found


def engine_of(user: UserId, group: str, pinned: str, in_force: Sequence[Rule], usual: str) -> str:
    """The engine that should carry this user's tasks, by rules of which the newest comes first."""
    return Plan(in_force, usual).engine_of(user, group, pinned)


def engines_of_new(in_force: Sequence[Rule], usual: str) -> frozenset[str]:
    """The engines that a new user of some group may be given, by rules of which the newest comes first.

    One that a newer rule hides wholly is none of them.
    """
    plan, groups = Plan(in_force, usual), {"", *(rule.group for rule in in_force)}
    return frozenset(plan.engine_at(place, group) for place in _places(*in_force) for group in groups)


def engines_to_come(connection: Connection, otherwise: str) -> frozenset[str]:
    """The engines that a new user may be given as rules and flags are now; `otherwise` as by `usual.current`."""
    if not flags.is_on(connection, DATABASE_QUEUE):
        return frozenset({UNQUEUED})
    return engines_of_new(rules.in_force(connection), usual.current(connection, otherwise))


@dataclass(frozen=True, slots=True)
class NewRule:
    """From now on this engine carries so many percent of all users, or of those of a group.

    What its `guard` does where it is worse; None: as that of the rule before, or it takes the rule back.
    BadRequest for what is no percentage.
    """

    engine: str
    percent: float
    group: str = ""
    guard: Mode | None = None

    def __post_init__(self) -> None:
        check_percent(self.percent)

    def repeats(self, newest: Rule | None) -> bool:
        """Is it what the newest rule in force says already? Then it changes nothing."""
        return newest is not None and (newest.engine, newest.percent, newest.group) == (
            self.engine,
            self.percent,
            self.group,
        )

    def before(self, in_force: Sequence[Rule]) -> Sequence[Rule]:
        """The rules in force once it is set, as the newest of them; its number is still to come."""
        if self.repeats(next(iter(in_force), None)):
            return in_force
        new = Rule(0, self.engine, self.percent, self.group, 0.0, UserId(0))
        return [new, *(one for one in in_force if (one.engine, one.group) != (self.engine, self.group))]


def check_seen(rule: NewRule, in_force: Sequence[Rule], seen: int | None) -> None:
    """Conflict where the newest rule in force is not the one that was `seen`: its number, 0 for none, None for any.

    One that the newest says already changes nothing, whatever was seen.
    """
    newest = next(iter(in_force), None)
    if seen is not None and seen != (newest.id if newest else 0) and not rule.repeats(newest):
        raise _changed()


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change really changed; empty where all of it was so before."""

    rule: NewRule | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)
    guard: Mode | None = None

    def __bool__(self) -> bool:
        return self.rule is not None or self.guard is not None or bool(self.flags)


@dataclass(frozen=True, slots=True)
class _Left:
    """What has changed since all lanes were as rules and flags say."""

    rules: rules.Change
    flags: flags.Change
    usual: int

    @classmethod
    def of(cls, connection: Connection) -> "_Left":
        return cls(rules.unsettled(connection) or (), flags.unsettled(connection), usual.unsettled(connection))

    def __bool__(self) -> bool:
        return bool(self.rules or self.flags or self.usual)

    @property
    def engines(self) -> bool:
        return bool(self.rules or self.usual) or any(name == DATABASE_QUEUE for name, _ in self.flags)

    @property
    def bounds(self) -> bool:
        return any(name == USER_SEMAPHORE for name, _ in self.flags)

    def done(self, connection: Connection) -> None:
        usual.settled(connection, self.usual)  # first: others take that row before any of these
        rules.settled(connection, self.rules)
        flags.settled(connection, self.flags)


@dataclass(frozen=True, slots=True)
class RollOut:
    """Rules and flags, and lanes as they say. `otherwise` is the usual engine until a service has named one."""

    ledger: Ledger
    users: Users
    otherwise: str

    def in_force(self) -> Sequence[Rule]:
        """The rules that count, the newest first."""
        return self.ledger.read(rules.in_force)

    def flags(self) -> Mapping[str, Flag]:
        """All flags by their names."""
        return self.ledger.read(flags.standing)

    def uses(self, flag: str) -> bool:
        """Is this flag on?"""
        return self.ledger.read(lambda connection: flags.is_on(connection, flag))

    def usual(self, connection: Connection) -> str:
        """The engine of whom no rule takes in, the same for all processes."""
        return usual.current(connection, self.otherwise)

    def name_usual(self, engine: str, now: float, also: Callable[[Connection, str], None]) -> str | None:
        """This engine carries whom no rule takes in, from now on; `settle` brings lanes there.

        Which one did before, "" where nobody had named one; None where it is so already. `also` is called where it is
        another one. Whoever names one last wins.
        """

        def write(connection: Connection) -> str | None:
            rules.hold(connection)
            before = usual.name(connection, engine, now)
            if before is not None:
                also(connection, before)
            return before

        return self.ledger.write(write)

    def is_unsettled(self) -> bool:
        """Are there lanes that may not be as the rules and flags say yet?"""
        return bool(self.ledger.read(_Left.of))

    def change(
        self,
        by: UserId,
        now: float,
        also: Callable[[Connection, Changed], None],
        rule: NewRule | None = None,
        to: Mapping[str, bool] | None = None,
        seen: int | None = None,
    ) -> Changed:
        """Set a rule, switch flags `to`, or both in one transaction; `settle` brings lanes there.

        What is so already is left as it is, so the same change twice is one; `also` is called where something changes.
        Conflict where a guard holds the engine and it would carry more, and as `check_seen` says.
        """

        def write(connection: Connection) -> Changed:
            rules.hold(connection)
            in_force = rules.in_force(connection)
            newest = next(iter(in_force), None)
            added, guard = None, None
            if rule is not None:
                check_seen(rule, in_force, seen)
            if rule is not None and not rule.repeats(newest):
                before = self.plan(connection)
                number = rules.add(connection, rule.engine, rule.percent, rule.group, now, by)
                new = Rule(number, rule.engine, rule.percent, rule.group, now, by)
                added = replace(rule, guard=guarded.follow(connection, in_force, new, rule.guard, now))
                self._check_held(connection, before, _may_not_grow)
            elif rule is not None and newest is not None and rule.guard is not None:
                guard = rule.guard if guarded.switch(connection, newest.id, rule.guard, now) else None
            changed = Changed(added, flags.switch(connection, to or {}, now, by), guard)
            if changed:
                also(connection, changed)
            return changed

        return self.ledger.write(write)

    def undo(
        self,
        by: UserId,
        now: float,
        also: Callable[[Connection, Rule], None],
        rule: int | None = None,
        *,
        force: bool = False,
    ) -> Rule | None:
        """Take the newest rule back, so that what held before it holds again; Conflict where there is none.

        With the id of a `rule` only that one: None where it was taken back before, NotFound where there never was one
        of this id, and Conflict where a newer one holds by now. Conflict too where that would give users to an engine
        that a guard holds, unless by `force`.
        """

        def write(connection: Connection) -> Rule | None:
            rules.hold(connection)
            if self._newest(connection, rule) is None and rule is not None:
                return None
            before = self.plan(connection)
            if (undone := rules.undo(connection, by, now)) is None:
                raise nothing_rolled_out()
            if not force:
                self._check_held(connection, before, _may_not_go_back)
            also(connection, undone)
            return undone

        return self.ledger.write(write)

    def take_all_back(
        self,
        engine: str,
        by: UserId,
        now: float,
        also: Callable[[Connection, Sequence[Rule]], None],
        *,
        force: bool = False,
    ) -> Sequence[Rule]:
        """Take back all rules of an engine, of everybody and of every group: only who has chosen it is left on it.

        The rules that went, the newest first; none where all were taken back before. Conflict where there never was
        one, and where that would give users to another engine that a guard holds, unless by `force`.
        """

        def write(connection: Connection) -> Sequence[Rule]:
            rules.hold(connection)
            before = self.plan(connection)
            if (undone := rules.undo_engine(connection, engine, by, now)) is None:
                raise nothing_rolled_out(engine)
            if undone:
                if not force:
                    self._check_held(connection, before, _may_not_go_back)
                also(connection, undone)
            return undone

        return self.ledger.write(write)

    def _check_held(self, connection: Connection, before: Plan, refused: Callable[[Rule], Conflict]) -> None:
        """Conflict where an engine that a guard holds has gained users since, by rules that came or went.

        Also where all tasks run on `inline` for now: it would as soon as the queue is used again.
        """
        after = self.plan(connection)
        of = [rule for rule in (*before.rules, *after.rules) if rule.percent]  # nobody is on it else
        guards, groups = guarded.standing(connection, [rule.id for rule in of]), {rule.group for rule in of}
        gaining = engines_that_gain(replace(before, queued=True), replace(after, queued=True), groups, ())
        held = (rule for rule in of if rule.engine in gaining and guards[rule.id].state is State.HELD)
        if (rule := next(held, None)) is not None:
            raise refused(rule)

    @staticmethod
    def _newest(connection: Connection, rule: int | None) -> Rule | None:
        """The newest rule, which must be the one of this id if there is one; None where that was taken back before."""
        newest = next(iter(rules.in_force(connection)), None)
        if rule is not None and (newest is None or newest.id != rule):
            if rules.was_undone(connection, rule):
                return None
            raise _changed()
        return newest

    def acknowledge(
        self, now: float, also: Callable[[Connection, Sequence[Rule]], None], rule: int | None = None
    ) -> Sequence[Rule]:
        """Somebody knows that these rules are worse, or that one: they are guarded no more, and may grow again.

        NotFound for a rule that is not in force, Conflict where none was found worse.
        """

        def write(connection: Connection) -> Sequence[Rule]:
            rules.hold(connection)
            known = guarded.acknowledge(connection, rules.in_force(connection), rule, now)
            also(connection, known)
            return known

        return self.ledger.write(write)

    @staticmethod
    def hold(connection: Connection) -> None:
        """Let no rule and no flag, nor whom they are about, change before this transaction has ended."""
        rules.hold(connection)

    def engine_for(self, connection: Connection, user: UserId, group: str, pinned: str) -> str:
        """The engine of a user who is made or changed in this transaction; no rule changes before it has ended."""
        rules.hold(connection)
        return self.plan(connection).engine_of(user, group, pinned)

    def plan(self, connection: Connection) -> Plan:
        """Which engine should carry whom, as rules and flags are now."""
        return Plan(rules.in_force(connection), self.usual(connection), flags.is_on(connection, DATABASE_QUEUE))

    def settle(self) -> Iterator[int]:
        """Bring all lanes where the rules and flags say, page by page; each time how many went to another engine.

        Nothing is asked where that was done since these changed. What runs ends where it is; several who settle at
        once do no harm.
        """
        while left := self.ledger.read(_Left.of):
            after: UserId | None = UserId(0)
            while left.engines and after is not None:
                moved, after = self._settle_page(after)
                yield moved
            after = UserId(0)
            while left.bounds and after is not None:
                _, after = self.ledger.bound(after, _PAGE)
                yield 0
            self.ledger.write(left.done)

    def _settle_page(self, after: UserId) -> tuple[int, UserId | None]:
        """How many users of the next page were moved, and the last one of it; None at the end."""
        last: list[UserId] = []

        def decide(connection: Connection) -> dict[UserId, str]:
            rules.hold(connection)  # or who settles by older rules would move back whom newer ones have moved
            plan, page = self.plan(connection), self.users(connection, after, _PAGE)
            last[:] = [page[-1].id] if len(page) == _PAGE else []
            meant = {one.id: plan.engine_of(one.id, one.group, one.pinned) for one in page}
            return {one.id: meant[one.id] for one in page if one.engine not in {None, meant[one.id]}}

        moved = self.ledger.assign(decide)
        return moved, last[0] if last else None


def _changed() -> Conflict:
    return Conflict(
        "Another roll-out is the newest one by now.",
        code="rollout_changed",
        hint="Somebody has changed the roll-outs meanwhile. Look at them again.",
    )


def nothing_rolled_out(engine: str = "") -> Conflict:
    """There is none to take back, or none of an engine."""
    of = f" of {engine}" if engine else ""
    return Conflict(
        f"There is no roll-out{of} to take back.", code="nothing_rolled_out", hint="See: paperlane rollout."
    )


def _may_not_grow(held: Rule) -> Conflict:
    return Conflict(
        f"A guardrail holds {held.engine} at {held.percent:g} %: it does worse than what it replaces.",
        code="rollout_held",
        hint=f"See: paperlane rollout. Then take it back, or: paperlane rollout acknowledge {held.id}.",
    )


def _may_not_go_back(held: Rule) -> Conflict:
    return Conflict(
        f"That would give users to {held.engine} again, which a guardrail holds: it does worse than what it replaces.",
        code="rollout_held",
        hint=f"Take all of it back: paperlane rollout rollback {held.engine}; or insist with --force"
        ' ("force": true over HTTP).',
    )
