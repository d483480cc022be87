"""The whole system's limit, changed while it runs: nobody is killed, nothing is over it for longer than it must."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from tests.databases import SERVERS
from tests.ledger.conftest import Bench
from tests.ledger.test_unknown_commits import until_waiting

from paperlane.ledger import channels, recovery
from paperlane.model.tasks import Attempt, Completed, Ended, Lease, Span, UserId, WorkerId


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


def slots(bench: Bench) -> dict[str, int]:
    return {member.id: member.slots for member in bench.ledger.members()}


def asks(bench: Bench, name: str, engine: str, most: int = 5, span: Span | None = None) -> int:
    return bench.ledger.register(WorkerId(name), engine, "host", 1, most, span=span)


def test_who_joins_an_engine_that_nobody_serves_has_a_slot_though_none_is_left(make_bench: Callable[..., Bench]):
    bench = make_bench(system_limit=10)
    asks(bench, "a", "database", 7)
    asks(bench, "b", "database", 5)
    assert slots(bench) == {"a": 7, "b": 3}
    assert asks(bench, "c", "database") == 0  # its engine is served
    assert asks(bench, "d", "pushed") == 1
    assert [asks(bench, "a", "database", 7), asks(bench, "c", "database"), asks(bench, "d", "pushed")] == [6, 0, 1]
    assert asks(bench, "e", "pushed") == 0
    assert slots(bench) == {"a": 6, "b": 3, "c": 0, "d": 1, "e": 0}


def test_a_slot_that_is_spared_is_the_joining_ones_as_soon_as_nothing_runs_in_it(make_bench: Callable[..., Bench]):
    bench = make_bench(system_limit=5, user_limit=50)
    bench.submit(1, 30)
    bench.ledger.lane(UserId(2), engine="pushed")
    bench.submit(2, 1)
    worker = bench.worker("a", 5)
    leases = step(bench, worker, 5)
    assert asks(bench, "d", "pushed") == 0
    assert beat(bench, worker) == 4  # what it does not get back is left for the other one
    assert step(bench, worker, 5, *leases[:1]) == []
    assert [asks(bench, "d", "pushed"), beat(bench, worker)] == [1, 4]
    (lease,) = bench.ledger.lease("pushed", 5)
    bench.ledger.begin(lease, WorkerId("d"))
    assert step(bench, worker, 5) == []
    assert running(bench) == 5


def test_no_slot_is_spared_that_another_engine_would_lack(make_bench: Callable[..., Bench]):
    bench = make_bench(system_limit=2)
    assert [asks(bench, name, name, 1) for name in ("database", "inline", "pushed")] == [1, 1, 0]
    assert [asks(bench, name, name, 1) for name in ("database", "inline", "pushed")] == [1, 1, 0]
    bench.ledger.leave(WorkerId("inline"))
    assert [asks(bench, "database", "database", 2), asks(bench, "pushed", "pushed", 1)] == [1, 1]


def test_slots_by_which_others_have_grown_are_spared_before_those_they_began_with(make_bench: Callable[..., Bench]):
    bench = make_bench(system_limit=12)
    asks(bench, "a", "database", 4)
    asks(bench, "grown", "database", 8, Span(3, 1, 20))
    assert asks(bench, "d", "pushed", 2) == 2
    assert slots(bench) == {"a": 4, "grown": 6, "d": 2}


ON_SERVERS = pytest.mark.parametrize("make_bench", sorted(SERVERS), indirect=True)


@contextmanager
def not_committed_yet(
    monkeypatch: pytest.MonkeyPatch, room: object, name: str, call: Callable[[], Any]
) -> Iterator[tuple[Callable[[], None], Future[Any]]]:
    """A call that has done what `name` stands for, and goes on only when the given function is called."""
    done, onward = Event(), Event()
    does = getattr(room, name)

    def stays(*args: Any, **kwargs: Any) -> Any:
        given = does(*args, **kwargs)
        done.set()
        onward.wait(60)
        return given

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(room, name, stays)
        calling = pool.submit(call)
        try:
            assert done.wait(60)
            yield onward.set, calling
        finally:
            onward.set()


@ON_SERVERS
@pytest.mark.parametrize("how", ["another joins", "it wants fewer", "the limit falls"])
def test_the_limit_holds_for_what_is_handed_out_while_a_push_worker_loses_slots(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, how: str
):
    bench = make_bench(system_limit=6, user_limit=50)
    for user, engine in ((1, "pushed"), (2, "database")):
        bench.ledger.lane(UserId(user), engine=engine, max_running=50)
        bench.submit(user, 20)
    grown, joins, span = WorkerId("grown"), WorkerId("joins"), Span(2, 1, 6)
    bench.ledger.register(grown, "pushed", "h", 1, 6, span=span)

    def lose() -> None:
        if how == "it wants fewer":
            bench.ledger.register(grown, "pushed", "h", 1, 2, span=span)
        if how == "the limit falls":
            bench.ledger.limit(4)
        bench.ledger.register(joins, "database", "h", 1, 4)

    leasing = not_committed_yet(monkeypatch, channels, "_given_out", lambda: bench.ledger.lease("pushed", 10))
    with leasing as (go_on, leased), ThreadPoolExecutor(1) as pool:
        losing = pool.submit(lose)
        until_waiting(bench)
        go_on()
        losing.result(60)
        leases = leased.result(60)
    begun = bench.ledger.begin_all(grown, leases)
    assert [type(one) for one in begun] == [Attempt] * 6
    assert step(bench, joins, 10) == []
    assert [type(one) for one in bench.ledger.begin_all(grown, bench.ledger.lease("pushed", 10))] == []
    assert running(bench) == 6
    bench.ledger.finish(grown, [Ended(lease, Completed(1.0)) for lease in leases])


@ON_SERVERS
def test_who_leaves_while_another_joins_leaves_its_slots_once(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
):
    bench = make_bench(system_limit=30)
    stays, leaves, joins = (WorkerId(name) for name in ("stays", "the one that leaves", "joins"))
    for worker, slots in ((stays, 12), (leaves, 18)):
        bench.ledger.register(worker, "database", "h", 1, slots, span=Span(5, 2, 20))
    leaving = not_committed_yet(monkeypatch, recovery, "give_up", lambda: bench.ledger.leave(leaves))
    with leaving as (go_on, left), ThreadPoolExecutor(1) as pool:
        joining = pool.submit(bench.ledger.register, joins, "database", "h", 1, 5, span=Span(5, 2, 20))
        until_waiting(bench)
        go_on()
        left.result(60)
        assert joining.result(60) == 5
    assert {member.id: member.slots for member in bench.ledger.members()} == {stays: 12, joins: 5}
