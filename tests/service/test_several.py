"""Several services and workers on one database server: they share the work, and lose nothing when one part dies."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from tests.conftest import Service, until
from tests.databases import SERVERS, Databases
from tests.service.test_service import SLOW, assert_nothing_ran_twice, ended, frames, upload

from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import TaskId

LONG = SLOW[: len(SLOW) // 4]
QUICK = {"lease_seconds": 3, "heartbeat_seconds": 1, "sweep_seconds": 1}


@contextmanager
def workers(service: Service, count: int, slots: int) -> Iterator[None]:
    """Worker processes that somebody started, on other machines for all that the service knows."""
    command = [sys.executable, "-m", "paperlane", "worker", "--slots", str(slots), "--data", str(service.data)]
    environment = {**os.environ, **service.environment}
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) for _ in range(count)]
    try:
        yield
        for process in started:
            process.terminate()
        assert [process.wait(60) for process in started] == [0] * count
    finally:
        for process in started:
            process.kill()
            process.wait()


def serving(ledger: SqlLedger) -> set[str]:
    return {member.id for member in ledger.members() if member.engine == "database" and member.live}


@pytest.mark.parametrize("kind", list(SERVERS)[:1], indirect=True)
def test_two_services_and_three_workers_share_the_work_and_one_dies(new_service: Callable[..., Service]):
    one = new_service(workers=0, **QUICK)
    two = new_service(beside=one, workers=0, **QUICK)
    ledger = one.ledger()
    with ExitStack() as open_things:
        open_things.callback(ledger.close)
        open_things.enter_context(workers(one, 3, slots=2))
        there = until(lambda: len(found := serving(ledger)) == 3 and found)
        ann, bob = one.user("ann", limit=3), two.user("bob", limit=3)
        batches = upload(ann, *[LONG] * 8), upload(bob, *[LONG] * 8)
        ann.base_url = httpx.URL(f"{two.url}/api/v1/")  # the one that she did not upload to
        most = 0
        while sum(task.state.ended for task in ledger.tasks(limit=100)) < 4:
            most = max([most, *(lane.running + lane.leased for lane in ledger.queue().lanes)])
        one.kill()
        told = frames(ann, f"batch={batches[0]['id']}")
        assert {frame["task"] for frame in told if frame["status"] == "completed"} >= {
            task.id for task in ledger.tasks(user=None, limit=100) if task.batch == batches[0]["id"]
        }
        for client, batch in zip((ann, bob), batches, strict=True):
            assert {task["status"] for task in ended(client, batch)} == {"completed"}
        by = {
            past.worker for batch in batches for task in batch["tasks"] for past in ledger.attempts(TaskId(task["id"]))
        }
        assert by == there
        assert 1 <= most <= 3
        assert_nothing_ran_twice(two)


@pytest.mark.parametrize("kind", list(SERVERS), indirect=True)
def test_a_server_that_dies_and_comes_back_loses_nothing(
    new_service: Callable[..., Service], kind: str, databases: Databases
):
    service = new_service(workers=1, **QUICK)
    client = service.user("ann")
    batch = upload(client, *[SLOW] * 4)
    until(lambda: any(task["status"] == "running" for task in client.get("tasks").json()["items"]))
    server = databases.server(kind)
    server.kill()
    try:
        refused = client.post("batches", files={"files": ("a.md", b"Fine.")})
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        unready = httpx.get(f"{service.url}/readyz")
        assert (unready.status_code, int(unready.headers["Retry-After"]) > 0) == (503, True)
        assert httpx.get(f"{service.url}/healthz").status_code == 200
    finally:
        server.start()
    until(lambda: httpx.get(f"{service.url}/readyz").status_code == 200)
    more = upload(client, "Fine.")
    assert {task["status"] for task in [*ended(client, batch), *ended(client, more)]} == {"completed"}
    assert_nothing_ran_twice(service)
    assert service.stop() == 0
