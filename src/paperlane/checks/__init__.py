"""Asking questions of documents: one check a file, each with its own examples.

A check finds places; the framework makes issues of them, so that every quote stands at its place.
"""

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from itertools import accumulate
from operator import itemgetter
from pkgutil import iter_modules
from typing import Any

from paperlane.checks.compiling import later
from paperlane.checks.obligations import OF_ADVICE, Clause, duties, obliges
from paperlane.checks.sentences import clauses, sentences
from paperlane.errors import BadRequest
from paperlane.model.documents import (
    CONTEXT,
    WORKBOOK,
    Block,
    BlockKind,
    Brief,
    Document,
    Issue,
    Language,
    Location,
    Passage,
    Section,
    Severity,
)

_LETTERS = 26
_SPACE = later(r"\s+")
_LONGEST_NAME = 60  # characters of an unknown name that are told
_AROUND = 300  # characters of a long sentence on each side that a fingerprint looks at


class Scope(StrEnum):
    """How much of a document a check must see at once."""

    PASSAGE = "passage"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that a check found, in characters of the document's text; `params` fill the check's sentences.

    `anywhere` says that the place is one of several where the same fault could have been found.
    """

    start: int
    end: int
    params: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    anywhere: bool = False


def lowered(text: str) -> str:
    """A text in lower case and as long, so that places are the same."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(letter.lower()[0] for letter in text)


@dataclass(frozen=True)
class Prose:
    """A block of prose as the patterns of checks read it.

    In `text` code and addresses are blanked out, traditional characters stand as simplified ones, and a line break
    inside a Chinese sentence is left out. `written` is as long, in the document's own characters. `lines` tells where
    each of the joined lines begins: in `text`, and in the document. `lead` is the text, in lower case, that introduces
    the list in which the block is an item, "" elsewhere.
    """

    block: Block
    text: str
    written: str
    lines: Sequence[tuple[int, int]]
    lead: str = ""

    @cached_property
    def chinese(self) -> bool:
        """Is there a Chinese character in it?"""
        return not self.text.isascii() and _HAN.search(self.text) is not None

    @cached_property
    def low(self) -> str:
        """The text in lower case, for English patterns; its places are the same."""
        return lowered(self.text)

    @cached_property
    def clauses(self) -> Sequence[tuple[int, int]]:
        """The spans of its clauses in `text`."""
        return clauses(self.text)

    @cached_property
    def duties(self) -> Sequence[Clause]:
        """Its clauses that oblige somebody; a heading has none."""
        if self.block.level or not obliges(self.low, self.lead):
            return ()
        return duties(self.low, self.clauses, self.lead)

    def finding(
        self, start: int, end: int, params: Mapping[str, str] | None = None, severity: Severity | None = None
    ) -> Finding:
        """What a check found at `text[start:end]`, at its place in the document."""
        return Finding(self._place(start), self._place(end - 1) + 1, params or {}, severity)

    def said(self, start: int, end: int) -> str:
        """What stands at `text[start:end]` in the document's characters, on one line."""
        return " ".join(self.written[start:end].split())

    def _place(self, at: int) -> int:
        begin, place = self.lines[bisect_right(self.lines, at, key=itemgetter(0)) - 1]
        return place + at - begin


class Reading:
    """All prose of a document, to look at once for what few of its blocks hold. Blocks have numbers from 0."""

    def __init__(self, prose: Sequence[Prose]) -> None:
        self.prose = prose
        self.starts = [one.block.start for one in prose]
        self._held: dict[Sequence[str], Sequence[int]] = {}

    @cached_property
    def obliging(self) -> Sequence[int]:
        """The numbers of the blocks that oblige somebody."""
        led = (number for number, prose in enumerate(self.prose) if prose.lead)
        return [number for number in sorted({*self.holding(OF_ADVICE), *led}) if self.prose[number].duties]

    def holding(self, words: Sequence[str]) -> Sequence[int]:
        """The numbers of the blocks that hold one of these words, given in lower case."""
        if words not in self._held:
            self._held[words] = sorted({number for word in words for number in self._places(word)})
        return self._held[words]

    def _places(self, word: str) -> Iterator[int]:
        low, begins = self._low
        at = low.find(word)
        while at >= 0:
            number = bisect_right(begins, at)
            yield number - 1
            at = low.find(word, begins[number]) if number < len(begins) else -1

    @cached_property
    def _low(self) -> tuple[str, Sequence[int]]:
        """All of it in lower case, each block on lines of its own, and where they begin."""
        blocks = [prose.low for prose in self.prose]
        return "\n".join(blocks), [0, *accumulate(len(block) + 1 for block in blocks[:-1])]


