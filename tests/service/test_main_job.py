"""What people do with the service works on each kind of database: by HTTP, by command, by the page's sign-in."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.conftest import EVERY_KIND, Service
from tests.service.test_service import ended, frames, upload
from typer.testing import CliRunner

from paperlane.assembly import record_documents
from paperlane.cli import app
from paperlane.hosting import open_ledger
from paperlane.model.tasks import BatchId, Ended, Failed, Fault, NewBatch, NewTask, TaskId, UserId, WorkerId

UPLOAD = b'{"name": "a.md", "media_type": "text/markdown", "bytes": 1, "sha256": "", "blob": "ab"}'
VAGUE = "# One\n\nThe system shall be fast.\n\nTBD. 系统应当快速响应。🚀\n"


@EVERY_KIND
def test_the_main_job(new_service: Callable[..., Service]):
    service = new_service(workers=1, sandboxes=0, bare=True)
    for pid in service.workers():
        assert b"://" not in Path(f"/proc/{pid}/cmdline").read_bytes()  # which everybody on the machine can read
    command = (sys.executable, "-m", "paperlane", "user", "add", "adam", "--role", "admin", "--json")
    environment = {**os.environ, **service.environment}
    made = subprocess.run([*command, "--data", service.data], check=True, stdout=subprocess.PIPE, env=environment)
    ann, adam = service.user("ann"), service.client(json.loads(made.stdout)["token"])
    batch = upload(ann, VAGUE, "Fine.")
    assert frames(ann, f"batch={batch['id']}")[-1]["status"] == "completed"
    task, other = (one["id"] for one in batch["tasks"])
    assert {one["status"] for one in ended(ann, batch)} == {"completed"}
    assert ann.get(f"batches/{batch['id']}").json()["percent"] == 100.0
    assert [step["outcome"] for step in ann.get(f"tasks/{task}/attempts").json()["items"]] == ["completed"]

    page = ann.get(f"tasks/{task}/issues", params={"limit": 1}).json()
    more = ann.get(f"tasks/{task}/issues", params={"cursor": page["next"]}).json()
    issues = [*page["items"], *more["items"]]
    text = ann.get(f"tasks/{task}/document").json()["text"]
    assert {"vague-term", "open-point"} & {issue["rule"] for issue in issues}
    assert all(text[i["location"]["start"] : i["location"]["end"]] == i["quote"] for i in issues)
    reviewed = ann.patch(f"issues/{issues[0]['id']}", json={"status": "dismissed", "comment": "说好的 🚀"})
    assert (reviewed.json()["status"], reviewed.json()["comment"]) == ("dismissed", "说好的 🚀")
    for form in ("html", "json", "text"):
        assert ann.get(f"tasks/{task}/report", params={"format": form}).status_code == 200

    files = {"files": ("a.md", b"Fine.")}
    same = [ann.post("batches", files=files, headers={"Idempotency-Key": "k"}).json()["id"] for _ in range(2)]
    assert same[0] == same[1]
    assert ann.post(f"tasks/{other}/retry").json()["code"] == "not_failed"
    assert service.user("bob").get(f"tasks/{task}").status_code == 404
    assert adam.post("users", json={"name": "ann"}).json()["code"] == "name_taken"

    later = ann.post("batches", files=files, data={"run_at": "2999-01-01T00:00:00Z"})
    assert later.status_code == 422
    assert adam.post("queue/pause", json={"paused": True}).status_code == 200
    waiting_batch = upload(ann, "Fine.")
    waiting = waiting_batch["tasks"][0]["id"]
    assert ann.post(f"tasks/{waiting}/cancel").json()["status"] == "cancelled"
    assert adam.put("queue/limit", json={"max_running": 3}).json()["limit"] == 3
    assert adam.post("queue/pause", json={"paused": False}).status_code == 200
    assert ann.post(f"tasks/{waiting}/retry").json()["status"] == "queued"
    assert ended(ann, {"id": waiting_batch["id"]})[0]["status"] == "completed"

    a_document_fails_for_good(ann, adam)
    documents_are_tested_by_the_clock(ann, adam, batch)

    signing_in = httpx.Client(base_url=ann.base_url)
    token = ann.headers["Authorization"].split()[1]
    assert signing_in.post("session", json={"token": token}).json()["name"] == "ann"
    assert httpx.get(f"{service.url}/readyz").json()["status"] == "ok"
    signing_in.close()


def a_document_fails_for_good(ann: httpx.Client, adam: httpx.Client) -> None:
    """It is listed, started again, and discarded."""
    broken = ann.post("batches", files={"files": ("cut off.docx", b"PK\x03\x04")}).json()
    letter = broken["tasks"][0]["id"]
    for tries in (1, 2):
        assert [one["error"]["code"] for one in ended(ann, broken)] == ["damaged_file"]
        (dead,) = ann.get("dead", params={"code": "damaged_file"}).json()["items"]
        assert (dead["id"], dead["document"], dead["attempts"]) == (letter, "cut off.docx", tries)
        if tries == 1:
            assert ann.post("dead/replay", json={"all": True}).json()["replayed"] == 1
    assert adam.post("dead/discard", json={"ids": [letter]}).json() == {"discarded": 1, "left": [], "next": None}
    assert ann.get("dead").json()["items"] == ann.get("dead/causes").json()["items"] == []
    assert ann.get(f"tasks/{letter}").json()["status"] == "failed"


def documents_are_tested_by_the_clock(ann: httpx.Client, adam: httpx.Client, batch: dict[str, Any]) -> None:
    """A schedule is made, listed and removed."""
    nightly = {"name": "nightly", "cron": "0 3 * * *", "timezone": "Asia/Shanghai", "batch": batch["id"]}
    assert ann.post("schedules", json=nightly).status_code == 201
    (schedule,) = ann.get("schedules").json()["items"]
    assert (schedule["name"], schedule["documents"], schedule["next_at"][11:19]) == ("nightly", 2, "19:00:00")
    assert adam.delete("schedules/nightly").status_code == 404
    assert ann.delete("schedules/nightly").status_code == 204
    assert ann.get("schedules").json()["items"] == []


@EVERY_KIND
def test_every_command_knows_the_database(
    kind: str, new_database: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "umask", lambda _mask: 0)
    at = ("--data", str(tmp_path), "--database", new_database())

    def shown(*arguments: str) -> Any:
        done = CliRunner().invoke(app, [*arguments, *at, "--json"])
        assert (done.exit_code, done.exception) == (0, None), done.output
        return json.loads(done.stdout)

    def paperlane(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, *at])
        assert (done.exit_code, done.exception) == (0, None), done.output
        return done.stdout

    assert "already" in paperlane("migrate")
    ann = UserId(shown("user", "add", "ann")["id"])
    ledger = open_ledger(at[-1])
    ledger.submit(NewBatch(BatchId("a"), ann, [NewTask(TaskId("t0"), UPLOAD)]))
    ledger.register(WorkerId("w"), "database", "here", 1, 1)
    (lease,) = ledger.step("database", WorkerId("w"), [], 1)
    ledger.finish(WorkerId("w"), [Ended(lease, Failed(Fault("damaged_file", "It is damaged.")))])
    ledger.leave(WorkerId("w"))
    batch = NewBatch(BatchId("b"), ann, [NewTask(TaskId(name), UPLOAD) for name in ("t1", "t2")])
    ledger.submit(batch, lambda connection: record_documents(connection, batch, 0.0))
    ledger.close()
    assert shown("queue")["queued"] == 2
    assert shown("queue", "limit", "5") == {"limit": 5, "default_limit": 100}
    assert paperlane("queue", "cancel", "t1").startswith("t1 is cancelled")
    assert paperlane("queue", "retry", "t1") == "1 task is queued again.\n"
    assert [(row["id"], row["user"], row["code"]) for row in shown("queue", "dead")] == [("t0", "ann", "damaged_file")]
    assert paperlane("queue", "discard", "--user", "ann") == "1 task is discarded.\n"
    assert shown("queue", "dead") == []
    assert paperlane("queue", "pause").startswith("database is paused")
    assert paperlane("user", "set", "ann", "--limit", "3", "--pause") == "Changed ann.\n"
    assert [(row["name"], row["limit"], row["paused"]) for row in shown("user", "list")] == [("ann", 3, True)]
    assert shown("user", "token", "ann")["token"]
    assert paperlane("user", "revoke", "ann") == "Revoked 2 tokens of ann.\n"
    assert paperlane("schedule", "add", "n", "0 3 * * *", "--batch", "b").startswith("Added n of ann: 2 documents")
    assert paperlane("schedule", "set", "n", "--priority", "9").startswith("Changed n: next at")
    assert [(row["name"], row["priority"]) for row in shown("schedule", "list")] == [("n", 9)]
    assert paperlane("schedule", "remove", "n") == "Removed n.\n"
    assert shown("schedule", "list") == []
    found = {row["what"]: row for row in shown("doctor")}
    assert (found["database"]["state"], found["queue"]["detail"][-8:]) == ("ok", "database")
    assert found.get("database server", {}).get("state", "warning") == "warning"
    assert kind.split(maxsplit=1)[0] in found["database"]["detail"].replace("mysql", "mariadb")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://bob:hidden@127.0.0.1:abc/x", "'***@127.0.0.1:abc/x' is no database URL."),
        ("postgresql:/bob:hidden@127.0.0.1/x?password=hidden", "'***@127.0.0.1/x?***' is no database URL."),
        ("mysql://bob:hidden@127.0.0.1", "mysql://bob:***@127.0.0.1 names no database."),
        ("postgresql://bob:hidden@127.0.0.1/x?foo=hidden", "postgresql://bob:***@127.0.0.1/x has an option"),
        ("mysql://bob:hidden@127.0.0.1/x?foo=hidden", "mysql://bob:***@127.0.0.1/x has an option"),
        ("mysql://bob:hidden@127.0.0.1/x?ssl_ca=/hidden", "mysql://bob:***@127.0.0.1/x has an option"),
        ("oracle://bob:hidden@127.0.0.1/x", "Paperlane cannot keep its ledger in oracle."),
    ],
)
def test_a_url_that_makes_no_sense_is_said_in_one_sentence_without_its_password(url: str, said: str):
    command = [sys.executable, "-m", "paperlane", "migrate", "--database", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert said in done.stderr
    assert "hidden" not in done.stderr
