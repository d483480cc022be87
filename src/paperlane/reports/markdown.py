"""The report as Markdown, for a merge request or a wiki: whatever a document says stays text."""

import re
from collections.abc import Iterator, Sequence

from paperlane.model.documents import Change, Issue, Report
from paperlane.reports import (
    WORDS,
    Unreadable,
    around,
    counts_line,
    coverage_line,
    facts_of,
    fault_line,
    fixed_in,
    folded,
    notice_line,
    places_in,
    said,
    tag_of,
    untested_line,
    visible,
)

_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~!&$]|^[-+=]|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d{3})[.)]")

# a forge looks for names and numbers in the text that is shown, where no backslash is left; a comment parts that text
_CALL = re.compile(r"(?<![A-Za-z0-9_])@(?=\\?\w)|\\[#!](?=\d)")


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents, one after another, behind an overview where there are several."""
    return ("\n".join(_lines(reports, unreadable, language)).rstrip() + "\n").encode()


def _lines(reports: Sequence[Report], unreadable: Unreadable, language: str) -> Iterator[str]:
    words = WORDS[language]
    yield f"# {words['title']}\n"
    if len(reports) + len(unreadable) > 1:
        yield f"| {words['document']} | {words['issues']} | {words['coverage']} |\n| --- | --- | --- |"
        for report in reports:
            coverage = _plain(coverage_line(report.coverage, language))
            yield f"| {_plain(report.name)} | {counts_line(report, language)} | {coverage} |"
        for name, _ in unreadable:
            yield f"| {_plain(name)} | {words['unreadable']} | |"
        yield ""
    for report in reports:
        yield from _document(report, language)
    for name, fault in unreadable:
        why = f"(`{fault.code}`){words[': ']}{_plain(fault_line(fault, language))}"
        yield f"## {_plain(name)}\n\n**{words['unreadable']}** {why}\n"


def _document(report: Report, language: str) -> Iterator[str]:
    facts = facts_of(report, language)
    yield f"## {_plain(report.name)}\n"
    yield f"**{counts_line(report, language)}** · {' · '.join(map(_plain, facts))}\n"
    for notice in report.notices:
        yield f"> {_plain(notice_line(notice, language))} (`{notice.code}`)\n"
    if untested := untested_line(report.coverage, language):
        yield f"> {untested}\n"
    for issue, change in report.shown:
        yield _issue(issue, change, report, language)
    if fixed := fixed_in(report):
        yield f"### {WORDS[language]['fixed']}\n"
        yield "".join(f"- {_plain(quote)} `{rule}`\n" for quote, rule in fixed)


def _issue(issue: Issue, change: Change | None, report: Report, language: str) -> str:
    message, suggestion = map(folded, said(issue, language))
    before, after = map(_plain, around(issue))
    head = [
        f"**{' · '.join(tag_of(issue, change, report, language))}**",
        *map(_plain, places_in(issue, report, language)),
        f"`{issue.rule}`",
    ]
    return (
        f"- {' · '.join(head)}\\\n"
        f"  {_plain(message)}\n\n"
        f"  > {before}<b>{_plain(issue.quote)}</b>{after}\n\n"
        f"  {_plain(suggestion)}\n"
    )


def _plain(text: str) -> str:
    """A line that Markdown and the HTML in it do nothing to, and that calls nobody where it is pasted."""
    return _CALL.sub(r"\g<0><!-- -->", _MARKUP.sub(r"\\\g<0>", folded(visible(text))))
