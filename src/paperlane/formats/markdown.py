"""Markdown (CommonMark with tables): the text is the source itself, and blocks are spans of it."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from operator import attrgetter
from typing import Any, BinaryIO

from markdown_it import MarkdownIt
from markdown_it.parser_block import ParserBlock
from markdown_it.rules_block import StateBlock, table
from markdown_it.token import Token

from paperlane.errors import DocumentError
from paperlane.formats import Tell
from paperlane.formats.encoding import decode
from paperlane.formats.lines import line_starts, trimmed
from paperlane.formats.remarks import remarks_of
from paperlane.formats.spans import merged
from paperlane.model.documents import Block, BlockKind, Link, Parsed, Upload

_FENCE = re.compile(r"---[ \t]*[\r\n]")
_FENCE_END = re.compile(r"(?:---|\.\.\.)\s*")
_KEY = re.compile(r"""(?:[\w.-]+(?: [\w.-]+){0,3}|"[^"\r\n]+"|'[^'\r\n]+'):(?:\s|$)""")
_MORE_YAML = re.compile(r"\s|#|-\s|[\]}]")  # blank or indented lines, comments, items, the end of a list over lines
_HASHES = re.compile(r"#{1,6}(?:[ \t]+|$)")
_UNDERLINE = re.compile(r"[\r\n]+[ \t>]*(?:=+|-+)[ \t]*[\r\n]*$")
_BOX = re.compile(r"\[[ xX]\][ \t]+")
_CODE = re.compile(r"[`\[<]")  # what inline code, a link's target or a tag begins with
_TICKS = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
# possessive, or each opening bracket would try all ways to split what stands behind it
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*+\])*+)\]\(\s*+"
    r"(?P<target><[^<>\n]*+>|[^\s()]*+(?:\([^\s()]*+\)[^\s()]*+)*+)"
    r"(?:[^()\n]*+|\s*+(?:\"[^\"]*+\"|'[^']*+')\s*+)\)"
)
_NAME = re.compile(
    r"""\s(?P<by>id|name)\s*+=\s*+(?:"(?P<double>[^"]+)"|'(?P<single>[^']+)'|(?P<bare>[^\s"'=<>`/]+))""", re.IGNORECASE
)
_NAMED = re.compile(r"\{#([\w:.-]+)\}")
_HTML_TAG = re.compile(r"<(?P<closes>/?)(?P<name>[a-zA-Z][a-zA-Z\d]*+)[^<>]*+>")
_CODE_TAGS = frozenset({"code", "pre", "kbd", "samp", "script", "style"})
_LABEL = re.compile(r"\[(?:[^\[\]\\]|\\.)*+\]:\s*+", re.DOTALL)
_NOTE = re.compile(r"^[ \t>]*(?P<label>\[\^[^\[\]\s]+\]:)", re.MULTILINE)
_TARGET = re.compile(r"<(?P<bracketed>[^<>\r\n]*)>|(?P<bare>\S+)")
_ADDRESS = re.compile(
    r"[a-z][a-z\d+.-]+:\S|[/#?.]|[!-~]*/|[^#?]*\.[a-z][a-z\d]{1,4}(?:[#?]|$)", re.IGNORECASE
)  # a scheme, a path, a name with a suffix
_RUN = re.compile(r"[ \t]{2}")
_PIPE = re.compile(r"(?<!\\)\|")
_DEEPEST = 100


