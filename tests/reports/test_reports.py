"""Reports say the same in every format and language, and never that an untested document is clean."""

import json
import re
from dataclasses import replace
from functools import cache
from io import BytesIO

import openpyxl
import pypdfium2
import pytest
from markdown_it import MarkdownIt
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif
from python_calamine import CalamineWorkbook
from selectolax.lexbor import LexborHTMLParser
from tests.formats.packages import pptx as pptx_of
from tests.formats.packages import xlsx as xlsx_of
from tests.reading import report_of

from paperlane.errors import NoFont
from paperlane.model.documents import CONTEXT, Cost, Coverage, Ignored, Known, Notice, Report, Severity, Status
from paperlane.model.tasks import Fault
from paperlane.reports import REPORTS, pdf, visible, xlsx

TEXT = "# One\n\nThe system shall be <script>alert(1)</script> fast.\n\nTBD & so on 😀.\n"
FAULT = Fault("password_required", "The file asks for a password.", "Remove it.")


def said(name: str, language: str = "en", text: str = TEXT) -> str:
    return read(name, REPORTS[name].render([report_of(text)], [("secret.pdf", FAULT)], language))


def read(name: str, content: bytes) -> str:
    """What another program reads in a report."""
    match name:
        case "xlsx":
            return "\n".join(str(cell) for rows in sheets(content).values() for row in rows for cell in row)
        case "pdf":
            pages = pypdfium2.PdfDocument(content)
            return " ".join(page.get_textpage().get_text_range() for page in pages)
        case "md":
            return LexborHTMLParser(MarkdownIt("commonmark").enable("table").render(content.decode())).body.text()
        case _:
            return content.decode()


def sheets(content: bytes) -> dict[str, list[list[object]]]:
    book = CalamineWorkbook.from_filelike(BytesIO(content))
    return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}


def bare(text: str) -> str:
    """Without white space: paper breaks lines where it must."""
    return "".join(text.split())


def test_json_holds_every_issue_with_its_place():
    (document,) = (found := json.loads(said("json")))["documents"]
    assert document["counts"] == {"error": 1, "warning": 1, "info": 0}
    assert document["coverage"] == {"tested": 1, "failed": 0, "skipped": 0, "reasons": [], "whole": True, "by": {}}
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
    assert "text.md: 1 error, 1 warning; the one passage tested (rules only, profile requirements)" in lines
    assert lines[-1] == "secret.pdf: could not be read [password_required]: The file asks for a password. Remove it."


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_dismissed_is_counted_and_left_out_of_what_people_read(language: str):
    report = report_of(TEXT)
    report = replace(report, statuses=(Status.DISMISSED, Status.ACCEPTED))
    dismissed, accepted = report.issues
    written = {name: read(name, form.render([report], (), language)) for name, form in REPORTS.items()}
    counted = {"en": "1 error, 1 dismissed", "zh": "1 个错误，另有 1 个已忽略"}[language]
    for name in ("text", "html", "md", "pdf"):
        assert bare(counted) in bare(written[name])
        assert dismissed.rule not in written[name]
        assert accepted.rule in written[name]
    (document,) = json.loads(written["json"])["documents"]
    assert document["counts"] == {"error": 1, "warning": 0, "info": 0}
    assert [issue["status"] for issue in document["issues"]] == ["dismissed", "accepted"]


def test_a_long_quote_is_cut_between_words():
    long = "The gate shall open, and the system shall answer within a reasonable time, and it shall log each request"
    text = f"# One\n\n{long} in turn.\n"
    quotes = [line for line in said("text", text=text).splitlines() if line.startswith("    > ")]
    (cut,) = [quote for quote in quotes if "»" not in quote]
    assert cut.endswith("…")
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
    assert "含义模糊" in bare(said(name, "zh"))


