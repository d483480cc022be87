"""What several users do with one running service, on each kind of database: each test has users of its own there."""

import threading
from collections.abc import Iterator

import pytest
from tests.conftest import Service, needs, shared_service, until
from tests.databases import KINDS, SERVERS, Databases
from tests.ledger.invariants import check_invariants
from tests.service.test_service import SLOW, ended, frames, upload
from tools.servers import Missing

from paperlane.model.tasks import TaskId
from paperlane.web import shapes


@pytest.fixture(scope="module", params=KINDS)
def service(
    request: pytest.FixtureRequest, all_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One at a time, on one kind of database after the other."""
    try:
        _ = request.param in SERVERS and all_databases.server(request.param)
    except Missing as missing:
        needs(str(missing), there=False)
    folder = tmp_path_factory.mktemp("shared")
    with shared_service(folder, all_databases, request.param, workers=2, sweep_seconds=0.2) as made:
        yield made


def test_all_that_workers_write_down_reaches_a_socket_in_order_once_and_a_reconnect_misses_nothing(service: Service):
    client = service.user()
    batch = upload(client, SLOW, "Fine.")
    told = frames(client, f"batch={batch['id']}")
    assert len(told) > len(batch["tasks"])  # more than the present state of each
    ledger = service.ledger()
    for task in batch["tasks"]:
        own = [frame for frame in told if frame["task"] == task["id"]]
        assert own[1:] == [shapes.frame(event) for event in ledger.events(TaskId(task["id"]), own[0]["seq"])]
        assert [frame["percent"] for frame in own] == sorted(frame["percent"] for frame in own)
        assert own[-1]["status"] == "completed"
    task = batch["tasks"][0]["id"]
    whole = frames(client, f"task={task}&after=0")
    assert [frame["seq"] for frame in whole] == list(range(1, len(whole) + 1))
    assert [frame["seq"] for frame in frames(client, f"task={task}&after=4")] == list(range(5, len(whole) + 1))
    assert [frame["status"] for frame in frames(client, f"task={task}")] == ["completed"]
    ledger.close()


def test_no_user_is_over_the_limit_while_many_upload_at_once(service: Service):
    clients = [service.user(limit=2) for _ in range(4)]
    batches: list[dict] = []
    threads = [threading.Thread(target=lambda c=c: batches.append(upload(c, *["Fine. " * 50] * 8))) for c in clients]
    for thread in threads:
        thread.start()
    ledger = service.ledger()
    most = 0
    while any(thread.is_alive() for thread in threads):  # what came first may be done when the last is accepted
        most = max([most, *(lane.running + lane.leased for lane in ledger.queue().lanes)])
    of_them = {batch["id"] for batch in batches}
    while not all(task.state.ended for task in ledger.tasks(limit=100) if task.batch in of_them):
        most = max([most, *(lane.running + lane.leased for lane in ledger.queue().lanes)])
    assert 1 <= most <= 2
    check_invariants(ledger)
    ledger.close()


def test_a_due_schedule_is_fired_once_by_all_the_processes(service: Service):
    client = service.user()
    batch = upload(client, "The system shall be fast.", "Fine.")
    ended(client, batch)
    yearly = {"name": "yearly", "cron": "0 0 1 1 *", "batch": batch["id"]}
    assert client.post("schedules", json=yearly).status_code == 201
    seen: list[str | None] = [None]

    def newly_fired() -> str | None:
        (shown,) = client.get("schedules").json()["items"]
        return None if shown["last_batch"] in seen else shown["last_batch"]

    for long_ago in range(1, 6):
        service.change(f"UPDATE schedules SET next_at = {long_ago}")
        seen.append(until(newly_fired))
        assert [task["status"] for task in ended(client, {"id": seen[-1]})] == ["completed", "completed"]
    assert len(client.get("tasks").json()["items"]) == 12
