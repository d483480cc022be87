"""The running service: progress over WebSockets, real documents, kills, drains."""

import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.conftest import EVERY_KIND, Service, shared_service, until
from tests.databases import KINDS, SERVERS, Databases
from tests.ledger.invariants import check_invariants
from tests.manifests import Ending, assert_as_said, assert_decoded, files_of, said_of
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from paperlane.assembly import open_desk, open_ledger
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import Completed, Ended, Failed, Fault, Lease, Outcome, State, TaskId, WorkerId
from paperlane.records.accounts import Role
from paperlane.settings import Settings

STEPS = ("file_parsing", "document_processing", "section_merge", "issue_detection", "report")
ENDED = {"completed", "failed", "cancelled"}
SLOW = "The gateway shall answer each request within 200 ms and log it with its time and sender.\n\n" * 1500


def upload(client: httpx.Client, *contents: str) -> dict:
    files = [("files", (f"{n}.md", text.encode())) for n, text in enumerate(contents)]
    answer = client.post("batches", files=files)
    assert answer.status_code == 202, answer.text
    return answer.json()


def ended(client: httpx.Client, batch: dict) -> list[dict]:
    def all_ended() -> list[dict] | None:
        tasks = client.get("tasks", params={"batch": batch["id"], "limit": 1000}).json()["items"]
        return tasks if all(task["status"] in ENDED for task in tasks) else None

    return until(all_ended, 240, pause=0.2)  # each look takes the service as long as a small step


def following(client: httpx.Client, query: str, **options: object) -> ClientConnection:
    url = str(client.base_url).replace("http", "ws") + f"progress?{query}"
    headers = {"Authorization": client.headers["Authorization"]}
    return connect(url, additional_headers=headers, **options)  # type: ignore[arg-type]


def frames(client: httpx.Client, query: str, **options: object) -> list[dict]:
    with following(client, query, **options) as socket:
        return [json.loads(message) for message in socket]


TESTER = WorkerId("tester")


@dataclass
class Worker:
    """Works where the test needs it done."""

    ledger: SqlLedger

    def __post_init__(self) -> None:
        self.ledger.register(TESTER, "database", "host", 1, 10)

    def take(self) -> dict[str, Lease]:
        return {lease.task: lease for lease in self.ledger.step("database", TESTER, [], 10)}

    def end(self, lease: Lease, outcome: Outcome) -> None:
        self.ledger.finish(TESTER, [Ended(lease, outcome)])


DONE = Completed(0.1, {})
BROKEN = Failed(Fault("damaged_file", "The file is damaged."))


WITHOUT_WORKERS = {"workers": 0, "inline_slots": 1, "lease_seconds": 600, "max_user_sockets": 2}


