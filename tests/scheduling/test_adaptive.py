"""The law of a worker's slots: its promises over anything that it may see, and over made-up machines."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.scheduling.plant import Plant

from paperlane.machine import Load
from paperlane.model.tasks import Span
from paperlane.scheduling.adaptive import Decision, Law, Seen

BUSY, IDLE, CALM = Load(0.95, 0.3), Load(0.1, 0.3), Load(0.65, 0.3)


def look(
    law: Law, load: Load, *, times: int = 1, since: float = 0.0, every: float = 10.0, **more: int
) -> list[Decision]:
    """What it decides at several looks of the same kind, with all slots in use and much queued."""
    return [
        law.decide(replace(Seen(since + every * n, load, law.slots, 11), **more)) for n in range(1, times + 1)
    ]  # fmt: skip


def slots(decisions: Sequence[Decision]) -> list[int]:
    return [decision.slots for decision in decisions]


def test_a_busy_cpu_takes_a_quarter_of_the_slots_at_a_time_down_to_the_least():
    assert slots(look(Law(Span(10, 2, 10)), BUSY, times=7)) == [10, 7, 5, 3, 2, 2, 2]


def test_full_memory_takes_slots_at_once():
    assert slots(look(Law(Span(10, 2, 10)), Load(0.1, 0.86), times=3)) == [7, 5, 3]


def test_a_refusal_of_a_model_takes_a_tenth():
    law = Law(Span(20, 2, 20))
    assert slots(look(law, IDLE, refusals=3)) == [18]
    assert slots(look(law, Load(0.1, 0.9), since=10, refusals=1)) == [13]


def test_for_a_minute_after_a_refusal_no_slots_are_added():
    law = Law(Span(2, 2, 10))
    assert slots(look(law, IDLE, refusals=1)) == [2]
    assert slots(look(law, IDLE, times=6, since=10)) == [2] * 5 + [3]


@pytest.mark.parametrize(("most", "expected"), [(10, [3, 4, 5, 6]), (60, [3, 4, 6, 9])])
def test_a_cpu_with_room_gives_small_steps_while_more_than_ten_are_queued(most: int, expected: list[int]):
    assert slots(look(Law(Span(2, 2, most)), IDLE, times=4)) == expected


def test_with_ten_queued_it_does_not_go_beyond_what_it_began_with():
    assert slots(look(Law(Span(4, 2, 10)), IDLE, times=20, queued=10)) == [4] * 20


def test_with_little_queued_it_comes_back_slowly_to_what_it_began_with():
    law = Law(Span(6, 2, 10))
    assert slots(look(law, BUSY, times=3)) == [6, 4, 3]
    assert slots(look(law, IDLE, times=16, since=30, queued=1)) == [3] * 5 + [4] * 3 + [5] * 3 + [6] * 5


@pytest.mark.parametrize("queued", [1, 11])
def test_with_some_cpu_it_comes_back_slowly_to_what_it_began_with_and_no_further(queued: int):
    law = Law(Span(6, 2, 60))
    assert slots(look(law, BUSY, times=3)) == [6, 4, 3]
    assert slots(look(law, Load(0.69, 0.3), times=7, since=30, queued=queued)) == [3] * 5 + [4] * 2
    assert set(slots(look(law, Load(0.7, 0.3), times=30, since=100, queued=queued))) == {4}
    assert slots(look(law, CALM, times=40, since=500, queued=queued)) == [5] * 3 + [6] * 37


def test_nothing_queued_gives_no_slots():
    law = Law(Span(6, 2, 10))
    assert slots(look(law, BUSY, times=3)) == [6, 4, 3]
    assert set(slots(look(law, IDLE, times=30, since=30, queued=0))) == {3}


def test_slots_that_are_not_used_are_not_added_to():
    assert slots(look(Law(Span(4, 2, 10)), IDLE, times=3, running=1)) == [4, 4, 4]


def grown(most: int = 20) -> Law:
    law = Law(Span(4, 2, most))
    assert look(law, IDLE, times=20)[-1].slots == most
    return law


@pytest.mark.parametrize("load", [IDLE, CALM, Load(0.75, 0.8)])
@pytest.mark.parametrize("more", [{"queued": 0}, {"running": 0}, {"running": 1}])
def test_what_it_does_not_need_it_gives_back_in_small_steps_down_to_what_it_began_with(
    load: Load, more: dict[str, int]
):
    assert slots(look(grown(8), load, times=7, since=300, **more)) == [7, 6, 5, 4, 4, 4, 4]
    assert slots(look(grown(40), load, times=3, since=300, **more)) == [38, 36, 34]


def test_half_of_its_slots_in_use_are_kept_while_something_is_queued():
    assert set(slots(look(grown(), CALM, times=9, since=300, running=10, queued=1))) == {20}


def test_it_gives_nothing_back_while_what_it_gave_back_still_runs():
    assert slots(look(grown(), IDLE, times=4, since=300, running=20, queued=0)) == [19] * 4


def test_it_takes_no_more_than_it_would_keep():
    law = Law(Span(4, 2, 100))
    assert slots(look(law, IDLE, times=30, running=5)) == [6, 9, *[10] * 28]


def test_what_it_gave_back_was_not_too_many():
    law = grown()
    assert look(law, IDLE, times=16, since=300, queued=0)[-1].slots == 4
    assert slots(look(law, IDLE, times=21, since=460)) == [4] * 5 + list(range(5, 21))
    assert look(law, IDLE, times=16, since=670, queued=0)[-1].slots == 4
    assert slots(look(law, IDLE, times=6, since=830)) == [4] * 5 + [5]


def test_nothing_more_is_taken_while_what_was_taken_still_runs():
    law = Law(Span(10, 2, 10))
    assert slots(look(law, BUSY, times=5, running=8)) == [10, 7, 7, 7, 7]
    assert slots(look(law, BUSY, since=50, running=7)) == [5]


@pytest.mark.parametrize("load", [CALM, Load(0.8, 0.3), Load(0.5, 0.3), Load(0.1, 0.75), Load(0.1, 0.85)])
def test_between_the_bounds_nothing_changes(load: Load):
    assert slots(look(Law(Span(5, 2, 10)), load, times=30)) == [5] * 30


@pytest.mark.parametrize("broken", [None, nan, inf, -0.1, 1.1])
@pytest.mark.parametrize("load", [BUSY, IDLE, Load(0.1, 0.99)])
def test_a_broken_sensor_holds_whatever_else_is_seen(broken: float | None, load: Load):
    law = Law(Span(5, 2, 10))
    for one in (replace(load, cpu=broken), replace(load, memory=broken)):
        for decision in look(law, one, times=10, refusals=1):
            assert (decision.slots, decision.step) == (5, 0)
            assert decision.why.startswith("the sensor of ")


def test_a_short_burst_of_work_changes_nothing():
    law = Law(Span(10, 2, 10))
    assert slots(look(law, CALM, times=3)) == [10] * 3
    assert slots(look(law, BUSY, since=30)) == [10]
    assert slots(look(law, CALM, times=3, since=40)) == [10] * 3


def test_it_turns_again_a_minute_after_it_turned():
    law = Law(Span(4, 2, 10))
    assert slots(look(law, IDLE, times=2)) == [5, 6]
    assert slots(look(law, Load(0.1, 0.9), since=20)) == [4]
    assert slots(look(law, IDLE, times=6, since=30)) == [4] * 5 + [5]
    assert slots(look(law, Load(0.1, 0.9), times=6, since=90)) == [5] * 5 + [3]


def test_more_that_soon_proved_too_many_waits_twice_as_long_the_next_time():
    law, now, waits = Law(Span(8, 2, 8)), 0.0, list[float]()

    def until_it_changes(load: Load) -> float:
        nonlocal now
        since = now
        while not look(law, load, since=now)[0].step:
            now += 10
        now += 10
        return now - since

    for _ in range(6):
        until_it_changes(Load(0.1, 0.9))
        waits.append(until_it_changes(IDLE))
    assert waits == [60, 120, 240, 480, 480, 480]


def test_where_it_had_too_many_it_goes_on_one_by_one():
    law = Law(Span(100, 2, 100))
    assert slots(look(law, Load(0.1, 0.9))) == [75]
    assert slots(look(law, IDLE, times=10, since=10)) == [75] * 5 + [80, 85, 90, 95, 99]
    law = Law(Span(50, 2, 100))
    assert slots(look(law, Load(0.1, 0.9))) == [37]
    expected = [37] * 5 + [42, 47, 49, *range(50, 64), 68, 73]
    assert slots(look(law, IDLE, times=len(expected), since=10)) == expected


def test_faster_looks_do_not_make_faster_steps():
    law = Law(Span(2, 2, 10))
    found = slots(look(law, IDLE, times=27, every=1.0))
    assert found == [2] * found.count(2) + [3] * 9 + [4] * 9 + [5] * (27 - 18 - found.count(2))


def test_a_span_that_leaves_no_choice_is_kept_through_everything():
    law = Law(Span.fixed(7))
    for load in (BUSY, IDLE, Load(0.1, 0.99), Load(None, None)):
        assert set(slots(look(law, load, times=5, refusals=9))) == {7}


@pytest.mark.parametrize(("start", "least", "most"), [(1, 2, 3), (4, 2, 3), (3, -1, 3)])
def test_a_span_holds_its_start(start: int, least: int, most: int):
    with pytest.raises(ValueError, match="begins inside of it"):
        Span(start, least, most)


def test_every_change_and_every_hold_tells_why():
    law = Law(Span(10, 2, 10))
    assert [one.why for one in look(law, BUSY, times=2)] == ["CPU at 95%, 77% smoothed", "CPU at 95%"]
    assert look(law, Load(0.95, 0.9), since=20)[0].why == "CPU at 95%, memory at 90%"
    assert look(law, Load(0.3, 0.9), since=30, refusals=2)[0].why == "memory at 90%, models refused 2 questions"
    assert look(law, Load(0.3, 0.9), since=40, running=9)[0].why == "memory at 90%, and 9 still run"
    assert look(law, IDLE, times=9, since=120)[-1].why == "CPU at 10%, more than 10 queued"


shares = some.one_of(some.none(), some.floats(0, 1), some.sampled_from([0.1, 0.9, 0.95, nan, -1.0, 7.0]))
sights = some.tuples(
    some.floats(0.0, 90.0), shares, shares, some.integers(0, 60), some.integers(0, 12), some.integers(0, 3)
)
spans = some.lists(some.integers(0, 60), min_size=3, max_size=3).map(sorted).map(lambda at: Span(at[1], at[0], at[2]))


@given(spans, some.lists(sights, max_size=80))
def test_whatever_it_sees_it_stays_in_its_span_and_turns_once_a_minute_at_most(
    span: Span, seen: Sequence[tuple[float, float | None, float | None, int, int, int]]
):
    law, now, turned_at, changed_at, last = Law(span), 0.0, -inf, -inf, 0
    for passed, cpu, memory, running, queued, refusals in seen:
        now += passed
        before = law.slots
        decision = law.decide(Seen(now, Load(cpu, memory), running, queued, refusals))
        assert span.least <= decision.slots <= span.most
        assert decision.slots == before + decision.step == law.slots
        if not (is_share(cpu) and is_share(memory)):
            assert decision.step == 0
        if decision.step == 0:
            continue
        assert now - changed_at >= 9
        changed_at = now
        if decision.step * last < 0:
            assert now - turned_at >= 60
            turned_at = now
        last = decision.step
        assert cpu is not None
        assert memory is not None
        if decision.step > 0:
            assert cpu < 0.7
            assert memory < 0.75
            assert queued > 0
            assert (cpu < 0.5 and queued > 10) or (decision.slots <= span.start and decision.step == 1)
        else:
            unused = decision.slots >= span.start and (queued == 0 or 2 * running < before)
            assert cpu > 0.8 or memory > 0.85 or refusals > 0 or unused


def is_share(value: float | None) -> bool:
    return value is not None and 0 <= value <= 1


plants = some.builds(
    Plant,
    some.builds(Law, spans.filter(lambda span: span.least > 0)),
    cores=some.sampled_from([1.0, 2.0, 8.0]),
    cpu=some.floats(0.2, 2.0),
    waits=some.floats(0.0, 60.0),
    memory=some.floats(0.0, 0.1),
    model=some.sampled_from([inf, 3, 20]),
    noise=some.floats(0.0, 0.3),
    late=some.integers(0, 4),
    look=some.sampled_from([5.0, 10.0]),
    others=some.sampled_from([lambda _: 0.0, lambda _: 0.6, lambda now: now // 150 % 2]),
    broken=some.sampled_from([lambda _: False, lambda now: now // 50 % 3 == 0]),
    arrives=some.sampled_from([lambda _: 5, lambda now: 40 * (now % 200 == 0)]),
    chance=some.integers(0, 1_000).map(random.Random),
)


@given(plants)
@settings(max_examples=20)
def test_on_any_machine_it_turns_once_a_minute_at_most_and_starves_nobody(plant: Plant):
    plant.run(900)
    assert all(after - before >= 60 for before, after in pairwise(plant.turns))
    assert min(plant.slots()) >= plant.law.span.least
    assert plant.finished > 0


def plenty(_now: float) -> int:
    return 20


def test_tasks_that_only_wait_for_a_model_get_all_slots():
    plant = Plant(Law(Span(10, 2, 50)), cpu=0.5, waits=60.0, memory=0.005, arrives=plenty)
    plant.run(600)
    assert set(plant.slots(since=200)) == {50}


def test_documents_that_only_compute_get_the_least_and_lose_nothing():
    few, all_of_them = (
        Plant(Law(Span(10, least, 10)), cpu=5.0, waits=0.0, cores=2, arrives=plenty) for least in (2, 10)
    )
    few.run(1_200)
    all_of_them.run(1_200)
    assert set(few.slots(since=200)) == {2}
    assert few.finished >= 0.99 * all_of_them.finished


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_mixed_load_converges_between_the_bounds(noise: float):
    plant = Plant(Law(Span(10, 2, 100)), cpu=2.0, waits=10.0, cores=8, memory=0.002, noise=noise, arrives=plenty)
    plant.run(3_600)
    settled = [load.cpu for at, _, load in plant.told if at > 600 and load.cpu is not None]
    assert 0.5 <= sum(settled) / len(settled) <= 0.8
    assert len([at for at in plant.turns if at > 600]) <= 10
    assert max(plant.slots(since=600)) <= 1.6 * min(plant.slots(since=600))


def test_memory_that_tasks_fill_settles_below_its_bound():
    plant = Plant(Law(Span(30, 2, 50)), cpu=0.1, waits=20.0, cores=8, memory=0.04, arrives=plenty)
    plant.run(1_800)
    assert all(10 <= count <= 20 for count in plant.slots(since=600))
    assert sum(load.memory > 0.85 for at, _, load in plant.told if at > 600 and load.memory is not None) <= 12  # of 120


def test_a_models_rate_bounds_the_slots():
    plant = Plant(Law(Span(50, 2, 50)), cpu=0.1, waits=20.0, cores=8, memory=0.005, model=20, arrives=plenty)
    plant.run(3_600)
    settled = plant.slots(since=600)
    assert 15 <= sum(settled) / len(settled) <= 23
    assert len(plant.turns) <= 20


def test_after_others_used_the_machine_up_all_slots_come_back():
    plant = Plant(
        Law(Span(10, 2, 10)), cpu=1.0, waits=20.0, arrives=plenty, others=lambda now: float(300 < now < 900)
    )  # fmt: skip
    plant.run(1_200)
    assert plant.law.slots == 10
    assert min(plant.slots(since=600)) == 2
    assert plant.turns == [pytest.approx(930, abs=30)]


def test_after_an_overload_it_comes_back_also_beside_others_that_leave_less_than_half_of_the_cpu():
    def others(now: float) -> float:
        return 1.0 if 300 < now < 360 else 0.51

    plant = Plant(Law(Span(10, 2, 10)), cpu=0.5, waits=9.5, arrives=plenty, others=others)
    plant.run(900)
    assert min(plant.slots(since=300)) <= 3
    assert min(load.cpu for at, _, load in plant.told if at > 400 and load.cpu is not None) > 0.5
    assert set(plant.slots(since=750)) == {10}
    assert len(plant.turns) == 1


def test_after_a_rush_it_comes_down_to_what_it_began_with():
    def arrives(now: float) -> int:
        return 3 if now < 300 else int(now % 10 == 0)

    plant = Plant(Law(Span(10, 2, 50)), cpu=0.5, waits=30.0, memory=0.005, arrives=arrives)
    plant.run(1_500)
    assert max(plant.slots()) == 50
    assert set(plant.slots(since=1_200)) == {10}
    assert len(plant.turns) == 1


def test_while_its_sensors_fail_it_holds_what_it_had():
    plant = Plant(
        Law(Span(10, 2, 50)), cpu=0.5, waits=60.0, memory=0.005, arrives=plenty, broken=lambda now: 100 < now < 500
    )  # fmt: skip
    plant.run(900)
    held = {decision.slots for at, decision, _ in plant.told if 100 < at < 500}
    assert len(held) == 1
    assert plant.law.slots == 50
