"""Files that nothing in the records or the ledger names any more."""

from collections.abc import Iterable
from functools import partial

from paperlane.blobs import Blobs
from paperlane.ledger import Ledger
from paperlane.records import documents


def remove_unnamed(ledger: Ledger, blobs: Blobs, files: Iterable[str]) -> int:
    """Remove those of these files that no document, no schedule and no checkpoint names; how many.

    Asked after what named them was deleted for good: a name can only be copied from a row that is there, so nothing
    names them again. A checkpoint's name is written once, moments after its file.
    """
    files = sorted(set(files))
    unnamed = set(files)
    if files:
        unnamed -= ledger.read(partial(documents.named, blobs=files)) | ledger.named(files)
    for file in unnamed:
        blobs.remove(file)
    return len(unnamed)
