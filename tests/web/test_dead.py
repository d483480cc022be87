"""Dead letters over HTTP: who sees them, who starts them again or discards them, and what is told of it."""

import json
from typing import Any

import pytest
from sqlalchemy import select
from tests.web.conftest import House

from paperlane.catalog import CODES
from paperlane.ledger import dead
from paperlane.model.tasks import Ended, Failed, Fault, WorkerId
from paperlane.records.schema import audit

BROKEN = Fault("damaged_file", "The file is damaged.", "Save it anew.")
SLOW = Fault("step_timeout", "A step took too long.", "Split the document.")
ALL = {"all": True}


async def failed(house: House, who: str, count: int = 1, fault: Fault = BROKEN) -> list[str]:
    """So many documents of somebody's that failed."""
    tasks = (await house.upload(who, *["Fine."] * count))["tasks"]
    worker = WorkerId("failing")
    house.ledger.register(worker, "database", "host", 1, 50)
    while leases := house.ledger.step("database", worker, [], 50):
        for lease in leases:
            house.ledger.finish(worker, [Ended(lease, Failed(fault))])
    house.ledger.leave(worker)
    return [task["id"] for task in tasks]


async def listed(house: House, who: str, **query: object) -> list[dict[str, Any]]:
    return (await house[who].get("/dead", params=query)).json()["items"]


async def test_a_dead_letter_tells_its_cause_and_when(house: House):
    (task,) = await failed(house, "ann")
    (letter,) = await listed(house, "ann")
    assert (letter["id"], letter["document"], letter["attempts"]) == (task, "0.md", 1)
    assert letter["error"] == {"code": "damaged_file", "message": "The file is damaged.", "hint": "Save it anew."}
    assert letter["failed_at"].endswith("Z")
    assert (await house["ann"].get("/dead/causes")).json()["items"] == [{"code": "damaged_file", "count": 1}]


async def test_one_sees_ones_own_and_admins_and_viewers_everybodys_without_names(house: House):
    quoting = Fault(SLOW.code, "Wages of 2031 took too long.")
    (own,), (other,) = await failed(house, "ann"), await failed(house, "bob", 1, quoting)
    assert [letter["id"] for letter in await listed(house, "ann")] == [own]
    bob = house.desk.accounts.user("bob").id
    assert await listed(house, "ann", user=bob) == await listed(house, "ann", user=2**62) == []
    assert (await house["ann"].get("/dead/causes", params={"user": bob})).json()["items"] == []
    assert [(one["id"], one["owner"], one["document"]) for one in await listed(house, "adam")] == [
        (other, bob, None),
        (own, house.desk.accounts.user("ann").id, None),
    ]
    assert "0.md" not in (await house["adam"].get("/dead")).text
    assert [one["id"] for one in await listed(house, "adam", user=bob)] == [other]
    assert len((await house["adam"].get("/dead/causes")).json()["items"]) == 2
    assert [one["id"] for one in await listed(house, "vera")] == [other, own]
    assert [one["id"] for one in await listed(house, "vera", user=bob)] == [other]
    assert {one["error"]["message"] for one in await listed(house, "adam", user=bob)} == {quoting.message}
    told = CODES[SLOW.code].message[0]
    assert {one["error"]["message"] for one in await listed(house, "vera", user=bob)} == {told}
    assert "0.md" not in (await house["vera"].get("/dead")).text
    assert len((await house["vera"].get("/dead/causes")).json()["items"]) == 2
    assert (await house["nobody"].get("/dead")).status_code == 401


