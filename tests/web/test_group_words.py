"""A group's words are its members' to read and admins' to write, and what its members upload is tested with them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.conftest import EVERY_KIND
from tests.web.conftest import House

from paperlane.records.schema import audit
from paperlane.settings import Settings

TEXT = "# One\n\nThe system shall be fast, and its SLO met.\n\nIt is TBD.\n"
WORDS = {"terms": {"SLO": "service level objective"}, "ignored": ["fast"]}
PAYMENT = "/groups/payment/words"


@pytest.fixture
def settings(tmp_path: Path, new_database: Callable[[], str]) -> Settings:
    return Settings(data=tmp_path / "data", database_url=new_database())


@pytest.fixture
def payment(house: House) -> House:
    """In which ann and vera belong to a group."""
    for name in ("ann", "vera"):
        house.desk.accounts.change_user(None, house.desk.accounts.user(name), group="payment")
    return house


async def sent(house: House, who: str, text: str) -> dict:
    (task,) = (await house.upload(who, text))["tasks"]
    house.work()
    return (await house[who].get(f"/tasks/{task['id']}")).json()


@EVERY_KIND
async def test_what_members_upload_is_tested_with_their_groups_words(payment: House):
    first = await sent(payment, "ann", TEXT)
    assert first["issues"] == {"error": 1, "warning": 1, "info": 1}
    for words in ({"ignored": ["robust"]}, WORDS):
        assert (await payment["adam"].put(PAYMENT, json=words)).status_code == 200
    second = await sent(payment, "ann", TEXT)
    assert second["issues"] == {"error": 1, "warning": 0, "info": 0}
    assert (second["brief"]["terms"], second["brief"]["ignored"]) == (1, 1)
    assert second["changes"] == {"compared_with": first["id"], "new": 0, "fixed": 2, "unchanged": 1}
    fixed = (await payment["ann"].get(f"/tasks/{second['id']}/changes")).json()["items"]
    assert [issue["quote"] for issue in fixed] == ["fast", "SLO"]
    report = await payment["ann"].get(f"/tasks/{second['id']}/report", params={"format": "json"})
    (document,) = report.json()["documents"]
    assert document["ignored"] == {"remarks": 0, "words": 1}
    assert (await sent(payment, "bob", TEXT))["issues"] == {"error": 1, "warning": 1, "info": 1}


async def test_members_and_admins_read_and_admins_write(payment: House):
    assert (await payment["ann"].get(PAYMENT)).json() == {"group": "payment", "terms": {}, "ignored": []}
    put = await payment["adam"].put(PAYMENT, json=WORDS)
    assert put.json() == {"group": "payment", **WORDS}
    for who in ("ann", "vera", "adam"):
        assert (await payment[who].get(PAYMENT)).json() == put.json()
    for who, status in (("ann", 403), ("vera", 403), ("bob", 403), ("nobody", 401)):
        assert (await payment[who].put(PAYMENT, json={})).status_code == status
    foreign, missing = [await payment["bob"].get(f"/groups/{group}/words") for group in ("payment", "none")]
    assert (foreign.status_code, foreign.content) == (404, missing.content)
    assert (await payment["adam"].put("/groups/paymnet/words", json=WORDS)).status_code == 404
    asked = select(audit.c.what, audit.c.details).where(audit.c.what == "words changed")
    (line,) = payment.ledger.read(lambda connection: connection.execute(asked).all())
    assert json.loads(line.details) == {"group": "payment", "terms": 1, "ignored": 1}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"ignored": [f"w{number}" for number in range(2000)], "terms": {"x": ""}}, "too_many_words"),
        ({"terms": {"x": "y" * 70_000}}, "too_many_words"),
        ({"ignored": ["x" * 201]}, "invalid_words"),
        ({"ignored": [" "]}, "invalid_words"),
        ({"ignored": ["x"] * 2001}, "invalid_request"),
        ({"ignore": ["x"]}, "invalid_request"),
    ],
)
async def test_words_that_make_no_sense_change_nothing(payment: House, words: dict[str, object], code: str):
    await payment["adam"].put(PAYMENT, json=WORDS)
    refused = await payment["adam"].put(PAYMENT, json=words)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await payment["adam"].get(PAYMENT)).json() == {"group": "payment", **WORDS}


async def test_what_no_database_takes_is_kept_as_what_stands_for_it(payment: House):
    put = await payment["adam"].put(PAYMENT, json={"ignored": ["a\0b"]})
    assert put.json()["ignored"] == ["a\ufffdb"]
    assert (await payment["adam"].get("/groups/a%00b/words")).status_code == 404
