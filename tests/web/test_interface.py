"""The HTTP interface: what each call answers, and to whom."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select, update
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.ledger.conftest import new_batch
from tests.web.conftest import House

from paperlane import gathering
from paperlane.desk import Documents
from paperlane.ledger import AlsoSubmitted
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.tasks import Batch, NewBatch, WorkerId
from paperlane.records import accounts
from paperlane.records.accounts import Role
from paperlane.records.schema import audit, tokens
from paperlane.settings import Settings
from paperlane.web import answers, shapes, uploads
from paperlane.web.identity import COOKIE
from paperlane.web.uploads import clean_name

TEXT = "# One\n\nThe system shall be fast.\n\nTBD 😀 and the the end.\n"


async def test_an_upload_is_answered_with_its_tasks(house: House):
    batch = await house.upload("ann", TEXT, "Fine.", name="specs", priority="7")
    assert [task["document"]["name"] for task in batch["tasks"]] == ["0.md", "1.md"]
    task = batch["tasks"][0]
    assert (task["status"], task["priority"], task["percent"], task["error"]) == ("queued", 7, 0.0, None)
    assert task["created_at"].endswith("Z")
    assert batch["rejected"] == []
    assert house.rung == 1
    found = (await house["ann"].get(f"/batches/{batch['id']}")).json()
    assert (found["name"], found["counts"]) == ("specs", {"queued": 2})


async def test_an_upload_counts_its_tasks_as_it_shows_them(house: House, monkeypatch: pytest.MonkeyPatch):
    """As they were taken in; workers may be at them before it is answered."""
    submit = SqlLedger.submit_many

    def and_work(
        ledger: SqlLedger, batches: Sequence[NewBatch], also: AlsoSubmitted | None = None
    ) -> Sequence[tuple[Batch, bool]]:
        submitted = submit(ledger, batches, also)
        house.work()
        return submitted

    monkeypatch.setattr(SqlLedger, "submit_many", and_work)
    batch = await house.upload("ann", TEXT, "Fine.")
    assert [(task["status"], task["percent"]) for task in batch["tasks"]] == [("queued", 0.0)] * 2
    assert (batch["counts"], batch["percent"]) == ({"queued": 2}, 0.0)
    assert (await house["ann"].get(f"/batches/{batch['id']}")).json()["counts"] == {"completed": 2}


async def test_a_tested_document_has_issues_a_report_and_its_text(house: House):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    found = (await house["ann"].get(f"/tasks/{task['id']}")).json()
    assert (found["status"], found["coverage"]) == ("completed", {"tested": 1, "failed": 0, "skipped": 0, "by": {}})
    assert found["issues"] == {"error": 1, "warning": 2, "info": 0}
    document = (await house["ann"].get(f"/tasks/{task['id']}/document")).json()
    assert document["text"] == TEXT
    issues = (await house["ann"].get(f"/tasks/{task['id']}/issues")).json()["items"]
    assert [issue["rule"] for issue in issues] == ["vague-term", "tbd", "doubled-word"]
    for issue in issues:
        assert document["text"][issue["location"]["start"] : issue["location"]["end"]] == issue["quote"]
        assert issue["status"] == "open"
    kinds = {"json": ("json", "application/json"), "html": ("html", "text/html"), "text": ("txt", "text/plain")}
    for form, (suffix, kind) in kinds.items():
        report = await house["ann"].get(f"/tasks/{task['id']}/report", params={"format": form})
        assert report.headers["content-type"].startswith(kind)
        assert report.headers["content-disposition"].startswith(f'attachment; filename="0.md.report.{suffix}"')
        assert b"vague-term" in report.content
    (attempt,) = (await house["ann"].get(f"/tasks/{task['id']}/attempts")).json()["items"]
    assert attempt["steps"][0]["step"] == "file_parsing"
    assert attempt["outcome"] == "completed"


async def test_issues_are_filtered_paged_and_said_in_chinese(house: House):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    path = f"/tasks/{task['id']}/issues"
    errors = (await house["ann"].get(path, params={"severity": "error"})).json()["items"]
    assert [issue["rule"] for issue in errors] == ["tbd"]
    first = (await house["ann"].get(path, params={"limit": 2})).json()
    rest = (await house["ann"].get(path, params={"limit": 2, "cursor": first["next"]})).json()
    assert [issue["rule"] for issue in first["items"] + rest["items"]] == ["vague-term", "tbd", "doubled-word"]
    assert rest["next"] is None
    chinese = (await house["ann"].get(path, params={"lang": "zh"})).json()["items"]
    assert "含义模糊" in chinese[0]["message"]


async def test_a_review_is_kept(house: House):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    issue = (await house["ann"].get(f"/tasks/{task['id']}/issues")).json()["items"][0]
    said = {"status": "dismissed", "reason": "we know", "comment": "see the minutes"}
    answer = await house["ann"].patch(f"/issues/{issue['id']}", json=said)
    assert {name: answer.json()[name] for name in said} == said
    left = (await house["ann"].get(f"/tasks/{task['id']}/issues", params={"status": "open"})).json()["items"]
    assert issue["id"] not in {other["id"] for other in left}
    reports = {
        form: (await house["ann"].get(f"/tasks/{task['id']}/report", params={"format": form})).text
        for form in ("text", "html", "json")
    }
    assert "1 dismissed" in reports["text"]
    task = (await house["ann"].get(f"/tasks/{issue['task']}")).json()
    counted = json.loads(reports["json"])["documents"][0]["counts"]
    assert task["dismissed"] == {"error": 0, "warning": 0, "info": 0} | {issue["severity"]: 1}
    assert {name: task["issues"][name] - task["dismissed"][name] for name in counted} == counted
    assert issue["rule"] not in reports["text"] + reports["html"]
    assert json.loads(reports["json"])["documents"][0]["issues"][0]["status"] == "dismissed"
    assert (await house["ann"].patch(f"/issues/{issue['id']}", json={"status": "gone"})).status_code == 422


async def test_what_was_dismissed_stays_so_when_the_document_is_tested_again(house: House):
    async def found(who: str, text: str, status: str = "") -> list[dict]:
        (task,) = (await house.upload(who, text))["tasks"]
        house.work()
        return (await house[who].get(f"/tasks/{task['id']}/issues", params={"status": status})).json()["items"]

    first, second, third = await found("ann", TEXT)
    said = {"status": "dismissed", "reason": "we know", "comment": "see the minutes"}
    for status in ("accepted", "dismissed"):
        await house["ann"].patch(f"/issues/{first['id']}", json={**said, "status": status})
    (again,) = await found("ann", TEXT + "\n\n# More\n\nFine.\n", "dismissed")
    assert {name: again[name] for name in ("fingerprint", *said)} == {"fingerprint": first["fingerprint"], **said}
    assert len(await found("bob", TEXT, "open")) == len([first, second, third])
    await house["ann"].patch(f"/issues/{again['id']}", json={"status": "open"})
    assert await found("ann", TEXT, "dismissed") == []


async def test_many_who_read_documents_leave_room_for_others(house: House, monkeypatch: pytest.MonkeyPatch):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    house.work()
    begun, go_on, document = threading.Semaphore(0), threading.Event(), Documents.text
    reading = []

    def held(*given: Any) -> Any:
        reading.append(given)
        begun.release()
        go_on.wait()
        return document(*given)

    monkeypatch.setattr(Documents, "text", held)
    all_of_them = [asyncio.create_task(house["ann"].get(f"/tasks/{task['id']}/document")) for _ in range(12)]
    try:
        await asyncio.to_thread(lambda: [begun.acquire() for _ in range(2)])
        other = asyncio.create_task(house["ann"].get("/tasks"))
        answered, _ = await asyncio.wait([other], timeout=20)
        assert (len(reading), len(answered)) == (2, 1)
    finally:
        go_on.set()
    assert (await other).status_code == 200
    assert {(await one).json()["text"] for one in all_of_them} == {TEXT}


async def test_files_that_cannot_be_tested_are_rejected_beside_the_others(house: House):
    files = [
        ("files", ("good.md", b"Fine.")),
        ("files", ("sheet.ods", b"PK")),
        ("files", ("../../etc/pass\x00wd.md", b"Fine.")),
        ("files", ("large.md", b"x" * (1 << 20) + b"x")),
        ("files", ("binary.md", b"\x7fELF\x00\x00\x00\x00")),
    ]
    batch = (await house["ann"].post("/batches", files=files)).json()
    assert batch["tasks"][0]["document"]["name"] == "good.md"
    assert len(batch["tasks"]) == 2
    assert "/" not in batch["tasks"][1]["document"]["name"]
    assert [(file["name"], file["code"]) for file in batch["rejected"]] == [
        ("sheet.ods", "unsupported_type"),
        ("large.md", "too_large"),
        ("binary.md", "unsupported_type"),
    ]
    assert all(file["hint"] for file in batch["rejected"])


async def test_an_upload_without_an_acceptable_file_is_refused_and_leaves_nothing(house: House):
    for files in ([("files", ("sheet.ods", b"PK"))], [("other", (None, b"x"))]):
        answer = await house["ann"].post("/batches", files=files)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] in {"unsupported_type", "no_files"}
    assert blobs_of(house) == []


async def test_an_upload_of_nothing_but_files_that_are_too_large_is_too_large(house: House):
    large, other = ("files", ("large.md", b"x" * ((1 << 20) + 1))), ("files", ("sheet.ods", b"PK"))
    answer = await house["ann"].post("/batches", files=[large, large])
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (413, 413, "too_large")
    assert [(file["name"], file["code"]) for file in problem["rejected"]] == [("large.md", "too_large")] * 2
    for files in ([large, other], [other, large]):
        assert (await house["ann"].post("/batches", files=files)).status_code == 422
    assert blobs_of(house) == []


def blobs_of(house: House) -> list[str]:
    return [path.name for path in house.settings.data.glob("blobs/*/*")]


async def test_files_come_in_their_field_only(house: House):
    answer = await house["ann"].post("/batches", files=[("file", ("a.md", b"x")), ("name", ("b.md", b"y"))])
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    batch = (await house["ann"].post("/batches", files=[("files", ("a.md", b"x")), ("other", ("b.md", b"y"))])).json()
    assert [task["document"]["name"] for task in batch["tasks"]] == ["a.md"]
    assert [(file["name"], file["code"]) for file in batch["rejected"]] == [("b.md", "unknown_field")]
    assert len(blobs_of(house)) == 1


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("filename*=UTF-8''%E8%AF%B4%E6%98%8E.md", "说明.md"),
        ("filename*=utf-8'zh'..%2F..%2Fa%00.md", "a.md"),
        ("filename*=UTF-8''%ff.md", "\ufffd.md"),
        ("filename=plain.md; filename*=UTF-8''other.md", "plain.md"),
    ],
)
async def test_a_files_name_may_be_in_the_extended_form(house: House, said: str, name: str):
    body = f'--b\r\nContent-Disposition: form-data; name="files"; {said}\r\n\r\nx\r\n--b--\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    batch = (await house["ann"].post("/batches", content=body, headers=headers)).json()
    assert [task["document"]["name"] for task in batch["tasks"]] == [name]


@pytest.mark.parametrize("field", ["files", "other", "name"])
async def test_an_upload_has_few_parts(house: House, field: str):
    for content in (("a.md", b"x"), (None, b"x")):
        answer = await house["ann"].post("/batches", files=[(field, content)] * 61)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert blobs_of(house) == []


@pytest.mark.parametrize("name", ["X-{}", "X"])
async def test_a_part_has_few_headers(house: House, name: str):
    headers = "".join(f"{name.format(n)}: y\r\n" for n in range(30))
    body = f'--b\r\n{headers}Content-Disposition: form-data; name="files"; filename="a.md"\r\n\r\nx\r\n--b--\r\n'
    told = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await house["ann"].post("/batches", content=body.encode(), headers=told)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert blobs_of(house) == []


async def test_the_same_key_gives_the_same_batch(house: House):
    async def post(content: bytes) -> tuple[int, dict]:
        headers = {"Idempotency-Key": "k1"}
        answer = await house["ann"].post("/batches", files={"files": ("a.md", content)}, headers=headers)
        return answer.status_code, answer.json()

    answers = await asyncio.gather(*(post(b"One.") for _ in range(5)))
    assert {status for status, _ in answers} == {202}
    assert len({batch["id"] for _, batch in answers}) == 1
    status, problem = await post(b"Two.")
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    assert len((await house["ann"].get("/tasks")).json()["items"]) == 1
    assert len(blobs_of(house)) == 1


async def test_uploads_that_come_while_one_is_written_down_share_a_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """What is refused is refused for who sent it alone, and leaves no file."""
    monkeypatch.setattr(gathering, "_UNDER_WAY", 1)
    commits: list[object] = []
    submits = house.app.state.house.submits

    def post(who: str, files: int) -> asyncio.Task[httpx.Response]:
        several = [("files", (f"{n}.md", b"x")) for n in range(files)]
        return asyncio.create_task(house[who].post("/batches", files=several))

    async def until_waiting(uploads: int) -> None:
        async with asyncio.timeout(60):
            while len(submits._waiting) != uploads or not submits._calling:
                await asyncio.sleep(0.001)

    async def together(*uploads: tuple[str, int]) -> tuple[Sequence[httpx.Response], int]:
        """The answers, and how many transactions all but the first took."""
        with house.ledger.dialect.writer.connect():  # so that the first one has to wait
            going = [post("ann", 1)]
            await until_waiting(0)
            going += [post(*upload) for upload in uploads]
            await until_waiting(len(uploads))
        commits.clear()
        return await asyncio.gather(*going), len(commits) - 1

    listen(house.ledger.dialect.writer, "commit", commits.append)
    told, took = await together(("ann", 2), ("bob", 3), ("adam", 1))
    assert ([answer.status_code for answer in told], took) == ([202] * 4, 1)
    assert [len(answer.json()["tasks"]) for answer in told] == [1, 2, 3, 1]
    told, took = await together(("ann", 2), ("bob", 18), ("adam", 1))
    assert ([answer.status_code for answer in told], took) == ([202, 202, 429, 202], 2)
    assert told[2].json()["detail"] == "3 of your tasks wait already, and 18 came; at most 20 may wait."
    assert len(blobs_of(house)) == 11


async def test_of_uploads_that_share_a_transaction_each_is_there_once_whatever_breaks_after_it(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gathering, "_UNDER_WAY", 1)
    real, may_go_on, sizes = SqlLedger.submit_many, threading.Event(), list[int]()

    def committed_and_cut_off(*args: Any, **more: Any) -> None:
        may_go_on.wait(60)
        sizes.append(len(args[1]))
        real(*args, **more)
        raise OSError("the connection broke")

    monkeypatch.setattr(SqlLedger, "submit_many", committed_and_cut_off)
    submits = house.app.state.house.submits
    going: list[asyncio.Task[httpx.Response]] = []
    for waiting in (0, 1, 2):
        going.append(asyncio.create_task(house["ann"].post("/batches", files={"files": ("a.md", b"x")})))
        async with asyncio.timeout(60):
            while len(submits._waiting) != waiting or not submits._made:
                await asyncio.sleep(0.001)
    may_go_on.set()
    assert [answer.status_code for answer in await asyncio.gather(*going)] == [500] * 3
    assert sizes == [1, 2]
    assert len((await house["ann"].get("/tasks")).json()["items"]) == 3
    assert len(blobs_of(house)) == 3


async def test_an_upload_that_is_given_up_while_it_waits_for_others_keeps_its_batch_and_files(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """Nobody else knows of its files, so it is not broken off."""
    monkeypatch.setattr(gathering, "_UNDER_WAY", 1)
    submits = house.app.state.house.submits
    with house.ledger.dialect.writer.connect():
        going: list[asyncio.Task[httpx.Response]] = []
        for waiting in (0, 1):
            going.append(asyncio.create_task(house["ann"].post("/batches", files={"files": ("a.md", b"x")})))
            async with asyncio.timeout(60):
                while len(submits._waiting) != waiting or not submits._made:
                    await asyncio.sleep(0.001)
        for upload in going:
            upload.cancel()
        await asyncio.sleep(0)
    await asyncio.wait(going, timeout=60)
    assert all(upload.cancelled() for upload in going)
    assert len((await house["ann"].get("/tasks")).json()["items"]) == len(blobs_of(house)) == 2


class Untouched(AsyncIterator[bytes]):
    """A body that must not be read to its end."""

    def __init__(self, first: bytes) -> None:
        self.pieces = [first]

    async def __anext__(self) -> bytes:
        if self.pieces:
            return self.pieces.pop()
        raise AssertionError("the body was read")


async def test_a_full_backlog_is_refused_before_the_body_is_read(house: House):
    await house.upload("ann", *["Fine."] * 20)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await house["ann"].post("/batches", content=Untouched(b"--b\r\n"), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (429, "user_limit_exceeded")
    assert int(answer.headers["retry-after"]) > 0
    assert (await house["bob"].get("/queue")).status_code == 200
    await house.upload("bob", "Fine.")


async def test_a_batch_past_the_backlog_is_refused_whole(house: House):
    await house.upload("ann", *["Fine."] * 15)
    files = [("files", (f"{n}.md", b"Fine.")) for n in range(6)]
    answer = await house["ann"].post("/batches", files=files)
    assert (answer.status_code, answer.json()["code"]) == (429, "user_limit_exceeded")
    assert int(answer.headers["retry-after"]) > 0
    assert len(blobs_of(house)) == 15


class TestAFullSystem:
    """Nobody has a full backlog of their own, all together have."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"system_backlog": 5})

    async def test_it_is_refused_before_the_body_is_read(self, house: House):
        await house.upload("ann", *["Fine."] * 5)
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        for name in ("ann", "bob"):
            answer = await house[name].post("/batches", content=Untouched(b"--b\r\n"), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (429, "system_busy")
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["hint"]
        house.work()
        await house.upload("bob", *["Fine."] * 5)

    async def test_a_batch_past_it_is_refused_whole(self, house: House):
        await house.upload("ann", *["Fine."] * 3)
        files = [("files", (f"{n}.md", b"Fine.")) for n in range(3)]
        answer = await house["bob"].post("/batches", files=files)
        assert (answer.status_code, answer.json()["code"]) == (429, "system_busy")
        assert int(answer.headers["retry-after"]) > 0
        assert len(blobs_of(house)) == 3
        assert (await house["bob"].get("/tasks")).json()["items"] == []
        await house.upload("bob", *["Fine."] * 2)


async def test_files_stay_when_it_is_not_known_whether_the_batch_is_there(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    real = SqlLedger.submit_many

    def committed_and_cut_off(*args: Any, **more: Any) -> None:
        real(*args, **more)
        raise OSError("the connection broke")

    monkeypatch.setattr(SqlLedger, "submit_many", committed_and_cut_off)
    answer = await house["ann"].post("/batches", files={"files": ("a.md", b"Fine.")})
    assert answer.status_code == 500
    (task,) = (await house["ann"].get("/tasks")).json()["items"]
    house.work()
    assert (await house["ann"].get(f"/tasks/{task['id']}")).json()["status"] == "completed"


async def test_an_upload_that_is_given_up_while_its_batch_is_committed_keeps_its_files(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """A server that stops cancels its open requests."""
    real, begun, may_go_on = SqlLedger.submit_many, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(*args: Any, **more: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        may_go_on.wait(60)
        return real(*args, **more)

    monkeypatch.setattr(SqlLedger, "submit_many", slow)
    uploading = asyncio.create_task(house["ann"].post("/batches", files={"files": ("a.md", b"Fine.")}))
    await begun.wait()
    uploading.cancel()
    await asyncio.sleep(0)
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await uploading
    (task,) = (await house["ann"].get("/tasks")).json()["items"]
    house.work()
    assert (await house["ann"].get(f"/tasks/{task['id']}")).json()["status"] == "completed"


async def test_strangers_and_large_uploads_are_refused_before_the_body_is_read(house: House):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await house["nobody"].post("/batches", content=Untouched(b"--b\r\n"), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_needed")
    headers["Content-Length"] = str(6 << 20)
    answer = await house["ann"].post("/batches", content=Untouched(b"--b\r\n"), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_an_endless_upload_is_cut_off_and_leaves_nothing(house: House):
    async def endless() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\n'
        while True:
            yield b"x" * (1 << 18)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await house["ann"].post("/batches", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert blobs_of(house) == []


async def test_an_upload_that_goes_on_and_on_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch):
    """Its first files would be removed before its last one is there: no task names them yet."""
    monkeypatch.setattr(uploads, "_LONGEST_UPLOAD", -1.0)
    answer = await house["ann"].post("/batches", files={"files": ("a.md", b"Fine.")})
    assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")
    assert "several parts" in answer.json()["hint"]
    assert blobs_of(house) == []


async def test_odd_bodies_are_refused_with_a_problem(house: House):
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\nx\r\n--b--\r\n'
    noise = random.Random(1)
    bodies = [noise.randbytes(noise.randint(0, 300)) for _ in range(60)]
    bodies += [part[:at] for at in range(0, len(part) - 4, 7)]
    long = "multipart/form-data; boundary=" + "b" * 300
    for kind in (
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        long,
        "text/plain",
    ):
        for body in bodies:
            answer = await house["ann"].post("/batches", content=body, headers={"Content-Type": kind})
            assert answer.status_code == 422, (kind, body)
            assert answer.json()["code"] in {"invalid_request", "no_files", "unsupported_type"}
    assert blobs_of(house) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("priority", value) for value in ("ten", "10", "-1", "9" * 30, "9" * 4096)),
        *(
            ("run_at", value)
            for value in (
                "soon",
                "2026-99-99",
                "nan",
                "inf",
                "-inf",
                "1e308",
                "1e11",
                "9" * 4096,
                "2027",
                "202701",
                "999999999",
            )
        ),
        *(
            ("run_at", value)
            for value in ("9999-12-31T23:59:59-14:00", "9999-12-31", "20990131", "2099-01-31T08:00:00Z")
        ),
    ],
)
async def test_fields_that_make_no_sense_are_refused(house: House, field: str, value: str):
    answer = await house["ann"].post("/batches", files={"files": ("a.md", b"x")}, data={field: value})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert blobs_of(house) == []


async def test_a_task_for_later_says_when(house: House):
    later = datetime.now(UTC) + timedelta(days=364)
    for run_at in (later.isoformat(), str(later.timestamp())):
        (task,) = (await house.upload("ann", "Fine.", run_at=run_at))["tasks"]
        assert (task["status"], task["run_at"][:19]) == ("queued", later.isoformat()[:19])


@pytest.mark.parametrize("run_at", ["0001-01-01T00:00:00+14:00", "1969-12-31", "2020-01-31T08:00:00Z", "-1e300", "0"])
async def test_a_time_that_has_passed_means_now(house: House, run_at: str):
    (task,) = (await house.upload("ann", "Fine.", run_at=run_at))["tasks"]
    assert task["run_at"] is None
    house.work()
    assert (await house["ann"].get(f"/tasks/{task['id']}")).json()["status"] == "completed"


def test_every_moment_can_be_said():
    assert shapes.moment(0.0) is None
    assert shapes.moment(1_800_000_000.0005) == "2027-01-15T08:00:00.000Z"
    for at in (253402351199.0, 1e308, float("inf")):
        assert shapes.moment(at) == "9999-12-31T23:59:59.000Z"
    for at in (float("nan"), -1.0, float("-inf")):
        assert shapes.moment(at) is None


async def test_cancel_and_retry(house: House):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    path = f"/tasks/{task['id']}"
    assert (await house["ann"].get(f"{path}/report")).status_code == 409
    assert (await house["ann"].post(f"{path}/retry")).status_code == 409
    assert (await house["ann"].post(f"{path}/cancel")).json()["status"] == "cancelled"
    assert (await house["ann"].post(f"{path}/retry")).json()["status"] == "queued"
    house.work()
    assert (await house["ann"].post(f"{path}/cancel")).json()["code"] == "already_ended"


async def test_a_full_last_page_is_the_last(house: House):
    (task, *_) = (await house.upload("ann", TEXT, "Fine.", "Fine.", "Fine."))["tasks"]
    house.work()
    for path, count in (("/tasks", 4), (f"/tasks/{task['id']}/issues", 3)):
        for limit, more in ((count - 1, True), (count, False), (count + 1, False)):
            page = (await house["ann"].get(path, params={"limit": limit})).json()
            assert (len(page["items"]), page["next"] is not None) == (min(limit, count), more)


async def test_tasks_are_paged_and_filtered(house: House):
    await house.upload("ann", *["Fine."] * 5)
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await house["ann"].get("/tasks", params={"limit": 2, "cursor": cursor})).json()
        seen += [task["id"] for task in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert (len(seen), len(set(seen))) == (5, 5)
    assert (await house["ann"].get("/tasks", params={"status": "completed"})).json()["items"] == []
    assert len((await house["ann"].get("/tasks", params={"status": "queued"})).json()["items"]) == 5
    assert (await house["ann"].get("/tasks", params={"status": "odd"})).status_code == 422


OTHERS = {
    ("GET", "/api/v1/batches/{batch}"),
    ("GET", "/api/v1/tasks/{task}"),
    ("POST", "/api/v1/tasks/{task}/cancel"),
    ("POST", "/api/v1/tasks/{task}/retry"),
    ("GET", "/api/v1/tasks/{task}/attempts"),
    ("GET", "/api/v1/tasks/{task}/issues"),
    ("GET", "/api/v1/tasks/{task}/changes"),
    ("GET", "/api/v1/tasks/{task}/report"),
    ("GET", "/api/v1/tasks/{task}/document"),
    ("PATCH", "/api/v1/issues/{issue}"),
    ("PATCH", "/api/v1/schedules/{name}"),
    ("DELETE", "/api/v1/schedules/{name}"),
}
LISTS = {
    ("GET", "/api/v1/usage"),
    ("GET", "/api/v1/usage/accounts"),
    ("GET", "/api/v1/tasks"),
    ("GET", "/api/v1/queue"),
    ("GET", "/api/v1/schedules"),
    ("GET", "/api/v1/dead"),
    ("GET", "/api/v1/dead/causes"),
    ("POST", "/api/v1/dead/replay"),
    ("POST", "/api/v1/dead/discard"),
}
OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
}
OWN = {
    ("GET", "/api/v1/usage/quotas"),
    ("POST", "/api/v1/batches"),
    ("POST", "/api/v1/schedules"),
    ("GET", "/api/v1/session"),
    ("GET", "/api/v1/groups/{group}/words"),
}
ADMINS = {
    ("POST", "/api/v1/queue/pause"),
    ("PUT", "/api/v1/queue/limit"),
    ("PUT", "/api/v1/rollout"),
    ("POST", "/api/v1/users"),
    ("PATCH", "/api/v1/users/{user}"),
    ("POST", "/api/v1/users/{user}/token"),
    ("POST", "/api/v1/users/{user}/revoke"),
    ("PUT", "/api/v1/groups/{group}/words"),
    ("POST", "/api/v1/alerts/silences"),
    ("DELETE", "/api/v1/alerts/silences/{silence}"),
    ("POST", "/api/v1/alerts/{incident}/acknowledge"),
}


LOOKERS = {
    ("GET", "/api/v1/users"),
    ("GET", "/api/v1/users/{user}"),
    ("GET", "/api/v1/rollout"),
    ("GET", "/api/v1/workers"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/errors"),
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/alerts/kinds"),
    ("GET", "/api/v1/alerts/silences"),
    ("GET", "/api/v1/samples"),
    ("GET", "/api/v1/comparisons"),
}
ASKED = {"/api/v1/comparisons": {"a": "database", "b": "inline"}}  # what these calls must be told


async def test_every_call_is_known_to_these_tests(house: House):
    paths = (await house["nobody"].get("http://test/openapi.json")).json()["paths"]
    calls = {(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}
    assert calls == OTHERS | LISTS | OPEN | OWN | ADMINS | LOOKERS


async def test_every_answer_and_every_refusal_is_described(house: House):
    described = (await house["nobody"].get("http://test/openapi.json")).json()
    schemas = described["components"]["schemas"]
    assert {"Task", "Batch", "Submitted", "Issue", "Attempt", "Queue", "User", "Schedule", "Problem"} <= schemas.keys()
    assert described["components"]["securitySchemes"].keys() == {"token", "session"}
    for path, verbs in described["paths"].items():
        for verb, call in verbs.items():
            assert {parameter["name"].lower() for parameter in call.get("parameters", [])} & {"content-length"} == set()
            signed_in = (verb.upper(), path) not in OPEN
            assert ("security" in call, "401" in call["responses"] or not signed_in) == (signed_in, True), (verb, path)
            for status, answer in call["responses"].items():
                content = answer.get("content", {})
                if status.startswith("4"):
                    (schema,) = (content["application/problem+json"]["schema"],)
                    assert schema == {"$ref": "#/components/schemas/Problem"}
                elif status != "204" and "application/json" in content and not path.endswith("/report"):
                    assert "$ref" in content["application/json"]["schema"], (verb, path)
    task = schemas["Task"]["properties"]
    assert task["status"]["enum"] == ["queued", "running", "completed", "failed", "cancelled"]
    assert schemas["Issue"]["properties"]["severity"]["enum"] == ["error", "warning", "info"]


async def test_answers_are_as_they_are_described(house: House):
    """What goes out by the framework is held against its form there; these go out as they are."""
    batch = await house.upload("ann", TEXT)
    house.work()
    path = f"/tasks/{batch['tasks'][0]['id']}"
    refused = await house["ann"].post("/batches", files={"files": ("a.ods", b"PK")})
    for form, content in (
        (answers.Text, (await house["ann"].get(f"{path}/document")).json()),
        (answers.Task, (await house["ann"].get(path)).json()),
        (answers.Submitted, batch),
        (answers.Readiness, (await house["ann"].get("http://test/readyz")).json()),
        (answers.Problem, refused.json()),
        (answers.Problem, (await house["ann"].get("/nowhere")).json()),
    ):
        adapter = TypeAdapter(form)
        assert adapter.dump_python(adapter.validate_python(content), mode="json") == content
        assert set(adapter.json_schema()["required"]) <= content.keys()


async def test_what_is_no_text_and_what_is_no_method_is_refused(house: House):
    headers = {"Content-Type": "application/json"}
    answer = await house["nobody"].post("/session", content=b"\xff\xfe", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    answer = await house["nobody"].put("/session")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, POST")


async def test_a_foreign_id_answers_exactly_as_a_missing_one(house: House):
    batch = await house.upload("ann", TEXT)
    house.work()
    task = batch["tasks"][0]["id"]
    issue = (await house["ann"].get(f"/tasks/{task}/issues")).json()["items"][0]["id"]
    nightly = {"name": "nightly", "cron": "0 3 * * *", "batch": batch["id"]}
    assert (await house["ann"].post("/schedules", json=nightly)).status_code == 201
    real = {"batch": batch["id"], "task": task, "issue": issue, "name": "nightly"}
    missing = {"batch": "0" * 26, "task": "0" * 26, "issue": f"{'0' * 26}-0", "name": "missing"}
    for verb, path in sorted(OTHERS):
        content = ({"paused": True} if "schedules" in path else {"status": "accepted"}) if verb == "PATCH" else None
        answers = [
            await house["bob"].request(verb, f"http://test{path.format(**ids)}", json=content)
            for ids in (real, missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404], (verb, path)
        assert answers[0].content == answers[1].content
        stranger = await house["nobody"].request(verb, f"http://test{path.format(**real)}", json=content)
        assert stranger.status_code == 401
    assert (await house["bob"].get("/tasks")).json()["items"] == []
    assert (await house["bob"].get("/tasks", params={"batch": batch["id"]})).status_code == 404
    assert [lane["name"] for lane in (await house["bob"].get("/queue")).json()["users"]] == ["bob"]


async def test_the_queue_shows_who_has_most_waiting_and_counts_everybody(house: House):
    for name, count in (("ann", 1), ("bob", 2), ("adam", 3)):
        await house.upload(name, *["Fine."] * count)
    found = (await house["adam"].get("/queue", params={"limit": 2})).json()
    assert [(user["name"], user["queued"]) for user in found["users"]] == [("bob", 2), ("adam", 3)]
    assert (found["busy_users"], found["queued"], found["engines"][0]["queued"]) == (3, 6, 6)
    own = (await house["ann"].get("/queue")).json()
    assert ([user["name"] for user in own["users"]], own["busy_users"], own["queued"]) == (["ann"], 1, 1)
    for limit in ("0", "1001", "many"):
        refused = await house["ann"].get("/queue", params={"limit": limit})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    more = [new_batch(f"b{user}", user, 1) for user in range(100, 200)]
    house.ledger.submit_many(more)
    found = (await house["adam"].get("/queue")).json()
    assert (len(found["users"]), found["busy_users"], found["queued"]) == (100, 103, 106)
    page = await house["adam"].get("http://test/queue/now")
    assert "Users with less waiting: 3" in page.text
    assert page.text.count("<tr><td>bob</td>") == 1
    assert "Users with less waiting" not in (await house["ann"].get("http://test/queue/now")).text


async def test_a_viewer_looks_at_the_queue_and_at_its_own_documents_and_changes_nothing(house: House):
    """Its tasks are from when it was a user."""
    vera = house.desk.accounts.user("vera")
    house.desk.accounts.change_user(None, vera, role=Role.USER)
    own = (await house.upload("vera", TEXT))["tasks"][0]["id"]
    house.desk.accounts.change_user(None, vera, role=Role.VIEWER)
    batch = await house.upload("ann", TEXT, TEXT)
    other = batch["tasks"][0]["id"]
    found = (await house["vera"].get("/queue")).json()
    assert ([lane["name"] for lane in found["users"]], found["busy_users"], found["queued"]) == (["ann", "vera"], 2, 3)
    own_only = (await house["bob"].get("/queue")).json()
    assert ([lane["name"] for lane in own_only["users"]], own_only["queued"]) == (["bob"], 0)
    page = (await house["vera"].get("http://test/queue/now")).text
    assert ("<td>vera" in page, "<td>ann" in page) == (True, True)
    assert [task["id"] for task in (await house["vera"].get("/tasks")).json()["items"]] == [own]
    for path in (f"/tasks/{own}", f"/tasks/{own}/attempts"):
        assert (await house["vera"].get(path)).status_code == 200, path
    for path in (
        *(f"/tasks/{other}{part}" for part in ("", "/attempts", "/issues", "/report", "/document")),
        f"/batches/{batch['id']}",
        f"/tasks?batch={batch['id']}",
    ):
        assert (await house["vera"].get(path)).status_code == 404, path
    for act in ("cancel", "retry"):
        assert (await house["vera"].post(f"/tasks/{own}/{act}")).status_code == 403
        assert (await house["vera"].post(f"/tasks/{other}/{act}")).status_code == 404
    assert (await house["vera"].post("/batches", files={"files": ("a.md", b"x")})).status_code == 403


async def test_an_admin_runs_everybodys_tasks_and_reads_nobodys_documents(house: House):
    batch = await house.upload("ann", TEXT)
    task = batch["tasks"][0]["id"]
    assert (await house["adam"].post(f"/tasks/{task}/cancel")).json()["status"] == "cancelled"
    assert (await house["adam"].post(f"/tasks/{task}/retry")).json()["status"] == "queued"
    house.work()
    for path in (f"/tasks/{task}", f"/tasks/{task}/attempts", f"/batches/{batch['id']}", f"/tasks?batch={batch['id']}"):
        assert (await house["adam"].get(path)).status_code == 200, path
    issue = (await house["ann"].get(f"/tasks/{task}/issues")).json()["items"][0]["id"]
    for path in (f"/tasks/{task}/document", f"/tasks/{task}/issues", f"/tasks/{task}/changes", f"/tasks/{task}/report"):
        answer = await house["adam"].get(path)
        assert answer.content == (await house["adam"].get(path.replace(task, "missing"))).content, path
        assert answer.status_code == 404
    assert (await house["adam"].patch(f"/issues/{issue}", json={"status": "accepted"})).status_code == 404
    assert (await house["adam"].get("/tasks")).json()["items"] == []


async def test_the_last_admin_stays_one(house: House):
    adam = house.desk.accounts.user("adam")
    refused = await house["adam"].patch(f"/users/{adam.id}", json={"role": "user", "limit": 3})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    assert (await house["adam"].get(f"/users/{adam.id}")).json()["limit"] == 50
    house.desk.accounts.change_user(None, house.desk.accounts.user("bob"), role=Role.ADMIN)
    assert (await house["adam"].patch(f"/users/{adam.id}", json={"role": "user"})).status_code == 200


async def test_what_admins_change_is_written_down(house: House):
    made = (await house["adam"].post("/users", json={"name": "zoe"})).json()
    await house["adam"].patch(f"/users/{made['id']}", json={"limit": 5})
    await house["adam"].post(f"/users/{made['id']}/revoke")
    await house["adam"].post("/queue/pause", json={"engine": "inline", "paused": True})
    await house["adam"].put("/queue/limit", json={"max_running": 7})
    adam = house.desk.accounts.user("adam").id
    rows = house.ledger.read(lambda c: c.execute(select(audit.c.what).where(audit.c.user_id == adam)).scalars().all())
    assert sorted(rows) == [
        "engine paused",
        "limit changed",
        "token made",
        "tokens revoked",
        "user added",
        "user changed",
    ]


async def test_pausing_needs_no_words(house: House):
    async def paused(**body: Any) -> set[str]:
        answer = await house["adam"].post("/queue/pause", **body)
        assert answer.status_code == 200, answer.text
        return {engine["name"] for engine in answer.json()["engines"] if engine["paused"]}

    assert await paused() == {"database"}
    assert await paused(json={"engine": "inline"}) == {"database", "inline"}
    assert await paused(json={"paused": False}) == {"inline"}
    assert await paused(json={}) == {"database", "inline"}
    for wrong in ([], 0, False, "", {"engine": "nope"}, {"engines": "inline"}):
        refused = await house["adam"].post("/queue/pause", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), wrong


async def test_what_admins_do_to_tasks_is_written_down_once_and_nobody_elses_acts(house: House):
    one, two = [(await house.upload(who, "Fine."))["tasks"][0]["id"] for who in ("ann", "bob")]
    for _ in range(2):
        assert (await house["adam"].post(f"/tasks/{one}/cancel")).status_code == 200
    assert (await house["adam"].post(f"/tasks/{one}/retry")).status_code == 200
    assert (await house["adam"].post(f"/tasks/{one}/retry")).status_code == 409
    for act in ("cancel", "retry"):
        assert (await house["bob"].post(f"/tasks/{two}/{act}")).status_code == 200
    rows = house.ledger.read(lambda c: c.execute(select(audit).where(audit.c.what.like("task %"))).all())
    adam = house.desk.accounts.user("adam").id
    assert sorted((row.user_id, row.what, json.loads(row.details)["task"]) for row in rows) == [
        (adam, "task cancelled", one),
        (adam, "task replayed", one),
    ]


async def test_the_whole_systems_limit_changes_while_it_runs(house: House):
    usual = (await house["ann"].get("/queue")).json()
    assert (usual["limit"], usual["default_limit"]) == (100, 100)
    changed = (await house["adam"].put("/queue/limit", json={"max_running": 1})).json()
    assert (changed["limit"], changed["default_limit"]) == (1, 100)
    assert house.ledger.register(WorkerId("w"), "database", "host", 1, 10) == 1
    for wrong in (0, -1, 1.5, "7", True, 1_000_001, 1e300):
        refused = await house["adam"].put("/queue/limit", json={"max_running": wrong})
        assert refused.status_code == 422, wrong
    assert (await house["adam"].put("/queue/limit", json={})).status_code == 422
    assert (await house["ann"].get("/queue")).json()["limit"] == 1
    assert (await house["adam"].put("/queue/limit", json={"max_running": None})).json()["limit"] == 100


async def test_only_admins_do_what_admins_do(house: House):
    for verb, path in sorted(ADMINS):
        for name, status in (("ann", 403), ("vera", 403), ("nobody", 401)):
            answer = await house[name].request(
                verb, f"http://test{path.format(user=1, group='x', silence=1, incident=1)}", json={"name": "x"}
            )
            assert answer.status_code == status, (verb, path, name)


async def test_admins_and_viewers_look_at_what_operators_look_at(house: House):
    for verb, path in sorted(LOOKERS):
        for name, status in (("adam", 200), ("vera", 200), ("ann", 403), ("nobody", 401)):
            asked = ASKED.get(path)
            answer = await house[name].request(verb, f"http://test{path.format(user=1)}", params=asked)
            assert answer.status_code == status, (path, name)


async def test_an_admin_adds_changes_and_revokes_users(house: House):
    made = (await house["adam"].post("/users", json={"name": "zoe", "limit": 3})).json()
    assert (made["name"], made["role"], made["limit"]) == ("zoe", "user", 3)
    own = {"Authorization": f"Bearer {made['token']}"}
    assert (await house["nobody"].get("/session", headers=own)).json()["name"] == "zoe"
    changes = {"limit": 5, "weight": 2.0, "engine": "inline", "force": True}
    changed = await house["adam"].patch(f"/users/{made['id']}", json=changes)
    assert (changed.json()["limit"], changed.json()["weight"], changed.json()["engine"]) == (5, 2.0, "inline")
    assert (await house["adam"].patch(f"/users/{made['id']}", json={"weight": 0})).status_code == 422
    nothing = await house["adam"].patch(f"/users/{made['id']}", json={})
    assert (nothing.status_code, "Nothing of zoe was named" in nothing.json()["detail"]) == (422, True)
    written = (await house["adam"].get("/audit?what=user changed")).json()["items"]
    assert [one["details"]["name"] for one in written] == ["zoe"]
    assert (await house["adam"].post("/users", json={"name": "zoe"})).status_code == 409
    assert (await house["adam"].post(f"/users/{made['id']}/revoke")).json() == {"revoked": 1}
    assert (await house["nobody"].get("/session", headers=own)).status_code == 401


async def test_another_role_brings_its_usual_limit_unless_it_was_set_otherwise(house: House):
    async def limit_after(**change: object) -> int:
        return (await house["adam"].patch(f"/users/{zoe}", json=change)).json()["limit"]

    made = (await house["adam"].post("/users", json={"name": "zoe"})).json()
    zoe = made["id"]
    assert made["limit"] == 10
    assert await limit_after(role="admin") == 50
    assert await limit_after(role="admin") == 50
    assert await limit_after(role="viewer") == 10
    assert await limit_after(role="user") == 10
    assert await limit_after(role="admin", limit=7) == 7
    assert await limit_after(role="user") == 7
    assert (await house["adam"].post("/users", json={"name": "ada", "role": "admin"})).json()["limit"] == 50
    rows = house.ledger.read(lambda c: c.execute(select(audit.c.details).where(audit.c.what == "user changed")).all())
    assert {json.loads(row.details)["limit"] for row in rows[:2]} == {50}


@pytest.mark.parametrize(
    "terms",
    [
        *(f'{{"limit": {limit}}}' for limit in (0, -1, 10**30, "1.5")),
        *(f'{{"weight": {weight}}}' for weight in (0, -1, "NaN", "1e999")),
    ],
)
async def test_terms_that_make_no_sense_are_refused(house: House, terms: str):
    ann = house.desk.accounts.user("ann").id
    before = (await house["adam"].get(f"/users/{ann}")).json()
    headers = {"Content-Type": "application/json"}
    answer = await house["adam"].patch(f"/users/{ann}", content=terms, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert (await house["adam"].get(f"/users/{ann}")).json() == before


async def test_a_session_of_the_page_is_no_use_to_another_site(house: House):
    page = house["nobody"]
    assert (await page.post("/session", json={"token": "wrong"})).json()["code"] == "unknown_token"
    answer = await page.post("/session", json={"token": house.tokens["ann"]})
    assert answer.json()["name"] == "ann"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await page.get("/session")).json()["name"] == "ann"
    files = {"files": ("a.md", b"x")}
    for origin in ("http://evil.example", "http://[", "null", "", "http://test.evil.example"):
        assert (await page.post("/batches", files=files, headers={"Origin": origin})).status_code == 403
    assert (await page.post("/batches", files=files, headers={"Origin": "http://test"})).status_code == 202
    page.cookies.set(COOKIE, answer.cookies[COOKIE][:-2] + "xx")
    house.desk.accounts.revoke(None, house.desk.accounts.user("ann"))
    assert (await page.get("/session")).status_code == 401


@pytest.mark.parametrize("authorization", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer  ", "Negotiate x", ""])
async def test_a_header_that_signs_nobody_in_does_not_open_a_session_to_other_sites(house: House, authorization: str):
    page = house["nobody"]
    await page.post("/session", json={"token": house.tokens["ann"]})
    headers = {"Authorization": authorization, "Origin": "http://evil.example"}
    answer = await page.post("/batches", files={"files": ("a.md", b"x")}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert (await page.delete("/session", headers=headers)).status_code == 403
    headers["Origin"] = "http://test"
    assert (await page.post("/batches", files={"files": ("a.md", b"x")}, headers=headers)).status_code == 202
    headers |= {"Authorization": f"Bearer {house.tokens['bob']}", "Origin": "http://evil.example"}
    assert (await page.post("/batches", files={"files": ("a.md", b"x")}, headers=headers)).status_code == 202


async def test_signing_out_ends_this_session_and_no_other(house: House):
    page, cookies = house["nobody"], []
    for _ in range(2):
        answer = await page.post("/session", json={"token": house.tokens["ann"]})
        cookies.append({"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"})
        page.cookies.clear()
    assert (await page.delete("/session", headers=cookies[0])).status_code == 204
    assert (await page.get("/session", headers=cookies[0])).status_code == 401
    assert (await page.get("/session", headers=cookies[1])).json()["name"] == "ann"
    assert (await house["ann"].delete("/session")).status_code == 204
    assert (await house["ann"].get("/session")).json()["name"] == "ann"
    assert (await house["adam"].post(f"/users/{house.desk.accounts.user('ann').id}/revoke")).json() == {"revoked": 1}
    assert (await page.get("/session", headers=cookies[1])).status_code == 401


async def test_a_session_ends_with_its_token_and_is_none(house: House):
    token = house.desk.accounts.of_token(house.tokens["ann"])
    assert token is not None
    account, digest = token
    session = house.desk.accounts.begin_session(account, digest)
    assert house.desk.accounts.of_session(session) == account
    assert house.desk.accounts.of_session(digest) is None
    house.ledger.write(lambda c: c.execute(update(tokens).where(tokens.c.hash == digest).values(revoked_at=1.0)))
    assert house.desk.accounts.of_session(session) is None


async def test_old_sessions_are_forgotten(house: House):
    token = house.desk.accounts.of_token(house.tokens["ann"])
    assert token is not None
    for at in (0.0, 1_000.0, 50_000.0):
        house.ledger.write(lambda c, at=at: accounts.begin_session(c, token[0].id, token[1], at, 3_600))
    counted = select(tokens).where(tokens.c.user_id == token[0].id)
    assert len(house.ledger.read(lambda c: c.execute(counted).all())) == 2  # the token, and the newest


@pytest.mark.parametrize("goal", ["/tasks/01abc", "/queue"])
async def test_after_signing_in_one_is_where_one_was_going(house: House, goal: str):
    page = house["nobody"]
    first = await page.get(f"http://test{goal}")
    assert (first.status_code, first.headers["location"]) == (303, f"/sign-in?next={goal}")
    assert (await page.get(f"http://test{first.headers['location']}")).status_code == 200
    await page.post("/session", json={"token": house.tokens["ann"]})
    onward = await page.get(f"http://test{first.headers['location']}")
    assert (onward.status_code, onward.headers["location"]) == (303, goal)
    assert (await page.get(f"http://test{goal}")).status_code == 200


async def test_a_link_is_given_until_an_admin_can_sign_in(house: House):
    assert house.desk.accounts.first_sign_in() is None  # adam holds a token
    house.desk.accounts.revoke(None, house.desk.accounts.user("adam"))
    house.ledger.write(lambda c: accounts.new_link(c, house.desk.accounts.user("bob").id, house.desk.clock.now(), 60))
    first, second, other = (
        house.desk.accounts.first_sign_in() for _ in range(3)
    )  # services that start one after the other
    for path, works in ((second, True), (second, False), (first, False), (other, False)):
        answer = await house["nobody"].get(f"http://test{path}")
        assert (answer.status_code == 303) == works
        house["nobody"].cookies.clear()
    assert house.desk.accounts.first_sign_in() is None
    assert [account.name for account in house.desk.accounts.users()] == ["ann", "bob", "vera", "adam"]


async def test_only_a_get_spends_a_link_and_a_void_one_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch):
    house.desk.accounts.revoke(None, house.desk.accounts.user("adam"))
    link = f"http://test{house.desk.accounts.first_sign_in()}"
    assert (await house["nobody"].head(link)).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(SqlLedger, "write", None)
        guessed = await house["nobody"].get("http://test/sign-in", params={"once": "guessed"})
    assert (guessed.status_code, "was used before" in guessed.text) == (200, True)
    assert (await house["nobody"].get(link)).status_code == 303


async def test_the_first_admin_is_made_where_there_is_none(house: House):
    house.ledger.write(lambda c: accounts.change(c, house.desk.accounts.user("adam").id, Role.USER, None))
    path = house.desk.accounts.first_sign_in()
    assert (await house["nobody"].get(f"http://test{path}")).status_code == 303
    assert (await house["nobody"].get("/session")).json()["name"] == "admin"


async def test_links_that_are_too_old_are_void_and_forgotten(house: House, monkeypatch: pytest.MonkeyPatch):
    def links() -> int:
        held = select(func.count()).where(tokens.c.once_until > 0)
        return house.ledger.read(lambda c: c.execute(held).scalar_one())

    house.desk.accounts.revoke(None, house.desk.accounts.user("adam"))
    old = house.desk.accounts.first_sign_in()
    now = house.desk.clock.now()
    monkeypatch.setattr(type(house.desk.clock), "now", lambda _: now + 3_601)
    assert (await house["nobody"].get(f"http://test{old}")).status_code == 200
    fresh = house.desk.accounts.first_sign_in()
    assert links() == 1
    assert (await house["nobody"].get(f"http://test{fresh}")).status_code == 303
    assert links() == 0


@pytest.mark.parametrize("by", ["token", "link"])
async def test_a_session_that_took_two_tries_to_begin_is_the_one_that_was_written(
    house: House, monkeypatch: pytest.MonkeyPatch, by: str
):
    adam = house.desk.accounts.user("adam")
    once = house.ledger.write(lambda c: accounts.new_link(c, adam.id, house.desk.clock.now(), 60))
    begun: list[object] = []
    write = SqlLedger.write

    def lose_the_connection_once(ledger: SqlLedger, work: Callable[[Connection], object]) -> object:
        def tried(connection: Connection) -> object:
            begun.append(work(connection))
            if len(begun) == 1:
                raise OperationalError("", None, Exception("gone"), connection_invalidated=True)
            return begun[-1]

        return write(ledger, tried)

    monkeypatch.setattr(SqlLedger, "write", lose_the_connection_once)
    if by == "token":
        await house["nobody"].post("/session", json={"token": house.tokens["adam"]})
    else:
        await house["nobody"].get("http://test/sign-in", params={"once": once})
    assert len(begun) == 2
    assert (await house["nobody"].get("/session")).json()["name"] == "adam"


async def test_the_first_link_signs_in_once(house: House):
    made: list[str] = []
    adam = house.desk.accounts.user("adam")
    house.ledger.write(lambda c: made.append(accounts.new_link(c, adam.id, house.desk.clock.now(), 60)))
    first = await house["nobody"].get("http://test/sign-in", params={"once": made[0]})
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert (await house["nobody"].get("/session")).json()["name"] == "adam"
    house["nobody"].cookies.clear()
    again = await house["nobody"].get("http://test/sign-in", params={"once": made[0]})
    assert again.status_code == 200
    assert (await house["nobody"].get("/session")).status_code == 401
    assert (await house["nobody"].get("/session", headers={"Authorization": f"Bearer {made[0]}"})).status_code == 401


async def test_errors_are_problem_documents(house: House):
    for answer in (
        await house["ann"].get("/nowhere"),
        await house["ann"].get("/tasks", params={"limit": "many"}),
        await house["ann"].put("/tasks"),
        await house["nobody"].get("/tasks"),
    ):
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "code", "detail", "hint"} <= answer.json().keys()
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, str(2**63), "-1", "１２", "٣", "1e3", "%00"])
async def test_numbers_that_no_database_holds_are_refused(house: House, number: str):
    (task,) = (await house.upload("ann", TEXT))["tasks"]
    asked = [("GET", f"{path}?cursor={number}", None) for path in (f"/tasks/{task['id']}/issues", "/users")]
    asked += [(verb, f"/users/{number}{rest}", {}) for verb, rest in (("GET", ""), ("PATCH", ""))]
    asked += [("POST", f"/users/{number}{rest}", None) for rest in ("/token", "/revoke")]
    for verb, path, content in asked:
        answer = await house["adam"].request(verb, path, json=content)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (verb, path)
    for cursor in ("9" * 9, "0"):
        assert (await house["ann"].get(f"/tasks/{task['id']}/issues", params={"cursor": cursor})).status_code == 200
        assert (await house["adam"].get("/users", params={"cursor": cursor})).status_code == 200
    assert (await house["adam"].get(f"/users/{2**63 - 1}")).status_code == 404


async def test_large_bodies_are_for_uploads_only(house: House):
    large = b'{"token": "' + b"x" * (2 << 20) + b'"}'

    async def piecemeal() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * (1 << 16)

    assert (await house["nobody"].post("/session", content=large)).status_code == 413
    headers = {"Content-Type": "application/json"}
    for path in ("/session", "/tasks/x/cancel", "/nowhere"):
        answer = await house["nobody"].post(path, content=piecemeal(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    for length in ("1" * 5000, "-1", "x"):
        headers["Content-Length"] = length
        answer = await house["nobody"].post("/session", content=b"{}", headers=headers)
        assert answer.status_code == 413


async def test_a_part_with_an_endless_header_is_refused(house: House):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + b"x" * 100_000 + b'"\r\n\r\nx\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await house["ann"].post("/batches", content=body, headers=headers)).status_code == 422


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example", "/\\evil.example", "/\t/evil.example", "http://evil.example", "/a//b",
        "//evil.example?x=/tasks", "?next=//evil.example", "/#//evil.example",
    ],
)  # fmt: skip
async def test_a_choice_of_language_and_a_sign_in_lead_to_no_other_site(house: House, back: str):
    answer = await house["nobody"].get("http://test/language/zh", params={"back": back})
    assert answer.headers["location"] == "/"
    for kept, to in (
        ("/tasks/01abc", "/tasks/01abc"),
        ("/admin/tasks?status=failed&lang=en&user=7", "/admin/tasks?status=failed&user=7"),
        ("/?a=//evil.example#b\r\nLocation: x", "/?a=%2F%2Fevil.example%23b%0D%0ALocation%3A+x"),
    ):
        good = await house["nobody"].get("http://test/language/zh", params={"back": kept})
        assert good.headers["location"] == to
    await house["nobody"].post("/session", json={"token": house.tokens["ann"]})
    assert (await house["nobody"].get("http://test/sign-in", params={"next": back})).headers["location"] == "/"


async def test_figures_are_for_admins_and_for_this_machine(house: House):
    await house.upload("ann", "Fine.", "Fine.")
    parsed = {
        sample.name: sample.value
        for family in text_string_to_metric_families((await house["adam"].get("http://test/metrics")).text)
        for sample in family.samples
    }
    assert (parsed["paperlane_queued"], parsed["paperlane_counter_repairs_total"]) == (2, 0)
    for host, status in (
        *((host, 200) for host in ("127.0.0.1:8400", "[::1]:8400", "localhost:8400", "LOCALHOST", "127.0.0.1")),
        *((host, 403) for host in ("papers.example", "papers.example:443", "10.0.0.7", "[", "127.0.0.1.example", "")),
    ):  # the test's client is on this machine
        asked = await house["nobody"].get("http://test/metrics", headers={"Host": host})
        assert asked.status_code == status, host
    for header in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Via"):
        asked = await house["nobody"].get("http://test/metrics", headers={"Host": "localhost", header: "192.0.2.1"})
        assert asked.status_code == 403, header
    proxied = {"Host": "localhost", "X-Forwarded-For": "192.0.2.1"}
    assert (await house["nobody"].get("http://test/metrics", headers=proxied)).status_code == 403
    assert (await house["ann"].get("http://test/metrics", headers=proxied)).status_code == 403
    for looks in ("adam", "vera"):
        assert (await house[looks].get("http://test/metrics", headers=proxied)).status_code == 200


async def test_counters_that_were_put_right_anywhere_are_a_figure(house: House):
    await house.upload("ann", "Fine.")
    other = SqlLedger(connect(house.settings.database))  # as a worker's process has one
    other.write(lambda c: c.exec_driver_sql("UPDATE lanes SET ready = ready + 1"))
    assert other.recover().drifted == 4
    other.close()
    for _ in range(2):
        families = {
            family.name: family
            for family in text_string_to_metric_families((await house["adam"].get("http://test/metrics")).text)
        }
        repairs = families["paperlane_counter_repairs"]
        assert (repairs.type, repairs.samples[0].value) == ("counter", 4)


async def test_a_line_of_the_log_names_the_route_and_nothing_that_was_asked_for(house: House):
    for path, route in (
        ("/tasks/tasks", "/api/v1/tasks/{task}"),  # as a part of the path itself
        ("/tasks/api", "/api/v1/tasks/{task}"),
        ("http://test/admin/users/1", "/admin/users/{user}"),
        ("http://test/words/a/b", "/words/{group}"),
        ("/nowhere", ""),
    ):
        with capture_logs() as logs:
            await house["adam"].get(path)
        assert [line["route"] for line in logs if line["event"] == "answered"] == [route], path


async def test_it_is_ready_while_the_database_answers_and_a_worker_lives(house: House, monkeypatch: pytest.MonkeyPatch):
    async def ready() -> tuple[int, dict]:
        answer = await house["nobody"].get("http://test/readyz")
        assert (answer.status_code == 503) == (int(answer.headers.get("retry-after", 0)) > 0)
        return answer.status_code, answer.json()

    assert (await house["nobody"].get("http://test/healthz")).json() == {"status": "ok"}
    assert await ready() == (503, {"status": "unready", "database": "ok", "workers": 0})
    house.ledger.register(WorkerId("one"), "inline", "host", 1, 1)
    assert await ready() == (200, {"status": "ok", "database": "ok", "workers": 1})

    def broken(_self: SqlLedger) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(SqlLedger, "members", broken)
    assert await ready() == (503, {"status": "unready", "database": "OSError", "workers": 0})


async def test_accounts_are_listed_by_one_question(house: House):
    questions: list[str] = []
    listen(house.ledger.dialect.reader, "before_cursor_execute", lambda *given: questions.append(given[2]))
    few = (await house["adam"].get("/users")).json()["items"]
    asked, count = list(questions), len(questions)
    for number in range(10):
        house.desk.accounts.add_user(None, f"user{number}", Role.USER, "", 3, None)
    questions.clear()
    many = (await house["adam"].get("/users")).json()["items"]
    assert len(questions) == count, asked
    assert (len(few), len(many)) == (4, 14)
    assert (many[-1]["limit"], many[-1]["weight"], many[-1]["engine"], many[-1]["paused"]) == (
        3,
        1.0,
        "database",
        False,
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_accounts_are_paged(house: House, limit: int):
    pages: list[list[str]] = []
    cursor = ""
    while cursor is not None:
        page = (await house["adam"].get("/users", params={"limit": limit, "cursor": cursor})).json()
        pages.append([account["name"] for account in page["items"]])
        cursor = page["next"]
    names = ["ann", "bob", "vera", "adam"]
    assert pages == [names[at : at + limit] for at in range(0, len(names), limit)]


async def test_a_page_of_accounts_is_bounded(house: House):
    for limit in ("0", "1001", "many"):
        refused = await house["adam"].get("/users", params={"limit": limit})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    for number in range(100):
        house.desk.accounts.add_user(None, f"user{number}", Role.USER, "", None, None)
    page = (await house["adam"].get("/users")).json()
    assert (len(page["items"]), page["next"]) == (100, str(page["items"][-1]["id"]))


def test_names_of_files_are_bare():
    assert clean_name("../../etc/passwd") == "passwd"
    assert clean_name("C:\\docs\\a.md") == "a.md"
    assert clean_name("\x00\n") == "unnamed"
    assert len(clean_name("x" * 1000 + ".md")) == 255
    assert clean_name("说明.md") == "说明.md"
