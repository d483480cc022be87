"""Reading the ledger: tasks, batches, history and the queue as people see them."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    ScalarSelect,
    Select,
    Subquery,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from paperlane.errors import NotFound
from paperlane.ledger import Rules
from paperlane.ledger.channels import channel_of
from paperlane.ledger.dialects import Dialect, Given, GivenRows
from paperlane.ledger.dialects.keyed import by_no_index, select_by_key
from paperlane.ledger.dialects.prepared import Prepared, Row
from paperlane.ledger.schema import (
    BACKLOGGED,
    OF_BATCH,
    READY,
    RUNNING,
    UNDER_WAY,
    WAITING,
    attempts,
    batches,
    engines,
    events,
    lanes,
    system,
    tasks,
    workers,
)
from paperlane.model.figures import Vitals
from paperlane.model.tasks import (
    Batch,
    BatchId,
    EngineState,
    Event,
    Fault,
    Lane,
    LaneUse,
    Member,
    PastAttempt,
    Queue,
    State,
    StepTime,
    Task,
    TaskId,
    Unreadable,
    UserId,
    WorkerId,
)

_Conditions = Sequence[ColumnElement[bool]]
Told = TypeVar("Told")


def task_of(row: RowMapping, rules: Rules) -> Task:
    """A task's row as people see it."""
    return Task(
        id=TaskId(row["id"]),
        batch=BatchId(row["batch_id"]),
        user=UserId(row["user_id"]),
        state=State(row["state"]),
        priority=row["priority"],
        engine=row["engine"],
        step=row["step"],
        percent=row["percent"],
        message=row["message"],
        seq=row["seq"],
        attempt=row["attempt"],
        max_attempts=rules.max_retries + 1,
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        run_at=row["run_at"],
        fault=_fault(row["fault"]),
        payload=bytes(row["payload"]),
        summary=json.loads(row["summary"]) if row["summary"] else {},
        version=row["version"],
    )


def _fault(stored: str | None) -> Fault | None:
    return Fault(**json.loads(stored)) if stored else None


def one(connection: Connection, task: TaskId, rules: Rules) -> Task:
    """The task, or NotFound."""
    row = connection.execute(select(tasks).where(tasks.c.id == task)).mappings().first()
    if row is None:
        raise NotFound("There is no such task.")
    return task_of(row, rules)


def many(
    connection: Connection,
    rules: Rules,
    *,
    user: UserId | None,
    batch: BatchId | None,
    states: Sequence[State],
    cursor: str,
    limit: int,
) -> Sequence[Task]:
    """A page of tasks: newest first, or a batch in its order."""
    asked = select(tasks).limit(limit)
    if batch is None and states and not any(state.ended for state in states):
        found = _under_way(set(states), user, cursor, limit)
        asked = asked.join(found, found.c.id == tasks.c.id).order_by(found.c.id.desc())
        return [task_of(row, rules) for row in connection.execute(asked).mappings()]
    if user is not None:
        asked = asked.where(tasks.c.user_id == user)
    if states:
        asked = asked.where(tasks.c.state.in_([state.value for state in states]))
    if batch is not None:
        asked = asked.where(batches.c.id == batch, *OF_BATCH, tasks.c.id > cursor).order_by(tasks.c.id)
    else:
        asked = asked.order_by(tasks.c.id.desc())
        if cursor:
            asked = asked.where(tasks.c.id < cursor)
    return [task_of(row, rules) for row in connection.execute(asked).mappings()]


def _under_way(states: Collection[State], user: UserId | None, cursor: str, limit: int) -> Subquery:
    """The newest of those that have not ended, by the indexes of these: whatever has ended is not gone through.

    In a form that leaves databases no other index: one by user or by id seems as good to them, and holds all.
    """

    def of(state: State) -> Select[str]:
        name = by_no_index(tasks.c.id).label("id")
        whose = tasks.c.user_id if state is State.READY else tasks.c.user_id + 0  # few wait or run, of all users
        match state:
            case State.READY:
                asked = select(name).where(READY)
            case State.WAITING:
                asked = select(name).where(WAITING)
            case _:
                asked = select(name).where(UNDER_WAY, by_no_index(tasks.c.state) == state.value)
        asked = asked if user is None else asked.where(whose == user)
        return asked.where(name < cursor) if cursor else asked

    each = union_all(*map(of, states)).subquery()
    return select(each).order_by(each.c.id.desc()).limit(limit).subquery()


