"""References to sections, tables, figures and anchors that the document does not have."""

import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import unquote

from paperlane.checks import SOUND, Check, Finding, Prose, Scope, Subject
from paperlane.checks.numerals import value_of
from paperlane.model.documents import Section, Severity

# a number has two digits at most before its first point: Section 508 is a law's, and so is § 15
_NUMBER = r"\d{1,2}(?:\.\d{1,3})*+(?![\w%]|\.\d)"
_SECTION = re.compile(
    rf"(?<![\w.])(?:(?P<many>sections|chapters|clauses)|section|chapter|clause|sec\.|chap\.)\s+(?P<en>{_NUMBER})|"
    rf"§\s*(?P<sign>\d{{1,2}}(?:\.\d{{1,3}})++(?![\w%]))|"
    r"第\s*(?P<zh>\d{1,2}(?:\.\d{1,3})*+|[一二三四五六七八九十]{1,3})\s*(?P<kind>[章节])|"
    r"(?<![\w.])(?P<bare>\d{1,2}(?:\.\d{1,3})++)\s*节",
    re.IGNORECASE | re.ASCII,
)
_FURTHER = re.compile(rf"\s*(?:,\s*(?:and\s+|or\s+)?|and\s+|or\s+|to\s+|[–-]\s*)(?P<en>{_NUMBER})", re.ASCII)
_NAMED = re.compile(r"第\s*(\d+|[零〇一二三四五六七八九十百]+)\s*([章节節])")
_BEGINS = re.compile(r"\s*(\d{1,2}(?:\.\d{1,3})++)\.?\s", re.ASCII)
_APPENDIX = re.compile(
    r"(?<![\w.])(?P<kind>(?i:appendix|annex)\s|附录)\s*(?P<name>[A-Z]|\d{1,2})(?![\w-]|\.\d)", re.ASCII
)
_CAPTION = re.compile(r"^\W*(?P<kind>table|figure|fig\.|表|图)\s*(?P<number>\d+(?:[.-]\d+)*)", re.IGNORECASE)
_LISTED = re.compile(
    r"(?<![\w.])(?P<kind>table|figure|fig\.)\s+(?P<number>\d+(?:[.-]\d+)*+)(?![\w%])|"
    r"(?:见|如|参见|详见)(?P<zh>表|图)\s*(?P<zhnumber>\d+(?:[.-]\d+)*+)",
    re.IGNORECASE | re.ASCII,
)
_FOREIGN = re.compile(
    r"(?:\b(?:ISO|IEC|IEEE|RFC|NIST|EN|ETSI|ITU|Regulation|Directive|Act)\b|GB/T|\[[\w -]+\](?!\())[^.;。；]{0,40}$|"
    r"》[^.;。；]{0,20}$|[\"'”’],\s+(?:in\s+)?$|[”」]\s*$",
    re.ASCII,
)
_OF = re.compile(
    r"\s+(?:of|from)\s+(?!this\b|the\s+(?:present|same)\b)|\s+in\s+(?:the\s+)?(?:\[|(?:ISO|IEC|IEEE|RFC|NIST|ETSI|ITU)\b)|\s*\[",
    re.ASCII,
)
_WINDOW = 60  # characters before a reference in which another text may be named
_KINDS = {"fig.": "figure", "图": "figure", "表": "table", "節": "节"}
_FEWEST = 2  # numbered sections that make a document a numbered one


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _anchors(subject)
    yield from _sections(subject)
    yield from _appendices(subject)
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


class _Numbers:
    """How a document numbers its sections: 3.2, or 第三章. Where it numbers none of a kind, nobody can tell.

    A block that begins with a number may be a heading that was not seen as one.
    """

    def __init__(self, sections: Sequence[Section], blocks: Sequence[Prose]) -> None:
        dotted = {section.number.rstrip(".") for section in sections if section.number[:1].isdecimal()}
        begun = {found[1] for prose in blocks if (found := _BEGINS.match(prose.text))}
        parts = {number[:at] for number in dotted | begun for at in _ends(number)}
        named = {(_kind(found[2]), value_of(found[1])) for one in sections if (found := _NAMED.match(one.number))}
        self._flat = not any("." in number for number in dotted)
        self._dotted: Collection[str] = parts if len(dotted) >= _FEWEST else set()
        self._named: Collection[tuple[str, int]] = named if len(named) >= _FEWEST else set()

    def hold(self, number: str, kind: str) -> bool:
        """Is there such a section, or may there be?"""
        outer, _, inner = number.partition(".")
        if not inner and any(kind == other for other, _ in self._named):
            return (kind, value_of(number)) in self._named
        if not self._dotted or not number[0].isdecimal():
            return True
        number = number.removesuffix(".0")  # which some write for a section 2
        return number in self._dotted or (self._flat and bool(inner) and outer in self._dotted)


