"""How long to wait before something is tried again: longer each time, up to some seconds, and never all at once."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import structlog

from paperlane.errors import Unavailable

log = structlog.get_logger(__name__)

Given = TypeVar("Given")

_SLOWER = 2.0


class Stopped(Exception):
    """Told to stop while the ledger could not be reached."""


@dataclass(slots=True)
class Patience:
    """Waits of a caller that failed, in seconds; each is between a half and the whole of its step, by chance."""

    first: float = 0.5
    longest: float = 5.0
    chance: Callable[[], float] = random.random  # noqa: S311  spreads load, keeps no secret
    now: Callable[[], float] = time.monotonic
    _step: float = 0.0
    _since: float = 0.0

    @property
    def spent(self) -> float:
        """Seconds since it failed for the first time after it had worked; 0 while it works."""
        return self.now() - self._since if self.failing else 0.0

    @property
    def failing(self) -> bool:
        """Has it not worked since it failed?"""
        return self._step > 0.0

    def wait(self) -> float:
        """It failed: how long to wait now."""
        if not self._step:
            self._since = self.now()
        self._step = min(self._step * _SLOWER or self.first, self.longest)
        return self._step * (0.5 + 0.5 * self.chance())

    def worked(self) -> bool:
        """It worked, so the next wait is a short one again; had it failed before?"""
        failed, self._step = self.failing, 0.0
        return failed


async def patiently(
    ask: Callable[[], Awaitable[Given]],
    what: str,
    most: Callable[[Unavailable], float] = lambda _: inf,
    stop: asyncio.Event | None = None,
) -> Given:
    """What `ask` gives, asked again while the ledger cannot be reached.

    Its error goes on once it failed for as many seconds as `most` says of that error. Stopped once told to by `stop`; a
    call under way is waited for, and what it gives is given.
    """
    patience, stop = Patience(), stop or asyncio.Event()
    while True:
        try:
            given = await ask()
        except Unavailable as error:
            if patience.spent >= most(error):
                raise
            seconds = patience.wait()
            log.warning("the ledger cannot be used", what=what, why=error.message, again_in=round(seconds, 1))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)
            if stop.is_set():
                raise Stopped from error
        else:
            if patience.worked():
                log.info("the ledger can be used again", what=what)
            return given
