"""A document that is uploaded again is compared with its version before."""

import json

from tests.web.conftest import House, Run
from tests.web.test_kept import age

OLD = "# One\n\nThe system shall be fast.\n\nIt is TBD.\n"
NEW = "# None\n\nAll is well.\n\n# One\n\nIt is TBD.\n\nIt is TODO.\n"


async def sent(house: House, text: str, who: str = "ann", **fields: str) -> dict:
    (task,) = (await house.upload(who, text, **fields))["tasks"]
    house.work()
    return (await house[who].get(f"/tasks/{task['id']}")).json()


async def test_the_first_version_is_compared_with_nothing(house: House):
    task = await sent(house, OLD)
    assert task["changes"] is None
    found = (await house["ann"].get(f"/tasks/{task['id']}/issues")).json()["items"]
    assert [issue["change"] for issue in found] == [None, None]
    assert (await house["ann"].get(f"/tasks/{task['id']}/changes")).json() == {"items": [], "next": None}


async def test_a_later_version_tells_what_is_new_fixed_and_unchanged(house: House):
    first = await sent(house, OLD)
    second = await sent(house, NEW)
    assert second["changes"] == {"compared_with": first["id"], "new": 1, "fixed": 1, "unchanged": 1}
    assert second["issues"] == {"error": 2, "warning": 0, "info": 0}
    address = f"/tasks/{second['id']}"
    found = (await house["ann"].get(f"{address}/issues")).json()["items"]
    assert [(issue["quote"], issue["change"]) for issue in found] == [("TBD", "unchanged"), ("TODO", "new")]
    new = (await house["ann"].get(f"{address}/issues", params={"change": "new"})).json()["items"]
    assert [issue["quote"] for issue in new] == ["TODO"]
    fixed = (await house["ann"].get(f"{address}/changes", params={"lang": "zh"})).json()["items"]
    assert [(issue["quote"], issue["task"]) for issue in fixed] == [("fast", first["id"])]
    assert "含义模糊" in fixed[0]["message"]
    (listed, _) = (await house["ann"].get("/tasks")).json()["items"]
    assert listed["changes"] == second["changes"]
    third = await sent(house, NEW)
    assert third["changes"] == {"compared_with": second["id"], "new": 0, "fixed": 0, "unchanged": 2}


async def test_reports_tell_what_is_new_and_keep_what_is_not(house: House):
    await sent(house, OLD)
    task = await sent(house, NEW)
    reports = {
        form: (await house["ann"].get(f"/tasks/{task['id']}/report", params={"format": form})).text
        for form in ("json", "text", "html", "md")
    }
    (document,) = json.loads(reports["json"])["documents"]
    assert document["changes"] == {"new": 1, "fixed": 1, "unchanged": 1}
    assert [issue["change"] for issue in document["issues"]] == ["unchanged", "new"]
    assert [known["quote"] for known in document["fixed"]] == ["fast"]
    assert "2 errors; 1 new, 1 fixed, 1 unchanged; " in reports["text"]
    assert reports["html"].count("· new</span>") == 1
    assert reports["text"].count(": error (new): ") == 1
    assert reports["md"].count("**error · new**") == 1
    assert "### Fixed\n\n- fast `vague-term`\n" in reports["md"]


async def test_what_was_not_asked_again_is_not_fixed(house: House):
    await sent(house, OLD)
    task = await sent(house, OLD, no_check="vague-term")
    assert {name: task["changes"][name] for name in ("new", "fixed", "unchanged")} == {
        "new": 0, "fixed": 0, "unchanged": 1,
    }  # fmt: skip


async def test_a_version_is_ones_own_of_the_same_name_and_came_before(house: House):
    await sent(house, OLD, who="bob")
    (older,) = (await house.upload("ann", OLD, priority="0"))["tasks"]
    (newer,) = (await house.upload("ann", NEW, priority="9"))["tasks"]  # is tested first
    await house["ann"].post("/batches", files=[("files", ("other.md", OLD.encode()))])
    house.work()
    found = (await house["ann"].get("/tasks")).json()["items"]
    assert [task["changes"] for task in found] == [None, None, None]
    assert (await sent(house, OLD))["changes"]["compared_with"] == newer["id"] != older["id"]
    assert (await house["bob"].get(f"/tasks/{newer['id']}/changes")).status_code == 404


async def test_a_version_that_is_no_longer_kept_leaves_its_counts(house: House, run: Run):
    first = await sent(house, OLD)
    age(house, 91)
    second = await sent(house, NEW)
    await run()
    assert (await house["ann"].get(f"/tasks/{first['id']}")).status_code == 404
    kept = (await house["ann"].get(f"/tasks/{second['id']}")).json()
    assert kept["changes"] == second["changes"]
    gone = await house["ann"].get(f"/tasks/{second['id']}/changes")
    assert (gone.status_code, gone.json()["code"]) == (409, "version_gone")
    report = await house["ann"].get(f"/tasks/{second['id']}/report", params={"format": "json"})
    assert report.json()["documents"][0]["changes"] is None
    third = await sent(house, OLD)
    assert third["changes"]["compared_with"] == second["id"]
