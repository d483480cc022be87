"""The sweeper: looks for lost tasks every few seconds; two at once are harmless."""

import asyncio
import random
from collections.abc import Callable

import structlog

from paperlane.ledger import Ledger
from paperlane.model.tasks import Recovery
from paperlane.scheduling.pace import every
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
    async for _ in every(seconds, stop, chance):
        try:
            found = await threads(ledger.recover)
            if found != Recovery():
                log.warning("recovered", **{name: getattr(found, name) for name in Recovery.__slots__})
        except Exception:
            log.exception("sweep failed")
