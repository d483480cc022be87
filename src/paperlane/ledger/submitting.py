"""What people ask for: tasks come in, are cancelled, start again."""

from sqlalchemy import Connection, func, insert, select, text, update

from paperlane.errors import BadRequest, Conflict, NotFound, TooMany
from paperlane.ledger import Rules
from paperlane.ledger.endings import Ending, give_back
from paperlane.ledger.history import Change, moved, told, write_events, write_moves
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import BACKLOGGED, batches, lanes, tasks
from paperlane.model.tasks import NewBatch, TaskId, UserId

_BACKLOG = select(func.coalesce(func.sum(lanes.c.ready + lanes.c.waiting), 0)).where(text(BACKLOGGED))
_RETRY_AFTER = 30


def check_room(connection: Connection, user: UserId, rules: Rules, coming: int = 1) -> None:
    """Raise TooMany when `coming` more tasks would overfill the user's or the system's backlog."""
    own = connection.execute(_BACKLOG.where(lanes.c.user_id == user)).scalar_one()
    if own + coming > rules.user_backlog:
        raise TooMany(
            f"{own} of your tasks wait already, and {coming} came; at most {rules.user_backlog} may wait.",
            hint="Wait until some are done, cancel some, or upload fewer files.",
            code="user_limit_exceeded",
            retry_after=_RETRY_AFTER,
        )
    # the sum touches only backlogged lanes, so the limit itself bounds what it costs
    if connection.execute(_BACKLOG).scalar_one() + coming > rules.system_backlog:
        raise TooMany(
            "The whole system's backlog is full.",
            hint="Try again in a little while.",
            code="system_busy",
            retry_after=_RETRY_AFTER,
        )


def batch_of_key(connection: Connection, user: UserId, key: str, since: float) -> Change | None:
    """The batch submitted under this key after `since`; an older one gives its key free."""
    row = connection.execute(select(batches).where(batches.c.user_id == user, batches.c.key == key)).mappings().first()
    return dict(row) if row is not None and row["created_at"] > since else None


def submit(connection: Connection, batch: NewBatch, now: float, rules: Rules) -> str:
    """Write the batch with its tasks; the id of the earlier batch when its key was known."""
    if batch.key:
        if (earlier := batch_of_key(connection, batch.user, batch.key, now - rules.key_kept)) is not None:
            if earlier["content"] != batch.content:
                raise BadRequest(
                    "This Idempotency-Key was used for another upload.",
                    hint="Use a new key for new content.",
                    code="idempotency_key_reused",
                )
            return earlier["id"]
        stale = update(batches).where(batches.c.user_id == batch.user, batches.c.key == batch.key).values(key=None)
        connection.execute(stale)
    if not batch.tasks:
        raise BadRequest("A batch needs at least one task.")
    check_room(connection, batch.user, rules, len(batch.tasks))
    connection.execute(
        insert(batches),
        {
            "id": batch.id,
            "user_id": batch.user,
            "name": batch.name,
            "priority": batch.priority,
            "key": batch.key or None,
            "content": batch.content,
            "created_at": now,
        },
    )
    _write_tasks(connection, batch, now, rules)
    return batch.id


def _write_tasks(connection: Connection, batch: NewBatch, now: float, rules: Rules) -> None:
    later = batch.run_at > now
    rows = [
        {
            "id": task.id,
            "batch_id": batch.id,
            "position": position,
            "user_id": batch.user,
            "state": "waiting" if later else "ready",
            "priority": batch.priority,
            "sort_key": max(now, batch.run_at) - batch.priority * rules.ageing,
            "stage": task.stage.value,
            "cost": task.cost,
            "run_at": batch.run_at if later else 0.0,
            "created_at": now,
            "seq": 1,
            "message": "",
            "payload": task.payload,
        }
        for position, task in enumerate(batch.tasks)
    ]
    connection.execute(insert(tasks), rows)
    fresh = {"fence": 0, "step": "", "percent": 0.0}
    write_events(connection, (told({**row, **fresh}, "submitted", now) for row in rows))
    held = Lanes(connection)
    lane = held.open(batch.user, rules.engine, rules.user_limit)
    lane.waiting += len(rows) * later
    lane.ready += len(rows) * (not later)
    held.write()


def locked(connection: Connection, task: TaskId) -> Change:
    """The task's row, its lane locked before it."""
    owner = connection.scalar(select(tasks.c.user_id).where(tasks.c.id == task))
    if owner is None:
        raise NotFound("There is no such task.")
    connection.execute(select(lanes.c.user_id).where(lanes.c.user_id == owner).with_for_update())
    return dict(connection.execute(select(tasks).where(tasks.c.id == task).with_for_update()).mappings().one())


def cancel(connection: Connection, task: TaskId, now: float) -> None:
    """Queued: it ends now. Running: the worker is told at its next write or heartbeat."""
    row = locked(connection, task)
    ended = {"state": "cancelled", "finished_at": now, "message": "", "run_at": 0.0, "worker_id": ""}
    match row["state"]:
        case "cancelled":
            return
        case "completed" | "failed":
            raise Conflict(f"The task has {row['state']}; there is nothing to cancel.", code="already_ended")
        case "running":
            if not row["cancel"]:
                change = moved(row, cancel=1, message="cancelling")
                write_moves(connection, [(change, "cancelling")], now)
            return
        case _:
            held = Lanes(connection)
            lane = held[row["user_id"]]
            if row["state"] == "leased":
                give_back(lane, row, Ending(ended, "cancelled", None))
            lane.ready -= row["state"] == "ready"
            lane.waiting -= row["state"] == "waiting"
            write_moves(connection, [(moved(row, charged=0.0, **ended), "cancelled")], now)
            held.write()


_AFRESH = {
    "state": "ready", "attempt": 0, "retries": 0, "crashes": 0, "cancel": 0, "fault": None, "summary": None,
    "percent": 0.0, "step": "", "message": "", "started_at": 0.0, "finished_at": 0.0, "run_at": 0.0,
}  # fmt: skip


def retry(connection: Connection, task: TaskId, now: float, rules: Rules) -> None:
    """A task that failed or was cancelled is ready again; its checkpoints stay."""
    row = locked(connection, task)
    if row["state"] not in {"failed", "cancelled"}:
        raise Conflict(
            f"The task is {row['state']}; only a failed or cancelled one can be started again.", code="not_failed"
        )
    check_room(connection, UserId(row["user_id"]), rules)
    held = Lanes(connection)
    held[row["user_id"]].ready += 1
    write_moves(connection, [(moved(row, run=row["run"] + 1, **_AFRESH), "replayed")], now)
    held.write()
