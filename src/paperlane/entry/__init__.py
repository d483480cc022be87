"""What programs of other makers load: each brings what arrives to the worker beside it, and knows nothing else."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from paperlane.errors import PaperlaneError
from paperlane.settings import Settings, settings_of


@contextmanager
def loaded() -> Generator[Settings]:
    """The settings; what is wrong with them, or is found so inside, ends the program with one sentence and code 2."""
    try:
        yield settings_of()
    except PaperlaneError as error:
        sys.stderr.write(f"paperlane: {error.message} {error.hint}".rstrip() + "\n")
        raise SystemExit(2) from error
