"""The whole system's limit, changed while it runs: nobody is killed, nothing is over it for longer than it must."""

from collections.abc import Callable

import pytest
from tests.ledger.conftest import Bench

from paperlane.model.tasks import Completed, Ended, Lease, UserId, WorkerId


def running(bench: Bench) -> int:
    return bench.ledger.queue().running


def step(bench: Bench, worker: WorkerId, room: int, *ended: Lease) -> list[Lease]:
    done = [Ended(lease, Completed(1.0)) for lease in ended]
    return list(bench.ledger.step("database", worker, done, room))


def beat(bench: Bench, worker: WorkerId) -> int:
    """What a worker does about its slots with each heartbeat."""
    bench.ledger.renew(worker, [])
    return bench.ledger.register(worker, "database", "host", 1, 5)


def test_a_lowered_limit_holds_for_all_workers_together(make_bench: Callable[..., Bench]):
    bench = make_bench(system_limit=10, user_limit=50)
    bench.submit(1, 30)
    a, b = bench.worker("a", 5), bench.worker("b", 5)
    of_a, of_b = step(bench, a, 4), step(bench, b, 1)
    bench.ledger.limit(5)
    for worker in (a, b):
        beat(bench, worker)
        assert step(bench, worker, 5) == []
    step(bench, a, 5, *of_a[:3])
    assert running(bench) <= 5
    for _ in range(3):
        for worker in (a, b):
            beat(bench, worker)
            step(bench, worker, 5)
            assert running(bench) <= 5
    assert running(bench) == 5  # and no room is idle
    assert bench.ledger.renew(b, of_b).lost == ()


def test_a_lowered_limit_counts_what_was_handed_out_too(make_bench: Callable[..., Bench]):
    """Nobody has begun it, so it is at no worker yet; its engine's workers may begin it at any moment."""
    bench = make_bench(system_limit=10, user_limit=50)
    for user, engine in ((1, "database"), (2, "pushed")):
        bench.ledger.lane(UserId(user), engine=engine)
        bench.submit(user, 30)
    pulls, pushed = bench.worker("a", 5), bench.worker("b", 5, engine="pushed")
    leases = bench.ledger.lease("pushed", 5)
    bench.ledger.limit(6)
    step(bench, pulls, 5)
    for lease in leases:
        bench.ledger.begin(lease, pushed)
    assert running(bench) == 6
    bench.ledger.finish(pushed, [Ended(lease, Completed(1.0)) for lease in leases])
    for _ in range(2):
        for lease in bench.ledger.lease("pushed", 5):
            bench.ledger.begin(lease, pushed)
        beat(bench, pulls)
        step(bench, pulls, 5)
        assert running(bench) <= 6
    assert running(bench) == 6


def test_a_raised_limit_is_filled_with_the_next_heartbeats(make_bench: Callable[..., Bench]):
    bench = make_bench(system_limit=4, user_limit=50)
    bench.submit(1, 30)
    a, b = bench.worker("a", 5), bench.worker("b", 5)
    for worker in (a, b):
        step(bench, worker, 5)
    assert running(bench) == 4
    bench.ledger.limit(9)
    assert [beat(bench, worker) for worker in (a, b)] == [5, 4]
    for worker in (a, b):
        step(bench, worker, 5)
    assert running(bench) == 9


@pytest.mark.parametrize(
    ("most", "slots"), [(1, [0, 0, 1, 0]), (2, [0, 0, 1, 1]), (4, [0, 0, 2, 2]), (9, [0, 2, 2, 5])]
)
def test_no_engine_is_left_without_a_slot_while_there_are_any(bench: Bench, most: int, slots: list[int]):
    """Its tasks would wait for as long as the limit holds; the default engine comes first."""
    ids = ["a small one", "b", "c", "d inline"]
    for name, wanted, engine in zip(ids, (1, 4, 4, 9), ["database"] * 3 + ["inline"], strict=True):
        bench.worker(name, wanted, engine=engine)
    bench.ledger.limit(most)
    assert [member.slots for member in sorted(bench.ledger.members(), key=lambda member: member.id)] == slots