def batch_of(connection: Connection, batch: BatchId) -> Batch:
    """The batch with its counts, or NotFound."""
    row = connection.execute(select(batches).where(batches.c.id == batch)).mappings().first()
    if row is None:
        raise NotFound("There is no such batch.")
    counts: Counter[str] = Counter()
    done = 0.0
    by_state = select(tasks.c.state, func.count(), func.sum(tasks.c.percent)).where(batches.c.id == batch, *OF_BATCH)
    for state, count, percent in connection.execute(by_state.group_by(tasks.c.state)):
        counts[State(state).status] += count
        done += count * 100.0 if State(state).ended else percent
    return Batch(
        id=batch,
        user=UserId(row["user_id"]),
        name=row["name"],
        created_at=row["created_at"],
        counts=dict(counts),
        percent=done / max(1, counts.total()),
        content=row["content"],
    )


_NEVER = literal(0.0, attempts.c.ended_at.type)
_NO_OUTCOME = literal("", attempts.c.outcome.type)
_NO_FAULT = cast(null(), attempts.c.fault.type)


def history(connection: Connection, task: TaskId) -> Sequence[PastAttempt]:
    """Every attempt that began, each with its steps."""
    told: dict[int, list[RowMapping]] = {}
    for event in connection.execute(select(events).where(events.c.task_id == task).order_by(events.c.seq)).mappings():
        told.setdefault(event["fence"], []).append(event)
    of_task = (tasks.c[name] for name in ("attempt", "fence", "engine", "worker_id", "begun_at"))
    running = select(*of_task, _NEVER, _NO_OUTCOME, _NO_FAULT).where(tasks.c.id == task, RUNNING)
    names = ("number", "fence", "engine", "worker_id", "started_at", "ended_at", "outcome", "fault")
    over = select(*(attempts.c[name] for name in names)).where(attempts.c.task_id == task, attempts.c.ended_at > 0)
    asked = over.union_all(running).order_by("fence")  # at once, or one that ends meanwhile would be in neither
    return [
        PastAttempt(
            number=row.number,
            fence=row.fence,
            engine=row.engine,
            worker=WorkerId(row.worker_id),
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            fault=_fault(row.fault),
            steps=tuple(_steps(told.get(row.fence, ()))),
        )
        for row in connection.execute(asked)
    ]


def _steps(told: Iterable[RowMapping]) -> Iterable[StepTime]:
    begun: dict[str, float] = {}
    for event in told:
        match event["kind"]:
            case "step":
                begun[event["step"]] = event["at"]
            case "saved":
                yield StepTime(event["step"], event["at"] - begun.get(event["step"], event["at"]), resumed=False)
            case "resumed":
                yield StepTime(event["step"], 0.0, resumed=True)
            case _:
                pass


def _event(row: RowMapping | Row) -> Event:
    return Event(
        task=TaskId(row["task_id"]),
        seq=row["seq"],
        kind=row["kind"],
        status=row["status"],
        step=row["step"],
        percent=row["percent"],
        message=row["message"],
        at=row["at"],
    )


def events_after(connection: Connection, task: TaskId, after: int, limit: int) -> Sequence[Event]:
    """A task's events in order, from the one after number `after`."""
    asked = select(events).where(events.c.task_id == task, events.c.seq > after).order_by(events.c.seq).limit(limit)
    return [_event(row) for row in connection.execute(asked).mappings()]


@cache
def _followed(given_rows: GivenRows) -> tuple[Prepared, Prepared, Given]:
    """Which tasks have events after the seen ones, and these; MariaDB passes by all that a task has to find them."""
    given = given_rows("followed", of_task="key", of_seq="int")
    of_task, seen = given.table.c.of_task, given.table.c.of_seq
    moved = select(tasks.c.id).where(tasks.c.id == of_task, tasks.c.seq > seen)
    newer = select(events).where(events.c.task_id == of_task, events.c.seq > seen)
    by_key = select_by_key(moved, given.table, tasks), select_by_key(newer, given.table, events)
    return Prepared(by_key[0]), Prepared(by_key[1]), given


