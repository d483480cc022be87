"""How the database carries out the statements that every task passes through: by index, without a sort."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, delete, insert
from tests.ledger.conftest import Bench
from tests.ledger.plans import PRIMARY, Access, Plan, know_sizes, plans_of
from tests.ledger.test_contract import BUSY

from paperlane.ledger import Note
from paperlane.ledger.schema import UNDER_WAY, attempts, checkpoints, events, lanes, tasks
from paperlane.ledger.sql import SqlLedger
from paperlane.ledger.unread import unreadable
from paperlane.model.tasks import (
    Channel,
    Checkpoint,
    Completed,
    Ended,
    Paused,
    Progress,
    Retry,
    Stage,
    State,
    TaskId,
    UserId,
    WorkerId,
)

HOT = {"tasks", "events", "checkpoints", "attempts", "lanes"}
SMALL = {"tasks_worker", "tasks_late", "tasks_suspect", "lanes_backlog"}  # hold what runs, or who has a backlog


def old_task(user: int, state: str, n: int, now: float) -> dict[str, object]:
    return {
        "id": f"old{user}-{state}-{n}", "batch_id": f"old{user}", "position": n, "user_id": user, "state": state,
        "priority": 5, "sort_key": now, "stage": "cpu", "cost": 1.0, "run_at": now + 9_999, "created_at": now,
        "seq": int(state == "completed"), "message": "", "payload": b"{}",
    }  # fmt: skip


def fill(bench: Bench, users: int = 3_000) -> None:
    """So many lanes and tasks, most of them over, that no plan is chosen for their being few.

    They are written as they are: thousands of submits would take a minute.
    """
    each = {"completed": 10, "ready": 5, "waiting": 1}
    now = bench.clock.now()
    of_tasks = [
        old_task(user, state, n, now)
        for user in range(1, users)
        for state, most in (each.items() if user < 500 else [("waiting", 1)])
        for n in range(most)
    ]
    of_lanes = [
        {
            "user_id": user, "engine": "database", "max_running": 10, "waiting": each["waiting"],
            "ready": each["ready"] if user < 500 else 0, "completed": each["completed"] if user < 500 else 0,
        }
        for user in range(1, users)
    ]  # fmt: skip
    bench.ledger.lane(UserId(3_000), max_running=1)  # so that the engine has its clock

    over = [task["id"] for task in of_tasks if task["state"] == "completed"]
    of_attempts = [
        {
            "task_id": name,
            "fence": 0,
            "number": 1,
            "engine": "database",
            "worker_id": "w",
            "started_at": now,
            "ended_at": now,
        }
        for name in over
    ]
    told = {"seq": 1, "fence": 0, "kind": "completed", "status": "completed", "step": "", "percent": 100.0}
    of_events = [told | {"task_id": name, "message": "", "at": now} for name in over]

    def write(connection: Connection) -> None:
        connection.execute(insert(attempts), of_attempts)
        connection.execute(insert(events), of_events)
        connection.execute(insert(lanes), of_lanes)
        connection.execute(insert(tasks), of_tasks)

    bench.ledger.write(write)


def scans(plan: Plan) -> bool:
    """Does it read a table, or an index that grows with the backlog, from end to end?"""
    return any(access.table in HOT and access.whole and access.index not in SMALL for access in plan.accesses)


def sorts_a_backlog(plan: Plan) -> bool:
    """Does it sort rows that an index of ready or waiting tasks, or of lanes, gives without a limit?"""
    named = {PRIMARY, "tasks_user"}  # rows that were asked for by their key, or one batch
    return any(
        access.table in HOT and not (access.index in SMALL or (access.index in named and not access.whole))
        for access in plan.sorted
    )


def test_nothing_that_a_task_passes_through_scans_tasks_or_sorts_a_backlog(bench: Bench):
    fill(bench)
    worker, other = bench.worker(), bench.worker("other")

    made = Checkpoint("parse", "k", b"x")

    def a_days_work() -> None:
        names = bench.submit(5, 3, key="k")
        bench.ledger.known(UserId(5), "k")
        bench.ledger.room(UserId(5))
        leases = list(bench.ledger.step("database", worker, [], 10))
        for lease in leases:
            bench.ledger.begin(lease, worker)
            bench.ledger.started(lease, worker, Progress("parse", 0))
            bench.ledger.checkpoint(lease.task, "parse", "k")
        bench.ledger.note(worker, [Note(x, Progress("parse", 35), checkpoint=made) for x in leases])
        bench.ledger.progress(worker, [(lease, Progress("check", 40)) for lease in leases])
        bench.ledger.renew(worker, leases)
        outcomes = [Retry(BUSY), *[Completed(1.0)] * 9]
        ended = [Ended(lease, outcome) for lease, outcome in zip(leases, outcomes, strict=True)]
        bench.clock.pass_time(6)
        bench.ledger.step("database", worker, ended, 10)
        leased = bench.ledger.lease("database", 5)
        bench.ledger.begin_all(other, leased[:2])
        bench.ledger.hand_back(leased[2:])
        bench.ledger.cancel(TaskId("old400-ready-0"))
        bench.ledger.retry(TaskId("old400-ready-0"))
        bench.ledger.runnable("database")
        bench.ledger.queued("database", 11)
        bench.ledger.moved({lease.task: 1 for lease in leases})
        bench.ledger.events(names[0])
        bench.ledger.leave(other)
        bench.ledger.register(WorkerId("third"), "database", "host", 1, 1)
        bench.ledger.recover()

    plans = plans_of(bench.ledger, a_days_work)
    assert len(plans) > 25
    assert sum(bool(plan.accesses) for plan in plans.values()) > 25
    bad = {statement: plan for statement, plan in plans.items() if scans(plan) or sorts_a_backlog(plan)}
    assert not bad, bad


def test_parts_are_handed_over_and_shards_filled_without_reading_a_backlog(bench: Bench):
    fill(bench)
    of_shard = [Channel(frozenset({stage}), shard, 2) for stage in Stage for shard in range(2)]
    who = [WorkerId(f"w{number}") for number in range(len(of_shard))]
    for worker, channel in zip(who, of_shard, strict=True):
        bench.ledger.register(worker, "database", "host", 1, 4, channel=channel)

    def a_days_work() -> None:
        for outcome in (Paused(Stage.MODEL, 1.0), Completed(1.0)):
            leases = bench.ledger.lease("database", 8)
            assert len(leases) == 8
            bench.ledger.begin_all(who[0], leases)
            made = Checkpoint(step := type(outcome).__name__, "k", b"x")
            bench.ledger.note(who[0], [Note(x, Progress(step, 35), checkpoint=made) for x in leases])
            bench.clock.pass_time(1)
            bench.ledger.finish(who[0], [Ended(lease, outcome) for lease in leases])
            assert bench.ledger.runnable("database")

    plans = plans_of(bench.ledger, a_days_work)
    assert {access.index for plan in plans.values() for access in plan.of("lanes")} <= {"lanes_turn", PRIMARY}
    assert any("%" in statement for statement in plans)
    bad = {statement: plan for statement, plan in plans.items() if scans(plan) or sorts_a_backlog(plan)}
    assert not bad, bad


def test_what_is_kept_of_a_step_is_looked_for_by_its_key_however_few_there_were(bench: Bench):
    """PostgreSQL keeps its plans: one that was made for an empty table would read all that came into it since."""
    bench.submit(1, 2)
    worker = bench.worker()
    first, second = bench.ledger.step("database", worker, [], 2)

    def save_and_forget() -> None:
        made = Checkpoint("parse", "k", b"x")
        bench.ledger.note(worker, [Note(x, Progress("parse", 35), checkpoint=made) for x in (first, second)])
        bench.ledger.write(lambda connection: connection.execute(delete(checkpoints)) and None)
        know_sizes(bench.ledger)

    plans = plans_of(bench.ledger, save_and_forget)
    asked = [plan.of("checkpoints") for text, plan in plans.items() if "count(*)" in text and "checkpoints" in text]
    assert [[(access.index, access.whole) for access in of] for of in asked] == [[(PRIMARY, False)]]


def test_the_next_lanes_come_in_the_order_of_their_index(bench: Bench):
    fill(bench)
    worker = bench.worker()
    plans = plans_of(bench.ledger, lambda: bench.ledger.step("database", worker, [], 3))
    picks = [plan for statement, plan in plans.items() if "ORDER BY lanes.vtime" in statement]
    assert picks
    assert set(picks) == {Plan((Access("lanes", "lanes_turn", whole=False),))}
    ready = Access("tasks", "tasks_ready", whole=False)
    heads = [plan for plan in plans.values() if ready in plan.accesses]
    assert heads
    assert all(plan.of("tasks") <= {ready, Access("tasks", PRIMARY, whole=False)} for plan in heads)
    assert not any(ready in plan.sorted for plan in heads)


def test_what_no_worker_reads_is_looked_for_by_index_among_the_next(bench: Bench):
    fill(bench)
    bench.worker()
    plans = plans_of(
        bench.ledger,
        lambda: bench.ledger.read(lambda connection: unreadable(connection, bench.ledger.dialect, 0.0)),
    )
    assert {access for plan in plans.values() for access in plan.accesses if access.table in HOT} == {
        Access("lanes", "lanes_turn", whole=False),
        Access("tasks", "tasks_ready", whole=False),
        Access("tasks", PRIMARY, whole=False),
    }
    assert not any(scans(plan) or sorts_a_backlog(plan) for plan in plans.values())


@pytest.mark.parametrize(
    ("ask", "looks"),  # of all lanes for the longest wait, and of those that are shown
    [
        (lambda ledger: ledger.queue(None), 2),
        (lambda ledger: ledger.queue(UserId(5)), 2),
        (lambda ledger: ledger.queue(None, 50, 50), 3),
    ],
    ids=["everybody's", "a user's", "the longest too"],
)
def test_the_queue_asks_for_the_first_ready_task_of_each_lane_and_no_more(
    bench: Bench, ask: Callable[[SqlLedger], object], looks: int
):
    fill(bench)
    plans = plans_of(bench.ledger, lambda: ask(bench.ledger))
    ready = Access("tasks", "tasks_ready", whole=False)
    by_key = Access("tasks", PRIMARY, whole=False)
    heads = {statement: plan for statement, plan in plans.items() if ready in plan.accesses}
    assert len(heads) == looks
    for statement, plan in heads.items():
        assert re.search(r"ORDER BY tasks\.sort_key, tasks\.id\s+LIMIT", statement), statement
        assert plan.of("tasks") - {by_key} == {ready}, plan
        assert all(({"id"} if access == by_key else {"user_id"}) & access.by for access in plan.of("tasks")), plan
        # the index gives them in this order; MariaDB sorts what it found by their keys, one of each lane
        assert plan.sorted.count(ready) <= int(by_key in plan.accesses), plan
    others = [plan for statement, plan in plans.items() if statement not in heads]
    assert {access.index for plan in others for access in plan.of("tasks")} <= SMALL, others


def test_a_batch_is_found_between_its_first_and_its_last_task(bench: Bench):
    fill(bench)
    bench.submit(5, 3)
    (batch,) = {task.batch for task in bench.ledger.tasks(user=UserId(5), limit=3)}

    def look() -> None:
        bench.ledger.batch(batch)
        bench.ledger.tasks(batch=batch)

    reached = [access for plan in plans_of(bench.ledger, look).values() for access in plan.of("tasks")]
    assert len(reached) == 2
    assert all(access.index in {"tasks_user", PRIMARY} and "id" in access.by for access in reached), reached


@pytest.mark.parametrize("user", [None, UserId(5)])
def test_what_is_queued_or_runs_is_listed_without_what_has_ended(bench: Bench, user: UserId | None):
    fill(bench, users=500)
    ended = [old_task(5, "completed", n, bench.clock.now()) for n in range(10, 5_000)]
    bench.ledger.write(lambda connection: connection.execute(insert(tasks), ended) and None)
    queued = [State.READY, State.WAITING, State.LEASED]
    bench.ledger.step("database", bench.worker(), [], 10)

    def look() -> None:
        for states in (queued, [State.RUNNING]):
            page = bench.ledger.tasks(user=user, states=states, limit=3)
            bench.ledger.tasks(user=user, states=states, cursor=page[-1].id if page else "z", limit=3)

    reached = {access for plan in plans_of(bench.ledger, look).values() for access in plan.of("tasks")}
    assert not any(access.whole and access.index in {"", PRIMARY, "tasks_user"} for access in reached), reached
    assert not any(access.index == "tasks_user" for access in reached), reached


def test_what_runs_is_counted_without_the_backlog(bench: Bench):
    fill(bench)
    bench.ledger.step("database", bench.worker(), [], 10)

    def look() -> None:
        bench.ledger.members()
        bench.ledger.queue()

    plans = plans_of(bench.ledger, look)
    words = str(UNDER_WAY), UNDER_WAY.flagged
    running = [plan for statement, plan in plans.items() if any(word in statement for word in words)]
    assert len(running) == 2
    assert all({access.index for access in plan.of("tasks")} <= SMALL for plan in running), running


def test_who_had_service_is_found_at_the_end_of_each_lanes_own_index(bench: Bench):
    """However much has ended of their tasks; those who had none are asked for by no other statement."""
    fill(bench)
    plans = plans_of(bench.ledger, lambda: bench.ledger.served([], 300.0))
    ended = Access("tasks", "tasks_ended", whole=False)
    looks = [plan for plan in plans.values() if plan.of("lanes") and ended in plan.accesses]
    assert len(looks) == 1
    (look,) = looks
    assert look.of("tasks") == {ended}
    assert [access.by >= {"user_id", "state"} for access in look.accesses if access == ended] == [True, True]
    assert ended not in look.sorted
    assert {access.index for plan in plans.values() for access in plan.of("tasks")} <= {"tasks_ended", *SMALL}


def test_a_queue_is_renewed_without_a_look_at_all_lanes(bench: Bench):
    fill(bench)
    bench.worker()
    seen = bench.ledger.queue()
    plans = plans_of(bench.ledger, lambda: bench.ledger.renewed(seen))
    assert any(plan.of("workers") for plan in plans.values())
    reached = {access for plan in plans.values() for access in plan.accesses if access.table in HOT}
    assert not any(access.whole for access in reached), reached
    assert {access.index for access in reached if access.table == "lanes"} <= {"lanes_turn", "primary"}
