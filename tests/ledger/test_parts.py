"""An attempt in parts: it pauses between two stages, keeps its turn, and is handed over by channel."""

from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from tests.databases import IN_MEMORY, KINDS
from tests.ledger.conftest import Bench
from tests.ledger.test_contract import BUSY

from paperlane.errors import StaleLease
from paperlane.ledger.schema import lanes, tasks, workers
from paperlane.model.tasks import (
    EVERYTHING,
    Channel,
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Lease,
    Letters,
    Outcome,
    Paused,
    Progress,
    Retry,
    Stage,
    State,
    UserId,
    WorkerId,
    Yielded,
)

pytestmark = pytest.mark.parametrize("make_bench", [IN_MEMORY, *KINDS], indirect=True)

CPU, MODEL = Channel(frozenset({Stage.CPU})), Channel(frozenset({Stage.MODEL}))
TO_MODEL = Paused(Stage.MODEL, 2.0)


def worker(bench: Bench, name: str, channel: Channel = EVERYTHING, slots: int = 2) -> WorkerId:
    bench.ledger.register(WorkerId(name), "pushed", "host", 1, slots, channel=channel)
    return WorkerId(name)


@pytest.fixture
def pushed(bench: Bench) -> Bench:
    """Everybody's tasks are carried by an engine that is pushed to."""
    for user in range(1, 6):
        bench.ledger.lane(UserId(user), engine="pushed", max_running=10)
    return bench


def end(bench: Bench, lease: Lease, who: WorkerId, outcome: Outcome) -> None:
    bench.ledger.begin(lease, who)
    bench.ledger.finish(who, [Ended(lease, outcome)])


def under_way(bench: Bench) -> int:
    """How many hold turns; people see those that nobody has begun as queued."""
    return sum(lane.running + lane.leased for lane in bench.ledger.queue().lanes)


