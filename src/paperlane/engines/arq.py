"""The engine `arq`: jobs of ARQ on Redis, each of which brings one lease to the worker beside it.

The ledger decides what runs, how often and for how long; of ARQ's own retries only the one is used that runs a job anew
whose process went away, and what it brings then is refused. A job's id holds the fence: ARQ refuses an id whose result
it keeps. JSON instead of pickle, for whoever reaches Redis could have anything run otherwise.
"""

import asyncio
import atexit
import json
import signal
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from arq.worker import Function, Worker, func
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as TooSlow

from paperlane.engines import Traits
from paperlane.engines.beside import Beside
from paperlane.engines.brokers import SCHEMES, checked, unusable
from paperlane.engines.door import AsyncVisitor, Brought, Door, lease_of, words_of
from paperlane.errors import Misconfigured
from paperlane.model.tasks import Lease

log = structlog.get_logger(__name__)

_QUEUE = "paperlane:arq"
_FUNCTION = "paperlane.run"
_LONGEST = 600  # seconds that a job may take
_KEPT = 3_600  # seconds that its end can be looked up
_TRIES = 3
_UNREAD = 86_400_000  # milliseconds after which a job that nobody fetched is no more
_POLL = 0.1  # seconds between two looks for jobs
_SOON = 0.01  # seconds, while jobs come and go
_HEALTH = 30  # seconds between two signs of life, which `arq --check` reads
_IMPATIENT = 3  # seconds in which Redis must answer a dispatcher


def queue_of(user: int, shards: int) -> str:
    """The queue of a user's leases; a worker process serves one."""
    return f"{_QUEUE}:{user % shards}" if shards > 1 else _QUEUE


def _words(value: object) -> bytes:
    return json.dumps(value, default=repr).encode()  # an error that is kept as a job's result is told in words


def _read(job: bytes) -> dict[str, Any]:
    """A job as ARQ writes it. ValueError for anything else."""
    match json.loads(job):
        case {"t": None | int(), "f": str(), "a": list(), "k": dict(), "et": int()} as read:
            return read
        case _:
            raise ValueError("This is no job of ARQ.")


def _settings(url: str) -> RedisSettings:
    try:
        settings = RedisSettings.from_dsn(url)
    except (ValueError, RuntimeError) as error:
        raise Misconfigured(
            "PAPERLANE_REDIS_URL is no address of a Redis.", hint="Write redis://HOST:6379/0."
        ) from error
    settings.password = settings.password and unquote(settings.password)
    settings.ssl_check_hostname = True  # with TLS: any certificate for any other host would do
    return settings


class Arq(Brought):
    """Pushes: what a Redis that is emptied forgets is handed out again by the ledger."""

    traits = Traits("arq", pulled=False, longest_attempt=_LONGEST)

    def __init__(self, redis: ArqRedis, shards: int, door: Door | None) -> None:
        self._redis = redis
        self._shards = shards
        super().__init__(door)

    async def deliver(self, leases: Sequence[Lease]) -> None:
        """Put a job for each lease into its user's queue, all in one round trip.

        ARQ's own way takes three for each, to see whether a job is there already; a lease has a fence of its own.
        """
        now = time.time_ns() // 1_000_000
        async with asyncio.timeout(_IMPATIENT), self._redis.pipeline(transaction=True) as together:
            for lease in leases:
                name = f"{lease.task}:{lease.fence}"
                job = serialize_job(_FUNCTION, (), words_of(lease), None, now, serializer=_words)
                together.psetex(job_key_prefix + name, _UNREAD, job)
                together.zadd(queue_of(lease.user, self._shards), {name: now})
            await together.execute()


@asynccontextmanager
async def opened(url: str, shards: int, door: Door | None) -> AsyncGenerator[Arq]:
    """The engine on a Redis that answers. Misconfigured for an address that is none, or where none does."""
    checked(url, SCHEMES["arq"], "PAPERLANE_REDIS_URL")
    settings = _settings(url)
    settings.conn_timeout, settings.conn_retries = _IMPATIENT, 0
    try:
        async with asyncio.timeout(2 * _IMPATIENT):  # something else may listen there, and wait for words of its own
            redis = await create_pool(settings, job_serializer=_words, job_deserializer=json.loads)
    except (RedisError, OSError, TimeoutError) as error:
        raise unusable(url, str(error), "PAPERLANE_REDIS_URL") from error
    try:
        yield Arq(redis, shards, door)
    finally:
        await redis.aclose(close_connection_pool=True)  # type: ignore[attr-defined]


