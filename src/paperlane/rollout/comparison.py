"""Two engines side by side, on the tasks that can be compared: what differs, how surely, and what cannot be said.

Pure: the same tasks and seed give the same figures. The method and its sources: docs/explanation/comparison.md.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from math import exp, floor, inf, isfinite, isnan, log, log2, nan
from statistics import median

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import TaskId
from paperlane.rollout.resampling import (
    NORMAL,
    Column,
    Drawn,
    Interval,
    Quantile,
    Seen,
    Sum,
    Times,
    Whole,
    chance_of,
    draws,
    effective,
    error_of,
    holm,
    interval,
    rare,
    t_of,
)

LEAST_USERS = 10
"""On each side: fewer are no sample of anybody."""
LEAST_TASKS = 50
LEAST_EFFECTIVE = 5.0
"""Users of equal size that those of a side must be worth."""
RESAMPLES = 1_000
SEED = 1

_TRUST = 0.95
_POWER = 0.8
_FELT = 0.01  # seconds: what takes less took so long, for a wait of 1 ms is not three times as good as one of 3
SAME = 1.1
"""A factor within which engines are alike."""
_SAME_SECONDS = 0.1  # likewise: nobody notices
_SAME_SHARE = 0.01
_SAME_INDEX = 0.05
_SHORTEST_CLASS = 0.25  # seconds; what is estimated at less is of one class
_NOTHING = 1e-9  # of a task: what sums leave of what was taken away
_BLOCKS = 24  # of the time in which tasks came, to see whether both engines ran at the same time
_APART = 0.2  # share of a side's tasks in blocks where the other has none, from which it is told
_UNLIKE = 0.05  # share by which cancelled tasks may differ


class Verdict(StrEnum):
    """What is found of B beside A."""

    BETTER = "better"
    WORSE = "worse"
    MIXED = "mixed"
    ALIKE = "alike"
    UNCLEAR = "unclear"
    TOO_SMALL = "too_small"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class Side:
    """What an engine was given in the period, and what of that could be compared.

    `queued` and `running` are tasks that had not ended at its end, the oldest of them for `oldest` seconds. `effective`
    is how many users of equal size those compared are worth.
    """

    engine: str
    users: int = 0
    tasks: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    queued: int = 0
    running: int = 0
    oldest: float = 0.0
    retried: int = 0
    compared_users: int = 0
    compared: int = 0
    left_out: int = 0
    effective: float = 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of both engines, and B's beside A's: as a factor, and as a difference. None: it cannot be said.

    inf: so many tasks had not come so far that it is beyond all that was seen.
    """

    a: float | None = None
    b: float | None = None
    a_interval: Interval | None = None
    b_interval: Interval | None = None
    ratio: float | None = None
    ratio_interval: Interval | None = None
    difference: float | None = None
    difference_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One question. `decides` names the figure that answers it: `median`, `mean`, `share` or `index`.

    `superiority` is the chance that a task of B is better than one of A, of ties half, and `delta` is Cliff's: from -1
    to 1, more where B is better. `chance` is the probability of such a figure without a difference, `holm` the same
    as one of several questions. `smallest` is the least difference that a sample like this shows four times in five: a
    factor above 1 where `ratio` answers, else a difference.
    """

    name: str
    unit: str
    decides: str
    verdict: Verdict
    figures: Mapping[str, Figure] = field(default_factory=dict)
    superiority: float | None = None
    superiority_interval: Interval | None = None
    delta: float | None = None
    chance: float | None = None
    holm: float | None = None
    smallest: float | None = None

    @property
    def answer(self) -> Figure:
        """The figure that decides."""
        return self.figures.get(self.decides, Figure())

    @property
    def is_sure_alone(self) -> bool:
        """Would a difference be found only if this were the one question that is asked?"""
        return self.chance is not None and self.holm is not None and self.chance < 1 - _TRUST <= self.holm


@dataclass(frozen=True, slots=True)
class Stratum:
    """Tasks that can be compared: of a kind, estimated at `low` to `high` slot-seconds. `weight`: 0..1 of all.

    Medians are of the completion of those completed, by nothing weighted; None where none has.
    """

    kind: str
    low: float
    high: float
    a: int
    b: int
    weight: float
    a_median: float | None
    b_median: float | None


@dataclass(frozen=True, slots=True)
class Caution:
    """Why the figures may say less than they seem to: a stable code, and what its sentence is filled with."""

    code: str
    given: Mapping[str, str | float] = field(default_factory=dict[str, str | float])


@dataclass(frozen=True, slots=True)
class Sampled:
    """How the tasks were found: of so many users so many were `asked`, `whole` if no task of theirs is missing."""

    users: int = 0
    asked: int = 0
    cut: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """B beside A, in a period (seconds since 1970), among all users or a `group`."""

    a: Side
    b: Side
    since: float
    until: float
    group: str
    verdict: Verdict
    measures: Sequence[Measure]
    strata: Sequence[Stratum]
    left_out: Sequence[Stratum]
    both: int
    cautions: Sequence[Caution]
    sampled: Sampled
    resamples: int
    seed: int


@dataclass(slots=True)
class _Half:
    """One side's tasks that are compared, with their weights; users by their place in columns."""

    tasks: list[Carried] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    seen: Seen | None = None

    def column(self) -> Whole:
        """Nothing, for each user."""
        return Whole([0.0] * len(self.places))

    def due(self) -> Whole:
        """What each user has in tasks."""
        column = self.column()
        for task, weight in zip(self.tasks, self.weights, strict=True):
            column[self.places[task.user]] += weight
        return column

    def times(self, came: Callable[[Carried], float | None], never: Callable[[Carried], float | None]) -> Times:
        """After how many seconds it came; those to which it never can are not due."""
        assert self.seen is not None
        found = Times(self.due())
        for task, weight in zip(self.tasks, self.weights, strict=True):
            place = self.places[task.user]
            if (after := came(task)) is not None:
                found.add(place, max(_FELT, after), weight / self._share(after))
            elif (after := never(task)) is not None:
                found.due[place] -= weight / self._share(after)
        found.due[:] = [0.0 if abs(due) < _NOTHING else due for due in found.due]
        found.order()
        return found

    def ended(self, value: Callable[[Carried], float]) -> Times:
        """Something of those that completed or failed."""
        found = Times(self.column())
        for task, weight in zip(self.tasks, self.weights, strict=True):
            if task.outcome in {"completed", "failed"}:
                place, whole = self.places[task.user], weight / self._share(task.ended_at - task.queued_at)
                found.due[place] += whole
                found.add(place, value(task), whole)
        found.order()
        return found

    def _share(self, after: float) -> float:
        assert self.seen is not None
        return self.seen.share(after) or 1.0  # it was seen, so it could be: not by clocks that are apart


