"""The machine: what it is, and whose work its processors do."""

import os
import platform
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_LOCKED = re.compile(r"(arq|celery|dbos|dramatiq|huey|pgqueuer|procrastinate|rq|saq|uvloop)==(\S+)")


def description() -> dict[str, object]:
    """What must be known to compare a figure with another machine's."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines(_PROC / "cpuinfo") if line.startswith("model name")), ""
    )
    memory = next((int(line.split()[1]) for line in _lines(_PROC / "meminfo") if line.startswith("MemTotal")), 0)
    return {
        "cores": os.cpu_count() or 1,
        "processor": model or platform.machine(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "paperlane": version("paperlane"),
    }


def peers() -> dict[str, str]:
    """The versions of what the peers' environments hold, by their lock files."""
    locks = Path(__file__).parents[1].glob("requirements/peers-*.txt")
    return dict(found.groups() for lock in locks for line in _lines(lock) if (found := _LOCKED.match(line)))


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def _times() -> Iterator[tuple[int, int, int]]:
    """Each process, its parent, and the ticks that it and its children that ended have used."""
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (OSError, ValueError):
                continue  # it ended between the two looks
            yield int(entry.name), int(fields[1]), sum(map(int, fields[11:15]))


def used_by(roots: Iterable[int]) -> float:
    """Processor seconds of these processes and of all below them, those that ended and were waited for included.

    0 stands for no process, as of a database that has no server.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for process, parent, used in _times():
        parents[process], ticks[process] = parent, used
    wanted = set(roots) - {0}

    def belongs(process: int) -> bool:
        while process > 1 and process not in wanted:
            process = parents.get(process, 0)
        return process in wanted

    return sum(used for process, used in ticks.items() if belongs(process)) / _TICKS


def _busy() -> float:
    """Processor seconds that the machine spent on anything since it started; stolen ones count."""
    fields = [int(field) for field in _lines(_PROC / "stat")[0].split()[1:]]
    user, nice, system, _idle, _waiting, *others = fields
    return (user + nice + system + sum(others[:3])) / _TICKS


@dataclass
class Load:
    """What ran meanwhile: seconds by the clock, processor seconds by name, and the share that was not ours."""

    seconds: float = 0.0
    foreign: float = 0.0
    used: Mapping[str, float] = field(default_factory=dict)


@contextmanager
def watched(**roots: int) -> Iterator[Load]:
    """Fill in, at the end, what each named process tree used and what share of the machine was somebody else's."""
    load = Load()
    began, busy, own = time.perf_counter(), _busy(), used_by([os.getpid()])
    before = {name: used_by([root]) for name, root in roots.items()}
    yield load
    load.used = {name: used_by([root]) - before[name] for name, root in roots.items()}
    load.seconds = time.perf_counter() - began
    foreign = _busy() - busy - (used_by([os.getpid()]) - own)
    load.foreign = max(0.0, foreign / load.seconds / (os.cpu_count() or 1))
