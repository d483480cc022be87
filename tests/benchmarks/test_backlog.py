"""A backlog that was copied into the tables is one that the ledger might have written itself."""

from collections import Counter
from pathlib import Path

import pytest
from benchmarks.ledger.backlog import Backlog, analyse, load
from benchmarks.ledger.worker import ENGINE, ended, joined, rules
from tests.databases import Databases, migrated
from tests.ledger.invariants import check_invariants

from paperlane.ledger.sql import SqlLedger


@pytest.mark.parametrize("kind", ["sqlite file", "postgresql", "mariadb"])
def test_a_copied_backlog_keeps_the_invariants_and_drains(kind: str, databases: Databases, tmp_path: Path):
    ledger = SqlLedger(migrated(next(databases.urls(kind, tmp_path))), rules())
    load(ledger, Backlog(57, 4, max_running=7))
    load(ledger, Backlog(3, 2))
    load(ledger, Backlog(1, 1, first=90))
    analyse(ledger)
    check_invariants(ledger)
    assert {lane.user: (lane.ready, lane.max_running) for lane in ledger.queue().lanes} == {
        1: (23, 7), 2: (17, 7), 3: (10, 7), 4: (10, 7), 90: (1, 10),
    }  # fmt: skip
    worker, done, leases = joined(ledger), Counter[int](), []
    while leases := list(ledger.step(ENGINE, worker, ended(leases), 5)):
        done.update(ledger.task(lease.task).user for lease in leases)
    assert done == {1: 23, 2: 17, 3: 10, 4: 10, 90: 1}
    check_invariants(ledger)
    ledger.close()
