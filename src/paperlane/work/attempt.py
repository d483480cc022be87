"""One attempt at a task: from its lease to its outcome, step by step, each resumed from its checkpoint."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any, BinaryIO, ParamSpec, Protocol, TypeVar

import structlog
from pydantic import TypeAdapter
from structlog.contextvars import bind_contextvars, unbind_contextvars

from paperlane import tracing
from paperlane.clock import Clock
from paperlane.counting import Counting
from paperlane.errors import (
    OF_FILES,
    CancelRequested,
    DocumentError,
    ServiceAway,
    StaleLease,
    StepFault,
    Unavailable,
    Unreadable,
)
from paperlane.gathering import Gathering
from paperlane.ledger import Ledger, Note
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
from paperlane.work.heartbeat import Heartbeat
from paperlane.work.metered import metered
from paperlane.work.notes import Notes, Telling
from paperlane.work.own_time import own_time

log = structlog.get_logger(__name__)

Given = TypeVar("Given")
Takes = ParamSpec("Takes")

_LAST_WORDS = 10.0  # seconds for which an outcome is told to a ledger that cannot be reached, when the worker stops
_OUR_DISK = 60.0  # seconds for which an attempt waits for room, for a file or their store, and then without a slot
_FEW_RUN = 8  # attempts: of these each would wait longer for others than all of them save
_FEW = 16 << 10  # bytes that the event loop hashes itself, in the time in which it would ask a thread
_LONG_WAIT = 0.1  # of a part's time: who waited so long for others may come further in another part
_SAID = ("task", "user", "engine", "worker", "attempt", "trace_id")  # of an attempt, by each line of the log
_WHY = {"drained": "the worker stopped", "abandoned": "whoever carried it went away"}
_TOO_SLOW = Fault("task_timeout", "The task took too long.", "Split the document and upload its parts.")


Told = tuple[Ended, Sequence[Note]]
"""How an attempt ended, and what it told last."""


class HandsOut(Protocol):
    """Who hands leases over here, and would ask the ledger for some as soon as attempts have ended."""

    engine: str

    def beside(self, ended: int) -> int:
        """How many leases the ledger may hand out with so many outcomes. From any thread."""
        ...

    def take(self, leases: Sequence[Lease]) -> None:
        """These came. From any thread."""
        ...


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
    counting: Counting
    longest: float = inf
    draining: bool = False
    hands_out: HandsOut | None = None
    told: dict[Lease, Progress] = field(default_factory=dict)
    begins: Gathering[WorkerId, Lease, Attempt] = field(init=False)
    notes: Gathering[WorkerId, Telling, None] = field(init=False)
    ends: Gathering[WorkerId, Told, bool] = field(init=False)
    _telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _running: dict[Lease, asyncio.Task[Any]] = field(default_factory=dict)
    _steps: dict[Lease, "_Steps"] = field(default_factory=dict)
    _stops: dict[Lease, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What many attempts tell at once goes into one transaction."""
        self.begins = Gathering(self.ledger.begin_all, self.threads, self._are_few)
        self.notes = Gathering(self._note, self.threads, self._are_few)
        self.ends = Gathering(self._finish, self.threads, self._are_few)

    def _are_few(self) -> bool:
        """Do so few attempts run that others seldom tell anything at the same time?"""
        return len(self._running) <= _FEW_RUN

    async def __call__(self, lease: Lease) -> Ended:
        """The lease and how its attempt ended."""
        with self._held(lease):
            ended = await self._ended(lease, self._run(lease, tell=True))
            telling = asyncio.create_task(self._tell_rest(ended))
            await _over(telling, lambda: None)
            return telling.result()

    async def and_finish(self, lease: Lease) -> bool:
        """The same, and the ledger is told: what push engines call. A delivery that comes again is passed over.

        Was the room that it leaves filled with its outcome? Cancelled, it stops the attempt, and is over once that is
        handed back.
        """
        if lease in self._running:
            log.info("a lease was delivered twice", task=lease.task, fence=lease.fence)
            return False  # an outcome of its own would end the attempt that runs
        with self._held(lease):
            ended = await self._ended(lease, self._run(lease, tell=False))
            telling = asyncio.create_task(self._tell_end(ended))
            await _over(telling, lambda: None)
            if (error := telling.exception()) is not None:
                log.error("an outcome could not be told; the sweep takes the task back", exc_info=error)
                return False
            return telling.result()

    async def _tell_end(self, ended: Ended) -> bool:
        """With what it told last. Where that cannot be written down, the attempt ends as if it had found out before."""
        steps = self._steps.get(ended.lease)
        worker = self.heartbeat.membership.worker if steps is None else steps.attempt.worker
        if steps is not None and (notes := steps.notes.waiting):
            try:
                if steps.unsure:  # they may be on disk, which is looked for where they are told by themselves
                    await patiently(steps.notes.write, "an outcome", self._patience)
                with tracing.inside(steps.going), _saving(notes):
                    return await patiently(lambda: self.ends(worker, (ended, notes)), "an outcome", self._patience)
            except Exception as error:
                if isinstance(error, Unavailable) and not isinstance(error, OF_FILES):
                    raise
                ended = Ended(ended.lease, _instead(ended, error))
        return await patiently(lambda: self.ends(worker, (ended, ())), "an outcome", self._patience)

    def _patience(self, error: Unavailable) -> float:
        return _LAST_WORDS if self.draining else _OUR_DISK if isinstance(error, OF_FILES) else inf

    def _finish(self, worker: WorkerId, told: Sequence[Told]) -> Sequence[bool]:
        """Did leases come for all that ended? What breaks where these are handed out is not for the outcomes."""
        ended, notes = [ended for ended, _ in told], [note for _, notes in told for note in notes]
        out, most = self.hands_out, 0 if self.hands_out is None else self.hands_out.beside(len(ended))
        taken = partial(self.counting.ended, self.heartbeat.membership.engine)
        if out is None or most <= 0:
            self.ledger.finish(worker, ended, notes, taken=taken)
            return [False] * len(told)
        try:
            leases = self.ledger.finish(worker, ended, notes, out.engine, most, taken)
        except Unavailable:
            raise
        except Exception:
            self.ledger.finish(worker, ended, notes, taken=taken)  # raises it again, if that is of the outcomes
            log.exception("leases could not be handed out with outcomes", engine=out.engine)
            leases = ()
        if leases:
            out.take(leases)
        return [len(leases or ()) == most] * len(told)

    def _note(self, worker: WorkerId, told: Sequence[Telling]) -> Sequence[StaleLease | CancelRequested | None]:
        notes = [note for one in told for note in one.notes]
        refused = dict(zip((note.lease for note in notes), self.ledger.note(worker, notes), strict=True))
        for one in told:
            one.done = refused[one.notes[0].lease] is None
        return [refused[one.notes[0].lease] for one in told]

    async def tell_progress(self) -> None:
        """Write down the latest progress of every attempt; of one whose step's start is not on disk yet, later."""
        async with self._telling:
            early = {lease for lease, steps in self._steps.items() if steps.notes.waiting}
            reports = [(lease, self.told.pop(lease)) for lease in tuple(self.told) if lease not in early]
            if reports:
                await self.threads(self.ledger.progress, self.heartbeat.membership.worker, reports)

    async def keep_silent(self, lease: Lease) -> None:
        """What was told of the last step is dropped, or written by now: it must not come after what follows."""
        self.told.pop(lease, None)
        async with self._telling:
            return

    @contextmanager
    def _held(self, lease: Lease) -> Generator[None]:
        """What is known of a lease while it is this worker's, and no longer; lines of the log say whose they are."""
        bind_contextvars(**self._said_of(lease))
        try:
            yield
        finally:
            unbind_contextvars(*_SAID)
            self.heartbeat.drop(lease)
            self.told.pop(lease, None)
            self._steps.pop(lease, None)
            self._running.pop(lease, None)
            self._stops.pop(lease, None)

    def _said_of(self, lease: Lease) -> dict[str, object]:
        """What each line of the log says of an attempt; its number once it has begun."""
        membership = self.heartbeat.membership
        said: dict[str, object] = {"task": lease.task, "user": lease.user, "engine": membership.engine}
        if (steps := self._steps.get(lease)) is not None:
            said |= {"user": steps.attempt.user, "attempt": steps.attempt.number}
        if tracing.wanted(lease.task):
            said["trace_id"] = f"{tracing.trace_of(lease.task):032x}"
        return {**said, "worker": membership.worker}

    async def _ended(self, lease: Lease, run: Coroutine[Any, Any, Completed]) -> Ended:
        outcome = await self._outcome(lease, run)
        match outcome:
            case Completed(seconds) | Paused(_, seconds):
                tell, why = log.debug, ""
            case Failed(fault, seconds) | Retry(fault, seconds):
                tell, why = log.info, fault.code  # what it says more may quote the document
            case Cancelled(seconds):
                tell, why = log.info, ""
            case Yielded(_, why, seconds):
                tell = log.info
        said = {"outcome": type(outcome).__name__.lower(), "seconds": round(seconds, 3)}
        tell("an attempt ended", **said, **({"why": why} if why else {}))
        return Ended(lease, outcome)

    async def _outcome(self, lease: Lease, run: Coroutine[Any, Any, Completed]) -> Outcome:
        """How running it ended."""
        began = self.clock.monotonic()
        with metered() as used:
            running = self._running[lease] = asyncio.create_task(run)
        await _over(running, lambda: self.stop(lease, "abandoned"))
        if (steps := self._steps.get(lease)) is not None:
            bind_contextvars(user=steps.attempt.user, attempt=steps.attempt.number)
        seconds = self.clock.monotonic() - began
        return replace(self._made_of(lease, running, seconds), cpu=used.seconds)

    def _made_of(self, lease: Lease, ran: asyncio.Task[Completed], seconds: float) -> Outcome:
        if ran.cancelled():
            why = self._stops.get(lease)
            return Cancelled(seconds) if why == "cancelled" else Yielded(why=_WHY.get(why or "", "lost"))
        if (error := ran.exception()) is None:
            return replace(ran.result(), seconds=seconds)
        return _failed(lease, error, seconds)

    def stop_all(self, why: str) -> None:
        """End every attempt now."""
        for lease in tuple(self._running):
            self.stop(lease, why)

    def _stopper(self, lease: Lease) -> Callable[[str], None]:
        loop = asyncio.get_running_loop()
        return lambda why: loop.call_soon_threadsafe(self.stop, lease, why) and None

    def stop(self, lease: Lease, why: str) -> None:
        """End this attempt now; the first reason counts."""
        if (running := self._running.get(lease)) is not None:
            if lease not in self._stops:
                log.info("an attempt is told to stop", **self._said_of(lease), why=why)
            self._stops.setdefault(lease, why)
            running.cancel()

    async def _run(self, lease: Lease, *, tell: bool) -> Completed:
        """With `tell` all that it tells is on disk at its end; else its last notes wait, for its outcome."""
        until = asyncio.get_running_loop().time() + self.longest
        attempt = await patiently(lambda: self.begins(self.heartbeat.membership.worker, lease), "an attempt")
        self.heartbeat.hold(lease, self._stopper(lease))  # not before: a heartbeat would find it nobody's, so lost
        going = tracing.during_attempt(lease.task, lease.fence)
        steps = self._steps[lease] = _Steps(self, attempt, until, lease.stage, self.clock.monotonic(), going)
        bind_contextvars(user=attempt.user, attempt=attempt.number)
        log.debug("an attempt begins", fence=lease.fence, kept=len(attempt.kept))
        if attempt.waited is not None:
            self.counting.note("wait_seconds", self.heartbeat.membership.engine, attempt.waited)
        part = asyncio.timeout_at(until)
        try:
            async with part, own_time(attempt.seconds) as steps.took:
                with tracing.inside(going):
                    last = await self.chain.run(Saved(attempt.payload), steps)
                    if tell:
                        await steps.write()
        except TimeoutError as error:
            if part.expired() and steps.may_part:
                raise steps.part_ends() from error
            if steps.waits_for is not None:  # its time went while it waited, which is not the task's fault
                steps.notes.waiting.clear()
                raise steps.waits_for from error
            raise
        finally:
            await steps.notes.close()
        summary = await self.threads(self.chain.summary, last.content) if self.chain.summary is not None else {}
        json.dumps(dict(summary))  # what cannot be written down fails here, not in a transaction with others' outcomes
        age = None if attempt.age is None else attempt.age + self.clock.monotonic() - steps.began
        return Completed(summary=summary, age=age)

    async def _tell_rest(self, ended: Ended) -> Ended:
        """What an attempt that did not come to its end has not told yet. Where a result is lost, it ends by that."""
        steps = self._steps.get(ended.lease)
        if steps is None or not steps.notes.waiting:
            return ended
        had_result = steps.notes.has_result()
        try:
            await patiently(steps.notes.write, "notes", lambda _: 0.0 if self.draining else _OUR_DISK)
        except (StaleLease, CancelRequested):
            return ended  # as its outcome will find
        except Exception as error:  # noqa: BLE001  whatever it is, it is told with the attempt
            return Ended(ended.lease, _instead(ended, error)) if had_result else ended
        return ended


