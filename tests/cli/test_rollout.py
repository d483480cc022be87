"""`paperlane rollout`: an engine is rolled out, shown and taken back at the machine."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.test_commands import paperlane

from paperlane.assembly import open_desk, open_ledger
from paperlane.clock import SortableIds, SystemClock
from paperlane.model.tasks import BatchId, Completed, Ended, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.rollout import guarded
from paperlane.rollout.flags import FLAGS
from paperlane.rollout.guards import State
from paperlane.settings import Settings

UNSERVED = (
    "paperlane: No worker of inline is running, so their tasks would wait. Start one first (serve starts its own"
    ' within seconds); or insist with --force ("force": true over HTTP).\n'
)

WAITS = "paperlane: No worker of {} is running, so its users' tasks wait. Start one, or roll out another engine.\n"
NOTHING = "Nothing is rolled out any more: database carries them."


def serve(data: Path, *names: str) -> None:
    """A worker of each engine."""
    with closing(open_ledger(Settings(data=data))) as ledger:
        for name in names:
            ledger.register(WorkerId(name), name, "here", 1, 2)


def engines(data: Path) -> dict[str, str]:
    rows = json.loads(paperlane("user", "list", "--json", "--data", data).stdout)
    return {row["name"]: row["engine"] for row in rows}


def test_an_engine_is_rolled_out_shown_and_taken_back(anns: Path):
    def rollout(*arguments: object) -> str:
        done = paperlane("rollout", *arguments, "--data", anns)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert rollout().startswith("Nothing was rolled out: database carries all tasks")
    done = paperlane("rollout", "set", "inline", 100, "--force", "--data", anns)
    assert (done.returncode, done.stdout) == (0, "inline carries 100 % of the users: 1 user was moved.\n")
    assert done.stderr == WAITS.format("inline")
    assert engines(anns) == {"ann": "inline"}
    assert json.loads(rollout("--json")) == {
        "usual": "database",
        "flags": {"use_database_queue": True, "use_worker_pool": True, "use_user_semaphore": True},
        "rules": [
            {
                "id": 1,
                "engine": "inline",
                "percent": 100.0,
                "group": None,
                "set_at": json.loads(rollout("--json"))["rules"][0]["set_at"],
                "set_by": None,
                "hidden": False,
                "guard": json.loads(rollout("--json"))["rules"][0]["guard"],
            }
        ],
        "engines": [
            {"engine": "database", "users": 0, "of_their_own": 0, "workers": 0},
            {"engine": "inline", "users": 1, "of_their_own": 0, "workers": 0},
        ],
        "unserved": ["inline"],
        "settled": True,
    }
    shown = rollout().splitlines()
    assert shown[0].split() == ["rule", "engine", "percent", "group", "set_at", "set_by", "guard", "state"]
    assert shown[1].split()[:4] == ["1", "inline", "100.0", "everybody"]
    assert shown[1].split()[-2:] == ["act", "waits"]
    assert "inline, 100 %: It will be looked at within a minute, where `paperlane serve` runs." in shown
    assert [line.split() for line in shown[-3:]] == [[name, "yes"] for name in FLAGS]
    with closing(open_ledger(Settings(data=anns))) as ledger:
        ledger.register(WorkerId("w"), "database", "here", 1, 2)
    assert rollout("rollback") == f"Taken back: inline, 100 %; 1 user was moved. {NOTHING}\n"
    assert engines(anns) == {"ann": "database"}


def test_going_back_to_an_engine_without_workers_is_done_and_told(anns: Path):
    paperlane("rollout", "set", "inline", 100, "--force", "--data", anns)
    done = paperlane("rollout", "rollback", "--data", anns)
    assert (done.returncode, done.stdout) == (0, f"Taken back: inline, 100 %; 1 user was moved. {NOTHING}\n")
    assert done.stderr == WAITS.format("database")
    assert engines(anns) == {"ann": "database"}


def test_a_shell_with_another_default_engine_moves_nobody(anns: Path, monkeypatch: pytest.MonkeyPatch):
    settings = Settings(data=anns, engine="pool")
    with closing(open_ledger(settings)) as ledger:
        desk = open_desk(settings, ledger)
        desk.operating.name_usual("pool")  # as `paperlane serve` does when it starts
        assert sum(desk.rollout.settle()) == 1

    def doctors() -> tuple[str, str]:
        rows = {row["what"]: row for row in json.loads(paperlane("doctor", "--json", "--data", anns).stdout)}
        assert "workers of pool" in rows
        assert not {"workers of database", "workers of inline"} & rows.keys()
        return rows["default engine"]["state"], rows["default engine"]["detail"]

    would = "pool; the setting is {} here: paperlane serve, started with it, would move users there"
    assert doctors() == ("ok", would.format("database"))
    monkeypatch.setenv("PAPERLANE_ENGINE", "pool")
    assert doctors() == ("ok", "pool")
    monkeypatch.setenv("PAPERLANE_ENGINE", "inline")
    assert doctors() == ("warning", would.format("inline"))
    shown = paperlane("rollout", "--data", anns).stdout
    assert shown.startswith("Nothing was rolled out: pool carries all tasks")
    paperlane("user", "add", "ben", "--data", anns)
    done = paperlane("rollout", "set", "arq", 0, "--data", anns)
    assert (done.returncode, done.stdout) == (0, "arq carries 0 % of the users: 0 users were moved.\n")
    paperlane("user", "set", "ann", "--group", "readers", "--data", anns)
    assert engines(anns) == {"ann": "pool", "ben": "pool"}


def test_it_is_told_who_carries_whom_after_a_rollback_and_a_whole_engine_goes_at_once(anns: Path):
    serve(anns, "database", "inline", "rq")

    def rollout(*arguments: object) -> str:
        done = paperlane("rollout", *arguments, "--data", anns)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    paperlane("user", "add", "ben", "--group", "readers", "--data", anns)
    for percent in (1, 5, 100):
        rollout("set", "inline", percent)
    assert rollout("rollback") == (
        "Taken back: inline, 100 %; 2 users were moved. inline carries 5 % again by rule 2.\n"
    )
    rollout("set", "inline", 100, "--group", "readers")
    rollout("set", "rq", 3)
    assert rollout("rollback", "inline") == (
        "Taken back: inline, 100 % of readers; inline, 5 %; inline, 1 %; 1 user was moved. rq carries 3 % by rule 5.\n"
    )
    refused = paperlane("rollout", "rollback", "inline", "--data", anns)
    said = "paperlane: There is no roll-out of inline to take back. See: paperlane rollout.\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", said)
    rollout("set", "inline", 100, "--group", "readers")
    rollout("set", "database", 2)
    assert rollout("rollback", "rq") == (
        "Taken back: rq, 3 %; 0 users were moved. database carries 2 % by rule 7, inline carries 100 % of readers by"
        " rule 6.\n"
    )
    rollout("rollback", "database")
    paperlane("rollout", "flag", "use_database_queue", "off", "--data", anns)
    done = paperlane("rollout", "rollback", "--data", anns)
    assert done.stdout == f"Taken back: inline, 100 % of readers; 0 users were moved. {NOTHING}\n"
    assert done.stderr == "paperlane: Their tasks stay on inline: use_database_queue is off.\n"


def test_users_go_back_to_what_a_guardrail_holds_by_force_only(anns: Path):
    serve(anns, "database", "inline")
    for percent in (100, 50):
        paperlane("rollout", "set", "inline", percent, "--data", anns)
        with closing(open_ledger(Settings(data=anns))) as ledger:
            ledger.write(lambda connection: guarded.keep(connection, 1, State.HELD, None, 1.0))
    refused = paperlane("rollout", "rollback", "--data", anns)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "paperlane: That would give users to inline again, which a guardrail holds: it does worse than what it"
        " replaces. Take all of it back: paperlane rollout rollback inline; or insist with --force"
        ' ("force": true over HTTP).\n'
    )
    done = paperlane("rollout", "rollback", "--force", "--data", anns)
    assert done.stdout.endswith("inline carries 100 % again by rule 1.\n")


def test_a_rule_that_a_newer_one_hides_is_told_of_with_how_both_carry_somebody(anns: Path):
    serve(anns, "inline", "rq", "pool", "database")

    def told(engine: str, percent: int, *more: object) -> str:
        done = paperlane("rollout", "set", engine, percent, *more, "--data", anns)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert told("inline", 10) == told("inline", 5, "--group", "") == told("inline", 10) == ""
    assert told("rq", 10) == (
        "paperlane: Rule 3 (inline, 10 %) carries nobody any more: rq takes the same users. To run both side by side,"
        " set inline to 20 and then rq to 10.\n"
    )
    shown = paperlane("rollout", "--data", anns).stdout
    assert "Rule 3 carries nobody: newer ones take the same users." in shown
    assert [rule["hidden"] for rule in json.loads(paperlane("rollout", "--json", "--data", anns).stdout)["rules"]] == [
        False,
        True,
    ]
    assert told("inline", 20) == (
        "paperlane: Rule 4 (rq, 10 %) carries nobody any more: inline takes the same users. To run both side by side,"
        " set rq to 30 and then inline to 20.\n"
    )
    assert told("rq", 10) == ""  # as it was told
    assert told("pool", 90) == (
        "paperlane: Rule 6 (rq, 10 %) carries nobody any more: pool takes the same users. To run both side by side, set"
        " rq to 100 and then pool to 90.\n"
        "paperlane: Rule 5 (inline, 20 %) carries nobody any more: pool takes the same users.\n"
    )
    assert told("database", 95).count("\n") == 1  # the others carry nobody before
    back = paperlane("rollout", "rollback", "--data", anns).stdout
    assert back.endswith("moved. pool carries 90 % by rule 7.\n")  # and no word of those that carry nobody


def test_an_engine_of_ones_own_is_shown_and_given_up(anns: Path):
    refused = paperlane("user", "set", "ann", "--engine", "inline", "--data", anns)
    assert (refused.returncode, refused.stderr) == (2, UNSERVED)
    paperlane("user", "set", "ann", "--engine", "inline", "--force", "--data", anns)
    assert json.loads(paperlane("rollout", "--json", "--data", anns).stdout)["engines"][1] == {
        "engine": "inline",
        "users": 1,
        "of_their_own": 1,
        "workers": 0,
    }
    refused = paperlane("user", "set", "ann", "--engine", "auto", "--data", anns)
    assert (refused.returncode, refused.stderr) == (2, UNSERVED.replace("inline", "database"))
    paperlane("user", "set", "ann", "--engine", "auto", "--force", "--data", anns)
    assert engines(anns) == {"ann": "database"}


def test_what_makes_no_sense_is_said_in_one_sentence(anns: Path):
    for arguments, said in (
        (
            ("set", "teleport", 10),
            "paperlane: There is no engine 'teleport'. Choose one of database, inline, pool, arq, celery, rq.\n",
        ),
        (
            ("set", "inline", 1),
            UNSERVED,
        ),
        (("set", "inline", 101), "paperlane: 101 is no percentage. Give a number from 0 to 100.\n"),
        (
            ("set", "inline", 5, "--group", "gone"),
            "paperlane: Nobody is in a group 'gone'. See: paperlane user list.\n",
        ),
        (
            ("flag", "use_magic", "on"),
            f"paperlane: There is no flag 'use_magic'. Choose one of {', '.join(FLAGS)}.\n",
        ),
        (("flag", "use_worker_pool", "perhaps"), "paperlane: A flag cannot be 'perhaps'. Say on or off.\n"),
        (("flag", "use_database_queue", "off"), UNSERVED),
        (
            ("set", "inline", 5, "--guard", "maybe"),
            "paperlane: A guard cannot be 'maybe'. Choose one of act, stop, tell, off.\n",
        ),
        (("guard", 1, "maybe"), "paperlane: A guard cannot be 'maybe'. Choose one of act, stop, tell, off.\n"),
        (("guard", 1, "off"), "paperlane: There is no such roll-out in force. See: paperlane rollout.\n"),
        (("acknowledge",), "paperlane: No guardrail waits to be acknowledged. See: paperlane rollout.\n"),
        (("rollback",), "paperlane: There is no roll-out to take back. See: paperlane rollout.\n"),
        (("rollback", "arq"), "paperlane: There is no roll-out of arq to take back. See: paperlane rollout.\n"),
    ):
        done = paperlane("rollout", *arguments, "--data", anns)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_the_guard_of_a_rule_is_changed_by_its_number(anns: Path):
    paperlane("rollout", "set", "inline", 50, "--force", "--data", anns)
    paperlane("rollout", "set", "rq", 100, "--force", "--data", anns)
    told = [paperlane("rollout", "guard", 1, mode, "--data", anns) for mode in ("STOP", "stop")]
    assert [(done.returncode, done.stderr) for done in told] == [(0, "")] * 2
    assert [done.stdout for done in told] == [
        "The guard of rule 1 is stop.\n",
        "The guard of rule 1 was stop before.\n",
    ]
    shown = json.loads(paperlane("rollout", "--json", "--data", anns).stdout)["rules"]
    assert [(rule["id"], rule["guard"]["mode"]) for rule in shown] == [(2, "act"), (1, "stop")]


def test_flags_are_switched_and_shown(anns: Path):
    def flag(*arguments: object) -> str:
        done = paperlane("rollout", "flag", *arguments, "--data", anns)
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
        return done.stdout

    told: list[str] = []
    assert flag("use_database_queue", "off", "--force") == "use_database_queue is off: 1 user was moved.\n"
    assert told == [WAITS.format("inline")]
    assert engines(anns) == {"ann": "inline"}
    shown = paperlane("rollout", "--data", anns).stdout.splitlines()
    assert shown[-1] == "All tasks run on inline, whatever was rolled out, until use_database_queue is on."
    assert shown[-5].split() == ["use_database_queue", "no"]
    findings = json.loads(paperlane("doctor", "--json", "--data", anns).stdout)
    (finding,) = [one for one in findings if "flags" in one.values()]
    assert any("off: use_database_queue;" in str(value) for value in finding.values())
    done = paperlane("rollout", "set", "rq", 100, "--force", "--data", anns)
    assert done.stdout == "rq carries 100 % of the users: 0 users were moved.\n"
    assert done.stderr == "paperlane: Their tasks stay on inline: use_database_queue is off.\n"
    assert flag("use-database-queue", "off") == "use_database_queue was off before: 0 users were moved.\n"
    assert flag("use_user_semaphore", "off") == "use_user_semaphore is off: 0 users were moved.\n"
    assert told[1:] == ["", ""]
    found = json.loads(flag("USE-DATABASE-QUEUE", "ON", "--force", "--json"))
    assert found["flags"] == {**dict.fromkeys(FLAGS, True), "use_user_semaphore": False}
    assert found["settled"]
    assert engines(anns) == {"ann": "rq"}


def filled(data: Path) -> None:
    """Tasks of `ann` on one engine and of `ben` on another."""
    paperlane("user", "add", "ben", "--group", "readers", "--data", data)
    paperlane("user", "set", "ben", "--engine", "inline", "--force", "--data", data)
    with closing(open_ledger(Settings(data=data))) as ledger:
        ids = SortableIds(SystemClock())
        for user, engine in ((1, "database"), (2, "inline")):
            worker = WorkerId(f"of-{engine}")
            ledger.register(worker, engine, "here", 1, 10)
            ledger.submit(NewBatch(BatchId(ids()), UserId(user), [NewTask(TaskId(ids()), b"{}") for _ in range(3)]))
            leases = ledger.step(engine, worker, [], 10)
            assert len(leases) == 3
            ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases])


def test_two_engines_are_compared_in_each_form(anns: Path, tmp_path: Path):
    filled(anns)

    def compared(*arguments: object) -> str:
        done = paperlane("rollout", "compare", "database", "inline", *arguments, "--data", anns)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    small = "The sample is too small to say how inline does beside database."
    assert compared().startswith(f"{small}\n")
    assert f"**{small}**" in compared("--format", "md")
    told = json.loads(compared("--format", "json"))
    assert (told["a"]["completed"], told["b"]["completed"], told["verdict"]) == (3, 3, "too_small")
    assert "not_by_chance" in {one["code"] for one in told["cautions"]}
    for same in (("--json",), ("--json", "--format", "json"), ("--json", "--since", "2020-01-31")):
        assert json.loads(compared(*same))["a"] == told["a"]
    page = tmp_path / "found.html"
    assert compared("-o", page) == ""
    assert page.read_text().startswith("<!doctype html>")
    assert small in page.read_text()
    (mine := tmp_path / "mine.txt").touch()
    assert page.stat().st_mode == mine.stat().st_mode  # to be shown to others, unlike what an installation keeps
    assert compared("--format", "text", "-o", page) == ""
    assert page.read_text().startswith(small)
    assert json.loads(compared("--format", "json", "--group", "readers"))["a"]["tasks"] == 0
    assert json.loads(compared("--format", "json", "--since", "2w", "--until", "1d"))["verdict"] == "no_data"


def test_a_comparison_that_makes_no_sense_is_refused_in_one_sentence(anns: Path):
    missing = anns / "no" / "folder"
    usage = "Write it as 2027-01-31T08:00:00Z, or as how long ago: 30s, 90m, 12h, 7d, 2w."
    for arguments, said in (
        (
            ("database", "teleport"),
            "There is no engine 'teleport'. Choose one of database, inline, pool, arq, celery, rq.",
        ),
        (("inline", "inline"), "inline cannot be compared with itself. Name two engines."),
        (("database", "inline", "--since", "lately"), f"'lately' is no time. {usage}"),
        (
            ("database", "inline", "--json", "--format", "md"),
            "--json and --format md say two things. Give one of them.",
        ),
        (("database", "inline", "--group", "gone"), "Nobody is in a group 'gone'. See: paperlane user list."),
        (
            ("database", "inline", "-o", missing),
            f"The comparison cannot be written to {missing}: No such file or directory. Name another file with -o.",
        ),
    ):
        done = paperlane("rollout", "compare", *arguments, "--data", anns)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"paperlane: {said}\n")
