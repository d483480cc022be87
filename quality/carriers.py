"""Well-formed documents that defects are put into: our own ones, and sentences of the corpus's documents."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from paperlane.model.documents import BlockKind, Language
from quality.reading import read

FOLDER = Path(__file__).parent / "carriers"
_HEADING = re.compile(r"(#+) (.*)")
_ITEM = re.compile(r"\d+\. ")
_PLAIN = re.compile(r"[^*_<>\[\]`|#\\{}^~$\n]+")  # what is written alike in every format
_SOURCES = {
    Language.EN: ("cfe_requirements.docx", "eudi_hlr_by_topic.md", "openchain_lfc194_course.docx"),
    Language.ZH: ("openchain_telco_sbom_zh.md", "paddle_phi_design_zh.md", "openchain_policy_template_zh_hant.docx"),
}
_SECTIONS, _PARAGRAPHS = 12, 4
_LONG = {Language.EN: range(60, 601), Language.ZH: range(25, 401)}  # characters of a paragraph that is taken


@dataclass(frozen=True, slots=True)
class Mark:
    """The words `text[start:end]` of a piece, by which the defect with this number can be found."""

    defect: int
    start: int
    end: int

    def moved(self, by: int) -> "Mark":
        """The same words, further behind."""
        return replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class Piece:
    """A block of a document that is to be written: a heading with its level, a paragraph, or the rows of a table."""

    kind: BlockKind
    text: str
    level: int = 0
    marks: Sequence[Mark] = field(default=())


def pieces_of(markdown: str) -> list[Piece]:
    """The blocks of our own plain Markdown."""
    return list(_pieces(markdown))


def _pieces(markdown: str) -> Iterator[Piece]:
    for block in markdown.strip().split("\n\n"):
        if found := _HEADING.fullmatch(block):
            yield Piece(BlockKind.HEADING, found[2], len(found[1]))
        elif block.startswith("|"):
            yield Piece(BlockKind.TABLE_CELL, block)
        elif _ITEM.match(block):
            yield from (Piece(BlockKind.LIST_ITEM, line) for line in block.split("\n"))
        else:
            yield Piece(BlockKind.PARAGRAPH, block)


@cache
def own(language: Language) -> Sequence[Sequence[Piece]]:
    """Our own carriers, which hold no defect."""
    paths = sorted(FOLDER.glob(f"{language.value}-*.md"))
    return [pieces_of(path.read_text(encoding="utf-8")) for path in paths]


@cache
def borrowed(language: Language, corpus: Path) -> Sequence[Sequence[Piece]]:
    """Plain paragraphs of the corpus's documents, in sections of their own; nothing without the corpus."""
    paths = [corpus / "documents" / name for name in _SOURCES[language]]
    return [pieces for path in paths if path.exists() and (pieces := _borrow(path, language))]


def _borrow(path: Path, language: Language) -> list[Piece]:
    parsed = read(path.name, path.read_bytes()).parsed
    texts = [parsed.text[block.start : block.end] for block in parsed.blocks if block.kind is BlockKind.PARAGRAPH]
    plain = [text for text in texts if _PLAIN.fullmatch(text) and len(text) in _LONG[language]]
    chosen = random.Random(path.name).sample(plain, min(len(plain), _SECTIONS * _PARAGRAPHS))
    chosen.sort(key=plain.index)
    pieces = [Piece(BlockKind.HEADING, path.stem, 1)]
    for number, at in enumerate(range(0, len(chosen), _PARAGRAPHS), start=1):
        pieces.append(Piece(BlockKind.HEADING, f"{number} {path.stem} {number}", 2))
        pieces += [Piece(BlockKind.PARAGRAPH, text) for text in chosen[at : at + _PARAGRAPHS]]
    return pieces
