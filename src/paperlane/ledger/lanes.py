"""Whose turn it is: start-time fair queueing over users' lanes.

The virtual time of a lane is the work it was given, in slot-seconds divided by its weight; the runnable lane with the
lowest one is next (Goyal, Vin and Cheng: Start-time Fair Queuing, 1996). What ended is in it as it was used, what runs
as it is expected. A lane that becomes runnable counts as served up to the clock at least, so being idle earns no
credit; the clock is made of what was used, never of what was expected, so nobody waits for wrong estimates. Shards of
an engine's users have a clock each: one that is slow, as many share few slots, must not take a faster one's time.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Protocol, TypeVar

from sqlalchemy import bindparam, select, update

from paperlane.ledger import semaphore
from paperlane.ledger.dialects import Fit, Given, GivenRows, Kind
from paperlane.ledger.dialects.keyed import KeyedUpdate, select_by_key
from paperlane.ledger.dialects.prepared import Prepared, Row
from paperlane.ledger.history import Change
from paperlane.ledger.schema import RUNNABLE, backlog, clocks, lanes
from paperlane.ledger.writing import Asked, Writing
from paperlane.model.tasks import EVERYTHING, Channel

Answer = TypeVar("Answer")

Of = tuple[str, int]
"""An engine and a shard of its users: whose clock."""

_CHANGING: dict[str, Kind] = {
    "engine": "key", "weight": "float", "max_running": "int", "running": "int", "ready": "int", "waiting": "int",
    "vtime": "float", "served": "float", "ratio": "float", "paused": "int",
    "completed": "int", "failed": "int", "cancelled": "int", "cpu": "float",
}  # fmt: skip
_values = attrgetter(*_CHANGING)

_LEARNT = 0.25  # the weight of the last turn in what a lane knows about its estimates: some four turns are remembered
_HEAD_START = 3_600.0  # virtual seconds by which a lane may be ahead or behind when it moves to another engine
_FURTHEST_OFF = 200.0  # times that an estimate is believed to be too low or too high


@dataclass(slots=True)
class Lane:
    """A lane's row while a transaction holds it."""

    user: int
    band: int
    engine: str
    weight: float
    max_running: int
    running: int
    ready: int
    waiting: int
    vtime: float
    served: float
    ratio: float
    paused: int
    completed: int
    failed: int
    cancelled: int
    cpu: float
    own_limit: int
    was_runnable: bool = False
    has_settled: bool = False
    stored: tuple[object, ...] = ()

    @property
    def limit(self) -> int:
        """The user's own limit, whether it bounds the lane now or not."""
        return self.own_limit or self.max_running

    @property
    def runnable(self) -> bool:
        """May it be given a turn? The same as the condition `RUNNABLE` of the pick index."""
        return self.ready > 0 and self.running < self.max_running and not self.paused

    def give(self, task: Change) -> None:
        """A turn for a ready task, charged the virtual time that it will take, knowing how far off estimates were."""
        self.ready -= 1
        self.running += 1
        task["charged"] = task["cost"] * self.ratio / self.weight
        self.vtime += task["charged"]

    def settle(self, charged: float, used: float) -> None:
        """A turn is over: exactly what it was charged goes back, and the slot-seconds that it used are paid."""
        self.running -= 1
        self.served += used / self.weight
        self.vtime += used / self.weight - charged
        if self.running <= 0:
            self.vtime = self.served  # no error of rounding lives longer than the lane is busy
        self.has_settled = True

    def pay(self, charged: float, used: float) -> float:
        """A part of a turn is over, and its slot-seconds are paid out of what the turn was charged: what is left."""
        paid = used / self.weight
        left = max(0.0, charged - paid)
        self.served += paid
        self.vtime += paid - (charged - left)
        self.has_settled = True
        return left

    def learn(self, cost: float, used: float) -> None:
        """How far an estimate was off, in times, so that the mean is one of logarithms."""
        if cost > 0:
            off = math.log(min(max(used / cost, 1 / _FURTHEST_OFF), _FURTHEST_OFF))
            self.ratio = math.exp((1 - _LEARNT) * math.log(self.ratio) + _LEARNT * off)

    def count_end(self, state: str) -> None:
        """A task of it has come to this state; one that was started again ends again."""
        match state:
            case "completed":
                self.completed += 1
            case "failed":
                self.failed += 1
            case "cancelled":
                self.cancelled += 1
            case _:
                pass

    def start_at(self, clock: float) -> None:
        """Count as served up to the clock at least."""
        missed = max(0.0, clock - self.served)
        self.served += missed
        self.vtime += missed