class _Steady(Worker):
    """ARQ's worker, which goes on where its Redis went away in the middle of a step; by itself it would end."""

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """One after the other; the place of one that could not be started is free again."""
        for job in job_ids:
            try:
                await super().start_jobs([job])
            except (RedisError, OSError) as error:
                self._release_sem_dec_counter_on_complete()
                log.warning("a job could not be started", why=str(error))
                return
            except Exception as error:  # noqa: BLE001  whatever a stranger's job is, it must not come again
                self._release_sem_dec_counter_on_complete()
                await self.pool.zrem(self.queue_name, job)
                log.warning("a job that is none was thrown away", why=repr(error))

    async def _poll_iteration(self) -> None:
        """Soon again while jobs come and go: for a place that is free another job is on its way."""
        before = self._counts
        await self._poll_once()
        while before != (before := self._counts):
            await asyncio.sleep(_SOON)
            await self._poll_once()

    @property
    def _counts(self) -> tuple[int, ...]:
        """Another one where a job was begun or has ended."""
        return len(self.tasks), self.jobs_complete, self.jobs_failed, self.jobs_retried

    async def _poll_once(self) -> None:
        try:
            await super()._poll_iteration()
        except (RedisError, OSError) as error:
            log.warning("Redis cannot be used", why=str(error))
        except Exception:
            log.exception("a job ended in a way that ARQ does not know")

    async def close(self) -> None:
        """Also where Redis is away, which would be told that this worker is gone."""
        try:
            await super().close()
        except (RedisError, OSError) as error:
            log.warning("Redis cannot be told that this worker ends", why=str(error))
            if self.on_shutdown is not None:
                await self.on_shutdown(self.ctx)


class Program:
    """ARQ's own program: `settings` are what `arq` calls its WorkerSettings.

    `command` starts the worker beside, which must have `slots` too; it drains for `grace` seconds when this one ends.
    """

    def __init__(self, url: str, shards: int, shard: int, slots: int, command: Sequence[str], grace: float) -> None:
        self._beside = Beside(command, grace)
        self._idle: list[AsyncVisitor] = []
        redis = _settings(url)
        redis.retry = Retry(EqualJitterBackoff(cap=1, base=0.05), 5)  # some seconds: whoever stops it waits for them
        redis.retry_on_error = [Unreachable, TooSlow, OSError]  # the last one where nobody listens
        self.settings: dict[str, Any] = {
            "functions": [self._function()],
            "queue_name": queue_of(shard, shards),
            "redis_settings": redis,
            "max_jobs": slots,
            "job_timeout": _LONGEST,
            "keep_result": _KEPT,
            "max_tries": _TRIES,
            "poll_delay": _POLL,
            "health_check_interval": _HEALTH,
            "job_completion_wait": max(1, round(grace)),
            "job_serializer": _words,
            "job_deserializer": _read,
            "log_results": False,
            "on_startup": self._start,
            "on_shutdown": self._stop,
        }

    def _function(self) -> Function:
        async def run(ctx: dict[Any, Any], **words: object) -> None:  # noqa: ARG001  ARQ's own name
            await self._bring(lease_of(words))

        return func(run, name=_FUNCTION)

    def run(self) -> None:
        """Be that program until told to stop: the worker beside drains at once, and what it runs ends then."""
        worker = _Steady(**self.settings)
        for number in (signal.SIGINT, signal.SIGTERM):
            worker.loop.add_signal_handler(number, self._end, worker, number)
        worker.run()

    def _end(self, worker: Worker, number: signal.Signals) -> None:
        self._beside.stop()
        worker.handle_sig_wait_for_completion(number)

    async def _start(self, _context: dict[str, Any]) -> None:
        self._beside.start()
        atexit.register(self._beside.close)  # ARQ does not tell the end of a program whose Redis went away

    async def _stop(self, _context: dict[str, Any]) -> None:
        await asyncio.to_thread(self._beside.close)
        for visitor in self._idle:
            visitor.close()

    async def _bring(self, lease: Lease) -> None:
        visitor = self._idle.pop() if self._idle else AsyncVisitor(self._beside.door)
        await visitor.bring(lease)  # cancelled, it hands back
        self._idle.append(visitor)
