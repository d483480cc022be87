"""The levels of headings, by how they are numbered, how large their letters are, and what stands above what."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from paperlane.formats.pdf.numbering import FORMS
from paperlane.formats.pdf.page import Page, Title

_DEEPEST = 9
_ALIKE = 0.4  # points
_BESIDE = frozenset({"annex", "part"})  # the chapters
_TITLE = (float("-inf"),)  # the rank of a document's or a part's title, which stands above its numbered chapters


class Seen(NamedTuple):
    """How a heading is numbered and looks.

    `form` is one of FORMS, "part" for what stands beside the chapters without a number, as a preface, or "". `depth`
    is 2 for "1.1", `size` that of its letters. It is `promised` when the contents page lists it.
    """

    form: str
    depth: int
    size: float
    bold: bool
    promised: bool = False


def levels_of(headings: Sequence[Seen]) -> Sequence[int]:
    """The level of each heading, 1..9, at most one deeper than that of the one before it.

    The title of the document is the first level and its chapters the second one, unless a contents page lists them:
    its outermost entries are of the first level too.
    """
    ranks = _ranks(headings)
    listed = any(heading.promised for heading in headings)
    above: list[tuple[float, ...]] = []
    levels: list[int] = []
    for heading in headings:
        rank = ranks[_group(heading)]
        while above and (above[-1] >= rank or (listed and above[-1] == _TITLE)):
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
    ranks: dict[_Group, tuple[float, ...]] = {}
    for group, size in sizes.items():
        if group[0] in FORMS:
            ranks[group] = (-size, FORMS.index(group[0]), group[1])
    numbered = dict(ranks)
    for group, size in sizes.items():
        if group[0] not in FORMS:
            alike = [rank for rank in numbered.values() if abs(rank[0] + size) <= _ALIKE]
            ranks[group] = min(alike, default=(-size, -1.0, 0.0 if group[3] else 1.0))
    return _beside_chapters(members, ranks)


def _beside_chapters(
    members: Mapping[_Group, Sequence[Seen]], ranks: Mapping[_Group, tuple[float, ...]]
) -> dict[_Group, tuple[float, ...]]:
    """The ranks, with annexes and prefaces beside the chapters, and what outranks these as titles of the whole."""
    inner = [group for group in ranks if group[0] not in _BESIDE]
    promised = [group for group in inner if any(one.promised for one in members[group])]
    chapters = min((ranks[group] for group in promised or inner if promised or group[0]), default=None)
    if chapters is None:
        return dict(ranks)
    return {
        group: chapters if group[0] in _BESIDE else _TITLE if rank < chapters else rank for group, rank in ranks.items()
    }


def tagged_levels(outline: Sequence[Title], pages: Sequence[Page]) -> Sequence[Title]:
    """The outline with the levels that the tags of its headings name.

    An outline nests, so it cannot tell that a heading skips a level. The tags are those of its titles where they would
    nest in the same way, page by page; elsewhere the outline stays as it is.
    """
    levels = [level for page in pages for level in page.levels]
    if len(levels) != len(outline) or not levels:
        return outline
    places = [number for number, page in enumerate(pages) for _ in page.levels]
    if places != [title.page for title in outline] or _nested(levels) != [title.level for title in outline]:
        return outline
    above = min(levels) - 1
    return [replace(title, level=level - above) for title, level in zip(outline, levels, strict=True)]


def _nested(levels: Sequence[int]) -> Sequence[int]:
    above: list[int] = []
    depths: list[int] = []
    for level in levels:
        while above and above[-1] >= level:
            above.pop()
        above.append(level)
        depths.append(len(above))
    return depths
