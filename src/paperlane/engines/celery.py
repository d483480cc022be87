"""The engine `celery`: leases go through its queues, and its children bring them to the worker beside them."""

import atexit
import math
import os
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Thread, local
from typing import Any

import structlog
from celery import Celery, Task, signals
from celery.worker.consumer import Consumer
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Producer
from typing_extensions import override

from paperlane.engines import Traits
from paperlane.engines.beside import Beside
from paperlane.engines.brokers import SCHEMES, checked, unusable
from paperlane.engines.door import Brought, Door, Shut, Visitor, lease_of, words_of
from paperlane.model.tasks import EVERYTHING, Lease, Stage
from paperlane.threads import Threads

log = structlog.get_logger(__name__)

TASK = "paperlane.run"
QUEUES = {Stage.CPU: "file_processing", Stage.MODEL: "ai_processing"}

_DOOR = "PAPERLANE_DOOR"  # in the environment: children that are no forks have nothing else of their parent
_PATIENCE = 5.0  # seconds for which a broker may be silent
_HEARTBEAT = 30  # seconds after which RabbitMQ and its clients give each other up
_MEMORY = {Stage.CPU: 500 * 1_024, Stage.MODEL: 1_024 * 1_024}  # KiB of a child before another one takes its place
_SOON = 5.0  # seconds between two errors that nobody expects, within which a process is not trusted any more
_PAUSE = 1.0  # seconds before another one is started
_PRIORITIES = 10  # on RabbitMQ; the ledger has ordered what comes, so all that Paperlane sends has the same

Command = Callable[[int, str], Sequence[str]]
"""What starts a worker with so many slots, for a stage or all (""); the path of its door comes behind."""


@asynccontextmanager
async def opened(url: str, door: Door | None) -> "AsyncGenerator[Carrier]":
    """What publishes to the broker at `url`, which answered. Misconfigured when it cannot be used."""
    publisher, threads = Publisher(url), Threads("celery-publisher")
    try:
        await threads(publisher.reach)
        yield Carrier(publisher, threads, door)
    finally:
        await threads(publisher.close)
        threads.close()


class Carrier(Brought):
    """Pushes leases into Celery's queues, one for each stage; what its children bring through the door is run."""

    traits = Traits("celery", pulled=False)

    def __init__(self, publisher: "Publisher", threads: Threads, door: Door | None) -> None:
        self._publisher = publisher
        self._threads = threads
        super().__init__(door)

    async def deliver(self, leases: Sequence[Lease]) -> None:
        """Returns when the broker has confirmed each; raises, within seconds, when it does not."""
        await self._threads(self._publisher.publish, leases)


class Publisher:
    """Sends leases to a broker, from one thread; a connection that failed is not used again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._setting = _setting(url)
        self._app = _configured(url)
        self._connection: Connection | None = None
        self._producer: Producer | None = None

    def reach(self) -> None:
        """Connect. Misconfigured, without its password, when the broker does not let us in within seconds."""
        try:
            self._connect()
        except Exception as error:
            raise unusable(self._url, str(error) or type(error).__name__, self._setting) from error

    def publish(self, leases: Iterable[Lease]) -> None:
        """Send each to the queue of its stage; its task is known by its document there."""
        try:
            producer = self._producer or self._connect()
            for lease in leases:
                self._send(producer, lease)
        except BaseException:
            self.close()
            raise

    def _send(self, producer: Producer, lease: Lease) -> None:
        """By Celery's own message, but not its way to the producer, which takes three times as long.

        Kept in memory: what a broker that is started again has forgotten is handed out again by the ledger.
        """
        message = self._app.amqp.create_task_message(
            task_id=f"{lease.task}.{lease.fence}",
            name=TASK,
            kwargs=words_of(lease),
            shadow=f"paperlane.{lease.stage}",
            argsrepr="()",
            kwargsrepr=repr({"user": lease.user}),  # Flower looks for kwargs:user=7 in no other form
            ignore_result=True,
        )
        producer.publish(
            message.body,
            headers=message.headers,
            **message.properties,
            routing_key=QUEUES[lease.stage],
            serializer="json",
            delivery_mode="transient",
            confirm_timeout=_PATIENCE,
        )

    def close(self) -> None:
        """Keep no connection."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with suppress(Exception):  # it is broken, or we go: the broker sees either
                connection.collect(_PATIENCE)
                connection.close()

    def _connect(self) -> Producer:
        options = {"confirm_publish": True, "read_timeout": _PATIENCE, "write_timeout": _PATIENCE, **_silence()}
        self._connection = connection = self._app.connection_for_write(transport_options=options, heartbeat=0)
        connection.connect()
        channel = connection.channel()
        for queue in self._app.amqp.queues.values():
            queue(channel).declare()
        self._producer = producer = Producer(channel, auto_declare=False)
        return producer


