"""Paperlane's own worker process beside another maker's program, kept alive as long as that lives."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

import structlog

log = structlog.get_logger(__name__)

_FIRST_DELAY, _LONGEST_DELAY = 0.2, 10.0  # seconds before a process that died is started again
_LAST_WORDS = 10.0  # seconds that it may take to end beyond its grace


class Beside:
    """Starts `command --door PATH`, and again where it dies, on a thread: whoever loads this may fork and has no loop.

    The process has a pipe as its standard input, which ends with this one however that dies: it drains then.
    """

    def __init__(self, command: Sequence[str], grace: float) -> None:
        self._command = command
        self._grace = grace
        self._folder: Path | None = None
        self._stopping = Event()
        self._theirs, ours = os.pipe()  # one for every start: a fork between two finds it as it is
        self._ours = os.fdopen(ours, "wb", buffering=0)
        self._keeper = Thread(target=self._keep, name="worker-beside", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def door(self) -> Path:
        """Where leases are brought to, once it was started."""
        assert self._folder is not None
        return self._folder / "door"

    def start(self) -> None:
        """Start the process."""
        self._folder = Path(tempfile.mkdtemp(prefix="paperlane-door-"))  # nobody else may enter it
        self._keeper.start()

    def stop(self) -> None:
        """Let it drain: what is brought there ends now, or is handed back within its grace."""
        self._stopping.set()
        self._ours.close()

    def close(self) -> None:
        """Wait until it has ended; it is killed when it does not within its grace."""
        if self._folder is None:
            return
        self.stop()
        self._keeper.join(self._grace + _LAST_WORDS)
        if self._keeper.is_alive() and (process := self._process) is not None:
            log.warning("the worker did not end in time and is killed", pid=process.pid)
            process.kill()
            self._keeper.join()
        shutil.rmtree(self._folder, ignore_errors=True)
        theirs, self._theirs = self._theirs, -1
        if theirs >= 0:
            os.close(theirs)

    def leave_to_parent(self) -> None:
        """In a fork of this process: what this end of the pipe keeps alive shall end with the parent alone."""
        self._ours.close()

    def _keep(self) -> None:
        delay = _FIRST_DELAY
        while not self._stopping.is_set():
            try:
                code = self._run()
            except OSError as error:  # the machine has no room for another process now
                log.error("the worker beside cannot be started", why=str(error), again_in=delay)  # noqa: TRY400
            else:
                if not self._stopping.is_set():
                    log.error("the worker beside ended and is started again", code=code, again_in=delay)
            self._stopping.wait(delay)
            delay = min(2 * delay, _LONGEST_DELAY)

    def _run(self) -> int:
        command = [*self._command, "--door", str(self.door)]
        self.door.parent.mkdir(mode=0o700, exist_ok=True)  # it takes the folder along where it ends by itself
        with subprocess.Popen(command, stdin=self._theirs, start_new_session=True) as self._process:  # noqa: S603
            return self._process.wait()
