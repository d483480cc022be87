"""What the ledger promises of schedules: once over all processes, once for all that was missed, never lost."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, select
from tests.ledger.conftest import Bench

from paperlane.errors import BadRequest, Conflict, NotAllowed, NotFound
from paperlane.hosting import open_ledger
from paperlane.ledger.schema import checkpoints, schedule_tasks
from paperlane.ledger.timetable import next_after
from paperlane.model.schedules import NewSchedule, Schedule, ScheduleId
from paperlane.model.tasks import NewBatch, NewTask, State, TaskId, UserId

MakeBench = Callable[..., Bench]
HOUR, DAY = 3_600.0, 86_400.0
TASKS = [NewTask(TaskId(""), b'{"n": 1}', 3.0), NewTask(TaskId(""), b'{"n": 2}')]


def schedule(bench: Bench, name: str = "nightly", cron: str = "0 * * * *", user: int = 1, **more: object) -> Schedule:
    given = {"timezone": "UTC", "tasks": TASKS, **more}
    new = NewSchedule(ScheduleId(f"{user}-{name}"), UserId(user), name, cron, **given)  # type: ignore[arg-type]
    return bench.ledger.add_schedule(new)


def new_ids(bench: Bench) -> Callable[[], str]:
    return lambda: f"fired{next(bench.numbers):08}"


def fire(bench: Bench, **more: object) -> list[str | None]:
    """Fire all that is due, as a sweep does; the batch of each, or the code of its refusal."""
    fired = [bench.ledger.fire(one, new_ids(bench), **more) for one in bench.ledger.due()]  # type: ignore[arg-type]
    return [one.refusal.code if one.refusal else one.batch for one in fired if one is not None]


def to_the_hour(bench: Bench, hours: int = 1) -> None:
    bench.clock.at = (bench.clock.at // HOUR + hours) * HOUR


class TestFiring:
    def test_a_schedule_submits_its_tasks_when_it_is_due(self, bench: Bench):
        made = schedule(bench, priority=7)
        assert (made.name, made.tasks, made.next_at) == ("nightly", 2, (bench.clock.at // HOUR + 1) * HOUR)
        bench.clock.at = made.next_at - 0.001
        assert fire(bench) == []
        bench.clock.at = made.next_at
        (batch,) = fire(bench)
        assert bench.ledger.batch(batch).name == "nightly"
        tasks = bench.ledger.tasks(batch=batch)
        assert [(task.payload, task.priority, task.state) for task in tasks] == [
            (b'{"n": 1}', 7, State.READY),
            (b'{"n": 2}', 7, State.READY),
        ]
        fired = bench.ledger.schedule(UserId(1), "nightly")
        assert (fired.next_at, fired.last_at, fired.last) == (made.next_at + HOUR, bench.clock.at, batch)
        assert fire(bench) == []

    def test_whatever_was_missed_runs_once(self, bench: Bench):
        schedule(bench)
        bench.clock.pass_time(1_000 * HOUR + 1_234)
        assert len(fire(bench)) == 1
        assert fire(bench) == []
        fired = bench.ledger.schedule(UserId(1), "nightly")
        assert fired.next_at == (bench.clock.at // HOUR + 1) * HOUR
        to_the_hour(bench)
        assert len(fire(bench)) == 1

    def test_those_due_longest_come_first(self, bench: Bench):
        for user, name in enumerate(("c", "a", "b"), start=1):
            schedule(bench, name, f"{user} * * * *", user)
        to_the_hour(bench, 2)
        assert bench.ledger.due() == ["1-c", "2-a", "3-b"]

    def test_who_saw_it_due_before_another_fired_it_submits_nothing(self, bench: Bench):
        schedule(bench)
        to_the_hour(bench)
        (due,) = bench.ledger.due()
        assert bench.ledger.fire(due, new_ids(bench)) is not None
        assert bench.ledger.fire(due, new_ids(bench)) is None
        assert bench.ledger.fire(ScheduleId("gone"), new_ids(bench)) is None
        assert len(bench.ledger.tasks()) == 2

    def test_another_rooms_writes_join_each_firing_or_nothing_happens(self, bench: Bench):
        schedule(bench)
        to_the_hour(bench)

        def joins(connection: Connection, batch: NewBatch, now: float) -> None:
            assert (batch.user, now, len(batch.tasks)) == (1, bench.clock.at, 2)
            row = {"task_id": batch.tasks[0].id, "step": "s", "key": "k", "fence": 0, "created_at": now, "result": b""}
            connection.execute(insert(checkpoints), row)

        def fails(connection: Connection, batch: NewBatch, now: float) -> None:
            joins(connection, batch, now)
            raise RuntimeError

        with pytest.raises(RuntimeError):
            fire(bench, also=fails)
        assert bench.ledger.tasks() == []
        assert bench.ledger.read(lambda c: c.execute(select(checkpoints)).all()) == []
        assert len(fire(bench, also=joins)) == 1
        assert len(bench.ledger.read(lambda c: c.execute(select(checkpoints)).all())) == 1

    def test_of_those_that_fire_at_once_one_submits(self, bench: Bench):
        due = [schedule(bench, user=user).id for user in range(1, 21)]
        to_the_hour(bench)

        def fire_all(_n: int) -> int:
            return sum(bench.ledger.fire(one, new_ids(bench)) is not None for one in due)

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(fire_all, range(4))) == 20
        assert len(bench.ledger.tasks()) == 40

    def test_two_processes_that_fire_at_once_submit_one_batch(self, tmp_path: Path):
        """Connections of one process are to SQLite what those of several are."""
        ledgers = [open_ledger(f"sqlite:///{tmp_path}/ledger.db") for _ in range(4)]
        minutes = [
            NewSchedule(ScheduleId(f"s{n}"), UserId(n), "minutely", "* * * * *", "UTC", TASKS[:1]) for n in range(1, 21)
        ]
        for new in minutes:
            made = ledgers[0].add_schedule(new)
        ledgers[0].write(lambda c: c.exec_driver_sql("UPDATE schedules SET next_at = next_at - 120") and None)
        numbers = count()

        def fire_all(n: int) -> int:
            fired = [ledgers[n].fire(new.id, lambda: f"id{next(numbers):06}") for new in minutes]
            return sum(one is not None for one in fired)

        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(fire_all, range(4))) == 20
        assert len(ledgers[0].tasks()) == 20
        assert all(one.next_at >= made.next_at for one in ledgers[0].schedules())
        for ledger in ledgers:
            ledger.close()


class TestFullBacklog:
    def test_it_stays_due_is_told_once_and_runs_once_there_is_room(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=3)
        made = schedule(bench)
        waiting = bench.submit(1, 2)
        to_the_hour(bench)
        assert fire(bench) == ["user_limit_exceeded"]
        refused = bench.ledger.schedule(UserId(1), "nightly")
        assert refused.refusal is not None
        assert (refused.refusal.code, refused.refused_at) == ("user_limit_exceeded", bench.clock.at)
        assert (refused.next_at, refused.last_at) == (made.next_at, 0.0)
        bench.clock.pass_time(3 * HOUR)
        assert fire(bench) == []  # told already
        assert bench.ledger.due() == [made.id]
        for task in waiting:
            bench.ledger.cancel(task)
        assert len(fire(bench)) == 1
        fired = bench.ledger.schedule(UserId(1), "nightly")
        assert (fired.refusal, fired.refused_at, fired.last_at) == (None, 0.0, bench.clock.at)
        assert fire(bench) == []
        assert len(bench.ledger.tasks(states=[State.READY])) == 2

    def test_another_reason_is_told_again(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=3, system_backlog=4)
        schedule(bench)
        waiting = bench.submit(1, 2)
        to_the_hour(bench)
        assert fire(bench) == ["user_limit_exceeded"]
        since = bench.clock.at
        bench.ledger.cancel(waiting[0])
        bench.submit(2, 2)
        bench.clock.pass_time(60)
        assert fire(bench) == ["system_busy"]
        assert bench.ledger.schedule(UserId(1), "nightly").refused_at == since

    def test_one_whose_user_is_barred_lets_its_times_pass_and_tells_it_once(self, bench: Bench):
        made = schedule(bench)

        def bars(_connection: Connection, _batch: NewBatch, _now: float) -> None:
            raise NotAllowed("Not any more.", code="barred")

        to_the_hour(bench)
        since = bench.clock.at
        assert fire(bench, also=bars) == ["barred"]
        assert bench.ledger.due() == []
        refused = bench.ledger.schedule(UserId(1), "nightly")
        assert refused.refusal is not None
        assert (refused.refusal.code, refused.refused_at) == ("barred", since)
        assert (refused.next_at, refused.last_at, refused.last) == (made.next_at + HOUR, 0.0, "")
        to_the_hour(bench, 3)
        assert fire(bench, also=bars) == []  # told already
        refused = bench.ledger.schedule(UserId(1), "nightly")
        assert (refused.next_at, refused.refused_at) == (bench.clock.at + HOUR, since)
        assert bench.ledger.tasks() == []
        to_the_hour(bench)
        assert len(fire(bench)) == 1
        fired = bench.ledger.schedule(UserId(1), "nightly")
        assert (fired.refusal, fired.refused_at, fired.last_at) == (None, 0.0, bench.clock.at)

    def test_a_refused_one_keeps_nobody_else_from_firing(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=3)
        schedule(bench, user=1)
        schedule(bench, user=2)
        bench.submit(1, 2)
        to_the_hour(bench)
        refused, fired = fire(bench)
        assert (refused, bench.ledger.batch(fired).user) == ("user_limit_exceeded", 2)

    def test_what_could_never_wait_at_once_is_refused_at_once(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=5, system_backlog=3)
        for tasks in ([], TASKS * 2):
            with pytest.raises(BadRequest, match="1 to 3 tasks"):
                schedule(bench, tasks=tasks)
        assert bench.ledger.schedules() == []


class TestChanging:
    def test_a_paused_one_is_not_due_and_makes_up_for_nothing(self, bench: Bench):
        made = schedule(bench)
        assert bench.ledger.change_schedule(made.id, paused=True).paused
        to_the_hour(bench, 5)
        assert bench.ledger.due() == []
        assert bench.ledger.fire(made.id, new_ids(bench)) is None
        resumed = bench.ledger.change_schedule(made.id, paused=False)
        assert (resumed.paused, resumed.next_at) == (False, bench.clock.at + HOUR)
        assert fire(bench) == []
        to_the_hour(bench)
        assert len(fire(bench)) == 1

    def test_another_time_holds_from_now_on(self, make_bench: MakeBench):
        bench = make_bench(user_backlog=2)
        made = schedule(bench)
        bench.submit(1)
        to_the_hour(bench)
        assert fire(bench) == ["user_limit_exceeded"]
        changed = bench.ledger.change_schedule(made.id, cron=" 30  6 * * * ", timezone="Asia/Shanghai", priority=9)
        assert (changed.cron, changed.timezone, changed.priority) == ("30 6 * * *", "Asia/Shanghai", 9)
        assert changed.next_at == next_after("30 6 * * *", "Asia/Shanghai", bench.clock.at)
        assert (changed.refusal, bench.ledger.due()) == (None, [])
        for bad in ({"cron": "often"}, {"timezone": "Mars/Base"}):
            with pytest.raises(BadRequest):
                bench.ledger.change_schedule(made.id, **bad)
        assert bench.ledger.change_schedule(made.id) == changed

    def test_a_removed_one_fires_no_more_and_what_it_submitted_goes_on(self, bench: Bench):
        made = schedule(bench)
        to_the_hour(bench)
        fire(bench)

        def fails(_connection: Connection) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            bench.ledger.remove_schedule(made.id, fails)
        assert len(bench.ledger.schedules()) == 1
        bench.ledger.remove_schedule(made.id)
        assert bench.ledger.schedules() == []
        assert bench.ledger.read(lambda c: c.execute(select(schedule_tasks)).all()) == []
        assert len(bench.ledger.tasks()) == 2
        for gone in (
            lambda: bench.ledger.remove_schedule(made.id),
            lambda: bench.ledger.change_schedule(made.id, paused=True),
            lambda: bench.ledger.schedule(UserId(1), "nightly"),
        ):
            with pytest.raises(NotFound):
                gone()

    def test_names_are_unique_for_each_user(self, bench: Bench):
        schedule(bench, "a")
        schedule(bench, "a", user=2)
        with pytest.raises(Conflict) as taken:
            bench.ledger.add_schedule(NewSchedule(ScheduleId("x"), UserId(1), "a", "* * * * *", "UTC", TASKS))
        assert taken.value.code == "schedule_exists"
        assert [one.user for one in bench.ledger.schedules()] == [1, 2]

    def test_those_of_one_name_are_found_among_all(self, bench: Bench):
        for name, user in (("a", 1), ("b", 1), ("a", 2), ("ab", 3)):
            schedule(bench, name, user=user)
        ledger = bench.ledger
        assert [(one.user, one.name) for one in ledger.schedules(name="a")] == [(1, "a"), (2, "a")]
        assert [(one.user, one.name) for one in ledger.schedules(UserId(2), name="a")] == [(2, "a")]
        assert ledger.schedules(UserId(3), name="a") == ledger.schedules(name="") == []

    def test_a_user_has_few_and_sees_pages_of_their_own(self, make_bench: MakeBench):
        bench = make_bench(user_schedules=3)
        for name in ("b", "c", "a"):
            schedule(bench, name)
        schedule(bench, "d", user=2)
        with pytest.raises(Conflict) as several:
            schedule(bench, "e")
        assert several.value.code == "too_many_schedules"
        first = bench.ledger.schedules(UserId(1), limit=2)
        rest = bench.ledger.schedules(UserId(1), after=first[-1].name)
        assert [one.name for one in [*first, *rest]] == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("cron", "timezone", "code"),
        [
            ("often", "UTC", "invalid_cron"),
            ("", "UTC", "invalid_cron"),
            ("60 * * * *", "UTC", "invalid_cron"),
            ("0 0 * * * *", "UTC", "invalid_cron"),  # seconds are no part of it
            ("@daily", "UTC", "invalid_cron"),
            ("0 0 30 2 *", "UTC", "invalid_cron"),
            ("0 0 */29 2 1L", "UTC", "invalid_cron"),  # the first of February is never its last Monday
            ("1," * 60 + "2 * * * *", "UTC", "invalid_cron"),
            ("0 0 * * *", "Mars/Base", "unknown_timezone"),
            ("0 0 * * *", "", "unknown_timezone"),
            ("0 0 * * *", "../../etc/passwd", "unknown_timezone"),
            ("0 0 * * *", "localtime", "unknown_timezone"),
        ],
    )
    def test_what_makes_no_sense_is_refused_with_a_hint(self, bench: Bench, cron: str, timezone: str, code: str):
        with pytest.raises(BadRequest) as refused:
            schedule(bench, cron=cron, timezone=timezone)
        assert (refused.value.code, bool(refused.value.hint)) == (code, True)
        assert bench.ledger.schedules() == []


BERLIN, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")


def times(cron: str, start: datetime, most: int) -> list[str]:
    """The next times of an expression, on the clock of the zone of `start`."""
    zone = start.tzinfo
    assert isinstance(zone, ZoneInfo)
    at, found = start.timestamp(), []
    for _ in range(most):
        at = next_after(cron, zone.key, at)
        found.append(datetime.fromtimestamp(at, zone).strftime("%m-%d %H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("cron", "skipped", "doubled"),
    [
        # a fixed time runs once a day, whatever the clocks do
        ("30 2 * * *", ["03-28 03:00+0200", "03-29 02:30+0200"], ["10-31 02:30+0200", "11-01 02:30+0100"]),
        # anything else goes by the clock on the wall
        ("30 * * * *", ["03-28 01:30+0100", "03-28 03:30+0200"], ["10-31 02:30+0200", "10-31 02:30+0100"]),
        ("*/30 2 * * *", ["03-29 02:00+0200", "03-29 02:30+0200"], ["10-31 02:00+0200", "10-31 02:30+0200"]),
    ],
)
def test_when_the_clocks_change(cron: str, skipped: list[str], doubled: list[str]):
    """In Berlin the hour from two o'clock is left out on 28 March 2027, and comes twice on 31 October."""
    assert times(cron, datetime(2027, 3, 28, 1, 10, tzinfo=BERLIN), 2) == skipped
    assert times(cron, datetime(2027, 10, 31, 1, 50, tzinfo=BERLIN), 2) == doubled


