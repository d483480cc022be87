"""A worker that counts instead of testing documents: of our own engines, or beside another maker's program.

What a task's payload asks for: `{"wait in two": PATH}` writes PATH.at when that step is about to run, and runs it once
PATH is there; `{"dies in": "two"}` kills this process there; `{"fails once in two": PATH}` fails there for a passing
cause, unless PATH is there, and writes it; `{"bad in two until": PATH}` is a bad document as long as PATH is not there;
`{"bad on": "arq"}` is one for workers of this engine; `{"log": PATH}` gets a line for each step that was run.
"""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from tests.work.counting import COUNTING, ONE, THREE, TWO, HereAndNow

from paperlane import logs
from paperlane.carriers import carrier_of
from paperlane.engines.database import Database
from paperlane.engines.door import Door
from paperlane.engines.inline import Inline
from paperlane.engines.pool import Pool
from paperlane.errors import DocumentError, StepFault
from paperlane.hosting import Host
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.model.steps import RunStep, Saved
from paperlane.model.tasks import EVERYTHING, Channel, Stage
from paperlane.settings import Settings

LEASE = 3.0
RULES = Rules(lease=LEASE, undelivered=3.0, retry_delay=0.05)


def options() -> argparse.ArgumentParser:
    """What a worker is told; a program beside which it runs tells it the door besides."""
    asked = argparse.ArgumentParser()
    asked.add_argument("engine")
    asked.add_argument("--url", help="of the ledger")
    asked.add_argument("--broker", default="", help="address")
    asked.add_argument("--slots", type=int, default=4)
    asked.add_argument("--stage", default="")
    asked.add_argument("--shard", type=int, default=0)
    asked.add_argument("--shards", type=int, default=1)
    asked.add_argument("--task-seconds", type=float, default=3_600.0, help="that an attempt may take")
    return asked


def settings_of(given: argparse.Namespace) -> Settings:
    """The settings that name the broker."""
    where = {"amqp_url": given.broker} if given.broker.startswith("amqp") else {"redis_url": given.broker}
    return Settings(
        slots=given.slots, stage=given.stage, shard=given.shard, shards=given.shards, log_level="warning", **where
    )


class Steps(HereAndNow):
    """Counts as it is told by the payload, on a worker of this engine."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self.engine = engine

    async def __call__(
        self, step: str, value: bytes, file: BinaryIO | None, progress: Callable[[float, str], None]
    ) -> bytes:
        self.before = partial(_as_told, progress, self.engine)
        result = await super().__call__(step, value, file, progress)
        if path := json.loads(value).get("log"):
            with Path(str(path)).open("a") as log:
                log.write(f"{step}\n")
        return result


async def _as_told(progress: Callable[[float, str], None], engine: str, step: str, value: dict[str, object]) -> None:
    if path := value.get(f"wait in {step}"):
        progress(0.5, "waits")
        Path(f"{path}.at").touch()
        while not Path(str(path)).exists():
            await asyncio.sleep(0.01)
    if value.get("dies in") == step:
        os.kill(os.getpid(), signal.SIGKILL)
    if (path := value.get(f"fails once in {step}")) and not Path(str(path)).exists():
        Path(str(path)).touch()
        raise StepFault("It went wrong.", code="step_crashed")
    is_bad = (path := value.get(f"bad in {step} until")) and not Path(str(path)).exists()
    if is_bad or value.get("bad on") == engine:
        raise DocumentError("The document is bad.", code="damaged_file", hint="Mend it.")


async def in_two_stages(value: Saved[dict[str, object]], run: RunStep) -> Saved[dict[str, object]]:
    """The chain whose steps after the first ask a model."""
    asks, ends = replace(TWO, stage=Stage.MODEL), replace(THREE, stage=Stage.MODEL)
    return await run(ends, await run(asks, await run(ONE, value)))


def _tell_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 1):
        pass
    if not loop.is_closed():
        loop.call_soon_threadsafe(stop.set)


async def main() -> None:
    """Work until SIGTERM, or until standard input ends where a program brings the work."""
    asked = options()
    asked.add_argument("--door", type=Path)
    given = asked.parse_args()
    settings = settings_of(given)
    logs.configure(settings)
    ledger = SqlLedger(connect(given.url), RULES, given.task_seconds)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if given.door is not None:
        Thread(target=_tell_end_of_input, args=(loop, stop), daemon=True).start()
    chain = replace(COUNTING, run=in_two_stages)
    host = Host(ledger, chain, Steps(given.engine), heartbeat=0.5, sweep=0.5, grace=1.0)
    match given.engine:
        case "inline":
            await host.push(Inline(), given.slots, stop)
        case "pool":
            await host.pull(Pool(), given.slots, stop)
        case "database":
            await host.pull(Database(), given.slots, stop)
        case carried:
            stages = frozenset({Stage(given.stage)}) if given.stage else EVERYTHING.stages
            channel = Channel(stages, given.shard, given.shards)
            async with carrier_of(settings, carried, Door(given.door)) as carrier:
                await host.push(carrier, given.slots, stop, channel=channel)
    ledger.close()


if __name__ == "__main__":
    asyncio.run(main())
