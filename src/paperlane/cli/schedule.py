"""`paperlane schedule`: documents that are tested again and again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_of
from paperlane.cli.output import show
from paperlane.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlane.desk import Desk
    from paperlane.model.schedules import Schedule
    from paperlane.model.tasks import UserId

app = typer.Typer(help="Test documents again and again: add, list, set, remove, pause, resume.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The schedule's name.")]
User = Annotated[str | None, typer.Option(metavar="NAME", help="Whose it is; needed where several have one so named.")]
Zone = Annotated[str | None, typer.Option(metavar="TZ", help="The clock that CRON means, such as Asia/Shanghai.")]
Priority = Annotated[int | None, typer.Option(metavar="0-9", help="Of each batch; 9 is first, 5 is usual.")]


@app.command()
def add(
    name: Name,
    cron: Annotated[str, typer.Argument(help="When: five fields of cron, in quotes.")],
    batch: Annotated[str, typer.Option(metavar="ID", help="The batch whose documents are tested again.")],
    timezone: Zone = "UTC",
    priority: Priority = 5,
    user: User = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Test the documents of a batch again and again, each time as a new batch of the same owner.

    CRON is minute, hour, day of month, month, day of week. "30 6 * * MON-FRI" is half past six on working days,
    "0 */4 * * *" every four hours, "0 3 1 * *" three o'clock on the first of each month.

    What was missed while nothing ran is made up for once. The files are kept as long as the schedule.
    """
    from paperlane.desk import Plan
    from paperlane.model.tasks import BatchId

    plan = Plan(name, cron, BatchId(batch), timezone or "UTC", 5 if priority is None else priority)
    with desk_of(data, database) as desk:
        owner = desk.accounts.user(user) if user else desk.accounts.user_of(desk.ledger.batch(plan.batch).user)
        made = desk.schedules.add(owner, plan)
    if as_json:
        show([_row(made, owner.name)], as_json=True, empty="")
    else:
        typer.echo(
            f"Added {name} of {owner.name}: {_counted(made.tasks)}, next at {_when(made.next_at, made.timezone)}."
        )


@app.command("list")
def several(user: User = None, data: Data = None, database: Database = None, as_json: Json = False) -> None:  # noqa: FBT002
    """List schedules: when each comes next, and why one that is due could not start."""
    with desk_of(data, database) as desk:
        names = {account.id: account.name for account in desk.accounts.users()}
        rows = [_row(schedule, names.get(schedule.user, "")) for schedule in _all(desk, user)]
    show(rows, as_json=as_json, empty="There is no schedule yet: paperlane schedule add --help.")


@app.command("set")
def change(
    name: Name,
    cron: Annotated[str | None, typer.Option(metavar="CRON", help="When: five fields of cron, in quotes.")] = None,
    timezone: Zone = None,
    priority: Priority = None,
    user: User = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Change when a schedule comes, or its priority; what is not named stays. A new time counts from now on."""
    if all(given is None for given in (cron, timezone, priority)):
        raise BadRequest(f"Nothing of {name} was named to change.", hint="See: paperlane schedule set --help.")
    with desk_of(data, database) as desk:
        made = desk.schedules.change(
            None, _owner(desk, name, user), name, cron=cron, timezone=timezone, priority=priority
        )
    rests = f"it rests until: paperlane schedule resume {name}"
    typer.echo(f"Changed {name}: {rests if made.paused else f'next at {_when(made.next_at, made.timezone)}'}.")


@app.command()
def remove(name: Name, user: User = None, data: Data = None, database: Database = None) -> None:
    """Remove a schedule; what it tested stays."""
    with desk_of(data, database) as desk:
        desk.schedules.remove(None, _owner(desk, name, user), name)
    typer.echo(f"Removed {name}.")


@app.command()
def pause(name: Name, user: User = None, data: Data = None, database: Database = None) -> None:
    """Let a schedule rest; what it misses is not made up for."""
    with desk_of(data, database) as desk:
        desk.schedules.change(None, _owner(desk, name, user), name, paused=True)
    typer.echo(f"{name} rests until: paperlane schedule resume {name}")


@app.command()
def resume(name: Name, user: User = None, data: Data = None, database: Database = None) -> None:
    """Let a schedule go on, from its next time."""
    with desk_of(data, database) as desk:
        made = desk.schedules.change(None, _owner(desk, name, user), name, paused=False)
    typer.echo(f"{name} goes on at {_when(made.next_at, made.timezone)}.")


_MOST = 100_000


def _all(desk: "Desk", user: str | None, name: str | None = None) -> "Sequence[Schedule]":
    return desk.ledger.schedules(desk.accounts.user(user).id if user else None, limit=_MOST, name=name)


def _owner(desk: "Desk", name: str, user: str | None) -> "UserId":
    owners = [schedule.user for schedule in _all(desk, user, name)]
    if not owners:
        raise NotFound(f"There is no schedule {name}.", hint="See: paperlane schedule list.")
    if len(owners) > 1:
        raise BadRequest(f"{len(owners)} users have a schedule {name}.", hint="Say whose with --user.")
    return owners[0]


def _counted(documents: int) -> str:
    return "one document" if documents == 1 else f"{documents} documents"


def _when(at: float, timezone: str) -> str:
    """A time on the clock that the schedule means, with its offset."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    return datetime.fromtimestamp(at, ZoneInfo(timezone)).isoformat(timespec="minutes")


def _row(schedule: "Schedule", owner: str) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "user": owner,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "priority": schedule.priority,
        "documents": schedule.tasks,
        "paused": schedule.paused,
        "next": _when(schedule.next_at, schedule.timezone),
        "last": _when(schedule.last_at, schedule.timezone) if schedule.last_at else None,
        "batch": schedule.last or None,
        "refused": schedule.refusal.message if schedule.refusal else None,
    }
