"""Several processes at once, each a ledger of its own on one database: nobody is over a limit, nothing counts twice."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, select, update
from tests.conftest import until
from tests.databases import SERVERS, Databases, migrated
from tests.ledger.conftest import new_batch
from tests.ledger.invariants import check_invariants
from tests.ledger.test_contract import BUSY

from paperlane.errors import Conflict, TooMany
from paperlane.ledger import Kept, Rules
from paperlane.ledger.schema import backlog, engines, lanes, tasks
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.schedules import NewSchedule, ScheduleId
from paperlane.model.tallies import once
from paperlane.model.tasks import Completed, Ended, Failed, Lease, Letters, NewTask, TaskId, UserId, WorkerId

MANY = 4


@pytest.fixture(params=["sqlite file", "postgresql", "mariadb"])
def processes(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path
) -> Iterator[Callable[..., list[SqlLedger]]]:
    url = next(databases.urls(request.param, tmp_path))
    migrated(url).close()
    made: list[SqlLedger] = []

    def make(**rules: object) -> list[SqlLedger]:
        made.extend(SqlLedger(connect(url), Rules(**rules)) for _ in range(MANY))  # type: ignore[arg-type]
        return made

    yield make
    check_invariants(made[0])
    for ledger in made:
        ledger.close()


def at_once(ledgers: list[SqlLedger], act: Callable[[int, SqlLedger], object]) -> list[object]:
    ready = Barrier(len(ledgers))

    def run(n: int) -> object:
        ready.wait()
        return act(n, ledgers[n])

    with ThreadPoolExecutor(len(ledgers)) as threads:
        return list(threads.map(run, range(len(ledgers))))


def test_two_that_register_are_not_granted_the_same_slots(processes: Callable[..., list[SqlLedger]]):
    granted = at_once(
        processes(system_limit=10),
        lambda n, ledger: ledger.register(WorkerId(f"w{n}"), "database", "host", n, 4),
    )
    assert sorted(granted) == [0, 2, 4, 4]  # type: ignore[type-var]


def test_two_dispatchers_do_not_fill_the_same_room(processes: Callable[..., list[SqlLedger]]):
    ledgers = processes()
    ledgers[0].register(WorkerId("w"), "pushed", "host", 1, 5)
    for user in range(1, 21):  # or the one lane would keep them apart
        ledgers[0].lane(UserId(user), engine="pushed")
        ledgers[0].submit(new_batch(f"b{user}", user, 1))
    for _ in range(20):
        leases: list[list[Lease]] = at_once(ledgers, lambda _, ledger: list(ledger.lease("pushed", 10)))  # type: ignore[assignment]
        assert sum(map(len, leases)) == 5
        ledgers[0].hand_back([lease for some in leases for lease in some])


def test_who_ends_attempts_does_not_fill_the_room_that_a_dispatcher_fills(processes: Callable[..., list[SqlLedger]]):
    """What all of them end makes room for two, for which they look all at once."""
    ledgers = processes()
    workers = [WorkerId(f"w{n}") for n, _ in enumerate(ledgers)]
    for n, ledger in enumerate(ledgers):
        ledger.register(workers[n], "pushed", "host", 1, 2)
    for user in range(1, 41):
        ledgers[0].lane(UserId(user), engine="pushed")
        ledgers[0].submit(new_batch(f"b{user}", user, 10))
    run = {worker: ledgers[0].lease("pushed", 1) for worker in workers}

    def turn(n: int, ledger: SqlLedger) -> list[Lease]:
        ended = [Ended(lease, Completed(1.0)) for lease in run[workers[n]] if ledger.begin(lease, workers[n])]
        return list(ledger.finish(workers[n], ended, (), "pushed", 3) or ())

    looked = 0
    for _ in range(20):
        new: list[list[Lease]] = at_once(ledgers, turn)  # type: ignore[assignment]
        looked += sum(map(bool, new))
        out = [*itertools.chain(*new), *ledgers[0].lease("pushed", 20)]
        assert len(out) == 2 * len(ledgers)
        ledgers[0].hand_back(out[len(ledgers) :])
        run = {worker: [lease] for worker, lease in zip(workers, out, strict=False)}
    assert looked


@pytest.mark.parametrize("processes", sorted(SERVERS), indirect=True)
def test_outcomes_do_not_wait_for_a_dispatcher(processes: Callable[..., list[SqlLedger]]):
    ledger, other, *_ = processes()
    worker = WorkerId("w")
    ledger.register(worker, "database", "host", 1, 1)
    ledger.submit(new_batch("b", 1, 2))
    (lease,) = ledger.lease("database", 1)
    ledger.begin(lease, worker)
    with other.dialect.writer.begin() as dispatching:
        dispatching.execute(select(engines).where(engines.c.name == "database").with_for_update())
        assert ledger.finish(worker, [Ended(lease, Completed(1.0))], (), "database", 1) is None
        assert ledger.task(lease.task).state.ended
    assert len(ledger.finish(worker, [], (), "database", 1) or ()) == 1


def test_a_backlog_is_not_filled_twice(processes: Callable[..., list[SqlLedger]]):
    def submit(n: int, ledger: SqlLedger) -> bool:
        try:
            ledger.submit(new_batch(f"b{n}", 1, 4))
        except TooMany:
            return False
        return True

    assert sum(map(bool, at_once(processes(user_backlog=10), submit))) == 2


def test_one_key_at_once_is_one_batch(processes: Callable[..., list[SqlLedger]]):
    def submit(n: int, ledger: SqlLedger) -> str:
        return ledger.submit(new_batch(f"b{n}", 1, 3, key="same", content="content"))[0].id

    ledgers = processes()
    assert len(set(at_once(ledgers, submit))) == 1
    assert ledgers[0].queue(UserId(1)).queued == 3


def test_limits_hold_while_all_claim_and_finish(processes: Callable[..., list[SqlLedger]]):
    """Users limited to 2, eight workers' worth of room: each task runs once, and nobody is over the limit."""
    ledgers = processes(user_limit=2)
    for user in range(1, 6):
        ledgers[0].submit(new_batch(f"b{user}", user, 30))
    seen: list[Lease] = []

    def work(n: int, ledger: SqlLedger) -> int:
        worker = WorkerId(f"w{n}")
        ledger.register(worker, "database", "host", n, 10)
        held: list[Lease] = []
        most = 0
        while ledger.runnable("database") or held:
            held = list(ledger.step("database", worker, [Ended(x, Completed(0.01)) for x in held], 10))
            seen.extend(held)
            most = max(most, *(lane.running for lane in ledger.queue().lanes), 0)
        return most

    assert max(at_once(ledgers, work)) <= 2  # type: ignore[type-var]
    assert len(seen) == len({lease.task for lease in seen}) == 150
    assert ledgers[0].queue().queued == 0
    assert [ledger.recover().drifted for ledger in ledgers] == [0] * MANY


