"""One attempt at a task: from its lease to its outcome, step by step, each resumed from its checkpoint."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any, BinaryIO, ParamSpec, TypeVar

import structlog
from pydantic import TypeAdapter

from paperlane.clock import Clock
from paperlane.errors import (
    CancelRequested,
    DocumentError,
    StaleLease,
    StepFault,
    StorageFull,
    StoreAway,
    Unavailable,
    Unreadable,
)
from paperlane.ledger import Also, Ledger, Note
from paperlane.model.steps import In, Out, Saved, Step
from paperlane.model.tasks import (
    Attempt,
    Cancelled,
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Fault,
    Lease,
    Outcome,
    Paused,
    Progress,
    Retry,
    Stage,
    WorkerId,
    Yielded,
)
from paperlane.patience import patiently
from paperlane.threads import Threads
from paperlane.work import Chain, RunIsolated
from paperlane.work.gathering import Gathering
from paperlane.work.heartbeat import Heartbeat
from paperlane.work.own_time import own_time

log = structlog.get_logger(__name__)

Given = TypeVar("Given")
Takes = ParamSpec("Takes")

_LAST_WORDS = 10.0  # seconds for which an outcome is told to a ledger that cannot be reached, when the worker stops
_OUR_DISK = 60.0  # seconds for which an attempt waits for room, for a file or their store, and then without a slot
_FEW = 16 << 10  # bytes that the event loop hashes itself, in the time in which it would ask a thread
_LONG_WAIT = 0.1  # of a part's time: who waited so long for others may come further in another part
_WHY = {"drained": "the worker stopped", "abandoned": "whoever carried it went away"}
_TOO_SLOW = Fault("task_timeout", "The task took too long.", "Split the document and upload its parts.")


class Drained(Exception):
    """The worker stops, so the attempt goes no further; its checkpoints stay."""


@dataclass(slots=True, eq=False)  # as any exception: itself, and hashable
class PartEnds(Exception):
    """The rest is for workers of this stage, or for another part of the same one, as the time of this part is up.

    It took so many seconds of the attempt's own time.
    """

    stage: Stage
    took: float = 0.0


@dataclass(slots=True)
class Attempts:
    """Runs attempts for one worker; `__call__` is the one door for running work and never raises.

    `told` maps each running attempt to its latest progress, until that is written down. What carries leases here may
    let none run for more than `longest` seconds: an attempt that takes longer is run in parts.
    """

    ledger: Ledger
    chain: Chain
    isolated: RunIsolated
    open_file: Callable[[str], BinaryIO]
    heartbeat: Heartbeat
    threads: Threads
    clock: Clock
    longest: float = inf
    draining: bool = False
    told: dict[Lease, Progress] = field(default_factory=dict)
    begins: Gathering[Lease, Attempt] = field(init=False)
    notes: Gathering[Note, None] = field(init=False)
    ends: Gathering[Ended, None] = field(init=False)
    _telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _running: dict[Lease, asyncio.Task[Any]] = field(default_factory=dict)
    _workers: dict[Lease, WorkerId] = field(default_factory=dict)
    _stops: dict[Lease, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What many attempts tell at once goes into one transaction."""
        self.begins = Gathering(self.ledger.begin_all, self.threads)
        self.notes = Gathering(self.ledger.note, self.threads)
        self.ends = Gathering(self._finish, self.threads)

    async def __call__(self, lease: Lease) -> Ended:
        """The lease and how its attempt ended."""
        return (await self._ended(lease))[0]

    async def and_finish(self, lease: Lease) -> None:
        """The same, and the ledger is told: what push engines call. A delivery that comes again is passed over.

        Cancelled, it stops the attempt, and is over once that is handed back.
        """
        if lease in self._running:
            log.info("a lease was delivered twice", task=lease.task, fence=lease.fence)
            return  # an outcome of its own would end the attempt that runs
        ended, worker = await self._ended(lease)

        def patience(_: Unavailable) -> float:
            return _LAST_WORDS if self.draining else inf

        telling = asyncio.create_task(patiently(lambda: self.ends(worker, ended), "an outcome", patience))
        await _over(telling, lambda: None)
        if (error := telling.exception()) is not None:
            log.error("an outcome could not be told; the sweep takes the task back", task=lease.task, exc_info=error)

    def _finish(self, worker: WorkerId, ended: Sequence[Ended]) -> Sequence[None]:
        self.ledger.finish(worker, ended)
        return [None] * len(ended)

    async def tell_progress(self) -> None:
        """Write down the latest progress of every attempt."""
        async with self._telling:
            reports = list(self.told.items())
            self.told.clear()
            await self.threads(self.ledger.progress, self.heartbeat.membership.worker, reports)

    async def keep_silent(self, lease: Lease) -> None:
        """What was told of the last step is dropped, or written by now: it must not come after what follows."""
        self.told.pop(lease, None)
        async with self._telling:
            return

    async def _ended(self, lease: Lease) -> tuple[Ended, WorkerId]:
        """How the attempt ended, and the worker that the ledger knows it by: its identity may have changed since."""
        began = self.clock.monotonic()
        until = asyncio.get_running_loop().time() + self.longest
        self._running[lease] = asyncio.create_task(self._run(lease, until))
        try:
            await _over(self._running[lease], lambda: self._stop(lease, "abandoned"))
            outcome = self._outcome(lease, self._running[lease], self.clock.monotonic() - began)
        finally:
            self.heartbeat.drop(lease)
            self.told.pop(lease, None)
            del self._running[lease]
            self._stops.pop(lease, None)
            worker = self._workers.pop(lease, self.heartbeat.membership.worker)
        return Ended(lease, outcome), worker

    def stop_all(self, why: str) -> None:
        """End every attempt now."""
        for lease in tuple(self._running):
            self._stop(lease, why)

    def _stopper(self, lease: Lease) -> Callable[[str], None]:
        loop = asyncio.get_running_loop()
        return lambda why: loop.call_soon_threadsafe(self._stop, lease, why) and None

    def _stop(self, lease: Lease, why: str) -> None:
        if (running := self._running.get(lease)) is not None:
            self._stops.setdefault(lease, why)
            running.cancel()

    async def _run(self, lease: Lease, until: float) -> Completed:
        """Its part may last `until` this time of the loop."""
        attempt = await patiently(lambda: self.begins(self.heartbeat.membership.worker, lease), "an attempt")
        self._workers[lease] = attempt.worker
        self.heartbeat.hold(lease, self._stopper(lease))  # not before: a heartbeat would find it nobody's, so lost
        steps, part = _Steps(self, attempt, until, lease.stage), asyncio.timeout_at(until)
        try:
            async with part, own_time(attempt.seconds) as steps.took:
                last = await self.chain.run(Saved(attempt.payload), steps)
        except TimeoutError as error:
            if part.expired() and steps.may_part:
                raise steps.part_ends() from error
            raise steps.waits_for or error  # noqa: B904  its time went while it waited, which is not the task's fault
        summary = await self.threads(self.chain.summary, last.content) if self.chain.summary is not None else {}
        json.dumps(dict(summary))  # what cannot be written down fails here, not in a transaction with others' outcomes
        return Completed(summary=summary)

    def _outcome(self, lease: Lease, run: asyncio.Task[Completed], seconds: float) -> Outcome:
        if run.cancelled():
            why = self._stops.get(lease)
            if why == "cancelled":
                return Cancelled(seconds)
            return Yielded(why=_WHY.get(why or "", "lost"))
        match run.exception():
            case None:
                return Completed(seconds, run.result().summary)
            case StaleLease():
                return Yielded(why="lost")  # another attempt owns the task now; the ledger will pass this by
            case PartEnds(stage, took):
                return Paused(stage, seconds, took)
            case Drained():
                return Yielded(why="the worker stopped", seconds=seconds)  # for steps that are kept
            case CancelRequested():
                return Cancelled(seconds)
            case DocumentError() as error:
                return Failed(error.fault, seconds)
            case StepFault() as error:
                return Retry(error.fault, seconds)
            case Unavailable() as error:
                return Yielded(_OUR_DISK, error.message, seconds)
            case TimeoutError():
                return Retry(_TOO_SLOW, seconds)
            case error:
                log.error("an attempt failed", task=lease.task, fence=lease.fence, exc_info=error)
                what = type(error).__name__
                return Retry(Fault("internal_error", f"Something went wrong on our side ({what})."), seconds)


