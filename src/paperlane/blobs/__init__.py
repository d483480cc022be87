"""Where uploaded files lie, by references that mean something only here."""

from typing import BinaryIO, Protocol


class Writing(Protocol):
    """A file on its way in: nothing is there until `commit`."""

    size: int

    def write(self, chunk: bytes) -> None: ...
    def commit(self) -> str:
        """Put it on disk for good; the reference to it."""
        ...

    def discard(self) -> None:
        """Forget it; after a commit too."""
        ...


class Blobs(Protocol):
    """Files by reference."""

    def create(self) -> Writing: ...
    def open(self, reference: str) -> BinaryIO:
        """The file, for reading. FileNotFoundError when it is gone."""
        ...

    def remove(self, reference: str) -> None:
        """Delete it; nothing happens when it is gone."""
        ...
