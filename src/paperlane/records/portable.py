"""What the records say in other words on each database."""

from sqlalchemy import Connection, Insert, Table, insert, text
from sqlalchemy.dialects import postgresql, sqlite

_CLOCKS = {
    "sqlite": "SELECT unixepoch('subsec')",
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT unix_timestamp(sysdate(6))",
}


def now(connection: Connection) -> float:
    """The database's clock, which is the same for everybody: seconds since 1970 (UTC)."""
    return float(connection.execute(text(_CLOCKS.get(connection.dialect.name, _CLOCKS["mysql"]))).scalar_one())


def insert_new(connection: Connection, table: Table) -> Insert:
    """An insert that leaves a row alone which is there under the same key."""
    match connection.dialect.name:
        case "sqlite":
            return sqlite.insert(table).on_conflict_do_nothing()
        case "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing()
        case _:
            return insert(table).prefix_with("IGNORE")
