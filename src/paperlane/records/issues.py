"""Issues of documents, and what people said of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from paperlane.errors import NotFound
from paperlane.ledger.sense import check_known, clean
from paperlane.model.documents import Change, Comparison, Issue, Report, Severity, Status
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
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """How many issues are new, fixed and unchanged since the version before, which `compared_with` tested."""

    compared_with: TaskId
    new: int
    fixed: int
    unchanged: int


def save(connection: Connection, task: TaskId, report: Report) -> None:
    """The issues of a task, in place of earlier ones, compared with those of the version before.

    That is the last document of the user and of the same name that was uploaded before and tested by now. What was said
    of the issues of the same fingerprint, of the user's documents of the same name, holds for these.
    """
    owner = connection.execute(select(documents.c.user_id, documents.c.name).where(documents.c.task_id == task)).first()
    before: dict[str, RowMapping] = {}
    if owner is not None:
        said = connection.execute(select(reviews).where(_of_documents(*owner))).mappings()
        before = {row["fingerprint"]: row for row in said}
        report = _compared(connection, task, owner.user_id, owner.name, report)
    connection.execute(delete(issues).where(issues.c.task_id == task))
    rows = [
        _row(task, at, issue, change, before.get(issue.fingerprint))
        for at, (issue, change) in enumerate(zip(report.issues, report.changes, strict=True))
    ]
    if rows:
        connection.execute(insert(issues), rows)


def _compared(connection: Connection, task: TaskId, user: int, name: str, report: Report) -> Report:
    """The report beside the version before, if there is one; written down with the document."""
    digest = _digest(name)
    earlier = connection.scalar(
        select(documents.c.task_id)
        .where(documents.c.user_id == user, documents.c.document == digest, documents.c.task_id < task)
        .order_by(documents.c.task_id.desc())
        .limit(1)
    )
    now: dict[str, object] = {"document": digest, "compared_with": "", "fixed_issues": None}
    if earlier is not None:
        asked = select(issues.c.position, issues.c.content).where(issues.c.task_id == earlier)
        rows = connection.execute(asked.order_by(issues.c.position)).all()
        known = [_ISSUE.validate_json(row.content).known for row in rows]
        report = report.since(known)
        assert report.comparison is not None
        at = {id(one): row.position for one, row in zip(known, rows, strict=True)}
        counts = report.comparison.counts
        now |= {
            "compared_with": earlier,
            "new_issues": counts["new"],
            "unchanged_issues": counts["unchanged"],
            "fixed_issues": json.dumps([at[id(one)] for one in report.comparison.fixed]),
        }
    connection.execute(update(documents).where(documents.c.task_id == task).values(now))
    return report


def _of_documents(user: int, name: str) -> ColumnElement[bool]:
    return (reviews.c.user_id == user) & (reviews.c.document == _digest(name))


def _digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def _row(
    task: TaskId, position: int, issue: Issue, change: Change | None, before: RowMapping | None
) -> dict[str, object]:
    return {
        "id": f"{task}-{position}",
        "task_id": task,
        "position": position,
        "severity": issue.severity.value,
        "fingerprint": issue.fingerprint,
        **({name: before[name] for name in _SAID} if before else _UNSAID),
        "content": _ISSUE.dump_json(issue).decode(),
        "change": change.value if change else "",
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
        change=Change(row["change"]) if row["change"] else None,
    )


def of_task(
    connection: Connection,
    task: TaskId,
    severity: str = "",
    status: str = "",
    change: str = "",
    after: int = -1,
    limit: int = 200,
) -> Sequence[Reviewed]:
    """A page of a task's issues, in reading order; `after` is the last position of the page before."""
    asked = select(issues).where(issues.c.task_id == task, issues.c.position > after)
    if severity:
        asked = asked.where(issues.c.severity == severity)
    if status:
        asked = asked.where(issues.c.status == status)
    if change:
        asked = asked.where(issues.c.change == change)
    return [_reviewed(row) for row in connection.execute(asked.order_by(issues.c.position).limit(limit)).mappings()]


def statuses(connection: Connection, task: TaskId) -> tuple[Status, ...]:
    """What people made of each of a task's issues, in reading order."""
    asked = select(issues.c.status).where(issues.c.task_id == task).order_by(issues.c.position)
    return tuple(map(Status, connection.scalars(asked)))


def versions(connection: Connection, tasks: Sequence[TaskId]) -> Mapping[TaskId, Versions]:
    """Of those of these tasks, a thousand or so, that were compared with a version before: what that told."""
    asked = select(documents).where(documents.c.task_id.in_(tasks), documents.c.compared_with != "")
    return {
        TaskId(row.task_id): Versions(
            TaskId(row.compared_with), row.new_issues, len(json.loads(row.fixed_issues)), row.unchanged_issues
        )
        for row in connection.execute(asked)
    }


def dismissed(connection: Connection, tasks: Sequence[TaskId]) -> Mapping[TaskId, Mapping[Severity, int]]:
    """Of those of these tasks, a thousand or so, that have dismissed issues: how many of each severity."""
    asked = (
        select(issues.c.task_id, issues.c.severity, func.count().label("times"))
        .where(issues.c.task_id.in_(tasks), issues.c.status == Status.DISMISSED.value)
        .group_by(issues.c.task_id, issues.c.severity)
    )
    found: dict[TaskId, dict[Severity, int]] = {}
    for row in connection.execute(asked):
        found.setdefault(TaskId(row.task_id), {})[Severity(row.severity)] = row.times
    return found


def fixed(connection: Connection, task: TaskId, after: int = -1, limit: int = 200) -> Sequence[Reviewed] | None:
    """A page of the issues of the version before that are there no more; None when that version is there no more."""
    asked = select(documents.c.compared_with, documents.c.fixed_issues).where(documents.c.task_id == task)
    row = connection.execute(asked).first()
    if row is None or not row.compared_with:
        return ()
    if connection.scalar(select(documents.c.task_id).where(documents.c.task_id == row.compared_with)) is None:
        return None
    places = [at for at in json.loads(row.fixed_issues) if at > after][:limit]
    of_them = select(issues).where(issues.c.task_id == row.compared_with, issues.c.position.in_(places))
    return [_reviewed(found) for found in connection.execute(of_them.order_by(issues.c.position)).mappings()]


def comparison(connection: Connection, task: TaskId) -> Comparison | None:
    """How a task's issues stand to those of the version before; None where there was none, or it is there no more."""
    told = versions(connection, [task]).get(task)
    before = fixed(connection, task, limit=told.fixed) if told is not None else None
    if before is None:
        return None
    asked = select(issues.c.change).where(issues.c.task_id == task).order_by(issues.c.position)
    changes = tuple(map(Change, connection.scalars(asked)))
    return Comparison(changes, tuple(one.issue.known for one in before))


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
