"""The cluster bootstrap: users are drawn again, each with all their tasks, for users were assigned and not tasks.

Tasks of one user are alike, so to draw tasks would promise intervals that are far too narrow (Davison and Hinkley:
Bootstrap Methods and their Application, 1997, 3.8; Field and Welsh: Bootstrapping clustered data, 2007). Every figure
here is made of sums over users, so that to draw is to add up some of a few columns of numbers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf, isfinite, isnan, nan, sqrt
from operator import itemgetter
from random import Random
from statistics import NormalDist, fmean, pstdev

NORMAL = NormalDist()

Column = Sequence[float]
"""A number for each user of a side."""


class Whole(list[float]):
    """A column that several figures are shares of."""


Sum = Callable[[Column], float]
"""What a column comes to: over all users, or over those that were drawn, some of them several times."""

_EXACT = 256  # different values that are looked at one by one, where users are not too many for that
_STEPS = 128  # places between which a quantile of a resample is found, where there are more values
_LEAST_STEPS = 32
_CELLS = 1_000_000  # numbers that a quantile keeps, 8 MB: a place has one for each user
_REACH = 6.0  # standard errors to either side of the sample's quantile that these lie in
_NARROWEST = 0.02  # of all probability, that they cover at least
_GUESSES = 5  # at where a resample's quantile lies, from how much was missing; then halves are tried
_CERTAIN = 6.0  # standard errors, where a figure is beyond all that was seen however one draws
_FEW = 5  # resamples beyond the null value: so few tell no share, and the tail is that of a normal distribution


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw of users: how columns of either side add up."""

    a: Sum
    b: Sum


def draws(only_a: int, only_b: int, both: int, times: int, seed: int) -> Iterator[Drawn]:
    """So many draws of as many users as there are: of those on one side, on the other, and on both.

    Columns have who is on one side first, then those on both, in the same order on both sides: a user on both is drawn
    with the tasks of both, so that what they have in common stands on both sides of a difference. Each is made when it
    is asked for: all at once they would take gigabytes for many users.
    """
    random = Random(seed)  # noqa: S311  chance that anybody can repeat
    return (_draw(random, only_a, only_b, both) for _ in range(times))


def _draw(random: Random, only_a: int, only_b: int, both: int) -> Drawn:
    of_a, of_b, shared = (random.choices(range(n), k=n) if n else [] for n in (only_a, only_b, both))
    return Drawn(_sum_of([*of_a, *(only_a + at for at in shared)]), _sum_of([*of_b, *(only_b + at for at in shared)]))


def _sum_of(drawn: Sequence[int]) -> Sum:
    """Sums of columns; those of whole ones that are asked for several times are made once."""
    if len(drawn) < 2:  # noqa: PLR2004  of one, itemgetter makes no tuple
        return lambda column: sum(column[at] for at in drawn)
    pick = itemgetter(*drawn)
    known: dict[int, float] = {}

    def total(column: Column) -> float:
        if not isinstance(column, Whole):
            return sum(pick(column))
        if (found := known.get(id(column))) is None:
            found = known[id(column)] = sum(pick(column))
        return found

    return total


@dataclass(slots=True)
class Times:
    """When what is waited for came, of the tasks of one side: weighted, and by user.

    `due` is each user's weight of all that it could come to; where fewer have come, the rest is still longer. Tasks
    whose end was not to be seen have their weight on others that were to be (see `Seen`).
    """

    due: Whole
    values: list[float] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, user: int, value: float, weight: float) -> None:
        """It came after so long."""
        self.values.append(value)
        self.users.append(user)
        self.weights.append(weight)

    def order(self) -> None:
        """Sort them; what follows asks for that."""
        order = sorted(range(len(self.values)), key=self.values.__getitem__)
        self.values = [self.values[at] for at in order]
        self.users = [self.users[at] for at in order]
        self.weights = [self.weights[at] for at in order]

    def by_user(self, of: Callable[[float], float]) -> list[float]:
        """The sum of something of the values of each user."""
        column = [0.0] * len(self.due)
        for user, value, weight in zip(self.users, self.values, self.weights, strict=True):
            column[user] += weight * of(value)
        return column


