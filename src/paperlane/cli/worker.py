"""`paperlane worker`: one more worker process on the same ledger."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from paperlane.cli.installation import Data, Database, existing, said
from paperlane.errors import Misconfigured
from paperlane.settings import settings_of

if TYPE_CHECKING:
    from paperlane.settings import Settings


_NICE = 8
"""By how much a service's workers step back behind it: people who upload or look wait for the service."""


def worker(
    engine: Annotated[str, typer.Option(help="The engine to work for: database, arq, celery or rq.")] = "database",
    slots: Annotated[int | None, typer.Option(min=1, help="Tasks to run at once.")] = None,
    stage: Annotated[str | None, typer.Option(help="For celery: run only this part of tasks, cpu or model.")] = None,
    shard: Annotated[int | None, typer.Option(min=0, help="For arq: the shard of users to serve.")] = None,
    data: Data = None,
    database: Database = None,
    supervised: Annotated[str, typer.Option(hidden=True, help="End with the parent, which knows it by this.")] = "",
    door: Annotated[Path | None, typer.Option(hidden=True, help="Run what the parent brings here.")] = None,
) -> None:
    """Run a worker process until Ctrl-C or SIGTERM; running steps end first, the rest is handed back."""
    from paperlane import assembly, logs
    from paperlane.carriers import CARRIED
    from paperlane.telemetry import traced
    from paperlane.threads import share_heaps
    from paperlane.work.isolation import leave_terminal

    for option, given, whose in (("--stage", stage, "celery"), ("--shard", shard, "arq")):
        if given and engine != whose:
            raise Misconfigured(f"{option} is for the engine {whose}, not for {engine}.", hint=f"Leave {option} out.")
    by = settings_of if supervised or door is not None else said  # the parent said it
    settings = existing(by=by, slots=slots, stage=stage, shard=shard, data=data, database=database)
    if engine in CARRIED and door is None:
        _become(engine, settings)
    if engine not in {"database", *CARRIED}:
        raise Misconfigured(
            f"There are no worker processes for the engine {engine!r}.",
            hint=f"Name one of database, {', '.join(CARRIED)}.",
        )
    logs.configure(settings)
    share_heaps()
    if supervised:
        os.nice(_NICE)
        leave_terminal()  # in the background there it would be stopped by its first word (`stty tostop`)

    async def run() -> None:
        stop = assembly.stop_on_signals()
        if supervised or door is not None:
            _stop_with_parent(stop)
        if door is None:
            await assembly.run_worker(settings, stop, supervised)
        else:
            await assembly.run_beside(settings, engine, door, stop)

    with traced():
        asyncio.run(run())
    if door is not None:
        shutil.rmtree(door.parent, ignore_errors=True)  # whoever made it may have been killed


def _become(engine: str, settings: "Settings") -> None:
    """Go on as the engine's own program, which starts a worker beside it; options are settings there."""
    from paperlane.carriers import reach

    asyncio.run(reach(settings, engine))  # what is wrong is told in a sentence here: the program would only log it
    chosen = settings.model_dump(include={"slots", "stage", "shard", "data"}, exclude_unset=True)
    given = {f"PAPERLANE_{name.upper()}": str(value) for name, value in chosen.items()}
    given["PAPERLANE_DATABASE_URL"] = settings.database
    os.execve(  # noqa: S606  this very interpreter
        sys.executable, [sys.executable, "-m", f"paperlane.entry.{engine}"], {**os.environ, **given}
    )


def _stop_with_parent(stop: asyncio.Event) -> None:
    """The parent holds the other end of standard input: it ends with the parent, however that dies."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)

    Thread(target=watch, name="parent-watch", daemon=True).start()
