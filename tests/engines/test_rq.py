"""What RQ adds: forks and kills, a Redis that anybody may have written to, and commands to its workers."""

import json
import os
import pickle
import signal
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.databases import Databases, new_file
from tests.engines.carried import Carried, carried

from paperlane.engines.door import words_of
from paperlane.model.tasks import Lease, TaskId

ALL = ["one", "two", "three"]
SLOTS = 2
QUEUE = "rq:queue:document_processing"
LEASE = words_of(Lease(TaskId("nobody"), 1))


@pytest.fixture(scope="module")
def house(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    with carried("rq", all_databases, tmp_path_factory.mktemp("rq")) as made:
        yield made


@pytest.fixture
def service(house: Carried) -> Carried:
    """At work with two RQ workers, of which each has asked for jobs."""
    if all(program.poll() is not None for program in house.programs):
        house.programs.clear()
        house.start(SLOTS)
    house.workers()
    house.until(lambda: len(workers(house)) == SLOTS and asked(house, "SCARD", "rq:workers") >= SLOTS, "RQ's workers")
    return house


def asked(service: Carried, *words: str | bytes) -> object:
    """What Redis answers to a command."""
    command = [word.encode() if isinstance(word, str) else word for word in words]
    with socket.create_connection(("127.0.0.1", service.broker.port), 10) as redis, redis.makefile("rb") as answers:
        redis.sendall(b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in command))
        return _read(answers)


def _read(answers: object) -> object:
    line = answers.readline()  # type: ignore[attr-defined]
    match line[:1], line[1:].strip():
        case b":", number:
            return int(number)
        case b"$", b"-1":
            return None
        case b"$", length:
            return answers.read(int(length) + 2)[:-2].decode(errors="surrogateescape")  # type: ignore[attr-defined]
        case b"*", length:
            return [_read(answers) for _ in range(int(length))]
        case b"+", said:
            return said.decode()
        case _:
            raise AssertionError(line)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def workers(service: Carried) -> list[int]:
    """The process ids of RQ's workers."""
    found = [child for program in service.programs for child in children(program.pid)]
    return [pid for pid in found if "--one" in command_of(pid)]


def horse(service: Carried) -> int:
    """The process id of the one work-horse there is."""
    service.until(lambda: len([child for pid in workers(service) for child in children(pid)]) == 1, "a work-horse")
    (pid,) = [child for pid in workers(service) for child in children(pid)]
    return pid


def names(service: Carried) -> list[str]:
    """What RQ calls its workers."""
    return [str(key).removeprefix("rq:worker:") for key in asked(service, "SMEMBERS", "rq:workers")]  # type: ignore[union-attr]


def pid_of(service: Carried, name: str) -> int:
    """The process that has this name."""
    return int(str(asked(service, "HGET", f"rq:worker:{name}", "pid") or 0))


def forge(service: Carried, name: str | bytes, data: bytes, **fields: str) -> None:
    """Put a job into the queue, as anybody may who reaches Redis."""
    told = {"status": "queued", "created_at": "2026-11-01T00:00:00.000000Z", **fields}
    pairs = [word for pair in told.items() for word in pair]
    key = b"rq:job:" + (name.encode() if isinstance(name, str) else name)
    asked(service, "HSET", key, "data", data, *pairs)
    asked(service, "RPUSH", QUEUE, name)


def call(function: object, *given: object) -> bytes:
    return json.dumps([function, None, given, {}]).encode()


