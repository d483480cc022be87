"""PostgreSQL's LISTEN and NOTIFY, on connections and threads of their own: a hint that may be lost, never a promise."""

import random
from collections.abc import Callable, Collection
from threading import Condition, Event, Lock, Thread

from psycopg import Connection, Error
from psycopg.sql import SQL, Identifier

from paperlane.ledger.dialects.hearers import Hearers

CHANNEL = "paperlane"

_GATHER = 0.002  # seconds between two notices: a NOTIFY makes commits wait for each other, so many become one
_GLANCE = 0.5  # seconds after which a listener looks whether it shall end
_AGAIN = 1.0  # seconds before a lost connection is made anew, give or take a half


class Announcer:
    """Sends what has something to run; whoever commits only leaves a note, and goes on."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._waiting: set[str] = set()
        self._note = Condition()
        self._ended = Event()
        self._thread: Thread | None = None

    def announce(self, engines: Collection[str]) -> None:
        """These have something to run."""
        with self._note:
            if self._thread is None and not self._ended.is_set():
                thread = Thread(target=self._run, name="announcer", daemon=True)
                thread.start()
                self._thread = thread  # only now: where none can be had, the next one is tried
            self._waiting.update(engines)
            self._note.notify()

    def close(self) -> None:
        """Announce nothing more."""
        self._ended.set()
        with self._note:
            self._note.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        connection: Connection | None = None
        while engines := self._next():
            try:
                if connection is None:
                    connection = self._connect()
                    connection.execute("SET synchronous_commit = off")  # a hint need not wait for the disk
                for engine in engines:
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, engine), prepare=True, binary=True)
            except Error:  # who waits looks by itself, a second later at the most
                if connection is not None:
                    connection.close()
                connection = None
            self._ended.wait(_GATHER)
        if connection is not None:
            connection.close()

    def _next(self) -> Collection[str]:
        with self._note:
            self._note.wait_for(lambda: self._waiting or self._ended.is_set())
            engines, self._waiting = self._waiting, set()
            return () if self._ended.is_set() else engines


class Listener:
    """Hears what any process announces, and tells everybody here who wants to know."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._hearers = Hearers()
        self._lock = Lock()
        self._ended = Event()
        self._thread: Thread | None = None

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call `heard` with each engine that is announced, until the answer is called."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()
        return self._hearers.add(heard)

    def close(self) -> None:
        """Hear nothing more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with self._connect() as connection:
                    connection.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
                    while not self._ended.is_set():
                        for notice in connection.notifies(timeout=_GLANCE):
                            self._hearers.tell(notice.payload)
            except Error:
                self._ended.wait(_AGAIN * (0.5 + random.random()))  # noqa: S311  spreads load, keeps no secret
