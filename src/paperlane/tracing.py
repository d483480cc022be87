"""What takes time is told as spans to whoever listens; where nobody does, hardly anything is done.

Ids of a task's trace are derived from the task's own, so that every process knows them: none travels through engines.
"""

import random
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from threading import Lock
from typing import Protocol

from paperlane.errors import PaperlaneError
from paperlane.model.tasks import TaskId

Value = str | int | float | bool

_MOST_LINKS = 100  # of one span


class Kind(StrEnum):
    """Who waits for what a span tells of: nobody outside, somebody who asked us, we for somebody whom we asked."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Place:
    """A span of a trace: numbers of 128 and 64 bits, neither of them 0."""

    trace: int
    span: int

    def child(self, name: str, number: int = 1) -> "Place":
        """That of its child of this name; `number` counts those of one name from 1."""
        return Place(self.trace, _number(f"{self.span:016x} {name} {number}", 8))


@dataclass(frozen=True, slots=True)
class Span:
    """What took from `began` to `ended`, in seconds since 1970; `fault` is a code, "" where it went well."""

    name: str
    place: Place
    began: float
    ended: float
    parent: Place | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    fault: str = ""
    links: Sequence[Place] = ()
    kind: Kind = Kind.INTERNAL


class Listener(Protocol):
    """Who is told of spans; from any thread, and at once: nothing here waits for anybody.

    One that fails hears no more: work goes on without it.
    """

    def wants(self, trace: int, parent: Place | None = None, *, sampled: bool = False) -> bool:
        """Are the spans of this trace to be told? Others began it where it has a `parent`, which was `sampled` or not.

        All processes of the same settings say the same.
        """
        ...

    def tell(self, span: Span) -> None:
        """It has ended. The same span may be told twice, and says the same."""
        ...


@dataclass(slots=True)
class Going:
    """A span that goes on."""

    place: Place
    fields: dict[str, Value] = field(default_factory=dict)
    links: list[Place] = field(default_factory=list)
    ahead: float = field(default_factory=lambda: time.time() - time.monotonic())
    """Of the system's clock before the one that nobody sets: the same for all that is inside, which stays within."""
    _named: Counter[str] = field(default_factory=Counter)

    def child(self, name: str) -> Place:
        """The place of its next child of this name."""
        self._named[name] += 1
        return self.place.child(name, self._named[name])


_listener: Listener | None = None
_changing = Lock()
_going: ContextVar[Going | None] = ContextVar("going", default=None)


def listen(listener: Listener | None) -> None:
    """From now on this process tells its spans to this one, or to nobody."""
    global _listener  # noqa: PLW0603  as logging has it: who tells knows of nobody who listens
    with _changing:
        _listener = listener


def _drop(failed: Listener) -> None:
    """It failed in an `except`, and hears no more; several threads may find that at once, and one says so."""
    global _listener  # noqa: PLW0603  as above
    with _changing:
        if _listener is not failed:
            return
        _listener = None
    import structlog  # noqa: PLC0415  a sandbox's child starts without it

    structlog.get_logger(__name__).exception("traces cannot be told any more; this process goes on without them")


def listening() -> bool:
    """Does anybody listen?"""
    return _listener is not None


def trace_of(task: TaskId) -> int:
    """The trace of a task: the first half of the SHA-256 of "paperlane task " and its id."""
    return _number(f"paperlane task {task}", 16)


def root_of(task: TaskId, run: int = 1) -> Place:
    """The span of the whole task; another one each time that a person starts it again."""
    return Place(trace := trace_of(task), _number(f"{trace:032x} task {run}", 8))


def attempt_of(task: TaskId, fence: int) -> Place:
    """The span of the attempt, or the part of one, that ran under a lease."""
    return Place(trace := trace_of(task), _number(f"{trace:032x} attempt {fence}", 8))


def _number(name: str, size: int) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:size]) or 1


def wanted(task: TaskId) -> bool:
    """Does somebody want the spans of this task?"""
    return _wants(trace_of(task))


