"""Those in this process who want to hear which engines have something to run."""

from collections.abc import Callable
from contextlib import suppress
from threading import Lock


class Hearers:
    """They come and go on any thread."""

    def __init__(self) -> None:
        self._all: list[Callable[[str], None]] = []
        self._lock = Lock()

    def add(self, heard: Callable[[str], None]) -> Callable[[], None]:
        """Call `heard` with each engine that is told of, until the answer is called."""
        with self._lock:
            self._all.append(heard)

        def stop() -> None:
            with self._lock:
                self._all.remove(heard)

        return stop

    def tell(self, engine: str) -> None:
        """It has something to run."""
        with self._lock:
            now = tuple(self._all)
        for heard in now:
            with suppress(RuntimeError):  # its event loop is closed: nobody waits there any more
                heard(engine)
