"""Files in a bucket of an S3 store, which hosts that share nothing else can reach."""

import os
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO

from paperlane.blobs.references import checked, is_reference, new_reference
from paperlane.blobs.refusals import meant_by
from paperlane.blobs.room import with_room
from paperlane.errors import Misconfigured, StoreAway

if TYPE_CHECKING:
    from obstore.store import S3Store

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # the first that is set counts
_CONNECT = timedelta(seconds=3)
_ANSWER = timedelta(seconds=10)  # without a byte: the store is silent
_TAKE = timedelta(seconds=30)  # for a whole file to be sent, at most _WHOLE bytes, and the answer
_BODY = timedelta(minutes=10)  # for a body that keeps coming
_RETRIES = 2
_RETRY = timedelta(seconds=8)  # after which none begins: who met silence once has waited long enough
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=0.1), timedelta(seconds=1)
_LONG = 2.0  # seconds of a call in vain after which others need not find out for themselves
_REST = 2.0  # seconds for which they are told at once: each would hold a thread that others need
_IN_MEMORY = 1 << 20  # bytes of a file on its way in; the rest of it waits on this machine's disk
_WHOLE = 64 << 20  # bytes that are sent at once: parts that a killed process sent would stay, and nobody sees them
_PART = 16 << 20
_PIECE = 1 << 20
_MARK = "ledger-"
_with_room = partial(with_room, "the disk of the folder for temporary files (TMPDIR)")


def open_bucket(address: str, room: str) -> "Bucket":
    """One of the rooms of `s3://BUCKET[/PREFIX]`, of which nothing is asked yet.

    Where the store is, and as whom, the environment's `AWS_...` say. Misconfigured without the library.
    """
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415  only who keeps files there needs the library
        from obstore.store import S3Store  # noqa: PLC0415  as above
    except ImportError as error:
        raise Misconfigured(
            "Files in a bucket need the library obstore.", hint="Install it: pip install 'paperlane[s3]'."
        ) from error
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS)), "")

    def store(patience: timedelta) -> S3Store:
        return S3Store(
            bucket,
            disable_bulk_delete=True,  # not every store knows it
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": _CONNECT,
                "read_timeout": patience,
                "timeout": _BODY,
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": _RETRY,
                "backoff": {"init_backoff": _FIRST_WAIT, "max_backoff": _LONGEST_WAIT, "base": 2},
            },
        )

    try:
        asked, taking = store(_ANSWER), store(_TAKE)
    except BaseError as error:  # it may tell what the variable holds
        raise Misconfigured(
            "The store of files cannot be opened: one of the AWS_... variables makes no sense.",
            hint="See to AWS_ENDPOINT_URL and the others.",
        ) from error
    return Bucket(bucket, "/".join(filter(None, (prefix.strip("/"), room))), _Way(asked, taking, BaseError))


class _Way:
    """The way to a store, which tells trouble in errors of ours.

    Where a call was long in vain, those that follow fail at once for a moment.
    """

    def __init__(self, asked: "S3Store", taking: "S3Store", error: type[Exception]) -> None:
        self.asked = asked
        self.taking = taking
        self._errors = (error, FileNotFoundError)  # which the library raises for every 404
        self._silent_until = 0.0
        self._silence = ""

    @contextmanager
    def asking(self) -> Generator[None]:
        began = monotonic()
        if began < self._silent_until:
            raise StoreAway(self._silence)
        try:
            yield
        except self._errors as error:
            meant = meant_by(error)
            if type(meant) is StoreAway and monotonic() - began > _LONG:
                self._silent_until, self._silence = monotonic() + _REST, meant.message
            raise meant from None  # the library's own text holds addresses, and what was asked


