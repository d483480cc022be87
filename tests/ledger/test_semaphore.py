"""While `use_user_semaphore` is off no user's own limit bounds a lane; switched on again, it does so exactly."""

from collections.abc import Callable
from threading import Event, Thread

import pytest
from sqlalchemy import Connection
from tests.ledger.conftest import Bench

from paperlane.ledger import semaphore
from paperlane.ledger.sql import SqlLedger
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import Completed, Ended, UserId, WorkerId
from paperlane.rollout import flags


def switch(ledger: SqlLedger, *, on: bool) -> None:
    """Switch the flag; no lane follows yet."""
    ledger.write(lambda connection: flags.switch(connection, {flags.USER_SEMAPHORE: on}, 0.0, UserId(0)))


def settle(ledger: SqlLedger, page: int = 500) -> int:
    changed, after = ledger.bound(UserId(0), page)
    while after is not None:
        more, after = ledger.bound(after, page)
        changed += more
    return changed


def claim(bench: Bench, worker: WorkerId, room: int = 20) -> list[int]:
    return [lease.user for lease in bench.ledger.step("database", worker, [], room)]


def test_off_only_the_systems_limit_bounds_and_on_again_each_users_own(bench: Bench):
    worker = bench.worker(slots=20)
    for user, limit in ((1, 2), (2, 3)):
        bench.submit(user, 30)
        bench.ledger.lane(UserId(user), max_running=limit)
    assert len(claim(bench, worker)) == 5
    switch(bench.ledger, on=False)
    assert settle(bench.ledger) == 2
    assert len(claim(bench, worker)) == 15  # as many as there are slots
    assert {lane.user: lane.max_running for lane in bench.ledger.queue().lanes} == {1: 2, 2: 3}
    switch(bench.ledger, on=True)
    assert settle(bench.ledger) == 2
    assert settle(bench.ledger) == 0
    assert claim(bench, worker) == []


def test_who_runs_more_than_the_limit_starts_nothing_until_it_is_less(bench: Bench):
    worker = bench.worker(slots=20)
    bench.submit(1, 20)
    bench.ledger.lane(UserId(1), max_running=2)
    switch(bench.ledger, on=False)
    settle(bench.ledger)
    leases = bench.ledger.step("database", worker, [], 5)
    switch(bench.ledger, on=True)
    settle(bench.ledger)
    ended = [Ended(lease, Completed(1.0)) for lease in leases]
    assert bench.ledger.step("database", worker, ended[:3], 20) == []  # two of them still run
    assert len(bench.ledger.step("database", worker, ended[3:4], 20)) == 1


def test_a_limit_that_is_changed_meanwhile_holds_when_it_is_on_again(bench: Bench):
    worker = bench.worker(slots=20)
    bench.submit(1, 30)
    switch(bench.ledger, on=False)
    settle(bench.ledger)
    bench.ledger.lane(UserId(1), max_running=4)
    bench.ledger.lane(UserId(1), max_running=9, instead_of=5)
    assert bench.ledger.queue().lanes[0].max_running == 4
    bench.ledger.lane(UserId(1), max_running=3, instead_of=4)
    leases = bench.ledger.step("database", worker, [], 10)
    assert len(leases) == 10
    switch(bench.ledger, on=True)
    settle(bench.ledger)
    bench.ledger.step("database", worker, [Ended(lease, Completed(1.0)) for lease in leases], 0)
    assert len(claim(bench, worker)) == 3


def test_a_lane_that_is_made_meanwhile_is_as_the_flag_says(bench: Bench):
    worker = bench.worker(slots=20)
    switch(bench.ledger, on=False)
    bench.ledger.lane(UserId(1), max_running=1)
    bench.submit(1, 6)
    bench.submit(2, 12)  # and has no lane before
    assert settle(bench.ledger) == 0
    assert len(claim(bench, worker, 18)) == 18
    switch(bench.ledger, on=True)
    bench.ledger.lane(UserId(3), max_running=1)
    bench.submit(3, 6)
    assert claim(bench, worker, 2) == [3]
    settle(bench.ledger)
    assert {lane.user: lane.max_running for lane in bench.ledger.queue().lanes} == {1: 1, 2: 10, 3: 1}


def test_all_pages_of_lanes_are_brought_where_the_flag_says(bench: Bench):
    for user in range(1, 8):
        bench.ledger.lane(UserId(user), max_running=user)
    switch(bench.ledger, on=False)
    assert settle(bench.ledger, page=2) == 7
    switch(bench.ledger, on=True)
    assert settle(bench.ledger, page=3) == 7
    for user in range(1, 8):
        bench.submit(user)
    assert {lane.user: lane.max_running for lane in bench.ledger.queue().lanes} == {n: n for n in range(1, 8)}


def test_who_brings_lanes_by_an_older_flag_bounds_them_as_it_is_now(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """It was switched after the page was read."""
    bench.ledger.lane(UserId(1), max_running=2)
    switch(bench.ledger, on=False)
    really = semaphore.unlike

    def and_switched(connection: Connection, after: int, most: int) -> object:
        found = really(connection, after, most)
        switched.append(True)
        return found

    switched: list[bool] = []
    monkeypatch.setattr(semaphore, "unlike", and_switched)
    asked = bench.ledger._ask

    def ask(question: Callable[[Connection], object]) -> object:
        found = asked(question)
        if switched.pop() if switched else False:
            switch(bench.ledger, on=True)
        return found

    monkeypatch.setattr(SqlLedger, "_ask", lambda _ledger, question: ask(question))
    assert bench.ledger.bound(UserId(0)) == (0, None)
    monkeypatch.undo()
    bench.submit(1, 5)
    assert len(claim(bench, bench.worker())) == 2


def test_who_switches_waits_for_a_lane_that_is_being_made_by_the_flag_as_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    """Else that lane, which nobody sees yet, would stay unbounded for ever."""
    switch(bench.ledger, on=False)
    reached, go_on = Event(), Event()
    really = semaphore.is_in_use

    def is_in_use(writing: Writing) -> bool:
        found = really(writing)
        if not reached.is_set():
            reached.set()
            go_on.wait(20)
        return found

    monkeypatch.setattr(semaphore, "is_in_use", is_in_use)
    making = Thread(target=lambda: bench.ledger.lane(UserId(1), max_running=2))
    making.start()
    assert reached.wait(20)
    switching = Thread(target=lambda: (switch(bench.ledger, on=True), settle(bench.ledger)))
    switching.start()
    switching.join(0.3)
    assert switching.is_alive()  # it waits for the lane
    go_on.set()
    for thread in (making, switching):
        thread.join(20)
    bench.submit(1, 5)
    assert len(claim(bench, bench.worker())) == 2
