"""Reading and judging a document as Paperlane does, in this process: the steps of its chain, without a sandbox."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from paperlane.formats import recognise
from paperlane.model.documents import Brief, Document, Parsed, Report, Upload
from paperlane.model.steps import Saved, Step
from paperlane.pipeline import test_document
from paperlane.pipeline.document_processing import DOCUMENT_PROCESSING
from paperlane.pipeline.file_parsing import FILE_PARSING


@dataclass(frozen=True, slots=True)
class Job:
    """A job whose progress nobody follows."""

    content: bytes

    def progress(self, share: float, message: str = "") -> None:
        """Nobody is told."""

    def attachment(self) -> BinaryIO:
        return BytesIO(self.content)


@dataclass(frozen=True, slots=True)
class Tested:
    """What was read of a file, and the report on it; `seconds` of each step."""

    document: Document
    report: Report
    seconds: Mapping[str, float]

    @property
    def parsed(self) -> Parsed:
        """What the format read."""
        return self.document.parsed


def upload_of(name: str, content: bytes, brief: Brief | None = None) -> Upload:
    """An upload of these bytes; DocumentError for what no format reads."""
    form = recognise(name, content[:4096])
    return Upload(name, form.media_type, len(content), "0" * 64, "here", brief or Brief())


def read(name: str, content: bytes) -> Document:
    """The document in sections; DocumentError for what cannot be read."""
    upload, job = upload_of(name, content), Job(content)
    return DOCUMENT_PROCESSING.run((upload, FILE_PARSING.run(upload, job)), job)


def judge(name: str, content: bytes, also: Sequence[str] = ()) -> Tested:
    """The document and its report, by the default profile and the checks in `also`, judged by rules alone.

    DocumentError for what cannot be read.
    """
    kept: list[Any] = []
    seconds: dict[str, float] = {}

    async def here(step: Step[Any, Any], value: Saved[Any]) -> Saved[Any]:
        given: Any = TypeAdapter(step.takes).validate_json(value.content)
        began = time.perf_counter()
        result = step.run(given, Job(content))
        seconds[step.name] = time.perf_counter() - began
        kept.append(result)
        return Saved(TypeAdapter[Any](step.gives).dump_json(result))

    upload: Saved[Upload] = Saved(TypeAdapter(Upload).dump_json(upload_of(name, content, Brief(also=tuple(also)))))
    asyncio.run(test_document(upload, here))
    (document,) = [result for result in kept if isinstance(result, Document)]
    (report,) = [result for result in kept if isinstance(result, Report)]
    return Tested(document, report, seconds)
