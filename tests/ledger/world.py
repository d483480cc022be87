"""People, operators, workers, a broker and faults around one ledger, and what each of them may expect of it.

Every method of `World` that needs nothing is a move of a story (`simulation.py`). So is what processes do beside their
workers: schedules and retention (`upkeep.py`).
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from pysqlite3 import dbapi2
from sqlalchemy import event, text
from tests.databases import empty_all
from tests.ledger.auditor import ENDED, Auditor, watch
from tests.ledger.disk import LARGE, Died, Disk
from tests.ledger.upkeep import KEPT, KEY_KEPT, USERS, Upkeep

from paperlane.errors import CancelRequested, Conflict, StaleLease, TooMany, Unavailable
from paperlane.ledger import Note, Rules
from paperlane.ledger.dialects import Dialect
from paperlane.ledger.sql import SqlLedger, connect
from paperlane.migrations import migrate
from paperlane.model.tasks import (
    EVERYTHING,
    BatchId,
    Cancelled,
    Channel,
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
from paperlane.rollout import flags

SLOTS = 4
SYSTEM = 12
STEPS = ("parse", "check", "report")
FAULT = Fault("injected", "An injected fault.")
TICK = 1e-5
POLL, SWEEP = 1.0, 10.0
CHANNELS = (
    [EVERYTHING],
    [EVERYTHING],
    [Channel(frozenset({Stage.CPU})), Channel(frozenset({Stage.MODEL}))],
    [Channel(shard=0, shards=2), Channel(shard=1, shards=2)],
    [Channel(shard=shard, shards=3) for shard in range(3)],
    [Channel(frozenset({Stage.CPU}), 0, 2), Channel(frozenset({Stage.CPU}), 1, 2), Channel(frozenset({Stage.MODEL}))],
)
LONGEST_PUT_OFF = 22.0 + 10.0  # the last retry, and by what clocks may be apart
RULES = Rules(system_limit=SYSTEM, user_backlog=40, system_backlog=100, key_kept=KEY_KEPT)


class Broken(AssertionError):
    """A promise was broken."""


@dataclass
class Clock:
    """Virtual time; `jumped` is by how much the database's clock is wrong. No two transactions are at one instant."""

    at: float = 1_000_000.0
    jumped: float = 0.0
    told: float = 0.0  # of it, when a transaction last asked
    noticed_at: float = -1e9

    def now(self) -> float:
        self.at += TICK
        if self.jumped != self.told:  # set and set right again between two transactions, nobody can notice
            self.told, self.noticed_at = self.jumped, self.at
        return self.at + self.jumped

    def monotonic(self) -> float:
        return self.at


class Place:
    """A ledger's database in memory, made once and used by story after story; it loses commits when it is told to."""

    def __init__(self) -> None:
        self.dialect: Dialect = connect("sqlite://")
        migrate(self.dialect.writer)
        self.auditor = Auditor()
        self.faults: list[str] = []  # of the next commits: "refused", "lost" or "unheard"
        self.unsure = 0  # commits that had no answer
        self.audited = True
        with self.dialect.writer.begin() as connection:
            connection_of_driver = connection.connection.dbapi_connection
            watch(connection_of_driver)
        of = self.dialect.writer.dialect
        self._commit, of.do_commit = of.do_commit, self.commit  # type: ignore[method-assign]
        # a connection that counts as broken is replaced by itself, for with it the database would be gone
        of.do_close = of.do_terminate = lambda connection: connection.rollback()  # type: ignore[method-assign]
        event.listen(self.dialect.writer, "do_connect", lambda *_: connection_of_driver)
        event.listen(self.dialect.writer, "handle_error", self._lose)

    def commit(self, connection: Any) -> None:
        """Commit, unless it is to be lost; and say that it failed, although it did not, when it is to be unheard of."""
        fault = self.faults.pop(0) if self.faults else ""
        self.unsure += fault in {"lost", "unheard"}
        if fault in {"refused", "lost"}:
            raise dbapi2.OperationalError(f"injected: {fault}")
        self._commit(connection)
        if self.audited:
            self.auditor.read(connection.dbapi_connection)
        if fault == "unheard":
            raise dbapi2.OperationalError(f"injected: {fault}")

    @staticmethod
    def _lose(context: Any) -> None:
        """With a commit whose fate is unknown the connection is gone."""
        if any(f"injected: {fault}" in str(context.original_exception) for fault in ("lost", "unheard")):
            context.is_disconnect = True

    def clean(self) -> Auditor:
        """Empty it for a new story; who audits that."""
        self.faults.clear()
        self.audited = False
        empty_all(self.dialect)
        with self.dialect.writer.begin() as connection:
            connection.execute(text("DELETE FROM log"))
            connection.execute(
                text("INSERT INTO users (id, name, role, group_name, created_at) VALUES (1, 'ada', 'user', '', 0)")
            )  # whose records are old
        self.auditor, self.audited = Auditor(), True
        return self.auditor


