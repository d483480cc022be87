"""References to sections, tables, figures and anchors that the document does not have."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.model.documents import Severity

_SECTION = re.compile(
    r"(?<![\w.])(?:sections?|chapters?|clauses?)\s+(?P<en>\d+(?:\.\d+)*)(?![\w%])(?!\s+of\s+(?!this))|第\s*(?P<zh>\d+(?:\.\d+)*)\s*[章节節]",
    re.IGNORECASE,
)
_CAPTION = re.compile(r"^\W*(?P<kind>table|figure|fig\.|表|图|圖)\s*(?P<number>\d+(?:[.-]\d+)*)", re.IGNORECASE)
_LISTED = re.compile(
    r"(?<![\w.])(?P<kind>table|figure|fig\.)\s+(?P<number>\d+(?:[.-]\d+)*)(?![\w%])|(?:见|如|参见|詳見|详见)(?P<zh>表|图|圖)\s*(?P<zhnumber>\d+(?:[.-]\d+)*)",
    re.IGNORECASE,
)
_FOREIGN = re.compile(
    r"\b(?:ISO|IEC|IEEE|RFC|NIST|EN|ETSI|ITU|GB/T|Regulation|Directive|Act|\[\w+\])[^.;。；]{0,40}$", re.IGNORECASE
)
_KINDS = {"fig.": "figure", "圖": "figure", "图": "figure", "表": "table"}
_FEWEST = 2  # numbered sections that make a document a numbered one


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _anchors(subject)
    yield from _sections(subject)
    yield from _listed(subject)


def _anchors(subject: Subject) -> Iterator[Finding]:
    parsed = subject.document.parsed
    known = {anchor.casefold() for anchor in parsed.anchors}
    for link in parsed.links:
        if not link.target.startswith("#") or link.image:
            continue
        name = unquote(link.target[1:])
        if name and name.casefold() not in known and name != "top":
            yield Finding(link.start, link.end, {"target": link.target}, Severity.ERROR)


def _sections(subject: Subject) -> Iterator[Finding]:
    """Only where the document numbers its sections, or every reference would be to another document."""
    numbers = {section.number.rstrip(".") for section in subject.document.sections if section.number}
    if len(numbers) < _FEWEST:
        return
    outer = {number.split(".")[0] for number in numbers}
    prefixes = {number[:at] for number in numbers for at in range(len(number) + 1)}
    for prose in subject.prose:
        if prose.block.level:
            continue
        for found in _SECTION.finditer(prose.text):
            number = found["en"] or found["zh"]
            foreign = _FOREIGN.search(prose.text, max(0, found.start() - 60), found.start())
            deeper = number.split(".")[0] in outer and "." in number and not any("." in n for n in numbers)
            if number in prefixes or foreign or deeper:
                continue
            yield prose.finding(*found.span(), {"target": prose.said(*found.span())})


def _listed(subject: Subject) -> Iterator[Finding]:
    """Tables and figures, where the document has captions of that kind at all."""
    captions: set[tuple[str, str]] = set()
    for prose in subject.prose:
        if (caption := _CAPTION.match(prose.text)) is not None:
            captions.add((_kind(caption["kind"]), caption["number"]))
    kinds = {kind for kind, _ in captions}
    for prose in subject.prose:
        for found in _LISTED.finditer(prose.text):
            kind, number = _kind(found["kind"] or found["zh"]), found["number"] or found["zhnumber"]
            if kind in kinds and (kind, number) not in captions and not _FOREIGN.search(prose.text[: found.start()]):
                yield prose.finding(*found.span(), {"target": prose.said(*found.span())})


def _kind(word: str) -> str:
    return _KINDS.get(word.lower(), word.lower())


CHECK = Check(
    name="broken-reference",
    title={"en": "Broken cross-reference", "zh": "失效的交叉引用"},
    why="A reference that leads nowhere keeps back what its reader was meant to know.",
    category="consistency",
    severity=Severity.WARNING,
    worse="an error where a link leads to no heading of the document",
    confidence=0.8,
    scope=Scope.DOCUMENT,
    find=_find,
    messages={"en": "“{target}” is not in this document.", "zh": "文档中不存在“{target}”。"},
    suggestions={"en": "Correct the reference, or add what it names.", "zh": "请更正引用，或补充被引用的内容。"},
    flags=(
        "# Guide\n\nSee [below](#nowhere).",
        "# 1 Purpose\n\nSee section 7.2.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n详见第9章。\n\n# 2 范围\n\n正文。",
        "See Table 5.\n\nTable 1: Limits",
    ),
    passes=(
        "# Guide\n\nSee [below](#the-end).\n\n## The end\n\nDone.",
        "# 1 Purpose\n\nSee section 2.\n\n# 2 Scope\n\nText.",
        "# 1 Purpose\n\nAs ISO 9001 section 7.2 says.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n详见第2章。\n\n# 2 范围\n\n正文。",
        "See Table 1.\n\nTable 1: Limits",
        "# Intro\n\nSee section 7.2 of the manual.",
    ),
)
