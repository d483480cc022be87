"""`paperlane alerts`: what alerts found, who looks after it, and what the webhook is told nothing of."""

import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_in, existing
from paperlane.cli.output import show
from paperlane.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlane.desk import Desk
    from paperlane.monitor.alerts import Subject
    from paperlane.records.incidents import Incident, Silence

app = typer.Typer(
    help="What alerts found: kinds, acknowledge, silence, silences, unsilence.", invoke_without_command=True
)

_AT_ONCE = 100
_KINDS = {
    "engine": "an engine",
    "engine on host": 'an engine on a host ("database on crane")',
    "host": "a host",
    "resource": "a resource",
    "user": "a user",
}


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
            "subject": alert.subject.value,
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
    subject: Annotated[
        str, typer.Option(help="Only of this one, of those that the alert tells of (see kinds); empty: all.")
    ] = "",
    hours: Annotated[float, typer.Option(help="For how long.")] = 1.0,
    data: Data = None,
    database: Database = None,
) -> None:
    """Tell the webhook nothing of an alert for a while; the page and the log tell on."""
    from paperlane.web.shapes import moment

    with desk_in(context, data, database) as desk:
        made = desk.alerts.silence(None, name, subject, hours)
        against = doubt(desk, name, subject) if subject else ""
    if against:
        typer.echo(f"{against} The silence is there all the same.", err=True)
    typer.echo(f"Silent until {moment(made.until)}: {name}. To end it: paperlane alerts unsilence {made.id}")


def doubt(desk: "Desk", alert: str, subject: str) -> str:
    """What speaks against this subject: the alert has none, or none of its kind has this name; "" for nothing."""
    from paperlane.monitor.alerts import ALERTS, Subject

    kind = ALERTS[alert].subject
    if kind is Subject.NONE:
        return f"Incidents of {alert} are of the whole: of a subject this silences none. Leave --subject out."
    lately, _ = desk.alerts.page(None, "all", "", _AT_ONCE)
    if subject in {one.subject for one in lately if one.alert == alert} or _is_there(desk, kind, subject):
        return ""
    return f"Incidents of {alert} are each of {_KINDS[kind]}, and none is called {subject!r} now."


def _is_there(desk: "Desk", kind: "Subject", name: str) -> bool:
    from paperlane.desk import ENGINES
    from paperlane.monitor.alerts import Subject
    from paperlane.monitor.alerts.bottleneck import RESOURCES

    workers = [(one.engine, one.machine) for one in desk.ledger.members()]
    match kind:
        case Subject.ENGINE:
            return name in ENGINES
        case Subject.ENGINE_ON_HOST:
            return name in {f"{engine} on {host}" for engine, host in workers}
        case Subject.HOST:
            return name in {socket.gethostname(), *(host for _, host in workers)}
        case Subject.RESOURCE:
            return name in RESOURCES
        case _:
            return _is_user(desk, name)


def _is_user(desk: "Desk", name: str) -> bool:
    try:
        desk.accounts.user(name)
    except NotFound:
        return False
    return True


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
