"""ARQ without Paperlane, with the settings that Paperlane gives it, which ARQ's own command loads."""

import asyncio
import json
import os
import time
from typing import Any

from arq import create_pool, func
from arq.connections import ArqRedis, RedisSettings

from benchmarks.engines.ran import mark
from benchmarks.protocol import speak

QUIET = {"version": 1, "loggers": {"arq": {"level": "WARNING"}}}
"""What ARQ shall log: by default two lines a job."""

_BROKER = "PAPERLANE_BENCH_BROKER"


def _words(value: object) -> bytes:
    return json.dumps(value).encode()


async def nothing(_context: dict[Any, Any], *, task: str) -> None:  # noqa: ARG001  as long as a lease is
    """Do nothing, and tell when."""
    mark()


class WorkerSettings:
    """What ARQ calls so."""

    functions = (func(nothing),)
    redis_settings = RedisSettings.from_dsn(os.environ[_BROKER])
    max_jobs = int(os.environ.get("PAPERLANE_BENCH_SLOTS", "50"))
    job_timeout = 600
    keep_result = 3_600
    max_tries = 3
    poll_delay = 0.1
    job_serializer = _words
    job_deserializer = json.loads
    log_results = False


class Sender:
    """Puts tasks into the queue."""

    def fill(self, count: int) -> None:
        """So many."""

        async def fill() -> None:
            pool = await self._pool()
            for at in range(0, count, 50):
                await asyncio.gather(
                    *(pool.enqueue_job("nothing", task=f"{n:032}") for n in range(at, min(at + 50, count)))
                )
            await pool.aclose()

        asyncio.run(fill())

    def send(self, count: int, gap: float) -> list[float]:
        """One after the other; when each was asked for."""

        async def send() -> list[float]:
            pool, sent = await self._pool(), list[float]()
            for number in range(count):
                sent.append(time.monotonic())
                await pool.enqueue_job("nothing", task=f"{number:032}")
                await asyncio.sleep(gap)
            await pool.aclose()
            return sent

        return asyncio.run(send())

    async def _pool(self) -> ArqRedis:
        return await create_pool(WorkerSettings.redis_settings, job_serializer=_words, job_deserializer=json.loads)


if __name__ == "__main__":
    speak(Sender())
