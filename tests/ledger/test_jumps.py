"""A clock that is set back puts nothing off, and one that is set forward makes nothing old."""

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from sqlalchemy import event
from tests.ledger.conftest import Bench
from tests.ledger.test_contract import BUSY, claim

from paperlane.ledger import Chore, Doubt, Kept, Mark
from paperlane.ledger.sql import SqlLedger
from paperlane.model.schedules import NewSchedule, Schedule, ScheduleId
from paperlane.model.tasks import (
    Completed,
    Ended,
    NewTask,
    Outcome,
    Recovery,
    Renewal,
    Retry,
    State,
    TaskId,
    UserId,
    Yielded,
)

HOUR, DAY = 3_600.0, 86_400.0

Sweep = Callable[[Bench], Recovery]


def this_one(bench: Bench) -> Recovery:
    return bench.ledger.recover()


def another_process(bench: Bench) -> Recovery:
    """One that was started since, so that it has not seen the clock as it was."""
    fresh = SqlLedger(bench.ledger.dialect, bench.ledger.rules, clock=bench.clock)
    return fresh.recover()


SWEPT_BY = pytest.mark.parametrize("sweep", [this_one, another_process])


def put_off(bench: Bench, outcome: Outcome, user: int = 1) -> TaskId:
    (name,) = bench.submit(user)
    worker = bench.worker()
    (lease,) = claim(bench, worker)
    bench.ledger.finish(worker, [Ended(lease, outcome)])
    return name


def wait_of(bench: Bench, task: TaskId) -> float:
    return bench.ledger.task(task).run_at - bench.clock.now()


@SWEPT_BY
class TestTasks:
    @pytest.mark.parametrize(("outcome", "wait"), [(Retry(BUSY), 5.0), (Yielded(after=50.0), 50.0)], ids=str)
    def test_what_was_put_off_waits_no_longer_than_it_was_to(
        self, bench: Bench, sweep: Sweep, outcome: Outcome, wait: float
    ):
        bench.ledger.recover()
        name = put_off(bench, outcome)
        bench.clock.jumped = -HOUR
        assert sweep(bench).late == 1
        assert wait_of(bench, name) == pytest.approx(wait)
        assert sweep(bench).late == 0
        bench.clock.pass_time(wait + 1)
        assert [lease.task for lease in claim(bench, bench.worker())] == [name]
        assert [told.kind for told in bench.ledger.events(name)][-3:] == ["put off", "due", "begun"]

    def test_so_does_each_of_many(self, bench: Bench, sweep: Sweep):
        for user in range(1, 212):
            bench.submit(user)
        worker = bench.worker(slots=100)
        while leases := claim(bench, worker, 100):
            bench.ledger.finish(worker, [Ended(lease, Retry(BUSY)) for lease in leases])
        bench.clock.jumped = -HOUR
        assert sweep(bench).late == 211
        bench.clock.pass_time(6)
        assert bench.ledger.runnable("database")

    def test_what_a_person_put_off_waits_for_its_time(self, bench: Bench, sweep: Sweep):
        (later,) = bench.submit(1, run_at=bench.clock.now() + 60)
        bench.clock.jumped = -HOUR
        assert sweep(bench).late == 0
        assert wait_of(bench, later) == HOUR + 60

    def test_what_was_put_off_since_or_a_moment_ago_stays_as_it_is(self, bench: Bench, sweep: Sweep):
        before = put_off(bench, Retry(BUSY))
        bench.clock.jumped = -8.0  # as clocks are set right while they run
        since = put_off(bench, Yielded(after=1_000.0), 2)
        assert sweep(bench).late == 0
        assert (wait_of(bench, before), wait_of(bench, since)) == (13.0, 1_000.0)

    def test_one_that_was_cancelled_stays_so(self, bench: Bench, sweep: Sweep):
        name = put_off(bench, Retry(BUSY))
        bench.ledger.cancel(name)
        bench.clock.jumped = -HOUR
        assert sweep(bench).late == 0
        assert bench.ledger.task(name).state is State.CANCELLED


