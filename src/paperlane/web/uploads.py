"""Receiving uploads: multipart bodies stream into blobs as they arrive, in bounded memory."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath, PureWindowsPath
from time import monotonic
from typing import Any
from urllib.parse import unquote

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from paperlane.blobs import Blobs, Writing
from paperlane.checks import CHECKS, PROFILES, brief_of, check_known, names_in
from paperlane.errors import BadRequest, DocumentError, StoreAway, TookTooLong, TooLarge
from paperlane.formats import recognise
from paperlane.model.documents import Brief, Upload
from paperlane.settings import Settings
from paperlane.threads import Threads
from paperlane.web.bodies import arriving

_HEAD = 4_096
_FEED = 1 << 18
_LONGEST_FIELD = 4_096
_LONGEST_NAME = 255
_MOST_FIELDS = 30  # parts that are no files: some fields come once for each name
_EXTENDED = re.compile(r";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE)
_LONGEST_UPLOAD = 43_200.0  # seconds: after twice as many, retention removes files that no task names
_LONGEST_BOUNDARY = 70  # bytes: RFC 2046, section 5.1.1
_FIELDS = frozenset({"priority", "run_at", "name"})
_NAMES = {"profile": ("profile", PROFILES), "check": ("check", CHECKS), "no_check": ("check", CHECKS)}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file of an upload that is not accepted."""

    name: str
    code: str
    message: str
    hint: str


@dataclass(slots=True)
class Received:
    """What came: accepted files are on disk, and belong to whoever asked; `discard` gives them up."""

    blobs: Blobs
    uploads: list[Upload] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    brief: Brief = field(default_factory=Brief)

    def discard(self) -> None:
        """Delete the accepted files again; while their store is away, who looks for such files finds them later."""
        with suppress(StoreAway):
            for upload in self.uploads:
                self.blobs.remove(upload.blob)


@dataclass(slots=True)
class _Part:
    """A file or a field that is arriving."""

    headers: dict[str, str] = field(default_factory=dict)
    field_name: str = ""
    file_name: str | None = None
    writing: Writing | None = None
    digest: Any = None
    head: bytes = b""
    value: bytes = b""
    refused: Rejected | None = None


