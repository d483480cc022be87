"""ODT: paragraphs in reading order, headings by their outline level or style, tables by their cells.

A reader of our own over the XML (OpenDocument 1.3 part 3), like the one for DOCX.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from paperlane.formats import Tell
from paperlane.formats.counting import Count, Level
from paperlane.formats.gathering import Gathering, Line, is_code_style, is_monospaced, remark_in
from paperlane.formats.guard import opened, part, password_required
from paperlane.formats.packages import (
    Element,
    declared,
    depth_told,
    forget,
    gathered,
    kind_of,
    local,
    no_document,
    parsed,
    passed,
    require,
    value_of,
)  # fmt: skip
from paperlane.model.documents import BlockKind, Parsed, Upload

_CONTENT, _STYLES, _MANIFEST = "content.xml", "styles.xml", "META-INF/manifest.xml"
_TEXT = "application/vnd.oasis.opendocument.text"
_ENCRYPTED = "encrypted-package"  # OpenDocument 1.3 part 2, 3.4.2: the whole package is encrypted
_PARAGRAPHS = frozenset({"p", "h"})
_FRAMES = (
    "tracked-changes", "annotation", "note", "section", "table", "table-row", "table-cell", "covered-table-cell",
    "list", "text-box", "style", "image", "deletion",
)  # fmt: skip
_UNSAID = frozenset({  # of a paragraph's elements
    "annotation", "note", "number", "ruby-text", "frame", "custom-shape", "g", "line", "rect", "hidden-text", "object",
})  # fmt: skip
_ANCHORS = frozenset({"bookmark", "bookmark-start", "reference-mark", "reference-mark-start"})
_REFERENCES = frozenset({"bookmark-ref", "reference-ref"})
_OWN_LINKS = ("|outline", "|table", "|frame", "|graphic", "|region", "|ole", "|text")  # LibreOffice finds these itself
_HEADING = "Heading_20_"
_DEEPEST = 9
_LONGEST_CHAIN = 20
_MOST_BLANKS = 1_000
_MOST_COLUMNS = 16_384
_FORGOTTEN = 200  # paragraphs
_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman", "": "none"}
_SAID = {"tab": "\t", "line-break": " "}


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The paragraphs, one a line; footnotes and endnotes behind them."""
    with opened(file) as package, depth_told():
        walk = _walked(package, tell)
    return gathered(walk.made, upload, anchors=walk.anchors, pictures=walk.pictures)


def _walked(package: zipfile.ZipFile, tell: Tell) -> "_Walk":
    there = package.NameToInfo
    if not declared(package).startswith(_TEXT):
        require("ODT", kind_of(package))
    if _ENCRYPTED in there or (_MANIFEST in there and _is_locked(part(package, _MANIFEST))):
        raise password_required()
    if _CONTENT not in there:
        raise no_document("ODT")
    styles = _Styles()
    outline: Mapping[int, Level] = {}
    if _STYLES in there:
        root = parsed(part(package, _STYLES))
        for style in root.iter("{*}style"):
            styles.take(style)
        outline = _outline(root.iter("{*}outline-level-style"))
    walk = _Walk(styles, Count(outline), tell)
    walk.read(part(package, _CONTENT))
    return walk


def _is_locked(manifest: bytes) -> bool:
    return any(True for _ in parsed(manifest).iter("{*}encryption-data"))


def _outline(levels: Iterable[Element]) -> Mapping[int, Level]:
    """How headings are numbered: section 16.34."""
    found: dict[int, Level] = {}
    for element in levels:
        level = int(value_of(element, "level") or 1)
        shown = min(int(value_of(element, "display-levels") or 1), level)
        places = ".".join(f"%{at}" for at in range(level - shown + 1, level + 1))
        form = value_of(element, "num-format")
        text = f"{value_of(element, 'num-prefix')}{places}{value_of(element, 'num-suffix')}"
        found[level - 1] = Level(text, _FORMATS.get(form, _chinese(form)), int(value_of(element, "start-value") or 1))
    return found


def _chinese(form: str) -> str:
    """LibreOffice names other numerals by their first ones: 一, 二, 三, ..."""
    return "chineseCounting" if form.startswith("一") else "decimal"


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    parent: str
    outline: int
    font: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class _Look:
    """What a style makes of its text: headings of a level, code, text in a typewriter's font, hidden text."""

    level: int = 0
    code: bool = False
    typed: bool = False
    hidden: bool = False


