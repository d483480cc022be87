"""Interleaved rounds: what is compared runs in turn, and a turn that was disturbed is taken again."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tools.servers import Missing

from benchmarks.figures import Reading


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn: its figure, processor seconds a unit of work by name, and the share of foreign load meanwhile.

    `disturbed` when that was too much, and no other try was better.
    """

    value: float
    used: Mapping[str, float] = field(default_factory=dict)
    foreign: float = 0.0
    more: Mapping[str, float] = field(default_factory=dict)
    disturbed: bool = False


@dataclass
class Rounds:
    """How long and how often. `foreign` is the share of the machine's processors that others may use meanwhile."""

    count: int
    seconds: float
    again: int
    quick: bool
    foreign: float = 0.15
    deadline: float = float("inf")
    disturbed: int = 0

    @classmethod
    def full(cls) -> "Rounds":
        """Three rounds with drains of 20 s; a disturbed turn is repeated twice at most."""
        return cls(count=3, seconds=20.0, again=2, quick=False)

    @classmethod
    def short(cls) -> "Rounds":
        """Only to see that everything works: its figures mean little."""
        return cls(count=1, seconds=2.0, again=0, quick=True)

    def turn(self, name: str, take: Callable[[], Sample]) -> Sample:
        """A sample without foreign load, or the least disturbed one, marked as such."""
        samples: list[Sample] = []
        while True:
            sample = take()
            samples.append(sample)
            if sample.foreign <= self.foreign or len(samples) > self.again:
                break
            say(f"  {name}: thrown away, {sample.foreign:.0%} of the machine worked for others")
        best = min(samples, key=lambda sample: sample.foreign)
        disturbed = best.foreign > self.foreign
        self.disturbed += disturbed
        say(f"  {name}: {best.value:,.6g}{' (disturbed)' if disturbed else ''}")
        return replace(best, disturbed=disturbed)

    def interleaved(self, cases: Mapping[str, Callable[[], Sample]]) -> "Taken":
        """Each case once a round; the last rounds are left out when the time is over. Who fails twice is out."""
        taken = Taken({name: [] for name in cases}, {})
        for number in range(self.count):
            if number and time.monotonic() > self.deadline:
                say("  the time is over: fewer rounds")
                break
            for name, take in cases.items():
                if name not in taken.failed:
                    self._attempt(taken, name, take)
        for name in taken.failed:
            taken.samples.pop(name)
        return taken

    def _attempt(self, taken: "Taken", name: str, take: Callable[[], Sample]) -> None:
        for last in (False, True):
            try:
                taken.samples[name].append(self.turn(name, take))
            except Exception as error:  # noqa: BLE001  whatever stopped it, the others go on, and the page says it
                say(f"  {name}: {error}")
                if last or isinstance(error, Missing):
                    taken.failed[name] = reason(error)
                    return
            else:
                return


@dataclass(frozen=True, slots=True)
class Taken:
    """The samples of each case, a round each, and why a case has none."""

    samples: dict[str, list[Sample]]
    failed: dict[str, str]

    def values(self, name: str) -> Sequence[float]:
        """The figures of a case, by round."""
        return self._each(name, lambda sample: sample.value)

    def more(self, name: str, what: str) -> Sequence[float]:
        """Something else that was measured in each turn, by round."""
        return self._each(name, lambda sample: sample.more[what])

    def cpu(self, name: str) -> Sequence[float]:
        """Processor microseconds a unit of work, of all that took part, by round."""
        return self._each(name, lambda sample: sum(sample.used.values()) * 1e6)

    def _each(self, name: str, of: Callable[[Sample], float]) -> Sequence[float]:
        return [Reading(of(sample), disturbed=sample.disturbed) for sample in self.samples.get(name, ())]


def reason(error: Exception) -> str:
    """Why something could not run, in a line of a table."""
    return str(error).partition("\n")[0].replace("|", "/") or type(error).__name__


def say(words: str) -> None:
    """Progress, for who waits."""
    print(words, file=sys.stderr, flush=True)
