"""Each request has a name, which its log lines and its answer bear; where somebody listens it is a trace."""

import re
import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars, unbind_contextvars

from paperlane import tracing

log = structlog.get_logger(__name__)

_NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_ASKED_ALL_THE_TIME = ("/healthz", "/readyz", "/metrics", "/static")


class Named:
    """Takes the name that the caller gave (`X-Request-Id`), or makes one; streams pass through untouched."""

    def __init__(self, app: ASGIApp, api: str) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ()))
        said = given.get(b"x-request-id", b"")
        name = said.decode() if _NAME.fullmatch(said) else secrets.token_hex(8)
        try:
            with bound_contextvars(request=name):
                if scope["type"] == "http":
                    await self._request(scope, receive, send, name, given.get(b"traceparent", b"").decode("latin-1"))
                else:
                    await self._app(scope, receive, send)
        finally:
            unbind_contextvars("user")  # who asked was found out meanwhile

    async def _request(self, scope: Scope, receive: Receive, send: Send, name: str, traceparent: str) -> None:
        since, status = time.monotonic(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", name.encode())]}
            await send(message)

        def answered() -> None:
            took = round(1_000 * (time.monotonic() - since), 1)
            log.debug("answered", method=scope["method"], route=self._route(scope), status=status, milliseconds=took)

        if not tracing.listening() or scope["path"].startswith(_ASKED_ALL_THE_TIME):
            await self._app(scope, receive, named)
            answered()
        else:
            with tracing.request(traceparent), bound_contextvars(**_trace()):
                try:
                    await self._app(scope, receive, named)
                finally:
                    tracing.note(**_said_of(scope["method"], self._route(scope), status))
                    answered()

    def _route(self, scope: Scope) -> str:
        """The template of its path, once a route took it, else "": the path itself may be anything."""
        template: str = getattr(scope.get("route"), "path_format", "")
        # a route knows the prefix of its own router, not that under which all of the interface is included
        return f"{self._api}{template}" if template and scope["path"].startswith(f"{self._api}/") else template


def _trace() -> dict[str, str]:
    return {"trace_id": trace} if (trace := tracing.tracing_now()) else {}


def _said_of(method: str, route: str, status: int) -> dict[str, tracing.Value]:
    """By OpenTelemetry's names: https://opentelemetry.io/docs/specs/semconv/http/http-spans/."""
    said: dict[str, tracing.Value] = {"name": f"{method} {route}".strip(), "http.request.method": method}
    if route:
        said["http.route"] = route
    if status:
        said["http.response.status_code"] = status
    return {**said, "fault": str(status)} if status >= 500 else said  # noqa: PLR2004  RFC 9110: the server failed
