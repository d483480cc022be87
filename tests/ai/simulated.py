"""Workers that share a model's rate on a virtual clock, and a provider that counts for itself."""

import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from paperlane.ai.rate import Ask, Limits, Standing, Told, Want, allot

MINUTE = 60.0


@dataclass
class Window:
    """What came within the last minute, or within the clock's own."""

    sliding: bool
    came: deque[tuple[float, int]] = field(default_factory=deque)
    tokens: int = 0

    def clear(self, now: float) -> None:
        begin = now - MINUTE if self.sliding else math.floor(now / MINUTE) * MINUTE
        while self.came and self.came[0][0] < begin:
            self.tokens -= self.came.popleft()[1]

    def add(self, now: float, tokens: int) -> None:
        self.came.append((now, tokens))
        self.tokens += tokens


@dataclass
class Provider:
    """Refuses what is too much in the last minute, or in the clock's own minute."""

    limits: Limits
    windows: tuple[Window, Window] = field(default_factory=lambda: (Window(sliding=True), Window(sliding=False)))
    refused: int = 0
    served: int = 0

    def ask(self, now: float, tokens: int) -> bool:
        for window in self.windows:
            window.clear(now)
            many = self.limits.requests and len(window.came) >= self.limits.requests
            if many or (self.limits.tokens and window.tokens + tokens > self.limits.tokens):
                self.refused += 1
                return False
        for window in self.windows:
            window.add(now, tokens)
        self.served += 1
        return True


@dataclass
class House:
    """Workers look every `pause` seconds or so; what they may send arrives up to `late` seconds later."""

    limits: Limits
    workers: int
    waiting: dict[tuple[str, int], int]  # (worker, user): how many questions
    weights: dict[int, float] = field(default_factory=dict)
    tokens: tuple[int, int] = (1_000, 1_000)  # the fewest and the most of one question
    estimate: int = 1_000
    seed: int = 0
    late: float = 0.5
    pause: float = 0.2
    stall: float = 0.0  # seconds that every worker is silent for, once in 20 seconds
    start: float = 1_000_017.0
    standing: Standing = field(default_factory=Standing)
    served: Counter[int] = field(default_factory=Counter)
    latest: float = 0.0  # the most that a grant waited for its worker

    def run(self, seconds: float, after: float = 0.0) -> float:
        """The share of the permitted requests, or tokens, that was used from `after` on."""
        self.chance = random.Random(self.seed)
        self.provider = Provider(self.limits)
        self.used = 0
        line: list[tuple[float, int, str, int, int, int]] = []
        for number in range(self.workers):
            heappush(line, (self.start + self.chance.random() * self.pause, number, "look", 0, 0, 0))
        told: dict[int, Told] = {}
        while line and line[0][0] < self.start + seconds:
            now, number, what, user, granted, slot = heappop(line)
            if what == "arrive":
                tokens = self.chance.randint(*self.tokens)
                if self.provider.ask(now, tokens):
                    self.served[user] += 1
                    self.used += (tokens if self.limits.tokens else 1) if now >= self.start + after else 0
                before = told.get(number, Told())
                corrections = Counter(before.corrections)
                corrections[slot] += tokens - granted
                told[number] = Told(before.succeeded + 1, corrections=corrections)
                continue
            name = f"worker {number}"
            mine = [(u, left) for (w, u), left in self.waiting.items() if w == name and left]
            wants = [Want(u, left, self.estimate, self.weights.get(u, 1.0)) for u, left in mine]
            self.standing, verdict = allot(self.standing, Ask(name, wants, told.pop(number, Told())), self.limits, now)
            if self.chance.random() < 0.05:
                self.standing = Standing.read(self.standing.written())
            for grant in verdict.grants:
                self.latest = max(self.latest, grant.ago)
                for _ in range(grant.count):
                    self.waiting[name, grant.user] -= 1
                    at = now + self.chance.random() * self.late
                    heappush(line, (at, number, "arrive", grant.user, grant.tokens, grant.slot))
            pause = self.pause * (0.5 + self.chance.random())
            if self.stall and int(now) % 20 == 0:
                pause += self.stall
            heappush(line, (now + pause, number, "look", 0, 0, 0))
        permitted = (self.limits.tokens or self.limits.requests) * (seconds - after) / MINUTE
        return self.used / permitted
