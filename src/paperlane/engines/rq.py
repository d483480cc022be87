"""The engine `rq`: jobs of RQ on Redis, whose work-horses each bring one lease to the worker beside them.

The ledger decides what runs, how often and for how long: RQ retries nothing, and what it keeps is for people to
look at. Its messages are JSON, and name one function; whoever reaches Redis could have anything run otherwise.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from socket import gethostname
from string import ascii_letters, digits
from threading import Thread
from typing import Any

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline, PubSub, PubSubWorkerThread
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as TooSlow
from redis.retry import Retry
from rq import Queue, SpawnWorker, Worker
from rq.executions import Execution
from rq.job import JOB_ID_PATTERN, Job
from rq.serializers import JSONSerializer
from rq.worker_registration import register
from typing_extensions import override

from paperlane.engines import Traits
from paperlane.engines.beside import Beside
from paperlane.engines.brokers import SCHEMES, checked, unusable
from paperlane.engines.door import Brought, Door, Visitor, lease_of, words_of
from paperlane.errors import Misconfigured
from paperlane.model.tasks import Lease
from paperlane.patience import Patience
from paperlane.threads import Threads

log = structlog.get_logger(__name__)
rq_log = logging.getLogger("rq.worker")

QUEUE = "document_processing"
FUNCTION = "paperlane.entry.rq.run"
DOOR, REDIS = "PAPERLANE_DOOR", "PAPERLANE_REDIS_URL"
"""How RQ's own processes are told where to bring leases, and where these come from."""

_LONGEST = 600  # seconds that a job may take
_ENDED_KEPT, _FAILED_KEPT = 300, 86_400  # seconds for which a job that ended can be looked at
_UNREAD = 600  # seconds after which a job that nobody fetched is no more: its lease was given to another one
_IMPATIENT = 3.0  # seconds in which Redis must answer a dispatcher
_ALIVE = 20  # seconds for which RQ believes in a silent worker; it asks for jobs for 5, and waits for 15 at most
_SOONEST, _LATEST = 0.2, 5.0  # seconds before an RQ worker that ended is started again, and Redis is asked again
_LAST_WORDS = 10.0  # seconds that RQ's workers may take to end beyond the grace
_PLAIN = frozenset(ascii_letters + digits + "-")

_TOLD = frozenset(
    "data description status worker_name created_at enqueued_at started_at ended_at last_heartbeat".split()  # noqa: SIM905
)
"""What is believed of a job in Redis. The rest would call functions and addresses, wait for others, or run it again."""


def bring(words: object) -> None:
    """What a job does: bring the lease in these words to the worker beside, and wait until it has ended.

    Misconfigured where there is none, ValueError where it is no lease, Shut where the worker does not open.
    """
    if not (door := os.environ.get(DOOR)):
        raise Misconfigured("No worker of Paperlane runs beside this one of RQ: start `paperlane worker --engine rq`.")
    with Visitor(Path(door)) as visitor:
        visitor.bring(lease_of(words))


def id_of(lease: Lease) -> str:
    """The job of a lease: letters, digits, - and _ are all that RQ allows."""
    task = "".join(sign if sign in _PLAIN else f"_{ord(sign):x}_" for sign in lease.task)
    return f"{task}-{lease.fence}"


class Rq(Brought):
    """Pushes: what a Redis that is emptied forgets is handed out again by the ledger."""

    traits = Traits("rq", pulled=False, longest_attempt=_LONGEST)

    def __init__(self, redis: Redis, threads: Threads, door: Door | None) -> None:
        self._queue = Queue(QUEUE, redis, serializer=JSONSerializer)
        self._threads = threads
        super().__init__(door)

    async def deliver(self, leases: Sequence[Lease]) -> None:
        """Put a job for each lease into the queue, all in one transaction."""
        await self._threads(self._queue.enqueue_many, [self._job(lease) for lease in leases])

    @staticmethod
    def _job(lease: Lease) -> Any:
        return Queue.prepare_data(
            FUNCTION,
            (words_of(lease),),
            timeout=_LONGEST,
            result_ttl=_ENDED_KEPT,
            ttl=_UNREAD,
            failure_ttl=_FAILED_KEPT,
            description=f"task {lease.task} of user {lease.user}, lease {lease.fence}",
            job_id=id_of(lease),
        )


