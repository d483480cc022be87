"""How a worker's heartbeats keep its leases, and what it does when they fail."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.databases import new_file
from tests.work.counting import COUNTING, HereAndNow

from paperlane.engines.database import Database
from paperlane.errors import Misconfigured
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, Lease, NewBatch, NewTask, Pulse, Renewal, TaskId, UserId, WorkerId, Yielded
from paperlane.work.worker import drain

TASK = TaskId("task")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    made = open_ledger(new_file(tmp_path / "ledger.db"), Rules(lease=0.9))
    made.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(TASK, b"{}")]))
    yield made
    made.close()


@pytest.fixture
def on_renew(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Put something in the way of every heartbeat."""
    renew = SqlLedger.renew

    def set_up(first: Callable[[], None]) -> None:
        def renewed(asked: SqlLedger, worker: WorkerId, leases: Sequence[Lease], pulse: Pulse) -> Renewal:
            first()
            return renew(asked, worker, leases, pulse)

        monkeypatch.setattr(SqlLedger, "renew", renewed)

    return set_up


async def test_it_beats_three_times_within_the_ledgers_lease(ledger: SqlLedger):
    async with Host(ledger, COUNTING, HereAndNow()).working(Database.traits, 1) as attempts:
        assert attempts.heartbeat.seconds == pytest.approx(0.3)


def test_too_slow_a_heartbeat_is_refused(ledger: SqlLedger):
    with pytest.raises(Misconfigured, match=r"too slow for a lease of 0\.9 s"):
        Host(ledger, COUNTING, HereAndNow(), heartbeat=0.31)


@pytest.mark.parametrize("trouble", ["every heartbeat fails", "a heartbeat waits"])
async def test_it_stops_its_work_when_no_heartbeat_comes_through_for_a_lease(
    ledger: SqlLedger, on_renew: Callable[[Callable[[], None]], None], trouble: str
):
    over, steps = threading.Event(), HereAndNow()

    def fail() -> None:
        if trouble == "every heartbeat fails":
            raise OSError("disk I/O error")
        over.wait(60)

    on_renew(fail)
    steps.before = lambda _step, _value: asyncio.Event().wait()
    async with Host(ledger, COUNTING, steps, heartbeat=0.05).working(Database.traits, 1) as attempts:
        (lease,) = ledger.step("database", attempts.heartbeat.membership.worker, [], 1)
        async with asyncio.timeout(60):
            ended = await attempts(lease)
        over.set()
    assert ended.outcome == Yielded(why="lost")


async def test_who_drains_tells_that_it_wants_nothing_and_keeps_its_slots(ledger: SqlLedger):
    async with Host(ledger, COUNTING, HereAndNow()).working(Database.traits, 2) as attempts:
        await drain(attempts, 0.0, asyncio.create_task(asyncio.sleep(0)))
        attempts.heartbeat.beat()
        (member,) = ledger.members()
        assert (member.wants, member.slots) == (0, 2)


async def test_heartbeats_stop_last_in_a_drain(ledger: SqlLedger, on_renew: Callable[[Callable[[], None]], None]):
    loop, stop, steps = asyncio.get_running_loop(), asyncio.Event(), HereAndNow()
    begun, beaten = asyncio.Event(), asyncio.Event()

    async def until_beaten() -> None:
        begun.set()
        await beaten.wait()

    def beat() -> None:
        if stop.is_set():
            loop.call_soon_threadsafe(beaten.set)

    on_renew(beat)
    steps.before = lambda _step, _value: until_beaten()
    pulling = asyncio.create_task(Host(ledger, COUNTING, steps, heartbeat=0.05).pull(Database(), 1, stop))
    await begun.wait()
    stop.set()
    await pulling
    assert steps.ran == ["one"]  # it ended in peace, and the next one did not begin
    assert [past.outcome for past in ledger.attempts(TASK)] == ["yielded"]
    assert ledger.members() == []
