"""Who follows progress is told everything up to a place, or sent away to come again from there."""

import pytest

from paperlane.model.tasks import Event, TaskId
from paperlane.web import tailer
from paperlane.web.tailer import Follower

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
