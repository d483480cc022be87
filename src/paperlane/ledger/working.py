"""What workers say while they run: who they are, that they live, how far they have come."""

import zlib
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from paperlane.errors import CancelRequested, StaleLease
from paperlane.ledger.claims import begun, start
from paperlane.ledger.history import Change, moved, write_moves
from paperlane.ledger.schema import UNDER_WAY, checkpoints, tasks, workers
from paperlane.model.tasks import (
    Attempt,
    Checkpoint,
    Lease,
    Progress,
    Renewal,
    TaskId,
    UserId,
    WorkerId,
)


def register(connection: Connection, worker: Change, now: float, limit: int) -> int:
    """Enter the worker, or its wish for more slots; what the system's limit leaves is granted."""
    others = select(func.coalesce(func.sum(workers.c.slots), 0)).where(workers.c.id != worker["id"])
    granted = max(0, min(worker["slots"], limit - connection.execute(others).scalar_one()))
    known = connection.execute(update(workers).where(workers.c.id == worker["id"]).values(slots=granted, seen_at=now))
    if known.rowcount == 0:
        connection.execute(insert(workers), {**worker, "slots": granted, "started_at": now, "seen_at": now})
    return granted


def forget(connection: Connection, worker: WorkerId) -> None:
    """The worker is no more."""
    connection.execute(delete(workers).where(workers.c.id == worker))


def begin(connection: Connection, lease: Lease, worker: WorkerId, now: float, length: float) -> Change:
    """The task as this worker runs it; compare-and-set from leased, the same again for the same worker."""
    row = connection.execute(select(tasks).where(tasks.c.id == lease.task).with_for_update()).mappings().first()
    if row is None or row["fence"] != lease.fence:
        raise _stale(lease)
    task = dict(row)
    if task["state"] == "running" and task["worker_id"] == worker:
        return task
    if task["state"] != "leased":
        raise _stale(lease)
    task = begun(task, task["engine"], worker, now, length, rise=0)
    start(connection, [task], now)
    return task


def attempt_of(task: Change, worker: WorkerId, max_attempts: int, seconds: float) -> Attempt:
    """What the worker must know."""
    return Attempt(
        Lease(TaskId(task["id"]), task["fence"]),
        worker,
        UserId(task["user_id"]),
        task["attempt"],
        max_attempts,
        bytes(task["payload"]),
        seconds,
    )


def _stale(lease: Lease) -> StaleLease:
    return StaleLease(f"Lease {lease.fence} of task {lease.task} is not valid any more.")


_RENEW = (
    update(tasks)
    .where(
        tasks.c.id == bindparam("of_task"),
        tasks.c.fence == bindparam("of_fence"),
        tasks.c.worker_id == bindparam("of_worker"),
        text("state = 'running'"),
    )
    .values(lease_until=bindparam("until"))
)


def renew(connection: Connection, worker: WorkerId, leases: Sequence[Lease], now: float, length: float) -> Renewal:
    """Prolong all that is still held; a worker that the ledger gave up holds nothing."""
    known = connection.execute(update(workers).where(workers.c.id == worker).values(seen_at=now))
    if known.rowcount == 0:
        return Renewal(lost=tuple(leases), cancelled=(), known=False)
    if leases:
        connection.execute(
            _RENEW,
            [{"of_task": x.task, "of_fence": x.fence, "of_worker": worker, "until": now + length} for x in leases],
        )
    rows = connection.execute(
        select(tasks.c.id, tasks.c.fence, tasks.c.cancel).where(
            text(UNDER_WAY), tasks.c.worker_id == worker, text("state = 'running'")
        )
    )
    held = {(row.id, row.fence): row.cancel for row in rows}
    return Renewal(
        lost=tuple(x for x in leases if (x.task, x.fence) not in held),
        cancelled=tuple(x for x in leases if held.get((x.task, x.fence))),
    )


def _guarded(connection: Connection, lease: Lease, worker: WorkerId) -> Change | None:
    row = connection.execute(
        select(tasks)
        .where(
            tasks.c.id == lease.task,
            tasks.c.fence == lease.fence,
            tasks.c.worker_id == worker,
            text("state = 'running'"),
        )
        .with_for_update()
    ).mappings().first()  # fmt: skip
    return None if row is None else dict(row)


def going_on(connection: Connection, lease: Lease, worker: WorkerId) -> Change:
    """The task, locked, if its attempt may go on. StaleLease or CancelRequested if not."""
    task = _guarded(connection, lease, worker)
    if task is None:
        raise _stale(lease)
    if task["cancel"]:
        raise CancelRequested("Somebody cancelled the task.")
    return task


def _further(task: Change, progress: Progress) -> Change:
    percent = min(max(progress.percent, task["percent"]), 100.0)
    return moved(task, step=progress.step, percent=percent, message=progress.message)


def note(connection: Connection, lease: Lease, worker: WorkerId, progress: Progress, kind: str, now: float) -> None:
    """Write down how far an attempt has come, if it may go on."""
    write_moves(connection, [(_further(going_on(connection, lease, worker), progress), kind)], now)


def note_all(connection: Connection, worker: WorkerId, reports: Sequence[tuple[Lease, Progress]], now: float) -> None:
    """Write down how far several attempts have come; those that lost their lease are passed over."""
    held = ((_guarded(connection, lease, worker), progress) for lease, progress in reports)
    changes = [(_further(task, progress), "progress") for task, progress in held if task is not None]
    write_moves(connection, changes, now)


def keep(connection: Connection, lease: Lease, checkpoint: Checkpoint, packed: bytes, now: float) -> None:
    """Keep a step's result; one that is there already stays as it is."""
    key = (
        checkpoints.c.task_id == lease.task,
        checkpoints.c.step == checkpoint.step,
        checkpoints.c.key == checkpoint.key,
    )
    if connection.execute(select(checkpoints.c.fence).where(*key)).first() is None:
        connection.execute(
            insert(checkpoints),
            {
                "task_id": lease.task,
                "step": checkpoint.step,
                "key": checkpoint.key,
                "fence": lease.fence,
                "created_at": now,
                "result": packed,
            },
        )


def kept(connection: Connection, task: TaskId, step: str, key: str) -> bytes | None:
    """A step's result as it was packed; the newest without a key."""
    asked = select(checkpoints.c.result).where(checkpoints.c.task_id == task, checkpoints.c.step == step)
    if key:
        asked = asked.where(checkpoints.c.key == key)
    return connection.scalar(asked.order_by(checkpoints.c.created_at.desc(), checkpoints.c.fence.desc()).limit(1))


def pack(result: bytes) -> bytes:
    """Texts shrink to a quarter; done before the transaction, so that no lock waits for it."""
    return zlib.compress(result, 1)


def unpack(packed: bytes) -> bytes:
    """What was packed."""
    return zlib.decompress(packed)
