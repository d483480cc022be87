"""The numbers that Word shows in front of paragraphs (ECMA-376 part 1, 17.9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from paperlane.formats.counting import Count, Level
from paperlane.formats.docx.styles import OFF
from paperlane.formats.packages import Element, child_of, local, value_of

_DEEPEST = 8


@dataclass(slots=True)
class _List:
    """A definition that several lists share: their levels, and the level of each paragraph style."""

    levels: dict[int, Level] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)
    called: str = ""
    same_as: str = ""


@dataclass(slots=True)
class _Use:
    """A list that paragraphs name: what it counts with, and where levels begin anew when it is first used."""

    count: Count
    styles: Mapping[str, int]
    begins: dict[int, int]


class Numbering:
    """Counts through the lists of a document; `root` holds their definitions, which are looked at when they are used."""

    def __init__(self, root: Iterable[Element] = ()) -> None:
        definitions = list(root)
        self._shared = {value_of(one, "abstractNumId"): one for one in definitions if local(one.tag) == "abstractNum"}
        self._named = {value_of(one, "numId"): one for one in definitions if local(one.tag) == "num"}
        self._lists: dict[str, tuple[_List, Count]] = {}
        self._uses: dict[str, _Use] = {}

    def _use(self, named: str) -> _Use:
        element = self._named.get(named)
        of = None if element is None else child_of(element, "abstractNumId")
        found, count = self._list("" if of is None else value_of(of))
        if found.same_as:
            found, count = self._called(found.same_as)
        others: dict[int, Level] = {}
        begins: dict[int, int] = {}
        for override in () if element is None else element.iter("{*}lvlOverride"):
            depth = _depth(override)
            if (level := child_of(override, "lvl")) is not None:
                others[depth] = _level(level)
            if (start := child_of(override, "startOverride")) is not None:
                begins[depth] = int(value_of(start) or 1)
        return _Use(Count({**found.levels, **others}) if others else count, found.styles, begins)

    def _list(self, shared: str) -> tuple[_List, Count]:
        if shared not in self._lists:
            found = _list(self._shared.get(shared, ()))
            self._lists[shared] = found, Count(found.levels)
        return self._lists[shared]

    def _called(self, name: str) -> tuple[_List, Count]:
        """The list that is called by the name of its style; it is no other one's copy."""
        return next((one for one in map(self._list, self._shared) if one[0].called == name), (_List(), Count({})))

    def number(self, numbered_by: str, depth: int, style: str) -> str:
        """The number of the next paragraph in this list; its style tells a depth that is not told (-1)."""
        if numbered_by not in self._uses:
            self._uses[numbered_by] = self._use(numbered_by)
        use = self._uses[numbered_by]
        level = min(depth if depth >= 0 else use.styles.get(style, 0), _DEEPEST)
        if level in use.begins:
            use.count.begin(level, use.begins.pop(level))
        return use.count.next(level)


def _list(element: Iterable[Element]) -> _List:
    found = _List()
    for inside in element:
        match local(inside.tag):
            case "lvl":
                depth = _depth(inside)
                found.levels[depth] = _level(inside)
                if (style := child_of(inside, "pStyle")) is not None:
                    found.styles[value_of(style)] = depth
            case "styleLink":
                found.called = value_of(inside)
            case "numStyleLink":
                found.same_as = value_of(inside)
            case _:
                pass
    return found


def _depth(element: Element) -> int:
    return int(value_of(element, "ilvl") or 0)


def _level(element: Element) -> Level:
    said = {local(inside.tag): value_of(inside) for inside in element}
    return Level(
        said.get("lvlText", ""),
        said.get("numFmt", "decimal"),
        int(said.get("start") or 1),
        legal=said.get("isLgl", "0") not in OFF,
        restarts=said.get("lvlRestart") != "0",
    )
