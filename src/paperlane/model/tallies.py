"""What all processes counted since the database was made: how often something happened, and how long it took.

Names and their labels, values in seconds: `outcomes` of `ENGINE/OUTCOME` (of completed, failed, cancelled, retried,
crashed, yielded; slot time), `wait_seconds` of ENGINE (from when a task could start to its first begin),
`completion_seconds` of ENGINE (from when it could start to its end, of completed tasks), `step_seconds` of STEP,
`http_seconds` of `api`, `page` or `batch`, `http_answers` of `CLASS/2xx` and so on, and `progress_seconds` of "" (from
an event to its frame).
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

BOUNDS: tuple[float, ...] = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150, 300, 600, 1800, 3600,
)  # fmt: skip
"""Upper bounds of the buckets in seconds, each included; behind the last one lies one more without a bound."""

BUCKETS = len(BOUNDS) + 1


def bucket_of(seconds: float) -> int:
    """In which bucket a value falls."""
    return bisect_left(BOUNDS, seconds)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell in each bucket, and their sum. A plain counter is one too: its values are 0."""

    counts: tuple[int, ...] = (0,) * BUCKETS
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Their mean, 0 of none."""
        return self.total / self.count if self.count else 0.0

    def share_within(self, seconds: float) -> float:
        """Which share of them was no greater, 0 to 1; between two bounds as if they lay evenly. Of none all: 1."""
        if not self.count:
            return 1.0
        at = bucket_of(seconds)
        below = sum(self.counts[:at])
        if at < len(BOUNDS):
            low = BOUNDS[at - 1] if at else 0.0
            below += self.counts[at] * max(0.0, seconds - low) / (BOUNDS[at] - low)
        return below / self.count

    def quantile(self, q: float) -> float:
        """The value that the share `q` of them does not exceed; between two bounds as if they lay evenly.

        The greatest bound where it lies behind that, 0 of none.
        """
        wanted = q * self.count
        before = 0
        for at, upto in enumerate(accumulate(self.counts[:-1])):
            if upto >= wanted and upto > before:
                low = BOUNDS[at - 1] if at else 0.0
                return low + (BOUNDS[at] - low) * max(0.0, wanted - before) / (upto - before)
            before = upto
        return BOUNDS[-1] if self.count else 0.0

    def __add__(self, other: "Histogram") -> "Histogram":
        """Both together."""
        return Histogram(tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)), self.total + other.total)

    def __sub__(self, earlier: "Histogram") -> "Histogram":
        """What came since an earlier one."""
        return Histogram(
            tuple(a - b for a, b in zip(self.counts, earlier.counts, strict=True)), self.total - earlier.total
        )


NONE = Histogram()
"""No value at all."""

Tallies = Mapping[tuple[str, str], Histogram]
"""By name and label."""


def once(seconds: float = 0.0, times: int = 1) -> Histogram:
    """One value, or the same so many times."""
    at = bucket_of(seconds)
    return Histogram(tuple(times * (bucket == at) for bucket in range(BUCKETS)), seconds * times)
