"""A group's words are its members' to read and admins' to write, and what its members upload is tested with them."""

import html
import json
import re
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


PAGE = "http://test/words/payment"


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', page)
    assert found is not None
    return found[1]


async def test_an_admin_edits_a_groups_words_in_a_form_without_scripts(payment: House):
    shown = await payment["adam"].get("http://test/words", follow_redirects=True)
    assert shown.url == PAGE
    form = {"terms": "SLO: service level objective\r\n\r\nPGW", "ignored": "fast\r\n", "seen": seen_in(shown.text)}
    saved = await payment["adam"].post(PAGE, data=form, follow_redirects=True)
    assert "Saved." in saved.text
    assert ">\nSLO: service level objective\nPGW</textarea>" in saved.text
    kept = (await payment["adam"].get(PAYMENT)).json()
    assert (kept["terms"], kept["ignored"]) == ({"SLO": "service level objective", "PGW": ""}, ["fast"])


async def test_what_cannot_be_kept_is_said_beside_its_field_and_nothing_typed_is_lost(payment: House):
    await payment["adam"].put(PAYMENT, json=WORDS)
    seen = seen_in((await payment["adam"].get(PAGE)).text)
    form = {"terms": "SLO: one\nPGW:x y\nSLO: two\n: z", "ignored": f"ok\n{'x' * 201}", "seen": seen}
    refused = await payment["adam"].post(f"{PAGE}?lang=en", data=form)
    assert refused.status_code == 422
    told = html.unescape(refused.text)
    terms, ignored = (told.split(f'id="{field}-faults"')[1].split("</ul>")[0] for field in ("terms", "ignored"))
    assert "Line 3: “SLO” has another meaning in line 1." in terms
    assert "Line 4: There is no term before the colon of “: z”." in terms
    assert "Line 2" not in terms
    assert "Line 2: The word xxx" in ignored
    assert form["terms"] in told
    in_chinese = await payment["adam"].post(f"{PAGE}?lang=zh", data=form)
    assert "第 4 行：有一行的冒号前没有术语。请先写术语" in in_chinese.text
    assert "第 2 行：词表中有无效的词条。每个词条请使用 1 至 200 个字符。" in in_chinese.text
    for many in ({"terms": f"x: {'y' * 70_000}"}, {"terms": "\n".join("same" for _ in range(2001))}):
        refused = await payment["adam"].post(PAGE, data={**many, "seen": seen})
        assert (refused.status_code, "There are too many words" in refused.text) == (422, True)
    assert (await payment["adam"].get(PAYMENT)).json() == {"group": "payment", **WORDS}


async def test_a_form_that_makes_no_sense_is_told_as_to_programs_not_as_a_wrong_address(payment: House):
    refused = await payment["adam"].post(PAGE, files={"terms": ("a.txt", b"x")}, data={"seen": "x"})
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_words_that_somebody_else_changed_meanwhile_are_overwritten_only_knowingly(payment: House):
    first = {"terms": "A: one", "seen": seen_in((await payment["adam"].get(PAGE)).text)}
    await payment["adam"].put(PAYMENT, json=WORDS)
    late = await payment["adam"].post(PAGE, data=first)
    assert "Somebody else changed the words meanwhile." in late.text
    assert (await payment["adam"].get(PAYMENT)).json() == {"group": "payment", **WORDS}
    again = await payment["adam"].post(PAGE, data={**first, "seen": seen_in(late.text)})
    assert again.status_code == 303
    assert (await payment["adam"].get(PAYMENT)).json()["terms"] == {"A": "one"}


async def test_who_asks_too_often_saves_no_words_and_loses_none_of_what_they_wrote(payment: House):
    account = payment.desk.accounts.user("adam")
    seen = seen_in((await payment["adam"].get(PAGE)).text)
    payment.desk.accounts.change_user(None, account, quotas={"requests_a_minute": 1})
    form = {"terms": "A: one", "seen": seen}
    assert (await payment["adam"].post(PAGE, data=form)).status_code == 303
    refused = await payment["adam"].post(PAGE, data={"terms": "B: two", "seen": seen})
    assert (refused.status_code, 1 <= int(refused.headers["retry-after"]) <= 60) == (429, True)
    assert "so nothing was saved" in refused.text
    assert "B: two" in refused.text
    assert payment.desk.words.of(None, "payment").terms == {"A": "one"}


async def test_the_page_of_words_keeps_to_the_same_rights(payment: House):
    await payment["adam"].put(PAYMENT, json=WORDS)
    read = await payment["vera"].get(PAGE)
    assert "service level objective" in read.text
    assert "<form" not in read.text
    for who, status in (("ann", 403), ("bob", 403), ("nobody", 401)):
        assert (await payment[who].post(PAGE, data={"terms": "X: y"})).status_code == status
    assert "X: y" in (await payment["nobody"].post(PAGE, data={"terms": "X: y"})).text  # nothing typed is lost
    foreign = await payment["bob"].get(PAGE)
    assert (foreign.status_code, "There is no such group" in foreign.text) == (404, True)
    assert "You are in no group." in (await payment["bob"].get("http://test/words")).text
    stranger = await payment["nobody"].get(PAGE)
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in?next=/words/payment")
    await payment["nobody"].post("/session", json={"token": payment.tokens["adam"]})
    evil = await payment["nobody"].post(PAGE, data={"terms": ""}, headers={"Origin": "http://evil.example"})
    assert (evil.status_code, evil.json()["code"]) == (403, "foreign_origin")
    assert (await payment["adam"].get(PAYMENT)).json() == {"group": "payment", **WORDS}


async def test_an_admin_chooses_among_groups_of_any_name(payment: House):
    payment.desk.accounts.change_user(None, payment.desk.accounts.user("bob"), group="a/b 组")
    listed = await payment["adam"].get("http://test/words")
    assert re.findall(r'href="(/words/[^"]+)">', listed.text) == ["/words/a/b%20%E7%BB%84", "/words/payment"]
    assert "Words of a/b 组" in (await payment["adam"].get("http://test/words/a/b%20%E7%BB%84")).text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"terms": {"a: b": "c"}}, "invalid_words"),
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
