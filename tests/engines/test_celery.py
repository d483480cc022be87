"""What is particular to Celery: its children, its queues and commands, what is forged, and what its settings refuse."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.conftest import ROOT
from tests.databases import Databases, new_file
from tests.engines.carried import IMPORTS, Carried, carried, interpreter

from paperlane.assembly import open_blobs, open_desk, open_ledger
from paperlane.desk import Order
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import Upload
from paperlane.model.tasks import EVERYTHING, Channel, Stage, State
from paperlane.records.accounts import Role
from paperlane.settings import Settings

ALL = ["one", "two", "three"]
CASES = ["celery on Redis", "celery on RabbitMQ"]
on_redis = pytest.mark.parametrize("house", CASES[:1], indirect=True)


@pytest.fixture(scope="module", params=CASES)
def house(
    request: pytest.FixtureRequest, all_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Carried]:
    with carried(request.param, all_databases, tmp_path_factory.mktemp("celery")) as made:
        yield made


@pytest.fixture
def service(house: Carried) -> Iterator[Carried]:
    """At work with four children; a test that starts other programs leaves none behind."""
    house.running()
    yield house
    if len(house.programs) > 1:
        house.stop()


def children(parent: int) -> list[int]:
    """The processes that this one has started."""
    return [int(pid) for pid in subprocess.run(["pgrep", "-P", str(parent)], stdout=-1, check=False).stdout.split()]


def forks(service: Carried) -> set[int]:
    """The four children of Celery's worker that bring what it fetches."""
    (program,) = service.programs
    found = set(children(program.pid)) - set(service.workers())
    assert len(found) == 4
    return found


def said_since(service: Carried, before: int) -> str:
    return service.said[before:]


AT = """
from paperlane.engines.celery import Publisher, program
app = program("redis://127.0.0.1:1/5", lambda *_: [], 1.0, lambda _: 1)
publisher = Publisher("redis://127.0.0.1:1/5")._app
for made in (app, publisher):
    for connection in (made.connection(), made.connection_for_read(), made.connection_for_write(), made.pool.acquire()):
        print(connection.as_uri())
"""


def test_what_the_environment_tells_celery_is_not_where_paperlane_goes():
    names = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
    environment = {**os.environ, **IMPORTS, **dict.fromkeys(names, "redis://127.0.0.1:1/9")}
    ran = subprocess.run([interpreter("celery"), "-c", AT], env=environment, capture_output=True, text=True, check=True)
    assert {said.rpartition("@")[2] for said in ran.stdout.split()} == {"127.0.0.1:1/5"}


FORGED = {
    "Refusing to deserialize untrusted content of type pickle": 2,
    "Can't decode message body: DecodeError": 2,
    "Received and deleted unknown message": 1,
    "Received unregistered task of type 'os.system'": 1,
    "Received unregistered task of type 'celery.map'": 1,
    "what arrived is refused": 4,
}
ON_REDIS = {"Celery did not expect this": 1}  # what stands in a queue need not be a message there


def test_what_is_forged_runs_nothing_is_told_and_stops_nobody(service: Carried):
    service.completed(service.submit(service.user()))  # so there is a queue
    touched, before = service.file(), len(service.said)
    (program,), beside = service.programs, service.workers()
    forge = [service.python, "-m", "tests.engines.forge", service.broker.url, str(touched)]
    subprocess.run(forge, cwd=ROOT, check=True)
    service.completed(service.submit(service.user(), 4))
    service.until(lambda: "forged-11" in said_since(service, before), "the last forged message")
    for words, times in (FORGED | (ON_REDIS if service.broker.url.startswith("redis") else {})).items():
        service.until(lambda w=words, t=times: said_since(service, before).count(w) >= t, words)
    assert not touched.exists()
    assert (program.poll(), service.workers()) == (None, beside)


def test_a_child_that_is_killed_hands_its_lease_back_and_the_task_ends_once(service: Carried):
    path, log = service.file(), service.file()
    names = service.submit(service.user(), 2, log=str(log), **{"wait in two": str(path)})
    service.until(lambda: log.exists() and log.read_text().split() == ["one", "one"], "both tasks")
    service.at(path)
    for pid in forks(service):
        os.kill(pid, signal.SIGKILL)
    service.until(lambda: all(len(service.ledger.attempts(name)) == 2 for name in names), "another attempt of both")
    path.touch()
    service.completed(names)
    assert sorted(log.read_text().split()) == sorted(ALL * 2)


