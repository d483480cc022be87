"""The durable truth of tasks: who waits, who runs, whose turn it is, and what became of everything.

Synchronous: every method is one transaction (or one read) and may be called from any thread. What a method promises
is proved by the contract suite in `tests/ledger`, on every database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from paperlane.errors import CancelRequested, Misconfigured, StaleLease
from paperlane.model.figures import Vitals
from paperlane.model.schedules import Firing, NewSchedule, Schedule, ScheduleId
from paperlane.model.tallies import Tallies
from paperlane.model.tasks import (
    EVERYTHING,
    Attempt,
    Batch,
    BatchId,
    Channel,
    Checkpoint,
    DeadLetter,
    Ended,
    Event,
    Failures,
    Found,
    Handled,
    LaneUse,
    Lease,
    Letters,
    Member,
    NewBatch,
    Past,
    PastAttempt,
    Progress,
    Pulse,
    Queue,
    Recovery,
    Renewal,
    Service,
    Sought,
    Span,
    State,
    Task,
    TaskId,
    Terms,
    UserId,
    WorkerId,
)

Given = TypeVar("Given")

Also = Callable[[Connection], None]
"""What another room writes in the ledger's own transaction: both happen, or neither."""

AlsoSubmitted = Callable[[Connection, Sequence[NewBatch]], None]
"""Likewise, for batches that are written now."""

NewUser = Callable[[Connection], UserId]
"""Another room's new account, likewise: it is written first, and tells whose lane is made."""


AlsoFired = Callable[[Connection, NewBatch, float], None]
"""Likewise, for the batch that a schedule submits now (seconds since 1970, by the database's clock)."""

EngineFor = Callable[[Connection, UserId], str]
"""Another room's word for the engine that is to carry a user's tasks, likewise."""

EnginesFor = Callable[[Connection], Mapping[UserId, str]]
"""The same for many users, whom it names."""

AlsoForgotten = Callable[[Connection, Sequence[TaskId]], None]
"""Likewise, for tasks that are deleted."""


class Files(Protocol):
    """Where results lie that are too large for a row of the database, by references of its own."""

    def write(self, content: bytes) -> str:
        """Put it on disk for good, as a new file; its reference. StorageFull when there is no room."""
        ...

    def read(self, reference: str) -> bytes:
        """The whole file. FileNotFoundError when it is gone, another OSError when it cannot be read now."""
        ...

    def remove(self, reference: str) -> None:
        """Delete it; nothing happens when it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """How long tasks stay that have ended; times in seconds, 0 for ever.

    None goes within a day (`Rules.key_kept`), by which time whoever waited for it has seen its end. `most` counts the
    tasks of one user and one outcome. After `steps` a completed task has no progress and no checkpoints any more but
    those named in `results`. Nothing is taken for older than it was at the time `until`.
    """

    finished: float = 90 * 86_400.0  # completed and cancelled ones
    failed: float = 365 * 86_400.0
    most: int = 100_000
    steps: float = 14 * 86_400.0
    results: Sequence[str] = ()
    until: float = inf

    def __post_init__(self) -> None:
        """Misconfigured for a number that makes no sense: a NaN would be too old for all tasks."""
        for name in ("finished", "failed", "most", "steps"):
            if not 0 <= (value := getattr(self, name)) < inf:
                raise Misconfigured(
                    f"How long tasks are kept, {name}, makes no sense: {value}.", hint="Give 0 for ever, or more."
                )

    @property
    def together(self) -> float:
        """Seconds for which ended tasks stay whatever became of them; inf for ever."""
        return min((seconds for seconds in (self.finished, self.failed) if seconds), default=inf)


@dataclass(frozen=True, slots=True)
class Chore:
    """A turn at a chore, begun `at` this time; before, it was done for what happened until `done_until`."""

    at: float
    done_until: float


@dataclass(frozen=True, slots=True)
class Doubt:
    """The clock that counts may be wrong, so nothing may be deleted for its age: why."""

    why: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """A page of users: who has something to forget, who to trim; the next page begins after `last`, None: the end."""

    forget: Sequence[UserId]
    trim: Sequence[UserId]
    last: UserId | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the order in which tasks ended: after those of this time, up to this task."""

    finished_at: float
    task: str = ""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """How many tasks were trimmed, and where the next page begins; None at the end."""

    tasks: int
    onward: Mark | None


