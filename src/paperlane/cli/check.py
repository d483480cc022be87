"""`paperlane check`: tests files here and now, through the same chain as the service."""

import asyncio
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Annotated

import typer

from paperlane.cli.installation import settings_of
from paperlane.cli.output import progress_on_terminal
from paperlane.errors import BadRequest, Misconfigured


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", readable=False, help="Files or folders to test.")],
    report: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, json, html, sarif, md, xlsx or pdf.")
    ] = "text",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", readable=False, help="Write there.")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 at this severity or above.")] = FailOn.ERROR,
    fail_on_untested: Annotated[  # noqa: FBT002
        bool, typer.Option("--fail-on-untested", help="Exit with 1 also when a document was not tested, or not wholly.")
    ] = False,
    language: Annotated[str, typer.Option("--lang", metavar="en|zh", help="Language of the report.")] = "en",
    model: Annotated[str, typer.Option(metavar="NAME", help="A language model; this version has rules only.")] = "",
    no_model: Annotated[bool, typer.Option("--no-model", help="Use rules only.")] = False,  # noqa: FBT002
) -> None:
    """Test documents and print their issues.

    Exit code 0: nothing at or above --fail-on. 1: something. 2: wrong usage, or no file could be read.
    A file that cannot be read is reported with its reason and does not stop the others.
    Documents in folders that this version cannot read are counted at the end.
    """
    from rich.markup import escape

    from paperlane import checking
    from paperlane.reports import REPORTS, fault_line, visible

    if report not in REPORTS:
        raise BadRequest(f"There is no report format {report!r}.", hint=f"Choose one of {', '.join(REPORTS)}.")
    if language not in {"en", "zh"}:
        raise BadRequest(f"Reports are not written in {language!r}.", hint="Choose en or zh.")
    if model and not no_model:
        raise BadRequest("This version tests by rules only.", hint="Leave --model out.")
    if output is None and REPORTS[report].binary and sys.stdout.isatty():
        raise BadRequest(f"A terminal cannot show {report}.", hint="Name a file with -o, or send it to a program.")
    if output is not None:
        _look_ahead(output, paths, REPORTS[report].suffix)
    with progress_on_terminal() as tell:
        tested = asyncio.run(
            checking.check(paths, settings_of(), lambda name, percent: tell(escape(visible(name)), percent), output)
        )
    if not tested.reports and not tested.unreadable and not tested.passed_over:
        folders = ", ".join(map(str, paths))
        raise Misconfigured(f"There is nothing to test in {folders}.", hint="Name a file, or see --help for formats.")
    unreadable = [*tested.unreadable, *(() if report == "text" else tested.passed_over)]
    _write(REPORTS[report].render(tested.reports, unreadable, language), output)
    if report != "text" or output is not None:
        for name, fault in tested.unreadable:
            typer.echo(visible(f"{name}: {fault_line(fault, language)}"), err=True)
    if tested.passed_over:
        typer.echo(_passed_over([name for name, _ in tested.passed_over], language), err=True)
    if not tested.reports:
        raise typer.Exit(2)
    failed = fail_on is not FailOn.NEVER and tested.worst_at_least(fail_on.value)
    if failed or (fail_on_untested and not tested.whole):
        raise typer.Exit(1)


def _passed_over(names: Sequence[str], language: str) -> str:
    """How many documents were not tested because of their type, and of which types."""
    suffixes = sorted({PurePath(name).suffix.lower() for name in names})
    if language == "zh":
        return f"另有 {len(names)} 个其他类型的文件未检测：{'、'.join(suffixes)}。"
    what = "1 file of another type was" if len(names) == 1 else f"{len(names)} files of other types were"
    return f"{what} not tested: {', '.join(suffixes)}."


def _look_ahead(output: Path, paths: Sequence[Path], suffix: str) -> None:
    """Misconfigured where a report cannot be written, or would be over a document: before the work is done.

    Of what lies in tested folders, only a file of the report's own suffix is taken for an earlier report.
    """
    try:
        is_folder, lies_in_one = output.is_dir(), output.parent.is_dir()
    except OSError as error:
        raise _unwritten(output, error) from error
    if is_folder or not lies_in_one:
        what = "is a folder" if is_folder else "lies in no folder"
        raise Misconfigured(f"The report cannot be written: {output} {what}.", hint="Name a file with -o.")
    if not output.exists():
        return
    place = Path(os.path.realpath(output))  # Path's own way fails where links go round
    tested = {Path(os.path.realpath(path)) for path in paths}
    if place in tested or (place.suffix.lower() != suffix and not tested.isdisjoint(place.parents)):
        raise Misconfigured(
            f"The report would be written over a document: {output}.", hint="Name another file with -o."
        )


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise _unwritten(output, error) from error


def _unwritten(output: Path, error: OSError) -> Misconfigured:
    return Misconfigured(
        f"The report cannot be written: {output}: {error.strerror}.", hint="Name another file with -o."
    )
