"""A database server that goes away, comes back or comes late: calls say so meanwhile, and work again after it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError
from tests.conftest import Service, needs, until
from tests.databases import WAYS, Databases, Ways
from tests.forking import Command
from tests.service.test_service import ended, upload
from tools.servers import Missing, Server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as websocket

from paperlane.errors import Busy, Misconfigured, StorageFull, Unavailable
from paperlane.hosting import open_ledger
from paperlane.ledger.dialects import server as pool
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.ledger.troubles import trouble_of
from paperlane.model.tasks import BatchId, NewBatch, NewTask, State, TaskId, UserId, WorkerId


@pytest.fixture(scope="module", params=list(WAYS))
def own(request: pytest.FixtureRequest) -> Iterator[tuple[str, Databases]]:
    """A server that no other test uses, for it is stopped and killed."""
    databases = Databases()
    try:
        databases.server(request.param)
    except Missing as missing:
        needs(str(missing), there=False)
    yield request.param, databases
    databases.close()


@pytest.fixture
def kind(own: tuple[str, Databases]) -> str:
    return own[0]


@pytest.fixture
def ways(kind: str) -> Ways:
    return WAYS[kind]


@pytest.fixture
def server(own: tuple[str, Databases]) -> Iterator[Server]:
    kind, databases = own
    found = databases.server(kind)
    yield found
    if found.process is None:
        start(found)


@pytest.fixture
def url(own: tuple[str, Databases], server: Server) -> str:
    kind, databases = own
    databases.bares += 1
    assert server.process is not None
    return databases.create(kind, f"own{databases.bares}")


@pytest.fixture
def ledger(url: str) -> Iterator[SqlLedger]:
    made = open_ledger(url)
    yield made
    made.close()


def start(server: Server) -> None:
    """Start it again; after a kill its children may still hold what it needs, for a moment."""

    def started() -> bool:
        try:
            server.start()
        except RuntimeError:
            return False
        return True

    until(started, 30)


def submit(ledger: SqlLedger, number: int) -> None:
    ledger.submit(NewBatch(BatchId(f"b{number}"), UserId(1), [NewTask(TaskId(f"t{number}"), b"{}")]))


CALLS: list[Callable[[SqlLedger], object]] = [
    lambda ledger: submit(ledger, 99),
    lambda ledger: ledger.tasks(),
    lambda ledger: ledger.runnable("database"),
    lambda ledger: ledger.register(WorkerId("new"), "database", "host", 1, 1),
    lambda ledger: ledger.step("database", WorkerId("w"), [], 1),
    lambda ledger: ledger.recover(),
    lambda ledger: ledger.members(),
    lambda ledger: ledger.write(lambda connection: connection.execute(text("SELECT 1"))),
]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_while_a_server_is_away_every_call_says_so_and_then_all_work(ledger: SqlLedger, server: Server, end: str):
    ledger.register(WorkerId("w"), "database", "host", 1, 1)
    submit(ledger, 1)
    before = ledger.changed()
    getattr(server, end)()
    for call in CALLS:
        with pytest.raises(Unavailable, match="The database cannot be reached: ") as raised:
            call(ledger)
        assert type(raised.value) is Unavailable
        assert (raised.value.code, raised.value.status) == ("database_unavailable", 503)
        assert "\n" not in raised.value.message
    start(server)
    assert [task.id for task in ledger.tasks()] == ["t1"]
    submit(ledger, 2)
    (lease,) = ledger.step("database", WorkerId("w"), [], 1)
    assert ledger.task(lease.task).state is State.RUNNING

    def looks_again() -> bool:
        try:
            return ledger.changed() != before
        except Unavailable:
            return False

    until(looks_again, 30)


def test_a_start_while_the_server_is_away_may_be_tried_again(url: str, server: Server):
    server.stop()
    with pytest.raises(Unavailable) as raised:
        open_ledger(url)
    assert type(raised.value) is Unavailable
    start(server)
    open_ledger(url).close()


def test_what_a_server_says_of_a_statement_that_it_ends_with_is_understood(
    ledger: SqlLedger, server: Server, ways: Ways
):
    said: list[SQLAlchemyError] = []

    def ask() -> None:
        try:
            with ledger.dialect.reader.connect() as connection:
                connection.exec_driver_sql(ways.sleeps)
        except SQLAlchemyError as error:
            said.append(error)

    asking = Thread(target=ask)
    asking.start()
    until(lambda: ledger.read(lambda connection: connection.execute(text(ways.asleep)).scalar_one()) == 2, 30)
    server.stop()
    asking.join(30)
    (error,) = said
    assert type(trouble_of(error)) is Unavailable


@pytest.mark.parametrize(
    ("code", "number", "kind_of_trouble"),
    [
        ("53100", 1021, StorageFull),
        ("53100", 1114, StorageFull),
        ("57P01", 1053, Unavailable),
        ("57P03", 1040, Unavailable),
        ("08006", 1158, Unavailable),
        ("40001", 1213, Busy),
        ("55P03", 1205, Busy),
        ("58030", 1030, Unavailable),
        ("25006", 1290, Unavailable),
    ],
)
def test_the_codes_of_a_server_in_trouble_are_understood(
    ledger: SqlLedger, ways: Ways, code: str, number: int, kind_of_trouble: type
):
    fails = text(ways.fails.format(code=code, number=number))
    with pytest.raises(Unavailable) as raised:
        ledger.write(lambda connection: connection.execute(fails))
    assert type(raised.value) is kind_of_trouble
    submit(ledger, 1)


@pytest.mark.parametrize("own", ["mariadb"], indirect=True)  # only it has tables of a size that is given
def test_a_table_that_is_full_is_no_room(ledger: SqlLedger):
    def fill(connection: object) -> None:
        for statement in (
            "SET SESSION max_heap_table_size = 16384",
            "CREATE TEMPORARY TABLE small (x CHAR(200)) ENGINE = MEMORY",
            "INSERT INTO small SELECT repeat('x', 200) FROM seq_1_to_1000",
        ):
            connection.execute(text(statement))  # type: ignore[attr-defined]

    with pytest.raises(StorageFull, match="no room to write: The table 'small' is full"):
        ledger.write(fill)


def test_who_finds_no_free_connection_is_told_so(url: str, kind: str, monkeypatch: pytest.MonkeyPatch):
    open_ledger(url).close()
    monkeypatch.setattr(pool, "_CONNECTIONS", 1)
    monkeypatch.setattr(pool, "_WAIT", 0.05)
    ledger = SqlLedger(connect(url))
    first, second = ledger.dialect.reader.connect(), ledger.dialect.reader.connect()
    with pytest.raises(Busy, match=r"The database is busy: QueuePool limit of size 1 overflow 1 reached"):
        ledger.tasks()
    first.close()
    assert ledger.tasks() == [], kind
    second.close()
    ledger.close()


@pytest.fixture
def secret(ways: Ways, server: Server, url: str) -> str:
    """The same database for a user who needs a password: `right`."""
    ways.admits(server, url)
    return make_url(url).set(username="someone", password="right").render_as_string(hide_password=False)


def refused(url: str) -> Misconfigured:
    """What is said of a database that cannot be used, in one sentence with a hint and without the password."""
    with pytest.raises(Misconfigured, match=r"\A[^\n]+ cannot be used: [^\n]+\.\Z") as raised:
        open_ledger(url)
    assert "--database or PAPERLANE_DATABASE_URL" in raised.value.hint
    for part in (raised.value.message, raised.value.hint):
        assert "tell-nobody" not in part
    return raised.value


def test_a_wrong_password_is_said_at_once_and_not_told(secret: str):
    def admitted() -> bool:
        try:
            open_ledger(secret).close()
        except Misconfigured:  # the rules are read anew in a moment
            return False
        return True

    until(admitted, 20)
    wrong = make_url(secret).set(password="tell-nobody")
    said = refused(wrong.render_as_string(hide_password=False))
    assert "someone" in said.message
    assert "***" in said.message
    refused(wrong.update_query_dict({"password": "tell-nobody"}).render_as_string(hide_password=False))


def test_a_database_that_is_not_there_is_said_at_once(url: str):
    said = refused(make_url(url).set(database="nowhere").render_as_string(hide_password=False))
    assert "nowhere" in said.message


def test_a_right_that_is_missing_is_said_at_once(secret: str, ways: Ways, url: str):
    ways.denies(url)
    assert "denied" in (said := refused(secret).message) or "no schema" in said


@pytest.fixture
def service(url: str, tmp_path: Path) -> Iterator[Service]:
    """A service on that database, not started yet."""
    made = Service(tmp_path / "data", {"PAPERLANE_DATABASE_URL": url, "PAPERLANE_WORKERS": "0"}, url)
    yield made
    for client in made.clients:
        client.close()
    if made.process is not None and made.process.poll() is None:
        made.kill()


def paperlane(service: Service, *command: str) -> Command:
    """Another process of the same installation."""
    return Command(*command, "--data", str(service.data), environment={**os.environ, **service.environment})


@contextmanager
def worker_of(service: Service) -> Iterator[Callable[[], list[str]]]:
    """A worker that somebody starts; gives its log so far, and ends it in order."""
    path = service.data.parent / "worker.txt"
    environment = {**os.environ, **service.environment}
    with path.open("w") as log:
        process = Command("worker", "--data", str(service.data), stderr=log, environment=environment)
    try:
        yield lambda: path.read_text().splitlines()
        assert process.poll() is None, path.read_text()
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


def failed_tries(lines: list[str]) -> list[str]:
    return [line for line in lines if "the ledger cannot be used" in line and "The database cannot be" in line]


def test_what_starts_before_its_server_waits_for_it_and_then_works(service: Service, server: Server):
    server.stop()
    service.begin()
    service.url = service.says(r"listens at (\S+) and waits")
    with worker_of(service) as log_of_worker:
        assert httpx.get(f"{service.url}/healthz").json() == {"status": "ok"}
        ready = httpx.get(f"{service.url}/readyz")
        refused = httpx.post(f"{service.url}/api/v1/batches", files={"files": ("a.md", b"x" * 3_000_000)})
        assert (ready.status_code, ready.json()["database"]) == (503, "database_unavailable")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        for answer in (ready, refused):
            assert int(answer.headers["Retry-After"]) > 0
        with (
            pytest.raises(InvalidStatus) as turned_away,
            websocket(service.url.replace("http", "ws") + "/api/v1/progress"),
        ):
            pass
        assert turned_away.value.response.status_code == 403  # as while a server is away
        for log in (lambda: service.log().splitlines(), log_of_worker):
            tries = until(lambda log=log: len(found := failed_tries(log())) > 2 and found)
            assert tries == log()[: len(tries)]  # and nothing else
        start(server)
        assert service.says(r"ready at (\S+)") == service.url
        client = service.user("ann")
        (task,) = ended(client, upload(client, "Fine."))
        assert (task["status"], task["engine"]) == ("completed", "database")
        assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert service.stop() == 0
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_what_waits_can_be_stopped_whatever_it_waits_for(service: Service, server: Server, ways: Ways, command: str):
    """A process that migrates holds all others up, for minutes; here for ever."""
    options = ["--port", "0"] if command == "serve" else []
    dialect = connect(service.database)
    with dialect.reader.connect() as other:
        other.exec_driver_sql(ways.migrates)
        with paperlane(service, command, *options) as process:
            until(lambda: other.exec_driver_sql(ways.waits).scalar_one() == 1)
            process.terminate()
            out, err = process.communicate(timeout=60)
    dialect.close()
    assert (process.returncode, err) == (0, "")
    assert "ready" not in out


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_while_no_server_is_there_a_start_can_be_stopped(service: Service, server: Server, command: str):
    server.stop()
    options = ["--port", "0"] if command == "serve" else []
    with paperlane(service, command, *options) as process:
        assert process.stderr is not None
        assert failed_tries([process.stderr.readline()])
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (0, False)


@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    "wrong", [{"password": "tell-nobody"}, {"database": "nowhere"}], ids=lambda wrong: next(iter(wrong))
)
def test_a_start_does_not_wait_for_what_does_not_pass(
    service: Service, secret: str, command: str, wrong: dict[str, str]
):
    service.environment["PAPERLANE_DATABASE_URL"] = make_url(secret).set(**wrong).render_as_string(hide_password=False)
    options = ["--port", "0"] if command == "serve" else []
    with paperlane(service, command, *options) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.startswith("paperlane: ")
    assert err.count("\n") == 1
    assert "cannot be used: " in err
    assert "tell-nobody" not in err


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_start_that_may_not_wait_says_so_and_ends(service: Service, server: Server, command: str):
    server.stop()
    service.environment["PAPERLANE_DATABASE_WAIT_SECONDS"] = "0"
    options = ["--port", "0"] if command == "serve" else []
    with paperlane(service, command, *options) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert err.startswith("paperlane: The database cannot be reached: ")
