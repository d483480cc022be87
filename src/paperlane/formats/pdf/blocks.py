"""The text of a PDF's pages as blocks: headings where their titles stand, cells, and lines joined into paragraphs."""

import re
from bisect import bisect_left, bisect_right
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
_NUMBERED = re.compile(r"chapter|section|appendix|annex|part|[\da-z]{0,2}[\d.:、：)]", re.IGNORECASE)
_LONGEST_NUMBER = 16
_MOST_LINES = 3
_BULLET = re.compile(
    r"\s*(?:[-–•·●○▪■◦*\ue000-\uf8ff]\s*\S|o\s+\S"  # a private sign is a bullet of its font
    r"|[(（]?(?:\d{1,2}|[a-z])[.)）、](?:\s+\S|[^\sA-Za-z\d.,])"
    r"|\d{1,2}(?:\.\d{1,2})+\s+[A-Z\u3400-\u9fff]|[①-⑳]|【\S{1,4}】\s*\S)"
)
_BEGIN = re.compile(rf"\u3000|{_BULLET.pattern}")
# behind the end of a sentence: an id, "Step 2:", 第二步, （二）
_LABELLED = re.compile(
    r"[(\[【]?(?:[A-Z][A-Za-z]{0,11}\d?(?:[-_./](?:[A-Z][A-Za-z]{0,11}\d?|\d{1,4})){0,4}[-_./]|[\u3400-\u9fff]{2,6}[-—])"
    r"\d{1,5}(?:\.\d{1,3})?[)\]】]?\s*[:：]?\s+[A-Z\u3400-\u9fff]|[A-Z][a-z]+\s\d{1,2}\s?[:.]\s|"
    r"第[\d一二三四五六七八九十]{1,3}[步条]|[(（]?[一二三四五六七八九十]{1,3}[)）、]"
)
_ENDS = frozenset(".!?:;。！？：；")
_FUNCTION = re.compile(r"(.+)/\d{1,2}")
_SHORT = 0.72
_MOST_ROOM = 24  # characters
_FULL = 0.88  # of a full line: the next line's first word would have stood on a line that ends before it
_NO_CELL = (0, 0, 0)


class _Line(NamedTuple):
    """`text[start:end]` of a page: a line, or the part of one that stands in a cell or between cells."""

    start: int
    end: int
    number: int
    says: str
    place: Place | None = None


_Span = tuple[BlockKind, int, int, int, Place | None]
"""What a block is, `text[start:end]` of its page, its level and its place, if it has one."""


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
        lines = list(_lines(page))
        if running[number]:
            lines = [line for line in lines if line.number not in running[number]]
        headings = _located(lines, by_page[number]) if number in by_page else {}
        for kind, begin, until, level, place in _joined(lines, headings, listed[number]):
            start, end = trimmed(page.text, begin, until)
            if start < end:
                table, row, column = (tables + place.table, place.row, place.column) if place is not None else _NO_CELL
                yield Block(kind, offset + start, offset + end, level, number + 1, (), table, row, column)
        offset += len(page.text) + 1
        tables += max((cell.place.table for cell in page.cells), default=0)


def _lines(page: Page) -> Iterator[_Line]:
    at, cells = 0, iter(page.cells)
    cell = next(cells, None)
    text = page.text
    for number, line in enumerate(text.split("\n")):
        start, end = at, at + len(line)
        at = end + 1
        if cell is None or cell.start >= end:
            yield _Line(start, end, number, line)
            continue
        while cell is not None and cell.start < end:
            if text[start : cell.start].strip():
                yield _Line(start, cell.start, number, text[start : cell.start])
            begin, start = max(start, cell.start), min(end, cell.end)
            yield _Line(begin, start, number, text[begin:start], cell.place)
            if cell.end > end:
                break  # it goes on in the next line
            cell = next(cells, None)
        if text[start:end].strip():
            yield _Line(start, end, number, text[start:end])


def _folded(text: str) -> str:
    """Without blanks and in small letters."""
    text = text.replace(" ", "")
    return text.lower() if text.isascii() else text.replace("\xa0", "").replace("\u3000", "").casefold()


