"""What is SQLite's alone: a version that is safe, commits that are on disk, writers that wait for each other."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.ledger.invariants import check_invariants

from paperlane.errors import Misconfigured
from paperlane.hosting import open_ledger
from paperlane.ledger.dialects import sqlite
from paperlane.ledger.sql import connect
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId


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
