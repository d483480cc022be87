"""Taking back what was lost: silent workers, deliveries that nobody began, counters that drifted."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, select, update

from paperlane.ledger import Rules, tallying
from paperlane.ledger.claims import silent
from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.keyed import select_by_key
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.endings import Ending, crashed, settle
from paperlane.ledger.history import Change, Move, move
from paperlane.ledger.holding import Wanted, hold, hold_free, wanted
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import (
    READY,
    UNDER_WAY,
    WAITING,
    Condition,
    attempts,
    events,
    lanes,
    system,
    tasks,
    workers,
)
from paperlane.ledger.writing import Writing
from paperlane.model.tallies import once
from paperlane.model.tasks import Lease, Recovery, WorkerId

AT_ONCE = 200  # leases that one transaction takes back
_LANES_AT_ONCE = 200
_TASKS_AT_ONCE = 20_000  # that one look counts, but for a single lane that has more

_moved_at = select(events.c.at).where(events.c.task_id == tasks.c.id, events.c.seq == tasks.c.seq).scalar_subquery()
_PUT_OFF = wanted(  # by an attempt: what a person put off has had none
    select()
    .where(
        WAITING,
        tasks.c.run_at > bindparam("beyond"),
        tasks.c.fence > 0,
        _moved_at > bindparam("beyond"),  # no EXISTS, which PostgreSQL and MariaDB answer by going through all events
    )
    .order_by(tasks.c.run_at)
    .limit(AT_ONCE)
)
_FROM_LATER = Prepared(
    select(tasks.c.id)
    .where(UNDER_WAY, tasks.c.lease_until > bindparam("beyond"))
    .order_by(tasks.c.lease_until)
    .limit(1)
)
_HELD = wanted(select().where(UNDER_WAY, tasks.c.worker_id == bindparam("worker")).order_by(tasks.c.id))


@dataclass(frozen=True, slots=True)
class _Lost:
    """What nobody holds any more, but for the tasks of given users: leases that are over, and those left behind."""

    expired: Wanted
    left_behind: Wanted
    but: Given


@cache
def _lost(given_rows: GivenRows) -> _Lost:
    given = given_rows("passed", of_user="int")
    others = tasks.c.user_id.not_in(select(given.table.c.of_user))
    expired = select().where(UNDER_WAY, tasks.c.lease_until <= bindparam("now"), others)
    of_who_renews = select(workers.c.id).where(workers.c.id == tasks.c.worker_id, workers.c.seen_at <= bindparam("now"))
    from_later = ~of_who_renews.exists() | (tasks.c.begun_at > bindparam("now"))
    left_behind = select().where(UNDER_WAY, tasks.c.lease_until > bindparam("beyond"), others, from_later)
    first, beyond = (wanted(asked.order_by(tasks.c.lease_until).limit(AT_ONCE)) for asked in (expired, left_behind))
    return _Lost(first, beyond, given)


@cache
def _leased(given_rows: GivenRows) -> tuple[Wanted, Given]:
    given = given_rows("leased", of_task="key", of_fence="int")
    whose = (tasks.c.id == given.table.c.of_task, tasks.c.fence == given.table.c.of_fence, tasks.c.state == "leased")
    return wanted(select_by_key(select().where(*whose), given.table, tasks).order_by(tasks.c.id)), given


def sum_of(one: Recovery, other: Recovery) -> Recovery:
    """What two sweeps found together."""
    return Recovery(*(getattr(one, name) + getattr(other, name) for name in Recovery.__slots__))


def give_up(writing: Writing, held: Lanes, worker: WorkerId, rules: Rules) -> Recovery:
    """The worker is gone: what it holds crashed."""
    return _take_back(writing, held, hold(writing, held, _HELD, {"worker": worker}), rules)


def hand_back(writing: Writing, held: Lanes, leases: Sequence[Lease]) -> None:
    """Nobody will begin these: their turns are free again. One that was begun meanwhile is its worker's."""
    if not leases:
        return
    asked, given = _leased(writing.dialect.given)
    whose = given.bind([lease.task for lease in leases], [lease.fence for lease in leases])
    found = hold(writing, held, asked, whose)
    settle(writing, held, [(task, _undelivered()) for task in found])


