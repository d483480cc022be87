"""Words that no requirement should hold, searched in the clauses that oblige somebody."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paperlane.checks import Finding, Prose, Subject
from paperlane.checks.obligations import Clause

_OPENING = 30  # characters


@dataclass(frozen=True, slots=True)
class Wording:
    """Words of both languages, in lower case, that are a check's own: no other one takes their places.

    English ones that do not count `anywhere` count behind what obliges, and where the clause begins.
    """

    english: re.Pattern[str]
    chinese: re.Pattern[str]
    anywhere: bool

    def found(self, prose: Prose, clause: Clause) -> Iterator[tuple[int, int]]:
        """Where they stand in a clause."""
        for pattern in (self.english, self.chinese) if prose.chinese else (self.english,):
            for found in pattern.finditer(prose.low, clause.start, clause.end):
                before = found.start() < clause.at and found.start() - clause.start > _OPENING
                if found["own"] and (self.anywhere or pattern is self.chinese or not before):
                    yield found.span()

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """A finding for each, with the `word` as the document writes it."""
        for prose in subject.prose:
            for clause in prose.duties:
                for start, end in self.found(prose, clause):
                    yield prose.finding(start, end, {"word": prose.said(start, end)})


def wording(
    english: Sequence[str],
    chinese: Sequence[str],
    *,
    signs: Sequence[str] = (),
    others: Sequence[Wording] = (),
    anywhere: bool = False,
) -> Wording:
    """Words as patterns: English ones stand between borders of words, `signs` and Chinese ones anywhere.

    What is one of the `others` is left to them, so that one place has one issue.
    """
    words = rf"(?<![\w-])(?:{'|'.join(english)})(?![\w-])"
    return Wording(
        _compiled("|".join([words, *signs]), [other.english for other in others]),
        _compiled("|".join(chinese), [other.chinese for other in others]),
        anywhere,
    )


def _compiled(own: str, others: Sequence[re.Pattern[str]]) -> re.Pattern[str]:
    theirs = [other.pattern.replace("(?P<own>", "(?:") for other in others]
    return re.compile("|".join([*theirs, f"(?P<own>{own})"]), re.ASCII)
