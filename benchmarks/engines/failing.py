"""ARQ's program with a worker beside it that fails a share of all documents for good, as an engine that went wrong.

`python -m benchmarks.engines.failing`, with the settings of `paperlane worker --engine arq`. The task itself fails, in
its first step there: nothing that Paperlane is made of knows of it.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from paperlane import logs
from paperlane.assembly import host_of, open_ledger, span_of
from paperlane.carriers import carrier_of, slots_of
from paperlane.engines.door import Door
from paperlane.errors import DocumentError
from paperlane.pipeline import FILE_PARSING
from paperlane.settings import Settings, settings_of
from paperlane.work import RunIsolated

SHARE = "PAPERLANE_BENCH_FAILS"
"""The variable of the environment that says which share of the documents."""


def is_bad(upload: bytes, share: float) -> bool:
    """Is it one of those? By its own bytes: always the same ones, whoever looks."""
    return int.from_bytes(sha256(upload).digest()[:4]) < share * 2**32


def failing(run: RunIsolated, share: float) -> RunIsolated:
    """Runs steps, but for the first one of these documents; another try would not help."""

    async def isolated(step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]) -> bytes:
        if step == FILE_PARSING.name and is_bad(value, share):
            raise DocumentError("This worker cannot read the document.", hint="Have another one do it.")
        return await run(step, value, file, progress)

    return isolated


async def _work(settings: Settings, door: Path) -> None:
    """The worker beside, until standard input ends."""
    slots, stop, loop = slots_of(settings, "arq"), asyncio.Event(), asyncio.get_running_loop()
    Thread(target=lambda: [sys.stdin.read(), loop.call_soon_threadsafe(stop.set)], daemon=True).start()
    ledger = open_ledger(settings)
    async with carrier_of(settings, "arq", Door(door)) as carrier, host_of(settings, ledger) as host:
        bad = replace(host, isolated=failing(host.isolated, float(os.environ[SHARE])))
        await bad.push(carrier, span_of(settings, slots), stop)
    ledger.close()


def main() -> None:
    """Be ARQ's program until told to stop; or with a door the worker beside it."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--door", type=Path)
    door = asked.parse_args().door
    settings = settings_of()
    logs.configure(settings)
    if door is not None:
        asyncio.run(_work(settings, door))
        return
    from paperlane.engines.arq import Program  # noqa: PLC0415  its library is in the environment of that engine alone

    beside = [sys.executable, "-m", "benchmarks.engines.failing"]
    logging.getLogger("arq").setLevel(settings.log_level.upper())
    Program(settings.redis_url, 1, 0, slots_of(settings, "arq"), beside, settings.grace_seconds).run()


if __name__ == "__main__":
    main()
