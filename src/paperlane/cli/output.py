"""Tables for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from paperlane.model.tasks import Queue, Unreadable

_WIDE = 10_000  # characters: tables are as wide as they are, so that ids can be copied; a terminal wraps by itself


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows of the same columns; `empty` is said where there is none."""
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not rows:
        typer.echo(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold", justify="right" if _is_number(rows, name) else "left")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    Console(soft_wrap=True, width=_WIDE, markup=False, emoji=False).print(table)


def waiting_in_vain(of: Unreadable) -> str:
    """What is to be done about tasks that no worker can read."""
    tasks = "1 task waits" if of.tasks == 1 else f"{of.tasks} tasks or more wait"
    return (
        f"{tasks} for a worker of {of.engine} that reads payloads of version {of.version}; the newest one that lives"
        f" reads {of.reads}: upgrade the workers, or start one of a newer Paperlane"
    )


def oldest_wait(queue: Queue) -> str:
    """How long what could start has waited; what is paused does not count."""
    if queue.queued and not queue.oldest:
        return "none of them could start now: paused, put off or handed out"
    return f"the oldest waits {queue.oldest:.0f} s"


def _is_number(rows: Iterable[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(row[name], int | float) for row in rows)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case _:
            return str(value)


@contextmanager
def progress_on_terminal() -> Generator[Callable[[str, float], None]]:
    """Bars on stderr when that is a terminal; what it yields is told a name and its percent, 100 for done."""
    if not sys.stderr.isatty():
        yield lambda _name, _percent: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    done: set[str] = set()
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        whole = progress.add_task("files", total=0)

        def tell(name: str, percent: float) -> None:
            if percent >= 100.0:  # noqa: PLR2004  percent
                done.add(name)
                if name in bars:
                    progress.remove_task(bars.pop(name))
            elif percent > 0.0:
                if name not in bars:
                    bars[name] = progress.add_task(name, total=100)
                progress.update(bars[name], completed=int(percent))
            else:
                seen.add(name)
            progress.update(whole, total=len(seen), completed=len(done))

        seen: set[str] = set()
        yield tell


@contextmanager
def counted_on_terminal(what: str, total: int) -> Generator[Callable[[int], None]]:
    """A bar on stderr when that is a terminal; what it yields is told how many more are done."""
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda more: progress.update(bar, advance=more)
