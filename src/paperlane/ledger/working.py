"""What workers say while they run: who they are, that they live, how far they have come."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, delete, func, select, update

from paperlane.errors import CancelRequested, StaleLease
from paperlane.ledger import Note, Rules, channels
from paperlane.ledger.claims import hold_worker, slots_granted, start
from paperlane.ledger.dialects import Given, GivenRows
from paperlane.ledger.dialects.keyed import KeyedUpdate, select_by_key
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.history import WHOLE_TURN, Change, Move, move
from paperlane.ledger.holding import held_by, leases_given, running_under
from paperlane.ledger.schema import UNDER_WAY, checkpoints, engines, events, system, tasks, workers
from paperlane.ledger.sense import LONGEST_STEP, cut
from paperlane.ledger.shards import divide
from paperlane.ledger.shares import Granted, shared
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import (
    FIRST,
    Attempt,
    Channel,
    Lease,
    Progress,
    Renewal,
    TaskId,
    UserId,
    WorkerId,
)

_SERVES = (workers.c.stages, workers.c.shard, workers.c.shards)
_MEMBERS = select(
    workers.c.id, workers.c.slots, workers.c.starts, workers.c.wants, workers.c.engine, *_SERVES
).order_by(workers.c.id)


def register(writing: Writing, worker: Change, channel: Channel, otherwise: int) -> int:
    """Enter the worker, or its wish for more slots or fewer; what the system's limit leaves is granted.

    Up to as many as it began with it comes before what others have beyond that: where too few are free, these give
    theirs back, and none takes more while somebody lacks some. A channel that nobody serves comes before all of that,
    with one slot: else its tasks would wait for as long as the limit holds. Registrations take turns at one row: two at
    once would be granted the same slots. Who joins where turns begin tells into how many shards its engine's users are
    divided.
    """
    connection = writing.connection
    limited = connection.scalar(select(system.c.max_running).with_for_update())
    others = _Others.of(connection, worker["id"], otherwise if limited is None else limited)
    first = min(worker["slots"], worker["starts"] or worker["slots"])
    serves = (worker["engine"], *channels.words_of(channel).values())
    is_alone = first > 0 and not others.of_channel[serves]
    lacks = is_alone and others.left < 1 and bool(others.able)
    if lacks or (first > others.left and any(map(_grown, others.members))):
        others = others.held_still(writing, everybody=lacks)
        others.give_back(max(0, first - others.left))  # somebody may have left meanwhile
        if lacks and others.left < 1:
            others.spare()
    least = min(int(is_alone), others.free)
    of_first = min(first, others.free - len(others.unserved - {serves}))
    granted = max(0, least, of_first, min(worker["slots"], others.free - others.lacking))
    if granted < others.before:
        _hold_dispatchers(writing, {worker["engine"]})
    seen = {"slots": granted, "wants": worker["slots"], "seen_at": writing.now}
    if connection.execute(update(workers).where(workers.c.id == worker["id"]).values(seen)).rowcount == 0:
        entry = {**worker, **channels.words_of(channel), **seen, "started_at": writing.now}
        connection.execute(writing.dialect.insert_new(workers), entry)
        if FIRST in channel.stages:
            divide(writing, worker["engine"], channel.shards)
    return granted


_Serves = tuple[str, str, int, int]
"""An engine, and the words of a channel."""


def _serves(member: Row[*tuple[Any, ...]]) -> _Serves:
    return member.engine, member.stages, member.shard, member.shards


def _grown(member: Row[*tuple[Any, ...]]) -> int:
    """How many slots it has beyond what it began with. Those of the version before do not say, and give none."""
    return max(0, member.slots - (member.starts or member.slots))


@dataclass(slots=True)
class _Others:
    """All members but one: the slots that each has of `most`, and what it runs or may begin.

    The one had so many slots `before`.
    """

    connection: Connection
    but: WorkerId
    most: int
    before: int
    members: Sequence[Row[*tuple[Any, ...]]]
    slots: dict[WorkerId, int]
    held: Counter[WorkerId]

    @classmethod
    def of(cls, connection: Connection, but: WorkerId, most: int) -> "_Others":
        rows = connection.execute(_MEMBERS).all()
        before = sum(row.slots for row in rows if row.id == but)
        members = [row for row in rows if row.id != but]
        slots = {WorkerId(row.id): row.slots for row in members}
        held = _UnderWay.of(connection).at(slots, {WorkerId(row.id): row.engine for row in members})
        return cls(connection, but, most, before, members, slots, held)

    def held_still(self, writing: Writing, *, everybody: bool) -> "_Others":
        """The same, looked at again; none is given turns meanwhile, so it runs no more than is seen.

        Everybody who has slots, or who has grown.
        """
        least = 0 if everybody else workers.c.starts
        held = select(workers.c.id).where(workers.c.slots > least, workers.c.id != self.but)
        self.connection.execute(held.order_by(workers.c.id).with_for_update())
        _hold_dispatchers(writing, {row.engine for row in self.members if everybody or _grown(row)})
        return self.of(self.connection, self.but, self.most)

    @property
    def of_channel(self) -> Counter[_Serves]:
        """The slots that there are of each channel of each engine."""
        found = Counter[_Serves]()
        for row in self.members:
            found[_serves(row)] += self.slots[WorkerId(row.id)]
        return found

    @property
    def unserved(self) -> AbstractSet[_Serves]:
        """The channels that somebody would serve who was granted nothing: a slot of each is left for them."""
        there = self.of_channel
        return {serves for row in self.members if row.wants > 0 and not there[serves := _serves(row)]}

    @property
    def left(self) -> int:
        """How many slots nobody was granted; some of them may be in use still, by who had them before."""
        return self.most - sum(self.slots.values())

    @property
    def free(self) -> int:
        """How many of these nobody uses."""
        return self.most - sum(max(slots, self.held[worker]) for worker, slots in self.slots.items())

    @property
    def lacking(self) -> int:
        """How many of the slots that they began with they want, and lack."""
        return sum(max(0, min(row.wants, row.starts) - self.slots[WorkerId(row.id)]) for row in self.members)

    def give_back(self, count: int) -> None:
        """Take so many of the slots by which they have grown; first those that are not used, which are free at once."""
        idle = {worker: max(0, slots - self.held[worker]) for worker, slots in self.slots.items()}
        for unused in (True, False):
            for row in sorted(self.members, key=_grown, reverse=True):
                worker = WorkerId(row.id)
                left = _grown(row) - (row.slots - self.slots[worker])
                less = min(count, left, idle[worker]) if unused else min(count, left)
                self.slots[worker] -= less
                count -= less
        self._keep()

    @property
    def able(self) -> Sequence[WorkerId]:
        """Who has a slot whose channel has others too."""
        there, slots = self.of_channel, self.slots
        return [WorkerId(row.id) for row in self.members if there[_serves(row)] > 1 and slots[WorkerId(row.id)] > 0]

    def spare(self) -> None:
        """Take one slot of those that no channel is left unserved without: an idle one, of who has most."""
        if able := self.able:
            self.slots[max(able, key=lambda it: (self.slots[it] > self.held[it], self.slots[it]))] -= 1
            self._keep()

    def _keep(self) -> None:
        for row in self.members:
            if (slots := self.slots[WorkerId(row.id)]) != row.slots:
                self.connection.execute(update(workers).where(workers.c.id == row.id).values(slots=slots))


def _hold_dispatchers(writing: Writing, names: Collection[str]) -> None:
    """Lock the rows of these engines, at which leases for all their workers are handed out without a look at each.

    So what was handed out is seen, and more is only once this is committed, by the slots that there are then.
    """
    rows = select(engines.c.name).where(engines.c.name.in_(names)).order_by(engines.c.name).with_for_update()
    there = set(writing.connection.scalars(rows))
    if fresh := [{"name": name, "paused": 0} for name in sorted(names) if name not in there]:
        writing.connection.execute(writing.dialect.insert_new(engines), fresh)
        writing.connection.execute(rows)


def limit(writing: Writing, max_running: int | None, otherwise: int, first: str) -> None:
    """Set the whole system's limit, None for the settings' own. Lowered, it takes slots back: nothing is killed.

    Each worker keeps what `shared` says, with the usual engine before others (`first` where nobody has named one), and
    starts nothing until it runs less than that; what one runs beyond its share, others do without. Raised, the workers
    ask for more with their next heartbeat.
    """
    connection = writing.connection
    usual = connection.scalar(select(system.c.usual).with_for_update())
    connection.execute(update(system).values(max_running=max_running))
    allowed = otherwise if max_running is None else max_running
    rows = connection.execute(_MEMBERS.with_for_update()).all()
    if sum(row.slots for row in rows) > allowed:
        _hold_dispatchers(writing, {row.engine for row in rows})
        of = [Granted(WorkerId(row.id), row.engine, row.slots, (row.stages, row.shard, row.shards)) for row in rows]
        shares = shared(of, usual or first, allowed)
        held = _UnderWay.of(connection).at(shares, {WorkerId(row.id): row.engine for row in rows})
        for worker, slots in _without_beyond(shares, held).items():
            connection.execute(update(workers).where(workers.c.id == worker).values(slots=slots))


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """How many tasks each worker runs, and how many each engine was handed that nobody has begun."""

    running: Counter[WorkerId]
    handed_out: Counter[str]

    @classmethod
    def of(cls, connection: Connection) -> "_UnderWay":
        asked = select(tasks.c.worker_id, tasks.c.engine, func.count()).where(UNDER_WAY)
        under_way = cls(Counter(), Counter())
        for worker, engine, count in connection.execute(asked.group_by(tasks.c.worker_id, tasks.c.engine)):
            if worker:
                under_way.running[WorkerId(worker)] += count
            else:
                under_way.handed_out[engine] += count
        return under_way

    def at(self, slots: Mapping[WorkerId, int], engines: Mapping[WorkerId, str]) -> Counter[WorkerId]:
        """How many there are at each of these workers; where a limit was lowered, more than it has slots now.

        What was handed out may be begun by any worker of its engine: it counts where there are slots for it, and the
        rest at the first of them.
        """
        held, left = self.running.copy(), self.handed_out.copy()
        for worker, most in slots.items():
            here = min(left[engines[worker]], max(0, most - held[worker]))
            held[worker] += here
            left[engines[worker]] -= here
        for worker in slots:
            held[worker] += left.pop(engines[worker], 0)
        return held


def _without_beyond(shares: Mapping[WorkerId, int], held: Counter[WorkerId]) -> dict[WorkerId, int]:
    """The shares less what others still run beyond theirs."""
    left = dict(shares)
    beyond = sum(max(0, held[worker] - share) for worker, share in shares.items())
    for worker, share in shares.items():
        less = min(beyond, max(0, share - held[worker]))
        left[worker] -= less
        beyond -= less
    return left


def hold(writing: Writing, worker: WorkerId) -> None:
    """Lock the worker's row, if it has one; before lanes and tasks, as its steps do."""
    writing.connection.execute(select(workers.c.id).where(workers.c.id == worker).with_for_update())


