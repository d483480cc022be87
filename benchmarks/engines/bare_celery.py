"""Celery without Paperlane, with the settings that Paperlane gives it: `celery -A benchmarks.engines.bare_celery`."""

import os
import time

from celery import Celery

from benchmarks.engines.ran import mark
from benchmarks.protocol import speak

_BROKER = os.environ["PAPERLANE_BENCH_BROKER"]
_ON_REDIS = _BROKER.startswith("redis")

app = Celery("bench", broker=_BROKER)
app.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_acks_late=not _ON_REDIS,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=_ON_REDIS,
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing(task: str) -> None:  # noqa: ARG001  as long as a lease is
    """Do nothing, and tell when."""
    mark()


class Sender:
    """Puts tasks into the queue."""

    def fill(self, count: int) -> None:
        """So many."""
        with app.producer_pool.acquire() as producer:
            for number in range(count):
                nothing.apply_async(kwargs={"task": f"{number:032}"}, producer=producer)

    def send(self, count: int, gap: float) -> list[float]:
        """One after the other; when each was asked for."""
        sent: list[float] = []
        with app.producer_pool.acquire() as producer:
            for number in range(count):
                sent.append(time.monotonic())
                nothing.apply_async(kwargs={"task": f"{number:032}"}, producer=producer)
                time.sleep(gap)
        return sent


if __name__ == "__main__":
    speak(Sender())
