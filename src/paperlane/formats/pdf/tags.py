"""A page's structure tags (ISO 32000-1, 14.8.4): which marked content is a heading, which a table's cell."""

import ctypes
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.formats.pdf import calls
from paperlane.formats.pdf.page import MOST_OBJECTS, Place, PlaceOf, Title

_HEADINGS = {f"H{level}": level for level in range(1, 7)}
_ROWS = {"THead", "TBody", "TFoot"}
_CELLS = {"TH", "TD"}
_LEAVES = {"P", "Span", "Link", "Figure", "Lbl", "Caption", "Formula", "Quote", "Code", "Reference"}  # hold no table
_KIND = ctypes.create_string_buffer(64)
_LONGEST_KIND = ctypes.c_ulong(len(_KIND))  # bytes


@dataclass(frozen=True, slots=True)
class Tags:
    """The ids of a tagged page's marked content by what they are: headings with their level, and cells of tables."""

    headings: list[tuple[int, Sequence[int]]] = field(default_factory=list)
    cells: dict[int, Place] = field(default_factory=dict)


def tags_of(page: pypdfium2.PdfPage) -> Tags | None:
    """What a page's structure tells; None for a page without tags."""
    tree = pdfium.FPDF_StructTree_GetForPage(page)
    if not tree:
        return None
    try:
        if pdfium.FPDF_StructTree_CountChildren(tree) <= 0:
            return None
        tags = Tags()
        _gather(calls.reference(tree), tags)
        return tags
    finally:
        pdfium.FPDF_StructTree_Close(tree)


def titles_of(tags: Tags, page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, number: int) -> Iterator[Title]:
    """The tagged headings of a page in the order of its structure."""
    if tags.headings:
        texts = _marked_texts(page, words, {mark for _, ids in tags.headings for mark in ids})
        for level, ids in tags.headings:
            if title := "".join(texts.get(mark, "") for mark in ids).strip():
                yield Title(title, level, number)


def tagged_place(tags: Tags, words: pypdfium2.PdfTextPage) -> PlaceOf:
    """Finds a character's cell by the marked content that draws it."""
    text = calls.reference(words.raw)

    def place_of(character: int) -> Place | None:
        drawn = calls.text_object_of(text, character)
        return tags.cells.get(calls.mark_of(drawn)) if drawn else None

    return place_of


def _gather(tree: Any, tags: Tags) -> None:
    tables = 0
    waiting = _on_page(map(calls.root_at, repeat(tree), range(calls.count_roots(tree))))[::-1]
    seen = 0
    while waiting and seen < MOST_OBJECTS:
        element = waiting.pop()
        seen += 1
        kind = _kind(element)
        if kind in _HEADINGS:
            tags.headings.append((_HEADINGS[kind], tuple(_marks_of(element))))
        elif kind == "Table":
            tables += 1
            _gather_cells(element, tables, tags.cells)
        elif kind not in _LEAVES:
            waiting += reversed(_children(element))


def _gather_cells(table: calls.Handle, number: int, cells: dict[int, Place]) -> None:
    row = 0
    waiting = _children(table)[::-1]
    seen = 0
    while waiting and seen < MOST_OBJECTS:
        element = waiting.pop()
        seen += 1
        kind = _kind(element)
        if kind in _ROWS:
            waiting += reversed(_children(element))
        elif kind == "TR":
            row += 1
            inside = (cell for cell in _children(element) if _kind(cell) in _CELLS)
            for column, cell in enumerate(inside, start=1):
                for mark in _marks_of(cell):
                    cells.setdefault(mark, Place(number, row, column))


def _children(element: calls.Handle) -> list[calls.Handle]:
    count = min(calls.count_children(element), MOST_OBJECTS)
    return _on_page(map(calls.child_at, repeat(element), range(count)))


def _on_page(elements: Iterator[int | None]) -> list[calls.Handle]:
    """Those that stand on the page: pdfium counts the ones of all pages."""
    return list(map(calls.Handle, filter(None, elements)))


def _marks_of(element: calls.Handle) -> Iterator[int]:
    waiting, seen = [element], 0
    while waiting and seen < MOST_OBJECTS:
        inside = waiting.pop()
        seen += 1
        for at in range(min(calls.count_children(inside), MOST_OBJECTS)):
            mark = calls.child_mark_at(inside, at)
            if mark >= 0:
                yield mark
            elif child := calls.child_at(inside, at):
                waiting.append(calls.Handle(child))


def _kind(element: calls.Handle) -> str:
    """The element's type, "" for one with a longer name than any of ours."""
    length = calls.element_type_of(element, _KIND, _LONGEST_KIND)
    return _decoded(_KIND.raw[: max(length - 2, 0)]) if length <= len(_KIND) else ""


@lru_cache(maxsize=64)
def _decoded(kind: bytes) -> str:
    return kind.decode("utf-16-le", "replace")


def _marked_texts(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, wanted: set[int]) -> Mapping[int, str]:
    found: defaultdict[int, str] = defaultdict(str)
    own = calls.reference(page.raw)
    for at in range(min(calls.count_objects(own), MOST_OBJECTS)):
        drawn = calls.object_at(own, at)
        mark = calls.mark_of(drawn)
        if mark in wanted and calls.type_of(drawn) == pdfium.FPDF_PAGEOBJ_TEXT:
            found[mark] += _text_of(pdfium.FPDFPage_GetObject(page, at), words)
    return found


def _text_of(item: object, words: pypdfium2.PdfTextPage) -> str:
    length = pdfium.FPDFTextObj_GetText(item, words, None, 0)
    if length <= 2:  # noqa: PLR2004  its closing zero
        return ""
    buffer = (ctypes.c_ushort * (length // 2 + 1))()
    pdfium.FPDFTextObj_GetText(item, words, buffer, length)
    return bytes(buffer)[: length - 2].decode("utf-16-le", "replace")