def sweep(writing: Writing, held: Lanes, rules: Rules, until: float, passed: set[int]) -> Recovery:
    """Take back every lease that was over at a time, a bounded number at once, but for those of users in `passed`.

    Nobody is waited for: the users of lanes that others hold are added to `passed`. A lease that ends later than any
    that is given now was given before the clock was set back, and not renewed since. But where neither its beginning
    nor its worker's last sign of life lies ahead, that worker has a longer lease by its settings, which a process of
    other settings must not end.
    """
    lost = _lost(writing.dialect.given)
    found = Recovery()
    for asked, at in (
        (lost.expired, {"now": until}),
        (lost.left_behind, {"beyond": writing.now + 2 * max(rules.lease, rules.undelivered), "now": writing.now}),
    ):
        gone = hold_free(writing, held, asked, {**at, **lost.but.bind(passed)}, passed)
        found = sum_of(found, _take_back(writing, held, gone, rules))
    return found


def is_from_later(writing: Writing, rules: Rules) -> bool:
    """Does a lease or a worker tell of a time that comes only later, by more than any lease lasts?"""
    longest = 2 * max(rules.lease, rules.undelivered)
    if writing.soon(_FROM_LATER, {"beyond": writing.now + longest}).tuples():
        return True
    seen = select(workers.c.id).where(workers.c.seen_at > writing.now + 2 * rules.lease).limit(1)
    return writing.connection.scalar(seen) is not None


def put_right(writing: Writing, held: Lanes, apart: float) -> int:
    """A page of tasks that were put off by a clock that has been set back since wait no longer than they were to.

    They were put off at a time that comes only later, by more than clocks may be `apart`. What a person put off to a
    certain time waits for that time. How many there were: where it is a whole page, call again.
    """
    writing.wait_briefly()
    late = hold(writing, held, _PUT_OFF, {"beyond": writing.now + apart})
    if not late:
        return 0
    whose = (tasks.c.id == events.c.task_id) & (tasks.c.seq == events.c.seq)
    asked = (
        select(events.c.task_id, events.c.at).join(tasks, whose).where(tasks.c.id.in_([task["id"] for task in late]))
    )
    put_off = {row.task_id: row.at for row in writing.connection.execute(asked)}
    waits = ((task, max(0.0, task["run_at"] - put_off[task["id"]])) for task in late)
    move(writing, (Move(task, {"run_at": writing.now + wait}, "put off") for task, wait in waits))
    return len(late)


def forget_silent(writing: Writing, rules: Rules) -> int:
    """Forget workers that were not heard of for a lease, and hold nothing; how many.

    Each is locked first, and only then looked at: one that wakes up now may be claiming.
    """
    connection, lost = writing.connection, silent(writing.now, rules)
    ids = connection.scalars(select(workers.c.id).where(lost).order_by(workers.c.id)).all()
    locked = (
        select(workers.c.id).where(workers.c.id == worker, lost).with_for_update(skip_locked=True) for worker in ids
    )
    gone = [worker for asked in locked if (worker := connection.scalar(asked)) is not None]
    busy = set(connection.scalars(select(tasks.c.worker_id).where(UNDER_WAY, tasks.c.worker_id.in_(gone))))
    connection.execute(workers.delete().where(workers.c.id.in_(gone := [x for x in gone if x not in busy])))
    return len(gone)


def _take_back(writing: Writing, held: Lanes, found: Sequence[Change], rules: Rules) -> Recovery:
    running = [(task, crashed(task, writing.now, rules)) for task in found if task["state"] == "running"]
    leased = [(task, _undelivered()) for task in found if task["state"] == "leased"]
    if running:  # processes before migration 0011 write an attempt as it begins: it makes way for what is known now
        begun = attempts.c.task_id.in_([task["id"] for task, _ in running])
        writing.connection.execute(delete(attempts).where(begun, attempts.c.ended_at == 0))
    settle(writing, held, [*running, *leased])
    crashes = Counter(str(task["engine"]) for task, _ in running)
    tallying.add(writing, {("outcomes", f"{engine}/crashed"): once(0.0, count) for engine, count in crashes.items()})
    poisoned = sum(ending.how == "poison" for _, ending in running)
    return Recovery(len(running), len(leased), poisoned)


