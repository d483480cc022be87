"""Where the lines of a page stand and how they look, by their first letter."""

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.formats.pdf import calls
from paperlane.formats.pdf.page import BREAK, TURNS, Index, Look

_EDGE = 4  # lines at either end of a page's text: up to three of a running header or footer, and the one beside them
_BOLD = re.compile(r"bold|black|heavy|semibold|demi|-bd|,b\b", re.IGNORECASE)
_FIXED = re.compile(r"mono|courier|consol|typewriter|cmtt", re.IGNORECASE)
_FIXED_PITCH, _FORCE_BOLD = 1 << 0, 1 << 18  # ISO 32000-1, table 123
_STROKED = 2  # ISO 32000-1, table 106: filled and stroked, as a word processor fakes a bold font
_LONGEST_NAME = 128
_NAME = ctypes.c_ulong(_LONGEST_NAME)
_ORIGIN, _MATRIX = calls.Numbers("2d"), calls.Numbers("6f")
_SHORT = 60  # letters: a longer line is no heading

_Span = tuple[int, int, int]
"""A line with letters: its number, and where its first and its last letter stand in pdfium's text of the page."""


def edges_of(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, raw: str, index: Index) -> dict[int, float]:
    """How high the first and the last lines of a page stand, from 0.0 at the page's foot to 1.0 at its head."""
    lines, parts = raw.split("\r\n"), len("\r\n")
    outer: dict[int, int] = {}
    if not raw.count("\r") == raw.count("\n") == len(lines) - 1:
        return {}  # a font made a letter of what ends lines
    at = 0
    for line, said in enumerate(lines):
        if said and not said.isspace():
            outer[line] = at + len(said) - len(said.lstrip())
            if len(outer) == _EDGE:
                break
        at += len(said) + parts
    at, left = len(raw), _EDGE
    for line in range(len(lines) - 1, -1, -1):
        said = lines[line]
        at -= len(said)
        if said and not said.isspace():
            if line in outer:
                break
            outer[line] = at + len(said) - len(said.lstrip())
            left -= 1
            if not left:
                break
        at -= parts
    height = _height(page, words)
    return {line: height(index(first)) for line, first in outer.items()}


def _height(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage) -> Callable[[int], float]:
    """Tells how high a character of a page stands."""
    turned = TURNS[page.get_rotation()]
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, box)
    levels = (turned(box.left, box.bottom)[1], turned(box.right, box.top)[1])
    foot, high = min(levels), max(abs(levels[1] - levels[0]), 1.0)
    text = calls.reference(words.raw)
    to_x, to_y = _ORIGIN.places

    def height(character: int) -> float:
        calls.origin_of(text, character, to_x, to_y)
        return (turned(*_ORIGIN.read())[1] - foot) / high

    return height


def looks_of(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, raw: str, index: Index) -> Iterator[Look]:
    """All lines of a page that hold letters; what ends a line is asked only of those that stand out."""
    ask = _Asking(page, words, index)
    spans = _spans(raw)
    looks = [ask.look(line, first) for line, first, _ in spans]
    letters: Counter[tuple[float, bool]] = Counter()
    for (_, first, last), look in zip(spans, looks, strict=True):
        letters[look.size, look.bold] += last - first + 1
    common = max(letters, key=letters.__getitem__, default=None)
    for (_, first, last), look in zip(spans, looks, strict=True):
        if not look.bold and last - first < _SHORT and ask.is_stroked(first):
            yield look._replace(bold=True)
        elif (look.size, look.bold) == common or not look.bold or first == last:
            yield look
        else:
            font, bold, _ = ask.font(last)
            yield look._replace(wholly=bold or font.partition("-")[0] != look.font.partition("-")[0])


def _spans(raw: str) -> Sequence[_Span]:
    """All lines with letters."""
    begins = [0, *(found.end() for found in BREAK.finditer(raw))]
    spans: list[_Span] = []
    for line, (said, begin) in enumerate(zip(BREAK.split(raw), begins, strict=True)):
        if words := said.strip():
            first = begin + said.index(words[0])
            spans.append((line, first, first + len(words) - 1))
    return spans


class _Asking:
    """Asks pdfium of single letters by where they stand in its text of the page."""

    def __init__(self, page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, index: Index) -> None:
        self._words = calls.reference(words.raw)
        self._character = index
        self._turned = TURNS[page.get_rotation()]
        self._name = ctypes.create_string_buffer(_LONGEST_NAME)
        self._flags = ctypes.c_int()

    def look(self, line: int, at: int) -> Look:
        character = self._character(at)
        calls.origin_of(self._words, character, *_ORIGIN.places)
        left, base = self._turned(*_ORIGIN.read())
        size = calls.size_of(self._words, character)
        if calls.place_of(self._words, character, _MATRIX.places[0]):
            _, _, c, d, _, _ = _MATRIX.read()
            size *= math.hypot(c, d)
        font, bold, fixed = self._font(character)
        return Look(line, left, base, round(size * 2) / 2, bold, fixed, font)

    def font(self, at: int) -> tuple[str, bool, bool]:
        return self._font(self._character(at))

    def is_stroked(self, at: int) -> bool:
        """Is the letter drawn with an outline around it, as a bold one is faked?"""
        drawn = calls.text_object_of(self._words, self._character(at))
        return bool(drawn) and calls.mode_of(drawn) == _STROKED

    def _font(self, character: int) -> tuple[str, bool, bool]:
        """The font's name but for the mark of a part of it, whether it is bold, whether its letters have one width."""
        length = calls.font_of(self._words, character, self._name, _NAME, ctypes.byref(self._flags))
        name = self._name.value.decode("utf-8", "replace") if 0 < length <= _LONGEST_NAME else ""
        name = name.partition("+")[2] or name
        flags = self._flags.value
        bold = bool(flags & _FORCE_BOLD) or _BOLD.search(name) is not None
        return name, bold, bool(flags & _FIXED_PITCH) or _FIXED.search(name) is not None
