"""Who follows progress is told everything up to a place, or sent away to come again from there."""

import pytest
from sqlalchemy import Connection
from tests.databases import opened

from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import Event, TaskId
from paperlane.records import portable
from paperlane.threads import Threads
from paperlane.web import tailer
from paperlane.web.tailer import Follower, Tailer

TASK = TaskId("t")


def event(seq: int) -> Event:
    return Event(TASK, seq, "progress", "running", "parsing", 0.0, "", 0.0)


async def test_a_reader_that_is_too_slow_misses_nothing_before_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tailer, "_SLOWEST", 3)
    follower = Follower({TASK: 0}, since=0.0)
    for seq in range(1, 8):
        follower.take(event(seq))
    queued = [follower.queue.get_nowait() for _ in range(follower.queue.qsize())]
    assert [one.seq if one else None for one in queued] == [1, 2, 3, None]


async def test_the_time_is_that_of_the_ledger_which_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch):
    """A database on another machine, whose clock is ten minutes ahead."""
    asked: list[float] = []
    now = portable.now

    def ahead(connection: Connection) -> float:
        asked.append(now(connection) + 600)
        return asked[-1]

    monkeypatch.setattr(portable, "now", ahead)
    ledger, threads = SqlLedger(opened("sqlite://")), Threads("web")
    tails = Tailer(ledger, threads)
    for _ in range(3):
        await tails.compare_clocks()
    assert 0 <= tails.now() - asked[0] < 60
    assert 0 <= tails.follow({}).since - asked[0] < 60
    assert len(asked) == 1
    threads.close()
    ledger.close()
