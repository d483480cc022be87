"""Small text files that people hand to commands."""

from pathlib import Path
from typing import TYPE_CHECKING

from paperlane.errors import BadRequest, Misconfigured

if TYPE_CHECKING:
    from paperlane.checks.words import Words


def words_of(path: Path, option: str = "--words") -> "Words":
    """The words that a file holds."""
    from paperlane.checks.words import LARGEST, words_in

    return words_in(text_of(path, "The list of words", option, 2 * LARGEST))


def text_of(path: Path, what: str, option: str, most: int) -> str:
    """A file's text, UTF-8 of at most so many bytes. Misconfigured or BadRequest where it is not there, or none."""
    hint = f"Name another file with {option}."
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise Misconfigured(f"{what} cannot be read: {path}: {error.strerror}.", hint=hint) from error
    if len(content) > most:
        raise BadRequest(f"{what} is too large: {path}.", hint=f"It may have {most:,} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"{what} cannot be read: {path} is no UTF-8.", hint="Save it as UTF-8.") from error