def compare(
    tasks: Sequence[Carried],
    a: str,
    b: str,
    since: float,
    until: float,
    *,
    kinds: Mapping[TaskId, str] | None = None,
    group: str = "",
    sampled: Sampled | None = None,
    chosen: int = 0,
    cautions: Sequence[Caution] = (),
    resamples: int = RESAMPLES,
    seed: int = SEED,
    tick: Callable[[], object] = lambda: None,
) -> Comparison:
    """What engine `b` did beside `a`, of tasks submitted in the period, as they stood at its end.

    Others' tasks among them are passed by. Tasks are alike that are of one of the `kinds` ("" where none is given) and
    estimated at about as much. `chosen` is how many of the users were given their engine by somebody, and not by
    chance; `cautions` are told with those that are found here. `tick` is called after each resample.
    """
    due = sorted((task for task in tasks if task.queued_at < until), key=lambda task: (task.user, task.task))
    sides = {name: [task for task in due if task.engine == name] for name in (a, b)}
    kinds = kinds or {}
    classes = {name: [_class_of(task, kinds) for task in sides[name]] for name in sides}
    strata, left_out, weights = _strata(sides[a], sides[b], classes[a], classes[b])
    halves = {name: _half(sides[name], classes[name], weights[at], until) for at, name in enumerate((a, b))}
    shared = halves[a].places.keys() & halves[b].places.keys()
    both = sorted(shared)
    for half in halves.values():
        alone = [user for user in half.places if user not in shared]
        half.places = {user: at for at, user in enumerate([*alone, *both])}
    told = {name: _side(name, sides[name], halves[name], until) for name in (a, b)}
    measures: Sequence[Measure] = ()
    if told[a].compared and told[b].compared:
        only = [len(halves[name].places) - len(both) for name in (a, b)]
        drawn = draws(only[0], only[1], len(both), resamples, seed)
        measures = _measures(halves[a], halves[b], told[a], told[b], drawn, resamples, tick)
    found = sampled or Sampled(len({task.user for task in due}), len({task.user for task in due}))
    slow = next((one.figures["p95"] for one in measures if one.name == "completion"), Figure())
    cautions = [*cautions, *_of_one(told[a], slow.a), *_of_one(told[b], slow.b)]
    if told[a].tasks and told[b].tasks:
        apart = max(_apart(sides[x], sides[y]) for x, y in ((a, b), (b, a)))
        cautions += _of_both(told[a], told[b], apart, len(both), chosen)
    cautions += _of_sample(found)
    return Comparison(
        a=told[a],
        b=told[b],
        since=since,
        until=until,
        group=group,
        verdict=_over_all(measures),
        measures=measures,
        strata=strata,
        left_out=left_out,
        both=len(both),
        cautions=cautions,
        sampled=found,
        resamples=resamples,
        seed=seed,
    )


