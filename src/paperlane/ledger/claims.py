"""Handing out leases: waiting tasks come due, turns are given, attempts begin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select

from paperlane.errors import StaleLease
from paperlane.ledger import Rules
from paperlane.ledger.dialects import Fit
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.history import Change, Move, move
from paperlane.ledger.holding import hold_free, wanted
from paperlane.ledger.lanes import IN_SHARD, Lanes
from paperlane.ledger.schema import RUNNABLE, SUSPECT, UNDER_WAY, WAITING, engines, lanes, tasks, workers
from paperlane.ledger.turns import give_turns
from paperlane.ledger.writing import Asked, Writing
from paperlane.model.tasks import EVERYTHING, Channel, Lease, Stage, TaskId, UserId, WorkerId

_DUE_AT_ONCE = 200
_FEW = 50

_DUE = wanted(
    select().where(WAITING, tasks.c.run_at <= bindparam("now")).order_by(tasks.c.run_at, tasks.c.id).limit(_DUE_AT_ONCE)
)


def come_due(writing: Writing, held: Lanes) -> None:
    """Waiting tasks whose time has come join their lanes; those of lanes that are busy just now do so a little later.

    A claim holds lanes already, so it must not wait for others.
    """
    due = hold_free(writing, held, _DUE, {"now": writing.now})
    for task in due:
        held[task["user_id"]].waiting -= 1
        held[task["user_id"]].ready += 1
    move(writing, (Move(task, {"state": "ready"}, "due") for task in due))


_WORKER = Prepared(select(workers.c.slots).where(workers.c.id == bindparam("worker")).with_for_update())


def hold_worker(writing: Writing, worker: WorkerId) -> Asked:
    """Lock the worker's row, before all that is asked for after.

    So its steps come one after the other, and one whose commit's fate is unknown is over before it is looked for.
    """
    return writing.soon(_WORKER, {"worker": worker})


def slots_granted(held: Asked) -> int:
    """The slots that a worker whose row was locked was granted. StaleLease when the ledger gave it up."""
    if (slots := held.value()) is None:
        raise StaleLease(
            "The ledger has given this worker up.", code="worker_unknown", hint="It must register under a new id."
        )
    return slots


def silent(now: float, rules: Rules) -> ColumnElement[bool]:
    """Was a worker not heard of for a lease? Also one that was heard of by a clock that has been set back since."""
    return or_(workers.c.seen_at <= now - rules.lease, workers.c.seen_at > now + 2 * rules.lease)


def is_silent(seen_at: float, now: float, rules: Rules) -> bool:
    """The same of a row that was read."""
    return not now - rules.lease < seen_at <= now + 2 * rules.lease


PAUSED = select(engines.c.paused).where(engines.c.name == bindparam("engine")).scalar_subquery()
NEXT_DUE = select(tasks.c.run_at).where(WAITING, tasks.c.run_at > 0).order_by(tasks.c.run_at).limit(1).scalar_subquery()


def _outlook(whose: ColumnElement[bool]) -> Prepared:
    """Whether the engine is paused, when the next task comes due, what must run alone.

    And which version of payloads all of these workers know.
    """
    few = select(tasks.c.id).where(SUSPECT).limit(_FEW).subquery("few")
    suspects = select(func.count(few.c.id)).scalar_subquery()
    knows = select(func.coalesce(func.min(workers.c.version), 0)).where(whose).scalar_subquery()
    return Prepared(select(func.coalesce(PAUSED, 0), NEXT_DUE, suspects, knows))


_AT_WORKER = Prepared(
    select(func.count(), func.coalesce(func.max(tasks.c.crashes), 0)).where(
        UNDER_WAY, tasks.c.worker_id == bindparam("worker")
    )
)
_OF_WORKER = _outlook(workers.c.id == bindparam("worker"))
OUTLOOK = _outlook(workers.c.engine == bindparam("engine"))


@dataclass(frozen=True, slots=True)
class There:
    """How much runs at a worker or an engine; `crashes` is the most that one of it had."""

    held: int
    crashes: int

    def beside(self, turns: Sequence[Change]) -> "There":
        """With these turns."""
        return There(self.held + len(turns), max([self.crashes, *(task["crashes"] for task in turns)]))


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known where turns are asked for; `suspects` is how many ready tasks crashed before, if few."""

    paused: int
    next_due: float | None
    suspects: int
    knows: int


_FIRST_LIVE = Prepared(
    select(func.min(workers.c.id)).where(
        workers.c.engine == bindparam("engine"),
        workers.c.slots > 0,
        workers.c.seen_at > bindparam("since"),
        workers.c.version >= bindparam("knows"),
    )
)


@dataclass(frozen=True, slots=True)
class Asking:
    """A worker asks for turns: its row is locked, and what is known there is on its way."""

    row: Asked
    there: Asked | There
    outlook: Asked


def ask(writing: Writing, worker: WorkerId, engine: str, known: There | None = None) -> Asking:
    """Lock the worker's row and look around, with what else is asked for before the answer is needed.

    Counting what it runs is left out where that is known.
    """
    row = hold_worker(writing, worker)
    there = known or writing.soon(_AT_WORKER, {"worker": worker})
    return Asking(row, there, writing.soon(_OF_WORKER, {"worker": worker, "engine": engine}))


