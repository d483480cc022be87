"""A worker: its place in the ledger, its heartbeat, its attempts, and how all of them end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from paperlane.counting import keep_telling, tell
from paperlane.errors import Unavailable
from paperlane.patience import patiently
from paperlane.work.attempt import Attempts
from paperlane.work.heartbeat import Heartbeat

log = structlog.get_logger(__name__)

_TELL_EVERY = 1.0  # seconds between two writes of progress; steps are written at once


@asynccontextmanager
async def at_work(attempts: Attempts, heartbeat: Heartbeat, stop: asyncio.Event | None = None) -> AsyncGenerator[None]:
    """Joined, beating and telling progress inside; heartbeats stop last, then the worker leaves the ledger.

    Stopped when told to stop while it cannot join.
    """
    threads = attempts.threads
    await patiently(lambda: threads(heartbeat.membership.join), "joining", stop=stop)
    heartbeat.start()

    async def flush() -> None:
        await threads(attempts.counting.flush)

    # beside the heartbeats, which no count shall hold up
    telling = [asyncio.create_task(_tell_progress(attempts)), asyncio.create_task(keep_telling(flush))]
    try:
        yield
    finally:
        for task in telling:
            task.cancel()
        await threads(heartbeat.stop)
        flushing = asyncio.create_task(tell(flush))
        try:
            await threads(attempts.ledger.leave, heartbeat.membership.worker)
        except Unavailable as error:
            log.warning("the worker could not take its leave; its place is free after a lease", why=error.message)
        await flushing


async def drain(attempts: Attempts, grace: float, ended: asyncio.Task[Any]) -> None:
    """No attempt begins another step; what still runs after `grace` seconds is stopped and handed back."""
    attempts.draining = attempts.heartbeat.membership.drains = True
    done, _ = await asyncio.wait({ended}, timeout=grace)
    if not done:
        log.info("the grace time is over; running steps are stopped")
        attempts.stop_all("drained")
        await ended


async def _tell_progress(attempts: Attempts) -> None:
    while True:
        await asyncio.sleep(_TELL_EVERY)
        if attempts.told:
            try:
                await attempts.tell_progress()
            except Unavailable as error:
                log.warning("progress could not be told", why=error.message)
            except Exception:
                log.exception("progress could not be told")
