"""Who may ask a model next: one decision for all workers, within the provider's minute, fair by lane.

`allot` is a pure function of what is kept of a model, of what one worker wants and tells, and of the time. Its state
is kept wherever all workers can change it one after the other.

What was granted is counted in quarter-second slots over a little more than a minute, so that no window of the
provider's, fixed or sliding, ever holds more than it permits, even where a request arrives a second late. Within that,
grants are paced evenly, with a reserve of some seconds that makes up for a pause.

Lanes take turns by start-time fair queueing (Goyal, Vin, Cheng 1996): each grant costs its lane a time that is the
larger share of the permitted requests or tokens, divided by its weight, and the lane that has used least comes next.
Who was away begins where the others are, with no credit for that.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from pydantic import TypeAdapter, ValidationError

_MINUTE = 60.0
_SLOT = 0.25
_LATE = 1.25  # seconds: a request arrives at most so long after it was granted
IN_TIME = 0.7  # seconds of these in which a worker must send it
_SLOTS = int((_MINUTE + _LATE) / _SLOT) + 1  # the first of them may be over in part
_PACE = _MINUTE / (_SLOTS * _SLOT)  # of the permitted rate
_RESERVE = 3.0  # seconds of the rate that may be made up for
_FRESH = 0.6  # seconds: who asked longer ago may have gone; less than `IN_TIME`
_FORGOTTEN = 120.0  # seconds after which nobody's turn matters any more
_MOST = 1_000  # grants of one decision, where nothing limits them

_FAILURES = 5  # in a row that open the breaker
_FIRST_WAIT = 5.0
_LONGEST_WAIT = 300.0
_REFUSED_WAIT = 60.0  # somebody must mend the key
_PROBE = 150.0  # seconds after which nothing was heard of a probe: its worker is gone
_PUSHED_WAIT = 1.0  # after a 429 that does not say how long; it doubles
_LONGEST_PUSH = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What the provider permits in a minute; 0 is no limit."""

    requests: int = 0
    tokens: int = 0

    def seconds(self, tokens: int) -> float:
        """How much of the permitted time a request takes: the larger of its two shares."""
        by_request = _MINUTE / self.requests if self.requests else 0.0
        return max(by_request, _MINUTE * min(tokens, self.tokens) / self.tokens if self.tokens else 0.0)


