"""What was found in a document: for its owner alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from paperlane.clock import Clock
from paperlane.desk.rights import check_may_change
from paperlane.desk.uploads import upload_of
from paperlane.errors import BadRequest, Conflict, NotFound
from paperlane.ledger import Ledger
from paperlane.model.documents import Report, Severity, Status
from paperlane.model.tasks import State, Task, TaskId
from paperlane.records import issues
from paperlane.records.accounts import Account
from paperlane.records.issues import Reviewed, Versions
from paperlane.reports import REPORTS

_REPORT = TypeAdapter(Report)


@dataclass(frozen=True, slots=True)
class Documents:
    """Issues and their reviews, reports, and texts, each by the task that tested the document."""

    ledger: Ledger
    clock: Clock

    def issues(
        self, account: Account, task: TaskId, *, severity: str, status: str, change: str, after: int, limit: int
    ) -> Sequence[Reviewed]:
        """A page of a task's issues, in reading order."""
        self._own(account, task)
        return self.ledger.read(lambda c: issues.of_task(c, task, severity, status, change, after, limit))

    def fixed(self, account: Account, task: TaskId, *, after: int, limit: int) -> Sequence[Reviewed]:
        """A page of the issues that the version before had and this one has no more. Conflict when that is gone."""
        self._own(account, task)
        found = self.ledger.read(lambda connection: issues.fixed(connection, task, after, limit))
        if found is None:
            raise Conflict(
                "The version before was old and is gone.", code="version_gone", hint="Its counts stay with the task."
            )
        return found

    def versions(self, tasks: Sequence[Task]) -> Mapping[TaskId, Versions]:
        """What changed since the version before, for each of these tasks that has one; whoever sees a task sees it."""
        return self.ledger.read(lambda connection: issues.versions(connection, [task.id for task in tasks]))

    def dismissed(self, tasks: Sequence[Task]) -> Mapping[TaskId, Mapping[Severity, int]]:
        """How many issues were dismissed, for each of these tasks that has some; whoever sees a task sees it."""
        return self.ledger.read(lambda connection: issues.dismissed(connection, [task.id for task in tasks]))

    def issue(self, account: Account, issue: str) -> Reviewed:
        """An issue of this account's documents, or NotFound."""
        found = self.ledger.read(lambda connection: issues.one(connection, issue))
        if self.ledger.task(found.task).user != account.id:
            raise NotFound("There is no such issue.")
        return found

    def review(
        self, account: Account, issue: str, status: Status | None, reason: str | None, comment: str | None
    ) -> Reviewed:
        """Accept or dismiss an issue, or comment on it."""
        self.issue(account, issue)
        check_may_change(account)
        now = self.clock.now()
        self.ledger.write(lambda c: issues.review(c, issue, account.id, now, status, reason, comment))
        return self.issue(account, issue)

    def report(self, account: Account, task: TaskId, form: str, language: str) -> tuple[bytes, str, str]:
        """The report as a file: its content, media type and name. Conflict while there is none.

        Issues that were dismissed are left out of what people read, and counted.
        """
        found = self._own(account, task)
        if form not in REPORTS:
            raise BadRequest(f"There is no report format {form!r}.", hint=f"Choose one of {', '.join(REPORTS)}.")
        report = _REPORT.validate_json(self._result(found, "report"))
        statuses = self.ledger.read(lambda connection: issues.statuses(connection, task))
        if len(statuses) == len(report.issues):  # else the task starts again, and its issues are not yet written anew
            compared = self.ledger.read(lambda connection: issues.comparison(connection, task))
            report = replace(report, statuses=statuses, comparison=compared)
        content = REPORTS[form].render([report], (), language)
        name = f"{upload_of(found).name}.report{REPORTS[form].suffix}"  # no other document's, nor this one itself
        return content, REPORTS[form].media_type, name

    def text(self, account: Account, task: TaskId) -> Mapping[str, Any]:
        """The document's text and structure. Conflict while it was not read yet."""
        saved: dict[str, Any] = json.loads(self._result(self._own(account, task), "document_processing"))
        parsed = saved["parsed"]
        return {
            "name": parsed["name"],
            "media_type": parsed["media_type"],
            "language": saved["language"],
            "pages": parsed["pages"],
            "encoding": parsed["encoding"],
            "text": parsed["text"],
            "blocks": parsed["blocks"],
            "sections": saved["sections"],
        }

    def _own(self, account: Account, task: TaskId) -> Task:
        """A task whose document this account uploaded, or NotFound: nobody reads another one's documents."""
        found = self.ledger.task(task)
        if found.user != account.id:
            raise NotFound("There is no such task.")
        return found

    def _result(self, task: Task, step: str) -> bytes:
        saved = self.ledger.checkpoint(task.id, step)
        if saved is None:
            if task.state is State.COMPLETED:
                raise Conflict(
                    "What the task gave cannot be read any more.",
                    code="result_lost",
                    hint="Upload the document again.",
                )
            ended = task.state.ended
            raise Conflict(
                f"There is none: the task is {task.status}." if ended else f"There is none yet: it is {task.status}.",
                code="not_ready",
                hint="Its error says why; start it again." if ended else "Ask again once it has completed.",
            )
        return saved
