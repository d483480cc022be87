"""Writing down what happened to tasks: numbered events, each beside the change it tells of."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, insert, update

from paperlane.ledger.schema import attempts, events, tasks

Change = dict[str, Any]


def told(task: Change, kind: str, at: float) -> Change:
    """The event that tells of a task's present state; the task's `seq` is its number."""
    return {
        "task_id": task["id"],
        "seq": task["seq"],
        "fence": task["fence"],
        "kind": kind,
        "status": "queued" if task["state"] in {"ready", "waiting", "leased"} else task["state"],
        "step": task["step"],
        "percent": task["percent"],
        "message": task["message"],
        "at": at,
    }


def write_events(connection: Connection, rows: Iterable[Change]) -> None:
    """Append events; their numbers were given out under the task's guard."""
    if rows := list(rows):
        connection.execute(insert(events), rows)


_MOVED = (
    "state", "stage", "run", "fence", "attempt", "retries", "crashes", "cancel", "charged", "engine", "worker_id",
    "lease_until", "run_at", "started_at", "finished_at", "seq", "step", "percent", "message", "fault", "summary",
)  # fmt: skip

_MOVE = (
    update(tasks)
    .where(
        tasks.c.id == bindparam("was_id"), tasks.c.fence == bindparam("was_fence"), tasks.c.seq == bindparam("was_seq")
    )
    .values({name: bindparam(name) for name in _MOVED})
)


def moved(task: Change, **to: object) -> Change:
    """The task after a change that has the next number; what it was stays beside it as the guard."""
    return {
        **task,
        "was_id": task["id"],
        "was_fence": task["fence"],
        "was_seq": task["seq"],
        "seq": task["seq"] + 1,
        **to,
    }


def write_moves(connection: Connection, changes: Iterable[tuple[Change, str]], at: float) -> None:
    """Carry out changes of tasks that this transaction has locked, each with its event (change, kind)."""
    if changes := list(changes):
        connection.execute(
            _MOVE, [{k: task[k] for k in (*_MOVED, "was_id", "was_fence", "was_seq")} for task, _ in changes]
        )
        write_events(connection, (told(task, kind, at) for task, kind in changes))


_OPEN = insert(attempts)
_CLOSE = (
    update(attempts)
    .where(attempts.c.task_id == bindparam("of_task"), attempts.c.fence == bindparam("of_fence"))
    .values(ended_at=bindparam("at"), outcome=bindparam("how"), fault=bindparam("why"))
)


def open_attempts(connection: Connection, running: Iterable[Change], at: float) -> None:
    """Attempts begin."""
    rows = [
        {
            "task_id": task["id"],
            "fence": task["fence"],
            "number": task["attempt"],
            "engine": task["engine"],
            "worker_id": task["worker_id"],
            "started_at": at,
        }
        for task in running
    ]
    if rows:
        connection.execute(_OPEN, rows)


def close_attempts(connection: Connection, ended: Iterable[tuple[str, int, str, str | None]], at: float) -> None:
    """Attempts end: (task, fence, outcome, fault as JSON)."""
    rows = [{"of_task": t, "of_fence": f, "how": how, "why": why, "at": at} for t, f, how, why in ended]
    if rows:
        connection.execute(_CLOSE, rows)
