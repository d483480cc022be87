"""What an attempt tells of its steps, written down together as far as nobody loses by it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from paperlane.errors import CancelRequested, StaleLease, Unavailable
from paperlane.ledger import Note

log = structlog.get_logger(__name__)

_A_MOMENT = 0.05  # seconds: nobody who looks on sees the start of a shorter step before its end
_LATER = 1.0  # seconds after which a ledger that could not be used is asked again


@dataclass(slots=True, eq=False)
class Telling:
    """Notes that are told together; `done` once they are on disk, also where whoever told them was cancelled then."""

    notes: Sequence[Note]
    done: bool = False


@dataclass(slots=True)
class Notes:
    """Of one attempt, in their order: `waiting` are those that are not written down yet.

    None waits for longer than a moment while a step runs, for others to come or the attempt to end. `tell` tries to
    write several down at once, and is given the same ones again after it failed; `halt` is told why the attempt must
    not go on, where that is found while it runs.
    """

    tell: Callable[[Telling], Awaitable[None]]
    halt: Callable[[StaleLease | CancelRequested], None]
    waiting: list[Note] = field(default_factory=list)
    _tried: int = 0  # so many of them may be on disk
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _timer: asyncio.TimerHandle | None = None
    _closed: bool = False
    _later: asyncio.Task[None] | None = None

    def add(self, note: Note) -> None:
        """Have it written down within a moment."""
        self.waiting.append(note)
        self._write_in(_A_MOMENT)

    def has_result(self, of: str = "") -> bool:
        """Does a result wait, of this step or of any? It must be on disk before another step begins."""
        made = (note.checkpoint for note in self.waiting if note.checkpoint is not None)
        return any(of in ("", one.step) for one in made)

    async def write(self) -> None:
        """Have all of them on disk. StaleLease or CancelRequested when the attempt must not go on."""
        async with self._writing:
            while self.waiting:
                telling = Telling(self.waiting[: self._tried or len(self.waiting)])
                self._tried = len(telling.notes)
                try:
                    await self.tell(telling)
                finally:
                    if telling.done:
                        del self.waiting[: self._tried]
                        self._tried = 0

    async def close(self) -> None:
        """From here on nothing is written down in the background."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._later is not None:
            await _over(self._later)  # what it writes shall not be told again

    def _write_in(self, seconds: float) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._write_later)

    def _write_later(self) -> None:
        self._timer = None
        if not self._writing.locked():
            self._later = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            await self.write()
        except (StaleLease, CancelRequested) as error:
            self.halt(error)
        except Unavailable:  # whoever must have them on disk waits for the ledger, and tells of it
            self._write_in(_LATER)
        except Exception:  # they wait on: whoever must have them on disk meets it again, if it is still there
            log.exception("what an attempt tells could not be written down in the background")


async def _over(task: asyncio.Task[None]) -> None:
    """Return when it is over; who is cancelled meanwhile is so then."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
