"""PDF: pages, headings by outline and tags, cells by tags and by drawn lines; small files by hand, and the corpus."""

import json
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.reading import assert_damage_is_told, assert_sound, parsed_of, shape

from paperlane.errors import DocumentError
from paperlane.model.documents import Parsed

BREAK = 13  # points from line to line


def pdf(content: str, *, outline: str = "", rotate: int = 0, tags: str = "", letters: str = "") -> bytes:
    """A small PDF by hand: one page with this content stream, F1 being Helvetica; `tags` are objects from number 9.

    `letters` tells what some of the font's letters mean, as lines of a CMap: "<5A> <D83DDE00>".
    """
    outlines = "/Outlines 6 0 R" if outline else ""
    structure = "/StructTreeRoot 9 0 R /MarkInfo << /Marked true >>" if tags else ""
    meaning = f"/ToUnicode {9 + len(tags.splitlines())} 0 R" if letters else ""
    shown = f"/MediaBox [0 0 600 800] /Rotate {rotate} /StructParents 0"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {outlines} {structure} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R {shown} /Contents 4 0 R /Resources << /Font 8 0 R >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica {meaning} >>",
        "<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>",
        f"<< /Title ({outline}) /Parent 6 0 R /Dest [3 0 R /Fit] >>",
        "<< /F1 5 0 R >>",
        *tags.splitlines(),
    ]
    if letters:
        named = f"1 beginbfchar\n{letters}\nendbfchar"
        objects.append(f"<< /Length {len(named)} >>\nstream\n{named}\nendstream")
    out = "%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    count = len(objects) + 1
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    ending = f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    return f"{out}xref\n0 {count}\n0000000000 65535 f \n{table}{ending}".encode()


def written(text: str, x: int = 50, y: int = 700) -> str:
    """Lines of Helvetica, the first one at a point of the page."""
    lines = "".join(f"({line}) Tj 0 -{BREAK} Td " for line in text.split("\n"))
    return f"BT /F1 10 Tf {x} {y} Td {lines} ET\n"


def page(text: str, **more: str) -> bytes:
    return pdf(written(text), **more)


def stroked(x0: int, y0: int, x1: int, y1: int) -> str:
    return f"{x0} {y0} m {x1} {y1} l S\n"


def thin(x0: int, y0: int, x1: int, y1: int) -> str:
    """As word processors draw a line: a filled box."""
    return f"{x0} {y0} {max(x1 - x0, 0.5)} {max(y1 - y0, 0.5)} re f\n"


def boxed(x0: int, y0: int, x1: int, y1: int) -> str:
    return f"{x0} {y0} {x1 - x0} {y1 - y0} re S\n"


def cells(parsed: Parsed) -> list[tuple[int, int, int, str]]:
    return [
        (block.table, block.row, block.column, " ".join(parsed.text[block.start : block.end].split()))
        for block in parsed.blocks
        if block.table
    ]


def said(parsed: Parsed) -> list[tuple[str, int, str]]:
    return [(kind, level, " ".join(text.split())) for kind, level, text in shape(parsed)]


def test_headings_come_from_the_outline_and_blocks_know_their_page():
    text = "1 Purpose\nThe gate shall be opened by its operator within one second after\nthe signal was given to it."
    parsed = parsed_of(page(text, outline="Purpose"), "a.pdf")
    assert_sound(parsed)
    assert said(parsed) == [("heading", 1, "1 Purpose"), ("paragraph", 0, " ".join(text.split("\n")[1:]))]
    assert {block.page for block in parsed.blocks} == {1}
    assert parsed.notices == ()


def code_of(content: bytes) -> str:
    with pytest.raises(DocumentError) as raised:
        parsed_of(content, "a.pdf")
    return raised.value.code


def test_a_title_of_the_outline_may_take_three_long_lines():
    title = [
        " ".join(f"{word}{line}" for word in ("Requirements", "of", "the", "gate", "and", "its", "motors") * 3)
        for line in "abc"
    ]
    parsed = parsed_of(page("\n".join(["Before it.", *title, "Below it."]), outline=" ".join(title)), "a.pdf")
    assert ("heading", 1, " ".join(title)) in said(parsed)


