"""What all tests share: the corpus, a running service, and the rule that CI skips nothing for a missing program."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import HealthCheck, settings
from pysqlite3 import dbapi2
from tests.buckets import Buckets
from tests.databases import KINDS, SERVERS, Databases, new_file
from tests.forking import Command
from tools import servers
from tools.servers import Missing, Server

from paperlane.assembly import open_desk, open_ledger
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.records.accounts import Role
from paperlane.settings import Settings

ROOT = Path(__file__).parents[1]
CORPUS = Path(os.environ.get("PAPERLANE_CORPUS", ROOT / "../shared/corpus"))
IN_CI = os.environ.get("CI") == "true"

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("laptop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if IN_CI else "laptop")

# by itself it shows the value of every variable with each error, which takes many seconds of the processor
structlog.configure(
    processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
    wrapper_class=structlog.make_filtering_bound_logger(0),
)


def needs(what: str, *, there: bool) -> None:
    """Skip on a laptop without this program; in CI a missing one is a failure."""
    if not there:
        (pytest.fail if IN_CI else pytest.skip)(f"this needs {what}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What `make engines` asks for."""
    parser.addoption("--whole", action="store_true", help="the long form of what has one")


@pytest.fixture(scope="session")
def whole(pytestconfig: pytest.Config) -> bool:
    """Is there time for the long form of a test?"""
    return pytestconfig.getoption("whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that take a minute stand apart, each in another process's share and none at its end: all would wait."""
    longest = [item for item in items if item.get_closest_marker("timeout")]
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    items[:] = [item for item in items if item not in longest]
    share = len(items) // processes
    for number, item in enumerate(longest):
        items.insert(number % processes * share + (number + 1) * share // (2 * len(longest)), item)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real documents, awkward ones and labelled data; not part of the project, so CI may be without them too."""
    if not CORPUS.is_dir():
        pytest.skip("this needs the corpus beside the checkout (PAPERLANE_CORPUS)")
    return CORPUS


@pytest.fixture(scope="session")
def all_databases() -> Iterator[Databases]:
    """The servers of this run."""
    made = Databases()
    yield made
    made.close()


@pytest.fixture
def databases(request: pytest.FixtureRequest, all_databases: Databases) -> Databases:
    """The servers of this run; a test for one that is not installed is skipped, or fails in CI."""
    if kind := getattr(request.node, "callspec", None) and next(iter(k for k in SERVERS if k in request.node.name), ""):
        try:
            all_databases.server(kind)
        except Missing as missing:
            needs(str(missing), there=False)
    return all_databases


@contextmanager
def started(start: Callable[[], Server]) -> Iterator[Server]:
    """A server of its own; where it is not installed the test is skipped, or fails in CI."""
    try:
        server = start()
    except Missing as missing:
        needs(str(missing), there=False)
        raise
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def buckets() -> Iterator[Buckets]:
    """Buckets of an S3 server."""
    with started(servers.moto) as server:
        yield Buckets(server)


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    """A Redis of this module's own."""
    with started(servers.redis) as server:
        yield server


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[Server]:
    """A RabbitMQ of this module's own."""
    with started(servers.rabbitmq) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """A browser of the system's."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    needs("chromium", there=found is not None)
    return str(found)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database that services run on; `EVERY_KIND` runs a test on each."""
    return getattr(request, "param", KINDS[0])


EVERY_KIND = pytest.mark.parametrize("kind", KINDS, indirect=True)


@pytest.fixture
def new_database(kind: str, databases: Databases, tmp_path: Path) -> Callable[[], str]:
    """Gives the addresses of empty databases of that kind."""
    urls = databases.urls(kind, tmp_path)
    return lambda: next(urls)


@dataclass
class Service:
    """A real `paperlane serve` on a free port."""

    data: Path
    environment: dict[str, str]
    database: str
    loads: bool = False  # as where a shell starts it; others are forked from a process in which it is loaded
    process: Command | subprocess.Popen[str] | None = None
    url: str = ""
    clients: list[httpx.Client] = field(default_factory=list)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.begin()
        self.url = self.says(r"ready at (\S+)")

    def begin(self) -> None:
        """Start its process."""
        with (self.data.parent / "stderr.txt").open("a") as stderr:
            command = ("serve", "--port", "0", "--data", str(self.data))
            environment = {**os.environ, **self.environment}
            if not self.loads:
                self.process = Command(*command, stderr=stderr, environment=environment)
                return
            self.process = subprocess.Popen(
                [sys.executable, "-m", "paperlane", *command],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environment,
                start_new_session=True,
            )

    def says(self, pattern: str) -> str:
        """Wait for a line that it prints, and return what the pattern finds in it."""
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(pattern, line):
                return found[1]
        raise AssertionError(self.log())

    def first_link(self) -> str:
        """The link that the first start prints."""
        assert self.process is not None
        assert self.process.stdout is not None
        return re.search(r"http\S+once=\S+", self.process.stdout.readline())[0]  # type: ignore[index]

    def workers(self) -> list[int]:
        """The process ids of the supervised workers."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        names = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return [pid for pid, name in names.items() if b"worker" in name and b"--supervised" in name]

    def ledger(self) -> SqlLedger:
        """Its ledger, looked at from here."""
        return SqlLedger(connect(self.database))

    def change(self, *statements: str) -> None:
        """Change its database behind its back."""
        dialect = connect(self.database)
        with dialect.writer.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        dialect.close()

    def log(self) -> str:
        """What it wrote to stderr so far."""
        return (self.data.parent / "stderr.txt").read_text()

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def kill(self) -> None:
        """Kill it and its workers with -9, as a power cut would: nothing is told, and nobody drains."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # or it would see its workers die, and say so
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()

    def user(self, name: str = "", role: Role = Role.USER, limit: int | None = None) -> httpx.Client:
        """A client signed in as a new user, who is made here: `paperlane user add` takes a start for it.

        Who is given no name gets one that nobody has.
        """
        named = {name.removeprefix("PAPERLANE_").lower(): value for name, value in self.environment.items()}
        settings = Settings(data=self.data, **named)  # type: ignore[arg-type]  as text, as in the environment
        with closing(open_ledger(settings)) as ledger:
            accounts = open_desk(settings, ledger).accounts
            account = accounts.add_user(None, name or f"user-{token_hex(4)}", role, "", limit, None)
            return self.client(accounts.new_token(None, account))

    def client(self, token: str) -> httpx.Client:
        """A client with this token; it need not read what the system trusts, for it speaks plain HTTP."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.url}/api/v1/"
        self.clients.append(httpx.Client(base_url=url, headers=headers, timeout=60, verify=False))
        return self.clients[-1]

    def end(self) -> None:
        """Kill what still runs, and close what was opened here."""
        for client in self.clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()


USUALLY = {
    "sandboxes": 1,  # a worker: each child takes half a second of a core before its first step
    "slots_min": 1_000,  # all of them: how many tasks run shall not depend on what else the machine does
}


def service_of(data: Path, database: str, kind: str, **given: object) -> Service:
    """A service with these settings, not started yet; an SQLite database is the one in its data folder."""
    environment = {f"PAPERLANE_{name.upper()}": str(value) for name, value in (USUALLY | given).items()}
    if kind in SERVERS:
        environment["PAPERLANE_DATABASE_URL"] = database
    return Service(data, environment, database)


@contextmanager
def shared_service(folder: Path, databases: Databases, kind: str = KINDS[0], **given: object) -> Iterator[Service]:
    """A service on which each test has users of its own: to start one takes longer than most of them."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    database = databases.bare(kind, folder) if kind in SERVERS else new_file(data / "paperlane.db")
    service = service_of(data, database, kind, **given)
    try:
        service.start()
        yield service
    finally:
        service.end()


@pytest.fixture
def new_service(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> Iterator[Callable[..., Service]]:
    """Makes services with their settings, on new databases or on a given one; each is stopped at the end.

    The databases have their tables, but for an SQLite one where a `bare` one is asked for: that is a first start, and
    as a shell would do it.
    """
    made: list[Service] = []

    def make(*, beside: Service | None = None, bare: bool = False, **given: object) -> Service:
        data = tmp_path / f"data{len(made)}" if beside is None else beside.data
        database = f"sqlite:///{data}/paperlane.db"
        if beside is not None:
            database = beside.database
        elif kind in SERVERS:
            database = request.getfixturevalue("new_database")()
        elif not bare:
            data.mkdir(mode=0o700)
            new_file(data / "paperlane.db")
        made.append(service_of(data, database, kind, **given))
        made[-1].loads = bare
        made[-1].start()
        return made[-1]

    yield make
    for service in made:
        service.end()


@contextmanager
def taken(database: Path) -> Iterator[None]:
    """Another program has begun to write an SQLite file, and does not end."""
    holder = dbapi2.connect(str(database), isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def until(holds: Callable[[], Any], seconds: float = 90.0, pause: float = 0.02) -> Any:
    """Ask again and again until something is true, and return it; other processes make it so."""
    deadline = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(pause)
    return answer
