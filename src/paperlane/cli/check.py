"""`paperlane check`: tests files here and now, through the same chain as the service."""

import asyncio
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from paperlane.cli.files import words_of
from paperlane.cli.installation import said
from paperlane.cli.output import progress_on_terminal
from paperlane.errors import BadRequest, Misconfigured

if TYPE_CHECKING:
    from paperlane.model.documents import Brief
    from paperlane.model.tasks import Fault
    from paperlane.settings import ModelTerms, Settings
    from paperlane.work.sandbox import Sandbox


_READ = frozenset({"html", "md", "xlsx", "pdf"})  # a file of these may as well be a document
_WRITTEN = {"-o": "The report", "--write-baseline": "The baseline"}


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", readable=False, help="Files or folders to test.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="text, json, html, sarif, md, xlsx or pdf; else as -o ends, or text."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", readable=False, help="Write there.")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 at this severity or above.")] = FailOn.ERROR,
    fail_on_untested: Annotated[  # noqa: FBT002
        bool, typer.Option("--fail-on-untested", help="Exit with 1 also when a document was not tested, or not wholly.")
    ] = False,
    language: Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of the report.")] = "en",
    profiles: Annotated[
        list[str] | None, typer.Option("--profile", metavar="NAME", help="Ask the checks of this profile; several too.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option("--check", metavar="NAME", help="Ask this check too; several too.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--no-check", metavar="NAME", help="Do not ask this check; several too.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="The team's glossary, and words to ignore.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="Count only issues that are not in there.")
    ] = None,
    write_baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="Write the issues there, for --baseline.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Have this language model review the documents too; several too."),
    ] = None,
    no_model: Annotated[  # noqa: FBT002
        bool, typer.Option("--no-model", help="Use rules only, also where the settings name a model.")
    ] = False,
) -> None:
    """Test documents and print their issues.

    Exit code 0: nothing at or above --fail-on. 1: something. 2: wrong usage, or no file could be read.
    A file that cannot be read is reported with its reason and does not stop the others.
    Documents in folders that this version cannot read are counted at the end.

    Which checks are asked: --profile requirements,style-zh --no-check vague-term; paperlane checks lists them.
    A comment in the document speaks too: paperlane: ignore vague-term, for the block behind it.
    With --baseline only issues count that are not in it, for the exit code too.

    A language model reviews them too where PAPERLANE_MODEL or --model names one: its endpoint is
    PAPERLANE_MODEL_BASE_URL, its key PAPERLANE_MODEL_API_KEY. Whatever it quotes must stand in the document.
    """
    settings = said()
    with _sandbox(settings) as (loop, sandbox):
        from rich.markup import escape

        from paperlane import checking
        from paperlane.cli import baseline as baselines
        from paperlane.reports import REPORTS, visible

        report = form or _form_of(output)
        if report not in REPORTS:
            raise BadRequest(f"There is no report format {report!r}.", hint=f"Choose one of {', '.join(REPORTS)}.")
        if language not in {"en", "zh"}:
            raise BadRequest(f"Reports are not written in {language!r}.", hint="Choose en or zh.")
        if output is None and REPORTS[report].binary and sys.stdout.isatty():
            raise BadRequest(f"A terminal cannot show {report}.", hint="Name a file with -o, or send it to a program.")
        settings, chosen = _models(settings, models or (), no_model=no_model)
        brief = replace(_brief(settings, profiles or (), also or (), without or (), words), models=chosen)
        before = None if baseline is None else baselines.read(baseline)
        _look_ahead(output, paths, REPORTS[report].suffix if form or report not in _READ else "", "-o")
        _look_ahead(write_baseline, paths, ".json", "--write-baseline")
        if chosen:
            _log_quietly(settings)
        with progress_on_terminal() as tell:
            tested = loop.run(
                checking.check(
                    paths,
                    sandbox,
                    settings,
                    lambda name, percent: tell(escape(visible(name)), percent),
                    [path for path in (output, baseline, write_baseline) if path is not None],
                    brief,
                    _tells_trouble(),
                )
            )
    if not tested.reports and not tested.unreadable and not tested.passed_over:
        folders = ", ".join(map(str, paths))
        raise Misconfigured(f"There is nothing to test in {folders}.", hint="Name a file, or see --help for formats.")
    if write_baseline is not None:
        _write(baselines.written(tested.reports), write_baseline, "--write-baseline")
    strange = None
    if before is not None:
        strange = baselines.strange_to(before, tested.reports, language)
        tested = replace(tested, reports=baselines.since(before, tested.reports))
    unreadable = [*tested.unreadable, *(() if report == "text" else tested.passed_over)]
    _write(REPORTS[report].render(tested.reports, unreadable, language), output, "-o")
    if strange is not None:
        typer.echo(visible(strange), err=True)
    _tell_untested(() if report == "text" and output is None else tested.unreadable, tested.passed_over, language)
    if not tested.reports:
        raise typer.Exit(2)
    failed = fail_on is not FailOn.NEVER and tested.worst_at_least(fail_on.value)
    if failed or (fail_on_untested and not tested.whole):
        raise typer.Exit(1)


@contextmanager
def _sandbox(settings: "Settings") -> "Generator[tuple[asyncio.Runner, Sandbox]]":
    """A sandbox and the loop that it works in; its first child loads the chain while this process does."""
    from paperlane.sandboxes import open_sandbox

    with asyncio.Runner() as loop:
        sandbox = open_sandbox(settings)
        try:
            with suppress(OSError, RuntimeError):  # the system refuses a process: each file that needs one tells so
                loop.run(sandbox.warm())
            yield loop, sandbox
        finally:
            loop.run(sandbox.close())


