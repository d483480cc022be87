"""What is known of a document on its way from the upload to the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class BlockKind(StrEnum):
    """What a piece of a document is to its reader."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_CELL = "table_cell"
    CODE = "code"
    FOOTNOTE = "footnote"


class Language(StrEnum):
    """The language that a text is mostly written in."""

    EN = "en"
    ZH = "zh"


class Status(StrEnum):
    """What people made of an issue."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class Severity(StrEnum):
    """How bad an issue is, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


UPLOAD_VERSION = 2
"""Rises when uploads are written as an older Paperlane cannot read them: its workers leave them to newer ones."""


@dataclass(frozen=True, slots=True)
class Brief:
    """How a document shall be tested: by which checks, in whose words, and by which models.

    `profiles` name choices of checks, () the default one; `also` and `without` are checks that are asked besides, or
    not. `terms` is the team's glossary: each term or acronym, and what it means ("" where that goes without saying).
    `ignored` are words and phrases of which no check complains. `models` are names from the settings, () for none.
    """

    profiles: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored file that shall be tested: the payload of a task, in the form `UPLOAD_VERSION`.

    `blob` is where its bytes lie, in the words of `paperlane.blobs`; `sha256` is 64 lower-case hex digits.
    """

    name: str
    media_type: str
    bytes: int
    sha256: str
    blob: str
    brief: Brief = Brief()


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning about the document itself: a stable `code` and a sentence for its reader.

    `params` fill the catalogue's sentence for this code in any language; `message` is the English one.
    """

    code: str
    message: str
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a document: `text[start:end]`, in characters (code points) of the document's text.

    Blocks are in reading order and do not overlap. `level` is 1..9 for headings and 0 otherwise. `page` counts from 1
    and is 0 where the format has no pages. `code` spans inside a block are inline code: prose checks pass them by.
    `row` and `column` place a table cell in its table, counting from 1; `table` numbers the tables of the document.
    `number` is what the program that wrote the file shows in front ("3.2.1"), where the text does not hold it.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int = 0
    code: tuple[tuple[int, int], ...] = ()
    table: int = 0
    row: int = 0
    column: int = 0
    number: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A link, an image or the definition of a link; `target` as it is written, `start:end` its place in the text."""

    target: str
    start: int
    end: int
    image: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment in the file that speaks to Paperlane ("paperlane: ignore vague-term"), and where in the text it stands.

    `at` is the place of what follows it, or of what it is attached to; `words` are those behind "paperlane:".
    """

    at: int
    words: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a format read from a file: the text, unchanged, and its structure.

    For Markdown and plain text, `text` is the decoded source itself; for other formats the extracted text, one block
    a line. `anchors` are the names that a link inside the document may point to. `unread` counts the pages, or
    parts, that hold something that could not be read: damaged ones, and pictures of text; a notice tells of them.
    `remarks` are the file's comments to Paperlane.
    """

    name: str
    media_type: str
    text: str
    blocks: tuple[Block, ...]
    links: tuple[Link, ...] = ()
    anchors: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    pages: int = 0
    encoding: str = ""
    unread: int = 0
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what follows it up to the next heading.

    `heading` is the index of its heading in `blocks`, -1 for text before the first one; its blocks are
    `blocks[first:last]`, the heading excluded. `path` holds the titles from the outermost section down to its own.
    `number` is the number in front of the title ("3.2.1"), written there or shown by its program, or "".
    """

    heading: int
    first: int
    last: int
    level: int
    title: str
    number: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document in sections, with what the whole of it defines, and how it shall be tested.

    `acronyms` maps each acronym that the document spells out to its expansion, `definitions` each term that it defines
    to what it means; `language` is the prevailing one.
    """

    parsed: Parsed
    language: Language
    sections: tuple[Section, ...]
    acronyms: Mapping[str, str] = field(default_factory=dict)
    brief: Brief = Brief()
    definitions: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole text; every offset counts its characters."""
        return self.parsed.text


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring text that is tested together: `text[start:end]`, and `blocks[first:last]`, which begin in it.

    A block that is too long for one passage goes on in further ones, in which perhaps no other begins (`first` is
    `last`). `path` is the heading path that its sections share; `tokens` is an estimate.
    Context, not to be tested itself: `headers` is the first row of a table that the text begins in the middle of,
    `terms` what the terms in the text mean, by the document's own definitions and the team's glossary.
    """

    id: int
    first: int
    last: int
    start: int
    end: int
    path: tuple[str, ...]
    tokens: int
    headers: str = ""
    terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passages:
    """A document cut into passages, in reading order; together they hold every block, each of which begins in one."""

    items: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """Where an issue stands. `start:end` count characters of the document's text; line and column count from 1.

    `section` is the heading path; `page` is 0 where the format has no pages.
    """

    section: tuple[str, ...]
    page: int
    line: int
    column: int
    start: int
    end: int


CONTEXT = 60
"""The most characters of an issue's `before`, and of its `after`."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One answer of a check: `document.text[location.start:location.end] == quote`, always.

    `params` fill the check's message and suggestion in any language; `message` and `suggestion` are the English ones.
    `fingerprint` (16 hex digits) names the same issue again after edits elsewhere in the document.
    `before` and `after` are what stands around the quote in its block, at most CONTEXT characters each.
    """

    rule: str
    category: str
    severity: Severity
    confidence: float
    message: str
    suggestion: str
    quote: str
    location: Location
    source: str
    fingerprint: str
    params: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    after: str = ""

    @property
    def known(self) -> "Known":
        """What is remembered of it."""
        return Known(self.fingerprint, self.rule, self.severity, self.quote, self.source)


class Change(StrEnum):
    """What became of an issue since the document was tested before."""

    NEW = "new"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an issue of before; `source` is "rule" or "model"."""

    fingerprint: str
    rule: str
    severity: Severity
    quote: str
    source: str = "rule"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the issues of a report stand to those of before: `changes` in the order of the issues, and what is `fixed`.

    Where `only_new` ones count, for the others are accepted, unchanged ones are left out of what people read.
    """

    changes: tuple[Change, ...]
    fixed: tuple[Known, ...]
    only_new: bool = False

    @property
    def counts(self) -> Mapping[str, int]:
        """How many are new, fixed, unchanged."""
        new = self.changes.count(Change.NEW)
        return {"new": new, "fixed": len(self.fixed), "unchanged": len(self.changes) - new}


@dataclass(frozen=True, slots=True)
class Reach:
    """How much of a document one judge tested, in passages; `reasons` says why some were not.

    A page that could not be read counts as one skipped passage.
    """

    tested: int
    failed: int
    skipped: int
    reasons: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All passages."""
        return self.tested + self.failed + self.skipped

    @property
    def whole(self) -> bool:
        """Was there something to test, and was all of it tested by every check?"""
        return self.tested > 0 and self.failed == 0 and self.skipped == 0 and not self.reasons


