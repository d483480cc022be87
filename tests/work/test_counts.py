"""What a process counts is told to all once, and nothing of it is told twice."""

from threading import Thread

import pytest

from paperlane.counting import Counting
from paperlane.errors import StorageFull
from paperlane.model.tallies import Tallies, once


class Told:
    """Where counts are told, which fails as it is told to."""

    def __init__(self) -> None:
        self.all: list[Tallies] = []
        self.error: Exception | None = None

    def __call__(self, deltas: Tallies) -> None:
        if self.error is not None:
            raise self.error
        self.all.append(deltas)


def test_what_was_counted_is_told_once():
    counting = Counting(told := Told())
    counting.note("steps", "one", 0.2)
    counting.note("steps", "one", 3.0)
    counting.note("steps", "two")
    counting.flush()
    counting.flush()
    assert told.all == [{("steps", "one"): once(0.2) + once(3.0), ("steps", "two"): once(0.0)}]


def test_what_could_not_be_told_comes_with_the_next():
    counting = Counting(told := Told())
    counting.note("steps", "one", 1.0)
    told.error = StorageFull("The disk is full.")
    with pytest.raises(StorageFull):
        counting.flush()
    told.error = None
    counting.note("steps", "one", 2.0)
    counting.flush()
    assert told.all == [{("steps", "one"): once(1.0) + once(2.0)}]


def test_what_can_never_be_told_is_in_nobodys_way():
    counting = Counting(told := Told())
    counting.note("", "one")
    told.error = ValueError("no name")
    with pytest.raises(ValueError, match="no name"):
        counting.flush()
    told.error = None
    counting.note("steps", "one")
    counting.flush()
    assert told.all == [{("steps", "one"): once(0.0)}]


def test_less_than_no_time_is_none():
    counting = Counting(told := Told())
    counting.note("progress_seconds", "", -3.0)
    counting.flush()
    assert told.all == [{("progress_seconds", ""): once(0.0)}]


def test_threads_that_count_at_once_lose_nothing():
    counting = Counting(told := Told())

    def count() -> None:
        for number in range(2_000):
            counting.note("steps", "one")
            if number % 100 == 0:
                counting.flush()

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counting.flush()
    assert sum(one.count for deltas in told.all for one in deltas.values()) == 8_000
