"""MariaDB and MySQL, by PyMySQL: no RETURNING and no partial indexes, so generated columns lead the indexes."""

import json
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache, lru_cache
from typing import Any

import pymysql
from sqlalchemy import Connection, Insert, Table, column, event
from sqlalchemy import text as sql
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError

from paperlane.ledger.dialects import Fit, Fullness, Given, Kind, Together, address, server
from paperlane.ledger.dialects.hearers import Hearers
from paperlane.ledger.dialects.prepared import Parameters, Prepared, Row, row_by_row
from paperlane.ledger.dialects.versions import Server, untried
from paperlane.ledger.history import HEAD
from paperlane.ledger.schema import READY

COLLATION = "utf8mb4_bin"
"""Ids and keys are compared byte by byte, as on the other databases."""

_LETTERS = f"CHARACTER SET utf8mb4 COLLATE {COLLATION}"
_COLUMNS: Mapping[Kind, str] = {
    "key": f"VARCHAR(200) {_LETTERS}",
    "text": f"LONGTEXT {_LETTERS}",
    "int": "BIGINT",
    "float": "DOUBLE",
}
_PASSING = {1213}  # a deadlock; who waited in vain for a lock has waited for as long as anybody would
_PACKET = 16 << 20
_LOOKS = 20.0  # a second: there is no cheap way to see that somebody committed, so it is looked for


@lru_cache(maxsize=1_000)
def _heads(count: int) -> Prepared:
    """Of so many lanes: it has no LATERAL, and only limited selects are answered by the index alone."""
    each = (
        f"(SELECT {', '.join(c.name for c in HEAD)} FROM tasks"  # noqa: S608  names of ours
        f" WHERE user_id = :user_{at} AND {READY.flagged} AND {Fit.SQL} ORDER BY sort_key, id LIMIT :most_{at})"
        for at in range(count)
    )
    return Prepared(sql(" UNION ALL ".join(each)))


_NOW = Prepared(sql("SELECT unix_timestamp(sysdate(6))"))
_IN_UTC = "SET time_zone = '+00:00'"
"""The clock is read by way of the session's time zone: where that saves daylight, an hour comes twice each autumn."""


class _Connection(pymysql.Connection):
    """One that shares with all others what encrypts it, where the URL says nothing of that.

    Nobody's certificate is looked at then, and yet the driver read all that the system trusts for each connection anew:
    30 ms of processor time, thrice what the rest of it took.
    """

    def _create_ssl_ctx(self, asked: Mapping[str, Any]) -> Any:
        driver: Any = super()
        return driver._create_ssl_ctx(asked) if asked else _usual_encryption()  # noqa: SLF001


@cache
def _usual_encryption() -> Any:
    usual: Any = pymysql.Connection(defer_connect=True)
    return usual.ctx


def _connect(_dialect: object, _record: object, _args: object, options: Mapping[str, Any]) -> _Connection:
    return _Connection(**options)


