"""Headings that skip a level: a third-level one right below a first-level one."""

from collections.abc import Iterator

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.model.documents import Severity


def _find(subject: Subject) -> Iterator[Finding]:
    """The first of each kind: where a document skips a level as a habit, one issue says so."""
    last = 0
    told: set[tuple[int, int]] = set()
    for section in subject.document.sections:
        if section.heading < 0:
            continue
        if last and section.level > last + 1 and (last, section.level) not in told:
            told.add((last, section.level))
            block = subject.document.parsed.blocks[section.heading]
            yield Finding(block.start, block.end, {"from": str(last), "to": str(section.level)})
        last = section.level


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
    flags=("# One\n\nText.\n\n### Three\n\nText.", "# 一\n\n正文。\n\n### 三\n\n正文。"),
    passes=(
        "# One\n\nText.\n\n## Two\n\nText.\n\n### Three\n\nText.\n\n# Again\n\nText.",
        "# 一\n\n正文。\n\n## 二\n\n正文。",
    ),
)
