"""The dispatcher of a push engine: what it asks the ledger for, and what becomes of leases that came with outcomes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.databases import new_file

from paperlane.errors import Unavailable
from paperlane.hosting import open_ledger
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import (
    BatchId,
    Completed,
    Ended,
    Lease,
    NewBatch,
    NewTask,
    State,
    TaskId,
    UserId,
    WorkerId,
)
from paperlane.scheduling import wakeup
from paperlane.scheduling.dispatcher import Dispatcher
from paperlane.scheduling.wakeup import Wakeup
from paperlane.threads import Threads

WORKER = WorkerId("worker")
TASKS = [TaskId(f"task{number}") for number in range(4)]


@dataclass
class Desk:
    """A dispatcher at a ledger where four tasks wait and a worker has one slot, and a carrier that can fail."""

    ledger: SqlLedger
    threads: Threads
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    out: list[Lease] = field(default_factory=list)
    fails: bool = False

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(
            self.ledger, "pushed", lambda: 10, self.deliver, self.threads, Wakeup(self.ledger, "pushed", self.threads),
            self.stop,
        )  # fmt: skip
        self.running = asyncio.create_task(self.dispatcher.run())

    async def deliver(self, leases: Sequence[Lease]) -> None:
        if self.fails:
            raise OSError("the broker is away")
        self.out += leases

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.005)

    async def until_idle(self) -> None:
        """It has delivered what there was room for, and found nothing more."""
        await self.until(lambda: len(self.out) == 1 and len(self.asked) == 2)

    def end(self, lease: Lease) -> Sequence[Lease]:
        """The attempt ends, and what comes with its outcome."""
        self.ledger.begin(lease, WORKER)
        ended = [Ended(lease, Completed(1.0))]
        return self.ledger.finish(WORKER, ended, (), "pushed", self.dispatcher.beside(len(ended))) or ()


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    hour = wakeup._Looks(first=3_600.0, slower=1.0, longest=3_600.0)
    for name, value in (("LONGEST_WAIT", 3_600.0), ("_TOLD", hour), ("_UNTOLD", hour)):
        monkeypatch.setattr(wakeup, name, value)
    ledger, lease = open_ledger(new_file(tmp_path / "ledger.db")), SqlLedger.lease
    ledger.lane(UserId(1), engine="pushed")
    ledger.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(name, b"{}") for name in TASKS]))
    ledger.register(WORKER, "pushed", "host", 1, 1)
    threads = Threads("desk", 2)
    made = Desk(ledger, threads)

    def counted(asked: SqlLedger, engine: str, most: int) -> Sequence[Lease]:
        made.asked.append(engine)
        return lease(asked, engine, most)

    monkeypatch.setattr(SqlLedger, "lease", counted)
    yield made
    made.stop.set()
    made.dispatcher.wakeup.ring()
    await made.running
    threads.close()
    ledger.close()


async def test_what_came_with_outcomes_is_delivered_without_another_look(desk: Desk):
    await desk.until_idle()
    for turn in range(3):
        desk.dispatcher.take(desk.end(desk.out[-1]))
        await desk.until(lambda turn=turn: len(desk.out) == turn + 2)
    assert [lease.task for lease in desk.out] == TASKS
    assert len(desk.asked) == 2


async def test_what_comes_with_outcomes_once_it_stops_goes_back(desk: Desk):
    await desk.until_idle()
    came = desk.end(desk.out[0])
    desk.stop.set()
    assert desk.dispatcher.beside(1) == 0
    desk.dispatcher.take(came)  # it is told of by its bell, and hands back
    await desk.running
    assert desk.ledger.task(TASKS[1]).state is State.READY
    late = desk.ledger.lease("pushed", 1)
    desk.dispatcher.take(late)
    assert desk.ledger.task(TASKS[1]).state is State.READY
    assert [lease.task for lease in desk.out] == TASKS[:1]


async def test_while_the_broker_is_away_nothing_comes_with_outcomes(desk: Desk):
    await desk.until_idle()
    desk.fails = True
    desk.dispatcher.take(desk.end(desk.out[0]))
    await desk.until(lambda: desk.ledger.task(TASKS[1]).state is State.READY)
    assert desk.dispatcher.beside(1) == 0
    desk.fails = False
    await desk.until(lambda: desk.dispatcher.wakeup.ring() or len(desk.out) == 2)  # it is tried again in a moment
    assert [lease.task for lease in desk.out] == TASKS[:2]
    assert desk.dispatcher.beside(1) == 1


async def test_it_ends_in_order_where_nothing_can_be_handed_back(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise Unavailable("The ledger is away.")

    await desk.until_idle()
    came = desk.end(desk.out[0])
    monkeypatch.setattr(SqlLedger, "hand_back", away)
    desk.stop.set()
    desk.dispatcher.take(came)
    await desk.running
    desk.dispatcher.take(came)
    assert desk.ledger.task(TASKS[1]).state is State.LEASED
