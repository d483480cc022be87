"""Puts one wording of each kind into a carrier, at places that a seed decides."""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from paperlane.model.documents import BlockKind, Language
from quality.carriers import Mark, Piece, borrowed, own
from quality.wordings import KINDS, Half, Wording, unmarked, wordings
from quality.writing import LINK

SEED = 20_261_129
_FILLERS = {
    Language.EN: (
        "The technician reads the counter on the rear panel.", "The supplier delivers the drawings in two copies.",
        "The owner keeps the key in the office.", "The foreman signs the sheet at the end of the shift.",
        "The label shows the year and the batch.", "The clerk files the form in the blue folder.",
    ),
    Language.ZH: (
        "技师读取后面板上的计数器。", "供方交付两套图纸。", "业主将钥匙保管在办公室。",
        "班长在下班时签字。", "标签印有年份和批次。", "办事员将表单放入蓝色文件夹。",
    ),
}  # fmt: skip
_STATEMENT = frozenset({
    "several-obligations", "passive-without-actor", "contradicting-value", "unbalanced-bracket", "missing-unit",
})  # fmt: skip
"""Kinds of which a check may as well quote the whole sentence."""
_COPIED = "duplicated-section"
_APPENDED = 0.4  # the share of single sentences that are put behind another one
_WORTHY = 200  # characters of a section that is worth a copy


@dataclass(frozen=True, slots=True)
class Defect:
    """A wording that stands in a document."""

    wording: Wording

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.wording.kind


@dataclass(frozen=True, slots=True)
class Region:
    """Pieces `first` to `last`, both included, which show a defect as a whole."""

    defect: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Seeded:
    """A document with defects whose places are known: the marks of its pieces, and regions."""

    name: str
    language: Language
    half: Half
    pieces: Sequence[Piece]
    regions: Sequence[Region]
    defects: Sequence[Defect]
    is_own: bool


def seeded(half: Half, language: Language, corpus: Path, kinds: Sequence[str] = KINDS) -> Iterator[Seeded]:
    """Documents that together hold each wording of this half once, the same ones each time."""
    chosen = {kind: [wording for wording in wordings(kind, language) if wording.half is half] for kind in kinds}
    ours = own(language)
    every = [pieces for pair in _zipped(ours, borrowed(language, corpus)) for pieces in pair]
    count = max(map(len, chosen.values()), default=0)
    for number, carrier in enumerate(islice(cycle(every), count)):
        chance = random.Random(f"{SEED}/{half}/{language}/{number}")
        defects = [Defect(found[number]) for found in chosen.values() if number < len(found)]
        name = f"{language.value}-{half.value}-{number:02}"
        yield _Draft(carrier, language, chance).filled(name, half, defects, is_own=carrier in ours)


def _zipped(ours: Sequence[Sequence[Piece]], others: Sequence[Sequence[Piece]]) -> Iterator[Sequence[Sequence[Piece]]]:
    """Two of ours, then one of the others, as long as there are some."""
    foreign = cycle(others) if others else None
    for at in range(0, 2 * len(ours), 2):
        pair = [ours[at % len(ours)], ours[(at + 1) % len(ours)]]
        yield [*pair, next(foreign)] if foreign else pair


