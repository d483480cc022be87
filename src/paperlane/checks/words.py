"""A team's words: its glossary, and what no check shall complain of."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from paperlane.compiling import later
from paperlane.errors import BadRequest

MOST = 2_000
"""Entries that a team's words may have."""

LARGEST = 64 << 10
"""Bytes of UTF-8 that they may have together."""

_LONGEST = 200  # characters of a term or a word
_SPACE = later(r"\s+")
_TERM = later(r"(?P<term>.*?\S)\s*(?::(?=\s|$)|：)\s*(?P<meaning>.*)")
_TIGHT = later(r"(?P<term>[\w.&/+-]+):(?P<meaning>(?=[^\W\d_])[^\s:@]+(?:\s.*)?)")  # no std::string, no mailto
_HAN = later(r"[\u3400-\u9fff]")
_NAMELESS = later(r"[:：](?!:)")
_FEWEST_CAPITALS = 2  # of an acronym
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
            # it could not be written as it is read
            if term_in(term) is not None or term_in(f"{term}: {meaning}") != (term, meaning):
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

    BadRequest as `Words.checked` and, with the line's number, as `term_in`.
    """
    terms: dict[str, str] = {}
    ignored: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            found = term_in(line)
        except BadRequest as error:
            raise BadRequest(f"Line {number}: {error.message}", code=error.code, hint=error.hint) from error
        if found is not None:
            terms[found[0]] = found[1]
        else:
            ignored.append(line)
    return Words(terms, ignored).checked()


def term_in(line: str) -> tuple[str, str] | None:
    """The term and the meaning of a line `term: meaning`, None for any other line.

    The space may be missing behind one word that is an acronym, or where several words or Chinese make it a meaning.
    BadRequest where nothing stands before the colon.
    """
    line = line.strip()
    if _NAMELESS.match(line) is not None:
        what = f"There is no term before the colon of “{line[:40]}”."
        raise BadRequest(what, code="no_term", hint="Write the term first, as in SLO: service level objective.")
    found = _TIGHT.fullmatch(line)
    if found is None or not _is_meant(found["term"], found["meaning"]):
        found = _TERM.fullmatch(line)
    return (found["term"], found["meaning"]) if found is not None else None


def _is_meant(word: str, behind: str) -> bool:
    """Is a word before a colon without a space a term? Neither `10:am` nor `key:value` says so."""
    if not any(map(str.isalpha, word)):
        return False
    capitals = sum(map(str.isupper, word))
    return capitals >= _FEWEST_CAPITALS or len(behind.split()) > 1 or _HAN.search(word + behind) is not None


class Ignoring:
    """Tells findings of which a team does not want to hear."""

    def __init__(self, ignored: Sequence[str]) -> None:
        self._words = frozenset(map(_folded, ignored))
        self._all = "\n".join(self._words).lower()
        self._around: dict[str, tuple[_Around, _Around]] = {}

    def covers(self, text: str, start: int, end: int, named: Mapping[str, str]) -> bool:
        """Is `text[start:end]`, or what the check says of it, an ignored word, or does it stand inside one?"""
        if not self._words:
            return False
        quote = text[start:end]
        if any(self._has(said) for said in (quote, *named.values())):
            return True
        return len(quote) < _LONGEST and self._hold(text, start, end)

    def _has(self, said: str) -> bool:
        folded = _folded(said)
        return folded in self._words or folded.lower() in self._words

    def _hold(self, text: str, start: int, end: int) -> bool:
        """Does an ignored phrase begin before a place in the text, or with it, and end behind it?"""
        quote = _spaced(text[start:end])
        if quote.lower() not in self._all:
            return False
        if quote not in self._around:
            lower = [word for word in self._words if word == word.lower()]
            self._around[quote] = _Around(lower, quote.lower()), _Around(self._words.difference(lower), quote)
        before, after = _spaced(text[max(0, start - _ROOM) : start]), _spaced(text[end : end + _ROOM])
        in_any_case, as_written = self._around[quote]
        return in_any_case.holds(before.lower(), after.lower()) or as_written.holds(before, after)


class _Around:
    """What phrases say before and behind a quote that they hold: a place is looked up, not each phrase."""

    def __init__(self, phrases: Iterable[str], quote: str) -> None:
        found: dict[str, list[str]] = {}
        for phrase in phrases:
            for at in _places(quote, phrase):
                found.setdefault(phrase[:at], []).append(phrase[at + len(quote) :])
        self._behind = {before: tuple(behind) for before, behind in found.items()}
        self._lengths = sorted({len(before) for before in found})

    def holds(self, before: str, after: str) -> bool:
        """Does the text before a place end, and that behind it begin, as in one of the phrases?"""
        return any(
            length <= len(before) and after.startswith(self._behind.get(before[len(before) - length :], ()))
            for length in self._lengths
        )


def _places(quote: str, phrase: str) -> Iterator[int]:
    at = phrase.find(quote)
    while at >= 0:
        yield at
        at = phrase.find(quote, at + 1)


def _spaced(part: str) -> str:
    return unicodedata.normalize("NFKC", _SPACE.sub(" ", part))


def _folded(word: str) -> str:
    return _spaced(word).strip()
