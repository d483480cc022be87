"""One attempt, from its lease to its outcome, on a real ledger."""

import asyncio
import errno
import json
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import structlog
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs
from tests.databases import new_file
from tests.ledger.conftest import VirtualClock
from tests.work.conftest import rounds
from tests.work.counting import COUNTING, ONE, THREE, TWO, HereAndNow

from paperlane import tracing
from paperlane.blobs.folder import Folder
from paperlane.blobs.whole import Whole
from paperlane.clock import SortableIds, SystemClock
from paperlane.engines.database import Database
from paperlane.errors import PaperlaneError, ServiceAway, StaleLease, StorageFull, Unavailable, Unreadable
from paperlane.gathering import Gathering
from paperlane.hosting import Host
from paperlane.ledger import Note, Rules, results
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.steps import RunStep, Saved
from paperlane.model.tasks import (
    Attempt,
    BatchId,
    Cancelled,
    Channel,
    Completed,
    Ended,
    Failed,
    Lease,
    NewBatch,
    NewTask,
    Outcome,
    Paused,
    Progress,
    Retry,
    Stage,
    State,
    TaskId,
    UserId,
    WorkerId,
    Yielded,
)
from paperlane.scheduling.turns import LedgerTurns
from paperlane.scheduling.wakeup import Wakeup
from paperlane.tracing import Span
from paperlane.work import attempt, notes
from paperlane.work.attempt import Attempts
from paperlane.work.metered import spend
from paperlane.work.notes import Telling
from paperlane.work.own_time import waiting

new_id = SortableIds(SystemClock())


@dataclass
class Desk:
    ledger: SqlLedger
    steps: HereAndNow
    attempts: Attempts

    def submit(self, **payload: object) -> TaskId:
        name = TaskId(new_id())
        task = NewTask(name, json.dumps(payload).encode())
        self.ledger.submit(NewBatch(BatchId(new_id()), UserId(1), [task]))
        return name

    def claim(self) -> Lease:
        (lease,) = self.ledger.step("database", self.worker, [], 1)
        return lease

    @property
    def worker(self) -> WorkerId:
        return self.attempts.heartbeat.membership.worker


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    dialect = connect(new_file(tmp_path / "ledger.db"))
    ledger = SqlLedger(dialect, Rules(retry_delay=0.001), files=Whole(Folder(tmp_path / "files")))
    steps = HereAndNow()
    async with Host(ledger, COUNTING, steps).working(Database.traits, 5) as attempts:
        yield Desk(ledger, steps, attempts)
    ledger.close()


async def test_a_task_runs_its_steps_in_order_and_keeps_the_summary(desk: Desk):
    name = desk.submit(sum=4)
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Completed)
    assert ended.outcome.summary == {"sum": 7}
    assert desk.steps.ran == ["one", "two", "three"]
    told = [(event.kind, event.step, event.percent) for event in desk.ledger.events(name)]
    assert told[2:] == [
        ("step", "one", 0),
        ("saved", "one", 20),
        ("step", "two", 20),
        ("saved", "two", 50),
        ("step", "three", 50),
        ("saved", "three", 100),
    ]


async def test_a_summary_that_cannot_be_written_down_fails_its_own_attempt_only(desk: Desk):
    """Outcomes are told together: one that the ledger cannot take would hold all others up."""
    desk.attempts.chain = replace(COUNTING, summary=lambda _: {"sum": {1, 2}})
    desk.submit()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Retry)
    assert ended.outcome.fault.code == "internal_error"


async def test_the_next_attempt_goes_on_after_the_last_finished_step(desk: Desk):
    desk.submit(**{"fault in three": "passing"})
    first = await desk.attempts(desk.claim())
    assert isinstance(first.outcome, Retry)
    assert first.outcome.fault.code == "step_crashed"
    desk.ledger.finish(desk.worker, [first])
    leases = await due(desk)
    await desk.attempts(leases[0])
    assert desk.steps.ran == ["one", "two"]
    _, second = desk.ledger.attempts(leases[0].task)
    assert [(step.step, step.resumed) for step in second.steps] == [("one", True), ("two", True)]


async def test_a_step_that_comes_up_twice_with_the_same_input_runs_once(desk: Desk):
    async def twice(payload: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
        assert await run(ONE, payload) == await run(ONE, payload)
        return payload

    desk.attempts.chain = replace(COUNTING, run=twice)
    name = desk.submit()
    await desk.attempts(desk.claim())
    assert desk.steps.ran == ["one"]
    assert [event.kind for event in desk.ledger.events(name)][2:] == ["step", "saved", "resumed"]


@pytest.mark.parametrize("harm", ["none", "missing", "damaged"])
async def test_a_step_whose_result_was_lost_runs_again_and_nothing_else(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
):
    monkeypatch.setattr(results, "LARGE", 1)
    name = desk.submit(**{"fault in three": "passing"})
    desk.ledger.finish(desk.worker, [await desk.attempts(desk.claim())])
    of_one, of_two = files_in(tmp_path)
    if harm != "none":
        of_two.unlink()
    if harm == "damaged":
        of_two.write_bytes(of_one.read_bytes())  # sound, but of another step
    ended = await desk.attempts((await due(desk))[0])
    desk.ledger.finish(desk.worker, [ended])
    assert desk.steps.ran == ["one", "two"] + (["two"] if harm != "none" else [])
    _, second = desk.ledger.attempts(name)
    assert [(step.step, step.resumed) for step in second.steps] == [("one", True), ("two", harm == "none")]
    assert isinstance(ended.outcome, Retry)
    assert ended.outcome.fault.code == "step_crashed"  # as before: no other fault
    desk.ledger.finish(desk.worker, [await desk.attempts((await due(desk))[0])])
    assert desk.steps.ran[3:] == []  # what ran again is kept again


async def test_a_step_whose_result_cannot_be_read_for_a_moment_does_not_run_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(results, "LARGE", 1)
    name = desk.submit(**{"fault in three": "passing"})
    desk.ledger.finish(desk.worker, [await desk.attempts(desk.claim())])
    failed: list[str] = []
    open_file = Folder.open

    def fail_once_each(folder: Folder, reference: str) -> BinaryIO:
        if reference not in failed:
            failed.append(reference)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return open_file(folder, reference)

    monkeypatch.setattr(Folder, "open", fail_once_each)
    desk.ledger.finish(desk.worker, [await desk.attempts((await due(desk))[0])])
    assert desk.steps.ran == ["one", "two"]
    assert len(failed) == 2
    _, second = desk.ledger.attempts(name)
    assert [(step.step, step.resumed) for step in second.steps] == [("one", True), ("two", True)]


def files_in(folder: Path) -> list[Path]:
    """The files of large results, in the order in which they were written."""
    return sorted(folder.glob("files/*/*"), key=lambda path: path.stat().st_mtime_ns)


async def due(desk: Desk) -> list[Lease]:
    async with asyncio.timeout(30):
        while not (leases := desk.ledger.step("database", desk.worker, [], 1)):
            await asyncio.sleep(0.001)
    return list(leases)


async def test_a_bad_document_fails_for_good(desk: Desk):
    desk.submit(**{"fault in one": "document"})
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.fault.code, ended.outcome.fault.hint) == ("damaged_file", "Mend it.")


