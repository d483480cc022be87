"""A benchmark's report: tables for people, plots, and all figures for programs."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from paperlane.errors import BadRequest

_GIGABYTE = 1 << 30
_MOST_SHOWN = 90  # characters of a setting
_SUFFIXES = {".html": "html", ".md": "md", ".json": "json"}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; font-size: 14px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8886; vertical-align: top; }
td { overflow-wrap: anywhere; }
.no { font-weight: 700; color: #c0392b; }
svg { width: 100%; height: auto; margin: .5rem 0 1rem; }
"""

Cell = str | float | bool | None
"""What a table holds; a bool is yes or no, None an empty cell."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title; every row has the cells of the head."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Report:
    """What is shown of a run: sentences, tables and plots (SVG), and `words`, all of it for programs."""

    title: str
    said: Sequence[str]
    tables: Sequence[Table]
    plots: Sequence[str]
    words: Mapping[str, Any]
    kept: bool = True
    """Was every promise kept?"""


def format_of(path: Path) -> str:
    """What a file of this name holds; BadRequest for another suffix than a report has."""
    if (found := _SUFFIXES.get(path.suffix.lower())) is None:
        raise BadRequest(
            f"A benchmark's report cannot be written as {path.suffix or 'a file without a suffix'}.",
            hint=f"Name a file that ends in {', '.join(_SUFFIXES)}.",
        )
    return found


def write(report: Report, path: Path) -> None:
    """Write it, in the format that the file's name says."""
    makers = {"html": as_html, "md": as_markdown, "json": as_json}
    path.write_text(makers[format_of(path)](report), "utf-8")


def machine() -> Mapping[str, object]:
    """Where it was measured, and when."""
    return {
        "cores": os.cpu_count() or 1,
        "memory_gb": round(psutil.virtual_memory().total / _GIGABYTE, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "paperlane": version("paperlane"),
        "taken": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def told(settings: Mapping[str, object]) -> Sequence[Sequence[Cell]]:
    """Settings as rows: nothing that could be a secret, no long value whole."""
    rows: list[Sequence[Cell]] = []
    for name, value in settings.items():
        if name in {"data", "model_api_key"} or value == "":
            continue
        shown = str(value)
        if name in {"database_url", "redis_url", "amqp_url"}:
            shown = shown.partition(":")[0]
        rows.append((f"PAPERLANE_{name.upper()}", shown[:_MOST_SHOWN]))
    return rows


def number(value: Cell) -> str:
    """A cell in words: three digits that count, or a whole number."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "NO"
        case str():
            return value
        case _ if math.isnan(value):
            return "-"
        case _ if value == round(value) or abs(value) >= 1_000:  # noqa: PLR2004  width
            return f"{value:,.0f}"
        case _:
            # shares near 1 differ in their nines
            return f"{value:.5f}".rstrip("0") if 0.9 < value < 1 else f"{value:.3g}"  # noqa: PLR2004


def as_json(report: Report) -> str:
    """All figures; what is no number is null."""
    return json.dumps(_finite(report.words), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {str(name): _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case _:
            return value


def as_text(report: Report) -> str:
    """For a terminal."""
    parts = [report.title, *report.said]
    for table in report.tables:
        cells = [[number(cell) for cell in row] for row in (table.head, *table.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(table.head))]
        parts += ["", table.title]
        parts += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                  for row in cells]  # fmt: skip
    return "\n".join(parts)


def as_markdown(report: Report) -> str:
    """Without the plots."""
    parts = [f"# {report.title}", "", *report.said]
    for table in report.tables:
        rows = [table.head, ["---"] * len(table.head), *table.rows]
        parts += ["", f"## {table.title}", ""]
        parts += ["| " + " | ".join(number(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*parts, ""])


def as_html(report: Report) -> str:
    """One file with everything in it, which loads nothing from anywhere."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(report.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(report.title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in report.said),
    ]
    for at, table in enumerate(report.tables):
        parts += [f"<h2>{escape(table.title)}</h2><table><thead><tr>"]
        parts += [f"<th>{escape(name)}</th>" for name in table.head]
        parts += ["</tr></thead><tbody>"]
        parts += [f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows]
        parts += ["</tbody></table>"]
        if at == 0:
            parts += report.plots
    return "\n".join([*parts, "</body></html>", ""])


def _cell(value: Cell) -> str:
    marked = ' class="no"' if value is False else ""
    return f"<td{marked}>{escape(number(value))}</td>"
