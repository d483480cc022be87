"""Letters that a page shows and nobody can name, for the page's fonts do not tell which they are."""

import re
from itertools import compress, repeat
from typing import Any

import pypdfium2

from paperlane.formats.pdf import calls

_FIRST, _SAMPLE = 16, 200  # letters
_NAMELESS = re.compile("[\ue000-\uf8ff\ufffd]")  # Unicode 15, 23.5: what a private sign means is its font's secret


def unknown_share(raw: str, words: pypdfium2.PdfTextPage, count: int) -> float:
    """The share of a page's letters that are unknown, 0..1; of those that pdfium doubts by a sample."""
    if count == 0:
        return 0.0
    nameless = 0.0 if raw.isascii() else len(_NAMELESS.findall(raw)) / count
    text = calls.reference(words.raw)
    doubted = _doubted(text, count, _FIRST)
    return nameless + (_doubted(text, count, _SAMPLE) if doubted else 0.0)


def _doubted(text: Any, count: int, sample: int) -> float:
    """The share of letters without a name of their own that their font does not tell."""
    asked = range(0, count, max(1, count // sample))
    doubted = list(compress(asked, map(calls.has_no_name, repeat(text), asked)))
    named = [chr(calls.letter_at(text, at)) for at in doubted]
    return sum(_NAMELESS.match(letter) is None for letter in named) / len(asked) if named else 0.0
