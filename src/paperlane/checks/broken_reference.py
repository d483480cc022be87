"""References to sections, tables, figures and anchors that the document does not have."""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.anchors import MARKDOWN, places
from paperlane.checks.numerals import value_of
from paperlane.checks.series import STANDARDS, captioned, captions, ids, kind_of, mentioned
from paperlane.checks.subject import Prose
from paperlane.checks.vocabulary import vocabulary
from paperlane.compiling import later
from paperlane.model.documents import Section, Severity

# a number has two digits at most before its first point: Section 508 is a law's, and so is § 15
_NUMBER = r"\d{1,2}(?:\.\d{1,3})*+(?![\w%]|\.\d)"
_PARTED = r"\d{1,2}(?:\.\d{1,3})++(?![\w%]|\.\d)"
_SECTION = later(  # in lower case
    r"(?!\B\w)(?:"  # inside a word nothing of it begins
    rf"(?<![\w.])(?:(?P<many>(?:sub)?sections|chapters|(?:sub)?clauses|paragraphs)|"
    rf"(?:sub)?section|chapter|(?:sub)?clause|paragraph|sec\.|chap\.|para\.)\s+(?P<en>{_NUMBER})|"
    rf"§§?\s*(?P<sign>{_PARTED})|"
    rf"(?<![\w-])(?:see|refer\s+to|(?:described|defined|specified|given|listed|stated|shown)\s+in|"
    rf"in\s+accordance\s+with)\s+(?P<bared>{_PARTED})(?!\s+[a-z])|"
    r"(?<![\w-])(?:(?:required|prescribed|defined|specified|given|demanded|laid\s+down|set\s+out|explained|detailed|described|listed)\s+"
    r"(?:in|by|under)|(?:requirements?|limits?|rules?|values?|provisions?|conditions?)\s+(?:in|of|under)|according\s+to|as\s+per|pursuant\s+to|"
    rf"subject\s+to|under|comply\s+with|see)\s+(?P<deep>\d{{1,2}}(?:\.\d{{1,3}}){{2,3}}+(?![\w%]|\.\d))|"
    rf"(?:按照?|根据|依据|依照|遵照|符合|满足|参照)\s*(?P<ruled>{_PARTED})(?=\s*(?:的|[节款]|规定|要求|所述|中))|"
    r"第\s*(?P<zh>\d{1,2}(?:\.\d{1,3})*+|[一二三四五六七八九十]{1,3})\s*小?(?P<kind>[章节条款])|"
    rf"(?:[参详]?见|参[考照]|章节|小节)\s*(?P<seen>{_PARTED})|"
    r"(?<![\w.])(?P<bare>\d{1,2}(?:\.\d{1,3})++)\s*小?节)",
    re.ASCII,
)
_FURTHER = later(rf"\s*(?:,\s*(?:and\s+|or\s+)?|and\s+|or\s+|to\s+|[–-]\s*)(?P<en>{_NUMBER})", re.ASCII)
_NAMED = later(r"第\s*(\d+|[零〇一二三四五六七八九十百]+)\s*([章节節条條])")
_BEGINS = later(r"\s*(\d{1,2}(?:\.\d{1,3})++)\.?\s(?!\s*小?[章节])", re.ASCII)
_APPENDIX = later(
    r"(?<![\w.])(?P<kind>(?i:appendix|annex|attachment|schedule|exhibit|enclosure)\s|附[录件表图])\s*(?P<name>[A-Z]|\d{1,2})(?![\w-]|\.\d)",
    re.ASCII,
)
_CAPTION = later(r"^\W*(?P<kind>table|figure|fig\.|listing|表|图)\s*(?P<number>\d+(?:[.-]\d+)*)", re.IGNORECASE)
_TITLED_APPENDIX = later(  # in the midst of a block, as in a cell of a sheet
    r"^[ \t]*(?:[一-龥]{0,4}|(?i:example|sample|see)\s+)(?P<kind>(?i:appendix|annex)\s|"
    r"附[录件表图])\s*(?P<name>[A-Z]|\d{1,2})\s*[-–—:：．]\s*\S",
    re.ASCII | re.MULTILINE,
)
_LISTED = later(  # in lower case
    r"(?<![\w.])(?P<kind>table|figure|fig\.|listing)(?:s(?=\s+[\d.-]+\s*(?:,|and\b|or\b|to\b|–|-)))?\s+(?P<number>\d+(?:[.-]\d+)*+)(?![\w%])|"
    r"(?:(?<![\u3400-\u9fff])|(?<=[见如照据按在由与和及合于从对循示看考下上、]))"
    r"(?P<zh>表|图)\s*(?P<zhnumber>\d+(?:[.-]\d+)*+)(?![\w%．.]|\s?[个张只台份种家块次层年月日元])",
    re.ASCII,
)
_LOST = later(
    r"Error! (?:Reference source not found|Bookmark not defined|No text of specified style in document)\.?|"
    r"错误[!！] ?(?:未找到引用源|未定义书签|文档中没有指定样式的文字)。?|錯誤[!！] ?(?:找不到參照來源|尚未定義書籤)。?|"
    r"(?:\b(?:section|chapter|figure|fig\.|table|appendix|equation|page)\s+|[章节图表页]\s*)\?\?(?!\?)|第\s*\?\?\s*[章节页]",
    re.IGNORECASE,
)
_PAGE = later(
    r"(?<![\w.])(?:see|on|refer\s+to)\s+page\s+(?P<en>\d{1,5})(?!\w)|[见在]第?\s*(?P<zh>\d{1,5})\s*页", re.IGNORECASE
)
_NOTE = later(r"\[\^(?P<label>[^\]\s]++)\](?!:)")
_NOTED = later(r"^[ \t>]*\[\^(?P<label>[^\]\s]++)\]:", re.MULTILINE)
_TITLED = later(
    r"\b(?:see|refer\s+to|in|under)\s+(?:the\s+)?(?:(?:section|chapter|appendix)\s+(?:on\s+|titled\s+|called\s+)?"
    r"[\"“](?P<en>[^\"“”\n]{3,60})[\"”]|[\"“](?P<before>[^\"“”\n]{3,60})[\"”]\s+(?:section|chapter)\b)|"
    r"(?:[参详]?见|参[考照])(?:本文)?[“「\"](?P<zh>[^“”「」\"\n]{2,30})[”」\"]\s*(?:一|小|章)?[章节]",
    re.IGNORECASE,
)
_FOREIGN = later(
    r"(?:\b(?:ISO|IEC|IEEE|RFC|NIST|EN|ETSI|ITU|Regulation|Directive|Act)\b|GB/T|\[[\w ./-]+\](?!\())[^.;。；]{0,40}$|"
    r"\b(?:[Ss]pecification|[Ss]tandard|[Gg]uide|[Mm]anual|[Hh]andbook|[Bb]ook)s?,?\s+(?:in\s+)?$|"
    r"(?:法|条例|规定|办法|规范|标准|合同|协议|公约|规则|章程)(?:的|（[^）]*）)?\s*$|\ufffc\)\s*$|》[^.;。；]{0,20}$|[\"'”’],\s+(?:in\s+)?$|[”」]\s*$",
    re.ASCII,
)
_OF = later(
    r"(?:\s*\(\w{1,4}\)(?:,|\s+and|\s+or)?){0,4}\s+(?:of|from)\s+(?!this\b|the\s+(?:present|same)\b)|"
    r"\s+in\s+(?:the\s+)?(?:\[|(?:ISO|IEC|IEEE|RFC|NIST|ETSI|ITU)\b|"
    r"[\w.-]+\s+(?:documentation|manual|guide|handbook|specification|standard|book|paper)\b)|\s*\[|\s*\]\s*[(\[]",
    re.ASCII,
)
_SOURCE = later(r"\[[A-Z][\w ./-]*\]|\b(?:ISO|IEC|IEEE|RFC|NIST|ETSI|ITU)\b|《", re.ASCII)
# a noun before an id makes it a name, unless it is a noun for what has ids
_THING = later(
    r"\b(?:[Tt]he|[Aa]n?|[Ee]ach|[Ee]very|[Ii]ts|[Oo]ur|[Tt]his)\s+(?:[a-z-]+\s+){0,2}(?!(?:requirement|constraint|case|test|rule|need|item|point|"
    r"function|story|feature|goal|risk|hazard|interface|id|identifier|statement|entry|row|condition|number|step|scenario|"
    r"specification|issue|ticket|and|or|of|in|to|by|with|from|for|see|per)s?\b)[a-z]{3,}\s+$",
    re.ASCII,
)
_WINDOW = 60  # characters before a reference in which another text may be named
_FEWEST = 2  # numbered sections that make a document a numbered one
_FEWEST_IDS = 3
_FEWEST_TITLES = 3
_SHOWN = ("text/markdown", "text/html", "text/plain")  # what the text of these does not show is not there
_PARTS = frozenset(".:：．、")  # a number from its title


