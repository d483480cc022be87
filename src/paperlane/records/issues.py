"""Issues of documents, and what people said of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update

from paperlane.errors import NotFound
from paperlane.ledger.sense import check_known, clean
from paperlane.model.documents import Issue, Status
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.schema import documents, issues, reviews, users

_ISSUE = TypeAdapter(Issue)
_SAID = ("status", "reason", "comment", "reviewed_by", "reviewed_at")
_UNSAID = {"status": Status.OPEN.value, "reason": "", "comment": "", "reviewed_by": None, "reviewed_at": 0.0}


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
    """The issues of a task, in place of earlier ones.

    What was said of the issues of the same fingerprint, of the user's documents of the same name, holds for these.
    """
    owner = connection.execute(select(documents.c.user_id, documents.c.name).where(documents.c.task_id == task)).first()
    before: dict[str, RowMapping] = {}
    if owner is not None:
        said = connection.execute(select(reviews).where(_of_documents(*owner))).mappings()
        before = {row["fingerprint"]: row for row in said}
    connection.execute(delete(issues).where(issues.c.task_id == task))
    if found:
        connection.execute(
            insert(issues), [_row(task, at, issue, before.get(issue.fingerprint)) for at, issue in enumerate(found)]
        )


def _of_documents(user: int, name: str) -> ColumnElement[bool]:
    return (reviews.c.user_id == user) & (reviews.c.document == _digest(name))


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _row(task: TaskId, position: int, issue: Issue, before: RowMapping | None) -> dict[str, object]:
    return {
        "id": f"{task}-{position}",
        "task_id": task,
        "position": position,
        "severity": issue.severity.value,
        "fingerprint": issue.fingerprint,
        **({name: before[name] for name in _SAID} if before else _UNSAID),
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
    """Say what becomes of an issue, and of the same one when the document is tested again; what is None stays as it is.

    Reviews of one user's issues take turns: two of the same issue in two tasks would write the same row.
    """
    new = {"status": status.value if status else None, "reason": reason, "comment": comment}
    given = {name: clean(value) for name, value in new.items() if value is not None}
    connection.execute(update(issues).where(issues.c.id == issue).values(**given, reviewed_by=user, reviewed_at=now))
    row = connection.execute(
        select(issues, documents.c.user_id, documents.c.name)
        .join(documents, documents.c.task_id == issues.c.task_id)
        .where(issues.c.id == issue)
    ).first()
    if row is None:
        return
    connection.execute(select(users.c.id).where(users.c.id == row.user_id).with_for_update())
    connection.execute(
        delete(reviews).where(_of_documents(row.user_id, row.name), reviews.c.fingerprint == row.fingerprint)
    )
    key = {"user_id": row.user_id, "document": _digest(row.name), "fingerprint": row.fingerprint}
    connection.execute(insert(reviews), {**key, **{name: getattr(row, name) for name in _SAID}})
