"""What a sample keeps of a look: a bounded number of named figures, and those that were counted in the last minute."""

from collections.abc import Iterator
from math import isfinite

from paperlane.model.figures import Series
from paperlane.monitor.alerts import Sight

_MOST_ENGINES, _MOST_WORKERS = 20, 60
_LONGEST_NAME = 60
_OUTCOMES = {"completed_per_minute": "completed", "failed_per_minute": "failed"}


NAMES = frozenset(
    (
        "queued", "running", "slots", "limit", "oldest", "users", "workers", "dead",
        "connections", "most_connections", "database_bytes", "cpu", "memory",
        "completed_per_minute", "failed_per_minute", "api_p95", "page_p95", "batch_p95", "progress_p99",
        "wait_mean", "completion_mean", "availability",
    )
)  # fmt: skip
"""What a sample may tell of the whole; besides it tells of engines and workers, by their names."""

OF_SOME = ("slots.", "queued.", "running.", "cpu.")
"""How names begin that are of an engine or of a worker."""


def series_of(sight: Sight) -> Series:
    """What is known of it, by name; what is not known is left out."""
    found = {**dict(_now(sight)), **dict(_counted(sight)), **dict(_by_engine(sight)), **dict(_by_worker(sight))}
    return {name[:_LONGEST_NAME]: value for name, value in found.items() if isfinite(value)}


def _now(sight: Sight) -> Iterator[tuple[str, float]]:
    now = sight.now
    yield "queued", now.queued
    yield "running", now.running
    yield "slots", now.slots
    yield "limit", now.limit
    yield "oldest", now.oldest
    yield "users", now.users
    yield "workers", sum(worker.live for worker in now.workers)
    yield "dead", now.dead
    if now.most_connections:
        yield "connections", now.connections
        yield "most_connections", now.most_connections
    if now.database_bytes:
        yield "database_bytes", now.database_bytes
    if now.cpu is not None:
        yield "cpu", now.cpu
    if now.memory is not None:
        yield "memory", now.memory


def _counted(sight: Sight) -> Iterator[tuple[str, float]]:
    """Rates by the minute, and how long what was counted took."""
    if (earlier := sight.minute_ago()) is not None:
        passed = sight.now.at - earlier.at
        labels = sight.labels("outcomes")
        for name, outcome in _OUTCOMES.items():
            ends = [label for label in labels if label.endswith(f"/{outcome}")]
            yield name, sight.counted("outcomes", ends, 0).count * 60.0 / passed
    for name, label, share in (("api_p95", "api", 0.95), ("page_p95", "page", 0.95), ("batch_p95", "batch", 0.95)):
        if (told := sight.counted("http_seconds", [label], 1)).count:
            yield name, told.quantile(share)
    if (told := sight.counted("progress_seconds", [""], 1)).count:
        yield "progress_p99", told.quantile(0.99)
    for name, tally in (("wait_mean", "wait_seconds"), ("completion_mean", "completion_seconds")):
        if (told := sight.counted(tally, sight.labels(tally), 1)).count:
            yield name, told.mean
    answers = sight.counted_by("http_answers", sight.labels("http_answers"), 1)
    if all_of_them := sum(told.count for told in answers.values()):
        failed = sum(told.count for label, told in answers.items() if label.endswith("/5xx"))
        yield "availability", 1.0 - failed / all_of_them


def _by_engine(sight: Sight) -> Iterator[tuple[str, float]]:
    for engine in sight.now.engines[:_MOST_ENGINES]:
        yield f"slots.{engine.name}", engine.slots
        yield f"queued.{engine.name}", engine.queued
        yield f"running.{engine.name}", engine.running


def _by_worker(sight: Sight) -> Iterator[tuple[str, float]]:
    for worker in sight.now.workers[:_MOST_WORKERS]:
        yield f"slots.{worker.id}", worker.slots
        if worker.cpu is not None:
            yield f"cpu.{worker.id}", worker.cpu
