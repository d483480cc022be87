"""Which tasks are compared: everybody's, or those of some users by chance, in short reads."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from tests.conftest import EVERY_KIND

from paperlane import assembly
from paperlane.desk import Desk
from paperlane.desk.moments import moment_or_ago
from paperlane.errors import BadRequest, NotAllowed
from paperlane.ledger.schema import lanes, tasks
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.accounts import Account, Role
from paperlane.rollout import rules
from paperlane.rollout.comparison import Verdict
from paperlane.rollout.sampling import Sample, take
from paperlane.settings import Settings

ENGINES = frozenset({"database", "inline"})


@pytest.fixture
def desk(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Desk]:
    settings = Settings(data=tmp_path, database_url=new_database())
    with closing(assembly.open_ledger(settings)) as ledger:
        yield assembly.open_desk(settings, ledger)


def filled(desk: Desk, users: int, each: int = 3, group: str = "") -> list[Account]:
    """Accounts, every other one on `inline`, each with tasks that completed within the last hour."""
    made = [desk.accounts.add_user(None, f"{group}{n}", Role.USER, group, None, None) for n in range(users)]
    now = desk.clock.now()
    rows = [
        {
            "id": f"{group}{one.id}-{n}", "batch_id": "b", "position": n, "user_id": one.id, "state": "completed",
            "priority": 5, "sort_key": now - 3_000, "stage": "cpu", "cost": 1.0, "run_at": 0.0, "fence": 1,
            "attempt": 1, "engine": ("database", "inline")[at % 2], "created_at": now - 1_000 - n,
            "started_at": now - 900, "begun_at": now - 900, "finished_at": now - 800 + n, "seq": 1, "message": "",
            "payload": b"{}",
        }
        for at, one in enumerate(made)
        for n in range(each)
    ]  # fmt: skip
    desk.ledger.write(lambda c: c.execute(insert(tasks), rows) and None)
    return made


def taken(desk: Desk, group: str = "", **more: float) -> Sample:
    now = desk.clock.now()
    in_force = desk.rollout.in_force()
    return take(
        desk.ledger, desk.rollout.users, in_force, ENGINES, now - 3_600, now, group, desk.clock, **more  # type: ignore[arg-type]
    )  # fmt: skip


@EVERY_KIND
def test_everybodys_tasks_are_found_where_they_are_few(desk: Desk):
    filled(desk, 6)
    found = taken(desk)
    assert (len(found.tasks), found.sampled.users, found.sampled.asked, found.sampled.whole) == (18, 6, 6, True)
    assert taken(desk, at_once=7).sampled.whole
    assert {one.task for one in taken(desk, at_once=7).tasks} == {one.task for one in found.tasks}


def test_of_many_some_users_are_asked_whose_order_is_always_the_same(desk: Desk):
    filled(desk, 200)
    some, more = taken(desk, most=60), taken(desk, most=250)
    assert 0 < some.sampled.asked < more.sampled.asked < some.sampled.users
    assert not some.sampled.whole
    assert {one.user for one in some.tasks} < {one.user for one in more.tasks}
    assert taken(desk, most=60) == some
    nobody = taken(desk, seconds=0.0)
    assert (nobody.tasks, nobody.sampled.asked) == ([], 0)


@dataclass
class Slow:
    """A clock that whoever looks at it finds a second later."""

    at: float = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        self.at += 1
        return self.at


def test_limits_are_looked_at_between_users_who_have_many_tasks(desk: Desk):
    filled(desk, 64, each=9)
    found = taken(desk, most=30, at_once=20)
    assert 30 <= len(found.tasks) <= 30 + 20
    assert (found.sampled.asked * 9, found.sampled.cut) == (len(found.tasks), 0)
    now, asked = desk.clock.now(), desk.rollout
    period = (ENGINES, now - 3_600, now, "")
    late = take(desk.ledger, asked.users, asked.in_force(), *period, Slow(), seconds=8, at_once=20)
    assert 0 < late.sampled.asked < 8


def test_of_who_has_very_many_the_latest_are_found_and_that_is_told(desk: Desk):
    filled(desk, 2, each=9)
    found = taken(desk, at_once=4)
    assert (len(found.tasks), found.sampled.cut, found.sampled.whole) == (8, 2, False)
    assert {TaskId(one.task.partition("-")[2]) for one in found.tasks} == {"5", "6", "7", "8"}


def test_only_a_groups_users_are_asked(desk: Desk):
    filled(desk, 4)
    readers = filled(desk, 2, group="readers")
    found = taken(desk, "readers")
    assert ({one.user for one in found.tasks}, found.sampled.users) == ({one.id for one in readers}, 2)


def test_who_was_given_an_engine_by_choice_is_counted(desk: Desk):
    filled(desk, 4)
    (reader,) = filled(desk, 1, group="readers")
    assert taken(desk).chosen == 0
    desk.accounts.change_user(None, reader, engine="inline", force=True)
    assert taken(desk).chosen == 1
    desk.accounts.change_user(None, reader, engine="auto", force=True)
    desk.ledger.write(lambda c: rules.add(c, "inline", 100, "readers", 1.0, UserId(0)))
    assert (taken(desk).chosen, taken(desk, "readers").chosen) == (1, 0)


def test_the_desk_compares_for_who_looks_and_refuses_what_makes_no_sense(desk: Desk):
    users = filled(desk, 40)
    told: list[tuple[str, float]] = []
    found = desk.comparing.compare(None, "database", "inline", resamples=50, told=lambda *one: told.append(one))
    assert (found.a.tasks, found.b.tasks, found.verdict) == (60, 60, Verdict.UNCLEAR)
    assert ({doing for doing, _ in told}, told[-1][1]) == ({"finding tasks", "drawing users"}, 1.0)
    ann = desk.accounts.user(users[0].name)
    with pytest.raises(NotAllowed):
        desk.comparing.compare(ann, "database", "inline")
    for refused, words in (
        (("database", "teleport"), "no engine 'teleport'"),
        (("database", "database"), "with itself"),
        (("database", "inline", "soon"), "no time"),
        (("database", "inline", "1h", "2h"), "ends before it begins"),
        (("database", "inline", "7d", "", "gone"), "Nobody is in a group"),
    ):
        with pytest.raises(BadRequest, match=words):
            desk.comparing.compare(None, *refused)


def test_a_period_longer_than_tasks_are_kept_is_told_to_be_so(desk: Desk):
    filled(desk, 4)
    codes = [one.code for one in desk.comparing.compare(None, "database", "inline", "50w", resamples=9).cautions]
    assert "forgotten" in codes
    assert "forgotten" not in [one.code for one in desk.comparing.compare(None, "database", "inline").cautions]


def test_what_waits_counts_for_the_engine_that_carries_its_user(desk: Desk):
    (one,) = filled(desk, 1, each=1)
    unended = {"state": "ready", "started_at": 0.0, "begun_at": 0.0, "finished_at": 0.0, "engine": "", "attempt": 0}
    desk.ledger.write(lambda c: c.execute(update(tasks).values(**unended)) and None)
    desk.ledger.write(lambda c: c.execute(update(lanes).values(ready=1, engine="inline")) and None)
    (found,) = taken(desk).tasks
    assert (found.user, found.engine, found.outcome) == (one.id, "inline", "queued")


def test_times_are_said_as_moments_or_as_how_long_ago():
    assert moment_or_ago("30s", 10_000.0) == 9_970
    assert moment_or_ago("90m", 10_000.0) == 10_000 - 5_400
    assert moment_or_ago("1.5d", 1e9) == 1e9 - 129_600
    assert moment_or_ago("2w", 1e9) == 1e9 - 1_209_600
    assert moment_or_ago("2027-01-31T08:00:00Z", 0.0) == 1_801_382_400
    assert moment_or_ago("999999999w", 1e9) == moment_or_ago("1066-10-14", 1e9) == 0
    for said in ("7", "7 days", "-7d", "d", ""):
        with pytest.raises(BadRequest, match="is no time") as refused:
            moment_or_ago(said, 0.0)
        assert refused.value.code == "no_time"
        assert refused.value.hint.endswith("or as how long ago: 30s, 90m, 12h, 7d, 2w.")
