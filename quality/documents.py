"""The corpus's documents, each read and judged once a run."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from paperlane.errors import DocumentError
from quality.reading import Tested, judge


@cache
def tested(path: Path) -> Tested | None:
    """The document by the default profile; None where no format reads it."""
    try:
        return judge(path.name, path.read_bytes())
    except DocumentError:
        return None


def all_tested(corpus: Path, *, quick: bool = False) -> Iterator[tuple[str, Tested]]:
    """Every document of the corpus that can be read, by its name; the small ones for a quick look."""
    for path in sorted((corpus / "documents").iterdir()):
        if path.name != "manifest.csv" and not (quick and path.stat().st_size > 100_000):
            found = tested(path)
            if found is not None:
                yield path.name, found
