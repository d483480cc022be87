"""The numbers that Word shows in front of paragraphs (ECMA-376 part 1, 17.9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paperlane.formats.counting import Count, Level
from paperlane.formats.docx.styles import OFF
from paperlane.formats.packages import Element, child_of, local, value_of

_DEEPEST = 8


@dataclass(slots=True)
class _List:
    """A list that paragraphs name, or what several share: the elements of its levels, and its count.

    `begins` are the levels that begin anew when the list is first used.
    """

    elements: Mapping[int, Element] = field(default_factory=dict)
    levels: dict[int, Level] = field(default_factory=dict)
    begins: dict[int, int] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)
    count: Count = field(init=False)

    def __post_init__(self) -> None:
        self.count = Count(self.levels)

    def depth_of(self, style: str) -> int:
        """The level that belongs to a paragraph style, the first one for any other style."""
        if style not in self.styles:
            of = (depth for depth, level in self.elements.items() if _said(level, "pStyle") == style)
            self.styles[style] = next(of, 0)
        return self.styles[style]

    def next(self, depth: int) -> str:
        """Count on."""
        for level in range(depth + 1):
            if level in self.elements and level not in self.levels:
                self.levels[level] = _level(self.elements[level])
        if depth in self.begins:
            self.count.begin(depth, self.begins.pop(depth))
        return self.count.next(depth)


class Numbering:
    """Counts through the lists of a document; `root` holds their definitions, looked at when they are used."""

    def __init__(self, root: Iterable[Element] = ()) -> None:
        definitions = list(root)
        self._shared = {value_of(one, "abstractNumId"): one for one in definitions if local(one.tag) == "abstractNum"}
        self._named = {value_of(one, "numId"): one for one in definitions if local(one.tag) == "num"}
        self._counted: dict[str, _List] = {}
        self._lists: dict[str, _List] = {}

    def number(self, named: str, depth: int, style: str) -> str:
        """The number of the next paragraph in this list; its style tells a depth that is not told (-1)."""
        if named not in self._lists:
            self._lists[named] = self._list(self._named[named]) if named in self._named else _List()
        used = self._lists[named]
        return used.next(min(depth if depth >= 0 else used.depth_of(style), _DEEPEST))

    def _list(self, element: Element) -> _List:
        shared = self._definition(_said(element, "abstractNumId"))
        others: dict[int, Element] = {}
        begins: dict[int, int] = {}
        for override in element.iter("{*}lvlOverride"):
            depth = _depth(override)
            if (level := child_of(override, "lvl")) is not None:
                others[depth] = level
            if start := _said(override, "startOverride"):
                begins[depth] = int(start)
        if others:
            return _List({**shared.elements, **others}, begins=begins)
        found = _List(shared.elements, shared.levels, begins, shared.styles)
        found.count = shared.count
        return found

    def _definition(self, name: str) -> _List:
        """What lists share; one that only names a style is defined where that style is."""
        if name not in self._counted:
            element = self._shared.get(name, ())
            if link := _said(element, "numStyleLink"):
                called = (key for key, one in self._shared.items() if _said(one, "styleLink") == link)
                if (other := next(called, name)) != name:
                    return self._definition(other)
            self._counted[name] = _List({_depth(one): one for one in element if local(one.tag) == "lvl"})
        return self._counted[name]


def _depth(element: Element) -> int:
    return int(value_of(element, "ilvl") or 0)


def _said(element: Iterable[Element], name: str) -> str:
    """The value of its child of this name, "" for none."""
    child = child_of(element, name)
    return "" if child is None else value_of(child)


def _level(element: Element) -> Level:
    legal = child_of(element, "isLgl")
    return Level(
        _said(element, "lvlText"),
        _said(element, "numFmt") or "decimal",
        int(_said(element, "start") or 1),
        legal=legal is not None and value_of(legal) not in OFF,
        restarts=_said(element, "lvlRestart") != "0",
    )
