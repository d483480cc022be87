"""The last step: what a document's reader gets."""

from paperlane.compiling import later
from paperlane.model.documents import Document, Findings, Report
from paperlane.model.steps import Job, Step
from paperlane.model.tasks import Stage

_HAN = later(r"[\u3400-\u9fff]")
_WORD = later(r"[^\W_]+(?:['’.-][^\W_]+)*")


def words_of(text: str) -> int:
    """Words of a text, each Chinese character counted as one."""
    characters = len(_HAN.findall(text))
    return characters + len(_WORD.findall(_HAN.sub(" ", text)))


def report(subject: tuple[Document, Findings], _job: Job) -> Report:
    """The issues beside what they rest on."""
    document, findings = subject
    parsed = document.parsed
    return Report(
        name=parsed.name,
        media_type=parsed.media_type,
        language=document.language,
        pages=parsed.pages,
        characters=len(parsed.text),
        words=words_of(parsed.text),
        sections=sum(section.heading >= 0 for section in document.sections),
        coverage=findings.coverage,
        judges=findings.judges,
        checks=findings.checks,
        notices=(*parsed.notices, *findings.notices),
        issues=findings.issues,
        profiles=findings.profiles,
        ignored=findings.ignored,
        costs=findings.costs,
    )


# its stage is that of the step before: to go back to another worker for so little would take longer
REPORT = Step("report", 2, tuple[Document, Findings], Report, report, share=10, stage=Stage.MODEL)
