"""Each format gives the text unchanged, and its structure; what cannot be read says what to do."""

import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reading import assert_damage_is_told, assert_read_or_refused, assert_sound, parsed_of, shape

from paperlane.errors import DocumentError
from paperlane.formats import recognise


def test_html_gives_the_words_that_a_browser_shows():
    parsed = parsed_of(
        "<html><head><title>t</title><style>p{}</style></head><body>bare<h2 id=x>Two <b>bold</b></h2><p>a\n  b<br>c "
        "<code>d</code></p><script>no()</script><ul><li>one<li>two</ul><table><tr><th>A<td>B</table><pre> x\n y</pre>",
        "a.html",
    )
    assert_sound(parsed)
    assert shape(parsed) == [
        ("paragraph", 0, "bare"),
        ("heading", 2, "Two bold"),
        ("paragraph", 0, "a b\nc d"),
        ("list_item", 0, "one"),
        ("list_item", 0, "two"),
        ("table_cell", 0, "A"),
        ("table_cell", 0, "B"),
        ("code", 0, " x\n y"),
    ]
    assert parsed.anchors == ("x",)


def test_html_that_a_browser_hides_is_no_text():
    parsed = parsed_of(
        "<p hidden>a</p><p>b <span style='color:red; DISPLAY : none'>c</span>d</p><div hidden=until-found><p>e</div>"
        "<p style='display:block'>f<p data-hidden style='--display:none'>g",
        "a.html",
    )
    assert [text for _, _, text in shape(parsed)] == ["b d", "f", "g"]


def test_html_tells_headings_by_role_footnotes_and_more_that_a_browser_hides():
    parsed = parsed_of(
        "<div role=heading aria-level=3>Three</div><p role=heading>Two</p><aside role=doc-footnote><p>n1</aside>"
        "<section class='a footnotes'><ol><li>n2</ol></section><p>a<a class=footnote href=#x>1</a><dl><dt>t<dd>d</dl>"
        "<dialog>no</dialog><dialog open>yes</dialog><noscript>no</noscript><template><p>no</template>"
        "<p style='visibility:hidden'>no</p><video>no</video><details><summary>s</summary>d</details>"
        "<p>&lt;b&gt;&nbsp;c",
        "a.html",
    )
    assert shape(parsed) == [
        ("heading", 3, "Three"), ("heading", 2, "Two"), ("footnote", 0, "n1"), ("footnote", 0, "n2"),
        ("paragraph", 0, "a1"), ("list_item", 0, "t"), ("list_item", 0, "d"), ("paragraph", 0, "yes"),
        ("paragraph", 0, "s"), ("paragraph", 0, "d"), ("paragraph", 0, "<b>\xa0c"),
    ]  # fmt: skip


def remarks(text: str, name: str) -> list[tuple[str, str]]:
    """The words of each remark, and what stands at its place."""
    parsed = parsed_of(text, name)
    assert_sound(parsed)
    assert all(0 <= remark.at <= len(parsed.text) for remark in parsed.remarks)
    return [(remark.words, parsed.text[remark.at : remark.at + 6]) for remark in parsed.remarks]


def test_comments_speak_to_paperlane_in_every_text():
    html = (
        "<p>one<!-- paperlane: ignore a --> two</p><!-- paperlane: ignore b --><p>three<!-- other --></p>"
        "<!--paperlane: c-->"
    )
    assert remarks(html, "a.html") == [("ignore a", " two\nt"), ("ignore b", "three\n"), ("c", "")]
    markdown = (
        "<!-- paperlane: ignore a -->\n\n# One\n\ntwo <!-- PaperLane: ignore b --> words\n\n"
        "```\n<!-- paperlane: no -->\n```\n\n`<!-- paperlane: no -->`\n\n- <!-- paperlane: c -->\n  three\n\n"
        "<!-- other -->\n\n<!--\npaperlane: ignore d\n-->\n"
    )
    assert remarks(markdown, "a.md") == [
        ("ignore a", "One\n\nt"), ("ignore b", "<!-- P"), ("c", "three\n"), ("ignore d", ""),
    ]  # fmt: skip
    plain = "# paperlane: ignore a\n1 Purpose\n\nThe gate\n// paperlane: ignore b\nshall open, paperlane: no.\n"
    assert remarks(plain, "a.txt") == [("ignore a", "1 Purp"), ("ignore b", "shall ")]
    assert [text for _, _, text in shape(parsed_of(plain, "a.txt"))] == [
        "1 Purpose", "The gate", "shall open, paperlane: no.",
    ]  # fmt: skip


