"""Into how many shards an engine's users are divided, and what becomes of virtual times when that changes."""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, case, delete, select, update

from paperlane.ledger.schema import clocks, lanes
from paperlane.ledger.writing import Writing


def divide(writing: Writing, engine: str, shards: int) -> None:
    """The engine's users are in so many shards from now on; each lane keeps its lead over its clock.

    The parts of a shard that is split go on at its clock. Else users come together whose clocks may be any time apart:
    those of the slowest would be served alone until they had caught up. So all are moved up to the furthest.
    """
    connection = writing.connection
    of_engine = clocks.c.engine == engine
    before = connection.scalar(select(clocks.c.shards).where(of_engine, clocks.c.band == 0)) or 1
    if shards == before:
        return
    splits = shards % before == 0
    if not splits:
        all_of_them = select(lanes.c.user_id).where(lanes.c.engine == engine).order_by(lanes.c.user_id)
        connection.execute(all_of_them.with_for_update()).all()
    rows = connection.execute(select(clocks.c.band, clocks.c.vtime).where(of_engine).with_for_update())
    at = {row.band: row.vtime for row in rows}
    furthest = max(at.values(), default=0.0)
    if not splits:
        _move_up(connection, engine, {shard: furthest - at.get(shard, 0.0) for shard in range(before)})
    to = {shard: at.get(shard % before, 0.0) if splits else furthest for shard in range(shards)}
    fresh = [{"engine": engine, "band": shard, "vtime": vtime} for shard, vtime in to.items() if shard not in at]
    if fresh:
        connection.execute(writing.dialect.insert_new(clocks), fresh)
    connection.execute(
        update(clocks).where(of_engine, clocks.c.band == bindparam("shard")).values(vtime=bindparam("to_vtime")),
        [{"shard": shard, "to_vtime": vtime} for shard, vtime in to.items()],
    )
    connection.execute(update(clocks).where(of_engine, clocks.c.band == 0).values(shards=shards))
    connection.execute(delete(clocks).where(of_engine, clocks.c.band >= shards))


def _move_up(connection: Connection, engine: str, by: Mapping[int, float]) -> None:
    """All lanes of the engine, each by what its shard was behind."""
    more = case(by, value=lanes.c.user_id % len(by), else_=0.0)
    moved = {"vtime": lanes.c.vtime + more, "served": lanes.c.served + more}
    connection.execute(update(lanes).where(lanes.c.engine == engine).values(moved))
