"""Which engine carries whose tasks: rules for a part of the users, so that an engine is tried before all depend on it.

The truth is the engine of each lane; rules say what it should be, and `RollOut.settle` brings the lanes there. Who is
moved first stays moved as the part grows, and comes back last as it shrinks: everybody has a fixed place from 0 to 100.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from paperlane.errors import BadRequest, Conflict
from paperlane.ledger import Also, Ledger
from paperlane.model.tasks import UserId
from paperlane.rollout import rules
from paperlane.rollout.rules import Rule

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


@dataclass(frozen=True, slots=True)
class RollOut:
    """Rules, and lanes as they say. `usual` carries the tasks of whom no rule names."""

    ledger: Ledger
    users: Users
    usual: str

    def in_force(self) -> Sequence[Rule]:
        """The rules that count, the newest first."""
        return self.ledger.read(rules.in_force)

    def is_unsettled(self) -> bool:
        """Are there lanes that may not be as the rules say yet?"""
        return self.ledger.read(rules.unsettled) is not None

    def set(self, engine: str, percent: float, group: str, by: UserId, now: float, also: Also) -> None:
        """From now on this engine carries so many percent of the users, or of a group; `settle` moves them.

        BadRequest for what is no percentage.
        """
        check_percent(percent)

        def write(connection: Connection) -> None:
            rules.hold(connection)
            rules.add(connection, engine, percent, group, now, by)
            also(connection)

        self.ledger.write(write)

    def undo(self, by: UserId, now: float, also: Callable[[Connection, Rule], None]) -> Rule:
        """Take the newest rule back, so that what held before it holds again; Conflict where there is none."""

        def write(connection: Connection) -> Rule:
            rules.hold(connection)
            if (undone := rules.undo(connection, by, now)) is None:
                raise Conflict(
                    "There is no roll-out to take back.", code="nothing_rolled_out", hint="See: paperlane rollout."
                )
            also(connection, undone)
            return undone

        return self.ledger.write(write)

    @staticmethod
    def hold(connection: Connection) -> None:
        """Let no rule, nor whom they are about, change before this transaction has ended."""
        rules.hold(connection)

    def engine_for(self, connection: Connection, user: UserId, group: str, pinned: str) -> str:
        """The engine of a user who is made or changed in this transaction; no rule changes before it has ended."""
        rules.hold(connection)
        return engine_of(user, group, pinned, rules.in_force(connection), self.usual)

    def settle(self) -> Iterator[int]:
        """Bring all lanes to the engines that the rules say, page by page; each time how many were moved.

        Nothing is asked where that was done since the rules changed. What runs ends where it is; several who settle at
        once do no harm.
        """
        while (newest := self.ledger.read(rules.unsettled)) is not None:
            after: int | None = 0
            while after is not None:
                moved, after = self._settle_page(after)
                yield moved
            self.ledger.write(lambda connection, up_to=newest: rules.settled(connection, up_to))

    def _settle_page(self, after: int) -> tuple[int, int | None]:
        """How many users of the next page were moved, and the last one of it; None at the end."""
        last: list[int] = []

        def decide(connection: Connection) -> dict[UserId, str]:
            rules.hold(connection)  # or who settles by older rules would move back whom newer ones have moved
            in_force, page = rules.in_force(connection), self.users(connection, after, _PAGE)
            last[:] = [page[-1].id] if len(page) == _PAGE else []
            meant = {one.id: engine_of(one.id, one.group, one.pinned, in_force, self.usual) for one in page}
            return {one.id: meant[one.id] for one in page if one.engine not in {None, meant[one.id]}}

        moved = self.ledger.assign(decide)
        return moved, last[0] if last else None
