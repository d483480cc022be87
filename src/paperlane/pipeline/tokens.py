"""How many tokens a text takes, without any model's vocabulary."""

from paperlane.compiling import later

# Nearly what common tokenizers first cut a text into, before they look into their vocabularies: a Chinese character or
# mark, up to three letters of another script, a word or a part of one that its capital begins, three digits, a run of
# signs or spaces, a sign beyond the basic plane, which is mostly an emoji and takes two.
_PIECE = later(
    r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]|[A-Z]?[a-z]{1,9}|[A-Z]{1,4}|\d{1,3}|[!-/:-@\[-`{-~]{1,6}"
    r"|[ \t]{2,}|[^\W\d_]{1,2}|[^\w\s]"
)
_BEYOND = later(r"[\U00010000-\U0010ffff]")

MOST_OF_A_CHARACTER = 2
"""Tokens that the worst character takes."""


def tokens_of(text: str) -> int:
    """An estimate: one a Chinese character, a little over one an English word, one for three digits or a few signs."""
    return _PIECE.subn("", text)[1] + len(_BEYOND.findall(text))
