"""Headings that skip a level: a third-level one right below a first-level one."""

import re
from collections import defaultdict
from collections.abc import Iterator

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.anchors import MARKDOWN
from paperlane.compiling import later
from paperlane.model.documents import Document, Section, Severity

_HABIT = 3
_TITLE = later(r"^[ \t]*[\"']?title[\"']?[ \t]*:[ \t]*\S", re.IGNORECASE | re.MULTILINE)


def _find(subject: Subject) -> Iterator[Finding]:
    """Where a document skips the same level as a habit, one issue says so."""
    kinds: defaultdict[tuple[int, int], list[Section]] = defaultdict(list)
    for section, before, after in _skips(subject.document):
        kinds[before, after].append(section)
    for (before, after), sections in kinds.items():
        for section in sections if len(sections) <= _HABIT else sections[:1]:
            block = subject.document.parsed.blocks[section.heading]
            yield Finding(block.start, block.end, {"from": str(before), "to": str(after)})


def _skips(document: Document) -> Iterator[tuple[Section, int, int]]:
    """Each heading that is too deep below the one before it, by its level, or by its number: 2.1.1 without a 2.1."""
    titled = [section for section in document.sections if section.heading >= 0]
    numbers = {section.number.rstrip(".") for section in titled}
    last = 1 if _has_title(document) else 0
    told: set[str] = set()
    for section in titled:
        outer, _, _ = section.number.rstrip(".").rpartition(".")
        above, _, _ = outer.rpartition(".")
        if last and section.level > last + 1:
            yield section, last, section.level
        elif above in numbers and above and outer not in numbers | told:
            told.add(outer)
            yield section, outer.count("."), outer.count(".") + 2
        last = section.level


def _has_title(document: Document) -> bool:
    """Does front matter, which is all that may stand before the first block of a Markdown document, name a title?"""
    parsed = document.parsed
    before = parsed.text[: parsed.blocks[0].start] if parsed.blocks else ""
    return before.startswith("---") and parsed.media_type == MARKDOWN and _TITLE.search(before) is not None


CHECK = Check(
    name="heading-skipped",
    title={"en": "Heading level skipped", "zh": "标题级别跳跃"},
    why="A skipped level breaks the outline that readers, contents pages and screen readers go by.",
    category="structure",
    severity=Severity.WARNING,
    confidence=0.9,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={
        "en": "The heading goes from level {from} to level {to}.",
        "zh": "标题从第 {from} 级直接跳到第 {to} 级。",
    },
    suggestions={"en": "Use the next level, or add the heading between.", "zh": "请使用下一级标题，或补充中间的标题。"},
    flags=(
        "---\ntitle: Doors\n---\n\n### Three\n\nText.",
        "# One\n\nText.\n\n### Three\n\nText.",
        "# 一\n\n正文。\n\n### 三\n\n正文。",
        "# 1 A\n\nText.\n\n## 1.1 B\n\nText.\n\n# 2 C\n\nText.\n\n## 2.1.1 D\n\nText.",
    ),
    passes=(
        "---\ntitle: Doors\n---\n\n## Two\n\nText.",
        "---\nstatus: draft\n---\n\n### Three\n\nText.",
        "# One\n\nText.\n\n## Two\n\nText.\n\n### Three\n\nText.\n\n# Again\n\nText.",
        "# 一\n\n正文。\n\n## 二\n\n正文。",
        "# 1 A\n\nText.\n\n## 1.1 B\n\nText.\n\n### 1.1.1 C\n\nText.\n\n# 3.1 D\n\nText.",
    ),
)
