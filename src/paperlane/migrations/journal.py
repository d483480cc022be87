"""Lets a migration that died half-way be carried on, on MySQL and MariaDB: they commit each DDL statement by itself."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from alembic.ddl.mysql import MySQLImpl
from alembic.util import immutabledict
from sqlalchemy.exc import DBAPIError

_Answer = TypeVar("_Answer")

_notes = sa.Table(
    "alembic_under_way",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(32), nullable=False),  # that revision; what is noted belongs to the next
    sa.Column("statement", sa.String(64), nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    mysql_engine="InnoDB",
)

# https://mariadb.com/kb/en/mariadb-error-code-reference/: what a DDL statement is answered that was carried out before
_CARRIED_OUT = frozenset({
    1050, 1051, 1146,  # the table is there, or is not: made, dropped, renamed
    1060, 1054, 1091,  # the column, or key: added, renamed, dropped
    1061, 1068, 1826,  # the key, the primary key, the constraint: added
})  # fmt: skip
_SAME_FOREIGN_KEY = "errno: 121"  # HA_ERR_FOUND_DUPP_KEY, which MariaDB tells under the number of many causes


def _was_carried_out(raised: Any) -> bool:
    return raised.args[0] in _CARRIED_OUT or _SAME_FOREIGN_KEY in str(raised)


class Journal:
    """The statements of the revision that is under way, each of which is carried out once.

    A statement is noted before it runs. One that changes rows is committed together with its note, as done. One that
    changes tables commits its note first, as not done yet: where a process died then, it is in doubt, is run again, and
    may find that it was carried out. One that the server refused is not in doubt: tables of others stay theirs.

    What a migration executes on the connection itself, not by Alembic's `op`, is not noted: it must bear to run again.
    """

    def __init__(self, connection: sa.Connection, at: str | None) -> None:
        self._connection = connection
        self._at = at or ""
        self._kept = sa.inspect(connection).has_table(_notes.name)
        earlier = connection.execute(_notes.select()).all() if self._kept else []
        self._numbers = count(max((note.number for note in earlier), default=0) + 1)
        earlier = [note for note in earlier if note.at == self._at]  # others are of what has been undone since
        self._done = Counter(note.statement for note in earlier if note.done)
        self._doubtful = {note.statement: note.number for note in earlier if not note.done}

    def once(self, statement: str, run: Callable[[], _Answer]) -> _Answer | None:
        """What the statement answers; None where it was carried out before."""
        statement = sha256(statement.encode()).hexdigest()
        if self._done[statement]:
            self._done[statement] -= 1
            return None
        number = self._doubtful.pop(statement, None)
        return self._first(statement, run) if number is None else self._again(number, run)

    def _first(self, statement: str, run: Callable[[], _Answer]) -> _Answer:
        if not self._kept:
            _notes.create(self._connection)
            self._kept = True
        number = next(self._numbers)
        self._connection.execute(_notes.insert().values(number=number, at=self._at, statement=statement, done=0))
        try:
            answer = run()
        except DBAPIError as error:
            if not error.connection_invalidated:  # else nobody knows
                self._connection.exec_driver_sql("ROLLBACK")
                self._connection.execute(_notes.delete().where(_notes.c.number == number))
                self._connection.exec_driver_sql("COMMIT")
            raise
        self._is_done(number)
        return answer

    def _again(self, number: int, run: Callable[[], _Answer]) -> _Answer | None:
        try:
            answer = run()
        except DBAPIError as error:
            if not _was_carried_out(error.orig):
                raise
            answer = None
        self._is_done(number)
        return answer

    def _is_done(self, number: int) -> None:
        self._connection.execute(_notes.update().where(_notes.c.number == number).values(done=1))

    def turn_over(self, *_: Any, heads: Collection[str] = (), **__: Any) -> None:
        """The database is at this revision now: what was carried out on the way is forgotten with the same commit."""
        self._connection.execute(_notes.delete())
        self._connection.exec_driver_sql("COMMIT")
        self._at = "".join(heads)

    def close(self) -> None:
        """Leave no table behind, unless a later version of Paperlane needs it: it is the one that died."""
        if self._kept and not self._connection.scalar(sa.select(sa.func.count()).select_from(_notes)):
            _notes.drop(self._connection)


class CarriedOn(MySQLImpl):
    """What a migration's operations do, by way of the journal that is handed to `context.configure`."""

    __dialect__ = "mysql"  # the name by which Alembic finds it, in place of its own

    def _exec(
        self,
        construct: sa.Executable | str,
        execution_options: Mapping[str, Any] | None = None,
        multiparams: Sequence[Mapping[str, Any]] | None = None,
        params: Mapping[str, Any] = immutabledict(),
    ) -> sa.CursorResult[Any] | None:
        run = partial(super()._exec, construct, execution_options, multiparams, params)
        journal: Journal | None = self.context_opts.get("journal")
        if journal is None:
            return run()
        asked = cast("sa.ClauseElement", sa.text(construct) if isinstance(construct, str) else construct)
        compiled = asked.compile(dialect=self.dialect)
        words = " ".join(str(compiled).split())
        return journal.once(repr((words, compiled.params, multiparams, dict(params))), run)
