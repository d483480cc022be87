"""The rate on a virtual clock: what is permitted is used, no 429 is provoked, and lanes share by weight."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ai.simulated import House

from paperlane.ai.rate import Ask, Grant, Limits, Standing, Told, Verdict, Want, allot

PLENTY = 100_000


def everybody(workers: int, users: int) -> dict[tuple[str, int], int]:
    return {(f"worker {worker}", user): PLENTY for worker in range(workers) for user in range(users)}


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("stall", [0.0, 2.0], ids=["steady", "with pauses"])
def test_a_thousand_a_minute_are_used_and_none_is_refused(workers: int, stall: float):
    house = House(Limits(1_000), workers, everybody(workers, 3), {0: 1, 1: 2, 2: 4}, late=0.8, stall=stall)
    assert house.run(75, after=10) >= 0.95
    assert house.provider.refused == 0
    shares = [house.served[user] / house.served.total() for user in range(3)]
    assert shares == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=0.01)


@pytest.mark.parametrize("requests", [1, 10])
def test_small_rates_are_kept_too(requests: int):
    house = House(Limits(requests), 2, everybody(2, 2), pause=0.5)
    assert house.run(1_320, after=120) >= 0.95
    assert house.provider.refused == 0


def test_tokens_are_counted_as_they_were_not_as_they_were_expected():
    house = House(Limits(1_000, 400_000), 3, everybody(3, 2), tokens=(500, 2_000), estimate=2_000)
    assert house.run(75, after=10) >= 0.93
    assert house.provider.refused == 0


def test_one_who_comes_late_waits_for_nobodys_backlog():
    house = House(Limits(600), 2, {("worker 0", 1): PLENTY})
    house.run(120)
    house.waiting["worker 1", 2] = PLENTY
    house.served.clear()
    house.start += 120
    house.run(60)
    assert house.served[2] / house.served.total() == pytest.approx(0.5, abs=0.03)


def test_one_who_was_away_has_no_credit_for_it():
    house = House(Limits(600), 2, {("worker 0", 1): PLENTY, ("worker 1", 2): PLENTY})
    house.run(30)
    house.waiting["worker 1", 2] = 0
    house.start += 30
    house.run(60)
    house.waiting["worker 1", 2] = PLENTY
    house.served.clear()
    house.start += 60
    house.run(60)
    assert house.served[1] / house.served.total() == pytest.approx(0.5, abs=0.03)


# the breaker


LIMITS = Limits(600)
ONE = Want(1, 5, 100)


def ask(
    standing: Standing, now: float, told: Told | None = None, worker: str = "a", *wants: Want
) -> tuple[Standing, Verdict]:
    return allot(standing, Ask(worker, wants or (ONE,), told or Told()), LIMITS, now)


def granted(verdict: Verdict) -> int:
    return sum(grant.count for grant in verdict.grants)


def broken(at: float = 100.0) -> Standing:
    standing, verdict = ask(Standing(), at, Told(failed=5, why="HTTP 500"))
    assert verdict.broken
    assert verdict.why == "HTTP 500"
    return standing


def test_failures_between_successes_open_nothing():
    standing = Standing()
    for second in range(20):
        standing, verdict = ask(standing, 100.0 + second, Told(succeeded=1, failed=4))
        assert not verdict.broken


def test_an_open_breaker_lets_one_find_out_and_waits_longer_each_time():
    standing, at = broken(), 100.0
    for wait in (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
        standing, verdict = ask(standing, at + wait - 0.01)
        assert verdict.broken
        assert granted(verdict) == 0
        at += wait
        standing, verdict = ask(standing, at)
        assert (granted(verdict), verdict.probing) == (1, True)
        standing, other = ask(standing, at + 1, worker="b")
        assert (granted(other), other.probing) == (0, True)
        at += 2
        standing, verdict = ask(standing, at, Told(failed=1, why="still"))
        assert verdict.broken


def test_a_probe_that_works_lets_everybody_in():
    standing, verdict = ask(broken(), 105.0)
    standing, verdict = ask(standing, 106.0, Told(succeeded=1))
    assert (granted(verdict), verdict.probing, verdict.broken) == (5, False, False)


def test_a_probe_that_nobody_sent_is_given_again():
    standing, _ = ask(broken(), 105.0)
    _, verdict = ask(standing, 106.0, Told(unused=(Grant(1, 1, 100, 420),)), "b")
    assert granted(verdict) == 1
    _, verdict = ask(standing, 300.0, None, "b")  # its worker died
    assert granted(verdict) == 1


def test_what_was_under_way_when_it_broke_neither_closes_nor_lengthens_it():
    standing = broken()
    standing, _ = ask(standing, 101.0, Told(succeeded=3))
    standing, verdict = ask(standing, 102.0, Told(failed=50, why="HTTP 500"))
    assert verdict.broken
    assert verdict.closed == pytest.approx(3.0)


def test_a_refused_key_stops_everybody_and_says_why():
    standing, verdict = ask(Standing(), 100.0, Told(refused="the key is refused"))
    assert (verdict.broken, verdict.refused, verdict.why, verdict.closed) == (True, True, "the key is refused", 60.0)
    _, verdict = ask(standing, 160.0)
    assert (granted(verdict), verdict.probing) == (1, True)


def test_retry_after_is_obeyed_by_all_workers():
    standing, _ = ask(Standing(), 100.0, Told(pushed=1, wait=30.0))
    standing, verdict = ask(standing, 129.9, worker="b")
    assert (granted(verdict), verdict.broken) == (0, False)
    assert verdict.closed == pytest.approx(0.1)
    assert granted(ask(standing, 130.0, worker="b")[1]) == 5


def test_a_push_that_says_nothing_waits_longer_each_time_until_one_comes_through():
    standing, at = Standing(), 100.0
    for wait in (1.0, 2.0, 4.0, 8.0):
        standing, verdict = ask(standing, at, Told(pushed=3))
        assert verdict.closed == pytest.approx(wait)
        at += wait + 0.1
    standing, _ = ask(standing, at, Told(succeeded=1))
    _, verdict = ask(standing, at + 5, Told(pushed=1))
    assert verdict.closed == pytest.approx(1.0)


# what any sequence keeps


WANTS = st.tuples(st.integers(1, 4), st.integers(1, 400), st.integers(1, 9_000), st.floats(0.1, 10))
ASKS = st.lists(
    st.tuples(
        st.floats(0, 20),
        st.sampled_from(["a", "b", "c"]),
        st.lists(WANTS, max_size=4, unique_by=lambda want: want[0]),
        st.integers(0, 50),
        st.sampled_from([Told(), Told(succeeded=1), Told(failed=3), Told(pushed=1), Told(pushed=1, wait=5)]),
    ),
    max_size=40,
)


@given(ASKS, st.sampled_from([Limits(7), Limits(100, 20_000), Limits(0, 5_000), Limits()]))
def test_no_window_holds_more_than_is_permitted(asks: list, limits: Limits):
    standing, now = Standing(), 1_000.0
    sent: list[tuple[float, int, int]] = []
    for after, worker, wants, room, told in asks:
        now += after
        wanted = [Want(*want) for want in wants]
        standing, verdict = allot(standing, Ask(worker, wanted, told, room), limits, now)
        assert Standing.read(standing.written()) == standing
        assert granted(verdict) <= room
        sizes = [(grant.count, min(grant.tokens, limits.tokens or grant.tokens)) for grant in verdict.grants]
        sent.extend((now, count, size * count) for count, size in sizes)
        recent = [one for one in sent if one[0] > now - 60]
        assert not limits.requests or sum(count for _, count, _ in recent) <= limits.requests
        assert not limits.tokens or sum(tokens for _, _, tokens in recent) <= limits.tokens


def test_what_is_not_sent_counts_for_nothing():
    standing, verdict = allot(Standing(), Ask("a", [Want(1, 100, 100)]), LIMITS, 100.0)
    assert granted(verdict) >= 30
    before, _ = allot(Standing(), Ask("a", [Want(1, 100, 100)], room=0), LIMITS, 100.0)
    standing, _ = allot(standing, Ask("a", [Want(1, 100, 100)], Told(unused=verdict.grants), 0), LIMITS, 100.0)
    assert standing.reserve == pytest.approx(before.reserve)
    assert standing.turns[1][0] == pytest.approx(before.turns[1][0])
    assert sum(count for _, count, _ in standing.slots) == sum(tokens for _, _, tokens in standing.slots) == 0


def test_what_a_silent_worker_does_not_fetch_goes_to_others():
    wants = [Want(user, 100, 100) for user in (1, 2)]
    standing, _ = allot(Standing(reserve=-1.0, at=99.9), Ask("silent", wants), LIMITS, 100.0)
    standing, _ = allot(replace(standing, reserve=3.0), Ask("b", [], room=0), LIMITS, 100.0)
    standing, _ = allot(standing, Ask("b", [Want(3, 100, 100)]), LIMITS, 100.1)
    waiting = sum(row.granted for row in standing.rows)
    assert waiting > 0
    standing, later = allot(standing, Ask("b", [Want(3, 100, 100)]), LIMITS, 101.0)
    assert sum(row.granted for row in standing.rows) == 0
    assert granted(later) >= waiting


def test_a_clock_that_is_set_back_stops_nothing_for_long():
    standing, _ = ask(Standing(), 10_000.0)
    standing, _ = ask(standing, 6_000.0)
    assert granted(ask(standing, 6_010.0)[1]) == 5


def test_what_another_version_wrote_is_begun_anew():
    for text in ("", "no json", "[]", '{"at": "when"}'):
        assert Standing.read(text) == Standing()
