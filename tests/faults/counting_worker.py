"""A worker process that counts, and stops at each step until it is told to go on: `counting_worker.py DATABASE_URL`.

It prints "at STEP" when a step is about to run, and runs it when a line comes on standard input.
"""

import asyncio
import sys

from tests.work.counting import COUNTING, HereAndNow

from paperlane import logs
from paperlane.engines.database import Database
from paperlane.hosting import Host
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.settings import Settings


async def main() -> None:
    """Work until killed."""
    logs.configure(Settings(log_level="error"))
    ledger = SqlLedger(connect(sys.argv[1]), Rules(lease=1.0))
    steps = HereAndNow()

    async def wait_for_word(step: str) -> None:
        sys.stdout.write(f"at {step}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)

    steps.before = lambda step, _value: wait_for_word(step)
    host = Host(ledger, COUNTING, steps, heartbeat=0.2, sweep=0.1)
    await host.pull(Database(), 1, asyncio.Event())


asyncio.run(main())
