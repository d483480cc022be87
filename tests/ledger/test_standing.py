"""What a worker runs is counted where it is not known, and its slots hold all the same."""

from collections.abc import Callable

from sqlalchemy import event
from tests.ledger.conftest import Bench

from paperlane.model.tasks import Completed, Ended, Lease, WorkerId


def counts(bench: Bench, act: Callable[[], object]) -> int:
    """How often that counts what a worker runs."""
    said: list[str] = []
    engine = bench.ledger.dialect.writer

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    act()
    event.remove(engine, "before_cursor_execute", note)
    return sum(statement.startswith("SELECT count(*)") and "worker_id" in statement for statement in said)


def step(bench: Bench, worker: WorkerId, ended: list[Lease], room: int = 10) -> list[Lease]:
    return list(bench.ledger.step("database", worker, [Ended(lease, Completed(1.0)) for lease in ended], room))


def test_steps_in_a_row_count_once(bench: Bench):
    bench.submit(1, 9)
    worker = bench.worker(slots=3)
    held: list[Lease] = []

    def turn() -> None:
        held[:] = step(bench, worker, held, 3)

    assert [counts(bench, turn) for _ in range(3)] == [1, 0, 0]
    assert len(held) == 3


def test_slots_hold_whatever_is_remembered(bench: Bench):
    bench.submit(1, 9)
    worker = bench.worker(slots=3)
    first = step(bench, worker, [], 2)
    second = step(bench, worker, [])
    assert (len(first), len(second), len(step(bench, worker, []))) == (2, 1, 0)
    assert len(step(bench, worker, first[:1])) == 1
    assert len(step(bench, worker, first[:1])) == 0  # it is over already: nothing has become free


def test_what_ends_otherwise_makes_room(bench: Bench):
    bench.submit(1, 9)
    worker = bench.worker(slots=3)
    held = step(bench, worker, [])
    bench.ledger.finish(worker, [Ended(held[0], Completed(1.0))])
    assert len(step(bench, worker, [])) == 1


def test_what_is_begun_otherwise_takes_room(bench: Bench):
    bench.submit(1, 9)
    worker = bench.worker(slots=3)
    assert len(step(bench, worker, [], 1)) == 1
    lease = bench.ledger.lease("database", 1)[0]
    bench.ledger.begin(lease, worker)
    assert len(step(bench, worker, [], 2)) == 1


def test_what_a_sweep_took_away_is_noticed(bench: Bench):
    bench.submit(1, 9)
    worker = bench.worker(slots=3)
    step(bench, worker, [])
    bench.clock.pass_time(31)
    bench.ledger.recover()
    bench.worker(slots=3)
    assert len(step(bench, worker, [])) == 3


def test_a_worker_that_left_and_one_that_came_are_two(bench: Bench):
    bench.submit(1, 9)
    worker = bench.worker(slots=3)
    step(bench, worker, [])
    bench.ledger.leave(worker)
    bench.worker(slots=3)
    assert len(step(bench, worker, [])) == 3
