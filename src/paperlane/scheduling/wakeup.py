"""Waking up when something may have become runnable: by an event inside the process, by polling between processes."""

import asyncio
import random
from collections.abc import Callable

from paperlane.ledger import Ledger
from paperlane.threads import Threads

LONGEST_WAIT = 1.0
"""Seconds after which a waiter looks again, whatever it was told: the guarantee behind every notice."""

_SHORTEST_POLL = 0.01
_LONGEST_POLL = 0.04
_SLOWER = 1.1


class Wakeup:
    """One engine's bell in one process. Between processes a commit is seen by a number that the database keeps."""

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
        self._seen = -1

    def ring(self) -> None:
        """Something was submitted or has ended here; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._bell.set)

    async def wait(self) -> None:
        """Return when the engine may have something to run, and after a second at the latest."""
        poll = _SHORTEST_POLL
        deadline = self._loop.time() + LONGEST_WAIT * (0.75 + 0.25 * self._chance())
        while (left := deadline - self._loop.time()) > 0:
            if await self._rung(min(poll, left)):
                return
            if (now := self._ledger.changed()) != self._seen:
                self._seen = now
                if await self._threads(self._ledger.runnable, self._engine):
                    return
            poll = min(poll * _SLOWER, _LONGEST_POLL)

    async def _rung(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True