def _undelivered() -> Ending:
    return Ending({"state": "ready", "worker_id": "", "lease_until": 0.0}, "undelivered", None)


@dataclass(slots=True)
class Recount:
    """Compares lanes' counters with their tasks, some lanes at a time, and goes on where it stopped."""

    after: int = -1

    def __call__(self, connection: Connection) -> Sequence[int]:
        """Those of the next lanes that seem to have drifted; who changes one just now makes it seem so, too."""
        asked = select(lanes.c.user_id, lanes.c.ready + lanes.c.waiting).where(lanes.c.user_id > self.after)
        found = connection.execute(asked.order_by(lanes.c.user_id).limit(_LANES_AT_ONCE)).all()
        users = [user for user, _ in found]
        sums = accumulate(max(0, tasks_of_lane) for _, tasks_of_lane in found)
        users = users[: max(1, bisect_right(list(sums), _TASKS_AT_ONCE))]
        self.after = users[-1] if users and (len(users) < len(found) or len(found) == _LANES_AT_ONCE) else -1
        return list(_drifted(connection, users))


def certain(writing: Writing, users: Sequence[int]) -> Sequence[int]:
    """Those of these users whose lanes have drifted, under their locks. Without an injected fault there is none."""
    held = Lanes(writing)
    held.hold(users, wait=False)
    return list(_drifted(writing.connection, [user for user in users if user in held]))


def mend(writing: Writing, users: Sequence[int]) -> int:
    """Put the counters of these users' lanes right; how many had drifted, which is kept for all to see.

    The system's row is locked before lanes, as by all who take both.
    """
    connection = writing.connection
    connection.execute(select(system.c.id).with_for_update())
    held = Lanes(writing)
    held.hold(users, wait=False)  # one that is in use comes again to be looked at
    drifted = _drifted(connection, [user for user in users if user in held])
    for user, counted in drifted.items():
        lane = held[user]
        lane.ready, lane.waiting, lane.running = counted.true
        lane.vtime = lane.served + counted.charged
    held.write()
    if drifted:
        writing.connection.execute(update(system).values(repairs=system.c.repairs + len(drifted)))
    return len(drifted)


@dataclass(frozen=True, slots=True)
class _Counted:
    """A lane's counters, and what they should be: ready, waiting and running tasks, what the latter were charged."""

    stored: tuple[int, int, int]
    true: tuple[int, int, int]
    charged: float


def _drifted(connection: Connection, users: Sequence[int]) -> dict[int, _Counted]:
    return {user: lane for user, lane in _counted(connection, users).items() if lane.stored != lane.true}


def _counted(connection: Connection, users: Sequence[int]) -> dict[int, _Counted]:
    """Few tasks wait or run, and those are counted through their small indexes; ready ones by the keys of theirs."""

    def of_each(state: Condition, *what: ColumnElement[Any]) -> Mapping[int, Sequence[Any]]:
        asked = select(tasks.c.user_id, *what).where(state, tasks.c.user_id.in_(users)).group_by(tasks.c.user_id)
        return {user: found for user, *found in connection.execute(asked)}

    ready, waiting = of_each(READY, func.count()), of_each(WAITING, func.count())
    runs = of_each(UNDER_WAY, func.count(), func.sum(tasks.c.charged))
    stored = select(lanes.c.user_id, lanes.c.ready, lanes.c.waiting, lanes.c.running).where(lanes.c.user_id.in_(users))
    found: dict[int, _Counted] = {}
    for user, *counters in connection.execute(stored):
        running, charged = runs.get(user, (0, 0.0))
        true = ready.get(user, (0,))[0], waiting.get(user, (0,))[0], running
        found[user] = _Counted(tuple(counters), true, charged)
    return found
