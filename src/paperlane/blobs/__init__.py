"""Where files lie, by references that mean something only here."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol


class Writing(Protocol):
    """A file on its way in; nobody knows its reference until it is on disk for good.

    StorageFull when there is no room to write, StoreAway when it cannot be stored now; `discard` gives what it took
    free then too.
    """

    reference: str
    size: int

    def write(self, chunk: bytes) -> None: ...
    def close(self) -> None:
        """All of it was written."""
        ...

    def discard(self) -> None:
        """Forget it. What a store that cannot be used still has of it is found by who looks for such files."""
        ...


class Blobs(Protocol):
    """Files by reference; StorageFull when there is no room for more, StoreAway while their store cannot be used."""

    def create(self, beside: str = "") -> Writing:
        """A new file; beside another one of the same upload, so that both can be put on disk together."""
        ...

    def keep(self, references: Sequence[str]) -> None:
        """Put closed files on disk for good: after this they survive a power cut."""
        ...

    def open(self, reference: str) -> BinaryIO:
        """The file, for reading, with a descriptor that another process can be given. FileNotFoundError when gone."""
        ...

    def remove(self, reference: str) -> None:
        """Delete it; nothing happens when it is gone."""
        ...

    def written(self, since: float, before: float) -> Iterator[str]:
        """Every file that was last written to between these times (seconds since 1970), also one never closed."""
        ...


class Store(Blobs, Protocol):
    """Blobs that know whose they are: each ledger leaves its mark where its files lie."""

    def check(self) -> None:
        """Can it be used? StoreAway where not now, StoreRefuses where somebody must mend something first."""
        ...

    def mark(self, owner: str) -> bool:
        """Say whose files lie here; is that the only one who ever did? `owner` is part of a file's name."""
        ...

    def is_marked(self, owner: str) -> bool:
        """Did this owner say so here? Not so where it is another place than the one that it meant."""
        ...

    def mark_of(self, owner: str) -> Path | str:
        """Where the empty file is that says so."""
        ...

    def holds(self, reference: str) -> bool:
        """Is this file here?"""
        ...
