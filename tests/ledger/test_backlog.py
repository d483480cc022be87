"""The limit of the whole backlog: it is reached, never passed, and seldom summed up."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import event, update
from tests.ledger.conftest import Bench
from tests.ledger.test_unknown_commits import lost_answer

from paperlane.errors import TooMany, Unavailable
from paperlane.ledger.schema import backlog
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import BatchId, NewBatch, NewTask, TaskId, UserId

LIMIT = 320


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return promising(make_bench(user_backlog=LIMIT, system_backlog=LIMIT))


def promising(bench: Bench) -> Bench:
    """Nothing is promised yet, where an earlier test used the database too."""
    bench.ledger.write(lambda connection: connection.execute(update(backlog).values(promised=0)) and None)
    return bench


def another_process(bench: Bench) -> SqlLedger:
    return SqlLedger(bench.ledger.dialect, bench.ledger.rules, clock=bench.clock)


def bring(bench: Bench, ledger: SqlLedger, tasks: int, user: int = 1) -> None:
    new = [NewTask(TaskId(f"t{next(bench.numbers):05}"), b"{}") for _ in range(tasks)]
    ledger.submit(NewBatch(BatchId(f"b{next(bench.numbers):05}"), UserId(user), new))


def statements(bench: Bench, act: Callable[[], object]) -> list[str]:
    said: list[str] = []
    engines = {bench.ledger.dialect.writer, bench.ledger.dialect.reader}

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    act()
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    return [statement for statement in said if not statement.startswith("BEGIN")]


def test_what_was_promised_is_brought_without_another_statement(bench: Bench):
    bring(bench, bench.ledger, 1)
    for _ in range(8):
        said = statements(bench, lambda: bring(bench, bench.ledger, 1))
        assert not any("sum(" in statement or "UPDATE backlog" in statement for statement in said)
        assert len(said) == 7  # the time, the clocks, the lane; the batch, its tasks and their events; the lane again


def test_nobody_sums_up_before_as_much_has_come_as_may_wait(bench: Bench):
    bring(bench, bench.ledger, 1)
    worker = bench.worker(slots=100)
    bench.ledger.lane(UserId(1), max_running=100)

    def come_and_go() -> None:
        bring(bench, bench.ledger, 30)
        bench.ledger.step("database", worker, [], 30)

    sums = [sum("sum(" in statement for statement in statements(bench, come_and_go)) for _ in range(3)]
    assert sums == [0, 0, 0]


def test_what_has_begun_makes_room(bench: Bench):
    bring(bench, bench.ledger, LIMIT)
    with pytest.raises(TooMany, match="whole system"):
        bring(bench, bench.ledger, 1, user=2)
    bench.ledger.step("database", bench.worker(), [], 3)
    with pytest.raises(TooMany, match="whole system"):
        bring(bench, bench.ledger, 4, user=2)
    bring(bench, bench.ledger, 3, user=2)
    assert bench.ledger.queue().queued == LIMIT


def test_what_was_promised_before_the_last_count_is_promised_no_more(bench: Bench):
    one, other = bench.ledger, another_process(bench)
    bring(bench, one, 1)  # and it is promised 9 more
    bring(bench, other, LIMIT - 10, user=2)
    for _ in range(9):
        bring(bench, other, 1, user=3)  # counted anew for the first of these

    def refuse() -> None:
        with pytest.raises(TooMany, match="whole system"):
            bring(bench, one, 1)

    refuse()
    assert one.queue().queued == LIMIT
    assert sum("FROM backlog" in statement for statement in statements(bench, refuse)) == 1  # it is not overtaken again


def test_what_nobody_committed_was_not_promised(bench: Bench):
    def refuse(_: object) -> None:
        raise ZeroDivisionError

    one, other = bench.ledger, another_process(bench)
    new = NewBatch(BatchId("refused"), UserId(1), [NewTask(TaskId("refused"), b"{}")])
    with pytest.raises(ZeroDivisionError):
        one.submit(new, refuse)
    bring(bench, other, 1, user=2)  # the first count
    bring(bench, other, LIMIT - 10, user=3)
    for _ in range(9):
        bring(bench, other, 1, user=2)
    with pytest.raises(TooMany, match="whole system"):
        bring(bench, one, 1)
    assert one.queue().queued == LIMIT


def test_who_is_refused_for_the_own_limit_uses_up_no_promise(make_bench: Callable[..., Bench]):
    """Or who repeats too large an upload would make everybody's take turns at the row of the backlog."""
    bench = promising(make_bench(user_backlog=5, system_backlog=LIMIT))
    bring(bench, bench.ledger, 1)  # and it is promised 9 more

    def refuse() -> None:
        with pytest.raises(TooMany, match="your tasks"):
            bring(bench, bench.ledger, 6)

    said = [statement for _ in range(5) for statement in statements(bench, refuse)]
    said += statements(bench, lambda: bring(bench, bench.ledger, 5, user=2))
    assert not any("UPDATE backlog" in statement for statement in said)


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_what_an_unknown_commit_was_promised_is_promised_to_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, committed: bool
):
    one, other = bench.ledger, another_process(bench)
    bring(bench, one, 1)  # and it is promised 9 more
    with monkeypatch.context() as at_once, lost_answer(bench, committed=committed):
        at_once.setattr("paperlane.ledger.transactions._TRIES", 1)
        with pytest.raises(Unavailable):
            bring(bench, one, 5)
    bring(bench, other, LIMIT - 10, user=2)
    for _ in range(9 - 5 * committed):
        bring(bench, one, 1)
    with pytest.raises(TooMany, match="whole system"):
        bring(bench, one, 1)
    assert one.queue().queued == LIMIT


def test_a_key_that_is_known_needs_no_room(bench: Bench):
    new = NewBatch(BatchId("b"), UserId(1), [NewTask(TaskId("t"), b"{}")], key="k")
    bench.ledger.submit(new)
    bring(bench, bench.ledger, LIMIT - 1, user=2)
    again = NewBatch(BatchId("c"), UserId(1), [NewTask(TaskId("u"), b"{}")], key="k")
    assert bench.ledger.submit(again)[0].id == "b"


def test_whoever_asks_for_room_sums_up_all_lanes_only_where_none_is_left(bench: Bench):
    def sums() -> int:
        return sum("sum(" in said and "user_id =" not in said for said in statements(bench, ask))

    def ask() -> None:
        with suppress(TooMany):
            bench.ledger.room(UserId(1))

    bring(bench, bench.ledger, 1)
    assert sums() == 0
    bring(bench, bench.ledger, LIMIT - 1, user=2)
    assert sums() == 1
    bench.ledger.step("database", bench.worker(), [], 3)
    bench.ledger.room(UserId(1))  # what has begun made room
