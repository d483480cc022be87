"""People who use the service: what they ask of it over HTTP and by WebSocket, and how long they wait for it."""

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

_PATIENCE = 60.0  # seconds for an answer
_CONNECTIONS = 200
_REFUSED = 0  # in place of a status: nobody answered
_ACCEPTED, _BUSY, _BROKEN = 202, 429, 500
_KEPT = 2.0  # seconds: shorter than the service keeps an idle connection, or both would end and use it at once
_A_PAGE = 1_000
_AGAIN = 0.5  # seconds until a lost connection is tried anew


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: what kind, when (of `time.time`), how long until the last byte, and the status.

    The status is 0 where nobody answered; `why` says what was met with then.
    """

    kind: str
    at: float
    seconds: float
    status: int
    why: str = ""

    @property
    def served(self) -> bool:
        """Was it answered in some way that is no fault of the service? Back-pressure and refusals are none."""
        return self.status != _REFUSED and self.status < _BROKEN

    @property
    def refused(self) -> bool:
        """Did back-pressure refuse it?"""
        return self.status == _BUSY


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and how it is known."""

    name: str
    number: int
    token: str
    cookie: str = ""


@dataclass(slots=True)
class Book:
    """All that was asked, and how late progress came: pairs of the time of its arrival and the seconds since it was."""

    asked: list[Asked] = field(default_factory=list)
    delays: list[tuple[float, float]] = field(default_factory=list)

    def seconds(self, *kinds: str, since: float = -math.inf, until: float = math.inf) -> Sequence[float]:
        """How long the answers of these kinds took; what nobody answered took no time that tells anything."""
        return [one.seconds for one in self.asked if one.kind in kinds and one.served and since <= one.at < until]


@dataclass(slots=True)
class People:
    """Everybody's way to the service; what they ask is written into the book."""

    client: httpx2.AsyncClient
    book: Book

    async def ask(
        self, kind: str, who: Person, method: str, path: str, *, by_cookie: bool = False, **more: Any
    ) -> httpx2.Response | None:
        """The answer, or None where there was none."""
        how = {"Cookie": who.cookie} if by_cookie else {"Authorization": f"Bearer {who.token}"}
        at, began = time.time(), time.perf_counter()
        try:
            answer = await self.client.request(method, path, headers=how, **more)
        except httpx2.HTTPError as error:
            why = type(error).__name__
            self.book.asked.append(Asked(kind, at, time.perf_counter() - began, _REFUSED, why))
            return None
        self.book.asked.append(Asked(kind, at, time.perf_counter() - began, answer.status_code))
        return answer

    async def add(self, admin: Person, name: str, limit: int) -> Person:
        """A new user, signed in on the page too. RuntimeError where the service does not let us."""
        asked = {"name": name, "limit": limit}
        made = await self.ask("setup", admin, "POST", "/api/v1/users", json=asked)
        if made is None or made.is_error:
            raise RuntimeError(f"no user could be made: {made and made.text}")
        person = Person(name, made.json()["id"], made.json()["token"])
        signed = await self.ask("setup", person, "POST", "/api/v1/session", json={"token": person.token})
        if signed is None or signed.is_error:
            raise RuntimeError(f"nobody could sign in: {signed and signed.text}")
        return Person(person.name, person.number, person.token, signed.headers["set-cookie"].partition(";")[0])

    async def upload(self, kind: str, who: Person, documents: Sequence[tuple[str, bytes]]) -> Mapping[str, Any] | None:
        """Submit a batch; the answer where it was accepted."""
        files = [("files", (name, content, "text/markdown")) for name, content in documents]
        answer = await self.ask(kind, who, "POST", "/api/v1/batches", files=files)
        return answer.json() if answer is not None and answer.status_code == _ACCEPTED else None

    async def all_tasks(self, who: Person) -> Sequence[Mapping[str, Any]] | None:
        """All tasks of somebody, the newest first; None where the service does not tell."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            asked = {"limit": _A_PAGE, **({"cursor": cursor} if cursor else {})}
            answer = await self.ask("account", who, "GET", "/api/v1/tasks", params=asked)
            if answer is None or answer.is_error:
                return None
            page = answer.json()
            found += page["items"]
            cursor = page["next"]
        return found

    async def follow(self, who: Person, batch: str) -> None:
        """Follow a batch until its last task has ended, or the socket is lost; the delay of each change is kept."""
        url = f"{self.client.base_url}".replace("http", "ws", 1).rstrip("/")
        with suppress(OSError, WebSocketException, TimeoutError):
            headers = {"Authorization": f"Bearer {who.token}"}
            async with connect(
                f"{url}/api/v1/progress?batch={batch}", additional_headers=headers, proxy=None
            ) as socket:
                async for delay in _delays(socket):
                    self.book.delays.append((time.time(), delay))
                return
        await asyncio.sleep(_AGAIN)


async def _delays(socket: Any) -> AsyncGenerator[float]:
    """Seconds from each change to its frame; the first frame of a task tells what was before, so it has none."""
    known: set[str] = set()
    async for said in socket:
        frame = json.loads(said)
        if frame["task"] in known:
            yield max(0.0, time.time() - moment(frame["at"]))
        known.add(frame["task"])


def moment(said: str) -> float:
    """A time of the interface, in seconds since 1970."""
    return datetime.fromisoformat(said).timestamp()


def accepted(batch: Mapping[str, Any]) -> Iterator[str]:
    """The tasks that an upload's answer promises."""
    for task in batch["tasks"]:
        yield task["id"]


@asynccontextmanager
async def everybody(url: str) -> AsyncGenerator[People]:
    """People at the service of this address; what they ask and hear is in their book."""
    limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEPT)
    async with httpx2.AsyncClient(
        base_url=url, timeout=_PATIENCE, limits=limits, trust_env=False, verify=False
    ) as client:
        yield People(client, Book())
