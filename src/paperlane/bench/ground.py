"""The database of a benchmark: an empty one of its own, whose tables go with it; and who is connected to it."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import Engine, MetaData, inspect, text

from paperlane.errors import BadRequest
from paperlane.ledger.dialects import Dialect
from paperlane.ledger.sql import connect

_MARIADB = "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
_POSTGRESQL = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_COUNTING = {"postgresql": _POSTGRESQL, "mysql": _MARIADB, "mariadb": _MARIADB}
_OVERFLOW = 2  # a pool may have as many again in a rush, and nobody keeps these; see ledger/dialects/server.py


@dataclass(slots=True)
class Ground:
    """A database that belongs to a benchmark alone. BadRequest where somebody's tables are in it."""

    url: str
    dialect: Dialect | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """A file must be new, a server's database is looked at."""
        if self.path is not None:
            if self.path.exists():
                raise BadRequest(f"There is a file {self.path}.", hint="A benchmark makes its own database.")
            return
        self.dialect = connect(self.url)
        if found := inspect(self._engine).get_table_names():
            self.dialect.close()
            raise BadRequest(
                f"The database is not empty: it has the table {found[0]!r}.",
                hint="A benchmark fills its database and empties it: name one that was made for it.",
            )

    @property
    def path(self) -> Path | None:
        """The file, of an embedded database."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:///") else None

    @property
    def _engine(self) -> Engine:
        assert self.dialect is not None
        return self.dialect.unlimited

    def connections(self, processes: Iterable[psutil.Process]) -> int | None:
        """How many are open now, of these processes and of all others; None where nobody tells."""
        if self.path is not None:
            return sum(_handles(process, os.path.realpath(self.path)) for process in processes)
        with self._engine.connect() as connection:
            counting = _COUNTING.get(connection.dialect.name)
            return None if counting is None else connection.execute(text(counting)).scalar_one()

    def most(self) -> int:
        """How many connections one process may have open: all of its pools together."""
        dialect = self.dialect or connect(self.url)
        try:
            pools = {id(engine): engine.pool for engine in (dialect.writer, dialect.reader)}.values()
            # what a pool may hold is its own secret, but of the number that it keeps
            kept = sum(int(pool.size()) for pool in pools)  # type: ignore[attr-defined]
            return kept if self.path is not None else kept * _OVERFLOW
        finally:
            if self.dialect is None:
                dialect.close()

    def clear(self) -> None:
        """Remove what the benchmark has made, so that the database is as empty as it was."""
        if self.path is not None:
            for ending in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            return
        made = MetaData()
        made.reflect(self._engine)
        made.drop_all(self._engine)

    def close(self) -> None:
        """Leave it."""
        if self.dialect is not None:
            self.dialect.close()


def _handles(process: psutil.Process, path: str) -> int:
    with suppress(psutil.Error, OSError):
        return sum(file.path == path for file in process.open_files())
    return 0
