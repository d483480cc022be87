"""The order of locks: a lane before its tasks, lanes in the order of their users, tasks in the order of their ids."""

from collections.abc import Collection

from sqlalchemy import Select

from paperlane.ledger.history import Change
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import tasks
from paperlane.ledger.writing import Writing


def hold(
    writing: Writing,
    lanes: Lanes,
    asked: Select[*tuple[object, ...]],
    parameters: Change,
    *,
    wait: bool = True,
    likely: Collection[int] = (),
) -> list[Change]:
    """The tasks that are asked for, locked after their lanes; what ended or moved on meanwhile is left out.

    Without `wait` those of lanes that somebody else holds are left out too. `likely` says whose tasks they are, if all
    is known: that saves a question, and where it is wrong, it is asked after all.
    """
    connection = writing.connection
    if not writing.dialect.locks:
        found = [dict(row) for row in connection.execute(asked, parameters).mappings()]
        lanes.hold(task["user_id"] for task in found)
        return found
    owners = set(likely) if all(likely) else set[int]()
    if not owners:
        owners = set(connection.scalars(asked.with_only_columns(tasks.c.user_id), parameters))
    if not owners:
        return []
    lanes.hold(owners, wait=wait)
    found = [dict(row) for row in connection.execute(asked.with_for_update(of=tasks), parameters).mappings()]
    if likely and any(task["user_id"] not in lanes for task in found):
        return hold(writing, lanes, asked, parameters, wait=wait)
    return [task for task in found if task["user_id"] in lanes]
