"""The command line, each command in a real process."""

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import select
from tests import forking
from tests.conftest import Service, needs, until
from tests.databases import new_file
from typer.main import get_command

from paperlane import cli
from paperlane.cli import app
from paperlane.cli.output import show
from paperlane.hosting import open_ledger
from paperlane.model.tasks import (
    BatchId,
    Ended,
    Failed,
    Fault,
    NewBatch,
    NewTask,
    Pulse,
    Span,
    TaskId,
    UserId,
    WorkerId,
)
from paperlane.records.schema import audit

BAD = "# One\n\nThe system shall be fast.\n\nTBD.\n"
WARNED = "# One\n\nThe system shall be fast.\n"
FINE = "# One\n\nThe system shall answer within 1 s.\n"
LONG = "x" * 300  # longer than any file's name may be


def paperlane(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """In a process of its own, in which everything is loaded already."""
    return forking.run([*map(str, arguments)], cwd)


def started(*arguments: object, cwd: Path | None = None, by: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """As a shell would start it."""
    command = [*by, sys.executable, "-m", "paperlane", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.fixture
def bound() -> Sequence[str]:
    """What a command stands behind so that permission bits bind it, also where root runs the tests."""
    if os.geteuid() != 0:
        return ()
    needs("setpriv", there=shutil.which("setpriv") is not None)
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder with a document that nobody may enter."""
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "inside.md").write_text(BAD)
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)  # or it could not be removed


def on_terminal(*arguments: str, cwd: Path, both: bool = False) -> tuple[int, bytes]:
    """Exit code, and what a terminal shows of stderr, or of both ways out."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "paperlane", *arguments]
    out = theirs if both else subprocess.PIPE
    with subprocess.Popen(command, cwd=cwd, stdout=out, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the terminal's other end is closed
                break
            if not piece:
                break
            shown += piece
        process.communicate()
    os.close(ours)
    return process.returncode, shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.md").write_text(BAD)
    (tmp_path / "warned.md").write_text(WARNED)
    (tmp_path / "fine.md").write_text(FINE)
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "locked.docx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    return tmp_path


@pytest.mark.parametrize("form", ["pdf", "xlsx"])
def test_a_terminal_is_not_filled_with_what_it_cannot_show(folder: Path, form: str):
    code, shown = on_terminal("check", "fine.md", "--format", form, cwd=folder, both=True)
    assert code == 2
    assert b"Name a file with -o" in shown


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["fine.md"], 0),
        (["warned.md"], 0),
        (["bad.md"], 1),
        (["warned.md", "--fail-on", "warning"], 1),
        (["bad.md", "--fail-on", "never"], 0),
        (["fine.md", "locked.docx"], 0),
        (["fine.md", "locked.docx", "--fail-on-untested"], 1),
        (["fine.md", "empty.md"], 0),
        (["fine.md", "empty.md", "--fail-on-untested"], 1),
        (["fine.md", "--fail-on-untested"], 0),
        (["locked.docx"], 2),
        (["missing.md"], 2),
        (["missing.md", "bad.md"], 1),
        (["fine.md", "--format", "odd"], 2),
        (["fine.md", "--fail-on", "odd"], 2),
        ([], 2),
        (["."], 1),
    ],
)
def test_check_exits_as_it_promises(folder: Path, arguments: list[str], code: int):
    done = paperlane("check", *arguments, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_check_prints_issues_as_lines_and_says_what_it_could_not_read(folder: Path):
    done = paperlane("check", ".", cwd=folder)
    lines = done.stdout.splitlines()
    assert "bad.md:3:21: warning: “fast” is vague: no test can decide it. [vague-term]" in lines
    assert "bad.md: 1 error, 1 warning; the one passage tested (rules only, profile requirements)" in lines
    assert "fine.md: no issues; the one passage tested (rules only, profile requirements)" in lines
    assert any(line.startswith("locked.docx: could not be read [unsupported_type]") for line in lines)
    assert not any("picture.png" in line for line in lines)
    assert done.stderr == ""


def test_endless_words_do_not_take_their_length_squared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each took minutes of computing when an address was looked for at every letter; a limit far above now fails."""
    monkeypatch.setenv("PAPERLANE_STEP_CPU_SECONDS", "20")
    for number, word in enumerate(
        ("A", "1.1.", "第", "_a", "...", "a/", "<a ", "<!--", "[a](", "`a", "的的", "a@", "![")
    ):
        (tmp_path / f"{number}.md").write_text(word * (150_000 // len(word)))
    done = paperlane("check", ".", "--format", "json", "--fail-on", "never", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["unreadable"] == []
    assert len(found["documents"]) == 13
    assert all(document["coverage"]["tested"] > 0 for document in found["documents"])


def test_check_writes_json_to_a_file(folder: Path):
    done = paperlane("check", "bad.md", "locked.docx", "--format", "json", "-o", "out.json", cwd=folder)
    assert done.stdout == ""
    assert "locked.docx" in done.stderr
    found = json.loads((folder / "out.json").read_text())
    assert found["documents"][0]["counts"] == {"error": 1, "warning": 1, "info": 0}
    assert [file["code"] for file in found["unreadable"]] == ["unsupported_type"]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with documents that this version cannot read, and files that are no documents."""
    (tmp_path / "fine.md").write_text(FINE)
    for name in ("old.rtf", "paper.tex", "deeper.RTF", "tool.py", "id.key", "picture.png", "~$fine.docx", ".hid.rtf"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "3 files of other types were not tested: .rtf, .tex.\n"),
        ("zh", "另有 3 个其他类型的文件未检测：.rtf、.tex。\n"),
    ],
)
def test_documents_of_other_types_are_counted(mixed: Path, language: str, said: str):
    done = paperlane("check", ".", "--lang", language, cwd=mixed)
    assert (done.returncode, done.stderr) == (0, said)
    assert len(done.stdout.splitlines()) == 1


