"""Short ways for tests to read and test a text as the pipeline does, without a sandbox."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import PurePath
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from paperlane.blobs import Blobs
from paperlane.errors import DocumentError
from paperlane.formats import read, recognise
from paperlane.model.documents import Brief, Document, Parsed, Report, Upload
from paperlane.model.steps import Saved, Step
from paperlane.pipeline import document_processing, test_document
from paperlane.pipeline.model_review import Opinion
from paperlane.pipeline.questions import Questions


class NoJob:
    """A job whose progress nobody follows."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = content

    def progress(self, share: float, message: str = "") -> None:
        assert 0.0 <= share <= 1.0, message

    def attachment(self) -> BinaryIO:
        return BytesIO(self.content)


def upload_of(content: bytes, name: str, brief: Brief = Brief()) -> Upload:  # noqa: B008  frozen
    """An upload of these bytes."""
    form = recognise(name, content[:4096])
    return Upload(PurePath(name).name, form.media_type, len(content), "0" * 64, "blob", brief)


def parsed_of(content: bytes | str, name: str = "text.md") -> Parsed:
    """What the format makes of these bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return read(upload_of(raw, name), BytesIO(raw), lambda _share, _message: None)


def shape(parsed: Parsed) -> list[tuple[str, int, str]]:
    """Kind, level and text of each block."""
    return [(block.kind.value, block.level, parsed.text[block.start : block.end]) for block in parsed.blocks]


def assert_sound(parsed: Parsed) -> None:
    """Blocks are in order, inside the text and not empty."""
    last = 0
    for block in parsed.blocks:
        assert last <= block.start < block.end <= len(parsed.text)
        assert all(block.start <= start < end <= block.end for start, end in block.code)
        last = block.end


def assert_read_or_refused(content: bytes, name: str) -> None:
    """Whatever the bytes: a sound text, or an error that says what to do."""
    refused = None
    try:
        assert_sound(parsed_of(content, name))
    except DocumentError as error:
        refused = error
    assert refused is None or refused.hint


def assert_damage_is_told(whole: bytes, name: str) -> None:
    """A few bytes of a file changed, many times over."""
    for seed in range(150):
        chance = random.Random(seed)
        content = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        assert_read_or_refused(bytes(content), name)


def document_of(content: bytes | str, name: str = "text.md") -> Document:
    """The document in sections."""
    raw = content.encode() if isinstance(content, str) else content
    return document_processing.process((upload_of(raw, name), parsed_of(raw, name)), NoJob())


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once for each type: making one takes longer than a small document's chain."""
    return TypeAdapter(kind)


def report_of(
    content: bytes | str,
    name: str = "text.md",
    brief: Brief = Brief(),  # noqa: B008  frozen
    opinions: Callable[[Questions], tuple[Opinion, ...]] = lambda _asked: (),
) -> Report:
    """The report, after the whole chain, each value saved and read again between two steps; models say `opinions`."""
    raw = content.encode() if isinstance(content, str) else content

    async def here(step: Step[Any, Any], value: Saved[Any]) -> Saved[Any]:
        given: Any = _adapter(step.takes).validate_json(value.content)
        made = opinions(given) if step.run is None else step.run(given, NoJob(raw))
        return Saved(_adapter(step.gives).dump_json(made))

    upload: Saved[Upload] = Saved(_adapter(Upload).dump_json(upload_of(raw, name, brief)))
    saved = asyncio.run(test_document(upload, here))  # type: ignore[arg-type]
    report: Report = _adapter(Report).validate_json(saved.content)
    return report


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
