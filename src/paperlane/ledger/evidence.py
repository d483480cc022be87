"""What became of users' tasks in a period, task by task: the evidence that engines are compared by.

Each question is about some users and reads no more than it is told to: through the index of what ended, in which each
user's tasks of an outcome stand in the order of their ends, and through the small ones of what waits and runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, select

from paperlane.ledger.schema import ENDED, READY, UNDER_WAY, WAITING, attempts, lanes, tasks
from paperlane.model.tasks import State, TaskId, UserId

_LEAST_KEY = -1e300
_AT_ONCE = 500  # tasks whose attempts one statement asks for
_OUTCOMES = {"completed": "completed", "failed": "failed", "poison": "failed", "cancelled": "cancelled"}
"""What attempts come to that are the last of their task."""
_ENDED_STATES = [state.value for state in State if state.ended]
_PERHAPS_BETWEEN = {"ready", "waiting", "cancelled"}
"""What may have had its only lease until some time that its row does not tell, and waited then."""
_BY_INDEX = (tasks, "FORCE INDEX (tasks_ended)", "mysql")  # by another one it would go through all of a user's
_COLUMNS = tuple(
    tasks.c[name]
    for name in (
        "id", "user_id", "state", "engine", "cost", "priority", "sort_key", "run", "fence", "attempt", "created_at",
        "started_at", "begun_at", "finished_at",
    )
)  # fmt: skip


class Carried(NamedTuple):
    """A task as it stood at the end of the period; times are seconds since 1970 (UTC).

    `engine` is the one that began it first, whichever ended it: it was given to that one. Of what nobody began, it is
    the one that its user's lane is given to now. It could start since `queued_at`; `begun_at` and `ended_at` are 0 for
    not yet. `outcome` is `completed`, `failed` or `cancelled`; where it had not ended `queued`, or `running` if it was
    begun, though it may wait for another try. `cost` is what it was estimated at, and `seconds` how long its attempts
    had held a slot by then.

    Of a task that a person started again after its end, it is the first run that counts.
    """

    task: TaskId
    user: UserId
    engine: str
    cost: float
    queued_at: float
    begun_at: float
    ended_at: float
    outcome: str
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """Tasks of some users; `cut` where there were more, of which the newest ends are told."""

    tasks: Sequence[Carried]
    cut: bool


def of_users(
    connection: Connection,
    users: Sequence[UserId],
    since: float,
    until: float,
    ageing: float,
    most: int,
    ended_from: float = 0.0,
) -> Found:
    """The tasks that these users submitted from `since` and before `until`, as they stood then.

    At most so many that ended, and as many of what waits and of what runs. `ageing` is the ledger's rule of that name.
    Of those that ended only those that did from `ended_from` on.
    """
    within = (tasks.c.created_at >= since, tasks.c.created_at < until)
    whose = select(lanes.c.user_id, lanes.c.engine, lanes.c.ready, lanes.c.waiting, lanes.c.running)
    of_lanes = connection.execute(whose.where(lanes.c.user_id.in_(users))).all()
    engines = {lane.user_id: lane.engine for lane in of_lanes}
    found: dict[str, Row[*tuple[Any, ...]]] = {}
    cut = False
    # in the order in which tasks move, so that one which does so meanwhile is seen twice rather than never
    for asked in (*_open(of_lanes), _over(users, max(since, ended_from))):
        rows = connection.execute(asked.where(*within).limit(most + 1)).all()
        cut = cut or len(rows) > most
        found |= {row.id: row for row in rows[:most]}
    rows = list(found.values())
    tries = _tries(connection, [row.id for row in rows if _had_tries(row)])
    return Found([_carried(row, tries.get(row.id, ()), engines, until, ageing) for row in rows], cut)


def _open(of_lanes: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[Select[*tuple[Any, ...]]]:
    """What waits and runs, of whose lanes hold such: the others' tasks need not be looked through for it."""
    if waiting := [lane.user_id for lane in of_lanes if lane.waiting]:
        asked = select(*_COLUMNS).where(WAITING, tasks.c.user_id.in_(waiting))  # of everybody they are few
        yield asked.with_hint(tasks, "FORCE INDEX (tasks_waiting)", "mysql")  # it has no `tasks_late`
    if ready := [lane.user_id for lane in of_lanes if lane.ready]:
        # all keys, so that the index in which they stand serves better than that of all of a user's tasks
        asked = select(*_COLUMNS).where(READY, tasks.c.user_id.in_(ready), tasks.c.sort_key >= _LEAST_KEY)
        yield asked.with_hint(tasks, "FORCE INDEX (tasks_ready)", "mysql")
    if running := [lane.user_id for lane in of_lanes if lane.running]:
        yield select(*_COLUMNS).where(UNDER_WAY, (tasks.c.user_id + 0).in_(running))  # of everybody's they are few


