"""Periodic tasks: fires the schedules that are due every few seconds; two at once are harmless."""

import asyncio
from collections.abc import Callable

import structlog

from paperlane.errors import Unavailable
from paperlane.ledger import AlsoFired, Ledger
from paperlane.model.schedules import ScheduleId
from paperlane.scheduling.pace import every
from paperlane.threads import Threads

log = structlog.get_logger(__name__)


async def fire_due(
    ledger: Ledger,
    seconds: float,
    threads: Threads,
    stop: asyncio.Event,
    new_id: Callable[[], str],
    also: AlsoFired | None = None,
) -> None:
    """Submit what is due, every `seconds` give or take a fifth, until told to stop.

    A schedule that cannot submit keeps no other one from its turn.
    """
    async for _ in every(seconds, stop):
        try:
            for schedule in await threads(ledger.due):
                await _fire(ledger, schedule, threads, new_id, also)
        except Unavailable as error:
            log.warning("due schedules cannot be looked for", why=error.message)
        except Exception:
            log.exception("due schedules could not be looked for")


async def _fire(
    ledger: Ledger, schedule: ScheduleId, threads: Threads, new_id: Callable[[], str], also: AlsoFired | None
) -> None:
    try:
        fired = await threads(ledger.fire, schedule, new_id, also)
    except Unavailable:
        raise  # as would every other schedule's turn now
    except Exception:
        log.exception("a schedule could not be fired", schedule=schedule)
        return
    if fired is None:
        return
    if fired.refusal is None:
        log.info("schedule fired", schedule=schedule, user=fired.user, batch=fired.batch, tasks=len(fired.tasks))
    else:
        log.warning("schedule refused", schedule=schedule, user=fired.user, code=fired.refusal.code)
