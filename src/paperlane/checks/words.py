"""A team's words: its glossary, and what no check shall complain of."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from paperlane.errors import BadRequest

MOST = 2_000
"""Entries that a team's words may have."""

LARGEST = 64 << 10
"""Bytes of UTF-8 that they may have together."""

_LONGEST = 200  # characters of a term or a word
_SPACE = re.compile(r"\s+")
_TERM = re.compile(r"(?P<term>.*?\S)\s*(?::(?=\s|$)|：)\s*(?P<meaning>.*)")
_ROOM = 2 * _LONGEST  # characters on each side of a finding in which a phrase around it is looked for


@dataclass(frozen=True, slots=True)
class Words:
    """Terms with their meaning ("" where that goes without saying), and words that are ignored.

    An ignored word in lower case stands for itself in any case; one with a capital is meant as it is written.
    """

    terms: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()

    def checked(self) -> "Words":
        """The same, folded to single spaces and each once. BadRequest for what is empty, too long or too much."""
        terms = {_folded(term): _folded(meaning) for term, meaning in self.terms.items()}
        ignored = tuple(dict.fromkeys(map(_folded, self.ignored)))
        for word in (*terms, *ignored):
            if not word or len(word) > _LONGEST:
                what = f"The word {word[:40]}… is too long." if word else "A word is empty."
                raise BadRequest(what, code="invalid_words", hint=f"Use 1 to {_LONGEST} characters.")
        for term, meaning in terms.items():
            if term_in(f"{term}: {meaning}") != (term, meaning):  # it could not be written as it is read
                what = f"The term {term[:40]} holds a colon of the kind that ends a term."
                raise BadRequest(what, code="invalid_words", hint="Write the term without it.")
        size = sum(len(word.encode()) for word in (*terms, *terms.values(), *ignored))
        if len(terms) + len(ignored) > MOST or size > LARGEST:
            said = f"There are too many words: {len(terms) + len(ignored)}, of {size:,} bytes."
            hint = f"Keep at most {MOST:,} words, of {LARGEST:,} bytes together."
            raise BadRequest(said, code="too_many_words", hint=hint)
        return Words(terms, ignored)

    def written(self) -> str:
        """The words as `words_in` reads them."""
        terms = (f"{term}: {meaning}".rstrip() for term, meaning in self.terms.items())
        return "".join(f"{line}\n" for line in (*terms, *self.ignored))


def words_in(text: str) -> Words:
    """What a file of words says: a line `term: meaning`, or a word to ignore; nothing from # on where that begins one.

    BadRequest as `Words.checked`.
    """
    terms: dict[str, str] = {}
    ignored: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        if (found := term_in(line)) is not None:
            terms[found[0]] = found[1]
        else:
            ignored.append(line)
    return Words(terms, ignored).checked()


def term_in(line: str) -> tuple[str, str] | None:
    """The term and the meaning of a line `term: meaning`, None for any other line."""
    found = _TERM.fullmatch(line.strip())
    return (found["term"], found["meaning"]) if found is not None else None


class Ignoring:
    """Tells findings of which a team does not want to hear."""

    def __init__(self, ignored: Sequence[str]) -> None:
        self._words = frozenset(map(_folded, ignored))
        self._around: dict[str, Sequence[str]] = {}

    def covers(self, text: str, start: int, end: int, named: Mapping[str, str]) -> bool:
        """Is `text[start:end]`, or what the check says of it, an ignored word, or does it stand inside one?"""
        if not self._words:
            return False
        quote = text[start:end]
        if any(self._has(said) for said in (quote, *named.values())):
            return True
        return len(quote) < _LONGEST and any(_stands_in(phrase, text, start, end) for phrase in self._with(quote))

    def _has(self, said: str) -> bool:
        folded = _folded(said)
        return folded in self._words or folded.lower() in self._words

    def _with(self, quote: str) -> Sequence[str]:
        """The ignored phrases that a quote may stand in."""
        folded = _folded(quote).lower()
        if folded not in self._around:
            self._around[folded] = [phrase for phrase in self._words if folded in phrase.lower()]
        return self._around[folded]


def _stands_in(phrase: str, text: str, start: int, end: int) -> bool:
    """Does the phrase begin before a place in the text, or with it, and end behind it?"""
    before, quote, after = (
        unicodedata.normalize("NFKC", _SPACE.sub(" ", part))
        for part in (text[max(0, start - _ROOM) : start], text[start:end], text[end : end + _ROOM])
    )
    around = before + quote + after
    if phrase == phrase.lower():
        around = around.lower()
    return any(at + len(phrase) >= len(before) + len(quote) for at in _places(phrase, around, len(before)))


def _places(phrase: str, text: str, last: int) -> Iterator[int]:
    """Where the phrase stands in a text, up to a place."""
    at = text.find(phrase)
    while 0 <= at <= last:
        yield at
        at = text.find(phrase, at + 1)


def _folded(word: str) -> str:
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", word)).strip()
