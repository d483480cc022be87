"""The text of a PDF's pages as blocks: headings where their titles stand, cells, and lines joined into paragraphs."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from paperlane.formats.lines import trimmed
from paperlane.formats.pdf.page import Page, Place, Title
from paperlane.model.documents import Block, BlockKind

_NUMBER = re.compile(
    r"^(?:(?:chapter|section|appendix|annex|part)\s*)?[\dA-Z]{0,2}(?:[.\d]+)?[.、:：)]?$", re.IGNORECASE
)
_LONGEST_NUMBER = 16
_MOST_LINES = 3
_BULLET = re.compile(r"\s*(?:[-–•·●○▪■◦*\uf0b7\uf0a7\uf0fc]|o\s|[(（]?[a-z\d]{1,2}[.)）、]|[①-⑳]|【\S{1,4}】)\s*\S")
_ENDS = tuple(".!?:;。！？：；")
_FUNCTION = re.compile(r"(.+)/\d{1,2}")
_SHORT = 0.72


class _Line(NamedTuple):
    """`text[start:end]` of a page: a line, or the part of one that stands in a cell or between cells."""

    start: int
    end: int
    number: int
    place: Place | None = None


class _Span(NamedTuple):
    kind: BlockKind
    start: int
    end: int
    level: int = 0
    place: Place | None = None


def blocks_of(
    pages: Sequence[Page],
    titles: Sequence[Title],
    running: Sequence[Collection[int]],
    listed: Sequence[Collection[int]],
) -> Iterator[Block]:
    """The blocks of all pages, whose texts stand one form feed apart; tables are counted through the document.

    Lines that are `running` on a page are in no block, and those that are `listed` in a contents list are one each.
    """
    by_page: defaultdict[int, list[Title]] = defaultdict(list)
    for title in titles:
        by_page[title.page].append(title)
    offset = tables = 0
    for number, page in enumerate(pages):
        lines = [line for line in _lines(page) if line.number not in running[number]]
        headings = _located(page.text, lines, by_page[number]) if number in by_page else {}
        for span in _joined(page.text, lines, headings, listed[number]):
            start, end = trimmed(page.text, span.start, span.end)
            if start < end:
                table, row, column = span.place or (-tables, 0, 0)
                yield Block(
                    span.kind, offset + start, offset + end, span.level, number + 1,
                    table=tables + table, row=row, column=column,
                )  # fmt: skip
        offset += len(page.text) + 1
        tables += max((cell.place.table for cell in page.cells), default=0)


def _lines(page: Page) -> Iterator[_Line]:
    at, cells = 0, iter(page.cells)
    cell = next(cells, None)
    for number, line in enumerate(page.text.split("\n")):
        start, end = at, at + len(line)
        at = end + 1
        whole = True
        while cell is not None and cell.start < end:
            if page.text[start : cell.start].strip():
                yield _Line(start, cell.start, number)
            yield _Line(max(start, cell.start), min(end, cell.end), number, cell.place)
            whole, start = False, min(end, cell.end)
            if cell.end > end:
                break  # it goes on in the next line
            cell = next(cells, None)
        if whole or page.text[start:end].strip():
            yield _Line(start, end, number)


def _folded(text: str) -> str:
    return "".join(text.split()).casefold()


def _located(text: str, lines: Sequence[_Line], titles: Sequence[Title]) -> dict[int, tuple[int, int]]:
    """For the first line of each title that is found: (its last line, its level). Titles come in reading order."""
    said = _Said([_folded(text[line.start : line.end]) for line in lines])
    found: dict[int, tuple[int, int]] = {}
    after = 0
    for title in titles:
        place = _lines_of(title, lines) if title.lines is not None else said.find(_folded(title.text), after)
        if place is not None and place[0] not in found:
            found[place[0]] = (place[1], title.level)
            after = place[1] + 1
    return found


def _lines_of(title: Title, lines: Sequence[_Line]) -> tuple[int, int] | None:
    first, last = title.lines or (0, -1)
    inside = [at for at, line in enumerate(lines) if first <= line.number <= last]
    return (inside[0], inside[-1]) if inside else None


class _Said:
    """What the lines of a page say, without white space and in small letters."""

    def __init__(self, folded: Sequence[str]) -> None:
        self._folded = folded
        self._begins = list(accumulate(map(len, folded), initial=0))
        self._whole = "".join(folded)
        self._by_begin = {begin: at for at, begin in reversed(list(enumerate(self._begins[:-1]))) if folded[at]}
        self._lines: defaultdict[str, list[int]] = defaultdict(list)
        for at, says in enumerate(folded):
            self._lines[says].append(at)

    def find(self, wanted: str, after: int) -> tuple[int, int] | None:
        """The first and last of the lines that say a title, rather behind the line `after` than before it."""
        found = sorted(self._places(wanted))
        return next(
            (place for place in found if place[0] >= after), found[0] if found else self._function(wanted, after)
        )

    def _places(self, wanted: str) -> Iterator[tuple[int, int]]:
        """The lines that say the title, three at most, perhaps behind its number; or its words without the number."""
        begin = self._whole.find(wanted) if wanted else -1
        while begin >= 0:
            yield from self._spanned(begin, begin + len(wanted))
            begin = self._whole.find(wanted, begin + 1)
        for length in range(1, min(_LONGEST_NUMBER, len(wanted) - 1)):
            if wanted[length:] in self._lines and _NUMBER.match(wanted[:length]):
                yield from ((at, at) for at in self._lines[wanted[length:]])

    def _spanned(self, begin: int, end: int) -> Iterator[tuple[int, int]]:
        """The lines that say all from `begin` to `end`, and nothing else but a number in front of it."""
        last = self._by_end(end)
        if last is None:
            return
        for back in range(_LONGEST_NUMBER):
            first = self._by_begin.get(begin - back)
            if first is not None:
                if last - first < _MOST_LINES and (back == 0 or _NUMBER.match(self._whole[begin - back : begin])):
                    yield first, last
                return

    def _by_end(self, end: int) -> int | None:
        at = bisect_left(self._begins, end) - 1
        return at if at >= 0 and self._begins[at + 1] == end else None

    def _function(self, wanted: str, after: int) -> tuple[int, int] | None:
        """Manuals list a function by its name and number of arguments, and print it with their names."""
        if (function := _FUNCTION.fullmatch(wanted)) is None:
            return None
        begins = function[1] + "("
        lines = range(after, len(self._folded))
        return next(((line, line) for line in lines if self._folded[line].startswith(begins)), None)


def _joined(
    text: str, lines: Sequence[_Line], headings: Mapping[int, tuple[int, int]], listed: Collection[int]
) -> Iterator[_Span]:
    """Lines join while they stand in the same cell; outside of tables until one ends a thought.

    A thought ends at a short line, an end of sentence, a bullet, a heading.
    """
    widths = sorted(_width(text, line) for line in lines if line.end > line.start and line.place is None)
    full = widths[int(len(widths) * 0.9)] if widths else 0.0
    held: _Span | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        heading = headings.get(number)
        if held is not None and (
            heading is not None or line.number in listed or _parted(text, held, lines[number - 1], line, full)
        ):
            yield held
            held = None
        if heading is not None:
            last, level = heading
            yield _Span(BlockKind.HEADING, line.start, lines[last].end, level)
            number = last + 1
            continue
        if held is not None:
            held = held._replace(end=line.end)
        elif line.start < line.end:
            held = _Span(_kind(text, line), line.start, line.end, place=line.place)
        if held is not None and line.number in listed:
            yield held
            held = None
        number += 1
    if held is not None:
        yield held


def _width(text: str, line: _Line) -> float:
    """In columns: a Chinese character takes two of them, and three bytes of UTF-8."""
    said = text[line.start : line.end]
    return len(said) if said.isascii() else (len(said) + len(said.encode())) / 2


def _kind(text: str, line: _Line) -> BlockKind:
    if line.place is not None:
        return BlockKind.TABLE_CELL
    return BlockKind.LIST_ITEM if _BULLET.match(text, line.start, line.end) else BlockKind.PARAGRAPH


def _parted(text: str, held: _Span, before: _Line, line: _Line, full: float) -> bool:
    """Does the line begin another block than the one held, whose last line is `before`?"""
    if held.place is not None or line.place is not None:
        return held.place != line.place
    if line.number > before.number + 1:
        return True  # a running header or footer stands between them
    fresh = line.start == line.end or _BULLET.match(text, line.start, line.end) is not None
    return fresh or _ended(text, before, full)


def _ended(text: str, line: _Line, full: float) -> bool:
    width = _width(text, line)
    return width < full * _SHORT and (text[line.start : line.end].rstrip().endswith(_ENDS) or width < full / 2)
