"""Runs the ledger's transactions: again where the database asks for it, with care where a commit's fate is unknown."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection

from paperlane.clock import Clock
from paperlane.ledger.dialects import Dialect
from paperlane.ledger.jumps import Jumps
from paperlane.ledger.troubles import told
from paperlane.ledger.writing import Overtaken, Writing
from paperlane.model.tasks import TaskId

log = structlog.get_logger(__name__)

Given = TypeVar("Given")

_TRIES = 6  # in all, when the database refuses for a reason that passes, or was lost
_TICK = 0.01  # seconds by which clocks of databases may be coarse
_APART = 1e-6
_CLOCKS_APART = 3_600.0  # seconds: more than clocks that nobody looks after go wrong by
_LONG_AGO = 18 * 3_600.0  # seconds: a night without anybody is shorter, and no upload under way looks a day old by it
_STEADY = 3_600.0  # seconds: who set a clock by mistake sets it right sooner
_NAP = 0.01  # seconds, before the second try; it doubles


class _Unknown(Exception):
    """The connection broke while the transaction was committed: nobody told whether it was."""

    def __init__(self, at: float, why: DBAPIError) -> None:
        super().__init__(at)
        self.at = at
        self.why = why


@dataclass(slots=True)
class Transactions:
    """`clock` is given in simulations only; else the database's own counts. `chance` spreads retries, from 0 to 1.

    `heard_ends` is told of tasks that ended, once that is committed.
    """

    dialect: Dialect
    jumps: Jumps
    clock: Clock | None = None
    chance: Callable[[], float] = random.random  # noqa: S311  keeps no secret
    heard_ends: Callable[[Sequence[TaskId]], None] | None = None
    _latest: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def now(self, connection: Connection) -> float:
        """The time that counts, in seconds since 1970 (UTC)."""
        return self._compared(float(self.dialect.clock.on(connection).value()), time.monotonic())

    def _compared(self, now: float, monotonic: float) -> float:
        """The same, where the database's clock said this, and this process's own that: both are compared."""
        if self.clock is not None:
            now, monotonic = self.clock.now(), self.clock.monotonic()
        self.jumps.note(now, monotonic)
        return now

    def _instant(self, now: float, monotonic: float) -> float:
        """The time of a write transaction, no two of this process at the same: what one wrote is found again by it.

        SQLite's clock counts milliseconds. A clock that was set back by more is believed.
        """
        now = self._compared(now, monotonic)
        if self.clock is not None:
            return now  # a simulation's clock has its own mind
        with self._lock:
            self._latest = self._latest + _APART if 0 <= self._latest - now < _TICK else now
            return self._latest

    def settling(self, writing: Writing) -> bool:
        """Was the clock, by which this is written, set a moment ago? Then workers had no time to renew their leases."""
        _ = writing.now  # whoever asks for it compares the clocks
        return self.jumps.waiting(self.monotonic())

    def suspect(self) -> bool:
        """Rows tell that the clock was set back. False if this process saw that, and has let workers renew since."""
        return self.jumps.suspect(self.monotonic())

    def doubt(self, now: float, last: float) -> str:
        """Why nothing may be deleted for its age by this time; "" when it may be believed.

        Something happened at the time `last`, 0 for never. Soon after it the clock needs no other witness; after a long
        time either nobody ran or the clock was set forward, and this process waits until it has seen it steady.
        """
        own = time.time() if self.clock is None else now  # a simulation has but one
        if (apart := abs(now - own)) > _CLOCKS_APART:
            return f"The database's clock and this machine's own are {apart / 3600:,.1f} hours apart."
        if 0 < last < now - _LONG_AGO and self.jumps.steady(self.monotonic()) < _STEADY:
            return (
                f"By the clock nothing was looked for in {(now - last) / 3600:,.1f} hours: nobody ran, or it was set"
                " forward. It is believed once it was steady for an hour."
            )
        return ""

    def monotonic(self) -> float:
        """This process's own clock, which nobody sets."""
        return time.monotonic() if self.clock is None else self.clock.monotonic()

    @told()
    def change(
        self, work: Callable[[Writing], Given], *, repeatable: bool = True, unsure: list[float] | None = None
    ) -> Given:
        """One write transaction; one that was overtaken is done anew, once.

        A database that was busy, saw a deadlock or lost the connection before the commit has changed nothing: it is
        tried again. Where the fate of the commit is unknown, work that is `repeatable` is done again too, and told so
        by `writing.again`: it looks for what it may have written, under the locks that it would have held. `unsure`
        keeps those instants where even the last try failed, for the same work the next time it is asked for.
        """
        unsure = [] if unsure is None else unsure
        lost: DBAPIError | None = None
        overtaken = False
        for tried in range(_TRIES + 1):
            try:
                answer = self._once(work, tuple(unsure), anew=overtaken)
            except Overtaken:
                if overtaken:
                    raise
                overtaken = True
                continue
            except _Unknown as unknown:
                unsure.append(unknown.at)
                if not repeatable or tried >= _TRIES - 1:
                    raise unknown.why from None
                lost = unknown.why
            except DBAPIError as error:
                passes = self.dialect.passing(error) or error.connection_invalidated
                if not passes or tried >= _TRIES - 1:
                    if lost is not None and not isinstance(error, IntegrityError):
                        raise lost from error  # this try wrote nothing, but an earlier one may have
                    raise
            except NoConnection as error:
                if lost is not None:
                    raise lost from error
                raise
            else:
                unsure.clear()
                return answer
            time.sleep(_NAP * 2**tried * self.chance())
        raise AssertionError

    def _once(self, work: Callable[[Writing], Given], again: Sequence[float], *, anew: bool = False) -> Given:
        with self.dialect.writer.connect() as connection:
            transaction = connection.begin()
            writing = Writing(connection, self.dialect, self._instant, again, anew)
            try:
                answer = work(writing)
                at = writing.now
            except BaseException:  # it closes the connection, and with it rolls back
                _do(writing.undone)
                raise
            try:
                writing.commit()
                transaction.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise _Unknown(at, error) from error
                transaction.rollback()  # it is still open, and would be when the next one gets this connection
                _do(writing.undone)
                raise
        _do(writing.afterwards)
        self._tell(writing)
        return answer

    def _tell(self, writing: Writing) -> None:
        """Hints, which nobody relies on; what breaks here must not look as if nothing had been committed."""
        try:
            if writing.woken:
                self.dialect.announce(writing.woken)
        except Exception:
            log.exception("nobody can be told what has something to run", engines=sorted(writing.woken))
        try:
            if writing.ended and self.heard_ends is not None:
                self.heard_ends(writing.ended)
        except Exception:
            log.exception("nobody can be told what has ended", tasks=len(writing.ended))

    @told()
    def ask(self, question: Callable[[Connection], Given]) -> Given:
        """A read; asked once more when the connection turns out to be an old, broken one."""
        try:
            return self._asked(question)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._asked(question)

    def _asked(self, question: Callable[[Connection], Given]) -> Given:
        with self.dialect.reader.connect() as connection:
            return question(connection)


def _do(what: Iterable[Callable[[], None]]) -> None:
    for one in what:
        one()
