"""Text in the making: blocks, one a line, with the links, code and remarks that stand in them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from paperlane.formats.guard import too_complex
from paperlane.model.documents import Block, BlockKind, Link, Remark

_MOST_CHARACTERS = 64 << 20  # a hostile file may show one part a million times
_REMARK = re.compile(r"\s*paperlane:\s*(?P<words>.*\S)", re.IGNORECASE | re.DOTALL)
_CODE_STYLE = re.compile(
    r"(?:source ?)?code(?: ?block| ?char| ?text| ?snippet)?|source(?: ?text)?|"
    r"html (?:code|preformatted|keyboard|sample|typewriter)(?: char)?|"
    r"preformatted(?: text)?|verbatim(?: char)?|teletype|listing|代码|程式碼|源代码",
    re.IGNORECASE,
)
_MONOSPACED = re.compile(
    r"(?:Courier|Consolas|Menlo|Monaco|Lucida Console|Andale Mono|Source Code Pro|Cascadia (?:Code|Mono)|"
    r"Fira (?:Code|Mono)|JetBrains Mono|Inconsolata|.* Mono\b).*"
)


def remark_in(words: str) -> str:
    """What a comment in a file says to Paperlane, "" where it speaks to somebody else."""
    found = _REMARK.match(words)
    return found["words"] if found is not None else ""


def may_hold_remarks(content: bytes) -> bool:
    """Can a part hold a comment to Paperlane? Most hold none, and need not be parsed."""
    return b"aperlane" in content or b"\x00" in content


def is_code_style(name: str) -> bool:
    """Does a style of this name mark code?"""
    return _CODE_STYLE.fullmatch(name.strip()) is not None


def is_monospaced(font: str) -> bool:
    """Is it a font of typewriters, which code is set in?"""
    return _MONOSPACED.fullmatch(font) is not None


@dataclass(slots=True)
class Line:
    """The words of a block under way. Places count its characters.

    `code` are spans that a style says to be code, `typed` those that only a font makes look so.
    """

    parts: list[str] = field(default_factory=list)
    width: int = 0
    code: list[tuple[int, int]] = field(default_factory=list)
    typed: list[tuple[int, int]] = field(default_factory=list)
    links: list[tuple[str, int, int]] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)

    def say(self, words: str) -> None:
        """More words."""
        self.parts.append(words)
        self.width += len(words)


@dataclass(slots=True)
class Gathering:
    """What is read so far."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    blocks: list[Block] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    _typed: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    _homeless: list[str] = field(default_factory=list)  # links that show nothing, up to the next words
    _adrift: list[str] = field(default_factory=list)  # and such remarks

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.parts)

    def add(
        self, line: Line, kind: BlockKind, *, level: int = 0, page: int = 0, place: tuple[int, int, int] = (0, 0, 0),
        number: str = "",
    ) -> None:  # fmt: skip
        """A line becomes a block of this kind, one without words none; `place` is its table, row and column."""
        content = "".join(line.parts)
        words = content.strip()
        if not words:
            self._homeless += [target for target, _, _ in line.links]
            self._adrift += [remark for _, remark in line.remarks]
            return
        begin = self.length
        start = begin + len(content) - len(content.lstrip())
        end = start + len(words)
        self.parts += (content, "\n")
        self.length += len(content) + 1
        if self.length > _MOST_CHARACTERS:
            raise too_complex("The file holds far too much text.")
        code = tuple(_inside(line.code, begin, start, end)) if line.code and kind is not BlockKind.CODE else ()
        if line.typed:
            self._typed[len(self.blocks)] = list(_inside(line.typed, begin, start, end))
        self.blocks.append(Block(kind, start, end, level, page, code, *place, number))
        if line.links or self._homeless:
            self._link(line, begin, start, end)
        if line.remarks or self._adrift:
            places = [(start, words) for words in self._adrift] + [(begin + at, words) for at, words in line.remarks]
            self.remarks += [Remark(min(max(at, start), end), words) for at, words in places]
            self._adrift.clear()

    def _link(self, line: Line, begin: int, start: int, end: int) -> None:
        """Each link shows something: what shows no word stands for its whole block."""
        self.links += [Link(target, start, end) for target in self._homeless]
        self._homeless.clear()
        for target, first, last in line.links:
            span = next(_inside([(first, last)], begin, start, end), (start, end))
            self.links.append(Link(target, *span))

    def settle(self) -> None:
        """All is read. What a font makes look like code is code, unless most of the text looks so."""
        typed = sum(end - start for spans in self._typed.values() for start, end in spans)
        if 2 * typed <= self.length:
            for at, spans in self._typed.items():
                self.blocks[at] = _coded(self.blocks[at], spans)
        if self.blocks and self._homeless:
            last = self.blocks[-1]
            self.links += [Link(target, last.start, last.end) for target in self._homeless]
        self.remarks += [Remark(self.length, words) for words in self._adrift]


def _inside(spans: Iterable[tuple[int, int]], begin: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of a line that begins at `begin`, as spans of the text, cut to its words."""
    cut = ((max(begin + first, start), min(begin + last, end)) for first, last in spans)
    return ((first, last) for first, last in cut if first < last)


def _coded(block: Block, spans: list[tuple[int, int]]) -> Block:
    """A paragraph that is wholly set in a typewriter's font is code; else it holds some."""
    whole = sum(last - first for first, last in spans) == block.end - block.start
    if whole and block.kind is BlockKind.PARAGRAPH:
        return replace(block, kind=BlockKind.CODE)
    return replace(block, code=tuple(sorted({*block.code, *spans})))
