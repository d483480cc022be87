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
        try:
            async with asyncio.timeout(seconds * (0.8 + 0.4 * chance())):
                await stop.wait()
        except TimeoutError:
            continue
