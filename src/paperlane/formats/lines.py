"""Lines of a text as Markdown and editors count them: only LF, CR LF and CR end one."""

import re

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


def line_starts(text: str) -> list[int]:
    """Where each line begins, in characters; an end of line at the end of the text begins no further one."""
    return [match.start() for match in _LINE.finditer(text) if match.end() > match.start()] or [0]


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
