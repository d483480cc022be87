"""`paperlane bench` on real services, as small as it gets."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import psutil
import pytest
from sqlalchemy import inspect
from tests.bench.test_criteria import NAMES
from tests.conftest import until
from tests.databases import Databases, new_file
from tests.databases import run as run_on
from tools.servers import Server
from typer.testing import CliRunner

from paperlane.bench import brokers, scenarios
from paperlane.bench import load as loads
from paperlane.bench.ground import Ground
from paperlane.bench.house import environment
from paperlane.bench.load import Load, Plan, settings_of
from paperlane.bench.load_report import report_of, words_of
from paperlane.bench.plots import bars, lines, thinned, ticks
from paperlane.bench.report import Report, Table, as_html, as_json, as_markdown, as_text, number
from paperlane.bench.scenarios import Scenario, Sizes, ran_on
from paperlane.bench.scenarios import report_of as report_of_scenarios
from paperlane.bench.writing import Writer
from paperlane.cli import app
from paperlane.errors import BadRequest, Misconfigured
from paperlane.settings import Settings


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "paperlane", "bench", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_a_small_load_is_held_judged_and_told(tmp_path: Path):
    page = tmp_path / "load.html"
    small = ("--tasks", 6, "--users", 2, "--minutes", 0.05, "--median", 60, "--sentences", 3, "--workers", 1)
    done = run("load", *small, "--json", "-o", page)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert [one["name"] for one in told["criteria"]] == NAMES
    found = {one["name"]: one for one in told["criteria"]}
    assert told["kept"] == (done.returncode == 0) == all(one["met"] is not False for one in found.values())
    assert all(found[name]["met"] for name in ("tasks at once", "tasks lost", "tasks failed", "task creation"))
    assert all(found[name]["met"] is None for name in ("creating a batch of 50", "recovery", "growth of memory"))
    assert {user["user"] for user in told["users"]} == {"user-01", "user-02"}
    assert told["settings"]["PAPERLANE_SLOTS"] == "7"
    shown = page.read_text()
    assert all(name.replace("'", "&#x27;") in shown for name in NAMES)
    assert shown.count("<svg") == 6


def ground_in(tmp_path: Path) -> Ground:
    """An embedded database that is of this version already: to bring it there takes a second."""
    (tmp_path / "data").mkdir(mode=0o700)
    ground = Ground(f"sqlite:///{tmp_path}/data/paperlane.db")
    new_file(tmp_path / "data/paperlane.db")
    return ground


async def test_a_service_that_is_killed_breaks_its_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loads, "_SILENT", 1)
    plan = Plan("inline", tasks=4, users=2, minutes=0.05, median=60.0, sentences=3)
    with closing(ground_in(tmp_path)) as ground:
        load = Load(
            plan, ground, tmp_path, Settings(), lambda said: killed(load) if said.startswith("holding") else None
        )
        seen = await load.run()
    report = report_of(seen)
    found = words_of(report)
    assert not report.kept
    assert seen.promised
    assert found["tasks lost"]["measured"] == len(seen.promised)
    assert found["availability"]["met"] is False
    assert found["tasks at once"]["met"] is False
    assert not [one for one in psutil.process_iter() if str(tmp_path) in " ".join(_command(one))]


def killed(load: Load) -> None:
    assert load.house is not None
    os.kill(load.house.processes[0].pid, signal.SIGKILL)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_scenarios_run_on_an_engine_and_tell_how_far_apart_users_end(tmp_path: Path):
    with closing(ground_in(tmp_path)) as ground:
        two = [Scenario("two users with 2 each", 2, 2)]
        ran, given = await ran_on("inline", Settings(workers=0), ground, tmp_path, Sizes(sentences=3), two)
    (one,) = ran
    assert (one.engine, one.failed, len(one.users)) == ("inline", 0, 2)
    assert 0 < one.task <= one.task_p95 <= one.whole
    assert one.whole == max(one.users)
    assert 0.5 <= one.fairness <= 1 <= one.spread
    report = report_of_scenarios(ran, {"inline": given}, Sizes())
    assert report.kept
    assert "two users with 2 each" in as_text(report)
    assert as_html(report).count("<svg") == 2


def test_what_cannot_be_measured_or_written_is_refused_before_it_begins(tmp_path: Path):
    for arguments, told in (
        (["--engine", "sqs"], "There is no engine 'sqs'."),
        (["-o", str(tmp_path / "report.pdf")], "cannot be written as .pdf"),
        (["-o", str(tmp_path / "none" / "report.md")], "There is no folder"),
        (["load", "--tasks", "10"], r"more users \(20\) than tasks"),
        (["--seed", "2", "load"], "Options before load say nothing to it."),
    ):
        with pytest.raises(BadRequest, match=told):
            CliRunner().invoke(app, ["bench", *arguments], catch_exceptions=False, standalone_mode=False)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_servers_database_is_taken_only_when_it_is_empty_and_left_so(kind: str, databases: Databases, tmp_path: Path):
    url = databases.bare(kind, tmp_path)
    with closing(Ground(url)) as ground:
        run_on(url, ["CREATE TABLE precious (id INTEGER PRIMARY KEY)"])
        with pytest.raises(BadRequest, match="not empty"):
            Ground(url)
        assert ground.connections([]) is not None
        ground.clear()
        assert ground.dialect is not None
        assert inspect(ground.dialect.unlimited).get_table_names() == []
        assert ground.most() == 40


def test_a_file_that_is_there_is_nobodys_to_take(tmp_path: Path):
    file = tmp_path / "precious.db"
    with closing(Ground(f"sqlite:///{file}")) as ground:
        file.touch()
        with pytest.raises(BadRequest, match="There is a file"):
            Ground(f"sqlite:///{file}")
        ground.clear()
    assert not file.exists()


def test_nothing_around_reaches_the_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PAPERLANE_DATABASE_URL", "postgresql://precious/production")
    monkeypatch.setenv("paperlane_blobs", "s3://precious")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://precious")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://precious//")
    plan = Plan(tasks=100, kill_every=5)
    given = settings_of(plan, "http://127.0.0.1:1", tmp_path, "sqlite:///mine.db", Settings())
    found = environment(given)
    assert found["PAPERLANE_DATABASE_URL"] == "sqlite:///mine.db"
    assert "paperlane_blobs" not in found
    assert not [name for name in found if name.startswith(("OTEL_", "CELERY_"))]
    assert found["PATH"] == os.environ["PATH"]
    for name, value in found.items():
        if name.startswith("PAPERLANE_"):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("paperlane_blobs")
    chosen = Settings()
    assert chosen.workers * chosen.slots >= 100 * 1.03
    assert chosen.system_limit >= chosen.workers * chosen.slots
    assert chosen.models[0].in_flight >= chosen.slots
    assert chosen.max_crashes > 3


@pytest.mark.parametrize("named", [False, True])
async def test_celery_never_goes_through_the_installations_rabbitmq(
    named: bool,  # noqa: FBT001
    redis: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    reached: list[tuple[str, str]] = []

    async def reach(settings: Settings, _: str) -> None:  # Celery's library is in an environment of its own
        reached.append((settings.redis_url, settings.amqp_url))

    monkeypatch.setattr(brokers, "reach", reach)
    usual = Settings(engine="celery", redis_url="redis://precious/0", amqp_url="amqp://precious//")
    async with brokers.broker("celery", usual, redis.url if named else "", tmp_path) as chosen:
        for given in (
            scenarios.settings_of("celery", chosen, tmp_path, "sqlite:///mine.db", ""),
            settings_of(Plan("celery"), "http://127.0.0.1:1", tmp_path, "sqlite:///mine.db", chosen),
        ):
            assert given["amqp_url"] == ""
            assert given["redis_url"] == chosen.redis_url
    assert reached == [(chosen.redis_url, "")]
    assert chosen.redis_url.startswith("redis://127.0.0.1:")
    assert (chosen.redis_url == redis.url) == named


async def test_a_redis_that_ends_early_is_told_at_once_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho First. >&2\necho No port. >&2\necho Bad luck.\necho Bye.\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(brokers, "_START", 3_600.0)
    with pytest.raises(Misconfigured, match=r"did not start: No port\. / Bad luck\. / Bye\."):
        async with brokers.broker("rq", Settings(), "", tmp_path):
            pass


STARTING = """
import asyncio, sys
from pathlib import Path
from paperlane.bench import brokers
from paperlane.bench.house import House
async def start(folder):
    async with brokers._own(folder):
        house = House(folder, {"data": str(folder / "data")})
        await house._spawn("serve", "--port", "0")
        print("started", flush=True)
        await asyncio.Event().wait()
