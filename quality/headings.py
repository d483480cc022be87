"""How well headings are found: against the labelled trees of the corpus, with the outline of PDFs hidden."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path

import pypdfium2

from paperlane.formats import read, recognise
from paperlane.formats.pdf import EVERY_SOURCE, pages_of, structured
from paperlane.formats.pdf.numbering import mark_of
from paperlane.formats.pdf.page import Source
from paperlane.model.documents import Block, BlockKind, Upload

_GOLD = "labelled/headings_gold.jsonl"
_SIGNATURE = re.compile(r"([\w:.'$-]+)\((.*)", re.DOTALL)
_OPEN, _CLOSED = "([{<", ")]}>"


class Shown(StrEnum):
    """What the reader was shown of a file's own structure."""

    TAGS = "tags, no outline"
    LOOKS = "no tags, no outline"
    ALL = "the whole file"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its title as it is written, its level from 1, its page from 1 or 0 where there are none."""

    title: str
    level: int
    page: int


@dataclass(frozen=True, slots=True)
class Score:
    """F1 (0..1) of one file's headings by what must agree.

    `shifted` is as `whole`, with one number added to all levels of the file: some outlines count the document's title
    as the first level and others do not.
    """

    file: str
    shown: Shown
    wanted: int
    found: int
    title: float
    title_and_page: float
    title_and_level: float
    whole: float
    shifted: float


def score(corpus: Path, *, without: Sequence[str] = ()) -> Sequence[Score]:
    """Each labelled file but those `without`; PDFs by their tags, where they have some, and again by their looks."""
    return [one for name, gold in _gold(corpus).items() if name not in without for one in _scores(corpus, name, gold)]


def _scores(corpus: Path, name: str, gold: Sequence[Heading]) -> Iterator[Score]:
    content = (corpus / "documents" / name).read_bytes()
    if not name.endswith(".pdf"):
        yield _score(name, Shown.ALL, gold, list(_read(name, content)))
        return
    for shown, sources in ((Shown.TAGS, EVERY_SOURCE), (Shown.LOOKS, Source.LOOKS)):
        if shown is Shown.LOOKS or _is_tagged(content):
            yield _score(name, shown, gold, list(_without_outline(content, sources)))


def _gold(corpus: Path) -> Mapping[str, Sequence[Heading]]:
    gold: defaultdict[str, list[Heading]] = defaultdict(list)
    for line in (corpus / _GOLD).read_text().splitlines():
        row = json.loads(line)
        heading = Heading(row["title"], row["level"], row["page"] or 0)
        if heading not in gold[Path(row["file"]).name][-1:]:  # some outlines list the same heading twice
            gold[Path(row["file"]).name].append(heading)
    return gold


def _read(name: str, content: bytes) -> Iterator[Heading]:
    upload = Upload(name, recognise(name, content[:4096]).media_type, len(content), "0" * 64, "blob")
    parsed = read(upload, BytesIO(content), lambda _share, _message: None)
    return _headings(parsed.text, parsed.blocks)


def _without_outline(content: bytes, sources: Source) -> Iterator[Heading]:
    document = pypdfium2.PdfDocument(content)
    try:
        pages = list(pages_of(document, lambda _share, _message: None, sources))
    finally:
        document.close()
    return _headings("\f".join(page.text for page in pages), list(structured(pages, ())))


def _is_tagged(content: bytes) -> bool:
    document = pypdfium2.PdfDocument(content)
    try:
        return document.is_tagged()
    finally:
        document.close()


def _headings(text: str, blocks: Sequence[Block]) -> Iterator[Heading]:
    for block in blocks:
        if block.kind is BlockKind.HEADING:
            yield Heading(text[block.start : block.end], block.level, block.page)


def _score(name: str, shown: Shown, gold: Sequence[Heading], found: Sequence[Heading]) -> Score:
    def agreeing(*, page: bool, level: bool, shift: int = 0) -> float:
        wanted = [_key(one, page=page, level=level) for one in gold]
        return _f1(wanted, [_key(one, page=page, level=level, shift=shift) for one in found])

    return Score(
        name, shown, len(gold), len(found),
        title=agreeing(page=False, level=False),
        title_and_page=agreeing(page=True, level=False),
        title_and_level=agreeing(page=False, level=True),
        whole=agreeing(page=True, level=True),
        shifted=max(agreeing(page=True, level=True, shift=shift) for shift in (-1, 0, 1)),
    )  # fmt: skip


def _key(heading: Heading, *, page: bool, level: bool, shift: int = 0) -> tuple[str, int, int]:
    return folded(heading.title), heading.page if page else 0, heading.level + shift if level else 0


def _f1(gold: Sequence[tuple[str, int, int]], found: Sequence[tuple[str, int, int]]) -> float:
    """Counted as often as they come."""
    both = (Counter(gold) & Counter(found)).total()
    return 2 * both / max(1, len(gold) + len(found))


def folded(title: str) -> str:
    """A title without its number, white space and capitals; a function's signature as its name and arguments' number.

    Outlines leave numbers out that the page prints, and list `name/2` where the page prints `name(First, Second)`.
    """
    said = title.strip()
    if (function := _SIGNATURE.match(said)) is not None:
        said = f"{function[1]}/{_arguments(function[2])}"
    elif (mark := mark_of(said)) is not None and said[mark.end :].strip():
        said = said[mark.end :]
    return "".join(said.split()).casefold()


def _arguments(rest: str) -> int:
    """How many stand before the bracket that closes a signature."""
    depth, commas, any_ = 0, 0, False
    for at, letter in enumerate(rest):
        if letter == ")" and depth == 0:
            break
        any_ = True
        arrow = letter == ">" and at and rest[at - 1] in "-="
        depth += (letter in _OPEN) - (letter in _CLOSED and not arrow)
        commas += letter == "," and depth == 0
    return commas + any_
