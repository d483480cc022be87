"""Documents: what was uploaded for each task, and which files schedules will test again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select, union_all

from paperlane.errors import Conflict
from paperlane.model.documents import Upload
from paperlane.model.schedules import ScheduleId
from paperlane.model.tasks import TaskId, UserId
from paperlane.records import storage
from paperlane.records.schema import documents, scheduled_files


def add(connection: Connection, uploads: Iterable[tuple[UserId, Mapping[TaskId, Upload]]], now: float) -> None:
    """Record the uploads of batches, each with whose it is."""
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
        for user, own in uploads
        for task, upload in own.items()
    ]
    connection.execute(insert(documents), rows)


def media_types(connection: Connection, tasks: Sequence[TaskId]) -> dict[TaskId, str]:
    """Of what kind the documents of these tasks are, a thousand or so at once."""
    asked = select(documents.c.task_id, documents.c.media_type).where(documents.c.task_id.in_(tasks))
    return {TaskId(task): kind for task, kind in connection.execute(asked)}


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
    asked = select(documents.c.blob, documents.c.bytes).where(documents.c.task_id.in_(tasks))
    found = connection.execute(asked.order_by(documents.c.task_id).with_for_update()).all()
    if len(found) < len(tasks):
        raise Conflict(
            "Documents of this batch were old and are gone.", code="documents_gone", hint="Upload them again."
        )
    files = sorted({(row.blob, row.bytes) for row in found})
    rows = [{"schedule_id": schedule, "blob": blob, "bytes": size} for blob, size in files]
    connection.execute(insert(scheduled_files), rows)


def release(connection: Connection, schedule: ScheduleId, owner: UserId) -> Sequence[str]:
    """A schedule is no more; which files were its. Those that nothing names now count as stored no more."""
    storage.hold(connection, [owner])
    of_it = scheduled_files.c.schedule_id == schedule
    files = connection.execute(select(scheduled_files.c.blob, scheduled_files.c.bytes).where(of_it)).all()
    connection.execute(delete(scheduled_files).where(of_it))
    _free(connection, [(owner, row.blob, row.bytes) for row in files])
    return [row.blob for row in files]


def forget(connection: Connection, tasks: Sequence[TaskId]) -> Sequence[str]:
    """The documents of these tasks are no more; which files they were in.

    Those that nothing names now count as stored no more.
    """
    of_them = documents.c.task_id.in_(tasks)
    storage.hold(connection, connection.scalars(select(documents.c.user_id).where(of_them).distinct()).all())
    files = connection.execute(select(documents.c.user_id, documents.c.blob, documents.c.bytes).where(of_them)).all()
    connection.execute(delete(documents).where(of_them))
    _free(connection, [(row.user_id, row.blob, row.bytes) for row in files])
    return [row.blob for row in files]


def _free(connection: Connection, files: Sequence[tuple[int, str, int]]) -> None:
    """Of these users' files, those that nothing names any more give their room back; a file may come several times.

    Their users are held: whoever lets go of the last other name of a file at the same time waits, and then sees it.
    """
    kept = named(connection, [blob for _, blob, _ in files])
    freed = Counter[int]()
    for user, blob, size in sorted(set(files)):
        freed[user] += 0 if blob in kept else size
    storage.free(connection, freed)