def test_documents_of_other_types_are_untested_ones(mixed: Path):
    done = paperlane("check", ".", "--fail-on-untested", "--format", "json", cwd=mixed)
    assert done.returncode == 1
    unreadable = json.loads(done.stdout)["unreadable"]
    assert [file["name"] for file in unreadable] == ["deeper.RTF", "old.rtf", "paper.tex"]
    assert {file["code"] for file in unreadable} == {"unsupported_type"}
    assert "old.rtf" in paperlane("check", ".", "--format", "html", cwd=mixed).stdout
    (mixed / "fine.md").unlink()
    done = paperlane("check", ".", cwd=mixed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("3 files")


def test_one_document_of_another_type_is_one(mixed: Path):
    (mixed / "paper.tex").unlink()
    (mixed / "deeper.RTF").unlink()
    done = paperlane("check", ".", "old.rtf", cwd=mixed)
    assert done.stderr == ""
    assert "old.rtf: could not be read [unsupported_type]" in done.stdout
    assert paperlane("check", ".", cwd=mixed).stderr == "1 file of another type was not tested: .rtf.\n"


def test_a_report_that_is_written_anew_is_no_document_of_the_next_one(tmp_path: Path):
    (tmp_path / "fine.md").write_text(FINE)
    for _ in range(2):
        assert paperlane("check", ".", "--format", "html", "-o", "report.html", cwd=tmp_path).returncode == 0
        report = (tmp_path / "report.html").read_text()
        assert ("fine.md" in report, "report.html" in report) == (True, False)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("out.html", b"<!"), ("out.JSON", b"{"), ("out", b"fine.md: ")],
)
def test_without_a_format_the_file_tells_it(tmp_path: Path, name: str, begins: bytes):
    (tmp_path / "fine.md").write_text(FINE)
    assert paperlane("check", "fine.md", "-o", name, cwd=tmp_path).returncode == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_format_that_is_said_counts_before_the_files_name(tmp_path: Path):
    (tmp_path / "fine.md").write_text(FINE)
    assert paperlane("check", "fine.md", "--format", "json", "-o", "out.html", cwd=tmp_path).returncode == 0
    assert "documents" in json.loads((tmp_path / "out.html").read_text())


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_a_name_that_is_no_utf8_is_spelled(tmp_path: Path, form: str):
    for name in (b"a\xff.md", b"b\xff.docx"):
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_text(FINE)
    done = paperlane("check", ".", "--format", form, cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert all(name in done.stdout.replace(r"\\", "\\") for name in (r"a\xff.md", r"b\xff.docx"))


def test_what_a_file_is_called_does_not_steer_the_terminal(tmp_path: Path):
    (tmp_path / "x[").mkdir()
    for name in ("x[/red].md", "\x1b]0;pwn\x07.md", "\x1b]0;pwn\x07.docx"):
        (tmp_path / name).write_text(FINE)
    code, shown = on_terminal("check", ".", "--format", "json", "-o", "out.json", cwd=tmp_path)
    assert code == 0
    assert b"\x1b]" not in shown
    assert rb"\x1b]0;pwn\x07.docx: " in shown


def test_what_cannot_be_read_does_not_stop_the_others(folder: Path, bound: Sequence[str]):
    os.mkfifo(folder / "pipe.md")
    (folder / "memory.md").symlink_to("/proc/self/mem")  # a regular file, whose first page is not there
    (folder / "warned.md").chmod(0)
    names = ("pipe.md", "/dev/null", "memory.md", f"{LONG}.md", "warned.md")
    done = started("check", *names, "fine.md", cwd=folder, by=bound)
    assert (done.returncode, done.stderr) == (0, "")
    refused = [
        f"{names[0]}: could not be read [cannot_open]: The file cannot be opened: it is no regular file.",
        f"{names[1]}: could not be read [cannot_open]: The file cannot be opened: it is no regular file.",
        f"{names[2]}: could not be read [cannot_open]: The file cannot be read: Input/output error.",
        f"{names[3]}: could not be read [cannot_open]: The file cannot be opened: File name too long.",
        f"{names[4]}: could not be read [cannot_open]: The file cannot be opened: Permission denied.",
    ]
    fine, *lines = done.stdout.splitlines()
    assert fine.startswith("fine.md: no issues")
    assert lines == [f"{line} Check the path and its rights." for line in refused]


def test_folders_that_cannot_be_looked_into_are_untested_ones(folder: Path, locked: Path, bound: Sequence[str]):
    (folder / "listed").mkdir()
    for name in ("inside.md", "picture.png"):
        (folder / "listed" / name).write_text(BAD)
    (folder / "listed").chmod(0o400)
    (folder / "loose.md").symlink_to("nowhere")
    refused = "could not be read [cannot_open]: The {} Check the path and its rights."
    barred = f"locked: {refused.format('folder cannot be listed: Permission denied.')}"
    done = started("check", ".", "--fail-on", "never", cwd=folder, by=bound)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if "cannot_open" in line] == [
        f"listed/inside.md: {refused.format('file cannot be opened: Permission denied.')}",
        barred,
        f"loose.md: {refused.format('file cannot be opened: No such file or directory.')}",
    ]
    done = started("check", "fine.md", "locked", "--fail-on-untested", cwd=folder, by=bound)
    assert (done.returncode, done.stdout.splitlines()[1:]) == (1, [barred])
    done = started("check", "locked", cwd=folder, by=bound)
    assert (done.returncode, done.stdout) == (2, f"{barred}\n")
    (folder / "listed").chmod(0o700)


