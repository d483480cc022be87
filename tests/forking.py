"""Runs the command line, or another module, in processes of its own that are forked from one in which all is loaded.

To load it takes ten times as long as most commands do, and most of what a service's start takes. `python -m
tests.forking` reads one message a command from its standard input: JSON with its `module`, `arguments`, `cwd` and
`environment`, beside it the files for its status and its output. To the first go the command's process id and then its
exit code.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import paperlane

_LONGEST = 1 << 17  # bytes of a message


@cache
def _forks() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        forks = subprocess.Popen(
            [sys.executable, "-m", "tests.forking"],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],
            start_new_session=True,  # a Ctrl-C is for the tests
        )

    def end() -> None:
        ours.close()
        forks.wait()

    atexit.register(end)
    return ours


class Command:
    """A command that runs: as much of `subprocess.Popen` as tests need, with text, and without standard input.

    It has a session of its own. Output goes to the given files, or else to pipes that are read here.
    """

    def __init__(
        self,
        *arguments: str,
        stdout: IO[Any] | None = None,
        stderr: IO[Any] | None = None,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        module: str = "paperlane",
    ) -> None:
        self.args = arguments
        self.returncode: int | None = None
        where = dict(os.environ if environment is None else environment)
        asked = {"module": module, "arguments": arguments, "cwd": str(cwd or Path.cwd()), "environment": where}
        self._status, status = _pipe("rb")
        self.stdout, out = _pipe("r") if stdout is None else (None, os.dup(stdout.fileno()))
        self.stderr, err = _pipe("r") if stderr is None else (None, os.dup(stderr.fileno()))
        socket.send_fds(_forks(), [json.dumps(asked).encode()], [status, out, err])
        for file in (status, out, err):
            os.close(file)
        self.pid = int(self._status.readline())

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._status.readline())
            self._status.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it says, which must be less than a pipe holds, once it has ended."""
        self.wait(timeout)
        said = [pipe.read() if pipe is not None else "" for pipe in (self.stdout, self.stderr)]
        self._close()
        return said[0], said[1]

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _close(self) -> None:
        for pipe in (self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self.wait()


def _pipe(mode: str) -> tuple[IO[Any], int]:
    """The end to read from, which reads no further than it is asked to where it reads bytes; the end to write to."""
    read, write = os.pipe()
    return os.fdopen(read, mode, buffering=0 if mode == "rb" else -1), write


def run(arguments: Sequence[str], cwd: Path | None) -> "subprocess.CompletedProcess[str]":
    """What the command said, and how it ended; in this process's environment, with no standard input."""
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        code = Command(*arguments, stdout=out, stderr=err, cwd=cwd).wait()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def _become(
    files: Sequence[int], module: str, arguments: Sequence[str], cwd: str, environment: Mapping[str, str]
) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate([os.open(os.devnull, os.O_RDONLY), *files]):
        os.dup2(file, number)
    os.closerange(3, 64)  # all that those it was forked from had open
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _keep(status: int, *files: int, **asked: Any) -> None:
    """Fork the command, and tell how it goes."""
    if (pid := os.fork()) == 0:
        _become(files, **asked)
        return
    for file in files:
        os.close(file)
    os.write(status, b"%d\n" % pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(status, b"%d\n" % code)
    os._exit(0)


def main() -> None:
    """Fork a command for each message, until there are no more."""
    asking = socket.socket(fileno=os.dup(0))
    for module in pkgutil.walk_packages(paperlane.__path__, "paperlane."):
        if not module.name.startswith(("paperlane.__main__", "paperlane.migrations.", "paperlane.entry.")):
            with suppress(ModuleNotFoundError):  # of a library that only an environment of its own has
                import_module(module.name)
    gc.freeze()
    keepers = set[int]()
    while True:
        asked, files, *_ = socket.recv_fds(asking, _LONGEST, 3)
        if not asked:
            return
        keepers = {keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG) == (0, 0)}
        if (pid := os.fork()) == 0:
            _keep(*files, **json.loads(asked))
            return
        keepers.add(pid)
        for file in files:
            os.close(file)


if __name__ == "__main__":
    main()