def _told(there: Asked | There) -> There:
    return there if isinstance(there, There) else There(*there.tuples()[0])


def claim(
    writing: Writing,
    held: Lanes,
    engine: str,
    worker: WorkerId,
    asking: Asking,
    ended: int,
    room: int,
    rules: Rules,
) -> tuple[Sequence[Lease], There]:
    """Turns for a worker of a pull engine; the attempts are running. So many of its tasks ended since it asked.

    Beside them, what runs there now.
    """
    slots = slots_granted(asking.row)
    found = _adopted(writing, worker) if writing.again else []
    there, outlook = _told(asking.there), Outlook(*asking.outlook.tuples()[0])
    there = replace(there, held=there.held - ended)
    if isinstance(asking.there, There) and (there.held + room > slots or there.crashes):
        there = _told(writing.soon(_AT_WORKER, {"worker": worker}))  # less may run by now than is known
    room = min(room - len(found), slots - there.held)
    live = {"engine": engine, "since": writing.now - rules.lease, "knows": outlook.knows}
    turns = next_turns(
        writing, held, engine, room, there, outlook, lambda: writing.soon(_FIRST_LIVE, live).value() == worker, rules
    )
    return [*found, *start(writing, turns, engine, worker, rules.lease)], there.beside(turns)


def _adopted(writing: Writing, worker: WorkerId) -> list[Lease]:
    """What earlier tries of this step claimed after all, though the answer to their commit was lost."""
    asked = select(tasks.c.id, tasks.c.fence, tasks.c.stage, tasks.c.user_id).where(
        UNDER_WAY, tasks.c.worker_id == worker, tasks.c.begun_at.in_(writing.again)
    )
    return [lease_of(dict(row), 0) for row in writing.connection.execute(asked).mappings()]


def next_turns(
    writing: Writing,
    held: Lanes,
    engine: str,
    room: int,
    there: There,
    outlook: Outlook,
    makes_room: Callable[[], bool],
    rules: Rules,
    channel: Channel = EVERYTHING,
) -> Sequence[Change]:
    """Whose turn it is; a task whose next crash is its last runs alone, so that no neighbour's crash counts for it.

    Where something runs, one place (`makes_room`) waits until it is empty: else a busy system would never come to it.
    Meanwhile its lane fills up with no others. Lanes of other shards than the channel's are passed by.
    """
    suspicious = max(1, rules.max_crashes - 1)
    keep_free: set[int] = set()
    if room <= 0 or outlook.paused or (there.held and there.crashes >= suspicious):
        return []
    if outlook.next_due is not None and outlook.next_due <= writing.now:
        come_due(writing, held)
    if outlook.suspects:
        held.store()  # the search for them reads whose lanes are runnable
        suspect = _suspect_of(engine, outlook, rules, channel)
        if there.held == 0:
            if found := hold_free(writing, held, _SUSPECT, suspect):
                held.give(found[0])
                return found
        elif writing.soon(_SUSPECT.owners, suspect).tuples() and makes_room():
            return []
        keep_free = {user for (user,) in writing.soon(_SUSPECTS_OWNERS, suspect).tuples()}
    fit = Fit(suspicious, outlook.knows)
    spare, usual = outlook.suspects, rules.user_limit
    return give_turns(held, engine, room, fit, channel, spare=spare, usual_limit=usual, keep_free=keep_free)


def suspect_waits(writing: Writing, engine: str, outlook: Outlook, rules: Rules, channel: Channel) -> bool:
    """Does a task that must run alone wait for a turn in this channel? Lanes must be stored before."""
    return bool(writing.soon(_SUSPECT.owners, _suspect_of(engine, outlook, rules, channel)).tuples())


def _suspect_of(engine: str, outlook: Outlook, rules: Rules, channel: Channel) -> Change:
    crashes = {"crashes": max(1, rules.max_crashes - 1), "knows": outlook.knows}
    return {"engine": engine, **crashes, "shard": channel.shard, "shards": channel.shards}


def _suspects(whose: ColumnElement[bool], most: int) -> Select[()]:
    """Those that must run alone and could, of lanes of an engine and a shard, in a certain order."""
    of_lane = select(lanes.c.user_id).where(
        lanes.c.user_id == tasks.c.user_id, lanes.c.engine == bindparam("engine"), IN_SHARD
    )
    fits = (tasks.c.crashes >= bindparam("crashes"), tasks.c.version <= bindparam("knows"))
    asked = select().where(SUSPECT, *fits, of_lane.where(whose).exists())
    return asked.order_by(tasks.c.crashes, tasks.c.id).limit(most)


_SUSPECT = wanted(_suspects(RUNNABLE, 1))
_SUSPECTS_OWNERS = Prepared(_suspects(lanes.c.paused == 0, _FEW).add_columns(tasks.c.user_id))


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
                    "begun_at": writing.now,
                    "message": "",
                    "charged": task["charged"],
                },
                "begun",
            )
            for task in turns
        ),
    )
    return [lease_of(task, rise) for task in turns]


def lease_of(task: Change, rise: int) -> Lease:
    """What travels through an engine; its fence has risen by so much since the task was read."""
    return Lease(TaskId(task["id"]), task["fence"] + rise, Stage(task["stage"]), UserId(task["user_id"]))
