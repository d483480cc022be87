"""Files that nothing names any more."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog

from paperlane.blobs import Blobs
from paperlane.errors import StoreAway
from paperlane.ledger import Ledger
from paperlane.records import documents

log = structlog.get_logger(__name__)

Named = Callable[[Sequence[str]], set[str]]
"""Tells those of some files that something names."""


def named_uploads(ledger: Ledger, files: Sequence[str]) -> set[str]:
    """Those of these files that a document or a schedule names."""
    return ledger.read(partial(documents.named, blobs=files))


def remove_unnamed(blobs: Blobs, files: Iterable[str], named: Named) -> int:
    """Remove those of these files that nothing names; how many went. One that cannot be removed keeps no other one.

    Where their store is away the rest of them stay: who looks for files that nothing names finds them later.

    Asked after what named them was deleted for good: a name can only be copied from a row that is there, so nothing
    names them again. A result's name is written once, moments after its file.
    """
    files = sorted(set(files))
    unnamed = set(files) - named(files) if files else set[str]()
    removed = 0
    try:
        for file in sorted(unnamed):
            removed += _is_removed(blobs, file)
    except StoreAway as error:
        log.warning("files that nothing names cannot be removed now", files=len(unnamed) - removed, why=error.message)
    return removed


def _is_removed(blobs: Blobs, file: str) -> bool:
    try:
        blobs.remove(file)
    except OSError as error:
        log.warning("a file that nothing names cannot be removed", file=file, why=error.strerror or str(error))
        return False
    return True
