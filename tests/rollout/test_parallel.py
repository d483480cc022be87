"""Four weeks of two engines side by side in simulated time, through the scheduling that serves people too.

200 roll-outs, by 200 seeds: 200 users, 180 tasks a day of them all, a quarter of the users on the new engine.
"""

import pytest
from tests.rollout.weeks import NEW, OLD, looks, watched
from typing_extensions import override

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout import place_of
from paperlane.rollout.guards import Sides
from paperlane.simulation.parallel import calm, parallel
from paperlane.simulation.run import Life, Watcher
from paperlane.simulation.setting import Crew

SHARE = 25.0
FIFTY = (0, 50, 100, 150)


class Ends(Watcher):
    """What has ended, as the ledger tells of it."""

    def __init__(self) -> None:
        self.tasks: list[Carried] = []

    @override
    def ended(self, life: Life) -> None:
        number, user, engine, accepted, started, ended, seconds, cost, failed = life
        outcome = "failed" if failed else "completed"
        task, whose = TaskId(f"{number:08}"), UserId(user)
        self.tasks.append(Carried(task, whose, engine, cost, accepted, started, ended, outcome, 1, seconds))


def alarm(seed: int, factor: float) -> str:
    """What the guard found worse within four weeks, "" for nothing."""

    def is_moved(user: int) -> bool:
        return place_of(UserId(user + 1_000 * seed)) < SHARE  # others in each roll-out, as other installations have

    ends = Ends()
    crew = Crew(NEW, 2, 10, overhead=0.06, factor=factor)
    parallel(calm(seed), crew, lambda user: NEW if is_moved(user) else OLD, [ends]).run()
    of = Sides(NEW, OLD, {UserId(user): is_moved(user) for user in range(1, 201)})
    found = watched(of, ends.tasks, looks(28, 12 * 60))
    return "" if found is None or found[1].worst is None else found[1].worst.measure


@pytest.mark.parametrize("first", FIFTY)
def test_between_equal_engines_a_guard_alarms_in_fewer_than_5_percent(first: int):
    """Of each fifty in two at most."""
    assert sum(bool(alarm(first + n, 1.0)) for n in range(50)) <= 2


@pytest.mark.parametrize("first", FIFTY)
def test_where_one_is_30_percent_slower_it_is_found_in_more_than_95_percent(first: int):
    """Of each fifty in all but two at most."""
    assert [alarm(first + n, 1.3) for n in range(50)].count("completion") >= 48
