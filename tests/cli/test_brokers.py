"""What the doctor says of brokers, and of the libraries that the engines behind them need."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from tests import forking
from tests.conftest import ROOT
from tests.databases import new_file
from tests.engines.carried import interpreter
from tools.servers import Server

from paperlane.assembly import open_desk, open_ledger
from paperlane.model.tasks import WorkerId
from paperlane.records.accounts import Role
from paperlane.settings import Settings

GONE = "redis://127.0.0.1:1/0"  # where nobody listens
NAMES = ("redis", "rabbitmq")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation's folder."""
    new_file(tmp_path / "paperlane.db")
    return tmp_path


Examine = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture
def examine(data: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """What the doctor finds with these settings: by what it looked at, the state and the detail."""

    def run(**settings: str) -> dict[str, tuple[str, str]]:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(f"PAPERLANE_{name.upper()}", value)
            done = forking.run(["doctor", "--json", "--data", str(data)], None)
        found = {row["what"]: (row["state"], row["detail"]) for row in json.loads(done.stdout)}
        assert done.returncode == any(state == "error" for state, _ in found.values())
        return found

    return run


def test_without_a_broker_nothing_is_said_of_any(examine: Examine):
    found = examine()
    assert not {*NAMES} & found.keys()
    assert not any(what.startswith("library") for what in found)


def test_a_redis_that_lets_us_in_is_told_with_those_who_go_through_it(examine: Examine, redis: Server):
    assert examine(redis_url=redis.url)["redis"] == ("ok", f"{redis.url} lets us in; nobody's tasks go through it yet")
    found = examine(redis_url=redis.url, engine="rq")
    assert found["redis"] == ("ok", f"{redis.url} lets us in; for rq")
    assert "rabbitmq" not in found


def test_the_password_is_tried_and_never_shown(examine: Examine, redis: Server):
    address = f"127.0.0.1:{redis.port}/0"
    with asking(redis) as ask:
        ask(b"CONFIG SET requirepass p@ss")
        ask(b"AUTH p@ss")
        try:
            found = {
                given: examine(redis_url=f"redis://{given}{address}", engine="arq")["redis"] for given in PASSWORDS
            }
        finally:
            ask(b"CONFIG SET requirepass ''")
    for given, (state, said) in PASSWORDS.items():
        assert (found[given][0], said in found[given][1]) == (state, True), found[given]
        assert f"redis://{address}" in found[given][1]
        assert "p@ss" not in found[given][1]
        assert "wr0ng" not in found[given][1]
    assert examine(redis_url=f"redis://:p%40ss@{address}", engine="arq")["redis"][0] == "error"  # it has none now


PASSWORDS = {
    "": ("error", "cannot be used: it answers NOAUTH. Start it, or correct its address in PAPERLANE_REDIS_URL."),
    ":wr0ng@": ("error", "cannot be used: it answers WRONGPASS."),
    ":p%40ss@": ("ok", "lets us in; for arq"),
    "default:p%40ss@": ("ok", "lets us in; for arq"),
    "somebody:p%40ss@": ("error", "cannot be used: it answers WRONGPASS."),
}


@contextmanager
def asking(redis: Server) -> Iterator[Callable[[bytes], None]]:
    with socket.create_connection(("127.0.0.1", redis.port), 10) as connection, connection.makefile("rb") as answers:

        def ask(words: bytes) -> None:
            connection.sendall(words + b"\r\n")
            assert answers.readline() == b"+OK\r\n"

        yield ask


def test_a_rabbitmq_that_answers_is_told(examine: Examine, rabbitmq: Server):
    shown = rabbitmq.url.replace("guest:guest@", "")
    assert examine(amqp_url=rabbitmq.url)["rabbitmq"] == ("ok", f"{shown} answers; nobody's tasks go through it yet")
    found = examine(amqp_url=rabbitmq.url, engine="celery")
    assert found["rabbitmq"] == ("ok", f"{shown} answers; for celery")
    assert "redis" not in found


SENSELESS = {
    "redis://broker.example:6379/0": "The broker on broker.example would be used without a password. Set one there",
    "redis://127.0.0.1:port": "PAPERLANE_REDIS_URL is no address of a broker. Write redis://HOST",
    "amqp://guest:guest@127.0.0.1": "PAPERLANE_REDIS_URL is no address of a broker. Write redis://HOST",
    "unix:///run/redis.sock": "PAPERLANE_REDIS_URL is no address of a broker. Write redis://HOST or rediss://HOST.",
    GONE: f"The broker at {GONE} cannot be used: Connection refused. Start it, or correct its address in PAPERLANE_",
}


@pytest.mark.parametrize("url", SENSELESS)
def test_what_cannot_be_used_is_an_error_where_somebodys_tasks_go_through_it(examine: Examine, url: str):
    state, detail = examine(redis_url=url, engine="arq")["redis"]
    assert (state, detail[: len(SENSELESS[url])]) == ("error", SENSELESS[url])


def test_it_is_a_warning_where_nobodys_do_or_the_workers_may_know_another_one(examine: Examine):
    assert examine(redis_url=GONE)["redis"][0] == "warning"
    assert examine(engine="arq")["redis"][0] != "error"  # nobody named one, and here may be none
    found = examine(redis_url=GONE, amqp_url="amqp://guest@127.0.0.1:1//", engine="celery")
    assert (found["redis"][0], found["rabbitmq"][0]) == ("warning", "error")


@contextmanager
def answering(words: bytes, at: Path | None = None) -> Iterator[int]:
    """A server that answers these words to whatever it is asked, and ends the connection; its port."""
    listener = socket.socket(socket.AF_INET if at is None else socket.AF_UNIX)
    listener.bind(("127.0.0.1", 0) if at is None else str(at))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # it was closed
                return
            with connection:
                connection.sendall(words)
                while connection.recv(4_096):
                    pass

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1] if at is None else 0
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_another_servers_answer_is_none(examine: Examine):
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        asked = {"redis_url": f"redis://127.0.0.1:{port}/0", "amqp_url": f"amqp://guest:guest@127.0.0.1:{port}//"}
        redis, rabbitmq = (examine(**{name: url})[what] for (name, url), what in zip(asked.items(), NAMES, strict=True))
    assert "cannot be used: what answers is no Redis. Start it" in redis[1]
    assert "cannot be used: what answers is no RabbitMQ. Start it" in rabbitmq[1]


