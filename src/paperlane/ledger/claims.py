"""Handing out leases: waiting tasks come due, turns are given, attempts begin."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, text

from paperlane.errors import StaleLease
from paperlane.ledger.dialects import Dialect
from paperlane.ledger.history import Change, moved, open_attempts, write_moves
from paperlane.ledger.lanes import Lanes, give_turns
from paperlane.ledger.schema import RUNNABLE, UNDER_WAY, WAITING, engines, lanes, tasks, workers
from paperlane.model.tasks import Lease, Stage, TaskId, WorkerId

_DUE_AT_ONCE = 200

_DUE = (
    select(tasks).where(text(WAITING), tasks.c.run_at <= bindparam("now")).order_by(tasks.c.run_at).limit(_DUE_AT_ONCE)
)


def come_due(connection: Connection, now: float) -> None:
    """Waiting tasks whose time has come join their lanes."""
    due = [dict(row) for row in connection.execute(_DUE, {"now": now}).mappings()]
    if not due:
        return
    lanes = Lanes(connection)
    lanes.hold(task["user_id"] for task in due)
    for task in due:
        lanes[task["user_id"]].waiting -= 1
        lanes[task["user_id"]].ready += 1
    write_moves(connection, ((moved(task, state="ready"), "due") for task in due), now)
    lanes.write()


_NEXT_LANE = (
    select(lanes.c.user_id)
    .where(lanes.c.engine == bindparam("engine"), lanes.c.band == 0, text(RUNNABLE))
    .order_by(lanes.c.vtime, lanes.c.user_id)  # so that the index of turns answers, however few lanes there are
)
_NEXT_DUE = select(tasks.c.id).where(text(WAITING), tasks.c.run_at <= bindparam("now"))


def is_runnable(connection: Connection, engine: str, now: float) -> bool:
    """Is a lane of this engine runnable, or any waiting task due?"""
    if is_paused(connection, engine):
        return False
    lane = connection.execute(_NEXT_LANE.limit(1), {"engine": engine}).first()
    return lane is not None or connection.execute(_NEXT_DUE.limit(1), {"now": now}).first() is not None


def is_paused(connection: Connection, engine: str) -> bool:
    """Did an operator pause this engine?"""
    return bool(connection.scalar(select(engines.c.paused).where(engines.c.name == engine)))


def free_slots(connection: Connection, worker: WorkerId) -> int:
    """What the worker was granted less what it holds. StaleLease when the ledger gave it up."""
    granted = connection.scalar(select(workers.c.slots).where(workers.c.id == worker))
    if granted is None:
        raise StaleLease(
            "The ledger has given this worker up.", code="worker_unknown", hint="It must register under a new id."
        )
    held = select(func.count()).select_from(tasks).where(text(UNDER_WAY), tasks.c.worker_id == worker)
    return granted - connection.execute(held).scalar_one()


def claim(
    connection: Connection, dialect: Dialect, now: float, engine: str, worker: WorkerId, room: int, lease: float
) -> Sequence[Lease]:
    """Turns for a worker of a pull engine; the attempts are running."""
    room = min(room, free_slots(connection, worker))
    if room <= 0 or is_paused(connection, engine):
        return []
    come_due(connection, now)
    running = [begun(task, engine, worker, now, lease) for task in give_turns(connection, dialect, engine, room)]
    return start(connection, running, now)


def begun(task: Change, engine: str, worker: WorkerId, now: float, lease: float, rise: int = 1) -> Change:
    """The task as a running attempt of this worker; its fence rises unless the lease was handed out before."""
    return moved(
        task,
        state="running",
        fence=task["fence"] + rise,
        attempt=task["retries"] + 1,
        engine=engine,
        worker_id=worker,
        lease_until=now + lease,
        started_at=task["started_at"] or now,
        message="",
    )


def start(connection: Connection, running: Sequence[Change], now: float) -> Sequence[Lease]:
    """Write attempts that begin."""
    write_moves(connection, ((task, "begun") for task in running), now)
    open_attempts(connection, running, now)
    return [lease_of(task) for task in running]


def hand_out(
    connection: Connection, dialect: Dialect, now: float, engine: str, most: int, undelivered: float
) -> Sequence[Lease]:
    """Leases for a push engine: no more outstanding than its live workers have slots."""
    granted = connection.scalar(select(func.sum(workers.c.slots)).where(workers.c.engine == engine)) or 0
    outstanding = connection.execute(
        select(func.count()).select_from(tasks).where(text(UNDER_WAY), tasks.c.engine == engine)
    ).scalar_one()
    room = min(most, granted - outstanding)
    if room <= 0 or is_paused(connection, engine):
        return []
    come_due(connection, now)
    leased = [
        moved(
            task,
            state="leased",
            fence=task["fence"] + 1,
            engine=engine,
            worker_id="",
            lease_until=now + undelivered,
        )
        for task in give_turns(connection, dialect, engine, room)
    ]
    write_moves(connection, ((task, "leased") for task in leased), now)
    return [lease_of(task) for task in leased]


def lease_of(task: Change) -> Lease:
    """What travels through an engine."""
    return Lease(TaskId(task["id"]), task["fence"], Stage(task["stage"]))
