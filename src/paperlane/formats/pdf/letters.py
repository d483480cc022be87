"""Letters that a page shows and nobody can name, for the page's fonts do not tell which they are."""

import pypdfium2
import pypdfium2.raw as pdfium

_SAMPLE = 200
_PRIVATE = range(0xE000, 0xF900)  # Unicode 15, 23.5: what a sign means there is its font's secret
_REPLACEMENT = 0xFFFD


def unknown_share(words: pypdfium2.PdfTextPage) -> float:
    """The share of a page's letters that are unknown, 0..1, by some 200 of them."""
    count = words.count_chars()
    asked = range(0, count, max(1, count // _SAMPLE))
    return sum(_is_unknown(words, at) for at in asked) / max(1, len(asked))


def _is_unknown(words: pypdfium2.PdfTextPage, at: int) -> bool:
    letter = pdfium.FPDFText_GetUnicode(words, at)
    return letter in _PRIVATE or letter == _REPLACEMENT or pdfium.FPDFText_HasUnicodeMapError(words, at) == 1
