"""Testing files here and now while the system refuses things."""

import asyncio
import errno
import os
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

import pytest

from paperlane import checking
from paperlane.pipeline import STEPS
from paperlane.sandboxes import open_sandbox
from paperlane.settings import Settings
from paperlane.work import sandbox


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{name}.md" for name in "abc"]
    for path in found:
        path.write_text("# One\n\nFine.\n")
    return found


async def checked(paths: list[Path]) -> checking.Tested:
    settings = Settings(sandboxes=1)
    async with open_sandbox(settings) as sandbox:
        return await checking.check(paths, sandbox, settings, lambda _name, _percent: None)


async def test_a_disk_that_fails_while_a_step_reads_is_told_as_any_other(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
):
    opened = checking._opened
    seen: set[Path] = set()

    def refused_later(path: Path) -> BinaryIO:
        """For the step, a file that was opened to be written: reading it fails as on a broken disk."""
        if path != paths[1] or path not in seen:
            seen.add(path)
            return opened(path)
        return os.fdopen(os.open(path, os.O_WRONLY), "wb")

    monkeypatch.setattr(checking, "_opened", refused_later)
    found = await checked(paths)
    assert len(found.reports) == 2
    ((name, fault),) = found.unreadable
    assert (name, fault.code, fault.hint) == (str(paths[1]), "cannot_open", "Check the path and its rights.")
    assert fault.message == "The file cannot be read: Bad file descriptor."


async def test_a_system_that_starts_no_more_processes_costs_no_other_file_its_result(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
):
    start = subprocess.Popen[bytes]
    refusals = iter([None, *[BlockingIOError(errno.EAGAIN, "No")] * 2])

    def once(*command: Any, **given: Any) -> subprocess.Popen[bytes]:
        if error := next(refusals):
            raise error
        return start(*command, **given)

    monkeypatch.setattr(subprocess, "Popen", once)
    monkeypatch.setattr(sandbox, "_JOBS_OF_A_CHILD", len(STEPS))  # a new one for each file
    found = await checked(paths)
    assert [report.name for report in found.reports] == [str(paths[0])]
    assert [name for name, _ in found.unreadable] == [str(path) for path in paths[1:]]
    for _, fault in found.unreadable:
        assert fault.code == "internal_error"
        assert fault.message == "The file was not tested, for the system refuses something: No."
        assert "short of processes" in fault.hint
    assert not found.whole


def test_a_system_that_starts_no_threads_is_told_of_each_file(paths: list[Path], monkeypatch: pytest.MonkeyPatch):
    def refused(_self: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refused)
    found = asyncio.run(checked(paths))
    assert [name for name, _ in found.unreadable] == [str(path) for path in paths]
    assert {fault.code for _, fault in found.unreadable} == {"internal_error"}


def test_a_mistake_of_ours_is_not_told_as_a_lack_of_anything(paths: list[Path], monkeypatch: pytest.MonkeyPatch):
    async def mistaken(*_: object) -> None:
        raise RecursionError("maximum recursion depth exceeded")

    monkeypatch.setattr(checking, "test_document", mistaken)
    with pytest.raises(RecursionError):
        asyncio.run(checked(paths))
