"""Heartbeats, on a thread of their own: a busy event loop must not lose leases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Protocol

import structlog

from paperlane.clock import Clock
from paperlane.errors import Unavailable
from paperlane.ledger import Ledger
from paperlane.machine import Load
from paperlane.model.tasks import EVERYTHING, Channel, Lease, Pulse, Span, WorkerId
from paperlane.patience import Patience

log = structlog.get_logger(__name__)

_GLANCES = 4  # at the clock, between two heartbeats

Tell = Callable[[str], None]


class Tuning(Protocol):
    """Chooses how many slots a worker wants."""

    def look(self) -> Load:
        """How busy its machine is."""
        ...

    def wants(self, load: Load, running: int) -> int:
        """So many slots from now on; it runs so many tasks."""
        ...


@dataclass(slots=True)
class Membership:
    """A worker's place in the ledger: its identity, made new whenever the ledger gave the old one up.

    It `wants` so many slots now, of its `span`; `granted` is what the system's limit leaves it of them. One that
    `drains` keeps these until it leaves, and tells that it wants none.
    """

    ledger: Ledger
    engine: str
    host: str
    pid: int
    span: Span
    new_id: Callable[[], str]
    version: int = 1
    channel: Channel = EVERYTHING
    worker: WorkerId = field(default=WorkerId(""))
    granted: int = 0
    drains: bool = False
    wants: int = field(init=False)

    def __post_init__(self) -> None:
        """It begins as its span does."""
        self.wants = self.span.start

    def join(self) -> None:
        """Register under a new identity."""
        self.worker = WorkerId(self.new_id())
        self.ask_for_slots()
        if self.granted == 0:
            log.warning("the system's limit leaves this worker no slots", engine=self.engine, asked=self.wants)

    def ask_for_slots(self) -> None:
        """Ask for what the system's limit did not grant yet, or for fewer."""
        entry = (self.worker, self.engine, self.host, self.pid, self.wants, self.version, self.channel, self.span)
        self.granted = self.ledger.register(*entry)

    @property
    def slots(self) -> int:
        """How many tasks it may run at once: fewer hold from the moment that it wants them."""
        return min(self.granted, self.wants)


@dataclass(slots=True)
class Heartbeat:
    """Renews all leases of a worker in one statement, and tells an attempt when it must stop.

    An attempt is told "lost" when its lease is another's, or when no heartbeat came through for as long as a lease
    lasts (by the monotonic clock, also while a heartbeat waits for the ledger); "cancelled" when somebody cancelled its
    task.
    """

    ledger: Ledger
    membership: Membership
    seconds: float
    clock: Clock
    tuning: Tuning | None = None
    _held: dict[Lease, Tell] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _stop: Event = field(default_factory=Event)
    _threads: Sequence[Thread] = ()
    _heard: float = 0.0

    def start(self) -> None:
        """Begin to beat."""
        self._heard = self.clock.monotonic()
        self._threads = [
            Thread(target=self._beat_until_stopped, name="heartbeat", daemon=True),
            Thread(target=self._watch_until_stopped, name="heartbeat-watch", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Beat no more; called when nothing runs any longer."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def hold(self, lease: Lease, tell: Tell) -> None:
        """Renew this lease from now on."""
        with self._lock:
            self._held[lease] = tell

    def drop(self, lease: Lease) -> None:
        """The attempt ended."""
        with self._lock:
            self._held.pop(lease, None)

    def _beat_until_stopped(self) -> None:
        patience, wait = Patience(), self.seconds
        while not self._stop.wait(wait):
            wait = self.seconds
            try:
                self.beat()
                patience.worked()
            except Unavailable as error:
                wait = min(wait, patience.wait())
                log.warning("a heartbeat failed", worker=self.membership.worker, why=error.message)
            except Exception:
                wait = min(wait, patience.wait())
                log.exception("a heartbeat failed", worker=self.membership.worker)

    def _watch_until_stopped(self) -> None:
        while not self._stop.wait(self.seconds / _GLANCES):
            self._watch()

    def beat(self) -> None:
        """One heartbeat."""
        with self._lock:
            leases = tuple(self._held)
        load = self.tuning.look() if self.tuning is not None else Load(None, None)
        asked_at = self.clock.monotonic()
        pulse = Pulse(0 if self.membership.drains else self.membership.wants, load.cpu, load.memory)
        renewal = self.ledger.renew(self.membership.worker, leases, pulse)
        self._heard = asked_at
        self._tell(renewal.lost, "lost")
        self._tell(renewal.cancelled, "cancelled")
        if not renewal.known:
            log.warning("the ledger gave this worker up; it joins anew", worker=self.membership.worker)
            self.membership.join()
            return
        self.membership.granted = renewal.granted
        if self.membership.drains:
            return
        if self.tuning is not None:
            self.membership.wants = self.tuning.wants(load, len(leases))
        if renewal.granted != self.membership.wants:
            self.membership.ask_for_slots()

    def _watch(self) -> None:
        """Leases that could not be renewed for so long may be another's by now."""
        if self.clock.monotonic() - self._heard >= self.ledger.rules.lease:
            with self._lock:
                leases = tuple(self._held)
            self._tell(leases, "lost")

    def _tell(self, leases: Sequence[Lease], what: str) -> None:
        for lease in leases:
            with self._lock:
                tell = self._held.get(lease)
            if tell is not None:
                tell(what)
