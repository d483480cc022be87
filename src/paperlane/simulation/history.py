"""A ledger's own history as a load: the same tasks come at the same times, and take as long as they did."""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import frexp, inf

from paperlane.errors import BadRequest
from paperlane.ledger import Ledger
from paperlane.model.tasks import Past, State, UserId
from paperlane.simulation.run import Arrival, Work
from paperlane.simulation.setting import Setting

_PAGE = 1_000
_KEPT = 1_000  # times of attempts of about one size
_SOON = 60.0  # seconds by which ids of several processes may be out of order
HEAVY = 5.0
"""A user is heavy who brings more than so many times what each would bring, if all brought the same."""

_Coming = tuple[float, str, int, Work]
"""When a task could first start, its id, its user, and what it is."""


def pages(ledger: Ledger, since: float) -> Iterator[Past]:
    """All tasks submitted since a time, in the order of their ids."""
    cursor = ""
    while found := ledger.past(since, cursor, _PAGE):
        yield from found
        cursor = found[-1].id


@dataclass(slots=True)
class Measured:
    """What the tasks of a history met with in truth: waits in seconds, and when the first came and the last ended."""

    waits: list[float] = field(default_factory=list)
    completed: int = 0
    failed: int = 0
    began: float = inf
    ended: float = 0.0

    def see(self, task: Past) -> None:
        """One more."""
        self.began = min(self.began, task.accepted)
        self.ended = max(self.ended, task.finished)
        self.completed += task.state is State.COMPLETED
        self.failed += task.state is State.FAILED
        if task.started:
            self.waits.append(max(0.0, task.started - task.accepted))


@dataclass(slots=True)
class History:
    """The tasks of a ledger since a time. Those that were cancelled are left out, for they may never have run.

    Of one that has not ended nobody knows how long it takes: as long as one of about its size, by chance. Everything
    is read anew for each load, page by page, so that memory does not grow with the history.
    """

    ledger: Ledger
    since: float
    seed: int = 1
    users: Counter[int] = field(default_factory=Counter)
    cancelled: int = 0
    guessed: int = 0
    measured: Measured = field(default_factory=Measured)
    _times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    _seen: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Look through it once. BadRequest where there is nothing."""
        chance = random.Random(self.seed)  # noqa: S311  keeps no secret
        for task in pages(self.ledger, self.since):
            if task.state is State.CANCELLED:
                self.cancelled += 1
                continue
            self.users[task.user] += 1
            self.measured.see(task)
            if task.used > 0:
                self._learn(task, chance)
            else:
                self.guessed += 1
        if not self.users:
            raise BadRequest(
                "The ledger has no tasks of that time.", hint="Go further back with --since, or describe a load."
            )

    def _learn(self, task: Past, chance: random.Random) -> None:
        """Keep some of the times of each size, all with the same chance (reservoir sampling)."""
        size = _size(task)
        self._seen[size] += 1
        if len(times := self._times[size]) < _KEPT:
            times.append(task.used)
        elif (place := chance.randrange(self._seen[size])) < _KEPT:
            times[place] = task.used

    @property
    def tasks(self) -> int:
        """How many come."""
        return self.users.total()

    def is_heavy(self, user: int) -> bool:
        """Does this user bring far more than others?"""
        return self.users[user] > HEAVY * self.tasks / len(self.users)

    def load(self) -> Iterator[Arrival]:
        """The tasks, as they could start; times in seconds since 1970."""
        chance = random.Random(self.seed)  # noqa: S311  keeps no secret
        coming: list[_Coming] = []
        for task in pages(self.ledger, self.since):
            if task.state is not State.CANCELLED:
                seconds = task.used or self._guess(task, chance)
                heapq.heappush(coming, (task.accepted, task.id, task.user, Work(seconds, task.cost, task.priority)))
            # whatever has a later id was submitted later, but for what several processes did at about the same time
            while coming and coming[0][0] < task.submitted - _SOON:
                yield _together(coming)
        while coming:
            yield _together(coming)

    def _guess(self, task: Past, chance: random.Random) -> float:
        if not self._times:
            return task.cost
        size = min(self._times, key=lambda known: abs(known - _size(task)))
        return chance.choice(self._times[size])

    def setting(self, setting: Setting) -> Setting:
        """The same with the limits and weights that the users' lanes have now."""
        limits: dict[int, int] = {}
        weights: dict[int, float] = {}
        after = UserId(0)
        while found := self.ledger.terms(after, _PAGE):
            for one in found:
                limits[one.user], weights[one.user] = one.max_running, one.weight
            after = found[-1].user
        return Setting(setting.crews, setting.user_limit, setting.system_limit, limits, weights)


def _together(coming: list[_Coming]) -> Arrival:
    """The next task, with those that its user brought at the same moment."""
    at, _, user, work = heapq.heappop(coming)
    works = [work]
    while coming and (coming[0][0], coming[0][2]) == (at, user):
        works.append(heapq.heappop(coming)[3])
    return Arrival(at, user, works)


def _size(task: Past) -> int:
    """Sizes twice as large are the next class."""
    return frexp(task.cost)[1]


def served(history: History) -> Sequence[str]:
    """Sentences about what is left out or guessed."""
    found: list[str] = []
    if history.cancelled:
        found.append(f"{history.cancelled} cancelled tasks are left out.")
    if history.guessed:
        found.append(f"{history.guessed} tasks have not ended: each takes as long as one of about its size.")
    return found