class _Styles:
    """The styles of paragraphs, text and sections by their names; each is looked at when it is first used."""

    def __init__(self) -> None:
        self._styles: dict[str, _Style] = {}
        self._looks: dict[str, _Look] = {}

    def take(self, element: Element) -> None:
        """Know one more."""
        font, hidden = "", False
        for inside in element:
            if local(inside.tag) == "text-properties":
                font = value_of(inside, "font-name") or value_of(inside, "font-family")
                hidden = hidden or value_of(inside, "display") == "none"
            elif local(inside.tag) == "section-properties":
                hidden = hidden or value_of(inside, "display") == "none"
        name = value_of(element, "name")
        outline = int(value_of(element, "default-outline-level") or 0)
        self._styles[name] = _Style(name, value_of(element, "parent-style-name"), outline, font.strip("' "), hidden)

    def look(self, name: str) -> _Look:
        """A style's own properties, else those of the style that it is based on."""
        if name not in self._looks:
            self._looks[name] = self._looked(name)
        return self._looks[name]

    def _looked(self, name: str) -> _Look:
        chain: list[_Style] = []
        for _ in range(_LONGEST_CHAIN):
            if (found := self._styles.get(name)) is None:
                break
            chain.append(found)
            name = found.parent
        names = [*(one.name for one in chain), name]  # the last one is nowhere defined, or nothing
        return _Look(
            min(next(filter(None, (*map(_level, chain), _level_of(name))), 0), _DEEPEST),
            any(is_code_style(one.replace("_20_", " ")) for one in names),
            next((is_monospaced(one.font) for one in chain if one.font), False),
            any(one.hidden for one in chain),
        )


def _level(style: _Style) -> int:
    return style.outline or _level_of(style.name)


def _level_of(name: str) -> int:
    """Of a style that is called a heading's, 0 for any other."""
    number = name.removeprefix(_HEADING)
    return int(number) if number != name and number.isdecimal() else 0


@dataclass(slots=True)
class _Cell:
    table: int
    row: int = 0
    column: int = 0
    width: int = 1


