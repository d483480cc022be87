"""`paperlane simulate`: what would be, with other workers, limits and engines, on a clock that waits for nobody."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlane.cli.installation import Data, Database, Json, desk_of, existing
from paperlane.cli.output import counted_on_terminal
from paperlane.errors import BadRequest

if TYPE_CHECKING:
    from paperlane.bench.report import Report
    from paperlane.simulation.scenario import Scenario

_SAID = "COMMANDLINE"  # how Typer names where an option that somebody wrote comes from
_NOT_OURS = {"file", "history", "since", "like", "what_if", "data", "database", "output", "as_json"}
_OF_LOAD = "Load"
_OF_SETTING = "Setting"


def _number(help_text: str, panel: str, *, shown: str | bool = True) -> Any:
    return typer.Option(metavar="NUMBER", help=help_text, show_default=shown, rich_help_panel=panel)


def simulate(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", show_default=False, help="A load in a .toml or .json file; options win."),
    ] = None,
    users: Annotated[int, _number("Users who bring the tasks.", _OF_LOAD)] = 100,
    tasks: Annotated[int, _number("Tasks in all.", _OF_LOAD)] = 10_000,
    arrivals: Annotated[float, _number("Tasks that come an hour.", _OF_LOAD, shown="as fill 80 % of the slots")] = 0.0,
    duration: Annotated[float, _number("Or the hours within which all come.", _OF_LOAD, shown="by the arrivals")] = 0.0,
    heavy: Annotated[float, _number("The share of the tasks that heavy users bring.", _OF_LOAD)] = 0.5,
    heavy_users: Annotated[int, _number("How many of the users are heavy.", _OF_LOAD)] = 1,
    batch: Annotated[int, _number("Documents in an upload, on average.", _OF_LOAD)] = 5,
    heavy_batch: Annotated[int, _number("Documents in a heavy user's upload.", _OF_LOAD)] = 50,
    median: Annotated[float, _number("Seconds that an attempt takes, in the middle.", _OF_LOAD)] = 30.0,
    p95: Annotated[float, _number("Seconds within which 95 % of them end.", _OF_LOAD, shown="2.3 x the median")] = 0.0,
    known: Annotated[
        float, _number("The share of the spread of these times that documents' sizes tell the ledger.", _OF_LOAD)
    ] = 0.5,
    cpu: Annotated[float, _number("Processor seconds of a task, for the cost.", _OF_LOAD, shown="not told")] = 0.0,
    tokens: Annotated[float, _number("Model tokens of a task, for the cost.", _OF_LOAD, shown="not told")] = 0.0,
    seed: Annotated[int, _number("What chance begins with: the same seed, the same figures.", _OF_LOAD)] = 1,
    workers: Annotated[int, _number("Worker processes.", _OF_SETTING)] = 2,
    slots: Annotated[int, _number("Tasks that each of them runs at once.", _OF_SETTING)] = 10,
    user_limit: Annotated[int, _number("Tasks of one user that run at once.", _OF_SETTING)] = 10,
    system_limit: Annotated[int, _number("Tasks of all that run at once.", _OF_SETTING)] = 100,
    engine: Annotated[
        str, typer.Option(help="The engine that carries them.", rich_help_panel=_OF_SETTING)
    ] = "database",
    overhead: Annotated[
        float, _number("Seconds from a turn to its start.", _OF_SETTING, shown="as measured of the engine")
    ] = -1.0,
    fails: Annotated[float, _number("The share of attempts that fail for good.", _OF_SETTING)] = 0.0,
    retries: Annotated[float, _number("The share of attempts that are tried again.", _OF_SETTING)] = 0.0,
    what_if: Annotated[
        list[str],
        typer.Option(
            "--what-if",
            "--compare",
            metavar="WORDS",
            show_default=False,
            help='The same load once more with these words changed, as "workers=4 slots=20"; several too.',
        ),
    ] = [],  # noqa: B006  typer's form, never changed
    history: Annotated[  # noqa: FBT002
        bool, typer.Option("--history", help="The tasks of this installation's own ledger, instead of a load.")
    ] = False,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="The history since then: how long ago (30s, 90m, 12h, 7d, 2w) or an ISO 8601 time."
        ),
    ] = "7d",
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Beside a real run: the .json report that paperlane bench load wrote with -o.",
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", show_default=False, help="Write a report there: .html, .md or .json."
        ),
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Simulate a load with these workers and limits: how long users would wait, how fair it is and what it costs.

    The ledger's own code decides whose turn it is, on a virtual clock: a week takes seconds. Nothing is written.

    paperlane simulate --users 200 --tasks 20000 --arrivals 1500 --what-if workers=4

    paperlane simulate --history --since 7d --what-if "workers=4 user-limit=20" -o next.html

    paperlane bench load -o held.json; paperlane simulate --like held.json

    A FILE has the options' names: users = 200, heavy-users = 3, median = 20.
    """
    del users, tasks, arrivals, duration, heavy, heavy_users, batch, heavy_batch, median, p95, known, cpu, tokens, seed
    del workers, slots, user_limit, system_limit, engine, overhead, fails, retries
    _check(output)
    words = {name: context.params[name] for name in context.params if name not in _NOT_OURS and _is_said(context, name)}
    if like is not None:
        report = _like(like, words, file, what_if, history=history)
    elif history:
        report = _of_history(words, file, what_if, since, data, database)
    else:
        for name in ("since", "data", "database"):
            if _is_said(context, name):
                raise BadRequest(f"--{name} says nothing without --history.", hint="Add --history, or leave it out.")
        report = _described(words, file, what_if)
    _tell(report, output, as_json=as_json)


