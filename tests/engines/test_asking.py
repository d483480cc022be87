"""What our own engines ask of the ledger, seen from inside: again after a failed look, and nothing without slots."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.databases import new_file
from tests.work.counting import COUNTING, HereAndNow

from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.engines.pool import Pool
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, NewBatch, NewTask, State, TaskId, UserId, WorkerId

SLOTS = 4
NAMES = [TaskId(f"task{number}") for number in range(2 * SLOTS)]
Start = Callable[[str], None]


@pytest.fixture
def ledger(tmp_path: Path) -> SqlLedger:
    return open_ledger(new_file(tmp_path / "ledger.db"), Rules(lease=5))


@pytest.fixture
async def start(ledger: SqlLedger) -> AsyncIterator[Start]:
    """Starts a worker of an engine in this process."""
    stop, serving = asyncio.Event(), list[asyncio.Task[None]]()
    host = Host(ledger, COUNTING, HereAndNow(), heartbeat=0.05, sweep=0.05, grace=0.2)

    def begin(engine: str) -> None:
        match engine:
            case "inline":
                worker = host.push(Inline(), SLOTS, stop)
            case _:
                worker = host.pull({"database": Database, "pool": Pool}[engine](), SLOTS, stop)
        serving.append(asyncio.create_task(worker))

    yield begin
    stop.set()
    await asyncio.gather(*serving)
    ledger.close()


def submit(ledger: SqlLedger, engine: str) -> None:
    ledger.lane(UserId(1), engine=engine)
    ledger.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(name, b"{}") for name in NAMES]))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)


def completed(ledger: SqlLedger) -> bool:
    return {ledger.task(name).state for name in NAMES} == {State.COMPLETED}


each_engine = pytest.mark.parametrize("engine", ["database", "inline", "pool"])


@each_engine
async def test_a_look_at_the_ledger_that_fails_ends_nothing(
    start: Start, ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, engine: str
):
    failing, loop = asyncio.Event(), asyncio.get_running_loop()

    def fail(_ledger: SqlLedger, _engine: str) -> bool:
        loop.call_soon_threadsafe(failing.set)
        raise OSError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(SqlLedger, "runnable", fail)
        start(engine)
        await failing.wait()
        submit(ledger, engine)
    await until(lambda: completed(ledger))


@each_engine
async def test_without_slots_it_asks_for_no_turns_until_some_are_granted(
    start: Start, ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, engine: str
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
    ledger.limit(1)
    ledger.register(other, "elsewhere", "host", 1, 1)
    submit(ledger, engine)
    start(engine)
    await until(lambda: calls.count("renew") >= 5)
    ledger.renew(other, [])
    assert set(calls) == {"renew"}
    ledger.leave(other)
    await until(lambda: completed(ledger))
