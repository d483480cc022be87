"""Markdown (CommonMark with tables): the text is the source itself, and blocks are spans of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import BinaryIO

from markdown_it import MarkdownIt
from markdown_it.token import Token

from paperlane.formats import Tell
from paperlane.formats.encoding import decode
from paperlane.formats.lines import line_starts, trimmed
from paperlane.model.documents import Block, BlockKind, Link, Parsed, Upload

_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n.*?\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_HASHES = re.compile(r"[ \t]{0,3}#{1,6}(?:[ \t]+|$)")
_UNDERLINE = re.compile(r"[\r\n]+[ \t]{0,3}(?:=+|-+)[ \t]*(?:\r?\n|\r)*$")
_CLOSING_HASHES = re.compile(r"[ \t]+#+[ \t]*$")
_MARKER = re.compile(r"[ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)+")
_TICKS = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target><[^<>\n]*>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)[^()\n]*\)"
)
_ANCHOR = re.compile(r"""<[a-z][^<>]*\s(?:id|name)\s*=\s*["']([^"']+)["']|\{#([\w:.-]+)\}""", re.IGNORECASE)
_HTML_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]", re.UNICODE)

_PARSER = MarkdownIt("commonmark").enable("table")


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The decoded source, in blocks."""
    text, encoding, notices = decode(file.read())
    tell(0.1, "")
    front = _FRONT_MATTER.match(text)
    skipped = front.end() if front else 0
    # the parser wants its own line ends and no zero characters; lines stay where they are
    source = text[skipped:].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    tokens = _PARSER.parse(source)
    tell(0.7, "")
    walk = _Walk(text, [start for start in line_starts(text) if start >= skipped])
    walk.read(tokens)
    blocks = tuple(walk.blocks)
    return Parsed(
        upload.name, upload.media_type, text, blocks, tuple(_links(text, blocks)), tuple(_anchors(text, blocks)),
        notices=notices, encoding=encoding,
    )  # fmt: skip


@dataclass(slots=True)
class _Walk:
    """Goes over the parser's tokens and finds their places in the source."""

    text: str
    starts: list[int]
    blocks: list[Block] = field(default_factory=list)
    in_list: int = 0
    table: int = 0
    row: int = 0
    column: int = 0
    row_line: int = 0
    row_at: int = 0

    def read(self, tokens: list[Token]) -> None:
        """Collect the blocks of all tokens."""
        for number, token in enumerate(tokens):
            match token.type:
                case "fence" | "code_block":
                    self._code(token)
                case "html_block":
                    self._html(token)
                case "list_item_open":
                    self.in_list += 1
                case "list_item_close":
                    self.in_list -= 1
                case "table_open":
                    self.table, self.row = self.table + 1, 0
                case "tr_open":
                    self._row(token)
                case "inline":
                    self._inline(token, tokens[number - 1])
                case _:
                    pass

    def _span(self, token: Token) -> tuple[int, int]:
        first, last = token.map or (0, 0)
        end = self.starts[last] if last < len(self.starts) else len(self.text)
        return self.starts[min(first, len(self.starts) - 1)], end

    def _add(self, kind: BlockKind, start: int, end: int, **more: int) -> None:
        start, end = trimmed(self.text, start, end)
        if start < end:
            code = () if kind is BlockKind.CODE else tuple(inline_code(self.text, start, end))
            self.blocks.append(Block(kind, start, end, code=code, table=more.pop("table", 0), **more))

    def _code(self, token: Token) -> None:
        self._add(BlockKind.CODE, *self._span(token))

    def _html(self, token: Token) -> None:
        """Words between tags are prose; tags and comments are code to it."""
        start, end = self._span(token)
        start, end = trimmed(self.text, start, end)
        content = self.text[start:end]
        marks = list(merged(_html(content)))
        between = pairwise([0, *chain.from_iterable(marks), len(content)])
        if not any(content[a:b].strip() for a, b in islice(between, 0, None, 2)):
            self._add(BlockKind.CODE, start, end)
            return
        code = tuple((start + a, start + b) for a, b in marks)
        self.blocks.append(Block(BlockKind.PARAGRAPH, start, end, code=code))

    def _row(self, token: Token) -> None:
        self.row, self.column = self.row + 1, 0
        self.row_line = (token.map or (0, 0))[0]
        self.row_at = self.starts[min(self.row_line, len(self.starts) - 1)]

    def _inline(self, token: Token, opening: Token) -> None:
        match opening.type:
            case "heading_open":
                self._heading(token, int(opening.tag[1]))
            case "th_open" | "td_open":
                self._cell(token)
            case _:
                start, end = self._span(token)
                start += _marker_length(self.text, start, end, listed=self.in_list > 0)
                self._add(BlockKind.LIST_ITEM if self.in_list else BlockKind.PARAGRAPH, start, end)

    def _heading(self, token: Token, level: int) -> None:
        start, end = self._span(token)
        start += _marker_length(self.text, start, end, listed=self.in_list > 0)
        if (hashes := _HASHES.match(self.text, start, end)) is not None:
            start = hashes.end()
            if (closing := _CLOSING_HASHES.search(self.text[start:end].rstrip())) is not None:
                end = start + closing.start()
        elif (underline := _UNDERLINE.search(self.text, start, end)) is not None:
            end = underline.start()
        self._add(BlockKind.HEADING, start, end, level=level)

    def _cell(self, token: Token) -> None:
        """Cells come in their order, so each is looked for behind the one before it."""
        self.column += 1
        end = self.text.find("\n", self.row_at)
        end = len(self.text) if end < 0 else end
        content = token.content.replace("|", "\\|") if "\\|" in self.text[self.row_at : end] else token.content
        at = self.text.find(content, self.row_at, end) if content else -1
        if at >= 0:
            place = {"table": self.table, "row": self.row, "column": self.column}
            self._add(BlockKind.TABLE_CELL, at, at + len(content), **place)
            self.row_at = at + len(content)


