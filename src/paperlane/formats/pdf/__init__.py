"""PDF: the text of each page, with headings by the outline, structure tags or their looks, and the cells of tables.

Nothing is ever drawn: a picture that would fill the memory is only counted.
"""

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, BinaryIO

import pypdfium2
import pypdfium2.raw as pdfium

from paperlane.errors import DocumentError
from paperlane.formats import Tell
from paperlane.formats.pdf import calls
from paperlane.formats.pdf.blocks import blocks_of
from paperlane.formats.pdf.contents import contents_of
from paperlane.formats.pdf.fields import values_of
from paperlane.formats.pdf.headings import headings_from
from paperlane.formats.pdf.letters import unknown_share
from paperlane.formats.pdf.levels import tagged_levels
from paperlane.formats.pdf.looks import edges_of, looks_of
from paperlane.formats.pdf.lost import lost_pages
from paperlane.formats.pdf.page import Holds, Page, Source, Title, cleaned, index_of, with_cells
from paperlane.formats.pdf.pictures import has_picture, is_mostly_picture, is_outlined, is_stamped
from paperlane.formats.pdf.ruled import real_tables, ruled_place
from paperlane.formats.pdf.running import running_lines
from paperlane.formats.pdf.tags import tagged_place, tags_of, titles_of
from paperlane.model.documents import Block, Notice, Parsed, Upload

_HEAD = 1024  # a reader finds "%PDF" within so many bytes (Adobe's implementation note 13)
_STARTXREF = re.compile(rb"startxref\s+(\d+)\s")
_XREF = re.compile(
    rb"\s*(?:\d+\s+\d+\s+obj|xref\s+(?:\d{1,10}\s+\d{1,10}\s+(?:\d{10}\s\d{5}\s[nf]\s*)*)+trailer)"
)  # ISO 32000-1, 7.5.4
_PASSWORD, _SECURITY = 4, 5  # FPDF_ERR_*
_MAY_COPY = 1 << 4  # ISO 32000-1, table 22
_OCR_PAGES = 20
_DEEPEST = 9
_LONGEST_TITLE = 512  # bytes; a longer one is asked for again
_LOW_TEXT = 40  # letters of a page, the fewest that tell of its having been read
_MUCH_TEXT = 1000  # letters of a page that is no scan with a stamp, whatever it shows beside them
_PARTLY_UNKNOWN = 0.2  # of a page's letters; fewer are bullets, marks of checked boxes and the like
_MOSTLY_UNKNOWN = 0.5
_MOST_ASKED = 50  # pages; a document with so much text was read
_MOST_NAMED = 8
_TAGS = Source.CELLS | Source.TITLES
EVERY_SOURCE = _TAGS | Source.LOOKS


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """All pages' text, parted by form feeds."""
    content = file.read()
    if b"%PDF" not in content[:_HEAD]:
        raise DocumentError(
            "The file is no PDF.", code="not_a_pdf", hint="Check that the right file was chosen; save it as PDF anew."
        )
    document = _opened(content)
    try:
        document.init_forms()
        titles = _outline(document)
        pages = list(pages_of(document, tell, Source.CELLS if titles else EVERY_SOURCE))
        lost = set(lost_pages(document, _numbers(pages, Holds.NOTHING)))
        lost.update(_numbers(pages, Holds.UNKNOWN))
        repaired = _is_repaired(content)
        if not any(page.text.strip() for page in pages):
            seen = any(page.holds in {Holds.PICTURE, Holds.SIGNS} for page in pages)
            _say_why_there_is_no_text(document, seen=seen, damaged=repaired or bool(lost))
        locked = not pdfium.FPDF_GetDocPermissions(document) & _MAY_COPY
    finally:
        document.close()
    text = "\f".join(page.text for page in pages)
    of_file = [notice for notice, holds in ((_REPAIRED, repaired), (_NO_COPYING, locked)) if holds]
    unread = len(lost) + len(_numbers(pages, Holds.PICTURE)) + len(_numbers(pages, Holds.SIGNS))
    return Parsed(
        upload.name, upload.media_type, text, tuple(structured(pages, titles)),
        notices=(*of_file, *_notices(pages, sorted(lost))), pages=len(pages), unread=unread,
    )  # fmt: skip


def structured(pages: Sequence[Page], outline: Sequence[Title]) -> Iterator[Block]:
    """The blocks of all pages, whose texts stand one form feed apart, with the headings of the best source."""
    running = running_lines(pages)
    contents = contents_of(pages, running)
    titles = tagged_levels(outline, pages) or headings_from(pages, running, contents)
    return blocks_of(pages, titles, running, contents.lines)


_REPAIRED = Notice("repaired", "The file is damaged and was read as far as it could be; parts may be missing.")
# Anybody may read such a file, so it is tested; who hands a report on should know.
_NO_COPYING = Notice("no_copying", "The file's author does not permit its text to be copied out; issues quote it.")


def _numbers(pages: Sequence[Page], holds: Holds) -> Sequence[int]:
    return [number for number, page in enumerate(pages) if page.holds is holds]


def _notices(pages: Sequence[Page], lost: Sequence[int]) -> Iterator[Notice]:
    """Names the pages that could not be read, and those with hardly any text where it is missed."""
    if lost:
        named = _named(lost)
        yield Notice("pages_unread", f"These pages are damaged and could not be read: {named}.", {"pages": named})
    if signs := _numbers(pages, Holds.SIGNS):
        named = _named(signs)
        message = (
            f"The fonts of these pages do not tell their letters: {named}; they need text recognition (OCR) first."
        )
        yield Notice("unknown_letters", message, {"pages": named})
    short = _numbers(pages, Holds.PICTURE)
    filled = {number: page.letters for number, page in enumerate(pages) if page.holds in {None, Holds.PICTURE}}
    if not short and 0 < sum(filled.values()) < _LOW_TEXT * min(len(filled), _MOST_ASKED):
        short = [number for number, letters in filled.items() if letters < _LOW_TEXT]
    if short:
        named = _named(short)
        message = f"These pages hold hardly any text: {named}; scanned pages need text recognition (OCR) first."
        yield Notice("low_text", message, {"pages": named})


