"""The real ledger under a virtual clock: no story of people, workers, brokers and faults breaks a promise.

`simulation.py` tells the stories and `auditor.py` looks at every transaction; `make soak` tells them for hours.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.ledger.disk import LARGE, Died
from tests.ledger.simulation import Story, shrink, story_of, tell
from tests.ledger.upkeep import ABANDONED, in_small
from tests.ledger.world import Broken, World

from paperlane.errors import Unavailable
from paperlane.model.schedules import NewSchedule, ScheduleId
from paperlane.model.tasks import BatchId, Checkpoint, NewBatch, NewTask, Progress, TaskId, UserId, WorkerId

ROOT = Path(__file__).parents[2]
STORIES = 60
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}  # of other processes: this very tree


@pytest.mark.timeout(600)
def test_no_story_breaks_a_promise():
    cores = os.cpu_count() or 1
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.ledger.simulation"),
                *("--most", str(-(-STORIES // cores)), "--first", str(first), "--stride", str(cores)),
                *("--seconds", "inf"),
            ],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for first in range(cores)
    ]
    told = [process.communicate()[0] for process in processes]
    for process, words in zip(processes, told, strict=True):
        assert process.returncode == 0, words
    assert sum(json.loads(words)["seeds"] for words in told) >= STORIES


def test_the_same_seed_tells_the_same_story():
    """Also in another process, where sets are in another order."""
    first = tell(story_of(3, 300)).sees.trace.hexdigest()
    assert tell(story_of(4, 300)).sees.trace.hexdigest() != first
    assert tell(story_of(3, 300)).sees.trace.hexdigest() == first
    again = "from tests.ledger.simulation import *; print(tell(story_of(3, 300)).sees.trace.hexdigest())"
    environment = {**ENVIRONMENT, "PYTHONHASHSEED": "7"}
    asked = [sys.executable, "-c", again]
    told = subprocess.run(asked, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split()[-1] == first  # after what was logged


KEPT: dict[str, Story] = {
    "a claim without an answer is told after the worker's slots were taken back": [
        ("hire", 2904559422), ("hire", 2608572951), ("submit", 3867393577), ("hire", 835262232),
        ("unsure_commit", 4041612625), ("step", 4056003567), ("system", 1380610521), ("kill", 1958056896),
        ("beat", 674796453), ("kill", 4027759024), ("step", 1332181032),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_a_story_that_once_went_wrong(what: str):
    tell(KEPT[what])


WRONG: dict[str, str] = {
    "5: counters": "UPDATE lanes SET ready = ready + 1 WHERE user_id = 1",
    "2: cancelled -> completed": "UPDATE tasks SET state = 'completed' WHERE id = 'done'",
    "3: the fence goes": "UPDATE tasks SET fence = fence + 1 WHERE id = 'ready'",
    "7: the task's number": "UPDATE tasks SET seq = seq + 1 WHERE id = 'ready'",
    "1: a task is deleted": "DELETE FROM tasks WHERE id = 'ready'",
    "6: checkpoints of a live task are deleted": "DELETE FROM checkpoints WHERE task_id = 'runs'",
    "6: a useless checkpoint is left": "INSERT INTO checkpoints VALUES ('runs', 's', 'other', 1, 0, '', '', '', 0)",
    "checkpoints were changed": "UPDATE checkpoints SET result = 'other' WHERE task_id = 'runs'",
    "6: a checkpoint without": "INSERT INTO checkpoints VALUES ('ready', 's', 'k', 0, 0, '', '', '', 0)",
    "9: virtual time": "UPDATE lanes SET vtime = vtime + 1 WHERE user_id = 1",
    "events were changed": "UPDATE events SET message = 'other' WHERE task_id = 'done'",
    "of a live task are deleted": "DELETE FROM events WHERE task_id = 'ready'",
    "3: a ready task's worker": "UPDATE tasks SET worker_id = 'nobody' WHERE id = 'ready'",
    "9: the clock falls": "UPDATE clocks SET vtime = -1",
    "14: a row names a file": "INSERT INTO checkpoints VALUES ('runs', 't', 'k', 1, 0, '', 'f', '', 1)",
    "15: the next time is wrong": "UPDATE schedules SET next_at = next_at + 1",
    "15: a schedule fires before its time": "UPDATE schedules SET last_batch = 'fired', last_at = 1",
    "15: fired": "INSERT INTO batches VALUES ('fired1', 1, '', 0, NULL, '', 0, '', '')",
    "16: forgotten on the day": "DELETE FROM tasks WHERE id = 'done'",
    "16: trimmed too early": "DELETE FROM events WHERE task_id = 'done'",
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_the_auditor_sees(what: str):
    """Who watches the watchman: a change behind the ledger's back is seen in the commit that makes it."""
    world = World()
    world.ledger.submit(NewBatch(BatchId("a"), UserId(1), [NewTask(TaskId("runs"), b"")]))
    world.ledger.register(WorkerId("w"), "database", "host", 1, 1)
    (lease,) = world.ledger.step("database", WorkerId("w"), [], 1)
    world.ledger.save(lease, WorkerId("w"), Checkpoint("s", "key", b""), Progress("s", 1))
    world.ledger.submit(
        NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("ready"), b""), NewTask(TaskId("done"), b"")])
    )
    world.ledger.cancel(TaskId("done"))
    world.ledger.add_schedule(
        NewSchedule(ScheduleId("s"), UserId(1), "s", "* * * * *", "UTC", [NewTask(TaskId(""), b"")])
    )
    assert world.sees.broken == []
    world.ledger.write(lambda connection: connection.execute(text(WRONG[what])) and None)
    assert any(broken.find(what) >= 0 for broken in world.sees.broken), world.sees.broken


