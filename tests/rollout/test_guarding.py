"""Guards look by themselves: what is worse is taken back, held or told of, once, and nobody else's rule is touched."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, select
from tests.conftest import EVERY_KIND

from paperlane import serving
from paperlane.assembly import open_guarding
from paperlane.clock import SystemClock
from paperlane.desk import Desk
from paperlane.errors import BadRequest, Conflict, NotFound, Unavailable
from paperlane.ledger import Kept
from paperlane.ledger.evidence import Carried, Found, of_users
from paperlane.ledger.schema import chores, rollouts
from paperlane.model.tasks import BatchId, Completed, Ended, Failed, Fault, NewBatch, NewTask, TaskId, UserId, WorkerId
from paperlane.records import portable
from paperlane.records.accounts import Role, by_engine
from paperlane.records.audit import entries
from paperlane.rollout import NewRule, guarded, guarding, rules
from paperlane.rollout.guarded import Alarming, Guard, Mode, alarming, mode_of
from paperlane.rollout.guarding import Guarding
from paperlane.rollout.guards import DAY, Evidence, State
from paperlane.rollout.rules import Rule
from paperlane.rollout.wording import said
from paperlane.threads import Threads

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

    def join(self, group: str, user: UserId) -> None:
        accounts = self.desk.accounts
        accounts.change_user(None, accounts.user(f"user{self.users.index(user)}"), group=group)

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
        ended: list[tuple[str, list[Ended]]] = [("database", []), ("inline", [])]
        goes_on = True
        while goes_on:
            goes_on = False
            for engine, over in ended:
                leases = ledger.step(engine, WorkerId(f"of-{engine}"), over, 30)
                bad = [engine == "inline" and next(self.bad) < fails for _ in leases]
                over[:] = [
                    Ended(lease, Failed(FAULT, 0.01) if is_bad else Completed(0.01))
                    for lease, is_bad in zip(leases, bad, strict=True)
                ]
                goes_on = goes_on or bool(leases)
            ended.reverse()  # both in turns are first, or one would always wait for the other

    def due(self) -> None:
        """As if a minute had passed."""

        def due(connection: Connection) -> None:
            connection.execute(chores.update().where(chores.c.name == "guardrails").values(next_at=0))

        self.desk.ledger.write(due)

    def look(self) -> int:
        """A look, as if a minute had passed."""
        self.due()
        return self.guarding.look()

    def about_to_judge(self, rule: int) -> Iterator[int]:
        """A look, as if a minute had passed, that has read all about a rule and is to judge it next."""
        self.due()
        steps = self.guarding.looking()
        while (known := self.guarding._watched.get(rule)) is None or not (known.going_on and known.going_on.is_over):
            next(steps)
        return steps

    def guard(self, rule: int) -> Guard:
        return self.desk.operating.rolled_out(None).guards[rule]

    def alarming(self) -> Sequence[Alarming]:
        return self.desk.ledger.read(lambda c: alarming(c, 0.0))

    def audited(self, what: str = "guardrail") -> list[str]:
        found = self.desk.ledger.read(lambda c: entries(c, None, what, "", 100))
        return [one.details.get("did", "") for one in found]


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

    @pytest.mark.parametrize("steps", [(10, 50), (50, 25), (50, 25, 50)])
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

    @pytest.mark.parametrize(("does", "did"), [("tells", ["told"]), ("switches off", []), ("knows", ["told"])])
    def test_who_says_so_while_a_guard_looks_keeps_the_rule(self, world: World, does: str, did: Sequence[str]):
        world.add(60)
        rule = world.roll_out(50, Mode.TELL if does == "knows" else Mode.ACT)
        world.work(fails=0.4)
        steps = world.about_to_judge(rule)
        if does == "knows":
            assert World(world.desk, open_guarding(world.desk)).look() == 1
            world.desk.operating.acknowledge(None, rule)
            world.roll_out(50, Mode.ACT)  # of what comes from now on
        else:
            world.roll_out(50, Mode.TELL if does == "tells" else Mode.OFF)
        assert sum(steps) == (does == "tells")
        assert [one.id for one in world.desk.rollout.in_force()] == [rule]
        assert world.audited() == did

    @pytest.mark.parametrize(
        ("mode", "state", "did"), [(Mode.STOP, State.HELD, "held"), (Mode.TELL, State.WORSE, "told")]
    )
    def test_what_is_found_is_said_of_the_rule_that_replaced_it_meanwhile(
        self, world: World, mode: Mode, state: State, did: str
    ):
        world.add(60)
        older = world.roll_out(50, mode)
        world.work(fails=0.4)
        steps = world.about_to_judge(older)
        newer = world.roll_out(60)
        assert sum(steps) == 1
        assert world.guard(newer).state is state
        assert [one.rule.id for one in world.alarming()] == [newer]
        assert world.audited() == [did]
        assert world.desk.ledger.read(lambda c: guarded.standing(c, [older]))[older].state not in guarded.FOUND_WORSE
        assert world.look() == 0

    def test_what_is_found_takes_the_rule_back_that_replaced_it_meanwhile(self, world: World):
        world.add(60)
        older = world.roll_out(50)
        world.work(fails=0.4)
        steps = world.about_to_judge(older)
        newer = world.roll_out(60)
        assert sum(steps) == 1
        assert world.desk.rollout.in_force() == []
        assert world.desk.ledger.read(by_engine)["database"][0] == 60
        (entry,) = world.desk.ledger.read(lambda c: entries(c, None, "guardrail", "", 10))
        assert (entry.details["rule"], entry.details["rules"]) == (newer, [newer, older])

    def test_one_that_replaced_it_is_held_where_another_engines_is_the_newest(self, world: World):
        world.add(60)
        older = world.roll_out(50)
        world.work(fails=0.4)
        steps = world.about_to_judge(older)
        newer = world.roll_out(60)
        world.desk.operating.roll_out(None, "rq", 1, force=True)
        assert sum(steps) == 1
        assert [rule.engine for rule in world.desk.rollout.in_force()] == ["rq", "inline"]
        assert world.guard(newer).state is State.HELD
        with pytest.raises(Conflict, match="holds inline at 60 %"):
            world.roll_out(70)

    @pytest.mark.parametrize("does", ["takes it back", "gives it nobody"])
    def test_where_nobody_is_left_on_it_nothing_is_to_be_done(self, world: World, does: str):
        world.add(60)
        rule = world.roll_out(50, Mode.STOP)
        world.work(fails=0.4)
        steps = world.about_to_judge(rule)
        if does == "takes it back":
            world.desk.operating.roll_back(None)
        else:
            world.roll_out(0)
        assert sum(steps) == 0
        assert (world.audited(), world.alarming()) == ([], [])

    def test_a_rule_of_nobody_holds_nothing_and_alarms_nobody(self, world: World):
        world.add(60)
        held = world.roll_out(50, Mode.STOP)
        world.work(fails=0.4)
        assert world.look() == 1
        none = world.roll_out(0)
        assert (world.guard(none).mode, world.guard(none).state) == (Mode.STOP, State.WAITS)
        assert world.alarming() == []
        with pytest.raises(Conflict, match="No guardrail"):
            world.desk.operating.acknowledge(None)
        assert world.look() == 0
        assert world.guard(none).state is State.NOBODY
        found = world.desk.ledger.read(lambda c: guarded.standing(c, [held]))[held]
        assert found.state is State.HELD  # for whoever takes the newer one back
        world.desk.ledger.write(lambda c: guarded.keep(c, none, State.HELD, found.judgement, 5.0))  # as it once was
        assert world.alarming() == []
        assert world.look() == 0
        assert world.guard(world.roll_out(10)).state is State.WAITS

    @pytest.mark.parametrize("mode", [*Mode])
    def test_a_new_rule_has_the_guard_of_the_one_that_it_replaces(self, world: World, mode: Mode):
        world.add(20)
        world.join("readers", world.users[0])
        world.roll_out(10, mode)
        assert world.guard(world.roll_out(20)).mode is mode
        world.desk.operating.change(None, NewRule("inline", 30, "readers"))
        assert {guard.mode for guard in world.desk.operating.rolled_out(None).guards.values()} == {mode, Mode.ACT}

    def test_what_somebody_knows_stays_known_as_it_grows(self, world: World):
        world.add(60)
        rule = world.roll_out(50, Mode.TELL)
        world.work(fails=0.4)
        assert world.look() == 1
        world.desk.operating.acknowledge(None, rule)
        wider = world.guard(world.roll_out(60))
        assert (wider.mode, wider.state) == (Mode.TELL, State.ACKNOWLEDGED)
        assert said("inline", wider).startswith("Somebody knows, and nobody guards it any more. Of inline's tasks")
        world.work(fails=0.4)
        assert world.look() == 0
        assert world.guard(world.roll_out(70, Mode.STOP)).state is State.WAITS

    @pytest.mark.parametrize(("modes", "did"), [([Mode.STOP], "held"), ([Mode.OFF, Mode.ACT], "taken back")])
    def test_what_somebody_knows_is_guarded_anew_by_what_comes_then(
        self, world: World, modes: Sequence[Mode], did: str
    ):
        world.add(60)
        rule = world.roll_out(50, Mode.STOP)
        world.work(fails=0.4)
        assert world.look() == 1
        world.desk.operating.acknowledge(None, rule)
        for mode in modes:
            assert world.desk.operating.guard(None, rule, mode)
        assert (world.guard(rule).mode, world.guard(rule).state) == (modes[-1], State.WAITS)
        assert not world.desk.operating.guard(None, rule, modes[-1])
        assert world.look() == 0
        assert world.guard(rule).state is State.TOO_LITTLE
        another = World(world.desk, open_guarding(world.desk))
        assert another.look() == 0  # nor does it know of more
        assert world.guard(rule).state is State.TOO_LITTLE
        world.work(fails=0.4)
        assert world.look() == 1
        assert world.audited() == [did, "held"]

    def test_the_guard_of_an_older_rule_is_changed_alone(self, world: World):
        world.add(20)
        world.join("readers", world.users[0])
        first, older = world.roll_out(40), world.roll_out(50)
        world.desk.operating.change(None, NewRule("database", 100, "readers"))
        before = world.desk.rollout.in_force()
        assert world.desk.operating.guard(None, older, Mode.STOP)
        assert not world.desk.operating.guard(None, older, Mode.STOP)
        assert world.desk.rollout.in_force() == before
        assert world.guard(older).mode is Mode.STOP
        (entry,) = world.desk.ledger.read(lambda c: entries(c, None, "guard changed", "", 10))
        assert entry.details == {"rule": older, "engine": "inline", "group": "", "guard": "stop"}
        for gone in (first, 99):
            with pytest.raises(NotFound):
                world.desk.operating.guard(None, gone, Mode.OFF)

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
        world.desk.operating.roll_back(None, force=True)
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

    def test_a_rule_that_was_hidden_counts_only_since_it_holds_again(self, world: World):
        """Else who is moved by it would count with all they had, and who was moved only meanwhile with a part."""
        world.add(60)
        world.work(fails=0.0, rounds=2)
        older = world.roll_out(40, Mode.TELL)
        world.roll_out(70, Mode.OFF)
        world.work(fails=1.0, rounds=5)
        world.desk.operating.roll_back(None)
        assert sum(world.desk.rollout.settle()) > 0
        world.work(fails=0.0, rounds=3)
        assert world.look() == 0
        judgement = world.guard(older).judgement
        assert judgement is not None
        assert judgement.tasks == (judgement.users[0] * 3, judgement.users[1] * 3)
        assert sum(judgement.users) == 60
        past = world.guarding._watched[older].evidence._past.columns["wait"].users
        assert {len(past), *(mine.count for mine in past.values())} == {60, 2}  # of before anybody was moved

    def test_another_engine_that_had_its_users_for_a_while_hid_it_too(self, world: World):
        world.add(60)
        older = world.roll_out(50, Mode.TELL)
        world.work(fails=0.0, rounds=2)
        world.desk.operating.roll_out(None, "rq", 20, force=True)
        assert sum(world.desk.rollout.settle()) > 0
        assert world.look() == 0
        world.desk.operating.roll_back(None)
        assert sum(world.desk.rollout.settle()) > 0
        world.work(fails=0.0, rounds=3)
        assert world.look() == 0
        judgement = world.guard(older).judgement
        assert judgement is not None
        assert (sum(judgement.users), sum(judgement.tasks)) == (60, 60 * 3)

    def test_what_brings_users_to_a_side_of_a_rule_begins_it_anew(self, world: World):
        ledger, nobody = world.desk.ledger, UserId(0)

        def add(at: float, engine: str, percent: float, group: str) -> int:
            return ledger.write(lambda c: rules.add(c, engine, percent, group, at, nobody))

        def since() -> list[float]:
            of = {rule.id: rule for rule in world.desk.rollout.in_force()}
            return [ledger.read(lambda c, one=one: rules.held_since(c, of[one], "database")) for one in (readers, all_)]

        add(5.0, "arq", 100, "")
        readers, all_ = add(10.0, "inline", 50, "readers"), add(11.0, "inline", 40, "")
        assert since() == [10.0, 11.0]
        add(15.0, "rq", 100, "writers")  # people are taken away, of all
        assert since() == [10.0, 11.0]
        ledger.write(lambda c: rules.undo(c, nobody, 16.0))
        assert since() == [10.0, 16.0]
        add(20.0, "rq", 5, "readers")
        add(21.0, "rq", 4, "readers")
        assert since() == [21.0, 21.0]
        add(30.0, "database", 0, "")  # nobody comes by it
        assert since() == [21.0, 21.0]
        ledger.write(lambda c: rules.undo(c, nobody, 31.0))
        assert since() == [21.0, 21.0]
        add(40.0, "database", 30, "writers")
        assert since() == [21.0, 40.0]
        add(50.0, "arq", 30, "")  # less than before both
        assert since() == [50.0, 50.0]

    def test_a_rule_that_gave_its_users_back_for_a_while_begins_anew(self, world: World):
        ledger, nobody = world.desk.ledger, UserId(0)
        for at, percent in ((10.0, 50), (20.0, 0)):
            ledger.write(lambda c, at=at, percent=percent: rules.add(c, "inline", percent, "", at, nobody))
        ledger.write(lambda c: rules.undo(c, nobody, 30.0))
        (rule,) = world.desk.rollout.in_force()
        assert ledger.read(lambda c: rules.held_since(c, rule, "database")) == 30.0

    @pytest.mark.parametrize("cut", [False, True])
    def test_a_clock_that_was_a_day_ahead_for_a_look_blinds_nobody(self, world: World, *, cut: bool):
        world.add(60)
        rule = world.roll_out(50)
        world.work(fails=0.0, rounds=2)
        right = world.guarding.now
        world.guarding.now = lambda connection: right(connection) + DAY
        if cut:
            world.about_to_judge(rule)
        else:
            assert world.look() == 0
        world.guarding.now = right
        world.work(fails=0.4)
        assert world.look() == 1

    def test_a_rule_that_such_a_clock_dated_is_judged_by_what_comes_after_the_first_look(self, world: World):
        world.add(60)
        world.roll_out(50)
        world.desk.ledger.write(lambda c: c.execute(rollouts.update().values(set_at=rollouts.c.set_at + DAY)))
        assert world.look() == 0
        world.work(fails=0.4)
        assert world.look() == 1

    def test_rules_and_guards_are_dated_by_the_database_as_tasks_are(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        world.add(10)
        monkeypatch.setattr(SystemClock, "now", lambda _: 5.0)
        rule = world.roll_out(50)
        now = world.desk.ledger.read(portable.now)
        times = [*(one.at for one in world.desk.rollout.in_force()), world.guard(rule).changed_at]
        assert [abs(now - at) < DAY for at in times] == [True, True]
        assert world.desk.operating.guard(None, rule, Mode.OFF)
        world.desk.operating.roll_back(None)
        undone = world.desk.ledger.read(lambda c: c.execute(select(rollouts.c.undone_at)).scalar_one())
        assert abs(now - undone) < DAY

    def test_a_part_that_goes_back_to_the_control_is_judged_by_what_it_gets_there(self, world: World):
        """What they had on the new engine would count for the old one, and hide how bad the new one is, or blame it."""
        world.add(60)
        older = world.roll_out(50, Mode.TELL)
        world.work(fails=1.0, rounds=2)
        world.desk.operating.roll_out(None, "database", 30, force=True)
        assert sum(world.desk.rollout.settle()) > 0
        world.work(fails=0.0, rounds=3)
        assert world.look() == 0
        judgement = world.guard(older).judgement
        assert judgement is not None
        assert (sum(judgement.users), sum(judgement.tasks)) == (60, 60 * 3)

    def test_who_changes_sides_by_another_group_counts_on_neither(self, world: World):
        world.add(60)
        world.join("readers", world.users[0])
        rule = world.roll_out(50, Mode.TELL)
        world.desk.operating.roll_out(None, "database", 100, "readers")
        assert sum(world.desk.rollout.settle()) >= 0
        world.work(fails=0.0, rounds=3)
        assert world.look() == 0
        watched = world.guarding._watched[rule]
        assert len(watched.sides.of) == 60
        world.join("readers", next(user for user, moved in watched.sides.of.items() if moved))
        watched.sided_at -= 3_600.0
        assert world.look() == 0
        judgement = world.guard(rule).judgement
        assert judgement is not None
        assert (sum(judgement.users), sum(judgement.tasks)) == (59, 59 * 3)

    @pytest.mark.parametrize("fault", ["cannot be asked", "has much to read"])
    def test_a_rule_that_is_not_judged_stops_no_other(self, world: World, monkeypatch: pytest.MonkeyPatch, fault: str):
        world.add(60)
        world.join("readers", world.users[0])
        world.desk.operating.change(None, NewRule("inline", 50, "readers", Mode.TELL))
        (older,) = [rule.id for rule in world.desk.rollout.in_force()]
        newest = world.roll_out(50, Mode.TELL)  # its turn is first
        world.work(fails=0.0, rounds=3)
        held_since = rules.held_since

        def broken(connection: Connection, rule: Rule, control: str) -> float:
            if rule.id == newest:
                raise Unavailable("The database is away.")
            return held_since(connection, rule, control)

        if fault == "cannot be asked":
            monkeypatch.setattr(rules, "held_since", broken)
            with pytest.raises(Unavailable):
                world.look()
        else:
            time = count()
            monkeypatch.setattr(guarding, "_SOME", 5)
            world.guarding.ticks, world.guarding.seconds = (lambda: float(next(time))), 20.0
            assert world.look() == 0
        assert world.guard(newest).looked_at == 0
        assert world.guard(older).looked_at > 0


@dataclass(slots=True)
class Asked:
    """What a guard asked for of whose tasks: the pages that were answered whole, and with how many tasks."""

    pages: list[tuple[float, Sequence[UserId], int]] = field(default_factory=list)
    questions: int = 0
    fails_at: int = 0

    def of_users(self, connection: Connection, users: Sequence[UserId], since: float, *more: float) -> Found:
        self.questions += 1
        if self.questions == self.fails_at:
            raise Unavailable("The database is away.")
        found = of_users(connection, users, since, *more)  # type: ignore[arg-type]
        if not found.cut:
            self.pages.append((since, users, len(found.tasks)))
        return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Of ten users at once."""
    made = Asked()
    monkeypatch.setattr(guarding, "_SOME", 10)
    monkeypatch.setattr(guarding, "of_users", made.of_users)
    return made


