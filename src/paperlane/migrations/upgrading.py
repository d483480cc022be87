"""Carries out the revisions that a database lacks, with Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from paperlane.migrations.journal import Journal


def config() -> Config:
    """Where Alembic finds the revisions."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    return made


def upgrade(connection: Connection, before: str | None) -> None:
    """Bring the database to the newest revision from the one that it is at."""
    journal = Journal(connection, before) if connection.dialect.name == "mysql" else None
    how = config()
    how.attributes.update(connection=connection, journal=journal)
    command.upgrade(how, "head")
    if journal is not None:
        journal.close()
