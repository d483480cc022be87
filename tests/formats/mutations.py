"""Files as nobody means to write them: seeded damage to samples, to their bytes, packages, XML or text."""

import io
import random
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath

from paperlane.formats import FORMATS

Mutate = Callable[[bytes, random.Random], bytes]

SUFFIXES = tuple(suffix for form in FORMATS.values() for suffix in form.suffixes)
_TEXTS = frozenset(
    suffix for form in FORMATS.values() if form.media_type.startswith("text/") for suffix in form.suffixes
)
_SNIPPETS = (
    "# Title\n", "Title\n=====\n", "- item\n", "1. one\n", "> quoted\n", "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "```\ncode\n", "<!--", "-->", "<table><tr><td>", "</div>", "<![CDATA[", "&#x110000;", "[a](#b)", "[^1]: note\n",
    ".. note::\n\n   words\n", "`a <b>`_", "+--+\n|a |\n+--+\n", "== ==\na  b\n", ".. [1] x\n", "第一章 总则\n",
    "（一）", "系统应在一秒内响应。", "\u202e", "\ufeff", "\0", "\x0b", "\x85", "\u2028", "🚀", "e\u0301" * 40,
    "---\na: b\n---\n", "\\", "<p hidden>", "<h7>", "::\n\n    x\n", "|x|", "__ a\n", "**", "``",
    "shall " * 30, "应" * 200, "(" * 200, "- " * 60,
)  # fmt: skip
_NUMBERS = (b"0", b"-1", b"65536", b"4294967296", b"99999999999999999999", b"1e400", b"NaN", b"")
_TAG = re.compile(rb"<[^<>]{1,400}>")
_ATTRIBUTE = re.compile(rb'="[^"<>]{0,200}"')
_DIGITS = re.compile(rb"\d+")

BUILT_IN: Mapping[str, bytes] = {
    ".md": (
        "---\ntitle: x\n---\n# 1 Purpose\n\nThe gate shall be fast, see [below](#scope). TBD\n\n## Scope\n\n"
        "- one\n  - two `code`\n\n| Id | Text |\n|---|---|\n| R-1 | 系统应尽快响应。 |\n\n```py\nx = 1\n```\n\n"
        "[^1]: A note.\n\n<div>words <kbd>x</kbd></div>\n\n<!-- paperlane: ignore tbd -->\n"
    ).encode(),
    ".rst": (
        ".. _top:\n\nPurpose\n=======\n\nThe gate shall be ``fast``, see `Scope`_ [1]_.\n\nScope\n-----\n\n- one\n"
        "- two::\n\n    code\n\n+----+------+\n| a  | b    |\n+====+======+\n| 一 | 二   |\n+----+------+\n\n"
        ".. note:: Mind it.\n\n"
        ".. code-block:: py\n\n   x\n\n.. [1] A note.\n.. paperlane: ignore tbd\n\nterm\n  meaning\n\n:field: body\n"
    ).encode(),
    ".html": (
        "<!DOCTYPE html><html><head><meta charset=utf-8><title>t</title></head><body><h1 id=a>Purpose</h1><p>The gate "
        "shall be <code>fast</code>, <a href=#a>see</a>.<ul><li>one<li>two</ul><table><tr><th>Id<th>Text<tr><td>R-1"
        "<td>系统应尽快响应。</table><pre> x\n y</pre><details><summary>s</summary>d</details></body></html>"
    ).encode(),
    ".txt": "1 Purpose\n\nThe gate shall be fast.\n\n1.1 Scope\n\n一、概述\n\n系统应尽快响应。\n\n- an item\n".encode(),
}


def samples(corpus: Path | None, largest: int) -> Sequence[tuple[str, bytes]]:
    """Whole files of every format that is read, with their suffix: built in, and those of the corpus up to a size."""
    found = [(suffix, content) for suffix, content in BUILT_IN.items() if suffix in SUFFIXES]
    if corpus is not None:
        paths = sorted(path for folder in ("documents", "hostile") for path in (corpus / folder).iterdir())
        found += [
            (path.suffix.lower(), path.read_bytes())
            for path in paths
            if path.suffix.lower() in SUFFIXES and 0 < path.stat().st_size <= largest
        ]
    return found


def mutated(samples: Sequence[tuple[str, bytes]], seed: str) -> tuple[str, bytes]:
    """A damaged file and its suffix; the same for the same seed and samples. Every format is equally frequent."""
    chance = random.Random(seed)
    suffix = chance.choice(sorted({suffix for suffix, _ in samples}))
    content = chance.choice([content for own, content in samples if own == suffix])
    other = chance.choice(samples)[1]
    ways = _ways(suffix, content)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4))):
        content = chance.choice(ways)(content, chance)
        if chance.random() < 0.05:
            content = _spliced(content, other, chance)
    return suffix, content


def _ways(suffix: str, content: bytes) -> Sequence[Mutate]:
    if suffix in _TEXTS:
        return (*_BYTES, *_TEXT, *_TEXT, *_TEXT)
    if content.startswith(b"PK"):
        return (*_BYTES, *_PACKAGE, *_PACKAGE, *_PACKAGE)
    return (*_BYTES, *_BYTES, _numbers, _numbers, _lines)


def _place(content: bytes, chance: random.Random) -> int:
    return chance.randrange(len(content) + 1)


def _flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 10, 100))):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: _place(content, chance)]


def _without(content: bytes, chance: random.Random) -> bytes:
    start = _place(content, chance)
    return content[:start] + content[start + chance.randrange(1, 1 + max(1, len(content) // 8)) :]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    start, at = _place(content, chance), _place(content, chance)
    return content[:at] + content[start : start + 2_000] * chance.choice((1, 2, 20)) + content[at:]


def _filled(content: bytes, chance: random.Random) -> bytes:
    at = _place(content, chance)
    return (
        content[:at]
        + bytes([chance.choice((0, 10, 32, 255, 60, 40, 0x80))]) * chance.choice((1, 64, 5_000))
        + content[at:]
    )


def _spliced(content: bytes, other: bytes, chance: random.Random) -> bytes:
    return content[: _place(content, chance)] + other[_place(other, chance) :][:200_000]


def _numbers(content: bytes, chance: random.Random) -> bytes:
    """Some of the numbers are others."""
    found = list(_DIGITS.finditer(content))
    for place in sorted(chance.sample(found, min(len(found), chance.choice((1, 3, 20)))), key=lambda one: -one.start()):
        content = content[: place.start()] + chance.choice(_NUMBERS) + content[place.end() :]
    return content


def _lines(content: bytes, chance: random.Random) -> bytes:
    """Some lines change places, or stand there again and again."""
    lines = content.splitlines(keepends=True)
    for _ in range(chance.choice((1, 3, 10))):
        if lines:
            moved = lines[chance.randrange(len(lines))]
            lines[chance.randrange(len(lines) + 1) : 0] = [moved] * chance.choice((1, 1, 50))
            del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def _snippets(content: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 3, 10))):
        at = _place(content, chance)
        content = content[:at] + chance.choice(_SNIPPETS).encode() * chance.choice((1, 1, 3, 60)) + content[at:]
    return content


def _indented(content: bytes, chance: random.Random) -> bytes:
    """Lines stand deeper and deeper."""
    mark = chance.choice((b" ", b"  ", b"> ", b"- ", b"\t", b"   "))
    lines = content.splitlines(keepends=True)
    begin = chance.randrange(len(lines) + 1)
    deeper = [mark * min(number, 200) + line for number, line in enumerate(lines[begin:])]
    return b"".join([*lines[:begin], *deeper])


def _encoded(content: bytes, chance: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(
        chance.choice(("utf-16", "utf-16-be", "gb18030", "big5", "cp1252", "utf-32", "utf-7")), "replace"
    )


def _package(change: Callable[[list[tuple[str, bytes]], random.Random], None]) -> Mutate:
    """A change of a package's entries; what is no package any more is damaged as bytes."""

    def mutate(content: bytes, chance: random.Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as package:
                entries = [(name, package.read(name)) for name in package.namelist()]
        except Exception:  # noqa: BLE001  of a package that was damaged before, zipfile raises anything
            return _flipped(content, chance)
        change(entries, chance)
        written = io.BytesIO()
        with (
            warnings.catch_warnings(action="ignore"),  # names twice are meant
            zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package,
        ):
            for name, part in entries:
                package.writestr(zipfile.ZipInfo(name or "x"), part, zipfile.ZIP_DEFLATED)
        return written.getvalue()

    return mutate


def _xml(entries: list[tuple[str, bytes]], chance: random.Random) -> None:
    """Tags are lost, doubled, nested; attributes and words are others; an entity or a foreign byte is there."""
    parts = [at for at, (name, part) in enumerate(entries) if part and PurePath(name).suffix in {".xml", ".rels"}]
    if not parts:
        return
    at = chance.choice(parts)
    name, part = entries[at]
    for _ in range(chance.choice((1, 2, 8))):
        part = chance.choice(_XML)(part, chance)
    entries[at] = (name, part)


def _one(pattern: re.Pattern[bytes], content: bytes, chance: random.Random) -> tuple[int, int]:
    begin = _place(content, chance)
    found = pattern.search(content, begin) or pattern.search(content)
    return found.span() if found is not None else (begin, begin)


def _tag_lost(part: bytes, chance: random.Random) -> bytes:
    start, end = _one(_TAG, part, chance)
    return part[:start] + part[end:]


def _tag_doubled(part: bytes, chance: random.Random) -> bytes:
    start, end = _one(_TAG, part, chance)
    return part[:start] + part[start:end] * chance.choice((2, 3, 500)) + part[end:]


def _tag_moved(part: bytes, chance: random.Random) -> bytes:
    start, end = _one(_TAG, part, chance)
    to, _ = _one(_TAG, part, chance)
    return part[:to] + part[start:end] + part[to:]


def _nested(part: bytes, chance: random.Random) -> bytes:
    start, end = _one(_TAG, part, chance)
    tag = part[start:end]
    name = re.match(rb"<([\w:]+)", tag)
    if name is None:
        return part
    times = chance.choice((5, 100, 2_000))
    return (
        part[:end]
        + b"<"
        + name[1]
        + b">"
        + (b"<" + name[1] + b">") * times
        + (b"</" + name[1] + b">") * (times + 1)
        + part[end:]
    )


def _attribute(part: bytes, chance: random.Random) -> bytes:
    start, end = _one(_ATTRIBUTE, part, chance)
    value = chance.choice((*_NUMBERS, b"A" * 5_000, "系".encode(), b"../../etc/passwd", b"http://127.0.0.1/", b"&lt;"))
    return part[:start] + b'="' + value + b'"' + part[end:]


def _words(part: bytes, chance: random.Random) -> bytes:
    _, end = _one(_TAG, part, chance)
    return part[:end] + chance.choice(_SNIPPETS).replace("<", "&lt;").encode() * chance.choice((1, 100)) + part[end:]


def _entity(part: bytes, _chance: random.Random) -> bytes:
    return part.replace(b"?>", b'?><!DOCTYPE a [<!ENTITY b "c"><!ENTITY d SYSTEM "file:///etc/passwd">]>', 1)


def _dropped(entries: list[tuple[str, bytes]], chance: random.Random) -> None:
    if entries:
        del entries[chance.randrange(len(entries))]


def _swapped(entries: list[tuple[str, bytes]], chance: random.Random) -> None:
    if len(entries) > 1:
        one, other = chance.sample(range(len(entries)), 2)
        entries[one], entries[other] = (entries[one][0], entries[other][1]), (entries[other][0], entries[one][1])


def _renamed(entries: list[tuple[str, bytes]], chance: random.Random) -> None:
    if entries:
        at = chance.randrange(len(entries))
        entries[at] = (
            chance.choice(("../x.xml", "/etc/x", entries[at][0].upper(), entries[at][0] + "x")),
            entries[at][1],
        )


def _more(entries: list[tuple[str, bytes]], chance: random.Random) -> None:
    entries += [(f"word/extra{number}.xml", b"<a/>") for number in range(chance.choice((1, 100, 3_000)))]


def _part_as_bytes(entries: list[tuple[str, bytes]], chance: random.Random) -> None:
    if entries:
        at = chance.randrange(len(entries))
        entries[at] = (entries[at][0], chance.choice(_BYTES)(entries[at][1], chance))


_BYTES: Sequence[Mutate] = (_flipped, _cut, _without, _doubled, _filled)
_TEXT: Sequence[Mutate] = (_lines, _snippets, _indented, _encoded, _numbers, _snippets)
_XML: Sequence[Mutate] = (_tag_lost, _tag_doubled, _tag_moved, _nested, _attribute, _words, _entity, _numbers, _flipped)
_PACKAGE: Sequence[Mutate] = tuple(
    map(_package, (_xml, _xml, _xml, _xml, _dropped, _swapped, _renamed, _more, _part_as_bytes))
)