def test_links_to_folders_are_followed_each_folder_once(tmp_path: Path):
    for name in ("docs/within/one.md", "docs/two.md", "shared/deep/three.md", "four.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(FINE)
    for link, target in (("again", "within"), ("itself", "."), ("parent", ".."), ("shared", "../shared")):
        (tmp_path / "docs" / link).symlink_to(target)
    (tmp_path / "shared/back").symlink_to("../docs")
    done = paperlane("check", "docs", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unreadable"] == []
    assert [one["document"]["name"] for one in found["documents"]] == [
        "docs/shared/deep/three.md",
        "docs/two.md",
        "docs/within/one.md",
    ]


def test_chinese_reports_tell_their_faults_in_chinese(folder: Path):
    done = paperlane("check", "fine.md", "locked.docx", "--lang", "zh", "--format", "html", cwd=folder)
    assert done.stderr.startswith("locked.docx: 不支持此类文件")


def test_check_shows_its_progress_on_a_terminal(folder: Path):
    _, shown = on_terminal("check", "bad.md", "fine.md", cwd=folder)
    assert b"files" in shown


def test_users_are_added_changed_listed_and_revoked(tmp_path: Path):
    at = ("--data", tmp_path)
    added = json.loads(paperlane("user", "add", "ann", "--limit", "3", "--json", *at).stdout)
    assert set(added) == {"id", "name", "role", "token"}
    assert paperlane("user", "add", "ann", *at).returncode == 2
    assert "There is a user ann already." in paperlane("user", "add", "ann", *at).stderr
    assert "no role 'king'" in paperlane("user", "add", "bob", "--role", "king", *at).stderr
    assert paperlane("user", "set", "ann", "--limit", "7", "--weight", "2", "--group", "g", *at).returncode == 0
    assert paperlane("user", "set", "ann", "--pause", *at).returncode == 0
    (listed,) = json.loads(paperlane("user", "list", "--json", *at).stdout)
    assert (listed["limit"], listed["weight"], listed["group"], listed["paused"]) == (7, 2.0, "g", True)
    assert "token" not in listed
    quotas = ("storage_mb", "requests_a_minute", "model_tokens")
    assert [listed[name] for name in (*quotas, "stored_mb")] == [None, None, None, 0.0]
    assert paperlane("user", "set", "ann", "--storage-mb", "500", "--requests", "0", *at).returncode == 0
    assert paperlane("user", "set", "ann", "--requests", "auto", "--tokens", "9", *at).returncode == 0
    (listed,) = json.loads(paperlane("user", "list", "--json", *at).stdout)
    assert [listed[name] for name in quotas] == [500, None, 9]
    assert "no quota model_tokens of 9999999999999" in paperlane("user", "set", "ann", "--tokens", "9" * 13, *at).stderr
    assert "--tokens '-1' is no number" in paperlane("user", "set", "ann", "--tokens", "-1", *at).stderr
    assert json.loads(paperlane("user", "token", "ann", "--json", *at).stdout)["token"].startswith("pl_")
    assert paperlane("user", "revoke", "ann", *at).stdout == "Revoked 2 tokens of ann.\n"
    assert paperlane("user", "set", "nobody", "--limit", "3", *at).returncode == 2
    assert "Nothing of ann was named" in paperlane("user", "set", "ann", *at).stderr


def test_who_adds_the_first_user_is_told_where_an_installation_was_made(tmp_path: Path):
    first, second = (paperlane("user", "add", name, "--data", tmp_path / "new") for name in ("ann", "bob"))
    assert (first.returncode, first.stderr) == (0, f"A new installation was made at {tmp_path / 'new'}.\n")
    assert (second.returncode, second.stderr) == (0, "")


def test_serve_tells_what_it_takes_where_nothing_is_said():
    shown = " ".join(started("serve", "--help").stdout.replace("│", " ").split())
    for option in ("HOST, else 127.0.0.1", "PORT, else 8400", "WORKERS, else 2", "DATA, else paperlane-data"):
        assert f"[default: (PAPERLANE_{option})]" in shown
    assert "[default: (PAPERLANE_DATABASE_URL, else an SQLite file in the data folder)]" in shown


def test_another_role_brings_its_usual_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    at = ("--data", tmp_path)

    def limits() -> dict[str, int]:
        return {row["name"]: row["limit"] for row in json.loads(paperlane("user", "list", "--json", *at).stdout)}

    new_file(tmp_path / "paperlane.db")
    paperlane("user", "add", "adam", "--role", "admin", *at)
    paperlane("user", "add", "ann", *at)
    assert limits() == {"adam": 50, "ann": 10}
    assert paperlane("user", "set", "ann", "--role", "admin", *at).returncode == 0
    assert paperlane("user", "set", "adam", "--role", "user", *at).returncode == 0
    assert limits() == {"adam": 10, "ann": 50}
    monkeypatch.setenv("PAPERLANE_USER_LIMIT", "11")
    monkeypatch.setenv("PAPERLANE_ADMIN_LIMIT", "60")
    paperlane("user", "add", "ada", "--role", "admin", *at)
    assert paperlane("user", "set", "ada", "--role", "user", *at).returncode == 0
    assert limits() == {"adam": 10, "ann": 50, "ada": 11}  # those that are there keep theirs
    assert paperlane("user", "set", "ada", "--role", "admin", *at).returncode == 0
    assert paperlane("user", "set", "adam", "--role", "admin", *at).returncode == 0
    assert limits() == {"adam": 10, "ann": 50, "ada": 60}


@pytest.mark.parametrize(
    "options", [*(("--limit", n) for n in ("0", "-1", "9" * 30)), *(("--weight", w) for w in ("0", "-1", "nan", "inf"))]
)
def test_terms_that_make_no_sense_are_refused(anns: Path, options: tuple[str, str]):
    for command, name in (("add", "zoe"), ("set", "ann")):
        done = paperlane("user", command, name, *options, "--data", anns)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "lies between" in done.stderr


def test_names_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]):
    show([{"name": "[red]x[/red] :smile: [/]"}], as_json=False, empty="")
    assert "[red]x[/red] :smile: [/]" in capsys.readouterr().out