async def test_a_bug_of_ours_is_retried_and_says_so_without_internals(desk: Desk):
    desk.submit(**{"fault in one": "bug"})
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Retry)
    assert ended.outcome.fault.code == "internal_error"


async def test_a_stale_lease_runs_nothing(desk: Desk):
    name = desk.submit()
    ended = await desk.attempts(Lease(name, 99))
    assert isinstance(ended.outcome, Yielded)
    assert desk.steps.ran == []


async def test_a_delivery_that_comes_again_while_the_first_runs_changes_nothing(desk: Desk):
    name = desk.submit()
    lease = desk.claim()
    again: list[asyncio.Task[None]] = []

    def deliver_again(step: str, _value: object) -> Awaitable[object] | None:
        again.append(asyncio.create_task(desk.attempts.and_finish(lease)))
        return again[-1] if step == "two" else None

    desk.steps.before = deliver_again
    await desk.attempts.and_finish(lease)
    await asyncio.gather(*again, desk.attempts.and_finish(lease))
    assert desk.steps.ran == ["one", "two", "three"]
    assert desk.ledger.task(name).status == "completed"
    assert len(desk.ledger.attempts(name)) == 1


async def test_deliveries_that_come_together_share_their_commits(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[str, int]] = []

    def counted(gathering: Gathering[Any, Any, Any], name: str) -> None:
        call = gathering.call

        def count(worker: WorkerId, ones: Sequence[Any]) -> Sequence[Any]:
            calls.append((name, len(ones)))
            return call(worker, ones)

        monkeypatch.setattr(gathering, "call", count)

    for name in ("begins", "notes", "ends"):
        counted(getattr(desk.attempts, name), name)
    desk.attempts.chain = replace(COUNTING, summary=None)  # or each ended when a thread had made its summary
    names = [desk.submit() for _ in range(4)]
    await asyncio.gather(*map(desk.attempts.and_finish, desk.ledger.lease("database", 4)))
    assert calls == [("begins", 4), *[("notes", 4)] * 2, ("ends", 4)]
    assert {desk.ledger.task(name).status for name in names} == {"completed"}


