"""Is a roll-out worse than what it replaces: asked each minute for weeks, and still seldom wrong even once.

Pure. A test that is looked at again and again finds something in the end, so this one is of a kind that holds at all
times at once: a mixture boundary over information. The method, its sources and how it was proved: docs/adr/0030.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import exp, floor, isfinite, log, log2, sqrt

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout.resampling import t_of, z_of

LEAST_USERS = 10
"""On each side, before anything is judged: fewer are no sample of anybody."""
LEAST_TASKS = 50
LEAST_EFFECTIVE = 6.0
"""Users of equal weight that those of a side must be worth."""

OVERLAP = 120.0
"""Seconds by which what ended may be told late."""

DAY = 86_400.0

_FEW = 3.0  # tasks with which a user weighs half
_YOUNG = 60.0  # seconds; a task that is open for less is not counted yet
_FELT = 1.0  # seconds that are added to how long a task took: what differs by less nobody notices
_FELT_WAIT = 10.0
_BURST = 600.0  # seconds; tasks that a user brings within them wait for each other
_SHORTEST = 0.25  # seconds; what is estimated at less is of one class
_LEAST_SPREAD = 0.05  # users differ by a twentieth at least, and where they seem not to, they are too few to show it


@dataclass(frozen=True, slots=True)
class Terms:
    """How a measure is judged: the chance of a false alarm, what is borne with, and about when it should be found.

    `alpha` is the chance that it alarms even once in a roll-out that is worse by just the `margin`; where the engines
    are equal it is far smaller. `tuned` is the information (1 / variance of the difference) at which the boundary is
    the nearest to a test that looks once.
    """

    alpha: float
    margin: float
    tuned: float


MEASURES: Mapping[str, Terms] = {
    "failures": Terms(0.01, 0.01, 200.0),
    "completion": Terms(0.025, log(1.05), 50.0),
    "wait": Terms(0.005, log(1.25), 50.0),
}
"""Failures are a share; completion (+ 1 s) and wait (+ 10 s) are logarithms, so that differences are factors."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Times of so many `seconds` from when a rule was set, each of which but the first is looked at alone too.

    All of them together have a `chance` of a false alarm, which is spread about evenly over the first so `many`.
    """

    seconds: float
    chance: float
    many: int
    measures: tuple[str, ...]

    def alpha(self, number: int) -> float:
        """The chance of a measure in the part of this number, from 2 on: the first one is the whole time."""
        least = number + self.many - 2
        return self.chance * self.many / (least * (least + 1)) / len(self.measures)


DAYS = Parts(DAY, 0.005, 7, tuple(MEASURES))
HOURS = Parts(3_600.0, 0.005, 4 * 7 * 24, ("failures",))
"""What goes bad after weeks is not hidden by all the good ones before, nor for hours by the rest of its day."""


class State(StrEnum):
    """What a guard says of its rule."""

    OFF = "off"
    NO_CONTROL = "no_control"  # everybody is on the new engine
    NOBODY = "nobody"  # the rule moves nobody
    WAITS = "waits"  # it was not looked at yet
    TOO_LITTLE = "too_little"
    WATCHES = "watches"
    WORSE = "worse"
    HELD = "held"
    TAKEN_BACK = "taken_back"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Sides:
    """Who a rule moved, True, and who stayed on the engine that they would have without it, False."""

    engine: str
    control: str
    of: Mapping[UserId, bool]

    def count(self, side: bool) -> int:  # noqa: FBT001  one of two
        """How many users."""
        return sum(of is side for of in self.of.values())


_Cell = tuple[str, int, int]
"""Tasks that are alike: of a kind, estimated at about as much, after about as many others of the same user."""


@dataclass(slots=True)
class _Mine:
    """Of a user: how many, their sum, and how many of each cell."""

    count: int = 0
    total: float = 0.0
    cells: dict[_Cell, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Column:
    """One measure in sums: by user, and by cell."""

    users: dict[UserId, _Mine] = field(default_factory=dict)
    cells: dict[_Cell, tuple[int, float]] = field(default_factory=dict)

    def add(self, user: UserId, cell: _Cell, value: float) -> None:
        mine = self.users.get(user)
        if mine is None:
            mine = self.users[user] = _Mine()
        mine.count += 1
        mine.total += value
        mine.cells[cell] = mine.cells.get(cell, 0) + 1
        count, total = self.cells.get(cell, (0, 0.0))
        self.cells[cell] = (count + 1, total + value)


@dataclass(slots=True)
class _Sums:
    """All measures of tasks on both sides."""

    columns: dict[str, _Column] = field(default_factory=lambda: {name: _Column() for name in MEASURES})

    def add(self, user: UserId, cell: _Cell, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.columns[name].add(user, cell, value)


@dataclass(frozen=True, slots=True)
class _Open:
    """A task that has not ended: it may have begun after `wait` seconds."""

    user: UserId
    cell: _Cell
    queued_at: float
    wait: float | None


def _long(seconds: float) -> float:
    return log(_FELT + max(0.0, seconds))


def _waited(seconds: float) -> float:
    return log(_FELT_WAIT + max(0.0, seconds))


def _of_ended(task: Carried) -> Mapping[str, float]:
    """What an ended task says. One that somebody cancelled took at least so long."""
    took = task.ended_at - task.queued_at
    found: dict[str, float] = {"wait": _waited((task.begun_at or task.ended_at) - task.queued_at)}
    if task.outcome != "failed":  # it would count as quick
        found["completion"] = _long(took)
    if task.outcome != "cancelled":
        found["failures"] = float(task.outcome == "failed")
    return found


def _of_open(task: _Open, now: float) -> Mapping[str, float]:
    """What an open task says by now: it takes at least so long, on either side alike."""
    age = now - task.queued_at
    wait = age if task.wait is None else task.wait
    return {"wait": _waited(wait), "completion": _long(age), "failures": 0.0}


@dataclass(slots=True)
class _Window:
    """What was brought since a time."""

    since: float
    over: _Sums = field(default_factory=_Sums)


class Evidence:
    """What became of both sides' tasks since a rule was set, in sums by user: of all that time, and of its last parts.

    Parts are the day and the hour that it is, as counted from when the rule was set. Of what came before `known_from`,
    where tasks are forgotten by what became of them, nothing is told: the rest would be one-sided.
    """

    def __init__(self, held_since: float, known_from: float = 0.0) -> None:
        self.held_since = held_since
        self.since = self.upto = max(held_since, known_from)
        self.whole, self.parts = _Window(self.since), {parts: _Window(held_since) for parts in (DAYS, HOURS)}
        self._past = _Sums()
        self._usual: Mapping[str, Mapping[UserId, float]] | None = None
        self._open: dict[TaskId, _Open] = {}
        self._before: dict[TaskId, _Open] = {}
        self._over: dict[TaskId, float] = {}
        self._last: dict[UserId, list[float]] = {}

    @property
    def ended_from(self) -> float:
        """What ended since then is to be told again at the next look: it may have been committed late."""
        return max(self.since, self.upto - OVERLAP)

    @property
    def usual(self) -> Mapping[str, Mapping[UserId, float]]:
        """By measure, how far each user's tasks were from those of all before the rule was set."""
        if self._usual is None:
            self._usual = {
                name: {user: value * count / (count + _FEW) for user, (count, value, _) in _by_user([column]).items()}
                for name, column in self._past.columns.items()
            }
        return self._usual

    def remember(self, tasks: Iterable[Carried], sides: Sides, kinds: Mapping[TaskId, str] | None = None) -> None:
        """What the users' tasks came to before the rule was set, on the engine that is the control.

        Users differ for good: by what each was used to, most of that is taken off (analysis of covariance). It may be
        told in parts, each with all tasks of some users.
        """
        self._usual = None
        for task in sorted(tasks, key=lambda one: (one.queued_at, one.task)):
            if task.user in sides.of and task.engine == sides.control and task.ended_at and task.queued_at < self.since:
                self._past.add(task.user, self._cell(task, (kinds or {}).get(task.task, "")), _of_ended(task))

    def take(
        self, tasks: Iterable[Carried], sides: Sides, now: float, kinds: Mapping[TaskId, str] | None = None
    ) -> None:
        """Tasks of the users as they stand now: all that are open, and those that ended since `ended_from`.

        Each is counted once, however often it is told. Those of other engines and users are passed by.
        """
        self.begin(now)
        self.add(tasks, sides, now, kinds)
        self.end(now)

    def begin(self, now: float) -> None:
        """A look begins: all that is open is told anew, with `add`, each user's tasks at once; then `end`."""
        for parts, window in self.parts.items():
            begun = self.held_since + floor(max(0.0, now - self.held_since) / parts.seconds) * parts.seconds
            if begun != window.since:
                self.parts[parts] = _Window(begun)
        self._before, self._open = self._open, {}

    def fresh(self, tasks: Iterable[Carried]) -> Sequence[TaskId]:
        """Those that it was not told of before, of which it asks the kind."""
        return [one.task for one in tasks if one.task not in self._before and one.task not in self._over]

    def add(
        self, tasks: Iterable[Carried], sides: Sides, now: float, kinds: Mapping[TaskId, str] | None = None
    ) -> None:
        """Some users' tasks, as `take` has them."""
        engines = {True: sides.engine, False: sides.control}
        for task in sorted(tasks, key=lambda one: (one.queued_at, one.task)):
            side = sides.of.get(task.user)
            if side is None or task.engine != engines[side] or task.task in self._over or task.queued_at > now:
                continue
            known = self._before.get(task.task)
            if known is None and task.ended_at and task.ended_at < self.ended_from:
                continue  # it was counted long ago, and told because somebody has started it again
            cell = known.cell if known is not None else self._cell(task, (kinds or {}).get(task.task, ""))
            if task.ended_at:
                self._count(task, cell)
                if task.ended_at >= now - 2 * OVERLAP:
                    self._over[task.task] = task.ended_at
            else:
                wait = task.begun_at - task.queued_at if task.begun_at else None
                self._open[task.task] = _Open(task.user, cell, task.queued_at, wait)

    def end(self, now: float) -> None:
        """All was told."""
        self.upto = max(self.upto, now)
        self._before = {}
        self._over = {task: at for task, at in self._over.items() if at >= self.ended_from - OVERLAP}

    def _count(self, task: Carried, cell: _Cell) -> None:
        values = _of_ended(task)
        for window in (self.whole, *self.parts.values()):
            if task.queued_at >= window.since:
                window.over.add(task.user, cell, values)

    def _cell(self, task: Carried, kind: str) -> _Cell:
        """By what was known when it came, so that no engine has a part in it."""
        mine = [at for at in self._last.get(task.user, ()) if at > task.queued_at - _BURST]
        self._last[task.user] = [*mine, task.queued_at]
        return kind, floor(log2(max(task.cost, _SHORTEST))), (len(mine) + 1).bit_length()

    def sums(self, window: _Window, now: float) -> Sequence[_Sums]:
        """What ended of it, and what is open."""
        still = _Sums()
        for task in self._open.values():
            if task.queued_at >= window.since and now - task.queued_at >= _YOUNG:
                still.add(task.user, task.cell, _of_open(task, now))
        return [window.over, still]


