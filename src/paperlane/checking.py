"""Testing files here and now, without a ledger: the same steps in the same sandbox."""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path, PurePath
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

from pydantic import TypeAdapter

from paperlane.errors import DocumentError, PaperlaneError, Unreadable
from paperlane.formats import FORMATS, recognise
from paperlane.model.documents import Brief, Report, Severity, Upload
from paperlane.model.steps import In, Out, Saved, Step
from paperlane.model.tasks import Fault
from paperlane.pipeline import MODEL_REVIEW, test_document
from paperlane.settings import ModelTerms, Settings, models_of
from paperlane.threads import apart
from paperlane.work.sandbox import Sandbox

if TYPE_CHECKING:
    from paperlane.reviewing import Reviewing

Tell = Callable[[str, float], None]
"""Told the name of a file and its percent, 100 when it ended."""

_UPLOAD = TypeAdapter(Upload)
_REPORT = TypeAdapter(Report)
_HEAD = 4_096
_CHUNK = 1 << 20
_WHILE_A_MODEL_THINKS = 32  # files at once: most of them wait for it
_CHECK_PATH = "Check the path and its rights."
_SHORT = {errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM}  # what the system refuses who has too much

_SUPPORTED = frozenset(suffix for form in FORMATS.values() for suffix in form.suffixes)
_DOCUMENTS = frozenset({
    ".adoc", ".doc", ".dot", ".epub", ".fodt", ".numbers", ".odp", ".ods", ".pages", ".pot", ".pps", ".ppt", ".rtf",
    ".tex", ".wps", ".xls", ".xlsb", ".xlt",
})  # fmt: skip
"""What people write documents in; .key is left out, for most such files are no slides but secrets."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of the files: reports in their order, and those that could not be read, with the reason.

    `passed_over` are the documents in folders whose format this version cannot read.
    """

    reports: Sequence[Report]
    unreadable: Sequence[tuple[str, Fault]]
    passed_over: Sequence[tuple[str, Fault]] = ()

    @property
    def whole(self) -> bool:
        """Could every document be read, and was each tested from its beginning to its end?"""
        untested = [*self.unreadable, *self.passed_over]
        return not untested and all(report.coverage.whole for report in self.reports)

    def worst_at_least(self, severity: str) -> bool:
        """Is there an issue of this severity or above?"""
        order = list(Severity)
        counted = order[: order.index(Severity(severity)) + 1]
        return any(report.count(one) for report in self.reports for one in counted)


@dataclass(slots=True)
class _Direct:
    """Runs the steps of one file; nothing is kept between them."""

    path: Path
    sandbox: Sandbox
    reviewing: "Reviewing | None"
    tell: Callable[[float], None]
    percent: float = 0.0

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        begins, self.percent = self.percent, self.percent + step.share

        def progress(share: float, _message: str) -> None:
            self.tell(begins + step.share * share)

        if self.reviewing is not None and step.name == MODEL_REVIEW.name:
            return Saved(await self.reviewing.once(value.content, progress))
        if step.file is None:
            return Saved(await self.sandbox.run(step.name, value.content, None, progress))
        with _opened(self.path) as file:
            return Saved(await self.sandbox.run(step.name, value.content, file, progress))


async def check(
    paths: Sequence[Path],
    sandbox: Sandbox,
    settings: Settings,
    tell: Tell,
    but: Collection[Path] = (),
    brief: Brief = Brief(),  # noqa: B008  frozen
    troubled: Callable[[ModelTerms, str], None] = lambda _terms, _why: None,
) -> Tested:
    """Test files, and whatever documents are in folders `but` some; several at once, reported in their order.

    `troubled` is told each time that a model gave no answer, and why: it may be asked again.
    """
    files = {
        path: barred for path, barred in _files(paths) if path in paths or not any(is_same(path, one) for one in but)
    }
    async with _reviewing(settings, brief, troubled) as reviewing:
        room = asyncio.Semaphore(max(sandbox.children, _WHILE_A_MODEL_THINKS if brief.models else 0))

        async def one(path: Path, barred: Fault | None) -> Report | Fault:
            async with room:
                try:
                    direct = _Direct(path, sandbox, reviewing, lambda percent: tell(_name(path), percent))
                    return barred or await _test(path, brief, direct)
                except PaperlaneError as error:
                    return error.fault
                except (OSError, RuntimeError) as error:
                    if not _is_refused(error):
                        raise
                    return _unstarted(error)  # the others' results stay
                finally:
                    tell(_name(path), 100.0)

        for path in files:
            tell(_name(path), 0.0)
        results = await asyncio.gather(*map(one, files, files.values()))
    faults = [(path, result) for path, result in zip(files, results, strict=True) if isinstance(result, Fault)]
    asked = {
        path
        for path, fault in faults
        if path in paths or path.suffix.lower() in _SUPPORTED or fault.code != "unsupported_type"
    }
    return Tested(
        [result for result in results if isinstance(result, Report)],
        [(_name(path), fault) for path, fault in faults if path in asked],
        [(_name(path), fault) for path, fault in faults if path not in asked],
    )