def _over(users: Sequence[UserId], since: float) -> Select[*tuple[Any, ...]]:
    """What has ended since then; of one user the latest first, of several nobody's would be whole."""
    asked = select(*_COLUMNS).with_hint(*_BY_INDEX).where(ENDED, tasks.c.state.in_(_ENDED_STATES))
    asked = asked.where(tasks.c.user_id.in_(users), tasks.c.finished_at >= since)
    return asked if len(users) > 1 else asked.order_by(tasks.c.finished_at.desc(), tasks.c.id.desc())


def _had_tries(row: Row[*tuple[Any, ...]]) -> bool:
    """Do its attempts tell more than the row itself?"""
    return row.fence > 1 or row.run > 1 or (row.begun_at > 0 and row.state in _PERHAPS_BETWEEN)


def _tries(connection: Connection, names: Sequence[str]) -> Mapping[str, Sequence[Row[*tuple[Any, ...]]]]:
    """The attempts that are over, of these tasks, in their order."""
    found: dict[str, list[Row[*tuple[Any, ...]]]] = {}
    for at in range(0, len(names), _AT_ONCE):
        asked = select(attempts).where(attempts.c.task_id.in_(names[at : at + _AT_ONCE]))
        for row in connection.execute(asked.order_by(attempts.c.task_id, attempts.c.fence)):
            found.setdefault(row.task_id, []).append(row)
    return found


def _first_run(tries: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[Row[*tuple[Any, ...]]]:
    """Up to the attempt that ended the task; or to a retry that never came, for the task was cancelled before it."""
    last = None
    for one in tries:
        if last is not None and (last.outcome in _OUTCOMES or (last.outcome == "retry" and one.number <= last.number)):
            return
        yield one
        last = one


def _carried(
    row: Row[*tuple[Any, ...]],
    tries: Sequence[Row[*tuple[Any, ...]]],
    engines: Mapping[int, str],
    until: float,
    ageing: float,
) -> Carried:
    queued_at = max(row.created_at, row.sort_key + row.priority * ageing)  # of what this was made, it could start then
    first = [one for one in (tries if row.run == 1 else _first_run(tries)) if one.started_at < until]
    engine, begun_at, ended_at, outcome, count = row.engine, row.started_at, row.finished_at, row.state, row.attempt
    over = max(0.0, min(ended_at, until) - row.begun_at) if row.begun_at and ended_at else 0.0
    holds = max(0.0, until - row.begun_at) if row.state == State.RUNNING and row.run == 1 else 0.0
    seconds = over + holds
    if row.run > 1:
        begun_at, ended_at, outcome, count, seconds = 0.0, queued_at, "cancelled", 0, 0.0
    if first:
        last = first[-1]
        engine, begun_at = first[0].engine, first[0].started_at
        seconds = sum(max(0.0, min(one.ended_at, until) - one.started_at) for one in first) + holds
        if row.run > 1:
            ended_at, count = last.ended_at, last.number
            outcome = _OUTCOMES.get(last.outcome, "cancelled")
    begun_at = begun_at if 0 < begun_at <= until else 0.0
    if outcome not in _ENDED_STATES or ended_at > until:
        outcome, ended_at = ("running" if begun_at else "queued"), 0.0
    carried_by = engine if engine and (begun_at or row.state == "leased") else engines.get(row.user_id, engine)
    return Carried(
        TaskId(row.id),
        UserId(row.user_id),
        carried_by,
        row.cost,
        queued_at,
        begun_at,
        ended_at,
        outcome,
        count,
        seconds,
    )
