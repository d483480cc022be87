"""`paperlane rollout`: which engine carries whose tasks."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_in
from paperlane.cli.output import show
from paperlane.errors import BadRequest

if TYPE_CHECKING:
    from paperlane.desk import Desk

app = typer.Typer(help="Which engine carries whose tasks: set, rollback, compare.", invoke_without_command=True)

Group = Annotated[str, typer.Option(help="Only the users of this group.")]


@app.callback()
def rollout(
    context: typer.Context,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what was rolled out, the newest first, and how many users each engine carries.

    A user goes by the first of these that takes them in; of whom none does, the setting `engine` says.
    """
    context.obj = {"data": data, "database": database}
    if (command := context.invoked_subcommand) is not None:
        if as_json:
            raise BadRequest(
                f"--json before {command} says nothing to it.", hint=f"See: paperlane rollout {command} -h."
            )
        return
    from paperlane.records.accounts import by_engine
    from paperlane.web.shapes import moment

    with desk_in(context, data, database) as desk:
        rules, unsettled, usual = desk.rollout.in_force(), desk.rollout.is_unsettled(), desk.rollout.usual
        names = desk.accounts.names([rule.by for rule in rules])
        carried = {usual: (0, 0), **desk.ledger.read(by_engine)}
    told: list[dict[str, Any]] = [
        {
            "engine": rule.engine,
            "percent": rule.percent,
            "group": rule.group or None,
            "set_at": moment(rule.at),
            "set_by": names.get(rule.by),
        }
        for rule in rules
    ]
    engines = [
        {"engine": engine, "users": users, "of_their_own": own} for engine, (users, own) in sorted(carried.items())
    ]
    if as_json:
        found = {"usual": usual, "rules": told, "engines": engines, "settled": not unsettled}
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    show(
        [{**row, "group": row["group"] or "everybody", "set_by": row["set_by"] or "at the machine"} for row in told],
        as_json=False,
        empty=f"Nothing was rolled out: {usual} carries all tasks but those of users with an engine of their own.",
    )
    typer.echo()
    show(engines, as_json=False, empty="")
    if unsettled:
        typer.echo("\nUsers are still to be moved; `paperlane serve` goes on with it within a minute.")


@app.command("set")
def change(
    context: typer.Context,
    engine: Annotated[str, typer.Argument(help="The engine that is to carry their tasks.")],
    percent: Annotated[float, typer.Argument(help="How many of the users, from 0 to 100.")],
    group: Group = "",
    force: Annotated[bool, typer.Option("--force", help="Also to an engine that no worker serves.")] = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
) -> None:
    """Let an engine carry the tasks of so many percent of the users, while everything runs.

    Who is moved first stays moved as the percentage grows. What waits moves along, what runs ends where it is. Users
    with an engine of their own (`user set --engine`) stay.
    """
    with desk_in(context, data, database) as desk:
        desk.operating.roll_out(None, engine, percent, group, force=force)
        moved = sum(desk.rollout.settle())
    whose = f"of the users in {group}" if group else "of the users"
    typer.echo(f"{engine} carries {percent:g} % {whose}: {_moved(moved)}.")


class Format(StrEnum):
    """How a comparison is told."""

    TEXT = "text"
    JSON = "json"
    MD = "md"
    HTML = "html"


_BY_SUFFIX = {".json": Format.JSON, ".md": Format.MD, ".html": Format.HTML}


@app.command()
def compare(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="The engine that the other one is set beside.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The engine that is judged.")],
    since: Annotated[
        str, typer.Option(help="Of tasks submitted since then: how long ago (90m, 12h, 7d, 2w), or a time.")
    ] = "7d",
    until: Annotated[str, typer.Option(help="And before then, as they stood at that time.", show_default="now")] = "",
    group: Group = "",
    form: Annotated[
        Format | None, typer.Option("--format", help="How it is told.", show_default="as FILE is named, else text")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Compare two engines by what their tasks of a while came to, and say what that is too little to tell.

    Tasks are compared that are of the same kind and size; intervals are of users drawn again, for users were assigned.
    """
    from paperlane.rollout.telling import FORMS

    with desk_in(context, data, database) as desk, _told_on_terminal() as told:
        found = desk.comparing.compare(None, a, b, since, until, group, told=told)
    if form is None:
        form = _BY_SUFFIX.get(output.suffix.lower() if output is not None else "", Format.TEXT)
    if form is Format.JSON:
        from paperlane.web.shapes import comparison

        words = json.dumps(comparison(found), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    else:
        words = FORMS[form.value](found)
    if output is None:
        typer.echo(words, nl=False)
        return
    try:
        output.write_text(words, "utf-8")
    except OSError as error:
        raise BadRequest(
            f"The comparison cannot be written to {output}: {error.strerror}.", hint="Name another file with -o."
        ) from error


@contextmanager
def _told_on_terminal() -> Generator[Callable[[str, float], None]]:
    """A bar on stderr when that is a terminal; what it yields is told what is done, and which share of it is."""
    if not sys.stderr.isatty():
        yield lambda _doing, _share: None
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def tell(doing: str, share: float) -> None:
            if doing not in bars:
                bars[doing] = progress.add_task(doing, total=1.0)
            progress.update(bars[doing], completed=share)

        yield tell


@app.command()
def rollback(context: typer.Context, data: Data = None, database: Database = None) -> None:
    """Take the newest roll-out back: each user goes to the engine that the ones before it say."""
    with desk_in(context, data, database) as desk:
        undone = desk.operating.roll_back(None)
        moved = sum(desk.rollout.settle())
        unserved = _unserved(desk) if moved else []
    whose = f" of {undone.group}" if undone.group else ""
    typer.echo(f"Taken back: {undone.engine}, {undone.percent:g} %{whose}; {_moved(moved)}.")
    for engine in unserved:
        told = f"No worker of {engine} is running, so its users' tasks wait. Start one, or roll out another engine."
        typer.echo(f"paperlane: {told}", err=True)


def _unserved(desk: "Desk") -> list[str]:
    """Engines that carry somebody and have no worker: to go back to one is not refused, for away is what was wanted."""
    from paperlane.records.accounts import by_engine

    served = {member.engine for member in desk.ledger.members() if member.live}
    return sorted(desk.ledger.read(by_engine).keys() - served)


def _moved(users: int) -> str:
    return "1 user was moved" if users == 1 else f"{users} users were moved"
