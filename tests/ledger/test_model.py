"""The ledger does what a dictionary would: whatever is asked of it in whatever order, both say the same."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from tests.databases import IN_MEMORY, Databases, empty_all, migrated
from tests.ledger.conftest import VirtualClock
from tests.ledger.invariants import check_invariants

from paperlane.errors import CancelRequested, Conflict, StaleLease
from paperlane.ledger import Rules
from paperlane.ledger.schema import lanes, tasks
from paperlane.ledger.sql import SqlLedger
from paperlane.model.tasks import (
    BatchId,
    Cancelled,
    Checkpoint,
    Completed,
    Ended,
    Failed,
    Fault,
    Lease,
    NewBatch,
    NewTask,
    Outcome,
    Paused,
    Progress,
    Retry,
    Stage,
    TaskId,
    UserId,
    WorkerId,
    Yielded,
)

EXAMPLES = {IN_MEMORY: 40, "sqlite file": 4, "postgresql": 4, "mariadb": 4}
STEPS = 60
FAULT = Fault("injected", "An injected fault.")
ENGINES = {1: "database", 2: "database", 3: "pushed"}
RULES = Rules(system_limit=8, user_limit=2)
ENDED = ("completed", "failed", "cancelled")
SUSPECT = RULES.max_crashes - 1

users = st.sampled_from(sorted(ENGINES))
picks = st.integers(0, 1_000)
outcomes = st.sampled_from(
    [
        *[Completed(1.0), Failed(FAULT, 1.0), Retry(FAULT, 1.0), Cancelled(1.0), Yielded(), Yielded(after=10.0)],
        *[Paused(Stage.MODEL, 0.5), Paused(Stage.CPU, 0.5)],
    ]
)


@dataclass
class Task:
    """What the model knows of a task."""

    user: int
    order: float
    state: str
    run_at: float = 0.0
    fence: int = 0
    run: int = 1
    retries: int = 0
    crashes: int = 0
    cancel: int = 0
    worker: str = ""
    until: float = 0.0
    begun: float = 0.0
    parted: bool = False
    ends: Counter[str] = field(default_factory=Counter)

    @property
    def under_way(self) -> bool:
        return self.state in {"leased", "running"}

    def queue(self, now: float, after: float = 0.0) -> None:
        self.state, self.run_at = ("waiting", now + after) if after > 0 else ("ready", 0.0)
        self.worker, self.until, self.parted = "", 0.0, False

    def end(self, state: str) -> None:
        self.state, self.worker, self.until, self.parted = state, "", 0.0, False
        self.ends[state] += 1

    def hand_out(self, now: float, *, parted: bool = False) -> None:
        """It is leased and nobody runs it."""
        self.state, self.worker, self.until, self.parted = "leased", "", now + RULES.undelivered, parted

    def begin(self, worker: str, now: float) -> None:
        """It runs at this worker."""
        self.state, self.worker, self.until, self.begun = "running", worker, now + RULES.lease, now

    def take(self, outcome: Outcome, now: float) -> None:
        """What an outcome makes of it."""
        match outcome:
            case _ if self.cancel:
                self.end("cancelled")
            case Completed():
                self.end("completed")
            case Cancelled():
                self.end("cancelled")
            case Retry() if self.retries < RULES.max_retries:
                self.queue(now, RULES.retry_delay * 2**self.retries)
                self.retries += 1
            case Yielded(after):
                self.queue(now, after)
            case Paused():
                self.fence += 1
                self.hand_out(now, parted=True)
            case _:
                self.end("failed")

    def crash(self, now: float) -> None:
        """Its worker is gone."""
        self.crashes += 1
        if self.cancel:
            self.crashes -= 1
            self.end("cancelled")
        elif self.crashes >= RULES.max_crashes:
            self.end("failed")
        else:
            self.queue(now)


@dataclass
class Model:
    """The ledger, as a dictionary of tasks and two of figures."""

    tasks: dict[str, Task] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=lambda: dict.fromkeys(ENGINES, RULES.user_limit))
    workers: dict[str, tuple[str, int, float]] = field(default_factory=dict)  # engine, slots, seen at

    def of(self, user: int, *states: str) -> list[tuple[float, str]]:
        return sorted((t.order, name) for name, t in self.tasks.items() if t.user == user and t.state in states)

    def running(self, user: int) -> int:
        return len(self.of(user, "leased", "running"))

    def held(self, worker: str) -> list[str]:
        return [name for name, task in self.tasks.items() if task.worker == worker]

    def taken(self) -> int:
        """Slots that nobody else is granted: where more was handed out than its engine's workers have, that too."""
        taken = 0
        for engine in {engine for engine, _, _ in self.workers.values()}:
            slots = {worker: of for worker, (carried_by, of, _) in self.workers.items() if carried_by == engine}
            free = sum(max(0, of - len(self.held(worker))) for worker, of in slots.items())
            handed = [t for t in self.tasks.values() if t.state == "leased" and ENGINES[t.user] == engine]
            taken += sum(max(of, len(self.held(worker))) for worker, of in slots.items()) + max(0, len(handed) - free)
        return taken

    def come_due(self, now: float) -> None:
        for task in self.tasks.values():
            if task.state == "waiting" and task.run_at <= now:
                task.queue(now)

    def turns(self, engine: str) -> int:
        """How many tasks could start if there were room for all."""
        mine = [user for user, of in ENGINES.items() if of == engine]
        return sum(max(0, min(len(self.of(u, "ready")), self.limits[u] - self.running(u))) for u in mine)

    def has_suspects(self) -> bool:
        return any(task.crashes >= SUSPECT and task.state not in ENDED for task in self.tasks.values())


