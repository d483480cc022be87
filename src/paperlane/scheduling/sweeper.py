"""The sweeper: looks for lost tasks every few seconds; two at once are harmless."""

import asyncio
import random
from collections.abc import Callable

import structlog

from paperlane.errors import Busy, Unavailable
from paperlane.ledger import Ledger
from paperlane.model.tasks import Recovery
from paperlane.patience import Patience
from paperlane.scheduling.pace import pause
from paperlane.threads import Threads

log = structlog.get_logger(__name__)


async def sweep(
    ledger: Ledger,
    seconds: float,
    threads: Threads,
    stop: asyncio.Event,
    chance: Callable[[], float] = random.random,  # noqa: S311  spreads load, keeps no secret
) -> None:
    """Recover what was lost, every `seconds` give or take a fifth, until told to stop.

    A database that was away was away for the workers too: once it is back they get a moment to renew their leases and
    to tell what ended, before anything of theirs is taken for lost. One that was only busy is asked again.
    """
    patience, away = Patience(chance=chance), False
    while not stop.is_set():
        wait = seconds * (0.8 + 0.4 * chance())
        try:
            if away:
                await threads(ledger.members)
                away = False
                wait = ledger.rules.lease / 3
            elif (found := await threads(ledger.recover)) != Recovery():
                log.warning("recovered", **{name: getattr(found, name) for name in Recovery.__slots__})
            patience.worked()
        except Unavailable as error:
            log.warning("sweep failed", why=error.message)
            wait, away = patience.wait(), away or not isinstance(error, Busy)
        except Exception:
            log.exception("sweep failed")
        await pause(wait, stop)