@dataclass(frozen=True, slots=True)
class Side:
    """What a side had: a figure, its variance, and so many users with so many tasks.

    `effective` is how many users of equal weight that would be, and `independent` how many tasks.
    """

    mean: float = 0.0
    raw: float = 0.0
    variance: float = 0.0
    users: int = 0
    tasks: int = 0
    effective: float = 0.0
    independent: float = 0.0

    @property
    def is_enough(self) -> bool:
        """To judge by."""
        return self.users >= LEAST_USERS and self.tasks >= LEAST_TASKS and self.effective >= LEAST_EFFECTIVE


@dataclass(frozen=True, slots=True)
class Finding:
    """One measure: `a` of the control, `b` of the new engine, and how far apart they are surely.

    `apart` and the least that it surely is, `low`, are differences of shares for failures, else factors; `margin` is
    what is borne with, likewise. It is `worse` where `low` is above that, which is where `z` is above `boundary`.
    """

    measure: str
    a: float
    b: float
    apart: float
    low: float
    margin: float
    z: float
    boundary: float
    worse: bool
    users: tuple[int, int]
    tasks: tuple[int, int]
    day: int = 0
    """0 for the whole time, else which day alone, or an hour of it."""
    hour: int = 0
    """Which one alone, of all since the rule was set; else 0."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of a roll-out by now. Users and tasks are the control's and the new engine's."""

    state: State
    control: str
    users: tuple[int, int] = (0, 0)
    tasks: tuple[int, int] = (0, 0)
    findings: Sequence[Finding] = ()

    @property
    def worst(self) -> Finding | None:
        """What it is worse by: failures before anything else."""
        return next((one for one in self.findings if one.worse), None)