@pytest.mark.parametrize("name", list(REPORTS))
def test_warnings_and_faults_are_said_in_chinese_too(name: str):
    notices = (
        Notice("issues_cut_off", "tbd: there are more.", {"check": "tbd", "most": "500"}),
        Notice("low_text", "Very little text.", {"pages": ""}),
        Notice("pages_unread", "Pages 3, 4 could not be read.", {"pages": "3, 4"}),
        Notice("of_tomorrow", "Nobody translated this."),
    )
    report = replace(report_of(""), notices=notices)
    found = bare(read(name, REPORTS[name].render([report], [("secret.pdf", FAULT)], "zh")))
    for sentence in (
        "检查项 tbd 发现的问题超过 500 个，仅列出前 500 个。",
        "页面中的文字很少；扫描页需要先做文字识别（OCR）。",
        "第 3、4 页无法读取，未被检测。",
        "Nobody translated this.",
        "文件已加密，需要密码才能打开。",
        "请用原来的软件取消密码保护后再试。",
    ):
        assert bare(sentence) in found
    for english in ("there are more", "Very little", "could not be read", FAULT.message, FAULT.hint):
        assert bare(english) not in found


def test_english_keeps_the_sentence_that_was_raised():
    report = replace(report_of(""), notices=(Notice("low_text", "Page 3 has little text.", {"pages": "3"}),))
    assert "warning: Page 3 has little text. [low_text]" in REPORTS["text"].render([report], (), "en").decode()


def test_a_chinese_report_tells_places_as_a_chinese_reader_does():
    report = report_of("# 一\n\n系统应尽快响应。\n")
    (issue,) = report.issues
    issues = (replace(issue, location=replace(issue.location, page=3)),)
    paged = replace(report, media_type="application/pdf", issues=issues)
    assert "第 3 行第 4 列 · 一 ·" in REPORTS["html"].render([report], (), "zh").decode()
    assert "第 3 页 · 一 ·" in REPORTS["html"].render([paged], (), "zh").decode()
    assert "text.md: 第 3 页: 警告: “尽快”含义模糊" in REPORTS["text"].render([paged], (), "zh").decode()


@pytest.mark.parametrize("name", ["text", "md", "html", "pdf"])
def test_what_is_new_is_marked_where_all_is_listed(name: str):
    report = report_of(TEXT)
    before = [report.issues[0].known, Known("0" * 16, "tbd", Severity.ERROR, "TODO later")]
    compared = report.since(before)
    mark = {"text": "error (new)"}.get(name, "error · new")
    found = bare(read(name, REPORTS[name].render([compared], (), "en")))
    assert found.count(bare(mark)) == 1
    assert (bare("TODO later") in found) == (name != "text")
    only_new = bare(read(name, REPORTS[name].render([report.since(before, only_new=True)], (), "en")))
    assert bare(mark) not in only_new


@pytest.mark.parametrize("name", ["text", "md", "html", "pdf"])
def test_a_model_is_named_once_with_what_it_took(name: str):
    cost = Cost("judge", 1, 0, 0, 1, 800, 60, 0.0, "EUR")
    report = replace(report_of(TEXT), judges=("rules", "judge"), costs=(cost,))
    found = bare(read(name, REPORTS[name].render([report], (), "en")))
    assert bare("rules, judge: 860 tokens") in found
    assert found.count("judge") == 1


def test_what_has_no_lines_is_told_by_cell_slide_or_section():
    cell = '<c r="AB56" t="inlineStr"><is><t>It is TBD.</t></is></c>'
    book = report_of(xlsx_of(f'<row r="56">{cell}</row>', names="Check's-list"), "a.xlsx")
    slide = "<p:sp><p:txBody><a:p><a:r><a:t>It is TBD.</a:t></a:r></a:p></p:txBody></p:sp>"
    deck = report_of(pptx_of("", slide), "a.pptx")
    page = report_of("<h1>One</h1><h2>Two</h2><p>It is TBD.", "a.html")
    bare_page = report_of("<p>It is TBD.", "a.html")
    for report, place, chinese in (
        (book, "'Check''s-list'!AB56", "'Check''s-list'!AB56"),
        (deck, "slide 2", "第 2 张幻灯片"),
        (page, "One › Two", "One › Two"),
    ):
        for name in ("text", "md", "html", "pdf"):
            found = bare(read(name, REPORTS[name].render([report], (), "en"))).replace("&#39;", "'")
            assert bare(place) in found
            assert "column" not in found
        told = REPORTS["text"].render([report], (), "zh").decode()
        assert told.startswith(f"{report.name}: {chinese}: 错误: ")
    assert REPORTS["text"].render([bare_page], (), "en").decode().startswith("a.html: error: ")
    (location,) = (issue.location for issue in book.issues)
    (document,) = json.loads(REPORTS["json"].render([book], (), "en"))["documents"]
    assert document["issues"][0]["location"]["cell"] == location.cell == "'Check''s-list'!AB56"
    assert json.loads(REPORTS["json"].render([deck], (), "en"))["documents"][0]["issues"][0]["location"]["cell"] is None