async def test_a_heartbeat_while_a_delivery_is_begun_does_not_stop_it(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.submit()
    (lease,) = desk.ledger.lease("database", 1)
    begin = desk.attempts.begins.call

    def beat_first(worker: WorkerId, leases: Sequence[Lease]) -> Sequence[Attempt | PaperlaneError]:
        desk.attempts.heartbeat.beat()
        return begin(worker, leases)

    monkeypatch.setattr(desk.attempts.begins, "call", beat_first)
    await desk.attempts.and_finish(lease)
    assert desk.ledger.task(lease.task).status == "completed"


async def test_an_outcome_is_told_under_the_identity_that_began_it(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    desk.submit()
    (lease,) = desk.ledger.lease("database", 1)
    told, finish = [], SqlLedger.finish

    def note(asked: SqlLedger, worker: WorkerId, *what: Any, **more: Any) -> None:
        told.append(worker)
        finish(asked, worker, *what, **more)

    monkeypatch.setattr(SqlLedger, "finish", note)
    delivered = asyncio.create_task(desk.attempts.and_finish(lease))
    await asyncio.sleep(0)  # it is accepted, not begun
    desk.ledger.leave(desk.worker)
    desk.attempts.heartbeat.beat()  # the ledger gave the worker up: it joins anew
    await delivered
    assert told == [desk.worker]
    assert desk.ledger.task(lease.task).status == "completed"


async def until_begun(desk: Desk, name: TaskId, step: str) -> None:
    """Until it is on disk that this step begins."""
    async with asyncio.timeout(60):
        while ("step", step) not in [(event.kind, event.step) for event in desk.ledger.events(name)]:
            await asyncio.sleep(0.005)


async def test_progress_is_told_between_two_steps(desk: Desk):
    name = desk.submit()

    async def until_told() -> None:
        while not [event for event in desk.ledger.events(name) if event.kind == "progress"]:
            await asyncio.sleep(0.005)

    async def tell_and_wait(
        step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        if step == "two":
            progress(0.5, "half way")
            await until_told()
        return await desk.steps(step, value, file, progress)

    desk.attempts.isolated = tell_and_wait
    async with asyncio.timeout(60):
        await desk.attempts(desk.claim())
    (event,) = [event for event in desk.ledger.events(name) if event.kind == "progress"]
    assert (event.step, event.percent, event.message) == ("two", 35.0, "half way")


async def test_progress_does_not_come_after_what_follows_it(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    name = desk.submit()
    saved, progress, write = threading.Event(), SqlLedger.progress, desk.attempts.notes.call
    telling: list[asyncio.Task[None]] = []

    def slow(asked: SqlLedger, worker: WorkerId, reports: Sequence[tuple[Lease, Progress]]) -> None:
        saved.wait(0.5)  # what must not overtake it has time to
        progress(asked, worker, reports)

    def note(worker: WorkerId, told: Sequence[Telling]) -> Sequence[PaperlaneError | None]:
        refused = write(worker, told)
        if told[0].notes[0].checkpoint is not None:
            saved.set()
        return refused

    async def told_while_it_ends(
        step: str, value: bytes, file: BinaryIO | None, tell: Callable[[float, str], None]
    ) -> bytes:
        result = await desk.steps(step, value, file, tell)
        if step == "one":
            (steps,) = desk.attempts._steps.values()
            while steps.notes.waiting:
                await asyncio.sleep(0.001)
            telling.append(asyncio.create_task(desk.attempts.tell_progress()))
            await asyncio.sleep(0)
        return result

    monkeypatch.setattr(SqlLedger, "progress", slow)
    monkeypatch.setattr(desk.attempts.notes, "call", note)
    desk.attempts.isolated = told_while_it_ends
    await desk.attempts(desk.claim())
    await asyncio.gather(*telling)
    told = [(event.kind, event.step) for event in desk.ledger.events(name)]
    assert told[2:6] == [("step", "one"), ("progress", "one"), ("saved", "one"), ("step", "two")]


async def test_another_version_of_a_step_does_not_take_the_earlier_ones_result(desk: Desk):
    desk.submit(**{"fault in two": "passing"})
    first = await desk.attempts(desk.claim())
    desk.ledger.finish(desk.worker, [first])
    newer = replace(ONE, version=ONE.version + 1)

    async def only_one(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
        return await run(newer, value)

    desk.attempts.chain = replace(COUNTING, run=only_one)
    await desk.attempts((await due(desk))[0])
    assert desk.steps.ran == ["one", "one"]


async def test_a_cancelled_task_starts_no_further_step(desk: Desk):
    name = desk.submit()

    def cancel_in_two(step: str, _value: object) -> None:
        if step == "two":
            desk.ledger.cancel(name)

    desk.steps.before = cancel_in_two
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Cancelled)
    assert "three" not in desk.steps.ran


async def test_a_heartbeat_stops_a_step_that_is_cancelled_while_it_runs(desk: Desk):
    name, begun = desk.submit(), asyncio.Event()

    def hang(_step: str, _value: object) -> object:
        begun.set()
        return asyncio.Event().wait()

    desk.steps.before = hang
    attempt = asyncio.create_task(desk.attempts(desk.claim()))
    await begun.wait()
    desk.ledger.cancel(name)
    desk.attempts.heartbeat.beat()
    assert isinstance((await attempt).outcome, Cancelled)


async def test_a_worker_that_lost_its_lease_stops(desk: Desk):
    desk.submit()
    begun = asyncio.Event()

    def hang(_step: str, _value: object) -> object:
        begun.set()
        return asyncio.Event().wait()

    desk.steps.before = hang
    attempt = asyncio.create_task(desk.attempts(desk.claim()))
    await begun.wait()
    before = desk.worker
    desk.ledger.leave(before)
    desk.attempts.heartbeat.beat()
    assert isinstance((await attempt).outcome, Yielded)
    assert desk.worker != before
    desk.steps.before = lambda _step, _value: None
    assert isinstance((await desk.attempts(desk.claim())).outcome, Completed)


async def test_a_drain_hands_back_after_the_running_step(desk: Desk):
    name = desk.submit()

    desk.attempts.clock = clock = VirtualClock()

    def drain(_step: str, _value: object) -> None:
        clock.pass_time(3)
        desk.attempts.draining = True

    desk.steps.before = drain
    ended = await desk.attempts(desk.claim())
    assert ended.outcome == Yielded(why="the worker stopped", seconds=3.0)  # its step is kept, so it is paid
    assert desk.steps.ran == ["one"]
    desk.ledger.finish(desk.worker, [ended])
    task = desk.ledger.task(name)
    assert (task.status, task.attempt, task.percent) == ("queued", 0, 20)


def turns(desk: Desk) -> LedgerTurns:
    """How a pull engine tells outcomes."""
    bell = Wakeup(desk.ledger, "database", desk.attempts.threads)
    return LedgerTurns(
        desk.ledger, "database", lambda: desk.worker, desk.attempts.threads, bell, desk.attempts.counting
    )


def counted(desk: Desk) -> dict[tuple[str, str], tuple[int, float]]:
    """How many there are of each, and their sum."""
    desk.attempts.counting.flush()
    return {key: (one.count, one.total) for key, one in desk.ledger.tallies().items()}


async def test_how_attempts_end_and_what_they_took_is_counted(desk: Desk):
    clock = desk.attempts.clock = desk.ledger._transactions.clock = VirtualClock()
    desk.steps.before = lambda step, _value: clock.pass_time(2) if step == "one" else None
    desk.submit()
    clock.pass_time(40)
    first = desk.claim()
    clock.pass_time(1)
    ended = await desk.attempts(first)
    before = {
        ("wait_seconds", "database"): (1, 40.0),
        **{("step_seconds", step): (1, 2.0 if step == "one" else 0.0) for step in ("one", "two", "three")},
    }
    assert counted(desk) == before
    await turns(desk).step([ended], 0)
    assert counted(desk) == before | {
        ("outcomes", "database/completed"): (1, 2.0),
        ("completion_seconds", "database"): (1, 43.0),
    }


@pytest.mark.parametrize("by", ["pull", "push"])
async def test_only_the_first_begin_of_a_task_counts_its_wait_and_each_outcome_has_its_word(desk: Desk, by: str):
    desk.ledger.rules = replace(desk.ledger.rules, max_retries=1)
    clock = desk.attempts.clock = desk.ledger._transactions.clock = VirtualClock()
    name = desk.submit(**{"fault in two": "passing"})
    for word in ("retried", "failed"):
        clock.pass_time(10)
        desk.attempts.heartbeat.beat()
        if by == "push":
            (lease,) = desk.ledger.lease("database", 1)
            await desk.attempts.and_finish(lease)
        else:
            lease = desk.claim()
            await turns(desk).step([await desk.attempts(lease)], 0)
        assert counted(desk)["outcomes", f"database/{word}"][0] == 1
    desk.ledger.retry(name)
    clock.pass_time(10)
    desk.attempts.heartbeat.beat()
    await turns(desk).step([await desk.attempts(desk.claim())], 0)
    there = counted(desk)
    assert there["wait_seconds", "database"] == (1, 10.0)
    assert ("completion_seconds", "database") not in there


async def test_what_is_anothers_by_now_and_parts_of_attempts_are_no_outcomes(desk: Desk):
    desk.submit()
    serve(desk, Stage.CPU)
    desk.attempts.chain = replace(COUNTING, run=in_two_stages)
    part = await desk.attempts(lease := desk.claim())
    assert isinstance(part.outcome, Paused)
    await turns(desk).step([part], 0)
    late = await desk.attempts(lease)
    assert isinstance(late.outcome, Yielded)
    await turns(desk).step([late], 0)
    assert [key for key in counted(desk) if key[0] == "outcomes"] == []


@pytest.mark.parametrize("by", ["pull", "push"])
async def test_an_outcome_that_the_ledger_refuses_is_not_counted(desk: Desk, by: str):
    """The worker was cut off while the last step ran, so the task is another's by now."""

    def cut_off(step: str, _value: object) -> None:
        if step == "three":
            desk.ledger.leave(desk.worker)

    desk.submit()
    lease, desk.steps.before = desk.claim(), cut_off
    if by == "push":
        await desk.attempts.and_finish(lease)
    else:
        ended = await desk.attempts(lease)
        with pytest.raises(StaleLease):
            await turns(desk).step([ended], 0)
    assert [label for what, label in counted(desk) if what == "outcomes"] == ["database/crashed"]


async def test_an_outcome_counts_as_what_the_ledger_makes_of_it(desk: Desk):
    name = desk.submit()
    ended = await desk.attempts(desk.claim())
    desk.ledger.cancel(name)
    await turns(desk).step([ended], 0)
    await turns(desk).step([ended], 0)  # late
    there = counted(desk)
    assert there["outcomes", "database/cancelled"][0] == 1
    assert not {("outcomes", "database/completed"), ("completion_seconds", "database")} & there.keys()


async def test_an_outcome_brings_what_its_steps_used_of_a_processor(desk: Desk):
    desk.steps.before = lambda _step, _value: spend(1.5)
    desk.submit(**{"fault in three": "document"})
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.cpu == 4.5
    desk.ledger.finish(desk.worker, [ended])
    assert desk.ledger.uses(UserId(0))[0].cpu == 4.5


async def test_a_worker_that_ends_tells_what_it_counted(tmp_path: Path):
    ledger = SqlLedger(connect(new_file(tmp_path / "ledger.db")))
    async with Host(ledger, COUNTING, HereAndNow()).working(Database.traits, 5) as attempts:
        attempts.counting.note("outcomes", "database/completed")
    assert set(ledger.tallies()) == {("outcomes", "database/completed")}
    ledger.close()


async def test_an_attempt_that_takes_too_long_is_retried(desk: Desk):
    desk.ledger.task_seconds = 0.01
    desk.submit()
    desk.steps.before = lambda _step, _value: asyncio.Event().wait()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Retry)
    assert ended.outcome.fault.code == "task_timeout"


MODEL_TWO = replace(TWO, stage=Stage.MODEL)


async def in_two_stages(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    return await run(THREE, await run(MODEL_TWO, await run(ONE, value)))


def serve(desk: Desk, *stages: Stage) -> None:
    desk.attempts.heartbeat.membership.channel = Channel(frozenset(stages))


async def test_an_attempt_pauses_where_its_worker_does_not_serve_the_next_steps_stage(desk: Desk):
    desk.attempts.chain = replace(COUNTING, run=in_two_stages)
    desk.attempts.clock = clock = VirtualClock()
    desk.steps.before = lambda _step, _value: clock.pass_time(3)
    desk.ledger.lane(UserId(1), engine="pushed")
    name = desk.submit(sum=4)
    desk.ledger.register(WorkerId("other"), "pushed", "host", 1, 5)  # whose slots make room
    parts: list[tuple[list[str], Outcome]] = []
    for stages in ([Stage.CPU], [Stage.MODEL], [Stage.CPU, Stage.MODEL]):
        serve(desk, *stages)
        (lease,) = desk.ledger.lease("pushed", 1)
        assert lease.stage in stages
        ended = await desk.attempts(lease)
        outcome = ended.outcome
        parts.append((list(desk.steps.ran), replace(outcome, took=0.0) if isinstance(outcome, Paused) else outcome))
        desk.ledger.finish(desk.worker, [ended])
        desk.steps.ran.clear()
    assert parts == [
        (["one"], Paused(Stage.MODEL, 3.0)),
        (["two"], Paused(Stage.CPU, 3.0)),
        (["three"], Completed(3.0, {"sum": 7})),
    ]
    task = desk.ledger.task(name)
    assert (task.state, task.attempt, task.summary) == (State.COMPLETED, 1, {"sum": 7})
    percents = [event.percent for event in desk.ledger.events(name)]
    assert percents == sorted(percents)


async def test_no_step_begins_when_more_than_half_of_a_parts_time_has_gone(
    desk: Desk, pass_time: Callable[[float], None]
):
    desk.attempts.longest = 100.0
    desk.steps.before = lambda _step, _value: pass_time(40)
    desk.submit()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Paused)
    assert (desk.steps.ran, ended.outcome.stage) == (["one", "two"], Stage.CPU)


async def test_a_parts_time_counts_from_the_delivery_however_long_the_ledger_was_away(
    desk: Desk, pass_time: Callable[[float], None]
):
    desk.attempts.longest = 100.0
    loop, tries = asyncio.get_running_loop(), count(1)
    begin = desk.attempts.begins.call

    def away(worker: WorkerId, leases: Sequence[Lease]) -> Sequence[Attempt | StaleLease]:
        if next(tries) > 1:
            return begin(worker, leases)  # type: ignore[return-value]
        loop.call_soon_threadsafe(pass_time, 90)
        raise Unavailable("The database is away.")

    async def slow() -> None:
        pass_time(20)
        await asyncio.Event().wait()

    desk.attempts.begins.call = away
    desk.steps.before = lambda _step, _value: slow()
    desk.submit()
    assert isinstance((await desk.attempts(desk.claim())).outcome, Paused)


async def test_a_worker_that_stops_hands_the_next_stages_step_over_all_the_same(desk: Desk):
    desk.attempts.chain = replace(COUNTING, run=in_two_stages)
    serve(desk, Stage.CPU)

    def drain(_step: str, _value: object) -> None:
        desk.attempts.draining = True

    desk.steps.before = drain
    desk.submit()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Paused)
    assert ended.outcome.stage is Stage.MODEL


async def test_a_part_that_is_cut_off_goes_on_in_another_one_after_what_it_has_reached(
    desk: Desk, pass_time: Callable[[float], None]
):
    desk.attempts.longest = 100.0

    async def slow(step: str) -> None:
        if step == "two":
            pass_time(150)
            await asyncio.Event().wait()

    desk.steps.before = lambda step, _value: slow(step)
    desk.submit()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Paused)
    assert (desk.steps.ran, ended.outcome.stage) == (["one"], Stage.CPU)


async def test_a_step_that_takes_longer_than_a_part_may_is_too_slow(desk: Desk, pass_time: Callable[[float], None]):
    """Else it would begin anew in part after part."""
    desk.attempts.longest = 100.0

    async def slow() -> None:
        pass_time(150)
        await asyncio.Event().wait()

    desk.steps.before = lambda _step, _value: slow()
    desk.submit()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Retry)
    assert ended.outcome.fault.code == "task_timeout"