class _Blocks(ParserBlock):
    """The parser's blocks, which tell where they begin, and refuse what would be left out for its depth."""

    def tokenize(self, state: StateBlock, startLine: int, endLine: int) -> None:  # noqa: N803  the parser's names
        """Tokens of these lines; `meta["at"]` is where, in the source, a token's text begins, behind all markers."""
        line = state.skipEmptyLines(startLine)
        if line < endLine and state.level >= _DEEPEST and state.sCount[line] >= state.blkIndent:
            raise DocumentError(
                "Lists and quotes are nested too deeply.",
                code="too_complex",
                hint=f"Nest them less than {_DEEPEST // 2} deep.",
            )
        before = len(state.tokens)
        super().tokenize(state, startLine, endLine)
        for token in islice(state.tokens, before, None):
            if token.map is not None:  # what is inside has its place already, and keeps it
                token.meta.setdefault("at", state.bMarks[token.map[0]] + state.tShift[token.map[0]])


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001  as the parser calls it
    """The parser's own rule for a table's first two lines; each row below is one token that tells its line.

    The parser would make three tokens of each cell, letter by letter, and cells are found in the source itself.
    """
    if not table(state, start, min(end, start + 2), silent):
        return False
    if silent:
        return True
    ending = state.md.block.ruler.getRules("blockquote")
    before, state.parentType = state.parentType, "table"
    line = state.line
    while line < end and state.sCount[line] >= state.blkIndent and not state.is_code_block(line):
        written = state.src[state.bMarks[line] : state.eMarks[line]].strip()
        if not written or any(rule(state, line, end, True) for rule in ending):
            break
        state.push("row", "tr", 0).map = [line, line + 1]
        line += 1
    state.line, state.parentType = line, before
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": _DEEPEST, "inline_definitions": True}).enable("table")
    blocks = _Blocks()
    blocks.ruler = parser.block.ruler
    blocks.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    parser.block = blocks
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