@dataclass(frozen=True)
class Subject:
    """What a check looks at: a document, and the blocks `first` to `last` of it.

    What is a part `of` the whole shares its reading, which is done once.
    """

    document: Document
    first: int
    last: int
    of: "Subject | None" = None

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What one check found out about all of it and others want too, by a name."""
        return {}

    @cached_property
    def reading(self) -> Reading:
        """All prose of the document."""
        if self.of is not None:
            return self.of.reading
        blocks = self.document.parsed.blocks[self.first : self.last]
        return Reading(list(_written_for_people(self.document.text, blocks)))

    @cached_property
    def prose(self) -> Sequence[Prose]:
        """The blocks that are written for people, headings included."""
        return self.reading.prose[self._begin : self._end]

    @cached_property
    def obliging(self) -> Sequence[Prose]:
        """The blocks with clauses that oblige somebody."""
        return self._own(self.reading.obliging)

    @property
    def duties(self) -> Iterator[tuple[Prose, Clause]]:
        """These clauses, each with its block."""
        return ((prose, clause) for prose in self.obliging for clause in prose.duties)

    def holding(self, *words: str) -> Sequence[Prose]:
        """The blocks that hold one of these words, given in lower case."""
        return self._own(self.reading.holding(words))

    def _own(self, numbers: Sequence[int]) -> Sequence[Prose]:
        """Of the blocks of these numbers, which rise, its own."""
        prose = self.reading.prose
        begin, end = bisect_left(numbers, self._begin), bisect_left(numbers, self._end)
        return [prose[number] for number in numbers[begin:end]]

    @cached_property
    def _begin(self) -> int:
        return self._number(self.first)

    @cached_property
    def _end(self) -> int:
        return self._number(self.last)

    def _number(self, at: int) -> int:
        """The number of the block of prose that is a block of the document, or the next one."""
        blocks = self.document.parsed.blocks
        place = blocks[at].start if at < len(blocks) else len(self.document.text)
        return bisect_left(self.reading.starts, place)


def _written_for_people(text: str, blocks: Iterable[Block]) -> Iterator[Prose]:
    """Each block that is no code; what ends in a colon before the items of a list is their lead."""
    lead = ""
    for block in blocks:
        if block.kind is BlockKind.CODE:
            continue
        item = block.kind is BlockKind.LIST_ITEM
        prose = _prose(text[block.start : block.end], block, lead if item else "")
        if not item:
            lead = prose.low if prose.text[-8:].rstrip("*_ \t\r\n").endswith((":", "：")) else ""
        yield prose


_HAN = later(r"[\u3400-\u9fff]")
# an address begins at a border and gives nothing back, or a long word without one would take its length squared
_ADDRESS = later(
    r"(?:https?://|www\.|mailto:)[^\s<>()\[\]（）【】，。；]+|(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.]+|"
    r"(?<![\w./-])(?:[\w.-]*+/){2,}[\w.-]+",
    re.ASCII,
)
_MARGIN = later(r"(?<=\n)[ \t]*>[> \t]*")  # of a quoted block
_BROKEN = later(r"(?<=[\u3400-\u9fff])[ \t]*+\r?\n[ \t]*+(?=[\u3400-\u9fff])")
_BLANK = "\ufffc"  # what stands for an object in text: neither a word nor a space

# Patterns are written in simplified Chinese with plain spaces. One character stands for one, so no place moves; only
# those that the patterns use are here.
_READ_AS = str.maketrans(
    "萬與業丟兩嚴個箇為麼義習爭於產億僅從們價眾優會體儲剋關茲內寫決況準幾齣則剛別彆製辦務區韆昇陞協單佔壓釐參蔘發髮變"
    "隻檯臺颱號閤衕後嚮曏噸員週響迴團糰圍圖場塊壯聲處備復複夠頭學實寬對壽將爾儘盡侷層屆屬佈帶幫冪乾幹榦並併庫應開異彈"
    "強歸噹當彔錄徑態總慣戶執擴護擁據攜攝數無時顯暫朮術機來極構標覈檔檢歐沒註潔溫溼濕滿潛靈點狀環現電暢蓋盤碼確離種積"
    "穩簡類係繫約級組細織終經結給絕統續維編緣縫網緻節範葯藥營慮補錶裝見觀規視計認討許論設証證評話該詳誤說請諸讀貝質購"
    "費資輪軟較邊達過運還這進遲適埰寀採裡鍾鐘錯長門問間閱閾隊際麵頁項順須鬚顧頓預領頻額風飛馬驗魯齡\xa0\u3000"
    "換連線輸啟閉鑰訊選擇題權觸測試鏈鎖餘緩衝鍵聯熱燈顏裏買貨訂記詢調",
    "万与业丢两严个个为么义习争于产亿仅从们价众优会体储克关兹内写决况准几出则刚别别制办务区千升升协单占压厘参参发发变"
    "只台台台号合同后向向吨员周响回团团围图场块壮声处备复复够头学实宽对寿将尔尽尽局层届属布带帮幂干干干并并库应开异弹"
    "强归当当录录径态总惯户执扩护拥据携摄数无时显暂术术机来极构标核档检欧没注洁温湿湿满潜灵点状环现电畅盖盘码确离种积"
    "稳简类系系约级组细织终经结给绝统续维编缘缝网致节范药药营虑补表装见观规视计认讨许论设证证评话该详误说请诸读贝质购"
    "费资轮软较边达过运还这进迟适采采采里钟钟错长门问间阅阈队际面页项顺须须顾顿预领频额风飞马验鲁龄  "
    "换连线输启闭钥讯选择题权触测试链锁余缓冲键联热灯颜里买货订记询调",
)
_READ_OTHERWISE = later(f"[{''.join(map(chr, _READ_AS))}]")


def _prose(written: str, block: Block, lead: str) -> Prose:
    plain = written.isascii() or _READ_OTHERWISE.search(written) is None
    content = _blanked(written if plain else written.translate(_READ_AS), block)
    breaks = list(_BROKEN.finditer(content)) if "\n" in content and not content.isascii() else ()
    if not breaks:
        return Prose(block, content, written, ((0, block.start),), lead)
    begins = [0, *(found.end() for found in breaks)]
    ends = [*(found.start() for found in breaks), len(content)]
    joined = accumulate((end - begin for begin, end in zip(begins, ends, strict=True)), initial=0)
    return Prose(
        block,
        "".join(content[begin:end] for begin, end in zip(begins, ends, strict=True)),
        "".join(written[begin:end] for begin, end in zip(begins, ends, strict=True)),
        [(at, block.start + begin) for at, begin in zip(joined, begins, strict=False)],
        lead,
    )


def _blanked(content: str, block: Block) -> str:
    """As long as it was: what is no prose is blanked out, and so are the margins of a quoted block."""
    if block.code:
        content = "".join(_uncoded(content, block))
    if content.count("/") > 1 or "@" in content or "www." in content or "mailto:" in content:
        content = _ADDRESS.sub(_blank, content)
    return _MARGIN.sub(lambda found: " " * len(found[0]), content) if ">" in content and "\n" in content else content


def _uncoded(content: str, block: Block) -> Iterator[str]:
    at = 0
    for start, end in block.code:
        yield content[at : start - block.start]
        yield _BLANK * (end - start)
        at = end - block.start
    yield content[at:]


def _blank(found: re.Match[str]) -> str:
    return _BLANK * len(found[0])


REQUIREMENTS, TECHNICAL, STYLE_EN, STYLE_ZH = "requirements", "technical", "style-en", "style-zh"
SOUND = (REQUIREMENTS, TECHNICAL)
"""The profiles of checks whose faults are faults in any document."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A choice of checks for a kind of document; several may be chosen together."""

    title: Mapping[str, str]
    why: str


