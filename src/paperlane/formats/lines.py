"""Lines of a text as Markdown and editors count them: only LF, CR LF and CR end one."""

import re

_END = re.compile(r"\r\n?|\n")


def line_starts(text: str) -> list[int]:
    """Where each line begins, in characters; an end of line at the end of the text begins no further one."""
    starts = [0, *(end.end() for end in _END.finditer(text))]
    return starts[:-1] if len(starts) > 1 and starts[-1] == len(text) else starts


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the white space at its ends."""
    written = text[start:end]
    if not (bare := written.strip()):
        return end, end
    start += len(written) - len(written.lstrip())
    return start, start + len(bare)
