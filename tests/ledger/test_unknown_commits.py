"""A commit whose answer is lost may have gone through or not: either way nothing is lost, and nothing doubled."""

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from threading import Event

import pytest
from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from tests.conftest import until
from tests.databases import SERVERS
from tests.ledger.conftest import Bench, new_batch
from tests.ledger.invariants import RAN_AGAIN
from tests.ledger.test_dead import fail

from paperlane.errors import CancelRequested, NotFound, Unavailable
from paperlane.ledger import Chore, Note, transactions, writing
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import checkpoints, engines, tasks
from paperlane.ledger.sql import SqlLedger
from paperlane.ledger.transactions import Transactions
from paperlane.ledger.writing import Writing
from paperlane.model.schedules import NewSchedule, ScheduleId
from paperlane.model.tasks import (
    Attempt,
    Checkpoint,
    Completed,
    Ended,
    Fault,
    Handled,
    Letters,
    NewTask,
    Progress,
    Retry,
    State,
    TaskId,
    UserId,
)


@contextmanager
def lost_answer(bench: Bench, *, committed: bool) -> Iterator[list[int]]:
    """The next commit goes through, or not; in both cases the connection breaks before its answer comes."""
    engine = bench.ledger.dialect.writer
    lost: list[int] = []
    commit = engine.dialect.do_commit

    def lose(connection: object) -> None:
        if lost:
            return commit(connection)  # type: ignore[arg-type]
        lost.append(1)
        writing._COMMIT = travelling
        (commit if committed else engine.dialect.do_rollback)(connection)  # type: ignore[arg-type]
        raise engine.dialect.loaded_dbapi.OperationalError("the connection was lost")

    def broken(context: object) -> None:
        if lost == [1]:
            lost.append(2)
            context.is_disconnect = True  # type: ignore[attr-defined]

    travelling = writing._COMMIT  # what stands for it where it travels with other statements
    engine.dialect.do_commit = lose  # type: ignore[method-assign]
    writing._COMMIT = travelling if committed else Prepared(text("ROLLBACK"))
    event.listen(engine, "handle_error", broken)
    try:
        yield lost
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign]
        writing._COMMIT = travelling
        event.remove(engine, "handle_error", broken)
    assert lost, "no commit was lost"


class Full(Exception):
    """What a driver says of a disk without room."""

    sqlstate = "53100"


WHETHER = pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])


WAIT_FOR_A_LOCK = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


def until_waiting(bench: Bench) -> None:
    """Somebody waits for a lock."""
    waiting = text(WAIT_FOR_A_LOCK[bench.ledger.dialect.writer.dialect.name])
    # not more often: MariaDB shows anew only what nobody has looked at for a tenth of a second
    until(lambda: bench.ledger.read(lambda connection: bool(connection.scalar(waiting))), pause=0.3)


@pytest.mark.parametrize("make_bench", ["postgresql", "mariadb"], indirect=True)
def test_a_result_that_an_earlier_call_keeps_meanwhile_stays_as_it_is(bench: Bench):
    """Its answer was lost, the result was not there when that was looked for, and it comes through after all."""
    bench.submit(1)
    worker = bench.worker()
    (lease,) = bench.ledger.step("database", worker, [], 1)
    row = {"task_id": lease.task, "step": "parse", "key": "k", "fence": lease.fence, "created_at": 1.0}
    made = Checkpoint("parse", "k", b"later")
    with bench.ledger.dialect.unlimited.connect() as connection, ThreadPoolExecutor(1) as pool:
        earlier = connection.begin()
        connection.execute(select(tasks.c.id).where(tasks.c.id == lease.task).with_for_update())
        packed = {"result": zlib.compress(b"earlier"), "file": "", "sha256": "", "bytes": 0}
        connection.execute(insert(checkpoints).values(**row, **packed))
        told = pool.submit(bench.ledger.note, worker, [Note(lease, Progress("parse", 30), checkpoint=made)])
        until_waiting(bench)
        earlier.commit()
        assert told.result(60) == [None]
    assert bench.ledger.checkpoint(lease.task, "parse", "k") == b"earlier"


