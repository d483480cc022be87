"""A worker that only tells of steps, and knows when each was committed; a program of its own."""

import itertools
import random
import time

from benchmarks.ledger.worker import ended, rules
from benchmarks.protocol import speak
from paperlane.hosting import open_ledger
from paperlane.model.tasks import Progress, UserId, WorkerId

_ENGINE = "noting"  # for which nobody else works
_WORKER = WorkerId("noter")
_MOST = 1_000


class Noter:
    """Answers the benchmark's questions."""

    def setup(self, url: str, user: int) -> None:
        """From now on it works for this user."""
        self._ledger = open_ledger(url, rules())
        self._ledger.lane(UserId(user), engine=_ENGINE)
        self._ledger.register(_WORKER, _ENGINE, "bench", 1, _MOST)

    def note(self, count: int, gap: float) -> list[float]:
        """Tell of so many steps, of all tasks in turn, about `gap` seconds apart; then end the tasks.

        Each has its number as its message. The monotonic time, which all processes share, after each commit.
        """
        leases = self._ledger.step(_ENGINE, _WORKER, [], _MOST)
        for lease in leases:
            self._ledger.begin(lease, _WORKER)
        committed: list[float] = []
        for number, lease in zip(range(count), itertools.cycle(leases), strict=False):
            time.sleep(random.uniform(0, 2 * gap))
            self._ledger.started(lease, _WORKER, Progress("noting", 0.0, str(number)))
            committed.append(time.monotonic())
        self._ledger.finish(_WORKER, ended(leases))
        return committed


if __name__ == "__main__":
    speak(Noter())
