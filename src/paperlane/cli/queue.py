"""`paperlane queue`: what runs and waits, by user and engine."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_in
from paperlane.cli.output import counted_on_terminal, oldest_wait, show, waiting_in_vain
from paperlane.errors import BadRequest, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlane.desk import Accounts, DeadLetters, Tasks
    from paperlane.model.tasks import Handled, Letters, TaskId, UserId

app = typer.Typer(help="What runs and waits; cancel, start again, pause.", invoke_without_command=True)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Task ids.")]
SomeIds = Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Task ids.")]
All = Annotated[bool, typer.Option("--all", help="All dead letters.")]
User = Annotated[str | None, typer.Option(help="Those of this user.")]
Code = Annotated[str | None, typer.Option(help="Those that failed for this cause.")]
BatchOf = Annotated[str | None, typer.Option("--batch", help="Those of this batch.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Those that failed since: ISO 8601, UTC.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Those that failed until then.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask first.")]
Engine = Annotated[str, typer.Argument(metavar="[ENGINE]", help="The engine.")]

_MOST = 2**31 - 1  # that every database counts
_USERS = 100
_DIGITS = 18  # that a user's number has at most


@app.callback()
def queue(
    context: typer.Context,
    users: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST,
            show_default=str(_USERS),
            help="Show at most so many users, those with most that could start now first.",
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what runs and waits, by user and engine."""
    context.obj = {"data": data, "database": database}
    if (command := context.invoked_subcommand) is not None:
        if as_json or users is not None:
            raise BadRequest(
                f"{'--json' if as_json else '--users'} before {command} says nothing to it.",
                hint=f"See: paperlane queue {command} --help.",
            )
        return
    from paperlane.assembly import user_names

    with desk_in(context, data, database) as desk:
        now, names = desk.ledger.queue(most=users or _USERS), user_names(desk.ledger)
    if as_json:
        found = asdict(now)
        for lane in found["lanes"]:
            lane["name"] = names.get(lane["user"], "")
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    typer.echo(f"{now.running} of at most {now.limit} running, {now.queued} queued, {oldest_wait(now)}")
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
    if now.busy > len(lanes):
        typer.echo(f"\n{now.busy - len(lanes)} more with less waiting; to show all: paperlane queue --users {now.busy}")
    engines = [asdict(engine) for engine in now.engines]
    if engines:
        typer.echo()
    show(engines, as_json=False, empty="")
    for waiting in now.unreadable:
        typer.echo(f"\n{waiting_in_vain(waiting)}")


@app.command()
def dead(
    context: typer.Context,
    user: User = None,
    code: Code = None,
    batch: BatchOf = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="Show at most so many.")] = 100,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show tasks that failed for good, with their cause; the latest first."""
    from paperlane.assembly import user_names
    from paperlane.desk import name_of
    from paperlane.web.shapes import moment

    with desk_in(context, data, database) as desk:
        names = user_names(desk.ledger)
        which = _letters(desk.accounts, user, code, batch, since, until)
        letters = desk.dead.page(None, which, "", limit)
        causes = desk.dead.causes(None, which)
    rows = [
        {
            "id": letter.task.id,
            "failed_at": moment(letter.task.finished_at),
            "user": names.get(letter.task.user, str(letter.task.user)),
            "document": name_of(letter.task),
            "attempts": letter.tries,
            "code": letter.task.fault.code if letter.task.fault else "",
            "message": letter.task.fault.message if letter.task.fault else "",
            "hint": letter.task.fault.hint if letter.task.fault else "",
        }
        for letter in letters
    ]
    show(rows, as_json=as_json, empty="No task failed.")
    if rows and not as_json:
        count = sum(causes.values())
        typer.echo(f"\n{count} in all: {', '.join(f'{n} {cause}' for cause, n in causes.items())}")
        if count > len(rows):
            typer.echo(f"The latest {len(rows)} are shown; --limit shows more, filters fewer.")


@app.command()
def retry(
    context: typer.Context,
    ids: SomeIds = None,
    everything: All = False,  # noqa: FBT002
    user: User = None,
    code: Code = None,
    batch: BatchOf = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Start tasks again: some by id, failed or cancelled; or dead letters, all or those of a filter."""
    with desk_in(context, data, database) as desk:
        filtered = _letters(desk.accounts, user, code, batch, since, until)
        which = _meant(filtered, ids, everything=everything, verb="start again")
        _ask_first(desk.dead, which, yes=yes, verb="Start {} again?")
        pages = desk.dead.replay(None, which) if which.ids is None else _again(desk.tasks, which.ids)
        handled = _all_of(desk.dead, which, pages)
    _report(handled, "replayed", "queued again", as_json=as_json)


