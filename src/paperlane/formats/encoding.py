"""Bytes of a text file become text: by mark, by strict UTF-8, by what the file declares, by what is plausible."""

import codecs
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from paperlane.errors import DocumentError
from paperlane.formats.chinese import likeness
from paperlane.formats.utf16 import without_mark
from paperlane.model.documents import Notice

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)""", re.IGNORECASE)
# Browsers read GB2312 and GBK as their superset (https://encoding.spec.whatwg.org/#names-and-labels).
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252", "ascii": "cp1252"}
_CHINESE = ("gb18030", "big5", "cp950", "utf-16-le", "utf-16-be")
_SAMPLE = 200_000
_ESCAPED = re.compile("[\udc80-\udcff]+")  # what "surrogateescape" makes of bytes that do not fit
_BEYOND_ASCII = re.compile(r"[^\0-\x7f]")
# A mix of encodings, decoded as one, makes control characters and private ones.
_IMPLAUSIBLE = re.compile("[\x80-\x84\x86-\x9f\ue000-\uf8ff\U000f0000-\U0010ffff]")
_FAULTS_NAMED = 5
# Of Western words in Windows-1252 no letter but a few at a time is beyond ASCII, and no sign stands between letters;
# other alphabets and the encodings of Eastern Europe break one or the other.
_NOT_WESTERN = re.compile(
    r"[\x81\x8d\x8f\x90\x9d]|[À-ÖØ-öø-ÿŠŒŽšœžŸ]{3}|[^\W\d_][\xa1-\xa9\xab\xac\xae-\xb4\xb6\xb8\xb9\xbb-\xbf×÷ƒ‚„†‡ˆ‰‹›][^\W\d_]"
)


class Decoded(NamedTuple):
    """A file's text without a mark, the name of its encoding, and a notice where that was guessed."""

    text: str
    encoding: str
    notices: tuple[Notice, ...] = ()


def decode(content: bytes, *, declared: bool = False) -> Decoded:
    """The text of a file.

    With `declared`, a charset that HTML or XML names in its first 4 KiB counts. DocumentError `unknown_encoding` when
    nothing fits.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return Decoded(_strict(content[len(mark) :], name), name)
    if (wide := without_mark(content)) is not None:
        return _guessed(_strict(content, wide), wide)
    for name in ("utf-8", *(_declared(content) if declared else ())):
        if (text := _fitting(content, name)) is not None:
            return Decoded(text, name)
    if faults := _faults_of_utf8(content):
        raise _broken_utf8(faults)
    for name in _plausible(content):
        text = _fitting(content, name)
        if text is not None and _IMPLAUSIBLE.search(text) is None:
            return _guessed(text, name)
    raise DocumentError(
        "The text is in no encoding that Paperlane knows.",
        code="unknown_encoding",
        hint="Save it as UTF-8 and upload it again.",
    )


def _guessed(text: str, name: str) -> Decoded:
    shown = name.replace("_", "-").replace("cp125", "windows-125").removesuffix("-le").removesuffix("-be").upper()
    message = f"The file names no encoding; it was read as {shown}."
    return Decoded(text, name, (Notice("guessed_encoding", message, {"encoding": shown}),))


def _fitting(content: bytes, name: str) -> str | None:
    try:
        return content.decode(name)
    except (UnicodeDecodeError, LookupError):
        return None


def _strict(content: bytes, name: str) -> str:
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        raise DocumentError(
            f"The file says that it is {name.upper()}, and is not.",
            code="damaged_file",
            hint="Save it as UTF-8 and upload it again.",
        ) from error


def _faults_of_utf8(content: bytes) -> Sequence[int]:
    """The lines, from 1, where a text that is UTF-8 otherwise is not; none for a text in another encoding."""
    text = content.decode("utf-8", "surrogateescape")
    faults = [fault.start() for fault in _ESCAPED.finditer(text)]
    sound = len(_BEYOND_ASCII.findall(text)) - sum(len(fault) for fault in _ESCAPED.findall(text))
    if len(faults) * 10 > sound:
        return ()
    lines: list[int] = []
    line, counted = 1, 0
    for fault in faults:
        line += text.count("\n", counted, fault)
        counted = fault
        if line not in lines[-1:]:
            lines.append(line)
    return lines


def _broken_utf8(lines: Sequence[int]) -> DocumentError:
    named = ", ".join(str(line) for line in lines[:_FAULTS_NAMED]) + (", ..." if len(lines) > _FAULTS_NAMED else "")
    where = f"line {named}" if len(lines) == 1 else f"lines {named}"
    return DocumentError(
        f"The text is UTF-8, but for {where}.",
        code="unknown_encoding",
        hint=f"Write {where} anew, save the file as UTF-8 and upload it again.",
    )


def _declared(content: bytes) -> Iterable[str]:
    if (found := _DECLARED.search(content[:4096])) is not None:
        label = (found[1] or found[2]).decode("ascii", "replace").lower()
        try:
            name = codecs.lookup(label).name
        except LookupError:
            return
        yield _SUPERSETS.get(name, name)


def _plausible(content: bytes) -> Iterable[str]:
    """Encodings that the bytes may be in, the likeliest first."""
    scores = {name: score for name in _CHINESE if (score := _score(content, name)) > 0}
    if scores:
        yield from sorted(scores, key=lambda name: -scores[name])
        return
    western = _fitting(content, "cp1252")
    if western is not None and _NOT_WESTERN.search(western) is None:
        yield "cp1252"
    from charset_normalizer import from_bytes  # noqa: PLC0415  slow to load, and rarely needed

    if (best := from_bytes(content[:_SAMPLE]).best()) is not None:
        yield best.encoding


def _score(content: bytes, name: str) -> float:
    """How Chinese the bytes read in an encoding; 0 when they do not fit."""
    try:
        return likeness(codecs.getincrementaldecoder(name)().decode(content[:_SAMPLE]))
    except UnicodeDecodeError:
        return 0.0
