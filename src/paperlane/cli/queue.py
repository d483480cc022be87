"""`paperlane queue`: what runs and waits, by user and engine."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, settings_of
from paperlane.cli.output import show
from paperlane.errors import PaperlaneError

app = typer.Typer(help="What runs and waits; cancel, start again, pause.", invoke_without_command=True)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Task ids.")]
Engine = Annotated[str, typer.Argument(metavar="[ENGINE]", help="The engine.")]


@app.callback()
def queue(context: typer.Context, data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show what runs and waits, by user and engine."""
    context.obj = settings_of(data=data, database=database)
    if context.invoked_subcommand is not None:
        return
    from paperlane.assembly import open_ledger, user_names

    ledger = open_ledger(context.obj)
    now = ledger.queue()
    names = user_names(ledger)
    ledger.close()
    if as_json:
        show_one = asdict(now)
        for lane in show_one["lanes"]:
            lane["name"] = names.get(lane["user"], "")
        import json

        typer.echo(json.dumps(show_one, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{now.running} running, {now.queued} queued, the oldest waits {now.oldest:.0f} s")
    lanes: list[dict[str, Any]] = [
        {
            "user": names.get(lane.user, str(lane.user)),
            "engine": lane.engine,
            "running": lane.running,
            "limit": lane.max_running,
            "queued": lane.ready + lane.waiting + lane.leased,
            "weight": lane.weight,
            "oldest (s)": lane.oldest,
        }
        for lane in now.lanes
    ]
    show(lanes, as_json=False, empty="Nobody has anything in the queue.")
    engines = [asdict(engine) for engine in now.engines]
    if engines:
        typer.echo()
    show(engines, as_json=False, empty="")


@app.command()
def dead(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Show tasks that failed for good, with their cause."""
    from paperlane.assembly import open_ledger, user_names
    from paperlane.model.tasks import State

    ledger = open_ledger(context.obj)
    names = user_names(ledger)
    rows = [
        {
            "id": task.id,
            "user": names.get(task.user, str(task.user)),
            "code": task.fault.code if task.fault else "",
            "message": task.fault.message if task.fault else "",
            "attempts": task.attempt,
        }
        for task in ledger.tasks(states=[State.FAILED], limit=1_000)
    ]
    ledger.close()
    show(rows, as_json=as_json, empty="No task failed.")


@app.command()
def retry(context: typer.Context, ids: Ids) -> None:
    """Start failed or cancelled tasks again."""
    _each(context, ids, "retry", "is queued again")


@app.command()
def cancel(context: typer.Context, ids: Ids) -> None:
    """Cancel tasks: queued ones at once, running ones at their next step."""
    _each(context, ids, "cancel", "is cancelled, or will be at its next step")


def _each(context: typer.Context, ids: list[str], verb: str, said: str) -> None:
    from paperlane.assembly import open_ledger
    from paperlane.model.tasks import TaskId

    ledger = open_ledger(context.obj)
    failed = False
    for task in ids:
        try:
            getattr(ledger, verb)(TaskId(task))
            typer.echo(f"{task} {said}.")
        except PaperlaneError as error:
            typer.echo(f"{task}: {error.message} {error.hint}".rstrip(), err=True)
            failed = True
    ledger.close()
    if failed:
        raise typer.Exit(1)


@app.command()
def pause(context: typer.Context, engine: Engine = "database") -> None:
    """Start no more tasks on an engine; running ones go on."""
    _pause(context, engine, paused=True)
    typer.echo(f"{engine} is paused: running tasks go on, none starts.")


@app.command()
def resume(context: typer.Context, engine: Engine = "database") -> None:
    """Start tasks on a paused engine again."""
    _pause(context, engine, paused=False)
    typer.echo(f"{engine} starts tasks again.")


def _pause(context: typer.Context, engine: str, *, paused: bool) -> None:
    from paperlane.assembly import open_ledger

    ledger = open_ledger(context.obj)
    ledger.pause(engine, paused=paused)
    ledger.close()
