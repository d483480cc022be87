"""Giving turns: the next tasks of the lanes that have come least far, until the free room is full."""

import heapq
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from paperlane.ledger.dialects import Fit
from paperlane.ledger.history import Change
from paperlane.ledger.lanes import Lane, Lanes
from paperlane.model.tasks import Channel

_SHARE = 8  # of the free room, a lane is given one such part at once: locking and writing lanes costs more than tasks

BARREN = 2_000
"""Lanes without a task that fits, after which a claim asks for no more.

Only versions make them: after a rollback all that the newer version took in. A claim that passes so many by takes a
tenth of a second or so; without a bound it would hold every lane.
"""
_AT_ONCE = 500  # lanes that are asked for in one go where others had nothing that fits

_Place = tuple[float, int]
"""Where a lane stands in the order of turns: its virtual time and its user."""


@dataclass(slots=True)
class _Line:
    """A lane's next tasks while turns are given."""

    lane: Lane
    kept: int = 0  # turns that are left free
    heads: list[Change] = field(default_factory=list)
    asked: int = 0
    ends: bool = False  # there is nothing behind what was read

    @property
    def place(self) -> _Place:
        return self.lane.vtime, self.lane.user

    @property
    def most(self) -> int:
        return min(self.lane.ready, self.lane.max_running - self.lane.running - self.kept)


@dataclass(slots=True)
class _Turns:
    """The lanes in the order of their turns; beyond `reach` there may be others that were not asked for."""

    held: Lanes
    engine: str
    fit: Fit
    channel: Channel
    keep_free: Collection[int]
    lines: dict[int, _Line] = field(default_factory=dict)
    order: list[_Place] = field(default_factory=list)
    reach: _Place | None = (-math.inf, 0)
    barren: int = 0  # lanes that had nothing that fits

    def join(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            line = self.lines.setdefault(lane.user, _Line(lane, kept=lane.user in self.keep_free))
            if line.most > 0:
                heapq.heappush(self.order, line.place)

    def ask(self, most: int) -> None:
        """Hold more lanes."""
        found = self.held.next(self.engine, most, self.channel)
        self.join(found)
        self.reach = None if len(found) < most else (found[-1].vtime, found[-1].user)

    def next(self, most: int) -> _Line | None:
        """The line whose turn it is; None when there is none any more."""
        if self.reach is not None and (not self.order or self.order[0] > self.reach) and self.barren < BARREN:
            self.ask(max(most, min(2 * self.barren, _AT_ONCE)))
        return self.lines[heapq.heappop(self.order)[1]] if self.order else None

    def fetch(self, dry: _Line, room: int, share: int) -> None:
        """Read heads ahead for the lines whose turns come next, so that a claim takes few reads."""
        share = max(share, -(-room // len(self.lines)))
        ahead_of = math.inf if self.barren else room  # where some have nothing that fits, others may have nothing too
        ahead = [] if dry.asked else [line for _, user in sorted(self.order) if not (line := self.lines[user]).asked]
        wanted: dict[int, int] = {}
        for line in (dry, *ahead):
            if ahead_of <= 0:
                break
            if (more := min(line.most, share, room)) > 0:
                wanted[line.lane.user] = line.asked + more
                ahead_of -= more
        asked = self.held.heads(wanted, self.fit)
        self.held.foresee(self.engine, self.channel)
        seen = dict.fromkeys(wanted, 0)
        for row in asked.rows():
            user = row["user_id"]
            seen[user] += 1
            if self.lines[user].asked < seen[user] <= wanted[user]:
                self.lines[user].heads.append(row)
        for user, most in wanted.items():
            line = self.lines[user]
            line.asked, line.ends = most, seen[user] < most
            self.barren += line.ends and not line.heads


def give_turns(
    held: Lanes,
    engine: str,
    room: int,
    fit: Fit,
    channel: Channel,
    *,
    spare: int,
    usual_limit: int,
    keep_free: Collection[int],
) -> Sequence[Change]:
    """The tasks whose turn it is, at most `room`, in the order of their turns; their lanes, of one shard, are charged.

    A turn is one task, or an eighth of the room where that is more. Tasks that do not fit are passed by; `spare` lanes
    may have no others. Lanes of the users in `keep_free`, no more than the spare ones, are not filled up: one turn of
    each is left. Most users run no more than the `usual_limit` at once, so more lanes are asked for where a turn
    is larger: to ask again takes longer.
    """
    share = max(1, room // _SHARE)
    turns = _Turns(held, engine, fit, channel, keep_free)
    turns.join(held.runnable(engine, channel))
    turns.ask(-(-room // max(1, min(share, usual_limit))) + spare)
    chosen: list[Change] = []
    while (left := room - len(chosen)) > 0 and (line := turns.next(left + spare)) is not None:
        for _ in range(min(share, left, line.most)):
            if not line.heads and not line.ends:
                turns.fetch(line, left, share)
            if not line.heads:
                break  # none fits, or its counter promised more than there is; the sweep mends and reports that
            task = line.heads.pop(0)
            held.give(task)
            chosen.append(task)
        else:
            turns.join([line.lane])
    return chosen
