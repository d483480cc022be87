"""Dramatiq on Redis: a worker of its own command."""

import os
import sys
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.command import running
from benchmarks.peers.tally import Mark, Ran, folder
from benchmarks.protocol import speak

_BROKER = "PAPERLANE_BENCH_BROKER"
mark = Mark()

if _BROKER in os.environ:
    dramatiq.set_broker(RedisBroker(url=os.environ[_BROKER]))

    @dramatiq.actor(actor_name="nothing")
    def nothing() -> None:
        """Do nothing, and count it."""
        mark()


class Worker:
    """Answers the benchmark's questions."""

    def setup(self, url: str) -> str:
        os.environ[_BROKER] = url
        self._broker = RedisBroker(url=url)
        self._nothing = dramatiq.actor(lambda: None, actor_name="nothing", broker=self._broker)
        return "a process a core, its default of 8 threads each"

    def prepare(self, count: int) -> None:
        for _ in range(count):
            self._broker.enqueue(self._nothing.message())

    def drain(self, count: int, seconds: float, in_flight: int, threads: int = 8) -> dict[str, Any]:
        folder()
        ran = Ran()
        processes = os.cpu_count() or 1
        command = [
            sys.executable, "-m", "dramatiq", "benchmarks.peers.dramatiq",
            "--processes", str(processes), "--threads", str(min(threads, max(1, in_flight // processes))),
        ]  # fmt: skip
        with running(command):
            return ran.wait(count, seconds)


if __name__ == "__main__":
    speak(Worker())
