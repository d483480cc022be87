"""Statements that are compiled once for each kind of database, and then go straight to its driver.

What SQLAlchemy does anew at each execution takes several times as long as SQLite takes for the statement; a step of a
worker is a dozen statements, and runs for every task or few. Where somebody listens to an engine's statements (tracing,
tests), they are executed by SQLAlchemy as any other.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, Table, bindparam
from sqlalchemy.sql.elements import CompilerElement

Row = dict[str, Any]

NOTHING: Mapping[str, Any] = {}

Parameters = Mapping[str, Any] | list[Mapping[str, Any]]


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

    def on(self, connection: Connection, parameters: Parameters = NOTHING) -> "Answer":
        """Run it now, for each set of parameters where a list of them is given."""
        return Answer(self._executed(connection, parameters))

    def _executed(self, connection: Connection, parameters: Parameters) -> Any:
        if is_listened(connection):
            result = connection.execute(
                self.statement, parameters if isinstance(parameters, list) else dict(parameters)
            )
            assert isinstance(result, CursorResult)
            return _Listened(result)
        text = self._texts.get(connection.dialect.name) or self._compile(connection)
        many = isinstance(parameters, list)
        bound = list(map(text.bind, parameters)) if isinstance(parameters, list) else text.bind(parameters)
        cursor = connection.connection.cursor()
        try:
            (cursor.executemany if many else cursor.execute)(text.words, bound)
            found = cursor.fetchall() if cursor.description else ()
        except BaseException as error:
            as_sqlalchemy_does(connection, error, text.words, bound, cursor)
            raise
        return _Read(cursor, found)

    def _compile(self, connection: Connection) -> _Text:
        assert isinstance(self.statement, CompilerElement)
        compiled = self.statement.compile(dialect=connection.dialect)
        places = getattr(compiled, "positiontup", None)
        text = _Text(str(compiled), dict(compiled.params or {}), tuple(places) if places is not None else None)
        return self._texts.setdefault(connection.dialect.name, text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the database said to a statement; to be looked at once."""

    _cursor: Any

    def rows(self) -> list[Row]:
        """Its rows, by the names of their columns."""
        with closing(self._cursor) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def tuples(self) -> list[tuple[Any, ...]]:
        """Its rows."""
        with closing(self._cursor) as cursor:
            return [tuple(row) for row in cursor.fetchall()]

    def value(self) -> Any:
        """The first column of its first row; None where there is none."""
        found = self.tuples()
        return found[0][0] if found else None

    def count(self) -> int:
        """How many rows were changed."""
        with closing(self._cursor) as cursor:
            return cursor.rowcount


@cache
def row_by_row(table: Table, names: tuple[str, ...]) -> Prepared:
    """An insert of one row, to be run for each."""
    return Prepared(table.insert().values({name: bindparam(name, type_=table.c[name].type) for name in names}))


def is_listened(connection: Connection) -> bool:
    """Does somebody listen to the statements of this connection's engine?"""
    return bool(connection.engine.dispatch.before_cursor_execute)


def as_sqlalchemy_does(connection: Connection, error: BaseException, words: str, bound: Any, cursor: Any) -> None:
    """Raise a driver's error as SQLAlchemy's own, and give a broken connection up."""
    connection._handle_dbapi_exception(error, words, bound, cursor, None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True, slots=True)
class _Read:
    """A driver's cursor that has read all there is.

    SQLite's driver spoils its statement else: a cursor that was left before the end by a rollback resets it when it is
    collected as garbage, and whoever is about to run the same statement then cannot bind its parameters the next time.
    """

    cursor: Any
    found: Sequence[Any]

    @property
    def description(self) -> Any:
        return self.cursor.description

    @property
    def rowcount(self) -> int:
        return self.cursor.rowcount

    def fetchall(self) -> Sequence[Any]:
        return self.found

    def close(self) -> None:
        self.cursor.close()


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
