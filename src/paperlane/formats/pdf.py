"""PDF: the text of each page, with headings by the outline or by structure tags.

Nothing is ever drawn: a picture that would fill the memory is only counted.
"""

import ctypes
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.errors import DocumentError
from paperlane.formats import Tell
from paperlane.formats.lines import trimmed
from paperlane.model.documents import Block, BlockKind, Notice, Parsed, Upload

_HEAD = 1024  # a reader finds "%PDF" within so many bytes (Adobe's implementation note 13)
_STARTXREF = re.compile(rb"startxref\s+(\d+)\s")
_XREF = re.compile(
    rb"\s*(?:\d+\s+\d+\s+obj|xref\s+(?:\d{1,10}\s+\d{1,10}\s+(?:\d{10}\s\d{5}\s[nf]\s*)*)+trailer)"
)  # ISO 32000-1, 7.5.4
_PASSWORD, _SECURITY = 4, 5  # FPDF_ERR_*
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(
    r"^(?:(?:chapter|section|appendix|annex|part)\s*)?[\dA-Z]{0,2}(?:[.\d]+)?[.、:：)]?$", re.IGNORECASE
)
_BULLET = re.compile(r"\s*(?:[-–•·●○▪■◦*]|\(?[a-z\d]{1,2}[.)]|[①-⑳]|【\S{1,4}】)\s*\S")
_ENDS = tuple(".!?:;。！？：；")
_FUNCTION = re.compile(r"(.+)/\d{1,2}")
_SHORT = 0.72
_OCR_PAGES = 20
_DEEPEST = 9
_TAGGED = re.compile(r"H([1-6])$")
_MOST_OBJECTS = 20_000


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """All pages' text, parted by form feeds."""
    content = file.read()
    if b"%PDF" not in content[:_HEAD]:
        raise DocumentError(
            "The file is no PDF.", code="not_a_pdf", hint="Check that the right file was chosen; save it as PDF anew."
        )
    document = _opened(content)
    try:
        pages = list(_pages(document, tell))
        repaired = _is_repaired(content)
        if not any(page.text.strip() for page in pages):
            _say_why_there_is_no_text(document, repaired=repaired)
        titles = _outline(document)
    finally:
        document.close()
    if not titles:
        titles = [title for page in pages for title in page.tagged]
    text, starts = "\f".join(page.text for page in pages), _starts(pages)
    blocks = tuple(_blocks(pages, starts, titles))
    notices = (_REPAIRED,) if repaired else ()
    return Parsed(upload.name, upload.media_type, text, blocks, notices=notices, pages=len(pages))


_REPAIRED = Notice("repaired", "The file is damaged and was read as far as it could be; parts may be missing.")


