"""The third step: neighbouring text is cut and joined into passages that are tested as a whole.

What is cut or joined depends on what stands near it alone, so that an edit moves no border but its own: a document
that is uploaded again gives the same passages but for the one that was edited.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple
from zlib import crc32

from paperlane.checks.sentences import sentences
from paperlane.compiling import later
from paperlane.model.documents import Block, BlockKind, Document, Passage, Passages, Section
from paperlane.model.steps import Job, Step
from paperlane.pipeline.terms import Terms
from paperlane.pipeline.tokens import MOST_OF_A_CHARACTER, tokens_of

BUDGET = 1_500
"""Tokens that a passage has at most; what stands beside its text as context is not counted."""

SHORTEST = 500
"""Characters below which a passage is joined with its neighbour inside the same parent section."""

_HEADERS = 500  # characters of a table's first row that are context
_WORD = later(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]{1,3}")
_ROOM = later(r"\s+|(?<=[\u3000-\u303f\uff00-\uffef])")


def merge(document: Document, job: Job) -> Passages:
    """Passages in reading order; together they hold every block once."""
    job.progress(0.1)
    runs = [run for section in document.sections for run in _runs(document, section)]
    job.progress(0.5)
    terms, headers = Terms(document), _headers(document)
    job.progress(0.6)
    return Passages(tuple(_passage(document, number, run, terms, headers) for number, run in enumerate(_joined(runs))))


class _Atom(NamedTuple):
    """What is cut no further: the blocks `first` to `last` that begin in `text[start:end]`.

    `tokens` are those up to the next atom; in front of a `loose` one a cut parts no list, table or sentence.
    """

    first: int
    last: int
    start: int
    end: int
    tokens: int
    loose: bool


@dataclass(slots=True)
class _Run:
    """Neighbouring blocks under one path. `level` is that of the heading that it begins with, 0 where there is none."""

    first: int
    last: int
    start: int
    end: int
    tokens: int
    path: tuple[str, ...]
    level: int


def _runs(document: Document, section: Section) -> Iterator[_Run]:
    """A section with its heading, cut where it is over the budget."""
    text, blocks = document.text, document.parsed.blocks
    first = section.heading if section.heading >= 0 else section.first
    if first == section.last:
        return
    start, end = blocks[first].start, blocks[section.last - 1].end
    until = blocks[section.last].start if section.last < len(blocks) else end  # what is between would join too
    if (tokens := tokens_of(text[start:until])) <= BUDGET:
        yield _Run(first, section.last, start, end, tokens, section.path, section.level)
        return
    atoms = list(_atoms(text, blocks, first, section.last))
    for begin, after in _cut(text, atoms):
        one, other = atoms[begin], atoms[after - 1]
        tokens = sum(atom.tokens for atom in atoms[begin:after])
        level = section.level if begin == 0 else 0
        yield _Run(one.first, other.last, one.start, other.end, tokens, section.path, level)


def _atoms(text: str, blocks: Sequence[Block], first: int, last: int) -> Iterator[_Atom]:
    """Blocks, and rows of tables; a row over the budget in cells, and a block over it in sentences."""
    for _, group in groupby(range(first, last), lambda at: _row(blocks[at]) or at):
        row = list(group)
        whole = len(row) == 1 or _fits(text, blocks[row[0]].start, blocks[row[-1]].end)
        for begin, until in [(row[0], row[-1] + 1)] if whole else [(at, at + 1) for at in row]:
            yield from _pieces(text, blocks, begin, until, first)


def _row(block: Block) -> tuple[int, int] | None:
    return (block.table, block.row) if block.kind is BlockKind.TABLE_CELL else None


def _pieces(text: str, blocks: Sequence[Block], at: int, after: int, first: int) -> Iterator[_Atom]:
    start, end = blocks[at].start, blocks[after - 1].end
    until = blocks[after].start if after < len(blocks) else end
    loose = at == first or not _goes_on(blocks[at - 1], blocks[at])
    if after - at > 1 or _fits(text, start, end):
        yield _Atom(at, after, start, end, tokens_of(text[start:until]), loose)
        return
    spans = list(_sentences(text, blocks[at]))
    for number, (begin, stop) in enumerate(spans):
        beyond = spans[number + 1][0] if number + 1 < len(spans) else until
        tokens = tokens_of(text[begin:beyond])
        yield _Atom(at + (number > 0), after, begin, stop, tokens, loose and number == 0)


def _fits(text: str, start: int, end: int) -> bool:
    return (end - start) * MOST_OF_A_CHARACTER <= BUDGET or tokens_of(text[start:end]) <= BUDGET


def _goes_on(one: Block, other: Block) -> bool:
    """Does the second go on with a list or a table?"""
    return (
        one.kind is other.kind and one.kind in {BlockKind.LIST_ITEM, BlockKind.TABLE_CELL} and one.table == other.table
    )


def _sentences(text: str, block: Block) -> Iterator[tuple[int, int]]:
    """A block's sentences, or the lines of code; what is over the budget even so, cut between words or anywhere."""
    written = text[block.start : block.end]
    if block.kind is BlockKind.CODE:
        spans = [found.span() for found in re.finditer(r"[^\r\n]+", written)]
    else:
        spans = list(sentences(written))
    for start, end in spans:
        if _fits(written, start, end):
            yield block.start + start, block.start + end
        else:
            yield from _by_force(text, block.start + start, block.start + end)