def boundary(information: float, alpha: float, tuned: float) -> float:
    """How many standard errors a difference must be from nothing, whenever one looks.

    The one-sided normal mixture of Robbins, in the closed form of Howard, Ramdas, McAuliffe and Sekhon: Time-uniform,
    nonparametric, nonasymptotic confidence sequences, Annals of Statistics, 2021 (half-normal mixture).
    """
    part = (information + tuned) / tuned
    return sqrt(2 * (1 + tuned / information) * log(sqrt(part) / (2 * alpha) + 1))


def judge(evidence: Evidence, of: Sides, now: float) -> Judgement:
    """What there is to be said now. Users are the unit: each counts with the mean of their tasks."""
    if not of.count(True):
        return Judgement(State.NOBODY, of.control)
    if not of.count(False):
        return Judgement(State.NO_CONTROL, of.control)
    sums = evidence.sums(evidence.whole, now)
    users, tasks = _had(sums, of)
    if any(not had >= LEAST_USERS for had in users) or any(not had >= LEAST_TASKS for had in tasks):
        return Judgement(State.TOO_LITTLE, of.control, users, tasks)
    usual = evidence.usual
    findings = [
        found for name, terms in MEASURES.items() if (found := _find(name, terms, sums, of, usual.get(name, {})))
    ]
    for parts in evidence.parts:
        findings += (one for one in alone(parts, evidence, of, now) if one.worse)
    if not findings:
        return Judgement(State.TOO_LITTLE, of.control, users, tasks)
    state = State.WORSE if any(one.worse for one in findings) else State.WATCHES
    return Judgement(state, of.control, users, tasks, findings)


