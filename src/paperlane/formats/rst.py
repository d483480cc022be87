"""reStructuredText: the text is the source itself, docutils says what its parts are, and blocks are spans of it.

Docutils knows of most nodes a line at best, so each node's words are searched from the last one's end on; what no node
claims is a block of its own, so that nothing of the text is lost.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Directive, Parser, directives
from docutils.parsers.rst.languages import en
from docutils.parsers.rst.states import Inliner
from docutils.utils import Reporter, new_document

from paperlane.formats import Tell
from paperlane.formats.encoding import decode
from paperlane.formats.lines import trimmed
from paperlane.formats.remarks import remarks_of
from paperlane.formats.spans import merged
from paperlane.model.documents import Block, BlockKind, Link, Parsed, Upload

_SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": Reporter.SEVERE_LEVEL + 1,
    "halt_level": Reporter.SEVERE_LEVEL + 1,
    "warning_stream": False,
    "line_length_limit": 1 << 40,
    "syntax_highlight": "none",
    "smart_quotes": False,
}
# Sphinx's directives that hold no prose; of the others that docutils does not know, the content is read as prose.
_CODE_DIRECTIVES = frozenset({
    "code-block", "sourcecode", "highlight", "literalinclude", "toctree", "graphviz", "digraph", "graph", "mermaid",
    "uml", "plantuml", "productionlist", "testcode", "testsetup", "testoutput", "doctest", "ipython", "autosummary",
    "automodule", "autoclass", "autofunction", "currentmodule", "py:module", "tabularcolumns", "index",
    "raw", "include", "math", "jupyter-execute",
})  # fmt: skip
_PROSE_ROLES = frozenset({
    "ref", "doc", "term", "numref", "any", "download", "abbr", "guilabel", "menuselection", "emphasis", "strong", "sub",
    "sup", "subscript", "superscript", "title", "title-reference", "t",
})  # fmt: skip
_DIRECTIVE = re.compile(
    r"^[ \t]*(?:[-*+][ \t]+)*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?(?P<name>[\w.:+-]*?\w)[ \t]?::(?:\s|$)", re.MULTILINE
)
_NAME = r"[a-zA-Z][\w.+-]{0,40}(?::[\w.+-]{1,40})?"  # of a role, perhaps with its domain
_HERE = re.compile(r"(?<![\w`])_`([^`\n]{1,80})`")
_INLINE = re.compile(
    rf"``(?P<literal>(?:[^`]|`(?!`))++)``|(?P<before>:{_NAME}:)?`(?P<text>[^`\s](?:[^`]*[^`\s])?)`"
    rf"(?P<behind>:{_NAME}:|__?(?!\w))?"
    r"|(?P<note>\[[^\[\]\s]{1,60}\]_)(?!\w)|(?P<put>\|[^|\s](?:[^|\n]{0,80}[^|\s])?\|_{0,2})"
    r"|(?<![\w`:/.-])(?P<name>[a-zA-Z\d](?:[\w.+-]*[a-zA-Z\d])?)_(?![\w`])"
)
_EMBEDDED = re.compile(r"^(?P<title>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
_IMAGE = re.compile(r"^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?(?:image|figure)::[ \t]*(?P<target>\S+)", re.MULTILINE)
_MARKUP = re.compile(r"\.\.(?:\s|$)|:[^:\s][^:\n]*:(?:\s|$)|__\s|COPY-FROM:|[-+=|\s]+$")
_NUMBER = re.compile(r"(?:[-*+•‣⁃]|[(]?(?:\w{1,5}|#)[.)])(?=\s|$)")
_LETTER = re.compile(r"[^\W_]")
_LINE = re.compile(r"[^\r\n]+")
_BORDERS = frozenset(" \t\r\n\v\f|\",'")
_WINDOW = 40_000  # characters behind the last node's end in which the next one begins
_DEEPEST = 60


class _AnyOption(dict[str, Any]):
    """Lets a directive have every option."""

    def __missing__(self, _name: str) -> Any:
        return directives.unchanged


class _Unknown(Directive):
    """A directive of another program: what stands in it is code or prose by its name."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = _AnyOption(name=directives.unchanged)

    def run(self) -> list[nodes.Node]:
        content = "\n".join(self.content)
        if self.name.lower() in _CODE_DIRECTIVES:
            return [nodes.literal_block(content, content)] if content.strip() else []
        inside = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, inside)
        return [inside]


def _as_it_is(text: str, *_: object) -> tuple[list[nodes.Text], list[nodes.Node]]:
    return [nodes.Text(text)], []


