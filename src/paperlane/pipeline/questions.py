"""A step for documents that models shall review: what is asked of them, a passage a question."""

from dataclasses import dataclass

from paperlane.ai import Context, Question
from paperlane.model.documents import Document, Passages
from paperlane.model.steps import Job, Step
from paperlane.model.tasks import Stage


@dataclass(frozen=True, slots=True)
class Questions:
    """What each of these models is asked of a document, in reading order."""

    models: tuple[str, ...]
    items: tuple[Question, ...]


def questions(subject: tuple[Document, Passages], _job: Job) -> Questions:
    """A question for each passage that holds anything."""
    document, passages = subject
    asked = (
        Question(
            passage.id,
            text,
            document.language,
            Context(passage.path, passage.terms, passage.headers),
        )
        for passage in passages.items
        if (text := document.text[passage.start : passage.end]).strip()
    )
    return Questions(document.brief.models, tuple(asked))


QUESTIONS = Step("questions", 1, tuple[Document, Passages], Questions, questions, share=1, stage=Stage.MODEL)