class Evil:
    """Runs a command where it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> object:
        return os.system, (self.command,)


class TestForged:
    def test_jobs_that_ask_for_something_else_run_nothing(self, service: Carried):
        ran = service.file()
        (service.folder / "forged.py").write_text(f"open({str(ran)!r}, 'w')\nfunction = print\n")
        before = workers(service)
        forge(service, "a-pickle", pickle.dumps(("f", None, (Evil(f"touch {ran}"),), {})))
        forge(service, "a-command", call("os.system", f"touch {ran}"))
        forge(service, "a-module", call("forged.function", LEASE))
        forge(service, "a-method", json.dumps(["run", "paperlane.entry.rq", [LEASE], {}]).encode())
        for when in ("success", "failure", "stopped"):
            for name, given in (("ends", LEASE), ("fails", 5)):
                told = {f"{when}_callback_name": "forged.function"}
                forge(service, f"{when}-{name}", call("paperlane.entry.rq.run", given), **told)
        names = [f"a-{what}" for what in ("pickle", "command", "module", "method")]
        names += [f"{when}-{name}" for when in ("success", "failure", "stopped") for name in ("ends", "fails")]
        service.until(
            lambda: {asked(service, "HGET", f"rq:job:{name}", "status") for name in names} <= {"finished", "failed"},
            "the end of what was forged",
        )
        assert not ran.exists()
        assert {asked(service, "HGET", f"rq:job:{name}", "status") for name in names[:4]} == {"failed"}
        assert "Nothing but paperlane.entry.rq.run is run here, and a job asks for 'os.system'" in service.said
        assert workers(service) == before
        service.completed(service.submit(service.user()))

    def test_junk_stops_no_worker(self, service: Carried):
        before, already = workers(service), service.said.count("is passed over")
        junk = [
            "5",
            "[]",
            '"words"',
            "null",
            json.dumps({**LEASE, "fence": "3"}),
            json.dumps({**LEASE, "stage": "gpu"}),
        ]
        for number, words in enumerate(junk):
            forge(service, f"junk-{number}", call("paperlane.entry.rq.run", json.loads(words)))
        forge(service, "no-tuple", b"5")
        forge(service, "no-time", call("paperlane.entry.rq.run", LEASE), created_at="yesterday")
        forge(service, "no-status", call("paperlane.entry.rq.run", LEASE), status="asleep")
        forge(service, "no id", call("paperlane.entry.rq.run", LEASE))
        forge(service, b"\xff\xfe", call("paperlane.entry.rq.run", LEASE))
        asked(service, "RPUSH", "rq:job:a-list", "x")
        asked(service, "RPUSH", QUEUE, "a-list", "of-nothing")
        names = [*(f"junk-{number}" for number in range(len(junk))), "no-tuple"]
        service.until(
            lambda: {asked(service, "HGET", f"rq:job:{name}", "status") for name in names} == {"failed"}, "the refusals"
        )
        service.until(lambda: service.said.count("is passed over") == already + 5, "what is told of junk")
        service.completed(service.submit(service.user(), 2))
        assert workers(service) == before

    def test_words_that_are_no_command_stop_no_commands(self, service: Carried):
        (pid, *_) = before = workers(service)
        (name,) = [name for name in names(service) if pid_of(service, name) == pid]
        channel = f"rq:pubsub:{name}"
        for words in ("{", "[]", "{}"):
            assert asked(service, "PUBLISH", channel, words) == 1
        assert asked(service, "PUBLISH", channel, '{"command": "shutdown"}') == 1
        service.until(lambda: pid not in workers(service), "the end of a worker that was told to shut down")
        service.until(lambda: len(workers(service)) == SLOTS, "another worker")
        assert before != workers(service)


class TestKilled:
    @pytest.mark.parametrize("how", ["killed", "stopped by a command", "out of time"])
    def test_what_a_work_horse_brought_is_handed_back(self, service: Carried, how: str):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        Path(f"{path}.at").unlink()
        match how:
            case "killed":
                os.kill(horse(service), signal.SIGKILL)
            case "out of time":
                os.kill(horse(service), signal.SIGALRM)  # which RQ itself sends after ten minutes
            case _:
                worker = asked(service, "HGET", f"rq:job:{name}-1", "worker_name")
                command = json.dumps({"command": "stop-job", "job_id": f"{name}-1"})
                assert asked(service, "PUBLISH", f"rq:pubsub:{worker}", command) == 1
        service.at(path)
        path.touch()
        service.completed([name])
        assert log.read_text().split() == ALL
        service.until(
            lambda: asked(service, "HGET", f"rq:job:{name}-1", "status") in {"failed", "stopped"}, "what RQ tells of it"
        )

    def test_what_a_worker_waited_for_goes_on_and_another_is_started(self, service: Carried):
        path, log = service.file(), service.file()
        (name,) = service.submit(service.user(), log=str(log), **{"wait in two": str(path)})
        service.at(path)
        (busy,) = [pid for pid in workers(service) if children(pid)]
        os.kill(busy, signal.SIGKILL)
        service.until(lambda: busy not in workers(service) and len(workers(service)) == SLOTS, "another worker")
        path.touch()
        service.completed([name])
        assert (log.read_text().split(), service.ledger.task(name).attempt) == (ALL, 1)

    def test_all_end_with_the_program(self, service: Carried):
        path = service.file()
        (name,) = service.submit(service.user(), **{"wait in two": str(path)})
        service.at(path)
        left = [*workers(service), horse(service), *service.workers()]
        assert all(map(command_of, left))
        for program in service.programs:
            program.kill()
            program.wait()
        service.until(lambda: not any(map(command_of, left)), "the end of all processes")
        assert (service.ledger.task(name).status, service.ledger.task(name).attempt) == ("queued", 0)
        service.ledger.cancel(name)


class TestRedis:
    def test_flushed_it_is_told_anew_who_works(self, service: Carried):
        path = service.file()
        user = service.user(max_running=4)
        tasks = service.submit(user, 4, **{"wait in two": str(path)})
        service.at(path)
        asked(service, "FLUSHALL")
        path.touch()
        service.completed([*tasks, *service.submit(user, 2)])
        service.until(lambda: asked(service, "SCARD", "rq:workers") == SLOTS, "the names of RQ's workers")
        service.until(lambda: {pid_of(service, name) for name in names(service)} == {*workers(service)}, "their ids")

    def test_away_while_a_task_runs_it_is_waited_for_by_the_same_workers(self, service: Carried):
        path = service.file()
        user = service.user()
        names = service.submit(user, SLOTS, **{"wait in two": str(path)})
        service.until(lambda: sum(bool(children(pid)) for pid in workers(service)) == SLOTS, "work for both")
        before, already = workers(service), service.said.count("Redis cannot be used")
        service.broker.kill()
        path.touch()
        service.until(lambda: service.said.count("Redis cannot be used") == already + SLOTS, "what both tell")
        service.broker.start()
        service.completed([*names, *service.submit(user, 2)])
        assert workers(service) == before
        assert "Traceback" not in service.said.rpartition("Redis cannot be used")[2]

    def test_one_that_stands_still_holds_no_dispatcher(self, service: Carried):
        already = service.said.count("tasks cannot be handed over")
        assert service.broker.process is not None
        service.broker.process.send_signal(signal.SIGSTOP)
        try:
            names = service.submit(service.user(), 4)
            service.until(lambda: service.said.count("tasks cannot be handed over") > already, "that it is told")
        finally:
            service.broker.process.send_signal(signal.SIGCONT)
        service.completed(names)

    def test_tells_where_each_worker_is(self, service: Carried):
        here = {f"{socket.gethostname()}-{pid}" for pid in workers(service)}
        assert len(here) == SLOTS
        service.until(lambda: here <= {name.rpartition("-")[0] for name in names(service)}, "the names of both")

    def test_tells_which_task_a_job_is_of_and_forgets_it_soon(self, service: Carried):
        user = service.user()
        (name,) = service.submit(user)
        service.completed([name])
        key = f"rq:job:{name}-1"
        service.until(lambda: asked(service, "HGET", key, "status") == "finished", "the end of the job")
        assert asked(service, "HGET", key, "description") == f"task {name} of user {user}, lease 1"
        assert 0 < asked(service, "TTL", key) <= 300  # type: ignore[operator]
        sent = zlib.decompress(str(asked(service, "HGET", key, "data")).encode(errors="surrogateescape"))
        assert json.loads(sent) == ["paperlane.entry.rq.run", None, [words_of(Lease(name, 1, user=user))], {}]


def test_a_process_for_each_job_where_forks_are_not_safe(house: Carried, monkeypatch: pytest.MonkeyPatch):
    house.stop()
    monkeypatch.setenv("PAPERLANE_RQ_SPAWN", "1")
    program = house.start(SLOTS)
    path, log = house.file(), house.file()
    names = house.submit(house.user(max_running=1), 2, log=str(log), **{"wait in two": str(path)})
    house.at(path)
    words = command_of(horse(house))
    assert words[1:4] == ["-m", "paperlane.entry.rq", "--horse"]
    assert house.broker.url not in " ".join(words)
    path.touch()
    house.completed(names)
    assert log.read_text().split() == [*ALL, *ALL]
    left = workers(house)
    house.stop()
    assert (program.returncode, [pid for pid in left if command_of(pid)]) == (0, [])


def test_a_job_without_a_worker_beside_says_what_to_start(house: Carried):
    code = f"from paperlane.entry.rq import run; run({LEASE!r})"
    ran = subprocess.run([house.python, "-c", code], capture_output=True, text=True, check=False)
    assert "start `paperlane worker --engine rq`" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize("given", ["", ":wrong@"], ids=["none", "a wrong one"])
def test_a_password_that_redis_does_not_take_is_told(house: Carried, tmp_path: Path, given: str):
    new_file(tmp_path / "paperlane.db")
    command = [house.python, "-m", "paperlane", "worker", "--engine", "rq", "--data", str(tmp_path)]
    url = house.broker.url.replace("127.0.0.1", f"{given}127.0.0.1")
    asked(house, "CONFIG", "SET", "requirepass", "secret")
    with socket.create_connection(("127.0.0.1", house.broker.port), 10) as redis:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PAPERLANE_REDIS_URL": url}
        )
        redis.sendall(b"AUTH secret\r\nCONFIG SET requirepass ''\r\n")
        assert redis.recv(64).startswith(b"+OK")
        house.until(lambda: _lets_in(house), "a Redis without a password")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1), ran.stderr
    assert f"The broker at {house.broker.url} cannot be used" in ran.stderr
    assert "wrong" not in ran.stderr.replace("WRONGPASS", "")


def _lets_in(house: Carried) -> bool:
    try:
        return asked(house, "PING") == "PONG"
    except AssertionError:
        return False


def test_what_any_application_calls_a_task_is_the_name_of_a_job(house: Carried):
    odd = [TaskId("nobody's/1 任务"), TaskId("nobody's/2"), TaskId("nobody_1"), TaskId("nobody-1")]
    asked(house, "FLUSHALL")
    house.deliver([Lease(name, 1) for name in odd])
    found = asked(house, "LRANGE", QUEUE, "0", "-1")
    assert len(set(found)) == len(odd)  # type: ignore[arg-type]
    assert {asked(house, "EXISTS", f"rq:job:{name}") for name in found} == {1}  # type: ignore[union-attr]
