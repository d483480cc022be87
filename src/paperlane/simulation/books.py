"""Lanes kept in memory: what the ledger's own law says of them, without a database below it."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from typing_extensions import override

from paperlane.ledger import Rules
from paperlane.ledger.claims import Outlook, There, next_turns
from paperlane.ledger.dialects import Fit
from paperlane.ledger.endings import Ending, ending, give_back
from paperlane.ledger.lanes import Lane, Lanes, Of
from paperlane.ledger.writing import Writing
from paperlane.model.tasks import EVERYTHING, FIRST, Channel, Outcome

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from paperlane.ledger.dialects import Dialect

Turn = dict[str, Any]
"""A task that has a turn: the columns that the law reads, and those of its `Waiting`."""

_CALM = Outlook(paused=0, next_due=None, suspects=0, knows=1)
_NOTHING_THERE = There(0, 0)


class Waiting(NamedTuple):
    """A task that waits in its lane, in the order of the ledger: by `sort_key`, then by its number.

    Its attempts take `seconds` each, its `cost` is what the ledger expects of them; it came at the time `accepted`. Of
    one that was `measured` it is known how long it waited in truth.
    """

    sort_key: float
    number: int
    seconds: float
    cost: float
    accepted: float
    retries: int = 0
    started: float | None = None  # its first attempt
    measured: bool = False


@dataclass(slots=True)
class Books:
    """All lanes of a simulation, and what waits in them. Every method is what one transaction of the ledger does.

    `woken` are the engines for which a lane became runnable in the last one. `chance` spreads retries, from 0 to 1.
    """

    rules: Rules
    chance: Callable[[], float]
    woken: set[str] = field(init=False)
    lanes: dict[int, Lane] = field(default_factory=dict)
    clocks: dict[Of, float] = field(default_factory=dict)
    waiting: dict[int, list[Waiting]] = field(default_factory=dict)
    _order: dict[str, list[tuple[float, int]]] = field(default_factory=dict)  # heaps; entries may be out of date
    _placed: dict[int, tuple[str, float]] = field(default_factory=dict)  # the entry of a lane that counts
    _writing: Writing = field(init=False)

    def __post_init__(self) -> None:
        """One object stands for all transactions, as nothing of it goes to a database."""
        self._writing = Writing(cast("Connection", None), cast("Dialect", None), lambda said, _: said)
        self.woken = self._writing.woken

    def _held(self) -> "_InMemory":
        self.woken.clear()
        return _InMemory(self._writing, self)

    def knows(self, user: int) -> bool:
        """Has this user a lane?"""
        return user in self.lanes

    def submit(self, user: int, tasks: Sequence[Waiting]) -> None:
        """These tasks are ready; a lane that is not there yet is made."""
        held = self._held()
        held.open([user], self.rules.engine, self.rules.user_limit)
        queue = self.waiting.setdefault(user, [])
        for task in tasks:
            heapq.heappush(queue, task)
        held[user].ready += len(tasks)
        held.write()

    def step(
        self, engine: str, now: float, ended: Sequence[tuple[Turn, Outcome]], room: int
    ) -> tuple[Sequence[Turn], Sequence[Ending]]:
        """What `Ledger.step` does: turns end, and others are given, at most `room`; what each of the ended came to.

        A task that is to be tried again is `due` at its time.
        """
        held = self._held()
        came_to = [ending(task, outcome, now, self.rules, self.chance) for task, outcome in ended]
        for (task, _), came in zip(ended, came_to, strict=True):
            give_back(held[task["user_id"]], task, came)
        turns = (
            next_turns(self._writing, held, engine, room, _NOTHING_THERE, _CALM, lambda: False, self.rules)
            if room > 0
            else ()
        )
        for turn in turns:
            heapq.heappop(self.waiting[turn["user_id"]])  # turns of a lane are given in its order
        held.write()
        return turns, came_to

    def due(self, user: int, task: Waiting) -> None:
        """The time of a task has come that was to be tried again."""
        held = self._held()
        held[user].waiting -= 1
        held[user].ready += 1
        heapq.heappush(self.waiting[user], task)
        held.write()

    def lane(
        self, user: int, *, engine: str | None = None, max_running: int | None = None, weight: float | None = None
    ) -> None:
        """The lane of a user is made if need be; it moves to another engine, or is limited or weighed anew."""
        held = self._held()
        held.open([user], self.rules.engine, self.rules.user_limit)
        lane = held[user]
        if engine is not None and engine != lane.engine:
            held.move(lane, engine)
        if max_running is not None:
            lane.max_running = max_running
        if weight is not None:
            lane.weight = weight
        held.write()

    def place(self, lane: Lane) -> None:
        """Let a runnable lane stand where it belongs in the order of turns."""
        now = (lane.engine, lane.vtime)
        if lane.runnable and self._placed.get(lane.user) != now:
            self._placed[lane.user] = now
            heapq.heappush(self._order.setdefault(lane.engine, []), (lane.vtime, lane.user))

    def first(self, engine: str) -> Lane | None:
        """The lane whose turn it is; what is out of date goes."""
        order = self._order.get(engine, [])
        while order:
            vtime, user = order[0]
            lane = self.lanes[user]
            if self._placed.get(user) == (engine, vtime):
                if lane.runnable and (lane.engine, lane.vtime) == (engine, vtime):
                    return lane
                del self._placed[user]
            heapq.heappop(order)
        return None

    def take_first(self, engine: str) -> Lane:
        """Take that lane out of the order, until it is placed again."""
        _, user = heapq.heappop(self._order[engine])
        del self._placed[user]
        return self.lanes[user]


@dataclass(frozen=True, slots=True)
class _Heads:
    found: list[Turn]

    def rows(self) -> list[Turn]:
        return self.found


class _InMemory(Lanes):
    """The lanes that one transaction of a simulation holds."""

    def __init__(self, writing: Writing, books: Books) -> None:
        super().__init__(writing)
        self._books = books
        self._lifted: list[Lane] = []

    @override
    def ask(self, users: Iterable[int], *, wait: bool = True) -> None:
        for user in users:
            if user not in self._taken and (lane := self._books.lanes.get(user)) is not None:
                lane.has_settled = False
                self._taken[user] = lane

    @override
    def open(self, users: Iterable[int], engine: str, max_running: int) -> None:
        for user in users:
            if user not in self._books.lanes:
                self._books.lanes[user] = _fresh(user, engine, max_running)
        self.ask(users)

    @override
    def next(self, engine: str, most: int, channel: Channel = EVERYTHING) -> Sequence[Lane]:
        found: list[Lane] = []
        while len(found) < most and self._lift(engine) is not None:
            lane = self._books.take_first(engine)
            self._lifted.append(lane)
            found.append(lane)
            self.ask([lane.user])
        return found

    def _lift(self, engine: str) -> Lane | None:
        """The first lane that is not held; entries of held ones are lifted out of its way until the end."""
        while (lane := self._books.first(engine)) is not None and lane.user in self._taken:
            self._lifted.append(self._books.take_first(engine))
        return lane

    @override
    def heads(self, wanted: Mapping[int, int], fit: Fit) -> _Heads:
        del fit  # nothing crashes here, and workers read all payloads
        found: list[Turn] = []
        for user, most in wanted.items():
            queue = self._books.waiting[user]
            first = queue[:1] if most == 1 else heapq.nsmallest(most, queue)
            found += [_turn(user, task) for task in first]
        return _Heads(found)

    @override
    def foresee(self, engine: str, channel: Channel = EVERYTHING) -> None:
        """Nothing is far away."""

    @override
    def _first(self, of: Of) -> Sequence[float]:
        lane = self._lift(of[0])
        return [] if lane is None else [lane.vtime]

    @property
    @override
    def _clock(self) -> dict[Of, float]:
        return self._books.clocks

    @override
    def _shards_of(self, engine: str) -> int:
        return 1

    @override
    def _keep_clock(self, engine: str) -> None:
        self._books.clocks.setdefault((engine, 0), 0.0)

    @override
    def _come_up(self, of: Of, reached: float) -> None:
        self._books.clocks[of] = reached

    @override
    def _put(self, changed: Sequence[Lane]) -> None:
        for lane in changed:
            self._books.place(lane)

    @override
    def write(self) -> None:
        super().write()
        for lane in self._lifted:
            self._books.place(lane)


def _fresh(user: int, engine: str, max_running: int) -> Lane:
    """As the table's defaults make it."""
    return Lane(
        user, band=0, engine=engine, weight=1.0, max_running=max_running, running=0, ready=0, waiting=0, vtime=0.0,
        served=0.0, ratio=1.0, paused=0, completed=0, failed=0, cancelled=0, cpu=0.0, own_limit=0,
    )  # fmt: skip


def _turn(user: int, task: Waiting) -> Turn:
    return {
        "id": task.number, "user_id": user, "fence": 1, "cost": task.cost, "retries": task.retries, "started_at": 0.0,
        "stage": FIRST.value, "state": "ready", "crashes": 0, "cancel": 0, "parted": 0, "used": 0.0, "took": 0.0,
        "charged": 0.0, "task": task,
    }  # fmt: skip
