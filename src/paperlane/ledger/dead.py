"""Dead letters: tasks that failed for good, until somebody starts them again or discards them.

A discarded one stays a failed task with its cause and its history, and can still be started again by its id.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf, isfinite, isnan

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from paperlane.errors import BadRequest
from paperlane.ledger import Rules
from paperlane.ledger.backlog import Backlog
from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.keyed import select_by_key
from paperlane.ledger.history import Change, move
from paperlane.ledger.holding import Wanted, hold, wanted
from paperlane.ledger.lanes import Lane, Lanes
from paperlane.ledger.schema import DEAD, attempts, batches, tasks
from paperlane.ledger.submitting import afresh
from paperlane.ledger.views import task_of
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import DeadLetter, Fault, Handled, LeftOver, Letters, Task, TaskId

AT_ONCE = 200  # dead letters that one transaction handles
_NAMED = 100  # of those that are left over

_GONE = Fault("not_found", "There is no such task.", "Check its id.")
_ALIVE = Fault("not_dead", "The task is no dead letter.", "It did not fail, or was started again or discarded since.")
_OWN_FULL = Fault(
    "user_limit_exceeded", "As many of the user's tasks wait as may.", "Start the others again once some are done."
)
_ALL_FULL = Fault(
    "system_busy", "The whole system's backlog is full.", "Start the others again in a little while."
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: after the letter `task` that failed `at`; of those that failed by `until`."""

    at: float
    task: str
    until: float = inf

    @classmethod
    def of(cls, cursor: str) -> "_Place":
        """The place that a cursor says. BadRequest for what is no cursor of ours."""
        at, _, rest = cursor.partition("/")
        task, _, until = rest.partition("/")
        try:
            place = cls(float(at), task, float(until or inf))
        except ValueError:
            place = cls(inf, "")
        if not isfinite(place.at) or isnan(place.until) or place.until == -inf or "\0" in place.task:
            raise BadRequest("This cursor leads nowhere.", hint="Use the `next` of the page before, as it is.")
        return place


def cursor_of(task: Task) -> str:
    """The cursor of the page after this letter."""
    return f"{task.finished_at!r}/{task.id}"


def page(connection: Connection, which: Letters, cursor: str, limit: int, rules: Rules) -> Sequence[DeadLetter]:
    """Dead letters, those that failed last first."""
    asked = select(tasks).where(*_meant(which)).limit(limit)
    asked = asked.order_by(tasks.c.finished_at.desc(), tasks.c.id.desc())
    if cursor:
        place = _Place.of(cursor)
        asked = asked.where(
            tasks.c.finished_at <= place.at, or_(tasks.c.finished_at < place.at, tasks.c.id < place.task)
        )
    found = [task_of(row, rules) for row in connection.execute(asked).mappings()]
    tries = _tries(connection, [task.id for task in found])
    return [DeadLetter(task, tries.get(task.id, 0)) for task in found]


def causes(connection: Connection, which: Letters) -> Mapping[str, int]:
    """How many dead letters there are of each fault's code, the most frequent first."""
    asked = select(tasks.c.cause, func.count()).where(*_meant(which)).group_by(tasks.c.cause)
    counted = {row[0]: row[1] for row in connection.execute(asked)}
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


def _meant(which: Letters) -> Iterator[ColumnElement[bool]]:
    yield DEAD
    if which.user is not None:
        yield tasks.c.user_id == which.user
    if which.batch is not None:
        yield tasks.c.batch_id == which.batch
        yield tasks.c.user_id == select(batches.c.user_id).where(batches.c.id == which.batch).scalar_subquery()
    if which.code:
        yield tasks.c.cause == which.code
    if which.since > 0:
        yield tasks.c.finished_at >= which.since
    if which.until < inf:
        yield tasks.c.finished_at <= which.until
    if which.ids is not None:
        yield tasks.c.id.in_(which.ids)


def _tries(connection: Connection, ids: Sequence[TaskId]) -> Mapping[str, int]:
    asked = select(attempts.c.task_id, func.count()).where(attempts.c.task_id.in_(ids), attempts.c.outcome != "paused")
    return {row[0]: row[1] for row in connection.execute(asked.group_by(attempts.c.task_id))}


def replay(writing: Writing, lanes: Lanes, which: Letters, cursor: str, rules: Rules, *, backlog: Backlog) -> "Acted":
    """The next dead letters start again, those that failed first first; who finds no room in a backlog stays."""
    turn = _next(writing, which, cursor, lambda task: task["state"] != "failed" and task["run"] > 1)
    may_wait = backlog.room(writing, lanes, len(turn.found), rules)
    found = _locked(writing, lanes, turn)
    room = may_wait() if found else 0
    chosen: list[Change] = []
    for task in found:
        lane = lanes[task["user_id"]]
        if (why := _no_room(lane, room - len(chosen), rules)) is not None:
            turn.leave(why, [task["id"]])
            continue
        lane.ready += 1
        chosen.append(task)
    move(writing, (afresh(task, writing.now) for task in chosen))
    return turn.acted(len(chosen))


