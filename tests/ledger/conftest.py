"""Every test of this folder runs on every database that the ledger speaks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from tests.databases import KINDS, SERVERS, Databases, kept, opened
from tests.ledger.invariants import check_invariants

from paperlane.ledger import Files, Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId, WorkerId


@dataclass
class VirtualClock:
    """A clock that moves when it is told to; `jumped` is by how much the database's was set, forward or back."""

    at: float = 1_000_000.0
    jumped: float = 0.0

    def now(self) -> float:
        return self.at + self.jumped

    def monotonic(self) -> float:
        return self.at

    def pass_time(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Bench:
    """A ledger under a virtual clock, and short ways to fill it."""

    ledger: SqlLedger
    clock: VirtualClock
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    meant: tuple[str, ...] = ()  # invariants that the test breaks on purpose

    def submit(self, user: int, tasks: int = 1, *, cost: float = 1.0, **more: object) -> list[TaskId]:
        names = [TaskId(f"task{next(self.numbers):08}") for _ in range(tasks)]
        new = [NewTask(name, b'{"n": 1}', cost) for name in names]
        batch = NewBatch(BatchId(f"batch{next(self.numbers):08}"), UserId(user), new, **more)  # type: ignore[arg-type]
        self.ledger.submit(batch)
        return names

    def worker(self, name: str = "worker", slots: int = 10, engine: str = "database") -> WorkerId:
        self.ledger.register(WorkerId(name), engine, "host", 1, slots)
        return WorkerId(name)


def new_batch(name: str, user: int, tasks: int, **more: object) -> NewBatch:
    new = [NewTask(TaskId(f"{name}-{n:04}"), b"{}") for n in range(tasks)]
    return NewBatch(BatchId(name), UserId(user), new, **more)  # type: ignore[arg-type]


@pytest.fixture(params=KINDS)
def make_bench(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []
    urls = databases.urls(request.param, tmp_path)
    on_server = request.param in SERVERS

    def make(files: Files | None = None, **rules: object) -> Bench:
        clock = VirtualClock()
        dialect = kept(next(urls)) if on_server else opened(next(urls))
        ledger = SqlLedger(dialect, Rules(**rules), clock=clock, chance=lambda: 0.5, files=files)  # type: ignore[arg-type]
        made.append(Bench(ledger, clock))
        return made[-1]

    try:
        yield make
        for bench in made:
            check_invariants(bench.ledger, *bench.meant)
    finally:
        for bench in made if not on_server else ():
            bench.ledger.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
