"""Celery on Redis or RabbitMQ by its URL: a worker of its own command, one process a core."""

import os
import sys
from typing import Any

from celery import Celery

from benchmarks.peers.command import running
from benchmarks.peers.tally import Mark, Ran, folder
from benchmarks.protocol import speak

_BROKER = "PAPERLANE_BENCH_BROKER"
_PREFETCH = 100  # tasks a process; its guide advises 50 to 150 for short tasks
mark = Mark()

app = Celery("bench", broker=os.environ.get(_BROKER))
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=_PREFETCH,
    task_serializer="json",
    accept_content=["json"],
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing() -> None:
    """Do nothing, and count it."""
    mark()


class Worker:
    """Answers the benchmark's questions; `pool` is its --pool."""

    def setup(self, url: str) -> str:
        os.environ[_BROKER] = url
        app.conf.broker_url = url
        return f"a process a core, prefetch {_PREFETCH}, no results, no gossip, mingle or heartbeat"

    def prepare(self, count: int) -> None:
        app.control.purge()
        with app.producer_pool.acquire() as producer:
            for _ in range(count):
                nothing.apply_async(producer=producer)

    def drain(self, count: int, seconds: float, in_flight: int, pool: str = "prefork") -> dict[str, Any]:
        folder()
        ran = Ran()
        processes = 1 if pool == "solo" else os.cpu_count() or 1
        command = [
            sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery", "worker", "--loglevel", "warning",
            "--pool", pool, "--concurrency", str(min(in_flight, processes)),
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        ]  # fmt: skip
        with running(command):
            return ran.wait(count, seconds)


if __name__ == "__main__":
    speak(Worker())
