"""What the ledger promises, whatever database keeps it."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf, nan

import pytest
from sqlalchemy import Connection, delete, event, insert, select
from tests.conftest import until
from tests.databases import IN_MEMORY, KINDS
from tests.ledger.conftest import Bench, new_batch

from paperlane.errors import BadRequest, CancelRequested, Conflict, NotFound, StaleLease, TooMany
from paperlane.ledger import Kept, Note, turns, views
from paperlane.ledger.history import Move, move
from paperlane.ledger.lanes import Lane, Lanes
from paperlane.ledger.schema import attempts, batches, checkpoints, tasks
from paperlane.ledger.sql import SqlLedger
from paperlane.ledger.submitting import accepted_tasks
from paperlane.ledger.writing import Writing
from paperlane.model.schedules import NewSchedule, ScheduleId
from paperlane.model.tasks import (
    Attempt,
    BatchId,
    Cancelled,
    Channel,
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Fault,
    LaneUse,
    Lease,
    Letters,
    NewBatch,
    NewTask,
    Outcome,
    Paused,
    Progress,
    Pulse,
    Retry,
    Span,
    Stage,
    State,
    TaskId,
    Unreadable,
    UserId,
    WorkerId,
    Yielded,
)

pytestmark = pytest.mark.parametrize("make_bench", [IN_MEMORY, *KINDS], indirect=True)

MakeBench = Callable[..., Bench]
BUSY = Fault("busy", "The thing was busy.")


def claim(bench: Bench, worker: WorkerId, room: int = 10) -> list[Lease]:
    return list(bench.ledger.step("database", worker, [], room))


def transactions_of(bench: Bench, work: Callable[[], object]) -> list[list[str]]:
    """The statements of each write transaction."""
    found: list[list[str]] = [[]]  # SQLite begins by a statement of its own, before it is told of here
    listeners = {
        "begin": lambda _: found.append([]),
        "before_cursor_execute": lambda *given: found[-1].append(given[2]),
    }
    for name, listener in listeners.items():
        event.listen(bench.ledger.dialect.writer, name, listener)
    try:
        work()
    finally:
        for name, listener in listeners.items():
            event.remove(bench.ledger.dialect.writer, name, listener)
    return found


class TestSubmitting:
    def test_a_batch_is_there_with_all_its_tasks_in_order(self, bench: Bench):
        names = bench.submit(7, 3, name="specs")
        tasks = bench.ledger.tasks(user=UserId(7))
        assert [task.id for task in tasks] == names[::-1]
        batch = bench.ledger.batch(tasks[0].batch)
        assert (batch.name, batch.counts, batch.percent) == ("specs", {"queued": 3}, 0.0)
        assert [task.id for task in bench.ledger.tasks(batch=batch.id)] == names

    def test_a_batch_has_its_own_tasks_where_others_of_its_user_lie_between(self, bench: Bench):
        of_batch = {"early": ["t1", "t5", "t9"], "late": ["t3", "t7"], "other": ["t2", "t8"]}
        for name, ids in of_batch.items():
            user = UserId(2 if name == "other" else 1)
            new = [NewTask(TaskId(task), b"{}") for task in sorted(ids, reverse=True)]
            bench.ledger.submit(NewBatch(BatchId(name), user, new))
        for name, ids in of_batch.items():
            assert [task.id for task in bench.ledger.tasks(batch=BatchId(name))] == ids
            assert bench.ledger.batch(BatchId(name)).counts == {"queued": len(ids)}

    def test_pages_hold_every_task_once(self, bench: Bench):
        names = bench.submit(7, 5)
        batch = bench.ledger.tasks(limit=1)[0].batch
        first = bench.ledger.tasks(batch=batch, limit=2)
        rest = bench.ledger.tasks(batch=batch, limit=9, cursor=first[-1].id)
        assert [task.id for task in [*first, *rest]] == names
        newest = bench.ledger.tasks(limit=2)
        older = bench.ledger.tasks(limit=9, cursor=newest[-1].id)
        assert [task.id for task in [*newest, *older]] == names[::-1]

    def test_the_same_key_gives_the_same_batch(self, bench: Bench):
        def batch(number: int, content: str = "same") -> NewBatch:
            task = NewTask(TaskId(f"t{number}"), b"{}")
            return NewBatch(BatchId(f"b{number}"), UserId(1), [task], key="k", content=content)

        first, fresh = bench.ledger.submit(batch(1))
        again, second_is_fresh = bench.ledger.submit(batch(2))
        assert (fresh, second_is_fresh) == (True, False)
        assert again == first
        assert bench.ledger.known(UserId(1), "k") == first
        assert bench.ledger.known(UserId(2), "k") is None
        with pytest.raises(BadRequest, match="used for another upload"):
            bench.ledger.submit(batch(3, "other"))
        bench.clock.pass_time(86_401)
        assert bench.ledger.known(UserId(1), "k") is None
        _, third_is_fresh = bench.ledger.submit(batch(4))
        assert third_is_fresh

    def test_an_id_that_is_taken_is_refused_whole(self, bench: Bench):
        bench.submit(1)
        taken = bench.ledger.tasks()[0]
        for batch, task in ((taken.batch, TaskId("other")), (BatchId("other"), taken.id)):
            with pytest.raises(Conflict) as raised:
                bench.ledger.submit(NewBatch(batch, UserId(1), [NewTask(TaskId("fresh"), b"{}"), NewTask(task, b"{}")]))
            assert raised.value.code == "id_taken"
        assert [task.id for task in bench.ledger.tasks()] == [taken.id]

    def test_the_same_key_at_once_makes_one_batch(self, bench: Bench):
        def submit(number: int) -> str:
            batch = NewBatch(BatchId(f"b{number}"), UserId(1), [NewTask(TaskId(f"t{number}"), b"{}")], key="k")
            return bench.ledger.submit(batch)[0].id

        if bench.ledger.dialect.writer is bench.ledger.dialect.reader:
            made = {submit(number) for number in range(8)}  # one connection only: nothing can be at once
        else:
            with ThreadPoolExecutor(8) as threads:
                made = set(threads.map(submit, range(8)))
        assert len(made) == 1
        assert len(bench.ledger.tasks()) == 1

    def test_a_full_backlog_refuses_whole_batches(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=5, system_backlog=8)
        bench.submit(1, 4)
        with pytest.raises(TooMany) as refused:
            bench.submit(1, 2)
        assert (refused.value.code, refused.value.retry_after > 0) == ("user_limit_exceeded", True)
        bench.submit(1, 1)
        with pytest.raises(TooMany):
            bench.ledger.room(UserId(1))
        bench.submit(2, 3)
        with pytest.raises(TooMany) as busy:
            bench.ledger.room(UserId(3))
        assert busy.value.code == "system_busy"
        assert len(bench.ledger.tasks()) == 8

    def test_a_batch_that_would_overfill_the_systems_backlog_is_refused_whole(self, make_bench: MakeBench):
        bench = make_bench(system_backlog=8)
        bench.submit(1, 6)
        with pytest.raises(TooMany) as busy:
            bench.submit(2, 3)
        assert busy.value.code == "system_busy"
        assert len(bench.ledger.tasks()) == 6
        bench.submit(2, 2)

    def test_starting_again_needs_room_too(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=2)
        first, _ = bench.submit(1, 2)
        bench.ledger.cancel(first)
        bench.submit(1, 1)
        with pytest.raises(TooMany):
            bench.ledger.retry(first)

    def test_running_tasks_are_no_backlog(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=2)
        bench.submit(1, 2)
        claim(bench, bench.worker())
        bench.submit(1, 2)

    @pytest.mark.parametrize("what", ["submit", "lane", "pause"])
    def test_what_joins_the_transaction_happens_with_it_or_not_at_all(self, bench: Bench, what: str):
        def joins(connection: Connection) -> UserId:
            row = {"task_id": "t", "step": "s", "key": "k", "fence": 0, "created_at": 0.0, "result": b""}
            connection.execute(insert(checkpoints), row)
            return UserId(7)

        def also_fails(connection: Connection) -> None:
            joins(connection)
            raise RuntimeError

        batch = NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")])
        change = {
            "submit": lambda: bench.ledger.submit(batch, also_fails),
            "lane": lambda: bench.ledger.lane(UserId(7), max_running=3, also=also_fails),
            "pause": lambda: bench.ledger.pause("database", paused=True, also=also_fails),
        }[what]
        with pytest.raises(RuntimeError):
            change()
        assert bench.ledger.tasks() == []
        assert (bench.ledger.queue().engines, bench.ledger.queue(UserId(7)).lanes) == ([], [])
        assert bench.ledger.read(lambda c: c.execute(checkpoints.select()).all()) == []
        bench.ledger.lane(joins, max_running=3)  # a new account and its lane
        assert [lane.user for lane in bench.ledger.queue(UserId(7)).lanes] == [7]
        assert len(bench.ledger.read(lambda c: c.execute(checkpoints.select()).all())) == 1

    def test_any_thread_may_call(self, bench: Bench):
        def submit(n: int) -> int:
            names = bench.submit(n, 3)
            return len([bench.ledger.task(name) for name in names])

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(submit, range(1, 41))) == 120
        assert len(bench.ledger.tasks(limit=200)) == 120


class TestBoundEngines:
    """So much may wait for an engine only, whoever submits it."""

    @pytest.fixture
    def pool(self, make_bench: MakeBench) -> Bench:
        bench = make_bench(engine_backlogs={"pool": 5})
        for user in (1, 2):
            bench.ledger.lane(UserId(user), engine="pool")
        return bench

    def test_past_it_all_are_refused_and_others_are_not(self, pool: Bench):
        pool.submit(1, 3)
        with pytest.raises(TooMany, match="3 tasks wait for the engine pool already, and 3 came") as refused:
            pool.submit(2, 3)
        assert refused.value.code == "system_busy"
        assert {lane.user for lane in pool.ledger.queue().lanes} == {1}
        pool.submit(2, 2)
        with pytest.raises(TooMany):
            pool.ledger.room(UserId(1))
        pool.ledger.room(UserId(3))
        pool.submit(3, 9)

    def test_what_runs_does_not_wait(self, pool: Bench):
        pool.submit(1, 5)
        assert len(pool.ledger.step("pool", pool.worker(engine="pool"), [], 2)) == 2
        pool.submit(2, 2)

    def test_what_waits_for_its_time_waits(self, pool: Bench):
        pool.submit(1, 5, run_at=pool.clock.now() + 60)
        with pytest.raises(TooMany):
            pool.submit(2)

    def test_many_at_once_do_not_pass_it_together(self, pool: Bench):
        for user in range(10, 20):
            pool.ledger.lane(UserId(user), engine="pool")

        def submit(user: int) -> bool:
            try:
                pool.ledger.submit(new_batch(f"of{user}", user, 1))
            except TooMany:
                return False
            return True

        with ThreadPoolExecutor(10) as threads:
            accepted = sum(threads.map(submit, range(10, 20)))
        assert accepted == 5

    def test_who_has_no_lane_yet_is_of_the_default_engine(self, make_bench: MakeBench):
        bench = make_bench(engine="pool", engine_backlogs={"pool": 2})
        bench.submit(1, 2)
        with pytest.raises(TooMany):
            bench.ledger.room(UserId(2))
        with pytest.raises(TooMany):
            bench.submit(2)


class TestSubmittingMany:
    def test_all_batches_of_all_users_are_there(self, bench: Bench):
        batches = [new_batch(f"b{user}", user, 3) for user in range(1, 41)]
        bench.ledger.submit_many([*batches, new_batch("later", 1, 2, run_at=bench.clock.now() + 60)])
        (lane,) = bench.ledger.queue(UserId(1)).lanes
        assert (lane.ready, lane.waiting) == (3, 2)
        assert bench.ledger.queue().queued == 122
        assert [event.kind for event in bench.ledger.events(TaskId("b7-0001"))] == ["submitted"]
        assert bench.ledger.batch(BatchId("b7")).counts == {"queued": 3}
        bench.ledger.submit_many([])

    def test_it_is_all_or_nothing(self, make_bench: Callable[..., Bench]):
        bench = make_bench(user_backlog=4)
        with pytest.raises(TooMany):
            bench.ledger.submit_many([new_batch("a", 1, 2), new_batch("b", 2, 3), new_batch("c", 2, 3)])
        with pytest.raises(BadRequest):
            bench.ledger.submit_many([new_batch("a", 1, 2), new_batch("b", 2, 0)])
        with pytest.raises(BadRequest, match="one Idempotency-Key"):
            bench.ledger.submit_many([new_batch("a", 1, 1, key="k"), new_batch("b", 1, 1, key="k")])
        bench.submit(3)
        assert bench.ledger.queue().queued == 1
        bench.ledger.submit_many([new_batch("a", 1, 2)])
        with pytest.raises(Conflict, match="id"):
            bench.ledger.submit_many([new_batch("z", 1, 1), new_batch("a", 2, 2)])

    def test_what_was_there_under_its_key_is_answered_beside_what_is_new(self, make_bench: Callable[..., Bench]):
        bench = make_bench(user_backlog=5)
        bench.ledger.submit(new_batch("early", 1, 3, key="k", content="c"))
        also: list[Sequence[BatchId]] = []

        def tell(_: Connection, written: Sequence[NewBatch]) -> None:
            also.append([batch.id for batch in written])

        again, fresh, other = (
            new_batch("again", 1, 3, key="k", content="c"), new_batch("fresh", 1, 2), new_batch("other", 2, 1, key="k")
        )  # fmt: skip
        told = bench.ledger.submit_many([again, fresh, other], tell)
        assert [(batch.id, is_new) for batch, is_new in told] == [("early", False), ("fresh", True), ("other", True)]
        assert also == [["fresh", "other"]]
        assert bench.ledger.queue().queued == 6
        ((same, is_new),) = bench.ledger.submit_many([again], tell)
        assert (same.id, is_new, len(also)) == ("early", False, 1)
        with pytest.raises(BadRequest, match="another upload"):
            bench.ledger.submit_many([new_batch("new", 2, 1), new_batch("again", 1, 3, key="k", content="other")])
        assert bench.ledger.queue().queued == 6

    @pytest.mark.parametrize("later", [0.0, 60.0])
    def test_what_was_accepted_is_told_as_it_was_written(self, bench: Bench, later: float):
        run_at = bench.clock.now() + later if later else 0.0
        new = NewBatch(
            BatchId("b"),
            UserId(7),
            [NewTask(TaskId(f"t{n}"), b'{"n": 1}', 3.0, version=2) for n in range(3)],
            "name",
            7,
            run_at,
        )
        (told,) = bench.ledger.submit_many([new])
        assert told == (bench.ledger.batch(new.id), True)
        tasks = accepted_tasks(new, told[0].created_at, bench.ledger.rules)
        assert tasks == bench.ledger.tasks(batch=new.id)


def test_what_cannot_be_told_after_a_commit_makes_nothing_look_failed(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    ended: list[TaskId] = []

    def breaks(engines: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(bench.ledger.dialect, "announce", breaks)
    bench.ledger.follow_ends(ended.extend)
    (task,) = bench.submit(1)
    (lease,) = bench.ledger.step("database", bench.worker(), [], 1)
    bench.submit(2)
    bench.ledger.step("database", WorkerId("worker"), [Ended(lease, Completed(1.0))], 0)
    assert ended == [task]


def test_a_message_may_hold_what_databases_refuse(bench: Bench):
    bench.submit(1)
    worker = bench.worker()
    (lease,) = bench.ledger.step("database", worker, [], 1)
    bench.ledger.progress(worker, [(lease, Progress("parse", 1, "a \0 and \ud800"))])
    bench.ledger.finish(worker, [Ended(lease, Failed(Fault("odd", "a \0 and \ud800")))])
    assert bench.ledger.task(lease.task).message == "a \ufffd and ?"


def test_a_task_that_was_not_locked_after_all_is_a_mistake_that_writes_nothing(bench: Bench):
    first, other = bench.submit(1, 2)

    def mistaken(writing: Writing, _held: Lanes) -> None:
        given = [{"id": first, "fence": 0}, {"id": other, "fence": 7}]
        move(writing, [Move(task, {"message": "moved"}, "progress") for task in given])

    with pytest.raises(RuntimeError, match=r"tasks are locked, (1|and not all of them) changed"):
        bench.ledger._with_lanes(mistaken)
    assert [bench.ledger.task(task).message for task in (first, other)] == ["", ""]
    assert len(bench.ledger.events(first)) == 1


class TestTurns:
    def test_a_claimed_task_runs_under_a_new_fence(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        assert lease == Lease(name, 1)
        task = bench.ledger.task(name)
        assert (task.state, task.attempt, task.engine) == (State.RUNNING, 1, "database")
        assert claim(bench, worker) == []

    def test_who_comes_is_not_behind_who_waits_though_another_has_used_much(self, bench: Bench):
        """What a turn used counts once it is over: the clock must not pass by who waited for it."""
        worker = bench.worker(slots=1)
        bench.submit(1, 2)
        bench.submit(2, 2)
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1_000.0))])
        bench.submit(3, 2)
        turns: list[int] = []
        for _ in range(4):
            (lease,) = claim(bench, worker)
            turns.append(lease.user)
            bench.ledger.finish(worker, [Ended(lease, Completed(10.0))])
        assert Counter(turns) == {2: 2, 3: 2}
        assert turns[:2] in ([2, 3], [3, 2])

    def test_nobody_has_a_second_turn_in_a_claim_before_others_had_a_first(self, bench: Bench):
        bench.submit(1, 6)
        for user in range(2, 9):
            bench.submit(user)
        for user in range(9, 21):
            bench.submit(user, 6)
        turns = Counter(lease.user for lease in claim(bench, bench.worker(slots=16), 16))
        assert turns[1] == 2  # an eighth of the room is one turn

    def test_a_user_never_has_more_running_than_the_limit(self, bench: Bench):
        bench.submit(1, 30)
        bench.ledger.lane(UserId(1), max_running=4)
        workers = [bench.worker(f"w{n}", 10) for n in range(3)]
        leases = [lease for worker in workers for lease in claim(bench, worker)]
        assert len(leases) == 4
        ended = [Ended(leases[0], Completed(1.0))]
        assert len(bench.ledger.step("database", workers[0], ended, 10)) == 1

    def test_a_lowered_limit_kills_nothing_and_starts_nothing(self, bench: Bench):
        bench.submit(1, 30)
        worker = bench.worker()
        leases = claim(bench, worker, 6)
        bench.ledger.lane(UserId(1), max_running=5)
        assert claim(bench, worker) == []
        assert bench.ledger.step("database", worker, [Ended(leases[0], Completed(1.0))], 10) == []
        assert len(bench.ledger.step("database", worker, [Ended(leases[1], Completed(1.0))], 10)) == 1

    def test_a_limit_is_set_instead_of_another_one_only(self, bench: Bench):
        def limit() -> int:
            return bench.ledger.queue().lanes[0].max_running

        bench.submit(1)
        bench.ledger.lane(UserId(1), max_running=4)
        bench.ledger.lane(UserId(1), max_running=7, instead_of=5)
        assert limit() == 4
        bench.ledger.lane(UserId(1), max_running=7, instead_of=4)
        assert limit() == 7

    def test_granted_slots_never_exceed_the_systems_limit(self, make_bench: MakeBench):
        bench = make_bench(system_limit=15)
        assert bench.ledger.register(WorkerId("a"), "database", "h", 1, 10) == 10
        assert bench.ledger.register(WorkerId("b"), "database", "h", 2, 10) == 5
        assert bench.ledger.register(WorkerId("c"), "database", "h", 3, 10) == 0
        bench.submit(1, 30)
        bench.ledger.lane(UserId(1), max_running=30)
        assert len(claim(bench, WorkerId("b"), 10)) == 5
        assert claim(bench, WorkerId("c"), 10) == []
        bench.ledger.leave(WorkerId("a"))
        assert bench.ledger.register(WorkerId("c"), "database", "h", 3, 10) == 10

    def test_a_worker_that_asks_for_fewer_slots_starts_nothing_until_it_runs_less(self, make_bench: MakeBench):
        bench = make_bench(system_limit=10)
        a, b = WorkerId("a"), WorkerId("b")
        assert bench.ledger.register(a, "database", "h", 1, 10) == 10
        bench.submit(1, 30)
        bench.ledger.lane(UserId(1), max_running=30)
        held = claim(bench, a, 8)
        assert bench.ledger.register(a, "database", "h", 1, 3) == 3
        assert bench.ledger.renew(a, held).granted == 3
        assert bench.ledger.register(b, "database", "h", 2, 10) == 2  # what it still runs is nobody else's yet
        ended = [Ended(lease, Completed(1.0)) for lease in held]
        assert bench.ledger.step("database", a, ended[:5], 10) == []
        assert len(bench.ledger.step("database", a, ended[5:], 10)) == 3
        assert bench.ledger.register(b, "database", "h", 2, 10) == 7
        assert bench.ledger.register(a, "database", "h", 1, 10) == 3
        assert sum(member.slots for member in bench.ledger.members()) == 10

    def test_a_worker_that_joins_is_granted_what_it_begins_with_though_another_has_grown(self, make_bench: MakeBench):
        bench = make_bench(system_limit=20)
        a, b = WorkerId("a"), WorkerId("b")

        def asks(worker: WorkerId, slots: int) -> int:
            granted = bench.ledger.register(worker, "database", "h", 1, slots, span=Span(5, 2, 20))
            assert sum(member.slots for member in bench.ledger.members()) <= 20
            return granted

        assert [asks(a, 5), asks(a, 20)] == [5, 20]
        assert asks(b, 5) == 5
        assert bench.ledger.renew(a, []).granted == 15
        assert [asks(a, 20), asks(b, 20), asks(a, 15)] == [15, 5, 15]
        bench.ledger.leave(b)
        assert asks(a, 20) == 20

    def test_what_a_grown_worker_still_runs_is_the_joining_ones_as_it_ends(self, make_bench: MakeBench):
        bench = make_bench(system_limit=20)
        a, b, span = WorkerId("a"), WorkerId("b"), Span(5, 2, 20)
        bench.ledger.register(a, "database", "h", 1, 20, span=span)
        bench.submit(1, 60)
        bench.ledger.lane(UserId(1), max_running=60)
        held = list(claim(bench, a, 20))
        grants = [bench.ledger.register(b, "database", "h", 1, 5, span=span)]
        assert bench.ledger.renew(a, held).granted == 15
        for _ in range(3):  # each ends two; it starts nothing, though it asks for as many as before
            ended = [Ended(held.pop(), Completed(1.0)) for _ in range(2)]
            held += bench.ledger.step("database", a, ended, 20)
            assert bench.ledger.register(a, "database", "h", 1, 20, span=span) == 15
            grants.append(bench.ledger.register(b, "database", "h", 1, 5, span=span))
            claim(bench, b, 5)
            assert bench.ledger.queue().running <= 20
        assert grants == [0, 2, 4, 5]
        assert bench.ledger.queue().running == 20

    def test_slots_that_nobody_uses_are_given_back_first_and_none_taken_that_others_began_with(
        self, make_bench: MakeBench
    ):
        bench = make_bench(system_limit=30)
        busy, idle, joins = (WorkerId(name) for name in ("busy", "idle", "joins"))
        for worker, slots in ((busy, 15), (idle, 15)):
            bench.ledger.register(worker, "database", "h", 1, slots, span=Span(5, 2, 20))
        bench.submit(1, 30)
        bench.ledger.lane(UserId(1), max_running=30)
        leases = claim(bench, busy, 15)
        assert bench.ledger.register(joins, "database", "h", 1, 8) == 8
        assert {member.id: member.slots for member in bench.ledger.members()} == {busy: 15, idle: 7, joins: 8}
        assert bench.ledger.register(WorkerId("last"), "pushed", "h", 1, 20) == 2
        bench.ledger.finish(busy, [Ended(lease, Completed(1.0)) for lease in leases[5:]])
        assert bench.ledger.register(WorkerId("last"), "pushed", "h", 1, 20) == 12
        slots = {member.id: member.slots for member in bench.ledger.members()}
        assert (slots[busy], slots[idle], slots[joins]) == (5, 5, 8)

    def test_members_tell_between_how_many_slots_they_choose_and_how_busy_their_machines_are(self, bench: Bench):
        worker, other = WorkerId("worker"), bench.worker("other", 4)
        bench.ledger.register(worker, "database", "h", 1, 5, span=Span(5, 2, 20))
        shown = {member.id: member for member in bench.ledger.members()}
        told = [(it.asked, it.least, it.wants, it.cpu, it.memory) for it in (shown[worker], shown[other])]
        assert told == [(20, 2, 5, None, None), (4, 4, 4, None, None)]
        bench.ledger.renew(worker, [], Pulse(7, 0.25, 0.5))
        bench.ledger.renew(worker, [])  # tells nothing else
        shown = {member.id: member for member in bench.ledger.members()}
        assert (shown[worker].wants, shown[worker].cpu, shown[worker].memory) == (7, 0.25, 0.5)
        assert (shown[worker].slots, shown[worker].asked, shown[worker].least) == (5, 20, 2)
        bench.ledger.register(worker, "database", "h", 1, 6, span=Span(5, 2, 20))
        assert [it.wants for it in bench.ledger.members() if it.id == worker] == [6]

    @pytest.mark.parametrize("share", [None, nan, inf, -0.5, 1.5])
    def test_a_share_that_is_none_is_not_known(self, bench: Bench, share: float | None):
        worker = bench.worker()
        bench.ledger.renew(worker, [], Pulse(3, 0.5, 0.5))
        bench.ledger.renew(worker, [], Pulse(-3, share, share))
        (member,) = bench.ledger.members()
        assert (member.wants, member.cpu, member.memory) == (0, None, None)

    def test_what_waits_is_counted_no_further_than_asked(self, bench: Bench):
        assert bench.ledger.queued("database", 11) == 0
        bench.submit(1, 4)
        bench.submit(2, 3)
        assert bench.ledger.queued("database", 11) == 7
        assert bench.ledger.queued("database", 5) == 5
        assert bench.ledger.queued("elsewhere", 11) == 0

    def test_what_waits_for_its_users_limit_is_no_reason_for_more_slots(self, bench: Bench):
        bench.ledger.lane(UserId(1), max_running=2)
        bench.submit(1, 9)
        claim(bench, bench.worker(), 2)
        assert bench.ledger.queued("database", 11) == 0

    def test_an_unknown_worker_gets_nothing(self, bench: Bench):
        bench.submit(1)
        with pytest.raises(StaleLease):
            claim(bench, WorkerId("nobody"))

    def test_users_take_turns(self, bench: Bench):
        heavy, light = bench.submit(1, 20), bench.submit(2, 3)
        order = [lease.task for lease in claim(bench, bench.worker(slots=6), 6)]
        assert [task in light for task in order] == [False, True] * 3
        assert order[::2] == heavy[:3]

    def test_a_newcomer_does_not_wait_for_anothers_backlog(self, bench: Bench):
        bench.submit(1, 100)
        worker = bench.worker(slots=5)
        bench.ledger.lane(UserId(1), max_running=100)
        leases = claim(bench, worker, 5)
        for _ in range(10):
            leases = list(bench.ledger.step("database", worker, [Ended(x, Completed(1.0)) for x in leases], 5))
        (newcomer,) = bench.submit(2)
        ended = [Ended(leases[0], Completed(1.0))]
        assert [lease.task for lease in bench.ledger.step("database", worker, ended, 1)] == [newcomer]

    def test_being_idle_earns_no_credit(self, bench: Bench):
        worker = bench.worker(slots=1)
        bench.submit(2)
        (lease,) = claim(bench, worker, 1)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        bench.submit(1, 60)
        leases = claim(bench, worker, 1)
        for _ in range(49):  # user 2 rests while user 1 is given the time of 50 tasks
            leases = list(bench.ledger.step("database", worker, [Ended(leases[0], Completed(1.0))], 1))
        rested = bench.submit(2, 10)
        order: list[bool] = []
        for _ in range(10):
            leases = list(bench.ledger.step("database", worker, [Ended(leases[0], Completed(1.0))], 1))
            order.append(leases[0].task in rested)
        assert sum(order) == 5

    def test_service_follows_the_weights(self, bench: Bench):
        heavy, light = bench.submit(1, 100), bench.submit(2, 100)
        bench.ledger.lane(UserId(1), weight=3.0)
        worker = bench.worker(slots=1)
        leases, served = claim(bench, worker, 1), []
        for _ in range(80):
            served.append(leases[0].task)
            leases = list(bench.ledger.step("database", worker, [Ended(leases[0], Completed(1.0))], 1))
        assert abs(len([t for t in served if t in heavy]) - 60) <= 1
        assert abs(len([t for t in served if t in light]) - 20) <= 1

    def test_fairness_is_by_work_not_by_count(self, bench: Bench):
        long, short = bench.submit(1, 50), bench.submit(2, 200)
        worker = bench.worker(slots=1)
        leases, used = claim(bench, worker, 1), {1: 0.0, 2: 0.0}
        for _ in range(120):  # the estimate says the same for both; what they really use says otherwise
            user, seconds = (1, 4.0) if leases[0].task in long else (2, 1.0)
            used[user] += seconds
            leases = list(bench.ledger.step("database", worker, [Ended(leases[0], Completed(seconds))], 1))
        assert short
        assert abs(used[1] - used[2]) <= 8.0

    def test_priority_orders_a_users_own_tasks_and_ages(self, bench: Bench):
        (old_low,) = bench.submit(1, priority=4)
        bench.clock.pass_time(601)  # one step of priority is worth ten minutes of waiting
        (normal,) = bench.submit(1, priority=5)
        (high,) = bench.submit(1, priority=6)
        order = [lease.task for lease in claim(bench, bench.worker())]
        assert order == [high, old_low, normal]

    def test_a_paused_lane_and_a_paused_engine_start_nothing(self, bench: Bench):
        bench.submit(1)
        worker = bench.worker()
        bench.ledger.lane(UserId(1), paused=True)
        assert claim(bench, worker) == []
        bench.ledger.lane(UserId(1), paused=False)
        bench.ledger.pause("database", paused=True)
        assert claim(bench, worker) == []
        assert not bench.ledger.runnable("database")
        bench.ledger.pause("database", paused=False)
        assert bench.ledger.runnable("database")
        assert len(claim(bench, worker)) == 1

    def test_a_queue_that_was_seen_is_renewed_in_all_that_is_not_counted(self, bench: Bench):
        bench.submit(1, 3)
        seen = bench.ledger.queue()
        assert bench.ledger.renewed(seen) == seen
        bench.submit(2)
        bench.worker(slots=4)
        bench.worker("elsewhere", engine="other")
        bench.ledger.limit(70)
        bench.ledger.pause("database", paused=True)
        now = bench.ledger.renewed(seen)
        assert (now.queued, now.busy, now.oldest) == (3, 1, seen.oldest)
        assert now.lanes == [replace(seen.lanes[0], startable=0)]
        assert (now.limit, now.default_limit) == (70, seen.default_limit)
        first, other = now.engines
        assert (first.name, first.queued, first.paused, first.startable) == ("database", 3, True, 0)
        assert (first.workers, first.slots, other.name, other.workers) == (1, 4, "other", 1)
        bench.ledger.pause("database", paused=False)
        bench.ledger.lane(UserId(1), weight=3.0, max_running=2, engine="other", paused=True)
        (lane,) = bench.ledger.renewed(seen).lanes
        assert (lane.weight, lane.max_running, lane.engine, lane.paused) == (3.0, 2, "other", True)
        assert (lane.ready, lane.startable) == (3, 0)
        bench.ledger.lane(UserId(1), paused=False)
        (lane,) = bench.ledger.renewed(seen).lanes
        assert (lane.paused, lane.startable) == (False, 3)

    def test_service_is_told_of_who_had_any_of_late_and_of_who_was_asked_for(self, bench: Bench):
        for user, weight in ((1, 2.0), (2, 3.0), (3, 4.0), (4, 5.0)):
            bench.ledger.lane(UserId(user), weight=weight, max_running=1)
        worker = bench.worker()
        for user, count, seconds, outcome in (
            (4, 1, 5, Completed(1.0)),
            (1, 2, 20, Failed(BUSY)),
            (2, 1, 20, Completed(1.0)),
        ):
            bench.submit(user, count)
            (lease,) = claim(bench, worker)
            bench.ledger.begin(lease, worker)
            bench.clock.pass_time(seconds)
            bench.ledger.finish(worker, [Ended(lease, outcome)])
            bench.ledger.lane(UserId(user), paused=True)
        bench.submit(3)
        (lease,) = claim(bench, worker)
        bench.ledger.begin(lease, worker)
        bench.clock.pass_time(10)
        told = bench.ledger.served([UserId(5)], 40.0)
        # 4 had theirs longer ago, 2 holds nothing any more, and of 1 the last 10 of 20 seconds count
        assert {user: pytest.approx(seconds) for user, seconds in told.of.items()} == {1: 10.0, 3: 10.0, 5: 0.0}
        assert (told.all, told.weights) == (pytest.approx(20.0), 6.0)
        assert bench.ledger.served([UserId(2)], 40.0).of[UserId(2)] == pytest.approx(20.0)

    def test_who_serves_a_shard_or_a_later_stage_is_told_of_its_own(self, bench: Bench):
        even, odd = (Channel(shard=shard, shards=2) for shard in range(2))
        model = Channel(frozenset({Stage.MODEL}))

        def told() -> list[bool]:
            return [bench.ledger.runnable("database", channel) for channel in (even, odd, model)]

        bench.ledger.lane(UserId(4), engine="pushed")
        for user in (1, 4):
            bench.submit(user, run_at=bench.clock.now() + 60)
        assert told() == [False, False, False]
        bench.clock.pass_time(60)
        assert told() == [False, True, False]
        bench.submit(2)
        assert told() == [True, True, False]
        bench.ledger.pause("database", paused=True)
        assert told() == [False, False, False]

    def test_a_task_for_later_waits_for_its_time(self, bench: Bench):
        (later,) = bench.submit(1, run_at=bench.clock.now() + 60)
        worker = bench.worker()
        assert claim(bench, worker) == []
        assert bench.ledger.task(later).status == "queued"
        bench.clock.pass_time(60)
        assert bench.ledger.runnable("database")
        assert [lease.task for lease in claim(bench, worker)] == [later]

    def test_what_is_due_does_not_take_along_what_is_not(self, bench: Bench):
        (sooner,) = bench.submit(1, run_at=bench.clock.now() + 60)
        (later,) = bench.submit(1, run_at=bench.clock.now() + 120)
        bench.clock.pass_time(60)
        worker = bench.worker()
        assert [lease.task for lease in claim(bench, worker)] == [sooner]
        assert bench.ledger.task(later).state is State.WAITING

    def test_what_was_put_off_stands_behind_what_came_before_its_time(self, bench: Bench):
        (later,) = bench.submit(1, run_at=bench.clock.now() + 60)
        bench.clock.pass_time(30)
        (sooner,) = bench.submit(1)
        bench.clock.pass_time(60)
        worker = bench.worker()
        assert [lease.task for lease in claim(bench, worker)] == [sooner, later]

    def test_whatever_is_due_comes_due_at_once(self, bench: Bench):
        later = bench.submit(1, 5, run_at=bench.clock.now() + 60)
        bench.clock.pass_time(61)
        assert [lease.task for lease in claim(bench, bench.worker())] == later

    def test_a_lane_moves_to_another_engine_with_its_backlog(self, bench: Bench):
        bench.submit(1, 5)
        here, there = bench.worker("here"), bench.worker("there", engine="other")
        first = claim(bench, here, 2)
        bench.ledger.lane(UserId(1), engine="other")
        assert claim(bench, here) == []
        assert len(bench.ledger.step("other", there, [], 10)) == 3
        bench.ledger.finish(here, [Ended(lease, Completed(1.0)) for lease in first])
        assert [bench.ledger.task(lease.task).engine for lease in first] == ["database", "database"]

    def test_many_lanes_are_assigned_at_once_with_their_backlogs(self, bench: Bench):
        for user in (1, 2, 3):
            bench.submit(user, 3)
            bench.ledger.lane(UserId(user), max_running=2)
        here, there = bench.worker("here"), bench.worker("there", engine="other")
        first = claim(bench, here, 3)  # one of each lane
        nobody = UserId(9)
        assert bench.ledger.assign(lambda _: {UserId(1): "other", UserId(2): "database", nobody: "other"}) == 1
        assert {lane.user: lane.engine for lane in bench.ledger.queue().lanes} == {
            1: "other",
            2: "database",
            3: "database",
        }
        moved = bench.ledger.step("other", there, [], 10)
        assert [lease.user for lease in moved] == [1]  # beside the one that runs elsewhere: two at once
        assert sorted(lease.user for lease in claim(bench, here)) == [2, 3]
        bench.ledger.finish(here, [Ended(lease, Completed(1.0)) for lease in first])
        assert [lease.user for lease in bench.ledger.step("other", there, [], 10)] == [1]
        with pytest.raises(ValueError, match="engine"):
            bench.ledger.assign(lambda _: {UserId(1): "x" * 41})

    def test_assigned_lanes_bring_no_credit_to_an_engine_that_has_done_more(self, bench: Bench):
        bench.ledger.lane(UserId(9), engine="other")
        bench.submit(9, 4, cost=100.0)
        there = bench.worker("there", engine="other")
        for _ in range(3):
            (lease,) = bench.ledger.step("other", there, [], 1)
            bench.ledger.finish(there, [Ended(lease, Completed(100.0))])
        bench.submit(1, 9)
        bench.ledger.assign(lambda _: {UserId(1): "other"})
        (lane,) = bench.ledger.queue(UserId(1)).lanes
        assert lane.vtime >= 200

    def test_a_new_lane_begins_where_its_maker_says_or_not_at_all(self, bench: Bench):
        def lanes_of(user: int) -> list[str]:
            return [lane.engine for lane in bench.ledger.queue(UserId(user)).lanes]

        def unknown(_connection: Connection, _user: UserId) -> str:
            raise NotFound("There is no such user.")

        bench.ledger.lane(UserId(1), engine=lambda _, user: "other" if user == 1 else "database")
        bench.submit(1)
        assert lanes_of(1) == ["other"]
        with pytest.raises(NotFound):
            bench.ledger.lane(UserId(2), engine=unknown)
        assert lanes_of(2) == []


class TestPushing:
    def test_a_lease_is_begun_once_and_again_by_the_same_worker_only(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker("a", engine="database")
        (lease,) = bench.ledger.lease("database", 10)
        assert bench.ledger.task(name).status == "queued"
        attempt = bench.ledger.begin(lease, worker)
        assert (attempt.number, attempt.payload, attempt.user) == (1, b'{"n": 1}', 1)
        assert bench.ledger.begin(lease, worker) == attempt
        with pytest.raises(StaleLease):
            bench.ledger.begin(lease, WorkerId("b"))

    def test_several_are_begun_at_once_each_as_if_alone(self, bench: Bench):
        bench.submit(1, 4)
        worker, other = bench.worker("a"), bench.worker("b")
        mine, fresh, theirs, lost = bench.ledger.lease("database", 4)
        bench.ledger.begin(mine, worker)
        bench.ledger.begin(theirs, other)
        bench.ledger.hand_back([lost])
        strange = Lease(TaskId("x" * 1_000), -1)
        begun = bench.ledger.begin_all(worker, [theirs, fresh, lost, mine, strange, fresh])
        assert [one.lease.task if isinstance(one, Attempt) else type(one) for one in begun] == [
            StaleLease, fresh.task, StaleLease, mine.task, StaleLease, fresh.task,
        ]  # fmt: skip
        assert bench.ledger.renew(worker, [mine, fresh]).lost == ()
        assert bench.ledger.renew(other, [theirs]).lost == ()
        assert bench.ledger.begin_all(worker, []) == []
        told = [event.kind for event in bench.ledger.events(mine.task)]
        assert told.count("begun") == 1

    def test_a_worker_that_was_given_up_begins_nothing(self, bench: Bench):
        bench.submit(1, 2)
        bench.worker("b")
        leases = bench.ledger.lease("database", 2)
        refused = bench.ledger.begin_all(WorkerId("gone"), leases)
        assert [one.code for one in refused if isinstance(one, StaleLease)] == ["worker_unknown"] * 2
        assert [len(bench.ledger.attempts(lease.task)) for lease in leases] == [0, 0]

    def test_no_more_leases_are_out_than_live_workers_have_slots(self, bench: Bench):
        bench.submit(1, 10)
        assert bench.ledger.lease("database", 10) == []
        bench.worker("a", slots=2)
        assert len(bench.ledger.lease("database", 10)) == 2
        assert bench.ledger.lease("database", 10) == []
        bench.worker("b", slots=1)
        assert len(bench.ledger.lease("database", 10)) == 1

    @pytest.mark.parametrize("jumped", [0.0, -1_000.0], ids=["it is silent", "its last word is of another time"])
    def test_a_dead_workers_slots_are_handed_out_no_more(self, bench: Bench, jumped: float):
        bench.submit(1, 10)
        bench.worker("dead", slots=3)
        bench.clock.pass_time(29)
        live = bench.worker("live", slots=2)
        assert len(bench.ledger.lease("database", 1)) == 1
        bench.clock.pass_time(1)
        bench.clock.jumped = jumped
        bench.ledger.renew(live, [])
        assert len(bench.ledger.lease("database", 10)) == 1
        bench.ledger.renew(WorkerId("dead"), [])
        assert len(bench.ledger.lease("database", 10)) == 3

    def test_what_a_dead_worker_holds_takes_no_live_ones_slot(self, bench: Bench):
        bench.submit(1, 10)
        dead = bench.worker("dead", slots=3)
        for lease in bench.ledger.lease("database", 2):
            bench.ledger.begin(lease, dead)
        bench.clock.pass_time(30)
        bench.worker("live", slots=2)
        assert len(bench.ledger.lease("database", 10)) == 2

    def test_room_of_one_engine_is_no_room_of_another(self, bench: Bench):
        bench.ledger.lane(UserId(1), engine="inline")
        bench.submit(1, 9)
        bench.worker("big", 50)
        bench.worker("small", 2, engine="inline")
        assert len(bench.ledger.lease("inline", 10)) == 2

    def test_a_delivery_that_nobody_begins_is_handed_out_again_without_using_an_attempt(self, bench: Bench):
        bench.submit(1)
        worker = bench.worker()
        (lost,) = bench.ledger.lease("database", 10)
        bench.clock.pass_time(59)
        bench.ledger.renew(worker, [])
        assert bench.ledger.recover().undelivered == 0
        bench.clock.pass_time(1)
        assert bench.ledger.recover().undelivered == 1
        (again,) = bench.ledger.lease("database", 10)
        assert again.fence == lost.fence + 1
        with pytest.raises(StaleLease):
            bench.ledger.begin(lost, worker)
        assert bench.ledger.task(again.task).state is State.LEASED
        assert bench.ledger.begin(again, worker).number == 1

    def test_what_ends_makes_room_for_what_is_handed_out_in_the_same_commit(self, bench: Bench):
        older, newer, *_ = [bench.submit(user, 3) for user in (1, 2)]
        worker = bench.worker(slots=2)
        assert bench.ledger.finish(worker, [], (), "database", 5) is None  # nobody ever dispatched there
        leases = bench.ledger.lease("database", 2)
        for lease in leases:
            bench.ledger.begin(lease, worker)
        assert bench.ledger.finish(worker, [Ended(leases[0], Completed(9.0))]) is None
        bench.ledger.lane(UserId(1), engine="database", max_running=1)
        (lease,) = bench.ledger.finish(worker, [Ended(leases[0], Completed(9.0))], (), "database", 5) or ()
        assert (lease.task, lease.fence, bench.ledger.task(lease.task).state) == (newer[1], 1, State.LEASED)
        assert bench.ledger.finish(worker, [], (), "database", 5) == []
        assert bench.ledger.begin(lease, worker).number == 1
        ended = [Ended(leases[1], Completed(1.0)), Ended(lease, Completed(1.0))]
        (one,) = bench.ledger.finish(worker, ended, (), "database", 1) or ()
        assert one.task == newer[2]
        assert [bench.ledger.task(name).state for name in (older[0], *newer[:2])] == [State.COMPLETED] * 3
        bench.ledger.pause("database", paused=True)
        assert bench.ledger.finish(worker, [], (), "database", 5) == []

    def test_a_delivery_that_will_not_be_begun_goes_back_at_once(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker(slots=2)
        begun, handed = bench.ledger.lease("database", 2)
        bench.ledger.begin(begun, worker)
        for _ in range(2):  # a second time changes nothing
            bench.ledger.hand_back([begun, handed])
        assert bench.ledger.renew(worker, [begun]).lost == ()
        (again,) = bench.ledger.lease("database", 2)
        assert again == Lease(handed.task, handed.fence + 1)
        bench.ledger.hand_back([handed])  # too late: it is another's by now
        assert bench.ledger.begin(again, worker).number == 1


class TestEnding:
    def test_completed_keeps_its_summary_and_reaches_a_hundred(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(2.0, {"issues": 3}))])
        task = bench.ledger.task(name)
        assert (task.state, task.percent, task.summary) == (State.COMPLETED, 100.0, {"issues": 3})
        assert bench.ledger.batch(task.batch).percent == 100.0

    def test_a_retry_waits_5_10_and_20_seconds_and_then_fails(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        for number, delay in enumerate((5.0, 10.0, 20.0), start=1):
            (lease,) = claim(bench, worker)
            bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
            task = bench.ledger.task(name)
            assert (task.status, task.attempt) == ("queued", number)
            assert task.run_at - bench.clock.now() == pytest.approx(delay)
            bench.clock.pass_time(delay * 0.99)
            assert claim(bench, worker) == []
            bench.clock.pass_time(delay * 0.02)
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
        task = bench.ledger.task(name)
        assert (task.state, task.fault, task.attempt) == (State.FAILED, BUSY, 4)

    @pytest.mark.parametrize(("chance", "delay"), [(0.0, 4.5), (1.0, 5.5)])
    def test_retries_are_spread_by_a_tenth(self, bench: Bench, chance: float, delay: float):
        """What failed together is not tried again together."""
        bench.ledger.chance = lambda: chance
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
        assert bench.ledger.task(name).run_at - bench.clock.now() == pytest.approx(delay)

    def test_a_failure_is_final(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Failed(BUSY))])
        assert bench.ledger.task(name).fault == BUSY
        assert claim(bench, worker) == []

    def test_a_hand_back_uses_no_attempt_and_is_not_charged(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        for _ in range(6):
            (lease,) = claim(bench, worker)
            bench.ledger.finish(worker, [Ended(lease, Yielded(why="drained"))])
        task = bench.ledger.task(name)
        assert (task.status, task.attempt) == ("queued", 0)
        assert bench.ledger.queue().lanes[0].vtime == 0.0

    def test_what_was_used_before_a_turn_went_back_is_paid_uses_no_attempt_and_teaches_nothing(self, bench: Bench):
        """Or who fills the disk would run for nothing. How far an estimate was off, a part of the work does not say."""
        (name,) = bench.submit(1, cost=10.0)
        worker = bench.worker()
        for paid in (0.0, 3.0, 6.0):
            (lease,) = claim(bench, worker)
            assert bench.ledger.queue(UserId(1)).lanes[0].vtime == pytest.approx(paid + 10.0)
            bench.ledger.finish(worker, [Ended(lease, Yielded(60.0, "There is no room.", 3.0))])
            assert bench.ledger.queue(UserId(1)).lanes[0].vtime == pytest.approx(paid + 3.0)
            bench.clock.pass_time(60)
        assert bench.ledger.task(name).attempt == 0

    def test_a_yielded_task_waits_as_long_as_it_asked(self, bench: Bench):
        bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Yielded(after=30.0))])
        assert claim(bench, worker) == []
        bench.clock.pass_time(30)
        assert len(claim(bench, worker)) == 1

    def test_a_late_finish_is_refused(self, bench: Bench):
        (name,) = bench.submit(1)
        early, late = bench.worker("early"), bench.worker("late")
        (old,) = claim(bench, early)
        bench.ledger.leave(early)
        (new,) = claim(bench, late)
        bench.ledger.finish(early, [Ended(old, Completed(1.0))])
        bench.ledger.finish(late, [Ended(old, Completed(1.0))])
        bench.ledger.finish(early, [Ended(new, Completed(1.0))])
        assert bench.ledger.task(name).state is State.RUNNING
        bench.ledger.finish(late, [Ended(new, Failed(BUSY))])
        assert bench.ledger.task(name).state is State.FAILED

    def test_an_outcome_told_twice_counts_once(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker()
        leases = claim(bench, worker)
        ended = [Ended(leases[0], Completed(1.0))]
        bench.ledger.finish(worker, ended)
        bench.ledger.finish(worker, ended)
        assert bench.ledger.queue().running == 1


class TestCheckpoints:
    def test_a_saved_step_is_there_for_the_next_worker(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.started(lease, worker, Progress("parse", 0))
        bench.ledger.save(lease, worker, Checkpoint("parse", "k1", b"text" * 1000), Progress("parse", 35))
        assert bench.ledger.checkpoint(name, "parse", "k1") == b"text" * 1000
        assert bench.ledger.checkpoint(name, "parse") == b"text" * 1000
        assert bench.ledger.checkpoint(name, "parse", "other") is None
        assert bench.ledger.task(name).percent == 35

    def test_a_late_holder_saves_nothing(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.leave(worker)
        for write in (
            lambda: bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35)),
            lambda: bench.ledger.started(lease, worker, Progress("parse", 0)),
        ):
            with pytest.raises(StaleLease):
                write()
        bench.ledger.progress(worker, [(lease, Progress("parse", 10))])
        assert bench.ledger.checkpoint(name, "parse") is None
        assert bench.ledger.task(name).percent == 0

    @pytest.mark.parametrize("holder", ["the same worker with its old lease", "another worker with the new lease"])
    def test_every_write_asks_for_the_fence_and_the_worker(self, bench: Bench, holder: str):
        (name,) = bench.submit(1)
        worker, other = bench.worker(), bench.worker("other")
        (old,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(old, Yielded())])
        (now,) = claim(bench, worker)
        lease, who = (old, worker) if "old" in holder else (now, other)
        until = bench.ledger.read(lambda c: c.execute(select(tasks.c.lease_until)).scalar_one())
        bench.clock.pass_time(5)
        for write in (
            lambda: bench.ledger.save(lease, who, Checkpoint("parse", "k", b"late"), Progress("parse", 35)),
            lambda: bench.ledger.started(lease, who, Progress("parse", 20)),
        ):
            with pytest.raises(StaleLease):
                write()
        bench.ledger.progress(who, [(lease, Progress("parse", 30))])
        bench.ledger.finish(who, [Ended(lease, Completed(1.0))])
        assert bench.ledger.renew(who, [lease]).lost == (lease,)
        assert bench.ledger.read(lambda c: c.execute(select(tasks.c.lease_until)).scalar_one()) == until
        task = bench.ledger.task(name)
        assert (task.state, task.percent, bench.ledger.checkpoint(name, "parse")) == (State.RUNNING, 0, None)

    def test_several_tell_of_their_steps_at_once_each_as_if_alone(self, bench: Bench):
        bench.submit(1, 5)
        worker = bench.worker()
        begins, passed, saves, cancelled, lost = claim(bench, worker)
        bench.ledger.cancel(cancelled.task)
        bench.ledger.finish(worker, [Ended(lost, Yielded(after=60))])
        wrote: list[TaskId] = []

        def saved(lease: Lease) -> Note:
            made = Checkpoint("parse", "k", lease.task.encode())
            return Note(lease, Progress("parse", 35), checkpoint=made, also=lambda _: wrote.append(lease.task))

        refused = bench.ledger.note(
            worker,
            [
                saved(lost),
                Note(begins, Progress("parse", 0)),
                saved(cancelled),
                Note(passed, Progress("parse", 35), resumed=True),
                saved(saves),
            ],
        )
        assert list(map(type, refused)) == [StaleLease, type(None), CancelRequested, type(None), type(None)]
        assert wrote == [saves.task]
        last = {lease.task: bench.ledger.events(lease.task)[-1] for lease in (begins, passed, saves)}
        assert [(event.kind, event.step, event.percent) for event in last.values()] == [
            ("step", "parse", 0), ("resumed", "parse", 35), ("saved", "parse", 35),
        ]  # fmt: skip
        kept = {lease: bench.ledger.checkpoint(lease.task, "parse") for lease in (begins, saves, cancelled, lost)}
        assert kept == {begins: None, saves: saves.task.encode(), cancelled: None, lost: None}

    def test_what_one_note_breaks_is_undone_for_all(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker()
        first, second = claim(bench, worker)

        def breaks(_: Connection) -> None:
            raise RuntimeError

        made = Checkpoint("parse", "k", b"x")
        with pytest.raises(RuntimeError):
            bench.ledger.note(
                worker,
                [
                    Note(first, Progress("parse", 35), checkpoint=made),
                    Note(second, Progress("parse", 35), checkpoint=made, also=breaks),
                ],
            )
        assert [bench.ledger.checkpoint(lease.task, "parse") for lease in (first, second)] == [None, None]
        assert bench.ledger.task(first.task).percent == 0

    def test_what_one_tells_of_several_steps_stays_in_its_order(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker()
        first, second = claim(bench, worker)
        made = Checkpoint("parse", "k", b"x")
        notes = [
            Note(first, Progress("parse", 0)),
            Note(second, Progress("parse", 35), checkpoint=made),
            Note(second, Progress("check", 35)),
            Note(first, Progress("parse", 35), checkpoint=made),
            Note(first, Progress("check", 20)),
            Note(second, Progress("check", 70), checkpoint=replace(made, step="check")),
        ]
        assert bench.ledger.note(worker, notes) == [None] * 6
        told = {
            lease: [(x.kind, x.step, x.percent) for x in bench.ledger.events(lease.task)][2:]
            for lease in (first, second)
        }
        assert told == {
            first: [("step", "parse", 0), ("saved", "parse", 35), ("step", "check", 35)],  # no percentage falls
            second: [("saved", "parse", 35), ("step", "check", 35), ("saved", "check", 70)],
        }
        assert bench.ledger.task(second.task).percent == 70
        assert bench.ledger.checkpoint(second.task, "check") == b"x"

    @pytest.mark.parametrize(
        ("outcome", "how"),
        [(Completed(1.0), "completed"), (Failed(BUSY), "failed"), (Retry(BUSY), "retry"), (Yielded(), "yielded")],
        ids=lambda given: given if isinstance(given, str) else "",
    )
    def test_an_attempt_ends_with_what_it_told_last(self, bench: Bench, outcome: Outcome, how: str):
        (name, _) = bench.submit(1, 2)
        worker = bench.worker()
        leases = claim(bench, worker)
        wrote: list[str] = []
        made = Checkpoint("parse", "k", b"x")
        notes = [
            Note(leases[0], Progress("parse", 0)),
            Note(leases[0], Progress("parse", 35), checkpoint=made, also=lambda _: wrote.append("also")),
        ]
        bench.ledger.finish(worker, [Ended(lease, outcome) for lease in leases], notes)
        kinds = [(event.kind, event.step) for event in bench.ledger.events(name)][2:]
        assert kinds == [("step", "parse"), ("saved", "parse"), (how, "parse")]
        assert (bench.ledger.checkpoint(name, "parse", "k"), wrote) == (b"x", ["also"])
        assert {bench.ledger.task(lease.task).status for lease in leases} != {"running"}

    @pytest.mark.parametrize("why", ["late", "cancelled"])
    def test_of_an_attempt_that_may_not_end_so_nothing_is_written(self, bench: Bench, why: str):
        (name, _) = bench.submit(1, 2)
        worker = bench.worker()
        bad, good = claim(bench, worker)
        if why == "late":
            bench.ledger.finish(worker, [Ended(bad, Yielded(after=60.0))])
        else:
            bench.ledger.cancel(name)
        before = len(bench.ledger.events(name))
        wrote: list[Lease] = []

        def last(lease: Lease) -> Note:
            made = Checkpoint("parse", "k", b"x")
            return Note(lease, Progress("parse", 35), checkpoint=made, also=lambda _: wrote.append(lease))

        ended = [Ended(lease, Completed(1.0)) for lease in (bad, good)]
        bench.ledger.finish(worker, ended, [last(bad), last(good)])
        assert [event.kind for event in bench.ledger.events(name)][before:] == ([] if why == "late" else ["cancelled"])
        assert (bench.ledger.checkpoint(name, "parse"), wrote) == (None, [good])
        assert bench.ledger.task(good.task).status == "completed"

    def test_an_attempt_is_told_which_steps_left_results(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker()
        leases = claim(bench, worker)
        bench.ledger.save(leases[0], worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
        bench.ledger.save(leases[0], worker, Checkpoint("check", "k", b"x"), Progress("check", 70))
        bench.ledger.finish(worker, [Ended(lease, Yielded()) for lease in leases])
        again = {lease.task: lease for lease in claim(bench, worker)}
        begun = [bench.ledger.begin(again[lease.task], worker).kept for lease in leases]
        assert begun == [frozenset({"parse", "check"}), frozenset()]

    def test_a_delivery_that_comes_again_is_told_what_the_first_one_left(self, bench: Bench):
        bench.submit(1)
        worker = bench.worker()
        (lease,) = bench.ledger.lease("database", 1)
        assert bench.ledger.begin(lease, worker).kept == frozenset()
        bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
        assert bench.ledger.begin(lease, worker).kept == frozenset({"parse"})

    def test_percent_never_falls(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        for percent in (10, 30, 20, 200):
            bench.ledger.progress(worker, [(lease, Progress("parse", percent))])
        assert [event.percent for event in bench.ledger.events(name)] == [0, 0, 10, 30, 30, 100]

    def test_attempts_tell_their_steps(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.started(lease, worker, Progress("parse", 0))
        bench.clock.pass_time(3)
        bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
        bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
        bench.clock.pass_time(10)
        (lease,) = claim(bench, worker)
        bench.ledger.started(lease, worker, Progress("parse", 35), resumed=True)
        first, second = bench.ledger.attempts(name)
        assert (first.number, first.outcome, first.fault, first.ended_at > 0) == (1, "retry", BUSY, True)
        assert [(s.step, s.seconds, s.resumed) for s in first.steps] == [("parse", 3.0, False)]
        assert (second.number, second.outcome, second.ended_at) == (2, "", 0)
        assert [(s.step, s.resumed) for s in second.steps] == [("parse", True)]

    def test_attempts_keep_who_ran_them_and_how_they_ended(self, bench: Bench):
        (name,) = bench.submit(1)
        worker, other = bench.worker(), bench.worker("other")
        begun: list[float] = []
        for who, outcome in ((worker, Retry(BUSY)), (other, Yielded(why="drained")), (other, Completed(1.0))):
            bench.clock.pass_time(10)
            (lease,) = claim(bench, who)
            begun.append(bench.clock.now())
            bench.clock.pass_time(2)
            bench.ledger.finish(who, [Ended(lease, outcome)])
        found = bench.ledger.attempts(name)
        assert [(one.number, one.fence, one.worker) for one in found] == [(1, 1, worker), (2, 2, other), (2, 3, other)]
        assert [(one.outcome, one.fault) for one in found] == [("retry", BUSY), ("yielded", None), ("completed", None)]
        assert [one.started_at for one in found] == begun
        assert [one.ended_at for one in found] == [at + 2 for at in begun]
        assert {one.engine for one in found} == {"database"}

    def test_an_attempt_that_an_older_process_wrote_as_it_began_ends_too(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        row = {"task_id": name, "fence": lease.fence, "number": 1, "engine": "database", "worker_id": worker}
        bench.ledger.write(lambda c: c.execute(insert(attempts), row | {"started_at": bench.clock.now()}) and None)
        assert [one.outcome for one in bench.ledger.attempts(name)] == [""]
        bench.ledger.leave(worker)
        assert [one.outcome for one in bench.ledger.attempts(name)] == ["crashed"]


class TestOlderProcesses:
    """After the first new process has migrated the database, older ones go on until they are replaced."""

    def submit(self, bench: Bench, user: int, count: int) -> BatchId:
        """As they write it: they do not say where a batch's tasks lie."""
        bench.submit(user, count)
        batch = bench.ledger.tasks(user=UserId(user), limit=1)[0].batch

        def write(connection: Connection) -> None:
            known = [batches.c[name] for name in ("id", "user_id", "name", "priority", "key", "content", "created_at")]
            row = dict(connection.execute(select(*known).where(batches.c.id == batch)).mappings().one())
            connection.execute(delete(batches).where(batches.c.id == batch))
            connection.execute(insert(batches), row)

        bench.ledger.write(write)
        return batch

    def test_a_batch_of_theirs_shows_its_tasks(self, bench: Bench):
        other = bench.submit(1, 2)
        batch = self.submit(bench, 1, 3)
        mine = [task.id for task in bench.ledger.tasks(user=UserId(1)) if task.id not in other]
        assert bench.ledger.batch(batch).counts == {"queued": 3}
        assert [task.id for task in bench.ledger.tasks(batch=batch)] == sorted(mine)

    def test_a_batch_of_theirs_goes_with_its_last_task(self, bench: Bench):
        batch = self.submit(bench, 1, 2)
        first, last = (task.id for task in bench.ledger.tasks(batch=batch))
        kept = Kept(finished=86_400.0)
        for task, left in ((first, [last]), (last, [])):
            bench.ledger.cancel(task)
            bench.clock.pass_time(86_400.0)
            assert bench.ledger.forget(UserId(1), kept) == 1
            assert [task.id for task in bench.ledger.tasks(batch=batch)] == left
            if left:
                assert bench.ledger.batch(batch).counts == {"queued": 1}
        with pytest.raises(NotFound):
            bench.ledger.batch(batch)