def test_a_comment_in_html_parts_no_words_and_a_line_break_begins_none():
    parsed = parsed_of("<p>The system <!-- or <p>two --> shall<?x y?> answer.<h1><br>Scope<br></h1>", "a.html")
    assert shape(parsed) == [("paragraph", 0, "The system shall answer."), ("heading", 1, "Scope")]


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p>See <a href=#x>the <b>end</b></a> now", ["the end"]),
        ("<p>See <a href=#x><img alt=i></a> now and then", ["now"]),
        ("<p>See there <a href=#x><img></a>", ["there"]),
        ("<p><a href=#x><img></a><p>After", ["After"]),
        ("<p>Before and<p><a href=#x> <img> </a>", ["Before and"]),
        ("<p>请见<a href=#x><img></a>" + "文" * 50, ["文" * 40]),
        ("See <a href=#x><div>a card</div>of words</a>", ["a card"]),
        ("See <a href=#x>a <div>card</div></a> now", ["a"]),
        ("<a href=#x><div><img></div></a> now", ["now"]),
        ("<a href=#x><h2>One</h2><p>Two</p></a>", ["One"]),
        ("<a href=#x></a>", []),
    ],
)
def test_every_link_of_html_stands_where_words_are_shown(html: str, shown: list[str]):
    parsed = parsed_of(html, "a.html")
    assert_sound(parsed)
    assert [parsed.text[link.start : link.end] for link in parsed.links] == shown


def test_a_table_in_a_cell_leaves_the_outer_ones_rows_alone():
    parsed = parsed_of("<table><tr><td><table><tr><td>x<tr><td>y</table><td>B<tr><td>C</table>", "a.html")
    placed = {parsed.text[b.start : b.end]: (b.table, b.row, b.column) for b in parsed.blocks}
    assert placed == {"x": (2, 1, 1), "y": (2, 2, 1), "B": (1, 1, 2), "C": (1, 2, 1)}


@given(st.text(alphabet="<>/abph1 &;\n\"'=!-", max_size=300))
def test_any_html_is_read_or_refused(text: str):
    assert_read_or_refused(text.encode(), "a.html")


def test_html_nested_without_end_is_too_deep():
    with pytest.raises(RecursionError):
        parsed_of("<div>" * 30_000 + "x", "a.html")