def test_who_has_looked_looks_again_only_after_a_jump(bench: Bench):
    statements: list[str] = []
    bench.ledger.recover()
    event.listen(bench.ledger.dialect.writer, "before_cursor_execute", lambda *given: statements.append(given[2]))
    bench.ledger.recover()
    assert statements
    assert not any("schedules" in statement or "fence > " in statement for statement in statements)


class TestLeases:
    def test_who_has_not_seen_the_jump_lets_workers_renew_first(self, bench: Bench):
        alive, dead = bench.worker("alive"), bench.worker("dead")
        bench.submit(1, 2)
        (mine,), (lost,) = claim(bench, alive, 1), claim(bench, dead, 1)
        bench.clock.jumped = -HOUR
        fresh = SqlLedger(bench.ledger.dialect, bench.ledger.rules, clock=bench.clock)
        for _ in range(3):
            assert fresh.recover() == Recovery()
            bench.clock.pass_time(10)
            bench.ledger.renew(alive, [mine])
        assert fresh.recover() == Recovery(expired=1, workers=1)
        assert bench.ledger.renew(alive, [mine]).lost == ()
        assert bench.ledger.task(lost.task).state is State.READY
        fresh.recover()
        bench.submit(2, 1)
        claim(bench, alive, 1)
        bench.ledger.leave(alive)
        bench.clock.pass_time(HOUR)
        assert fresh.recover() == Recovery()

    def test_who_has_just_started_lets_workers_renew_first(self, bench: Bench):
        """The clock was set forward a moment ago, or the database was away: it cannot know."""
        alive, dead = bench.worker("alive"), bench.worker("dead")
        bench.submit(1, 2)
        (mine,), (lost,) = claim(bench, alive, 1), claim(bench, dead, 1)
        bench.clock.jumped = HOUR
        fresh = SqlLedger(bench.ledger.dialect, bench.ledger.rules, clock=bench.clock)
        for _ in range(2):
            assert fresh.recover() == Recovery()
            bench.clock.pass_time(10)
            bench.ledger.renew(alive, [mine])
        assert fresh.recover() == Recovery(expired=1, workers=1)
        assert bench.ledger.task(lost.task).state is State.READY

    def test_what_began_before_the_clock_was_set_back_is_over_soon(self, bench: Bench):
        """Its worker dies at once: it last told that it lives before the clock was wrong."""
        worker = bench.worker()
        bench.submit(1)
        bench.clock.jumped = HOUR
        (lease,) = claim(bench, worker)
        bench.clock.jumped = 0.0
        bench.ledger.recover()
        bench.clock.pass_time(2 * bench.ledger.rules.lease)
        assert bench.ledger.recover().expired == 1
        assert bench.ledger.task(lease.task).state is State.READY

    def test_what_a_worker_does_not_name_is_over_soon_all_the_same(self, bench: Bench):
        """Its end could not be told, or its claim was never heard; and then the worker dies."""
        worker = bench.worker()
        bench.submit(1, 2)
        cancelled, other = claim(bench, worker, 2)
        bench.ledger.cancel(cancelled.task)
        bench.clock.jumped = HOUR
        assert bench.ledger.renew(worker, [cancelled, other]).cancelled == (cancelled,)
        bench.clock.jumped = 0.0
        assert bench.ledger.renew(worker, [other]) == Renewal(lost=(), cancelled=(), granted=10)
        bench.ledger.recover()
        bench.clock.pass_time(2 * bench.ledger.rules.lease)
        assert bench.ledger.recover().expired == 2
        assert bench.ledger.task(cancelled.task).state is State.CANCELLED