@pytest.fixture(scope="module")
def shared(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without workers, for tests that need no more than that and a user of their own."""
    with shared_service(tmp_path_factory.mktemp("shared"), all_databases, **WITHOUT_WORKERS) as service:
        yield service


@pytest.fixture(scope="module")
def impatient(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that soon has waited for long enough."""
    folder = tmp_path_factory.mktemp("impatient")
    with shared_service(folder, all_databases, workers=0, upload_idle_seconds=0.5) as service:
        yield service


@pytest.fixture
def worker(request: pytest.FixtureRequest, kind: str) -> Iterator[tuple[Service, Worker]]:
    """A service without workers, and one by hand; only on SQLite there are several tests, to share a service."""
    alone = kind in SERVERS
    service = request.getfixturevalue("new_service")(**WITHOUT_WORKERS) if alone else request.getfixturevalue("shared")
    ledger = service.ledger()
    yield service, Worker(ledger)
    ledger.leave(TESTER)
    ledger.close()


def test_a_replay_passes_the_end_of_an_earlier_run(worker: tuple[Service, Worker]):
    service, hands = worker
    client = service.user()
    (task,) = upload(client, "Fine.")["tasks"]
    for outcome in (BROKEN, BROKEN, DONE):
        hands.end(hands.take()[task["id"]], outcome)
        client.post(f"tasks/{task['id']}/retry")
    whole = frames(client, f"task={task['id']}&after=0")
    assert [frame["seq"] for frame in whole] == list(range(1, len(whole) + 1))
    assert [frame["status"] for frame in whole if frame["status"] in ENDED] == ["failed", "failed", "completed"]
    assert frames(client, f"task={task['id']}&after=4") == whole[4:]


@EVERY_KIND
def test_who_follows_a_batch_hears_of_tasks_that_start_again(worker: tuple[Service, Worker]):
    service, hands = worker
    client = service.user()
    batch = upload(client, "One.", "Two.")
    first, second = (task["id"] for task in batch["tasks"])
    leases = hands.take()
    with following(client, f"batch={batch['id']}") as socket:
        told = (json.loads(message) for message in socket)
        hands.end(leases[first], BROKEN)
        heard_of(told, first, "failed")
        client.post(f"tasks/{first}/retry")
        heard_of(told, first, "queued")
        hands.end(leases[second], DONE)
        heard_of(told, second, "completed")
        hands.end(hands.take()[first], DONE)
        heard_of(told, first, "completed")
        assert list(told) == []


def test_who_is_revoked_or_signs_out_hears_no_more(shared: Service):
    client, adam = shared.user(), shared.user(role=Role.ADMIN)
    batch = upload(client, "Fine.")
    page = httpx.Client(base_url=client.base_url)
    page.post("session", json={"token": client.headers["Authorization"].split()[1]})
    page.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    url = str(client.base_url).replace("http", "ws") + f"progress?batch={batch['id']}"
    with connect(url, additional_headers={"Cookie": page.headers["Cookie"]}) as signed_out:
        assert json.loads(signed_out.recv())["status"] == "queued"
        assert page.delete("session").status_code == 204
        assert sent_away(signed_out) == 4401
    with following(client, f"batch={batch['id']}") as revoked:
        assert json.loads(revoked.recv())["status"] == "queued"
        adam.post(f"users/{client.get('session').json()['id']}/revoke")
        assert sent_away(revoked) == 4401
    page.close()


def sent_away(socket: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosedError):
        socket.recv()
    return socket.close_code


def heard_of(told: Iterator[dict], task: str, status: str) -> None:
    assert any((frame["task"], frame["status"]) == (task, status) for frame in told)


def test_strangers_other_sites_and_too_many_sockets_are_refused(shared: Service):
    ann, bob = shared.user(), shared.user()
    batch = upload(ann, "Fine.")
    for client, options in (
        (bob, {}),
        (ann, {"origin": "http://evil.example"}),
        (ann, {"origin": "http://["}),
        (httpx.Client(base_url=ann.base_url, headers={"Authorization": "Bearer wrong"}), {}),
    ):
        with pytest.raises(InvalidStatus) as refused:
            frames(client, f"batch={batch['id']}", **options)
        assert refused.value.response.status_code == 403
    query = f"batch={batch['id']}"
    with following(ann, query), following(ann, query), pytest.raises(InvalidStatus):
        frames(ann, query)


def test_behind_a_proxy_the_cookie_is_for_tls_only_and_figures_are_for_admins(shared: Service):
    ann = shared.user()
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    for proxied, secure, status in (
        ({}, False, 200),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}, True, 403),
        ({"Host": "papers.example", "Origin": "https://papers.example"}, True, 403),  # of one that adds nothing
    ):
        signed_in = httpx.post(f"{shared.url}/api/v1/session", json={"token": token}, headers=proxied)
        assert ("; secure" in signed_in.headers["set-cookie"].lower()) == secure
        assert httpx.get(f"{shared.url}/metrics", headers=proxied).status_code == status


def test_the_engine_inline_runs_what_its_users_upload(new_service: Callable[..., Service]):
    service = new_service(workers=0, engine="inline")
    client = service.user("ann")
    tasks = ended(client, upload(client, "The system shall be fast.", "Fine."))
    assert [(task["status"], task["engine"]) for task in tasks] == [("completed", "inline")] * 2


@pytest.mark.parametrize("limit", [1, 4])
def test_a_small_limit_of_the_system_leaves_the_workers_their_slots(new_service: Callable[..., Service], limit: int):
    service = new_service(workers=2, system_limit=limit)
    client = service.user("ann")
    tasks = ended(client, upload(client, "The system shall be fast.", "Fine."))
    assert [(task["status"], task["engine"]) for task in tasks] == [("completed", "database")] * 2


