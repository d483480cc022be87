"""XLSX gives each cell that holds something, in its place and as the workbook shows it."""

import pytest
from tests.formats.packages import package, relations, xlsx
from tests.reading import assert_damage_is_told, assert_sound, document_of, parsed_of, shape

from paperlane.errors import DocumentError
from paperlane.formats import xlsx as reader
from paperlane.formats.shown import code_of, shown
from paperlane.model.documents import Remark


def row(*cells: str) -> str:
    return f"<row>{''.join(cells)}</row>"


def number(value: str, style: int = 0) -> str:
    return f'<c s="{style}"><v>{value}</v></c>'


def text(words: str, at: str = "") -> str:
    return f'<c r="{at}" t="inlineStr"><is><t>{words}</t></is></c>'


def test_sheets_are_headings_and_cells_stand_in_their_rows_and_columns():
    first = f'<row r="2">{text("Id", "B2")}{text("Text", "AA2")}</row><row>{text("next", "C3")}</row>'
    content = xlsx(first, row('<c r="A1"/>'), row(text("x"), text(" "), text("y")))
    parsed = parsed_of(content, "a.xlsx")
    assert_sound(parsed)
    assert shape(parsed) == [
        ("heading", 1, "A"), ("table_cell", 0, "Id"), ("table_cell", 0, "Text"), ("table_cell", 0, "next"),
        ("heading", 1, "C"), ("table_cell", 0, "x"), ("table_cell", 0, "y"),
    ]  # fmt: skip
    assert [(b.table, b.row, b.column) for b in parsed.blocks if b.table] == [
        (1, 2, 2), (1, 2, 27), (1, 3, 3), (3, 1, 1), (3, 1, 3),
    ]  # fmt: skip
    assert [section.title for section in document_of(content, "a.xlsx").sections] == ["A", "C"]


def test_each_kind_of_cell_shows_what_the_workbook_shows():
    parts = "<si><r><t>in </t></r><r><t>parts</t></r><rPh><t>said</t></rPh></si>"
    strings = f"<si><t>plain</t></si>{parts}<si><t>a_x000D_b</t></si>"
    styles = (
        '<numFmts><numFmt numFmtId="170" formatCode="yyyy&quot;年&quot;m&quot;月&quot;"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="170"/><xf numFmtId="9"/></cellXfs>'
    )
    cells = [f'<c t="s"><v>{at}</v></c>' for at in range(3)]
    cells += ['<c t="b"><v>1</v></c>', '<c t="e"><v>#REF!</v></c>', '<c t="str"><f>A1&amp;B1</f><v>made</v></c>']
    cells += [number("0.30000000000000004"), number("45000", 1), number("0.25", 2), "<c><f>A1</f></c>"]
    parsed = parsed_of(xlsx(row(*cells), strings=strings, styles=styles), "a.xlsx")
    assert [said for _, _, said in shape(parsed)][1:] == [
        "plain", "in parts", "a\rb", "TRUE", "#REF!", "made", "0.3", "2023年3月", "25%",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        (7, "000", "007"),
        (-7.5, "000.00", "-007.50"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (0.2567, "0.0%", "25.7%"),
        (-3, "#,##0;[Red](#,##0)", "(3)"),
        (0, '0;-0;"none"', "none"),
        (0, '_ * #,##0.00_ ;_ * -#,##0.00_ ;_ * "-"??_ ;_ @_ ', "-"),
        (12.5, "[$€-407] #,##0.00", "€ 12.50"),
        (5, "0.##", "5"),
        (5.25, "0.##", "5.25"),
        (12345, "0.00E+00", "1.23E+04"),
        (3, '"REQ-0"000', "REQ-0003"),
        (1500000, '0.0,,"M"', "1.5M"),
        (-0.4, "0", "0"),
        (0.5, "# ?/?", "0.5"),
        (1e20, "General", "1e+20"),
        (45000.75, "yyyy-mm-dd hh:mm", "2023-03-15 18:00"),
        (45000.75, "d-mmm-yy h:mm AM/PM", "15-Mar-23 6:00 PM"),
        (45000.0007, "[h]:mm:ss", "1080000:01:00"),
        (0.5007, "mm:ss", "01:00"),
        (1, "dddd, mmmm d", "Monday, January 1"),
        (-1, "yyyy-mm-dd", "-1"),
    ],
)
def test_numbers_and_dates_are_written_as_their_format_says(value: float, code: str, said: str):
    assert shown(float(value), code) == said


