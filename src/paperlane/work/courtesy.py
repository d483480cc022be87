"""Which processes go first where the machine has not enough processors for all: people before steps."""

import os
from contextlib import suppress
from pathlib import Path

_SESSION = Path("/proc/self/autogroup")  # sched(7): outside of containers Linux may share processors out by sessions


def step_back(by: int) -> None:
    """Let others go first from now on, by so many steps of nice.

    Each of our processes has its own session, and so perhaps its own share whatever its nice says: that of the session
    becomes the same.
    """
    niceness = os.nice(by)
    with suppress(OSError):  # another system, processors that are not shared out so, or many who ask at once
        _SESSION.write_text(str(niceness))
