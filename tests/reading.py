"""Short ways for tests to read and test a text as the pipeline does, without a sandbox."""

import asyncio
from contextlib import suppress
from io import BytesIO
from pathlib import PurePath
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from paperlane.blobs import Blobs
from paperlane.formats import read, recognise
from paperlane.model.documents import Document, Parsed, Report, Upload
from paperlane.model.steps import Saved, Step
from paperlane.pipeline import document_processing, test_document


class NoJob:
    """A job whose progress nobody follows."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def progress(self, share: float, message: str = "") -> None:
        assert 0.0 <= share <= 1.0, message

    def attachment(self) -> BinaryIO:
        return BytesIO(self.content)


def upload_of(content: bytes, name: str) -> Upload:
    """An upload of these bytes."""
    form = recognise(name, content[:4096])
    return Upload(PurePath(name).name, form.media_type, len(content), "0" * 64, "blob")


def parsed_of(content: bytes | str, name: str = "text.md") -> Parsed:
    """What the format makes of these bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return read(upload_of(raw, name), BytesIO(raw), lambda _share, _message: None)


def document_of(content: bytes | str, name: str = "text.md") -> Document:
    """The document in sections."""
    return document_processing.process(parsed_of(content, name), NoJob())


def report_of(content: bytes | str, name: str = "text.md") -> Report:
    """The report, after the whole chain, each value saved and read again between two steps."""
    raw = content.encode() if isinstance(content, str) else content

    async def here(step: Step[Any, Any], value: Saved[Any]) -> Saved[Any]:
        given: Any = TypeAdapter(step.takes).validate_json(value.content)
        return Saved(TypeAdapter[Any](step.gives).dump_json(step.run(given, NoJob(raw))))

    upload: Saved[Upload] = Saved(TypeAdapter(Upload).dump_json(upload_of(raw, name)))
    saved = asyncio.run(test_document(upload, here))  # type: ignore[arg-type]
    return TypeAdapter(Report).validate_json(saved.content)


def results_of(payload: bytes, blobs: Blobs) -> dict[str, bytes]:
    """What each step of the chain makes of a stored upload."""
    results: dict[str, bytes] = {}
    with blobs.open(TypeAdapter(Upload).validate_json(payload).blob) as file:
        content = file.read()

    async def here(step: Step[Any, Any], value: Saved[Any]) -> Saved[Any]:
        given: Any = TypeAdapter(step.takes).validate_json(value.content)
        results[step.name] = TypeAdapter[Any](step.gives).dump_json(step.run(given, NoJob(content)))
        return Saved(results[step.name])

    chain = test_document(Saved(payload), here)  # type: ignore[arg-type]
    with suppress(StopIteration):
        chain.send(None)  # nothing in it waits, so it runs to its end
    return results
