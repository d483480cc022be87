"""The engine `database`: worker processes that take their turns from the ledger themselves."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from paperlane.engines import RunAttempt, Traits, Turns
from paperlane.errors import StaleLease
from paperlane.model.tasks import Ended, Lease

log = structlog.get_logger(__name__)

_BREATH = 0.5  # seconds before the ledger is asked again after it failed
_LOOK_AGAIN = 1.0  # seconds after which more slots may have been granted


class Database:
    """Pulls: one call finishes what ended and claims what fits."""

    traits = Traits("database", pulled=True)

    async def serve(self, turns: Turns, run: RunAttempt, slots: Callable[[], int], stop: asyncio.Event) -> None:
        """Take turns and run them until told to stop."""
        running: set[asyncio.Task[Ended]] = set()
        ended: list[Ended] = []
        stopping = asyncio.create_task(stop.wait())
        try:
            while running or ended or not stop.is_set():
                room = 0 if stop.is_set() else max(0, slots() - len(running))
                if ended or room > 0:
                    leases = await _step(turns, ended, room)
                    running |= {asyncio.create_task(run(lease)) for lease in leases}
                    room -= len(leases)
                done = await _until_something(turns, running, stopping, room=room)
                running -= done
                ended += [task.result() for task in done]
        finally:
            stopping.cancel()


async def _step(turns: Turns, ended: list[Ended], room: int) -> Sequence[Lease]:
    """Tell what ended, once: it stays in the list while the ledger cannot be reached."""
    try:
        leases = await turns.step(tuple(ended), room)
    except StaleLease:
        ended.clear()  # the ledger gave this worker up and handed its tasks to others
        await asyncio.sleep(_BREATH)
        return ()
    except Exception:
        log.exception("the ledger cannot be reached")
        await asyncio.sleep(_BREATH)
        return ()
    ended.clear()
    return leases


async def _until_something(
    turns: Turns, running: set[asyncio.Task[Ended]], stopping: asyncio.Task[bool], *, room: int
) -> set[asyncio.Task[Ended]]:
    """Wait until an attempt ends, there may be something for free room, or it is time to stop; a second at most."""
    bell = asyncio.create_task(turns.wait()) if room > 0 else None
    wanted: set[asyncio.Task[object]] = {*running}  # pyright: ignore[reportAssignmentType]
    wanted |= {task for task in (bell, None if stopping.done() else stopping) if task is not None}
    if wanted:
        await asyncio.wait(wanted, timeout=_LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
    if bell is not None:
        bell.cancel()
    return {task for task in running if task.done()}
