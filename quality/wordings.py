"""The wordings of seeded defects: one a line in `wordings/LANGUAGE/KIND.txt`, the faulty words between ⟦ and ⟧.

Written as authors of requirements phrase them, apart from the examples and lists of the checks. Half of them, by a hash
of their text, are held out: checks may be tuned on half A alone, so of half B no wording that was missed is ever shown.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from paperlane.model.documents import Language

FOLDER = Path(__file__).parent / "wordings"
KINDS: Sequence[str] = tuple(sorted(path.stem for path in (FOLDER / "en").iterdir()))
_MARK = re.compile("[⟦⟧]")


class Half(StrEnum):
    """Which half a wording belongs to: A for tuning, B held out."""

    A = "A"
    B = "B"


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to make a mistake: pieces of text, in which ⟦ and ⟧ mark the faulty words."""

    kind: str
    language: Language
    pieces: Sequence[str]

    @property
    def half(self) -> Half:
        """Decided by the text alone, so that a further wording moves no other one."""
        return Half.B if hashlib.sha256(" ¦ ".join(self.pieces).encode()).digest()[0] & 1 else Half.A


@cache
def wordings(kind: str, language: Language) -> Sequence[Wording]:
    """All wordings of a kind, in the order of their file."""
    lines = (FOLDER / language.value / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(Wording(kind, language, tuple(line.split(" ¦ "))) for line in lines if line)


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the spans that were marked."""
    spans: list[tuple[int, int]] = []
    begun = 0
    for number, found in enumerate(_MARK.finditer(text)):
        if found[0] == "⟦":
            begun = found.start() - number
        else:
            spans.append((begun, found.start() - number))
    return _MARK.sub("", text), spans