@pytest.mark.parametrize(
    "coverage",
    [Coverage(3, 1, 0), Coverage(3, 0, 1), Coverage(3, 0, 0, ("tbd: ValueError",))],
    ids=["failed", "skipped", "broken"],
)
@pytest.mark.parametrize(
    ("language", "plain", "honest"),
    [("en", "no issues", "no issues in what was tested"), ("zh", "未发现问题", "已检测的部分未发现问题")],
)
def test_what_was_not_wholly_tested_is_never_said_to_have_no_issues(
    coverage: Coverage, language: str, plain: str, honest: str
):
    whole = report_of("# One\n\nThe gate opens.\n")
    for name in [
        name for name in REPORTS if name not in {"json", "xlsx"}
    ]:  # which tell counts and coverage in fields of their own
        partial = bare(read(name, REPORTS[name].render([replace(whole, coverage=coverage)], (), language)))
        assert bare(honest) in partial
        assert bare(plain) not in partial.replace(bare(honest), "")
        found = bare(read(name, REPORTS[name].render([whole], (), language)))
        assert bare(plain) in found
        assert bare(honest) not in found


ESCAPES = "\x1b]0;pwn\x07\u202egnp.exe\u2066\u200b\udcff"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_in_a_text_report_steers_the_terminal(language: str):
    report = report_of("See the the \x1b]0;pwn\x07 of TBD\u202etxt.exe now.\n\nthe\nthe end\n")
    notice = Notice("issues_cut_off", f"{ESCAPES}: more", {"check": ESCAPES, "most": "1"})
    named = replace(report, name=f"a{ESCAPES}.md", notices=(notice,))
    found = REPORTS["text"].render([named], [(ESCAPES, Fault("of_tomorrow", ESCAPES, ESCAPES))], language).decode()
    assert all(character == "\n" or character.isprintable() for character in found)
    assert r"a\x1b]0;pwn\x07\u202egnp.exe\u2066\u200b\udcff.md:1:5: " in found
    assert r"»TBD«\u202etxt.exe now." in found


def test_joined_letters_and_wide_spaces_are_no_danger():
    text = "👩\u200d🚀\u3000中"
    assert visible(text) == text


def test_html_turns_no_line_around():
    report = report_of("# One\u202e\n\nThe \u202eTBD of it.\n")
    found = REPORTS["html"].render([replace(report, name=f"{ESCAPES}.md")], [(ESCAPES, FAULT)], "en").decode()
    assert not set(found) & set(ESCAPES) - set("]0;pwngnp.exe")
    assert r"The \u202e</span><mark>TBD</mark>" in found


def test_json_keeps_every_character():
    text = "The \u202eTBD\x1b of it.\n"
    (document,) = json.loads(REPORTS["json"].render([report_of(text)], (), "en"))["documents"]
    (place,) = (issue["location"] for issue in document["issues"])
    assert text[place["start"] : place["end"]] == "TBD"


def excerpts(text: str) -> list[str]:
    lines = REPORTS["text"].render([report_of(text)], (), "en").decode().splitlines()
    return [line.removeprefix("    > ") for line in lines if line.startswith("    > ")]


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("TBD\n", "TBD"),
        ("The gate is\n  TBD here.\n", "The gate is »TBD« here."),
        ("网关的超时时间待定，由运维确定。\n", "网关的超时时间»待定«，由运维确定。"),
        (f"{'a b ' * 30}TBD{' a b' * 30}\n", f"…{'a b ' * 10}»TBD«{' a b' * 10} a…"),
    ],
)
def test_a_quote_is_shown_in_its_line(text: str, excerpt: str):
    assert excerpts(text) == [excerpt]


@pytest.mark.parametrize("filling", ["字", "a", "one two ", "é"])
@pytest.mark.parametrize("length", [0, 30, 59, 60, 61, 400])
def test_an_excerpt_is_no_wider_than_its_line(filling: str, length: int):
    text = f"{filling * length} TBD {filling * length} the the."
    for excerpt in excerpts(text):
        assert sum(2 if character == "字" else 1 for character in excerpt) <= 90
        assert "»" in excerpt
        assert "…" in excerpt or length <= CONTEXT


