"""The running service with its files in a bucket: hosts share that and the database, and no folder."""

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.buckets import SECRET, Buckets
from tests.conftest import Service, until
from tests.databases import SERVERS
from tests.faults.forwarding import way_to
from tests.forking import run
from tests.service.test_service import assert_nothing_ran_twice, ended, frames, upload
from tests.service.test_several import LONG, serving

from paperlane.blobs.s3 import open_bucket
from paperlane.model.tasks import TaskId
from paperlane.records.accounts import Role

VAGUE = "# One\n\nThe system shall be fast.\n\nTBD.\n"
LARGE = "\n\n".join(f"The pump shall run {random.Random(n).randbytes(300).hex()}." for n in range(1_000))


@contextmanager
def worker_elsewhere(service: Service, data: Path) -> Iterator[None]:
    """A worker on a host that has none of the service's folders."""
    command = [sys.executable, "-m", "paperlane", "worker", "--slots", "1", "--data", str(data)]
    environment = {**os.environ, **service.environment}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            yield
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("kind", list(SERVERS)[:1], indirect=True)
def test_hosts_share_the_database_and_a_bucket_which_dies_while_tasks_wait_for_it(
    new_service: Callable[..., Service], buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with way_to(buckets.server.port) as way:
        for name, value in buckets.environment(way.port).items():
            monkeypatch.setenv(name, value)
        service = new_service(workers=1, slots=1, blobs=buckets.new())
        ledger, (ann, adam) = service.ledger(), (service.user("ann"), service.user("adam", Role.ADMIN))
        with worker_elsewhere(service, tmp_path / "elsewhere"):
            there = until(lambda: len(found := serving(ledger)) == 2 and found)
            batch = upload(ann, VAGUE, LARGE, *[LONG] * 6)
            assert frames(ann, f"batch={batch['id']}")[-1]["status"] == "completed"
            assert {one["status"] for one in ended(ann, batch)} == {"completed"}
            first, large, *_ = (one["id"] for one in batch["tasks"])
            assert {issue["rule"] for issue in ann.get(f"tasks/{first}/issues").json()["items"]} >= {"vague-term"}
            assert ann.get(f"tasks/{large}/document").json()["text"].count("The pump") == 1_000
            by = {past.worker for one in batch["tasks"] for past in ledger.attempts(TaskId(one["id"]))}
            assert by == there

            adam.post("queue/pause", json={"paused": True})
            waiting = upload(ann, VAGUE, VAGUE)
            way.cut()
            refused = ann.post("batches", files={"files": ("a.md", b"Fine.")})
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            adam.post("queue/pause", json={"paused": False})
            until(lambda: "it refuses connections" in service.log().rpartition("the ledger cannot be used")[2])
            assert not [
                one for one in ann.get("tasks", params={"batch": waiting["id"]}).json()["items"] if one["error"]
            ]
            way.mend()
            assert {(one["status"], one["attempt"]) for one in ended(ann, waiting)} == {("completed", 1)}
        assert_nothing_ran_twice(service)
        ledger.close()
        assert service.stop() == 0
        assert len(list(open_bucket(service.environment["PAPERLANE_BLOBS"], "results").written(0, 1e12))) > 0
    assert not list(tmp_path.glob("*/blobs"))
    assert not list(tmp_path.glob("*/results"))
    assert SECRET not in service.log()


def test_a_service_that_is_killed_in_an_uploads_middle_leaves_nothing_and_waits_for_its_bucket_to_start_again(
    new_service: Callable[..., Service], buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with way_to(buckets.server.port) as way:
        for name, value in {**buckets.environment(way.port), "TMPDIR": str(tmp_path / "tmp")}.items():
            monkeypatch.setenv(name, value)
        (tmp_path / "tmp").mkdir()
        service = new_service(workers=0, blobs=buckets.new())
        client = service.user("ann")
        with begun(client):
            until(lambda: any(str(tmp_path / "tmp") in name for name in open_files(service)))
            service.kill()
        assert list((tmp_path / "tmp").iterdir()) == []
        assert list(open_bucket(service.environment["PAPERLANE_BLOBS"], "blobs").written(0, 1e12)) == []
        way.cut()
        service.begin()
        service.url = service.says(r"listens at (\S+) and waits for its database or its bucket")
        assert httpx.get(f"{service.url}/healthz").status_code == 200
        assert httpx.get(f"{service.url}/readyz").status_code == 503
        way.mend()
        service.says("(ready) at")
        client.base_url = httpx.URL(f"{service.url}/api/v1/")
        upload(client, "Fine.")


def open_files(service: Service) -> list[str]:
    assert service.process is not None
    return [str(name.readlink()) for name in Path(f"/proc/{service.process.pid}/fd").iterdir() if name.is_symlink()]


def begun(client: httpx.Client) -> socket.socket:
    """An upload of 3 MB that says it is longer."""
    lines = [
        "POST /api/v1/batches HTTP/1.1",
        "Host: test",
        f"Authorization: {client.headers['Authorization']}",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 4000000",
        "",
        "--b",
        "Content-Disposition: form-data; name=files; filename=a.md",
        "",
        "Fine. " * 500_000,
    ]
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80), 60)
    connection.sendall("\r\n".join(lines).encode())
    return connection


@pytest.fixture
def told(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in buckets.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PAPERLANE_BLOBS", "s3://no-such-bucket")


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_bucket_that_is_not_there_is_told_in_one_sentence(tmp_path: Path, command: str):
    run(("migrate", "--data", str(tmp_path)), tmp_path)
    done = run((command, "--data", str(tmp_path), *(("--port", "0") if command == "serve" else ())), tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    said = (
        "The store of files refuses: 404 NoSuchBucket. Make the bucket, or see to PAPERLANE_BLOBS and AWS_ENDPOINT_URL."
    )
    assert done.stderr == f"paperlane: {said}\n"


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("state", ["ok", "error"])
def test_the_doctor_looks_at_the_bucket(tmp_path: Path, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, state: str):
    address = buckets.new() if state == "ok" else "s3://no-such-bucket"
    monkeypatch.setenv("PAPERLANE_BLOBS", address)
    done = run(("doctor", "--json", "--data", str(tmp_path)), tmp_path)
    (found,) = [one for one in json.loads(done.stdout) if one["what"] == "bucket"]
    assert (found["state"], done.returncode) == (state, int(state == "error"))
    assert (address if state == "ok" else "404 NoSuchBucket") in found["detail"]


@pytest.mark.parametrize("address", ["/srv", "s3://", "s3:///x", "s3://a//b", "s3://a/../b", "s3://a/.b", "gs://a"])
def test_what_is_no_bucket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str):
    monkeypatch.setenv("PAPERLANE_BLOBS", address)
    done = run(("queue", "--data", str(tmp_path)), tmp_path)
    assert done.returncode == 2
    assert "The setting blobs makes no sense: Input should be s3://BUCKET or s3://BUCKET/PREFIX." in done.stderr
