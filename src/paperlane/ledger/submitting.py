"""What people ask for: tasks come in, are cancelled, start again."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from threading import Lock

from sqlalchemy import Connection, bindparam, func, insert, literal, select, update

from paperlane.errors import BadRequest, Conflict, NotFound, TooMany
from paperlane.ledger import Rules
from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.endings import Ending, give_back
from paperlane.ledger.history import Change, Move, move
from paperlane.ledger.holding import hold, wanted
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import BACKLOGGED, batches, events, lanes, system, tasks
from paperlane.ledger.sense import clean
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import Batch, NewBatch, TaskId, UserId

_BACKLOG = select(func.coalesce(func.sum(lanes.c.ready + lanes.c.waiting), 0)).where(BACKLOGGED)
_RETRY_AFTER = 30
_FAR = 0.1  # of a full backlog
_FRESH = 0.5  # seconds for which a sum counts while it is so far from the limit
_NEARLY = 0.5  # of a full backlog: whoever submits at once together brings less than the rest


def check_room(connection: Connection, user: UserId, rules: Rules, coming: int = 1) -> None:
    """Raise TooMany when `coming` more tasks would overfill the user's or the system's backlog."""
    _check_own(connection.execute(_BACKLOG.where(lanes.c.user_id == user)).scalar_one(), coming, rules)
    _check_system(connection, coming, rules)


def _check_own(own: int, coming: int, rules: Rules) -> None:
    if own + coming > rules.user_backlog:
        raise TooMany(
            f"{own} of your tasks wait already, and {coming} came; at most {rules.user_backlog} may wait.",
            hint="Wait until some are done, cancel some, or upload fewer files.",
            code="user_limit_exceeded",
            retry_after=_RETRY_AFTER,
        )


def system_backlog(connection: Connection) -> int:
    """How many tasks wait in the whole system."""
    return int(connection.execute(_BACKLOG).scalar_one())


@dataclass(slots=True)
class Backlog:
    """What this process knows of the whole system's backlog, so that not every upload sums up all lanes.

    A sum counts for a moment, and while it is far from the limit: many who sum up at once, or within that moment, would
    have to bring a tenth each of what may wait, to come past the limit unseen.
    """

    _sum: int = 0
    _at: float = -inf
    _lock: Lock = field(default_factory=Lock)

    def is_near(self, writing: Writing, coming: int, rules: Rules) -> bool:
        """Is it nearly full? Then who submits takes turns, at the system's row; before lanes are locked."""
        now = time.monotonic()
        with self._lock:
            self._sum += coming
            if now - self._at < _FRESH and self._sum <= _FAR * rules.system_backlog:
                return False
        measured = system_backlog(writing.connection) + coming
        with self._lock:
            self._sum, self._at = measured, now
        if measured <= _NEARLY * rules.system_backlog:
            return False
        writing.connection.execute(select(system.c.id).with_for_update())
        return True


def _check_system(connection: Connection, coming: int, rules: Rules) -> None:
    # the sum touches only backlogged lanes, so the limit itself bounds what it costs
    if system_backlog(connection) + coming > rules.system_backlog:
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


def submit(writing: Writing, batch: NewBatch, rules: Rules, backlog: Backlog) -> tuple[str, bool]:
    """Write the batch with its tasks; its id, or that of the earlier batch when its key was known.

    False beside it: nothing was written now.
    """
    near = backlog.is_near(writing, len(batch.tasks), rules)
    held = Lanes(writing)
    held.ask_clocks()
    held.open(batch.user, rules.engine, rules.user_limit)  # first: the user's other uploads wait, and are seen
    if writing.again and writing.connection.scalar(select(batches.c.id).where(batches.c.id == batch.id)) is not None:
        return batch.id, False  # the commit whose answer was lost went through
    if batch.key:
        since = writing.now - rules.key_kept
        if (earlier := batch_of_key(writing.connection, batch.user, batch.key, since)) is not None:
            if earlier["content"] != batch.content:
                raise BadRequest(
                    "This Idempotency-Key was used for another upload.",
                    hint="Use a new key for new content.",
                    code="idempotency_key_reused",
                )
            return earlier["id"], False
        stale = update(batches).where(batches.c.user_id == batch.user, batches.c.key == batch.key).values(key=None)
        writing.connection.execute(stale)
    _write(writing, held, [batch], rules, near=near)
    held.write()
    return batch.id, True


def accepted(batch: NewBatch, now: float) -> Batch:
    """A batch as people see it that was written a moment ago."""
    return Batch(batch.id, batch.user, batch.name, now, {"queued": len(batch.tasks)}, 0.0, batch.content)


def submit_all(writing: Writing, new: Sequence[NewBatch], rules: Rules, backlog: Backlog) -> None:
    """Write many batches of many users, all or none, in a few statements."""
    if any(batch.key for batch in new):
        raise BadRequest("Batches that come together have no Idempotency-Key.", hint="Submit them one by one.")
    near = backlog.is_near(writing, sum(len(batch.tasks) for batch in new), rules)
    held = Lanes(writing)
    held.ask_clocks()
    held.open_all({batch.user for batch in new}, rules.engine, rules.user_limit)
    known = select(batches.c.id).where(batches.c.id.in_([batch.id for batch in new]))
    if writing.again and writing.connection.scalar(known.limit(1)) is not None:
        return  # the commit whose answer was lost went through
    _write(writing, held, new, rules, near=near)
    held.write()


def _write(writing: Writing, held: Lanes, new: Sequence[NewBatch], rules: Rules, *, near: bool) -> None:
    now = writing.now
    coming = Counter[UserId]()
    for batch in new:
        coming[batch.user] += len(batch.tasks)
    for user, tasks_of_user in coming.items():
        _check_own(held[user].ready + held[user].waiting, tasks_of_user, rules)
    if near:
        _check_system(writing.connection, coming.total(), rules)
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
    for batch in new:
        later = batch.run_at > now
        held[batch.user].waiting += len(batch.tasks) * later
        held[batch.user].ready += len(batch.tasks) * (not later)


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
            "stage": task.stage.value,
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
                give_back(lane, row, Ending(ended, "cancelled", None))
            lane.ready -= row["state"] == "ready"
            lane.waiting -= row["state"] == "waiting"
            move(writing, [Move(row, {"charged": 0.0, **ended}, "cancelled")])
            held.write()
            return True


_AFRESH = {
    "state": "ready", "attempt": 0, "retries": 0, "crashes": 0, "cancel": 0, "fault": None, "cause": "", "dead": 0,
    "summary": None, "percent": 0.0, "step": "", "message": "", "started_at": 0.0, "finished_at": 0.0, "run_at": 0.0,
}  # fmt: skip


def afresh(task: Change) -> Move:
    """An ended task starts again, with fresh tries; its checkpoints stay."""
    return Move(task, {"run": task["run"] + 1, **_AFRESH}, "replayed")


def retry(writing: Writing, task: TaskId, rules: Rules) -> bool:
    """A task that failed or was cancelled is ready again; its checkpoints stay.

    False where it is so by the commit whose answer was lost.
    """
    held = Lanes(writing)
    row = _held(writing, held, task)
    if row["state"] not in {"failed", "cancelled"}:
        if writing.again:
            return False
        raise Conflict(
            f"The task is {row['state']}; only a failed or cancelled one can be started again.", code="not_failed"
        )
    check_room(writing.connection, UserId(row["user_id"]), rules)
    held[row["user_id"]].ready += 1
    move(writing, [afresh(row)])
    held.write()
    return True
