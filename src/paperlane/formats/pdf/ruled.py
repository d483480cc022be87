"""Tables of a page without tags, by the lines that are drawn around their cells.

Lines that cross form a grid; neighbouring fields of it with no line between them are one cell. A grid is a table when
its cells fill its frame, which tells it from boxes joined by arrows, and when two rows and two columns hold words.
"""

import ctypes
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.formats.pdf import calls
from paperlane.formats.pdf.page import MOST_OBJECTS, TURNS, Cell, Place, PlaceOf, Point

_NEAR = 3.0  # points: lines so close are one line, and ends so close touch
_SHORTEST = 5.0  # points: what is shorter rules nothing
_MOST_LINES = 400  # of one direction; more are a drawing
_FILLED = 0.8  # the least share of its frame that a table's cells fill
_LEAST = 2  # rows and columns
_THICKEST = 4.5  # points
_FEWEST_PIECES = 2 * (_LEAST + 1)
_ROUNDED = 20  # pieces: a box with round corners has eight

_Field = tuple[int, int]
"""A field of a grid: its column from the left and its row from the bottom, from 0."""


class _Line(NamedTuple):
    """A straight line: at `at` across its direction, from `low` to `high` along it, in points."""

    at: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where upright lines stand and level ones lie, both rising, and what cell each field belongs to."""

    across: Sequence[float]
    down: Sequence[float]
    cells: Mapping[_Field, Place]

    def place(self, x: float, y: float) -> Place | None:
        return self.cells.get((bisect_right(self.across, x) - 1, bisect_right(self.down, y) - 1))


def ruled_place(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage) -> PlaceOf | None:
    """Finds a character's cell by where it stands; None for a page that draws no table."""
    turned = TURNS[page.get_rotation()]
    grids = _grids(_strokes(page, turned))
    if not grids:
        return None
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    text = calls.handle(words)

    def place_of(character: int) -> Place | None:
        if not calls.box_of(text, character, left, right, bottom, top):
            return None
        x, y = turned((left.value + right.value) / 2, (bottom.value + top.value) / 2)
        return next((place for grid in grids if (place := grid.place(x, y)) is not None), None)

    return place_of


def real_tables(cells: Sequence[Cell]) -> list[Cell]:
    """Without the grids that hold words in one row or one column only: frames, boxes and lines of a form."""
    rows: defaultdict[int, set[int]] = defaultdict(set)
    columns: defaultdict[int, set[int]] = defaultdict(set)
    for cell in cells:
        rows[cell.place.table].add(cell.place.row)
        columns[cell.place.table].add(cell.place.column)
    real = [table for table in sorted(rows) if min(len(rows[table]), len(columns[table])) >= _LEAST]
    number = {table: at for at, table in enumerate(real, start=1)}
    return [
        Cell(cell.start, cell.end, cell.place._replace(table=number[cell.place.table]))
        for cell in cells
        if cell.place.table in number
    ]


def _grids(strokes: Iterator[tuple[Point, Point]]) -> list[_Grid]:
    """The tables that a page draws, from its top."""
    upright, level = _lines(strokes)
    grids: list[_Grid] = []
    if min(len(upright), len(level)) <= _LEAST or len(merged := _merged(upright)) <= _LEAST:
        return grids
    for own_upright, own_level in _crossing(merged, _merged(level)):
        across, down = (sorted({line.at for line in lines}) for lines in (own_upright, own_level))
        cells = _cells(across, down, own_upright, own_level)
        if cells and _filled(cells, across, down):
            grids.append(_Grid(across, down, _places(cells)))
    grids.sort(key=lambda grid: -grid.down[-1])
    return [
        _Grid(grid.across, grid.down, {at: place._replace(table=number) for at, place in grid.cells.items()})
        for number, grid in enumerate(grids, start=1)
    ]


