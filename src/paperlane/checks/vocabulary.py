"""The English words of a document, and how often each stands there."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from paperlane.checks import Prose, Subject

_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")


class Vocabulary:
    """Words as they are `written`, and, but for names with capitals inside, in `small` letters; `first` is their order.

    `blocks` are those of prose that hold any, with their words as they are written.
    """

    def __init__(self, blocks: Sequence[Prose]) -> None:
        self.written: Counter[str] = Counter()
        self.blocks: list[tuple[Prose, Sequence[str]]] = []
        for prose in blocks:
            words = _WORD.findall(prose.text)
            if words:
                self.written.update(words)
                self.blocks.append((prose, words))
        self.small: Counter[str] = Counter()
        self._written_as: dict[str, list[str]] = {}
        for word, times in self.written.items():
            self._written_as.setdefault(word.lower(), []).append(word)
            if word[1:].islower() or word.isupper() or "-" in word:
                self.small[word.lower()] += times
        self.first = {word: at for at, word in enumerate(self.small)}

    def holding(self, words: Collection[str]) -> Iterator[Prose]:
        """The blocks that hold one of these words, given in small letters."""
        wanted = frozenset(one for word in words for one in self._written_as.get(word, ()))
        return (prose for prose, own in self.blocks if not wanted.isdisjoint(own)) if wanted else iter(())


def vocabulary(subject: Subject) -> Vocabulary:
    """The words of the subject, gathered once."""
    found: Vocabulary | None = subject.kept.get("vocabulary")
    if found is None:
        found = subject.kept["vocabulary"] = Vocabulary(subject.prose)
    return found