class TestPausing:
    def test_it_goes_on_at_the_next_stage_under_the_next_fence_in_the_same_attempt(self, pushed: Bench):
        (name,) = pushed.submit(1)
        parses, asks = worker(pushed, "parses", CPU), worker(pushed, "asks", MODEL)
        (first,) = pushed.ledger.lease("pushed", 10)
        assert first.stage is Stage.CPU
        pushed.ledger.begin(first, parses)
        pushed.ledger.save(first, parses, Checkpoint("parse", "k", b"parsed"), Progress("parse", 40))
        pushed.ledger.finish(parses, [Ended(first, TO_MODEL)])
        between = pushed.ledger.task(name)
        assert (between.state, between.percent, between.attempt) == (State.LEASED, 40, 1)
        (second,) = pushed.ledger.lease("pushed", 10)
        assert (second, second.stage) == (Lease(name, first.fence + 1, Stage.MODEL), Stage.MODEL)
        attempt = pushed.ledger.begin(second, asks)
        assert (attempt.number, attempt.kept) == (1, frozenset({"parse"}))
        pushed.ledger.finish(asks, [Ended(second, Completed(3.0))])
        assert [(past.number, past.fence, past.worker, past.outcome) for past in pushed.ledger.attempts(name)] == [
            (1, first.fence, parses, "paused"),
            (1, second.fence, asks, "completed"),
        ]
        assert pushed.ledger.lease("pushed", 10) == []

    def test_the_first_worker_cannot_write_any_more(self, pushed: Bench):
        pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        assert pushed.ledger.renew(who, [lease]).lost == (lease,)
        with pytest.raises(StaleLease):
            pushed.ledger.save(lease, who, Checkpoint("late", "k", b""), Progress("late", 90))
        with pytest.raises(StaleLease):
            pushed.ledger.begin(lease, who)
        pushed.ledger.finish(who, [Ended(lease, Completed(1.0))])
        assert under_way(pushed) == 1

    def test_the_turn_is_kept(self, pushed: Bench):
        """Its user starts nothing else for it."""
        pushed.ledger.lane(UserId(1), max_running=1)
        name, _ = pushed.submit(1, 2)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        assert under_way(pushed) == 1
        assert [lease.task for lease in pushed.ledger.lease("pushed", 10)] == [name]

    def test_parts_come_before_new_turns_and_who_began_first_before_others(self, pushed: Bench):
        who = worker(pushed, "a", slots=3)
        older, newer = pushed.submit(1), pushed.submit(2)
        begun = list(pushed.ledger.lease("pushed", 10))
        for lease in begun:
            pushed.clock.pass_time(1)
            pushed.ledger.begin(lease, who)
        pushed.ledger.finish(who, [Ended(lease, TO_MODEL) for lease in reversed(begun)])
        pushed.submit(3, priority=9)
        assert [lease.task for lease in pushed.ledger.lease("pushed", 2)] == [*older, *newer]

    def test_a_paused_engine_and_lane_hand_over_what_has_begun(self, pushed: Bench):
        pushed.submit(1, 2)
        who = worker(pushed, "a", slots=1)
        (lease,) = pushed.ledger.lease("pushed", 10)
        pushed.ledger.pause("pushed", paused=True)
        pushed.ledger.lane(UserId(1), paused=True)
        assert not pushed.ledger.runnable("pushed")
        end(pushed, lease, who, TO_MODEL)
        assert pushed.ledger.runnable("pushed")
        stages = [Channel(frozenset({stage})) for stage in (Stage.CPU, Stage.MODEL)]
        assert [pushed.ledger.runnable("pushed", stage) for stage in stages] == [False, True]
        assert [lease.task for lease in pushed.ledger.lease("pushed", 10)] == [lease.task]
        assert not pushed.ledger.runnable("pushed")

    @pytest.mark.parametrize("begun", [False, True])
    def test_a_stage_that_only_newer_versions_know_stops_nobody(self, pushed: Bench, *, begun: bool):
        """A newer one beside this one left it there: handed out, or between two parts."""
        (name,) = pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        if begun:
            end(pushed, lease, who, TO_MODEL)
        of_name = update(tasks).where(tasks.c.id == name)
        pushed.ledger.write(lambda connection: connection.execute(of_name.values(stage="print")))
        (other,) = pushed.submit(2)
        assert [lease.task for lease in pushed.ledger.lease("pushed", 10)] == [other]

    def test_cancelled_between_two_parts_it_ends_at_once(self, pushed: Bench):
        (name,) = pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        assert pushed.ledger.cancel(name).state is State.CANCELLED
        assert (under_way(pushed), pushed.ledger.lease("pushed", 10)) == (0, [])
        pushed.ledger.retry(name)
        assert [lease.stage for lease in pushed.ledger.lease("pushed", 10)] == [Stage.CPU]

    def test_a_cancel_that_came_before_ends_it_instead(self, pushed: Bench):
        (name,) = pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        pushed.ledger.begin(lease, who)
        pushed.ledger.cancel(name)
        pushed.ledger.finish(who, [Ended(lease, TO_MODEL)])
        assert pushed.ledger.task(name).state is State.CANCELLED

    @pytest.mark.parametrize("outcome", [Retry(BUSY, 1.0), Yielded(after=5.0)], ids=["retried", "yielded"])
    def test_after_a_later_part_failed_the_next_turn_begins_at_the_first_stage(self, pushed: Bench, outcome: Outcome):
        pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, outcome)
        pushed.clock.pass_time(10)
        pushed.ledger.renew(who, [])
        (lease,) = pushed.ledger.lease("pushed", 10)
        assert (lease.stage, lease.fence) == (Stage.CPU, 3)
        assert pushed.ledger.begin(lease, who).seconds == 3_600

    def test_a_crash_of_a_part_is_one_of_the_task(self, pushed: Bench):
        (name,) = pushed.submit(1)
        for fence in (1, 3, 5):
            who = worker(pushed, f"w{fence}")
            (lease,) = pushed.ledger.lease("pushed", 10)
            assert lease.fence == fence
            end(pushed, lease, who, TO_MODEL)
            (lease,) = pushed.ledger.lease("pushed", 10)
            pushed.ledger.begin(lease, who)
            pushed.ledger.leave(who)
        assert pushed.ledger.task(name).state is State.FAILED
        assert [past.outcome for past in pushed.ledger.attempts(name)] == [
            *["paused", "crashed"] * 2,
            *["paused", "poison"],
        ]

    def test_the_engine_stays_also_where_the_lane_moves(self, pushed: Bench):
        pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        pushed.ledger.lane(UserId(1), engine="database")
        assert pushed.ledger.step("database", pushed.worker("puller"), [], 10) == []
        assert len(pushed.ledger.lease("pushed", 10)) == 1


