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


def test_turns_that_are_under_way_during_the_migration_are_charged_once(tmp_path: Path):
    dialect = connect(f"sqlite:///{tmp_path}/ledger.db")
    migrations.migrate(dialect.writer)
    with dialect.writer.begin() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
        connection.exec_driver_sql(
            "INSERT INTO lanes (user_id, engine, max_running, weight, running, ready, vtime)"
            " VALUES (1, 'database', 5, 4, 1, 1, 12), (2, 'database', 5, 1, 0, 0, 7)"
        )
        for task, state in (("runs", "running"), ("waits", "ready")):
            connection.exec_driver_sql(
                "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage, run_at,"
                f" created_at, seq, message, payload) VALUES ('{task}', 1, '{state}', 8,"
                " 'b', 0, 5, 0, 'cpu', 0, 0, 1, '', '')"
            )
        command.upgrade(config, "head")
        lanes = connection.exec_driver_sql("SELECT vtime, served, ratio FROM lanes ORDER BY user_id").all()
        tasks = connection.exec_driver_sql("SELECT charged FROM tasks ORDER BY id").scalars().all()
    assert [tuple(lane) for lane in lanes] == [(12, 10, 1), (7, 7, 1)]
    assert tasks == [2, 0]
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
