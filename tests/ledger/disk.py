"""A disk in memory for large results: it is full, fails or loses files when it is told to."""

import errno
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.ledger.auditor import Auditor

from paperlane.errors import StorageFull

LARGE = 100
"""Bytes from which on a packed result lies in a file, in stories: hundreds of them take no time."""


class Died(BaseException):
    """The process is gone as by `kill -9`: it does nothing more, and cleans nothing up."""


@dataclass
class Disk:
    """The ledger's `Files`, and the blobs through which retention looks for orphans.

    `faults` are those of its next uses: "full" or "dies" (once the file is there) of a write, "fails" of another one.
    """

    sees: Auditor
    now: Callable[[], float]
    files: dict[str, bytes] = field(default_factory=dict)
    written_at: dict[str, float] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  # what was there, and is gone or damaged by no doing of the ledger
    faults: list[str] = field(default_factory=list)
    failed: int = 0
    unsure: Callable[[], int] = lambda: 0  # how many commits had no answer

    def write(self, content: bytes) -> str:
        fault = self._fault("full", "dies")
        if fault == "full":
            raise StorageFull("injected: there is no room")
        name = f"{len(self.written_at):032x}"
        self.files[name], self.written_at[name] = content, self.now()
        if fault == "dies":
            raise Died
        return name

    def read(self, reference: str) -> bytes:
        self._may_fail()
        if reference not in self.files:
            raise FileNotFoundError(errno.ENOENT, "No such file", reference)
        return self.files[reference]

    def remove(self, reference: str) -> None:
        named = reference in self.sees.files.values()
        self.sees.expect(not named, "14: a file is removed that a row names", reference)
        self._may_fail()
        self.files.pop(reference, None)

    def written(self, since: float, before: float) -> Iterator[str]:
        yield from [name for name in sorted(self.files) if since <= self.written_at[name] < before]

    def _fault(self, *kinds: str) -> str:
        """Of this use, which can meet such ones; others wait for a use that can meet them."""
        return self.faults.pop(0) if self.faults and self.faults[0] in kinds else ""

    def _may_fail(self) -> None:
        if self._fault("fails"):
            self.failed += 1
            raise OSError(errno.EIO, "injected: it fails")

    def lose(self, reference: str, *, damaged: bool) -> None:
        """The file is gone, or not what it was."""
        self.lost.add(reference)
        if damaged:
            self.files[reference] = b"?" + self.files[reference][1:]
        else:
            del self.files[reference]

    def orphans(self) -> set[str]:
        """The files that no row names."""
        return self.files.keys() - self.sees.files.values()

    @contextmanager
    def tidy(self) -> Generator[None]:
        """What happens here leaves no orphan behind.

        But where a file could not be removed, or where somebody was refused and a commit had no answer: what that
        one may have named must stay.
        """
        orphans, failed, unsure = self.orphans(), self.failed, self.unsure()
        try:
            yield
        except Exception:
            self._expect_tidy(orphans, excused=self.failed > failed or self.unsure() > unsure)
            raise
        self._expect_tidy(orphans, excused=self.failed > failed)

    def _expect_tidy(self, before: set[str], *, excused: bool) -> None:
        left = self.orphans() - before
        self.sees.expect(excused or not left, "14: files are left that nothing names", left)
