"""Tasks are asked for and held in one order: a lane before its tasks, lanes by their users, tasks by their ids."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select

from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.keyed import by_no_index, select_by_key
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.history import WHOLE_TURN, Change
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import tasks
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import Lease, WorkerId


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question for tasks, in the forms that locking takes.

    As it is; whose they are; with their rows locked; with those locked that nobody else holds.
    """

    found: Prepared
    owners: Prepared
    locked: Prepared
    passing: Prepared


def wanted(asked: Select[*tuple[Any, ...]]) -> Wanted:
    """The tasks that fulfil a question of no columns: all that deciding about them takes is added here."""
    whole = asked.add_columns(*WHOLE_TURN)
    return Wanted(
        Prepared(whole),
        Prepared(asked.add_columns(tasks.c.user_id)),
        Prepared(whole.with_for_update(of=tasks)),
        Prepared(whole.with_for_update(of=tasks, skip_locked=True)),
    )


def held_by(writing: Writing, worker: WorkerId, leases: Sequence[Lease]) -> tuple[Wanted, Change]:
    """The question for those of these tasks that the worker runs under these leases, and its parameters.

    In the order in which they are locked everywhere: MySQL goes through what it is given.
    """
    asked, given = _held_by(writing.dialect.given)
    keys = sorted({(lease.task, lease.fence) for lease in leases})
    return asked, {**given.bind(*zip(*keys, strict=True)), "worker": worker}


@cache
def _held_by(given_rows: GivenRows) -> tuple[Wanted, Given]:
    given = leases_given(given_rows)
    asked = select().where(*running_under(given)).order_by(tasks.c.id)
    return wanted(select_by_key(asked, given.table, tasks)), given


def leases_given(given_rows: GivenRows) -> Given:
    """Rows of leases that a statement is given: their tasks, and their fences."""
    return given_rows("held", of_task="key", of_fence="int")


def running_under(given: Given) -> Sequence[ColumnElement[bool]]:
    """What makes tasks those that the bound `worker` runs under the given leases: nobody else may write for them."""
    return (
        tasks.c.id == given.table.c.of_task,
        tasks.c.fence == given.table.c.of_fence,
        by_no_index(tasks.c.worker_id) == bindparam("worker"),
        by_no_index(tasks.c.state) == "running",
    )


def hold(
    writing: Writing, lanes: Lanes, asked: Wanted, parameters: Change, *, likely: Collection[int] = ()
) -> list[Change]:
    """The tasks that are asked for, locked after their lanes; what ended or moved on meanwhile is left out.

    `likely` says whose tasks they are, if all is known: that saves a question, and where it is wrong, it is asked after
    all.
    """
    if not writing.dialect.locks:
        return _alone(writing, lanes, asked, parameters)
    owners = set(likely) if all(likely) else set[int]()
    if not (owners := owners or _owners(writing, asked, parameters)):
        return []
    lanes.ask(owners)
    found = writing.soon(asked.locked, parameters).rows()
    if likely and any(task["user_id"] not in lanes for task in found):
        return hold(writing, lanes, asked, parameters)
    return [task for task in found if task["user_id"] in lanes]


def hold_free(
    writing: Writing, lanes: Lanes, asked: Wanted, parameters: Change, passed: set[int] | None = None
) -> list[Change]:
    """Those of them that nobody else holds, nor their lanes: nobody is waited for.

    The users of lanes that others hold are added to `passed`.
    """
    if not writing.dialect.locks:
        return _alone(writing, lanes, asked, parameters)
    owners = _owners(writing, asked, parameters)
    lanes.ask(owners, wait=False)
    busy = {user for user in owners if user not in lanes}
    if passed is not None:
        passed |= busy
    if busy == owners:
        return []
    return [task for task in writing.soon(asked.passing, parameters).rows() if task["user_id"] in lanes]


def _alone(writing: Writing, lanes: Lanes, asked: Wanted, parameters: Change) -> list[Change]:
    """Where there is but one write transaction at a time, nobody else can hold anything."""
    found = writing.soon(asked.found, parameters).rows()
    lanes.hold(task["user_id"] for task in found)
    return found


def _owners(writing: Writing, asked: Wanted, parameters: Change) -> set[int]:
    return {user for (user,) in writing.soon(asked.owners, parameters).tuples()}
