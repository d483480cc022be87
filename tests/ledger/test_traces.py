"""What a task's history tells as spans, once it has ended."""

from collections.abc import Sequence
from functools import partial

import pytest
from tests.databases import IN_MEMORY
from tests.ledger.conftest import Bench

from paperlane.ledger.traces import spans_of
from paperlane.model.tasks import (
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Fault,
    Lease,
    Outcome,
    Paused,
    Progress,
    Retry,
    Stage,
    TaskId,
    WorkerId,
    Yielded,
)
from paperlane.tracing import Span, attempt_of, root_of

pytestmark = pytest.mark.parametrize("make_bench", [IN_MEMORY], indirect=True)

Told = tuple[str, float, float, str]


def spans(bench: Bench, task: TaskId) -> Sequence[Span]:
    return bench.ledger.read(partial(spans_of, task=task))


def told(bench: Bench, task: TaskId, since: float = 1_000_000.0) -> list[Told]:
    """Each span's name, beginning, end and fault, in the order in which they began; the whole task last."""
    *inside, whole = spans(bench, task)
    roots = {whole.place, *(span.place for span in inside)}
    assert whole.parent is None
    assert {span.parent for span in inside} <= roots
    assert len(roots) == len(inside) + 1
    inside.sort(key=lambda span: (span.began, span.ended))
    return [(one.name, one.began - since, one.ended - since, one.fault) for one in (*inside, whole)]


def claim(bench: Bench, worker: WorkerId) -> Lease:
    (lease,) = bench.ledger.step("database", worker, [], 1)
    return lease


def end(bench: Bench, worker: WorkerId, lease: Lease, outcome: Outcome) -> None:
    bench.ledger.finish(worker, [Ended(lease, outcome)])


def test_a_task_has_waited_and_run(bench: Bench):
    (task,) = bench.submit(7)
    bench.clock.pass_time(3)
    worker = bench.worker()
    lease = claim(bench, worker)
    assert spans(bench, task) == ()  # it goes on
    bench.clock.pass_time(5)
    end(bench, worker, lease, Completed())
    assert told(bench, task) == [("wait", 0, 3, ""), ("attempt 1", 3, 8, ""), ("task", 0, 8, "")]
    _, attempt, whole = spans(bench, task)
    assert (attempt.place, whole.place) == (attempt_of(task, 1), root_of(task))
    assert (attempt.fields["engine"], attempt.fields["worker"], attempt.fields["outcome"]) == (
        "database", "worker", "completed"
    )  # fmt: skip
    assert (whole.fields["task"], whole.fields["user"], whole.fields["status"]) == (task, 7, "completed")


def test_what_is_put_off_is_delayed_and_waits_only_from_then_on(bench: Bench):
    (task,) = bench.submit(7, run_at=bench.clock.now() + 60)
    worker = bench.worker()
    bench.clock.pass_time(61)
    lease = claim(bench, worker)
    end(bench, worker, lease, Completed())
    assert told(bench, task) == [
        ("delay", 0, 61, ""), ("wait", 61, 61, ""), ("attempt 1", 61, 61, ""), ("task", 0, 61, "")
    ]  # fmt: skip


def test_each_try_is_told_with_what_it_waited_for(bench: Bench):
    (task,) = bench.submit(7)
    worker = bench.worker()
    end(bench, worker, claim(bench, worker), Retry(Fault("busy", "The secret thing was busy.")))
    bench.clock.pass_time(5)
    end(bench, worker, claim(bench, worker), Yielded())
    bench.clock.pass_time(2)
    end(bench, worker, claim(bench, worker), Completed())
    assert told(bench, task) == [
        ("wait", 0, 0, ""), ("attempt 1", 0, 0, "busy"),
        ("delay", 0, 5, ""), ("wait", 5, 5, ""), ("attempt 2", 5, 5, ""),
        ("wait", 5, 7, ""), ("attempt 2", 7, 7, ""),
        ("task", 0, 7, ""),
    ]  # fmt: skip
    waits = [span.fields.get("after") for span in spans(bench, task) if span.name == "wait"]
    assert waits == [None, "retry", "yielded"]
    assert "secret" not in repr(spans(bench, task))