def _form_of(output: Path | None) -> str:
    """The format that a report's file ends as; text for any other."""
    from paperlane.reports import REPORTS

    suffix = "" if output is None else output.suffix.lower()
    return next((name for name, form in REPORTS.items() if form.suffix == suffix), "text")


def _models(settings: "Settings", named: Sequence[str], *, no_model: bool) -> tuple["Settings", Sequence[str]]:
    """The settings, and which of their models review.

    Where they name none, a name is its provider's, asked at PAPERLANE_MODEL_BASE_URL; where they do, another may be a
    slip, and the document would go to somebody else. Misconfigured for one at OpenAI without a key.
    """
    from paperlane.checks import names_in
    from paperlane.settings import NO_MODEL, models_of, settings_of

    names = names_in(named)
    if no_model:
        if names:
            raise BadRequest("--model and --no-model contradict each other.", hint="Leave one of them out.")
        return settings, ()
    if not models_of(settings) and len(foreign := [name for name in names if name != NO_MODEL]) == 1:
        settings = settings_of(model=foreign[0])
    chosen = settings.chosen_models(names)
    for terms in models_of(settings):
        if terms.called in chosen and terms.lacks_key:
            own = "base_url of this model" if terms in settings.models else "PAPERLANE_MODEL_BASE_URL"
            raise Misconfigured(
                f"The model {terms.called} would be asked at {terms.base_url}, and there is no key for it.",
                hint=f"Set {terms.key_env}; where the model is elsewhere, as in your own house, set {own}.",
            )
    return settings, chosen


def _log_quietly(settings: "Settings") -> None:
    """On stderr, for the report is on stdout; what people must know of models is told them in other words."""
    from paperlane import logs

    chosen = "log_level" in settings.model_fields_set
    logs.configure(settings if chosen else settings.model_copy(update={"log_level": "error"}))


def _tells_trouble() -> "Callable[[ModelTerms, str], None]":
    """Says on stderr, once, where a model gave no answer and why: it may be asked again for a while."""
    before: set[tuple[str, str]] = set()

    def tell(terms: "ModelTerms", why: str) -> None:
        if (terms.called, why) not in before:
            before.add((terms.called, why))
            typer.echo(f"paperlane: No answer from the model {terms.called}: {terms.base_url}: {why}", err=True)

    return tell


def _brief(
    settings: "Settings", profiles: Sequence[str], also: Sequence[str], without: Sequence[str], words: Path | None
) -> "Brief":
    from paperlane.checks import brief_of

    brief = brief_of(profiles or settings.profiles, also, without)
    if words is None and not settings.words:
        return brief
    listed = words_of(words or Path(settings.words))
    return replace(brief, terms=listed.terms, ignored=tuple(listed.ignored))


def _tell_untested(
    unreadable: "Sequence[tuple[str, Fault]]", passed_over: "Sequence[tuple[str, Fault]]", language: str
) -> None:
    """On stderr, what the report on stdout does not tell."""
    from paperlane.reports import fault_line, visible

    for name, fault in unreadable:
        typer.echo(visible(f"{name}: {fault_line(fault, language)}"), err=True)
    if passed_over:
        typer.echo(_passed_over([name for name, _ in passed_over], language), err=True)


def _passed_over(names: Sequence[str], language: str) -> str:
    """How many documents were not tested because of their type, and of which types."""
    suffixes = sorted({PurePath(name).suffix.lower() for name in names})
    if language == "zh":
        return f"另有 {len(names)} 个其他类型的文件未检测：{'、'.join(suffixes)}。"
    what = "1 file of another type was" if len(names) == 1 else f"{len(names)} files of other types were"
    return f"{what} not tested: {', '.join(suffixes)}."


def _look_ahead(output: Path | None, paths: Sequence[Path], suffix: str, option: str) -> None:
    """Misconfigured where what was asked for cannot be written, or would be over a document: before the work is done.

    Of what lies in tested folders, only a file of `suffix`, the report's own, is taken for an earlier report; with ""
    none is, as nobody said the format.
    """
    if output is None:
        return
    try:
        is_folder, lies_in_one = output.is_dir(), output.parent.is_dir()
    except OSError as error:
        raise _unwritten(output, error, option) from error
    if is_folder or not lies_in_one:
        what = "is a folder" if is_folder else "lies in no folder"
        raise Misconfigured(
            f"{_WRITTEN[option]} cannot be written: {output} {what}.", hint=f"Name a file with {option}."
        )
    if not output.exists():
        return
    place = Path(os.path.realpath(output))  # Path's own way fails where links go round
    tested = {Path(os.path.realpath(path)) for path in paths}
    if place in tested or (place.suffix.lower() != suffix and not tested.isdisjoint(place.parents)):
        hint = f"Name another file with {option}" + ("." if suffix else ", or say --format if it is an earlier report.")
        raise Misconfigured(f"{_WRITTEN[option]} would be written over a document: {output}.", hint=hint)


def _write(content: bytes, output: Path | None, option: str) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise _unwritten(output, error, option) from error


def _unwritten(output: Path, error: OSError, option: str) -> Misconfigured:
    what = f"{_WRITTEN[option]} cannot be written: {output}: {error.strerror}."
    return Misconfigured(what, hint=f"Name another file with {option}.")
