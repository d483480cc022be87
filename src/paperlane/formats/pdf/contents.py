"""The contents page of a document: its lines, and the titles that they promise."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from paperlane.formats.pdf.page import Page

_ROMAN = r"[ivxlcdm]{1,6}"
_LEADERS = re.compile(
    rf"\s*(?P<title>\S.*?)\s*(?:[.．·•…‥⋯_-]\s?){{3,}}\s*(?P<page>\d{{1,4}}|{_ROMAN})\s*", re.IGNORECASE
)
_BARE = re.compile(rf"\s*(?P<title>\S.*?)\s+(?P<page>\d{{1,4}}|{_ROMAN})\s*", re.IGNORECASE)
_DOTS = ("...", "…", "⋯", "‥", ". .", "···", "• •", "．．", "___", "---")
_NAMES = frozenset({"contents", "tableofcontents", "目录", "目錄", "目次", "内容", "內容"})
_SIGNS = (*_DOTS, "ontents", "ONTENTS", "目", "內", "内")  # of all pages with a contents list
_FEWEST = 3  # lines that lead to a page
_FEWEST_BARE = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a contents page: the title, the page number that it prints (0 for a Roman one) and where it stands.

    `wrapped` is the title with the line before it, which may be its begin.
    """

    title: str
    wrapped: str
    printed: int
    page: int
    line: int


@dataclass(frozen=True, slots=True)
class Contents:
    """All entries in their order, and for each page the lines that are part of its contents list."""

    entries: Sequence[Entry]
    lines: Sequence[Collection[int]]


def contents_of(pages: Sequence[Page], running: Sequence[Collection[int]]) -> Contents:
    """The contents lists of a document, wherever they stand."""
    entries: list[Entry] = []
    lines: list[Collection[int]] = []
    for number, page in enumerate(pages):
        if not any(map(page.text.__contains__, _SIGNS)):
            lines.append(())
            continue
        said = [line.strip() for line in page.text.split("\n")]
        for line in running[number]:
            said[line] = ""
        found = list(_listed(said, number))
        entries += found
        lines.append(range(found[0].line, found[-1].line + 1) if found else ())
    return Contents(entries, lines)


def _listed(said: Sequence[str], number: int) -> Iterator[Entry]:
    leading = dict(_leading(said))
    if len(leading) >= _FEWEST:
        first, last = min(leading), max(leading)
        first = next((at + 1 for at in range(first - 1, -1, -1) if said[at] and not _BARE.fullmatch(said[at])), 0)
    else:
        named = next((at for at, line in enumerate(said) if "".join(line.split()).casefold() in _NAMES), None)
        if named is None:
            return
        first, last = named + 1, named
        for at in range(first, len(said)):
            if said[at] and not _BARE.fullmatch(said[at]):
                break
            last = at
        if sum(bool(line) for line in said[first : last + 1]) < _FEWEST_BARE:
            return
    before = ""
    for at in range(first, last + 1):
        if found := leading.get(at) or _BARE.fullmatch(said[at]):
            page = int(found["page"]) if found["page"].isdecimal() else 0
            yield Entry(found["title"], before + found["title"], page, number, at)
            before = ""
        else:
            before = said[at] + " " if said[at] else before


def _leading(said: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """The lines that lead to a page by dots."""
    page = "\n".join(said)
    dots = [some for some in _DOTS if some in page]
    for at, line in enumerate(said) if dots else ():
        if any(some in line for some in dots) and (found := _LEADERS.fullmatch(line)) is not None:
            yield at, found
