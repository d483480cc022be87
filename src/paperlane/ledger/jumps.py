"""Notices when the clock that counts was set: leases that look over then are not, and their workers get time to say."""

from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class Jumps:
    """Compares the clock that counts with this process's monotonic one, at every transaction.

    `tolerance` is by how many seconds they may part between two looks, `patience` for how many nothing is taken back
    after a jump: within it every worker that lives renews its leases by the new time. After the first look it is half
    as many, for nobody knows what happened before: the clock may have been set, or the database have been away. `back`
    counts the jumps back.
    """

    tolerance: float
    patience: float
    back: int = 0
    _apart: float | None = None
    _since: float = 0.0
    _until: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def note(self, now: float, monotonic: float) -> None:
        """What both clocks say at about the same instant."""
        apart = now - monotonic
        with self._lock:
            if self._apart is None:
                self._since = monotonic
                self._until = monotonic + self.patience / 2  # who lives renews within a third
            elif abs(apart - self._apart) > self.tolerance:
                self.back += apart < self._apart
                self._since = monotonic
                self._until = monotonic + self.patience
            self._apart = apart

    def steady(self, monotonic: float) -> float:
        """For how many seconds this process has looked, and has seen no jump."""
        with self._lock:
            return 0.0 if self._apart is None else monotonic - self._since

    def suspect(self, monotonic: float) -> bool:
        """Rows tell that the clock was set back, so it counts as seen. False where a jump back was seen before."""
        with self._lock:
            if self.back:
                return False
            self.back = 1
            self._until = monotonic + self.patience
            return True

    def waiting(self, monotonic: float) -> bool:
        """Was the clock set so lately that nothing may be taken back yet?"""
        with self._lock:
            return monotonic < self._until
