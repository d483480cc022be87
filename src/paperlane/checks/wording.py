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

    English ones that do not count `anywhere` count behind what obliges, and where the clause begins. The other fields
    are what its patterns were made of.
    """

    english: re.Pattern[str]
    chinese: re.Pattern[str]
    anywhere: bool
    words: str
    signs: str
    chinese_words: str

    def found(self, prose: Prose, clause: Clause) -> Iterator[tuple[int, int]]:
        """Where they stand in a clause."""
        for pattern in (self.english, self.chinese) if prose.chinese else (self.english,):
            for found in pattern.finditer(prose.low, clause.start, clause.end):
                before = found.start() < clause.at and found.start() - clause.start > _OPENING
                if found.lastindex and (self.anywhere or pattern is self.chinese or not before):
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

    English ones begin with a letter or a comma, for most places are passed by after a look at one character.
    What is one of the `others` is left to them, so that one place has one issue.
    """
    own = "|".join(english), "|".join(signs), "|".join(chinese)
    theirs = [(other.words, other.signs, other.chinese_words) for other in others]
    words, marks, chinese_words = (_leaving(mine, *others_) for mine, *others_ in zip(own, *theirs, strict=True))
    border = rf"(?<![\w-])(?=[a-z,])(?:{words})(?![\w-])"
    return Wording(
        re.compile(f"{border}|{marks}" if marks else border, re.ASCII),
        re.compile(chinese_words, re.ASCII),
        anywhere,
        *own,
    )


def _leaving(own: str, *others: str) -> str:
    """A pattern of others' words and of one's own, of which only these are a group."""
    return "|".join([*filter(None, others), *([f"({own})"] if own else [])])