def test_the_corpus_as_one_batch_ends_as_its_manifests_say(new_service: Callable[..., Service], corpus: Path):
    service = new_service(sandboxes=0)
    client = service.user("ann", limit=20)
    paths, said = files_of(corpus), said_of(corpus)
    answer = client.post("batches", files=[("files", (path.name, path.read_bytes())) for path in paths])
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    endings = {
        file["name"]: Ending(completed=False, codes=frozenset({file["code"]}), hint=file["hint"])
        for file in batch["rejected"]
    }
    tasks = {task["document"]["name"]: task for task in ended(client, batch)}
    assert_as_said(corpus, endings | {name: ending_of(task) for name, task in tasks.items()})
    for path in paths:
        if path.name in tasks and tasks[path.name]["status"] == "completed":
            document = client.get(f"tasks/{tasks[path.name]['id']}/document").json()
            assert_decoded(path, said.get(path.name, ""), document["encoding"], document["text"])
            assert_quotes_stand(client, tasks[path.name]["id"], document["text"])


def ending_of(task: dict) -> Ending:
    error = task["error"] or {"code": "", "hint": ""}
    codes = frozenset({error["code"], *(warning["code"] for warning in task["warnings"])} - {""})
    return Ending(task["status"] == "completed", codes, task["coverage"]["tested"], error["hint"])


def assert_quotes_stand(client: httpx.Client, task: str, text: str) -> None:
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"tasks/{task}/issues", params={"limit": 1000, "cursor": cursor}).json()
        for issue in page["items"]:
            place = issue["location"]
            assert text[place["start"] : place["end"]] == issue["quote"]
        cursor = page["next"]


@EVERY_KIND
def test_a_killed_worker_is_replaced_and_its_tasks_go_on_at_once(new_service: Callable[..., Service]):
    service = new_service(workers=1, lease_seconds=3_600)  # longer than anybody waits for the sweep
    client = service.user("ann")
    batch = upload(client, *[SLOW] * 6)
    until(lambda: any(task["status"] == "running" for task in client.get("tasks").json()["items"]))
    (first,) = service.workers()
    os.kill(first, signal.SIGKILL)
    tasks = ended(client, batch)
    assert {task["status"] for task in tasks} == {"completed"}
    (second,) = service.workers()
    assert second != first
    assert_nothing_ran_twice(service)


def test_workers_leave_the_processors_to_who_answers_people(new_service: Callable[..., Service]):
    service = new_service(workers=1)
    assert service.process is not None
    (worker,) = until(service.workers)
    answers = os.getpriority(os.PRIO_PROCESS, service.process.pid)
    until(lambda: os.getpriority(os.PRIO_PROCESS, worker) > answers)


def test_a_worker_killed_at_each_step_of_a_document_costs_only_that_step(new_service: Callable[..., Service]):
    service = new_service(workers=1, max_crashes=2 * len(STEPS))  # or it would be held for the cause
    client = service.user("ann")
    ledger = service.ledger()
    batch = upload(client, SLOW * 4)
    name = TaskId(batch["tasks"][0]["id"])
    reached = ["", *STEPS]
    for number in range(len(STEPS)):
        until(lambda number=number: reached.index(ledger.task(name).step) > number)
        (worker,) = until(service.workers)
        os.kill(worker, signal.SIGKILL)
        until(lambda worker=worker: service.workers() not in ([], [worker]))
    (task,) = ended(client, batch)
    assert task["status"] == "completed"
    ledger.close()
    assert_nothing_ran_twice(service)


@EVERY_KIND
def test_the_whole_service_killed_in_a_batch_goes_on_when_it_starts_again(new_service: Callable[..., Service]):
    service = new_service(lease_seconds=3, heartbeat_seconds=1, sweep_seconds=1)
    client = service.user("ann")
    batch = upload(client, *[SLOW] * 8, *["Fine."] * 42)
    until(lambda: client.get(f"batches/{batch['id']}").json()["counts"].get("completed", 0) >= 5)
    service.kill()
    ledger = service.ledger()
    held = {task.id: ledger.attempts(task.id)[-1].worker for task in ledger.tasks(states=[State.RUNNING])}
    assert held
    service.start()
    client.base_url = httpx.URL(f"{service.url}/api/v1/")
    tasks = ended(client, batch)
    assert Counter(task["status"] for task in tasks) == {"completed": 50}
    for task, worker in held.items():
        outcomes = {past.worker: past.outcome for past in ledger.attempts(task)}
        assert (outcomes[worker], len(outcomes)) == ("crashed", 2)
    ledger.close()
    assert_nothing_ran_twice(service)


