"""Users are moved to a real engine: its guard takes them back where tasks fail there, and else does nothing."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import log

import pytest
from sqlalchemy import func, select
from tests.databases import Databases
from tests.engines.carried import Carried, carried
from tests.engines.house import new_id

from paperlane.assembly import open_desk, open_guarding
from paperlane.desk import Desk
from paperlane.ledger.schema import attempts, tasks
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId
from paperlane.records.accounts import Role, by_engine
from paperlane.records.audit import Entry, entries
from paperlane.rollout import guards, place_of
from paperlane.rollout.comparison import Comparison, Verdict
from paperlane.rollout.guarding import Guarding
from paperlane.rollout.guards import LEAST_USERS, State
from paperlane.rollout.telling import headline, sentence
from paperlane.settings import Settings

ON_EACH = 16  # users at least, where half of all are moved
ONE_IN = 10  # of each user's tasks


@dataclass
class World:
    """Users whose tasks `database` carries, a worker of it and one of ARQ; the guard looks whenever it is asked."""

    house: Carried
    desk: Desk
    guarding: Guarding
    users: list[UserId] = field(default_factory=list)
    names: list[TaskId] = field(default_factory=list)
    bad: set[TaskId] = field(default_factory=set)
    turns: int = 0
    since: float = field(default_factory=time.time)

    def people(self) -> None:
        """So many that enough of them stand on either side of half, and few among the first tenth."""
        places: list[float] = []
        while min(sum(place < 50 for place in places), sum(place >= 50 for place in places)) < ON_EACH:
            account = self.desk.accounts.add_user(None, f"user{len(places)}", Role.USER, "", None, None)
            self.users.append(account.id)
            places.append(place_of(account.id))
        assert 0 < sum(place < 10 for place in places) < LEAST_USERS

    def bring(self, each: int = 4, bad_on: str = "") -> None:
        """Every user brings so many tasks; one in ten of each user's is a bad one for workers of that engine."""
        batches: list[NewBatch] = []
        for at, user in enumerate(self.users):
            new: list[NewTask] = []
            for turn in range(self.turns, self.turns + each):
                is_bad = bool(bad_on) and (at + turn) % ONE_IN == 0
                new.append(NewTask(TaskId(new_id()), json.dumps({"bad on": bad_on} if is_bad else {}).encode()))
                self.bad |= {new[-1].id} if is_bad else set()
            self.names += [task.id for task in new]
            batches.append(NewBatch(BatchId(new_id()), user, new))
        self.turns += each
        self.house.ledger.submit_many(batches)

    def rest(self) -> None:
        """Wait until all tasks have ended."""

        def holds() -> bool:
            queue = self.house.ledger.queue(most=0)
            return queue.queued == queue.running == 0

        self.house.until(holds, "the end of all tasks")

    def work(self, rounds: int, bad_on: str = "") -> None:
        for _ in range(rounds):
            self.bring(bad_on=bad_on)
            self.rest()

    def roll_out(self, percent: float) -> int:
        self.desk.operating.roll_out(None, "arq", percent)
        assert sum(self.desk.rollout.settle()) > 0
        return self.desk.rollout.in_force()[0].id

    def state(self, rule: int) -> State:
        return self.desk.operating.rolled_out(None).guards[rule].state

    def engines(self) -> dict[str, int]:
        """How many users each engine carries."""
        return {engine: users for engine, (users, _) in self.desk.ledger.read(by_engine).items()}

    def compared(self) -> Comparison:
        return self.desk.comparing.compare(None, "database", "arq", str(self.since), resamples=300)

    def acted(self) -> Sequence[Entry]:
        """What the guard has done, as the audit trail tells it."""
        found = self.desk.ledger.read(lambda c: entries(c, None, "guardrail", "", 10))
        return [one for one in found if one.at >= self.since]

    def ended(self) -> dict[TaskId, tuple[str, str]]:
        """Of each task how it ended and where, if it ended once."""
        over = attempts.c.outcome.in_(("completed", "failed"))
        asked = select(tasks.c.id, tasks.c.state, tasks.c.engine).join(attempts, tasks.c.id == attempts.c.task_id)
        asked = (
            asked.where(over, tasks.c.created_at >= self.since)
            .group_by(tasks.c.id, tasks.c.state, tasks.c.engine)
            .having(func.count() == 1)
        )
        return {row.id: (row.state, row.engine) for row in self.desk.ledger.read(lambda c: c.execute(asked).all())}