class _Receiver:
    """Takes the pieces that the parser finds; runs on a thread, for it writes files."""

    def __init__(self, blobs: Blobs, settings: Settings, boundary: bytes) -> None:
        self.received = Received(blobs)
        self._settings = settings
        self._blobs = blobs
        self._part = _Part()
        self._header = [b"", b""]
        self._size = 0
        self._parts = 0
        self._named: dict[str, list[str]] = {name: [] for name in _NAMES}
        self._models: list[str] = []
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._content,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def feed(self, piece: bytes) -> None:
        """The next bytes of the body. TooLarge past the limits of an upload, BadRequest for what is no form."""
        self._size += len(piece)
        if self._size > (self._settings.max_batch_mb + 1) << 20:
            raise TooLarge(
                f"The upload is larger than {self._settings.max_batch_mb} MB.",
                hint="Upload the files in several parts.",
            )
        try:
            self._parser.write(piece)
        except MultipartParseError as error:
            raise BadRequest("The body is no multipart form.", hint="Send the files as multipart/form-data.") from error

    def close(self, piece: bytes) -> Received:
        """With these last bytes everything is here, and on disk for good.

        As `feed`; BadRequest too for a form that broke off, or leaves no check to ask.
        """
        self.feed(piece)
        if not self._ended:
            raise BadRequest("The upload broke off.", hint="Send it again.")
        brief = brief_of(*(self._named[name] for name in _NAMES))
        self.received.brief = replace(brief, models=self._settings.chosen_models(names_in(self._models)))
        self._blobs.keep([upload.blob for upload in self.received.uploads])
        return self.received

    def abandon(self) -> None:
        """Forget everything, also the file that was arriving."""
        if self._part.writing is not None:
            self._part.writing.discard()
        self.received.discard()

    def _begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        if self._parts > self._settings.max_batch_files + _MOST_FIELDS:
            raise self._too_many()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]
        self._check_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header[0]) + len(self._header[1]) > _LONGEST_FIELD:
            raise BadRequest("A part of the upload has too long a header.")

    def _header_end(self) -> None:
        name, value = self._header
        self._part.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        self._header = [b"", b""]

    def _headers_end(self) -> None:
        part = self._part
        said = part.headers.get("content-disposition", "")
        _, options = parse_options_header(said.encode("latin-1"))
        part.field_name = options.get(b"name", b"").decode("utf-8", "replace")
        if (name := _file_name(options, said)) is None:
            return
        part.file_name = clean_name(name)
        if part.field_name != "files":
            self._refuse("unknown_field", "The file came in another field.", "Send files in the field `files`.")
            return
        uploads, rejected = self.received.uploads, self.received.rejected
        if len(uploads) + len(rejected) >= self._settings.max_batch_files:
            raise self._too_many()
        part.writing = self._blobs.create(beside=uploads[0].blob if uploads else "")
        part.digest = hashlib.sha256()

    def _too_many(self) -> TooLarge:
        most = self._settings.max_batch_files
        return TooLarge(f"The upload holds more than {most} files.", hint="Upload the files in several parts.")

    def _content(self, data: bytes, start: int, end: int) -> None:
        part, piece = self._part, data[start:end]
        if part.file_name is None:
            part.value += piece
            if len(part.value) > _LONGEST_FIELD:
                raise BadRequest(f"The field {part.field_name} is too long.")
            return
        if part.refused is not None or part.writing is None:
            return
        if len(part.head) < _HEAD:
            part.head = (part.head + piece)[:_HEAD]
        if part.writing.size + len(piece) > self._settings.max_file_mb << 20:
            limit = self._settings.max_file_mb
            self._refuse("too_large", f"The file is larger than {limit} MB.", "Split the document.")
            return
        part.writing.write(piece)
        part.digest.update(piece)

    def _refuse(self, code: str, message: str, hint: str) -> None:
        part = self._part
        part.refused = Rejected(part.file_name or "", code, message, hint)
        if part.writing is not None:
            part.writing.discard()
            part.writing = None

    def _end(self) -> None:
        part = self._part
        if part.file_name is None:
            self._field_end(part.field_name, part.value.decode("utf-8", "replace"))
        else:
            self._file_end(part)
        self._part = _Part()

    def _field_end(self, name: str, said: str) -> None:
        """A wrong name is refused at once: files that come after it are not stored."""
        if name in _FIELDS:
            self.received.fields[name] = said
        elif name == "model":
            self._models.append(said)
            self._settings.chosen_models(names_in(self._models))
        elif name in _NAMES:
            kind, known = _NAMES[name]
            check_known(kind, names_in([said]), known)
            self._named[name].append(said)

    def _file_end(self, part: _Part) -> None:
        name = part.file_name or ""
        if part.refused is None and part.writing is not None:
            try:
                form = recognise(name, part.head)
            except DocumentError as error:
                self._refuse(error.code, error.message, error.hint)
            else:
                part.writing.close()
                digest, reference = part.digest.hexdigest(), part.writing.reference
                self.received.uploads.append(Upload(name, form.media_type, part.writing.size, digest, reference))
        if part.refused is not None:
            self.received.rejected.append(part.refused)

    def _finish(self) -> None:
        self._ended = True


def _file_name(options: Mapping[bytes, bytes], said: str) -> str | None:
    """The name of a part that is a file; `filename*` (RFC 8187), which no browser sends, counts where it is alone."""
    if b"filename" in options:
        return options[b"filename"].decode("utf-8", "replace")
    extended = _EXTENDED.search(said)
    return unquote(extended[1], errors="replace") if extended else None


def clean_name(name: str) -> str:
    """A file's bare name: no folders, no control characters, at most 255 characters, never empty."""
    bare = PureWindowsPath(PurePosixPath(name).name).name
    printable = "".join(character for character in bare if character.isprintable()).strip()
    return printable[-_LONGEST_NAME:] or "unnamed"


def boundary_of(content_type: str) -> bytes:
    """The boundary that a multipart body is parted by; BadRequest for another kind of body."""
    kind, options = parse_options_header(content_type.encode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise BadRequest("The body is no multipart form.", hint="Send the files as multipart/form-data, field `files`.")
    if len(boundary) > _LONGEST_BOUNDARY:
        raise BadRequest("The form's boundary is too long.", hint=f"Choose one of at most {_LONGEST_BOUNDARY} bytes.")
    return boundary


async def receive(
    body: AsyncIterator[bytes], content_type: str, blobs: Blobs, settings: Settings, threads: Threads
) -> Received:
    """Take a whole upload in; nothing stays on disk when it is refused, breaks off or stops coming."""
    receiver = _Receiver(blobs, settings, boundary_of(content_type))
    try:
        pending = bytearray()
        async for piece in _in_time(arriving(body, settings.upload_idle_seconds)):
            pending += piece
            if len(pending) >= _FEED:
                await threads(receiver.feed, bytes(pending))
                pending.clear()
        return await threads(receiver.close, bytes(pending))
    except BaseException:
        await threads(receiver.abandon)
        raise


async def _in_time(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces; TookTooLong when they come for longer than files without a task are kept."""
    latest = monotonic() + _LONGEST_UPLOAD
    async for piece in body:
        if monotonic() > latest:
            raise TookTooLong("The upload took too long.", hint="Upload the files in several parts.")
        yield piece
