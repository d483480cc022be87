"""Edits of one block of a document, as a person makes them between two uploads."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.reading import NoJob, upload_of

from paperlane.model.documents import Block, BlockKind, Document, Parsed, Passage
from paperlane.pipeline.document_processing import process
from paperlane.pipeline.section_merge import merge

LATIN = [
    a + b for a in ("ga", "re", "quo", "ste", "mi") for b in ("te", "nder", "st", "lock", "m", "ring", "ssage", "d")
]
HAN = [a + b for a in "系记请查响保" for b in "统录求看应存"]
WORDS = [*LATIN, *HAN]


def _word(said: str, chance: random.Random) -> str:
    words = said.split(" ")
    words[chance.randrange(len(words))] = chance.choice(WORDS)
    return " ".join(words)


def _longer(said: str, chance: random.Random) -> str:
    return f"{said} The {' '.join(chance.choices(WORDS, k=8))}."


def _shorter(said: str, _chance: random.Random) -> str:
    return said[: max(1, len(said) * 2 // 3)].rstrip() or said


def _rewritten(said: str, chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=max(1, len(said) // 6)))


CHANGES: Mapping[str, Callable[[str, random.Random], str]] = {
    "word": _word, "longer": _longer, "shorter": _shorter, "rewritten": _rewritten,
}  # fmt: skip
KINDS = (*CHANGES, "added", "removed")


def edited(parsed: Parsed, kind: str, chance: random.Random) -> Parsed:
    """The same document but for one block, which is no heading."""
    at = chance.choice([at for at, block in enumerate(parsed.blocks) if block.kind is not BlockKind.HEADING])
    block = parsed.blocks[at]
    said = parsed.text[block.start : block.end]
    if kind == "added":
        new = " ".join(chance.choices(WORDS, k=chance.randint(4, 60))) + "."
        own = Block(BlockKind.PARAGRAPH, block.end + 1, block.end + 1 + len(new), page=block.page)
        return _with(parsed, at + 1, at + 1, block.end, block.end, f"\n{new}", (own,))
    if kind == "removed":
        until = parsed.blocks[at + 1].start if at + 1 < len(parsed.blocks) else block.end
        return _with(parsed, at, at + 1, block.start, until, "", ())
    new = CHANGES[kind](said, chance)
    return _with(
        parsed, at, at + 1, block.start, block.end, new, (replace(block, end=block.start + len(new), code=()),)
    )


def _with(parsed: Parsed, first: int, last: int, start: int, end: int, new: str, blocks: tuple[Block, ...]) -> Parsed:
    by = len(new) - (end - start)
    behind = tuple(
        replace(block, start=block.start + by, end=block.end + by, code=()) for block in parsed.blocks[last:]
    )
    return replace(
        parsed, text=parsed.text[:start] + new + parsed.text[end:], blocks=(*parsed.blocks[:first], *blocks, *behind)
    )


def document(parsed: Parsed) -> Document:
    """The document of what was parsed."""
    return process((upload_of(b"x", "a.md"), parsed), NoJob())


def keys(found: Document) -> list[tuple[object, ...]]:
    """What a model is shown of each passage, all of it."""
    return [_key(found, passage) for passage in merge(found, NoJob()).items]


def _key(found: Document, passage: Passage) -> tuple[object, ...]:
    text = found.text[passage.start : passage.end]
    return (text, passage.path, passage.headers, tuple(passage.terms.items()))
