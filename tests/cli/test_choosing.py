"""What `paperlane check` tests: by which checks, in whose words, and since when."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests import forking

from paperlane import assembly
from paperlane.settings import Settings

BAD = "# One\n\nThe system shall be fast.\n\nTBD.\n"


def paperlane(*arguments: object, cwd: Path) -> Any:
    return forking.run([*map(str, arguments)], cwd)


def rules(*arguments: object, cwd: Path) -> list[str]:
    """The rules of the issues of bad.md."""
    done = paperlane("check", "bad.md", "--format", "json", *arguments, cwd=cwd)
    return [issue["rule"] for issue in json.loads(done.stdout)["documents"][0]["issues"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.md").write_text(BAD)
    return tmp_path


def test_checks_are_chosen_by_profile_and_by_name(folder: Path):
    assert rules(cwd=folder) == ["vague-term", "tbd"]
    assert rules("--profile", "technical", cwd=folder) == ["tbd"]
    assert rules("--profile", "technical", "--check", "vague-term", "--no-check", "tbd", cwd=folder) == ["vague-term"]


def test_the_usual_profiles_are_a_setting(folder: Path):
    (folder / "paperlane.toml").write_text('profiles = ["technical"]\n')
    assert rules(cwd=folder) == ["tbd"]
    assert rules("--profile", "requirements", cwd=folder) == ["vague-term", "tbd"]
    (folder / "paperlane.toml").write_text('profiles = "technical, style-en"\n')
    assert rules(cwd=folder) == ["tbd"]


def test_an_unknown_name_is_wrong_usage_and_tells_a_near_one(folder: Path):
    done = paperlane("check", "bad.md", "--profile", "tecnical", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("paperlane: There is no profile 'tecnical'. Did you mean technical? Choose one of ")


def test_the_report_says_what_was_chosen(folder: Path):
    said = paperlane("check", "bad.md", "--profile", "technical,requirements", cwd=folder).stdout
    assert said.endswith("(rules only, profiles technical, requirements)\n")


def test_the_checks_are_listed_with_their_profiles(folder: Path):
    table = paperlane("checks", "--lang", "zh", cwd=folder).stdout
    assert "需求文档" in table
    assert "待定内容" in table
    listed = json.loads(paperlane("checks", "--profile", "technical", "--json", cwd=folder).stdout)
    assert {one["check"]: one["severity"] for one in listed["checks"] if one["check"] == "tbd"} == {"tbd": "error"}
    assert "vague-term" not in {one["check"] for one in listed["checks"]}
    assert [one["profile"] for one in listed["profiles"] if one["default"]] == ["requirements"]
    assert paperlane("checks", "--lang", "fr", cwd=folder).returncode == 2


def test_a_file_of_words_takes_findings_away_and_the_summary_counts_them(folder: Path):
    (folder / "words.txt").write_text("# ours\nSLO: service level objective\nfast\n")
    said = paperlane("check", "bad.md", "--words", "words.txt", cwd=folder).stdout
    assert "[vague-term]" not in said
    assert said.endswith("bad.md: 1 error, 1 ignored; the one passage tested (rules only, profile requirements)\n")
    (folder / "paperlane.toml").write_text('words = "words.txt"\n')
    assert rules(cwd=folder) == ["tbd"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file or directory"), (b"\xff\xfe\x00", "is no UTF-8"), (b"x" * 200_000, "too large")],
)
def test_words_that_cannot_be_read_are_wrong_usage(folder: Path, content: bytes | None, said: str):
    if content is not None:
        (folder / "words.txt").write_bytes(content)
    done = paperlane("check", "bad.md", "--words", "words.txt", cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_groups_words_are_shown_as_they_are_set(anns: Path):
    with closing(assembly.open_ledger(Settings(data=anns))) as ledger:
        accounts = assembly.open_desk(Settings(data=anns), ledger).accounts
        accounts.change_user(None, accounts.user("ann"), group="payment")
    (anns / "words.txt").write_text("robust\nSLO: service level\n")
    told = paperlane("group", "words", "payment", "--set", "words.txt", "--data", ".", cwd=anns)
    assert told.stdout == "payment has its words: 1 in the glossary, 1 to ignore.\n"
    assert paperlane("group", "words", "payment", "--data", ".", cwd=anns).stdout == "SLO: service level\nrobust\n"
    nobody = paperlane("group", "words", "paymnet", "--data", ".", cwd=anns)
    assert (nobody.returncode, nobody.stderr.startswith("paperlane: There is no such group.")) == (2, True)
