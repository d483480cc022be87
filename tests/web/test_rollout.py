"""`/rollout`: rules and flags are looked at, set and taken back; the same twice is done once."""

import pytest
from tests.web.conftest import House

from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import UPLOAD_VERSION
from paperlane.model.tasks import WorkerId
from paperlane.records.accounts import Role
from paperlane.rollout import guarded
from paperlane.rollout.flags import FLAGS
from paperlane.rollout.guards import Finding, Judgement, State
from paperlane.web import rollout

NO_RULE = {"usual": "database", "flags": dict.fromkeys(FLAGS, True), "rules": [], "settled": True}


async def seen(house: House, who: str = "vera") -> dict:
    answer = await house[who].get("/rollout")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def put(house: House, **body: object) -> dict:
    answer = await house["adam"].put("/rollout", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def serve(house: House, *engines: str) -> None:
    for engine in engines:
        house.ledger.register(WorkerId(engine), engine, "host", 1, 4, UPLOAD_VERSION)


async def test_it_is_shown_to_who_looks_and_changed_by_admins(house: House):
    serve(house, "database")
    carried = {"engine": "database", "users": 4, "of_their_own": 0, "workers": 1}
    expected = {**NO_RULE, "engines": [carried], "unserved": []}
    assert await seen(house) == await seen(house, "adam") == expected
    for name in ("ann", "vera"):
        refused = await house[name].put("/rollout", json={"flags": {"use_worker_pool": False}})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await house["ann"].get("/rollout")).status_code == 403
    assert (await house["nobody"].get("/rollout")).status_code == 401
    assert await seen(house) == expected


async def test_the_same_rule_twice_is_one_and_is_taken_back_once(house: House):
    serve(house, "database", "inline")
    rule = {"engine": "inline", "percent": 100}
    answer = await put(house, **rule)
    assert answer.pop("moved") == 4
    assert answer == await seen(house)
    (shown,) = answer["rules"]
    assert shown.pop("set_at").endswith("Z")
    guard = shown.pop("guard")
    assert shown == {"id": 1, "engine": "inline", "percent": 100.0, "group": None, "set_by": "adam", "hidden": False}
    assert guard.pop("changed_at").endswith("Z")
    assert guard == {
        "mode": "act",
        "state": "waits",
        "words": "It will be looked at within a minute, where `paperlane serve` runs.",
        "control": None,
        "looked_at": None,
        "findings": [],
    }
    again = await put(house, **rule)
    assert (again["moved"], len(again["rules"])) == (0, 1)
    assert (await put(house, rollback=True, rule=1))["moved"] == 4
    assert (await put(house, rollback=True, rule=1))["moved"] == 0
    assert (await seen(house))["rules"] == []
    written = (await house["vera"].get("/audit", params={"limit": 2})).json()["items"]
    assert [(entry["what"], entry["name"]) for entry in written] == [
        ("rollout taken back", "adam"),
        ("rollout", "adam"),
    ]
    assert written[1]["details"] == {"engine": "inline", "percent": 100, "group": "", "guard": "act"}


async def test_all_of_an_engine_is_taken_back_by_one_call_and_the_same_again_does_nothing(house: House):
    serve(house, "database", "inline", "rq")
    for rule in ({"percent": 10}, {"percent": 100}):
        await put(house, engine="inline", **rule)
    await put(house, engine="rq", percent=0)
    answer = await put(house, rollback=True, engine="inline")
    assert (answer["moved"], [rule["engine"] for rule in answer["rules"]]) == (4, ["rq"])
    assert (await put(house, rollback=True, engine="inline"))["moved"] == 0
    written = (await house["vera"].get("/audit", params={"what": "rollout taken back"})).json()["items"]
    assert [entry["details"]["percent"] for entry in written] == [10, 100]


async def test_users_go_back_to_an_engine_that_a_guardrail_holds_by_force_only(house: House):
    serve(house, "database", "inline", "rq")
    await put(house, engine="inline", percent=100)
    house.ledger.write(lambda connection: guarded.keep(connection, 1, State.HELD, None, 5.0))
    for body in ({"rollback": True, "rule": 2}, {"rollback": True, "engine": "rq"}):
        rule = (await put(house, engine="rq", percent=100))["rules"][0]["id"]
        asked = {name: rule if name == "rule" else value for name, value in body.items()}
        refused = await house["adam"].put("/rollout", json=asked)
        assert (refused.status_code, refused.json()["code"]) == (409, "rollout_held")
        assert "rollback inline" in refused.json()["hint"]
        assert (await put(house, **asked, force=True))["moved"] == 4


