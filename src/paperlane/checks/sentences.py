"""Sentences of English and Chinese prose, and their clauses, as spans."""

import re
from collections.abc import Iterator

# an item of a list that is written in one block begins with a label of its own
_BULLET = r"[•⚫▪◦\uf000-\uf0ff]"  # the last are those of symbol fonts
_LABEL = rf"\s*+(?:[(（]\w{{1,4}}[)）]|[a-zA-Z0-9]{{1,2}}[)）]|\d{{1,2}}[.、]|[①-⑳*-]|{_BULLET}|o\s)"
_ENDS = re.compile(
    r"[。！？]+[”’」』）]*|(?:[.!?](?<!\betc\.)|\.(?=\s+[A-Z]|\s*$))(?=[\"')\]]*(?:\s|$))[\"')\]]*|\n\s*\n|"
    rf"\n(?=[ \t]*+{_BULLET})|[;；](?=(?:\s*+(?:and|or|及|和|或))?{_LABEL})"
)
LABEL = re.compile(_LABEL)
"""What an item of a list begins with, where the list stands in one block."""

_CLAUSE_ENDS = re.compile(rf"{_ENDS.pattern}|；|;(?=\s|$)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|vs|cf|fig|figs|no|nos|vol|sec|ch|approx|dr|mr|mrs|ms|st|al|resp|incl|ref)|"
    r"(?<!\d )\b[A-Za-z]|^[ \t]*\d{1,3})$",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The spans of all sentences, without the white space between them.

    A semicolon joins the halves of a sentence; it ends one only where the next item of a list begins.
    """
    return _cut(text, _ENDS)


def clauses(text: str) -> Iterator[tuple[int, int]]:
    """The spans of all sentences, cut at their semicolons too: what is said of one half is not said of the other."""
    return _cut(text, _CLAUSE_ENDS)


def _cut(text: str, ends: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    begin = 0
    for found in ends.finditer(text):
        if found[0][0] == "." and _ABBREVIATION.search(text, max(0, found.start() - 12), found.start()):
            continue
        yield from _trimmed(text, begin, found.end())
        begin = found.end()
    yield from _trimmed(text, begin, len(text))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
