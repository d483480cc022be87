"""Guards look by themselves: what is worse is taken back, held or told of, once, and nobody else's rule is touched."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, cast

import pytest
from sqlalchemy import Connection, select
from tests.conftest import EVERY_KIND

from paperlane.assembly import open_guarding
from paperlane.desk import Desk
from paperlane.errors import BadRequest, Conflict, NotFound
from paperlane.ledger.schema import chores, rollouts
from paperlane.model.tasks import BatchId, Completed, Ended, Failed, Fault, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.records.accounts import Role, by_engine
from paperlane.records.audit import entries
from paperlane.rollout import NewRule, RollOut
from paperlane.rollout.guarded import Alarming, Guard, Mode, alarming, mode_of
from paperlane.rollout.guarding import Guarding
from paperlane.rollout.guards import State
from paperlane.rollout.rules import Rule
from paperlane.rollout.wording import said

FAULT = Fault("broken", "It broke.")


@dataclass(slots=True)
class World:
    """Users, a worker of each engine, and a guard that looks whenever it is asked."""

    desk: Desk
    guarding: Guarding
    users: Sequence[UserId] = ()
    ids: Iterator[int] = field(default_factory=count)
    bad: Iterator[float] = field(default_factory=lambda: iter(Random(1).random, 2.0))

    def add(self, users: int) -> None:
        accounts = self.desk.accounts
        self.users = [accounts.add_user(None, f"user{n}", Role.USER, "", None, None).id for n in range(users)]
        for engine in ("database", "inline"):
            self.desk.ledger.register(WorkerId(f"of-{engine}"), engine, "here", 1, 50)

    def roll_out(self, percent: float, guard: Mode | None = None) -> int:
        self.desk.operating.change(None, NewRule("inline", percent, "", guard))
        assert sum(self.desk.rollout.settle()) >= 0
        return max(rule.id for rule in self.desk.rollout.in_force())

    def work(self, fails: float, rounds: int = 10) -> None:
        """Every user brings so many tasks; of those that `inline` carries this share fails."""
        ledger = self.desk.ledger
        for user in self.users:
            tasks = [TaskId(f"t{next(self.ids):08}") for _ in range(rounds)]
            ledger.submit(NewBatch(BatchId(f"b{tasks[0]}"), user, [NewTask(task, b"{}") for task in tasks]))
        ended: dict[str, list[Ended]] = {"database": [], "inline": []}
        goes_on = True
        while goes_on:  # both in turns, or who comes second would wait for the first
            goes_on = False
            for engine, over in ended.items():
                leases = ledger.step(engine, WorkerId(f"of-{engine}"), over, 30)
                bad = [engine == "inline" and next(self.bad) < fails for _ in leases]
                over[:] = [
                    Ended(lease, Failed(FAULT, 0.01) if is_bad else Completed(0.01))
                    for lease, is_bad in zip(leases, bad, strict=True)
                ]
                goes_on = goes_on or bool(leases)

    def look(self) -> int:
        """A look, as if a minute had passed."""

        def due(connection: Connection) -> None:
            connection.execute(chores.update().where(chores.c.name == "guardrails").values(next_at=0))

        self.desk.ledger.write(due)
        return self.guarding.look()

    def guard(self, rule: int) -> Guard:
        return self.desk.operating.rolled_out(None).guards[rule]

    def alarming(self) -> Sequence[Alarming]:
        return self.desk.ledger.read(lambda c: alarming(c, 0.0))

    def audited(self, what: str = "guardrail") -> list[str]:
        found = self.desk.ledger.read(lambda c: entries(c, None, what, "", 100))
        return [one.details.get("did", "") for one in found]


@dataclass(slots=True)
class Around:
    """A roll-out, of which taking back is done by somebody who does something else before."""

    rollout: RollOut
    take_back: Callable[..., Sequence[Rule]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rollout, name)


@pytest.fixture
def world(desk: Desk) -> World:
    return World(desk, open_guarding(desk))


@EVERY_KIND
class TestGuards:
    def test_a_roll_out_that_fails_is_taken_back_and_it_is_written_down_why(self, world: World):
        world.add(60)
        rule = world.roll_out(50)
        world.work(fails=0.0, rounds=2)
        assert world.look() == 0
        world.work(fails=0.3)
        assert world.look() == 1
        assert world.desk.rollout.in_force() == []
        assert world.desk.ledger.read(by_engine)["database"][0] == 60
        (entry,) = world.desk.ledger.read(lambda c: entries(c, None, "guardrail", "", 10))
        assert entry.details["did"] == "taken back"
        assert entry.details["figures"]["measure"] == "failures"
        assert "of inline's tasks" in entry.details["why"]
        undone = world.desk.ledger.read(lambda c: c.execute(select(rollouts).where(rollouts.c.id == rule)).one())
        assert undone.undone_at > 0
        assert world.look() == 0
        queue = world.desk.ledger.queue()
        assert (queue.queued, queue.running) == (0, 0)

    def test_an_engine_as_good_as_the_other_stays(self, world: World):
        world.add(60)
        rule = world.roll_out(50)
        world.work(fails=0.0)
        assert world.look() == 0
        guard = world.guard(rule)
        assert (guard.mode, guard.state) == (Mode.ACT, State.WATCHES)
        assert said("inline", guard).startswith("Not found worse: of inline's tasks")
        assert world.audited() == []

    def test_too_little_is_said_with_how_much_is_missing(self, world: World):
        world.add(8)
        rule = world.roll_out(50)
        world.work(fails=1.0)
        assert world.look() == 0
        guard = world.guard(rule)
        assert guard.state is State.TOO_LITTLE
        assert "users (10 are needed) and" in said("inline", guard)
        assert world.desk.rollout.in_force()

    def test_held_is_what_may_not_grow_until_somebody_knows(self, world: World):
        world.add(60)
        rule = world.roll_out(50, Mode.STOP)
        world.work(fails=0.4)
        assert world.look() == 1
        assert world.look() == 0
        assert world.guard(rule).state is State.HELD
        assert world.audited() == ["held"]
        with pytest.raises(Conflict) as refused:
            world.roll_out(60)
        assert refused.value.code == "rollout_held"
        fewer = world.roll_out(20)  # fewer may always be
        assert (world.guard(fewer).mode, world.guard(fewer).state) == (Mode.STOP, State.HELD)
        assert [one.rule.id for one in world.alarming()] == [fewer]
        with pytest.raises(Conflict, match="holds inline"):
            world.roll_out(30)
        (known,) = world.desk.operating.acknowledge(None, fewer)
        assert known.id == fewer
        assert world.alarming() == []
        assert world.desk.operating.acknowledge(None, fewer) == []
        world.desk.operating.roll_back(None)
        assert world.guard(rule).state is State.ACKNOWLEDGED
        world.roll_out(60)
        with pytest.raises(Conflict, match="No guardrail"):
            world.desk.operating.acknowledge(None)
        with pytest.raises(NotFound):
            world.desk.operating.acknowledge(None, 99)

    def test_who_only_tells_changes_nothing_and_tells_once(self, world: World):
        world.add(60)
        rule = world.roll_out(50, Mode.TELL)
        world.work(fails=0.4)
        assert (world.look(), world.look()) == (1, 0)
        assert world.guard(rule).state is State.WORSE
        assert world.audited() == ["told"]
        world.roll_out(50, Mode.ACT)  # the same rule with another guard: it acts on what was found
        assert world.guard(rule).mode is Mode.ACT
        assert world.look() == 1
        assert world.desk.rollout.in_force() == []
        assert world.audited() == ["taken back", "told"]

    @pytest.mark.parametrize("steps", [(10, 50), (50, 10), (50, 25, 50)])
    def test_what_is_taken_back_is_all_that_the_engine_was_given_before_too(self, world: World, steps: Sequence[int]):
        world.add(120)
        world.desk.operating.roll_out(None, "rq", 1, force=True)
        for percent in steps:
            world.roll_out(percent, Mode.ACT if percent == steps[-1] else Mode.OFF)
        world.work(fails=0.9)
        assert world.look() == 1
        assert [rule.engine for rule in world.desk.rollout.in_force()] == ["rq"]
        assert world.desk.ledger.read(by_engine).get("inline", (0,))[0] == 0
        assert len(world.alarming()) == len(steps)

    @pytest.mark.parametrize("does", ["acknowledges", "tells"])
    def test_who_says_so_while_a_guard_looks_keeps_the_rule(self, world: World, does: str):
        world.add(60)
        rule = world.roll_out(50, Mode.TELL)
        world.work(fails=0.4)
        assert world.look() == 1
        world.roll_out(50, Mode.ACT)
        hold = world.desk.rollout.take_back

        def meanwhile(*arguments: Any) -> Sequence[Rule]:
            if does == "acknowledges":
                world.desk.operating.acknowledge(None, rule)
            else:
                world.roll_out(50, Mode.TELL)
            return hold(*arguments)

        world.guarding.rollout = cast(RollOut, Around(world.desk.rollout, meanwhile))
        world.look()
        assert [one.id for one in world.desk.rollout.in_force()] == [rule]
        assert world.guard(rule).state is (State.ACKNOWLEDGED if does == "acknowledges" else State.WORSE)

    def test_a_look_that_overlapped_does_not_take_back_what_was_found(self, world: World):
        world.add(60)
        rule = world.roll_out(50, Mode.STOP)
        world.work(fails=0.0, rounds=2)
        slow, kinds = World(world.desk, open_guarding(world.desk)), world.guarding.kinds

        def meanwhile(connection: Connection, tasks: Sequence[TaskId]) -> Mapping[TaskId, str]:
            slow.guarding.kinds = kinds
            world.work(fails=0.4)
            assert world.look() == 1
            return kinds(connection, tasks)

        slow.guarding.kinds = meanwhile
        assert slow.look() == 0
        assert world.guard(rule).state is State.HELD

    def test_a_newer_rule_is_not_undone_for_an_older_one(self, world: World):
        world.add(60)
        older = world.roll_out(50)
        world.work(fails=0.4)
        world.desk.operating.roll_out(None, "rq", 1, force=True)
        assert world.look() == 1
        assert world.guard(older).state is State.HELD
        assert [rule.engine for rule in world.desk.rollout.in_force()] == ["rq", "inline"]
        world.desk.operating.roll_back(None)
        assert world.look() == 1
        assert world.desk.rollout.in_force() == []

    def test_everybody_and_nobody_leave_nothing_to_compare(self, world: World):
        world.add(20)
        for percent, state in ((100, State.NO_CONTROL), (0, State.NOBODY)):
            rule = world.roll_out(percent)
            world.look()
            assert world.guard(rule).state is state
        rule = world.roll_out(50, Mode.OFF)
        world.look()
        assert world.guard(rule).state is State.OFF

    def test_one_process_looks_in_a_minute_and_another_one_goes_on(self, world: World):
        world.add(60)
        world.roll_out(50)
        world.work(fails=0.0, rounds=2)
        assert world.look() == 0
        world.work(fails=0.4)
        another = World(world.desk, open_guarding(world.desk))
        assert another.guarding.look() == 0  # a minute has not passed
        assert another.look() == 1


def test_what_is_no_mode_is_refused():
    assert mode_of(" STOP ") is Mode.STOP
    with pytest.raises(BadRequest, match="cannot be 'maybe'"):
        mode_of("maybe")
