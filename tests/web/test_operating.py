"""The operators' pages and calls: who sees what of whom, and what they are told."""

import html
import re
from collections.abc import Sequence
from math import inf

import pytest
from sqlalchemy import Connection
from tests.web.conftest import House
from tests.web.test_usage import spend

from paperlane.desk import watching
from paperlane.desk.watching import Group, fingerprint, shape_of
from paperlane.model.documents import UPLOAD_VERSION
from paperlane.model.tasks import (
    Ended,
    Failed,
    Failure,
    Fault,
    PastAttempt,
    Progress,
    Retry,
    StepTime,
    TaskId,
    UserId,
    WorkerId,
)
from paperlane.records import audit, incidents, portable
from paperlane.records.accounts import Role
from paperlane.records.incidents import Incident
from paperlane.web import looks, operating_pages
from paperlane.web.operating_pages import SILENCES, timeline

PAGES = (
    "", "/alerts", "/queue", "/tasks", "/errors", "/dead", "/workers", "/rollout", "/comparisons", "/users", "/users/1",
    "/audit",
)  # fmt: skip
CALLS = ("/workers", "/audit", "/errors", "/rollout")
SECRET = Fault("odd_table", "The table 'Wages of 2031' has 17 rows too many.", "See 'Wages of 2031'.")


async def page(house: House, who: str, path: str, status: int = 200, **headers: str) -> str:
    answer = await house[who].get(f"http://test/admin{path}", headers=headers)
    assert answer.status_code == status, (path, who, answer.text[-300:])
    return answer.text


def fail(house: House, fault: Fault, *, again: bool = False) -> list[TaskId]:
    """Whatever waits fails so, while issues are looked for."""
    worker = WorkerId("tester")
    house.ledger.register(worker, "database", "host", 1, 50, UPLOAD_VERSION)
    leases = house.ledger.step("database", worker, [], 50)
    for lease in leases:
        house.ledger.begin(lease, worker)
        house.ledger.started(lease, worker, Progress("issue_detection", 40.0))
        house.ledger.finish(worker, [Ended(lease, Retry(fault) if again else Failed(fault))])
    return [lease.task for lease in leases]


async def test_admins_and_viewers_look_and_users_do_not(house: House):
    (task,) = (await house.upload("ann", "Fine."))["tasks"]
    fail(house, SECRET)
    for path in (*PAGES, f"/tasks/{task['id']}"):
        await page(house, "nobody", path, 303)
        assert "Only admins and viewers" in await page(house, "ann", path, 403)
        await page(house, "nobody", path, 401, **{"HX-Request": "true"})
    for path in CALLS:
        for name, status in (("adam", 200), ("vera", 200), ("ann", 403), ("nobody", 401)):
            assert (await house[name].get(path)).status_code == status, (path, name)


async def test_a_viewer_sees_no_name_of_a_document_and_no_sentence_that_may_quote_one(house: House):
    files = [("files", ("merger-with-acme.md", b"Fine."))]
    batch = (await house["ann"].post("/batches", files=files, data={"name": "secret project"})).json()
    (task,) = fail(house, SECRET)
    told = {"adam": "", "vera": ""}
    for name in told:
        for path in (*PAGES, f"/tasks/{task}", f"/tasks?batch={batch['id']}"):
            told[name] += await page(house, name, path)
        for path in CALLS:
            told[name] += (await house[name].get(path)).text
    for word in ("merger-with-acme", "secret project", "Wages", "17 rows"):
        assert word not in told["vera"], word
    assert "odd_table" in told["vera"]
    assert {word: word in told["adam"] for word in ("Wages", "merger-with-acme", "secret project")} == {
        "Wages": True,
        "merger-with-acme": True,  # on the task's own page, as GET /tasks/{task} tells them
        "secret project": False,
    }
    assert "merger-with-acme" not in await page(house, "adam", "/tasks")