def _lane(row: Row) -> Lane:
    changing = {name: row[name] for name in _CHANGING}
    lane = Lane(row["user_id"], row["band"], **changing, own_limit=row["own_limit"])
    lane.was_runnable = lane.runnable
    lane.stored = _values(lane)
    return lane


class Rows(Protocol):
    """Rows that were asked for."""

    def rows(self) -> list[Row]:
        """By the names of their columns."""
        ...


class Lanes:
    """Lanes that one transaction changes: locked in the order of their users, written once.

    A simulation keeps lanes in memory: all that is asked or written for them goes through `ask`, `open`, `next`,
    `heads`, `foresee`, `_first`, `_clock`, `_put` and `_come_up`; the law is the same.
    """

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._taken: dict[int, Lane] = {}
        self._coming: list[Asked] = []
        self._clocks: dict[Of, float] | None = None
        self._shards: dict[str, int] = {}
        self._clocks_coming: Asked | None = None
        self._counts: int | None = None
        self._foreseen: dict[Of, tuple[Asked, Asked]] = {}
        self._begun: dict[int, float] = {}

    def ask(self, users: Iterable[int], *, wait: bool = True) -> None:
        """Lock these users' lanes, before all that is asked for after; they are held as soon as one is looked at.

        Those without a lane are left out, and, without `wait`, those that would have to be waited for.
        """
        if missing := sorted(set(users) - self._held.keys()):
            asked, given = _asked(self._writing.dialect.given, wait=wait)
            self._coming.append(self._writing.soon(asked, given.bind(missing)))

    def hold(self, users: Iterable[int], *, wait: bool = True) -> None:
        """Lock these users' lanes now."""
        self.ask(users, wait=wait)
        self._take()

    def _take(self) -> None:
        coming, self._coming = self._coming, []
        for asked in coming:
            for lane in map(_lane, asked.rows()):
                self._taken.setdefault(lane.user, lane)

    @property
    def _held(self) -> dict[int, Lane]:
        if self._coming:
            self._take()
        return self._taken

    def __contains__(self, user: int) -> bool:
        return user in self._held

    def __getitem__(self, user: int) -> Lane:
        if user not in self._held:
            self.hold([user])
        return self._held[user]

    def open(self, users: Iterable[int], engine: str, max_running: int) -> None:
        """Hold these users' lanes, those that are not there made now."""
        users = sorted(set(users))
        self.hold(users)
        if missing := [user for user in users if user not in self._held]:
            bounds = semaphore.bounds_of_new(self._writing, max_running)
            fresh = [{"user_id": user, "engine": engine, **bounds, "vtime": 0.0} for user in missing]
            self._writing.connection.execute(self._writing.dialect.insert_new(lanes), fresh)
            self._keep_clock(engine)
            self.hold(missing)

    def limit(self, lane: Lane, max_running: int) -> None:
        """Give the user another limit of their own; it bounds the lane once such limits are in use."""
        if lane.own_limit:
            semaphore.keep(self._writing, [lane.user], max_running)
            lane.own_limit = max_running
        else:
            lane.max_running = max_running

    def bound(self, users: Sequence[int]) -> int:
        """Let these users' own limits bound their lanes, or not, as the flag says; for how many that is new.

        What runs goes on; of a user who runs more than the limit nothing starts until it is less.
        """
        self.hold(users)
        bounded = semaphore.is_in_use(self._writing)
        changed = [lane for user in users if (lane := self._held.get(user)) and bool(lane.own_limit) == bounded]
        if changed:
            semaphore.keep(self._writing, [lane.user for lane in changed], 0 if bounded else None)
        for lane in changed:
            if bounded:
                lane.max_running, lane.own_limit = lane.own_limit, 0
            else:
                lane.own_limit, lane.max_running = lane.max_running, semaphore.UNBOUNDED
        return len(changed)

    def move(self, lane: Lane, engine: str) -> None:
        """The lane goes to another engine with its own lead over the clock there, within bounds."""
        self._keep_clock(engine)
        lead = lane.served - self._clock.get(self._of(lane.engine, lane.user), 0.0)
        clock = self._clock.get(self._of(engine, lane.user), 0.0)
        served = clock + min(max(lead, -_HEAD_START), _HEAD_START)
        lane.vtime += served - lane.served
        lane.served = served
        lane.engine = engine
        self._writing.woken.add(engine)

    def _keep_clock(self, engine: str) -> None:
        """Let there be a clock for this engine. Only where none is seen: an insert would lock one that is there."""
        if (engine, 0) not in self._clock:
            fresh = {"engine": engine, "band": 0, "vtime": 0.0}
            self._writing.connection.execute(self._writing.dialect.insert_new(clocks), fresh)

    def runnable(self, engine: str, channel: Channel = EVERYTHING) -> list[Lane]:
        """The held lanes of the channel's shard that may be given turns."""
        self._join()
        shard, shards = channel.shard, channel.shards
        here = (lane for lane in self._held.values() if lane.engine == engine and lane.user % shards == shard)
        return [lane for lane in here if lane.band == 0 and lane.runnable]

    def next(self, engine: str, most: int, channel: Channel = EVERYTHING) -> Sequence[Lane]:
        """The lanes whose turn it is, but for those that are held, locked; those that others hold are passed by."""
        self.ask_clocks()
        asked, _, given = _others(self._writing.dialect.given, in_shard=channel.shards > 1)
        parameters = {"engine": engine, "band": 0, "most": most, **given.bind(self._held)}
        if channel.shards > 1:
            parameters |= {"shard": channel.shard, "shards": channel.shards}
        found = [_lane(row) for row in self._writing.soon(asked, parameters).rows()]
        self._taken |= {lane.user: lane for lane in found}
        return found

    def heads(self, wanted: Mapping[int, int], fit: Fit) -> Rows:
        """The first ready tasks of several lanes that fit: `wanted[user]` of each at least, as far as there are."""
        return self._writing.soon(*self._writing.dialect.heads(wanted, fit))

    def foresee(self, engine: str, channel: Channel = EVERYTHING) -> None:
        """Turns will be given: ask for what the clock will take, so that it comes with other answers."""
        of = (engine, channel.shard)
        if of not in self._foreseen and channel.shards == self._shards_of(engine):
            self._foreseen[of] = (self._ask_first(of), _ask_clock(self._writing, of))

    def look_back(self) -> None:
        """Turns of the held lanes are over, and none is given: the same for their clocks, where that saves a way."""
        if self._writing.dialect.together is None:
            return
        for of in {self._of(lane.engine, lane.user) for lane in self._held.values()} - self._foreseen.keys():
            self._foreseen[of] = (self._ask_first(of), _ask_clock(self._writing, of))

    def give(self, task: Change) -> None:
        """A ready task of a held lane gets a turn; the engine's clock comes up to what its lane had used."""
        lane = self[task["user_id"]]
        self._begun[lane.user] = lane.served
        lane.give(task)

    def _join(self) -> None:
        """Lanes that became runnable start at the clock."""
        for lane in self._held.values():
            if lane.runnable and not lane.was_runnable:
                lane.start_at(self._clock.get(self._of(lane.engine, lane.user), 0.0))
                self._writing.woken.add(lane.engine)
            lane.was_runnable = lane.runnable

    def store(self) -> None:
        """Write what changed. They stay held."""
        self._join()
        changed = [lane for lane in self._held.values() if _values(lane) != lane.stored]
        if changed:
            self._put(changed)
        for lane in changed:
            lane.stored = _values(lane)

    def _put(self, changed: Sequence[Lane]) -> None:
        statement, given = _write(self._writing.dialect.given)
        becomes = zip(*map(_values, changed), strict=True)
        self._writing.soon(statement, given.bind([lane.user for lane in changed], *becomes))

    def write(self) -> None:
        """Write what changed, for the last time in this transaction; the clocks follow."""
        self.store()
        for of, reached in self._reached().items():
            if reached > self._clock.get(of, 0.0):
                self._come_up(of, reached)

    def _come_up(self, of: Of, reached: float) -> None:
        _, clock = self._foreseen.get(of) or (None, _ask_clock(self._writing, of))
        _advance(self._writing, of, clock.value(), reached)

    def ask_clocks(self) -> Asked:
        """Ask for the clocks, which lanes that become runnable start at."""
        if self._clocks_coming is None:
            self._clocks_coming = self._writing.soon(_CLOCKS)
        return self._clocks_coming

    def share_backlog(self) -> None:
        """Hold the row of the backlog beside others, with the question for the clocks; before any lane."""
        self._clocks_coming = self._writing.soon(_CLOCKS_AND_BACKLOG)

    @property
    def counts(self) -> int | None:
        """How often the backlog that is shared was counted; None where no clock told."""
        _ = self._clock
        return self._counts

    @property
    def _clock(self) -> dict[Of, float]:
        if self._clocks is None:
            self._clocks = {}
            for engine, shard, shards, vtime, *counts in self.ask_clocks().tuples():
                self._clocks[engine, shard] = vtime
                self._shards[engine] = max(shards, self._shards.get(engine, 1))
                self._counts = counts[0] if counts else None
        return self._clocks

    def _shards_of(self, engine: str) -> int:
        _ = self._clock
        return self._shards.get(engine, 1)

    def _of(self, engine: str, user: int) -> Of:
        return engine, user % self._shards_of(engine)

    def _reached(self) -> dict[Of, float]:
        """How far clocks come: to what lanes had used as they began, or have used now where that passes no lane by.

        So a lane that was alone has no debt when another one comes, and nobody comes behind those who wait.
        """
        reached: dict[Of, float] = {}
        for user, served in self._begun.items():
            of = self._of(self._held[user].engine, user)
            reached[of] = max(served, reached.get(of, 0.0))
        settled: dict[Of, float] = {}
        for lane in self._held.values():
            if lane.has_settled:
                of = self._of(lane.engine, lane.user)
                settled[of] = max(lane.served, settled.get(of, 0.0))
        for of, served in settled.items():
            if served > max(self._clock.get(of, 0.0), reached.get(of, 0.0)):
                reached[of] = max(reached.get(of, 0.0), min([served, *self._ahead(of)]))
        return reached

    def _ahead(self, of: Of) -> list[float]:
        """How far those have come who wait for a turn: each held lane, and the first of all others."""
        here = (lane for lane in self._held.values() if self._of(lane.engine, lane.user) == of)
        return [*(lane.vtime for lane in here if lane.runnable), *self._first(of)]

    def _first(self, of: Of) -> Sequence[float]:
        """How far the first of those has come who wait and are not held, if there is one."""
        first, _ = self._foreseen.get(of) or (self._ask_first(of), None)
        return [vtime for (vtime,) in first.tuples()]

    def _ask_first(self, of: Of) -> Asked:
        engine, shard = of
        shards = self._shards_of(engine)
        _, first, given = _others(self._writing.dialect.given, in_shard=shards > 1)
        asked = {"engine": engine, "band": 0, "most": 1, **given.bind(self._held)}
        if shards > 1:
            asked |= {"shard": shard, "shards": shards}
        return self._writing.soon(first, asked)


