"""What is read of one page of a PDF, before its text is cut into blocks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

MOST_OBJECTS = 20_000  # of a page, or elements of its structure: a drawing, or a ring in a broken tree, has no end


@dataclass(frozen=True, slots=True)
class Title:
    """A heading that the file tells of: its page counts from 0."""

    text: str
    level: int
    page: int


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

    `holds` tells of a page that was not read why not, and is None for the others.
    """

    text: str
    tagged: Sequence[Title] = ()
    cells: Sequence[Cell] = ()
    holds: Holds | None = None

    @property
    def letters(self) -> int:
        """Characters that are no white space."""
        return len("".join(self.text.split()))


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


def with_cells(raw: str, words: pypdfium2.PdfTextPage, place_of: PlaceOf) -> tuple[str, list[Cell]]:
    """The cleaned text of a page, and its stretches that stand in cells."""
    parts: list[str] = []
    cells: list[Cell] = []
    length = done = 0
    for start, end, place in _stretches(raw, words, place_of):
        between, inside = cleaned(raw[done:start]), cleaned(raw[start:end])
        length += len(between)
        if inside:
            cells.append(Cell(length, length + len(inside), place))
        length += len(inside)
        parts += (between, inside)
        done = end
    parts.append(cleaned(raw[done:]))
    return "".join(parts), cells


def _stretches(raw: str, words: pypdfium2.PdfTextPage, place_of: PlaceOf) -> Iterator[tuple[int, int, Place]]:
    """Neighbouring characters of the same cell; white space parts no cell and belongs to none by itself."""
    start, end, held, unit = 0, 0, None, 0
    for at, character in enumerate(raw):
        if not character.isspace():
            place = place_of(pdfium.FPDFText_GetCharIndexFromTextIndex(words, unit))
            if place != held:
                if held is not None:
                    yield start, end, held
                start, held = at, place
            end = at + 1
        unit += 2 if character > "\uffff" else 1  # pdfium counts UTF-16 code units
    if held is not None:
        yield start, end, held