# what a reference has: it is sought only in the blocks that hold it
_PARTED_NUMBER = later(r"[0-9]\.[0-9]")
_OF_SECTIONS = (
    "section", "sections", "subsection", "subsections", "chapter", "chapters", "clause", "clauses", "subclause",
    "subclauses", "paragraph", "paragraphs", "sec", "chap", "para",
)  # fmt: skip
_OF_PARTED = ("see", "refer", "in", "by", "under", "of", "with", "to", "per")
_OF_APPENDICES = ("appendix", "annex", "attachment", "schedule", "exhibit", "enclosure")
_PARTS_OF_IDS = "-_."
_OF_IDS = later(rf"[{_PARTS_OF_IDS}][0-9]")
_OF_TITLES = ("section", "chapter", "appendix")


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _anchors(subject)
    yield from _lost(subject)
    yield from _sections(subject)
    yield from _appendices(subject)
    yield from _listed(subject)
    yield from _titled(subject)
    yield from _ids(subject)


def _anchors(subject: Subject) -> Iterator[Finding]:
    parsed = subject.document.parsed
    known = {anchor.casefold() for anchor in parsed.anchors}
    for link, name in places(parsed):
        if name.casefold() not in known and name != "top":
            yield Finding(link.start, link.end, {"target": link.target}, Severity.ERROR)