def _inliner() -> Any:
    """Leaves words as they are: what is inline is found in the source, and docutils' own patterns may take long."""
    inliner: Any = Inliner()  # no subclass: it makes its patterns of its own class's variables
    inliner.parse = _as_it_is
    return inliner


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The decoded source, in blocks. Nothing that it names is opened, and no settings of docutils are read."""
    text, encoding, notices = decode(file.read())
    tell(0.1, "")
    _get_to_know(text)
    tree = new_document("", _settings())
    Parser(inliner=_inliner()).parse(text, tree)  # and no transforms, which would write tables of contents and numbers
    tell(0.7, "")
    walk = _Walk(text)
    walk.into(tree, _Place())
    walk.anchors += [nodes.fully_normalize_name(found[1]) for found in _HERE.finditer(text)]
    blocks = tuple(_whole(text, walk.blocks))
    return Parsed(
        upload.name, upload.media_type, text, blocks, tuple(_links(text, blocks, set(walk.anchors))),
        tuple(dict.fromkeys(walk.anchors)), notices=notices, encoding=encoding,
        remarks=tuple(remarks_of(text, blocks, walk.comments)),
    )  # fmt: skip


def _settings() -> Any:
    parser: Any = Parser  # whose stub wants an instance
    settings = get_default_settings(parser)
    for name, value in _SETTINGS.items():
        setattr(settings, name, value)
    return settings


def _get_to_know(text: str) -> None:
    """Docutils shall read what stands in directives that it does not know."""
    for name in {
        found["name"].lower() for found in _DIRECTIVE.finditer(text)
    } - en.directives.keys() | _CODE_DIRECTIVES:
        directives.register_directive(name, _Unknown)


class _Place(NamedTuple):
    """What the nodes around say of the text inside."""

    kind: BlockKind = BlockKind.PARAGRAPH
    level: int = 0
    depth: int = 0


@dataclass(slots=True)
class _Walk:
    """Goes over docutils' nodes and finds their places in the source."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    comments: list[tuple[int, int]] = field(default_factory=list)
    at: int = 0
    table: int = 0

    def into(self, node: nodes.Element, place: _Place) -> None:
        """Collect the blocks of what stands in a node."""
        if place.depth > _DEEPEST:
            raise RecursionError
        for child in node.children:
            if isinstance(child, nodes.Element):
                self._node(child, place)

    def _node(self, node: nodes.Element, place: _Place) -> None:
        self.anchors += [*node.get("names", ()), *node.get("dupnames", ()), *node.get("ids", ())]
        inside = place._replace(depth=place.depth + 1)
        match node:
            case nodes.section():
                self.into(node, inside._replace(level=place.level + 1))
            case nodes.title() if isinstance(node.parent, nodes.section):
                self._claim(node, BlockKind.HEADING, level=min(place.level, 9))
            case nodes.literal_block() | nodes.doctest_block() | nodes.math_block():
                self._claim(node, BlockKind.CODE)
            case nodes.comment():
                if (span := self._claim(node, BlockKind.CODE)) is not None:
                    self.comments.append(span)
            case nodes.list_item() | nodes.definition_list_item() | nodes.option_list_item():
                self.into(node, inside._replace(kind=BlockKind.LIST_ITEM))
            case nodes.footnote() | nodes.citation():
                self.into(node, inside._replace(kind=BlockKind.FOOTNOTE))
            case nodes.table():
                self._table(node)
            case nodes.system_message() | nodes.decoration() | nodes.substitution_definition():
                pass  # what stands there is found by `_whole`, at its place
            case nodes.label() | nodes.target() | nodes.field_name() | nodes.option_string():
                pass
            case nodes.TextElement():
                self._claim(node, place.kind)
            case _:
                self.into(node, inside)

    def _claim(self, node: nodes.Element, kind: BlockKind, level: int = 0) -> tuple[int, int] | None:
        words = (node.rawsource or node.astext()).split()
        span = self._found(words, self.at, self.at + _WINDOW) if words else None
        while span is not None and level and not self._is_line(*span):
            span = self._found(words, span[1], span[1] + _WINDOW)
        if span is not None:
            self._add(kind, *span, level=level)
            self.at = span[1]
        return span

    def _add(
        self, kind: BlockKind, start: int, end: int, level: int = 0, table: int = 0, row: int = 0, column: int = 0
    ) -> None:
        code = () if kind is BlockKind.CODE else tuple(inline_code(self.text, start, end))
        self.blocks.append(Block(kind, start, end, level, code=code, table=table, row=row, column=column))

    def _found(self, words: Sequence[str], start: int, until: int) -> tuple[int, int] | None:
        """Where these words stand first, whatever white space is between them."""
        at = self.text.find(words[0], start, until)
        while at >= 0:
            if (end := self._read(words, at)) > at:
                return at, end
            at = self.text.find(words[0], at + 1, until)
        return None

    def _is_line(self, start: int, end: int) -> bool:
        """Does nothing else stand in the line?"""
        before = self.text.rfind("\n", 0, start) + 1
        behind = self.text.find("\n", end)
        return not self.text[before:start].strip() and not self.text[end : behind if behind >= 0 else None].strip()

    def _read(self, words: Sequence[str], at: int) -> int:
        """The end of the words if they stand there, as words of their own, else -1."""
        if at and self.text[at - 1] not in _BORDERS:
            return -1
        for word in words:
            while at < len(self.text) and self.text[at].isspace():
                at += 1
            if not self.text.startswith(word, at):
                return -1
            at += len(word)
        parted = at == len(self.text) or not (self.text[at].isalnum() and self.text[at - 1].isalnum())
        return at if parted else -1

    def _table(self, node: nodes.Element) -> None:
        self.table += 1
        table = self.table
        for child in node.children:
            if isinstance(child, nodes.title):
                self._claim(child, BlockKind.PARAGRAPH)
        groups = [part for group in node.children if isinstance(group, nodes.tgroup) for part in group.children]
        rows = [row for part in groups if isinstance(part, nodes.thead | nodes.tbody) for row in part.children]
        for number, row in enumerate(rows, start=1):
            furthest, column = self.at, 1
            for entry in row.children:
                if isinstance(entry, nodes.entry):
                    furthest = max(furthest, self._cell(entry, table, number, column))
                    column += 1 + int(entry.get("morecols", 0))
            self.at = furthest

    def _cell(self, entry: nodes.entry, table: int, row: int, column: int) -> int:
        """The cell's last place. Where other cells stand beside it, each of its lines is a block."""
        first = last = self.at
        for part in entry.findall(nodes.TextElement):
            if not isinstance(part, nodes.Inline) and not isinstance(part.parent, nodes.TextElement):
                for span in self._pieces((part.rawsource or part.astext()).strip(), last):
                    self._add(BlockKind.TABLE_CELL, *span, table=table, row=row, column=column)
                    first = first if first > self.at else span[1]
                    last = span[1]
        self.at = first
        return last

    def _pieces(self, written: str, at: int) -> Iterator[tuple[int, int]]:
        """Where some text stands: in one place, or line by line beside other cells."""
        lines = [line for line in written.splitlines() if line.strip()]
        if not lines:
            return
        whole = self._found(written.split(), at, at + _WINDOW)
        span = self._found(lines[0].split(), at, at + _WINDOW)
        if (span is None or whole is None or len(lines) == 1 or whole[0] <= span[0]) and whole is not None:
            yield whole
            return
        for line in lines[1:]:
            if span is None:
                return
            yield span
            below = self.text.find("\n", span[1]) + 1
            span = self._found(line.split(), below, below + _WINDOW) if below else None
        if span is not None:
            yield span


