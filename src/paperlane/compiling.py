"""Patterns that are compiled when they are first used.

A process that tests one document needs few of some two hundred, and one that only names the checks needs none; to
compile them all takes longer than all else that it loads.
"""

import re
from typing import Any, cast


class _Later:
    """Reads as the pattern that it becomes; from the first use on it costs what that costs."""

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern = pattern
        self.flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self.pattern, self.flags)
        self.finditer, self.findall, self.search, self.match = (
            compiled.finditer, compiled.findall, compiled.search, compiled.match
        )  # fmt: skip
        self.fullmatch, self.sub, self.subn, self.split = (
            compiled.fullmatch, compiled.sub, compiled.subn, compiled.split
        )  # fmt: skip
        return getattr(compiled, name)


def later(written: str, flags: int = 0) -> re.Pattern[str]:
    """As re.compile, at the first use of the pattern; that raises re.error, where it is none."""
    return cast("re.Pattern[str]", _Later(written, flags))
