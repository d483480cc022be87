"""The turns of a pull engine, taken from the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from paperlane.counting import Counting
from paperlane.ledger import Ledger
from paperlane.model.tasks import Ended, Lease, WorkerId
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads


@dataclass(frozen=True, slots=True)
class LedgerTurns:
    """What a worker of a pull engine is given; `worker` tells its identity, which the ledger may make it change.

    Outcomes that the ledger took are counted.
    """

    ledger: Ledger
    engine: str
    worker: Callable[[], WorkerId]
    threads: Threads
    wakeup: Wakeup
    counting: Counting

    async def step(self, ended: Sequence[Ended], room: int) -> Sequence[Lease]:
        """Finish and claim in one commit."""
        taken = partial(self.counting.ended, self.engine)
        leases = await self.threads(self.ledger.step, self.engine, self.worker(), ended, room, taken)
        if leases:
            self.wakeup.took()
        return leases

    async def wait(self) -> None:
        """Until something may have become runnable."""
        await self.wakeup.wait()
