"""`paperlane queue`: what runs and waits, by user and engine."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_of
from paperlane.cli.output import show
from paperlane.errors import BadRequest, PaperlaneError

if TYPE_CHECKING:
    from paperlane.desk import Desk

app = typer.Typer(help="What runs and waits; cancel, start again, pause.", invoke_without_command=True)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Task ids.")]
Engine = Annotated[str, typer.Argument(metavar="[ENGINE]", help="The engine.")]


@contextmanager
def _desk(context: typer.Context, data: Data, database: Database) -> "Generator[Desk]":
    """The desk of the installation that the command names, or the group before it."""
    before: dict[str, Any] = context.obj or {}
    with desk_of(data or before.get("data"), database or before.get("database")) as desk:
        yield desk


@app.callback()
def queue(context: typer.Context, data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show what runs and waits, by user and engine."""
    context.obj = {"data": data, "database": database}
    if context.invoked_subcommand is not None:
        return
    from paperlane.assembly import user_names

    with _desk(context, data, database) as desk:
        now, names = desk.ledger.queue(), user_names(desk.ledger)
    if as_json:
        found = asdict(now)
        for lane in found["lanes"]:
            lane["name"] = names.get(lane["user"], "")
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    typer.echo(
        f"{now.running} of at most {now.limit} running, {now.queued} queued, the oldest waits {now.oldest:.0f} s"
    )
    lanes: list[dict[str, Any]] = [
        {
            "user": names.get(lane.user, str(lane.user)),
            "engine": lane.engine,
            "paused": lane.paused,
            "queued": lane.ready + lane.waiting + lane.leased,
            "running": lane.running,
            "limit": lane.max_running,
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
def dead(context: typer.Context, data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """Show tasks that failed for good, with their cause."""
    from paperlane.assembly import user_names
    from paperlane.desk import name_of
    from paperlane.model.tasks import State

    with _desk(context, data, database) as desk:
        names = user_names(desk.ledger)
        rows = [
            {
                "id": task.id,
                "user": names.get(task.user, str(task.user)),
                "document": name_of(task),
                "code": task.fault.code if task.fault else "",
                "message": task.fault.message if task.fault else "",
                "attempts": task.attempt,
            }
            for task in desk.ledger.tasks(states=[State.FAILED], limit=1_000)
        ]
    show(rows, as_json=as_json, empty="No task failed.")


@app.command()
def retry(context: typer.Context, ids: Ids, data: Data = None, database: Database = None) -> None:
    """Start failed or cancelled tasks again."""
    with _desk(context, data, database) as desk:
        _each(desk, ids, "retry", "is queued again")


@app.command()
def cancel(context: typer.Context, ids: Ids, data: Data = None, database: Database = None) -> None:
    """Cancel tasks: queued ones at once, running ones at their next step."""
    with _desk(context, data, database) as desk:
        _each(desk, ids, "cancel", "is cancelled, or will be at its next step")


def _each(desk: "Desk", ids: list[str], verb: str, said: str) -> None:
    from paperlane.model.tasks import TaskId

    failed = False
    for task in ids:
        try:
            getattr(desk.ledger, verb)(TaskId(task))
            typer.echo(f"{task} {said}.")
        except PaperlaneError as error:
            typer.echo(f"{task}: {error.message} {error.hint}".rstrip(), err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command()
def pause(context: typer.Context, engine: Engine = "database", data: Data = None, database: Database = None) -> None:
    """Start no more tasks on an engine; running ones go on."""
    with _desk(context, data, database) as desk:
        desk.pause(None, engine, paused=True)
    typer.echo(f"{engine} is paused: running tasks go on, none starts.")


@app.command()
def resume(context: typer.Context, engine: Engine = "database", data: Data = None, database: Database = None) -> None:
    """Start tasks on a paused engine again."""
    with _desk(context, data, database) as desk:
        desk.pause(None, engine, paused=False)
    typer.echo(f"{engine} starts tasks again.")


@app.command()
def limit(
    context: typer.Context,
    number: Annotated[
        str | None, typer.Argument(metavar="[N|default]", help="Tasks at once; default: as the settings say.")
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show or change how many tasks run at once in the whole system; lowered, it kills nothing."""
    with _desk(context, data, database) as desk:
        if number is not None:
            desk.limit(None, _number(number))
        now = desk.ledger.queue()
    if as_json:
        typer.echo(json.dumps({"limit": now.limit, "default_limit": now.default_limit}))
        return
    usual = "as" if now.limit == now.default_limit else "otherwise than"
    typer.echo(f"At most {now.limit} tasks run at once, {usual} the settings say ({now.default_limit}).")


def _number(said: str) -> int | None:
    if said == "default":
        return None
    try:
        return int(said)
    except ValueError as error:
        raise BadRequest(f"{said!r} is no limit.", hint="Give a number of tasks, or default.") from error