async def test_a_part_that_only_waited_for_others_goes_on_in_another_one(
    desk: Desk, pass_time: Callable[[float], None]
):
    desk.attempts.longest = 100.0

    async def wait() -> None:
        with waiting():
            pass_time(150)
            await asyncio.Event().wait()

    desk.steps.before = lambda _step, _value: wait()
    desk.submit()
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Paused)
    assert ended.outcome.took < 1.0  # of the attempt's own time


async def test_a_part_that_waited_for_the_ledger_in_vain_gives_its_turn_back(
    desk: Desk, pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attempt, "_OUR_DISK", 0.001)
    desk.attempts.longest = 100.0
    loop, tries = asyncio.get_running_loop(), count(1)

    def away(_worker: WorkerId, _told: Sequence[Telling]) -> Sequence[None]:
        if next(tries) > 1:  # by now the attempt knows that it waits
            loop.call_soon_threadsafe(pass_time, 150)
        raise Unavailable("The database is away.")

    desk.attempts.notes.call = away
    desk.submit()
    outcome = (await desk.attempts(desk.claim())).outcome
    assert isinstance(outcome, Yielded)  # not paused: its result is lost, and the next part may be another stage's
    assert outcome.why == "The database is away."


async def test_an_attempt_that_waits_for_others_is_not_late_and_ends_when_its_worker_stops(
    desk: Desk, pass_time: Callable[[float], None]
):
    name = desk.submit()
    waits = asyncio.Event()

    async def wait() -> None:
        with waiting():
            pass_time(10 * desk.ledger.task_seconds)
            await rounds()
            waits.set()
            await asyncio.Event().wait()

    desk.steps.before = lambda _step, _value: wait()
    ends = asyncio.create_task(desk.attempts(desk.claim()))
    await asyncio.wait({ends, asyncio.create_task(waits.wait())}, return_when=asyncio.FIRST_COMPLETED)
    desk.attempts.stop_all("drained")
    ended = await ends
    assert ended.outcome == Yielded(why="the worker stopped")
    desk.ledger.finish(desk.worker, [ended])
    assert desk.ledger.task(name).attempt == 0


