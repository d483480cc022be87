"""The report for code scanning: SARIF 2.1.0 (OASIS), as forges and editors read it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from paperlane.model.documents import LINED, Issue, Report, Severity, Status
from paperlane.reports import (
    Unreadable,
    changes_line,
    counts_line,
    coverage_line,
    fault_line,
    judges_line,
    notice_line,
    said,
)

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_LANGUAGES = {"en": "en-US", "zh": "zh-CN"}


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """One run; files that could not be read, and warnings, are its notifications."""
    rules = dict.fromkeys(issue.rule for report in reports for issue in report.issues)
    places = {rule: at for at, rule in enumerate(rules)}
    names = [*(report.name for report in reports), *(name for name, _ in unreadable)]
    run = {
        "tool": {
            "driver": {
                "name": "Paperlane",
                "version": version("paperlane"),
                "rules": [_rule(rule, language) for rule in rules],
            }
        },
        "language": _LANGUAGES[language],
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not unreadable,
                "toolExecutionNotifications": [*_notifications(reports, unreadable, language)],
            }
        ],
        "artifacts": [{"location": {"uri": _uri(name)}} for name in names],
        "results": [
            _result(issue, status, report, at, places[issue.rule], language)
            | ({"baselineState": change.value} if change else {})
            for at, report in enumerate(reports)
            for (issue, status), change in zip(report.reviewed, report.changes, strict=True)
        ],
        "properties": {
            "documents": [
                {
                    "name": report.name,
                    "summary": counts_line(report, language),
                    "coverage": coverage_line(report.coverage, language),
                    "whole": report.coverage.whole,
                    "judges": judges_line(report, language),
                    "costs": [asdict(cost) for cost in report.costs],
                    "profiles": report.profiles,
                    "changes": changes_line([report], language),
                }
                for report in reports
            ]
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n"


def _rule(name: str, language: str) -> dict[str, Any]:
    from paperlane.checks import CHECKS  # noqa: PLC0415  a model's issues need no check

    check = CHECKS.get(name)
    if check is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": check.title[language]},
        "fullDescription": {"text": check.why},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"category": check.category},
    }


def _uri(name: str) -> str:
    """A path as a reference (RFC 3986): relative as it was named, or a file's where it is absolute."""
    path = PurePath(name)
    return f"{'file://' if path.is_absolute() else ''}{quote(path.as_posix())}"


def _result(issue: Issue, status: Status, report: Report, artifact: int, rule: int, language: str) -> dict[str, Any]:
    message, suggestion = said(issue, language)
    place = issue.location
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(report.name), "index": artifact}}
    if report.media_type in LINED:
        physical["region"] = _region(issue)
    location: dict[str, Any] = {"physicalLocation": physical}
    if place.section:
        location["logicalLocations"] = [
            {"name": place.section[-1], "fullyQualifiedName": " › ".join(place.section), "kind": "section"}
        ]
    result: dict[str, Any] = {
        "ruleId": issue.rule,
        "ruleIndex": rule,
        "level": _LEVELS[issue.severity],
        "rank": round(100 * issue.confidence, 1),
        "message": {"text": f"{message} {suggestion}".rstrip()},
        "locations": [location],
        "partialFingerprints": {"paperlane/v1": issue.fingerprint},
        "properties": {
            "quote": issue.quote,
            "category": issue.category,
            "source": issue.source,
            "start": place.start,
            "end": place.end,
            **({"page": place.page} if place.page else {}),
            **({"cell": place.cell} if place.cell else {}),
        },
    }
    if status is Status.DISMISSED:
        result["suppressions"] = [{"kind": "external"}]
    return result


def _region(issue: Issue) -> dict[str, Any]:
    """Lines and columns count from 1; the end is that of the character behind the quote."""
    place = issue.location
    lines = issue.quote.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    column = place.column + len(issue.quote) if len(lines) == 1 else len(lines[-1]) + 1
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.line + len(lines) - 1,
        "endColumn": column,
        "charOffset": place.start,
        "charLength": len(issue.quote),
        "snippet": {"text": issue.quote},
    }


def _notifications(reports: Sequence[Report], unreadable: Unreadable, language: str) -> Iterator[dict[str, Any]]:
    for at, report in enumerate(reports):
        for notice in report.notices:
            yield _notification(report.name, at, "warning", notice.code, notice_line(notice, language))
        if not report.coverage.whole:
            told = coverage_line(report.coverage, language)
            yield _notification(report.name, at, "warning", "coverage", told)
    for at, (name, fault) in enumerate(unreadable, start=len(reports)):
        yield _notification(name, at, "error", fault.code, fault_line(fault, language))


def _notification(name: str, artifact: int, level: str, code: str, message: str) -> dict[str, Any]:
    return {
        "level": level,
        "descriptor": {"id": code},
        "message": {"text": message},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(name), "index": artifact}}}],
    }
