"""What a page shows beside its text: pictures, and letters drawn as outlines; they are measured and never drawn."""

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.formats.pdf import calls
from paperlane.formats.pdf.page import MOST_OBJECTS

_MOSTLY = 0.5
_WHOLLY = 0.9
_HARDLY = 0.01  # of a page, what letters cover: on A4 some three lines in a small size
_INVISIBLE = 3  # ISO 32000-1, table 106: how text recognition lays what it read over a scan
_SAMPLE = 12  # letters, which tell a page of text from one with a stamp
_BOX, _PUT = calls.Numbers("4d"), calls.Numbers("6f")
_MANY = 100  # round figures that a page draws; a text of as many letters has more


class _Matrix(NamedTuple):
    """ISO 32000-1, 8.3.3."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def within(self, outer: "_Matrix") -> "_Matrix":
        return _Matrix(
            self.a * outer.a + self.b * outer.c,
            self.a * outer.b + self.b * outer.d,
            self.c * outer.a + self.d * outer.c,
            self.c * outer.b + self.d * outer.d,
            self.e * outer.a + self.f * outer.c + outer.e,
            self.e * outer.b + self.f * outer.d + outer.f,
        )


def has_picture(page: pypdfium2.PdfPage) -> bool:
    """Is there any picture on the page?"""
    return next(_pictures(page), None) is not None


def is_mostly_picture(page: pypdfium2.PdfPage) -> bool:
    """Do pictures cover half of the page or more?"""
    return _covered(page) >= _MOSTLY


def is_stamped(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage) -> bool:
    """Is the page a scan, or letters drawn as outlines, on which a stamp or a footer is all the text?"""
    _, size = _shown(page)
    count = words.count_chars()
    if size <= 0 or _letters_box(words, range(0, count, max(1, count // _SAMPLE))) >= 2 * _HARDLY * size:
        return False
    if _covered(page) < _WHOLLY and not is_outlined(page):
        return False
    return _letters_box(words, range(count)) / size < _HARDLY and not _are_hidden(words, count)


def is_outlined(page: pypdfium2.PdfPage) -> bool:
    """Does the page draw as many round figures as a text in outlines has letters?"""
    figures = (drawn for drawn, kind, _ in _objects(page) if kind == pdfium.FPDF_PAGEOBJ_PATH)
    rounded = chain.from_iterable(map(_rounded, figures))
    return sum(1 for _ in islice(rounded, _MANY)) == _MANY


def _covered(page: pypdfium2.PdfPage) -> float:
    """The share of the page that pictures cover, 0..; those that lie on one another count each."""
    shown, size = _shown(page)
    covered = 0.0
    for at in _pictures(page):
        # a picture is the square from (0, 0) to (1, 1), put in its place (ISO 32000-1, 8.9.5.1)
        across = sorted((at.e + min(at.a, 0) + min(at.c, 0), at.e + max(at.a, 0) + max(at.c, 0)))
        up = sorted((at.f + min(at.b, 0) + min(at.d, 0), at.f + max(at.b, 0) + max(at.d, 0)))
        width = min(across[1], shown.right) - max(across[0], shown.left)
        height = min(up[1], shown.top) - max(up[0], shown.bottom)
        covered += max(width, 0) * max(height, 0)
    return covered / size if size > 0 else 0.0


def _are_hidden(words: pypdfium2.PdfTextPage, count: int) -> bool:
    """Are some letters invisible, as those that were recognised in a scan?"""
    drawn = filter(None, map(calls.text_object_of, repeat(calls.reference(words.raw)), range(count)))
    return any(mode == _INVISIBLE for mode in map(calls.mode_of, drawn))


def _letters_box(words: pypdfium2.PdfTextPage, asked: range) -> float:
    """The area of all letters in square points, by those that are asked, each standing for the ones behind it."""
    left, right, bottom, top = _BOX.places
    covered = 0.0
    text = calls.reference(words.raw)
    for at in asked:
        if calls.box_of(text, at, left, right, bottom, top):
            x0, x1, y0, y1 = _BOX.read()
            covered += (x1 - x0) * (y1 - y0)
    return covered * asked.step


def _shown(page: pypdfium2.PdfPage) -> tuple[pdfium.FS_RECTF, float]:
    """The part of the page that is shown, and its size; 0 for a broken one."""
    shown = pdfium.FS_RECTF()
    if not pdfium.FPDF_GetPageBoundingBox(page, shown):
        return shown, 0.0
    return shown, (shown.right - shown.left) * (shown.top - shown.bottom)


def _rounded(path: calls.Handle) -> Iterator[None]:
    """Each figure of a path that has a curve, as most letters do and frames, rules and arrows do not."""
    curved = False
    for at in range(min(calls.count_segments(path), MOST_OBJECTS)):
        kind = calls.kind_of(calls.segment_at(path, at))
        if kind == pdfium.FPDF_SEGMENT_BEZIERTO and not curved:
            yield None
        curved = kind == pdfium.FPDF_SEGMENT_BEZIERTO or (curved and kind != pdfium.FPDF_SEGMENT_MOVETO)


def _pictures(page: pypdfium2.PdfPage) -> Iterator[_Matrix]:
    """Where the pictures of a page stand."""
    for drawn, kind, outer in _objects(page):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            yield _matrix_of(drawn).within(outer)


def _objects(page: pypdfium2.PdfPage) -> Iterator[tuple[calls.Handle, int, _Matrix]]:
    """What a page draws, also inside of forms, its kind and where what is around it is put."""
    own, whole = calls.reference(page.raw), _Matrix()
    count = min(calls.count_objects(own), MOST_OBJECTS)
    waiting = [(drawn, whole) for drawn in map(calls.object_at, repeat(own), range(count))]
    seen = 0
    while waiting and seen < MOST_OBJECTS:
        drawn, outer = waiting.pop()
        seen += 1
        kind = calls.type_of(drawn)
        if kind == pdfium.FPDF_PAGEOBJ_FORM:
            inner = _matrix_of(drawn).within(outer)
            inside = min(calls.count_inside(drawn), MOST_OBJECTS)
            waiting += [(one, inner) for one in map(calls.inside_at, repeat(drawn), range(inside))]
        else:
            yield drawn, kind, outer


def _matrix_of(drawn: calls.Handle) -> _Matrix:
    return _Matrix(*_PUT.read()) if calls.matrix_of(drawn, _PUT.places[0]) else _Matrix()
