"""Headings with nothing below them before the next heading of their level or a higher one."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Document, Section, Severity

# a comment, or tags that show nothing: an anchor, a break, a division
_INVISIBLE = later(r"(?:\s++|<!--(?:[^-]|-(?!->))*+-->|</?(?:a|br|hr|div|p|span|section|center|font)(?:\s[^<>]*+)?>)*+")
_SAID = later(
    r"(?<![a-z])(?:TBD|TBC|TBA|TODO|void|reserved|removed|deleted|withdrawn|deprecated|intentionally|blank|n/a|"
    r"not\s+applicable|none|end\s+of\s+(?:the\s+)?document|contents|index)(?![a-z])|"
    r"待定|待补充|预留|保留|已?删除|废止|废弃|作废|不适用|空白|无内容|略[)）]|[目索]\s*[录錄引]|文档结束",
    re.IGNORECASE,
)
_LISTED = later(r"(?:\.{2,}|…|\t)\s*\d+\s*$")  # a line of a contents page
_GOES_ON = later(r"(?:\b(?:and|or|of|the|a|an|for|with|to|in|on|by|from)|[,:&–—-])\s*$", re.IGNORECASE)
_CODE = later(r"(?<!-)->|::|\w\([^)]*\)\W*$")  # several ways to call one function, explained below the last
_HABIT = 5
_WORD = later(r"\w")
_LAID_OUT = ("application/pdf", "application/vnd.")  # documents with covers, by the beginning of their media types


def _find(subject: Subject) -> Iterator[Finding]:
    """Where headings of one level often stand alone, they group others of their level, and one issue says so."""
    empty: defaultdict[int, list[Section]] = defaultdict(list)
    for section in _empty(subject.document):
        empty[section.level].append(section)
    for sections in empty.values():
        for section in sections if len(sections) <= _HABIT else sections[:1]:
            block = subject.document.parsed.blocks[section.heading]
            yield Finding(block.start, block.end, {"title": section.path[-1]})


def _empty(document: Document) -> Iterator[Section]:
    titled = [section for section in document.sections if section.heading >= 0]
    pictured = sorted(link.start for link in document.parsed.links if link.image)
    cover = document.parsed.media_type.startswith(_LAID_OUT)
    for section, following in zip(titled, [*titled[1:], None], strict=False):
        begin, end = _span(document, section)
        picture = bisect_left(pictured, begin)
        holds = picture < len(pictured) and pictured[picture] < end
        if holds or _holds(document, section):
            cover = False
        elif following is not None and following.level > section.level:
            continue
        elif not cover and len(titled) > 1 and not _excused(document, section, following, titled[0]):
            yield section


def _span(document: Document, section: Section) -> tuple[int, int]:
    """From the heading to what follows the section."""
    blocks = document.parsed.blocks
    end = blocks[section.last].start if section.last < len(blocks) else len(document.text)
    return blocks[section.heading].start, end


def _holds(document: Document, section: Section) -> bool:
    """Is there anything that a reader sees?"""
    for block in document.parsed.blocks[section.first : section.last]:
        text = document.text[block.start : block.end]
        if block.kind is BlockKind.CODE and _INVISIBLE.fullmatch(text):
            continue
        if _WORD.search(text) or block.kind is BlockKind.CODE:
            return True
    return False


def _excused(document: Document, section: Section, following: Section | None, first: Section) -> bool:
    """A title above the first chapter, a title over two lines or with a picture below it, or one that says why."""
    title = section.path[-1]
    if _SAID.search(title) or _LISTED.search(title) or _CODE.search(title) or not _WORD.search(title):
        return True
    if following is None:
        return False
    if section is first and (section.heading == 0 or (following.number and not section.number)):
        return True
    pages = [document.parsed.blocks[one.heading].page for one in (section, following)]
    continued = _GOES_ON.search(title) is not None or following.path[-1][:1].islower()
    return pages[0] != pages[1] or (pages[0] > 0 and continued)


CHECK = Check(
    name="empty-section",
    title={"en": "Empty section", "zh": "空章节"},
    why="A heading without text promises what was never written, or lost what was.",
    category="completeness",
    severity=Severity.WARNING,
    confidence=0.85,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "There is nothing below “{title}”.", "zh": "“{title}”下没有内容。"},
    suggestions={
        "en": "Write what belongs here, say that it is not applicable, or take the heading out.",
        "zh": "请补充内容，或注明“不适用”，或删除该标题。",
    },
    flags=(
        "# Purpose\n\nText.\n\n# Scope\n\n# Terms\n\nText.",
        "# 1 目的\n\n正文。\n\n## 1.1 范围\n\n## 1.2 术语\n\n正文。",
        "# Purpose\n\nText.\n\n# Scope\n\n<!-- write this -->\n\n# Terms\n\nText.",
        "# Purpose\n\nText.\n\n## Limits\n\n# Terms\n\nText.",
        "# Purpose\n\nText.\n\n# Scope",
        "# Purpose\n\nText.\n\n# Scope\n\n---\n\n# Terms\n\nText.",
        "# 目的\n\n正文。\n\n# 范围\n\n…\n\n# 术语\n\n正文。",
    ),
    passes=(
        "# Purpose\n\n## Scope\n\nText.\n\n# Terms\n\nText.",
        "# 1 目的\n\n## 1.1 范围\n\n正文。\n\n# 2 术语\n\n正文。",
        "# Guide\n\n# 1 Purpose\n\nText.\n\n# 2 Scope\n\nText.",
        "# Purpose\n\nText.\n\n# Layout\n\n![The layout](layout.png)\n\n# Terms\n\nText.",
        "# Purpose\n\nText.\n\n# Use\n\n```\nrun\n```\n\n# Terms\n\n| a | b |\n|---|---|\n| c | d |",
        "# 1 Purpose\n\nText.\n\n# 2 (withdrawn)\n\n# 3 Terms\n\nTBD",
        "# 1 目的\n\n正文。\n\n# 2 （预留）\n\n# 3 术语\n\n正文。",
        "# The only one",
    ),
)
