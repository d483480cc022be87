"""PostgreSQL, by psycopg: rows are locked one by one, READ COMMITTED, so every statement sees what was committed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from threading import Lock
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Insert, Table, column, event
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

from paperlane.ledger.dialects import Fit, Fullness, Given, Kind, Together, address, server
from paperlane.ledger.dialects.notices import Announcer, Listener
from paperlane.ledger.dialects.prepared import Parameters, Prepared, Row
from paperlane.ledger.dialects.silence import Session
from paperlane.ledger.dialects.wire import FORGOTTEN, run_together
from paperlane.ledger.history import HEAD
from paperlane.ledger.schema import READY

_ARRAYS: Mapping[Kind, str] = {"key": "text[]", "text": "text[]", "int": "bigint[]", "float": "float8[]"}
_DIALECT = PGDialect_psycopg()
_PASSING = {"40001", "40P01", *FORGOTTEN}  # serialization failure, deadlock

_HEADS = Prepared(
    sql(
        "SELECT head.* FROM unnest(CAST(:users AS bigint[]), CAST(:most AS int[])) AS lane (user_id, most)"  # noqa: S608  names of ours
        f" CROSS JOIN LATERAL (SELECT {', '.join(c.name for c in HEAD)} FROM tasks"
        f" WHERE tasks.user_id = lane.user_id AND {READY} AND {Fit.SQL}"
        " ORDER BY sort_key, id LIMIT lane.most) AS head"
    )
)
_NOW = Prepared(sql("SELECT extract(epoch FROM clock_timestamp())"))


def _array(values: Iterable[object]) -> str:
    """An array's text form, which the driver would make value by value, looking for each one's type.

    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    every = list(values)
    try:
        return f"{{{_alike(every)}}}"
    except TypeError:  # they are of several types, or some are NULL
        return f"{{{','.join(map(_element, every))}}}"


def _alike(values: Sequence[Any]) -> str:
    """Many values of one type, without a look at each. TypeError when they are not."""
    if not values:
        return ""
    match values[0]:
        case str():
            joined = '","'.join(values)
            if "\\" in joined or joined.count('"') != 2 * (len(values) - 1):
                raise TypeError("some must be escaped")
            return f'"{joined}"'
        case int():
            return ",".join(map(int.__repr__, values))
        case float():
            return ",".join(map(float.__repr__, values))
        case _:
            raise TypeError("one by one")


