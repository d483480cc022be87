"""Five recorded loads, and the stage that each asks for; the recordings are of the simulator, and of its real law."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import EVERY_KIND
from tests.rollout.test_sampling import filled

from paperlane.desk import Desk
from paperlane.errors import BadRequest, NotAllowed
from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import BatchId, Completed, Ended, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.records import samples
from paperlane.records.accounts import Role
from paperlane.rollout.advice import Advice, Look, Recent, Sign, Stage, advise
from paperlane.rollout.comparison import Sampled

LOADS = Path(__file__).parent / "loads"
AT = 1_800_000_000.0


def recorded(name: str) -> Recent:
    """A recording: rows of user, and seconds of acceptance, begin and end; and looks at the queue."""
    told: dict[str, Any] = json.loads((LOADS / f"{name}.json").read_text())
    tasks = [
        Carried(
            TaskId(f"{number:06}"), UserId(user), "database", end - begin, AT + queued, AT + begin, AT + end,
            "completed", 1, end - begin,
        )
        for number, (user, queued, begin, end) in enumerate(told["tasks"])
    ]  # fmt: skip
    looks = [
        Look(AT + at, told["seconds"], {"running": running, "queued": queued, "slots": told["slots"], "cpu": cpu})
        for at, running, queued, cpu in told["looks"]
    ]
    until = AT + told["until"]
    return Recent(AT, until, tasks, looks, frozenset(told["hosts"]), frozenset({"database"}))


def shown(of: Advice) -> set[str]:
    return {sign.name for sign in of.signs if sign.shows}


def sign(of: Advice, name: str) -> Sign:
    return next(one for one in of.signs if one.name == name)


class TestLoads:
    def test_a_calm_one_needs_nothing_more(self):
        found = advise(recorded("calm"))
        assert (found.stage, shown(found), found.enough) == (Stage.DATABASE, set(), True)
        assert found.words == "The database queue fits: no sign asks for more."
        assert found.steps[0].startswith("Nothing.")
        assert sign(found, "concurrent_users").figure == 1

    def test_many_users_ask_for_arq_and_some_minutes_are_little_to_go_by(self):
        found = advise(recorded("many_users"))
        assert found.stage is Stage.ARQ
        assert {"concurrent_users", "concurrent_tasks"} <= shown(found)
        users = sign(found, "concurrent_users").figure
        assert users is not None
        assert 200 < users <= 600
        assert not found.enough
        assert any("rollout set arq 10" in step for step in found.steps)

    def test_long_tasks_ask_for_celery(self):
        found = advise(recorded("long_tasks"))
        assert (found.stage, shown(found)) == (Stage.CELERY, {"long_tasks"})
        assert "held a slot for more than 10 minutes, the longest" in sign(found, "long_tasks").words
        assert found.cautions == []  # Celery carries them

    def test_a_machine_that_is_full_asks_for_another_one(self):
        found = advise(recorded("saturated"))
        assert found.stage is Stage.ARQ
        assert {"saturation", "several_machines"} <= shown(found)
        assert "on another machine" in found.steps[0]

    def test_full_slots_on_an_idle_machine_ask_for_more_of_them(self):
        load = recorded("saturated")
        idle = [Look(one.at, one.seconds, {**one.series, "cpu": 0.2}) for one in load.looks]
        found = advise(Recent(load.since, load.until, load.tasks, idle, load.hosts, load.engines))
        assert found.stage is Stage.DATABASE
        assert "several_machines" not in shown(found)
        assert "more slots" in found.steps[0]

    def test_several_machines_ask_for_a_broker(self):
        found = advise(recorded("several_machines"))
        assert (found.stage, shown(found)) == (Stage.ARQ, {"several_machines"})
        assert sign(found, "several_machines").figure == 3


def made(users: int, each: int = 1, took: float = 60.0, day: float = 86_400.0) -> Recent:
    tasks = [
        Carried(TaskId(f"{n}-{k}"), UserId(n), "database", 1, AT + k, AT + k, AT + k + took, "completed", 1, took)
        for n in range(users)
        for k in range(each)
    ]
    return Recent(AT, AT + day, tasks)


class TestLimits:
    @pytest.mark.parametrize(
        ("users", "stage"), [(50, Stage.DATABASE), (51, Stage.ARQ), (1_000, Stage.ARQ), (1_001, Stage.CELERY)]
    )
    def test_users_and_tasks_at_once(self, users: int, stage: Stage):
        assert advise(made(users)).stage is stage

    def test_tasks_a_day_of_a_part_of_the_users_stand_for_all(self):
        load = made(10, each=60, took=0.5)
        assert "tasks_a_day" not in shown(advise(load))
        told = sign(advise(part_of(load, users=20, asked=10)), "tasks_a_day")
        assert (told.figure, told.at_least, told.about, told.shows) == (600, True, 1_200, True)
        assert told.words == (
            "About 1,200 tasks came in the busiest 24 hours, 1,200 a day in all, by the share of the users who were"
            " asked."
        )

    def test_a_day_is_counted_in_whole(self):
        assert sign(advise(made(10, each=60)), "tasks_a_day").figure == 600

    def test_nothing_is_little_to_go_by(self):
        found = advise(Recent(AT, AT + 60))
        assert (found.stage, found.enough, found.days) == (Stage.DATABASE, False, 0.0)
        assert sign(found, "saturation").shows is None

    def test_what_has_not_ended_counts_with_its_age(self):
        task = Carried(TaskId("a"), UserId(1), "database", 1, AT, AT, 0.0, "running", 1, 700.0)
        found = advise(Recent(AT, AT + 700, [task]))
        assert "long_tasks" in shown(found)


class TestLong:
    def test_time_in_which_a_task_had_given_its_turn_back_is_not_counted(self):
        tasks = [
            Carried(TaskId(f"{n}"), UserId(n), "database", 1, AT, AT, AT + 9_000, "completed", 3, 60.0)
            for n in range(4)
        ]
        tasks.append(Carried(TaskId("open"), UserId(5), "database", 1, AT, AT, 0.0, "running", 2, 60.0))
        found = advise(Recent(AT, AT + 9_000, tasks))
        assert "long_tasks" not in shown(found)
        words = "0 of 5 tasks held a slot for more than 10 minutes, the longest 1.0."
        assert sign(found, "long_tasks").words == words

    @pytest.mark.parametrize(
        ("of", "whose"), [(5, "5 tasks held a slot for longer"), (1, "1 task held a slot for longer")]
    )
    def test_be_they_ever_so_few_they_are_told_where_the_stage_carries_none_for_so_long(self, of: int, whose: str):
        load = made(60, each=20)
        long = [one._replace(seconds=900.0 + n) for n, one in enumerate(load.tasks[:of])]
        found = advise(Recent(load.since, load.until, [*long, *load.tasks[of:]]))
        assert (found.stage, "long_tasks" in shown(found)) == (Stage.ARQ, False)
        (caution,) = found.cautions
        assert caution.code == "too_long"
        assert caution.words.startswith(
            f"{whose} than the 600 s that ARQ carries an attempt, the longest for {899 + of} s"
        )

    def test_the_database_queue_carries_them_as_long_as_they_take(self):
        load = made(10, each=60, took=0.5)
        found = advise(Recent(load.since, load.until, [load.tasks[0]._replace(seconds=900.0), *load.tasks[1:]]))
        assert (found.stage, found.cautions) == (Stage.DATABASE, [])


def part_of(load: Recent, users: int, asked: int, cut: int = 0, looks: Sequence[Look] = ()) -> Recent:
    """The same, if these were the tasks of so many that were asked of so many users."""
    sampled = Sampled(users, asked, cut, whole=asked == users and not cut)
    return Recent(load.since, load.until, load.tasks, looks, sampled=sampled)


class TestSample:
    def test_peaks_of_some_of_the_users_are_at_least_so_high(self):
        found = advise(part_of(made(120), users=480, asked=120))
        users, tasks = sign(found, "concurrent_users"), sign(found, "concurrent_tasks")
        assert (users.figure, users.at_least, users.about, users.shows) == (120, True, 480, None)
        assert (tasks.figure, tasks.at_least, tasks.about, tasks.shows) == (120, True, 480, True)
        assert users.words == (
            "At the peak at least 120 users had something under way at once, about 480 by the share of the users who"
            " were asked."
        )
        assert {one.code: one.words for one in found.cautions} == {
            "sampled": "There is more than is read at once: these are the tasks of 120 of 480 users, chosen by chance.",
            "not_known": "Not known is what all have of users at once (at least 120, about 480 by the share of the"
            " users who were asked; the limit is 200): ask of a shorter time, for which all can be read.",
        }
        assert found.sampled == Sampled(480, 120, 0, whole=False)

    def test_where_the_share_stays_below_the_limit_no_sign_shows(self):
        found = advise(part_of(made(12), users=48, asked=12))
        told = sign(found, "concurrent_users")
        assert (told.figure, told.about, told.shows) == (12, 48, False)
        assert [one.code for one in found.cautions] == ["sampled"]

    def test_perhaps_there_are_more_users_than_the_stage_is_meant_for(self):
        found = advise(part_of(made(300), users=1_500, asked=300))
        assert found.stage is Stage.ARQ
        assert found.cautions[-1].code == "perhaps_celery"
        assert "about 1,500 users at once, more than 1,000" in found.cautions[-1].words
        assert advise(part_of(made(300), users=900, asked=300)).cautions[-1].code == "sampled"

    def test_looks_at_everybody_tell_a_peak_if_they_are_of_nearly_the_whole_time(self):
        load = made(20)
        for seconds, whole in ((80_000.0, True), (40_000.0, False)):
            found = advise(part_of(load, 400, 20, looks=[Look(AT, seconds, {"users": 30.0, "running": 25.0})]))
            users, tasks = sign(found, "concurrent_users"), sign(found, "concurrent_tasks")
            assert (users.figure, users.at_least, users.shows) == (30, not whole, False if whole else None)
            assert (tasks.figure, tasks.about, tasks.shows) == (25, None if whole else 400, False if whole else None)

    def test_of_whom_only_the_latest_tasks_are_known_earlier_ones_may_have_been_more(self):
        found = advise(part_of(made(10, each=60, took=0.5), users=10, asked=10, cut=1))
        day, users, tasks = (sign(found, name) for name in ("tasks_a_day", "concurrent_users", "concurrent_tasks"))
        assert (day.figure, day.at_least, day.about, day.shows) == (600, True, None, None)
        assert day.words == "At least 600 tasks came in the busiest 24 hours, 600 a day in all."
        assert (users.figure, users.at_least, users.shows) == (10, True, False)  # one more at most
        assert (tasks.at_least, tasks.shows) == (True, None)
        assert [one.code for one in found.cautions] == ["cut", "not_known"]
        assert found.cautions[0].words == "Of 1 user with very many tasks only the latest are counted."
        both = sign(advise(part_of(made(10, each=60, took=0.5), users=15, asked=10, cut=2)), "tasks_a_day")
        assert (both.about, both.shows) == (900, None)
        assert both.words.startswith("At least about 900 tasks")

    def test_where_nobody_could_be_asked_in_time_nothing_is_known(self):
        found = advise(part_of(Recent(AT, AT + 86_400), users=500, asked=0))
        assert [sign.shows for sign in found.signs] == [None, None, None, None, None, None, False]


@EVERY_KIND
def test_the_ledger_and_the_samples_are_read(desk: Desk):
    user = desk.accounts.add_user(None, "ann", Role.USER, "", None, None)
    worker = WorkerId("w")
    desk.ledger.register(worker, "database", "one/1", 1, 10)
    desk.ledger.submit(NewBatch(BatchId("b"), user.id, [NewTask(TaskId(f"t{n}"), b"{}") for n in range(3)]))
    leases = desk.ledger.step("database", worker, [], 10)
    desk.ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases[:2]])
    series = {"running": 10, "slots": 10, "queued": 5, "users": 7, "cpu": 0.9}
    now = desk.clock.now()
    desk.ledger.write(lambda connection: samples.add(connection, now - 20, series))
    found = desk.advising.advise(None, "1d")
    assert (found.tasks, found.enough) == (3, False)
    figures = {one.name: one.figure for one in found.signs}
    assert figures["concurrent_users"] == 7
    assert figures["tasks_a_day"] == 3
    assert figures["saturation"] == 1.0
    assert figures["several_machines"] == 1
    with pytest.raises(NotAllowed):
        desk.advising.advise(user)
    with pytest.raises(BadRequest):
        desk.advising.advise(None, "2999-01-01T00:00:00Z")


def test_of_many_users_some_are_asked_and_that_is_told(desk: Desk):
    filled(desk, 200)
    found = desk.advising.advise(None, "1d", most=60)
    assert 0 < found.sampled.asked < found.sampled.users == 200
    assert not found.sampled.whole
    day = next(one for one in found.signs if one.name == "tasks_a_day")
    assert (day.figure, day.about) == (3 * found.sampled.asked, pytest.approx(600))
    assert found.cautions[0].code == "sampled"
    assert desk.advising.advise(None, "1d").sampled == Sampled(200, 200)
