"""What processes count is added up for all of them, on every database."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.conftest import Bench
from tests.ledger.test_unknown_commits import WHETHER, lost_answer

from paperlane.model.tallies import BOUNDS, BUCKETS, NONE, Histogram, once

seconds = st.floats(0, 10_000)


def of(*values: float) -> Histogram:
    return sum(map(once, values), NONE)


class TestHistogram:
    def test_a_bound_belongs_to_the_bucket_below_it(self):
        assert [once(bound).counts.index(1) for bound in BOUNDS] == list(range(len(BOUNDS)))
        assert once(BOUNDS[-1] + 1).counts[-1] == 1

    def test_it_knows_how_many_there_were_and_their_mean(self):
        assert (of(1, 2, 6).count, of(1, 2, 6).mean) == (3, 3.0)
        assert (NONE.count, NONE.mean) == (0, 0.0)

    @given(st.lists(seconds), st.lists(seconds))
    def test_what_came_since_an_earlier_one_is_what_was_added(self, before: list[float], then: list[float]):
        since = (of(*before) + of(*then)) - of(*before)
        assert since.counts == of(*then).counts
        assert since.total == pytest.approx(sum(then), abs=1e-6)

    def test_between_two_bounds_values_lie_evenly(self):
        four = of(6, 7, 8, 9)  # between 5 and 10
        assert [four.quantile(q) for q in (0.0, 0.25, 0.5, 1.0)] == [5.0, 6.25, 7.5, 10.0]
        assert [four.share_within(at) for at in (0, 5, 7.5, 10, 11)] == [0.0, 0.0, 0.5, 1.0, 1.0]

    def test_what_lies_behind_the_last_bound_is_within_none(self):
        some = of(1, BOUNDS[-1] * 2)
        assert (some.quantile(0.99), some.share_within(BOUNDS[-1] * 10)) == (BOUNDS[-1], 0.5)

    def test_of_none_nothing_was_too_slow(self):
        assert (NONE.quantile(0.95), NONE.share_within(0.0)) == (0.0, 1.0)

    @given(st.lists(st.floats(0, BOUNDS[-1]), min_size=1), st.floats(0, 1))
    def test_a_quantile_lies_in_the_bucket_of_the_true_one(self, values: list[float], q: float):
        true = sorted(values)[max(0, -int(-q * len(values) // 1) - 1)]
        at = once(true).counts.index(1)
        assert (BOUNDS[at - 1] if at else 0.0) <= of(*values).quantile(q) <= BOUNDS[at]


class TestTallies:
    def test_what_is_told_is_added_to_what_was(self, bench: Bench):
        assert bench.ledger.tallies() == {}
        bench.ledger.tally({("outcomes", "database/completed"): of(1, 2), ("progress_seconds", ""): of(0.01)})
        bench.ledger.tally({("outcomes", "database/completed"): of(3), ("outcomes", "inline/failed"): of(4)})
        assert bench.ledger.tallies() == {
            ("outcomes", "database/completed"): of(1, 2, 3),
            ("outcomes", "inline/failed"): of(4),
            ("progress_seconds", ""): of(0.01),
        }

    def test_nothing_makes_no_row(self, bench: Bench):
        bench.ledger.tally({})
        bench.ledger.tally({("outcomes", "database/completed"): NONE})
        assert bench.ledger.tallies() == {}

    @pytest.mark.parametrize(
        ("key", "told"),
        [
            (("", ""), of(1)),
            (("n" * 41, ""), of(1)),
            (("name", "l" * 101), of(1)),
            (("name", ""), Histogram((0,) * (BUCKETS - 1))),
            (("name", ""), Histogram((-1,) * BUCKETS)),
            (("name", ""), Histogram(of(1).counts, nan)),
            (("name", ""), Histogram(of(1).counts, inf)),
        ],
        ids=["no name", "long name", "long label", "few buckets", "less than none", "no number", "endless"],
    )
    def test_what_makes_no_sense_is_refused_whole(self, bench: Bench, key: tuple[str, str], told: Histogram):
        with pytest.raises(ValueError, match=r"what is counted|no count of"):
            bench.ledger.tally({("good", ""): of(1), key: told})
        assert bench.ledger.tallies() == {}

    @WHETHER
    def test_a_commit_whose_answer_was_lost_is_not_told_again(self, bench: Bench, *, committed: bool):
        bench.ledger.tally({("outcomes", "a"): of(1)})
        with lost_answer(bench, committed=committed):
            bench.ledger.tally({("outcomes", "a"): of(1)})
        assert bench.ledger.tallies()["outcomes", "a"].count == 1 + committed