def _named(numbers: Sequence[int]) -> str:
    """Pages by their numbers from 1, neighbours as a range, and not too many: "2, 5-9"."""
    runs = [list(run) for _, run in groupby(enumerate(numbers), lambda at: at[1] - at[0])]
    spans = [(run[0][1] + 1, run[-1][1] + 1) for run in runs]
    named = ", ".join(f"{first}-{last}" if first < last else f"{first}" for first, last in spans[:_MOST_NAMED])
    return f"{named}, ..." if len(spans) > _MOST_NAMED else named


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


def pages_of(document: pypdfium2.PdfDocument, tell: Tell, sources: Source) -> Iterator[Page]:
    """What the pages tell of themselves; looks are left out once a tag has told a heading."""
    count = len(document)
    if count == 0:
        raise DocumentError("The file holds no page.", code="damaged_file", hint="Save it anew and upload that.")
    for number in range(count):
        page = _page(document, number, sources)
        if page.tagged:
            sources &= ~Source.LOOKS
        yield page
        if number % 8 == 0:
            tell(0.9 * number / count, f"page {number + 1} of {count}")


def _page(document: pypdfium2.PdfDocument, number: int, sources: Source) -> Page:
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return Page("", holds=Holds.UNKNOWN)
    try:
        words = page.get_textpage()
        try:
            count = words.count_chars()
            raw = words.get_text_range(0, count) if count > 0 else ""
            unknown = unknown_share(raw, words, count)
            if unknown >= _MOSTLY_UNKNOWN:
                return Page("", holds=Holds.SIGNS)
            read = _read_page(page, words, raw, number, sources)
            if values := "\n\n".join(map(cleaned, values_of(page))):
                read = replace(read, text=f"{read.text}\n\n{values}")  # each one a block of its own
            holds = Holds.SIGNS if unknown >= _PARTLY_UNKNOWN else _holds(page, words, read)
            return replace(read, holds=holds) if holds is not None else read
        finally:
            words.close()
    except pypdfium2.PdfiumError:
        return Page("", holds=Holds.UNKNOWN)
    finally:
        page.close()


def _holds(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, read: Page) -> Holds | None:
    if not read.text and pdfium.FPDFPage_CountObjects(page) == 0:
        return Holds.NOTHING
    letters = read.letters
    if letters >= _MUCH_TEXT:
        return None
    hardly_any = letters < _LOW_TEXT and (is_mostly_picture(page) or is_outlined(page))
    pictured = hardly_any or is_stamped(page, words)
    return Holds.PICTURE if pictured else None


def _read_page(page: pypdfium2.PdfPage, words: pypdfium2.PdfTextPage, raw: str, number: int, sources: Source) -> Page:
    if not raw:
        return Page("")
    index = index_of(words, raw)
    edges = edges_of(page, words, raw, index)
    levels: Sequence[int] = ()
    if sources & _TAGS and (tags := tags_of(page)) is not None:
        levels = [level for level, _ in tags.headings]
        text, cells = with_cells(raw, index, tagged_place(tags, words)) if tags.cells else (cleaned(raw), ())
        tagged = tuple(titles_of(tags, page, words, number)) if Source.TITLES in sources else ()
    else:
        ruled = ruled_place(page, words)
        text, cells = with_cells(raw, index, ruled) if ruled is not None else (cleaned(raw), ())
        cells, tagged = real_tables(cells), ()
    looks = () if tagged or Source.LOOKS not in sources else tuple(looks_of(page, words, raw, index))
    return Page(text, tagged, cells, edges, looks, levels)


def _say_why_there_is_no_text(document: pypdfium2.PdfDocument, *, seen: bool, damaged: bool) -> None:
    """DocumentError for what only eyes can read, and for damage; pages that are simply empty are no error."""
    if seen or _has_pictures(document):
        raise DocumentError(
            "The pages are pictures without text that can be read.",
            code="needs_ocr",
            hint="Run text recognition (OCR) on the file and upload the result.",
        )
    if damaged:
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
            if has_picture(page):
                return True
        finally:
            page.close()
    return False


def _outline(document: pypdfium2.PdfDocument) -> list[Title]:
    """The outline's titles that lead to a page, each mark once: in a broken file they may go round in a ring."""
    titles: list[Title] = []
    own = calls.reference(document.raw)
    buffer = ctypes.create_string_buffer(_LONGEST_TITLE)
    waiting = [(calls.first_mark(own, None), 1)]
    passed: set[int] = set()
    while waiting:
        mark, level = waiting.pop()
        if not mark or mark.value in passed:
            continue
        passed.add(mark.value)
        waiting.append((calls.next_mark(own, mark), level))
        if level < _DEEPEST:
            waiting.append((calls.first_mark(own, mark), level + 1))
        target = calls.target_of(own, mark)
        page = calls.page_of(own, target) if target else -1
        if page >= 0 and (title := _title(mark, buffer)):
            titles.append(Title(title, level, page))
    return titles


def _title(mark: calls.Handle, buffer: Any) -> str:
    length = calls.title_of(mark, buffer, ctypes.c_ulong(len(buffer)))
    if length > len(buffer):
        return _title(mark, ctypes.create_string_buffer(length))
    return buffer.raw[: max(length - 2, 0)].decode("utf-16-le", "replace").strip()
