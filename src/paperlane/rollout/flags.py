"""Flags: what of the machinery is in use, kept in the database, so that it is changed while everything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from paperlane.errors import BadRequest
from paperlane.ledger import semaphore
from paperlane.ledger.schema import flags
from paperlane.model.tasks import UserId

DATABASE_QUEUE = "use_database_queue"
"""Off: every user's tasks run on the engine `inline`, whatever rules say and whoever has an engine of their own."""

WORKER_POOL = "use_worker_pool"
"""Off: `serve` has no worker processes."""

USER_SEMAPHORE = semaphore.FLAG
"""Off: users are bounded by the whole system's limit only."""

FLAGS = (DATABASE_QUEUE, WORKER_POOL, USER_SEMAPHORE)

_OF_LANES = (DATABASE_QUEUE, USER_SEMAPHORE)


@dataclass(frozen=True, slots=True)
class Flag:
    """Is it on? Set `at` (since 1970) `by` whom; 0 where nobody ever did."""

    name: str
    on: bool
    at: float
    by: UserId


def named(name: str) -> str:
    """The flag of this name, which may be written with dashes. BadRequest for one that there is not."""
    if (flag := name.strip().lower().replace("-", "_")) not in FLAGS:
        raise BadRequest(f"There is no flag {name!r}.", code="unknown_flag", hint=f"Choose one of {', '.join(FLAGS)}.")
    return flag


def standing(connection: Connection) -> Mapping[str, Flag]:
    """All flags by their names, in the order of `FLAGS`."""
    rows = {row.name: row for row in connection.execute(select(flags))}
    return {name: Flag(name, bool(rows[name].is_on), rows[name].set_at, UserId(rows[name].set_by)) for name in FLAGS}


def is_on(connection: Connection, name: str) -> bool:
    """Is this one on?"""
    return connection.scalar(select(flags.c.is_on).where(flags.c.name == name)) != 0


def switch(connection: Connection, to: Mapping[str, bool], now: float, by: UserId) -> Mapping[str, bool]:
    """Switch flags, which no lane follows yet; those that were not so before."""
    changed: dict[str, bool] = {}
    for name in FLAGS:  # in one order, for two who switch at once
        if (on := to.get(name)) is None:
            continue
        is_other = (flags.c.name == name, flags.c.is_on != int(on))
        settled = flags.c.settled if name in _OF_LANES else flags.c.changes + 1
        # MySQL sets one column after the other, and each sees those before it: `changes` comes last
        values = [
            (flags.c.settled, settled),
            (flags.c.is_on, int(on)),
            (flags.c.set_at, now),
            (flags.c.set_by, by),
            (flags.c.changes, flags.c.changes + 1),
        ]
        if connection.execute(update(flags).where(*is_other).ordered_values(*values)).rowcount:
            changed[name] = on
    return changed


Change = Sequence[tuple[str, int]]
"""Flags that were switched since all lanes were as they say: each with how often by now."""


def unsettled(connection: Connection) -> Change:
    """Which flags lanes may not follow yet."""
    asked = select(flags.c.name, flags.c.changes).where(flags.c.settled < flags.c.changes).order_by(flags.c.name)
    return [(row.name, row.changes) for row in connection.execute(asked)]


def settled(connection: Connection, changed: Change) -> None:
    """All lanes are as the flags said after so many changes; what was switched since is still to come."""
    for name, changes in changed:
        done = (flags.c.name == name, flags.c.settled < changes)
        connection.execute(update(flags).where(*done).values(settled=changes))