@on_redis
def test_a_redis_that_goes_away_before_anybody_took_what_came_does_not_end_the_program(service: Carried):
    """It asks for more then, and hears first that its connection for commands is lost: in closing it, Celery trips."""
    (program,), stopped, before = service.programs, forks(service), len(service.said)
    beside, asked = service.workers(), redis.Redis.from_url(service.broker.url)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        names = service.submit(service.user(), 3)
        service.until(lambda: said_since(service, before).count("] received") == 3, "what nobody takes")
        service.until(lambda: any("b" in client["flags"] for client in asked.client_list()), "who waits for more")
        os.kill(program.pid, signal.SIGSTOP)
        asked.client_kill_filter(_type="pubsub")
        service.broker.kill()
        os.kill(program.pid, signal.SIGCONT)
        service.until(lambda: "Trying again in" in said_since(service, before), "the loss")
    finally:
        for pid in (program.pid, *stopped):
            os.kill(pid, signal.SIGCONT)
    service.broker.start()
    service.completed([*names, *service.submit(service.user(), 4)])
    # on a busy machine Celery trips elsewhere too: then it begins anew under its number, with another one beside it
    assert (program.poll(), len(service.workers())) == (None, len(beside))


@on_redis
def test_a_program_that_celery_cannot_go_on_with_is_started_anew(service: Carried):
    (program,), before = service.programs, len(service.said)
    strange = ["no message", "no message"]  # after one, it connects anew
    redis.Redis.from_url(service.broker.url).lpush("file_processing", *strange)
    service.until(lambda: "started anew" in said_since(service, before), "the end of the first")
    service.completed(service.submit(service.user(), 4))
    assert program.poll() is None


def test_flower_is_told_whose_task_it_is_and_what_is_done_with_it(service: Carried):
    heard = service.file()
    with heard.open("w") as told:
        listen = [service.python, "-m", "tests.engines.listen", service.broker.url]
        listener = subprocess.Popen(listen, cwd=ROOT, stdout=told)
    try:
        service.until(lambda: "listening" in heard.read_text(), "one who listens to events")
        user = service.user()
        (name,) = service.submit(user)
        service.until(lambda: name in heard.read_text(), "what is told of the task")
    finally:
        listener.kill()
        listener.wait()
    (line,) = [line for line in heard.read_text().splitlines() if name in line]
    assert line == f"paperlane.cpu {name}.1 () {{'user': {user}}}"


