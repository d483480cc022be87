"""How a database would carry out statements, in the same few facts whatever database it is."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from paperlane.ledger.sql import SqlLedger

PRIMARY = "primary"
TABLES = ("tasks", "lanes", "events", "checkpoints", "attempts", "workers")


@dataclass(frozen=True, slots=True)
class Access:
    """How a plan reaches a table: by which index ("" for none), and whether it reads the whole of it."""

    table: str
    index: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan does: the tables that it reaches, and whether it sorts anything."""

    accesses: tuple[Access, ...]
    sorts: bool

    def of(self, table: str) -> set[Access]:
        """How it reaches a table."""
        return {access for access in self.accesses if access.table == table}


def plans_of(ledger: SqlLedger, work: Callable[[], object]) -> dict[str, Plan]:
    """Every statement that `work` runs, with its plan over tables that the database knows the size of."""
    statements: dict[str, Any] = {}

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool) -> None:  # noqa: FBT001  SQLAlchemy's form
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "(SELECT")) or "SELECT" in statement:
            statements[statement] = parameters[0] if many else parameters

    database = _DATABASES[ledger.dialect.writer.dialect.name]
    engines = {ledger.dialect.writer, ledger.dialect.reader}
    with ledger.dialect.writer.begin() as connection:
        for statement in database.know_sizes:
            connection.exec_driver_sql(statement)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
    with ledger.dialect.writer.begin() as connection:
        for statement in database.before:
            connection.exec_driver_sql(statement)
        told = {
            statement: connection.exec_driver_sql(f"{database.explain} {statement}", parameters).all()
            for statement, parameters in statements.items()
            if statement not in database.before
        }
    return {statement: database.read(rows) for statement, rows in told.items()}


def _sqlite(rows: Sequence[Any]) -> Plan:
    lines = [row.detail for row in rows]
    found = (re.match(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?(?:INDEX )?(\w+))?", line) for line in lines)
    accesses = (Access(f[2], _index(f[3] or ""), f[1] == "SCAN") for f in found if f and f[2] in TABLES)
    return Plan(tuple(accesses), any("TEMP B-TREE" in line for line in lines))


def _postgresql(rows: Sequence[Any]) -> Plan:
    nodes = [node for node in _objects(rows[0][0]) if "Node Type" in node]
    accesses = [
        Access(node["Relation Name"], _index(node.get("Index Name", "")), "Index Cond" not in node)
        for node in nodes
        if node.get("Relation Name") in TABLES and node["Node Type"] != "ModifyTable"
    ]
    return Plan(tuple(accesses), any("Sort" in node["Node Type"] for node in nodes))


def _mariadb(rows: Sequence[Any]) -> Plan:
    told = json.loads(rows[0][0])
    accesses = [
        Access(table["table_name"], _index(table.get("key", "")), table.get("access_type") in {"ALL", "index"})
        for table in _objects(told)
        if table.get("table_name") in TABLES and table.get("access_type", "") != "const"  # const: one row by its key
    ]
    return Plan(tuple(accesses), '"filesort"' in rows[0][0])


def _index(name: str) -> str:
    """The primary key has another name everywhere."""
    primary = name in {"PRIMARY", "INTEGER"} or name.endswith("_pkey") or name.startswith("sqlite_autoindex")
    return PRIMARY if primary else name


def _objects(told: Any) -> Iterator[Mapping[str, Any]]:
    """Each object in JSON, however deep."""
    if isinstance(told, dict):
        yield told
    for part in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from _objects(part)


@dataclass(frozen=True, slots=True)
class _Database:
    """How one kind of database is asked: what lets it know its sizes, what stands before, and how its answer reads."""

    know_sizes: Sequence[str]
    before: Sequence[str]
    explain: str
    read: Callable[[Sequence[Any]], Plan]


_DATABASES = {
    "sqlite": _Database((), (), "EXPLAIN QUERY PLAN", _sqlite),  # nobody runs ANALYZE for it, so neither do tests
    "postgresql": _Database(
        tuple(f"ANALYZE {table}" for table in TABLES),
        # small tables would be scanned whatever indexes there are: what is scanned still has none that serves
        ("SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off"),
        "EXPLAIN (FORMAT JSON)",
        _postgresql,
    ),
    "mysql": _Database(tuple(f"ANALYZE TABLE {table}" for table in TABLES), (), "EXPLAIN FORMAT=JSON", _mariadb),
}
