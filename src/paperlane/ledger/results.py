"""Results of steps: packed, small ones in their row, large ones in a file that the row names with its hash."""

import hashlib
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, delete, func, select, update

from paperlane.errors import StoreAway, Unreadable
from paperlane.ledger import Files, Note
from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.prepared import Prepared, Row
from paperlane.ledger.schema import IN_A_FILE, checkpoints, tasks
from paperlane.ledger.writing import Asked, Writing
from paperlane.model.tasks import Lease, TaskId

log = structlog.get_logger(__name__)

LARGE = 256 << 10
"""Bytes from which on a packed result lies in a file.

SQLite reads up to some 100 KB faster from a row than from a file (https://www.sqlite.org/intern-v-extern-blob.html),
and a file costs two flushes of its own. Beyond, a row is written twice, in the log and in the table, while others wait
for the database; and a server bounds it: MariaDB's `max_allowed_packet` is 16 MB, a long PDF may give more.
"""

_OF_STEP = tuple(checkpoints.c[name] == bindparam(f"of_{name}") for name in ("task_id", "step"))
_KEY = checkpoints.c.key == bindparam("of_key")


@cache
def _there(given_rows: GivenRows) -> tuple[Prepared, Given]:
    """How many results are kept of given steps.

    Not a join: PostgreSQL keeps the plan that it made when the table was empty, which reads all of it.
    """
    given = given_rows("kept", of_task="key", of_step="key")
    of_step = (checkpoints.c.task_id == given.table.c.of_task, checkpoints.c.step == given.table.c.of_step)
    count = select(func.count()).select_from(checkpoints).where(*of_step).scalar_subquery()
    return Prepared(select(given.table.c.of_task, given.table.c.of_step, count)), given


class _Lost(Exception):
    """A file is not there, or not what its row says."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A result as its row has it: packed in `result`, or with the name, the hash and the size of its file."""

    result: bytes
    file: str = ""
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A step's result, ready to be kept."""

    lease: Lease
    step: str
    key: str
    row: Packed


@dataclass(frozen=True, slots=True)
class Results:
    """Keeps results and finds them again; without `files` all of them lie in their rows."""

    files: Files | None = None

    def store(self, notes: Sequence[Note]) -> Sequence[Stored]:
        """Pack the results of steps that are done, and put large ones into files; StorageFull when there is no room.

        Texts shrink to a quarter. Done before the transaction, so that no lock waits for it, and no row names what is
        not on disk: a process that dies in between leaves a file that nothing names.
        """
        stored: list[Stored] = []
        try:
            for note in notes:
                if (made := note.checkpoint) is not None:
                    stored += [Stored(note.lease, made.step, made.key, self._pack(made.result))]
        except BaseException:
            self.remove(one.row.file for one in stored)
            raise
        return stored

    def _pack(self, result: bytes) -> Packed:
        packed = zlib.compress(result, 1)
        if self.files is None or len(packed) < LARGE:
            return Packed(packed)
        return Packed(b"", self.files.write(packed), hashlib.sha256(packed).hexdigest(), len(packed))

    def ask(self, writing: Writing, stored: Sequence[Stored]) -> Asked | None:
        """Ask how many results are kept of these steps, for `keep`."""
        if not stored:
            return None
        asked, given = _there(writing.dialect.given)
        return writing.soon(asked, given.bind([one.lease.task for one in stored], [one.step for one in stored]))

    def keep(self, writing: Writing, stored: Sequence[Stored], asked: Asked | None) -> tuple[set[str], set[str]]:
        """Keep results of steps, under the locks of their tasks; the files that their rows name then.

        It may have been asked for these and others before the locks were there: nobody but who holds a task's lease
        keeps results of it, and an earlier call of theirs that comes through meanwhile is in the way of the insert. One
        that is there already stays as it is, unless its file is lost: then its step has run again for this one. Those
        of the step under other keys, of another input or version, are dropped: nobody asks for them any more. Their
        files stand beside it; nothing names them once this is committed.
        """
        named, useless, fresh = set[str](), set[str](), list[Row]()
        there = self._of_steps(writing, asked)
        for one in stored:
            rows = dict(there.get((one.lease.task, one.step), {}))
            kept = rows.pop(one.key, None)
            of = {"task_id": one.lease.task, "step": one.step, "key": one.key}
            if rows:
                writing.connection.execute(delete(checkpoints).where(*_OF_STEP, ~_KEY), _named(of))
                useless.update(row["file"] for row in rows.values())
            if kept is not None and self._is_whole(kept):
                named.add(kept["file"])
                continue
            named.add(one.row.file)
            values = {**asdict(one.row), "fence": one.lease.fence, "created_at": writing.now}
            if kept is None:
                fresh.append({**of, **values})
            else:
                useless.add(kept["file"])  # it may still be there, damaged
                writing.connection.execute(update(checkpoints).where(*_OF_STEP, _KEY).values(values), _named(of))
        if fresh:
            writing.soon(*writing.dialect.insertion(checkpoints, fresh))
        return named, useless

    def were_kept(
        self, writing: Writing, notes: Sequence[Note], stored: Sequence[Stored]
    ) -> Mapping[Lease, Collection[str]]:
        """Of which leases did an earlier try keep the results? Their files ("" for none).

        Asked under the locks that it held, of all these notes.
        """
        of = sorted({note.lease.task for note in notes})
        writing.connection.execute(select(tasks.c.id).where(tasks.c.id.in_(of)).order_by(tasks.c.id).with_for_update())
        there = self._of_steps(writing, self.ask(writing, stored))
        kept, lost = dict[Lease, set[str]](), set[Lease]()
        for one in stored:
            row = there.get((one.lease.task, one.step), {}).get(one.key)
            if row is not None and self._is_whole(row):
                kept.setdefault(one.lease, set()).add(str(row["file"]))
            else:
                lost.add(one.lease)
        return {lease: files for lease, files in kept.items() if lease not in lost}

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
                with suppress(OSError, StoreAway):
                    self.files.remove(file)

    def _of_steps(self, writing: Writing, asked: Asked | None) -> Mapping[tuple[str, str], dict[str, Row]]:
        """What is kept of the steps that were asked for, each by its key: hardly ever anything."""
        if asked is None:
            return {}
        columns = (checkpoints.c[name] for name in ("key", "file", "sha256", "bytes"))
        rows = select(*columns).where(*_OF_STEP)
        found: dict[tuple[str, str], dict[str, Row]] = {}
        for task, step in [(task, step) for task, step, count in asked.tuples() if count]:
            of_step = writing.connection.execute(rows, _named({"task_id": task, "step": step})).mappings()
            found[task, step] = {row["key"]: dict(row) for row in of_step}
        return found

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
