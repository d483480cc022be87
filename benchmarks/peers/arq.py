"""arq on Redis."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import uvloop
from arq import create_pool, func
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker

from benchmarks.peers.tally import Mark, Ran
from benchmarks.protocol import speak

_AT_ONCE = 50
_POLL = 0.01  # seconds; the default of 0.5 would only make it wait
mark = Mark()


def packed(given: dict[str, Any]) -> bytes:
    """JSON, as one would in earnest; it pickles by default."""
    return json.dumps(given).encode()


async def nothing(_ctx: dict[str, Any]) -> None:
    """Do nothing, and count it."""
    mark()


class Arq:
    """Answers the benchmark's questions."""

    def setup(self, url: str) -> str:
        self._settings = RedisSettings.from_dsn(url)
        return f"uvloop, hiredis, JSON, poll_delay {_POLL}, keep_result 0"

    async def _pool(self) -> ArqRedis:
        return await create_pool(self._settings, job_serializer=packed, job_deserializer=json.loads)

    def prepare(self, count: int) -> None:
        async def fill() -> None:
            pool = await self._pool()
            for at in range(0, count, _AT_ONCE):
                await asyncio.gather(*(pool.enqueue_job("nothing") for _ in range(min(_AT_ONCE, count - at))))
            await pool.aclose()

        uvloop.run(fill())

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:
        async def work() -> dict[str, Any]:
            ran = Ran()
            worker = Worker(
                [func(nothing, keep_result=0)],
                redis_settings=self._settings,
                max_jobs=in_flight,
                poll_delay=_POLL,
                handle_signals=False,
                job_serializer=packed,
                job_deserializer=json.loads,
            )
            serving = asyncio.create_task(worker.async_run())
            found = await ran.until(count, seconds)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            with suppress(asyncio.CancelledError):  # of jobs that were under way
                await worker.close()
            return found

        return uvloop.run(work())


if __name__ == "__main__":
    speak(Arq())