@asynccontextmanager
async def opened(url: str, door: Door | None) -> AsyncGenerator[Rq]:
    """The engine on a Redis that answers. Misconfigured for an address that is none, or where none does."""
    checked(url, SCHEMES["rq"], REDIS)
    threads = Threads("rq-broker")
    try:
        try:
            redis = _connected(url, socket_timeout=_IMPATIENT)
            await threads(redis.ping)
        except (RedisError, OSError, ValueError) as error:
            raise unusable(url, str(error), REDIS) from error
        try:
            yield Rq(redis, threads, door)
        finally:
            redis.close()
    finally:
        threads.close()


def _connected(url: str, **options: float) -> Redis:
    """A client that connects anew once: after that Redis is away, and who asked decides when to ask again.

    Each work-horse connects: it says hello in no more words than it must, a fifth of what RQ itself does there.
    """
    once = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_connect_timeout=_IMPATIENT, retry=once, driver_info=None, protocol=2, **options)


class LeaseJob(Job):
    """A job that brings a lease and does nothing else, whatever stands in Redis."""

    @override
    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take over what may be believed; some error for what nobody could have written who delivers."""
        if not JOB_ID_PATTERN.fullmatch(self.id):
            raise ValueError("A job with such an id is none of a dispatcher.")
        super().restore({name: value for name, value in raw_data.items() if name.decode() in _TOLD})
        self.origin = QUEUE
        self.timeout, self.result_ttl, self.failure_ttl = _LONGEST, _ENDED_KEPT, _FAILED_KEPT

    @override
    def perform(self) -> None:
        """Bring the lease. ValueError for a job that asks for anything else."""
        if self.func_name != FUNCTION or self.instance is not None or self.kwargs or len(self.args) != 1:
            raise ValueError(f"Nothing but {FUNCTION} is run here, and a job asks for {self.func_name!r:.100}.")
        bring(self.args[0])


class LeaseQueue(Queue):
    """The queue of leases; what is none is passed over."""

    @classmethod
    @override
    def dequeue_any(cls, *args: Any, **kwargs: Any) -> tuple[Job, Queue] | None:
        """The next job that can be read."""
        while True:
            try:
                return super().dequeue_any(*args, **kwargs)
            except (ValueError, TypeError, LookupError, ResponseError) as error:
                if not hasattr(error, "job_id") and not isinstance(error, UnicodeDecodeError):
                    raise  # the queue itself cannot be read
                rq_log.warning("what arrived is no job and is passed over: %s", error)


class LeaseWorker(Worker):
    """RQ's worker, which forks a work-horse for each job; it goes on after whatever Redis forgets or holds."""

    max_connection_wait_time = _LATEST

    def __init__(self, connection: Redis, name: str | None = None, *, prepare_for_work: bool = True) -> None:
        super().__init__(
            [LeaseQueue(QUEUE, connection, job_class=LeaseJob, serializer=JSONSerializer)],
            name,
            connection=connection,
            job_class=LeaseJob,
            queue_class=LeaseQueue,
            serializer=JSONSerializer,
            worker_ttl=_ALIVE,
            prepare_for_work=prepare_for_work,
        )
        self.log_result_lifespan = self.log_job_description = False

    @override
    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """In one round trip, and by name: a Redis that was emptied does not know this worker any more."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
            return
        with self.connection.pipeline(transaction=False) as together:
            super().heartbeat(timeout, together)
            register(self, together)
            is_new, *_ = together.execute()
        if is_new:
            self.connection.hset(self.key, mapping=self.serialize())

    @override
    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job; where Redis went away meanwhile, wait for its end all the same, and then for Redis."""
        try:
            super().execute_job(job, queue)
        except (Unreachable, TooSlow):
            self.wait_for_horse()
            self._horse_pid = 0
            self.executions.clear()
            _reach(self.connection, lambda: self._stop_requested)

    @override
    def run_maintenance_tasks(self) -> None:
        """Clean up, as far as what lies there can be read: none of it is needed."""
        try:
            super().run_maintenance_tasks()
        except (ValueError, TypeError, LookupError, ResponseError) as error:
            rq_log.warning("what RQ keeps cannot be cleaned up: %s", error)

    @override
    def _pubsub_exception_handler(self, exc: Exception, pubsub: PubSub, pubsub_thread: PubSubWorkerThread) -> None:
        """Commands (stop a job, shut down) go on to be heard after one that is none, and when Redis is there again."""
        if isinstance(exc, (Unreachable, TooSlow, OSError)):
            time.sleep(_LATEST)
        else:
            rq_log.warning("what arrived is no command and is passed over: %r", exc)


