"""Files in a folder of this machine; an upload's files share a subfolder, so that few flushes put all on disk."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import structlog

from paperlane.blobs.references import checked, is_reference, new_reference
from paperlane.blobs.room import with_room

log = structlog.get_logger(__name__)

_PIECE = 1 << 16  # bytes that are written at once; a size that is told also spares questions to the system
_FLUSHES_AT_ONCE = 4  # file systems put flushes that come together on disk together
_FEW = 16  # files that one thread flushes
_MARK = "ledger-"
_with_room = partial(with_room, "the data folder's disk")


class _File:
    """A file that is being written, readable by its owner only."""

    def __init__(self, path: Path, reference: str) -> None:
        self.reference = reference
        self.size = 0
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", _PIECE)

    def write(self, chunk: bytes) -> None:
        with _with_room():
            self._file.write(chunk)
        self.size += len(chunk)

    def close(self) -> None:
        with _with_room():
            self._file.flush()
            _begin_to_write(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        with suppress(OSError):  # what is still to be written finds no room perhaps, and need not
            self._file.close()
        self._path.unlink(missing_ok=True)


def _begin_to_write(descriptor: int) -> None:
    """Linux begins to write at once what it may forget; elsewhere nothing happens.

    Where several files are flushed one after another, the first flush then commits the names and sizes of all, and the
    others find little left to do.
    """
    with suppress(OSError, AttributeError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _flush(paths: Iterable[Path]) -> None:
    """Put files or folders on disk for good."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Folder:
    """Blobs in a folder, which is made when it is missing."""

    path: Path
    _flushing: ThreadPoolExecutor = field(
        default_factory=partial(ThreadPoolExecutor, _FLUSHES_AT_ONCE, "flush"), init=False, compare=False, repr=False
    )

    def create(self, beside: str = "") -> _File:
        reference = new_reference(beside)
        place = self._place(reference)
        with _with_room():
            if not beside and not place.parent.is_dir():
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _flush([self.path])
            return _File(place, reference)

    def keep(self, references: Sequence[str]) -> None:
        with _with_room():
            self._keep([self._place(reference) for reference in references])

    def _keep(self, places: Sequence[Path]) -> None:
        parts = [places[start : start + _FEW] for start in range(0, len(places), _FEW)]
        if len(parts) == 1:
            _flush(places)
        else:
            for start in range(0, len(parts), _FLUSHES_AT_ONCE):  # others' parts come between
                list(self._flushing.map(_flush, parts[start : start + _FLUSHES_AT_ONCE]))
        _flush({place.parent for place in places})  # the names must survive a power cut too

    def open(self, reference: str) -> BinaryIO:
        return self._place(reference).open("rb")

    def remove(self, reference: str) -> None:
        self._place(reference).unlink(missing_ok=True)

    def written(self, since: float, before: float) -> Iterator[str]:
        for folder in sorted(self.path.glob("[0-9a-f][0-9a-f]")):
            try:
                paths = sorted(folder.iterdir())
            except OSError as error:  # the others are looked through still
                log.warning("a folder of files cannot be looked through", folder=folder.name, why=error.strerror)
                continue
            for path in paths:
                with suppress(OSError):  # removed meanwhile, or not ours to look at
                    if is_reference(path.name) and since <= path.stat().st_mtime < before:
                        yield path.name

    def check(self) -> None:
        """A folder is looked at by who first writes to it."""

    def mark(self, owner: str) -> bool:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.mark_of(owner).touch(mode=0o600)
        return len(list(self.path.glob(f"{_MARK}*"))) == 1

    def is_marked(self, owner: str) -> bool:
        return self.mark_of(owner).exists()

    def mark_of(self, owner: str) -> Path:
        return self.path / f"{_MARK}{owner}"

    def holds(self, reference: str) -> bool:
        return self._place(reference).exists()

    def _place(self, reference: str) -> Path:
        return self.path / checked(reference)[:2] / reference
