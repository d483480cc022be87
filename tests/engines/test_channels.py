"""Two kinds of workers behind one broker: each task's parts go to where they are served, and back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.databases import new_file
from tests.ledger.invariants import check_invariants
from tests.work.counting import COUNTING, ONE, THREE, TWO, HereAndNow

from paperlane.clock import SortableIds, SystemClock
from paperlane.engines import RunAndFinish, Traits
from paperlane.hosting import Host
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.steps import RunStep, Saved
from paperlane.model.tasks import BatchId, Channel, Lane, Lease, NewBatch, NewTask, Stage, State, TaskId, UserId

new_id = SortableIds(SystemClock())
SHARDS = 2
OF_STAGE = {stage: Channel(frozenset({stage})) for stage in Stage}
OF_SHARD = [Channel(shard=shard, shards=SHARDS) for shard in range(SHARDS)]


class Broker:
    """Queues of leases in memory; everything that was ever put into each is kept in `carried`."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.queues: dict[Channel, asyncio.Queue[Lease]] = {channel: asyncio.Queue() for channel in channels}
        self.carried: dict[Channel, list[Lease]] = {channel: [] for channel in channels}

    def put(self, lease: Lease) -> None:
        (channel,) = (channel for channel in self.queues if channel.serves(lease.stage, lease.user))
        self.queues[channel].put_nowait(lease)
        self.carried[channel].append(lease)


@dataclass
class Carried:
    """A worker of a push engine whose broker lies outside of it."""

    broker: Broker
    channel: Channel
    traits = Traits("brokered", pulled=False)

    def room(self, _granted: int) -> int:
        return 100

    async def deliver(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self.broker.put(lease)

    async def serve(self, run: RunAndFinish, stop: asyncio.Event) -> Sequence[Lease]:
        stopping = asyncio.create_task(stop.wait())
        async with asyncio.TaskGroup() as running:
            while not stop.is_set():
                arrival = asyncio.create_task(self.broker.queues[self.channel].get())
                await asyncio.wait({arrival, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not arrival.done():
                    arrival.cancel()
                    with suppress(asyncio.CancelledError):
                        await arrival
                else:
                    running.create_task(run(arrival.result()))
        stopping.cancel()
        return ()


async def in_two_stages(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    return await run(THREE, await run(replace(TWO, stage=Stage.MODEL), await run(ONE, value)))


@dataclass
class Workers:
    """Workers that share a ledger and a broker, one for each channel."""

    ledger: SqlLedger
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, channels: Sequence[Channel], slots: int = 2) -> tuple[Broker, dict[Channel, HereAndNow]]:
        broker, steps = Broker(channels), {channel: HereAndNow() for channel in channels}
        for channel in channels:
            host = Host(self.ledger, replace(COUNTING, run=in_two_stages), steps[channel], heartbeat=0.5, sweep=1.0)
            pushed = host.push(Carried(broker, channel), slots, self.stop, channel=channel)
            self.running.append(asyncio.create_task(pushed))
        return broker, steps

    def submit(self, user: int, tasks: int) -> list[TaskId]:
        self.ledger.lane(UserId(user), engine="brokered")
        new = [NewTask(TaskId(new_id()), json.dumps({"sum": 0}).encode()) for _ in range(tasks)]
        self.ledger.submit(NewBatch(BatchId(new_id()), UserId(user), new))
        return [task.id for task in new]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.01)

    async def completed(self, names: Sequence[TaskId]) -> None:
        await self.until(lambda: all(self.ledger.task(name).state.ended for name in names))
        tasks = [self.ledger.task(name) for name in names]
        assert {(task.state, task.attempt, task.summary.get("sum")) for task in tasks} == {(State.COMPLETED, 1, 3)}


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Workers]:
    ledger = SqlLedger(connect(new_file(tmp_path / "ledger.db")), Rules(lease=5))
    made = Workers(ledger)
    yield made
    made.stop.set()
    await asyncio.gather(*made.running)
    check_invariants(ledger)
    ledger.close()


async def test_each_stage_runs_where_it_is_served(workers: Workers):
    names = workers.submit(1, 6) + workers.submit(2, 6)
    broker, steps = workers.start(list(OF_STAGE.values()))
    await workers.completed(names)
    ran = {stage: sorted(steps[channel].ran) for stage, channel in OF_STAGE.items()}
    assert ran == {Stage.CPU: ["one"] * 12 + ["three"] * 12, Stage.MODEL: ["two"] * 12}
    assert [len(broker.carried[channel]) for channel in OF_STAGE.values()] == [24, 12]
    outcomes = [past.outcome for past in workers.ledger.attempts(names[0])]
    assert outcomes == ["paused", "paused", "completed"]


async def test_each_user_is_served_by_their_shard(workers: Workers):
    names = {user: workers.submit(user, 3) for user in range(1, 6)}
    broker, steps = workers.start(OF_SHARD)
    await workers.completed([name for of_user in names.values() for name in of_user])
    for channel, carried in broker.carried.items():
        mine = {name for user, of_user in names.items() if user % SHARDS == channel.shard for name in of_user}
        assert {lease.task for lease in carried} == mine
        assert len(steps[channel].ran) == 3 * len(mine)


async def test_a_worker_that_is_granted_far_fewer_slots_than_it_asks_for_is_handed_what_fits(workers: Workers):
    names = workers.submit(1, 4)
    workers.start([Channel()], slots=3 * workers.ledger.rules.system_limit)
    await workers.completed(names)


async def test_what_waits_for_the_next_stage_holds_no_slot_of_this_one(workers: Workers):
    """Slow work behind does not stop what comes before it, up to the slots of all workers together."""
    names = workers.submit(1, 4)
    go_on = asyncio.Event()

    def lane() -> Lane:
        (mine,) = workers.ledger.queue().lanes
        return mine

    _, steps = workers.start(list(OF_STAGE.values()))
    steps[OF_STAGE[Stage.MODEL]].before = lambda _step, _value: go_on.wait()
    await workers.until(lambda: steps[OF_STAGE[Stage.CPU]].ran == ["one"] * 4)
    await workers.until(lambda: lane().running == 2)
    assert lane().leased == 2  # between their parts
    go_on.set()
    await workers.completed(names)
