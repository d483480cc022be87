"""Migrations make the very tables that the code uses, and can be undone."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect

from paperlane import migrations
from paperlane.ledger import schema as ledger_schema
from paperlane.ledger.sql import connect
from paperlane.records import schema as records_schema


def test_a_migrated_database_has_the_tables_of_the_code(tmp_path: Path):
    dialect = connect(f"sqlite:///{tmp_path}/ledger.db")
    migrations.migrate(dialect.writer)
    migrations.migrate(dialect.writer)
    whole = MetaData()
    for metadata in (ledger_schema.metadata, records_schema.metadata):
        for table in metadata.tables.values():
            table.to_metadata(whole)
    with dialect.reader.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), whole) == []
        indexes = {
            row.name: row.sql
            for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        }
    assert ledger_schema.RUNNABLE in indexes["lanes_turn"]
    assert ledger_schema.READY in indexes["tasks_ready"]
    dialect.close()


def test_migrations_can_be_undone(tmp_path: Path):
    dialect = connect(f"sqlite:///{tmp_path}/ledger.db")
    migrations.migrate(dialect.writer)
    with dialect.writer.begin() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(dialect.reader).get_table_names() == ["alembic_version"]
    dialect.close()
