"""A ledger's own history as a load: the same tasks come at the same times, and take as long as they did."""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import frexp, inf

from paperlane.catalog import of_one
from paperlane.errors import BadRequest
from paperlane.ledger import Kept, Ledger
from paperlane.ledger.evidence import of_users
from paperlane.model.tasks import Past, State, Terms, UserId
from paperlane.simulation.run import Arrival, Work
from paperlane.simulation.scenario import OVERHEAD
from paperlane.simulation.setting import Crew, Setting

_PAGE = 1_000
_KEPT = 1_000  # times of attempts of about one size
_SOON = 60.0  # seconds by which ids of several processes may be out of order
_USERS = 500  # whose open tasks one question asks for
_OPEN = 20_000  # tasks that its answer has at the most
_DAY = 86_400.0
HEAVY = 5.0
"""A user is heavy who brings more than so many times what each would bring, if all brought the same."""

_Coming = tuple[float, str, int, Work]
"""When a task could first start, its id, its user, and what it is."""


def pages(ledger: Ledger, since: float, last: str = "") -> Iterator[Past]:
    """All tasks submitted since a time, in the order of their ids, up to the last one if that is named."""
    cursor = ""
    while found := ledger.past(since, cursor, _PAGE):
        for task in found:
            if last and task.id > last:
                return
            yield task
        cursor = found[-1].id


def _terms(ledger: Ledger) -> Iterator[Terms]:
    after = UserId(0)
    while found := ledger.terms(after, _PAGE):
        yield from found
        after = found[-1].user


@dataclass(slots=True)
class Measured:
    """What the tasks of a history met with in truth: waits in seconds, and when the first came and the last ended.

    Those that have `not_begun`, or were started again and wait anew, have no wait yet.
    """

    waits: list[float] = field(default_factory=list)
    tasks: int = 0
    not_begun: int = 0
    completed: int = 0
    failed: int = 0
    began: float = inf
    ended: float = 0.0

    def see(self, task: Past) -> None:
        """One more."""
        self.tasks += 1
        self.began = min(self.began, task.accepted)
        self.ended = max(self.ended, task.finished)
        self.completed += task.state is State.COMPLETED
        self.failed += task.state is State.FAILED
        if task.started:
            self.waits.append(max(0.0, task.started - task.accepted))
        else:
            self.not_begun += task.state.status == "queued"

    @property
    def whole(self) -> bool:
        """Is of all tasks known how long they waited?"""
        return len(self.waits) == self.tasks


@dataclass(slots=True)
class History:
    """The tasks of a ledger since a time. Those that were cancelled are left out, for they may never have run.

    Of the `guessed` it is not known how long they take: they have not ended, or no attempt ended them, or they were
    started again. Each takes as long as one of about its size, by chance. Everything is read anew for each load, page
    by page, so that memory does not grow with the history. `ended` counts each user's tasks by their outcome.

    So many tasks of before were `open_before` still when the period began; nobody knows what was left of them then.
    """

    ledger: Ledger
    since: float
    seed: int = 1
    users: Counter[int] = field(default_factory=Counter)
    ended: Counter[tuple[UserId, State]] = field(default_factory=Counter)
    cancelled: int = 0
    guessed: int = 0
    open_before: int = 0
    measured: Measured = field(default_factory=Measured)
    _times: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    _seen: Counter[int] = field(default_factory=Counter)
    _terms: dict[int, Terms] = field(default_factory=dict)
    _last: str = ""  # what came after this task, while it was looked through, does not count
    _much: float = 0.0

    def __post_init__(self) -> None:
        """Look through it once. BadRequest where there is nothing."""
        chance = random.Random(self.seed)  # noqa: S311  keeps no secret
        for task in pages(self.ledger, self.since):
            self._last = task.id
            if task.state is State.CANCELLED:
                self.cancelled += 1
                continue
            self.users[task.user] += 1
            if task.state.ended:
                self.ended[task.user, task.state] += 1
            self.measured.see(task)
            if task.used > 0:
                self._learn(task, chance)
            else:
                self.guessed += 1
        self._terms = {one.user: one for one in _terms(self.ledger)}
        if not self.users:
            raise BadRequest(
                "The ledger has no tasks of that time.", hint="Go further back with --since, or describe a load."
            )
        self._much = HEAVY * self.tasks / len(self.users)
        self.open_before = sum(self._open_of(some) for some in self._some_users())

    def _some_users(self) -> Iterator[Sequence[UserId]]:
        users = [one.user for one in self._terms.values()]
        for at in range(0, len(users), _USERS):
            yield users[at : at + _USERS]

    def _open_of(self, users: Sequence[UserId]) -> int:
        """How many tasks of theirs came before the period and had not ended when it began."""
        since, ageing = self.since, self.ledger.rules.ageing
        found = self.ledger.read(lambda c: of_users(c, users, 0.0, since, ageing, _OPEN, ended_from=since))
        if found.cut and len(users) > 1:
            half = len(users) // 2
            return self._open_of(users[:half]) + self._open_of(users[half:])
        return sum(task.outcome in {"queued", "running"} for task in found.tasks)

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
        return self.users[user] > self._much

    def load(self) -> Iterator[Arrival]:
        """The tasks, as they could start; times in seconds since 1970."""
        chance = random.Random(self.seed)  # noqa: S311  keeps no secret
        coming: list[_Coming] = []
        for task in pages(self.ledger, self.since, self._last):
            if task.state is not State.CANCELLED:
                seconds = task.used or self._guess(task, chance)
                work = Work(seconds, task.cost, task.priority, measured=task.started > 0)
                heapq.heappush(coming, (task.accepted, task.id, task.user, work))
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

    def setting(self, setting: Setting, *, own_limits: bool = True) -> Setting:
        """The same with the weights that the users' lanes have now and, if they are to count, their limits."""
        limits = {user: one.max_running for user, one in self._terms.items()} if own_limits else {}
        return replace(setting, limits=limits, weights={user: one.weight for user, one in self._terms.items()})

    def engine_of(self, setting: Setting) -> Callable[[int], str]:
        """The engine that carries a user's tasks now; where the setting has no workers of it, the first one there."""
        there = set(setting.engines)

        def engine(user: int) -> str:
            terms = self._terms.get(user)
            return terms.engine if terms is not None and terms.engine in there else setting.engines[0]

        return engine

    def elsewhere(self, setting: Setting) -> Counter[str]:
        """Of the engines that a setting has no workers of, how many of these users each carries now."""
        there = set(setting.engines)
        return Counter(
            terms.engine
            for user in self.users
            if (terms := self._terms.get(user)) is not None and terms.engine not in there
        )


