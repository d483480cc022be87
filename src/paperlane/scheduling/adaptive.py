"""How many tasks a worker runs at once: fewer where its machine or a model is overloaded, more where there is room.

Small steps up and larger ones down, which converges where several share a machine (Chiu and Jain, "Analysis of the
Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks", 1989), as TCP does. Slots that are not
used are not added to, as a sender does not widen a window that it does not fill (RFC 7661).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, exp, inf

from paperlane.machine import Load
from paperlane.model.tasks import Span

MUCH_CPU, SOME_CPU, LITTLE_CPU = 0.8, 0.7, 0.5
MUCH_MEMORY, SOME_MEMORY = 0.85, 0.75
MANY_QUEUED = 10

_SMOOTH = 20.0  # seconds in which what CPU was before loses two thirds of its weight
_BETWEEN = (MUCH_CPU + LITTLE_CPU) / 2  # what it is taken to have been before the first look
_PACE = 9.0  # seconds between two changes: one a heartbeat of the usual length
_LESS, _LITTLE_LESS = 0.25, 0.1  # of the slots, in a step down: for the machine, for a model
_SLOWER = 3.0  # times the pace, where little is queued or there is some CPU
_TURN = 60.0  # seconds between two turns of direction, and after a model refused
_LONGEST_CALM = 8 * _TURN


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker sees at one look, at a monotonic time in seconds.

    `running` are its own tasks; `queued` those that wait and could be started, counted no further than a few more than
    MANY_QUEUED; `refusals` how often a model refused since the look before because it was asked too often (HTTP 429).
    """

    now: float
    load: Load
    running: int
    queued: int
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """So many slots from now on, by how many more that is than before, and why."""

    slots: int
    step: int
    why: str


