"""Sentences of English and Chinese prose, and their clauses, as spans."""

import re
from collections.abc import Sequence

from paperlane.compiling import later

# an item of a list that is written in one block begins with a label of its own
_BULLET = r"[•⚫▪◦\uf000-\uf0ff]"  # the last are those of symbol fonts
_LABEL = rf"\s*+(?:[(（]\w{{1,4}}[)）]|[a-zA-Z0-9]{{1,2}}[)）]|\d{{1,2}}[.、]|[①-⑳*-]|{_BULLET}|o\s)"
# each begins with one of a few characters, so that all others are quickly passed by
_STOPS = r"[。！？.!?\n;；]"
_ENDING = (
    r"(?<=[。！？])[。！？]*[”’」』）]*|"
    r"(?:(?<=[.!?])(?<!\betc\.)|(?<=\.)(?=\s+[A-Z]|\s*$))(?=[\"')\]]*(?:\s|$))[\"')\]]*|(?<=\n)\s*\n|"
    rf"(?<=\n)(?=[ \t]*+{_BULLET})|(?<=[;；])(?=(?:\s*+(?:and|or|及|和|或))?{_LABEL})"
)
_ENDS = later(rf"{_STOPS}(?:{_ENDING})")
LABEL = later(_LABEL)
"""What an item of a list begins with, where the list stands in one block."""

_CLAUSE_ENDS = later(rf"{_STOPS}(?:{_ENDING}|(?<=；)|(?<=;)(?=\s|$))")
_ABBREVIATION = later(
    r"(?:\b(?:e\.g|i\.e|vs|cf|fig|figs|no|nos|vol|sec|ch|approx|dr|mr|mrs|ms|st|al|resp|incl|ref)|"
    r"(?<!\d )\b[A-Za-z]|^[ \t]*\d{1,3})$",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)


def sentences(text: str) -> Sequence[tuple[int, int]]:
    """The spans of all sentences, without the white space between them.

    A semicolon joins the halves of a sentence; it ends one only where the next item of a list begins.
    """
    return _cut(text, _ENDS)


def clauses(text: str) -> Sequence[tuple[int, int]]:
    """The spans of all sentences, cut at their semicolons too: what is said of one half is not said of the other."""
    return _cut(text, _CLAUSE_ENDS)


def _cut(text: str, ends: re.Pattern[str]) -> Sequence[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    begin = 0
    for found in ends.finditer(text):
        start, end = found.span()
        if text[start] == "." and _ABBREVIATION.search(text, max(0, start - 12), start):
            continue
        spans.append((begin, end))
        begin = end
    spans.append((begin, len(text)))
    return [span for start, end in spans if (span := _trimmed(text, start, end))]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None