class _Numbers:
    """How a document numbers its sections: 3.2, or 第三章.

    A block that begins with a number, one of those `parted`, may be a heading that was not seen as one. Where no
    heading is numbered, a program may number them when it shows them; then there is what counting them gives, with or
    without a title above.
    """

    def __init__(self, sections: Sequence[Section], parted: Sequence[Prose]) -> None:
        dotted = {section.number.rstrip(".") for section in sections if section.number[:1].isdecimal()}
        begun = {found[1] for prose in parted if (found := _BEGINS.match(prose.text))}
        parts = {number[:at] for number in dotted | begun for at in _ends(number)}
        named = {(_kind(found[2]), value_of(found[1])) for one in sections if (found := _NAMED.match(one.number))}
        self._flat = not any("." in number for number in dotted)
        self._dotted: Collection[str] = parts if len(dotted) >= _FEWEST else set()
        self._named: Collection[tuple[str, int]] = named if len(named) >= _FEWEST else set()
        titled = [section for section in sections if section.heading >= 0]
        plain = len(titled) >= _FEWEST_TITLES and len(dotted) < _FEWEST and not named
        self.counted: Collection[str] = {*_counted(titled), *parts} if plain else set()

    def hold(self, number: str, kind: str) -> bool:
        """Is there such a section, or may there be?"""
        number = number.removesuffix(".0")
        outer, _, inner = number.partition(".")
        if not inner and any(kind == other for other, _ in self._named):
            return (kind, value_of(number)) in self._named
        if kind in {"条", "款"} and "." not in number:
            return kind == "款" or len(self._dotted) + len(self.counted) < _FEWEST or bool(self._named)
        if not number[0].isdecimal():
            number = str(value_of(number))
        if self.counted and number[0].isdecimal():
            return number in self.counted
        if not self._dotted or not number[0].isdecimal():
            return True
        number = number.removesuffix(".0")  # which some write for a section 2
        return number in self._dotted or (self._flat and bool(inner) and outer in self._dotted)


def _counted(sections: Sequence[Section]) -> Collection[str]:
    """The numbers that headings would have."""
    numbers: set[str] = set()
    top = min(section.level for section in sections)
    for first in (top, top + 1):
        counts: list[int] = []
        for section in sections:
            depth = section.level - first
            if depth < 0:
                counts = []
                continue
            counts = [*counts[: depth + 1], *[0] * (depth + 1 - len(counts))]
            counts[-1] += 1
            numbers.add(".".join(map(str, counts)))
    outer = max(sum(section.level == level for section in sections) for level in (top, top + 1))
    return numbers | {str(number) for number in range(1, outer + 1)}