def _opened(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code == _PASSWORD:
            raise DocumentError(
                "The file asks for a password.",
                code="password_required",
                hint="Remove the password in the program that wrote it, and upload it again.",
            ) from error
        what = "is encrypted in a way that cannot be read" if code == _SECURITY else "is damaged"
        raise DocumentError(
            f"The file {what}.", code="damaged_file", hint="Open it in another reader, print it to PDF and upload that."
        ) from error


def _is_repaired(content: bytes) -> bool:
    """Does the end of the file point at no sound cross-reference, so that the objects had to be searched for?"""
    found = _STARTXREF.findall(content[-2048:])
    if not found:
        return True
    at = int(found[-1])
    shifted = at + max(0, content[:_HEAD].find(b"%PDF"))
    return _XREF.match(content, at) is None and _XREF.match(content, shifted) is None


@dataclass(frozen=True, slots=True)
class _Title:
    """A heading that the file tells of: its page counts from 0."""

    text: str
    level: int
    page: int


@dataclass(frozen=True, slots=True)
class _Page:
    text: str
    tagged: Sequence[_Title]


def _pages(document: pypdfium2.PdfDocument, tell: Tell) -> Iterator[_Page]:
    count = len(document)
    if count == 0:
        raise DocumentError("The file holds no page.", code="damaged_file", hint="Save it anew and upload that.")
    unread = 0
    for number in range(count):
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            unread += 1
            yield _Page("", ())
            continue
        try:
            words = page.get_textpage()
            try:
                text = _cleaned(words.get_text_range()) if words.count_chars() > 0 else ""
                tagged = tuple(_tagged(page, words, number)) if text else ()
            finally:
                words.close()
        finally:
            page.close()
        yield _Page(text, tagged)
        if number % 8 == 0:
            tell(0.9 * number / count, f"page {number + 1} of {count}")
    if unread == count:
        raise DocumentError("No page could be read.", code="damaged_file", hint="Print it to PDF anew and upload that.")


def _cleaned(text: str) -> str:
    """Pdfium ends lines with CR LF and marks a hyphen at a line's end with U+FFFE (or U+0002)."""
    return (
        text.replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\ufffe", "-")
        .replace("\x02", "-")
        .replace("\0", "")
        .replace("\f", " ")
    )


def _say_why_there_is_no_text(document: pypdfium2.PdfDocument, *, repaired: bool) -> None:
    """DocumentError for pictures and for damage; pages that are simply empty are no error."""
    if _has_pictures(document):
        raise DocumentError(
            "The pages are pictures without text.",
            code="needs_ocr",
            hint="Run text recognition (OCR) on the file and upload the result.",
        )
    if repaired:
        raise DocumentError(
            "The file is damaged, and no text could be saved from it.",
            code="damaged_file",
            hint="Open it in another reader, print it to PDF and upload that.",
        )


def _has_pictures(document: pypdfium2.PdfDocument) -> bool:
    for number in range(min(len(document), _OCR_PAGES)):
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            continue
        try:
            for at in range(min(pdfium.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
                if pdfium.FPDFPageObj_GetType(pdfium.FPDFPage_GetObject(page, at)) == pdfium.FPDF_PAGEOBJ_IMAGE:
                    return True
        finally:
            page.close()
    return False


def _outline(document: pypdfium2.PdfDocument) -> list[_Title]:
    titles: list[_Title] = []
    try:
        for bookmark in document.get_toc(max_depth=_DEEPEST):
            target = bookmark.get_dest()
            page = target.get_index() if target is not None else None
            if page is not None and (title := bookmark.get_title().strip()):
                titles.append(_Title(title, min(bookmark.level + 1, _DEEPEST), page))
    except pypdfium2.PdfiumError:
        return titles
    return titles


def _tagged(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, number: int) -> Iterator[_Title]:
    """Headings by the structure tags H1 to H6 (ISO 32000-1, 14.8.4.3), whose text the marked content holds."""
    tree = pdfium.FPDF_StructTree_GetForPage(page)
    if not tree:
        return
    try:
        marks = list(_headings_in(tree))
        if marks:
            texts = _marked_texts(page, words, {mark for _, ids in marks for mark in ids})
            for level, ids in marks:
                if title := "".join(texts.get(mark, "") for mark in ids).strip():
                    yield _Title(title, level, number)
    finally:
        pdfium.FPDF_StructTree_Close(tree)


def _headings_in(tree: object) -> Iterator[tuple[int, list[int]]]:
    waiting = [
        pdfium.FPDF_StructTree_GetChildAtIndex(tree, at) for at in range(pdfium.FPDF_StructTree_CountChildren(tree))
    ]
    waiting.reverse()
    seen = 0
    while waiting and seen < _MOST_OBJECTS:  # a broken tree may hold rings
        element = waiting.pop()
        seen += 1
        if not element:
            continue
        kind = _TAGGED.match(_string(pdfium.FPDF_StructElement_GetType, element))
        if kind is not None:
            yield int(kind[1]), list(_marks_of(element))
            continue
        children = pdfium.FPDF_StructElement_CountChildren(element)
        waiting += [pdfium.FPDF_StructElement_GetChildAtIndex(element, at) for at in reversed(range(children))]


def _marks_of(element: object) -> Iterator[int]:
    waiting, seen = [element], 0
    while waiting and seen < _MOST_OBJECTS:
        inside = waiting.pop()
        seen += 1
        for at in range(pdfium.FPDF_StructElement_CountChildren(inside)):
            mark = pdfium.FPDF_StructElement_GetChildMarkedContentID(inside, at)
            if mark >= 0:
                yield mark
            elif child := pdfium.FPDF_StructElement_GetChildAtIndex(inside, at):
                waiting.append(child)


def _string(ask: object, *of: object) -> str:
    """What one of pdfium's functions writes into a buffer, in UTF-16."""
    length: int = ask(*of, None, 0)  # pyright: ignore[reportCallIssue]  a C function
    if length <= 2:  # noqa: PLR2004  its closing zero
        return ""
    buffer = ctypes.create_string_buffer(length)
    ask(*of, buffer, length)  # pyright: ignore[reportCallIssue]
    return buffer.raw[: length - 2].decode("utf-16-le", "replace")


def _text_of(item: object, words: pypdfium2.PdfTextPage) -> str:
    length = pdfium.FPDFTextObj_GetText(item, words, None, 0)
    if length <= 2:  # noqa: PLR2004  its closing zero
        return ""
    buffer = (ctypes.c_ushort * (length // 2 + 1))()
    pdfium.FPDFTextObj_GetText(item, words, buffer, length)
    return bytes(buffer)[: length - 2].decode("utf-16-le", "replace")


def _marked_texts(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, wanted: set[int]) -> Mapping[int, str]:
    found: defaultdict[int, str] = defaultdict(str)
    for at in range(min(pdfium.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        item = pdfium.FPDFPage_GetObject(page, at)
        if pdfium.FPDFPageObj_GetType(item) == pdfium.FPDF_PAGEOBJ_TEXT:
            mark = pdfium.FPDFPageObj_GetMarkedContentID(item)
            if mark in wanted:
                found[mark] += _text_of(item, words)
    return found


def _starts(pages: Sequence[_Page]) -> list[int]:
    starts, at = [], 0
    for page in pages:
        starts.append(at)
        at += len(page.text) + 1
    return starts


def _blocks(pages: Sequence[_Page], starts: Sequence[int], titles: Sequence[_Title]) -> Iterator[Block]:
    by_page: defaultdict[int, list[_Title]] = defaultdict(list)
    for title in titles:
        by_page[title.page].append(title)
    for number, page in enumerate(pages):
        lines = _lines(page.text)
        headings = _located(page.text, lines, by_page[number])
        for kind, level, first, last in _joined(page.text, lines, headings):
            start, end = trimmed(page.text, first, last)
            if start < end:
                yield Block(kind, starts[number] + start, starts[number] + end, level, number + 1)


def _lines(text: str) -> list[tuple[int, int]]:
    lines, at = [], 0
    for line in text.split("\n"):
        lines.append((at, at + len(line)))
        at += len(line) + 1
    return lines


def _folded(text: str) -> str:
    return _SPACE.sub("", text).casefold()


def _located(text: str, lines: Sequence[tuple[int, int]], titles: Sequence[_Title]) -> dict[int, tuple[int, int]]:
    """For the first line of each title that is found: (its last line, its level). Titles come in reading order."""
    folded = [_folded(text[start:end]) for start, end in lines]
    found: dict[int, tuple[int, int]] = {}
    after = 0
    for title in titles:
        wanted = _folded(title.text)
        place = _find(folded, wanted, after) or _find(folded, wanted, 0) or _find_function(folded, wanted, after)
        if place is not None and place[0] not in found:
            found[place[0]] = (place[1], title.level)
            after = place[1] + 1
    return found


def _find(folded: Sequence[str], wanted: str, after: int) -> tuple[int, int] | None:
    """The lines that say the title, three at most, perhaps behind its number."""
    for first in range(after, len(folded)):
        if not folded[first]:
            continue
        said = ""
        for last in range(first, min(first + 3, len(folded))):
            said += folded[last]
            if said == wanted or (said.endswith(wanted) and _NUMBER.match(said[: -len(wanted)])):
                return first, last
            if wanted.endswith(said) and last == first and _NUMBER.match(wanted[: -len(said)]) and len(said) > 1:
                return first, last
    return None


def _find_function(folded: Sequence[str], wanted: str, after: int) -> tuple[int, int] | None:
    """Manuals list a function by its name and number of arguments, and print it with their names."""
    if (function := _FUNCTION.fullmatch(wanted)) is None:
        return None
    begins = function[1] + "("
    return next(((line, line) for line in range(after, len(folded)) if folded[line].startswith(begins)), None)


def _joined(
    text: str, lines: Sequence[tuple[int, int]], headings: Mapping[int, tuple[int, int]]
) -> Iterator[tuple[BlockKind, int, int, int]]:
    """Lines join into paragraphs until one ends a thought: a short line, an end of sentence, a bullet, a heading."""
    widths = sorted(end - start for start, end in lines if end > start)
    full = widths[int(len(widths) * 0.9)] if widths else 0
    begin, kind, number = -1, BlockKind.PARAGRAPH, 0
    while number < len(lines):
        start, end = lines[number]
        heading = headings.get(number)
        fresh = heading is not None or start == end or _BULLET.match(text, start, end) is not None
        if begin >= 0 and (fresh or _ended(text, lines[number - 1], full)):
            yield kind, 0, begin, lines[number - 1][1]
            begin = -1
        if heading is not None:
            last, level = heading
            yield BlockKind.HEADING, level, start, lines[last][1]
            number = last + 1
            continue
        if begin < 0 and start < end:
            begin = start
            kind = BlockKind.LIST_ITEM if _BULLET.match(text, start, end) else BlockKind.PARAGRAPH
        number += 1
    if begin >= 0:
        yield kind, 0, begin, lines[-1][1]


def _ended(text: str, line: tuple[int, int], full: int) -> bool:
    start, end = line
    said = text[start:end].rstrip()
    short = len(said) < full * _SHORT
    return short and (said.endswith(_ENDS) or len(said) < full / 2)