@dataclass(slots=True)
class _Steps:
    """Runs the steps of one attempt, or takes their results from checkpoints."""

    attempts: Attempts
    attempt: Attempt
    until: float  # this time of the loop the part may last
    stage: Stage  # of the step that it has come to
    began: float  # by the monotonic clock
    going: tracing.Going | None = None  # where its spans go
    percent: float = 0.0
    took: Callable[[], float] = lambda: 0.0  # of its own time, in seconds
    waits_for: Unavailable | None = None
    left: set[str] = field(default_factory=set)  # steps whose results this attempt itself has made
    unsure: bool = False  # may what was told last be on disk, though that was not heard?
    notes: Notes = field(init=False)

    def __post_init__(self) -> None:
        """What it tells waits until it must be written down."""
        self.notes = Notes(self._tell, self._halt)

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        here, lease = self.attempts, self.attempt.lease
        begins, self.percent = self.percent, self.percent + step.share
        after = Progress(step.name, self.percent)
        small = len(value.content) <= _FEW
        key = _key(step, value.content) if small else await here.threads(_key, step, value.content)
        if (kept := await self._kept(step.name, key)) is not None:
            self.notes.add(Note(lease, after, resumed=True))
            with tracing.span(step.name, resumed=True):
                log.debug("a step is passed by: it was done before", step=step.name)
            return Saved(kept)
        self.stage = step.stage
        if step.stage not in here.heartbeat.membership.channel.stages or self._is_late():
            raise self.part_ends()
        if here.draining:
            raise Drained
        self.notes.add(Note(lease, Progress(step.name, begins)))
        if self.notes.has_result():
            await self.write()
        log.debug("a step begins", step=step.name)
        began = here.clock.monotonic()
        with tracing.span(step.name, resumed=False):
            result = await self._isolated(step, value, begins)
        here.counting.note("step_seconds", step.name, here.clock.monotonic() - began)
        log.debug("a step ended", step=step.name, bytes=len(result))
        await here.keep_silent(lease)
        also = None if here.chain.also is None else await here.threads(here.chain.also, lease.task, step.name, result)
        self.left.add(step.name)
        while self.notes.has_result(step.name):  # of this step with another input; two are not told at once
            await self.write()
        self.notes.add(Note(lease, after, checkpoint=Checkpoint(step.name, key, result), also=also))
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
        if self.notes.has_result():
            await self.write()
        return await self._told(lambda: self.attempts.threads(self._look_up, step, key))

    def _look_up(self, step: str, key: str) -> bytes | None:
        return self.attempts.ledger.checkpoint(self.attempt.lease.task, step, key)

    async def write(self) -> None:
        """All that it told is on disk. What cannot be written is dropped: the attempt ends with that error."""
        try:
            await self._told(self.notes.write)
        except Exception:
            self.notes.waiting.clear()
            raise

    async def _tell(self, telling: Telling) -> None:
        """Once, also where a commit's answer was lost: before another try is looked whether a result is there."""
        made = next((note.checkpoint for note in telling.notes if note.checkpoint is not None), None)
        if self.unsure and made is not None and await self._is_kept(made):
            telling.done, self.unsure = True, False
            return
        self.unsure = True
        try:
            with tracing.inside(self.going), _saving(telling.notes):
                await self.attempts.notes(self.attempt.worker, telling)
        except (StaleLease, CancelRequested):
            self.unsure = False
            raise
        finally:
            self.unsure &= not telling.done

    async def _is_kept(self, made: Checkpoint) -> bool:
        return await self.attempts.threads(self._look_up, made.step, made.key) is not None

    def _halt(self, why: StaleLease | CancelRequested) -> None:
        self.attempts.stop(self.attempt.lease, "cancelled" if isinstance(why, CancelRequested) else "lost")

    async def _told(self, ask: Callable[[], Awaitable[Given]]) -> Given:
        """What it gives. While the ledger cannot be reached the attempt waits, until its lease is over.

        For a disk, a file or the store of files it waits a minute. Heartbeats come through meanwhile, so the lease
        would set no end.
        """

        def most(error: Unavailable) -> float:
            self.waits_for = error
            return _OUR_DISK if isinstance(error, OF_FILES) else inf

        given = await patiently(ask, f"task {self.attempt.lease.task}", most)
        self.waits_for = None
        return given

    async def _isolated(self, step: Step[In, Out], value: Saved[In], begins: float) -> bytes:
        def tell(share: float, message: str) -> None:
            percent = begins + step.share * min(max(share, 0.0), 1.0)
            self.attempts.told[self.attempt.lease] = Progress(step.name, percent, message)

        if (here := self.attempts.chain.here.get(step.name)) is not None:
            return await here(value.content, self.attempt, tell)
        if step.file is None:
            return await self.attempts.isolated(step.name, value.content, None, tell)
        blob = step.file(TypeAdapter[In](step.takes).validate_json(value.content))  # pyright: ignore[reportArgumentType]  a type, not a value
        with await self._told(lambda: self.attempts.threads(_opened, self.attempts.open_file, blob)) as file:
            return await self.attempts.isolated(step.name, value.content, file, tell)


