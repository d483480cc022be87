"""No Office file does harm: what no honest program writes is refused before it is unpacked, with what to do instead."""

import io
import warnings
import zipfile
from pathlib import Path

import pytest
from tests.formats.packages import docx, odt, package, pptx, relations, xlsx
from tests.manifests import said_of
from tests.reading import parsed_of

from paperlane.errors import DocumentError
from paperlane.formats import guard, recognise

DECLARED = '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
CONTAINER = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def refusal(content: bytes, name: str) -> tuple[str, str]:
    with pytest.raises(DocumentError) as raised:
        parsed_of(content, name)
    assert raised.value.hint
    return raised.value.code, raised.value.hint


@pytest.mark.parametrize(
    ("whole", "name", "parts"),
    [
        (docx("<w:p/>"), "a.docx", ["word/document.xml", "word/styles.xml", "word/numbering.xml", "_rels/.rels",
         "word/footnotes.xml", "word/_rels/document.xml.rels", "[Content_Types].xml"]),
        (odt(""), "a.odt", ["content.xml", "styles.xml", "META-INF/manifest.xml"]),
        (pptx("", ""), "a.pptx", ["ppt/presentation.xml", "ppt/slides/slide2.xml", "ppt/slides/_rels/slide1.xml.rels"]),
        (xlsx(""), "a.xlsx", ["xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/worksheets/0.xml"]),
    ],
    ids=["docx", "odt", "pptx", "xlsx"],
)  # fmt: skip
def test_a_document_type_in_any_part_that_is_read_is_refused(whole: bytes, name: str, parts: list[str]):
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        held = {entry: archive.read(entry) for entry in archive.namelist()}
    parsed_of(whole, name)
    for part in parts:
        assert refusal(package({**held, part: DECLARED}), name)[0] == "damaged_file", part


@pytest.mark.parametrize(
    "content",
    [
        *(DECLARED.encode(encoding) for encoding in ("utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be")),
        *(f'<?xml version="1.0" encoding="{name}"?>{DECLARED}'.encode(name) for name in ("utf-16", "utf-8-sig")),
        b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE a+AD4-<a/>",
        "<?xml version='1.0' encoding='IBM037'?><!DOCTYPE a><a/>".encode("cp037"),
        b"\xff\xfe" + "<?xml version='1.0' encoding='EBCDIC-CP-US'?><a/>".encode("utf-16-le"),
    ],
    ids=["UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32", "UTF-32BE", "declared UTF-16", "UTF-8", "UTF-7", "EBCDIC", "said"],
)
def test_a_document_type_is_seen_in_every_encoding(content: bytes):
    assert refusal(package({"word/document.xml": content}), "a.docx")[0] == "damaged_file"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_an_honest_part_may_be_in_its_own_encoding(encoding: str):
    said = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?><d><p><r><t>验收</t></r></p></d>'
    assert parsed_of(package({"word/document.xml": said.encode(encoding)}), "a.docx").text == "验收\n"


def test_absurd_packages_are_refused(monkeypatch: pytest.MonkeyPatch):
    file = io.BytesIO(docx("<w:p/>"))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("word/document.xml", "<a/>")
    assert refusal(file.getvalue(), "a.docx")[0] == "damaged_file"
    monkeypatch.setattr(guard, "_MOST_ENTRIES", 2)
    assert refusal(docx("<w:p/>"), "a.docx")[0] == "too_complex"
    monkeypatch.undo()
    monkeypatch.setattr(guard, "_MOST_ALTOGETHER", 100)
    assert refusal(docx("<w:p/>"), "a.docx")[0] == "too_complex"


@pytest.mark.parametrize(
    ("streams", "better"),
    [
        (["Root Entry", "WordDocument", "Workbook"], ".docx"),
        (["PowerPoint Document"], ".pptx"),
        (["Workbook"], ".xlsx"),
        (["Book"], ".xlsx"),
        ([], ".docx"),
    ],
)
def test_an_old_binary_file_is_told_by_its_kind(streams: list[str], better: str):
    content = CONTAINER + b"".join(stream.encode("utf-16-le") for stream in streams)
    assert refusal(content, "a.xlsx") == ("unsupported_type", f"Save it as {better} and upload that.")


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx", "a.pptx", "a.odt"])
def test_an_encrypted_container_asks_for_its_password(name: str):
    assert refusal(CONTAINER + "EncryptedPackage".encode("utf-16-le"), name)[0] == "password_required"


WHOLES = {".docx": docx("<w:p/>"), ".odt": odt(""), ".pptx": pptx(""), ".xlsx": xlsx("")}


@pytest.mark.parametrize("held", WHOLES)
@pytest.mark.parametrize("named", WHOLES)
def test_one_format_under_the_name_of_another_is_told(held: str, named: str):
    if held != named:
        code, hint = refusal(WHOLES[held], f"a{named}")
        assert (code, held in hint) == ("unsupported_type", True)


def test_the_content_types_say_what_a_package_is():
    kinds = '<Types><Override PartName="/word/document.xml" ContentType="application/vnd.ms-excel.sheet.main"/></Types>'
    parts = {"_rels/.rels": relations(officeDocument="/word/document.xml"), "word/document.xml": "<a/>"}
    parsed_of(package(parts), "a.docx")
    assert refusal(package({**parts, "[Content_Types].xml": kinds}), "a.docx")[0] == "unsupported_type"


def test_the_document_stands_where_the_relations_say():
    parts = {"_rels/.rels": relations(officeDocument="own/text.xml"), "own/text.xml": "<d><p><r><t>x</t></r></p></d>"}
    assert parsed_of(package(parts), "a.docx").text == "x\n"


@pytest.mark.parametrize(
    ("name", "better"),
    [("a.doc", ".docx"), ("a.XLS", ".xlsx"), ("a.ppt", ".pptx"), ("a.ods", ".xlsx"), ("a.rtf", ".docx")],
)
def test_a_name_of_old_is_told_what_to_save_it_as(name: str, better: str):
    with pytest.raises(DocumentError) as raised:
        recognise(name, CONTAINER)
    assert raised.value.code == "unsupported_type"
    assert raised.value.hint.startswith(f"Save it as {better}.")


@pytest.mark.parametrize("suffix", [".docm", ".dotx", ".dotm"])
def test_documents_with_macros_and_templates_are_read_like_others(suffix: str):
    assert parsed_of(docx("<w:p><w:r><w:t>x</w:t></w:r></w:p>"), f"a{suffix.upper()}").text == "x\n"


def test_hostile_office_files_end_as_their_manifest_says(corpus: Path):
    said = {name: words for name, words in said_of(corpus).items() if Path(name).suffix in WHOLES}
    assert len(said) == 4
    for name, words in said.items():
        assert refusal((corpus / "hostile" / name).read_bytes(), name)[0] in words, name
