"""The report for a terminal: a line an issue, as compilers write them, and a summary."""

from collections.abc import Iterator, Sequence
from unicodedata import category, east_asian_width

from paperlane.model.documents import LINED, Change, Issue, Report
from paperlane.reports import (
    LAST_WORD,
    WORDS,
    Unreadable,
    around,
    changes_line,
    counts_line,
    coverage_line,
    fault_line,
    folded,
    notice_line,
    places_in,
    profiles_line,
    said,
    tag_of,
    testers_line,
    visible,
)

_WIDEST = 90  # columns of a quote with what stands around it
_NARROWEST = 16  # columns under which what stands around says nothing


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents, one after another."""
    return "".join(f"{visible(line)}\n" for line in _lines(reports, unreadable, language)).encode()


def _lines(reports: Sequence[Report], unreadable: Unreadable, language: str) -> Iterator[str]:
    for report in reports:
        yield from _document(report, language)
    for name, fault in unreadable:
        yield f"{name}: {WORDS[language]['unreadable']} [{fault.code}]: {fault_line(fault, language)}"
    if len(reports) > 1 and (changes := changes_line(reports, language)):
        yield changes


def _document(report: Report, language: str) -> Iterator[str]:
    words = WORDS[language]
    for issue, change in report.shown:
        yield from _issue(report, issue, change, language)
    for notice in report.notices:
        yield f"{report.name}: {words['warning']}: {notice_line(notice, language)} [{notice.code}]"
    counts, changes = counts_line(report, language), changes_line([report], language)
    summary = dict.fromkeys(filter(None, (counts, changes, coverage_line(report.coverage, language))))
    judges = words[", "].join(filter(None, (testers_line(report, language), profiles_line(report, language))))
    yield f"{report.name}: {words['; '].join(summary)}{words['(x)'].format(x=judges)}"


def _issue(report: Report, issue: Issue, change: Change | None, language: str) -> Iterator[str]:
    message, suggestion = map(folded, said(issue, language))
    severity, *new = tag_of(issue, change, report, language)
    severity += "".join(WORDS[language]["(x)"].format(x=word) for word in new)
    yield f"{report.name}:{_place(report, issue, language)} {severity}: {message} [{issue.rule}]"
    yield f"    > {_excerpt(issue)}"
    yield f"    {suggestion}"


def _place(report: Report, issue: Issue, language: str) -> str:
    """Line and column as editors and terminals follow them; of a file without lines what names the place best."""
    if report.media_type in LINED:
        return f"{issue.location.line}:{issue.location.column}:"
    return next((f" {folded(place)}:" for place in places_in(issue, report, language)), "")


def _excerpt(issue: Issue) -> str:
    """The quote, »marked« where something stands around it, in at most _WIDEST columns."""
    quote = folded(issue.quote).strip()
    before, after = around(issue)
    room = _WIDEST - _width(quote) - len("»«")
    if room < _NARROWEST or not before + after:
        return _beginning(quote, _WIDEST)
    before = _beginning(before[::-1], max(room - _width(after), room // 2))[::-1]
    return f"{before}»{quote}«{_beginning(after, room - _width(before))}"


def _beginning(text: str, room: int) -> str:
    """What fits in `room` columns, cut between words, with … where it is cut."""
    if _width(text) <= room:
        return text
    kept = text[:room]
    while _width(kept) >= room:
        kept = kept[:-1]
    if text[len(kept)] != " ":
        kept = LAST_WORD.sub("", kept)
    return f"{kept.rstrip()}…"


def _width(text: str) -> int:
    """Columns on a terminal: two for each Chinese character."""
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if category(character) in {"Mn", "Me"}:
        return 0
    return 2 if east_asian_width(character) in {"W", "F"} else 1
