"""The report on paper: a PDF, set by typst."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import typst

from paperlane.errors import Misconfigured
from paperlane.model.documents import Issue, Report
from paperlane.reports import (
    WORDS,
    Unreadable,
    around,
    counts_line,
    coverage_line,
    facts_of,
    fault_line,
    notice_line,
    place_line,
    said,
    untested_line,
    visible,
)

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_LATIN = ("Noto Sans", "DejaVu Sans", "Helvetica Neue", "Arial")
_CHINESE = (
    "Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Noto Serif CJK SC", "SimSun",
)  # fmt: skip
_ALWAYS = "Libertinus Serif"  # comes with typst
_LONGEST_QUOTE = 3_000  # characters; an issue is not broken over pages


def render(reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
    """All documents, A4. Misconfigured where Chinese shall be printed and the machine has no font for it."""
    words = WORDS[language]
    names = [report.name for report in reports] + [name for name, _ in unreadable]
    told: dict[str, Any] = {
        "title": visible(f"{words['title']} · {names[0]}" if len(names) == 1 else words["title"]),
        "heading": words["title"],
        "lang": language,
        "region": "cn" if language == "zh" else "gb",
        "words": {
            **{name: words[name] for name in ("document", "issues", "coverage", "unreadable")},
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


@cache
def _families() -> Mapping[str, None]:
    return dict.fromkeys(typst.Fonts().families())


def _fonts(*, chinese: bool) -> Sequence[str]:
    """The fonts to print with, of those that are here, the first that has a character counts."""
    there = _families()
    fonts = [name for name in (*_LATIN, *_CHINESE) if name in there]
    if chinese and not any(name in there for name in _CHINESE):
        raise Misconfigured(
            "There is no font here to print Chinese with.",
            hint="Install one, as fonts-noto-cjk on Debian and Ubuntu, or choose another report format.",
        )
    return [*fonts, _ALWAYS]


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
        "issues": [_issue(issue, language) for issue in report.standing],
    }


def _issue(issue: Issue, language: str) -> dict[str, str]:
    message, suggestion = said(issue, language)
    before, after = around(issue)
    quote = issue.quote if len(issue.quote) <= _LONGEST_QUOTE else f"{issue.quote[:_LONGEST_QUOTE]}…"
    place = [place_line(issue.location, language), " › ".join(issue.location.section), issue.rule]
    names = ("tag", "message", "suggestion", "before", "quote", "after", "place")
    said_of_it = (WORDS[language][issue.severity.value], message, suggestion, before, quote, after)
    values = _visible((*said_of_it, " · ".join(filter(None, place))))
    return {"severity": issue.severity.value, **dict(zip(names, values, strict=True))}


def _visible(texts: Iterable[str]) -> Sequence[str]:
    return [visible(text) for text in texts]
