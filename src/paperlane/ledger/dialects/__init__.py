"""What differs between databases, in one place: how to connect, to lock, to tell the time and to see a change."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from sqlalchemy import Connection, Engine, Insert, Subquery, Table
from sqlalchemy.exc import DBAPIError

from paperlane.ledger.dialects.prepared import Answer, Parameters, Prepared, Row

Kind = Literal["key", "text", "int", "float"]
"""What a column of given rows holds: `key` is a short text that is compared, `text` any other."""


@dataclass(frozen=True, slots=True)
class Given:
    """Rows that the program gives, as a table that a statement can join; its text is the same for any number of them.

    `bind` makes the statement's parameters of the columns' values, in their order, one for each row.
    """

    table: Subquery
    bind: Callable[..., dict[str, Any]]


GivenRows = Callable[..., Given]
"""Makes the table of given rows: `given(name, column=kind, ...)`."""


_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Fit:
    """Tasks that may be given: they crashed less often than `crashes`, and their version is at most `knows`."""

    crashes: int
    knows: int

    SQL = "crashes < :crashes AND version <= :knows"

    @classmethod
    def readable(cls, knows: int) -> Self:
        """However often they crashed."""
        return cls(_LARGEST, knows)

    @classmethod
    def whatever(cls) -> Self:
        """All tasks."""
        return cls(_LARGEST, _LARGEST)


@dataclass(frozen=True, slots=True)
class Fullness:
    """How many connections are in use, of how many: of the server, or of this process's pool; and the size of it all.

    0: that is not known.
    """

    connections: int
    most_connections: int
    bytes: int


Together = Callable[[Connection, Sequence[tuple[Prepared, Parameters]]], list[Answer]]
"""Runs statements one after the other, in one round trip."""


class Dialect(Protocol):
    """One kind of database."""

    writer: Engine
    reader: Engine

    unlimited: Engine
    """Connections for migrations: statements, waits and pauses last as long as they must."""

    briefly: Prepared | None
    """Said in a transaction, it waits some seconds for a lock at most; None where none ever waits longer."""

    promptly: Prepared | None
    """The same, a second at most; None where nobody waits for a row, or one cannot say so for a transaction."""

    locks: bool
    """Are rows locked one by one? Else a write transaction is alone, and nothing that it read can change under it."""

    chains: bool
    """Can one statement write several tables, each from what another part of it changed?"""

    clock: Prepared
    """The database's clock, in seconds since 1970 (UTC)."""

    together: Together | None
    """Runs several statements in one round trip; None where each answer is waited for."""

    @staticmethod
    def given(name: str, **columns: Kind) -> Given:
        """The table of given rows."""
        ...

    @staticmethod
    def insert_new(table: Table) -> Insert:
        """An insert that leaves a row alone which is there under the same key."""
        ...

    def insertion(self, table: Table, rows: Sequence[Row]) -> tuple[Prepared, Parameters]:
        """An insert of many rows that have values for the same columns, as fast as it goes."""
        ...

    def heads(self, wanted: Mapping[int, int], fit: Fit) -> tuple[Prepared, Mapping[str, Any]]:
        """A question for the first ready tasks of several lanes: `wanted[user]` of each, in their order within a lane.

        Those that do not fit are left out. It may find more of a lane than are wanted.
        """
        ...

    def announce(self, engines: Collection[str]) -> None:
        """Tell everybody, soon and at best, that these engines have something to run; never waits, never fails."""
        ...

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        """Have `heard` called, on any thread, with each engine that is announced by any process.

        The answer ends that; None where a database cannot tell. Now and then a call is missed: look yourself too.
        """
        ...

    def changed(self) -> int:
        """Another number within 50 ms of a commit of any process; now and then also without one."""
        ...

    def passing(self, error: DBAPIError) -> bool:
        """Did the database refuse for a reason that another try mends (a deadlock), and change nothing?"""
        ...

    def weaknesses(self, connection: Connection) -> Iterator[str]:
        """What makes a promise of the ledger weaker: how the server is set, and what to set instead; what it is."""
        ...

    def fullness(self, connection: Connection) -> Fullness:
        """How full the database is; a cheap read."""
        ...

    def close(self) -> None: ...
