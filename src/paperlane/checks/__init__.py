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
from pkgutil import iter_modules

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

_HAN = re.compile(r"[\u3400-\u9fff]")
_SPACE = re.compile(r"\s+")


class Scope(StrEnum):
    """How much of a document a check must see at once."""

    PASSAGE = "passage"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that a check found, in characters of the document's text; `params` fill the check's sentences."""

    start: int
    end: int
    params: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Prose:
    """A block of prose: `text` is as long as the document's block, with code and addresses blanked out."""

    block: Block
    text: str

    @property
    def start(self) -> int:
        """Where the block begins in the document's text."""
        return self.block.start

    @property
    def chinese(self) -> bool:
        """Is the block written in Chinese, mostly?"""
        return 2 * len(_HAN.findall(self.text)) > len(self.text.split())


@dataclass(frozen=True)
class Subject:
    """What a check looks at: a document, and the blocks `first` to `last` of it."""

    document: Document
    first: int
    last: int

    @cached_property
    def prose(self) -> Sequence[Prose]:
        """The blocks that are written for people, headings included."""
        parsed = self.document.parsed
        return [
            Prose(block, _blanked(parsed.text, block))
            for block in parsed.blocks[self.first : self.last]
            if block.kind is not BlockKind.CODE
        ]


# an address begins at a border and gives nothing back, or a long word without one would take its length squared
_ADDRESS = re.compile(
    r"(?:https?://|www\.|mailto:)[^\s<>()\[\]（）【】，。；]+|(?<![\w.+-])[\w.+-]++@[\w-]+\.[\w.]+|"
    r"(?<![\w./-])(?:[\w.-]*+/){2,}[\w.-]+"
)


_BLANK = "\ufffc"  # what stands for an object in text: neither a word nor a space


def _blanked(text: str, block: Block) -> str:
    content = text[block.start : block.end]
    for start, end in block.code:
        content = content[: start - block.start] + _BLANK * (end - start) + content[end - block.start :]
    return _ADDRESS.sub(lambda found: _BLANK * len(found[0]), content)


@dataclass(frozen=True, slots=True)
class Check:
    """A question asked of documents.

    `messages` and `suggestions` are sentences by language, with {params}; `flags` and `passes` are example documents
    (Markdown), which one test runs for all checks. A check that needs words of one language names those it has.
    `worse` says which of its issues are errors where the others are not.
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
        at = max(0, bisect_right(self._blocks, start) - 1)
        blocks = self._document.parsed.blocks
        page = blocks[at].page if blocks else 0
        section = self.section(at)
        return Location(section.path if section else (), page, line, start - self._lines[line - 1] + 1, start, end)

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
    """Makes issues of findings; fingerprints stay the same when other parts of the document change."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._places = Places(document)
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
            fingerprint=self._fingerprint(check.name, quote, location.section),
            params=dict(finding.params),
            before=before,
            after=after,
        )

    def _fingerprint(self, rule: str, quote: str, section: tuple[str, ...]) -> str:
        said = "\x1f".join((rule, _SPACE.sub(" ", quote).casefold(), *section))
        self._seen[said] += 1
        return hashlib.sha256(f"{said}\x1f{self._seen[said]}".encode()).hexdigest()[:16]


def whole(document: Document) -> Subject:
    """The document as one subject."""
    return Subject(document, 0, len(document.parsed.blocks))


def part(document: Document, passage: Passage) -> Subject:
    """A passage as a subject."""
    return Subject(document, passage.first, passage.last)
