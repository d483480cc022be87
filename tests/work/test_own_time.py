"""Whose time runs while it waits for others, on a loop whose clock is set forward instead of waited for."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.work.conftest import rounds

from paperlane.work.own_time import own_time, waiting
from paperlane.work.sandbox import Limits, Sandbox

HOUR = 3_600.0


async def took(pass_time: Callable[[float], None], *, before: float = 0, waited: float = 0, after: float = 0) -> str:
    """What becomes of an attempt with 60 seconds of its own; the waiting has some inside of it."""
    try:
        async with own_time(60):
            pass_time(before)
            with waiting():
                pass_time(waited / 2)
                await rounds()
                with waiting():
                    pass_time(waited / 2)
                    await rounds()
            pass_time(after)
            await rounds()
    except TimeoutError:
        return "late"
    return "done"


async def test_time_runs_out(pass_time: Callable[[float], None]):
    assert await took(pass_time, before=40, after=30) == "late"
    assert await took(pass_time, after=HOUR) == "late"


async def test_time_stands_still_while_it_waits_and_goes_on_where_it_stood(pass_time: Callable[[float], None]):
    assert await took(pass_time, before=40, waited=HOUR, after=10) == "done"
    assert await took(pass_time, before=40, waited=HOUR, after=30) == "late"


async def test_who_waits_is_ended_as_ever():
    inside = asyncio.Event()

    async def wait() -> None:
        async with own_time(HOUR):
            with waiting():
                inside.set()
                await asyncio.Event().wait()

    waits = asyncio.create_task(wait())
    await inside.wait()
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits


async def test_who_waits_when_all_is_over_takes_its_turn_nevertheless():
    over = asyncio.Event()

    async def late() -> str:
        await over.wait()
        with waiting():
            return "done"

    async with own_time(HOUR):
        task = asyncio.create_task(late())
    over.set()
    assert await task == "done"


async def test_waiting_for_a_sandbox_takes_none_of_the_own_time(pass_time: Callable[[float], None]):
    limits = Limits(wall_seconds=100 * HOUR)
    async with Sandbox("steps_for_sandbox:STEPS", limits, children=1, paths=[str(Path(__file__).parent)]) as box:
        began = asyncio.Event()
        first = asyncio.create_task(box.run("wait", b'"x"', None, lambda _share, _message: began.set()))
        await began.wait()

        async def second() -> bytes:
            async with own_time(HOUR):
                return await box.run("echo", b'"mine"', None, lambda _share, _message: None)

        waits = asyncio.create_task(second())
        await rounds()
        pass_time(10 * HOUR)
        await rounds()
        assert not waits.done()
        first.cancel()
        assert await waits == b'"mine"'
