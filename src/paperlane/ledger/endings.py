"""How attempts end: what each outcome makes of its task, and what the lane gets back."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import structlog
from sqlalchemy import select

from paperlane.ledger import Rules
from paperlane.ledger.history import Change, Move, move
from paperlane.ledger.holding import held_by, hold
from paperlane.ledger.lanes import Lane, Lanes
from paperlane.ledger.schema import LONGEST_CODE, attempts
from paperlane.ledger.sense import cut
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import (
    FIRST,
    Cancelled,
    Completed,
    Ended,
    Failed,
    Fault,
    Outcome,
    Paused,
    Retry,
    WorkerId,
    Yielded,
)

log = structlog.get_logger(__name__)

_LONGEST = (
    86_400.0  # slot-seconds of one turn, or of processors; more is a clock gone wrong, for which nobody shall pay
)
_LONGEST_WAIT = 86_400.0  # seconds; whatever a task waits for is worth a look once a day
_MOST_DOUBLED = 30  # times that a wait doubles: by then it is as long as it gets
_LONGEST_SUMMARY = 1 << 20  # characters, of its JSON; whatever is larger belongs into a result

POISON = Fault(
    "poison",
    "The worker died each time it ran this task.",
    "The file may be broken in a way that exhausts the machine. Save it anew or split it, then upload it again.",
)


IN_ONE: Change = {"stage": FIRST.value, "parted": 0, "used": 0.0, "took": 0.0}
"""What a task is that is in no later part."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What an outcome makes of a task: `how` is the word for the history.

    `used` is the slot time that the lane pays for, None where the turn was not used and nothing is paid.
    """

    to: Change
    how: str
    used: float | None


def end(
    writing: Writing,
    held: Lanes,
    worker: WorkerId,
    ended: Sequence[Ended],
    rules: Rules,
    jitter: Callable[[], float],
    before: Callable[[Sequence[Change]], object] = lambda _: None,
) -> Sequence[tuple[Ended, str]]:
    """End attempts that this worker still holds: which, and how. Late ones are dropped: others own the task now.

    With `before` is done what must be done while their tasks are locked, and still run.
    """
    if not ended:
        return ()
    told = {(one.lease.task, one.lease.fence): one for one in ended}
    asked, parameters = held_by(writing, worker, [one.lease for one in ended])
    found = hold(writing, held, asked, parameters, likely=[one.lease.user for one in ended])
    before(found)
    told_of = [(task, told[task["id"], task["fence"]]) for task in found]
    for task, one in told_of:
        held[task["user_id"]].cpu += min(max(0.0, one.outcome.cpu), _LONGEST)  # in this order, a NaN is 0
    came_to = [(task, ending(task, one.outcome, writing.now, rules, jitter)) for task, one in told_of]
    settle(writing, held, came_to)
    return [(one, came.how) for (_, one), (_, came) in zip(told_of, came_to, strict=True)]


def ended_before(writing: Writing, ended: Sequence[Ended], at: Collection[float]) -> Sequence[tuple[Ended, str]]:
    """Those that earlier tries have ended after all, though the answer to their commit was lost; and how.

    These were made `at` those times. Asked once locks are held that they held too, so that all of them are over.
    """
    if not (at and ended):
        return ()
    asked = select(attempts.c.task_id, attempts.c.fence, attempts.c.outcome).where(
        attempts.c.task_id.in_([one.lease.task for one in ended]), attempts.c.ended_at.in_(at)
    )
    found = {(task, fence): how for task, fence, how in writing.connection.execute(asked)}
    return [(one, found[key]) for one in ended if (key := (one.lease.task, one.lease.fence)) in found]


def ending(task: Change, outcome: Outcome, now: float, rules: Rules, jitter: Callable[[], float]) -> Ending:
    """What becomes of a running task."""
    if task["cancel"]:  # asked for before this commit, so it stands, whatever the attempt reached meanwhile
        outcome = Cancelled(outcome.seconds)
    match _sensible(outcome):
        case Completed(seconds, summary):
            to = _final("completed", now, percent=100.0, summary=_summary(task, summary) if summary else "{}")
            return Ending(to, "completed", seconds)
        case Cancelled(seconds):
            return Ending(_final("cancelled", now), "cancelled", seconds)
        case Failed(fault, seconds):
            return Ending(_failed(fault, now), "failed", seconds)
        case Retry(fault, seconds) if task["retries"] >= rules.max_retries:
            return Ending(_failed(fault, now), "failed", seconds)
        case Retry(fault, seconds):
            delay = _delay(task["retries"], rules) * (0.9 + 0.2 * jitter())
            to = _queued(now, delay, retries=task["retries"] + 1, message=fault.message, fault=_json(fault))
            return Ending(to, "retry", seconds)
        case Yielded(after, why, seconds):
            return Ending(_queued(now, after, attempt=task["retries"], message=why), "yielded", seconds)
        case Paused(stage, seconds, took):
            fence = task["fence"] + 1
            to = {"state": "leased", "fence": fence, "parted": fence, "stage": stage.value, "worker_id": ""}
            all_parts = {"used": task["used"] + seconds, "took": task["took"] + took}
            return Ending({**to, **all_parts, "lease_until": now + rules.undelivered}, "paused", seconds)


def _delay(retries: int, rules: Rules) -> float:
    """Seconds before the next try: they double, up to a day."""
    doubled = rules.retry_delay * 2 ** min(retries, _MOST_DOUBLED)
    return min(doubled, max(_LONGEST_WAIT, rules.retry_delay))


def _sensible(outcome: Outcome) -> Outcome:
    """An outcome, cut to what makes sense: it must not be lost, nor spoil a lane, nor those that are told beside it."""
    if not 0 <= outcome.seconds <= _LONGEST:
        outcome = replace(outcome, seconds=min(max(0.0, outcome.seconds), _LONGEST))  # in this order, a NaN is 0
    match outcome:
        case Completed() | Cancelled():
            return outcome
        case Paused(_, seconds, took):
            return replace(outcome, took=min(max(0.0, took), seconds))  # in this order, a NaN is 0
        case Failed(fault) | Retry(fault):
            short = Fault(fault.code[:LONGEST_CODE], cut(fault.message), cut(fault.hint))
            return replace(outcome, fault=short)
        case Yielded(after, why):
            return replace(outcome, after=min(after, _LONGEST_WAIT), why=cut(why))


def crashed(task: Change, now: float, rules: Rules) -> Ending:
    """What becomes of a running task whose worker is gone; the lane is not charged for it."""
    crashes = task["crashes"] + 1
    if task["cancel"]:
        return Ending(_final("cancelled", now), "cancelled", None)
    if crashes >= rules.max_crashes:
        return Ending({**_failed(POISON, now), "crashes": crashes}, "poison", None)
    return Ending(_queued(now, 0.0, crashes=crashes, message=""), "crashed", None)


def _final(state: str, now: float, **more: object) -> Change:
    return {"state": state, "finished_at": now, "worker_id": "", "lease_until": 0.0, "message": "", **more}


def _failed(fault: Fault, now: float) -> Change:
    told = {"message": fault.message, "fault": _json(fault), "cause": fault.code}
    return {**_final("failed", now), **told, "dead": 1}


def _queued(now: float, after: float, **more: object) -> Change:
    """It waits for so many seconds; for what is no number, not at all, and could run since now."""
    when = {"state": "waiting", "run_at": now + after} if after > 0 else {"state": "ready", "run_at": now}
    return {**when, "worker_id": "", "lease_until": 0.0, **more}


def _json(fault: Fault) -> str:
    return json.dumps(asdict(fault))


def _summary(task: Change, summary: Mapping[str, object]) -> str:
    """As JSON. What cannot be written down is left out: the task has completed, and other outcomes are told with it."""
    try:
        written = json.dumps(dict(summary))
    except (TypeError, ValueError, RecursionError) as error:
        log.warning("a summary cannot be written", task=task["id"], why=str(error))
        return "{}"
    if len(written) > _LONGEST_SUMMARY:
        log.warning("a summary is too long", task=task["id"], characters=len(written))
        return "{}"
    return written


def settle(writing: Writing, held: Lanes, endings: Sequence[tuple[Change, Ending]]) -> None:
    """Write endings of tasks that held a turn, and are locked: the task, its event, its attempt and its lane."""
    moves: list[Move] = []
    for task, ended in endings:
        lane = held[task["user_id"]]
        if ended.how == "paused":
            moves.append(Move(task, {"charged": lane.pay(task["charged"], ended.used or 0.0), **ended.to}, ended.how))
            writing.woken.add(task["engine"])  # its dispatcher has something to hand over
        else:
            moves.append(Move(task, {**give_back(lane, task, ended), **ended.to}, ended.how))
    move(writing, moves)


def give_back(lane: Lane, task: Change, ended: Ending) -> Change:
    """The turn is over: the lane has room again, and pays what was used instead of what was estimated.

    What that makes of the task: nothing is charged for it any more, and its next turn begins at the first stage.
    """
    lane.count_end(ended.to["state"])
    lane.ready += ended.to["state"] == "ready"
    lane.waiting += ended.to["state"] == "waiting"
    lane.settle(task["charged"], ended.used or 0.0)
    if ended.used is not None and ended.how != "yielded":  # a part of the work tells nothing of the whole
        lane.learn(task["cost"], task["used"] + ended.used)
    in_parts = task["parted"] or task["used"] or task["stage"] != FIRST.value
    return {"charged": 0.0, **(IN_ONE if in_parts else {})}
