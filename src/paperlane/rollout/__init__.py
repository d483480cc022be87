"""Which engine carries whose tasks: rules for a part of the users, so that an engine is tried before all depend on it.

The truth is the engine of each lane; rules say what it should be, and `RollOut.settle` brings the lanes there. Who is
moved first stays moved as the part grows, and comes back last as it shrinks: everybody has a fixed place from 0 to 100.
Flags say what is in use at all, over all rules, and lanes follow them likewise.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from paperlane.errors import BadRequest, Conflict
from paperlane.ledger import Ledger
from paperlane.model.tasks import UserId
from paperlane.rollout import flags, guarded, rules
from paperlane.rollout.flags import DATABASE_QUEUE, USER_SEMAPHORE, Flag
from paperlane.rollout.guarded import Mode
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


def engine_of(user: UserId, group: str, pinned: str, in_force: Sequence[Rule], usual: str) -> str:
    """The engine that should carry this user's tasks, by rules of which the newest comes first."""
    if pinned:
        return pinned
    for rule in in_force:
        if rule.group in {"", group} and place_of(user) < rule.percent:
            return rule.engine
    return usual


def engines_of_new(in_force: Sequence[Rule], usual: str) -> frozenset[str]:
    """The engines that a new user of some group may be given, by rules of which the newest comes first.

    One that a newer rule hides wholly is none of them.
    """
    found: set[str] = set()
    for group in {"", *(rule.group for rule in in_force)}:
        taken = 0.0
        for engine, percent in [(rule.engine, rule.percent) for rule in in_force if rule.group in {"", group}]:
            if percent > taken:
                found.add(engine)
                taken = percent
        if taken < 100:  # noqa: PLR2004  percent
            found.add(usual)
    return frozenset(found)


def engines_to_come(connection: Connection, usual: str) -> frozenset[str]:
    """The engines that a new user may be given as rules and flags are now."""
    if not flags.is_on(connection, DATABASE_QUEUE):
        return frozenset({UNQUEUED})
    return engines_of_new(rules.in_force(connection), usual)


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

    @classmethod
    def of(cls, connection: Connection) -> "_Left":
        return cls(rules.unsettled(connection) or (), flags.unsettled(connection))

    def __bool__(self) -> bool:
        return bool(self.rules or self.flags)

    @property
    def engines(self) -> bool:
        return bool(self.rules) or any(name == DATABASE_QUEUE for name, _ in self.flags)

    @property
    def bounds(self) -> bool:
        return any(name == USER_SEMAPHORE for name, _ in self.flags)

    def done(self, connection: Connection) -> None:
        rules.settled(connection, self.rules)
        flags.settled(connection, self.flags)


@dataclass(frozen=True, slots=True)
class RollOut:
    """Rules and flags, and lanes as they say. `usual` carries the tasks of whom no rule names."""

    ledger: Ledger
    users: Users
    usual: str

    def in_force(self) -> Sequence[Rule]:
        """The rules that count, the newest first."""
        return self.ledger.read(rules.in_force)

    def flags(self) -> Mapping[str, Flag]:
        """All flags by their names."""
        return self.ledger.read(flags.standing)

    def uses(self, flag: str) -> bool:
        """Is this flag on?"""
        return self.ledger.read(lambda connection: flags.is_on(connection, flag))

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
    ) -> Changed:
        """Set a rule, switch flags `to`, or both in one transaction; `settle` brings lanes there.

        What is so already is left as it is, so the same change twice is one; `also` is called where something changes.
        Conflict where a guard holds the engine and it would carry more.
        """

        def write(connection: Connection) -> Changed:
            rules.hold(connection)
            in_force = rules.in_force(connection)
            newest = next(iter(in_force), None)
            added, guard = None, None
            if rule is not None and not rule.repeats(newest):
                guarded.check_may_grow(connection, in_force, rule.engine, rule.percent, rule.group)
                number = rules.add(connection, rule.engine, rule.percent, rule.group, now, by)
                new = Rule(number, rule.engine, rule.percent, rule.group, now, by)
                added = replace(rule, guard=guarded.follow(connection, in_force, new, rule.guard, now))
            elif rule is not None and newest is not None and rule.guard is not None:
                guard = rule.guard if guarded.switch(connection, newest.id, rule.guard, now) else None
            changed = Changed(added, flags.switch(connection, to or {}, now, by), guard)
            if changed:
                also(connection, changed)
            return changed

        return self.ledger.write(write)

    def undo(
        self, by: UserId, now: float, also: Callable[[Connection, Rule], None], rule: int | None = None
    ) -> Rule | None:
        """Take the newest rule back, so that what held before it holds again; Conflict where there is none.

        With the id of a `rule` only that one: None where it was taken back before, NotFound where there never was one
        of this id, and Conflict where a newer one holds by now.
        """

        def write(connection: Connection) -> Rule | None:
            rules.hold(connection)
            if self._newest(connection, rule) is None and rule is not None:
                return None
            if (undone := rules.undo(connection, by, now)) is None:
                raise Conflict(
                    "There is no roll-out to take back.", code="nothing_rolled_out", hint="See: paperlane rollout."
                )
            also(connection, undone)
            return undone

        return self.ledger.write(write)

    def take_back(
        self, rule: int, by: UserId, now: float, also: Callable[[Connection, Sequence[Rule]], None]
    ) -> Sequence[Rule]:
        """Take back a rule, and those before it by which its engine was given the same users: nobody of them is left.

        The rules that went, none where that one was taken back before; NotFound where there never was one of this id,
        and Conflict where a newer one holds by now.
        """

        def write(connection: Connection) -> Sequence[Rule]:
            rules.hold(connection)
            newest = self._newest(connection, rule)
            undone = [] if newest is None else rules.undo_ramp(connection, newest, by, now)
            if undone:
                also(connection, undone)
            return undone

        return self.ledger.write(write)

    @staticmethod
    def _newest(connection: Connection, rule: int | None) -> Rule | None:
        """The newest rule, which must be the one of this id if there is one; None where that was taken back before."""
        newest = next(iter(rules.in_force(connection)), None)
        if rule is not None and (newest is None or newest.id != rule):
            if rules.was_undone(connection, rule):
                return None
            raise Conflict(
                "Another roll-out is the newest one by now.",
                code="rollout_changed",
                hint="Look at the roll-outs again, and take back the newest one first.",
            )
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
        return self._engines(connection)(user, group, pinned)

    def _engines(self, connection: Connection) -> Callable[[UserId, str, str], str]:
        """What tells a user's engine, by id, group and an engine of their own, as rules and flags are now."""
        if not flags.is_on(connection, DATABASE_QUEUE):
            return lambda _user, _group, _pinned: UNQUEUED
        in_force = rules.in_force(connection)
        return lambda user, group, pinned: engine_of(user, group, pinned, in_force, self.usual)

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
            meant_of, page = self._engines(connection), self.users(connection, after, _PAGE)
            last[:] = [page[-1].id] if len(page) == _PAGE else []
            meant = {one.id: meant_of(one.id, one.group, one.pinned) for one in page}
            return {one.id: meant[one.id] for one in page if one.engine not in {None, meant[one.id]}}

        moved = self.ledger.assign(decide)
        return moved, last[0] if last else None