PROFILES: Mapping[str, Profile] = {
    REQUIREMENTS: Profile(
        {"en": "Requirements", "zh": "需求文档"},
        "For documents that oblige somebody: what cannot be tested, is missing or contradicts itself. The default.",
    ),
    TECHNICAL: Profile(
        {"en": "Technical documents", "zh": "技术文档"},
        "For guides, manuals and notes: slips of language, structure and references, nothing of requirements' wording.",
    ),
    STYLE_EN: Profile(
        {"en": "English style", "zh": "英文文体"},
        "A house style for English prose and its typography, which well-written documents may break.",
    ),
    STYLE_ZH: Profile(
        {"en": "Chinese style", "zh": "中文排版"},
        "A house style for Chinese typography, which well-written documents may break.",
    ),
}
DEFAULT_PROFILE = REQUIREMENTS


@dataclass(frozen=True, slots=True)
class Check:
    """A question asked of documents.

    `messages` and `suggestions` are sentences by language, with {params}; `flags` and `passes` are example documents
    (Markdown), which one test runs for all checks. A check that needs words of one language names those it has.
    `worse` says which of its issues are errors where the others are not. `profiles` are those that ask it.
    """

    name: str
    title: Mapping[str, str]
    why: str
    category: str
    severity: Severity
    confidence: float
    scope: Scope
    find: Callable[[Subject], Iterable[Finding]]
    messages: Mapping[str, str]
    suggestions: Mapping[str, str]
    flags: Sequence[str]
    passes: Sequence[str]
    languages: Sequence[Language] = (Language.EN, Language.ZH)
    worse: str = ""
    profiles: Sequence[str] = (REQUIREMENTS,)