def moved_since(connection: Connection, dialect: Dialect, seen: Mapping[TaskId, int]) -> Sequence[Event]:
    """Every event after the seen one of each task, in order within a task."""
    moved, newer, given = _followed(dialect.given)
    late = [TaskId(task) for (task,) in moved.on(connection, given.bind(seen, seen.values())).tuples()]
    if not late:
        return []
    found = map(_event, newer.on(connection, given.bind(late, map(seen.__getitem__, late))).rows())
    return sorted(found, key=lambda event: (event.task, event.seq))  # MariaDB would make a table to sort even one


def queue(
    connection: Connection,
    now: float,
    user: UserId | None,
    most: int,
    longest: int,
    rules: Rules,
    too_new: Sequence[Unreadable],
) -> Queue:
    """What waits and runs, by engine and, for `most` and the `longest` waiting, by lane; of one user when asked so.

    However much waits, each lane costs the same: its counters, and a look at its first task.
    """
    whose = () if user is None else (lanes.c.user_id == user,)
    meant = whose or (_busy(),)
    of_user, of_engine = _leased(connection, user)
    depths = _depths(connection, meant, of_engine)
    paused = _paused(connection)
    max_running, repairs = connection.execute(_SYSTEM).one()
    waits = _longest(connection, whose, max(1, longest), rules, paused)
    shown = _lanes(connection, meant, of_user, most, now, rules, paused)
    if waiting := [user for user, _ in waits[:longest]]:
        of_these = (lanes.c.user_id.in_(waiting),)
        both = (*shown, *_lanes(connection, of_these, of_user, longest, now, rules, paused))
        shown = sorted({lane.user: lane for lane in both}.values(), key=lambda lane: lane.user)
    return Queue(
        queued=sum(depth.queued for depth in depths.values()),
        running=sum(depth.running for depth in depths.values()),
        oldest=_waited(now, waits[0][1] if waits else None),
        limit=max_running or rules.system_limit,
        default_limit=rules.system_limit,
        busy=sum(depth.busy for depth in depths.values()),
        lanes=shown,
        engines=_engines(connection, depths, paused),
        repairs=repairs,
        unreadable=too_new,
    )


def renewed(connection: Connection, seen: Queue, rules: Rules, too_new: Sequence[Unreadable]) -> Queue:
    """The queue as it was seen, with what was not counted, but set, as it is now."""
    max_running, repairs = connection.execute(_SYSTEM).one()
    depths = {one.name: _Depth(one.queued, one.running, startable=one.startable) for one in seen.engines}
    paused = _paused(connection)
    asked = select(*_SET).where(lanes.c.user_id.in_([lane.user for lane in seen.lanes]))
    terms = {row["user_id"]: _terms(row) for row in connection.execute(asked).mappings()}
    return replace(
        seen,
        limit=max_running or rules.system_limit,
        lanes=[_with_startable(replace(lane, **terms.get(lane.user, {})), paused) for lane in seen.lanes],
        engines=_engines(connection, depths, paused),
        repairs=repairs,
        unreadable=too_new,
    )


_SET = tuple(lanes.c[name] for name in ("user_id", "engine", "weight", "max_running", "own_limit", "paused"))


def _terms(row: RowMapping) -> Mapping[str, Any]:
    """What a lane was given: its engine, and what it may."""
    return {
        "engine": row["engine"],
        "weight": row["weight"],
        "max_running": row["own_limit"] or row["max_running"],
        "paused": bool(row["paused"]),
    }


def _with_startable(lane: Lane, stopped: Collection[str]) -> Lane:
    """A lane of which it is told what could begin; on engines that are `stopped` nothing does."""
    return replace(lane, startable=0 if lane.paused or lane.engine in stopped else lane.ready + lane.leased)


_SYSTEM = select(system.c.max_running, system.c.repairs)


def _paused(connection: Connection) -> set[str]:
    """The engines on which nothing begins."""
    return set(connection.scalars(select(engines.c.name).where(engines.c.paused == 1)))


def _busy() -> ColumnElement[bool]:
    return lanes.c.ready + lanes.c.waiting + lanes.c.running > 0


def _since() -> ColumnElement[float]:
    """Since when a ready task could run: when it was to start, of which its `sort_key` was made.

    Later where it was put off, taken back or started again since: then `run_at` tells it.
    """
    first_to_start = tasks.c.sort_key + tasks.c.priority * bindparam("ageing", type_=tasks.c.sort_key.type)
    return case((tasks.c.run_at > first_to_start, tasks.c.run_at), else_=first_to_start)


