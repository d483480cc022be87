"""The ledger on an SQL database: each promise one transaction, retried where the database asks for it."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, QueuePool, update
from sqlalchemy.exc import IntegrityError

from paperlane.clock import Clock
from paperlane.errors import CancelRequested, Conflict, Misconfigured, NotAllowed, Refused, StaleLease, Unavailable
from paperlane.ledger import (
    Also,
    AlsoFired,
    AlsoForgotten,
    AlsoHandled,
    AlsoSubmitted,
    Chore,
    Doubt,
    EngineFor,
    EnginesFor,
    Files,
    Kept,
    Mark,
    NewUser,
    Note,
    Overdue,
    Rules,
    Taken,
    Trimmed,
    channels,
    claims,
    dead,
    endings,
    looking,
    past,
    periodic,
    recovery,
    results,
    retention,
    semaphore,
    submitting,
    tallying,
    unread,
    views,
    watching,
    working,
)
from paperlane.ledger.backlog import Backlog
from paperlane.ledger.claims import There
from paperlane.ledger.dead import Act
from paperlane.ledger.dialects import Dialect, address
from paperlane.ledger.history import Change
from paperlane.ledger.jumps import Jumps
from paperlane.ledger.lanes import Lanes, with_lanes
from paperlane.ledger.results import Results
from paperlane.ledger.schema import engines, workers
from paperlane.ledger.sense import (
    LONGEST_HOST,
    check_batches,
    check_chore,
    check_cursor,
    check_known,
    check_letters,
    check_limit,
    check_notes,
    check_page,
    check_priority,
    check_schedule,
    check_sought,
    check_terms,
    check_text,
    check_user,
    check_worker,
    clean,
    is_lease,
    pulse_told,
)
from paperlane.ledger.standing import Standing
from paperlane.ledger.sweeper import Sweeper
from paperlane.ledger.transactions import Transactions
from paperlane.ledger.troubles import told
from paperlane.ledger.working import Halted
from paperlane.ledger.writing import Asked, Writing
from paperlane.model.figures import Vitals
from paperlane.model.schedules import Firing, NewSchedule, Schedule, ScheduleId
from paperlane.model.tallies import Tallies
from paperlane.model.tasks import (
    EVERYTHING,
    Attempt,
    Batch,
    BatchId,
    Channel,
    Checkpoint,
    DeadLetter,
    Ended,
    Event,
    Failures,
    Found,
    Handled,
    LaneUse,
    Lease,
    Letters,
    Member,
    NewBatch,
    Past,
    PastAttempt,
    Progress,
    Pulse,
    Queue,
    Recovery,
    Renewal,
    Service,
    Sought,
    Span,
    State,
    Task,
    TaskId,
    Terms,
    UserId,
    WorkerId,
)

log = structlog.get_logger(__name__)

Given = TypeVar("Given")

Keep = Callable[[Callable[[Sequence[Note]], Halted]], Halted]
"""Has notes written down by what it is given, keeps the results among them, and says which are refused."""


def connect(url: str) -> Dialect:
    """The dialect of a database URL. Misconfigured for one that Paperlane does not speak."""
    match address.read(url).drivername.partition("+")[0]:  # only the chosen driver is loaded
        case "sqlite":
            from paperlane.ledger.dialects.sqlite import Sqlite  # noqa: PLC0415

            return Sqlite(url)
        case "postgresql" | "postgres":
            from paperlane.ledger.dialects.postgresql import Postgresql  # noqa: PLC0415

            return Postgresql(url)
        case "mysql" | "mariadb":
            from paperlane.ledger.dialects.mysql import Mysql  # noqa: PLC0415

            return Mysql(url)
        case other:
            raise Misconfigured(
                f"Paperlane cannot keep its ledger in {other}.",
                hint=f"Use {address.FORMS}, or leave the setting empty.",
            )


@dataclass(slots=True)
class SqlLedger:
    """The one implementation of `Ledger`; what differs between databases is in its dialect.

    `task_seconds` is how long an attempt may take. `clock` is given in simulations only; else the database's counts.
    Large results lie in `files`; without it in the database, as all others.
    """

    dialect: Dialect
    rules: Rules = field(default_factory=Rules)
    task_seconds: float = 3_600.0
    clock: Clock | None = None
    chance: Callable[[], float] = random.random  # noqa: S311  spreads retries, keeps no secret
    files: Files | None = None
    _backlog: Backlog = field(default_factory=Backlog)
    _reads: dict[str, int] = field(default_factory=dict)  # the newest payloads that this process's workers read
    _unsure: dict[WorkerId, list[float]] = field(default_factory=dict)
    _unsure_ends: dict[WorkerId, dict[Lease, list[float]]] = field(default_factory=dict)
    _standing: Standing = field(default_factory=Standing)
    _transactions: Transactions = field(init=False)
    _results: Results = field(init=False)
    _sweeper: Sweeper = field(init=False)

    def __post_init__(self) -> None:
        """A healthy worker renews three times within a lease, so a clock that is off by a third harms nobody."""
        jumps = Jumps(tolerance=self.rules.lease / 3, patience=self.rules.lease)
        self._transactions = Transactions(self.dialect, jumps, self.clock, self.chance)
        self._results = Results(self.files)
        self._sweeper = Sweeper(self._transactions, self.rules, self.chance)

    def _now(self, connection: Connection) -> float:
        return self._transactions.now(connection)

    def _change(
        self, work: Callable[[Writing], Given], *, repeatable: bool = True, unsure: list[float] | None = None
    ) -> Given:
        return self._transactions.change(work, repeatable=repeatable, unsure=unsure)

    def _with_lanes(self, work: Callable[[Writing, Lanes], Given], unsure: list[float] | None = None) -> Given:
        return self._transactions.change(with_lanes(work), unsure=unsure)

    def _ask(self, question: Callable[[Connection], Given]) -> Given:
        return self._transactions.ask(question)

    # what people ask for

    def room(self, user: UserId) -> None:
        self._ask(lambda connection: submitting.check_room(connection, user, self.rules))

    def submit(self, batch: NewBatch, also: Also | None = None) -> tuple[Batch, bool]:
        (answer,) = self.submit_many([batch], None if also is None else lambda connection, _: also(connection))
        return answer

    def submit_many(
        self, batches: Sequence[NewBatch], also: AlsoSubmitted | None = None
    ) -> Sequence[tuple[Batch, bool]]:
        check_batches(batches)
        if not batches:
            return []

        def work(writing: Writing) -> Sequence[tuple[Batch, bool]]:
            if len(batches) > 1:
                writing.wait_promptly()
            there = submitting.submit(writing, batches, self.rules, self._backlog)
            fresh = [batch for batch in batches if batch.id not in there]
            if fresh and also is not None:
                also(writing.connection, fresh)
            return [
                (views.batch_of(writing.connection, there[batch.id]), there[batch.id] == batch.id)
                if batch.id in there
                else (submitting.accepted(batch, writing.now), True)
                for batch in batches
            ]

        try:
            return self._change(work)
        except IntegrityError as error:
            raise Conflict(
                "A batch or a task of this id is there already.", code="id_taken", hint="Give each one a new id."
            ) from error

    def known(self, user: UserId, key: str) -> Batch | None:
        if clean(key) != key:
            return None

        def question(connection: Connection) -> Batch | None:
            since = self._now(connection) - self.rules.key_kept
            row = submitting.batch_of_key(connection, user, key, since)
            return None if row is None else views.batch_of(connection, BatchId(row["id"]))

        return self._ask(question)

    def cancel(self, task: TaskId, also: Also | None = None) -> Task:
        check_known("task", task)

        def work(writing: Writing) -> Task:
            if submitting.cancel(writing, task) and also is not None:
                also(writing.connection)
            return views.one(writing.connection, task, self.rules)

        return self._change(work)

    def retry(self, task: TaskId, also: Also | None = None) -> Task:
        check_known("task", task)

        def work(writing: Writing) -> Task:
            if submitting.retry(writing, task, self.rules, self._backlog) and also is not None:
                also(writing.connection)
            return views.one(writing.connection, task, self.rules)

        return self._change(work)

    # what failed for good

    def dead(self, which: Letters, cursor: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        check_letters(which)
        check_page(limit)
        return self._ask(lambda connection: dead.page(connection, which, cursor, limit, self.rules))

    def causes(self, which: Letters) -> Mapping[str, int]:
        check_letters(which)
        return self._ask(lambda connection: dead.causes(connection, which))

    def replay(self, which: Letters, cursor: str = "", also: AlsoHandled | None = None) -> Handled:
        return self._handle(partial(dead.replay, backlog=self._backlog), which, cursor, also)

    def discard(self, which: Letters, cursor: str = "", also: AlsoHandled | None = None) -> Handled:
        return self._handle(dead.discard, which, cursor, also)

    def _handle(self, act: Act, which: Letters, cursor: str, also: AlsoHandled | None) -> Handled:
        check_letters(which)

        def work(writing: Writing, lanes: Lanes) -> Handled:
            handled, before = act(writing, lanes, which, cursor, self.rules)
            if handled.done and also is not None:
                also(writing.connection, handled)
            return replace(handled, done=handled.done + before)

        return self._with_lanes(work)

    # what people look at

    def task(self, task: TaskId) -> Task:
        check_known("task", task)
        return self._ask(lambda connection: views.one(connection, task, self.rules))

    def tasks(
        self,
        *,
        user: UserId | None = None,
        batch: BatchId | None = None,
        states: Sequence[State] = (),
        cursor: str = "",
        limit: int = 100,
    ) -> Sequence[Task]:
        check_page(limit)
        check_cursor(cursor)
        check_known("batch", batch or "")
        return self._ask(
            lambda connection: views.many(
                connection, self.rules, user=user, batch=batch, states=states, cursor=cursor, limit=limit
            )
        )

    def batch(self, batch: BatchId) -> Batch:
        check_known("batch", batch)
        return self._ask(lambda connection: views.batch_of(connection, batch))

    def attempts(self, task: TaskId) -> Sequence[PastAttempt]:
        check_known("task", task)
        return self._ask(lambda connection: views.history(connection, task))

    def events(self, task: TaskId, after: int = 0, limit: int = 1_000) -> Sequence[Event]:
        check_page(limit)
        check_known("task", task)
        return self._ask(lambda connection: views.events_after(connection, task, after, limit))

    def moved(self, seen: Mapping[TaskId, int]) -> Sequence[Event]:
        return self._ask(lambda connection: views.moved_since(connection, self.dialect, seen))

    def listen(self, heard: Callable[[str], None]) -> Callable[[], None] | None:
        return self.dialect.listen(heard)

    def changed(self) -> int:
        with told():
            return self.dialect.changed()

    def queue(self, user: UserId | None = None, most: int = 100, longest: int = 0) -> Queue:
        def question(connection: Connection) -> Queue:
            now = self._now(connection)
            too_new = unread.unreadable(connection, self.dialect, now - self.rules.lease) if user is None else ()
            return views.queue(connection, now, user, most, longest, self.rules, too_new)

        return self._ask(question)

    def renewed(self, queue: Queue) -> Queue:
        def question(connection: Connection) -> Queue:
            too_new = unread.unreadable(connection, self.dialect, self._now(connection) - self.rules.lease)
            return views.renewed(connection, queue, self.rules, too_new)

        return self._ask(question)

    def members(self) -> Sequence[Member]:
        return self._ask(lambda connection: views.members(connection, self._now(connection), self.rules))

    def follow_ends(self, heard: Callable[[Sequence[TaskId]], None] | None) -> None:
        self._transactions.heard_ends = heard

    def vitals(self) -> Vitals:
        return self._ask(lambda connection: views.vitals(connection, self.dialect, self._now(connection)))

    def uses(self, after: UserId, limit: int = 100) -> Sequence[LaneUse]:
        check_page(limit)
        return self._ask(lambda connection: views.uses(connection, after, limit))

    def use_of_all(self) -> LaneUse:
        return self._ask(views.use_of_all)

    # what operators look through

    def look_for(self, which: Sought, cursor: str = "", limit: int = 100) -> Found:
        check_page(limit)
        check_cursor(cursor)
        check_sought(which)
        return self._ask(lambda connection: watching.look_for(connection, which, cursor, limit))

    def failures(self, since: float) -> Failures:
        return self._ask(lambda connection: watching.failures(connection, self.dialect, since))

    def served(self, users: Sequence[UserId], seconds: float) -> Service:
        def question(connection: Connection) -> Service:
            now = self._now(connection)
            return watching.served(connection, users, now - seconds, now)

        return self._ask(question)

    # what was

    def past(self, since: float, cursor: str = "", limit: int = 1_000) -> Sequence[Past]:
        check_page(limit)
        check_cursor(cursor)
        return self._ask(lambda connection: past.page(connection, since, cursor, limit, self.rules))

    def terms(self, after: UserId, limit: int = 1_000) -> Sequence[Terms]:
        check_page(limit)
        return self._ask(lambda connection: past.terms(connection, after, limit))

    # schedules

    def add_schedule(self, new: NewSchedule, also: Also | None = None) -> Schedule:
        check_schedule(new)

        def work(writing: Writing) -> Schedule:
            if periodic.add(writing, new, self.rules) and also is not None:
                also(writing.connection)
            return periodic.one(writing.connection, new.id)

        try:
            return self._change(work)
        except IntegrityError as error:
            raise Conflict(
                f"There is a schedule {new.name} already.",
                code="schedule_exists",
                hint="Remove it, or take a new name.",
            ) from error

    def schedule(self, user: UserId, name: str) -> Schedule:
        check_known("schedule", name)
        return self._ask(lambda connection: periodic.named(connection, user, name))

    def schedules(
        self, user: UserId | None = None, after: str = "", limit: int = 1_000, name: str | None = None
    ) -> Sequence[Schedule]:
        check_page(limit)
        check_cursor(after)
        check_known("schedule", name or "")
        return self._ask(lambda connection: periodic.many(connection, user, after, limit, name))

    def change_schedule(
        self,
        schedule: ScheduleId,
        *,
        cron: str | None = None,
        timezone: str | None = None,
        priority: int | None = None,
        paused: bool | None = None,
        also: Also | None = None,
    ) -> Schedule:
        if priority is not None:
            check_priority(priority)

        def work(writing: Writing) -> Schedule:
            periodic.change(writing, schedule, cron=cron, timezone=timezone, priority=priority, paused=paused)
            if also is not None:
                also(writing.connection)
            return periodic.one(writing.connection, schedule)

        return self._change(work)

    def remove_schedule(self, schedule: ScheduleId, also: Also | None = None) -> None:
        def work(writing: Writing) -> None:
            if periodic.remove(writing, schedule) and also is not None:
                also(writing.connection)

        self._change(work)

    def due(self) -> Sequence[ScheduleId]:
        return self._ask(lambda connection: periodic.due(connection, self._now(connection)))

    def fire(self, schedule: ScheduleId, new_id: Callable[[], str], also: AlsoFired | None = None) -> Firing | None:
        try:
            return self._change(
                lambda writing: periodic.fire(writing, schedule, self.rules, self._backlog, new_id, also)
            )
        except Refused as refused:
            why, barred = refused.fault, isinstance(refused, NotAllowed)
            return self._change(lambda writing: periodic.refuse(writing, schedule, why, barred=barred))

    # what is old

    def begin_chore(self, name: str, seconds: float) -> Chore | Doubt | None:
        check_chore(name, seconds)
        longest = seconds + self._transactions.jumps.tolerance

        def work(writing: Writing) -> Chore | Doubt | None:
            last = retention.last_turn(writing.connection, name, seconds)
            if why := self._transactions.doubt(writing.now, last):
                return Doubt(why)
            return retention.begin(writing, name, seconds, longest)

        if not self._ask(lambda connection: retention.is_due(connection, name, self._now(connection), longest)):
            return None
        return self._change(work)

    def end_chore(self, name: str, done_until: float) -> None:
        self._change(lambda writing: retention.end(writing.connection, name, done_until))

    def overdue(self, kept: Kept, since: float, after: UserId) -> Overdue:
        return self._ask(lambda c: retention.overdue(c, kept, since, after, self._now(c), self.rules.key_kept))

    def forget(self, user: UserId, kept: Kept, also: AlsoForgotten | None = None) -> int:
        return self._change_and_remove(lambda writing: retention.forget(writing, user, kept, self.rules.key_kept, also))

    def trim(self, user: UserId, kept: Kept, mark: Mark) -> Trimmed:
        return self._change_and_remove(lambda writing: retention.trim(writing, user, kept, mark))

    def _change_and_remove(self, work: Callable[[Writing], tuple[Given, Sequence[str]]]) -> Given:
        """A write transaction after which nothing names some files, and then these are removed.

        Those of every try, as nobody knows which was committed; so it is asked whether something names them still.
        """
        files: set[str] = set()

        def each(writing: Writing) -> Given:
            given, unnamed = work(writing)
            files.update(unnamed)
            return given

        given = self._change(each)
        if files:
            self._results.remove(files - self.named(sorted(files)))
        return given

    def named(self, files: Sequence[str]) -> set[str]:
        return self._ask(lambda connection: results.named(connection, files))

    # lanes

    def lane(
        self,
        user: UserId | NewUser,
        *,
        max_running: int | None = None,
        weight: float | None = None,
        engine: str | EngineFor | None = None,
        paused: bool | None = None,
        instead_of: int | None = None,
        also: Also | None = None,
    ) -> None:
        check_terms(max_running, weight)
        if not callable(user):
            check_user(user)

        def work(writing: Writing) -> None:
            held = Lanes(writing)
            whose = user(writing.connection) if callable(user) else user
            to = engine(writing.connection, whose) if callable(engine) else engine
            if to is not None:
                check_text("An engine's name", to, engines.c.name)
            held.open([whose], self.rules.engine, self.rules.user_limit)
            lane = held[whose]
            if max_running is not None and instead_of in {None, lane.limit}:
                held.limit(lane, max_running)
            lane.weight = lane.weight if weight is None else weight
            lane.paused = lane.paused if paused is None else int(paused)
            if to is not None and to != lane.engine:
                held.move(lane, to)
            held.write()
            if also is not None:
                also(writing.connection)

        self._change(work, repeatable=also is None and not callable(user) and not callable(engine))

    def assign(self, meant: EnginesFor) -> int:
        def work(writing: Writing, held: Lanes) -> int:
            to = meant(writing.connection)
            for engine in set(to.values()):
                check_text("An engine's name", engine, engines.c.name)
            held.hold(to)
            away = [user for user, engine in to.items() if user in held and held[user].engine != engine]
            for user in away:
                held.move(held[user], to[user])
            return len(away)

        return self._with_lanes(work)

    def bound(self, after: UserId, most: int = 500) -> tuple[int, UserId | None]:
        check_page(most)

        def work(_: Writing, held: Lanes) -> int:
            return held.bound(users)

        users = self._ask(lambda connection: semaphore.unlike(connection, after, most))
        changed = self._with_lanes(work) if users else 0
        return changed, UserId(users[-1]) if len(users) == most else None

    def limit(self, max_running: int | None, also: Also | None = None) -> None:
        check_limit(max_running)

        def work(writing: Writing) -> None:
            working.limit(writing, max_running, self.rules.system_limit, self.rules.engine)
            if also is not None:
                also(writing.connection)

        self._change(work, repeatable=also is None)

    def pause(self, engine: str, *, paused: bool, also: Also | None = None) -> None:
        check_text("An engine's name", engine, engines.c.name)

        def work(writing: Writing) -> None:
            connection = writing.connection
            connection.execute(self.dialect.insert_new(engines), {"name": engine, "paused": 0})
            connection.execute(update(engines).where(engines.c.name == engine).values(paused=int(paused)))
            if not paused:
                writing.woken.add(engine)
            if also is not None:
                also(connection)

        self._change(work, repeatable=also is None)

    # what workers say

    def register(
        self,
        worker: WorkerId,
        engine: str,
        host: str,
        pid: int,
        slots: int,
        version: int = 1,
        channel: Channel = EVERYTHING,
        span: Span | None = None,
    ) -> int:
        span = span or Span.fixed(slots)
        check_worker(worker, engine, slots, version, channel, span)
        self._reads[engine] = max(version, self._reads.get(engine, version))
        entry = {
            "id": worker,
            "engine": engine,
            "host": host[:LONGEST_HOST],
            "pid": pid,
            "slots": slots,
            "asked": span.most,
            "least": span.least,
            "starts": span.start,
            "version": version,
        }
        return self._change(lambda writing: working.register(writing, entry, channel, self.rules.system_limit))

    def leave(self, worker: WorkerId) -> Recovery:
        check_text("A worker's id", worker, workers.c.id)  # "" stands at each lease that nobody has begun

        def work(writing: Writing, lanes: Lanes) -> Recovery:
            working.hold(writing, worker)
            self._unsure.pop(worker, None)
            self._unsure_ends.pop(worker, None)
            found = recovery.give_up(writing, lanes, worker, self.rules)
            working.forget(writing.connection, worker)
            return found

        with self._standing.alone(worker):
            found = self._with_lanes(work)
        self._standing.forget(worker)
        return found

    def step(
        self, engine: str, worker: WorkerId, ended: Sequence[Ended], room: int, taken: Taken | None = None
    ) -> Sequence[Lease]:
        with self._standing.step(worker) as step:

            def work(writing: Writing, lanes: Lanes) -> tuple[Sequence[Lease], There, Sequence[tuple[Ended, str]]]:
                asking = claims.ask(writing, worker, engine, None if writing.again else step.before)
                done = endings.end(writing, lanes, worker, ended, self.rules, self.chance)
                before = endings.ended_before(writing, _but(ended, done), writing.again)
                leases, there = claims.claim(writing, lanes, engine, worker, asking, len(done), room, self.rules)
                return leases, there, [*before, *done]

            # kept until a step comes through: what one claimed while the database went away is the worker's to run
            unsure = self._unsure.setdefault(worker, [])
            leases, step.after, done = self._with_lanes(work, unsure)
            self._unsure.pop(worker, None)
        if taken is not None:
            taken(done)
        return leases

    def runnable(self, engine: str, channel: Channel = EVERYTHING) -> bool:
        def look(connection: Connection) -> bool:
            now = partial(self._now, connection)
            is_runnable = looking.is_runnable(connection, self.dialect, engine, now, self._reads.get(engine))
            return is_runnable and (channel == EVERYTHING or looking.is_for(connection, engine, now(), channel))

        return self._ask(look)

    def queued(self, engine: str, most: int) -> int:
        check_page(most)
        return self._ask(lambda connection: looking.queued(connection, engine, most))

    def lease(self, engine: str, most: int) -> Sequence[Lease]:
        return self._with_lanes(lambda writing, lanes: channels.hand_out(writing, lanes, engine, most, self.rules))

    def hand_back(self, leases: Sequence[Lease]) -> None:
        self._with_lanes(lambda writing, lanes: recovery.hand_back(writing, lanes, leases))

    def begin(self, lease: Lease, worker: WorkerId) -> Attempt:
        (begun,) = self.begin_all(worker, [lease])
        if isinstance(begun, StaleLease):
            raise begun
        return begun

    def begin_all(self, worker: WorkerId, leases: Sequence[Lease]) -> Sequence[Attempt | StaleLease]:
        sensible = [lease for lease in leases if is_lease(lease)]

        def work(writing: Writing) -> Mapping[Lease, Attempt | StaleLease]:
            return working.begin(writing, worker, sensible, self.rules, self.task_seconds)

        begun: Mapping[Lease, Attempt | StaleLease] = {}
        if sensible:
            with self._standing.alone(worker):
                try:
                    begun = self._change(work)
                except StaleLease as gone:  # the worker itself
                    begun = dict.fromkeys(sensible, gone)
        return [begun.get(lease) or working.stale(lease) for lease in leases]

    def finish(
        self,
        worker: WorkerId,
        ended: Sequence[Ended],
        notes: Sequence[Note] = (),
        engine: str = "",
        most: int = 0,
        taken: Taken | None = None,
    ) -> Sequence[Lease] | None:
        done: Sequence[tuple[Ended, str]] = ()
        # kept until a call tells these outcomes, together or one by one: what is taken is counted once
        unsure, unsure_of = list[float](), self._unsure_ends.get(worker, {})
        earlier = [at for one in ended for at in unsure_of.get(one.lease, ())]

        def tell(writing: Writing, keep: Keep) -> Sequence[Lease] | None:
            def work(writing: Writing, lanes: Lanes) -> Sequence[Lease] | None:
                nonlocal done

                def last(running: Sequence[Change]) -> None:
                    if most <= 0:
                        lanes.look_back()
                    keep(lambda left: working.note_of(writing, running, left))

                lanes.ask_clocks()
                done = endings.end(writing, lanes, worker, ended, self.rules, self.chance, last)
                before = endings.ended_before(writing, _but(ended, done), {*writing.again, *earlier})
                done = [*before, *done]
                return channels.hand_out_if_free(writing, lanes, engine, most, self.rules) if most > 0 else None

            return with_lanes(work)(writing)

        if {note.lease for note in notes} - {one.lease for one in ended}:
            raise ValueError("Notes beside outcomes are of the attempts that end, not of others")
        try:
            leases = self._keep_results(notes, tell, lambda: self._standing.alone(worker), unsure)
        except Exception:
            unsure_of = self._unsure_ends.setdefault(worker, {}) if unsure else {}
            for one in ended if unsure else ():
                unsure_of[one.lease] = [*unsure_of.get(one.lease, ()), *unsure]
            raise
        for one in ended:
            unsure_of.pop(one.lease, None)
        if taken is not None:
            taken(done)
        return leases

    def renew(self, worker: WorkerId, leases: Sequence[Lease], pulse: Pulse | None = None) -> Renewal:
        tells = {} if pulse is None else pulse_told(pulse)
        return self._change(lambda writing: working.renew(writing, worker, leases, self.rules.lease, tells))

    def progress(self, worker: WorkerId, reports: Sequence[tuple[Lease, Progress]]) -> None:
        self._change(lambda writing: working.tell(writing, worker, reports))

    def started(self, lease: Lease, worker: WorkerId, progress: Progress, *, resumed: bool = False) -> None:
        self._note_one(worker, Note(lease, progress, resumed))

    def save(
        self, lease: Lease, worker: WorkerId, checkpoint: Checkpoint, progress: Progress, also: Also | None = None
    ) -> None:
        self._note_one(worker, Note(lease, progress, checkpoint=checkpoint, also=also))

    def _note_one(self, worker: WorkerId, note: Note) -> None:
        (refused,) = self.note(worker, [note])
        if refused is not None:
            raise refused

    def note(self, worker: WorkerId, notes: Sequence[Note]) -> Sequence[StaleLease | CancelRequested | None]:
        def tell(writing: Writing, keep: Keep) -> Halted:
            return keep(lambda left: working.note(writing, worker, left))

        refused = self._keep_results(notes, tell)
        return [refused.get(note.lease) for note in notes]

    def _keep_results(
        self,
        notes: Sequence[Note],
        tell: Callable[[Writing, Keep], Given],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        unsure: list[float] | None = None,
    ) -> Given:
        """A write transaction that keeps results of steps.

        It is given what does so: called with what writes the other things that notes tell, of those that were not told
        by an earlier try, and says which are refused. What it holds `around` it is not held while results are packed.
        Where it raises, the instants of tries of which nobody knows whether they were committed are in `unsure`.
        """
        check_notes(notes)
        stored = self._results.store(notes)
        unsure = [] if unsure is None else unsure
        useless: set[str] = set()  # files of results; also those that a try dropped whose commit's answer was lost

        def keep(writing: Writing, asked: Asked | None, write: Callable[[Sequence[Note]], Halted]) -> Halted:
            kept = self._results.were_kept(writing, notes, stored) if writing.again and notes else {}
            refused = write([note for note in notes if note.lease not in kept])
            fresh = [one for one in stored if one.lease not in kept and one.lease not in refused]
            asked = self._results.ask(writing, fresh) if asked is None else asked
            named, dropped = self._results.keep(writing, fresh, asked)
            if not writing.again:
                useless.clear()
            useless.update(dropped, (one.row.file for one in stored if one.row.file))
            useless.difference_update(named, *kept.values())
            if writing.again:
                useless.difference_update(results.named(writing.connection, sorted(useless)))
            for note in notes:
                if note.also is not None and note.lease not in kept and note.lease not in refused:
                    note.also(writing.connection)
            return refused

        def whole(writing: Writing, *, early: bool) -> Given:
            asked = self._results.ask(writing, stored) if early and not writing.again else None
            return tell(writing, partial(keep, writing, asked))

        def change() -> Given:
            try:
                return self._change(partial(whole, early=True), unsure=unsure)
            except IntegrityError:  # an earlier call of this attempt, whose answer was lost, came through meanwhile
                return self._change(partial(whole, early=False), unsure=unsure)

        try:
            with around():
                given = change()
        except Exception as error:
            if not unsure:  # else they may be named by a commit whose answer was lost
                self._results.remove(one.row.file for one in stored)
                raise
            # whoever took it for one note's own fault would write the others down again
            raise Unavailable(f"The answer to a commit was lost, and then: {error}") from error
        self._results.remove(useless)
        return given

    def checkpoint(self, task: TaskId, step: str, key: str = "") -> bytes | None:
        def ask() -> Mapping[str, Any] | None:
            return self._ask(lambda connection: results.kept(connection, task, step, key))

        return self._results.of(ask, task, step)

    def recover(self) -> Recovery:
        return self._sweeper.sweep()

    # what processes count

    def tally(self, deltas: Tallies) -> None:
        tallying.check(deltas)
        unsure: list[float] = []
        try:
            self._change(lambda writing: tallying.add(writing, deltas), repeatable=False, unsure=unsure)
        except Unavailable as error:
            if not unsure:
                raise
            log.warning("the answer to a commit of counts was lost; they may be missing", why=error.message)

    def tallies(self) -> Tallies:
        return self._ask(tallying.read)

    # its own

    def write(self, work: Callable[[Connection], Given]) -> Given:
        return self._change(lambda writing: work(writing.connection), repeatable=False)

    def read(self, ask: Callable[[Connection], Given]) -> Given:
        return self._ask(ask)

    def pool(self) -> tuple[int, int]:
        pools = [engine.pool for engine in {self.dialect.writer, self.dialect.reader}]
        known = [pool for pool in pools if isinstance(pool, QueuePool)]
        return sum(pool.checkedout() for pool in known), sum(pool.size() + pool._max_overflow for pool in known)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  it has no other name

    def close(self) -> None:
        self.dialect.close()


def _but(ended: Sequence[Ended], done: Sequence[tuple[Ended, str]]) -> Sequence[Ended]:
    """Those that were not ended by this try."""
    leases = {one.lease for one, _ in done}
    return [one for one in ended if one.lease not in leases]
