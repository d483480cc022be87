"""The WebSocket `/progress`: the present state of tasks, then every change."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect

from paperlane.counting import Counting
from paperlane.errors import PaperlaneError, TooMany, Unavailable
from paperlane.model.tasks import BatchId, Task, TaskId
from paperlane.records.accounts import Account
from paperlane.web import shapes
from paperlane.web.identity import House, account_of, house_of, is_own_origin
from paperlane.web.pacing import pace_of
from paperlane.web.tailer import Follower, Tailer

log = structlog.get_logger(__name__)

router = APIRouter(tags=["progress"])

_REFUSED, _NOT_FOUND, _TOO_MANY = 4401, 4404, 4429
_DONE = 1000
COME_AGAIN = 1013
_ASK_EVERY = 5.0  # seconds: who may no longer come in is sent away within them
_ENDED = frozenset({"completed", "failed", "cancelled"})


@router.websocket("/progress")
async def progress(
    socket: WebSocket, task: str = "", batch: str = "", after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1
) -> None:
    """Follow a task or a batch. Who asks is known before the socket is accepted."""
    house = house_of(socket)
    try:
        account = await account_of(socket)
        if account is not None:
            pace_of(socket).check(socket, account, house.desk.quotas.requests(account))
    except Unavailable:
        await socket.close(COME_AGAIN)
        return
    except TooMany:
        await socket.close(_TOO_MANY)
        return
    if account is None or not is_own_origin(socket):
        await socket.close(_REFUSED)
        return
    open_sockets: Counter[int] = socket.app.state.sockets
    if open_sockets[account.id] >= house.desk.quotas.sockets(account):
        await socket.close(_TOO_MANY)
        return
    open_sockets[account.id] += 1
    try:
        await _serve(socket, house, account, task, batch, after)
    finally:
        open_sockets[account.id] -= 1


async def _serve(socket: WebSocket, house: House, account: Account, task: str, batch: str, after: int) -> None:
    tailer: Tailer = socket.app.state.tailer
    try:
        await tailer.compare_clocks()
        followed = await house.threads(_followed, house, account, task, batch)
    except PaperlaneError as error:
        await socket.close(COME_AGAIN if isinstance(error, Unavailable) else _NOT_FOUND)
        return
    await socket.accept()
    replay = after >= 0 and bool(task)
    follower = tailer.follow({one.id: after if replay else one.seq for one in followed})
    try:
        if not replay:
            for one in followed:
                await socket.send_json(shapes.present(one))
        # what is known of each task: a replay passes the end of earlier runs before it comes there
        known = {one.id: one.seq for one in followed}
        running = {one.id for one in followed if not one.state.ended or (replay and one.seq > after)}
        await _until_gone(socket, account, follower, known, running)
    except WebSocketDisconnect:
        pass
    finally:
        tailer.leave(follower)


def _followed(house: House, account: Account, task: str, batch: str) -> Sequence[Task]:
    if task:
        return [house.desk.tasks.one(account, TaskId(task))]
    whole = sum(house.desk.tasks.batch(account, BatchId(batch)).counts.values())
    return house.desk.tasks.page(account, batch=BatchId(batch), status="", cursor="", limit=whole)


async def _until_gone(
    socket: WebSocket, account: Account, follower: Follower, known: Mapping[TaskId, int], running: set[TaskId]
) -> None:
    """Send until the last known event of every task is its end, the reader is too slow, goes away or is sent away."""
    counting: Counting = socket.app.state.counting
    tailer: Tailer = socket.app.state.tailer
    gone, barred = asyncio.create_task(_gone(socket)), asyncio.create_task(_barred(socket, account))
    try:
        while running or not follower.queue.empty():
            coming = asyncio.create_task(follower.queue.get())
            await asyncio.wait({coming, gone, barred}, return_when=asyncio.FIRST_COMPLETED)
            if barred.done() and not gone.done():
                await socket.close(_REFUSED)
            if barred.done() or not coming.done():
                coming.cancel()
                return
            if (event := coming.result()) is None:
                await socket.close(COME_AGAIN)
                return
            await socket.send_json(shapes.frame(event))
            if event.at >= follower.since:  # one that is read again is late by no fault of anybody
                counting.note("progress_seconds", "", tailer.now() - event.at)
            if event.status in _ENDED and event.seq >= known[event.task]:
                running.discard(event.task)
            else:  # it may have ended before, and was started again
                running.add(event.task)
        await socket.close(_DONE)
    finally:
        gone.cancel()
        barred.cancel()


async def _barred(socket: WebSocket, account: Account) -> None:
    """Signed out, revoked, or of another role by now."""
    while True:
        await asyncio.sleep(_ASK_EVERY)
        try:
            if await account_of(socket) != account:
                return
        except Exception:  # nobody is sent away for what ails the database
            log.exception("who follows progress could not be looked up")


async def _gone(socket: WebSocket) -> None:
    """Whatever the reader says is passed by; that it goes away is not."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
