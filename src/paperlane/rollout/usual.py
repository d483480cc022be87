"""The usual engine, which carries whom nothing else takes in: one for all processes, so it is kept in the database.

Whoever starts `paperlane serve` names it by its settings. Until somebody did, each process goes by its own.
"""

from typing import Any

from sqlalchemy import Connection, select, update

from paperlane.ledger.schema import lanes, system


def current(connection: Connection, otherwise: str) -> str:
    """The usual engine; `otherwise` where nobody has named one yet."""
    return connection.execute(select(system.c.usual)).scalar_one() or otherwise


def since(connection: Connection) -> float:
    """When that one was named which it is now, by the database's clock; 0 where nobody has named one yet."""
    return connection.execute(select(system.c.usual_at)).scalar_one()


def name(connection: Connection, engine: str, now: float) -> str | None:
    """This is the usual engine from now on: the one before, "" for none; None where it is so already.

    Rules are `held`. Lanes are to be gone through in either case, unless all are on that engine: a process of an older
    version, which knows its own settings only, may have moved some.
    """
    before = connection.execute(select(system.c.usual)).scalar_one()
    values: dict[str, Any] = {} if before == engine else {"usual": engine, "usual_at": now}
    if connection.scalar(select(lanes.c.user_id).where(lanes.c.engine != engine).limit(1)) is not None:
        values["usual_named"] = system.c.usual_named + 1
    if values:
        connection.execute(update(system).values(values))
    return None if before == engine else before


def unsettled(connection: Connection) -> int:
    """How often one was named, where lanes may not all be as that says yet; 0 where they are."""
    row = connection.execute(select(system.c.usual_named, system.c.usual_settled)).one()
    return row.usual_named if row.usual_settled < row.usual_named else 0


def settled(connection: Connection, named: int) -> None:
    """All lanes are as was said after so many times; one that was named since is still to come."""
    if named:
        connection.execute(update(system).where(system.c.usual_settled < named).values(usual_settled=named))
