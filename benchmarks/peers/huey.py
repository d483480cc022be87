"""Huey on SQLite, with its commits on disk as ours are."""

from pathlib import Path
from typing import Any

from huey import SqliteHuey

from benchmarks.peers.tally import Mark, Ran
from benchmarks.protocol import speak

mark = Mark()


class Huey:
    """Answers the benchmark's questions."""

    def setup(self, url: str) -> str:
        self._path = Path(url.removeprefix("sqlite:///"))
        return "threads, fsync on, no results"

    def _huey(self, *, fsync: bool) -> tuple[SqliteHuey, Any]:
        huey = SqliteHuey("bench", filename=str(self._path), fsync=fsync, results=False)

        @huey.task(name="nothing")
        def nothing() -> None:
            mark()

        return huey, nothing

    def prepare(self, count: int) -> None:
        _, nothing = self._huey(fsync=False)  # only to fill it faster
        for _ in range(count):
            nothing()

    def drain(self, count: int, seconds: float, in_flight: int, workers: int = 0) -> dict[str, Any]:
        huey, _ = self._huey(fsync=True)
        consumer = huey.create_consumer(
            workers=min(in_flight, workers or in_flight), periodic=False, initial_delay=0.001, max_delay=0.01
        )
        ran = Ran()
        consumer.start()
        found = ran.wait(count, seconds)
        consumer.stop(graceful=True)
        return found


if __name__ == "__main__":
    speak(Huey())
