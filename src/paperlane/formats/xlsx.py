"""XLSX: each sheet a heading, each cell that holds something a table cell, as the workbook shows it.

A reader of our own over the XML (ECMA-376 part 1, chapter 18): what a sheet says of its size is never believed.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from paperlane.formats import Tell
from paperlane.formats.gathering import Gathering, Line, may_hold_remarks, remark_in
from paperlane.formats.guard import opened, part, too_complex
from paperlane.formats.packages import (
    Element,
    Relation,
    beside,
    child_of,
    depth_told,
    forget,
    gathered,
    local,
    main_part,
    parsed,
    passed,
    reference_of,
    related,
    relations,
)  # fmt: skip
from paperlane.formats.shown import GENERAL, code_of, shown
from paperlane.model.documents import BlockKind, Parsed, Upload

_MOST_CELLS = 300_000
_MOST_STRINGS = 1_000_000
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_LETTERS = 26
_TRUE = {"1": "TRUE", "0": "FALSE"}
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # ECMA-376 part 1, 22.9.2.19


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The sheets in their order, hidden ones too, but for those that only a program can show."""
    with opened(file) as package, depth_told():
        book = _Book(package, main_part(package, "XLSX"))
        sheets = list(book.sheets())
        for number, (title, name) in enumerate(sheets, 1):
            book.sheet(title, name)
            tell(0.9 * number / len(sheets), "")
    book.made.settle()
    return gathered(book.made, upload)


@dataclass(slots=True)
class _Book:
    """A workbook: the strings that its cells share, and how their numbers are shown."""

    package: zipfile.ZipFile
    main: str
    made: Gathering = field(default_factory=Gathering)
    _strings: Sequence[str] = ()
    _codes: Sequence[str] = ()
    _relations: Mapping[str, Relation] = field(default_factory=dict)
    _from_1904: bool = False
    _tables: int = 0
    _cells: int = 0

    def __post_init__(self) -> None:
        self._relations = relations(self.package, self.main)
        if name := self._part("sharedStrings"):
            self._strings = list(_shared(part(self.package, name)))
        if name := self._part("styles"):
            self._codes = _formats(parsed(part(self.package, name)))

    def _part(self, kind: str) -> str:
        """The workbook's part of this kind, else the one that everybody calls so; "" for none."""
        usual = beside(self.main, f"{kind}.xml")
        there = usual if usual in self.package.NameToInfo else ""
        return next(related(self.package, self._relations, kind), there)

    def sheets(self) -> Iterator[tuple[str, str]]:
        """The name of each sheet, and its part."""
        root = parsed(part(self.package, self.main))
        self._from_1904 = any(one.get("date1904") in {"1", "true"} for one in root.iter("{*}workbookPr"))
        for element in root.iter("{*}sheet"):
            relation = self._relations[reference_of(element)]
            if relation.kind == "worksheet" and element.get("state") != "veryHidden":
                yield element.get("name", ""), relation.target

    def sheet(self, title: str, name: str) -> None:
        """A heading and its cells; nothing where no cell holds anything."""
        self._tables += 1
        remarks = dict(self._comments(name))
        row = column = 0
        titled = False
        for event, element in passed(part(self.package, name), ("row", "c")):
            if local(element.tag) == "row":
                if event == "start":
                    row, column = int(element.get("r") or row + 1), 0
                else:
                    forget(element)
                continue
            if event == "start":
                column += 1
                continue
            row, column = _place(element.get("r", ""), row, column)
            words = self._words(element) if len(element) else ""
            element.clear()
            if not words.strip():
                continue
            if not titled:
                titled = True
                self._add(Line([title], len(title)), BlockKind.HEADING)
            line = Line([words], len(words), remarks=[(0, said) for said in remarks.get((row, column), ())])
            self._add(line, BlockKind.TABLE_CELL, (self._tables, row, column))

    def _add(self, line: Line, kind: BlockKind, place: tuple[int, int, int] = (0, 0, 0)) -> None:
        self._cells += 1
        if self._cells > _MOST_CELLS:
            raise too_complex(f"The workbook holds more than {_MOST_CELLS} cells.")
        self.made.add(line, kind, level=int(kind is BlockKind.HEADING), place=place)

    def _words(self, cell: Element) -> str:
        """What the cell shows; of a formula the value that was saved with it."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            inside = child_of(cell, "is")
            return "" if inside is None else _said(inside)
        value = child_of(cell, "v")
        text = "" if value is None else value.text or ""
        match kind:
            case "s":
                return self._strings[int(text)] if text else ""
            case "b":
                return _TRUE.get(text, text)
            case "n" if text:
                style = int(cell.get("s") or 0)
                code = self._codes[style] if style < len(self._codes) else GENERAL
                return shown(float(text), code, from_1904=self._from_1904)
            case _:
                return _unescaped(text)

    def _comments(self, name: str) -> Iterator[tuple[tuple[int, int], tuple[str, ...]]]:
        """Those that speak to Paperlane, by their cells."""
        for comments in related(self.package, relations(self.package, name), "comments"):
            content = part(self.package, comments)
            for comment in parsed(content).iter("{*}comment") if may_hold_remarks(content) else ():
                if remark := remark_in("".join(said.text or "" for said in comment.iter("{*}t"))):
                    yield _place(comment.get("ref", ""), 0, 0), (remark,)


def _place(reference: str, row: int, column: int) -> tuple[int, int]:
    """The row and column that a reference names, else those where the cell must stand."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        return row, column
    column = 0
    for letter in found[1]:
        column = _LETTERS * column + ord(letter) - ord("A") + 1
    return int(found[2]), column


def _shared(content: bytes) -> Iterator[str]:
    number = 0
    for event, element in passed(content, ("si", "rPh")):
        if event == "start":
            continue
        if local(element.tag) == "rPh":  # how it is pronounced
            element.clear()
            continue
        number += 1
        if number > _MOST_STRINGS:
            raise too_complex(f"The workbook holds more than {_MOST_STRINGS} texts.")
        yield _said(element)
        forget(element)


def _said(element: Element) -> str:
    return _unescaped("".join(said.text or "" for said in element.iter("{*}t")))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _formats(root: Element) -> Sequence[str]:
    """The number format of each style that cells name."""
    own: Mapping[int, str] = {
        int(one.get("numFmtId", "0")): one.get("formatCode", "") for one in root.iter("{*}numFmt")
    }
    looks = next(root.iter("{*}cellXfs"), ())
    return [code_of(int(look.get("numFmtId") or 0), own) for look in looks if local(look.tag) == "xf"]