def _all() -> Iterator[Check]:
    for module in iter_modules(__path__):
        found = getattr(import_module(f"{__name__}.{module.name}"), "CHECK", None)
        if found is not None:
            yield found


class _Checks(Mapping[str, Check]):
    """All checks by name, loaded when the first is asked for: their files use this one's words."""

    @cached_property
    def _by_name(self) -> Mapping[str, Check]:
        return {check.name: check for check in _all()}

    def __getitem__(self, name: str) -> Check:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


CHECKS: Mapping[str, Check] = _Checks()


def chosen(brief: Brief) -> Mapping[str, Check]:
    """The checks that a brief asks for, by name: those of its profiles and `also`, but for those of `without`.

    BadRequest for a name that there is not, with those there are, and where no check is left.
    """
    check_known("profile", brief.profiles, PROFILES)
    check_known("check", (*brief.also, *brief.without), CHECKS)
    profiles = {*(brief.profiles or (DEFAULT_PROFILE,))}
    asked = {*brief.also, *(check.name for check in CHECKS.values() if profiles.intersection(check.profiles))}
    left = {name: check for name, check in CHECKS.items() if name in asked and name not in brief.without}
    if not left:
        hint = "Choose another profile, or add a check; paperlane checks lists them."
        raise BadRequest("No check is left to be asked.", code="no_checks", hint=hint)
    return left


def brief_of(profiles: Iterable[str], also: Iterable[str], without: Iterable[str]) -> Brief:
    """The brief of what somebody named, each a name or several with commas between them. BadRequest as `chosen`."""
    brief = Brief(names_in(profiles), names_in(also), names_in(without))
    chosen(brief)
    return brief


def names_in(said: Iterable[str]) -> tuple[str, ...]:
    """What stands between commas, each once."""
    return tuple(dict.fromkeys(name for names in said for one in names.split(",") if (name := one.strip())))


def check_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """BadRequest for the first of these profiles or checks that there is not; its hint names a near one, and all."""
    for name in names:
        if name not in (there := sorted(known)):
            said = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
            near = get_close_matches(said, there, 1)
            meant = f"Did you mean {near[0]}? " if near else ""
            hint = f"{meant}Choose one of {', '.join(there)}."
            raise BadRequest(f"There is no {kind} {said!r}.", code=f"unknown_{kind}", hint=hint)


def say(rule: str, params: Mapping[str, str], language: str) -> tuple[str, str]:
    """Message and suggestion of an issue in a language; English where there is no other."""
    check = CHECKS[rule]
    messages, suggestions = check.messages, check.suggestions
    return (
        messages.get(language, messages["en"]).format_map(params),
        suggestions.get(language, suggestions["en"]).format_map(params),
    )


class Places:
    """Finds lines, pages and sections of places in a document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        lines = document.text.replace("\r\n", " \n").replace("\r", "\n").split("\n")
        self._lines = [*accumulate((len(line) + 1 for line in lines[:-1]), initial=0)]
        self._blocks = [block.start for block in document.parsed.blocks]
        self._firsts = [section.first - (section.heading >= 0) for section in document.sections]

    def location(self, start: int, end: int) -> Location:
        """Where a span stands; line and column count from 1."""
        line = bisect_right(self._lines, start)
        at = self.block(start)
        blocks = self._document.parsed.blocks
        page = blocks[at].page if blocks else 0
        section = self.section(at)
        path, column = section.path if section else (), start - self._lines[line - 1] + 1
        return Location(path, page, line, column, start, end, self._cell(at, section))

    def _cell(self, at: int, section: Section | None) -> str:
        """The workbook's cell that a block is; "" where it is none, or its sheet has no name that shows."""
        parsed, blocks = self._document.parsed, self._document.parsed.blocks
        if parsed.media_type != WORKBOOK or section is None or section.heading < 0:
            return ""
        cell, heading = blocks[at], blocks[section.heading]
        if not cell.row or cell.table != blocks[section.first].table:
            return ""
        sheet = parsed.text[heading.start : heading.end]
        if not sheet.isidentifier():
            sheet = "'{}'".format(sheet.replace("'", "''"))
        return f"{sheet}!{_letters(cell.column)}{cell.row}"

    def block(self, start: int) -> int:
        """The index of the block that a place stands in."""
        return max(0, bisect_right(self._blocks, start) - 1)

    def section(self, block: int) -> Section | None:
        """The section that a block belongs to."""
        at = bisect_right(self._firsts, block) - 1
        return self._document.sections[at] if at >= 0 else None

    def around(self, start: int, end: int) -> tuple[str, str]:
        """What stands before a span in the block where it begins, and after it in the block where it ends."""
        text, blocks = self._document.text, self._document.parsed.blocks
        first, last = (bisect_right(self._blocks, at) - 1 for at in (start, end - 1))
        before = text[max(blocks[first].start, start - CONTEXT) : start] if first >= 0 else ""
        after = text[end : min(blocks[last].end, end + CONTEXT)] if last >= 0 else ""
        return before, after


