"""The dispatcher of a push engine: the loop that turns free room into leases and hands them over."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.model.tasks import Lease
from paperlane.patience import Patience
from paperlane.scheduling.pace import pause
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads

_AT_ONCE = 100

log = structlog.get_logger(__name__)

Deliver = Callable[[Sequence[Lease]], Awaitable[None]]


@dataclass(slots=True)
class _Delivery:
    """Hands leases over, or back to the ledger."""

    ledger: Ledger
    engine: str
    deliver: Deliver
    threads: Threads
    patience: Patience = field(default_factory=Patience)

    async def __call__(self, leases: Sequence[Lease], stop: asyncio.Event) -> None:
        """Hand over, or give back what cannot be: some of it may have arrived, and is refused where it is begun."""
        try:
            await self.deliver(leases)
        except Exception as error:  # noqa: BLE001  each carrier's library has its own
            seconds = self.patience.wait()
            why = f"{type(error).__name__}: {error}"[:500]
            log.warning("tasks cannot be handed over", engine=self.engine, why=why, again_in=round(seconds, 1))
            await self.threads(self.ledger.hand_back, leases)
            await pause(seconds, stop)
        else:
            if self.patience.worked():
                log.info("tasks can be handed over again", engine=self.engine)


async def dispatch(
    ledger: Ledger,
    engine: str,
    room: Callable[[], int],
    deliver: Deliver,
    threads: Threads,
    wakeup: Wakeup,
    stop: asyncio.Event,
) -> None:
    """Lease and deliver until told to stop, `room()` at most; several dispatchers of one engine are harmless.

    Nothing is delivered once `stop` is set. What cannot be delivered is handed back, without using a try; while a
    broker is away, one lease at a time shows whether it is there again.
    """
    patience, delivery = Patience(), _Delivery(ledger, engine, deliver, threads)
    while not stop.is_set():
        try:
            most = min(room(), 1) if delivery.patience.failing else room()
            leases = await _leased(ledger, engine, most, threads)
            if leases and stop.is_set():
                await threads(ledger.hand_back, leases)  # nobody would begin them
            elif leases:
                wakeup.took()
                await delivery(leases, stop)
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
