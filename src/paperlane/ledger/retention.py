"""Letting go of what is old: ended tasks by age and number, a small page a transaction.

Only tasks that have ended are touched, and the deleted ones are locked first: one that is started again meanwhile is
not an ended one any more when its lock comes, and stays. Lanes count what waits and runs, so none is locked or changed.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, ScalarSelect, Select, delete, func, or_, select, update

from paperlane.ledger import AlsoForgotten, Chore, Kept, Mark, Overdue, Trimmed
from paperlane.ledger.schema import ENDED, OF_BATCH, attempts, batches, checkpoints, chores, events, lanes, tasks
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import State, TaskId, UserId

AT_ONCE = 100
"""Tasks in one transaction: with 20 events and 40 KB of checkpoints each it takes SQLite 10 to 40 ms."""

_USERS_AT_ONCE = 200
_BY_INDEX = (tasks, "FORCE INDEX (tasks_ended)", "mysql")  # by another one it would go through all of a user's
_ENDED_STATES = [state.value for state in State if state.ended]


def _due(name: str, now: float, longest: float) -> ColumnElement[bool]:
    """Also one that is put off for longer than ever: by a clock that has been set back since."""
    return (chores.c.name == name) & or_(chores.c.next_at <= now, chores.c.next_at > now + longest)


def is_due(connection: Connection, name: str, now: float, longest: float) -> bool:
    """Has the time of a chore come, which is put off for `longest` seconds at most?"""
    return connection.execute(select(chores.c.name).where(_due(name, now, longest))).first() is not None


def last_turn(connection: Connection, name: str, seconds: float) -> float:
    """When somebody last had the turn at a chore that comes up every so many seconds; 0 before the first one."""
    next_at: float | None = connection.scalar(select(chores.c.next_at).where(chores.c.name == name))
    return max(0.0, (next_at or 0.0) - seconds)


def begin(writing: Writing, name: str, seconds: float, longest: float) -> Chore | None:
    """The turn at a chore, which comes up again after so many seconds; None when another process has it."""
    connection, now = writing.connection, writing.now
    mine = update(chores).where(_due(name, now, longest)).values(next_at=now + seconds)
    if connection.execute(mine).rowcount == 0:
        next_at = connection.scalar(select(chores.c.next_at).where(chores.c.name == name))
        begun = [at for at in writing.again if at + seconds == next_at]  # by the commit whose answer was lost
        if not begun:
            return None
        now = begun[0]
    unreal = (chores.c.name == name) & (chores.c.done_until > now)  # what happens until then is still to be done
    connection.execute(update(chores).where(unreal).values(done_until=0.0))
    done_until = connection.execute(select(chores.c.done_until).where(chores.c.name == name)).scalar_one()
    return Chore(now, done_until)


def end(connection: Connection, name: str, done_until: float) -> None:
    """Note until when it was done."""
    later = update(chores).where(chores.c.name == name, chores.c.done_until < done_until)
    connection.execute(later.values(done_until=done_until))


def overdue(connection: Connection, kept: Kept, since: float, after: UserId, now: float, shortest: float) -> Overdue:
    """Of the next users, those with something to forget or to trim: a look at the first and the last task of each.

    Only where they have more together than one may keep, each is counted, and no further than that; only who may have
    steps to lose is looked at for them.
    """
    users = connection.scalars(
        select(lanes.c.user_id).where(lanes.c.user_id > after).order_by(lanes.c.user_id).limit(_USERS_AT_ONCE)
    ).all()
    if not users:
        return Overdue((), (), None)
    now = min(now, kept.until)
    trimmed_before = _trimmed_before(kept, now)
    stale = (tasks.c.finished_at > since, tasks.c.finished_at <= trimmed_before)
    of_all = select(tasks.c.id).where(tasks.c.user_id.between(users[0], users[-1]), ENDED)
    of_all = of_all.order_by(tasks.c.user_id, tasks.c.state, tasks.c.finished_at, tasks.c.id)
    crowded = kept.most > 0 and _has_more(connection, of_all, kept.most)
    forget: set[UserId] = set()
    trim: list[UserId] = []
    for state in _ENDED_STATES:
        asked = select(lanes.c.user_id, end_of(state).label("oldest"), end_of(state, newest=True).label("newest"))
        asked = asked.where(lanes.c.user_id.between(users[0], users[-1])).order_by(lanes.c.user_id)
        for user, oldest, newest in connection.execute(asked).all():
            if oldest is None:
                continue
            mine = _of_kind(user, state)
            too_old = oldest <= _ended_before(kept, state, now, shortest)
            if too_old or (crowded and oldest <= now - shortest and _has_more(connection, mine, kept.most)):
                forget.add(UserId(user))
            may_be_stale = state == State.COMPLETED and oldest <= trimmed_before and newest > since
            if may_be_stale and _has_more(connection, mine.where(*stale), 0):
                trim.append(UserId(user))
    return Overdue(sorted(forget), trim, UserId(users[-1]))


def first_expiry(connection: Connection, user: UserId, kept: Kept) -> float | None:
    """When the first of this user's ended tasks is too old; None where none ever is, or none has ended."""
    expiries: list[float] = []
    for state in _ENDED_STATES:
        seconds = kept.failed if state == State.FAILED else kept.finished
        first = _of_kind(user, state).with_only_columns(tasks.c.finished_at).with_hint(*_BY_INDEX).limit(1)
        if seconds and (ended := connection.scalar(first)) is not None:
            expiries.append(ended + seconds)
    return min(expiries, default=None)


