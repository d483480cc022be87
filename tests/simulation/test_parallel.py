"""Two engines side by side for weeks, in simulated time: tests of guardrails have real traffic to decide by."""

from collections import defaultdict

from typing_extensions import override

from paperlane.simulation.parallel import WEEK, calm, parallel
from paperlane.simulation.run import Life, Simulation, Watcher
from paperlane.simulation.setting import Crew


class Ends(Watcher):
    def __init__(self) -> None:
        self.lives: list[Life] = []

    @override
    def ended(self, life: Life) -> None:
        self.lives.append(life)


def weeks(seed: int, factor: float) -> tuple[Simulation, Ends]:
    ends = Ends()
    other = Crew("arq", 2, 10, factor=factor)
    return parallel(calm(seed, tasks=2_000), other, lambda user: "arq" if user % 2 else "database", [ends]), ends


def mean_seconds(lives: list[Life]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for life in lives:
        found[life.engine].append(life.seconds)
    return {engine: sum(of) / len(of) for engine, of in found.items()}


def test_two_engines_carry_their_users_for_four_weeks_and_one_of_them_may_be_slower():
    simulation, ends = weeks(1, 1.3)
    simulation.run()
    assert len(ends.lives) == 2_000
    assert 0.8 * 4 * WEEK < simulation.now < 1.2 * 4 * WEEK
    assert all((life.engine == "arq") == bool(life.user % 2) for life in ends.lives)
    simulated = mean_seconds(ends.lives)
    equal, others = weeks(1, 1.0)
    equal.run()
    as_before = mean_seconds(others.lives)
    assert simulated["database"] == as_before["database"]
    assert round(simulated["arq"] / as_before["arq"], 6) == 1.3


def test_whoever_looks_while_it_runs_may_move_everybody_back():
    simulation, ends = weeks(2, 1.3)
    seen: list[int] = []

    def look() -> None:
        seen.append(len(ends.lives))
        for user in range(1, 201):
            simulation.move(user, "database")

    simulation.at(WEEK, look)
    simulation.run()
    (before,) = seen
    assert 0 < before < 2_000
    later = [life for life in ends.lives[before:] if life.accepted > WEEK]
    # who comes for the first time is still given to the engine that is asked for then
    known = {life.user for life in ends.lives[:before]}
    assert {life.engine for life in later if life.user in known} == {"database"}
