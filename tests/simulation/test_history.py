"""The history of a ledger is simulated as it went, and differently where the setting is another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import update
from tests.simulation.test_law import ROOMY, load
from tests.simulation.whole import WholeLedger

from paperlane.bench.report import as_text
from paperlane.bench.spread import mean
from paperlane.errors import BadRequest
from paperlane.ledger import Kept, Ledger
from paperlane.ledger.schema import tasks
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId
from paperlane.simulation.beside import Column, simulated
from paperlane.simulation.history import History, forgotten, left_out
from paperlane.simulation.report import report_of
from paperlane.simulation.run import Simulation
from paperlane.simulation.setting import Crew, Setting

SETTING = Setting((Crew(workers=1, slots=6),), user_limit=3, limits={2: 5}, weights={2: 2.0})


@contextmanager
def lived() -> Iterator[Ledger]:
    """A real ledger, with what its workers did for some minutes."""
    life = Simulation(SETTING, load(5, 90, 12), rules=ROOMY)
    life.books = whole = WholeLedger.below(life)
    try:
        life.run()
        yield whole.ledger
    finally:
        whole.dialect.close()


def again(history: History, setting: Setting) -> Column:
    return simulated("", history.setting(setting), history.load(), history.is_heavy, rules=ROOMY)


def test_a_history_is_simulated_as_it_went_under_the_setting_that_it_had():
    with lived() as ledger:
        history = History(ledger, since=0.0)
        figures = again(history, replace(SETTING, limits={}, weights={})).figures  # the lanes tell of these
        measured = history.measured
        assert history.tasks == figures.tasks == measured.completed > 250
        assert figures.users == len(history.users)
        assert figures.wait.mean == pytest.approx(sum(measured.waits) / len(measured.waits))
        assert figures.seconds == pytest.approx(measured.ended - measured.began)
        better = again(history, replace(SETTING, crews=(Crew(workers=2, slots=6),))).figures
        assert better.wait.mean < 0.7 * figures.wait.mean


def test_a_history_begins_when_it_is_told_to_and_goes_by_pages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("paperlane.simulation.history._PAGE", 7)
    with lived() as ledger:
        whole = History(ledger, since=0.0)
        middle = (whole.measured.began + max(one.at for one in whole.load())) / 2
        part = History(ledger, since=middle)
        assert 0 < part.tasks < whole.tasks
        arrivals = [one.at for one in part.load()]
        assert arrivals == sorted(arrivals)
        assert arrivals[0] >= middle - 1e-6
        with pytest.raises(BadRequest, match="no tasks of that time"):
            History(ledger, since=1e9)


def test_tasks_that_have_not_ended_are_guessed_and_cancelled_ones_left_out():
    with lived() as ledger:
        before = History(ledger, since=0.0).tasks
        new = [NewTask(TaskId(f"x{n}"), b"{}", cost=5.0) for n in range(3)]
        ledger.submit(NewBatch(BatchId("x"), UserId(3), new))
        ledger.cancel(TaskId("x0"))
        history = History(ledger, since=0.0)
        assert (history.tasks, history.guessed, history.cancelled) == (before + 2, 2, 1)
        assert "How long 2 tasks take is not known: each takes as long as one of about its size." in left_out(history)
        known = {task.used for task in ledger.past(0.0) if task.used}
        *_, last = history.load()
        assert {work.seconds for work in last.works} <= known


def test_of_a_task_that_was_started_again_the_second_run_is_not_taken_for_the_first():
    with lived() as ledger:
        before = History(ledger, since=0.0)
        ended = next(task.id for task in ledger.past(0.0) if task.used)
        ledger.write(
            lambda c: c.execute(update(tasks).where(tasks.c.id == ended).values(run=2, started_at=9e8)) and None
        )
        history = History(ledger, since=0.0)
        assert (history.tasks, history.guessed) == (before.tasks, before.guessed + 1)
        assert "How long 1 task takes is not known: it takes as long as one of about its size." in left_out(history)
        assert max(history.measured.waits) <= max(before.measured.waits)


def test_a_task_that_was_to_run_later_comes_later():
    with lived() as ledger:
        ledger.submit(NewBatch(BatchId("x"), UserId(3), [NewTask(TaskId("x0"), b"{}")], run_at=90_000.0))
        *_, last = History(ledger, since=0.0).load()
        assert last.at == pytest.approx(90_000.0)


def test_where_some_have_not_begun_what_was_measured_stands_beside_the_same_tasks():
    with lived() as ledger:
        before = History(ledger, since=0.0)
        assert before.measured.whole
        new = [NewTask(TaskId(f"x{n}"), b"{}", cost=5.0) for n in range(40)]
        ledger.submit(NewBatch(BatchId("x"), UserId(3), new))
        history = History(ledger, since=0.0)
        measured = history.measured
        assert (measured.tasks, measured.not_begun, measured.whole) == (before.tasks + 40, 40, False)
        column = again(history, replace(SETTING, limits={}, weights={}))
        waits = column.figures.measured_wait
        assert (column.figures.wait.count, waits.count) == (before.tasks + 40, len(measured.waits))
        assert waits.mean == pytest.approx(mean(measured.waits))
        assert column.figures.wait.mean != pytest.approx(waits.mean)
        report = report_of([column], "A week.", {}, more=left_out(history), measured=measured)
        rows = {row[0]: row[2:] for row in report.tables[0].rows}
        assert rows["wait, mean"] == ["", column.figures.wait.mean]  # of all: nobody knows in truth
        assert rows["begun in truth: wait, mean"] == [pytest.approx(waits.mean), waits.mean]
        assert rows["begun in truth: wait, P95"] == [pytest.approx(waits.p95), waits.p95]
        some = replace(column.figures, measured_wait=replace(waits, count=waits.count - 1))
        (table, *_) = report_of([replace(column, figures=some)], "A week.", {}, measured=measured).tables
        assert {row[0]: row[3] for row in table.rows}["begun in truth: wait, mean"] == ""  # one never began here
        assert rows["tasks not begun"] == [40, 0]
        assert report.words["measured"]["tasks not begun"] == 40
        assert "40 tasks have not begun yet" in as_text(report)


def test_where_all_began_there_is_one_row_for_both():
    with lived() as ledger:
        history = History(ledger, since=0.0)
        column = again(history, replace(SETTING, limits={}, weights={}))
        report = report_of([column], "A week.", {}, more=left_out(history), measured=history.measured)
        rows = {row[0]: row[2:] for row in report.tables[0].rows}
        assert rows["wait, mean"] == [pytest.approx(column.figures.wait.mean), column.figures.wait.mean]
        assert not any("in truth" in name for name in rows)
        assert left_out(history) == []


def test_what_was_open_when_the_period_began_is_left_out_and_told():
    with lived() as ledger:
        whole = History(ledger, since=0.0)
        middle = (whole.measured.began + max(one.at for one in whole.load())) / 2
        part = History(ledger, since=middle)
        came_before = sum(task.submitted < middle <= task.finished for task in ledger.past(0.0))
        assert (whole.open_before, part.open_before) == (0, came_before)
        assert came_before > 0
        assert any(f"{came_before} tasks that came earlier were still open" in said for said in left_out(part))


def test_users_of_an_engine_without_workers_are_told():
    with lived() as ledger:
        history = History(ledger, since=0.0)
        (said,) = left_out(history, Setting((Crew("arq"),)))
        assert said == f"No worker serves database now: arq carries its {len(history.users)} users here."
        assert left_out(history, SETTING) == []


DAY = 86_400.0


def test_of_what_is_not_kept_so_long_it_is_told_since_when_it_is_missing_and_what_there_is_too_much_of():
    with lived() as ledger:
        history, kept = History(ledger, since=0.0), Kept(finished=90 * DAY, failed=365 * DAY)
        assert forgotten(history, kept, 90 * DAY) == []
        some = (
            "Completed tasks are kept for 90 days: of those that ended before 1970-01-11 00:00 UTC some or all are "
            "missing. Failed ones are kept for 365 days, so of that time too many of what is left failed."
        )
        assert forgotten(history, kept, 100 * DAY) == [some]
        (_, failed) = forgotten(history, kept, 366 * DAY)
        assert failed == (
            "Of the failed ones too some or all are missing, where they ended before 1970-01-02 00:00 UTC."
        )
        (other,) = forgotten(history, Kept(finished=0, failed=7 * DAY), 8 * DAY)
        assert other.startswith("Failed tasks are kept for 7 days: of those")
        assert other.endswith(" Completed ones are kept for ever, so of that time too many of what is left completed.")
        (both,) = forgotten(history, Kept(finished=7 * DAY, failed=7 * DAY), 9 * DAY)
        assert both == (
            "Tasks are kept for 7 days after their end: of those that ended before 1970-01-03 00:00 UTC some or all "
            "are missing."
        )
        assert forgotten(history, Kept(finished=0, failed=0), 9_999 * DAY) == []
        assert forgotten(history, replace(kept, until=90 * DAY), 100 * DAY) == []  # none were older when it last went


def test_who_has_as_many_tasks_as_are_kept_may_have_had_more():
    with lived() as ledger:
        history = History(ledger, since=0.0)
        (busiest, most), *_ = history.users.most_common(1)
        assert history.ended.total() == history.tasks
        assert forgotten(history, Kept(most=most + 1), 1.0) == []
        (told,) = forgotten(history, Kept(most=most), 1.0)
        assert (
            told == f"1 user has {most} completed or failed tasks, the most that are kept: earlier ones may be missing."
        )
        assert forgotten(history, Kept(most=0), 1.0) == []
        assert busiest in history.users