def assert_nothing_ran_twice(service: Service) -> None:
    """Each step was finished once; the ledger is whole."""
    ledger = service.ledger()
    check_invariants(ledger)
    for task in ledger.tasks(limit=1000):
        saved = Counter(event.step for event in ledger.events(TaskId(task.id)) if event.kind == "saved")
        assert set(saved.values()) == {1}, (task.id, saved)
        assert len(saved) == 5
    ledger.close()


@pytest.mark.parametrize(
    ("kind", "sent"),
    list(zip(KINDS, (signal.SIGTERM, signal.SIGINT, signal.SIGTERM), strict=True)),  # SIGINT is Ctrl-C
    indirect=["kind"],
)
def test_a_signal_drains_and_loses_nothing(new_service: Callable[..., Service], sent: signal.Signals):
    service = new_service(workers=2)
    client = service.user("ann")
    batch = upload(client, *[SLOW] * 4)
    until(lambda: any(task["status"] == "running" for task in client.get("tasks").json()["items"]))
    assert service.process is not None
    service.process.send_signal(sent)
    service.process.communicate(timeout=60)
    assert service.process.returncode == 0
    ledger = service.ledger()
    assert ledger.members() == []
    assert {task.status for task in ledger.tasks(limit=100)} <= {"queued", "completed"}
    assert {event.kind for task in ledger.tasks() for event in ledger.events(task.id)} & {"crashed", "failed"} == set()
    ledger.close()
    service.start()
    client.base_url = httpx.URL(f"{service.url}/api/v1/")
    assert {task["status"] for task in ended(client, batch)} == {"completed"}


@EVERY_KIND
def test_what_killed_uploads_left_is_removed_within_the_hour(new_service: Callable[..., Service]):
    service = new_service(workers=0)
    client = service.user("ann")
    upload(client, "Fine.")
    (named,) = blobs_of(service)
    with begun_upload(client):
        until(lambda: len(blobs_of(service)) > 1)
        service.kill()
    (partial,) = blobs_of(service) - {named}
    fresh, older = (partial.with_name(partial.name[:2] + digit * 30) for digit in "01")
    for path in (fresh, older, partial.with_name("notes.txt")):
        path.write_bytes(b"x")
    for path, at in ((named, 1e9), (partial, 1e9), (older, 1e8)):
        os.utime(path, (at, at))
    service.change(
        "UPDATE users SET created_at = 200000000",  # what is older belongs to other records
        "UPDATE chores SET next_at = next_at - 3600",
    )
    for mark in service.data.glob("blobs/ledger-*"):  # is named after that instant
        mark.unlink()
    service.start()
    until(lambda: not partial.exists())
    assert {path.name for path in blobs_of(service)} == {named.name, fresh.name, older.name, "notes.txt"}


