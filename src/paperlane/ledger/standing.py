"""What this process knows of what its workers run, so that not each of their steps counts it."""

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from paperlane.ledger.claims import There
from paperlane.model.tasks import WorkerId


@dataclass(slots=True)
class Step:
    """A step of a worker: what it ran before, if that is known, and afterwards."""

    before: There | None
    after: There | None = None


@dataclass(slots=True)
class _Worker:
    lock: Lock = field(default_factory=Lock)
    there: There | None = None


class Standing:
    """How much each worker of this process runs, as its last step left it.

    While somebody reads for hours, no database clears away what it has of tasks that ended since, and a count passes
    all of them by: after 15 seconds that took 5 ms a step on PostgreSQL, and it grew. A worker's identity is its
    process's own, so only what is done here adds to what it runs; elsewhere tasks are only taken from it. So what is
    remembered may be too much, and never too little: where it stands in the way of a turn, it is counted after all.
    """

    def __init__(self) -> None:
        self._workers: defaultdict[WorkerId, _Worker] = defaultdict(_Worker)

    @contextmanager
    def step(self, worker: WorkerId) -> Generator[Step]:
        """A step of the worker, alone, as it is at its row too."""
        known = self._workers[worker]
        with known.lock:
            step = Step(known.there)
            known.there = None  # unless the step comes through
            yield step
            known.there = step.after

    @contextmanager
    def alone(self, worker: WorkerId) -> Generator[None]:
        """Something else changes what the worker runs: it is counted at its next step."""
        known = self._workers[worker]
        with known.lock:
            known.there = None
            yield

    def forget(self, worker: WorkerId) -> None:
        """The worker is no more."""
        self._workers.pop(worker, None)
