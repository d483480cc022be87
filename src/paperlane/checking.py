"""Testing files here and now, without a ledger: the same steps in the same sandbox."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter

from paperlane.assembly import open_sandbox
from paperlane.errors import DocumentError, PaperlaneError
from paperlane.formats import FORMATS, recognise
from paperlane.model.documents import Report, Severity, Upload
from paperlane.model.steps import In, Out, Saved, Step
from paperlane.model.tasks import Fault
from paperlane.pipeline import test_document
from paperlane.settings import Settings
from paperlane.work.sandbox import Sandbox

Tell = Callable[[str, float], None]
"""Told the name of a file and its percent, 100 when it ended."""

_UPLOAD = TypeAdapter(Upload)
_REPORT = TypeAdapter(Report)
_HEAD = 4_096
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of the files: reports in their order, and those that could not be read, with the reason."""

    reports: Sequence[Report]
    unreadable: Sequence[tuple[str, Fault]]

    @property
    def whole(self) -> bool:
        """Could every file be read, and was each tested from its beginning to its end?"""
        return not self.unreadable and all(report.coverage.whole for report in self.reports)

    def worst_at_least(self, severity: str) -> bool:
        """Is there an issue of this severity or above?"""
        order = list(Severity)
        counted = order[: order.index(Severity(severity)) + 1]
        return any(report.count(one) for report in self.reports for one in counted)


@dataclass(slots=True)
class _Direct:
    """Runs the steps of one file; nothing is kept between them."""

    sandbox: Sandbox
    tell: Callable[[float], None]
    percent: float = 0.0

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        begins, self.percent = self.percent, self.percent + step.share

        def progress(share: float, _message: str) -> None:
            self.tell(begins + step.share * share)

        if step.file is None:
            return Saved(await self.sandbox.run(step.name, value.content, None, progress))
        name = step.file(TypeAdapter[In](step.takes).validate_json(value.content))  # pyright: ignore[reportArgumentType]  a type, not a value
        with _opened(Path(name)) as file:
            return Saved(await self.sandbox.run(step.name, value.content, file, progress))


async def check(paths: Sequence[Path], settings: Settings, tell: Tell) -> Tested:
    """Test files, and whatever is supported in folders; several at once, reported in their order."""
    files = list(dict.fromkeys(_files(paths)))
    async with open_sandbox(settings) as sandbox:
        room = asyncio.Semaphore(sandbox.children)

        async def one(path: Path) -> Report | Fault:
            async with room:
                try:
                    return await _test(path, sandbox, lambda percent: tell(str(path), percent))
                except PaperlaneError as error:
                    return error.fault
                finally:
                    tell(str(path), 100.0)

        for path in files:
            tell(str(path), 0.0)
        results = await asyncio.gather(*map(one, files))
    pairs = list(zip(files, results, strict=True))
    return Tested(
        [result for _, result in pairs if isinstance(result, Report)],
        [(str(path), result) for path, result in pairs if isinstance(result, Fault)],
    )


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Named files as they are; of folders, what has a supported suffix and is not hidden."""
    suffixes = {suffix for form in FORMATS.values() for suffix in form.suffixes}
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for inside in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in inside.relative_to(path).parts)
            if inside.is_file() and not hidden and inside.suffix.lower() in suffixes:
                yield inside


async def _test(path: Path, sandbox: Sandbox, tell: Callable[[float], None]) -> Report:
    upload = await asyncio.to_thread(_upload, path)
    report = await test_document(Saved(_UPLOAD.dump_json(upload)), _Direct(sandbox, tell))
    return _REPORT.validate_json(report.content)


def _upload(path: Path) -> Upload:
    with _opened(path) as file:
        form = recognise(path.name, file.read(_HEAD))
        file.seek(0)
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        return Upload(str(path), form.media_type, file.tell(), digest.hexdigest(), str(path))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DocumentError(
            f"The file cannot be opened: {error.strerror}.", code="cannot_open", hint="Check the path and its rights."
        ) from error
