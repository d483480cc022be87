"""A prediction beside a real `paperlane bench load`: the same described load, simulated and measured."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from typing_extensions import override

from paperlane.bench.load import SPARE, Plan
from paperlane.bench.spread import mean
from paperlane.errors import BadRequest
from paperlane.simulation.run import Life, Simulation, Watcher, Work
from paperlane.simulation.scenario import OVERHEAD
from paperlane.simulation.setting import Crew, Setting

_LOOK = 0.5  # seconds between two looks at whether a user has room for another upload
_NEARLY = 0.98
_STANDS = 60.0  # seconds in which nothing more is held, after which no more is waited for


@dataclass(frozen=True, slots=True)
class Held:
    """What came while a load was held: waits of what began then in seconds, and tasks completed a second."""

    waits: Sequence[float]
    throughput: float

    @property
    def wait(self) -> float:
        """The mean."""
        return mean(self.waits)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a report of `paperlane bench load` says: its plan, the mean wait in seconds, tasks completed a second.

    `own` are the seconds beyond the model's answers that a task took, where the report tells how long they took. So
    many tasks `began` while the load was held; 0 where it does not say.
    """

    plan: Plan
    wait: float
    throughput: float
    own: float
    began: int = 0


def read(path: Path) -> Truth:
    """BadRequest for what is no such report."""
    try:
        words = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _no_report(path) from error
    try:
        return _truth(words)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _no_report(path) from error


def _no_report(path: Path) -> BadRequest:
    return BadRequest(
        f"{path.name} is no report of a load that was held.",
        hint=f"Make one: paperlane bench load -o {path.stem}.json.",
    )


def _truth(words: Mapping[str, Any]) -> Truth:
    held = words["held"]
    known = {one.name for one in fields(Plan)}
    plan = Plan(**{name: value for name, value in words["plan"].items() if name in known})
    model = plan.median * math.exp(plan.sigma**2 / 2)
    own = max(0.0, (held["seconds_a_task"] or model) - model)
    return Truth(plan, _number(held["mean_wait"]), _number(held["throughput"]), own, int(held.get("began", 0)))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


class _Users(Watcher):
    """Who uploads whenever they have room for another batch, as the people of `bench load` do, while it lasts."""

    def __init__(self, plan: Plan, own: float) -> None:
        self.plan, self.own = plan, own
        self.held = self.ended_at = math.inf
        self.waits: list[float] = []
        self.completed = 0
        self._unfinished = [0] * plan.users
        self._most, self._since = 0, 0.0
        self._chance = random.Random(f"like {plan.seed}")  # noqa: S311  spreads load, keeps no secret
        self.simulation: Simulation | None = None

    def look(self, user: int) -> None:
        """Upload as long as there is room, and look again in a while."""
        assert self.simulation is not None
        plan, simulation = self.plan, self.simulation
        if self.held == math.inf and self._is_held():
            self.held = simulation.now
            self.ended_at = self.held + plan.minutes * 60
        if simulation.now >= self.ended_at or (size := plan.upload(user)) == 0:
            return
        while self._unfinished[user] + size <= plan.share(user):
            self._unfinished[user] += size
            simulation.submit(user + 1, [self._work() for _ in range(size)])
        simulation.at(simulation.now + _LOOK, lambda: self.look(user))

    def _is_held(self) -> bool:
        """Do as many run as are asked for, or no more for a while?"""
        assert self.simulation is not None
        running, now = self.simulation.running, self.simulation.now
        if running > self._most:
            self._most, self._since = running, now
        return running >= self.plan.tasks * _NEARLY or now - self._since > _STANDS

    def _work(self) -> Work:
        answer = self._chance.lognormvariate(math.log(self.plan.median), self.plan.sigma) if self.plan.median else 0.0
        return Work(answer + self.own, self.plan.median + self.own)

    @override
    def started(self, user: int, accepted: float, at: float) -> None:
        if self.held <= at < self.ended_at:
            self.waits.append(at - accepted)

    @override
    def ended(self, life: Life) -> None:
        self._unfinished[life.user - 1] -= 1
        self.completed += self.held <= life.ended < self.ended_at


def setting_of(plan: Plan) -> Setting:
    """The workers and limits that `bench load` gives such a plan."""
    slots = math.ceil(plan.tasks * SPARE)
    workers = plan.workers if plan.engine == "database" else 1
    crew = Crew(plan.engine, workers, math.ceil(slots / workers), OVERHEAD.get(plan.engine, 0.0))
    return Setting((crew,), user_limit=slots, system_limit=slots + 2 + plan.workers)


def predicted(truth: Truth) -> Held:
    """What the same load is simulated to do."""
    plan = truth.plan
    users = _Users(plan, truth.own)
    simulation = Simulation(setting_of(plan), seed=plan.seed, watchers=[users])
    users.simulation = simulation
    for user in range(plan.users):
        simulation.at(user * _LOOK / plan.users, lambda user=user: users.look(user))
    simulation.run()
    return Held(users.waits, users.completed / (plan.minutes * 60))
