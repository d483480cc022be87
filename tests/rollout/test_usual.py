"""The usual engine is one for all processes: who asks with other settings moves nobody, and a service names it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import select
from tests.conftest import EVERY_KIND
from tests.ledger.conftest import new_batch
from tests.rollout.test_guarding import World
from tests.rollout.test_rollout import engine, engines, made, set_out

from paperlane import assembly, rollout
from paperlane.desk import Desk
from paperlane.errors import Conflict
from paperlane.model.tasks import WorkerId
from paperlane.records.schema import audit
from paperlane.rollout import engines_to_come, place_of, usual
from paperlane.rollout.flags import DATABASE_QUEUE
from paperlane.rollout.guarded import Mode
from paperlane.settings import Settings

Desks = Callable[[str], Desk]


@pytest.fixture
def desks(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Desks]:
    """Makes processes on one database, each with this default engine in its settings."""
    url = new_database()
    with ExitStack() as kept:

        def make(default: str) -> Desk:
            settings = Settings(data=tmp_path, database_url=url, engine=default)  # type: ignore[arg-type]
            ledger = assembly.open_ledger(settings)
            kept.callback(ledger.close)
            return assembly.open_desk(settings, ledger)

        yield make


def start(desk: Desk) -> str | None:
    """What a service does when it starts, by its settings."""
    return desk.operating.name_usual(desk.rollout.otherwise)


def settled(desk: Desk) -> int:
    return sum(desk.rollout.settle())


def written(desk: Desk) -> Sequence[dict[str, str | None]]:
    asked = select(audit.c.details).where(audit.c.what == "default engine").order_by(audit.c.at, audit.c.id)
    return [json.loads(row) for row in desk.ledger.read(lambda connection: connection.scalars(asked).all())]


@EVERY_KIND
class TestNaming:
    def test_until_a_service_has_started_each_goes_by_its_own_settings(self, desks: Desks):
        one, other = desks("pool"), desks("inline")
        assert [engine(desk, made(desk, 1)[0]) for desk in (one, other)] == ["pool", "inline"]
        assert [desk.operating.rolled_out(None).usual for desk in (one, other)] == ["pool", "inline"]
        assert not one.rollout.is_unsettled()

    def test_who_asks_with_other_settings_moves_nobody_by_mistake(self, desks: Desks):
        service, shell = desks("pool"), desks("database")
        accounts = made(service, 12)
        assert start(service) == ""
        assert settled(service) == 0
        moved = sum(place_of(account.id) < 40 for account in accounts)
        assert set_out(shell, "arq", 40) == moved
        accounts += made(shell, 4)
        for account in accounts[:2]:
            shell.accounts.change_user(None, account, engine="rq", force=True)
            shell.accounts.change_user(None, account, engine="auto", force=True)
            shell.accounts.change_user(None, account, group="readers", force=True)
        assert engines(shell) == {one.name: "arq" if place_of(one.id) < 40 else "pool" for one in accounts}
        found = shell.operating.rolled_out(None)
        assert found.usual == "pool"
        assert "database" not in {one.engine for one in found.engines}
        assert shell.ledger.read(lambda c: engines_to_come(c, "database")) == {"arq", "pool"}
        assert shell.operating.roll_back(None)
        settled(shell)
        assert set(engines(shell).values()) == {"pool"}

    def test_who_is_given_back_goes_to_the_engine_that_was_named_and_that_must_be_served(self, desks: Desks):
        service, shell = desks("pool"), desks("database")
        made(service, 1)
        start(service)
        shell.operating.change(None, to={DATABASE_QUEUE: False}, force=True)
        assert settled(shell) == 1
        shell.ledger.register(WorkerId("d"), "database", "host", 1, 1)
        with pytest.raises(Conflict, match="No worker of pool is running"):
            shell.operating.change(None, to={DATABASE_QUEUE: True})

    def test_a_service_that_starts_with_another_one_moves_whom_nothing_else_takes_in(self, desks: Desks):
        before, after = desks("database"), desks("pool")
        start(before)
        accounts = made(before, 12)
        before.accounts.change_user(None, accounts[0], engine="rq", force=True)
        set_out(before, "arq", 40)
        before.ledger.submit(new_batch("b", accounts[1].id, 3))
        assert start(after) == "database"
        assert after.rollout.is_unsettled()
        rest = [one for one in accounts[1:] if place_of(one.id) >= 40]
        assert settled(before) == len(rest)  # who settles need not be who named it
        meant = {one.name: "pool" if one in rest else "arq" for one in accounts} | {accounts[0].name: "rq"}
        assert engines(after) == meant
        queued = {one.name: one.queued for one in after.ledger.queue().engines if one.queued}
        assert queued == {meant[accounts[1].name]: 3}  # what waits moves along
        assert not after.rollout.is_unsettled()
        assert start(after) is None
        assert settled(after) == 0
        assert written(after) == [{"from": None, "to": "database"}, {"from": "database", "to": "pool"}]

    def test_nobody_is_refused_to_start_with_an_engine_that_no_worker_serves(self, desks: Desks):
        service = desks("celery")
        made(desks("database"), 2)
        assert start(service) == ""
        assert settled(service) == 2

    def test_where_all_are_there_already_no_lane_is_gone_through(self, desks: Desks):
        service = desks("database")
        made(service, 2)
        start(service)
        assert not service.rollout.is_unsettled()

    def test_of_two_that_start_at_once_the_last_one_wins_and_each_knows_of_the_one_before(
        self, desks: Desks, monkeypatch: pytest.MonkeyPatch
    ):
        """Else both would say that they took over from the same, and one would write over what it has not seen."""
        first, second = desks("pool"), desks("inline")
        made(first, 2)
        reached, go_on, told = Event(), Event(), dict[str, str | None]()
        really = usual.name

        def name(*arguments: object) -> str | None:
            before = really(*arguments)  # type: ignore[arg-type]
            if not reached.is_set():
                reached.set()
                go_on.wait(20)
            return before

        monkeypatch.setattr(usual, "name", name)
        starting = [Thread(target=lambda d=d: told.update({d.rollout.otherwise: start(d)})) for d in (first, second)]
        starting[0].start()
        assert reached.wait(20)
        starting[1].start()
        starting[1].join(0.3)
        assert starting[1].is_alive()  # it waits for the first one
        go_on.set()
        for thread in starting:
            thread.join(20)
        assert told == {"pool": "", "inline": "pool"}
        assert [(one["from"], one["to"]) for one in written(first)] == [(None, "pool"), ("pool", "inline")]
        assert settled(first) == 2
        assert set(engines(second).values()) == {"inline"}

    def test_two_with_the_same_settings_are_one(self, desks: Desks):
        first, second = desks("pool"), desks("pool")
        made(desks("database"), 2)
        assert [start(first), start(second)] == ["", None]
        assert settled(first) == 2
        assert settled(second) == 0
        assert len(written(first)) == 1

    def test_what_is_named_while_lanes_are_brought_there_is_settled_too(
        self, desks: Desks, monkeypatch: pytest.MonkeyPatch
    ):
        """There and back, between the pages of a slow one: what it did before was for another one."""
        monkeypatch.setattr(rollout, "_PAGE", 2)
        pool, database = desks("pool"), desks("database")
        made(database, 5)
        start(pool)
        slow = pool.rollout.settle()
        assert next(slow) == 2
        start(database)
        assert settled(database) == 2
        start(pool)
        assert sum(slow) == 3 + 2  # its own pages, and the first one again
        assert set(engines(pool).values()) == {"pool"}
        assert not pool.rollout.is_unsettled()

    def test_what_was_cut_off_is_carried_on_by_another_one(self, desks: Desks, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rollout, "_PAGE", 2)
        pool, database = desks("pool"), desks("database")
        made(database, 5)
        start(pool)
        assert next(pool.rollout.settle()) == 2  # and then its process dies
        assert database.rollout.is_unsettled()
        assert settled(database) == 3
        assert not database.rollout.is_unsettled()

    def test_whom_an_older_version_has_moved_by_its_settings_comes_back_at_the_next_start(self, desks: Desks):
        service = desks("pool")
        astray, *_ = made(service, 3)
        start(service)
        assert settled(service) == 0
        service.ledger.lane(astray.id, engine="database")
        assert start(service) is None
        assert settled(service) == 1
        assert set(engines(service).values()) == {"pool"}
        assert len(written(service)) == 1

    def test_without_the_queue_nobody_goes_there_before_it_is_used_again(self, desks: Desks):
        before, after = desks("database"), desks("pool")
        start(before)
        made(before, 3)
        before.operating.change(None, to={DATABASE_QUEUE: False}, force=True)
        assert settled(before) == 3
        assert start(after) == "database"
        assert settled(after) == 0
        assert set(engines(after).values()) == {"inline"}
        after.operating.change(None, to={DATABASE_QUEUE: True}, force=True)
        assert settled(after) == 3
        assert set(engines(after).values()) == {"pool"}

    def test_a_lowered_limit_takes_slots_from_the_others_first(self, desks: Desks):
        """As many as the system allows go to the engine that most users are on, whoever lowers it."""
        service, shell = desks("pool"), desks("database")
        start(service)
        for name in ("database", "pool"):
            shell.ledger.register(WorkerId(name), name, "host", 1, 4)
        shell.operating.limit(None, 1)
        assert {member.engine: member.slots for member in shell.ledger.members()} == {"database": 0, "pool": 1}


@EVERY_KIND
class TestGuard:
    def test_it_compares_with_the_engine_that_was_named_since_it_was(self, desks: Desks):
        """Not with the settings of whoever looks; and what users had before that was named is no part of it."""
        service, shell = desks("database"), desks("pool")
        start(service)
        world = World(shell, assembly.open_guarding(shell))
        world.add(60)
        rule = world.roll_out(50, Mode.TELL)
        world.work(fails=0.0, rounds=2)
        assert world.look() == 0
        judgement = world.guard(rule).judgement
        assert judgement is not None
        assert (judgement.control, sum(judgement.users), sum(judgement.tasks)) == ("database", 60, 120)
        start(desks("rq"))
        start(service)
        settled(service)
        world.work(fails=0.0, rounds=3)
        world.guarding = assembly.open_guarding(shell)
        assert world.look() == 0
        judgement = world.guard(rule).judgement
        assert judgement is not None
        assert (judgement.control, sum(judgement.users), sum(judgement.tasks)) == ("database", 60, 180)