def with_lanes(work: Callable[[Writing, Lanes], Answer]) -> Callable[[Writing], Answer]:
    """The work of a transaction that changes lanes, which are written at its end."""

    def whole(writing: Writing) -> Answer:
        lanes = Lanes(writing)
        answer = work(writing, lanes)
        lanes.write()
        return answer

    return whole


@cache
def _asked(given_rows: GivenRows, *, wait: bool) -> tuple[Prepared, Given]:
    given = given_rows("owner", of_user="int")
    asked = select(lanes).where(lanes.c.user_id == given.table.c.of_user).order_by(lanes.c.user_id)
    asked = select_by_key(asked, given.table, lanes).with_for_update(of=lanes, skip_locked=not wait)
    return Prepared(asked), given


@cache
def _write(given_rows: GivenRows) -> tuple[Prepared, Given]:
    given = given_rows("lane", of_user="int", **{f"to_{name}": kind for name, kind in _CHANGING.items()})
    to = {name: given.table.c[f"to_{name}"] for name in _CHANGING}
    return Prepared(KeyedUpdate(lanes).where(lanes.c.user_id == given.table.c.of_user).values(to)), given


IN_SHARD = lanes.c.user_id % bindparam("shards") == bindparam("shard")


@cache
def _others(given_rows: GivenRows, *, in_shard: bool) -> tuple[Prepared, Prepared, Given]:
    """The next lanes but for those that are given, locked, and how far the first of those has come.

    Rows of held lanes tell what was before this transaction, so what is in memory counts instead. Shards are asked for
    only where there are some: how many lanes are in one, no planner can guess.
    """
    given = given_rows("held", of_user="int")
    in_turn = (
        select()
        .where(
            lanes.c.engine == bindparam("engine"),
            lanes.c.band == bindparam("band"),
            RUNNABLE,
            lanes.c.user_id.not_in(select(given.table.c.of_user)),
            *([IN_SHARD] if in_shard else ()),
        )
        .order_by(lanes.c.vtime, lanes.c.user_id)
        .limit(bindparam("most"))
    )
    locked = in_turn.add_columns(*lanes.c).with_for_update(of=lanes, skip_locked=True)
    return Prepared(locked), Prepared(in_turn.add_columns(lanes.c.vtime)), given


