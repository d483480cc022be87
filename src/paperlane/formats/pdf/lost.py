"""Pages that come out empty although they declare content: it is missing or damaged.

Pdfium tells nothing of what a page declares, but it writes any file anew in plain objects, and those are looked into.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import pypdfium2
import pypdfium2.raw as pdfium

_STARTXREF = re.compile(rb"startxref\s+(\d+)\s")
_REFERENCE = re.compile(rb"\s*(\d+) \d+ R\b")
_LENGTH = re.compile(rb"/Length (\d+)")
_DEFLATED = re.compile(rb"/Filter\s*\[?\s*/FlateDecode\b")
_DRAWS = re.compile(rb"[\0-\x08\x0e-\x1f\x80-\xff]|/[^\s/]{1,127}\s+Do\b")  # no operator at all, or a further object
_SAMPLE = 1 << 20


def lost_pages(document: pypdfium2.PdfDocument, empty: Sequence[int]) -> Iterator[int]:
    """Of these pages without an object, those that are not simply blank; pages count from 0."""
    if not empty:
        return
    copy = BytesIO()
    try:
        document.save(copy, flags=pdfium.FPDF_REMOVE_SECURITY)
    except pypdfium2.PdfiumError:
        yield from empty  # nobody knows what they held
        return
    plain = _Plain.of(copy.getvalue())
    pages = list(plain.pages())
    for number in empty:
        if number >= len(pages) or any(_is_lost(stream) for stream in plain.contents(pages[number])):
            yield number


def _is_lost(stream: bytes) -> bool:
    """Does a stream that draws nothing hold something to draw, or what cannot be read?"""
    about, _, content = stream.partition(b"stream\r\n")
    content = content[: int(length[1]) if (length := _LENGTH.search(about)) else 0]
    if _DEFLATED.search(about) is not None:
        unpacked = zlib.decompressobj()
        try:
            content = unpacked.decompress(content, _SAMPLE)
        except zlib.error:
            return True
        if not unpacked.eof:
            return True
    elif b"/Filter" in about:
        return False
    return not stream or _DRAWS.search(content) is not None


@dataclass(frozen=True, slots=True)
class _Plain:
    """A file as pdfium writes it, and the place of each object by its number."""

    content: bytes
    places: Mapping[int, tuple[int, int]]
    trailer: bytes

    @classmethod
    def of(cls, content: bytes) -> "_Plain":
        found = _STARTXREF.findall(content[-100:])
        end = int(found[-1]) if found else len(content)
        table, _, trailer = content[end:].partition(b"trailer")
        begins = dict(_begins(table))
        ordered = sorted(begins.values())
        ends = dict(zip(ordered, [*ordered[1:], end], strict=True))
        return cls(content, {number: (begin, ends[begin]) for number, begin in begins.items()}, trailer)

    def pages(self) -> Iterator[bytes]:
        """The dictionaries of all pages in their order, b"" for one that is missing."""
        root = b"".join(self._body(number) for number in _references(self.trailer, b"/Root"))
        waiting = self._of(root, b"/Pages")
        passed: set[int] = set()  # the tree may be a ring in a broken file
        while waiting:
            number = waiting.pop()
            node = self._body(number)
            if b"/Kids" not in node:
                yield node
            elif number not in passed:
                passed.add(number)
                waiting += reversed(self._of(node, b"/Kids"))

    def contents(self, page: bytes) -> Iterator[bytes]:
        """The streams of a page's content, b"" for one that is missing."""
        return (self._body(number) for number in self._of(page, b"/Contents"))

    def _of(self, body: bytes, entry: bytes) -> list[int]:
        """The objects that an entry refers to; a list of them may be an object of its own."""
        found: list[int] = []
        for referred in _references(body, entry):
            body = self._body(referred)
            found += _listed(body) if body.startswith(b"[") else (referred,)
        return found

    def _body(self, number: int) -> bytes:
        begin, end = self.places.get(number, (0, 0))
        return self.content[begin:end].partition(b"obj")[2].lstrip()


def _begins(table: bytes) -> Iterator[tuple[int, int]]:
    """Where each object begins, by the cross-reference table (ISO 32000-1, 7.5.4)."""
    number = 0
    for line in table.splitlines():
        match line.split():
            case [first, _]:
                number = int(first)
            case [place, _, kind]:
                if kind == b"n":
                    yield number, int(place)
                number += 1
            case _:
                pass


def _references(body: bytes, entry: bytes) -> Sequence[int]:
    """The numbers that an entry of a dictionary holds, one or a list."""
    value = body[at + len(entry) :].lstrip() if (at := body.find(entry)) >= 0 else b""
    if value.startswith(b"["):
        return _listed(value)
    return [int(one[1])] if (one := _REFERENCE.match(value)) is not None else []


def _listed(value: bytes) -> Sequence[int]:
    return [int(number) for number in _REFERENCE.findall(value[: value.find(b"]") + 1])]
