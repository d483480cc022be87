"""Five recorded loads, and the stage that each asks for; the recordings are of the simulator, and of its real law."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import EVERY_KIND

from paperlane.desk import Desk
from paperlane.errors import BadRequest, NotAllowed
from paperlane.ledger.evidence import Carried
from paperlane.model.tasks import BatchId, Completed, Ended, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.records import samples
from paperlane.records.accounts import Role
from paperlane.rollout.advice import Advice, Look, Recent, Sign, Stage, advise

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
        assert "took more than 10 minutes, the longest" in sign(found, "long_tasks").words

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
        part = Recent(load.since, load.until, load.tasks, share=0.5)
        assert sign(advise(part), "tasks_a_day").figure == 1_200
        assert "tasks_a_day" in shown(advise(part))

    def test_a_day_is_counted_in_whole(self):
        assert sign(advise(made(10, each=60)), "tasks_a_day").figure == 600

    def test_nothing_is_little_to_go_by(self):
        found = advise(Recent(AT, AT + 60))
        assert (found.stage, found.enough, found.days) == (Stage.DATABASE, False, 0.0)
        assert sign(found, "saturation").shows is None

    def test_what_has_not_ended_counts_with_its_age(self):
        task = Carried(TaskId("a"), UserId(1), "database", 1, AT, AT, 0.0, "running", 1, 0.0)
        found = advise(Recent(AT, AT + 700, [task]))
        assert "long_tasks" in shown(found)


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