_LEAST = {
    "system_limit": 1, "user_backlog": 1, "system_backlog": 1, "lease": 0.001, "undelivered": 0.001, "max_retries": 0,
    "retry_delay": 0, "max_crashes": 1, "ageing": 0, "key_kept": 0, "user_schedules": 0, "user_limit": 1,
}  # fmt: skip
_MOST = 2**31 - 1  # that every database's columns hold; of seconds 68 years


AlsoHandled = Callable[[Connection, Handled], None]
"""What another room writes of dead letters that were handled, in the same transaction."""


@dataclass(frozen=True, slots=True)
class Note:
    """What an attempt tells of a step: it begins; or is `resumed`, passed by for its checkpoint; or is done.

    One that is done leaves its `checkpoint`, and what `also` writes with it.
    """

    lease: Lease
    progress: Progress
    resumed: bool = False
    checkpoint: Checkpoint | None = None
    also: Also | None = None

    @property
    def kind(self) -> str:
        """The word for it in the task's history."""
        return "saved" if self.checkpoint is not None else "resumed" if self.resumed else "step"


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers that the ledger decides by; times in seconds. Defaults: `design/scheduling.md`."""

    system_limit: int = 100
    user_backlog: int = 1_000
    system_backlog: int = 10_000
    lease: float = 30.0
    undelivered: float = 60.0
    max_retries: int = 3
    retry_delay: float = 5.0
    max_crashes: int = 3
    ageing: float = 600.0  # seconds that one step of priority is worth
    key_kept: float = 86_400.0
    user_schedules: int = 100
    user_limit: int = 10  # of a lane that nobody set up
    engine: str = "database"  # likewise
    engine_backlogs: Mapping[str, int] = field(default_factory=dict)  # how many may wait for these engines

    def __post_init__(self) -> None:
        """Misconfigured for a number that makes no sense."""
        for name, least in _LEAST.items():
            if not least <= (value := getattr(self, name)) <= _MOST:
                raise Misconfigured(
                    f"The ledger's rule {name} makes no sense: {value}.",
                    hint=f"Give a number from {least:g} to {_MOST}.",
                )


Taken = Callable[[Sequence[tuple[Ended, str]]], None]
"""Who is told which outcomes were taken, and the word for what each came to, once that is committed.