class TestVersions:
    """While a newer version is rolled out, workers of the older one take no payload that they cannot read."""

    def submit(self, bench: Bench, user: int, *versions: int) -> list[TaskId]:
        new = [NewTask(TaskId(f"u{user}-{at}"), b"{}", version=version) for at, version in enumerate(versions)]
        bench.ledger.submit(NewBatch(BatchId(f"batch of {user}"), UserId(user), new))
        return [task.id for task in new]

    def worker(self, bench: Bench, version: int, engine: str = "database") -> WorkerId:
        name = WorkerId(f"{engine} {version}")
        bench.ledger.register(name, engine, "host", 1, 10, version)
        return name

    def given(self, bench: Bench, worker: WorkerId, room: int = 10) -> list[TaskId]:
        return sorted(lease.task for lease in bench.ledger.step("database", worker, [], room))

    def test_a_worker_is_given_what_it_knows_and_the_rest_waits_for_another(self, bench: Bench):
        first, second, third = self.submit(bench, 1, 2, 1, 3)
        assert self.given(bench, self.worker(bench, 1)) == [second]
        assert self.given(bench, self.worker(bench, 2)) == [first]
        assert self.given(bench, self.worker(bench, 3)) == [third]

    def test_who_has_only_newer_tasks_holds_nobody_up(self, bench: Bench):
        for user in range(1, 8):
            self.submit(bench, user, 2, 2)
        names = self.submit(bench, 8, 1, 1)
        assert self.given(bench, self.worker(bench, 1), room=2) == names

    def test_a_claim_looks_at_so_many_lanes_that_have_nothing_for_it_and_no_more(self, bench: Bench):
        for user in range(1, 201):
            self.submit(bench, user, 2)
        asked: list[int] = []
        really = Lanes.next

        def counted(lanes: Lanes, engine: str, most: int, channel: Channel) -> Sequence[Lane]:
            found = really(lanes, engine, most, channel)
            asked.append(len(found))
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Lanes, "next", counted)
            patch.setattr(turns, "BARREN", 50)
            assert self.given(bench, self.worker(bench, 1), room=4) == []
        assert sum(asked) <= 150
        assert len(asked) <= 10

    def test_one_that_crashed_is_left_to_who_knows_it(self, make_bench: Callable[..., Bench]):
        bench = make_bench(max_crashes=2)
        (name,) = self.submit(bench, 1, 2)
        gone = self.worker(bench, 2)
        assert self.given(bench, gone) == [name]
        bench.ledger.leave(gone)
        assert self.given(bench, self.worker(bench, 1)) == []
        assert self.given(bench, self.worker(bench, 3)) == [name]

    def test_a_push_engine_is_handed_what_all_its_workers_know(self, bench: Bench):
        bench.ledger.lane(UserId(1), engine="pushed")
        newer, older = self.submit(bench, 1, 2, 1)
        new, old = self.worker(bench, 2, "pushed"), self.worker(bench, 1, "pushed")
        assert [lease.task for lease in bench.ledger.lease("pushed", 10)] == [older]
        bench.ledger.leave(old)
        (lease,) = bench.ledger.lease("pushed", 10)
        assert lease.task == newer
        late = self.worker(bench, 1, "pushed")
        with pytest.raises(StaleLease, match="this worker knows 1"):
            bench.ledger.begin(lease, late)
        assert bench.ledger.begin(lease, new).lease.task == newer

    def test_nobody_is_called_for_what_they_cannot_read(self, bench: Bench):
        def is_called() -> bool:
            return bench.ledger.runnable("database")

        self.submit(bench, 1, 2)
        assert is_called()  # nobody said what they read
        old = self.worker(bench, 1)
        assert not is_called()
        (name,) = self.submit(bench, 2, 1)
        assert is_called()
        assert self.given(bench, old) == [name]
        assert not is_called()
        bench.ledger.leave(old)  # what crashed is taken up again
        assert is_called()
        self.given(bench, self.worker(bench, 1))
        assert not is_called()
        self.worker(bench, 2)
        assert is_called()

    def test_whoever_is_called_is_called_for_what_stands_behind_lanes_that_they_cannot_read(self, bench: Bench):
        for user in range(1, 250):
            self.submit(bench, user, 2)
        old = self.worker(bench, 1)
        assert not bench.ledger.runnable("database")
        names = self.submit(bench, 250, 1)
        assert bench.ledger.runnable("database")
        assert self.given(bench, old) == names

    def too_new(self, bench: Bench, user: UserId | None = None) -> list[tuple[int, int, int]]:
        """How many tasks, the version that they need, the version that is read."""
        return [(of.tasks, of.version, of.reads) for of in bench.ledger.queue(user).unreadable]

    def test_what_no_worker_reads_is_told_with_what_they_read(self, bench: Bench):
        self.submit(bench, 1, 1, 3, 2)
        self.submit(bench, 2, 4)
        assert self.too_new(bench) == []  # that nobody works there is told otherwise
        old = self.worker(bench, 1)
        assert bench.ledger.queue().unreadable == [Unreadable("database", 3, version=4, reads=1)]
        assert self.too_new(bench, UserId(1)) == []
        self.given(bench, old)
        assert self.too_new(bench) == [(3, 4, 1)]
        newer = self.worker(bench, 3)
        self.worker(bench, 4, "other")  # reads all, and is given none of it
        assert self.too_new(bench) == [(1, 4, 3)]
        bench.ledger.leave(newer)
        self.worker(bench, 4)
        assert self.too_new(bench) == []
        bench.clock.pass_time(31)  # it is silent
        bench.ledger.renew(old, [])
        assert self.too_new(bench) == [(3, 4, 1)]

    def test_what_no_worker_reads_is_found_behind_all_that_they_do(self, bench: Bench):
        """Who looks sees a hundred lanes; those that come no further are the first of them."""
        self.submit(bench, 500, 2)
        for user in range(1, 151):
            self.submit(bench, user, 1, 1)
        worker = self.worker(bench, 1)
        for _ in range(15):
            leases = bench.ledger.step("database", worker, [], 10)
            bench.ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases])
        assert self.too_new(bench) == [(1, 2, 1)]

    def test_a_schedules_tasks_keep_it(self, bench: Bench):
        task = NewTask(TaskId("model"), b"{}", version=2)
        bench.ledger.add_schedule(NewSchedule(ScheduleId("s"), UserId(1), "often", "* * * * *", "UTC", [task], 5))
        bench.clock.at += 60
        assert bench.ledger.fire(ScheduleId("s"), lambda: "fired") is not None
        assert self.given(bench, self.worker(bench, 1)) == []
        assert self.given(bench, self.worker(bench, 2)) == ["fired"]