def test_html_marks_the_quote_in_its_line():
    page = LexborHTMLParser(said("html", text="# One\n\nThe gate is TBD & <b>open</b>.\n"))
    assert page.css_first("blockquote").text() == "The gate is TBD & <b>open</b>."
    assert page.css_first("blockquote mark").text() == "TBD"


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "json"])
def test_an_empty_document_is_never_said_to_have_no_issues(name: str):
    found = bare(said(name, text=""))
    assert bare("no issues") not in found
    assert bare("nothing could be tested") in found


@pytest.mark.parametrize("name", list(REPORTS))
def test_coverage_stands_beside_the_counts(name: str):
    assert bare("tested" if name == "json" else "the one passage tested") in bare(said(name))


HOSTILE = '# One\n\n*a* | `b` <img src=x onerror=alert(1)> #read("/etc/hostname") $x$ TBD\n\n1. the the end\n\n=TBD+1\n'


@pytest.mark.parametrize("name", ["md", "xlsx", "pdf", "sarif"])
def test_whatever_a_document_says_stays_text(name: str):
    content = REPORTS[name].render([report_of(HOSTILE)], (), "en")
    found = read(name, content)
    for quoted in ("TBD", "the the") if name in {"sarif", "xlsx"} else ('#read("/etc/hostname") $x$ TBD', "<img src=x"):
        assert bare(quoted) in bare(found).replace(bare('\\"'), bare('"'))


def test_markdown_makes_no_markup_of_what_it_quotes():
    content = REPORTS["md"].render([report_of(HOSTILE)], (), "en").decode()
    page = LexborHTMLParser(MarkdownIt("commonmark").enable("table").render(content))
    assert page.css("img, em, pre, ol, h3") == []
    assert [mark.text() for mark in page.css("b")] == ["TBD", "the the", "TBD"]
    assert [code.text() for code in page.css("code")] == ["tbd", "doubled-word", "tbd"]


def test_markdown_calls_nobody_and_links_no_issue_where_it_is_pasted():
    quoted = "Ask @ann, 请@_bob-c or a@b.c of C#, #12 and !7: TBD."
    content = REPORTS["md"].render([report_of(f"# One\n\n{quoted}\n")], (), "en").decode()
    page = MarkdownIt("commonmark").enable("table").render(content)
    assert quoted in "".join(LexborHTMLParser(page).css_first("blockquote").text())
    assert not re.search(r"(?<![a-z])@\w|[#!]\d", page)
    assert "a@b.c of C\\#," in content


def test_sarif_is_what_its_schema_asks_for_and_its_regions_are_the_quotes():
    text = "# One\r\n\r\nThe 😀 gate, the\r\nthe door: TBD.\r\n"
    report = report_of(text)
    report = replace(report, statuses=(Status.DISMISSED, *[Status.OPEN] * (len(report.issues) - 1)))
    content = REPORTS["sarif"].render([report], [("/a b/secret.pdf", FAULT)], "en")
    Sarif.model_validate_json(content)
    (run,) = json.loads(content)["runs"]
    lines = text.split("\r\n")
    assert len(run["results"]) == len(report.issues) == 2
    for result, issue in zip(run["results"], report.issues, strict=True):
        region = result["locations"][0]["physicalLocation"]["region"]
        first, last = region["startLine"] - 1, region["endLine"] - 1
        named = lines[first : last + 1]
        named[-1] = named[-1][: region["endColumn"] - 1]
        named[0] = named[0][region["startColumn"] - 1 :]
        assert "\r\n".join(named) == issue.quote
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == issue.rule
    assert [bool(result.get("suppressions")) for result in run["results"]] == [True, False]
    assert not run["invocations"][0]["executionSuccessful"]
    assert run["artifacts"][1]["location"]["uri"] == "file:///a%20b/secret.pdf"


