"""The guard in front of Office files: refuses, before unpacking, what no honest program writes."""

import re
import zipfile
from typing import BinaryIO

from paperlane.errors import DocumentError

_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2: the container of old and of encrypted Office files
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # [MS-OFFCRYPTO] 2.3.4.4
_OLD = {  # the main streams: [MS-DOC] 2.1.1, [MS-PPT] 2.1.2, [MS-XLS] 2.1.2; a document may hold a workbook
    "WordDocument": ".docx", "PowerPoint Document": ".pptx", "Workbook": ".xlsx", "Book": ".xlsx",
}  # fmt: skip
_MOST_ENTRIES = 10_000
_MOST_BYTES = 256 << 20  # of a part
_MOST_ALTOGETHER = 1 << 30  # of the parts that are XML
_WORST_RATIO = 400
_SMALL = 1 << 20
_LOCKED = 1  # APPNOTE.TXT 4.4.4, bit 0
_DOCTYPE = "<!DOCTYPE"
_WIDE_DOCTYPES = tuple(map(_DOCTYPE.encode, ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")))
_WIDE = b"\x00"
_BLANKS = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"  # the marks of encodings, and what may stand before an element
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)[\"']")
_HEAD = 400
_PLAIN = re.compile(  # encodings in which "<!DOCTYPE" has no second spelling
    rb"utf-?8|utf-?16(?:[bl]e)?|utf-?32(?:[bl]e)?|(?:us-)?ascii|iso-8859-\d+|windows-125\d|gb2312|gbk|gb18030|big5",
    re.IGNORECASE,
)

_SAVE_ANEW = "Open it in the program that wrote it, save it anew and upload that."


def opened(file: BinaryIO) -> zipfile.ZipFile:
    """The package, once it is known to be harmless to unpack; DocumentError says what is wrong with it."""
    head = file.read(len(_CFB))
    if head == _CFB:
        raise _container(head + file.read())
    file.seek(0)
    try:
        package = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise DocumentError("The file is cut off or damaged.", code="damaged_file", hint=_SAVE_ANEW) from error
    _check(package.infolist())
    return package


def _container(content: bytes) -> DocumentError:
    if _ENCRYPTED in content:
        return password_required()
    new = next((suffix for stream, suffix in _OLD.items() if stream.encode("utf-16-le") in content), ".docx")
    return DocumentError(
        "The file is an old binary Office file.", code="unsupported_type", hint=f"Save it as {new} and upload that."
    )


def password_required() -> DocumentError:
    """The file is encrypted."""
    return DocumentError(
        "The file is encrypted with a password.",
        code="password_required",
        hint="Remove the password in the program that wrote it, and upload it again.",
    )


def _check(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise DocumentError("The file holds two parts of one name.", code="damaged_file", hint=_SAVE_ANEW)
    if len(entries) > _MOST_ENTRIES:
        raise too_complex("The file holds far too many parts.")
    if sum(entry.file_size for entry in entries if entry.filename.endswith((".xml", ".rels"))) > _MOST_ALTOGETHER:
        raise too_complex("The file unpacks to far more than it seems to hold.")


def too_complex(message: str) -> DocumentError:
    """The file would take too much."""
    return DocumentError(message, code="too_complex", hint="Split the document, or leave out very large parts.")


def part(package: zipfile.ZipFile, name: str) -> bytes:
    """A part of the package, XML without a document type: entities could make it explode or fetch.

    Only what is read is unpacked, so a large picture does no harm.
    """
    entry = package.getinfo(name)
    if entry.flag_bits & _LOCKED:
        raise password_required()
    ratio = entry.file_size / max(1, entry.compress_size) if entry.file_size > _SMALL else 0.0
    if entry.file_size > _MOST_BYTES or ratio > _WORST_RATIO:
        raise too_complex("The file unpacks to far more than it seems to hold.")
    content = package.read(entry)
    if _has_doctype(content):
        raise DocumentError("The file declares its own XML entities.", code="damaged_file", hint=_SAVE_ANEW)
    return content


def _has_doctype(content: bytes) -> bool:
    """Is a document type declared, or may one be, in an encoding that spells it in a way of its own?"""
    head = content[:_HEAD].lstrip(_BLANKS)
    declared = _DECLARED.match(head.replace(_WIDE, b""))
    if head[:1] not in {b"<", b""} or (declared is not None and _PLAIN.fullmatch(declared[1]) is None):
        return True
    return _DOCTYPE.encode() in content or (_WIDE in content and any(wide in content for wide in _WIDE_DOCTYPES))