@dataclass(frozen=True, slots=True)
class Coverage(Reach):
    """How much of a document every one of its judges tested; where there are several, `by` tells it of each."""

    by: Mapping[str, Reach] = field(default_factory=dict)

    @property
    def of_rules(self) -> Reach:
        """How much rules tested, whatever models did."""
        return self.by.get("rules", self)


@dataclass(frozen=True, slots=True)
class Ignored:
    """How many findings are no issues, for somebody said so: in the document's `remarks`, or in the team's `words`."""

    remarks: int = 0
    words: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.remarks + self.words


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took to ask a model of a document, in all its attempts.

    Of its `passages` that it answered, `kept` were answered before: for an earlier version of the document, or another.
    `dropped` counts what the model said of words that do not stand there. `money` is in `currency`, at the prices of
    the settings.
    """

    model: str
    passages: int
    kept: int
    dropped: int
    requests: int
    tokens_in: int
    tokens_out: int
    money: float
    currency: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All issues of a document in reading order, and what they rest on. `judges` are "rules" or model names.

    `checks` were asked, as the `profiles` say and what the brief added or left out; `failed` are the ids of the
    passages on which one of them broke.
    """

    issues: tuple[Issue, ...]
    coverage: Coverage
    judges: tuple[str, ...]
    checks: tuple[str, ...]
    notices: tuple[Notice, ...] = ()
    profiles: tuple[str, ...] = ()
    ignored: Ignored = Ignored()
    costs: tuple[Cost, ...] = ()
    failed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a document's reader gets: issues, and how much of the document they speak for.

    `statuses` tells what people made of each issue, in the order of `issues`; () where nobody was asked.
    """

    name: str
    media_type: str
    language: Language
    pages: int
    characters: int
    words: int
    sections: int
    coverage: Coverage
    judges: tuple[str, ...]
    checks: tuple[str, ...]
    notices: tuple[Notice, ...]
    issues: tuple[Issue, ...]
    statuses: tuple[Status, ...] = ()
    profiles: tuple[str, ...] = ()
    ignored: Ignored = Ignored()
    costs: tuple[Cost, ...] = ()
    comparison: Comparison | None = None

    def since(self, before: Sequence[Known], *, only_new: bool = False) -> "Report":
        """The same, compared with the issues that the document had before.

        An issue is one of those by its fingerprint; as often as it was there. What is there no more is fixed if this
        report could have found it: its check was asked, broke nowhere off and listed all that it found; for those of
        models, they tested every passage.
        """
        left = Counter(known.fingerprint for known in before)
        changes: list[Change] = []
        for issue in self.issues:
            changes.append(Change.UNCHANGED if left[issue.fingerprint] > 0 else Change.NEW)
            left[issue.fingerprint] -= 1
        silent = {notice.params.get("check") for notice in self.notices}
        answered = {*self.checks} - silent
        unanswered = any(notice.code == "model_unanswered" for notice in self.notices)
        by_models = self.judges != ("rules",) and not unanswered
        fixed: list[Known] = []
        for known in before:
            asked = known.rule in answered if known.source == "rule" else by_models
            if left[known.fingerprint] > 0 and asked:
                fixed.append(known)
            left[known.fingerprint] -= 1
        return replace(self, comparison=Comparison(tuple(changes), tuple(fixed), only_new))

    @property
    def changes(self) -> Sequence[Change | None]:
        """What became of each issue; None where nothing was compared."""
        return self.comparison.changes if self.comparison else (None,) * len(self.issues)

    @property
    def reviewed(self) -> Sequence[tuple[Issue, Status]]:
        """Each issue with its status."""
        return list(zip(self.issues, self.statuses or (Status.OPEN,) * len(self.issues), strict=True))

    @property
    def standing(self) -> Sequence[Issue]:
        """The issues that nobody dismissed; the new ones of them where only these count."""
        return [issue for issue, _ in self.shown]

    @property
    def shown(self) -> Sequence[tuple[Issue, Change | None]]:
        """The same, each with what became of it."""
        only_new = self.comparison is not None and self.comparison.only_new
        reviewed = zip(self.reviewed, self.changes, strict=True)
        return [
            (issue, change)
            for (issue, status), change in reviewed
            if status is not Status.DISMISSED and not (only_new and change is Change.UNCHANGED)
        ]

    @property
    def dismissed(self) -> int:
        """How many issues somebody dismissed."""
        return sum(status is Status.DISMISSED for _, status in self.reviewed)

    def count(self, severity: Severity) -> int:
        """How many issues of this severity stand."""
        return sum(issue.severity is severity for issue in self.standing)
