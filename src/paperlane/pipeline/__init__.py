"""Testing a document, from the upload to the report: each step resumed from its checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from paperlane.model.documents import Report, Upload
from paperlane.model.steps import In, Out, RunStep, Saved, Step
from paperlane.pipeline.anchoring import ANCHORING
from paperlane.pipeline.document_processing import DOCUMENT_PROCESSING
from paperlane.pipeline.file_parsing import FILE_PARSING
from paperlane.pipeline.issue_detection import ISSUE_DETECTION
from paperlane.pipeline.model_review import MODEL_REVIEW
from paperlane.pipeline.questions import QUESTIONS
from paperlane.pipeline.report import REPORT
from paperlane.pipeline.section_merge import SECTION_MERGE

STEPS: Mapping[str, Step[Any, Any]] = {
    step.name: step
    for step in (
        FILE_PARSING, DOCUMENT_PROCESSING, SECTION_MERGE, ISSUE_DETECTION, QUESTIONS, ANCHORING, REPORT
    )
}  # fmt: skip
"""The steps by name, as a sandbox's child processes find them; the worker itself runs the other one, MODEL_REVIEW."""

_UPLOAD = TypeAdapter(Upload)
_OF_MODELS = 65  # percent of the time that the steps of models take where there are some


async def test_document(upload: Saved[Upload], run: RunStep) -> Saved[Report]:
    """The chain. A step that is left out or swapped is a type error."""
    with_models = bool(_UPLOAD.validate_json(upload.content).brief.models)
    of_rules = _Shortened(run, 1 - _OF_MODELS / 100) if with_models else run
    parsed = await of_rules(FILE_PARSING, upload)
    document = await of_rules(DOCUMENT_PROCESSING, upload.beside(parsed))
    passages = await of_rules(SECTION_MERGE, document)
    findings = await of_rules(ISSUE_DETECTION, document.beside(passages))
    if with_models:
        tested = document.beside(passages)
        questions = await run(QUESTIONS, tested)
        opinions = await run(MODEL_REVIEW, questions)
        findings = await run(ANCHORING, tested.beside(findings.beside(questions.beside(opinions))))
    return await of_rules(REPORT, document.beside(findings))


@dataclass(frozen=True, slots=True)
class _Shortened:
    """Runs steps, each of which takes so much less of the chain's time."""

    run: RunStep
    share: float

    async def __call__(self, step: Step[In, Out], value: Saved[In]) -> Saved[Out]:
        """The step's result."""
        return await self.run(replace(step, share=step.share * self.share), value)