class SpawningWorker(LeaseWorker, SpawnWorker):
    """The same where a fork is not safe; it names no address of Redis on a command line, which everybody may read."""

    @override
    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Start a work-horse."""
        assert self.execution is not None
        horse = (sys.executable, "-m", "paperlane.entry.rq", "--horse", self.name, job.id, self.execution.id)
        self._horse_pid = os.posix_spawn(sys.executable, horse, os.environ, setpgroup=0)


def serve(url: str, *, spawn: bool = False) -> None:
    """Be one RQ worker until told to stop, or until standard input ends; then what it runs ends first."""
    _log_as_rq_does()
    Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    redis = _connected(url)
    _reach(redis)
    gc.collect()
    gc.freeze()  # what was loaded until now is copied into no work-horse by looking at it
    try:
        (SpawningWorker if spawn else LeaseWorker)(redis, _name()).work(logging_level="WARNING")
    except RedisError as error:
        rq_log.warning("this worker ends, for Redis went away: %s", error)
        sys.exit(1)


def _name() -> str:
    """Of an RQ worker: where it is, for people, and a part by chance, for RQ takes a dead one for alive a while."""
    return f"{gethostname()}-{os.getpid()}-{token_hex(3)}"


def be_horse(url: str, worker: str, job: str, execution: str) -> None:
    """Be a work-horse that was not forked: run one job."""
    _log_as_rq_does()
    rq_log.setLevel(logging.WARNING)
    redis = _connected(url)
    owner = SpawningWorker(redis, worker, prepare_for_work=False)
    owner.execution = Execution.fetch(execution, job, redis)
    owner.main_work_horse(LeaseJob.fetch(job, redis, JSONSerializer), owner.queues[0])


def _log_as_rq_does() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s [%(levelname)s] rq: %(message)s")


def _reach(redis: Redis, stops: Callable[[], bool] = lambda: False) -> None:
    """Return once Redis answers, or when it `stops`."""
    seconds = _SOONEST
    while not stops():
        try:
            redis.ping()
        except (RedisError, OSError) as error:
            if seconds == _SOONEST:
                rq_log.warning("Redis cannot be used, and is asked again and again: %s", error)
            time.sleep(seconds)
            seconds = min(2 * seconds, _LATEST)
        else:
            return


def _end_with_parent() -> None:
    """The parent holds the other end of standard input: it ends with the parent, however that dies."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


class Program:
    """RQ's workers, as many as `slots`, and Paperlane's own beside them; each is started again when it ends.

    `command` starts the worker beside, which must have `slots` too; it drains for `grace` seconds when this one ends.
    """

    def __init__(self, url: str, slots: int, command: Sequence[str], grace: float, *, spawn: bool = False) -> None:
        self._url = url
        self._slots = slots
        self._beside = Beside(command, grace)
        self._patience = grace + _LAST_WORDS
        self._one = (sys.executable, "-m", "paperlane.entry.rq", "--one", *(("--spawn",) if spawn else ()))

    def run(self) -> None:
        """Be that program until told to stop: the worker beside drains at once, and what it runs ends then."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        told, leave = _told_to_stop(), asyncio.Event()
        self._beside.start()
        try:
            async with asyncio.TaskGroup() as kept:
                for _ in range(self._slots):
                    kept.create_task(self._keep(leave))
                await told.wait()
                self._beside.stop()  # first, or what an RQ worker waits for would go on for as long as it likes
                leave.set()
                await asyncio.to_thread(self._beside.close)
        finally:
            self._beside.close()

    async def _keep(self, leave: asyncio.Event) -> None:
        """One RQ worker, or the next, until told to leave."""
        patience = Patience(_SOONEST, _LATEST)
        environment = {**os.environ, DOOR: str(self._beside.door), REDIS: self._url}
        while not leave.is_set():
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *self._one, stdin=asyncio.subprocess.PIPE, env=environment, start_new_session=True
            )
            await _first_of(process.wait, leave.wait)
            if leave.is_set():
                await self._end(process)
                return
            if time.monotonic() - began > self._patience:
                patience.worked()
            seconds = patience.wait()
            log.warning("an RQ worker ended and is started again", code=process.returncode, again_in=round(seconds, 1))
            await _first_of(leave.wait, lambda seconds=seconds: asyncio.sleep(seconds))

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(self._patience):
                await process.wait()
        except TimeoutError:
            log.warning("an RQ worker did not end in time and is killed", pid=process.pid)
            process.kill()
            await process.wait()


def _told_to_stop() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set; a second signal ends the process at once."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()

    def once(number: signal.Signals) -> None:
        told.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, once, number)
    return told


async def _first_of(*calls: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Until one of them has ended; the others are cancelled."""
    tasks = [asyncio.create_task(call()) for call in calls]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