def _letters(column: int) -> str:
    """What a sheet calls its column, counting from 1: A to Z, then AA."""
    letters = ""
    while column:
        column, letter = divmod(column - 1, _LETTERS)
        letters = f"{chr(ord('A') + letter)}{letters}"
    return letters


@dataclass(frozen=True, slots=True)
class Kind:
    """What kind of issue it is, and who says so: a rule or a model."""

    rule: str
    category: str
    severity: Severity
    confidence: float
    source: str


class Issues:
    """Makes issues of findings.

    A fingerprint is made of the check, the quote, the sentence around it and the headings above it, white space and
    case apart; so edits elsewhere, in the same section too, leave it as it is. Only among issues that agree in all of
    these does their order tell them apart. A finding that is the same `anywhere` needs no sentence and no section.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._places = Places(document)
        self._spans: dict[int, Sequence[tuple[int, int]]] = {}
        self._seen: Counter[str] = Counter()

    def of(self, check: Check, finding: Finding) -> Issue:
        """The issue of a finding. ValueError for a place that is not in the text."""
        message, suggestion = say(check.name, finding.params, "en")
        kind = Kind(check.name, check.category, finding.severity or check.severity, check.confidence, "rule")
        issue = self._issue(kind, message, suggestion, finding.start, finding.end, anywhere=finding.anywhere)
        return replace(issue, params=dict(finding.params))

    def said(self, kind: Kind, message: str, suggestion: str, start: int, end: int) -> Issue:
        """An issue in the words of a model. ValueError as above."""
        return self._issue(kind, message, suggestion, start, end)

    def _issue(
        self, kind: Kind, message: str, suggestion: str, start: int, end: int, *, anywhere: bool = False
    ) -> Issue:
        text = self._document.text
        if not 0 <= start < end <= len(text):
            raise ValueError((kind.rule, start, end))
        quote, location = text[start:end], self._places.location(start, end)
        before, after = self._places.around(start, end)
        around = () if anywhere else (self._sentence(start), *location.section)
        return Issue(
            rule=kind.rule,
            category=kind.category,
            severity=kind.severity,
            confidence=kind.confidence,
            message=message,
            suggestion=suggestion,
            quote=quote,
            location=location,
            source=kind.source,
            fingerprint=self._fingerprint(kind.rule, quote, *around),
            before=before,
            after=after,
        )

    def _sentence(self, start: int) -> str:
        """The sentence around a place, or what of it is near; "" between two blocks, where a link may stand."""
        at = self._places.block(start)
        block = next(iter(self._document.parsed.blocks[at : at + 1]), None)
        if block is None or start >= block.end:
            return ""
        text = self._document.text
        if at not in self._spans:
            self._spans[at] = list(sentences(text[block.start : block.end]))
        spans = self._spans[at]
        begin, end = spans[bisect_right(spans, start - block.start, key=itemgetter(0)) - 1]
        return text[max(block.start + begin, start - _AROUND) : min(block.start + end, start + _AROUND)]

    def _fingerprint(self, *parts: str) -> str:
        said = "\x1f".join(_SPACE.sub("", part).casefold() for part in parts)
        self._seen[said] += 1
        return hashlib.sha256(f"{said}\x1f{self._seen[said]}".encode()).hexdigest()[:16]


def whole(document: Document) -> Subject:
    """The document as one subject."""
    return Subject(document, 0, len(document.parsed.blocks))


def part(subject: Subject, passage: Passage) -> Subject:
    """A passage of a whole document as a subject."""
    return Subject(subject.document, passage.first, passage.last, subject)