def test_faults_are_told_apart():
    whole = page("Words that are long enough to be no scan at all, are they not?")
    assert code_of(b"hello") == "not_a_pdf"
    assert code_of(whole[:200]) == "damaged_file"
    broken = parsed_of(whole.replace(b"startxref\n", b"startxref\n9"), "a.pdf")
    assert [notice.code for notice in broken.notices] == ["repaired"]
    assert [notice.code for notice in parsed_of(page(""), "a.pdf").notices] == ["no_text"]
    assert [notice.code for notice in parsed_of(page("6 left"), "a.pdf").notices] == ["low_text"]


# A table from (50, 500) to (350, 620): a head over both right columns, and a first column that needs two lines.
RULES = [
    (50, 620, 350, 620), (50, 590, 350, 590), (50, 550, 350, 550), (50, 500, 350, 500),
    (50, 500, 50, 620), (150, 500, 150, 620), (250, 500, 250, 590), (350, 500, 350, 620),
]  # fmt: skip
WORDS = (
    written("Before the table a sentence stands.", 50, 700)
    + written("Signal", 55, 600)
    + written("Answer within", 155, 600)
    + written("open the\ngate", 55, 575)
    + written("1 s", 155, 575)
    + written("shall", 255, 575)
    + written("close", 55, 535)
    + written("2 s", 155, 535)
    + written("After it another one ends the page.", 50, 400)
)
TABLE = [
    (1, 1, 1, "Signal"), (1, 1, 2, "Answer within"),
    (1, 2, 1, "open the gate"), (1, 2, 2, "1 s"), (1, 2, 3, "shall"),
    (1, 3, 1, "close"), (1, 3, 2, "2 s"),
]  # fmt: skip


@pytest.mark.parametrize("drawn", [stroked, thin])
def test_cells_are_found_by_the_lines_around_them(drawn: Callable[[int, int, int, int], str]):
    parsed = parsed_of(pdf("".join(drawn(*rule) for rule in RULES) + WORDS), "a.pdf")
    assert_sound(parsed)
    assert cells(parsed) == TABLE
    outside = [(kind, text) for kind, _, text in said(parsed) if kind != "table_cell"]
    assert outside == [
        ("paragraph", "Before the table a sentence stands."),
        ("paragraph", "After it another one ends the page."),
    ]


def test_words_on_both_sides_of_a_table_are_no_part_of_the_row_beside_them():
    first, last = written("close", 55, 535), written("2 s", 155, 535)
    words = WORDS.replace(first, written("left", 10, 535) + first).replace(last, last + written("right", 400, 535))
    parsed = parsed_of(pdf("".join(stroked(*rule) for rule in RULES) + words), "a.pdf")
    assert "left close 2 s right" in parsed.text
    assert cells(parsed) == TABLE


def test_cells_are_found_behind_letters_that_take_two_units_of_utf_16():
    content = "".join(stroked(*rule) for rule in RULES) + written("Z" * 12, 50, 740) + WORDS
    parsed = parsed_of(pdf(content, letters="<5A> <D83DDE00>"), "a.pdf")
    assert parsed.text.startswith("\U0001f600" * 12)
    assert cells(parsed) == TABLE


def test_a_table_drawn_box_by_box_on_a_moved_and_scaled_page_is_found():
    boxes = [(50, 590, 150, 620), (150, 590, 350, 620)]
    boxes += [(x, y, x + 100, top) for y, top in ((550, 590), (500, 550)) for x in (50, 150, 250)]
    drawn = "".join(boxed(*(2 * (edge - 10) for edge in box)) for box in boxes)
    parsed = parsed_of(pdf(f"q 0.5 0 0 0.5 10 10 cm {drawn} Q {WORDS}"), "a.pdf")
    assert cells(parsed) == TABLE


@pytest.mark.parametrize(
    ("rotate", "turn"), [(90, "0 1 -1 0 700 0"), (180, "-1 0 0 -1 600 800"), (270, "0 -1 1 0 -50 700")]
)
def test_a_page_that_is_shown_turned_has_its_rows_as_shown(rotate: int, turn: str):
    """The content is turned against the page, as a wide table is printed on an upright sheet."""
    drawn = "".join(stroked(*rule) for rule in RULES)
    assert cells(parsed_of(pdf(f"q {turn} cm {drawn}{WORDS} Q", rotate=rotate), "a.pdf")) == TABLE


