"""Finds what a model quotes in the passage that it was asked about, or drops it."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from paperlane.ai import Said

LONGEST = 400
"""Characters of a quote: a longer one points at nothing."""

_SHORTEST = 2
_MOST_OF_IT = 0.8  # of a passage, past which a quote repeats it
_SHORT_PASSAGE = 120  # characters; one sentence may be all that such a passage has

_ALIKE = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛`´′", "'"),
        **dict.fromkeys("“”„‟«»″「」『』", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣", "-"),
        "…": "...",
        "。": ".",
        "、": ",",
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    }
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A finding at its place: `text[start:end] == quote`, in characters of the whole document's text."""

    said: Said
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Anchored:
    """What was found of an answer, in reading order; and how many findings were dropped, by why.

    The words are `empty`, `too_long`, `whole_passage`, `not_found` and `repeated`.
    """

    placed: tuple[Placed, ...]
    dropped: Counter[str]


def anchor(findings: Sequence[Said], text: str, start: int, end: int) -> Anchored:
    """Look for each quote in the passage `text[start:end]`, and nowhere else.

    Exactly first; then with white space, full and half width, quotation marks and dashes taken for the same. The case
    of letters counts. Of several places the first is taken that no finding of the same rule has.
    """
    passage = _Passage(text, start, end)
    placed: list[Placed] = []
    dropped: Counter[str] = Counter()
    taken: set[tuple[str, int, int]] = set()
    for said in findings:
        if why := passage.refuses(said.quote):
            dropped[why] += 1
            continue
        places = passage.places(said.quote)
        if not places:
            dropped["not_found"] += 1
            continue
        place = next((place for place in places if (said.rule, *place) not in taken), None)
        if place is None:
            dropped["repeated"] += 1
            continue
        taken.add((said.rule, *place))
        placed.append(Placed(said, *place, text[slice(*place)]))
    return Anchored(tuple(sorted(placed, key=lambda one: (one.start, one.end, one.said.rule))), dropped)


_MOST_PLACES = 20


class _Passage:
    def __init__(self, text: str, start: int, end: int) -> None:
        self._text = text
        self._start = start
        self._end = end

    @cached_property
    def _folded(self) -> "_Folded":
        return _folded(self._text[self._start : self._end])

    def refuses(self, quote: str) -> str:
        """Why a quote points at nothing, whether or not it is there; "" if it may."""
        length = len(quote.strip())
        if length < _SHORTEST or not any(one.isalnum() for one in quote):
            return "empty"
        size = self._end - self._start
        if size > _SHORT_PASSAGE and length >= _MOST_OF_IT * size:
            return "whole_passage"
        return "too_long" if length > LONGEST else ""

    def places(self, quote: str) -> list[tuple[int, int]]:
        """Where it stands in the document's text, the first places in reading order."""
        quote = quote.strip()
        exact: list[tuple[int, int]] = []
        at = self._text.find(quote, self._start, self._end)
        while at >= 0 and len(exact) < _MOST_PLACES:
            exact.append((at, at + len(quote)))
            at = self._text.find(quote, at + len(quote), self._end)
        if exact:
            return exact
        folded = self._folded
        alike = _folded(quote).text.strip()
        found: list[tuple[int, int]] = []
        at = folded.text.find(alike) if alike else -1
        while at >= 0 and len(found) < _MOST_PLACES:
            begin, end = folded.place(at, at + len(alike))
            if begin < end:
                found.append((self._start + begin, self._start + end))
            at = folded.text.find(alike, at + len(alike))
        return found


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text in the form in which it is compared; `begins` tells of runs of characters where they stood.

    A run is [place here, place there, length there]; in a run of one each character stands for one.
    """

    text: str
    origins: Sequence[int]  # of each character, the one that it stands for
    source: str

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The characters that these stand for; (0, 0) where that would cut one in two."""
        begin, last = self.origins[start], self.origins[end - 1]
        if start and self.origins[start - 1] == begin:
            return 0, 0
        if end < len(self.origins) and self.origins[end] == last:
            return 0, 0
        return begin, last + 1


def _folded(source: str) -> _Folded:
    """White space is one space, and none beside a Chinese character or a mark of its width; the rest by NFKC."""
    made: list[str] = []
    origins: list[int] = []
    space = -1
    for at, one in enumerate(source):
        for letter in _letters(one):
            if letter.isspace():
                space = at if space < 0 else space
                continue
            if space >= 0 and made and not (_is_wide(source[origins[-1]]) or _is_wide(one)):
                made.append(" ")
                origins.append(space)
            space = -1
            made.append(letter)
            origins.append(at)
    return _Folded("".join(made), origins, source)


def _letters(one: str) -> str:
    if one.isascii():
        return "'" if one == "`" else one
    return unicodedata.normalize("NFKC", one.translate(_ALIKE)).translate(_ALIKE)


def _is_wide(one: str) -> bool:
    return not one.isascii() and unicodedata.east_asian_width(one) in {"W", "F"}
