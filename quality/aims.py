"""What reading and judging are to reach."""

from collections.abc import Sequence

from benchmarks.aims import Aim

from quality.twins import TWINS
from quality.wordings import Half

_PDFIUM, _LXML = "pdfium, text alone", "lxml iterparse, nothing else"
_SEEDED = f"defects.{Half.B}"


def _ahead(group: str, figure: str, peers: Sequence[str], test: str) -> list[Aim]:
    return [Aim(group, figure, test, 1, peer) for peer in peers]


def _headings(group: str, kind: str, bound: float) -> list[Aim]:
    return [
        Aim(f"{group}: F1 of titles{more}", f"headings.{kind}.{name}", ">=", bound)
        for name, more in (("title", ""), ("title_and_level", " with levels"), ("title_and_page", " with pages"))
        if not (kind == "all" and name == "title_and_page")  # DOCX has no pages
    ]


AIMS: Sequence[Aim] = (
    Aim("Seeded defects, held out: recall", f"{_SEEDED}.recall", ">=", 0.95),
    Aim("Seeded defects, held out: span IoU", f"{_SEEDED}.iou", ">=", 0.9),
    Aim("Seeded defects, held out, English: recall", f"{_SEEDED}.en.recall", ">=", 0.95),
    Aim("Seeded defects, held out, Chinese: recall", f"{_SEEDED}.zh.recall", ">=", 0.95),
    Aim("False alarms in well-edited text", "alarms.false", "<=", 2),
    *_headings("Headings of styled DOCX", "all", 0.97),
    *_headings("Headings of tagged PDF, outline hidden", "tags", 0.97),
    *_headings("Headings of PDF, tags and outline hidden", "looks", 0.75),
    *(
        Aim(f"Text of twins: {one} in its {other.rpartition('.')[2].upper()}, {name}",
            f"recall.{name}.{one} in {other.rpartition('.')[2]}", ">=", 0.995)
        for one, other in TWINS
        for name in ("characters", "words")
    ),
    Aim("Conformance with the shared rules of other programs", "conformance.all", ">=", 0.95),
    Aim("Conformance: faults of the shared rules that are found", "conformance.faults", ">=", 0.95),
    Aim("PDF in English beside bare pdfium", "speed.pdf.en", ">=", 1 / 1.3, _PDFIUM),
    Aim("PDF in Chinese beside bare pdfium", "speed.pdf.zh", ">=", 1 / 1.3, _PDFIUM),
    Aim("The largest PDF beside bare pdfium", "speed.pdf.large", ">=", 1 / 1.3, _PDFIUM),
    *_ahead("PDF in English", "speed.pdf.en", ("markitdown", "pymupdf4llm"), ">="),
    *_ahead("PDF in Chinese", "speed.pdf.zh", ("markitdown", "pymupdf4llm"), ">="),
    Aim("DOCX beside one lxml iterparse", "speed.docx", "<=", 2, _LXML),
    *_ahead("DOCX, time", "speed.docx", ("python-docx", "docx2python", "markitdown", "pandoc"), "<="),
    Aim("All checks of all documents", "speed.rules.all", ">=", 500_000),
    Aim("All checks of an English text", "speed.rules.en", ">=", 500_000),
    Aim("All checks of a Chinese text", "speed.rules.zh", ">=", 500_000),
    *_ahead("The whole command on an English text, time", "speed.command.en",
            ("write-good", "proselint", "markdownlint", "codespell", "typos"), "<="),
    *_ahead("The whole command on a Chinese text, time", "speed.command.zh",
            ("zhlint", "markdownlint", "autocorrect"), "<="),
    Aim("1 MB of Markdown, time", "speed.command.1 MB", "<=", 0.25, "markdownlint"),
    Aim("Memory on the largest file", "memory.largest", "<", 300),
    Aim("Quotes shown that stand in the document", "anchoring.all", ">=", 1),
)  # fmt: skip
