"""`GET /comparisons`: two engines beside each other, for who looks at everybody's tasks."""

import asyncio
from threading import Event

import pytest
from httpx2 import Response
from tests.web.conftest import House

from paperlane.desk.comparing import Comparing
from paperlane.rollout.comparison import Comparison
from paperlane.web import comparisons

BOTH = {"a": "database", "b": "inline"}


async def test_what_the_engines_did_is_told_with_all_that_is_documented(house: House):
    await house.upload("ann", *["Fine."] * 3)
    house.work()
    await house.upload("bob", "Fine.")
    house.desk.accounts.change_user(None, house.desk.accounts.user("bob"), engine="inline", force=True)
    told = (await house["adam"].get("/comparisons", params=BOTH)).json()
    assert ((told["a"]["engine"], told["a"]["completed"]), (told["b"]["engine"], told["b"]["queued"])) == (
        ("database", 3),
        ("inline", 1),
    )
    assert (told["verdict"], told["words"]) == (
        "too_small",
        "The sample is too small to say how inline does beside database.",
    )
    assert [one["name"] for one in told["measures"]] == ["completion", "wait", "failures", "cost", "fairness"]
    assert told["measures"][0]["figures"]["median"]["a"] > 0
    (stratum,) = told["strata"]
    assert (stratum["kind"], stratum["a"], stratum["b"]) == ("text/markdown", 3, 1)
    assert "too_few" in {one["code"] for one in told["cautions"]}
    assert told["sampled"] == {"users": 4, "asked": 4, "cut": 0, "whole": True}


async def test_nothing_is_told_of_documents_and_of_no_user(house: House):
    files = [("files", ("merger-with-acme.md", b"Fine."))]
    await house["ann"].post("/batches", files=files)
    house.work()
    told = (await house["vera"].get("/comparisons", params=BOTH)).text
    assert "acme" not in told
    assert "ann" not in told.replace("cannot", "")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"b": "teleport"}, "There is no engine 'teleport'."),
        ({"b": "database"}, "database cannot be compared with itself."),
        ({"since": "yesterday"}, "'yesterday' is no time."),
        ({"since": "1h", "until": "2h"}, "The period ends before it begins."),
        ({"group": "gone"}, "Nobody is in a group 'gone'."),
        ({"a": "x" * 41}, "query.a: String should have at most 40 characters."),
    ],
)
async def test_what_makes_no_sense_is_a_problem_document(house: House, asked: dict[str, str], words: str):
    answer = await house["adam"].get("/comparisons", params=BOTH | asked)
    assert (answer.status_code, answer.json()["detail"]) == (422, words)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_same_question_within_a_minute_is_not_worked_out_again(house: House, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[object, ...]] = []
    compare = Comparing.compare

    def counted(self: Comparing, *given: object, **more: object) -> Comparison:
        asked.append(given[1:])
        return compare(self, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Comparing, "compare", counted)
    first = await house["adam"].get("/comparisons", params=BOTH)
    assert (await house["vera"].get("/comparisons", params=BOTH)).json() == first.json()
    await house["adam"].get("/comparisons", params={**BOTH, "since": "1d"})
    assert asked == [("database", "inline", "7d", "", ""), ("database", "inline", "1d", "", "")]
    monkeypatch.setattr(comparisons, "_EACH", 0.0)
    await house["adam"].get("/comparisons", params=BOTH)
    assert len(asked) == 3
    assert (await house["ann"].get("/comparisons", params=BOTH)).status_code == 403


async def test_many_who_ask_at_once_are_refused_and_who_goes_away_asks_for_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    asked: list[object] = []
    may_end, has_begun = Event(), Event()

    def slow(house: object, account: object, of: comparisons.Asked) -> Comparison:
        asked.append(of.since)
        has_begun.set()
        assert may_end.wait(30)
        return compared(house, account, of)  # type: ignore[arg-type]

    compared = comparisons._compared
    monkeypatch.setattr(comparisons, "_compared", slow)
    monkeypatch.setattr(comparisons, "_MOST_WAITING", 2)

    def ask(since: str) -> asyncio.Task[Response]:
        return asyncio.create_task(house["adam"].get("/comparisons", params={**BOTH, "since": since}))

    first = ask("1d")
    await asyncio.to_thread(has_begun.wait, 30)
    waits = [ask("2d"), ask("3d")]
    while (answer := await ask("4d")).status_code != 429:
        pass
    assert answer.json()["code"] == "system_busy"
    assert "Retry-After" in answer.headers
    may_end.set()
    assert [(await one).status_code for one in (first, *waits)] == [200, 200, 200]
    assert asked == ["1d", "2d", "3d"]


async def test_a_period_may_begin_before_there_was_anything(house: House):
    answer = await house["adam"].get("/comparisons", params={**BOTH, "since": "999999999w"})
    assert (answer.status_code, answer.json()["since"]) == (200, None)
