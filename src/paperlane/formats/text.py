"""Plain text: paragraphs part at blank lines; a short numbered line that stands alone is a heading."""

import re
from typing import BinaryIO

from paperlane.formats import Tell
from paperlane.formats.encoding import decode
from paperlane.formats.lines import paragraphs
from paperlane.model.documents import Block, BlockKind, Parsed, Upload

_NUMBERED = re.compile(r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,5})\.?[ \t]+\S.*")
_CHAPTER = re.compile(r"第[一二三四五六七八九十百\d]{1,4}(?P<unit>[章节条])")
_UNDERLINED = re.compile(r"(?P<title>[^\n\r]+)\r?\n(?P<line>={3,}|-{3,})")
_LONGEST_HEADING = 80
_SENTENCE_ENDS = tuple(".;:,。；：，")
_LIST = re.compile(r"(?:[-*•·]|\(?[a-z\d]{1,2}\))[ \t]+\S")


def read(upload: Upload, file: BinaryIO, _tell: Tell) -> Parsed:
    """The decoded text as it is."""
    text, encoding, notices = decode(file.read())
    blocks = tuple(_block(text, start, end) for start, end in paragraphs(text))
    return Parsed(upload.name, upload.media_type, text, blocks, notices=notices, encoding=encoding)


def _block(text: str, start: int, end: int) -> Block:
    content = text[start:end]
    if (underlined := _UNDERLINED.fullmatch(content)) is not None:
        return Block(
            BlockKind.HEADING, start, start + len(underlined["title"].rstrip()), 1 if "=" in underlined["line"] else 2
        )
    if level := heading_level(content):
        return Block(BlockKind.HEADING, start, end, level)
    return Block(BlockKind.LIST_ITEM if _LIST.match(content) else BlockKind.PARAGRAPH, start, end)


def heading_level(line: str) -> int:
    """The level of a line that its number makes a heading; 0 for any other text."""
    if len(line) > _LONGEST_HEADING or "\n" in line or line.endswith(_SENTENCE_ENDS):
        return 0
    if (numbered := _NUMBERED.fullmatch(line)) is not None:
        return numbered["number"].count(".") + 1
    if (chapter := _CHAPTER.match(line)) is not None:
        return {"章": 1, "节": 2, "条": 3}[chapter["unit"]]
    return 0
