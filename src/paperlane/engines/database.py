"""The engine `database`: worker processes that take their turns from the ledger themselves."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from paperlane.engines import RunAttempt, Traits, Turns
from paperlane.errors import StaleLease, Unavailable
from paperlane.model.tasks import Ended, Lease
from paperlane.patience import Patience

log = structlog.get_logger(__name__)

_BREATH = 0.5  # seconds before the ledger is asked again after it gave the worker up
_LAST_WORDS = 10.0  # seconds for which a worker that stops tries to tell a ledger that cannot be reached
_LOOK_AGAIN = 1.0  # seconds after which more slots may have been granted


class Database:
    """Pulls: one call finishes what ended and claims what fits."""

    traits = Traits("database", pulled=True)

    async def serve(self, turns: Turns, run: RunAttempt, slots: Callable[[], int], stop: asyncio.Event) -> None:
        """Take turns and run them until told to stop."""
        running: set[asyncio.Task[Ended]] = set()
        ended: list[Ended] = []
        stopping = asyncio.create_task(stop.wait())
        patience = Patience()
        try:
            while running or ended or not stop.is_set():
                room = 0 if stop.is_set() else max(0, slots() - len(running))
                if ended or room > 0 or patience.failing:  # what was claimed unheard is told even where no room is left
                    leases = await _step(turns, ended, room, patience)
                    running |= {asyncio.create_task(run(lease)) for lease in leases}
                    room -= len(leases)
                if stop.is_set() and not running and patience.spent > _LAST_WORDS:
                    log.error("outcomes could not be told; the sweep takes their tasks back", tasks=len(ended))
                    return
                done = await _until_something(turns, running, stopping, room=room)
                running -= done
                ended += [task.result() for task in done]
        finally:
            stopping.cancel()


async def _step(turns: Turns, ended: list[Ended], room: int, patience: Patience) -> Sequence[Lease]:
    """Tell what ended, once: it stays in the list while the ledger cannot be reached, and is told when it can be."""
    try:
        leases = await turns.step(tuple(ended), room)
    except StaleLease:
        ended.clear()  # the ledger gave this worker up and handed its tasks to others
        await asyncio.sleep(_BREATH)
        return ()
    except Unavailable as error:
        seconds = patience.wait()
        log.warning("the ledger cannot be used", why=error.message, untold=len(ended), again_in=round(seconds, 1))
        await asyncio.sleep(seconds)
        return ()
    except Exception:
        log.exception("the ledger fails")
        await asyncio.sleep(patience.wait())
        return ()
    if patience.worked():
        log.info("the ledger can be used again", told=len(ended))
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
