"""The history of a ledger is simulated as it went, and differently where the setting is another."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import update
from tests.simulation.test_law import ROOMY, load
from tests.simulation.whole import WholeLedger

from paperlane.errors import BadRequest
from paperlane.ledger import Ledger
from paperlane.ledger.schema import tasks
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId
from paperlane.simulation.beside import Column, simulated
from paperlane.simulation.history import History
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
        assert max(history.measured.waits) <= max(before.measured.waits)


def test_a_task_that_was_to_run_later_comes_later():
    with lived() as ledger:
        ledger.submit(NewBatch(BatchId("x"), UserId(3), [NewTask(TaskId("x0"), b"{}")], run_at=90_000.0))
        *_, last = History(ledger, since=0.0).load()
        assert last.at == pytest.approx(90_000.0)