def test_the_queue_is_shown_paused_and_mended(tmp_path: Path):
    at = ("--data", tmp_path)
    new_file(tmp_path / "paperlane.db")
    assert "Nobody has anything" in paperlane("queue", *at).stdout
    assert json.loads(paperlane("queue", *at, "--json").stdout)["queued"] == 0
    assert paperlane("queue", "pause", *at).stdout == "database is paused: running tasks go on, none starts.\n"
    assert paperlane("queue", *at, "resume").returncode == 0
    assert "No task failed." in paperlane("queue", *at, "dead").stdout
    done = paperlane("queue", "cancel", "none", *at)
    assert (done.returncode, done.stderr) == (1, "none: There is no such task.\n")
    done = paperlane("queue", "pause", "nope", *at)
    assert (done.returncode, done.stderr) == (
        2,
        "paperlane: There is no engine 'nope'. Choose one of database, inline, pool, arq, celery, rq.\n",
    )


def test_what_is_done_to_tasks_at_the_machine_is_written_down(tmp_path: Path):
    ledger = open_ledger(new_file(tmp_path / "paperlane.db"))
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId(name), b"{}") for name in ("t1", "t2")]))
    at = ("--data", tmp_path)
    assert paperlane("queue", "cancel", "t1", "t1", *at).returncode == 0
    assert paperlane("queue", "retry", "t1", "t2", "t3", *at).returncode == 1
    rows = ledger.read(lambda c: c.execute(select(audit).order_by(audit.c.at)).all())
    ledger.close()
    assert [(row.user_id, row.what, json.loads(row.details)) for row in rows] == [
        (0, "task cancelled", {"task": "t1"}),
        (0, "task replayed", {"task": "t1"}),
    ]


def test_the_limit_of_the_whole_system_is_shown_and_changed(tmp_path: Path):
    at = ("--data", tmp_path)
    new_file(tmp_path / "paperlane.db")
    assert paperlane("queue", "limit", *at).stdout == "At most 100 tasks run at once, as the settings say (100).\n"
    done = paperlane("queue", "limit", "7", *at)
    assert done.stdout == "At most 7 tasks run at once, otherwise than the settings say (100).\n"
    assert json.loads(paperlane("queue", "limit", "--json", *at).stdout) == {"limit": 7, "default_limit": 100}
    assert paperlane("queue", *at).stdout.startswith("0 of at most 7 running, 0 queued")
    for wrong, said in (("0", "lies between 1 and 1000000"), ("many", "'many' is no limit. Give a number")):
        done = paperlane("queue", "limit", wrong, *at)
        assert (done.returncode, said in done.stderr, len(done.stderr.splitlines())) == (2, True, 1), done.stderr
    assert json.loads(paperlane("queue", *at, "limit", "default", "--json").stdout)["limit"] == 100


