"""Places in a text, as spans of it."""

from collections.abc import Iterable, Iterator


def merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same places as spans in order that do not overlap."""
    last: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
        else:
            if last is not None:
                yield last
            last = (start, end)
    if last is not None:
        yield last
