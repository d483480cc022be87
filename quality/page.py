"""The page of quality and its plot, written from the JSON that runs left: nothing in them is typed by hand."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.aims import Judged, judged
from benchmarks.figures import OURS, Figure, Part
from benchmarks.page import everything, number, ratio, sign, svg, table, told, where

from quality import ROOT
from quality.aims import AIMS
from quality.wordings import KINDS, Half

PAGE = ROOT / "docs" / "reference" / "quality.md"
PLOT = ROOT / "docs" / "images" / "seeded.svg"

_INTRODUCTION = """\
# Quality

How well documents are read and judged by rules alone, beside other programs on the same data. Written by
`make quality`, figures and plot; [how it is measured, and how to read it](../how-to/read-the-quality-page.md).

Parts may be measured at different times, which each tells; what a part compares ran in one run of it, in turn.
"""
_MET = {True: "yes", False: "**no**", None: "not measured"}
_LOWER = ("<", "<=")


def write(parts: Sequence[Part], page: Path = PAGE, plot: Path = PLOT) -> None:
    """Page and plot, of all parts that were measured."""
    figures = [figure for part in parts for figure in part.figures]
    plot.write_text(_bars(figures), encoding="utf-8")
    lines = [_INTRODUCTION, where(parts), _aims(judged(figures, AIMS), figures), _PLOTTED, everything(parts)]
    page.write_text("\n".join(lines), encoding="utf-8")


_PLOTTED = """\
## Seeded defects, kind by kind

Of the half that is held out: no one who works at the checks has seen its wordings.

![The share of seeded defects that are found, by kind](../images/seeded.svg)
"""


def _aims(found: Sequence[Judged], figures: Sequence[Figure]) -> str:
    rows = [
        [
            one.aim.group,
            told(one.ours) if one.ours else "-",
            _beside(one, figures),
            f"{sign(one.aim.test)} {number(one.aim.bound)}{' x' if one.aim.of_ratio else ''}",
            _reached(one),
            _MET[one.met],
        ]
        for one in found
    ]
    met = sum(one.met is True for one in found)
    known = sum(one.met is not None for one in found)
    heading = f"## Aims\n\n{met} of {len(found)} met, {known - met} missed, {len(found) - known} not measured.\n\n"
    return heading + table(["measure", "Paperlane", "beside", "aim", "reached", "met"], rows)


def _beside(one: Judged, figures: Sequence[Figure]) -> str:
    """The peer that the aim names, or else the best one on the same data."""
    if one.aim.of_ratio:
        other = one.other
        said = "-" if other is None else other.note if other.value is None else told(other)
        return f"{one.aim.peer}: {said}"
    peers = [figure for figure in figures if figure.name == one.aim.figure and figure.peer != OURS and figure.value]
    if not peers:
        return ""
    best = (min if one.aim.test in _LOWER else max)(peers, key=lambda figure: figure.value or 0.0)
    return f"{best.peer}: {told(best)}"


def _reached(one: Judged) -> str:
    if one.ours is not None and one.ours.value is None:
        return one.ours.note or "-"
    if one.other is None or one.reached is None:
        return "-"
    return f"{ratio(one.other)} x" if one.aim.of_ratio else number(one.reached)


def _bars(figures: Sequence[Figure]) -> str:
    """A bar for each kind: its recall, the mean of both languages, the best first."""
    bars = sorted(_recalls(figures), key=lambda bar: (-bar[1], bar[0]))
    return svg(bars, "share of the held-out seeded defects that are found, by kind", shares=True)


def _recalls(figures: Sequence[Figure]) -> Iterator[tuple[str, float]]:
    for kind in KINDS:
        names = {f"defects.{Half.B}.{language}.{kind}.recall" for language in ("en", "zh")}
        values = [figure.value for figure in figures if figure.name in names and figure.value is not None]
        if values:
            yield kind, fmean(values)
