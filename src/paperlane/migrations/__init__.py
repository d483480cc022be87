"""Brings a database to this version of Paperlane."""

import random
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from paperlane.errors import Misconfigured, Unavailable
from paperlane.ledger.dialects.address import shown
from paperlane.ledger.troubles import is_barred, is_deadlock, said, told

_VERSION, _UNDER_WAY = "alembic_version", "alembic_under_way"  # tables


def revisions() -> Sequence[str]:
    """The revisions that this version of Paperlane knows, in their order: each file is named for its own."""
    return sorted(path.name.partition("_")[0] for path in Path(__file__).with_name("versions").glob("[0-9]*.py"))


def newest() -> str:
    """The revision that this version of Paperlane works with."""
    return revisions()[-1]


def current(connection: Connection) -> str | None:
    """The revision that the database is at, None for an empty one."""
    if not inspect(connection).has_table(_VERSION):
        return None
    return connection.scalar(text(f"SELECT version_num FROM {_VERSION}"))  # noqa: S608  a name of ours


def migrate(engine: Engine) -> str | None:
    """Bring the database to the newest revision; the revision that it was at before.

    All in one transaction; MySQL and MariaDB have none for tables, and there what died half-way is carried on. Who uses
    the tables meanwhile waits; where it waits for that one, one of both is given up, and begins anew: Unavailable when
    that went on for long. Misconfigured when the database is newer than this version, may not be used, or is none at
    all.
    """
    try:
        with told():
            return _upgrade_in_the_end(engine)
    except (Unavailable, DatabaseError) as error:
        why = error.__cause__ if isinstance(error, Unavailable) else error
        if isinstance(error, Unavailable) and not is_barred(why):
            raise
        hint = "Restore it from a backup, or name another one with --data or --database."
        if is_barred(why):
            hint = _FILE_HINT if engine.dialect.name == "sqlite" else _SERVER_HINT
        raise Misconfigured(f"{shown(engine.url)} cannot be used: {said(why)}.", hint=hint) from error


_FILE_HINT = "Give the user that runs Paperlane its rights, or name another one with --data or --database."
_SERVER_HINT = (
    "Check the user, the password and the database in --database or PAPERLANE_DATABASE_URL: the server must know them,"
    " and let that user make tables."
)


def is_newer(revision: str) -> bool:
    """Did a later version of Paperlane make these tables? Then this one knows no such revision."""
    return revision not in revisions()


_TRIES = 6
_NAP = 0.1  # seconds, before the second try; it doubles


def _upgrade_in_the_end(engine: Engine) -> str | None:
    for tried in count(1):
        try:
            return _upgrade(engine)
        except DBAPIError as error:
            if not is_deadlock(error):
                raise
            if tried == _TRIES:
                raise Unavailable(
                    f"Others use the tables that are changed: {said(error)}.",
                    hint="Stop the workers, and run `paperlane migrate` again.",
                ) from error
        time.sleep(_NAP * 2 ** (tried - 1) * (0.5 + random.random()))  # noqa: S311  spreads tries, keeps no secret
    raise AssertionError


# who migrates at the same time waits for the other; SQLite's write transactions are alone anyway
_TAKE_TURNS = {
    "postgresql": ("SELECT pg_advisory_lock(736921)", "SELECT pg_advisory_unlock(736921)"),
    "mysql": ("SELECT get_lock(concat('paperlane ', database()), 600)", "DO release_all_locks()"),
}
_IN_VAIN = 0  # what get_lock answers after so many seconds


@contextmanager
def _alone(engine: Engine) -> Generator[Connection]:
    wait, go_on = _TAKE_TURNS.get(engine.dialect.name, ("", ""))
    with engine.connect() as connection:
        if wait:
            if connection.exec_driver_sql(wait).scalar() == _IN_VAIN:
                raise Unavailable("Another process migrates the database for long.", hint="Try again when it is done.")
            connection.commit()
        try:
            with connection.begin():
                yield connection
        finally:
            if go_on and not connection.invalidated:  # else the server has let go of it by itself
                connection.exec_driver_sql(go_on)
                connection.commit()


def _is_done(connection: Connection) -> bool:
    """Is the database at the newest revision, and nothing left behind by who brought it there and died?"""
    tables = {_VERSION, _UNDER_WAY}.intersection(inspect(connection).get_table_names())
    return tables == {_VERSION} and current(connection) == newest()


def _upgrade(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if _is_done(connection):
            return newest()
    from paperlane.migrations import upgrading  # noqa: PLC0415  half of what a start would load, and most need it not

    with _alone(engine) as connection:
        before = current(connection)
        if before is not None and is_newer(before):
            raise Misconfigured(
                f"The database was written by a newer version of Paperlane: it is at {before}, this version knows"
                f" {newest()}.",
                hint="Install that version again, or restore a backup from before the upgrade.",
            )
        upgrading.upgrade(connection, before)
    return before