@dataclass(frozen=True, slots=True)
class Want:
    """What a lane wants to ask by way of one worker: so many requests, of about so many tokens each."""

    user: int
    count: int
    tokens: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Grant:
    """A lane may ask so many times, each time with so many tokens; `slot` is where that was counted.

    It was granted `ago` seconds before, and must be used within `IN_TIME` of that.
    """

    user: int
    count: int
    tokens: int
    slot: int
    weight: float = 1.0
    ago: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker learned since it asked last.

    `pushed` is how many requests the provider refused for the rate, `wait` the longest time in seconds that it named,
    0 for none. `refused` says why no question is accepted at all. `corrections` are tokens that requests took more than
    was granted, by the slot of their grants. `unused` are requests that were not sent after all.
    """

    succeeded: int = 0
    failed: int = 0
    pushed: int = 0
    wait: float = 0.0
    refused: str = ""
    why: str = ""
    unused: Sequence[Grant] = ()
    corrections: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ask:
    """One worker wants this, for all of its lanes, and tells that. () wants nothing any more.

    `room` is how many requests it could send now.
    """

    worker: str
    wants: Sequence[Want]
    told: Told = Told()
    room: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a worker may do now. `closed` is for how many seconds nobody may ask, and `why`.

    `broken` says that the provider failed, rather than asked for a pause. `probing` says that one request is to find
    out whether it works again.
    """

    grants: tuple[Grant, ...] = ()
    closed: float = 0.0
    why: str = ""
    broken: bool = False
    refused: bool = False
    probing: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A lane's demand at one worker, and what was granted to it that the worker has not fetched yet."""

    worker: str
    user: int
    count: int
    tokens: int
    weight: float
    at: float
    room: int
    granted: int = 0
    slot: int = 0
    granted_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is known of one model's rate. Times in seconds since 1970.

    `slots` holds [slot, requests, tokens]. `reserve` is what may be granted at once, in seconds of the rate; below 0
    somebody waits. `turns` is where each lane stands, [virtual time, when it was last seen], and `turn` where the one
    stood that was served last. `open_until` > 0: the breaker is open, or half open after it.
    """

    at: float = 0.0
    reserve: float = _RESERVE
    slots: tuple[tuple[int, int, int], ...] = ()
    rows: tuple[Row, ...] = ()
    turns: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    turn: float = 0.0
    closed_until: float = 0.0
    pushes: int = 0
    pushed_at: float = 0.0
    failures: int = 0
    openings: int = 0
    open_until: float = 0.0
    probe_until: float = 0.0
    refused: bool = False
    why: str = ""

    def written(self) -> str:
        """As text, for a store."""
        return _STANDING.dump_json(self).decode()

    @classmethod
    def read(cls, text: str) -> "Standing":
        """What `written` wrote; a fresh one of "", and of what another version wrote in other words."""
        try:
            return _STANDING.validate_json(text)
        except ValidationError:
            return cls()


_STANDING = TypeAdapter(Standing)


def allot(standing: Standing, ask: Ask, limits: Limits, now: float) -> tuple[Standing, Verdict]:
    """What stands after this, and what the worker may do.

    While a clock that was set back a little comes to where it was, no time passes. One that was set back by more than a
    minute is believed, and what was granted is forgotten.
    """
    if now < standing.at - _MINUTE:
        standing = Standing(at=now, reserve=0.0)
    now = max(now, standing.at)
    standing = _moved(standing, now, limits)
    standing = _heard(_corrected(standing, ask.told, limits), ask.told, now)
    if standing.open_until > now or standing.closed_until > now:
        standing = _taken_back(standing, limits, lambda _: True)
        return _fetched(standing, ask, now)[0], _shut(standing, now)
    standing, mine = _fetched(standing, ask, now)
    most = _MOST
    probing = standing.open_until > 0
    if probing:  # half open: one finds out for all
        most = 0 if standing.probe_until > now else 1
    standing, granted = _served(standing, ask.worker, limits, now, most)
    if probing and granted:
        standing = replace(standing, probe_until=now + _PROBE)
    return standing, Verdict((*mine, *granted), probing=probing)


def _moved(standing: Standing, now: float, limits: Limits) -> Standing:
    """Time went on: old slots, rows and turns are no more, and the reserve grows."""
    oldest = _slot(now) - _SLOTS
    standing = _taken_back(standing, limits, lambda row: now - row.at > _FRESH)
    return replace(
        standing,
        at=now,
        reserve=min(_RESERVE, standing.reserve + (now - standing.at) * _PACE) if standing.at else _RESERVE,
        slots=tuple(slot for slot in standing.slots if slot[0] > oldest),
        rows=tuple(row for row in standing.rows if now - row.at <= _FRESH),
        turns={user: turn for user, turn in standing.turns.items() if now - turn[1] <= _FORGOTTEN},
    )


def _taken_back(standing: Standing, limits: Limits, of: Callable[[Row], bool]) -> Standing:
    """Grants that were not fetched are as if they had never been."""
    back = [row for row in standing.rows if row.granted and of(row)]
    if not back:
        return standing
    rows = tuple(replace(row, granted=0) if row in back else row for row in standing.rows)
    grants = [Grant(row.user, row.granted, row.tokens, row.slot, row.weight) for row in back]
    return _undone(replace(standing, rows=rows), grants, limits)


def _undone(standing: Standing, grants: Sequence[Grant], limits: Limits) -> Standing:
    """These were never sent: they count for nothing, and cost their lanes nothing. One may have been the probe."""
    slots = {slot: (count, size) for slot, count, size in standing.slots}
    turns, reserve = dict(standing.turns), standing.reserve
    for grant in grants:
        size = min(grant.tokens, limits.tokens or grant.tokens)
        if grant.slot not in slots:
            continue
        count, tokens = slots[grant.slot]
        slots[grant.slot] = max(0, count - grant.count), max(0, tokens - grant.count * size)
        cost = limits.seconds(size)
        reserve += grant.count * cost
        if grant.user in turns:
            at, seen = turns[grant.user]
            turns[grant.user] = at - grant.count * (cost or 1.0) / grant.weight, seen
    kept = tuple((slot, *counted) for slot, counted in slots.items())
    probe = 0.0 if 0 < standing.open_until <= standing.at else standing.probe_until
    return replace(standing, slots=kept, turns=turns, reserve=min(_RESERVE, reserve), probe_until=probe)


def _slot(at: float) -> int:
    return int(at / _SLOT)


def _corrected(standing: Standing, told: Told, limits: Limits) -> Standing:
    """Requests took more tokens than was granted, or less, or were not sent."""
    if told.unused:
        standing = _undone(standing, told.unused, limits)
    if not told.corrections or not limits.tokens:
        return standing
    slots = tuple(
        (slot, count, max(0, tokens + told.corrections.get(slot, 0))) for slot, count, tokens in standing.slots
    )
    reserve = standing.reserve - sum(told.corrections.values()) * _MINUTE / limits.tokens
    return replace(standing, slots=slots, reserve=min(_RESERVE, reserve))


def _heard(standing: Standing, told: Told, now: float) -> Standing:
    """What a worker learned, the good before the bad: it may all have happened at once."""
    if told.succeeded:
        if standing.open_until <= now:  # what was under way when it broke tells nothing of now
            standing = replace(standing, openings=0, open_until=0.0, probe_until=0.0, refused=False)
        standing = replace(standing, failures=0, pushes=standing.pushes if told.pushed else 0)
    if told.pushed:
        standing = _pushed(standing, told, now)
    if told.refused:
        return _opened(standing, told.refused, now, refused=True)
    if told.failed:
        standing = replace(standing, failures=standing.failures + told.failed)
        half_open = 0 < standing.open_until <= now
        if half_open or (not standing.open_until and standing.failures >= _FAILURES):
            return _opened(standing, told.why, now)
    return standing


def _pushed(standing: Standing, told: Told, now: float) -> Standing:
    """Nobody asks until then. Those of one moment count once: they were under way together."""
    fresh = now - standing.pushed_at > _PUSHED_WAIT
    pushes = standing.pushes + 1 if fresh else max(1, standing.pushes)
    wait = told.wait or min(_LONGEST_PUSH, _PUSHED_WAIT * 2.0 ** min(pushes - 1, 10))
    until = max(standing.closed_until, now + wait)
    probe = 0.0 if 0 < standing.open_until <= now else standing.probe_until  # the probe may try again then
    return replace(
        standing, closed_until=until, pushes=pushes, pushed_at=now if fresh else standing.pushed_at, probe_until=probe,
        why=told.why,
    )  # fmt: skip


def _opened(standing: Standing, why: str, now: float, *, refused: bool = False) -> Standing:
    """The breaker opens, each time for twice as long; what fails while it is open was under way before."""
    if standing.open_until > now:
        return standing
    first = _REFUSED_WAIT if refused else _FIRST_WAIT
    wait = min(_LONGEST_WAIT, first * 2.0 ** min(standing.openings, 10))
    return replace(
        standing,
        open_until=now + wait,
        openings=standing.openings + 1,
        failures=0,
        probe_until=0.0,
        refused=refused,
        why=why,
    )


def _shut(standing: Standing, now: float) -> Verdict:
    until = max(standing.open_until, standing.closed_until)
    broken = standing.open_until > now
    return Verdict(closed=until - now, why=standing.why, broken=broken, refused=broken and standing.refused)


def _fetched(standing: Standing, ask: Ask, now: float) -> tuple[Standing, list[Grant]]:
    """The worker's rows are as it says now, and what was granted to them it takes away."""
    mine = {row.user: row for row in standing.rows if row.worker == ask.worker}
    others = [row for row in standing.rows if row.worker != ask.worker]
    grants = [
        Grant(row.user, row.granted, row.tokens, row.slot, row.weight, now - row.granted_at)
        for row in mine.values()
        if row.granted
    ]
    fetched = {grant.user: grant.count for grant in grants}
    room = ask.room - sum(fetched.values())
    rows, turns = others, dict(standing.turns)
    for want in ask.wants:
        if (left := want.count - fetched.get(want.user, 0)) > 0:
            weight = min(max(want.weight, 0.001), 1_000.0)
            rows.append(Row(ask.worker, want.user, left, max(1, want.tokens), weight, now, room))
    waiting = {row.user for row in standing.rows}
    for user in {row.user for row in rows}:
        at = turns.get(user, (0.0, 0.0))[0]
        # whoever was away begins where the others are, and owes what was too much
        turns[user] = (at if user in waiting else max(at, standing.turn), now)
    return replace(standing, rows=tuple(rows), turns=turns), grants


