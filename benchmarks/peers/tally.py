"""Counting what ran, in this process and in those that a worker starts: one mapped file for each process."""

import asyncio
import atexit
import itertools
import mmap
import os
import shutil
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

_PLACE = "PAPERLANE_BENCH_TALLY"
_NUMBER = struct.Struct("<Q")
_LOOK = 0.02  # seconds between two looks at what has run
_PATIENCE = 60.0  # seconds until the first must have run


def folder() -> Path:
    """Where the files are; the first process makes it, its children find it in their environment."""
    if _PLACE not in os.environ:
        place = os.environ[_PLACE] = tempfile.mkdtemp(prefix="paperlane-tally-")
        maker = os.getpid()
        atexit.register(lambda: os.getpid() == maker and shutil.rmtree(place, ignore_errors=True))
    return Path(os.environ[_PLACE])


class Mark:
    """Counts in its process, also after a fork. Threads may count at once: each number is taken once."""

    def __init__(self) -> None:
        self._process = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """One more has run."""
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    self._open()
        _NUMBER.pack_into(self._map, 0, next(self._numbers))

    def _open(self) -> None:
        path = folder() / str(os.getpid())
        path.write_bytes(bytes(_NUMBER.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NUMBER.size)
        self._numbers = itertools.count(1)
        self._process = os.getpid()


class Ran:
    """What runs from now on, in all processes."""

    def __init__(self) -> None:
        self._before = self._all()

    def _all(self) -> int:
        written = (path.read_bytes() for path in folder().iterdir())
        return sum(_NUMBER.unpack(number)[0] for number in written if number)  # an empty file is being made

    @property
    def count(self) -> int:
        """How many have run."""
        return self._all() - self._before

    def _result(self, first: tuple[float, int]) -> dict[str, Any]:
        """From the first look that saw any until now, so that a worker's start is no part of it."""
        at, seen = first
        return {"done": self.count - seen, "seconds": time.perf_counter() - at}

    async def until(self, count: int, seconds: float) -> dict[str, Any]:
        """Wait until all have run, or this time is over; what was done in which time."""
        patience = time.perf_counter() + _PATIENCE
        while not (seen := self.count):
            if time.perf_counter() > patience:
                raise TimeoutError(f"no task ran within {_PATIENCE:.0f} s")
            await asyncio.sleep(_LOOK / 10)
        first = time.perf_counter(), seen
        while self.count < count and time.perf_counter() - first[0] < seconds:
            await asyncio.sleep(_LOOK)
        return self._result(first)

    def wait(self, count: int, seconds: float) -> dict[str, Any]:
        """The same for a program without a loop."""
        return asyncio.run(self.until(count, seconds))

    def beside(self, count: int, seconds: float) -> "Beside":
        """The same on a thread, for a worker that wants the main one."""
        return Beside(self, count, seconds)


class Beside:
    """Looks on from a thread while the main one works."""

    def __init__(self, ran: Ran, count: int, seconds: float) -> None:
        self._result: dict[str, Any] = {}
        self._thread = threading.Thread(target=lambda: self._result.update(ran.wait(count, seconds)))
        self._thread.start()

    @property
    def running(self) -> bool:
        """Is the time not over, and not all done?"""
        return self._thread.is_alive()

    def result(self) -> dict[str, Any]:
        """What was done, once it is over."""
        self._thread.join()
        return self._result


class Begun:
    """When tasks began, in the order in which they came, by a clock that all processes share."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self) -> None:
        """One begins."""
        self.times.append(time.monotonic())

    async def until(self, count: int) -> list[float]:
        """Wait for so many."""
        while len(self.times) < count:
            await asyncio.sleep(_LOOK)
        return self.times