class TestPaying:
    def test_each_part_is_paid_and_what_is_left_of_the_charge_stays(self, pushed: Bench):
        pushed.ledger.lane(UserId(1), weight=2.0)
        pushed.submit(1, cost=10.0)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        assert self.lane(pushed) == 5.0
        end(pushed, lease, who, Paused(Stage.MODEL, 4.0))
        assert self.lane(pushed) == 5.0  # 2 of it are paid by now
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, Paused(Stage.MODEL, 20.0))
        assert self.lane(pushed) == 12.0  # it used more than it was charged
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, Completed(2.0))
        assert self.lane(pushed) == 13.0

    @staticmethod
    def lane(bench: Bench) -> float:
        (lane,) = bench.ledger.queue(UserId(1)).lanes
        return lane.vtime

    def test_estimates_learn_from_all_parts_together(self, make_bench: Callable[..., Bench]):
        ratios: list[float] = []
        for seconds in ([8.0], [1.0, 3.0, 4.0]):
            bench = make_bench()
            bench.ledger.lane(UserId(1), engine="pushed")
            bench.submit(1, 2, cost=2.0)
            who = worker(bench, "a", slots=1)
            for part in seconds[:-1]:
                (lease,) = bench.ledger.lease("pushed", 1)
                end(bench, lease, who, Paused(Stage.CPU, part))
            (lease,) = bench.ledger.lease("pushed", 1)
            end(bench, lease, who, Completed(seconds[-1]))
            before = self.lane(bench)
            bench.ledger.lease("pushed", 1)
            ratios.append(self.lane(bench) - before)
        assert ratios[0] == pytest.approx(ratios[1])
        assert ratios[0] > 2.0

    def test_the_time_of_an_attempt_is_that_of_all_its_parts(self, pushed: Bench):
        pushed.submit(1)
        who = worker(pushed, "a")
        for took, left in ((600.0, 3_600.0), (2_500.0, 3_000.0), (1_000.0, 500.0)):
            (lease,) = pushed.ledger.lease("pushed", 10)
            assert pushed.ledger.begin(lease, who).seconds == left
            pushed.ledger.finish(who, [Ended(lease, Paused(Stage.CPU, 3_000.0, took))])  # it waited for the rest
        (lease,) = pushed.ledger.lease("pushed", 10)
        assert pushed.ledger.begin(lease, who).seconds == 0.0


