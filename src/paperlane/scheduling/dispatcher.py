"""The dispatcher of a push engine: the loop that turns free room into leases and hands them over."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.model.tasks import Lease
from paperlane.patience import Patience
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads

_AT_ONCE = 100

log = structlog.get_logger(__name__)


async def dispatch(
    ledger: Ledger,
    engine: str,
    room: Callable[[], int],
    deliver: Callable[[Sequence[Lease]], Awaitable[None]],
    threads: Threads,
    wakeup: Wakeup,
    stop: asyncio.Event,
) -> None:
    """Lease and deliver until told to stop, `room()` at most; several dispatchers of one engine are harmless.

    Nothing is delivered once `stop` is set.

    A lease whose delivery fails is not taken back here: nobody begins it, so the sweep hands it out again.
    """
    patience = Patience()
    while not stop.is_set():
        try:
            leases = await _leased(ledger, engine, room(), threads)
            if leases and stop.is_set():
                await threads(ledger.hand_back, leases)  # nobody would begin them
            elif leases:
                wakeup.took()
                await deliver(leases)
                continue
            patience.worked()
        except Unavailable as error:
            log.warning("the ledger cannot be used", engine=engine, why=error.message)
            await asyncio.sleep(patience.wait())
        except Exception:
            log.exception("dispatch failed", engine=engine)
            await asyncio.sleep(patience.wait())
        await wakeup.wait()


async def _leased(ledger: Ledger, engine: str, room: int, threads: Threads) -> Sequence[Lease]:
    """Without room the ledger is not asked: that would be a write transaction."""
    return await threads(ledger.lease, engine, min(room, _AT_ONCE)) if room > 0 else ()
