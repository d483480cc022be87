"""What an auditor knows beside tasks and lanes: schedules, each time fired once, and what retention may let go."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from paperlane.ledger import Kept

NEAR = 1e-6
ENDED = ("completed", "failed", "cancelled")
APART = 10.0  # seconds by which clocks may be, a third of a lease
EACH = {"* * * * *": (60, 0), "*/5 * * * *": (300, 0), "7 * * * *": (3_600, 420)}
"""Expressions of the stories: every how many seconds they come due, and how long after a whole such time."""

Expect = Callable[..., None]


def next_time(cron: str, now: float) -> float:
    """The first time after this one that the expression names, in UTC."""
    every, after = EACH[cron]
    return (now - after) // every * every + every + after


@dataclass(slots=True)
class ScheduleRow:
    """What is known of a schedule."""

    id: str
    user: int
    cron: str
    paused: int
    next_at: float
    last_at: float
    last_batch: str
    refused_at: float


@dataclass
class Timetable:
    """All schedules. A time that has come is fired once, and nothing else is."""

    expect: Expect
    rows: dict[str, ScheduleRow] = field(default_factory=dict)
    fired: set[str] = field(default_factory=set)  # batches that came with their firing, in one transaction

    def changed(self, how: str, row: ScheduleRow, now: float) -> None:
        before = self.rows.pop(row.id, None)
        if how == "DELETE":
            return
        self.rows[row.id] = row
        if before is not None and row.last_batch != before.last_batch:
            self._fired(before, row, now)
        elif before is None or row.next_at != before.next_at:
            last = row.last_at if now < row.last_at <= now + APART else now  # set back a little, it does not come again
            due = {next_time(row.cron, at) for at in (now - 1.0, now, last)}  # it was asked a moment ago
            self.expect(row.next_at in due, "15: the next time is wrong", before, row, now)

    def _fired(self, before: ScheduleRow, row: ScheduleRow, now: float) -> None:
        self.expect(not before.paused, "15: a paused schedule fires", before)
        self.expect(before.next_at <= row.last_at <= now + NEAR, "15: a schedule fires before its time", before, row)
        self.expect(row.next_at == next_time(row.cron, row.last_at), "15: it does not fire once", before, row)
        self.expect(row.refused_at == 0.0, "15: what has fired is still refused", row)
        self.fired.add(row.last_batch)

    def batches(self, born: Collection[str]) -> None:
        """These batches were born in the transaction in which `fired` was gathered."""
        submitted = {batch for batch in born if batch.startswith("fired")}
        self.expect(submitted == self.fired, "15: fired", self.fired, "and submitted", submitted)
        self.fired = set()

    def missed(self, until: float) -> list[ScheduleRow]:
        """What was due then, and neither fired since nor was refused."""
        return [x for x in self.rows.values() if not x.paused and x.next_at <= until and not x.refused_at]


class Ended(Protocol):
    """What must be known of an ended task."""

    @property
    def id(self) -> str: ...
    @property
    def user(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def finished_at(self) -> float: ...


@dataclass
class Archive:
    """Ended tasks: how long they must be kept, and what of them.

    `shortest` is what nothing goes before; `gone` and `stripped` are what the transaction deletes that is looked at.
    """

    expect: Expect
    kept: Kept = field(default_factory=Kept)
    shortest: float = 86_400.0
    gone: list[Ended] = field(default_factory=list)
    stripped: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)  # table, row

    def longest(self, state: str) -> float:
        """How old a task of this outcome becomes, whatever their number."""
        return max((self.kept.failed if state == "failed" else self.kept.finished) or float("inf"), self.shortest)

    def look(self, tasks: dict[str, Any], ended: Callable[[int, str], Collection[Ended]], now: float) -> None:
        """At what the transaction deletes; `tasks` and `ended` (by user and outcome) are those that it left."""
        gone, self.gone = self.gone, []
        groups = defaultdict[tuple[int, str], list[Ended]](list)
        for row in gone:
            groups[row.user, row.state].append(row)
        for (user, state), rows in groups.items():
            left = [row for row in ended(user, state) if row.finished_at > 0.0]
            self._forgotten(rows, left, now)
        whole = {row.id for row in gone}
        stripped, self.stripped = self.stripped, []
        for table, row in stripped:
            if row[0] not in whole:
                self._trimmed(table, row, tasks[row[0]], now)

    def _forgotten(self, gone: Sequence[Ended], left: Sequence[Ended], now: float) -> None:
        """Of one user and outcome. Nothing that is too young goes, and of the rest only what is old or too much."""
        young = [row for row in gone if row.finished_at > now - self.shortest + NEAR]
        self.expect(not young, "16: forgotten on the day they ended", young)
        early = [row for row in gone if row.finished_at > now - self.longest(row.state) + NEAR]
        oldest_first = sorted([*gone, *left], key=lambda row: (row.finished_at, row.id))
        excess = max(0, len(oldest_first) - self.kept.most) if self.kept.most else 0
        may = {row.id for row in oldest_first[:excess]}
        self.expect(all(row.id in may for row in early), "16: forgotten too early", early, "of", len(oldest_first))

    def _trimmed(self, table: str, row: tuple[Any, ...], task: Ended, now: float) -> None:
        old = self.kept.steps > 0 and task.finished_at <= now - self.kept.steps + NEAR
        self.expect(task.state == "completed" and old, "16: trimmed too early", table, row, task)
        match table:
            case "events":
                self.expect(row[4] not in ENDED, "16: the end of a task is trimmed", row)
            case "checkpoints":
                self.expect(row[1] not in self.kept.results, "16: a result that people read is trimmed", row)
            case _:
                self.expect(False, "16: trimmed from", table, row)

    def overdue(self, tasks: Collection[Ended], now: float) -> list[Ended]:
        """Those that must not be there any more."""
        groups = defaultdict[tuple[int, str], list[Ended]](list)
        for row in tasks:
            if row.state in ENDED:
                groups[row.user, row.state].append(row)
        found: list[Ended] = []
        for (_, state), rows in groups.items():
            rows.sort(key=lambda row: (row.finished_at, row.id))
            excess = max(0, len(rows) - self.kept.most) if self.kept.most else 0
            found += [row for row in rows if row.finished_at <= now - self.longest(state)]
            found += [row for row in rows[:excess] if row.finished_at <= now - self.shortest]
        return found
