"""Documents: what was uploaded for each task, and which files schedules will test again."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select, union_all

from paperlane.errors import Conflict
from paperlane.model.documents import Upload
from paperlane.model.schedules import ScheduleId
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.schema import documents, scheduled_files


def add(connection: Connection, user: UserId, uploads: Mapping[TaskId, Upload], now: float) -> None:
    """Record the uploads of a batch."""
    rows: Sequence[Mapping[str, object]] = [
        {
            "task_id": task,
            "user_id": user,
            "name": upload.name,
            "media_type": upload.media_type,
            "bytes": upload.bytes,
            "sha256": upload.sha256,
            "blob": upload.blob,
            "created_at": now,
        }
        for task, upload in uploads.items()
    ]
    connection.execute(insert(documents), rows)


def named(connection: Connection, blobs: Sequence[str]) -> set[str]:
    """Those of these files that a document or a schedule is in."""
    columns = (documents.c.blob, scheduled_files.c.blob)
    return set(connection.scalars(union_all(*(select(column).where(column.in_(blobs)) for column in columns))))


def newest_files(connection: Connection, most: int) -> Sequence[str]:
    """Files that the newest documents are in, at most so many; none where nothing was uploaded."""
    return connection.scalars(select(documents.c.blob).order_by(documents.c.task_id.desc()).limit(most)).all()


def hold(connection: Connection, schedule: ScheduleId, tasks: Sequence[TaskId]) -> None:
    """The files of these tasks are a schedule's too, and stay as long as it does. Conflict when one has gone.

    The documents are locked, so that none of them is forgotten before the schedule is there.
    """
    asked = select(documents.c.blob).where(documents.c.task_id.in_(tasks)).order_by(documents.c.task_id)
    blobs = connection.scalars(asked.with_for_update()).all()
    if len(blobs) < len(tasks):
        raise Conflict(
            "Documents of this batch were old and are gone.", code="documents_gone", hint="Upload them again."
        )
    rows = [{"schedule_id": schedule, "blob": blob} for blob in sorted(set(blobs))]
    connection.execute(insert(scheduled_files), rows)


def release(connection: Connection, schedule: ScheduleId) -> Sequence[str]:
    """A schedule is no more; which files were its."""
    of_it = scheduled_files.c.schedule_id == schedule
    blobs = connection.scalars(select(scheduled_files.c.blob).where(of_it)).all()
    connection.execute(delete(scheduled_files).where(of_it))
    return blobs


def forget(connection: Connection, tasks: Sequence[TaskId]) -> Sequence[str]:
    """The documents of these tasks are no more; which files they were in."""
    of_them = documents.c.task_id.in_(tasks)
    blobs = connection.scalars(select(documents.c.blob).where(of_them)).all()
    connection.execute(delete(documents).where(of_them))
    return blobs