@dataclass(slots=True)
class _Walk:
    """Goes over the XML as it is parsed, and forgets what it has passed."""

    styles: _Styles
    count: Count
    tell: Tell
    made: Gathering = field(default_factory=Gathering)
    anchors: list[str] = field(default_factory=list)
    pictures: int = 0
    _notes: list[Line] = field(default_factory=list)
    _cells: list[_Cell] = field(default_factory=list)
    _tables: int = 0
    _lists: int = 0
    _skipping: int = 0
    _in_note: int = 0
    _passed: int = 0

    def read(self, content: bytes) -> None:
        """Read all paragraphs, and the notes behind them."""
        for event, element in passed(content, (*_PARAGRAPHS, *_FRAMES)):
            name = local(element.tag)
            if name in _PARAGRAPHS:
                if event == "end":
                    self._paragraph(name, element)
            elif event == "start":
                self._start(name, element)
            else:
                self._end(name, element)
        for note in self._notes:
            self.made.add(note, BlockKind.FOOTNOTE)
        self.made.settle()

    def _start(self, name: str, element: Element) -> None:
        match name:
            case "tracked-changes" | "annotation" | "deletion":
                self._skipping += 1
            case "section" if self._is_hidden(element):
                self._skipping += 1
            case "note":
                self._in_note += 1
            case "table":
                self._tables += 1
                self._cells.append(_Cell(self._tables))
            case "table-row" if self._cells:
                cell = self._cells[-1]
                cell.row, cell.column, cell.width = cell.row + 1, 0, 1
            case "table-cell" | "covered-table-cell" if self._cells:
                cell = self._cells[-1]
                cell.column = min(cell.column + cell.width, _MOST_COLUMNS)
                cell.width = int(value_of(element, "number-columns-repeated") or 1)
                self._skipping += name == "covered-table-cell"
            case "list":
                self._lists += 1
            case "image" if not self._skipping:
                self.pictures += 1
            case _:
                pass

    def _is_hidden(self, section: Element) -> bool:
        return value_of(section, "display") == "none" or self.styles.look(value_of(section, "style-name")).hidden

    def _end(self, name: str, element: Element) -> None:
        match name:
            case "annotation":  # what it says is read where its paragraph is
                self._skipping -= 1
            case "tracked-changes" | "deletion":
                self._skipping -= 1
                element.clear()
            case "section" if self._is_hidden(element):
                self._skipping -= 1
            case "note":
                self._in_note -= 1
            case "table" if self._cells:
                self._cells.pop()
            case "table-row" if self._cells:
                self._cells[-1].row += max(0, int(value_of(element, "number-rows-repeated") or 1) - 1)
                element.clear()
            case "covered-table-cell" if self._cells:
                self._skipping -= 1
            case "list":
                self._lists -= 1
            case "style":
                self.styles.take(element)
                element.clear()
            case _:
                pass

    def _paragraph(self, name: str, element: Element) -> None:
        if self._skipping:
            return
        look = self.styles.look(value_of(element, "style-name"))
        line = Line()
        if not look.hidden:
            self._words(element, line, look)
        if self._in_note:
            self._notes.append(line)
        else:
            level = min(int(value_of(element, "outline-level") or 1), _DEEPEST) if name == "h" else look.level
            cell = self._cells[-1] if self._cells else None
            kind = self._kind(level, look, cell)
            number = self._number(element, level) if kind is BlockKind.HEADING else ""
            place = (cell.table, cell.row, cell.column) if cell else (0, 0, 0)
            self.made.add(line, kind, level=level if kind is BlockKind.HEADING else 0, place=place, number=number)
        element.clear()
        self._passed += 1
        if self._passed % _FORGOTTEN == 0:
            forget(element)
            self.tell(min(0.9, self._passed / 5_000), "")

    def _kind(self, level: int, look: _Look, cell: _Cell | None) -> BlockKind:
        if level:
            return BlockKind.HEADING
        if cell is not None:
            return BlockKind.TABLE_CELL
        if look.code:
            return BlockKind.CODE
        return BlockKind.LIST_ITEM if self._lists else BlockKind.PARAGRAPH

    def _number(self, element: Element, level: int) -> str:
        """What stands in front of a heading: as the file says it, else counted."""
        said = next((inside.text for inside in element if local(inside.tag) == "number"), "")
        if value_of(element, "is-list-header") == "true":
            return ""
        if start := value_of(element, "start-value"):
            self.count.begin(level - 1, int(start))
        counted = self.count.next(level - 1)
        return (said or counted).strip()

    def _words(self, element: Element, line: Line, look: _Look) -> None:
        """What the elements of a paragraph say, one in another."""
        _say(line, element.text, look)
        for inside in element:
            name = local(inside.tag)
            if name == "s":
                line.say(" " * min(int(value_of(inside, "c") or 1), _MOST_BLANKS))
            elif name in _SAID:
                line.say(_SAID[name])
            elif name in _ANCHORS:
                self.anchors.append(value_of(inside, "name"))
            elif name == "annotation":
                self._remark(inside, line)
            elif name == "span":
                own = self.styles.look(value_of(inside, "style-name"))
                if not own.hidden:
                    self._words(inside, line, replace(own, code=own.code or look.code, typed=own.typed or look.typed))
            elif name == "a" or name in _REFERENCES:
                begin = line.width
                self._words(inside, line, look)
                if target := _target(name, inside):
                    line.links.append((target, begin, line.width))
            elif name and name not in _UNSAID:
                self._words(inside, line, look)
            _say(line, inside.tail, look)

    @staticmethod
    def _remark(element: Element, line: Line) -> None:
        words = " ".join("".join(paragraph.itertext()) for paragraph in element if local(paragraph.tag) in _PARAGRAPHS)
        if said := remark_in(words):
            line.remarks.append((line.width, said))


def _say(line: Line, words: str | None, look: _Look) -> None:
    if words:
        begin = line.width
        line.say(words)
        if look.code:
            line.code.append((begin, line.width))
        elif look.typed:
            line.typed.append((begin, line.width))


def _target(name: str, element: Element) -> str:
    """What a link or a reference leads to, "" for a heading or a table that LibreOffice finds by its words."""
    if name in _REFERENCES:
        return f"#{value_of(element, 'ref-name')}"
    target = value_of(element, "href")
    return "" if target.endswith(_OWN_LINKS) else target
