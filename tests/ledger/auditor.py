"""Watches every transaction of a ledger on SQLite, and says which promise one broke.

Triggers of the test's own write down each row that changes; at the commit the auditor reads them, compares them with
what it knows of the rows before, and checks what changed only: hundreds of stories of hundreds of moves fit a minute.

The numbers are those of the invariants in the design of the ledger (`docs/reference/proof.md` lists them):

1. `_batch`, `_gone`, and `World.submitted`: what was accepted is there, whole and once; a key has one batch.
2. `_move`: transitions are legal; `_ended`: one terminal event a run; `_tell`: nothing but a replay follows it.
3. `_move`: a fence rises by one with a lease and else never; `_part`: a turn has one part after the other; `_actor`:
   a worker changes what it holds and no more; `_attempt`: one for each part that was begun, written as it ends;
   `World.took`: no lease is handed out twice.
4. `_starts`: no start takes a user past its limit, a worker past its slots or the system past what it granted.
5. `_lane`: counters are their recount, and each end is counted, after every commit; `World.took`: no room stays idle
   while a lane is runnable.
6. `_checkpoint`: kept once, never changed, with its event in one transaction; `_dropped`: one a step, which goes with
   the save of one under another key and else never; `_tell`: no step runs again that is kept under its key.
7. `_tell`: events are numbered without a gap, percent never falls within a run.
8. `_tell` and `_starts`: after a cancel that was acknowledged nothing begins.
9. `_turns`: who is served is who had the least; `_lane`: a lane that becomes runnable starts at its shard's clock;
   `_divided`: where an engine's users come to other shards, each keeps its lead over its clock.
10. `World.heal`: once the faults are over, everything ends within lease, sweep and poll.
12. `_starts`, `_channels`: no more leases are out at an engine, or in a channel of it, than live workers have slots.
14. `_in_a_file`: no row names a file that is not there, but one that a story lost; `Disk`: none is removed that a row
    names, and none is left that nothing names, but where that cannot be helped.
15. `Timetable`: a schedule fires once for all that was due, in one transaction with its batch, and never in a pause.
16. `Archive`: retention takes what has ended, is old enough or too much, and of the rest only steps.

11 is a matter of plans (`test_plans.py`), 13 of workers that know less than tasks ask for (`TestVersions`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

from tests.ledger.bookkeeping import ENDED, NEAR, Archive, ScheduleRow, Timetable

from paperlane.ledger.channels import channel_of
from paperlane.model.tasks import FIRST, Channel, Lease, Stage, TaskId, WorkerId

UNDER_WAY = ("leased", "running")
LEGAL = {
    "ready": {"leased", "running", "cancelled"},
    "waiting": {"ready", "cancelled"},
    "leased": {"running", "ready", "cancelled"},
    "running": {"completed", "failed", "cancelled", "ready", "waiting", "leased"},
    "failed": {"ready"},
    "cancelled": {"ready"},
    "completed": set[str](),
}
STATUS = {"ready": "queued", "waiting": "queued", "leased": "queued"}
SUSPECT = 2  # crashes after which a task runs alone
LEASE = 30.0  # seconds


@dataclass(slots=True)
class TaskRow:
    """What the auditor knows of a task."""

    id: str
    user: int
    state: str
    fence: int
    run: int
    seq: int
    worker: str
    until: float
    charged: float
    cancel: int
    engine: str
    sort_key: float
    batch: str
    crashes: int
    run_at: float
    finished_at: float
    stage: str
    parted: int
    used: float


@dataclass(slots=True)
class LaneRow:
    """What it knows of a lane."""

    user: int
    engine: str
    limit: int
    running: int
    ready: int
    waiting: int
    vtime: float
    served: float
    weight: float
    paused: int
    band: int
    completed: int
    failed: int
    cancelled: int

    @property
    def runnable(self) -> bool:
        return self.ready > 0 and self.running < self.limit and not self.paused


@dataclass(slots=True)
class Clocks:
    """Of each engine those of its shards, and how many there are."""

    at: dict[tuple[str, int], float] = field(default_factory=dict)
    shards: dict[str, int] = field(default_factory=dict)

    def of(self, lane: LaneRow) -> float:
        return self.at.get((lane.engine, lane.user % self.shards.get(lane.engine, 1)), 0.0)

    def copy(self) -> "Clocks":
        return Clocks(dict(self.at), dict(self.shards))


@dataclass(slots=True)
class Told:
    """What a task's events told so far."""

    seq: int = 0
    percent: float = 0.0
    status: str = "queued"
    terminal: int = 0


