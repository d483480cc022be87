"""`paperlane advise` says what the recent load asks for, and when there is too little of it."""

import json
from pathlib import Path

from tests.cli.test_commands import paperlane


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
