"""Procrastinate on PostgreSQL: asynchronous worker, psycopg pool, NOTIFY."""

import asyncio
from contextlib import suppress
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector

from benchmarks.peers.tally import Mark, Ran
from benchmarks.protocol import speak

mark = Mark()


class Procrastinate:
    """Answers the benchmark's questions."""

    def setup(self, url: str) -> str:
        self._app = App(connector=PsycopgConnector(conninfo=url, min_size=4, max_size=20))

        @self._app.task(name="nothing", pass_context=False)
        async def nothing() -> None:
            mark()

        self._nothing = nothing

        async def create() -> None:
            async with self._app.open_async():
                await self._app.schema_manager.apply_schema_async()

        uvloop.run(create())
        return "uvloop, pool of 20, finished jobs deleted"

    def prepare(self, count: int) -> None:
        async def fill() -> None:
            async with self._app.open_async():
                for at in range(0, count, 1_000):
                    await self._nothing.batch_defer_async(*[{}] * min(1_000, count - at))

        uvloop.run(fill())

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        async def work() -> dict[str, Any]:
            async with self._app.open_async():
                ran = Ran()
                worker = asyncio.create_task(
                    self._app.run_worker_async(
                        concurrency=in_flight, delete_jobs="always", install_signal_handlers=False
                    )
                )
                found = await ran.until(count, seconds)
                worker.cancel()
                with suppress(asyncio.CancelledError):
                    await worker
                return found

        return uvloop.run(work())


if __name__ == "__main__":
    speak(Procrastinate())
