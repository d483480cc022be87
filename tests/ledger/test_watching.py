"""What operators look through is found without going through all that there is."""

import pytest
from sqlalchemy import insert
from tests.ledger.conftest import Bench
from tests.ledger.plans import PRIMARY, Access, Plan, plans_of
from tests.ledger.test_contract import BUSY, claim
from tests.ledger.test_dead import BROKEN, SLOW, fail
from tests.ledger.test_plans import HOT, fill, old_task

from paperlane.errors import BadRequest
from paperlane.ledger import watching
from paperlane.ledger.schema import tasks
from paperlane.model.tasks import (
    BatchId,
    Completed,
    Ended,
    Found,
    Progress,
    Retry,
    Service,
    Sought,
    State,
    TaskId,
    UserId,
    WorkerId,
)

EVERYBODYS = Sought()


def ids(found: Found) -> list[TaskId]:
    return [task.id for task in found.tasks]


def test_everybodys_tasks_are_found_by_what_is_said_of_them(bench: Bench):
    broken, slow = fail(bench, 1), fail(bench, 2, 2, SLOW)
    (waiting,) = bench.submit(3)
    (batch,) = {task.batch for task in bench.ledger.tasks(user=UserId(2))}
    found = bench.ledger.look_for(EVERYBODYS)
    assert (ids(found), found.looked, found.cursor) == ([waiting, *reversed(slow), *broken], 4, "")
    assert found.tasks[-1].fault == BROKEN
    for which, names in (
        (Sought(user=UserId(2)), [*reversed(slow)]),
        (Sought(batch=batch), [*reversed(slow)]),
        (Sought(states=[State.READY, State.WAITING, State.LEASED]), [waiting]),
        (Sought(code=SLOW.code), [*reversed(slow)]),
        (Sought(engine="database", states=[State.FAILED]), [*reversed(slow), *broken]),
        (Sought(user=UserId(1), code=SLOW.code), []),
        (Sought(batch=batch, user=UserId(1)), []),
        (Sought(batch=BatchId("none")), []),
    ):
        assert ids(bench.ledger.look_for(which)) == names, which
    assert ids(bench.ledger.look_for(Sought(states=[State.RUNNING]))) == []
    (lease,) = claim(bench, bench.worker(), 1)
    running = bench.ledger.look_for(Sought(states=[State.RUNNING]))
    assert ([(task.id, task.worker) for task in running.tasks], running.cursor) == ([(lease.task, "worker")], "")


def test_pages_go_on_where_the_last_one_ends_and_also_where_it_found_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "AT_ONCE", 3)
    broken = fail(bench, 1, 2)
    bench.submit(2, 5)
    wanted = Sought(states=[State.FAILED])
    pages = [bench.ledger.look_for(wanted)]
    while cursor := pages[-1].cursor:
        pages.append(bench.ledger.look_for(wanted, cursor, 1))
    assert [ids(page) for page in pages] == [[], [broken[1]], [broken[0]]]
    assert [page.looked for page in pages] == [3, 3, 1]
    claim(bench, bench.worker(), 3)
    running = Sought(states=[State.RUNNING])
    first = bench.ledger.look_for(running, "", 2)
    rest = bench.ledger.look_for(running, first.cursor, 2)
    assert (len(first.tasks), len(rest.tasks), rest.cursor) == (2, 1, "")


def test_each_try_that_failed_is_told_once_with_its_step(bench: Bench):
    (once,) = bench.submit(1)
    worker = bench.worker()
    (lease,) = claim(bench, worker, 1)
    bench.ledger.started(lease, worker, Progress("parse", 0))
    bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
    bench.clock.pass_time(60)
    bench.ledger.recover()
    (lease,) = claim(bench, bench.worker(), 1)
    bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
    before = bench.clock.now()
    (dead,) = fail(bench, 2)
    found = bench.ledger.failures(1.0)
    assert [(one.task, one.step, one.fault) for one in found.found] == [(dead, "", BROKEN), (once, "parse", BUSY)]
    assert (found.looked, found.whole) == (2, True)
    assert [one.task for one in bench.ledger.failures(before + 0.5).found] == [dead]


def test_a_worker_that_was_gone_counts_as_a_failure(bench: Bench):
    bench.submit(1)
    claim(bench, bench.worker(), 1)
    bench.clock.pass_time(31)
    bench.ledger.recover()
    (failure,) = bench.ledger.failures(1.0).found
    assert failure.fault.code == "crashed"


def test_what_a_look_at_failures_does_not_reach_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    fail(bench, 1, 3)
    monkeypatch.setattr(watching, "AT_ONCE", 2)
    monkeypatch.setattr(watching, "MOST_DEAD", 1)
    found = bench.ledger.failures(1.0)
    assert (len(found.found), found.looked, found.whole) == (2, 2, False)


