"""Writing reports: one output format a file, for one document or for many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from paperlane.model.documents import Coverage, Issue, Report, Severity
from paperlane.model.tasks import Fault

Unreadable = Sequence[tuple[str, Fault]]
"""Files that could not be read, each with the reason."""


class Render(Protocol):
    """Writes reports in a language ("en" or "zh")."""

    def __call__(self, reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ReportFormat:
    """An output format; `module` under `paperlane.reports` holds its `render`."""

    name: str
    media_type: str
    suffix: str
    module: str

    def render(self, reports: Sequence[Report], unreadable: Unreadable, language: str) -> bytes:
        """The whole file."""
        write: Render = import_module(f"paperlane.reports.{self.module}").render
        return write(reports, unreadable, language)


REPORTS: Mapping[str, ReportFormat] = {
    form.name: form
    for form in (
        ReportFormat("text", "text/plain; charset=utf-8", ".txt", "text"),
        ReportFormat("json", "application/json", ".json", "as_json"),
        ReportFormat("html", "text/html; charset=utf-8", ".html", "html"),
    )
}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "error": "error", "warning": "warning", "info": "info", "errors": "errors", "warnings": "warnings",
        "infos": "infos", "no issues": "no issues", "nothing": "nothing could be tested",
        "tested": "{tested} of {all} passages tested", "whole": "all {all} passages tested",
        "whole one": "the one passage tested", "dismissed": "{n} dismissed", ", ": ", ", "; ": "; ", "(x)": "({x})",
        "rules only": "rules only", "unreadable": "could not be read", "page": "page", "line": "line",
        "title": "Paperlane report", "issues": "issues", "section": "Section", "suggestion": "Suggestion",
        "show": "Show", "all": "all", "untested": "Parts of this document were not tested",
        "words": "{words} words, {sections} sections", "pages": "{pages} pages",
    },
    "zh": {
        "error": "错误", "warning": "警告", "info": "提示", "errors": "个错误", "warnings": "个警告",
        "infos": "个提示",
        "no issues": "未发现问题", "nothing": "没有可检测的内容", "tested": "已检测 {tested}/{all} 个段落",
        "whole": "全部 {all} 个段落均已检测", "whole one": "唯一的段落已检测", "dismissed": "另有 {n} 个已忽略",
        ", ": "，", "; ": "；", "(x)": "（{x}）",
        "rules only": "仅规则检测", "unreadable": "无法读取",
        "page": "页", "line": "行", "title": "Paperlane 检测报告", "issues": "问题",
        "section": "章节", "suggestion": "建议", "show": "显示", "all": "全部",
        "untested": "本文档有部分内容未被检测", "words": "{words} 字，{sections} 节", "pages": "{pages} 页",
    },
}  # fmt: skip


def said(issue: Issue, language: str) -> tuple[str, str]:
    """Message and suggestion of an issue in a language; a model's issue is said as it is."""
    if issue.source != "rule" or language == "en":
        return issue.message, issue.suggestion
    from paperlane.checks import say  # noqa: PLC0415  English reports need no check

    return say(issue.rule, issue.params, language)


def coverage_line(coverage: Coverage, language: str) -> str:
    """How much was tested, in words; every count of issues stands beside it."""
    words = WORDS[language]
    total = coverage.tested + coverage.failed + coverage.skipped
    if total == 0:
        return words["nothing"]
    whole = "whole one" if total == 1 else "whole"
    return words[whole if coverage.whole else "tested"].format(tested=coverage.tested, all=total)


def counts_line(report: Report, language: str) -> str:
    """The number of issues by severity, or that there is none: never for a document that was not tested."""
    words = WORDS[language]
    if report.coverage.tested == 0:
        return words["nothing"]
    counted = [(report.count(severity), severity.value) for severity in Severity]
    many = language == "zh"
    said = [f"{count} {words[name if count == 1 and not many else name + 's']}" for count, name in counted if count]
    said = said or [words["no issues"]]
    if report.dismissed:
        said.append(words["dismissed"].format(n=report.dismissed))
    return words[", "].join(said)
