"""The pace of loops that look for work now and then."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable


async def every(
    seconds: float,
    stop: asyncio.Event,
    chance: Callable[[], float] = random.random,  # noqa: S311  spreads load, keeps no secret
) -> AsyncIterator[None]:
    """Now, and again every `seconds` give or take a fifth, until told to stop."""
    while not stop.is_set():
        yield
        await pause(seconds * (0.8 + 0.4 * chance()), stop)


async def pause(seconds: float, stop: asyncio.Event) -> None:
    """Return after `seconds`, or as soon as told to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