async def test_a_rule_is_set_only_on_what_was_seen(house: House):
    serve(house, "inline")  # and none of database, which is not what it is refused for
    rule = {"engine": "inline", "percent": 25}
    assert len((await put(house, **rule, newest=0))["rules"]) == 1
    assert len((await put(house, **rule, newest=0))["rules"]) == 1  # which it says already
    await put(house, engine="inline", percent=50, newest=1)
    refused = await house["adam"].put("/rollout", json={**rule, "newest": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "rollout_changed")
    assert [one["percent"] for one in (await seen(house))["rules"]] == [50]


async def test_a_rule_that_carries_nobody_is_told_apart(house: House):
    serve(house, "inline", "rq")
    await put(house, engine="inline", percent=10)
    answer = await put(house, engine="rq", percent=10)
    assert [(rule["engine"], rule["hidden"]) for rule in answer["rules"]] == [("rq", False), ("inline", True)]


async def test_a_guard_is_set_with_its_rule_changed_and_acknowledged(house: House):
    serve(house, "database", "inline")
    rule = {"engine": "inline", "percent": 50}
    answer = await put(house, **rule, guard="stop")
    assert answer["rules"][0]["guard"]["mode"] == "stop"
    assert (await put(house, **rule))["rules"][0]["guard"]["mode"] == "stop"
    answer = await put(house, **rule, guard="tell")
    (shown,) = answer["rules"]
    assert (shown["id"], shown["guard"]["mode"]) == (1, "tell")
    written = (await house["vera"].get("/audit", params={"what": "guard changed"})).json()["items"]
    assert [entry["details"] for entry in written] == [{"engine": "inline", "group": "", "guard": "tell"}]
    finding = Finding("failures", 0.01, 0.2, 0.19, float("-inf"), 0.01, 5.0, 3.0, True, (20, 20), (200, 200))
    judgement = Judgement(State.WORSE, "database", (20, 20), (200, 200), [finding])
    house.ledger.write(lambda connection: guarded.keep(connection, 1, State.HELD, judgement, 5.0))
    (shown,) = (await seen(house))["rules"]
    assert shown["guard"]["state"] == "held"
    assert shown["guard"]["findings"][0]["low"] is None
    assert shown["guard"]["words"].startswith("Of inline's tasks 20.0% failed, of database's 1.0%")
    refused = await house["adam"].put("/rollout", json={"engine": "inline", "percent": 60})
    assert (refused.status_code, refused.json()["code"]) == (409, "rollout_held")
    answer = await put(house, acknowledge=1)
    assert answer["rules"][0]["guard"]["state"] == "acknowledged"
    assert (await put(house, engine="inline", percent=60))["rules"][0]["percent"] == 60
    (shown,) = (await put(house, acknowledge=2))["rules"]
    assert (shown["guard"]["mode"], shown["guard"]["state"]) == ("tell", "acknowledged")  # as the one before
    for number in (1, 9):
        refused = await house["adam"].put("/rollout", json={"acknowledge": number})
        assert refused.json()["code"] == "not_found"
    (shown,) = (await put(house, engine="inline", percent=60, guard="tell"))["rules"]
    assert (shown["id"], shown["guard"]["state"]) == (2, "waits")
    refused = await house["adam"].put("/rollout", json={"acknowledge": 2})
    assert refused.json()["code"] == "nothing_to_acknowledge"


async def test_the_guard_of_a_rule_in_force_is_changed_by_its_number(house: House):
    serve(house, "database", "inline")
    house.desk.accounts.add_user(None, "rita", Role.USER, "readers", None, None)
    await put(house, engine="inline", percent=50)
    await put(house, engine="database", percent=100, group="readers")
    for _ in range(2):
        newest, older = (await put(house, rule=1, guard="off"))["rules"]
        assert (newest["id"], newest["guard"]["mode"]) == (2, "act")
        assert (older["id"], older["guard"]["mode"], older["guard"]["state"]) == (1, "off", "off")
    written = (await house["vera"].get("/audit", params={"what": "guard changed"})).json()["items"]
    assert [(entry["name"], entry["details"]) for entry in written] == [
        ("adam", {"rule": 1, "engine": "inline", "group": "", "guard": "off"})
    ]
    refused = await house["adam"].put("/rollout", json={"rule": 9, "guard": "off"})
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    for more in (
        {"rollback": True},
        {"acknowledge": 1},
        {"engine": "inline", "percent": 50},
        {"flags": {"use_worker_pool": False}},
    ):
        refused = await house["adam"].put("/rollout", json={"rule": 1, "guard": "act", **more})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request"), more
    assert (await seen(house))["rules"][1]["guard"]["mode"] == "off"


async def test_a_group_has_a_rule_of_its_own(house: House):
    serve(house, "inline")
    house.desk.accounts.add_user(None, "rita", Role.USER, "readers", None, None)
    assert (await put(house, engine="inline", percent=100, group="readers"))["moved"] == 1
    assert (await seen(house))["rules"][0]["group"] == "readers"


async def test_flags_are_switched_alone_and_beside_a_rule(house: House):
    serve(house, "inline")
    answer = await put(house, flags={"use_database_queue": False, "use_worker_pool": False})
    assert (answer["moved"], answer["unserved"]) == (4, [])
    assert answer["flags"] == {"use_database_queue": False, "use_worker_pool": False, "use_user_semaphore": True}
    entries = (await house["adam"].get("/audit?what=flag switched")).json()["items"]
    assert sorted(entry["details"]["flag"] for entry in entries) == ["use_database_queue", "use_worker_pool"]
    answer = await put(house, engine="rq", percent=100, flags={"use-database-queue": True}, force=True)
    assert (answer["moved"], answer["unserved"]) == (4, ["rq"])
    assert answer["flags"]["use_database_queue"]


async def test_what_makes_no_sense_is_refused_with_what_to_do(house: House):
    serve(house, "database")
    for body, status, code in (
        ({}, 422, "invalid_request"),
        ({"engine": "inline"}, 422, "invalid_request"),
        ({"percent": 10}, 422, "invalid_request"),
        ({"group": "readers"}, 422, "invalid_request"),
        ({"engine": "teleport", "percent": 10}, 422, "invalid_request"),
        ({"engine": "database", "percent": 101}, 422, "invalid_request"),
        ({"engine": "database", "percent": -1}, 422, "invalid_request"),
        ({"engine": "database", "percent": "10"}, 422, "invalid_request"),
        ({"engine": "database", "percent": 10, "group": "nobodys"}, 422, "invalid_request"),
        ({"flags": {"use_magic": True}}, 422, "unknown_flag"),
        ({"flags": {"use_worker_pool": "off"}}, 422, "invalid_request"),
        ({"rule": 1}, 422, "invalid_request"),
        ({"rollback": True, "engine": "database", "percent": 10}, 422, "invalid_request"),
        ({"rollback": True, "flags": {"use_worker_pool": False}}, 422, "invalid_request"),
        ({"guard": "act"}, 422, "invalid_request"),
        ({"newest": 0}, 422, "invalid_request"),
        ({"flags": {"use_worker_pool": False}, "newest": 0}, 422, "invalid_request"),
        ({"engine": "database", "percent": 1, "newest": -1}, 422, "invalid_request"),
        ({"engine": "database", "percent": 1, "newest": 1}, 409, "rollout_changed"),
        ({"rollback": True, "engine": "database", "rule": 1}, 422, "invalid_request"),
        ({"rollback": True, "engine": "database", "guard": "act"}, 422, "invalid_request"),
        ({"rollback": True, "group": "readers"}, 422, "invalid_request"),
        ({"rollback": True, "engine": "database"}, 409, "nothing_rolled_out"),
        ({"engine": "database", "percent": 1, "guard": "maybe"}, 422, "invalid_request"),
        ({"acknowledge": 1, "rollback": True}, 422, "invalid_request"),
        ({"rollback": True, "rule": 7}, 404, "not_found"),
        ({"rollback": True}, 409, "nothing_rolled_out"),
        ({"engine": "celery", "percent": 10}, 409, "engine_unserved"),
        ({"flags": {"use_database_queue": False}}, 409, "engine_unserved"),
        ({"flags": {}, "speed": "high"}, 422, "invalid_request"),
    ):
        answer = await house["adam"].put("/rollout", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"], body
    refused = await house["adam"].put("/rollout", content=b'{"engine": "database", "percent": NaN}')
    assert refused.status_code == 422
    assert (await seen(house))["rules"] == []
    assert all((await seen(house))["flags"].values())


async def test_a_newer_rule_is_not_taken_back_for_an_older_one(house: House):
    serve(house, "inline")
    first, second = [(await put(house, engine="inline", percent=n))["rules"][0]["id"] for n in (10, 20)]
    answer = await house["adam"].put("/rollout", json={"rollback": True, "rule": first})
    assert (answer.status_code, answer.json()["code"]) == (409, "rollout_changed")
    assert [rule["id"] for rule in (await seen(house))["rules"]] == [second]


async def test_with_very_many_users_it_is_answered_before_all_are_moved(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("paperlane.rollout._PAGE", 1)
    monkeypatch.setattr(rollout, "_PAGES", 3)
    answer = await put(house, engine="inline", percent=100, force=True)
    assert (answer["moved"], answer["settled"]) == (3, False)
    assert sum(house.desk.rollout.settle()) == 1  # as the service does within a second
    assert (await seen(house))["settled"]


async def test_one_user_is_given_to_an_engine_without_workers_by_force_only(house: House):
    ann = (await house["ann"].get("/session")).json()["id"]
    refused = await house["adam"].patch(f"/users/{ann}", json={"engine": "rq"})
    assert (refused.status_code, refused.json()["code"]) == (409, "engine_unserved")
    given = await house["adam"].patch(f"/users/{ann}", json={"engine": "rq", "force": True})
    assert given.json()["engine"] == "rq"
    assert (await house["adam"].patch(f"/users/{ann}", json={"force": True})).status_code == 422


async def test_while_no_limit_of_their_own_bounds_users_they_are_shown_it_all_the_same(house: House):
    await house.upload("ann", *["Fine."] * 12)
    await put(house, flags={"use_user_semaphore": False})
    (lane,) = (await house["ann"].get("/queue")).json()["users"]
    assert lane["limit"] == 10
    assert isinstance(house.ledger, SqlLedger)
    house.ledger.register(WorkerId("w"), "database", "host", 1, 20, UPLOAD_VERSION)
    assert len(house.ledger.step("database", WorkerId("w"), [], 20)) == 12
