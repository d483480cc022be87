"""The page of figures and its plot, written from the JSON that runs left: nothing in them is typed by hand."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from benchmarks.aims import Judged, judged
from benchmarks.figures import OURS, Figure, Part
from benchmarks.program import ROOT

PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
PLOT = ROOT / "docs" / "images" / "drain.svg"

_INTRODUCTION = """\
# Benchmarks

How fast the ledger is beside other task queues, beside the limits of the machine, and as its backlog grows. Written by
`make bench`, figures and plot; [how it is measured, and how to read it](../how-to/read-the-benchmarks.md).

Parts may be measured at different times, which each tells; what a part compares ran in one run of it, in turn.
"""
_DATABASES = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "mariadb": "MariaDB"}
_MET = {True: "yes", False: "**no**", None: "not measured"}
_DISTURBED = "Figures marked * rest on a turn in which others used the machine, each time it was tried"
_TURNS = "disturbed_turns"
_FONT = 'font-family="sans-serif" font-size="13" fill="#777"'
_ROW, _LEFT, _WIDTH = 26, 210, 760


def write(parts: Sequence[Part], page: Path = PAGE, plot: Path = PLOT) -> None:
    """Page and plot, of all parts that were measured."""
    figures = [figure for part in parts for figure in part.figures]
    plot.write_text(_bars(figures))
    page.write_text("\n".join([_INTRODUCTION, where(parts), _aims(judged(figures)), _plot(), everything(parts)]))


def number(value: float | None) -> str:
    """Three significant digits, and no more; what was counted stands as it is."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{digits}f}" if digits else f"{value:,.0f}"


def told(figure: Figure) -> str:
    """The figure with its unit, marked where others disturbed one of its rounds."""
    return f"{number(figure.value)}{'*' if figure.disturbed else ''} {figure.unit}".strip()


def ratio(figure: Figure) -> str:
    """Ours / the figure, marked where others disturbed a round of either."""
    return f"{number(figure.ratio)}{'*' if figure.ratio_disturbed else ''}"


def where(parts: Sequence[Part]) -> str:
    """The machine with the latest versions of all that took part, and which parts were taken in earnest."""
    if not parts:
        return "Nothing has been measured yet.\n"
    lines = [f"Machine: {_listed(_machine(parts))}.", ""]
    quick = [part.name for part in parts if part.quick]
    if quick:
        lines += [f"**Only a short run, to check the harness, whose figures mean little: {', '.join(quick)}.**", ""]
    disturbed = [part.name for part in parts if part.machine.get(_TURNS)]
    if disturbed:
        lines += [f"{_DISTURBED}: see {', '.join(disturbed)}.", ""]
    return "\n".join(lines)


def _machine(parts: Sequence[Part]) -> dict[str, object]:
    """What the parts tell of the machine and of versions; the newest where they differ."""
    known: dict[str, object] = {}
    for part in sorted(parts, key=lambda part: part.taken):
        known |= {name: value for name, value in part.machine.items() if value and name != _TURNS}
    return known


