"""What tests of running work share: a loop whose clock is set forward instead of waited for."""

import asyncio
from collections.abc import Callable

import pytest


@pytest.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the loop's clock forward by some seconds; what is due then happens in its next round."""
    loop = asyncio.get_running_loop()
    real, passed = loop.time, 0.0

    def forward(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(loop, "time", lambda: real() + passed)
    return forward


async def rounds() -> None:
    """Let all that is due happen."""
    for _ in range(5):
        await asyncio.sleep(0)
