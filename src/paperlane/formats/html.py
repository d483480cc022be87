"""HTML: the words that a browser would show, one block a line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from selectolax.lexbor import LexborHTMLParser, LexborNode

from paperlane.formats import Tell
from paperlane.formats.encoding import decode
from paperlane.formats.remarks import words_to_us
from paperlane.model.documents import Block, BlockKind, Link, Parsed, Remark, Upload

_SPACE = re.compile(r"[ \t\n\r\f]+")
_LONGEST = 40  # characters of a word, for between Chinese ones there is no space
_WORD = re.compile(rf"\S{{1,{_LONGEST}}}")
_HIDDEN = frozenset({
    "script", "style", "template", "noscript", "head", "title", "svg", "math", "iframe", "object", "audio", "video",
    "canvas", "datalist", "noframes", "noembed", "rp",
})  # fmt: skip
_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "img", "ins", "kbd", "label", "mark", "nobr", "q", "ruby", "rb", "rt", "rp",
    "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
})  # fmt: skip
_CODE = frozenset({"code", "kbd", "samp", "tt", "var"})
_KINDS = {
    "li": BlockKind.LIST_ITEM, "dd": BlockKind.LIST_ITEM, "dt": BlockKind.LIST_ITEM, "td": BlockKind.TABLE_CELL,
    "th": BlockKind.TABLE_CELL, "pre": BlockKind.CODE,
}  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NOTES = frozenset({"doc-footnote", "doc-footnotes", "doc-endnote", "doc-endnotes", "footnote", "footnotes"})
"""Roles (DPUB-ARIA) and classes of what holds footnotes."""
_NOT_SHOWN = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.IGNORECASE)
_DEEPEST = 400


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The visible text, in blocks."""
    source, encoding, notices = decode(file.read(), declared=True)
    tree = LexborHTMLParser(source)
    tell(0.3, "")
    walk = _Walk()
    if tree.body is not None:
        walk.into(tree.body, _Place())
        walk.end()
    text = "".join(walk.parts)
    return Parsed(
        upload.name, upload.media_type, text, tuple(walk.blocks), tuple(walk.links), tuple(walk.anchors),
        notices=notices, encoding=encoding,
        remarks=tuple(Remark(min(one.at, len(text)), one.words) for one in walk.remarks),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """What the elements around say of the text inside."""

    kind: BlockKind = BlockKind.PARAGRAPH
    level: int = 0
    table: int = 0
    row: int = 0
    column: int = 0
    verbatim: bool = False
    depth: int = 0


@dataclass(slots=True)
class _Walk:
    """Goes over the elements in their order; `line` holds the words of the block under way, `width` their characters.

    In parts: words that are added to a string copy all before them, and a page may be a single block.
    """

    parts: list[str] = field(default_factory=list)
    length: int = 0
    blocks: list[Block] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    width: int = 0
    code: list[tuple[int, int]] = field(default_factory=list)
    pending_links: list[tuple[str, int, int, bool]] = field(default_factory=list)
    table: int = 0

    def into(self, node: LexborNode, place: _Place) -> None:
        """Take up an element's text and its children."""
        if place.depth > _DEEPEST:
            raise RecursionError
        for child in node.iter(include_text=True):
            tag = child.tag or "-"
            if tag == "-text":
                self._words(child.text_content or "", place)
            elif tag == "-comment":  # which parts no words
                self._comment(child)
            elif tag not in _HIDDEN and not tag.startswith("-"):
                self._element(child, place)

    def _comment(self, node: LexborNode) -> None:
        if (said := words_to_us(node.comment_content or "")) is not None:
            self.remarks.append(Remark(self.length + self.width, said))

    def _element(self, node: LexborNode, place: _Place) -> None:
        tag, attributes = node.tag or "", node.attributes
        if "hidden" in attributes or _NOT_SHOWN.search(attributes.get("style") or ""):
            return
        if tag == "dialog" and "open" not in attributes:
            return
        for name in ("id", "name"):
            if anchor := attributes.get(name):
                self.anchors.append(anchor)
        if tag == "br":
            if self.line:
                self._words("\n", _Place(verbatim=True))
            return
        if tag in _INLINE:
            self._inline(node, tag, place)
            return
        self.flush(place)
        outer = self._row, self._column
        inside = self._place(tag, place, attributes)
        self.into(node, inside)
        self.flush(inside)
        if tag == "table":
            self._row, self._column = outer  # it stood in another one's cell, perhaps

    def _place(self, tag: str, place: _Place, attributes: Mapping[str, str | None]) -> _Place:
        depth = place.depth + 1
        role = (attributes.get("role") or "").lower()
        if level := _HEADINGS.get(tag) or (_level(attributes) if role == "heading" else 0):
            return _Place(BlockKind.HEADING, level, depth=depth)
        if place.kind is BlockKind.FOOTNOTE or not _NOTES.isdisjoint({role, *(attributes.get("class") or "").split()}):
            return _Place(BlockKind.FOOTNOTE, verbatim=tag == "pre" or place.verbatim, depth=depth)
        match tag:
            case "table":
                self.table += 1
                self._row = self._column = 0
                return _Place(table=self.table, depth=depth)
            case "tr":
                self._row, self._column = self._row + 1, 0
                return _Place(table=place.table, row=self._row, depth=depth)
            case "td" | "th" if place.row:
                self._column += 1
                return _Place(BlockKind.TABLE_CELL, 0, place.table, place.row, self._column, depth=depth)
            case _:
                kind = _KINDS.get(tag, place.kind)
                return _Place(
                    kind, place.level, place.table, place.row, place.column, tag == "pre" or place.verbatim, depth
                )

    _row: int = 0
    _column: int = 0

    def _inline(self, node: LexborNode, tag: str, place: _Place) -> None:
        begins, before = self.width, len(self.blocks)
        deeper = _Place(place.kind, place.level, place.table, place.row, place.column, place.verbatim, place.depth + 1)
        self.into(node, deeper)
        whole = self.blocks[before:]  # that ended inside: a browser lets blocks stand in a link
        if tag in _CODE and not whole and self.width > begins:
            self.code.append((begins, self.width))
        target = node.attributes.get("href" if tag == "a" else "src") if tag in {"a", "img"} else None
        if not target:
            return
        shown = next(((start, b.end) for b in whole if (start := b.start + begins * (b is whole[0])) < b.end), None)
        if shown is None:
            self.pending_links.append((target, 0 if whole else begins, self.width, tag == "img"))
        else:
            self.links.append(Link(target, *shown, tag == "img"))

    def _words(self, words: str, place: _Place) -> None:
        if not place.verbatim:
            words = _SPACE.sub(" ", words)
            if not self.line or self.line[-1][-1].isspace():
                words = words.lstrip(" ")
        if words:
            self.line.append(words)
            self.width += len(words)

    def flush(self, place: _Place) -> None:
        """The block under way ends here."""
        content = "".join(self.line).rstrip()
        if content.strip():
            start = self.length
            self._append(content + "\n")
            code = tuple((start + a, start + min(b, len(content))) for a, b in self.code if a < len(content))
            kind = place.kind
            self.blocks.append(
                Block(kind, start, start + len(content), place.level, 0, code, place.table, place.row, place.column)
            )
            last = len(content) - len(content.rsplit(None, 1)[-1][-_LONGEST:])
            for target, a, b, image in self.pending_links:
                begin, end = _quotable(content, a, b, last)
                self.links.append(Link(target, start + begin, start + end, image))
            self.pending_links.clear()
        else:  # no words are shown beside it: it stands before the next ones
            self.pending_links = [(target, 0, 0, image) for target, _, _, image in self.pending_links]
        self.line.clear()
        self.width = 0
        self.code.clear()

    def end(self) -> None:
        """The last block ends, and what stands after it belongs to it."""
        self.flush(_Place())
        if self.blocks:
            last = self.blocks[-1]
            self.links += [Link(target, last.start, last.end, image) for target, _, _, image in self.pending_links]

    def _append(self, part: str) -> None:
        self.parts.append(part)
        self.length += len(part)


def _level(attributes: Mapping[str, str | None]) -> int:
    """Of a heading by its role; 2 where it is not told, as ARIA has it."""
    told = attributes.get("aria-level") or ""
    return min(9, int(told)) if told.isdecimal() and len(told) < 3 and int(told) else 2  # noqa: PLR2004  digits


def _quotable(content: str, begin: int, end: int, last: int) -> tuple[int, int]:
    """A span that shows something: of a link that shows no word, as around an image, the word after it.

    Or the last one, which begins at `last`.
    """
    end = min(end, len(content))
    if begin < end and not content[begin:end].isspace():
        return begin, end
    found = _WORD.search(content, begin)
    return found.span() if found is not None else (last, len(content))
