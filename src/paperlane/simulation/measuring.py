"""What is seen of a simulation: waits, fairness, use and cost, in memory that does not grow with its events."""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from paperlane.bench.spread import Round, jain
from paperlane.simulation.run import Life, Watcher
from paperlane.simulation.setting import Setting

_BINS = 1_024  # of a series; where there are more, two become one
_A_WAIT = 1.0  # seconds: below it shares of waits tell nothing, as in `bench load`
_HOUR = 3_600.0
_TOLD = 1_000  # ended tasks that the progress is told of at once
POINTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(slots=True)
class _Series:
    """Sums by time, in bins of equal width from the first moment on."""

    names: Sequence[str]
    since: float
    width: float = 1.0
    sums: dict[str, list[float]] = field(init=False)
    _many: int = 0

    def __post_init__(self) -> None:
        """Empty ones."""
        self.sums = {name: [] for name in self.names}

    def bin(self, at: float) -> int:
        """The bin of a time; there is one from now on."""
        while (found := int((at - self.since) / self.width)) >= _BINS:
            self._widen()
        if found >= self._many:
            self._many = found + 1
            for of in self.sums.values():
                of.extend([0.0] * (self._many - len(of)))
        return found

    def _widen(self) -> None:
        self.width *= 2
        for name, of in self.sums.items():
            self.sums[name] = [sum(of[at : at + 2]) for at in range(0, len(of), 2)]
        self._many = (self._many + 1) // 2

    def add(self, name: str, at: float, value: float = 1.0) -> None:
        found = self.bin(at)
        self.sums[name][found] += value

    def spread(self, values: Mapping[str, float], since: float, until: float) -> None:
        """Add what held from one time to another: each value by the seconds that it held."""
        while since < until:
            found = self.bin(since)
            edge = self.since + (found + 1) * self.width
            end = min(until, edge if edge > since else edge + self.width)  # it was rounded
            for name, value in values.items():
                self.sums[name][found] += value * (end - since)
            since = end