_clocks = select(clocks.c.engine, clocks.c.band, clocks.c.shards, clocks.c.vtime)
_CLOCKS = Prepared(_clocks)
_CLOCKS_AND_BACKLOG = Prepared(
    _clocks.add_columns(select(backlog.c.counts).with_for_update(read=True, key_share=True).scalar_subquery())
)


_CLOCK = Prepared(
    select(clocks.c.vtime)
    .where(clocks.c.engine == bindparam("of_engine"), clocks.c.band == bindparam("of_shard"))
    .with_for_update(skip_locked=True)
)
_SET_CLOCK = Prepared(
    update(clocks)
    .where(clocks.c.engine == bindparam("of_engine"), clocks.c.band == bindparam("of_shard"))
    .values(vtime=bindparam("to_vtime"))
)


def _ask_clock(writing: Writing, of: Of) -> Asked:
    """The clock, locked; none where another transaction is at it: nobody shall wait for a clock's row."""
    return writing.soon(_CLOCK, {"of_engine": of[0], "of_shard": of[1]})


def _advance(writing: Writing, of: Of, now: float | None, vtime: float) -> None:
    """Let the clock come up to this, unless another transaction is at it.

    The next one that settles brings it to about the same, so it lags by a step at most.
    """
    if now is not None and now < vtime:
        writing.soon(_SET_CLOCK, {"of_engine": of[0], "of_shard": of[1], "to_vtime": vtime})