class Asked(RuleBasedStateMachine):
    """Asks the ledger and the model the same."""

    url = ""
    kept: SqlLedger | None = None

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        if self.kept is None:
            type(self).kept = SqlLedger(migrated(self.url), RULES)
        assert self.kept is not None
        empty_all(self.kept.dialect)
        self.ledger = SqlLedger(self.kept.dialect, RULES, clock=self.clock, chance=lambda: 0.5)
        self.model = Model()
        self.numbers: Iterator[int] = count(1)
        self.leased: list[Lease] = []  # everything that was ever handed out, good or not

    @initialize()
    def begin_with_lanes_and_workers(self) -> None:
        for user, engine in ENGINES.items():
            self.ledger.lane(UserId(user), max_running=RULES.user_limit, engine=engine)
        for engine in ("database", "pushed"):
            self.join(engine, 3)

    # people

    @rule(user=users, many=st.integers(1, 3), priority=st.integers(4, 6), later=st.sampled_from([0.0, 0.0, 15.0, 40.0]))
    def submit(self, user: int, many: int, priority: int, later: float) -> None:
        now = self.clock.now()
        names = [TaskId(f"t{next(self.numbers):05}") for _ in range(many)]
        run_at = now + later if later else 0.0
        new = [NewTask(name, b"{}") for name in names]
        self.ledger.submit(NewBatch(BatchId(f"b{next(self.numbers):05}"), UserId(user), new, "", priority, run_at))
        for name in names:
            order = max(now, run_at) - priority * RULES.ageing
            self.model.tasks[name] = Task(user, order, "waiting" if later else "ready", run_at)

    @rule(pick=picks)
    @precondition(lambda self: self.model.tasks)
    def cancel(self, pick: int) -> None:
        name, task = self.some(pick)
        if task.state in {"completed", "failed"}:
            with pytest.raises(Conflict):
                self.ledger.cancel(name)
            return
        self.ledger.cancel(name)
        if task.state == "running":
            task.cancel = 1
        elif task.state != "cancelled":
            task.end("cancelled")

    @rule(pick=picks)
    @precondition(lambda self: self.model.tasks)
    def retry(self, pick: int) -> None:
        name, task = self.some(pick)
        if task.state not in {"failed", "cancelled"}:
            with pytest.raises(Conflict):
                self.ledger.retry(name)
            return
        self.ledger.retry(name)
        task.queue(self.clock.now())
        task.run += 1
        task.retries = task.crashes = task.cancel = 0

    @rule(user=users, limit=st.integers(1, 4))
    def limit(self, user: int, limit: int) -> None:
        self.ledger.lane(UserId(user), max_running=limit)
        self.model.limits[user] = limit

    def some(self, pick: int) -> tuple[TaskId, Task]:
        name = sorted(self.model.tasks)[pick % len(self.model.tasks)]
        return TaskId(name), self.model.tasks[name]

    # workers

    @rule(engine=st.sampled_from(["database", "pushed"]), slots=st.integers(1, 4))
    def join(self, engine: str, slots: int) -> None:
        worker = f"{engine}{next(self.numbers)}"
        granted = max(0, min(slots, RULES.system_limit - self.model.taken()))
        assert self.ledger.register(WorkerId(worker), engine, "host", 1, slots) == granted
        self.model.workers[worker] = (engine, granted, self.clock.now())

    def some_worker(self, pick: int, engine: str) -> WorkerId | None:
        mine = sorted(name for name, (of, _, _) in self.model.workers.items() if of == engine)
        return WorkerId(mine[pick % len(mine)]) if mine else None

    @rule(pick=picks, outcome=outcomes, ends=st.integers(0, 3), room=st.integers(0, 4))
    def step(self, pick: int, outcome: Outcome, ends: int, room: int) -> None:
        now = self.clock.now()
        if (worker := self.some_worker(pick, "database")) is None:
            return
        ending = self.model.held(worker)[:ends]
        told = [Ended(Lease(TaskId(name), self.model.tasks[name].fence), outcome) for name in ending]
        leases = self.ledger.step("database", worker, told, room)
        for name in ending:
            self.model.tasks[name].take(outcome, now)
        free = min(room, self.model.workers[worker][1] - len(self.model.held(worker)))
        if free > 0:
            self.model.come_due(now)
        self.takes(leases, "database", max(0, free))
        for lease in leases:
            self.model.tasks[lease.task].begin(worker, now)

    def takes(self, leases: Sequence[Lease], engine: str, room: int) -> None:
        """As many as there is room and work for, each user's in their order, each under its next fence."""
        most = min(room, self.model.turns(engine))
        assert len(leases) <= most
        assert len(leases) == most or self.model.has_suspects()
        for user in {self.model.tasks[lease.task].user for lease in leases}:
            names = [lease.task for lease in leases if self.model.tasks[lease.task].user == user]
            heads = [name for _, name in self.model.of(user, "ready")][: len(names)]
            assert names == heads or self.model.has_suspects()
            assert ENGINES[user] == engine
        for lease in leases:
            self.model.tasks[lease.task].fence += 1
            assert lease.fence == self.model.tasks[lease.task].fence
        self.leased += leases

    @rule(most=st.integers(1, 3))
    def lease(self, most: int) -> None:
        now = self.clock.now()
        silent = {name for name, (_, _, seen) in self.model.workers.items() if seen <= now - RULES.lease}
        mine = {name: slots for name, (engine, slots, _) in self.model.workers.items() if engine == "pushed"}
        granted = sum(slots for name, slots in mine.items() if name not in silent)
        held = [task for task in self.model.tasks.values() if task.under_way and ENGINES[task.user] == "pushed"]
        out = [task for task in held if task.worker not in silent]
        between = sorted((t.begun, name) for name, t in self.model.tasks.items() if t.parted and t in held)
        slots = granted - sum(not task.parted for task in out)
        over = between[: max(0, min(most, slots))] if mine.keys() - silent else []
        leases = list(self.ledger.lease("pushed", most))
        parts, turns = leases[: len(over)], leases[len(over) :]
        assert [(part.task, part.fence) for part in parts] == [(x, self.model.tasks[x].fence) for _, x in over]
        self.leased += parts
        if (room := min(most - len(over), slots - len(over), granted - len(out))) > 0:
            self.model.come_due(now)
        self.takes(turns, "pushed", max(0, room))
        for lease in leases:
            self.model.tasks[lease.task].hand_out(now)
        for _, name in between[len(over) :] if mine.keys() - silent else []:
            if self.model.tasks[name].until < now + RULES.undelivered / 2:
                self.model.tasks[name].until = now + RULES.undelivered

    @rule(pick=picks, who=picks)
    @precondition(lambda self: self.leased)
    def begin(self, pick: int, who: int) -> None:
        lease = self.leased[-1 - pick % min(len(self.leased), 6)]
        task = self.model.tasks[lease.task]
        worker = self.some_worker(who, "pushed")
        if worker is None:
            return
        if len(self.model.held(worker)) >= self.model.workers[worker][1]:
            return  # a broker brings a worker no more than it has slots
        good = lease.fence == task.fence
        if good and task.state == "running" and task.worker == worker:
            self.ledger.begin(lease, worker)
        elif good and task.state == "leased":
            attempt = self.ledger.begin(lease, worker)
            task.begin(worker, self.clock.now())
            assert (attempt.user, attempt.number) == (task.user, task.retries + 1)
        else:
            with pytest.raises(StaleLease):
                self.ledger.begin(lease, worker)

    @rule(pick=picks, who=picks, outcome=outcomes, engine=st.sampled_from(["database", "pushed"]))
    @precondition(lambda self: self.leased)
    def finish(self, pick: int, who: int, outcome: Outcome, engine: str) -> None:
        """Also what was over long ago, and what others hold."""
        lease = self.leased[-1 - pick % min(len(self.leased), 6)]
        if (worker := self.some_worker(who, engine)) is None:
            return
        self.ledger.finish(worker, [Ended(lease, outcome)])
        if self.holds(worker, lease):
            self.model.tasks[lease.task].take(outcome, self.clock.now())

    def holds(self, worker: str, lease: Lease) -> bool:
        task = self.model.tasks[lease.task]
        return (task.state, task.worker, task.fence) == ("running", worker, lease.fence)

    @rule(pick=picks, who=picks, engine=st.sampled_from(["database", "pushed"]))
    @precondition(lambda self: self.leased)
    def work(self, pick: int, who: int, engine: str) -> None:
        lease = self.leased[-1 - pick % min(len(self.leased), 6)]
        if (worker := self.some_worker(who, engine)) is None:
            return
        held, cancelled = self.holds(worker, lease), self.model.tasks[lease.task].cancel
        step = f"step{next(self.numbers)}"
        try:
            self.ledger.started(lease, worker, Progress(step, 10))
            self.ledger.save(lease, worker, Checkpoint(step, "key", step.encode()), Progress(step, 20))
        except StaleLease:
            assert not held
        except CancelRequested:
            assert held
            assert cancelled
        else:
            assert held
            assert not cancelled
            assert self.ledger.checkpoint(lease.task, step, "key") == step.encode()

    @rule(who=picks, engine=st.sampled_from(["database", "pushed"]))
    def renew(self, who: int, engine: str) -> None:
        if (worker := self.some_worker(who, engine)) is None:
            return
        renewal = self.ledger.renew(worker, self.leased)
        assert renewal.known
        assert set(renewal.lost) == {lease for lease in self.leased if not self.holds(worker, lease)}
        kept = [lease for lease in self.leased if self.holds(worker, lease)]
        assert set(renewal.cancelled) == {lease for lease in kept if self.model.tasks[lease.task].cancel}
        for lease in kept:
            self.model.tasks[lease.task].until = self.clock.now() + RULES.lease
        _, slots, _ = self.model.workers[worker]
        self.model.workers[worker] = (engine, slots, self.clock.now())

    @rule(who=picks, engine=st.sampled_from(["database", "pushed"]))
    def leave(self, who: int, engine: str) -> None:
        if (worker := self.some_worker(who, engine)) is None:
            return
        self.ledger.leave(worker)
        for name in self.model.held(worker):
            self.model.tasks[name].crash(self.clock.now())
        del self.model.workers[worker]

    # time

    @rule(seconds=st.sampled_from([1.0, 5.0, 29.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.pass_time(seconds)

    @rule()
    def recover(self) -> None:
        now = self.clock.now()
        found = self.ledger.recover()
        over = [task for task in self.model.tasks.values() if task.under_way and task.until <= now]
        states = [task.state for task in over]
        assert (found.expired, found.undelivered, found.drifted) == (states.count("running"), states.count("leased"), 0)
        for task in over:
            if task.state == "running":
                task.crash(now)
            else:
                task.queue(now)
        for worker, (_, _, seen) in list(self.model.workers.items()):
            if seen <= now - RULES.lease and not self.model.held(worker):
                del self.model.workers[worker]
        assert {member.id for member in self.ledger.members()} == set(self.model.workers)

    # both say the same

    @invariant()
    def the_same(self) -> None:
        names = ("user_id", "state", "fence", "run", "retries", "crashes", "cancel", "worker_id", "lease_until")
        columns = [tasks.c.id, *(tasks.c[name] for name in names)]
        there = {row[0]: tuple(row[1:]) for row in self.ledger.read(lambda c: c.execute(select(*columns)).all())}
        said = {
            name: (t.user, t.state, t.fence, t.run, t.retries, t.crashes, t.cancel, t.worker, t.until)
            for name, t in self.model.tasks.items()
        }
        # who has no lease any more has nothing that ends; when a cancelled one would have ended is nobody's business
        assert {name: row[:-1] for name, row in there.items()} == {name: row[:-1] for name, row in said.items()}
        assert {name: row[-1] for name, row in there.items() if row[1] in {"leased", "running"}} == {
            name: row[-1] for name, row in said.items() if row[1] in {"leased", "running"}
        }
        counted = select(lanes.c.user_id, lanes.c.ready, lanes.c.waiting, lanes.c.running, lanes.c.max_running)
        ends = select(lanes.c.user_id, lanes.c.completed, lanes.c.failed, lanes.c.cancelled)
        assert {row[0]: tuple(row[1:]) for row in self.ledger.read(lambda c: c.execute(ends).all())} == {
            user: tuple(
                sum(task.ends[state] for task in self.model.tasks.values() if task.user == user) for state in ENDED
            )
            for user in ENGINES
        }
        counters = {row[0]: tuple(row[1:]) for row in self.ledger.read(lambda c: c.execute(counted).all())}
        assert all(
            counters[user]
            == (len(self.model.of(user, "ready")), len(self.model.of(user, "waiting")), self.model.running(user), limit)
            for user, limit in self.model.limits.items()
            if user in counters
        )

    def teardown(self) -> None:
        check_invariants(self.ledger)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_ledger_does_what_a_dictionary_would(kind: str, databases: Databases, tmp_path: Path):
    class Here(Asked):
        url = next(databases.urls(kind, tmp_path))

    try:
        run_state_machine_as_test(
            Here,
            settings=settings(settings.default, max_examples=EXAMPLES[kind], stateful_step_count=STEPS, deadline=None),
        )
    finally:
        if Here.kept is not None:
            Here.kept.close()
