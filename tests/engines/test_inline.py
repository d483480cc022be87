"""The engine `inline`: a slot that is free is used at once, and at the end what it did not begin goes back."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.databases import new_file
from tests.work.counting import COUNTING, HereAndNow

from paperlane.engines.inline import Inline
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Note, channels
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, Ended, Lease, NewBatch, NewTask, State, TaskId, UserId, WorkerId
from paperlane.scheduling import wakeup

FINISH = SqlLedger.finish
LEASES = [Lease(TaskId("one"), 1), Lease(TaskId("two"), 1)]


@pytest.mark.parametrize("waiting", [False, True])
async def test_what_arrives_as_it_stops_is_not_begun(*, waiting: bool):
    inline, stop = Inline(), asyncio.Event()
    begun: list[Lease] = []

    async def run(lease: Lease) -> None:
        begun.append(lease)

    serving = asyncio.create_task(inline.serve(run, stop))
    for _ in range(5 * waiting):
        await asyncio.sleep(0)
    await inline.deliver(LEASES)
    assert inline.room(2) == 0
    stop.set()
    assert (await serving, begun, inline.room(2)) == (LEASES, [], 2)


@pytest.mark.parametrize("stops", ["while the dispatcher is at the ledger", "when it has delivered"])
async def test_a_drain_leaves_no_turn_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: str):
    ledger, stop = open_ledger(new_file(tmp_path / "ledger.db")), asyncio.Event()
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
    await Host(ledger, COUNTING, steps).push(StopsOnDelivery(), 2, stop)
    assert {ledger.task(name).state for name in names} == {State.READY}
    assert steps.ran == []
    ledger.close()


def finish_alone(
    ledger: SqlLedger, worker: WorkerId, ended: Sequence[Ended], notes: Sequence[Note], *_: object, **__: object
) -> Sequence[Lease] | None:
    """Another dispatcher is at it each time, or holds the lanes: nothing is handed out with outcomes."""
    return FINISH(ledger, worker, ended, notes) or ()


def break_off(*_: object) -> Sequence[Lease]:
    """What is handed out with outcomes breaks."""
    raise ValueError("a stage that nobody knows")


@pytest.mark.parametrize(("others", "tasks"), [("nobody else", 20), ("others hand out", 20), ("handing out breaks", 3)])
async def test_the_next_task_begins_as_soon_as_one_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str, tasks: int
):
    """Nobody else tells: the user may run more, so its lane was runnable all the time, only no slot was free."""
    if others == "others hand out":
        monkeypatch.setattr(SqlLedger, "finish", finish_alone)
    if others == "handing out breaks":
        monkeypatch.setattr(channels, "hand_out_if_free", break_off)
    hour = wakeup._Looks(first=3_600.0, slower=1.0, longest=3_600.0)
    for name, value in (("LONGEST_WAIT", 3_600.0), ("_TOLD", hour), ("_UNTOLD", hour)):
        monkeypatch.setattr(wakeup, name, value)
    ledger, stop = open_ledger(new_file(tmp_path / "ledger.db")), asyncio.Event()
    ledger.lane(UserId(1), engine="inline", max_running=10)
    names = [TaskId(f"task{number}") for number in range(tasks)]
    ledger.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(name, b"{}") for name in names]))
    steps = HereAndNow()

    def stop_at_the_last(_step: str, _value: object) -> None:
        if len(steps.ran) == 3 * len(names) - 1:
            stop.set()

    steps.before = stop_at_the_last
    async with asyncio.timeout(60):
        await Host(ledger, COUNTING, steps).push(Inline(), 1, stop)
    assert {(ledger.task(name).state, ledger.task(name).attempt) for name in names} == {(State.COMPLETED, 1)}
    ledger.close()