def test_sweeps_at_once_take_a_lease_back_once(processes: Callable[..., list[SqlLedger]]):
    ledgers = processes(lease=0.05)
    ledgers[0].submit(new_batch("b", 1, 5))
    ledgers[0].register(WorkerId("w"), "database", "host", 1, 10)
    leases = ledgers[0].step("database", WorkerId("w"), [], 10)
    found = [0]

    def swept() -> bool:
        found[0] += sum(one.expired for one in at_once(ledgers, lambda _, ledger: ledger.recover()))  # type: ignore[attr-defined]
        return found[0] >= len(leases)

    until(swept)
    assert found == [5]
    assert all(len(ledgers[0].attempts(lease.task)) == 1 for lease in leases)


def test_counters_are_put_right_once_by_sweeps_at_once(processes: Callable[..., list[SqlLedger]]):
    ledgers = processes()
    for user in range(1, 9):
        ledgers[0].submit(new_batch(f"b{user}", user, 2))
    ledgers[0].write(lambda connection: connection.execute(update(lanes).values(ready=0, waiting=3)))
    found = at_once(ledgers, lambda _, ledger: ledger.recover().drifted)
    assert sum(found) == ledgers[0].queue().repairs == 8  # type: ignore[arg-type]


def test_what_many_count_at_once_is_all_there(processes: Callable[..., list[SqlLedger]]):
    ledgers = processes()
    names = [f"step{number:02}" for number in range(20)]

    def count(n: int, ledger: SqlLedger) -> None:
        for turn in range(10):
            mine = names[(n + turn) % 7 :: 2]  # some are made by two at once
            ledger.tally({("step_seconds", name): once(1.0) for name in (mine if n % 2 else mine[::-1])})

    at_once(ledgers, count)
    there = ledgers[0].tallies()
    told = Counter(name for n in range(MANY) for turn in range(10) for name in names[(n + turn) % 7 :: 2])
    assert {label: one.count for (_, label), one in there.items()} == told
    assert sum(one.total for one in there.values()) == told.total()


