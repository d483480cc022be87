"""A task whose next crash is its last runs alone, so that nobody is condemned for a neighbour."""

from collections.abc import Callable

from tests.ledger.conftest import Bench

from paperlane.model.tasks import Completed, Ended, Lease, State, TaskId, UserId, WorkerId


def crash(bench: Bench, worker: WorkerId) -> None:
    bench.ledger.leave(worker)


def step(bench: Bench, name: str, room: int = 10, ended: tuple[Lease, ...] = ()) -> list[Lease]:
    done = [Ended(lease, Completed(1.0)) for lease in ended]
    return list(bench.ledger.step("database", WorkerId(name), done, room))


def crashed_twice(bench: Bench) -> TaskId:
    (bad,) = bench.submit(1)
    for n in range(2):
        assert [lease.task for lease in step(bench, bench.worker(f"first{n}"))] == [bad]
        crash(bench, WorkerId(f"first{n}"))
    return bad


def test_after_a_second_crash_a_task_gets_a_worker_of_its_own(bench: Bench):
    bad = crashed_twice(bench)
    bench.submit(2, 5)
    worker = bench.worker("empty")
    assert [lease.task for lease in step(bench, worker)] == [bad]
    assert step(bench, worker) == []
    assert bench.ledger.queue().lanes[0].running == 1


def test_its_third_crash_is_the_last(bench: Bench):
    bad = crashed_twice(bench)
    others = bench.submit(2, 5)
    step(bench, bench.worker("empty"))
    crash(bench, WorkerId("empty"))
    assert bench.ledger.task(bad).state is State.FAILED
    assert bench.ledger.task(bad).fault is not None
    assert bench.ledger.task(bad).fault.code == "poison"  # type: ignore[union-attr]
    assert len(step(bench, bench.worker("next"))) == len(others)


def test_one_busy_worker_empties_itself_for_it_and_the_others_go_on(bench: Bench):
    bad = crashed_twice(bench)
    bench.ledger.lane(UserId(1), paused=True)
    good = bench.submit(2, 9)
    busy = {name: step(bench, bench.worker(name), 2) for name in ("a", "b")}
    bench.ledger.lane(UserId(1), paused=False)
    assert step(bench, "a") == []  # the first worker makes room
    more = step(bench, "b", 2)
    assert len(more) == 2
    assert bad not in {lease.task for lease in more}
    assert [lease.task for lease in step(bench, "a", 10, tuple(busy["a"]))] == [bad]
    assert bench.ledger.task(good[-1]).state is State.READY


def test_a_lane_at_its_limit_comes_to_it_too(bench: Bench):
    """Its other tasks must not take the one turn that it has, again and again."""
    bad = crashed_twice(bench)
    bench.ledger.lane(UserId(1), max_running=2, paused=True)
    others = bench.submit(1, 9)
    bench.submit(2, 30)
    busy = step(bench, bench.worker("a"), 2)
    step(bench, bench.worker("b"), 1)
    bench.ledger.lane(UserId(1), paused=False)
    (other,) = step(bench, "b", 1)
    assert other.task == others[0]
    bench.ledger.lane(UserId(1), max_running=1)
    busy += step(bench, "a", 1)
    (instead,) = step(bench, "b", 1, (other,))
    assert instead.task not in others
    assert step(bench, "a", 1) == []  # it makes room
    assert [lease.task for lease in step(bench, "a", 10, tuple(busy))] == [bad]
    assert [lease.user for lease in step(bench, "b", 2)] == [2, 2]


def test_neighbours_of_a_bad_document_are_not_condemned(bench: Bench):
    good = bench.submit(2, 3)
    (bad,) = bench.submit(1)
    for n in range(20):
        worker = bench.worker(f"w{n}")
        leases = step(bench, worker)
        if not leases:
            break
        if bad in {lease.task for lease in leases}:
            crash(bench, worker)
        else:
            step(bench, worker, 0, tuple(leases))
    assert bench.ledger.task(bad).state is State.FAILED
    assert {bench.ledger.task(task).state for task in good} == {State.COMPLETED}


def test_a_limit_and_a_pause_hold_for_it_too(bench: Bench):
    bad = crashed_twice(bench)
    bench.ledger.lane(bench.ledger.task(bad).user, paused=True)
    assert step(bench, bench.worker("empty")) == []
    bench.ledger.lane(bench.ledger.task(bad).user, paused=False)
    assert [lease.task for lease in step(bench, "empty")] == [bad]


def test_a_push_engine_hands_it_out_alone(make_bench: Callable[..., Bench]):
    bench = make_bench(engine="pushed")
    (bad,) = bench.submit(1)
    for n in range(2):
        worker = bench.worker(f"first{n}", engine="pushed")
        (lease,) = bench.ledger.lease("pushed", 5)
        bench.ledger.begin(lease, worker)
        crash(bench, worker)
    bench.submit(2, 3)
    worker = bench.worker("next", engine="pushed")
    (lease,) = bench.ledger.lease("pushed", 5)
    assert lease.task == bad
    assert bench.ledger.lease("pushed", 5) == []
    bench.ledger.begin(lease, worker)
    bench.ledger.finish(worker, [Ended(lease, Completed(1.0))])
    assert len(bench.ledger.lease("pushed", 5)) == 3


def test_the_one_that_makes_room_has_slots_and_lives(make_bench: Callable[..., Bench]):
    """The first worker by name was granted nothing, or is silent: another one empties itself."""
    bench = make_bench(system_limit=4)
    bad = crashed_twice(bench)
    bench.ledger.lane(UserId(1), paused=True)
    bench.worker("0 silent", 1)
    bench.clock.pass_time(40)
    busy = bench.worker("b", 3)
    bench.worker("a none", 1)
    bench.submit(2, 9)
    leases = step(bench, busy, 1)
    bench.ledger.lane(UserId(1), paused=False)
    assert bench.ledger.register(WorkerId("a none"), "database", "host", 1, 1) == 0
    assert step(bench, busy) == []
    assert [lease.task for lease in step(bench, busy, 10, tuple(leases))] == [bad]


def test_lanes_that_hold_only_such_tasks_cost_others_no_room(bench: Bench):
    for user in range(10, 14):
        bench.submit(user)
        for n in range(2):
            worker = bench.worker(f"c{user}-{n}")
            assert len(step(bench, worker)) == 1
            crash(bench, worker)
        bench.ledger.lane(UserId(user), paused=True)
    bench.submit(1, 30)
    first, other = bench.worker("a"), bench.worker("b")
    step(bench, first, 1)
    step(bench, other, 1)
    for user in range(10, 14):
        bench.ledger.lane(UserId(user), paused=False)
    assert step(bench, first) == []  # it makes room
    assert len(step(bench, other, 5)) == 5
