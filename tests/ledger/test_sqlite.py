"""What is SQLite's alone: a version that is safe, commits that are on disk, writers that wait for each other."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import text
from tests.ledger.invariants import check_invariants
from tests.ledger.plans import plans_of

from paperlane.errors import Misconfigured
from paperlane.hosting import open_ledger
from paperlane.ledger.dialects import sqlite
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.sql import connect
from paperlane.model.tasks import BatchId, Completed, Ended, Lease, NewBatch, NewTask, TaskId, UserId, WorkerId


def test_a_version_that_can_corrupt_its_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sqlite, "dbapi2", SimpleNamespace(sqlite_version_info=(3, 51, 2)))
    with pytest.raises(Misconfigured, match=r"SQLite 3\.51\.2 can corrupt"):
        connect(f"sqlite:///{tmp_path}/ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_a_commit_is_on_disk_before_it_is_answered(tmp_path: Path):
    dialect = connect(f"sqlite:///{tmp_path}/ledger.db")
    with dialect.writer.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL: the log, at each commit
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA mmap_size").scalar_one() == 0
    dialect.close()


def test_writers_wait_for_each_other_and_lose_nothing(tmp_path: Path):
    """Connections of one process are to SQLite what those of several are."""
    ledgers = [open_ledger(f"sqlite:///{tmp_path}/ledger.db") for _ in range(4)]

    def submit(n: int) -> None:
        batch = NewBatch(BatchId(f"b{n}"), UserId(1), [NewTask(TaskId(f"t{n}"), b"{}")])
        ledgers[n % 4].submit(batch)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(submit, range(200)))
    (lane,) = ledgers[0].queue(UserId(1)).lanes
    assert lane.ready == 200
    check_invariants(ledgers[0])
    for ledger in ledgers:
        ledger.close()


def test_a_step_prepares_nothing_anew(tmp_path: Path):
    """Neither after a migration, which fills what the driver keeps, nor because a value changed."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    for user in range(1, 9):
        new = [NewTask(TaskId(f"t{user}-{n}"), b"{}") for n in range(9)]
        ledger.submit(NewBatch(BatchId(f"b{user}"), UserId(user), new))
    worker = WorkerId("w")
    ledger.register(worker, "database", "host", 1, 10)
    prepared: list[object] = []

    def authorize(*what: object) -> int:
        if what[0] != dbapi2.SQLITE_TRANSACTION:  # the driver's own COMMIT
            prepared.append(what)
        return dbapi2.SQLITE_OK

    leases: list[Lease] = []

    def step(room: int) -> None:
        leases[:] = ledger.step("database", worker, [Ended(lease, Completed(1.0)) for lease in leases], room)

    with ledger.dialect.writer.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_authorizer(authorize)  # which SQLite asks for whatever a statement does, as it is prepared
    for room in (1, 3, 2) * 3:  # until each of its statements was needed once
        step(room)
    assert prepared
    prepared.clear()
    for room in (3, 1, 2):
        step(room)
    assert prepared == []
    ledger.close()


def test_what_analyze_left_in_the_file_misleads_no_plan(tmp_path: Path):
    """It saw one task, for which reading the whole table is as good as its key."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")]))
    worker = WorkerId("w")
    ledger.register(worker, "database", "host", 1, 10)
    leases = ledger.step("database", worker, [], 1)
    ledger.close()
    with closing(dbapi2.connect(tmp_path / "ledger.db")) as other:
        other.execute("ANALYZE")
        assert other.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0] > 0

    again = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    ended = [Ended(lease, Completed(1.0)) for lease in leases]
    plans = plans_of(again, lambda: again.step("database", worker, ended, 1))
    keyed = [access for words, plan in plans.items() if words.startswith("UPDATE") for access in plan.accesses]
    assert "tasks" in {access.table for access in keyed}
    assert not any(access.whole for access in keyed)
    again.close()


def test_an_answer_that_nobody_looks_at_does_not_spoil_its_statement(tmp_path: Path):
    """Its cursor goes while the statement is bound anew, as when garbage is collected just then."""
    asked = Prepared(text("SELECT value FROM json_each(:values)"))
    left: list[object] = []

    class Values:
        def __conform__(self, _: object) -> str:
            left.clear()
            return "[1, 2]"

    with connect(f"sqlite:///{tmp_path}/p.db").writer.connect() as connection:
        with connection.begin() as transaction:
            left.append(asked.on(connection, {"values": "[1, 2]"}))
            transaction.rollback()
        assert asked.on(connection, {"values": Values()}).tuples() == [(1,), (2,)]
        assert asked.on(connection, {"values": "[3]"}).tuples() == [(3,)]