_NOT_SAVING = nullcontext()


def _saving(notes: Sequence[Note]) -> AbstractContextManager[None]:
    """The commit that keeps a step's result, where one of these is."""
    made = next((note.checkpoint for note in notes if note.checkpoint is not None), None)
    return _NOT_SAVING if made is None else tracing.span(f"{made.step} saved", bytes=len(made.result))


def _failed(lease: Lease, error: BaseException, seconds: float) -> Outcome:
    """What an error makes of an attempt; our own faults are logged."""
    match error:
        case StaleLease():
            return Yielded(why="lost")  # another attempt owns the task now; the ledger will pass this by
        case PartEnds(stage, took):
            return Paused(stage, seconds, took)
        case Drained():
            return Yielded(why="the worker stopped", seconds=seconds)  # for steps that are kept
        case CancelRequested():
            return Cancelled(seconds)
        case DocumentError():
            return Failed(error.fault, seconds)
        case StepFault():
            return Retry(error.fault, seconds)
        case ServiceAway():
            return Yielded(error.retry_after, error.message, seconds)
        case Unavailable():
            return Yielded(_OUR_DISK, error.message, seconds)
        case TimeoutError():
            return Retry(_TOO_SLOW, seconds)
        case _:
            log.error("an attempt failed", fence=lease.fence, exc_info=error)
            what = type(error).__name__
            return Retry(Fault("internal_error", f"Something went wrong on our side ({what})."), seconds)


def _instead(ended: Ended, error: BaseException) -> Outcome:
    """What an error makes of an attempt that had ended otherwise."""
    outcome = _failed(ended.lease, error, ended.outcome.seconds)
    return replace(outcome, cpu=ended.outcome.cpu)


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
