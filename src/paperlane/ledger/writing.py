"""One write transaction, as the parts of the ledger see it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from paperlane.ledger.dialects import Dialect
from paperlane.ledger.dialects.prepared import NOTHING, Answer, Parameters, Prepared, Row, is_listened
from paperlane.model.tasks import TaskId

_COMMIT = Prepared(text("COMMIT"))


class Overtaken(Exception):
    """What this transaction began from is so no more: it is undone, and done anew from the beginning."""


@dataclass(slots=True)
class Asked:
    """A statement of a transaction: on its way, or waiting to be sent with others until its answer is looked at."""

    statement: Prepared
    parameters: Parameters
    _send: Callable[[], None]
    answer: Answer | None = None

    def _come(self) -> Answer:
        if self.answer is None:
            self._send()
        assert self.answer is not None
        return self.answer

    def rows(self) -> list[Row]:
        """Its rows, by the names of their columns."""
        return self._come().rows()

    def tuples(self) -> list[tuple[Any, ...]]:
        """Its rows."""
        return self._come().tuples()

    def value(self) -> Any:
        """The first column of its first row; None where there is none."""
        return self._come().value()

    def count(self) -> int:
        """How many rows it changed."""
        return self._come().count()


@dataclass(slots=True)
class Writing:
    """A transaction: its statements, in their order, and the instant that it counts as.

    Where the database takes several statements without waiting for each answer, they are sent when the first answer
    is looked at, or the connection is asked for, and the last ones with the commit: a round trip costs more than most
    of them. `instant` makes the time that counts of what the database's clock said, and of this process's monotonic
    one when it was asked. `again` holds the instants of earlier tries of the same work of which nobody knows whether
    they were committed; `anew` says that an earlier one was overtaken. `woken` gathers the engines for which a lane
    became runnable, and `ended` the tasks that came to their end: who waits for that is told after the commit.
    `afterwards` is done only once it is committed, and `undone` only once it is certain that it never will be.
    """

    _connection: Connection
    dialect: Dialect
    instant: Callable[[float, float], float]
    again: Sequence[float] = ()
    anew: bool = False
    woken: set[str] = field(default_factory=set)
    ended: list[TaskId] = field(default_factory=list)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    undone: list[Callable[[], None]] = field(default_factory=list)
    _waiting: list[Asked] = field(default_factory=list)
    _clock: Asked | None = None
    _asked_at: float = 0.0
    _now: float | None = None

    @property
    def now(self) -> float:
        """The time of this transaction, in seconds since 1970 (UTC)."""
        if self._now is None:
            self._tell_time()
            assert self._clock is not None
            said = float(self._clock.value())
            self._now = self.instant(said, self._asked_at)
        return self._now

    def _tell_time(self) -> None:
        """The clock is asked before all else, so that no lock's waiting stands between it and the process's own."""
        if self._clock is None:
            self._clock = self._queue(self.dialect.clock, NOTHING)

    def soon(self, statement: Prepared, parameters: Parameters = NOTHING) -> Asked:
        """Have a statement run after those before it, at the latest when its answer is looked at."""
        self._tell_time()
        return self._queue(statement, parameters)

    def _queue(self, statement: Prepared, parameters: Parameters) -> Asked:
        asked = Asked(statement, parameters, self.send)
        self._waiting.append(asked)
        if not self._pipelines:
            self.send()
        return asked

    @property
    def _pipelines(self) -> bool:
        return self.dialect.together is not None and not is_listened(self._connection)

    @property
    def connection(self) -> Connection:
        """The connection, to use at once: whoever has it finds all that was asked for before done."""
        self._tell_time()
        self.send()
        return self._connection

    def wait_briefly(self) -> None:
        """From here on this transaction waits some seconds for a lock at most, and is refused then."""
        if self.dialect.briefly is not None:
            self.soon(self.dialect.briefly)

    def wait_promptly(self) -> None:
        """The same, a second at most, where the database knows how: who else is in it must not wait for one's lock."""
        if self.dialect.promptly is not None:
            self.soon(self.dialect.promptly)

    def send(self) -> None:
        """Send what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._asked_at == 0:
            self._asked_at = time.monotonic()
        if self.dialect.together is None or not self._pipelines:
            for asked in waiting:
                asked.answer = asked.statement.on(self._connection, asked.parameters)
            return
        together = [(asked.statement, asked.parameters) for asked in waiting]
        for asked, answer in zip(waiting, self.dialect.together(self._connection, together), strict=True):
            asked.answer = answer

    def commit(self) -> None:
        """Send what waits, and commit with it."""
        if self._waiting:
            self._queue(_COMMIT, NOTHING)
            self.send()
