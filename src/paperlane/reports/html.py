"""The report for reading and printing: one file that needs nothing else."""

from collections.abc import Sequence
from functools import cache, partial

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from paperlane.model.documents import Report, Severity
from paperlane.reports import (
    WORDS,
    Unreadable,
    around,
    changes_line,
    counts_line,
    coverage_line,
    fault_line,
    fixed_in,
    notice_line,
    places_in,
    profiles_line,
    said,
    size_line,
    tag_of,
    testers_line,
    untested_line,
    visible,
)


@cache
def _template() -> Template:
    loader = PackageLoader("paperlane.reports", "")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_shown,
    )
    return environment.get_template("report.html.j2")


def _shown(value: object) -> object:
    """Whatever is printed: what could turn a line around is spelled, before all is escaped."""
    return visible(value) if type(value) is str else value


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents on one page."""
    totals = {severity.value: sum(report.count(severity) for report in reports) for severity in Severity}
    return (
        _template()
        .render(
            reports=reports,
            unreadable=unreadable,
            language=language,
            words=WORDS[language],
            totals=totals,
            around=around,
            said=partial(said, language=language),
            changes=partial(changes_line, language=language),
            counts=partial(counts_line, language=language),
            coverage=partial(coverage_line, language=language),
            untested=partial(untested_line, language=language),
            testers=partial(testers_line, language=language),
            profiles=partial(profiles_line, language=language),
            size=partial(size_line, language=language),
            tag=partial(tag_of, language=language),
            fixed=fixed_in,
            places=partial(places_in, language=language),
            notice=partial(notice_line, language=language),
            fault=partial(fault_line, language=language),
        )
        .encode()
    )