def _located(lines: Sequence[_Line], titles: Sequence[Title]) -> dict[int, tuple[int, int]]:
    """For the first line of each title that is found: (its last line, its level). Titles come in reading order."""
    said = _Said(_folded("\n".join([line.says for line in lines])).split("\n"))
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
    """What the lines of a page say, without blanks and in small letters."""

    def __init__(self, folded: Sequence[str]) -> None:
        self._folded = folded
        self._begins = list(accumulate(map(len, folded), initial=0))
        self._whole = "".join(folded)

    def find(self, wanted: str, after: int) -> tuple[int, int] | None:
        """The first and last of the lines that say a title, rather behind the line `after` than before it."""
        found = sorted(self._places(wanted))
        if not found:
            return self._function(wanted, after)
        return next((place for place in found if place[0] >= after), found[0])

    def _places(self, wanted: str) -> Iterator[tuple[int, int]]:
        """The lines that say the title, three at most, perhaps behind its number; or its words without the number."""
        begin = self._whole.find(wanted) if wanted else -1
        while begin >= 0:
            if (place := self._lines(begin, begin + len(wanted))) is not None:
                yield place
            begin = self._whole.find(wanted, begin + 1)
        for length in range(1, min(_LONGEST_NUMBER, len(wanted) - 1)) if _NUMBERED.match(wanted) else ():
            if _NUMBER.match(wanted[:length]):
                yield from ((at, at) for at, says in enumerate(self._folded) if says == wanted[length:])

    def _lines(self, begin: int, end: int) -> tuple[int, int] | None:
        """The lines that say all from `begin` to `end`, and nothing else but a number in front of it."""
        first, last = bisect_right(self._begins, begin) - 1, bisect_left(self._begins, end) - 1
        if self._begins[last + 1] != end or last - first >= _MOST_LINES:
            return None
        before = self._whole[self._begins[first] : begin]
        return (first, last) if not before or _NUMBER.match(before) else None

    def _function(self, wanted: str, after: int) -> tuple[int, int] | None:
        """Manuals list a function by its name and number of arguments, and print it with their names."""
        if (function := _FUNCTION.fullmatch(wanted)) is None:
            return None
        begins = function[1] + "("
        lines = range(after, len(self._folded))
        return next(((line, line) for line in lines if self._folded[line].startswith(begins)), None)


def _joined(
    lines: Sequence[_Line], headings: Mapping[int, tuple[int, int]], listed: Collection[int]
) -> Iterator[_Span]:
    """Lines join while they stand in the same cell; outside of tables until one ends a thought.

    A thought ends at a short line, an end of sentence, a bullet, a heading.
    """
    ended = _Ended(lines)
    first = last = None
    beyond = 0
    for number, line in enumerate(lines):
        if number < beyond:
            continue
        heading = headings.get(number) if headings else None
        if last is not None and (heading is not None or line.number in listed or ended.parted(last, line)):
            yield _block(first or last, last)
            first = last = None
        if heading is not None:
            last_of_title, level = heading
            yield BlockKind.HEADING, line.start, lines[last_of_title].end, level, None
            beyond = last_of_title + 1
        elif first is not None or line.says:
            first, last = first or line, line
            if line.number in listed:
                yield _block(first, last)
                first = last = None
    if last is not None:
        yield _block(first or last, last)


def _block(first: _Line, last: _Line) -> _Span:
    if first.place is not None:
        kind = BlockKind.TABLE_CELL
    else:
        kind = BlockKind.LIST_ITEM if _begins(first.says, _BULLET) else BlockKind.PARAGRAPH
    return kind, first.start, last.end, 0, first.place


def _begins(says: str, sign: re.Pattern[str]) -> bool:
    """Does a line begin with such a sign? None of them is of letters alone."""
    return not says[:2].isalpha() and sign.match(says) is not None


class _Ended:
    """Tells where a page's lines end a block, by how long they are."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        widths = sorted([
            len(says) if says.isascii() else _width(says) for _, _, _, says, place in lines if says and place is None
        ])  # fmt: skip
        full = widths[int(len(widths) * 0.9)] if widths else 0.0
        self._short, self._half, self._full = full * _SHORT, full / 2, full * _FULL

    def parted(self, before: _Line, line: _Line) -> bool:
        """Does the line begin another block than the one that the line before it is of?"""
        if before.place is not None or line.place is not None:
            return before.place != line.place
        said, says = before.says, line.says
        if not says or line.number > before.number + 1:
            return True  # a blank, or a running header or footer, stands between them
        width = len(said) if said.isascii() else _width(said)
        if width < self._half:
            return True
        if said.rstrip()[-1:] in _ENDS:
            first = says[:_MOST_ROOM].split(" ", 1)[0] if says[0].isascii() else says[0]
            room = width < self._short or width + 1 + _width(first) < self._full
            if room or _LABELLED.match(says):
                return True
        return _begins(says, _BEGIN)


def _width(said: str) -> float:
    """In columns: a Chinese character takes two of them, and three bytes of UTF-8."""
    return len(said) if said.isascii() else (len(said) + len(said.encode("utf-8", "replace"))) / 2
