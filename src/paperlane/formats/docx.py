"""DOCX: paragraphs in reading order, headings by their styles, tables by their cells.

A reader of our own over the XML (ECMA-376 part 1, chapter 17): other readers miss headings of custom styles. Names are
matched without their namespace, so that the transitional and the strict form are read alike.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  a compiled module

from paperlane.errors import DocumentError
from paperlane.formats import Tell
from paperlane.formats.guard import opened, part
from paperlane.model.documents import Block, BlockKind, Notice, Parsed, Upload

Element = Any  # lxml ships no types

_DOCUMENT = "word/document.xml"
_SKIPPED = frozenset({
    "del", "moveFrom", "Fallback", "instrText", "delText", "sdtPr", "tblPr", "trPr", "tcPr",
    "pPrChange", "rPrChange", "sectPrChange", "tblPrChange", "tblPrExChange", "trPrChange", "tcPrChange",
    "numberingChange",
})  # fmt: skip
_HEADING_NAME = re.compile(r"(?:heading|hdr|head|header|标题|標題)[ _-]*(\d+(?:\.\d+)*)", re.IGNORECASE)
_NO_HEADING = re.compile(
    r"(?:toc|contents|index|目录|目錄)(?: *\d+| *heading| *标题)?|table of contents|header|footer", re.IGNORECASE
)
_FRAMES = frozenset({"tc", "tbl", "txbxContent", "footnote", "endnote"})  # no paragraph goes on behind their ends
_OFF = frozenset({"0", "false", "off"})  # ECMA-376 part 1, 22.9.2.7 and, for "off", its transitional form
_NO_LIST = "0"  # the numId that takes a paragraph out of its style's list
_DEEPEST = 9
_LONGEST_CHAIN = 20
_LOW_TEXT = 40  # letters for each picture, the fewest of a document that is no scan
_TOO_DEEP = "Excessive depth"  # how libxml2 tells of more than 256 elements in one another


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The paragraphs, one a line."""
    try:
        with opened(file) as package:
            walk = _walked(package, tell)
    except etree.XMLSyntaxError as error:
        if _TOO_DEEP in str(error):
            raise RecursionError from error
        raise
    pictures = walk.pictures if sum(map(len, "".join(walk.parts).split())) < _LOW_TEXT * walk.pictures else 0
    return Parsed(
        upload.name, upload.media_type, "".join(walk.parts), tuple(walk.blocks),
        notices=tuple(_notices(pictures, walk.chunks)), unread=pictures + walk.chunks,
    )  # fmt: skip


def _walked(package: zipfile.ZipFile, tell: Tell) -> "_Walk":
    name = _main_part(package)
    walk = _Walk(_styles(package, name))
    content = part(package, name)
    for number, _ in enumerate(walk.read(content)):
        if number % 500 == 0:
            tell(min(0.9, number / 5_000), "")
    walk.footnotes = True
    for notes in ("footnotes", "endnotes"):
        beside = f"{name.rpartition('/')[0]}/{notes}.xml"
        for _ in walk.read(part(package, beside)) if beside in package.namelist() else ():
            pass
    return walk


def _notices(pictures: int, chunks: int) -> Iterator[Notice]:
    """Tells of pictures where hardly any text stands beside them, and of documents inside the document."""
    if pictures:
        message = f"There is hardly any text beside {pictures} pictures; they need text recognition (OCR) first."
        yield Notice("pictures_unread", message, {"count": str(pictures)})
    if chunks:
        message = f"The document holds other documents ({chunks}), which were not read."
        yield Notice("parts_unread", message, {"count": str(chunks)})


def _main_part(package: zipfile.ZipFile) -> str:
    """Where the document stands; the package's relations may say otherwise than everybody does."""
    names = set(package.namelist())
    if "_rels/.rels" in names:
        for relation in _parse(part(package, "_rels/.rels")):
            if relation.get("Type", "").endswith("/officeDocument"):
                target = relation.get("Target", "").lstrip("/")
                if target in names:
                    return target
    if _DOCUMENT in names:
        return _DOCUMENT
    raise DocumentError(
        "The file holds no Word document.", code="damaged_file", hint="Check that the right file was chosen."
    )


