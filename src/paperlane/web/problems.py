"""Errors as problem documents (RFC 9457) with a stable `code`."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from paperlane.errors import DocumentError, PaperlaneError, Refused, TooMany

log = structlog.get_logger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def problem(status: int, code: str, detail: str, hint: str = "", **headers: str) -> JSONResponse:
    """A problem document."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "code": code}
    content |= {"detail": detail, "hint": hint}
    return JSONResponse(content, status, headers=headers or None, media_type="application/problem+json")


def refusal(error: PaperlaneError) -> JSONResponse:
    """The problem that an error of ours means."""
    status = error.status if isinstance(error, Refused) else 422 if isinstance(error, DocumentError) else 500
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(status, error.code, error.message, error.hint, **headers)


def install(app: FastAPI) -> None:
    """Answer every error in this form."""

    @app.exception_handler(PaperlaneError)
    async def _(_request: Request, error: PaperlaneError) -> JSONResponse:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, "invalid_request", f"{where}: {first['msg']}.", "See /openapi.json for what is expected.")

    @app.exception_handler(HTTPException)
    async def _(_request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "invalid_request")
        return problem(error.status_code, code, str(error.detail), **dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _(request: Request, error: Exception) -> JSONResponse:
        log.error("a request failed", path=request.url.path, exc_info=error)
        return problem(500, "internal_error", "Something went wrong on our side.", "Try again; if it stays, tell us.")