def test_sarif_names_no_lines_of_a_file_whose_text_was_taken_out_of_it():
    (run,) = json.loads(REPORTS["sarif"].render([report_of("<p>It is TBD.</p>", "a.html")], (), "en"))["runs"]
    (result,) = run["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]
    assert result["properties"]["quote"] == "TBD"


def test_a_workbook_holds_figures_as_figures_and_never_a_formula():
    content = REPORTS["xlsx"].render([replace(report_of(HOSTILE), name="=1+1.md")], (), "en")
    head, *rows = sheets(content)["Issues"]
    assert len(rows) == 3
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        assert cells["Document"] == "=1+1.md"  # a formula would read as what it gives, or as nothing
        assert isinstance(cells["Line"], float)
        assert isinstance(cells["Confidence"], float)
    assert [row[head.index("Line")] for row in rows] == [3, 5, 7]
    assert not [
        cell for rows in openpyxl.load_workbook(BytesIO(content))["Issues"] for cell in rows if cell.data_type == "f"
    ]


def test_a_workbook_goes_on_in_another_sheet_and_cuts_what_no_cell_holds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(xlsx, "_MOST_ROWS", 2)
    report = report_of(HOSTILE)
    long = replace(report.issues[0], quote=f"\x00{'a' * 40_000}")
    found = sheets(REPORTS["xlsx"].render([replace(report, issues=(long, *report.issues[1:]))], (), "en"))
    assert [len(rows) for rows in found.values()] == [3, 2, 2, 1]
    assert any(str(cell).startswith("\\x00aa") and str(cell).endswith("…") for cell in found["Issues"][1])


def test_paper_without_a_font_for_chinese_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "_families", cache(lambda: {"Arial"}))
    with pytest.raises(NoFont, match="no font here") as told:
        said("pdf", "zh")
    assert "fonts-noto-cjk" in told.value.hint
    assert "the one passage" in said("pdf")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_was_compared_tells_what_is_new_in_every_format(language: str):
    report = report_of(TEXT)
    old, _ = report.issues
    gone = replace(old.known, fingerprint="0" * 16, quote="slow")
    report = report.since([old.known, gone], only_new=True)
    written = {name: bare(read(name, form.render([report], (), language))) for name, form in REPORTS.items()}
    counted = {"en": "1 new, 1 fixed, 1 unchanged", "zh": "新增 1 个，解决 1 个，未变 1 个"}[language]
    for name in set(REPORTS) - {"json"}:
        assert bare(counted) in written[name], name
    for name in ("text", "html", "md", "pdf"):
        assert "tbd" in written[name]
        assert bare(old.message) not in written[name]
    (document,) = json.loads(written["json"])["documents"]
    assert document["changes"] == {"new": 1, "fixed": 1, "unchanged": 1}
    assert [issue["change"] for issue in document["issues"]] == ["unchanged", "new"]
    assert [known["quote"] for known in document["fixed"]] == ["slow"]
    (run,) = json.loads(written["sarif"])["runs"]
    assert [result["baselineState"] for result in run["results"]] == ["unchanged", "new"]
    Sarif.model_validate_json(REPORTS["sarif"].render([report], (), language))


def test_what_the_report_could_not_have_found_is_not_fixed():
    report = report_of(TEXT)
    gone = replace(report.issues[0].known, fingerprint="0" * 16)

    def fixed(report: Report, known: Known = gone) -> int:
        compared = report.since([known]).comparison
        return len(compared.fixed) if compared else -1

    assert fixed(report) == 1
    assert fixed(replace(report, checks=("tbd",))) == 0
    cut_off = Notice("issues_cut_off", "", {"check": gone.rule, "most": "500"})
    assert fixed(replace(report, notices=(cut_off,))) == 0
    of_a_model = replace(gone, rule="unclear", source="model")
    assert fixed(report, of_a_model) == 0
    reviewed = replace(report, judges=("rules", "gpt"))
    assert fixed(reviewed, of_a_model) == 1
    unanswered = Notice("model_unanswered", "", {"model": "gpt", "count": "1", "why": "budget"})
    assert fixed(replace(reviewed, notices=(unanswered,)), of_a_model) == 0


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "json"])
def test_what_was_ignored_is_counted_and_the_profiles_are_named(name: str):
    report = replace(report_of(TEXT), ignored=Ignored(2, 1), profiles=("technical", "style-zh"))
    written = bare(read(name, REPORTS[name].render([report], (), "en")))
    assert bare("3 ignored") in written or name == "xlsx"
    assert "style-zh" in written