class TestCancelling:
    def test_a_queued_task_is_cancelled_at_once(self, bench: Bench):
        ready, later = bench.submit(1)[0], bench.submit(1, run_at=bench.clock.now() + 60)[0]
        for name in (ready, later):
            assert bench.ledger.cancel(name).state is State.CANCELLED
            assert bench.ledger.cancel(name).state is State.CANCELLED
        assert claim(bench, bench.worker()) == []

    def test_a_leased_task_is_cancelled_at_once_and_its_turn_is_free(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = bench.ledger.lease("database", 1)
        assert bench.ledger.cancel(name).state is State.CANCELLED
        with pytest.raises(StaleLease):
            bench.ledger.begin(lease, worker)
        assert bench.ledger.queue().running == 0

    def test_a_running_task_starts_no_further_step(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        assert bench.ledger.cancel(name).state is State.RUNNING
        with pytest.raises(CancelRequested):
            bench.ledger.started(lease, worker, Progress("parse", 0))
        with pytest.raises(CancelRequested):
            bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
        assert bench.ledger.renew(worker, [lease]).cancelled == (lease,)
        bench.ledger.finish(worker, [Ended(lease, Cancelled(1.0))])
        assert bench.ledger.task(name).state is State.CANCELLED

    def test_the_first_commit_wins_between_cancel_and_finish(self, bench: Bench):
        one, two = bench.submit(1, 2)
        worker = bench.worker()
        leases = {lease.task: lease for lease in claim(bench, worker)}
        bench.ledger.cancel(one)
        bench.ledger.finish(worker, [Ended(leases[one], Completed(1.0))])
        assert bench.ledger.task(one).state is State.CANCELLED
        bench.ledger.finish(worker, [Ended(leases[two], Completed(1.0))])
        with pytest.raises(Conflict):
            bench.ledger.cancel(two)

    def test_a_cancelled_task_whose_worker_dies_stays_cancelled(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        claim(bench, worker)
        bench.ledger.cancel(name)
        bench.ledger.leave(worker)
        assert bench.ledger.task(name).state is State.CANCELLED

    def test_an_ended_task_starts_again_with_fresh_tries_and_old_checkpoints(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        with pytest.raises(Conflict):
            bench.ledger.retry(name)
        (lease,) = claim(bench, worker)
        bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
        bench.ledger.finish(worker, [Ended(lease, Failed(BUSY))])
        task = bench.ledger.retry(name)
        assert (task.status, task.attempt, task.fault, task.percent) == ("queued", 0, None, 0)
        assert bench.ledger.checkpoint(name, "parse", "k") == b"x"
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        assert bench.ledger.task(name).state is State.COMPLETED
        with pytest.raises(Conflict):
            bench.ledger.retry(name)

    def test_what_does_not_exist_is_not_found(self, bench: Bench):
        for ask in (bench.ledger.task, bench.ledger.cancel, bench.ledger.retry):
            with pytest.raises(NotFound):
                ask(TaskId("none"))
        with pytest.raises(NotFound):
            bench.ledger.batch(BatchId("none"))


def ends(bench: Bench, user: int = 1) -> tuple[int, int, int]:
    (use,) = bench.ledger.uses(UserId(user - 1), 1)
    assert use.user == user
    return use.completed, use.failed, use.cancelled


class TestCountingEnds:
    @pytest.mark.parametrize(
        ("outcome", "counted"),
        [
            (Completed(1.0), (1, 0, 0)),
            (Failed(BUSY), (0, 1, 0)),
            (Cancelled(), (0, 0, 1)),
            (Retry(BUSY), (0, 0, 0)),
            (Yielded(), (0, 0, 0)),
            (Paused(Stage.MODEL), (0, 0, 0)),
        ],
        ids=["completed", "failed", "cancelled", "to retry", "yielded", "paused"],
    )
    @pytest.mark.parametrize("by", ["step", "finish"])
    def test_only_what_ends_a_task_counts(self, bench: Bench, outcome: Outcome, counted: tuple[int, int, int], by: str):
        bench.submit(1)
        bench.submit(2)
        worker = bench.worker()
        (lease, other) = claim(bench, worker)
        if by == "step":
            bench.ledger.step("database", worker, [Ended(lease, outcome)], 0)
        else:
            bench.ledger.finish(worker, [Ended(lease, outcome)])
        mine = bench.ledger.task(lease.task).user
        assert (ends(bench, mine), ends(bench, bench.ledger.task(other.task).user)) == (counted, (0, 0, 0))

    def test_a_late_outcome_counts_for_nobody(self, bench: Bench):
        bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0, cpu=3.0))])
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0, cpu=3.0))])
        assert ends(bench) == (1, 0, 0)
        assert bench.ledger.uses(UserId(0))[0].cpu == 3.0

    def test_the_last_of_its_tries_is_a_failure(self, make_bench: MakeBench):
        bench = make_bench(max_retries=1)
        bench.submit(1)
        worker = bench.worker()
        for counted in ((0, 0, 0), (0, 1, 0)):
            (lease,) = claim(bench, worker)
            bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
            bench.clock.pass_time(60)
            assert ends(bench) == counted

    @pytest.mark.parametrize("state", ["ready", "waiting", "leased", "running"])
    def test_a_cancel_counts_once_the_task_has_ended(self, bench: Bench, state: str):
        engine = "pushed" if state == "leased" else "database"
        bench.ledger.lane(UserId(1), engine=engine)
        (name,) = bench.submit(1, run_at=bench.clock.now() + 9 if state == "waiting" else 0.0)
        worker = bench.worker(engine=engine)
        lease = None
        match state:
            case "leased":
                bench.ledger.lease(engine, 1)
            case "running":
                (lease,) = claim(bench, worker)
            case _:
                pass
        assert bench.ledger.task(name).state == state
        bench.ledger.cancel(name)
        bench.ledger.cancel(name)
        if lease is not None:
            assert ends(bench) == (0, 0, 0)
            bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        assert ends(bench) == (0, 0, 1)

    def test_poison_is_a_failure_that_the_sweep_counts(self, bench: Bench):
        bench.submit(1)
        for number in range(3):
            assert ends(bench) == (0, 0, 0)
            assert len(claim(bench, bench.worker(f"w{number}"))) == 1
            bench.clock.pass_time(31)
            bench.ledger.recover()
        assert ends(bench) == (0, 1, 0)

    def test_a_task_that_is_started_again_ends_again(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        for count in (1, 2):
            (lease,) = claim(bench, worker)
            bench.ledger.finish(worker, [Ended(lease, Failed(BUSY))])
            assert ends(bench) == (0, count, 0)
            bench.ledger.retry(name)
        bench.ledger.cancel(name)
        assert ends(bench) == (0, 2, 1)

    def test_ends_stay_counted_when_counters_are_put_right_and_old_tasks_go(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker()
        (first, _) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(first, Completed(1.0))])
        bench.ledger.write(lambda c: c.exec_driver_sql("UPDATE lanes SET ready = 7"))
        assert bench.ledger.recover().drifted == 1
        bench.clock.pass_time(2 * 86_400)
        assert bench.ledger.forget(UserId(1), Kept(finished=86_400.0)) == 1
        assert ends(bench) == (1, 0, 0)

    def test_what_parts_and_tries_used_of_processors_adds_up(self, bench: Bench):
        bench.ledger.lane(UserId(1), engine="pushed")
        bench.submit(1)
        worker = bench.worker(engine="pushed")
        told = [Paused(Stage.CPU, cpu=1.0), Retry(BUSY, cpu=2.0), Yielded(cpu=4.0), Cancelled(cpu=8.0)]
        for outcome in told:
            (lease,) = bench.ledger.lease("pushed", 1)
            bench.ledger.begin(lease, worker)
            bench.ledger.finish(worker, [Ended(lease, outcome)])
            bench.clock.pass_time(6)
        assert bench.ledger.uses(UserId(0))[0].cpu == 15.0

    @pytest.mark.parametrize(("told", "kept"), [(-1.0, 0.0), (math.nan, 0.0), (math.inf, 86_400.0)])
    def test_processor_time_that_makes_no_sense_spoils_no_sum(self, bench: Bench, told: float, kept: float):
        bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0, cpu=told))])
        assert bench.ledger.uses(UserId(0))[0].cpu == kept

    def test_what_waits_and_runs_is_told_beside_them_by_pages_of_users(self, bench: Bench):
        bench.ledger.lane(UserId(2), engine="pushed")
        for user in (1, 2, 3):
            bench.submit(user, user)
        claim(bench, bench.worker(), 2)
        bench.worker("pushed", engine="pushed")
        bench.ledger.lease("pushed", 1)
        first, rest = bench.ledger.uses(UserId(0), 2), bench.ledger.uses(UserId(2))
        assert [(use.user, use.queued, use.running) for use in [*first, *rest]] == [(1, 0, 1), (2, 2, 0), (3, 2, 1)]

    def test_all_users_are_summed_up(self, bench: Bench):
        assert bench.ledger.use_of_all() == LaneUse(UserId(0), 0, 0, 0, 0, 0, 0.0)
        for user in (1, 2):
            bench.submit(user, 3)
        worker = bench.worker()
        leases = claim(bench, worker, 4)
        outcomes = [Completed(1.0, cpu=0.5), Failed(BUSY, cpu=1.0), Cancelled()]
        bench.ledger.finish(worker, list(map(Ended, leases, outcomes)))
        assert bench.ledger.use_of_all() == LaneUse(UserId(0), 2, 1, 1, 1, 1, 1.5)

    def test_crashes_are_counted_by_engine_as_they_are_found(self, bench: Bench):
        bench.submit(1, 2)
        claim(bench, bench.worker())
        bench.clock.pass_time(31)
        bench.ledger.recover()
        assert {key: one.count for key, one in bench.ledger.tallies().items()} == {("outcomes", "database/crashed"): 2}

    def test_connections_in_use_are_known_without_asking(self, bench: Bench):
        in_use, most = bench.ledger.pool()
        assert 0 == in_use < most
        assert bench.ledger.read(lambda _: bench.ledger.pool()) == (1, most)