_TABLES = {
    "tasks": "id, user_id, state, fence, run, seq, worker_id, lease_until, charged, cancel, engine, sort_key, batch_id,"
    " crashes, run_at, finished_at, stage, parted, used",
    "lanes": "user_id, engine, max_running, running, ready, waiting, vtime, served, weight, paused, band,"
    " completed, failed, cancelled",
    "events": "task_id, seq, fence, kind, status, step, percent",
    "attempts": "task_id, fence, ended_at, worker_id",
    "checkpoints": "task_id, step, key, fence, file",
    "workers": "id, engine, slots, seen_at, stages, shard, shards",
    "clocks": "engine, band, vtime, shards",
    "engines": "name, paused",
    "batches": "id, user_id, key, created_at",
    "schedules": "id, user_id, cron, paused, next_at, last_at, last_batch, refused_at",
}
_WIDTH = 19


def watch(connection: Any) -> None:
    """Let a connection of SQLite's driver write down what changes."""
    connection.execute(
        f"CREATE TEMP TABLE log (n INTEGER PRIMARY KEY, what, how, {', '.join(f'c{n}' for n in range(_WIDTH))})"
    )
    for table, names in _TABLES.items():
        columns = names.split(", ")
        into = ", ".join(["what", "how", *(f"c{n}" for n in range(len(columns)))])
        for how, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            values = ", ".join(f"{row}.{name}" for name in columns)
            connection.execute(
                f"CREATE TEMP TRIGGER log_{table}_{how} AFTER {how} ON main.{table}"
                f" BEGIN INSERT INTO log ({into}) VALUES ('{table}', '{how}', {values}); END"
            )