@asynccontextmanager
async def _reviewing(
    settings: Settings, brief: Brief, troubled: Callable[[ModelTerms, str], None]
) -> "AsyncGenerator[Reviewing | None]":
    """What asks models, if some are to be asked: what it needs takes longer to load than a small file to test."""
    if not brief.models:
        yield None
        return
    from paperlane.ai.memory import MemoryAnswers, MemoryBooks, MemoryRates  # noqa: PLC0415
    from paperlane.reviewing import open_reviewing  # noqa: PLC0415

    stores = MemoryRates(), MemoryAnswers(), MemoryBooks()
    async with open_reviewing(models_of(settings), *stores, 0.0, "check", troubled) as reviewing:
        yield reviewing


def is_same(one: Path, other: Path) -> bool:
    """Are both there, and one file?"""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Fault | None]]:
    """Named files as they are, and what is in folders; with the reason where it is known not to be read."""
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  False, where Path's raises: opening the file says why then
            yield from _inside(path)
        else:
            yield path, None


def _inside(top: Path) -> Sequence[tuple[Path, Fault | None]]:
    """The documents of a folder that are not hidden, of whatever format; and the folders that cannot be listed.

    Links to folders are followed after all else, for what has a place of its own shall be named by that. No folder is
    entered twice, and none that `top` lies in.
    """
    found: list[tuple[Path, Fault | None]] = []

    def barred(error: OSError) -> None:
        found.append((Path(error.filename), _cannot("folder cannot be listed", error.strerror).fault))

    entered, ahead = set(top.resolve().parents), [top]
    for start in ahead:  # which grows
        for name, folders, files in os.walk(start, onerror=barred):
            folder = Path(name)
            if (place := folder.resolve()) in entered:
                folders.clear()
                continue
            entered.add(place)
            folders[:] = filter(_is_shown, folders)
            found += [(folder / file, None) for file in filter(_is_shown, files) if _is_document(file)]
            ahead += [folder / link for link in folders if os.path.islink(folder / link)]  # noqa: PTH114  never raises
    return sorted(found, key=itemgetter(0))


def _is_shown(name: str) -> bool:
    return not name.startswith((".", "~$"))


def _is_document(name: str) -> bool:
    return PurePath(name).suffix.lower() in _SUPPORTED | _DOCUMENTS


def _name(path: Path) -> str:
    """The path as text, also where its bytes are no UTF-8 and JSON could not hold it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


async def _test(path: Path, brief: Brief, direct: _Direct) -> Report:
    try:
        upload = await apart(_upload, path, brief)  # asyncio's own pool takes one thread more to end
    except OSError as error:
        raise _cannot("file cannot be read", error.strerror) from error
    try:
        report = await test_document(Saved(_UPLOAD.dump_json(upload)), direct)
    except Unreadable as error:  # nobody waits here for a disk that may heal
        raise DocumentError(error.message, code="cannot_open", hint=_CHECK_PATH) from error
    return _REPORT.validate_json(report.content)


def _upload(path: Path, brief: Brief) -> Upload:
    with _opened(path) as file:
        form = recognise(path.name, file.read(_HEAD))
        file.seek(0)
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return Upload(_name(path), form.media_type, file.tell(), digest.hexdigest(), _name(path), brief)


def _opened(path: Path) -> BinaryIO:
    try:
        if S_ISREG(path.stat().st_mode):  # a pipe would wait for somebody who writes, a device may never end
            return path.open("rb")
    except OSError as error:
        raise _cannot("file cannot be opened", error.strerror) from error
    raise _cannot("file cannot be opened", "it is no regular file")


def _is_refused(error: OSError | RuntimeError) -> bool:
    """Does the system refuse a process, a descriptor, memory or a thread? Of the last Python tells in words only."""
    return error.errno in _SHORT if isinstance(error, OSError) else "thread" in str(error)


def _unstarted(error: OSError | RuntimeError) -> Fault:
    why = getattr(error, "strerror", None) or str(error)
    hint = "The machine may be short of processes, open files or memory. Start it again with fewer PAPERLANE_SANDBOXES."
    return Fault("internal_error", f"The file was not tested, for the system refuses something: {why}.", hint)


def _cannot(what: str, why: str | None) -> DocumentError:
    return DocumentError(f"The {what}: {why}.", code="cannot_open", hint=_CHECK_PATH)
