"""The third step: neighbouring text is cut and joined into passages that are tested as a whole."""

import re
from collections.abc import Iterator

from paperlane.model.documents import Block, BlockKind, Document, Passage, Passages
from paperlane.model.steps import Job, Step

BUDGET = 1_500
"""Tokens that a passage may have; a single block that is longer stays whole."""

SHORTEST = 500
"""Characters below which a passage is joined with its neighbour inside the same parent section."""

_HAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_WORD = re.compile(r"[A-Za-z0-9]+|[^\sA-Za-z0-9\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_PER_WORD = 1.3


def tokens_of(text: str) -> int:
    """An estimate of a text's tokens: one a Chinese character, 1.3 an English word, as common tokenizers make them."""
    return len(_HAN.findall(text)) + int(_PER_WORD * len(_WORD.findall(text)))


def merge(document: Document, job: Job) -> Passages:
    """Passages in reading order; together they hold every block once."""
    job.progress(0.1)
    runs = list(_runs(document))
    job.progress(0.6)
    return Passages(tuple(_passage(document, number, run) for number, run in enumerate(_joined(document, runs))))


class _Run:
    """Blocks `first` to `last` of sections under one path."""

    __slots__ = ("first", "last", "path", "tokens")

    def __init__(self, first: int, last: int, path: tuple[str, ...], tokens: int) -> None:
        self.first, self.last, self.path, self.tokens = first, last, path, tokens


def _runs(document: Document) -> Iterator[_Run]:
    """Each section with its heading, cut at block borders where it is over the budget."""
    text, blocks = document.text, document.parsed.blocks
    for section in document.sections:
        first = section.heading if section.heading >= 0 else section.first
        begin, tokens = first, 0
        for at in range(first, section.last):
            own = tokens_of(text[blocks[at].start : blocks[at].end])
            if tokens and tokens + own > BUDGET and not _same_row(blocks, at):
                yield _Run(begin, at, section.path, tokens)
                begin, tokens = at, 0
            tokens += own
        if begin < section.last:
            yield _Run(begin, section.last, section.path, tokens)


def _same_row(blocks: tuple[Block, ...], at: int) -> bool:
    one, other = blocks[at - 1], blocks[at]
    cells = one.kind is BlockKind.TABLE_CELL and other.kind is BlockKind.TABLE_CELL
    return cells and (one.table, one.row) == (other.table, other.row)


def _joined(document: Document, runs: list[_Run]) -> Iterator[_Run]:
    """Short neighbours join while both have the same parent, or one is the other's parent."""
    held: _Run | None = None
    for run in runs:
        if held is not None and _may_join(document, held, run):
            held = _Run(held.first, run.last, _shared(held.path, run.path), held.tokens + run.tokens)
        else:
            if held is not None:
                yield held
            held = run
    if held is not None:
        yield held


def _may_join(document: Document, one: _Run, other: _Run) -> bool:
    blocks = document.parsed.blocks
    short = min(
        blocks[one.last - 1].end - blocks[one.first].start, blocks[other.last - 1].end - blocks[other.first].start
    )
    related = (
        one.path[:1] == other.path[:1] and len(_shared(one.path, other.path)) >= min(len(one.path), len(other.path)) - 1
    )
    return short < SHORTEST and related and one.tokens + other.tokens <= BUDGET


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def _passage(document: Document, number: int, run: _Run) -> Passage:
    blocks = document.parsed.blocks
    return Passage(number, run.first, run.last, blocks[run.first].start, blocks[run.last - 1].end, run.path, run.tokens)


SECTION_MERGE = Step("section_merge", 1, Document, Passages, merge, share=5)
