"""A made-up machine with workers' tasks on it, under a virtual clock: what slots do to CPU, memory and models."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from paperlane.machine import Load
from paperlane.scheduling.adaptive import Decision, Law, Seen

TICK = 1.0  # seconds


@dataclass(eq=False, slots=True)
class Task:
    cpu: float  # seconds of a core that are left
    waits: float  # then, seconds for a model


@dataclass
class Plant:
    """Times in seconds, shares from 0 to 1.

    Each task takes `cpu` of one core, then waits for a model about `waits`, and holds `memory`. Others use `others` of
    the CPUs, at a time. A model takes `model` requests at once and refuses what is more. What the sensors tell is
    `late` looks old and off by `noise`; `broken` says when they fail. `arrives` tells how many tasks come at a time.
    """

    law: Law
    cores: float = 4.0
    cpu: float = 2.0
    waits: float = 10.0
    memory: float = 0.02
    base: float = 0.2
    model: float = inf
    noise: float = 0.0
    late: int = 0
    look: float = 10.0
    others: Callable[[float], float] = lambda _now: 0.0
    broken: Callable[[float], bool] = lambda _now: False
    arrives: Callable[[float], int] = lambda _now: 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    now: float = 0.0
    queued: int = 0
    finished: int = 0
    refusals: int = 0
    running: list[Task] = field(default_factory=list)
    told: list[tuple[float, Decision, Load]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)  # how many ran at each look
    _busy: float = 0.0
    _seen: deque[Load] = field(default_factory=deque)

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        while self.now < until:
            before = self.now
            self._pass()
            if self.now // self.look > before // self.look:
                self._look()

    def _pass(self) -> None:
        self.queued += self.arrives(self.now)
        while self.queued and len(self.running) < self.law.slots:
            self.queued -= 1
            self.running.append(Task(self.cpu, self.waits * self.chance.uniform(0.5, 1.5)))
        others = min(1.0, self.others(self.now)) * self.cores
        computing = [task for task in self.running if task.cpu > 0]
        waiting = [task for task in self.running if task.cpu <= 0]
        share = min(1.0, max(0.1, self.cores - others) / len(computing)) if computing else 0.0
        self._busy += min(self.cores, others + share * len(computing)) * TICK
        for task in computing:
            task.cpu -= share * TICK
        refused = max(0, len(waiting) - self.model) if self.model < inf else 0
        self.refusals += int(refused)
        for task in waiting[int(refused) :]:
            task.waits -= TICK
        before = len(self.running)
        self.running = [task for task in self.running if task.cpu > 0 or task.waits > 0]
        self.finished += before - len(self.running)
        self.now += TICK

    def _look(self) -> None:
        real = Load(self._off(self._busy / (self.cores * self.look)), self._off(self.used))
        self._seen.append(real)
        self._busy = 0.0
        load = self._seen[0]
        if len(self._seen) > self.late:
            self._seen.popleft()
        if self.broken(self.now):
            load = Load(None, load.memory)
        seen = Seen(self.now, load, len(self.running), min(self.queued, 11), self.refusals)
        self.refusals = 0
        self.held.append(len(self.running))
        self.told.append((self.now, self.law.decide(seen), load))

    @property
    def used(self) -> float:
        """The share of memory."""
        return min(1.0, self.base + self.memory * len(self.running))

    def _off(self, share: float) -> float:
        return min(1.0, max(0.0, share + self.chance.uniform(-self.noise, self.noise)))

    def slots(self, since: float = 0.0) -> Sequence[int]:
        """How many there were after each look since then."""
        return [decision.slots for at, decision, _ in self.told if at >= since]

    @property
    def turns(self) -> Sequence[float]:
        """When it went into another direction than before."""
        changes = [(at, decision.step > 0) for at, decision, _ in self.told if decision.step]
        return [at for (_, before), (at, after) in pairwise(changes) if before is not after]
