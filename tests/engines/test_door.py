"""The door between a worker and the programs that bring it leases: whoever goes away hands back, junk is refused."""

import asyncio
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from paperlane.engines import door as doors
from paperlane.engines.door import AsyncVisitor, Door, Shut, Visitor, lease_of, words_of
from paperlane.model.tasks import Lease, Stage, TaskId, UserId

LEASE = Lease(TaskId("one"), 3, Stage.MODEL, UserId(5))


@dataclass
class House:
    """A worker that runs what is brought until it is let go."""

    at: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[Lease] = field(default_factory=list)
    ended: list[Lease] = field(default_factory=list)
    handed_back: list[Lease] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    serving: "asyncio.Task[object] | None" = None
    visitors: list[Visitor] = field(default_factory=list)
    heard: Callable[[], None] = lambda: None

    def visitor(self) -> Visitor:
        self.visitors.append(Visitor(self.at))
        return self.visitors[-1]

    def open(self) -> None:
        self.stop.clear()
        self.serving = asyncio.create_task(Door(self.at).serve(self.run, self.stop))

    async def run(self, lease: Lease) -> None:
        self.begun.append(lease)
        self.heard()
        try:
            await self.go_on.wait()
            self.ended.append(lease)
        except asyncio.CancelledError:
            self.handed_back.append(lease)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.005)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path / "door")
    made.open()
    await made.until(made.at.exists)
    yield made
    made.stop.set()
    made.go_on.set()
    if made.serving is not None:
        await made.serving
    for visitor in made.visitors:
        visitor.close()


Bring = Callable[[Lease], Coroutine[Any, Any, None]]


@pytest.fixture(params=["thread", "loop"])
async def bring(house: House, request: pytest.FixtureRequest) -> AsyncIterator[Bring]:
    """What brings leases, one after the other."""
    if request.param == "thread":
        visitor = house.visitor()
        yield lambda lease: asyncio.to_thread(visitor.bring, lease)
    else:
        visitor = AsyncVisitor(house.at)
        yield visitor.bring
        visitor.close()


async def test_who_brings_a_lease_waits_until_it_has_ended(house: House, bring: Bring):
    for times in (1, 2):
        bringing = asyncio.create_task(bring(LEASE))
        await house.until(lambda times=times: len(house.begun) == times)
        assert not bringing.done()
        house.go_on.set()
        await bringing
        house.go_on.clear()
    assert house.ended == [LEASE, LEASE]


@pytest.mark.parametrize("how", ["killed", "cancelled"])
async def test_what_is_under_way_is_handed_back_when_who_brought_it_goes_away(house: House, how: str):
    if how == "killed":
        code = f"from tests.engines.test_door import *; Visitor(Path({str(house.at)!r})).bring(LEASE)"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        await house.until(lambda: house.begun == [LEASE])
        process.kill()
        await process.wait()
    else:
        bringing = asyncio.create_task(AsyncVisitor(house.at).bring(LEASE))
        await house.until(lambda: house.begun == [LEASE])
        bringing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bringing
    await house.until(lambda: house.handed_back == [LEASE])


async def test_a_door_that_is_shut_for_a_while_is_waited_for(house: House, bring: Bring):
    house.go_on.set()
    await bring(LEASE)
    house.stop.set()
    assert house.serving is not None
    await house.serving
    bringing = asyncio.create_task(bring(LEASE))
    house.open()
    await bringing
    assert house.ended == [LEASE, LEASE]


async def test_a_door_that_stays_shut_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doors, "_PATIENCE", 0.0)
    with pytest.raises(Shut, match="does not answer"):
        await asyncio.to_thread(Visitor(tmp_path / "none").bring, LEASE)
    with pytest.raises(Shut, match="does not answer"):
        await AsyncVisitor(tmp_path / "none").bring(LEASE)


async def test_what_comes_while_it_stops_is_not_begun(house: House):
    first, second = house.visitor(), house.visitor()
    later = Lease(TaskId("two"), 1)
    bringing = asyncio.create_task(asyncio.to_thread(first.bring, LEASE))
    await house.until(lambda: house.begun == [LEASE])
    house.stop.set()
    await asyncio.to_thread(second.bring, later)
    house.go_on.set()
    await bringing
    assert house.serving is not None
    assert (await house.serving, house.begun) == ([later], [LEASE])


JUNK = [
    b"\n",
    b"{}\n",
    b"null\n",
    b"\x80\x04}\n",
    json.dumps({**words_of(LEASE), "fence": "3"}).encode() + b"\n",
    json.dumps({**words_of(LEASE), "stage": "gpu"}).encode() + b"\n",
    json.dumps({**words_of(LEASE), "user": None}).encode() + b"\n",
]


@pytest.mark.parametrize("junk", JUNK)
async def test_what_is_no_lease_is_refused_and_the_next_one_runs(house: House, junk: bytes):
    house.go_on.set()
    reader, writer = await asyncio.open_unix_connection(house.at)
    writer.write(junk + json.dumps(words_of(LEASE)).encode() + b"\n")
    assert (await reader.readline(), await reader.readline()) == (b"refused\n", b"ended\n")
    writer.close()


async def test_a_line_without_end_is_not_kept(house: House):
    with closing(socket.socket(socket.AF_UNIX)) as endless:
        endless.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(endless, str(house.at))

        async def send_for_ever() -> None:
            while True:
                await loop.sock_sendall(endless, b"x" * 65_536)

        with pytest.raises(OSError, match=r"pipe|reset"):
            await send_for_ever()
    assert house.begun == []


async def test_who_is_refused_is_told(bring: Bring):
    bad = Lease(TaskId("one"), 3, Stage.CPU, None)  # type: ignore[arg-type]
    assert lease_of(words_of(LEASE)) == LEASE
    with pytest.raises(ValueError, match="refused"):
        await bring(bad)


async def test_who_is_interrupted_gives_up_what_is_under_way(house: House, monkeypatch: pytest.MonkeyPatch):
    visitor = house.visitor()

    class Interrupted(Exception):
        pass

    def interrupt(line: bytes) -> bytes:
        assert visitor._connection is not None
        visitor._connection.sendall(line)
        assert begun.wait(30)
        raise Interrupted

    begun = threading.Event()
    house.heard = begun.set
    await asyncio.to_thread(visitor._knock)
    monkeypatch.setattr(visitor, "_answer", interrupt)
    with pytest.raises(Interrupted):
        await asyncio.to_thread(visitor.bring, LEASE)
    await house.until(lambda: house.handed_back == [LEASE])


async def test_who_says_more_before_it_is_answered_gives_up_what_is_under_way(house: House):
    reader, writer = await asyncio.open_unix_connection(house.at)
    line = json.dumps(words_of(LEASE)).encode() + b"\n"
    writer.write(line)
    await house.until(lambda: house.begun == [LEASE])
    writer.write(line)
    assert await reader.readline() == b"ended\n"
    assert house.handed_back == [LEASE]
    house.go_on.set()
    assert await reader.readline() == b"ended\n"
    writer.close()
