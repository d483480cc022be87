"""Programs that end with the benchmark, also where that is killed: `python -m paperlane.bench.bound PROGRAM...`."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; it outlives the program's start


def bound(*command: str) -> tuple[str, ...]:
    """The command of a program that is told to end, by SIGTERM, as soon as this process is gone; on Linux."""
    return (sys.executable, "-m", "paperlane.bench.bound", str(os.getpid()), *command)


def main() -> None:
    """Become the program."""
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it was killed before
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
