"""What processes do beside their workers, as moves of a story: schedules fire, what is old goes, files get lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from tests.ledger.bookkeeping import APART, EACH
from tests.ledger.disk import LARGE

from paperlane import retention
from paperlane.blobs import Blobs
from paperlane.ledger import Kept, results
from paperlane.model.schedules import NewSchedule, Schedule, ScheduleId
from paperlane.model.tasks import BatchId, Fault, NewBatch, NewTask, TaskId, UserId
from paperlane.retention import Places, Removed, clean
from paperlane.threads import Threads

if TYPE_CHECKING:
    from tests.ledger.world import World

USERS = 4
MOST_SCHEDULES = 4
KEPT = Kept(finished=110, failed=250, most=2, steps=40, results=("report",))
KEY_KEPT = 100.0  # seconds, the shortest that anything is kept
EVERY = 60.0  # seconds between two turns of retention
ABANDONED = 150.0  # seconds after which a file that nothing names is an orphan
SOON = 1.0  # seconds: a look is over by then
LONG_AFTER = 1_500.0  # seconds after which also what a wrong clock saw ending is old


@contextmanager
def in_small() -> Generator[None]:
    """Stories last minutes and have small results: for as long as one is told, what is old or large is so sooner."""
    sooner = patch.multiple(retention, EVERY=EVERY, _ABANDONED=ABANDONED, _REST=0.0)
    with sooner, patch.object(results, "LARGE", LARGE):
        yield


class Nothing:
    """Where uploads lie: there are none."""

    def remove(self, reference: str) -> None: ...
    def written(self, *_between: float) -> Iterator[str]:
        return iter(())


async def _at_once(function: Callable[..., Any], *given: Any) -> Any:
    """On no other thread."""
    return function(*given)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """To its end, without an event loop: all that it waits for is its turn."""
    try:
        while True:
            work.send(None)
    except StopIteration as done:
        return done.value


@dataclass
class Upkeep:
    """The moves; what must hold in every transaction is looked at by the auditor's `timetable` and `archive`."""

    world: World
    schedules: int = 0

    def _some_schedule(self) -> ScheduleId | None:
        known = sorted(self.world.sees.timetable.rows)
        return ScheduleId(self.world.random.choice(known)) if known else None

    # schedules

    def add_schedule(self) -> None:
        world = self.world
        if len(world.sees.timetable.rows) >= MOST_SCHEDULES:
            return
        self.schedules += 1
        tasks = [NewTask(TaskId(""), b"{}") for _ in range(world.random.randint(1, 3))]
        name, user = f"schedule{self.schedules}", UserId(world.random.randint(1, USERS))
        cron = world.random.choice([*EACH, "* * * * *"])
        made = world.ledger.add_schedule(NewSchedule(ScheduleId(name), user, name, cron, "UTC", tasks))
        self._stands(made)

    def change_schedule(self) -> None:
        if (schedule := self._some_schedule()) is not None:
            change = self.world.random.choice(
                [{"paused": True}, {"paused": False}, {"cron": self.world.random.choice([*EACH])}, {"priority": 9}]
            )
            self._stands(self.world.ledger.change_schedule(schedule, **cast("dict[str, Any]", change)))

    def _stands(self, told: Schedule) -> None:
        """What was told is what there is."""
        row = self.world.sees.timetable.rows.get(told.id)
        same = row is not None and (row.cron, row.paused, row.next_at) == (told.cron, told.paused, told.next_at)
        self.world.sees.expect(same, "15: told", told, "and there is", row)

    def remove_schedule(self) -> None:
        if (schedule := self._some_schedule()) is not None:
            self.world.ledger.remove_schedule(schedule)
            self.world.sees.expect(schedule not in self.world.sees.timetable.rows, "15: removed and there", schedule)

    def fire(self) -> None:
        """All that is due, sometimes by two processes that saw the same."""
        world = self.world
        until = world.clock.at + world.clock.jumped
        due = world.ledger.due()
        both = [world.ledger, world.another]
        world.random.shuffle(both)
        for schedule in due:
            for process in both[: world.random.choice([1, 2])]:
                firing = process.fire(schedule, self._new_id)
                if firing is not None and firing.batch is not None:
                    tasks = [NewTask(task, b"{}") for task in firing.tasks]
                    world.submitted(NewBatch(BatchId(firing.batch), firing.user, tasks))
                elif firing is not None:
                    self._refused(firing.user, firing.refusal)
        missed = world.sees.timetable.missed(until)
        world.sees.expect(not missed, "15: due and not fired", missed)

    def _new_id(self) -> str:
        return f"fired{next(self.world.numbers):06}"

    def _refused(self, user: UserId, why: Fault | None) -> None:
        """Only for a backlog that is full, or nearly so."""
        mine = self.world.sees.of_user[user]
        waiting = len(mine["ready"]) + len(mine["waiting"])
        own = why is not None and why.code == "user_limit_exceeded"
        right = waiting + 3 > self.world.ledger.rules.user_backlog if own else why is not None
        self.world.sees.expect(right, "15: refused", why, "though only", waiting, "wait")

    # retention

    def keep_house(self) -> None:
        """A turn of retention at one process or another; afterwards nothing is there that should have gone."""
        world = self.world
        since = world.clock.at + world.clock.jumped
        process = world.random.choice([world.ledger, world.another])
        with world.disk.tidy():
            places = Places(cast("Blobs", Nothing()), cast("Blobs", world.disk))
            done = _run(clean(process, places, KEPT, cast("Threads", _at_once), asyncio.Event(), lambda: True))
        if isinstance(done, Removed):
            overdue = world.sees.archive.overdue(world.sees.tasks.values(), since - SOON)
            world.sees.expect(not overdue, "16: should have been forgotten", overdue)

    def lose_file(self) -> None:
        """A file of a result is gone, or damaged; its step runs again where somebody needs it."""
        named = sorted(file for file in self.world.sees.files.values() if file not in self.world.disk.lost)
        if named:
            file = self.world.random.choice(named)
            self.world.disk.lose(file, damaged=self.world.random.random() < 0.5)
            self.world.faults += 1

    def disk_fails(self) -> None:
        kind = self.world.random.choice(["full", "fails", "dies"])
        self.world.disk.faults = [kind] * self.world.random.choice([1, 1, 2])
        self.world.faults += 1

    # the end

    def settle(self) -> None:
        """The faults are over and a sweep was made: what was due fires, and nothing waits for a wrong clock's time."""
        world = self.world
        self.fire()
        now = world.clock.at
        late = [
            row
            for row in world.sees.timetable.rows.values()
            if not row.paused and row.next_at > now + EACH[row.cron][0] + APART
        ]
        world.sees.expect(not late, "15: waits for a time from before the clock was set back", late)
        for schedule in list(world.sees.timetable.rows):
            world.ledger.remove_schedule(ScheduleId(schedule))

    def purge(self) -> None:
        """Long after, nothing is left of what ended, and no file."""
        world = self.world
        world.clock.at += LONG_AFTER
        self.keep_house()
        left = [what for what in (world.sees.tasks, world.sees.batches, world.sees.files, world.sees.kept) if what]
        world.sees.expect(not left, "16: is there for ever", left)
        world.sees.expect(not world.disk.files, "14: files are there for ever", world.disk.files.keys())
