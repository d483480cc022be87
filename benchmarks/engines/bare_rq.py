"""RQ without Paperlane, with the settings that Paperlane gives it: `rq worker-pool`, a fork for each job."""

import os
import time

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.engines.ran import mark
from benchmarks.protocol import speak

NAME = "bench"


def nothing(task: str) -> None:  # noqa: ARG001  as long as a lease is
    """Do nothing, and tell when."""
    mark()


class Sender:
    """Puts tasks into the queue."""

    def __init__(self) -> None:
        redis = Redis.from_url(os.environ["PAPERLANE_BENCH_BROKER"])
        self._queue = Queue(NAME, connection=redis, serializer=JSONSerializer)

    def fill(self, count: int) -> None:
        """So many."""
        for at in range(0, count, 500):
            self._put(range(at, min(at + 500, count)))

    def send(self, count: int, gap: float) -> list[float]:
        """One after the other; when each was asked for."""
        sent: list[float] = []
        for number in range(count):
            sent.append(time.monotonic())
            self._put([number])
            time.sleep(gap)
        return sent

    def _put(self, numbers: range | list[int]) -> None:
        options = {"timeout": 600, "result_ttl": 300, "ttl": 600, "failure_ttl": 86_400}
        self._queue.enqueue_many(
            [Queue.prepare_data("benchmarks.engines.bare_rq.nothing", (f"{n:032}",), **options) for n in numbers]
        )


if __name__ == "__main__":
    speak(Sender())