async def test_a_viewer_is_offered_nothing_to_change(house: House):
    await house.upload("ann", "Fine.")
    fail(house, SECRET)
    for path in PAGES:
        forms = re.findall(r"<form[^>]*data-call[^>]*>(.*?)</form>", await page(house, "vera", path), re.DOTALL)
        assert all("<button" not in form and "disabled" in form for form in forms), path
    everything = "".join([await page(house, "adam", path) for path in PAGES])
    calls = set(re.findall(r'data-call="(\w+ [\w/]+)"', everything))
    assert {"POST /queue/pause", "PUT /queue/limit", "POST /users", "PATCH /users/1", "POST /users/1/token",
            "POST /users/1/revoke", "POST /dead/replay", "POST /dead/discard"} <= calls  # fmt: skip
    for call in calls:
        verb, path = call.split()
        answer = await house["vera"].request(verb, path, json={})
        assert answer.status_code in {403, 422}, call
    assert (await house["vera"].post("/dead/replay", json={"all": True})).status_code == 403


async def test_the_overview_tells_of_each_engine_whose_tasks_wait_and_that_has_no_worker(house: House):
    house.ledger.register(WorkerId("within the service"), "inline", "host", 1, 4, UPLOAD_VERSION)
    told = "tasks of database wait, and no worker of it lives"
    assert told not in await page(house, "vera", "")
    await house.upload("ann", "Fine.", "Fine.")
    assert f"2 {told}" in await page(house, "vera", "")
    assert "引擎 database 有 2 个任务在等待" in await page(house, "vera", "?lang=zh")
    house.ledger.register(WorkerId("tester"), "database", "host", 1, 1, UPLOAD_VERSION)
    assert told not in await page(house, "vera", "")


async def test_the_workers_page_tells_who_runs_nothing_but_inline_tasks_while_others_wait(house: House):
    lone = '<p class="notice">No worker lives but the service'
    assert lone in await page(house, "vera", "/workers")  # there is not even that
    house.ledger.register(WorkerId("within the service"), "inline", "host", 1, 4, UPLOAD_VERSION)
    assert lone not in await page(house, "vera", "/workers")
    await house.upload("ann", "Fine.")
    told = await page(house, "vera", "/workers")
    assert (lone in told, "1 tasks of database wait, and no worker of it lives" in told) == (True, True)
    house.ledger.register(WorkerId("tester"), "database", "host", 1, 1, UPLOAD_VERSION)
    assert lone not in await page(house, "vera", "/workers")


