"""Waking up when something may have become runnable: by an event inside the process, by notice or polling between."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

LONGEST_WAIT = 1.0
"""Seconds after which a waiter looks again, whatever it was told: the guarantee behind every notice."""


@dataclass(frozen=True, slots=True)
class _Looks:
    """How often who waits looks by itself: `first` after so many seconds, then `slower` times as long, to `longest`."""

    first: float
    slower: float
    longest: float


_TOLD = _Looks(first=0.01, slower=2.0, longest=1.0)
"""Notices are all but certain. Busy workers that looked sooner would each take a task a commit, instead of several."""

_UNTOLD = _Looks(first=0.002, slower=1.2, longest=0.05)
"""A task waits for a tenth of the time that nothing came before it, and idle workers take some 2 % of a processor."""


class Wakeup:
    """One engine's bell in one process, which the ledger's notices ring too."""

    def __init__(
        self,
        ledger: Ledger,
        engine: str,
        threads: Threads,
        chance: Callable[[], float] = random.random,  # noqa: S311  spreads load, keeps no secret
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._threads = threads
        self._chance = chance
        self._bell = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._looks = _UNTOLD
        self._pause = self._looks.first

    def _hear(self, engine: str) -> None:
        if engine == self._engine:
            self.ring()

    def close(self) -> None:
        """Nobody waits any more."""
        if self._stop is not None:
            self._stop()

    def ring(self) -> None:
        """Something may be run, or there is room for it; may be called from any thread."""
        if not self._bell.is_set():  # else whoever hears it has still to look; and a busy worker is not told each time
            self._loop.call_soon_threadsafe(self._bell.set)

    async def wait(self) -> None:
        """Return when the engine may have something to run, and after a second at the latest.

        Between notices it looks, less and less often: one may be lost, and others' locks may have hidden a turn. A
        ledger that cannot be read is left alone until then: whoever waits must not fail of a look.
        """
        deadline = self._loop.time() + LONGEST_WAIT * (0.75 + 0.25 * self._chance())
        if not self._asked:
            self._stop, self._asked = self._ledger.listen(self._hear), True
            self._looks = _UNTOLD if self._stop is None else _TOLD
            self._pause = self._looks.first
        while (left := deadline - self._loop.time()) > 0:
            if await self._rung(min(self._pause, left)):
                self._pause = self._looks.first
                return
            self._pause = min(self._pause * self._looks.slower, self._looks.longest)
            try:
                if await self._threads(self._ledger.runnable, self._engine):
                    return
            except Exception as error:
                if not isinstance(error, Unavailable):  # else whoever waits here asks next, and tells
                    log.exception("the ledger cannot be looked at", engine=self._engine)
                await self._rung(deadline - self._loop.time())
                return

    def took(self) -> None:
        """There was something to run, so there may be more: look soon."""
        self._pause = self._looks.first

    async def _rung(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True
