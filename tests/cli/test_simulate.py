"""`paperlane simulate` prints a table, or JSON, and writes a report; what makes no sense is one sentence."""

import json
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.cli.test_commands import on_terminal, paperlane
from typer.testing import CliRunner

from paperlane.assembly import open_ledger
from paperlane.cli import app
from paperlane.errors import PaperlaneError
from paperlane.model.tasks import BatchId, Completed, Ended, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.rollout import usual
from paperlane.settings import Settings

SMALL = ("--users", "5", "--tasks", "60", "--median", "5")


@pytest.fixture(autouse=True)
def _others_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process here; what they let nobody else read would be so for all tests after them."""
    monkeypatch.setattr("os.umask", lambda _mask: 0)


def simulate(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["simulate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    assert isinstance(done.exception, PaperlaneError), done.output
    return f"{done.exception.message} {done.exception.hint}"


def test_a_described_load_is_simulated_beside_another_setting_and_told_in_every_form(tmp_path: Path):
    page = tmp_path / "next.html"
    shown = simulate(*SMALL, "--what-if", "workers=4,user-limit=20", "-o", page)
    assert "60 tasks of 5 users" in shown
    (head,) = [line for line in shown.splitlines() if "workers=4 user-limit=20" in line][:1]
    assert "as described" in head
    written = page.read_text()
    assert written.count("<svg") == 5
    for drawing in written.split("<svg")[1:]:
        ET.fromstring("<svg" + drawing.partition("</svg>")[0] + "</svg>")
    told = json.loads(simulate(*SMALL, "--what-if", "workers=4 user-limit=20", "--json"))
    here, other = told["settings"]
    assert (here["slots"], other["slots"], other["user_limit"]) == (20, 40, 20)
    assert here["tasks"] == other["tasks"] == 60
    assert other["wait"]["mean"] <= here["wait"]["mean"]


def test_more_workers_bring_no_more_tasks_where_nobody_says_how_often_they_come():
    told = json.loads(simulate("--users", 20, "--tasks", 400, "--heavy", 0, "--what-if", "workers=6", "--json"))
    here, other = told["settings"]
    assert other["seconds"] == pytest.approx(here["seconds"], rel=0.3)
    assert other["slot_hours"] == pytest.approx(here["slot_hours"])


def test_the_same_seed_prints_the_same_figures():
    def figures(*more: object) -> object:
        return json.loads(simulate(*SMALL, "--json", *more))["settings"]

    assert figures() == figures() != figures("--seed", 2)


def test_a_file_describes_the_load_and_options_win(tmp_path: Path):
    file = tmp_path / "load.toml"
    file.write_text("users = 3\ntasks = 30\nmedian = 2\nworkers = 1\n")
    told = json.loads(simulate(file, "--tasks", 20, "--json"))
    assert (told["load"]["users"], told["load"]["tasks"], told["settings"][0]["slots"]) == (3, 20, 10)


def test_slots_that_the_systems_limit_does_not_grant_are_named():
    assert "of 40 slots the system limit grants 25" in simulate(*SMALL, "--slots", 20, "--system-limit", 25)


def test_the_history_of_an_installation_is_simulated(anns: Path):
    with closing(open_ledger(Settings(data=anns))) as ledger:
        worker = WorkerId("w")
        ledger.register(worker, "database", "here", 1, 5)
        tasks = [NewTask(TaskId(f"t{n}"), b"{}", cost=2.0) for n in range(5)]
        ledger.submit(NewBatch(BatchId("b"), UserId(1), tasks))
        leases = ledger.step("database", worker, [], 5)
        ledger.step("database", worker, [Ended(lease, Completed(1.0)) for lease in leases], 0)
    told = json.loads(simulate("--history", "--data", anns, "--what-if", "workers=1", "--json"))
    assert [one["tasks"] for one in told["settings"]] == [5, 5]
    assert told["measured"]["tasks completed"] == 5
    assert "measured" in simulate("--history", "--since", "30s", "--data", anns)
    shown = simulate("--history", "--since", "2020-01-31T08:00:00Z", "--data", anns)
    assert "5 tasks of 1 user, as they came to this ledger since 2020-01-31 08:00 UTC." in shown
    assert "Completed tasks are kept for 90 days: of those that ended before" in shown
    assert not any("are kept" in words for words in told["said"])
    assert "so --users says nothing" in refused("--history", "--users", 3, "--data", anns)
    assert "so --median says nothing" in refused("--history", "--what-if", "median=3", "--data", anns)


def test_the_history_goes_by_the_default_engine_of_the_installation(anns: Path):
    """Not by the settings of whoever asks, where no worker tells which engine there is."""
    with closing(open_ledger(Settings(data=anns))) as ledger:
        ledger.write(lambda connection: usual.name(connection, "rq", 1.0))
        ledger.submit(NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}", cost=2.0)]))
    told = json.loads(simulate("--history", "--data", anns, "--json"))
    assert {crew["engine"] for crew in told["settings"][0]["crews"]} == {"rq"}


def test_another_engine_has_all_workers_and_who_never_begins_is_told(anns: Path):
    with closing(open_ledger(Settings(data=anns))) as ledger:
        ledger.register(WorkerId("w"), "database", "here", 1, 5)
        ledger.register(WorkerId("v"), "arq", "here", 1, 3)
        for user, engine in ((1, "database"), (2, "arq"), (3, "rq")):
            ledger.lane(UserId(user), engine=engine)
            new = [NewTask(TaskId(f"t{user}{n}"), b"{}", cost=2.0) for n in range(2)]
            ledger.submit(NewBatch(BatchId(f"b{user}"), UserId(user), new))
    asked = ("--history", "--data", anns, "--what-if", "engine=celery", "--what-if", "system-limit=1")
    told = json.loads(simulate(*asked, "--json"))
    now, moved, _ = told["settings"]
    assert [(crew["engine"], crew["workers"], crew["slots"]) for crew in now["crews"]] == [
        ("database", 1, 5), ("arq", 1, 3),
    ]  # fmt: skip
    assert [(crew["engine"], crew["workers"], crew["slots"]) for crew in moved["crews"]] == [
        ("celery", 1, 5), ("celery", 1, 3),
    ]  # fmt: skip
    counts = [(one["came"], one["tasks"], one["not_begun"]) for one in told["settings"]]
    assert counts == [(6, 6, 0), (6, 6, 0), (6, 4, 2)]
    assert told["measured"]["tasks not begun"] == 6
    shown = simulate(*asked)
    assert "system-limit=1: 2 tasks had not begun at the end, of 6, as no slot is left for arq." in shown
    assert "No worker serves rq now: database carries its 1 user here." in shown
    assert "6 tasks have not begun yet" in shown
    assert "No worker serves" not in simulate("--history", "--data", anns, "--engine", "arq")


def test_progress_is_told_on_a_terminal_and_nowhere_else(tmp_path: Path):
    asked = ("simulate", "--users", "5", "--tasks", "2500", "--median", "5", "--what-if", "tasks=60")
    code, shown = on_terminal(*asked, cwd=tmp_path)
    assert code == 0
    assert b"tasks simulated" in shown
    assert b"2560/2560" in shown
    piped = paperlane(*asked, cwd=tmp_path)
    assert (piped.returncode, piped.stderr) == (0, "")
    assert "2500 tasks of 5 users" in piped.stdout
    assert "tasks simulated" not in piped.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--workers", 0), "--workers of 0 makes no sense. Give worker processes, from 1 to 100000."),
        (("--what-if", "wokers=3"), "There is no 'wokers'. Did you mean workers?"),
        (("--what-if", "workers"), "'workers' is no word with a value."),
        (("--since", "7d"), "--since says nothing without --history."),
        (("--history", "--since", "soon", "--data", "."), "'soon' is no time. Write it as 2027-01-31T08:00:00Z, or as"),
        (("--like", "x.json", "--users", 3), "The report says what load it was."),
        (("-o", "next.pdf"), "cannot be written as .pdf"),
        (("-o", "nowhere/next.html"), "There is no folder"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(anns: Path, arguments: tuple[object, ...], said: str):
    assert said in refused(*(anns if one == "." else one for one in arguments))


def test_the_share_that_heavy_users_brought_is_told_where_it_is_another_than_asked_for():
    told = json.loads(simulate("--users", 10, "--tasks", 100, "--heavy", 0.3, "--json"))
    (here,) = told["settings"]
    assert abs(here["heavy_came"] / here["came"] - 0.3) > 0.05
    share = f"{here['heavy_came'] / here['came']:.0%}"
    assert any(words.startswith(f"Heavy users brought {share} of the tasks and not 30%") for words in told["said"])
    close = json.loads(simulate("--users", 10, "--tasks", 600, "--heavy-batch", 5, "--heavy", 0.3, "--json"))
    assert not any(words.startswith("Heavy users brought") for words in close["said"])
