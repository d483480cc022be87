"""What holds of files in a folder only: rights, times, and a disk without room."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from paperlane.blobs.folder import Folder
from paperlane.blobs.whole import Whole
from paperlane.errors import StorageFull


def test_a_file_is_its_owners_only(folder: Folder):
    writing = folder.create()
    writing.close()
    (path,) = folder.path.glob("*/*")
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_files_are_found_by_when_they_were_written_to_the_second(folder: Folder):
    old, fresh = folder.create(), folder.create()
    for writing in (old, fresh):
        writing.write(b"x")
        writing.close()
    (path,) = folder.path.glob(f"*/{old.reference}")
    os.utime(path, (1_000, 1_000))
    (path.parent / "notes.txt").write_text("not ours")
    os.utime(path.parent / "notes.txt", (1_000, 1_000))
    assert list(folder.written(1_000, 2_000)) == [old.reference]
    assert list(folder.written(0, 1_000)) == []
    assert list(folder.written(2_000, 1e12)) == [fresh.reference]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every new file is `/dev/full`, which takes nothing."""
    really = os.open
    full = really("/dev/full", os.O_WRONLY)

    def no_room(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = really(path, flags, mode)
        if flags & os.O_CREAT:
            os.dup2(full, descriptor)
        return descriptor

    monkeypatch.setattr(os, "open", no_room)
    yield
    os.close(full)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("size", [1, 100_000])
def test_of_whole_contents_that_find_no_room_nothing_is_left(folder: Folder, size: int):
    with pytest.raises(StorageFull):
        Whole(folder).write(b"x" * size)
    assert list(folder.path.glob("*/*")) == []


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_said_and_what_was_begun_can_be_given_up(folder: Folder):
    large, small, given_up = folder.create(), folder.create(), folder.create()
    with pytest.raises(StorageFull, match="no room to write a file: No space left on device"):
        large.write(b"x" * 100_000)
    small.write(b"x")
    with pytest.raises(StorageFull):
        small.close()
    given_up.write(b"x")
    for writing in (large, small, given_up):
        writing.discard()
    assert list(folder.path.glob("*/*")) == []
