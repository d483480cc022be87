"""Words that no requirement should hold, searched in the clauses that oblige somebody."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from paperlane.checks import Finding, Subject
from paperlane.checks.obligations import Clause
from paperlane.checks.subject import Prose
from paperlane.compiling import later

_OPENING = 30  # characters


@dataclass(frozen=True, slots=True)
class Wording:
    """Words of both languages, in lower case, that are a check's own: what is one of the `others` is left to them.

    English ones that do not count `anywhere` count behind what obliges, and where the clause begins.
    """

    english: re.Pattern[str]
    chinese: re.Pattern[str]
    anywhere: bool
    others: Sequence["Wording"]

    def found(self, prose: Prose, clause: Clause) -> Iterator[tuple[int, int]]:
        """Where they stand in a clause."""
        yield from (
            span
            for span in _spans(self.english, [other.english for other in self.others], prose.low, clause)
            if self.anywhere or span[0] >= clause.at or span[0] - clause.start <= _OPENING
        )
        if prose.chinese:
            yield from _spans(self.chinese, [other.chinese for other in self.others], prose.low, clause)

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """A finding for each, with the `word` as the document writes it."""
        for prose, clause in subject.duties:
            for start, end in self.found(prose, clause):
                yield prose.finding(start, end, {"word": prose.said(start, end)})


def _spans(
    own: re.Pattern[str], others: Sequence[re.Pattern[str]], low: str, clause: Clause
) -> Iterator[tuple[int, int]]:
    """The places of a pattern, read from the left: where one of the others begins first, reading goes on behind it."""
    found = own.search(low, clause.start, clause.end)
    if found is None:  # as in most clauses
        return
    theirs = (one.span() for other in others for one in other.finditer(low, clause.start, clause.end))
    at = clause.start
    for start, end in sorted(theirs, key=itemgetter(0)):
        while found is not None and found.start() < start:
            yield found.span()
            at = found.end()
            found = own.search(low, at, clause.end)
        if start >= at:
            at = end
            if found is not None and found.start() < at:
                found = own.search(low, at, clause.end)
    while found is not None:
        yield found.span()
        found = own.search(low, found.end(), clause.end)


def wording(
    english: Sequence[str],
    chinese: Sequence[str],
    *,
    signs: Sequence[str] = (),
    others: Sequence[Wording] = (),
    anywhere: bool = False,
) -> Wording:
    """Words as patterns: English ones stand between borders of words, `signs` and Chinese ones anywhere.

    English ones begin with a letter: most places are passed by after a look at one border.
    """
    words = rf"\b(?<!-)(?=[a-z])(?:{'|'.join(english)})(?![\w-])"
    return Wording(later("|".join((words, *signs)), re.ASCII), later("|".join(chinese), re.ASCII), anywhere, others)
