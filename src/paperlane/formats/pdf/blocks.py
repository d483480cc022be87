"""The text of a PDF's pages as blocks: headings where their titles stand, cells, and lines joined into paragraphs."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from paperlane.formats.lines import trimmed
from paperlane.formats.pdf.page import Page, Place, Title
from paperlane.model.documents import Block, BlockKind

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(
    r"^(?:(?:chapter|section|appendix|annex|part)\s*)?[\dA-Z]{0,2}(?:[.\d]+)?[.、:：)]?$", re.IGNORECASE
)
_BULLET = re.compile(r"\s*(?:[-–•·●○▪■◦*]|\(?[a-z\d]{1,2}[.)]|[①-⑳]|【\S{1,4}】)\s*\S")
_ENDS = tuple(".!?:;。！？：；")
_FUNCTION = re.compile(r"(.+)/\d{1,2}")
_SHORT = 0.72


class _Line(NamedTuple):
    """`text[start:end]` of a page: a line, or the part of one that stands in a cell or between cells."""

    start: int
    end: int
    place: Place | None = None


class _Span(NamedTuple):
    kind: BlockKind
    start: int
    end: int
    level: int = 0
    place: Place | None = None


def blocks_of(pages: Sequence[Page], titles: Sequence[Title]) -> Iterator[Block]:
    """The blocks of all pages, whose texts stand one form feed apart; tables are counted through the document."""
    by_page: defaultdict[int, list[Title]] = defaultdict(list)
    for title in titles:
        by_page[title.page].append(title)
    offset = tables = 0
    for number, page in enumerate(pages):
        lines = list(_lines(page))
        headings = _located(page.text, lines, by_page[number])
        for span in _joined(page.text, lines, headings):
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
    for line in page.text.split("\n"):
        start, end = at, at + len(line)
        at = end + 1
        whole = True
        while cell is not None and cell.start < end:
            if page.text[start : cell.start].strip():
                yield _Line(start, cell.start)
            yield _Line(max(start, cell.start), min(end, cell.end), cell.place)
            whole, start = False, min(end, cell.end)
            if cell.end > end:
                break  # it goes on in the next line
            cell = next(cells, None)
        if whole or page.text[start:end].strip():
            yield _Line(start, end)


def _folded(text: str) -> str:
    return _SPACE.sub("", text).casefold()


def _located(text: str, lines: Sequence[_Line], titles: Sequence[Title]) -> dict[int, tuple[int, int]]:
    """For the first line of each title that is found: (its last line, its level). Titles come in reading order."""
    folded = [_folded(text[line.start : line.end]) for line in lines]
    found: dict[int, tuple[int, int]] = {}
    after = 0
    for title in titles:
        wanted = _folded(title.text)
        place = _find(folded, wanted, after) or _find(folded, wanted, 0) or _find_function(folded, wanted, after)
        if place is not None and place[0] not in found:
            found[place[0]] = (place[1], title.level)
            after = place[1] + 1
    return found


def _find(folded: Sequence[str], wanted: str, after: int) -> tuple[int, int] | None:
    """The lines that say the title, three at most, perhaps behind its number."""
    for first in range(after, len(folded)):
        if not folded[first]:
            continue
        said = ""
        for last in range(first, min(first + 3, len(folded))):
            said += folded[last]
            if said == wanted or (said.endswith(wanted) and _NUMBER.match(said[: -len(wanted)])):
                return first, last
            if wanted.endswith(said) and last == first and _NUMBER.match(wanted[: -len(said)]) and len(said) > 1:
                return first, last
    return None


def _find_function(folded: Sequence[str], wanted: str, after: int) -> tuple[int, int] | None:
    """Manuals list a function by its name and number of arguments, and print it with their names."""
    if (function := _FUNCTION.fullmatch(wanted)) is None:
        return None
    begins = function[1] + "("
    return next(((line, line) for line in range(after, len(folded)) if folded[line].startswith(begins)), None)


def _joined(text: str, lines: Sequence[_Line], headings: Mapping[int, tuple[int, int]]) -> Iterator[_Span]:
    """Lines join while they stand in the same cell; outside of tables until one ends a thought.

    A thought ends at a short line, an end of sentence, a bullet, a heading.
    """
    widths = sorted(line.end - line.start for line in lines if line.end > line.start and line.place is None)
    full = widths[int(len(widths) * 0.9)] if widths else 0
    held: _Span | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        heading = headings.get(number)
        if held is not None and (heading is not None or _parted(text, held, lines[number - 1], line, full)):
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
        number += 1
    if held is not None:
        yield held


def _kind(text: str, line: _Line) -> BlockKind:
    if line.place is not None:
        return BlockKind.TABLE_CELL
    return BlockKind.LIST_ITEM if _BULLET.match(text, line.start, line.end) else BlockKind.PARAGRAPH


def _parted(text: str, held: _Span, before: _Line, line: _Line, full: int) -> bool:
    """Does the line begin another block than the one held, whose last line is `before`?"""
    if held.place is not None or line.place is not None:
        return held.place != line.place
    fresh = line.start == line.end or _BULLET.match(text, line.start, line.end) is not None
    return fresh or _ended(text, before, full)


def _ended(text: str, line: _Line, full: int) -> bool:
    said = text[line.start : line.end].rstrip()
    short = len(said) < full * _SHORT
    return short and (said.endswith(_ENDS) or len(said) < full / 2)
