"""`paperlane rollout`: which engine carries whose tasks, and what is in use at all."""

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
    from collections.abc import Iterator, Sequence

    from paperlane.desk import Desk
    from paperlane.desk.operating import RolledOut
    from paperlane.rollout.rules import Rule

app = typer.Typer(
    help="Which engine carries whose tasks: set, rollback, acknowledge, guard, flag, compare.",
    invoke_without_command=True,
)

Group = Annotated[str, typer.Option(help="Only the users of this group.")]

_STATES = {"on": True, "off": False}


@app.callback()
def rollout(
    context: typer.Context,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what was rolled out, the newest first, how many users each engine carries, and which flags are on.

    A user goes by the first of these that takes them in; of whom none does, by the default engine, which is the setting
    `engine` of the `paperlane serve` that was started last.
    """
    context.obj = {"data": data, "database": database}
    if (command := context.invoked_subcommand) is not None:
        if as_json:
            raise BadRequest(
                f"--json before {command} says nothing to it.", hint=f"See: paperlane rollout {command} -h."
            )
        return
    with desk_in(context, data, database) as desk:
        told = _told(desk)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    show(
        [
            {
                "rule": row["id"],
                **{name: row[name] for name in ("engine", "percent")},
                "group": row["group"] or "everybody",
                "set_at": row["set_at"],
                "set_by": row["set_by"] or "at the machine",
                "guard": row["guard"]["mode"],
                "state": row["guard"]["state"].replace("_", " "),
            }
            for row in told["rules"]
        ],
        as_json=False,
        empty=f"Nothing was rolled out: {told['usual']} carries all tasks but those of users with an engine of their"
        " own.",
    )
    for row in told["rules"]:
        if row["guard"]["mode"] != "off":
            typer.echo(f"\n{row['engine']}, {row['percent']:g} %: {row['guard']['words']}")
        if row["hidden"]:
            typer.echo(f"\nRule {row['id']} carries nobody: newer ones take the same users.")
    typer.echo()
    show(told["engines"], as_json=False, empty="")
    typer.echo()
    show([{"flag": name, "on": on} for name, on in told["flags"].items()], as_json=False, empty="")
    if not told["flags"]["use_database_queue"]:
        typer.echo("\nAll tasks run on inline, whatever was rolled out, until use_database_queue is on.")
    if not told["settled"]:
        typer.echo("\nUsers are still to be moved; `paperlane serve` goes on with it within seconds.")


def _told(desk: "Desk") -> dict[str, Any]:
    """As `GET /rollout` answers."""
    from paperlane.web.shapes import rolled_out

    found = desk.operating.rolled_out(None)
    return {**rolled_out(found, desk.accounts.names([rule.by for rule in found.rules]))}


@app.command("set")
def change(
    context: typer.Context,
    engine: Annotated[str, typer.Argument(help="The engine that is to carry their tasks.")],
    percent: Annotated[float, typer.Argument(help="How many of the users, from 0 to 100.")],
    group: Group = "",
    guard: Annotated[
        str,
        typer.Option(
            metavar="act|stop|tell|off",
            help="What is done by itself where it does worse.",
            show_default="as before, else act",
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Also to an engine that no worker serves.")] = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
) -> None:
    """Let an engine carry the tasks of so many percent of the users, while everything runs.

    Who is moved first stays moved as the percentage grows. What waits moves along, what runs ends where it is. Users
    with an engine of their own (`user set --engine`) stay. Where the engine is measurably worse than the one before,
    the guard takes the roll-out back (act), lets it grow no more (stop), or only tells of it (tell).
    """
    from paperlane.rollout.guarded import mode_of

    mode = mode_of(guard) if guard else None
    with desk_in(context, data, database) as desk:
        desk.operating.roll_out(None, engine, percent, group, force=force, guard=mode)
        moved = sum(desk.rollout.settle())
        found = desk.operating.rolled_out(None)
    whose = f"of the users in {group}" if group else "of the users"
    typer.echo(f"{engine} carries {percent:g} % {whose}: {_moved(moved)}.")
    for told in _hidden_by_newest(found):
        typer.echo(f"paperlane: {told}", err=True)
    _tell_unguarded(found)
    _tell_queue(found)
    _tell(found.unserved if moved else [])


def _tell_unguarded(found: "RolledOut") -> None:
    """Where the newest rule goes on with one that is known to be worse, which nobody guards."""
    from paperlane.rollout.guards import State

    newest = next(iter(found.rules), None)
    if newest is not None and found.guards[newest.id].state is State.ACKNOWLEDGED:
        told = f"Somebody knows that {newest.engine} does worse, and nobody guards it. To have it guarded from now on"
        typer.echo(f"paperlane: {told}: paperlane rollout guard {newest.id} act", err=True)


def _hidden_by_newest(found: "RolledOut") -> "Iterator[str]":
    """Of each rule that the newest one alone hides, which may not be meant, and how both would carry somebody."""
    from paperlane.rollout import hidden

    newest, before = next(iter(found.rules), None), hidden(found.rules[1:])
    for rule in found.rules:
        by = found.hidden.get(rule.id)
        if by is None or by is not newest or rule.id in before or by.engine == rule.engine:
            continue
        told = f"Rule {rule.id} ({_said(rule)}) carries nobody any more: {by.engine} takes the same users."
        if (both := rule.percent + by.percent) <= 100:  # noqa: PLR2004  percent
            of = f" of {rule.group}" if rule.group else ""
            told += (
                f" To run both side by side, set {rule.engine} to {both:g}{of} and then {by.engine} to {by.percent:g}."
            )
        yield told


def _tell_queue(found: "RolledOut") -> None:
    if not all(flag.on for flag in found.flags if flag.name == "use_database_queue"):
        typer.echo("paperlane: Their tasks stay on inline: use_database_queue is off.", err=True)


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
        str,
        typer.Option(help="Of tasks submitted since then: how long ago (30s, 90m, 12h, 7d, 2w) or an ISO 8601 time."),
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
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Compare two engines by what their tasks of a while came to, and say what that is too little to tell.

    Tasks are compared that are of the same kind and size; intervals are of users drawn again, for users were assigned.
    """
    from paperlane.rollout.telling import FORMS

    if as_json and form not in {None, Format.JSON}:
        raise BadRequest(f"--json and --format {form} say two things.", hint="Give one of them.")
    with desk_in(context, data, database) as desk, _told_on_terminal() as told:
        found = desk.comparing.compare(None, a, b, since, until, group, told=told)
    if as_json:
        form = Format.JSON
    elif form is None:
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
def rollback(
    context: typer.Context,
    engine: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENGINE]", help="All roll-outs of this engine; else the newest one.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also to an engine that a guardrail holds.")] = False,  # noqa: FBT002
    data: Data = None,
    database: Database = None,
) -> None:
    """Take the newest roll-out back, or all of an engine: each user goes to the engine that the others say.

    With ENGINE nobody is left on it but those who have it as an engine of their own, or as the usual one. Refused where
    users would go to an engine that a guardrail holds.
    """
    with desk_in(context, data, database) as desk:
        undone = _taken_back(desk, engine, force=force)
        moved = sum(desk.rollout.settle())
        found = desk.operating.rolled_out(None)
    what = "; ".join(_said(rule) for rule in undone)
    typer.echo(f"Taken back: {what}; {_moved(moved)}. {_where(found, undone)}")
    _tell_queue(found)
    _tell(found.unserved if moved else [])


