"""Joins ledger, scheduling, engine and work into running workers; knows nothing of documents."""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import structlog

from paperlane.clock import Clock, SortableIds, SystemClock
from paperlane.counting import Counting
from paperlane.engines import Carrier, Puller, Traits
from paperlane.errors import Misconfigured
from paperlane.ledger import AlsoFired, Files, Ledger, Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.machine import Machine, Sensors
from paperlane.migrations import migrate
from paperlane.model.tasks import EVERYTHING, Channel, Lease, Span
from paperlane.patience import Stopped
from paperlane.scheduling.dispatcher import Dispatcher
from paperlane.scheduling.periodic import fire_due
from paperlane.scheduling.sweeper import sweep
from paperlane.scheduling.tuning import LedgerTuning
from paperlane.scheduling.turns import LedgerTurns
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads
from paperlane.work import Chain, RunIsolated
from paperlane.work.attempt import Attempts
from paperlane.work.heartbeat import Heartbeat, Membership
from paperlane.work.worker import at_work, drain

log = structlog.get_logger(__name__)

_THREADS = 8
_TO_TELL = 30.0  # seconds that a part of an attempt leaves of an engine's time, to write down what it has reached
_LONGEST_NAME = 100  # characters of a machine's name, so that the token beside it is not cut off


def open_ledger(
    url: str, rules: Rules | None = None, task_seconds: float = 3_600.0, files: Files | None = None
) -> SqlLedger:
    """The ledger at a database URL (`sqlite:///PATH`), its tables brought to this version; large results in `files`.

    Unavailable when the database cannot be reached, Misconfigured when it cannot be used.
    """
    dialect = connect(url)
    try:
        migrate(dialect.unlimited)
    except BaseException:
        dialect.close()
        raise
    return SqlLedger(dialect, rules or Rules(), task_seconds, files=files)


def _no_files(name: str) -> BinaryIO:
    raise FileNotFoundError(name)


