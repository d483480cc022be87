"""Reports say the same in every format and language, and never that an untested document is clean."""

import json
from dataclasses import replace

import pytest
from selectolax.lexbor import LexborHTMLParser
from tests.reading import report_of

from paperlane.model.documents import CONTEXT, Status
from paperlane.model.tasks import Fault
from paperlane.reports import REPORTS

TEXT = "# One\n\nThe system shall be <script>alert(1)</script> fast.\n\nTBD & so on 😀.\n"
FAULT = Fault("password_required", "The file asks for a password.", "Remove it.")


def said(name: str, language: str = "en", text: str = TEXT) -> str:
    return REPORTS[name].render([report_of(text)], [("secret.pdf", FAULT)], language).decode()


def test_json_holds_every_issue_with_its_place():
    (document,) = (found := json.loads(said("json")))["documents"]
    assert document["counts"] == {"error": 1, "warning": 1, "info": 0}
    assert document["coverage"] == {"tested": 1, "failed": 0, "skipped": 0, "reasons": [], "whole": True}
    for issue in document["issues"]:
        place = issue["location"]
        assert TEXT[place["start"] : place["end"]] == issue["quote"]
    assert found["unreadable"] == [
        {"name": "secret.pdf", "code": FAULT.code, "message": FAULT.message, "hint": FAULT.hint}
    ]


def test_an_issue_knows_what_stands_around_it_in_its_block():
    text = f"# One\n\nThe gate is {'very ' * 20}TBD and\nopen.\n\nNext.\n\n| A | B |\n|---|---|\n| x | TBD |\n"
    paragraph, cell = (issue for issue in report_of(text).issues if issue.rule == "tbd")
    assert paragraph.before == ("very " * 20)[-CONTEXT:]
    assert paragraph.after == " and\nopen."
    assert (cell.before, cell.after) == ("", "")


def test_text_is_a_line_an_issue_and_a_summary():
    lines = said("text").splitlines()
    assert lines[0] == "text.md:3:47: warning: “fast” is vague: no test can decide it. [vague-term]"
    assert "text.md: 1 error, 1 warning; the one passage tested (rules only)" in lines
    assert lines[-1] == "secret.pdf: could not be read [password_required]: The file asks for a password. Remove it."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_dismissed_is_counted_and_left_out_of_what_people_read(language: str):
    report = report_of(TEXT)
    report = replace(report, statuses=(Status.DISMISSED, Status.ACCEPTED))
    dismissed, accepted = report.issues
    written = {name: form.render([report], (), language).decode() for name, form in REPORTS.items()}
    counted = {"en": "1 error, 1 dismissed", "zh": "1 个错误，另有 1 个已忽略"}[language]
    for name in ("text", "html"):
        assert counted in written[name]
        assert dismissed.rule not in written[name]
        assert accepted.rule in written[name]
    (document,) = json.loads(written["json"])["documents"]
    assert document["counts"] == {"error": 1, "warning": 0, "info": 0}
    assert [issue["status"] for issue in document["issues"]] == ["dismissed", "accepted"]


def test_a_long_quote_is_cut_between_words():
    long = "The gate shall open, and the system shall answer within a reasonable time, and it shall log each request"
    text = f"# One\n\n{long} in turn.\n"
    quotes = [line for line in said("text", text=text).splitlines() if line.startswith("    > ")]
    (cut,) = [quote for quote in quotes if quote.endswith("…")]
    assert cut.removesuffix("…").split()[-1] in text.split()


def test_html_is_one_page_that_runs_nothing_of_the_document():
    page = LexborHTMLParser(said("html", text="# One\n\n- TBD <img src=x onerror=alert(1)>\n\n<b>TBD</b>\n"))
    assert page.css("script, img, b, link") == []
    assert len(page.css("article.error")) == 2
    assert "password_required" in page.body.text()


def test_a_hostile_quote_is_shown_and_not_run():
    hostile = "The <script>alert(1)</script> the TODO\n\n*a*b <script>x</script> TBD"
    page = LexborHTMLParser(said("html", text=hostile))
    assert page.css("script") == []


@pytest.mark.parametrize("name", list(REPORTS))
def test_each_format_speaks_chinese(name: str):
    assert "含义模糊" in said(name, "zh")


@pytest.mark.parametrize("name", ["text", "html"])
def test_an_empty_document_is_never_said_to_have_no_issues(name: str):
    found = said(name, text="")
    assert "no issues" not in found
    assert "nothing could be tested" in found


@pytest.mark.parametrize("name", list(REPORTS))
def test_coverage_stands_beside_the_counts(name: str):
    assert ("tested" if name == "json" else "the one passage tested") in said(name)
