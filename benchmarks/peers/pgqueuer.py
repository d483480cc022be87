"""PGQueuer on PostgreSQL: asyncpg, uvloop."""

import asyncio
import time
from typing import Any

import asyncpg
import uvloop
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job

from benchmarks.peers.tally import Begun, Mark, Ran
from benchmarks.protocol import speak

mark = Mark()


class PgQueuer:
    """Answers the benchmark's questions; `in_flight` is its batch size."""

    async def _manager(self) -> QueueManager:
        self._connection = await asyncpg.connect(self._url)
        return QueueManager(Queries(AsyncpgDriver(self._connection)))

    def setup(self, url: str) -> str:
        self._url = url

        async def create() -> None:
            await (await self._manager()).queries.install()
            await self._connection.close()

        uvloop.run(create())
        return "uvloop, asyncpg"

    def join(self, url: str) -> None:
        """Another process has set it up."""
        self._url = url

    def prepare(self, count: int) -> None:
        async def fill() -> None:
            queries = (await self._manager()).queries
            for at in range(0, count, 5_000):
                some = min(5_000, count - at)
                await queries.enqueue(["nothing"] * some, [None] * some, [0] * some)
            await self._connection.close()

        uvloop.run(fill())

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        async def work() -> dict[str, Any]:
            manager = await self._manager()

            @manager.entrypoint("nothing")
            async def nothing(_job: Job) -> None:
                mark()

            ran = Ran()
            worker = asyncio.create_task(manager.run(batch_size=in_flight))
            found = await ran.until(count, seconds)
            manager.shutdown.set()
            await worker
            await self._connection.close()
            return found

        return uvloop.run(work())

    def pickup(self, count: int) -> list[float]:
        async def work() -> list[float]:
            manager = await self._manager()
            begun = Begun()

            @manager.entrypoint("nothing")
            async def nothing(_job: Job) -> None:
                begun()

            worker = asyncio.create_task(manager.run(batch_size=10))
            found = await begun.until(count)
            manager.shutdown.set()
            await worker
            await self._connection.close()
            return found

        return uvloop.run(work())

    def submit(self, count: int, gap: float) -> list[tuple[float, float]]:
        async def send() -> list[tuple[float, float]]:
            queries = (await self._manager()).queries
            sent = []
            for _ in range(count):
                await asyncio.sleep(gap)
                began = time.monotonic()
                await queries.enqueue("nothing", None)
                sent.append((began, time.monotonic()))
            await self._connection.close()
            return sent

        return uvloop.run(send())


if __name__ == "__main__":
    speak(PgQueuer())
