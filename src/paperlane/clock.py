"""Time, randomness and ids, handed in wherever they are used, so that a simulation can own them."""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol


class Clock(Protocol):
    """Two clocks: `now` is seconds since 1970 (UTC), `monotonic` never goes back."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


NewId = Callable[[], str]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_OF_TIME = 10  # letters, at the front


@dataclass(slots=True)
class SortableIds:
    """Makes ids that sort by the time they were made: 48 bits of milliseconds, 80 random bits, 26 letters.

    The layout is ULID's (https://github.com/ulid/spec), in lower case; ids of one process rise strictly.
    """

    clock: Clock
    _last: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __call__(self) -> str:
        with self._lock:
            fresh = (int(self.clock.now() * 1000) << 80) | int.from_bytes(os.urandom(10))
            self._last = fresh if fresh > self._last else self._last + 1
            return _written(self._last)


def least_id(at: float) -> str:
    """What sorts before all ids that are made from this time on, in seconds since 1970, and after those made before."""
    return _written(max(0, int(at * 1000)) << 80)[:_OF_TIME]


def _written(value: int) -> str:
    """128 bits."""
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def new_secret(prefix: str) -> str:
    """A fresh secret of 192 random bits, recognisable by its prefix."""
    return f"{prefix}_{secrets.token_urlsafe(24)}"
