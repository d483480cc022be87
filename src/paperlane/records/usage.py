"""What each user's questions to models cost, by the day."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Table, delete, func, select, update

from paperlane.ai import Usage
from paperlane.ai.budget import Spent
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.portable import insert_new
from paperlane.records.schema import task_usage, usage

_DAY = 86_400


def add(connection: Connection, user: UserId, task: TaskId, now: float, spent: Mapping[str, Spent]) -> None:
    """A user's task used this up now, by the model's name."""
    for model in sorted(spent):
        _count(connection, usage, {"user_id": user, "day": int(now // _DAY), "model": model}, spent[model])
        _count(connection, task_usage, {"task_id": task, "model": model}, spent[model])


def _count(connection: Connection, table: Table, key: Mapping[str, object], one: Spent) -> None:
    nothing = {"requests": 0, "tokens_in": 0, "tokens_out": 0, "money": 0.0}
    changed = (
        update(table)
        .where(*(table.c[name] == value for name, value in key.items()))
        .values(
            requests=table.c.requests + one.usage.requests,
            tokens_in=table.c.tokens_in + one.usage.tokens_in,
            tokens_out=table.c.tokens_out + one.usage.tokens_out,
            money=table.c.money + one.money,
        )
    )
    if connection.execute(changed).rowcount == 0:
        connection.execute(insert_new(connection, table), {**key, **nothing})
        connection.execute(changed)


def of_task(connection: Connection, task: TaskId) -> Mapping[str, Spent]:
    """What a task used up so far, by model."""
    rows = connection.execute(select(task_usage).where(task_usage.c.task_id == task))
    return {row.model: Spent(Usage(row.requests, row.tokens_in, row.tokens_out), row.money) for row in rows}


def forget(connection: Connection, tasks: Sequence[TaskId]) -> None:
    """What these tasks cost is told no more, but by user and day."""
    connection.execute(delete(task_usage).where(task_usage.c.task_id.in_(tasks)))


def since(connection: Connection, user: UserId, begin: float) -> Mapping[str, Spent]:
    """What a user used up from the day of this time on, by model."""
    return by_user(connection, begin, user).get(user, {})


def by_user(connection: Connection, begin: float, user: UserId | None = None) -> Mapping[int, Mapping[str, Spent]]:
    """The same of everybody who used up anything, or of one."""
    sums = [func.sum(usage.c[name]).label(name) for name in ("requests", "tokens_in", "tokens_out", "money")]
    asked = select(usage.c.user_id, usage.c.model, *sums).where(usage.c.day >= int(begin // _DAY))
    if user is not None:
        asked = asked.where(usage.c.user_id == user)
    found: dict[int, dict[str, Spent]] = {}
    for row in connection.execute(asked.group_by(usage.c.user_id, usage.c.model)):
        counted = Usage(int(row.requests), int(row.tokens_in), int(row.tokens_out))
        found.setdefault(row.user_id, {})[row.model] = Spent(counted, float(row.money))
    return found


def month_of(now: float) -> float:
    """When the calendar month began, UTC: budgets begin anew then."""
    return datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
