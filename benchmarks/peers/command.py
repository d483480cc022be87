"""A worker that is started by its own command, with children of its own."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

_GRACE = 8.0  # seconds: some workers never end when asked in the middle of a queue


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The worker, until the block ends; it is asked to end, and killed with its children when it does not."""
    worker = subprocess.Popen(command, start_new_session=True, env=environment)
    try:
        yield worker
    finally:
        worker.terminate()
        try:
            worker.wait(_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