def alone(parts: Parts, evidence: Evidence, of: Sides, now: float) -> Iterator[Finding]:
    """What the last one of these parts of the time shows by itself, where that is enough to judge by."""
    window = evidence.parts[parts]
    number = 1 + round((window.since - evidence.held_since) / parts.seconds)
    if number == 1:
        return
    sums, day = evidence.sums(window, now), 1 + floor((number - 1) * parts.seconds / DAY)
    for name in parts.measures:
        terms = replace(MEASURES[name], alpha=parts.alpha(number))
        found = _find(name, terms, sums, of, evidence.usual.get(name, {}))
        if found is not None:
            yield replace(found, day=day, hour=number if parts is HOURS else 0)


def _had(sums: Sequence[_Sums], of: Sides) -> tuple[tuple[int, int], tuple[int, int]]:
    users: tuple[set[UserId], set[UserId]] = set(), set()
    tasks = [0, 0]
    for one in sums:
        for user, mine in one.columns["wait"].users.items():
            if (side := of.of.get(user)) is not None:
                users[side].add(user)
                tasks[side] += mine.count
    return (len(users[0]), len(users[1])), (tasks[0], tasks[1])


@dataclass(frozen=True, slots=True)
class _User:
    """A user of a side: `value` is the mean of so many tasks, less what others' like them came to; `raw` with it.

    `usual` is what `value` was before the rule.
    """

    count: int
    value: float
    raw: float
    usual: float

    @property
    def weight(self) -> float:
        """Of many tasks nearly 1: more of them tell no more of how users differ."""
        return self.count / (self.count + _FEW)


