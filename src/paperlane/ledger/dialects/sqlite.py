"""SQLite: one writing connection a process, write transactions that start IMMEDIATE, every commit on disk."""

import json
import os
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Table,
    column,
    create_engine,
    event,
    make_url,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import CompileError, DBAPIError, OperationalError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.sql.selectable import GenerativeSelect
from typing_extensions import override

from paperlane.errors import Misconfigured
from paperlane.ledger.dialects import Fit, Fullness, Given, Kind, Together
from paperlane.ledger.dialects.mounts import is_networked, kind_of
from paperlane.ledger.dialects.pipes import Pipes
from paperlane.ledger.dialects.prepared import Parameters, Prepared, Row, row_by_row
from paperlane.ledger.history import HEAD
from paperlane.ledger.schema import READY

SAFE_VERSION = (3, 51, 3)
"""Below it, several writing processes can corrupt a file in WAL mode: https://www.sqlite.org/wal.html#walresetbug"""

_BUSY_SECONDS = 30.0
_NAP = 0.002  # seconds, on average
_STATEMENTS = 1_000
"""Prepared statements that a connection keeps. When the driver's 100 are full, as after a migration, each new one takes
the place of the last that came, so that a step prepared most of its own anew each time."""
_WRITE = "BEGIN IMMEDIATE"

# there is no LATERAL here, but a question within a condition may look at the lane beside it, if not in its LIMIT
_HEADS = Prepared(
    sql(
        f"SELECT {', '.join(f'tasks.{c.name}' for c in HEAD)} FROM json_each(:users) AS lane CROSS JOIN tasks"  # noqa: S608  names of ours
        " WHERE tasks.rowid IN (SELECT head.rowid FROM tasks AS head WHERE head.user_id = lane.value"
        f" AND head.{READY} AND {Fit.SQL} ORDER BY head.sort_key, head.id LIMIT (SELECT :most))"
        " ORDER BY tasks.user_id, tasks.sort_key, tasks.id"
    )
)


_NOW = Prepared(sql("SELECT unixepoch('subsec')"))


class _Compiler(SQLiteCompiler):
    """Writes a limit as a question for it.

    SQLite looks at the value of a limit when it plans a statement, and so plans it anew each time that one is given:
    https://www.sqlite.org/c3ref/prepare.html. For small statements that took three times as long as running them.
    """

    @override
    def limit_clause(self, select: GenerativeSelect, **kw: Any) -> str:
        limit, offset = select._limit_clause, select._offset_clause  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if offset is not None:
            raise CompileError("pages begin after a row, not after a number of rows")
        return "" if limit is None else f"\n LIMIT (SELECT {self.process(limit, **kw)})"


def _make_folder(folder: Path) -> None:
    """Readable by its owner only: the database holds people's documents."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Misconfigured(
            f"The folder {folder} cannot be made: {error.strerror}.", hint="Name another one with --data."
        ) from error
    if not os.access(folder, os.W_OK):
        raise Misconfigured(f"The folder {folder} cannot be written.", hint="Name another one with --data.")


def _check_shareable(path: Path) -> None:
    """Processes share the index of the log by memory, which no network carries: https://www.sqlite.org/wal.html"""
    kind = kind_of(path)
    if is_networked(kind):
        raise Misconfigured(
            f"The database {path} lies on a network file system ({kind}), where several processes could corrupt it.",
            hint="Name a folder on a disk of this machine with --data.",
        )