def discard(writing: Writing, lanes: Lanes, which: Letters, cursor: str, _rules: Rules) -> "Acted":
    """The next dead letters are none any more."""
    turn = _next(writing, which, cursor, lambda task: task["state"] == "failed")
    locked = [task["id"] for task in _locked(writing, lanes, turn)]
    if locked:
        writing.connection.execute(update(tasks).where(tasks.c.id.in_(locked)).values(dead=0))
    return turn.acted(len(locked))


Acted = tuple[Handled, int]
"""What this transaction did, and to how many letters beside an earlier try did it whose commit nobody knew of."""

Act = Callable[[Writing, Lanes, Letters, str, Rules], Acted]


@dataclass(slots=True)
class _Turn:
    """The letters that it is the turn of, as {id, user_id}, the cursor of those after them, and what is left of them.

    `before` counts named ones that an earlier try of the same transaction has handled already.
    """

    found: Sequence[Change]
    onward: str = ""
    before: int = 0
    left: dict[Fault, list[TaskId]] = field(default_factory=dict)

    def leave(self, why: Fault, tasks: Iterable[str]) -> None:
        self.left.setdefault(why, []).extend(map(TaskId, tasks))

    def acted(self, done: int) -> Acted:
        left = tuple(LeftOver(why, len(ids), ids[:_NAMED]) for why, ids in self.left.items() if ids)
        return Handled(done, left, self.onward), self.before


def _next(writing: Writing, which: Letters, cursor: str, handled: Callable[[Change], bool]) -> _Turn:
    """The letters that it is the turn of; `handled` tells of a named one that is dead no more whether it is so by us.

    Of those of a filter another try takes the next page: what the lost commit did is not counted, nor done again.
    """
    if which.ids is not None:
        return _named(writing, which, cursor, handled)
    place = _Place.of(cursor) if cursor else _Place(0.0, "", min(which.until, _latest(writing)))
    asked = (
        select(tasks.c.id, tasks.c.user_id, tasks.c.finished_at)
        .where(
            *_meant(replace(which, until=min(which.until, place.until))),
            tasks.c.finished_at >= place.at,
            or_(tasks.c.finished_at > place.at, tasks.c.id > place.task),
        )
        .order_by(tasks.c.finished_at, tasks.c.id)
        .limit(AT_ONCE)
    )
    found = [dict(row) for row in writing.connection.execute(asked).mappings()]
    if len(found) < AT_ONCE:
        return _Turn(found)
    return _Turn(found, f"{found[-1]['finished_at']!r}/{found[-1]['id']}/{place.until!r}")


def _latest(writing: Writing) -> float:
    """Now: who fails again waits for another time. Later where one failed by a clock that has been set back since."""
    asked = select(tasks.c.finished_at).where(DEAD).order_by(tasks.c.finished_at.desc()).limit(1)
    return max(writing.now, writing.connection.scalar(asked) or 0.0)


def _named(writing: Writing, which: Letters, cursor: str, handled: Callable[[Change], bool]) -> _Turn:
    """The same of those that are named: the cursor counts them."""
    if cursor and not (cursor.isascii() and cursor.isdigit()):
        raise BadRequest("This cursor leads nowhere.", hint="Use the `next` of the answer before, as it is.")
    begin = int(cursor or 0)
    ids = list(dict.fromkeys(which.ids or ()))
    some = ids[begin : begin + AT_ONCE]
    asked = select(tasks.c.id, tasks.c.user_id, tasks.c.dead, tasks.c.state, tasks.c.run).where(tasks.c.id.in_(some))
    if which.user is not None:
        asked = asked.where(tasks.c.user_id == which.user)
    known = {row["id"]: dict(row) for row in writing.connection.execute(asked).mappings()}
    there = [known[task] for task in some if task in known]
    alive = [task for task in there if not task["dead"]]
    others = [task["id"] for task in alive if not (writing.again and handled(task))]
    onward = str(begin + AT_ONCE) if begin + AT_ONCE < len(ids) else ""
    turn = _Turn([task for task in there if task["dead"]], onward, len(alive) - len(others))
    turn.leave(_GONE, (task for task in some if task not in known))
    turn.leave(_ALIVE, others)
    return turn


def _locked(writing: Writing, lanes: Lanes, turn: _Turn) -> Sequence[Change]:
    """Its tasks, whole and locked after their lanes, in the order that they were found in."""
    if not turn.found:
        return ()
    asked, given = _by_id(writing.dialect.given)
    ids = [task["id"] for task in turn.found]
    held = hold(writing, lanes, asked, given.bind(ids), likely=[task["user_id"] for task in turn.found])
    rows = {row["id"]: row for row in held if row["dead"] and row["state"] == "failed"}
    turn.leave(_ALIVE, (task for task in ids if task not in rows))  # somebody else was faster
    return [rows[task] for task in ids if task in rows]


@cache
def _by_id(given_rows: GivenRows) -> tuple[Wanted, Given]:
    given = given_rows("meant", of_task="key")
    asked = select().where(tasks.c.id == given.table.c.of_task).order_by(tasks.c.id)
    return wanted(select_by_key(asked, given.table, tasks)), given


def _no_room(lane: Lane, room: int, rules: Rules) -> Fault | None:
    if lane.ready + lane.waiting >= rules.user_backlog:
        return _OWN_FULL
    return _ALL_FULL if room <= 0 else None
