"""Sentences of English and Chinese prose, as spans."""

import re
from collections.abc import Iterator

_ENDS = re.compile(r"[。！？；]+[”’」』）]*|[.!?;](?=[\"')\]]*(?:\s|$))[\"')\]]*|\n\s*\n")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|fig|figs|no|nos|vol|sec|ch|approx|dr|mr|mrs|ms|st|al|resp|incl|ref)|\b[A-Za-z]|\d)$",
    re.IGNORECASE,
)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """The spans of all sentences, without the white space between them."""
    begin = 0
    for found in _ENDS.finditer(text):
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