async def test_alerts_are_paged_and_silences_that_hold_are_listed_with_a_button_to_end_each(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(operating_pages, "_A_PAGE", 2)
    now = house.ledger.read(portable.now)
    params = {"value": "9", "limit": "1", "user": "ann"}
    some = [Incident(name, "user-backlog", name, "warning", 9, 1, now - 60, params) for name in "abcd"]
    house.ledger.write(lambda c: [incidents.begin(c, one) for one in some])
    house.ledger.write(lambda c: incidents.end(c, "d", now))
    adam = house.desk.accounts.user("adam")
    quiet = [house.desk.alerts.silence(adam, "user-backlog", subject, 2.0) for subject in ("a", "")]

    async def shown(query: str) -> list[str]:
        return re.findall(r'<li id="(\w)">', await page(house, "vera", f"/alerts{query}"))

    first = await page(house, "vera", "/alerts")
    assert re.findall(r'<li id="(\w)">', first) == ["c", "b"]
    (onward,) = re.findall(r'<a href="([^"]*)" rel="next">', first)
    assert await shown(onward) == ["a"]
    assert await shown("?state=closed") == ["d"]
    assert await shown("?state=all") == ["d", "c"]
    ends = [f"DELETE /alerts/silences/{one.id}" for one in quiet]
    told = await page(house, "adam", "/alerts")
    assert [told.count(f'data-call="{end}"') for end in ends] == [1, 1]
    assert "DELETE" not in first
    for one in quiet:
        assert (await house["adam"].delete(f"/alerts/silences/{one.id}")).status_code == 204
    assert "Nothing is silenced." in await page(house, "vera", "/alerts")
    assert "没有静默" in await page(house, "vera", "/alerts?lang=zh")


async def test_quotas_are_shown_with_what_is_used_of_them_and_changed_with_a_line_in_the_audit_log(house: House):
    ann = house.desk.accounts.user("ann")
    await house.upload("ann", "x" * (1 << 19))
    spend(house, "ann", 20, 0.0)
    for who, disabled in (("adam", False), ("vera", True)):
        text = await page(house, who, f"/users/{ann.id}")
        assert ("0.5 used, no limit" in text, "40 used, no limit" in text) == (True, True)
        (fields,) = re.findall(r'<fieldset aria-labelledby="quotas"([^>]*)>', text)
        assert ("disabled" in fields) is disabled
    change = {"storage_mb": 3, "requests_a_minute": 1_000, "model_tokens": 50}
    assert (await house["adam"].patch(f"/users/{ann.id}", json=change)).status_code == 200
    text = await page(house, "vera", f"/users/{ann.id}")
    for told in ("0.5 of 3 used", "0 of 1,000 used", "40 of 50 used"):
        assert told in text
    for name, value in change.items():
        assert re.search(f'name="{name}"[^>]*value="{value}"', text), name
    assert '<td class="n">0.5 / 3</td>' in await page(house, "vera", "/users")
    (written, *_) = (await house["vera"].get("/audit?what=user changed")).json()["items"]
    assert written["details"] == {"name": "ann", **change}


async def test_an_address_that_makes_no_sense_is_told_on_a_page_with_a_way_out(house: House):
    for path, status, told in (
        ("/tasks?user=x", 422, "user=x in the address makes no sense."),
        ("/errors?hours=0", 422, "hours=0 in the address makes no sense."),
        ("/audit?user=-1", 422, "user=-1 in"),
        ("/alerts?state=lost", 422, "state=lost in"),
        ("/queue?lang=fr", 422, "lang=fr in"),
        ("/users/none", 404, "There is no such page."),
        (f"/tasks?user={'9' * 300}", 422, f"user={'9' * 60} in"),
    ):
        text = await page(house, "adam", path, status)
        assert (told in text, "Without filters" in text, "<h1>" in text) == (True, True, True), path
        await page(house, "ann", path, 403)
        await page(house, "nobody", path, 303)
        part = await page(house, "adam", path, status, **{"HX-Request": "true"})
        assert ("<header>" in part, told in part) == (False, True)
    assert "地址中的 user=x 无效" in await page(house, "adam", "/tasks?user=x&lang=zh", 422)
    other = await house["ann"].get("http://test/queue?lang=fr")
    assert (other.status_code, "lang=fr in the address" in other.text) == (422, True)
    for path, onward in (
        ("/queue?lang=fr", "/queue"),
        ("/sign-in?lang=fr&next=/admin/tasks%3Fstatus%3Dfailed", "/sign-in?next=%2Fadmin%2Ftasks%3Fstatus%3Dfailed"),
        ("/language/fr", "/"),
    ):
        told = (await house["ann"].get(f"http://test{path}")).text
        assert f'<p><a href="{onward}">' in told, path
    programs = (await house["adam"].get("/errors?hours=0")).json()
    assert programs["code"] == "invalid_request"  # they are told as before


@pytest.mark.parametrize("who", ["adam", "nobody"])
async def test_an_address_that_is_none_is_told_on_a_page_to_who_reads_and_as_a_problem_to_programs(
    house: House, who: str
):
    reads = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/admin/nothing", "/nothing", "/static/nothing.js"):
        read = await house[who].get(f"http://test{path}", headers=reads)
        assert (read.status_code, "There is no such page." in read.text) == (404, True), path
        told = await house[who].get(f"http://test{path}")
        assert (told.status_code, told.json()["code"]) == (404, "not_found"), path
    read = await house[who].get("http://test/nothing?lang=zh", headers=reads)
    assert "没有这样的页面" in read.text
    for told in (
        await house[who].get("http://test/api/v1/nothing", headers=reads),
        await house[who].post("http://test/nothing", headers=reads),
    ):
        assert (told.status_code, told.json()["code"]) == (404, "not_found")


async def test_a_user_is_added_with_quotas_on_the_page(house: House):
    text = await page(house, "adam", "/users")
    for quota in ("storage_mb", "requests_a_minute", "model_tokens"):
        assert f'name="{quota}" type="number" data-kind="quota"' in text
    made = {"name": "carl", "role": "user", "group": "", "storage_mb": 3, "requests_a_minute": 0, "model_tokens": None}
    added = await house["adam"].post("/users", json=made)  # as the form sends what is filled in, and what is not
    assert added.status_code == 201, added.text
    quotas = house.desk.accounts.user("carl").quotas
    assert (quotas.storage_mb, quotas.requests_a_minute, quotas.model_tokens) == (3, 0, None)


async def test_filters_stay_when_somebody_signs_in_or_chooses_another_language(house: House):
    answer = await house["nobody"].get("http://test/admin/tasks?status=failed&name=a%26b")
    there = answer.headers["location"]
    assert there == "/sign-in?next=/admin/tasks%3Fstatus%3Dfailed%26name%3Da%2526b"
    signed_in = await house["adam"].get(f"http://test{there}")
    assert signed_in.headers["location"] == "/admin/tasks?status=failed&name=a%26b"
    lost = await house["nobody"].get("http://test/admin/dead?code=odd", headers={"HX-Request": "true"})
    assert lost.headers["hx-redirect"] == "/sign-in?next=/admin/dead%3Fcode%3Dodd"
    text = await page(house, "adam", "/tasks?status=failed&lang=en")
    (other,) = re.findall(r'href="(/language/zh[^"]*)"', text)
    spoken = await house["adam"].get(f"http://test{html.unescape(other)}")
    assert spoken.headers["location"] == "/admin/tasks?status=failed"


async def test_failures_that_are_alike_are_told_together(house: House):
    await house.upload("ann", "One.", "Two.")
    dead = fail(house, Fault("odd_table", "The table 'A' has 3 rows too many."))
    await house.upload("bob", "Three.")
    (retried,) = fail(house, Fault("odd_table", "The table 'B' has 17 rows too many."), again=True)
    await house.upload("bob", "Four.")
    fail(house, Fault("too_slow", "It took 3 s."))
    found = (await house["adam"].get("/errors")).json()
    first, second = found["items"]
    assert (first["code"], first["step"], first["count"], first["users"]) == ("odd_table", "issue_detection", 3, 2)
    assert first["message"] == "The table … has … rows too many."
    assert set(first["tasks"]) == {*dead, retried}
    assert first["engines"] == ["database"]
    assert first["first_at"] < first["last_at"]
    assert (second["code"], second["count"]) == ("too_slow", 1)
    assert first["fingerprint"] == fingerprint("odd_table", "issue_detection", first["message"])
    assert (found["looked"], found["whole"], found["next"]) == (4, True, None)
    text = await page(house, "adam", "/errors")
    assert "The table … has … rows too many." in text
    assert f'href="/admin/tasks/{retried}"' in text
    for wrong in ("hours=0", "hours=721", "hours=x"):
        assert (await house["adam"].get(f"/errors?{wrong}")).status_code == 422


def test_a_task_that_failed_twice_counts_twice_and_is_named_once():
    group = Group("", "code", "", "", "")
    for task, at in (("b", 3.0), ("a", 2.0), ("a", 1.0)):
        group.add(Failure(TaskId(task), UserId(1), "arq", "", SECRET, at))
    assert (group.count, group.tasks, group.first_at, group.last_at) == (3, ["b", "a"], 1.0, 3.0)


async def test_changes_of_the_same_moment_are_paged_without_a_gap(house: House):
    def write(connection: Connection) -> None:
        for name in "cab":
            audit.note(connection, name, UserId(77), 5.0, "limit changed", {})

    house.ledger.write(write)
    found, cursor = [], ""
    while cursor is not None:
        answer = (await house["adam"].get("/audit", params={"user": 77, "limit": 1, "cursor": cursor})).json()
        found += [one["id"] for one in answer["items"]]
        cursor = answer["next"]
    assert found == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("Page 3 of 8 is empty.", "Page … of … is empty."),
        ("The sheet “Wages” and 'it' and `x`", "The sheet … and … and …"),
        ("第 3 页《标题》为空", "第 … 页…为空"),
        ("No file /srv/data/blobs/ab12", "No file …"),
        ("It is 1.5.2 at 10:30, http://a.b/c?d=1", "It is … at …, …"),
        ("It isn't there.", "It isn't there."),
    ],
)
def test_a_shape_has_no_numbers_names_and_places(message: str, shape: str):
    assert shape_of(message) == shape