def _wants(trace: int, parent: Place | None = None, *, sampled: bool = False) -> bool:
    if (listener := _listener) is None:
        return False
    try:
        return listener.wants(trace, parent, sampled=sampled)
    except Exception:  # noqa: BLE001  it is logged; of a sampler that the environment names
        _drop(listener)
        return False


def during_attempt(task: TaskId, fence: int) -> Going | None:
    """Where an attempt's spans go while it runs; None where nobody wants them. Its own is told from the ledger."""
    return Going(attempt_of(task, fence)) if wanted(task) else None


_NOTHING = nullcontext()


def inside(going: Going | None) -> AbstractContextManager[None]:
    """What is told in here belongs to this span."""
    return _NOTHING if going is _going.get() else _inside(going)


@contextmanager
def _inside(going: Going | None) -> Generator[None]:
    token = _going.set(going)
    try:
        yield
    finally:
        _going.reset(token)


def span(name: str, kind: Kind = Kind.INTERNAL, **fields: Value) -> AbstractContextManager[None]:
    """What is in here is a span, where it is inside one that somebody wants."""
    above = _going.get()
    if above is None or _listener is None:
        return _NOTHING
    return _told(name, Going(above.child(name), fields, ahead=above.ahead), above.place, kind)


@contextmanager
def _told(name: str, going: Going, parent: Place | None, kind: Kind) -> Generator[None]:
    began, fault = going.ahead + time.monotonic(), ""
    try:
        with inside(going):
            yield
    except BaseException as error:
        fault = _fault(error)
        raise
    finally:
        ended = going.ahead + time.monotonic()
        fault = str(going.fields.pop("fault", fault))
        called = str(going.fields.pop("name", name))
        tell(Span(called, going.place, began, ended, parent, going.fields, fault, going.links, kind))


def _fault(error: BaseException) -> str:
    """A code; what an error says may quote a document."""
    return error.code if isinstance(error, PaperlaneError) else type(error).__name__


def tell(one: Span) -> None:
    """This ended; whoever tells it knows that it is wanted. Whatever is wrong with who listens, this never fails."""
    if (listener := _listener) is None:
        return
    try:
        listener.tell(one)
    except Exception:  # noqa: BLE001  it is logged
        _drop(listener)


def note(**fields: Value) -> None:
    """More is known of the span that goes on here, if one does: also its `name`, and as `fault` why it went wrong."""
    if (going := _going.get()) is not None:
        going.fields.update(fields)


def tracing_now() -> str:
    """The trace that goes on here, in 32 hex digits; "" where none does."""
    return f"{going.place.trace:032x}" if (going := _going.get()) is not None else ""


@contextmanager
def request(traceparent: str) -> Generator[None]:
    """Somebody's request: a trace of its own, or a part of that which they name in this header.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    if _listener is None:
        yield
        return
    parent, sampled = _read(traceparent)
    trace = parent.trace if parent else random.getrandbits(128) or 1
    if not _wants(trace, parent, sampled=sampled):
        yield
        return
    going = Going(Place(trace, random.getrandbits(64) or 1))
    with _told("request", going, parent, Kind.SERVER):
        yield


def _read(header: str) -> tuple[Place | None, bool]:
    """The span that it names, and whether it is told; None for anything else."""
    match header.strip().split("-"):
        case [version, trace, parent, flags, *more] if version != "ff" and not (version == "00" and more):
            if tuple(map(len, (version, trace, parent, flags))) != (2, 32, 16, 2):
                return None, False
            if set(version + trace + parent + flags) - set("0123456789abcdef"):
                return None, False
            place = Place(int(trace, 16), int(parent, 16))
            return (place, bool(int(flags, 16) & 1)) if place.trace and place.span else (None, False)
        case _:
            return None, False


def submitted(tasks: Sequence[TaskId], at: float) -> None:
    """The request that goes on here has submitted these tasks, as of that time: their traces and its own are linked."""
    if _listener is None:
        return
    going, now = _going.get(), time.time()
    to_request = () if going is None else (going.place,)
    for task in tasks:
        if wanted(task):
            root = root_of(task)
            tell(Span("submit", root.child("submit"), at, max(at, now), root, links=to_request))
            if going is not None and len(going.links) < _MOST_LINKS:
                going.links.append(root)
