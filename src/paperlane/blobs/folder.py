"""Files in a folder of this machine; each is complete and on disk before it has a name."""

import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_REFERENCE = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class _File:
    """A file under a name of its own until it is committed."""

    folder: Path
    reference: str = field(default_factory=lambda: secrets.token_hex(16))
    size: int = 0
    _file: BinaryIO | None = None
    _path: Path | None = None

    def write(self, chunk: bytes) -> None:
        if self._file is None:
            self._path = self.folder / self.reference[:2] / f"{self.reference}.part"
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb")
        self._file.write(chunk)
        self.size += len(chunk)

    def commit(self) -> str:
        self.write(b"")
        assert self._file is not None
        assert self._path is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path = self._path.rename(self._path.with_suffix(""))
        _sync_folder(self._path.parent)  # the name must survive a power cut too
        return self.reference

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Folder:
    """Blobs in a folder, which is made when it is missing."""

    path: Path

    def create(self) -> _File:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _File(self.path)

    def open(self, reference: str) -> BinaryIO:
        return self._place(reference).open("rb")

    def remove(self, reference: str) -> None:
        self._place(reference).unlink(missing_ok=True)

    def _place(self, reference: str) -> Path:
        """A reference is 32 hex digits, so it cannot lead out of the folder."""
        if _REFERENCE.fullmatch(reference) is None:
            raise FileNotFoundError(reference)
        return self.path / reference[:2] / reference
