"""What each user's questions to models cost, by the day and by attempt; and who waits for a model, since when."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Label, Row, Table, delete, func, select, update

from paperlane.ai import Usage
from paperlane.ai.budget import Spent
from paperlane.ai.purses import Payer, Spendings
from paperlane.model.tasks import TaskId, UserId
from paperlane.records.portable import insert_new
from paperlane.records.schema import attempt_usage, task_usage, usage, waits

_DAY = 86_400
_LONGEST = 6 * 3_600.0  # seconds; a model has who waits for it look again in an hour at most, the rest is for a turn
_NOTHING = {"requests": 0, "tokens_in": 0, "tokens_out": 0, "money": 0.0}


def settle(connection: Connection, user: UserId, now: float, spendings: Spendings) -> None:
    """A user's attempts spent this from their beginning on; what is new of it is counted now.

    So what is told again, for nobody knows whether its commit went through, changes nothing; nor does what is told
    late, and is less than what is known.
    """
    for payer in sorted(spendings):
        for model, spent in sorted(spendings[payer].items()):
            key = {"task_id": payer.task, "fence": payer.fence, "model": model}
            news = spent.beyond(_locked(connection, attempt_usage, key))
            if news != Spent():
                _add(connection, usage, {"user_id": user, "day": int(now // _DAY), "model": model}, news)
                _add(connection, attempt_usage, key, news)


def _locked(connection: Connection, table: Table, key: Mapping[str, object]) -> Spent:
    """What its row says, which is there now, and which nobody else changes meanwhile."""
    connection.execute(insert_new(connection, table), {**key, **_NOTHING})
    asked = select(table).where(*(table.c[name] == value for name, value in key.items()))
    return _spent(connection.execute(asked.with_for_update()).one())


def _add(connection: Connection, table: Table, key: Mapping[str, object], one: Spent) -> None:
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
        connection.execute(insert_new(connection, table), {**key, **_NOTHING})
        connection.execute(changed)


def _spent(row: Row[Any]) -> Spent:
    return Spent(Usage(int(row.requests), int(row.tokens_in), int(row.tokens_out)), float(row.money))


def stands(connection: Connection, payer: Payer) -> Mapping[str, Spent]:
    """What this attempt told that it used up, by model."""
    of_it = (attempt_usage.c.task_id == payer.task, attempt_usage.c.fence == payer.fence)
    return {row.model: _spent(row) for row in connection.execute(select(attempt_usage).where(*of_it))}


def before(connection: Connection, payer: Payer) -> Mapping[str, Spent]:
    """What the other attempts at its task used up, by model."""
    of_others = (attempt_usage.c.task_id == payer.task, attempt_usage.c.fence != payer.fence)
    asked = select(attempt_usage.c.model, *_sums(attempt_usage)).where(*of_others).group_by(attempt_usage.c.model)
    return {row.model: _spent(row) for row in connection.execute(asked)}


def wait(connection: Connection, task: TaskId, model: str, now: float, *, answered: bool) -> float:
    """A task found a model away. For how many seconds it has found it so.

    That begins anew where it was `answered` meanwhile. Between two looks no more than six hours count: what is beyond
    it waited for something else, such as its turn.
    """
    of_it = (waits.c.task_id == task, waits.c.model == model)
    connection.execute(insert_new(connection, waits), {"task_id": task, "model": model, "since": now, "seen": now})
    row = connection.execute(select(waits.c.since, waits.c.seen).where(*of_it).with_for_update()).one()
    since = now if answered else row.since + max(0.0, now - row.seen - _LONGEST)
    connection.execute(update(waits).where(*of_it).values(since=since, seen=now))
    return now - since


def forget(connection: Connection, tasks: Sequence[TaskId]) -> None:
    """What these tasks cost is told no more, but by user and day; nor what they waited for."""
    for table in (attempt_usage, task_usage, waits):
        connection.execute(delete(table).where(table.c.task_id.in_(tasks)))


def since(connection: Connection, user: UserId, begin: float) -> Mapping[str, Spent]:
    """What a user used up from the day of this time on, by model."""
    return by_user(connection, begin, user).get(user, {})


def by_user(connection: Connection, begin: float, user: UserId | None = None) -> Mapping[int, Mapping[str, Spent]]:
    """The same of everybody who used up anything, or of one."""
    asked = select(usage.c.user_id, usage.c.model, *_sums(usage)).where(usage.c.day >= int(begin // _DAY))
    if user is not None:
        asked = asked.where(usage.c.user_id == user)
    found: dict[int, dict[str, Spent]] = {}
    for row in connection.execute(asked.group_by(usage.c.user_id, usage.c.model)):
        found.setdefault(row.user_id, {})[row.model] = _spent(row)
    return found


def of_users(connection: Connection, users: Sequence[UserId]) -> Mapping[int, Spent]:
    """What each of these users has used up at all models, ever; those that used up nothing are left out."""
    asked = select(usage.c.user_id, *_sums(usage)).where(usage.c.user_id.in_(users)).group_by(usage.c.user_id)
    return {row.user_id: _spent(row) for row in connection.execute(asked)}


def _sums(table: Table) -> Sequence[Label[Any]]:
    return [func.sum(table.c[name]).label(name) for name in _NOTHING]


def month_of(now: float) -> float:
    """When the calendar month began, UTC: budgets begin anew then."""
    return datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