async def test_they_are_filtered_and_paged(house: House):
    names = await failed(house, "ann", 5)
    (slow,) = await failed(house, "ann", 1, SLOW)
    assert [letter["id"] for letter in await listed(house, "ann", code="step_timeout")] == [slow]
    batch = house.ledger.task(names[0]).batch  # type: ignore[arg-type]
    assert len(await listed(house, "ann", batch=batch)) == 5
    assert await listed(house, "ann", until="2020-01-01T00:00:00Z") == []
    assert len(await listed(house, "ann", since="2020-01-01")) == 6
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await house["ann"].get("/dead", params={"limit": 2, "cursor": cursor, "batch": batch})).json()
        seen += [letter["id"] for letter in page["items"]]
        cursor = page["next"]
    assert seen == names[::-1]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "x"},
        {"cursor": "1/\0"},
        {"since": "soon"},
        {"until": "nan"},
        {"since": "inf"},
        {"user": "0"},
        {"limit": 0},
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused(house: House, query: dict[str, object]):
    answer = await house["ann"].get("/dead", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("act", ["replay", "discard"])
@pytest.mark.parametrize(
    "asked",
    [{}, {"ids": []}, {"ids": ["t"], "all": True}, {"all": True, "code": "x"}, {"ids": ["t"], "code": "x"},
     {"all": "yes"}, {"everything": True}, {"all": False}, {"all": True, "cursor": "x"}, {"since": "soon"}],
    ids=str,
)  # fmt: skip
async def test_it_must_be_said_which_are_meant(house: House, act: str, asked: dict[str, object]):
    await failed(house, "ann")
    answer = await house["ann"].post(f"/dead/{act}", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert len(await listed(house, "ann")) == 1


async def test_some_a_filter_or_all_start_again(house: House):
    one, two, *_ = await failed(house, "ann", 4)
    await failed(house, "ann", 2, SLOW)
    rung = house.rung
    answer = (await house["ann"].post("/dead/replay", json={"ids": [one, two]})).json()
    assert answer == {"replayed": 2, "left": [], "next": None}
    assert house.rung == rung + 1
    assert (await house["ann"].post("/dead/replay", json={"code": "step_timeout"})).json()["replayed"] == 2
    assert (await house["ann"].post("/dead/replay", json=ALL)).json()["replayed"] == 2
    assert await listed(house, "ann") == []
    house.work()
    assert {task["status"] for task in (await house["ann"].get("/tasks")).json()["items"]} == {"completed"}


async def test_what_finds_no_room_is_told_and_stays(house: House):
    names = [task for _ in range(2) for task in await failed(house, "ann", 15)]  # 20 may wait
    answer = (await house["ann"].post("/dead/replay", json=ALL)).json()
    assert (answer["replayed"], answer["next"]) == (20, None)
    (left,) = answer["left"]
    assert (left["code"], left["count"], left["tasks"]) == ("user_limit_exceeded", 10, names[20:])
    assert left["message"]
    assert left["hint"]
    assert len(await listed(house, "ann")) == 10


async def test_many_are_handled_request_by_request(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dead, "AT_ONCE", 2)
    await failed(house, "ann", 13)
    done, cursor = [], ""
    while cursor is not None:
        answer = (await house["ann"].post("/dead/discard", json={**ALL, "cursor": cursor})).json()
        done.append(answer["discarded"])
        cursor = answer["next"]
    assert done == [10, 3]


async def test_a_discarded_one_is_told_of_no_more_but_keeps_its_cause(house: House):
    (task,) = await failed(house, "ann")
    answer = (await house["ann"].post("/dead/discard", json={"ids": [task, "none"]})).json()
    assert (answer["discarded"], answer["next"]) == (1, None)
    assert [(left["code"], left["tasks"]) for left in answer["left"]] == [("not_found", ["none"])]
    assert await listed(house, "ann") == []
    found = (await house["ann"].get(f"/tasks/{task}")).json()
    assert (found["status"], found["error"]["code"]) == ("failed", "damaged_file")
    assert (await house["ann"].post(f"/tasks/{task}/retry")).json()["status"] == "queued"


@pytest.mark.parametrize("act", ["replay", "discard"])
async def test_nobody_handles_anothers_but_an_admin(house: House, act: str):
    (task,) = await failed(house, "ann")
    ann = house.desk.accounts.user("ann").id
    foreign = (await house["bob"].post(f"/dead/{act}", json={"ids": [task]})).json()
    missing = (await house["bob"].post(f"/dead/{act}", json={"ids": ["none"]})).json()
    assert foreign["left"][0] == {**missing["left"][0], "tasks": [task]}
    for asked in (ALL, {"user": ann}):
        answer = (await house["bob"].post(f"/dead/{act}", json=asked)).json()
        assert answer == {f"{act}ed": 0, "left": [], "next": None}
    assert (await house["vera"].post(f"/dead/{act}", json=ALL)).status_code == 403
    assert (await house["nobody"].post(f"/dead/{act}", json=ALL)).status_code == 401
    assert len(await listed(house, "ann")) == 1
    assert (await house["adam"].post(f"/dead/{act}", json={"user": ann})).json()[f"{act}ed"] == 1
    assert await listed(house, "ann") == []


async def test_an_operators_act_is_written_down(house: House):
    (one,), _ = await failed(house, "ann"), await failed(house, "bob", 2)
    await house["bob"].post("/dead/replay", json=ALL)  # one's own business
    await house["adam"].post("/dead/replay", json={"ids": [one, "none"]})
    await house["adam"].post("/dead/discard", json={"code": "damaged_file"})  # nothing is left to do
    rows = house.ledger.read(
        lambda c: c.execute(select(audit.c.user_id, audit.c.details).where(audit.c.what.like("dead %"))).all()
    )
    ((user, details),) = rows
    assert (user, json.loads(details)) == (house.desk.accounts.user("adam").id, {"count": 1, "ids": [one, "none"]})