def _parse(content: bytes) -> Element:
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))


def _local(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _value(element: Element, name: str = "val") -> str:
    return next((value for key, value in element.items() if key.rpartition("}")[2] == name), "")


@dataclass(slots=True)
class _Style:
    name: str = ""
    based_on: str = ""
    outline: int = -1
    list: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a paragraph style makes of its paragraphs: headings of a level, items of a list, or neither."""

    level: int = 0
    listed: bool = False


def _styles(package: zipfile.ZipFile, main: str) -> Mapping[str, _Look]:
    """Each paragraph style's look: by its own outline level or list, an inherited one, a heading also by its name."""
    styles: dict[str, _Style] = {}
    name = main.rpartition("/")[0] + "/styles.xml"
    if name not in package.namelist():
        return {}
    for element in _parse(part(package, name)):
        if _local(element) == "style" and _value(element, "type") in {"paragraph", ""}:
            styles[_value(element, "styleId")] = _style(element)
    return {style: _Look(_level(style, styles), _is_listed(style, styles)) for style in styles}


def _style(element: Element) -> _Style:
    style = _Style()
    for inside in element.iter():
        match _local(inside):
            case "name":
                style.name = _value(inside)
            case "basedOn":
                style.based_on = _value(inside)
            case "outlineLvl":
                style.outline = int(_value(inside) or -1)
            case "numId":
                style.list = _value(inside)
            case _:
                pass
    return style


def _chain(style: str, styles: Mapping[str, _Style]) -> Iterator[_Style]:
    """A style and those that it is based on."""
    for _ in range(_LONGEST_CHAIN):  # a chain may be a ring in a broken file
        if (found := styles.get(style)) is None:
            return
        yield found
        style = found.based_on


def _level(style: str, styles: Mapping[str, _Style]) -> int:
    for found in _chain(style, styles):
        if _NO_HEADING.fullmatch(found.name) or found.outline == _DEEPEST:
            return 0
        if 0 <= found.outline < _DEEPEST:
            return found.outline + 1
        if (named := _HEADING_NAME.fullmatch(found.name)) is not None:
            return _level_of_number(named[1])
    return 0


def _is_listed(style: str, styles: Mapping[str, _Style]) -> bool:
    return next((found.list for found in _chain(style, styles) if found.list), _NO_LIST) != _NO_LIST


def _level_of_number(number: str) -> int:
    """The level that a style's number means: of "2" it is 2, of "1.0" 1, of "1.1" 2, of "1.1.1" 3."""
    parts = number.split(".")
    if len(parts) == 1:
        return min(int(parts[0]), _DEEPEST)
    return len(parts) - (parts[-1] == "0")


def _is_in(element: Element, *outwards: str) -> bool:
    """Do elements of these names stand around this one, the nearest first?"""
    for name in outwards:
        element = element.getparent()
        if element is None or _local(element) != name:
            return False
    return True


def _said(name: str, element: Element) -> Iterator[str]:
    """What an element of a run says."""
    match name:
        case "t":
            yield element.text or ""
        case "tab" if _is_in(element, "r"):  # others are stops of a ruler
            yield "\t"
        case "br" | "cr":
            yield " "
        case "noBreakHyphen":
            yield "-"
        case _:
            pass


@dataclass(slots=True)
class _Paragraph:
    """A paragraph under way: `hidden` while a hidden run is read, `joins` when its end is deleted."""

    parts: list[str] = field(default_factory=list)
    level: int = 0
    listed: bool = False
    hidden: bool = False
    joins: bool = False


@dataclass(slots=True)
class _Cell:
    table: int
    row: int = 0
    column: int = 0


@dataclass(slots=True)
class _Walk:
    """Goes over the XML as it is parsed, and forgets what it has passed."""

    looks: Mapping[str, _Look]
    parts: list[str] = field(default_factory=list)
    length: int = 0
    blocks: list[Block] = field(default_factory=list)
    footnotes: bool = False
    tables: int = 0
    cells: list[_Cell] = field(default_factory=list)
    open: list[_Paragraph] = field(default_factory=list)
    skipping: int = 0
    pictures: int = 0
    chunks: int = 0
    carried: _Paragraph | None = None

    def read(self, content: bytes) -> Iterator[None]:
        """Read all paragraphs, yielding after each."""
        events = etree.iterparse(
            BytesIO(content), events=("start", "end"), resolve_entities=False, no_network=True, huge_tree=False
        )
        for event, element in events:
            name = _local(element)
            if name in _SKIPPED and not self._is_tracked_mark(element, name):
                self.skipping += 1 if event == "start" else -1
            elif self.skipping == 0:
                if event == "start":
                    self._start(name)
                else:
                    yield from self._end(name, element)
        self._settle()

    @staticmethod
    def _is_tracked_mark(element: Element, name: str) -> bool:
        """The mark of a deleted or moved end of paragraph stands inside properties and takes no text with it."""
        return name in {"del", "moveFrom"} and _is_in(element, "rPr", "pPr")

    def _start(self, name: str) -> None:
        match name:
            case "p":
                self.open.append(_Paragraph(self.carried.parts if self.carried else []))
                self.carried = None
            case "r" if self.open:
                self.open[-1].hidden = False
            case "numPr" if self.open:
                self.open[-1].listed = True
            case "tbl":
                self._settle()
                self.tables += 1
                self.cells.append(_Cell(self.tables))
            case "tr" if self.cells:
                self.cells[-1].row += 1
                self.cells[-1].column = 0
            case "tc" if self.cells:
                self.cells[-1].column += 1
            case "blip" | "imagedata":  # DrawingML's, and VML's of old
                self.pictures += 1
            case "altChunk":  # ECMA-376 part 1, 17.17.2: another document that is shown in its place
                self.chunks += 1
            case _:
                pass

    def _end(self, name: str, element: Element) -> Iterator[None]:
        if name in _FRAMES:
            self._settle()
        if name == "tbl":
            self.cells.pop()
        if not self.open:
            return
        paragraph = self.open[-1]
        if name == "p":
            self.open.pop()
            if paragraph.joins:
                self.carried = paragraph
            else:
                self._emit(paragraph)
            element.clear()
            yield None
        elif not paragraph.hidden:
            paragraph.parts += _said(name, element)
            self._property(paragraph, name, element)

    def _property(self, paragraph: _Paragraph, name: str, element: Element) -> None:
        match name:
            case "pStyle":
                look = self.looks.get(_value(element), _Look())
                paragraph.level, paragraph.listed = look.level, look.listed
            case "outlineLvl":
                own = int(_value(element) or _DEEPEST)
                paragraph.level = own + 1 if own < _DEEPEST else 0
            case "numId":
                paragraph.listed = _value(element) != _NO_LIST
            case "vanish":
                paragraph.hidden = _is_in(element, "rPr", "r") and _value(element) not in _OFF
            case "del" | "moveFrom":
                paragraph.joins = True
            case _:
                pass

    def _settle(self) -> None:
        """A paragraph whose deleted end has no paragraph behind it stands for itself."""
        if self.carried is not None:
            self._emit(self.carried)
            self.carried = None

    def _emit(self, paragraph: _Paragraph) -> None:
        content = "".join(paragraph.parts)
        words = content.strip()
        if not words:
            return
        lead = len(content) - len(content.lstrip())
        start = self.length + lead
        self.parts.append(content + "\n")
        self.length += len(content) + 1
        cell = self.cells[-1] if self.cells else None
        table, row, column = (cell.table, cell.row, cell.column) if cell else (0, 0, 0)
        kind = self._kind(paragraph, cell)
        level = paragraph.level if kind is BlockKind.HEADING else 0
        self.blocks.append(Block(kind, start, start + len(words), level, table=table, row=row, column=column))

    def _kind(self, paragraph: _Paragraph, cell: _Cell | None) -> BlockKind:
        if self.footnotes:
            return BlockKind.FOOTNOTE
        if paragraph.level:
            return BlockKind.HEADING
        if cell is not None:
            return BlockKind.TABLE_CELL
        return BlockKind.LIST_ITEM if paragraph.listed else BlockKind.PARAGRAPH
