"""ODT gives its paragraphs with their structure; what is deleted, hidden or covered is no text."""

import pytest
from tests.formats.packages import odt, package
from tests.reading import assert_damage_is_told, assert_sound, document_of, parsed_of, shape

from paperlane.errors import DocumentError
from paperlane.model.documents import Remark


def test_headings_are_found_by_outline_level_and_by_style():
    automatic = (
        '<style:style style:name="P1" style:parent-style-name="Heading_20_2"/>'
        '<style:style style:name="P2" style:parent-style-name="Own"/>'
        '<style:style style:name="P3" style:parent-style-name="Contents_20_1"/>'
    )
    styles = '<style:style style:name="Own" style:default-outline-level="3"/>'
    body = (
        '<text:h text:outline-level="1">One</text:h><text:h>Also one</text:h><text:p text:style-name="P1">Two</text:p>'
        '<text:p text:style-name="P2">Three</text:p><text:p text:style-name="P3">None</text:p>'
        '<text:p text:style-name="Heading_20_4">Four</text:p>'
    )
    parsed = parsed_of(odt(body, automatic, styles), "a.odt")
    assert_sound(parsed)
    assert shape(parsed) == [
        ("heading", 1, "One"), ("heading", 1, "Also one"), ("heading", 2, "Two"), ("heading", 3, "Three"),
        ("paragraph", 0, "None"), ("heading", 4, "Four"),
    ]  # fmt: skip


def test_headings_have_the_numbers_that_the_program_shows():
    levels = "".join(
        f'<text:outline-level-style text:level="{level}" style:num-format="1" text:display-levels="{level}" '
        'style:num-suffix="."/>'
        for level in (1, 2)
    )
    titles = (("A", 1, ""), ("B", 2, ""), ("C", 2, ' text:is-list-header="true"'), ("D", 2, ""), ("E", 1, ""))
    body = "".join(f'<text:h text:outline-level="{level}"{more}>{title}</text:h>' for title, level, more in titles)
    content = odt(body + '<text:h text:outline-level="3"><text:number>IX</text:number>F</text:h>', "", levels)
    parsed = parsed_of(content, "a.odt")
    assert [block.number for block in parsed.blocks] == ["1.", "1.1.", "", "1.2.", "2.", "IX"]
    assert parsed.text == "A\nB\nC\nD\nE\nF\n"
    assert [section.number for section in document_of(content, "a.odt").sections][:2] == ["1", "1.1"]


def test_paragraphs_lists_tables_and_notes_are_read_as_they_stand():
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>below</text:p></text:note-body></text:note>"  # noqa: E501
    row = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    body = (
        f'<text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d<text:span>e{note}</text:span>f</text:p>'
        "<text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>"
        '<table:table><table:table-row><table:table-cell table:number-columns-spanned="2"><text:p>x</text:p>'
        "</table:table-cell><table:covered-table-cell><text:p>under</text:p></table:covered-table-cell>"
        f'{row.format("y")}</table:table-row><table:table-row table:number-rows-repeated="3">'
        '<table:table-cell table:number-columns-repeated="1000000000"/></table:table-row>'
        f"<table:table-row>{row.format('z')}</table:table-row></table:table>"
        "<text:p>out<draw:frame><draw:text-box><text:p>box</text:p></draw:text-box></draw:frame></text:p>"
    )
    parsed = parsed_of(odt(body), "a.odt")
    assert_sound(parsed)
    assert shape(parsed) == [
        ("paragraph", 0, "a  b\tc def"), ("list_item", 0, "item"), ("table_cell", 0, "x"), ("table_cell", 0, "y"),
        ("table_cell", 0, "z"), ("paragraph", 0, "box"), ("paragraph", 0, "out"), ("footnote", 0, "below"),
    ]  # fmt: skip
    assert [(b.table, b.row, b.column) for b in parsed.blocks if b.table] == [(1, 1, 1), (1, 1, 3), (1, 5, 1)]


