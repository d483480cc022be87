"""Checks that are one pattern: each place of it is a finding."""

import re
from collections.abc import Callable, Iterator

from paperlane.checks import Finding, Subject


def everywhere(*patterns: re.Pattern[str], chinese: bool | None = None) -> Callable[[Subject], Iterator[Finding]]:
    """Finds each place of the patterns, with the `sign` that stands there; in Chinese prose only, or only in other."""

    def find(subject: Subject) -> Iterator[Finding]:
        for prose in subject.prose:
            if chinese is None or prose.chinese == chinese:
                spans = {found.span() for pattern in patterns for found in pattern.finditer(prose.text)}
                for start, end in sorted(spans):
                    yield prose.finding(start, end, {"sign": prose.said(start, end)})

    return find