@dataclass(slots=True)
class _Steps:
    """Runs the steps of one attempt, or takes their results from checkpoints."""

    attempts: Attempts
    attempt: Attempt
    until: float  # this time of the loop the part may last
    stage: Stage  # of the step that it has come to
    percent: float = 0.0
    took: Callable[[], float] = lambda: 0.0  # of its own time, in seconds
    waits_for: Unavailable | None = None
    left: set[str] = field(default_factory=set)  # steps whose results this attempt itself has kept

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        here, lease = self.attempts, self.attempt.lease
        begins, self.percent = self.percent, self.percent + step.share
        after = Progress(step.name, self.percent)
        small = len(value.content) <= _FEW
        key = _key(step, value.content) if small else await here.threads(_key, step, value.content)
        if (kept := await self._kept(step.name, key)) is not None:
            await self._note(Note(lease, after, resumed=True))
            return Saved(kept)
        self.stage = step.stage
        if step.stage not in here.heartbeat.membership.channel.stages or self._is_late():
            raise self.part_ends()
        if here.draining:
            raise Drained
        await self._note(Note(lease, Progress(step.name, begins)))
        result = await self._isolated(step, value, begins)
        await here.keep_silent(lease)
        also = None if here.chain.also is None else await here.threads(here.chain.also, lease.task, step.name, result)
        self.left.add(step.name)  # from here on it may be written down, whatever is heard of that
        await self._save(Checkpoint(step.name, key, result), after, also)
        return Saved(result)

    def _is_late(self) -> bool:
        """Has more than half of the part's time gone? Then a step that begins now may be cut off, and its work lost."""
        return bool(self.left) and self._rest() < self.attempts.longest / 2

    def _rest(self) -> float:
        """Seconds that are left of the part's time."""
        return self.until - asyncio.get_running_loop().time()

    def part_ends(self) -> PartEnds:
        """This part ends before the step that it has come to."""
        return PartEnds(self.stage, self.took())

    @property
    def may_part(self) -> bool:
        """Would another part come further than this one, which was cut off? It left a result, or had to wait."""
        waited = self.attempts.longest - self._rest() - self.took()
        return bool(self.left) or self.waits_for is not None or waited > self.attempts.longest * _LONG_WAIT

    async def _kept(self, step: str, key: str) -> bytes | None:
        """The result of a step that was done before. Nobody is asked of one that left none: only this attempt could."""
        if step not in self.attempt.kept | self.left:
            return None
        return await self._told(lambda: self.attempts.threads(self._look_up, step, key))

    def _look_up(self, step: str, key: str) -> bytes | None:
        return self.attempts.ledger.checkpoint(self.attempt.lease.task, step, key)

    async def _note(self, note: Note) -> None:
        await self._told(lambda: self.attempts.notes(self.attempt.worker, note))

    async def _save(self, made: Checkpoint, after: Progress, also: Also | None) -> None:
        """Once, also where a commit's answer was lost: before another try is looked whether it is there."""
        tries = count()

        async def save() -> None:
            if next(tries) and await self.attempts.threads(self._look_up, made.step, made.key) is not None:
                return
            note = Note(self.attempt.lease, after, checkpoint=made, also=also)
            await self.attempts.notes(self.attempt.worker, note)

        await self._told(save)

    async def _told(self, ask: Callable[[], Awaitable[Given]]) -> Given:
        """What it gives. While the ledger cannot be reached the attempt waits, until its lease is over.

        For a disk, a file or the store of files it waits a minute. Heartbeats come through meanwhile, so the lease
        would set no end.
        """

        def most(error: Unavailable) -> float:
            self.waits_for = error
            return _OUR_DISK if isinstance(error, StorageFull | Unreadable | StoreAway) else inf

        given = await patiently(ask, f"task {self.attempt.lease.task}", most)
        self.waits_for = None
        return given

    async def _isolated(self, step: Step[In, Out], value: Saved[In], begins: float) -> bytes:
        def tell(share: float, message: str) -> None:
            percent = begins + step.share * min(max(share, 0.0), 1.0)
            self.attempts.told[self.attempt.lease] = Progress(step.name, percent, message)

        if step.file is None:
            return await self.attempts.isolated(step.name, value.content, None, tell)
        blob = step.file(TypeAdapter[In](step.takes).validate_json(value.content))  # pyright: ignore[reportArgumentType]  a type, not a value
        with await self._told(lambda: self.attempts.threads(_opened, self.attempts.open_file, blob)) as file:
            return await self.attempts.isolated(step.name, value.content, file, tell)


async def _over(task: asyncio.Task[Any], cancelled: Callable[[], None]) -> None:
    """Return when the task is over; what cancels the caller meanwhile is told instead."""
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled()


def _opened(open_file: Callable[[str], BinaryIO], blob: str) -> BinaryIO:
    """The file of a step. DocumentError when it is lost, Unreadable or StoreAway when it cannot be read now."""
    try:
        return open_file(blob)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise DocumentError("The task's file is lost.", code="file_lost", hint="Upload it again.") from error
    except OSError as error:  # too many open files, a disk or a network that fails: none says that it is lost
        raise Unreadable(f"The task's file cannot be read: {error.strerror or error}.") from error


def _key(step: Step[Any, Any], value: bytes) -> str:
    return hashlib.sha256(f"{step.name} {step.version} ".encode() + value).hexdigest()
