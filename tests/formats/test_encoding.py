"""Bytes become the text that was written, or an error that says where they do not."""

import pytest
from tests.reading import parsed_of

from paperlane.errors import DocumentError
from paperlane.formats import recognise
from paperlane.formats.encoding import decode

CHINESE = "系统应当记录每一次请求，并在一秒之内给出回答。用户可以查看自己的文档。"
TRADITIONAL = "系統應當記錄每一次請求，並在一秒之內給出回答。使用者可以查看自己的文件。"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gbk", "gb18030"])
@pytest.mark.parametrize("text", [CHINESE, "Plain words, and more of them.\n" * 3, CHINESE[:20] + " and English words"])
def test_texts_in_chinese_encodings_are_read(encoding: str, text: str):
    assert decode(text.encode(encoding))[0] == text


def test_big5_is_read():
    assert decode(TRADITIONAL.encode("big5"))[0] == TRADITIONAL


def test_a_false_mark_is_an_honest_error():
    with pytest.raises(DocumentError) as raised:
        decode(b"\xff\xfea\x00\x00\xd8b\x00")
    assert raised.value.code == "damaged_file"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_chinese_in_lines_is_read_as_utf_16_without_a_mark(encoding: str):
    text = f"# 目的\n\n{CHINESE}\n\n{TRADITIONAL}\n"
    assert recognise("a.md", text.encode(encoding)).name == "Markdown"
    parsed = parsed_of(text.encode(encoding))
    assert (parsed.text, parsed.encoding) == (text, encoding)


@pytest.mark.parametrize(
    ("encoding", "named"), [("gbk", "GB18030"), ("big5", "BIG5"), ("utf-16-le", "UTF-16"), ("cp1252", "WINDOWS-1252")]
)
def test_a_guess_is_told(encoding: str, named: str):
    text = {"big5": TRADITIONAL, "cp1252": "déjà vu"}.get(encoding, CHINESE + "\n")
    (notice,) = parsed_of(text.encode(encoding), "a.txt").notices
    assert (notice.code, notice.params) == ("guessed_encoding", {"encoding": named})
    assert named in notice.message


def test_what_is_marked_declared_or_utf_8_is_no_guess():
    assert parsed_of(CHINESE).notices == ()
    assert parsed_of(CHINESE.encode("utf-16")).notices == ()
    assert parsed_of(f"<meta charset=gb2312><p>{CHINESE}".encode("gbk"), "a.html").notices == ()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("déjà vu", "cp1252"),
        ("Die Größe wird für jede Straße geändert.", "cp1252"),
        ("“¿Qué?” l’été, 5 µm ± 2 °C", "cp1252"),
        ("Zażółć gęślą jaźń", "cp1250"),
        ("Привет, мир, как дела", "cp1251"),
    ],
)
def test_western_words_are_read_as_such_and_others_are_not(text: str, encoding: str):
    assert decode(text.encode(encoding))[:2] == (text, encoding)


LINE = CHINESE + "\n"


@pytest.mark.parametrize(
    "content",
    [(LINE.encode() + LINE.encode("gbk")) * 5, LINE.encode("gbk") * 30 + LINE.encode()],
    ids=["half and half", "one line of UTF-8"],
)
def test_a_mix_of_encodings_is_refused(content: bytes):
    with pytest.raises(DocumentError) as raised:
        decode(content)
    assert raised.value.code == "unknown_encoding"


def test_the_lines_that_are_no_utf_8_are_named():
    with pytest.raises(DocumentError) as raised:
        decode((LINE * 20).encode() + b"caf\xe9 \xff\n" + LINE.encode())
    assert raised.value.code == "unknown_encoding"
    assert "line 21" in raised.value.message
    assert "line 21" in raised.value.hint
    with pytest.raises(DocumentError, match="lines 2, 4"):
        decode(b"\n".join([LINE.encode().strip(), b"\xff"] * 2))
