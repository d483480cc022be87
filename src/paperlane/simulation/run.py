"""One simulation: tasks come, take their turns and end, in the order of a clock that waits for nobody."""

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from paperlane.ledger import Rules
from paperlane.model.tasks import Completed, Failed, Fault, Outcome, Retry
from paperlane.simulation.books import Books, Turn, Waiting
from paperlane.simulation.setting import Crew, Setting

_FAULT = Fault("simulated", "The attempt failed, as the setting says.")


class Work(NamedTuple):
    """A task that comes: the seconds that an attempt takes, and those that the ledger expects of it.

    One that was `measured` has been before, and it is known how long it waited then.
    """

    seconds: float
    cost: float
    priority: int = 5
    measured: bool = False


class Arrival(NamedTuple):
    """Tasks that a user brings together, `at` a time in seconds."""

    at: float
    user: int
    works: Sequence[Work]


class Life(NamedTuple):
    """A task that has ended. Times in seconds.

    Its first attempt `started` then, its last one took `seconds`, and the ledger expected its `cost`.
    """

    number: int
    user: int
    engine: str
    accepted: float
    started: float
    ended: float
    seconds: float
    cost: float
    failed: bool

    @property
    def wait(self) -> float:
        """Seconds from its acceptance to the start of its first attempt."""
        return self.started - self.accepted


class Watcher:
    """Who follows a simulation; every method may be overridden, and is called in the order of time."""

    def accepted(self, user: int, at: float, tasks: int) -> None:
        """Tasks came."""

    def started(self, user: int, accepted: float, at: float) -> None:
        """The first attempt of a task begins."""

    def waited_again(self, wait: float) -> None:
        """One begins that was measured: here it waited so many seconds."""

    def ended(self, life: Life) -> None:
        """A task has ended."""

    def passes(self, until: float, running: int, queued: int, waiting: int) -> None:
        """From the last such call on `until` now so many attempts held a slot, and so many tasks had no turn.

        Of these, `waiting` are to be tried again later.
        """


def _number(turn: Turn) -> int:
    return turn["task"].number


@dataclass(slots=True)
class _Worker:
    crew: Crew
    slots: int
    running: int = 0

    @property
    def room(self) -> int:
        return self.slots - self.running