def forget(connection: Connection, worker: WorkerId) -> None:
    """The worker is no more."""
    connection.execute(delete(workers).where(workers.c.id == worker))


_VERSION = Prepared(select(workers.c.version).where(workers.c.id == bindparam("worker")))


@cache
def _to_begin(given_rows: GivenRows) -> tuple[Prepared, Given]:
    given = given_rows("begun", of_task="key")
    columns = (
        *WHOLE_TURN,
        *(tasks.c[name] for name in ("version", "step", "payload", "sort_key", "priority", "begun_at")),
    )
    asked = select(*columns).where(tasks.c.id == given.table.c.of_task).order_by(tasks.c.id)
    return Prepared(select_by_key(asked, given.table, tasks).with_for_update(of=tasks)), given


def begin(
    writing: Writing, worker: WorkerId, leases: Sequence[Lease], rules: Rules, seconds: float
) -> dict[Lease, Attempt | StaleLease]:
    """The leases run at this worker: their attempts, or why one must not. The same again for the same worker.

    Compare-and-set from leased. An attempt may take so many `seconds` in all its parts.
    """
    held = hold_worker(writing, worker)
    asked, given = _to_begin(writing.dialect.given)
    locked = writing.soon(asked, given.bind(sorted({lease.task for lease in leases})))
    version = writing.soon(_VERSION, {"worker": worker})
    slots_granted(held)
    rows, knows = {row["id"]: row for row in locked.rows()}, version.value()
    begun: dict[Lease, Change] = {}
    refused: dict[Lease, Attempt | StaleLease] = {}
    turns: dict[str, list[Change]] = {}
    for lease in dict.fromkeys(leases):
        row = rows.get(lease.task)
        if row is None or row["fence"] != lease.fence:
            refused[lease] = stale(lease)
        elif row["state"] == "running" and row["worker_id"] == worker:
            begun[lease] = row
        elif row["state"] != "leased":
            refused[lease] = stale(lease)
        elif row["version"] > knows:  # it joined after the lease was handed out
            refused[lease] = StaleLease(
                f"Task {lease.task} has a payload of version {row['version']}, this worker knows {knows}."
            )
        else:
            begun[lease] = row
            turns.setdefault(row["engine"], []).append(row)
    kept = _steps_kept(writing, begun.values())
    ages = {lease: _ages(row, writing.now, rules) for lease, row in begun.items()}
    for engine, of_engine in turns.items():
        start(writing, of_engine, engine, worker, rules.lease, handed_out=True)
    return refused | {
        lease: Attempt(
            lease,
            worker,
            UserId(row["user_id"]),
            row["retries"] + 1,
            rules.max_retries + 1,
            bytes(row["payload"]),
            max(0.0, seconds - row["took"]),
            frozenset(kept.get(lease.task, ())),
            *ages[lease],
        )
        for lease, row in begun.items()
    }


