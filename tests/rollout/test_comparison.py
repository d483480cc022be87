"""Two engines beside each other: what is there is found, what is not is not, and what is unknown is said."""

import gc
import json
from collections.abc import Sequence
from dataclasses import replace
from math import inf, isnan, nan
from random import Random

import pytest
from tests.rollout.worlds import PERIOD, World, beside, even, of_user, task

from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import UserId
from paperlane.rollout import resampling, telling
from paperlane.rollout.comparison import Comparison, Measure, Sampled, Verdict, compare
from paperlane.rollout.resampling import (
    Drawn,
    Interval,
    Quantile,
    Seen,
    Times,
    Whole,
    chance_of,
    draws,
    effective,
    holm,
    interval,
    rare,
    t_of,
    z_of,
)
from paperlane.web.shapes import comparison


def of(found: Comparison, name: str) -> Measure:
    return next(one for one in found.measures if one.name == name)


def codes(found: Comparison) -> set[str]:
    return {one.code for one in found.cautions}


def covers(found: Comparison, name: str) -> bool:
    figure = of(found, name).answer
    null, spread = (1.0, figure.ratio_interval) if figure.ratio is not None else (0.0, figure.difference_interval)
    return spread is not None and spread.low <= null <= spread.high


class TestHowSure:
    def test_intervals_of_equal_engines_hold_no_difference_nineteen_times_in_twenty(self):
        drawn = [beside(World(tasks=16).made(seed), 100) for seed in range(200)]
        for name in ("completion", "wait", "cost", "failures", "fairness"):
            assert sum(covers(found, name) for found in drawn) >= 180, name
        assert sum(found.verdict in {Verdict.BETTER, Verdict.WORSE, Verdict.MIXED} for found in drawn) <= 10

    def test_as_if_each_task_were_of_another_user_intervals_would_be_far_too_narrow(self):
        def apart(tasks: Sequence[Carried]) -> Sequence[Carried]:
            return [one._replace(user=UserId(n)) for n, one in enumerate(tasks)]

        drawn = [beside(apart(World(tasks=16).made(seed)), 100) for seed in range(40)]
        assert sum(covers(found, "completion") for found in drawn) <= 28

    def test_an_engine_that_is_slower_by_a_third_is_found_with_enough_users(self):
        for seed in range(3):
            slow = World(users=400, tasks=6, unlike=0.4, slower=1.3)
            found = beside(slow.made(seed))
            assert (found.verdict, of(found, "completion").verdict) == (Verdict.WORSE, Verdict.WORSE)
            assert of(found, "completion").answer.ratio == pytest.approx(1.3, rel=0.15)
            assert (of(found, "completion").superiority or 1) < 0.45
            fast = beside(replace(slow, slower=1 / 1.3).made(seed))
            assert (fast.verdict, of(fast, "wait").verdict) == (Verdict.BETTER, Verdict.BETTER)

    def test_what_a_sample_could_have_shown_is_told_and_is_less_with_more_users(self):
        few, many = (beside(World(users=users, unlike=0.4).made(1)) for users in (24, 400))
        smallest = [of(found, "completion").smallest or inf for found in (few, many)]
        assert smallest[0] > 1.4 > smallest[1] > 1.1
        assert f"a factor of {smallest[0]:.2f} would have been found four times in five" in telling.text(few)

    def test_a_small_sample_gives_its_figures_and_no_verdict(self):
        for small in (World(users=18), World(users=24, tasks=3)):
            found = beside(replace(small, slower=9.0).made(1))
            assert found.verdict is Verdict.TOO_SMALL
            assert of(found, "completion").verdict is Verdict.TOO_SMALL
            assert (of(found, "completion").answer.ratio or 0) > 2
            assert "too_few" in codes(found)

    def test_users_who_have_nearly_all_tasks_count_as_few(self):
        heavy = [
            one._replace(user=UserId(1 + n % 2)) if n % 20 else one for n, one in enumerate(World(users=80).made(1))
        ]
        found = beside([one._replace(engine="ab"[one.user % 2]) for one in heavy])
        assert (found.verdict, "few_have_most" in codes(found)) == (Verdict.TOO_SMALL, True)

    def test_engines_are_alike_only_where_the_interval_says_so(self):
        exact = even(10, 60, lambda user, turn, at: of_user(user, turn, at, 3 + turn % 7, 20 + turn % 5))
        found = beside(exact)
        assert [one.verdict for one in found.measures if one.name != "failures"] == [Verdict.ALIKE] * 4
        assert of(beside(World().made(1)), "completion").verdict is Verdict.UNCLEAR

    def test_a_wait_that_nobody_feels_is_no_difference(self):
        quick = even(10, 60, lambda user, turn, at: of_user(user, turn, at, (0.02, 0.08)[user % 2], 9))
        found = of(beside(quick), "wait")
        assert (found.verdict, found.answer.ratio) == (Verdict.ALIKE, pytest.approx(4.0))

    def test_the_same_tasks_in_any_order_give_the_same_figures(self):
        tasks = [*World().made(5)]
        found = beside(tasks)
        Random(2).shuffle(tasks)
        assert beside(tasks) == found == beside(tasks)
        assert beside(tasks, seed=2).measures != found.measures


