"""All prose of a document at a glance: a sign that is sought once in all of it need not be sought in each block."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from itertools import accumulate

from paperlane.checks import Prose, Subject
from paperlane.checks.compiling import later

_FIGURE = later(r"[0-9０-９一二两三四五六七八九十]")


class Overview:
    """The `text` of all blocks, each behind a line break; block n begins at `starts[n]`, and the last start is the end.

    Blocks are told by their numbers, in sets, so that signs can be joined.
    """

    def __init__(self, blocks: Sequence[Prose]) -> None:
        self.blocks = blocks
        self.text = "\n".join(["", *[prose.text for prose in blocks], ""])
        self.starts = list(accumulate((len(prose.text) + 1 for prose in blocks), initial=1))

    def holding(self, *signs: str) -> AbstractSet[int]:
        """The blocks in whose text one of these stands."""
        return {block for sign in signs for block in self._following(partial(self.text.find, sign))}

    def matching(self, sign: re.Pattern[str]) -> AbstractSet[int]:
        """The blocks in whose text a pattern is found, which does not look over their edges."""
        return {*self._following(lambda start: found.start() if (found := sign.search(self.text, start)) else -1)}

    @cached_property
    def numbered(self) -> AbstractSet[int]:
        """The blocks with a figure, which are few."""
        return self.matching(_FIGURE)

    def _following(self, find: Callable[[int], int]) -> Iterator[int]:
        """The blocks of what is found behind a start again and again; in each of them one place is enough."""
        place = find(0)
        while place >= 0:
            block = bisect_right(self.starts, place) - 1
            yield block
            place = find(self.starts[block + 1])

    def at(self, numbers: Iterable[int]) -> Sequence[Prose]:
        """These blocks, in reading order."""
        return [self.blocks[number] for number in sorted(numbers)]


def overview(subject: Subject) -> Overview:
    """That of the whole document which the subject is part of, made once."""
    whole = subject.of or subject
    found: Overview | None = whole.kept.get("overview")
    if found is None:
        found = whole.kept["overview"] = Overview(whole.prose)
    return found
