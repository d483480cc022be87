"""Whose turn it is: start-time fair queueing over users' lanes.

The virtual time of a lane is the work it was given, in slot-seconds divided by its weight; the runnable lane with the
lowest one is next (Goyal, Vin and Cheng: Start-time Fair Queuing, 1996). A lane that becomes runnable again starts no
earlier than the clock, the start of the last turn given, so being idle earns no credit.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, text, update

from paperlane.ledger.dialects import Dialect
from paperlane.ledger.history import Change
from paperlane.ledger.schema import RUNNABLE, clocks, lanes

_WRITE = (
    update(lanes)
    .where(lanes.c.user_id == bindparam("of_user"))
    .values(
        {
            name: bindparam(name)
            for name in ("running", "ready", "waiting", "vtime", "engine", "max_running", "weight", "paused")
        }
    )
)


@dataclass(slots=True)
class Lane:
    """A lane's row while a transaction holds it."""

    user: int
    engine: str
    band: int
    weight: float
    max_running: int
    running: int
    ready: int
    waiting: int
    vtime: float
    paused: int
    was_runnable: bool = False

    @property
    def runnable(self) -> bool:
        """May it be given a turn? The same as the condition `RUNNABLE` of the pick index."""
        return self.ready > 0 and self.running < self.max_running and not self.paused

    def charge(self, cost: float) -> None:
        """Work was given (or, with a negative cost, was less than charged)."""
        self.vtime += cost / self.weight


def _lane(row: RowMapping) -> Lane:
    lane = Lane(
        *(
            row[name]
            for name in (
                "user_id",
                "engine",
                "band",
                "weight",
                "max_running",
                "running",
                "ready",
                "waiting",
                "vtime",
                "paused",
            )
        )
    )
    lane.was_runnable = lane.runnable
    return lane


class Lanes:
    """Lanes that one transaction changes: locked in the order of their users, written once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: dict[int, Lane] = {}

    def hold(self, users: Iterable[int]) -> None:
        """Lock these users' lanes; those without one are left out."""
        missing = sorted(set(users) - self._held.keys())
        for at in range(0, len(missing), 500):
            some = missing[at : at + 500]
            rows = self._connection.execute(
                select(lanes).where(lanes.c.user_id.in_(some)).order_by(lanes.c.user_id).with_for_update()
            )
            self._held |= {lane.user: lane for lane in map(_lane, rows.mappings())}

    def __getitem__(self, user: int) -> Lane:
        if user not in self._held:
            self.hold([user])
        return self._held[user]

    def get(self, user: int) -> Lane | None:
        """The lane, or None when the user has none yet."""
        self.hold([user])
        return self._held.get(user)

    def open(self, user: int, engine: str, max_running: int) -> Lane:
        """The user's lane, made now when there is none."""
        if (lane := self.get(user)) is None:
            self._connection.execute(
                insert(lanes), {"user_id": user, "engine": engine, "max_running": max_running, "vtime": 0.0}
            )
            lane = self[user]
        return lane

    def write(self) -> None:
        """Write every held lane; those that became runnable start no earlier than the clock."""
        if not self._held:
            return
        clock = read_clocks(self._connection)
        for lane in self._held.values():
            if lane.runnable and not lane.was_runnable:
                lane.vtime = max(lane.vtime, clock.get((lane.engine, lane.band), 0.0))
        self._connection.execute(_WRITE, [_row(lane) for lane in self._held.values()])
        self._held.clear()


def _row(lane: Lane) -> dict[str, object]:
    return {
        "of_user": lane.user,
        "running": lane.running,
        "ready": lane.ready,
        "waiting": lane.waiting,
        "vtime": lane.vtime,
        "engine": lane.engine,
        "max_running": lane.max_running,
        "weight": lane.weight,
        "paused": lane.paused,
    }


def read_clocks(connection: Connection) -> dict[tuple[str, int], float]:
    """The virtual clock of each engine and band."""
    return {(row.engine, row.band): row.vtime for row in connection.execute(select(clocks))}


def _advance(connection: Connection, engine: str, band: int, vtime: float) -> None:
    known = connection.execute(
        update(clocks)
        .where(clocks.c.engine == engine, clocks.c.band == band, clocks.c.vtime < vtime)
        .values(vtime=vtime)
    )
    if known.rowcount == 0 and (engine, band) not in read_clocks(connection):
        connection.execute(insert(clocks), {"engine": engine, "band": band, "vtime": vtime})


@dataclass(slots=True)
class _Line:
    """A lane's next tasks while turns are given."""

    lane: Lane
    heads: list[Change] = field(default_factory=list)
    asked: int = 0

    @property
    def most(self) -> int:
        return min(self.lane.ready, self.lane.max_running - self.lane.running)


_NEXT_LANES = (
    select(lanes)
    .where(lanes.c.engine == bindparam("engine"), lanes.c.band == 0, text(RUNNABLE))
    .order_by(lanes.c.vtime, lanes.c.user_id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)


def give_turns(connection: Connection, dialect: Dialect, engine: str, room: int) -> Sequence[Change]:
    """The tasks whose turn it is, at most `room`, in the order of their turns; their lanes are charged."""
    rows = connection.execute(_NEXT_LANES, {"engine": engine, "most": room})
    lines = {line.lane.user: line for line in (_Line(_lane(row)) for row in rows.mappings())}
    if not lines:
        return []
    chosen: list[Change] = []
    clock = 0.0
    for line in _in_turn(connection, dialect, lines, room):
        task = line.heads.pop(0)
        clock = max(clock, line.lane.vtime)
        line.lane.ready -= 1
        line.lane.running += 1
        line.lane.charge(task["cost"])
        chosen.append(task)
    connection.execute(_WRITE, [_row(line.lane) for line in lines.values() if line.asked])
    _advance(connection, engine, 0, clock)
    return chosen


def _in_turn(connection: Connection, dialect: Dialect, lines: dict[int, _Line], room: int) -> Iterator[_Line]:
    """Lanes in the order of their turns; each has its next task at hand when it comes."""
    order = [(line.lane.vtime, user) for user, line in lines.items()]
    heapq.heapify(order)
    while order and room > 0:
        _, user = heapq.heappop(order)
        line = lines[user]
        if not line.heads:
            _fetch(connection, dialect, lines, line, room)
        if not line.heads:
            continue  # its counter promised more than there is; the sweep mends and reports that
        yield line
        room -= 1
        if line.lane.runnable:
            heapq.heappush(order, (line.lane.vtime, user))


def _fetch(connection: Connection, dialect: Dialect, lines: dict[int, _Line], dry: _Line, room: int) -> None:
    """Read heads ahead for every lane that may come next, so that a claim takes few reads."""
    share = -(-room // len(lines))
    wanted = {
        line.lane.user: min(line.most, share)
        for line in lines.values()
        if not line.asked and line.most > 0
    } if not dry.asked else {dry.lane.user: dry.asked + min(dry.most, share)}  # fmt: skip
    skip = {user: lines[user].asked for user in wanted}
    for row in dialect.heads(connection, wanted):
        task: Change = dict(row)
        user = task["user_id"]
        if skip[user] > 0:
            skip[user] -= 1
        else:
            lines[user].heads.append(task)
    for user, most in wanted.items():
        lines[user].asked = most