@dataclass
class Auditor:
    """What stands in the ledger, and everything that was found wrong with how it came there."""

    tasks: dict[str, TaskRow] = field(default_factory=dict)
    lanes: dict[int, LaneRow] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    ends: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # of each user's tasks
    runs: dict[str, tuple[int, str]] = field(default_factory=dict)  # task: the fence and the worker of its attempt
    kept: dict[tuple[str, str], str] = field(default_factory=dict)  # (task, step): key
    files: dict[tuple[str, str], str] = field(default_factory=dict)  # of those whose result lies in one
    is_there: Callable[[str], bool] = lambda _: True  # is this file on the disk?
    lost: set[str] = field(default_factory=set)  # files that a story lost
    key: str = "key"  # under which the worker that runs a step looks for its result
    workers: dict[str, tuple[str, int]] = field(default_factory=dict)  # engine, slots
    channels: dict[str, Channel] = field(default_factory=dict)  # of workers
    seen: dict[str, float] = field(default_factory=dict)  # workers' last signs of life
    clocks: Clocks = field(default_factory=Clocks)
    paused: set[str] = field(default_factory=set)
    batches: dict[str, tuple[int, str, float]] = field(default_factory=dict)  # user, key, when
    sizes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    of_user: dict[int, dict[str, dict[str, TaskRow]]] = field(
        default_factory=lambda: defaultdict(lambda: {state: {} for state in LEGAL})
    )
    forgotten: set[str] = field(default_factory=set)  # tasks that retention deleted
    cancelled: set[TaskId] = field(default_factory=set)  # a cancel was acknowledged
    actor: tuple[WorkerId, set[Lease]] | None = None  # who writes, and what it believes to hold
    broken: list[str] = field(default_factory=list)
    commits: int = 0
    now: Callable[[], float] = lambda: float("inf")
    trace: Any = field(default_factory=sha256)
    timetable: Timetable = field(init=False)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        self.timetable = Timetable(self.expect)
        self.archive = Archive(self.expect)

    def expect(self, holds: bool, *what: object) -> None:  # noqa: FBT001  reads like assert
        """Note what is wrong."""
        if not holds:
            self.broken.append(" ".join(map(str, what)))

    def read(self, connection: Any) -> None:
        """Look at what a transaction changed, once it is committed."""
        cursor = connection.cursor()
        rows = cursor.execute("SELECT * FROM log ORDER BY n").fetchall()
        if rows:
            cursor.execute("DELETE FROM log")
            self.trace.update(repr(rows).encode())
            self.audit([row[1:] for row in rows])
        cursor.close()

    def audit(self, rows: Iterable[tuple[Any, ...]]) -> None:  # noqa: C901, PLR0912, PLR0915  a table of cases
        """Check one transaction."""
        self.commits += 1
        moved: dict[str, list[TaskRow]] = {}  # each task's states in this transaction, the one before first
        lanes_before: dict[int, LaneRow | None] = {}
        clocks_before = self.clocks.copy()
        saved = set[tuple[str, str]]()
        kept: dict[tuple[str, str], str] = {}  # by this transaction, with the key that was kept before
        gone = set[tuple[str, str, str]]()
        born = set[str]()  # batches
        for table, how, *values in rows:
            match table, how:
                case "tasks", "DELETE":
                    self._gone(values[0])
                case "tasks", _:
                    self._move(TaskRow(*values), moved)
                case "lanes", _:
                    lane = LaneRow(*values[:14])
                    lanes_before.setdefault(lane.user, self.lanes.get(lane.user))
                    self.lanes[lane.user] = lane
                case "events", "INSERT":
                    self._tell(*values[:7], saved=saved)
                case "attempts", "INSERT":
                    self._attempt(*values[:4])
                case "checkpoints", "INSERT" | "UPDATE" if how == "INSERT" or self._is_lost(values[0], values[1]):
                    self._checkpoint(*values[:5], kept=kept)
                case "workers", "DELETE":
                    self.workers.pop(values[0], None)
                case "workers", _:
                    self.workers[values[0]], self.seen[values[0]] = (values[1], values[2]), values[3]
                    self.channels[values[0]] = channel_of(*values[4:7])
                case "clocks", "INSERT" | "UPDATE":
                    engine, shard, vtime, shards = values[:4]
                    self.expect(vtime >= self.clocks.at.get((engine, shard), 0.0), "9: the clock falls", values)
                    self.clocks.at[engine, shard] = vtime
                    if shard == 0:
                        self.clocks.shards[engine] = shards
                case "clocks", "DELETE":
                    engine, shard = values[:2]
                    self.expect(shard >= self.clocks.shards[engine], "9: a clock is gone", values)
                case "engines", _:
                    (self.paused.add if values[1] else self.paused.discard)(values[0])
                case "batches", _:
                    self._batch(how, *values[:4])
                    born |= {values[0]} if how == "INSERT" else set()
                case "schedules", _:
                    self.timetable.changed(how, ScheduleRow(*values[:8]), self.now())
                case "checkpoints", "DELETE" if self._lives(values[0]):
                    gone.add((values[0], values[1], values[2]))
                case (("events" | "attempts" | "checkpoints"), "DELETE"):  # what retention removes
                    self.expect(not self._lives(values[0]), table, "of a live task are deleted", values)
                    self.archive.stripped.append((table, tuple(values)))
                    if table == "checkpoints":
                        self._forget_kept(values[0], values[1])
                case _:
                    self.expect(False, f"{table} were changed by {how}", values)
        odd = saved ^ kept.keys()
        self.expect(not odd, "6: a checkpoint without its event, or the other way round", odd)
        self._dropped(gone, kept)
        for task, states in moved.items():
            self._ended(self.tasks[task], states)
        users_of_gone = {row.user for row in self.archive.gone}
        for user in {*lanes_before, *(self.tasks[task].user for task in moved), *users_of_gone}:
            self._lane(user, lanes_before.get(user, self.lanes.get(user)), clocks_before)
        if clocks_before.shards != self.clocks.shards:
            self._divided({**self.lanes, **lanes_before}, clocks_before)
        started = [self.tasks[task] for task, states in moved.items() if _started(states)]
        over = [self.tasks[task] for task, states in moved.items() if _handed_over(states)]
        if started:
            self._starts(started)
            self._turns(started)
        if started or over:
            self._channels([*started, *over])
        self.timetable.batches(born)
        if self.archive.gone or self.archive.stripped:
            self.archive.look(self.tasks, lambda user, state: self.of_user[user][state].values(), self.now())

    def _move(self, row: TaskRow, moved: dict[str, list[TaskRow]]) -> None:
        before = self.tasks.get(row.id)
        mine = self.of_user[row.user]
        if before is None:
            self.expect(row.state in {"ready", "waiting"}, "2: a task is born", row.state)
            self.expect((row.fence, row.run) == (0, 1), "3: a task is born with a fence", row)
            self.sizes[row.batch] += 1
        else:
            legal = row.state == before.state or row.state in LEGAL[before.state]
            self.expect(legal, "2:", before.state, "->", row.state, row.id)
            early = before.state == "waiting" and row.state == "ready" and before.run_at > self.now() + NEAR
            self.expect(not early, "2: ready before its time", before)
            replayed = before.state in ENDED and row.state == "ready"
            self.expect(row.run == before.run + replayed, "2: the run number of", row.id)
            paused = before.state == "running" and row.state == "leased"
            leased = paused or (before.state == "ready" and row.state in UNDER_WAY)
            self.expect(
                row.fence == before.fence + leased, "3: the fence goes from", before.fence, "to", row.fence, row.state
            )
            self._part(before, row, paused=paused)
            self._actor(before, row)
            del mine[before.state][row.id]
        mine[row.state][row.id] = row
        if row.state == "running" and (before is None or before.state != "running"):
            self.runs[row.id] = (row.fence, row.worker)
        moved.setdefault(row.id, [before or replace(row, state="")]).append(row)
        self.tasks[row.id] = row

    def _actor(self, before: TaskRow, row: TaskRow) -> None:
        """What runs is changed by its holder, under its own fence, or by somebody who is no worker."""
        if (
            self.actor is not None
            and before.state == "running"
            and row.state in {"running", *ENDED, "ready", "waiting", "leased"}
        ):
            worker, leases = self.actor
            mine = before.worker == worker and any(x.task == row.id and x.fence == before.fence for x in leases)
            self.expect(mine, "3:", worker, "changed what it does not hold", before)

    def _part(self, before: TaskRow, row: TaskRow, *, paused: bool) -> None:
        """A turn begins with its first part. A pause ends one, keeps the engine and pays."""
        if paused:
            self.expect(
                row.parted == row.fence and row.engine == before.engine, "3: paused, and not kept for its engine", row
            )
            self.expect(row.charged <= before.charged, "9: a pause is charged for", before, row)
            self.expect(row.used >= before.used, "9: what parts used falls", before, row)
        elif row.state in UNDER_WAY and before.state in UNDER_WAY:
            self.expect((row.stage, row.used) == (before.stage, before.used), "3: a part becomes another", before, row)
            self.expect(row.parted <= before.parted, "3: between two parts without a pause", before, row)
        else:
            self.expect((row.stage, row.parted, row.used) == ("cpu", 0, 0.0), "3: a part without a turn", row)
        self.expect(not (row.parted and row.state != "leased"), "3: it runs between two parts", row)

    def _gone(self, task: str) -> None:
        row = self.tasks.pop(task)
        self.expect(row.state in ENDED, "1: a task is deleted that has not ended", row)
        del self.of_user[row.user][row.state][task]
        self.archive.gone.append(row)
        self.forgotten.add(task)
        self.cancelled.discard(TaskId(task))
        self.told.pop(task, None)

    def _batch(self, how: str, batch: str, user: int, key: str | None, created_at: float) -> None:
        if how == "DELETE":
            del self.batches[batch]
            left = [row.id for row in self.tasks.values() if row.batch == batch]
            self.expect(not left, "1: a batch is deleted that has tasks", batch, left)
            return
        if how == "INSERT" and key:
            self.expect(self.key_of(user, key) is None, "1: two batches of the key", key)
        self.batches[batch] = (user, key or "", created_at)

    def key_of(self, user: int, key: str) -> tuple[str, float] | None:
        """The batch that holds this key, and since when."""
        found = ((batch, at) for batch, (of, known, at) in self.batches.items() if (of, known) == (user, key))
        return next(found, None)

    def _tell(
        self,
        task: str,
        seq: int,
        fence: int,
        kind: str,
        status: str,
        step: str,
        percent: float,
        *,
        saved: set[tuple[str, str]],
    ) -> None:
        told = self.told.setdefault(task, Told())
        self.expect(seq == told.seq + 1, "7: event", seq, "after", told.seq, task)
        again = kind == "replayed"
        self.expect(told.status not in ENDED or again, "2: an event", kind, "after the terminal one", task)
        self.expect(percent >= told.percent or again, "7: percent falls from", told.percent, "to", percent, kind)
        self.expect(fence == self.tasks[task].fence, "3: an event under another fence", task, kind)
        self.told[task] = Told(seq, percent, status, told.terminal + (status in ENDED))
        if status in ENDED:
            self.ends[self.tasks[task].user][status] += 1
        if kind == "step":
            again = self.kept.get((task, step)) == self.key and not self._is_lost(task, step)
            self.expect(not again, "6: a kept step runs again", task, step)
        if kind in {"step", "saved", "resumed", "begun", "leased"}:
            self.expect(TaskId(task) not in self.cancelled, "8:", kind, "after the cancel was acknowledged", task)
        if kind == "saved":
            saved.add((task, step))

    def _attempt(self, task: str, fence: int, ended_at: float, worker: str) -> None:
        begun = self.runs.pop(task, None)
        self.expect(begun == (fence, worker), "3: an attempt ends that did not run", task, fence, worker, "but", begun)
        self.expect(ended_at > 0.0, "3: an attempt is written before it ends", task)

    def _checkpoint(
        self, task: str, step: str, key: str, fence: int, file: str, *, kept: dict[tuple[str, str], str]
    ) -> None:
        self.expect(fence == self.tasks[task].fence, "3: a checkpoint of a late holder", task)
        before = self.kept.get((task, step), "")
        if before == key:  # in place of one whose file is lost
            self.expect(self._is_lost(task, step), "6: a checkpoint changed", task, step, key)
            before = ""
        kept[task, step] = before
        self.kept[task, step] = key
        self._in_a_file(task, step, file)

    def _in_a_file(self, task: str, step: str, file: str) -> None:
        """Where the result lies now: what a row names was on the disk before."""
        self.files.pop((task, step), None)
        if file:
            self.expect(file not in self.files.values(), "14: two rows name a file", file)
            self.expect(self.is_there(file) or file in self.lost, "14: a row names a file that is not there", file)
            self.files[task, step] = file

    def _is_lost(self, task: str, step: str) -> bool:
        return self.files.get((task, step)) in self.lost

    def _forget_kept(self, task: str, step: str) -> None:
        self.kept.pop((task, step), None)
        self.files.pop((task, step), None)

    def _dropped(self, gone: set[tuple[str, str, str]], kept: dict[tuple[str, str], str]) -> None:
        """Of live tasks went what another key took the place of: that, and nothing else."""
        replaced = {(task, step, before) for (task, step), before in kept.items() if before}
        self.expect(gone <= replaced, "6: checkpoints of a live task are deleted", gone - replaced)
        self.expect(gone >= replaced, "6: a useless checkpoint is left", replaced - gone)

    def _lives(self, task: str) -> bool:
        row = self.tasks.get(task)
        return row is not None and row.state not in ENDED

    def _ended(self, row: TaskRow, states: list[TaskRow]) -> None:
        """A task at the end of a transaction."""
        told = self.told.get(row.id, Told())
        self.expect(row.seq == told.seq, "7: the task's number is", row.seq, "its last event's", told.seq, row.id)
        self.expect(told.status == STATUS.get(row.state, row.state), "2: told", told.status, "is", row.state)
        self.expect(
            told.terminal == row.run - 1 + (row.state in ENDED), "2:", told.terminal, "terminal events, run", row.run
        )
        self.expect((row.state == "running") == bool(row.worker), "3: a", row.state, "task's worker is", row.worker)
        self.expect((row.state == "running") == (row.id in self.runs), "3: attempt of a", row.state, "task", row.id)
        self.expect(row.state in UNDER_WAY or row.charged == 0.0, "9: charged without a turn", row)
        completed = states[0].state == "running" and row.state == "completed"
        self.expect(
            not (completed and row.id in self.cancelled), "8: completed after its cancel was acknowledged", row.id
        )

    def _lane(self, user: int, before: LaneRow | None, clocks: Clocks) -> None:
        lane, mine = self.lanes[user], self.of_user[user]
        counted = (len(mine["ready"]), len(mine["waiting"]), len(mine["leased"]) + len(mine["running"]))
        self.expect((lane.ready, lane.waiting, lane.running) == counted, "5: counters", lane, "counted", counted)
        ends = tuple(self.ends[user][state] for state in ENDED)
        self.expect((lane.completed, lane.failed, lane.cancelled) == ends, "5: ends", lane, "counted", ends)
        charged = sum(row.charged for state in UNDER_WAY for row in mine[state].values())
        off = abs(lane.vtime - lane.served - charged)
        self.expect(off <= NEAR * (1 + abs(lane.vtime)), "9: virtual time is off by", off, lane)
        if lane.runnable and (before is None or not before.runnable):
            clock = clocks.of(lane)
            self.expect(lane.served >= clock - NEAR, "9: idleness earned credit", lane, clock)

    def _divided(self, lanes_before: dict[int, LaneRow | None], clocks: Clocks) -> None:
        for user, before in lanes_before.items():
            now = self.lanes[user]
            if before is not None and before.engine == now.engine:
                was, lead = before.served - clocks.of(before), now.served - self.clocks.of(now)
                self.expect(abs(lead - was) <= NEAR * (1 + abs(now.served)), "9: lead", was, "became", lead, "of", now)

    def _starts(self, started: list[TaskRow]) -> None:
        """Turns were given: none past a limit, none that nobody has room for."""
        for user in {row.user for row in started}:
            lane, mine = self.lanes[user], self.of_user[user]
            running = len(mine["leased"]) + len(mine["running"])
            self.expect(running <= lane.limit, "4:", running, "of user", user, "run, its limit is", lane.limit)
            self.expect(not lane.paused, "4: a start in a paused lane", user)
            chosen = max(
                ((r.sort_key, r.id) for r in started if r.user == user and r.crashes < SUSPECT), default=(0.0, "")
            )
            left = min(((r.sort_key, r.id) for r in mine["ready"].values() if r.crashes < SUSPECT), default=chosen)
            self.expect(chosen <= left, "9: a user's own tasks out of order", chosen, left)
        self.expect(not {TaskId(row.id) for row in started} & self.cancelled, "8: a cancelled task starts")
        for engine in {row.engine for row in started}:
            self.expect(engine not in self.paused, "4: a start at a paused engine", engine)
            if any(row.state == "leased" for row in started):  # a pull engine's room is that of each of its workers
                out = [row for row in self.under_way() if row.engine == engine]
                self.expect(self.room(engine) >= 0, "12:", len(out), "out at", engine, "its room", self.room(engine))
                self._alone(out)  # nobody knows yet at which worker each will run
        for worker in {row.worker for row in started if row.worker}:
            holds = sum(row.worker == worker for row in self.under_way())
            slots = self.workers.get(worker, ("", 0))[1]
            self.expect(holds <= slots, "4:", worker, "holds", holds, "of", slots)
            self._alone([row for row in self.under_way() if row.worker == worker])

    def _channels(self, out: list[TaskRow]) -> None:
        """Leases were handed out: none in a channel that has no room for it."""
        for engine in {row.engine for row in out if row.state == "leased"}:
            room = self.rooms(engine)
            by = {(stage, user): self._serving(room, stage, user) for stage in Stage for user in self.lanes}
            if any(len(serving) > 1 for serving in by.values()):
                continue  # a part that is not begun may be in this one or in that
            taken = {channel for row in out if row.engine == engine for channel in by[Stage(row.stage), row.user]}
            full = {channel: left for channel, left in room.items() if left < 0}
            self.expect(not taken & full.keys(), "12: more out than there is room in", full, "at", engine)

    @staticmethod
    def _serving(of: Iterable[Channel], stage: Stage, user: int) -> list[Channel]:
        return [channel for channel in of if channel.serves(stage, user)]

    def rooms(self, engine: str) -> dict[Channel, int]:
        """How many more leases may be out in each channel, where no two serve the same."""
        lives = self._live()
        room: dict[Channel, int] = defaultdict(int)
        for name in lives:
            if self.workers[name][0] == engine:
                room[self.channels[name]] += self.workers[name][1]
        for row in self.under_way():
            if row.engine == engine and row.worker in {"", *lives} and not row.parted:
                at = [self.channels[row.worker]] if row.worker else self._serving(room, Stage(row.stage), row.user)
                for channel in at:
                    if channel in room:
                        room[channel] -= 1
        return dict(room)

    def _live(self) -> set[str]:
        """The workers that were heard of for a lease."""
        return {name for name in self.workers if self.now() - LEASE < self.seen[name] <= self.now() + 2 * LEASE}

    def _alone(self, together: list[TaskRow]) -> None:
        suspects = [row.id for row in together if row.crashes >= SUSPECT]
        self.expect(not suspects or len(together) == 1, "4: a task that crashed twice has company", together)

    def _turns(self, started: list[TaskRow]) -> None:
        """The lanes that were served had the least virtual time of those that could be."""
        for engine in {row.engine for row in started}:
            for user in {row.user for row in started if row.engine == engine and row.crashes < SUSPECT}:
                beside = (lane for lane in self.lanes.values() if self._same_channels(engine, user, lane.user))
                least = min((lane.vtime for lane in beside if self._served(lane, engine)), default=float("inf"))
                last = min(row.charged for row in started if row.user == user)
                at = self.lanes[user].vtime - max(row.charged for row in started if row.user == user)
                self.expect(last >= 0.0, "9: a turn was charged", last)
                self.expect(
                    at <= least + NEAR * (1 + abs(least)), "9: user", user, "was served at", at, "before", least
                )

    def room(self, engine: str) -> int:
        """How many more leases may be out: the slots of who lives, less all that is out but what the silent hold."""
        lives = self._live()
        granted = sum(slots for name, (of, slots) in self.workers.items() if of == engine and name in lives)
        return granted - sum(row.engine == engine and row.worker in {"", *lives} for row in self.under_way())

    def _same_channels(self, engine: str, one: int, other: int) -> bool:
        """Do turns of these two users begin at the same workers?"""
        of = [self.channels[name] for name in self._live() if self.workers[name][0] == engine]
        return self._serving(of, FIRST, one) == self._serving(of, FIRST, other)

    def under_way(self) -> list[TaskRow]:
        """The tasks that hold turns."""
        return [row for mine in self.of_user.values() for state in UNDER_WAY for row in mine[state].values()]

    def _served(self, lane: LaneRow, engine: str) -> bool:
        """Could the lane be given a turn of one that needs not run alone? A place is kept for one that must."""
        alone = [row.crashes >= SUSPECT for row in self.of_user[lane.user]["ready"].values()]
        free = lane.limit - lane.running - any(alone)
        return lane.engine == engine and lane.runnable and free > 0 and not all(alone)

    def idles(self, engine: str) -> bool:
        """Is there room at a push engine for a turn that a lane could be given, or for a part that waits?"""
        room, whole = self.rooms(engine), self.room(engine)

        def has_room(stage: Stage, user: int) -> bool:
            return any(room[channel] > 0 for channel in self._serving(room, stage, user))

        lanes = [lane for lane in self.lanes.values() if lane.engine == engine and lane.runnable]
        turn = whole > 0 and engine not in self.paused and any(has_room(FIRST, lane.user) for lane in lanes)
        parts = (row for row in self.under_way() if row.engine == engine and row.parted)
        return turn or any(has_room(Stage(row.stage), row.user) for row in parts)

    def runnable(self, engine: str) -> bool:
        """Is there a lane that could be given a turn?"""
        return engine not in self.paused and any(x.runnable for x in self.lanes.values() if x.engine == engine)

    def waits_for_room(self, engine: str) -> bool:
        """May room stay idle, because a task that must run alone runs, or is to?"""
        here = [*self.under_way(), *(row for mine in self.of_user.values() for row in mine["ready"].values())]
        return any(r.crashes >= SUSPECT and (r.engine == engine or r.state == "ready") for r in here)


def _handed_over(states: list[TaskRow]) -> bool:
    """Was the next part of it handed over in these?"""
    return any(a.parted and b.state == "leased" and not b.parted for a, b in pairwise(states))


def _started(states: list[TaskRow]) -> bool:
    """Was a turn given to the task in these?"""
    return any(a.state == "ready" and b.state in UNDER_WAY for a, b in pairwise(states))
