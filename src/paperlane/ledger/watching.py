"""What operators look through, however much there is: tasks, failures and service of everybody, in short looks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, Select, bindparam, case, func, or_, select

from paperlane.ledger.dialects import Dialect, Given, GivenRows
from paperlane.ledger.dialects.keyed import by_no_index, select_by_key
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.retention import end_of
from paperlane.ledger.schema import DEAD, ENDED, OF_BATCH, RUNNING, UNDER_WAY, attempts, batches, events, lanes, tasks
from paperlane.model.tasks import (
    BatchId,
    Failure,
    Failures,
    Fault,
    Found,
    Outline,
    Service,
    Sought,
    State,
    TaskId,
    UserId,
    WorkerId,
)

AT_ONCE = 5_000  # of the newest tasks, that one look goes through
MOST_DEAD = 2_000  # dead letters, that one look at failures goes through

_USERS = 1_000  # whose service one statement asks for

_RUN_TO_THE_END = (State.COMPLETED, State.FAILED)
_HOLDS = lanes.c.ready + lanes.c.waiting + lanes.c.running > 0
_CRASHED = Fault(
    "crashed", "The worker was gone before the attempt had ended.", "Look at the workers and their memory."
)
_OUTLINE = tuple(
    tasks.c[name]
    for name in (
        "id", "batch_id", "user_id", "state", "engine", "worker_id", "step", "percent", "attempt", "created_at",
        "started_at", "finished_at", "run_at", "fault", "cause",
    )
)  # fmt: skip


def look_for(connection: Connection, which: Sought, cursor: str, limit: int) -> Found:
    """The newest tasks that are meant, among as many as one look goes through; what runs is always looked at whole.

    An index for each filter would be written anew at each change of each task.
    """
    if which.states and all(state in {State.LEASED, State.RUNNING} for state in which.states):
        name = by_no_index(tasks.c.id)
        asked = select(*_OUTLINE).where(UNDER_WAY, *((name < cursor,) if cursor else ()), *_meant(which, tasks))
        found = _outlines(connection, asked.order_by(name.desc()).limit(limit + 1))
        looked, end = len(found), ""
    else:
        ids = _newest(which, cursor, tasks.c.id).subquery("ids")
        looked, last = connection.execute(select(func.count(), func.min(ids.c.id))).one()
        end = last if looked == AT_ONCE else ""
        newest = _newest(which, cursor, *_OUTLINE).subquery("newest")
        asked = select(newest).where(*_meant(which, newest)).order_by(newest.c.id.desc()).limit(limit + 1)
        found = _outlines(connection, asked)
    if len(found) > limit:
        return Found(found[:limit], looked, found[limit - 1].id)
    return Found(found, looked, end)


def _newest(which: Sought, cursor: str, *columns: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """The newest tasks before the cursor: of the batch, of the user, or of all."""
    asked = select(*columns).order_by(tasks.c.id.desc()).limit(AT_ONCE)
    if which.batch is not None:
        asked = asked.where(batches.c.id == which.batch, *OF_BATCH)
    elif which.user is not None:
        asked = asked.where(tasks.c.user_id == which.user)
    return asked.where(tasks.c.id < cursor) if cursor else asked


def _meant(which: Sought, of: FromClause) -> Iterator[ColumnElement[bool]]:
    """Which of them; in a form that leaves databases no index but the one that what runs stands in."""
    if which.user is not None:
        yield of.c.user_id + 0 == which.user
    if which.batch is not None:
        yield of.c.batch_id == which.batch
    if which.states:
        yield by_no_index(of.c.state).in_([state.value for state in which.states])
    if which.engine:
        yield of.c.engine == which.engine
    if which.code:
        yield of.c.cause == which.code


def _outlines(connection: Connection, asked: Select[*tuple[object, ...]]) -> Sequence[Outline]:
    return [_outline(row) for row in connection.execute(asked).mappings()]


def _outline(row: RowMapping) -> Outline:
    return Outline(
        id=TaskId(row["id"]),
        batch=BatchId(row["batch_id"]),
        user=UserId(row["user_id"]),
        state=State(row["state"]),
        engine=row["engine"],
        worker=WorkerId(row["worker_id"]),
        step=row["step"],
        percent=row["percent"],
        attempt=row["attempt"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        run_at=row["run_at"],
        fault=Fault(**json.loads(row["fault"])) if row["fault"] else None,
    )


def failures(connection: Connection, dialect: Dialect, since: float) -> Failures:
    """What failed since then: the latest dead letters, and each try of theirs and of the newest tasks that failed.

    Beyond these are only tries of older tasks that have gone well since, or were discarded.
    """
    names = ("id", "user_id", "fence", "engine", "step", "fault", "finished_at")
    letters = select(*(tasks.c[name] for name in names)).where(DEAD, tasks.c.finished_at >= since)
    dead = connection.execute(letters.order_by(tasks.c.finished_at.desc(), tasks.c.id.desc()).limit(MOST_DEAD)).all()
    newest = connection.execute(_newest(Sought(), "", tasks.c.id, tasks.c.user_id)).all()
    users = {row.id: UserId(row.user_id) for row in (*dead, *newest)}
    tries = {(one.task, fence): one for fence, one in _tries(connection, dialect, users, since)}
    for row in dead:  # a task may fail without an attempt, as where nobody could begin it
        final = Failure(TaskId(row.id), users[row.id], row.engine, row.step, _fault(row.fault), row.finished_at)
        tries.setdefault((final.task, row.fence), final)
    found = sorted(tries.values(), key=lambda one: (one.at, one.task), reverse=True)
    return Failures(found, looked=len(newest), whole=len(newest) < AT_ONCE and len(dead) < MOST_DEAD)


def _tries(
    connection: Connection, dialect: Dialect, users: Mapping[str, UserId], since: float
) -> Iterator[tuple[int, Failure]]:
    """The tries at these tasks that failed, with the fence of each. Its step is the one that it had begun last."""
    asked, given = _failed_tries(dialect.given)
    for row in asked.on(connection, {**given.bind(list(users)), "since": since}).tuples():
        task, fence, engine, fault, ended_at, step = row
        yield fence, Failure(TaskId(task), users[task], engine, step or "", _fault(fault), ended_at)


@cache
def _failed_tries(given_rows: GivenRows) -> tuple[Prepared, Given]:
    given = given_rows("watched", of_task="key")
    step = (
        select(events.c.step)
        .where(events.c.task_id == attempts.c.task_id, events.c.fence == attempts.c.fence, events.c.step != "")
        .order_by(events.c.seq.desc())
        .limit(1)
        .correlate(attempts)
        .scalar_subquery()
    )
    names = ("task_id", "fence", "engine", "fault", "ended_at")
    failed = select(*(attempts.c[name] for name in names), step.label("step")).where(
        attempts.c.task_id == given.table.c.of_task,
        attempts.c.ended_at >= bindparam("since", type_=attempts.c.ended_at.type),
        or_(attempts.c.fault.is_not(None), attempts.c.outcome == "crashed"),
    )
    return Prepared(select_by_key(failed, given.table, attempts)), given


def _fault(stored: str | None) -> Fault:
    return Fault(**json.loads(stored)) if stored else _CRASHED


def served(connection: Connection, users: Sequence[UserId], since: float, now: float) -> Service:
    """What these users and all who hold something had since then: their tasks' last tries, over and under way.

    Each lane costs the same, however much has ended: a look at the end of an index. Sums are of those who had anything.
    """
    weights = connection.scalar(select(func.sum(lanes.c.weight)).where(_HOLDS)) or 0.0
    lately = or_(*(end_of(state.value, newest=True) >= since for state in _RUN_TO_THE_END))
    holding = set(map(UserId, connection.scalars(select(lanes.c.user_id).where(_HOLDS, lately))))
    begun = case((tasks.c.begun_at > since, tasks.c.begun_at), else_=since)
    done = select(tasks.c.user_id, func.sum(tasks.c.finished_at - begun)).where(
        ENDED,
        tasks.c.state.in_([state.value for state in _RUN_TO_THE_END]),
        tasks.c.finished_at >= since,
        tasks.c.begun_at > 0,
    )
    under_way = select(tasks.c.user_id, now - begun).where(UNDER_WAY, RUNNING, tasks.c.begun_at > 0)
    found = dict.fromkeys((*holding, *users), 0.0)
    names = list(found)
    for at in range(0, len(names), _USERS):  # by name: joined to the lanes, MariaDB goes through all that has ended
        of_some = done.where(tasks.c.user_id.in_(names[at : at + _USERS]))
        for user, seconds in connection.execute(of_some.group_by(tasks.c.user_id)):
            found[user] += max(0.0, seconds)
    for user, seconds in connection.execute(under_way):
        holding.add(user)
        found[user] = found.get(user, 0.0) + max(0.0, seconds)
    return Service(found, sum(found[user] for user in holding), weights)
