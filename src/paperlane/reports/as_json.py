"""The report for programs; the keys are those of the HTTP interface."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from paperlane.model.documents import Issue, Reach, Report, Severity
from paperlane.reports import Unreadable, fault_in, notice_line, said


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """One object: documents, and files that could not be read."""
    content = {
        "documents": [document(report, language) for report in reports],
        "unreadable": [{"name": name, **asdict(fault_in(fault, language))} for name, fault in unreadable],
    }
    return json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n"


def document(report: Report, language: str) -> dict[str, Any]:
    """One document's report."""
    coverage, compared = report.coverage, report.comparison
    return {
        "document": {
            "name": report.name,
            "media_type": report.media_type,
            "language": report.language.value,
            "pages": report.pages,
            "characters": report.characters,
            "words": report.words,
            "sections": report.sections,
        },
        "coverage": {**_reach(coverage), "by": {judge: _reach(reach) for judge, reach in coverage.by.items()}},
        "judges": list(report.judges),
        "costs": [asdict(cost) for cost in report.costs],
        "profiles": list(report.profiles),
        "checks": list(report.checks),
        "warnings": [{**asdict(notice), "message": notice_line(notice, language)} for notice in report.notices],
        "counts": {severity.value: report.count(severity) for severity in Severity},
        "dismissed": report.dismissed,
        "ignored": asdict(report.ignored),
        "changes": compared and compared.counts,
        "issues": [
            {**issue_of(issue, language), "status": status.value, "change": change and change.value}
            for (issue, status), change in zip(report.reviewed, report.changes, strict=True)
        ],
        "fixed": [asdict(known) for known in compared.fixed] if compared else [],
    }


def _reach(reach: Reach) -> dict[str, Any]:
    return {
        "tested": reach.tested,
        "failed": reach.failed,
        "skipped": reach.skipped,
        "reasons": list(reach.reasons),
        "whole": reach.whole,
    }


def issue_of(issue: Issue, language: str) -> dict[str, Any]:
    """One issue."""
    message, suggestion = said(issue, language)
    place = issue.location
    return {
        "rule": issue.rule,
        "category": issue.category,
        "severity": issue.severity.value,
        "confidence": issue.confidence,
        "message": message,
        "quote": issue.quote,
        "suggestion": suggestion,
        "location": {
            **asdict(place),
            "section": list(place.section),
            "page": place.page or None,
            "cell": place.cell or None,
        },
        "source": issue.source,
        "fingerprint": issue.fingerprint,
    }