SLOW = {  # one block each; the first character makes Python take four bytes for each that follows
    "lines": "😀" + "a few words of a line<br>\n" * 60_000,
    "a highlighted block": "<pre>😀" + "<span class=n>name</span> <span class=o>=</span>\n" * 60_000,
    "code in a paragraph": "<p>😀" + "<code>name</code> " * 100_000,
    "pictures in links": "<p>😀" + "a <a href=#x><img src=y></a>" * 50_000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_no_html_takes_long(text: str):
    begin = process_time()
    parsed = parsed_of(text, "a.html")
    assert process_time() - begin < 3
    assert_sound(parsed)
    assert len(parsed.blocks) == 1


def docx(body: str, styles: str = "", **parts: str) -> bytes:
    spaces = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:mc="http://mc"'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("word/document.xml", f"<w:document {spaces}><w:body>{body}</w:body></w:document>")
        package.writestr("word/styles.xml", f"<w:styles {spaces}>{styles}</w:styles>")
        for name, content in parts.items():
            package.writestr(name.replace("__", "/") + ".xml", content)
    return file.getvalue()


def paragraph(text: str, style: str = "", more: str = "") -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{more}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'


STYLES = """
<w:style w:type="paragraph" w:styleId="H1"><w:name w:val="heading 1"/></w:style>
<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="Title A"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Child"><w:name w:val="Child"/><w:basedOn w:val="Own"/></w:style>
<w:style w:type="paragraph" w:styleId="Hdr"><w:name w:val="HDR 1.1.1"/></w:style>
<w:style w:type="paragraph" w:styleId="Ring"><w:name w:val="Ring"/><w:basedOn w:val="Ring"/></w:style>
<w:style w:type="paragraph" w:styleId="Toc"><w:name w:val="toc 1"/><w:basedOn w:val="H1"/></w:style>
<w:style w:type="paragraph" w:styleId="Body"><w:name w:val="Head 1 body"/></w:style>
<w:style w:type="paragraph" w:styleId="Indexed"><w:name w:val="Indexed Requirement"/><w:basedOn w:val="Own"/></w:style>
<w:style w:type="paragraph" w:styleId="Flat"><w:name w:val="heading 4"/>
<w:pPr><w:outlineLvl w:val="9"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="List"><w:name w:val="List Bullet"/>
<w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="List2"><w:name w:val="List Bullet 2"/><w:basedOn w:val="List"/></w:style>
"""


def test_docx_headings_are_found_by_style_outline_inheritance_and_name():
    names = ["H1", "Own", "Child", "Hdr", "Ring", "Toc", "Body", "Indexed", "Flat", ""]
    parsed = parsed_of(docx("".join(paragraph(name or "plain", name) for name in names), STYLES), "a.docx")
    assert [(level, text) for kind, level, text in shape(parsed) if kind == "heading"] == [
        (1, "H1"), (2, "Own"), (2, "Child"), (3, "Hdr"), (2, "Indexed"),
    ]  # fmt: skip
    assert_sound(parsed)


def test_docx_properties_of_old_are_passed_over_and_a_paragraphs_own_win():
    old = '<w:pPrChange><w:pPr><w:pStyle w:val="H1"/><w:outlineLvl w:val="1"/><w:numPr/></w:pPr></w:pPrChange>'
    cell = "<w:tc><w:tcPr><w:tcPrChange><w:tcPr/></w:tcPrChange></w:tcPr>" + paragraph("c", "", old) + "</w:tc>"
    body = paragraph("a", "Hdr", old) + paragraph("b", "H1", '<w:outlineLvl w:val="9"/>')
    parsed = parsed_of(docx(f"{body}<w:tbl><w:tr>{cell}</w:tr></w:tbl>", STYLES), "a.docx")
    assert shape(parsed) == [("heading", 3, "a"), ("paragraph", 0, "b"), ("table_cell", 0, "c")]


def test_docx_styles_of_lists_make_items_and_a_paragraph_may_leave_the_list():
    out = '<w:numPr><w:numId w:val="0"/></w:numPr>'
    body = paragraph("a", "List") + paragraph("b", "List2") + paragraph("c", "List", out) + paragraph("d", "Own", out)
    assert [kind for kind, _, _ in shape(parsed_of(docx(body, STYLES), "a.docx"))] == [
        "list_item", "list_item", "paragraph", "heading",
    ]  # fmt: skip


def test_docx_hidden_runs_are_no_text():
    def run(text: str, more: str) -> str:
        return f"<w:r><w:rPr>{more}</w:rPr><w:t>{text}</w:t></w:r>"

    mark = "<w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr>"
    runs = run("a", "<w:vanish/>") + run("b", "<w:b/>") + run("c", '<w:vanish w:val="0"/>') + run("d", "<w:vanish/>")
    assert parsed_of(docx(f"<w:p>{mark}{runs}</w:p>"), "a.docx").text == "bc\n"


def test_docx_footnotes_and_endnotes_are_read():
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    parts = {f"word__{n}s": f"<w:{n}s {space}><w:{n}>{paragraph(n)}</w:{n}></w:{n}s>" for n in ("footnote", "endnote")}
    assert shape(parsed_of(docx(paragraph("x"), **parts), "a.docx")) == [
        ("paragraph", 0, "x"), ("footnote", 0, "footnote"), ("footnote", 0, "endnote"),
    ]  # fmt: skip


def test_docx_paragraphs_join_where_the_end_between_them_is_deleted():
    deleted = "<w:rPr><w:del/></w:rPr>"
    tabs = '<w:tabs><w:tab w:val="left"/></w:tabs>'
    body = (
        paragraph("The gate ", "H1", deleted)
        + paragraph("shall ", "", deleted)
        + paragraph("open.", "", tabs)
        + f"<w:tbl><w:tr><w:tc>{paragraph('a', '', deleted)}</w:tc><w:tc>{paragraph('b')}</w:tc></w:tr></w:tbl>"
        + paragraph("end", "", deleted)
    )
    assert shape(parsed_of(docx(body, STYLES), "a.docx")) == [
        ("paragraph", 0, "The gate shall open."),
        ("table_cell", 0, "a"),
        ("table_cell", 0, "b"),
        ("paragraph", 0, "end"),
    ]


def test_docx_tables_lists_and_changes_are_read_as_they_stand():
    body = (
        paragraph("item", more="<w:numPr/>")
        + f"<w:tbl><w:tr><w:tc>{paragraph('a')}</w:tc><w:tc>{paragraph('b')}{paragraph('c')}</w:tc></w:tr></w:tbl>"
        + "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
        + "<w:del><w:r><w:delText>old</w:delText><w:t>gone</w:t></w:r></w:del></w:p>"
        + f"<w:p><w:r><w:t>out</w:t><mc:AlternateContent><mc:Choice>{paragraph('box')}</mc:Choice>"
        + f"<mc:Fallback>{paragraph('box')}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    parsed = parsed_of(docx(body, STYLES), "a.docx")
    assert shape(parsed) == [
        ("list_item", 0, "item"),
        ("table_cell", 0, "a"),
        ("table_cell", 0, "b"),
        ("table_cell", 0, "c"),
        ("paragraph", 0, "new"),
        ("paragraph", 0, "box"),
        ("paragraph", 0, "out"),
    ]
    assert [(b.table, b.row, b.column) for b in parsed.blocks[1:4]] == [(1, 1, 1), (1, 1, 2), (1, 1, 2)]


def code_of(content: bytes, name: str) -> str:
    with pytest.raises(DocumentError) as raised:
        parsed_of(content, name)
    assert raised.value.hint
    return raised.value.code


def test_docx_that_would_do_harm_is_refused_before_it_is_unpacked():
    whole = docx(paragraph("x"))
    assert code_of(whole[: len(whole) // 2], "a.docx") == "damaged_file"
    assert (
        code_of(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "a.docx")
        == "password_required"
    )
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", "<a>" + " " * (64 << 20) + "</a>")
    assert code_of(bomb.getvalue(), "a.docx") == "too_complex"
    entity = io.BytesIO()
    with zipfile.ZipFile(entity, "w") as package:
        package.writestr("word/document.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    assert code_of(entity.getvalue(), "a.docx") == "damaged_file"


def test_only_what_is_read_of_a_docx_is_unpacked():
    whole = io.BytesIO(docx(paragraph("x")))
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/media/image1.bmp", bytes(64 << 20))
    assert parsed_of(whole.getvalue(), "a.docx").text == "x\n"


def test_a_docx_whose_parts_are_encrypted_asks_for_its_password():
    locked = bytearray(docx(paragraph("x")))
    with zipfile.ZipFile(io.BytesIO(locked)) as package:
        at = package.getinfo("word/document.xml").header_offset
    entry = locked.index(b"PK\x01\x02", locked.rindex(b"word/document.xml") - 46)
    for flags in (at + 6, entry + 8):  # APPNOTE.TXT 4.3.7 and 4.3.12
        locked[flags] |= 1
    assert code_of(bytes(locked), "a.docx") == "password_required"


def test_a_docx_nested_without_end_is_too_deep():
    cells = "<w:tbl><w:tr><w:tc>" * 200 + paragraph("x") + "</w:tc></w:tr></w:tbl>" * 200
    with pytest.raises(RecursionError):
        parsed_of(docx(cells), "a.docx")


def test_a_docx_tells_of_what_it_shows_and_nobody_read():
    picture, text = "<w:p><w:r><w:drawing><blip/></w:drawing></w:r></w:p>", paragraph("word " * 16)
    told = {
        body: (parsed.unread, [(notice.code, notice.params) for notice in parsed.notices])
        for body in (picture * 2 + text, picture + text, text + "<w:altChunk/>")
        for parsed in [parsed_of(docx(body), "a.docx")]
    }
    assert list(told.values()) == [
        (2, [("pictures_unread", {"count": "2"})]),
        (0, []),
        (1, [("parts_unread", {"count": "1"})]),
    ]


def test_any_damage_to_a_docx_is_told():
    assert_damage_is_told(docx(paragraph("x", "H1") * 20, STYLES), "a.docx")


@pytest.mark.parametrize("name", ["a.xls", "a.ppt", "a.odp", "a.epub", "a.tex", "a.exe", "a", "a.md.zip"])
def test_other_types_are_unsupported(name: str):
    with pytest.raises(DocumentError) as raised:
        recognise(name, b"words")
    assert raised.value.code == "unsupported_type"
    assert ".docx" in raised.value.hint


HEADS = {
    "program": b"\x7fELF\x02\x01\x00\x00\x00\x00\x00",
    "archive": b"PK\x03\x04words",
    "pdf": b"%PDF-1.7\n",
    "rich text": b"{\\rtf1 words}",
    "picture": b"\x89PNG\r\n\x1a\n",
    "another picture": b"GIF89a words",
    "zeros": b"words\x00\x01words",
}


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_what_is_no_text_in_a_texts_clothes_is_unsupported(name: str, head: bytes):
    with pytest.raises(DocumentError) as raised:
        recognise(name, head)
    assert raised.value.code == "unsupported_type"


@pytest.mark.parametrize("head", [b"%PDF-1.7\n", b"{\\rtf1 words}", b"words", b"\x89PNG\r\n\x1a\n", b""])
def test_what_is_no_package_in_a_docxs_clothes_is_unsupported(head: bytes):
    with pytest.raises(DocumentError) as raised:
        recognise("a.docx", head)
    assert raised.value.code == "unsupported_type"
    assert raised.value.hint


def test_a_text_in_another_texts_clothes_is_read():
    assert recognise("a.txt", "words".encode("utf-16")).name == "plain text"
    assert recognise("a.md", b"<!DOCTYPE html><p>words").name == "Markdown"


def test_headings_of_the_corpus_are_found(corpus: Path):
    gold: dict[str, Counter[str]] = {}
    for line in (corpus / "labelled/headings_gold.jsonl").read_text().splitlines():
        row = json.loads(line)
        gold.setdefault(Path(row["file"]).name, Counter())[folded(row["title"])] += 1
    for name, wanted in gold.items():
        parsed = parsed_of((corpus / "documents" / name).read_bytes(), name)
        assert_sound(parsed)
        found = Counter(folded(text) for kind, _, text in shape(parsed) if kind == "heading")
        hits = sum(any(title in own or own in title for own in found) for title in wanted.elements())
        assert hits >= 0.95 * wanted.total(), (name, hits, wanted.total())
        assert found.total() <= 1.1 * wanted.total() + 2, (name, found.total(), wanted.total())


def folded(title: str) -> str:
    """A function stands in the outline as name/2, and on the page as name(One, Two)."""
    return re.sub(r"(?:/\d+|\(.*)$", "(", "".join(title.split()).casefold())
