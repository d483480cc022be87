"""Reading files: bytes of a known format become text with structure, or an error that says what to do.

Recognising is cheap and loads nothing; each format's reader is loaded when its first file is read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import PurePath
from typing import BinaryIO, Protocol

from paperlane.compiling import later
from paperlane.errors import DocumentError
from paperlane.formats.utf16 import without_mark
from paperlane.model.documents import PRESENTATION, WORKBOOK, Notice, Parsed, Upload

Tell = Callable[[float, str], None]
"""Told the share of the file that is read, 0..1, and a message."""


class Read(Protocol):
    """A format's reader: DocumentError for what it cannot read, any other error for damage.

    Who opened the file knows whether the system failed to read it, whatever is raised then: the sandbox's child does.
    """

    def __call__(self, upload: Upload, file: BinaryIO, tell: Tell) -> Parsed: ...


@dataclass(frozen=True, slots=True)
class Format:
    """A document format; `module` under `paperlane.formats` holds its `read`.

    Its files begin with one of `begins`.
    """

    name: str
    media_type: str
    suffixes: tuple[str, ...]
    module: str
    begins: tuple[bytes, ...] = (b"",)

    def read(self, upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
        """Read a file with this format's reader."""
        reader: Read = import_module(f"paperlane.formats.{self.module}").read
        return reader(upload, file, tell)


# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt), and the empty cell of braille
_UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEEN = later(rf"[^\s\x00-\x1f\x7f-\x9f{_UNSEEN}]")
_OFFICE = "application/vnd.openxmlformats-officedocument."
_DOCX = f"{_OFFICE}wordprocessingml.document"
_ODT = "application/vnd.oasis.opendocument.text"
# A zip, or the container of an encrypted one and of an old .doc: the reader says which of the two it is.
_PACKAGES = (b"PK", b"\xd0\xcf\x11\xe0")

FORMATS: Mapping[str, Format] = {
    form.name: form
    for form in (
        Format("Markdown", "text/markdown", (".md", ".markdown", ".mdown"), "markdown"),
        Format("reStructuredText", "text/x-rst", (".rst", ".rest"), "rst"),
        Format("HTML", "text/html", (".html", ".htm", ".xhtml"), "html"),
        Format("plain text", "text/plain", (".txt", ".text"), "text"),
        Format("PDF", "application/pdf", (".pdf",), "pdf"),
        Format("DOCX", _DOCX, (".docx", ".docm", ".dotx", ".dotm"), "docx", _PACKAGES),
        Format("ODT", _ODT, (".odt", ".ott"), "odt", _PACKAGES),
        Format("PPTX", PRESENTATION, (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"), "pptx", _PACKAGES),
        Format("XLSX", WORKBOOK, (".xlsx", ".xlsm", ".xltx", ".xltm"), "xlsx", _PACKAGES),
    )
}

_BY_SUFFIX = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}
_BY_MEDIA_TYPE = {form.media_type: form for form in FORMATS.values()}
# What older programs wrote, and others write, has a form that can be read.
_BETTER = {
    **dict.fromkeys((".doc", ".dot", ".rtf", ".wps", ".pages"), ".docx"),
    **dict.fromkeys((".ppt", ".pps", ".pot", ".odp", ".key"), ".pptx"),
    **dict.fromkeys((".xls", ".xlt", ".xlsb", ".ods", ".numbers"), ".xlsx"),
    ".fodt": ".odt",
}
_TEXTS = ("markdown", "rst", "html", "text")
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Archives, documents, programs and pictures, by the bytes that each begins with. Not HTML: it is text, misnamed or not.
_NO_TEXTS = (
    b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07",
    b"%PDF-", b"{\\rtf", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x7fELF",
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a",
)  # fmt: skip


def recognise(name: str, head: bytes) -> Format:
    """The format of a file by its name and its first bytes (4 KiB do).

    DocumentError `unsupported_type` for everything else, also for a program or an archive in a text file's clothes, or
    a PDF in those of a .docx. What is named .pdf and is none, its reader refuses as `not_a_pdf`.
    """
    suffix = PurePath(name).suffix.lower()
    form = _BY_SUFFIX.get(suffix)
    if form is None:
        known = f"Supported are {', '.join(sorted(_BY_SUFFIX))}."
        hint = f"Save it as {_BETTER[suffix]}. {known}" if suffix in _BETTER else known
        raise DocumentError("Files of this type cannot be tested.", code="unsupported_type", hint=hint)
    if not head.startswith(form.begins) or (form.module in _TEXTS and not _is_text(head)):
        raise DocumentError(
            f"The file is named {form.name} but holds something else.",
            code="unsupported_type",
            hint="Check that the right file was chosen.",
        )
    return form


def _is_text(head: bytes) -> bool:
    if head.startswith(_NO_TEXTS):
        return False
    return b"\x00" not in head or head.startswith(_WIDE_MARKS) or without_mark(head) is not None


def read(upload: Upload, file: BinaryIO, tell: Tell) -> Parsed:
    """The text and structure of a file; DocumentError with a code and a hint when it cannot be had."""
    form = _BY_MEDIA_TYPE[upload.media_type]
    try:
        parsed = form.read(upload, file, tell)
    except (DocumentError, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise DocumentError(
            f"The {form.name} file is damaged ({type(error).__name__}).",
            code="damaged_file",
            hint="Open it in the program that wrote it, save it anew and upload that.",
        ) from error
    return _with_notices(parsed)


def _with_notices(parsed: Parsed) -> Parsed:
    """Say so when there is nothing to test, as in a file of blanks, of front matter alone or of what nobody sees."""
    if any(_SEEN.search(parsed.text, block.start, block.end) for block in parsed.blocks):
        return parsed
    nothing = Notice("no_text", "The file holds no text, so nothing could be tested.")
    if parsed.blocks:
        said = "The file holds only characters that do not show, as zero-width spaces, so nothing could be tested."
        nothing = Notice("only_invisible", f"{said} Copy or export its text anew.")
    return replace(parsed, blocks=(), notices=(*parsed.notices, nothing))