def _by_force(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    most = BUDGET // MOST_OF_A_CHARACTER
    while end - start > most:
        rooms = list(_ROOM.finditer(text, start + most // 2, start + most))
        stop, begin = rooms[-1].span() if rooms else (start + most, start + most)
        yield start, stop
        start = begin
    if start < end:
        yield start, end


_TIERS = ((True, BUDGET // 4, 0), (True, 0, SHORTEST), (False, BUDGET // 4, 0), (False, 0, 0))
"""Where to cut, the best first: at a loose place or at any, with so many tokens and characters on either side."""


def _cut(text: str, atoms: Sequence[_Atom]) -> Iterator[tuple[int, int]]:
    """Ranges of atoms within the budget: a range over it is cut at its strongest place, and each half again.

    A half that an edit does not touch is cut as it was before.
    """
    tokens = [0, *accumulate(atom.tokens for atom in atoms)]
    strengths = [_strength(text[atom.start : atom.end]) for atom in atoms]
    ahead = [(0, len(atoms))]
    while ahead:
        begin, until = ahead.pop()
        if until - begin == 1 or tokens[until] - tokens[begin] <= BUDGET:
            yield begin, until
            continue
        start, end = atoms[begin].start, atoms[until - 1].end
        places: list[int] = []
        for loose, least, shortest in _TIERS:
            low = max(begin + 1, bisect_left(tokens, tokens[begin] + least))
            high = min(until, bisect_left(tokens, tokens[until] - least + 1))
            places = places or [
                at
                for at in range(low, high)
                if (atoms[at].loose or not loose) and shortest <= atoms[at].start - start <= end - start - shortest
            ]
        middle = (tokens[begin] + tokens[until]) / 2
        place = min(places, key=lambda at: (strengths[at], abs(tokens[at] - middle)))
        ahead += [(place, until), (begin, place)]


def _strength(text: str) -> tuple[int, int]:
    """The least hash of two neighbouring words, then that of all; the strongest place to cut has the least.

    An edit of other words leaves the first as it is; the second tells texts apart that say the same over and over.
    """
    words = _WORD.findall(text)
    whole = crc32(text.encode())
    return min((crc32(f"{one} {other}".encode()) for one, other in pairwise(words)), default=whole), whole


def _joined(runs: Sequence[_Run]) -> Iterator[_Run]:
    """Short neighbours join while both have the same parent, or one is the other's parent.

    The deepest headings are asked first whether what they part shall join, and those of one level in an order that
    their titles give: so an edit elsewhere changes no answer.
    """
    groups = list(runs)  # each at the place of its first run
    ends = list(range(len(runs)))
    begins = list(range(len(runs)))
    order = sorted(
        (at for at in range(1, len(runs)) if runs[at].level),
        key=lambda at: (-runs[at].level, crc32("\n".join(runs[at].path).encode())),
    )
    for at in order:
        left, right = begins[at - 1], ends[at]
        if _may_join(groups[left], groups[at]):
            groups[left] = _union(groups[left], groups[at])
            ends[left], begins[right] = right, left
    at = 0
    while at < len(groups):
        yield groups[at]
        at = ends[at] + 1


def _union(one: _Run, other: _Run) -> _Run:
    path = _shared(one.path, other.path)
    return _Run(one.first, other.last, one.start, other.end, one.tokens + other.tokens, path, one.level)


def _may_join(one: _Run, other: _Run) -> bool:
    if min(one.end - one.start, other.end - other.start) >= SHORTEST or one.tokens + other.tokens > BUDGET:
        return False
    shared = len(_shared(one.path, other.path))
    depths = len(one.path), len(other.path)
    if one.path[:1] != other.path[:1] or shared < min(*depths, max(depths) - 1):
        return False
    return one.level > 0 or shared == len(one.path)  # or the heading above what goes on would be lost


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def _passage(document: Document, number: int, run: _Run, terms: Terms, headers: Mapping[int, str]) -> Passage:
    said = document.text[run.start : run.end]
    first = _first(document.parsed.blocks, run)
    cut = first.kind is BlockKind.TABLE_CELL and first.row > 1
    above = headers.get(first.table, "") if cut else ""
    return Passage(
        number, run.first, run.last, run.start, run.end, run.path, run.tokens, above, terms.of(said)
    )  # fmt: skip


def _first(blocks: Sequence[Block], run: _Run) -> Block:
    """The block that a passage begins with, or inside of."""
    begins = run.first < len(blocks) and blocks[run.first].start == run.start
    return blocks[run.first if begins else run.first - 1]


def _headers(document: Document) -> Mapping[int, str]:
    """The first row of each table, on one line."""
    cells: defaultdict[int, list[str]] = defaultdict(list)
    for block in document.parsed.blocks:
        if block.kind is BlockKind.TABLE_CELL and block.row == 1:
            cells[block.table].append(" ".join(document.text[block.start : block.end].split()))
    return {table: " | ".join(row)[:_HEADERS] for table, row in cells.items()}


SECTION_MERGE = Step("section_merge", 3, Document, Passages, merge, share=5)
