"""What was is told task by task as it went, and a short period without going through what came before it."""

from tests.ledger.conftest import Bench, VirtualClock
from tests.ledger.plans import PRIMARY, Access, plans_of
from tests.ledger.test_contract import BUSY
from tests.ledger.test_dead import BROKEN
from tests.ledger.test_evidence import run
from tests.ledger.test_plans import fill, scans, sorts_a_backlog

from paperlane.clock import SortableIds, least_id
from paperlane.model.tasks import (
    BatchId,
    Completed,
    Failed,
    NewBatch,
    NewTask,
    Past,
    Retry,
    State,
    TaskId,
    Terms,
    UserId,
)
from paperlane.simulation.history import History, left_out


def test_a_task_is_told_as_it_went(bench: Bench):
    at = bench.clock.now()
    (name,) = bench.submit(1, cost=3.0)
    bench.clock.pass_time(20)
    run(bench, Completed(1.0), 7)
    went = Past(name, UserId(1), "database", State.COMPLETED, 5, 3.0, at, at, at + 20, at + 27, 7.0)
    assert bench.ledger.past(at) == [went]


def test_what_a_retry_wasted_is_not_taken_for_what_it_needs(bench: Bench):
    at = bench.clock.now()
    bench.submit(1)
    run(bench, Retry(BUSY), 30)
    bench.clock.pass_time(60)
    run(bench, Completed(1.0), 7)
    (went,) = bench.ledger.past(at)
    assert (went.started, went.finished, went.used) == (at, at + 97, 7.0)


def test_one_that_waits_is_told_and_one_that_was_put_off_could_not_start_before(bench: Bench):
    at = bench.clock.now()
    bench.submit(1, run_at=at + 50)
    (gone,) = bench.submit(2)
    bench.ledger.cancel(gone)
    later, cancelled = bench.ledger.past(at)
    assert (later.state, later.submitted, later.accepted, later.started, later.used) == (
        State.WAITING, at, at + 50, 0.0, 0.0,
    )  # fmt: skip
    assert (cancelled.id, cancelled.state) == (gone, State.CANCELLED)


def test_of_one_that_was_started_again_nothing_is_told_of_another_run(bench: Bench):
    at = bench.clock.now()
    (name,) = bench.submit(1)
    run(bench, Failed(BROKEN), 7)
    bench.clock.pass_time(10)
    bench.ledger.retry(name)
    run(bench, Completed(1.0), 9)
    (went,) = bench.ledger.past(at)
    assert (went.state, went.started, went.used) == (State.COMPLETED, 0.0, 0.0)


def test_a_period_is_gone_through_page_by_page(bench: Bench):
    bench.submit(1, 3)
    bench.clock.pass_time(100)
    since = bench.clock.now()
    names = [*bench.submit(1, 3), *bench.submit(2, 2)]
    found: list[Past] = []
    while page := bench.ledger.past(since, found[-1].id if found else "", 2):
        assert len(page) <= 2
        found += page
    assert [task.id for task in found] == names


def submitted(bench: Bench, at: float) -> TaskId:
    """A task that comes now; its id is of that time."""
    name = SortableIds(VirtualClock(at))()
    bench.ledger.submit(NewBatch(BatchId(name), UserId(1), [NewTask(TaskId(name), b"{}")]))
    return TaskId(name)


def test_what_came_long_before_by_its_id_is_not_even_looked_at(bench: Bench):
    """Clocks differ, by less than an hour."""
    now = bench.clock.now()
    long_ago, lately, just_now = (submitted(bench, at) for at in (now - 90_000, now - 600, now))
    assert [task.id for task in bench.ledger.past(now - 1)] == [lately, just_now]
    assert [task.id for task in bench.ledger.past(now - 90_000)] == [long_ago, lately, just_now]
    assert [task.id for task in bench.ledger.past(now - 1, lately)] == [just_now]


def test_it_is_read_by_the_index_of_ids_and_nothing_is_sorted(bench: Bench):
    fill(bench)
    since = bench.clock.now()

    def look() -> None:
        found = bench.ledger.past(since, "old9", 50)
        assert any(task.state is State.COMPLETED for task in found)  # so that attempts are asked for too
        assert bench.ledger.terms(UserId(2_900), 50)

    plans = plans_of(bench.ledger, look)
    reached = {access for plan in plans.values() for access in plan.accesses}
    assert reached == {Access(table, PRIMARY, whole=False) for table in ("tasks", "attempts", "lanes")}, plans
    by = {access.table: access.by for plan in plans.values() for access in plan.accesses}
    assert "id" in by["tasks"], plans
    assert not any(scans(plan) or sorts_a_backlog(plan) for plan in plans.values()), plans


def test_what_users_may_is_told_page_by_page(bench: Bench):
    for user, limit in ((1, 3), (2, 4), (5, 6)):
        bench.ledger.lane(UserId(user), max_running=limit, weight=2.0, engine="other")
    told = [Terms(UserId(user), limit, 2.0, "other") for user, limit in ((1, 3), (2, 4), (5, 6))]
    assert bench.ledger.terms(UserId(0), 2) == told[:2]
    assert bench.ledger.terms(UserId(2), 2) == told[2:]


def test_a_history_says_what_it_leaves_out(bench: Bench):
    bench.submit(1)
    bench.submit(2)
    bench.clock.pass_time(100)
    since = bench.clock.now()
    for _ in range(2):
        run(bench, Completed(1.0), 7)
    bench.submit(3, 2)
    bench.clock.pass_time(4)
    run(bench, Completed(1.0), 9)
    history = History(bench.ledger, since)
    assert (history.tasks, history.open_before, history.guessed) == (2, 2, 1)
    assert (history.measured.waits, history.measured.not_begun) == ([4.0], 1)
    assert [work.seconds for one in history.load() for work in one.works] == [9.0, 9.0]
    assert len(left_out(history)) == 3


def test_the_least_id_of_a_time_lies_between_those_of_before_and_those_of_after():
    at = 1_700_000_000.25
    before, then = (SortableIds(VirtualClock(when))() for when in (at - 0.001, at))
    assert before < least_id(at) < then
    assert least_id(-5.0) == least_id(0.0) < before
