"""Steps that do what a sandbox must bear."""

import os
import resource
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from paperlane.errors import DocumentError
from paperlane.model.steps import Job, Step


def _echo(value: str, job: Job) -> str:
    job.progress(0.5, "half way")
    return value


def _pid(_value: str, _job: Job) -> str:
    return str(os.getpid())


def _bad_document(_value: str, _job: Job) -> str:
    raise DocumentError("It is damaged.", code="damaged_file", hint="Mend it.")


def _bug(value: str, _job: Job) -> str:
    return value[len(value)]


def _memory(_value: str, _job: Job) -> str:
    return "x" * (1 << 34)


def _cpu(_value: str, _job: Job) -> str:
    while True:
        pass


def _busy(value: str, _job: Job) -> str:
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    if value == "bad":
        raise DocumentError("It is damaged.", code="damaged_file")
    return value


def _busy_and_wait(value: str, job: Job) -> str:
    return _wait(_busy(value, job), job)


def _wait(_value: str, job: Job) -> str:
    job.progress(0.1, str(os.getpid()))
    signal.pause()
    return ""


def _crash(_value: str, job: Job) -> str:
    job.progress(0.1, "about to")
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def _lie(_value: str, job: Job) -> str:
    job._line.tell({"size": 1 << 40, "resident": 0}, b"x")  # type: ignore[attr-defined]  as one that a file took over
    signal.pause()
    return ""


def _boast(_value: str, job: Job) -> str:
    job._line.tell({"size": 3, "resident": 0, "used": 1e9}, b'"x"')  # type: ignore[attr-defined]  likewise
    signal.pause()
    return ""


def _hang_up(_value: str, job: Job) -> str:
    job._line.way.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  likewise
    signal.pause()
    return ""


def _large(value: str, _job: Job) -> str:
    return "x" * int(value)


def _deep(value: str, job: Job) -> str:
    return _deep(value, job) + "x"


def _environment(_value: str, _job: Job) -> str:
    return ",".join(sorted(name for name in os.environ if not name.startswith("LC_")))


def _connect(value: str, _job: Job) -> str:
    with socket.create_connection(("127.0.0.1", int(value)), timeout=5):
        return "connected"


def _write(_value: str, _job: Job) -> str:
    with tempfile.TemporaryFile() as file:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        file.write(b"x" * 10_000)
        file.flush()
    return "written"


def _open(value: str, _job: Job) -> str:
    return str(len(Path(value).read_bytes()))


def _remove(value: str, _job: Job) -> str:
    Path(value).unlink()
    return "removed"


def _truncate(value: str, _job: Job) -> str:
    os.truncate(value, 0)
    return "truncated"


def _parents_environment(_value: str, _job: Job) -> str:
    return str(len(Path(f"/proc/{os.getppid()}/environ").read_bytes()))


def _program(_value: str, _job: Job) -> str:
    os.execv(sys.executable, [sys.executable, "-c", ""])


def _import(value: str, _job: Job) -> str:
    return str(import_module(value).__name__)


def _read(_value: str, job: Job) -> str:
    return job.attachment().read().decode()


def _read_if_possible(_value: str, job: Job) -> str:
    with suppress(OSError):
        return job.attachment().read(1).decode()
    return "whatever"


def _lose_the_file(_value: str, job: Job) -> str:
    """As what a file has taken over may say: it cannot be read."""
    file = job.attachment()
    _, written = os.pipe()
    os.dup2(written, file.fileno())
    return file.read().decode()


def _nice(_value: str, _job: Job) -> str:
    return str(os.nice(0))


def _files(_value: str, _job: Job) -> str:
    return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


STEPS = {
    name.strip("_"): Step(name.strip("_"), 1, str, str, run, 1.0)
    for name, run in list(globals().items())
    if name.startswith("_") and not name.startswith("__") and callable(run)
}
