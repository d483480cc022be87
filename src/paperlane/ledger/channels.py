"""Handing out leases for push engines: by channel, no more than its live workers have room for; parts go first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update

from paperlane.ledger import Rules
from paperlane.ledger.claims import OUTLOOK, Outlook, There, is_silent, lease_of, next_turns, suspect_waits
from paperlane.ledger.dialects.prepared import Prepared
from paperlane.ledger.history import WHOLE_TURN, Change, Move, move
from paperlane.ledger.lanes import Lanes
from paperlane.ledger.schema import IS_BETWEEN, UNDER_WAY, engines, tasks, workers
from paperlane.ledger.writing import Asked, Writing
from paperlane.model.tasks import EVERYTHING, FIRST, Channel, Lease, Stage

_BETWEEN = Prepared(  # two parts: they wait to be handed over, whose last part began first before others
    select(*WHOLE_TURN, tasks.c.lease_until)
    .where(UNDER_WAY, tasks.c.worker_id == "", tasks.c.engine == bindparam("engine"), IS_BETWEEN)
    .order_by(tasks.c.begun_at, tasks.c.id)
    .with_for_update(of=tasks, skip_locked=True)
)


_engine = select(engines.c.name).where(engines.c.name == bindparam("engine"))
_ENGINE, _ENGINE_IF_FREE = Prepared(_engine.with_for_update()), Prepared(_engine.with_for_update(skip_locked=True))
_MEMBERS = Prepared(select(*(workers.c[x] for x in ("id", "engine", "slots", "seen_at", "stages", "shard", "shards"))))
_BY = (tasks.c.stage, tasks.c.user_id, IS_BETWEEN, tasks.c.worker_id)
_OUT = Prepared(
    select(*_BY, func.count(), func.max(tasks.c.crashes))
    .where(UNDER_WAY, tasks.c.engine == bindparam("engine"))
    .group_by(*_BY)
)


_KNOWN = {stage.value: stage for stage in Stage}
"""The stages that this version knows: a newer one beside it may have left others."""


def words_of(channel: Channel) -> Change:
    """A channel as it stands in a worker's row."""
    stages = "" if channel.stages == EVERYTHING.stages else ",".join(sorted(channel.stages))
    return {"stages": stages, "shard": channel.shard, "shards": channel.shards}


def channel_of(stages: str, shard: int, shards: int) -> Channel:
    """What a worker's row tells of the channel that it serves. Stages that only newer versions know are left out."""
    named = {stage for stage in Stage if stage.value in stages.split(",")} if stages else EVERYTHING.stages
    return Channel(frozenset(named), shard, shards)


@dataclass(slots=True)
class _Room:
    """What the live workers of an engine have slots for: `of` each of their channels, and as a `whole`.

    What a silent worker still runs takes nobody's slot, until the sweep takes it back. What waits between two parts
    has a place in the whole, for it keeps its turn, and none in a channel.
    """

    of: dict[Channel, int]
    slots: dict[Channel, int]
    whole: int
    there: There

    def widest(self, stage: Stage, user: int) -> Channel | None:
        """Of the channels that serve such a part the one with most room; None where no live worker serves it."""
        serving = [channel for channel in self.of if channel.serves(stage, user)]
        return max(serving, key=self.of.__getitem__, default=None)

    def take(self, channel: Channel | None, count: int = 1) -> None:
        """So many more are out there; of a channel that no live worker of the engine serves, nobody has room."""
        if channel in self.of:
            self.of[channel] -= count


@dataclass(frozen=True, slots=True)
class _Asking:
    """What is known where leases are asked for; all of it is asked together, under the lock of the engine's row."""

    row: Asked
    members: Asked
    out: Asked
    between: Asked
    outlook: Asked


def _ask(writing: Writing, engine: str, row: Prepared) -> _Asking:
    """Dispatchers of an engine take turns at its row: two at once would each fill the room that both see."""
    return _Asking(*(writing.soon(asked, {"engine": engine}) for asked in (row, _MEMBERS, _OUT, _BETWEEN, OUTLOOK)))


def _room(asking: _Asking, engine: str, now: float, rules: Rules) -> _Room:
    room, serves = _Room({}, {}, 0, There(0, 0)), dict[str, Channel | None]([("", None)])
    for worker in asking.members.rows():
        if is_silent(worker["seen_at"], now, rules):
            continue
        channel = channel_of(worker["stages"], worker["shard"], worker["shards"])
        serves[worker["id"]] = channel
        if worker["engine"] == engine and worker["slots"] > 0:  # one that was granted none serves nothing
            room.slots[channel] = room.slots.get(channel, 0) + worker["slots"]
            room.whole += worker["slots"]
    room.of.update(room.slots)
    unbegun: dict[tuple[str, int], int] = {}
    for stage, user, between, worker, count, crashes in asking.out.tuples():
        room.there = There(room.there.held + count, max(room.there.crashes, crashes))
        if worker in serves:
            room.whole -= count
            room.take(serves[worker], count)
        if not (worker or between):
            unbegun[stage, user] = count
    for (stage, user), count in unbegun.items():  # nobody knows yet at which worker each will be
        known = _KNOWN.get(stage)
        serving = [] if known is None else [channel for channel in room.of if channel.serves(known, user)]
        if len(serving) == 1:
            room.take(serving[0], count)
        for _ in range(count if len(serving) > 1 else 0):
            room.take(max(serving, key=room.of.__getitem__))
    return room


