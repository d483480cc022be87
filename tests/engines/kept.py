"""Keeps the counting worker of one of our own engines alive: `python -m tests.engines.kept ENGINE --url ...`.

`serve` keeps the workers of `database` so; `inline` and `pool` run in the web process, which the system keeps.
"""

import asyncio
import signal
import sys

from paperlane.work.supervisor import Supervisor

LAST_WORDS = 20.0  # seconds


async def main() -> None:
    """Until told to stop."""
    engine, *options = sys.argv[1:]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def died(token: str) -> None:
        if engine == "database":
            await bury(options[options.index("--url") + 1], token)

    worker = [sys.executable, "-m", "tests.engines.counting_host", engine, *options, "--token"]
    await Supervisor(worker, 1, died).run(stop, LAST_WORDS)


async def bury(url: str, token: str) -> None:
    """As `serve` does it; only who needs that loads so much."""
    from tests.engines.counting_host import RULES

    from paperlane import serving
    from paperlane.ledger.sql import SqlLedger, connect
    from paperlane.threads import Threads

    ledger, threads = SqlLedger(connect(url), RULES), Threads("bury")
    await serving.bury(ledger, threads, token)
    threads.close()
    ledger.close()


if __name__ == "__main__":
    asyncio.run(main())