def test_workers_are_shown_with_their_slots_and_how_busy_their_machines_are(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'own.db'}"
    assert paperlane("queue", "workers", "--database", url, "--data", tmp_path).returncode == 2  # nothing is there
    ledger = open_ledger(url)
    ledger.register(WorkerId("w"), "database", "host/token", 7, 4, span=Span(4, 2, 10))
    ledger.renew(WorkerId("w"), [], Pulse(3, 0.256, None))
    ledger.close()
    (row,) = json.loads(paperlane("queue", "workers", "--database", url, "--json").stdout)
    shown = [
        row[name] for name in ("host", "slots", "wants", "least", "asked", "cpu (%)", "memory (%)", "running", "live")
    ]
    assert shown == ["host", 4, 3, 2, 10, 26, None, 0, True]
    assert "26" in paperlane("queue", "workers", "--database", url).stdout


def test_failed_tasks_of_another_pipeline_are_shown_too(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'own.db'}"
    ledger = open_ledger(url)
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b'"words"')]))
    ledger.register(WorkerId("w"), "database", "host", 1, 1)
    (lease,) = ledger.step("database", WorkerId("w"), [], 1)
    ledger.finish(WorkerId("w"), [Ended(lease, Failed(Fault("no_good", "It is no good.")))])
    ledger.close()
    (row,) = json.loads(paperlane("queue", "dead", "--database", url, "--json").stdout)
    assert (row["id"], row["document"], row["code"]) == ("t", "", "no_good")


@pytest.mark.parametrize(
    "command", [["queue"], ["queue", "dead"], ["queue", "pause"], ["user", "list"], ["worker"]], ids=" ".join
)
def test_a_wrong_folder_is_not_an_empty_installation(tmp_path: Path, command: list[str]):
    done = paperlane(*command, "--data", tmp_path / "wrong")
    assert done.returncode == 2
    assert f"There is no installation at {tmp_path / 'wrong'}." in done.stderr
    assert not (tmp_path / "wrong").exists()


def test_a_folder_that_cannot_be_looked_into_is_not_one_that_is_missing(locked: Path, bound: Sequence[str]):
    for folder, why in ((locked, "Permission denied"), (locked.parent / LONG, "File name too long")):
        done = started("queue", "--data", folder, by=bound)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert f"The folder {folder} cannot be looked into: {why}. Be the user" in done.stderr


def test_what_the_system_refuses_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(cli, "app", lambda **_: (tmp_path / LONG).stat())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = f"The system refuses {tmp_path / LONG}: File name too long."
    assert capsys.readouterr().err == f"paperlane: {said} Check the path, its rights and the disk.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc"], "No such command 'chekc'. Did you mean 'check', 'checks'? See: paperlane --help"),
        (["check"], "Missing argument 'PATH...'. See: paperlane check --help"),
        (["check", "--fromat", "json", "x.md"], "No such option: --fromat"),
        (["serve", "--port", "many"], "valid integer"),
        (["queue", "--json", "dead"], "--json before dead says nothing to it. See: paperlane queue dead --help."),
        (["queue", "--users", "100", "limit"], "--users before limit says nothing to it. See: paperlane queue limit"),
        (["check", "empty"], "There is nothing to test in empty."),
        (["check", "fine.md", "-o", "none/x.txt"], "The report cannot be written: none/x.txt lies in no folder."),
        (["check", "fine.md", "-o", "empty"], "The report cannot be written: empty is a folder."),
        (["check", "fine.md", "-o", LONG], "xxx: File name too long. Name another file with -o."),
        (["check", "fine.md", "-o", "./fine.md"], "The report would be written over a document: fine.md."),
        (
            ["check", ".", "-o", "fine.md"],
            "over a document: fine.md. Name another file with -o, or say --format if it is ",
        ),
        (["check", "picture.png"], "Supported are .docm, .docx"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, arguments: list[str], said: str):
    (folder / "empty").mkdir()
    done = paperlane(*arguments, cwd=folder)
    assert done.returncode == 2
    lines = (done.stderr or done.stdout).splitlines()
    assert said in lines[0]
    assert "Traceback" not in done.stderr
    assert len(lines) == 1 or "passages" in lines[-1], lines


def test_migrate_says_what_it_did(tmp_path: Path):
    assert "from empty to" in paperlane("migrate", "--data", tmp_path).stdout
    assert "already" in paperlane("migrate", "--data", tmp_path).stdout


