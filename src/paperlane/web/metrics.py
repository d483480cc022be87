"""`/metrics`: figures of the ledger and of this process for Prometheus, for who looks and for this machine."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import accumulate
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from paperlane.errors import NotAllowed
from paperlane.ledger import Ledger
from paperlane.model.tallies import BOUNDS, Histogram, Tallies
from paperlane.model.tasks import LaneUse, Letters, Queue
from paperlane.threads import Threads
from paperlane.web import problems
from paperlane.web.identity import House, Parts, account_of

router = APIRouter(tags=["health"])

_DEEPEST = 10  # users that are told one by one; a series for each of 100,000 would drown who stores them
_MANY = 2_000  # users with work; beyond it a look at all their lanes takes longer than a scrape may
_RARELY = 20  # times as long as such a look took, nobody looks again
_AT_LEAST = 10.0  # seconds

_LABELS = {
    "wait_seconds": ("engine", "From when a task could start to its first begin."),
    "completion_seconds": ("engine", "From when a task could start to its end, of completed tasks."),
    "step_seconds": ("step", "What steps took that ran to their end."),
    "http_seconds": ("kind", "From the end of a request to the beginning of its answer."),
    "progress_seconds": ("", "From an event of a task to its frame on a WebSocket."),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What is told of the ledger, as it was `at` a monotonic time; it took so many seconds to look."""

    queue: Queue
    used: LaneUse
    dead: int
    at: float = 0.0
    took: float = 0.0


def look(ledger: Ledger) -> Look:
    """Look at all lanes and all dead letters."""
    began = time.monotonic()
    queue, used, dead = ledger.queue(most=_DEEPEST), ledger.use_of_all(), sum(ledger.causes(Letters()).values())
    now = time.monotonic()
    return Look(queue, used, dead, now, now - began)


@dataclass(slots=True)
class Looks:
    """Looks for each scrape, but where so many users have work that a look takes long.

    Then a scrape tells what was seen before, and a look beside it is for the next one: of the database's time it takes
    a twentieth at most.
    """

    ledger: Ledger
    threads: Threads
    _last: Look | None = None
    _looking: asyncio.Task[Look] | None = field(default=None)

    async def __call__(self) -> Look:
        """A look, or an earlier one."""
        last = self._last
        if last is None or last.queue.busy <= _MANY:
            return await self._look()
        if time.monotonic() - last.at >= max(_AT_LEAST, _RARELY * last.took):
            self._begin()
        return last

    async def _look(self) -> Look:
        return await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[Look]:
        """The look that is under way, which several may wait for."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self.threads(look, self.ledger))
            self._looking.add_done_callback(self._keep)
        return self._looking

    def _keep(self, looked: asyncio.Task[Look]) -> None:
        if not looked.cancelled() and looked.exception() is None:
            self._last = looked.result()


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What runs and waits, what all processes counted, what had to be put right, and this process's connections."""

    look: Look
    tallies: Tallies
    pool: tuple[int, int] = (0, 0)

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        yield from self._engines()
        yield from self._users()
        yield from self._histograms()
        yield from self._counters()
        used, most = self.pool
        yield GaugeMetricFamily("paperlane_database_connections", "Connections of this process in use.", value=used)
        yield GaugeMetricFamily("paperlane_database_connections_most", "Connections that it may use.", value=most)
        age = time.monotonic() - self.look.at if self.look.at else 0.0
        yield GaugeMetricFamily("paperlane_look_age_seconds", "How old the figures of all lanes are.", value=age)

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
            for engine in self.look.queue.engines:
                gauge.add_metric([engine.name], float(getattr(engine, name)))
            yield gauge
        yield GaugeMetricFamily(
            "paperlane_oldest_wait_seconds",
            "How long the task that is next of a user could run, of all users that nobody paused the longest.",
            value=self.look.queue.oldest,
        )
        yield GaugeMetricFamily(
            "paperlane_slots_limit", "How many tasks may run at once in the whole system.", value=self.look.queue.limit
        )
        yield GaugeMetricFamily("paperlane_dead_letters", "Tasks that failed for good.", value=self.look.dead)
        yield CounterMetricFamily(
            "paperlane_counter_repairs",
            "Times that a user's counters had drifted from the tasks and were put right, by any process.",
            value=self.look.queue.repairs,
        )

    def _users(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "paperlane_busy_users", "Users who have something waiting or running.", value=self.look.queue.busy
        )
        deepest = f"of the {_DEEPEST} users with most that waits"
        waits = GaugeMetricFamily("paperlane_user_queued", f"Tasks that wait, {deepest}.", labels=["user"])
        could = GaugeMetricFamily(
            "paperlane_user_startable", f"Tasks that wait and could begin now, {deepest}.", labels=["user"]
        )
        for lane in self.look.queue.lanes:
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
            ends.add_metric([status], getattr(self.look.used, status))
        yield ends
        yield CounterMetricFamily(
            "paperlane_cpu_seconds", "Processor time that isolated steps told of.", value=self.look.used.cpu
        )
        outcomes = CounterMetricFamily(
            "paperlane_outcomes", "How attempts ended, as workers saw it.", labels=["engine", "outcome"]
        )
        slots = CounterMetricFamily("paperlane_slot_seconds", "The slot time they took.", labels=["engine", "outcome"])
        answers = CounterMetricFamily("paperlane_http_answers", "Answers by their status.", labels=["kind", "status"])
        for (name, label), one in sorted(self.tallies.items()):
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
async def metrics(request: Request, house: Parts) -> Response:
    """Figures in Prometheus's text format; with an admin's or a viewer's token, or from this machine itself."""
    account = await account_of(request)
    if not (account is not None and account.looks) and not _is_local(request):
        raise NotAllowed(
            "Only admins and viewers may read the figures from another machine.",
            hint="Send a token of one: a viewer's is enough.",
        )
    looks: Looks = request.app.state.looks
    text = await house.threads(_written, house, await looks())
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _written(house: House, seen: Look) -> bytes:
    ledger = house.desk.ledger
    registry = CollectorRegistry()
    registry.register(Figures(seen, ledger.tallies(), ledger.pool()))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _is_local(request: Request) -> bool:
    """Does the caller sit on this machine? A proxy's requests say whom they are for, or keep the name asked for."""
    if request.client is None or "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        asked = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        return _is_loopback(request.client.host) and (asked == "localhost" or _is_loopback(asked))
    except ValueError:
        return False


def _is_loopback(address: str) -> bool:
    """ValueError for what is no address."""
    return ip_address(address).is_loopback
