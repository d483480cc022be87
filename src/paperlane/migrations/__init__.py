"""Brings a database to this version of Paperlane, with Alembic."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from paperlane.errors import Misconfigured
from paperlane.ledger.dialects.address import shown


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def newest() -> str | None:
    """The revision that this version of Paperlane works with."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(connection: Connection) -> str | None:
    """The revision that the database is at, None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: Engine) -> str | None:
    """Bring the database to the newest revision, in one transaction; the revision that it was at before.

    Misconfigured when the database is newer than this version, or none at all.
    """
    try:
        return _upgrade(engine)
    except OperationalError:
        raise
    except DatabaseError as error:
        raise Misconfigured(
            f"{shown(engine.url)} cannot be used: {error.orig}.",
            hint="Restore it from a backup, or name another one with --data or --database.",
        ) from error


# who migrates at the same time waits for the other; SQLite's write transactions are alone anyway
_TAKE_TURNS = {
    "postgresql": ("SELECT pg_advisory_lock(736921)", "SELECT pg_advisory_unlock(736921)"),
    "mysql": ("SELECT get_lock(concat('paperlane ', database()), 600)", "DO release_all_locks()"),
}


@contextmanager
def _alone(engine: Engine) -> Generator[Connection]:
    wait, go_on = _TAKE_TURNS.get(engine.dialect.name, ("", ""))
    with engine.connect() as connection:
        if wait:
            connection.exec_driver_sql(wait)
            connection.commit()
        try:
            with connection.begin():
                yield connection
        finally:
            if go_on:
                connection.exec_driver_sql(go_on)
                connection.commit()


def _upgrade(engine: Engine) -> str | None:
    with _alone(engine) as connection:
        before = current(connection)
        config = _config()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Misconfigured(
                "The database was written by a newer version of Paperlane.", hint="Install that version again."
            ) from error
    return before
