"""What makes no sense is refused at every door, at once and with nothing written; outcomes are cut, and never lost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf, isfinite, nan

import pytest
from sqlalchemy import Connection, select, text
from structlog.testing import capture_logs
from tests.ledger.conftest import Bench, new_batch

from paperlane.errors import BadRequest, Misconfigured, NotFound, StaleLease
from paperlane.ledger import Kept, Note, Rules
from paperlane.ledger.schema import lanes, metadata
from paperlane.ledger.sense import LONGEST_MESSAGE
from paperlane.ledger.sql import SqlLedger
from paperlane.model.schedules import NewSchedule, ScheduleId
from paperlane.model.tasks import (
    BatchId,
    Cancelled,
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Fault,
    Lease,
    Letters,
    NewBatch,
    NewTask,
    Outcome,
    Progress,
    Retry,
    State,
    TaskId,
    UserId,
    WorkerId,
    Yielded,
)

DAY = 86_400.0
WORKER = WorkerId("worker")
LONG = "x" * 100_000  # more than MariaDB's longest text
IDS = ("", "x" * 41, "a\0b", "\ud800")
TASK = NewTask(TaskId("t"), b"{}")
SCHEDULE = NewSchedule(ScheduleId("s"), UserId(1), "hourly", "0 * * * *", "UTC", [TASK])
MARK = Progress("parse", 1)

Calls = Iterator[Callable[[], object]]


def batches() -> Iterator[NewBatch]:
    for priority in (-1, 10, 99, 10**30, nan):
        yield new_batch("b", 1, 1, priority=priority)
    for run_at in (nan, inf, -inf, 1e300):
        yield new_batch("b", 1, 1, run_at=run_at)
    for cost in (nan, inf, -1.0, 1e300):
        yield replace(new_batch("b", 1, 1), tasks=[TASK, replace(TASK, id=TaskId("u"), cost=cost)])
    yield replace(new_batch("b", 1, 1), name=LONG)
    yield new_batch("b", 1, 0)


def keys() -> Iterator[NewBatch]:
    for key in ("k" * 201, "a\0b"):
        yield new_batch("b", 1, 1, key=key)


def submitting(ledger: SqlLedger) -> Calls:
    for batch in (*batches(), *keys()):
        yield lambda batch=batch: ledger.submit(batch)


def submitting_many(ledger: SqlLedger) -> Calls:
    for batch in batches():
        yield lambda batch=batch: ledger.submit_many([new_batch("good", 1, 2), batch])


def scheduling(ledger: SqlLedger) -> Calls:
    for priority in (-1, 10):
        yield lambda priority=priority: ledger.add_schedule(replace(SCHEDULE, priority=priority))
        yield lambda priority=priority: ledger.change_schedule(ScheduleId("there"), priority=priority, paused=True)
    for cost in (nan, -1.0, 1e300):
        yield lambda cost=cost: ledger.add_schedule(replace(SCHEDULE, tasks=[TASK, replace(TASK, cost=cost)]))
    for name in ("", "x" * 201, "a\0b"):
        yield lambda name=name: ledger.add_schedule(replace(SCHEDULE, name=name))


def limiting(ledger: SqlLedger) -> Calls:
    for limit in (0, -1, 1_000_001, 10**30):
        yield lambda limit=limit: ledger.limit(limit)
        for user in (UserId(1), UserId(2)):
            yield lambda limit=limit, user=user: ledger.lane(user, max_running=limit)
    for weight in (0.0, -1.0, nan, inf, -inf, 1e-9, 101.0):
        yield lambda weight=weight: ledger.lane(UserId(1), max_running=5, weight=weight)


def handling(ledger: SqlLedger) -> Calls:
    times = (Letters(since=nan), Letters(since=inf), Letters(until=nan), Letters(until=-inf))
    users = (Letters(user=UserId(number)) for number in (0, -1, 2**63, 10**30))
    texts = (
        which
        for text in ("a\0b", "\ud800")
        for which in (Letters(code=text), Letters(batch=BatchId(text)), Letters(ids=[TaskId("t"), TaskId(text)]))
    )
    for which in (*times, *users, *texts):
        for act in (ledger.dead, ledger.causes, ledger.replay, ledger.discard):
            yield lambda act=act, which=which: act(which)


def naming(ledger: SqlLedger) -> Calls:
    """What programs give an id."""
    for name in IDS:
        yield lambda name=name: ledger.submit(replace(new_batch("b", 1, 1), id=BatchId(name)))
        bad = replace(TASK, id=TaskId(name))
        yield lambda bad=bad: ledger.submit_many([NewBatch(BatchId("b"), UserId(1), [TASK, bad])])
        yield lambda name=name: ledger.add_schedule(replace(SCHEDULE, id=ScheduleId(name)))
        yield lambda name=name: ledger.leave(WorkerId(name))
        yield lambda name=name: ledger.lane(UserId(1), engine=name)
        yield lambda name=name: ledger.pause(name, paused=True)
    for user in (UserId(0), UserId(-1), UserId(2**63)):
        yield lambda user=user: ledger.submit(new_batch("b", user, 1))
        yield lambda user=user: ledger.add_schedule(replace(SCHEDULE, user=user))
        yield lambda user=user: ledger.lane(user, max_running=1)
    for version in (0, -1, 2**31):
        yield lambda v=version: ledger.submit(replace(new_batch("b", 1, 1), tasks=[replace(TASK, version=v)]))
        yield lambda v=version: ledger.add_schedule(replace(SCHEDULE, tasks=[replace(TASK, version=v)]))
    yield lambda: ledger.submit(new_batch("b", 1, 1, content="c" * 65))


def working(ledger: SqlLedger) -> Calls:
    entry = {"worker": WorkerId("new"), "engine": "database", "host": "h", "pid": 1, "slots": 1}
    wrong: list[dict[str, object]] = [
        *({"worker": name} for name in IDS),
        *({"engine": name} for name in IDS),
        *({"slots": slots} for slots in (-1, 1_000_001, 10**30)),
        *({"version": version} for version in (0, -1, 2**31)),
    ]
    for one in wrong:
        yield lambda one=one: ledger.register(**{**entry, **one})  # type: ignore[arg-type]
    held = Lease(TaskId("held"), 1)
    for step in ("", "x" * 61, "a\0b"):
        yield lambda step=step: ledger.started(held, WORKER, Progress(step, 1))
        yield lambda step=step: ledger.save(held, WORKER, Checkpoint(step, "k", b""), MARK)
        yield lambda step=step: ledger.save(held, WORKER, Checkpoint("parse", "k", b""), Progress(step, 1))
    for key in ("", "k" * 65, "a\0b"):
        yield lambda key=key: ledger.save(held, WORKER, Checkpoint("parse", key, b""), MARK)
    done = Note(held, MARK, checkpoint=Checkpoint("parse", "k", b""))
    yield lambda: ledger.note(WORKER, [done, done])
    yield lambda: ledger.note(WORKER, [Note(held, MARK, also=lambda _: None)])


def keeping(ledger: SqlLedger) -> Calls:
    for seconds in (nan, inf, 0.0, -1.0, 1e300):
        yield lambda seconds=seconds: ledger.begin_chore("retention", seconds)
    yield lambda: ledger.begin_chore("", 60.0)
    for limit in (-1, 2**31):
        yield lambda limit=limit: ledger.tasks(limit=limit)
        yield lambda limit=limit: ledger.dead(Letters(), limit=limit)
        yield lambda limit=limit: ledger.events(TaskId("held"), limit=limit)
        yield lambda limit=limit: ledger.schedules(limit=limit)


PEOPLE = {door.__name__: door for door in (submitting, submitting_many, scheduling, limiting, handling)}
PROGRAMS = {door.__name__: door for door in (naming, working, keeping)}


@pytest.fixture
def held(bench: Bench) -> Lease:
    """Somebody is at work: a task runs, a schedule waits."""
    bench.ledger.submit(NewBatch(BatchId("held"), UserId(1), [replace(TASK, id=TaskId("held"))]))
    bench.worker()
    bench.ledger.add_schedule(replace(SCHEDULE, id=ScheduleId("there"), name="there"))
    (lease,) = bench.ledger.step("database", WORKER, [], 1)
    return lease


def everything(bench: Bench) -> dict[str, list[str]]:
    """Every row of every table."""

    def read(connection: Connection) -> dict[str, list[str]]:
        return {
            table.name: sorted(str(row) for row in connection.execute(select(table)))
            for table in metadata.tables.values()
        }

    return bench.ledger.read(read)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("door", PEOPLE)
def test_what_people_give_is_refused_with_a_hint(bench: Bench, door: str):
    before = everything(bench)
    for call in PEOPLE[door](bench.ledger):
        with pytest.raises(BadRequest) as refused:
            call()
        assert refused.value.hint
    assert everything(bench) == before


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("door", PROGRAMS)
def test_what_programs_give_is_a_mistake_that_is_told_at_once(bench: Bench, door: str):
    before = everything(bench)
    for call in PROGRAMS[door](bench.ledger):
        with pytest.raises(ValueError, match=r"not |count from 1|too long"):
            call()
    assert everything(bench) == before


def test_a_schedule_that_was_written_down_without_sense_says_so_and_submits_nothing(bench: Bench):
    """As earlier versions did."""
    bench.ledger.add_schedule(SCHEDULE)
    bench.ledger.write(lambda c: c.execute(text("UPDATE schedules SET priority = 99, next_at = 1")) and None)
    fired = bench.ledger.fire(SCHEDULE.id, lambda: "fired")
    assert fired is not None
    assert fired.refusal == Fault("invalid_request", "There is no priority 99.", "Choose 0 to 9; 5 is the usual one.")
    assert bench.ledger.tasks() == []
    bench.ledger.change_schedule(SCHEDULE.id, priority=3)
    numbers = iter(("batch", "task"))
    assert bench.ledger.fire(SCHEDULE.id, lambda: next(numbers)) is not None
    assert [task.priority for task in bench.ledger.tasks()] == [3]


def test_a_batchs_name_may_hold_what_databases_refuse(bench: Bench):
    bench.ledger.submit(replace(new_batch("b", 1, 1), name="a \0 and \ud800"))
    assert bench.ledger.batch(BatchId("b")).name == "a \ufffd and ?"


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_what_no_database_holds_is_not_found(bench: Bench, name: str):
    """PostgreSQL would not even look for it."""
    ledger, task, batch = bench.ledger, TaskId(name), BatchId(name)
    for ask in (ledger.task, ledger.cancel, ledger.retry, ledger.attempts, ledger.events):
        with pytest.raises(NotFound):
            ask(task)
    looks = (lambda: ledger.batch(batch), lambda: ledger.tasks(batch=batch), lambda: ledger.schedule(UserId(1), name))
    for look in (*looks, lambda: ledger.schedules(name=name)):
        with pytest.raises(NotFound):
            look()
    assert ledger.known(UserId(1), name) is None
    for page in (lambda: ledger.tasks(cursor=name), lambda: ledger.schedules(UserId(1), after=name)):
        with pytest.raises(BadRequest, match="leads nowhere"):
            page()


class TestOutcomes:
    """Whatever a worker tells of an attempt, it ended."""

    ODD = Fault("c" * 500, LONG, LONG)
    OUTCOMES: Sequence[tuple[Outcome, State]] = (
        *((Completed(seconds), State.COMPLETED) for seconds in (nan, inf, -inf, -1.0)),
        (Cancelled(nan), State.CANCELLED),
        (Failed(ODD, nan), State.FAILED),
        (Retry(ODD, nan), State.WAITING),
        (Yielded(nan, LONG), State.READY),
        (Yielded(-inf), State.READY),
        (Yielded(inf, seconds=nan), State.WAITING),
        (Completed(summary={"odd": object()}), State.COMPLETED),
        (Completed(summary={"long": "x" * (1 << 20)}), State.COMPLETED),
        (Completed(2.0, {"pages": 3}), State.COMPLETED),
    )

    @pytest.fixture
    def ended(self, bench: Bench) -> list[TaskId]:
        """All told in one step, which asks for less than nothing."""
        bench.ledger.lane(UserId(1), max_running=20)
        names = bench.submit(1, len(self.OUTCOMES))
        bench.worker(slots=20)
        leases = bench.ledger.step("database", WORKER, [], 20)
        told = [Ended(lease, outcome) for lease, (outcome, _) in zip(leases, self.OUTCOMES, strict=True)]
        with capture_logs():
            assert bench.ledger.step("database", WORKER, told, -3) == []
        return names

    def test_none_is_lost_and_none_spoils_another(self, bench: Bench, ended: list[TaskId]):
        found = [bench.ledger.task(task) for task in ended]
        assert [task.state for task in found] == [state for _, state in self.OUTCOMES]
        assert [dict(task.summary) for task in found[-3:]] == [{}, {}, {"pages": 3}]

    def test_a_lanes_virtual_time_stays_a_number(self, bench: Bench, ended: list[TaskId]):
        (lane,) = bench.ledger.read(lambda c: c.execute(select(lanes)).all())
        assert all(isfinite(figure) for figure in (lane.vtime, lane.served, lane.ratio))
        assert lane.served == DAY + 2.0  # one clock that had gone wrong, and one that had not
        assert {lease.task for lease in bench.ledger.step("database", WORKER, [], 20)} == {ended[7], ended[8]}

    def test_a_wait_is_at_most_a_day(self, bench: Bench, ended: list[TaskId]):
        assert bench.ledger.task(ended[9]).run_at == bench.clock.at + DAY
        bench.clock.pass_time(DAY)
        assert len(bench.ledger.step("database", WORKER, [], 20)) == 4

    def test_a_fault_is_cut_where_it_is_too_long(self, bench: Bench, ended: list[TaskId]):
        for at in (5, 6):
            task = bench.ledger.task(ended[at])
            fault = task.fault
            assert fault is not None
            assert (fault.code, len(fault.message), len(fault.hint)) == ("c" * 60, LONGEST_MESSAGE, LONGEST_MESSAGE)
            assert task.message == fault.message == "x" * (LONGEST_MESSAGE - 1) + "…"
        assert len(bench.ledger.task(ended[7]).message) == LONGEST_MESSAGE

    def test_many_retries_wait_no_longer_each_time(self, make_bench: Callable[..., Bench]):
        bench = make_bench(max_retries=5_000)
        (name,) = bench.submit(1)
        bench.worker()
        bench.ledger.write(lambda c: c.execute(text("UPDATE tasks SET retries = 4000")) and None)
        (lease,) = bench.ledger.step("database", WORKER, [], 1)
        bench.ledger.finish(WORKER, [Ended(lease, Retry(Fault("busy", "It was busy.")))])
        assert bench.ledger.task(name).run_at == bench.clock.at + DAY


def test_progress_that_makes_no_sense_changes_no_percentage_and_spoils_no_other(bench: Bench):
    odd, good = bench.submit(1, 2)
    bench.worker()
    leases = {lease.task: lease for lease in bench.ledger.step("database", WORKER, [], 2)}
    for percent in (40, nan, -inf, -5):
        reports = [(leases[odd], Progress("x" * 61, percent, LONG)), (leases[good], Progress("parse", 50))]
        bench.ledger.progress(WORKER, reports)
        assert bench.ledger.task(odd).percent == 40
    assert (bench.ledger.task(odd).step, len(bench.ledger.task(odd).message)) == ("x" * 60, LONGEST_MESSAGE)
    assert bench.ledger.task(good).percent == 50
    bench.ledger.progress(WORKER, [(leases[odd], Progress("parse", inf))])
    assert bench.ledger.task(odd).percent == 100


def test_what_asks_for_less_than_nothing_gets_nothing(bench: Bench, held: Lease):
    bench.submit(1)
    for room in (0, -1, -(10**30)):
        assert bench.ledger.step("database", WORKER, [], room) == bench.ledger.lease("database", room) == []
    assert bench.ledger.queue().running == 1, held


def test_a_lease_that_no_ledger_gave_is_stale(bench: Bench, held: Lease):
    """It comes from a broker."""
    strange = [Lease(TaskId(name), 1) for name in IDS]
    for lease in (*strange, *(Lease(held.task, fence) for fence in (-1, 0, 2**31, 10**30))):
        with pytest.raises(StaleLease):
            bench.ledger.begin(lease, WORKER)


@pytest.mark.parametrize(
    "given",
    [
        *({"system_limit": limit} for limit in (0, -5, nan, 10**30)),
        *({"lease": seconds} for seconds in (0.0, -1.0, nan, inf, 1e300)),
        {"user_backlog": 0},
        {"max_retries": -1},
        {"retry_delay": nan},
        {"max_crashes": 0},
        {"user_schedules": -1},
        {"user_limit": 0},
        {"user_limit": 2**31},
    ],
    ids=str,
)
def test_rules_that_make_no_sense_are_refused(given: dict[str, float]):
    with pytest.raises(Misconfigured, match=f"The ledger's rule {next(iter(given))} makes no sense") as refused:
        Rules(**given)  # type: ignore[arg-type]
    assert refused.value.hint


@pytest.mark.parametrize("name", ["finished", "failed", "most", "steps"])
def test_nothing_is_kept_for_less_than_no_time(name: str):
    for value in (nan, inf, -1):
        with pytest.raises(Misconfigured, match=name):
            Kept(**{name: value})