_PLACE: list[Place] = []


def place() -> Place:
    """The one of this process."""
    if not _PLACE:
        _PLACE.append(Place())
    return _PLACE[0]


@dataclass
class Worker:
    """A simulated process: what it believes to run, what it was granted, and outcomes that it has yet to tell."""

    id: WorkerId
    engine: str
    granted: int = 0
    held: list[Lease] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    frozen: bool = False
    key: str = "key"  # of the version of the steps that it knows
    channel: Channel = EVERYTHING
    unsure: list[SqlLedger] = field(default_factory=list)  # where claims had no answer: it may run more than it knows


class World:
    """People, workers and a broker around one ledger."""

    def __init__(self) -> None:
        self.place = place()
        self.sees = self.place.clean()
        self.clock = Clock()
        self.sees.now = lambda: self.clock.at + self.clock.jumped
        self.sees.archive.kept, self.sees.archive.shortest = KEPT, RULES.key_kept
        self.random = random.Random(0)
        self.disk = Disk(self.sees, self.clock.monotonic, unsure=lambda: self.place.unsure)
        self.sees.is_there, self.sees.lost = self.disk.files.__contains__, self.disk.lost
        self.upkeep = Upkeep(self)
        self.ledger = self._process()
        self.another = self._process()
        self.numbers: Iterator[int] = count(1)
        self.workers: list[Worker] = []
        self.flying: list[tuple[float, Lease]] = []  # leases that a broker carries, each not before its time
        self.unsure: list[NewBatch] = []  # batches whose submit failed
        self.accepted: dict[BatchId, NewBatch] = {}
        self.handed: set[tuple[TaskId, int]] = set()
        self.results: dict[tuple[TaskId, str], dict[str, set[bytes]]] = {}  # what each key's may be
        self.key = "key"
        self.channels = [EVERYTHING]
        self.faults = 0
        self.jumps = 0
        self.system_limit = SYSTEM
        self.limits: dict[int, set[int]] = {user: {3} for user in range(1, USERS + 1)}  # what each user's own may be
        for user in range(1, USERS + 1):
            engine = "database" if user % 2 else "pushed"
            self.ledger.lane(UserId(user), max_running=3, weight=float(user), engine=engine)

    def _process(self) -> SqlLedger:
        """One that knows of what was before only what is written down."""
        made = SqlLedger(self.place.dialect, RULES, clock=self.clock, chance=self.random.random, files=self.disk)
        made._transactions.chance = lambda: 0.0
        return made

    def play(self, name: str, dice: int) -> None:
        """One move. Broken when the ledger broke a promise by it."""
        self.random.seed(dice)
        move = getattr(self, name, None) or getattr(self.upkeep, name)
        try:
            with suppress(TooMany):
                move()
        except Unavailable as error:
            if "injected" not in error.message:
                raise
        except Died:
            self.workers = [worker for worker in self.workers if worker.id != (self.sees.actor or ("",))[0]]
        finally:
            self.sees.actor = None
        self.sees.trace.update(name.encode())
        if self.sees.broken:
            raise Broken("; ".join(self.sees.broken[:5]))

    def some(self, engine: str = "", *, busy: bool = False) -> Worker | None:
        awake = [
            w for w in self.workers if not w.frozen and (not engine or w.engine == engine) and (w.held or not busy)
        ]
        return self.random.choice(awake) if awake else None

    def some_task(self, *states: str) -> TaskId | None:
        found = sorted(task.id for task in self.sees.tasks.values() if not states or task.state in states)
        return TaskId(self.random.choice(found)) if found else None

    def acts(self, worker: Worker, leases: Sequence[Lease]) -> None:
        """From here to the end of the move these are the only running tasks that may change."""
        self.sees.actor = (worker.id, set(leases))

    # people

    def submit(self) -> None:
        user = UserId(self.random.randint(1, USERS))
        tasks = [NewTask(TaskId(f"t{next(self.numbers):06}"), b"{}") for _ in range(self.random.randint(1, 5))]
        later = self.clock.at + self.clock.jumped + 40 if self.random.random() < 0.2 else 0.0
        key = f"k{self.random.randint(1, 30)}" if self.random.random() < 0.4 else ""
        number = next(self.numbers)
        batch = NewBatch(
            BatchId(f"b{number:06}"), user, tasks, "", self.random.randint(0, 9), later, key, str(number) if key else ""
        )
        if (user, key) not in {(b.user, b.key) for b in [*self.accepted.values(), *self.unsure] if b.key}:
            self._submit(batch)

    def submit_again(self) -> None:
        """Who is not sure sends the same again: under its key with other ids, without one with the same."""
        if self.unsure:
            batch = self.unsure.pop(self.random.randrange(len(self.unsure)))
            if not self.sees.forgotten & {task.id for task in batch.tasks}:  # nobody asks again so late
                self._submit(self._anew(batch) if batch.key else batch, batch)
        elif keyed := [batch for batch in self.accepted.values() if batch.key]:
            batch = self.random.choice(keyed)
            holder, since = self.sees.key_of(batch.user, batch.key) or ("", float("-inf"))
            left = since + RULES.key_kept - self.clock.at - self.clock.jumped  # seconds for which its key is known
            if holder != batch.id or left < 1.0:
                return
            known, fresh = self.ledger.submit(self._anew(batch))
            self.sees.expect((known.id, fresh) == (batch.id, False), "1: a known key gave another batch", batch, known)

    def _anew(self, batch: NewBatch) -> NewBatch:
        as_before = batch.tasks or [NewTask(TaskId("any"), b"{}")]  # of a known key it does not matter what it brings
        tasks = [replace(task, id=TaskId(f"t{next(self.numbers):06}")) for task in as_before]
        return replace(batch, id=BatchId(f"b{next(self.numbers):06}"), tasks=tasks)

    def _submit(self, batch: NewBatch, first: NewBatch | None = None) -> None:
        try:
            made, fresh = self.ledger.submit(batch)
        except Unavailable:
            self.unsure.append(batch)
            raise
        except Conflict:  # it was there already, so it is accepted
            self.submitted(batch)
            return
        if fresh:
            self.submitted(batch)
        else:
            self.sees.expect(first is not None, "1: a new key is known", batch)
            self.sees.expect(made.content == batch.content, "1: another batch than asked for", made, batch)
            self.submitted(replace(batch, id=made.id, tasks=[]), len(batch.tasks))

    def submitted(self, batch: NewBatch, size: int = 0) -> None:
        """The ledger said yes: all of it must be there."""
        self.accepted[batch.id] = batch
        there = self.sees.sizes.get(batch.id, 0)
        self.sees.expect(
            there == (size or len(batch.tasks)), "1: of an accepted batch", there, "tasks are there", batch
        )
        missing = [
            task.id for task in batch.tasks if task.id not in self.sees.tasks and task.id not in self.sees.forgotten
        ]
        self.sees.expect(not missing, "1: accepted and not there", missing)

    def cancel(self) -> None:
        states = self.random.choice([("running",), ("ready", "waiting", "leased", "running")])
        if (task := self.some_task(*states)) is not None:
            with suppress(Conflict):
                self.ledger.cancel(task)
                self.sees.cancelled.add(task)

    def replay(self) -> None:
        if (task := self.some_task("failed", "cancelled")) is not None:
            acknowledged = task in self.sees.cancelled
            self.sees.cancelled.discard(task)
            try:
                self.ledger.retry(task)
            finally:
                if acknowledged and self.sees.tasks[task].state == "cancelled":
                    self.sees.cancelled.add(task)

    def look(self) -> None:
        """What people see is what there is."""
        if (task := self.some_task()) is not None:
            seen, true = self.ledger.task(task), self.sees.tasks[task]
            self.sees.expect((seen.state.value, seen.seq) == (true.state, true.seq), "2: seen", seen, "true", true)
        due = any(task.state == "waiting" for task in self.sees.tasks.values())
        for engine in ("database", "pushed"):
            says = self.ledger.runnable(engine)
            there = self.sees.runnable(engine) or any(t.parted and t.engine == engine for t in self.sees.under_way())
            self.sees.expect(says or not there, "5: a runnable lane, or a part, is not seen", engine)
            self.sees.expect(not says or due or there, "5: nothing is runnable", engine)

    # operators

    def split(self) -> None:
        """Who comes to the pushed engine from now on serves a stage only, or a shard, or everything."""
        self.channels = self.random.choice(CHANNELS)

    def limit(self) -> None:
        user, limit = UserId(self.random.randint(1, USERS)), self.random.choice([1, 1, 2, 3, 5])
        self.limits[user].add(limit)  # it may be, where no answer comes
        self.ledger.lane(user, max_running=limit)
        self.limits[user] = {limit}

    def semaphore(self) -> None:
        """Users' own limits are switched off or on; and who switched may die before all lanes follow."""
        self._switch(on=self.random.random() < 0.5)
        after: UserId | None = UserId(0)
        while after is not None and self.random.random() < 0.8:
            _, after = self.ledger.bound(after, most=2)

    def _switch(self, *, on: bool) -> None:
        self.ledger.write(lambda connection: flags.switch(connection, {flags.USER_SEMAPHORE: on}, 0.0, UserId(0)))

    def weigh(self) -> None:
        self.ledger.lane(UserId(self.random.randint(1, USERS)), weight=self.random.choice([0.5, 1.0, 2.0, 4.0]))

    def move_lane(self) -> None:
        self.ledger.lane(UserId(self.random.randint(1, USERS)), engine=self.random.choice(["database", "pushed"]))

    def pause(self) -> None:
        paused = self.random.random() < 0.25
        if self.random.random() < 0.5:
            self.ledger.pause(self.random.choice(["database", "pushed"]), paused=paused)
        else:
            self.ledger.lane(UserId(self.random.randint(1, USERS)), paused=paused)

    def system(self) -> None:
        """The whole system's limit changes, and with it what is granted."""
        most = self.random.choice([1, 4, 8, SYSTEM, None, None, None, None])
        self.system_limit = SYSTEM  # if the answer is lost, it is one or the other
        self.ledger.limit(most)
        self.system_limit = SYSTEM if most is None else most
        granted = sum(slots for _, slots in self.sees.workers.values())
        self.sees.expect(granted <= self.system_limit, "4: granted", granted, "of", self.system_limit)

    # workers

    def hire(self) -> None:
        if len(self.workers) < 5:
            engine = self.random.choice(["database", "pushed"])
            channel = self.random.choice(self.channels) if engine == "pushed" else EVERYTHING
            worker = Worker(WorkerId(f"{engine}-{next(self.numbers)}"), engine, key=self.key, channel=channel)
            self.workers.append(worker)
            self._register(worker)

    def _register(self, worker: Worker) -> None:
        worker.granted = self.ledger.register(worker.id, worker.engine, "host", 1, SLOTS, channel=worker.channel)
        granted = sum(slots for _, slots in self.sees.workers.values())
        self.sees.expect(granted <= self.system_limit, "4: granted", granted, "of", self.system_limit)
        self.sees.expect(worker.granted <= SLOTS, "4: granted", worker.granted, "to one that asked for", SLOTS)

    def step(self) -> None:
        """End some, claim some; what could not be told is told again the next time."""
        if (worker := self.some()) is None:
            return
        done = [lease for lease in worker.held if self.random.random() < 0.5]
        worker.held = [lease for lease in worker.held if lease not in done]
        worker.ended += [Ended(lease, self.outcome(worker.engine)) for lease in done]
        told = list(worker.ended)
        self.acts(worker, [one.lease for one in told])
        if worker.engine == "pushed":
            most = self.random.choice([0, self.random.randint(1, 5)])
            with self.disk.tidy():
                leases = self.ledger.finish(worker.id, told, self._notes(worker, done), "pushed", most)
            worker.ended.clear()
            if leases is not None:
                self.fly(leases, most)
            return
        room = max(0, worker.granted - len(worker.held))
        before = self._runs(worker)
        try:
            leases = self.ledger.step("database", worker.id, told, room)
        except StaleLease:
            self.workers.remove(worker)
            return
        except Unavailable:
            worker.unsure.append(self.ledger)
            raise
        worker.ended.clear()
        found = before & {(lease.task, lease.fence) for lease in leases}
        self.sees.expect(not found or self.ledger in worker.unsure, "3: it is told twice that it runs", found)
        self.took(leases, max(room, len(found)), worker)  # what it runs without knowing is told whatever its room is
        worker.held += leases
        # what it asked another process for, nobody remembers
        worker.unsure = [ledger for ledger in worker.unsure if ledger is not self.ledger]
        strange = self._runs(worker) - {(lease.task, lease.fence) for lease in worker.held}
        self.sees.expect(not strange or worker.unsure, "3: it does not know that it runs", strange)

    def _runs(self, worker: Worker) -> set[tuple[str, int]]:
        """What it runs, as the ledger has it."""
        return {(row.id, row.fence) for row in self.sees.under_way() if row.worker == worker.id}

    def took(self, leases: Sequence[Lease], room: int, worker: Worker | None = None) -> None:
        """New leases, and as many as there could be."""
        self.sees.expect(len(leases) <= room, "12: asked for", room, "got", len(leases))
        names = {(lease.task, lease.fence) for lease in leases}
        self.sees.expect(not names & self.handed, "3: handed out twice", names & self.handed)
        self.handed |= names
        for lease in leases:
            row = self.sees.tasks[lease.task]
            self.sees.expect((row.fence, row.state in {"leased", "running"}) == (lease.fence, True), "3:", lease, row)
        engine = worker.engine if worker else "pushed"
        if worker:
            slots = self.sees.workers.get(worker.id, ("", 0))[1]
            free = slots - sum(row.worker == worker.id for row in self.sees.under_way())
            idles = free > 0 and self.sees.runnable(engine)
        else:
            idles = self.sees.idles(engine)
        idles = idles and room > len(leases) and not self.sees.waits_for_room(engine)
        self.sees.expect(not idles, "5: room idles at", engine, "after", leases, "of", room)

    def outcome(self, engine: str) -> Outcome:
        seconds = self.random.choice([0.1, 2.0, 30.0])
        pauses = [*[Paused(Stage.MODEL, seconds)] * 6, Paused(Stage.CPU, seconds)] if engine == "pushed" else []
        return self.random.choice(
            [
                *pauses,
                *[Completed(seconds)] * 3,
                Failed(FAULT, seconds),
                Retry(FAULT, seconds),
                Cancelled(seconds),
                Yielded(),
                Yielded(after=20.0),
            ]
        )

    def work(self) -> None:
        """The next step of a task, or two: resumed from its checkpoint, or run and kept."""
        if (worker := self.some(busy=True)) is None:
            return
        lease = self.random.choice(worker.held)
        self.acts(worker, [lease])
        self.sees.key = key = worker.key
        try:
            for at, step in enumerate(STEPS):
                known = self.results.setdefault((lease.task, step), {})
                if (kept := self.ledger.checkpoint(lease.task, step, key)) is not None:
                    self.sees.expect(kept in known.get(key, ()), "6: a checkpoint that nobody saved", lease, step)
                    self.results[lease.task, step] = {key: {kept}}  # it stays this one, and alone
                    continue
                self.ledger.started(lease, worker.id, Progress(step, 30.0 * at))
                if self.random.random() < 0.3:
                    return
                result = f"{lease.fence} {worker.id} {next(self.numbers)}".encode()
                if self.random.random() < 0.7:
                    result += self.random.randbytes(LARGE)
                known.setdefault(key, set()).add(result)
                with self.disk.tidy():
                    saved = Checkpoint(step, key, result)
                    self.ledger.save(lease, worker.id, saved, Progress(step, 30.0 * at + 30))
                if self.random.random() < 0.5:
                    return
        except StaleLease:
            worker.held.remove(lease)
        except CancelRequested:
            worker.held.remove(lease)
            worker.ended.append(Ended(lease, Cancelled(1.0)))

    def work_together(self) -> None:
        """All that a worker holds goes one step on, told in one go."""
        if (worker := self.some(busy=True)) is None:
            return
        self.acts(worker, worker.held)
        notes = self._notes(worker, worker.held)
        with self.disk.tidy():
            refused = self.ledger.note(worker.id, notes)
        for lease, why in dict(zip((note.lease for note in notes), refused, strict=True)).items():
            if why is not None:
                worker.held.remove(lease)
            if isinstance(why, CancelRequested):
                worker.ended.append(Ended(lease, Cancelled(1.0)))

    def _notes(self, worker: Worker, leases: Sequence[Lease]) -> list[Note]:
        """What these tell of their next step, or of several."""
        self.sees.key = key = worker.key
        notes: list[Note] = []
        for lease in leases:
            percent = 0.0
            for step in STEPS:
                known = self.results.setdefault((lease.task, step), {})
                if (kept := self.ledger.checkpoint(lease.task, step, key)) is not None:
                    self.sees.expect(kept in known.get(key, ()), "6: a checkpoint that nobody saved", lease, step)
                    self.results[lease.task, step] = {key: {kept}}
                    percent += 30
                    continue
                if self.random.random() < 0.4:
                    notes.append(Note(lease, Progress(step, percent)))
                    break
                result = f"{lease.fence} {worker.id} {next(self.numbers)}".encode()
                if self.random.random() < 0.3:
                    result += self.random.randbytes(LARGE)
                known.setdefault(key, set()).add(result)
                notes.append(Note(lease, Progress(step, percent + 30), checkpoint=Checkpoint(step, key, result)))
                percent += 30
                if self.random.random() < 0.6:
                    break
        return notes

    def upgrade(self) -> None:
        """Who comes now knows another version of each step; the others go on with theirs."""
        self.key = self.random.choice(["key", "newer", "newest"])

    def tell(self) -> None:
        """Progress, sometimes lower than before."""
        if (worker := self.some()) is not None and worker.held:
            self.acts(worker, worker.held)
            percents = [(lease, Progress("parse", self.random.uniform(0, 100))) for lease in worker.held]
            self.ledger.progress(worker.id, percents)

    def beat(self) -> None:
        if (worker := self.some()) is None:
            return
        self.acts(worker, [*worker.held, *self._from_later(worker)])
        renewal = self.ledger.renew(worker.id, worker.held)
        gone = {*renewal.lost, *renewal.cancelled}
        worker.held = [lease for lease in worker.held if lease not in gone]
        worker.ended += [Ended(lease, Cancelled()) for lease in renewal.cancelled]
        worker.granted = renewal.granted
        if not renewal.known:
            self.workers.remove(worker)
        elif worker.granted < SLOTS:
            self._register(worker)

    def _from_later(self, worker: Worker) -> list[Lease]:
        """Those of its leases that tell of a clock that has been set back: these it renews without naming them."""
        mine = [row for row in self.sees.under_way() if row.worker == worker.id]
        beyond = self.clock.at + self.clock.jumped + 2 * RULES.lease
        return [Lease(TaskId(row.id), row.fence) for row in mine if row.until > beyond]

    def beat_all(self) -> None:
        for worker in list(self.workers):
            if not worker.frozen:
                renewal = self.ledger.renew(worker.id, worker.held)
                worker.held = [lease for lease in worker.held if lease not in renewal.lost]
                worker.granted = renewal.granted
                if not renewal.known:
                    self.workers.remove(worker)
                elif worker.granted < SLOTS:  # others may have left some since
                    self._register(worker)

    def late(self) -> None:
        """A worker writes under leases that others hold, or that are over: nothing of it may count."""
        if not self.handed or (worker := self.some()) is None:
            return
        task, fence = self.random.choice(sorted(self.handed))
        row = self.sees.tasks.get(task)
        if row is not None and row.fence == fence and row.worker == worker.id:
            return
        lease = Lease(task, fence)
        self.acts(worker, from_later := self._from_later(worker))
        self.ledger.finish(worker.id, [Ended(lease, Completed(1.0))])
        self.ledger.progress(worker.id, [(lease, Progress("parse", 99.0))])
        self.sees.expect(lease in self.ledger.renew(worker.id, [lease]).lost, "3: a late lease is renewed", lease)
        if row is None or row.fence != fence:
            with suppress(StaleLease):
                self.ledger.begin(lease, worker.id)
                self.sees.expect(False, "3: a late lease is begun", lease, row)
            renewed = row is not None and Lease(task, row.fence) in from_later
            now = self.sees.tasks.get(task)
            self.sees.expect(now is row or renewed, "3: a late delivery changed its task", lease, row)
        for write in (
            lambda: self.ledger.save(lease, worker.id, Checkpoint("late", "key", b"late"), Progress("late", 50)),
            lambda: self.ledger.started(lease, worker.id, Progress("late", 50)),
        ):
            try:
                write()
            except (StaleLease, CancelRequested):
                continue
            self.sees.expect(False, "3: a late write was taken", worker.id, lease, row)

    def freeze(self) -> None:
        if (worker := self.some()) is not None:
            worker.frozen = True
            self.faults += 1

    def thaw(self) -> None:
        for worker in self.workers:
            worker.frozen = False

    def kill(self) -> None:
        if (worker := self.some()) is not None:
            self.workers.remove(worker)
            self.faults += 1
            if self.random.random() < 0.5:  # its parent saw it die
                self.ledger.leave(worker.id)

    def leave(self) -> None:
        """A worker drains: it hands back what it holds."""
        if (worker := self.some()) is not None:
            self.workers.remove(worker)
            told = [*worker.ended, *(Ended(lease, Yielded(why="the worker stopped")) for lease in worker.held)]
            self.ledger.finish(worker.id, told)
            self.ledger.leave(worker.id)

    # a broker

    def dispatch(self) -> None:
        most = self.random.randint(1, 5)
        self.fly(self.ledger.lease("pushed", most), most)

    def fly(self, leases: Sequence[Lease], most: int) -> None:
        """A broker carries what was handed out."""
        self.took(leases, most)
        delay = self.random.choice([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 90.0])
        self.flying += [(self.clock.at + delay, lease) for lease in leases]

    def deliver(self) -> None:
        """In any order, sometimes twice."""
        for _ in range(self.random.choice([1, 2, 4])):
            self._deliver()

    def _deliver(self) -> None:
        here = [lease for at, lease in self.flying if at <= self.clock.at]
        free = [w for w in self.workers if w.engine == "pushed" and not w.frozen and len(w.held) < w.granted]
        if not here or not free:
            return
        worker = self.random.choice(free)
        fitting = [lease for lease in here if worker.channel.serves(lease.stage, lease.user)]
        lease = self.random.choice(fitting if fitting and self.random.random() < 0.9 else here)
        if self.random.random() < 0.7:
            self.flying = [(at, one) for at, one in self.flying if one != lease]
        row = self.sees.tasks.get(lease.task)
        may = (
            worker.id in self.sees.workers
            and row is not None
            and row.fence == lease.fence
            and (row.state == "leased" or (row.state == "running" and row.worker == worker.id))
        )
        try:
            attempt = self.ledger.begin(lease, worker.id)
        except StaleLease:
            self.sees.expect(
                self.sees.tasks.get(lease.task) is row, "3: a refused delivery changed its task", lease, row
            )
            self.sees.expect(not may, "3: a good delivery is refused", lease, row)
            return
        self.sees.expect(may, "3: a delivery is begun that must not", lease, row)
        self.sees.expect(attempt.lease == lease, "3: another lease is begun", attempt, lease)
        if lease not in worker.held:
            worker.held.append(lease)

    def drop(self) -> None:
        if self.flying:
            self.flying.pop(self.random.randrange(len(self.flying)))
            self.faults += 1

    def flush(self) -> None:
        if self.random.random() < 0.25:  # what it carried has its turns until the sweep: seldom, or little else happens
            self.flying.clear()
            self.faults += 1

    def hand_back(self) -> None:
        some = [lease for _, lease in self.flying if self.random.random() < 0.25]
        self.ledger.hand_back(some)
        if self.random.random() < 0.7:
            self.flying = [(at, lease) for at, lease in self.flying if lease not in some]

    # the world

    def unsure_commit(self) -> None:
        """The next commit is refused, or the connection is lost with it; perhaps for longer than anybody tries."""
        kind = self.random.choice(["refused", "lost", "unheard", "lost", "unheard"])
        self.place.faults = [kind] * self.random.choice([1, 1, 2, 9])
        if len(self.place.faults) > 2:
            self.place.faults = [self.random.choice(["lost", "unheard"]) for _ in range(6)]
        self.faults += 1

    def jump(self) -> None:
        """The database's clock is set, wrongly or right again."""
        to = self.random.choice([0.0, 0.0, -45.0, 45.0, -1_000.0, 1_000.0])
        self.clock.jumped = to
        self.faults += 1
        self.jumps += 1

    def restart(self) -> None:
        """The process that has seen the clock ends, another one looks at it; that it was set, only rows can tell."""
        self.ledger = self._process()
        self.ledger.members()
        self.clock.noticed_at = -1e9
        self.faults += 1

    def pass_time(self) -> None:
        self.clock.at += self.random.choice([0.5, 0.5, 0.5, 5.0, 5.0, 15.0, 35.0])

    def sweep(self) -> None:
        found = self.ledger.recover()
        self.sees.expect(found.drifted == 0, "5:", found.drifted, "counters had drifted")
        hasty = self.clock.at < self.clock.noticed_at + RULES.lease and found.expired + found.undelivered
        self.sees.expect(not hasty, "10: taken back at once after the clock was set", found)

    def heal(self) -> None:
        """No more faults, good workers, people who ask again: every task ends within lease, sweep and poll."""
        self.place.faults.clear()
        self.disk.faults.clear()
        self.clock.jumped = 0.0
        self.flying.clear()
        self.workers.clear()
        self.ledger.limit(None)
        self._switch(on=True)
        while self.ledger.bound(UserId(0))[0]:
            pass
        for user, limits in self.limits.items():
            limit = self.sees.lanes[user].limit
            self.sees.expect(limit in limits, "4: the limit of user", user, "came back as", limit, "and was", limits)
            self.ledger.lane(UserId(user), max_running=3, paused=False)
        for engine in ("database", "pushed"):
            self.ledger.pause(engine, paused=False)
        while self.unsure:
            with suppress(TooMany):
                self.submit_again()
        self.sweep()
        self.upkeep.settle()
        longest = max(RULES.lease, RULES.undelivered)
        held_until = self.clock.at + (2 * longest if self.jumps else longest) + SWEEP + POLL
        swept, since = 0.0, dict[str, float]()
        while left := [task for task in self.sees.tasks.values() if task.state not in ENDED]:
            if all(task.state == "waiting" for task in left):  # nothing to do before the first one is due
                self.clock.at = max(self.clock.at, min(task.run_at for task in left))
            self.clock.at += POLL
            if self.clock.at >= swept + SWEEP:
                self.sweep()
                swept = self.clock.at
            self._work_off()
            stuck = self.sees.under_way()
            self.sees.expect(not stuck or self.clock.at <= held_until, "10: held after all faults are over", stuck)
            put_off = [task for task in self.sees.tasks.values() if task.state == "waiting" and task.fence]
            late = [task for task in put_off if task.run_at > self.clock.at + LONGEST_PUT_OFF]
            self.sees.expect(not late, "10: put off to a time from before the clock was set back", late)
            since = {task.id: since.get(task.id, self.clock.at) for task in left if task.state == "ready"}
            passed = [task for task, at in since.items() if self.clock.at > max(held_until, at) + 2 * POLL]
            self.sees.expect(not passed, "10: ready and not run", passed)
            if self.sees.broken:
                return
        for batch in self.accepted.values():
            gone = {task.id for task in batch.tasks} - self.sees.tasks.keys() - self.sees.forgotten
            self.sees.expect(not gone, "1: accepted and lost", gone)

    def _work_off(self) -> None:
        for engine in ("database", "pushed"):
            worker = WorkerId(f"healer-{engine}")
            if self.ledger.renew(worker, []).known is False or self.sees.workers[worker][1] < 3:
                self.ledger.register(worker, engine, "host", 1, 3)
            while True:
                if engine == "pushed":
                    leases = self.ledger.lease(engine, 3)
                    for lease in leases:
                        self.ledger.begin(lease, worker)
                else:
                    leases = self.ledger.step(engine, worker, [], 3)
                if not leases:
                    break
                self.ledger.finish(worker, [Ended(lease, Completed(1.0)) for lease in leases])