def program(
    url: str,
    command: Command,
    grace: float,
    slots: Callable[[str], int],
    stages: Collection[Stage] = EVERYTHING.stages,
) -> Celery:
    """The application that Celery's own commands load; its worker starts a worker of ours beside it.

    The queues of `stages` are consumed where `-Q` does not say otherwise. Where `-c` does not, there are as many
    children as `slots` says for the one stage that they serve, or for all (""). Misconfigured when the address of the
    broker makes no sense.
    """
    app = _configured(url, grace)
    _task_of(app)
    _Side(app, command, grace, slots, stages).join()
    return app


def run(app: Celery, name: str, level: str) -> None:
    """Be the application's worker until told to stop; no other one has its name. SystemExit where it ends otherwise."""
    started: list[Any] = []

    def know(instance: Any, **_told: object) -> None:
        started.append(instance)

    signals.celeryd_after_setup.connect(know, weak=False)
    quiet = ("--without-mingle", "--without-gossip")  # the ledger knows what its workers would tell each other
    app.worker_main(["worker", *quiet, f"--hostname={name}-{os.getpid()}@%h", f"--loglevel={level}"])
    if any(worker.exitcode != 0 for worker in started):  # only Celery's own command passes it on
        log.error("Celery's worker did not end in order")
        sys.exit(1)


class Steady(Consumer):
    """Celery's listener to the broker; by itself it ends the worker at whatever it does not take for a lost connection.

    On Redis a loss may show as something else, and what stands in a queue there need not be a message.
    """

    class Blueprint(Consumer.Blueprint):
        """Its parts; Celery starts them for each connection, and again when that is lost."""

        _failed_at = -math.inf

        @override
        def start(self, parent: Consumer) -> None:
            """Connect and listen. ConnectionError for what is not expected, for Celery then connects anew."""
            try:
                super().start(parent)
            except (*parent.connection_errors, *parent.channel_errors):
                raise
            except Exception as error:
                before, self._failed_at = self._failed_at, time.monotonic()
                if self._failed_at - before < _SOON:  # another connection does not help
                    raise
                log.exception("Celery did not expect this, and connects anew")
                raise ConnectionError("not expected by Celery") from error

    @override
    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection, whatever closing it comes to: what was not acknowledged is handed out again."""
        try:
            super().on_connection_error_after_connected(exc)
        except Exception as error:  # noqa: BLE001  an AttributeError for one, where Redis is to take messages back
            log.warning("a lost connection to the broker could not be closed in order", why=repr(error))
            self.connection = None


class _Ours(Celery):
    """Celery at the broker that it was made with: by itself it prefers what the environment's CELERY_BROKER_URL names.

    As do CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL, and its own commands' option `-b` by way of these.
    """

    @override
    def connection_for_read(self, url: str | None = None, **more: Any) -> Connection:
        return super().connection_for_read(self.conf.get("broker_url"), **more)

    @override
    def connection_for_write(self, url: str | None = None, **more: Any) -> Connection:
        return super().connection_for_write(self.conf.get("broker_url"), **more)


def _configured(url: str, grace: float = 0.0) -> Celery:
    """Celery as it carries leases: it keeps nothing, repeats nothing, and reads nothing but JSON."""
    parts = checked(url, SCHEMES["celery"], _setting(url))
    app = _Ours("paperlane", broker=url, set_as_current=False)
    on_redis = parts.scheme.startswith("redis")
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        event_serializer="json",
        task_ignore_result=True,
        # The ledger hands out again what is lost, so nothing waits for its end to be acknowledged: on Redis, where
        # nothing is fetched without a free child. RabbitMQ counts what is not acknowledged, and would send a busy
        # worker what another one is free for. What it sends again after a lost connection is passed over when begun.
        task_acks_late=not on_redis,
        task_queues=[Queue(name, Exchange(name), name, max_priority=_PRIORITIES) for name in QUEUES.values()],
        task_default_queue=QUEUES[Stage.CPU],
        task_create_missing_queues=False,  # a worker of a queue that nobody fills is a mistake in its -Q
        broker_transport_options=_silence() if on_redis else {},
        broker_use_ssl=_certified(parts.scheme, parts.hostname or ""),
        broker_heartbeat=_HEARTBEAT,
        broker_connection_timeout=_PATIENCE,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        worker_consumer=Steady,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=on_redis,
        worker_enable_prefetch_count_reduction=False,  # after a connection was lost: what runs is acknowledged
        worker_detect_quorum_queues=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_lost_wait=1.0,  # seconds before a child that was killed frees its place
        worker_soft_shutdown_timeout=grace,
        worker_send_task_events=True,  # Flower shows tasks
    )
    return app


def _silence() -> Mapping[str, Any]:
    """How long Redis may be silent; RabbitMQ's clients take none of it."""
    return {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE, "socket_keepalive": True}


