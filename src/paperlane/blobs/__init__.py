"""Where files lie, by references that mean something only here."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol


class Writing(Protocol):
    """A file on its way in; nobody knows its reference until it is on disk for good.

    StorageFull when there is no room to write; `discard` gives what it took free then too.
    """

    reference: str
    size: int

    def write(self, chunk: bytes) -> None: ...
    def close(self) -> None:
        """All of it was written."""
        ...

    def discard(self) -> None:
        """Forget it."""
        ...


class Blobs(Protocol):
    """Files by reference; StorageFull when there is no room for more."""

    def create(self, beside: str = "") -> Writing:
        """A new file; beside another one of the same upload, so that both can be put on disk together."""
        ...

    def keep(self, references: Sequence[str]) -> None:
        """Put closed files on disk for good: after this they survive a power cut."""
        ...

    def open(self, reference: str) -> BinaryIO:
        """The file, for reading. FileNotFoundError when it is gone."""
        ...

    def remove(self, reference: str) -> None:
        """Delete it; nothing happens when it is gone."""
        ...

    def written(self, since: float, before: float) -> Iterator[str]:
        """Every file that was last written to between these times (seconds since 1970), also one never closed."""
        ...
