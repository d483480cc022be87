"""Guards of roll-outs: looked at again and again they are seldom wrong even once, and find what is worse.

Roll-outs are made up, by a seed. Each is looked at every five minutes of the first hour, and then every so many hours
for four weeks: between two looks few tasks end, so to look each minute would find hardly anything more.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

import pytest
from tests.rollout.weeks import NEW, OLD, looks, made, share_found, steady, watched

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import TaskId, UserId
from paperlane.rollout import Whose, guards, place_of
from paperlane.rollout.guarding import sides
from paperlane.rollout.guards import (
    DAY,
    DAYS,
    HOURS,
    MEASURES,
    Evidence,
    Finding,
    Parts,
    Sides,
    State,
    alone,
    boundary,
    judge,
)
from paperlane.rollout.rules import Rule

MINUTES = 24 * 60.0  # between two looks

HOURLY: Mapping[str, Any] = {
    "users": 40, "share": 0.5, "days": 1.5, "tasks": 5_000, "fails": (0.05, 0.05), "history": 0.0,
}  # fmt: skip


class TestFourWeeks:
    """200 users, some of them heavy, with bursts, nights, good and bad days, and files that fail wherever they run."""

    @pytest.mark.parametrize("first", [0, 50, 100, 150])
    def test_between_equal_engines_few_alarms(self, first: int):
        """Of 200 roll-outs fewer than 5 %: of each 50 at most two."""
        assert sum(watched(*made(first + n), looks(28, MINUTES)) is not None for n in range(50)) <= 2

    @pytest.mark.parametrize("first", [0, 25])
    def test_what_takes_30_percent_longer_is_found(self, first: int):
        """At 50 % of the users, of whom there is a fortnight's history."""
        found = [watched(*made(first + n, share=0.5, factor=1.3), looks(28, MINUTES)) for n in range(25)]
        assert sum(one is not None for one in found) >= 24
        assert {one[1].worst.measure for one in found if one and one[1].worst} == {"completion"}

    def test_what_is_a_little_slower_is_borne_with(self):
        assert share_found(20, lambda seed: made(seed, share=0.5, factor=1.04), 28, 24 * 60.0) <= 0.05

    def test_what_is_faster_is_never_found(self):
        assert share_found(10, lambda seed: made(seed, factor=0.7), 28, 24 * 60.0) == 0

    def test_waits_of_half_a_minute_more_are_found(self):
        assert share_found(10, lambda seed: made(seed, share=0.5, wait=30), 28, 24 * 60.0) == 1


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often there was enough of an hour and of a day to judge it by itself; by the measure, and "hour" or "day"."""
    found = Counter[str]()

    def noted(parts: Parts, *more: Any) -> Iterator[Finding]:
        for one in alone(parts, *more):
            found[f"{one.measure} of {'an hour' if parts is HOURS else 'a day'}"] += 1
            yield one

    monkeypatch.setattr(guards, "alone", noted)
    return found


class TestHoursAndDays:
    """40 users who bring 200 tasks an hour, fewer by night, looked at five minutes before the end of each of 36 hours.

    One file in twenty fails, and three in ten of some users: failures of an hour are those of few.
    """

    @pytest.mark.parametrize("first", [0, 50, 100, 150])
    def test_between_equal_engines_few_alarms(self, judged: Counter[str], first: int):
        """Of 200 roll-outs fewer than 5 %: of each 50 at most two."""
        made_up = (made(seed, **HOURLY) for seed in range(first, first + 50))
        assert sum(watched(*one, looks(1.5, 60)) is not None for one in made_up) <= 2
        assert judged["failures of an hour"] >= 50 * 10
        assert min(judged[f"{name} of a day"] for name in MEASURES) >= 50 * 10

    @pytest.mark.parametrize("seed", range(2))
    def test_what_fails_late_is_found_by_its_hour_alone(self, seed: int):
        """One task in ten on the new engine, from the ninth hour on: of all until then not one in a hundred."""
        of, tasks = steady(seed, each=1.5, minutes=9 * 60, fails=(0.0, 0.0))
        chance = random.Random(seed)
        bad = [
            one._replace(outcome="failed")
            if one.engine == NEW and one.queued_at > 8.1 * 3_600 and chance.random() < 0.1
            else one
            for one in tasks
        ]
        assert watched(of, tasks, looks(0.375, 60)) is None
        found = watched(of, bad, looks(0.375, 60))
        assert found is not None
        assert found[0] == 9 * 3_600 - 300
        assert [(one.measure, one.day, one.hour) for one in found[1].findings if one.worse] == [("failures", 1, 9)]


def minutes(of: Sides, tasks: Sequence[Carried], most: int) -> int:
    """Looked at each minute: after how many it was found to fail more, 0 for not within so many."""
    found = watched(of, tasks, (60.0 * n for n in range(1, most + 1)))
    assert found is None or {one.measure for one in found[1].findings if one.worse} == {"failures"}
    return 0 if found is None else round(found[0] / 60)


class TestFailuresWithinMinutes:
    """40 users, 20 of them moved; nothing fails on the old engine, and one task in ten on the new one."""

    def test_where_each_brings_ten_tasks_a_minute_it_takes_two(self):
        found = sorted(minutes(*steady(seed, minutes=10, fails=(0.0, 0.1)), 10) for seed in range(40))
        assert 0 not in found
        assert (found[20] <= 2, found[-1] <= 4) == (True, True), found

    def test_where_each_brings_one_a_minute_it_takes_twelve(self):
        found = sorted(minutes(*steady(seed, each=1.0, minutes=60, fails=(0.0, 0.1)), 60) for seed in range(40))
        assert 0 not in found
        assert (found[20] <= 15, found[-1] <= 40) == (True, True), found

    def test_where_files_of_some_users_fail_anyway_it_takes_longer(self):
        found = sorted(minutes(*steady(seed, minutes=20, fails=(0.0, 0.1), bad=0.05), 20) or 99 for seed in range(12))
        assert found[6] <= 10, found

    def test_what_goes_bad_after_hours_is_found_within_half_an_hour(self):
        """Five hours of good work would hide it for nearly one, and weeks for days."""
        of, tasks = steady(1, each=5.0, minutes=360, fails=(0.0, 0.0))
        chance = random.Random(1)
        bad = [
            one._replace(outcome="failed")
            if one.engine == NEW and one.queued_at > 305 * 60 and chance.random() < 0.1
            else one
            for one in tasks
        ]
        assert watched(of, tasks, (60.0 * n for n in range(300, 361, 10))) is None
        found = watched(of, bad, (60.0 * n for n in range(300, 361)))
        assert found is not None
        assert found[0] < 335 * 60
        assert [(one.measure, one.day, one.hour) for one in found[1].findings if one.worse] == [("failures", 1, 6)]

    @pytest.mark.parametrize("share", [0.0, 0.02, 0.1])
    def test_between_engines_that_fail_alike_nothing_is_found(self, share: float):
        for seed in range(10):
            assert not minutes(*steady(seed, each=3.0, minutes=60, fails=(share, share), bad=0.1), 60)


def busy(seed: int, fails: float) -> tuple[float, str] | None:
    """200 users, half of them on the new engine, who bring 25 tasks a minute in all: after how many it was found."""
    sides_, tasks = made(seed, share=0.5, days=0.1, tasks=4_000, fails=(0.005, fails), history=0, seconds=10)
    found = watched(sides_, tasks, (60.0 * n for n in range(1, 145)))
    if found is None or found[1].worst is None:
        return None
    return found[0] / 60, found[1].worst.measure


def test_one_task_in_ten_that_fails_is_found_within_minutes():
    found = [one for seed in range(10) if (one := busy(seed, 0.1))]
    assert len(found) == 10
    assert {measure for _, measure in found} == {"failures"}
    assert sorted(minutes for minutes, _ in found)[5] < 40


def test_what_fails_for_a_few_users_wherever_they_are_is_no_alarm():
    assert [busy(seed, 0.005) for seed in range(10)] == [None] * 10


def test_an_engine_that_begins_nothing_is_found_though_nothing_ends():
    tasks = [
        Carried(TaskId(f"{user}-{n}"), UserId(user), NEW if user % 2 else OLD, 1, 60.0 * n, at, end, how, 1, 5)
        for user in range(40)
        for n in range(5)
        for at, end, how in [(0.0, 0.0, "queued") if user % 2 else (60.0 * n + 1, 60.0 * n + 6, "completed")]
    ]
    of = Sides(NEW, OLD, {UserId(user): bool(user % 2) for user in range(40)})
    evidence = Evidence(0.0)
    evidence.take(tasks, of, 900.0)
    judgement = judge(evidence, of, 900.0)
    assert judgement.state is State.WORSE
    assert {one.measure for one in judgement.findings if one.worse} >= {"completion", "wait"}


def test_an_engine_that_goes_bad_after_weeks_is_found_by_its_days():
    of, tasks = made(1, share=0.5, tasks=20_000, days=20)
    bad = [
        one._replace(outcome="failed")
        if one.engine == NEW and one.queued_at > 19 * DAY and int(one.task) % 4 == 0
        else one
        for one in tasks
    ]
    assert watched(of, tasks, looks(20, 12 * 60)) is None
    found = watched(of, bad, looks(20, 12 * 60))
    assert found is not None
    assert found[1].worst is not None
    assert found[1].worst.measure == "failures"


class TestEvidence:
    def test_a_task_is_counted_once_however_often_it_is_told(self):
        of = Sides(NEW, OLD, {UserId(1): True, UserId(2): False})
        task = Carried(TaskId("a"), UserId(1), NEW, 1, 10.0, 11.0, 12.0, "completed", 1, 1)
        evidence = Evidence(0.0)
        for now in (20.0, 80.0, 140.0, 500.0, 10_000.0):
            evidence.take([task], of, now)
        assert judge(evidence, of, 10_000.0).tasks == (0, 1)

    def test_others_engines_and_users_are_passed_by(self):
        of = Sides(NEW, OLD, {UserId(1): True, UserId(2): False})
        tasks = [
            Carried(TaskId(f"{n}"), UserId(user), engine, 1, 10.0, 11.0, 12.0, "completed", 1, 1)
            for n, (user, engine) in enumerate(((1, OLD), (2, NEW), (3, NEW), (1, "rq"), (1, NEW), (2, OLD)))
        ]
        evidence = Evidence(0.0)
        evidence.take(tasks, of, 100.0)
        judgement = judge(evidence, of, 100.0)
        assert (judgement.state, judgement.users, judgement.tasks) == (State.TOO_LITTLE, (1, 1), (1, 1))

    def test_hours_and_days_are_counted_from_the_rule_also_where_less_is_known(self):
        """Else all that begins anew, as a process does, would have their chances of a false alarm anew."""
        of, at = Sides(NEW, OLD, {UserId(n): n < 15 for n in range(30)}), 20 * DAY + 100.0
        tasks = [
            Carried(TaskId(f"{user}-{n}"), UserId(user), NEW if new else OLD, 1, at, at + 1, at + 2, how, 1, 1)
            for user, new in of.of.items()
            for how in ["failed" if new else "completed"]
            for n in range(20)
        ]
        evidence = Evidence(0.0, 10 * DAY)
        assert evidence.ended_from == 10 * DAY
        evidence.take(tasks, of, at + 600)
        found = [one for one in judge(evidence, of, at + 600).findings if one.measure == "failures" and one.worse]
        assert [(one.day, one.hour) for one in found] == [(0, 0), (21, 0), (21, 481)]

    def test_one_heavy_user_is_no_sample(self):
        of = Sides(NEW, OLD, {UserId(n): n < 15 for n in range(30)})
        tasks = [
            Carried(TaskId(f"{user}-{n}"), UserId(user), NEW if user < 15 else OLD, 1, 1.0, 2.0, 3.0, "failed", 1, 1)
            for user in (*range(15), 20)
            for n in range(20)
        ]
        evidence = Evidence(0.0)
        evidence.take(tasks, of, 100.0)
        assert judge(evidence, of, 100.0).state is State.TOO_LITTLE


def rule(number: int, engine: str, percent: float, group: str = "") -> Rule:
    return Rule(number, engine, percent, group, 0.0, UserId(0))


def whose(count: int, group: str = "", pinned: str = "") -> list[Whose]:
    return [Whose(UserId(n), group, pinned, None) for n in range(1, count + 1)]


class TestSides:
    def test_who_was_moved_and_who_was_not(self):
        mine = rule(1, "arq", 30)
        of = sides(mine, whose(200), [mine], "database")
        assert of.control == "database"
        assert of.of == {UserId(n): place_of(UserId(n)) < 30 for n in range(1, 201)}

    def test_nobody_who_was_chosen_or_is_of_another_group(self):
        mine = rule(1, "arq", 30, "readers")
        assert not sides(mine, [*whose(50), *whose(50, "readers", "arq")], [mine], "database").of
        assert len(sides(mine, whose(50, "readers"), [mine], "database").of) == 50

    def test_everybody_leaves_no_control(self):
        mine = rule(1, "arq", 100)
        of = sides(mine, whose(50), [mine], "database")
        assert (of.count(True), of.count(False)) == (50, 0)
        assert judge(Evidence(0.0), of, 1.0).state is State.NO_CONTROL

    def test_whom_a_newer_rule_takes_counts_for_none(self):
        older, newer = rule(1, "arq", 50), rule(2, "celery", 20)
        in_force = [newer, older]
        of = sides(older, whose(300), in_force, "database")
        assert {place_of(user) >= 20 for user in of.of} == {True}
        assert sides(newer, whose(300), in_force, "database").control == "arq"


class TestBoundary:
    @pytest.mark.parametrize("alpha", [0.01, 0.025])
    def test_a_walk_without_drift_seldom_crosses_it_even_once(self, alpha: float):
        """1,000 walks of 1,500 steps over three decades of information, looked at after each."""
        chance, crossed, walks = random.Random(5), 0, 1_000
        steps = [1.0 * 1.005**n for n in range(1_500)]
        limits = [boundary(at, alpha, MEASURES["completion"].tuned) * sqrt(at) for at in steps]
        grows = [sqrt(at - before) for before, at in zip([0.0, *steps], steps, strict=False)]
        for _ in range(walks):
            at = 0.0
            for grow, limit in zip(grows, limits, strict=True):
                at += chance.gauss(0.0, grow)
                if at > limit:
                    crossed += 1
                    break
        assert crossed / walks < alpha

    def test_all_measures_days_and_hours_together_are_wrong_in_5_percent_at_most(self):
        parts = [sum(one.alpha(n) for n in range(2, 200_000)) * len(one.measures) for one in (DAYS, HOURS)]
        assert parts == [pytest.approx(one.chance, rel=0.01) for one in (DAYS, HOURS)]
        assert sum(terms.alpha for terms in MEASURES.values()) + DAYS.chance + HOURS.chance == pytest.approx(0.05)
