"""The worker beside another maker's program: kept alive, and gone with it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from paperlane.engines import beside as besides
from paperlane.engines.beside import Beside

SAYS = "import sys, pathlib; pathlib.Path(sys.argv[2]).touch(); sys.stdin.read()"


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_is_started_again_where_it_dies_and_takes_its_folder_along():
    beside = Beside([sys.executable, "-c", SAYS], grace=5.0)
    beside.start()
    door = beside.door
    until(door.exists)
    door.unlink()
    assert beside._process is not None
    beside._process.kill()
    until(door.exists)
    beside.close()
    assert not door.parent.exists()
    beside.close()


def test_one_that_cannot_be_started_is_tried_again(tmp_path: Path):
    """As where the machine has no room for another process."""
    command = tmp_path / "command"
    beside = Beside([str(command)], grace=5.0)
    beside.start()
    command.write_text('#!/bin/sh\ntouch "$2"; cat\n')
    command.chmod(0o700)
    until(beside.door.exists)
    beside.close()
    assert not beside._keeper.is_alive()


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(besides, "_LAST_WORDS", 0.0)
    beside = Beside([sys.executable, "-c", SAYS + "; import time; time.sleep(600)"], grace=0.1)
    beside.start()
    until(beside.door.exists)
    beside.close()
    assert not beside._keeper.is_alive()