def test_who_waits_hears_of_what_another_process_submits(processes: Callable[..., list[SqlLedger]]):
    one, other, *_ = processes()
    heard: list[str] = []
    stop = other.listen(heard.append)
    before = other.changed()

    def noticed() -> bool:
        return "database" in heard if stop is not None else other.changed() != before

    numbers = iter(range(1_000))
    until(lambda: one.submit(new_batch(f"b{next(numbers)}", 1, 1)) and noticed())
    if stop is not None:
        stop()


@pytest.mark.parametrize("processes", ["postgresql", "mariadb"], indirect=True)
def test_nobody_waits_for_a_lane_that_is_not_its_own(processes: Callable[..., list[SqlLedger]]):
    """Rows are locked one by one: with two users as with many, and with tasks that come due beside."""
    one, other, *_ = processes()
    for user in (1, 2):
        one.submit(new_batch(f"b{user}", user, 2))
        one.submit(new_batch(f"later{user}", user, 1, run_at=time.time() + 0.05))
    other.register(WorkerId("w"), "database", "host", 1, 10)
    with one.dialect.writer.connect() as holding, ThreadPoolExecutor(1) as aside:
        holding.execute(select(lanes).where(lanes.c.user_id == 1).with_for_update())
        holding.execute(select(tasks).where(tasks.c.user_id == 1).with_for_update())
        aside.submit(other.submit, new_batch("more", 2, 1)).result(20)
        found: list[str] = []

        def all_of_two() -> bool:
            found.extend(lease.task for lease in other.step("database", WorkerId("w"), [], 10))
            return len(found) == 4

        aside.submit(until, all_of_two, 20).result(30)
        assert not {task for task in found if task.startswith(("b1", "later1"))}
        holding.rollback()


def test_the_whole_backlog_is_not_filled_twice(processes: Callable[..., list[SqlLedger]]):
    def submit(n: int, ledger: SqlLedger) -> bool:
        try:
            ledger.submit(new_batch(f"b{n}", n + 1, 8))
        except TooMany:
            return False
        return True

    assert sum(map(bool, at_once(processes(system_backlog=10), submit))) == 1


def test_uploads_that_come_together_do_not_pass_the_whole_limit(processes: Callable[..., list[SqlLedger]]):
    """Nine users bring a hundred files each while 390 wait: each of them sees room for itself."""
    ledgers = processes(user_backlog=1_000, system_backlog=1_000)
    ledgers[0].submit(new_batch("first", 100, 390))

    def submit(n: int, ledger: SqlLedger) -> bool:
        try:
            ledger.submit(new_batch(f"b{n}", n + 1, 100))
        except TooMany:
            return False
        return True

    nine = (ledgers * 3)[:9]
    at_once(nine, lambda _, ledger: ledger.write(lambda _: None))  # all of them have a connection
    assert sum(map(bool, at_once(nine, submit))) == 6
    assert ledgers[0].queue().queued == 990