_Class = tuple[str, int]
"""A kind, and the power of 2 that its estimate reaches."""


def _class_of(task: Carried, kinds: Mapping[TaskId, str]) -> _Class:
    return kinds.get(task.task, ""), floor(log2(max(task.cost, _SHORTEST_CLASS)))


def _strata(
    a: Sequence[Carried], b: Sequence[Carried], of_a: Sequence[_Class], of_b: Sequence[_Class]
) -> tuple[Sequence[Stratum], Sequence[Stratum], tuple[Mapping[_Class, float], Mapping[_Class, float]]]:
    """What both engines had, what only one had, and what a task of each weighs.

    A task weighs as much as the other engine's share of its stratum, so that both have the same weight in each and no
    task weighs more than 1 (Mantel and Haenszel, 1959; overlap weights: Li, Morgan and Zaslavsky, 2018).
    """
    counts = Counter(of_a), Counter(of_b)
    took: tuple[dict[_Class, list[float]], ...] = ({}, {})
    for at, (side, classes) in enumerate(((a, of_a), (b, of_b))):
        for task, of_task in zip(side, classes, strict=True):
            if task.outcome == "completed":
                took[at].setdefault(of_task, []).append(task.ended_at - task.queued_at)
    names = sorted(counts[0].keys() | counts[1].keys())
    shared = {name: counts[0][name] * counts[1][name] / (counts[0][name] + counts[1][name]) for name in names}
    whole = sum(shared.values()) or 1.0
    found = [
        Stratum(
            kind=kind,
            low=2.0**size if 2.0**size > _SHORTEST_CLASS else 0.0,
            high=2.0 ** (size + 1),
            a=counts[0][kind, size],
            b=counts[1][kind, size],
            weight=shared[kind, size] / whole,
            a_median=median(took[0][kind, size]) if (kind, size) in took[0] else None,
            b_median=median(took[1][kind, size]) if (kind, size) in took[1] else None,
        )
        for kind, size in names
    ]
    weights = (
        {name: shared[name] / counts[0][name] for name in names if shared[name]},
        {name: shared[name] / counts[1][name] for name in names if shared[name]},
    )
    return [one for one in found if one.weight], [one for one in found if not one.weight], weights


def _half(side: Sequence[Carried], classes: Sequence[_Class], weights: Mapping[_Class, float], until: float) -> _Half:
    half = _Half()
    for task, of_task in zip(side, classes, strict=True):
        if (weight := weights.get(of_task)) is not None:
            half.tasks.append(task)
            half.weights.append(weight)
            half.places.setdefault(task.user, 0)
    if half.tasks:
        half.seen = Seen([until - task.queued_at for task in half.tasks], half.weights)
    return half