class Simulation:
    """A load under a setting. The same arguments give the same simulation.

    `arrivals` come in the order of time and are read one by one. `engine_of` says whose tasks another engine carries,
    when the user brings the first one; later `move` does. What else is to happen at a time is told by `at`.
    """

    def __init__(
        self,
        setting: Setting,
        arrivals: Iterable[Arrival] = (),
        *,
        seed: int = 1,
        watchers: Sequence[Watcher] = (),
        engine_of: Callable[[int], str] | None = None,
        rules: Rules | None = None,
    ) -> None:
        self.setting = setting
        self.now = 0.0
        self.tasks = self.running = self.queued = self.waiting = 0
        chance = random.Random(seed)  # noqa: S311  spreads faults, keeps no secret
        self._chance = chance
        limits = {"system_limit": setting.system_limit, "user_limit": setting.user_limit}
        self._rules = replace(rules or Rules(), engine=setting.engines[0], **limits)
        self.books = Books(self._rules, chance.random)
        self._watchers = watchers
        self._engine_of = engine_of
        self._workers = [_Worker(crew, slots) for crew, slots in setting.granted()]
        self._by_engine = {name: [w for w in self._workers if w.crew.engine == name] for name in setting.engines}
        self._room = {name: sum(one.slots for one in workers) for name, workers in self._by_engine.items()}
        self._turn = dict.fromkeys(self._by_engine, 0)  # which idle worker is asked first
        self._arrivals = iter(arrivals)
        self._coming = next(self._arrivals, None)
        self._events: list[tuple[float, int, _Worker | None, Turn | Callable[[], None]]] = []
        self._numbers = 0

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Have something done when the time has come; what is over is done now, before all that comes."""
        self._event(max(time, self.now), None, call)

    def _event(self, time: float, worker: _Worker | None, what: Turn | Callable[[], None]) -> None:
        self._numbers += 1
        heapq.heappush(self._events, (time, self._numbers, worker, what))

    def run(self, until: float = inf) -> None:
        """Go on until nothing happens any more, or the clock is there."""
        while True:
            coming = self._coming.at if self._coming is not None else inf
            event = self._events[0][0] if self._events else inf
            if (time := min(coming, event)) > until or time == inf:
                break
            self._pass(time)
            if event <= coming:
                self._happen()
            else:
                assert self._coming is not None
                _, user, works = self._coming
                self._coming = next(self._arrivals, None)
                self.submit(user, works)
        if until < inf:
            self._pass(until)

    def _pass(self, time: float) -> None:
        if time > self.now:
            for one in self._watchers:
                one.passes(time, self.running, self.queued, self.waiting)
            self.now = time

    def submit(self, user: int, works: Sequence[Work]) -> None:
        """A user brings tasks now."""
        now = self.now
        first = self.tasks
        self.tasks += len(works)
        ageing = self._rules.ageing
        tasks = [
            Waiting(now - work.priority * ageing, first + n, work.seconds, work.cost, now, measured=work.measured)
            for n, work in enumerate(works)
        ]
        if not self.books.knows(user):
            self._make_lane(user)
        self.books.submit(user, tasks)
        self.queued += len(tasks)
        for one in self._watchers:
            one.accepted(user, now, len(tasks))
        self._wake(set(self.books.woken))

    def _make_lane(self, user: int) -> None:
        engine = self._engine_of(user) if self._engine_of is not None else None
        limits, weights = self.setting.limits, self.setting.weights
        self.books.lane(user, engine=engine, max_running=limits.get(user), weight=weights.get(user))

    def move(self, user: int, engine: str) -> None:
        """From now on this engine carries a user's tasks; what runs ends where it is."""
        if self.books.knows(user):
            self.books.lane(user, engine=engine)
            self._wake(set(self.books.woken))

    def _wake(self, engines: set[str]) -> None:
        """Idle workers of these engines take turns, until none is left or no room is."""
        for engine in sorted(engines):
            workers = self._by_engine.get(engine, [])
            for _ in workers:
                if self._room[engine] <= 0:
                    break
                worker = workers[self._turn[engine] % len(workers)]
                self._turn[engine] += 1
                if (room := worker.room) > 0 and self._step(worker, ()) < room:
                    break

    def _happen(self) -> None:
        _, _, worker, what = heapq.heappop(self._events)
        if worker is None:
            assert callable(what)
            what()
            return
        assert isinstance(what, dict)
        ended: list[Turn] = [what]
        while self._events and self._events[0][0] == self.now and self._events[0][2] is worker:
            more = heapq.heappop(self._events)[3]
            assert isinstance(more, dict)
            ended.append(more)
        ended.sort(key=_number)  # as the ledger holds them, or sums would be rounded otherwise
        self._step(worker, [(turn, self._outcome(worker.crew, turn)) for turn in ended])
        if self.books.woken:
            self._wake(set(self.books.woken))

    def _outcome(self, crew: Crew, turn: Turn) -> Outcome:
        took = turn["task"].seconds * crew.factor
        if crew.fails or crew.retries:
            chance = self._chance.random()
            if chance < crew.fails:
                return Failed(_FAULT, took)
            if chance < crew.fails + crew.retries:
                return Retry(_FAULT, took)
        return Completed(took)

    def _step(self, worker: _Worker, ended: Sequence[tuple[Turn, Outcome]]) -> int:
        """What of a worker has ended is told, and it takes turns: how many."""
        crew, now = worker.crew, self.now
        worker.running -= len(ended)
        turns, came_to = self.books.step(crew.engine, now, ended, worker.room)
        worker.running += len(turns)
        self._room[crew.engine] += len(ended) - len(turns)
        self.running += len(turns) - len(ended)
        self.queued -= len(turns)
        for (turn, outcome), came in zip(ended, came_to, strict=True):
            state = came.to["state"]
            if state in {"ready", "waiting"}:
                self._again(turn, came.to["run_at"], came.to.get("retries", 0))
            else:
                task: Waiting = turn["task"]
                life = Life(
                    task.number, turn["user_id"], crew.engine, task.accepted, turn["started"], now, outcome.seconds,
                    task.cost, state == "failed",
                )  # fmt: skip
                for one in self._watchers:
                    one.ended(life)
        for turn in turns:
            task = turn["task"]
            begun = now + crew.overhead
            turn["started"] = begun if task.started is None else task.started
            if task.started is None:
                for one in self._watchers:
                    one.started(turn["user_id"], task.accepted, begun)
                    if task.measured:
                        one.waited_again(begun - task.accepted)
            self._event(begun + task.seconds * crew.factor, worker, turn)
        return len(turns)

    def _again(self, turn: Turn, at: float, retries: int) -> None:
        task: Waiting = turn["task"]
        again = task._replace(retries=retries, started=turn["started"])
        user = turn["user_id"]
        self.queued += 1
        self.waiting += 1

        def come_due() -> None:
            self.waiting -= 1
            self.books.due(user, again)
            self._wake(set(self.books.woken))

        self.at(at, come_due)
