"""PPTX: the shapes of each slide in their order, titles as headings, notes as footnotes.

A reader of our own over the XML (ECMA-376 part 1, chapters 19 and 21). A slide is a page.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from paperlane.formats import Tell
from paperlane.formats.gathering import Gathering, Line, is_monospaced, may_hold_remarks, remark_in
from paperlane.formats.guard import opened, part
from paperlane.formats.packages import (
    Element,
    Relation,
    child_of,
    depth_told,
    gathered,
    local,
    main_part,
    parsed,
    reference_of,
    related,
    relations,
    value_of,
)  # fmt: skip
from paperlane.model.documents import BlockKind, Parsed, Upload

_TITLES = frozenset({"title", "ctrTitle"})
_REPEATED = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})  # on every slide: they are the deck's, not its text
_BODIES = frozenset({"", "obj", "body"})  # whose paragraphs are items; "" is what a placeholder is without a type
_BULLETS = frozenset({"buChar", "buAutoNum", "buBlip"})
_SHAPES = frozenset({"sp", "grpSp", "graphicFrame", "pic", "AlternateContent", "cxnSp"})
_NOT_NODES = frozenset({"pres", "parTrans", "sibTrans"})  # of a diagram's points: 21.4.7.54
_BREAK = " "


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The slides in the order of the presentation, hidden ones too: whoever opens the file sees them."""
    with opened(file) as package, depth_told():
        name = main_part(package, "PPTX")
        slides = list(_slides(package, name))
        deck = _Deck(package)
        for number, slide in enumerate(slides, 1):
            deck.slide(slide, number)
            tell(0.9 * number / len(slides), "")
    deck.made.settle()
    return gathered(deck.made, upload, pages=len(slides), pictures=deck.pictures)


def _slides(package: zipfile.ZipFile, name: str) -> Iterator[str]:
    """The parts of the slides in the order in which they are shown."""
    referred = relations(package, name)
    for element in parsed(part(package, name)).iter("{*}sldId"):
        yield referred[reference_of(element)].target


