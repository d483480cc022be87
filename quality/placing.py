"""Finds the pieces of a document that was written in the text that was read of it."""

from collections.abc import Sequence
from itertools import accumulate

from paperlane.model.documents import BlockKind
from quality.carriers import Piece
from quality.writing import LINK, markdown

Span = tuple[int, int]


def in_source(pieces: Sequence[Piece]) -> list[int | None]:
    """Where the text of each piece begins in the Markdown source."""
    return list(markdown(pieces)[1])


class Placed:
    """The text that was read, without its white space, in which pieces are searched in their order."""

    def __init__(self, text: str, pieces: Sequence[Piece]) -> None:
        self._at = [at for at, letter in enumerate(text) if not letter.isspace()]
        squeezed = "".join(text[at] for at in self._at)
        self._shown = [list(accumulate(shown(piece.text), initial=0)) for piece in pieces]
        self._begins: list[int | None] = []
        last = 0
        for piece, counts in zip(pieces, self._shown, strict=True):
            wanted = "".join(letter for letter, is_shown in zip(piece.text, shown(piece.text), strict=True) if is_shown)
            found = -1 if piece.kind is BlockKind.TABLE_CELL else squeezed.find(wanted, last)
            self._begins.append(None if found < 0 else found)
            last = last if found < 0 else found + counts[-1]

    def span(self, piece: int, start: int, end: int) -> Span | None:
        """Where `text[start:end]` of a piece stands; None where the piece was not found, or nothing of it is shown."""
        begin, counts = self._begins[piece], self._shown[piece]
        if begin is None or counts[start] == counts[end]:
            return None
        return self._at[begin + counts[start]], self._at[begin + counts[end] - 1] + 1


def shown(text: str) -> list[bool]:
    """Of each character: does a reader see it? White space does not count, nor what makes a link of its words."""
    seen = [not letter.isspace() for letter in text]
    for found in LINK.finditer(text):
        for begin, end in ((found.start(), found.start(2)), (found.end(2), found.end())):
            seen[begin:end] = [False] * (end - begin)
    return seen
