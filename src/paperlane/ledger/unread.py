"""Tasks that wait in vain: no worker of their engine that lives reads payloads of their version.

They stand where turns are given first: their lanes are passed by, and come no further while all others do. So a bounded
look at the next lanes, and the next tasks of each, finds them.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from paperlane.ledger.dialects import Dialect, Fit
from paperlane.ledger.looking import next_lanes
from paperlane.ledger.schema import tasks, workers
from paperlane.model.tasks import Unreadable

_LANES = 100
_OF_EACH = 10  # tasks of a lane


def unreadable(connection: Connection, dialect: Dialect, since: float) -> Sequence[Unreadable]:
    """What of the next tasks is too new for every worker seen `since` then; engines without one are left out."""
    newest = select(workers.c.engine, func.max(workers.c.version)).where(workers.c.seen_at > since)
    found: list[Unreadable] = []
    for engine, knows in connection.execute(newest.group_by(workers.c.engine).order_by(workers.c.engine)):
        if not (of := next_lanes(connection, engine, _LANES)):
            continue
        heads, parameters = dialect.heads(dict.fromkeys(of, _OF_EACH), Fit.whatever())
        ids = [row["id"] for row in heads.on(connection, parameters).rows()]
        newer = select(tasks.c.version).where(tasks.c.id.in_(ids), tasks.c.version > knows)
        if versions := connection.scalars(newer).all():
            found.append(Unreadable(engine, len(versions), max(versions), knows))
    return found
