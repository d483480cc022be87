"""An upload says how it is to be tested; what makes no sense is refused before anything is stored."""

from pathlib import Path

import pytest
from tests.web.conftest import House

from paperlane import assembly
from paperlane.checks import CHECKS
from paperlane.errors import Misconfigured
from paperlane.settings import Settings

BAD = "# One\n\nThe system shall be fast.\n\nTBD.\n"


async def rules(house: House, task: str) -> list[str]:
    found = (await house["ann"].get(f"/tasks/{task}/issues")).json()["items"]
    return [issue["rule"] for issue in found]


async def test_an_upload_chooses_its_checks_and_its_task_says_so(house: House):
    batch = await house.upload("ann", BAD, profile="technical,style-en", no_check="numbering")
    (task,) = batch["tasks"]
    assert task["brief"] == {
        "profiles": ["technical", "style-en"], "also": [], "without": ["numbering"], "models": [],
        "terms": 0, "ignored": 0,
    }  # fmt: skip
    (other,) = (await house.upload("ann", BAD))["tasks"]
    assert other["brief"]["profiles"] == ["requirements"]
    house.work()
    assert await rules(house, task["id"]) == ["tbd"]
    assert await rules(house, other["id"]) == ["vague-term", "tbd"]


async def test_a_field_may_come_once_for_each_name(house: House):
    files = [("files", ("a.md", BAD.encode()))]
    fields = {"profile": ["technical", "style-zh"], "check": ["vague-term"]}
    (task,) = (await house["ann"].post("/batches", files=files, data=fields)).json()["tasks"]
    assert task["brief"]["profiles"] == ["technical", "style-zh"]
    assert task["brief"]["also"] == ["vague-term"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"profile": "tecnical"}, "unknown_profile"),
        ({"check": "tbd,vague"}, "unknown_check"),
        ({"no_check": "x"}, "unknown_check"),
        ({"profile": "style-zh", "no_check": ",".join(CHECKS)}, "no_checks"),
    ],
)
async def test_a_choice_that_makes_no_sense_is_refused_and_nothing_stored(
    house: House, settings: Settings, fields: dict[str, str], code: str
):
    answer = await house["ann"].post("/batches", files=[("files", ("a.md", b"Text."))], data=fields)
    assert answer.status_code == 422
    assert answer.json()["code"] == code
    assert answer.json()["hint"]
    kept = [path for path in (settings.data / "blobs").rglob("*") if path.is_file() and path.stat().st_size]
    assert [path for path in kept if path.read_bytes() == b"Text."] == []
    chinese = await house["ann"].post("/batches?lang=zh", files=[("files", ("a.md", b"Text."))], data=fields)
    assert chinese.json()["code"] == code


async def test_a_key_that_comes_again_with_another_choice_is_refused(house: House):
    async def send(**fields: str) -> int:
        files = [("files", ("a.md", BAD.encode()))]
        return (
            await house["ann"].post("/batches", files=files, data=fields, headers={"Idempotency-Key": "k"})
        ).status_code

    assert [await send(profile="technical"), await send(profile="technical")] == [202, 202]
    assert await send() == 422


async def test_the_usual_profiles_of_the_service_are_a_setting(tmp_path: Path, house: House):
    with pytest.raises(Misconfigured, match="no profile 'x'") as refused:
        assembly.open_desk(Settings(data=tmp_path, profiles=("x",)), house.ledger)
    assert "technical" in refused.value.hint
    desk = assembly.open_desk(Settings(data=tmp_path, profiles=("technical",)), house.ledger)
    assert desk.tasks.profiles == ("technical",)


async def test_the_page_offers_the_profiles_in_the_readers_language(house: House):
    page = (await house["ann"].get("http://test/", params={"lang": "zh"})).text
    assert 'name="profile" value="requirements" checked' in page
    assert 'value="style-zh"> 中文排版' in page
