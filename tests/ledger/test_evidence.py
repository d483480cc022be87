"""What became of tasks in a period is told of some users, as it was at its end, through an index."""

from tests.ledger.conftest import Bench
from tests.ledger.plans import plans_of
from tests.ledger.test_contract import BUSY, claim
from tests.ledger.test_dead import BROKEN
from tests.ledger.test_plans import HOT, SMALL, fill

from paperlane.ledger.evidence import Carried, Found, of_users
from paperlane.model.tasks import Completed, Ended, Failed, Outcome, Retry, UserId


def found(bench: Bench, *users: int, since: float = 1.0, until: float = 1e12, most: int = 100) -> Found:
    rules, whose = bench.ledger.rules, [UserId(user) for user in users]
    return bench.ledger.read(lambda connection: of_users(connection, whose, since, until, rules.ageing, most))


def of(bench: Bench, user: int, **more: float) -> Carried:
    (one,) = found(bench, user, **more).tasks  # type: ignore[arg-type]
    return one


def run(bench: Bench, outcome: Outcome, seconds: float, engine: str = "database") -> None:
    """The next task of this engine runs for so long and ends so."""
    worker = bench.worker(f"of-{engine}", engine=engine)
    (lease,) = bench.ledger.step(engine, worker, [], 1)
    bench.clock.pass_time(seconds)
    bench.ledger.finish(worker, [Ended(lease, outcome)])


def test_a_task_that_completed_is_told_with_its_wait_and_what_it_held(bench: Bench):
    at = bench.clock.now()
    (task,) = bench.submit(1, cost=3.0)
    bench.clock.pass_time(20)
    run(bench, Completed(1.0), 7)
    assert of(bench, 1) == (task, 1, "database", 3.0, at, at + 20, at + 27, "completed", 1, 7.0)


def test_a_task_stands_as_it_did_at_the_end_of_the_period(bench: Bench):
    at = bench.clock.now()
    bench.submit(1)
    bench.clock.pass_time(20)
    run(bench, Completed(1.0), 10)
    assert (of(bench, 1, until=at + 10)[5:8], of(bench, 1, until=at + 25)[5:8]) == (
        (0.0, 0.0, "queued"),
        (at + 20, 0.0, "running"),
    )
    assert of(bench, 1, until=at + 30).outcome == "completed"
    assert found(bench, 1, until=at).tasks == found(bench, 1, since=at + 1).tasks == []


def test_what_waits_and_runs_is_told_too_by_the_engine_that_it_waits_for(bench: Bench):
    bench.ledger.lane(UserId(1), engine="other")
    (waiting,) = bench.submit(1)
    (running,) = bench.submit(2)
    (later,) = bench.submit(3, run_at=bench.clock.now() + 50)
    claim(bench, bench.worker(), 1)
    told = {one.task: (one.engine, one.outcome) for one in found(bench, 1, 2, 3).tasks}
    assert told == {waiting: ("other", "queued"), running: ("database", "running"), later: ("database", "queued")}


def test_a_task_that_was_put_off_could_not_start_before(bench: Bench):
    at = bench.clock.now()
    bench.submit(1, run_at=at + 50, priority=8)
    bench.clock.pass_time(60)
    run(bench, Completed(1.0), 1)
    assert (of(bench, 1).queued_at, of(bench, 1).begun_at) == (at + 50, at + 60)


def test_a_task_is_its_first_engines_whichever_ended_it(bench: Bench):
    at = bench.clock.now()
    (task,) = bench.submit(1)
    run(bench, Retry(BUSY), 5)
    bench.ledger.lane(UserId(1), engine="other")
    bench.clock.pass_time(60)
    bench.ledger.recover()
    run(bench, Completed(1.0), 7, "other")
    assert of(bench, 1) == (task, 1, "database", 1.0, at, at, at + 72, "completed", 2, 12.0)


def test_of_a_task_that_was_started_again_the_first_run_counts(bench: Bench):
    at = bench.clock.now()
    (task,) = bench.submit(1)
    run(bench, Failed(BROKEN), 5)
    bench.clock.pass_time(1_000)
    bench.ledger.retry(task)
    run(bench, Completed(1.0), 3)
    assert of(bench, 1) == (task, 1, "database", 1.0, at, at, at + 5, "failed", 1, 5.0)


def test_one_that_was_cancelled_between_two_tries_counts_as_that_though_it_was_started_again(bench: Bench):
    (task,) = bench.submit(1)
    run(bench, Retry(BUSY), 5)
    bench.ledger.cancel(task)
    bench.ledger.retry(task)
    run(bench, Completed(1.0), 3)
    assert (of(bench, 1).outcome, of(bench, 1).seconds) == ("cancelled", 5.0)


def test_what_runs_has_held_its_slot_so_far_and_what_gave_its_turn_back_no_longer(bench: Bench):
    def held() -> float:
        return of(bench, 1, until=bench.clock.now()).seconds

    bench.submit(1)
    run(bench, Retry(BUSY), 5)
    bench.clock.pass_time(10_000)
    assert held() == 5.0
    bench.ledger.recover()
    claim(bench, bench.worker(), 1)
    bench.clock.pass_time(7)
    assert (held(), of(bench, 1, until=bench.clock.now() - 4).seconds) == (12.0, 8.0)


def test_one_that_was_cancelled_long_after_its_only_try_held_a_slot_for_no_longer_than_that(bench: Bench):
    (task,) = bench.submit(1)
    run(bench, Retry(BUSY), 5)
    bench.clock.pass_time(10_000)
    bench.ledger.cancel(task)
    assert (of(bench, 1).outcome, of(bench, 1).seconds) == ("cancelled", 5.0)


def test_no_more_is_read_than_asked_for_and_of_one_user_the_latest(bench: Bench):
    tasks = bench.submit(1, 3)
    for _ in tasks:
        run(bench, Completed(1.0), 1)
    bench.submit(2)
    some, all_of_them = found(bench, 1, most=2), found(bench, 1, 2, most=3)
    assert ([one.task for one in some.tasks], some.cut) == (tasks[:0:-1], True)
    assert (len(all_of_them.tasks), all_of_them.cut) == (4, False)


def test_it_is_found_without_going_through_all_that_users_have(bench: Bench):
    fill(bench)
    bench.submit(1, 2)
    claim(bench, bench.worker(), 1)
    plans = plans_of(bench.ledger, lambda: found(bench, *range(1, 65)))
    reached = [(one, statement) for statement, plan in plans.items() for table in HOT for one in plan.of(table)]
    assert not [told for told in reached if told[0].whole and told[0].index not in SMALL], reached
    late = "tasks_waiting" if bench.ledger.dialect.writer.dialect.name == "mysql" else "tasks_late"  # it has none
    by = {one.index for one, _ in reached if one.table == "tasks"}
    assert by == {"tasks_ended", "tasks_ready", late, "tasks_worker"}, reached