def test_the_disk_sees_which_files_go_and_which_are_left():
    """A file that a row names is not to be removed, and one that nothing names is not to be left behind."""
    with in_small():
        world = World()
        world.ledger.submit(NewBatch(BatchId("a"), UserId(1), [NewTask(TaskId("runs"), b"")]))
        world.ledger.register(WorkerId("w"), "database", "host", 1, 1)
        (lease,) = world.ledger.step("database", WorkerId("w"), [], 1)
        with world.disk.tidy():
            large = Checkpoint("s", "key", world.random.randbytes(LARGE))
            world.ledger.save(lease, WorkerId("w"), large, Progress("s", 1))
    assert world.sees.broken == []
    with world.disk.tidy():
        world.disk.write(b"of nobody")
    assert "14: files are left" in world.sees.broken.pop()
    world.disk.remove(world.sees.files["runs", "s"])
    assert "14: a file is removed that a row names" in world.sees.broken.pop()


def test_a_process_that_dies_as_it_keeps_a_result_leaves_a_file_for_who_looks_for_such():
    with in_small():
        world = World()
        world.ledger.submit(NewBatch(BatchId("a"), UserId(1), [NewTask(TaskId("runs"), b"")]))
        world.ledger.register(WorkerId("w"), "database", "host", 1, 1)
        (lease,) = world.ledger.step("database", WorkerId("w"), [], 1)
        world.disk.faults = ["dies"]
        with pytest.raises(Died):
            world.ledger.save(
                lease, WorkerId("w"), Checkpoint("s", "key", world.random.randbytes(LARGE)), Progress("s", 1)
            )
        assert len(world.disk.orphans()) == 1
        world.clock.at += ABANDONED + 1
        world.upkeep.keep_house()
    assert not world.disk.files
    assert world.sees.broken == []


@pytest.mark.parametrize("fault", ["lost", "unheard", "refused"])
def test_a_commit_that_fails_doubles_nothing(fault: str):
    world = World()
    batch = NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"")], key="k", content="c")
    world.place.faults = [fault]
    with suppress(Unavailable):
        world.ledger.submit(batch)
    assert world.place.faults == []
    world.ledger.submit(batch)
    assert list(world.sees.tasks) == ["t"]
    assert world.sees.broken == []


def test_a_story_that_breaks_a_promise_becomes_short(monkeypatch: pytest.MonkeyPatch):
    def forgetful(world: World) -> None:
        world.ledger.write(lambda connection: connection.execute(text("UPDATE lanes SET ready = 0")) and None)

    monkeypatch.setattr(World, "weigh", forgetful)
    story = [*story_of(1, 40), ("submit", 1), ("weigh", 1), *story_of(2, 40)]
    with pytest.raises(Broken, match="5: counters"):
        tell(story)
    short = shrink(story, 20)
    assert {name for name, _ in short} == {"submit", "weigh"}