def test_what_is_deleted_or_hidden_is_no_text():
    automatic = (
        '<style:style style:name="T1"><style:text-properties text:display="none"/></style:style>'
        '<style:style style:name="S1"><style:section-properties text:display="none"/></style:style>'
    )
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>old</text:p></text:deletion>"
        "</text:changed-region></text:tracked-changes>"
        '<text:p>kept<text:change/><text:span text:style-name="T1">not</text:span></text:p>'
        '<text:section text:style-name="S1"><text:p>no</text:p></text:section>'
        "<text:section><text:p>yes</text:p></text:section>"
    )  # fmt: skip
    assert parsed_of(odt(body, automatic), "a.odt").text == "kept\nyes\n"


def test_links_anchors_code_and_remarks_are_known():
    styles = '<style:style style:name="Source_20_Text"/><style:style style:name="Preformatted_20_Text"/>'
    body = (
        '<text:p><text:bookmark-start text:name="here"/>See <text:a xlink:href="#gone">there</text:a> and '
        '<text:a xlink:href="#1.Scope|outline">Scope</text:a>, '
        '<text:bookmark-ref text:ref-name="x">3</text:bookmark-ref>'
        '<office:annotation><text:p>paperlane: ignore</text:p><text:p>all</text:p></office:annotation> now</text:p>'
        '<text:p>Call <text:span text:style-name="Source_20_Text">f()</text:span></text:p>'
        '<text:p text:style-name="Preformatted_20_Text">x = 1</text:p><text:p><office:annotation><text:p>What?</text:p>'
        "</office:annotation>end</text:p>"
    )  # fmt: skip
    parsed = parsed_of(odt(body, "", styles), "a.odt")
    assert parsed.text == "See there and Scope, 3 now\nCall f()\nx = 1\nend\n"
    assert [(link.target, parsed.text[link.start : link.end]) for link in parsed.links] == [
        ("#gone", "there"),
        ("#x", "3"),
    ]
    assert parsed.anchors == ("here",)
    assert [parsed.text[start:end] for block in parsed.blocks for start, end in block.code] == ["f()"]
    assert [kind for kind, _, _ in shape(parsed)][2] == "code"
    assert parsed.remarks == (Remark(22, "ignore all"),)


def refusal(content: bytes) -> tuple[str, str]:
    with pytest.raises(DocumentError) as raised:
        parsed_of(content, "a.odt")
    return raised.value.code, raised.value.hint


def test_an_encrypted_text_asks_for_its_password():
    locked = "<manifest:manifest xmlns:manifest='m'><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>"  # noqa: E501
    assert refusal(odt("", **{"META-INF__manifest.xml": locked}))[0] == "password_required"
    assert refusal(odt("", **{"encrypted-package": "x"}))[0] == "password_required"


def test_what_is_no_text_document_is_told_by_its_kind():
    code, hint = refusal(package({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"}))
    assert (code, ".xlsx" in hint) == ("unsupported_type", True)
    code, hint = refusal(package({"word/document.xml": "<a/>"}))
    assert (code, ".docx" in hint) == ("unsupported_type", True)
    assert refusal(package({"mimetype": "application/vnd.oasis.opendocument.text"}))[0] == "damaged_file"


def test_a_text_nested_without_end_is_too_deep():
    with pytest.raises(RecursionError):
        parsed_of(odt("<text:p>" + "<text:span>" * 300 + "x" + "</text:span>" * 300 + "</text:p>"), "a.odt")


def test_a_text_of_pictures_is_told():
    image = "<text:p><draw:frame><draw:image/></draw:frame></text:p>"
    parsed = parsed_of(odt(image * 2 + "<text:p>few words</text:p>"), "a.odt")
    assert (parsed.unread, [notice.code for notice in parsed.notices]) == (2, ["pictures_unread"])


def test_any_damage_to_an_odt_is_told():
    assert_damage_is_told(odt('<text:h text:outline-level="1">One</text:h><text:p>words</text:p>' * 10), "a.odt")