def test_the_doctor_tells_what_is_as_it_should_be(tmp_path: Path):
    new_file(tmp_path / "paperlane.db")
    done = paperlane("doctor", "--json", "--data", tmp_path)
    found = {row["what"]: row["state"] for row in json.loads(done.stdout)}
    assert (found["sqlite"], found["database"], found["workers of database"]) == ("ok", "ok", "warning")
    assert found["fonts"] in {"ok", "warning"}
    assert done.returncode == 0
    assert paperlane("doctor", "--database", "mysql://x", "--data", tmp_path).returncode == 1


def test_the_doctor_tells_of_counters_that_had_to_be_put_right(tmp_path: Path):
    ledger = open_ledger(new_file(tmp_path / "paperlane.db"))
    ledger.lane(UserId(1))
    ledger.write(lambda connection: connection.exec_driver_sql("UPDATE lanes SET ready = 5"))
    shown: list[dict[str, dict[str, str]]] = []
    for _ in range(2):
        done = paperlane("doctor", "--json", "--data", tmp_path)
        assert done.returncode == 0
        shown.append({row["what"]: row for row in json.loads(done.stdout)})
        ledger.recover()
    ledger.close()
    assert "counters" not in shown[0]
    assert (shown[1]["counters"]["state"], shown[1]["counters"]["detail"][:17]) == ("warning", "1 times put right")


def test_the_queue_shows_who_has_most_waiting_and_how_many_more_there_are(tmp_path: Path):
    ledger = open_ledger(new_file(tmp_path / "paperlane.db"))
    ledger.submit_many(
        [
            NewBatch(BatchId(f"b{user}"), UserId(user), [NewTask(TaskId(f"t{user}-{n}"), b"{}") for n in range(user)])
            for user in (1, 2, 3)
        ]
    )
    ledger.close()
    told = "1 more with less waiting; to show all: paperlane queue --users 3"
    some = paperlane("queue", "--users", "2", "--data", tmp_path).stdout
    assert some.startswith("0 of at most 100 running, 6 queued")
    assert told in some
    assert "more with less waiting" not in paperlane("queue", "--users", "3", "--data", tmp_path).stdout
    found = json.loads(paperlane("queue", "--users", "2", "--json", "--data", tmp_path).stdout)
    assert ([lane["user"] for lane in found["lanes"]], found["busy"], found["queued"]) == ([2, 3], 3, 6)


def test_where_nothing_may_start_nobody_is_told_that_the_oldest_waits_no_time(tmp_path: Path):
    ledger = open_ledger(new_file(tmp_path / "paperlane.db"))
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")]))
    ledger.close()
    at = ("--data", tmp_path)
    assert "the oldest waits" in paperlane("queue", *at).stdout
    assert paperlane("queue", "pause", *at).returncode == 0
    told = "1 queued, none of them could start now: paused, put off or handed out"
    assert told in paperlane("queue", *at).stdout
    (row,) = [row for row in json.loads(paperlane("doctor", "--json", *at).stdout) if row["what"] == "queue"]
    assert "1 queued, 0 running, none of them could start now" in row["detail"]


def test_the_doctor_and_the_queue_tell_of_what_no_worker_reads(tmp_path: Path):
    ledger = open_ledger(new_file(tmp_path / "paperlane.db"))
    ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}", version=8)]))
    ledger.register(WorkerId("w"), "database", "here", 1, 2, 7)
    ledger.close()
    done = paperlane("doctor", "--json", "--data", tmp_path)
    (found,) = [row for row in json.loads(done.stdout) if row["what"] == "versions of database"]
    said = (
        "1 task waits for a worker of database that reads payloads of version 8; the newest one that lives reads 7:"
        " upgrade the workers, or start one of a newer Paperlane"
    )
    assert (done.returncode, found["state"], found["detail"]) == (0, "warning", said)
    assert said in paperlane("queue", "--data", tmp_path).stdout
    shown = json.loads(paperlane("queue", "--json", "--data", tmp_path).stdout)
    assert shown["unreadable"] == [{"engine": "database", "tasks": 1, "version": 8, "reads": 7}]