@pytest.fixture(scope="module")
def world_of_all(all_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rolled_out")
    with carried("arq", all_databases, folder) as house:
        desk = open_desk(Settings(data=folder, database_url=house.url), house.ledger)
        guarding = open_guarding(desk)
        guarding.every = 0.0
        made = World(house, desk, guarding)
        made.people()
        house.start(8)
        house.workers()
        with house.another("database"):
            yield made


@pytest.fixture
def world(world_of_all: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """How long tasks take, while other tests use this machine, is no matter of these: only what fails is judged."""
    margins = {name: terms.margin if name == "failures" else log(1e6) for name, terms in guards.MEASURES.items()}
    bears = {name: replace(terms, margin=margins[name]) for name, terms in guards.MEASURES.items()}
    monkeypatch.setattr(guards, "MEASURES", bears)
    all_of_them = world_of_all
    yield World(all_of_them.house, all_of_them.desk, all_of_them.guarding, all_of_them.users)
    while all_of_them.desk.rollout.in_force():
        all_of_them.desk.operating.roll_back(None)
    for _ in all_of_them.desk.rollout.settle():
        pass
    assert all_of_them.engines() == {"database": len(all_of_them.users)}


def test_where_tasks_fail_it_is_taken_back_and_told_why_and_no_task_is_lost(world: World):
    world.work(2, bad_on="arq")
    world.roll_out(50)
    assert world.engines().keys() == {"arq", "database"}
    world.work(5, bad_on="arq")
    world.bring(bad_on="arq")  # these wait and run while it is taken back
    assert world.guarding.look() == 1
    assert world.desk.rollout.in_force() == []
    assert world.engines() == {"database": len(world.users)}
    world.rest()
    before = len(world.names)
    world.work(1, bad_on="arq")

    (entry,) = world.acted()
    assert (entry.details["did"], entry.details["figures"]["measure"]) == ("taken back", "failures")
    assert entry.details["why"].startswith("of arq's tasks ")
    ended = world.ended()
    assert ended.keys() == set(world.names)
    failed = {task for task, (state, _) in ended.items() if state == "failed"}
    assert failed == {task for task in world.bad if ended[task][1] == "arq"}
    assert {ended[task] for task in world.names[before:]} == {("completed", "database")}

    found = world.compared()
    failures = next(one for one in found.measures if one.name == "failures")
    assert (found.verdict, failures.verdict) == (Verdict.WORSE, Verdict.WORSE)
    assert "failures" in headline(found)
    assert sentence(failures, "database", "arq").startswith(
        "Failures: tasks of arq fail more often than those of database"
    )


def test_where_none_fails_it_goes_on_to_the_end_and_no_more_is_said_than_the_sample_shows(world: World):
    world.work(1)
    few = world.roll_out(10)
    world.work(3)
    assert world.guarding.look() == 0
    assert world.state(few) is State.TOO_LITTLE
    found = world.compared()
    assert found.verdict is Verdict.TOO_SMALL
    assert headline(found) == "The sample is too small to say how arq does beside database."

    half = world.roll_out(50)
    world.work(5)
    assert world.guarding.look() == 0
    assert world.state(half) is State.WATCHES

    everybody = world.roll_out(100)
    world.work(1)
    assert world.guarding.look() == 0
    assert world.state(everybody) is State.NO_CONTROL
    assert world.engines() == {"arq": len(world.users)}
    assert world.acted() == []
    ended = world.ended()
    assert ended.keys() == set(world.names)
    assert {state for state, _ in ended.values()} == {"completed"}

    found = world.compared()
    failures = next(one for one in found.measures if one.name == "failures")
    assert failures.verdict is Verdict.UNCLEAR
    told = sentence(failures, "database", "arq")
    assert told.startswith("Failures: no difference was found")
    assert told.endswith("would have been found four times in five, less is left open.")