_PARSER = _parser()
_INLINE = MarkdownIt("commonmark")


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The decoded source, in blocks."""
    text, encoding, notices = decode(file.read())
    tell(0.1, "")
    starts = line_starts(text)
    skipped = _front_matter_lines(text, starts)
    starts = [*starts[skipped:], len(text)]
    # the parser wants its own line ends and no zero characters; lines stay where they are
    source = text[starts[0] :].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    about: MutableMapping[str, Any] = {}
    walk = _Walk(text, starts, line_starts(source))
    walk.read(_PARSER.parse(source, about))
    tell(0.7, "")
    blocks = tuple(walk.blocks)
    return Parsed(
        upload.name, upload.media_type, text, blocks,
        tuple(sorted([*walk.links, *_links(text, blocks)], key=attrgetter("start"))),
        tuple(_anchors(text, blocks, about)),
        notices=notices, encoding=encoding, remarks=tuple(remarks_of(text, blocks, _comments(text, blocks))),
    )  # fmt: skip


def _front_matter_lines(text: str, starts: Sequence[int]) -> int:
    """How many lines are YAML front matter: a first line of hyphens, then keys and their values, up to its end.

    A line of hyphens with anything else behind it is a thematic break.
    """
    if _FENCE.match(text) is None:
        return 0
    keys = 0
    for number, (start, end) in enumerate(pairwise([*starts, len(text)])):
        if number == 0:
            continue
        if _FENCE_END.fullmatch(text, start, end):
            return number + 1 if keys else 0
        if _KEY.match(text, start, end):
            keys += 1
        elif _MORE_YAML.match(text, start, end) is None or (not keys and text[start] != "#"):
            return 0
    return 0


@dataclass(slots=True)
class _Walk:
    """Goes over the parser's tokens and finds their places in the source."""

    text: str
    starts: Sequence[int]
    source_starts: Sequence[int]
    blocks: list[Block] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    in_list: int = 0
    table: int = 0
    row: int = 0

    def read(self, tokens: list[Token]) -> None:
        """Collect the blocks of all tokens."""
        for number, token in enumerate(tokens):
            match token.type:
                case "fence" | "code_block":
                    self._code(token)
                case "html_block":
                    self._html(token)
                case "definition":
                    self._definition(token)
                case "list_item_open":
                    self.in_list += 1
                case "list_item_close":
                    self.in_list -= 1
                case "table_open":
                    self.table, self.row = self.table + 1, 0
                case "tr_open" | "row":
                    self._row(token)
                case "inline":
                    self._inline(token, tokens[number - 1])
                case _:
                    pass

    def _span(self, token: Token) -> tuple[int, int]:
        first, last = token.map or (0, 0)
        return self.starts[first] + token.meta["at"] - self.source_starts[first], self.starts[last]

    def _add(
        self, kind: BlockKind, start: int, end: int, *, level: int = 0, table: int = 0, row: int = 0, column: int = 0
    ) -> None:
        start, end = trimmed(self.text, start, end)
        if start < end:
            code = () if kind is BlockKind.CODE else tuple(inline_code(self.text, start, end))
            self.blocks.append(Block(kind, start, end, level, 0, code, table, row, column))

    def _code(self, token: Token) -> None:
        """A footnote goes on in indented lines, which would be code elsewhere."""
        noted = token.type == "code_block" and self.blocks and self.blocks[-1].kind is BlockKind.FOOTNOTE
        self._add(BlockKind.FOOTNOTE if noted else BlockKind.CODE, *self._span(token))

    def _html(self, token: Token) -> None:
        """Words between tags are prose; tags, comments and what tags mark as code are code to it."""
        start, end = trimmed(self.text, *self._span(token))
        content = self.text[start:end]
        marks = list(merged(_html(content, to_end=True)))
        between = pairwise([0, *chain.from_iterable(marks), len(content)])
        if not any(content[a:b].strip() for a, b in islice(between, 0, None, 2)):
            self._add(BlockKind.CODE, start, end)
            return
        code = tuple((start + a, start + b) for a, b in marks)
        self.blocks.append(Block(BlockKind.PARAGRAPH, start, end, code=code))

    def _definition(self, token: Token) -> None:
        """`[label]: target`: an address is code, and words are what somebody wrote about the label."""
        start, end = self._span(token)
        label = _LABEL.match(self.text, start, end)
        target = _TARGET.match(self.text, label.end(), end) if label is not None else None
        noted = self.text.startswith("[^", start)
        if target is not None and not noted and _ADDRESS.match(target["bracketed"] or target["bare"] or ""):
            self._add(BlockKind.CODE, start, end)
            self.links.append(Link(target["bracketed"] or target["bare"], *trimmed(self.text, start, end)))
        else:
            self._prose(start, end)

    def _row(self, token: Token) -> None:
        """Cells stand between pipes; those beyond the table's width too, which browsers leave out."""
        self.row += 1
        start, end = trimmed(self.text, *self._span(token))
        pipes = [start - 1, *(pipe.start() for pipe in _PIPE.finditer(self.text, start, end)), end]
        cells = pairwise(pipes[1:] if self.text[start] == "|" else pipes)
        for column, (before, after) in enumerate(cells, start=1):
            self._add(BlockKind.TABLE_CELL, before + 1, after, table=self.table, row=self.row, column=column)

    def _inline(self, token: Token, opening: Token) -> None:
        match opening.type:
            case "heading_open":
                self._heading(*self._span(token), int(opening.tag[1]))
            case "th_open" | "td_open":
                pass
            case _:
                self._prose(*self._span(token))

    def _prose(self, start: int, end: int) -> None:
        """A paragraph or an item; each footnote that begins in it is a block of its own."""
        if self.in_list and (box := _BOX.match(self.text, start, end)) is not None:
            start = box.end()
        if self.text.startswith("$$", start) and self.text[start + 2 : end].rstrip().endswith("$$"):
            self._add(BlockKind.CODE, start, end)  # a formula
            return
        notes = [note.start("label") for note in _NOTE.finditer(self.text, start, end)]
        first = min(notes, default=end)
        self._add(BlockKind.LIST_ITEM if self.in_list else BlockKind.PARAGRAPH, start, first)
        for begin, until in pairwise([*notes, end]):
            self._add(BlockKind.FOOTNOTE, begin, until)

    def _heading(self, start: int, end: int, level: int) -> None:
        if (hashes := _HASHES.match(self.text, start, end)) is not None:
            start = hashes.end()
            end = start + len(_without_closing_hashes(self.text[start:end].rstrip()))
        elif (underline := _UNDERLINE.search(self.text, start, end)) is not None:
            end = underline.start()
        self._add(BlockKind.HEADING, start, end, level=level)


def _without_closing_hashes(title: str) -> str:
    bare = title.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else title


