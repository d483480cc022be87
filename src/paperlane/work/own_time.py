"""The time that an attempt may take: it stands still while the attempt waits for what others use."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar

_limit: ContextVar[asyncio.Timeout | None] = ContextVar("limit", default=None)


@asynccontextmanager
async def own_time(seconds: float) -> AsyncGenerator[Callable[[], float]]:
    """TimeoutError for what is inside when it has taken more seconds than it spent `waiting`; tells how many it took.

    Asked while something inside waits, it tells less.
    """
    now = asyncio.get_running_loop().time
    async with asyncio.timeout(seconds) as limit:
        token = _limit.set(limit)
        try:
            yield lambda: seconds - ((limit.when() or now() + seconds) - now())
        finally:
            _limit.reset(token)


@contextmanager
def waiting() -> Generator[None]:
    """What is inside takes none of the own time of the attempt that waits, if it is one. Cancelling ends it as ever."""
    limit = _limit.get()
    if limit is None or (end := limit.when()) is None:  # it stands still already, for a step beside this one
        yield
        return
    now = asyncio.get_running_loop().time
    left = end - now()
    with suppress(RuntimeError):  # it is over
        limit.reschedule(None)
    try:
        yield
    finally:
        with suppress(RuntimeError):
            limit.reschedule(now() + left)
