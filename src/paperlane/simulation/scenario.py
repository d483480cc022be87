"""A load and a setting in the words of the command line and of a file, checked, and what they make."""

import json
import math
import random
import tomllib
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from paperlane.errors import BadRequest
from paperlane.simulation.run import Arrival, Work
from paperlane.simulation.setting import Crew, Setting

OVERHEAD: Mapping[str, float] = {
    "database": 0.005, "inline": 0.0, "pool": 0.0, "arq": 0.06, "celery": 0.011, "rq": 0.02,
}  # fmt: skip
"""Seconds from a turn to the begin of its attempt, as the published benchmarks measured the middle one."""

FILLED = 0.8
"""The share of the slots' time that tasks fill where nobody says how often they come."""

_P95 = 1.6448536269514722  # standard deviations below which 95 % of a normal distribution lies
_HOUR = 3_600.0
_MOST = 100_000_000


@dataclass(frozen=True, slots=True)
class _Word:
    """What may stand for a word: from `least` to `most`, in words."""

    least: float
    most: float
    meant: str


_WORDS: Mapping[str, _Word] = {
    "users": _Word(1, 10_000_000, "users"),
    "tasks": _Word(1, _MOST, "tasks"),
    "arrivals": _Word(0, 1e9, "tasks an hour, 0 for as many as fill 80 % of the slots"),
    "duration": _Word(0, 1e6, "hours, 0 for as long as the arrivals take"),
    "heavy": _Word(0, 1, "the share of the tasks that heavy users bring"),
    "heavy_users": _Word(1, 10_000_000, "users"),
    "batch": _Word(1, 100_000, "documents in an upload"),
    "heavy_batch": _Word(1, 100_000, "documents in an upload of a heavy user"),
    "median": _Word(0.001, 86_400, "seconds"),
    "p95": _Word(0, 864_000, "seconds, not below the median"),
    "workers": _Word(1, 100_000, "worker processes"),
    "slots": _Word(1, 100_000, "tasks that a worker runs at once"),
    "user_limit": _Word(1, 1_000_000, "tasks"),
    "system_limit": _Word(1, 1_000_000, "tasks"),
    "overhead": _Word(-1, 3_600, "seconds, -1 for what the engine is known to take"),
    "fails": _Word(0, 1, "the share of attempts that fail for good"),
    "retries": _Word(0, 0.999, "the share of attempts that are tried again"),
    "known": _Word(0, 1, "the share of the spread of times that documents' sizes tell"),
    "cpu": _Word(0, 86_400, "seconds of processor time a task"),
    "tokens": _Word(0, 1e9, "tokens a task"),
    "seed": _Word(0, 1_000_000, "any number"),
}  # fmt: skip