@pytest.mark.parametrize(
    "drawn",
    [
        boxed(40, 500, 400, 630),
        boxed(40, 590, 145, 615)
        + stroked(145, 600, 250, 600)
        + stroked(250, 600, 250, 585)
        + boxed(152, 500, 350, 585),
        "".join(stroked(*rule) for rule in RULES[:4]),
        "".join(stroked(45, y, 400, y) for y in range(100, 700, 5)),
        boxed(40, 500, 140, 630) + boxed(140, 500, 400, 630),
    ],
    ids=["a frame", "boxes with an arrow", "lines without sides", "ruled paper", "two columns in one row"],
)
def test_other_drawings_make_no_table(drawn: str):
    parsed = parsed_of(pdf(drawn + WORDS), "a.pdf")
    assert cells(parsed) == []
    assert "open the" in parsed.text


def test_a_heading_of_the_outline_stays_one_inside_a_table():
    drawn = "".join(stroked(*rule) for rule in RULES)
    parsed = parsed_of(pdf(drawn + WORDS, outline="Answer within"), "a.pdf")
    assert cells(parsed) == [cell for cell in TABLE if cell[3] != "Answer within"]
    assert ("heading", 1, "Answer within") in said(parsed)


def tag(kind: str, inside: str, parent: int) -> str:
    return f"<< /Type /StructElem /S /{kind} /Pg 3 0 R /P {parent} 0 R /K {inside} >>"


def test_cells_are_found_by_their_tags_and_lines_are_not_asked():
    marks = ["Title", "Signal", "Answer", "open the gate", "1 s", "Words after the table end the page."]
    content = "".join(stroked(*rule) for rule in RULES) + "".join(
        f"/P << /MCID {mark} >> BDC {written(text, 55, 700 - BREAK * mark)} EMC\n" for mark, text in enumerate(marks)
    )
    parents = "11 0 R 14 0 R 15 0 R 17 0 R 18 0 R 19 0 R"  # of each mark
    tags = [
        f"<< /Type /StructTreeRoot /K [10 0 R] /ParentTree << /Nums [0 [{parents}]] >> >>",
        tag("Document", "[11 0 R 12 0 R 19 0 R]", 9),
        tag("H1", "0", 10),
        tag("Table", "[20 0 R 16 0 R]", 10),
        tag("TR", "[14 0 R 15 0 R]", 20),
        tag("TH", "1", 13),
        tag("TH", "2", 13),
        tag("TR", "[21 0 R 18 0 R]", 12),
        tag("P", "3", 21),
        tag("TD", "4", 16),
        tag("P", "5", 10),
        tag("THead", "[13 0 R]", 12),
        tag("TD", "[17 0 R]", 16),
    ]
    parsed = parsed_of(pdf(content, tags="\n".join(tags)), "a.pdf")
    assert_sound(parsed)
    assert cells(parsed) == [(1, 1, 1, "Signal"), (1, 1, 2, "Answer"), (1, 2, 1, "open the gate"), (1, 2, 2, "1 s")]
    assert said(parsed)[0] == ("heading", 1, "Title")
    assert said(parsed)[-1] == ("paragraph", 0, marks[-1])