`completed`, `failed`, `cancelled`, `retry`, `yielded` or `paused`: a task may have been cancelled, or had its last try.
"""


class Ledger(Protocol):
    """The record of truth. Errors are those of `paperlane.errors`.

    Everything may raise Unavailable: StorageFull and Busy have changed nothing; else it is not known whether a write
    took place. What makes no sense is refused before anything is written: with BadRequest where people give it, with
    ValueError where only programs do (ids, names of steps and engines, versions, slots, pages). Outcomes are never
    refused, they are cut: to a day of waiting or of slot time, 2,000 characters of a message; what is no number is 0.
    """

    @property
    def rules(self) -> Rules:
        """The numbers that it decides by."""
        ...

    # what people ask for
    def room(self, user: UserId) -> None:
        """Raise TooMany (`user_limit_exceeded`, `system_busy`) when the user's or the system's backlog is full."""
        ...

    def submit(self, batch: NewBatch, also: Also | None = None) -> tuple[Batch, bool]:
        """Put all tasks on disk, or none. False beside the batch: its key was known, this is the earlier batch.

        TooMany past a backlog limit; BadRequest (`idempotency_key_reused`) for a known key with other content; Conflict
        (`id_taken`) when an id of it is in use; BadRequest for a cost, priority or time that makes no sense.
        """
        ...

    def submit_many(
        self, batches: Sequence[NewBatch], also: AlsoSubmitted | None = None
    ) -> Sequence[tuple[Batch, bool]]:
        """Put many batches of many users on disk, or none, in one transaction; for each what `submit` answers.

        `also` is left out where all were there under their keys. What `submit` refuses of one is refused for all, and
        TooMany past a backlog limit for all of them together; BadRequest for two under one key. Busy where somebody
        holds one user's lane for long.
        """
        ...

    def known(self, user: UserId, key: str) -> Batch | None:
        """The batch that this user submitted under this Idempotency-Key within the last day."""
        ...

    def cancel(self, task: TaskId, also: Also | None = None) -> Task:
        """Queued: cancelled at once. Running: it stops at its next checkpoint or heartbeat. Ended: Conflict.

        `also` is left out where the task was cancelled before.
        """
        ...

    def retry(self, task: TaskId, also: Also | None = None) -> Task:
        """A failed or cancelled task starts again with fresh tries and its old checkpoints; else Conflict."""
        ...

    # what failed for good
    def dead(self, which: Letters, cursor: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        """Those that failed last first; `cursor` leads past a page: `dead.cursor_of` its last task."""
        ...

    def causes(self, which: Letters) -> Mapping[str, int]:
        """How many dead letters there are of each fault's code."""
        ...

    def replay(self, which: Letters, cursor: str = "", also: AlsoHandled | None = None) -> Handled:
        """A page of dead letters starts again, as by `retry`; past a backlog limit they stay, and are told as left.

        Go on with the cursor of the answer: what fails again meanwhile is passed by.
        """
        ...

    def discard(self, which: Letters, cursor: str = "", also: AlsoHandled | None = None) -> Handled:
        """A page of dead letters is dead no more; they stay failed, and can be started again one by one."""
        ...

    # what people look at
    def task(self, task: TaskId) -> Task: ...
    def tasks(
        self,
        *,
        user: UserId | None = None,
        batch: BatchId | None = None,
        states: Sequence[State] = (),
        cursor: str = "",
        limit: int = 100,
    ) -> Sequence[Task]:
        """Newest first, or in their order within a batch; `cursor` is the last id of the page before."""
        ...

    def batch(self, batch: BatchId) -> Batch: ...
    def attempts(self, task: TaskId) -> Sequence[PastAttempt]: ...
    def events(self, task: TaskId, after: int = 0, limit: int = 1_000) -> Sequence[Event]: ...
    def moved(self, seen: Mapping[TaskId, int]) -> Sequence[Event]:
        """For tasks that somebody follows: every event after the number that was seen of each."""
        ...

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        """Have `heard` called, on any thread, with each engine that has something to run; the answer ends that.

        None where only this process's own doings are told, for ever; then look at `runnable` often. A call may be
        missed: look yourself now and then.
        """
        ...

    def changed(self) -> int:
        """Another number soon after somebody committed something; cheap enough to ask 50 times a second."""
        ...

    def queue(self, user: UserId | None = None, most: int = 100, longest: int = 0) -> Queue:
        """What runs and waits; of lanes one by one at most so many, or one user's.

        First come those in which most could start now, then those in which most waits. Beside them so many whose next
        tasks have waited `longest`, none of them paused.
        """
        ...

    def renewed(self, queue: Queue) -> Queue:
        """Everybody's queue as it was seen, with what costs little as it is now, however many lanes there are.

        That is the limit, which engines are paused, who serves them, what no worker can read, and what the lanes that
        are told one by one were given: their engine, weight, limit, and whether they are paused.
        """
        ...

    def members(self) -> Sequence[Member]: ...
    def follow_ends(self, heard: Callable[[Sequence[TaskId]], None] | None) -> None:
        """Have `heard` called with each task that this process ends, however it does; None: nobody any more.

        Once that is committed, on whatever thread committed it, which waits meanwhile. One is missed where the answer
        to a commit was lost.
        """
        ...

    def uses(self, after: UserId, limit: int = 100) -> Sequence[LaneUse]:
        """What became of the tasks of the next users after this one, by their numbers; those that have a lane."""
        ...

    def use_of_all(self) -> LaneUse:
        """The same of all users together, whose number is 0; what is handed out and not begun counts as running."""
        ...

    def vitals(self) -> Vitals:
        """How full the database is, and what nobody took back; as cheap as a look at the members."""
        ...

    # what operators look through
    def look_for(self, which: Sought, cursor: str = "", limit: int = 100) -> Found:
        """The newest such tasks of everybody's, among `watching.AT_ONCE` tasks, or all of those that run."""
        ...

    def failures(self, since: float) -> Failures:
        """What failed since then: of the latest `watching.MOST_DEAD` dead letters and `watching.AT_ONCE` newest tasks.

        Each try counts, whether another one went well or not.
        """
        ...

    def served(self, users: Sequence[UserId], seconds: float) -> Service:
        """What each of these users, and each who holds something, had in the last so many seconds, and all together.

        These are the last tries of their tasks.
        """
        ...

    # what was
    def past(self, since: float, cursor: str = "", limit: int = 1_000) -> Sequence[Past]:
        """Tasks that were submitted since a time, as they went, by their ids, which tell the order in which they came.

        `cursor` is the last id of the page before. Whoever goes through all of them goes through the table.
        """
        ...

    def terms(self, after: UserId, limit: int = 1_000) -> Sequence[Terms]:
        """What the lanes of the next users after this one may, by their numbers."""
        ...

    # schedules
    def add_schedule(self, new: NewSchedule, also: Also | None = None) -> Schedule:
        """Submit a batch again and again from now on.

        BadRequest for an expression (`invalid_cron`) or a time zone (`unknown_timezone`) that makes no sense, or never
        comes due, and for a name, a priority or a cost that makes no sense; Conflict for a name that the user has used
        (`schedule_exists`), or too many (`too_many_schedules`).
        """
        ...

    def schedule(self, user: UserId, name: str) -> Schedule: ...
    def schedules(
        self, user: UserId | None = None, after: str = "", limit: int = 1_000, name: str | None = None
    ) -> Sequence[Schedule]:
        """A page of a user's by name, `after` the last one of the page before; or everybody's, by user and name.

        With a `name` those that have it.
        """
        ...

    def change_schedule(
        self,
        schedule: ScheduleId,
        *,
        cron: str | None = None,
        timezone: str | None = None,
        priority: int | None = None,
        paused: bool | None = None,
        also: Also | None = None,
    ) -> Schedule:
        """Change what is given; what is missed in a pause is not made up for."""
        ...

    def remove_schedule(self, schedule: ScheduleId, also: Also | None = None) -> None:
        """Submit no more; what was submitted goes on."""
        ...

    def due(self) -> Sequence[ScheduleId]:
        """The schedules whose time has come."""
        ...

    def fire(self, schedule: ScheduleId, new_id: Callable[[], str], also: AlsoFired | None = None) -> Firing | None:
        """Submit a due schedule's batch, once over all processes, however many times were missed.

        A refusal submits nothing and is told once: a backlog that is full leaves it due, NotAllowed of `also` puts it
        off to its next time. None when there is nothing to tell: it is not due, or another process was first.
        """
        ...

    # what is old
    def begin_chore(self, name: str, seconds: float) -> Chore | Doubt | None:
        """Take the turn at a chore that comes up every so many `seconds`, once over all processes; None: not now.

        A Doubt, and no turn, while this process's own clock is more than an hour off, and after a long time without a
        turn (when nobody ran, or the clock was set forward) until this process has seen for an hour that it is steady.
        """
        ...

    def end_chore(self, name: str, done_until: float) -> None:
        """It was done for everything that happened until then."""
        ...

    def overdue(self, kept: Kept, since: float, after: UserId) -> Overdue:
        """Which of the next users after this one have something to `forget` or, ended after `since`, to `trim`."""
        ...

    def forget(self, user: UserId, kept: Kept, also: AlsoForgotten | None = None) -> int:
        """Delete the user's oldest ended tasks that shall not be kept, a small page of them; how many went.

        With them go their events, attempts, checkpoints, and batches that are empty then; once that is committed, the
        files of large results. Call again until it is 0.
        """
        ...

    def trim(self, user: UserId, kept: Kept, mark: Mark) -> Trimmed:
        """Take progress and checkpoints from a page of completed tasks, which stay as they are for people.

        The task, its attempts, the events that ended it and `kept.results` are left.
        """
        ...

    def named(self, files: Sequence[str]) -> set[str]:
        """Those of these files that a checkpoint's result lies in."""
        ...

    # lanes
    def lane(
        self,
        user: UserId | NewUser,
        *,
        max_running: int | None = None,
        weight: float | None = None,
        engine: str | EngineFor | None = None,
        paused: bool | None = None,
        instead_of: int | None = None,
        also: Also | None = None,
    ) -> None:
        """Make the user's lane, or change it while it runs; a lowered limit kills nothing.

        With `instead_of`, `max_running` is set only where the limit was that.
        BadRequest for a limit or a weight that makes no sense.
        """
        ...

    def assign(self, meant: EnginesFor) -> int:
        """Move lanes to other engines, in the transaction in which is asked to which; how many were moved.

        What waits moves with its lane, and what runs ends where it is. Users without a lane are passed by.
        """
        ...

    def bound(self, after: UserId, most: int = 500) -> tuple[int, UserId | None]:
        """Let users' own limits bound their lanes, or not, as the flag `use_user_semaphore` says now.

        A page of the lanes after this user that are not so: how many were changed, and the last one of the page; None
        at the end. What runs goes on; of a user above the limit nothing starts until less runs. Lanes that are made
        later are as the flag says at once.
        """
        ...

    def limit(self, max_running: int | None, also: Also | None = None) -> None:
        """Set the whole system's limit, None for the rules' own; lowered, it kills nothing and starts nothing more."""
        ...

    def pause(self, engine: str, *, paused: bool, also: Also | None = None) -> None:
        """Whether an engine starts tasks; running ones go on."""
        ...

    # what workers say
    def register(
        self,
        worker: WorkerId,
        engine: str,
        host: str,
        pid: int,
        slots: int,
        version: int = 1,
        channel: Channel = EVERYTHING,
        span: Span | None = None,
    ) -> int:
        """Join, or ask for more or fewer; the answer is the slots that the system's limit grants, 0 when it is used up.

        Fewer than it runs kill nothing: it starts nothing until it runs less. It may choose in its `span`, as it joins.
        Where too few are free for as many as that begins with, others give back what they have beyond their own.
        The worker is given no task of a higher `version`, however long it waits: such a payload it cannot read. By
        `channel` leases of a push engine are counted; workers of a pull engine serve everything.
        """
        ...

    def leave(self, worker: WorkerId) -> Recovery:
        """The worker is gone, by itself or seen dead by its parent; what it still held goes back at once."""
        ...

    def step(
        self, engine: str, worker: WorkerId, ended: Sequence[Ended], room: int, taken: Taken | None = None
    ) -> Sequence[Lease]:
        """Finish what ended and claim what fits, in one commit; the leases are running. Late outcomes are dropped."""
        ...

    def runnable(self, engine: str, channel: Channel = EVERYTHING) -> bool:
        """Might a claim for this engine find something? A cheap read, so that idle workers do not lock.

        A task that has come due is something, whichever engine it is for: any claim has it join its lane.
        Where workers of it registered here, something that one of them can read. With a `channel` that
        does not serve everything, something of this engine that a worker of that one could run.
        """
        ...

    def queued(self, engine: str, most: int) -> int:
        """How many tasks wait for this engine whose users may start more, counted no further than `most`; cheap."""
        ...

    def lease(self, engine: str, most: int) -> Sequence[Lease]:
        """Leases for a push engine: at most `most`, and never more outstanding than its live workers have slots.

        That holds for each channel too. First come parts of attempts that paused, which have their turns; those for
        which there is no room keep them as long as somebody asks here. New turns begin at the first stage.
        """
        ...

    def hand_back(self, leases: Sequence[Lease]) -> None:
        """Deliveries that will not be begun go back at once, no attempt used; those that were begun are passed by."""
        ...

    def begin(self, lease: Lease, worker: WorkerId) -> Attempt:
        """Start running a lease; the same worker may ask again. StaleLease for everyone else."""
        ...

    def begin_all(self, worker: WorkerId, leases: Sequence[Lease]) -> Sequence[Attempt | StaleLease]:
        """The same for several leases at once; for each its attempt, or why it must not begin."""
        ...

    def finish(
        self,
        worker: WorkerId,
        ended: Sequence[Ended],
        notes: Sequence[Note] = (),
        engine: str = "",
        most: int = 0,
        taken: Taken | None = None,
    ) -> Sequence[Lease] | None:
        """End attempts without claiming; what they tell of their last steps is written down in the same commit.

        Nothing of an attempt is written that is late, or whose task is cancelled. ValueError as from `note`.
        With `most` the commit hands leases out to the push engine too, as `lease` does: None where none were asked for,
        or another dispatcher hands some out just now, who may not see the room that this makes.
        """
        ...

    def renew(self, worker: WorkerId, leases: Sequence[Lease], pulse: Pulse | None = None) -> Renewal:
        """A heartbeat for the worker and all its leases, and what it learned; who looks at workers is shown the pulse.

        A share that is none, and fewer than no slots, are not known.
        """
        ...

    def note(self, worker: WorkerId, notes: Sequence[Note]) -> Sequence[StaleLease | CancelRequested | None]:
        """Write down what several attempts tell of their steps, in one commit; for each, why it must not go on, if so.

        Of such a one nothing is written. What one tells of several steps stays in its order. A step's result is kept
        once: the first one of a step and a key stays, as long as it can be read; those under other keys of the step, of
        another input or version, are dropped with it. ValueError for two results of one step.
        """
        ...

    def started(self, lease: Lease, worker: WorkerId, progress: Progress, *, resumed: bool = False) -> None:
        """One attempt's note of a step that begins, or is resumed. StaleLease or CancelRequested where it must not."""
        ...

    def progress(self, worker: WorkerId, reports: Sequence[tuple[Lease, Progress]]) -> None:
        """Progress of several attempts in one transaction; late ones are dropped, percent never falls.

        A percentage that is no number changes none.
        """
        ...

    def save(
        self, lease: Lease, worker: WorkerId, checkpoint: Checkpoint, progress: Progress, also: Also | None = None
    ) -> None:
        """One attempt's note of a step that is done. StaleLease or CancelRequested where it must not."""
        ...

    def checkpoint(self, task: TaskId, step: str, key: str = "") -> bytes | None:
        """A step's saved result; the newest one when no key is given. None also for one whose file is lost.

        Unreadable while that is there and cannot be read.
        """
        ...

    def recover(self) -> Recovery:
        """Take back what silent workers hold and what nobody began; mend counters that drifted."""
        ...

    # what processes count
    def tally(self, deltas: Tallies) -> None:
        """Add to what was counted before by any process, all of it or nothing; names and labels are made as they come.

        Unavailable: nothing was added. Where a commit's answer was lost it counts as added: told again it might count
        twice. ValueError for a name that makes no sense, or counts that do not.
        """
        ...

    def tallies(self) -> Tallies:
        """What all processes counted since the database was made."""
        ...

    # its own
    def write(self, work: Callable[[Connection], Given]) -> Given:
        """Another room's own write, on the ledger's connection; what it gave in the try that counts."""
        ...

    def read(self, ask: Callable[[Connection], Given]) -> Given:
        """Another room's own read."""
        ...

    def pool(self) -> tuple[int, int]:
        """How many connections to the database this process has in use now, and may have at most; asks nobody."""
        ...

    def close(self) -> None: ...
