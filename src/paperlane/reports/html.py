"""The report for reading and printing: one file that needs nothing else."""

from collections.abc import Sequence
from functools import cache, partial

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from paperlane.model.documents import Report, Severity
from paperlane.reports import WORDS, Unreadable, counts_line, coverage_line, said


@cache
def _template() -> Template:
    loader = PackageLoader("paperlane.reports", "")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("report.html.j2")


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents on one page."""
    return (
        _template()
        .render(
            reports=reports,
            unreadable=unreadable,
            language=language,
            words=WORDS[language],
            severities=[severity.value for severity in Severity],
            said=partial(said, language=language),
            counts=partial(counts_line, language=language),
            coverage=partial(coverage_line, language=language),
        )
        .encode()
    )