def test_what_an_answer_repeats_of_the_password_is_not_shown(examine: Examine):
    with answering(b"-ERR unknown command 'AUTH', with args beginning with: 's3cret'\r\n") as port:
        _, detail = examine(redis_url=f"redis://:s3cret@127.0.0.1:{port}/0")["redis"]
    assert "cannot be used: it answers ERR. Start it" in detail


def test_behind_tls_it_is_seen_that_somebody_listens(examine: Examine):
    with answering(b"") as port:
        for url in (f"rediss://127.0.0.1:{port}/0", f"amqps://127.0.0.1:{port}//"):
            assert examine(amqp_url=url, engine="celery")["rabbitmq"] == ("ok", f"{url} listens; for celery")


def test_rqs_redis_may_be_in_the_file_system(examine: Examine, tmp_path: Path):
    at = tmp_path / "redis.sock"
    with answering(b"+PONG\r\n", at):
        assert examine(redis_url=f"unix://{at}", engine="rq")["redis"] == ("ok", f"unix://{at} lets us in; for rq")


def test_an_engine_that_carries_somebody_is_reason_enough(examine: Examine, data: Path):
    settings = Settings(data=data)
    with closing(open_ledger(settings)) as ledger:
        desk = open_desk(settings, ledger)
        ann = desk.accounts.add_user(None, "ann", Role.USER, "", None, None)
        desk.accounts.change_user(None, ann, engine="rq", force=True)
        desk.operating.roll_out(None, "arq", 0, force=True)
        desk.operating.roll_out(None, "celery", 5, force=True)
    found = examine(redis_url=GONE)
    assert found["redis"][0] == "error"
    assert {what for what in found if what.startswith("library")} == {"library of celery", "library of rq"}


def test_a_library_that_is_missing_is_told_with_what_brings_it(examine: Examine, data: Path):
    hint = "not installed here; where its workers are to run: pip install 'paperlane[arq]', or make engine-arq"
    assert examine(engine="arq", redis_url=GONE)["library of arq"] == ("warning", hint)
    with closing(open_ledger(Settings(data=data))) as ledger:
        ledger.register(WorkerId("w"), "arq", "elsewhere", 1, 2)
    assert examine(engine="arq", redis_url=GONE)["library of arq"] == ("ok", hint)


def test_with_its_library_a_broker_is_asked_as_the_engines_workers_do(data: Path, rabbitmq: Server):
    python = interpreter("celery")
    shown = rabbitmq.url.replace("guest:guest@", "")

    def run(url: str) -> tuple[int, dict[str, tuple[str, str]]]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PAPERLANE_AMQP_URL": url}
        command = [python, "-m", "paperlane", "doctor", "--json", "--data", str(data)]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env={**environment, "PAPERLANE_ENGINE": "celery"}
        )
        return done.returncode, {row["what"]: (row["state"], row["detail"]) for row in json.loads(done.stdout)}

    code, found = run(rabbitmq.url)
    assert (code, found["rabbitmq"]) == (0, ("ok", f"{shown} lets celery in; for celery"))
    assert (found["library of celery"][0], found["library of celery"][1][:2]) == ("ok", "5.")
    code, found = run(rabbitmq.url.replace("guest:guest", "guest:wr0ng"))
    assert (code, found["rabbitmq"][0]) == (1, "error")
    assert f"The broker at {shown} cannot be used" in found["rabbitmq"][1]
    assert "wr0ng" not in found["rabbitmq"][1]