def crews_of(ledger: Ledger) -> Sequence[Crew]:
    """The workers that live now, those together that are alike; the engine with most of them first."""
    alike = Counter((one.engine, one.wants or one.slots) for one in ledger.members() if one.live)
    return [
        Crew(engine, workers, slots, OVERHEAD.get(engine, 0.0))
        for (engine, slots), workers in sorted(alike.items(), key=lambda of: -of[1] * of[0][1])
        if slots > 0
    ]


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


def left_out(history: History, setting: Setting | None = None) -> Sequence[str]:
    """Sentences about what is left out, or guessed; and about users whose engine has no workers in a setting."""
    found: list[str] = []
    if history.cancelled:
        found.append(f"{history.cancelled} cancelled tasks are left out.")
    if history.open_before:
        found.append(
            f"{history.open_before} tasks that came earlier were still open when the period began, and held slots and "
            "turns in it: they are left out, so at first more is free than was in truth."
        )
    if (n := history.guessed) == 1:
        found.append("How long 1 task takes is not known: it takes as long as one of about its size.")
    elif n:
        found.append(f"How long {n} tasks take is not known: each takes as long as one of about its size.")
    if history.measured.not_begun:
        found.append(
            f"{history.measured.not_begun} tasks have not begun yet, so how long they wait in truth nobody knows: the "
            "waits that were measured stand beside those of the same tasks, in rows of their own."
        )
    elif not history.measured.whole:
        found.append(
            "Some tasks were started again, so how long they waited first is not known: the waits that were measured "
            "stand beside those of the same tasks, in rows of their own."
        )
    if setting is not None:
        for engine, users in sorted(history.elsewhere(setting).items()):
            here = f"{setting.engines[0]} carries its {users} users here."
            found.append(of_one(f"No worker serves {engine} now: {here}"))
    return found


def forgotten(history: History, kept: Kept, now: float) -> Sequence[str]:
    """Sentences about what retention deleted, or may have, of the time that a history goes back."""
    return [*_too_old(history, kept, min(now, kept.until)), *_too_many(history, kept)]


def _too_old(history: History, kept: Kept, now: float) -> Iterator[str]:
    shortest = history.ledger.rules.key_kept
    both = {"completed": kept.finished, "failed": kept.failed}
    longest = {name: max(seconds, shortest) if seconds else inf for name, seconds in both.items()}
    goes, stays = sorted(longest, key=longest.__getitem__)
    before = {name: now - seconds for name, seconds in longest.items() if now - seconds > history.since}
    if goes not in before:
        return
    missing = f"of those that ended before {utc(before[goes])} some or all are missing"
    if longest[goes] == longest[stays]:
        yield f"Tasks are kept for {longest[goes] / _DAY:g} days after their end: {missing}."
        return
    yield (
        f"{goes.capitalize()} tasks are kept for {longest[goes] / _DAY:g} days: {missing}. "
        f"{stays.capitalize()} ones are kept {_for(longest[stays])}, so of that time too many of what is left {stays}."
    )
    if stays in before:
        yield f"Of the {stays} ones too some or all are missing, where they ended before {utc(before[stays])}."


def _for(seconds: float) -> str:
    return f"for {seconds / _DAY:g} days" if seconds < inf else "for ever"


def _too_many(history: History, kept: Kept) -> Iterator[str]:
    """Whoever has as many in the period as are kept at all may have had more in it."""
    users = {user for (user, _), tasks in history.ended.items() if tasks >= kept.most} if kept.most else ()
    if users:
        whose = "1 user has" if len(users) == 1 else f"{len(users)} users have"
        yield f"{whose} {kept.most:,} completed or failed tasks, the most that are kept: earlier ones may be missing."


def utc(at: float) -> str:
    """A time in seconds since 1970, for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
