"""Tells a disk without room from other trouble."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from paperlane.errors import StorageFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def with_room(where: str) -> Generator[None]:
    """StorageFull instead of what the system says of a disk without room; `where` tells which disk, for the hint."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFull(
            f"There is no room to write a file: {error.strerror}.", hint=f"Free some space on {where}."
        ) from error
