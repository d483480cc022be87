"""Asking questions of documents: one check a file, each with its own examples.

A check finds places; the framework makes issues of them, so that every quote stands at its place.
"""

import hashlib
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from itertools import accumulate
from operator import itemgetter
from pkgutil import iter_modules
from typing import Any

from paperlane.checks.sentences import sentences
from paperlane.model.documents import (
    CONTEXT,
    Block,
    BlockKind,
    Document,
    Issue,
    Language,
    Location,
    Passage,
    Section,
    Severity,
)

_SPACE = re.compile(r"\s+")
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


@dataclass(frozen=True, slots=True)
class Prose:
    """A block of prose as the patterns of checks read it.

    In `text` code and addresses are blanked out, traditional characters stand as simplified ones, and a line break
    inside a Chinese sentence is left out. `written` is as long, in the document's own characters. `lines` tells where
    each of the joined lines begins: in `text`, and in the document.
    """

    block: Block
    text: str
    written: str
    lines: Sequence[tuple[int, int]]

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


@dataclass(frozen=True)
class Subject:
    """What a check looks at: a document, and the blocks `first` to `last` of it."""

    document: Document
    first: int
    last: int

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What one check found out about all of it and others want too, by a name."""
        return {}

    @cached_property
    def prose(self) -> Sequence[Prose]:
        """The blocks that are written for people, headings included."""
        parsed = self.document.parsed
        return [
            _prose(parsed.text[block.start : block.end], block)
            for block in parsed.blocks[self.first : self.last]
            if block.kind is not BlockKind.CODE
        ]


# an address begins at a border and gives nothing back, or a long word without one would take its length squared
_ADDRESS = re.compile(
    r"(?:https?://|www\.|mailto:)[^\s<>()\[\]（）【】，。；]+|(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.]+|"
    r"(?<![\w./-])(?:[\w.-]*+/){2,}[\w.-]+",
    re.ASCII,
)
_MARGIN = re.compile(r"(?<=\n)[ \t]*>[> \t]*")  # of a quoted block
_BROKEN = re.compile(r"(?<=[\u3400-\u9fff])[ \t]*+\r?\n[ \t]*+(?=[\u3400-\u9fff])")
_BLANK = "\ufffc"  # what stands for an object in text: neither a word nor a space

# Patterns are written in simplified Chinese with plain spaces. One character stands for one, so no place moves; only
# those that the patterns use are here.
_READ_AS = str.maketrans(
    "萬與個為義於們價關內寫響圖聲夠實對盡儘屆並應強當錄據無時暫"
    "沒靈現確經節補見認討論該詳較過這進適鐘長問須項級參況類標變條\xa0\u3000",
    "万与个为义于们价关内写响图声够实对尽尽届并应强当录据无时暂"
    "没灵现确经节补见认讨论该详较过这进适钟长问须项级参况类标变条  ",
)


def _prose(written: str, block: Block) -> Prose:
    content = _blanked(written.translate(_READ_AS), block)
    breaks = list(_BROKEN.finditer(content))
    begins = [0, *(found.end() for found in breaks)]
    ends = [*(found.start() for found in breaks), len(content)]
    joined = accumulate((end - begin for begin, end in zip(begins, ends, strict=True)), initial=0)
    return Prose(
        block,
        "".join(content[begin:end] for begin, end in zip(begins, ends, strict=True)),
        "".join(written[begin:end] for begin, end in zip(begins, ends, strict=True)),
        [(at, block.start + begin) for at, begin in zip(joined, begins, strict=False)],
    )


def _blanked(content: str, block: Block) -> str:
    """As long as it was: what is no prose is blanked out, and so are the margins of a quoted block."""
    letters = list(content)
    for start, end in block.code:
        letters[start - block.start : end - block.start] = _BLANK * (end - start)
    plain = _ADDRESS.sub(lambda found: _BLANK * len(found[0]), "".join(letters))
    return _MARGIN.sub(lambda found: " " * len(found[0]), plain)


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
        self._lines = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", document.text))]
        self._blocks = [block.start for block in document.parsed.blocks]
        self._firsts = [section.first - (section.heading >= 0) for section in document.sections]

    def location(self, start: int, end: int) -> Location:
        """Where a span stands; line and column count from 1."""
        line = bisect_right(self._lines, start)
        at = self.block(start)
        blocks = self._document.parsed.blocks
        page = blocks[at].page if blocks else 0
        section = self.section(at)
        return Location(section.path if section else (), page, line, start - self._lines[line - 1] + 1, start, end)

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
        text = self._document.text
        if not 0 <= finding.start < finding.end <= len(text):
            raise ValueError((check.name, finding.start, finding.end))
        quote = text[finding.start : finding.end]
        location = self._places.location(finding.start, finding.end)
        message, suggestion = say(check.name, finding.params, "en")
        before, after = self._places.around(finding.start, finding.end)
        around = () if finding.anywhere else (self._sentence(finding.start), *location.section)
        return Issue(
            rule=check.name,
            category=check.category,
            severity=finding.severity or check.severity,
            confidence=check.confidence,
            message=message,
            suggestion=suggestion,
            quote=quote,
            location=location,
            source="rule",
            fingerprint=self._fingerprint(check.name, quote, *around),
            params=dict(finding.params),
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


def part(document: Document, passage: Passage) -> Subject:
    """A passage as a subject."""
    return Subject(document, passage.first, passage.last)
