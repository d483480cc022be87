"""A sweep that has to wait: it takes nothing back too early, and stays nowhere."""

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from tests.ledger.conftest import Bench
from tests.ledger.test_contract import BUSY, claim

from paperlane.errors import Busy
from paperlane.ledger import Rules
from paperlane.ledger.dialects import server
from paperlane.ledger.schema import lanes
from paperlane.ledger.sql import SqlLedger
from paperlane.ledger.transactions import Transactions
from paperlane.model.tasks import Ended, Lease, Recovery, Retry, WorkerId

BROKEN = OperationalError("", None, Exception("gone"), connection_invalidated=True)


class TestTheDatabaseWasAway:
    @pytest.fixture
    def worker(self, bench: Bench) -> WorkerId:
        return bench.worker()

    @pytest.fixture
    def lease(self, bench: Bench, worker: WorkerId) -> Lease:
        bench.submit(1)
        (made,) = claim(bench, worker)
        return made

    def keep_waiting(self, bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        """The next transaction takes longer than a lease, and fails."""
        tried, failed = bench.ledger._transactions._once, list[int]()

        def wait(work: object, again: object) -> object:
            if not failed:
                failed.append(1)
                bench.clock.pass_time(40)
                raise error
            return tried(work, again)  # type: ignore[arg-type]

        monkeypatch.setattr(Transactions, "_once", lambda _, work, again, **_how: wait(work, again))

    def test_while_a_sweep_waited_nobody_could_renew(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, worker: WorkerId, lease: Lease
    ):
        self.keep_waiting(bench, monkeypatch, BROKEN)
        assert bench.ledger.recover() == Recovery()
        assert bench.ledger.renew(worker, [lease]).lost == ()
        bench.clock.pass_time(40)
        assert bench.ledger.recover().expired == 1

    def test_nor_while_one_waited_in_vain(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, worker: WorkerId, lease: Lease
    ):
        self.keep_waiting(bench, monkeypatch, NoConnection("QueuePool limit of size 1 reached"))
        with pytest.raises(Busy):
            bench.ledger.recover()
        assert bench.ledger.recover() == Recovery()
        assert bench.ledger.renew(worker, [lease]).lost == ()

    def test_what_nobody_renews_is_taken_back_by_the_next_one(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, lease: Lease
    ):
        self.keep_waiting(bench, monkeypatch, BROKEN)
        assert bench.ledger.recover() == Recovery()
        assert bench.ledger.recover().expired == 1
        assert bench.ledger.task(lease.task).status == "queued"


@pytest.mark.parametrize("make_bench", ["postgresql", "mariadb"], indirect=True)
def test_what_a_locked_lane_keeps_put_off_is_put_right_later(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server, "QUEUE", 1)
    bench = make_bench()
    bench.submit(1)
    worker = bench.worker()
    (lease,) = claim(bench, worker)
    bench.ledger.finish(worker, [Ended(lease, Retry(BUSY))])
    bench.clock.jumped = -3_600.0
    with bench.ledger.dialect.unlimited.connect() as holding:
        holding.execute(select(lanes).with_for_update())
        found = bench.ledger.recover()
        assert (found.late, found.locked) == (0, 1)
    assert bench.ledger.recover().late == 1
    assert bench.ledger.task(lease.task).run_at - bench.clock.now() == pytest.approx(5.0)


def test_a_worker_whose_settings_give_it_longer_leases_keeps_them(bench: Bench):
    """Settings are changed process by process: sweeps of those that were not yet see leases that none of theirs has."""
    bench.submit(1)
    longer = SqlLedger(bench.ledger.dialect, Rules(lease=600), clock=bench.clock)
    longer.register(WorkerId("w"), "database", "host", 1, 1)
    (lease,) = longer.step("database", WorkerId("w"), [], 1)
    for _ in range(8):
        assert bench.ledger.recover() == Recovery()
        bench.clock.pass_time(60)
    assert longer.renew(WorkerId("w"), [lease]).lost == ()
