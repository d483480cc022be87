"""What the engine `database` asks for, turn by turn."""

import asyncio
from collections.abc import Sequence

from paperlane.engines.database import Database
from paperlane.errors import Unavailable
from paperlane.model.tasks import Completed, Ended, Lease, TaskId

LEASE = Lease(TaskId("task"), 1)


class Unheard:
    """Turns whose first answer is lost: what was claimed is told to who asks again, whatever room there is."""

    def __init__(self) -> None:
        self.slots = 1
        self.asked: list[int] = []
        self.ended: list[Ended] = []
        self.stop = asyncio.Event()

    async def step(self, ended: Sequence[Ended], room: int) -> Sequence[Lease]:
        self.asked.append(room)
        if len(self.asked) == 1:
            self.slots = 0  # the system's limit is lowered meanwhile
            raise Unavailable("The connection broke.")
        self.ended += ended
        if self.ended:
            self.stop.set()
        return [LEASE] if len(self.asked) == 2 else []

    async def wait(self) -> None:
        await asyncio.Event().wait()


async def run(lease: Lease) -> Ended:
    return Ended(lease, Completed(1.0))


async def test_what_was_claimed_unheard_is_asked_for_where_no_room_is_left():
    turns = Unheard()
    async with asyncio.timeout(60):
        await Database().serve(turns, run, lambda: turns.slots, turns.stop)
    assert turns.asked == [1, 0, 0]
    assert turns.ended == [Ended(LEASE, Completed(1.0))]
