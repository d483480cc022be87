"""Whether users' own limits bound their lanes: the flag `use_user_semaphore`, as whoever changes lanes sees it.

A lane's `max_running` is what the index of turns compares, so it follows the flag, and a claim reads nothing more.
While the flag is off the user's limit waits in `own_limit`. Whoever gives a lane its bound holds the flag's row, shared
and after the lane, until the commit: who switches the flag waits for them, and finds their lanes when all are brought
where the flag says.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select, update

from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import flags, lanes
from paperlane.ledger.sense import LARGEST_LIMIT
from paperlane.ledger.writing import Writing

FLAG = "use_user_semaphore"

UNBOUNDED = LARGEST_LIMIT
"""What bounds a lane while no limit of its user does: more than the whole system may run."""

_is_on = select(flags.c.is_on).where(flags.c.name == FLAG)
_IS_ON = Prepared(_is_on.with_for_update(read=True))


def is_in_use(writing: Writing) -> bool:
    """Do limits of users' own bound their lanes? Nobody switches that before this transaction has ended."""
    return writing.soon(_IS_ON).value() != 0


def bounds_of_new(writing: Writing, limit: int) -> Mapping[str, int]:
    """What bounds a lane that is made now, of a user with this limit."""
    return {"max_running": limit} if is_in_use(writing) else {"max_running": UNBOUNDED, "own_limit": limit}


def keep(writing: Writing, users: Sequence[int], limit: int | None) -> None:
    """Put the limit of these users, whose lanes are held, aside; 0 for none, None for what bounds each now."""
    to = lanes.c.max_running if limit is None else limit
    writing.connection.execute(update(lanes).where(lanes.c.user_id.in_(users)).values(own_limit=to))


def unlike(connection: Connection, after: int, most: int) -> Sequence[int]:
    """The next users after this one whose lanes are not as the flag says."""
    is_other = lanes.c.own_limit > 0 if connection.scalar(_is_on) != 0 else lanes.c.own_limit == 0
    asked = select(lanes.c.user_id).where(lanes.c.user_id > after, is_other)
    return connection.scalars(asked.order_by(lanes.c.user_id).limit(most)).all()
