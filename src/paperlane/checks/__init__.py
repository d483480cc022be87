"""Asking questions of documents: one check a file, each with its own examples.

A check finds places; the framework makes issues of them, so that every quote stands at its place.
"""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from itertools import accumulate
from operator import itemgetter
from pkgutil import iter_modules

from paperlane.checks.sentences import sentences
from paperlane.checks.subject import Finding, Subject
from paperlane.compiling import later
from paperlane.errors import BadRequest
from paperlane.model.documents import (
    CONTEXT,
    WORKBOOK,
    Brief,
    Document,
    Issue,
    Language,
    Location,
    Passage,
    Section,
    Severity,
)
from paperlane.model.documents import (
    Block as Block,
)
from paperlane.model.documents import (
    BlockKind as BlockKind,
)

_LETTERS = 26
_SPACE = later(r"\s+")
_LONGEST_NAME = 60  # characters of an unknown name that are told
_AROUND = 300  # characters of a long sentence on each side that a fingerprint looks at


class Scope(StrEnum):
    """How much of a document a check must see at once."""

    PASSAGE = "passage"
    DOCUMENT = "document"


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
