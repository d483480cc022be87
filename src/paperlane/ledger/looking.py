"""Whether a claim might find something: mostly one question, that locks nothing, for workers that are idle."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, bindparam, select

from paperlane.ledger.claims import NEXT_DUE, PAUSED
from paperlane.ledger.dialects import Dialect, Fit
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.schema import IS_BETWEEN, RUNNABLE, UNDER_WAY, lanes, tasks
from paperlane.ledger.turns import BARREN

_IN_TURN = (
    select(lanes.c.user_id)
    .where(lanes.c.engine == bindparam("engine"), lanes.c.band == 0, RUNNABLE)
    .order_by(lanes.c.vtime, lanes.c.user_id)  # so that the index of turns answers, however few lanes there are
)
_READY = _IN_TURN.with_only_columns(lanes.c.ready)
_LANE = _IN_TURN.limit(1).scalar_subquery()
_BETWEEN = (
    select(tasks.c.id)
    .where(UNDER_WAY, tasks.c.worker_id == "", tasks.c.engine == bindparam("engine"), IS_BETWEEN)
    .limit(1)
    .scalar_subquery()
)
_LOOK = Prepared(select(_BETWEEN, PAUSED, _LANE, NEXT_DUE))


def is_runnable(
    connection: Connection, dialect: Dialect, engine: str, now: Callable[[], float], reads: int | None
) -> bool:
    """Is a lane of this engine runnable by who `reads` payloads of this version, or any waiting task due?

    Or does the next part of an attempt wait to be handed over, which a pause of the engine does not keep back?
    The time is asked for only where a task waits.
    """
    ((between, paused, lane, due),) = _LOOK.on(connection, {"engine": engine}).tuples()
    if between is not None:
        return True
    if paused:
        return False
    if due is not None and due <= now():
        return True
    return lane is not None and (reads is None or _has_turn(connection, dialect, engine, reads, lane))


def _has_turn(connection: Connection, dialect: Dialect, engine: str, reads: int, first: int) -> bool:
    """Would one of the next lanes give a turn? A claim locks, so it shall not be tried for what it would pass by."""

    def gives(users: Sequence[int]) -> bool:
        if not users:
            return False
        heads, parameters = dialect.heads(dict.fromkeys(users, 1), Fit.readable(reads))
        return bool(heads.on(connection, parameters).rows())

    return gives([first]) or gives(next_lanes(connection, engine, BARREN))  # mostly the first one tells


def queued(connection: Connection, engine: str, most: int) -> int:
    """How many tasks are ready in lanes that are runnable, counted no further than `most`; each of these has one."""
    ready = connection.scalars(_READY.limit(most), {"engine": engine}).all()
    return min(most, sum(ready))


def next_lanes(connection: Connection, engine: str, most: int) -> Sequence[int]:
    """The users whose lanes of this engine are next in turn, not locked."""
    return connection.scalars(_IN_TURN.limit(most), {"engine": engine}).all()