def _side(name: str, side: Sequence[Carried], half: _Half, until: float) -> Side:
    outcomes = Counter(task.outcome for task in side)
    return Side(
        engine=name,
        users=len({task.user for task in side}),
        tasks=len(side),
        completed=outcomes["completed"],
        failed=outcomes["failed"],
        cancelled=outcomes["cancelled"],
        queued=outcomes["queued"],
        running=outcomes["running"],
        oldest=max((until - task.queued_at for task in side if not task.ended_at), default=0.0),
        retried=sum(task.attempts > 1 for task in side),
        compared_users=len(half.places),
        compared=len(half.tasks),
        left_out=len(side) - len(half.tasks),
        effective=effective(half.due()) if half.tasks else 0.0,
    )


_Asked = Callable[[Sum], float]
"""A figure of a side, of all its users or of those that were drawn."""


@dataclass(slots=True)
class _Question:
    """A measure before it is answered: its figures of both sides, and what a resample says of each."""

    name: str
    unit: str
    decides: str
    by_ratio: bool
    figures: Mapping[str, tuple[_Asked, _Asked]]
    placed: tuple[_Asked, _Asked] | None = None
    more_is_better: bool = False
    found: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    placements: list[float] = field(default_factory=list)

    def resample(self, drawn: Drawn) -> None:
        """What these users say."""
        for name, (of_a, of_b) in self.figures.items():
            values = self.found.setdefault(name, ([], []))
            values[0].append(of_a(drawn.a))
            values[1].append(of_b(drawn.b))
        if self.placed is not None:
            self.placements.append(self.placed[0](drawn.a) + self.placed[1](drawn.b))


def _measures(
    a: _Half,
    b: _Half,
    side_a: Side,
    side_b: Side,
    drawn: Iterable[Drawn],
    times: int,
    tick: Callable[[], object],
) -> Sequence[Measure]:
    questions = _questions(a, b)
    worth = side_a.effective, side_b.effective
    is_enough = (
        min(side_a.compared_users, side_b.compared_users) >= LEAST_USERS
        and min(side_a.compared, side_b.compared) >= LEAST_TASKS
        and min(worth) >= LEAST_EFFECTIVE
    )
    for one in drawn:
        for question in questions:
            question.resample(one)
        tick()
    sides = side_a, side_b
    for question in questions:
        if question.unit == "share":
            _widen(question, sides, times)
    answers = [_answer(question, worth) for question in questions]
    asked = [at for at, answer in enumerate(answers) if answer.chance is not None]
    together = dict(zip(asked, holm([answers[at].chance or 0.0 for at in asked]), strict=True))
    return [
        _judged(answer, questions[at], together.get(at, 1.0), min(worth), len(asked) or 1, is_enough=is_enough)
        for at, answer in enumerate(answers)
    ]


def _widen(question: _Question, sides: tuple[Side, Side], times: int) -> None:
    """Of a side where nothing failed, or everything, resamples say that this is certain: here is what may be.

    It counts as many tasks as its own would be worth if they were as much alike within users as the other side's; where
    these tell nothing, only as many as it has users, as if all tasks of a user had one fate.
    """
    shares = [asked(sum) for asked in question.figures["share"]]
    for at, (side, other) in enumerate(zip(sides, reversed(sides), strict=True)):
        if shares[at] not in {0.0, 1.0}:
            continue
        count, share = side.effective, shares[1 - at]
        error = error_of(question.found["share"][1 - at])
        if 0 < share < 1 and error > 0:
            worth = share * (1 - share) / error**2 / other.compared
            count = max(count, min(1.0, worth) * side.compared)
        might = rare(count, times, SEED + at)
        question.found["share"][at][:] = might if not shares[at] else [1 - one for one in might]


def _questions(a: _Half, b: _Half) -> Sequence[_Question]:
    completions = tuple(half.times(_completed_after, _failed_after) for half in (a, b))
    waits = tuple(half.times(_begun_after, _given_up_after) for half in (a, b))
    costs = tuple(half.ended(lambda task: task.seconds) for half in (a, b))
    failures = tuple(half.ended(lambda task: float(task.outcome == "failed")) for half in (a, b))
    fair = tuple(_slowdowns(half) for half in (a, b))
    return [
        _Question("completion", "s", "median", True, _quantiles(*completions), _placed(*completions)),
        _Question("wait", "s", "median", True, _quantiles(*waits), _placed(*waits)),
        _Question("failures", "share", "share", False, {"share": (_mean(failures[0]), _mean(failures[1]))}),
        _Question(
            "cost", "slot-s", "mean", True,
            {"mean": (_mean(costs[0]), _mean(costs[1])), **_quantiles(*costs)}, _placed(*costs),
        ),
        _Question(
            "fairness", "index", "index", False, {"index": (_jain(fair[0]), _jain(fair[1]))}, more_is_better=True
        ),
    ]  # fmt: skip