@pytest.mark.parametrize("ends", ["patience", "the task's time"])
async def test_an_attempt_that_finds_no_room_for_a_result_hands_its_turn_back_and_uses_no_try(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, ends: str
):
    """A full disk is not the document's fault, so it is not failed for it; its user pays for the slot all the same."""
    desk.attempts.clock = clock = VirtualClock()
    desk.steps.before = lambda _step, _value: clock.pass_time(3)

    write = desk.attempts.notes.call

    def full(worker: WorkerId, told: Sequence[Telling]) -> Sequence[PaperlaneError | None]:
        if any(note.checkpoint is not None for one in told for note in one.notes):
            raise StorageFull("There is no room.")
        return write(worker, told)

    monkeypatch.setattr(desk.attempts.notes, "call", full)
    if ends == "patience":
        monkeypatch.setattr(attempt, "_OUR_DISK", 0.001)
    else:
        desk.ledger.task_seconds = 0.3
    name = desk.submit()
    async with asyncio.timeout(60):
        ended = await desk.attempts(desk.claim())
    assert ended.outcome == Yielded(0.001 if ends == "patience" else 60.0, "There is no room.", 3.0)
    desk.ledger.finish(desk.worker, [ended])
    task = desk.ledger.task(name)
    assert (task.status, task.attempt, task.message) == ("queued", 0, "There is no room.")


def reads_a_file(desk: Desk, *errors: OSError) -> None:
    """The only step is given a file, which is opened once these errors are used up."""
    faults = list(errors)

    def open_file(_name: str) -> BinaryIO:
        if faults:
            raise faults.pop(0)
        return BytesIO()

    async def only_one(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
        return await run(replace(ONE, file=lambda _value: "blob"), value)

    desk.attempts.chain = replace(COUNTING, run=only_one)
    desk.attempts.open_file = open_file
    desk.submit()


@pytest.mark.parametrize("error", [FileNotFoundError(), NotADirectoryError()], ids=lambda error: type(error).__name__)
async def test_a_task_whose_file_is_lost_fails_for_good_and_says_so(desk: Desk, error: OSError):
    reads_a_file(desk, error)
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.fault.code, ended.outcome.fault.hint) == ("file_lost", "Upload it again.")


async def test_a_file_that_cannot_be_read_for_a_moment_is_waited_for(desk: Desk):
    reads_a_file(desk, OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert isinstance((await desk.attempts(desk.claim())).outcome, Completed)


async def test_a_disk_that_fails_while_a_step_reads_costs_no_try(desk: Desk):
    async def fails(*_: object) -> bytes:
        raise Unreadable("The file cannot be read: Input/output error.")

    reads_a_file(desk)
    desk.attempts.isolated = fails
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Yielded)
    assert (ended.outcome.after, ended.outcome.why) == (60.0, "The file cannot be read: Input/output error.")


async def test_a_file_that_cannot_be_read_for_long_costs_no_try(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(attempt, "_OUR_DISK", 0.001)
    reads_a_file(desk, *[PermissionError(errno.EACCES, os.strerror(errno.EACCES))] * 9)
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Yielded)
    assert (ended.outcome.after, ended.outcome.why) == (0.001, "The task's file cannot be read: Permission denied.")


def last_result(told: Sequence[tuple[Ended, Sequence[Note]]]) -> bool:
    """Does any of these ends bring a step's result along?"""
    return any(note.checkpoint is not None for _, notes in told for note in notes)


