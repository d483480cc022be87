"""Results of steps: packed, small ones in their row, large ones in a file that the row names with its hash."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, delete, select, update

from paperlane.errors import Unreadable
from paperlane.ledger import Files
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import IN_A_FILE, checkpoints, tasks
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import Checkpoint, Lease, TaskId

log = structlog.get_logger(__name__)

LARGE = 256 << 10
"""Bytes from which on a packed result lies in a file.

SQLite reads up to some 100 KB faster from a row than from a file (https://www.sqlite.org/intern-v-extern-blob.html),
and a file costs two flushes of its own. Beyond, a row is written twice, in the log and in the table, while others wait
for the database; and a server bounds it: MariaDB's `max_allowed_packet` is 16 MB, a long PDF may give more.
"""

_OF_STEP = tuple(checkpoints.c[name] == bindparam(f"of_{name}") for name in ("task_id", "step"))
_KEY = checkpoints.c.key == bindparam("of_key")
_THERE = Prepared(
    select(checkpoints.c.key, checkpoints.c.file, checkpoints.c.sha256, checkpoints.c.bytes).where(*_OF_STEP)
)


class _Lost(Exception):
    """A file is not there, or not what its row says."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A result as its row has it: packed in `result`, or with the name, the hash and the size of its file."""

    result: bytes
    file: str = ""
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Results:
    """Keeps results and finds them again; without `files` all of them lie in their rows."""

    files: Files | None = None

    def store(self, result: bytes) -> Stored:
        """Pack a result, and put a large one into its file; StorageFull when there is no room.

        Texts shrink to a quarter. Done before the transaction, so that no lock waits for it, and no row names what is
        not on disk: a process that dies in between leaves a file that nothing names.
        """
        packed = zlib.compress(result, 1)
        if self.files is None or len(packed) < LARGE:
            return Stored(packed)
        return Stored(b"", self.files.write(packed), hashlib.sha256(packed).hexdigest(), len(packed))

    def keep(self, writing: Writing, lease: Lease, checkpoint: Checkpoint, stored: Stored) -> tuple[str, Sequence[str]]:
        """Keep a step's result, under the lock of its task; the file that its row names then, "" for none.

        One that is there already stays as it is, unless its file is lost: then its step has run again for this one.
        Those of the step under other keys, of another input or version, are dropped: nobody asks for them any more.
        Their files stand beside it; nothing names them once this is committed.
        """
        rows = self._of_step(writing, lease.task, checkpoint)
        there = rows.pop(checkpoint.key, None)
        of = {"task_id": lease.task, "step": checkpoint.step, "key": checkpoint.key}
        if rows:
            writing.connection.execute(delete(checkpoints).where(*_OF_STEP, ~_KEY), _named(of))
        useless = [row["file"] for row in rows.values() if row["file"]]
        if there is not None and self._is_whole(there):
            return str(there["file"]), useless
        values = {**asdict(stored), "fence": lease.fence, "created_at": writing.now}
        if there is None:
            writing.connection.execute(writing.dialect.insert_new(checkpoints), {**of, **values})
        else:
            writing.connection.execute(update(checkpoints).where(*_OF_STEP, _KEY).values(values), _named(of))
        return stored.file, useless

    def was_kept(self, writing: Writing, lease: Lease, checkpoint: Checkpoint) -> str | None:
        """Did an earlier try keep this result? Its file ("" for none), asked under the lock which that try held."""
        writing.connection.execute(select(tasks.c.id).where(tasks.c.id == lease.task).with_for_update())
        there = self._of_step(writing, lease.task, checkpoint).get(checkpoint.key)
        return str(there["file"]) if there is not None and self._is_whole(there) else None

    def of(self, ask: Callable[[], Mapping[str, Any] | None], task: TaskId, step: str) -> bytes | None:
        """The result of the row that is asked for; None when its file is lost, which is as if it had never been kept.

        Asked again where the file is gone: it goes with a row that is dropped meanwhile for a newer one.
        Unreadable when it is there and cannot be read now.
        """
        lost = ""
        while (row := ask()) is not None:
            try:
                return zlib.decompress(self._packed(row) if row["file"] else row["result"])
            except _Lost as error:
                if row["file"] == lost:
                    log.warning("a result is lost", task=task, step=step, file=lost, why=str(error))
                    return None
                lost = row["file"]
        return None

    def remove(self, files: Iterable[str]) -> None:
        """Remove files that no row names any more; what cannot be removed now is found by who looks for such files."""
        for file in files:
            if file and self.files is not None:
                with suppress(OSError):
                    self.files.remove(file)

    def _of_step(self, writing: Writing, task: TaskId, checkpoint: Checkpoint) -> dict[str, Mapping[str, Any]]:
        """What is kept of the step, by its key."""
        rows = writing.soon(_THERE, _named({"task_id": task, "step": checkpoint.step})).rows()
        return {row["key"]: row for row in rows}

    def _is_whole(self, row: Mapping[str, Any]) -> bool:
        """Read under a lock, but hardly ever: who finds a good result runs no step and saves nothing."""
        try:
            return not row["file"] or bool(self._packed(row))
        except _Lost:
            return False

    def _packed(self, row: Mapping[str, Any]) -> bytes:
        if self.files is None:
            raise _Lost("this process was given no place for files")
        try:
            packed = self.files.read(row["file"])
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise _Lost(error.strerror or "there is no such file") from error
        except OSError as error:  # too many open files, a disk or a network that fails: none says that it is lost
            raise Unreadable(
                f"The file {row['file']} of a result cannot be read: {error.strerror or error}.",
                hint="See to the data folder's disk. Remove a file that stays so: its step runs again.",
            ) from error
        if len(packed) != row["bytes"] or hashlib.sha256(packed).hexdigest() != row["sha256"]:
            raise _Lost("the file is damaged")
        return packed


def _named(of: Mapping[str, object]) -> dict[str, object]:
    return {f"of_{name}": value for name, value in of.items()}


def kept(connection: Connection, task: TaskId, step: str, key: str) -> Mapping[str, Any] | None:
    """The row of a step's result; the newest without a key."""
    columns = (checkpoints.c.result, checkpoints.c.file, checkpoints.c.sha256, checkpoints.c.bytes)
    asked = select(*columns).where(checkpoints.c.task_id == task, checkpoints.c.step == step)
    if key:
        asked = asked.where(checkpoints.c.key == key)
    latest_first = asked.order_by(checkpoints.c.created_at.desc(), checkpoints.c.fence.desc())
    row = connection.execute(latest_first.limit(1)).mappings().first()
    return None if row is None else dict(row)


def named(connection: Connection, files: Sequence[str]) -> set[str]:
    """Those of these files that a result lies in."""
    return set(connection.scalars(select(checkpoints.c.file).where(IN_A_FILE, checkpoints.c.file.in_(files))))
