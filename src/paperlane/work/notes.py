"""What an attempt tells of its steps, written down together as far as nobody loses by it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from paperlane.errors import CancelRequested, StaleLease
from paperlane.ledger import Note

_A_MOMENT = 0.05  # seconds: nobody who looks on sees the start of a shorter step before its end


@dataclass(slots=True)
class Notes:
    """Of one attempt, in their order: they wait for each other until `write` is called, or the attempt has ended.

    `tell` writes several down at once. `halt` is told why the attempt must not go on, where that is found meanwhile.
    """

    tell: Callable[[Sequence[Note]], Awaitable[None]]
    halt: Callable[[StaleLease | CancelRequested], None]
    waiting: list[Note] = field(default_factory=list)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def has_result(self) -> bool:
        """Is there a step's result among them, which must be on disk before another step begins?"""
        return any(note.checkpoint is not None for note in self.waiting)

    async def write(self) -> None:
        """Have all of them on disk. StaleLease or CancelRequested when the attempt must not go on."""
        async with self._writing:
            if some := tuple(self.waiting):
                await self.tell(some)
                del self.waiting[: len(some)]

    @asynccontextmanager
    async def soon(self) -> AsyncGenerator[None]:
        """They are written down while what is inside takes longer than a moment; else they wait on."""
        writing = asyncio.create_task(self._after_a_moment())
        try:
            yield
            if self._writing.locked():
                await asyncio.wait({writing})
        finally:
            writing.cancel()
            await _over(writing)  # a call that was made is waited for: what it writes shall not be told again
        if not writing.cancelled():
            writing.result()

    async def _after_a_moment(self) -> None:
        await asyncio.sleep(_A_MOMENT)
        try:
            await self.write()
        except (StaleLease, CancelRequested) as error:
            self.halt(error)


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
