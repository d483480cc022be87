"""Two engines that run side by side for weeks, in simulated time: whoever watches may move users as time goes on."""

from collections.abc import Callable, Sequence

from paperlane.simulation.run import Simulation, Watcher
from paperlane.simulation.scenario import Scenario
from paperlane.simulation.setting import Crew, Setting

WEEK = 7 * 86_400.0
"""Seconds."""


def calm(seed: int, *, users: int = 200, tasks: int = 5_000, weeks: float = 4.0) -> Scenario:
    """Moderate traffic for weeks: uploads of some documents, now and then of 50, at any hour.

    With the slots that are usual most tasks start at once, as in most installations.
    """
    return Scenario(
        users=users, tasks=tasks, duration=weeks * WEEK / 3_600, heavy=0.2, heavy_users=max(1, users // 50), seed=seed
    )


def parallel(
    scenario: Scenario, other: Crew, engine_of: Callable[[int], str], watchers: Sequence[Watcher] = ()
) -> Simulation:
    """A described load that two engines carry: that of the scenario, and another crew.

    `engine_of` says whose tasks each carries, when a user brings the first one; `Simulation.move` changes that later,
    as a roll-out does. `Simulation.at` has something done at a time, such as a look at what has ended until then. The
    same seed brings the same tasks to whatever engines there are.
    """
    setting = Setting((scenario.crew(), other), scenario.user_limit, scenario.system_limit)
    return Simulation(setting, scenario.load(), seed=scenario.seed, watchers=watchers, engine_of=engine_of)