@pytest.mark.parametrize(
    ("cron", "skipped", "doubled"),
    [
        ("15 2 * * *", ["10-03 02:30+1100", "10-04 02:15+1100"], ["04-04 02:15+1030", "04-05 02:15+1030"]),
        ("45 1 * * *", ["10-03 01:45+1030", "10-04 01:45+1100"], ["04-04 01:45+1100", "04-05 01:45+1030"]),
        ("0 */2 * * *", ["10-03 04:00+1100", "10-03 06:00+1100"], ["04-04 02:00+1030", "04-04 04:00+1030"]),
        ("45 * * * *", ["10-03 01:45+1030", "10-03 02:45+1100"], ["04-04 01:45+1100", "04-04 01:45+1030"]),
        ("15 * * * *", ["10-03 03:15+1100", "10-03 04:15+1100"], ["04-04 02:15+1030", "04-04 03:15+1030"]),
    ],
)
def test_when_the_clocks_change_by_half_an_hour(cron: str, skipped: list[str], doubled: list[str]):
    """On Lord Howe Island the half hour to two comes twice on 4 April 2027, that from two is left out on 3 October."""
    assert times(cron, datetime(2027, 10, 3, 1, 30, tzinfo=LORD_HOWE), 2) == skipped
    assert times(cron, datetime(2027, 4, 4, 1, 20, tzinfo=LORD_HOWE), 2) == doubled


