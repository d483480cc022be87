"""The interface over a bucket: what it answers while the store is away, that nothing half stays, and that it heals."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs
from tests.buckets import Answer, Buckets, answering, said
from tests.faults.forwarding import Way, way_to
from tests.web.conftest import House, Run
from tests.web.test_interface import TEXT
from tests.web.test_kept import age, counted

from paperlane import assembly, retention
from paperlane.blobs.s3 import open_bucket
from paperlane.ledger import results
from paperlane.records.schema import users
from paperlane.retention import Removed
from paperlane.settings import Settings

FILE = {"files": ("a.md", b"Fine.")}


@pytest.fixture
def way(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """The only way to the store."""
    with way_to(buckets.server.port) as made:
        for name, value in buckets.environment(made.port).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def settings(tmp_path: Path, buckets: Buckets, way: Way) -> Settings:
    return Settings(data=tmp_path / "data", blobs=f"{buckets.new()}/papers")


def files_in(house: House) -> list[str]:
    return list(house.desk.blobs.written(0, 1e12))


async def test_uploads_and_large_results_lie_in_the_bucket(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(results, "LARGE", 1)
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    for what in ("report", "document"):
        assert (await house["ann"].get(f"/tasks/{task['id']}/{what}")).status_code == 200
    assert len(files_in(house)) == 1
    assert len(list(assembly.open_results(house.settings).written(0, 1e12))) == 5
    assert {path.name.partition("-")[0] for path in house.settings.data.iterdir()} == {"paperlane.db"}


async def test_an_upload_is_refused_while_the_store_is_away_and_leaves_nothing(house: House, way: Way):
    way.cut()
    answer = await house["ann"].post("/batches", files=FILE)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "127.0.0.1" not in answer.text
    way.mend()
    assert files_in(house) == []
    assert counted(house)[0] == 0
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


@pytest.mark.parametrize("parts", [1, 2])
async def test_an_upload_during_which_the_store_dies_is_refused_as_a_whole(house: House, way: Way, parts: int):
    """A first file that was stored by then is one that nothing names."""
    head = b'\r\n--b\r\nContent-Disposition: form-data; name="files"; filename="%d.md"\r\n\r\n'

    async def body() -> AsyncIterator[bytes]:
        yield b"".join(head % number + b"Fine. " * 60_000 for number in range(parts))  # is fed at once
        while len(files_in(house)) < parts - 1:
            await asyncio.sleep(0.01)
        way.cut()
        yield b"\r\n--b--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await house["ann"].post("/batches", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    way.mend()
    assert len(files_in(house)) == parts - 1
    assert counted(house)[0] == 0
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


async def test_what_is_wrong_with_an_upload_is_told_though_what_came_of_it_cannot_be_removed(house: House, way: Way):
    async def body() -> AsyncIterator[bytes]:
        head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\n'
        yield head + b"Fine. " * 60_000 + b"\r\n" + head
        while not files_in(house):
            await asyncio.sleep(0.01)
        way.cut()

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await house["ann"].post("/batches", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_full_store_refuses_the_upload(house: House, buckets: Buckets, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(type(house.desk.blobs), "is_marked", lambda *_: True)
    with answering(Answer(507, said("XMinioStorageFull"))) as port:
        for name, value in buckets.environment(port).items():
            monkeypatch.setenv(name, value)
        full = open_bucket(house.settings.blobs, "blobs")
        served = dataclasses.replace(house.app.state.house, desk=dataclasses.replace(house.desk, blobs=full))
        monkeypatch.setattr(house.app.state, "house", served)
        answer = await house["ann"].post("/batches", files=FILE)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")


async def test_a_report_in_a_store_that_is_away_is_not_said_to_be_lost(
    house: House, way: Way, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(results, "LARGE", 1)
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    way.cut()
    for what in ("report", "document"):
        answer = await house["ann"].get(f"/tasks/{task['id']}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert (await house["ann"].get("/tasks")).status_code == 200
    way.mend()
    assert (await house["ann"].get(f"/tasks/{task['id']}/report")).status_code == 200


async def test_retention_passes_a_store_by_that_is_away_and_removes_its_files_another_time(
    house: House, way: Way, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "_ABANDONED", -60.0)  # the store's times are its own
    monkeypatch.setattr(results, "LARGE", 1)
    await house.upload("ann", TEXT, "Fine.")
    house.work()
    age(house, 91)
    way.cut()
    with capture_logs() as logs:
        assert await run(orphans=False) == Removed(tasks=2)
    assert [(line["event"], line["files"], line["why"]) for line in logs if "why" in line] == [
        (
            "files that nothing names cannot be removed now",
            2,
            "The store of files cannot be used now: it refuses connections.",
        )
    ]
    way.mend()
    assert len(files_in(house)) == 2
    house.ledger.write(lambda c: c.execute(update(users).values(created_at=1e8)) and None)
    await run()
    assert files_in(house) == []
    assert list(assembly.open_results(house.settings).written(0, 1e12)) == []


async def test_a_schedule_goes_though_the_store_of_its_files_is_away(house: House, way: Way):
    batch = await house.upload("ann", TEXT)
    yearly = {"name": "yearly", "cron": "0 0 1 1 *", "batch": batch["id"]}
    assert (await house["ann"].post("/schedules", json=yearly)).status_code == 201
    way.cut()
    assert (await house["ann"].delete("/schedules/yearly")).status_code == 204


async def test_nothing_is_removed_from_a_bucket_that_another_ledger_came_to(house: House, tmp_path: Path):
    (tmp_path / "paperlane.db").touch()  # whose files are in its own folder, not here
    beside = house.settings.model_copy(update={"data": tmp_path, "database_url": house.settings.database})
    assert assembly.owns_files(beside, house.ledger)
    assert assembly.owns_files(house.settings, house.ledger)
    house.desk.blobs.mark("another")
    assert not assembly.owns_files(house.settings, house.ledger)


async def test_a_bucket_that_is_not_the_one_of_the_others_takes_no_upload_and_loses_no_file(
    house: House, buckets: Buckets
):
    await house.upload("ann", TEXT)
    (file,) = files_in(house)
    elsewhere = house.settings.model_copy(update={"blobs": buckets.new()})
    with capture_logs() as logs:
        assert not assembly.owns_files(elsewhere, house.ledger)
    assert [(line["bucket"], line["if_they_are_lost"]) for line in logs] == [
        (elsewhere.blobs, f"make the empty object {elsewhere.blobs}/blobs/ledger-{assembly._mark_of(house.ledger)}")
    ]
    async with assembly.host_of(elsewhere, house.ledger) as host:
        with pytest.raises(assembly.Unreadable, match="the bucket is not the one that it was stored in"):
            host.open_file(file)
    desk = assembly.open_desk(elsewhere, house.ledger)
    with pytest.raises(assembly.Unmounted, match="is not the one that files were stored in"):
        desk.tasks.check_folder()
    async with assembly.host_of(house.settings, house.ledger) as host:
        host.open_file(file).close()
        with pytest.raises(FileNotFoundError):
            host.open_file("0" * 32)
