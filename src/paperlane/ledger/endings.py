"""How attempts end: what each outcome makes of its task, and what the lane gets back."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, select, text

from paperlane.ledger import Rules
from paperlane.ledger.history import Change, close_attempts, moved, write_moves
from paperlane.ledger.lanes import Lane, Lanes
from paperlane.ledger.schema import tasks
from paperlane.model.tasks import Cancelled, Completed, Ended, Failed, Fault, Outcome, Retry, WorkerId, Yielded

_LONGEST = 86_400.0  # slot-seconds of one turn; more is a clock gone wrong, for which nobody shall pay

POISON = Fault(
    "poison",
    "The worker died each time it ran this task.",
    "The file may be broken in a way that exhausts the machine. Save it anew or split it, then upload it again.",
)


@dataclass(frozen=True, slots=True)
class Ending:
    """What an outcome makes of a task: `how` is the word for the history.

    `used` is the slot time that the lane pays for, None where the turn was not used and nothing is paid.
    """

    to: Change
    how: str
    used: float | None
    fault: Fault | None = None


def end(
    connection: Connection,
    worker: WorkerId,
    ended: Sequence[Ended],
    now: float,
    rules: Rules,
    jitter: Callable[[], float],
) -> None:
    """End attempts that this worker still holds; late ones are dropped, for another attempt owns the task."""
    held = [(task, one.outcome) for one in ended if (task := held_by(connection, worker, one)) is not None]
    settle(connection, ((task, ending(task, outcome, now, rules, jitter)) for task, outcome in held), now)


def held_by(connection: Connection, worker: WorkerId, one: Ended) -> Change | None:
    """The task, locked, if this worker runs it under this fence."""
    row = (
        connection.execute(
            select(tasks)
            .where(
                tasks.c.id == one.lease.task,
                tasks.c.fence == one.lease.fence,
                tasks.c.worker_id == worker,
                text("state = 'running'"),
            )
            .with_for_update()
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


def ending(task: Change, outcome: Outcome, now: float, rules: Rules, jitter: Callable[[], float]) -> Ending:
    """What becomes of a running task."""
    if task["cancel"]:  # asked for before this commit, so it stands, whatever the attempt reached meanwhile
        outcome = Cancelled(outcome.seconds)
    outcome = replace(outcome, seconds=min(max(outcome.seconds, 0.0), _LONGEST))
    match outcome:
        case Completed(seconds, summary):
            to = _final("completed", now, percent=100.0, summary=json.dumps(dict(summary)))
            return Ending(to, "completed", seconds)
        case Cancelled(seconds):
            return Ending(_final("cancelled", now), "cancelled", seconds)
        case Failed(fault, seconds):
            return Ending(_failed(fault, now), "failed", seconds, fault)
        case Retry(fault, seconds) if task["retries"] >= rules.max_retries:
            return Ending(_failed(fault, now), "failed", seconds, fault)
        case Retry(fault, seconds):
            delay = rules.retry_delay * 2 ** task["retries"] * (0.9 + 0.2 * jitter())
            to = _queued(now, delay, retries=task["retries"] + 1, message=fault.message, fault=_json(fault))
            return Ending(to, "retry", seconds, fault)
        case Yielded(after, why, seconds):
            return Ending(_queued(now, after, attempt=task["retries"], message=why), "yielded", None)


def crashed(task: Change, now: float, rules: Rules) -> Ending:
    """What becomes of a running task whose worker is gone; the lane is not charged for it."""
    crashes = task["crashes"] + 1
    if task["cancel"]:
        return Ending(_final("cancelled", now), "cancelled", None)
    if crashes >= rules.max_crashes:
        return Ending({**_failed(POISON, now), "crashes": crashes}, "poison", None, POISON)
    return Ending(_queued(now, 0.0, crashes=crashes, message=""), "crashed", None)


def _final(state: str, now: float, **more: object) -> Change:
    return {"state": state, "finished_at": now, "worker_id": "", "lease_until": 0.0, "message": "", **more}


def _failed(fault: Fault, now: float) -> Change:
    return {**_final("failed", now), "message": fault.message, "fault": _json(fault)}


def _queued(now: float, after: float, **more: object) -> Change:
    when = {"state": "waiting", "run_at": now + after} if after > 0 else {"state": "ready", "run_at": 0.0}
    return {**when, "worker_id": "", "lease_until": 0.0, **more}


def _json(fault: Fault) -> str:
    return json.dumps(asdict(fault))


def settle(connection: Connection, endings: Iterable[tuple[Change, Ending]], now: float) -> None:
    """Write endings of tasks that held a turn: the task, its event, its attempt and its lane."""
    endings = list(endings)
    if not endings:
        return
    lanes = Lanes(connection)
    lanes.hold(task["user_id"] for task, _ in endings)
    for task, ended in endings:
        give_back(lanes[task["user_id"]], task, ended)
    write_moves(connection, ((moved(task, charged=0.0, **e.to), e.how) for task, e in endings), now)
    close_attempts(
        connection,
        ((task["id"], task["fence"], e.how, _json(e.fault) if e.fault else None) for task, e in endings),
        now,
    )
    lanes.write()


def give_back(lane: Lane, task: Change, ended: Ending) -> None:
    """The turn is over: the lane has room again, and pays what was used instead of what was estimated."""
    lane.ready += ended.to["state"] == "ready"
    lane.waiting += ended.to["state"] == "waiting"
    lane.settle(task["charged"], ended.used or 0.0)
    if ended.used is not None:
        lane.learn(task["cost"], ended.used)
