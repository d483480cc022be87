"""Comments in a file that speak to Paperlane: "paperlane: ignore vague-term"."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from paperlane.model.documents import Block, BlockKind, Remark

_TO_US = re.compile(r"\W*paperlane:\s*(?P<words>[^\r\n]*\w)", re.IGNORECASE)


def words_to_us(comment: str) -> str | None:
    """What a comment says behind "paperlane:", in one line; None for one that speaks to somebody else."""
    found = _TO_US.match(comment)
    return found["words"].strip() if found is not None else None


def remarks_of(text: str, blocks: Sequence[Block], comments: Iterable[tuple[int, int]]) -> Iterator[Remark]:
    """Those of the comments, by their spans, that speak to Paperlane.

    One inside a block stands where it is, and any other one where the next block of words begins, or at the text's end.
    """
    words = [block for block in blocks if block.kind is not BlockKind.CODE]
    starts = [block.start for block in words]
    for start, end in comments:
        if (said := words_to_us(text[start:end])) is not None:
            at = bisect_left(starts, start)
            inside = at > 0 and words[at - 1].end >= end
            yield Remark(start if inside else starts[at] if at < len(starts) else len(text), said)