def _completed_after(task: Carried) -> float | None:
    return task.ended_at - task.queued_at if task.outcome == "completed" else None


def _failed_after(task: Carried) -> float | None:
    return task.ended_at - task.queued_at if task.outcome in {"failed", "cancelled"} else None


def _begun_after(task: Carried) -> float | None:
    return task.begun_at - task.queued_at if task.begun_at else None


def _given_up_after(task: Carried) -> float | None:
    return task.ended_at - task.queued_at if task.ended_at and not task.begun_at else None


def _quantiles(a: Times, b: Times) -> Mapping[str, tuple[_Asked, _Asked]]:
    return {name: (Quantile(a, q).of, Quantile(b, q).of) for name, q in (("median", 0.5), ("p95", 0.95))}


def _mean(of: Times) -> _Asked:
    return _part(of.by_user(lambda value: value), of.due)


def _part(above: Column, below: Column) -> _Asked:
    def asked(total: Sum) -> float:
        whole = total(below)
        return total(above) / whole if whole > 0 else nan

    return asked


def _slowdowns(half: _Half) -> Column:
    """How many times as long as they ran each user's completed tasks took, with their waits; 0 for who has none."""
    took, ran = half.column(), half.column()
    for task, weight in zip(half.tasks, half.weights, strict=True):
        if (after := _completed_after(task)) is not None:
            took[half.places[task.user]] += weight * max(_FELT, after)
            ran[half.places[task.user]] += weight * max(_FELT, task.seconds)
    return [t / r if r else 0.0 for t, r in zip(took, ran, strict=True)]


def _jain(of: Column) -> _Asked:
    """Jain's index of them: 1 where all fare alike, 1/n where one has everything (Jain, Chiu and Hawe, 1984)."""
    squares, there = [one * one for one in of], [float(one > 0) for one in of]

    def asked(total: Sum) -> float:
        count, square = total(there), total(squares)
        return total(of) ** 2 / (count * square) if count and square else nan

    return asked


def _placed(a: Times, b: Times) -> tuple[_Asked, _Asked]:
    """The chance that B's task is less than A's, of ties half: its two halves, one of each side's users.

    A side's half is the mean of its tasks' places among all of the other's, so that resamples need not compare each
    task with each again (placements: DeLong, DeLong and Clarke-Pearson, 1988; of clusters: Obuchowski, 1997).
    """
    halves = _part(_places(a, b, less=True), a.due), _part(_places(b, a, less=False), b.due)
    whole = halves[0](sum)
    return halves[0], lambda total: halves[1](total) - whole


def _places(mine: Times, others: Times, *, less: bool) -> Column:
    upto = [0.0, *accumulate(others.weights)]
    whole = sum(others.due)
    come = min(1.0, upto[-1] / whole) if whole > 0 else 0.0

    def place(value: float) -> float:
        before = upto[bisect_left(others.values, value)] / whole
        same = upto[bisect_right(others.values, value)] / whole - before
        return before + same / 2 if less else 1 - before - same / 2

    if whole <= 0:
        return [nan] * len(mine.due)
    column = mine.by_user(place)
    never = come + (1 - come) / 2 if less else (1 - come) / 2
    came = mine.by_user(lambda _: 1.0)
    return [one + (due - here) * never for one, due, here in zip(column, mine.due, came, strict=True)]