async def delivered(desk: Desk, **payload: object) -> TaskId:
    """A task, after its delivery was run and the ledger was told."""
    name = desk.submit(**payload)
    (lease,) = desk.ledger.lease("database", 1)
    await desk.attempts.and_finish(lease)
    return name


class TestTellingTogether:
    async def test_the_start_of_a_step_is_on_disk_while_it_runs(self, desk: Desk):
        name = desk.submit()
        desk.steps.before = lambda step, _value: until_begun(desk, name, step)
        assert isinstance((await desk.attempts(desk.claim())).outcome, Completed)

    async def test_a_result_is_on_disk_while_a_step_beside_it_runs(self, desk: Desk):
        name = desk.submit()

        async def until_kept() -> None:
            while desk.ledger.checkpoint(name, "one") is None:
                await asyncio.sleep(0.005)

        async def beside(payload: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
            first, _ = await asyncio.gather(run(ONE, payload), run(TWO, payload))
            return first

        desk.attempts.chain = replace(COUNTING, run=beside)
        desk.steps.before = lambda step, _value: until_kept() if step == "two" else None
        assert isinstance((await desk.attempts(desk.claim())).outcome, Completed)

    async def test_a_step_may_run_twice_at_once_with_other_inputs(self, desk: Desk):
        both = asyncio.Barrier(2)

        async def twice(payload: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
            first, _ = await asyncio.gather(run(ONE, payload), run(ONE, Saved(b'{"sum":5}')))
            return first

        desk.attempts.chain = replace(COUNTING, run=twice)
        desk.steps.before = lambda _step, _value: both.wait()
        name = desk.submit()
        assert isinstance((await desk.attempts(desk.claim())).outcome, Completed)
        assert [event.kind for event in desk.ledger.events(name)].count("saved") == 2

    @pytest.mark.parametrize("why", ["cancelled", "lost"])
    async def test_who_finds_that_it_must_not_go_on_stops_in_the_middle_of_its_step(self, desk: Desk, why: str):
        name = desk.submit()
        lease = desk.claim()
        if why == "cancelled":
            desk.ledger.cancel(name)
        else:
            desk.ledger.finish(desk.worker, [Ended(lease, Yielded(after=60.0))])
        desk.steps.before = lambda _step, _value: asyncio.Event().wait()
        async with asyncio.timeout(60):
            outcome = (await desk.attempts(lease)).outcome
        assert isinstance(outcome, Cancelled) if why == "cancelled" else outcome == Yielded(why="lost")

    async def test_no_step_begins_before_the_result_of_the_one_before_is_on_disk(self, desk: Desk):
        kept: list[bytes | None] = []
        name = desk.submit()
        desk.steps.before = lambda step, _value: (
            kept.append(desk.ledger.checkpoint(name, "one")) if step == "two" else None
        )
        await desk.attempts(desk.claim())
        assert kept == [b'{"sum":1}']

    @pytest.mark.parametrize("how", ["pulled", "pushed"])
    async def test_what_is_being_told_when_an_attempt_is_stopped_is_told_once(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, how: str
    ):
        begun, go_on, write = asyncio.Event(), threading.Event(), desk.attempts.notes.call
        loop = asyncio.get_running_loop()
        wrote: list[str] = []

        def slow(worker: WorkerId, told: Sequence[Telling]) -> Sequence[PaperlaneError | None]:
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(60)
            return write(worker, told)

        monkeypatch.setattr(desk.attempts.notes, "call", slow)
        desk.attempts.chain = replace(COUNTING, also=lambda _task, step, _result: lambda _: wrote.append(step))
        name = desk.submit()
        if how == "pulled":
            running = asyncio.create_task(desk.attempts(desk.claim()))
        else:
            (lease,) = desk.ledger.lease("database", 1)
            running = asyncio.create_task(desk.attempts.and_finish(lease))
        await begun.wait()  # the result of the first step is told with the start of the second one
        desk.attempts.stop_all("drained")
        await rounds()
        go_on.set()
        if isinstance(ended := await running, Ended):
            desk.ledger.finish(desk.worker, [ended])
        assert wrote == ["one"]
        kinds = [event.kind for event in desk.ledger.events(name)]
        assert kinds[-4:] == ["step", "saved", "step", "yielded"]

    async def test_the_last_result_is_told_with_the_end(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        told: list[object] = []
        monkeypatch.setattr(desk.attempts.notes, "call", told.append)
        desk.attempts.chain = replace(COUNTING, run=lambda payload, run: run(ONE, payload), summary=None)
        name = await delivered(desk)
        assert told == []
        assert [event.kind for event in desk.ledger.events(name)][2:] == ["begun", "step", "saved", "completed"]

    async def test_where_an_attempt_fails_at_once_its_history_tells_in_which_step(self, desk: Desk):
        name = await delivered(desk, **{"fault in one": "document"})
        assert [(event.kind, event.step) for event in desk.ledger.events(name)][3:] == [
            ("step", "one"),
            ("failed", "one"),
        ]

    @pytest.mark.parametrize(
        ("error", "status", "told"),
        [
            (StorageFull("There is no room."), "queued", "There is no room."),
            (ValueError("odd"), "queued", "Something went wrong on our side (ValueError)."),
        ],
        ids=["no room", "a fault"],
    )
    async def test_where_the_last_result_cannot_be_written_the_task_comes_again(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str, told: str
    ):
        monkeypatch.setattr(attempt, "_OUR_DISK", 0.001)
        finish = desk.attempts.ends.call

        def fail(worker: WorkerId, ends: Sequence[tuple[Ended, Sequence[Note]]]) -> Sequence[PaperlaneError | None]:
            if last_result(ends):
                raise error
            return finish(worker, ends)

        monkeypatch.setattr(desk.attempts.ends, "call", fail)
        with capture_logs() as logs:
            async with asyncio.timeout(60):
                name = await delivered(desk)
        task = desk.ledger.task(name)
        assert (task.status, task.message) == (status, told)
        assert desk.ledger.checkpoint(name, "three") is None
        assert [line["event"] for line in logs if line["log_level"] == "error"] == (
            ["an attempt failed"] if isinstance(error, ValueError) else []
        )

    @pytest.mark.parametrize("ends", ["completed", "failed", "yielded"])
    async def test_what_could_not_be_written_once_in_the_background_costs_nothing(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, ends: str
    ):
        write, tries = desk.attempts.notes.call, count()

        def odd(worker: WorkerId, told: Sequence[Telling]) -> Sequence[PaperlaneError | None]:
            if next(tries) == 0:
                raise RuntimeError("can't start new thread")
            return write(worker, told)

        async def until_failed() -> None:
            (steps,) = desk.attempts._steps.values()
            while not (next_try := steps.notes._later) or not next_try.done():
                await asyncio.sleep(0.001)
            if ends == "yielded":
                desk.attempts.stop_all("abandoned")
                await asyncio.Event().wait()

        monkeypatch.setattr(desk.attempts.notes, "call", odd)
        desk.steps.before = lambda step, _value: until_failed() if step == "one" else None
        name = await delivered(desk, **({"fault in one": "document"} if ends == "failed" else {}))
        assert [past.outcome for past in desk.ledger.attempts(name)] == [ends]
        assert [event.kind for event in desk.ledger.events(name)].count("step") == (3 if ends == "completed" else 1)

    async def test_who_drains_does_not_wait_for_a_ledger_that_is_away(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ):
        def away(_worker: WorkerId, _told: Sequence[Telling]) -> Sequence[None]:
            raise Unavailable("The database is away.")

        begun = asyncio.Event()

        async def for_ever() -> None:
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(desk.attempts.notes, "call", away)
        monkeypatch.setattr(attempt, "_OUR_DISK", 3_600.0)
        desk.steps.before = lambda _step, _value: for_ever()
        desk.submit()
        running = asyncio.create_task(desk.attempts(desk.claim()))
        await begun.wait()
        desk.attempts.draining = True
        desk.attempts.stop_all("drained")
        async with asyncio.timeout(60):
            assert (await running).outcome == Yielded(why="the worker stopped")

    async def test_a_part_whose_result_is_lost_does_not_go_on_in_another_stage(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ):
        def full(_worker: WorkerId, _told: Sequence[Telling]) -> Sequence[None]:
            raise StorageFull("There is no room.")

        async def in_parts(payload: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
            return await run(replace(TWO, stage=Stage.MODEL), await run(ONE, payload))

        monkeypatch.setattr(attempt, "_OUR_DISK", 0.001)
        monkeypatch.setattr(desk.attempts.notes, "call", full)
        monkeypatch.setattr(desk.attempts.heartbeat.membership, "channel", Channel(frozenset({Stage.CPU})))
        desk.attempts.chain = replace(COUNTING, run=in_parts, summary=None)
        desk.submit()
        outcome = (await desk.attempts(desk.claim())).outcome
        assert outcome == Yielded(0.001, "There is no room.", outcome.seconds)

    async def test_another_attempt_begins_while_a_last_result_is_stored_slowly(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(results, "LARGE", 0)
        go_on, inside, store = threading.Event(), asyncio.Event(), Whole.write
        loop = asyncio.get_running_loop()

        def slow(files: Whole, content: bytes) -> str:
            loop.call_soon_threadsafe(inside.set)
            assert go_on.wait(60)
            return store(files, content)

        desk.attempts.chain = replace(COUNTING, run=lambda payload, run: run(ONE, payload), summary=None)
        names = [desk.submit() for _ in range(2)]
        first, second = desk.ledger.lease("database", 2)
        monkeypatch.setattr(Whole, "write", slow)
        running = [asyncio.create_task(desk.attempts.and_finish(first))]
        await inside.wait()
        monkeypatch.setattr(Whole, "write", store)
        running.append(asyncio.create_task(desk.attempts.and_finish(second)))
        async with asyncio.timeout(60):
            await running[1]
        assert not running[0].done()
        go_on.set()
        await running[0]
        assert {desk.ledger.task(name).status for name in names} == {"completed"}

    async def test_a_ledger_that_is_away_at_the_end_is_waited_for(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        finish, tries = desk.attempts.ends.call, count()

        def away(worker: WorkerId, ends: Sequence[tuple[Ended, Sequence[Note]]]) -> Sequence[PaperlaneError | None]:
            if next(tries) == 0:
                raise Unavailable("The database is away.")
            return finish(worker, ends)

        monkeypatch.setattr(desk.attempts.ends, "call", away)
        name = await delivered(desk)
        assert desk.ledger.task(name).status == "completed"
        assert desk.ledger.checkpoint(name, "three") is not None

    async def test_the_start_of_a_step_is_told_once_a_ledger_that_was_away_is_back(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(notes, "_LATER", 0.01)
        write, tries = desk.attempts.notes.call, count()

        def away(worker: WorkerId, told: Sequence[Telling]) -> Sequence[PaperlaneError | None]:
            if next(tries) == 0:
                raise Unavailable("The database is away.")
            return write(worker, told)

        monkeypatch.setattr(desk.attempts.notes, "call", away)
        name = desk.submit()
        desk.steps.before = lambda step, _value: until_begun(desk, name, step)
        assert isinstance((await desk.attempts(desk.claim())).outcome, Completed)
        assert [event.kind for event in desk.ledger.events(name)].count("step") == 3


class Service:
    """Runs a step in the worker, as one that asks a service would; tells for whom it was asked."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[UserId, bytes]] = []

    async def __call__(self, value: bytes, attempt: Attempt, progress: Callable[[float, str], None]) -> bytes:
        self.asked.append((attempt.user, value))
        progress(0.5, "1 of 2")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_step_that_asks_a_service_runs_in_the_worker_and_is_kept_as_any_other(desk: Desk):
    service = Service(b'{"sum": 40}')
    desk.attempts.chain = replace(COUNTING, here={"two": service})
    name = desk.submit(sum=1)
    ended = await desk.attempts(desk.claim())
    assert isinstance(ended.outcome, Completed)
    assert ended.outcome.summary == {"sum": 41}
    assert desk.steps.ran == ["one", "three"]
    assert [(user, json.loads(value)["sum"]) for user, value in service.asked] == [(UserId(1), 2)]
    told = [(event.kind, event.step, event.percent) for event in desk.ledger.events(name)]
    assert ("saved", "two", 50) in told


async def test_a_service_that_is_away_makes_the_task_wait_without_a_try(desk: Desk):
    desk.attempts.chain = replace(
        COUNTING, here={"two": Service(ServiceAway("The model is away.", retry_after=0), b'{"sum": 40}')}
    )
    name = desk.submit()
    ended = await desk.attempts(desk.claim())
    assert ended.outcome == Yielded(0, "The model is away.", ended.outcome.seconds)
    desk.ledger.finish(desk.worker, [ended])
    assert desk.ledger.task(name).message == "The model is away."
    ended = await desk.attempts((await due(desk))[0])
    assert isinstance(ended.outcome, Completed)
    assert desk.steps.ran == ["one", "three"]
    assert desk.ledger.task(name).attempt == 1


async def test_who_cancels_an_attempt_stops_what_it_asks_of_a_service(desk: Desk):
    stopped = asyncio.Event()
    asked = asyncio.Event()

    async def never(_value: bytes, _attempt: Attempt, _progress: Callable[[float, str], None]) -> bytes:
        try:
            asked.set()
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError

    desk.attempts.chain = replace(COUNTING, here={"one": never})
    desk.submit()
    lease = desk.claim()
    running = asyncio.create_task(desk.attempts(lease))
    await asked.wait()
    desk.attempts.stop(lease, "cancelled")
    assert isinstance((await running).outcome, Cancelled)
    assert stopped.is_set()


class TestLines:
    """What the log says of whom."""

    async def test_each_line_of_an_attempt_says_whose_it_is_however_many_run(self, desk: Desk):
        first, second = desk.submit(n=1), desk.submit(n=2)
        leases = [desk.claim(), desk.claim()]
        log = structlog.get_logger("of a step")

        async def speak(step: str, value: dict[str, object]) -> None:
            await asyncio.sleep(0)  # the other one goes on meanwhile
            log.info("on the loop", n=value["n"])
            await desk.attempts.threads(log.info, "on a thread", n=value["n"])

        desk.steps.before = speak
        with capture_logs([merge_contextvars]) as logs:
            await asyncio.gather(*map(desk.attempts, leases))
        for number, task in enumerate((first, second), start=1):
            own = [line for line in logs if line.get("task") == task]
            assert [line["event"] for line in own if "step" not in line["event"]] == [
                "an attempt begins", *(["on the loop", "on a thread"] * 3), "an attempt ended"
            ]  # fmt: skip
            assert {line["n"] for line in own if "n" in line} == {number}
            said = {(line["user"], line["attempt"], line["engine"], line["worker"]) for line in own}
            assert said == {(1, 1, "database", desk.worker)}
        assert get_contextvars() == {}

    async def test_what_is_done_for_many_attempts_at_once_is_said_to_be_nobodys(self, desk: Desk):
        log, write = structlog.get_logger("of all"), desk.attempts.notes.call

        def together(worker: WorkerId, told: Sequence[Telling]) -> Sequence[PaperlaneError | None]:
            log.info("written down")
            return write(worker, told)

        desk.attempts.notes.call = together
        desk.submit()
        with capture_logs([merge_contextvars]) as logs:
            await desk.attempts(desk.claim())
        assert {line.get("task") for line in logs if line["event"] == "written down"} == {None}

    @pytest.mark.parametrize(
        ("fault", "level", "outcome", "why"),
        [
            ("", "debug", "completed", None),
            ("document", "info", "failed", "damaged_file"),
            ("passing", "info", "retry", "step_crashed"),
        ],
    )
    async def test_what_went_wrong_is_said_at_info_by_its_code_alone(
        self, desk: Desk, fault: str, level: str, outcome: str, why: str | None
    ):
        desk.submit(**{"fault in one": fault})
        with capture_logs([merge_contextvars]) as logs:
            await desk.attempts(desk.claim())
        line = logs[-1]
        assert (line["event"], line["log_level"], line["outcome"]) == ("an attempt ended", level, outcome)
        assert line.get("why") == why
        assert get_contextvars() == {}
        assert "The document is bad" not in repr(logs)

    async def test_a_heartbeat_that_ends_an_attempt_is_said_of_that_one(self, desk: Desk):
        name = desk.submit()

        async def cancel(_step: str, _value: dict[str, object]) -> None:
            desk.ledger.cancel(name)
            desk.attempts.heartbeat.beat()
            await asyncio.Event().wait()

        desk.steps.before = cancel
        with capture_logs([merge_contextvars]) as logs:
            ended = await desk.attempts(desk.claim())
        assert isinstance(ended.outcome, Cancelled)
        (line,) = [line for line in logs if line["event"] == "an attempt is told to stop"]
        assert (line["task"], line["user"], line["attempt"], line["why"]) == (name, 1, 1, "cancelled")


class TestSpans:
    """What an attempt tells while it runs; how a whole task is told, tests/ledger/test_traces.py says."""

    @pytest.fixture
    def heard(self) -> Iterator[list[Span]]:
        spans: list[Span] = []

        class Heard:
            def wants(self, *_trace: object, **_more: object) -> bool:
                return True

            def tell(self, span: Span) -> None:
                spans.append(span)

        tracing.listen(Heard())
        yield spans
        tracing.listen(None)

    @pytest.mark.parametrize("pushed", [True, False], ids=["pushed", "pulled"])
    async def test_a_resumed_attempt_tells_which_steps_it_passed_by(
        self, desk: Desk, heard: list[Span], *, pushed: bool
    ):
        name = desk.submit(**{"fault in three": "passing"})
        if pushed:
            (lease,) = desk.ledger.lease("database", 1)
            await desk.attempts.and_finish(lease)
        else:
            desk.ledger.finish(desk.worker, [await desk.attempts(desk.claim())])
        (lease,) = await due(desk)
        await desk.attempts(lease)
        told = [(span.parent, span.name, span.fields.get("resumed"), span.fault) for span in heard]
        first, second = tracing.attempt_of(name, 1), tracing.attempt_of(name, 2)
        assert told == [
            (first, "one", False, ""), (first, "one saved", None, ""),
            (first, "two", False, ""), (first, "two saved", None, ""), (first, "three", False, "step_crashed"),
            (second, "one", True, ""), (second, "two", True, ""), (second, "three", False, "step_crashed"),
        ]  # fmt: skip
        assert len({span.place for span in heard}) == len(heard)

    async def test_a_result_that_is_written_with_the_outcome_is_told_once(self, desk: Desk, heard: list[Span]):
        name = await delivered(desk)
        assert [span.name for span in heard if "saved" in span.name] == ["one saved", "two saved", "three saved"]
        assert {span.parent for span in heard} == {tracing.attempt_of(name, 1)}
