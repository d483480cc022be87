"""Worker processes are killed with -9 at each step; every task goes on where it was, and ends once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.ledger.invariants import check_invariants

from paperlane.clock import SortableIds, SystemClock
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import migrate
from paperlane.model.tasks import BatchId, NewBatch, NewTask, State, TaskId, UserId

new_id = SortableIds(SystemClock())
ROOT = Path(__file__).parents[2]


class Worker:
    """A real process; `at` waits until it stands before a step, `go` lets it run that."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "tests/faults/counting_worker.py", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def at(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip().removeprefix("at ")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)  # every thread of it stands

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def until(holds: Callable[[], bool]) -> None:
    """Ask again and again, for a minute at most: another process makes it true."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    dialect = connect(url)
    migrate(dialect.writer)
    made = SqlLedger(dialect, Rules(lease=1.0))
    yield made
    check_invariants(made)
    made.close()


def submit(ledger: SqlLedger, tasks: int) -> list[TaskId]:
    names = [TaskId(new_id()) for _ in range(tasks)]
    new = [NewTask(name, json.dumps({"sum": 0}).encode()) for name in names]
    ledger.submit(NewBatch(BatchId(new_id()), UserId(1), new))
    return names


@pytest.mark.parametrize("killed_at", ["one", "two", "three"])
def test_a_task_goes_on_after_its_last_finished_step(ledger: SqlLedger, url: str, killed_at: str):
    (name,) = submit(ledger, 1)
    with ExitStack() as processes:
        first = Worker(url)
        processes.callback(first.kill)
        while first.at() != killed_at:
            first.go()
        first.kill()
        second = Worker(url)
        processes.callback(second.kill)
        assert second.at() == killed_at  # nothing that was finished runs again
        second.go()
        for _ in ("one", "two", "three")[("one", "two", "three").index(killed_at) + 1 :]:
            second.at()
            second.go()
        until(lambda: ledger.task(name).state.ended)
    task = ledger.task(name)
    assert (task.state, task.summary, task.attempt) == (State.COMPLETED, {"sum": 3}, 1)
    saved = Counter(event.step for event in ledger.events(name) if event.kind == "saved")
    assert saved == {"one": 1, "two": 1, "three": 1}
    assert [past.outcome for past in ledger.attempts(name)] == ["crashed", "completed"]


def test_a_frozen_worker_that_wakes_up_late_changes_nothing(ledger: SqlLedger, url: str):
    (name,) = submit(ledger, 1)
    with ExitStack() as processes:
        frozen = Worker(url)
        processes.callback(frozen.kill)
        frozen.at()
        with ledger.dialect.writer.begin():  # or its heartbeat may stop with the file's only lock for writing in hand
            frozen.freeze()
        other = Worker(url)
        processes.callback(other.kill)
        for _ in range(3):
            other.at()
            other.go()
        until(lambda: ledger.task(name).state.ended)
        finished = ledger.task(name)
        frozen.process.send_signal(signal.SIGCONT)
        frozen.go()
        (next_one,) = submit(ledger, 1)  # whoever takes it has been heard by the ledger after waking up
        until(lambda: ledger.task(next_one).state is State.RUNNING)
        assert ledger.task(name) == finished
        saved = Counter(event.step for event in ledger.events(name) if event.kind == "saved")
    assert saved == {"one": 1, "two": 1, "three": 1}


def test_a_task_that_kills_every_worker_ends_as_poison(ledger: SqlLedger, url: str):
    (name,) = submit(ledger, 1)
    for _ in range(3):
        worker = Worker(url)
        worker.at()
        worker.kill()
    with ExitStack() as processes:
        processes.callback(Worker(url).kill)  # its sweeper finds the third corpse
        until(lambda: ledger.task(name).state.ended)
    task = ledger.task(name)
    assert (task.state, task.fault.code if task.fault else "") == (State.FAILED, "poison")
