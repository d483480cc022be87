"""Programs that are measured from outside: started, asked, and watched."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks.figures import FOLDER

ROOT = Path(__file__).parents[1]
OWN = Path(sys.executable)
_PATIENCE = 300.0  # seconds that an answer may take


class Failed(Exception):
    """The program could not do what it was asked; says why."""


def environment(name: str) -> Path:
    """The Python of a peers' environment, which the Makefile makes."""
    return ROOT / "build" / f"peers-{name}" / "bin" / "python"


class Program:
    """A program that speaks `benchmarks.protocol`, in a process of its own. Its words go to build/bench/logs."""

    def __init__(self, module: str, python: Path = OWN, variables: Mapping[str, str] | None = None) -> None:
        if not python.exists():
            raise Failed(f"its environment {python.parents[1].name} is missing")
        logs = FOLDER / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.module = module
        self._log = (logs / f"{module.rpartition('.')[2]}.log").open("w")
        self._process = subprocess.Popen(
            [str(python), "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        )

    @property
    def pid(self) -> int:
        """The process, below which all its workers are."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, do: str, **given: Any) -> None:
        """Ask, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """The answer to the oldest question that has none yet."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(_PATIENCE, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise Failed(f"it ended, with {self._process.wait()}; see build/bench/logs/{Path(self._log.name).name}")
        told = json.loads(line)
        if "failed" in told:
            raise Failed(told["failed"])
        return told["is"]

    def ask(self, do: str, **given: Any) -> Any:
        """Ask, and wait for the answer."""
        self.send(do, **given)
        return self.answer()

    def close(self) -> None:
        """Let it end; it is killed when it does not."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()
