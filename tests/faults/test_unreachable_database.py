"""A database that goes away for a while: workers wait, keep what they have done, and hand it in once it is back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from tests.conftest import taken
from tests.faults.conftest import Waits
from tests.ledger.invariants import check_invariants
from tests.work.counting import COUNTING, HereAndNow

from paperlane import assembly, serving
from paperlane.desk import Accounts
from paperlane.engines import database
from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.errors import Busy, PaperlaneError, Unavailable
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Note, Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, Ended, Lease, NewBatch, NewTask, Recovery, State, TaskId, UserId, WorkerId
from paperlane.patience import Patience, patiently
from paperlane.scheduling.sweeper import sweep
from paperlane.settings import Settings
from paperlane.threads import Threads
from paperlane.work import attempt

TASK = TaskId("task")


@dataclass
class Worker:
    """One engine at work, in a process whose database another program can take away."""

    path: Path
    engine: str
    ledger: SqlLedger
    steps: HereAndNow = field(default_factory=HereAndNow)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    at: asyncio.Event = field(default_factory=asyncio.Event)
    on: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> "asyncio.Task[None]":
        host = Host(self.ledger, COUNTING, self.steps, heartbeat=0.1, sweep=0.05, grace=0.2)
        engine = Database() if self.engine == "database" else Inline()
        run = host.pull(engine, 1, self.stop) if isinstance(engine, Database) else host.push(engine, 1, self.stop)
        return asyncio.create_task(run)

    def hold_at(self, step: str) -> None:
        async def hold() -> None:
            self.at.set()
            await self.on.wait()

        self.steps.before = lambda name, _value: hold() if name == step else None

    async def ended(self) -> None:
        async with asyncio.timeout(60):
            while not self.ledger.task(TASK).state.ended:
                await asyncio.sleep(0.005)


@pytest.fixture(params=["database", "inline"])
async def worker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Worker]:
    path = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}", Rules(lease=20))
    ledger.lane(UserId(1), engine=request.param)
    ledger.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(TASK, b"{}")]))
    yield Worker(path, request.param, ledger)
    check_invariants(ledger)
    ledger.close()


def results_of(notes: Sequence[Note]) -> set[str]:
    """The steps whose results are told."""
    return {note.checkpoint.step for note in notes if note.checkpoint is not None}


@pytest.mark.parametrize("step", ["one", "three"])
async def test_an_attempt_goes_on_where_it_was_and_uses_no_try(worker: Worker, waits: Waits, step: str):
    worker.hold_at(step)
    running = worker.start()
    await worker.at.wait()
    with taken(worker.path):
        worker.on.set()  # the step ends now, and its result cannot be saved
        await waits.more(10)
    await worker.ended()
    worker.stop.set()
    await running
    task = worker.ledger.task(TASK)
    assert (task.state, task.attempt, task.summary) == (State.COMPLETED, 1, {"sum": 3})
    assert worker.steps.ran == ["one", "two", "three"]
    assert [past.outcome for past in worker.ledger.attempts(TASK)] == ["completed"]


async def test_an_outcome_is_kept_until_it_can_be_told(worker: Worker, waits: Waits, monkeypatch: pytest.MonkeyPatch):
    save, finish, away, loop = SqlLedger.note, SqlLedger.finish, ExitStack(), asyncio.get_running_loop()

    def lose(notes: Sequence[Note]) -> None:
        if "three" in results_of(notes) and not worker.at.is_set():
            away.enter_context(taken(worker.path))
            loop.call_soon_threadsafe(worker.at.set)

    def save_and_lose(asked: SqlLedger, by: WorkerId, notes: Sequence[Note]) -> Sequence[PaperlaneError | None]:
        refused = save(asked, by, notes)
        lose(notes)
        return refused

    def lose_first(
        asked: SqlLedger, by: WorkerId, ended: Sequence[Ended], notes: Sequence[Note], *more: Any, **named: Any
    ) -> Sequence[Lease] | None:
        lose(notes)
        return finish(asked, by, ended, notes, *more, **named)

    monkeypatch.setattr(SqlLedger, "note", save_and_lose)
    monkeypatch.setattr(SqlLedger, "finish", lose_first)  # where the last result goes with the outcome
    running = worker.start()
    await worker.at.wait()
    await waits.more(10)
    assert worker.ledger.task(TASK).state is State.RUNNING
    away.close()
    await worker.ended()
    worker.stop.set()
    await running
    assert [past.outcome for past in worker.ledger.attempts(TASK)] == ["completed"]


async def test_what_was_saved_although_the_answer_was_lost_is_not_saved_again(
    worker: Worker, waits: Waits, monkeypatch: pytest.MonkeyPatch
):
    save, finish, lost = SqlLedger.note, SqlLedger.finish, set[str]()

    def lose(notes: Sequence[Note]) -> None:
        if made := results_of(notes) - lost:
            lost.update(made)
            raise Unavailable("The connection broke.")

    def save_and_break(asked: SqlLedger, by: WorkerId, notes: Sequence[Note]) -> Sequence[PaperlaneError | None]:
        refused = save(asked, by, notes)
        lose(notes)
        return refused

    def finish_and_break(
        asked: SqlLedger, by: WorkerId, ended: Sequence[Ended], notes: Sequence[Note], *more: Any, **named: Any
    ) -> Sequence[Lease] | None:
        out = finish(asked, by, ended, notes, *more, **named)
        lose(notes)
        return out

    monkeypatch.setattr(SqlLedger, "note", save_and_break)
    monkeypatch.setattr(SqlLedger, "finish", finish_and_break)
    running = worker.start()
    await worker.ended()
    worker.stop.set()
    await running
    assert lost == {"one", "two", "three"}
    assert waits.count >= 3
    assert [e.step for e in worker.ledger.events(TASK) if e.kind == "saved"] == ["one", "two", "three"]
    assert worker.ledger.task(TASK).state is State.COMPLETED


async def test_a_worker_without_its_database_can_be_stopped(
    worker: Worker, waits: Waits, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "_LAST_WORDS", 0.5)
    monkeypatch.setattr(attempt, "_LAST_WORDS", 0.5)
    worker.hold_at("two")
    running = worker.start()
    await worker.at.wait()
    with taken(worker.path):
        worker.on.set()
        await waits.more(3)
        worker.stop.set()
        async with asyncio.timeout(30):
            await running
    assert worker.ledger.task(TASK).state is State.RUNNING  # until its lease is over
    (member,) = worker.ledger.members()
    worker.ledger.leave(member.id)
    assert worker.ledger.task(TASK).status == "queued"


async def test_after_an_outage_workers_get_a_moment_before_anything_is_taken_for_lost():
    calls: list[tuple[str, float]] = []
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    class Recovering:
        rules = Rules(lease=0.6)
        away = 2

        def members(self) -> list[object]:
            return self._called("members", [])

        def recover(self) -> Recovery:
            if len([name for name, _ in calls if name == "recover"]) == 2:
                loop.call_soon_threadsafe(stop.set)
            return self._called("recover", Recovery())

        def _called(self, name: str, answer: object) -> object:  # type: ignore[type-var]
            calls.append((name, loop.time()))
            if self.away:
                self.away -= 1
                raise Unavailable("It is gone.")
            return answer

    threads = Threads("sweeper")
    async with asyncio.timeout(60):
        await sweep(Recovering(), 0.01, threads, stop, chance=lambda: 0.0)  # type: ignore[arg-type]
    threads.close()
    assert [name for name, _ in calls] == ["recover", "members", "members", "recover", "recover"]
    assert calls[3][1] - calls[2][1] >= 0.2  # a third of a lease: a heartbeat


async def test_a_database_that_was_only_busy_is_swept_again_at_once():
    calls: list[str] = []
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    class Recovering:
        rules = Rules(lease=600)

        def members(self) -> list[object]:
            calls.append("members")
            return []

        def recover(self) -> Recovery:
            calls.append("recover")
            if len(calls) < 3:
                raise Busy("Others are in the way.")
            loop.call_soon_threadsafe(stop.set)
            return Recovery()

    threads = Threads("sweeper")
    async with asyncio.timeout(60):
        await sweep(Recovering(), 0.01, threads, stop, chance=lambda: 0.0)  # type: ignore[arg-type]
    threads.close()
    assert calls == ["recover"] * 3


def test_waits_grow_differ_and_are_bounded():
    at = [100.0]
    longest, shortest = (Patience(0.5, 5.0, lambda chance=chance: chance, lambda: at[0]) for chance in (1.0, 0.0))
    assert longest.spent == 0.0
    assert [longest.wait() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert [shortest.wait() for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 2.5, 2.5]
    at[0] += 17.5
    assert longest.spent == 17.5
    assert (longest.worked(), longest.worked(), longest.spent) == (True, False, 0.0)
    assert (longest.wait(), longest.spent) == (0.5, 0.0)


async def test_only_what_may_pass_is_tried_again(waits: Waits):
    async def fail() -> None:
        raise OperationalError("SELECT", {}, ValueError())

    with pytest.raises(OperationalError):
        await patiently(fail, "a test")
    assert waits.count == 0


async def test_a_worker_can_be_stopped_while_it_cannot_join(worker: Worker, waits: Waits):
    with taken(worker.path):
        running = worker.start()
        await waits.more(2)
        worker.stop.set()
        async with asyncio.timeout(60):
            await running
    assert worker.ledger.members() == []


class TestStarting:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        settings = Settings(data=tmp_path)
        assembly.open_ledger(settings).close()
        return settings

    async def test_it_waits_until_the_database_can_be_reached(self, settings: Settings, waits: Waits):
        with taken(settings.data / "paperlane.db"):
            opening = asyncio.create_task(assembly.reach_ledger(settings, asyncio.Event()))
            await waits.more(3)
            assert not opening.done()
        ledger = await opening
        assert ledger is not None
        assert ledger.tasks() == []
        ledger.close()

    async def test_it_waits_no_longer_than_it_was_told(self, settings: Settings, waits: Waits):
        impatient = Settings(data=settings.data, database_wait_seconds=1)
        with taken(settings.data / "paperlane.db"), pytest.raises(Unavailable, match="database is locked"):
            await assembly.reach_ledger(impatient, asyncio.Event())
        assert waits.count >= 1

    async def test_it_does_not_wait_where_it_was_told_so(self, settings: Settings, waits: Waits):
        hasty = Settings(data=settings.data, database_wait_seconds=0)
        with taken(settings.data / "paperlane.db"), pytest.raises(Unavailable, match="database is locked"):
            await assembly.reach_ledger(hasty, asyncio.Event())
        assert waits.count == 0

    async def test_only_a_start_that_takes_long_says_that_it_waits(
        self, settings: Settings, waits: Waits, monkeypatch: pytest.MonkeyPatch
    ):
        told: list[str] = []
        monkeypatch.setattr(assembly, "_SOON", 60.0)
        ledger = await assembly.reach_ledger(settings, asyncio.Event(), lambda: told.append("waits"))
        assert ledger is not None
        ledger.close()
        assert told == []
        monkeypatch.setattr(assembly, "_SOON", 0.01)
        with taken(settings.data / "paperlane.db"):
            opening = asyncio.create_task(
                assembly.reach_ledger(settings, asyncio.Event(), lambda: told.append("waits"))
            )
            await waits.more(5)
        ledger = await opening
        assert ledger is not None
        ledger.close()
        assert told == ["waits"]

    async def test_it_can_be_stopped_while_it_waits(self, settings: Settings, waits: Waits):
        stop = asyncio.Event()
        with taken(settings.data / "paperlane.db"):
            opening = asyncio.create_task(assembly.reach_ledger(settings, stop))
            await waits.more(1)
            stop.set()
            assert await opening is None

    @pytest.mark.parametrize("asks", ["first_sign_in", "owns_files", "register"])
    async def test_a_service_can_be_stopped_whatever_it_waits_for(
        self, settings: Settings, waits: Waits, monkeypatch: pytest.MonkeyPatch, asks: str
    ):
        def away(*_: object) -> None:
            raise Unavailable("The database is away.")

        monkeypatch.setattr({"first_sign_in": Accounts, "register": SqlLedger}.get(asks, serving), asks, away)
        stop, told = asyncio.Event(), list[str]()
        free = Settings(data=settings.data, port=0, workers=0)
        service = asyncio.create_task(serving.serve(free, stop, lambda *said: told.extend(said), told.append))
        await waits.more(2)
        assert not service.done()
        stop.set()
        async with asyncio.timeout(60):
            await service
        assert told == []
