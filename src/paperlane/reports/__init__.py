"""Writing reports: one output format a file, for one document or for many."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from paperlane.catalog import tell
from paperlane.model.documents import (
    CONTEXT,
    LINED,
    PRESENTATION,
    WORKBOOK,
    Change,
    Coverage,
    Issue,
    Notice,
    Reach,
    Report,
    Severity,
)
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
    binary: bool = False

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
        ReportFormat("sarif", "application/sarif+json", ".sarif", "sarif"),
        ReportFormat("md", "text/markdown; charset=utf-8", ".md", "markdown"),
        ReportFormat("xlsx", WORKBOOK, ".xlsx", "xlsx", binary=True),
        ReportFormat("pdf", "application/pdf", ".pdf", "pdf", binary=True),
    )
}

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "error": "error", "warning": "warning", "info": "info", "errors": "errors", "warnings": "warnings",
        "infos": "infos", "no issues": "no issues", "no issues in part": "no issues in what was tested",
        "nothing": "nothing could be tested", "tested": "{tested} of {all} passages tested",
        "whole": "all {all} passages tested", "whole one": "the one passage tested", "dismissed": "{n} dismissed",
        "ignored": "{n} ignored", "new": "new", "unchanged": "unchanged", "fixed": "Fixed",
        "change": "change", "changes": "changes", "profiles chosen": "profiles", "ignored findings": "ignored",
        "no new issues": "no new issues",
        "no new issues in part": "no new issues in what was tested",
        "new ones": "{n} new", "fixed ones": "{n} fixed", "unchanged ones": "{n} unchanged",
        ", ": ", ", "; ": "; ", ": ": ": ", "(x)": " ({x})",
        "rules only": "rules only", "rules": "rules", "cost": "{model}: {tokens} tokens{money}{kept}",
        "kept": ", {n} answers from before", "unreadable": "could not be read", "page": "page {page}",
        "slide": "slide {page}", "line": "line {line}, column {column}", "title": "Paperlane report",
        "untested": "Parts of this document were not tested",
        "untested by models": "Rules tested all of this document, but not every model did",
        "words": "{words} words", "sections": "{sections} sections", "pages": "{pages} pages",
        "one profile": "profile {names}", "profiles": "profiles {names}",
        "one word": "1 word", "one section": "1 section", "one page": "1 page",
        "document": "Document", "issues": "Issues", "coverage": "Coverage", "documents": "Documents",
        "severity": "Severity", "rule": "Rule", "category": "Category", "message": "Message", "quote": "Quote",
        "suggestion": "Suggestion", "section": "Section", "cell": "Cell", "page number": "Page", "line number": "Line",
        "column number": "Column", "confidence": "Confidence", "source": "Source", "status": "Status",
        "fingerprint": "Fingerprint", "tested passages": "Passages tested", "failed passages": "Passages failed",
        "skipped passages": "Passages skipped", "judges": "Tested by", "word count": "Words", "code": "Code",
        "reason": "Reason", "notices": "Warnings", "open": "open", "accepted": "accepted", "dismissed one": "dismissed",
        "model": "model", "language": "Language", "of pages": "page {page} of {pages}",
    },
    "zh": {
        "error": "错误", "warning": "警告", "info": "提示", "errors": "个错误", "warnings": "个警告",
        "infos": "个提示", "no issues": "未发现问题", "no issues in part": "已检测的部分未发现问题",
        "nothing": "没有可检测的内容", "tested": "已检测 {tested}/{all} 个片段",
        "whole": "全部 {all} 个片段均已检测", "whole one": "全文已检测", "dismissed": "另有 {n} 个已忽略",
        "ignored": "按注释或词表略过 {n} 个", "new": "新增", "unchanged": "未变", "fixed": "已解决",
        "change": "变化", "changes": "变化", "profiles chosen": "检测方案", "ignored findings": "略过",
        "no new issues": "没有新增问题",
        "no new issues in part": "已检测的部分没有新增问题",
        "new ones": "新增 {n} 个", "fixed ones": "解决 {n} 个", "unchanged ones": "未变 {n} 个",
        ", ": "，", "; ": "；", ": ": "：", "(x)": "（{x}）",
        "rules only": "仅按规则检测", "rules": "规则", "cost": "{model}：{tokens} 个 token{money}{kept}",
        "kept": "，{n} 个答案来自缓存", "unreadable": "无法读取", "page": "第 {page} 页",
        "slide": "第 {page} 张幻灯片", "line": "第 {line} 行第 {column} 列", "title": "Paperlane 检测报告",
        "untested": "本文档有部分内容未被检测",
        "untested by models": "规则已检测全文，但并非每个模型都检测了全部内容",
        "words": "{words} 字", "sections": "{sections} 节", "pages": "{pages} 页",
        "one profile": "检测方案 {names}", "profiles": "检测方案 {names}",
        "one word": "1 字", "one section": "1 节", "one page": "1 页",
        "document": "文档", "issues": "问题", "coverage": "检测范围", "documents": "文档",
        "severity": "级别", "rule": "规则", "category": "类别", "message": "说明", "quote": "原文",
        "suggestion": "建议", "section": "章节", "cell": "单元格", "page number": "页", "line number": "行",
        "column number": "列", "confidence": "置信度", "source": "来源", "status": "状态",
        "fingerprint": "指纹", "tested passages": "已检测片段", "failed passages": "失败片段",
        "skipped passages": "跳过片段", "judges": "检测方式", "word count": "字数", "code": "代码",
        "reason": "原因", "notices": "警告", "open": "待处理", "accepted": "已接受", "dismissed one": "已忽略",
        "model": "模型", "language": "语言", "of pages": "第 {page} 页，共 {pages} 页",
    },
}  # fmt: skip

_LONGEST_FIXED = 200  # characters of a fixed issue's quote
_SHOWN = frozenset("\n\t\u00a0\u3000\u200c\u200d")  # spaces, and what joins letters and emoji
_FOLD = re.compile(r"\s+")
LAST_WORD = re.compile(r"(?<=\s)[^\s\u3000-\u9fff\uff00-\uffef]+$")  # Chinese has no spaces: it is cut anywhere


def visible(text: str) -> str:
    """A text that cannot steer a terminal or turn its line around: what does not print is spelled."""
    return text if text.isprintable() else "".join(map(_spelled, text))


def _spelled(character: str) -> str:
    if character.isprintable() or character in _SHOWN:
        return character
    return ascii(character)[1:-1]


def folded(text: str) -> str:
    """A text on one line."""
    return _FOLD.sub(" ", text)


def said(issue: Issue, language: str) -> tuple[str, str]:
    """Message and suggestion of an issue in a language; a model's issue is said as it is."""
    if issue.source != "rule" or language == "en":
        return issue.message, issue.suggestion
    from paperlane.checks import say  # noqa: PLC0415  English reports need no check

    return say(issue.rule, issue.params, language)


