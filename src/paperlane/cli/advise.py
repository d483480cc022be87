"""`paperlane advise`: which engine and size the recent load asks for."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from paperlane.cli.installation import Data, Database, Json, desk_of
from paperlane.cli.output import show

if TYPE_CHECKING:
    from paperlane.rollout.advice import Sign

_SAYS = {True: "yes", False: "no", None: "not known"}


def advise(
    since: Annotated[
        str, typer.Option(help="By the load since then: how long ago (30s, 90m, 12h, 7d, 2w) or an ISO 8601 time.")
    ] = "7d",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say which engine the recent load asks for, with the figures that say so, and what to do next.

    Signs are users and tasks at once, tasks a day, long tasks, full slots, waits, and a need for several machines.
    Where more came than is read at once, some users' tasks stand for all, and that is told.
    """
    with desk_of(data, database) as desk:
        found = desk.advising.advise(None, since)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2))
        return
    typer.echo(found.words)
    for caution in found.cautions:
        typer.echo(caution.words)
    if not found.enough:
        told = f"{found.days:.1f} days with {found.tasks:,} tasks"
        typer.echo(f"That is little to go by: {told} are known, and a day with 50 tasks is the least.")
    typer.echo()
    rows = [
        {
            "sign": sign.name.replace("_", " "),
            "figure": _figure(sign),
            "limit": _shown(sign, sign.limit),
            "over": _SAYS[sign.shows],
        }
        for sign in found.signs
    ]
    show(rows, as_json=False, empty="")
    typer.echo()
    for sign in found.signs:
        typer.echo(sign.words)
    typer.echo("\nNext:")
    for step in found.steps:
        typer.echo(f"- {step}")


def _figure(of: "Sign") -> str:
    """What was counted, and what that is of all, where not all were."""
    least = "at least " if of.at_least else ""
    about = "" if of.about is None else f", about {_shown(of, of.about)}"
    return f"{least}{_shown(of, of.figure)}{about}"


def _shown(of: "Sign", value: float | None) -> str:
    if value is None:
        return "not known"
    match of.unit:
        case "share":
            return f"{value:.1%}"
        case "s":
            return f"{value:,.1f} s"
        case _:
            return f"{value:,.0f}"
