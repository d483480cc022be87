"""How soon people see what a worker in another process has written down: from a step's commit to its frame."""

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import httpx
from websockets.sync.client import connect

from benchmarks.figures import Figure, median, percentile
from benchmarks.ledger.databases import KINDS, Databases
from benchmarks.machine import watched
from benchmarks.program import Failed, Program
from benchmarks.rounds import Rounds, Sample
from benchmarks.service import Service, document, running, upload

_GAP = 0.03  # seconds between two steps, on average: never in time with the service's looks
_PATIENCE = 60.0  # seconds until all sockets are open
_SETTINGS = {"max_user_sockets": "100", "system_limit": "1000", "lease_seconds": "600"}
_LIMIT = ("--limit", "500")
_POINTS = {"P50": 0.5, "P99": 0.99}


@dataclass(frozen=True, slots=True)
class _Case:
    """So many sockets, each on a batch of so many tasks; meanwhile the workers have so many documents to test."""

    sockets: int
    tasks: int
    documents: int
    said: str


_CASES = {
    "step to frame": _Case(1, 1, 0, "1 socket follows 1 task"),
    "step to frame while busy": _Case(20, 10, 400, "20 sockets follow 200 tasks, and 2 workers are busy with others"),
}


def _frames(client: httpx.Client, batch: Mapping[str, object], opened: threading.Barrier) -> list[tuple[int, float]]:
    """The number of each step that was told of, and the monotonic time when its frame came."""
    url = f"{client.base_url}progress?batch={batch['id']}".replace("http", "ws", 1)
    with connect(url, additional_headers={"Authorization": client.headers["Authorization"]}) as socket:
        opened.wait()
        came = [(time.monotonic(), json.loads(frame)) for frame in socket]
    return [(int(frame["message"]), at) for at, frame in came if frame["status"] == "running" and frame["message"]]


def _delays(
    case: _Case, steps: int, threads: ThreadPoolExecutor, service: Service, noter: Program, url: str
) -> list[float]:
    """Milliseconds from each step's commit to its frame. Failed when one never came, or came twice."""
    watcher = service.user("watcher", *_LIMIT)
    noter.ask("setup", url=url, user=watcher.get("/session").json()["id"])
    if case.documents:
        upload(service.user("other", *_LIMIT), [document(n, 60) for n in range(case.documents)])
    batches = [upload(watcher, [document(n, 1) for n in range(case.tasks)]) for _ in range(case.sockets)]
    opened = threading.Barrier(case.sockets + 1, timeout=_PATIENCE)
    following = [threads.submit(_frames, watcher, batch, opened) for batch in batches]
    opened.wait()
    committed = noter.ask("note", count=steps, gap=_GAP)
    came = sorted(frame for one in following for frame in one.result())
    if [number for number, _ in came] != list(range(steps)):
        raise Failed("a step was not told of, or twice")
    return [(told - at) * 1e3 for (_, told), at in zip(came, committed, strict=True)]


def _turn(databases: Databases, kind: str, case: _Case, steps: int) -> Sample:
    url = databases.fresh(kind)
    try:
        with (
            ThreadPoolExecutor(case.sockets) as threads,  # whose sockets close when the service ends
            running({"database_url": url, **_SETTINGS}) as service,
            Program("benchmarks.noting") as noter,
            watched() as load,
        ):
            delays = _delays(case, steps, threads, service, noter, url)
    finally:
        databases.drop(url)
    points = {name: percentile(delays, share) for name, share in _POINTS.items()}
    return Sample(points["P99"], foreign=load.foreign, more=points)


def measured(databases: Databases, rounds: Rounds) -> list[Figure]:
    """With a new service each time, and a worker beside its own that only tells of steps; on each database in turn."""
    steps = 50 if rounds.quick else 500
    cases = {f"{kind}.{name}": (kind, case) for kind in KINDS for name, case in _CASES.items()}
    taken = rounds.interleaved({name: partial(_turn, databases, *given, steps) for name, given in cases.items()})
    figures: list[Figure] = []
    for name, (_, case) in cases.items():
        for point in _POINTS:
            figure = median(f"service.progress.{name}, {point}", "ms", taken.more(name, point), settings=case.said)
            figures.append(replace(figure, note=taken.failed.get(name, "")))
    return figures
