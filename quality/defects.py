"""How many seeded defects are found, under the right name and at the right place, by rules alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean

from benchmarks.figures import Figure

from paperlane.checks import CHECKS
from paperlane.model.documents import Issue, Language
from quality.injecting import Defect, Seeded, seeded
from quality.placing import Placed, Span, in_source
from quality.reading import Tested, judge
from quality.wordings import KINDS, Half
from quality.writing import WRITERS

NAMES: Mapping[str, Sequence[str]] = {
    "vague-term": ("vague-term",),
    "weak-verb": ("weak-verb",),
    "escape-clause": ("escape-clause",),
    "open-ended-list": ("open-ended-list",),
    "passive-without-actor": ("passive-without-actor",),
    "several-obligations": ("several-obligations",),
    "missing-unit": ("missing-unit",),
    "tbd": ("tbd",),
    "undefined-acronym": ("undefined-acronym",),
    "inconsistent-term": ("inconsistent-term",),
    "broken-reference": ("broken-reference",),
    "numbering": ("numbering",),
    "duplicate-id": ("duplicate-id",),
    "contradicting-value": ("contradicting-value",),
    "duplicated-section": ("duplicated-section",),
    "heading-skipped": ("heading-skipped", "numbering"),  # a chapter's third level without its second
    "empty-section": ("empty-section",),
    "doubled-word": ("doubled-word",),
    "unbalanced-bracket": ("unbalanced-bracket",),
    "mixed-width": ("mixed-width",),
    "broken-link": ("broken-link", "broken-reference"),  # a link into the document itself is a reference too
}
"""The checks that may find a kind; every other answer is a wrong name."""
_CLOSE = 0.9
_NOT_WRITTEN = {("pdf", "broken-link")}  # of a link, a PDF that is printed keeps its words alone


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a defect: found under its name, under another one, or missed; `iou` of the best span."""

    defect: Defect
    suffix: str
    found: bool
    iou: float = 0.0
    otherwise: Sequence[str] = ()


def iou(one: Span, other: Span) -> float:
    """What two spans share, as a part of what both cover."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, shared) / (max(one[1], other[1]) - min(one[0], other[0]))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An issue in one of our own carriers that touches no seeded defect."""

    document: str
    rule: str
    quote: str


@dataclass(slots=True)
class Found:
    """What became of each defect, and what else was said of our own carriers, which have `words` words."""

    outcomes: list[Outcome] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)
    words: int = 0


def found_in(
    half: Half, corpus: Path, kinds: Sequence[str] = KINDS, suffixes: Iterable[str] = WRITERS, most: int | None = None
) -> Found:
    """What becomes of each defect of this half, in each language and format; of `most` documents a language."""
    found = Found()
    for language in Language:
        for document in islice(seeded(half, language, corpus, kinds), most):
            for suffix in suffixes:
                _look(document, suffix, found)
    return found


def judged_of(document: Seeded, suffix: str) -> Tested:
    """The document as this format, read and judged by every check that may find a seeded defect."""
    also = [name for names in NAMES.values() for name in names if name in CHECKS]
    content = WRITERS[suffix](document.pieces, document.language)
    return judge(f"{document.name}.{suffix}", content, sorted(set(also)))


def _look(document: Seeded, suffix: str, found: Found) -> None:
    tested = judged_of(document, suffix)
    spans = _spans(document, tested.parsed.text, suffix)
    issues = tested.report.issues
    found.outcomes += [
        _outcome(defect, suffix, spans[number], issues)
        for number, defect in enumerate(document.defects)
        if (suffix, defect.kind) not in _NOT_WRITTEN
    ]
    if document.is_own:
        found.words += tested.report.words
        seeds = [span for some in spans for span in some]
        for issue in issues:
            place = (issue.location.start, issue.location.end)
            if not any(iou(span, place) for span in seeds):
                found.elsewhere.append(Elsewhere(f"{document.name}.{suffix}", issue.rule, issue.quote))


def _outcome(defect: Defect, suffix: str, spans: Sequence[Span], issues: Sequence[Issue]) -> Outcome:
    best, others = 0.0, set[str]()
    for issue in issues:
        overlap = max((iou(span, (issue.location.start, issue.location.end)) for span in spans), default=0.0)
        if overlap and issue.rule in NAMES[defect.kind]:
            best = max(best, overlap)
        elif overlap:
            others.add(issue.rule)
    return Outcome(defect, suffix, best > 0, best, sorted(others))


def _spans(document: Seeded, text: str, suffix: str) -> list[list[Span]]:
    """The spans in the text that was read by which each defect may be found."""
    starts = in_source(document.pieces) if suffix == "md" else None
    placed = Placed(text, document.pieces)

    def span(piece: int, start: int, end: int) -> Span | None:
        if starts is not None:
            return starts[piece] + start, starts[piece] + end
        return placed.span(piece, start, end)

    found: list[list[Span]] = [[] for _ in document.defects]
    for at, piece in enumerate(document.pieces):
        for mark in piece.marks:
            found[mark.defect] += filter(None, [span(at, mark.start, mark.end)])
    for region in document.regions:
        first = span(region.first, 0, len(document.pieces[region.first].text))
        last = span(region.last, 0, len(document.pieces[region.last].text))
        if first and last:
            found[region.defect].append((first[0], last[1]))
    return found


def figures(found: Found, half: Half) -> list[Figure]:
    """Recall, span IoU and the share of wrong names: of all, by format, and by language and kind."""
    every = found.outcomes
    made = list(_row(f"defects.{half}", every))
    for suffix in WRITERS:
        made += _row(f"defects.{half}.{suffix}", [one for one in every if one.suffix == suffix])
    for language in Language:
        ours = [one for one in every if one.defect.wording.language is language]
        made += _row(f"defects.{half}.{language.value}", ours)
        for kind in KINDS:
            made += _row(f"defects.{half}.{language.value}.{kind}", [one for one in ours if one.defect.kind == kind])
    if found.words:
        said = f"{len(found.elsewhere)} in {found.words} words of our own carriers in three formats"
        each = 1000 * len(found.elsewhere) / found.words
        made.append(Figure(f"defects.{half}.elsewhere", each, "per 1,000 words", settings=said))
    return made


def _row(name: str, found: Sequence[Outcome]) -> Iterator[Figure]:
    if found:
        right = [one for one in found if one.found]
        said = f"{len(right)} of {len(found)}"
        yield Figure(f"{name}.recall", len(right) / len(found), "", settings=said)
        yield Figure(f"{name}.iou", fmean(one.iou for one in right) if right else None, "", settings=said)
        wrong = sum(not one.found and bool(one.otherwise) for one in found)
        yield Figure(f"{name}.wrong name", wrong / len(found), "", settings=f"{wrong} of {len(found)}")


def misses(found: Found) -> Iterator[str]:
    """Each defect that was missed, or whose place is off, and each issue elsewhere: for tuning, of half A alone."""
    if any(one.defect.wording.half is not Half.A for one in found.outcomes):
        raise ValueError("half B is held out")
    for one in found.outcomes:
        wording = one.defect.wording
        said = f"{wording.language.value} {one.suffix} {wording.kind}: {' ¦ '.join(wording.pieces)}"
        if not one.found:
            named = f" (named {', '.join(one.otherwise)})" if one.otherwise else ""
            yield f"MISSED {said}{named}"
        elif one.iou < _CLOSE:
            yield f"IoU {one.iou:.2f} {said}"
    for other in found.elsewhere:
        yield f"ELSEWHERE {other.document} {other.rule}: {' '.join(other.quote.split())[:100]}"
