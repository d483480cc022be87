"""`/metrics`: figures of the ledger for Prometheus, for admins and for this machine."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from paperlane.errors import NotAllowed
from paperlane.model.tasks import Queue
from paperlane.records.accounts import Role
from paperlane.web import problems
from paperlane.web.identity import Parts, account_of

router = APIRouter(tags=["health"])


class Figures:
    """What runs and waits, as gauges by engine, and what had to be put right."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        of_engine = {
            "queued": "Tasks that wait.",
            "running": "Tasks that run.",
            "workers": "Registered workers.",
            "slots": "Slots granted to workers.",
            "paused": "Whether an operator paused the engine.",
        }
        for name, meaning in of_engine.items():
            gauge = GaugeMetricFamily(f"paperlane_{name}", meaning, labels=["engine"])
            for engine in self._queue.engines:
                gauge.add_metric([engine.name], float(getattr(engine, name)))
            yield gauge
        yield GaugeMetricFamily(
            "paperlane_oldest_wait_seconds",
            "How long the task that is next of a user has waited, of all users the longest.",
            value=self._queue.oldest,
        )
        yield CounterMetricFamily(
            "paperlane_counter_repairs",
            "Times that a user's counters had drifted from the tasks and were put right, by any process.",
            value=self._queue.repairs,
        )


@router.get("/metrics", response_class=PlainTextResponse, responses=problems.may(403, 408, 413, 429, 503))
async def metrics(request: Request, house: Parts) -> Response:
    """Figures in Prometheus's text format; with an admin's token, or from this machine itself."""
    account = await account_of(request)
    is_admin = account is not None and account.role is Role.ADMIN
    if not is_admin and not _is_local(request):
        raise NotAllowed("Only an admin may read the figures from another machine.", hint="Send an admin's token.")
    registry = CollectorRegistry()
    registry.register(Figures(await house.threads(house.desk.ledger.queue)))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


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