@dataclass(frozen=True, slots=True)
class Host:
    """What a worker needs to run an application's tasks; times in seconds.

    `isolated` runs a step away from this process (a `Sandbox`), `open_file` opens what a step's `file` names.
    `heartbeat` is at most a third of the lease that the ledger's rules give, and just that where it is 0.
    `fired` writes what other rooms record of a schedule's batch. `token` stands beside the machine's name in the
    ledger: whoever started this process finds it by that. `sensors` makes what tells how busy the machine is, and
    `refused` counts how often models refused so far because they were asked too often: by these a worker chooses its
    slots, where it may.
    """

    ledger: Ledger
    chain: Chain
    isolated: RunIsolated
    open_file: Callable[[str], BinaryIO] = _no_files
    heartbeat: float = 0.0
    sweep: float = 10.0
    grace: float = 20.0
    clock: Clock = field(default_factory=SystemClock)
    fired: AlsoFired | None = None
    token: str = ""
    sensors: Callable[[], Sensors] = Machine
    refused: Callable[[], int] = lambda: 0

    def __post_init__(self) -> None:
        """Misconfigured when heartbeats are so slow that a healthy worker would lose its leases."""
        if self.heartbeat > self.ledger.rules.lease / 3:
            raise Misconfigured(
                f"A heartbeat every {self.heartbeat:g} s is too slow for a lease of {self.ledger.rules.lease:g} s.",
                hint="Beat three times within a lease, or leave `heartbeat` out.",
            )

    @asynccontextmanager
    async def working(
        self, engine: Traits, slots: int | Span, stop: asyncio.Event | None = None, channel: Channel = EVERYTHING
    ) -> AsyncGenerator[Attempts]:
        """A worker's attempts, while it is a member of the ledger; Stopped when told to stop while it cannot join.

        In a span of `slots` it chooses how many, by the load of its machine.
        """
        pid, host = os.getpid(), socket.gethostname()[:_LONGEST_NAME] + (self.token and f"/{self.token}")
        new_id = SortableIds(self.clock)
        span = slots if isinstance(slots, Span) else Span.fixed(slots)
        membership = Membership(self.ledger, engine.name, host, pid, span, new_id, self.chain.version, channel)
        tuning = LedgerTuning(self.ledger, engine.name, span, self.sensors(), self.clock, self.refused)
        seconds = self.heartbeat or self.ledger.rules.lease / 3
        heartbeat = Heartbeat(self.ledger, membership, seconds, self.clock, tuning)
        threads = Threads(f"{engine.name}-worker", _THREADS)
        longest = max(engine.longest_attempt / 2, engine.longest_attempt - _TO_TELL)
        counting = Counting(self.ledger.tally)
        attempts = Attempts(
            self.ledger, self.chain, self.isolated, self.open_file, heartbeat, threads, self.clock, counting, longest
        )
        try:
            async with at_work(attempts, heartbeat, stop):
                yield attempts
        finally:
            threads.close()

    @asynccontextmanager
    async def _woken(
        self, engine: Traits, slots: int | Span, stop: asyncio.Event, channel: Channel = EVERYTHING
    ) -> AsyncGenerator[tuple[Attempts, Wakeup]]:
        """A worker's attempts, and its engine's bell."""
        async with self.working(engine, slots, stop, channel) as attempts:
            with closing(Wakeup(self.ledger, engine.name, attempts.threads)) as wakeup:
                yield attempts, wakeup

    async def pull(self, engine: Puller, slots: int | Span, stop: asyncio.Event) -> None:
        """Be a worker of a pull engine until told to stop; then drain."""
        name = engine.traits.name
        with suppress(Stopped):
            async with self._woken(engine.traits, slots, stop) as (attempts, wakeup), asyncio.TaskGroup() as running:
                membership = attempts.heartbeat.membership
                turns = LedgerTurns(
                    self.ledger, name, lambda: membership.worker, attempts.threads, wakeup, attempts.counting
                )
                _look_after(running, self.ledger, self.sweep, attempts.threads, stop, self.clock, self.fired)
                serving = running.create_task(engine.serve(turns, attempts, lambda: membership.slots, stop))
                log.info("worker ready", engine=name, slots=membership.granted, worker=membership.worker)
                await stop.wait()
                await drain(attempts, self.grace, serving)

    async def push(
        self,
        engine: Carrier,
        slots: int | Span,
        stop: asyncio.Event,
        ready: Callable[[], None] | None = None,
        channel: Channel = EVERYTHING,
    ) -> None:
        """Be a worker and the dispatcher of a push engine until told to stop; `ready` is called once it has joined.

        The worker serves the `channel`; its dispatcher leases for all channels of the engine.
        """
        name, woken = engine.traits.name, self._woken(engine.traits, slots, stop, channel)
        with suppress(Stopped):
            async with woken as (attempts, wakeup), asyncio.TaskGroup() as running:
                _look_after(running, self.ledger, self.sweep, attempts.threads, stop, self.clock, self.fired)
                membership = attempts.heartbeat.membership

                def room() -> int:
                    return engine.room(membership.slots)

                attempts.hands_out = dispatcher = Dispatcher(
                    self.ledger, name, room, engine.deliver, attempts.threads, wakeup, stop
                )

                async def run(lease: Lease) -> None:
                    filled = False
                    try:
                        filled = await attempts.and_finish(lease)
                    finally:
                        if not filled:
                            wakeup.ring()  # there is room now, which nobody else tells

                running.create_task(dispatcher.run())
                serving = running.create_task(engine.serve(run, stop))
                log.info("worker ready", engine=name, slots=membership.granted, worker=membership.worker)
                if ready is not None:
                    ready()
                await stop.wait()
                await drain(attempts, self.grace, serving)
                if unbegun := serving.result():
                    await self._hand_back(unbegun, attempts.threads)

    async def _hand_back(self, unbegun: Sequence[Lease], threads: Threads) -> None:
        try:
            await threads(self.ledger.hand_back, unbegun)
        except Exception:
            log.exception("deliveries could not be handed back; the sweep takes them back", leases=len(unbegun))


async def dispatch_for(
    ledger: Ledger,
    engine: Carrier,
    stop: asyncio.Event,
    seconds: float = 10.0,
    clock: Clock | None = None,
    fired: AlsoFired | None = None,
) -> None:
    """Be a dispatcher of a push engine, and no worker, until told to stop; sweep every so many `seconds`."""
    name = engine.traits.name
    threads = Threads(f"{name}-dispatcher", _THREADS)
    try:
        with closing(Wakeup(ledger, name, threads)) as wakeup:
            async with asyncio.TaskGroup() as running:
                _look_after(running, ledger, seconds, threads, stop, clock or SystemClock(), fired)
                log.info("dispatcher ready", engine=name)
                await Dispatcher(ledger, name, lambda: engine.room(0), engine.deliver, threads, wakeup, stop).run()
    finally:
        threads.close()


def _look_after(
    running: asyncio.TaskGroup,
    ledger: Ledger,
    seconds: float,
    threads: Threads,
    stop: asyncio.Event,
    clock: Clock,
    fired: AlsoFired | None,
) -> None:
    """What every process does beside its work, so that it is done as long as one lives."""
    running.create_task(sweep(ledger, seconds, threads, stop))
    running.create_task(fire_due(ledger, seconds, threads, stop, SortableIds(clock), fired))
