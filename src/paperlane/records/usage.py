"""What each user's questions to models cost, by the day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, update

from paperlane.ai import Usage
from paperlane.model.tasks import UserId
from paperlane.records.portable import insert_new
from paperlane.records.schema import usage

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used up at models, and what that cost."""

    usage: Usage = field(default_factory=Usage)
    money: float = 0.0


def add(connection: Connection, user: UserId, now: float, spent: Mapping[str, Spent]) -> None:
    """A user used this up now, by the model's name."""
    for model in sorted(spent):
        one = spent[model]
        key = {"user_id": user, "day": int(now // _DAY), "model": model}
        nothing = {"requests": 0, "tokens_in": 0, "tokens_out": 0, "money": 0.0}
        changed = (
            update(usage)
            .where(*(usage.c[name] == value for name, value in key.items()))
            .values(
                requests=usage.c.requests + one.usage.requests,
                tokens_in=usage.c.tokens_in + one.usage.tokens_in,
                tokens_out=usage.c.tokens_out + one.usage.tokens_out,
                money=usage.c.money + one.money,
            )
        )
        if connection.execute(changed).rowcount == 0:
            connection.execute(insert_new(connection, usage), {**key, **nothing})
            connection.execute(changed)


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
