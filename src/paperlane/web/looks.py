"""Looks at all lanes, which take long where many users have work: all who ask share them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Generic, Protocol, TypeVar

from paperlane.threads import Threads

_MANY = 2_000  # users with work; beyond it a look at all their lanes takes longer than who asks may wait
_RARELY = 20  # times as long as such a look took, nobody looks again
_AT_LEAST = 10.0  # seconds


class OfAll(Protocol):
    """What is told of all lanes, so many of which hold anything."""

    @property
    def busy(self) -> int: ...


Told = TypeVar("Told", bound=OfAll)


@dataclass(frozen=True, slots=True)
class Look(Generic[Told]):
    """What was told `at` a monotonic time; it took so many seconds."""

    told: Told
    at: float
    took: float

    @property
    def is_rare(self) -> bool:
        """Do those who ask share it for a while, for so many users have work?"""
        return self.told.busy > _MANY

    @property
    def age(self) -> float:
        """How many seconds ago it was."""
        return time.monotonic() - self.at

    @property
    def pause(self) -> float:
        """For so many seconds nobody need look again."""
        return max(_AT_LEAST, _RARELY * self.took)


@dataclass(slots=True)
class Looks(Generic[Told]):
    """A look for each who asks, but where so many users have work that it takes long.

    Then who asks is told what was seen before, and a look beside it is for the next one: of the database's time it
    takes a twentieth at most. What is older than `longest`, in pauses between two looks, nobody is told.
    """

    look: Callable[[], Told]
    threads: Threads
    longest: float = inf
    _last: Look[Told] | None = None
    _looking: asyncio.Task[Look[Told]] | None = field(default=None)

    async def __call__(self) -> Look[Told]:
        """A look, or an earlier one."""
        last = self._last
        if last is None or not last.is_rare or last.age / self.longest > last.pause:
            return await asyncio.shield(self.begin())
        if last.age >= last.pause:
            self.begin()
        return last

    def begin(self) -> asyncio.Task[Look[Told]]:
        """The look that is under way, or a new one; several may wait for it, and nobody need."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self.threads(self._look))
            self._looking.add_done_callback(self._keep)
        return self._looking

    def _look(self) -> Look[Told]:
        began = time.monotonic()
        told = self.look()
        now = time.monotonic()
        return Look(told, now, now - began)

    def _keep(self, looked: asyncio.Task[Look[Told]]) -> None:
        if not looked.cancelled() and looked.exception() is None:
            self._last = looked.result()