@dataclass(slots=True)
class _Deck:
    """Takes up slide after slide."""

    package: zipfile.ZipFile
    made: Gathering = field(default_factory=Gathering)
    pictures: int = 0
    _page: int = 0
    _tables: int = 0
    _relations: Mapping[str, Relation] = field(default_factory=dict)

    def slide(self, name: str, number: int) -> None:
        """The title first, wherever it stands among the shapes; then the others, diagrams and notes."""
        self._page, self._relations = number, relations(self.package, name)
        self._comments()
        tree = _tree(parsed(part(self.package, name)))
        shapes = list(_shapes(tree))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        for shape in titles:
            self._title(shape)
        for shape in shapes:
            if shape not in titles:
                self._shape(shape)
        for diagram in related(self.package, self._relations, "diagramData"):
            self._diagram(parsed(part(self.package, diagram)))
        for notes in related(self.package, self._relations, "notesSlide"):
            self._notes(notes)

    def _comments(self) -> None:
        """Those that speak to Paperlane stand at the beginning of their slide."""
        for comments in related(self.package, self._relations, "comments"):
            content = part(self.package, comments)
            for comment in parsed(content) if may_hold_remarks(content) else ():
                words = "".join(said.text or "" for said in comment.iter("{*}text", "{*}t"))
                if remark := remark_in(words):
                    self.made.add(Line(remarks=[(0, remark)]), BlockKind.PARAGRAPH)

    def _title(self, shape: Element) -> None:
        """A title is one heading, of however many paragraphs."""
        line = Line()
        for paragraph in shape.iter("{*}p"):
            if line.width:
                line.say(_BREAK)
            self._words(paragraph, line)
        self.made.add(line, BlockKind.HEADING, level=1, page=self._page)

    def _shape(self, shape: Element) -> None:
        match local(shape.tag):
            case "sp" if (kind := _placeholder(shape)) not in _REPEATED:
                for paragraph in _paragraphs(shape):
                    self._paragraph(paragraph, listed=kind in _BODIES)
            case "graphicFrame":
                for table in shape.iter("{*}tbl"):
                    self._table(table)
            case "pic":
                self.pictures += 1
            case _:
                pass

    def _paragraph(self, paragraph: Element, *, listed: bool) -> None:
        said = {local(one.tag) for one in _children(child_of(paragraph, "pPr"))}
        listed = bool(said & _BULLETS) or (listed and "buNone" not in said)
        self._add(paragraph, BlockKind.LIST_ITEM if listed else BlockKind.PARAGRAPH)

    def _table(self, table: Element) -> None:
        self._tables += 1
        for row, cells in enumerate((one for one in table if local(one.tag) == "tr"), 1):
            for column, cell in enumerate((one for one in cells if local(one.tag) == "tc"), 1):
                if cell.get("hMerge", "0") in {"0", "false"} and cell.get("vMerge", "0") in {"0", "false"}:
                    for paragraph in cell.iter("{*}p"):
                        self._add(paragraph, BlockKind.TABLE_CELL, (self._tables, row, column))

    def _diagram(self, data: Element) -> None:
        for point in data.iter("{*}pt"):
            if point.get("type") not in _NOT_NODES:
                for paragraph in point.iter("{*}p"):
                    self._add(paragraph, BlockKind.LIST_ITEM)

    def _notes(self, name: str) -> None:
        """What is written below the slide; its picture, number and date are repeated there."""
        self._relations = relations(self.package, name)
        for shape in _shapes(_tree(parsed(part(self.package, name)))):
            if local(shape.tag) == "sp" and _placeholder(shape) not in _REPEATED:
                for paragraph in _paragraphs(shape):
                    self._add(paragraph, BlockKind.FOOTNOTE)

    def _add(self, paragraph: Element, kind: BlockKind, place: tuple[int, int, int] = (0, 0, 0)) -> None:
        line = Line()
        self._words(paragraph, line)
        self.made.add(line, kind, page=self._page, place=place)

    def _words(self, paragraph: Element, line: Line) -> None:
        for inside in paragraph.iter("{*}r", "{*}fld", "{*}br"):
            if local(inside.tag) == "br":
                line.say(_BREAK)
                continue
            begin = line.width
            for said in inside:
                if local(said.tag) == "t":
                    line.say(said.text or "")
            look = child_of(inside, "rPr")
            for said in _children(look):
                if local(said.tag) == "latin" and is_monospaced(said.get("typeface", "")):
                    line.typed.append((begin, line.width))
                elif local(said.tag) == "hlinkClick":
                    self._link(said, line, begin)

    def _link(self, element: Element, line: Line, begin: int) -> None:
        """Links to other slides are the program's to keep; those that lead outside are told."""
        relation = self._relations.get(reference_of(element))
        if relation is not None and relation.outside and relation.target:
            line.links.append((relation.target, begin, line.width))


def _tree(slide: Element) -> Iterable[Element]:
    return next(slide.iter("{*}spTree"), ())


def _shapes(around: Iterable[Element]) -> Iterator[Element]:
    """The shapes in their order, groups opened; of two forms of one shape, the first."""
    for shape in around:
        name = local(shape.tag)
        if name == "grpSp":
            yield from _shapes(shape)
        elif name == "AlternateContent":
            yield from _shapes(_children(child_of(shape, "Choice")))
        elif name in _SHAPES:
            yield shape


def _placeholder(shape: Element) -> str | None:
    """The type of place that the layout has for this shape, "" for an untold one, None for no such place."""
    properties = next((one for one in shape if local(one.tag) in {"nvSpPr", "nvGraphicFramePr", "nvPicPr"}), ())
    own = child_of(properties, "nvPr")
    place = None if own is None else child_of(own, "ph")
    return None if place is None else value_of(place, "type")


def _paragraphs(shape: Element) -> Iterator[Element]:
    body = child_of(shape, "txBody")
    for paragraph in _children(body):
        if local(paragraph.tag) == "p":
            yield paragraph


def _children(element: Element | None) -> Iterable[Element]:
    return () if element is None else element
