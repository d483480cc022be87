"""`paperlane advise` says what the recent load asks for, and when there is too little of it."""

import json
from pathlib import Path

import pytest
from tests.cli.test_commands import paperlane
from tests.rollout.test_advice import made, part_of
from typer.testing import CliRunner

from paperlane.cli import app
from paperlane.desk import Advising
from paperlane.rollout.advice import advise


def test_without_a_load_the_database_queue_fits_and_it_is_told_that_this_is_little(anns: Path):
    done = paperlane("advise", "--data", anns)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "The database queue fits: no sign asks for more."
    assert lines[1].startswith("That is little to go by: 0.0 days with 0 tasks are known")
    assert lines[3].split() == ["sign", "figure", "limit", "over"]
    told = json.loads(paperlane("advise", "--since", "2w", "--json", "--data", anns).stdout)
    assert (told["stage"], told["enough"]) == ("database", False)
    assert [sign["name"] for sign in told["signs"]] == [
        "concurrent_users",
        "concurrent_tasks",
        "tasks_a_day",
        "long_tasks",
        "saturation",
        "waits",
        "several_machines",
    ]


def test_a_time_that_is_none_is_refused(anns: Path):
    done = paperlane("advise", "--since", "lately", "--data", anns)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("paperlane: 'lately' is no time.")


def test_how_long_ago_and_a_time_are_said_as_elsewhere(anns: Path):
    for since in ("30s", "90m", "2020-01-31T08:00:00Z"):
        assert paperlane("advise", "--since", since, "--data", anns).returncode == 0


def test_whose_tasks_stand_for_all_is_told_in_words_and_as_json(anns: Path, monkeypatch: pytest.MonkeyPatch):
    load = part_of(made(120), users=480, asked=120, cut=3)
    monkeypatch.setattr(Advising, "advise", lambda *_: advise(load))
    monkeypatch.setattr("os.umask", lambda _mask: 0)
    shown = CliRunner().invoke(app, ["advise", "--data", str(anns)], catch_exceptions=False).stdout
    lines = shown.splitlines()
    assert lines[1].endswith("these are the tasks of 120 of 480 users, chosen by chance.")
    assert lines[2] == "Of 3 users with very many tasks only the latest are counted."
    assert any(one.startswith("concurrent users") and "at least 120, about 480" in one for one in lines)
    told = json.loads(CliRunner().invoke(app, ["advise", "--json", "--data", str(anns)]).stdout)
    assert told["sampled"] == {"users": 480, "asked": 120, "cut": 3, "whole": False}
    assert {one["code"] for one in told["cautions"]} == {"sampled", "cut", "not_known"}
    assert (told["signs"][0]["at_least"], told["signs"][0]["about"]) == (True, 480.0)
