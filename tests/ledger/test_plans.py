"""How the database carries out the statements that every task passes through: by index, without a sort."""

from collections.abc import Callable

from sqlalchemy import Connection, event
from tests.ledger.conftest import Bench
from tests.ledger.test_contract import BUSY

from paperlane.model.tasks import Checkpoint, Completed, Ended, Progress, Retry


def plans_of(bench: Bench, work: Callable[[], None]) -> dict[str, list[str]]:
    """Every statement that `work` runs, with its query plan."""
    statements: dict[str, tuple[object, ...]] = {}

    def note(_c: object, _cursor: object, statement: str, parameters: object, _context: object, *many: bool) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements[statement] = tuple(parameters[0] if many[0] else parameters)  # type: ignore[index, arg-type]

    engines = {bench.ledger.dialect.writer, bench.ledger.dialect.reader}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    work()
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)

    def explain(connection: Connection) -> dict[str, list[str]]:
        return {
            statement: [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in statements.items()
        }

    return bench.ledger.read(explain)


def test_nothing_that_a_task_passes_through_scans_tasks_or_sorts_a_backlog(bench: Bench):
    for user in range(1, 300):
        bench.submit(user, 2)
    worker = bench.worker()

    def a_days_work() -> None:
        bench.submit(5, 3)
        leases = list(bench.ledger.step("database", worker, [], 10))
        for lease in leases:
            bench.ledger.begin(lease, worker)
            bench.ledger.started(lease, worker, Progress("parse", 0))
            bench.ledger.save(lease, worker, Checkpoint("parse", "k", b"x"), Progress("parse", 35))
            bench.ledger.checkpoint(lease.task, "parse", "k")
        bench.ledger.renew(worker, leases)
        outcomes = [Retry(BUSY), *[Completed(1.0)] * 9]
        ended = [Ended(lease, outcome) for lease, outcome in zip(leases, outcomes, strict=True)]
        bench.clock.pass_time(6)
        bench.ledger.step("database", worker, ended, 10)
        bench.ledger.lease("database", 5)
        bench.ledger.runnable("database")
        bench.ledger.moved({lease.task: 1 for lease in leases})
        bench.ledger.recover()

    plans = plans_of(bench, a_days_work)
    assert len(plans) > 15
    scans = ("SCAN tasks", "SCAN events", "SCAN checkpoints", "SCAN attempts", "SCAN lanes")
    bounded = ("tasks.batch_id = ?", "FROM events", "FROM checkpoints")  # one batch, one task: what they sort is small
    small = ("INDEX tasks_lease", "INDEX tasks_worker", "INDEX lanes_backlog")  # hold what runs, or who has a backlog
    bad = {
        statement: plan
        for statement, plan in plans.items()
        for line in plan
        if (line.startswith(scans) and not line.endswith(small))
        or ("TEMP B-TREE" in line and not any(part in statement for part in bounded))
    }
    assert not bad, bad


def test_the_next_lanes_come_in_the_order_of_their_index(bench: Bench):
    bench.submit(1)
    worker = bench.worker()
    plans = plans_of(bench, lambda: bench.ledger.step("database", worker, [], 10) and None)
    (pick,) = [
        plan for statement, plan in plans.items() if "FROM lanes" in statement and "ORDER BY lanes.vtime" in statement
    ]
    assert pick == ["SEARCH lanes USING INDEX lanes_turn (engine=? AND band=?)"]
    (heads,) = [plan for statement, plan in plans.items() if "ORDER BY tasks.sort_key" in statement]
    assert heads == ["SEARCH tasks USING INDEX tasks_ready (user_id=?)"]


def test_what_runs_is_counted_without_the_backlog(bench: Bench):
    for user in range(1, 300):
        bench.submit(user, 2)

    def look() -> None:
        bench.ledger.members()
        bench.ledger.queue()

    plans = plans_of(bench, look)
    running = [plan for statement, plan in plans.items() if "IN ('leased', 'running')" in statement]
    assert len(running) == 2
    assert all(line.split()[-1] in {"tasks_worker", "tasks_lease"} for (line,) in running), running