def notice_line(notice: Notice, language: str) -> str:
    """A warning about the document, in a language."""
    return tell(notice.code, language, notice.message, params=notice.params)[0]


def fault_in(fault: Fault, language: str) -> Fault:
    """Why a file could not be read, in a language."""
    return Fault(fault.code, *tell(fault.code, language, fault.message, fault.hint))


def fault_line(fault: Fault, language: str) -> str:
    """The same in one line, with what to do."""
    told = fault_in(fault, language)
    return f"{told.message}{'' if language == 'zh' else ' '}{told.hint}".rstrip()


def around(issue: Issue) -> tuple[str, str]:
    """What stands before and after the quote, on one line, in whole words, with … where more stands there."""
    before, after = folded(issue.before).lstrip(), folded(issue.after).rstrip()
    if len(issue.before) == CONTEXT:
        before = f"…{LAST_WORD.sub('', before[::-1])[::-1].lstrip()}"
    if len(issue.after) == CONTEXT:
        after = f"{LAST_WORD.sub('', after).rstrip()}…"
    return before, after


MOST_FIXED = 500
"""So many fixed issues are listed, for each document."""


def tag_of(issue: Issue, change: Change | None, report: Report, language: str) -> Sequence[str]:
    """Its severity, and that it is new where others are listed beside it."""
    words = WORDS[language]
    new = change is Change.NEW and report.comparison is not None and not report.comparison.only_new
    return [words[issue.severity.value], *([words["new"]] if new else [])]


def fixed_in(report: Report) -> Sequence[tuple[str, str]]:
    """Quote and rule of the issues that are fixed, the first MOST_FIXED."""
    fixed = report.comparison.fixed[:MOST_FIXED] if report.comparison else ()
    return [(folded(known.quote[:_LONGEST_FIXED]), known.rule) for known in fixed]


def places_in(issue: Issue, report: Report, language: str) -> Sequence[str]:
    """Where a reader finds an issue: its cell; else its slide, page or line, if the file has any, and its section."""
    words, place = WORDS[language], issue.location
    if place.cell:
        return [place.cell]
    found = [" › ".join(place.section)] if place.section else []
    if place.page:
        kind = "slide" if report.media_type == PRESENTATION else "page"
        return [words[kind].format(page=place.page), *found]
    if report.media_type in LINED:
        return [words["line"].format(line=place.line, column=place.column), *found]
    return found


