"""A database that is away is told by who watched, once, and stands among the incidents when it is back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from tests.monitor.receiver import Receiver

from paperlane.clock import SortableIds, SystemClock
from paperlane.errors import StorageFull, Unavailable
from paperlane.ledger.sql import SqlLedger
from paperlane.ledger.transactions import Transactions
from paperlane.machine import Load
from paperlane.model.tasks import UserId
from paperlane.monitor import outage, watching, webhook
from paperlane.monitor.alerts import ALERTS
from paperlane.monitor.watching import watch
from paperlane.records import incidents, schema
from paperlane.records.incidents import Incident, Silence, Telling
from paperlane.settings import Settings
from paperlane.threads import Threads

NEW_ID = SortableIds(SystemClock())
NOBODY_THERE = "http://127.0.0.1:1/hook"


@dataclass
class Hands(SystemClock):
    """A clock that is set by hand, but for what a webhook's letters tell."""

    at: float = 1_000.0

    def monotonic(self) -> float:
        return self.at


def known(
    clock: Hands, url: str, data: Path, *, leads: bool = True, silences: tuple[Silence, ...] = ()
) -> outage.Outage:
    """It looked a moment ago, at 5,000 by the database's clock."""
    settings = Settings(alert_webhook=url, data=data)
    chosen = webhook.Receiver.of(settings)
    made = outage.Outage(ALERTS["database-away"], settings, chosen, clock, NEW_ID, "crane", leads=leads)
    made.saw(5_000.0, silences)
    made.takes_up()
    return made


def lasts(of: outage.Outage, clock: Hands, seconds: float) -> list[Any]:
    """Looks fail for so long; what the log says of it."""
    of.begins()
    of.failed("There is no room to write: disk full.")
    clock.at += seconds
    with capture_logs() as logs:
        of.glance()
        of.begins()
        of.glance()
    return [(line["log_level"], line["alert"], line["subject"], line["message"]) for line in logs]


async def over(of: outage.Outage, ledger: SqlLedger) -> list[Incident]:
    """The database is back; what stands in it."""
    threads = Threads("looks")
    await of.over(ledger, threads)
    threads.close()
    return list(ledger.read(lambda c: incidents.page(c, "all", "", 9)))


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_it_is_logged_and_told_once_and_written_down_as_over(
    ledger: SqlLedger, receiver: Receiver, tmp_path: Path
):
    of = known(clock := Hands(), receiver.url, tmp_path)
    clock.at += 7
    assert lasts(of, clock, 29) == []
    said = "crane could not use the database for 35 s. There is no room to write: disk full."
    assert lasts(of, clock, 6) == [("error", "database-away", "crane", said)]
    assert of._telling is not None
    await of._telling
    assert lasts(of, clock, 500) == []
    (incident,) = await over(of, ledger)
    assert (incident.opening, incident.closing, incident.opened_at) == (Telling.TOLD, Telling.DUE, 5_007.0)
    assert incident.closed_at > incident.opened_at
    assert receiver.told("incident.opened") == [("database-away", "crane")]
    assert len(receiver.arrived) == 1
    assert await over(of, ledger) == [incident]