class TestWhatIsThere:
    def test_nothing_one_engine_and_one_user_are_told_as_that(self):
        nothing = beside([])
        assert (nothing.verdict, nothing.measures, codes(nothing)) == (Verdict.NO_DATA, (), {"no_tasks"})
        alone = beside([one for one in World().made(1) if one.engine == "a"])
        assert (alone.verdict, alone.a.tasks, alone.b.tasks) == (Verdict.NO_DATA, 96, 0)
        one = beside([task(f"t{n}", 1, "ab"[n % 2], n, 1, 1) for n in range(200)])
        assert (one.verdict, one.both, of(one, "wait").answer.ratio_interval) == (Verdict.TOO_SMALL, 1, None)

    def test_tasks_of_other_engines_and_those_not_due_yet_are_passed_by(self):
        tasks = World().made(1)
        more = [task("x", 1, "c", 5, 1, 1), task("y", 1, "a", PERIOD + 5, 1, 1)]
        assert beside([*tasks, *more]) == beside(tasks)

    def test_where_all_fail_that_decides_and_nothing_is_said_of_their_speed(self):
        found = beside(World(users=60, failing=(0.0, 1.0)).made(1))
        assert (found.verdict, of(found, "failures").verdict) == (Verdict.WORSE, Verdict.WORSE)
        assert (of(found, "completion").verdict, of(found, "completion").answer.b) == (Verdict.NO_DATA, None)
        assert "none_completed" in codes(found)

    def test_an_engine_that_fails_more_is_not_better_for_being_faster(self):
        found = beside(World(users=200, unlike=0.3, slower=0.5, failing=(0.01, 0.2)).made(1))
        assert (of(found, "completion").verdict, of(found, "failures").verdict) == (Verdict.BETTER, Verdict.WORSE)
        assert found.verdict is Verdict.WORSE

    def test_one_that_is_slower_and_fairer_is_called_mixed(self):
        def made(user: int, turn: int, at: float) -> Carried:
            wait = 30.0 if user % 2 else 200.0 if user % 10 == 0 else 1.0
            return of_user(user, turn, at, wait + turn % 3, 10)

        found = beside(even(8, 100, made))
        assert (of(found, "wait").verdict, of(found, "fairness").verdict) == (Verdict.WORSE, Verdict.BETTER)
        assert found.verdict is Verdict.MIXED

    def test_tasks_that_hang_are_not_dropped_for_having_no_end(self):
        def made(user: int, turn: int, at: float) -> Carried:
            hangs = user % 2 and turn % 3
            return of_user(user, turn, at, 5 + turn % 4, 3 * PERIOD if hangs else 10)

        found = beside(even(12, 60, made))
        completion = of(found, "completion")
        assert (completion.verdict, completion.answer.b, completion.answer.ratio) == (Verdict.WORSE, inf, inf)
        assert ("open" in codes(found), found.b.running) == (True, found.b.tasks - found.b.completed)
        assert of(found, "wait").verdict is Verdict.ALIKE
        other = compare(even(12, 60, made), "b", "a", 0.0, PERIOD, resamples=200)
        assert of(other, "completion").verdict is Verdict.BETTER

    def test_slow_tasks_count_in_full_though_most_of_them_came_too_late_to_be_seen_to_end(self):
        # three in five take two thirds of the period: of these only who came in its first third is seen to end
        slow = PERIOD * 2 / 3
        tasks = [
            task(f"t{n:04}", n % 40, "ab"[n % 2], PERIOD * n / 2_000, 0, slow if n % 5 < 3 else 1) for n in range(2_000)
        ]
        seen = sorted(one.ended_at - one.queued_at for one in tasks if one.outcome == "completed")
        assert seen[len(seen) // 2] == pytest.approx(1)
        figures = of(beside(tasks), "completion").figures
        assert (figures["median"].a, figures["p95"].a) == (pytest.approx(slow), pytest.approx(slow))

    def test_what_was_cancelled_is_counted_and_left_out(self):
        def made(user: int, turn: int, at: float) -> Carried:
            run, outcome = (500, "cancelled") if user % 2 and turn % 4 == 0 else (10, "completed")
            return of_user(user, turn, at, 5, run, outcome=outcome)

        found = beside(even(12, 60, made))
        assert [figure.ratio for figure in of(found, "completion").figures.values()] == [1.0, 1.0]
        assert found.b.cancelled == found.b.tasks - found.b.completed
        assert "cancelled" in codes(found)


class TestWhatIsComparable:
    def test_only_sizes_and_kinds_that_both_had_are_compared_and_the_others_told(self):
        tasks = even(10, 60, lambda user, turn, at: of_user(user, turn, at, 5, 10, cost=1.5))
        large = [of_user(n % 30 * 2, 100 + n, n, 5, 900, cost=50.0) for n in range(300)]
        scans = [of_user(n % 30 * 2 + 1, 100 + n, n, 5, 900, cost=1.5) for n in range(200)]
        found = beside([*tasks, *large, *scans], kinds={one.task: "scan" for one in scans})
        assert (found.a.left_out, found.b.left_out, found.a.compared, found.b.compared) == (300, 200, 300, 300)
        assert of(found, "completion").answer.ratio == 1.0
        assert [(one.kind, one.low, one.high, one.a, one.b) for one in found.left_out] == [
            ("", 32.0, 64.0, 300, 0),
            ("scan", 1.0, 2.0, 0, 200),
        ]
        assert "left_out" in codes(found)
        assert "kind and size the other engine had none" in telling.text(found)

    def test_an_engine_is_not_slower_for_having_been_given_larger_tasks(self):
        def made(user: int, turn: int, at: float) -> Carried:
            is_large = turn % 10 < (7 if user % 2 else 1)
            return of_user(user, turn, at, 1, 200 if is_large else 10, cost=60 if is_large else 3)

        tasks = even(20, 60, made)
        raw = [sum(one.seconds for one in tasks if one.engine == engine) for engine in "ab"]
        assert raw[1] > 3 * raw[0]
        found = beside(tasks)
        completion = of(found, "completion")
        assert (completion.figures["median"].ratio, completion.superiority) == (1.0, pytest.approx(0.5, abs=1e-4))
        assert of(found, "cost").answer.ratio == pytest.approx(1.0)
        assert sum(one.weight for one in found.strata) == pytest.approx(1.0)

    def test_who_was_moved_stands_on_both_sides_which_tells_more_than_two_users_would(self):
        tasks = World(users=60, unlike=1.5).made(3)
        both = [one._replace(engine="ab"[n % 2]) for n, one in enumerate(tasks)]
        parted = [one._replace(user=UserId(one.user + 1_000 * (one.engine == "b"))) for one in both]
        spreads = []
        for found in (beside(both), beside(parted)):
            spread = of(found, "completion").answer.ratio_interval
            assert spread is not None
            spreads.append(spread.high / spread.low)
        assert spreads[0] < spreads[1] / 1.5
        assert (beside(both).both, beside(parted).both, "moved" in codes(beside(both))) == (60, 0, True)

    def test_engines_that_ran_at_different_times_are_told_to_be_so(self):
        before_and_after = [task(f"t{n:04}", n % 60, "ab"[n >= 300], PERIOD * 0.9 * n / 600, 5, 10) for n in range(600)]
        assert "other_times" in codes(beside(before_and_after))
        assert "other_times" not in codes(beside(World(users=200).made(1)))
        soon = [task(f"t{n:04}", n % 60, "ab"[n >= 300], PERIOD * 0.009 * n / 600, 5, 10) for n in range(600)]
        assert "other_times" in codes(beside(soon)), "also where they came in a small part of the period"

    def test_what_was_left_out_of_the_sample_is_told(self):
        found = beside(World().made(1), sampled=Sampled(500, 24, 2, whole=False), chosen=7)
        assert {"sampled", "cut", "not_by_chance"} <= codes(found)


class TestFailures:
    def test_none_that_failed_of_a_few_users_does_not_say_that_none_fails(self):
        few, many = (of(beside(World(users=users, failing=(0, 0)).made(1)), "failures") for users in (24, 1_500))
        assert (few.verdict, many.verdict) == (Verdict.UNCLEAR, Verdict.ALIKE)
        spread = few.answer.difference_interval
        assert spread is not None
        assert spread.low < -0.1 < 0.1 < spread.high

    def test_more_that_fail_beside_none_are_found(self):
        found = of(beside(World(users=60, failing=(0, 0.12)).made(1)), "failures")
        assert (found.verdict, found.answer.a) == (Verdict.WORSE, 0.0)


class TestArithmetic:
    def test_several_questions_at_once_are_asked_more_of(self):
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
        assert holm([0.6, 0.001]) == pytest.approx([0.6, 0.002])

    def test_students_t_is_near_its_table(self):
        for freedom, t in ((9, 2.262), (20, 2.086), (100, 1.984)):
            assert t_of(1.959964, freedom) == pytest.approx(t, rel=0.03)
            assert z_of(t_of(1.5, freedom), freedom) == pytest.approx(1.5)
        assert t_of(1.96, 1) == inf

    def test_an_interval_of_few_users_is_wider_and_of_one_there_is_none(self):
        resampled = [Random(n).gauss(0, 1) for n in range(2_000)]
        wide, narrow = interval(resampled, 8), interval(resampled, 1_000)
        assert wide is not None
        assert narrow is not None
        assert wide.low < narrow.low - 0.2 < narrow.high + 0.2 < wide.high
        assert (narrow.low, narrow.high) == (pytest.approx(-1.96, abs=0.15), pytest.approx(1.96, abs=0.15))
        assert interval(resampled, 1) is interval([nan] * 9, 50) is None
        assert interval([1.0] * 50 + [inf] * 50, 100) == Interval(1.0, inf)

    def test_the_chance_agrees_with_the_interval(self):
        for shift in (0.0, 1.0, 1.9, 2.1, 3.0):
            resampled = [Random(n).gauss(0, 1) + shift for n in range(4_000)]
            spread = interval(resampled, 40)
            assert spread is not None
            assert (chance_of(resampled, shift, 40) < 0.05) == (not spread.low <= 0 <= spread.high)
        assert chance_of([inf] * 100, inf, 40) < 0.001
        assert chance_of([nan] * 100, nan, 40) == 1.0

    def test_users_of_equal_size_are_worth_as_many_as_they_are(self):
        assert effective([3.0] * 12) == pytest.approx(12)
        assert effective([100.0, 1.0, 1.0]) < 1.1
        assert effective([]) == 0

    def test_a_share_of_none_is_within_three_in_so_many(self):
        might = sorted(rare(100, 4_000, 1))
        assert might[3_800] == pytest.approx(3 / 100, rel=0.1)

    def test_a_quantile_of_many_values_is_that_of_all_of_them(self):
        random = Random(4)
        values = sorted(random.expovariate(1) for _ in range(20_000))
        times = Times(Whole([200.0] * 100), values, [n % 100 for n in range(20_000)], [1.0] * 20_000)
        for q in (0.5, 0.95):
            asked = Quantile(times, q)
            assert len(asked.columns) < 200
            assert asked.of(sum) == pytest.approx(values[int(q * 20_000)], rel=0.01)
            for drawn in draws(100, 0, 0, 20, 7):
                weights = [round(drawn.a([float(at == user) for at in range(100)])) for user in range(100)]
                whole = [value for n, value in enumerate(values) for _ in range(weights[n % 100])]
                assert asked.of(drawn.a) == pytest.approx(whole[int(q * len(whole))], rel=0.01)

    def test_of_very_many_users_a_quantile_keeps_fewer_places_and_is_as_good(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(resampling, "_CELLS", 60_000)
        random = Random(4)
        values = sorted(random.expovariate(1) for _ in range(20_000))
        times = Times(Whole([20.0] * 1_000), values, [n % 1_000 for n in range(20_000)], [1.0] * 20_000)
        for q in (0.5, 0.95):
            asked = Quantile(times, q)
            assert 40_000 < sum(map(len, asked.columns)) < 80_000
            for drawn in draws(1_000, 0, 0, 5, 7):
                weights = [round(drawn.a([float(at == user) for at in range(1_000)])) for user in range(1_000)]
                whole = [value for n, value in enumerate(values) for _ in range(weights[n % 1_000])]
                assert asked.of(drawn.a) == pytest.approx(whole[int(q * len(whole))], rel=0.01)

    def test_draws_are_made_one_after_the_other_and_none_is_kept(self):
        there: list[int] = []
        beside(World().made(1), 7, tick=lambda: there.append(sum(type(one) is Drawn for one in gc.get_objects())))
        assert there == [1] * 7

    def test_a_quantile_that_was_not_reached_is_beyond(self):
        times = Times(Whole([10.0, 10.0]), [1.0, 2.0, 3.0], [0, 1, 0], [1.0, 1.0, 1.0])
        assert Quantile(times, 0.1).of(sum) == 2.0
        assert Quantile(times, 0.5).of(sum) == inf
        assert isnan(Quantile(Times(Whole([0.0])), 0.5).of(sum))

    def test_who_could_be_seen_to_end_is_counted_by_weight(self):
        seen = Seen([10, 20, 30], [1, 1, 2])
        assert [seen.share(after) for after in (5, 10, 15, 30, 31)] == [1.0, 1.0, 0.75, 0.5, 0.0]


class TestTelling:
    def test_each_form_says_the_verdict_the_figures_and_the_cautions(self):
        found = beside(World(users=60, slower=4.0, unlike=0.3).made(1), kinds={}, chosen=3)
        for form in (telling.text, telling.markdown, telling.html):
            told = form(found)
            for words in ("b does worse than a: worse in completion, wait, cost.", "3 users were given their engine"):
                assert words in told, form
            assert "slot-seconds" in told

    def test_the_page_loads_nothing_and_shows_no_markup_of_others(self):
        tasks = World(users=60).made(1)
        found = beside(tasks, kinds={one.task: "<script>x" for one in tasks}, group="R&D <all>")
        page = telling.html(found)
        assert "<script>" not in page
        assert "R&amp;D &lt;all&gt;" in page
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
        assert "color-scheme: light dark" in page

    def test_what_is_beyond_all_that_was_seen_is_told_and_is_null_for_programs(self):
        tasks = even(12, 60, lambda user, turn, at: of_user(user, turn, at, 5, 2 * PERIOD if user % 2 else 10))
        found = beside(tasks)
        assert "not reached" in telling.text(found)
        told = json.loads(json.dumps(comparison(found), allow_nan=False))
        figure = told["measures"][0]["figures"]["median"]
        assert (figure["b"], figure["beyond"], figure["ratio"]) == (None, ["b"], None)

    def test_every_verdict_has_its_words(self):
        assert telling.OVER_ALL.keys() == {*Verdict}
        assert telling.headline(beside([])) == "There is nothing to compare a and b by."
        assert "too small" in telling.text(beside(World(users=6).made(1)))
