"""The words of periodic tasks: schedules and what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from paperlane.model.tasks import BatchId, Fault, NewTask, TaskId, UserId

ScheduleId = NewType("ScheduleId", str)


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """A batch that shall be submitted again and again; of its tasks all but the ids is kept.

    `name` is unique among the user's; `cron` has five fields, which mean the clock of `timezone` (an IANA name).
    """

    id: ScheduleId
    user: UserId
    name: str
    cron: str
    timezone: str
    tasks: Sequence[NewTask]
    priority: int = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as people see it; times are seconds since 1970 (UTC), 0 for not yet.

    `tasks` counts those of a batch. `last` is the batch that it submitted at `last_at`, "" before the first.
    `refusal` says why it could not submit since `refused_at`.
    """

    id: ScheduleId
    user: UserId
    name: str
    cron: str
    timezone: str
    priority: int
    tasks: int
    paused: bool
    created_at: float
    next_at: float
    last_at: float
    last: str
    refusal: Fault | None
    refused_at: float


@dataclass(frozen=True, slots=True)
class Firing:
    """What a due schedule did: it submitted `batch`, or was refused (`refusal`)."""

    schedule: ScheduleId
    user: UserId
    name: str
    batch: BatchId | None = None
    tasks: Sequence[TaskId] = ()
    refusal: Fault | None = None
