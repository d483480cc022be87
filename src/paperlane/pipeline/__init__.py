"""Testing a document, from the upload to the report: five steps, each resumed from its checkpoint."""

from collections.abc import Mapping
from typing import Any

from paperlane.model.documents import Report, Upload
from paperlane.model.steps import RunStep, Saved, Step
from paperlane.pipeline.document_processing import DOCUMENT_PROCESSING
from paperlane.pipeline.file_parsing import FILE_PARSING
from paperlane.pipeline.issue_detection import ISSUE_DETECTION
from paperlane.pipeline.report import REPORT
from paperlane.pipeline.section_merge import SECTION_MERGE

STEPS: Mapping[str, Step[Any, Any]] = {
    step.name: step for step in (FILE_PARSING, DOCUMENT_PROCESSING, SECTION_MERGE, ISSUE_DETECTION, REPORT)
}
"""The steps by name, as a sandbox's child processes find them."""


async def test_document(upload: Saved[Upload], run: RunStep) -> Saved[Report]:
    """The chain. A step that is left out or swapped is a type error."""
    parsed = await run(FILE_PARSING, upload)
    document = await run(DOCUMENT_PROCESSING, upload.beside(parsed))
    passages = await run(SECTION_MERGE, document)
    findings = await run(ISSUE_DETECTION, document.beside(passages))
    return await run(REPORT, document.beside(findings))