class TestChannels:
    def test_no_more_is_out_than_each_stages_workers_have_slots(self, pushed: Bench):
        pushed.submit(1, 9)
        parses, asks = worker(pushed, "parses", CPU, 3), worker(pushed, "asks", MODEL, 2)
        first = list(pushed.ledger.lease("pushed", 10))
        assert len(first) == 3
        for lease in first:
            end(pushed, lease, parses, TO_MODEL)
        out = list(pushed.ledger.lease("pushed", 10))
        assert [lease.stage for lease in out] == [Stage.MODEL] * 2 + [Stage.CPU] * 2
        assert pushed.ledger.lease("pushed", 10) == []  # five slots, and five turns: one waits between its parts
        end(pushed, out[0], asks, Completed(1.0))
        assert [lease.stage for lease in pushed.ledger.lease("pushed", 10)] == [Stage.MODEL, Stage.CPU]

    def test_what_waits_between_parts_keeps_its_turn_while_somebody_asks(self, pushed: Bench):
        pushed.submit(1, 2)
        parses, asks = worker(pushed, "parses", CPU, 2), worker(pushed, "asks", MODEL, 1)
        for lease in pushed.ledger.lease("pushed", 10):
            end(pushed, lease, parses, TO_MODEL)
        (runs,) = pushed.ledger.lease("pushed", 10)
        pushed.ledger.begin(runs, asks)
        for _ in range(20):
            pushed.clock.pass_time(9)
            for who, held in ((parses, []), (asks, [runs])):
                assert pushed.ledger.renew(who, held).lost == ()
            assert pushed.ledger.lease("pushed", 10) == []
            assert pushed.ledger.recover().undelivered == 0
        pushed.ledger.finish(asks, [Ended(runs, Completed(1.0))])
        (last,) = pushed.ledger.lease("pushed", 10)
        assert (last.fence, last.stage) == (2, Stage.MODEL)

    def test_where_nobody_asks_the_turn_goes_back_and_no_attempt_is_used(self, pushed: Bench):
        (name,) = pushed.submit(1)
        parses = worker(pushed, "parses", CPU)
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, parses, TO_MODEL)
        for _ in range(3):  # the dispatcher asks, but no worker of the next stage lives
            pushed.clock.pass_time(20)
            pushed.ledger.renew(parses, [])
            assert pushed.ledger.lease("pushed", 10) == []
        assert pushed.ledger.recover().undelivered == 1
        assert pushed.ledger.task(name).state is State.READY
        (lease,) = pushed.ledger.lease("pushed", 10)
        assert (lease.stage, lease.fence, pushed.ledger.begin(lease, parses).number) == (Stage.CPU, 3, 1)

    def test_a_part_that_was_handed_over_and_is_lost_goes_back(self, pushed: Bench):
        pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        (lost,) = pushed.ledger.lease("pushed", 10)
        for _ in range(3):
            pushed.clock.pass_time(20)
            pushed.ledger.renew(who, [])
            assert pushed.ledger.lease("pushed", 10) == []
        assert pushed.ledger.recover().undelivered == 1
        with pytest.raises(StaleLease):
            pushed.ledger.begin(lost, who)

    def test_a_part_is_handed_back(self, pushed: Bench):
        (name,) = pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        pushed.ledger.hand_back(pushed.ledger.lease("pushed", 10))
        assert pushed.ledger.task(name).state is State.READY
        assert [(lease.stage, lease.fence) for lease in pushed.ledger.lease("pushed", 10)] == [(Stage.CPU, 3)]

    def test_each_shard_is_filled_by_its_own_users(self, pushed: Bench):
        of = {user: pushed.submit(user, 5) for user in (1, 2, 3, 4)}
        worker(pushed, "even", Channel(shard=0, shards=2), 4)
        worker(pushed, "odd", Channel(shard=1, shards=2), 2)
        leases = list(pushed.ledger.lease("pushed", 10))
        assert sorted(lease.task for lease in leases) == sorted([*of[2][:2], *of[4][:2], of[1][0], of[3][0]])
        assert pushed.ledger.lease("pushed", 10) == []

    def test_users_of_a_shard_without_workers_wait_and_nobody_waits_for_them(self, pushed: Bench):
        pushed.submit(1, 3)
        pushed.clock.pass_time(1)
        mine = pushed.submit(2, 3)
        who = worker(pushed, "even", Channel(shard=0, shards=2), 2)
        leases = list(pushed.ledger.lease("pushed", 10))
        assert [lease.task for lease in leases] == mine[:2]
        for lease in leases:
            end(pushed, lease, who, Completed(50.0))
        assert [lease.task for lease in pushed.ledger.lease("pushed", 10)] == mine[2:]

    def test_what_must_run_alone_waits_for_a_worker_of_its_shard(self, pushed: Bench):
        (bad,) = pushed.submit(1)
        for name in ("first", "second"):
            who = worker(pushed, name)
            (lease,) = pushed.ledger.lease("pushed", 1)
            pushed.ledger.begin(lease, who)
            pushed.ledger.leave(who)
        good = pushed.submit(2)
        even = worker(pushed, "even", Channel(shard=0, shards=2))
        (lease,) = pushed.ledger.lease("pushed", 10)
        assert [lease.task] == good
        end(pushed, lease, even, Completed(1.0))
        worker(pushed, "odd", Channel(shard=1, shards=2))
        assert [lease.task for lease in pushed.ledger.lease("pushed", 10)] == [bad]

    @pytest.mark.parametrize("crowd", [UserId(2), UserId(4)])
    def test_what_must_run_alone_comes_to_its_turn_beside_a_busy_shard(self, pushed: Bench, crowd: UserId):
        (bad,) = pushed.submit(1)
        for name in ("first", "second"):
            who = worker(pushed, name)
            (lease,) = pushed.ledger.lease("pushed", 1)
            pushed.ledger.begin(lease, who)
            pushed.ledger.leave(who)
        pushed.submit(crowd, 9)
        even = worker(pushed, "even", Channel(shard=0, shards=2))
        out = list(pushed.ledger.lease("pushed", 10))
        odd = worker(pushed, "odd", Channel(shard=1, shards=2))
        assert len(out) == 2
        for lease in out:
            assert pushed.ledger.lease("pushed", 10) == []  # nothing takes the places of those that have ended
            end(pushed, lease, even, Completed(1.0))
        (alone,) = pushed.ledger.lease("pushed", 10)
        assert alone.task == bad
        assert pushed.ledger.lease("pushed", 10) == []
        end(pushed, alone, odd, Completed(1.0))
        assert len(pushed.ledger.lease("pushed", 10)) == 2

    def test_a_narrow_channel_is_filled_as_soon_as_a_wide_one(self, pushed: Bench):
        pushed.submit(1, 9)
        pushed.submit(2, 9)
        wide = worker(pushed, "wide", Channel(shard=0, shards=2), 4)
        narrow = worker(pushed, "narrow", Channel(shard=1, shards=2), 1)
        served = Counter[UserId]()
        for _ in range(6):
            for lease in pushed.ledger.lease("pushed", 2):
                served[lease.user] += 1
                end(pushed, lease, wide if lease.user == 2 else narrow, Completed(1.0))
        assert served[UserId(1)] >= 3

    def test_a_worker_without_slots_serves_nothing(self, pushed: Bench):
        """What waits for it would else keep its turns for ever, and nothing would begin."""
        pushed.submit(1, 3)
        parses, asks = worker(pushed, "parses", CPU, 2), worker(pushed, "asks", MODEL, 0)
        for lease in pushed.ledger.lease("pushed", 10):
            end(pushed, lease, parses, TO_MODEL)
        for _ in range(3):
            pushed.clock.pass_time(20)
            pushed.ledger.renew(parses, [])
            pushed.ledger.renew(asks, [])
            assert pushed.ledger.lease("pushed", 10) == []
        assert pushed.ledger.recover().undelivered == 2

    def test_a_lowered_limit_of_the_system_leaves_each_channel_a_slot(self, pushed: Bench):
        worker(pushed, "parses", CPU, 10)
        worker(pushed, "asks", MODEL, 10)
        pushed.worker("pulls", 10)
        pushed.ledger.limit(3)
        assert [member.slots for member in pushed.ledger.members()] == [1, 1, 1]
        pushed.ledger.limit(2)
        slots = {member.id: member.slots for member in pushed.ledger.members()}
        assert slots == {"parses": 1, "asks": 0, "pulls": 1}

    def test_what_another_process_took_back_and_handed_out_is_no_part(self, pushed: Bench):
        """One of an older version leaves `parted` as it was."""
        (name,) = pushed.submit(1)
        who = worker(pushed, "a")
        (lease,) = pushed.ledger.lease("pushed", 10)
        end(pushed, lease, who, TO_MODEL)
        parted = select(tasks.c.parted).where(tasks.c.id == name)
        before = pushed.ledger.read(lambda connection: connection.scalar(parted))
        pushed.clock.pass_time(61)
        pushed.ledger.recover()
        pushed.ledger.renew(who, [])
        other = worker(pushed, "b")
        (lease,) = pushed.ledger.lease("pushed", 10)
        pushed.ledger.write(lambda connection: connection.execute(update(tasks).values(parted=before)) and None)
        assert pushed.ledger.lease("pushed", 10) == []
        assert pushed.ledger.begin(lease, other).number == 1

    def test_a_stage_that_this_version_does_not_know_is_passed_by(self, pushed: Bench):
        (name,) = pushed.submit(1)
        worker(pushed, "newer", MODEL)
        pushed.ledger.write(lambda connection: connection.execute(update(workers).values(stages="gpu,model")) and None)
        worker(pushed, "a")
        assert [lease.task for lease in pushed.ledger.lease("pushed", 10)] == [name]
        assert MODEL in {member.channel for member in pushed.ledger.members()}

    def test_parts_are_no_tries_of_a_dead_letter(self, pushed: Bench):
        pushed.submit(1)
        who = worker(pushed, "a")
        for outcome in (TO_MODEL, TO_MODEL, Failed(BUSY)):
            (lease,) = pushed.ledger.lease("pushed", 10)
            end(pushed, lease, who, outcome)
        assert [letter.tries for letter in pushed.ledger.dead(Letters())] == [1]

    def test_workers_that_serve_all_and_workers_that_serve_one_stage_share(self, pushed: Bench):
        pushed.submit(1, 9)
        both, parses = worker(pushed, "both", slots=2), worker(pushed, "parses", CPU, 2)
        leases = list(pushed.ledger.lease("pushed", 10))
        assert len(leases) == 4
        for lease in leases[:2]:
            end(pushed, lease, parses, TO_MODEL)
        for lease in leases[2:]:
            pushed.ledger.begin(lease, parses)
        assert [lease.stage for lease in pushed.ledger.lease("pushed", 10)] == [Stage.MODEL] * 2
        assert both in {member.id for member in pushed.ledger.members() if member.channel == EVERYTHING}

    def test_who_is_a_member_tells_what_it_serves(self, pushed: Bench):
        channel = Channel(frozenset({Stage.MODEL}), 3, 10)
        worker(pushed, "a", channel)
        worker(pushed, "a", channel, 1)  # it asks again, as with each heartbeat
        assert [member.channel for member in pushed.ledger.members()] == [channel]

    def test_users_are_divided_into_so_many_shards_only(self, bench: Bench):
        with pytest.raises(ValueError, match="1000 shards at most, not 1001"):
            worker(bench, "a", Channel(shard=0, shards=1_001))

    @pytest.mark.parametrize(
        "channel",
        [Channel(frozenset()), Channel(shard=2, shards=2), Channel(shard=-1), Channel(shards=0)],
        ids=["no stage", "a shard too high", "a shard too low", "no shards"],
    )
    def test_a_channel_that_no_task_could_come_through_is_refused(self, bench: Bench, channel: Channel):
        with pytest.raises(ValueError, match="No task comes through"):
            worker(bench, "a", channel)