def _taken_back(desk: "Desk", engine: str | None, *, force: bool) -> "Sequence[Rule]":
    """The rules that were taken back, which are some."""
    from paperlane.rollout import nothing_rolled_out

    if engine is None:
        undone = desk.operating.roll_back(None, force=force)
        assert undone is not None  # only one that was named may be so already
        return [undone]
    if rules := desk.operating.roll_all_back(None, engine, force=force):
        return rules
    raise nothing_rolled_out(engine)


def _said(rule: "Rule") -> str:
    return f"{rule.engine}, {rule.percent:g} %{f' of {rule.group}' if rule.group else ''}"


def _where(found: "RolledOut", undone: "Sequence[Rule]") -> str:
    """Who carries whom after these rules were taken back: by which rules, the newest first."""
    went = {(rule.engine, rule.group) for rule in undone}
    carries = [
        f"{rule.engine} carries {rule.percent:g} %{f' of {rule.group}' if rule.group else ''}"
        f"{' again' if (rule.engine, rule.group) in went else ''} by rule {rule.id}"
        for rule in found.rules
        if rule.id not in found.hidden
    ]
    if not carries:
        return f"Nothing is rolled out any more: {found.usual} carries them."
    return f"{', '.join(carries)}."


@app.command()
def acknowledge(
    context: typer.Context,
    rule: Annotated[
        int | None,
        typer.Argument(metavar="[RULE]", help="Its number; all that were found worse without one.", show_default=False),
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Know that an engine does worse, and go on: its roll-out is guarded no more, and may grow again."""
    with desk_in(context, data, database) as desk:
        known = desk.operating.acknowledge(None, rule)
    for one in known:
        typer.echo(f"Acknowledged: {one.engine}, {one.percent:g} %; nobody guards it any more.")
    if not known:
        typer.echo("It was acknowledged before.")


@app.command()
def guard(
    context: typer.Context,
    rule: Annotated[int, typer.Argument(metavar="RULE", help="Its number.")],
    mode: Annotated[
        str, typer.Argument(metavar="act|stop|tell|off", help="What is done by itself where it does worse.")
    ],
    data: Data = None,
    database: Database = None,
) -> None:
    """Change the guard of a roll-out in force, whichever it is, and nothing else.

    Where it was acknowledged, any but off has it guarded again, by what comes from now on.
    """
    from paperlane.rollout.guarded import mode_of

    wanted = mode_of(mode)
    with desk_in(context, data, database) as desk:
        changed = desk.operating.guard(None, rule, wanted)
    typer.echo(f"The guard of rule {rule} {'is' if changed else 'was'} {wanted}{'' if changed else ' before'}.")


@app.command()
def flag(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The flag's name.")],
    state: Annotated[str, typer.Argument(metavar="on|off", help="What it is to be: on or off.")],
    force: Annotated[  # noqa: FBT002
        bool, typer.Option("--force", help="Also where users would go to an engine that no worker serves.")
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Switch a part of the machinery off or on again, while everything runs.

    use_database_queue (off: all tasks run on inline), use_worker_pool (off: serve has no worker processes),
    use_user_semaphore (off: users are bounded by the system's limit only). Each is on until it is switched off.
    """
    from paperlane.rollout.flags import WORKER_POOL, named

    if (on := _STATES.get(state.lower())) is None:
        raise BadRequest(f"A flag cannot be {state!r}.", hint="Say on or off.")
    with desk_in(context, data, database) as desk:
        changed = desk.operating.change(None, to={name: on}, force=force)
        moved = sum(desk.rollout.settle())
        told = _told(desk)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        became = f"is {state.lower()}" if changed else f"was {state.lower()} before"
        typer.echo(f"{named(name)} {became}: {_moved(moved)}.")
    if moved or changed.flags.get(WORKER_POOL) is False:
        _tell(told["unserved"])


def _tell(unserved: "Sequence[str]") -> None:
    """Of engines that carry somebody and have no worker; to go to one that carried them before is not refused."""
    for engine in unserved:
        told = f"No worker of {engine} is running, so its users' tasks wait. Start one, or roll out another engine."
        typer.echo(f"paperlane: {told}", err=True)


def _moved(users: int) -> str:
    return "1 user was moved" if users == 1 else f"{users} users were moved"
