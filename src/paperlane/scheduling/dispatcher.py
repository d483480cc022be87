"""The dispatcher of a push engine: the loop that turns free room into leases and hands them over."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

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
class Dispatcher:
    """Hands leases of an engine over, `room()` at most at once; several dispatchers of one engine are harmless.

    What cannot be delivered is handed back, without using a try; while a broker is away, one lease at a time shows
    whether it is there again.
    """

    ledger: Ledger
    engine: str
    room: Callable[[], int]
    deliver: Deliver
    threads: Threads
    wakeup: Wakeup
    stop: asyncio.Event
    _broker: Patience = field(default_factory=Patience)
    _given: list[Lease] = field(default_factory=list)
    _ended: bool = False
    _lock: Lock = field(default_factory=Lock)

    def beside(self, ended: int) -> int:
        """How many leases may be handed out with so many outcomes; whoever has them written is to `take` these.

        As many as end, which have room where they ended. None while the broker is away: they would be handed back.
        """
        return 0 if self._broker.failing or self.stop.is_set() else ended

    def take(self, leases: Sequence[Lease]) -> None:
        """Leases that were handed out with outcomes. From any thread."""
        with self._lock:
            if not self._ended:
                self._given.extend(leases)
                self.wakeup.ring()
                return
        self._give_back(leases)

    def _give_back(self, leases: Sequence[Lease]) -> None:
        try:
            self.ledger.hand_back(leases)
        except Exception:
            log.exception("leases could not be handed back; the sweep takes them back", leases=len(leases))

    async def run(self) -> None:
        """Lease and deliver until told to stop."""
        patience = Patience()
        try:
            while not self.stop.is_set():
                try:
                    if leases := self._taken():
                        await self._hand_over(leases)  # where they do not fill the room, the bell rings too
                    elif leases := await self._leased():
                        self.wakeup.took()
                        await self._hand_over(leases)
                        continue
                    patience.worked()
                except Unavailable as error:
                    log.warning("the ledger cannot be used", engine=self.engine, why=error.message)
                    await asyncio.sleep(patience.wait())
                except Exception:
                    log.exception("dispatch failed", engine=self.engine)
                    await asyncio.sleep(patience.wait())
                await self.wakeup.wait()
        finally:
            await self._end()

    def _taken(self) -> Sequence[Lease]:
        with self._lock:
            given, self._given = self._given, []
            return given

    async def _leased(self) -> Sequence[Lease]:
        """Without room the ledger is not asked: that would be a write transaction."""
        most = min(self.room(), 1 if self._broker.failing else _AT_ONCE)
        return await self.threads(self.ledger.lease, self.engine, most) if most > 0 else ()

    async def _hand_over(self, leases: Sequence[Lease]) -> None:
        """Or give back what cannot be: some of it may have arrived, and is refused where it is begun."""
        if self.stop.is_set():
            await self.threads(self.ledger.hand_back, leases)  # nobody would begin them
            return
        try:
            await self.deliver(leases)
        except Exception as error:  # noqa: BLE001  each carrier's library has its own
            seconds = self._broker.wait()
            why = f"{type(error).__name__}: {error}"[:500]
            log.warning("tasks cannot be handed over", engine=self.engine, why=why, again_in=round(seconds, 1))
            await self.threads(self.ledger.hand_back, leases)
            await pause(seconds, self.stop)
        else:
            if self._broker.worked():
                log.info("tasks can be handed over again", engine=self.engine)

    async def _end(self) -> None:
        """What was taken and not delivered goes back; what comes from here on does so at once."""
        with self._lock:
            self._ended = True
        if leases := self._taken():
            await self.threads(self._give_back, leases)
