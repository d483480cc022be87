"""The words of scheduling: tasks, leases, attempts and how they end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import NewType

TaskId = NewType("TaskId", str)
BatchId = NewType("BatchId", str)
WorkerId = NewType("WorkerId", str)
UserId = NewType("UserId", int)


class State(StrEnum):
    """Where a task stands in the ledger; people see the first three as queued."""

    READY = "ready"
    WAITING = "waiting"
    LEASED = "leased"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def status(self) -> str:
        """The word that people and programs outside see."""
        return "queued" if self in {State.READY, State.WAITING, State.LEASED} else self.value

    @property
    def ended(self) -> bool:
        """Is this state final?"""
        return self in {State.COMPLETED, State.FAILED, State.CANCELLED}


class Stage(StrEnum):
    """Which kind of worker a task's next step wants."""

    CPU = "cpu"
    MODEL = "model"


FIRST = Stage.CPU
"""Where every turn begins, so that the order of turns is one: a task whose first step is another's moves on at once."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Which tasks of its engine a worker serves: those in one of these stages, and of one shard of the users.

    A user is in the shard that dividing their number by `shards` leaves.
    """

    stages: frozenset[Stage] = frozenset(Stage)
    shard: int = 0
    shards: int = 1

    def serves(self, stage: Stage, user: int) -> bool:
        """Could a worker of this channel run this part of a task of this user?"""
        return stage in self.stages and user % self.shards == self.shard


EVERYTHING = Channel()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one attempt. The only thing that travels through an engine.

    `user` is a hint of whose task it is, 0 where it is not known; nobody trusts it.
    """

    task: TaskId
    fence: int
    stage: Stage = Stage.CPU
    user: UserId = field(default=UserId(0), compare=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something failed: a stable code, a sentence, and what its reader can do."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Completed:
    """The chain ended; its result is saved. `seconds` is the slot time used, `summary` is kept with the task.

    `cpu`, here and of all other outcomes, is the processor time in seconds that its isolated steps used. The task could
    have started `age` seconds before its end, None where that is not known.
    """

    seconds: float = 0.0
    summary: Mapping[str, object] = field(default_factory=dict)
    cpu: float = 0.0
    age: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Retry:
    """Something that may pass went wrong; the ledger decides when, and whether, the task is tried again."""

    fault: Fault
    seconds: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing that another attempt would mend."""

    fault: Fault
    seconds: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody asked for it."""

    seconds: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Yielded:
    """The turn goes back early: a drain, or a wait of `after` seconds for something outside, a day at most.

    No attempt is used: it may look once a day for as long as it takes. `seconds` of slot time were used before, and
    are paid.
    """

    after: float = 0.0
    why: str = ""
    seconds: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Paused:
    """The rest is for workers of this `stage`; the same one where the time of one part was up.

    The turn is kept and no attempt is used: the ledger issues the next lease at once, and whoever dispatches for the
    engine hands it over. `seconds` of slot time were used by this part, and are paid; `took` of them were the attempt's
    own time, of which it has no more for being in parts.
    """

    stage: Stage
    seconds: float = 0.0
    took: float = 0.0
    cpu: float = 0.0


Outcome = Completed | Retry | Failed | Cancelled | Yielded | Paused


@dataclass(frozen=True, slots=True)
class Ended:
    """A lease and how it ended, ready to be told to the ledger."""

    lease: Lease
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a worker must know to run a lease.

    `number` counts from 1, `payload` is the task's input (JSON), `seconds` is how long the attempt may still take: what
    its earlier parts took is gone. Of the steps in `kept` earlier attempts or parts left results. The task could have
    started `age` seconds before this began, None where a person started it again; `waited` is how many seconds it did
    not, told of its very first begin only.
    """

    lease: Lease
    worker: WorkerId
    user: UserId
    number: int
    max_attempts: int
    payload: bytes
    seconds: float
    kept: frozenset[str] = frozenset()
    age: float | None = None
    waited: float | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A step's saved result. `key` is the hash of the step's version and its input."""

    step: str
    key: str
    result: bytes


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task has come: percent 0..100 of the whole chain, and a message for its owner."""

    step: str
    percent: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A numbered fact about a task; `seq` rises by one within a task, `at` is seconds since 1970 (UTC)."""

    task: TaskId
    seq: int
    kind: str
    status: str
    step: str
    percent: float
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be: its id is chosen by the caller. `cost` is an estimate in slot-seconds.

    `version` is that of its payload: only workers that know it are given the task.
    """

    id: TaskId
    payload: bytes
    cost: float = 1.0
    version: int = 1