async def test_whatever_an_admin_changes_stands_in_the_audit_log(house: House):
    await house["adam"].post("/queue/pause", json={"engine": "inline"})
    await house["adam"].put("/queue/limit", json={"max_running": 7})
    ann = house.desk.accounts.user("ann").id
    await house["adam"].patch(f"/users/{ann}", json={"limit": 3, "paused": True})
    adam = house.desk.accounts.user("adam").id
    found = (await house["adam"].get(f"/audit?user={adam}")).json()
    assert [(one["what"], one["name"]) for one in found["items"]] == [
        ("user changed", "adam"),
        ("limit changed", "adam"),
        ("engine paused", "adam"),
    ]
    assert found["items"][0]["details"] == {"name": "ann", "limit": 3, "paused": True}
    pages, cursor = [], ""
    while cursor is not None:
        answer = (await house["vera"].get("/audit", params={"user": 0, "limit": 3, "cursor": cursor})).json()
        pages += [(one["what"], one["details"]["name"], one["name"]) for one in answer["items"]]
        cursor = answer["next"]
    assert len(pages) == len(set(pages)) == 8
    assert {name for _, _, name in pages} == {""}
    only = (await house["adam"].get("/audit?what=limit changed")).json()["items"]
    assert [one["details"] for one in only] == [{"max_running": 7}]
    for wrong in ("cursor=x", "cursor=nan/a", "cursor=1/%00", "limit=0", "user=-1"):
        assert (await house["adam"].get(f"/audit?{wrong}")).status_code == 422, wrong
    text = await page(house, "adam", "/audit?what=limit+changed")
    assert "max_running: 7" in text
    assert "engine: inline" not in text