class Seen:
    """For which share of tasks one could have seen an end after so long: the others were submitted too late for it.

    A task that was seen to end after t stands for all that could have been, with a weight of 1 / share(t), by which
    neither slow tasks nor late ones are dropped (inverse probability of censoring: Robins and Rotnitzky, 1992; Satten
    and Datta, 2001). Everybody's latest end is known here, so it needs no estimate of its own.
    """

    def __init__(self, followed: Sequence[float], weights: Sequence[float]) -> None:
        order = sorted(range(len(followed)), key=followed.__getitem__, reverse=True)
        self._at = [-followed[at] for at in order]  # rises
        self._upto = [0.0, *accumulate(weights[at] for at in order)]

    def share(self, after: float) -> float:
        """Of all tasks, by their weights."""
        return self._upto[bisect_right(self._at, -after)] / self._upto[-1]


class Quantile:
    """The value that a share `q` of what is due does not exceed, inf where so much has not come."""

    def __init__(self, of: Times, q: float) -> None:
        self.q, self.due = q, of.due
        places = self._places(of)
        self.values = [of.values[at] for at in places]
        self.columns: list[Column] = []
        column, done = [0.0] * len(of.due), 0
        for at in places:
            column = column.copy()
            for one in range(done, at + 1):
                column[of.users[one]] += of.weights[one]
            done = at + 1
            self.columns.append(column)
        self.whole = bool(places) and places[-1] == len(of.values) - 1
        upto, wanted = [sum(column) for column in self.columns], q * sum(of.due)
        self._middle = bisect_left(upto, wanted)
        self._step = max((upto[-1] - upto[0]) / len(upto), 1e-12) if upto else 1.0

    def _places(self, of: Times) -> Sequence[int]:
        """The last one of each value that is looked at: of few values all, of many those about the quantile."""
        values = of.values
        last_ones = [at for at in range(len(values)) if at + 1 == len(values) or values[at + 1] > values[at]]
        room = max(_LEAST_STEPS, _CELLS // max(1, len(of.due)))
        if len(last_ones) <= min(_EXACT, room):
            return last_ones
        due = sum(of.due)
        upto = list(accumulate(of.weights))
        shares = [upto[at] / due for at in last_ones]
        middle = next((place for place, share in enumerate(shares) if share >= self.q), len(shares) - 1)
        below = [0.0] * len(of.due)
        for one in range(last_ones[middle] + 1):
            below[of.users[one]] += of.weights[one]
        error = sqrt(sum((x - self.q * d) ** 2 for x, d in zip(below, of.due, strict=True))) / due
        reach = max(_NARROWEST / 2, _REACH * error)
        chosen: list[int] = []
        wanted = self.q - reach
        for place, share in enumerate(shares):
            if share >= wanted or place == middle:
                chosen.append(last_ones[place])
                wanted = share + 2 * reach / min(_STEPS, room)
            if share > self.q + reach:
                break
        else:
            if chosen and chosen[-1] != last_ones[-1]:
                chosen.append(last_ones[-1])
        return chosen

    def of(self, total: Sum) -> float:
        """By these users."""
        if (due := total(self.due)) <= 0:
            return nan
        if not self.values:
            return inf
        wanted = self.q * due * (1 - 1e-9)
        low, high, at = 0, len(self.columns), self._middle
        for tried in range(len(self.columns) + 1):
            if low >= high:
                break
            if not low <= at < high or tried >= _GUESSES:
                at = (low + high) // 2
            if (missing := wanted - total(self.columns[at])) <= 0:
                high = at
                at -= 1 + int(-missing / self._step)
            else:
                low = at + 1
                at += max(1, int(missing / self._step))
        if low < len(self.values):
            return self.values[low]
        return inf if self.whole else self.values[-1]


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies, by a trust of 95 %; inf where it has no end."""

    low: float
    high: float

    def within(self, low: float, high: float) -> bool:
        """Does it lie between these?"""
        return low <= self.low and self.high <= high


def effective(sizes: Column) -> float:
    """How many users of equal size would say as much: fewer than there are, where few have most (Kish, 1965)."""
    squares = sum(size * size for size in sizes)
    return sum(sizes) ** 2 / squares if squares > 0 else 0.0


def t_of(z: float, freedom: float) -> float:
    """The value of Student's t that is as unlikely as this one of a normal distribution; inf where it is too far.

    Abramowitz and Stegun: Handbook of Mathematical Functions, 26.7.8, which is within 3 % from 9 degrees on.
    """
    if freedom <= 0:
        return inf
    left = (1 - 1 / (4 * freedom)) ** 2 - z * z / (2 * freedom)
    return z / sqrt(left) if left > 0 else inf


def z_of(t: float, freedom: float) -> float:
    """The other way round."""
    return 0.0 if freedom <= 0 else t * (1 - 1 / (4 * freedom)) / sqrt(1 + t * t / (2 * freedom))


def interval(resampled: Sequence[float], users: float, trust: float = 0.95) -> Interval | None:
    """The expanded percentile interval of a figure; None where the users are too few for any.

    Percentiles alone are too narrow for few users: these are those that make a t interval of a mean (Hesterberg: What
    Teachers Should Know About the Bootstrap, 2015, 4.4).
    """
    found = sorted(value for value in resampled if not isnan(value))
    if users <= 1 or len(found) < len(resampled) / 2 or not found:
        return None
    t = t_of(NORMAL.inv_cdf(0.5 + trust / 2), users - 1)
    if not isfinite(t):
        return None
    tail = NORMAL.cdf(-t * sqrt(users / (users - 1)))
    return Interval(_at(found, tail), _at(found, 1 - tail))


def _at(found: Sequence[float], share: float) -> float:
    place = min(max(share * (len(found) + 1) - 1, 0), len(found) - 1)
    low, part = int(place), place - int(place)
    if not part:
        return found[low]
    if not isfinite(found[low + 1]) or not isfinite(found[low]):
        return found[low + 1] if share > 0.5 else found[low]  # noqa: PLR2004  the half that widens it
    return found[low] + part * (found[low + 1] - found[low])


def chance_of(resampled: Sequence[float], value: float, users: float) -> float:
    """How likely a figure as far from 0 would be without a difference, both sides: the interval's own test."""
    found = [one for one in resampled if not isnan(one)]
    if users <= 1 or not found or isnan(value):
        return 1.0
    beyond = min(sum((one > 0) + (one == 0) / 2 for one in found), sum((one < 0) + (one == 0) / 2 for one in found))
    z = -NORMAL.inv_cdf(min(0.5, (beyond + 1) / (len(found) + 2)))
    if beyond < _FEW:
        z = max(z, abs(value) / error_of(found) if isfinite(value) and error_of(found) > 0 else 0.0)
    if not beyond and not isfinite(value):
        z = max(z, _CERTAIN)
    return 2 * NORMAL.cdf(-z_of(z * sqrt((users - 1) / users), users - 1))


def error_of(resampled: Sequence[float]) -> float:
    """The standard error that resamples show; nan where they show none."""
    found = [one for one in resampled if isfinite(one)]
    return pstdev(found, fmean(found)) if len(found) > len(resampled) / 2 else nan


def rare(count: float, times: int, seed: int) -> list[float]:
    """What a share may be that is 0 of so many: no draw shows what never happened, so these are of Beta(1, count).

    Their bound is what is left by the chance of seeing none, about 3 / count (Hanley and Lippman-Hand: If Nothing Goes
    Wrong, Is Everything All Right?, 1983).
    """
    random = Random(seed)  # noqa: S311  chance that anybody can repeat
    return [1 - random.random() ** (1 / max(count, 1e-9)) for _ in range(times)]


def holm(chances: Sequence[float]) -> Sequence[float]:
    """The same, as of several questions that are asked at once (Holm, 1979): each is rejected where it is below 5 %."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    found, last = [1.0] * len(chances), 0.0
    for rank, at in enumerate(order):
        last = max(last, min(1.0, (len(chances) - rank) * chances[at]))
        found[at] = last
    return found
