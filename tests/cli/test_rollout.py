"""`paperlane rollout`: an engine is rolled out, shown and taken back at the machine."""

import json
from contextlib import closing
from pathlib import Path

from tests.cli.test_commands import paperlane

from paperlane.assembly import open_ledger
from paperlane.clock import SortableIds, SystemClock
from paperlane.model.tasks import BatchId, Completed, Ended, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.rollout.flags import FLAGS
from paperlane.settings import Settings

UNSERVED = (
    "paperlane: No worker of inline is running, so their tasks would wait. Start one first (serve starts its own"
    ' within seconds); or insist with --force ("force": true over HTTP).\n'
)


def engines(data: Path) -> dict[str, str]:
    rows = json.loads(paperlane("user", "list", "--json", "--data", data).stdout)
    return {row["name"]: row["engine"] for row in rows}


def test_an_engine_is_rolled_out_shown_and_taken_back(anns: Path):
    def rollout(*arguments: object) -> str:
        done = paperlane("rollout", *arguments, "--data", anns)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert rollout().startswith("Nothing was rolled out: database carries all tasks")
    assert rollout("set", "inline", 100, "--force") == "inline carries 100 % of the users: 1 user was moved.\n"
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
    assert rollout("rollback") == "Taken back: inline, 100 %; 1 user was moved.\n"
    assert engines(anns) == {"ann": "database"}


def test_going_back_to_an_engine_without_workers_is_done_and_told(anns: Path):
    paperlane("rollout", "set", "inline", 100, "--force", "--data", anns)
    done = paperlane("rollout", "rollback", "--data", anns)
    assert (done.returncode, done.stdout) == (0, "Taken back: inline, 100 %; 1 user was moved.\n")
    told = "paperlane: No worker of database is running, so its users' tasks wait."
    assert done.stderr == f"{told} Start one, or roll out another engine.\n"
    assert engines(anns) == {"ann": "database"}


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
    paperlane("user", "set", "ann", "--engine", "auto", "--data", anns)
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
    assert told == [
        "paperlane: No worker of inline is running, so its users' tasks wait. Start one, or roll out another engine.\n"
    ]
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
    usage = "Write it as 2027-01-31T08:00:00Z, or as how long ago: 90m, 12h, 7d, 2w."
    for arguments, said in (
        (
            ("database", "teleport"),
            "There is no engine 'teleport'. Choose one of database, inline, pool, arq, celery, rq.",
        ),
        (("inline", "inline"), "inline cannot be compared with itself. Name two engines."),
        (("database", "inline", "--since", "lately"), f"'lately' is no time. {usage}"),
        (("database", "inline", "--group", "gone"), "Nobody is in a group 'gone'. See: paperlane user list."),
        (
            ("database", "inline", "-o", missing),
            f"The comparison cannot be written to {missing}: No such file or directory. Name another file with -o.",
        ),
    ):
        done = paperlane("rollout", "compare", *arguments, "--data", anns)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"paperlane: {said}\n")
