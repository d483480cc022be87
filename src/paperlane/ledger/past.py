"""What was: tasks as they went, in the order in which they came, for whoever goes through all of them."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select

from paperlane.clock import least_id
from paperlane.ledger import Rules
from paperlane.ledger.schema import attempts, lanes, tasks
from paperlane.model.tasks import Past, State, TaskId, Terms, UserId

_ASTRAY = 3_600.0
"""Seconds by which the clock that a task's id was made by may be behind the database's."""

_USED = ("completed", "failed", "paused")
"""Outcomes of attempts whose time a task took; what a crash or a retry wasted may not happen again."""

_COLUMNS = tuple(
    tasks.c[name]
    for name in (
        "id", "user_id", "engine", "state", "priority", "created_at", "sort_key", "cost", "started_at", "finished_at",
        "run",
    )
)  # fmt: skip


def page(connection: Connection, since: float, cursor: str, limit: int, rules: Rules) -> Sequence[Past]:
    """Tasks submitted since a time, by their ids, after the one at the cursor.

    No index tells when a task was submitted, but its id does about: of what came before no more than an hour is read,
    however much there is.
    """
    after = max(cursor, least_id(since - _ASTRAY))
    asked = select(*_COLUMNS).where(tasks.c.id > after, tasks.c.created_at >= since).order_by(tasks.c.id).limit(limit)
    rows = connection.execute(asked).all()
    ended = [row.id for row in rows if row.state in {"completed", "failed"} and row.run == 1]
    used: dict[str, float] = defaultdict(float)
    if ended:
        parts = select(attempts.c.task_id, attempts.c.started_at, attempts.c.ended_at)
        parts = parts.where(attempts.c.task_id.in_(ended), attempts.c.outcome.in_(_USED))
        for task, begun, over in connection.execute(parts):
            used[task] += max(0.0, over - begun)
    return [
        Past(
            TaskId(row.id),
            UserId(row.user_id),
            row.engine,
            State(row.state),
            row.priority,
            row.cost,
            row.created_at,
            row.sort_key + row.priority * rules.ageing,  # which it was made of, whatever became of the task
            row.started_at if row.run == 1 else 0.0,
            row.finished_at,
            used[row.id],
        )
        for row in rows
    ]


def terms(connection: Connection, after: UserId, limit: int) -> Sequence[Terms]:
    """What the lanes of the next users after this one may, by their numbers."""
    asked = select(lanes.c.user_id, lanes.c.max_running, lanes.c.weight, lanes.c.engine)
    asked = asked.where(lanes.c.user_id > after).order_by(lanes.c.user_id).limit(limit)
    return [Terms(UserId(row.user_id), row.max_running, row.weight, row.engine) for row in connection.execute(asked)]
