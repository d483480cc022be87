"""A step for documents that models reviewed: what they said is found in the document, or dropped and counted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from paperlane.ai import Answer, State
from paperlane.ai.anchoring import Placed, anchor
from paperlane.ai.rules import CATEGORIES, OF_MODELS
from paperlane.catalog import why_in
from paperlane.checks import Issues, Kind
from paperlane.model.documents import Cost, Coverage, Document, Findings, Issue, Notice, Passage, Passages, Reach
from paperlane.model.steps import Job, Step
from paperlane.model.tasks import Stage
from paperlane.pipeline.issue_detection import Spared
from paperlane.pipeline.model_review import Opinion
from paperlane.pipeline.questions import Questions

_SAME = 0.5  # of the shorter quote: a rule said it already, and more surely

Subject = tuple[tuple[Document, Passages], tuple[Findings, tuple[Questions, tuple[Opinion, ...]]]]


class _Review(NamedTuple):
    """One model's answer about one passage."""

    model: str
    passage: Passage
    answer: Answer


def anchoring(subject: Subject, job: Job) -> Findings:
    """The rules' findings with the models' beside them, in reading order.

    A passage counts as tested where the rules and every model tested it; coverage tells of each by itself too.
    """
    (document, passages), (findings, (questions, opinions)) = subject
    by_id = {passage.id: passage for passage in passages.items}
    reviews = [
        _Review(opinion.model, by_id[question.passage], answer)
        for opinion in opinions
        for question, answer in zip(questions.items, opinion.answers, strict=True)
    ]
    found = _Found(document, findings)
    for number, review in enumerate(reviews):
        found.hear(review)
        if number % max(1, len(reviews) // 40) == 0:
            job.progress(number / len(reviews))
    notices = (*findings.notices, *_unanswered(reviews))
    return replace(
        findings,
        issues=tuple(sorted(found.issues, key=lambda issue: (issue.location.start, issue.location.end, issue.rule))),
        coverage=_coverage(findings, document.parsed.unread, opinions, reviews),
        judges=(*findings.judges, *(opinion.model for opinion in opinions)),
        notices=notices,
        ignored=replace(
            findings.ignored,
            remarks=findings.ignored.remarks + found.spared.counts.remarks,
            words=findings.ignored.words + found.spared.counts.words,
        ),
        costs=tuple(_cost(opinion, found.dropped[opinion.model]) for opinion in opinions),
    )


class _Found:
    """The rules' issues, and those of models that are none of these."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self._make = Issues(document)
        self._by_rules = findings.issues
        self.issues: list[Issue] = list(findings.issues)
        self.spared = Spared(document)
        self.dropped: Counter[str] = Counter()

    def hear(self, review: _Review) -> None:
        """Take in what a model said of a passage."""
        passage, answer = review.passage, review.answer
        anchored = anchor(answer.findings, self._document.text, passage.start, passage.end)
        self.dropped[review.model] += anchored.dropped.total() + answer.dropped
        near = [issue for issue in self._by_rules if passage.start <= issue.location.start < passage.end]
        for placed in anchored.placed:
            category = CATEGORIES[placed.said.rule]
            if any(issue.category == category and _is_same(issue, placed) for issue in near):
                continue
            rule = f"{OF_MODELS}{placed.said.rule}"
            if self.spared.take(rule, placed.start, placed.end, {}):
                continue
            kind = Kind(rule, category, placed.said.severity, placed.said.confidence, "model")
            said = placed.said.message, placed.said.suggestion
            self.issues.append(self._make.said(kind, *said, placed.start, placed.end))


def _is_same(issue: Issue, placed: Placed) -> bool:
    place = issue.location
    both = min(place.end, placed.end) - max(place.start, placed.start)
    return both >= _SAME * min(place.end - place.start, placed.end - placed.start)


def _coverage(findings: Findings, unread: int, opinions: Sequence[Opinion], reviews: Sequence[_Review]) -> Coverage:
    """What the rules tested, less what a model did not; a passage that several failed at is one."""
    states = dict.fromkeys(findings.failed, State.FAILED)
    rules = findings.coverage
    for review in reviews:
        state = review.answer.state
        if state is not State.ANSWERED and states.get(review.passage.id) is not State.FAILED:
            states[review.passage.id] = state
    lost, read = Counter(states.values()), rules.total - unread
    tested, failed = read - lost.total(), lost[State.FAILED]
    by = {opinion.model: _reach(opinion, read, unread) for opinion in opinions}
    reasons = (f"{model}: {why}" for model, reach in by.items() for why in reach.reasons)
    return Coverage(
        tested=tested,
        failed=failed,
        skipped=rules.total - tested - failed,
        reasons=(*rules.reasons, *reasons),
        by={"rules": Reach(rules.tested, rules.failed, rules.skipped, rules.reasons), **by},
    )


def _reach(opinion: Opinion, read: int, unread: int) -> Reach:
    """What one model tested; of a passage that holds nothing there was nothing to ask."""
    states = Counter(answer.state for answer in opinion.answers)
    failed, skipped = states[State.FAILED], states[State.SKIPPED]
    reasons = {_why(answer) for answer in opinion.answers if answer.state is not State.ANSWERED}
    return Reach(read - failed - skipped, failed, skipped + unread, tuple(sorted(reasons)))


def _why(answer: Answer) -> str:
    return answer.why.value if answer.why else answer.state.value


def _reasons(reviews: Sequence[_Review]) -> Mapping[tuple[str, str], int]:
    return Counter(
        (review.model, _why(review.answer)) for review in reviews if review.answer.state is not State.ANSWERED
    )


def _unanswered(reviews: Sequence[_Review]) -> Iterator[Notice]:
    """For each model and reason how many passages it did not test."""
    for (model, why), count in sorted(_reasons(reviews).items()):
        said = f"Passages that {model} did not test: {count} ({why_in('en', why)})."
        yield Notice("model_unanswered", said, {"model": model, "count": str(count), "why": why})


def _cost(opinion: Opinion, dropped: int) -> Cost:
    usage = opinion.usage
    answered = sum(answer.state is State.ANSWERED for answer in opinion.answers)
    return Cost(
        opinion.model, answered, opinion.kept, dropped, usage.requests, usage.tokens_in, usage.tokens_out,
        opinion.money, opinion.currency,
    )  # fmt: skip


ANCHORING = Step("anchoring", 3, Subject, Findings, anchoring, share=4, stage=Stage.MODEL)
