"""Posts to an address within a time: the only file that knows a client library for it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx2


class Refused(Exception):
    """It was answered, and not taken: why."""


class Unreached(Exception):
    """There was no answer in time: why."""


class Posting:
    """Connections to one address, kept between posts."""

    def __init__(self, client: httpx2.AsyncClient, url: str, seconds: float) -> None:
        self._client = client
        self._url = url
        self._seconds = seconds

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns once it was taken. All in all it takes no longer than its seconds, whatever the receiver does.

        Of the answer nothing but its status is read; nobody is sent on to another address.
        """
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._client.stream("POST", self._url, content=body, headers=dict(headers)) as answer,
            ):
                status, taken = answer.status_code, answer.is_success
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:  # TimeoutError is an OSError
            raise Unreached(f"{type(error).__name__} {error}".strip()) from error
        if not taken:
            raise Refused(f"status {status}")


@asynccontextmanager
async def open_posting(url: str, seconds: float) -> AsyncGenerator[Posting]:
    """Posting to an address, each time in so many seconds."""
    async with httpx2.AsyncClient(timeout=seconds, headers={"user-agent": "Paperlane"}) as client:
        yield Posting(client, url, seconds)
