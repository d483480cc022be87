"""Incidents and samples by HTTP: admins answer, viewers look, others do neither."""

import json

import pytest
from sqlalchemy import select
from tests.web.conftest import House

from paperlane.catalog import ALARMS
from paperlane.clock import SystemClock
from paperlane.monitor.alerts import Subject
from paperlane.records import incidents, samples
from paperlane.records.incidents import Incident
from paperlane.records.schema import audit

PARAMS = {"value": "143", "limit": "100"}


@pytest.fixture
def now() -> float:
    return SystemClock().now()


@pytest.fixture
def two(house: House, now: float) -> House:
    """A house in which one incident is over and two last."""

    def of(name: str, alert: str, subject: str) -> Incident:
        return Incident(name, alert, subject, "warning", 143, 100, now - 60, {**PARAMS, "user": subject})

    some = [of("a", "queue", ""), of("b", "user-backlog", "ann"), of("c", "no-such-alert", "")]
    house.ledger.write(lambda c: [incidents.begin(c, one) for one in some])
    house.ledger.write(lambda c: incidents.end(c, "a", now))
    return house


async def test_incidents_are_shown_in_pages_by_state_and_language(two: House):
    def ids(answer: dict) -> list[str]:
        return [one["id"] for one in answer["items"]]

    vera = two["vera"]
    for state, wanted in {"open": ["c", "b"], "closed": ["a"], "all": ["c", "b", "a"]}.items():
        assert ids((await vera.get("/alerts", params={"state": state})).json()) == wanted
    first = (await vera.get("/alerts", params={"state": "all", "limit": 2})).json()
    rest = (await vera.get("/alerts", params={"state": "all", "limit": 2, "cursor": first["next"]})).json()
    assert (ids(first), ids(rest), rest["next"]) == (["c", "b"], ["a"], None)
    found = first["items"][1]
    assert found["message"] == "143 tasks of ann wait that could run now; the limit is 100."
    assert (found["value"], found["limit"], found["closed_at"], found["silenced_until"]) == (143.0, 100.0, None, None)
    assert first["items"][0]["message"] == "no-such-alert"
    chinese = (await vera.get("/alerts", params={"lang": "zh"})).json()["items"][1]
    assert chinese["message"] == "用户 ann 有 143 个可运行的任务在等待，上限为 100。"


async def test_whoever_acknowledges_first_stays_named(two: House):
    for _ in range(2):
        found = (await two["adam"].post("/alerts/b/acknowledge")).json()
        assert (found["acknowledged_by"], found["acknowledged_at"] is None) == ("adam", False)
    assert (await two["adam"].post("/alerts/z/acknowledge")).json()["code"] == "not_found"
    assert [what for what, _ in trail(two)].count("alert acknowledged") == 2


async def test_a_silence_covers_a_subject_or_all_until_it_ends(two: House):
    said = {"alert": "user-backlog", "subject": "ann", "hours": 2}
    made = (await two["adam"].post("/alerts/silences", json=said)).json()
    other = (await two["adam"].post("/alerts/silences", json={**said, "subject": "bob", "hours": 9})).json()
    assert [one["id"] for one in (await two["vera"].get("/alerts/silences")).json()["items"]] == [
        made["id"],
        other["id"],
    ]
    shown = {one["id"]: one["silenced_until"] for one in (await two["vera"].get("/alerts")).json()["items"]}
    assert shown == {"c": None, "b": made["until"]}
    for subject in ("", "ann"):
        await two["adam"].post("/alerts/silences", json={"alert": "queue", "subject": subject})
    (over,) = (await two["vera"].get("/alerts?state=closed")).json()["items"]
    assert (over["alert"], over["silenced_until"]) == ("queue", None)  # nothing is told of it any more
    assert (await two["adam"].delete(f"/alerts/silences/{made['id']}")).status_code == 204
    assert (await two["adam"].delete(f"/alerts/silences/{made['id']}")).status_code == 404
    assert (await two["vera"].get("/alerts")).json()["items"][1]["silenced_until"] is None
    told = [details for what, details in trail(two) if what in {"alert silenced", "silence ended"}]
    assert [one["subject"] for one in told] == ["ann", "bob", "", "ann", "ann"]


@pytest.mark.parametrize(
    "said", [{"alert": "nonsense", "hours": 1}, {"alert": "queue", "hours": 0}, {"alert": "queue", "hours": 1e9}]
)
async def test_a_silence_that_makes_no_sense_is_refused(house: House, said: dict):
    answer = await house["adam"].post("/alerts/silences", json=said)
    assert (answer.status_code, answer.json()["code"] in {"unknown_alert", "invalid_request"}) == (422, True)


async def test_admins_answer_viewers_look_and_others_do_neither(two: House):
    looks = ("/alerts", "/alerts/kinds", "/alerts/silences", "/samples")
    silence = {"alert": "queue", "hours": 1}
    for who, seen, answered in (("adam", 200, 201), ("vera", 200, 403), ("ann", 403, 403), ("nobody", 401, 401)):
        assert {(await two[who].get(path)).status_code for path in looks} == {seen}
        assert (await two[who].post("/alerts/silences", json=silence)).status_code == answered
    before = trail(two)
    for who, status in (("vera", 403), ("ann", 403), ("nobody", 401)):
        assert (await two[who].post("/alerts/b/acknowledge")).status_code == status
        assert (await two[who].delete("/alerts/silences/b")).status_code == status
    assert trail(two) == before


async def test_every_kind_of_alert_is_told_with_its_limit(house: House):
    found = (await house["vera"].get("/alerts/kinds", params={"lang": "zh"})).json()["items"]
    assert {one["name"]: one["title"] for one in found} == {name: alarm.title[1] for name, alarm in ALARMS.items()}
    queue = next(one for one in found if one["name"] == "queue")
    assert (queue["limit"], queue["limit_said"], queue["setting"]) == (100.0, "100", "PAPERLANE_ALERT_QUEUE")
    assert {one["subject"] for one in found} == set(Subject)


async def test_samples_are_columns_with_gaps_where_nothing_was_known(house: House, now: float):
    for age, series in ((50, {"queued": 1.0}), (30, {"queued": 2.0, "cpu": 0.5})):
        house.ledger.write(lambda c, age=age, series=series: samples.add(c, now - age, series))
    found = (await house["vera"].get("/samples")).json()
    assert (found["step"], found["series"]) == (10, {"cpu": [None, 0.5], "queued": [1.0, 2.0]})
    assert found["at"][1] - found["at"][0] == 20
    some = (await house["vera"].get("/samples", params={"hours": 0.5, "names": "cpu,memory,slots.arq"})).json()
    assert some["series"] == {"cpu": [None, 0.5], "memory": [None, None]}  # of no engine of this name is anything known
    refused = await house["vera"].get("/samples", params={"names": "cpu,quued"})
    assert (refused.status_code, "'quued'" in refused.json()["detail"]) == (422, True)
    assert "queued, running" in refused.json()["hint"]
    assert (await house["vera"].get("/samples", params={"hours": 721})).status_code == 422


def trail(house: House) -> list[tuple[str, dict]]:
    found = house.ledger.read(lambda c: c.execute(select(audit).order_by(audit.c.id)).all())
    return [(row.what, json.loads(row.details)) for row in found]