def _served(
    standing: Standing, worker: str, limits: Limits, now: float, most: int
) -> tuple[Standing, tuple[Grant, ...]]:
    """Grant one by one, each to the lane that has used least, as long as the rate has room."""
    here = _slot(now)
    minute = _Minute(standing, limits)
    line = _Line(standing, worker)
    granted: Counter[tuple[str, int]] = Counter()
    while granted.total() < most and (row := line.next()) is not None and minute.has_room(row.tokens):
        line.serve(row, minute.take(row.tokens))
        granted[row.worker, row.user] += 1
    if not granted:
        return standing, ()
    rows: list[Row] = []
    for row in standing.rows:
        count = granted[row.worker, row.user]
        if row.worker != worker:
            first = {"slot": here, "granted_at": now} if count and not row.granted else {}
            rows.append(replace(row, granted=row.granted + count, **first))
        elif row.count > count:
            rows.append(replace(row, count=row.count - count, room=row.room - granted.total()))
    mine = (
        Grant(row.user, granted[worker, row.user], row.tokens, here, row.weight)
        for row in standing.rows
        if row.worker == worker
    )
    after = replace(
        standing,
        reserve=minute.reserve,
        rows=tuple(rows),
        slots=minute.slots(here),
        turns={user: (line.turns[user], seen) for user, (_, seen) in standing.turns.items()},
        turn=line.turn,
    )
    return after, tuple(grant for grant in mine if grant.count)


