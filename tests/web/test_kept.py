"""What a retention run leaves of documents, and what it removes: rows first, files after them."""

import asyncio
import errno
import os
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from structlog.testing import capture_logs
from tests.ledger.test_unknown_commits import lost_answer
from tests.web.conftest import House, Run, places_of
from tests.web.test_interface import TEXT, blobs_of
from tests.web.test_schedules import add, fire

from paperlane import retention
from paperlane.assembly import kept_of
from paperlane.blobs.folder import Folder
from paperlane.ledger import Kept, results
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import tasks
from paperlane.records.schema import documents, issues, users
from paperlane.retention import Removed, clean, keep_house
from paperlane.settings import Settings
from paperlane.threads import Threads

DAY = 86_400.0


def results_in(house: House) -> list[Path]:
    """The files of large results."""
    return sorted(house.settings.data.glob("results/??/*"))


def age(house: House, days: float) -> None:
    """Everything ended so many days earlier."""
    later = update(tasks).where(tasks.c.finished_at > 0).values(finished_at=tasks.c.finished_at - days * DAY)
    house.ledger.write(lambda c: c.execute(later) and None)


def counted(house: House) -> list[int]:
    found = (select(func.count()).select_from(table) for table in (tasks, documents, issues))
    return [house.ledger.read(lambda c, asked=asked: c.execute(asked).scalar_one()) for asked in found]


async def test_an_old_document_goes_with_its_issues_and_its_file(house: House, run: Run):
    batch = await house.upload("ann", TEXT)
    house.work()
    age(house, 91)
    young = await house.upload("ann", TEXT, "Fine.")
    house.work()
    assert await run() == Removed(tasks=1, files=1)
    assert counted(house) == [2, 2, 3]
    assert len(blobs_of(house)) == 2
    for path in (f"/batches/{batch['id']}", f"/tasks/{batch['tasks'][0]['id']}", f"/tasks?batch={batch['id']}"):
        assert (await house["ann"].get(path)).status_code == 404
    assert (await house["ann"].get(f"/tasks/{young['tasks'][0]['id']}/report")).status_code == 200
    assert await run() == Removed()


async def test_the_report_and_the_text_stay_when_the_steps_go(house: House, run: Run):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    path = f"/tasks/{task['id']}"
    read = [path, f"{path}/report?format=json", f"{path}/report?format=html", f"{path}/document", f"{path}/issues"]
    before = [(await house["ann"].get(one)).content for one in read]
    age(house, 15)
    before[0] = (await house["ann"].get(path)).content
    assert await run() == Removed(trimmed=1)
    assert [(await house["ann"].get(one)).content for one in read] == before
    (attempt,) = (await house["ann"].get(f"{path}/attempts")).json()["items"]
    assert (attempt["outcome"], attempt["steps"]) == ("completed", [])
    assert await run() == Removed()  # it was done up to there


async def test_a_failed_document_stays_and_can_start_again(house: House, run: Run):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    await house["ann"].post(f"/tasks/{task['id']}/cancel")
    house.ledger.write(lambda c: c.execute(update(tasks).values(state="failed")) and None)
    house.ledger.write(lambda c: c.exec_driver_sql("UPDATE events SET status = 'failed' WHERE seq = 2") and None)
    age(house, 364)
    assert await run() == Removed()
    assert (await house["ann"].post(f"/tasks/{task['id']}/retry")).status_code == 200
    house.work()
    assert (await house["ann"].get(f"/tasks/{task['id']}/report")).status_code == 200


async def test_a_schedule_keeps_its_files_and_goes_on_testing_them(house: House, run: Run):
    batch = await house.upload("ann", TEXT, "Fine.")
    await add(house, batch)
    house.work()
    age(house, 91)
    assert await run() == Removed(tasks=2)
    assert counted(house) == [0, 0, 0]
    assert len(blobs_of(house)) == 2
    fire(house)
    house.work()
    found = (await house["ann"].get("/tasks")).json()["items"]
    assert [task["status"] for task in found] == ["completed", "completed"]
    age(house, 91)
    assert await run() == Removed(tasks=2)
    assert len(blobs_of(house)) == 2
    assert (await house["ann"].delete("/schedules/nightly")).status_code == 204
    assert blobs_of(house) == []


