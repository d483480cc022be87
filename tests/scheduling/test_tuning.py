"""A real worker that chooses its slots: what it sees is made up, what it asks the ledger for is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.conftest import until
from tests.databases import new_file
from tests.work.counting import COUNTING, HereAndNow

from paperlane.engines.database import Database
from paperlane.engines.inline import Inline
from paperlane.errors import Unavailable
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.machine import Load
from paperlane.model.tasks import BatchId, Member, NewBatch, NewTask, Span, TaskId, UserId, WorkerId
from paperlane.work.heartbeat import Heartbeat

BUSY, IDLE = Load(0.1, 0.9), Load(0.1, 0.3)


@dataclass
class Time:
    at: float = 0.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return 1_800_000_000.0 + self.at


@dataclass
class Machine:
    load: Load = IDLE
    fails: bool = False

    def look(self) -> Load:
        if self.fails:
            raise OSError("no sensor")
        return self.load


@dataclass
class Site:
    """A ledger with 30 tasks of three users, and a made-up machine and models; heartbeats are the test's."""

    ledger: SqlLedger
    time: Time = field(default_factory=Time)
    machine: Machine = field(default_factory=Machine)
    refused: int = 0
    steps: HereAndNow = field(default_factory=HereAndNow)

    def host(self) -> Host:
        seen = {"sensors": lambda: self.machine, "refused": lambda: self.refused}
        return Host(self.ledger, COUNTING, self.steps, clock=self.time, **seen)

    def working(self, slots: int | Span) -> AbstractAsyncContextManager:
        return self.host().working(Database.traits, slots)

    def beat(self, heartbeat: Heartbeat, times: int = 1) -> list[int]:
        """What it has after each of so many heartbeats."""
        found = list[int]()
        for _ in range(times):
            self.time.at += 10
            heartbeat.beat()
            found.append(heartbeat.membership.slots)
        return found

    def member(self) -> Member:
        (member,) = self.ledger.members()
        return member


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    ledger = open_ledger(new_file(tmp_path / "ledger.db"), Rules(lease=3_600, system_limit=30))
    for user in (1, 2, 3):
        names = [TaskId(f"task{user}-{number:02}") for number in range(10)]
        ledger.submit(NewBatch(BatchId(f"batch{user}"), UserId(user), [NewTask(name, b"{}") for name in names]))
    yield Site(ledger)
    ledger.close()


def turns(site: Site, heartbeat: Heartbeat, room: int) -> int:
    leases = site.ledger.step("database", heartbeat.membership.worker, [], room)
    for lease in leases:
        heartbeat.hold(lease, lambda _why: None)
    return len(leases)


async def test_an_overloaded_machine_gives_slots_back_and_takes_them_again(site: Site):
    async with site.working(Span(8, 2, 12)) as attempts:
        beats = attempts.heartbeat
        site.machine.load = BUSY
        assert site.beat(beats, 5) == [6, 4, 3, 2, 2]
        assert (site.member().slots, site.member().wants, site.member().memory) == (2, 2, 0.9)
        assert turns(site, beats, 10) == 2
        site.machine.load = IDLE
        assert site.beat(beats, 7) == [2] * 4 + [3, 4, 5]
        assert (site.member().slots, site.member().asked, site.member().least) == (5, 12, 2)


async def test_each_change_is_told_once_with_its_reason(site: Site):
    async with site.working(Span(8, 4, 8)) as attempts:
        site.machine.load = BUSY
        with capture_logs() as logs:
            site.beat(attempts.heartbeat, 6)
    told = [(line["before"], line["slots"], line["why"]) for line in logs if line["event"] == "slots changed"]
    assert told == [(8, 6, "memory at 90%"), (6, 4, "memory at 90%")]


async def test_fewer_slots_stop_nothing_that_runs(site: Site):
    async with site.working(Span(8, 2, 8)) as attempts:
        beats = attempts.heartbeat
        assert turns(site, beats, 8) == 8
        site.machine.load = BUSY
        stopped = list[str]()
        for lease in list(beats._held):
            beats.hold(lease, stopped.append)
        assert site.beat(beats, 3) == [6, 6, 6]  # eight still run
        assert (stopped, site.member().running, site.member().slots) == ([], 8, 6)
        assert turns(site, beats, 8) == 0