def _of_first(told: ColumnElement[Told], of: FromClause) -> ScalarSelect[Told]:
    """What is told of the first ready task of a lane.

    MariaDB must be told to enter the index by the lane's user: it would go through all that is ready, for each lane.
    """
    first = select(told).where(READY, tasks.c.user_id == of.c.user_id).order_by(tasks.c.sort_key, tasks.c.id)
    return first.with_hint(tasks, "FORCE INDEX (tasks_ready)", "mysql").limit(1).correlate(of).scalar_subquery()


def _waited(now: float, since: float | None) -> float:
    return 0.0 if since is None else max(0.0, now - since)


def _lanes(
    connection: Connection,
    meant: _Conditions,
    leased: Mapping[int, int],
    most: int,
    now: float,
    rules: Rules,
    stopped: Collection[str],
) -> Sequence[Lane]:
    """Those in which most could start, then those in which most waits; in the order of their users.

    On engines that are `stopped` nothing begins.
    """
    runs = (lanes.c.paused == 0) & lanes.c.engine.not_in(stopped)
    could, waits = case((runs, lanes.c.ready), else_=0).desc(), (lanes.c.ready + lanes.c.waiting).desc()
    shown = select(lanes).where(*meant).order_by(could, waits, lanes.c.user_id).limit(most).subquery("shown")
    # their order keeps SQLite from making one question of the two, and looking at the first task of every lane
    asked = select(shown, _of_first(_since(), shown).label("since")).order_by(shown.c.user_id)
    return [
        _with_startable(
            Lane(
                user=UserId(row["user_id"]),
                running=max(0, row["running"] - leased.get(row["user_id"], 0)),
                ready=row["ready"],
                waiting=row["waiting"],
                leased=min(row["running"], leased.get(row["user_id"], 0)),
                vtime=row["vtime"],
                oldest=_waited(now, row["since"]),
                **_terms(row),
            ),
            stopped,
        )
        for row in connection.execute(asked, {"ageing": rules.ageing}).mappings()
    ]


def _longest(
    connection: Connection, whose: _Conditions, most: int, rules: Rules, paused: Collection[str]
) -> Sequence[tuple[int, float]]:
    """The users whose next tasks have waited longest, and since when; nobody paused them."""
    meant = (BACKLOGGED, lanes.c.ready > 0, lanes.c.paused == 0, lanes.c.engine.not_in(paused), *whose)
    if connection.dialect.name in _SLOW_IN_SUBQUERIES:
        firsts = select(lanes.c.user_id, _of_first(tasks.c.id, lanes).label("first")).where(*meant)
        each = firsts.limit(_ALL).subquery("firsts")  # without a limit it would make one question of the two
        since = _since().label("since")
        asked = select_by_key(select(each.c.user_id, since).where(tasks.c.id == each.c.first), each, tasks)
        asked = asked.order_by(since, each.c.user_id)
    else:
        since = _of_first(_since(), lanes).label("since")
        asked = select(lanes.c.user_id, since).where(*meant).order_by(since, lanes.c.user_id)
    return [(user, at) for user, at in connection.execute(asked.limit(most), {"ageing": rules.ageing})]


_SLOW_IN_SUBQUERIES = {"mysql", "mariadb"}
"""Where a row costs several times as much in a lane's subquery, beside its index, as in a join by its key."""

_ALL = 2**63 - 1


def uses(connection: Connection, after: UserId, limit: int) -> Sequence[LaneUse]:
    """What became of the tasks of the next users after this one."""
    leased, _ = _leased(connection, None)
    asked = select(lanes).where(lanes.c.user_id > after).order_by(lanes.c.user_id).limit(limit)
    return [
        LaneUse(
            user=UserId(row["user_id"]),
            queued=row["ready"] + row["waiting"] + min(row["running"], leased.get(row["user_id"], 0)),
            running=max(0, row["running"] - leased.get(row["user_id"], 0)),
            completed=row["completed"],
            failed=row["failed"],
            cancelled=row["cancelled"],
            cpu=row["cpu"],
        )
        for row in connection.execute(asked).mappings()
    ]


def use_of_all(connection: Connection) -> LaneUse:
    """What became of all tasks."""
    names = ("running", "completed", "failed", "cancelled", "cpu")
    waits = func.sum(lanes.c.ready + lanes.c.waiting).label("queued")
    summed = (
        connection.execute(select(waits, *(func.sum(lanes.c[name]).label(name) for name in names))).mappings().one()
    )
    of = {name: int(summed[name] or 0) for name in ("queued", "running", "completed", "failed", "cancelled")}
    return LaneUse(user=UserId(0), **of, cpu=float(summed["cpu"] or 0.0))


