"""`/metrics`: figures of the ledger and of this process for Prometheus, for who looks and for this machine."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import accumulate
from math import inf
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from sqlalchemy import Connection

from paperlane.desk import Desk
from paperlane.errors import NotAllowed
from paperlane.model.figures import Series
from paperlane.model.tallies import BOUNDS, NONE, Histogram, Tallies
from paperlane.model.tasks import LaneUse, Queue
from paperlane.records import portable, samples
from paperlane.threads import Threads
from paperlane.web import problems
from paperlane.web.identity import account_of
from paperlane.web.looks import Look, Looks
from paperlane.web.timing import KINDS, STATUSES

router = APIRouter(tags=["health"])

_DEEPEST = 10  # users that are told one by one; a series for each of 100,000 would drown who stores them
_EACH = 1.0  # seconds for which all are told the same, however often they ask
_LATELY = 60.0  # seconds, after which a sample says nothing of now
_PROXIED = ("X-Forwarded-", "Forwarded", "Via", "X-Real-Ip")  # how the names of headers begin that proxies add

_LABELS = {
    "wait_seconds": ("engine", "From when a task could start to its first begin."),
    "completion_seconds": ("engine", "From when a task could start to its end, of completed tasks."),
    "step_seconds": ("step", "What steps took that ran to their end."),
    "http_seconds": ("kind", "From the end of a request to the beginning of its answer."),
    "progress_seconds": ("", "From an event of a task to its frame on a WebSocket."),
}


@dataclass(frozen=True, slots=True)
class OfLedger:
    """What is told of the ledger."""

    queue: Queue
    used: LaneUse
    dead: int

    @property
    def busy(self) -> int:
        """How many lanes hold something."""
        return self.queue.busy


def look(desk: Desk) -> OfLedger:
    """Look at all lanes."""
    return OfLedger(desk.ledger.queue(most=_DEEPEST), desk.ledger.use_of_all(), desk.dead.count())


@dataclass(slots=True)
class Scrapes:
    """What scrapes are told: written anew once a second at most, however many ask."""

    desk: Desk
    threads: Threads
    looks: Looks[OfLedger]
    _text: bytes = b""
    _at: float = -inf
    _writing: asyncio.Task[bytes] | None = field(default=None)

    async def __call__(self) -> bytes:
        """The figures in Prometheus's text format."""
        if time.monotonic() - self._at < _EACH:
            return self._text
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
            self._writing.add_done_callback(_heard)
        return await asyncio.shield(self._writing)  # who goes away ends it for nobody else

    async def _write(self) -> bytes:
        began = time.monotonic()
        self._text = await self.threads(_written, self.desk, await self.looks())
        self._at = began
        return self._text


