"""`/schedules`: documents are tested again by the clock, and only their owner knows."""

import json

import pytest
from sqlalchemy import delete, select, update
from tests.web.conftest import House
from tests.web.test_interface import TEXT, blobs_of

from paperlane import assembly
from paperlane.ledger.schema import schedules
from paperlane.records import accounts
from paperlane.records.accounts import Role
from paperlane.records.schema import audit, documents, scheduled_files, tokens


async def add(house: House, batch: dict, who: str = "ann", **more: object) -> dict:
    asked = {"name": "nightly", "cron": "0 3 * * *", "batch": batch["id"], **more}
    answer = await house[who].post("/schedules", json=asked)
    assert answer.status_code == 201, answer.text
    return answer.json()


def fire(house: House) -> None:
    """As if it were time, through what every process does."""
    house.ledger.write(lambda c: c.execute(update(schedules).values(next_at=1.0)) and None)
    for due in house.ledger.due():
        house.ledger.fire(due, assembly.new_id, assembly.record_documents)


async def test_a_schedule_tests_the_same_files_again_as_a_new_batch(house: House):
    batch = await house.upload("ann", TEXT, "Fine.", name="specs")
    made = await add(house, batch, timezone="Asia/Shanghai", priority=2)
    assert {key: made[key] for key in ("name", "cron", "timezone", "priority", "documents", "paused")} == {
        "name": "nightly", "cron": "0 3 * * *", "timezone": "Asia/Shanghai", "priority": 2, "documents": 2,
        "paused": False,
    }  # fmt: skip
    assert made["next_at"].endswith("T19:00:00.000Z")
    assert (made["last_at"], made["last_batch"], made["refusal"], made["refused_at"]) == (None, None, None, None)
    house.work()
    fire(house)
    (fired,) = (await house["ann"].get("/schedules")).json()["items"]
    again = (await house["ann"].get(f"/batches/{fired['last_batch']}")).json()
    assert (again["name"], again["counts"]) == ("nightly", {"queued": 2})
    house.work()
    tasks = (await house["ann"].get("/tasks", params={"batch": again["id"]})).json()["items"]
    assert [(task["document"]["name"], task["status"], task["priority"]) for task in tasks] == [
        ("0.md", "completed", 2), ("1.md", "completed", 2),
    ]  # fmt: skip
    issues = (await house["ann"].get(f"/tasks/{tasks[0]['id']}/issues")).json()["items"]
    assert [issue["rule"] for issue in issues] == ["vague-term", "tbd", "doubled-word"]
    assert len(blobs_of(house)) == 2
    assert len(house.ledger.read(lambda c: c.execute(select(documents)).all())) == 4


async def test_a_schedule_rests_goes_on_changes_and_is_removed(house: House):
    await add(house, await house.upload("ann", "Fine."))
    paused = (await house["ann"].patch("/schedules/nightly", json={"paused": True})).json()
    assert paused["paused"]
    fire(house)
    assert len((await house["ann"].get("/tasks")).json()["items"]) == 1
    changed = (await house["ann"].patch("/schedules/nightly", json={"paused": False, "cron": "5 4 * * *"})).json()
    assert (changed["paused"], changed["cron"], changed["next_at"][11:19]) == (False, "5 4 * * *", "04:05:00")
    assert (await house["ann"].delete("/schedules/nightly")).status_code == 204
    assert (await house["ann"].delete("/schedules/nightly")).status_code == 404
    assert (await house["ann"].get("/schedules")).json() == {"items": [], "next": None}
    assert house.ledger.read(lambda c: c.execute(select(scheduled_files)).all()) == []
    assert len(blobs_of(house)) == 1


