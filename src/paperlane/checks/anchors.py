"""Where links inside a document point to."""

from collections.abc import Iterator
from urllib.parse import unquote

from paperlane.compiling import later
from paperlane.model.documents import Link, Parsed

MARKDOWN = "text/markdown"
ESCAPED = later(r"\\([!-/:-@\[-`{-~])")
"""A sign that Markdown takes as itself for the backslash before it: CommonMark 0.31.2, 2.4."""

_LINES = later(r"L\d+|L\d+(?:C\d+)?-L\d+(?:C\d+)?")  # lines of the source, which GitHub shows when asked


def places(parsed: Parsed) -> Iterator[tuple[Link, str]]:
    """Each link to a place of the document, and that place's name."""
    marked = parsed.media_type == MARKDOWN
    for link in parsed.links:
        if link.target.startswith("#") and not link.image:
            name = unquote(ESCAPED.sub(r"\1", link.target[1:]) if marked else link.target[1:])
            if name and not (marked and _LINES.fullmatch(name)):
                yield link, name
