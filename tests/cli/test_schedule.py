"""`paperlane schedule`, each command in a real process."""

import json
from pathlib import Path

import pytest
from tests.cli.test_commands import paperlane
from tests.databases import new_file

from paperlane import assembly
from paperlane.desk import Order
from paperlane.model.documents import Upload
from paperlane.settings import Settings


@pytest.fixture
def batches(tmp_path: Path) -> list[str]:
    """A batch of ann's and one of bob's."""
    new_file(tmp_path / "paperlane.db")
    settings = Settings(data=tmp_path)
    ledger = assembly.open_ledger(settings)
    desk = assembly.open_desk(settings, ledger)
    made = []
    for name in ("ann", "bob"):
        account = desk.accounts.add_user(None, name, assembly.accounts.Role.USER, "", None, None)
        order = Order([Upload(f"{name}.md", "text/markdown", 1, "0" * 64, "0" * 32)])
        made.append(desk.tasks.submit(account, order)[0].id)
    ledger.close()
    return made


def test_schedules_are_added_listed_paused_resumed_and_removed(tmp_path: Path, batches: list[str]):
    at = ("--data", tmp_path)
    assert "There is no schedule yet" in paperlane("schedule", "list", *at).stdout
    zone = ("--timezone", "Asia/Shanghai")
    added = paperlane("schedule", "add", "nightly", "30 6 * * MON-FRI", "--batch", batches[0], *zone, *at)
    assert added.stdout.startswith("Added nightly of ann: one document, next at 20"), added.stderr
    assert "T06:30+08:00" in added.stdout
    (shown,) = json.loads(paperlane("schedule", "list", "--json", *at).stdout)
    assert {key: shown[key] for key in ("name", "user", "cron", "timezone", "documents", "paused", "last")} == {
        "name": "nightly", "user": "ann", "cron": "30 6 * * MON-FRI", "timezone": "Asia/Shanghai", "documents": 1,
        "paused": False, "last": None,
    }  # fmt: skip
    assert "rests until" in paperlane("schedule", "pause", "nightly", *at).stdout
    assert json.loads(paperlane("schedule", "list", "--json", *at).stdout)[0]["paused"]
    assert "goes on at" in paperlane("schedule", "resume", "nightly", *at).stdout
    assert paperlane("schedule", "remove", "nightly", *at).stdout == "Removed nightly.\n"
    done = paperlane("schedule", "remove", "nightly", *at)
    assert (done.returncode, done.stderr) == (
        2,
        "paperlane: There is no schedule nightly. See: paperlane schedule list.\n",
    )


def test_a_schedules_time_and_priority_are_given_and_changed(tmp_path: Path, batches: list[str]):
    at = ("--data", tmp_path)

    def shown() -> tuple[object, ...]:
        (row,) = json.loads(paperlane("schedule", "list", "--json", *at).stdout)
        return row["cron"], row["timezone"], row["priority"], row["next"][10:]

    add = ("schedule", "add", "nightly", "0 3 * * *", "--batch", batches[0], *at)
    done = paperlane(*add, "--priority", "10")
    assert (done.returncode, done.stderr) == (
        2,
        "paperlane: There is no priority 10. Choose 0 to 9; 5 is the usual one.\n",
    )
    assert paperlane(*add, "--priority", "0").returncode == 0
    assert shown() == ("0 3 * * *", "UTC", 0, "T03:00+00:00")
    change = ("schedule", "set", "nightly", *at)
    assert paperlane(*change, "--priority", "9").stdout.startswith("Changed nightly: next at 20")
    assert shown() == ("0 3 * * *", "UTC", 9, "T03:00+00:00")
    changed = paperlane(*change, "--cron", "5 4 * * *", "--timezone", "Asia/Shanghai")
    assert changed.stdout.endswith("T04:05+08:00.\n"), changed.stderr
    assert shown() == ("5 4 * * *", "Asia/Shanghai", 9, "T04:05+08:00")
    for wrong, said in (
        ((), "Nothing of nightly was named to change. See: paperlane schedule set --help."),
        (("--priority", "-1"), "There is no priority -1. Choose 0 to 9; 5 is the usual one."),
        (("--timezone", "Mars/Base"), "There is no time zone 'Mars/Base'. Name it as the IANA database does"),
        (("--cron", "often"), "'often' is no cron expression of five fields."),
    ):
        done = paperlane(*change, *wrong)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr
    assert shown() == ("5 4 * * *", "Asia/Shanghai", 9, "T04:05+08:00")
    paperlane("schedule", "pause", "nightly", *at)
    assert paperlane(*change, "--cron", "6 4 * * *").stdout == (
        "Changed nightly: it rests until: paperlane schedule resume nightly.\n"
    )
    assert paperlane("schedule", "set", "none", "--priority", "1", *at).returncode == 2


def test_whose_schedule_is_asked_where_two_have_one_so_named(tmp_path: Path, batches: list[str]):
    at = ("--data", tmp_path)
    for batch in batches:
        done = paperlane("schedule", "add", "nightly", "0 3 * * *", "--batch", batch, "--json", *at)
        assert json.loads(done.stdout)[0]["name"] == "nightly"
    done = paperlane("schedule", "pause", "nightly", *at)
    assert (done.returncode, done.stderr) == (2, "paperlane: 2 users have a schedule nightly. Say whose with --user.\n")
    assert paperlane("schedule", "pause", "nightly", "--user", "bob", *at).returncode == 0
    listed = json.loads(paperlane("schedule", "list", "--json", *at).stdout)
    assert [(one["user"], one["paused"]) for one in listed] == [("ann", False), ("bob", True)]
    (bobs,) = json.loads(paperlane("schedule", "list", "--user", "bob", "--json", *at).stdout)
    assert bobs["user"] == "bob"
    done = paperlane("schedule", "add", "mine", "0 3 * * *", "--batch", batches[0], "--user", "bob", *at)
    assert (done.returncode, done.stderr) == (2, "paperlane: There is no such batch.\n")


def test_the_command_stops_the_schedule_of_somebody_who_changes_nothing_themselves(tmp_path: Path, batches: list[str]):
    at = ("--data", tmp_path)
    assert paperlane("schedule", "add", "nightly", "0 3 * * *", "--batch", batches[0], *at).returncode == 0
    assert paperlane("user", "set", "ann", "--role", "viewer", *at).returncode == 0
    for act, said in (("pause", "nightly rests until"), ("remove", "Removed nightly.")):
        done = paperlane("schedule", act, "nightly", "--user", "ann", *at)
        assert (done.returncode, said in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("cron", "zone", "said"),
    [
        ("often", "UTC", "'often' is no cron expression of five fields. Write minute, hour"),
        ("0 0 30 2 *", "UTC", "'0 0 30 2 *' is no cron expression: Bad day-of-month."),
        ("0 3 * * *", "Mars/Base", "There is no time zone 'Mars/Base'. Name it as the IANA database does"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(tmp_path: Path, batches: list[str], cron: str, zone: str, said: str):
    done = paperlane("schedule", "add", "n", cron, "--batch", batches[0], "--timezone", zone, "--data", tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_help_teaches_the_five_fields():
    said = paperlane("schedule", "add", "--help").stdout
    assert "minute, hour, day of month, month, day of week" in " ".join(said.replace("│", " ").split())
    assert "MON-FRI" in said
