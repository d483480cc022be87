"""The engine `inline` at its end: what it carries and did not begin goes back at once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.work.counting import COUNTING, HereAndNow

from paperlane.engines.inline import Inline
from paperlane.hosting import Host, open_ledger
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, Lease, NewBatch, NewTask, State, TaskId, UserId

LEASES = [Lease(TaskId("one"), 1), Lease(TaskId("two"), 1)]


@pytest.mark.parametrize("waiting", [False, True])
async def test_what_arrives_as_it_stops_is_not_begun(*, waiting: bool):
    inline, stop = Inline(2), asyncio.Event()
    begun: list[Lease] = []

    async def run(lease: Lease) -> None:
        begun.append(lease)

    serving = asyncio.create_task(inline.serve(run, stop))
    for _ in range(5 * waiting):
        await asyncio.sleep(0)
    await inline.deliver(LEASES)
    assert inline.room() == 0
    stop.set()
    assert (await serving, begun, inline.room()) == (LEASES, [], 2)


@pytest.mark.parametrize("stops", ["while the dispatcher is at the ledger", "when it has delivered"])
async def test_a_drain_leaves_no_turn_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: str):
    ledger, stop = open_ledger(f"sqlite:///{tmp_path}/ledger.db"), asyncio.Event()
    ledger.lane(UserId(1), engine="inline")
    loop, lease, steps = asyncio.get_running_loop(), SqlLedger.lease, HereAndNow()

    class StopsOnDelivery(Inline):
        async def deliver(self, leases: Sequence[Lease]) -> None:
            await super().deliver(leases)
            stop.set()

    def lease_and_stop(asked: SqlLedger, engine: str, most: int) -> Sequence[Lease]:
        loop.call_soon_threadsafe(stop.set)
        return lease(asked, engine, most)

    if stops == "while the dispatcher is at the ledger":
        monkeypatch.setattr(SqlLedger, "lease", lease_and_stop)
    names = [TaskId(f"task{number}") for number in range(3)]
    ledger.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(name, b"{}") for name in names]))
    await Host(ledger, COUNTING, steps).push(StopsOnDelivery(2), 2, stop)
    assert {ledger.task(name).state for name in names} == {State.READY}
    assert steps.ran == []
    ledger.close()