def _marker_length(text: str, start: int, end: int, *, listed: bool) -> int:
    """Bullets and quote marks in front of a block are not its text."""
    found = (_MARKER.match(text, start, end) if listed else None) or _QUOTE.match(text, start, end)
    return found.end() - start if found else 0


def inline_code(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans that prose checks pass by: code between ticks, link targets, addresses, tags."""
    content = text[start:end]
    spans = [(start + found.start(), start + found.end()) for found in _TICKS.finditer(content)]
    spans += [(start + found.start("target"), start + found.end("target")) for found in _LINK.finditer(content)]
    spans += [(start + a, start + b) for a, b in _html(content)]
    yield from merged(spans)


def _html(content: str) -> Iterator[tuple[int, int]]:
    """Comments and tags. Searched for by hand: a pattern would look for each unclosed comment's end to the very end."""
    at = content.find("<!--")
    while at >= 0 and (end := content.find("-->", at + 4)) >= 0:
        yield at, end + 3
        at = content.find("<!--", end + 3)
    for tag in _HTML_TAG.finditer(content):
        yield tag.span()


def merged(spans: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same places as spans in order that do not overlap."""
    last: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
        else:
            if last is not None:
                yield last
            last = (start, end)
    if last is not None:
        yield last


def _links(text: str, blocks: tuple[Block, ...]) -> Iterator[Link]:
    for block in blocks:
        if block.kind is BlockKind.CODE:
            continue
        ticks = [
            (block.start + t.start(), block.start + t.end()) for t in _TICKS.finditer(text[block.start : block.end])
        ]
        for found in _LINK.finditer(text, block.start, block.end):
            if not any(start <= found.start() < end for start, end in ticks):
                yield Link(found["target"].strip("<>"), found.start(), found.end(), bool(found["image"]))


def _anchors(text: str, blocks: tuple[Block, ...]) -> Iterator[str]:
    """Names that a link inside the document may point to: of headings as GitHub makes them, and explicit ones."""
    seen: dict[str, int] = {}
    for block in blocks:
        if block.kind is BlockKind.HEADING:
            slug = slug_of(text[block.start : block.end])
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            yield slug if count == 0 else f"{slug}-{count}"
    for found in _ANCHOR.finditer(text):
        yield found[1] or found[2]


def slug_of(title: str) -> str:
    """GitHub's name of a heading: lower case, no punctuation, spaces become hyphens."""
    plain = _LINK.sub(lambda found: found["text"], title)
    plain = _HTML_TAG.sub("", plain)
    return _NOT_IN_SLUG.sub("", plain.strip().lower()).replace(" ", "-")