def _element(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"') if "\\" in value or '"' in value else value
        return f'"{escaped}"'
    match value:
        case None:
            return "NULL"
        case int():
            return int.__repr__(value)
        case float():
            return float.__repr__(value)
        case bytes() | bytearray() | memoryview():
            return f'"\\\\x{bytes(value).hex()}"'
        case _:
            raise TypeError(f"{type(value).__name__} has no form in an array")


@cache
def _insert_of(table: Table, names: tuple[str, ...], same: frozenset[str]) -> Prepared:
    """One array a column: the text is the same for any number of rows, and as fast as COPY for some hundreds.

    Columns that have the same value in all rows are given once.
    """
    types = {name: table.c[name].type.compile(_DIALECT).partition(" COLLATE ")[0] for name in names}
    arrays = ", ".join(f"CAST(:{name} AS {types[name]}[])" for name in names if name not in same)
    values = ", ".join(f"CAST(:{name} AS {types[name]})" if name in same else f"given.{name}" for name in names)
    columns = ", ".join(name for name in names if name not in same)
    quoted = ", ".join(_DIALECT.identifier_preparer.quote(name) for name in names)
    given = f"unnest({arrays}) AS given ({columns})"
    return Prepared(sql(f"INSERT INTO {table.name} ({quoted}) SELECT {values} FROM {given}"))  # noqa: S608  names of ours


_BY_KEYS = "; ".join(
    f"SET {name} = {value}"
    for name, value in {
        "enable_seqscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "seq_page_cost": 0,  # what counts is how many rows are touched, not that a small table is one page
        "random_page_cost": 0,
        "cpu_tuple_cost": 1,
        "cpu_index_tuple_cost": 1,
        "plan_cache_mode": "force_generic_plan",
        "jit": "off",
    }.items()
)


def _begin(connection: psycopg.Connection, _record: object) -> None:
    """Let nobody wait for a transaction that idles, and plan by keys.

    All that writes goes by keys and the indexes made for it, however little the tables held when it was planned.

    A plan that suits small tables (read all, join by hashes) is kept until somebody analyses them, and grows with
    them: a step of ten tasks took four times as long after 10,000. And where arrays of one seem cheaper than of ten,
    each execution is planned anew.
    """
    if psycopg.Pipeline.is_supported():
        connection.prepare_threshold = (
            None  # it would forget all that is prepared after each rollback, ours with its own
        )
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{server.IDLE}s'; {_BY_KEYS}".encode())
    connection.commit()


def _opened(_dialect: object, _record: object, address: Sequence[Any], options: Mapping[str, Any]) -> Session:
    return Session.opened(*address, **options)


class Postgresql:
    """A PostgreSQL server."""

    locks = True
    chains = True
    clock = _NOW

    def __init__(self, url: str) -> None:
        at = address.of_server(url, "postgresql+psycopg")
        address.check_options(at, lambda given: make_conninfo(**given))
        third = max(1, server.SILENT // 3)
        at = server.preset(
            at,
            connect_timeout=server.REACH,
            keepalives_idle=third,
            keepalives_interval=third,
            keepalives_count=2,
            tcp_user_timeout=server.SILENT * 1_000,
        )
        at = at.update_query_dict({"client_encoding": "utf8"})  # whatever the server's or the environment's is
        self.together: Together | None = run_together if psycopg.Pipeline.is_supported() else None
        self.briefly: Prepared | None = Prepared(sql(f"SET LOCAL lock_timeout = '{server.QUEUE}s'"))
        self.promptly: Prepared | None = Prepared(sql("SET LOCAL lock_timeout = '1s'"))
        self.writer = server.engine_of(at, "READ COMMITTED")
        event.listen(self.writer, "connect", _begin)
        self.reader = server.engine_of(at, "AUTOCOMMIT")
        for engine in (self.writer, self.reader):
            event.listen(engine, "do_connect", _opened)
        self.unlimited = server.unlimited_engine_of(at)
        self._watch_lock = Lock()
        self._watching: Connection | None = None
        self._announcer = Announcer(self._own_connection)
        self._listener = Listener(self._own_connection)

    def _own_connection(self) -> Session:
        """One that is in no pool, for those who keep it."""
        arguments = self.reader.dialect.create_connect_args(self.reader.url)
        return Session.opened(*arguments[0], **arguments[1], autocommit=True)

    @staticmethod
    def given(name: str, **columns: Kind) -> Given:
        arrays = [f"CAST(:{name}_{of} AS {_ARRAYS[kind]})" for of, kind in columns.items()]
        # A limit that is not known when it is planned counts as a tenth, and ten rows are expected: so as one row,
        # for which a look by key is always best. Of ten, all of a table that was small is read instead.
        rows = sql(
            f"SELECT * FROM unnest({', '.join(arrays)}) AS given ({', '.join(columns)}) LIMIT cardinality({arrays[0]})"  # noqa: S608  names of ours
        )

        def bind(*given: Iterable[object]) -> dict[str, object]:
            return {f"{name}_{of}": _array(values) for of, values in zip(columns, given, strict=True)}

        return Given(rows.columns(*map(column, columns)).subquery(name), bind)

    @staticmethod
    def insert_new(table: Table) -> Insert:
        return insert(table).on_conflict_do_nothing()

    def insertion(self, table: Table, rows: Sequence[Row]) -> tuple[Prepared, Parameters]:
        key = {column.name for column in table.primary_key}
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        same = frozenset(
            name for name, values in columns.items() if name not in key and values.count(values[0]) == len(values)
        )
        given = {name: values[0] if name in same else _array(values) for name, values in columns.items()}
        return _insert_of(table, tuple(columns), same), given

    def heads(self, wanted: Mapping[int, int], fit: Fit) -> tuple[Prepared, Mapping[str, Any]]:
        return _HEADS, {"users": _array(wanted), "most": _array(wanted.values()), **asdict(fit)}

    def announce(self, engines: Collection[str]) -> None:
        self._announcer.announce(engines)

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        return self._listener.listen(heard)

    def changed(self) -> int:
        """What transactions are under way or over: another text after each commit."""
        with self._watch_lock:
            try:
                if self._watching is None:
                    self._watching = self.reader.connect()
                return hash(self._watching.exec_driver_sql("SELECT pg_current_snapshot()::text").scalar_one())
            except DBAPIError:
                if self._watching is not None:
                    self._watching.close()
                    self._watching = None
                raise

    def passing(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) in _PASSING

    def weaknesses(self, connection: Connection) -> Iterator[str]:
        asked = (
            "SELECT name FROM pg_settings WHERE setting = 'off' AND name = ANY (ARRAY['synchronous_commit', 'fsync'])"
        )
        for name in connection.exec_driver_sql(asked).scalars():
            yield f"{name} is off: what was accepted may be lost in a power cut; set it to on"

    def fullness(self, connection: Connection) -> Fullness:
        """All clients of the server count; the last few places are kept for its superusers.

        Counted by database, with the few of its own workers there: pg_stat_activity hides from an ordinary role of what
        kind the sessions of others are.
        """
        asked = (
            "SELECT (SELECT sum(numbackends) FROM pg_stat_database),"
            " current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,"
            " pg_database_size(current_database())"
        )
        return Fullness(*map(int, connection.exec_driver_sql(asked).one()))

    def close(self) -> None:
        self._announcer.close()
        self._listener.close()
        with self._watch_lock:
            if self._watching is not None:
                self._watching.close()
                self._watching = None
        self.writer.dispose()
        self.reader.dispose()
