"""The commands that people start: `paperlane worker` for engines of other makers, and these makers' own commands."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import accumulate, pairwise
from pathlib import Path
from signal import SIGKILL

import pytest
from tests.buckets import Buckets
from tests.conftest import ROOT, Service, until
from tests.databases import new_file
from tests.engines.carried import ENGINES, interpreter
from tests.forking import run
from tests.service.test_buckets import LARGE, VAGUE
from tests.service.test_service import assert_nothing_ran_twice, ended, upload
from tools.servers import Server

from paperlane.blobs.s3 import open_bucket
from paperlane.model.tasks import PastAttempt, TaskId

CARRIED = ("arq", "celery", "rq")
PLAIN = {
    "arq": ("arq", "paperlane.entry.arq.WorkerSettings"),
    "celery": ("celery", "-A", "paperlane.entry.celery", "worker"),
}
"""The commands of other makers that load Paperlane's part themselves."""
ON_POSTGRESQL = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)


@contextmanager
def program(
    engine: str, broker: str, service: Service, *command: str, data: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A command of an engine's environment, at work for a service's installation, or for its `data` elsewhere."""
    environment = {
        **os.environ,
        **service.environment,
        "PAPERLANE_DATA": str(data or service.data),
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


@pytest.mark.parametrize("case", ENGINES)
@ON_POSTGRESQL
def test_documents_are_tested_on_a_host_that_has_none_of_the_services_folders(
    new_service: Callable[..., Service],
    buckets: Buckets,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
):
    broker: Server = request.getfixturevalue("rabbitmq" if case.endswith("RabbitMQ") else "redis")
    for name, value in buckets.environment().items():
        monkeypatch.setenv(name, value)
    engine = ENGINES[case][0]
    service = new_service(workers=0, engine=engine, blobs=buckets.new())
    client, command = service.user(), ("paperlane", "worker", "--engine", engine, "--slots", "2")
    with program(engine, broker.url, service, *command, data=tmp_path / "elsewhere"):
        batch = upload(client, VAGUE, LARGE, VAGUE)
        found = {(task["status"], task["engine"], task["attempt"]) for task in ended(client, batch)}
        assert found == {("completed", engine, 1)}, service.log()
    first, large, _ = (task["id"] for task in batch["tasks"])
    assert {issue["rule"] for issue in client.get(f"tasks/{first}/issues").json()["items"]} >= {"vague-term"}
    assert client.get(f"tasks/{large}/document").json()["text"].count("The pump") == 1_000
    assert len(list(open_bucket(service.environment["PAPERLANE_BLOBS"], "results").written(0, 1e12))) > 0
    assert not [*tmp_path.glob("*/blobs"), *tmp_path.glob("*/results")]
    assert_nothing_ran_twice(service)


@pytest.mark.parametrize("engine", PLAIN)
def test_its_own_command_does_the_same(new_service: Callable[..., Service], redis: Server, engine: str):
    service = new_service(workers=0, slots=2, engine=engine)
    with program(engine, redis.url, service, *PLAIN[engine]):
        client = service.user()
        tasks = ended(client, upload(client, "The gateway shall be fast.", "Fine."))
        assert [(task["status"], task["engine"]) for task in tasks] == [("completed", engine)] * 2, service.log()
        assert sum(task["issues"]["warning"] for task in tasks) == 1


@pytest.mark.parametrize("engine", CARRIED)
def test_its_worker_says_when_it_is_ready(new_service: Callable[..., Service], redis: Server, engine: str):
    service = new_service(workers=0)
    with program(engine, redis.url, service, "paperlane", "worker", "--engine", engine, "--slots", "2"):
        until(lambda: f"worker ready engine={engine} slots=2 " in service.log())


@ON_POSTGRESQL
def test_a_batch_moves_from_engine_to_engine_while_it_runs(
    new_service: Callable[..., Service], redis: Server, rabbitmq: Server
):
    service = new_service(workers=1, slots=2)
    client, ledger, most = service.user(limit=2), service.ledger(), 0

    def ended_on(*engines: str) -> int:
        """Counts how many hold a turn, by the way."""
        nonlocal most
        most = max([most, *(lane.running + lane.leased for lane in ledger.queue().lanes)])
        return sum(task.state.ended and task.engine in engines for task in ledger.tasks(limit=200))

    with ExitStack() as kept:
        for engine in CARRIED:
            command = ("paperlane", "worker", "--engine", engine, "--slots", "2")
            kept.enter_context(program(engine, (rabbitmq if engine == "celery" else redis).url, service, *command))
        until(lambda: {member.engine for member in ledger.members()} >= {"database", *CARRIED})
        batch = upload(client, *[f"The gateway {n} shall be fast. " * 20 for n in range(200)])
        for before, engine in pairwise(["database", *CARRIED, "database"]):
            until(lambda before=before: ended_on(before) >= 20)
            moves = run(("rollout", "set", engine, "100", "--database", service.database), None)
            assert moves.returncode == 0, moves.stderr
        until(lambda: ended_on("database", *CARRIED) == 200)
        tasks = ended(client, batch)
    assert {(task["status"], task["attempt"]) for task in tasks} == {("completed", 1)}
    assert {task["engine"] for task in tasks} == {"database", *CARRIED}
    attempts = [past for task in tasks for past in ledger.attempts(TaskId(task["id"]))]
    assert (most, at_once(attempts)) == (2, 2)
    ledger.close()
    assert_nothing_ran_twice(service)


def at_once(attempts: Sequence[PastAttempt]) -> int:
    """How many ran at the same time, at most."""
    changes = sorted([(past.started_at, 1) for past in attempts] + [(past.ended_at, -1) for past in attempts])
    return max(accumulate(change for _, change in changes))


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
    assert f"make engine-{engine}; elsewhere: pip install 'paperlane[{engine}]'" in told


@pytest.mark.parametrize(("option", "whose"), [("--stage", "celery"), ("--shard", "arq")])
def test_an_option_of_another_engine_is_told_before_what_it_says(tmp_path: Path, option: str, whose: str):
    code, told = said("rq", "paperlane", "worker", "--engine", "rq", option, "7", "--data", str(tmp_path))
    assert (code, told) == (2, f"paperlane: {option} is for the engine {whose}, not for rq. Leave {option} out.\n")


def test_an_engine_without_workers_is_told(tmp_path: Path):
    new_file(tmp_path / "paperlane.db")
    code, told = said("arq", "paperlane", "worker", "--engine", "inline", "--data", str(tmp_path))
    assert code == 2
    assert "Name one of database, arq, celery, rq." in told
