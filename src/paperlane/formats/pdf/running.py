"""Running headers and footers: what stands in the same place near the edge of page after page."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from paperlane.formats.pdf.page import Page

_ZONE = 0.15  # of a page's height at its head and at its foot: slides print far from their edges
_MARGIN = 0.12  # the same of a place where words change from chapter to chapter
_NUMBERS = re.compile(r"\d+|\b[ivxlcdm]+\b|\s+", re.IGNORECASE)
_APART = 0.025  # of a page's height: more than lines of text stand apart
_PLACES = 500  # of a page's height
_NEAR = 2  # places
_MOST_LINES = 3  # of a header or a footer
_FEWEST = 3  # pages
_GAP = 2  # pages: left and right ones may differ
_MOSTLY = 0.5  # of all pages have something in a place that is a header's
_VARIED = 0.6  # of the pages that have something there, the most that say what no other one does


class _Edge(NamedTuple):
    """A line near an edge: its page, its place from the foot, what it says but for numbers, its line there.

    It is `apart` where a gap is between it, with what is beyond, and the other lines of the page.
    """

    page: int
    place: int
    says: str
    line: int
    apart: bool


def running_lines(pages: Sequence[Page]) -> Sequence[Collection[int]]:
    """The numbers of the lines of each page that are a header or a footer of many pages, never all of a page."""
    running: list[set[int]] = [set() for _ in pages]
    edges = [edge for number, page in enumerate(pages) for edge in _edges(number, page)]
    for edge in (*_repeated(edges, len(pages)), *_in_their_place(edges, sum(bool(page.edges) for page in pages))):
        running[edge.page].add(edge.line)
    return [lines if len(lines) < len(page.edges) else () for lines, page in zip(running, pages, strict=True)]


def _edges(number: int, page: Page) -> Iterator[_Edge]:
    outer = {**_outer({line: 1 - height for line, height in page.edges.items()}), **_outer(page.edges)}
    if not outer:
        return
    lines = page.text.split("\n")
    held = _lines_with_cells(page)
    for line, apart in outer.items():
        if line not in held and line < len(lines):
            says = _NUMBERS.sub("#", lines[line].strip()).casefold()
            yield _Edge(number, round(page.edges[line] * _PLACES), says, line, apart)


def _outer(depths: Mapping[int, float]) -> Mapping[int, bool]:
    """The first lines near an edge, by how far from it lines stand, and whether a gap parts them from the others."""
    ordered = sorted(depths, key=depths.__getitem__)
    near = [line for line in ordered[:_MOST_LINES] if depths[line] < _ZONE]
    gaps = [depths[after] - depths[line] >= _APART for line, after in pairwise(ordered)] + [True]
    return {line: any(gaps[at : len(near)]) for at, line in enumerate(near)}


def _lines_with_cells(page: Page) -> Collection[int]:
    return {page.text.count("\n", 0, cell.start) for cell in page.cells} if page.cells else ()


def _repeated(edges: Sequence[_Edge], pages: int) -> Iterator[_Edge]:
    """Those that say the same in about the same place of neighbouring pages."""
    alike: defaultdict[str, list[_Edge]] = defaultdict(list)
    for edge in edges:
        alike[edge.says].append(edge)
    for found in alike.values():
        run: list[_Edge] = []
        for edge in found:
            if run and (edge.page - run[-1].page > _GAP or abs(edge.place - run[-1].place) > _NEAR):
                if _is_run(run, pages):
                    yield from run
                run = []
            run.append(edge)
        if _is_run(run, pages):
            yield from run


def _is_run(run: Sequence[_Edge], pages: int) -> bool:
    return len({edge.page for edge in run}) >= min(_FEWEST, max(pages, 2)) and _are_apart(run)


def _are_apart(edges: Sequence[_Edge]) -> bool:
    """Most of them are: on some pages the text reaches down to the footer."""
    return 2 * sum(edge.apart for edge in edges) > len(edges)


def _in_their_place(edges: Sequence[_Edge], pages: int) -> Iterator[_Edge]:
    """Those in a place that most pages fill, with words that come again, as a chapter's title on each of its pages."""
    places: defaultdict[int, list[_Edge]] = defaultdict(list)
    for edge in edges:
        if min(edge.place, _PLACES - edge.place) < _MARGIN * _PLACES:
            places[edge.place].append(edge)
    for found in places.values():
        filled = len({edge.page for edge in found})
        varied = len({edge.says for edge in found}) > _VARIED * filled
        if filled >= max(_FEWEST, _MOSTLY * pages) and not varied and _are_apart(found):
            yield from found