class _Upload:
    """A file on its way in; it is sent when it is closed, and then it is there for good, as a whole."""

    def __init__(self, bucket: "Bucket", reference: str) -> None:
        self.reference = reference
        self.size = 0
        self._bucket = bucket
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  it outlives this call
        self._sent = False

    def write(self, chunk: bytes) -> None:
        with _with_room():
            self._file.write(chunk)
        self.size += len(chunk)

    def close(self) -> None:
        with _with_room():
            self._file.seek(0)
        self._sent = True  # whatever is heard of it
        self._bucket.put(self.reference, self._file, self.size)
        self._file.close()

    def discard(self) -> None:
        with suppress(OSError):  # what is still to be written finds no room perhaps, and need not
            self._file.close()
        if self._sent:
            with suppress(StoreAway):
                self._bucket.remove(self.reference)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Blobs under a prefix of a bucket's keys."""

    name: str
    prefix: str
    _way: _Way = field(repr=False)

    def create(self, beside: str = "") -> _Upload:
        return _Upload(self, new_reference(beside))

    def put(self, reference: str, content: BinaryIO | tempfile.SpooledTemporaryFile[bytes], size: int) -> None:
        """Store a whole file: it is there for good when this returns, and never a part of it."""
        key, store = self._key(reference), self._way.taking
        if size <= _WHOLE:
            whole = content.read()
            with self._way.asking():
                store.put(key, whole, use_multipart=False)
        else:
            with self._way.asking():
                store.put(key, iter(partial(content.read, _PIECE), b""), chunk_size=_PART, max_concurrency=2)

    def keep(self, references: Sequence[str]) -> None:
        """They are kept: a store answers when a file is there for good."""

    def open(self, reference: str) -> BinaryIO:
        writing, reading = _nameless()
        try:
            with writing:
                for piece in self._pieces(self._key(reference)):
                    writing.write(piece)
        except BaseException:
            reading.close()
            raise
        return reading

    def remove(self, reference: str) -> None:
        key = self._key(reference)
        with suppress(FileNotFoundError), self._way.asking():
            self._way.asked.delete(key)

    def written(self, since: float, before: float) -> Iterator[str]:
        with self._way.asking():
            for page in self._way.asked.list(self.prefix, chunk_size=1_000):
                for found in page:
                    name = found["path"].rpartition("/")[2]
                    is_ours = is_reference(name) and found["path"] == self._key(name)
                    if is_ours and since <= found["last_modified"].timestamp() < before:
                        yield name

    def check(self) -> None:
        self._marks()

    def mark(self, owner: str) -> bool:
        if not self.is_marked(owner):
            with self._way.asking():
                self._way.taking.put(self._mark(owner), b"", use_multipart=False)
        return len(self._marks()) == 1

    def is_marked(self, owner: str) -> bool:
        return self._is_there(self._mark(owner))

    def mark_of(self, owner: str) -> str:
        return f"s3://{self.name}/{self._mark(owner)}"

    def holds(self, reference: str) -> bool:
        return self._is_there(self._key(reference))

    def _key(self, reference: str) -> str:
        return f"{self.prefix}/{checked(reference)[:2]}/{reference}"

    def _mark(self, owner: str) -> str:
        return f"{self.prefix}/{_MARK}{owner}"

    def _marks(self) -> Sequence[str]:
        with self._way.asking():
            beside = self._way.asked.list_with_delimiter(self.prefix)["objects"]
        return [one["path"] for one in beside if one["path"].startswith(self._mark(""))]

    def _pieces(self, key: str) -> Iterator[bytes]:
        with self._way.asking():
            yield from self._way.asked.get(key).stream(_PIECE)

    def _is_there(self, key: str) -> bool:
        """Asked by a GET, for the answer to a HEAD does not tell a lost file from a lost bucket; nothing is read."""
        try:
            with self._way.asking():
                self._way.asked.get(key)
        except FileNotFoundError:
            return False
        return True


def _nameless() -> tuple[BinaryIO, BinaryIO]:
    """A temporary file to write, and the same to read, which goes when both are closed.

    Who is given the one to read, a sandboxed child for example, can write nothing.
    """
    descriptor, name = tempfile.mkstemp(prefix="paperlane-")
    try:
        return os.fdopen(descriptor, "wb"), Path(name).open("rb")
    finally:
        Path(name).unlink()
