"""How often somebody may ask: the promise of the buckets, whatever comes when."""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from paperlane.errors import TooMany
from paperlane.web.pacing import Buckets, Pace

PAUSES = st.lists(st.one_of(st.just(0.0), st.floats(0, 90, allow_nan=False)), max_size=80)


@dataclass
class Hand:
    """A clock that is moved by hand."""

    at: float = 1_000_000.0

    def __call__(self) -> float:
        return self.at


@given(limit=st.integers(1, 30), pauses=PAUSES)
def test_in_no_span_of_time_do_more_pass_than_the_bucket_and_what_drains_meanwhile(limit: int, pauses: list[float]):
    clock = Hand()
    buckets, passed = Buckets(clock), list[float]()
    for pause in pauses:
        clock.at += pause
        if not buckets.take("ann", limit).wait:
            passed.append(clock.at)
    for first, begin in enumerate(passed):
        for last, end in enumerate(passed[first:], start=first):
            assert last - first + 1 <= limit + (end - begin) * limit / 60 + 1e-3


@given(limit=st.integers(1, 30), pauses=PAUSES)
def test_who_waits_as_told_passes_and_a_moment_sooner_nobody_does(limit: int, pauses: list[float]):
    clock = Hand()
    buckets = Buckets(clock)
    for pause in pauses:
        clock.at += pause
        verdict = buckets.take("ann", limit)
        assert 0 <= verdict.left <= limit
        assert verdict.whole <= 60.001
        if verdict.wait:
            assert verdict.left == 0
            assert verdict.wait <= 60 / limit + 1e-3
            clock.at += verdict.wait - min(0.01, verdict.wait / 2)
            assert buckets.take("ann", limit).wait
            clock.at += min(0.01, verdict.wait / 2)
            assert not buckets.take("ann", limit).wait


@given(limit=st.integers(1, 600), count=st.integers(1, 100))
def test_who_asks_no_faster_than_the_limit_is_never_refused(limit: int, count: int):
    clock = Hand()
    buckets = Buckets(clock)
    for _ in range(count):
        assert not buckets.take("ann", limit).wait
        clock.at += 60 / limit


@given(limits=st.lists(st.integers(1, 50), min_size=2, max_size=40))
def test_another_limit_holds_at_once(limits: list[int]):
    clock = Hand()
    buckets = Buckets(clock)
    for before, limit in pairwise(limits):
        buckets.take("ann", before)
        verdict = buckets.take("ann", limit)
        assert verdict.left <= limit
        assert ceil(verdict.wait) <= ceil(60 / limit)
        if limit > before + 1:
            assert not verdict.wait


def test_each_has_a_bucket_of_their_own_and_who_asked_longest_ago_is_forgotten_first():
    clock = Hand()
    buckets = Buckets(clock, most=2)
    assert not buckets.take("ann", 1).wait
    assert not buckets.take("bob", 1).wait
    assert buckets.take("ann", 1).wait == pytest.approx(60)
    assert not buckets.take("zoe", 1).wait
    assert buckets.take("ann", 1).wait
    assert not buckets.take("bob", 1).wait
    buckets.give_back("bob")
    assert not buckets.take("bob", 1).wait
    buckets.give_back("nobody")
    assert buckets.level("nobody", 1) == 0


def come_from(address: str) -> HTTPConnection:
    return HTTPConnection({"type": "http", "headers": [], "client": (address, 1)})


def strangers_from(pace: Pace, address: str) -> None:
    for n in range(60):
        pace.admit(come_from(address), f"pl_{n}")


@pytest.mark.parametrize("other", ["198.51.100.8", "::ffff:198.51.100.8", "2001:db8:0:2::1"])
@pytest.mark.parametrize("address", ["198.51.100.7", "::ffff:198.51.100.7", "2001:db8:0:1::1"])
def test_strangers_of_one_address_refuse_nobody_of_another(address: str, other: str):
    pace = Pace()
    strangers_from(pace, address)
    with pytest.raises(TooMany):
        pace.admit(come_from(address), "pl_one_more")
    pace.admit(come_from(other), "pl_one_more")


def test_who_owns_a_network_has_one_bucket_for_it():
    pace = Pace()
    strangers_from(pace, "2001:db8:0:1::1")
    with pytest.raises(TooMany):
        pace.admit(come_from("2001:db8:0:1::2"), "pl_one_more")


def test_a_token_that_nobody_could_look_up_was_no_strangers():
    pace, here = Pace(), come_from("198.51.100.7")
    for n in range(100):
        pace.admit(here, f"pl_{n}")
        pace.told(here, f"pl_{n}", is_good=None)