@dataclass(frozen=True, slots=True)
class NewBatch:
    """Tasks that are submitted together. `run_at` is seconds since 1970, 0 for now.

    `key` is the caller's Idempotency-Key ("" for none) and `content` a hash of what it stands for.
    """

    id: BatchId
    user: UserId
    tasks: Sequence[NewTask]
    name: str = ""
    priority: int = 5
    run_at: float = 0.0
    key: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as people see it; times are seconds since 1970 (UTC), 0 for not yet."""

    id: TaskId
    batch: BatchId
    user: UserId
    state: State
    priority: int
    engine: str
    step: str
    percent: float
    message: str
    seq: int
    attempt: int
    max_attempts: int
    created_at: float
    started_at: float
    finished_at: float
    run_at: float
    fault: Fault | None
    payload: bytes
    summary: Mapping[str, object]
    version: int = 1

    @property
    def status(self) -> str:
        """One of queued, running, completed, failed, cancelled."""
        return self.state.status


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed, and was neither started again nor discarded since; `tries` counts attempts that began."""

    task: Task
    tries: int


@dataclass(frozen=True, slots=True)
class Sought:
    """Which tasks an operator looks for: those that everything given here holds for; `code` is their fault's."""

    user: UserId | None = None
    batch: BatchId | None = None
    states: Sequence[State] = ()
    engine: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """A task without what it holds; times as in a Task. `worker` runs it now, "" where none does."""

    id: TaskId
    batch: BatchId
    user: UserId
    state: State
    engine: str
    worker: WorkerId
    step: str
    percent: float
    attempt: int
    created_at: float
    started_at: float
    finished_at: float
    run_at: float
    fault: Fault | None

    @property
    def status(self) -> str:
        """One of queued, running, completed, failed, cancelled."""
        return self.state.status


@dataclass(frozen=True, slots=True)
class Service:
    """Slot-seconds that tasks had for a time, by user, and those of `all` whose lanes hold something now.

    `of` tells of those of them who had any, and of whoever was asked for. `weights` are those of these lanes together.
    """

    of: Mapping[UserId, float]
    all: float
    weights: float


@dataclass(frozen=True, slots=True)
class Found:
    """What one look through the newest tasks found, newest first, and among how many.

    `cursor` leads to older ones, "" at the end.
    """

    tasks: Sequence[Outline]
    looked: int
    cursor: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A try at a task that failed, or a task that did without one; `step` is where, "" where that is not known."""

    task: TaskId
    user: UserId
    engine: str
    step: str
    fault: Fault
    at: float


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed, the latest first; `looked` tasks were looked at for it, and `whole` where these are all."""

    found: Sequence[Failure]
    looked: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Letters:
    """Which dead letters are meant: those that everything given here holds for.

    `since` and `until` bound when they failed, in seconds since 1970; `code` is their fault's.
    """

    user: UserId | None = None
    batch: BatchId | None = None
    code: str = ""
    since: float = 0.0
    until: float = inf
    ids: Sequence[TaskId] | None = None


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Dead letters that stay what they are, and why; `tasks` names the first of them."""

    why: Fault
    count: int
    tasks: Sequence[TaskId]


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a page of dead letters: how many are none any more, and which are left.

    `cursor` leads to the next page, "" at the end.
    """

    done: int
    left: Sequence[LeftOver] = ()
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as people see it; `counts` maps each status to its number of tasks; `percent` is their mean."""

    id: BatchId
    user: UserId
    name: str
    created_at: float
    counts: Mapping[str, int]
    percent: float
    content: str = ""


@dataclass(frozen=True, slots=True)
class StepTime:
    """A step of an attempt; `resumed` when its checkpoint was used instead of running it."""

    step: str
    seconds: float
    resumed: bool


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One lease that was begun, from the ledger's history; `ended_at` is 0 while it runs.

    An attempt that paused has several of the same `number`, each a part of it.
    """

    number: int
    fence: int
    engine: str
    worker: WorkerId
    started_at: float
    ended_at: float
    outcome: str
    fault: Fault | None
    steps: Sequence[StepTime]


