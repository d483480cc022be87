"""The drain through a worker process's host takes every task through its whole life."""

from pathlib import Path

from benchmarks.ledger.hosted import Hosted
from tests.databases import Databases, migrated

from paperlane.ledger.sql import SqlLedger


def test_a_host_drains_the_backlog_and_leaves(databases: Databases, tmp_path: Path):
    url = next(databases.urls("sqlite file", tmp_path))
    ours = Hosted()
    ours.setup(url)
    ours.prepare(count=30, users=3)
    assert ours.drain(count=30, seconds=60.0, in_flight=10)["done"] == 30
    ledger = SqlLedger(migrated(url))
    queue = ledger.queue()
    assert (queue.queued, queue.running, queue.engines) == (0, 0, [])
    ledger.close()
