"""Statements that are compiled once for each kind of database, and then go straight to its driver.

What SQLAlchemy does anew at each execution takes several times as long as SQLite takes for the statement; a step of a
worker is a dozen statements, and runs for every task or few. Where somebody listens to an engine's statements (tracing,
tests), they are executed by SQLAlchemy as any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.sql.elements import CompilerElement

Row = dict[str, Any]

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as a driver takes it: `places` in the order of its parameters, none where it names them."""

    words: str
    fixed: Mapping[str, Any]
    places: tuple[str, ...] | None

    def bind(self, parameters: Mapping[str, Any]) -> Any:
        given = {**self.fixed, **parameters}
        return given if self.places is None else [given[name] for name in self.places]


@dataclass(eq=False, slots=True)
class Prepared:
    """A statement of SQLAlchemy's, ready to be run many times."""

    statement: Executable
    _texts: dict[str, _Text] = field(default_factory=dict)

    def rows(self, connection: Connection, parameters: Mapping[str, Any] = _NOTHING) -> list[Row]:
        """Its rows, by the names of their columns."""
        cursor = self._executed(connection, parameters)
        try:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def tuples(self, connection: Connection, parameters: Mapping[str, Any] = _NOTHING) -> list[tuple[Any, ...]]:
        """Its rows."""
        cursor = self._executed(connection, parameters)
        try:
            return [tuple(row) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def value(self, connection: Connection, parameters: Mapping[str, Any] = _NOTHING) -> Any:
        """The first column of its first row; None where there is none."""
        found = self.tuples(connection, parameters)
        return found[0][0] if found else None

    def run(self, connection: Connection, parameters: Mapping[str, Any] = _NOTHING) -> int:
        """How many rows it changed."""
        cursor = self._executed(connection, parameters)
        try:
            return cursor.rowcount
        finally:
            cursor.close()

    def _executed(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        if connection.engine.dispatch.before_cursor_execute:
            result = connection.execute(self.statement, dict(parameters))
            assert isinstance(result, CursorResult)
            return _Listened(result)
        text = self._texts.get(connection.dialect.name) or self._compile(connection)
        bound = text.bind(parameters)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text.words, bound)
        except BaseException as error:
            # SQLAlchemy's own: wraps the driver's error, and gives broken connections up
            connection._handle_dbapi_exception(error, text.words, bound, cursor, None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            raise
        return cursor

    def _compile(self, connection: Connection) -> _Text:
        assert isinstance(self.statement, CompilerElement)
        compiled = self.statement.compile(dialect=connection.dialect)
        places = getattr(compiled, "positiontup", None)
        text = _Text(str(compiled), dict(compiled.params or {}), tuple(places) if places is not None else None)
        return self._texts.setdefault(connection.dialect.name, text)


@dataclass(slots=True)
class _Listened:
    """SQLAlchemy's result in a cursor's form."""

    result: CursorResult[Any]

    @property
    def description(self) -> Any:
        return [(name,) for name in self.result.keys()]  # noqa: SIM118  not a dict

    @property
    def rowcount(self) -> int:
        return self.result.rowcount

    def fetchall(self) -> Any:
        return self.result.fetchall()

    def close(self) -> None:
        self.result.close()
