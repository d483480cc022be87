"""The pages of roll-outs and comparisons: who sees what, in which language, and with which status."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from tests.rollout.speaking import english_in, guard
from tests.web.conftest import House
from tests.web.test_operating import page
from tests.web.test_rollout import put, serve

from paperlane.catalog import WORDS
from paperlane.errors import TooMany
from paperlane.records.accounts import Role
from paperlane.rollout import guarded
from paperlane.rollout.flags import FLAGS
from paperlane.rollout.guarded import Mode
from paperlane.rollout.guards import State
from paperlane.web.comparisons import Asked

BOTH = {"a": "database", "b": "inline"}
PART = {"HX-Request": "true"}


def hold(house: House, rule: int, state: State = State.HELD) -> None:
    judgement = guard(state, "failures").judgement
    house.ledger.write(lambda connection: guarded.keep(connection, rule, state, judgement, 5.0))


def told(**more: str) -> str:
    return f"/comparisons/told?{urlencode({**BOTH, **more})}"


async def test_what_was_rolled_out_is_shown_with_its_guard_and_who_did_it(house: House):
    assert "Nothing was rolled out: database carries all tasks" in await page(house, "vera", "/rollout", **PART)
    serve(house, "database", "inline")
    house.desk.accounts.add_user(None, "rita", Role.USER, "readers", None, None)
    await put(house, engine="inline", percent=12.5, group="readers", guard="stop")
    await put(house, engine="inline", percent=50)
    hold(house, 2)
    text = await page(house, "vera", "/rollout", **PART)
    assert re.findall(r'<tr id="rule-(\d)" data-engine="(\w+)" data-group="(\w*)" data-percent="([\d.]+)"', text) == [
        ("2", "inline", "", "50"),
        ("1", "inline", "readers", "12.5"),
    ]
    assert 'href="/admin/comparisons?a=database&amp;b=inline&amp;group=readers">Compare with database' in text
    for words in (
        "Of inline&#39;s tasks 20.0% failed, of database&#39;s 1.0%",
        "It will be looked at within a minute",
        "found worse, grows no more",
        "(takes it back by itself)",
        "(lets it grow no more)",
        ">adam<",
    ):
        assert words in text, words
    assert re.findall(r'<tr><th scope="row">(\w+)</th><td class="n">(\d+)</td>', text) == [
        ("database", str(5 - carried(text))),
        ("inline", str(carried(text))),
    ]


def carried(text: str) -> int:
    (count,) = re.findall(r'<th scope="row">inline</th><td class="n">(\d+)</td>', text)
    return int(count)


async def test_who_looks_is_offered_nothing_and_who_operates_everything(house: House):
    serve(house, "database", "inline")
    await put(house, engine="inline", percent=10)
    await put(house, engine="inline", percent=20)
    await put(house, engine="database", percent=5)
    hold(house, 2)
    shown = {who: await page(house, who, "/rollout") for who in ("vera", "adam")}
    assert re.findall("<form|<button[^>]*submit|<dialog|rollout.js", shown["vera"]) == []
    changes = re.findall(r'data-change="(\w+)"(?: data-rule="(\d)")?', shown["adam"])
    back = [("retreat", ""), ("retreat", ""), ("rollback", "3")]  # of both engines, and the newest
    assert changes == [*back, ("acknowledge", "2"), *[("flag", "")] * len(FLAGS), ("rule", "")]
    assert re.findall(r'data-change="retreat" data-engine="(\w+)"', shown["adam"]) == ["database", "inline"]
    assert re.findall(r'role="switch" aria-checked="(\w+)"', shown["adam"]) == ["true"] * 3
    part = await page(house, "adam", "/rollout", **PART)
    assert ("<header>" in part, "<dialog" in part, 'id="rule-3"' in part) == (False, False, True)


async def test_a_rule_that_carries_nobody_says_so_and_a_group_that_emptied_is_offered_still(house: House):
    serve(house, "database", "inline", "rq")
    rita = house.desk.accounts.add_user(None, "rita", Role.USER, "readers", None, None)
    await put(house, engine="inline", percent=10, group="readers")
    await put(house, engine="rq", percent=10)
    house.desk.accounts.change_user(None, rita, group="")
    text = await page(house, "adam", "/rollout")
    hidden = r'<tr id="rule-(\d)"(?:(?!</tr>).)*carries nobody: newer rules of (\w+) take the same users'
    assert re.findall(hidden, text) == [("1", "rq")]
    (form,) = re.findall(r'<select name="group">(.*?)</select>', text)
    assert re.findall(r'value="(\w+)"', form) == ["readers"]


async def test_flags_that_are_off_users_without_workers_and_moves_are_told_of(house: House):
    serve(house, "inline")
    await put(house, flags={"use_database_queue": False, "use_user_semaphore": False})
    text = await page(house, "vera", "/rollout", **PART)
    assert "use_database_queue is off: all tasks run on inline" in text
    assert len(re.findall(r"<em>off</em> <span class=\"soft\">· <time[^>]*>[^<]*</time> · adam</span>", text)) == 2
    await put(house, engine="rq", percent=100, flags={"use_database_queue": True}, force=True)
    text = await page(house, "vera", "/rollout", **PART)
    assert "rq carries users, and no worker of it lives" in text
    assert "Users are still being moved" not in text
    house.desk.operating.roll_out(None, "inline", 100)  # nobody has settled yet
    assert "Users are still being moved" in await page(house, "vera", "/rollout", **PART)


@pytest.mark.parametrize("path", ["/rollout", "/comparisons", told()])
async def test_the_pages_are_told_in_chinese_without_a_word_of_english(house: House, path: str):
    serve(house, "database", "inline")
    await house.upload("ann", "Fine.")
    await put(house, engine="inline", percent=50, flags={"use_user_semaphore": False})
    hold(house, 1)
    await house.upload("bob", "Fine.")
    text = await page(house, "adam", f"{path}{'&' if '?' in path else '?'}lang=zh")
    body = text.partition("<body")[2].partition(">")[2]
    seen = re.sub(r"<script.*?</script>|<[^>]*>", " ", body, flags=re.DOTALL)
    assert not english_in(seen.replace("&#39;", "'"), "ann", "bob", "vera", "adam", "act", "stop", "tell", "off")
    labels = " ".join(re.findall(r'(?:aria-label|title)="([^"]*)"', body))
    assert not english_in(labels)


async def test_guards_are_told_in_the_language_of_who_asks(house: House):
    serve(house, "inline")
    await put(house, engine="inline", percent=50)
    hold(house, 1)
    for lang, words in (("en", "Of inline's tasks 20.0% failed"), ("zh", "inline 的任务失败率为 20.0%")):
        (rule,) = (await house["vera"].get("/rollout", params={"lang": lang})).json()["rules"]
        assert rule["guard"]["words"].startswith(words)
    answer = await house["adam"].put("/rollout", params={"lang": "zh"}, json={"acknowledge": 1})
    assert answer.json()["rules"][0]["guard"]["words"].startswith("已有人确认")
    (entry,) = (await house["vera"].get("/audit", params={"what": "guardrail acknowledged", "lang": "zh"})).json()[
        "items"
    ]
    assert entry["details"]["engine"] == "inline"


async def test_the_page_of_comparisons_asks_for_nothing_until_two_engines_are_named(house: House):
    text = await page(house, "vera", "/comparisons")
    assert ("comparisons.js" in text, 'id="told"' in text, "<form" in text) == (False, False, True)
    text = await page(house, "vera", "/comparisons?a=database&b=inline&group=R%26D&since=12h&lang=zh")
    (source,) = re.findall(r'data-from="([^"]*)"', text)
    asked = "a=database&amp;b=inline&amp;since=12h&amp;group=R%26D&amp;lang=zh"
    assert source == f"/admin/comparisons/told?{asked}"
    assert "comparisons.js" in text
    assert 'value="12h"' in text


async def test_a_comparison_is_told_with_its_figures_and_what_is_to_be_borne_in_mind(house: House):
    await house.upload("ann", *["Fine."] * 3)
    house.work()
    house.desk.accounts.change_user(None, house.desk.accounts.user("bob"), engine="inline", force=True)
    await house.upload("bob", "Fine.")
    for who in ("vera", "adam"):
        text = await page(house, who, told(), **PART)
        for words in (
            "The sample is too small to say how inline does beside database.",
            "inline has 1 user with 1 task to compare; at least 10 and 50 are needed.",
            "1 user was given their engine by choice",
            "Figures, in brackets their 95 % intervals",
            '<th scope="col">A: database</th>',
            "The method:",
        ):
            assert words in text, words
        links = re.findall(r'href="(/api/v1/comparisons\?[^"]*)"', text)
        asked = "/api/v1/comparisons?a=database&amp;b=inline&amp;since=7d&amp;lang=en&amp;format="
        assert links == [f"{asked}{form}" for form in ("json", "md", "html")]
        for link in links:
            answer = await house[who].get(f"http://test{link.replace('&amp;', '&')}")
            assert answer.status_code == 200
        assert "<header>" not in text
    assert "<header>" in await page(house, "vera", told())


@pytest.mark.parametrize(
    ("asked", "status", "words", "chinese"),
    [
        ({"b": "teleport"}, 422, "There is no engine &#39;teleport&#39;.", "请求中有无效的内容。"),
        ({"b": ""}, 422, "There is no engine &#39;&#39;.", "请求中有无效的内容。"),
        ({"b": "database"}, 422, "database cannot be compared with itself. Name two engines.", "引擎不能与自身比较。"),
        ({"since": "lately"}, 422, "&#39;lately&#39; is no time.", "无法识别该时间。"),
        ({"since": "1h", "until": "2h"}, 422, "The period ends before it begins.", "时间段的结束早于开始。"),
        ({"group": "gone"}, 422, "Nobody is in a group &#39;gone&#39;.", "没有用户属于该用户组。"),
        ({"a": "x" * 201}, 422, f"a={'x' * 60} in the address makes no sense.", "地址中的"),
    ],
)
async def test_what_cannot_be_compared_is_told_in_words(
    house: House, asked: Mapping[str, str], status: int, words: str, chinese: str
):
    text = await page(house, "vera", told(**asked), status, **PART)
    assert (words in text, 'role="alert"' in text, "<header>" in text) == (True, True, False)
    assert chinese in await page(house, "vera", told(**asked, lang="zh"), status, **PART)


async def test_nobody_else_sees_a_comparison(house: House):
    await page(house, "ann", told(), 403)
    await page(house, "nobody", told(), 303)
    await page(house, "nobody", told(), 401, **PART)


async def test_while_others_wait_it_is_told_when_to_ask_again(house: House, monkeypatch: pytest.MonkeyPatch):
    async def busy(_house: object, _account: object, asked: Asked) -> None:
        assert asked == Asked("database", "inline")
        raise TooMany("Others wait.", code="system_busy", retry_after=7)

    monkeypatch.setattr(house.app.state, "comparisons", busy)
    answer = await house["vera"].get(f"http://test/admin{told()}", headers=PART)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert "Other comparisons are waited for" in answer.text
    assert "还有其他比较在等待" in await page(house, "vera", told(lang="zh"), 429, **PART)


async def test_a_comparison_is_given_as_markdown_and_as_a_page_in_both_languages(house: House):
    for form, media in (("md", "text/markdown"), ("html", "text/html")):
        for lang, words in (("en", "There is nothing to compare database and inline by."), ("zh", "没有可用来比较")):
            answer = await house["vera"].get("/comparisons", params={**BOTH, "format": form, "lang": lang})
            assert answer.headers["Content-Type"].startswith(media)
            assert answer.headers["Content-Disposition"] == f'attachment; filename="database-inline.{form}"'
            assert words in answer.text
    chinese = (await house["vera"].get("/comparisons", params={**BOTH, "lang": "zh"})).json()
    assert chinese["words"] == "没有可用来比较 database 与 inline 的数据。"
    assert chinese["cautions"][0]["words"] == "这段时间内 database 没有任务。"
    assert (await house["vera"].get("/comparisons", params={**BOTH, "format": "pdf"})).status_code == 422
    assert (await house["ann"].get("/comparisons", params={**BOTH, "format": "md"})).status_code == 403


def test_all_that_the_script_says_of_a_change_is_in_the_catalogue():
    keys = [f"rule guard {mode.value}" for mode in Mode] + [f"guard {mode.value}" for mode in Mode]
    keys += [f"guard state {state.value}" for state in State]
    for to in ("on", "off"):
        keys += [f"flag will {to}", f"flag done {to}", *(f"flag {to} {flag}" for flag in FLAGS)]
    assert [key for key in keys if key not in WORDS] == []
    for key, (english, chinese) in WORDS.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), key


async def test_the_queue_tells_that_users_own_limits_do_not_hold(house: House):
    told = f'<a href="/admin/rollout">{WORDS["rollout unbounded"][0]}'
    assert told not in await page(house, "vera", "/queue")
    await put(house, flags={"use_user_semaphore": False})
    assert told in await page(house, "vera", "/queue")
