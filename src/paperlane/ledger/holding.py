"""The order of locks: a lane before its tasks, lanes in the order of their users, tasks in the order of their ids."""

from sqlalchemy import Select

from paperlane.ledger.history import Change
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import tasks
from paperlane.ledger.writing import Writing


def hold(
    writing: Writing, lanes: Lanes, asked: Select[*tuple[object, ...]], parameters: Change, *, wait: bool = True
) -> list[Change]:
    """The tasks that are asked for, locked after their lanes; what ended or moved on meanwhile is left out.

    Without `wait` those of lanes that somebody else holds are left out too.
    """
    connection = writing.connection
    if not writing.dialect.locks:
        found = [dict(row) for row in connection.execute(asked, parameters).mappings()]
        lanes.hold(task["user_id"] for task in found)
        return found
    owners = set(connection.scalars(asked.with_only_columns(tasks.c.user_id), parameters))
    if not owners:
        return []
    lanes.hold(owners, wait=wait)
    rows = connection.execute(asked.with_for_update(of=tasks), parameters).mappings()
    return [dict(row) for row in rows if row["user_id"] in lanes]
