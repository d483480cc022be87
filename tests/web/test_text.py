"""Text that not every database takes: it is kept cleaned or finds nothing, and is never an error of ours."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import EVERY_KIND
from tests.web.conftest import House

from paperlane.settings import Settings

pytestmark = EVERY_KIND

ODD = "a\0b"
KEPT = "a\ufffdb"
BAD = "# One\n\nThe system shall be fast.\n"


@pytest.fixture
def settings(tmp_path: Path, new_database: Callable[[], str]) -> Settings:
    return Settings(data=tmp_path / "data", database_url=new_database())


async def test_what_people_say_of_an_issue_is_kept_cleaned(house: House):
    (task,) = (await house.upload("ann", BAD))["tasks"]
    house.work()
    issue = (await house["ann"].get(f"/tasks/{task['id']}/issues")).json()["items"][0]
    said = await house["ann"].patch(f"/issues/{issue['id']}", json={"comment": ODD, "reason": ODD})
    assert (said.status_code, said.json()["comment"], said.json()["reason"]) == (200, KEPT, KEPT)


async def test_names_of_groups_and_batches_are_kept_cleaned(house: House):
    added = await house["adam"].post("/users", json={"name": "zoe", "group": ODD})
    assert (added.status_code, added.json()["group"]) == (201, KEPT)
    changed = await house["adam"].patch(f"/users/{added.json()['id']}", json={"group": f"{ODD}{ODD}"})
    assert (changed.status_code, changed.json()["group"]) == (200, f"{KEPT}{KEPT}")
    assert (await house.upload("ann", BAD, name=ODD))["name"] == KEPT


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "/issues/%00", {"comment": "no"}, 404),
        ("GET", "/batches/%00", None, 404),
        ("GET", "/tasks/%00", None, 404),
        ("POST", "/tasks/%00/cancel", None, 404),
        ("POST", "/tasks/%00/retry", None, 404),
        ("GET", "/tasks/%00/attempts", None, 404),
        ("GET", "/tasks/%00/issues", None, 404),
        ("GET", "/tasks/%00/report", None, 404),
        ("GET", "/tasks/%00/document", None, 404),
        ("GET", "/tasks?batch=%00", None, 404),
        ("GET", "/tasks?cursor=%00", None, 422),
        ("GET", "/schedules?cursor=%00", None, 422),
        ("PATCH", "/schedules/%00", {"paused": True}, 404),
        ("DELETE", "/schedules/%00", None, 404),
        ("POST", "/schedules", {"name": "n", "cron": "* * * * *", "batch": ODD}, 404),
        ("GET", "/dead?code=%00", None, 422),
        ("GET", "/dead?batch=%00", None, 422),
        ("GET", "/dead?cursor=1/%00", None, 422),
        ("GET", "/dead?since=%00", None, 422),
        ("GET", "/dead/causes?code=%00", None, 422),
        ("POST", "/dead/replay", {"ids": [ODD]}, 422),
        ("POST", "/dead/discard", {"batch": ODD}, 422),
        ("POST", "/users", {"name": ODD}, 422),
        ("POST", "/users", {"name": "zoe", "\ud800": 1}, 422),
        ("PATCH", "/issues/1", {"comment": "\ud800"}, 422),
        ("GET", "/users/%00", None, 422),
        ("POST", "/session", {"token": ODD}, 401),
    ],
)
async def test_what_cannot_be_there_is_not_found_or_refused(
    house: House, method: str, path: str, body: object, status: int
):
    content = None if body is None else json.dumps(body)  # which writes halves of characters as it was given them
    answer = await house["adam"].request(method, path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