@app.command()
def discard(
    context: typer.Context,
    ids: SomeIds = None,
    everything: All = False,  # noqa: FBT002
    user: User = None,
    code: Code = None,
    batch: BatchOf = None,
    since: Since = None,
    until: Until = None,
    yes: Yes = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Take tasks off the list of the dead: some by id, all, or those of a filter. They stay failed."""
    with desk_in(context, data, database) as desk:
        filtered = _letters(desk.accounts, user, code, batch, since, until)
        which = _meant(filtered, ids, everything=everything, verb="discard")
        _ask_first(desk.dead, which, yes=yes, verb="Discard {}?")
        handled = _all_of(desk.dead, which, desk.dead.discard(None, which))
    _report(handled, "discarded", "discarded", as_json=as_json)


def _letters(
    accounts: "Accounts", user: str | None, code: str | None, batch: str | None, since: str | None, until: str | None
) -> "Letters":
    from math import inf

    from paperlane.desk import moment_of
    from paperlane.model.tasks import BatchId, Letters

    return Letters(
        user=None if user is None else _user(accounts, user),
        batch=BatchId(batch) if batch else None,
        code=code or "",
        since=moment_of(since) if since else 0.0,
        until=moment_of(until) if until else inf,
    )


def _user(accounts: "Accounts", name: str) -> "UserId":
    """By name, or by the number that users of another pipeline have alone."""
    from paperlane.model.tasks import UserId

    try:
        return accounts.user(name).id
    except NotFound:
        if name.isascii() and name.isdigit() and len(name) <= _DIGITS:
            return UserId(int(name))
        raise


def _meant(which: "Letters", ids: list[str] | None, *, everything: bool, verb: str) -> "Letters":
    """Those that are named, or those of the filter: one of these, so that no slip means all."""
    from paperlane.ledger.sense import check_letters
    from paperlane.model.tasks import Letters, TaskId

    if sum((bool(ids), everything, which != Letters())) != 1:
        raise BadRequest(
            f"It is not said which tasks to {verb}.", hint="Name ids, or a filter, or --all: one of these."
        )
    meant = Letters(ids=[TaskId(task) for task in ids]) if ids else which
    check_letters(meant)
    return meant


def _ask_first(dead: "DeadLetters", which: "Letters", *, yes: bool, verb: str) -> None:
    """On a terminal nothing happens to several tasks before somebody said yes."""
    count = _count(dead, which)
    if count > 1 and not yes and sys.stdin.isatty() and not typer.confirm(verb.format(f"{count} tasks"), err=True):
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit(1)


def _count(dead: "DeadLetters", which: "Letters") -> int:
    return sum(dead.causes(None, which).values()) if which.ids is None else len(which.ids)


def _again(tasks: "Tasks", ids: "Sequence[TaskId]") -> "Iterator[Handled]":
    """One by one: also what was cancelled, or discarded."""
    from paperlane.model.tasks import Handled, LeftOver

    for task in ids:
        try:
            tasks.retry(None, task)
            yield Handled(1)
        except Refused as error:
            yield Handled(0, [LeftOver(error.fault, 1, [task])])


def _all_of(dead: "DeadLetters", which: "Letters", pages: "Iterator[Handled]") -> "Handled":
    """What became of all pages; a terminal shows how far it is."""
    from paperlane.desk import together

    with counted_on_terminal("tasks", _count(dead, which)) as count:
        found: list[Handled] = []
        for page in pages:
            found.append(page)
            count(page.done + sum(left.count for left in page.left))
    return together(found)


def _report(handled: "Handled", name: str, said: str, *, as_json: bool) -> None:
    if as_json:
        left = [{**asdict(one.why), "count": one.count, "tasks": one.tasks} for one in handled.left]
        typer.echo(json.dumps({name: handled.done, "left": left}, ensure_ascii=False, indent=2))
    else:
        if handled.done or not handled.left:
            tasks = {0: "No task is", 1: "1 task is"}.get(handled.done, f"{handled.done} tasks are")
            typer.echo(f"{tasks} {said}.")
        for one in handled.left:
            which = one.tasks[0] if one.count == 1 else f"{one.count} tasks"
            typer.echo(f"{which}: {one.why.message} {one.why.hint}".rstrip(), err=True)
    if handled.left:
        raise typer.Exit(1)


@app.command()
def cancel(context: typer.Context, ids: Ids, data: Data = None, database: Database = None) -> None:
    """Cancel tasks: queued ones at once, running ones at their next step."""
    from paperlane import logs
    from paperlane.settings import settings_of
    from paperlane.telemetry import following, is_asked_for, traced

    if is_asked_for():  # what is wrong with a collector stands beside the answer, not in it
        logs.configure(settings_of())
    with traced(), desk_in(context, data, database) as desk, following(desk.ledger):  # queued ones end here
        _each(desk.tasks, ids)


def _each(tasks: "Tasks", ids: list[str]) -> None:
    from paperlane.model.tasks import TaskId

    failed = False
    for task in ids:
        try:
            tasks.cancel(None, TaskId(task))
            typer.echo(f"{task} is cancelled, or will be at its next step.")
        except Refused as error:
            typer.echo(f"{task}: {error.message} {error.hint}".rstrip(), err=True)
            failed = True
    if failed:
        raise typer.Exit(1)


@app.command()
def pause(context: typer.Context, engine: Engine = "database", data: Data = None, database: Database = None) -> None:
    """Start no more tasks on an engine; running ones go on."""
    with desk_in(context, data, database) as desk:
        desk.operating.pause(None, engine, paused=True)
    typer.echo(f"{engine} is paused: running tasks go on, none starts.")


@app.command()
def resume(context: typer.Context, engine: Engine = "database", data: Data = None, database: Database = None) -> None:
    """Start tasks on a paused engine again."""
    with desk_in(context, data, database) as desk:
        desk.operating.pause(None, engine, paused=False)
    typer.echo(f"{engine} starts tasks again.")


@app.command()
def workers(
    context: typer.Context,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show all workers: their slots, between how many they choose, and how busy their machines are."""
    with desk_in(context, data, database) as desk:
        members = desk.ledger.members()
    rows = [
        {
            "id": one.id,
            "engine": one.engine,
            "host": one.machine,
            "pid": one.pid,
            "running": one.running,
            "slots": one.slots,
            "wants": one.wants,
            "least": one.least,
            "asked": one.asked,
            "cpu (%)": _percent(one.cpu),
            "memory (%)": _percent(one.memory),
            "live": one.live,
        }
        for one in members
    ]
    show(rows, as_json=as_json, empty="No worker is registered.")


def _percent(share: float | None) -> int | None:
    return None if share is None else round(100 * share)


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
    with desk_in(context, data, database) as desk:
        if number is not None:
            desk.operating.limit(None, _number(number))
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
