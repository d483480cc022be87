"""Migrations make the very tables that the code uses, on every database, and can be undone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text
from tests.databases import Databases

from paperlane import migrations
from paperlane.errors import Misconfigured
from paperlane.ledger import schema as ledger_schema
from paperlane.ledger.dialects import Dialect
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.tasks import BatchId, Letters
from paperlane.records import schema as records_schema

# what MySQL has in place of partial indexes: columns that lead whole ones
IN_OTHER_WORDS = {"runnable", "backlogged", *(f"tasks_{of}" for of in ("ready", "waiting", "suspect", "late"))}
IN_OTHER_WORDS |= {"tasks_worker", "lanes_turn", "lanes_backlog"}
IN_OTHER_WORDS |= {f"is_{of}" for of in ("ready", "suspect", "waiting", "under_way")}


@pytest.fixture(params=["sqlite file", "postgresql", "mariadb"])
def dialect(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Dialect]:
    """A database without tables."""
    made = connect(databases.bare(request.param, tmp_path))
    yield made
    made.close()


def go(dialect: Dialect, way: Callable[..., None], revision: str) -> None:
    with dialect.writer.begin() as connection:
        config = migrations._config()
        config.attributes["connection"] = connection
        way(config, revision)


def test_a_migrated_database_has_the_tables_of_the_code(dialect: Dialect):
    migrations.migrate(dialect.writer)
    migrations.migrate(dialect.writer)
    whole = MetaData()
    for metadata in (ledger_schema.metadata, records_schema.metadata):
        for table in metadata.tables.values():
            table.to_metadata(whole)
    with dialect.reader.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), whole)
    assert {str(getattr(change[-1], "name", change)) for change in found} <= IN_OTHER_WORDS


def test_each_partial_index_has_the_condition_of_the_code(tmp_path: Path):
    dialect = connect(f"sqlite:///{tmp_path}/ledger.db")
    migrations.migrate(dialect.writer)
    with dialect.reader.connect() as connection:
        indexes = {
            row.name: row.sql
            for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        }
    assert str(ledger_schema.RUNNABLE) in indexes["lanes_turn"]
    assert str(ledger_schema.READY) in indexes["tasks_ready"]
    assert indexes["tasks_dead"].endswith(str(ledger_schema.DEAD))
    assert indexes["tasks_dead_user"].endswith(str(ledger_schema.DEAD))
    dialect.close()


def test_turns_that_are_under_way_during_the_migration_are_charged_once(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0003")
    with dialect.writer.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO lanes (user_id, engine, max_running, weight, running, ready, vtime)"
                " VALUES (1, 'database', 5, 4, 1, 1, 12), (2, 'database', 5, 1, 0, 0, 7)"
            )
        )
        for task, state in (("runs", "running"), ("waits", "ready")):
            connection.execute(
                text(
                    "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage,"
                    f" run_at, created_at, seq, message, payload) VALUES ('{task}', 1, '{state}', 8,"
                    " 'b', 0, 5, 0, 'cpu', 0, 0, 1, '', '')"
                )
            )
    go(dialect, command.upgrade, "head")
    with dialect.reader.connect() as connection:
        lanes = connection.execute(text("SELECT vtime, served, ratio FROM lanes ORDER BY user_id")).all()
        tasks = connection.execute(text("SELECT charged FROM tasks ORDER BY id")).scalars().all()
    assert [tuple(lane) for lane in lanes] == [(12, 10, 1), (7, 7, 1)]
    assert tasks == [2, 0]


def test_what_failed_before_the_migration_is_a_dead_letter_too(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0006")
    told = '{"code": "damaged_file", "message": "", "hint": ""}'
    ended = [("failed", told), ("completed", None), ("failed", told), ("failed", None), ("cancelled", None)]
    with dialect.writer.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage, run_at,"
                " created_at, seq, message, payload, fault, finished_at)"
                " VALUES (:id, 1, :state, 8, 'b', 0, 5, 0, 'cpu', 0, 0, 1, '', :payload, :fault, 7)"
            ),
            [
                {"id": f"t{number}", "state": state, "fault": fault, "payload": b""}
                for number, (state, fault) in enumerate(ended)
            ],
        )
    go(dialect, command.upgrade, "head")
    ledger = SqlLedger(dialect)
    assert [letter.task.id for letter in ledger.dead(Letters())] == ["t3", "t2", "t0"]
    assert ledger.causes(Letters()) == {"damaged_file": 2, "": 1}


def test_batches_of_before_know_where_their_tasks_lie(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0008")
    with dialect.writer.begin() as connection:
        for batch in ("full", "empty"):
            connection.execute(
                text(
                    "INSERT INTO batches (id, user_id, name, priority, content, created_at)"
                    f" VALUES ('{batch}', 1, '', 5, '', 7)"
                )
            )
        connection.execute(
            text(
                "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage, run_at,"
                " created_at, seq, message, payload) VALUES (:id, 1, 'ready', 8, 'full', 0, 5, 0, 'cpu', 0, 0, 1, '',"
                " :payload)"
            ),
            [{"id": name, "payload": b""} for name in ("t2", "t1", "t3")],
        )
    go(dialect, command.upgrade, "head")
    ledger = SqlLedger(dialect)
    assert [task.id for task in ledger.tasks(batch=BatchId("full"))] == ["t1", "t2", "t3"]
    assert ledger.tasks(batch=BatchId("empty")) == []


def test_migrations_can_be_undone(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "base")
    assert inspect(dialect.reader).get_table_names() == ["alembic_version"]


def test_two_that_migrate_at_once_wait_for_each_other(dialect: Dialect):
    others = [connect(dialect.writer.url.render_as_string(hide_password=False)) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        before = list(threads.map(lambda other: migrations.migrate(other.writer), others))
    assert sorted(before, key=str) == sorted([None, *[migrations.newest()] * 2], key=str)
    for other in others:
        other.close()


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(dialect: Dialect):
    migrations.migrate(dialect.writer)
    with dialect.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer version") as refused:
        migrations.migrate(dialect.writer)
    assert "Install" in refused.value.hint