def _ages(task: Change, now: float, rules: Rules) -> tuple[float | None, float | None]:
    """How long ago a task could first have started, and how long it waited, where it begins now, or did a moment ago.

    When that was, its `sort_key` was made of. One that was started again could start at another time, which no row
    tells.
    """
    if task["run"] > 1:
        return None, None
    since = task["sort_key"] + task["priority"] * rules.ageing
    begun = now if task["state"] == "leased" else task["begun_at"]
    is_first = not task["started_at"] or task["started_at"] == task["begun_at"] == begun
    return max(0.0, now - since), max(0.0, begun - since) if is_first else None


def _steps_kept(writing: Writing, rows: Iterable[Change]) -> Mapping[str, set[str]]:
    """Of which steps earlier attempts or parts left results, by task.

    Under its first lease a task that tells of no step has left none; under a later one it may be a replay.
    """
    steps: dict[str, set[str]] = {}
    if again := [row["id"] for row in rows if row["fence"] > 1 or row["step"]]:
        of_them = select(checkpoints.c.task_id, checkpoints.c.step).where(checkpoints.c.task_id.in_(again))
        for task, step in writing.connection.execute(of_them):
            steps.setdefault(task, set()).add(step)
    return steps


def stale(lease: Lease) -> StaleLease:
    """Why an attempt must not begin or go on whose lease is another's by now, or was never one."""
    return StaleLease(f"Lease {lease.fence} of task {lease.task} is not valid any more.")