class _Draft:
    """A carrier on its way to a seeded document; pieces are kept by where they go, so that no place moves."""

    def __init__(self, carrier: Sequence[Piece], language: Language, chance: random.Random) -> None:
        self._carrier = list(carrier)
        self._language, self._chance = language, chance
        self._after: dict[int, list[Piece]] = {}
        self._end: list[Piece] = []
        self._copied: list[tuple[int, int, int, int]] = []
        tops = [at for at, piece in enumerate(carrier) if piece.kind is BlockKind.HEADING and piece.level == 2]
        self._number = len(tops)
        self._sections = [range(at, until) for at, until in zip(tops, [*tops[1:], len(carrier)], strict=True)]
        places = [[at for at in section if carrier[at].kind is BlockKind.PARAGRAPH] for section in self._sections]
        for one in places:
            chance.shuffle(one)
        self._places = [deque(one) for one in places if one]
        self._turn = 0

    def filled(self, name: str, half: Half, defects: Sequence[Defect], *, is_own: bool) -> Seeded:
        """The document with all of these defects."""
        for number, defect in sorted(enumerate(defects), key=lambda one: one[1].kind != _COPIED):
            kind, pieces = defect.kind, defect.wording.pieces
            if kind in {"heading-skipped", "empty-section"} or (kind == "numbering" and pieces[0].startswith("#")):
                self._append(number, kind, pieces)
            elif kind == _COPIED:
                self._copy(number, *pieces)
            elif kind == "numbering":
                self._insert(number, kind, pieces)
            else:
                for piece in pieces:
                    self._insert(number, kind, [piece])
        pieces: list[Piece] = []
        starts: list[int] = []
        for at, piece in enumerate(self._carrier):
            starts.append(len(pieces))
            pieces += [piece, *self._after.get(at, [])]
        ends = len(pieces)
        regions: list[Region] = []
        for number, first, last, copy in self._copied:
            regions += [
                Region(number, starts[first], starts[last]),
                Region(number, ends + copy, ends + copy + last - first),
            ]
        return Seeded(name, self._language, half, [*pieces, *self._end], regions, defects, is_own)

    def _place(self) -> int:
        """A paragraph, each time in another section; a used one again only when all are used."""
        self._turn = (self._turn + 1) % len(self._places)
        section = self._places[self._turn]
        section.rotate(1)
        return section[0]

    def _insert(self, number: int, kind: str, texts: Sequence[str]) -> None:
        """Paragraphs behind one of the carrier's; a single sentence now and then as the paragraph's last one."""
        at = self._place()
        made = [_marked(number, kind, text) for text in texts]
        before = self._carrier[at]
        alone = len(made) == 1 and kind not in {"duplicate-id", "broken-link"} and before.text.endswith((".", "。"))
        if alone and not before.marks and self._chance.random() < _APPENDED:
            gap = " " if self._language is Language.EN else ""
            moved = [mark.moved(len(before.text) + len(gap)) for mark in made[0].marks]
            self._carrier[at] = replace(before, text=f"{before.text}{gap}{made[0].text}", marks=moved)
        else:
            self._after.setdefault(at, []).extend(made)

    def _append(self, number: int, kind: str, texts: Sequence[str]) -> None:
        """A chapter of its own at the end."""
        self._number += 1
        n = str(self._number)
        if kind == "heading-skipped":
            parent, title = texts
            texts = [f"# {n} {parent}", self._filler(), f"### ⟦{title}⟧", self._filler()]
        elif kind == "empty-section":
            empty, title = texts
            texts = [f"# {n} {self._filler().rstrip('.。')}", f"## {n}.1 {empty}", f"## {n}.2 {title}", self._filler()]
        for text in texts:
            sharps, _, rest = text.partition(" ")
            if set(sharps) == {"#"}:
                made = _marked(number, kind, rest.replace("{n}", n))
                whole = {(mark.defect, 0, len(made.text)) for mark in made.marks}  # a heading may be quoted as a whole
                marks = (*made.marks, *(Mark(*one) for one in whole))
                self._end.append(replace(made, kind=BlockKind.HEADING, level=len(sharps) + 1, marks=marks))
            else:
                self._end.append(_marked(number, kind, text))

    def _copy(self, number: int, mode: str, title: str) -> None:
        """A section once more: under another title, with a sentence more, or as it is. Nothing else is put into it."""
        able = [section for section in self._sections if sum(len(self._carrier[at].text) for at in section) > _WORTHY]
        section = self._chance.choice(able)
        self._places = [one for one in self._places if one[0] not in section]
        self._turn = self._chance.randrange(len(self._places))
        copied = [self._carrier[at] for at in section]
        if mode != "same":
            self._number += 1
            copied[0] = replace(copied[0], text=f"{self._number} {title}")
        if mode == "edited":
            at = self._chance.choice([at for at, piece in enumerate(copied) if piece.kind is BlockKind.PARAGRAPH])
            copied[at] = replace(copied[at], text=f"{copied[at].text} {self._filler()}")
        self._copied.append((number, section[0], section[-1], len(self._end)))
        for at, piece in zip(section, copied, strict=True):
            old = self._carrier[at]
            self._carrier[at] = replace(old, marks=(Mark(number, 0, len(old.text)),))
            self._end.append(replace(piece, marks=(Mark(number, 0, len(piece.text)),)))

    def _filler(self) -> str:
        return self._chance.choice(_FILLERS[self._language])


def _marked(number: int, kind: str, text: str) -> Piece:
    """A paragraph with its marks: the faulty words, all of them together, and the sentence where that will do."""
    plain, spans = unmarked(text)
    extents = set(spans)
    if len(spans) > 1:
        extents.add((spans[0][0], spans[-1][1]))
    if kind == "broken-link":
        extents |= {found.span() for found in LINK.finditer(plain)} | {found.span(3) for found in LINK.finditer(plain)}
        extents = {(start, end) for start, end in extents if start < end}  # some targets are empty
    if spans and kind in _STATEMENT:
        extents.add((0, len(plain)))
    return Piece(BlockKind.PARAGRAPH, plain, marks=tuple(_marks(number, sorted(extents))))


def _marks(number: int, extents: Iterable[tuple[int, int]]) -> Iterator[Mark]:
    for start, end in extents:
        yield Mark(number, start, end)
