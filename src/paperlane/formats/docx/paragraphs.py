"""What the paragraphs of a Word document say (ECMA-376 part 1, 17.3 and 17.16)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from paperlane.formats.docx.styles import DEEPEST, OFF, Look, Looks
from paperlane.formats.gathering import Line, is_monospaced
from paperlane.formats.packages import Element, Relation, local, reference_of, value_of

_FACES = ("vanish", "rStyle", "rFonts")
_SAID = ("r", "t", "tab", "br", "cr", "noBreakHyphen", *_FACES[:2])
_LINKS, _FIELDS = ("hyperlink", "fldSimple"), ("fldChar", "instrText")
_MEANT = ("pStyle", "outlineLvl", "numPr", *_LINKS, *_FIELDS)
_COMMENTED = ("commentRangeStart", "commentReference")
_SIGNS = {"tab": "\t", "br": " ", "cr": " ", "noBreakHyphen": "-"}
_FIELD = re.compile(r'\s*(?:(?:REF|NOTEREF)\s+"?(?P<bookmark>[^\s"\\]+)|HYPERLINK\b(?P<rest>.*))', re.DOTALL)
_ANCHOR = re.compile(r'\\l\s+"(?P<anchor>[^"]+)"')
_ADDRESS = re.compile(r'\s*"(?P<address>[^"]+)"')
_NO_LOOK = Look()
_FONT = re.compile(rb'ascii="([^"]*)"')


def is_in(element: Element, *outwards: str) -> bool:
    """Do elements of these names stand around this one, the nearest first?"""
    for name in outwards:
        element = element.getparent()
        if element is None or local(element.tag) != name:
            return False
    return True


@dataclass(slots=True)
class _Field:
    """A field under way: what it instructs, and where its result begins, -1 before that."""

    instruction: str = ""
    begins: int = -1


@dataclass(slots=True)
class _Run:
    """Words of one look: hidden ones, code, or such in a typewriter's font."""

    shown: bool = True
    code: bool = False
    typed: bool = False

    def say(self, line: Line, words: str) -> None:
        """More words of the run."""
        if not self.shown:
            return
        begin = line.width
        line.say(words)
        if self.code:
            line.code.append((begin, line.width))
        elif self.typed:
            line.typed.append((begin, line.width))

    def sign(self, line: Line, name: str, element: Element) -> None:
        """A sign that is an element of its own; other tabs are stops of a ruler."""
        if self.shown and (name != "tab" or is_in(element, "r")):
            line.say(_SIGNS[name])


@dataclass(slots=True)
class Paragraph:
    """What a paragraph's properties make of it, and its words."""

    look: Look = _NO_LOOK
    level: int = -1
    listed: bool = False
    list: str = ""
    depth: int = -1
    line: Line = field(default_factory=Line)


