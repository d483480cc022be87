"""What the ledger promises when old tasks go: a page at a time, whole, and nothing that waits, runs or starts again."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select
from tests.ledger.conftest import Bench
from tests.ledger.plans import PRIMARY, Access, plans_of
from tests.ledger.test_contract import BUSY
from tests.ledger.test_plans import fill

from paperlane.errors import NotFound
from paperlane.hosting import open_ledger
from paperlane.ledger import Chore, Kept, Mark, retention
from paperlane.ledger.retention import AT_ONCE
from paperlane.ledger.schema import attempts, batches, checkpoints, events, tasks
from paperlane.model.tasks import (
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Outcome,
    Progress,
    State,
    TaskId,
    UserId,
)

MakeBench = Callable[..., Bench]
DAY = 86_400.0
FOR_EVER = Kept(finished=0, failed=0, most=0, steps=0)
TABLES = (tasks, batches, attempts, events, checkpoints)


def run(bench: Bench, user: int, count: int = 1, outcome: Outcome | None = None) -> list[TaskId]:
    """Tasks of one batch that ran two steps and ended."""
    names = bench.submit(user, count)
    worker = bench.worker(slots=100)
    bench.ledger.lane(UserId(user), max_running=100)
    while leases := bench.ledger.step("database", worker, [], 100):
        for lease in leases:
            for number, step in enumerate(("parse", "report")):
                bench.ledger.started(lease, worker, Progress(step, number * 50))
                bench.ledger.save(lease, worker, Checkpoint(step, "k", b"x"), Progress(step, number * 50 + 40))
        bench.ledger.finish(worker, [Ended(lease, outcome or Completed(1.0)) for lease in leases])
    return names


def left(bench: Bench) -> list[TaskId]:
    return [task.id for task in bench.ledger.tasks(limit=1_000)][::-1]


def rows(bench: Bench) -> list[int]:
    def counts(connection: Connection) -> list[int]:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES]

    return bench.ledger.read(counts)


def forget(bench: Bench, kept: Kept, user: int = 1) -> int:
    """All that the user must lose, page by page."""
    whole = 0
    while count := bench.ledger.forget(UserId(user), kept):
        assert count <= AT_ONCE
        whole += count
    return whole


class TestForgetting:
    def test_a_task_goes_when_it_is_too_old_with_all_that_belongs_to_it(self, bench: Bench):
        kept = Kept(finished=10 * DAY, failed=0, most=0)
        run(bench, 1, 3)
        bench.clock.pass_time(5 * DAY)
        younger = run(bench, 1, 2)
        bench.clock.pass_time(5 * DAY - 1)
        assert forget(bench, kept) == 0
        bench.clock.pass_time(1)
        assert forget(bench, kept) == 3
        assert left(bench) == younger
        assert rows(bench) == [2, 1, 2, 2 * 7, 4]
        bench.clock.pass_time(5 * DAY)
        forget(bench, kept)
        assert rows(bench) == [0, 0, 0, 0, 0]

    def test_dead_letters_are_kept_longer_with_their_input_and_start_again(self, bench: Bench):
        kept = Kept(finished=10 * DAY, failed=30 * DAY, most=0)
        (dead,) = run(bench, 1, outcome=Failed(BUSY))
        (stopped,) = bench.submit(1)
        bench.ledger.cancel(stopped)
        bench.clock.pass_time(29 * DAY)
        assert forget(bench, kept) == 1
        assert left(bench) == [dead]
        assert bench.ledger.retry(dead).payload == b'{"n": 1}'
        assert bench.ledger.checkpoint(dead, "parse") == b"x"
        bench.clock.pass_time(30 * DAY)
        assert forget(bench, kept) == 0  # it waits now
        bench.ledger.cancel(dead)
        bench.clock.pass_time(10 * DAY)
        assert forget(bench, kept) == 1

    def test_the_newest_of_each_outcome_are_kept(self, bench: Bench):
        kept = Kept(finished=0, failed=0, most=2)
        names = []
        for _ in range(4):
            names += run(bench, 1)
            bench.clock.pass_time(60)
        dead = run(bench, 1, 2, Failed(BUSY))
        other = run(bench, 2, 2)
        bench.clock.pass_time(DAY)
        assert forget(bench, kept) == 2
        assert left(bench) == names[2:] + dead + other

    def test_of_those_that_ended_together_no_more_go_than_must(self, bench: Bench):
        run(bench, 1, 10)
        bench.clock.pass_time(DAY)
        assert forget(bench, Kept(finished=0, failed=0, most=7)) == 3
        assert len(left(bench)) == 7

    def test_a_batch_goes_with_its_last_task(self, bench: Bench):
        first, second = run(bench, 1, 2)
        batch = bench.ledger.task(first).batch
        bench.clock.pass_time(DAY)
        assert forget(bench, Kept(most=1)) == 1
        assert bench.ledger.batch(batch).counts == {"completed": 1}
        assert left(bench) == [second]
        bench.clock.pass_time(90 * DAY)
        forget(bench, Kept())
        with pytest.raises(NotFound):
            bench.ledger.batch(batch)

    def test_nothing_goes_on_the_day_it_ended(self, make_bench: MakeBench):
        """So an Idempotency-Key holds, and whoever waits for an end sees it."""
        bench = make_bench(key_kept=3_600.0)
        run(bench, 1, 5)
        bench.clock.pass_time(3_599)
        assert forget(bench, Kept(finished=1.0, most=1)) == 0
        bench.clock.pass_time(1)
        assert forget(bench, Kept(finished=1.0, most=1)) == 5

    def test_what_waits_or_runs_is_never_touched(self, bench: Bench):
        worker = bench.worker()
        running = bench.submit(1, 2)
        bench.ledger.step("database", worker, [], 2)
        later = bench.submit(1, 2, run_at=bench.clock.now() + 10_000 * DAY)
        ready = bench.submit(1, 2)
        before = rows(bench)
        bench.clock.pass_time(1_000 * DAY)
        kept = Kept(finished=1.0, failed=1.0, most=1, steps=1.0)
        assert forget(bench, kept) == 0
        assert bench.ledger.trim(UserId(1), kept, Mark(0.0)).tasks == 0
        assert (left(bench), rows(bench)) == ([*running, *later, *ready], before)

    def test_for_ever_is_for_ever(self, bench: Bench):
        names = run(bench, 1, 2) + run(bench, 1, 1, Failed(BUSY))
        before = rows(bench)
        bench.clock.pass_time(10_000 * DAY)
        page = bench.ledger.overdue(FOR_EVER, 0.0, UserId(-1))
        assert (page.forget, page.trim) == ([], [])
        assert forget(bench, FOR_EVER) == 0
        assert bench.ledger.trim(UserId(1), FOR_EVER, Mark(0.0)).tasks == 0
        assert (left(bench), rows(bench)) == (names, before)

    def test_another_room_forgets_in_the_same_transaction(self, bench: Bench):
        (name,) = run(bench, 1)
        bench.clock.pass_time(DAY)
        row = {"task_id": "t", "step": "s", "key": "k", "fence": 0, "created_at": 0.0, "result": b""}

        def joins(connection: Connection, gone: list[TaskId]) -> None:
            assert gone == [name]
            connection.execute(insert(checkpoints), row)

        def fails(connection: Connection, gone: list[TaskId]) -> None:
            joins(connection, gone)
            raise RuntimeError

        kept, before = Kept(finished=DAY), rows(bench)
        with pytest.raises(RuntimeError):
            bench.ledger.forget(UserId(1), kept, fails)  # type: ignore[arg-type]
        assert rows(bench) == before
        assert bench.ledger.forget(UserId(1), kept, joins) == 1  # type: ignore[arg-type]
        assert rows(bench)[-1] == 1

    def test_a_page_is_small(self, bench: Bench):
        run(bench, 1, AT_ONCE)
        run(bench, 1, 1, Failed(BUSY))
        bench.clock.pass_time(400 * DAY)
        assert bench.ledger.forget(UserId(1), Kept()) == AT_ONCE
        assert bench.ledger.forget(UserId(1), Kept()) == 1

    def test_one_that_starts_again_meanwhile_stays_or_is_gone_whole(self, bench: Bench):
        names = bench.submit(1, 300)
        for name in names:
            bench.ledger.cancel(name)
        bench.clock.pass_time(100 * DAY)

        def start_again(name: TaskId) -> bool:
            try:
                return bench.ledger.retry(name).state is State.READY
            except NotFound:
                return False

        with ThreadPoolExecutor(3) as threads:
            gone = [threads.submit(forget, bench, Kept()) for _ in range(2)]
            started = sum(threads.map(start_again, reversed(names)))
            forgotten = sum(one.result() for one in gone)
        assert started + forgotten == 300
        assert [task.state for task in bench.ledger.tasks(limit=1_000)] == [State.READY] * started


class TestTrimming:
    KEPT = Kept(steps=3 * DAY, results=("report",))

    def test_steps_go_sooner_and_what_people_read_stays(self, bench: Bench):
        (name,) = run(bench, 1)
        task, (attempt,) = bench.ledger.task(name), bench.ledger.attempts(name)
        assert len(attempt.steps) == 2
        bench.clock.pass_time(3 * DAY - 1)
        assert bench.ledger.trim(UserId(1), self.KEPT, Mark(0.0)).tasks == 0
        bench.clock.pass_time(1)
        assert bench.ledger.trim(UserId(1), self.KEPT, Mark(0.0)).tasks == 1
        assert bench.ledger.task(name) == task
        assert bench.ledger.checkpoint(name, "report") == b"x"
        assert bench.ledger.checkpoint(name, "parse") is None
        (after,) = bench.ledger.attempts(name)
        assert (after.outcome, after.ended_at, after.steps) == ("completed", attempt.ended_at, ())
        (end,) = bench.ledger.events(name)
        assert (end.seq, end.kind) == (task.seq, "completed")

    def test_a_failed_task_keeps_what_it_needs_to_go_on(self, bench: Bench):
        (name,) = run(bench, 1, outcome=Failed(BUSY))
        bench.clock.pass_time(4 * DAY)
        assert bench.ledger.trim(UserId(1), self.KEPT, Mark(0.0)).tasks == 0
        assert bench.ledger.checkpoint(name, "parse") == b"x"

    def test_pages_go_on_where_the_last_one_ended(self, bench: Bench):
        names = run(bench, 1, AT_ONCE + 5)  # that end at the same instant
        bench.clock.pass_time(4 * DAY)
        first = bench.ledger.trim(UserId(1), self.KEPT, Mark(0.0))
        assert first.onward is not None
        rest = bench.ledger.trim(UserId(1), self.KEPT, first.onward)
        assert (first.tasks, rest.tasks, rest.onward) == (AT_ONCE, 5, None)
        assert rows(bench)[-2:] == [len(names), len(names)]


class TestTurns:
    def test_a_chore_is_one_processs_at_a_time_and_comes_up_again(self, bench: Bench):
        begun = bench.ledger.begin_chore("retention", 3_600)
        assert begun == Chore(bench.clock.at, 0.0)
        assert bench.ledger.begin_chore("retention", 3_600) is None
        bench.ledger.end_chore("retention", 77.0)
        bench.clock.pass_time(3_600)
        assert bench.ledger.begin_chore("retention", 3_600) == Chore(bench.clock.at, 77.0)
        bench.ledger.end_chore("retention", 76.0)  # by one that took very long
        bench.clock.pass_time(3_600)
        again = bench.ledger.begin_chore("retention", 3_600)
        assert (again is not None, again and again.done_until) == (True, 77.0)
        assert bench.ledger.begin_chore("nonsense", 3_600) is None

    def test_who_saw_it_due_before_another_took_it_has_no_turn(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(retention, "is_due", lambda *_: True)
        turns = [bench.ledger.begin_chore("retention", 3_600) is not None for _ in range(2)]
        assert turns == [True, False]

    def test_of_many_processes_one_has_the_turn(self, tmp_path: Path):
        ledgers = [open_ledger(f"sqlite:///{tmp_path}/ledger.db") for _ in range(4)]
        with ThreadPoolExecutor(4) as threads:
            turns = list(threads.map(lambda ledger: ledger.begin_chore("retention", 3_600), ledgers * 3))
        assert sum(turn is not None for turn in turns) == 1
        for ledger in ledgers:
            ledger.close()

    def test_users_are_found_page_by_page(self, bench: Bench):
        for user in range(1, 251):
            bench.submit(user)
        old = [7, 201, 250]
        for user in old:
            bench.ledger.cancel(bench.ledger.tasks(user=UserId(user))[0].id)
        bench.clock.pass_time(50 * DAY)
        completed = UserId(9)
        run(bench, completed)
        bench.clock.pass_time(40 * DAY)
        found, trim, after = [], [], UserId(-1)
        while after is not None:
            page = bench.ledger.overdue(Kept(), 0.0, after)
            found, trim, after = [*found, *page.forget], [*trim, *page.trim], page.last
        assert (sorted(found), completed in trim) == (old, True)
        assert bench.ledger.overdue(Kept(), bench.clock.at - 14 * DAY, UserId(0)).trim == []  # done up to there

    @pytest.mark.parametrize("outcome", [Completed(), Failed(BUSY)], ids=["completed", "failed"])
    def test_who_has_more_than_are_kept_is_found(self, bench: Bench, outcome: Outcome):
        kept = Kept(finished=0, failed=0, most=3, steps=0)
        for user in (1, 2):
            run(bench, user, 3, outcome)
        run(bench, 2, 1, Completed() if isinstance(outcome, Failed) else Failed(BUSY))  # of another outcome
        run(bench, 3, 4, outcome)
        bench.clock.pass_time(DAY - 1)
        assert bench.ledger.overdue(kept, 0.0, UserId(-1)).forget == []  # nothing goes on the day it ended
        bench.clock.pass_time(1)
        assert bench.ledger.overdue(kept, 0.0, UserId(-1)).forget == [3]
        for most in (4, 0):
            assert bench.ledger.overdue(replace(kept, most=most), 0.0, UserId(-1)).forget == []

    def test_who_has_steps_to_lose_is_found(self, bench: Bench):
        kept = Kept(steps=3 * DAY)
        run(bench, 1)
        bench.clock.pass_time(DAY)
        run(bench, 2)
        run(bench, 3, outcome=Failed(BUSY))
        bench.clock.pass_time(2 * DAY)
        begun = bench.clock.now() - 3 * DAY
        run(bench, 1)
        assert bench.ledger.overdue(kept, 0.0, UserId(-1)).trim == [1]
        assert bench.ledger.overdue(kept, begun, UserId(-1)).trim == []  # it was trimmed, and the other one is young
        bench.clock.pass_time(DAY)
        assert bench.ledger.overdue(kept, begun, UserId(-1)).trim == [2]


def test_a_look_for_what_is_old_goes_no_further_than_it_must(bench: Bench):
    """Whatever it asks of tasks is asked in the order of their index, and has a limit."""
    run(bench, 301, 3)
    for user in range(1, 300):
        bench.submit(user, 3)
    for task in bench.ledger.tasks(limit=500):
        if not task.state.ended:
            bench.ledger.cancel(task.id)
    bench.clock.pass_time(20 * DAY)
    plans = plans_of(bench.ledger, lambda: bench.ledger.overdue(Kept(most=3), 0.0, UserId(150)))
    looks = {statement: plan for statement, plan in plans.items() if "FROM tasks" in statement}
    assert len(looks) == 4  # at each one's first and last, at how many all have, at how many one has, at whose steps
    for statement, plan in looks.items():
        ends = re.findall(r"ORDER BY tasks\.[\w., ]+\s+LIMIT", statement)
        assert len(ends) == statement.count("FROM tasks"), statement
        assert plan.of("tasks") == {Access("tasks", "tasks_ended", whole=False)}, plan
        assert all("user_id" in access.by for access in plan.of("tasks")), plan
        assert not plan.sorts, plan


def test_retention_reads_and_deletes_by_index(bench: Bench):
    fill(bench, users=500)
    step = {"step": "parse", "key": "k", "fence": 0, "created_at": 0.0, "result": b"x"}
    kept = [{"task_id": f"old{user}-completed-{n}", **step} for user in range(1, 500) for n in range(10)]
    bench.ledger.write(lambda connection: connection.execute(insert(checkpoints), kept) and None)
    bench.clock.pass_time(400 * DAY)

    def a_run() -> None:
        bench.ledger.overdue(Kept(), 0.0, UserId(-1))
        assert bench.ledger.trim(UserId(250), Kept(), Mark(0.0)).tasks == 10
        assert bench.ledger.forget(UserId(250), Kept()) == 10

    plans = plans_of(bench.ledger, a_run)
    assert len(plans) > 8
    whole = [access for plan in plans.values() for access in plan.accesses if access.whole]
    assert (whole, [plan for plan in plans.values() if plan.sorts]) == ([], [])
    by = {access.index for plan in plans.values() for access in plan.of("tasks")}
    assert by <= {"tasks_ended", "tasks_user", PRIMARY}
