"""The engine `inline`: the web process delivers to itself and runs the chain beside its requests."""

import asyncio
from collections.abc import Sequence

from paperlane.engines import RunAndFinish, Traits
from paperlane.model.tasks import Lease


class Inline:
    """Pushes, without a broker: what it carries is lost with its process, and handed out again by the ledger."""

    traits = Traits("inline", pulled=False)

    def __init__(self) -> None:
        self._carried = 0
        self._arrivals: asyncio.Queue[Lease] = asyncio.Queue()

    def room(self, granted: int) -> int:
        """How many more leases this process can run at once."""
        return granted - self._carried

    async def deliver(self, leases: Sequence[Lease]) -> None:
        """Hand over to this process."""
        self._carried += len(leases)
        for lease in leases:
            self._arrivals.put_nowait(lease)

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> Sequence[Lease]:
        """Run every arrival at once: the dispatcher hands over no more than there are slots."""
        unbegun: list[Lease] = []
        stopping = asyncio.create_task(stop.wait())
        async with asyncio.TaskGroup() as running:
            while not stop.is_set():
                arrival = asyncio.create_task(self._arrivals.get())
                await asyncio.wait({arrival, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not arrival.done():
                    arrival.cancel()
                elif stop.is_set():
                    unbegun.append(arrival.result())
                else:
                    running.create_task(self._run(run, arrival.result()))
        stopping.cancel()
        while not self._arrivals.empty():
            unbegun.append(self._arrivals.get_nowait())
        self._carried -= len(unbegun)
        return unbegun

    async def _run(self, run: RunAndFinish, lease: Lease) -> None:
        try:
            await run(lease)
        finally:
            self._carried -= 1