def _ends(number: str) -> Iterator[int]:
    """Where each of its parts ends: a section 3.2.1 is part of 3.2 and of 3."""
    return (found.end() for found in re.finditer(r"\d+", number))


def _sections(subject: Subject) -> Iterator[Finding]:
    numbers = _Numbers(subject.document.sections, subject.prose)
    for prose in subject.prose:
        for found in _SECTION.finditer(prose.text) if not prose.block.level else ():
            places = list(_places(prose.text, found))
            if _foreign(prose.text, found.start(), places[-1][1]):
                continue
            for start, end, number in places:
                if not numbers.hold(number, found["kind"] or ""):
                    yield prose.finding(start, end, {"target": prose.said(start, end)})


def _places(text: str, found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """Each section that a reference names, as in "sections 2, 3 and 9"."""
    yield found.start(), found.end(), found["en"] or found["sign"] or found["zh"] or found["bare"]
    end = found.end()
    while found["many"] and (further := _FURTHER.match(text, end)) is not None:
        yield further.start("en"), further.end(), further["en"]
        end = further.end()


def _foreign(text: str, start: int, end: int) -> bool:
    """Is the section one of another text, named before it or after?"""
    return _FOREIGN.search(text, max(0, start - _WINDOW), start) is not None or _OF.match(text, end) is not None


def _appendices(subject: Subject) -> Iterator[Finding]:
    """Appendices, where a block begins with one of that kind."""
    begun = [found for prose in subject.prose if (found := _APPENDIX.match(prose.text, _indent(prose.text)))]
    known = {(found["kind"].strip().lower(), found["name"]) for found in begun}
    kinds = {kind for kind, _ in known}
    for prose in subject.prose:
        for found in _APPENDIX.finditer(prose.text):
            kind = found["kind"].strip().lower()
            missing = kind in kinds and (kind, found["name"]) not in known
            if missing and not _foreign(prose.text, *found.span()):
                yield prose.finding(*found.span(), {"target": prose.said(*found.span())})


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


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
            if kind in kinds and (kind, number) not in captions and not _foreign(prose.text, *found.span()):
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
    profiles=SOUND,
    messages={"en": "“{target}” is not in this document.", "zh": "文档中不存在“{target}”。"},
    suggestions={"en": "Correct the reference, or add what it names.", "zh": "请更正引用，或补充被引用的内容。"},
    flags=(
        "# Guide\n\nSee [below](#nowhere).",
        "# 1 Purpose\n\nSee section 7.2.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n详见第9章。\n\n# 2 范围\n\n正文。",
        "See Table 5.\n\nTable 1: Limits",
        "# 1 Purpose\n\nSee sections 2 and 9.\n\n# 2 Scope\n\nText.",
        "# 1 Purpose\n\nSee §4.2, or Sec. 8.\n\n# 2 Scope\n\nText.",
        "# 第一章 目的\n\n详见第九章。\n\n# 第二章 范围\n\n正文。",
        "# 第一節 目的\n\n詳見第九節。\n\n# 第二節 範圍\n\n正文。",
        "# 1 目的\n\n参见5.3 节。\n\n# 2 范围\n\n正文。",
        "See Appendix Z.\n\n# Appendix A\n\nText.",
        "详见附录C。\n\n# 附录A 术语\n\n正文。",
    ),
    passes=(
        "# Guide\n\nSee [below](#the-end).\n\n## The end\n\nDone.",
        "# 1 Purpose\n\nSee section 2.\n\n# 2 Scope\n\nText.",
        "# 1 Purpose\n\nAs ISO 9001 section 7.2 says.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n详见第2章。\n\n# 2 范围\n\n正文。",
        "# 1 Purpose\n\nSee section 2.0.\n\n## 1.1 Aim\n\nText.\n\n# 2 Scope\n\nText.",
        "See Table 1.\n\nTable 1: Limits",
        "# Intro\n\nSee section 7.2 of the manual.",
        "# 1 Purpose\n\nSee sections 4.10.22.6 and 4.10.23.1 of the HTML standard.\n\n# 2 Scope\n\nText.",
        "# 1 Purpose\n\nSee section 7 of [RFC 1234], Section 508, and 'Design', Chapter 13.\n\n# 2 Scope\n\nText.",
        "# 第一章 目的\n\n参见《软件工程》第12章，以及第二章。\n\n# 第二章 范围\n\n正文。",
        "See Appendix A, and Annex I.\n\n# Appendix A\n\nText.",
    ),
)
