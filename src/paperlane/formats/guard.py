"""The guard in front of Office files: refuses, before unpacking, what no honest program writes."""

import zipfile
from typing import BinaryIO

from paperlane.errors import DocumentError

_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2: the container of old and of encrypted Office files
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # [MS-OFFCRYPTO] 2.3.4.4
_MOST_ENTRIES = 10_000
_MOST_BYTES = 1 << 30
_MOST_OF_ONE = 256 << 20
_WORST_RATIO = 400
_SMALL = 1 << 20

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
        return DocumentError(
            "The file is encrypted with a password.",
            code="password_required",
            hint="Remove the password in the program that wrote it, and upload it again.",
        )
    return DocumentError(
        "The file is an old binary Office file.", code="unsupported_type", hint="Save it as .docx and upload that."
    )


def _check(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise DocumentError("The file holds two parts of one name.", code="damaged_file", hint=_SAVE_ANEW)
    total = sum(entry.file_size for entry in entries)
    worst = max((_ratio(entry) for entry in entries), default=0.0)
    largest = max((entry.file_size for entry in entries), default=0)
    if len(entries) > _MOST_ENTRIES or total > _MOST_BYTES or largest > _MOST_OF_ONE or worst > _WORST_RATIO:
        raise DocumentError(
            "The file unpacks to far more than it seems to hold.",
            code="too_complex",
            hint="Split the document, or leave out very large parts.",
        )


def _ratio(entry: zipfile.ZipInfo) -> float:
    return entry.file_size / max(1, entry.compress_size) if entry.file_size > _SMALL else 0.0


def part(package: zipfile.ZipFile, name: str) -> bytes:
    """A part of the package, XML without a document type: entities could make it explode or fetch."""
    content = package.read(name)
    if b"<!DOCTYPE" in content or "<!DOCTYPE".encode("utf-16-le") in content:
        raise DocumentError("The file declares its own XML entities.", code="damaged_file", hint=_SAVE_ANEW)
    return content
