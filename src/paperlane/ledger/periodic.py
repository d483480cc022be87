"""Schedules: batches that are submitted again and again, each time by one process only."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, func, insert, select, update

from paperlane.errors import BadRequest, Conflict, NotFound
from paperlane.ledger import AlsoFired, Rules
from paperlane.ledger.backlog import Backlog
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import schedule_tasks, schedules
from paperlane.ledger.sense import check_batch
from paperlane.ledger.submitting import submit
from paperlane.ledger.timetable import next_after
from paperlane.ledger.writing import Writing
from paperlane.model.schedules import Firing, NewSchedule, Schedule, ScheduleId
from paperlane.model.tasks import FIRST, BatchId, Fault, NewBatch, NewTask, TaskId, UserId

_AT_ONCE = 100


def add(writing: Writing, new: NewSchedule, rules: Rules) -> bool:
    """Write the schedule with its tasks; it comes due the first time that its expression names from now on.

    False where it is there by the commit whose answer was lost: nothing was written now.
    """
    connection, now = writing.connection, writing.now
    if writing.again and connection.scalar(select(schedules.c.id).where(schedules.c.id == new.id)) is not None:
        return False
    next_at = next_after(new.cron, new.timezone, now)
    most = min(rules.user_backlog, rules.system_backlog)
    if not 0 < len(new.tasks) <= most:
        raise BadRequest(
            f"A schedule submits 1 to {most} tasks at a time.", hint="More could never wait at once; make several."
        )
    Lanes(writing).open([new.user], rules.engine, rules.user_limit)  # what the user adds beside this waits, and counts
    own = select(func.count()).select_from(schedules).where(schedules.c.user_id == new.user)
    if connection.execute(own).scalar_one() >= rules.user_schedules:
        raise Conflict(
            f"There are {rules.user_schedules} schedules already.", code="too_many_schedules", hint="Remove one first."
        )
    row = {
        "id": new.id,
        "user_id": new.user,
        "name": new.name,
        "cron": " ".join(new.cron.split()),
        "timezone": new.timezone,
        "priority": new.priority,
        "tasks": len(new.tasks),
        "created_at": now,
        "next_at": next_at,
    }
    connection.execute(insert(schedules), row)
    connection.execute(
        insert(schedule_tasks),
        [
            {
                "schedule_id": new.id,
                "position": position,
                "stage": FIRST.value,
                "version": task.version,
                "cost": task.cost,
                "payload": task.payload,
            }
            for position, task in enumerate(new.tasks)
        ],
    )
    return True


def change(
    writing: Writing,
    schedule: ScheduleId,
    *,
    cron: str | None,
    timezone: str | None,
    priority: int | None,
    paused: bool | None,
) -> None:
    """Change what is given. Another time, or the end of a pause, makes it due the next time from now on."""
    row = _found(writing.connection, select(schedules).where(schedules.c.id == schedule).with_for_update())
    given = {"cron": cron and " ".join(cron.split()), "timezone": timezone, "priority": priority}
    new: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if paused is not None:
        new["paused"] = int(paused)
    if "cron" in new or "timezone" in new or (row["paused"] and paused is False):
        clock = {"cron": row["cron"], "timezone": row["timezone"], **new}
        new["next_at"] = next_after(str(clock["cron"]), str(clock["timezone"]), writing.now)
        new |= {"refusal": None, "refused_at": 0.0}  # what was due is not any more
    if new:
        writing.connection.execute(update(schedules).where(schedules.c.id == schedule).values(new))


def remove(writing: Writing, schedule: ScheduleId) -> bool:
    """The schedule is no more; what it submitted goes on. False where the commit whose answer was lost removed it."""
    connection = writing.connection
    if connection.execute(delete(schedules).where(schedules.c.id == schedule)).rowcount == 0:
        if writing.again:
            return False
        raise _unknown()
    connection.execute(delete(schedule_tasks).where(schedule_tasks.c.schedule_id == schedule))
    return True


def one(connection: Connection, schedule: ScheduleId) -> Schedule:
    """The schedule, or NotFound."""
    return _schedule(_found(connection, select(schedules).where(schedules.c.id == schedule)))


def named(connection: Connection, user: UserId, name: str) -> Schedule:
    """The user's schedule of this name, or NotFound."""
    return _schedule(_found(connection, select(schedules).where(schedules.c.user_id == user, schedules.c.name == name)))


def many(connection: Connection, user: UserId | None, after: str, limit: int, name: str | None) -> Sequence[Schedule]:
    """A page of a user's schedules by name, or of everybody's by user and name; or those of one name."""
    asked = select(schedules).order_by(schedules.c.user_id, schedules.c.name).limit(limit)
    if user is not None:
        asked = asked.where(schedules.c.user_id == user, schedules.c.name > after)
    if name is not None:
        asked = asked.where(schedules.c.name == name)
    return [_schedule(row) for row in connection.execute(asked).mappings()]


_DUE = (
    select(schedules.c.id)
    .where(schedules.c.paused == 0, schedules.c.next_at <= bindparam("now"))
    .order_by(schedules.c.next_at)
)


