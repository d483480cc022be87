"""How busy this machine is, as its workers may use it: where a control group limits them, that is their machine."""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

Given = TypeVar("Given")

_SHORTEST = 0.1  # seconds between two looks that tell something: the system counts CPU time in hundredths
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")  # what a hypervisor takes away is no room for us either
_NAMED, _MOUNTED = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
_NO_LIMIT = "max"

_Reading = Mapping[str, tuple[float, float]]
"""By what limits it: seconds of CPU that were used, and how many cores there are."""


@dataclass(frozen=True, slots=True)
class Load:
    """Shares from 0 to 1 of what may be used; None where the sensor failed, or told nonsense."""

    cpu: float | None
    memory: float | None


class Sensors(Protocol):
    """What tells how busy a machine is."""

    def look(self) -> Load:
        """Never raises."""
        ...


class Machine:
    """This machine: all its CPUs that this process may use, its memory, and those of the control groups it is in.

    The fullest of them counts: where others use the machine up, a group of ours has no room either. `groups` are
    folders of the version 2 (https://docs.kernel.org/admin-guide/cgroup-v2.html). For one caller, on one thread.
    """

    def __init__(self, groups: Sequence[Path] | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._groups = own_groups() if groups is None else groups
        self._now = now
        self._at = now()
        self._read = _told(self._reading)
        self._cpu: float | None = None

    def look(self) -> Load:
        """CPU since the last look, memory now."""
        if (passed := (now := self._now()) - self._at) >= _SHORTEST:
            before, self._read, self._at = self._read, _told(self._reading), now
            self._cpu = _told(lambda: _risen(before, self._read, passed))
        return Load(self._cpu, _told(self._memory))

    def _reading(self) -> _Reading:
        of_each = psutil.cpu_times(percpu=True)
        ours = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()
        times = [of_one for at, of_one in enumerate(of_each) if at in ours] or of_each
        busy = sum(getattr(of_one, word, 0.0) for of_one in times for word in _BUSY)
        reading = {"": (busy, float(len(times)))}
        for group in self._groups:
            if (limit := _text_of(group / "cpu.max")) and not limit.startswith(_NO_LIMIT):
                quota, period = map(float, limit.split())
                used = _words_of(group / "cpu.stat")["usage_usec"] / 1_000_000
                reading[str(group)] = (used, quota / period)
        return reading

    def _memory(self) -> float | None:
        machine = psutil.virtual_memory()
        return _fullest([1 - machine.available / machine.total, *map(_memory_of, self._groups)])


def own_groups(named: Path = _NAMED, mounted: Path = _MOUNTED) -> Sequence[Path]:
    """The control group of this process and all that it lies in, of version 2; none on other systems."""
    try:
        lines = named.read_text().splitlines()
    except OSError:
        return ()
    for line in lines:
        if line.startswith("0::/"):
            own = mounted / line.removeprefix("0::/")
            return [own, *(outer for outer in own.parents if outer.is_relative_to(mounted))]
    return ()


def _memory_of(group: Path) -> float:
    """The share of its limit that is no file's cached pages: under pressure the kernel takes all of these back."""
    limit = _text_of(group / "memory.max")
    if not limit or limit == _NO_LIMIT:
        return 0.0
    counted = _words_of(group / "memory.stat")
    used = float(_text_of(group / "memory.current")) - counted["inactive_file"] - counted["active_file"]
    return used / float(limit)


def _text_of(path: Path) -> str:
    """Nothing where the file is not there: the outermost group has no limits."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _words_of(path: Path) -> Mapping[str, float]:
    lines = (line.split() for line in _text_of(path).splitlines())
    return {word: float(number) for word, number in lines}


def _risen(before: _Reading | None, after: _Reading | None, passed: float) -> float | None:
    if before is None or after is None:
        return None
    return _fullest(
        (used - before[name][0]) / (passed * cores)
        for name, (used, cores) in after.items()
        if name in before  # a limit that somebody just set tells from the next look on
    )


def _fullest(shares: Iterable[float]) -> float | None:
    """The largest; None where one is nonsense. A group may use more than its quota in a short time: that is all."""
    known = list(shares)
    return min(1.0, max(known)) if all(0 <= share < math.inf for share in known) else None


def _told(sensor: Callable[[], Given]) -> Given | None:
    try:
        return sensor()
    except Exception:  # noqa: BLE001  whatever is wrong with it, who looks shall hold what it has
        return None