def _find(name: str, terms: Terms, sums: Sequence[_Sums], of: Sides, usual: Mapping[UserId, float]) -> Finding | None:
    """None where there is too little of it."""
    held: tuple[list[_User], list[_User]] = ([], [])
    for user, (count, value, raw) in _by_user([one.columns[name] for one in sums]).items():
        if (side := of.of.get(user)) is not None:
            held[side].append(_User(count, value, raw, usual.get(user, 0.0)))
    slope = _slope(held)
    a, b = (_side(name, users, slope) for users in held)
    if not (a.is_enough and b.is_enough) or (variance := a.variance + b.variance) <= 0:
        return None
    error = sqrt(variance)
    # Satterthwaite's, for variances that are estimated of few users
    freedom = variance**2 / (a.variance**2 / (a.effective - 1) + b.variance**2 / (b.effective - 1))
    difference = b.mean - a.mean
    limit = boundary(1 / variance, terms.alpha, terms.tuned)
    t = (difference - terms.margin) / error
    z = z_of(t, freedom) if t > 0 else t
    reach = t_of(limit, freedom)
    low = difference - reach * error if isfinite(reach) else float("-inf")
    said = _said(name)
    return Finding(
        measure=name,
        a=_back(name, a.raw),
        b=_back(name, a.raw + difference),
        apart=said(difference),
        low=said(low),
        margin=said(terms.margin),
        z=z,
        boundary=limit,
        worse=z > limit,
        users=(a.users, b.users),
        tasks=(a.tasks, b.tasks),
    )


def _said(name: str) -> Callable[[float], float]:
    return (lambda value: value) if name == "failures" else exp


def _back(name: str, value: float) -> float:
    match name:
        case "failures":
            return min(1.0, max(0.0, value))
        case "wait":
            return max(0.0, exp(value) - _FELT_WAIT)
        case _:
            return max(0.0, exp(value) - _FELT)


def _by_user(columns: Sequence[_Column]) -> Mapping[UserId, tuple[int, float, float]]:
    """Of each user how many tasks, the mean of how far they are from those like them, and their mean."""
    means = _means(columns)
    found: dict[UserId, tuple[int, float, float]] = {}
    for column in columns:
        for user, mine in column.users.items():
            count, apart, total = found.get(user, (0, 0.0, 0.0))
            expected = sum(times * means[cell] for cell, times in mine.cells.items())
            found[user] = (count + mine.count, apart + mine.total - expected, total + mine.total)
    return {user: (count, apart / count, total / count) for user, (count, apart, total) in found.items()}


def _means(columns: Sequence[_Column]) -> Mapping[_Cell, float]:
    found: dict[_Cell, tuple[int, float]] = {}
    for column in columns:
        for cell, (count, total) in column.cells.items():
            had = found.get(cell, (0, 0.0))
            found[cell] = (had[0] + count, had[1] + total)
    return {cell: total / count for cell, (count, total) in found.items()}


def _mean(held: Sequence[_User], of: Callable[[_User], float]) -> float:
    whole = sum(user.weight for user in held)
    return sum(user.weight * of(user) for user in held) / whole if whole else 0.0


def _slope(held: tuple[Sequence[_User], Sequence[_User]]) -> float:
    """How much of what users were used to they still show, by both sides together."""
    both = squares = 0.0
    for users in held:
        usual, value = _mean(users, lambda one: one.usual), _mean(users, lambda one: one.value)
        both += sum(one.weight * (one.usual - usual) * (one.value - value) for one in users)
        squares += sum(one.weight * (one.usual - usual) ** 2 for one in users)
    return both / squares if squares > 0 else 0.0


def _side(name: str, held: Sequence[_User], slope: float) -> Side:
    if not held:
        return Side()
    whole = sum(user.weight for user in held)
    mean, raw = _mean(held, lambda one: one.value - slope * one.usual), _mean(held, lambda one: one.raw)
    effective = whole**2 / sum(user.weight**2 for user in held)
    independent = whole**2 / sum(user.weight**2 / user.count for user in held)
    spread = sum((user.weight * (user.value - slope * user.usual - mean)) ** 2 for user in held) / whole**2
    variance = spread * effective / (effective - 1) if effective > 1 else 0.0
    if name != "failures":
        variance = max(variance, _LEAST_SPREAD**2 / effective)
    if name == "failures":  # no surer than tasks that fail each by itself: where all fare alike, users show no spread
        smooth = (raw * independent + 1) / (independent + 2)
        variance = max(variance, smooth * (1 - smooth) / independent)
    return Side(mean, raw, variance, len(held), sum(user.count for user in held), effective, independent)
