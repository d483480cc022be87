"""Migrations make the very tables that the code uses, on every database, and can be undone."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from subprocess import Popen, run
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, NullPool, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import OperationalError
from tests.conftest import until
from tests.databases import Databases

from paperlane import migrations
from paperlane.errors import Misconfigured, Unavailable
from paperlane.ledger import schema as ledger_schema
from paperlane.ledger.dialects import Dialect
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import upgrading
from paperlane.migrations.journal import Journal
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
        config = upgrading.config()
        config.attributes["connection"] = connection
        way(config, revision)


def put_turns_under_way(dialect: Dialect) -> None:
    """At revision 0003."""
    with dialect.writer.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO lanes (user_id, engine, max_running, weight, running, ready, vtime)"
                " VALUES (1, 'database', 5, 4, 1, 1, 12), (2, 'database', 5, 1, 0, 0, 7)"
            )
        )
        for task, state in (("failed", "failed"), ("runs", "running"), ("waits", "ready")):
            connection.execute(
                text(
                    "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage,"
                    f" run_at, created_at, seq, message, payload) VALUES ('{task}', 1, '{state}', 8,"
                    " 'b', 0, 5, 0, 'cpu', 0, 0, 1, '', '')"
                )
            )


def assert_charged_once(dialect: Dialect) -> None:
    with dialect.reader.connect() as connection:
        lanes = connection.execute(text("SELECT vtime, served, ratio FROM lanes ORDER BY user_id")).all()
        tasks = connection.execute(text("SELECT charged FROM tasks ORDER BY id")).scalars().all()
    assert [tuple(lane) for lane in lanes] == [(12, 10, 1), (7, 7, 1)]
    assert tasks == [0, 2, 0]


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
    put_turns_under_way(dialect)
    go(dialect, command.upgrade, "head")
    assert_charged_once(dialect)


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


def test_where_tasks_lie_is_told_by_bytes_whatever_the_language_of_the_server_is(databases: Databases, tmp_path: Path):
    dialect = connect(databases.bare("postgresql", tmp_path))
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0008")
    with dialect.writer.begin() as connection:
        connection.execute(text('ALTER TABLE tasks ALTER id TYPE VARCHAR(40) COLLATE "en-x-icu"'))
        connection.execute(
            text("INSERT INTO batches (id, user_id, name, priority, content, created_at) VALUES ('b', 1, '', 5, '', 7)")
        )
        connection.execute(
            text(
                "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage, run_at,"
                " created_at, seq, message, payload) VALUES (:id, 1, 'ready', 8, 'b', 0, 5, 0, 'cpu', 0, 0, 1, '', '')"
            ),
            [{"id": name} for name in ("a1", "B2")],
        )
        assert connection.scalars(text("SELECT id FROM tasks ORDER BY id")).all() == ["a1", "B2"]
    go(dialect, command.upgrade, "head")
    assert [task.id for task in SqlLedger(dialect).tasks(batch=BatchId("b"))] == ["B2", "a1"]
    dialect.close()


def test_what_was_said_of_issues_before_holds_for_the_next_test_too(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0013")
    document = {"user_id": 1, "media_type": "", "bytes": 1, "sha256": "", "blob": "", "created_at": 1.0}
    issue = {"position": 0, "severity": "error", "reason": "", "comment": "", "reviewed_by": 2, "content": "{}"}
    with dialect.writer.begin() as connection:
        for task, name, at, status in (("t1", "a", 7, "accepted"), ("t2", "a", 8, "dismissed"), ("t3", "b", 0, "open")):
            connection.execute(insert(records_schema.documents), {**document, "task_id": task, "name": name})
            row = {**issue, "id": task, "task_id": task, "fingerprint": "f", "status": status, "reviewed_at": at}
            connection.execute(insert(records_schema.issues), row)
    go(dialect, command.upgrade, "head")
    with dialect.reader.connect() as connection:
        (kept,) = connection.execute(select(records_schema.reviews)).all()
    assert (kept.user_id, kept.document, kept.fingerprint) == (1, sha256(b"a").hexdigest(), "f")
    assert (kept.status, kept.reviewed_by, kept.reviewed_at) == ("dismissed", 2, 8)


def test_what_lies_in_files_is_no_checkpoint_for_older_programs(dialect: Dialect):
    migrations.migrate(dialect.writer)
    row = {"task_id": "t", "key": "k", "fence": 1, "created_at": 0.0, "result": b"x"}
    with dialect.writer.begin() as connection:
        for step, file in (("one", ""), ("two", "f" * 32)):
            connection.execute(insert(ledger_schema.checkpoints), {**row, "step": step, "file": file})
    go(dialect, command.downgrade, "0009")
    with dialect.reader.connect() as connection:
        assert connection.execute(text("SELECT step FROM checkpoints")).scalars().all() == ["one"]
    go(dialect, command.upgrade, "head")
    with dialect.reader.connect() as connection:
        asked = text("SELECT step, file, sha256, bytes FROM checkpoints")
        assert [tuple(row) for row in connection.execute(asked)] == [("one", "", "", 0)]


def test_what_was_tested_before_the_migration_is_a_version_before(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0017")
    old = {"user_id": 1, "media_type": "", "bytes": 1, "sha256": "", "blob": "", "created_at": 0.0}
    with dialect.writer.begin() as connection:
        for task, state in (("t1", "completed"), ("t2", "failed")):
            connection.execute(insert(records_schema.documents), {**old, "task_id": task, "name": "a.md"})
            connection.execute(
                text(
                    "INSERT INTO tasks (id, user_id, state, cost, batch_id, position, priority, sort_key, stage,"
                    f" run_at, created_at, seq, message, payload) VALUES ('{task}', 1, '{state}', 8,"
                    " 'b', 0, 5, 0, 'cpu', 0, 0, 1, '', '')"
                )
            )
    go(dialect, command.upgrade, "head")
    found = records_schema.documents.c
    with dialect.reader.connect() as connection:
        named = connection.execute(select(found.task_id, found.document).order_by(found.task_id)).all()
    assert [tuple(row) for row in named] == [("t1", sha256(b"a.md").hexdigest()), ("t2", "")]


def test_what_models_cost_is_kept_and_workers_of_before_go_on_writing_it(dialect: Dialect):
    migrations.migrate(dialect.writer)
    columns = "(task_id, {}model, requests, tokens_in, tokens_out, money)"

    def cost(table: str) -> list[tuple[object, ...]]:
        with dialect.reader.connect() as connection:
            rows = connection.execute(text(f"SELECT * FROM {table} ORDER BY tokens_in"))
            return [tuple(row) for row in rows]

    go(dialect, command.downgrade, "0020")
    with dialect.writer.begin() as connection:
        connection.execute(text(f"INSERT INTO usage_by_task {columns.format('')} VALUES ('t', 'm', 1, 20, 3, 0.5)"))
    go(dialect, command.upgrade, "head")
    assert cost("usage_by_attempt") == [("t", 0, "m", 1, 20, 3, 0.5)]
    with dialect.writer.begin() as connection:  # while not all workers are of this version
        connection.execute(text(f"INSERT INTO usage_by_task {columns.format('')} VALUES ('s', 'm', 1, 1, 1, 1)"))
        asked = f"INSERT INTO usage_by_attempt {columns.format('fence, ')} VALUES ('t', 4, 'm', 2, 40, 6, 1.0)"
        connection.execute(text(asked))
    go(dialect, command.downgrade, "0020")
    assert cost("usage_by_task") == [("t", "m", 3, 60, 9, 1.5)]


def test_what_is_kept_since_before_counts_once_for_each_file(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0025")
    go(dialect, command.downgrade, "-1")
    of_document = {"name": "a.md", "media_type": "", "sha256": "", "created_at": 0.0}
    kept = [("t1", 1, "a", 5), ("t2", 1, "a", 5), ("t3", 1, "b", 7), ("t4", 2, "c", 2**40)]
    with dialect.writer.begin() as connection:
        for user in (1, 2, 3):
            row = f"({user}, 'user{user}', 'user', '', 0)"
            connection.execute(text(f"INSERT INTO users (id, name, role, group_name, created_at) VALUES {row}"))
        for task, user, blob, size in kept:
            row = {"task_id": task, "user_id": user, "blob": blob, "bytes": size}
            connection.execute(insert(records_schema.documents), {**of_document, **row})
        for blob in ("a", "gone"):
            connection.execute(insert(records_schema.scheduled_files), {"schedule_id": "s", "blob": blob})
    go(dialect, command.upgrade, "head")
    users, files = records_schema.users.c, records_schema.scheduled_files.c
    with dialect.reader.connect() as connection:
        stored = connection.execute(select(users.stored, users.storage_mb).order_by(users.id)).all()
        sizes = connection.execute(select(files.blob, files.bytes).order_by(files.blob)).all()
    assert [tuple(row) for row in stored] == [(12, None), (2**40, None), (0, None)]
    assert [tuple(row) for row in sizes] == [("a", 5), ("gone", 0)]


def test_flags_are_on_after_the_migration_and_limits_hold_again_before_it(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0027")
    with dialect.writer.begin() as connection:
        for user, limit in ((1, 5), (2, 7)):
            row = f"({user}, 'database', {limit}, 1, 0, 0, 0)"
            into = "lanes (user_id, engine, max_running, weight, running, ready, vtime)"
            connection.execute(text(f"INSERT INTO {into} VALUES {row}"))
    go(dialect, command.upgrade, "head")
    with dialect.writer.begin() as connection:
        flags = connection.execute(text("SELECT name, is_on, changes, settled FROM flags ORDER BY name")).all()
        assert [tuple(row) for row in flags] == [
            (name, 1, 0, 0) for name in ("use_database_queue", "use_user_semaphore", "use_worker_pool")
        ]
        connection.execute(text("UPDATE lanes SET own_limit = max_running, max_running = 1000000 WHERE user_id = 1"))
    go(dialect, command.downgrade, "0027")
    with dialect.reader.connect() as connection:
        limits = connection.execute(text("SELECT max_running FROM lanes ORDER BY user_id")).scalars().all()
    assert limits == [5, 7]


def test_nobody_is_left_inline_by_a_version_that_knows_no_flags(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0028")

    def flag(**values: int) -> None:
        with dialect.writer.begin() as connection:
            of_flags = ledger_schema.flags
            is_meant = of_flags.c.name == "use_database_queue"
            connection.execute(of_flags.update().where(is_meant).values(**values))

    for off_or_not_followed_yet in ({"is_on": 0, "changes": 1, "settled": 1}, {"is_on": 1, "changes": 2}):
        flag(**off_or_not_followed_yet)
        with pytest.raises(Misconfigured, match="leave them on inline") as refused:
            go(dialect, command.downgrade, "0027")
        assert "use_database_queue on" in refused.value.hint
        with dialect.reader.connect() as connection:
            assert migrations.current(connection) == "0028"
            assert "own_limit" in {column["name"] for column in inspect(connection).get_columns("lanes")}
    go(dialect, command.upgrade, "0029")
    with pytest.raises(Misconfigured, match="leave them on inline"):
        go(dialect, command.downgrade, "0027")
    assert inspect(dialect.reader).has_table("guards")
    flag(settled=2)
    go(dialect, command.downgrade, "0027")
    assert not inspect(dialect.reader).has_table("flags")


def test_nobody_has_named_the_default_engine_after_the_migration_nor_before_it(dialect: Dialect):
    migrations.migrate(dialect.writer)

    def named() -> list[tuple[object, ...]]:
        with dialect.reader.connect() as connection:
            asked = text("SELECT usual, usual_at, usual_named, usual_settled FROM system")
            return [tuple(row) for row in connection.execute(asked)]

    assert named() == [("", 0, 0, 0)]
    with dialect.writer.begin() as connection:
        connection.execute(text("UPDATE system SET usual = 'pool', usual_at = 7, usual_named = 2, max_running = 5"))
        connection.execute(text("UPDATE flags SET is_on = 0 WHERE name = 'use_database_queue'"))
    with pytest.raises(Misconfigured, match="leave them on inline"):
        go(dialect, command.downgrade, "0027")
    assert named() == [("pool", 7, 2, 0)]
    with dialect.writer.begin() as connection:
        connection.execute(text("UPDATE flags SET is_on = 1"))
    go(dialect, command.downgrade, "0029")
    columns = {column["name"] for column in inspect(dialect.reader).get_columns("system")}
    assert columns == {"id", "max_running", "repairs"}
    go(dialect, command.upgrade, "head")
    assert named() == [("", 0, 0, 0)]
    with dialect.reader.connect() as connection:
        assert connection.scalar(text("SELECT max_running FROM system")) == 5


def test_each_file_is_named_for_its_revision():
    known = ScriptDirectory.from_config(upgrading.config())
    assert [made.revision for made in known.walk_revisions()] == [*reversed(migrations.revisions())]
    assert known.get_current_head() == migrations.newest()


def test_only_who_migrates_loads_alembic(tmp_path: Path):
    opening = (
        f"import sys; from paperlane.hosting import open_ledger; open_ledger('sqlite:///{tmp_path}/ledger.db').close()"
    )

    def loads() -> bool:
        return (
            run([sys.executable, "-c", f"{opening}; sys.exit('alembic' in sys.modules)"], check=False).returncode == 1
        )

    assert loads()
    assert not loads()


def test_migrations_can_be_undone(dialect: Dialect):
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "base")
    assert inspect(dialect.reader).get_table_names() == ["alembic_version"]


def test_who_waited_for_another_in_vain_does_not_migrate_beside_it(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dialect = connect(databases.bare("mariadb", tmp_path))
    wait, go_on = migrations._TAKE_TURNS["mysql"]
    monkeypatch.setitem(migrations._TAKE_TURNS, "mysql", (wait.replace("600", "0"), go_on))
    with dialect.reader.connect() as other:
        other.exec_driver_sql(wait)
        with pytest.raises(Unavailable, match="Another process"):
            migrations.migrate(dialect.writer)
        other.exec_driver_sql(go_on)
    migrations.migrate(dialect.writer)
    dialect.close()


def test_two_that_migrate_at_once_wait_for_each_other(dialect: Dialect):
    others = [connect(dialect.writer.url.render_as_string(hide_password=False)) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        before = list(threads.map(lambda other: migrations.migrate(other.writer), others))
    assert sorted(before, key=str) == sorted([None, *[migrations.newest()] * 2], key=str)
    for other in others:
        other.close()


WAITS_FOR_WORKERS = "SELECT count(*) FROM pg_locks WHERE relation = 'workers'::regclass AND NOT granted"


@dataclass
class Another:
    """Who uses the tables while they are changed, on a connection and a thread of its own.

    Before a statement of the migration that begins with `meets` it runs `before`, and beside that one `then`, and
    commits. Who of both comes `first` is known by `waits`, which tells that somebody waits.
    """

    dialect: Dialect
    meets: str
    before: Sequence[str]
    first: str
    waits: str
    then: str
    met: list[Future[None]] = field(default_factory=list)
    tries: int = 0

    def migrate(self) -> None:
        migrating = connect(self.dialect.writer.url.render_as_string(hide_password=False))
        with self.dialect.writer.connect() as own, ThreadPoolExecutor(1) as aside:

            def somebody_waits() -> None:
                with self.dialect.reader.connect() as watching:
                    # MariaDB looks anew only when nobody has asked for a tenth of a second
                    until(lambda: watching.scalar(text(self.waits)), pause=0.15)

            def go_on() -> None:
                if self.first == "migration":
                    somebody_waits()
                own.execute(text(self.then))
                own.commit()

            def meet(_: Connection, __: Any, statement: str, *___: Any) -> None:
                if not statement.startswith(self.meets):
                    return
                self.tries += 1
                if not self.met:
                    for words in self.before:
                        own.execute(text(words))
                    self.met.append(aside.submit(go_on))
                    if self.first == "this one":
                        somebody_waits()

            event.listen(migrating.writer, "before_cursor_execute", meet)
            migrations.migrate(migrating.writer)
            self.met[0].result(20)
        migrating.close()


def test_who_is_given_up_in_a_deadlock_migrates_all_the_same_in_one_transaction(databases: Databases, tmp_path: Path):
    dialect = connect(databases.bare("postgresql", tmp_path))
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0007")
    another = Another(
        dialect,
        "ALTER TABLE tasks ADD COLUMN version",  # that of workers is changed, and held, by now
        ["SET deadlock_timeout = '1h'", "LOCK TABLE tasks IN ROW SHARE MODE"],
        "this one",
        WAITS_FOR_WORKERS,
        "LOCK TABLE workers IN ROW SHARE MODE",
    )
    another.migrate()
    assert another.tries == 2
    with dialect.reader.connect() as connection:
        assert migrations.current(connection) == migrations.newest()
    dialect.close()


def test_who_is_given_up_in_a_deadlock_carries_on_by_its_journal(databases: Databases, tmp_path: Path):
    dialect = connect(databases.bare("mariadb", tmp_path))
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0008")
    with dialect.writer.begin() as connection:
        for batch in ("one", "two"):
            connection.execute(
                text(
                    "INSERT INTO batches (id, user_id, name, priority, content, created_at)"
                    f" VALUES ('{batch}', 1, '', 5, '', 7)"
                )
            )
    heavier = [f"INSERT INTO chores (name, next_at) VALUES ('{n}', 0)" for n in range(20)]
    another = Another(
        dialect,
        "UPDATE batches SET first_task",
        [*heavier, "SELECT id FROM batches WHERE id = 'two' FOR UPDATE"],
        "migration",
        "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        "SELECT id FROM batches WHERE id = 'one' FOR UPDATE",
    )
    another.migrate()
    assert another.tries == 2
    with dialect.reader.connect() as connection:
        assert migrations.current(connection) == migrations.newest()
        assert connection.scalar(text("SELECT count(*) FROM chores")) == 23
    dialect.close()


def test_a_step_is_not_waited_for_by_what_it_waits_for(databases: Databases, tmp_path: Path):
    """It holds its worker's row, and then asks for tasks."""
    dialect = connect(databases.bare("postgresql", tmp_path))
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0008")
    another = Another(
        dialect,
        "SELECT pg_advisory_lock",
        ["LOCK TABLE workers IN ROW SHARE MODE"],
        "migration",
        WAITS_FOR_WORKERS,
        "LOCK TABLE lanes, tasks, attempts, events IN ROW EXCLUSIVE MODE",
    )
    another.migrate()
    assert another.tries == 1
    dialect.close()


