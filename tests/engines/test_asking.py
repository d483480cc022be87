"""What every engine promises, seen from outside: tasks go in, outcomes come out."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.ledger.invariants import check_invariants
from tests.work.counting import COUNTING, HereAndNow

from paperlane.clock import SortableIds, SystemClock
from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.engines.pool import Pool
from paperlane.hosting import Host
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import migrate
from paperlane.model.tasks import BatchId, NewBatch, NewTask, State, Task, TaskId, UserId, WorkerId

new_id = SortableIds(SystemClock())
SLOTS = 4


@dataclass
class Service:
    """One engine at work on a real ledger."""

    engine: str
    ledger: SqlLedger
    steps: HereAndNow
    host: Host
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    serving: asyncio.Task[None] | None = None
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def start(self) -> None:
        self.stop.clear()
        match self.engine:
            case "database":
                self.serving = asyncio.create_task(self.host.pull(Database(), SLOTS, self.stop))
            case "pool":
                self.serving = asyncio.create_task(self.host.pull(Pool(), SLOTS, self.stop))
            case _:
                self.serving = asyncio.create_task(self.host.push(Inline(), SLOTS, self.stop))

    async def drain(self) -> None:
        self.stop.set()
        if self.serving is not None:
            await self.serving

    def submit(self, user: int, tasks: int = 1, *, priority: int = 5, **payload: object) -> list[TaskId]:
        self.ledger.lane(UserId(user), engine=self.engine)
        names = [TaskId(new_id()) for _ in range(tasks)]
        content = json.dumps({"user": user, **payload}).encode()
        new = [NewTask(name, content) for name in names]
        self.ledger.submit(NewBatch(BatchId(new_id()), UserId(user), new, priority=priority))
        return names

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.005)

    async def ended(self, names: list[TaskId]) -> list[Task]:
        await self.until(lambda: all(self.ledger.task(name).state.ended for name in names))
        return [self.ledger.task(name) for name in names]


@pytest.fixture(params=["database", "inline", "pool"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    dialect = connect(f"sqlite:///{tmp_path}/ledger.db")
    migrate(dialect.writer)
    ledger = SqlLedger(dialect, Rules(retry_delay=0.01, undelivered=0.2, lease=5))
    steps = HereAndNow()
    host = Host(ledger, COUNTING, steps, heartbeat=0.05, sweep=0.05, grace=0.2)
    made = Service(request.param, ledger, steps, host)
    yield made
    await made.drain()
    check_invariants(ledger)
    ledger.close()


async def test_every_task_ends_once(service: Service):
    names = service.submit(1, 5) + service.submit(2, 5)
    service.start()
    tasks = await service.ended(names)
    assert {task.state for task in tasks} == {State.COMPLETED}
    assert {task.engine for task in tasks} == {service.engine}
    assert sorted(service.steps.ran) == sorted(["one", "two", "three"] * 10)


async def test_a_look_at_the_ledger_that_fails_ends_nothing(service: Service, monkeypatch: pytest.MonkeyPatch):
    failing, look = asyncio.Event(), SqlLedger.runnable

    def fail(_ledger: SqlLedger, _engine: str) -> bool:
        service.loop.call_soon_threadsafe(failing.set)
        raise OSError("disk I/O error")

    monkeypatch.setattr(SqlLedger, "runnable", fail)
    service.start()
    await failing.wait()
    names = service.submit(1)
    monkeypatch.setattr(SqlLedger, "runnable", look)
    await service.ended(names)


async def test_without_slots_it_asks_for_no_turns_until_some_are_granted(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    calls: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        really = getattr(SqlLedger, name)

        def call(*given: object) -> object:
            calls.append(name)
            return really(*given)

        return call

    for name in ("step", "lease", "renew"):
        monkeypatch.setattr(SqlLedger, name, counted(name))
    other = WorkerId("other")
    service.ledger.register(other, "elsewhere", "host", 1, service.ledger.rules.system_limit)
    names = service.submit(1, 2 * SLOTS)
    service.start()
    await service.until(lambda: calls.count("renew") >= 5)
    service.ledger.renew(other, [])
    assert set(calls) == {"renew"}
    service.ledger.leave(other)
    await service.ended(names)


async def test_what_comes_while_it_is_idle_is_run(service: Service):
    service.start()
    await service.until(lambda: bool(service.ledger.members()))
    for _ in range(3):
        (task,) = await service.ended(service.submit(1))
        assert task.state is State.COMPLETED


async def test_no_user_runs_more_than_the_limit(service: Service):
    most = {1: 0, 2: 0}
    now = {1: 0, 2: 0}
    full = asyncio.Event()

    async def count(user: int) -> None:
        now[user] += 1
        most[user] = max(most[user], now[user])
        if now[1] >= 1 and now[2] >= 2:
            full.set()
        await full.wait()
        await asyncio.sleep(0.002)
        now[user] -= 1

    service.steps.before = lambda _step, value: count(value["user"])
    service.ledger.lane(UserId(1), max_running=1)
    service.ledger.lane(UserId(2), max_running=2)
    names = service.submit(1, 6) + service.submit(2, 6)
    service.start()
    await service.ended(names)
    assert most == {1: 1, 2: 2}


async def test_a_light_user_does_not_wait_for_a_heavy_ones_backlog(service: Service):
    service.submit(1, 40)
    light = service.submit(2, 4)
    service.start()
    await service.ended(light)
    heavy = [task for task in service.ledger.tasks(user=UserId(1)) if task.started_at > 0]
    last = max(service.ledger.task(name).started_at for name in light)
    before = [task for task in heavy if task.started_at < last]
    assert len(before) <= len(light) + 2 * SLOTS
    await service.ended([task.id for task in service.ledger.tasks(user=UserId(1))])


async def test_a_users_own_tasks_go_by_priority(service: Service):
    service.ledger.lane(UserId(1), max_running=1)
    low, high = service.submit(1, priority=1), service.submit(1, priority=9)
    service.start()
    await service.ended(low + high)
    assert service.ledger.task(high[0]).started_at < service.ledger.task(low[0]).started_at


async def test_what_may_pass_is_retried_and_then_fails_with_its_cause(service: Service):
    names = service.submit(1, **{"fault in two": "passing"})
    service.start()
    (task,) = await service.ended(names)
    assert (task.state, task.attempt, task.fault.code if task.fault else "") == (State.FAILED, 4, "step_crashed")
    assert service.steps.ran == ["one"]
    assert [past.outcome for past in service.ledger.attempts(task.id)] == ["retry", "retry", "retry", "failed"]


async def test_what_takes_longer_than_it_may_is_tried_again_and_then_fails(service: Service):
    service.ledger.task_seconds = 0.2
    service.steps.before = lambda step, _value: asyncio.Event().wait() if step == "two" else None
    names = service.submit(1)
    service.start()
    (task,) = await service.ended(names)
    assert (task.state, task.attempt, task.fault and task.fault.code) == (State.FAILED, 4, "task_timeout")
    assert set(service.steps.ran) == {"one"}
    assert [past.outcome for past in service.ledger.attempts(task.id)] == ["retry", "retry", "retry", "failed"]


async def test_a_queued_and_a_running_task_are_cancelled(service: Service):
    begun = asyncio.Event()

    def hang(_step: str, _value: object) -> Awaitable[object]:
        begun.set()
        return asyncio.Event().wait()

    service.steps.before = hang
    service.ledger.lane(UserId(1), max_running=1)
    running, queued = service.submit(1, 2)
    service.start()
    await begun.wait()
    assert service.ledger.cancel(queued).state is State.CANCELLED
    service.ledger.cancel(running)
    (task,) = await service.ended([running])
    assert task.state is State.CANCELLED


async def test_a_drain_hands_back_and_a_new_worker_goes_on(service: Service):
    begun = asyncio.Event()

    def hang_in_two(step: str, _value: object) -> Awaitable[object] | None:
        if step == "two":
            begun.set()
            return asyncio.Event().wait()
        return None

    service.steps.before = hang_in_two
    (name,) = service.submit(1)
    service.start()
    await begun.wait()
    await service.drain()
    task = service.ledger.task(name)
    assert (task.status, task.attempt) == ("queued", 0)
    service.steps.before = lambda _step, _value: None
    service.start()
    await service.ended([name])
    assert service.steps.ran == ["one", "two", "three"]


async def test_a_paused_engine_starts_nothing_until_it_is_resumed(service: Service):
    service.ledger.pause(service.engine, paused=True)
    names = service.submit(1, 2)
    service.start()
    await service.until(lambda: bool(service.ledger.members()))
    other = service.ledger.recover()
    assert other.expired == 0
    assert [service.ledger.task(name).status for name in names] == ["queued", "queued"]
    service.ledger.pause(service.engine, paused=False)
    await service.ended(names)


async def test_a_delivery_that_is_lost_comes_again(service: Service):
    service.start()
    await service.until(lambda: bool(service.ledger.members()))
    service.ledger.pause(service.engine, paused=True)
    names = service.submit(1, 2)
    service.ledger.pause(service.engine, paused=False)
    service.ledger.lease(service.engine, 1)  # handed to nobody
    tasks = await service.ended(names)
    assert {(task.state, task.attempt) for task in tasks} == {(State.COMPLETED, 1)}


async def test_tasks_move_to_another_engine_with_their_lane(service: Service):
    names = service.submit(1, 3)
    other = "inline" if service.engine == "database" else "database"
    service.ledger.lane(UserId(1), engine=other)
    service.start()
    await service.until(lambda: bool(service.ledger.members()))
    assert {service.ledger.task(name).status for name in names} == {"queued"}
    service.ledger.lane(UserId(1), engine=service.engine)
    await service.ended(names)