@SWEPT_BY
class TestSchedules:
    def make(self, bench: Bench, user: int = 1) -> Schedule:
        new = NewSchedule(
            ScheduleId(f"s{user}"), UserId(user), "often", "0 * * * *", "UTC", [NewTask(TaskId(""), b"{}")], 5
        )
        return bench.ledger.add_schedule(new)

    def next_at(self, bench: Bench) -> float:
        return bench.ledger.schedule(UserId(1), "often").next_at

    def next_hour(self, bench: Bench) -> float:
        return (bench.clock.now() // HOUR + 1) * HOUR

    def test_one_comes_due_the_next_time_that_it_names(self, bench: Bench, sweep: Sweep):
        made = self.make(bench)
        bench.clock.jumped = -10 * DAY
        assert sweep(bench).late == 1
        assert self.next_at(bench) == self.next_hour(bench) < made.next_at
        assert sweep(bench).late == 0

    def test_one_that_was_fired_comes_due_too(self, bench: Bench, sweep: Sweep):
        made = self.make(bench)
        bench.clock.at = made.next_at
        assert bench.ledger.fire(made.id, lambda: "one") is not None
        bench.clock.jumped = -2 * HOUR - 60
        assert sweep(bench).late == 1
        assert self.next_at(bench) == self.next_hour(bench)
        bench.clock.pass_time(HOUR)
        assert bench.ledger.fire(made.id, lambda: "two") is not None

    def test_a_time_that_was_fired_a_moment_ago_does_not_come_again(self, bench: Bench, sweep: Sweep):
        made = self.make(bench)
        bench.clock.at = made.next_at
        assert bench.ledger.fire(made.id, lambda: "one") is not None
        bench.clock.jumped = -8.0
        assert sweep(bench).late == 0
        assert self.next_at(bench) == made.next_at + HOUR

    def test_one_that_is_paused_or_due_stays_as_it_is(self, bench: Bench, sweep: Sweep):
        made = self.make(bench)
        bench.ledger.change_schedule(made.id, paused=True)
        bench.clock.jumped = -DAY
        assert sweep(bench).late == 0
        bench.clock.jumped = 0.0
        bench.ledger.change_schedule(made.id, paused=False)
        bench.clock.at = made.next_at + 60
        assert sweep(bench).late == 0
        assert bench.ledger.due() == [made.id]

    def test_all_of_many_are_looked_at(self, bench: Bench, sweep: Sweep):
        for user in range(1, 252):
            self.make(bench, user)
        bench.clock.jumped = -DAY
        assert sweep(bench).late == 251


class TestChores:
    def test_one_comes_up_again_as_soon_as_ever(self, bench: Bench):
        assert bench.ledger.begin_chore("retention", HOUR) is not None
        bench.clock.jumped = -5.0
        assert bench.ledger.begin_chore("retention", HOUR) is None  # it was done a moment ago
        bench.clock.jumped = -DAY
        assert bench.ledger.begin_chore("retention", HOUR) == Chore(bench.clock.now(), 0.0)
        assert bench.ledger.begin_chore("retention", HOUR) is None

    def test_what_happens_now_is_not_taken_for_done(self, bench: Bench):
        begun = bench.ledger.begin_chore("retention", HOUR)
        assert begun is not None
        bench.ledger.end_chore("retention", begun.at - 60)
        bench.clock.jumped = -DAY
        assert bench.ledger.begin_chore("retention", HOUR) == Chore(bench.clock.now(), 0.0)
        bench.ledger.end_chore("retention", bench.clock.now() - 60)
        bench.clock.pass_time(HOUR)
        assert bench.ledger.begin_chore("retention", HOUR) == Chore(bench.clock.now(), bench.clock.now() - HOUR - 60)


def fresh_process(bench: Bench) -> SqlLedger:
    return SqlLedger(bench.ledger.dialect, bench.ledger.rules, clock=bench.clock)


def begins(bench: Bench, ledger: SqlLedger | None = None) -> bool:
    """Does a process get the turn? False for one that doubts the clock."""
    begun = (ledger or bench.ledger).begin_chore("retention", HOUR)
    assert begun is not None
    return begun == Chore(bench.clock.now(), begun.done_until if isinstance(begun, Chore) else 0.0)


class TestDoubt:
    """What is deleted by a wrong clock is gone for good."""

    @pytest.mark.parametrize("ran", ["until then", "from then on"])
    def test_a_clock_that_is_set_forward_for_a_moment_is_not_believed(self, bench: Bench, ran: str):
        assert begins(bench)
        bench.clock.pass_time(60)
        bench.clock.jumped = 365 * DAY
        process = bench.ledger if ran == "until then" else fresh_process(bench)
        for _ in range(3):
            assert process.begin_chore("retention", HOUR) == Doubt(
                "By the clock nothing was looked for in 8,760.0 hours: nobody ran, or it was set forward."
                " It is believed once it was steady for an hour."
            )
            bench.clock.pass_time(40)
        bench.clock.jumped = 0.0
        assert process.begin_chore("retention", HOUR) is None
        bench.clock.pass_time(HOUR)
        assert begins(bench, process)

    @pytest.mark.parametrize("process", [lambda bench: bench.ledger, fresh_process], ids=["runs on", "starts"])
    def test_after_a_month_without_anybody_it_is_believed_within_an_hour(
        self, bench: Bench, process: Callable[[Bench], SqlLedger]
    ):
        assert begins(bench)
        bench.clock.jumped = 30 * DAY  # this process slept too, so that its own clock stood still
        starts = process(bench)
        assert not begins(bench, starts)
        bench.clock.pass_time(HOUR - 1)
        assert not begins(bench, starts)
        bench.clock.pass_time(1)
        assert begins(bench, starts)

    def test_who_sees_it_jump_begins_to_wait_anew(self, bench: Bench):
        assert begins(bench)
        for _ in range(3):
            bench.clock.jumped += 30 * DAY
            assert not begins(bench)
            bench.clock.pass_time(HOUR - 1)
        bench.clock.pass_time(1)
        assert begins(bench)

    def test_a_night_is_no_long_time(self, bench: Bench):
        assert begins(bench)
        bench.clock.jumped = 17 * HOUR
        assert begins(bench, fresh_process(bench))

    def test_who_ran_all_the_time_needs_no_other_witness(self, bench: Bench):
        """As when the database was away for days."""
        assert begins(bench)
        bench.clock.pass_time(30 * DAY)
        assert begins(bench)

    @pytest.mark.parametrize("apart", [HOUR + 60, -HOUR - 60])
    def test_clocks_of_two_machines_that_differ_are_not_believed(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, apart: float
    ):
        ledger = SqlLedger(bench.ledger.dialect, bench.ledger.rules)  # by the database's own clock
        own = SimpleNamespace(time=lambda: time.time() + apart, monotonic=time.monotonic, sleep=time.sleep)
        with monkeypatch.context() as patch:
            patch.setattr("paperlane.ledger.transactions.time", own)
            assert ledger.begin_chore("retention", HOUR) == Doubt(
                "The database's clock and this machine's own are 1.0 hours apart."
            )
        assert isinstance(ledger.begin_chore("retention", HOUR), Chore)

    def test_nothing_is_older_than_it_was_when_the_turn_began(self, bench: Bench):
        worker = bench.worker()
        bench.submit(1, 2)
        for lease in claim(bench, worker):
            bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        begun = bench.ledger.begin_chore("retention", HOUR)
        assert isinstance(begun, Chore)
        bench.clock.jumped = 365 * DAY
        kept = Kept(most=1, until=begun.at)
        page = bench.ledger.overdue(kept, 0.0, UserId(-1))
        assert (page.forget, page.trim) == ([], [])
        assert bench.ledger.forget(UserId(1), kept) == 0
        assert bench.ledger.trim(UserId(1), kept, Mark(0.0)).tasks == 0
        assert bench.ledger.trim(UserId(1), Kept(), Mark(0.0)).tasks == 2
        assert bench.ledger.forget(UserId(1), Kept()) == 2
