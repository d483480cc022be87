"""Nothing that came is missing from the figures: what never began is counted, and told in every form of a report."""

import json

import pytest

from paperlane.bench.report import as_json, as_markdown, as_text
from paperlane.bench.spread import jain
from paperlane.simulation.beside import Column, simulated
from paperlane.simulation.measuring import Measures
from paperlane.simulation.report import report_of
from paperlane.simulation.run import Arrival, Simulation, Work
from paperlane.simulation.setting import Crew, Setting

WORK = Work(10.0, 10.0)
ONE_SLOT = Setting((Crew(workers=1, slots=1),))


def half_served() -> Column:
    """Three tasks of a user, one after the other, and two of another one, whose engine nobody serves."""
    load = iter([Arrival(0.0, 1, [WORK] * 3), Arrival(5.0, 2, [WORK] * 2)])
    return simulated("here", ONE_SLOT, load, lambda _: False, engine_of=lambda user: "arq" if user == 2 else "database")


def test_tasks_that_never_begin_are_counted_and_have_waited_until_the_end():
    figures = half_served().figures
    assert (figures.came, figures.tasks, figures.not_begun) == (5, 3, 2)
    assert (figures.wait.count, figures.wait.mean) == (3, 10.0)
    waits = (0 + 10 + 20) / 3, 25.0  # of each user; the end is after 30 s
    assert figures.wait_until_end == figures.light_wait_until_end == pytest.approx((3 * waits[0] + 2 * waits[1]) / 5)
    # in a round of turns the third start is the other one's, who came after 5 s
    fair = (0 + 10 + 30) / 3, (15 + 25) / 2
    assert figures.light_ratio_p95 == pytest.approx(waits[1] / fair[1])
    assert figures.jain == pytest.approx(jain([fair[0] / waits[0], fair[1] / waits[1]]))


def test_they_are_told_in_the_text_the_table_and_to_programs():
    report = report_of([half_served()], "A load.", {})
    told = "here: 2 tasks had not begun at the end, of 5. Waits are of those that began; of all, until the end, the"
    assert f"{told} mean is 16 s." in as_text(report)
    assert told in as_markdown(report)
    rows = {row[0]: row[2] for row in report.tables[0].rows}
    assert (rows["tasks completed"], rows["tasks not begun"], rows["wait, mean"]) == (3, 2, 10.0)
    assert rows["wait until the end, mean"] == rows["light users' wait until the end, mean"] == 16.0
    (words,) = json.loads(as_json(report))["settings"]
    assert (words["came"], words["not_begun"], words["wait_until_end"]) == (5, 2, 16.0)


def test_an_engine_that_no_slot_is_left_for_is_named():
    setting = Setting((Crew(workers=2, slots=5), Crew("arq", 1, 5)), system_limit=1)
    load = iter([Arrival(0.0, 1, [WORK]), Arrival(0.0, 2, [WORK] * 3)])
    engines = {1: "database", 2: "arq"}
    column = simulated("few", setting, load, lambda _: False, engine_of=engines.__getitem__)
    told = as_text(report_of([column], "A load.", {}))
    assert "few: 3 tasks had not begun at the end, of 4, as no slot is left for arq." in told


def test_where_a_simulation_is_stopped_some_have_not_begun():
    measures = Measures(ONE_SLOT, lambda _: False)
    Simulation(ONE_SLOT, [Arrival(0.0, 1, [WORK] * 4)], watchers=[measures]).run(until=25.0)
    figures = measures.figures()
    assert (figures.came, figures.tasks, figures.not_begun) == (4, 2, 1)
    assert figures.wait_until_end == pytest.approx((0 + 10 + 20 + 25) / 4)


def test_where_all_begin_nothing_is_said_of_those_that_did_not():
    column = simulated("here", ONE_SLOT, iter([Arrival(0.0, 1, [WORK] * 3)]), lambda _: False)
    assert column.figures.not_begun == 0
    assert column.figures.wait_until_end == pytest.approx(column.figures.wait.mean)
    report = report_of([column], "A load.", {})
    assert not any("not begun" in said for said in report.said)
    rows = {row[0]: row[2] for row in report.tables[0].rows}
    assert rows["tasks not begun"] == 0
    assert not any("until the end" in name or "in truth" in name for name in rows)


@pytest.mark.parametrize(("tasks", "served"), [(2_500, True), (30, True), (30, False)])
def test_progress_reaches_all_that_came(tasks: int, *, served: bool):
    told: list[int] = []
    load = iter([Arrival(0.0, 1, [WORK] * tasks)])
    engine = "database" if served else "arq"
    simulated("", ONE_SLOT, load, lambda _: False, engine_of=lambda _: engine, progress=told.append)
    assert sum(told) == tasks