def test_formats_are_the_workbooks_own_or_built_in_and_days_may_count_from_1904():
    assert [code_of(*of) for of in ((170, {170: "0.0"}), (14, {}), (999, {}))] == ["0.0", "yyyy-mm-dd", "General"]
    styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'
    book = '<workbookPr date1904="1"/>'
    assert "1904-01-02" in parsed_of(xlsx(row(number("1")), styles=styles, book=book), "a.xlsx").text


def test_hidden_sheets_are_read_but_for_those_that_only_a_program_shows():
    states = "".join(f'<sheet name="{state}" state="{state}" r:id="worksheet0"/>' for state in ("hidden", "veryHidden"))
    content = xlsx(row(text("x")), book=f"<sheets>{states}</sheets>")
    assert [said for kind, _, said in shape(parsed_of(content, "a.xlsx")) if kind == "heading"] == ["hidden", "A"]


def test_a_comment_to_paperlane_stands_at_its_cell():
    said = {"B1": "paperlane: ignore all", "A1": "What?"}
    comments = "".join(f'<comment ref="{at}"><text><t>{words}</t></text></comment>' for at, words in said.items())
    parts = {
        "xl__worksheets___rels__0.xml.rels": relations(comments="../comments1.xml"),
        "xl__comments1.xml": f"<comments><commentList>{comments}</commentList></comments>",
    }
    parsed = parsed_of(xlsx(row(text("a", "A1"), text("b", "B1")), **parts), "a.xlsx")
    assert parsed.remarks == (Remark(parsed.text.index("b"), "ignore all"),)


def test_what_a_sheet_says_of_its_size_is_not_believed():
    far = f'<row r="1048576">{text("x", "XFD1048576")}</row>'
    parsed = parsed_of(
        xlsx(f'</sheetData><dimension ref="A1:XFD1048576"/><sheetData>{row(text("a", "A1"))}{far}'), "a.xlsx"
    )
    assert [(b.row, b.column) for b in parsed.blocks if b.table] == [(1, 1), (1_048_576, 16_384)]


def refusal(content: bytes, name: str = "a.xlsx") -> tuple[str, str]:
    with pytest.raises(DocumentError) as raised:
        parsed_of(content, name)
    return raised.value.code, raised.value.hint


def test_far_too_many_cells_and_far_too_much_text_are_refused(monkeypatch: pytest.MonkeyPatch):
    strings = f"<si><t>{'word ' * 200_000}</t></si>"
    assert refusal(xlsx(row('<c t="s"><v>0</v></c>' * 100), strings=strings))[0] == "too_complex"
    monkeypatch.setattr(reader, "_MOST_CELLS", 10)
    assert refusal(xlsx(row(number("1") * 10)))[0] == "too_complex"


def test_a_workbook_that_lost_its_texts_or_a_sheet_is_damaged():
    assert refusal(xlsx(row('<c t="s"><v>5</v></c>')))[0] == "damaged_file"
    assert refusal(package({"xl/workbook.xml": "<w xmlns:r='r'><sheet r:id='x'/></w>"}))[0] == "damaged_file"


def test_a_binary_workbook_is_told():
    kind = "application/vnd.ms-excel.sheet.binary.main"
    kinds = f'<Types><Override PartName="/xl/workbook.bin" ContentType="{kind}"/></Types>'
    parts = {
        "_rels/.rels": relations(officeDocument="xl/workbook.bin"),
        "[Content_Types].xml": kinds,
        "xl/workbook.bin": b"",
    }
    assert refusal(package(parts)) == ("unsupported_type", "Save it as .xlsx and upload that.")


def test_any_damage_to_an_xlsx_is_told():
    assert_damage_is_told(xlsx(*[row(text("x"), number("1")) * 5] * 3), "a.xlsx")