@pytest.mark.parametrize("make_bench", sorted(SERVERS), indirect=True)
def test_an_outcome_that_an_earlier_call_ends_meanwhile_is_told_to_be_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Its answer was lost, and it comes through only while the next call waits for what it holds."""
    bench.submit(1)
    worker, taken = bench.worker(), list[tuple[Ended, str]]()
    (lease,) = bench.ledger.step("database", worker, [], 1)
    done = Ended(lease, Completed(1.0))
    with monkeypatch.context() as patch, lost_answer(bench, committed=False):
        patch.setattr(transactions, "_TRIES", 1)
        with pytest.raises(Unavailable):
            bench.ledger.finish(worker, [done], taken=taken.extend)
    earlier, reached, onward = SqlLedger(bench.ledger.dialect, clock=bench.clock), Event(), Event()
    commit = Writing.commit

    def commit_later(writing: Writing) -> None:
        writing.send()
        if not reached.is_set():
            reached.set()
            onward.wait(60)
        commit(writing)

    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(Writing, "commit", commit_later)
        first = pool.submit(earlier.finish, worker, [done])
        assert reached.wait(60)
        second = pool.submit(bench.ledger.finish, worker, [done], taken=taken.extend)
        until_waiting(bench)
        onward.set()
        first.result(60)
        second.result(60)
    assert taken == [(done, "completed")]


@WHETHER
class TestEitherWay:
    def test_a_batch_is_there_once(self, bench: Bench, *, committed: bool):
        wrote: list[int] = []
        with lost_answer(bench, committed=committed):
            bench.ledger.submit(new_batch("b", 1, 3), lambda _: wrote.append(1))
        assert bench.ledger.queue(UserId(1)).queued == 3
        assert len(wrote) == (1 if committed else 2)  # with a transaction that was rolled back, or not at all

    def test_of_batches_that_come_together_each_is_there_once(self, bench: Bench, *, committed: bool):
        bench.ledger.submit(new_batch("early", 1, 2, key="k"))
        with lost_answer(bench, committed=committed):
            told = bench.ledger.submit_many(
                [new_batch("again", 1, 2, key="k"), new_batch("keyed", 2, 1, key="k"), new_batch("plain", 1, 3)]
            )
        assert [(batch.id, is_new) for batch, is_new in told] == [("early", False), ("keyed", True), ("plain", True)]
        assert (bench.ledger.queue(UserId(1)).queued, bench.ledger.queue(UserId(2)).queued) == (5, 1)

    def test_what_a_step_claimed_is_known_to_its_worker(self, bench: Bench, *, committed: bool):
        names = bench.submit(1, 3)
        worker = bench.worker()
        (first,) = bench.ledger.step("database", worker, [], 1)
        with lost_answer(bench, committed=committed):
            leases = bench.ledger.step("database", worker, [Ended(first, Completed(1.0))], 2)
        assert sorted(lease.task for lease in leases) == sorted(set(names) - {first.task})
        assert bench.ledger.renew(worker, leases).lost == ()
        assert bench.ledger.task(first.task).state is State.COMPLETED
        assert all(len(bench.ledger.attempts(name)) == 1 for name in names)

    @pytest.mark.parametrize("by", ["step", "finish"])
    @pytest.mark.parametrize("tries", [transactions._TRIES, 1], ids=["at once", "by the next calls"])
    def test_an_outcome_is_told_to_be_taken_once(
        self, bench: Bench, by: str, tries: int, monkeypatch: pytest.MonkeyPatch, *, committed: bool
    ):
        """What is told together may be told one by one where the database stayed away."""
        bench.submit(1, 2)
        worker, taken = bench.worker(), list[tuple[Ended, str]]()
        done, fails = (
            Ended(lease, outcome)
            for lease, outcome in zip(
                bench.ledger.step("database", worker, [], 2),
                (Completed(1.0), Retry(Fault("busy", "Busy."))),
                strict=True,
            )
        )

        def tell(*ended: Ended) -> None:
            if by == "step":
                bench.ledger.step("database", worker, ended, 0, taken.extend)
            else:
                bench.ledger.finish(worker, ended, taken=taken.extend)

        with lost_answer(bench, committed=committed), monkeypatch.context() as patch:
            patch.setattr(transactions, "_TRIES", tries)
            with nullcontext() if tries > 1 else pytest.raises(Unavailable):
                tell(done, fails)
        if tries == 1:
            for some in [(done, fails)] if by == "step" else [(done,), (fails,)]:
                tell(*some)
        bench.ledger.finish(worker, [done, fails], taken=taken.extend)  # late
        assert sorted(taken, key=lambda one: one[1]) == [(done, "completed"), (fails, "retry")]

    def test_a_step_is_saved_once(self, bench: Bench, *, committed: bool):
        bench.submit(1)
        worker = bench.worker()
        (lease,) = bench.ledger.step("database", worker, [], 1)
        with lost_answer(bench, committed=committed):
            bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 30))
        assert bench.ledger.checkpoint(lease.task, "parse", "k") == b"x"
        assert [event.kind for event in bench.ledger.events(lease.task)].count("saved") == 1

    def test_several_steps_are_told_once(self, bench: Bench, *, committed: bool):
        """Each by its own kind: of one it is looked for its result, of the others for their event."""
        bench.submit(1, 4)
        worker = bench.worker()
        begins, passed, saves, cancelled = bench.ledger.step("database", worker, [], 4)
        bench.ledger.cancel(cancelled.task)
        wrote: list[int] = []
        made = Checkpoint("parse", "k", b"x")
        notes = [
            Note(begins, Progress("parse", 0)),
            Note(passed, Progress("parse", 35), resumed=True),
            Note(saves, Progress("parse", 35), checkpoint=made, also=lambda _: wrote.append(1)),
            Note(cancelled, Progress("parse", 35), checkpoint=made),
        ]
        with lost_answer(bench, committed=committed):
            refused = bench.ledger.note(worker, notes)
        assert list(map(type, refused)) == [type(None), type(None), type(None), CancelRequested]
        told = [[event.kind for event in bench.ledger.events(note.lease.task)][2:] for note in notes]
        assert told[:3] == [["step"], ["resumed"], ["saved"]]
        assert bench.ledger.checkpoint(saves.task, "parse", "k") == b"x"
        assert bench.ledger.checkpoint(cancelled.task, "parse") is None
        assert len(wrote) == (1 if committed else 2)

    def test_an_attempt_ends_once_with_what_it_told_last(self, bench: Bench, *, committed: bool):
        bench.submit(1, 2)
        worker = bench.worker()
        leases = bench.ledger.step("database", worker, [], 2)
        wrote: list[int] = []
        made = Checkpoint("parse", "k", b"x")
        notes = [
            Note(leases[0], Progress("parse", 0)),
            Note(leases[1], Progress("parse", 0)),
            Note(leases[1], Progress("parse", 35), checkpoint=made, also=lambda _: wrote.append(1)),
        ]
        with lost_answer(bench, committed=committed):
            bench.ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases], notes)
        told = [[event.kind for event in bench.ledger.events(lease.task)][2:] for lease in leases]
        assert told == [["step", "completed"], ["step", "saved", "completed"]]
        assert bench.ledger.checkpoint(leases[1].task, "parse", "k") == b"x"
        assert len(wrote) == (1 if committed else 2)  # with a transaction that was rolled back, or not at all

    def test_what_is_told_of_several_steps_is_told_once(self, bench: Bench, *, committed: bool):
        """Of two results one may have been there before: what an earlier try has written, it has written whole."""
        bench.submit(1)
        worker = bench.worker()
        (lease,) = bench.ledger.step("database", worker, [], 1)
        bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
        bench.meant = (RAN_AGAIN,)
        bench.clock.pass_time(1)
        notes = [
            Note(lease, Progress(step, percent), checkpoint=Checkpoint(step, "k", b"x"))
            for step, percent in (("parse", 35), ("check", 70))
        ]
        with lost_answer(bench, committed=committed):
            bench.ledger.note(worker, notes)
        steps = [(event.kind, event.step) for event in bench.ledger.events(lease.task)][2:]
        assert steps == [("saved", "parse"), ("saved", "parse"), ("saved", "check")]
        assert bench.ledger.checkpoint(lease.task, "check", "k") == b"x"

    def test_a_task_is_started_again_once(self, bench: Bench, *, committed: bool):
        (name,) = bench.submit(1)
        bench.ledger.cancel(name)
        told: list[str] = []
        with lost_answer(bench, committed=committed):
            assert bench.ledger.retry(name, lambda _: told.append(name)).state is State.READY
        assert told == [name] * (1 if committed else 2)  # with a transaction that was rolled back, or not at all
        assert [event.kind for event in bench.ledger.events(name)].count("replayed") == 1

    @pytest.mark.parametrize("named", [True, False], ids=["named", "of a filter"])
    def test_a_dead_letter_is_started_again_once(self, bench: Bench, *, committed: bool, named: bool):
        (name,) = fail(bench, 1)
        told: list[int] = []
        which = Letters(ids=[name]) if named else Letters()
        with lost_answer(bench, committed=committed):
            handled = bench.ledger.replay(which, "", lambda _, page: told.append(page.done))
        assert handled == Handled(1 if named or not committed else 0)
        assert told == ([1] if committed else [1, 1])  # with a transaction that was rolled back, or not at all
        assert [event.kind for event in bench.ledger.events(name)].count("replayed") == 1
        assert bench.ledger.queue(UserId(1)).queued == 1

    def test_a_dead_letter_is_discarded(self, bench: Bench, *, committed: bool):
        mine, another = fail(bench, 1, 2)
        (queued,) = bench.submit(1)
        with lost_answer(bench, committed=committed):
            handled = bench.ledger.discard(Letters(ids=[mine, queued]))
        assert (handled.done, [left.tasks for left in handled.left]) == (1, [[queued]])
        assert [letter.task.id for letter in bench.ledger.dead(Letters())] == [another]

    def test_a_cancel_stands(self, bench: Bench, *, committed: bool):
        (name,) = bench.submit(1)
        told: list[str] = []
        with lost_answer(bench, committed=committed):
            assert bench.ledger.cancel(name, lambda _: told.append(name)).state is State.CANCELLED
        assert told == [name] * (1 if committed else 2)  # with a transaction that was rolled back, or not at all
        assert [event.kind for event in bench.ledger.events(name)] == ["submitted", "cancelled"]

    def test_a_schedule_is_made_and_removed_once(self, bench: Bench, *, committed: bool):
        wrote: list[str] = []
        new = NewSchedule(ScheduleId("s"), UserId(1), "often", "* * * * *", "UTC", [NewTask(TaskId(""), b"{}")], 5)
        times = 1 if committed else 2  # with a transaction that was rolled back, or not at all
        with lost_answer(bench, committed=committed):
            assert bench.ledger.add_schedule(new, lambda _: wrote.append("made")).name == "often"
        assert wrote == ["made"] * times
        with lost_answer(bench, committed=committed):
            bench.ledger.remove_schedule(new.id, lambda _: wrote.append("removed"))
        assert wrote == ["made"] * times + ["removed"] * times
        with pytest.raises(NotFound):
            bench.ledger.remove_schedule(new.id)

    def test_a_schedule_is_fired_once(self, bench: Bench, *, committed: bool):
        new = NewSchedule(ScheduleId("s"), UserId(1), "often", "* * * * *", "UTC", [NewTask(TaskId(""), b"{}")], 5)
        bench.ledger.add_schedule(new)
        bench.clock.pass_time(60)
        with lost_answer(bench, committed=committed):
            bench.ledger.fire(new.id, lambda: f"fired{next(bench.numbers)}")
        assert len(bench.ledger.tasks()) == 1

    def test_a_turn_at_a_chore_is_known_to_who_has_it(self, bench: Bench, *, committed: bool):
        begun = bench.clock.now()
        with lost_answer(bench, committed=committed):
            assert bench.ledger.begin_chore("retention", 3_600.0) == Chore(begun, 0.0)
        assert bench.ledger.begin_chore("retention", 3_600.0) is None

    def test_what_was_handed_out_is_known_to_who_delivers_it(self, bench: Bench, *, committed: bool):
        names = bench.submit(1, 4)
        worker = bench.worker(slots=3)
        (before,) = bench.ledger.lease("database", 1)
        bench.clock.pass_time(1)
        with lost_answer(bench, committed=committed):
            leases = bench.ledger.lease("database", 5)
        assert sorted(lease.task for lease in leases) == sorted(set(names) - {before.task})[:2]
        for lease in leases:
            assert bench.ledger.begin(lease, worker).number == 1
        assert bench.ledger.lease("database", 5) == []

    def test_what_was_handed_out_with_outcomes_is_known_to_who_delivers_it(self, bench: Bench, *, committed: bool):
        names = bench.submit(1, 4)
        worker = bench.worker(slots=2)
        leases = bench.ledger.lease("database", 2)
        ended = [Ended(lease, Completed(1.0)) for lease in leases if bench.ledger.begin(lease, worker)]
        bench.clock.pass_time(1)
        with lost_answer(bench, committed=committed):
            out = bench.ledger.finish(worker, ended, (), "database", 1) or ()
        assert [lease.task for lease in out] == names[2:3]
        assert [bench.ledger.begin(lease, worker).number for lease in out] == [1]
        assert [bench.ledger.task(name).state for name in names[:2]] == [State.COMPLETED] * 2
        assert [lease.task for lease in bench.ledger.lease("database", 5)] == names[3:]

    def test_what_was_begun_is_known_to_its_worker(self, bench: Bench, *, committed: bool):
        bench.submit(1, 2)
        worker = bench.worker()
        leases = bench.ledger.lease("database", 2)
        with lost_answer(bench, committed=committed):
            begun = bench.ledger.begin_all(worker, leases)
        assert [attempt.lease for attempt in begun if isinstance(attempt, Attempt)] == leases
        assert [[event.kind for event in bench.ledger.events(lease.task)].count("begun") for lease in leases] == [1, 1]

    def test_who_asked_for_few_is_not_handed_more(self, bench: Bench, *, committed: bool):
        bench.submit(1, 4)
        bench.worker()
        with lost_answer(bench, committed=committed):
            assert len(bench.ledger.lease("database", 2)) == 2
        assert len(bench.ledger.lease("database", 5)) == 2

    def test_progress_is_told_once(self, bench: Bench, *, committed: bool):
        bench.submit(1)
        worker = bench.worker()
        (lease,) = bench.ledger.step("database", worker, [], 1)
        bench.clock.pass_time(1)
        bench.ledger.started(lease, worker, Progress("parse", 0))
        bench.clock.pass_time(1)
        with lost_answer(bench, committed=committed):
            bench.ledger.started(lease, worker, Progress("check", 30))
        bench.clock.pass_time(1)
        with lost_answer(bench, committed=committed):
            bench.ledger.progress(worker, [(lease, Progress("check", 40))])
        bench.ledger.started(lease, worker, Progress("report", 50), resumed=True)
        told = [(event.kind, event.percent) for event in bench.ledger.events(lease.task, 2)]
        assert told == [("step", 0), ("step", 30), ("progress", 40), ("resumed", 50)]

    def test_another_rooms_write_is_not_done_twice_unasked(self, bench: Bench, *, committed: bool):
        calls: list[Connection] = []
        with lost_answer(bench, committed=committed), pytest.raises(Unavailable):
            bench.ledger.write(calls.append)
        assert len(calls) == 1


def test_a_connection_that_breaks_before_the_commit_is_made_anew(bench: Bench):
    calls: list[int] = []

    def write(connection: Connection) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("", None, Exception("gone"), connection_invalidated=True)
        return len(calls)

    assert bench.ledger.write(write) == 2  # what counts is what was written


def test_a_commit_that_is_refused_leaves_nothing_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """As a full disk would: the connection is good, so it goes back to the pool, without the transaction."""
    engine = bench.ledger.dialect.writer

    def refuse(_connection: object) -> None:
        raise engine.dialect.loaded_dbapi.OperationalError("the disk is full")

    with monkeypatch.context() as full:
        full.setattr(engine.dialect, "do_commit", refuse)
        refused = "DO $$ BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53000'; END $$"
        full.setattr(writing, "_COMMIT", Prepared(text(refused)))  # where it travels with others
        with pytest.raises(Unavailable, match="the disk is full"):
            bench.submit(1)
    assert bench.ledger.queue().queued == 0
    bench.submit(1)
    assert bench.ledger.queue().queued == 1


@WHETHER
def test_a_full_disk_after_a_lost_commit_does_not_say_that_nothing_is_there(bench: Bench, *, committed: bool):
    """Who submits removes an upload's files when there was no room, and must not when the batch may be there."""
    begun: list[int] = []

    def full(statement: str) -> None:
        begun.append(1)
        if len(begun) == 2:
            raise OperationalError(statement, None, Full())

    tried = bench.ledger._transactions._once
    with lost_answer(bench, committed=committed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transactions, "_once", lambda _, work, again, **how: full("BEGIN") or tried(work, again, **how))
        with pytest.raises(Unavailable) as raised:
            bench.ledger.submit(new_batch("b", 1, 3))
    assert type(raised.value) is Unavailable
    assert bench.ledger.queue(UserId(1)).queued == (3 if committed else 0)