def hand_out(writing: Writing, held: Lanes, engine: str, most: int, rules: Rules) -> Sequence[Lease]:
    """Leases for a push engine: what waits between two parts, and then new turns, which begin at the first stage."""
    held.ask_clocks()
    asking = _ask(writing, engine, _ENGINE)
    if asking.row.value() is None:
        writing.connection.execute(writing.dialect.insert_new(engines), {"name": engine, "paused": 0})
        asking = _ask(writing, engine, _ENGINE)
    found = _handed_out(writing, engine, rules) if writing.again else []
    return [*found, *_given_out(writing, held, asking, engine, most - len(found), rules)]


def hand_out_if_free(writing: Writing, held: Lanes, engine: str, most: int, rules: Rules) -> Sequence[Lease] | None:
    """The same in a transaction that holds lanes already: None where a dispatcher is at it, who must not be waited for.

    Neither where the engine's row is not there yet.
    """
    asking = _ask(writing, engine, _ENGINE_IF_FREE)
    found = _handed_out(writing, engine, rules) if writing.again else []
    if asking.row.value() is None:
        return found or None
    return [*found, *_given_out(writing, held, asking, engine, most - len(found), rules)]


def _given_out(writing: Writing, held: Lanes, asking: _Asking, engine: str, most: int, rules: Rules) -> Sequence[Lease]:
    room = _room(asking, engine, writing.now, rules)
    parts = _hand_over(writing, asking.between, room, most, rules)
    most -= len(parts)
    turns: list[Change] = []
    outlook = Outlook(*asking.outlook.tuples()[0])
    for channel, share in _shares(_in_order(writing, held, engine, room, outlook, rules), room, most):
        free = min(share, most - len(turns), room.of[channel], room.whole)
        if free <= 0:
            continue
        given = next_turns(writing, held, engine, free, room.there, outlook, lambda: True, rules, channel)
        to = {"state": "leased", "engine": engine, "worker_id": "", "lease_until": writing.now + rules.undelivered}
        move(writing, (Move(task, {**to, **_begins(task)}, "leased") for task in given))
        room.whole -= len(given)
        room.there = room.there.beside(given)
        room.take(channel, len(given))
        turns += given
    return [*parts, *(lease_of({**task, "stage": FIRST.value}, 1) for task in turns)]


def _in_order(
    writing: Writing, held: Lanes, engine: str, room: _Room, outlook: Outlook, rules: Rules
) -> Sequence[Channel]:
    """The channels where turns begin, the emptiest first. Where a task waits that must run alone, its channel is first.

    And nothing begins in any of them while something runs: in a busy system it would else never come to its turn.
    """
    beginning = [channel for channel in room.of if FIRST in channel.stages]
    beginning.sort(key=lambda channel: -room.of[channel] / room.slots[channel])
    if len(beginning) <= 1 or not outlook.suspects:  # in one channel, that is seen to where turns are given
        return beginning
    held.store()  # the search reads whose lanes are runnable
    alone = [channel for channel in beginning if suspect_waits(writing, engine, outlook, rules, channel)]
    if alone and room.there.held:
        return ()
    return [*alone, *(channel for channel in beginning if channel not in alone)]


def _shares(channels: Sequence[Channel], room: _Room, most: int) -> Iterator[tuple[Channel, int]]:
    """How much of what is asked for each channel is given: by its slots, and then what the others leave.

    Else a wide channel, where there is always something, would take all of it each time.
    """
    slots = sum(room.slots[channel] for channel in channels)
    for channel in channels if len(channels) > 1 else ():
        yield channel, max(1, most * room.slots[channel] // slots)
    for channel in channels:
        yield channel, most


def _begins(task: Change) -> Change:
    """What is a new turn's own. A process that knows no parts may have taken one back, and left its stage."""
    stage = {} if task["stage"] == FIRST.value else {"stage": FIRST.value}
    return {"fence": task["fence"] + 1, "charged": task["charged"], **stage}


def _hand_over(writing: Writing, between: Asked, room: _Room, most: int, rules: Rules) -> Sequence[Lease]:
    """Parts for which there is room in a channel.

    The others keep their turns as long as somebody asks here and their channel has a live worker. Else the sweep gives
    them back, as what nobody began.
    """
    until = writing.now + rules.undelivered
    over: list[Change] = []
    kept: list[str] = []
    for task in between.rows():
        stage = _KNOWN.get(task["stage"])
        if stage is None or (channel := room.widest(stage, task["user_id"])) is None:
            continue
        if len(over) < most and room.of[channel] > 0:
            room.take(channel)
            over.append(task)
        elif task["lease_until"] < until - rules.undelivered / 2:
            kept.append(task["id"])
    move(writing, (Move(task, {"parted": 0, "lease_until": until}, "leased") for task in over))
    if kept:
        writing.connection.execute(update(tasks).where(tasks.c.id.in_(kept)).values(lease_until=until))
    return [lease_of(task, 0) for task in over]


def _handed_out(writing: Writing, engine: str, rules: Rules) -> list[Lease]:
    """What earlier tries handed out after all, though the answer to their commit was lost: nobody would deliver it."""
    until = [at + rules.undelivered for at in writing.again]
    asked = select(tasks.c.id, tasks.c.fence, tasks.c.stage, tasks.c.user_id).where(
        UNDER_WAY,
        tasks.c.worker_id == "",
        tasks.c.engine == engine,
        ~IS_BETWEEN,
        tasks.c.lease_until.in_(until),
    )
    return [lease_of(dict(row), 0) for row in writing.connection.execute(asked).mappings()]