def test_the_whole_limit_is_reached_and_not_passed_whatever_comes(processes: Callable[..., list[SqlLedger]]):
    """Task after task, in four ways at once."""
    ledgers = processes(user_backlog=1_000, system_backlog=200, system_limit=200)
    ledgers[0].register(WorkerId("w"), "database", "host", 1, 200)
    dead: dict[int, Iterator[TaskId]] = {}
    for n in (2, 3):
        ledgers[0].lane(UserId(n), max_running=200)
        ledgers[0].submit(new_batch(f"old{n}", n, 200))
        leases = ledgers[0].step("database", WorkerId("w"), [], 200)
        ledgers[0].finish(WorkerId("w"), [Ended(lease, Failed(BUSY)) for lease in leases])
        dead[n] = iter([lease.task for lease in leases])

    def bring(n: int, ledger: SqlLedger, at: int) -> bool:
        match n:
            case 0:
                ledger.submit(new_batch(f"b{at}", 4, 1))
            case 1:
                ledger.submit_many([new_batch(f"many{at}", n, 1)])
            case 2:
                ledger.retry(next(dead[n]))
            case _:
                return ledger.replay(Letters(ids=[next(dead[n])])).done == 1
        return True

    def bring_all(n: int, ledger: SqlLedger) -> None:
        with suppress(TooMany):
            at = 0
            while bring(n, ledger, at):
                at += 1

    at_once(ledgers, bring_all)
    assert ledgers[0].queue().queued == 200


@pytest.mark.parametrize("processes", ["postgresql", "mariadb"], indirect=True)
def test_who_submits_shares_the_backlog_and_nobody_has_it_alone_meanwhile(
    processes: Callable[..., list[SqlLedger]],
):
    one, other, third, *_ = processes()
    one.submit(new_batch("one", 1, 1))
    other.submit(new_batch("other", 2, 1))
    alone: list[object] = []

    def meanwhile(_: Connection) -> None:
        with third.dialect.writer.connect() as connection:
            alone.extend(connection.execute(select(backlog.c.id).with_for_update(skip_locked=True)).all())
        other.submit(new_batch("beside", 2, 1))

    one.submit(new_batch("two", 1, 1), meanwhile)
    assert alone == []
    assert one.queue().queued == 4


def test_schedules_added_at_once_are_no_more_than_a_user_may_have(processes: Callable[..., list[SqlLedger]]):
    ledgers = processes(user_schedules=2)
    tasks = [NewTask(TaskId(""), b"{}")]

    def add(user: UserId, n: int, ledger: SqlLedger) -> str:
        name = f"{user}-{n}"
        try:
            ledger.add_schedule(NewSchedule(ScheduleId(name), user, name, "0 0 * * *", "UTC", tasks))
        except Conflict as refused:
            return refused.code
        return "added"

    for user in range(1, 11):
        answers = at_once(ledgers, partial(add, UserId(user)))
        assert sorted(map(str, answers)) == ["added"] * 2 + ["too_many_schedules"] * 2


def test_runs_of_retention_at_once_keep_what_is_to_be_kept(processes: Callable[..., list[SqlLedger]]):
    ledgers = processes(key_kept=0.001)
    for n in range(4):
        ledgers[0].submit(new_batch(f"b{n}", 1, 100))
    for task in ledgers[0].tasks(user=UserId(1), limit=1_000):
        ledgers[0].cancel(task.id)
    kept = Kept(finished=0.0, failed=0.0, most=300, steps=0.0)
    at_once(ledgers, lambda _, ledger: ledger.forget(UserId(1), kept))
    assert len(ledgers[0].tasks(user=UserId(1), limit=1_000)) == 300
