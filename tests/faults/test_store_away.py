"""A store of files that goes away for a while: attempts wait for it and keep their tries; no file is taken for lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.blobs.test_contract import stored
from tests.buckets import Buckets
from tests.faults.conftest import Waits
from tests.faults.forwarding import Way, way_to
from tests.work.counting import COUNTING, ONE, HereAndNow

from paperlane import assembly, serving
from paperlane.blobs.s3 import Bucket, open_bucket
from paperlane.blobs.whole import Whole
from paperlane.engines.database import Database
from paperlane.errors import Misconfigured, StoreAway, StoreRefuses
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Rules, results
from paperlane.ledger.sql import SqlLedger
from paperlane.model.steps import Saved
from paperlane.model.tasks import BatchId, NewBatch, NewTask, State, TaskId, UserId
from paperlane.settings import Settings
from paperlane.work import RunStep, attempt

TASK = TaskId("task")


@pytest.fixture
def way(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """The only way to the store."""
    with way_to(buckets.server.port) as made:
        for name, value in buckets.environment(made.port).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def bucket(buckets: Buckets, way: Way) -> Bucket:
    return open_bucket(buckets.new(), "blobs")


@pytest.fixture
async def ledger(tmp_path: Path, bucket: Bucket) -> AsyncIterator[SqlLedger]:
    made = open_ledger(f"sqlite:///{tmp_path}/ledger.db", Rules(lease=20), files=Whole(bucket))
    made.submit(NewBatch(BatchId("batch"), UserId(1), [NewTask(TASK, b"{}")]))
    with closing(made):
        yield made


async def working(ledger: SqlLedger, bucket: Bucket, reference: str, while_away: Callable[[], object]) -> None:
    """A worker runs the one task, whose only step is given the file, until the end of the wait for `while_away`."""

    async def only_one(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
        return await run(replace(ONE, file=lambda _value: reference), value)

    stop = asyncio.Event()
    host = Host(ledger, replace(COUNTING, run=only_one), HereAndNow(), bucket.open, heartbeat=0.1, sweep=0.05)
    running = asyncio.create_task(host.pull(Database(), 1, stop))
    async with asyncio.timeout(60):
        await while_away()  # type: ignore[misc]
        stop.set()
        await running


async def ended(ledger: SqlLedger) -> None:
    while not ledger.task(TASK).state.ended:
        await asyncio.sleep(0.005)


async def test_a_task_waits_for_its_file_while_the_store_is_away(
    ledger: SqlLedger, bucket: Bucket, way: Way, waits: Waits
):
    (reference,) = stored(bucket, b"here")
    way.cut()

    async def heal() -> None:
        await waits.more(3)
        assert ledger.task(TASK).state is State.RUNNING
        way.mend()
        await ended(ledger)

    await working(ledger, bucket, reference, heal)
    task = ledger.task(TASK)
    assert (task.state, task.attempt) == (State.COMPLETED, 1)
    assert [past.outcome for past in ledger.attempts(TASK)] == ["completed"]


async def test_a_task_hands_its_turn_back_when_the_store_is_away_for_long_and_uses_no_try(
    ledger: SqlLedger, bucket: Bucket, way: Way, waits: Waits, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(attempt, "_OUR_DISK", 0.001)
    (reference,) = stored(bucket, b"here")
    way.cut()

    async def heal() -> None:
        while not [past for past in ledger.attempts(TASK) if past.outcome]:
            await asyncio.sleep(0.005)
        way.mend()
        await ended(ledger)

    await working(ledger, bucket, reference, heal)
    task = ledger.task(TASK)
    assert (task.state, task.attempt) == (State.COMPLETED, 1)
    assert {past.outcome for past in ledger.attempts(TASK)} == {"yielded", "completed"}


async def test_a_large_result_waits_for_the_store(
    ledger: SqlLedger, bucket: Bucket, way: Way, waits: Waits, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(results, "LARGE", 1)
    (reference,) = stored(bucket, b"here")
    put = Bucket.put

    def cut_once(*given: object) -> None:
        monkeypatch.setattr(Bucket, "put", put)
        way.cut()
        put(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Bucket, "put", cut_once)

    async def heal() -> None:
        await waits.more(3)
        way.mend()
        await ended(ledger)

    await working(ledger, bucket, reference, heal)
    assert [past.outcome for past in ledger.attempts(TASK)] == ["completed"]
    assert len(list(bucket.written(0, 1e12))) == 2  # the file, and the result: once


async def test_a_file_is_lost_when_the_store_says_so(ledger: SqlLedger, bucket: Bucket):
    await working(ledger, bucket, "0" * 32, lambda: ended(ledger))
    task = ledger.task(TASK)
    assert (task.state, task.fault.code if task.fault else "") == (State.FAILED, "file_lost")


class TestStarting:
    @pytest.fixture
    def settings(self, tmp_path: Path, buckets: Buckets) -> Settings:
        return Settings(data=tmp_path, blobs=buckets.new())

    async def test_it_waits_until_the_store_can_be_reached(self, settings: Settings, way: Way, waits: Waits):
        way.cut()
        opening = asyncio.create_task(assembly.reach_ledger(settings, asyncio.Event()))
        await waits.more(3)
        assert not opening.done()
        way.mend()
        made = await opening
        assert made is not None
        made.close()

    async def test_a_service_does_not_wait_for_a_store_that_takes_no_mark(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        """Who may list and not write gets that far."""

        def refuse(*_: object) -> None:
            raise StoreRefuses("The store of files refuses: 403 AccessDenied.")

        monkeypatch.setattr(serving, "owns_files", refuse)
        free = settings.model_copy(update={"blobs": "", "port": 0, "workers": 0})
        with pytest.raises(Misconfigured, match="403 AccessDenied"):
            await serving.serve(free, asyncio.Event(), lambda *_: None, lambda _: None)

    async def test_it_waits_no_longer_than_it_was_told(self, settings: Settings, way: Way):
        way.cut()
        hasty = settings.model_copy(update={"database_wait_seconds": 0})
        with pytest.raises(StoreAway, match="refuses connections"):
            await assembly.reach_ledger(hasty, asyncio.Event())

    @pytest.mark.usefixtures("way")
    async def test_it_does_not_wait_for_a_store_that_refuses(self, settings: Settings, waits: Waits):
        wrong = settings.model_copy(update={"blobs": "s3://no-such-bucket-either"})
        with pytest.raises(Misconfigured, match="404 NoSuchBucket") as raised:
            await assembly.reach_ledger(wrong, asyncio.Event())
        assert "PAPERLANE_BLOBS" in raised.value.hint
        assert waits.count == 0
