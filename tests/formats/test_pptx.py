"""PPTX gives the text of its slides, in the order in which they are shown."""

import pytest
from tests.formats.packages import A, pptx, relations
from tests.reading import assert_damage_is_told, assert_sound, document_of, parsed_of, shape

from paperlane.errors import DocumentError
from paperlane.model.documents import Remark


def paragraph(text: str, properties: str = "") -> str:
    return f"<a:p><a:pPr>{properties}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>"


def box(*paragraphs: str, place: str | None = None) -> str:
    held = "" if place is None else f'<p:ph type="{place}"/>' if place else "<p:ph/>"
    body = "".join(paragraphs)
    return f"<p:sp><p:nvSpPr><p:nvPr>{held}</p:nvPr></p:nvSpPr><p:txBody>{body}</p:txBody></p:sp>"


def title(text: str) -> str:
    return box(paragraph(text), place="title")


def test_slides_are_pages_in_the_order_in_which_they_are_shown():
    parsed = parsed_of(pptx(title("First"), title("Second"), title("Third")), "a.pptx")
    assert_sound(parsed)
    assert parsed.pages == 3
    assert [(block.page, parsed.text[block.start : block.end]) for block in parsed.blocks] == [
        (1, "First"), (2, "Second"), (3, "Third"),
    ]  # fmt: skip


def test_a_title_comes_first_and_bodies_are_lists_but_for_what_has_no_bullet():
    slide = (
        box(paragraph("7"), place="sldNum")
        + box(paragraph("one"), paragraph("plain", "<a:buNone/>"), place="")
        + box(paragraph("free"), paragraph("point", '<a:buChar char="-"/>'))
        + box(paragraph("The"), paragraph("title"), place="ctrTitle")
        + f"<p:grpSp><p:grpSp>{box(paragraph('grouped'))}</p:grpSp></p:grpSp>"
        + f"<mc:AlternateContent><mc:Choice>{box(paragraph('chosen'))}</mc:Choice>"
        + f"<mc:Fallback>{box(paragraph('fallen back'))}</mc:Fallback></mc:AlternateContent>"
        + box(paragraph("Confidential"), place="ftr")
    )
    content = pptx(slide)
    assert shape(parsed_of(content, "a.pptx")) == [
        ("heading", 1, "The title"), ("list_item", 0, "one"), ("paragraph", 0, "plain"), ("paragraph", 0, "free"),
        ("list_item", 0, "point"), ("paragraph", 0, "grouped"), ("paragraph", 0, "chosen"),
    ]  # fmt: skip
    assert [section.title for section in document_of(content, "a.pptx").sections] == ["The title"]


def test_tables_diagrams_and_notes_belong_to_their_slide():
    def cell(text: str, more: str = "") -> str:
        return f"<a:tc {more}><a:txBody>{paragraph(text)}</a:txBody></a:tc>"

    rows = cell("a", 'gridSpan="2"') + cell("", 'hMerge="1"'), cell("b") + cell("c")
    table = "".join(f"<a:tr>{row}</a:tr>" for row in rows)
    frame = (
        f"<p:graphicFrame><a:graphic><a:graphicData><a:tbl>{table}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
    )
    node = f"<p:pt><p:t>{paragraph('node')}</p:t></p:pt><p:pt type='pres'><p:t>{paragraph('drawn')}</p:t></p:pt>"
    notes = box(paragraph("said"), place="body") + box(paragraph("1"), place="sldNum")
    parts = {
        "ppt__slides___rels__slide1.xml.rels": relations(
            notesSlide="../notes.xml", diagramData="../diagrams/data1.xml"
        ),
        "ppt__notes.xml": f"<p:notes {A}><p:cSld><p:spTree>{notes}</p:spTree></p:cSld></p:notes>",
        "ppt__diagrams__data1.xml": f"<p:dataModel {A}><p:ptLst>{node}</p:ptLst></p:dataModel>",
    }
    parsed = parsed_of(pptx(title("First"), frame, **parts), "a.pptx")
    assert [(kind, text) for kind, _, text in shape(parsed)] == [
        ("heading", "First"), ("table_cell", "a"), ("table_cell", "b"), ("table_cell", "c"), ("list_item", "node"),
        ("footnote", "said"),
    ]  # fmt: skip
    assert [(b.row, b.column) for b in parsed.blocks if b.table] == [(1, 1), (2, 1), (2, 2)]
    assert {block.page for block in parsed.blocks[1:]} == {2}


def test_hidden_slides_are_read_and_a_deck_without_text_is_told():
    hidden = f"<p:sld show='0' {A}><p:cSld><p:spTree>{title('A')}</p:spTree></p:cSld></p:sld>"
    assert parsed_of(pptx("", **{"ppt__slides__slide1.xml": hidden}), "a.pptx").text == "A\n"
    assert [notice.code for notice in parsed_of(pptx(""), "a.pptx").notices] == ["no_text"]


def test_links_code_and_remarks_are_known():
    link = '<a:r><a:rPr><a:hlinkClick r:id="hyperlink1"/></a:rPr><a:t>out</a:t></a:r>'
    code = '<a:r><a:rPr><a:latin typeface="Consolas"/></a:rPr><a:t>f()</a:t></a:r>'
    slide = title("Words enough, for not all shall look like code") + box(f"<a:p>{link}<a:br/>{code}</a:p>")
    parts = {
        "ppt__slides___rels__slide1.xml.rels": relations(hyperlink1="https://example.org", comments="../comments.xml"),
        "ppt__comments.xml": f"<p:cmLst {A}><p:cm><p:text>paperlane: ignore all</p:text></p:cm>"
        "<p:cm><p:text>No</p:text></p:cm></p:cmLst>",
    }
    parsed = parsed_of(pptx(slide, **parts), "a.pptx")
    assert [(one.target, parsed.text[one.start : one.end]) for one in parsed.links] == [("https://example.org", "out")]
    assert [parsed.text[start:end] for block in parsed.blocks for start, end in block.code] == ["f()"]
    assert parsed.remarks == (Remark(0, "ignore all"),)


def test_slides_of_pictures_are_told():
    parsed = parsed_of(pptx("<p:pic/>" * 2 + title("few words")), "a.pptx")
    assert (parsed.unread, [notice.code for notice in parsed.notices]) == (2, ["pictures_unread"])


def test_a_presentation_that_lost_a_slide_is_damaged():
    with pytest.raises(DocumentError) as raised:
        parsed_of(pptx(title("A"), **{"ppt__presentation.xml": f"<p:p {A}><p:sldId r:id='gone'/></p:p>"}), "a.pptx")
    assert raised.value.code == "damaged_file"


def test_any_damage_to_a_pptx_is_told():
    assert_damage_is_told(pptx(*[title("A") + box(paragraph("words"), place="")] * 4), "a.pptx")
