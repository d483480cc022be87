"""The real ledger under a virtual clock, driven at random by simulated people, workers and faults.

The same seed gives the same story. After every move the invariants hold; then the faults stop, and every task ends.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import pytest
from sqlalchemy import text
from tests.ledger.conftest import VirtualClock
from tests.ledger.invariants import check_invariants

from paperlane.errors import CancelRequested, Conflict, StaleLease, TooMany
from paperlane.ledger import Rules
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import migrate
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
    Progress,
    Retry,
    TaskId,
    UserId,
    WorkerId,
    Yielded,
)

SEEDS = 40
MOVES = 250
USERS = 4
LIMIT = 3
SLOTS = 4
STEPS = ("parse", "check", "report")
FAULT = Fault("injected", "An injected fault.")


class World:
    """Simulated people and workers around one ledger."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = VirtualClock()
        dialect = connect("sqlite://")
        migrate(dialect.writer)
        rules = Rules(system_limit=12, user_backlog=40, system_backlog=100)
        self.ledger = SqlLedger(dialect, rules, clock=self.clock, chance=self.random.random)
        self.numbers: Iterator[int] = count(1)
        self.held: dict[WorkerId, list[Lease]] = {}
        self.granted: dict[WorkerId, int] = {}
        self.frozen: set[WorkerId] = set()
        self.flying: list[Lease] = []  # leases that a broker carries
        self.cancelled: set[TaskId] = set()
        for user in range(1, USERS + 1):
            engine = "database" if user % 2 else "pushed"
            self.ledger.lane(UserId(user), max_running=LIMIT, weight=float(user), engine=engine)

    def close(self) -> None:
        self.ledger.close()

    def some_worker(self) -> WorkerId | None:
        awake = [worker for worker in self.held if worker not in self.frozen]
        return self.random.choice(awake) if awake else None

    # moves

    def submit(self) -> None:
        user = UserId(self.random.randint(1, USERS))
        tasks = [NewTask(TaskId(f"t{next(self.numbers):06}"), b"{}") for _ in range(self.random.randint(1, 5))]
        later = self.clock.now() + 40 if self.random.random() < 0.2 else 0.0
        batch = NewBatch(BatchId(f"b{next(self.numbers):06}"), user, tasks, "", self.random.randint(0, 9), later)
        self.ledger.submit(batch)

    def hire(self) -> None:
        if len(self.held) < 4:
            worker = WorkerId(f"{self.random.choice(['database', 'pushed'])}-{next(self.numbers)}")
            self.granted[worker] = self.ledger.register(worker, worker.split("-")[0], "host", 1, SLOTS)
            self.held[worker] = []

    def step(self) -> None:
        if (worker := self.some_worker()) is None:
            return
        ended = [Ended(lease, self.outcome()) for lease in self.held[worker] if self.random.random() < 0.5]
        self.held[worker] = [lease for lease in self.held[worker] if lease not in {one.lease for one in ended}]
        try:
            if worker.startswith("database"):
                self.held[worker] += self.ledger.step("database", worker, ended, SLOTS)
            else:
                self.ledger.finish(worker, ended)
        except StaleLease:
            del self.held[worker]

    def outcome(self) -> Outcome:
        return self.random.choice(
            [Completed(2.0), Completed(0.1), Failed(FAULT), Retry(FAULT), Cancelled(), Yielded(), Yielded(after=20.0)]
        )

    def dispatch(self) -> None:
        self.flying += self.ledger.lease("pushed", 5)

    def deliver(self) -> None:
        """A broker delivers in any order, sometimes twice, sometimes never."""
        pushed = [worker for worker in self.held if worker.startswith("pushed") and worker not in self.frozen]
        workers = [worker for worker in pushed if len(self.held[worker]) < self.granted[worker]]
        if not self.flying or not workers:
            return
        lease = self.random.choice(self.flying)
        if self.random.random() < 0.7:
            self.flying.remove(lease)
        if self.random.random() < 0.2:
            return
        worker = self.random.choice(workers)
        try:
            self.ledger.begin(lease, worker)
        except StaleLease:
            return
        if lease not in self.held[worker]:
            self.held[worker].append(lease)

    def work(self) -> None:
        worker = self.some_worker()
        if worker is None or not self.held[worker]:
            return
        lease = self.random.choice(self.held[worker])
        done = self.ledger.read(
            lambda c: (
                c.execute(text("SELECT step FROM checkpoints WHERE task_id = :t"), {"t": lease.task}).scalars().all()
            )
        )
        left = [step for step in STEPS if step not in done]
        if not left:
            return
        try:
            self.ledger.started(lease, worker, Progress(left[0], 10.0 * len(done)))
            assert lease.task not in self.cancelled, "a step started after its cancel was acknowledged"
            if self.random.random() < 0.7:
                saved = Checkpoint(left[0], "key", b"result")
                self.ledger.save(lease, worker, saved, Progress(left[0], 10.0 * len(done) + 10))
        except (StaleLease, CancelRequested):
            self.held[worker].remove(lease)

    def beat(self) -> None:
        for worker in [worker for worker in self.held if worker not in self.frozen]:
            renewal = self.ledger.renew(worker, self.held[worker])
            gone = {*renewal.lost, *renewal.cancelled}
            self.held[worker] = [lease for lease in self.held[worker] if lease not in gone]
            self.ledger.finish(worker, [Ended(lease, Cancelled()) for lease in renewal.cancelled])
            if not renewal.known:
                del self.held[worker]

    def freeze(self) -> None:
        if (worker := self.some_worker()) is not None:
            self.frozen.add(worker)

    def thaw(self) -> None:
        self.frozen.clear()

    def kill(self) -> None:
        if (worker := self.some_worker()) is not None:
            del self.held[worker]
            if self.random.random() < 0.5:  # its parent saw it die
                self.ledger.leave(worker)

    def cancel(self) -> None:
        tasks = self.ledger.tasks(limit=50)
        if tasks:
            task = self.random.choice(tasks).id
            try:
                self.ledger.cancel(task)
            except Conflict:
                return
            self.cancelled.add(task)

    def replay(self) -> None:
        ended = [task for task in self.ledger.tasks(limit=50) if task.status in {"failed", "cancelled"}]
        if ended:
            task = self.random.choice(ended).id
            self.ledger.retry(task)
            self.cancelled.discard(task)

    def move_lane(self) -> None:
        user = UserId(self.random.randint(1, USERS))
        self.ledger.lane(user, engine=self.random.choice(["database", "pushed"]))

    def pass_time(self) -> None:
        self.clock.pass_time(self.random.choice([0.5, 5.0, 15.0]))

    def sweep(self) -> None:
        assert self.ledger.recover().drifted == 0

    def moves(self) -> list[Callable[[], None]]:
        often = [
            self.submit,
            self.step,
            self.step,
            self.work,
            self.work,
            self.work,
            self.deliver,
            self.deliver,
            self.dispatch,
        ]
        sometimes = [self.beat, self.sweep, self.hire, self.pass_time, self.cancel, self.replay]
        return [*often, *often, *sometimes, *sometimes, self.freeze, self.thaw, self.kill, self.move_lane]

    # oracles

    def check(self) -> None:
        check_invariants(self.ledger)
        running = "SELECT max(running) FROM lanes"
        assert (self.ledger.read(lambda c: c.exec_driver_sql(running).scalar()) or 0) <= LIMIT
        held = [lease for leases in self.held.values() for lease in leases]
        live = "SELECT id, fence FROM tasks WHERE state = 'running'"
        truly = {(row.id, row.fence) for row in self.ledger.read(lambda c: c.exec_driver_sql(live).all())}
        holders = [(lease.task, lease.fence) for lease in held if (lease.task, lease.fence) in truly]
        assert len(holders) == len(set(holders)), "two workers hold one live lease"

    def heal(self) -> None:
        """Good workers, no more faults: every task must end."""
        self.frozen.clear()
        self.held.clear()
        self.flying.clear()
        for _ in range(600):
            self.clock.pass_time(5.0)
            self.ledger.recover()
            for engine in ("database", "pushed"):
                worker = WorkerId(f"healer-{engine}")
                self.ledger.register(worker, engine, "host", 1, 3)
                if engine == "pushed":
                    for lease in self.ledger.lease(engine, 3):
                        self.ledger.begin(lease, worker)
                        self.ledger.finish(worker, [Ended(lease, Completed(1.0))])
                else:
                    leases = self.ledger.step(engine, worker, [], 3)
                    self.ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases])
            if all(task.state.ended for task in self.ledger.tasks(limit=10_000)):
                return
        left = [task for task in self.ledger.tasks(limit=10_000) if not task.state.ended]
        raise AssertionError(left)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_story_breaks_an_invariant_or_loses_a_task(seed: int):
    world = World(seed)
    moves = world.moves()
    for _ in range(MOVES):
        move = world.random.choice(moves)
        with suppress(TooMany):
            move()
        world.check()
    world.heal()
    world.check()
    world.close()


def test_the_same_seed_tells_the_same_story():
    def story() -> list[tuple[object, ...]]:
        world = World(3)
        for _ in range(150):
            world.random.choice(world.moves())()
        rows = world.ledger.read(
            lambda c: c.exec_driver_sql("SELECT task_id, seq, kind, at FROM events ORDER BY 1, 2").all()
        )
        world.close()
        return [tuple(row) for row in rows]

    assert story() == story()
