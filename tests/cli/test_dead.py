"""Dead letters on the command line: shown, started again and discarded, each command in a real process."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.cli.test_commands import paperlane
from tests.databases import new_file

from paperlane import assembly
from paperlane.desk import Order
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.documents import Upload
from paperlane.model.tasks import Ended, Failed, Fault, Letters, TaskId, UserId, WorkerId
from paperlane.records.accounts import Role
from paperlane.records.schema import audit
from paperlane.settings import Settings

BROKEN = Fault("damaged_file", "The file is damaged.", "Save it anew.")
SLOW = Fault("step_timeout", "A step took too long.", "Split the document.")
Fail = Callable[..., list[str]]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    new_file(tmp_path / "paperlane.db")
    made = assembly.open_ledger(Settings(data=tmp_path))
    yield made
    made.close()


@pytest.fixture
def fail(ledger: SqlLedger, tmp_path: Path) -> Fail:
    """Makes documents of a user that failed."""
    desk = assembly.open_desk(Settings(data=tmp_path), ledger)
    known = {name: desk.accounts.add_user(None, name, Role.USER, "", None, None) for name in ("ann", "bob")}
    worker = WorkerId("w")

    def make(user: str, count: int = 1, fault: Fault = BROKEN) -> list[str]:
        uploads = [Upload(f"{n}.md", "text/markdown", 1, "0" * 64, "0" * 32) for n in range(count)]
        batch, _ = desk.tasks.submit(known[user], Order(uploads))
        ledger.register(worker, "database", "host", 1, 50)
        while leases := ledger.step("database", worker, [], 50):
            ledger.finish(worker, [Ended(lease, Failed(fault)) for lease in leases])
        return [task.id for task in ledger.tasks(batch=batch.id)]

    return make


def on_terminal(answer: str, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and what the terminal shows, where somebody answers."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "paperlane", *map(str, arguments)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        os.write(ours, answer.encode())
        assert process.stdout is not None
        said = process.stdout.read()
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return process.returncode, said.strip(), shown.decode()


def test_a_dead_letter_is_shown_with_all_that_one_must_know(fail: Fail, tmp_path: Path):
    (task,) = fail("ann")
    fail("bob", 2, SLOW)
    rows = json.loads(paperlane("queue", "dead", "--json", "--user", "ann", "--data", tmp_path).stdout)
    (row,) = rows
    assert row.pop("failed_at").endswith("Z")
    assert row == {
        "id": task,
        "user": "ann",
        "document": "0.md",
        "attempts": 1,
        "code": "damaged_file",
        "message": "The file is damaged.",
        "hint": "Save it anew.",
    }
    shown = paperlane("queue", "dead", "--limit", "2", "--data", tmp_path).stdout
    assert task not in shown
    assert shown.endswith(
        "\n3 in all: 2 step_timeout, 1 damaged_file\nThe latest 2 are shown; --limit shows more, filters fewer.\n"
    )


def test_each_filter_narrows(fail: Fail, ledger: SqlLedger, tmp_path: Path):
    first, second = fail("ann", 2)
    fail("bob", 1, SLOW)
    batch = ledger.task(TaskId(first)).batch

    def found(*options: object) -> list[str]:
        return [
            row["id"] for row in json.loads(paperlane("queue", "dead", "--json", *options, "--data", tmp_path).stdout)
        ]

    assert found("--code", "damaged_file") == found("--batch", batch) == found("--user", "ann") == [second, first]
    assert found("--until", "2020-01-01") == []
    assert len(found("--since", "2020-01-01")) == 3
    assert paperlane("queue", "dead", "--user", "nobody", "--data", tmp_path).returncode == 2
    assert "'soon' is no time." in paperlane("queue", "dead", "--since", "soon", "--data", tmp_path).stderr


def test_some_a_filter_or_all_start_again(fail: Fail, ledger: SqlLedger, tmp_path: Path):
    one, two, three = fail("ann", 3)
    fail("bob", 2, SLOW)
    ledger.discard(Letters(ids=[TaskId(one)]))
    done = paperlane("queue", "retry", one, two, "none", "--data", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "2 tasks are queued again.\n",
        "none: There is no such task.\n",
    )
    done = paperlane("queue", "retry", "--code", "step_timeout", "--json", "--data", tmp_path)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"replayed": 2, "left": []})
    assert paperlane("queue", "retry", "--all", "--data", tmp_path).stdout == "1 task is queued again.\n"
    assert paperlane("queue", "retry", "--all", "--data", tmp_path).stdout == "No task is queued again.\n"
    assert ledger.task(TaskId(three)).status == "queued"
    what = ledger.read(
        lambda c: c.execute(select(audit.c.user_id).where(audit.c.what == "dead letters replayed")).all()
    )
    assert [tuple(row) for row in what] == [(0,), (0,)]


def test_what_finds_no_room_is_told(fail: Fail, ledger: SqlLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fail("ann", 5)
    monkeypatch.setenv("PAPERLANE_USER_BACKLOG", "3")
    done = paperlane("queue", "retry", "--all", "--data", tmp_path)
    assert (done.returncode, done.stdout) == (1, "3 tasks are queued again.\n")
    assert done.stderr == (
        "2 tasks: As many of the user's tasks wait as may. Start the others again once some are done.\n"
    )
    assert sum(ledger.causes(Letters()).values()) == 2
    assert ledger.rules.user_backlog == Rules().user_backlog


def test_discarded_ones_are_shown_no_more(fail: Fail, ledger: SqlLedger, tmp_path: Path):
    one, two = fail("ann", 2)
    done = paperlane("queue", "discard", one, "none", "--data", tmp_path)
    assert (done.returncode, done.stdout) == (1, "1 task is discarded.\n")
    assert done.stderr == "none: There is no such task. Check its id.\n"
    assert [letter.task.id for letter in ledger.dead(Letters())] == [two]
    answer = json.loads(paperlane("queue", "discard", "--user", "ann", "--json", "--data", tmp_path).stdout)
    assert answer == {"discarded": 1, "left": []}
    assert ledger.task(TaskId(one)).status == "failed"


@pytest.mark.parametrize("command", ["retry", "discard"])
@pytest.mark.parametrize("options", [[], ["t", "--all"], ["--all", "--code", "x"], ["t", "--code", "x"]], ids=str)
def test_it_must_be_said_which_are_meant(
    fail: Fail, ledger: SqlLedger, tmp_path: Path, command: str, options: list[str]
):
    fail("ann")
    done = paperlane("queue", command, *options, "--data", tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Name ids, or a filter, or --all: one of these." in done.stderr
    assert sum(ledger.causes(Letters()).values()) == 1


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_a_terminal_asks_before_several(fail: Fail, ledger: SqlLedger, tmp_path: Path, command: str):
    def left() -> int:
        return sum(ledger.causes(Letters(user=UserId(1))).values())

    (one, *_) = fail("ann", 3)
    code, said, shown = on_terminal("n\n", "queue", command, "--all", "--data", tmp_path)
    assert (code, said, left()) == (1, "", 3)
    assert "3 tasks" in shown
    assert "Nothing was changed." in shown
    code, said, _ = on_terminal("", "queue", command, one, "--data", tmp_path)  # one only
    assert (code, said[:6], left()) == (0, "1 task", 2)
    code, said, _ = on_terminal("y\n", "queue", command, "--all", "--data", tmp_path)
    assert (code, said[:7], left()) == (0, "2 tasks", 0)
    fail("ann", 2)
    before = left()
    code, said, _ = on_terminal("", "queue", command, "--all", "--yes", "--data", tmp_path)
    assert (code, left(), before > 1) == (0, 0, True)