def test_deadlocks_without_end_are_told(dialect: Dialect, monkeypatch: pytest.MonkeyPatch):
    tries: list[float] = []

    def given_up(_: object) -> None:
        raise OperationalError("ALTER TABLE", {}, pymysql.OperationalError(1213, "Deadlock found"))

    monkeypatch.setattr(migrations, "_upgrade", given_up)
    monkeypatch.setattr(migrations.time, "sleep", tries.append)
    with pytest.raises(Unavailable, match="Others use the tables") as refused:
        migrations.migrate(dialect.writer)
    assert "Stop the workers" in refused.value.hint
    assert len(tries) == 5


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(dialect: Dialect):
    migrations.migrate(dialect.writer)
    with dialect.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer version") as refused:
        migrations.migrate(dialect.writer)
    assert "Install" in refused.value.hint


def test_somebody_elses_table_is_refused_again_and_again_and_left_alone(dialect: Dialect):
    with dialect.writer.begin() as connection:
        connection.execute(text("CREATE TABLE users (shoe_size INTEGER)"))
    for _ in range(3):
        with pytest.raises(Misconfigured, match=r"users.* already exists"):
            migrations.migrate(dialect.writer)
    assert [column["name"] for column in inspect(dialect.reader).get_columns("users")] == ["shoe_size"]
    with dialect.writer.begin() as connection:
        connection.execute(text("DROP TABLE users"))
    migrations.migrate(dialect.writer)
    with dialect.reader.connect() as connection:
        assert migrations.current(connection) == migrations.newest()