def _patiently(run: Callable[[], object]) -> None:
    """Run what others' locks may refuse, waiting for them in short naps.

    SQLite's own busy handler sleeps longer and longer, up to 100 ms a time, so under load who waited longest waits on:
    an upload beside busy workers took up to 2.3 s instead of 0.4. And it is not asked where a fresh file gets its log.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            run()
        except (OperationalError, dbapi2.OperationalError) as error:  # pyright: ignore[reportAttributeAccessIssue]
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(_NAP * (0.5 + random.random()))  # noqa: S311  spreads load, keeps no secret
        else:
            return


def _forget_statistics(connection: Any) -> None:
    """Plan without what ANALYZE may have left in the file.

    Nobody here runs it: a table that had few rows on that day would be read from end to end ever after, however large.
    """
    found = connection.execute("SELECT name FROM sqlite_schema WHERE name IN ('sqlite_stat1', 'sqlite_stat4')")
    if tables := [name for (name,) in found.fetchall()]:
        for name in tables:
            connection.execute(f"DELETE FROM {name}")  # noqa: S608  names of SQLite
        connection.execute(
            "ANALYZE sqlite_schema"
        )  # which only reads them anew: https://www.sqlite.org/lang_analyze.html


def is_busy(error: Exception) -> bool:
    """Did another one hold a lock?"""
    said = str(getattr(error, "orig", error))
    return "locked" in said or "busy" in said


class Sqlite:
    """The embedded database: a file, or memory for a ledger that lives as long as its process."""

    locks = False
    chains = False
    clock = _NOW
    together: Together | None = None
    briefly: Prepared | None = None  # nobody waits longer than `_patiently`
    promptly: Prepared | None = None

    def __init__(self, url: str) -> None:
        if dbapi2.sqlite_version_info < SAFE_VERSION:
            version = ".".join(map(str, dbapi2.sqlite_version_info))
            raise Misconfigured(
                f"SQLite {version} can corrupt a database that several processes write.",
                hint="Install pysqlite3 0.6.1 or later, which carries a current SQLite.",
            )
        path = make_url(url).database or ":memory:"
        self._memory = path == ":memory:"
        if not self._memory:
            _check_shareable(Path(path))
            _make_folder(Path(path).parent)
        self.writer = self._engine(url, _WRITE, 1)
        self.reader = self.writer if self._memory else self._engine(url, "BEGIN", 8)
        self.unlimited = self.writer
        self._pipes = Pipes(None if self._memory else Path(path).resolve())
        self._watch_lock = Lock()
        self._watching: PoolProxiedConnection | None = None

    def _engine(self, url: str, begin: str, connections: int) -> Engine:
        engine = create_engine(
            url,
            module=dbapi2,
            poolclass=QueuePool,  # in memory too: threads take turns at the one connection that there is
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_BUSY_SECONDS,
            connect_args={
                "timeout": _BUSY_SECONDS,
                "check_same_thread": False,
                "cached_statements": _STATEMENTS,
            },
        )

        engine.dialect.statement_compiler = _Compiler

        @event.listens_for(engine, "connect")
        def _(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # transactions are begun below, not by the driver's guess
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32768"):
                _patiently(partial(connection.execute, f"PRAGMA {pragma}"))
            if begin == _WRITE:
                connection.execute("PRAGMA busy_timeout=0").close()  # `_patiently` waits, and better
                _patiently(partial(_forget_statistics, connection))

        @event.listens_for(engine, "begin")
        def _(connection: Connection) -> None:
            _patiently(partial(connection.exec_driver_sql, begin))

        return engine

    @staticmethod
    def given(name: str, **columns: Kind) -> Given:
        fields = ", ".join(f"value ->> {at} AS {name_of}" for at, name_of in enumerate(columns))
        rows = sql(f"SELECT {fields} FROM json_each(:{name})").columns(*map(column, columns)).subquery(name)  # noqa: S608  names of ours
        return Given(rows, lambda *given: {name: json.dumps(list(zip(*given, strict=True)))})

    @staticmethod
    def insert_new(table: Table) -> Insert:
        return insert(table).on_conflict_do_nothing()

    def insertion(self, table: Table, rows: Sequence[Row]) -> tuple[Prepared, Parameters]:
        return row_by_row(table, tuple(rows[0])), list(rows)

    def heads(self, wanted: Mapping[int, int], fit: Fit) -> tuple[Prepared, Mapping[str, Any]]:
        """Every lane is asked for as many as the longest one needs."""
        return _HEADS, {"users": json.dumps(list(wanted)), "most": max(wanted.values()), **asdict(fit)}

    def announce(self, engines: Collection[str]) -> None:
        self._pipes.announce(engines)

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        return self._pipes.listen(heard)

    def changed(self) -> int:
        if self._memory:  # one connection only, which data_version would never tell of its own commits
            with self.reader.connect() as connection:
                return connection.exec_driver_sql("SELECT total_changes()").scalar_one()
        with self._watch_lock:
            if self._watching is None:
                self._watching = self.reader.raw_connection()
            # outside a transaction, or it would look at one snapshot for ever and hold the log back
            return self._watching.execute("PRAGMA data_version").fetchone()[0]  # pyright: ignore[reportAttributeAccessIssue]  SQLite's own shortcut

    def passing(self, error: DBAPIError) -> bool:
        del error
        return False  # `_patiently` has waited for a lock for as long as anybody would

    def weaknesses(self, connection: Connection) -> Iterator[str]:  # noqa: ARG002  it is ours, and set as it should be
        yield from ()

    def fullness(self, connection: Connection) -> Fullness:
        """Connections of this process's own pools: there is no server that others could fill."""
        pools = [engine.pool for engine in {self.writer, self.reader} if isinstance(engine.pool, QueuePool)]
        asked = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        size = int(connection.exec_driver_sql(asked).scalar_one())
        return Fullness(sum(pool.checkedout() for pool in pools), sum(pool.size() for pool in pools), size)

    def close(self) -> None:
        self._pipes.close()
        with self._watch_lock:
            if self._watching is not None:
                self._watching.close()
                self._watching = None
        self.writer.dispose()
        self.reader.dispose()
