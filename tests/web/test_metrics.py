"""What Prometheus reads of a service that ran something, and what is made of it: the dashboard and the alert rules."""

import asyncio
import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, insert
from tests.web.conftest import House
from tests.web.test_dead import failed
from tests.web.test_sockets import Socket

from paperlane.clock import SystemClock
from paperlane.desk import Tally, dead
from paperlane.ledger.schema import lanes
from paperlane.model.tallies import BOUNDS, once
from paperlane.records import portable, samples
from paperlane.web import looks, metrics
from paperlane.web.looks import Looks
from paperlane.web.timing import KINDS, STATUSES, Timing

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = re.compile(r"\b(?:paperlane|process)_[a-z_]+\b")


@pytest.fixture(autouse=True)
def told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scrape of these tests is written anew."""
    monkeypatch.setattr(metrics, "_EACH", 0.0)


def completions(**of_engine: tuple[int, int]) -> dict[str, str]:
    """Series of engines, by the seconds and the tasks that come to them each minute."""
    return {
        f'paperlane_completion_seconds_{name}{{engine="{engine}"}}': f"0+{each}x20"
        for engine, added in of_engine.items()
        for name, each in zip(("sum", "count"), added, strict=True)
    }


async def scrape(house: House) -> dict[tuple[str, str], float]:
    """Samples by name and labels."""
    text = (await house["adam"].get("http://test/metrics")).text
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def told(house: House) -> dict[tuple[str, str], float]:
    """The same, with what this process has not told yet."""
    house.app.state.counting.flush()
    return await scrape(house)


async def test_what_all_processes_counted_is_told_in_prometheus_form(house: House):
    house.ledger.tally({("wait_seconds", "database"): once(0.3) + once(7) + once(9_999)})
    house.ledger.tally({("outcomes", "database/failed"): once(4.0, 2), ("step_seconds", 'a "step"'): once(1.0)})
    found = await scrape(house)
    buckets = [found["paperlane_wait_seconds_bucket", f"database,{bound:g}"] for bound in BOUNDS]
    assert buckets == [sum(value <= bound for value in (0.3, 7)) for bound in BOUNDS]
    assert found["paperlane_wait_seconds_bucket", "database,+Inf"] == 3
    assert found["paperlane_wait_seconds_count", "database"] == 3
    assert found["paperlane_wait_seconds_sum", "database"] == pytest.approx(10_006.3)
    assert found["paperlane_outcomes_total", "database,failed"] == 2
    assert found["paperlane_slot_seconds_total", "database,failed"] == 8.0
    assert found["paperlane_step_seconds_count", 'a "step"'] == 1


async def test_what_waits_and_ended_is_told_of_all_and_of_the_deepest_users_only(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(metrics, "_DEEPEST", 1)
    await house.upload("ann", "Fine.")
    house.work()
    await house.upload("ann", "Fine.", "Fine.")
    await house.upload("bob", "Fine.")
    found = await scrape(house)
    ann = house.desk.accounts.user("ann").id
    assert [key for key in found if key[0] == "paperlane_user_queued"] == [("paperlane_user_queued", str(ann))]
    assert found["paperlane_user_queued", str(ann)] == found["paperlane_user_startable", str(ann)] == 2
    assert found["paperlane_startable", "database"] == 3
    house.desk.operating.pause(None, "database", paused=True)
    paused = await scrape(house)
    assert (paused["paperlane_user_startable", str(ann)], paused["paperlane_startable", "database"]) == (0, 0)
    assert (found["paperlane_busy_users", ""], found["paperlane_tasks_ended_total", "completed"]) == (2, 1)
    assert found["paperlane_database_connections_most", ""] > found["paperlane_database_connections", ""]


async def test_answers_are_counted_by_what_was_asked(house: House):
    await house.upload("ann", "Fine.")
    await house["ann"].get("/tasks")
    await house["ann"].get("/tasks/none")
    await house["nobody"].get("http://test/sign-in")
    for path in ("/metrics", "/healthz", "/readyz", "/static/none"):
        await house["nobody"].get(f"http://test{path}")
    found = await told(house)
    answers = {labels: value for (name, labels), value in found.items() if name == "paperlane_http_answers_total"}
    assert answers.keys() == {f"{kind},{status}" for kind in KINDS for status in STATUSES}  # a rate needs their 0
    assert {labels: value for labels, value in answers.items() if value} == {
        "api,2xx": 1, "api,4xx": 1, "batch,2xx": 1, "page,2xx": 1,
    }  # fmt: skip
    assert [found["paperlane_http_seconds_count", kind] for kind in ("api", "batch", "page")] == [2, 1, 1]


async def test_a_refusal_under_load_is_no_fault(house: House):
    await house.upload("ann", *["Fine."] * 20)
    files = [("files", ("a.md", b"Fine."))]
    assert (await house["ann"].post("/batches", files=files)).status_code == 429
    assert (await told(house))["paperlane_http_answers_total", "batch,429"] == 1


@pytest.mark.parametrize(("pieces", "seconds"), [(1, 2.0), (3, 2.0), (0, 7.0)], ids=["at once", "slowly", "unread"])
async def test_an_answer_takes_from_the_end_of_its_request(
    monkeypatch: pytest.MonkeyPatch, pieces: int, seconds: float
):
    """A client that sends slowly waits for itself; who answers before reading all counts from the beginning."""
    at, noted = [0.0], []
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: at[0])

    async def service(_scope: object, receive: Any, send: Any) -> None:
        at[0] += 5.0 if not pieces else 0.0
        for _ in range(pieces):
            await receive()
        at[0] += 2.0
        await send({"type": "http.response.start", "status": 202})
        at[0] += 100.0  # what a client takes to read it
        await send({"type": "http.response.body", "body": b""})

    sent = iter(range(1, pieces + 1))

    async def receive() -> dict[str, object]:
        at[0] += 10.0
        return {"type": "http.request", "body": b"x", "more_body": next(sent) < pieces}

    async def send(_message: object) -> None:
        pass

    class Noting:
        def note(self, *what: object) -> None:
            noted.append(what)

    timing = Timing(service, Noting(), "/api/", "/api/batches")  # type: ignore[arg-type]
    await timing({"type": "http", "path": "/api/batches", "method": "POST"}, receive, send)
    assert noted == [("http_seconds", "batch", seconds), ("http_answers", "batch/2xx")]


async def test_where_thousands_have_work_a_scrape_tells_what_was_seen_before(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(looks, "_MANY", 1)
    monkeypatch.setattr(looks, "_AT_LEAST", 0.0)
    shared = house.app.state.scrapes.looks = Looks(partial(metrics.look, house.desk), house.app.state.house.threads)
    for who in ("ann", "bob"):
        await house.upload(who, "Fine.")
    assert (await scrape(house))["paperlane_queued", "database"] == 2
    monkeypatch.setattr(looks, "_RARELY", 1e9)
    house.work()
    assert (await scrape(house))["paperlane_queued", "database"] == 2
    assert (await scrape(house))["paperlane_look_age_seconds", ""] > 0
    monkeypatch.setattr(looks, "_RARELY", 0)
    await scrape(house)
    await shared._looking
    assert (await scrape(house))["paperlane_queued", "database"] == 0


async def test_however_many_scrape_all_are_told_the_same_for_a_second(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(metrics, "_EACH", 1e9)
    first = await scrape(house)
    await house.upload("ann", "Fine.")
    assert await scrape(house) == first
    monkeypatch.setattr(metrics, "_EACH", 0.0)
    texts = await asyncio.gather(*(house["vera"].get("http://test/metrics") for _ in range(5)))
    assert len({one.text for one in texts}) == 1  # the process's own figures differ at each
    assert (await scrape(house))["paperlane_queued", "database"] == 1


async def test_dead_letters_are_counted_seldom_where_that_takes_long_and_anew_where_somebody_acts(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    async def dead_letters() -> float:
        return (await scrape(house))["paperlane_dead_letters", ""]

    (task,) = await failed(house, "ann")
    monkeypatch.setattr(dead, "_RARELY", 0.0)  # the service has counted once, at its start
    assert await dead_letters() == 1
    monkeypatch.setattr(dead, "_RARELY", 1e9)  # as if each count took long
    await failed(house, "ann")
    assert await dead_letters() == 1
    assert len((await house["adam"].get("/dead")).json()["items"]) == 2
    monkeypatch.setattr(dead, "_OLDEST", 0.0)
    assert await dead_letters() == 2
    monkeypatch.setattr(dead, "_OLDEST", 60.0)
    await house["adam"].post("/dead/discard", json={"ids": [task]})
    assert await dead_letters() == 1
    (left,) = (await house["adam"].get("/dead")).json()["items"]
    await house["adam"].post(f"/tasks/{left['id']}/retry")
    assert await dead_letters() == 0


def test_a_count_that_was_under_way_when_somebody_acted_is_not_kept():
    tally = Tally(SystemClock())

    def before_it() -> int:
        tally.outdate()
        return 7

    assert (tally.number(before_it), tally.number(lambda: 6)) == (7, 6)


async def test_users_who_only_planned_much_hide_nobody_whose_tasks_could_begin(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(metrics, "_DEEPEST", 1)
    later = house.desk.clock.now() + 3_600
    await house.upload("bob", "Fine.", "Fine.", run_at=f"{later:.0f}")
    await house.upload("ann", "Fine.")
    ann = str(house.desk.accounts.user("ann").id)
    could = {user: value for (name, user), value in (await scrape(house)).items() if name == "paperlane_user_startable"}
    assert could == {ann: 1}


async def test_how_busy_the_machine_is_comes_from_the_last_sample(house: House):
    assert not {"paperlane_cpu_share", "paperlane_memory_share"} & {name for name, _ in await scrape(house)}
    now = house.ledger.read(portable.now)
    for age, cpu in ((200, 0.9), (20, 0.7), (10, 0.25)):
        house.ledger.write(lambda c, age=age, cpu=cpu: samples.add(c, now - age, {"cpu": cpu, "memory": 0.5}))
    found = await scrape(house)
    assert (found["paperlane_cpu_share", ""], found["paperlane_memory_share", ""]) == (0.25, 0.5)


async def test_how_late_progress_comes_is_counted_and_what_is_read_again_is_not(house: House):
    (task,) = (await house.upload("ann", "Fine."))["tasks"]
    for query, counted in ((task["id"], True), (f"{task['id']}&after=0", False)):
        socket = Socket(house, "ann", query)
        assert await socket.answer() == ("websocket.accept", None)
        if counted:
            await socket.told.get()  # the present state
            house.work()
        frames = 0
        while (await socket.told.get())["type"] != "websocket.close":
            frames += 1
        await socket.leave()
        assert frames > 5
        found = await told(house)
        if counted:
            at_first = found["paperlane_progress_seconds_count", ""]
            assert at_first == frames
        assert found["paperlane_progress_seconds_count", ""] == at_first


async def ran(house: House) -> set[str]:
    """The names that a service tells which ran a task, by way of a worker that counts."""
    await house.upload("ann", "Fine.")
    house.work()
    await house.upload("ann", "Fine.")
    for name, label in (
        ("wait_seconds", "database"),
        ("completion_seconds", "database"),
        ("step_seconds", "report"),
        ("outcomes", "database/completed"),
        ("progress_seconds", ""),
    ):
        house.ledger.tally({(name, label): once(1.0)})
    house.ledger.write(lambda c: samples.add(c, portable.now(c), {"cpu": 0.5, "memory": 0.5}))
    return {name for name, _ in await told(house)}


async def test_the_dashboard_asks_for_what_is_told(house: House):
    names = await ran(house)
    board = json.loads((DEPLOY / "grafana" / "paperlane.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(asked) > 20
    wanted = {name for expression in asked for name in NAME.findall(expression)}
    assert wanted <= names, wanted - names
    (job,) = (one for one in board["templating"]["list"] if one["name"] == "job")
    assert NAME.findall(job["query"]["query"]) == ["paperlane_look_age_seconds"]
    for expression in asked:  # or figures of what else is scraped would stand beside ours
        assert len(NAME.findall(expression)) == expression.count('{job=~"$job"}'), expression
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


async def test_the_alert_rules_ask_for_what_is_told(house: House):
    names = await ran(house)
    rules = (DEPLOY / "prometheus" / "alerts.yml").read_text()
    expressions = re.findall(r"^ +expr: '(.*)'$", rules, re.MULTILINE)
    assert len(expressions) == rules.count("- alert: ") > 10
    wanted = {name for expression in expressions for name in NAME.findall(expression)}
    assert wanted <= names, wanted - names


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package `prometheus` is not installed")
def test_prometheus_reads_the_alert_rules():
    rules = str(DEPLOY / "prometheus" / "alerts.yml")
    ran = subprocess.run(["promtool", "check", "rules", rules], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


INLINE = {'paperlane_workers{engine="inline"}': "1x20"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package `prometheus` is not installed")
@pytest.mark.parametrize(
    ("alert", "series", "fires"),
    [
        ("NoWorker", INLINE, True),
        ("NoWorker", INLINE | {'paperlane_workers{engine="database"}': "0x20"}, True),
        ("NoWorker", INLINE | {'paperlane_workers{engine="arq"}': "1x20"}, False),
        ("QueueLong", {f'paperlane_startable{{engine="{name}"}}': "60x20" for name in ("arq", "rq")}, True),
        ("QueueLong", {f'paperlane_startable{{engine="rq",instance="{name}"}}': "60x20" for name in "ab"}, False),
        ("CompletionSlow", completions(arq=(4_000, 10), rq=(100, 10)), False),  # 205 s a task
        ("CompletionSlow", completions(arq=(3_000, 1), rq=(3_000, 10)), True),  # 545 s a task
    ],
)
def test_prometheus_raises_what_the_rules_mean_of_all_engines(
    tmp_path: Path, alert: str, series: dict[str, str], *, fires: bool
):
    """What it would tell after 20 minutes of these series, as its own tests of rules ask it."""
    steps = [{"eval_time": "20m", "alertname": f"Paperlane{alert}", "exp_alerts": []}]
    told = [{"series": name, "values": values} for name, values in series.items()]
    asked = {
        "rule_files": [str(DEPLOY / "prometheus" / "alerts.yml")],
        "tests": [{"interval": "1m", "input_series": told, "alert_rule_test": steps}],
    }
    (file := tmp_path / "asked.yml").write_text(json.dumps(asked))  # JSON is YAML
    ran = subprocess.run(["promtool", "test", "rules", str(file)], check=False, capture_output=True, text=True)
    assert (ran.returncode == 0) is not fires, ran.stdout + ran.stderr
    assert ("got:[" in ran.stdout + ran.stderr) is fires


class TestAccounts:
    async def test_what_tasks_came_to_is_told_by_user_and_everybodys_to_who_looks(self, house: House):
        await house.upload("ann", "Fine.", "Fine.")
        house.work()
        await house.upload("ann", "Fine.")
        await house.upload("bob", "Fine.")
        ann, bob = (house.desk.accounts.user(name).id for name in ("ann", "bob"))
        house.app.state.sockets[ann] += 3
        (own,) = (await house["ann"].get("usage/accounts")).json()["items"]
        assert own == {
            "user": ann, "name": "ann", "queued": 1, "running": 0, "completed": 2, "failed": 0, "cancelled": 0,
            "cpu_seconds": 0.0, "tokens": 0, "money": 0.0, "currency": "USD", "sockets": 3, "sessions": 0,
        }  # fmt: skip
        assert [one["name"] for one in (await house["bob"].get("usage/accounts")).json()["items"]] == ["bob"]
        for looker in ("adam", "vera"):
            seen = (await house[looker].get("usage/accounts")).json()["items"]
            assert [(one["user"], one["queued"]) for one in seen if one["queued"]] == [(ann, 1), (bob, 1)]
            assert len(seen) == 4

    async def test_pages_hold_every_user_once(self, house: House):
        found: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await house["adam"].get("usage/accounts", params={"limit": 3, "cursor": cursor})).json()
            found += [one["user"] for one in page["items"]]
            cursor = page["next"]
        assert found == sorted(house.desk.accounts.user(name).id for name in ("ann", "bob", "vera", "adam"))
        assert (await house["ann"].get("usage/accounts", params={"cursor": "999"})).json()["items"] == []

    async def test_who_has_a_lane_and_no_account_is_told_by_number(self, house: House):
        def write(connection: Connection) -> None:
            connection.execute(insert(lanes), {"user_id": 77, "engine": "database", "max_running": 1})

        house.ledger.write(write)
        seen = (await house["adam"].get("usage/accounts")).json()["items"]
        assert (seen[-1]["user"], seen[-1]["name"]) == (77, "")
