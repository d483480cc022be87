"""`/batches`: uploads, and what became of them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from paperlane.checks import PROFILES
from paperlane.desk import Desk, Order, Submitted, moment_of
from paperlane.errors import BadRequest, Busy, Refused, StorageFull, TooLarge
from paperlane.gathering import Gathering
from paperlane.ledger.sense import clean
from paperlane.model.tasks import Batch, BatchId
from paperlane.records.accounts import Account
from paperlane.threads import Threads, unbroken
from paperlane.tracing import submitted
from paperlane.web import answers, problems, shapes
from paperlane.web.bodies import told_length
from paperlane.web.identity import Asker, House, Parts
from paperlane.web.tasks import shown
from paperlane.web.uploads import Received, receive

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/batches", tags=["batches"], responses=problems.may(401, 408, 413, 422))

_AT_ONCE = 500  # tasks that are submitted in one transaction, where several people upload at the same time
_NOTHING_WRITTEN = (Refused, StorageFull, Busy)
_FURTHEST = 366 * 86_400.0  # seconds that a task may be put off

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
                        "priority": {"type": "integer", "minimum": 0, "maximum": 9, "default": 5},
                        "run_at": {"type": "string", "format": "date-time"},
                        "name": {"type": "string"},
                        "profile": {"type": "array", "items": {"type": "string", "enum": [*PROFILES]}},
                        "check": {"type": "array", "items": {"type": "string"}},
                        "no_check": {"type": "array", "items": {"type": "string"}},
                        "model": {"type": "array", "items": {"type": "string"}},
                    },
                }
            }
        },
    }
}


def gathering(desk: Desk, threads: Threads) -> Gathering[None, tuple[Account, Order], Submitted]:
    """Uploads that come while others are written down are written down together.

    They are given new ids each time, so they are tried one by one only where nothing of them can be there.
    """
    return Gathering(
        lambda _, orders: desk.tasks.submit_all(orders),
        threads,
        few=lambda: True,
        most=_AT_ONCE,
        size=lambda one: len(one[1].uploads),
        parts=lambda error: isinstance(error, _NOTHING_WRITTEN),
    )


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    response_model=answers.Submitted,
    responses=problems.may(403, 429),
    openapi_extra=_FORM,
)
async def submit(
    request: Request,
    response: Response,
    account: Asker,
    house: Parts,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> answers.Submitted | Response:
    """Upload documents to be tested. Limits and backlogs are checked before the body is read."""
    async with _one_at_a_time(request, account, idempotency_key):
        await house.threads(_may_come, house, account, idempotency_key)
        if told_length(request.headers) > (house.settings.max_batch_mb + 1) << 20:
            raise TooLarge(f"The upload is larger than {house.settings.max_batch_mb} MB.", hint="Upload in parts.")
        content_type = request.headers.get("Content-Type", "")
        received = await receive(request.stream(), content_type, house.desk.blobs, house.settings, house.threads)
        if not received.uploads:
            return _nothing_accepted(received)
        new = await unbroken(asyncio.create_task(_submit(account, house, received, idempotency_key)))
    batch, fresh = new.batch, new.tasks
    response.headers["Location"] = f"/api/v1/batches/{batch.id}"
    if fresh is not None:
        submitted([task.id for task in fresh], batch.created_at)
        told = [shapes.task(task, {}, {}) for task in fresh]  # nothing can be compared yet, or dismissed
    else:
        told = await shown(house, await house.threads(house.desk.tasks.of_batch, batch))
    log.debug("a batch is accepted", batch=batch.id, tasks=len(told), fresh=fresh is not None)
    return {**shapes.batch(batch), "tasks": told, "rejected": _rejected(received)}


def _may_come(house: House, account: Account, key: str) -> None:
    """TooMany or another refusal, before the body is read; what has come before under this key has its room."""
    if house.desk.tasks.known(account, key) is None:
        house.desk.tasks.room(account)


async def _submit(account: Account, house: House, received: Received, key: str) -> Submitted:
    """The batch; its files stay only where it is on disk by this upload, or may be.

    Not to be broken off: while it waits for its turn, nobody else knows of its files.
    """
    try:
        order = _order(received, key, house.desk.clock.now())
        submitted = await house.submits(None, (account, order))
    except _NOTHING_WRITTEN:
        await house.threads(received.discard)
        raise  # after any other error the batch may be there, so its files must stay
    if submitted.tasks is None:
        await house.threads(received.discard)
    return submitted


def _rejected(received: Received) -> Sequence[answers.Rejected]:
    return [
        {"name": file.name, "code": file.code, "message": file.message, "hint": file.hint} for file in received.rejected
    ]


def _nothing_accepted(received: Received) -> JSONResponse:
    first = received.rejected[0] if received.rejected else None
    all_too_large = {file.code for file in received.rejected} == {TooLarge.code}
    status = TooLarge.status if all_too_large else 422
    content: answers.Problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": first.code if first else "no_files",
        "detail": first.message if first else "The upload holds no file.",
        "hint": first.hint if first else "Send at least one file in the field `files`.",
        "rejected": _rejected(received),
    }
    return JSONResponse(content, status, media_type="application/problem+json")


def _order(received: Received, key: str, now: float) -> Order:
    fields = received.fields
    try:
        priority = int(fields.get("priority", "") or 5)
    except ValueError as error:
        raise BadRequest(f"There is no priority {fields['priority']!r}.", hint="Choose 0 to 9.") from error
    uploads = [replace(upload, brief=received.brief) for upload in received.uploads]
    return Order(uploads, clean(fields.get("name", "")), priority, _moment(fields.get("run_at", ""), now), key)


def _moment(said: str, now: float) -> float:
    """0 for now, and what has passed means now too."""
    at = moment_of(said) if said else 0.0
    if at > now + _FURTHEST:
        raise BadRequest("A task waits for at most a year.", hint="Choose a `run_at` within 366 days from now.")
    return max(0.0, at)


@asynccontextmanager
async def _one_at_a_time(request: Request, account: Account, key: str) -> AsyncGenerator[None]:
    """Of two uploads under one key the second waits; between processes the ledger's unique key decides."""
    if not key:
        yield
        return
    locks: dict[tuple[int, str], tuple[asyncio.Lock, int]] = request.app.state.locks
    name = (account.id, key)
    lock, waiting = locks.get(name, (asyncio.Lock(), 0))
    locks[name] = (lock, waiting + 1)
    try:
        async with lock:
            yield
    finally:
        lock, waiting = locks[name]
        if waiting == 1:
            del locks[name]
        else:
            locks[name] = (lock, waiting - 1)


@router.get("/{batch}", responses=problems.may(404))
async def one(batch: str, account: Asker, house: Parts) -> answers.Batch:
    """A batch, its counts by status, and its percent."""
    found: Batch = await house.threads(house.desk.tasks.batch, account, BatchId(batch))
    return shapes.batch(found)
