"""Documents: what was uploaded for each task."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select

from paperlane.model.documents import Upload
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.schema import documents


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
    """Those of these files that a document is in."""
    return set(connection.scalars(select(documents.c.blob).where(documents.c.blob.in_(blobs))))