async def test_files_that_a_later_document_is_in_stay(house: House, run: Run):
    batch = await house.upload("ann", TEXT)
    await add(house, batch)
    house.work()
    age(house, 91)
    fire(house)
    await house["ann"].delete("/schedules/nightly")
    assert await run() == Removed(tasks=1)
    assert len(blobs_of(house)) == 1
    house.work()
    assert [task["status"] for task in (await house["ann"].get("/tasks")).json()["items"]] == ["completed"]


async def test_documents_that_are_gone_cannot_be_scheduled(house: House, run: Run, monkeypatch: pytest.MonkeyPatch):
    batch = await house.upload("ann", TEXT, "Fine.")
    house.work()
    age(house, 91)
    seen = house.ledger.tasks(batch=batch["id"])
    await run(Kept(most=1, finished=0))
    desk = house.desk
    monkeypatch.setattr(type(house.ledger), "tasks", lambda *_args, **_more: seen)  # as read before they went
    answer = await house["ann"].post("/schedules", json={"name": "n", "cron": "0 3 * * *", "batch": batch["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "documents_gone")
    assert desk.ledger.schedules() == []


def orphan(house: House, digit: str, at: float, place: str = "blobs") -> Path:
    path = house.settings.data / place / (digit * 2) / (digit * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (at, at))
    return path


async def test_files_of_nothing_go_a_day_after_they_were_written(house: House, run: Run):
    await add(house, await house.upload("ann", "Fine."))
    (named,) = house.settings.data.glob("blobs/*/*")
    os.utime(named, (1e9, 1e9))
    house.ledger.write(lambda c: c.execute(update(users).values(created_at=2e8)) and None)
    now = house.desk.clock.now()
    old, fresh, older = orphan(house, "a", now - DAY - 60), orphan(house, "b", now - DAY + 60), orphan(house, "c", 1e8)
    assert await run(orphans=False) == Removed()
    assert await run() == Removed(orphans=1)
    assert [path.exists() for path in (named, old, fresh, older)] == [True, False, True, True]


async def test_files_of_nothing_stay_once_another_ledger_has_come_to_the_folder(house: House, run: Run):
    (mark,) = house.settings.data.glob("blobs/ledger-*")
    now, owns = house.desk.clock.now(), partial(house.desk.blobs.mark, mark.name.removeprefix("ledger-"))
    house.ledger.write(lambda c: c.execute(update(users).values(created_at=1e8)) and None)
    first = orphan(house, "a", now - 2 * DAY)
    assert await run(orphans=owns) == Removed(orphans=1)
    of_another = orphan(house, "b", now - 2 * DAY)
    house.desk.blobs.mark("another")
    assert await run(orphans=owns) == Removed()
    assert [path.exists() for path in (first, of_another)] == [False, True]


async def test_a_large_result_lies_apart_from_the_uploads_as_long_as_its_task(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(results, "LARGE", 1)
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    assert (len(blobs_of(house)), len(results_in(house))) == (1, 5)
    assert list(house.desk.blobs.written(0, 1e12)) == blobs_of(house)  # older programs look for orphans there, and ask
    now = house.desk.clock.now()  # neither the ledger nor when a result was named
    house.ledger.write(lambda c: c.execute(update(users).values(created_at=now - 3 * DAY)) and None)
    for path in house.settings.data.glob("*/??/*"):
        os.utime(path, (now - 2 * DAY, now - 2 * DAY))
    fallen, under_way = (
        orphan(house, digit, now - DAY + seconds, "results") for digit, seconds in (("a", -60), ("b", 60))
    )  # no row names them yet
    assert await run(Kept(steps=0), orphans=False) == Removed()
    assert await run(Kept(steps=0)) == Removed(orphans=1)
    assert (fallen.exists(), under_way.exists(), len(blobs_of(house)), len(results_in(house))) == (False, True, 1, 6)
    age(house, 15)
    assert await run() == Removed(trimmed=1)
    assert (len(blobs_of(house)), len(results_in(house))) == (1, 3)  # the text, the report, and what is under way
    for what in ("report", "document"):
        assert (await house["ann"].get(f"/tasks/{task['id']}/{what}")).status_code == 200
    age(house, 76)
    assert await run() == Removed(tasks=1, files=1)
    assert (blobs_of(house), results_in(house)) == ([], [under_way])


async def test_a_report_whose_file_is_lost_is_said_to_be_lost(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results, "LARGE", 1)
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    for path in results_in(house):
        path.write_bytes(b"")
    for what in ("report", "document"):
        answer = await house["ann"].get(f"/tasks/{task['id']}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (409, "result_lost")


async def test_a_report_whose_file_cannot_be_read_now_is_not_said_to_be_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(results, "LARGE", 1)
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()

    def too_many(_folder: Folder, _reference: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    for what in ("report", "document"):
        with monkeypatch.context() as patch:
            patch.setattr(Folder, "open", too_many)
            answer = await house["ann"].get(f"/tasks/{task['id']}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (503, "file_unavailable")
        assert answer.headers["retry-after"]
        assert (await house["ann"].get(f"/tasks/{task['id']}/{what}")).status_code == 200


def refusing(*files: str) -> Callable[[Folder, str], None]:
    """Removes files, but not these."""
    remove = Folder.remove

    def removed(folder: Folder, reference: str) -> None:
        if reference in files:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        remove(folder, reference)

    return removed


@pytest.mark.parametrize("place", ["blobs", "results"])
async def test_a_file_that_cannot_be_removed_keeps_no_other_one(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch, place: str
):
    house.ledger.write(lambda c: c.execute(update(users).values(created_at=1e8)) and None)
    stuck, *others = [orphan(house, digit, 1e9, place) for digit in "abc"]
    orphan(house, "0", 1e9, place).parent.rename(stuck.parent.parent / "elsewhere")
    (stuck.parent.parent / "00").write_bytes(b"no folder at all")
    monkeypatch.setattr(Folder, "remove", refusing(stuck.name))
    with capture_logs() as logs:
        assert await run() == Removed(orphans=2)
    assert [path.exists() for path in (stuck, *others)] == [True, False, False]
    assert [(line["event"], line["log_level"]) for line in logs][:2] == [
        ("a folder of files cannot be looked through", "warning"),
        ("a file that nothing names cannot be removed", "warning"),
    ]
    monkeypatch.undo()
    assert await run() == Removed(orphans=1)


async def test_a_schedule_goes_though_one_of_its_files_cannot(house: House, run: Run, monkeypatch: pytest.MonkeyPatch):
    await add(house, await house.upload("ann", TEXT, "Fine."))
    house.work()
    age(house, 91)
    await run()
    stuck = min(blobs_of(house))
    monkeypatch.setattr(Folder, "remove", refusing(stuck))
    assert (await house["ann"].delete("/schedules/nightly")).status_code == 204
    assert blobs_of(house) == [stuck]


async def test_documents_go_though_one_of_their_files_cannot(house: House, run: Run, monkeypatch: pytest.MonkeyPatch):
    await house.upload("ann", TEXT, "Fine.")
    await house.upload("bob", "Fine.")
    house.work()
    age(house, 91)
    stuck = min(blobs_of(house))
    monkeypatch.setattr(Folder, "remove", refusing(stuck))
    assert await run(orphans=False) == Removed(tasks=3, files=2)
    assert blobs_of(house) == [stuck]


async def test_the_files_of_a_page_go_though_nobody_told_that_it_was_committed(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("paperlane.ledger.retention.AT_ONCE", 1)
    await house.upload("ann", TEXT, "Fine.")
    house.work()
    age(house, 91)
    forget = type(house.ledger).forget

    def forget_unheard(*given: Any) -> int:
        monkeypatch.setattr(type(house.ledger), "forget", forget)
        with lost_answer(house, committed=True):
            return forget(*given)

    monkeypatch.setattr(type(house.ledger), "forget", forget_unheard)
    assert await run(orphans=False) == Removed(tasks=1, files=2)
    assert (counted(house), blobs_of(house)) == ([0, 0, 0], [])


class TestClocks:
    """Who deletes by a clock that is wrong, deletes for good."""

    @pytest.fixture
    def set_forward(self, house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Sets the database's clock forward by a year."""
        year = Prepared(text("SELECT unixepoch('subsec') + 31536000"))
        return lambda: monkeypatch.setattr(type(house.ledger.dialect), "clock", year)

    async def test_nothing_goes_while_the_databases_clock_is_not_this_machines(
        self, house: House, set_forward: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ):
        await house.upload("ann", TEXT)
        house.work()
        left, stop, threads, waits = orphan(house, "a", house.desk.clock.now()), asyncio.Event(), Threads("test"), []

        async def wait(seconds: float, _stop: asyncio.Event) -> None:
            waits.append(seconds)
            stop.set()

        set_forward()
        monkeypatch.setattr(retention, "pause", wait)
        with capture_logs() as logs:
            async with asyncio.timeout(60):
                await keep_house(house.ledger, places_of(house), kept_of(Settings()), threads, stop, lambda: True)
        assert [(line["event"], line["log_level"], line["why"]) for line in logs] == [
            (
                "nothing old is removed, and in an hour it is looked again",
                "warning",
                "The database's clock and this machine's own are 8,760.0 hours apart.",
            )
        ]
        assert (counted(house)[:2], left.exists(), waits) == ([1, 1], True, [3_600.0])
        threads.close()

    async def test_one_that_is_set_while_a_run_goes_on_makes_nothing_old(
        self, house: House, run: Run, set_forward: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ):
        await house.upload("ann", TEXT)
        house.work()
        age(house, 91)
        await house.upload("ann", TEXT)
        await house.upload("bob", "Fine.")
        house.work()
        left = orphan(house, "a", house.desk.clock.now())
        remove = retention.remove_unnamed

        def and_set_forward(*given: Any) -> int:
            set_forward()
            return remove(*given)

        monkeypatch.setattr(retention, "remove_unnamed", and_set_forward)
        assert await run() == Removed(tasks=1, files=1)
        assert (counted(house)[:2], left.exists()) == ([2, 2], True)


async def test_a_run_is_one_processs_an_hour_and_tells_what_it_did(house: House):
    await house.upload("ann", TEXT)
    house.work()
    age(house, 91)
    threads, stop = Threads("retention"), asyncio.Event()
    kept = kept_of(Settings())

    async def stop_soon() -> None:
        while counted(house)[0]:
            await asyncio.sleep(0.01)
        stop.set()

    with capture_logs() as logs:
        house_keeping = keep_house(house.ledger, places_of(house), kept, threads, stop, lambda: True)
        await asyncio.gather(house_keeping, stop_soon())
    assert [line for line in logs if line["event"] == "old things removed"] == [
        {
            "event": "old things removed", "log_level": "info",
            "tasks": 1, "trimmed": 0, "files": 1, "orphans": 0, "answers": 0,
        }
    ]  # fmt: skip
    again = await clean(house.ledger, places_of(house), kept, threads, asyncio.Event(), lambda: True)
    assert again is None
    threads.close()


async def test_a_run_that_is_told_to_stop_ends_between_pages_and_goes_on_later(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("paperlane.ledger.retention.AT_ONCE", 2)
    await house.upload("ann", *["Fine."] * 6)
    house.work()
    age(house, 91)
    threads, stop = Threads("retention"), asyncio.Event()
    remove = retention.remove_unnamed

    def and_stop(*arguments: object) -> int:
        stop.set()
        return remove(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(retention, "remove_unnamed", and_stop)
    removed = await clean(house.ledger, places_of(house), Kept(), threads, stop, lambda: True)
    assert removed == Removed(tasks=2, files=2)
    monkeypatch.undo()
    assert await run() == Removed(tasks=4, files=4)
    threads.close()


async def test_a_count_that_cannot_be_put_right_keeps_nothing_else_from_being_done(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
):
    house.ledger.write(lambda c: c.execute(update(users).values(created_at=1e8)) and None)
    left = orphan(house, "a", house.desk.clock.now() - 2 * DAY)

    def fail(*_: object, **__: object) -> float:
        raise LookupError

    monkeypatch.setattr(retention, "_PARTS", 1)
    monkeypatch.setattr(retention.storage, "drift", fail)
    with capture_logs() as lines:
        await run()
    told = [line for line in lines if line["event"] == "what a user stores cannot be counted"]
    assert len(told) == 4, "it is tried for each of them"
    assert all(line["log_level"] == "error" for line in told)
    assert not left.exists()


def test_runs_that_are_a_little_more_than_an_hour_apart_pass_no_part_of_the_users_by():
    most = retention.EVERY + 1.2 * retention._LOOK
    for apart in (retention.EVERY, most):
        parts = [retention._part(1e9 + apart * number) for number in range(200)]
        assert {(then - part) % retention._PARTS for part, then in pairwise(parts)} <= {0, 1}
        assert set(parts) == set(range(retention._PARTS))
