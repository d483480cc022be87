"""The application: its routers, its headers, and what starts and ends with it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from itsdangerous import URLSafeTimedSerializer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paperlane import __version__
from paperlane.counting import Counting, keep_telling, tell
from paperlane.desk import Desk
from paperlane.settings import Settings
from paperlane.threads import Threads
from paperlane.web import (
    alerts,
    audit,
    batches,
    comparisons,
    dead,
    errors,
    groups,
    health,
    issues,
    metrics,
    operating_pages,
    pages,
    problems,
    progress,
    queue,
    quotas,
    rollout,
    schedules,
    session,
    tasks,
    usage,
    users,
    word_pages,
    workers,
)
from paperlane.web.bodies import SmallBodies
from paperlane.web.description import describe
from paperlane.web.identity import House
from paperlane.web.looks import Looks
from paperlane.web.naming import Named
from paperlane.web.pacing import Pace, PaceHeaders
from paperlane.web.tailer import Tailer
from paperlane.web.timing import Timing

_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"content-security-policy": _POLICY.encode(),
}
_API = "/api/v1"
_THREADS = 8
_READERS = 2  # of whole documents: each may take some hundred MB, and a thread that small answers need


def create_app(desk: Desk, settings: Settings, secret: str) -> FastAPI:
    """The service over a desk; `secret` signs the page's sessions."""
    threads = Threads("web", _THREADS)
    counting = Counting(desk.ledger.tally)

    @asynccontextmanager
    async def alive(app: FastAPI) -> AsyncGenerator[None]:
        async def flush() -> None:
            await threads(counting.flush)

        app.state.tailer = Tailer(desk.ledger, threads)
        for looks in (app.state.scrapes.looks, app.state.house.looks):
            looks.begin()  # the first look has nothing to fall back on: nobody shall wait for it
        beside = [asyncio.create_task(app.state.tailer.run()), asyncio.create_task(keep_telling(flush))]
        yield
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await tell(flush)
        threads.close()

    app = FastAPI(
        title="Paperlane",
        version=__version__,
        summary="Tests documents, and schedules that work fairly.",
        lifespan=alive,
        docs_url=None,
        redoc_url=None,
        # its own would tell queries and what errors say, and nothing of what happens outside of a request
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    submits = batches.gathering(desk, threads)
    signer = URLSafeTimedSerializer(secret, "session")
    of_lanes = Looks(partial(operating_pages.lanes, desk), threads, longest=operating_pages.LONGEST)
    app.state.house = House(desk, settings, threads, submits, signer, of_lanes)
    app.state.locks = {}
    app.state.readers = asyncio.Semaphore(_READERS)
    app.state.comparisons = comparisons.Answered()
    app.state.sockets = Counter()
    app.state.pace = Pace()
    app.state.counting = counting
    app.state.scrapes = metrics.Scrapes(desk, threads, Looks(partial(metrics.look, desk), threads))
    api = APIRouter(responses=problems.may(429, 503, 507))
    rooms = (batches, tasks, issues, schedules, dead, queue, usage, quotas, users, groups, session, progress, alerts)
    for room in (*rooms, rollout, workers, audit, errors, comparisons):
        api.include_router(room.router)
    api.include_router(alerts.samples)
    app.include_router(api, prefix=_API)  # without one, FastAPI would build all routes now to look at their paths
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(pages.router)
    app.include_router(word_pages.router)
    app.include_router(operating_pages.router)
    pages.mount(app)
    problems.install(app)
    app.add_exception_handler(HTTPStatus.NOT_FOUND, pages.no_page)
    app.openapi = partial(describe, app)  # FastAPI's own way to extend it
    app.add_middleware(SmallBodies, streams=f"{_API}{batches.router.prefix}", idle=settings.upload_idle_seconds)
    app.add_middleware(problems.Unfailing)
    app.add_middleware(Named, api=_API)
    app.add_middleware(PaceHeaders)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Heads)
    app.add_middleware(Timing, counting=counting, api=_API, batches=f"{_API}{batches.router.prefix}")
    return app


class SafeHeaders:
    """Sets the headers that keep a browser from harm; a plain middleware, which streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        private = scope["path"].startswith(_API)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                names = {name for name, _ in headers}
                headers += [(name, value) for name, value in _HEADERS.items() if name not in names]
                if private and b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, with_headers)


class Heads:
    """HEAD is answered as GET without the body (RFC 9110, 9.3.2); `only_head` in the scope tells who must know."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET", "only_head": True}, receive, without_body)
        else:
            await self._app(scope, receive, send)
