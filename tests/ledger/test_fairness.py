"""Everybody gets their share of the slot time, however wrong the estimates are: the real ledger, simulated workers."""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.databases import IN_MEMORY
from tests.ledger.conftest import Bench

from paperlane.model.tasks import Completed, Ended, Lease, TaskId, UserId, WorkerId, Yielded

MakeBench = Callable[..., Bench]
SLOTS = 10
OFF = (1 / 120, 1.0, 15.0, 120.0)  # estimated / used

# what is simulated is arithmetic, the same on every database, and takes thousands of transactions
pytestmark = pytest.mark.parametrize("make_bench", [IN_MEMORY], indirect=True)


@dataclass
class Floor:
    """Slots that are never idle while a task is ready; remembers whose turns they held, and when."""

    bench: Bench
    worker: WorkerId
    takes: dict[TaskId, tuple[int, float]] = field(default_factory=dict)  # user, seconds
    running: list[tuple[float, int, Lease]] = field(default_factory=list)  # a heap by the time of the end
    turns: list[tuple[int, float, float]] = field(default_factory=list)  # user, from, to

    def bring(self, user: int, tasks: int, seconds: float, off: float = 1.0) -> None:
        """This user's tasks come, which take `seconds` each and are estimated `off` times that."""
        names = self.bench.submit(user, tasks, cost=seconds * off)
        self.takes |= dict.fromkeys(names, (user, seconds))
        self.claim([])

    def claim(self, ended: list[Ended]) -> None:
        now = self.bench.clock.now()
        for lease in self.bench.ledger.step("database", self.worker, ended, SLOTS - len(self.running)):
            user, seconds = self.takes[lease.task]
            heapq.heappush(self.running, (now + seconds, len(self.turns), lease))
            self.turns.append((user, now, now + seconds))

    def work(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.bench.clock.now() + seconds
        while self.running and self.running[0][0] <= until:
            self.bench.clock.at, _, lease = heapq.heappop(self.running)
            self.claim([Ended(lease, Completed(self.takes[lease.task][1]))])
        self.bench.clock.at = until

    def share(self, user: int, last: float) -> float:
        """The user's part of the slot time that was used in the last seconds."""
        to = self.bench.clock.now()
        used = {user: 0.0}
        for whose, begun, ended in self.turns:
            used[whose] = used.get(whose, 0.0) + max(0.0, min(ended, to) - max(begun, to - last))
        return used[user] / sum(used.values())


@pytest.fixture
def floor(make_bench: MakeBench) -> Floor:
    bench = make_bench(user_backlog=10**6, system_backlog=10**6, user_limit=SLOTS)
    return Floor(bench, bench.worker(slots=SLOTS))


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_work_that_is_estimated_wrongly_gets_its_share(floor: Floor, off: float, weight: float):
    floor.bench.ledger.lane(UserId(1), max_running=SLOTS, weight=weight)
    floor.bring(1, 500, 0.5, off)
    floor.bring(2, 500, 0.5)
    floor.work(20)
    assert floor.share(1, 15) == pytest.approx(weight / (weight + 1), abs=0.04)
    assert floor.share(1, 20) == pytest.approx(weight / (weight + 1), abs=0.04)  # what was wrong at first is made good


@pytest.mark.parametrize(
    ("off", "other"), [(1 / 120, 1.0), (1.0, 1 / 120), (120.0, 1.0), (1.0, 120.0), (15.0, 15.0), (1 / 120, 120.0)]
)
def test_a_newcomer_has_its_share_at_once_beside_work_that_was_estimated_wrongly(
    floor: Floor, off: float, other: float
):
    floor.bring(1, 700, 0.5, off)
    floor.work(10)
    floor.bring(2, 700, 0.5, other)
    floor.work(5)
    assert 0.35 < floor.share(2, 5) < 0.75
    floor.work(10)
    assert floor.share(2, 15) == pytest.approx(0.5, abs=0.05)


def test_the_first_turns_of_all_may_be_far_off_and_a_newcomer_starts_with_them(floor: Floor):
    """Nothing is learnt yet, and the clock must not have moved by what was only expected."""
    floor.bring(1, 100, 0.5, 120.0)
    floor.bring(2, 3, 0.5)
    floor.work(1.0)
    assert sum(user == 2 for user, _, _ in floor.turns) == 3


@pytest.mark.parametrize("off", [1 / 120, 120.0])
def test_who_rested_has_no_more_than_a_share(floor: Floor, off: float):
    floor.bring(1, 20, 0.5, off)
    floor.work(5)
    floor.bring(2, 1_000, 0.5, off)
    floor.work(20)
    floor.bring(1, 1_000, 0.5, off)
    floor.work(10)
    assert 0.4 < floor.share(1, 10) < 0.6


def test_who_was_alone_owes_nothing_to_who_comes_later(floor: Floor):
    """What nobody else waited for is no debt: ten long turns at once, and then another user."""
    floor.bring(1, 10, 100.0)
    floor.work(101)
    floor.bring(2, 500, 0.5)
    floor.bring(1, 500, 0.5)
    floor.work(10)
    assert floor.share(1, 10) == pytest.approx(0.5, abs=0.05)


def test_a_newcomer_starts_with_those_who_wait(floor: Floor):
    """And not with one whom a small weight, or turns that began before, have carried far ahead."""
    floor.bench.ledger.lane(UserId(1), max_running=SLOTS, weight=0.01)
    floor.bench.ledger.lane(UserId(2), max_running=2 * SLOTS)  # so that it always waits
    floor.bring(1, 10, 10.0)
    floor.bring(2, 500, 0.5)
    floor.work(12)
    floor.bring(3, 500, 0.5)
    floor.work(5)
    assert floor.share(3, 5) == pytest.approx(0.5, abs=0.1)


def test_a_lane_at_its_limit_saves_nothing_up(floor: Floor):
    floor.bench.ledger.lane(UserId(1), max_running=2)
    floor.bring(1, 1_000, 0.5, 15.0)
    floor.bring(2, 1_000, 0.5)
    floor.work(20)
    assert floor.share(1, 20) == pytest.approx(0.2, abs=0.02)
    floor.bench.ledger.lane(UserId(1), max_running=SLOTS)
    floor.work(5)
    assert floor.share(1, 4) == pytest.approx(0.5, abs=0.05)


def test_many_users_with_work_of_every_size_get_the_same(floor: Floor):
    chance = random.Random(1)
    for user in range(1, 9):
        for _ in range(100):
            floor.bring(user, 1, chance.choice([0.5, 1.0, 3.0]) * (1 + user % 3), chance.choice(OFF))
    floor.work(100)
    shares = [floor.share(user, 100) for user in range(1, 9)]
    assert min(shares) > 0.9 / 8
    assert max(shares) < 1.1 / 8


class TestHeavyBesideLight:
    """A user with many large documents beside nine with a few small ones."""

    LARGE, SMALL = 3.0, 0.3

    def bring(self, floor: Floor, heavy: int) -> None:
        floor.bring(1, heavy, self.LARGE)
        for light in range(2, 11):
            floor.bring(light, 10, self.SMALL)

    def test_nobody_lags_the_share_of_work_by_more_than_two_tasks(self, floor: Floor):
        """As long as all have something waiting. Who comes with nothing begins level, so it counts from there."""
        self.bring(floor, 200)
        brought = {1: 200, **dict.fromkeys(range(2, 11), 10)}
        given = dict.fromkeys(brought, 0.0)
        before = seen = SLOTS  # turns that the heavy user was given before the others came
        furthest = 0.0
        while not brought.items() & Counter(user for user, _, _ in floor.turns).items():
            floor.work(0.1)
            for user, begun, ended in floor.turns[seen:]:
                given[user] += ended - begun
                furthest = max(furthest, sum(given.values()) / len(given) - min(given.values()))
            seen = len(floor.turns)
        assert seen > before + 50
        assert furthest <= 2 * self.LARGE

    def test_a_light_users_wait_does_not_depend_on_a_heavy_ones_backlog(self, make_bench: MakeBench):
        waits: list[list[float]] = []
        for heavy in (200, 20_000):
            bench = make_bench(user_backlog=10**6, system_backlog=10**6, user_limit=SLOTS)
            floor = Floor(bench, bench.worker(slots=SLOTS))
            self.bring(floor, heavy)
            came = bench.clock.now()
            floor.work(60)
            waits.append([begun - came for user, begun, _ in floor.turns if user != 1])
        assert len(waits[0]) == 90
        assert waits[0] == waits[1]


class TestMuchRoom:
    """Where much room is free, a turn is an eighth of it."""

    def given(self, bench: Bench, room: int) -> list[int]:
        worker = bench.worker(slots=room)
        return [lease.user for lease in bench.ledger.step("database", worker, [], room)]

    def test_a_turn_is_an_eighth_of_the_room(self, make_bench: Callable[..., Bench]):
        bench = make_bench(user_limit=16)
        bench.submit(1, 16)
        bench.submit(2, 16)
        assert self.given(bench, 16) == [1, 1, 2, 2] * 4

    def test_nobody_is_passed_by_who_was_not_asked_for_at_first(self, make_bench: Callable[..., Bench]):
        bench = make_bench(user_limit=16)
        bench.submit(1, 16)
        for user in range(2, 21):
            bench.submit(user)
        assert self.given(bench, 16) == [1, 1, *range(2, 16)]

    def test_who_is_at_the_limit_leaves_the_room_to_others(self, make_bench: Callable[..., Bench]):
        bench = make_bench(user_limit=1)
        for user in range(1, 31):
            bench.submit(user, 2)
        assert self.given(bench, 24) == list(range(1, 25))


class TestCharges:
    """What is paid is what was used, whatever was expected."""

    def turn(self, bench: Bench, cost: float, used: float, weight: float = 1.0) -> None:
        bench.submit(1, cost=cost)
        worker = bench.worker()
        (lease,) = bench.ledger.step("database", worker, [], 1)
        bench.ledger.lane(UserId(1), weight=weight)
        bench.ledger.finish(worker, [Ended(lease, Completed(used))])

    @pytest.mark.parametrize(("cost", "used"), [(60.0, 0.01), (0.01, 60.0), (0.0, 5.0), (1.0, 0.0)])
    def test_a_turn_costs_what_it_used(self, bench: Bench, cost: float, used: float):
        self.turn(bench, cost, used)
        self.turn(bench, cost, used)
        (lane,) = bench.ledger.queue(UserId(1)).lanes
        assert lane.vtime == pytest.approx(2 * used)

    def test_a_weight_that_changes_meanwhile_gives_neither_credit_nor_debt(self, bench: Bench):
        self.turn(bench, cost=100.0, used=100.0, weight=4.0)
        (lane,) = bench.ledger.queue(UserId(1)).lanes
        assert lane.vtime == 25.0

    @pytest.mark.parametrize(("seconds", "paid"), [(1e12, 86_400.0), (-5.0, 0.0)])
    def test_a_clock_gone_wrong_costs_a_day_at_most(self, bench: Bench, seconds: float, paid: float):
        self.turn(bench, cost=1.0, used=seconds)
        (lane,) = bench.ledger.queue(UserId(1)).lanes
        assert lane.vtime == paid

    def test_the_next_turn_is_charged_by_what_the_last_ones_were_off(self, bench: Bench):
        for _ in range(20):
            self.turn(bench, cost=10.0, used=0.5)
        bench.submit(1, cost=10.0)
        (before,) = bench.ledger.queue(UserId(1)).lanes
        bench.ledger.step("database", bench.worker(), [], 1)
        (after,) = bench.ledger.queue(UserId(1)).lanes
        assert after.vtime - before.vtime == pytest.approx(0.5, rel=0.05)

    def test_a_turn_is_charged_by_the_weight(self, bench: Bench):
        bench.submit(1, cost=10.0)
        bench.ledger.lane(UserId(1), weight=4.0)
        bench.ledger.step("database", bench.worker(), [], 1)
        assert bench.ledger.queue(UserId(1)).lanes[0].vtime == 2.5

    def test_what_was_handed_back_teaches_nothing(self, bench: Bench):
        bench.submit(1, cost=10.0)
        worker = bench.worker()
        for _ in range(5):
            (lease,) = bench.ledger.step("database", worker, [], 1)
            assert bench.ledger.queue(UserId(1)).lanes[0].vtime == 10.0
            bench.ledger.finish(worker, [Ended(lease, Yielded())])
            assert bench.ledger.queue(UserId(1)).lanes[0].vtime == 0.0
