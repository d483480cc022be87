"""The guard in front of Office files: refuses, before unpacking, what no honest program writes."""

import zipfile
from typing import BinaryIO

from paperlane.errors import DocumentError

_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2: the container of old and of encrypted Office files
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # [MS-OFFCRYPTO] 2.3.4.4
_MOST_ENTRIES = 10_000
_MOST_BYTES = 256 << 20  # of a part
_WORST_RATIO = 400
_SMALL = 1 << 20
_LOCKED = 1  # APPNOTE.TXT 4.4.4, bit 0

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
        return _password_required()
    return DocumentError(
        "The file is an old binary Office file.", code="unsupported_type", hint="Save it as .docx and upload that."
    )


def _password_required() -> DocumentError:
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
        raise _too_complex("The file holds far too many parts.")


def _too_complex(message: str) -> DocumentError:
    return DocumentError(message, code="too_complex", hint="Split the document, or leave out very large parts.")


def part(package: zipfile.ZipFile, name: str) -> bytes:
    """A part of the package, XML without a document type: entities could make it explode or fetch.

    Only what is read is unpacked, so a large picture does no harm.
    """
    entry = package.getinfo(name)
    if entry.flag_bits & _LOCKED:
        raise _password_required()
    ratio = entry.file_size / max(1, entry.compress_size) if entry.file_size > _SMALL else 0.0
    if entry.file_size > _MOST_BYTES or ratio > _WORST_RATIO:
        raise _too_complex("The file unpacks to far more than it seems to hold.")
    content = package.read(entry)
    if b"<!DOCTYPE" in content or "<!DOCTYPE".encode("utf-16-le") in content:
        raise DocumentError("The file declares its own XML entities.", code="damaged_file", hint=_SAVE_ANEW)
    return content