class Paragraphs:
    """Reads the paragraphs of one part after another; `comments` are those to Paperlane that were not come across."""

    def __init__(self, looks: Looks, comments: dict[str, str]) -> None:
        self.looks = looks
        self.comments = comments
        self._fields: list[_Field] = []
        self._relations: Mapping[str, Relation] = {}
        self._asked: tuple[str, ...] = ()

    def begin(self, content: bytes, referred: Mapping[str, Relation]) -> None:
        """The paragraphs of this part come next; it refers to others by these ids."""
        self._relations = referred
        self._asked = tuple(f"{{*}}{name}" for name in self._worth_asking(content))
        self._fields.clear()

    def _worth_asking(self, content: bytes) -> Iterator[str]:
        """The elements of a paragraph that matter in this part."""
        yield from _SAID
        yield from _MEANT
        if self.comments:
            yield from _COMMENTED
        if any(is_monospaced(font.decode("utf-8", "replace")) for font in set(_FONT.findall(content))):
            yield "rFonts"

    def read(self, element: Element, paragraph: Paragraph) -> None:
        """Take up what the paragraph says and how it looks, element by element in their order."""
        line, run = paragraph.line, _Run()
        self._go_on()
        until: list[tuple[int, int, str | None]] = []  # where links end, counted in elements
        for at, inside in enumerate(element.iter(*self._asked)):
            while until and at >= until[-1][0]:
                _link_ends(line, *until.pop()[1:])
            name = local(inside.tag)
            if name == "t":
                run.say(line, inside.text or "")
            elif name == "r":
                run = _Run()
            elif name in _SIGNS:
                run.sign(line, name, inside)
            elif name in _FACES:
                self._face(name, inside, run)
            elif name in _LINKS:
                until.append((at + sum(1 for _ in inside.iter(*self._asked)), line.width, self._target(inside)))
            elif name in _FIELDS:
                self._field(name, inside, line)
            else:
                self._property(name, inside, paragraph)
        for _, begin, target in reversed(until):
            _link_ends(line, begin, target)
        self._break_off(line)

    def _go_on(self) -> None:
        """A field may have begun in a paragraph before."""
        for begun in self._fields:
            begun.begins = min(begun.begins, 0)

    def _break_off(self, line: Line) -> None:
        """And it may end in a later one."""
        for begun in self._fields:
            if begun.begins >= 0:
                _link_ends(line, begun.begins, _target_of(begun.instruction))

    def _face(self, name: str, inside: Element, run: _Run) -> None:
        """What a run's properties make of it; those of a paragraph's mark are none of a run."""
        if not is_in(inside, "rPr", "r"):
            return
        match name:
            case "vanish":
                run.shown = run.shown and value_of(inside) in OFF
            case "rFonts":
                run.typed = run.typed or is_monospaced(value_of(inside, "ascii"))
            case _:
                face = self.looks.run(value_of(inside))
                run.code, run.typed, run.shown = face.code, run.typed or face.typed, run.shown and not face.hidden

    def _property(self, name: str, inside: Element, paragraph: Paragraph) -> None:
        match name:
            case "pStyle":
                paragraph.look = self.looks.paragraph(value_of(inside))
            case "outlineLvl":
                own = int(value_of(inside) or DEEPEST)
                paragraph.level = own + 1 if own < DEEPEST else 0
            case "numPr":
                paragraph.listed = True
                for said in inside:
                    if local(said.tag) == "numId":
                        paragraph.list = value_of(said)
                    elif local(said.tag) == "ilvl":
                        paragraph.depth = int(value_of(said) or -1)
            case _:  # a comment begins, or is mentioned: whichever comes first
                if words := self.comments.pop(value_of(inside, "id"), ""):
                    paragraph.line.remarks.append((paragraph.line.width, words))

    def _field(self, name: str, inside: Element, line: Line) -> None:
        """A field's result is text, and a link where it repeats what stands elsewhere."""
        if name == "instrText":
            if self._fields:
                self._fields[-1].instruction += inside.text or ""
            return
        match value_of(inside, "fldCharType"):
            case "begin":
                self._fields.append(_Field())
            case "separate" if self._fields:
                self._fields[-1].begins = line.width
            case "end" if self._fields:
                ended = self._fields.pop()
                if ended.begins >= 0:
                    _link_ends(line, ended.begins, _target_of(ended.instruction))
            case _:
                pass

    def _target(self, element: Element) -> str | None:
        """What an element leads to, "" where its author named nothing; None where it is no link."""
        if local(element.tag) == "fldSimple":
            return _target_of(value_of(element, "instr"))
        if anchor := value_of(element, "anchor"):
            return f"#{anchor}"
        relation = self._relations.get(reference_of(element))
        return relation.target if relation is not None and relation.outside else None


def _link_ends(line: Line, begin: int, target: str | None) -> None:
    if target is not None:
        line.links.append((target, begin, line.width))


def _target_of(instruction: str) -> str | None:
    """What a field leads to: a bookmark for REF and for HYPERLINK with one, else an address."""
    found = _FIELD.match(instruction)
    if found is None:
        return None
    if found["bookmark"]:
        return f"#{found['bookmark']}"
    if (anchor := _ANCHOR.search(found["rest"])) is not None:
        return f"#{anchor['anchor']}"
    address = _ADDRESS.match(found["rest"])
    return address["address"] if address is not None else None
