"""Follows the ledger for all WebSockets of a process: one look for everybody."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

import structlog
from sqlalchemy import Connection

from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.model.tasks import Event, TaskId
from paperlane.patience import Patience
from paperlane.records import portable
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

_LOOK_EVERY = 0.05
_LOOK_AT_LEAST_EVERY = 1.0
_COMPARE_EVERY = 60.0
_SLOWEST = 2_000  # events that a slow reader may be behind before it is sent away to come again


@dataclass(eq=False, slots=True)
class Follower:
    """Somebody who follows some tasks, `since` a time by the ledger's clock.

    `seen` is the number of the last event that was put into the queue. None there is its end: the reader does not keep
    up, and has missed nothing before that.
    """

    seen: dict[TaskId, int]
    since: float
    queue: asyncio.Queue[Event | None] = field(default_factory=asyncio.Queue[Event | None])

    def take(self, event: Event) -> None:
        """Queue what is new to this follower."""
        if event.seq > self.seen.get(event.task, event.seq):
            self.seen[event.task] = event.seq
            if self.queue.qsize() < _SLOWEST:
                self.queue.put_nowait(event)
            else:
                self.seen.clear()
                self.queue.put_nowait(None)


class Tailer:
    """Looks for new events while anybody follows any task."""

    def __init__(self, ledger: Ledger, threads: Threads) -> None:
        self._ledger = ledger
        self._threads = threads
        self._followers: set[Follower] = set()
        self._somebody = asyncio.Event()
        self._ahead = 0.0  # of this machine's monotonic clock, the ledger's
        self._compared_at = -inf

    def now(self) -> float:
        """The time by the ledger's clock, as far as is known: by it events are written, on whatever machine."""
        return time.monotonic() + self._ahead

    async def compare_clocks(self) -> None:
        """Ask the ledger for the time, if that was not done in the last minute."""
        if time.monotonic() - self._compared_at >= _COMPARE_EVERY:
            self._ahead = await self._threads(_ahead, self._ledger)
            self._compared_at = time.monotonic()

    def follow(self, seen: Mapping[TaskId, int]) -> Follower:
        """Every event of these tasks after the seen numbers, from now on; the clocks must have been compared."""
        follower = Follower(dict(seen), self.now())
        self._followers.add(follower)
        self._somebody.set()
        return follower

    def leave(self, follower: Follower) -> None:
        """This one follows no longer."""
        self._followers.discard(follower)

    async def run(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        number, looked = -1, 0.0
        patience = Patience()
        while True:
            if not self._followers:
                self._somebody.clear()
                await self._somebody.wait()
                looked = 0.0
            try:
                await self.compare_clocks()
                now = await self._threads(self._ledger.changed)
                if now != number or loop.time() - looked > _LOOK_AT_LEAST_EVERY:
                    number, looked = now, loop.time()
                    await self._look()
                patience.worked()
            except Unavailable as error:
                log.warning("progress cannot be read", why=error.message)
                await asyncio.sleep(patience.wait())
            except Exception:
                log.exception("progress could not be read")
                await asyncio.sleep(patience.wait())
            await asyncio.sleep(_LOOK_EVERY)

    async def _look(self) -> None:
        seen: dict[TaskId, int] = {}
        for follower in self._followers:
            for task, number in follower.seen.items():
                seen[task] = min(number, seen.get(task, number))
        for event in await self._threads(self._ledger.moved, seen):
            for follower in tuple(self._followers):
                follower.take(event)


def _ahead(ledger: Ledger) -> float:
    """By how much the ledger's clock is ahead of this machine's monotonic one."""

    def compare(connection: Connection) -> float:  # asked in the middle; no wait for a connection is in it
        before = time.monotonic()
        at = portable.now(connection)
        return at - (before + time.monotonic()) / 2

    return ledger.read(compare)
