"""`paperlane alerts`: what alerts found, who looks after it, and what the webhook is told nothing of."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_in, existing
from paperlane.cli.output import show
from paperlane.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlane.desk import Desk
    from paperlane.records.incidents import Incident, Silence

app = typer.Typer(
    help="What alerts found: kinds, acknowledge, silence, silences, unsilence.", invoke_without_command=True
)

_AT_ONCE = 100
_RESOURCES = ("model", "database", "memory", "cpu", "slots")  # of which a bottleneck is told


@app.callback()
def alerts(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also what is over, the newest 100.")] = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show the incidents that last, the newest first; `paperlane serve` looks for them every few seconds."""
    context.obj = {"data": data, "database": database}
    if (command := context.invoked_subcommand) is not None:
        if as_json or every:
            option = "--json" if as_json else "--all"
            raise BadRequest(
                f"{option} before {command} says nothing to it.", hint=f"See: paperlane alerts {command} -h."
            )
        return
    with desk_in(context, data, database) as desk:
        found, silences = desk.alerts.page(None, "all" if every else "open", "", _AT_ONCE)
        names = desk.accounts.names([one.acknowledged_by for one in found if one.acknowledged_by])
    rows = [_row(one, silences, names, as_json=as_json) for one in found]
    show(rows, as_json=as_json, empty="No incident lasts." if not every else "No incident was found yet.")


def _row(of: "Incident", silences: "Sequence[Silence]", names: Any, *, as_json: bool) -> dict[str, Any]:
    from paperlane.web.shapes import incident

    told = dict(incident(of, silences, names, "en"))
    if as_json:
        return told
    by = "" if of.acknowledged_by is None else names.get(of.acknowledged_by, "at the machine")
    shown = ("id", "alert", "subject", "severity", "message", "opened_at", "closed_at")
    return {**{name: told[name] for name in shown}, "acknowledged_by": by, "silenced_until": told["silenced_until"]}


@app.command()
def kinds(
    context: typer.Context,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show every alert that there is, with its limit by the settings here."""
    from paperlane.monitor.alerts import ALERTS

    before: dict[str, Any] = context.obj or {}
    settings = existing(data=data or before.get("data"), database=database or before.get("database"))
    rows = [
        {
            "name": alert.name,
            "severity": alert.severity.value,
            "limit": alert.limit(settings) if as_json else alert.unit.said(alert.limit(settings)),
            "setting": f"PAPERLANE_{alert.setting.upper()}" if alert.setting else None,
            "what": alert.why,
        }
        for alert in sorted(ALERTS.values(), key=lambda alert: alert.name)
    ]
    show(rows, as_json=as_json, empty="")


@app.command()
def acknowledge(
    context: typer.Context,
    incident: Annotated[str, typer.Argument(metavar="ID", help="The incident, by its id.")],
    data: Data = None,
    database: Database = None,
) -> None:
    """Say that somebody looks after an incident; it lasts until its trouble is over."""
    with desk_in(context, data, database) as desk:
        found = desk.alerts.acknowledge(None, incident)
    typer.echo(f"Acknowledged: {found.alert}{f' ({found.subject})' if found.subject else ''}.")


@app.command()
def silence(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The alert, by its name.")],
    subject: Annotated[str, typer.Option(help="Only of this engine, worker or user; empty: all.")] = "",
    hours: Annotated[float, typer.Option(help="For how long.")] = 1.0,
    data: Data = None,
    database: Database = None,
) -> None:
    """Tell the webhook nothing of an alert for a while; the page and the log tell on."""
    from paperlane.web.shapes import moment

    with desk_in(context, data, database) as desk:
        made = desk.alerts.silence(None, name, subject, hours)
        is_known = not subject or _is_known(desk, subject)
    if not is_known:
        typer.echo(
            f"No engine, worker, host or user is called {subject!r} now; the silence is there all the same.", err=True
        )
    typer.echo(f"Silent until {moment(made.until)}: {name}. To end it: paperlane alerts unsilence {made.id}")


def _is_known(desk: "Desk", subject: str) -> bool:
    """Is there an engine, a worker, a host or a user of this name now, or was an incident found of it lately?"""
    from paperlane.desk import ENGINES

    members, (found, _) = desk.ledger.members(), desk.alerts.page(None, "all", "", _AT_ONCE)
    names = {*ENGINES, *_RESOURCES, *(one.subject for one in found)}
    names |= {name for one in members for name in (one.id, one.engine, one.host.partition("/")[0])}
    try:
        return subject in names or bool(desk.accounts.user(subject))
    except NotFound:
        return False


@app.command()
def silences(
    context: typer.Context,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what the webhook is told nothing of now."""
    from paperlane.web.shapes import moment

    with desk_in(context, data, database) as desk:
        found = desk.alerts.silences(None)
    rows = [{"id": one.id, "alert": one.alert, "subject": one.subject, "until": moment(one.until)} for one in found]
    show(rows, as_json=as_json, empty="Nothing is silenced.")


@app.command()
def unsilence(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID", help="The silence, by its id.")],
    data: Data = None,
    database: Database = None,
) -> None:
    """Tell the webhook again, also of what opened meanwhile and lasts."""
    with desk_in(context, data, database) as desk:
        desk.alerts.end_silence(None, which)
    typer.echo("The silence is over.")