async def test_a_full_backlog_is_shown_with_the_schedule(house: House):
    await add(house, await house.upload("ann", "Fine."))
    await house.upload("ann", *["Fine."] * 19)
    fire(house)
    (shown,) = (await house["ann"].get("/schedules")).json()["items"]
    assert (shown["refusal"]["code"], bool(shown["refusal"]["hint"])) == ("user_limit_exceeded", True)
    assert shown["refused_at"] is not None
    house.work()
    fire(house)
    (shown,) = (await house["ann"].get("/schedules")).json()["items"]
    assert (shown["refusal"], shown["last_batch"] is not None) == (None, True)


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"cron": "0 0 30 2 *"}, 422, "invalid_cron"),
        ({"timezone": "Mars/Base"}, 422, "unknown_timezone"),
        ({"name": ".."}, 422, "invalid_request"),
        ({"name": "a/b"}, 422, "invalid_request"),
        ({"priority": 10}, 422, "invalid_request"),
        ({"batch": "missing"}, 404, "not_found"),
        ({"nonsense": 1}, 422, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused(house: House, more: dict, status: int, code: str):
    batch = await house.upload("ann", "Fine.")
    asked = {"name": "nightly", "cron": "0 3 * * *", "batch": batch["id"], **more}
    answer = await house["ann"].post("/schedules", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await house["ann"].get("/schedules")).json()["items"] == []


async def test_a_name_is_taken_once_by_each_user(house: House):
    mine = await house.upload("ann", "Fine.")
    await add(house, mine)
    again = await house["ann"].post("/schedules", json={"name": "nightly", "cron": "0 4 * * *", "batch": mine["id"]})
    assert (again.status_code, again.json()["code"]) == (409, "schedule_exists")
    await add(house, await house.upload("bob", "Fine."), "bob")
    assert len((await house["bob"].get("/schedules")).json()["items"]) == 1


async def test_nobody_schedules_what_is_anothers_or_meets_it_among_their_own(house: House):
    batch = await house.upload("ann", "Fine.")
    await add(house, batch)
    for name in ("bob", "adam"):
        asked = {"name": "mine", "cron": "0 3 * * *", "batch": batch["id"]}
        assert (await house[name].post("/schedules", json=asked)).status_code == 404
        assert (await house[name].get("/schedules")).json()["items"] == []
        assert (await house[name].patch("/schedules/nightly", json={"paused": True})).status_code == 404
        assert (await house[name].delete("/schedules/nightly")).status_code == 404
    assert (await house["vera"].post("/schedules", json=asked)).status_code == 403
    assert (await house["nobody"].post("/schedules", json=asked)).status_code == 401


async def test_schedules_are_paged_by_name(house: House):
    batch = await house.upload("ann", "Fine.")
    for name in ("c", "a", "b"):
        await add(house, batch, name=name)
    first = (await house["ann"].get("/schedules", params={"limit": 2})).json()
    rest = (await house["ann"].get("/schedules", params={"limit": 2, "cursor": first["next"]})).json()
    assert [one["name"] for one in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next"] is None


def bar(house: House, how: str) -> None:
    ann = house.desk.accounts.user("ann")
    if how == "demoted":
        house.desk.accounts.change_user(None, ann, role=Role.VIEWER)
    else:
        house.desk.accounts.revoke(None, ann)


@pytest.mark.parametrize("how", ["demoted", "revoked"])
async def test_a_schedule_of_somebody_who_may_upload_no_more_submits_nothing_and_says_why(house: House, how: str):
    await add(house, await house.upload("ann", "Fine."))
    ann = house.desk.accounts.user("ann")
    bar(house, how)
    fire(house)
    assert len(house.ledger.tasks(user=ann.id)) == 1
    assert house.ledger.due() == []  # its time has passed by
    (shown,) = (await house["adam"].get("/schedules", params={"user": ann.id})).json()["items"]
    assert (shown["refusal"]["code"], bool(shown["refusal"]["hint"])) == ("owner_barred", True)
    if how == "demoted":
        assert (await house["ann"].get("/schedules")).json()["items"] == [shown]
        house.desk.accounts.change_user(None, ann, role=Role.USER)
    else:
        house.desk.accounts.new_token(None, ann)
    fire(house)
    assert len(house.ledger.tasks(user=ann.id)) == 2
    (shown,) = (await house["adam"].get("/schedules", params={"user": ann.id})).json()["items"]
    assert (shown["refusal"], shown["last_batch"] is not None) == (None, True)


async def test_who_signed_in_by_the_link_and_out_again_is_not_barred(house: House):
    batch = await house.upload("ann", "Fine.")
    await add(house, batch)
    ann = house.desk.accounts.user("ann")
    house.ledger.write(lambda c: c.execute(delete(tokens).where(tokens.c.user_id == ann.id)) and None)
    fire(house)  # nothing was revoked
    session = house.desk.accounts.use_link(
        house.ledger.write(lambda c: accounts.new_link(c, ann.id, assembly.clock.now(), 60.0))
    )
    assert session is not None
    house.desk.accounts.end_session(session)
    fire(house)
    assert len(house.ledger.tasks(user=ann.id)) == 3
    session = house.desk.accounts.use_link(
        house.ledger.write(lambda c: accounts.new_link(c, ann.id, assembly.clock.now(), 60.0))
    )
    house.desk.accounts.revoke(None, ann)
    fire(house)
    assert len(house.ledger.tasks(user=ann.id)) == 3


@pytest.mark.parametrize("how", ["demoted", "revoked"])
async def test_an_admin_stops_anybodys_schedule_and_the_trail_tells(house: House, how: str):
    await add(house, await house.upload("ann", "Fine."))
    ann = house.desk.accounts.user("ann").id
    bar(house, how)
    whose = {"params": {"user": ann}}
    for name in ("bob", "vera"):
        assert (await house[name].get("/schedules", **whose)).json()["items"] == []
        assert (await house[name].patch("/schedules/nightly", json={"paused": True}, **whose)).status_code == 404
        assert (await house[name].delete("/schedules/nightly", **whose)).status_code == 404
    assert (await house["adam"].patch("/schedules/nightly", json={"paused": True}, **whose)).json()["paused"]
    assert (await house["adam"].delete("/schedules/nightly", **whose)).status_code == 204
    assert house.ledger.schedules() == []
    asked = select(audit.c.what, audit.c.details).where(audit.c.what.like("schedule %")).order_by(audit.c.id)
    rows = house.ledger.read(lambda c: c.execute(asked).all())
    assert [(what, json.loads(details)) for what, details in rows] == [
        ("schedule changed", {"owner": ann, "name": "nightly", "paused": True}),
        ("schedule removed", {"owner": ann, "name": "nightly"}),
    ]