_OF_CREW = ("workers", "slots", "overhead", "fails", "retries")
SETTING = ("workers", "slots", "user_limit", "system_limit", "engine", "overhead", "fails", "retries")
"""The words that say how the system is set up; the others describe the load."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is to be simulated. Times in seconds, `duration` in hours, `arrivals` in tasks an hour.

    Uploads come as a Poisson process. Those of the heavy users have `heavy_batch` documents, the others' from 1 to
    twice `batch` less one. Attempts take a log-normal time; of the variance of its logarithm the ledger's estimate
    knows the share `known`, as documents are of different sizes.
    """

    users: int = 100
    tasks: int = 10_000
    arrivals: float = 0.0
    duration: float = 0.0
    heavy: float = 0.5
    heavy_users: int = 1
    batch: int = 5
    heavy_batch: int = 50
    median: float = 30.0
    p95: float = 0.0
    known: float = 0.5
    workers: int = 2
    slots: int = 10
    user_limit: int = 10
    system_limit: int = 100
    engine: str = "database"
    overhead: float = -1.0
    fails: float = 0.0
    retries: float = 0.0
    cpu: float = 0.0
    tokens: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        """BadRequest for what makes no sense."""
        for name, word in _WORDS.items():
            if not word.least <= (value := getattr(self, name)) <= word.most:
                raise BadRequest(
                    f"{_shown(name)} of {value:g} makes no sense.",
                    hint=f"Give {word.meant}, from {word.least:g} to {word.most:g}.",
                )
        if self.engine not in OVERHEAD:
            raise BadRequest(f"There is no engine {self.engine!r}.", hint=f"Name one of {', '.join(OVERHEAD)}.")
        if self.p95 and self.p95 < self.median:
            raise BadRequest(
                f"Of the attempts 95 % cannot end within {self.p95:g} s where half take {self.median:g} s.",
                hint="Give a --p95 of at least the --median.",
            )
        if self.users > self.tasks:
            raise BadRequest(
                f"There are more users ({self.users}) than tasks ({self.tasks}).",
                hint=f"Name at most --users {self.tasks}, or at least --tasks {self.users}.",
            )
        if self.heavy_users >= self.users and self.users > 1:
            raise BadRequest(
                f"Of {self.users} users {self.heavy_users} cannot be heavy.", hint="Name fewer --heavy-users."
            )
        if self.arrivals and self.duration:
            raise BadRequest(
                "How many tasks come an hour and for how many hours together say how many tasks come.",
                hint="Leave out --arrivals or --duration, and say --tasks.",
            )

    def said(self, words: Mapping[str, Any]) -> "Scenario":
        """The same with these words, as a file or a command line has them. BadRequest names one that there is not."""
        known = {one.name: one for one in fields(self)}
        given: dict[str, Any] = {}
        for said, value in words.items():
            name = str(said).replace("-", "_")
            if name not in known:
                near = get_close_matches(name, known, 1)
                meant = f"Did you mean {_plain(near[0])}?" if near else f"There are {', '.join(map(_plain, known))}."
                raise BadRequest(f"There is no {said!r}.", hint=meant)
            given[name] = _read(name, value, type(getattr(self, name)))
        return replace(self, **given)

    def setting(self) -> Setting:
        """The workers and limits."""
        return Setting((self.crew(),), self.user_limit, self.system_limit)

    def crew(self) -> Crew:
        """The workers."""
        overhead = OVERHEAD[self.engine] if self.overhead < 0 else self.overhead
        return Crew(self.engine, self.workers, self.slots, overhead, fails=self.fails, retries=self.retries)

    @property
    def sigma(self) -> float:
        """The standard deviation of the logarithm of the seconds; without a P95 that is 2.3 times the median."""
        return math.log(self.p95 / self.median) / _P95 if self.p95 else 0.5

    @property
    def mean(self) -> float:
        """The mean seconds of an attempt."""
        return self.median * math.exp(self.sigma**2 / 2)

    @property
    def hours(self) -> float:
        """How long tasks come."""
        if self.duration:
            return self.duration
        hourly = self.arrivals or FILLED * self.setting().slots * _HOUR / (self.mean + self.crew().overhead)
        return self.tasks / hourly

    def is_heavy(self, user: int) -> bool:
        """Is this one of the heavy users? They have the first numbers."""
        return self.heavy > 0 and user <= self.heavy_users

    def load(self) -> Iterator[Arrival]:
        """The uploads, one after the other; the same words give the same ones, whatever the setting is.

        But for `duration` and `arrivals` of 0, where as many come as the setting can bear.
        """
        chance = random.Random(f"load {self.seed}")  # noqa: S311  spreads load, keeps no secret
        heavy_batch, light_batch = float(self.heavy_batch), float(self.batch)
        everybody_heavy = self.users == 1
        heavy = 1.0 if everybody_heavy else self.heavy
        # of all uploads; so of all tasks the share `heavy` is theirs
        share = heavy / heavy_batch / (heavy / heavy_batch + (1 - heavy) / light_batch)
        mean = share * heavy_batch + (1 - share) * light_batch
        pace = self.hours * _HOUR * mean / self.tasks
        told, untold = self.sigma * math.sqrt(self.known), self.sigma * math.sqrt(1 - self.known)
        first = self.heavy_users + 1 if heavy > 0 and not everybody_heavy else 1
        turn = array("q", range(first, self.users + 1))
        at, left, going = 0.0, self.tasks, 0
        while left > 0:
            at += chance.expovariate(1 / pace)
            if chance.random() < share:
                user, size = 1 + int(chance.random() * min(self.heavy_users, self.users)), self.heavy_batch
            else:
                if going % len(turn) == 0:
                    chance.shuffle(turn)
                user, size = turn[going % len(turn)], chance.randint(1, 2 * self.batch - 1)
                going += 1
            size = min(size, left)
            left -= size
            yield Arrival(at, user, [self._work(chance, told, untold) for _ in range(size)])

    def _work(self, chance: random.Random, told: float, untold: float) -> Work:
        cost = self.median * math.exp(chance.gauss(0.0, told))
        return Work(cost * math.exp(chance.gauss(0.0, untold)), cost)

    def words(self) -> Mapping[str, Any]:
        """All of it, for a report."""
        return {_plain(name): value for name, value in asdict(self).items()}


def changed(setting: Setting, scenario: Scenario, said: Collection[str]) -> Setting:
    """A setting with those words of a scenario that were said, of its first crew; a named engine carries everything."""
    crew = scenario.crew()
    crews = list(setting.crews)
    if "engine" in said:  # the workers of the other engines serve it too
        crews = [replace(one, engine=crew.engine, overhead=crew.overhead) for one in crews]
    crews[0] = replace(crews[0], **{name: getattr(crew, name) for name in _OF_CREW if name in said})
    limits = {name: getattr(scenario, name) for name in ("user_limit", "system_limit") if name in said}
    return replace(setting, crews=tuple(crews), **limits)


def read(path: Path) -> Mapping[str, Any]:
    """The words of a TOML or JSON file. BadRequest for another file, or one that cannot be understood."""
    suffix = path.suffix.lower()
    if suffix not in {".toml", ".json"}:
        raise BadRequest(f"A load cannot be read from {path.name}.", hint="Name a .toml or a .json file.")
    content = path.read_bytes()
    try:
        found = tomllib.loads(content.decode()) if suffix == ".toml" else json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadRequest(
            f"{path.name} cannot be understood: {error}.", hint="Mend it; see --help for an example."
        ) from error
    if not isinstance(found, dict):
        raise BadRequest(f"{path.name} holds no words with values.", hint="See --help for an example.")
    return found


def pairs(said: str) -> Mapping[str, str]:
    """The words of `workers=4,slots=20`. BadRequest for another form."""
    found: dict[str, str] = {}
    for pair in said.replace(",", " ").split():
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise BadRequest(f"{pair!r} is no word with a value.", hint='Say it so: --what-if "workers=4 slots=20".')
        found[name] = value
    if not found:
        raise BadRequest("Nothing is said of what would be different.", hint='Say it so: --what-if "workers=4".')
    return found


def _read(name: str, value: Any, kind: type) -> Any:
    """A value of this kind, also where it is written as text."""
    if kind is str:
        return str(value)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or (kind is int and number != int(number)):
        wanted = "a whole number" if kind is int else "a number"
        raise BadRequest(f"{_shown(name)} is {wanted}, not {value!r}.", hint="See: paperlane simulate --help.")
    return kind(number)


def _plain(name: str) -> str:
    return name.replace("_", "-")


def _shown(name: str) -> str:
    return f"--{_plain(name)}"
