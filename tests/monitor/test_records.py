"""Samples with their minutes and gaps, whose turn it is to look, and what the tables keep of incidents."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Connection, func, select
from tests.conftest import EVERY_KIND
from tests.databases import opened
from tests.ledger.plans import plans_of

from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import UserId
from paperlane.records import incidents, samples, schema
from paperlane.records.incidents import Incident, Telling

DAY = 86_400
AT = 1_800_000_000.0


@pytest.fixture
def ledger(new_database: Callable[[], str]) -> SqlLedger:
    return SqlLedger(opened(new_database()), Rules())


def count(connection: Connection, step: int) -> int:
    return connection.scalar(select(func.count()).where(schema.samples.c.step == step)) or 0


@EVERY_KIND
def test_one_watches_until_it_is_silent(ledger: SqlLedger):
    def turn(who: str, at: float) -> bool:
        may = ledger.read(lambda c: samples.may_take_turn(c, who, at, 10, 25))
        took = ledger.write(lambda c: samples.take_turn(c, who, at, 10, 25))
        assert may == took
        return took

    taken = [(who, at) for at in range(0, 60, 10) for who in ("a", "b") if at < 20 or who == "b"]
    assert [(who, at) for who, at in taken if turn(who, AT + at)] == [("a", 0), ("a", 10), ("b", 40), ("b", 50)]
    ledger.write(lambda c: samples.leave(c, "b"))
    assert turn("a", AT + 51)
    assert turn("b", AT - 3_600)  # the clock was set back
    ledger.close()


@EVERY_KIND
def test_minutes_are_means_and_gaps_stay_gaps(ledger: SqlLedger):
    looks = {0: {"queued": 1.0}, 10: {"queued": 2.0, "api_p95": 0.5}, 60: {"queued": 9.0}, 301: {"queued": 5.0}}
    for at, series in looks.items():
        ledger.write(lambda c, at=at, series=series: samples.add(c, AT + at, series))
    fine = ledger.read(lambda c: samples.plot(c, AT + 301, 3_600))
    assert (fine.step, [at - AT for at in fine.at]) == (10, [0, 10, 60, 300])
    coarse = ledger.read(lambda c: samples.plot(c, AT + 301, DAY))
    assert (coarse.step, [at - AT for at in coarse.at]) == (60, [0, 60])
    assert coarse.samples[0] == {"queued": 1.5, "api_p95": 0.5}
    ledger.close()


@EVERY_KIND
def test_two_that_watch_at_once_keep_one_sample(ledger: SqlLedger):
    at_once = Barrier(2)

    def add(queued: float) -> None:
        at_once.wait(60)
        for number in range(20):
            ledger.write(lambda c, number=number: samples.add(c, AT + 10 * number, {"queued": queued}))

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(add, queued) for queued in (1.0, 2.0)]:
            done.result()
    ledger.write(lambda c: samples.add(c, AT + 190, {"queued": 3.0}))
    plot = ledger.read(lambda c: samples.plot(c, AT + 200, 3_600))
    assert [at - AT for at in plot.at] == list(range(0, 200, 10))
    assert plot.samples[-1] == {"queued": 3.0}
    ledger.close()


def test_samples_are_bounded_and_a_long_plot_is_thinned_out():
    ledger = SqlLedger(opened("sqlite://"), Rules())

    def fill(connection: Connection) -> None:
        some = [{"step": 60, "at": int(AT) - 60 * n, "content": '{"queued": 1}'} for n in range(31 * 1_440)]
        some += [{"step": 10, "at": int(AT) - 10 * n, "content": '{"queued": 1}'} for n in range(9_000)]
        some.append({"step": 60, "at": int(AT) + 9_000, "content": "{}"})  # of before the clock was set back
        connection.execute(schema.samples.insert(), some)

    ledger.write(fill)
    ledger.write(lambda c: samples.add(c, AT + 60, {"queued": 1.0}))
    assert ledger.read(lambda c: (count(c, 10), count(c, 60))) == (8_636, 43_200)
    for hours in (1, 4, 24, 100, 720):
        plot = ledger.read(lambda c, hours=hours: samples.plot(c, AT, hours * 3_600.0))
        assert hours * 3_600 / plot.step * 0.9 <= len(plot.at) <= 1_500
        assert all(at % plot.step == 0 for at in plot.at)
    ledger.close()


@EVERY_KIND
def test_a_trouble_of_a_subject_is_open_once_and_may_come_again(ledger: SqlLedger):
    first = Incident("a", "queue", "", "warning", 101, 100, AT, {"value": "101"}, opening=Telling.DUE)
    second = Incident("b", "queue", "", "warning", 102, 100, AT + 5)
    assert ledger.write(lambda c: [incidents.begin(c, one) for one in (first, second, first)]) == [True, False, True]
    assert ledger.write(lambda c: (incidents.end(c, "a", AT + 9), incidents.end(c, "a", AT + 10))) == (True, False)
    assert ledger.write(lambda c: incidents.begin(c, second))
    found = ledger.read(lambda c: {which: incidents.page(c, which, "", 9) for which in ("open", "closed", "all")})  # type: ignore[arg-type]
    assert [[one.id for one in some] for some in found.values()] == [["b"], ["a"], ["b", "a"]]
    assert found["closed"][0].closing is Telling.DUE
    by = ledger.write(lambda c: [incidents.acknowledge(c, "b", UserId(who), AT).acknowledged_by for who in (4, 5)])
    assert by == [4, 4]
    ledger.write(lambda c: incidents.forget(c, AT + 400 * DAY))
    assert [one.id for one in ledger.read(lambda c: incidents.page(c, "all", "", 9))] == ["b"]
    ledger.close()


@EVERY_KIND
def test_what_is_to_be_told_is_found_oldest_first_without_reading_a_year_of_incidents(ledger: SqlLedger):
    over = Incident("", "queue", "", "warning", 101, 100, AT, closed_at=AT)

    def fill(connection: Connection) -> None:
        due = {"b": {"opening": Telling.DUE}, "c": {"opening": Telling.TOLD, "closing": Telling.DUE}}
        for name in ["a", *due, *(f"old{n}" for n in range(200))]:
            incidents.begin(connection, replace(over, id=name, subject=name))
            ended = schema.incidents.update().where(schema.incidents.c.id == name)
            connection.execute(ended.values(closed_at=AT, **due.get(name, {})))

    ledger.write(fill)
    asked: list[Incident] = []
    plans = plans_of(ledger, lambda: asked.extend(ledger.read(lambda c: incidents.untold(c, 100))))
    assert [one.id for one in asked] == ["b", "c"]
    used = {access.index for plan in plans.values() for access in plan.of("incidents")}
    assert used == {"incidents_opening", "incidents_closing"}
    assert not any(plan.sorts for plan in plans.values())
    ledger.close()
