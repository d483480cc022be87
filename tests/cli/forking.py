"""Runs the command line in processes of its own that are forked from one in which all of it is loaded.

To load it takes ten times as long as most commands do. `python -m tests.cli.forking` reads one JSON object a line, with
the command's `arguments`, `cwd`, `environment` and the files for its output, and answers with its exit code.
"""

import atexit
import gc
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import paperlane


@cache
def _forks() -> "subprocess.Popen[str]":
    forks = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forking"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(forks.communicate)
    return forks


def run(arguments: Sequence[str], cwd: Path | None) -> "subprocess.CompletedProcess[str]":
    """What the command said, and how it ended; in this process's environment, with no standard input."""
    forks = _forks()
    assert forks.stdin is not None
    assert forks.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        shown = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        asked = {"arguments": arguments, "cwd": str(cwd or Path.cwd()), "environment": {**os.environ}, "shown": shown}
        forks.stdin.write(json.dumps(asked) + "\n")
        forks.stdin.flush()
        code = int(forks.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, *(Path(name).read_text() for name in shown))


def _become(arguments: Sequence[str], cwd: str, environment: dict[str, str], shown: Sequence[str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in enumerate([os.devnull, *shown]):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    sys.argv = ["paperlane", *arguments]
    runpy.run_module("paperlane", run_name="__main__", alter_sys=True)


def main() -> None:
    """Fork a command for each line, until there are no more."""
    for module in pkgutil.walk_packages(paperlane.__path__, "paperlane."):
        if not module.name.startswith(("paperlane.__main__", "paperlane.migrations.")):
            import_module(module.name)
    gc.freeze()
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        if (pid := os.fork()) == 0:
            _become(**asked)
            return
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