class TestRecovering:
    def test_a_silent_workers_tasks_go_on_after_the_lease(self, bench: Bench):
        (name,) = bench.submit(1)
        dead, alive = bench.worker("dead"), bench.worker("alive")
        (old,) = claim(bench, dead)
        bench.clock.pass_time(29)
        bench.ledger.renew(alive, [])
        assert bench.ledger.recover().expired == 0
        bench.clock.pass_time(1)
        found = bench.ledger.recover()
        assert (found.expired, found.workers, found.drifted) == (1, 1, 0)
        (new,) = claim(bench, alive)
        assert (new.task, new.fence) == (name, old.fence + 1)
        assert [member.id for member in bench.ledger.members()] == [alive]

    def test_leases_that_are_over_are_told_until_they_are_taken_back(self, bench: Bench):
        bench.submit(1, 3)
        dead = bench.worker("dead")
        claim(bench, dead)
        bench.clock.pass_time(29)
        assert (bench.ledger.vitals().stranded, bench.ledger.vitals().stranded_for) == (0, 0.0)
        bench.clock.pass_time(11)
        vitals = bench.ledger.vitals()
        assert (vitals.stranded, vitals.stranded_for) == (3, 10.0)
        assert 0 < vitals.connections <= vitals.most_connections
        assert vitals.database_bytes > 0
        bench.ledger.recover()
        assert bench.ledger.vitals().stranded == 0

    def test_a_silent_worker_is_known_until_its_leases_are_over(self, bench: Bench):
        bench.submit(1)
        bench.worker("idle")
        busy = bench.worker("busy")
        bench.clock.pass_time(20)
        claim(bench, busy)
        bench.clock.pass_time(15)
        assert bench.ledger.recover().workers == 1
        assert [member.id for member in bench.ledger.members()] == [busy]
        bench.clock.pass_time(16)
        assert (bench.ledger.recover().expired, bench.ledger.members()) == (1, [])

    def test_a_sweep_takes_back_whatever_is_over(self, make_bench: MakeBench):
        bench = make_bench(system_limit=500)
        bench.ledger.lane(UserId(1), max_running=450)
        bench.submit(1, 450)
        assert len(claim(bench, bench.worker("big", 450), 450)) == 450
        bench.clock.pass_time(31)
        assert bench.ledger.recover().expired == 450
        assert bench.ledger.recover().expired == 0

    def test_heartbeats_keep_leases_alive(self, bench: Bench):
        bench.submit(1, 2)
        worker = bench.worker()
        leases = claim(bench, worker)
        for _ in range(5):
            bench.clock.pass_time(20)
            renewal = bench.ledger.renew(worker, leases)
            assert (renewal.lost, renewal.cancelled, renewal.known) == ((), (), True)
            assert bench.ledger.recover().expired == 0

    def test_a_frozen_worker_learns_that_it_lost_everything(self, bench: Bench):
        bench.submit(1)
        frozen = bench.worker("frozen")
        leases = claim(bench, frozen)
        bench.clock.pass_time(31)
        bench.ledger.recover()
        renewal = bench.ledger.renew(frozen, leases)
        assert (renewal.lost, renewal.known) == (tuple(leases), False)

    def test_a_task_that_kills_its_workers_is_poison(self, bench: Bench):
        (name,) = bench.submit(1)
        for number in range(3):
            worker = bench.worker(f"w{number}")
            assert len(claim(bench, worker)) == 1
            bench.ledger.leave(worker)
        task = bench.ledger.task(name)
        assert (task.state, task.fault.code if task.fault else "") == (State.FAILED, "poison")

    def test_a_crash_uses_no_attempt_and_is_not_charged(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker("w")
        claim(bench, worker)
        bench.ledger.leave(worker)
        assert bench.ledger.queue().lanes[0].vtime == 0.0
        worker = bench.worker("x")
        claim(bench, worker)
        assert bench.ledger.task(name).attempt == 1

    def test_a_drifted_counter_is_mended_and_reported(self, bench: Bench):
        bench.submit(1, 3)
        bench.ledger.write(lambda c: c.exec_driver_sql("UPDATE lanes SET ready = 0, running = 2, vtime = 9"))
        worker = bench.worker()
        assert claim(bench, worker) == []
        assert bench.ledger.queue().repairs == 0
        assert bench.ledger.recover().drifted == 1
        assert bench.ledger.recover().drifted == 0
        assert (bench.ledger.queue().lanes[0].vtime, bench.ledger.queue().repairs) == (0.0, 1)
        assert len(claim(bench, worker)) == 3

    def test_repairs_add_up_whoever_makes_them(self, bench: Bench):
        for user in (1, 2, 3):
            bench.submit(user)
        other = SqlLedger(bench.ledger.dialect, bench.ledger.rules, clock=bench.clock)
        for ledger, users, before in ((bench.ledger, 2, 0), (other, 3, 2)):
            assert ledger.queue().repairs == before
            ledger.write(lambda c, most=users: c.exec_driver_sql(f"UPDATE lanes SET ready = 9 WHERE user_id <= {most}"))
            assert ledger.recover().drifted == users
        assert [ledger.queue().repairs for ledger in (bench.ledger, other)] == [5, 5]
        assert bench.ledger.queue(UserId(1)).repairs == 5

    def test_a_look_at_counters_locks_the_systems_row_only_where_they_drifted_and_before_lanes(self, bench: Bench):
        bench.submit(1, 3)
        claim(bench, bench.worker(), 2)
        named = re.compile(r"(?:FROM|UPDATE) .*?\b(system|lanes)\b", re.DOTALL)
        said = transactions_of(bench, bench.ledger.recover)
        assert not any(found[1] == "system" for each in said for line in each if (found := named.search(line)))
        bench.ledger.write(lambda connection: connection.exec_driver_sql("UPDATE lanes SET running = running + 1"))
        *_, last = transactions_of(bench, bench.ledger.recover)
        tables = [found[1] for line in last if (found := named.search(line))]
        assert (tables[0], tables[-1]) == ("system", "system")

    def test_a_look_at_counters_counts_so_many_tasks_or_one_lane(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("paperlane.ledger.recovery._TASKS_AT_ONCE", 6)
        for user, tasks_of_user in ((1, 7), (2, 3), (3, 3), (4, 3), (5, 0)):
            bench.submit(user, tasks_of_user) if tasks_of_user else bench.ledger.lane(UserId(user), max_running=1)
        bench.ledger.write(lambda connection: connection.exec_driver_sql("UPDATE lanes SET running = running + 1"))
        assert [bench.ledger.recover().drifted for _ in range(4)] == [1, 2, 2, 0]


class TestLooking:
    @pytest.mark.parametrize("user", [None, UserId(1)])
    def test_what_has_not_ended_is_listed_by_state_newest_first(self, bench: Bench, user: UserId | None):
        done, runs, first, *_ = bench.submit(1, 3)
        put_off = bench.submit(1, 2, run_at=bench.clock.now() + 60)
        last = bench.submit(1, 1)
        worker = bench.worker()
        leases = {lease.task: lease for lease in claim(bench, worker, 2)}
        bench.ledger.finish(worker, [Ended(leases[done], Completed(1.0))])

        def pages(*states: State) -> list[TaskId]:
            found: list[TaskId] = []
            while page := bench.ledger.tasks(user=user, states=states, cursor=found[-1] if found else "", limit=3):
                found += [task.id for task in page]
            return found

        queued = (State.READY, State.WAITING, State.LEASED)
        assert pages(*queued) == sorted([first, *put_off, *last], reverse=True)
        assert pages(*queued, State.RUNNING, State.READY) == sorted([runs, first, *put_off, *last], reverse=True)
        assert pages(State.RUNNING) == [runs]
        assert pages(State.RUNNING, State.COMPLETED) == sorted([runs, done], reverse=True)


class TestFollowing:
    def test_events_of_a_task_come_after_a_number(self, bench: Bench):
        (name,) = bench.submit(1)
        worker = bench.worker()
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        events = bench.ledger.events(name)
        assert [(event.seq, event.kind, event.status) for event in events] == [
            (1, "submitted", "queued"),
            (2, "begun", "running"),
            (3, "completed", "completed"),
        ]
        assert bench.ledger.events(name, after=2) == events[2:]

    def test_every_event_after_what_was_seen_of_each_task_in_order(self, bench: Bench):
        names = bench.submit(1, 4)
        worker = bench.worker()
        for lease in claim(bench, worker, 3):
            for percent in range(12):  # more than have one digit
                bench.ledger.progress(worker, [(lease, Progress("parse", percent))])
        one, two, three, four = names
        told = {name: bench.ledger.events(name) for name in names}
        assert [len(told[name]) for name in names] == [14, 14, 14, 1]
        moved = bench.ledger.moved({four: 0, two: 3, three: 14, one: 0, TaskId("nobody's"): 0})
        assert moved == [*told[one], *told[two][3:], *told[four]]
        assert bench.ledger.moved({three: 14}) == bench.ledger.moved({}) == []

    def test_a_commit_changes_the_number(self, bench: Bench):
        before = bench.ledger.changed()
        bench.submit(1)
        until(lambda: bench.ledger.changed() != before)

    def test_the_queue_shows_each_lane_and_engine(self, bench: Bench):
        bench.submit(1, 3)
        bench.submit(2, 1, run_at=bench.clock.now() + 60)
        bench.clock.pass_time(5)
        claim(bench, bench.worker(), 1)
        queue = bench.ledger.queue()
        assert (queue.queued, queue.running, queue.oldest) == (3, 1, 5.0)
        assert [(lane.user, lane.ready, lane.waiting, lane.running) for lane in queue.lanes] == [
            (1, 2, 0, 1),
            (2, 0, 1, 0),
        ]
        (engine,) = queue.engines
        assert (engine.name, engine.queued, engine.running, engine.workers, engine.slots) == ("database", 3, 1, 1, 10)
        assert [lane.user for lane in bench.ledger.queue(UserId(2)).lanes] == [2]

    def test_what_begins_and_ends_while_the_queue_is_read_leaves_nobody_below_zero(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ):
        bench.submit(1, 2)
        worker = bench.worker()
        (lease,) = bench.ledger.lease("database", 1)
        before = bench.ledger.read(lambda connection: views._leased(connection, None))
        bench.ledger.begin(lease, worker)
        bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
        monkeypatch.setattr(views, "_leased", lambda *_: before)
        queue = bench.ledger.queue()
        (lane,), (engine,) = queue.lanes, queue.engines
        assert (queue.queued, engine.queued, lane.leased) == (1, 1, 0)
        assert (queue.running, engine.running, lane.running) == (0, 0, 0)

    def test_the_queue_shows_some_lanes_and_counts_all(self, bench: Bench):
        bench.submit(1, 1)
        bench.clock.pass_time(7)
        bench.submit(2, 2, run_at=bench.clock.now() + 60)
        bench.submit(3, 4)
        bench.submit(4, 3)
        bench.ledger.lane(UserId(5))
        bench.worker()
        assert len(bench.ledger.lease("database", 1)) == 1
        queue = bench.ledger.queue(most=2)
        assert [(lane.user, lane.ready) for lane in queue.lanes] == [(3, 4), (4, 3)]
        assert (queue.busy, queue.queued, queue.running, queue.oldest) == (4, 10, 0, 0.0)
        assert bench.ledger.queue(most=0).engines == bench.ledger.queue().engines
        assert [lane.leased for lane in bench.ledger.queue().lanes] == [1, 0, 0, 0]
        bench.clock.pass_time(20)
        bench.submit(1, 1)
        assert (bench.ledger.queue(most=0).oldest, bench.ledger.queue(UserId(1)).oldest) == (20.0, 0.0)
        idle = bench.ledger.queue(UserId(5))
        assert ([lane.user for lane in idle.lanes], idle.busy, idle.queued, idle.oldest) == ([5], 0, 0, 0.0)

    def test_a_lane_waits_as_long_as_the_task_that_is_next(self, bench: Bench):
        ageing = bench.ledger.rules.ageing
        bench.submit(1, priority=4)
        bench.clock.pass_time(ageing - 1)
        bench.submit(1, priority=5)  # is next
        bench.clock.pass_time(30)
        (lane,) = bench.ledger.queue().lanes
        assert (lane.oldest, bench.ledger.queue().oldest) == (30.0, 30.0)
        claim(bench, bench.worker(), 1)
        (lane,) = bench.ledger.queue().lanes
        assert lane.oldest == 30.0 + ageing - 1  # one behind it waited longer by what a step is worth, at most

    def test_what_was_put_off_or_started_again_waits_since_it_could_run(self, bench: Bench):
        def waits(seconds: float) -> float:
            """For how long it has, so long after nobody may start it."""
            bench.ledger.lane(UserId(1), paused=True)
            bench.clock.pass_time(seconds)
            assert claim(bench, worker) == []
            (lane,) = bench.ledger.queue().lanes
            assert (lane.ready, bench.ledger.queue().oldest) == (1, 0.0)
            bench.ledger.lane(UserId(1), paused=False)
            assert bench.ledger.queue().oldest == lane.oldest
            return lane.oldest

        (name,) = bench.submit(1, run_at=bench.clock.now() + 60, priority=7)
        worker = bench.worker()
        assert waits(100) == 40.0
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
        assert waits(20) == 15.0
        (lease,) = claim(bench, worker)
        bench.ledger.finish(worker, [Ended(lease, Yielded())])
        assert waits(7) == 7.0
        claim(bench, worker)
        bench.ledger.leave(worker)
        worker = bench.worker("other")
        assert waits(8) == 8.0
        for again in (bench.ledger.retry, lambda task: bench.ledger.replay(Letters(ids=[task]))):
            (lease,) = claim(bench, worker)
            bench.ledger.finish(worker, [Ended(lease, Failed(BUSY))])
            bench.clock.pass_time(86_400)
            worker = bench.worker("of the next day" if again == bench.ledger.retry else "of the day after")
            again(name)
            assert waits(9) == 9.0

    def test_what_is_planned_or_paused_could_not_begin(self, bench: Bench):
        def startable() -> tuple[list[int], list[int]]:
            queue = bench.ledger.queue()
            return [lane.startable for lane in queue.lanes], [engine.startable for engine in queue.engines]

        bench.submit(3, 4)
        bench.ledger.lane(UserId(3), paused=True)
        bench.clock.pass_time(9)
        bench.submit(1, 3)
        bench.submit(2, 2, run_at=bench.clock.now() + 60)
        bench.worker()
        assert len(bench.ledger.lease("database", 1)) == 1
        bench.clock.pass_time(5)
        assert startable() == ([3, 0, 0], [3])  # what is handed out counts as long as it was not begun
        assert bench.ledger.queue().oldest == 5.0
        bench.ledger.pause("database", paused=True)
        assert startable() == ([0, 0, 0], [0])
        assert (bench.ledger.queue().queued, bench.ledger.queue().oldest) == (9, 0.0)


class TestEnds:
    def test_whoever_follows_them_is_told_of_each_end_once_however_it_comes(self, make_bench: MakeBench):
        bench = make_bench(max_retries=0, max_crashes=1)
        told: list[TaskId] = []
        bench.ledger.follow_ends(told.extend)
        done, failed, given_up, cancelled, stopped, crashed, yielded = bench.submit(1, 7)
        worker = bench.worker()
        leases = {lease.task: lease for lease in claim(bench, worker)}
        outcomes = {done: Completed(), failed: Failed(BUSY), given_up: Retry(BUSY), yielded: Yielded()}
        bench.ledger.finish(worker, [Ended(leases[name], outcome) for name, outcome in outcomes.items()])
        assert sorted(told) == sorted([done, failed, given_up])
        bench.ledger.cancel(yielded)
        bench.ledger.cancel(stopped)  # while it runs, so it has not ended
        assert told[3:] == [yielded]
        bench.ledger.finish(worker, [Ended(leases[stopped], Completed()), Ended(leases[cancelled], Cancelled())])
        bench.ledger.leave(worker)
        assert sorted(told[4:]) == sorted([stopped, cancelled, crashed])
        bench.ledger.retry(failed)
        bench.ledger.cancel(failed)
        assert told[7:] == [failed]

    def test_who_follows_no_more_is_told_no_more(self, bench: Bench):
        told: list[TaskId] = []
        bench.ledger.follow_ends(told.extend)
        bench.ledger.follow_ends(None)
        bench.ledger.cancel(bench.submit(1)[0])
        assert told == []