def test_what_is_no_database_is_said_in_one_line(tmp_path: Path):
    (tmp_path / "paperlane.db").write_bytes(bytes(range(256)) * 40)
    for command in (["queue"], ["migrate"], ["serve", "--port", "0"]):
        done = paperlane(*command, "--data", tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "paperlane.db cannot be used: file is not a database. Restore it" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'port = "x', "cannot be read"),
        (b"port = 99999", "The setting port"),
        ("port = 99999".encode("utf-8-sig"), "The setting port"),
        ("port = 8400".encode("utf-16"), "cannot be read: it is no UTF-8. Save it as UTF-8."),
        ("# 端口\nport = 8400".encode("gbk"), "cannot be read: it is no UTF-8. Save it as UTF-8."),
        (None, "cannot be read: Is a directory. Start from another folder"),
        (b'profils = ["technical"]', "There is no setting profils. Did you mean profiles? See"),
        (b"zzzz = 1", "There is no setting zzzz. See"),
        (
            b'model_api_key = "k"',
            "There is no setting model_api_key. A key stands in the environment only, as PAPERLANE_",
        ),
    ],
    ids=str,
)
def test_a_settings_file_that_makes_no_sense_is_said_in_one_line(tmp_path: Path, content: bytes | None, said: str):
    if content is None:
        (tmp_path / "paperlane.toml").mkdir()
    else:
        (tmp_path / "paperlane.toml").write_bytes(content)
    done = paperlane("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert "paperlane.toml" in done.stderr


def test_the_doctor_tells_of_workers_without_slots(tmp_path: Path):
    """The system's limit left them none: what is queued for their engine waits as if there were no worker."""
    with closing(open_ledger(new_file(tmp_path / "paperlane.db"))) as ledger:
        ledger.limit(1)
        ledger.register(WorkerId("other"), "inline", "host", 1, 1)
        ledger.register(WorkerId("worker"), "database", "host", 1, 5)
        ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")]))
    done = paperlane("doctor", "--json", "--data", tmp_path)
    found = {one["what"]: (one["state"], one["detail"]) for one in json.loads(done.stdout)}
    assert found["workers of database"] == ("warning", "1 live with 0 slots")
    assert found["queue"][0] == "warning"


def test_the_doctor_changes_nothing(tmp_path: Path):
    assert paperlane("doctor", cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def strays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that are no settings, beside some that are or that are used in another way."""
    terms = [{"model": "small", "base_url": "http://127.0.0.1:1/v1", "key_env": "PAPERLANE_SMALL_KEY"}]
    monkeypatch.setenv("PAPERLANE_MODELS", json.dumps(terms))
    for name in ("WORKERS", "WORKERZ", "DATA_DIR", "MODEL_BASEURL", "PROFILE", "ZZZ", "BENCH_SLOTS"):
        monkeypatch.setenv(f"PAPERLANE_{name}", "3")
    for name in ("CORPUS", "MODEL_API_KEY", "SMALL_KEY", "DOOR"):
        monkeypatch.setenv(f"PAPERLANE_{name}", str(tmp_path))


@pytest.mark.usefixtures("strays")
def test_what_is_no_setting_is_said_and_stops_nothing(folder: Path):
    done = paperlane("check", "fine.md", "--no-model", cwd=folder)
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "paperlane: There is no setting PAPERLANE_DATA_DIR. Did you mean PAPERLANE_DATA?",
        "paperlane: There is no setting PAPERLANE_MODEL_BASEURL. Did you mean PAPERLANE_MODEL_BASE_URL?",
        "paperlane: There is no setting PAPERLANE_PROFILE. Did you mean PAPERLANE_PROFILES?",
        "paperlane: There is no setting PAPERLANE_WORKERZ. Did you mean PAPERLANE_WORKERS?",
        "paperlane: There is no setting PAPERLANE_ZZZ.",
    ]
    new_file(folder / "paperlane.db")
    done = paperlane("queue", "--data", folder)
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 5)


@pytest.mark.usefixtures("strays")
def test_the_doctor_names_what_is_no_setting(tmp_path: Path):
    done = paperlane("doctor", "--json", "--data", tmp_path)
    (found,) = [row for row in json.loads(done.stdout) if row["what"] == "environment"]
    assert (found["state"], done.stderr) == ("warning", "")
    assert "PAPERLANE_WORKERZ (did you mean PAPERLANE_WORKERS?), PAPERLANE_ZZZ" in found["detail"]
    assert "CORPUS" not in found["detail"]


def test_serve_says_clearly_what_stands_in_its_way(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = paperlane("serve", "--port", port, "--data", tmp_path)
    assert done.returncode == 2
    said = f"Cannot listen on 127.0.0.1:{port}: Address already in use."
    assert done.stderr == f"paperlane: {said} Choose another --port, or a --host that this machine has.\n"


def test_serve_says_that_its_data_folder_cannot_be_used(tmp_path: Path):
    (tmp_path / "blobs").write_text("no folder")
    whys = {"/dev/null/data": "/dev/null/data: Not a directory", tmp_path: f"{tmp_path}/blobs: File exists"}
    for data, why in whys.items():
        done = paperlane("serve", "--port", "0", "--data", data, "--database", f"sqlite:///{tmp_path}/elsewhere/own.db")
        assert done.returncode == 2
        assert done.stderr == f"paperlane: The data folder cannot be used: {why}. Name another one with --data.\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--database", "nonsense"], "'nonsense' is no database URL."),
        (["--database", "oracle://host/name"], "Paperlane cannot keep its ledger in oracle."),
        (["--data", "/dev/null/folder"], "cannot be made"),
    ],
)
def test_a_database_that_cannot_be_used_is_said_in_one_sentence(options: list[str], said: str):
    done = paperlane("migrate", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_newer_database_is_left_alone(tmp_path: Path):
    new_file(tmp_path / "paperlane.db")
    with dbapi2.connect(tmp_path / "paperlane.db") as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.close()
    done = paperlane("user", "list", "--data", tmp_path)
    assert (done.returncode, "newer version" in done.stderr) == (2, True)
    done = paperlane("doctor", "--json", "--data", tmp_path)
    (found,) = [row for row in json.loads(done.stdout) if row["what"] == "database"]
    assert (done.returncode, found["state"]) == (1, "error")
    assert "install the version that wrote it" in found["detail"]


@pytest.mark.parametrize(("name", "value"), [("slots", "many"), ("allowed_origins", "http://x"), ("engine", "steam")])
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, name: str, value: str):
    environment = {**os.environ, f"PAPERLANE_{name.upper()}": value}
    command = [sys.executable, "-m", "paperlane", "doctor", "--data", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_started_by_hand_takes_its_turns(new_service: Callable[..., Service]):
    service = new_service(workers=0)
    client = service.user("ann")
    answer = client.post("batches", files={"files": ("a.md", BAD.encode())}).json()
    command = [sys.executable, "-m", "paperlane", "worker", "--slots", "2", "--data", str(service.data)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as worker:
        task = f"tasks/{answer['tasks'][0]['id']}"
        until(lambda: client.get(task).json()["status"] == "completed")
        worker.terminate()
        assert worker.wait(30) == 0


def test_every_command_explains_itself():
    def walk(command: object) -> None:
        assert command.help, command.name  # type: ignore[attr-defined]
        for parameter in command.params:  # type: ignore[attr-defined]
            assert getattr(parameter, "help", "") or parameter.name == "help", (command.name, parameter.name)  # type: ignore[attr-defined]
        for inside in getattr(command, "commands", {}).values():
            walk(inside)

    walk(get_command(app))


@pytest.mark.parametrize(
    "command", ["check fine.md", "migrate", "doctor", "user list", "queue", "queue dead", "schedule list"]
)
def test_every_command_loads_what_it_needs(folder: Path, command: str):
    """Others here find everything loaded."""
    new_file(folder / "paperlane.db")
    done = started(*command.split(), *(() if "check" in command else ("--data", folder)), cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_line_starts_light():
    assert loaded_by("paperlane.cli", "fastapi", "sqlalchemy", "lxml", "pypdfium2") == "[]"


def loaded_by(module: str, *others: str) -> str:
    script = f"import sys, {module}; print([name for name in {others} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_only_the_service_loads_the_web():
    assert loaded_by("paperlane.assembly, paperlane.checking", "fastapi", "starlette", "uvicorn", "alembic") == "[]"


def test_only_who_keeps_files_in_a_bucket_loads_its_library():
    assert loaded_by("paperlane.assembly, paperlane.serving, paperlane.blobs.s3", "obstore") == "[]"


def test_a_file_is_tested_without_a_ledger():
    assert loaded_by("paperlane.checking, paperlane.work.child", "sqlalchemy", "alembic", "structlog") == "[]"


def test_the_web_process_loads_no_parser():
    assert loaded_by("paperlane.serving", "lxml", "pypdfium2", "markdown_it", "selectolax") == "[]"


HALF = "\udcff"  # how a byte that is no text comes in
BEYOND = "9" * 20  # what no database counts


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["queue", "--users", BEYOND], "Invalid value for '--users'"),
        (["queue", "dead", "--limit", "3000000000"], "Invalid value for '--limit'"),
        (["queue", "dead", "--user", BEYOND], f"There is no user {BEYOND}."),
        (["queue", "retry", "--user", "9" * 5_000], "There is no user 9"),
        (["queue", "dead", "--user", HALF], "There is no user \\udcff."),
        (["queue", "dead", "--code", HALF], "'\\udcff' is no code and no id."),
        (["queue", "dead", "--batch", HALF], "'\\udcff' is no code and no id."),
        (["queue", "discard", "--code", HALF], "'\\udcff' is no code and no id."),
        (["queue", "discard", HALF, "--json"], "'\\udcff' is no code and no id."),
        (["queue", "retry", HALF, "--json"], "'\\udcff' is no code and no id."),
        (["schedule", "list", "--user", HALF], "There is no user \\udcff."),
        (["schedule", "remove", HALF], "There is no such schedule."),
        (["schedule", "remove", ""], "There is no schedule ."),
        (["user", "set", HALF, "--limit", "3"], "There is no user \\udcff."),
        (["user", "add", "zoe", "--group", "x" * 101], "The name of the group is too long."),
        (["user", "set", "ann", "--group", "x" * 101], "The name of the group is too long."),
    ],
)
def test_what_no_database_takes_is_refused_in_one_sentence(anns: Path, arguments: list[str], said: str):
    done = paperlane(*arguments, "--data", anns)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"paperlane: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_a_group_may_be_written_with_bytes_that_are_no_text(tmp_path: Path):
    assert paperlane("user", "add", "ann", "--group", f"x{HALF}", "--data", tmp_path).returncode == 0
    assert paperlane("user", "set", "ann", "--group", f"y{HALF}", "--data", tmp_path).returncode == 0
    (ann,) = json.loads(paperlane("user", "list", "--json", "--data", tmp_path).stdout)
    assert ann["group"] == "y?"
