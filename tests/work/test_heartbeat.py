"""How a worker's heartbeats keep its leases, and what it does when they fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.work.counting import COUNTING, HereAndNow

from paperlane.errors import Misconfigured
from paperlane.hosting import Host, open_ledger
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    made = open_ledger(f"sqlite:///{tmp_path}/ledger.db", Rules(lease=3.0))
    yield made
    made.close()


async def test_it_beats_three_times_within_the_ledgers_lease(ledger: SqlLedger):
    async with Host(ledger, COUNTING, HereAndNow()).working("database", 1) as attempts:
        assert attempts.heartbeat.seconds == 1.0


def test_too_slow_a_heartbeat_is_refused(ledger: SqlLedger):
    with pytest.raises(Misconfigured, match="too slow for a lease of 3 s"):
        Host(ledger, COUNTING, HereAndNow(), heartbeat=1.1)