_FROM_LATER = Prepared(
    select(tasks.c.id, tasks.c.fence).where(
        UNDER_WAY, tasks.c.worker_id == bindparam("worker"), tasks.c.lease_until > bindparam("beyond")
    )
)


@cache
def _renew(given_rows: GivenRows) -> tuple[Update, Given]:
    given = leases_given(given_rows)
    return KeyedUpdate(tasks).where(*running_under(given)).values(lease_until=bindparam("until")), given


def renew(
    writing: Writing, worker: WorkerId, leases: Sequence[Lease], length: float, tells: Mapping[str, float]
) -> Renewal:
    """Prolong all that is still held, and write down what it tells; a worker that the ledger gave up holds nothing.

    What it does not name (a claim whose answer it never heard, an outcome that it has yet to tell) runs out by itself.
    But what was given before the clock was set back would do so only when the clock is there again: that is shortened.
    """
    connection = writing.connection
    told = {**tells, "seen_at": writing.now}
    if connection.execute(update(workers).where(workers.c.id == worker).values(told)).rowcount == 0:
        return Renewal(lost=tuple(leases), cancelled=(), known=False)
    granted = connection.execute(select(workers.c.slots).where(workers.c.id == worker)).scalar_one()
    from_later = writing.soon(_FROM_LATER, {"worker": worker, "beyond": writing.now + 2 * length}).tuples()
    all_held = [*leases, *(Lease(TaskId(task), fence) for task, fence in from_later)]
    held = {key: task["cancel"] for key, task in _locked(writing, worker, all_held).items()}
    if held:
        statement, given = _renew(writing.dialect.given)
        writing.connection.execute(
            statement, {**given.bind(*zip(*held, strict=True)), "worker": worker, "until": writing.now + length}
        )
    return Renewal(
        lost=tuple(x for x in leases if (x.task, x.fence) not in held),
        cancelled=tuple(x for x in leases if held.get((x.task, x.fence))),
        granted=granted,
    )


