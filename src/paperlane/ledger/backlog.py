"""The limit of the whole backlog: it holds however many submit at once, and hardly anybody sums up all lanes for it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import Connection, func, select, update

from paperlane.errors import TooMany
from paperlane.ledger import Rules
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import BACKLOGGED, backlog, lanes
from paperlane.ledger.writing import Overtaken, Writing

RETRY_AFTER = 30
_SHARE = 32  # of what is left, a process is promised one such part beside what it asks for

_waits = select(func.coalesce(func.sum(lanes.c.ready + lanes.c.waiting), 0)).where(BACKLOGGED)
_held = select(backlog.c.counts, backlog.c.promised).with_for_update()

Room = Callable[[], int]
"""How many of those that come may wait; asked once their lanes are asked for. It may raise Overtaken."""


def is_full(connection: Connection, rules: Rules) -> bool:
    """May nothing more wait in the whole system? All lanes are summed up only where all has been promised."""
    promised: int = connection.execute(select(backlog.c.promised)).scalar_one()
    return promised >= rules.system_backlog and _waiting_in_all(connection) >= rules.system_backlog


def _waiting_in_all(connection: Connection) -> int:
    return int(connection.execute(_waits).scalar_one())


def waiting_of(connection: Connection, user: int) -> int:
    """How many of a user's tasks wait."""
    return int(connection.execute(_waits.where(lanes.c.user_id == user)).scalar_one())


def too_many() -> TooMany:
    """The refusal of what the whole system has no room for."""
    return TooMany(
        "The whole system's backlog is full.",
        hint="Try again in a little while.",
        code="system_busy",
        retry_after=RETRY_AFTER,
    )


@dataclass(slots=True)
class _Promise:
    """What is left of what was promised since the backlog was counted for the `count`th time; -1: nothing was yet."""

    count: int = -1
    left: int = 0


@dataclass(slots=True)
class Backlog:
    """What this process was promised of the whole backlog, and has not brought yet.

    A row says what waited when all lanes were summed up, and what was promised since: never more than the limit. What
    is taken of a promise costs nothing but a share in that row until the commit, and the number of the count that it
    was given after. Who needs more has the row alone: nobody is under way with what was promised then. So it may be
    counted anew, and what was promised before counts no more; who comes with that is overtaken, and asks.

    What began and waits again is let in without; of that there is as much as runs at once.
    """

    _promise: _Promise = field(default_factory=_Promise)
    _lock: Lock = field(default_factory=Lock)

    def room(self, writing: Writing, held: Lanes, coming: int, rules: Rules) -> Room:
        """How many of so many may wait. To be asked before lanes are, by which it is held until the commit."""
        if not writing.anew and (promise := self._taken(coming)) is not None:
            writing.undone.append(lambda: self._give_back(promise, coming))
            held.share_backlog()

            def shared() -> int:
                if held.counts != promise.count:
                    self._forget(promise)
                    raise Overtaken
                return coming

            return shared
        may = self._promised(writing, coming, rules)
        return lambda: may

    def _taken(self, coming: int) -> _Promise | None:
        """The promise that so many are taken of; None where it has no more so many."""
        with self._lock:
            if coming > self._promise.left:
                return None
            self._promise.left -= coming
            return self._promise

    def _give_back(self, promise: _Promise, coming: int) -> None:
        """They did not come, for certain. What a commit may have brought whose answer was lost stays taken."""
        with self._lock:
            promise.left += coming

    def _forget(self, promise: _Promise) -> None:
        with self._lock:
            if self._promise is promise:
                self._promise = _Promise()  # also what is given back of the old one counts no more

    def _promised(self, writing: Writing, coming: int, rules: Rules) -> int:
        connection = writing.connection
        count, promised = connection.execute(_held).one()
        if promised + coming > rules.system_backlog:
            count, promised = count + 1, _waiting_in_all(connection)
        left = max(0, rules.system_backlog - promised)
        may = min(coming, left)
        more = (left - may) // _SHARE
        connection.execute(update(backlog).values(counts=count, promised=promised + may + more))
        writing.afterwards.append(lambda: self._keep(count, more))
        return may

    def _keep(self, count: int, more: int) -> None:
        with self._lock:
            if count > self._promise.count:
                self._promise = _Promise(count)
            if count == self._promise.count:
                self._promise.left += more
