"""Issues of documents, and what people said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from paperlane.errors import NotFound
from paperlane.ledger.sense import check_known, clean
from paperlane.model.documents import Issue, Status
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.schema import issues

_ISSUE = TypeAdapter(Issue)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An issue and its review."""

    id: str
    task: TaskId
    position: int
    status: Status
    reason: str
    comment: str
    issue: Issue


def save(connection: Connection, task: TaskId, found: Sequence[Issue]) -> None:
    """The issues of a task, in place of earlier ones; reviews stay with the issues of the same fingerprint."""
    rows = connection.execute(select(issues).where(issues.c.task_id == task)).mappings()
    before = {row["fingerprint"]: row for row in rows}
    connection.execute(delete(issues).where(issues.c.task_id == task))
    if found:
        connection.execute(
            insert(issues), [_row(task, at, issue, before.get(issue.fingerprint)) for at, issue in enumerate(found)]
        )


def _row(task: TaskId, position: int, issue: Issue, before: RowMapping | None) -> dict[str, object]:
    return {
        "id": f"{task}-{position}",
        "task_id": task,
        "position": position,
        "severity": issue.severity.value,
        "fingerprint": issue.fingerprint,
        "status": before["status"] if before else Status.OPEN.value,
        "reason": before["reason"] if before else "",
        "comment": before["comment"] if before else "",
        "reviewed_by": before["reviewed_by"] if before else None,
        "reviewed_at": before["reviewed_at"] if before else 0.0,
        "content": _ISSUE.dump_json(issue).decode(),
    }


def _reviewed(row: RowMapping) -> Reviewed:
    return Reviewed(
        id=row["id"],
        task=TaskId(row["task_id"]),
        position=row["position"],
        status=Status(row["status"]),
        reason=row["reason"],
        comment=row["comment"],
        issue=_ISSUE.validate_json(row["content"]),
    )


def of_task(
    connection: Connection, task: TaskId, severity: str = "", status: str = "", after: int = -1, limit: int = 200
) -> Sequence[Reviewed]:
    """A page of a task's issues, in reading order; `after` is the last position of the page before."""
    asked = select(issues).where(issues.c.task_id == task, issues.c.position > after)
    if severity:
        asked = asked.where(issues.c.severity == severity)
    if status:
        asked = asked.where(issues.c.status == status)
    return [_reviewed(row) for row in connection.execute(asked.order_by(issues.c.position).limit(limit)).mappings()]


def statuses(connection: Connection, task: TaskId) -> tuple[Status, ...]:
    """What people made of each of a task's issues, in reading order."""
    asked = select(issues.c.status).where(issues.c.task_id == task).order_by(issues.c.position)
    return tuple(map(Status, connection.scalars(asked)))


def one(connection: Connection, issue: str) -> Reviewed:
    """The issue, or NotFound."""
    check_known("issue", issue)
    row = connection.execute(select(issues).where(issues.c.id == issue)).mappings().first()
    if row is None:
        raise NotFound("There is no such issue.")
    return _reviewed(row)


def forget(connection: Connection, tasks: Sequence[TaskId]) -> None:
    """The issues of these tasks are no more, nor what people said of them."""
    connection.execute(delete(issues).where(issues.c.task_id.in_(tasks)))


def review(
    connection: Connection,
    issue: str,
    user: UserId,
    now: float,
    status: Status | None,
    reason: str | None,
    comment: str | None,
) -> None:
    """Say what becomes of an issue; what is None stays as it is."""
    new = {"status": status.value if status else None, "reason": reason, "comment": comment}
    given = {name: clean(value) for name, value in new.items() if value is not None}
    connection.execute(update(issues).where(issues.c.id == issue).values(**given, reviewed_by=user, reviewed_at=now))
