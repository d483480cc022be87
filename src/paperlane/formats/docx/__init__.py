"""DOCX: paragraphs in reading order, headings by their styles, tables by their cells.

A reader of our own over the XML (ECMA-376 part 1, chapter 17): other readers miss headings of custom styles. Names are
matched without their namespace, so that the transitional and the strict form are read alike.
"""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from paperlane.formats import Tell
from paperlane.formats.docx.numbering import Numbering
from paperlane.formats.docx.paragraphs import Paragraph, Paragraphs, is_in
from paperlane.formats.docx.styles import NO_LIST, Looks
from paperlane.formats.gathering import Gathering, Line, may_hold_remarks, remark_in
from paperlane.formats.guard import opened, part
from paperlane.formats.packages import (
    Element,
    Relation,
    beside,
    depth_told,
    forget,
    gathered,
    local,
    main_part,
    parsed,
    passed,
    related,
    relations,
    value_of,
)  # fmt: skip
from paperlane.model.documents import BlockKind, Parsed, Upload

_DELETED = ("del", "moveFrom")
# What once was, a second form of what stands beside it, and the small letters over Chinese ones that tell their sound.
_PASSED_OVER = (*_DELETED, "Fallback", "rt", "pPrChange", "rPrChange")
_FRAMES = ("tc", "tbl", "txbxContent", "footnote", "endnote")  # no paragraph goes on behind their ends
_PLACED = (
    "p", "tr", *_FRAMES, "gridSpan", "gridBefore", "vMerge", "blip", "imagedata", "altChunk", "bookmarkStart",
    *_PASSED_OVER,
)  # fmt: skip
_FORGOTTEN = 200  # paragraphs
_TOP = "_top"  # which Word leads to the beginning of every document


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The paragraphs, one a line; footnotes and endnotes behind them."""
    with opened(file) as package, depth_told():
        walk = _walked(package, tell)
    return gathered(walk.made, upload, anchors=walk.anchors, pictures=walk.pictures, chunks=walk.chunks)


def _walked(package: zipfile.ZipFile, tell: Tell) -> "_Walk":
    name = main_part(package, "DOCX")
    there = package.NameToInfo
    styles, numbering = beside(name, "styles.xml"), beside(name, "numbering.xml")
    looks = Looks(parsed(part(package, styles)) if styles in there else ())
    referred = relations(package, name)
    walk = _Walk(
        Paragraphs(looks, dict(_comments(package, referred))),
        Numbering(parsed(part(package, numbering)) if numbering in there else ()),
        tell,
    )
    walk.read(part(package, name), referred)
    walk.footnotes = True
    for notes in (beside(name, "footnotes.xml"), beside(name, "endnotes.xml")):
        if notes in there:
            walk.read(part(package, notes), relations(package, notes))
    walk.made.settle()
    return walk


def _comments(package: zipfile.ZipFile, referred: Mapping[str, Relation]) -> Iterator[tuple[str, str]]:
    """The comments that speak to Paperlane, by their ids."""
    for comments in related(package, referred, "comments"):
        content = part(package, comments)
        for comment in parsed(content).iter("{*}comment") if may_hold_remarks(content) else ():
            if words := remark_in("".join(text.text or "" for text in comment.iter("{*}t"))):
                yield value_of(comment, "id"), words


@dataclass(slots=True)
class _Cell:
    """Where a table has come; in `columns` a cell goes on downwards, and a cell below is `covered` by it."""

    table: int
    row: int = 0
    column: int = 0
    span: int = 1
    columns: set[int] = field(default_factory=set)
    merged: bool = False
    covered: bool = False


@dataclass(slots=True)
class _Walk:
    """Goes over the XML as it is parsed, and forgets what it has passed."""

    paragraphs: Paragraphs
    numbering: Numbering
    tell: Tell
    made: Gathering = field(default_factory=Gathering)
    anchors: list[str] = field(default_factory=lambda: [_TOP])
    footnotes: bool = False
    pictures: int = 0
    chunks: int = 0
    _tables: int = 0
    _cells: list[_Cell] = field(default_factory=list)
    _skipping: int = 0
    _passed: int = 0
    _joining: set[Element] = field(default_factory=set)
    _carried: Paragraph | None = None

    def read(self, content: bytes, referred: Mapping[str, Relation]) -> None:
        """Read all paragraphs of a part, with what it refers to."""
        self.paragraphs.begin(content, referred)
        for event, element in passed(content, _PLACED):
            name = local(element.tag)
            if name == "p":
                if event == "end":
                    if self._skipping == 0:
                        self._paragraph(element)
                    self._forget(element)
            elif event == "start":
                self._start(name, element)
            else:
                self._end(name, element)
        self._settle()

    def _forget(self, element: Element) -> None:
        """Give up what is read; what is left of it now and then, for looking back takes time."""
        element.clear()
        self._passed += 1
        if self._passed % _FORGOTTEN == 0:
            forget(element)
            self.tell(min(0.9, self._passed / 5_000), "")

    def _start(self, name: str, element: Element) -> None:
        match name:
            case "tbl":
                self._settle()
                self._tables += 1
                self._cells.append(_Cell(self._tables, covered=bool(self._cells) and self._cells[-1].covered))
            case "tr" if self._cells:
                cell = self._cells[-1]
                cell.row, cell.column, cell.span = cell.row + 1, 0, 1
            case "tc" if self._cells:
                cell = self._cells[-1]
                cell.column += cell.span
                cell.span, cell.merged = 1, False
            case "gridSpan" | "gridBefore" | "vMerge" if self._cells:
                self._grid(name, element, self._cells[-1])
            case "blip" | "imagedata" if self._skipping == 0:  # DrawingML's, and VML's of old
                self.pictures += 1
            case "altChunk":  # ECMA-376 part 1, 17.17.2: another document that is shown in its place
                self.chunks += 1
            case "bookmarkStart" if self._skipping == 0:
                self.anchors.append(value_of(element, "name"))
            case _ if name in _PASSED_OVER:
                self._skipping += 1
            case _:
                pass

    @staticmethod
    def _grid(name: str, element: Element, cell: _Cell) -> None:
        """A cell goes over several columns, or is part of the one above."""
        if name == "gridSpan" and is_in(element, "tcPr", "tc"):
            cell.span = max(1, int(value_of(element) or 1))
        elif name == "gridBefore" and is_in(element, "trPr", "tr"):
            cell.column = int(value_of(element) or 0)
        elif name == "vMerge" and is_in(element, "tcPr", "tc"):
            cell.merged = True
            cell.covered = value_of(element) != "restart" and cell.column in cell.columns
            cell.columns.add(cell.column)

    def _end(self, name: str, element: Element) -> None:
        if name in _FRAMES:
            self._settle()
        if name == "tbl" and self._cells:
            self._cells.pop()
            forget(element)
        elif name == "tr":
            forget(element)
        elif name == "tc" and self._cells:
            cell = self._cells[-1]
            if not cell.merged:
                cell.columns.discard(cell.column)
            cell.covered = len(self._cells) > 1 and self._cells[-2].covered
        elif name in _PASSED_OVER:
            self._skipping -= 1
            if name in _DELETED and is_in(element, "rPr", "pPr"):  # a mark: the end of the paragraph is deleted
                self._joining.add(element.getparent().getparent().getparent())
            element.clear()

    def _paragraph(self, element: Element) -> None:
        if (self._cells and self._cells[-1].covered) or (not len(element) and self._carried is None):
            return
        paragraph = Paragraph(line=self._carried.line if self._carried else Line())
        self._carried = None
        self.paragraphs.read(element, paragraph)
        if element in self._joining:
            self._joining.discard(element)
            self._carried = paragraph
        else:
            self._emit(paragraph)

    def _settle(self) -> None:
        """A paragraph whose deleted end has no paragraph behind it stands for itself."""
        if self._carried is not None:
            self._emit(self._carried)
            self._carried = None

    def _emit(self, paragraph: Paragraph) -> None:
        look, line = paragraph.look, paragraph.line
        in_list = paragraph.list or look.list
        number = ""
        if in_list != NO_LIST:
            depth = paragraph.depth if paragraph.depth >= 0 else look.depth
            number = self.numbering.number(in_list, depth, look.style)
        if not line.width:
            self.made.add(line, BlockKind.PARAGRAPH)
            return
        level = paragraph.level if paragraph.level >= 0 else look.level
        cell = self._cells[-1] if self._cells else None
        kind = self._kind(paragraph, level, cell)
        if look.code and kind is not BlockKind.CODE:
            line.code = [(0, line.width)]
        elif look.typed:
            line.typed = [(0, line.width)]
        place = (cell.table, cell.row, cell.column) if cell else (0, 0, 0)
        self.made.add(line, kind, level=level if kind is BlockKind.HEADING else 0, place=place, number=number)

    def _kind(self, paragraph: Paragraph, level: int, cell: _Cell | None) -> BlockKind:
        if self.footnotes:
            return BlockKind.FOOTNOTE
        if level:
            return BlockKind.HEADING
        if cell is not None:
            return BlockKind.TABLE_CELL
        if paragraph.look.code:
            return BlockKind.CODE
        own = paragraph.list or (paragraph.look.list if not paragraph.listed else "listed")
        return BlockKind.LIST_ITEM if own != NO_LIST else BlockKind.PARAGRAPH
