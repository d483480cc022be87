"""What the styles of a Word document make of its paragraphs and runs (ECMA-376 part 1, 17.7)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from paperlane.formats.gathering import is_code_style, is_monospaced
from paperlane.formats.packages import Element, local, value_of

_HEADING_NAME = re.compile(r"(?:heading|hdr|head|header|标题|標題)[ _-]*(\d+(?:\.\d+)*)", re.IGNORECASE)
_NO_HEADING = re.compile(
    r"(?:toc|contents|index|目录|目錄)(?: *\d+| *heading| *标题)?|table of contents|header|footer", re.IGNORECASE
)
NO_LIST = "0"
"""The numId that takes a paragraph out of its style's list."""
DEEPEST = 9
_LONGEST_CHAIN = 20


@dataclass(frozen=True, slots=True)
class Look:
    """What a paragraph style makes of its paragraphs.

    Headings of a level, items of a list and its `depth` (-1: the list says), code, text in a typewriter's font.
    """

    style: str = ""
    level: int = 0
    list: str = NO_LIST
    depth: int = -1
    code: bool = False
    typed: bool = False


@dataclass(slots=True)
class _Style:
    kind: str
    standard: bool
    name: str = ""
    based_on: str = ""
    outline: int = -1
    list: str = ""
    depth: int = -1
    font: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Face:
    """What a character style makes of its runs: code, text in a typewriter's font, hidden text."""

    code: bool = False
    typed: bool = False
    hidden: bool = False


class Looks:
    """The styles by their ids; each is looked at when it is first used."""

    def __init__(self, styles: Iterable[Element] = ()) -> None:
        self._elements = {value_of(one, "styleId"): one for one in styles if local(one.tag) == "style"}
        self._styles: dict[str, _Style] = {}
        self._looks: dict[str, Look] = {}
        self._faces: dict[str, Face] = {}

    def paragraph(self, name: str) -> Look:
        """By its own outline level or list, an inherited one; a heading also by its name."""
        if (look := self._looks.get(name)) is None:
            look = self._looks[name] = _look(name, [one for one in self._chain(name) if one.kind == "paragraph"])
        return look

    def run(self, name: str) -> Face:
        """By its name, its font, or those of the styles that it is based on."""
        if (face := self._faces.get(name)) is None:
            chain = [one for one in self._chain(name) if one.kind == "character"]
            face = self._faces[name] = Face(_is_code(chain), _is_typed(chain), any(one.hidden for one in chain))
        return face

    def _chain(self, name: str) -> Iterator[_Style]:
        """A style and those that it is based on."""
        for _ in range(_LONGEST_CHAIN):  # a chain may be a ring in a broken file
            if name not in self._elements:
                return
            if name not in self._styles:
                self._styles[name] = _style(self._elements[name])
            yield self._styles[name]
            name = self._styles[name].based_on


def _style(element: Element) -> _Style:
    style = _Style(value_of(element, "type") or "paragraph", value_of(element, "default") in {"1", "true"})
    for inside in element.iter(
        "{*}name", "{*}basedOn", "{*}outlineLvl", "{*}numId", "{*}ilvl", "{*}rFonts", "{*}vanish"
    ):
        value = value_of(inside)
        match local(inside.tag):
            case "name":
                style.name = value
            case "basedOn":
                style.based_on = value
            case "outlineLvl":
                style.outline = int(value or -1)
            case "numId":
                style.list = value
            case "ilvl":
                style.depth = int(value or -1)
            case "rFonts":
                style.font = value_of(inside, "ascii")
            case _:
                style.hidden = value not in OFF
    return style


OFF = frozenset({"0", "false", "off"})
"""ECMA-376 part 1, 22.9.2.7 and, for "off", its transitional form."""


def _look(name: str, chain: Sequence[_Style]) -> Look:
    return Look(
        name,
        _level(chain),
        next((found.list for found in chain if found.list), NO_LIST),
        next((found.depth for found in chain if found.depth >= 0), -1),
        _is_code(chain),
        _is_typed(chain),
    )


def _is_code(chain: Iterable[_Style]) -> bool:
    return any(is_code_style(found.name) for found in chain)


def _is_typed(chain: Iterable[_Style]) -> bool:
    """Is its font a typewriter's, where the document's own is not?"""
    return next((is_monospaced(found.font) for found in chain if found.font and not found.standard), False)


def _level(chain: Iterable[_Style]) -> int:
    for found in chain:
        if _NO_HEADING.fullmatch(found.name) or found.outline == DEEPEST:
            return 0
        if 0 <= found.outline < DEEPEST:
            return found.outline + 1
        if (named := _HEADING_NAME.fullmatch(found.name)) is not None:
            return _level_of_number(named[1])
    return 0


def _level_of_number(number: str) -> int:
    """The level that a style's number means: of "2" it is 2, of "1.0" 1, of "1.1" 2, of "1.1.1" 3."""
    parts = number.split(".")
    if len(parts) == 1:
        return min(int(parts[0]), DEEPEST)
    return len(parts) - (parts[-1] == "0")