def due(connection: Connection, now: float) -> Sequence[ScheduleId]:
    """All schedules whose time has come, the longest due first."""
    return [ScheduleId(schedule) for schedule in connection.scalars(_DUE, {"now": now})]


def fire(
    writing: Writing,
    schedule: ScheduleId,
    rules: Rules,
    backlog: Backlog,
    new_id: Callable[[], str],
    also: AlsoFired | None,
) -> Firing | None:
    """Submit the schedule's batch and put it off to its next time, past now; None when it is not due (any more).

    What was missed meanwhile counts as one. Of several processes, the one that moves `next_at` first submits.
    """
    connection, now = writing.connection, writing.now
    if (row := _if_due(connection, schedule, now)) is None:
        return None
    batch = NewBatch(
        BatchId(new_id()), UserId(row["user_id"]), _tasks(connection, schedule, new_id), row["name"], row["priority"]
    )
    moved = connection.execute(
        update(schedules)
        .where(schedules.c.id == schedule, schedules.c.next_at == row["next_at"], schedules.c.paused == 0)
        .values(
            next_at=next_after(row["cron"], row["timezone"], now),
            last_at=now,
            last_batch=batch.id,
            refusal=None,
            refused_at=0.0,
        )
    )
    if moved.rowcount == 0:
        return None
    check_batch(batch)  # earlier versions wrote down whatever they were given
    submit(writing, [batch], rules, backlog)
    if also is not None:
        also(writing.connection, batch, now)
    return Firing(schedule, batch.user, row["name"], batch.id, [task.id for task in batch.tasks])


def refuse(writing: Writing, schedule: ScheduleId, why: Fault, *, barred: bool) -> Firing | None:
    """Write down why a due schedule could not submit; None when that is written down already, or it is not due.

    One whose user is `barred` is put off to its next time: until somebody lets the user in again, no look would help.
    """
    connection, now = writing.connection, writing.now
    if (row := _if_due(connection, schedule, now)) is None:
        return None
    told = _code(row) == why.code
    new: dict[str, object] = {}
    if not told:
        new = {"refusal": json.dumps(asdict(why)), "refused_at": row["refused_at"] or now}
    if barred:
        new["next_at"] = next_after(row["cron"], row["timezone"], now)
    if new:
        mine = (schedules.c.id == schedule, schedules.c.next_at == row["next_at"])
        connection.execute(update(schedules).where(*mine).values(new))
    return None if told else Firing(schedule, UserId(row["user_id"]), row["name"], refusal=why)


def put_right(writing: Writing, *, after: ScheduleId, apart: float) -> tuple[int, ScheduleId | None]:
    """Of a page of schedules, those come due sooner that wait for a time from before the clock was set back.

    From now on none can have a later time than the next one. A time at which one was fired, as far as clocks may be
    `apart`, does not come again. How many were put right, and where the next page begins; None at the end.
    """
    connection, now = writing.connection, writing.now
    waiting = select(schedules).where(schedules.c.id > after, schedules.c.paused == 0, schedules.c.next_at > now)
    page = connection.execute(waiting.order_by(schedules.c.id).limit(_AT_ONCE).with_for_update()).mappings().all()
    count = 0
    for row in page:
        fired = row["last_at"] if now < row["last_at"] <= now + apart else now
        try:
            next_at = next_after(row["cron"], row["timezone"], fired)
        except BadRequest:  # its time zone is no more: its own turn will tell
            continue
        if next_at < row["next_at"]:
            connection.execute(update(schedules).where(schedules.c.id == row["id"]).values(next_at=next_at))
            count += 1
    return count, ScheduleId(page[-1]["id"]) if len(page) == _AT_ONCE else None


def _code(row: RowMapping) -> str:
    return json.loads(row["refusal"])["code"] if row["refusal"] else ""


def _tasks(connection: Connection, schedule: ScheduleId, new_id: Callable[[], str]) -> Sequence[NewTask]:
    asked = select(schedule_tasks).where(schedule_tasks.c.schedule_id == schedule).order_by(schedule_tasks.c.position)
    return [
        NewTask(TaskId(new_id()), bytes(row["payload"]), row["cost"], row["version"])
        for row in connection.execute(asked).mappings()
    ]


def _if_due(connection: Connection, schedule: ScheduleId, now: float) -> RowMapping | None:
    row = connection.execute(select(schedules).where(schedules.c.id == schedule)).mappings().first()
    return None if row is None or row["paused"] or row["next_at"] > now else row


def _found(connection: Connection, asked: Select[*tuple[Any, ...]]) -> RowMapping:
    if (row := connection.execute(asked).mappings().first()) is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("There is no such schedule.")


def _schedule(row: RowMapping) -> Schedule:
    return Schedule(
        id=ScheduleId(row["id"]),
        user=UserId(row["user_id"]),
        name=row["name"],
        cron=row["cron"],
        timezone=row["timezone"],
        priority=row["priority"],
        tasks=row["tasks"],
        paused=bool(row["paused"]),
        created_at=row["created_at"],
        next_at=row["next_at"],
        last_at=row["last_at"],
        last=row["last_batch"],
        refusal=Fault(**json.loads(row["refusal"])) if row["refusal"] else None,
        refused_at=row["refused_at"],
    )