@dataclass(slots=True)
class Measures(Watcher):
    """Watches a simulation; `heavy` says which users bring far more than others, and `figures` what came of it all.

    `cpu` seconds and `tokens` are what a task takes on average, 0 where that is not known.
    """

    setting: Setting
    heavy: Callable[[int], bool]
    cpu: float = 0.0
    tokens: float = 0.0
    progress: Callable[[int], None] | None = None
    came: int = 0
    begun: int = 0
    done: int = 0
    failed: int = 0
    _users: dict[int, int] = field(default_factory=dict)  # their places in what follows
    _is_heavy: list[bool] = field(default_factory=list)
    _came: "array[int]" = field(default_factory=lambda: array("q"))
    _started: "array[int]" = field(default_factory=lambda: array("q"))
    _fair_started: "array[int]" = field(default_factory=lambda: array("q"))
    _waited: "array[float]" = field(default_factory=lambda: array("d"))
    _fair_waited: "array[float]" = field(default_factory=lambda: array("d"))
    _open_since: "array[float]" = field(default_factory=lambda: array("d"))  # sums of when the not begun ones came
    _fair_open_since: "array[float]" = field(default_factory=lambda: array("d"))
    _measured: "array[float]" = field(default_factory=lambda: array("d"))
    _waits: Mapping[bool, "array[float]"] = field(default_factory=lambda: {True: array("d"), False: array("d")})
    _took: "array[float]" = field(default_factory=lambda: array("d"))
    _round: Round[int] = field(default_factory=Round[int])
    _series: _Series | None = None
    _at: float = 0.0
    _began: float = 0.0
    _last_came: float = 0.0
    _ended_at: float = 0.0
    _busy: float = 0.0
    _most_running: int = 0
    _most_queued: int = 0

    _NAMES = ("running", "queued", "completed", "light started", "light waited", "heavy started", "heavy waited")

    def _place(self, user: int) -> int:
        if (found := self._users.get(user)) is None:
            found = self._users[user] = len(self._users)
            self._is_heavy.append(self.heavy(user))
            for of in (self._came, self._started, self._fair_started):
                of.append(0)
            for of in (self._waited, self._fair_waited, self._open_since, self._fair_open_since):
                of.append(0.0)
        return found

    @override
    def accepted(self, user: int, at: float, tasks: int) -> None:
        if self._series is None:
            self._series = _Series(self._NAMES, at)
            self._began = self._at = at
        self._last_came = at
        place = self._place(user)
        self.came += tasks
        self._came[place] += tasks
        since = (at - self._began) * tasks
        self._open_since[place] += since
        self._fair_open_since[place] += since
        self._round.accept(user, at, tasks)

    @override
    def started(self, user: int, accepted: float, at: float) -> None:
        assert self._series is not None
        wait = at - accepted
        place = self._users[user]
        heavy = self._is_heavy[place]
        self.begun += 1
        self._started[place] += 1
        self._waited[place] += wait
        self._open_since[place] -= accepted - self._began
        self._waits[heavy].append(wait)
        kind = "heavy" if heavy else "light"
        self._series.add(f"{kind} started", at)
        self._series.add(f"{kind} waited", at, wait)
        if (turn := self._round.start()) is not None:
            whose, came = turn
            place = self._users[whose]
            self._fair_started[place] += 1
            self._fair_waited[place] += at - came
            self._fair_open_since[place] -= came - self._began

    @override
    def waited_again(self, wait: float) -> None:
        self._measured.append(wait)

    @override
    def ended(self, life: Life) -> None:
        assert self._series is not None
        self.done += 1
        self.failed += life.failed
        self._ended_at = life.ended
        self._took.append(life.ended - life.accepted)
        self._series.add("completed", life.ended)
        if self.progress is not None and self.done % _TOLD == 0:
            self.progress(_TOLD)

    def over(self) -> None:
        """Nothing more comes: tell the progress what it was not told of yet, though some may never have begun."""
        if self.progress is not None:
            self.progress(self.came - self.done // _TOLD * _TOLD)

    @override
    def passes(self, until: float, running: int, queued: int, waiting: int) -> None:
        if self._series is None:  # nothing has come
            return
        self._series.spread({"running": running, "queued": queued}, self._at, until)
        self._busy += running * (until - self._at)
        self._at = until
        self._most_running = max(self._most_running, running)
        self._most_queued = max(self._most_queued, queued)

    def ratios(self) -> Sequence[float]:
        """Of each light user, the mean wait in times of the fair one, as `bench load` takes it."""
        return [
            self._wait(place) / max(self._fair(place), _A_WAIT)
            for place, heavy in enumerate(self._is_heavy)
            if not heavy
        ]

    def _wait(self, place: int) -> float:
        """A user's mean wait, with those that have not begun, which have waited until now."""
        left = self._came[place] - self._started[place]
        return self._of_all(place, self._waited[place], left, self._open_since[place])

    def _fair(self, place: int) -> float:
        """The same, had the very starts gone round."""
        left = self._came[place] - self._fair_started[place]
        return self._of_all(place, self._fair_waited[place], left, self._fair_open_since[place])

    def _of_all(self, place: int, waited: float, left: int, since: float) -> float:
        """Of a user whose begun tasks have `waited` so long, and of whom so many are `left`."""
        until_now = max(0.0, left * (self._at - self._began) - since) if left else 0.0
        return (waited + until_now) / self._came[place]

    def _until_end(self, places: Sequence[int]) -> float:
        """The mean wait of all tasks of some users, until now where they wait still."""
        waits = [self._wait(place) * self._came[place] for place in places]
        return math.fsum(waits) / sum(self._came[place] for place in places) if waits else math.nan

    def figures(self) -> "Figures":
        """All that was seen until now."""
        seconds = max(0.0, self._ended_at - self._began)
        slots = self.setting.slots
        light, heavy = self._waits[False], self._waits[True]
        every = sorted([*light, *heavy])
        took = sorted(self._took)
        ratios = self.ratios()
        shares = [
            max(self._fair(place), _A_WAIT) / max(self._wait(place), _A_WAIT) for place in range(len(self._users))
        ]
        workers = sum(crew.workers for crew in self.setting.crews)
        return Figures(
            tasks=self.done,
            failed=self.failed,
            came=self.came,
            heavy_came=sum(came for came, heavy in zip(self._came, self._is_heavy, strict=True) if heavy),
            not_begun=self.came - self.begun,
            users=len(self._users),
            seconds=seconds,
            throughput=self.done / seconds * _HOUR if seconds else math.nan,
            utilisation=self._busy / (slots * seconds) if seconds and slots else math.nan,
            most_running=self._most_running,
            most_queued=self._most_queued,
            wait=_spread(every),
            light_wait=_spread(sorted(light)),
            heavy_wait=_spread(sorted(heavy)),
            wait_until_end=self._until_end(range(len(self._users))),
            light_wait_until_end=self._until_end([place for place, heavy in enumerate(self._is_heavy) if not heavy]),
            measured_wait=_spread(sorted(self._measured)),
            completion=_spread(took),
            light_ratio=_mean(ratios),
            light_ratio_p95=at(sorted(ratios), 0.95),
            jain=jain(shares),
            worker_hours=workers * seconds / _HOUR,
            slot_hours=self._busy / _HOUR,
            cpu_seconds=self.done * self.cpu,
            tokens=self.done * self.tokens,
        )

    def lines(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        """What ran, waited, ended an hour and how long starts had waited, by seconds since the first task came."""
        if self._series is None:
            return {}
        sums, width = self._series.sums, self._series.width
        middle = [(n + 0.5) * width for n in range(len(sums["running"]))]

        def line(name: str, by: float) -> Sequence[tuple[float, float]]:
            return [(when, value / by) for when, value in zip(middle, sums[name], strict=False)]

        def waited(kind: str) -> Sequence[tuple[float, float]]:
            pairs = zip(middle, sums[f"{kind} waited"], sums[f"{kind} started"], strict=False)
            return [(when, waits / count) for when, waits, count in pairs if count]

        return {
            "running": line("running", width),
            "queued": line("queued", width),
            "completed an hour": line("completed", width / _HOUR),
            "light wait": waited("light"),
            "heavy wait": waited("heavy"),
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """How so many values are spread: their mean, and points below which a share of them lies; NaN of none."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a simulation. Times in seconds, the throughput in tasks an hour, the utilisation from 0 to 1.

    Of the tasks that `came`, `heavy_came` of them of heavy users, so many `tasks` ended, and some may have `not_begun`
    at the end, as no worker had room for them: waits are of those that began, but for the means `wait_until_end` and
    `light_wait_until_end`, which count what the others have waited until then. `measured_wait` is of tasks of a history
    whose waits are known in truth.

    `light_ratio` is by how much light users waited longer than in a round of turns: the mean over them, and the P95.
    `jain` is the index of the shares of their fair turn that all users had: 1 where all are alike.
    """

    tasks: int
    failed: int
    came: int
    heavy_came: int
    not_begun: int
    users: int
    seconds: float
    throughput: float
    utilisation: float
    most_running: int
    most_queued: int
    wait: Spread
    light_wait: Spread
    heavy_wait: Spread
    wait_until_end: float
    light_wait_until_end: float
    measured_wait: Spread
    completion: Spread
    light_ratio: float
    light_ratio_p95: float
    jain: float
    worker_hours: float
    slot_hours: float
    cpu_seconds: float
    tokens: float


def at(ordered: Sequence[float], share: float) -> float:
    """The least value that at least this share of all does not exceed (nearest rank); NaN of none."""
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered)))) - 1] if ordered else math.nan


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _spread(ordered: Sequence[float]) -> Spread:
    return Spread(len(ordered), _mean(ordered), *(at(ordered, share) for share in POINTS.values()))
