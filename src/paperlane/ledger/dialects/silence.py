"""Connections to PostgreSQL that give up a server which stands still while its machine acknowledges what it hears."""

import select
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.rows import TupleRow
from typing_extensions import override

from paperlane.ledger.dialects import server

Given = TypeVar("Given")

# https://www.postgresql.org/docs/current/monitoring-stats.html#WAIT-EVENT-TABLE: locks of rows and tables are `Lock`
_AT_WORK = """
    SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state NOT LIKE 'idle%%'
    AND coalesce(wait_event_type, '') NOT IN ('Client', 'IO', 'LWLock')
"""


class Session(psycopg.Connection[TupleRow]):
    """Waits for an answer while the server is at it.

    After a silence of `patience` seconds the server is asked by another connection. What it works on, or waits for a
    lock with, may take longer. It stands still when it does not answer there either, or says that this session has
    nothing to do, waits for us, or for its disk.
    """

    patience: float = server.REACH
    known_as = 0
    another: Callable[[], psycopg.Connection[TupleRow]] | None = None

    @classmethod
    def opened(cls, *address: Any, autocommit: bool = False, **options: Any) -> "Session":
        """A connection as `connect` makes it. Behind a pooler only the server knows which of its sessions that is."""
        another = partial(cls.connect, *address, autocommit=True, **options)
        made = another()
        made.known_as = made.execute("SELECT pg_backend_pid()").fetchall()[0][0]
        made.another, made.patience = another, server.ANSWER
        made.autocommit = autocommit
        return made

    @override
    def wait(self, gen: PQGen[Given], *given: Any, **named: Any) -> Given:
        return super().wait(self._listening(gen), *given, **named)

    def _listening(self, gen: PQGen[Given]) -> PQGen[Given]:
        """What psycopg waits by: it is sent what the socket is ready for, and nothing several times a second."""
        heard, ready = monotonic(), None
        while True:
            try:
                wanted = gen.send(ready)  # type: ignore[arg-type]
            except StopIteration as ended:
                return ended.value
            ready = yield wanted
            if ready:
                heard = monotonic()
            elif monotonic() - heard > self.patience:
                self.doubt()
                heard = monotonic()

    def doubt(self) -> None:
        """It was silent for long: ConnectionTimeout, and the connection is closed, unless the server is at it."""
        if not self._is_worked_for() and not self._is_heard():
            self.close()
            raise ConnectionTimeout("the server does not answer")

    def _is_worked_for(self) -> bool:
        if self.another is None:
            return False
        try:
            with self.another() as asked:
                return bool(asked.execute(_AT_WORK, (self.known_as,)).fetchall()[0][0])
        except psycopg.Error as error:
            return "FATAL:" in str(error)  # it has no connection left, and answers

    def _is_heard(self) -> bool:
        """Has the answer come meanwhile?"""
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))