async def test_an_owners_word_for_a_schedule_is_not_told_to_viewers(house: House):
    batch = await house.upload("ann", "Fine.")
    plan = {"name": "nightly-wages", "cron": "0 3 * * *", "batch": batch["id"]}
    assert (await house["ann"].post("/schedules", json=plan)).status_code == 201
    ann = house.desk.accounts.user("ann").id
    changed = await house["adam"].patch("/schedules/nightly-wages", params={"user": ann}, json={"paused": True})
    assert changed.status_code == 200
    for name, knows in (("adam", True), ("vera", False)):
        assert ("nightly-wages" in (await house[name].get("/audit")).text) is knows
        assert ("nightly-wages" in await page(house, name, "/audit")) is knows


async def test_workers_are_told_with_what_they_have(house: House):
    house.ledger.register(WorkerId("w"), "database", "somewhere", 42, 4, UPLOAD_VERSION)
    await house.upload("ann", "Fine.")
    house.ledger.step("database", WorkerId("w"), [], 4)
    (worker,) = (await house["vera"].get("/workers")).json()["items"]
    assert {name: worker[name] for name in ("id", "engine", "host", "pid", "slots", "running", "live", "stages")} == {
        "id": "w", "engine": "database", "host": "somewhere", "pid": 42, "slots": 4, "running": 1, "live": True,
        "stages": ["cpu", "model"],
    }  # fmt: skip
    assert 0 <= worker["seen"] < 30
    assert "somewhere" in await page(house, "adam", "/workers")


async def test_shares_are_told_by_weight_of_running_and_of_service(house: House):
    house.desk.accounts.change_user(None, house.desk.accounts.user("ann"), weight=3.0)
    await house.upload("ann", "One.", "Two.", "Three.")
    await house.upload("bob", "Four.")
    house.ledger.register(WorkerId("w"), "database", "host", 1, 2, UPLOAD_VERSION)
    house.ledger.step("database", WorkerId("w"), [], 2)
    adam = house.desk.accounts.user("adam")
    seen = house.desk.watching.lanes(50)
    found, shares = house.desk.watching.queue(adam, seen.queue), seen.shares
    ann, bob = (shares[house.desk.accounts.user(name).id] for name in ("ann", "bob"))
    assert (ann.fair, bob.fair) == (0.75, 0.25)
    assert ann.running + bob.running == pytest.approx(1.0)
    assert ann.service + bob.service == pytest.approx(1.0)
    assert len(found.lanes) == 2
    assert re.search(r"ann</a>.*75 %.*bob</a>.*25 %", await page(house, "adam", "/queue"), re.DOTALL)