def _leased(connection: Connection, user: UserId | None) -> tuple[Counter[int], Counter[str]]:
    """How many tasks are handed out and not begun, by their users and by the engines of their lanes.

    Lanes are looked at later, when some of these have ended: there no more count than have a turn.

    Counted here: asked to group, SQLite goes through all tasks in the order of their users; asked for a user's, it and
    MariaDB go through all of theirs, whatever became of them.
    """
    engine = select(lanes.c.engine).where(lanes.c.user_id == tasks.c.user_id).scalar_subquery()
    asked = select(tasks.c.user_id, engine).where(UNDER_WAY, tasks.c.state == "leased")
    found = [row for row in connection.execute(asked) if user in {None, row.user_id}]
    return Counter(of for of, _ in found), Counter(carried_by for _, carried_by in found)


@dataclass(frozen=True, slots=True)
class _Depth:
    """What the lanes of an engine hold together, and how many of them hold anything."""

    queued: int = 0
    running: int = 0
    busy: int = 0
    startable: int = 0


def _depths(connection: Connection, meant: _Conditions, leased: Mapping[str, int]) -> Mapping[str, _Depth]:
    asked = select(
        lanes.c.engine,
        func.sum(lanes.c.ready + lanes.c.waiting),
        func.sum(lanes.c.running),
        func.sum(case((_busy(), 1), else_=0)),
        func.sum(case((lanes.c.paused == 0, lanes.c.ready), else_=0)),
    )
    found: dict[str, _Depth] = {}
    for engine, waits, under_way, busy, ready in connection.execute(asked.where(*meant).group_by(lanes.c.engine)):
        handed_out = min(int(under_way), leased.get(engine, 0))
        found[engine] = _Depth(int(waits) + handed_out, int(under_way) - handed_out, int(busy), int(ready) + handed_out)
    return found


def _engines(connection: Connection, depths: Mapping[str, _Depth], paused: set[str]) -> Sequence[EngineState]:
    members = select(workers.c.engine, func.count(), func.sum(workers.c.slots)).group_by(workers.c.engine)
    serving = {engine: (count, int(slots)) for engine, count, slots in connection.execute(members)}
    return [
        EngineState(
            name=name,
            paused=name in paused,
            queued=depths.get(name, _Depth()).queued,
            running=depths.get(name, _Depth()).running,
            workers=serving.get(name, (0, 0))[0],
            slots=serving.get(name, (0, 0))[1],
            startable=0 if name in paused else depths.get(name, _Depth()).startable,
        )
        for name in sorted(depths.keys() | serving.keys() | paused)
    ]


def vitals(connection: Connection, dialect: Dialect, now: float) -> Vitals:
    """How full the database is, and leases that are over and that nobody took back."""
    full = dialect.fullness(connection)
    over = select(func.count(), func.min(tasks.c.lease_until)).where(UNDER_WAY, tasks.c.lease_until <= now)
    stranded, since = connection.execute(over).one()
    passed = 0.0 if since is None else now - since
    return Vitals(full.connections, full.most_connections, full.bytes, stranded, passed)


def members(connection: Connection, now: float, rules: Rules) -> Sequence[Member]:
    """All workers that the ledger knows."""
    held = select(tasks.c.worker_id, func.count()).where(UNDER_WAY, RUNNING)
    running = {row[0]: row[1] for row in connection.execute(held.group_by(tasks.c.worker_id))}
    return [
        Member(
            id=WorkerId(row["id"]),
            engine=row["engine"],
            host=row["host"],
            pid=row["pid"],
            slots=row["slots"],
            running=running.get(row["id"], 0),
            started_at=row["started_at"],
            seen_at=row["seen_at"],
            live=row["seen_at"] > now - rules.lease,
            channel=channel_of(row["stages"], row["shard"], row["shards"]),
            asked=row["asked"] or row["slots"],  # a worker of before does not say
            least=row["least"] if row["asked"] else row["slots"],
            wants=row["wants"] if row["asked"] else row["slots"],
            cpu=_share(row["cpu"]),
            memory=_share(row["memory"]),
        )
        for row in connection.execute(select(workers).order_by(workers.c.started_at)).mappings()
    ]


def _share(told: float) -> float | None:
    return told if told >= 0 else None