class TestClocksOfShards:
    """A shard's virtual time goes on as its own users are served: a user alone in one is soon far ahead of a crowd."""

    SLOW, FAST = (UserId(2), UserId(4)), UserId(1)

    @pytest.fixture
    def shards(self, pushed: Bench) -> Bench:
        """Two shards that have come to about 100 s and 1,000 s, where much waits."""
        for user in (6, 7, 8):
            pushed.ledger.lane(UserId(user), engine="pushed", max_running=10)
        even = worker(pushed, "even", Channel(shard=0, shards=2), 2)
        odd = worker(pushed, "odd", Channel(shard=1, shards=2), 1)
        pushed.submit(self.FAST, 40)
        for user in self.SLOW:
            pushed.submit(user, 40)
        for _ in range(10):
            self.serve(pushed, {even: 10.0, odd: 100.0})
        return pushed

    @staticmethod
    def serve(bench: Bench, seconds: dict[WorkerId, float]) -> list[int]:
        """Everything that has room runs so long at its worker, and ends; whose it was."""
        leases = list(bench.ledger.lease("pushed", 10))
        channels = {member.id: member.channel for member in bench.ledger.members()}
        for lease in leases:
            who = next(name for name in seconds if channels[name].serves(lease.stage, lease.user))
            end(bench, lease, who, Completed(seconds[who]))
        return [lease.user for lease in leases]

    def served(self, bench: Bench, user: int) -> float:
        asked = select(lanes.c.served).where(lanes.c.user_id == user)
        return float(bench.ledger.read(lambda connection: connection.execute(asked).scalar_one()))

    def test_who_comes_to_a_slow_one_has_its_share_at_once(self, shards: Bench):
        shards.submit(UserId(6), 40)
        turns = [
            user for _ in range(6) for user in self.serve(shards, {WorkerId("even"): 10.0, WorkerId("odd"): 100.0})
        ]
        even = [user for user in turns if user != self.FAST]
        assert Counter(even) == {2: 4, 4: 4, 6: 4}

    def test_who_comes_to_a_fast_one_has_no_credit(self, shards: Bench):
        shards.submit(UserId(3), 40)
        turns = [
            user for _ in range(6) for user in self.serve(shards, {WorkerId("even"): 10.0, WorkerId("odd"): 100.0})
        ]
        assert Counter(user for user in turns if user not in self.SLOW) == {1: 3, 3: 3}

    @pytest.mark.parametrize("shards_then", [1, 3])
    def test_where_shards_come_together_nobody_is_owed_what_the_others_were_faster(
        self, shards: Bench, shards_then: int
    ):
        apart = self.served(shards, 1) - self.served(shards, 2)
        assert apart == pytest.approx(900.0)
        for name in ("even", "odd"):
            shards.ledger.leave(WorkerId(name))
        all_of_them = {
            worker(shards, f"{at}", Channel(shard=at, shards=shards_then)): 10.0 for at in range(shards_then)
        }
        assert abs(self.served(shards, 1) - self.served(shards, 2)) <= 100.0
        for user in (3, 6, 7):
            shards.submit(user, 40)
        turns = Counter(user for _ in range(30) for user in self.serve(shards, all_of_them))
        of_shard = {user: turns[user] for user in (1, 4, 7)} if shards_then == 3 else turns
        assert max(of_shard.values()) - min(of_shard.values()) <= 10

    def test_where_shards_are_split_each_goes_on_at_the_clock_of_the_whole(self, shards: Bench):
        before = {user: self.served(shards, user) for user in (1, 2, 4)}
        for name in ("even", "odd"):
            shards.ledger.leave(WorkerId(name))
        quarters = {worker(shards, f"{at}", Channel(shard=at, shards=4)): 10.0 for at in range(4)}
        assert {user: self.served(shards, user) for user in (1, 2, 4)} == before
        for user in (5, 6, 8):
            shards.submit(user, 40)
        turns = Counter(user for _ in range(10) for user in self.serve(shards, quarters))
        assert turns[5] >= 4
        assert (turns[2], turns[4]) == (turns[6], turns[8]) == (10, 10)

    def test_a_lane_that_moves_to_a_shard_takes_its_lead_over_the_clock_there(self, shards: Bench):
        clock = self.served(shards, 2)
        shards.submit(UserId(6), 40)
        shards.ledger.lane(UserId(6), engine="database")
        shards.ledger.lane(UserId(6), engine="pushed")
        assert self.served(shards, 6) == pytest.approx(clock, abs=11.0)

    def test_a_worker_of_a_later_stage_does_not_divide_users(self, shards: Bench):
        worker(shards, "asks", Channel(frozenset({Stage.MODEL}), 0, 3))
        shards.submit(UserId(6), 40)
        assert self.served(shards, 6) < 200.0
