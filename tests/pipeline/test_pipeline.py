"""The chain: structure is kept, passages hold everything once, nothing looks clean that was not tested."""

from collections.abc import Iterator
from dataclasses import replace
from time import process_time

import pytest
from tests.reading import NoJob, document_of, report_of

from paperlane.checks import CHECKS, Finding, Subject
from paperlane.model.documents import Language, Severity
from paperlane.pipeline.section_merge import merge
from paperlane.reports import REPORTS

PARAGRAPH = "The gateway records the request and answers it. " * 8


def test_sections_have_numbers_titles_and_paths():
    document = document_of("Before.\n\n# 1 Purpose\n\nText.\n\n## 1.1 Scope\n\nText.\n\n# 第二章 范围\n\n正文。")
    found = [(section.number, section.title, section.path) for section in document.sections]
    assert found == [
        ("", "", ()),
        ("1", "Purpose", ("1 Purpose",)),
        ("1.1", "Scope", ("1 Purpose", "1.1 Scope")),
        ("第二章", "范围", ("第二章 范围",)),
    ]


def test_the_prevailing_language_is_found():
    assert document_of("The system answers.").language is Language.EN
    assert document_of("系统应在一秒内响应 HTTP 请求。").language is Language.ZH


def test_acronyms_are_known_once_they_are_spelled_out():
    document = document_of(
        "Service level objective (SLO). MTTR: mean time to repair. 服务质量（QOS）。\n\n"
        "| A | B |\n|---|---|\n| RPO | recovery point objective |\n"
    )
    assert set(document.acronyms) == {"SLO", "MTTR", "QOS", "RPO"}


def test_acronyms_are_known_by_the_titles_that_mark_them():
    text = """<abbr class="x" title='time "to" repair'>MTTR</abbr> and <abbr title="no">SLO</abbr>, <abbr>RPO</abbr>"""
    assert document_of(text).acronyms == {"MTTR": 'time "to" repair'}


def test_no_mark_of_an_acronym_takes_long():
    begin = process_time()
    document_of("a <abbr " + "title='" * 30_000)
    assert process_time() - begin < 3


def test_short_sections_of_one_parent_are_tested_together():
    text = "# A\n\n" + "".join(f"## A{n}\n\nShort.\n\n" for n in range(6)) + "# B\n\nShort.\n"
    passages = merge(document_of(text), NoJob()).items
    assert [passage.path[:1] for passage in passages] == [("A",), ("B",)]


def test_the_report_says_what_was_tested():
    report = report_of("# One\n\nThe system shall be fast.\n\n" + PARAGRAPH * 40)
    assert report.judges == ("rules",)
    assert report.coverage.whole
    assert report.words > 300
    assert [issue.rule for issue in report.issues] == ["vague-term"]


def test_an_empty_document_is_not_a_clean_one():
    report = report_of("")
    assert not report.coverage.whole
    assert [notice.code for notice in report.notices] == ["no_text"]


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.rst"])
def test_a_document_of_what_nobody_sees_is_not_a_clean_one(name: str):
    report = report_of("\u200b\u200d\u2060\n\n\u00ad\u3164\U000e0041\n", name)
    assert not report.coverage.whole
    (notice,) = report.notices
    assert notice.code == "only_invisible"
    assert "anew" in notice.message
    assert not report_of("\u200b\n\n.\n", name).notices


def test_more_issues_than_are_listed_are_told_beside_them():
    report = report_of("# One\n\n" + "TBD\n\n" * 600)
    assert report.count(Severity.ERROR) == 500
    (notice,) = report.notices
    assert notice.code == "issues_cut_off"
    assert notice.message.startswith("tbd: there are more than 500")
    assert report.coverage.whole


@pytest.mark.parametrize(("check", "failed"), [("vague-term", 1), ("numbering", 0)])
def test_a_check_that_breaks_is_never_passed_over(monkeypatch: pytest.MonkeyPatch, check: str, failed: int):
    def broken(_subject: object) -> Iterator[Finding]:
        raise KeyError(check)

    monkeypatch.setattr(CHECKS, "_by_name", {**CHECKS, check: replace(CHECKS[check], find=broken)})
    report = report_of("# One\n\nThe gate shall open.\n\nTBD\n")
    assert report.coverage.failed == failed
    assert report.coverage.reasons == (f"{check}: KeyError",)
    assert not report.coverage.whole
    (notice,) = report.notices
    assert (notice.code, notice.params) == ("check_failed", {"check": check, "error": "KeyError"})
    said = {"en": f"The check {check} broke off (KeyError)", "zh": f"检查项 {check} 运行出错（KeyError）"}
    for language, sentence in said.items():
        assert REPORTS["text"].render([report], (), language).decode().count(sentence) == 1
    assert [issue.rule for issue in report.issues] == ["tbd"]


def test_a_finding_that_breaks_takes_no_other_one_with_it(monkeypatch: pytest.MonkeyPatch):
    """A place that shows nothing, or lies outside of the text, is a fault of the check or of a format."""

    def find(_subject: Subject) -> Iterator[Finding]:
        for start, end in ((0, 0), (2, 5), (5, 10_000), (7, 10)):
            yield Finding(start, end, {"word": "x"})

    monkeypatch.setattr(CHECKS, "_by_name", {"vague-term": replace(CHECKS["vague-term"], find=find)})
    report = report_of("# One\n\nThe gate shall open.\n")
    assert [issue.quote for issue in report.issues] == ["One", "The"]
    assert report.coverage.reasons == ("vague-term: ValueError",)
    assert report.coverage.failed == 1
