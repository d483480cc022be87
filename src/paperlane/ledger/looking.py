"""Whether a claim might find something: mostly one question, that locks nothing, for workers that are idle."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, bindparam, select

from paperlane.ledger.claims import NEXT_DUE, PAUSED
from paperlane.ledger.dialects import Dialect, Fit
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.lanes import IN_SHARD
from paperlane.ledger.schema import IS_BETWEEN, RUNNABLE, UNDER_WAY, WAITING, lanes, tasks
from paperlane.ledger.turns import BARREN
from paperlane.model.tasks import FIRST, Channel

_IN_TURN = (
    select(lanes.c.user_id)
    .where(lanes.c.engine == bindparam("engine"), lanes.c.band == 0, RUNNABLE)
    .order_by(lanes.c.vtime, lanes.c.user_id)  # so that the index of turns answers, however few lanes there are
)
_READY = _IN_TURN.with_only_columns(lanes.c.ready)
_LANE = _IN_TURN.limit(1).scalar_subquery()
_PARTS = select(tasks.c.stage, tasks.c.user_id).where(
    UNDER_WAY, tasks.c.worker_id == "", tasks.c.engine == bindparam("engine"), IS_BETWEEN
)
_BETWEEN = _PARTS.with_only_columns(tasks.c.id).limit(1).scalar_subquery()
_LOOK = Prepared(select(_BETWEEN, PAUSED, _LANE, NEXT_DUE))
_OF_SHARD = _IN_TURN.where(IN_SHARD).limit(1)
_ENGINE_OF = select(lanes.c.engine).where(lanes.c.user_id == tasks.c.user_id).scalar_subquery()
_DUE_OF_SHARD = (
    select(tasks.c.id)
    .where(WAITING, tasks.c.run_at <= bindparam("now"), tasks.c.user_id % bindparam("shards") == bindparam("shard"))
    .where(bindparam("engine") == _ENGINE_OF)
    .limit(1)
)


def is_runnable(
    connection: Connection, dialect: Dialect, engine: str, now: Callable[[], float], reads: int | None
) -> bool:
    """Is a lane of this engine runnable by who `reads` payloads of this version, or any waiting task due?

    Any: a claim for one engine has those of all join their lanes.
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


def is_for(connection: Connection, engine: str, now: float, channel: Channel) -> bool:
    """Could some of what is runnable be run by a worker of this channel? Turns begin at the first stage."""
    of = {"engine": engine, "shard": channel.shard, "shards": channel.shards}
    stages = {stage.value for stage in channel.stages}
    if any(
        stage in stages and user % channel.shards == channel.shard for stage, user in connection.execute(_PARTS, of)
    ):
        return True
    if FIRST not in channel.stages or connection.scalar(select(PAUSED), of):
        return False
    return any(connection.scalar(asked, {**of, "now": now}) is not None for asked in (_OF_SHARD, _DUE_OF_SHARD))


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