CLOCKS = {  # each with the days on which it is changed
    "Europe/Berlin": [(2027, 3, 28), (2027, 10, 31)],  # by an hour
    "Australia/Lord_Howe": [(2027, 4, 4), (2027, 10, 3)],  # by half of one
    "Antarctica/Troll": [(2027, 3, 28), (2027, 10, 31)],  # by two
    "Pacific/Apia": [(2011, 12, 30)],  # by a day
}
EXPRESSIONS = [  # each with what it names
    *(("* * * * *", range(60), range(24)), ("*/7 */2 * * *", range(0, 60, 7), range(0, 24, 2))),
    *(("45 * * * *", [45], range(24)), ("*/15 1,2 * * *", range(0, 60, 15), [1, 2])),
    *(("30 0-4 * * *", [30], range(5)), ("0,10,59 1 * * *", [0, 10, 59], [1])),
]


@pytest.mark.parametrize(("cron", "minutes", "hours"), EXPRESSIONS)
@pytest.mark.parametrize("timezone", CLOCKS)
def test_around_a_change_of_the_clocks_nothing_is_passed_by_and_nothing_comes_again(
    timezone: str, cron: str, minutes: Sequence[int], hours: Sequence[int]
):
    """Somebody who looks at the clock each minute sees the same, whenever they ask."""
    zone = ZoneInfo(timezone)
    for day in CLOCKS[timezone]:
        middle = int(datetime(*day, tzinfo=zone).timestamp())
        every = range(middle - int(DAY), middle + 3 * int(DAY), 60)
        shown = {at: datetime.fromtimestamp(at, zone).replace(tzinfo=None) for at in every}
        named = [at for at, time in shown.items() if time.minute in minutes and time.hour in hours]
        if cron[0] != "*" and cron.split()[1][0] != "*":
            named = fixed(shown, minutes, hours)
        until = middle + 2 * DAY
        for now in range(int(middle - DAY), int(until), 660):
            due = next(at for at in named if at > now)
            assert next_after(cron, timezone, now) == due, (now, shown[now])