@on_redis
def test_celerys_own_command_to_end_drains_too(service: Carried):
    path, log = service.file(), service.file()
    (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
    service.at(path)
    (program,) = service.programs
    words = f"from celery import Celery; Celery(broker={service.broker.url!r}).control.shutdown()"
    subprocess.run([service.python, "-c", words], check=True, timeout=60)
    program.wait(60)
    assert (service.ledger.task(name).status, service.ledger.task(name).attempt) == ("queued", 0)
    path.touch()
    service.running()
    service.completed([name])


@on_redis
def test_an_end_that_is_not_in_order_is_told_by_the_exit_code(service: Carried):
    (program,) = service.programs
    os.kill(program.pid, signal.SIGQUIT)
    assert program.wait(60) == 1


def test_what_comes_does_not_wait_behind_a_busy_worker_while_another_one_is_free(house: Carried):
    house.stop()
    for _ in range(2):
        house.start(1)
    house.workers(2)
    path = house.file()
    slow = house.submit(house.user(), **{"wait in one": str(path)})
    house.at(path)
    quick = [name for _ in range(6) for name in house.submit(house.user())]
    house.completed(quick)
    first = {house.ledger.attempts(name)[0].fence for name in quick}
    assert first == {1}  # none was taken back from where it waited, and handed out again
    assert not house.ledger.task(slow[0]).state.ended
    path.touch()
    house.completed(slow)
    house.stop()


@on_redis
def test_each_stage_has_workers_of_its_own(house: Carried):
    house.stop()
    for stage in Stage:
        house.start(2, "--stage", stage)
    house.workers(2)
    assert {member.channel for member in house.ledger.members()} == {Channel(frozenset({stage})) for stage in Stage}
    log = house.file()
    names = [name for _ in range(2) for name in house.submit(house.user(), 3, log=str(log))]
    house.completed(names)
    assert sorted(log.read_text().split()) == sorted(ALL * 6)
    channels = {member.id: member.channel for member in house.ledger.members()}
    parts = [[channels[past.worker].stages for past in house.ledger.attempts(name)] for name in names]
    assert parts == [[frozenset({Stage.CPU}), frozenset({Stage.MODEL})]] * 6
    house.stop()


@on_redis
def test_a_worker_beside_that_hangs_does_not_keep_celery_from_ending(service: Carried):
    path = service.file()
    (name,) = service.submit(service.user(), **{"wait in two": str(path)})
    service.at(path)
    for pid in service.workers():
        os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    service.stop()
    assert time.monotonic() - begun < 30
    path.touch()
    service.running()
    service.completed([name])


@on_redis
def test_a_redis_that_forgets_all_while_it_runs_costs_nothing(service: Carried):
    path = service.file()
    names = service.submit(service.user(max_running=8), 8, **{"wait in two": str(path)})
    service.at(path)
    flush = "import redis, sys; redis.Redis.from_url(sys.argv[1]).flushall()"
    subprocess.run([service.python, "-c", flush, service.broker.url], check=True)
    path.touch()
    service.completed([*names, *service.submit(service.user(), 4)])


def program(name: str) -> str:
    return str(Path(interpreter("celery")).with_name(name))


def outcome(*command: str, cwd: Path, **settings: str) -> tuple[int, str]:
    """Exit code, and what was said on stderr."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=environment(**settings))
    return done.returncode, done.stderr


def environment(**settings: str) -> dict[str, str]:
    given = {f"PAPERLANE_{name.upper()}": value for name, value in settings.items()}
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), **given}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    """An installation's."""
    new_file(tmp_path / "paperlane.db")
    made = open_ledger(Settings(data=tmp_path))
    yield made
    made.close()


REFUSED = {
    "nobody listens": ({"amqp_url": "amqp://guest:pa55@127.0.0.1:1//"}, "cannot be used"),
    "no password": ({"amqp_url": "amqps://guest@rabbit.example//"}, "would be used without a password"),
    "an address of something else": ({"amqp_url": "sqs://"}, "no address of a broker"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broker_that_cannot_be_used_is_told_in_a_sentence(ledger: SqlLedger, tmp_path: Path, case: str):
    settings, said = REFUSED[case]
    worker = (program("paperlane"), "worker", "--engine", "celery", "--data", str(tmp_path))
    code, words = outcome(*worker, cwd=tmp_path, **settings)
    assert (code, words.count("\n"), said in words) == (2, 1, True), words
    assert "PAPERLANE_" in words
    assert "pa55" not in words


def test_a_broker_that_refuses_the_password_is_told_in_a_sentence(house: Carried, ledger: SqlLedger, tmp_path: Path):
    _, port = house.broker.url.split("://")[1].rstrip("/0").rsplit(":", 1)
    kind = house.broker.url.partition(":")[0]
    url = f"{kind}://guest:pa55@127.0.0.1:{port}//"
    setting = {"amqp": "amqp_url", "redis": "redis_url"}[kind]
    worker = (program("paperlane"), "worker", "--engine", "celery", "--data", str(tmp_path))
    code, words = outcome(*worker, cwd=tmp_path, **{setting: url})
    assert (code, words.count("\n"), "cannot be used" in words, "pa55" in words) == (2, 1, True, False), words


def test_celerys_own_command_refuses_with_a_sentence_too(tmp_path: Path):
    celery = (program("celery"), "-A", "paperlane.entry.celery", "worker")
    code, words = outcome(*celery, cwd=tmp_path, amqp_url="amqp://guest@rabbit.example//")
    assert (code, words.count("\n"), "without a password" in words) == (2, 1, True), words


@on_redis
def test_a_document_is_tested_by_the_command(house: Carried, ledger: SqlLedger, tmp_path: Path):
    """And Celery's own commands: `-Q` and `-c` say what a worker serves, and others start no worker beside."""
    house.stop()
    settings = Settings(data=tmp_path, engine="celery")
    ours = {"data": str(tmp_path), "redis_url": house.broker.url, "log_level": "warning"}
    celery = [program("celery"), "-A", "paperlane.entry.celery"]
    commands = [
        [program("paperlane"), "worker", "--engine", "celery", "--stage", "cpu", "--slots", "1"],
        [*celery, "worker", "-Q", "ai_processing", "-n", "models@%h"],
        [*celery, "worker", "-Q", "file_processing,ai_processing", "-c", "2", "-n", "both@%h"],
    ]
    with (tmp_path / "log").open("w") as log:
        started = [
            subprocess.Popen(command, cwd=tmp_path, env=environment(**ours), stdout=log, stderr=log)
            for command in commands
        ]
    try:
        house.until(lambda: len(ledger.members()) == len(started), "all workers")
        found = {member.channel: member.slots for member in ledger.members()}
        cpu, model = (Channel(frozenset({stage})) for stage in Stage)
        assert found == {cpu: 1, model: 20, EVERYTHING: 2}
        (name,) = submitted(settings, ledger)
        house.until(lambda: ledger.task(name).state.ended, "the report")
        assert ledger.task(name).state is State.COMPLETED
        nowhere = {**ours, "data": str(tmp_path / "nowhere")}  # a worker beside would say that there is nothing
        code, words = outcome(*celery, "inspect", "ping", cwd=tmp_path, **nowhere)
        assert (code, words) == (0, "")
    finally:
        for one in started:
            one.terminate()
        assert [one.wait(60) for one in started] == [0, 0, 0], (tmp_path / "log").read_text()
    assert not ledger.members()


def submitted(settings: Settings, ledger: SqlLedger) -> list[str]:
    """A document of somebody's, to be tested."""
    desk, content = open_desk(settings, ledger), b"# 1 Scope\n\nThe pump shall be be quiet.\n"
    account = desk.accounts.add_user(None, "ann", Role.USER, "", None, None)
    file = open_blobs(settings).create()
    file.write(content)
    file.close()
    order = Order([Upload("pump.md", "text/markdown", len(content), "0" * 64, file.reference)])
    batch, _ = desk.tasks.submit(account, order)
    return [task.id for task in ledger.tasks(batch=batch.id)]
