"""reStructuredText: the source stays as it is, every word of it lies in a block, and nothing it names is opened."""

import re
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reading import assert_read_or_refused, assert_sound, parsed_of, shape

from paperlane.model.documents import BlockKind, Parsed

FIRST = """\
Words of *it*, with ``code`` and :py:func:`open_gate`,
in two lines [1]_. See `The Gate`_, :ref:`the start <start>` and `else <https://a.b>`_."""
TEXT = f"""\
.. _start:

=========
 The Gate
=========

{FIRST}

Parts
-----

- one
- two::

    code of it

#. first

   still first

term
   what it means

:field: its body

.. note:: Mind the gate.

   And the door.

.. code-block:: python
   :linenos:

   open()

.. unknown:: argument
   :option: x

   Words in it.

.. a comment

.. [1] A note
   in lines.

.. image:: gate.png
   :alt: The gate

Deeper
~~~~~~

>>> open()
"""


def read(text: str) -> Parsed:
    parsed = parsed_of(text, "a.rst")
    assert parsed.text == text
    assert_sound(parsed)
    return parsed


def test_rst_keeps_its_source_and_marks_its_blocks():
    assert [one for one in shape(read(TEXT)) if not one[2].startswith((".. ", ":"))] == [
        ("heading", 1, "The Gate"),
        ("paragraph", 0, FIRST),
        ("heading", 2, "Parts"),
        ("list_item", 0, "one"),
        ("list_item", 0, "two::"),
        ("code", 0, "code of it"),
        ("list_item", 0, "first"),
        ("list_item", 0, "still first"),
        ("list_item", 0, "term"),
        ("list_item", 0, "what it means"),
        ("paragraph", 0, "its body"),
        ("paragraph", 0, "Mind the gate."),
        ("paragraph", 0, "And the door."),
        ("code", 0, "open()"),
        ("paragraph", 0, "Words in it."),
        ("code", 0, "a comment"),
        ("footnote", 0, "A note\n   in lines."),
        ("heading", 3, "Deeper"),
        ("code", 0, ">>> open()"),
    ]  # fmt: skip
    markup = [one for one in shape(read(TEXT)) if one[2].startswith((".. ", ":"))]
    assert {kind for kind, _, _ in markup} == {"code"}


def test_rst_marks_what_is_no_prose_and_finds_links_and_anchors():
    parsed = read(TEXT)
    assert [parsed.text[start:end] for block in parsed.blocks for start, end in block.code] == [
        "``code``", ":py:func:`open_gate`", "[1]_", "`", "`_", ":ref:`", " <start>`", "`", " <https://a.b>`_",
    ]  # fmt: skip
    assert {"start", "the gate", "parts", "deeper"} <= set(parsed.anchors)
    assert [(link.target, link.image) for link in parsed.links] == [
        ("#the gate", False), ("#start", False), ("https://a.b", False), ("gate.png", True),
    ]  # fmt: skip