def inline_code(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans that prose checks pass by: code between ticks or tags, link targets, tags, names of footnotes."""
    if _CODE.search(text, start, end) is None:  # as in most cells of a table
        return
    content = text[start:end]
    spans = [(start + found.start(), start + found.end()) for found in _TICKS.finditer(content)]
    spans += [(start + found.start("target"), start + found.end("target")) for found in _LINK.finditer(content)]
    spans += [(start + a, start + b) for a, b in _html(content)]
    if (note := _NOTE.match(content)) is not None:
        spans.append((start + note.start("label"), start + note.end("label")))
    yield from merged(spans)


def _html(content: str, *, to_end: bool = False) -> Iterator[tuple[int, int]]:
    """Comments, tags, and what stands between the tags of code; with `to_end` also where they are not closed.

    Comments are searched for by hand: a pattern would look for each unclosed one's end to the very end.
    """
    at = content.find("<!--")
    while at >= 0 and (end := content.find("-->", at + 4)) >= 0:
        yield at, end + 3
        at = content.find("<!--", end + 3)
    opened: dict[str, int] = {}
    for tag in _HTML_TAG.finditer(content):
        yield tag.span()
        name = tag["name"].lower()
        if name in _CODE_TAGS and not tag["closes"]:
            opened.setdefault(name, tag.start())
        elif name in opened:
            yield opened.pop(name), tag.end()
    if to_end and opened:
        yield min(opened.values()), len(content)


def _comments(text: str, blocks: tuple[Block, ...]) -> Iterator[tuple[int, int]]:
    """Comments of HTML, but for what code shows of them."""
    starts = [block.start for block in blocks]
    at = text.find("<!--")
    while at >= 0 and (end := text.find("-->", at + 4)) >= 0:
        block = blocks[max(0, bisect_right(starts, at) - 1)] if blocks else None
        code = block.code if block is not None and block.kind is not BlockKind.CODE else ()
        shown = any(start <= at < until and text[start] == "`" for start, until in code)
        if block is not None and block.start <= at < block.end and block.kind is BlockKind.CODE:
            shown = text[block.start] != "<"
        if not shown:
            yield at, end + 3
        at = text.find("<!--", end + 3)


def _links(text: str, blocks: tuple[Block, ...]) -> Iterator[Link]:
    for block in blocks:
        if block.kind is BlockKind.CODE:
            continue
        code = [start for start, _ in block.code]
        for found in _LINK.finditer(text, block.start, block.end):
            before = bisect_right(code, found.start()) - 1
            if before < 0 or block.code[before][1] <= found.start():
                yield Link(found["target"].strip("<>"), found.start(), found.end(), bool(found["image"]))


def _anchors(text: str, blocks: tuple[Block, ...], about: MutableMapping[str, Any]) -> Iterator[str]:
    """Names that a link inside the document may point to: of headings as GitHub makes them, and explicit ones."""
    seen: dict[str, int] = {}
    for block in blocks:
        if block.kind is BlockKind.HEADING:
            slug = slug_of(text[block.start : block.end], about)
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            yield slug if count == 0 else f"{slug}-{count}"
            if _RUN.search(text, block.start, block.end):  # other programs take several spaces for one
                yield slug_of(" ".join(text[block.start : block.end].split()), about)
    for tag in _HTML_TAG.finditer(text):
        for found in _NAME.finditer(tag[0]):
            if found["by"].lower() == "id" or tag["name"].lower() == "a":
                yield found["double"] or found["single"] or found["bare"]
    yield from (found[1] for found in _NAMED.finditer(text))


def slug_of(title: str, about: MutableMapping[str, Any] | None = None) -> str:
    """GitHub's name of a heading: its words as shown, lower case, no punctuation, spaces become hyphens.

    `about` holds the document's definitions of links. The rule is that of html-pipeline's TableOfContentsFilter: of
    the text without its marks stay letters, accents, numbers, connectors such as the underscore, hyphens and spaces.
    """
    (line,) = _INLINE.parseInline(" ".join(map(str.strip, title.expandtabs(1).splitlines())), about)
    shown = "".join(part.content for part in line.children or () if part.type in {"text", "code_inline"})
    return "".join(character for character in shown.lower() if _is_in_slug(character)).replace(" ", "-")


def _is_in_slug(character: str) -> bool:
    category = unicodedata.category(character)
    return character in "- " or category[0] in "LMN" or category == "Pc"
