"""`paperlane worker`: one more worker process on the same ledger."""

import asyncio
import os
import sys
from threading import Thread
from typing import Annotated

import typer

from paperlane.cli.installation import Data, Database, existing


def worker(
    engine: Annotated[str, typer.Option(help="The engine to work for.")] = "database",
    slots: Annotated[int | None, typer.Option(min=1, help="Tasks to run at once.")] = None,
    data: Data = None,
    database: Database = None,
    supervised: Annotated[str, typer.Option(hidden=True, help="End with the parent, which knows it by this.")] = "",
) -> None:
    """Run a worker process until Ctrl-C or SIGTERM; running steps end first, the rest is handed back."""
    from paperlane import assembly, logs

    settings = existing(slots=slots, data=data, database=database)
    logs.configure(settings)

    async def run() -> None:
        stop = assembly.stop_on_signals()
        if supervised:
            _stop_with_parent(stop)
        await assembly.run_worker(settings, engine, settings.slots, stop, supervised)

    asyncio.run(run())


def _stop_with_parent(stop: asyncio.Event) -> None:
    """The parent holds the other end of standard input: it ends with the parent, however that dies."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)

    Thread(target=watch, name="parent-watch", daemon=True).start()