def _locked(writing: Writing, worker: WorkerId, leases: Sequence[Lease]) -> dict[tuple[TaskId, int], Change]:
    """The tasks that the worker runs under these leases. Their lanes are not touched, so they need not be held."""
    if not leases:
        return {}
    asked, parameters = held_by(writing, worker, leases)
    return {(TaskId(row["id"]), row["fence"]): row for row in writing.soon(asked.locked, parameters).rows()}


def _further(task: Change, progress: Progress, kind: str) -> Move:
    percent = min(max(task["percent"], progress.percent), 100.0)  # in this order, for of a NaN the first one stays
    to = {"step": progress.step[:LONGEST_STEP], "percent": percent, "message": cut(progress.message)}
    return Move(task, to, kind)


Halted = Mapping[Lease, StaleLease | CancelRequested]
"""Attempts that must not go on, and why."""


def note(writing: Writing, worker: WorkerId, notes: Sequence[Note]) -> Halted:
    """Write down what attempts tell of their steps, but for those that must not go on."""
    held = _locked(writing, worker, list({note.lease for note in notes}))
    return note_of(writing, held.values(), notes)


def note_of(writing: Writing, held: Iterable[Change], notes: Sequence[Note]) -> Halted:
    """The same of tasks that the worker runs, which are locked; what an attempt tells stays in its order."""
    running = {(task["id"], task["fence"]): task for task in held}
    refused: dict[Lease, StaleLease | CancelRequested] = {}
    rounds: list[list[Move]] = []  # what each tells first, what it tells then
    told = Counter[Lease]()
    noted = _noted(writing, [task for task, _ in running], [note.kind for note in notes])
    for note in notes:
        task = running.get((note.lease.task, note.lease.fence))
        if task is None:
            refused[note.lease] = stale(note.lease)
        elif task["cancel"]:
            refused[note.lease] = CancelRequested("Somebody cancelled the task.")
        elif (task["id"], note.kind) not in noted:
            further = _further(task, note.progress, note.kind)
            running[task["id"], task["fence"]] = {**task, "percent": further.to["percent"]}
            rounds += [[]] if told[note.lease] == len(rounds) else []
            rounds[told[note.lease]].append(further)
            told[note.lease] += 1
    for some in rounds:
        move(writing, some)
    return refused


def tell(writing: Writing, worker: WorkerId, reports: Sequence[tuple[Lease, Progress]]) -> None:
    """Write down how far several attempts have come; those that lost their lease are passed over."""
    latest = {(lease.task, lease.fence): progress for lease, progress in reports}
    held = _locked(writing, worker, [lease for lease, _ in reports])
    noted = _noted(writing, [task["id"] for task in held.values()], ["progress"])
    further = ((task, latest[key]) for key, task in held.items() if (task["id"], "progress") not in noted)
    move(writing, (_further(task, progress, "progress") for task, progress in further))


def _noted(writing: Writing, of: Sequence[str], kinds: Sequence[str]) -> frozenset[tuple[str, str]]:
    """What of this earlier tries wrote down of these locked tasks after all, though their commits' answer was lost."""
    if not writing.again:
        return frozenset()
    asked = select(events.c.task_id, events.c.kind).where(
        events.c.task_id.in_(of), events.c.kind.in_(set(kinds)), events.c.at.in_(writing.again)
    )
    return frozenset((task, kind) for task, kind in writing.connection.execute(asked))
