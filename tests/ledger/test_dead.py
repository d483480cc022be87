"""Dead letters: what failed for good is kept whole, listed, started again or discarded."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection, insert
from tests.ledger.conftest import Bench
from tests.ledger.plans import PRIMARY, Access, plans_of
from tests.ledger.test_contract import BUSY, claim
from tests.ledger.test_plans import fill

from paperlane.errors import BadRequest
from paperlane.ledger import dead
from paperlane.ledger.dead import cursor_of
from paperlane.ledger.schema import checkpoints, tasks
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import (
    Checkpoint,
    Completed,
    DeadLetter,
    Ended,
    Failed,
    Fault,
    Handled,
    Letters,
    Progress,
    Retry,
    State,
    TaskId,
    UserId,
)

MakeBench = Callable[..., Bench]
BROKEN = Fault("damaged_file", "The file is damaged.", "Save it anew.")
SLOW = Fault("step_timeout", "A step took too long.")
EVERY = Letters()


def fail(bench: Bench, user: int, count: int = 1, fault: Fault = BROKEN) -> list[TaskId]:
    """So many tasks of a user that failed, a second apart."""
    names = bench.submit(user, count)
    bench.ledger.lane(UserId(user), max_running=1_000)
    worker = bench.worker(slots=100)
    while leases := claim(bench, worker, 100):
        for lease in leases:
            bench.clock.pass_time(1)
            bench.ledger.finish(worker, [Ended(lease, Failed(fault))])
    return names


def ids(letters: Sequence[DeadLetter]) -> list[TaskId]:
    return [letter.task.id for letter in letters]


def all_of(act: Callable[..., Handled], which: Letters) -> Handled:
    """Page by page, to the end."""
    cursor, pages = "", []
    while not pages or cursor:
        pages.append(act(which, cursor))
        cursor = pages[-1].cursor
    left = [one for page in pages for one in page.left]
    return Handled(sum(page.done for page in pages), left)


class TestListing:
    def test_what_failed_is_one_until_it_is_started_again_or_discarded(self, bench: Bench):
        replayed, discarded, stays = fail(bench, 1, 3)
        bench.submit(1)
        assert ids(bench.ledger.dead(EVERY)) == [stays, discarded, replayed]
        bench.ledger.retry(replayed)
        bench.ledger.discard(Letters(ids=[discarded]))
        assert ids(bench.ledger.dead(EVERY)) == [stays]
        assert bench.ledger.task(discarded).state is State.FAILED
        assert bench.ledger.task(discarded).fault == BROKEN

    def test_nothing_else_that_ended_is_one(self, bench: Bench):
        done, cancelled = bench.submit(1, 2)
        bench.ledger.cancel(cancelled)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        assert (lease.task, bench.ledger.dead(EVERY), bench.ledger.causes(EVERY)) == (done, [], {})

    def test_it_keeps_cause_history_and_input(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        for _ in range(4):
            (lease,) = claim(bench, worker)
            bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
            bench.clock.pass_time(60)
        (letter,) = bench.ledger.dead(EVERY)
        assert (letter.task.id, letter.task.fault, letter.task.attempt, letter.tries) == (name, BUSY, 4, 4)
        assert letter.task.payload == b'{"n": 1}'
        assert [past.fault for past in bench.ledger.attempts(name)] == [BUSY] * 4

    def test_a_task_that_kills_its_workers_lands_here(self, bench: Bench):
        (name,) = bench.submit(1)
        for number in range(3):
            worker = bench.worker(f"w{number}")
            claim(bench, worker)
            bench.ledger.leave(worker)
        (letter,) = bench.ledger.dead(EVERY)
        assert (letter.task.id, letter.tries) == (name, 3)
        assert bench.ledger.causes(EVERY) == {"poison": 1}
        assert [past.outcome for past in bench.ledger.attempts(name)] == ["crashed", "crashed", "poison"]

    def test_each_filter_narrows(self, bench: Bench):
        one, two = fail(bench, 1, 2)
        (slow,) = fail(bench, 1, 1, SLOW)
        (other,) = fail(bench, 2)
        batch, at = bench.ledger.task(one).batch, bench.ledger.task(two).finished_at
        for which, found in (
            (Letters(user=UserId(1)), [slow, two, one]),
            (Letters(user=UserId(9)), []),
            (Letters(batch=batch), [two, one]),
            (Letters(code="step_timeout"), [slow]),
            (Letters(code="step"), []),
            (Letters(since=at), [other, slow, two]),
            (Letters(until=at), [two, one]),
            (Letters(since=at, until=at), [two]),
            (Letters(ids=[one, other]), [other, one]),
            (Letters(ids=[]), []),
            (Letters(user=UserId(1), code="damaged_file", since=at), [two]),
        ):
            assert ids(bench.ledger.dead(which)) == found, which
            assert sum(bench.ledger.causes(which).values()) == len(found), which

    def test_pages_hold_every_letter_once(self, bench: Bench):
        names = fail(bench, 1, 5)
        seen: list[TaskId] = []
        cursor = ""
        while letters := bench.ledger.dead(EVERY, cursor, 2):
            seen += ids(letters)
            cursor = cursor_of(letters[-1].task)
            bench.ledger.retry(letters[-1].task.id)  # what is gone meanwhile leads on as well
        assert seen == names[::-1]

    def test_letters_that_failed_at_once_are_paged_too(self, bench: Bench):
        names = bench.submit(1, 5)
        worker = bench.worker()
        bench.ledger.finish(worker, [Ended(lease, Failed(BROKEN)) for lease in claim(bench, worker)])
        first = bench.ledger.dead(EVERY, "", 2)
        rest = bench.ledger.dead(EVERY, cursor_of(first[-1].task), 9)
        assert ids([*first, *rest]) == names[::-1]

    @pytest.mark.parametrize("cursor", ["x", "nan/t", "inf/t", "1/t/nan", "1/t/x", "/"])
    def test_a_cursor_that_makes_no_sense_is_refused(self, bench: Bench, cursor: str):
        for ask in (bench.ledger.dead, bench.ledger.replay, bench.ledger.discard):
            with pytest.raises(BadRequest, match="leads nowhere"):
                ask(EVERY, cursor)
        with pytest.raises(BadRequest, match="leads nowhere"):
            bench.ledger.replay(Letters(ids=[TaskId("t")]), cursor)

    def test_causes_are_counted_the_most_frequent_first(self, bench: Bench):
        fail(bench, 1, 1, SLOW)
        fail(bench, 2, 3)
        assert list(bench.ledger.causes(EVERY).items()) == [("damaged_file", 3), ("step_timeout", 1)]
        assert bench.ledger.causes(Letters(user=UserId(1))) == {"step_timeout": 1}


class TestReplaying:
    def test_one_starts_again_with_fresh_tries_and_its_history(self, bench: Bench):
        (name,) = fail(bench, 1)
        assert bench.ledger.replay(Letters(ids=[name])) == Handled(1)
        task = bench.ledger.task(name)
        assert (task.status, task.attempt, task.fault) == ("queued", 0, None)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        assert (lease.task, lease.fence) == (name, 2)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        assert [past.outcome for past in bench.ledger.attempts(name)] == ["failed", "completed"]

    def test_a_replay_pays_for_no_finished_step_again(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"kept"), Progress("parse", 35))
        bench.ledger.finish(worker, [Ended(lease, Failed(BROKEN))])
        bench.ledger.replay(EVERY)
        assert bench.ledger.checkpoint(name, "parse", "k") == b"kept"

    def test_all_of_a_filter_start_again_page_by_page(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(dead, "AT_ONCE", 2)
        names, others = fail(bench, 1, 5), fail(bench, 2, 3, SLOW)
        pages: list[Handled] = []
        cursor = ""
        while not pages or cursor:
            pages.append(bench.ledger.replay(Letters(code="damaged_file"), cursor))
            cursor = pages[-1].cursor
        assert [page.done for page in pages] == [2, 2, 1]
        assert {bench.ledger.task(name).status for name in names} == {"queued"}
        assert ids(bench.ledger.dead(EVERY)) == others[::-1]

    def test_what_fails_again_meanwhile_is_passed_by(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(dead, "AT_ONCE", 1)
        names = fail(bench, 1, 3)
        worker, cursor, rounds = bench.worker(), "", 0
        while not rounds or cursor:
            cursor, rounds = bench.ledger.replay(EVERY, cursor).cursor, rounds + 1
            bench.clock.pass_time(1)
            bench.ledger.finish(worker, [Ended(lease, Failed(BROKEN)) for lease in claim(bench, worker)])
        assert rounds <= len(names) + 1
        assert len(bench.ledger.dead(EVERY)) == len(names)

    def test_one_that_failed_before_the_clock_was_set_back_is_meant_too(self, bench: Bench):
        bench.clock.jumped = 3_600.0
        ahead = fail(bench, 1, 2)
        bench.clock.jumped = 0.0
        fail(bench, 2)
        assert all_of(bench.ledger.replay, EVERY).done == 3
        assert bench.ledger.task(ahead[1]).status == "queued"

    def test_what_finds_no_room_stays_dead_and_is_told(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=3, system_backlog=5)
        first, second = [task for _ in range(2) for task in fail(bench, 1, 3)], fail(bench, 2, 3)
        answer = bench.ledger.replay(EVERY)
        assert answer.done == 5
        assert [(left.why.code, left.count, left.tasks) for left in answer.left] == [
            ("user_limit_exceeded", 3, first[3:]),
            ("system_busy", 1, second[2:]),
        ]
        assert all(left.why.hint for left in answer.left)
        assert ids(bench.ledger.dead(EVERY)) == [second[2], *first[:2:-1]]
        assert bench.ledger.replay(EVERY).done == 0

    def test_what_is_left_of_those_that_failed_at_once_is_told_once(
        self, make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
    ):
        bench = make_bench(user_backlog=5)
        names = bench.submit(1, 5)
        worker = bench.worker()
        bench.ledger.finish(worker, [Ended(lease, Failed(BROKEN)) for lease in claim(bench, worker)])
        bench.submit(1, 4)
        monkeypatch.setattr(dead, "AT_ONCE", 2)
        answer = all_of(bench.ledger.replay, EVERY)
        assert answer.done == 1
        assert [task for left in answer.left for task in left.tasks] == names[1:]

    def test_ids_that_are_no_dead_letters_are_told_and_nothing_happens_to_them(self, bench: Bench):
        (mine,), (theirs,) = fail(bench, 1), fail(bench, 2)
        (queued,) = bench.submit(1)
        answer = bench.ledger.replay(Letters(user=UserId(1), ids=[theirs, queued, TaskId("none"), mine, mine]))
        assert answer.done == 1
        told = {left.why.code: list(left.tasks) for left in answer.left}
        assert told == {"not_found": [theirs, "none"], "not_dead": [queued]}
        assert bench.ledger.task(theirs).state is State.FAILED

    def test_many_ids_are_taken_page_by_page(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(dead, "AT_ONCE", 2)
        names = fail(bench, 1, 5)
        assert bench.ledger.replay(Letters(ids=names)).cursor == "2"
        assert all_of(bench.ledger.replay, Letters(ids=names)).done == 3

    def test_a_letter_that_somebody_else_was_faster_with_is_told(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        (name,) = fail(bench, 1)
        really = dead._locked

        def overtaken(writing: Writing, *given: object) -> object:
            writing.connection.exec_driver_sql("UPDATE tasks SET dead = 0")
            return really(writing, *given)  # type: ignore[arg-type]

        monkeypatch.setattr(dead, "_locked", overtaken)
        (left,) = bench.ledger.replay(EVERY).left
        assert (left.why.code, left.tasks) == ("not_dead", [name])


class TestDiscarding:
    def test_a_discarded_one_can_still_be_started_again_by_its_id(self, bench: Bench):
        (name,) = fail(bench, 1)
        assert bench.ledger.discard(EVERY) == Handled(1)
        assert bench.ledger.replay(EVERY) == Handled(0)
        assert bench.ledger.retry(name).status == "queued"

    def test_one_that_fails_again_is_a_dead_letter_again(self, bench: Bench):
        (name,) = fail(bench, 1)
        bench.ledger.discard(EVERY)
        bench.ledger.retry(name)
        worker = bench.worker()
        bench.ledger.finish(worker, [Ended(lease, Failed(SLOW)) for lease in claim(bench, worker)])
        assert bench.ledger.causes(EVERY) == {"step_timeout": 1}

    def test_a_filter_is_discarded_page_by_page(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(dead, "AT_ONCE", 2)
        fail(bench, 1, 5)
        others = fail(bench, 2, 1)
        assert all_of(bench.ledger.discard, Letters(user=UserId(1))).done == 5
        assert ids(bench.ledger.dead(EVERY)) == others


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_what_joins_the_transaction_happens_with_it_or_not_at_all(bench: Bench, act: str):
    (name,) = fail(bench, 1)
    told: list[Handled] = []

    def joins(connection: Connection, handled: Handled) -> None:
        told.append(handled)
        row = {"task_id": name, "step": "s", "key": "k", "fence": 0, "created_at": 0.0, "result": b""}
        connection.execute(insert(checkpoints), row)
        if len(told) == 1:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        getattr(bench.ledger, act)(EVERY, "", joins)
    assert ids(bench.ledger.dead(EVERY)) == [name]
    assert bench.ledger.checkpoint(name, "s") is None
    getattr(bench.ledger, act)(EVERY, "", joins)
    assert bench.ledger.dead(EVERY) == []
    getattr(bench.ledger, act)(EVERY, "", joins)  # nothing happens, so nothing is told
    assert told == [Handled(1), Handled(1)]


def test_a_page_locks_its_lanes_in_the_order_of_their_users(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    for user in (3, 1, 2):
        fail(bench, user)
    held: list[list[int]] = []
    really = dead.Lanes.ask
    monkeypatch.setattr(
        dead.Lanes, "ask", lambda lanes, users, **how: held.append(sorted(u := set(users))) or really(lanes, u, **how)
    )
    assert bench.ledger.replay(EVERY).done == 3
    assert held[0] == [1, 2, 3]  # all at once, before any task


def test_listing_and_counting_read_dead_letters_only(bench: Bench):
    fill(bench)
    old = [
        {
            "id": f"dead{n:05}", "batch_id": "dead", "position": n, "user_id": n % 100, "state": "failed", "cost": 1.0,
            "priority": 5, "sort_key": 0.0, "stage": "cpu", "run_at": 0.0, "created_at": 0.0, "finished_at": n + 1.0,
            "seq": 0, "message": "", "payload": b"{}", "dead": 1, "cause": "damaged_file" if n % 3 else "poison",
        }
        for n in range(5_000)
    ]  # fmt: skip
    bench.ledger.write(lambda connection: connection.execute(insert(tasks), old))

    def look() -> None:
        for which in (EVERY, Letters(user=UserId(3)), Letters(code="damaged_file")):
            first = bench.ledger.dead(which, "", 1)
            bench.ledger.dead(which, cursor_of(first[0].task), 10)
            bench.ledger.causes(which)
        bench.ledger.discard(Letters(code="damaged_file"))
        bench.ledger.discard(Letters(user=UserId(9)))

    plans = {statement: plan for statement, plan in plans_of(bench.ledger, look).items() if "dead = 1" in statement}
    assert len(plans) >= 9
    for statement, plan in plans.items():
        assert {access.index for access in plan.of("tasks")} <= {"tasks_dead", "tasks_dead_user"}, (statement, plan)
        assert not plan.sorts or "GROUP BY" in statement, (statement, plan)


def test_what_a_page_locks_is_found_by_its_key(bench: Bench):
    names = fail(bench, 4_000, 3)
    fill(bench)
    plans = plans_of(bench.ledger, lambda: bench.ledger.replay(Letters(ids=names[:2])))
    locked = [plan for statement, plan in plans.items() if "AS meant" in statement]
    assert locked
    assert all(plan.of("tasks") <= {Access("tasks", PRIMARY, whole=False)} for plan in locked), locked
