"""SAQ, on PostgreSQL or on Redis by its URL."""

import asyncio
import time
from typing import Any

import uvloop
from saq import Queue, Worker
from saq.types import Context

from benchmarks.peers.tally import Begun, Mark, Ran
from benchmarks.protocol import speak

_AT_ONCE = 50
mark = Mark()


async def nothing(_ctx: Context) -> None:
    """Do nothing, and count it."""
    mark()


class Saq:
    """Answers the benchmark's questions."""

    async def _queue(self) -> Queue:
        queue = Queue.from_url(self._url)
        await queue.connect()
        return queue

    def setup(self, url: str) -> str:
        self.join(url)

        async def create() -> None:
            await (await self._queue()).disconnect()

        uvloop.run(create())
        return "uvloop, hiredis" if url.startswith("redis") else "uvloop, pool of 20"

    def join(self, url: str) -> None:
        """Another process has set it up."""
        self._url = url

    def prepare(self, count: int) -> None:
        async def fill() -> None:
            queue = await self._queue()
            for at in range(0, count, _AT_ONCE):
                await asyncio.gather(*(queue.enqueue("nothing") for _ in range(min(_AT_ONCE, count - at))))
            await queue.disconnect()

        uvloop.run(fill())

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        async def work() -> dict[str, Any]:
            queue = await self._queue()
            ran = Ran()
            worker = Worker(queue, [nothing], concurrency=in_flight)
            serving = asyncio.create_task(worker.start())
            found = await ran.until(count, seconds)
            await worker.stop()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await queue.disconnect()
            return found

        return uvloop.run(work())

    def pickup(self, count: int) -> list[float]:
        async def work() -> list[float]:
            queue = await self._queue()
            begun = Begun()

            async def nothing(_ctx: Context) -> None:
                begun()

            worker = Worker(queue, [("nothing", nothing)], concurrency=10)
            serving = asyncio.create_task(worker.start())
            found = await begun.until(count)
            await worker.stop()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await queue.disconnect()
            return found

        return uvloop.run(work())

    def submit(self, count: int, gap: float) -> list[tuple[float, float]]:
        async def send() -> list[tuple[float, float]]:
            queue = await self._queue()
            sent = []
            for _ in range(count):
                await asyncio.sleep(gap)
                began = time.monotonic()
                await queue.enqueue("nothing")
                sent.append((began, time.monotonic()))
            await queue.disconnect()
            return sent

        return uvloop.run(send())


if __name__ == "__main__":
    speak(Saq())
