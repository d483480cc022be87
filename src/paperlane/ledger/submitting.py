"""What people ask for: tasks come in, are cancelled, start again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Connection, bindparam, insert, literal, select, update

from paperlane.errors import BadRequest, Conflict, NotFound, TooMany
from paperlane.ledger import Rules
from paperlane.ledger.backlog import RETRY_AFTER, Backlog, is_full, too_many, waiting_of
from paperlane.ledger.bounds import check_engine, check_engines
from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.endings import IN_ONE, Ending, give_back
from paperlane.ledger.history import Change, Move, move
from paperlane.ledger.holding import hold, wanted
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import batches, events, tasks
from paperlane.ledger.sense import clean
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import FIRST, Batch, BatchId, NewBatch, State, Task, TaskId, UserId


def check_room(connection: Connection, user: UserId, rules: Rules) -> None:
    """Raise TooMany when the user's or the system's backlog is full."""
    _check_own(waiting_of(connection, user), 1, rules)
    check_engine(connection, user, rules)
    if is_full(connection, rules):
        raise too_many()


def _check_own(own: int, coming: int, rules: Rules) -> None:
    if own + coming > rules.user_backlog:
        raise TooMany(
            f"{own} of your tasks wait already, and {coming} came; at most {rules.user_backlog} may wait.",
            hint="Wait until some are done, cancel some, or upload fewer files.",
            code="user_limit_exceeded",
            retry_after=RETRY_AFTER,
        )


def batch_of_key(connection: Connection, user: UserId, key: str, since: float) -> Change | None:
    """The batch submitted under this key after `since`; an older one gives its key free."""
    row = connection.execute(select(batches).where(batches.c.user_id == user, batches.c.key == key)).mappings().first()
    return dict(row) if row is not None and row["created_at"] > since else None


def submit(writing: Writing, new: Sequence[NewBatch], rules: Rules, backlog: Backlog) -> Mapping[BatchId, BatchId]:
    """Write batches of any users, all or none, in a few statements, but for those that were there, as what.

    Such a one was written by the commit whose answer was lost, or it repeats an earlier one under its key.
    """
    held = Lanes(writing)
    coming = _tasks_by_user(new)
    room = backlog.room(writing, held, coming.total(), rules)
    held.ask_clocks()
    held.open(coming, rules.engine, rules.user_limit)  # first: these users' other uploads wait, and are seen
    there = _written_before(writing, new) if writing.again else {}
    for batch in new:
        if batch.key and batch.id not in there and (earlier := _of_its_key(writing, batch, rules)) is not None:
            there[batch.id] = earlier
    fresh = [batch for batch in new if batch.id not in there]
    if not fresh:
        return there
    coming = _tasks_by_user(fresh)
    for user, tasks_of_user in coming.items():
        _check_own(held[user].ready + held[user].waiting, tasks_of_user, rules)
    check_engines(writing, held, coming, rules)
    if room() < coming.total():
        raise too_many()
    _write(writing, fresh, rules)
    for batch in fresh:
        if batch.run_at > writing.now:
            held[batch.user].waiting += len(batch.tasks)
        else:
            held[batch.user].ready += len(batch.tasks)
    held.write()
    return there


def _tasks_by_user(new: Sequence[NewBatch]) -> Counter[UserId]:
    coming = Counter[UserId]()
    for batch in new:
        coming[batch.user] += len(batch.tasks)
    return coming


def _written_before(writing: Writing, new: Sequence[NewBatch]) -> dict[BatchId, BatchId]:
    known = select(batches.c.id).where(batches.c.id.in_([batch.id for batch in new]))
    return {BatchId(batch): BatchId(batch) for batch in writing.connection.scalars(known)}


def _of_its_key(writing: Writing, batch: NewBatch, rules: Rules) -> BatchId | None:
    """The batch that this one repeats; an older one under its key gives that free."""
    earlier = batch_of_key(writing.connection, batch.user, batch.key, writing.now - rules.key_kept)
    if earlier is None:
        stale = update(batches).where(batches.c.user_id == batch.user, batches.c.key == batch.key).values(key=None)
        writing.connection.execute(stale)
        return None
    if earlier["content"] != batch.content:
        raise BadRequest(
            "This Idempotency-Key was used for another upload.",
            hint="Use a new key for new content.",
            code="idempotency_key_reused",
        )
    return BatchId(earlier["id"])


def accepted(batch: NewBatch, now: float) -> Batch:
    """A batch as people see it that was written a moment ago."""
    return Batch(batch.id, batch.user, batch.name, now, {"queued": len(batch.tasks)}, 0.0, batch.content)


def accepted_tasks(batch: NewBatch, now: float, rules: Rules) -> Sequence[Task]:
    """Its tasks, likewise."""
    later = batch.run_at > now
    return [
        Task(
            id=task.id,
            batch=batch.id,
            user=batch.user,
            state=State.WAITING if later else State.READY,
            priority=batch.priority,
            engine="",
            step="",
            percent=0.0,
            message="",
            seq=1,
            attempt=0,
            max_attempts=rules.max_retries + 1,
            created_at=now,
            started_at=0.0,
            finished_at=0.0,
            run_at=batch.run_at if later else 0.0,
            fault=None,
            payload=task.payload,
            summary={},
            version=task.version,
        )
        for task in batch.tasks
    ]


def _write(writing: Writing, new: Sequence[NewBatch], rules: Rules) -> None:
    now = writing.now
    rows = [
        {
            "id": batch.id,
            "user_id": batch.user,
            "name": clean(batch.name),
            "priority": batch.priority,
            "key": batch.key or None,
            "content": batch.content,
            "created_at": now,
            "first_task": min(task.id for task in batch.tasks),
            "last_task": max(task.id for task in batch.tasks),
        }
        for batch in new
    ]
    writing.soon(*writing.dialect.insertion(batches, rows))
    every = [row for batch in new for row in _tasks_of(batch, now, rules)]
    writing.soon(*writing.dialect.insertion(tasks, every))
    told, given = _submitted(writing.dialect.given)
    writing.soon(told, {**given.bind([row["id"] for row in every]), "at": now})


def _tasks_of(batch: NewBatch, now: float, rules: Rules) -> Sequence[dict[str, object]]:
    later = batch.run_at > now
    return [
        {
            "id": task.id,
            "batch_id": batch.id,
            "position": position,
            "user_id": batch.user,
            "state": "waiting" if later else "ready",
            "priority": batch.priority,
            "sort_key": max(now, batch.run_at) - batch.priority * rules.ageing,
            "stage": FIRST.value,
            "version": task.version,
            "cost": task.cost,
            "run_at": batch.run_at if later else 0.0,
            "created_at": now,
            "seq": 1,
            "message": "",
            "payload": task.payload,
        }
        for position, task in enumerate(batch.tasks)
    ]


@cache
def _submitted(given_rows: GivenRows) -> tuple[Prepared, Given]:
    """The first event of each of the given tasks."""
    given = given_rows("fresh", of_task="key")
    columns = {
        "task_id": given.table.c.of_task,
        "seq": literal(1),
        "fence": literal(0),
        "kind": literal("submitted"),
        "status": literal("queued"),
        "step": literal(""),
        "percent": literal(0.0),
        "message": literal(""),
        "at": bindparam("at", type_=events.c.at.type),
    }
    return Prepared(insert(events).from_select(list(columns), select(*columns.values()))), given


_ONE = wanted(select().where(tasks.c.id == bindparam("task")))


def _held(writing: Writing, held: Lanes, task: TaskId) -> Change:
    """The task, locked after its lane."""
    if not (found := hold(writing, held, _ONE, {"task": task})):
        raise NotFound("There is no such task.")
    return found[0]


def cancel(writing: Writing, task: TaskId) -> bool:
    """Queued: it ends now. Running: the worker is told at its next write or heartbeat.

    False where it was cancelled before.
    """
    held = Lanes(writing)
    row = _held(writing, held, task)
    ended = {"state": "cancelled", "finished_at": writing.now, "message": "", "run_at": 0.0, "worker_id": ""}
    match row["state"]:
        case "cancelled":
            return False
        case "completed" | "failed":
            raise Conflict(f"The task has {row['state']}; there is nothing to cancel.", code="already_ended")
        case "running":
            if row["cancel"]:
                return False
            move(writing, [Move(row, {"cancel": 1, "message": "cancelling"}, "cancelling")])
            return True
        case _:
            lane = held[row["user_id"]]
            if row["state"] == "leased":
                ended |= give_back(lane, row, Ending(ended, "cancelled", None))
            else:
                lane.count_end("cancelled")
            lane.ready -= row["state"] == "ready"
            lane.waiting -= row["state"] == "waiting"
            move(writing, [Move(row, ended, "cancelled")])
            held.write()
            return True


_AFRESH = {
    "state": "ready", "attempt": 0, "retries": 0, "crashes": 0, "cancel": 0, "fault": None, "cause": "", "dead": 0,
    "summary": None, "percent": 0.0, "step": "", "message": "", "started_at": 0.0, "finished_at": 0.0,
    **IN_ONE,
}  # fmt: skip


def afresh(task: Change, now: float) -> Move:
    """An ended task starts again, with fresh tries; its checkpoints stay, and it waits since now."""
    return Move(task, {"run": task["run"] + 1, **_AFRESH, "run_at": now}, "replayed")


def retry(writing: Writing, task: TaskId, rules: Rules, backlog: Backlog) -> bool:
    """A task that failed or was cancelled is ready again; its checkpoints stay.

    False where it is so by the commit whose answer was lost.
    """
    held = Lanes(writing)
    room = backlog.room(writing, held, 1, rules)
    row = _held(writing, held, task)
    if row["state"] not in {"failed", "cancelled"}:
        if writing.again:
            return False
        raise Conflict(
            f"The task is {row['state']}; only a failed or cancelled one can be started again.", code="not_failed"
        )
    lane = held[row["user_id"]]
    _check_own(lane.ready + lane.waiting, 1, rules)
    if room() < 1:
        raise too_many()
    lane.ready += 1
    move(writing, [afresh(row, writing.now)])
    held.write()
    return True
