"""Testing files here and now while the system refuses things."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from paperlane import checking
from paperlane.settings import Settings


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{name}.md" for name in "abc"]
    for path in found:
        path.write_text("# One\n\nFine.\n")
    return found


async def checked(paths: list[Path]) -> checking.Tested:
    return await checking.check(paths, Settings(sandboxes=1), lambda _name, _percent: None)


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
