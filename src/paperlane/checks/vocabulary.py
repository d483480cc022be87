"""The English words of a document, and how often each stands there."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import chain, pairwise
from string import ascii_letters

from paperlane.checks import Subject
from paperlane.checks.subject import Prose, Reading

# reading words from bytes is many times faster than by a pattern; a sign outside of ASCII becomes a question mark
_APART = bytes(sign if chr(sign) in f"{ascii_letters}-" else ord(" ") for sign in range(256))


class Vocabulary:
    """Words as they are `written`, and, but for names with capitals inside, in `small` letters; `first` is their order.

    A hyphen between letters joins them. `blocks` are those of prose that hold any, with their words as they are
    written.
    """

    def __init__(self, prose: Reading) -> None:
        text = _words_apart(prose.text)
        self._prose = prose
        self._words = [text[start:end].split() for start, end in pairwise(prose.begins)]
        self.written = Counter(chain.from_iterable(self._words))
        self.forms: defaultdict[str, list[str]] = defaultdict(list)
        small: dict[str, int] = {}
        for word, times in self.written.items():
            low = word.lower()
            self.forms[low].append(word)
            if word[1:].islower() or word.isupper() or "-" in word:
                small[low] = small.get(low, 0) + times
        self.small = Counter(small)
        self._times = Counter[str]()
        for word, times in self.written.items():
            self._times[word.lower()] += times
        self.first = {word: at for at, word in enumerate(self.small)}

    @property
    def blocks(self) -> Iterator[tuple[Prose, Sequence[str]]]:
        """The blocks that hold any, with their words as they are written."""
        return ((prose, words) for prose, words in zip(self._prose.prose, self._words, strict=True) if words)

    @cached_property
    def _places(self) -> Mapping[str, Sequence[int]]:
        """The numbers of the blocks in which each word stands, as often as it does."""
        places: defaultdict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for word in words:
                places[word].append(number)
        return places

    @cached_property
    def _joined(self) -> Mapping[str, Sequence[str]]:
        """The words with hyphens, by their parts; all in small letters."""
        joined: defaultdict[str, list[str]] = defaultdict(list)
        for word in self.forms:
            for part in word.split("-") if "-" in word else ():
                joined[part].append(word)
        return joined

    def holding(self, *groups: Collection[str]) -> AbstractSet[int]:
        """The numbers of the blocks that hold a word of each of these groups, given in small letters."""
        first, *others = ({*chain.from_iterable(map(self._at, words))} for words in groups)
        return first.intersection(*others)

    def naming(self, *words: str) -> AbstractSet[int]:
        """The numbers of the blocks that hold one of these words, alone or as a part of one with a hyphen."""
        joined = chain.from_iterable(self._joined.get(word, ()) for word in words)
        return self.holding([*words, *joined])

    def beside(self, pairs: Iterable[tuple[str, str]]) -> Iterator[Sequence[str]]:
        """The words of each block in which two of a pair, given in small letters, may stand side by side."""
        return (self._words[number] for number in sorted(self.holding({*map(self._rarest, pairs)})))

    def saying(self, phrases: Iterable[str]) -> Sequence[Prose]:
        """The blocks in which one of these phrases may stand, whatever its case."""
        said = (_words_apart(phrase.lower()).split() for phrase in phrases)
        return self.prose({self._rarest(words) for words in said if words})

    def _rarest(self, words: Collection[str]) -> str:
        """Of words that stand together, the one in the fewest blocks: all others are not looked at."""
        return min(words, key=self._times.__getitem__)

    def prose(self, *groups: Collection[str]) -> Sequence[Prose]:
        """The blocks that hold a word of each of these groups, given in small letters."""
        return self._prose.at(self.holding(*groups))

    def alike(self, asked: Callable[[str], bool]) -> Collection[str]:
        """The words of which this is true, in small letters."""
        return [*filter(asked, self.forms)]

    def _at(self, word: str) -> Iterator[int]:
        return chain.from_iterable(self._places[written] for written in self.forms.get(word, ()))


def _words_apart(text: str) -> str:
    """As long as it was, with blanks for all but letters and the hyphens between two of them."""
    letters = text.encode("ascii", "replace").translate(_APART)
    return letters.replace(b"--", b"  ").replace(b" -", b"  ").replace(b"- ", b"  ").decode("ascii")


def vocabulary(subject: Subject) -> Vocabulary:
    """The words of the whole document, gathered once."""
    whole = subject.of or subject
    found: Vocabulary | None = whole.kept.get("vocabulary")
    if found is None:
        found = whole.kept["vocabulary"] = Vocabulary(whole.reading)
    return found
