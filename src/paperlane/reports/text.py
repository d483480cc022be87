"""The report for a terminal: a line an issue, as compilers write them, and a summary."""

from collections.abc import Iterator, Sequence

from paperlane.model.documents import Report
from paperlane.reports import WORDS, Unreadable, counts_line, coverage_line, said

_LONGEST_QUOTE = 90


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents, one after another."""
    return "".join(f"{line}\n" for line in _lines(reports, unreadable, language)).encode()


def _lines(reports: Sequence[Report], unreadable: Unreadable, language: str) -> Iterator[str]:
    for report in reports:
        yield from _document(report, language)
    for name, fault in unreadable:
        yield f"{name}: {WORDS[language]['unreadable']} [{fault.code}]: {fault.message} {fault.hint}".rstrip()


def _document(report: Report, language: str) -> Iterator[str]:
    words = WORDS[language]
    for issue in report.standing:
        message, suggestion = said(issue, language)
        place = f"{report.name}:{issue.location.line}:{issue.location.column}"
        page = f" ({words['page']} {issue.location.page})" if issue.location.page else ""
        yield f"{place}: {words[issue.severity.value]}{page}: {message} [{issue.rule}]"
        yield f"    > {_shortened(issue.quote)}"
        yield f"    {suggestion}"
    for notice in report.notices:
        yield f"{report.name}: {words['warning']}: {notice.message} [{notice.code}]"
    for reason in report.coverage.reasons:
        yield f"{report.name}: {words['warning']}: {reason}"
    judges = words["rules only"] if report.judges == ("rules",) else ", ".join(report.judges)
    summary = dict.fromkeys((counts_line(report, language), coverage_line(report.coverage, language)))
    space = "" if language == "zh" else " "
    yield f"{report.name}: {words['; '].join(summary)}{space}{words['(x)'].format(x=judges)}"


def _shortened(quote: str) -> str:
    folded = " ".join(quote.split())
    if len(folded) <= _LONGEST_QUOTE:
        return folded
    cut = folded.rfind(" ", _LONGEST_QUOTE // 2, _LONGEST_QUOTE)  # Chinese has no spaces: it is cut anywhere
    return folded[: cut if cut > 0 else _LONGEST_QUOTE - 1] + "…"