def test_tagged_tables_are_counted_in_the_order_of_the_structure():
    words = ["Signal", "shall open", "Answer", "shall close"]
    content = "".join(
        f"/P << /MCID {mark} >> BDC {written(text, 55 + 100 * (mark % 2), 700 - 50 * (mark // 2))} EMC\n"
        for mark, text in enumerate(words)
    )
    parents = "14 0 R 15 0 R 16 0 R 17 0 R"  # of each mark
    tags = [
        f"<< /Type /StructTreeRoot /K [10 0 R 11 0 R] /ParentTree << /Nums [0 [{parents}]] >> >>",
        tag("Table", "[12 0 R]", 9),
        tag("Table", "[13 0 R]", 9),
        tag("TR", "[14 0 R 15 0 R]", 10),
        tag("TR", "[16 0 R 17 0 R]", 11),
        *(tag("TD", f"{mark}", 12 + mark // 2) for mark in range(4)),
    ]
    parsed = parsed_of(pdf(content, tags="\n".join(tags)), "a.pdf")
    assert [(table, column) for table, _, column, _ in cells(parsed)] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert [text for *_, text in cells(parsed)] == words


def test_any_damage_is_told():
    drawn = "".join(stroked(*rule) for rule in RULES)
    assert_damage_is_told(pdf(drawn + WORDS, outline="Answer within"), "a.pdf")


def test_tables_of_the_corpus_are_read(corpus: Path):
    """One with lines, one with tags, one in Chinese; a diagram of boxes holds none."""
    rows: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for name in ("erlang_crypto", "eudi_annex6_certification", "p3c_java_huangshan_zh", "eudi_annex4_01"):
        parsed = parsed_of((corpus / f"documents/{name}.pdf").read_bytes(), f"{name}.pdf")
        assert_sound(parsed)
        by_row: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for table, row, _, text in cells(parsed):
            by_row[table, row].append(text)
        rows[name] = {tuple(row) for row in by_row.values()}
    assert {("Cipher and Mode", "Key length [bytes]", "Block size [bytes]"), ("rc4", "16", "1")} <= rows[
        "erlang_crypto"
    ]
    assert ("System-related risks", "SR1", "Wholesale surveillance") in rows["eudi_annex6_certification"]
    assert ("人", "150 岁之内", "tinyint unsigned", "1", "无符号值：0 到 255") in rows["p3c_java_huangshan_zh"]
    assert rows["eudi_annex4_01"] == set()


def paged(*contents: str, more: tuple[str, ...] = (), catalog: str = "") -> bytes:
    """A PDF by hand with these entries of pages, and further objects from number 20."""
    kids = " ".join(f"{number + 40} 0 R" for number in range(len(contents)))
    objects = {
        1: f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} /MediaBox [0 0 600 800] /Resources 3 0 R >>",
        3: "<< /Font << /F1 4 0 R >> /XObject << /Im 20 0 R /Fm 21 0 R >> >>",
        4: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        **{number + 40: f"<< /Type /Page /Parent 2 0 R {entry} >>" for number, entry in enumerate(contents) if entry},
        20: "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray "
        "/Length 1 >>\nstream\nx\nendstream",
        21: "<< /Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /Im 20 0 R >> >> "
        "/Length 25 >>\nstream\nq 6 0 0 8 0 0 cm /Im Do Q\nendstream",
        **dict(enumerate(more, 22)),
    }
    out = "%PDF-1.7\n"
    table = ""
    for number, body in objects.items():
        table += f"{number} 1\n{len(out):010} 00000 n \n"
        out += f"{number} 0 obj\n{body}\nendobj\n"
    ending = f"trailer\n<< /Size {max(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF"
    return f"{out}xref\n0 1\n0000000000 65535 f \n{table}{ending}".encode("latin-1")


def stream(content: str, about: str = "") -> str:
    return f"<< /Length {len(content)} {about} >>\nstream\n{content}\nendstream"


LINE = "The gate shall be opened by its operator within one second."
SENTENCE = written(LINE)
MANY_LINES = written("\n".join([LINE] * 10))
TEXT, BLANK, PICTURE, LOGO, INSIDE, PROSE = (f"/Contents {number} 0 R" for number in range(22, 28))
STREAMS = (
    stream(SENTENCE),
    stream("q Q\n"),
    stream("q 600 0 0 400 0 0 cm /Im Do Q\n" + written("Fig. 1")),
    stream("q 60 0 0 40 0 0 cm /Im Do Q\n"),
    stream("q 100 0 0 100 0 0 cm /Fm Do Q\n"),
    stream("q 600 0 0 800 0 0 cm /Im Do Q\n" + MANY_LINES),
    stream("no deflated bytes", "/Filter /FlateDecode"),
    stream(zlib.compress(b"q Q").decode("latin-1"), "/Filter /FlateDecode"),
    stream("q /Lost Do Q"),
)
GARBAGE, PACKED, DRAWS_LOST = (f"/Contents {number} 0 R" for number in range(28, 31))


def told(*pages: str) -> tuple[int, dict[str, str]]:
    """How many pages count as not read, and which ones the notices name."""
    parsed = parsed_of(paged(*pages, more=STREAMS), "a.pdf")
    return parsed.unread, {notice.code: notice.params["pages"] for notice in parsed.notices}


def test_pages_that_are_lost_are_named_and_count_as_not_tested():
    missing, missing_in_a_list = "/Contents 90 0 R", "/Contents [22 0 R 90 0 R]"
    found = told(TEXT, missing, TEXT, "", GARBAGE, DRAWS_LOST, TEXT, BLANK, PACKED, "/Rotate 0", missing_in_a_list)
    assert found == (4, {"pages_unread": "2, 4-6"})
    assert code_of(paged(BLANK, missing, more=STREAMS)) == "damaged_file"


def test_pages_that_are_mostly_pictures_are_named_and_count_as_not_tested():
    assert told(TEXT, PICTURE, LOGO, BLANK, INSIDE, PROSE) == (2, {"low_text": "2, 5"})
    assert told(TEXT, TEXT) == (0, {})
    assert code_of(paged(INSIDE, INSIDE, more=STREAMS)) == "needs_ocr"


STAMP = "Certified copy of the original, Registry of Deeds, 12 March 2024, page 7 of 40"


def told_of(content: str) -> tuple[int, dict[str, str]]:
    """The same of a page with this content, behind one of text."""
    parsed = parsed_of(paged(TEXT, "/Contents 31 0 R", more=(*STREAMS, stream(content))), "a.pdf")
    return parsed.unread, {notice.code: notice.params["pages"] for notice in parsed.notices}


def test_a_scan_with_a_stamp_on_it_counts_as_not_tested():
    scan, half = "q 600 0 0 800 0 0 cm /Im Do Q\n", "q 600 0 0 600 0 0 cm /Im Do Q\n"
    stamp = written(STAMP, 40, 780)
    assert told_of(scan + stamp) == (1, {"low_text": "2"})
    assert told_of("q 20 0 0 20 0 0 cm q 5 0 0 5 0 0 cm /Fm Do Q Q\n" + stamp) == (1, {"low_text": "2"})
    assert told_of(half + stamp) == (0, {})


def test_a_picture_behind_text_or_under_what_was_recognised_of_it_is_no_scan():
    scan = "q 600 0 0 800 0 0 cm /Im Do Q\n"
    title = "BT /F1 30 Tf 50 600 Td (Gates and their operators: a short introduction) Tj ET"
    assert told_of(scan + title) == (0, {})
    assert told_of(scan + "BT 3 Tr ET " + written(STAMP)) == (0, {})


def glyphs(count: int) -> str:
    """Round figures in rows over the page, as letters that were made outlines."""
    places = ((10 + 8 * (at % 70), 750 - 12 * (at // 70)) for at in range(count))
    return "".join(f"{x} {y} m {x} {y + 6} {x + 6} {y + 6} {x + 6} {y} c {x} {y} l f\n" for x, y in places)


def test_pages_whose_letters_are_outlines_count_as_not_tested():
    assert told_of(glyphs(400)) == (1, {"low_text": "2"})
    assert told_of(glyphs(400) + written(STAMP, 40, 780)) == (1, {"low_text": "2"})
    assert told_of(glyphs(30))[0] == 0
    assert told_of(glyphs(400) + MANY_LINES) == (0, {})
    frames = (boxed(x, y, x + 30, y + 20) for x in range(0, 600, 30) for y in range(0, 800, 20))
    assert told_of("".join(frames))[0] == 0
    assert code_of(pdf(glyphs(400))) == "needs_ocr"


SIGNS = "<0001000200030004000500060007000800090010> Tj "  # of a font whose numbers of glyphs mean nothing
UNMAPPED = (
    "<< /Type /Font /Subtype /Type0 /BaseFont /Own /Encoding /Identity-H /DescendantFonts [33 0 R] >>",
    (
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Own /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) "
        "/Supplement 0 >> /FontDescriptor 34 0 R /DW 600 >>"
    ),
    (
        "<< /Type /FontDescriptor /FontName /Own /Flags 4 /FontBBox [0 0 600 800] /ItalicAngle 0 /Ascent 700 "
        "/Descent 0 /CapHeight 700 /StemV 80 >>"
    ),
)


@pytest.mark.parametrize(
    ("signs", "lines", "found"),
    [(9, 0, (1, {"unknown_letters": "2"})), (3, 1, (1, {"unknown_letters": "2"})), (1, 9, (0, {}))],
)
def test_pages_in_fonts_that_do_not_tell_their_letters_count_as_not_tested(
    signs: int, lines: int, found: tuple[int, dict[str, str]]
):
    content = f"BT /F2 10 Tf 50 600 Td {SIGNS * signs} ET\n" + written("\n".join([LINE] * lines))
    own = "/Contents 31 0 R /Resources << /Font << /F1 4 0 R /F2 32 0 R >> >>"
    parsed = parsed_of(paged(TEXT, own, more=(*STREAMS, stream(content), *UNMAPPED)), "a.pdf")
    assert (parsed.unread, {notice.code: notice.params["pages"] for notice in parsed.notices}) == found
    assert parsed.text.count(LINE) == 1 + lines
    if not lines:
        assert parsed.text.strip() == LINE
        assert code_of(paged(own, more=(*STREAMS, stream(content), *UNMAPPED))) == "needs_ocr"


def field(value: str, about: str = "", kind: str = "Tx") -> str:
    return f"<< /Type /Annot /Subtype /Widget /FT /{kind} /T ({value[:5]}) /V ({value}) /Rect [50 50 300 70] {about} >>"


def test_what_was_filled_into_a_form_is_read():
    fields = (
        field("The gate shall be fast."), field("hidden", "/F 2"), field("secret", "/Ff 8192"), field("Two\\nlines"),
        field("chosen", "/Opt [(chosen)] /Ff 131072", "Ch"), field("Yes", "/Ff 32768", "Btn"), field(""),
    )  # fmt: skip
    numbers = " ".join(f"{number} 0 R" for number in range(31, 31 + len(fields)))
    filled = f"{TEXT} /Annots [{numbers}]"
    content = paged(filled, more=(*STREAMS, *fields), catalog=f"/AcroForm << /Fields [{numbers}] >>")
    parsed = parsed_of(content, "a.pdf")
    assert_sound(parsed)
    assert [text for _, _, text in said(parsed)] == [LINE, "The gate shall be fast.", "Two", "lines", "chosen"]


def test_a_page_is_no_picture_for_what_is_drawn_beside_it():
    beside = (*STREAMS, stream("q 6000 0 0 8000 590 0 cm /Im Do Q\n"))
    assert parsed_of(paged(TEXT, "/Contents 31 0 R", more=beside), "a.pdf").unread == 0


def test_many_pages_are_named_briefly():
    pages = [TEXT, PICTURE] * 10
    assert told(*pages)[1] == {"low_text": "2, 4, 6, 8, 10, 12, 14, 16, ..."}


def test_a_scan_is_not_taken_for_read(corpus: Path):
    name = "pdf.js__scan-bad.pdf"
    parsed = parsed_of((corpus / "hostile" / name).read_bytes(), name)
    assert parsed.unread == 1
    assert "low_text" in {notice.code for notice in parsed.notices}
    slides = parsed_of((corpus / "documents/fprime_architecture_2023.pdf").read_bytes(), "a.pdf")
    assert (slides.unread, slides.notices) == (0, ())


def test_who_may_not_copy_is_told(corpus: Path):
    """One file forbids it (/P -1052), the other one permits all (/P -4)."""
    for name, locked in (("pdf.js__empty_protected", True), ("pypdf__r6-owner-password", False)):
        parsed = parsed_of((corpus / f"hostile/{name}.pdf").read_bytes(), "a.pdf")
        assert ("no_copying" in {notice.code for notice in parsed.notices}) is locked


WATCHED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=sys.stdout)
of_largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(of_largest, file=sys.stderr)
"""
MANUAL = [
    stream(written("\n".join(
        f"{page}.{line} The gate {line} shall answer the signal {page} of its operator within {line} ms, and log it."
        for line in range(1, 21)
    )))
    for page in range(1, 19)
]  # fmt: skip


def test_a_pdf_of_612_pages_is_tested_in_less_than_300_mb(tmp_path: Path):
    """All processes together: the steps run in one child, the larger one, and the command beside it takes far less.

    It has 220,000 words, as the largest manual of the corpus.
    """
    pages = [f"/Contents {22 + number % len(MANUAL)} 0 R" for number in range(612)]
    (tmp_path / "manual.pdf").write_bytes(paged(*pages, more=tuple(MANUAL)))
    check = [sys.executable, "-m", "paperlane", "check", "manual.pdf", "--format", "json", "--fail-on", "never"]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *check], check=True, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    (report,) = json.loads(done.stdout)["documents"]
    assert (report["document"]["pages"], report["coverage"]["whole"]) == (612, True)
    assert int(done.stderr) < 150 << 20
