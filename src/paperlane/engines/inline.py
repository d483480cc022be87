"""The engine `inline`: the web process delivers to itself and runs the chain beside its requests."""

import asyncio
from collections.abc import Sequence

from paperlane.engines import RunAndFinish, Traits
from paperlane.model.tasks import Lease


class Inline:
    """Pushes, without a broker: what it carries is lost with its process, and handed out again by the ledger."""

    traits = Traits("inline", pulled=False)

    def __init__(self) -> None:
        self._arrivals: asyncio.Queue[Lease] = asyncio.Queue()

    async def deliver(self, leases: Sequence[Lease]) -> None:
        """Hand over to this process."""
        for lease in leases:
            self._arrivals.put_nowait(lease)

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> None:
        """Run every arrival at once: the dispatcher hands over no more than there are slots."""
        stopping = asyncio.create_task(stop.wait())
        async with asyncio.TaskGroup() as running:
            while not stop.is_set():
                arrival = asyncio.create_task(self._arrivals.get())
                await asyncio.wait({arrival, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if arrival.done():
                    running.create_task(run(arrival.result()))
                else:
                    arrival.cancel()
        stopping.cancel()