@dataclass(slots=True)
class Law:
    """Decides at each look. Knows no clock and asks nobody.

    - The slots stay within the span, and change by one step in 9 s at most.
    - Fewer by a quarter while CPU is above 80 % or memory above 85 %; by a tenth where a model refused.
    - More by one, or by 5 % of the most, while CPU is below 50 % and more than 10 are queued. With fewer, or with CPU
      below 70 %, one by one and slowly, and as many as it began with at last. Where it had too many before, it goes on
      one by one.
    - What it has beyond what it began with goes in steps as small while nothing is queued or fewer than half are used:
      others of the system may want them.
    - Two turns of direction are a minute apart, and more come a minute after fewer: twice as late each time that they
      soon proved too many.
    - Nothing changes at a look at which a sensor fails, nor between these bounds.

    CPU counts by the last look and smoothed over several, both beyond a bound.
    """

    span: Span
    slots: int = field(init=False)
    _cpu: float = _BETWEEN
    _at: float | None = None
    _changed_at: float = -inf
    _turned_at: float = -inf
    _refused_at: float = -inf
    _upwards: bool | None = None
    _too_many: float = inf
    _calm: float = _TURN

    def __post_init__(self) -> None:
        """It begins where the span does."""
        self.slots = self.span.start

    def decide(self, seen: Seen) -> Decision:
        """How many slots from now on."""
        now = seen.now
        if seen.refusals > 0:
            self._refused_at = now
        if self.span.is_fixed:
            return self._held("it may not choose")
        cpu, memory = _sane(seen.load.cpu), _sane(seen.load.memory)
        if cpu is None or memory is None:
            return self._held(f"the sensor of {'CPU' if cpu is None else 'memory'} fails")
        self._smooth(now, cpu)
        if reasons := list(self._reasons_for_fewer(cpu, memory, seen.refusals)):
            less = _LESS if memory > MUCH_MEMORY or self._is_much(cpu) else _LITTLE_LESS
            to = max(self.span.least, self.slots - max(1, ceil(less * self.slots)))
            return self._fewer(seen, to, ", ".join(reasons), overloaded=True)
        if self.slots > self.span.start and (not seen.queued or 2 * seen.running < self.slots):
            to = max(self.span.start, self.slots - self._small_step)
            return self._fewer(seen, to, f"{_queued(seen.queued)}, {self._used(seen)}", overloaded=False)
        if memory >= SOME_MEMORY:
            return self._held(f"memory at {memory:.0%}")
        higher = max(cpu, self._cpu)
        if higher >= (SOME_CPU if self.slots < self.span.start else LITTLE_CPU):
            return self._held(f"CPU at {cpu:.0%}, {self._cpu:.0%} smoothed")
        if now - self._refused_at < _TURN:
            return self._held("a model refused less than a minute ago")
        quickly = higher < LITTLE_CPU and seen.queued > MANY_QUEUED
        return self._more(seen, f"CPU at {cpu:.0%}, {_queued(seen.queued)}", quickly=quickly)

    def _smooth(self, now: float, cpu: float) -> None:
        passed = 10.0 if self._at is None else max(0.0, now - self._at)
        self._cpu = cpu + (self._cpu - cpu) * exp(-passed / _SMOOTH)
        self._at = now

    def _is_much(self, cpu: float) -> bool:
        return min(cpu, self._cpu) > MUCH_CPU

    def _reasons_for_fewer(self, cpu: float, memory: float, refusals: int) -> Iterator[str]:
        if self._is_much(cpu):
            yield f"CPU at {cpu:.0%}"
        if memory > MUCH_MEMORY:
            yield f"memory at {memory:.0%}"
        if refusals > 0:
            yield "a model refused a question" if refusals == 1 else f"models refused {refusals} questions"

    @property
    def _small_step(self) -> int:
        return max(1, min(self.span.most // 20, self.slots // 2))

    def _used(self, seen: Seen) -> str:
        return f"and {seen.running} of {self.slots} slots are used"

    def _fewer(self, seen: Seen, to: int, why: str, *, overloaded: bool) -> Decision:
        if self.slots == to:
            return self._held(f"{why}, and it has no more than the least")
        if seen.running > self.slots:  # what was lowered before shows only when these have ended
            return self._held(f"{why}, and {seen.running} still run")
        return self._change(seen.now, to, why, overloaded=overloaded)

    def _more(self, seen: Seen, why: str, *, quickly: bool) -> Decision:
        most = self.span.most if quickly else self.span.start
        if not seen.queued or self.slots >= most:
            return self._held(why)
        if 2 * seen.running < self.slots:
            return self._held(f"{why}, {self._used(seen)}")
        if not quickly and seen.now - self._changed_at < _SLOWER * _PACE:
            return self._held(f"{why}, and it changed a moment ago")
        to = min(most, self.slots + (self._small_step if quickly else 1))
        if self.slots < (1 + _LESS) * self._too_many:
            to = int(max(self.slots + 1, min(to, self._too_many - 1)))
        to = min(to, max(self.span.start, 2 * seen.running, 1))  # what is beyond would be given back at the next look
        if to <= self.slots:
            return self._held(f"{why}, {self._used(seen)}")
        return self._change(seen.now, to, why)

    def _change(self, now: float, to: int, why: str, *, overloaded: bool = False) -> Decision:
        """In pace, and not turning too often."""
        upwards = to > self.slots
        if now - self._changed_at < _PACE:
            return self._held(f"{why}, and it changed a moment ago")
        if self._upwards is not None and upwards is not self._upwards:
            if upwards and now - self._changed_at < self._calm:
                return self._held(f"{why}, and it took some less than {self._calm:.0f} s ago")
            if now - self._turned_at < _TURN:
                return self._held(f"{why}, and it turned less than a minute ago")
            if not upwards:
                self._calm = self._calm_after(now - self._turned_at, overloaded=overloaded)
            self._turned_at = now
        if overloaded:
            self._too_many = self.slots
        step, self.slots = to - self.slots, to
        self._upwards, self._changed_at = upwards, now
        return Decision(to, step, why)

    def _calm_after(self, lasted: float, *, overloaded: bool) -> float:
        """How long more waits after fewer, when what was added held so long."""
        if lasted >= 2 * self._calm:
            return _TURN
        return min(2 * self._calm, _LONGEST_CALM) if overloaded else self._calm

    def _held(self, why: str) -> Decision:
        return Decision(self.slots, 0, why)


def _sane(share: float | None) -> float | None:
    """None for what is no share: it tells nothing."""
    return share if share is not None and 0 <= share <= 1 else None


def _queued(count: int) -> str:
    return f"more than {MANY_QUEUED} queued" if count > MANY_QUEUED else f"{count} queued"