def _whole(text: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks in order, and between them whatever else has words: markup is code, and the rest is prose."""
    at = 0
    for block in sorted(blocks, key=lambda block: (block.start, -block.end)):
        if block.start >= at:
            yield from _between(text, at, block.start)
            yield block
            at = block.end
    yield from _between(text, at, len(text))


def _between(text: str, start: int, end: int) -> Iterator[Block]:
    """Neighbouring lines of one kind are one block."""
    spans: list[tuple[bool, int, int]] = []
    last = 0
    for found in _LINE.finditer(text, start, end):
        begin, until = trimmed(text, *found.span())
        line = text[begin:until]
        if _LETTER.search(line) is None or _NUMBER.fullmatch(line) is not None:
            continue
        code = _MARKUP.match(line) is not None
        if spans and spans[-1][0] is code and not text[last:begin].strip() and text.count("\n", last, begin) == 1:
            spans[-1] = (code, spans[-1][1], until)
        else:
            spans.append((code, begin, until))
        last = until
    for code, begin, until in spans:
        if code:
            yield Block(BlockKind.CODE, begin, until)
        else:
            yield Block(BlockKind.PARAGRAPH, begin, until, code=tuple(inline_code(text, begin, until)))


def inline_code(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans that prose checks pass by: literals, names and roles, targets, references to notes, substitutions."""
    spans: list[tuple[int, int]] = []
    for found in _INLINE.finditer(text, start, end):
        role = (found["before"] or found["behind"] or "").strip(":")
        if found["text"] is None or (role.strip("_") and role not in _PROSE_ROLES):
            spans.append(found.span())
        elif role or found["before"]:
            spans.append((found.start(), found.start("text")))
            title = _EMBEDDED.match(found["text"])
            spans.append((found.start("text") + (title.end("title") if title else len(found["text"])), found.end()))
        else:
            spans.append(found.span())
    yield from merged(spans)


def _links(text: str, blocks: Sequence[Block], anchors: Collection[str]) -> Iterator[Link]:
    """What an author can break: references by name to this document, addresses, and pictures.

    A role may refer to another document of its project, and a word that ends in a low line be a name of a program:
    these count where their target is here.
    """
    for block in blocks:
        if block.kind is BlockKind.CODE:
            for found in _IMAGE.finditer(text, block.start, block.end):
                yield Link(found["target"], *found.span("target"), image=True)
            continue
        for found in _INLINE.finditer(text, block.start, block.end):
            if (target := _target(found, anchors)) is not None:
                yield Link(target, *found.span())


def _target(found: re.Match[str], anchors: Collection[str]) -> str | None:
    if found["name"] is not None:
        name = nodes.fully_normalize_name(found["name"])
        return f"#{name}" if name in anchors else None
    if found["text"] is None:
        return None
    embedded = _EMBEDDED.match(found["text"])
    target = embedded["target"] if embedded is not None else found["text"]
    name = nodes.fully_normalize_name(target.removesuffix("_"))
    if found["behind"] in {"_", "__"}:
        if embedded is not None and not target.endswith("_"):
            return target
        return f"#{name}" if found["behind"] == "_" else None
    return f"#{name}" if found["before"] == ":ref:" and name in anchors else None
