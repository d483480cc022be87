"""What the interface answers while something is missing, as the database, room or a font, and that it heals."""

import ctypes
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message
from structlog.testing import capture_logs
from tests.conftest import taken
from tests.web.conftest import House

from paperlane import assembly
from paperlane.blobs import folder
from paperlane.errors import Busy, Unavailable
from paperlane.ledger.dialects import sqlite
from paperlane.ledger.sql import SqlLedger
from paperlane.reports import pdf
from paperlane.settings import Settings

FORBIDDEN = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENODEV}  # by rights, or by what the kernel has
FILE = {"files": ("a.md", b"Fine.")}


def blobs_of(house: House) -> list[Path]:
    return list(house.settings.data.glob("blobs/*/*"))


async def test_paper_without_a_font_for_chinese_is_refused_and_printed_once_there_is_one(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    (task,) = (await house.upload("ann", "# One\n\n系统应尽快响应。\n"))["tasks"]
    house.work()
    path, asked = f"/tasks/{task['id']}/report", {"format": "pdf", "lang": "zh"}
    with monkeypatch.context() as without:
        without.setattr(pdf, "_families", cache(lambda: {"Arial"}))
        refused = await house["ann"].get(path, params=asked)
    assert (refused.status_code, refused.json()["code"]) == (503, "no_font")
    assert "fonts-noto-cjk" in refused.json()["hint"]
    assert (await house["ann"].get(path, params=asked)).content.startswith(b"%PDF")


async def test_a_database_that_cannot_be_written_gives_503_leaves_no_file_and_heals(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    with taken(house.settings.data / "paperlane.db"):
        answer = await house["ann"].post("/batches", files=FILE)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) > 0
        problem = answer.json()
        assert (problem["code"], bool(problem["hint"])) == ("database_busy", True)
        assert "locked" not in problem["detail"]  # what the database says is for the log
        assert (await house["ann"].get("/tasks")).status_code == 200
    assert blobs_of(house) == []
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


async def test_an_upload_is_refused_while_the_data_folders_disk_is_not_mounted(house: House):
    """The mount point is there, and empty."""
    await house.upload("ann", "Fine.")
    blobs, aside = house.settings.data / "blobs", house.settings.data / "aside"
    blobs.rename(aside)
    for make in (lambda: None, blobs.mkdir):
        make()
        answer = await house["ann"].post("/batches", files=FILE)
        assert (answer.status_code, answer.json()["code"]) == (503, "folder_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert str(blobs.parent) not in answer.text
    assert blobs_of(house) == []
    blobs.rmdir()
    aside.rename(blobs)
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202
    (mark,) = blobs.glob("ledger-*")
    shutil.rmtree(blobs)
    with capture_logs() as logs:
        assert not assembly.owns_files(house.settings, house.ledger)
    assert [line["if_they_are_lost"] for line in logs] == [f"touch {mark}"]
    blobs.mkdir()
    mark.touch()
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


async def test_a_database_that_is_gone_gives_503_everywhere_and_heals(house: House, monkeypatch: pytest.MonkeyPatch):
    """Connections cannot be had: what a server that is stopped looks like."""

    def refuse(*_given: object, **_more: object) -> Any:
        raise sqlite.dbapi2.OperationalError("connection refused")

    for engine in (house.ledger.dialect.writer, house.ledger.dialect.reader):
        engine.dispose()
        monkeypatch.setattr(engine.pool, "_creator", refuse, raising=False)
        monkeypatch.setattr(engine.dialect, "connect", refuse)
    paths = ["/tasks", "/queue", "/users", "/session", "/batches/b", "http://test/metrics", "http://test/queue"]
    for path in paths:
        answer = await house["adam"].get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), path
    ready = await house["nobody"].get("http://test/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, "database_unavailable")
    assert int(ready.headers["retry-after"]) > 0
    assert (await house["nobody"].get("http://test/healthz")).status_code == 200
    assert await closing_code(house) == 1013
    monkeypatch.undo()
    assert (await house["adam"].get("/tasks")).status_code == 200


async def test_a_database_whose_connections_are_all_taken_gives_503_and_leaves_no_file(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    pool = house.ledger.dialect.writer.pool
    monkeypatch.setattr(pool, "_timeout", 0.01)
    with house.ledger.dialect.writer.connect():
        answer = await house["ann"].post("/batches", files=FILE)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_busy")
    assert (int(answer.headers["retry-after"]) > 0, answer.json()["detail"]) == (True, "The database is busy.")
    assert blobs_of(house) == []
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


async def closing_code(house: House) -> int:
    """How a WebSocket is closed before it is accepted."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {house.tokens['ann']}".encode()), (b"host", b"test")]
    scope = {"type": "websocket", "path": "/api/v1/progress", "query_string": b"task=x", "headers": headers}
    await house.app({**scope, "subprotocols": [], "scheme": "ws", "server": None, "client": None}, receive, send)
    (message,) = sent
    return message["code"]


async def test_files_stay_when_the_answer_of_a_commit_was_lost(house: House, monkeypatch: pytest.MonkeyPatch):
    real = SqlLedger.submit_many

    def committed_and_cut_off(*args: Any, **more: Any) -> None:
        real(*args, **more)
        raise Unavailable("The connection broke.")

    monkeypatch.setattr(SqlLedger, "submit_many", committed_and_cut_off)
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 503
    (task,) = (await house["ann"].get("/tasks")).json()["items"]
    house.work()
    assert (await house["ann"].get(f"/tasks/{task['id']}")).json()["status"] == "completed"


async def test_files_stay_when_a_batch_that_was_accepted_cannot_be_looked_at(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    def busy(*_given: object, **_more: object) -> None:
        raise Busy("All connections are taken.")

    keyed = {"Idempotency-Key": "once"}
    with monkeypatch.context() as patched:
        patched.setattr(SqlLedger, "tasks", busy)
        assert (await house["ann"].post("/batches", files=FILE, headers=keyed)).status_code == 202
        assert house.rung == 1, "the batch is there, and workers are told"
        assert (await house["ann"].post("/batches", files=FILE, headers=keyed)).status_code == 503
    assert (await house["ann"].post("/batches", files=FILE, headers=keyed)).status_code == 202
    (task,) = (await house["ann"].get("/tasks")).json()["items"]
    house.work()
    assert (await house["ann"].get(f"/tasks/{task['id']}")).json()["status"] == "completed"
    assert len(blobs_of(house)) == 1, "what came again is not kept"


async def test_a_database_without_room_refuses_the_upload_leaves_no_file_and_heals(house: House):
    def allow(pages: int) -> None:
        with house.ledger.dialect.writer.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    allow(1)  # means: no more than there are
    long = {"name": "x" * 4_000}
    refused = [await house["ann"].post("/batches", files=FILE, data=long) for _ in range(40)]
    full = [answer for answer in refused if answer.status_code != 202]
    assert full
    for answer in full:
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["hint"]
    kept = (await house["ann"].get("/tasks")).json()["items"]
    assert len(blobs_of(house)) == len(kept) == 40 - len(full)
    allow(1 << 30)
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


@pytest.mark.parametrize("size", [10, 900_000])
async def test_a_full_disk_refuses_the_upload_leaves_nothing_and_heals(
    house: House, monkeypatch: pytest.MonkeyPatch, size: int
):
    """`/dev/full` has no room for anything: a small file finds out when it is closed, a large one on the way."""
    really = os.open

    def no_room(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = really(path, flags, mode)
        if flags & os.O_CREAT:
            os.dup2(full, descriptor)
        return descriptor

    full = really("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(folder.os, "open", no_room)
    answer = await house["ann"].post("/batches", files=[("files", ("a.md", b"x" * size))] * 3)
    monkeypatch.undo()
    os.close(full)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert int(answer.headers["retry-after"]) > 0
    assert blobs_of(house) == []
    assert (await house["ann"].get("/tasks")).json()["items"] == []
    assert (await house["ann"].post("/batches", files=FILE)).status_code == 202


@pytest.mark.skipif(sys.platform != "linux", reason="other systems mount in other ways")
class TestOnASmallDisk:
    """The same on a real file system of 4 MB that the database shares."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Iterator[Settings]:
        place = tmp_path / "small"
        place.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=4m") != 0:
            why = ctypes.get_errno()
            assert why in FORBIDDEN, os.strerror(why)
            pytest.skip(f"this system lets this process mount nothing: {os.strerror(why)}")
        yield Settings(data=place)
        subprocess.run(["umount", "--lazy", str(place)], check=True)

    async def test_it_refuses_until_there_is_room_again(self, house: House):
        place = house.settings.data
        accepted = 0
        for _ in range(30):
            answer = await house["ann"].post("/batches", files={"files": ("a.md", b"x" * 300_000)})
            if answer.status_code != 202:
                break
            accepted += 1
        assert accepted > 0
        assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert len(blobs_of(house)) == accepted
        rest = place / "rest"
        with suppress(OSError), rest.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4_096)
        for _ in range(3):
            answer = await house["ann"].post("/batches", files=FILE)
            assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
        assert len((await house["ann"].get("/tasks")).json()["items"]) == accepted
        rest.unlink()
        assert (await house["ann"].post("/batches", files=FILE)).status_code == 202
        assert len((await house["ann"].get("/tasks")).json()["items"]) == accepted + 1
