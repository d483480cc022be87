"""The sweeper: looks for lost tasks every few seconds; two at once are harmless."""

import asyncio
import random
from collections.abc import Callable

import structlog

from paperlane.ledger import Ledger
from paperlane.model.tasks import Recovery
from paperlane.threads import Threads

log = structlog.get_logger(__name__)


async def sweep(
    ledger: Ledger,
    seconds: float,
    threads: Threads,
    stop: asyncio.Event,
    chance: Callable[[], float] = random.random,  # noqa: S311  spreads load, keeps no secret
) -> None:
    """Recover what was lost, every `seconds` give or take a fifth, until told to stop."""
    while not stop.is_set():
        try:
            found = await threads(ledger.recover)
            if found != Recovery():
                log.warning("recovered", **{name: getattr(found, name) for name in Recovery.__slots__})
        except Exception:
            log.exception("sweep failed")
        try:
            async with asyncio.timeout(seconds * (0.8 + 0.4 * chance())):
                await stop.wait()
        except TimeoutError:
            continue