async def test_fewer_slots_hold_also_while_the_ledger_cannot_be_told(site: Site, monkeypatch: pytest.MonkeyPatch):
    async with site.working(Span(8, 2, 8)) as attempts:
        site.machine.load = BUSY

        def away(*_entry: object) -> int:
            raise Unavailable("The ledger is away.")

        monkeypatch.setattr(SqlLedger, "register", away)
        with pytest.raises(Unavailable):
            site.beat(attempts.heartbeat)
        assert attempts.heartbeat.membership.slots == 6


async def test_sensors_that_fail_stop_no_heartbeat_and_change_nothing(site: Site):
    async with site.working(Span(8, 2, 12)) as attempts:
        site.machine.fails = True
        site.refused = 3
        assert site.beat(attempts.heartbeat, 4) == [8] * 4
        assert (site.member().cpu, site.member().memory) == (None, None)


async def test_refusals_of_models_since_the_last_heartbeat_take_slots(site: Site):
    site.refused = 5  # before it came
    async with site.working(Span(8, 2, 8)) as attempts:
        assert site.beat(attempts.heartbeat) == [8]
        site.refused = 6
        assert site.beat(attempts.heartbeat, 2) == [7, 7]


async def test_refusals_count_at_the_next_heartbeat_where_the_ledger_does_not_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    async with site.working(Span(8, 2, 8)) as attempts:

        def away(*_asked: object) -> int:
            raise Unavailable("The ledger is away.")

        site.refused = 1
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(SqlLedger, "queued", away)
            with pytest.raises(Unavailable):
                site.beat(attempts.heartbeat)
        assert site.beat(attempts.heartbeat, 2) == [7, 7]


async def test_more_slots_than_the_systems_limit_are_not_granted(site: Site):
    site.ledger.register(WorkerId("other"), "elsewhere", "host", 1, 20)
    async with site.working(Span(9, 2, 40)) as attempts:
        beats = attempts.heartbeat
        granted = list[int]()
        for _ in range(4):
            turns(site, beats, 40)
            site.beat(beats)
            granted.append(beats.membership.granted)
            assert sum(member.slots for member in site.ledger.members()) <= 30
        assert granted == [10] * 4


async def test_a_number_of_slots_that_somebody_chose_is_kept(site: Site):
    async with site.working(8) as attempts:
        site.machine.load, site.refused = BUSY, 7
        assert site.beat(attempts.heartbeat, 4) == [8] * 4
        assert (site.member().asked, site.member().least, site.member().memory) == (8, 8, 0.9)


@pytest.mark.parametrize("engine", ["database", "inline"])
async def test_it_starts_no_more_than_it_has_slots_by_now(site: Site, engine: str, monkeypatch: pytest.MonkeyPatch):
    beats = list[Heartbeat]()
    monkeypatch.setattr(Heartbeat, "start", lambda self: beats.append(self))  # noqa: PLW0108  a method
    for user in (1, 2, 3):
        site.ledger.lane(UserId(user), engine=engine)
    running, most, go_on, stop = 0, 0, asyncio.Event(), asyncio.Event()

    async def count(step: str) -> None:
        nonlocal running, most
        if step == "one":
            running += 1
            most = max(most, running)
        await go_on.wait()
        if step == "three":
            running -= 1

    site.steps.before = lambda step, _value: count(step)
    span = Span(8, 2, 8)
    host = site.host()
    working = host.pull(Database(), span, stop) if engine == "database" else host.push(Inline(), span, stop)
    task = asyncio.create_task(working)
    try:
        await until_async(lambda: running == 8)
        site.machine.load = BUSY
        await asyncio.to_thread(site.beat, beats[0])
        most = 0
        go_on.set()
        await until_async(lambda: site.ledger.queue().running == 0 and site.ledger.queue().queued == 0)
        assert 0 < most <= 6
    finally:
        stop.set()
        go_on.set()
        await task


async def until_async(holds: Callable[[], bool]) -> None:
    await asyncio.to_thread(until, holds)