def _ends(number: str) -> Iterator[int]:
    """Where each of its parts ends: a section 3.2.1 is part of 3.2 and of 3."""
    return (found.end() for found in re.finditer(r"\d+", number))


def _sections(subject: Subject) -> Iterator[Finding]:
    reading = subject.reading
    parted = reading.matching(_PARTED_NUMBER)
    numbers = _Numbers(subject.document.sections, reading.at(parted))
    for prose in reading.at(_naming_sections(subject, parted)):
        for found in _SECTION.finditer(prose.low) if not prose.block.level else ():
            places = list(_places(prose.text, found))
            if _foreign(prose.text, found.start(), places[-1][1]):
                continue
            if numbers.counted and _SOURCE.search(prose.text) is not None:
                continue
            for start, end, number in places:
                if not numbers.hold(number, found["kind"] or ""):
                    yield prose.finding(start, end, {"target": prose.said(start, end)})


def _naming_sections(subject: Subject, parted: AbstractSet[int]) -> AbstractSet[int]:
    """The blocks in which one may be named: by its kind and a number, or by a number of several parts alone."""
    reading, words = subject.reading, vocabulary(subject)
    alone = parted & (words.naming(*_OF_PARTED) | reading.holding(*"按据依遵符满参见章节"))
    return reading.numbered & (words.naming(*_OF_SECTIONS) | reading.holding("第", "§") | alone)


