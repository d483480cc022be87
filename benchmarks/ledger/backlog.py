"""A backlog of any size, written straight into the tables: one task by the ledger itself, and copies of its rows."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from paperlane.ledger import Ledger
from paperlane.ledger.schema import metadata
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId

_AT_ONCE = 100_000
_UPLOAD = 10  # tasks that a user brings at a time
_FIRST_NUMBER = 10_000_000  # of a length for all, so that ids sort by time, as the ledger's own do
_SERIES = {
    "postgresql": "generate_series({first}, {last}) AS series(n)",
    "mysql": "(SELECT seq AS n FROM seq_{first}_to_{last}) AS series",
    "mariadb": "(SELECT seq AS n FROM seq_{first}_to_{last}) AS series",
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) "
    "SELECT n FROM s) AS series",
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """Ready tasks of users `first`, `first + 1`, ..., in turn, ten of each at a time, as uploads would bring them."""

    tasks: int
    users: int
    first: int = 1
    max_running: int | None = None
    weight: float | None = None
    payload: bytes = b"{}"


def load(ledger: Ledger, backlog: Backlog) -> None:
    """Add the backlog; lanes that are there already get more. The tables are not analysed: see `analyse`."""
    mark = secrets.token_hex(6)
    template = TaskId(f"t{mark}-{_FIRST_NUMBER}")
    ledger.lane(UserId(backlog.first), max_running=backlog.max_running, weight=backlog.weight)
    ledger.submit(NewBatch(BatchId(f"b{mark}"), UserId(backlog.first), [NewTask(template, backlog.payload)]))
    for at in range(1, backlog.users, _AT_ONCE):
        ledger.write(lambda c, at=at: _lanes(c, backlog, at, min(at + _AT_ONCE, backlog.users) - 1))
    for at in range(1, backlog.tasks, _AT_ONCE):
        ledger.write(lambda c, at=at: _tasks(c, backlog, mark, at, min(at + _AT_ONCE, backlog.tasks) - 1))
    ledger.write(lambda c: _count(c, backlog))


def _copy(
    connection: Connection, table: str, where: str, changed: Mapping[str, str], first: int, last: int, unless: str = ""
) -> None:
    columns = [column.name for column in metadata.tables[table].columns if column.computed is None]
    shown = [_quoted(connection, name) for name in columns]
    values = [changed.get(name, f"o.{shown}") for name, shown in zip(columns, shown, strict=True)]
    connection.execute(
        text(
            f"INSERT INTO {table} ({', '.join(shown)}) SELECT {', '.join(values)}"
            f" FROM {table} AS o, {series(connection, first, last)} WHERE o.{where} {unless}"
        )
    )


def series(connection: Connection, first: int, last: int) -> str:
    """The numbers from first to last as a table expression with one column, `n`."""
    return _SERIES[connection.dialect.name].format(first=first, last=last)


def _is_mariadb(connection: Connection) -> bool:
    return connection.dialect.name in {"mysql", "mariadb"}


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _tasks(connection: Connection, backlog: Backlog, mark: str, first: int, last: int) -> None:
    number = f"n + {_FIRST_NUMBER}"
    name = f"CONCAT('t{mark}-', {number})" if _is_mariadb(connection) else f"'t{mark}-' || ({number})"
    changed = {
        "id": name,
        "user_id": f"{backlog.first} + (n - n % {_UPLOAD}) / {_UPLOAD} % {backlog.users}",
        "sort_key": "o.sort_key + n * 0.000001",
        "position": "n",
    }
    template = f"'t{mark}-{_FIRST_NUMBER}'"
    _copy(connection, "tasks", f"id = {template}", changed, first, last)
    _copy(connection, "events", f"task_id = {template}", {"task_id": name}, first, last)


def _lanes(connection: Connection, backlog: Backlog, first: int, last: int) -> None:
    here = f"{backlog.first} + n"
    _copy(
        connection,
        "lanes",
        f"user_id = {backlog.first}",
        {"user_id": here, "ready": "0"},
        first,
        last,
        f"AND NOT EXISTS (SELECT 1 FROM lanes AS l WHERE l.user_id = {here})",
    )


def _count(connection: Connection, backlog: Backlog) -> None:
    rounds, rest = divmod(backlog.tasks, _UPLOAD * backlog.users)
    whole, part = divmod(rest, _UPLOAD)
    each = rounds * _UPLOAD
    for at, users, count in (
        (0, 1, -1),  # its template is counted
        (0, whole, each + _UPLOAD),
        (whole, 1, each + part),
        (whole + 1, backlog.users - whole - 1, each),
    ):
        first = backlog.first + at
        connection.execute(
            text("UPDATE lanes SET ready = ready + :count WHERE user_id BETWEEN :first AND :last"),
            {"count": count, "first": first, "last": first + users - 1},
        )


def analyse(ledger: Ledger, *others: str) -> None:
    """Let the database look at what it holds, in the ledger's tables and in others, as it does by itself in time.

    SQLite never does, and Paperlane's plans there are made without: only the others are looked at.
    """

    def look(connection: Connection) -> None:
        if _is_mariadb(connection):
            connection.execute(text(f"ANALYZE TABLE {', '.join([*metadata.tables, *others])}")).all()
        elif connection.dialect.name == "sqlite":
            for table in others:
                connection.execute(text(f"ANALYZE {table}"))
        else:
            connection.execute(text("ANALYZE"))

    ledger.write(look)