def _is_said(context: typer.Context, name: str) -> bool:
    return getattr(context.get_parameter_source(name), "name", "") == _SAID


def _check(output: Path | None) -> None:
    """Before minutes are spent, see that a report can be written there."""
    from paperlane.bench.report import format_of

    if output is not None:
        format_of(output)
        if not output.absolute().parent.is_dir():
            raise BadRequest(f"There is no folder {output.absolute().parent}.", hint="Make it first.")


def _tell(report: "Report", output: Path | None, *, as_json: bool) -> None:
    from paperlane.bench.report import as_json as in_json
    from paperlane.bench.report import as_text, write

    typer.echo(in_json(report).rstrip() if as_json else as_text(report))
    if output is not None:
        write(report, output)


def _named(what_if: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """What would be different, by how it was said."""
    from paperlane.simulation.scenario import pairs

    return {" ".join(said.replace(",", " ").split()): pairs(said) for said in what_if}


def _described(words: Mapping[str, Any], file: Path | None, what_if: Sequence[str]) -> "Report":
    from paperlane.simulation.beside import described
    from paperlane.simulation.report import described as told
    from paperlane.simulation.report import report_of, unlike
    from paperlane.simulation.scenario import Scenario, read

    scenario = Scenario().said({**({} if file is None else read(file)), **words})
    others = {name: _as_often(scenario, scenario.said(changed)) for name, changed in _named(what_if).items()}
    tasks = sum(one.tasks for one in (scenario, *others.values()))
    with counted_on_terminal("tasks simulated", tasks) as progress:
        columns = [described("as described" if others else "simulated", scenario, progress)]
        columns += [described(name, other, progress) for name, other in others.items()]
    return report_of(columns, told(scenario), scenario.words(), more=unlike(scenario, columns[0].figures))


def _as_often(scenario: "Scenario", other: "Scenario") -> "Scenario":
    """Where nobody says how often tasks come, more workers must not bring more of them."""
    if other.arrivals or other.duration:
        return other
    if other.tasks == scenario.tasks:
        return replace(other, duration=scenario.hours)
    return replace(other, arrivals=scenario.tasks / scenario.hours)


def _of_history(
    words: Mapping[str, Any],
    file: Path | None,
    what_if: Sequence[str],
    since: str,
    data: Data,
    database: Database,
) -> "Report":
    from paperlane.assembly import kept_of
    from paperlane.catalog import of_one
    from paperlane.desk.moments import moment_or_ago
    from paperlane.simulation.beside import Column, simulated
    from paperlane.simulation.history import History, crews_of, forgotten, left_out, utc
    from paperlane.simulation.report import report_of
    from paperlane.simulation.scenario import Scenario, changed, read
    from paperlane.simulation.setting import Setting

    asked_at = time.time()
    begins = moment_or_ago(since, asked_at)
    said = _of_setting({**({} if file is None else read(file)), **words})
    others = {name: {**said, **_of_setting(more)} for name, more in _named(what_if).items()}
    settings = existing(data=data, database=database)
    with desk_of(data, database) as desk:
        ledger = desk.ledger
        engine = ledger.read(desk.rollout.usual)
        usual = Scenario(
            workers=max(1, settings.workers), slots=settings.slots, engine=engine, user_limit=settings.user_limit
        )
        past = History(ledger, begins, usual.said(said).seed)
        now = Setting(
            crews_of(ledger) or (usual.crew(),), settings.user_limit, ledger.queue(most=0).limit, first=engine
        )
        use = ledger.use_of_all()
        cpu = use.cpu / ended if (ended := use.completed + use.failed) else 0.0
        columns: list[Column] = []
        with counted_on_terminal("tasks simulated", past.tasks * (1 + len(others))) as progress:
            for name, meant in {"as it is": said, **others}.items():
                scenario = usual.said(meant)
                setting = past.setting(changed(now, scenario, meant.keys()), own_limits="user_limit" not in meant)
                columns.append(
                    simulated(
                        name, setting, past.load(), past.is_heavy,
                        seed=scenario.seed, cpu=cpu, rules=ledger.rules, engine_of=past.engine_of(setting),
                        progress=progress,
                    )
                )  # fmt: skip
    what = of_one(f"{past.tasks} tasks of {len(past.users)} users, as they came to this ledger since {utc(begins)}.")
    more = [*forgotten(past, kept_of(settings), asked_at)]
    more += left_out(past, None if "engine" in said else columns[0].setting)
    return report_of(columns, what, {"since": since, **said}, more=more, measured=past.measured)


def _of_setting(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same words, by the names that scenarios have. BadRequest for one that describes a load."""
    from paperlane.simulation.scenario import SETTING, Scenario

    Scenario().said(said)  # what there is not is refused as anywhere else
    named = {name.replace("-", "_"): value for name, value in said.items()}
    for name in named.keys() - {*SETTING, "seed"}:
        raise BadRequest(
            f"The history says what comes and how long it takes, so --{name.replace('_', '-')} says nothing.",
            hint="Leave it out, or leave out --history.",
        )
    return named


def _like(
    path: Path, words: Mapping[str, Any], file: Path | None, what_if: Sequence[str], *, history: bool
) -> "Report":
    from paperlane.simulation.likeness import predicted, read
    from paperlane.simulation.report import likeness

    if words or file is not None or what_if or history:
        raise BadRequest("The report says what load it was.", hint="Give --like alone, with -o or --json.")
    truth = read(path)
    return likeness(truth, predicted(truth))
