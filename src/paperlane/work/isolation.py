"""Limits that a child process puts on itself before it touches a stranger's file."""

import ctypes
import fcntl
import os
import resource
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from paperlane.work import landlock

_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_OPEN_FILES = 64
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a child process enforces on this system: "enforced" or "open" each."""

    memory: str
    cpu: str
    files: str
    network: str


def leave_terminal() -> None:
    """Have no terminal to type into, should there be one.

    A session of its own would do that too. But Linux divides processors among sessions before it looks at how nice
    their processes are (sched(7), "The autogroup feature"): each child was due as much as the service with all it does.
    """
    with suppress(OSError):
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.ioctl(terminal, termios.TIOCNOTTY)
        finally:
            os.close(terminal)


def isolate(memory_bytes: int) -> Isolation:
    """Limit this process for good: no network, no terminal, only its own files, less memory, dead with its parent."""
    leave_terminal()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    files = network = "open"
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # root may have a network namespace of its own; others only inside a user namespace, where that is allowed
        alone = libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
        network = "enforced" if alone else "open"
        files = "enforced" if landlock.only_read(_own_files()) else "open"
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # no fork and no thread; root is above this limit
    memory = "enforced" if sys.platform == "linux" else "open"  # macOS takes the limit and does not keep it
    return Isolation(memory, "enforced", files, network)


def _own_files() -> set[str]:
    """What this Python may still import from, and the system's libraries."""
    return {sys.prefix, sys.base_prefix, *filter(None, sys.path), *_LIBRARIES}


def allow_cpu(seconds: int) -> None:
    """From now on this process may use so many more CPU seconds; past them SIGXCPU ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def memory_meter() -> Callable[[], int]:
    """Tells the bytes of this process that are in use, 0 where the system does not; made before `isolate`."""
    try:
        told = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return lambda: 0
    page = resource.getpagesize()
    return lambda: int(os.pread(told, 100, 0).split()[1]) * page


def probe() -> Isolation:
    """What `isolate` would enforce here, tried in a child process."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        found = isolate(1 << 30)
        os.write(writing, f"{found.memory}\n{found.cpu}\n{found.files}\n{found.network}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        answer = told.read().split("\n")
    os.waitpid(child, 0)
    return Isolation(*answer)
