"""Flags say what is in use, over all rules; and whatever is switched or rolled out and back, no task is lost."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import select, update
from tests.conftest import EVERY_KIND, until
from tests.ledger.conftest import new_batch
from tests.ledger.invariants import check_invariants
from tests.rollout.test_rollout import engine, engines, made, set_out

from paperlane import assembly, rollout, serving
from paperlane.desk import Desk
from paperlane.engines.inline import Inline
from paperlane.errors import BadRequest, Conflict
from paperlane.ledger.schema import tasks
from paperlane.model.tasks import Completed, Ended, Fault, Lease, Retry, UserId, WorkerId
from paperlane.records.accounts import terms
from paperlane.records.schema import audit
from paperlane.rollout import RollOut, engines_to_come, flags
from paperlane.rollout.flags import DATABASE_QUEUE, FLAGS, USER_SEMAPHORE, WORKER_POOL
from paperlane.rollout.guarded import Mode
from paperlane.settings import Settings
from paperlane.threads import Threads
from paperlane.work.supervisor import Crew


def switch(desk: Desk, flag: str, *, on: bool) -> int:
    desk.operating.change(None, to={flag: on}, force=True)
    return sum(desk.rollout.settle())


def limit(desk: Desk, user: UserId) -> int:
    found = desk.ledger.read(lambda connection: terms(connection, user))
    assert found is not None
    return found.limit


@EVERY_KIND
class TestSwitching:
    def test_all_are_on_until_they_are_switched(self, desk: Desk):
        assert {name: flag.on for name, flag in desk.rollout.flags().items()} == dict.fromkeys(FLAGS, True)
        assert not desk.rollout.is_unsettled()

    def test_without_the_queue_everybody_is_inline_and_with_it_where_rules_say(self, desk: Desk):
        first, second = made(desk, 6), made(desk, 2, "readers")
        desk.accounts.change_user(None, first[0], engine="celery", force=True)
        set_out(desk, "arq", 40)
        set_out(desk, "rq", 100, "readers")
        before = engines(desk)
        assert {"celery", "rq"} <= set(before.values())
        assert switch(desk, DATABASE_QUEUE, on=False) == 8
        assert set(engines(desk).values()) == {"inline"}
        assert switch(desk, DATABASE_QUEUE, on=True) == 8
        assert engines(desk) == before
        assert len(second) == 2

    def test_what_changes_meanwhile_holds_once_the_queue_is_used_again(self, desk: Desk):
        (old,) = made(desk, 1)
        switch(desk, DATABASE_QUEUE, on=False)
        (new,) = made(desk, 1)
        desk.accounts.change_user(None, old, engine="celery", force=True)
        desk.accounts.change_user(None, new, group="readers")
        assert set_out(desk, "rq", 100, "readers") == 0
        assert set(engines(desk).values()) == {"inline"}
        assert desk.ledger.read(lambda c: engines_to_come(c, "database")) == {"inline"}
        switch(desk, DATABASE_QUEUE, on=True)
        assert (engine(desk, old), engine(desk, new)) == ("celery", "rq")
        assert desk.ledger.read(lambda c: engines_to_come(c, "database")) == {"database", "rq"}

    def test_a_rule_and_flags_are_set_together_or_not_at_all(self, desk: Desk):
        made(desk, 2)
        rule = rollout.NewRule("arq", 100)
        with pytest.raises(BadRequest, match="no flag"):
            desk.operating.change(None, rule, {WORKER_POOL: False, "use_magic": True}, force=True)
        assert desk.rollout.in_force() == []
        assert desk.rollout.uses(WORKER_POOL)
        changed = desk.operating.change(None, rule, {WORKER_POOL: False, USER_SEMAPHORE: True}, force=True)
        assert (changed.rule, changed.flags) == (replace(rule, guard=Mode.ACT), {WORKER_POOL: False})
        assert not desk.rollout.uses(WORKER_POOL)

    def test_a_flag_that_is_switched_twice_is_switched_once_and_written_down_once(self, desk: Desk):
        (admin,) = made(desk, 1)
        for on in (False, False, True, True):
            changed = desk.operating.change(admin, to={"use-worker-pool": on})
            assert changed.flags in ({WORKER_POOL: on}, {})
        asked = select(audit.c.user_id, audit.c.details).where(audit.c.what == "flag switched").order_by(audit.c.id)
        rows = desk.ledger.read(lambda connection: connection.execute(asked).all())
        assert [row.user_id for row in rows] == [admin.id] * 2
        assert ['"on": true' in row.details for row in rows] == [False, True]
        assert desk.rollout.flags()[WORKER_POOL].by == admin.id

    def test_what_makes_no_sense_is_refused(self, desk: Desk):
        with pytest.raises(BadRequest, match="There is no flag 'magic'") as refused:
            desk.operating.change(None, to={"magic": True})
        assert refused.value.code == "unknown_flag"
        assert all(name in refused.value.hint for name in FLAGS)
        with pytest.raises(BadRequest, match="Nothing was named"):
            desk.operating.change(None)

    def test_nobody_is_given_to_an_engine_that_no_worker_serves(self, desk: Desk):
        made(desk, 1)
        with pytest.raises(Conflict, match="No worker of inline"):
            desk.operating.change(None, to={DATABASE_QUEUE: False})
        desk.ledger.register(WorkerId("i"), "inline", "host", 1, 1)
        desk.operating.change(None, to={DATABASE_QUEUE: False})
        desk.operating.change(None, to={DATABASE_QUEUE: False, WORKER_POOL: False})
        set_out(desk, "arq", 10)
        with pytest.raises(Conflict, match="No worker of arq and database") as refused:
            desk.operating.change(None, to={DATABASE_QUEUE: True})
        assert refused.value.code == "engine_unserved"
        for name in ("arq", "database"):
            desk.ledger.register(WorkerId(name), name, "host", 1, 1)
        desk.operating.change(None, to={DATABASE_QUEUE: True})

    def test_users_limits_come_back_as_they_were(self, desk: Desk):
        accounts = [desk.accounts.user(account.name) for account in made(desk, 5)]
        for number, account in enumerate(accounts, start=1):
            desk.accounts.change_user(None, account, limit=number)
        switch(desk, USER_SEMAPHORE, on=False)
        assert [limit(desk, account.id) for account in accounts] == [1, 2, 3, 4, 5]
        desk.accounts.change_user(None, accounts[0], limit=9)
        (new,) = made(desk, 1)
        desk.ledger.submit(new_batch("b", new.id, 15))
        desk.ledger.register(WorkerId("w"), "database", "host", 1, 20)
        assert len(desk.ledger.step("database", WorkerId("w"), [], 20)) == 15
        switch(desk, USER_SEMAPHORE, on=True)
        assert [limit(desk, account.id) for account in [*accounts, new]] == [9, 2, 3, 4, 5, 10]

    def test_all_pages_of_lanes_are_settled(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 5)
        switch(desk, USER_SEMAPHORE, on=False)
        assert desk.ledger.bound(UserId(0)) == (0, None)
        assert not desk.rollout.is_unsettled()

    def test_what_was_cut_off_is_carried_on(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 5)
        desk.operating.change(None, to={DATABASE_QUEUE: False, USER_SEMAPHORE: False}, force=True)
        assert next(desk.rollout.settle()) == 2  # and then its process dies
        assert desk.rollout.is_unsettled()
        assert sum(desk.rollout.settle()) == 3
        assert not desk.rollout.is_unsettled()
        assert desk.ledger.bound(UserId(0)) == (0, None)

    def test_what_is_switched_while_lanes_are_brought_there_is_settled_too(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 3)
        desk.operating.change(None, to={DATABASE_QUEUE: False}, force=True)
        slow = desk.rollout.settle()
        assert [next(slow), next(slow)] == [2, 1]
        desk.operating.change(None, to={DATABASE_QUEUE: True}, force=True)  # by somebody who dies before a page
        assert sum(slow) == 3
        assert set(engines(desk).values()) == {"database"}

    def test_who_settles_by_an_older_flag_moves_nobody_back(self, desk: Desk, monkeypatch: pytest.MonkeyPatch):
        """Between the pages of a slow one it is switched again, and that is settled."""
        monkeypatch.setattr(rollout, "_PAGE", 2)
        made(desk, 6)
        desk.operating.change(None, to={DATABASE_QUEUE: False}, force=True)
        slow = desk.rollout.settle()
        assert next(slow) == 2
        assert switch(desk, DATABASE_QUEUE, on=True) == 2
        assert sum(slow) == 0
        assert set(engines(desk).values()) == {"database"}
        assert not desk.rollout.is_unsettled()

    def test_workers_that_the_pools_flag_ends_serve_nobody(self, desk: Desk):
        """What counts is the flag as it will be: it may be switched together with what gives users to them."""
        made(desk, 1)
        desk.ledger.register(WorkerId("i"), "inline", "host", 1, 1)
        desk.ledger.register(WorkerId("d"), "database", "host/token", 1, 1)  # one that `serve` started
        desk.operating.change(None, to={DATABASE_QUEUE: False})
        with pytest.raises(Conflict, match="No worker of database"):
            desk.operating.change(None, to={DATABASE_QUEUE: True, WORKER_POOL: False})
        desk.operating.change(None, to={WORKER_POOL: False})
        with pytest.raises(Conflict, match="No worker of database"):
            desk.operating.change(None, to={DATABASE_QUEUE: True})
        desk.operating.change(None, to={DATABASE_QUEUE: True, WORKER_POOL: True})
        assert desk.rollout.uses(DATABASE_QUEUE)


Way = Callable[[Desk], object]

THERE_AND_BACK: dict[str, tuple[str, Way, Way]] = {
    "a rule": (
        "arq",
        lambda desk: desk.operating.roll_out(None, "arq", 100, force=True),
        lambda desk: desk.operating.roll_back(None),
    ),
    "the queue's flag": (
        "inline",
        lambda desk: desk.operating.change(None, to={DATABASE_QUEUE: False}, force=True),
        lambda desk: desk.operating.change(None, to={DATABASE_QUEUE: True}, force=True),
    ),
    "both flags of lanes": (
        "inline",
        lambda desk: desk.operating.change(None, to={DATABASE_QUEUE: False, USER_SEMAPHORE: False}, force=True),
        lambda desk: desk.operating.change(None, to={DATABASE_QUEUE: True, USER_SEMAPHORE: True}, force=True),
    ),
}

TASKS, LIMIT = 16, 8
HERE, THERE = WorkerId("here"), WorkerId("there")


@pytest.fixture
def patient(new_database: Callable[[], str], tmp_path: Path) -> Iterator[Desk]:
    """A desk whose tasks are tried again when the test says so."""
    settings = Settings(data=tmp_path, database_url=new_database(), retry_seconds=600.0)
    with closing(assembly.open_ledger(settings)) as ledger:
        yield assembly.open_desk(settings, ledger)


def come_due(desk: Desk) -> None:
    """The time of the tasks that wait for another try has come."""
    due = update(tasks).where(tasks.c.state == "waiting").values(run_at=1.0)
    desk.ledger.write(lambda connection: connection.execute(due) and None)


def ended(leases: list[Lease]) -> list[Ended]:
    return [Ended(lease, Completed(1.0)) for lease in leases]


@pytest.mark.parametrize("way", list(THERE_AND_BACK))
@EVERY_KIND
def test_there_and_back_with_tasks_under_way_loses_none_and_leaves_nothing_behind(patient: Desk, way: str):
    """Tasks that wait, are handed out, run, or wait for another try, on both engines as it happens."""
    desk, ledger, (other, go, back) = patient, patient.ledger, THERE_AND_BACK[way]
    bounded = way != "both flags of lanes"
    (account,) = made(desk, 1)
    desk.accounts.change_user(None, account, limit=LIMIT)
    lane = desk.ledger.read(lambda connection: terms(connection, account.id))
    for worker, of in ((HERE, "database"), (THERE, other)):
        ledger.register(worker, of, "host", 1, 20)
    ledger.submit(new_batch("b", account.id, TASKS))
    here = list(ledger.step("database", HERE, [], 4))
    ledger.step("database", HERE, [Ended(here.pop(), Retry(Fault("model_busy", "Busy.")))], 0)

    go(desk)
    assert sum(desk.rollout.settle()) == 1
    assert list(ledger.step("database", HERE, [], 10)) == []  # nothing starts there any more
    handed_out = list(ledger.lease(other, 20))
    if bounded:
        assert len(here) + len(handed_out) == LIMIT
    else:
        assert len(handed_out) == TASKS - 4
    there, delivered, lost = handed_out[:2], handed_out[2:4], handed_out[4:]
    for lease in there:
        ledger.begin(lease, THERE)
    states = Counter(str(task.state) for task in ledger.tasks(limit=100))
    waits = {"ready": TASKS - LIMIT - 1} if bounded else {}
    assert states == {"running": 5, "leased": len(handed_out) - 2, "waiting": 1, **waits}

    back(desk)
    assert sum(desk.rollout.settle()) == 1
    assert desk.rollout.in_force() == []
    assert not desk.rollout.is_unsettled()
    assert desk.ledger.read(lambda connection: terms(connection, account.id)) == lane
    assert list(ledger.lease(other, 20)) == []  # nothing new starts there
    for lease in delivered:
        ledger.begin(lease, THERE)  # what was handed over before ends there
    ledger.finish(THERE, ended([*there, *delivered]))
    ledger.hand_back(lost)  # and what was not, moves over
    ledger.finish(HERE, ended(here))
    come_due(desk)

    def all_done() -> bool:
        leases = list(ledger.step("database", HERE, [], 20))
        assert len(leases) <= LIMIT
        ledger.finish(HERE, ended(leases))
        return all(task.state == "completed" for task in ledger.tasks(limit=100))

    until(all_done)
    done = ledger.tasks(limit=100)
    assert len(done) == TASKS
    assert Counter(task.engine for task in done) == {other: 4, "database": TASKS - 4}
    for task in done:
        assert [event.kind for event in ledger.events(task.id)].count("completed") == 1
    check_invariants(ledger)  # type: ignore[arg-type]


def test_the_engine_without_the_queue_is_the_one_that_the_service_runs_itself():
    assert Inline.traits.name == rollout.UNQUEUED
    assert {flags.named(name.upper().replace("_", "-")) for name in FLAGS} == set(FLAGS)


async def test_the_pool_is_ended_between_the_pages_of_a_long_move():
    """Who switches it off need not wait until all users were moved."""
    stop, pages, told = asyncio.Event(), list[int](), list[tuple[int, bool]]()

    def settle() -> Iterator[int]:
        for page in range(4):
            pages.append(page)
            yield 1

    def want(*, wanted: bool) -> None:
        told.append((len(pages), wanted))
        if len(pages) == 4:
            stop.set()

    asked = SimpleNamespace(settle=settle, uses=lambda flag: flag == WORKER_POOL and len(pages) < 2)
    threads = Threads("flags")
    await serving._roll_out(cast(RollOut, asked), threads, cast(Crew, SimpleNamespace(want=want)), stop)
    threads.close()
    assert told == [(0, True), (1, True), (2, False), (3, False), (4, False)]