def coverage_line(coverage: Coverage, language: str) -> str:
    """How much was tested, in words, of each judge where not all of them tested everything.

    Every count of issues stands beside it.
    """
    words = WORDS[language]
    if coverage.whole or not coverage.by:
        return _reach_line(coverage, words)
    said = (
        f"{judge_in(name, language)}{words[': ']}{_reach_line(reach, words)}" for name, reach in coverage.by.items()
    )
    return words["; "].join(said)


def _reach_line(reach: Reach, words: Mapping[str, str]) -> str:
    if reach.total == 0:
        return words["nothing"]
    whole = "whole one" if reach.total == 1 else "whole"
    return words[whole if reach.whole else "tested"].format(tested=reach.tested, all=reach.total)


def untested_line(coverage: Coverage, language: str) -> str:
    """That a document was not wholly tested; "" where it was, or where nothing could be."""
    if coverage.whole or coverage.of_rules.tested == 0:
        return ""
    return WORDS[language]["untested by models" if coverage.of_rules.whole else "untested"]


def counts_line(report: Report, language: str) -> str:
    """The number of issues by severity, or that there is none: never plainly for what was not wholly tested."""
    words = WORDS[language]
    if report.coverage.of_rules.tested == 0 and not report.standing:
        return words["nothing"]
    counted = [(report.count(severity), severity.value) for severity in Severity]
    many = language == "zh"
    said = [f"{count} {words[name if count == 1 and not many else name + 's']}" for count, name in counted if count]
    new = "new " if report.comparison and report.comparison.only_new else ""
    said = said or [words[f"no {new}issues" if report.coverage.whole else f"no {new}issues in part"]]
    if report.dismissed:
        said.append(words["dismissed"].format(n=report.dismissed))
    if report.ignored.total:
        said.append(words["ignored"].format(n=report.ignored.total))
    return words[", "].join(said)


def facts_of(report: Report, language: str) -> Sequence[str]:
    """What stands beside the counts: changes, coverage, what tested the document, its size; each once."""
    told = (
        changes_line([report], language),
        coverage_line(report.coverage, language),
        testers_line(report, language),
        profiles_line(report, language),
        size_line(report, language),
    )
    return [*dict.fromkeys(filter(None, told))]


def changes_line(reports: Sequence[Report], language: str) -> str:
    """How many issues are new, fixed and unchanged in these documents; "" where nothing was compared."""
    compared = [report.comparison.counts for report in reports if report.comparison]
    if not compared:
        return ""
    words = WORDS[language]
    return words[", "].join(
        words[f"{name} ones"].format(n=sum(counts[name] for counts in compared)) for name in compared[0]
    )


def size_line(report: Report, language: str) -> str:
    """How large the document is."""
    counts = {"word": report.words, "section": report.sections, "page": report.pages}
    words = WORDS[language]
    said = [
        words[f"one {name}" if count == 1 else f"{name}s"].format_map({f"{name}s": count})
        for name, count in counts.items()
        if count or name == "word"
    ]
    return words[", "].join(said)


def judges_line(report: Report, language: str) -> str:
    """What tested the document: rules only, or rules and the names of models."""
    words = WORDS[language]
    if report.judges == ("rules",):
        return words["rules only"]
    return words[", "].join(judge_in(judge, language) for judge in report.judges)


def judge_in(judge: str, language: str) -> str:
    """The rules in a language, or the name of a model."""
    return WORDS[language]["rules"] if judge == "rules" else judge


def testers_line(report: Report, language: str) -> str:
    """The same, each model with what asking it took, in tokens and money."""
    words = WORDS[language]
    costs = {
        cost.model: words["cost"].format(
            model=cost.model,
            tokens=f"{cost.tokens_in + cost.tokens_out:,}",
            money=words["(x)"].format(x=f"{cost.money:.4f} {cost.currency}") if cost.money else "",
            kept=words["kept"].format(n=cost.kept) if cost.kept else "",
        )
        for cost in report.costs
    }
    if not costs:
        return judges_line(report, language)
    names = dict.fromkeys((*report.judges, *costs))
    return words[", "].join(costs.get(name) or judge_in(name, language) for name in names)


def profiles_line(report: Report, language: str) -> str:
    """The profiles whose checks were asked; "" for a report of before there were any."""
    if not report.profiles:
        return ""
    words = WORDS[language]
    said = words["one profile" if len(report.profiles) == 1 else "profiles"]
    return said.format(names=words[", "].join(report.profiles))
