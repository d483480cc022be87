"""Files that nothing in the records names any more."""

from collections.abc import Iterable
from functools import partial

from paperlane.blobs import Blobs
from paperlane.ledger import Ledger
from paperlane.records import documents


def remove_unnamed(ledger: Ledger, blobs: Blobs, files: Iterable[str]) -> int:
    """Remove those of these files that no document and no schedule names; how many.

    Asked after what named them was deleted for good: a name can only be copied from a row that is there, so nothing
    names them again.
    """
    files = sorted(set(files))
    unnamed = set(files) - ledger.read(partial(documents.named, blobs=files)) if files else set[str]()
    for file in unnamed:
        blobs.remove(file)
    return len(unnamed)