def test_a_worker_that_died_is_told_with_the_step_that_it_died_in(bench: Bench):
    (task,) = bench.submit(7)
    worker = bench.worker()
    lease = claim(bench, worker)
    bench.clock.pass_time(1)
    bench.ledger.started(lease, worker, Progress("one", 0))
    bench.clock.pass_time(1)
    bench.ledger.save(lease, worker, Checkpoint("one", "key", b"1"), Progress("one", 50))
    bench.ledger.started(lease, worker, Progress("two", 50))
    bench.clock.pass_time(1)
    bench.ledger.leave(worker)
    other = bench.worker("other")
    lease = claim(bench, other)
    bench.ledger.started(lease, other, Progress("one", 50), resumed=True)
    end(bench, other, lease, Completed())
    assert told(bench, task) == [
        ("wait", 0, 0, ""), ("attempt 1", 0, 3, "crashed"), ("one", 1, 2, ""), ("two", 2, 3, "crashed"),
        ("wait", 3, 3, ""), ("attempt 1", 3, 3, ""), ("task", 0, 3, ""),
    ]  # fmt: skip
    one, two = (span for span in spans(bench, task) if span.name in {"one", "two"})
    assert one.place == attempt_of(task, 1).child("one")  # as the worker would have told it
    assert two.parent == attempt_of(task, 1)


def test_each_part_of_an_attempt_is_a_span_of_its_own(bench: Bench):
    (task,) = bench.submit(7)
    worker = bench.worker()
    (lease,) = bench.ledger.lease("database", 1)
    bench.clock.pass_time(1)
    bench.ledger.begin(lease, worker)
    end(bench, worker, lease, Paused(Stage.MODEL, 1.0))
    bench.clock.pass_time(2)
    (lease,) = bench.ledger.lease("database", 1)
    bench.clock.pass_time(1)
    bench.ledger.begin(lease, worker)
    end(bench, worker, lease, Completed())
    assert told(bench, task) == [
        ("wait", 0, 1, ""), ("attempt 1", 1, 1, ""), ("wait", 1, 4, ""), ("attempt 1", 4, 4, ""), ("task", 0, 4, "")
    ]  # fmt: skip
    waits = [
        (one.fields.get("after"), one.fields["carried_seconds"]) for one in spans(bench, task) if "wait" in one.name
    ]
    assert waits == [(None, 1), ("paused", 1)]


def test_a_task_that_a_person_starts_again_is_another_span_of_the_same_trace(bench: Bench):
    (task,) = bench.submit(7)
    worker = bench.worker()
    bench.clock.pass_time(1)
    end(bench, worker, claim(bench, worker), Failed(Fault("damaged", "It is damaged.")))
    first = spans(bench, task)
    assert [(one.name, one.fault) for one in first] == [("wait", ""), ("attempt 1", "damaged"), ("task", "damaged")]
    bench.clock.pass_time(10)
    bench.ledger.retry(task)
    bench.clock.pass_time(1)
    lease = claim(bench, worker)
    end(bench, worker, lease, Completed())
    assert told(bench, task) == [("wait", 11, 12, ""), ("attempt 1", 12, 12, ""), ("task", 11, 12, "")]
    again = spans(bench, task)
    assert {span.place.trace for span in (*first, *again)} == {root_of(task).trace}
    assert again[-1].place == root_of(task, 2)
    assert not {span.place for span in first} & {span.place for span in again}


def test_a_try_that_waits_and_is_cancelled_is_told_whole(bench: Bench):
    (task,) = bench.submit(7)
    worker = bench.worker()
    end(bench, worker, claim(bench, worker), Yielded())
    bench.clock.pass_time(4)
    bench.ledger.cancel(task)
    assert told(bench, task) == [
        ("wait", 0, 0, ""), ("attempt 1", 0, 0, ""), ("wait", 0, 4, ""), ("task", 0, 4, "")
    ]  # fmt: skip


def test_told_twice_it_says_the_same(bench: Bench):
    (task,) = bench.submit(7)
    bench.ledger.cancel(task)
    assert spans(bench, task) == spans(bench, task)