asyncio.run(start(Path(sys.argv[1])))
"""


def test_what_a_benchmark_started_ends_with_it_also_where_it_is_killed(redis: Server, tmp_path: Path):
    """The service is told while it still loads, which it would end by as well, and cheaper."""
    del redis  # there is a program of it
    with subprocess.Popen([sys.executable, "-c", STARTING, str(tmp_path)], stdout=subprocess.PIPE) as benchmark:
        assert benchmark.stdout is not None
        assert benchmark.stdout.readline() == b"started\n"
        started = psutil.Process(benchmark.pid).children()
        assert len(started) == 2
        benchmark.kill()
    until(lambda: all(map(gone, started)))


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_documents_are_the_same_for_a_seed_and_no_two_alike():
    first, again, other = ([writer.next() for _ in range(4)] for writer in (Writer(1, 9), Writer(1, 9), Writer(2, 9)))
    assert first == again
    contents = [content for _, content in [*first, *other]]
    assert len(set(contents)) == 8
    assert "网关" not in first[0][1].decode()
    assert first[1][1].decode().count("。") == 9


def test_plots_are_whole_and_name_their_lines():
    for drawn in (
        lines("Tasks & co", "ms", {"<a>": [(0, 1), (5, float("nan")), (10, 3)], "none": []}, marks=[4.0]),
        lines("Nothing", "", {}),
        bars("Ends", "s", {"user <1>": 3.0, "user 2": float("nan")}),
    ):
        ET.fromstring(drawn)
    assert "&lt;a&gt;" in lines("", "", {"<a>": []})
    assert list(ticks(87)) == [0, 25, 50, 75, 100]
    assert list(ticks(0)) == [0, 1]
    peak = [(float(n), 9.0 if n == 1_234 else 0.0) for n in range(5_000)]
    assert len(thinned(peak)) <= 600
    assert (1_234.0, 9.0) in thinned(peak)


def test_a_report_says_the_same_in_every_format_and_loads_nothing():
    report = Report(
        "Title <1>", ["Said."], [Table("Rows", ("a|b", "c"), [("x", 0.99971), (None, False)])], ["<svg></svg>"],
        {"value": float("nan"), "deep": [{"n": 1.5}]},
    )  # fmt: skip
    page = as_html(report)
    assert "Title &lt;1&gt;" in page
    assert '<td class="no">NO</td>' in page
    assert "src=" not in page
    assert "http" not in page
    assert json.loads(as_json(report)) == {"value": None, "deep": [{"n": 1.5}]}
    assert "a\\|b" in as_markdown(report)
    assert "0.99971" in as_text(report)
    assert [number(value) for value in (1_234.5, 3.14159, 7.0, float("nan"), True)] == [
        "1,234",
        "3.14",
        "7",
        "-",
        "yes",
    ]