def _lines(strokes: Iterator[tuple[Point, Point]]) -> tuple[list[_Line], list[_Line]]:
    """The upright and the level ones; a thin filled box is two lines in one place."""
    upright: list[_Line] = []
    level: list[_Line] = []
    for (x0, y0), (x1, y1) in strokes:
        if abs(x0 - x1) < 1 and abs(y0 - y1) >= _SHORTEST:
            upright.append(_Line((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
        elif abs(y0 - y1) < 1 and abs(x0 - x1) >= _SHORTEST:
            level.append(_Line((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
    return upright, level


def _strokes(page: pypdfium2.PdfPage, turned: Callable[[float, float], Point]) -> Iterator[tuple[Point, Point]]:
    """The straight pieces of a page's paths, as the page is shown; none where they are too few for a table."""
    number = calls.handle(page)
    objects = list(
        map(calls.object_at, repeat(number), range(min(calls.count_objects(number), MOST_OBJECTS)))
    )  # fmt: skip
    kinds = list(map(calls.type_of, objects))
    if pdfium.FPDF_PAGEOBJ_PATH not in kinds:
        return
    paths = [drawn for drawn, kind in zip(objects, kinds, strict=True) if kind == pdfium.FPDF_PAGEOBJ_PATH]
    pieces = list(map(calls.count_segments, paths))
    if sum(pieces) < _FEWEST_PIECES:
        return
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    for path, count in zip(paths, pieces, strict=True):
        if count > 2:  # noqa: PLR2004  where a line begins, and where it ends
            yield from _pieces(path, turned)
        elif calls.bounds_of(path, left, bottom, right, top):
            yield _along(turned(left.value, bottom.value), turned(right.value, top.value))


def _along(one: Point, other: Point) -> tuple[Point, Point]:
    """The line in the middle of a thin box; of a wide one, its diagonal."""
    (x0, y0), (x1, y1) = one, other
    if abs(y0 - y1) <= _THICKEST < abs(x0 - x1):
        y0 = y1 = (y0 + y1) / 2
    elif abs(x0 - x1) <= _THICKEST < abs(y0 - y1):
        x0 = x1 = (x0 + x1) / 2
    return (x0, y0), (x1, y1)


def _pieces(path: int, turned: Callable[[float, float], Point]) -> Iterator[tuple[Point, Point]]:
    """Those of one path, or the first ones of a long path with a curve: that is a drawing."""
    matrix, x, y = pdfium.FS_MATRIX(), ctypes.c_float(), ctypes.c_float()
    calls.matrix_of(path, matrix)
    begin = before = None
    segment = 0
    count = min(calls.count_segments(path), MOST_OBJECTS)
    for at in range(count):
        last, segment = segment, calls.segment_at(path, at)
        kind = calls.kind_of(segment)
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO and count > _ROUNDED:
            return
        calls.point_of(segment, x, y)
        point = turned(
            matrix.a * x.value + matrix.c * y.value + matrix.e, matrix.b * x.value + matrix.d * y.value + matrix.f
        )
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            if before is not None and begin is not None and calls.is_closing(last):
                yield before, begin
            begin = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO and before is not None:
            yield before, point
        before = point
    if before is not None and begin is not None and calls.is_closing(segment):
        yield before, begin


def _merged(lines: Sequence[_Line]) -> list[_Line]:
    """Lines that lie on one another become one, at the mean of where they lie; [] for a drawing."""
    groups: list[list[_Line]] = []
    for line in sorted(lines):
        if not groups or line.at - groups[-1][0].at > _NEAR:
            groups.append([])
        groups[-1].append(line)
    merged: list[_Line] = []
    for group in groups:
        at = sum(line.at for line in group) / len(group)
        low, high = group[0].low, group[0].high
        for line in sorted(group, key=lambda line: line.low):
            if line.low > high + _NEAR:
                merged.append(_Line(at, low, high))
                low, high = line.low, line.high
            low, high = min(low, line.low), max(high, line.high)
        merged.append(_Line(at, low, high))
    return merged if len(merged) <= _MOST_LINES else []


def _crossing(upright: Sequence[_Line], level: Sequence[_Line]) -> Iterator[tuple[list[_Line], list[_Line]]]:
    """Lines that meet, and the lines that those meet, and so on."""
    left = set(level)
    apart = set(upright)
    while apart:
        waiting = [apart.pop()]
        own_upright, own_level = list(waiting), list[_Line]()
        while waiting:
            line = waiting.pop()
            met = [other for other in left if _meet(line, other)]
            left.difference_update(met)
            own_level += met
            for other in met:
                further = [again for again in apart if _meet(again, other)]
                apart.difference_update(further)
                own_upright += further
                waiting += further
        if len(own_upright) > _LEAST and len(own_level) > _LEAST:
            yield own_upright, own_level


def _meet(upright: _Line, level: _Line) -> bool:
    return (
        level.low - _NEAR <= upright.at <= level.high + _NEAR
        and upright.low - _NEAR <= level.at <= upright.high + _NEAR
    )


def _cells(
    across: Sequence[float], down: Sequence[float], upright: Sequence[_Line], level: Sequence[_Line]
) -> list[list[_Field]]:
    """Fields that no line parts, together; without those that are open to the outside."""
    walls = {
        (across.index(line.at), row)
        for line in upright
        for row, (low, high) in enumerate(pairwise(down))
        if line.low - _NEAR <= low and high <= line.high + _NEAR
    }
    floors = {
        (column, down.index(line.at))
        for line in level
        for column, (low, high) in enumerate(pairwise(across))
        if line.low - _NEAR <= low and high <= line.high + _NEAR
    }
    columns, rows = len(across) - 1, len(down) - 1
    apart = {(column, row) for column in range(columns) for row in range(rows)}
    cells: list[list[_Field]] = []
    while apart:
        cell = [apart.pop()]
        closed = True
        for column, row in cell:  # grows while it is walked through
            ways = (
                ((column - 1, row), (column, row) in walls),
                ((column + 1, row), (column + 1, row) in walls),
                ((column, row - 1), (column, row) in floors),
                ((column, row + 1), (column, row + 1) in floors),
            )
            for beyond, shut in ways:
                if shut:
                    continue
                closed = closed and 0 <= beyond[0] < columns and 0 <= beyond[1] < rows
                if beyond in apart:
                    apart.remove(beyond)
                    cell.append(beyond)
        if closed:
            cells.append(cell)
    return cells


def _filled(cells: Sequence[Sequence[_Field]], across: Sequence[float], down: Sequence[float]) -> bool:
    area = sum(
        (across[column + 1] - across[column]) * (down[row + 1] - down[row]) for cell in cells for column, row in cell
    )
    return area >= _FILLED * (across[-1] - across[0]) * (down[-1] - down[0])


def _places(cells: Sequence[Sequence[_Field]]) -> dict[_Field, Place]:
    """Rows and columns count where cells begin, so a cell over two columns leaves the second one out."""
    corners = [(min(column for column, _ in cell), max(row for _, row in cell)) for cell in cells]
    columns = {left: at for at, left in enumerate(sorted({left for left, _ in corners}), start=1)}
    rows = {top: at for at, top in enumerate(sorted({top for _, top in corners}, reverse=True), start=1)}
    return {
        at: Place(1, rows[top], columns[left]) for cell, (left, top) in zip(cells, corners, strict=True) for at in cell
    }
