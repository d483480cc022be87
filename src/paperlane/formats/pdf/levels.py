"""The levels of headings, by how they are numbered, how large their letters are, and what stands above what."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from paperlane.formats.pdf.numbering import FORMS

_DEEPEST = 9
_ALIKE = 0.4  # points


class Seen(NamedTuple):
    """A heading's number, its form "" for none and `depth` 2 for "1.1", the size of its letters and their weight."""

    form: str
    depth: int
    size: float
    bold: bool


def levels_of(headings: Sequence[Seen]) -> Sequence[int]:
    """The level of each heading, 1..9, at most one deeper than that of the one before it."""
    ranks = _ranks(headings)
    above: list[tuple[float, ...]] = []
    levels: list[int] = []
    for heading in headings:
        rank = ranks[_group(heading)]
        while above and above[-1] >= rank:
            above.pop()
        above.append(rank)
        levels.append(min(len(above), _DEEPEST))
    return levels


_Group = tuple[str, int, float, bool]


def _group(heading: Seen) -> _Group:
    """Headings that are numbered alike are of one level, and others that look alike."""
    if heading.form:
        return heading.form, heading.depth, 0.0, False
    return "", 0, heading.size, heading.bold


def _ranks(headings: Sequence[Seen]) -> dict[_Group, tuple[float, ...]]:
    """A rank for each group, the smaller one being the outer level."""
    members: defaultdict[_Group, list[Seen]] = defaultdict(list)
    for heading in headings:
        members[_group(heading)].append(heading)
    sizes = {group: median(heading.size for heading in found) for group, found in members.items()}
    least = float("inf")
    for group in sorted(group for group in members if group[0] == "number"):
        least = sizes[group] = min(least, sizes[group])
    numbered = {group: (-size, FORMS.index(group[0]), group[1]) for group, size in sizes.items() if group[0]}
    ranks: dict[_Group, tuple[float, ...]] = dict(numbered)
    for group, size in sizes.items():
        if not group[0]:
            alike = [rank for rank in numbered.values() if abs(rank[0] + size) <= _ALIKE]
            ranks[group] = min(alike, default=(-size, -1.0, 0.0 if group[3] else 1.0))
    return ranks
