"""What many figures say together: points, fairness between users, and whether something grows."""

import math
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

POINTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share of all does not exceed (nearest rank); NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered)))) - 1]


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean; NaN of none."""
    return math.fsum(values) / len(values) if values else math.nan


def jain(values: Sequence[float]) -> float:
    """Jain's fairness index (Jain, Chiu and Hawe 1984): 1 where all are equal, 1/n where one has everything."""
    squares = math.fsum(value * value for value in values)
    return math.fsum(values) ** 2 / (len(values) * squares) if squares else math.nan


def apart(values: Sequence[float]) -> float:
    """How many times the least the most is; NaN of none, and where the least is 0."""
    return max(values) / min(values) if values and min(values) > 0 else math.nan


def slope(at: Sequence[float], values: Sequence[float]) -> float:
    """By how much the values rise in a unit of `at`: the line of least squares. NaN where there are no two times."""
    if not at:
        return math.nan
    middle, level = mean(at), mean(values)
    width = math.fsum((one - middle) ** 2 for one in at)
    if width == 0:
        return math.nan
    return math.fsum((one - middle) * (value - level) for one, value in zip(at, values, strict=True)) / width


@dataclass(frozen=True, slots=True)
class Started:
    """A task of a user: when it was accepted and when its first attempt began, in seconds of one clock."""

    user: str
    accepted: float
    started: float


class Round:
    """Deals starts out by turns among users who have a task waiting, each to the oldest of their tasks.

    Who has none leaves the round, and comes back at its end. So as many tasks start, and when they did: only to whom
    they go differs. What comes is told in the order of time.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[float]] = {}
        self._turn: deque[Hashable] = deque()

    def accept(self, user: Hashable, at: float, tasks: int = 1) -> None:
        """Tasks of a user came."""
        if user not in self._waiting:
            self._waiting[user] = deque()
            self._turn.append(user)
        self._waiting[user].extend([at] * tasks)

    def start(self) -> tuple[Hashable, float] | None:
        """Whose turn this start would be, and when that task came; None where nobody waits."""
        if not self._turn:
            return None
        user = self._turn.popleft()
        accepted = self._waiting[user].popleft()
        if self._waiting[user]:
            self._turn.append(user)
        else:
            del self._waiting[user]
        return user, accepted


def fair_waits(tasks: Iterable[Started], since: float = -math.inf) -> Mapping[str, Sequence[float]]:
    """The waits that users would have had, had the very starts that there were gone round among who waited.

    Of tasks that were accepted from `since` on.
    """
    ordered = sorted(tasks, key=lambda task: task.accepted)
    coming = deque(ordered)
    going = Round()
    waits: dict[str, list[float]] = defaultdict(list)
    for at in sorted(task.started for task in ordered):
        while coming and coming[0].accepted <= at:
            task = coming.popleft()
            going.accept(task.user, task.accepted)
        # where none waits, the clocks of two processes differ a little: it started before it was accepted
        if (turn := going.start()) is not None and turn[1] >= since:
            waits[str(turn[0])].append(at - turn[1])
    return waits