def _answer(question: _Question, worth: tuple[float, float]) -> Measure:
    users = min(worth)
    figures = {name: _figure(question, name, worth) for name in question.figures}
    decisive = figures[question.decides]
    chance, superiority, superiority_interval = None, None, None
    if decisive.a is not None and decisive.b is not None:
        of_a, of_b = question.found[question.decides]
        if question.by_ratio and decisive.ratio is not None:
            chance = chance_of(_logs(of_a, of_b), _log(decisive.ratio), users)
        elif decisive.difference is not None:
            chance = chance_of(_differences(of_a, of_b), decisive.difference, users)
    if question.placed is not None:
        value = question.placed[0](sum) + question.placed[1](sum)
        superiority = None if isnan(value) else value
        if superiority is not None and (found := interval(question.placements, users)) is not None:
            superiority_interval = Interval(max(0.0, found.low), min(1.0, found.high))
    return Measure(
        name=question.name,
        unit=question.unit,
        decides=question.decides,
        verdict=Verdict.UNCLEAR,
        figures=figures,
        superiority=superiority,
        superiority_interval=superiority_interval,
        delta=None if superiority is None else 2 * superiority - 1,
        chance=chance,
    )


def _figure(question: _Question, name: str, worth: tuple[float, float]) -> Figure:
    asked_a, asked_b = question.figures[name]
    of_a, of_b = question.found.get(name, ([], []))
    a, b, users = asked_a(sum), asked_b(sum), min(worth)
    known = not isnan(a) and not isnan(b) and (isfinite(a) or isfinite(b))
    least = _FELT if question.by_ratio else 0.0
    ratio = max(b, least) / max(a, least) if known and question.by_ratio else None
    logs = interval(_logs(of_a, of_b), users) if ratio is not None else None
    return Figure(
        a=None if isnan(a) else a,
        b=None if isnan(b) else b,
        a_interval=_around(a, interval(of_a, worth[0])),
        b_interval=_around(b, interval(of_b, worth[1])),
        ratio=ratio,
        ratio_interval=None if logs is None else Interval(exp(logs.low), exp(logs.high)),
        difference=b - a if known else None,
        difference_interval=_around(b - a, interval(_differences(of_a, of_b), users)) if known else None,
    )


def _around(value: float, found: Interval | None) -> Interval | None:
    """With the value in it: what never happened may be rare, and not there at all."""
    if isnan(value) or found is None:
        return None
    return Interval(min(found.low, value), max(found.high, value))


def _logs(a: Sequence[float], b: Sequence[float]) -> Sequence[float]:
    return [_log(max(y, _FELT)) - _log(max(x, _FELT)) for x, y in zip(a, b, strict=True)]


def _log(value: float) -> float:
    return log(value) if 0 < value < inf else inf if value else -inf


def _differences(a: Sequence[float], b: Sequence[float]) -> Sequence[float]:
    return [y - x for x, y in zip(a, b, strict=True)]


def _judged(
    answer: Measure, question: _Question, chance: float, users: float, asked: int, *, is_enough: bool
) -> Measure:
    figure = answer.answer
    smallest = _smallest(question, users, asked) if answer.chance is not None else None
    verdict = Verdict.UNCLEAR
    if figure.a is None or figure.b is None:
        verdict = Verdict.NO_DATA
    elif not is_enough:
        verdict = Verdict.TOO_SMALL
    elif _is_alike(question, figure):
        verdict = Verdict.ALIKE
    elif answer.chance is not None and chance <= 1 - _TRUST:
        less = (figure.ratio or 0) < 1 if question.by_ratio else (figure.difference or 0) < 0
        verdict = Verdict.BETTER if less != question.more_is_better else Verdict.WORSE
    return Measure(
        name=answer.name,
        unit=answer.unit,
        decides=answer.decides,
        verdict=verdict,
        figures=answer.figures,
        superiority=answer.superiority,
        superiority_interval=answer.superiority_interval,
        delta=answer.delta,
        chance=answer.chance,
        holm=None if answer.chance is None else chance,
        smallest=smallest,
    )


def _is_alike(question: _Question, figure: Figure) -> bool:
    by_ratio, by_difference = figure.ratio_interval, figure.difference_interval
    if question.by_ratio:
        felt = by_difference is not None and by_difference.within(-_SAME_SECONDS, _SAME_SECONDS)
        return felt or (by_ratio is not None and by_ratio.within(1 / SAME, SAME))
    same = _SAME_SHARE if question.unit == "share" else _SAME_INDEX
    return by_difference is not None and by_difference.within(-same, same)


