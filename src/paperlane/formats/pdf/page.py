"""What is read of one page of a PDF, before its text is cut into blocks."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from functools import partial
from typing import NamedTuple

import pypdfium2

from paperlane.formats.pdf import calls

MOST_OBJECTS = 20_000  # of a page, or elements of its structure: a drawing, or a ring in a broken tree, has no end


Point = tuple[float, float]
TURNS: Mapping[int, Callable[[float, float], Point]] = {
    0: lambda x, y: (x, y),
    90: lambda x, y: (y, -x),
    180: lambda x, y: (-x, -y),
    270: lambda x, y: (-y, x),
}
"""Where a point of a page lies when the page is shown, by the degrees that it is turned clockwise."""

BREAK = re.compile(r"\r\n|\r|\n")
"""What ends a line in pdfium's text of a page."""
_BLANKS = (" ", "\n", "\xa0", "\u3000", "\t")
_LINE = re.compile(r"[^\r\n]+")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Title:
    """A heading: its page counts from 0, and so do its first and last line there where they are known."""

    text: str
    level: int
    page: int
    lines: tuple[int, int] | None = None


class Look(NamedTuple):
    """How a line of a page looks: its number, its left end and base in points as shown, the size of its letters.

    `size` is in points and 0.0 where it is not known; `bold`, `fixed` (letters of one width) and `font` are those of
    its first letter. `wholly` says whether its last letter has the same weight, or is of another font.
    """

    line: int
    left: float
    base: float
    size: float
    bold: bool
    fixed: bool
    font: str
    wholly: bool = True


class Place(NamedTuple):
    """Where a cell stands: the table of its page, its row and its column, each counting from 1."""

    table: int
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch `text[start:end]` of a page's text that stands in a table's cell; a cell may have several."""

    start: int
    end: int
    place: Place


class Source(Flag):
    """What a page is asked for beside its text.

    That is its structure tags for cells, and for titles, and how its lines look.
    """

    CELLS = auto()
    TITLES = auto()
    LOOKS = auto()


class Holds(Enum):
    """What a page that was not read holds.

    That is nothing, pictures or outlines with hardly any text, signs of fonts that do not tell their letters, or what
    could not be read.
    """

    NOTHING = auto()
    PICTURE = auto()
    SIGNS = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Page:
    """A page's text, the headings its tags name, and its cells in the order of the text.

    `edges` tells of its first and its last lines how high they stand, from 0.0 at the page's foot to 1.0; `looks` is
    about all lines with letters, and () where nobody asked. `levels` are those of all headings that tags name. `holds`
    tells of a page that was not read why not, and is None for the others.
    """

    text: str
    tagged: Sequence[Title] = ()
    cells: Sequence[Cell] = ()
    edges: Mapping[int, float] = field(default_factory=dict)
    looks: Sequence[Look] = ()
    levels: Sequence[int] = ()
    holds: Holds | None = None

    @property
    def letters(self) -> int:
        """Characters that are no white space, or are of a rare kind of it."""
        return len(self.text) - sum(map(self.text.count, _BLANKS))


def cleaned(text: str) -> str:
    """Pdfium ends lines with CR LF and marks a hyphen at a line's end with U+FFFE (or U+0002)."""
    return (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\ufffe", "-")
        .replace("\x02", "-")
        .replace("\0", "")
        .replace("\f", " ")
    )


PlaceOf = Callable[[int], Place | None]
"""The cell of a character, by its index among pdfium's characters of the page."""


Index = Callable[[int], int]
"""The number of a character among pdfium's, by where it stands in its text of the page."""


def index_of(words: pypdfium2.PdfTextPage, raw: str) -> Index:
    """Pdfium counts UTF-16 code units."""
    text = calls.reference(words.raw)
    if raw.isascii() or len(raw.encode("utf-16-le", "surrogatepass")) == 2 * len(raw):
        return partial(calls.character_at, text)
    wide = [at for at, letter in enumerate(raw) if letter > "\uffff"]
    return lambda at: calls.character_at(text, at + bisect_left(wide, at))


def with_cells(raw: str, index: Index, place_of: PlaceOf) -> tuple[str, list[Cell]]:
    """The cleaned text of a page, and its stretches that stand in cells."""
    parts: list[str] = []
    cells: list[Cell] = []
    length = done = 0
    for start, end, place in _stretches(raw, index, place_of):
        between, inside = cleaned(raw[done:start]), cleaned(raw[start:end])
        length += len(between)
        if inside:
            cells.append(Cell(length, length + len(inside), place))
        length += len(inside)
        parts += (between, inside)
        done = end
    parts.append(cleaned(raw[done:]))
    return "".join(parts), cells


_Run = tuple[int, int, Place | None]


def _stretches(raw: str, index: Index, place_of: PlaceOf) -> Iterator[tuple[int, int, Place]]:
    """Neighbouring characters of the same cell; white space parts no cell and belongs to none by itself."""
    asked: dict[int, Place | None] = {}

    def place(at: int) -> Place | None:
        if at not in asked:
            asked[at] = place_of(index(at))
        return asked[at]

    start, end, held = 0, 0, None
    for line in _LINE.finditer(raw):
        if line[0].isspace():
            continue
        for first, last, found in _whole(line, place) or _runs([word.span() for word in _words(line)], place):
            if found != held:
                if held is not None:
                    yield start, end, held
                start, held = first, found
            end = last
    if held is not None:
        yield start, end, held


def _words(line: re.Match[str]) -> Iterator[re.Match[str]]:
    return _WORD.finditer(line.string, *line.span())


def _whole(line: re.Match[str], place: Callable[[int], Place | None]) -> Sequence[_Run]:
    """A line as one run, as most lines are: () where what _runs would ask for tells of more than one."""
    says, (start, end) = line[0], line.span()
    first, last = end - len(says.lstrip()), start + len(says.rstrip())
    found = place(first)
    if found != place(last - 1):
        return ()
    if found is None:
        half = len(says.split()) // 2
        if place(end - len(says.split(None, half)[half])) is not None:
            return ()
    return ((first, last, found),)


def _runs(said: Sequence[tuple[int, int]], place: Callable[[int], Place | None]) -> Iterator[_Run]:
    """The words of a line in runs of one place: of few characters it is asked, for what stands between two is there."""
    first, first_end = said[0]
    end = said[-1][1]
    found = place(first)
    middle = said[len(said) // 2][0]
    if found == place(end - 1) and (found is not None or len(said) == 1 or place(middle) is None):
        yield first, end, found
    elif len(said) > 1:
        half = len(said) // 2
        yield from _runs(said[:half], place)
        yield from _runs(said[half:], place)
    elif first_end - first > 1:
        half = (first + first_end) // 2
        yield from _runs([(first, half)], place)
        yield from _runs([(half, first_end)], place)