def fixed(shown: Mapping[int, datetime], minutes: Sequence[int], hours: Sequence[int]) -> list[int]:
    """Each time of a day once: the first time that it is shown, or as soon as a later one is."""
    first: dict[datetime, int] = {}
    for at, time in shown.items():
        first.setdefault(time, at)
    start, end = min(first), max(first)
    asked = (start + timedelta(minutes=n) for n in range(int((end - start).total_seconds() // 60)))
    later = sorted(first)
    named = (time for time in asked if time.minute in minutes and time.hour in hours)
    return sorted({first[later[bisect_left(later, time)]] for time in named})


def test_a_fixed_time_that_was_missed_in_a_doubled_hour_does_not_come_again_in_it():
    late = datetime(2027, 10, 31, 2, 10, fold=1, tzinfo=BERLIN)
    assert times("30 2 * * *", late, 1) == ["11-01 02:30+0100"]


def test_the_next_time_is_always_later():
    at = datetime(2027, 10, 30, 23, 0, tzinfo=BERLIN).timestamp()
    for minutes in range(0, 300, 7):
        for cron in ("30 2 * * *", "*/15 * * * *", "0 */2 * * *", "5 0-4 * * *"):
            now = at + minutes * 60 + 0.4
            assert now < next_after(cron, "Europe/Berlin", now) <= now + 25 * HOUR
