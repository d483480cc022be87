"""Settings beside each other: one load under each of them, and what was seen."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from paperlane.ledger import Rules
from paperlane.simulation.measuring import Figures, Measures
from paperlane.simulation.run import Arrival, Simulation
from paperlane.simulation.scenario import Scenario
from paperlane.simulation.setting import Setting

Lines = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Column:
    """One setting with what was seen of it: figures, and lines over time. It took so many `seconds` to simulate."""

    name: str
    setting: Setting
    figures: Figures
    lines: Lines
    seconds: float


def simulated(
    name: str,
    setting: Setting,
    load: Iterator[Arrival],
    heavy: Callable[[int], bool],
    *,
    seed: int = 1,
    cpu: float = 0.0,
    tokens: float = 0.0,
    rules: Rules | None = None,
    engine_of: Callable[[int], str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Column:
    """This load under this setting, to its end."""
    began = time.perf_counter()
    measures = Measures(setting, heavy, cpu, tokens, progress)
    simulation = Simulation(setting, load, seed=seed, watchers=[measures], engine_of=engine_of, rules=rules)
    simulation.run()
    measures.over()
    return Column(name, setting, measures.figures(), measures.lines(), time.perf_counter() - began)


def described(name: str, scenario: Scenario, progress: Callable[[int], None] | None = None) -> Column:
    """A described load under the setting that stands beside it."""
    return simulated(
        name, scenario.setting(), scenario.load(), scenario.is_heavy,
        seed=scenario.seed, cpu=scenario.cpu, tokens=scenario.tokens, progress=progress,
    )  # fmt: skip
