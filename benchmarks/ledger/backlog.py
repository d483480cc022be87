"""A backlog of any size, written straight into the tables: one task by the ledger itself, and copies of its rows."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from paperlane.ledger import Ledger
from paperlane.ledger.schema import metadata
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId

_AT_ONCE = 100_000
_SERIES = {
    "postgresql": "generate_series({first}, {last}) AS series(n)",
    "mysql": "(SELECT seq AS n FROM seq_{first}_to_{last}) AS series",
    "mariadb": "(SELECT seq AS n FROM seq_{first}_to_{last}) AS series",
    "sqlite": "(WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}) "
    "SELECT n FROM s) AS series",
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """Ready tasks of users `first`, `first + 1`, ..., in turn, so that each has the same share."""

    tasks: int
    users: int
    first: int = 1
    max_running: int | None = None
    weight: float | None = None


def load(ledger: Ledger, backlog: Backlog) -> None:
    """Add the backlog; lanes that are there already get more. The tables are not analysed: see `analyse`."""
    mark = secrets.token_hex(6)
    template = TaskId(f"t{mark}-0")
    ledger.lane(UserId(backlog.first), max_running=backlog.max_running, weight=backlog.weight)
    ledger.submit(NewBatch(BatchId(f"b{mark}"), UserId(backlog.first), [NewTask(template, b"{}")]))
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
    name = f"CONCAT('t{mark}-', n)" if _is_mariadb(connection) else f"'t{mark}-' || n"
    changed = {
        "id": name,
        "user_id": f"{backlog.first} + n % {backlog.users}",
        "sort_key": "o.sort_key + n * 0.000001",
        "position": "n",
    }
    _copy(connection, "tasks", f"id = 't{mark}-0'", changed, first, last)
    _copy(connection, "events", f"task_id = 't{mark}-0'", {"task_id": name}, first, last)


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
    share, more = divmod(backlog.tasks, backlog.users)
    for first, users, count in (
        (backlog.first, 1, share + (more > 0) - 1),  # its template is counted
        (backlog.first + 1, more - 1, share + 1),
        (backlog.first + max(more, 1), backlog.users - max(more, 1), share),
    ):
        if users > 0 and count > 0:
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