@EVERY_KIND
class TestReading:
    @pytest.mark.parametrize(("days", "since"), [(5, {5, 14}), (30, {14})])
    def test_nothing_is_read_of_a_time_of_which_only_failures_are_kept(
        self, world: World, asked: Asked, days: int, since: set[int]
    ):
        """What users were used to is of the 14 days before the rule, and of none of these where it is older."""
        world.add(60)
        rule = world.roll_out(50)
        now = world.desk.ledger.read(portable.now)
        world.desk.ledger.write(lambda c: c.execute(rollouts.update().values(set_at=now - days * DAY)))
        world.guarding.kept = Kept(finished=14 * DAY, failed=365 * DAY)
        world.work(fails=0.0, rounds=2)
        assert world.look() == 0
        world.guarding._watched[rule].sided_at -= 3_600.0
        assert world.look() == 0
        times = {at for at, _, _ in asked.pages}
        assert {round((now - at) / DAY) for at in times} == since
        assert len(times) == len(since)  # though it is later by then, it goes on with what it has

    def test_what_was_read_is_kept_where_a_question_fails(self, world: World, asked: Asked):
        world.add(60)
        rule = world.roll_out(50)
        world.work(fails=0.3)
        asked.fails_at = 10  # six pages of what was before, and three of what came since
        with pytest.raises(Unavailable):
            world.look()
        assert world.guard(rule).state is State.WAITS
        assert world.look() == 1
        assert len(asked.pages) == 12
        assert [sum(tasks for _, _, tasks in some) for some in (asked.pages[:6], asked.pages[6:])] == [0, 600]
        assert sorted(user for _, users, _ in asked.pages[6:] for user in users) == world.users
        (entry,) = world.desk.ledger.read(lambda c: entries(c, None, "guardrail", "", 10))
        assert sum(entry.details["figures"]["tasks"]) == 600

    def test_a_look_ends_when_its_time_is_up_and_the_next_one_goes_on(self, world: World, asked: Asked):
        world.add(60)
        rule = world.roll_out(50, Mode.TELL)
        world.work(fails=0.3)
        seconds = count()  # one passes whenever somebody looks
        world.guarding.ticks, world.guarding.seconds = lambda: float(next(seconds)), 5.5
        looks: list[int] = []
        while not looks or world.guard(rule).state is State.WAITS:
            before = asked.questions
            looks.append(world.look())
            assert 0 < asked.questions - before <= 5
            world.work(fails=0.0, rounds=1)  # what comes after the second look began is for the next time
        assert (looks, len(asked.pages)) == ([0, 0, 1], 12)
        judgement = world.guard(rule).judgement
        assert judgement is not None
        assert sum(judgement.tasks) == 660

    def test_between_two_pages_a_look_may_be_left_for_good(self, world: World, asked: Asked):
        world.add(60)
        world.roll_out(50)
        world.work(fails=0.3)
        world.due()
        steps = world.guarding.looking()
        while len(asked.pages) < 8:
            assert next(steps) == 0
        del steps
        assert world.look() == 1
        assert len(asked.pages) == 12

    def test_a_page_of_users_who_have_many_tasks_is_halved(
        self, world: World, asked: Asked, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(guarding, "_AT_ONCE", 25)
        world.add(60)
        rule = world.roll_out(50, Mode.TELL)
        world.work(fails=0.3)
        told: list[int] = []
        really = Evidence.add

        def note(evidence: Evidence, tasks: Sequence[Carried], *more: Any) -> None:
            told.append(len(tasks))
            really(evidence, tasks, *more)

        monkeypatch.setattr(Evidence, "add", note)
        assert world.look() == 1
        assert (sum(told), max(told) <= 25) == (600, True)
        assert {len(users) for _, users, tasks in asked.pages if tasks} == {2}
        judgement = world.guard(rule).judgement
        assert judgement is not None
        assert sum(judgement.tasks) == 600


async def test_a_look_ends_between_two_pages_when_the_process_is_told_to_stop():
    stop, loop, steps = asyncio.Event(), asyncio.get_running_loop(), list[int]()

    def looking() -> Iterator[int]:
        for step in range(100):
            if step == 3:
                loop.call_soon_threadsafe(stop.set)
            steps.append(step)
            yield 0

    threads = Threads("guards")
    await serving._guard(cast(Guarding, SimpleNamespace(looking=looking)), threads, stop)
    threads.close()
    assert steps == [0, 1, 2, 3]


def test_what_is_no_mode_is_refused():
    assert mode_of(" STOP ") is Mode.STOP
    with pytest.raises(BadRequest, match="cannot be 'maybe'"):
        mode_of("maybe")
