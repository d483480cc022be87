"""Errors as problem documents (RFC 9457) with a stable `code`."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paperlane.catalog import CODES
from paperlane.errors import DocumentError, PaperlaneError, Refused, TooMany, Unavailable

log = structlog.get_logger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_UNKNOWN = "Something went wrong on our side."


def problem(status: int, code: str, detail: str, hint: str = "", **headers: str) -> JSONResponse:
    """A problem document."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code}
    content |= {"detail": detail, "hint": hint}
    return JSONResponse(content, status, headers=headers or None, media_type="application/problem+json")


def may(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How `/openapi.json` tells of refusals; `Problem` is among its schemas."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def refusal(error: PaperlaneError) -> JSONResponse:
    """The problem that an error of ours means."""
    known = isinstance(error, (Refused, Unavailable))
    status = error.status if known else 422 if isinstance(error, DocumentError) else 500
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, (TooMany, Unavailable)) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.REQUEST_TIMEOUT:
        headers["Connection"] = "close"  # what comes late is no new request
    return problem(status, error.code, error.message, error.hint, **headers)


def unreachable() -> JSONResponse:
    """What a call gets while the database cannot be reached."""
    return refusal(_discreet(Unavailable("")))


def install(app: FastAPI) -> None:
    """Answer every error in this form."""

    @app.exception_handler(PaperlaneError)
    async def _(request: Request, error: PaperlaneError) -> JSONResponse:
        if isinstance(error, Unavailable):
            log.warning("a request cannot be served now", path=request.url.path, why=error.message)
            return refusal(_discreet(error))
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, "invalid_request", f"{where}: {first['msg']}.", "See /openapi.json for what is expected.")

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "invalid_request")
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods(app, request)))
        # a body that is no text is refused as one that is no JSON
        status = 422 if error.status_code == HTTPStatus.BAD_REQUEST else error.status_code
        return problem(status, code, str(error.detail), **headers)


def _discreet(error: Unavailable) -> Unavailable:
    """The same, without what the database or the system said: addresses and paths are for the log."""
    told = CODES[error.code]
    return type(error)(told.message[0], hint=told.hint[0])


def _methods(app: FastAPI, request: Request) -> set[str]:
    """All methods of a path; the framework itself names those of its first route only."""
    described = app.openapi()["paths"].items()
    ours = {
        verb.upper() for path, verbs in described if compile_path(path)[0].match(request.url.path) for verb in verbs
    }
    ours = ours or {"GET"}
    return ours | {"HEAD"} if "GET" in ours else ours


class Unfailing:
    """What nobody foresaw is logged once, and answered as everything else; whoever went away is no error of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except (ClientDisconnect, WebSocketDisconnect):
            return
        except Exception:
            log.exception("a request failed", path=scope.get("path"))
            if scope["type"] == "websocket":
                with suppress(RuntimeError, OSError):  # it may be closed by now
                    await send({"type": "websocket.close", "code": 1011})
            elif not begun:
                unknown = problem(500, "internal_error", _UNKNOWN, "Try again; if it stays, tell us.")
                await unknown(scope, receive, send)
