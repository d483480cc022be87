"""Taking back what was lost: silent workers, deliveries that nobody began, counters that drifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, ScalarSelect, bindparam, func, select, text

from paperlane.ledger import Rules
from paperlane.ledger.endings import Ending, crashed, settle
from paperlane.ledger.history import Change
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import LIVE, UNDER_WAY, lanes, tasks, workers
from paperlane.model.tasks import Lease, Recovery, WorkerId

AT_ONCE = 200  # leases that one transaction takes back
_LANES_AT_ONCE = 200

_EXPIRED = (
    select(tasks)
    .where(text(UNDER_WAY), tasks.c.lease_until <= bindparam("now"))
    .order_by(tasks.c.lease_until)
    .limit(AT_ONCE)
)
_HELD = select(tasks).where(text(UNDER_WAY), tasks.c.worker_id == bindparam("worker"))

_LEASED = (
    select(tasks)
    .where(tasks.c.id == bindparam("task"), tasks.c.fence == bindparam("fence"), text("state = 'leased'"))
    .with_for_update()
)


def sum_of(one: Recovery, other: Recovery) -> Recovery:
    """What two sweeps found together."""
    return Recovery(*(getattr(one, name) + getattr(other, name) for name in Recovery.__slots__))


def give_up(connection: Connection, worker: WorkerId, now: float, rules: Rules) -> Recovery:
    """The worker is gone: what it holds crashed."""
    held = [dict(row) for row in connection.execute(_HELD, {"worker": worker}).mappings()]
    return _take_back(connection, held, now, rules)


def hand_back(connection: Connection, leases: Sequence[Lease], now: float) -> None:
    """Nobody will begin these: their turns are free again. One that was begun meanwhile is its worker's."""
    asked = ({"task": lease.task, "fence": lease.fence} for lease in leases)
    rows = (connection.execute(_LEASED, one).mappings().first() for one in asked)
    settle(connection, [(dict(row), _undelivered()) for row in rows if row is not None], now)


def sweep(connection: Connection, now: float, rules: Rules) -> Recovery:
    """Take back every lease whose time is over, a bounded number at a time, and forget silent workers."""
    held = [dict(row) for row in connection.execute(_EXPIRED, {"now": now}).mappings()]
    found = _take_back(connection, held, now, rules)
    silent = connection.execute(
        workers.delete().where(
            workers.c.seen_at <= now - rules.lease,
            ~select(tasks.c.id).where(text(UNDER_WAY), tasks.c.worker_id == workers.c.id).exists(),
        )
    )
    return Recovery(found.expired, found.undelivered, found.poisoned, 0, silent.rowcount)


def _take_back(connection: Connection, held: Sequence[Change], now: float, rules: Rules) -> Recovery:
    running = [(task, crashed(task, now, rules)) for task in held if task["state"] == "running"]
    leased = [(task, _undelivered()) for task in held if task["state"] == "leased"]
    settle(connection, [*running, *leased], now)
    poisoned = sum(ending.how == "poison" for _, ending in running)
    return Recovery(len(running), len(leased), poisoned)


def _undelivered() -> Ending:
    return Ending({"state": "ready", "worker_id": "", "lease_until": 0.0}, "undelivered", None)


@dataclass(slots=True)
class Recount:
    """Compares lanes' counters with their tasks, some lanes at a time, and goes on where it stopped."""

    after: int = -1

    def __call__(self, connection: Connection) -> int:
        """Mend the next lanes; how many had drifted. Without an injected fault it is always 0."""
        users = connection.scalars(
            select(lanes.c.user_id).where(lanes.c.user_id > self.after).order_by(lanes.c.user_id).limit(_LANES_AT_ONCE)
        ).all()
        self.after = users[-1] if len(users) == _LANES_AT_ONCE else -1
        drifted = [row for row in _counted(connection, users) if _stored(row) != _true(row)]
        held = Lanes(connection)
        for row in drifted:
            lane = held[row["user_id"]]
            lane.ready, lane.waiting, lane.running = _true(row)
            lane.vtime = lane.served + row["true_charged"]
        held.write()
        return len(drifted)


def _counted(connection: Connection, users: Sequence[int]) -> Sequence[RowMapping]:
    return (
        connection.execute(
            select(
                lanes.c.user_id,
                lanes.c.ready,
                lanes.c.waiting,
                lanes.c.running,
                _count("state = 'ready'").label("true_ready"),
                _count("state = 'waiting'").label("true_waiting"),
                _count(UNDER_WAY).label("true_running"),
                _of_lane(func.coalesce(func.sum(tasks.c.charged), 0.0), UNDER_WAY).label("true_charged"),
            ).where(lanes.c.user_id.in_(users))
        )
        .mappings()
        .all()
    )


def _count(condition: str) -> ScalarSelect[int]:
    return _of_lane(func.count(tasks.c.id), condition)


def _of_lane(figure: ColumnElement[Any], condition: str) -> ScalarSelect[Any]:
    asked = select(figure).where(tasks.c.user_id == lanes.c.user_id, text(LIVE), text(condition))
    return asked.scalar_subquery()


def _stored(row: RowMapping) -> tuple[int, int, int]:
    return row["ready"], row["waiting"], row["running"]


def _true(row: RowMapping) -> tuple[int, int, int]:
    return row["true_ready"], row["true_waiting"], row["true_running"]