class _Minute:
    """What the rate has room for."""

    def __init__(self, standing: Standing, limits: Limits) -> None:
        self._before = standing.slots
        self._limits = limits
        self._requests = sum(count for _, count, _ in standing.slots)
        self._tokens = sum(count for _, _, count in standing.slots)
        self._took = (0, 0)
        self.reserve = standing.reserve

    def _size(self, tokens: int) -> int:
        """More than a minute has would never come; the provider is to say what it makes of it."""
        return min(tokens, self._limits.tokens or tokens)

    def has_room(self, tokens: int) -> bool:
        limits = self._limits
        if not limits.requests and not limits.tokens:
            return True
        if self.reserve < 0 or (limits.requests and self._requests >= limits.requests):
            return False
        return not limits.tokens or self._tokens + self._size(tokens) <= limits.tokens

    def take(self, tokens: int) -> float:
        """One request is granted; what it costs its lane."""
        size = self._size(tokens)
        cost = self._limits.seconds(size)
        self.reserve -= cost
        self._requests, self._tokens = self._requests + 1, self._tokens + size
        self._took = self._took[0] + 1, self._took[1] + size
        return cost or 1.0

    def slots(self, here: int) -> tuple[tuple[int, int, int], ...]:
        slots = {slot: (count, size) for slot, count, size in self._before}
        count, size = slots.get(here, (0, 0))
        slots[here] = count + self._took[0], size + self._took[1]
        return tuple((slot, *counted) for slot, counted in sorted(slots.items()))


class _Line:
    """Whose turn it is: the lane that has used least, of those that some worker has room for."""

    def __init__(self, standing: Standing, worker: str) -> None:
        self._worker = worker
        self.turns = {user: at for user, (at, _) in standing.turns.items()}
        self.turn = standing.turn
        self._room = {row.worker: row.room for row in standing.rows}
        for row in standing.rows:
            self._room[row.worker] -= row.granted
        self._left = {(row.worker, row.user): row.count - row.granted for row in standing.rows}
        self._rows: dict[int, list[Row]] = {}
        for row in standing.rows:
            if self._left[row.worker, row.user] > 0:
                self._rows.setdefault(row.user, []).append(row)
        self._order = [(self.turns[user], user) for user in self._rows]
        heapify(self._order)

    def next(self) -> Row | None:
        """A row of the lane whose turn it is; None where there is none."""
        while self._order:
            user = self._order[0][1]
            # its own worker first, which need not come back for it; else the one where most of it waits
            open_ones = [row for row in self._rows[user] if self._room[row.worker] > 0 and self._waits(row)]
            if open_ones:
                return max(open_ones, key=lambda row: (row.worker == self._worker, self._waits(row)))
            heappop(self._order)
        return None

    def _waits(self, row: Row) -> int:
        return self._left[row.worker, row.user]

    def serve(self, row: Row, cost: float) -> None:
        """It was served, for this cost."""
        at, user = heappop(self._order)
        self.turn = max(self.turn, at)
        self.turns[user] = at + cost / row.weight
        heappush(self._order, (self.turns[user], user))
        self._left[row.worker, user] -= 1
        self._room[row.worker] -= 1
