"""The commands that people start: `paperlane worker` for engines of other makers, and these makers' own commands."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import pytest
from tests.conftest import ROOT, Service, needs, until
from tests.databases import new_file
from tests.engines.carried import interpreter
from tests.ledger.invariants import check_invariants
from tests.service.test_service import ended, upload
from tools import servers
from tools.servers import Missing, Server

from paperlane.model.tasks import UserId
from paperlane.records import accounts

CARRIED = ("arq", "celery", "rq")
PLAIN = {
    "arq": ("arq", "paperlane.entry.arq.WorkerSettings"),
    "celery": ("celery", "-A", "paperlane.entry.celery", "worker"),
}
"""The commands of other makers that load Paperlane's part themselves."""


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    try:
        made = servers.redis()
    except Missing as missing:
        needs(str(missing), there=False)
        raise
    yield made
    made.close()


@contextmanager
def program(engine: str, broker: str, service: Service, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of an engine's environment, at work for a service's installation."""
    environment = {
        **os.environ,
        **service.environment,
        "PAPERLANE_DATA": str(service.data),
        "PYTHONPATH": str(ROOT / "src"),
    }
    environment["PAPERLANE_AMQP_URL" if broker.startswith("amqp") else "PAPERLANE_REDIS_URL"] = broker
    where = Path(interpreter(engine)).parent
    with (service.data.parent / "stderr.txt").open("ab") as log:
        process = subprocess.Popen(
            [where / command[0], *command[1:]], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
        process.terminate()
        process.wait(60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        process.wait()


def said(engine: str, *command: str, **environment: str) -> tuple[int, str]:
    """The exit code of a command of an engine's environment, and what it says on stderr."""
    where = Path(interpreter(engine)).parent
    given = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    ran = subprocess.run(
        [where / command[0], *command[1:]], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    return ran.returncode, ran.stderr


def check_documents_are_tested(service: Service, engine: str) -> None:
    client = service.user()
    tasks = ended(client, upload(client, "The gateway shall be fast.", "Fine."))
    assert [(task["status"], task["engine"]) for task in tasks] == [("completed", engine)] * 2, service.log()
    assert sum(task["issues"]["warning"] for task in tasks) == 1


@pytest.mark.parametrize("engine", CARRIED)
def test_documents_are_tested_by_its_worker(new_service: Callable[..., Service], redis: Server, engine: str):
    service = new_service(workers=0, engine=engine)
    with program(engine, redis.url, service, "paperlane", "worker", "--engine", engine, "--slots", "2"):
        check_documents_are_tested(service, engine)


@pytest.mark.parametrize("engine", PLAIN)
def test_its_own_command_does_the_same(new_service: Callable[..., Service], redis: Server, engine: str):
    service = new_service(workers=0, slots=2, engine=engine)
    with program(engine, redis.url, service, *PLAIN[engine]):
        check_documents_are_tested(service, engine)


def test_a_batch_moves_from_engine_to_engine_while_it_runs(new_service: Callable[..., Service], redis: Server):
    service = new_service(workers=1, slots=2)
    client = service.user(limit=2)
    ledger = service.ledger()
    user = UserId(max(ledger.read(lambda connection: [one.id for one in accounts.everyone(connection)])))
    with ExitStack() as kept:
        for engine in CARRIED:
            command = ("paperlane", "worker", "--engine", engine, "--slots", "2")
            kept.enter_context(program(engine, redis.url, service, *command))
        until(lambda: {member.engine for member in ledger.members()} >= {"database", *CARRIED})
        batch = upload(client, *[f"The gateway {n} shall be fast. " * 20 for n in range(30)])
        most = 0

        def done() -> int:
            nonlocal most
            most = max([most, *(lane.running + lane.leased for lane in ledger.queue().lanes)])
            return sum(task.state.ended for task in ledger.tasks(user=user, limit=100))

        for moved, engine in enumerate([*CARRIED, "database"], 1):
            until(lambda moved=moved: done() >= 5 * moved)
            ledger.lane(user, engine=engine)
        until(lambda: done() == 30)
        tasks = ended(client, batch)
    assert {task["status"] for task in tasks} == {"completed"}
    assert {task["engine"] for task in tasks} == {"database", *CARRIED}
    assert most == 2
    check_invariants(ledger)
    ledger.close()


@pytest.mark.parametrize("engine", CARRIED)
@pytest.mark.parametrize("command", ["worker", "dispatcher"])
def test_a_broker_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, engine: str, command: str):
    new_file(tmp_path / "paperlane.db")
    options = ("paperlane", command, "--engine", engine, "--data", str(tmp_path))
    code, told = said(engine, *options, PAPERLANE_REDIS_URL="redis://:secret@127.0.0.1:1/0")
    assert (code, told.count("\n")) == (2, 1), told
    assert "127.0.0.1:1" in told
    assert "secret" not in told


@pytest.mark.parametrize("engine", CARRIED)
def test_a_missing_library_is_told_at_the_start(tmp_path: Path, engine: str):
    """In the environment of another engine."""
    new_file(tmp_path / "paperlane.db")
    other = CARRIED[CARRIED.index(engine) - 1]
    if (engine, other) == ("rq", "celery"):
        other = "arq"
    code, told = said(other, "paperlane", "worker", "--engine", engine, "--data", str(tmp_path))
    assert (code, told.count("\n")) == (2, 1), told
    assert f"pip install 'paperlane[{engine}]'" in told


def test_an_engine_without_workers_is_told(tmp_path: Path):
    new_file(tmp_path / "paperlane.db")
    code, told = said("arq", "paperlane", "worker", "--engine", "inline", "--data", str(tmp_path))
    assert code == 2
    assert "Name one of database, arq, celery, rq." in told
