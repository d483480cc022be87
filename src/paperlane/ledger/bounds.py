"""Engines for which only so many tasks may wait: those whose process must not promise more than it can keep."""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from paperlane.errors import TooMany
from paperlane.ledger import Rules
from paperlane.ledger.backlog import RETRY_AFTER
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import BACKLOGGED, engines, lanes
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import UserId


def check_engine(connection: Connection, user: UserId, rules: Rules) -> None:
    """Raise TooMany when no more may wait for the engine that carries this user's tasks."""
    engine = connection.scalar(select(lanes.c.engine).where(lanes.c.user_id == user)) or rules.engine
    if engine in rules.engine_backlogs:
        _check(engine, _waiting_for(connection, engine), 1, rules)


def check_engines(writing: Writing, held: Lanes, coming: Mapping[UserId, int], rules: Rules) -> None:
    """Raise TooMany when more would wait for an engine than may; those who submit to it take turns until they commit.

    Their lanes are held.
    """
    if not rules.engine_backlogs:
        return
    bound: dict[str, int] = {}
    for user, tasks in coming.items():
        if (engine := held[user].engine) in rules.engine_backlogs:
            bound[engine] = bound.get(engine, 0) + tasks
    for engine, tasks in sorted(bound.items()):
        connection = writing.connection
        connection.execute(writing.dialect.insert_new(engines), {"name": engine, "paused": 0})
        connection.execute(select(engines.c.name).where(engines.c.name == engine).with_for_update())
        _check(engine, _waiting_for(connection, engine), tasks, rules)


def _waiting_for(connection: Connection, engine: str) -> int:
    waiting = select(func.coalesce(func.sum(lanes.c.ready + lanes.c.waiting), 0))
    return int(connection.execute(waiting.where(lanes.c.engine == engine, BACKLOGGED)).scalar_one())


def _check(engine: str, waiting: int, coming: int, rules: Rules) -> None:
    most = rules.engine_backlogs[engine]
    if waiting + coming > most:
        raise TooMany(
            f"{waiting} tasks wait for the engine {engine} already, and {coming} came; at most {most} may wait.",
            hint="Try again in a little while, or upload fewer files.",
            code="system_busy",
            retry_after=RETRY_AFTER,
        )
