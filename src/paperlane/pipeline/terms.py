"""Which of the terms that a document or its team defines occur in a text."""

from collections.abc import Mapping

from paperlane.compiling import later
from paperlane.model.documents import Document

_MOST = 20  # terms beside one text
_LONGEST = 200  # characters of a meaning
_WORDY = later(r"[A-Za-z0-9]")


class Terms:
    """The document's acronyms and definitions, and the team's glossary, whose words win."""

    def __init__(self, document: Document) -> None:
        known = {**document.acronyms, **document.definitions, **document.brief.terms}
        self._known = [
            (term, self._read(term), " ".join(meaning.split())[:_LONGEST])
            for term, meaning in known.items()
            if term.strip() and meaning.strip()
        ]

    def of(self, text: str) -> Mapping[str, str]:
        """What the terms in a text mean, in the order of their first places; at most 20."""
        folded = text.lower()
        found = [
            (place, term, meaning)
            for term, read, meaning in self._known
            if (place := _place(read, text if term.isupper() else folded)) >= 0
        ]
        return {term: meaning for _, term, meaning in sorted(found)[:_MOST]}

    @staticmethod
    def _read(term: str) -> str:
        """Acronyms are told from words by their capitals."""
        return term if term.isupper() else term.lower()


def _place(term: str, text: str) -> int:
    """Where a term stands first, as a word of its own; -1 where it does not."""
    at = text.find(term)
    while at >= 0 and not _stands_apart(text, at, at + len(term)):
        at = text.find(term, at + 1)
    return at


def _stands_apart(text: str, start: int, end: int) -> bool:
    """Chinese has no borders of words."""
    before = start > 0 and _WORDY.match(text[start]) and _WORDY.match(text[start - 1])
    behind = _WORDY.match(text[end - 1]) and _WORDY.match(text, end)
    plural = behind and text[end] == "s" and not _WORDY.match(text, end + 1)
    return not before and (not behind or bool(plural))