def _listed(machine: Mapping[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())


def _when(part: Part, machine: Mapping[str, object]) -> str:
    """The time of the part's run, and what was not then as the page says above."""
    began = f"{part.began.removesuffix(' UTC')} to " if part.began else ""
    other = {name: value for name, value in part.machine.items() if value and machine.get(name, value) != value}
    return f"Measured {began}{part.taken}, all in one run{f', with {_listed(other)}' if other else ''}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def database(name: str) -> str:
    """The database in a figure's name."""
    return next((_DATABASES[part] for part in name.split(".") if part in _DATABASES), "")


def _aims(found: Sequence[Judged]) -> str:
    rows = []
    for one in found:
        aim = one.aim
        beside = told(one.other) if one.other is not None and one.other.value else ""
        stretch = f" ({number(aim.stretch)})" if aim.stretch is not None else ""
        why = one.other.note if one.other is not None and one.reached is None else ""
        rows.append([
            aim.group, database(aim.figure), told(one.ours) if one.ours else "-",
            f"{aim.peer}: {beside or why or '-'}" if aim.of_ratio else "",
            f"{sign(aim.test)} {number(aim.bound)}{' x' if aim.of_ratio else ''}{stretch}",
            _reached(one), _MET[one.met],
        ])  # fmt: skip
    met = sum(one.met is True for one in found)
    known = sum(one.met is not None for one in found)
    heading = f"## Aims\n\n{met} of {len(found)} met, {known - met} missed, {len(found) - known} not measured.\n\n"
    return heading + table(["measure", "database", "Paperlane", "beside", "aim (stretch)", "reached", "met"], rows)


def _reached(one: Judged) -> str:
    """What is judged; and another ratio, which is not, with how it was taken."""
    if one.other is None:
        return "-"
    reached = ratio(one.other) if one.aim.of_ratio else f"{number(one.reached)}{'*' if one.other.disturbed else ''}"
    return f"{reached} ({one.beside.settings}: {ratio(one.beside)})" if one.beside is not None else reached


def sign(test: str) -> str:
    """A comparison as it is printed."""
    return {">=": "≥", "<=": "≤"}.get(test, test)


def _plot() -> str:
    return (
        "## Drain beside other queues\n\n![Tasks a second of each queue, on a logarithmic scale](../images/drain.svg)\n"
    )


def everything(parts: Sequence[Part]) -> str:
    """Every figure, part by part."""
    lines = ["## All figures", ""]
    machine = _machine(parts)
    for part in parts:
        lines += [f"### {part.name}", "", _when(part, machine), ""]
        rows = [
            [figure.name, figure.peer, told(figure), ratio(figure),
             _rounds(figure), figure.note or figure.settings]
            for figure in part.figures
        ]  # fmt: skip
        lines.append(table(["measure", "who", "median", "ours / theirs", "rounds", "settings"], rows))
    return "\n".join(lines)


def _rounds(figure: Figure) -> str:
    return ", ".join(number(value) + "*" * (n in figure.disturbed) for n, value in enumerate(figure.rounds))


def _bars(figures: Sequence[Figure]) -> str:
    """A bar for each queue's drain with 100 in flight, on a logarithmic scale."""
    bars: dict[str, float] = {}
    for figure in figures:
        parts = figure.name.split(".")
        if parts[0] == "drain" and parts[-1] == "100" and figure.value:
            own = figure.peer == OURS
            bars[f"Paperlane, {database(figure.name)}" if own else figure.peer] = figure.value
    ordered = sorted(bars.items(), key=lambda bar: -bar[1])
    return svg(ordered, "no-op tasks a second through their whole life, 100 in flight (logarithmic)")


def svg(bars: Sequence[tuple[str, float]], title: str, *, shares: bool = False) -> str:
    """Horizontal bars, logarithmic or of 0 to 1 for shares; ours stand out. Readable on light and on dark."""
    height = _ROW * len(bars) + 40
    low = min((value for _, value in bars), default=1.0) / 2
    high = max((value for _, value in bars), default=10.0)
    span = math.log(max(high / low, 2.0)) if low else 1.0
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" {_FONT}>',
        f"<title>{escape(title)}</title>",
        f'<text x="{_WIDTH // 2}" y="18" text-anchor="middle">{escape(title)}</text>',
    ]
    for row, (name, value) in enumerate(bars):
        top = 30 + row * _ROW
        width = (_WIDTH - _LEFT - 90) * (value if shares else math.log(value / low) / span)
        color = "#2a6fdb" if name.startswith("Paperlane") else "#9aa5b1"
        lines += [
            f'<text x="{_LEFT - 8}" y="{top + 16}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{top + 3}" width="{width:.1f}" height="{_ROW - 8}" rx="2" fill="{color}"/>',
            f'<text x="{_LEFT + width + 6:.1f}" y="{top + 16}">{number(value)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def summary(figures: Sequence[Figure]) -> str:
    """The figures as lines for a terminal."""
    return "\n".join(map(_line, figures))


def _line(figure: Figure) -> str:
    beside = f"x {ratio(figure)}" if figure.ratio is not None else ""
    said = figure.note or figure.settings
    return f"  {figure.name:32} {figure.peer:30} {told(figure):>24} {beside:>10}  {said}".rstrip()
