"""What ARQ adds: jobs that anybody may have written to Redis, queues for shards of users, its own look at workers."""

import json
import os
import pickle
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT
from tests.databases import Databases, new_file
from tests.engines.carried import Carried, carried
from tests.engines.test_programs import said
from tests.engines.test_rq import asked

from paperlane.engines.door import words_of
from paperlane.model.tasks import Lease, TaskId, UserId

QUEUE = "paperlane:arq"
LEASE = words_of(Lease(TaskId("nobody"), 1))


@pytest.fixture(scope="module")
def service(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    with carried("arq", all_databases, tmp_path_factory.mktemp("arq")) as made:
        made.start()
        made.workers()
        yield made


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


def put(service: Carried, name: str | bytes, job: bytes) -> None:
    """A job as ARQ writes it down, by whoever reaches Redis."""
    now = str(time.time_ns() // 1_000_000)
    asked(service, "PSETEX", b"arq:job:" + (name.encode() if isinstance(name, str) else name), "60000", job)
    asked(service, "ZADD", QUEUE, now, name)


def job(function: str, **words: object) -> bytes:
    return json.dumps({"t": None, "f": function, "a": [], "k": words, "et": 1_700_000_000_000}).encode()


def test_a_forged_pickle_runs_nothing(service: Carried):
    path = service.file()
    pickled = pickle.dumps({"t": None, "f": "paperlane.run", "a": (Evil(path),), "k": LEASE, "et": 1})
    assert pickle.loads(pickle.dumps(Evil(service.file()))) == 0  # where it is unpickled it does run
    put(service, "pickled", pickled)
    service.completed(service.submit(service.user(), 2))
    service.until(lambda: asked(service, "ZSCORE", QUEUE, "pickled") is None, "the end of the forged job")
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "forged"),
    [
        ("unknown", job("os.system", command="touch")),
        ("junk", job("paperlane.run", task=1, fence="x")),
        ("more", job("paperlane.run", **LEASE, ctx=1)),
        ("list", b"[]"),
        ("odd", b'{"t": "x", "f": "paperlane.run", "a": [], "k": {}, "et": 1}'),
        ("later", b'{"t": null, "f": "paperlane.run", "a": [], "k": {}, "et": "x"}'),
        (b"\xff\xfe", b"{}"),
    ],
    ids=["a function", "no lease", "too much", "a list", "odd tries", "odd times", "a name that is no text"],
)
def test_what_is_no_lease_is_refused_and_stops_nobody(service: Carried, name: str | bytes, forged: bytes):
    put(service, name, forged)
    service.completed(service.submit(service.user(), 2))
    service.until(lambda: asked(service, "ZSCORE", QUEUE, name) is None, "the end of the forged job")
    assert service.programs[0].poll() is None


def test_arq_itself_tells_whether_a_worker_lives(service: Carried):
    service.until(lambda: asked(service, "EXISTS", f"{QUEUE}:health-check") == 1, "a sign of life")
    command = [Path(service.python).parent / "arq", "--check", "paperlane.entry.arq.WorkerSettings"]
    given = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PAPERLANE_REDIS_URL": service.broker.url}
    assert subprocess.run(command, env=given, capture_output=True, check=False).returncode == 0
    asked(service, "DEL", f"{QUEUE}:health-check")
    assert subprocess.run(command, env=given, capture_output=True, check=False).returncode == 1


def test_each_shard_of_users_has_a_queue_and_a_worker(
    all_databases: Databases, tmp_path_factory: pytest.TempPathFactory
):
    with carried("arq", all_databases, tmp_path_factory.mktemp("shards")) as service:
        users = [service.user() for _ in range(4)]
        tasks = {user: service.submit(user, 3) for user in users}
        service.start(2, "--shards", "2", "--shard", "1")
        odd = [name for user in users if user % 2 for name in tasks[UserId(user)]]
        service.completed(odd)
        even = [name for user in users if not user % 2 for name in tasks[UserId(user)]]
        assert {service.ledger.task(name).status for name in even} == {"queued"}
        service.start(2, "--shards", "2", "--shard", "0")
        service.completed(even)
        assert {member.channel.shard for member in service.ledger.members()} == {0, 1}


def test_without_its_redis_it_can_be_stopped_still(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory):
    with carried("arq", all_databases, tmp_path_factory.mktemp("away")) as service:
        program = service.start()
        service.workers()
        service.until(lambda: asked(service, "EXISTS", f"{QUEUE}:health-check") == 1, "a sign of life")
        service.broker.kill()
        program.terminate()
        assert program.wait(60) == 0
        assert not service.ledger.members()
        service.broker.start()


def test_an_address_where_nobody_answers_is_refused_at_the_start(tmp_path: Path):
    """Something else listens there, and waits for words of its own."""
    new_file(tmp_path / "paperlane.db")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        given = {"PAPERLANE_REDIS_URL": where, "PAPERLANE_DATA": str(tmp_path)}
        code, words = said("arq", "paperlane", "worker", "--engine", "arq", **given)
    assert code == 2
    assert words.endswith(
        f"The broker at {where} cannot be used: it does not answer."
        " Start it, or correct its address in PAPERLANE_REDIS_URL.\n"
    )
