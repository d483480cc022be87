"""What a process counts, until it is told to all."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

import structlog

from paperlane.errors import Unavailable
from paperlane.model.tallies import BUCKETS, Histogram, Tallies, bucket_of
from paperlane.model.tasks import Completed, Ended

log = structlog.get_logger(__name__)

_WORDS = {"retry": "retried"}  # that are others in the ledger's history

EVERY = 10.0
"""Seconds between two tellings; a process that is killed takes with it what it counted since the last."""


@dataclass(slots=True)
class _Sum:
    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    total: float = 0.0


@dataclass(slots=True)
class Counting:
    """Counts from any thread; `tell` adds to what all processes counted."""

    tell: Callable[[Tallies], None]
    _sums: dict[tuple[str, str], _Sum] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def note(self, name: str, label: str, seconds: float = 0.0) -> None:
        """One more; what is less than no time, by clocks that are apart, is none."""
        seconds = max(0.0, seconds)
        with self._lock:
            one = self._sums.setdefault((name, label), _Sum())
            one.counts[bucket_of(seconds)] += 1
            one.total += seconds

    def ended(self, engine: str, outcomes: Iterable[tuple[Ended, str]]) -> None:
        """Attempts of this engine that the ledger took, and what each came to there. Parts of attempts do not count."""
        for one, how in outcomes:
            if how == "paused":
                continue
            self.note("outcomes", f"{engine}/{_WORDS.get(how, how)}", one.outcome.seconds)
            if how == "completed" and isinstance(one.outcome, Completed) and one.outcome.age is not None:
                self.note("completion_seconds", engine, one.outcome.age)

    def flush(self) -> None:
        """Tell what came since the last time. What could not be told, as nothing could be written, comes with the next.

        Any other error drops it: told again, it would fail again.
        """
        with self._lock:
            sums, self._sums = self._sums, {}
        if not sums:
            return
        try:
            self.tell({key: Histogram(tuple(one.counts), one.total) for key, one in sums.items()})
        except Unavailable:
            self._take_back(sums)
            raise

    def _take_back(self, sums: dict[tuple[str, str], _Sum]) -> None:
        with self._lock:
            for key, one in sums.items():
                more = self._sums.setdefault(key, _Sum())
                more.counts = [a + b for a, b in zip(more.counts, one.counts, strict=True)]
                more.total += one.total


async def keep_telling(flush: Callable[[], Awaitable[None]]) -> None:
    """Tell what was counted now and then, until cancelled."""
    while True:
        await asyncio.sleep(EVERY)
        await tell(flush)


async def tell(flush: Callable[[], Awaitable[None]]) -> None:
    """Tell it; what cannot be told now comes later."""
    try:
        await flush()
    except Unavailable as error:
        log.warning("counts could not be told", why=error.message)
    except Exception:
        log.exception("counts could not be told, and are dropped")