TABLES = {
    "grid": (
        "+-----+----+\n| A   | B  |\n+=====+====+\n| a1  | b1 |\n| and |    |\n+-----+----+\n"
        "| 中  | b2 |\n+-----+----+\n"
    ),
    "simple": "====  ====\nA     B\n====  ====\na1    b1\n中    b2\n====  ====\n",
    "list": ".. list-table::\n\n   * - A\n     - B\n   * - a1\n     - b1\n   * - 中\n     - b2\n",
    "csv": '.. csv-table::\n\n   "A","B"\n   a1,b1\n   中,"b2"\n',
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_cells_of_every_kind_of_table_have_their_places(text: str):
    parsed = read(text)
    cells = [block for block in parsed.blocks if block.kind is BlockKind.TABLE_CELL]
    placed = [(cell.table, cell.row, cell.column, parsed.text[cell.start : cell.end]) for cell in cells]
    assert [one for one in placed if one[3] != "and"] == [
        (1, 1, 1, "A"), (1, 1, 2, "B"), (1, 2, 1, "a1"), (1, 2, 2, "b1"), (1, 3, 1, "中"), (1, 3, 2, "b2"),
    ]  # fmt: skip
    assert ((1, 2, 1, "and") in placed) is ("and" in text)


@pytest.mark.parametrize("directive", ["include", "literalinclude", "raw:: html\n   :file", "csv-table:: x\n   :file"])
def test_no_file_that_rst_names_is_opened(directive: str, tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret,words")
    parsed = read(f".. {directive}:: {tmp_path}/secret.txt\n\nThe end.\n")
    assert "secret,words" not in parsed.text
    assert shape(parsed)[-1] == ("paragraph", 0, "The end.")


def test_comments_in_rst_speak_to_paperlane():
    text = "Title\n=====\n\n.. paperlane: ignore vague-term\n\nThe gate shall be fast.\n\n.. another comment\n"
    parsed = read(text)
    assert [(remark.words, parsed.text[remark.at :][:8]) for remark in parsed.remarks] == [
        ("ignore vague-term", "The gate"),
    ]  # fmt: skip


def assert_whole(parsed: Parsed) -> None:
    """Every letter lies in a block, but for the numbers of items."""
    left, last = "", 0
    for block in parsed.blocks:
        left += parsed.text[last : block.start] + "\n"
        last = block.end
    left += parsed.text[last:]
    assert not re.search(r"[^\W_]", re.sub(r"[(]?\b\w{1,5}[.)](?!\S)", "", left)), left


PARTS = st.sampled_from(
    [
        "Title\n=====\n", "Over\n~~~~\n", "====\nBoth\n====\n", "words of it\n", "- item\n", "  - inner\n",
        "1. one\n", "term\n  meaning\n", "code::\n\n  x = 1\n", ".. note::\n\n   words\n", ".. foo:: a\n",
        "   :b: c\n", ".. [1] note\n",
        "`a`_ and :r:`b` |c|\n", "| line\n| line\n", "== ==\na  b\n== ==\n1  2\n== ==\n", "+-+\n|a|\n+-+\n",
        "+-+\n|a\n",
        ":f: body\n", ".. comment\n", "\tx\n", "`broken\n", "**bad\n", "中文。\n", "__ a\n",
        ".. _t: u\n", "\x0b\n", "-a  b\n",
    ]
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["", "  ", "   "]), PARTS, st.sampled_from(["", "\n"])), max_size=12))
def test_any_rst_is_read_whole(parts: list[tuple[str, str, str]]):
    text = "".join(indent + part.replace("\n", "\n" + indent)[: len(part) + 99] + end for indent, part, end in parts)
    assert_whole(read(text))


@settings(max_examples=60)
@given(st.text(alphabet="=-~`:.|_*+[]<> \t\r\n1a中#", max_size=200))
def test_any_signs_are_read_or_refused(text: str):
    assert_read_or_refused(text.encode(), "a.rst")


def test_rst_nested_without_end_is_too_deep():
    with pytest.raises(RecursionError):
        parsed_of("".join("  " * depth + "- a\n\n" for depth in range(300)), "a.rst")


SLOW = {
    "paragraphs": "a few words\n\n" * 2_000,
    "items": "- a few words\n" * 2_000,
    "one word": "word " * 20_000,
    "the same line": "- a\n\n  b::\n\n" * 700,
    "ticks": "`" * 5_000,
    "roles": ":a:" * 3_000 + "`",
    "dots": ".. " * 3_000,
    "colons": ".. " + "a:" * 5_000,
    "stars": "*a " * 20_000,
    "pipes": "|a " * 20_000,
    "addresses": "a:" + "b.c" * 20_000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_no_rst_takes_long(text: str):
    begin = process_time()
    read(text)
    assert process_time() - begin < 4


def test_the_rst_of_the_corpus_is_read_whole(corpus: Path):
    content = (corpus / "documents/paddle_tensor_zh.rst").read_bytes()
    parsed = read(content.decode())
    assert_whole(parsed)
    kinds = [block.kind for block in parsed.blocks]
    assert kinds.count(BlockKind.HEADING) == 308
    assert kinds.count(BlockKind.CODE) >= 38
