"""RQ on Redis: its SimpleWorker, which runs jobs without a fork for each."""

import logging
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from benchmarks.peers.tally import Mark, Ran
from benchmarks.protocol import speak

mark = Mark()


def nothing() -> None:
    """Do nothing, and count it."""
    mark()


class Rq:
    """Answers the benchmark's questions. It runs one job at a time, whatever `in_flight` says."""

    def setup(self, url: str) -> str:
        self._redis = Redis.from_url(url)
        self._queue = Queue("bench", connection=self._redis, serializer=JSONSerializer)
        return "SimpleWorker, JSON, hiredis, result_ttl 0"

    def prepare(self, count: int) -> None:
        for at in range(0, count, 500):
            some = min(500, count - at)
            self._queue.enqueue_many(
                [Queue.prepare_data("benchmarks.peers.rq.nothing", result_ttl=0) for _ in range(some)]
            )

    def drain(self, count: int, seconds: float, in_flight: int) -> dict[str, Any]:  # noqa: ARG002  as said above
        ran = Ran()
        logging.getLogger("rq.worker").setLevel(logging.WARNING)
        worker = SimpleWorker([self._queue], connection=self._redis, serializer=JSONSerializer)
        looking = ran.beside(count, seconds)
        while ran.count < count and looking.running:  # its burst mode ends with the queue, not with the time
            worker.work(burst=True, max_jobs=200, logging_level="WARNING")
        return looking.result()


if __name__ == "__main__":
    speak(Rq())
