"""What differs between databases, in one place: how to connect, to lock, to tell the time and to see a change."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection, Engine, RowMapping
from sqlalchemy.exc import OperationalError


class Dialect(Protocol):
    """One kind of database."""

    writer: Engine
    reader: Engine

    def now(self, connection: Connection) -> float:
        """The database's clock, in seconds since 1970 (UTC)."""
        ...

    def heads(self, connection: Connection, wanted: Mapping[int, int]) -> Sequence[RowMapping]:
        """The first ready tasks of several lanes: at most `wanted[user]` of each, in their order within a lane."""
        ...

    def changed(self) -> int:
        """Another number after a commit of any process."""
        ...

    def passing(self, error: OperationalError) -> bool:
        """Did the database refuse for a reason that passes, and change nothing?"""
        ...

    def close(self) -> None: ...