def test_what_the_service_writes_is_its_owners_only(new_service: Callable[..., Service], tmp_path: Path):
    (tmp_path / "data0").mkdir(mode=0o755)
    service = new_service(workers=1, bare=True)
    upload(service.user("ann"), "Fine.")
    made = list(service.data.rglob("*"))
    assert {path.name for path in made} >= {"paperlane.db", "paperlane.db-wal", "secret.key", "blobs"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


SECRET = "Confidential: the merger shall close in May.\n" * 400


def test_an_error_of_ours_is_logged_once_without_what_it_was_about(new_service: Callable[..., Service]):
    service = new_service(workers=0)
    client = service.user("ann")
    service.change("DROP TABLE documents")
    answer = client.post("batches", files={"files": ("merger.md", SECRET.encode())})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(f"{service.url}/healthz").json() == {"status": "ok"}
    log = service.log()
    assert log.count("no such table: documents") <= 2  # of the driver, and of what wraps it
    assert log.count("a request failed") == 1
    assert "ASGI" not in log
    assert len(log) < 20_000
    assert_tells_nothing(log, client)


def test_an_upload_that_is_cut_leaves_nothing_and_is_no_error(shared: Service):
    client = shared.user()
    log, blobs = shared.log(), blobs_of(shared)
    with begun_upload(client):
        until(lambda: blobs_of(shared) > blobs)
    until(lambda: blobs_of(shared) == blobs)
    assert httpx.get(f"{shared.url}/healthz").json() == {"status": "ok"}
    assert shared.log() == log


def test_an_upload_that_stops_coming_is_dropped_and_its_key_is_free(impatient: Service):
    client, blobs = impatient.user(), blobs_of(impatient)
    with begun_upload(client, key="k1") as idle:
        again = client.post("batches", files={"files": ("a.md", b"Fine.")}, headers={"Idempotency-Key": "k1"})
        answer = idle.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert '"code":"request_timeout"' in answer
    assert again.status_code == 202, again.text
    assert len(blobs_of(impatient) - blobs) == 1
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), 60) as idle:
        idle.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n{")
        assert idle.makefile("rb").read().startswith(b"HTTP/1.1 408 ")


def test_a_head_that_does_not_end_is_not_waited_for(impatient: Service):
    client = impatient.user()
    batch = upload(client, "Fine.")
    address = (client.base_url.host, client.base_url.port or 80)
    whole = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
    with following(client, f"batch={batch['id']}") as socket_of_page:
        for begun in (b"", b"GET /healthz HTTP/1.1\r\nHos", whole + b"GET /he"):
            with socket.create_connection(address, 60) as slow:
                slow.sendall(begun)
                answer = slow.makefile("rb").read()
                assert answer.count(b'{"status":"ok"}') == begun.count(whole)
        socket_of_page.recv()
        client.post(f"tasks/{batch['tasks'][0]['id']}/cancel")
        assert json.loads(socket_of_page.recv())["status"] == "cancelled"  # it is none of these


def begun_upload(client: httpx.Client, key: str = "") -> socket.socket:
    """An upload that says it is longer than what comes."""
    head = f"--b\r\nContent-Disposition: form-data; name=files; filename=merger.md\r\n\r\n{SECRET * 20}"
    lines = [
        "POST /api/v1/batches HTTP/1.1",
        "Host: test",
        f"Authorization: {client.headers['Authorization']}",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Length: 500000",
        *([f"Idempotency-Key: {key}"] if key else []),
    ]
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80), 60)
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + head).encode())
    return connection


def blobs_of(service: Service) -> set[Path]:
    return set(service.data.glob("blobs/*/*"))


def assert_tells_nothing(log: str, client: httpx.Client) -> None:
    for secret in ("merger", "Confidential", client.headers["Authorization"].split()[1]):
        assert secret not in log


def test_a_quota_that_is_set_from_outside_holds_for_the_running_service(shared: Service):
    client, files = shared.user("quin"), [("files", ("a.md", b"Fine."))]
    settings = Settings(data=shared.data)
    with closing(open_ledger(settings)) as ledger:
        change = open_desk(settings, ledger).accounts

        def give(**quotas: int) -> None:
            change.change_user(None, change.user("quin"), quotas=quotas)

        give(storage_mb=1, requests_a_minute=6)
        answer = client.post("batches", files=files)
        assert (answer.status_code, answer.headers["ratelimit"].partition(";")[0]) == (202, '"requests"')
        full = f"UPDATE users SET stored = {2**20 - 4} WHERE name = 'quin'"
        shared.change(full)
        there = {path.name for path in shared.data.glob("blobs/??/*")}
        refused = client.post("batches", files=files)
        assert (refused.status_code, refused.json()["code"]) == (429, "user_storage_full")
        assert int(refused.headers["retry-after"]) > 0
        assert {path.name for path in shared.data.glob("blobs/??/*")} == there
        give(storage_mb=0)
        assert client.post("batches", files=files).status_code == 202
        codes = [client.get("tasks").json().get("code") for _ in range(6)]
        assert codes[-1] == "too_many_requests"
        give(requests_a_minute=0)
        assert client.get("tasks").status_code == 200