@dataclass(frozen=True, slots=True)
class Span:
    """Between how many slots a worker may choose, and with how many it begins."""

    start: int
    least: int
    most: int

    def __post_init__(self) -> None:
        """ValueError for one that begins outside of it."""
        if not 0 <= self.least <= self.start <= self.most:
            raise ValueError(f"A span of slots begins inside of it, not as {self}")

    @classmethod
    def fixed(cls, slots: int) -> "Span":
        """So many, whatever happens."""
        return cls(slots, slots, slots)

    @property
    def is_fixed(self) -> bool:
        return self.least == self.most


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a worker tells with a heartbeat: how many slots it wants now, and how much of its machine is in use.

    Shares from 0 to 1; None where the sensor failed.
    """

    wants: int
    cpu: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a heartbeat learned: leases that are lost, and leases whose task somebody cancelled.

    `known` is False when the ledger gave the worker itself up; then it holds nothing and must register anew. `granted`
    are the slots that the system's limit leaves it now.
    """

    lost: Sequence[Lease]
    cancelled: Sequence[Lease]
    known: bool = True
    granted: int = 0


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a sweep found and mended; `poisoned` tasks crashed too often and failed.

    What was `late`, tasks and schedules, waited for a time from before the clock was set back. What is lost of a lane
    that stays `locked` is taken back later.
    """

    expired: int = 0
    undelivered: int = 0
    poisoned: int = 0
    drifted: int = 0
    workers: int = 0
    late: int = 0
    locked: int = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """One user's line: what waits, what runs, and what they may.

    What waits and could begin now is `startable`: its time has come, and nobody paused the user or the engine.
    `oldest` is for how many seconds the ready task that is next could run: since it was first to start, or was put off
    or started again for the last time. One behind it has waited longer only where its priority is lower, and by no more
    than that puts it back, or where the next one could not run all the time.
    """

    user: UserId
    engine: str
    weight: float
    max_running: int
    running: int
    ready: int
    waiting: int
    leased: int
    vtime: float
    paused: bool
    oldest: float
    startable: int = 0


@dataclass(frozen=True, slots=True)
class LaneUse:
    """What became of a user's tasks: what waits and runs now, and the ends of all runs of all that there ever were.

    One that was started again ends again. `cpu` is seconds of processor time, of the isolated steps of attempts that
    told it.
    """

    user: UserId
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Past:
    """A task as it went: when it came, could first start, and did; times in seconds since 1970, 0 for never.

    `cost` are the slot-seconds that were expected of it, `used` those of its attempts that ended it or a part of it;
    0 while it has not ended. Of one that somebody started again after its end, `started` and `used` are 0 too: they
    would be of another run than the one that came at that time.
    """

    id: TaskId
    user: UserId
    engine: str
    state: State
    priority: int
    cost: float
    submitted: float
    accepted: float
    started: float
    finished: float
    used: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What a user's lane may: how many at once, with what weight, on which engine."""

    user: UserId
    max_running: int
    weight: float
    engine: str


@dataclass(frozen=True, slots=True)
class EngineState:
    """An engine as the queue shows it; of what is `queued` so many tasks are `startable`, as in the lanes."""

    name: str
    paused: bool
    queued: int
    running: int
    workers: int
    slots: int
    startable: int = 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Ready tasks of an engine that wait in vain: its newest worker reads payloads of version `reads`, they need more.

    `tasks` of them stand among the next in turn, there may be more; one that reads `version` could run all of these.
    """

    engine: str
    tasks: int
    version: int
    reads: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What runs and waits: `oldest` is the longest that a lane tells of its next task, where nothing is paused.

    `limit` is how many tasks may run at once in the whole system, `default_limit` what the settings say of that.
    `busy` lanes hold something; those of `lanes` are told one by one, and all count in the sums. `repairs` is how often
    a lane's counters were put right since the database was made. What no worker can read is told only where everybody's
    lanes are.
    """

    queued: int
    running: int
    oldest: float
    limit: int
    default_limit: int
    busy: int
    lanes: Sequence[Lane]
    engines: Sequence[EngineState]
    repairs: int
    unreadable: Sequence[Unreadable] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A registered worker; `slots` is what the system's limit granted it, of its engine it serves `channel`.

    It may choose between `least` and `asked` slots, and `wants` so many now. `cpu` and `memory` are shares of its
    machine that were in use at its last heartbeat, from 0 to 1; None: the sensor failed, or it never told.
    """

    id: WorkerId
    engine: str
    host: str
    pid: int
    slots: int
    running: int
    started_at: float
    seen_at: float
    live: bool
    channel: Channel = EVERYTHING
    asked: int = 0
    least: int = 0
    wants: int = 0
    cpu: float | None = None
    memory: float | None = None

    @property
    def supervised(self) -> bool:
        """Did another process start it, which ends it too? That one's token stands beside the machine's name then."""
        return "/" in self.host

    @property
    def machine(self) -> str:
        """What the machine is called that it runs on."""
        return self.host.partition("/")[0]
