"""Waking up when something may have become runnable: by an event inside the process, by notice or polling between."""

import asyncio
import random
from collections.abc import Callable

import structlog

from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

LONGEST_WAIT = 1.0
"""Seconds after which a waiter looks again, whatever it was told: the guarantee behind every notice."""

_SOON = 0.002
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
        self._seen: int | None = None
        self._stop: Callable[[], None] | None = None
        self._asked = False
        self._pause = _SOON

    def _hear(self, engine: str) -> None:
        if engine == self._engine:
            self.ring()

    def close(self) -> None:
        """Nobody waits any more."""
        if self._stop is not None:
            self._stop()

    def ring(self) -> None:
        """Something was submitted or has ended here; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._bell.set)

    async def wait(self) -> None:
        """Return when the engine may have something to run, and after a second at the latest.

        A ledger that cannot be read is left alone until then: whoever waits must not fail of a look.
        """
        poll = _SHORTEST_POLL
        deadline = self._loop.time() + LONGEST_WAIT * (0.75 + 0.25 * self._chance())
        if not self._asked:
            self._stop, self._asked = self._ledger.listen(self._hear), True
        if self._stop is not None:
            await self._listen(deadline)
            return
        while (left := deadline - self._loop.time()) > 0:
            if await self._rung(min(poll, left)):
                return
            try:
                if await self._changed() and await self._threads(self._ledger.runnable, self._engine):
                    return
            except Exception as error:
                if not isinstance(error, Unavailable):  # else whoever waits here asks next, and tells
                    log.exception("the ledger cannot be looked at", engine=self._engine)
                self._seen = None  # whatever changed meanwhile is still to be seen
                await self._rung(left)
                return
            poll = min(poll * _SLOWER, _LONGEST_POLL)

    async def _listen(self, deadline: float) -> None:
        """Wait for a notice. It looks too, less and less often: others' locks may have hidden a turn a moment ago."""
        while (left := deadline - self._loop.time()) > 0:
            if await self._rung(min(self._pause, left)):
                self._pause = _SOON
                return
            self._pause = min(self._pause * 2, LONGEST_WAIT)
            try:
                if await self._threads(self._ledger.runnable, self._engine):
                    return
            except Exception:
                log.exception("the ledger cannot be looked at", engine=self._engine)

    def took(self) -> None:
        """There was something to run, so there may be more: look soon."""
        self._pause = _SOON

    async def _changed(self) -> bool:
        """Has anybody committed since the last look? The first one may wait for a connection: not on the loop.

        Databases whose answer comes over a network are listened to instead.
        """
        first = self._seen is None
        now = await self._threads(self._ledger.changed) if first else self._ledger.changed()
        before, self._seen = self._seen, now
        return now != before

    async def _rung(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return False
        self._bell.clear()
        return True