def _certified(scheme: str, host: str) -> Mapping[str, Any] | None:
    """With TLS, whom the broker's certificate must name: the libraries would take any."""
    match scheme:
        case "rediss":
            return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
        case "amqps":
            return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host}
        case _:
            return None


def _setting(url: str) -> str:
    """Which one gave the address; both, where that cannot be seen."""
    named = {"amqp": "PAPERLANE_AMQP_URL", "redi": "PAPERLANE_REDIS_URL"}
    return named.get(url[:4], "PAPERLANE_AMQP_URL or PAPERLANE_REDIS_URL")


def _task_of(app: Celery) -> Task:
    """The one task that the application has."""
    here = local()  # a visit for each child, and for each thread where these are the children

    def run(*given: object, **words: object) -> None:
        try:
            lease = lease_of(given or words)
        except ValueError as error:
            log.warning("what arrived is refused", why=str(error))
            raise
        if not hasattr(here, "visitor"):
            here.visitor = Visitor(Path(os.environ[_DOOR]))
        here.visitor.bring(lease)

    app.task(run, name=TASK, shared=False, max_retries=0, throws=(ValueError, Shut), typing=False)
    app.finalize()
    for name in set(app.tasks) - {TASK}:
        app.tasks.unregister(name)  # those that Celery brings would run whatever a message names
    return app.tasks[TASK]


class _Side:
    """The worker beside Celery's: it begins before that forks, drains when that stops, and begins anew with it."""

    def __init__(
        self,
        app: Celery,
        command: Command,
        grace: float,
        slots: Callable[[str], int],
        stages: Collection[Stage],
    ) -> None:
        self._app = app
        self._command = command
        self._grace = grace
        self._slots = slots
        self._stages = stages
        self._beside: Beside | None = None
        self._stopped = False
        self._told = False

    def join(self) -> None:
        """Be told when a worker of Celery starts; its other commands send none of this."""
        signals.celeryd_init.connect(self._size, weak=False)
        signals.celeryd_after_setup.connect(self._start, weak=False)
        signals.worker_process_init.connect(self._leave_to_parent, weak=False)
        signals.worker_shutting_down.connect(self._stop_as_told, weak=False)

    def _size(self, options: Mapping[str, Any], **_told: object) -> None:
        """Queues, children and their memory, where the command line does not say."""
        queues = self._app.amqp.queues
        queues.select(options.get("queues") or [QUEUES[stage] for stage in self._stages])
        queues.deselect(options.get("exclude_queues") or [])
        conf = self._app.conf
        conf.worker_concurrency = self._slots(self._stage())
        conf.worker_max_memory_per_child = max(_MEMORY[stage] for stage in self._consumed())

    def _start(self, instance: Any, **_told: object) -> None:
        slots = max(instance.autoscale) if instance.autoscale else instance.concurrency
        self._beside = Beside(self._command(slots, self._stage()), self._grace)
        self._beside.start()
        self._drain_with(instance)
        os.environ[_DOOR] = str(self._beside.door)
        atexit.register(self._beside.close)

    def _drain_with(self, worker: Any) -> None:
        """Celery's own command `shutdown`, which Flower gives, sends no signal; nor does an error that it stops for."""
        stop = worker.stop

        def stop_both(*given: Any, **more: Any) -> Any:
            error = sys.exc_info()[1]  # Celery handles it just now
            self._stop()
            try:
                return stop(*given, **more)
            finally:
                if isinstance(error, Exception):
                    self._begin_anew(error)

        worker.stop = stop_both

    def _begin_anew(self, error: Exception) -> None:
        """Be another process under the same id, unless it is told to stop meanwhile: nobody else may start one.

        What else helps where children died at the same time? Celery may then watch one of the living no more, and each
        connection from then on fails at that.
        """
        if self._beside is not None:
            self._beside.close()
        time.sleep(_PAUSE)
        log.error("Celery's worker could not go on and is started anew, unless it was told to stop", why=repr(error))
        if not self._told:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  what this was started by

    def _leave_to_parent(self, **_told: object) -> None:
        if self._beside is not None:
            self._beside.leave_to_parent()

    def _stop_as_told(self, **_told: object) -> None:
        self._told = True
        self._stop()

    def _stop(self) -> None:
        """Let it drain; where it does not, what children wait for is given up: until then Celery waits for them."""
        if self._beside is not None and not self._stopped:
            self._stopped = True
            self._beside.stop()
            Thread(target=self._beside.close, name="worker-beside-end", daemon=True).start()

    def _stage(self) -> str:
        """The one that is served; "" for all."""
        stages = self._consumed()
        return "" if len(stages) > 1 else stages[0]

    def _consumed(self) -> Sequence[Stage]:
        return [stage for stage, name in QUEUES.items() if name in self._app.amqp.queues.consume_from]
