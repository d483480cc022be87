"""Our side as `paperlane worker` runs it: a host of the engine `database`, with tasks of one step that does nothing."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from benchmarks.ledger.worker import Ours
from benchmarks.protocol import speak
from paperlane import logs
from paperlane.engines.database import Database
from paperlane.hosting import Host
from paperlane.model.steps import RunStep, Saved, Step
from paperlane.settings import Settings
from paperlane.work import Chain

_NOTHING = Step("nothing", 1, dict[str, object], dict[str, object], lambda value, _job: value, 100)


async def _one_step(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    return await run(_NOTHING, value)


class _AtOnce:
    """Stands where the sandbox is: the step's result is there at once."""

    def __init__(self, count: int) -> None:
        self.first = asyncio.Event()
        self.last = asyncio.Event()
        self.ran = 0
        self._count = count

    async def __call__(
        self, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        del step, file, progress
        self.first.set()
        self.ran += 1
        if self.ran >= self._count:
            self.last.set()
        return value


class Hosted(Ours):
    """Drains by a host, with its heartbeats, sweeps and threads; each task is begun, and its step leaves a checkpoint.

    The sandbox alone is left out: children that do nothing would be measured, and no other queue has them.
    """

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        """Until all have run or the time is over; from the first step to the end of the last task."""
        return asyncio.run(self._drain(count, seconds, in_flight))

    async def _drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        settings = Settings()
        steps, stop = _AtOnce(count), asyncio.Event()
        host = Host(
            self._ledger,
            Chain(_one_step),
            steps,
            heartbeat=settings.heartbeat_seconds,
            sweep=settings.sweep_seconds,
            grace=settings.grace_seconds,
        )
        async with asyncio.TaskGroup() as working:
            working.create_task(host.pull(Database(), in_flight, stop))
            await steps.first.wait()
            began = time.perf_counter()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await steps.last.wait()
            stop.set()
        return {"done": steps.ran, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    logs.configure(Settings())
    speak(Hosted())