async def test_who_waits_longest_is_shown_however_little_they_have_and_shares_are_of_all(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(operating_pages, "_A_PAGE", 1)
    for who, count in (("ann", 1), ("adam", 2), ("bob", 3)):
        await house.upload(who, *["Fine."] * count)
    text = await page(house, "vera", "/queue")
    rows = re.findall(r'<tr><th scope="row"><a [^>]*>(\w+)</a>.*?</tr>', text)
    assert rows == ["ann", "bob"]
    assert text.count('<td class="n">33 %</td>') == 2  # by weight, of three
    assert "most that could start now; left out: 1." in text


async def test_what_each_had_of_the_service_is_asked_once_for_all_who_look_at_about_the_same_time(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "_SHARED", 1e9)
    watched = house.desk.watching
    ann, bob = (house.desk.accounts.user(name).id for name in ("ann", "bob"))
    await house.upload("ann", "One.", "Two.")
    assert watched.lanes(50).shares[ann].seconds == 0
    house.ledger.register(WorkerId("w"), "database", "host", 1, 1, UPLOAD_VERSION)
    (lease,) = house.ledger.step("database", WorkerId("w"), [], 1)
    house.ledger.begin(lease, WorkerId("w"))
    found = watched.lanes(50)
    assert (found.queue.running, found.shares[ann].seconds) == (1, 0)  # only the service is of before
    await house.upload("bob", "Three.")  # of whom nothing was asked
    assert watched.lanes(50).shares.keys() == {ann, bob}
    seen = watched.lanes(50).shares[ann].seconds
    assert seen > 0
    monkeypatch.setattr(watching, "_SHARED", -1.0)
    assert watched.lanes(50).shares[ann].seconds > seen


async def test_where_thousands_have_work_pages_share_a_look_and_say_how_old_it_is(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    depth = re.compile(r"<dt>waiting</dt><dd>(\d+)</dd>|database</th><td>[^<]*</td><td class=\"n\">(\d+)</td>")

    aged = re.compile(r"as it was seen [0-9.]+ s ago")

    async def depths() -> list[tuple[str, bool]]:
        texts = [await page(house, who, path) for who in ("vera", "adam") for path in ("", "/queue", "/workers")]
        return [("".join(depth.findall(text)[0]), bool(aged.search(text))) for text in texts]

    shared = house.app.state.house.looks
    for who in ("ann", "bob"):
        await house.upload(who, "Fine.")
    assert await depths() == [("2", False)] * 6
    monkeypatch.setattr(looks, "_MANY", 1)
    monkeypatch.setattr(looks, "_AT_LEAST", 1e9)
    await house.upload("ann", "More.")
    assert await depths() == [("2", True)] * 6
    monkeypatch.setattr(looks, "_AT_LEAST", 0.0)
    monkeypatch.setattr(looks, "_RARELY", 0.0)
    monkeypatch.setattr(shared, "longest", inf)
    assert (await depths())[0] == ("2", True)  # but the next look has begun
    await shared.begin()
    assert await depths() == [("3", True)] * 6
    await shared.begin()
    monkeypatch.setattr(shared, "longest", 1.0)
    await house.upload("bob", "More.")
    assert await depths() == [("4", True)] * 6  # nobody looked for long, so they waited


async def test_what_admins_change_is_told_at_once_however_old_the_look_is(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(looks, "_MANY", 0)
    monkeypatch.setattr(looks, "_AT_LEAST", 1e9)
    await house.upload("ann", "Fine.")
    assert "<td>starts tasks</td>" not in await page(house, "adam", "/workers")
    house.ledger.register(WorkerId("w"), "database", "host", 1, 3, UPLOAD_VERSION)
    assert "<td>starts tasks</td>" in await page(house, "adam", "/workers")
    for path, body in (("pause", {"engine": "database"}), ("limit", {"max_running": 77})):
        answer = await house["adam"].request("POST" if path == "pause" else "PUT", f"/queue/{path}", json=body)
        assert answer.status_code == 200
    assert "<td>paused</td>" in await page(house, "adam", "/workers")
    assert "database" in re.findall(r'<p class="notice">(.*?)</p>', await page(house, "adam", ""))[0]
    assert 'value="77"' in await page(house, "adam", "/queue")
    assert "/ 77" in await page(house, "adam", "")


async def test_silences_are_listed_up_to_a_page_and_the_rest_counted(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(operating_pages, "_A_PAGE", 2)
    for hours, name in ((3, "last"), (1, "first"), (2, "second")):
        said = {"alert": "user-backlog", "subject": name, "hours": hours}
        assert (await house["adam"].post("/alerts/silences", json=said)).status_code == 201
    text = await page(house, "adam", "/alerts")
    assert re.findall(r"<td>(first|second|last)</td>", text) == ["first", "second"]
    assert "And 1 more" in text


async def test_for_how_long_an_alert_is_silenced_by_a_click_is_said_to_the_scripts(house: House):
    assert f'data-silences="{" ".join(map(str, SILENCES))}"' in await page(house, "adam", "")


async def test_tasks_are_filtered_by_links_and_by_a_name(house: House):
    await house.upload("ann", "One.")
    (failed,) = fail(house, SECRET)
    (waiting,) = (task["id"] for task in (await house.upload("bob", "Two."))["tasks"])
    ann = house.desk.accounts.user("ann").id

    async def shown(query: str) -> set[str]:
        return set(re.findall(r'href="/admin/tasks/(\w+)"', await page(house, "adam", f"/tasks{query}")))

    text = await page(house, "adam", "/tasks?status=failed")
    assert f'href="?status=failed&amp;user={ann}"' in text
    assert 'href="?status=failed&amp;code=odd_table"' in text
    for query, ids in (
        ("", {failed, waiting}),
        ("?status=failed", {failed}),
        ("?status=queued", {waiting}),
        (f"?user={ann}", {failed}),
        ("?name=bob", {waiting}),
        ("?code=odd_table", {failed}),
        ("?engine=database", {failed}),
        ("?status=running", set()),
    ):
        assert await shown(query) == ids, query
    assert "There is no status" in await page(house, "adam", "/tasks?status=lost", 422)
    assert "Without filters" in await page(house, "adam", "/tasks?name=nobody", 404)
    await page(house, "adam", "/tasks/none", 404)
    await page(house, "adam", "/users/999", 404)
    assert "这里" in await page(house, "adam", "/dead?code=none&lang=zh")


async def test_what_is_asked_for_again_is_the_part_that_changes(house: House):
    whole, part = await page(house, "adam", "/queue"), await page(house, "adam", "/queue", **{"HX-Request": "true"})
    assert ("<header>" in whole, "<header>" in part) == (True, False)
    assert part.strip() in whole


def past(number: int, begin: float, end: float, steps: Sequence[StepTime], outcome: str = "") -> PastAttempt:
    return PastAttempt(number, number, "database", WorkerId("w"), begin, end, outcome, None, steps)


async def test_attempts_are_drawn_on_one_line_of_time(house: House):
    (made,) = (await house.upload("ann", "One."))["tasks"]
    task = house.ledger.task(TaskId(made["id"]))
    first = past(1, 100.0, 110.0, [StepTime("file_parsing", 4.0, resumed=False)], "retry")
    second = past(2, 150.0, 0.0, [StepTime("file_parsing", 0.0, resumed=True)])
    one, two = timeline(task, [first, second], 200.0)
    assert [(piece.step, piece.begin, piece.width) for piece in one.pieces] == [("file_parsing", 0, 4), ("", 4, 6)]
    assert [(piece.step, piece.begin, piece.width, piece.resumed) for piece in two.pieces] == [
        ("file_parsing", 50, 0, True),
        ("", 50, 50, False),
    ]
    assert timeline(task, [], 200.0) == ()


async def test_each_role_is_told_in_both_languages(house: House):
    house.desk.accounts.add_user(None, "zoe", Role.VIEWER, "team", None, None)
    for lang, role in (("en", "viewer"), ("zh", "只读")):
        assert f"<td>{role}</td><td>team</td>" in await page(house, "adam", f"/users?lang={lang}")


async def test_every_heading_is_there_in_both_languages(house: House):
    (task,) = (await house.upload("ann", "One."))["tasks"]
    await house.upload("ann", "Two.")
    fail(house, SECRET)
    for path in (*PAGES, f"/tasks/{task['id']}"):
        text = await page(house, "adam", f"{path}?lang=zh")
        heads = re.findall(r"<(?:h1|h2|dt)[^>]*>(.*?)</(?:h1|h2|dt)>|<th scope=.col.[^>]*>(.*?)</th>", text)
        said = [re.sub("<[^>]*>", "", "".join(head)) for head in heads]
        assert said, path
        assert [head for head in said if not re.search("[一-鿿]", head)] in (["ann"], ["CPU"], []), path