def _begin(connection: pymysql.Connection, _record: object) -> None:
    """Tell the time in UTC, and notice when the server's machine is silent, which PyMySQL has no options for.

    https://man7.org/linux/man-pages/man7/tcp.7.html
    """
    with connection.cursor() as cursor:
        cursor.execute(_IN_UTC)
    line: socket.socket = connection._sock  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    if line.family != socket.AF_UNIX:
        third = max(1, server.SILENT // 3)
        wanted = {"KEEPIDLE": third, "KEEPINTVL": third, "KEEPCNT": 2, "USER_TIMEOUT": server.SILENT * 1_000}
        for name, value in wanted.items():
            if (option := getattr(socket, f"TCP_{name}", None)) is not None:  # macOS lacks some
                line.setsockopt(socket.IPPROTO_TCP, option, value)


def _limit(connection: pymysql.Connection, _record: object) -> None:
    """Let nobody wait for a transaction that idles, nor for any lock for long; MySQL has no limit of the former."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET innodb_lock_wait_timeout = {server.QUEUE} /*M!100300 , idle_transaction_timeout = {server.IDLE} */"
        )


class Mysql:
    """A MariaDB server, or a MySQL one, which speaks the same."""

    locks = True
    chains = False
    clock = _NOW
    together: Together | None = None
    briefly: Prepared | None = None  # `_limit` holds for all that writes
    promptly: Prepared | None = None  # its limits are of connections, which are used again

    def __init__(self, url: str) -> None:
        at = address.of_server(url, "mysql+pymysql")
        address.check_options(at, lambda given: _Connection(defer_connect=True, **given))
        at = server.preset(at, charset="utf8mb4", connect_timeout=server.REACH)
        answer = {"read_timeout": server.ANSWER, "write_timeout": server.ANSWER}
        self._hearers = Hearers()
        self.writer = server.engine_of(at, "READ COMMITTED", **answer)
        self.reader = server.engine_of(at, "AUTOCOMMIT", **answer)
        self.unlimited = server.unlimited_engine_of(at)
        for engine in (self.writer, self.reader, self.unlimited):
            event.listen(engine, "do_connect", _connect)
            event.listen(engine, "connect", _begin)
        event.listen(self.writer, "connect", _limit)

    @staticmethod
    def given(name: str, **columns: Kind) -> Given:
        fields = ", ".join(f"{of} {_COLUMNS[kind]} PATH '$[{at}]'" for at, (of, kind) in enumerate(columns.items()))
        rows = sql(f"SELECT * FROM JSON_TABLE(:{name}, '$[*]' COLUMNS ({fields})) AS given")  # noqa: S608  names of ours
        return Given(
            rows.columns(*map(column, columns)).subquery(name),
            lambda *given: {name: json.dumps(list(zip(*given, strict=True)), ensure_ascii=False)},
        )

    @staticmethod
    def insert_new(table: Table) -> Insert:
        first = next(iter(table.primary_key.columns))
        return insert(table).on_duplicate_key_update({first.name: first})

    def insertion(self, table: Table, rows: Sequence[Row]) -> tuple[Prepared, Parameters]:
        return row_by_row(table, tuple(rows[0])), list(rows)

    def heads(self, wanted: Mapping[int, int], fit: Fit) -> tuple[Prepared, Mapping[str, Any]]:
        users = {f"user_{at}": user for at, user in enumerate(wanted)}
        most = {f"most_{at}": most for at, most in enumerate(wanted.values())}
        return _heads(len(wanted)), {**users, **most, **asdict(fit)}

    def announce(self, engines: Collection[str]) -> None:
        """It can tell no other process: who waits there looks."""
        for engine in engines:
            self._hearers.tell(engine)

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        self._hearers.add(heard)  # so that this process hears of its own
        return None

    def changed(self) -> int:
        return int(time.monotonic() * _LOOKS)

    def passing(self, error: DBAPIError) -> bool:
        return bool(error.orig is not None and error.orig.args and error.orig.args[0] in _PASSING)

    def weaknesses(self, connection: Connection) -> Iterator[str]:
        asked = "SELECT version(), @@innodb_flush_log_at_trx_commit, @@max_allowed_packet"
        said, flushes, packet = connection.exec_driver_sql(asked).one()
        yield from untried(Server.of(said))
        if flushes != 1:
            name = "innodb_flush_log_at_trx_commit"
            yield f"{name} is {flushes}: what was accepted may be lost in a power cut; set it to 1"
        if packet < _PACKET:
            yield f"max_allowed_packet is {packet >> 20} MB: large writes are refused; set it to 16M"

    def fullness(self, connection: Connection) -> Fullness:
        """All clients of the server count."""
        _, connected = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'").one()
        asked = (
            "SELECT @@max_connections, (SELECT coalesce(sum(data_length + index_length), 0)"
            " FROM information_schema.tables WHERE table_schema = database())"
        )
        most, size = connection.exec_driver_sql(asked).one()
        return Fullness(int(connected), int(most), int(size))

    def close(self) -> None:
        self.writer.dispose()
        self.reader.dispose()
