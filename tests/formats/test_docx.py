"""DOCX beyond its paragraphs: numbers that Word shows, merged cells, links, code, comments; and the corpus."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.formats.packages import W, docx, relations
from tests.reading import assert_sound, document_of, parsed_of, report_of, shape

from paperlane.model.documents import Parsed, Remark


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def style(name: str, more: str = "", kind: str = "paragraph") -> str:
    return f'<w:style w:type="{kind}" w:styleId="{name}"><w:name w:val="{name}"/>{more}</w:style>'


def styled(text: str, name: str, more: str = "") -> str:
    return paragraph(text, f'<w:pStyle w:val="{name}"/>{more}')


def level(depth: int, text: str, more: str = "", form: str = "decimal") -> str:
    return f'<w:lvl w:ilvl="{depth}"><w:numFmt w:val="{form}"/><w:lvlText w:val="{text}"/>{more}</w:lvl>'


def numbering(*levels: str, more: str = "", own: str = "") -> str:
    shared = f'<w:abstractNum w:abstractNumId="7">{"".join(levels)}</w:abstractNum>'
    return f'{shared}<w:num w:numId="1"><w:abstractNumId w:val="7"/>{own}</w:num>{more}'


def listed(depth: int, named: int = 1) -> str:
    return f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{named}"/></w:numPr>'


def numbers(parsed: Parsed) -> list[str]:
    return [block.number for block in parsed.blocks]


HEADINGS = "".join(style(f"heading {depth + 1}", f"<w:pPr>{listed(depth)}</w:pPr>") for depth in range(3))
OUTLINE = numbering(level(0, "%1"), level(1, "%1.%2"), level(2, "%1.%2.%3"))


def test_headings_have_the_numbers_that_word_shows():
    titles = [("A", 1), ("B", 2), ("C", 3), ("D", 3), ("E", 2), ("", 2), ("F", 3), ("G", 1), ("H", 2)]
    body = "".join(styled(title, f"heading {depth}") for title, depth in titles)
    parsed = parsed_of(docx(body, HEADINGS, OUTLINE), "a.docx")
    assert_sound(parsed)
    assert numbers(parsed) == ["1", "1.1", "1.1.1", "1.1.2", "1.2", "1.3.1", "2", "2.1"]
    assert parsed.text.split() == list("ABCDEFGH")


def test_a_section_knows_the_number_that_word_shows_and_references_to_it_hold():
    body = styled("Purpose", "heading 1") + styled("Scope", "heading 2") + paragraph("See section 1.1 and section 4.")
    content = docx(body, HEADINGS, OUTLINE)
    sections = document_of(content, "a.docx").sections
    assert [(section.number, section.title) for section in sections] == [("1", "Purpose"), ("1.1", "Scope")]
    broken = [issue.quote for issue in report_of(content, "a.docx").issues if issue.rule == "broken-reference"]
    assert broken == ["section 4"]


@pytest.mark.parametrize(
    ("form", "text", "shown"),
    [
        ("upperRoman", "%1.", ["I.", "II.", "III.", "IV."]),
        ("lowerLetter", "(%1)", ["(a)", "(b)", "(c)", "(d)"]),
        ("chineseCountingThousand", "第%1章", ["第一章", "第二章", "第三章", "第四章"]),
        ("decimalZero", "REQ-%1", ["REQ-01", "REQ-02", "REQ-03", "REQ-04"]),
        ("bullet", "•", ["", "", "", ""]),
        ("none", "", ["", "", "", ""]),
    ],
)
def test_numbers_are_written_as_the_list_says(form: str, text: str, shown: list[str]):
    parsed = parsed_of(docx(paragraph("x", listed(0)) * 4, "", numbering(level(0, text, form=form))), "a.docx")
    assert numbers(parsed) == shown
    assert {kind for kind, _, _ in shape(parsed)} == {"list_item"}


def test_a_list_may_begin_anew_share_its_count_and_change_its_levels():
    start, shown = '<w:startOverride w:val="5"/>', level(0, "%1)")
    more = "".join(
        f'<w:num w:numId="{named}"><w:abstractNumId w:val="7"/>{over}</w:num>'
        for named, over in (
            (2, ""),
            (3, f'<w:lvlOverride w:ilvl="0">{start}</w:lvlOverride>'),
            (4, f'<w:lvlOverride w:ilvl="0">{shown}</w:lvlOverride>'),
        )
    )
    body = "".join(paragraph("x", listed(0, named)) for named in (1, 2, 3, 3, 1, 4, 9))
    parsed = parsed_of(docx(body, "", numbering(level(0, "%1."), more=more)), "a.docx")
    assert numbers(parsed) == ["1.", "2.", "5.", "6.", "7.", "1)", ""]


def test_a_style_takes_the_level_that_names_it_and_legal_numbers_are_arabic():
    levels = level(0, "%1", form="upperRoman"), level(1, "%1.%2", '<w:pStyle w:val="Clause"/><w:isLgl/>')
    clause = style("Clause", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>')
    body = paragraph("x", listed(0)) * 2 + styled("y", "Clause")
    assert numbers(parsed_of(docx(body, clause, numbering(*levels)), "a.docx")) == ["I", "II", "2.1"]


def test_a_list_that_only_names_a_style_is_defined_where_that_style_is():
    link = '<w:abstractNum w:abstractNumId="8"><w:numStyleLink w:val="S"/></w:abstractNum>'
    own = '<w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
    lists = numbering('<w:styleLink w:val="S"/>', level(0, "§%1"), more=link + own)
    assert numbers(parsed_of(docx(paragraph("x", listed(0, 2)), "", lists), "a.docx")) == ["§1"]


def test_merged_cells_stand_in_their_first_column_and_row():
    def cell(text: str, more: str = "") -> str:
        return f"<w:tc><w:tcPr>{more}</w:tcPr>{paragraph(text)}</w:tc>"

    wide, begins, goes_on = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = (
        cell("a", wide) + cell("b"),
        cell("c", begins) + cell("d") + cell("e", goes_on),
        cell("hidden", goes_on) + cell("f"),
        '<w:trPr><w:gridBefore w:val="1"/></w:trPr>' + cell("g"),
    )
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows)
    parsed = parsed_of(docx(f"<w:tbl>{table}</w:tbl>"), "a.docx")
    placed = {parsed.text[b.start : b.end]: (b.row, b.column) for b in parsed.blocks}
    assert placed == {
        "a": (1, 1), "b": (1, 3), "c": (2, 1), "d": (2, 2), "e": (2, 3), "f": (3, 2), "g": (4, 2),
    }  # fmt: skip


def test_a_table_in_a_cell_leaves_the_outer_ones_rows_alone():
    inner = f"<w:tbl><w:tr><w:tc>{paragraph('x')}</w:tc></w:tr></w:tbl>"
    rows = f"<w:tr><w:tc>{inner}{paragraph('a')}</w:tc><w:tc>{paragraph('b')}</w:tc></w:tr>"
    parsed = parsed_of(docx(f"<w:tbl>{rows}</w:tbl>"), "a.docx")
    placed = {parsed.text[b.start : b.end]: (b.table, b.row, b.column) for b in parsed.blocks}
    assert placed == {"x": (2, 1, 1), "a": (1, 1, 1), "b": (1, 1, 2)}


def run(text: str, more: str = "") -> str:
    return f"<w:r><w:rPr>{more}</w:rPr><w:t>{text}</w:t></w:r>"


def field(instruction: str, shown: str) -> str:
    kinds = [f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")]
    return f"{kinds[0]}<w:r><w:instrText>{instruction}</w:instrText></w:r>{kinds[1]}{shown}{kinds[2]}"


def links(parsed: Parsed) -> list[tuple[str, str]]:
    return [(link.target, parsed.text[link.start : link.end]) for link in parsed.links]


def test_links_references_and_bookmarks_are_known_and_instructions_are_no_text():
    body = (
        f'<w:p><w:bookmarkStart w:name="here"/>{run("See ")}'
        f'<w:hyperlink w:anchor="here">{run("the ")}{run("end")}</w:hyperlink>{run(" and ")}'
        f'<w:hyperlink r:id="hyperlink1">{run("out")}</w:hyperlink></w:p>'
        f"<w:p>{run('As ')}{field(' REF _Ref1 ', run('3.2'))}{run(' says')}"
        f'<w:fldSimple w:instr=" HYPERLINK \\l &quot;there&quot; ">{run("so")}</w:fldSimple></w:p>'
        f'<w:p><w:hyperlink w:anchor="gone"><w:r><w:drawing/></w:r></w:hyperlink></w:p>{paragraph("after")}'
    )
    referred = {"word___rels__document.xml.rels": relations(hyperlink1="https://example.org")}
    parsed = parsed_of(docx(body, **referred), "a.docx")
    assert parsed.text == "See the end and out\nAs 3.2 saysso\nafter\n"
    assert links(parsed) == [
        ("#here", "the end"), ("https://example.org", "out"), ("#_Ref1", "3.2"), ("#there", "so"), ("#gone", "after"),
    ]  # fmt: skip
    assert "here" in parsed.anchors


def test_a_link_to_nothing_is_one_and_an_element_without_a_target_is_none():
    body = (
        f'<w:p><w:hyperlink r:id="empty1">{run("empty")}</w:hyperlink>{run(" ")}'
        f'<w:hyperlink r:id="none">{run("none")}</w:hyperlink>{field(" PAGE ", run("7"))}</w:p>'
    )
    referred = {"word___rels__document.xml.rels": relations(empty1="")}
    assert links(parsed_of(docx(body, **referred), "a.docx")) == [("", "empty")]


def test_a_field_may_go_over_several_paragraphs():
    begin, end = field(' HYPERLINK \\l "x" ', "|").split("|")
    parsed = parsed_of(docx(f"<w:p>{run('a ')}{begin}{run('b')}</w:p><w:p>{run('c')}{end}{run(' d')}</w:p>"), "a.docx")
    assert links(parsed) == [("#x", "b"), ("#x", "c")]


COURIER = '<w:rFonts w:ascii="Courier New"/>'


def test_code_is_known_by_its_style_and_by_a_typewriters_font():
    called = run("f()", '<w:rStyle w:val="HTML Code"/>')
    styles = style("Source Code") + style("HTML Code", kind="character") + style("Body", f"<w:rPr>{COURIER}</w:rPr>")
    body = (
        styled("x = 1", "Source Code")
        + f"<w:p>{run('Call ')}{called}{run(' or ')}{run('g()', COURIER)}.</w:p>"
        + styled("y = 2", "Body")
        + paragraph("These are words of prose, and there are more of them than there is code.")
    )
    parsed = parsed_of(docx(body, styles), "a.docx")
    assert_sound(parsed)
    assert [kind for kind, _, _ in shape(parsed)] == ["code", "paragraph", "code", "paragraph"]
    assert [parsed.text[start:end] for start, end in parsed.blocks[1].code] == ["f()", "g()"]


def test_a_document_that_is_typed_throughout_is_no_code():
    parsed = parsed_of(docx(f"<w:p>{run('The gate shall open.', COURIER)}</w:p>" * 3 + paragraph("Yes.")), "a.docx")
    assert [(block.kind.value, block.code) for block in parsed.blocks] == [("paragraph", ())] * 4


def test_a_word_comment_to_paperlane_stands_where_its_range_begins():
    said = {"1": "paperlane: ignore vague-term", "2": "What does this mean?", "3": "Paperlane: ignore all"}
    comments = "".join(f'<w:comment w:id="{at}">{paragraph(words)}</w:comment>' for at, words in said.items())
    body = (
        f'<w:p>{run("It is ")}<w:commentRangeStart w:id="1"/>{run("fast")}'
        '<w:r><w:commentReference w:id="1"/></w:r></w:p>'
        f'<w:p><w:commentRangeStart w:id="2"/>{run("no")}</w:p>'
        f'<w:p>{run("end")}<w:r><w:commentReference w:id="3"/></w:r></w:p>'
    )  # fmt: skip
    parts = {"word__comments.xml": f"<w:comments {W}>{comments}</w:comments>"}
    parts["word___rels__document.xml.rels"] = relations(comments="comments.xml")
    parsed = parsed_of(docx(body, **parts), "a.docx")
    assert parsed.text == "It is fast\nno\nend\n"
    assert parsed.remarks == (Remark(6, "ignore vague-term"), Remark(17, "ignore all"))


def test_the_small_letters_over_chinese_ones_are_no_text():
    ruby = f"<w:r><w:ruby><w:rt>{run('yán')}</w:rt><w:rubyBase>{run('验')}</w:rubyBase></w:ruby></w:r>"
    assert parsed_of(docx(f"<w:p>{ruby}{run('收')}</w:p>"), "a.docx").text == "验收\n"


def test_a_style_may_hide_runs():
    styles = style("Hid", "<w:rPr><w:vanish/></w:rPr>", "character")
    hidden = run("a", '<w:rStyle w:val="Hid"/>')
    body = f"<w:p>{hidden}{run('b')}</w:p>"
    assert parsed_of(docx(body, styles), "a.docx").text == "b\n"


def test_headings_of_the_corpus_have_their_titles_and_levels(corpus: Path):
    gold: dict[str, Counter[tuple[int, str]]] = {}
    for line in (corpus / "labelled/headings_gold.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["file"].endswith(".docx"):
            wanted = gold.setdefault(Path(row["file"]).name, Counter())
            wanted[row["level"], " ".join(row["title"].split())] += 1
    assert len(gold) == 3
    for name, wanted in gold.items():
        parsed = parsed_of((corpus / "documents" / name).read_bytes(), name)
        found = Counter((level, " ".join(text.split())) for kind, level, text in shape(parsed) if kind == "heading")
        assert 2 * (found & wanted).total() >= 0.97 * (found.total() + wanted.total()), name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("openchain_policy_template_zh_hant.docx", "openchain_policy_template_zh_hant.odt"),
        ("openchain_policy_template_zh_hant.odt", "openchain_policy_template_zh_hant.docx"),
        ("openchain_onboarding_zh.docx", "openchain_onboarding_zh.pdf"),  # which has a footer besides
    ],
)
def test_what_stands_in_a_document_stands_in_its_twin(corpus: Path, one: str, other: str):
    letters, twins = (
        Counter("".join(parsed_of((corpus / "documents" / name).read_bytes(), name).text.split()))
        for name in (one, other)
    )
    assert (letters & twins).total() >= 0.995 * letters.total()