async def test_what_could_not_be_told_is_due_once_it_is_over(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(outage, "_ANSWER", 0.0)
    of = known(clock := Hands(), NOBODY_THERE, tmp_path)
    assert len(lasts(of, clock, 31)) == 1
    (incident,) = await over(of, ledger)
    assert (incident.opening, incident.closing) == (Telling.DUE, Telling.DUE)


async def test_a_restart_tells_the_end_of_what_was_told(ledger: SqlLedger, receiver: Receiver, tmp_path: Path):
    before = known(clock := Hands(), receiver.url, tmp_path)
    lasts(before, clock, 31)
    assert before._telling is not None
    await before._telling
    assert left_in(tmp_path) == ["database-away.json"]
    async with (restarted := Watchers(ledger, receiver, tmp_path)).watching(1):
        await restarted.until_told("incident.closed", passing=0)
    assert len(restarted.told("incident.opened")) == 1
    assert left_in(tmp_path) == []
    (incident,) = await over(before, ledger)  # it was not gone after all
    assert (incident.opening, incident.closing, incident.opened_at) == (Telling.TOLD, Telling.TOLD, 5_000.0)


async def test_a_restart_leaves_due_what_was_not_told(ledger: SqlLedger, tmp_path: Path):
    lasts(known(clock := Hands(), NOBODY_THERE, tmp_path), clock, 31)
    (incident,) = await over(known(clock, NOBODY_THERE, tmp_path), ledger)
    assert (incident.opening, incident.closing) == (Telling.DUE, Telling.DUE)


async def test_a_folder_that_is_no_good_costs_only_what_a_restart_forgets(ledger: SqlLedger, tmp_path: Path):
    of = known(clock := Hands(), "", tmp_path / "gone")
    of.begins()
    clock.at += 31
    with capture_logs() as logs:
        of.glance()
    assert [line["log_level"] for line in logs] == ["error", "warning"]
    assert len(await over(of, ledger)) == 1
    (tmp_path / "database-away.json").write_text('{"id": "half')
    with capture_logs() as logs:
        torn = known(clock, "", tmp_path)
    assert [line["log_level"] for line in logs] == ["warning"]
    assert len(await over(torn, ledger)) == 1


async def test_who_did_not_watch_keeps_still(ledger: SqlLedger, tmp_path: Path):
    of = known(clock := Hands(), NOBODY_THERE, tmp_path, leads=False)
    assert lasts(of, clock, 400) == []
    assert await over(of, ledger) == []


async def test_what_is_silenced_is_not_told(ledger: SqlLedger, receiver: Receiver, tmp_path: Path):
    of = known(
        clock := Hands(), receiver.url, tmp_path, silences=(Silence("s", "database-away", "", 0.0, 6_000.0, UserId(0)),)
    )
    assert len(lasts(of, clock, 40)) == 1
    (incident,) = await over(of, ledger)
    assert (incident.opening, incident.closing, receiver.arrived) == (Telling.NOTHING, Telling.NOTHING, [])


async def test_a_database_that_reads_and_cannot_write_is_away_still(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(outage, "_ANSWER", 0.0)
    of = known(clock := Hands(), NOBODY_THERE, tmp_path)
    lasts(of, clock, 31)
    with monkeypatch.context() as full:
        full.setattr(incidents, "note", _raises(StorageFull("There is no room to write.")))
        with pytest.raises(StorageFull):
            await over(of, ledger)
    assert len(await over(of, ledger)) == 1


def _raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


@dataclass
class Idle:
    """Sensors of a machine that does nothing."""

    def look(self) -> Load:
        return Load(0.1, 0.1)


def break_down(monkeypatch: pytest.MonkeyPatch, away: threading.Event, meanwhile: Callable[[], object]) -> None:
    """While it is away, this happens in place of whatever is asked of the database."""

    def shaky(works: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*given: Any, **more: Any) -> Any:
            if away.is_set():
                meanwhile()
            return works(*given, **more)

        return asked

    for name in ("ask", "change"):
        monkeypatch.setattr(Transactions, name, shaky(getattr(Transactions, name)))


@dataclass
class Watchers:
    """Processes that watch one ledger, whose monotonic clock stands still."""

    ledger: SqlLedger
    receiver: Receiver
    data: Path
    clock: Hands = field(default_factory=Hands)

    @asynccontextmanager
    async def watching(self, count: int) -> AsyncIterator[None]:
        """Inside, one of them has looked."""
        settings = Settings(alert_seconds=0.1, alert_webhook=self.receiver.url, data=self.data)
        stop = asyncio.Event()
        to = webhook.Receiver.of(settings)
        each = [watch(self.ledger, settings, Idle(), self.clock, NEW_ID, stop, to) for _ in range(count)]
        running = [asyncio.create_task(one) for one in each]
        async with asyncio.timeout(90):
            while not self.ledger.read(lambda c: c.execute(select(schema.samples.c.at)).first()):
                await asyncio.sleep(0.01)
            yield
        stop.set()
        await asyncio.gather(*running)

    def told(self, kind: str) -> list[str]:
        of_kind = [one["data"] for one in self.receiver.taken if one["type"] == kind]
        return [one["message"] for one in of_kind if one["alert"] == "database-away"]

    async def until_told(self, kind: str, *, passing: float) -> None:
        while not self.told(kind):
            self.clock.at += passing
            await asyncio.sleep(0.02)


async def test_looks_that_fail_are_told_by_why_and_so_is_their_end(
    ledger: SqlLedger, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    away, watchers = threading.Event(), Watchers(ledger, receiver, tmp_path)
    break_down(monkeypatch, away, _raises(Unavailable("The database is gone.")))
    with capture_logs() as logs:
        async with watchers.watching(1):
            away.set()
            while not [line for line in logs if line["event"] == "a look at the figures failed"]:
                await asyncio.sleep(0.01)
            await watchers.until_told("incident.opened", passing=10)
            away.clear()
            await watchers.until_told("incident.closed", passing=0)
    assert watchers.told("incident.opened")[0].endswith("The database is gone.")


async def test_of_several_whose_looks_hang_one_tells_it(
    ledger: SqlLedger, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(watching, "_PATIENCE", 1e6)  # nobody takes the turn of one that is only slow
    away, back, watchers = threading.Event(), threading.Event(), Watchers(ledger, receiver, tmp_path)
    break_down(monkeypatch, away, lambda: back.wait(60))
    async with watchers.watching(2):
        away.set()
        await watchers.until_told("incident.opened", passing=10)
        away.clear()
        back.set()
        await watchers.until_told("incident.closed", passing=0)
    letters = [headers["webhook-id"] for headers, body in receiver.arrived if b"database-away" in body]
    assert len(set(letters)) == 2  # one that was on its way as it was over may come twice
    assert watchers.told("incident.opened")[0].endswith("The database does not answer.")
