"""What figures say together: known values, and what must hold of any."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from paperlane.bench.spread import Started, apart, fair_waits, jain, mean, percentile, slope

VALUES = some.lists(some.floats(0.001, 1e6), min_size=1, max_size=50)


def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed():
    assert [percentile([5, 1, 4, 2, 3], share) for share in (0.2, 0.5, 0.95, 1.0)] == [1, 3, 5, 5]
    assert percentile(range(1, 101), 0.95) == 95
    assert math.isnan(percentile([], 0.5))


@given(VALUES, some.floats(0.01, 1.0))
def test_a_percentile_is_one_of_the_values_and_enough_are_at_most_that(values: list[float], share: float):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


def test_jain_is_one_for_equal_shares_and_a_share_for_one_who_has_all():
    assert jain([3, 3, 3]) == 1
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert jain([1, 2, 3]) == pytest.approx(36 / 42)


@given(VALUES, some.floats(0.1, 10))
def test_jain_does_not_depend_on_the_unit(values: list[float], unit: float):
    assert 1 / len(values) - 1e-9 <= jain(values) <= 1 + 1e-9
    assert jain([value * unit for value in values]) == pytest.approx(jain(values))


def test_how_far_apart_users_are_is_a_factor():
    assert apart([2, 8, 4]) == 4
    assert math.isnan(apart([]))


def test_a_slope_is_that_of_the_line_of_least_squares():
    assert slope([0, 1, 2], [0, 1, 5]) == 2.5
    assert math.isnan(slope([1, 1], [0, 5]))


@given(some.floats(-100, 100), some.floats(-100, 100), some.integers(2, 30))
def test_a_slope_finds_a_line_again(rise: float, level: float, count: int):
    at = [float(n) for n in range(count)]
    assert slope(at, [level + rise * x for x in at]) == pytest.approx(rise, abs=1e-6)


def test_starts_that_went_to_one_user_alone_are_dealt_out_by_turns():
    heavy = [Started("heavy", 0.0, 1.0 + n) for n in range(100)]
    light = [Started("light", 0.5, 101.0)]
    waits = fair_waits([*heavy, *light])
    assert waits["light"] == [1.5]
    assert list(waits["heavy"][:3]) == [1.0, 3.0, 4.0]


def test_only_tasks_count_that_were_accepted_late_enough_while_all_take_part():
    tasks = [Started("a", 0.0, 1.0), Started("a", 0.0, 2.0), Started("b", 0.5, 3.0)]
    assert dict(fair_waits(tasks, since=0.5)) == {"b": [1.5]}


STARTS = some.lists(some.tuples(some.sampled_from("abc"), some.floats(0, 100), some.floats(0, 100)), max_size=40)


@given(STARTS)
def test_dealing_starts_out_anew_makes_no_wait_and_loses_none(given: list[tuple[str, float, float]]):
    tasks = [Started(user, accepted, accepted + wait) for user, accepted, wait in given]
    waits = fair_waits(tasks)
    assert {user: len(found) for user, found in waits.items()} == {
        user: sum(task.user == user for task in tasks) for user in {task.user for task in tasks}
    }
    every = [wait for found in waits.values() for wait in found]
    assert min(every, default=0) >= 0
    assert math.fsum(every) == pytest.approx(math.fsum(task.started - task.accepted for task in tasks), abs=1e-6)


@given(STARTS)
def test_who_is_alone_waits_as_they_did(given: list[tuple[str, float, float]]):
    tasks = [Started("a", accepted, accepted + wait) for _, accepted, wait in given]
    assert mean(fair_waits(tasks)["a"]) == pytest.approx(mean([t.started - t.accepted for t in tasks])) or not tasks
