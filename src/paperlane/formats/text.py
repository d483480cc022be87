"""Plain text: paragraphs part at blank lines, items of lists at their bullets, and numbered titles are headings."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from paperlane.formats import Tell
from paperlane.formats.encoding import decode
from paperlane.formats.lines import line_starts, trimmed
from paperlane.formats.remarks import remarks_of
from paperlane.model.documents import Block, BlockKind, Parsed, Upload

_DIGITS = "一二三四五六七八九"
_MARK = re.compile(
    rf"第(?P<chapter>[{_DIGITS}十百\d]{{1,4}})(?P<unit>[章节条])[ \t\u3000]*"
    rf"|(?P<han>[{_DIGITS}十]{{1,3}})[、．.][ \t]*(?=\S)"
    rf"|[（(](?P<bracketed>[{_DIGITS}十]{{1,3}})[)）][ \t]*(?=\S)"
    r"|(?P<number>\d{1,2}(?:\.\d{1,2}){0,5})"
    r"(?:(?P<point>[、．])[ \t]*(?=\S)|(?P<dot>\.)(?:[ \t]+|(?=[\u3400-\u9fff]))|[ \t]+|(?=[\u3400-\u9fff]))"
)
_REMARK = re.compile(r"^[ \t]*(?P<comment>(?:#+|//+|;+)[ \t]*paperlane:[^\r\n]*)", re.MULTILINE | re.IGNORECASE)
_SIGN = re.compile(r"[-*+•·●○▪■◦][ \t\u3000]+\S")
_LETTERED = re.compile(r"[（(]?[a-z\d]{1,2}(?:\)[ \t]+|）[ \t]*|\)(?=[\u3400-\u9fff]))\S|[①-⑳]")
_UNDERLINE = re.compile(r"={3,}|-{3,}")
_SENTENCE_ENDS = tuple(".;:,。；：，")
_THOUGHT_ENDS = tuple(".;:!?。；：！？")
_RANKS = ("章", "节", "条", "一", "（一）", "1")  # ways of numbering, the outermost first
_CHAPTERS, _HAN = frozenset("章节条"), frozenset({"一", "（一）"})
_BARE = frozenset({"1", "1 glued"})
_LONGEST_HEADING = 80
_LONGEST_BLOCK = 4_000  # a longer one is cut where a line ends a sentence, and one twice as long anywhere
_WRAPPED, _WIDE = (
    0.8,
    40,
)  # a line of this share of the full lines' length goes on in the next one, unless all are short


class _Mark(NamedTuple):
    """What numbers a line: `form` tells ways of numbering apart, `depth` is 2 for "1.1", `value` the last number.

    The title begins at `title`.
    """

    form: str
    depth: int
    value: int
    title: int


class _Line(NamedTuple):
    """The words of a line, `text[start:end]`, `indent` behind its begin; `fresh` behind a blank line."""

    start: int
    end: int
    indent: int
    fresh: bool
    mark: _Mark | None


def read(upload: Upload, file: BinaryIO, _tell: Tell) -> Parsed:
    """The decoded text as it is."""
    text, encoding, notices = decode(file.read())
    blocks = tuple(_blocks(text))
    remarks = tuple(remarks_of(text, blocks, (found.span("comment") for found in _REMARK.finditer(text))))
    return Parsed(upload.name, upload.media_type, text, blocks, notices=notices, encoding=encoding, remarks=remarks)


def _blocks(text: str) -> Iterator[Block]:
    lines = list(_lines(text))
    listed = _listed(text, lines)
    headings = _headings(text, lines, listed)
    first = at = 0
    while at < len(lines):
        level, length = headings.get(at, (0, 1))
        if first < at and (level or _begins(text, lines, first, at, listed)):
            yield _block(text, lines, first, at)
            first = at
        if level:
            yield Block(BlockKind.HEADING, lines[at].start, lines[at].end, level)
            first = at + length
        at += length
    if first < at:
        yield _block(text, lines, first, at)


def _lines(text: str) -> Iterator[_Line]:
    fresh = True
    for begin, until in pairwise([*line_starts(text), len(text)]):
        start, end = trimmed(text, begin, until)
        if _REMARK.match(text, begin, until) is not None:
            start = end  # it parts paragraphs as a blank line does
        if start < end:
            yield _Line(start, end, start - begin, fresh, _mark(text, start, end))
        fresh = start == end


def _mark(text: str, start: int, end: int) -> _Mark | None:
    found = _MARK.match(text, start, end)
    if found is None:
        return None
    if found["unit"]:
        return _Mark(found["unit"], 1, _value(found["chapter"]), found.end())
    if han := found["han"] or found["bracketed"]:
        return _Mark("一" if found["han"] else "（一）", 1, _value(han), found.end())
    numbers = found["number"].split(".")
    form = found["point"] or found["dot"] or ("" if found.end() > found.end("number") else " glued")
    return _Mark("1" + form, len(numbers), int(numbers[-1]), found.end())


def _value(number: str) -> int:
    """Of digits, or of a Chinese number below 100."""
    if number.isdecimal():
        return int(number)
    tens, ten, ones = number.rpartition("十")
    return (_DIGITS.find(tens or "一") + 1) * 10 * len(ten) + (_DIGITS.find(ones) + 1 if ones else 0)


def _rank(mark: _Mark) -> int:
    return _RANKS.index(mark.form[0] if mark.form.startswith("1") else mark.form)


def _listed(text: str, lines: Sequence[_Line]) -> Collection[int]:
    """The numbered lines that are items: of a run whose lines touch or end sentences, or that begins anew."""
    listed: set[int] = set()
    for run in _runs(lines):
        touch = any(not lines[at].fresh for at in run[1:])
        if len(run) > 1 and (touch or any(_ends(text, lines[at], _SENTENCE_ENDS) for at in run)):
            listed.update(run)
    anew = _begun_anew(text, lines, listed)
    listed.update(at for at, line in enumerate(lines) if line.mark is not None and line.mark.form in anew)
    return listed


def _runs(lines: Sequence[_Line]) -> Iterator[list[int]]:
    """Numbered lines with nothing between them that count on."""
    run: list[int] = []
    for at, line in enumerate(lines):
        before = lines[at - 1].mark if at else None
        counts_on = line.mark is not None and before is not None and line.mark[:2] == before[:2]
        if run and not (
            counts_on and line.mark is not None and before is not None and line.mark.value == before.value + 1
        ):
            yield run
            run = []
        if line.mark is not None:
            run.append(at)
    if run:
        yield run


def _begun_anew(text: str, lines: Sequence[_Line], listed: Collection[int]) -> Collection[str]:
    """Forms that count from 1 twice below the same heading; headings do so only where "1.1" stands below "1"."""
    anew: set[str] = set()
    begun: set[str] = set()
    for at, line in enumerate(lines):
        if line.mark is None or at in listed or not _is_title(text, line):
            continue
        if line.mark.depth > 1:
            return ()
        begun = {form for form in begun if _RANKS.index(form[0] if form.startswith("1") else form) <= _rank(line.mark)}
        if line.mark.value == 1 and line.mark.form not in _CHAPTERS:
            (anew if line.mark.form in begun else begun).add(line.mark.form)
    return anew


def _headings(text: str, lines: Sequence[_Line], listed: Collection[int]) -> Mapping[int, tuple[int, int]]:
    """For the lines that begin a heading: its level and how many lines it takes."""
    found: dict[int, tuple[int, int]] = {}
    numbered: dict[int, _Mark] = {}
    lengths = sorted(line.end - line.start for line in lines)
    full = max(_WIDE, lengths[int(len(lengths) * 0.9)] if lengths else 0)
    for at, line in enumerate(lines):
        if _is_underlined(text, lines, at):
            found[at] = (1 if text[lines[at + 1].start] == "=" else 2, 2)
        elif line.mark is not None and at not in listed and _is_title(text, line):
            parted = line.fresh or at - 1 in numbered or at - 2 in found or _ends(text, lines[at - 1], _THOUGHT_ENDS)
            if parted and not _goes_on(text, lines, at, full):
                numbered[at] = line.mark
    forms = Counter(mark.form for mark in numbered.values())
    return found | {at: (_level(mark, forms), 1) for at, mark in numbered.items()}


def _is_underlined(text: str, lines: Sequence[_Line], at: int) -> bool:
    if not lines[at].fresh or at + 1 == len(lines) or lines[at + 1].fresh:
        return False
    below = lines[at + 1]
    return _UNDERLINE.fullmatch(text, below.start, below.end) is not None


def _is_title(text: str, line: _Line) -> bool:
    """Is what stands behind a number a title, by itself?"""
    if line.mark is None or line.end - line.start > _LONGEST_HEADING or _ends(text, line, _SENTENCE_ENDS):
        return False
    form, depth, _, begin = line.mark
    title = text[begin : line.end]
    if form in _CHAPTERS:
        return True
    return not title[0].islower() and any(map(str.isalpha, title)) and (form != "1 glued" or depth > 1)


def _goes_on(text: str, lines: Sequence[_Line], at: int, full: int) -> bool:
    """Is the next line the rest of this one's sentence, by its first letter, its indent or this one's length?"""
    if at + 1 == len(lines) or lines[at + 1].fresh:
        return False
    line, below = lines[at], lines[at + 1]
    hangs = (
        line.mark is not None
        and text[line.mark.title - 1].isspace()
        and below.indent - line.indent == (line.mark.title - line.start)
    )
    return text[below.start].islower() or hangs or line.end - line.start >= _WRAPPED * full


def _level(mark: _Mark, forms: Mapping[str, int]) -> int:
    """Chinese ways of numbering stand below chapters, and figures below those where the document has them."""
    chapters, han = len(_CHAPTERS & forms.keys()), len(_HAN & forms.keys())
    match mark.form:
        case "章" | "节" | "条":
            return _RANKS.index(mark.form) + 1
        case "一":
            return chapters + 1
        case "（一）":
            return chapters + han
        case _:
            return mark.depth + (chapters + han if han else 0)


def _begins(text: str, lines: Sequence[_Line], first: int, at: int, listed: Collection[int]) -> bool:
    """Does a line that is no heading begin another block than the one from `first` on?"""
    line, before = lines[at], lines[at - 1]
    if line.fresh or at in listed or _SIGN.match(text, line.start, line.end):
        return True
    ended = _ends(text, before, _THOUGHT_ENDS)
    if _is_item(text, line) and (ended or _is_item(text, lines[first])):
        return True
    length = before.end - lines[first].start
    if length > _LONGEST_BLOCK and (ended or length > 2 * _LONGEST_BLOCK):
        return True
    return ended and (line.indent > before.indent or (line.indent > 0 and text[line.start - 1] == "\u3000"))


def _is_item(text: str, line: _Line) -> bool:
    if line.mark is not None:
        return line.mark.form not in _CHAPTERS | _BARE
    return any(bullet.match(text, line.start, line.end) for bullet in (_SIGN, _LETTERED))


def _block(text: str, lines: Sequence[_Line], first: int, after: int) -> Block:
    kind = BlockKind.LIST_ITEM if _is_item(text, lines[first]) else BlockKind.PARAGRAPH
    return Block(kind, lines[first].start, lines[after - 1].end)


def _ends(text: str, line: _Line, signs: tuple[str, ...]) -> bool:
    return text.endswith(signs, line.start, line.end)
