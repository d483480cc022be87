"""The worker beside another maker's program: tasks of one step that does nothing, without a sandbox."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from benchmarks.engines.ran import mark
from benchmarks.ledger.worker import rules
from paperlane import logs
from paperlane.carriers import carrier_of
from paperlane.engines.door import Door
from paperlane.hosting import Host, open_ledger
from paperlane.model.steps import RunStep, Saved, Step
from paperlane.settings import Settings
from paperlane.work import Chain

_NOTHING = Step("nothing", 1, dict[str, object], dict[str, object], lambda value, _job: value, 100)


async def _one_step(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    return await run(_NOTHING, value)


async def _at_once(step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]) -> bytes:
    """Stands where the sandbox is: the step's result is there at once."""
    del step, file, progress
    mark()
    return value


def options() -> argparse.ArgumentParser:
    """What it is told; the program that starts it adds its door."""
    asked = argparse.ArgumentParser()
    asked.add_argument("engine")
    asked.add_argument("--url", help="of the ledger")
    asked.add_argument("--broker", help="address")
    asked.add_argument("--slots", type=int)
    return asked


def settings_of(given: argparse.Namespace) -> Settings:
    """The settings that name the broker."""
    where = {"amqp_url": given.broker} if given.broker.startswith("amqp") else {"redis_url": given.broker}
    return Settings(slots=given.slots, log_level="warning", **where)


async def _work(given: argparse.Namespace) -> None:
    settings = settings_of(given)
    logs.configure(settings)
    ledger = open_ledger(given.url, rules())
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    Thread(target=lambda: [sys.stdin.read(), loop.call_soon_threadsafe(stop.set)], daemon=True).start()
    async with carrier_of(settings, given.engine, Door(given.door)) as carrier:
        host = Host(
            ledger,
            Chain(_one_step),
            _at_once,
            heartbeat=settings.heartbeat_seconds,
            sweep=settings.sweep_seconds,
            grace=1.0,
        )
        await host.push(carrier, given.slots, stop)
    ledger.close()


def main() -> None:
    """Work until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = options()
    asked.add_argument("--door", type=Path)
    asyncio.run(_work(asked.parse_args()))


if __name__ == "__main__":
    main()
