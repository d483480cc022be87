"""Handing out leases: waiting tasks come due, turns are given, attempts begin."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select

from paperlane.errors import StaleLease
from paperlane.ledger.history import WHOLE_TURN, Change, Move, move, open_attempts
from paperlane.ledger.holding import hold
from paperlane.ledger.lanes import Lanes, give_turns
from paperlane.ledger.schema import RUNNABLE, UNDER_WAY, WAITING, engines, lanes, tasks, workers
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import Lease, Stage, TaskId, WorkerId

_DUE_AT_ONCE = 200

_DUE = (
    select(*WHOLE_TURN).where(WAITING, tasks.c.run_at <= bindparam("now")).order_by(tasks.c.run_at).limit(_DUE_AT_ONCE)
)


def come_due(writing: Writing) -> None:
    """Waiting tasks whose time has come join their lanes; those of lanes that are busy just now do so a little later.

    A claim holds lanes already, so it must not wait for others.
    """
    held = Lanes(writing)
    due = hold(writing, held, _DUE, {"now": writing.now}, wait=False)
    for task in due:
        held[task["user_id"]].waiting -= 1
        held[task["user_id"]].ready += 1
    move(writing, (Move(task, {"state": "ready"}, "due") for task in due))
    held.write()


_NEXT_LANE = (
    select(lanes.c.user_id)
    .where(lanes.c.engine == bindparam("engine"), lanes.c.band == 0, RUNNABLE)
    .order_by(lanes.c.vtime, lanes.c.user_id)  # so that the index of turns answers, however few lanes there are
)
_NEXT_DUE = select(tasks.c.id).where(WAITING, tasks.c.run_at <= bindparam("now"))


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
    held = select(func.count()).select_from(tasks).where(UNDER_WAY, tasks.c.worker_id == worker)
    return granted - connection.execute(held).scalar_one()


def claim(writing: Writing, engine: str, worker: WorkerId, room: int, lease: float) -> Sequence[Lease]:
    """Turns for a worker of a pull engine; the attempts are running."""
    room = min(room, free_slots(writing.connection, worker))
    if room <= 0 or is_paused(writing.connection, engine):
        return []
    come_due(writing)
    return start(writing, give_turns(writing, engine, room), engine, worker, lease)


def start(
    writing: Writing, turns: Sequence[Change], engine: str, worker: WorkerId, lease: float, *, handed_out: bool = False
) -> Sequence[Lease]:
    """These tasks run at this worker; their fences rise, unless they were handed out before."""
    rise = 0 if handed_out else 1
    move(
        writing,
        (
            Move(
                task,
                {
                    "state": "running",
                    "fence": task["fence"] + rise,
                    "attempt": task["retries"] + 1,
                    "engine": engine,
                    "worker_id": worker,
                    "lease_until": writing.now + lease,
                    "started_at": task["started_at"] or writing.now,
                    "message": "",
                    "charged": task["charged"],
                },
                "begun",
            )
            for task in turns
        ),
    )
    open_attempts(writing, turns)
    return [lease_of(task, rise) for task in turns]


def hand_out(writing: Writing, engine: str, most: int, undelivered: float) -> Sequence[Lease]:
    """Leases for a push engine: no more outstanding than its live workers have slots."""
    connection = writing.connection
    granted = connection.scalar(select(func.sum(workers.c.slots)).where(workers.c.engine == engine)) or 0
    outstanding = connection.execute(
        select(func.count()).select_from(tasks).where(UNDER_WAY, tasks.c.engine == engine)
    ).scalar_one()
    room = min(most, int(granted) - outstanding)
    if room <= 0 or is_paused(connection, engine):
        return []
    come_due(writing)
    turns = give_turns(writing, engine, room)
    until = writing.now + undelivered
    move(
        writing,
        (
            Move(
                task,
                {
                    "state": "leased",
                    "fence": task["fence"] + 1,
                    "engine": engine,
                    "worker_id": "",
                    "lease_until": until,
                    "charged": task["charged"],
                },
                "leased",
            )
            for task in turns
        ),
    )
    return [lease_of(task, 1) for task in turns]


def lease_of(task: Change, rise: int) -> Lease:
    """What travels through an engine; its fence has risen by so much since the task was read."""
    return Lease(TaskId(task["id"]), task["fence"] + rise, Stage(task["stage"]))
