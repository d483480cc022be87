"""The report on paper: a PDF, set by typst."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import typst

from paperlane.errors import NoFont
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
    notice_line,
    places_in,
    said,
    tag_of,
    untested_line,
    visible,
)

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_LATIN = ("Noto Sans", "DejaVu Sans", "Helvetica Neue", "Arial")
_CHINESE = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Noto Serif CJK SC", "Noto Serif SC", "SimSun",
    "AR PL UMing CN", "AR PL UKai CN", "Noto Sans CJK TC", "Noto Sans CJK JP",
)  # fmt: skip
_ALWAYS = "Libertinus Serif"  # comes with typst
_LONGEST_QUOTE = 3_000  # characters; an issue is not broken over pages


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents, A4. NoFont where Chinese shall be printed and the machine has no font for it."""
    words = WORDS[language]
    names = [report.name for report in reports] + [name for name, _ in unreadable]
    told: dict[str, Any] = {
        "title": visible(f"{words['title']} · {names[0]}" if len(names) == 1 else words["title"]),
        "heading": words["title"],
        "lang": language,
        "region": "cn" if language == "zh" else "gb",
        "words": {
            **{name: words[name] for name in ("document", "issues", "coverage", "unreadable", "fixed")},
            "of_pages": words["of pages"],
        },
        "documents": [_document(report, language) for report in reports],
        "unreadable": [
            {"name": visible(name), "reason": visible(f"{fault_line(fault, language)} [{fault.code}]")}
            for name, fault in unreadable
        ],
    }
    content = json.dumps(told, ensure_ascii=False)
    told["fonts"] = _fonts(chinese=_HAN.search(content) is not None)
    return typst.compile(
        files("paperlane.reports").joinpath("report.typ").read_bytes(),
        format="pdf",
        sys_inputs={"told": json.dumps(told, ensure_ascii=False)},
        timestamp=datetime.now(UTC).replace(microsecond=0),
    )


def chinese_font() -> str:
    """The font here that Chinese is printed with, "" where there is none."""
    there = _families()
    return next((name for name in _CHINESE if name in there), "")


@cache
def _families() -> frozenset[str]:
    return frozenset(typst.Fonts().families())


def _fonts(*, chinese: bool) -> Sequence[str]:
    """The fonts to print with, of those that are here, the first that has a character counts."""
    there = _families()
    if chinese and not there & {*_CHINESE}:
        _families.cache_clear()  # the next report finds what somebody installs
        raise NoFont(
            "There is no font here to print Chinese with.",
            hint="Install one on the machine of the service, as fonts-noto-cjk on Debian and Ubuntu, "
            "or take another format, as html.",
        )
    return [*(name for name in (*_LATIN, *_CHINESE) if name in there), _ALWAYS]


def _document(report: Report, language: str) -> dict[str, Any]:
    notices = [f"{notice_line(notice, language)} [{notice.code}]" for notice in report.notices]
    if untested := untested_line(report.coverage, language):
        notices.append(untested)
    return {
        "name": visible(report.name),
        "counts": counts_line(report, language),
        "coverage": visible(coverage_line(report.coverage, language)),
        "facts": visible(" · ".join(facts_of(report, language))),
        "notices": _visible(notices),
        "issues": [_issue(issue, change, report, language) for issue, change in report.shown],
        "fixed": [[visible(quote), visible(rule)] for quote, rule in fixed_in(report)],
    }


def _issue(issue: Issue, change: Change | None, report: Report, language: str) -> dict[str, str]:
    message, suggestion = said(issue, language)
    before, after = around(issue)
    quote = issue.quote if len(issue.quote) <= _LONGEST_QUOTE else f"{issue.quote[:_LONGEST_QUOTE]}…"
    place = [*places_in(issue, report, language), issue.rule]
    names = ("tag", "message", "suggestion", "before", "quote", "after", "place")
    said_of_it = (" · ".join(tag_of(issue, change, report, language)), message, suggestion, before, quote, after)
    values = _visible((*said_of_it, " · ".join(place)))
    return {"severity": issue.severity.value, **dict(zip(names, values, strict=True))}


def _visible(texts: Iterable[str]) -> Sequence[str]:
    return [visible(text) for text in texts]