def _smallest(question: _Question, users: float, asked: int) -> float | None:
    """What such a sample shows with a power of 80 %, where all the other questions find nothing."""
    of_a, of_b = question.found[question.decides]
    error = error_of(_logs(of_a, of_b) if question.by_ratio else _differences(of_a, of_b))
    if isnan(error):
        return None
    reach = t_of(NORMAL.inv_cdf(1 - (1 - _TRUST) / 2 / asked), users - 1) + NORMAL.inv_cdf(_POWER)
    found = reach * error
    if not isfinite(found):
        return None
    return exp(min(found, 50.0)) if question.by_ratio else found


def _over_all(measures: Sequence[Measure]) -> Verdict:
    """Failures decide before anything else: nobody is helped by what fails sooner."""
    found = {one.name: one.verdict for one in measures}
    told = set(found.values())
    if not told or told == {Verdict.NO_DATA}:
        return Verdict.NO_DATA
    if Verdict.TOO_SMALL in told:
        return Verdict.TOO_SMALL
    if found["failures"] is Verdict.WORSE:
        return Verdict.WORSE
    if {Verdict.BETTER, Verdict.WORSE} <= told:
        return Verdict.MIXED
    for verdict in (Verdict.WORSE, Verdict.BETTER):
        if verdict in told:
            return verdict
    known = told - {Verdict.NO_DATA}
    return Verdict.ALIKE if known == {Verdict.ALIKE} else Verdict.UNCLEAR


def _of_one(side: Side, p95: float | None) -> Iterator[Caution]:
    """What is to be borne in mind of an engine's tasks; `p95` is of their completion."""
    name = side.engine
    if not side.tasks:
        yield Caution("no_tasks", {"engine": name})
        return
    if side.compared_users < LEAST_USERS or side.compared < LEAST_TASKS:
        had = {"users": side.compared_users, "tasks": side.compared}
        yield Caution("too_few", {"engine": name, **had, "least_users": LEAST_USERS, "least_tasks": LEAST_TASKS})
    elif side.effective < LEAST_EFFECTIVE:
        yield Caution("few_have_most", {"engine": name, "worth": side.effective, "least": LEAST_EFFECTIVE})
    if not side.completed:
        yield Caution("none_completed", {"engine": name})
    if side.left_out:
        yield Caution("left_out", {"engine": name, "tasks": side.left_out, "all": side.tasks})
    if (still := side.queued + side.running) and (p95 is None or not isfinite(p95) or side.oldest > p95):
        yield Caution("open", {"engine": name, "tasks": still, "seconds": side.oldest})


def _of_both(a: Side, b: Side, apart: float, both: int, chosen: int) -> Iterator[Caution]:
    """What is to be borne in mind of both engines' tasks beside each other."""
    cancelled = a.cancelled / a.tasks, b.cancelled / b.tasks
    if abs(cancelled[0] - cancelled[1]) > _UNLIKE:
        shares = {"a_share": cancelled[0], "b_share": cancelled[1]}
        yield Caution("cancelled", {"a": a.engine, "b": b.engine, **shares})
    if apart > _APART:
        yield Caution("other_times", {"share": apart})
    if both:
        yield Caution("moved", {"n": both})
    if chosen:
        yield Caution("not_by_chance", {"n": chosen})


def _of_sample(sampled: Sampled) -> Iterator[Caution]:
    """What of the period is not among the tasks."""
    if sampled.asked < sampled.users:
        yield Caution("sampled", {"asked": sampled.asked, "users": sampled.users})
    if sampled.cut:
        yield Caution("cut", {"n": sampled.cut})


def _apart(mine: Sequence[Carried], others: Sequence[Carried]) -> float:
    """Which share of these came in parts of the time, in which any came, when there were none of the others."""
    times = [task.queued_at for tasks in (mine, others) for task in tasks]
    since, until = min(times), max(times)

    def block(task: Carried) -> int:
        return min(_BLOCKS - 1, floor((task.queued_at - since) / max(until - since, 1e-9) * _BLOCKS))

    there = {block(task) for task in others}
    return sum(block(task) not in there for task in mine) / len(mine)
