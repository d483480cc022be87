"""Tables of a page without tags, by the lines that are drawn around their cells.

Lines that cross form a grid; neighbouring fields of it with no line between them are one cell. A grid is a table when
its cells fill its frame, which tells it from boxes joined by arrows, and when two rows and two columns hold words.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from operator import itemgetter

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
_LINE = 2  # pieces of a path: where it begins, and where it ends
_FEWEST_PIECES = 2 * (_LEAST + 1)
_ROUNDED = 20  # pieces: a box with round corners has eight
_at, _begin = itemgetter(0), itemgetter(1)
_LETTER, _BOUNDS, _MATRIX, _POINT = map(calls.Numbers, ("4d", "4f", "6f", "2f"))

_Field = tuple[int, int]
"""A field of a grid: its column from the left and its row from the bottom, from 0."""


_Line = tuple[float, float, float]
"""A straight line: where it is across its direction, and where it begins and ends along it, in points."""

_Stroke = tuple[float, float, float, float]
"""A straight piece of a path: x and y of its one end and of its other one, in points."""


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
    upright, level = _lines(page)
    degrees = page.get_rotation()
    turned = TURNS[degrees]
    if degrees:
        upright, level = _parted(_turned(upright, level, turned))
    grids = _grids(upright, level)
    if not grids:
        return None
    left, right, bottom, top = _LETTER.places
    text = calls.reference(words.raw)

    def place_of(character: int) -> Place | None:
        if not calls.box_of(text, character, left, right, bottom, top):
            return None
        x0, x1, y0, y1 = _LETTER.read()
        x, y = turned((x0 + x1) / 2, (y0 + y1) / 2)
        for grid in grids:
            if (place := grid.place(x, y)) is not None:
                return place
        return None

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


def _grids(upright: Sequence[_Line], level: Sequence[_Line]) -> list[_Grid]:
    """The tables that a page draws, from its top."""
    grids: list[_Grid] = []
    if min(len(upright), len(level)) <= _LEAST or len(merged := _merged(upright)) <= _LEAST:
        return grids
    for own_upright, own_level in _crossing(merged, _merged(level)):
        across, down = (sorted({at for at, _, _ in lines}) for lines in (own_upright, own_level))
        cells = _cells(across, down, own_upright, own_level)
        if cells and _filled(cells, across, down):
            grids.append(_Grid(across, down, _places(cells)))
    grids.sort(key=lambda grid: -grid.down[-1])
    return [
        _Grid(grid.across, grid.down, {at: place._replace(table=number) for at, place in grid.cells.items()})
        for number, grid in enumerate(grids, start=1)
    ]


def _lines(page: pypdfium2.PdfPage) -> tuple[list[_Line], list[_Line]]:
    """The upright and the level lines that a page draws, before it is turned; none where they are few for a table."""
    own = calls.reference(page.raw)
    objects = map(calls.object_at, repeat(own), range(min(calls.count_objects(own), MOST_OBJECTS)))
    paths = [drawn for drawn in objects if calls.type_of(drawn) == pdfium.FPDF_PAGEOBJ_PATH]
    pieces = list(map(calls.count_segments, paths))
    if sum(pieces) < _FEWEST_PIECES:
        return [], []
    outlines = ((path, count) for path, count in zip(paths, pieces, strict=True) if count > _LINE)
    upright, level = _parted(piece for path, count in outlines for piece in _pieces(path, count))
    left, bottom, right, top = _BOUNDS.places
    for path, count in zip(paths, pieces, strict=True):
        if count <= _LINE and calls.bounds_of(path, left, bottom, right, top):
            x0, y0, x1, y1 = _BOUNDS.read()
            if y1 - y0 <= _THICKEST and x1 - x0 >= _SHORTEST:
                level.append(((y0 + y1) / 2, x0, x1))
            elif x1 - x0 <= _THICKEST and y1 - y0 >= _SHORTEST:
                upright.append(((x0 + x1) / 2, y0, y1))
    return upright, level


def _parted(strokes: Iterable[_Stroke]) -> tuple[list[_Line], list[_Line]]:
    """The upright and the level ones; a thin filled box is two lines in one place."""
    upright: list[_Line] = []
    level: list[_Line] = []
    for x0, y0, x1, y1 in strokes:
        wide, high = abs(x0 - x1), abs(y0 - y1)
        if wide < 1 and high >= _SHORTEST:
            upright.append(((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
        elif high < 1 and wide >= _SHORTEST:
            level.append(((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
    return upright, level


def _turned(
    upright: Sequence[_Line], level: Sequence[_Line], turned: Callable[[float, float], Point]
) -> Iterator[_Stroke]:
    """The lines of a page as it is shown."""
    for at, low, high in upright:
        yield (*turned(at, low), *turned(at, high))
    for at, low, high in level:
        yield (*turned(low, at), *turned(high, at))


def _pieces(path: calls.Handle, count: int) -> Iterator[_Stroke]:
    """The straight ones of a path, or the first of a long path with a curve: that is a drawing."""
    if not calls.matrix_of(path, _MATRIX.places[0]):
        return
    a, b, c, d, e, f = _MATRIX.read()
    to_x, to_y = _POINT.places
    begin = before = None
    segment = None
    for at in range(min(count, MOST_OBJECTS)):
        last, segment = segment, calls.segment_at(path, at)
        kind = calls.kind_of(segment)
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO and count > _ROUNDED:
            return
        calls.point_of(segment, to_x, to_y)
        x, y = _POINT.read()
        point = a * x + c * y + e, b * x + d * y + f
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            if before is not None and begin is not None and calls.is_closing(last):
                yield (*before, *begin)
            begin = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO and before is not None:
            yield (*before, *point)
        before = point
    if before is not None and begin is not None and calls.is_closing(segment):
        yield (*before, *begin)


def _merged(lines: Iterable[_Line]) -> list[_Line]:
    """Lines that lie on one another become one, at the mean of where they lie; [] for a drawing."""
    groups: list[list[_Line]] = []
    for line in sorted(lines):
        if not groups or line[0] - groups[-1][0][0] > _NEAR:
            groups.append([])
        groups[-1].append(line)
    merged: list[_Line] = []
    for group in groups:
        mean = sum(map(_at, group)) / len(group)
        _, low, high = group[0]
        group.sort(key=_begin)
        for _, begin, end in group:
            if begin > high + _NEAR:
                merged.append((mean, low, high))
                low, high = begin, end
            low, high = min(low, begin), max(high, end)
        merged.append((mean, low, high))
    return merged if len(merged) <= _MOST_LINES else []


def _crossing(upright: Sequence[_Line], level: Sequence[_Line]) -> Iterator[tuple[list[_Line], list[_Line]]]:
    """Lines that meet, and the lines that those meet, and so on."""
    left = set(level)
    apart = set(upright)
    while apart:
        waiting = [apart.pop()]
        own_upright, own_level = list(waiting), list[_Line]()
        while waiting:
            met = _meeting(waiting.pop(), left)
            left.difference_update(met)
            own_level += met
            for other in met:
                further = _meeting(other, apart)
                apart.difference_update(further)
                own_upright += further
                waiting += further
        if len(own_upright) > _LEAST and len(own_level) > _LEAST:
            yield own_upright, own_level


def _meeting(line: _Line, others: Iterable[_Line]) -> list[_Line]:
    """Those of the lines across it that it meets."""
    at, low, high = line
    low, high = low - _NEAR, high + _NEAR
    return [other for other in others if low <= other[0] <= high and other[1] - _NEAR <= at <= other[2] + _NEAR]


def _cells(
    across: Sequence[float], down: Sequence[float], upright: Sequence[_Line], level: Sequence[_Line]
) -> list[list[_Field]]:
    """Fields that no line parts, together; without those that are open to the outside."""
    walls = {
        (across.index(at), row)
        for at, begin, end in upright
        for row, (low, high) in enumerate(pairwise(down))
        if begin - _NEAR <= low and high <= end + _NEAR
    }
    floors = {
        (column, down.index(at))
        for at, begin, end in level
        for column, (low, high) in enumerate(pairwise(across))
        if begin - _NEAR <= low and high <= end + _NEAR
    }
    columns, rows = len(across) - 1, len(down) - 1
    apart = {(column, row) for column in range(columns) for row in range(rows)}
    cells: list[list[_Field]] = []
    while apart:
        cell = [apart.pop()]
        closed = True
        for column, row in cell:  # grows while it is walked through
            here, right, above = (column, row), (column + 1, row), (column, row + 1)
            ways = (
                ((column - 1, row), here in walls), (right, right in walls),
                ((column, row - 1), here in floors), (above, above in floors),
            )  # fmt: skip
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
