import asyncio
from dataclasses import dataclass

import pytest

from paperlane.ledger.dialects import sqlite
from paperlane.patience import Patience


@dataclass
class Waits:
    """How often anybody found the database, or the store, away and waited, with all waits short."""

    count: int = 0

    async def more(self, times: int) -> None:
        wanted = self.count + times
        async with asyncio.timeout(60):
            while self.count < wanted:
                await asyncio.sleep(0.005)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    counted, really = Waits(), Patience.wait

    def wait(patience: Patience) -> float:
        counted.count += 1
        really(patience)
        return 0.02

    monkeypatch.setattr(Patience, "wait", wait)
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.01)
    return counted
