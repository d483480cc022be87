"""Bodies of requests: bounded in size, and never waited for without end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from math import inf
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paperlane.errors import Refused, TookTooLong, TooLarge
from paperlane.web import problems

Given = TypeVar("Given")

_LARGEST = 1 << 20
_DIGITS = 18


def told_length(headers: Headers) -> float:
    """The bytes that a body says it has, 0 where it does not say; endless for what is no sensible number."""
    told = headers.get("Content-Length", "0")
    return int(told) if told.isascii() and told.isdigit() and len(told) <= _DIGITS else inf


async def arriving(body: AsyncIterator[bytes], idle: float) -> AsyncIterator[bytes]:
    """The same pieces; TookTooLong when so many seconds pass without one."""
    while True:
        try:
            piece = await _soon(anext(body), idle)
        except StopAsyncIteration:
            return
        yield piece


async def _soon(coming: Awaitable[Given], idle: float) -> Given:
    try:
        async with asyncio.timeout(idle):
            return await coming
    except TimeoutError as error:
        raise TookTooLong(
            f"Nothing of the body came for {idle:g} seconds.", hint="Send it again, without a break."
        ) from error


class SmallBodies:
    """Bodies are small and here whole before anybody looks at them, but those that stream and bound themselves."""

    def __init__(self, app: ASGIApp, streams: str, idle: float) -> None:
        self._app = app
        self._streams = streams
        self._idle = idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == self._streams:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._whole(scope, receive)
        except Refused as error:
            await problems.refusal(error)(scope, receive, send)
            return
        held: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return held.pop() if held else await receive()

        await self._app(scope, again, send)

    async def _whole(self, scope: Scope, receive: Receive) -> bytes:
        too_large = TooLarge("The body is too large.", hint=f"Files go to {self._streams}.")
        if told_length(Headers(scope=scope)) > _LARGEST:
            raise too_large
        body, more = bytearray(), True
        while more:
            message = await _soon(receive(), self._idle)
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _LARGEST:
                raise too_large
        return bytes(body)
