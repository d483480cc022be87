"""The loop that fires schedules: whatever befalls one, the others have their turn, and the log tells."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs
from tests.databases import new_file

from paperlane.hosting import open_ledger
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.schedules import NewSchedule, ScheduleId
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId
from paperlane.scheduling.periodic import fire_due
from paperlane.threads import Threads


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    """Three users' schedules, all due; of the second one's tasks more wait than may."""
    made = open_ledger(new_file(tmp_path / "ledger.db"), Rules(user_backlog=3))
    for user in (1, 2, 3):
        tasks = [NewTask(TaskId(""), b"{}")] * 2
        made.add_schedule(NewSchedule(ScheduleId(f"s{user}"), UserId(user), "yearly", "0 0 1 1 *", "UTC", tasks))
    waiting = [NewTask(TaskId(f"w{n}"), b"{}") for n in range(2)]
    made.submit(NewBatch(BatchId("w"), UserId(2), waiting))
    made.write(lambda c: c.exec_driver_sql("UPDATE schedules SET next_at = user_id") and None)
    yield made
    made.close()


async def test_one_that_fails_or_is_refused_keeps_no_other_from_its_turn(ledger: SqlLedger):
    threads, stop, numbers = Threads("test"), asyncio.Event(), count()

    def also(_connection: Connection, batch: NewBatch, _now: float) -> None:
        if batch.user == 1:
            raise RuntimeError
        stop.set()

    with capture_logs() as logs:
        await fire_due(ledger, 0.01, threads, stop, lambda: f"id{next(numbers)}", also)
    threads.close()
    told = [(line["event"], line["schedule"], line["log_level"]) for line in logs]
    assert told == [
        ("a schedule could not be fired", "s1", "error"),
        ("schedule refused", "s2", "warning"),
        ("schedule fired", "s3", "info"),
    ]
    assert ledger.due() == ["s1", "s2"]


async def test_a_ledger_that_cannot_be_read_is_asked_again(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch):
    threads, stop, asked = Threads("test"), asyncio.Event(), count()

    def due(_ledger: SqlLedger) -> list[ScheduleId]:
        if next(asked):
            stop.set()
            return []
        raise OSError

    monkeypatch.setattr(SqlLedger, "due", due)
    with capture_logs() as logs:
        await fire_due(ledger, 0.01, threads, stop, str)
    threads.close()
    assert [line["event"] for line in logs] == ["due schedules could not be looked for"]