def _places(text: str, found: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """Each section that a reference names, as in "sections 2, 3 and 9"."""
    number = next(
        filter(None, (found[name] for name in ("en", "sign", "bared", "deep", "ruled", "zh", "seen", "bare")))
    )
    yield found.start(), found.end(), number
    end = found.end()
    while (further := _FURTHER.match(text, end)) is not None and (found["many"] or "." in further["en"]):
        yield further.start("en"), further.end(), further["en"]
        end = further.end()


def _foreign(text: str, start: int, end: int) -> bool:
    """Is the section one of another text, named before it or after?"""
    return _FOREIGN.search(text, max(0, start - _WINDOW), start) is not None or _OF.match(text, end) is not None


def _lost(subject: Subject) -> Iterator[Finding]:
    """What programs write where they found nothing, pages behind the last one, and notes that are not there."""
    parsed = subject.document.parsed
    marked = parsed.media_type == MARKDOWN
    notes = {found["label"] for found in _NOTED.finditer(parsed.text)} if marked and "[^" in parsed.text else set()
    reading = subject.reading
    for prose in reading.at(reading.holding("??", "!", "！")):
        for found in _LOST.finditer(prose.text):
            yield prose.finding(*found.span(), {"target": prose.said(*found.span())}, Severity.ERROR)
    for prose in reading.at(vocabulary(subject).naming("page") | reading.holding("页")) if parsed.pages else ():
        for found in _PAGE.finditer(prose.text):
            if int(found["en"] or found["zh"]) > parsed.pages and not _foreign(prose.text, *found.span()):
                yield prose.finding(*found.span(), {"target": prose.said(*found.span())})
    for prose in reading.at(reading.holding("[^")) if notes else ():
        for found in _NOTE.finditer(prose.text):
            if found["label"] not in notes:
                yield prose.finding(*found.span(), {"target": found[0]})


_ALWAYS_HERE = ("appendix", "annex", "附录")  # an attachment is often another file


def _appendices(subject: Subject) -> Iterator[Finding]:
    """Appendices, where a block begins with one of that kind, or where a document of sections has none."""
    reading = subject.reading
    hinted = reading.at(vocabulary(subject).naming(*_OF_APPENDICES) | reading.holding("附"))
    begun = [
        found
        for prose in hinted
        if (found := _APPENDIX.match(prose.text, _indent(prose.text))) and not _is_sentence(prose, found.end())
    ]
    titles = (found for prose in hinted for found in _TITLED_APPENDIX.finditer(prose.text))
    known = {(found["kind"].strip().lower(), found["name"]) for found in (*begun, *titles)}
    kinds = {kind for kind, _ in known}
    titled = sum(section.heading >= 0 for section in subject.document.sections) >= _FEWEST_TITLES
    for prose in hinted:
        for found in _APPENDIX.finditer(prose.text):
            kind = found["kind"].strip().lower()
            told = kind in kinds or (
                titled and (not kinds or kind in _ALWAYS_HERE) and _SOURCE.search(prose.text) is None
            )
            if told and (kind, found["name"]) not in known and not _foreign(prose.text, *found.span()):
                yield prose.finding(*found.span(), {"target": prose.said(*found.span())})


def _is_sentence(prose: Prose, end: int) -> bool:
    """Does what begins a block say something, rather than being a title?"""
    text = prose.text.rstrip()
    return (
        not prose.block.level and text.endswith((".", "。")) and text[end : end + 1] not in {".", ":", "：", "．", "、"}
    )


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _listed(subject: Subject) -> Iterator[Finding]:
    """Tables and figures, where the document has captions of that kind, or would show them if it had."""
    shown = subject.document.parsed.media_type in _SHOWN
    tables = max((block.table for block in subject.document.parsed.blocks), default=0)
    known: set[tuple[object, str]] = set()
    hinted = captioned(subject)
    for prose in hinted:
        if (caption := _CAPTION.match(prose.text)) is not None and not _is_sentence(prose, caption.end()):
            known.add((kind_of(caption["kind"]), caption["number"]))
    for one in captions(subject):
        known.add((one.series[0], f"{one.series[1]}{one.own}"))
    kinds = {kind for kind, _ in known}
    for prose in hinted:
        for found in _LISTED.finditer(prose.low):
            kind, number = kind_of(found["kind"] or found["zh"]), found["number"] or found["zhnumber"]
            # without any caption a program may show numbers that are not in the text, one for each table
            told = kind in kinds or shown or int(re.split(r"\D", number)[0]) > tables
            if told and (kind, number) not in known and not _foreign(prose.text, *found.span()):
                yield prose.finding(*found.span(), {"target": prose.said(*found.span())})


def _titled(subject: Subject) -> Iterator[Finding]:
    """Sections that are named by their titles in quotation marks."""
    titles = [" ".join(section.path[-1].casefold().split()) for section in subject.document.sections if section.path]
    if len(titles) < _FEWEST_TITLES:
        return
    reading = subject.reading
    quoted = reading.holding('"', "“", "「") & (vocabulary(subject).naming(*_OF_TITLES) | reading.holding("见", "参"))
    for prose in reading.at(quoted):
        for found in _TITLED.finditer(prose.text):
            name = next(filter(None, found.groups()))
            wanted = " ".join(name.casefold().split()).strip(" .,")
            if not any(wanted in title for title in titles) and not _foreign(prose.text, *found.span()):
                yield prose.finding(*found.span(), {"target": prose.said(*found.span())})


def _ids(subject: Subject) -> Iterator[Finding]:
    """Ids of a series that the document defines, but not this one."""
    defined: dict[str, set[str]] = {}
    for found in ids(subject).values():
        for one in found:
            defined.setdefault(one.stem, set()).add(one.text)
    series = {
        stem: sorted(texts)
        for stem, texts in defined.items()
        if len(texts) >= _FEWEST_IDS and stem[-1] in _PARTS_OF_IDS and stem[:-1] not in STANDARDS
    }
    shortest = {stem: min(map(len, texts)) for stem, texts in series.items()}
    reading = subject.reading
    for prose in reading.at(reading.matching(_OF_IDS)) if series else ():
        for found in mentioned(prose):
            # KX-4 beside KX-101 is a name, and so is "the camera KX-4"
            known = series.get(found["stem"])
            if known is None or len(found[0]) < shortest[found["stem"]] or _begins_one(found[0], known):
                continue
            if _THING.search(prose.text, max(0, found.start() - _WINDOW), found.start()) is None:
                yield prose.finding(*found.span(), {"target": found[0]})


def _begins_one(text: str, known: Sequence[str]) -> bool:
    """Is it one of these texts, which are sorted, or the beginning of one?"""
    at = bisect_left(known, text)
    return at < len(known) and known[at].startswith(text)


def _kind(word: str) -> str:
    return {"節": "节", "條": "条"}.get(word, word)


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
        "# 1 A\n\nIt stops as required by 9.2.1.\n\n# 2 B\n\n## 2.1 C",
        "# 1 A\n\nThe values of Tables 8 and 9 apply.\n\n# 2 B\n\nTable 1: Limits",
        "# Guide\n\nSee [below](#nowhere).",
        "# Guide\n\nSee [below][end].\n\n[end]: #nowhere 'The end'",
        "# Guide\n\nSee [below](#nowhere\n'The end').",
        "# 1 Purpose\n\nSee section 7.2.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n详见第9章。\n\n# 2 范围\n\n正文。",
        "See Table 5.\n\nTable 1: Limits",
        "# 1 Purpose\n\nSee sections 2 and 9.\n\n# 2 Scope\n\nText.",
        "# 1 Purpose\n\nSee §4.2, or Sec. 8.\n\n# 2 Scope\n\nText.",
        "# 第一章 目的\n\n详见第九章。\n\n# 第二章 范围\n\n正文。",
        "# 第一節 目的\n\n詳見第九節。\n\n# 第二節 範圍\n\n正文。",
        "# 1 目的\n\n参见5.3 节。\n\n# 2 范围\n\n正文。",
        "See Appendix Z.\n\n# Appendix A\n\nText.",
        "# Purpose\n\nAnnex Q lists the oils.\n\n# Scope\n\nText.\n\n# Terms\n\nText.",
        "# 1 目的\n\n详见第二十三章。\n\n# 2 范围\n\n正文。",
        "# 1 目的\n\n颜色应符合表 41。\n\n# 2 范围\n\n正文。",
        "# Purpose\n\nSee Appendix B.\n\n# Scope\n\nText.\n\n# Terms\n\nText.",
        "详见附录C。\n\n# 附录A 术语\n\n正文。",
        "The limits are given in Error! Reference source not found.",
        "详见错误!未找到引用源。",
        "The layout is shown in Figure ??.",
        "# 1 Purpose\n\nLimits are described in 4.2.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n限值参见4.2，另见第 9.1 小节。\n\n# 2 范围\n\n正文。",
        "# Purpose\n\nSee section 7.2.\n\n# Scope\n\nText.\n\n# Limits\n\nText.",
        "# Purpose\n\nThe door closes.[^9]\n\n[^1]: A note.",
        "REQ-1 It opens.\n\nREQ-2 It closes.\n\nREQ-3 It locks, see REQ-7.",
        "需求-1 可以打开。\n\n需求-2 可以关闭。\n\n需求-3 可以上锁，依赖 需求-8。",
        "As Figure 7 shows, the door opens.",
        '# Purpose\n\nSee section "Limits of doors".\n\n# Scope\n\nText.\n\n# Terms\n\nText.',
        "# 目的\n\n详见“门的限值”一节。\n\n# 范围\n\n正文。\n\n# 术语\n\n正文。",
    ),
    passes=(
        "# A\n\n见附录 1。\n\n# B\n\n示例附录 1 - 角色\n\n# C\n\n正文。",
        "KX-1 It opens.\n\nKX-2 It closes.\n\nKX-3 It locks.\n\nThe small camera KX-4 is black.",
        "# Guide\n\nSee [below](#the-end).\n\n## The end\n\nDone.",
        "# The end_time\n\nSee [it](#the-end\\_time), [it][a], and [its lines](#L3-L8).\n\n[a]: #the-end_time",
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
        "# Purpose\n\nSee Annex I (9) and (10) of the act.\n\n# Scope\n\nText.\n\n# Terms\n\nText.",
        "# Purpose\n\nSee section 1.\n\n# Scope\n\nText.\n\n# Limits\n\nText.",
        "# Purpose\n\nAs [HAIP] says in section 7.2.\n\n# Scope\n\nText.\n\n# Limits\n\nText.",
        "# 1 Purpose\n\nSee [section 7.2](https://example.org/a).\n\n# 2 Scope\n\nText.",
        "# Purpose\n\nThe door closes.[^1]\n\n[^1]: A note.",
        "REQ-1 It opens.\n\nREQ-2 It closes.\n\nREQ-3 It locks, see REQ-1 and UTF-8.",
        "IP-101 It opens.\n\nIP-102 It closes.\n\nIP-103 The IP-4 locks.",
        "# 1 目的\n\n仪表 3 只，代表 5 人。\n\n# 2 范围\n\n正文。",
        '# Purpose\n\nSee section "Terms".\n\n# Scope\n\nText.\n\n# Terms of use\n\nText.',
        "# 目的\n\n详见“术语”一节。\n\n# 范围\n\n正文。\n\n# 术语\n\n正文。",
    ),
)
