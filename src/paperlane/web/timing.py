"""How long answers take, by what is asked."""

import asyncio
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paperlane.counting import Counting

KINDS = ("api", "page", "batch")
STATUSES = ("2xx", "3xx", "4xx", "429", "5xx")
"""By which answers are counted; 429 is a refusal of who asks too much, and no fault of anybody's."""

# machines ask these, files tell nothing of the service, and of a comparison people know that it takes seconds
_APART = ("/metrics", "/healthz", "/readyz", "/static/", "/admin/comparisons/told")


class Timing:
    """Counts each answer in `http_seconds` and `http_answers`; a plain middleware, streams pass through untouched.

    From the end of a request's body, or its beginning where that is not waited for, to the beginning of its answer: how
    fast a client sends and reads is its own affair. `batches` is the path of uploads.
    """

    def __init__(self, app: ASGIApp, counting: Counting, api: str, batches: str) -> None:
        self._app = app
        self._counting = counting
        self._api = api
        self._batches = batches

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (kind := self._kind(scope)) is None:
            await self._app(scope, receive, send)
            return
        now = asyncio.get_running_loop().time
        since, whole = now(), False

        async def arriving() -> Message:
            nonlocal since, whole
            message = await receive()
            if not whole and message["type"] == "http.request" and not message.get("more_body", False):
                since, whole = now(), True
            return message

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counting.note("http_seconds", kind, now() - since)
                self._counting.note("http_answers", f"{kind}/{_answer_of(message['status'])}")
            await send(message)

        await self._app(scope, arriving, answering)

    def _kind(self, scope: Scope) -> str | None:
        path: str = scope["path"]
        if path.startswith(_APART):
            return None
        if path == self._batches and scope["method"] == "POST":
            return "batch"
        return "api" if path.startswith(self._api) else "page"


def _answer_of(status: int) -> str:
    return "429" if status == HTTPStatus.TOO_MANY_REQUESTS else f"{status // 100}xx"
