"""The gate before the application: it answers alone until that can be built, for which its database must be reached."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from paperlane.errors import Unavailable
from paperlane.web import health, problems
from paperlane.web.app import Heads, SafeHeaders
from paperlane.web.progress import COME_AGAIN


class Gate:
    """Shut at first: the process lives, and whatever is asked of it is to be asked again in a little while."""

    def __init__(self) -> None:
        self._answer: ASGIApp = Heads(SafeHeaders(_not_yet))

    def open(self, app: ASGIApp) -> None:
        """From now on this application answers; its lifespan is its caller's."""
        self._answer = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope, receive, send)


async def _not_yet(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # no 503: of one in answer to a handshake the server logs an error, https://github.com/Kludex/uvicorn/pull/3138
        await send({"type": "websocket.close", "code": COME_AGAIN})
        return
    match scope.get("method"), scope["path"]:
        case "GET", "/healthz":
            answer = JSONResponse(await health.healthz())
        case "GET", "/readyz":
            answer = health.unready(Unavailable.code)
        case _:
            answer = problems.unreachable()
    await answer(scope, receive, send)