def _heard(writing: asyncio.Task[bytes]) -> None:
    """Those that wait for it are told what went wrong; it is no surprise where none does any more."""
    if not writing.cancelled():
        writing.exception()


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What runs and waits, what all processes counted, what had to be put right, and this process's connections.

    `load` is the last sample.
    """

    look: Look[OfLedger]
    tallies: Tallies
    pool: tuple[int, int] = (0, 0)
    load: Series = field(default_factory=dict[str, float])

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._engines()
        yield from self._users()
        yield from self._histograms()
        yield from self._counters()
        yield from self._load()
        used, most = self.pool
        yield GaugeMetricFamily("paperlane_database_connections", "Connections of this process in use.", value=used)
        yield GaugeMetricFamily("paperlane_database_connections_most", "Connections that it may use.", value=most)
        yield GaugeMetricFamily(
            "paperlane_look_age_seconds", "How old the figures of all lanes are.", value=self.look.age
        )

    def _load(self) -> Iterator[Metric]:
        """What no sensor told is left out."""
        for name, meaning in (("cpu", "CPU"), ("memory", "memory")):
            gauge = GaugeMetricFamily(
                f"paperlane_{name}_share", f"How much of its machine's {meaning} is in use, 0 to 1."
            )
            if name in self.load:
                gauge.add_metric([], self.load[name])
            yield gauge

    def _engines(self) -> Iterator[Metric]:
        of_engine = {
            "queued": "Tasks that wait.",
            "startable": "Tasks that wait and could begin now: nobody paused them, and their time has come.",
            "running": "Tasks that run.",
            "workers": "Registered workers.",
            "slots": "Slots granted to workers.",
            "paused": "Whether an operator paused the engine.",
        }
        for name, meaning in of_engine.items():
            gauge = GaugeMetricFamily(f"paperlane_{name}", meaning, labels=["engine"])
            for engine in self.look.told.queue.engines:
                gauge.add_metric([engine.name], float(getattr(engine, name)))
            yield gauge
        yield GaugeMetricFamily(
            "paperlane_oldest_wait_seconds",
            "How long the task that is next of a user could run, of all users that nobody paused the longest.",
            value=self.look.told.queue.oldest,
        )
        yield GaugeMetricFamily(
            "paperlane_slots_limit",
            "How many tasks may run at once in the whole system.",
            value=self.look.told.queue.limit,
        )
        yield GaugeMetricFamily("paperlane_dead_letters", "Tasks that failed for good.", value=self.look.told.dead)
        yield CounterMetricFamily(
            "paperlane_counter_repairs",
            "Times that a user's counters had drifted from the tasks and were put right, by any process.",
            value=self.look.told.queue.repairs,
        )

    def _users(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "paperlane_busy_users", "Users who have something waiting or running.", value=self.look.told.queue.busy
        )
        deepest = f"of the {_DEEPEST} users with most that could begin now, then with most that waits"
        waits = GaugeMetricFamily("paperlane_user_queued", f"Tasks that wait, {deepest}.", labels=["user"])
        could = GaugeMetricFamily(
            "paperlane_user_startable", f"Tasks that wait and could begin now, {deepest}.", labels=["user"]
        )
        for lane in self.look.told.queue.lanes:
            waits.add_metric([str(lane.user)], lane.ready + lane.waiting + lane.leased)
            could.add_metric([str(lane.user)], lane.startable)
        yield from (waits, could)

    def _histograms(self) -> Iterator[Metric]:
        for name, (label, meaning) in _LABELS.items():
            family = HistogramMetricFamily(f"paperlane_{name}", meaning, labels=[label] if label else [])
            for (counted, of), one in sorted(self.tallies.items()):
                if counted == name:
                    family.add_metric([of] if label else [], _buckets(one), one.total)
            yield family

    def _counters(self) -> Iterator[Metric]:
        ends = CounterMetricFamily("paperlane_tasks_ended", "Runs of tasks that ended, exactly.", labels=["status"])
        for status in ("completed", "failed", "cancelled"):
            ends.add_metric([status], getattr(self.look.told.used, status))
        yield ends
        yield CounterMetricFamily(
            "paperlane_cpu_seconds", "Processor time that isolated steps told of.", value=self.look.told.used.cpu
        )
        outcomes = CounterMetricFamily(
            "paperlane_outcomes", "How attempts ended, as workers saw it.", labels=["engine", "outcome"]
        )
        slots = CounterMetricFamily("paperlane_slot_seconds", "The slot time they took.", labels=["engine", "outcome"])
        answers = CounterMetricFamily("paperlane_http_answers", "Answers by their status.", labels=["kind", "status"])
        # from the start, for a rate knows nothing of what a series is born with
        none = {("http_answers", f"{kind}/{status}"): NONE for kind in KINDS for status in STATUSES}
        for (name, label), one in sorted((none | dict(self.tallies)).items()):
            of = label.rpartition("/")[::2]
            if name == "outcomes":
                outcomes.add_metric(of, one.count)
                slots.add_metric(of, one.total)
            elif name == "http_answers":
                answers.add_metric(of, one.count)
        yield from (outcomes, slots, answers)


def _buckets(one: Histogram) -> list[tuple[str, float]]:
    """Prometheus counts what is no greater than each bound."""
    return list(zip([*(f"{bound:g}" for bound in BOUNDS), "+Inf"], accumulate(one.counts), strict=True))


@router.get("/metrics", response_class=PlainTextResponse, responses=problems.may(403, 408, 413, 429, 503))
async def metrics(request: Request) -> Response:
    """Figures in Prometheus's text format; with an admin's or a viewer's token, or from this machine itself."""
    account = await account_of(request)
    if not (account is not None and account.looks) and not _is_local(request):
        raise NotAllowed(
            "Only admins and viewers may read the figures from another machine.",
            hint="Send a token of one: a viewer's is enough.",
        )
    scrapes: Scrapes = request.app.state.scrapes
    return Response(await scrapes(), media_type=CONTENT_TYPE_LATEST)


def _written(desk: Desk, seen: Look[OfLedger]) -> bytes:
    ledger = desk.ledger
    registry = CollectorRegistry()
    registry.register(Figures(seen, ledger.tallies(), ledger.pool(), ledger.read(_last_sample)))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _last_sample(connection: Connection) -> Series:
    found = samples.plot(connection, portable.now(connection), _LATELY).samples
    return found[-1] if found else {}


def _is_local(request: Request) -> bool:
    """Does the caller sit on this machine? A proxy's requests say whom they are for, or keep the name asked for."""
    if request.client is None or any(name.title().startswith(_PROXIED) for name in request.headers):
        return False
    try:
        asked = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        return _is_loopback(request.client.host) and (asked == "localhost" or _is_loopback(asked))
    except ValueError:
        return False


def _is_loopback(address: str) -> bool:
    """ValueError for what is no address."""
    return ip_address(address).is_loopback
