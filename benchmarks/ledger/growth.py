"""What a claim costs as the backlog grows: deeper, with more users, and behind a user who is at the limit."""

import contextlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.figures import OURS, Figure, compared, median, percentile
from benchmarks.ledger.backlog import Backlog, analyse, load
from benchmarks.ledger.databases import Databases, on_each
from benchmarks.ledger.worker import ENGINE, ended, joined, rules
from benchmarks.machine import watched
from benchmarks.rounds import Rounds, Sample, say
from paperlane.hosting import open_ledger
from paperlane.ledger import Ledger
from paperlane.model.tasks import Lease

ROOM = 100
_STEPS = 5  # between two looks at the depth
_FAR = 1_000_000  # where the capped user stands
_BLOCKS = 8  # of warming up, at most, each a fifth of a turn
_QUICKER = 1.05  # than the best block before: not warm yet
_STEADY = 2  # blocks in succession that were no quicker


@dataclass(frozen=True, slots=True)
class Cell:
    """A size of the backlog; `capped` more tasks wait behind one user who may run nothing more."""

    depth: int
    users: int
    capped: int = 0


def cells(scale: int) -> dict[str, Cell]:
    """All sizes; `scale` divides the large ones, for a short run."""
    million = 1_000_000 // scale
    many = 100_000 // scale
    return {
        "1k deep, 100 users": Cell(1_000, 100),
        "1M deep, 100 users": Cell(million, 100),
        "1M deep, 100k users": Cell(million, many),
        "10k deep, 1k users": Cell(10_000, 1_000),
        "1M deep, 1k users": Cell(million, 1_000),
        "1M deep, 90 % behind one user": Cell(million // 10, 1_000, million - million // 10),
    }


@dataclass
class Filled:
    """A ledger with a cell's backlog, kept at its depth between the timed steps."""

    ledger: Ledger
    cell: Cell
    _left: int = 0
    _leases: list[Lease] = field(default_factory=list)

    def fill(self) -> None:
        """Load it, and use up the capped user's turn."""
        if self.cell.capped:
            load(self.ledger, Backlog(self.cell.capped, 1, first=_FAR, max_running=1))
            self.ledger.step(ENGINE, joined(self.ledger, 1), [], 1)  # held to the end
        load(self.ledger, Backlog(self.cell.depth, self.cell.users, max_running=ROOM))
        analyse(self.ledger)
        self._left = self.cell.depth
        self._worker = joined(self.ledger)

    def times(self, seconds: float, room: int = ROOM) -> list[float]:
        """Seconds of each step with so many in flight, for about so many seconds in all."""
        found: list[float] = []
        until = time.perf_counter() + 20 * seconds
        while sum(found) < seconds and time.perf_counter() < until:
            self._top_up()
            for _ in range(_STEPS):
                began = time.perf_counter()
                self._leases = list(self.ledger.step(ENGINE, self._worker, ended(self._leases), room))
                found.append(time.perf_counter() - began)
                self._left -= len(self._leases)
        return found

    def warm(self, block: float) -> None:
        """Blocks of steps that nobody counts, until they get no quicker: what they need is in memory then."""
        best, steady = 0.0, 0
        for _ in range(_BLOCKS):
            found = self.times(block)
            rate = len(found) / sum(found)
            steady = 0 if rate > best * _QUICKER else steady + 1
            if steady == _STEADY:
                return
            best = max(best, rate)
        say("  still gets quicker")

    def _top_up(self) -> None:
        if self._left < max(self.cell.depth // 2, (_STEPS + 1) * ROOM):
            load(self.ledger, Backlog(self.cell.depth - self._left, min(self.cell.users, self.cell.depth - self._left)))
            self._left = self.cell.depth


def _case(filled: Filled, seconds: float) -> Callable[[], Sample]:
    def take() -> Sample:
        with watched() as load_:
            found = filled.times(seconds)
        p95 = percentile(found, 0.95) * 1e3
        return Sample(ROOM * len(found) / sum(found), foreign=load_.foreign, more={"p95": p95})

    return take


_COMPARED = {  # name: what it is, against what
    "depth.100": ("1M deep, 100 users", "1k deep, 100 users"),
    "depth.1000": ("1M deep, 1k users", "10k deep, 1k users"),
    "users": ("1M deep, 100k users", "1M deep, 100 users"),
    "capped": ("1M deep, 90 % behind one user", "1M deep, 1k users"),
}


def measured(databases: Databases, rounds: Rounds) -> list[Figure]:
    """On each database; every size has a database of its own, and all are asked in turn."""
    return on_each("growth", lambda kind: _on(databases, rounds, kind))


def _on(databases: Databases, rounds: Rounds, kind: str) -> list[Figure]:
    with ExitStack() as closing:
        seconds = min(rounds.seconds / 4, 5.0)
        all_filled: dict[str, Filled] = {}
        for name, cell in cells(20 if rounds.quick else 1).items():
            url = databases.fresh(kind)
            closing.callback(databases.drop, url)
            filled = Filled(closing.enter_context(contextlib.closing(open_ledger(url, rules()))), cell)
            filled.fill()
            say(f"  loaded {name}")
            all_filled[name] = filled
        databases.settle()
        for name, filled in all_filled.items():
            filled.warm(seconds / 5)
            say(f"  warmed {name}")
        taken = rounds.interleaved({name: _case(filled, seconds) for name, filled in all_filled.items()})
    figures: list[Figure] = []
    for what, (one, other) in _COMPARED.items():
        beside = {other: taken.values(other)}
        figures += compared(f"growth.{kind}.{what}", "tasks/s", taken.values(one), beside, {OURS: one}, taken.failed)
    large, small = "1M deep, 100k users", "10k deep, 1k users"
    beside = {small: taken.more(small, "p95")}
    figures += compared(f"growth.{kind}.p95", "ms/step", taken.more(large, "p95"), beside, {OURS: large})
    figures += [median(f"growth.{kind}.cells", "tasks/s", taken.values(name), peer=name) for name in all_filled]
    return figures
