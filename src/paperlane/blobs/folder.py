"""Files in a folder of this machine; an upload's files share a subfolder, so that few flushes put all on disk."""

import errno
import os
import re
import secrets
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from paperlane.errors import StorageFull

log = structlog.get_logger(__name__)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFERENCE = re.compile(r"[0-9a-f]{32}")
_FLUSHES_AT_ONCE = 8  # file systems put flushes that come together on disk together
_FEW = 4
_MARK = "ledger-"


@contextmanager
def _with_room() -> Generator[None]:
    """StorageFull instead of what the system says of a disk without room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFull(
            f"There is no room to write a file: {error.strerror}.", hint="Free some space on the data folder's disk."
        ) from error


class _File:
    """A file that is being written, readable by its owner only."""

    def __init__(self, path: Path, reference: str) -> None:
        self.reference = reference
        self.size = 0
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, chunk: bytes) -> None:
        with _with_room():
            self._file.write(chunk)
        self.size += len(chunk)

    def close(self) -> None:
        with _with_room():
            self._file.close()

    def discard(self) -> None:
        with suppress(OSError):  # what is still to be written finds no room perhaps, and need not
            self._file.close()
        self._path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Folder:
    """Blobs in a folder, which is made when it is missing."""

    path: Path

    def create(self, beside: str = "") -> _File:
        reference = (beside[:2] or secrets.token_hex(1)) + secrets.token_hex(15)
        place = self._place(reference)
        with _with_room():
            if not place.parent.is_dir():
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _flush(self.path)
            return _File(place, reference)

    def keep(self, references: Sequence[str]) -> None:
        with _with_room():
            self._keep([self._place(reference) for reference in references])

    def _keep(self, places: Sequence[Path]) -> None:
        if len(places) <= _FEW:
            for place in places:
                _flush(place)
        else:
            with ThreadPoolExecutor(_FLUSHES_AT_ONCE) as threads:
                list(threads.map(_flush, places))
        for folder in {place.parent for place in places}:  # the names must survive a power cut too
            _flush(folder)

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
                    if _REFERENCE.fullmatch(path.name) and since <= path.stat().st_mtime < before:
                        yield path.name

    def mark(self, owner: str) -> bool:
        """Say whose files lie here; is that the only one who ever did? `owner` is part of a file's name."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.mark_of(owner).touch(mode=0o600)
        return len(list(self.path.glob(f"{_MARK}*"))) == 1

    def is_marked(self, owner: str) -> bool:
        """Did this owner say so here? Not so where a disk is not mounted."""
        return self.mark_of(owner).exists()

    def mark_of(self, owner: str) -> Path:
        """The empty file that says so."""
        return self.path / f"{_MARK}{owner}"

    def holds(self, reference: str) -> bool:
        """Is this file here?"""
        return self._place(reference).exists()

    def _place(self, reference: str) -> Path:
        """A reference is 32 hex digits, so it cannot lead out of the folder."""
        if _REFERENCE.fullmatch(reference) is None:
            raise FileNotFoundError(reference)
        return self.path / reference[:2] / reference
