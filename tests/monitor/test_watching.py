"""The watch over a real ledger: what it sees, keeps and tells, and what outlives it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.conftest import EVERY_KIND, until
from tests.databases import opened
from tests.ledger.conftest import new_batch

from paperlane.ai.rate import Standing
from paperlane.catalog import alarm_in
from paperlane.clock import SortableIds, SystemClock
from paperlane.errors import Unavailable
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.machine import Load
from paperlane.model.figures import ModelFigures
from paperlane.model.tasks import EVERYTHING, Channel, Ended, Failed, Fault, Pulse, Stage, UserId, WorkerId
from paperlane.monitor.alerts import ALERTS
from paperlane.monitor.judging import Judge
from paperlane.monitor.looking import Looking
from paperlane.monitor.watching import Watch, watch
from paperlane.records import incidents, samples, schema
from paperlane.records.incidents import Incident, Silence, Telling
from paperlane.rollout import NewRule, RollOut
from paperlane.settings import Settings

NEW_ID = SortableIds(SystemClock())
SETTINGS = Settings(alert_seconds=0.1, alert_queue=3, alert_user_backlog=3)


@dataclass
class Gauge:
    """A sensor of memory, set by hand; None: it failed."""

    memory: float | None = 0.1

    def look(self) -> Load:
        return Load(None, self.memory)


@pytest.fixture
def ledger(new_database: Callable[[], str]) -> Iterator[SqlLedger]:
    made = SqlLedger(opened(new_database()), Rules())
    yield made
    made.close()


@dataclass
class Watcher:
    """A process that watches, look by look."""

    ledger: SqlLedger
    gauge: Gauge = field(default_factory=Gauge)
    name: str = field(default_factory=NEW_ID)

    def __post_init__(self) -> None:
        looking = Looking(self.ledger, self.gauge, "database", "crane")
        judge = Judge(ALERTS, SETTINGS)
        self.watch = Watch(self.ledger, SETTINGS, looking, judge, NEW_ID, self.name, tells=True)

    def looks(self, count: int) -> list[Incident]:
        """So many looks; what lasts then."""
        for _ in range(count):
            self.watch.look()
        return list(self.ledger.read(incidents.lasting))

    def opens(self, alert: str, count: int = 2) -> list[str]:
        return [one.subject for one in self.looks(count) if one.alert == alert]


@EVERY_KIND
def test_what_waits_and_fails_is_seen_in_each_database(ledger: SqlLedger):
    ledger.submit(new_batch("batch", 7, 5))
    ledger.register(WorkerId("w"), "database", "crane", 1, 1)
    (lease,) = ledger.step("database", WorkerId("w"), [], 1)
    ledger.finish(WorkerId("w"), [Ended(lease, Failed(Fault("damaged_file", "It is damaged.")))])
    lasting = {(one.alert, one.subject): one.params for one in Watcher(ledger).looks(2)}
    assert lasting.keys() == {("queue", ""), ("user-backlog", "7"), ("dead-letters", "")}
    assert lasting["dead-letters", ""]["causes"] == "damaged_file (1)"
    plot = ledger.read(lambda c: samples.plot(c, samples_now(ledger), 60))
    kept = plot.samples[-1]
    assert {name: kept[name] for name in ("queued", "running", "slots", "dead", "queued.database", "memory")} == {
        "queued": 4, "running": 0, "slots": 1, "dead": 1, "queued.database": 4, "memory": 0.1,
    }  # fmt: skip
    assert 0 < kept["connections"] <= kept["most_connections"]
    assert kept["database_bytes"] > 10_000


def samples_now(ledger: SqlLedger) -> float:
    return Looking(ledger, Gauge(), "", "").look().at


@pytest.mark.parametrize("kind", ["sqlite file"], indirect=True)
class TestOnOneDatabase:
    def test_what_is_open_is_carried_on_by_another_process_and_told_once(self, ledger: SqlLedger):
        gauge = Gauge(0.99)
        (before,) = Watcher(ledger, gauge).looks(2)
        next_one = Watcher(ledger, gauge)
        assert next_one.looks(5) == [before]
        assert before.opening is Telling.DUE
        gauge.memory = 0.1
        assert next_one.looks(3) == []
        (over,) = ledger.read(lambda c: incidents.page(c, "all", "", 9))
        assert (over.id, over.closing) == (before.id, Telling.DUE)

    def test_a_sensor_that_fails_opens_nothing_and_closes_nothing(self, ledger: SqlLedger):
        gauge = Gauge(None)
        watcher = Watcher(ledger, gauge)
        assert watcher.looks(3) == []
        gauge.memory = 0.99
        assert watcher.opens("memory") == ["crane"]
        gauge.memory = None
        assert watcher.opens("memory", 5) == ["crane"]

    def test_a_machine_without_memory_is_told_once_also_where_its_workers_tell_it_too(self, ledger: SqlLedger):
        for host in ("crane/token", "heron"):
            ledger.register(WorkerId(host), "inline", host, 1, 1)
            ledger.renew(WorkerId(host), [], Pulse(1, memory=0.98))
        assert sorted(Watcher(ledger, Gauge(0.99)).opens("memory")) == ["crane", "heron"]

    def test_what_is_planned_or_paused_alarms_nobody(self, ledger: SqlLedger):
        ledger.submit(new_batch("later", 1, 9, run_at=9e9))
        ledger.submit(new_batch("paused", 2, 9))
        ledger.lane(UserId(2), paused=True)
        watcher = Watcher(ledger)
        assert watcher.looks(3) == []
        assert watcher.watch.looking.look().queued == 18
        ledger.submit(new_batch("now", 3, 9))
        opened = sorted((one.alert, one.subject) for one in watcher.looks(2))
        assert opened == [("queue", ""), ("user-backlog", "3")]
        ledger.pause("database", paused=True)
        assert watcher.looks(3) == []

    def test_workers_that_are_killed_one_after_the_other_are_one_incident(self, ledger: SqlLedger):
        watcher = Watcher(ledger)
        for number in range(6):
            ledger.submit(new_batch(f"batch{number}", 1, 1))
            ledger.register(name := WorkerId(f"w{number}"), "database", "crane/token", 1, 1)
            assert ledger.step("database", name, [], 1)
            watcher.looks(1)
            ledger.leave(name)
            (gone,) = (one for one in watcher.looks(1) if one.alert == "worker-gone")
            watcher.looks(number)  # another one is there at once, and after a while
        assert (gone.subject, gone.params["worker"]) == ("database on crane", "w0")
        assert "Others that vanish while this lasts are not told of" in alarm_in("en", gone.alert, gone.params)[1]

    def test_a_look_knows_where_new_users_go_and_who_could_run_what_waits(self, ledger: SqlLedger):
        rollout = RollOut(ledger, lambda *_: [], "database")
        for rule in (NewRule("rq", 100, "readers"), NewRule("arq", 5)):
            rollout.change(UserId(0), 0.0, lambda *_: None, rule)
        channels = {"odd": Channel(shard=1, shards=2), "later": Channel(frozenset({Stage.MODEL})), "full": EVERYTHING}
        for name, channel in channels.items():
            ledger.register(WorkerId(name), "database", "crane", 1, 1, channel=channel)
        ledger.submit(new_batch("busy", 4, 1))
        ledger.step("database", WorkerId("full"), [], 1)
        ledger.submit(new_batch("odd", 3, 1))
        figures = Watcher(ledger).watch.looking.look()
        assert figures.of_new == {"database", "rq", "arq"}
        assert figures.runnable == {("database", channels["odd"])}
        ledger.renew(WorkerId("odd"), [], Pulse(wants=0))
        assert Watcher(ledger).watch.looking.look().runnable == frozenset()

    def test_a_model_is_told_of_only_while_somebody_asks_it(self, ledger: SqlLedger):
        now = samples_now(ledger)
        standings = {
            "fresh": Standing(at=now - 5, reserve=-1.0, refused=True),
            "old": Standing(at=now - 500, reserve=-1.0, refused=True, pushes=3, pushed_at=now - 500),
            "shut": Standing(at=now - 500, open_until=now + 100),
            "tried": Standing(at=now - 500, openings=9, open_until=now - 5),  # half open: nobody had an answer yet
            "unasked": Standing(at=now - 500, openings=9, open_until=now - 200),
        }
        rows = [{"model": name, "standing": standing.written()} for name, standing in standings.items()]
        ledger.write(lambda c: c.execute(schema.rates.insert(), rows))
        fresh, old, shut, tried, unasked = Watcher(ledger).watch.looking.look().models
        assert (fresh.away, fresh.rationed, shut.away, tried.away) == (True, True, True, True)
        assert (old, unasked) == (ModelFigures("old"), ModelFigures("unasked"))

    def test_what_opens_in_a_silence_is_told_when_it_ends_and_it_still_lasts(self, ledger: SqlLedger):
        silence = Silence("s", "memory", "", 0.0, 9e9, UserId(0))
        ledger.write(lambda c: incidents.silence(c, silence))
        watcher = Watcher(ledger, Gauge(0.99))
        (quiet,) = watcher.looks(3)
        assert quiet.opening is Telling.NOTHING
        ledger.write(lambda c: incidents.end_silence(c, "s"))
        (told,) = watcher.looks(1)
        assert (told.id, told.opening) == (quiet.id, Telling.DUE)

    def test_a_row_of_looks_ends_where_another_process_looked_between(self, ledger: SqlLedger):
        gauge = Gauge(0.99)
        one, other = Watcher(ledger, gauge), Watcher(ledger, gauge)

        def turn(of: Watcher) -> list[Incident]:
            until(of.watch.takes_turn)
            return of.looks(1)

        assert turn(one) == []
        one.watch.leave()
        gauge.memory = 0.1
        assert turn(other) == []
        other.watch.leave()
        gauge.memory = 0.99
        assert turn(one) == []
        assert [incident.alert for incident in turn(one)] == ["memory"]

    async def test_what_goes_wrong_at_the_end_is_logged_and_cancels_nobody(
        self, ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(*_: object) -> None:
            raise ValueError

        monkeypatch.setattr(samples, "leave", broken)
        stop = asyncio.Event()
        stop.set()
        with capture_logs() as logs:
            await watch(ledger, SETTINGS, Gauge(), SystemClock(), NEW_ID, stop)
        assert [line["log_level"] for line in logs] == ["error"]

    async def test_one_process_looks_and_goes_on_when_the_database_was_away(
        self, ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
    ):
        gauge, stop, queue = Gauge(0.99), asyncio.Event(), SqlLedger.queue
        away = [True, True, True]

        def shaky(*given: Any, **more: Any) -> Any:
            if away:
                away.pop()
                raise Unavailable("The database is away.")
            return queue(*given, **more)

        monkeypatch.setattr(SqlLedger, "queue", shaky)
        two = [watch(ledger, SETTINGS, gauge, SystemClock(), NEW_ID, stop) for _ in range(2)]
        running = [asyncio.create_task(one) for one in two]
        async with asyncio.timeout(60):
            while not [one for one in ledger.read(incidents.lasting) if one.alert == "memory"]:
                await asyncio.sleep(0.01)
        stop.set()
        await asyncio.gather(*running)
        assert away == []
        assert [one.alert for one in ledger.read(lambda c: incidents.page(c, "all", "", 9))].count("memory") == 1
        take = samples.take_turn
        now = SystemClock().now()
        assert ledger.write(lambda c: take(c, "next", now, 10, 25))  # who leaves keeps nobody waiting
