"""The fourth step: every check of the brief is asked of every passage, or of the whole document."""

from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager

from paperlane.ai.rules import CATEGORIES, OF_MODELS
from paperlane.checks import CHECKS, DEFAULT_PROFILE, Check, Issues, Scope, Subject, chosen, part, whole
from paperlane.checks.remarks import Remarks
from paperlane.checks.words import Ignoring
from paperlane.model.documents import Coverage, Document, Findings, Ignored, Issue, Notice, Passage, Passages
from paperlane.model.steps import Job, Step
from paperlane.model.tasks import Stage

_MOST_OF_ONE = 500  # issues of one check; past it a reader learns nothing from a further one


def detect(subject: tuple[Document, Passages], job: Job) -> Findings:
    """Issues in reading order. A passage on which a check breaks counts as failed; a notice names each that broke."""
    document, passages = subject
    checks = chosen(document.brief)
    found = _Found(document, checks.values())
    for number, passage in enumerate(passages.items):
        found.passage(passage)
        if number % max(1, len(passages.items) // 40) == 0:
            job.progress(0.8 * number / max(1, len(passages.items)), f"passage {number + 1} of {len(passages.items)}")
    found.document()
    issues = sorted(found.issues, key=lambda issue: (issue.location.start, issue.location.end, issue.rule))
    failed = len(found.failed)
    coverage = Coverage(len(passages.items) - failed, failed, document.parsed.unread, tuple(found.broken))
    notices = (*found.broken.values(), *found.notices.values(), *found.spared.notices)
    profiles = document.brief.profiles or (DEFAULT_PROFILE,)
    return Findings(
        tuple(issues), coverage, ("rules",), tuple(checks), notices, profiles, found.spared.counts,
        failed=tuple(found.failed),
    )  # fmt: skip


class Spared:
    """Findings that are no issues, for the document's own comments or the team's words say so."""

    def __init__(self, document: Document) -> None:
        self._text = document.text
        self._remarks = Remarks(document, (*CHECKS, *(f"{OF_MODELS}{rule}" for rule in CATEGORIES)))
        self._words = Ignoring(document.brief.ignored)
        self._by_remarks = self._by_words = 0

    @property
    def notices(self) -> Sequence[Notice]:
        """Of comments that were not understood."""
        return self._remarks.notices

    @property
    def counts(self) -> Ignored:
        """How many there were."""
        return Ignored(self._by_remarks, self._by_words)

    def take(self, rule: str, start: int, end: int, params: Mapping[str, str]) -> bool:
        """Is it one? Then it is counted."""
        by_remarks = self._remarks.cover(rule, start)
        by_words = not by_remarks and self._words.covers(self._text, start, end, params)
        self._by_remarks += by_remarks
        self._by_words += by_words
        return by_remarks or by_words


class _Found:
    """Collects issues, and what went wrong on the way: `broken` holds a notice for each reason of it."""

    def __init__(self, document: Document, checks: Collection[Check]) -> None:
        self._whole = whole(document)
        self._checks = checks
        self._make = Issues(document)
        self._counts = dict.fromkeys((check.name for check in checks), 0)
        self.spared = Spared(document)
        self.issues: list[Issue] = []
        self.broken: dict[str, Notice] = {}
        self.notices: dict[str, Notice] = {}
        self.failed: list[int] = []
        self._breaks = 0

    def passage(self, passage: Passage) -> None:
        """Ask the checks that look at one passage."""
        subject = part(self._whole, passage)
        if [check for check in self._checks if check.scope is Scope.PASSAGE and not self._ask(check, subject)]:
            self.failed.append(passage.id)

    def document(self) -> None:
        """Ask the checks that must see everything."""
        for check in self._checks:
            if check.scope is Scope.DOCUMENT:
                self._ask(check, self._whole)

    def _ask(self, check: Check, subject: Subject) -> bool:
        """Could the check look at everything, and did each of its findings become an issue?"""
        before = self._breaks
        with self._telling(check):
            for finding in check.find(subject):
                with self._telling(check):
                    if self.spared.take(check.name, finding.start, finding.end, finding.params):
                        continue
                    if self._counts[check.name] >= _MOST_OF_ONE:
                        self._cut_off(check)
                        break
                    self._counts[check.name] += 1
                    self.issues.append(self._make.of(check, finding))
        return self._breaks == before

    def _cut_off(self, check: Check) -> None:
        most = _MOST_OF_ONE
        said = f"{check.name}: there are more than {most} issues, the first {most} are listed."
        params = {"check": check.name, "most": str(most)}
        self.notices[check.name] = Notice("issues_cut_off", said, params)

    @contextmanager
    def _telling(self, check: Check) -> Generator[None]:
        """A check or a finding that breaks is told, and takes no other one's answers with it."""
        try:
            yield
        except (MemoryError, RecursionError):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the others go on
            self._breaks += 1
            kind = type(error).__name__
            said = f"The check {check.name} broke off ({kind}); issues that it would have found may be missing."
            params = {"check": check.name, "error": kind}
            self.broken[f"{check.name}: {kind}"] = Notice("check_failed", said, params)


ISSUE_DETECTION = Step("issue_detection", 7, tuple[Document, Passages], Findings, detect, share=40, stage=Stage.MODEL)
