"""Threads under an event loop: a call that began is never overtaken by its caller's end, unless it is made apart."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from paperlane.threads import Threads, apart


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads("test", 2)
    yield made
    made.close()


async def test_it_gives_what_the_call_gives(threads: Threads):
    assert await threads(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads(divmod, 7, 0)


@pytest.mark.parametrize("fault", [None, ValueError("late")])
async def test_a_cancelled_caller_goes_on_only_when_its_call_has_ended(threads: Threads, fault: Exception | None):
    begun, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    order: list[str] = []

    def call() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(60)
        order.append("the call ended")
        if fault is not None:
            raise fault

    async def caller() -> None:
        try:
            await threads(call)
        finally:
            order.append("its caller cleaned up")

    calling = asyncio.create_task(caller())
    await begun.wait()
    for _ in range(3):  # also when it is cancelled again while it waits
        calling.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    assert order == []
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert order == ["the call ended", "its caller cleaned up"]


async def test_apart_it_gives_what_the_call_gives():
    assert await apart(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await apart(divmod, 7, 0)


@pytest.mark.parametrize("fault", [None, ValueError("late")])
async def test_nobody_waits_for_a_call_apart(fault: Exception | None):
    begun, may_end, ends = asyncio.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def call() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait(60)
        loop.call_soon_threadsafe(ends.set)
        if fault is not None:
            raise fault

    calling = asyncio.create_task(apart(call))
    await begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    may_end.set()
    await ends.wait()  # and what it gives or raises bothers nobody


def test_a_process_does_not_wait_for_a_call_apart():
    program = """
import asyncio, threading
from paperlane.threads import apart

async def main():
    calling = asyncio.create_task(apart(threading.Event().wait))
    await asyncio.wait([calling], timeout=0.01)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
