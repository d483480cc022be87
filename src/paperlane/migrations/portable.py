"""What migrations say in other words on MySQL and MariaDB."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

from paperlane.errors import Misconfigured

LARGE = sa.LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")
LONG = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def key(length: int) -> sa.types.TypeEngine[str]:
    """A short text that is compared byte by byte, as the others do anyway."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


TABLE: dict[str, Any] = {
    f"{kind}_{option}": value
    for kind in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def _mysql() -> bool:
    return op.get_bind().dialect.name in {"mysql", "mariadb"}


def partial_index(name: str, table: str, columns: Sequence[str], where: str, *, on_mysql: Sequence[str]) -> None:
    """An index of the rows that fulfil a condition; MySQL has none such, and takes other columns, or no index."""
    if not _mysql():
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    elif on_mysql:
        op.create_index(name, table, on_mysql)


def drop_partial_index(name: str, table: str, *, was_on_mysql: bool = True) -> None:
    """Take such an index away, where it was made."""
    if was_on_mysql or not _mysql():
        op.drop_index(name, table_name=table)


def flag_columns(table: str, **conditions: str) -> None:
    """On MySQL, columns that are 1 where a condition holds, to lead an index in place of a partial one.

    The table is written anew for them, so all of them come at once.
    """
    if _mysql():
        added = (f"ADD COLUMN {name} TINYINT AS ({condition}) STORED" for name, condition in conditions.items())
        op.execute(f"ALTER TABLE {table} {', '.join(added)}")


def drop_flag_columns(table: str, *names: str) -> None:
    """Take them away again."""
    if _mysql():
        op.execute(f"ALTER TABLE {table} {', '.join(f'DROP COLUMN {name}' for name in names)}")


def check_queue_used(connection: sa.Connection) -> None:
    """Misconfigured where lanes are on `inline` by the flag `use_database_queue`, or may not all be back yet.

    Versions before 0028 know no such flag, and would leave them there.
    """
    if not sa.inspect(connection).has_table("flags"):  # of a downgrade that was cut off, on MySQL
        return
    asked = "SELECT name FROM flags WHERE name = 'use_database_queue' AND (is_on = 0 OR settled < changes)"
    if connection.execute(sa.text(asked)).first() is not None:
        raise Misconfigured(
            "The flag use_database_queue is off, or users are not all back on their engines yet: an older version would"
            " leave them on inline.",
            hint="Run `paperlane rollout flag use_database_queue on` first, with `paperlane serve` until all are back.",
        )
