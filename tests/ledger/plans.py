"""How a database would carry out statements, in the same few facts whatever database it is."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, event

from paperlane.ledger.sql import SqlLedger

PRIMARY = "primary"
TABLES = ("tasks", "lanes", "events", "checkpoints", "attempts", "workers", "incidents")


@dataclass(frozen=True, slots=True)
class Access:
    """How a plan reaches a table: by which index ("" for none), and whether it reads the whole of it.

    `by` names the index's columns that narrow down what is read.
    """

    table: str
    index: str
    whole: bool
    by: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan does: how it reaches tables, and which of that it sorts without having limited it before."""

    accesses: tuple[Access, ...]
    sorted: tuple[Access, ...] = ()
    sorts: bool = False

    def of(self, table: str) -> set[Access]:
        """How it reaches a table."""
        return {access for access in self.accesses if access.table == table}

    def __add__(self, other: "Plan") -> "Plan":
        """What both do."""
        return Plan(self.accesses + other.accesses, self.sorted + other.sorted, self.sorts or other.sorts)


def plans_of(ledger: SqlLedger, work: Callable[[], object]) -> dict[str, Plan]:
    """Every statement that `work` runs, with its plan over tables that the database knows the size of.

    It is planned as who ran it plans: writers and readers are set differently.
    """
    statements: dict[tuple[Engine, str], Any] = {}

    def note(  # SQLAlchemy's form
        connection: Connection,
        _cursor: object,
        statement: str,
        parameters: Any,
        _context: object,
        many: bool,  # noqa: FBT001
    ) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "(SELECT")) or "SELECT" in statement:
            statements[connection.engine, statement] = parameters[0] if many else parameters

    database = _DATABASES[ledger.dialect.writer.dialect.name]
    engines = {ledger.dialect.writer, ledger.dialect.reader}
    know_sizes(ledger)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
    plans: dict[str, Plan] = {}
    for (engine, statement), parameters in statements.items():
        with engine.connect() as connection:
            for before in database.before:
                connection.exec_driver_sql(before)
            told = connection.exec_driver_sql(f"{database.explain} {statement}", parameters).all()
            plans[statement] = plans.get(statement, Plan(())) + database.read(statement, told)
    return plans


def know_sizes(ledger: SqlLedger) -> None:
    """Have the database count its tables' rows, and give back what deleted ones took."""
    with ledger.dialect.reader.connect() as connection:  # which is in no transaction: none may vacuum
        for statement in _DATABASES[ledger.dialect.writer.dialect.name].know_sizes:
            connection.exec_driver_sql(statement)


def _sqlite(statement: str, rows: Sequence[Any]) -> Plan:
    names = dict(re.findall(r"\b(\w+) AS (\w+)", statement))
    tables = {alias: table for table, alias in names.items() if table in TABLES}
    found = [
        (row.parent, Access(tables.get(f[2], f[2]), _index(f[3] or ""), f[1] == "SCAN", _compared(row.detail)))
        for row in rows
        if (f := re.match(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?(?:INDEX )?(\w+)(.*))?", row.detail))
    ]
    found = [(parent, access) for parent, access in found if access.table in TABLES]
    sorts = {row.parent for row in rows if "TEMP B-TREE" in row.detail}
    sorted_ones = tuple(access for parent, access in found if parent in sorts)
    return Plan(tuple(access for _, access in found), sorted_ones, bool(sorts))


def _postgresql(_statement: str, rows: Sequence[Any]) -> Plan:
    def accesses(told: Any) -> Iterator[Access]:
        for node in _objects(told):
            if node.get("Relation Name") in TABLES and node["Node Type"] != "ModifyTable":
                asked = node.get("Index Cond", "")
                yield Access(node["Relation Name"], _index(node.get("Index Name", "")), not asked, _compared(asked))

    sorts = [node for node in _objects(rows[0][0]) if "Sort" in node.get("Node Type", "")]
    sorted_ones = tuple(access for node in sorts for access in accesses(_unlimited(node)))
    return Plan(tuple(accesses(rows[0][0])), sorted_ones, bool(sorts))


def _unlimited(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """A plan without what it limits."""
    kept = [_unlimited(part) for part in node.get("Plans", ()) if part["Node Type"] != "Limit"]
    return {**node, "Plans": kept}


def _mariadb(_statement: str, rows: Sequence[Any]) -> Plan:
    def accesses(told: Any) -> Iterator[Access]:
        for table in _objects(told):
            kind = table.get("access_type", "")
            if table.get("table_name") in TABLES and kind != "const":  # const: one row by its key
                by = frozenset(table.get("used_key_parts", ()))
                yield Access(table["table_name"], _index(table.get("key", "")), kind in {"ALL", "index"}, by)

    told = json.loads(rows[0][0])
    sorts = [part["filesort"] for part in _objects(told) if "filesort" in part]
    return Plan(tuple(accesses(told)), tuple(access for part in sorts for access in accesses(part)), bool(sorts))


def _compared(words: str) -> frozenset[str]:
    """The columns that stand on the left of a comparison."""
    return frozenset(re.findall(r"(\w+)\)?(?:::\w+)? ?[<>=]", words))


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
    read: Callable[[str, Sequence[Any]], Plan]


_DATABASES = {
    "sqlite": _Database((), (), "EXPLAIN QUERY PLAN", _sqlite),  # nobody runs ANALYZE for it, so neither do tests
    "postgresql": _Database(
        tuple(f"VACUUM (FULL, ANALYZE) {table}" for table in TABLES),  # an index that others filled costs more to read
        # small tables would be scanned whatever indexes there are: what is scanned still has none that serves
        ("BEGIN", "SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off"),
        "EXPLAIN (FORMAT JSON)",
        _postgresql,
    ),
    "mysql": _Database(tuple(f"ANALYZE TABLE {table}" for table in TABLES), (), "EXPLAIN FORMAT=JSON", _mariadb),
}