class Killed(BaseException):
    """The process is no more; nothing that would clean up behind it gets through."""


@dataclass
class Killer:
    """Kills whoever executed a statement that nobody was killed after so far."""

    control: Dialect
    deadly: bool = True
    latest: str = ""
    seen: set[tuple[str, str]] = field(default_factory=set)

    def migrate(self) -> None:
        """As a new process would; without TLS, which it would take longest to begin."""
        engine = create_engine(
            self.control.writer.url,
            isolation_level="READ COMMITTED",
            poolclass=NullPool,
            connect_args={"ssl_disabled": True},
        )
        event.listen(engine, "before_cursor_execute", self.begun)
        event.listen(engine, "after_cursor_execute", self.executed)
        migrations.migrate(engine)

    def begun(self, _: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if not statement.startswith(("UPDATE alembic_under_way", "DELETE FROM alembic_under_way", "COMMIT")):
            given = {name: value for name, value in dict(parameters).items() if name != "number"}  # each process's own
            self.latest = f"{statement} {given}"

    def executed(self, connection: Connection, _: Any, statement: str, *__: Any) -> None:
        key = (statement, self.latest)
        if statement.startswith(("SELECT", "SHOW", "DESCRIBE")) or key in self.seen:
            return
        self.seen.add(key)
        if self.deadly:
            with self.control.reader.connect() as killing:
                killing.exec_driver_sql(f"KILL {connection.connection.dbapi_connection.thread_id()}")
            raise Killed


def shape(dialect: Dialect) -> dict[str, str]:
    with dialect.reader.connect() as connection:
        tables = inspect(connection).get_table_names()
        return {table: connection.exec_driver_sql(f"SHOW CREATE TABLE {table}").one()[1] for table in tables}


def test_a_migration_that_is_killed_after_any_of_its_statements_is_carried_on(databases: Databases, tmp_path: Path):
    clean, halting, ending = (connect(databases.bare("mariadb", tmp_path)) for _ in range(3))
    watching = Killer(clean, deadly=False)
    watching.migrate()
    killer = Killer(halting)
    waits = True
    while True:
        with suppress(Killed):
            killer.migrate()
            break
        with halting.reader.connect() as connection:
            is_at_turns = migrations.current(connection) == "0003"
        if waits and is_at_turns:
            put_turns_under_way(halting)
            waits = False
    ends = Killer(ending, seen=killer.seen)  # who finds all done does not say the last statement any more
    with pytest.raises(Killed):
        ends.migrate()
    ends.migrate()
    assert ends.seen >= watching.seen
    assert shape(halting) == shape(ending) == shape(clean)
    assert_charged_once(halting)
    with halting.reader.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM system")) == 1
        assert connection.scalar(text("SELECT count(*) FROM chores")) == 3
        assert connection.scalar(text("SELECT count(*) FROM tasks WHERE dead = 1")) == 1
    for dialect in (clean, halting, ending):
        dialect.close()


def test_what_was_carried_out_before_a_downgrade_is_not_taken_for_done_after_it(databases: Databases, tmp_path: Path):
    clean, halting = (connect(databases.bare("mariadb", tmp_path)) for _ in range(2))

    def die(connection: Connection, _: Any, statement: str, *__: Any) -> None:
        if "ADD COLUMN served" in statement:
            raise Killed

    event.listen(halting.writer, "after_cursor_execute", die)
    with pytest.raises(Killed):
        migrations.migrate(halting.writer)
    event.remove(halting.writer, "after_cursor_execute", die)
    go(halting, command.downgrade, "base")
    migrations.migrate(halting.writer)
    migrations.migrate(clean.writer)
    assert shape(halting) == shape(clean)
    clean.close()
    halting.close()


@pytest.mark.parametrize("ends", ["ends it", "drops it"])
def test_a_process_that_is_killed_while_the_server_works_for_it_is_carried_on(
    ends: str, databases: Databases, tmp_path: Path
):
    dialect = connect(databases.bare("mariadb", tmp_path))
    migrations.migrate(dialect.writer)
    go(dialect, command.downgrade, "0003")
    put_turns_under_way(dialect)
    address = dialect.writer.url.render_as_string(hide_password=False)
    asked = "SELECT id FROM information_schema.processlist WHERE state LIKE '%metadata lock%'"
    with dialect.unlimited.connect() as holding, dialect.reader.connect() as watching:
        holding.execute(text("SELECT 1 FROM lanes"))  # who alters them waits
        process = Popen([sys.executable, "-m", "paperlane", "migrate", "--database", address, "--data", tmp_path])
        waiting = until(lambda: watching.scalar(text(asked)))
        process.kill()
        process.wait()
        if ends == "drops it":
            watching.execute(text(f"KILL {waiting}"))
            until(lambda: not watching.scalar(text(asked)))
    migrations.migrate(dialect.writer)
    assert_charged_once(dialect)
    dialect.close()


COLUMN = {"existing_type": sa.Integer(), "existing_nullable": True}
CHANGES: dict[str, Callable[[Operations], object]] = {
    "create table": lambda op: op.create_table("made", sa.Column("id", sa.Integer())),
    "rename table": lambda op: op.rename_table("spare", "renamed"),
    "drop table": lambda op: op.drop_table("spare"),
    "add column": lambda op: op.add_column("things", sa.Column("added", sa.Integer())),
    "rename column": lambda op: op.alter_column("things", "one", new_column_name="uno", **COLUMN),
    "alter column": lambda op: op.alter_column("things", "one", type_=sa.BigInteger(), **COLUMN),
    "drop column": lambda op: op.drop_column("things", "three"),
    "create index": lambda op: op.create_index("by_two", "things", ["two"]),
    "drop index": lambda op: op.drop_index("by_one", "things"),
    "primary key": lambda op: op.create_primary_key(None, "things", ["one"]),
    "unique": lambda op: op.create_unique_constraint("sole", "things", ["two"]),
    "foreign key": lambda op: op.create_foreign_key("of", "things", "spare", ["two"], ["id"]),
    "check": lambda op: op.create_check_constraint("positive", "things", "two > 0"),
    "drop check": lambda op: op.drop_constraint("small", "things", "check"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_tables_that_was_made_but_not_told_is_found_to_be_made(
    change: str, databases: Databases, tmp_path: Path
):
    dialect = connect(databases.bare("mariadb", tmp_path))
    with dialect.writer.begin() as connection:
        connection.execute(text("CREATE TABLE spare (id INTEGER PRIMARY KEY)"))
        columns = "one INTEGER, two INTEGER, three INTEGER, CONSTRAINT small CHECK (one < 9), KEY by_one (one)"
        connection.execute(text(f"CREATE TABLE things ({columns})"))

    def run() -> None:
        with dialect.writer.begin() as connection:
            opts = {"journal": Journal(connection, "0001")}
            CHANGES[change](Operations(MigrationContext.configure(connection, opts=opts)))

    run()
    made = shape(dialect)
    with dialect.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_under_way SET done = 0"))
    run()
    assert shape(dialect) == made
    dialect.close()
