"""The report as a workbook, for sorting and filtering: text stays text, figures are figures."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from paperlane.model.documents import Report, Severity, Status
from paperlane.reports import (
    WORDS,
    Unreadable,
    changes_line,
    coverage_line,
    fault_line,
    judges_line,
    notice_line,
    said,
    visible,
)

_MOST_ROWS = 1_000_000  # of a sheet; a workbook's own limit is 1,048,576
_LONGEST = 32_767  # characters of a cell
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # OWASP, CSV injection: other programs look at these too
_BOLD, _WRAPPED = Font(bold=True), Alignment(wrap_text=True, vertical="top")

Value = str | int | float | None


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """A sheet of issues (more where it is full), one of documents, one of warnings and what was not read."""
    book = Workbook(write_only=True)
    words = WORDS[language]
    _sheet(book, words["issues"], _ISSUE_COLUMNS, _issues(reports, language), language)
    _sheet(book, words["documents"], _DOCUMENT_COLUMNS, _documents(reports, language), language)
    _sheet(book, words["notices"], _NOTICE_COLUMNS, _notices(reports, unreadable, language), language)
    written = BytesIO()
    book.save(written)
    return written.getvalue()


_ISSUE_COLUMNS = {
    "document": 24, "severity": 10, "rule": 20, "message": 48, "quote": 40, "suggestion": 40, "section": 32,
    "page number": 7, "line number": 7, "column number": 7, "category": 14, "confidence": 11, "source": 9,
    "status": 11, "fingerprint": 19, "change": 11, "cell": 14,
}  # fmt: skip
_DOCUMENT_COLUMNS = {
    "document": 32, "errors": 9, "warnings": 9, "infos": 9, "coverage": 30, "tested passages": 9,
    "failed passages": 9, "skipped passages": 9, "judges": 18, "language": 10, "word count": 10,
    "profiles chosen": 20, "changes": 32, "ignored findings": 9,
}  # fmt: skip
_NOTICE_COLUMNS = {"document": 32, "code": 22, "reason": 80}


def _issues(reports: Sequence[Report], language: str) -> Iterator[Sequence[Value]]:
    words = WORDS[language]
    for report in reports:
        for (issue, status), change in zip(report.reviewed, report.changes, strict=True):
            message, suggestion = said(issue, language)
            place = issue.location
            yield (
                report.name, words[issue.severity.value], issue.rule, message, issue.quote, suggestion,
                " › ".join(place.section), place.page or None, place.line, place.column, issue.category,
                issue.confidence, words.get(issue.source, issue.source),
                words["dismissed one" if status is Status.DISMISSED else status.value], issue.fingerprint,
                words[change.value] if change else None, place.cell or None,
            )  # fmt: skip


def _documents(reports: Sequence[Report], language: str) -> Iterator[Sequence[Value]]:
    for report in reports:
        coverage = report.coverage
        yield (
            report.name, *(report.count(severity) for severity in Severity), coverage_line(coverage, language),
            coverage.tested, coverage.failed, coverage.skipped, judges_line(report, language), report.language.value,
            report.words, ", ".join(report.profiles), changes_line([report], language), report.ignored.total,
        )  # fmt: skip


def _notices(reports: Sequence[Report], unreadable: Unreadable, language: str) -> Iterator[Sequence[Value]]:
    for report in reports:
        for notice in report.notices:
            yield report.name, notice.code, notice_line(notice, language)
    for name, fault in unreadable:
        yield name, fault.code, f"{WORDS[language]['unreadable']}{WORDS[language][': ']}{fault_line(fault, language)}"


def _sheet(book: Workbook, title: str, columns: dict[str, int], rows: Iterator[Sequence[Value]], language: str) -> None:
    sheet = _begun(book, title, columns, language)
    count, number = 0, 1
    for row in rows:
        if count == _MOST_ROWS:
            _closed(sheet, columns, count)
            number += 1
            sheet, count = _begun(book, f"{title} {number}", columns, language), 0
        sheet.append([_cell(sheet, value) for value in row])
        count += 1
    _closed(sheet, columns, count)


def _begun(book: Workbook, title: str, columns: dict[str, int], language: str) -> Any:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for at, width in enumerate(columns.values(), start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    heads = [WriteOnlyCell(sheet, WORDS[language][name].capitalize()) for name in columns]
    for head in heads:
        head.font = _BOLD
    sheet.append(heads)
    return sheet


def _closed(sheet: Any, columns: dict[str, int], count: int) -> None:
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{count + 1}"


def _cell(sheet: Any, value: Value) -> Any:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet)
    cell.value = _shown(value)
    cell.data_type = "s"  # or what begins with "=" would be a formula
    cell.alignment = _WRAPPED
    if value.startswith(_BEGINS_FORMULA):
        cell.quotePrefix = True  # it stays text where somebody edits it
    return cell


def _shown(text: str) -> str:
    """What a cell can hold; what it cannot is spelled, and what is too long cut."""
    text = ILLEGAL_CHARACTERS_RE.sub(lambda found: visible(found[0]), text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
