"""What operators look through: everybody's tasks, failures and service, in looks that stay short however much there is."""

import json
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, Select, case, func, or_, select, union

from paperlane.ledger.dialects.keyed import by_no_index
from paperlane.ledger.schema import DEAD, ENDED, OF_BATCH, RUNNING, UNDER_WAY, attempts, batches, events, tasks
from paperlane.model.tasks import BatchId, Failure, Failures, Fault, Found, Outline, Sought, State, TaskId, UserId, WorkerId

AT_ONCE = 5_000  # of the newest tasks, that one look goes through
MOST_DEAD = 2_000  # dead letters, that one look at failures goes through

_CRASHED = Fault("crashed", "The worker was gone before the attempt had ended.", "Look at the workers and their memory.")
_OUTLINE = tuple(
    tasks.c[name]
    for name in (
        "id", "batch_id", "user_id", "state", "engine", "worker_id", "step", "percent", "attempt", "created_at",
        "started_at", "finished_at", "run_at", "fault",
    )
)  # fmt: skip


def look_for(connection: Connection, which: Sought, cursor: str, limit: int) -> Found:
    """The newest tasks that are meant, among as many as one look goes through; what runs is always looked at whole.

    An index for each filter would be written anew at each change of each task.
    """
    asked = select(*_OUTLINE).order_by(tasks.c.id.desc()).limit(limit + 1)
    if which.states and all(state in {State.LEASED, State.RUNNING} for state in which.states):
        name = by_no_index(tasks.c.id)
        asked = asked.where(UNDER_WAY, *_meant(which), *((name < cursor,) if cursor else ()))
        asked = asked.order_by(None).order_by(name.desc())
        found, end = _outlines(connection, asked), ""
        looked = len(found)
    else:
        window = _newest(which, cursor).subquery("newest")
        looked, last = connection.execute(select(func.count(), func.min(window.c.id))).one()
        end = last if looked == AT_ONCE else ""
        found = _outlines(connection, asked.join(window, window.c.id == tasks.c.id).where(*_meant(which)))
    if len(found) > limit:
        return Found(found[:limit], looked, found[limit - 1].id)
    return Found(found, looked, end)


def _newest(which: Sought, cursor: str) -> Select[str]:
    """The ids of the newest tasks before the cursor: of the batch, of the user, or of all."""
    asked = select(tasks.c.id).order_by(tasks.c.id.desc()).limit(AT_ONCE)
    if which.batch is not None:
        asked = asked.where(batches.c.id == which.batch, *OF_BATCH)
    elif which.user is not None:
        asked = asked.where(tasks.c.user_id == which.user)
    return asked.where(tasks.c.id < cursor) if cursor else asked


def _meant(which: Sought) -> Iterator[ColumnElement[bool]]:
    if which.user is not None:
        yield tasks.c.user_id + 0 == which.user
    if which.batch is not None:
        yield by_no_index(tasks.c.batch_id) == which.batch
    if which.states:
        yield by_no_index(tasks.c.state).in_([state.value for state in which.states])
    if which.engine:
        yield tasks.c.engine == which.engine
    if which.code:
        yield tasks.c.cause == which.code


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


def failures(connection: Connection, since: float) -> Failures:
    """What failed since then: the latest dead letters, and each try of theirs and of the newest tasks that failed.

    Beyond these are only tries of older tasks that have gone well since, or were discarded.
    """
    letters = select(tasks.c.id, tasks.c.user_id).where(DEAD, tasks.c.finished_at >= since)
    letters = letters.order_by(tasks.c.finished_at.desc(), tasks.c.id.desc()).limit(MOST_DEAD)
    newest = select(tasks.c.id, tasks.c.user_id).order_by(tasks.c.id.desc()).limit(AT_ONCE)
    looked = connection.scalar(select(func.count()).select_from(newest.subquery("newest"))) or 0
    of_letters, of_newest = letters.subquery("letters"), newest.subquery("newest")
    these = union(select(of_letters), select(of_newest)).subquery("these")
    dead = _final_failures(connection, of_letters)
    tries = {(one.task, fence): one for fence, one in _tries(connection, these, since)}
    alone = [one for fence, one in dead if (one.task, fence) not in tries]
    found = sorted([*tries.values(), *alone], key=lambda one: (one.at, one.task), reverse=True)
    return Failures(found, looked=looked, whole=looked < AT_ONCE and len(dead) < MOST_DEAD)


def _final_failures(connection: Connection, letters: FromClause) -> Sequence[tuple[int, Failure]]:
    """With the fence of each; a task may fail without an attempt, as where nobody could begin it."""
    names = ("id", "user_id", "fence", "engine", "step", "fault", "finished_at")
    asked = select(*(tasks.c[name] for name in names)).join(letters, letters.c.id == tasks.c.id)
    return [
        (
            row.fence,
            Failure(TaskId(row.id), UserId(row.user_id), row.engine, row.step, _fault(row.fault), row.finished_at),
        )
        for row in connection.execute(asked)
    ]


def _tries(connection: Connection, of: FromClause, since: float) -> Iterator[tuple[int, Failure]]:
    """With the fence of each. Its step is the one that it had begun last."""
    step = (
        select(events.c.step)
        .where(events.c.task_id == attempts.c.task_id, events.c.fence == attempts.c.fence, events.c.step != "")
        .order_by(events.c.seq.desc())
        .limit(1)
        .correlate(attempts)
        .scalar_subquery()
    )
    names = ("task_id", "fence", "engine", "fault", "ended_at")
    asked = (
        select(*(attempts.c[name] for name in names), of.c.user_id, step.label("step"))
        .join(of, of.c.id == attempts.c.task_id)
        .where(attempts.c.ended_at >= since, or_(attempts.c.fault.is_not(None), attempts.c.outcome == "crashed"))
    )
    for row in connection.execute(asked):
        failure = Failure(
            TaskId(row.task_id), UserId(row.user_id), row.engine, row.step or "", _fault(row.fault), row.ended_at
        )
        yield row.fence, failure


def _fault(stored: str | None) -> Fault:
    return Fault(**json.loads(stored)) if stored else _CRASHED


def served(connection: Connection, users: Sequence[UserId], since: float, now: float) -> Mapping[UserId, float]:
    """Slot-seconds that each of these users had since then: their tasks' last tries, over and under way."""
    begun = case((tasks.c.begun_at > since, tasks.c.begun_at), else_=since)
    done = select(tasks.c.user_id, func.sum(tasks.c.finished_at - begun)).where(
        ENDED,
        tasks.c.user_id.in_(users),
        tasks.c.state.in_([State.COMPLETED.value, State.FAILED.value]),
        tasks.c.finished_at >= since,
        tasks.c.begun_at > 0,
    )
    under_way = select(tasks.c.user_id, now - begun).where(UNDER_WAY, RUNNING, tasks.c.begun_at > 0)
    found = dict.fromkeys(users, 0.0)
    for user, seconds in connection.execute(done.group_by(tasks.c.user_id)):
        found[UserId(user)] += max(0.0, seconds)
    for user, seconds in connection.execute(under_way):
        if user in found:
            found[UserId(user)] += max(0.0, seconds)
    return found
