"""The fourth step: every check of the brief is asked of every passage, or of the whole document."""

from collections.abc import Collection, Generator
from contextlib import contextmanager

from paperlane.checks import DEFAULT_PROFILE, Check, Issues, Scope, Subject, chosen, part, whole
from paperlane.model.documents import Coverage, Document, Findings, Issue, Notice, Passages
from paperlane.model.steps import Job, Step
from paperlane.model.tasks import Stage

_MOST_OF_ONE = 500  # issues of one check; past it a reader learns nothing from a further one


def detect(subject: tuple[Document, Passages], job: Job) -> Findings:
    """Issues in reading order. A passage on which a check breaks counts as failed; a notice names each that broke."""
    document, passages = subject
    checks = chosen(document.brief)
    found = _Found(document, checks.values())
    for number, passage in enumerate(passages.items):
        found.passage(part(document, passage))
        if number % max(1, len(passages.items) // 40) == 0:
            job.progress(0.8 * number / max(1, len(passages.items)), f"passage {number + 1} of {len(passages.items)}")
    found.document()
    issues = sorted(found.issues, key=lambda issue: (issue.location.start, issue.location.end, issue.rule))
    tested = len(passages.items) - found.failed
    coverage = Coverage(tested, found.failed, document.parsed.unread, tuple(found.broken))
    notices = (*found.broken.values(), *found.notices.values())
    profiles = document.brief.profiles or (DEFAULT_PROFILE,)
    return Findings(tuple(issues), coverage, ("rules",), tuple(checks), notices, profiles)


class _Found:
    """Collects issues, and what went wrong on the way: `broken` holds a notice for each reason of it."""

    def __init__(self, document: Document, checks: Collection[Check]) -> None:
        self._document = document
        self._checks = checks
        self._make = Issues(document)
        self._counts = dict.fromkeys((check.name for check in checks), 0)
        self.issues: list[Issue] = []
        self.broken: dict[str, Notice] = {}
        self.notices: dict[str, Notice] = {}
        self.failed = 0
        self._breaks = 0

    def passage(self, subject: Subject) -> None:
        """Ask the checks that look at one passage."""
        broken = [check for check in self._checks if check.scope is Scope.PASSAGE and not self._ask(check, subject)]
        self.failed += bool(broken)

    def document(self) -> None:
        """Ask the checks that must see everything."""
        subject = whole(self._document)
        for check in self._checks:
            if check.scope is Scope.DOCUMENT:
                self._ask(check, subject)

    def _ask(self, check: Check, subject: Subject) -> bool:
        """Could the check look at everything, and did each of its findings become an issue?"""
        before = self._breaks
        with self._telling(check):
            for finding in check.find(subject):
                if self._counts[check.name] >= _MOST_OF_ONE:
                    most = _MOST_OF_ONE
                    said = f"{check.name}: there are more than {most} issues, the first {most} are listed."
                    params = {"check": check.name, "most": str(most)}
                    self.notices[check.name] = Notice("issues_cut_off", said, params)
                    break
                self._counts[check.name] += 1
                with self._telling(check):
                    self.issues.append(self._make.of(check, finding))
        return self._breaks == before

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


ISSUE_DETECTION = Step("issue_detection", 3, tuple[Document, Passages], Findings, detect, share=40, stage=Stage.MODEL)