def end_of(state: str, *, newest: bool = False) -> ScalarSelect[Any]:
    """When the first task of this outcome ended, or the last, of each lane's user; None where there is none."""
    asked = _of_kind(lanes.c.user_id, state).with_only_columns(tasks.c.finished_at).correlate(lanes)
    if newest:
        asked = asked.order_by(None).order_by(tasks.c.finished_at.desc(), tasks.c.id.desc())
    return asked.with_hint(*_BY_INDEX).limit(1).scalar_subquery()


def _of_kind(user: int | ColumnElement[int], state: str) -> Select[str]:
    """A user's tasks of this outcome, in the order in which they ended."""
    asked = select(tasks.c.id).where(tasks.c.user_id == user, tasks.c.state == state, ENDED)
    return asked.order_by(tasks.c.finished_at, tasks.c.id)


def _has_more(connection: Connection, asked: Select[str], most: int) -> bool:
    return _counted(connection, asked, most + 1) > most


def _counted(connection: Connection, asked: Select[str], most: int) -> int:
    """How many there are, counted up to so many."""
    some = asked.with_hint(*_BY_INDEX).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _ended_before(kept: Kept, state: str, now: float, shortest: float) -> float:
    """Tasks that ended in this state before this time are too old."""
    longest = kept.failed if state == State.FAILED else kept.finished
    return now - max(longest or inf, shortest)


def _trimmed_before(kept: Kept, now: float) -> float:
    """Completed tasks that ended before this time lose their steps; none has ended before 1970."""
    return now - kept.steps if kept.steps else -1.0


def forget(
    writing: Writing, user: UserId, kept: Kept, shortest: float, also: AlsoForgotten | None
) -> tuple[int, Sequence[str]]:
    """Delete a page of the user's oldest ended tasks that are too old, or too many, with all that belongs to them.

    How many, and the files of their results, which nothing names once this is committed.
    """
    connection, now = writing.connection, min(writing.now, kept.until)
    page: list[RowMapping] = []
    for state in _ENDED_STATES:
        if len(page) < AT_ONCE:
            page += _oldest(connection, user, state, kept, now, shortest, AT_ONCE - len(page))
    if not page:
        return 0, ()
    ids = [TaskId(row["id"]) for row in page]
    if also is not None:
        also(connection, ids)
    files = _files(connection, checkpoints.c.task_id.in_(ids))
    for table in (events, attempts, checkpoints):
        connection.execute(delete(table).where(table.c.task_id.in_(ids)))
    connection.execute(delete(tasks).where(tasks.c.id.in_(ids)))
    _forget_empty(connection, sorted({row["batch_id"] for row in page}))
    return len(ids), files


def _files(connection: Connection, *of: ColumnElement[bool]) -> Sequence[str]:
    """The files that these results lie in. Asked by their rows: the index of files holds everybody's."""
    return connection.scalars(select(checkpoints.c.file).where(*of, func.length(checkpoints.c.file) > 0)).all()


def _oldest(
    connection: Connection, user: UserId, state: str, kept: Kept, now: float, shortest: float, room: int
) -> Sequence[RowMapping]:
    """The user's tasks of this outcome that must go, locked: from the oldest on, so the first few of a list."""
    of_kind = _of_kind(user, state)
    asked = of_kind.add_columns(tasks.c.batch_id, tasks.c.finished_at).where(tasks.c.finished_at <= now - shortest)
    asked = asked.limit(room).with_for_update()
    too_old = _ended_before(kept, state, now, shortest)
    rows = connection.execute(asked).mappings().all()
    excess = 0
    if rows and kept.most:  # counted under the locks: another run may have deleted some meanwhile
        excess = _counted(connection, of_kind, kept.most + room) - kept.most
    return [row for at, row in enumerate(rows) if at < excess or row["finished_at"] <= too_old]


def _forget_empty(connection: Connection, ids: Sequence[str]) -> None:
    """Delete batches without a task. No two pages empty one together: a user's pages begin with the same tasks."""
    holds = select(tasks.c.id).where(*OF_BATCH).exists()
    connection.execute(delete(batches).where(batches.c.id.in_(ids), ~holds))


def trim(writing: Writing, user: UserId, kept: Kept, mark: Mark) -> tuple[Trimmed, Sequence[str]]:
    """Take progress and inner results from a page of completed tasks. Nothing changes these, so none is locked.

    Beside it the files of those results, which nothing names once this is committed.
    """
    connection, now = writing.connection, min(writing.now, kept.until)
    later = or_(tasks.c.finished_at > mark.finished_at, tasks.c.id > mark.task)
    rows = (
        connection.execute(
            select(tasks.c.id, tasks.c.finished_at)
            .where(
                tasks.c.user_id == user,
                tasks.c.state == State.COMPLETED.value,
                ENDED,
                tasks.c.finished_at.between(mark.finished_at, _trimmed_before(kept, now)),
                later,
            )
            .order_by(tasks.c.finished_at, tasks.c.id)
            .limit(AT_ONCE)
        )
        .mappings()
        .all()
    )
    if not rows:
        return Trimmed(0, None), ()
    ids = [row["id"] for row in rows]
    connection.execute(delete(events).where(events.c.task_id.in_(ids), events.c.status.not_in(_ENDED_STATES)))
    inner = (checkpoints.c.task_id.in_(ids), checkpoints.c.step.not_in(kept.results))
    files = _files(connection, *inner)
    connection.execute(delete(checkpoints).where(*inner))
    last = Mark(rows[-1]["finished_at"], rows[-1]["id"])
    return Trimmed(len(ids), last if len(rows) == AT_ONCE else None), files
