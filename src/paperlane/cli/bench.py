"""`paperlane bench`: how fast engines are here, and whether the service keeps its promises under load."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Coroutine, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from paperlane.cli.installation import Json, said, usual
from paperlane.errors import BadRequest

if TYPE_CHECKING:
    from paperlane.bench.ground import Ground
    from paperlane.bench.report import Report
    from paperlane.settings import Settings

Given = TypeVar("Given")

_SAID = "COMMANDLINE"  # how Typer names where an option that somebody wrote comes from

app = typer.Typer(help="How fast engines are here, and the service under load: load.", invoke_without_command=True)

Server = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        show_default="an SQLite file in a temporary folder",
        help="An empty database of a server, which is filled and emptied.",
    ),
]
Redis = Annotated[
    str,
    typer.Option(
        metavar="URL",
        show_default="a redis-server of its own",
        help="An empty Redis for arq, celery and rq, which is filled and emptied.",
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write a report there: .html, .md or .json.")
]
Sentences = Annotated[int, typer.Option(min=1, max=10_000, help="How long a document is, in sentences.")]
Seed = Annotated[int, typer.Option(min=0, max=1_000_000, help="What the documents are made of.")]


def _engines(engine: list[str], settings: "Settings") -> list[str]:
    """The engines that are meant, each once; BadRequest for one that there is not."""
    from paperlane.bench.scenarios import ENGINES

    named = [name for words in engine for name in words.split(",")] or [settings.engine]
    for name in named:
        if name not in ENGINES:
            raise BadRequest(f"There is no engine {name!r}.", hint=f"Name one of {', '.join(ENGINES)}.")
    return list(dict.fromkeys(named))


@contextmanager
def _ground(url: str) -> "Generator[tuple[Ground, Path]]":
    """A database that is empty, and a folder; both are as they were when the block ends."""
    from paperlane.bench.ground import Ground

    with tempfile.TemporaryDirectory(prefix="paperlane-bench-") as name:
        folder = Path(name)
        with closing(Ground(url or f"sqlite:///{folder}/data/paperlane.db")) as ground:
            try:
                yield ground, folder
            finally:
                ground.clear()


def _told(report: "Report", output: Path | None, *, as_json: bool) -> None:
    """Print and write it; the exit code is 1 where a promise was broken."""
    from paperlane.bench.report import as_json as in_json
    from paperlane.bench.report import as_text, write

    typer.echo(in_json(report).rstrip() if as_json else as_text(report))
    if output is not None:
        write(report, output)
    if not report.kept:
        raise typer.Exit(1)


def _check(output: Path | None) -> None:
    """Before minutes are spent, see that a report can be written there."""
    from paperlane.bench.report import format_of

    if output is not None:
        format_of(output)
        if not output.absolute().parent.is_dir():
            raise BadRequest(f"There is no folder {output.absolute().parent}.", hint="Make it first.")


def _say(sentence: str) -> None:
    typer.echo(f"paperlane: {sentence}", err=True)


def _ending(work: Coroutine[Any, Any, Given]) -> Given:
    """What the work gives; SIGTERM ends it in order, as Ctrl-C does: what it started is not left behind."""
    signal.signal(signal.SIGTERM, _end)
    return asyncio.run(work)


def _end(*_: object) -> None:
    sys.exit(143)  # as a shell says of a program that SIGTERM ended


@app.callback()
def bench(
    context: typer.Context,
    engine: Annotated[
        list[str], typer.Option(show_default=usual("engine"), help="Measure this engine; several too.")
    ] = [],  # noqa: B006  typer's form, never changed
    database: Server = "",
    redis: Redis = "",
    sentences: Sentences = 40,
    median: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="A slow model reviews too, in this time; 0: only rules.")
    ] = 0.0,
    patience: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long a scenario may take.")] = 1_800.0,
    seed: Seed = 1,
    output: Output = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Test one user's 50 documents, then ten users' ten each, on a service that is made for it and removed.

    Several engines run one after the other. Documents are written by chance. The settings of this installation that
    decide how fast it is hold here too; its database, files and models are not touched.
    """
    if context.invoked_subcommand is not None:
        if any(getattr(context.get_parameter_source(name), "name", "") == _SAID for name in context.params):
            raise BadRequest(
                f"Options before {context.invoked_subcommand} say nothing to it.",
                hint=f"See: paperlane bench {context.invoked_subcommand} -h.",
            )
        return
    from paperlane.bench import scenarios
    from paperlane.bench.brokers import broker

    settings, ran, given = said(), list[scenarios.Ran](), dict[str, dict[str, object]]()
    sizes = scenarios.Sizes(sentences, median, patience, seed)
    _check(output)

    async def one(name: str, ground: "Ground", folder: Path) -> None:
        async with broker(name, settings, redis, folder) as chosen:
            found, its = await scenarios.ran_on(name, chosen, ground, folder, sizes)
        ran.extend(found)
        given[name] = dict(its)

    for name in _engines(engine, settings):
        _say(f"measuring {name}")
        with _ground(database) as (ground, folder):
            _ending(one(name, ground, folder))
    _told(scenarios.report_of(ran, given, sizes), output, as_json=as_json)


@app.command()
def load(
    tasks: Annotated[int, typer.Option(min=1, max=20_000, help="Tasks to hold at once.")] = 200,
    users: Annotated[int, typer.Option(min=1, max=1_000, help="Users whose they are.")] = 20,
    heavy: Annotated[float, typer.Option(min=0, max=1, help="The share of them that the first user has.")] = 0.8,
    minutes: Annotated[float, typer.Option(min=0.05, max=10_000, help="How long they are held.")] = 2.0,
    kill_every: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Kill a worker with -9 this often; 0: none.")
    ] = 0.0,
    engine: Annotated[str, typer.Option(show_default=usual("engine"), help="The engine that carries them.")] = "",
    workers: Annotated[int, typer.Option(min=1, max=1_000, help="Worker processes, of the engine database.")] = 2,
    median: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long the model takes for an answer, in the middle.")
    ] = 60.0,
    queued: Annotated[float, typer.Option(min=0, max=10, help="Tasks that wait behind each that runs.")] = 0.25,
    database: Server = "",
    redis: Redis = "",
    sentences: Sentences = 20,
    seed: Seed = 1,
    output: Output = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Hold many tasks at once on a whole service with a slow model, and measure from outside what people meet with.

    One user has most of the tasks. Exit code 1: a promise was broken, 2: wrong usage, or the service did not start.
    """
    from paperlane.bench.brokers import broker
    from paperlane.bench.load import Load, Plan
    from paperlane.bench.load_report import report_of

    settings = said()
    (name,) = _engines([engine] if engine else [], settings)
    plan = Plan(
        name, tasks, users, heavy, minutes, kill_every,
        median=median, queued=queued, workers=workers, sentences=sentences, seed=seed,
    )  # fmt: skip
    _check(output)

    async def run(ground: "Ground", folder: Path) -> "Report":
        async with broker(name, settings, redis, folder) as chosen:
            return report_of(await Load(plan, ground, folder, chosen, _say).run())

    with _ground(database) as (ground, folder):
        report = _ending(run(ground, folder))
    _told(report, output, as_json=as_json)