@WHETHER
def test_a_database_that_is_busy_after_a_lost_commit_does_not_say_that_nothing_is_there(
    bench: Bench, *, committed: bool
):
    begun: list[int] = []

    def busy() -> None:
        begun.append(1)
        if len(begun) == 2:
            raise NoConnection("QueuePool limit of size 1 overflow 0 reached")

    tried = bench.ledger._transactions._once
    with lost_answer(bench, committed=committed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transactions, "_once", lambda _, work, again, **how: busy() or tried(work, again, **how))
        with pytest.raises(Unavailable) as raised:
            bench.ledger.submit(new_batch("b", 1, 3))
    assert type(raised.value) is Unavailable
    assert bench.ledger.queue(UserId(1)).queued == (3 if committed else 0)


def test_what_a_step_claimed_is_known_though_the_database_stayed_away(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    names = bench.submit(1, 3)
    worker = bench.worker()
    with monkeypatch.context() as at_once, lost_answer(bench, committed=True):
        at_once.setattr("paperlane.ledger.transactions._TRIES", 1)
        with pytest.raises(Unavailable):
            bench.ledger.step("database", worker, [], 2)
    leases = bench.ledger.step("database", worker, [], 3)
    assert sorted(lease.task for lease in leases) == sorted(names)
    assert all(len(bench.ledger.attempts(name)) == 1 for name in names)


def test_what_a_step_claimed_is_known_though_its_slots_were_taken_back(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """A lowered limit kills nothing: what runs goes on at its worker, also what that was not told of yet."""
    names = bench.submit(1, 3)
    worker = bench.worker(slots=3)
    with monkeypatch.context() as at_once, lost_answer(bench, committed=True):
        at_once.setattr("paperlane.ledger.transactions._TRIES", 1)
        with pytest.raises(Unavailable):
            bench.ledger.step("database", worker, [], 3)
    bench.ledger.limit(1)
    leases = bench.ledger.step("database", worker, [], 0)
    assert sorted(lease.task for lease in leases) == sorted(names)
    assert bench.ledger.renew(worker, leases).lost == ()
    bench.ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases])
    assert all(len(bench.ledger.attempts(name)) == 1 for name in names)


@pytest.mark.parametrize("make_bench", sorted(SERVERS), indirect=True)
def test_what_was_handed_out_with_outcomes_is_found_while_another_dispatcher_is_at_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    first, second = bench.submit(1, 2)
    worker = bench.worker(slots=1)
    (lease,) = bench.ledger.lease("database", 1)
    bench.ledger.begin(lease, worker)
    bench.clock.pass_time(1)
    with ExitStack() as dispatching:

        def another_dispatches(_seconds: float) -> None:
            connection = dispatching.enter_context(bench.ledger.dialect.writer.begin())
            connection.execute(select(engines).where(engines.c.name == "database").with_for_update())

        monkeypatch.setattr(transactions.time, "sleep", another_dispatches)
        with lost_answer(bench, committed=True):
            out = bench.ledger.finish(worker, [Ended(lease, Completed(1.0))], (), "database", 1) or ()
    assert [lease.task for lease in out] == [second]
    assert bench.ledger.task(first).state is State.COMPLETED