def test_service_is_told_of_who_had_some_within_the_time_or_is_asked_for(bench: Bench):
    for user in (1, 2, 3):
        bench.submit(user)
    leases = claim(bench, bench.worker(), 3)
    bench.clock.pass_time(10)
    bench.ledger.finish(
        WorkerId("worker"), [Ended(one, Completed(1.0)) for one in leases if one.task != leases[1].task]
    )
    bench.clock.pass_time(5)
    users = [UserId(1), UserId(2)]
    bench.submit(1)
    bench.submit(4)
    # the third holds nothing any more, and the fourth had nothing yet, but its weight counts
    assert bench.ledger.served(users, 300.0) == Service({1: 10.0, 2: 15.0}, 25.0, 3.0)
    assert bench.ledger.served(users, 7.0) == Service({1: 2.0, 2: 7.0}, 9.0, 3.0)
    assert bench.ledger.served([UserId(3)], 300.0) == Service({1: 10.0, 2: 15.0, 3: 10.0}, 25.0, 3.0)
    assert bench.ledger.served([UserId(4)], 300.0) == Service({1: 10.0, 2: 15.0, 4: 0.0}, 25.0, 3.0)
    assert bench.ledger.served([], 300.0) == Service({1: 10.0, 2: 15.0}, 25.0, 3.0)


def test_who_waits_longest_is_told_however_much_others_have_waiting(bench: Bench):
    for user, count in ((3, 1), (1, 1), (2, 5), (4, 3)):
        bench.submit(user, count)
        bench.clock.pass_time(10)
    for most, waits in ((1, {3: 40.0}), (2, {1: 30.0, 3: 40.0}), (9, {1: 30.0, 2: 20.0, 3: 40.0, 4: 10.0})):
        assert {lane.user: lane.oldest for lane in bench.ledger.queue(None, 0, most).lanes} == waits
    assert [lane.user for lane in bench.ledger.queue(None, 1, 1).lanes] == [2, 3]
    assert [lane.user for lane in bench.ledger.queue(None, 1, 3).lanes] == [1, 2, 3]
    bench.ledger.lane(UserId(3), paused=True)
    assert [lane.user for lane in bench.ledger.queue(None, 0, 1).lanes] == [1]


def test_lanes_in_which_most_could_start_are_shown_before_those_in_which_most_waits(bench: Bench):
    bench.submit(1, 1)
    bench.submit(2, 2)
    bench.submit(3, 9, run_at=bench.clock.now() + 60)
    bench.submit(4, 8)
    bench.ledger.lane(UserId(4), paused=True)
    for most, users in ((1, [2]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 3, 4])):
        assert [lane.user for lane in bench.ledger.queue(most=most).lanes] == users
    bench.ledger.pause("database", paused=True)
    assert [lane.user for lane in bench.ledger.queue(most=1).lanes] == [3]


def test_what_no_task_can_be_is_refused(bench: Bench):
    for which in (Sought(user=UserId(0)), Sought(user=UserId(2**63)), Sought(code="a\0"), Sought(engine="\0")):
        with pytest.raises(BadRequest):
            bench.ledger.look_for(which)


def test_no_look_of_an_operator_reads_all_tasks(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "AT_ONCE", 50)
    fail(bench, 3_000)
    (batch,) = {task.batch for task in bench.ledger.tasks(user=UserId(3_000))}
    fill(bench, users=500)
    more = [old_task(5, "completed", n, bench.clock.now()) for n in range(10, 3_000)]
    bench.ledger.write(lambda connection: connection.execute(insert(tasks), more) and None)

    def look() -> None:
        bench.ledger.failures(1.0)
        bench.ledger.served([UserId(5), UserId(6)], 300.0)
        for which in (
            EVERYBODYS,
            Sought(states=[State.RUNNING]),
            Sought(states=[State.FAILED], code=BROKEN.code),
            Sought(user=UserId(5), engine="arq"),
            Sought(batch=batch),
        ):
            bench.ledger.look_for(which)
            bench.ledger.look_for(which, "task1")

    plans = plans_of(bench.ledger, look)

    def is_bounded(statement: str, plan: Plan) -> bool:
        """Nothing is read from end to end but what runs, and the newest tasks as far as the limit, without a join.

        Of lanes, which are as many as users, it is asked which of them hold something, and what these weigh.
        """
        whole = {access for access in plan.accesses if access.table in HOT and access.whole}
        if statement.startswith(("SELECT lanes.user_id", "SELECT sum(lanes.weight)")):
            whole -= plan.of("lanes")
        newest = {Access("tasks", PRIMARY, whole=True)} if "LIMIT" in statement and len(plan.accesses) == 1 else set()
        return whole <= newest | {Access("tasks", "tasks_worker", whole=True)}

    plans = plans_of(bench.ledger, look)
    assert sum(bool(plan.of("tasks")) for plan in plans.values()) > 10
    bad = {statement: plan for statement, plan in plans.items() if not is_bounded(statement, plan)}
    assert not bad, bad
