"""Statements that join given rows by a table's primary key, and must not go any other way.

MySQL scans a small table instead, and locks every row that it comes past: users would wait for each other, or deadlock.
"""

import re
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, Subquery, Table, Update, func
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

_HINT = "FORCE INDEX (PRIMARY)"  # of a few rows it would rather read all, and lock them
_TABLES = re.compile(r"^UPDATE (\w+), (\(.*\) AS \w+) SET", re.DOTALL)

Asked = TypeVar("Asked", bound=Select[*tuple[Any, ...]])


def select_by_key(asked: Asked, given: Subquery, table: Table) -> Asked:
    """The question, answered by going through the given rows, each found in the table by its key."""
    straight = asked.select_from(given).prefix_with("STRAIGHT_JOIN", dialect="mysql")
    return straight.with_hint(table, _HINT, "mysql")


def by_no_index(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column in a form that no index answers, where rows are few by their keys already.

    PostgreSQL would look all tasks of a worker through for each given one.
    """
    return func.coalesce(column, "")


class KeyedUpdate(Update):
    """An update of rows of a table that are found by their key."""

    inherit_cache = True


@compiles(KeyedUpdate)
def _(update: KeyedUpdate, compiler: SQLCompiler, **more: Any) -> str:
    return compiler.visit_update(update, **more)


@compiles(KeyedUpdate, "mysql", "mariadb")
def _(update: KeyedUpdate, compiler: SQLCompiler, **more: Any) -> str:
    """SQLAlchemy writes `UPDATE table, given SET`, where the server chooses which one it goes through."""
    words, found = _TABLES.subn(
        rf"UPDATE \2 STRAIGHT_JOIN \1 {_HINT} SET", compiler.visit_update(update, **more), count=1
    )
    if not found:
        raise CompileError(f"An update of given rows is written in another way: {words}")
    return words
