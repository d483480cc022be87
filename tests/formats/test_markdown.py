"""Markdown: the source stays as it is, every word of it lies in a block, and blocks are what GitHub shows."""

import re
from time import process_time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.reading import assert_sound, parsed_of, shape

from paperlane.errors import DocumentError
from paperlane.model.documents import BlockKind, Parsed


def test_markdown_keeps_its_source_and_marks_its_blocks():
    text = (
        "---\ntitle: x\n---\r\n# One `code` #\r\n\r\nTwo\n===\n\n"
        "> Quoted *words*\n\n- item\n  1. inner `x`\n\n"
        "| A | B |\n|---|:-:|\n| a1 | b1 |\n\n```py\ncode()\n```\n\n<!-- TBD -->\n\n<div>words</div>\n"
    )
    parsed = parsed_of("\ufeff" + text)
    assert parsed.text == text
    assert_sound(parsed)
    assert shape(parsed) == [
        ("heading", 1, "One `code`"),
        ("heading", 1, "Two"),
        ("paragraph", 0, "Quoted *words*"),
        ("list_item", 0, "item"),
        ("list_item", 0, "inner `x`"),
        ("table_cell", 0, "A"),
        ("table_cell", 0, "B"),
        ("table_cell", 0, "a1"),
        ("table_cell", 0, "b1"),
        ("code", 0, "```py\ncode()\n```"),
        ("code", 0, "<!-- TBD -->"),
        ("paragraph", 0, "<div>words</div>"),
    ]
    cells = [block for block in parsed.blocks if block.kind is BlockKind.TABLE_CELL]
    assert [(cell.table, cell.row, cell.column) for cell in cells][:3] == [(1, 1, 1), (1, 1, 2), (1, 2, 1)]


def test_markdown_anchors_are_githubs():
    parsed = parsed_of('# The End!\n\n## The End\n\n<a id="own"></a>\n\n[a](#the-end) ![b](b.png) `[c](d)`\n')
    assert parsed.anchors == ("the-end", "the-end-1", "own")
    assert [(link.target, link.image) for link in parsed.links] == [("#the-end", False), ("b.png", True)]


def test_names_of_tags_are_anchors_as_browsers_take_them():
    text = '<a id = bare></a>\n\n<a id="one" name="two"/>\n\n<p name="none" id=\'three\'>\n\n<i data-id="no">\n'
    text += "\nEnd {#four}\n"
    assert parsed_of(text).anchors == ("bare", "one", "two", "three", "four")


def test_links_may_be_padded_titled_over_two_lines_or_defined_elsewhere():
    text = 'See [a]( a.md ), [b](b.md\n"B") and [c][d].\n\n[d]: #d "D"\n[e]: 待定\n'
    shown = [(link.target, text[link.start : link.end]) for link in parsed_of(text).links]
    assert shown == [("a.md", "[a]( a.md )"), ("b.md", '[b](b.md\n"B")'), ("#d", '[d]: #d "D"')]


def test_a_heading_of_several_spaces_has_the_names_that_programs_give_it():
    assert parsed_of("# Two  spaces  <!-- end -->\n\n# A\ttab").anchors == ("two--spaces--", "two-spaces-", "a-tab")


def assert_whole(parsed: Parsed) -> None:
    """Every letter and digit lies in a block, but for the numbers and boxes in front of items."""
    left, last = "", 0
    for block in parsed.blocks:
        left += parsed.text[last : block.start] + "\n"
        last = block.end
    left += parsed.text[last:]
    left = re.sub(r"\d{1,9}[.)]|\[[xX]\]", "", left)
    assert not re.search(r"[^\W_]", left), left


@given(st.text(alphabet="#*-_>`|[]()<>! \t\r\n1.a中😀\\~=:^", max_size=300))
def test_any_markdown_is_read_whole(text: str):
    assume(not text.removeprefix("\ufeff").startswith("---"))
    parsed = parsed_of(text)
    assert parsed.text == text.removeprefix("\ufeff")
    assert_sound(parsed)
    assert_whole(parsed)


MARKERS = st.lists(st.sampled_from(["- ", "1. ", "> ", "* ", "  ", "    ", "- [x] ", "\t"]), max_size=8)
CONTENT = st.sampled_from(
    [
        "words", "# Title #", "Title\n===", "[a]: https://b.c 'd'", "[REQ-1]: 待定", "[^1]: 系统应尽快响应。",
        "[^n]: two words", "[a]:\n  b", "| a | b |\n|---|---|\n| `c\\|d` | e | f |\n| \\| | g", "```x\ncode\n```",
        "    code", "<div>a</div>", "<!-- a", "<pre>\na\n\nb\n</pre>", "<script>a</script> b", "<b>a</b> <kbd>b</kbd>",
        "", "---", "a\\", "1986\\. A",
    ]
)  # fmt: skip


@given(st.lists(st.tuples(MARKERS, CONTENT, st.sampled_from(["\n", "\n\n", "\r\n", "\r"])), max_size=10))
def test_nested_markdown_is_read_whole(lines: list[tuple[list[str], str, str]]):
    text = "".join("".join(marks) + content + end for marks, content, end in lines)
    assume(not text.startswith("---"))
    parsed = parsed_of(text)
    assert_sound(parsed)
    assert_whole(parsed)


def test_markdown_nested_deeply_is_read_and_nested_without_end_is_too_complex():
    for mark in ("> ", "- "):
        parsed = parsed_of(mark * 40 + "deep")
        assert [text for _, _, text in shape(parsed)] == ["deep"]
        with pytest.raises(DocumentError) as raised:
            parsed_of(mark * 200 + "deeper")
        assert raised.value.code == "too_complex"


def test_front_matter_is_no_text():
    for front in (
        "---\n# comment\ntitle: x\ntags:\n- a\n  - b\n\nlong: >\n  words\n\n  more\nlist: [\n]\n---\n",
        '---\r\n"title": x\r\n...\r\n',
        "---\n标题: x\n---",
    ):
        assert shape(parsed_of(front + "\nwords")) == [("paragraph", 0, "words")]
        assert [notice.code for notice in parsed_of(front).notices] == ["no_text"]


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nwords\n\n---\n",
        "---\n\nkey: words\n---\n",
        "---\nThe gate shall open.\n---\n",
        "---\nkey: value\n\nThe gate shall open.\n\n---\n",
        "---\nkey: value\n",
        "--- \n# Title\n\nkey: words\n---\n",
        "text\n---\nkey: value\n---\n",
    ],
)
def test_a_break_at_the_beginning_is_no_front_matter(text: str):
    assert_whole(parsed_of(text))


def test_definitions_in_words_are_text():
    text = (
        "[^1]: 系统应尽快响应，数值待定。\n[^two]: The gate TBD.\n      And more.\n\n    still of it\n\n"
        "[REQ-1]: 待定\n[REQ-2]: TBD\n\nwords\n[^3]: three words\n\n- [REQ-3]: 待定\n"
    )
    assert shape(parsed_of(text)) == [
        ("footnote", 0, "[^1]: 系统应尽快响应，数值待定。"),
        ("footnote", 0, "[^two]: The gate TBD.\n      And more."),
        ("footnote", 0, "still of it"),
        ("paragraph", 0, "[REQ-1]: 待定"),
        ("paragraph", 0, "[REQ-2]: TBD"),
        ("paragraph", 0, "words"),
        ("footnote", 0, "[^3]: three words"),
        ("list_item", 0, "[REQ-3]: 待定"),
    ]
    assert coded(parsed_of(text))[:2] == ["[^1]:", "[^two]:"]


def test_definitions_of_addresses_are_code():
    targets = ["https://a.b/c", "mailto:a@b.c", "/a", "#a", "../a", "a/b", "a.md", "图/架构.png", "<a b.png>", "a.md#b"]
    parsed = parsed_of("".join(f"[{number}]: {target}\n" for number, target in enumerate(targets)))
    assert {kind for kind, _, _ in shape(parsed)} == {"code"}
    parsed = parsed_of(
        "".join(f"[{number}]: {words}\n" for number, words in enumerate(["待定/未定", "0.5s", "a", "1.2"]))
    )
    assert {kind for kind, _, _ in shape(parsed)} == {"paragraph"}


def coded(parsed: Parsed) -> list[str]:
    return [parsed.text[start:end] for block in parsed.blocks for start, end in block.code]


def test_what_html_marks_as_code_is_code():
    parsed = parsed_of(
        "Press <kbd>TBD</kbd>, say <CODE class=a>TODO</CODE> or <b>etc.</b>\n\n<samp>a\n\nb</samp>\n\n"
        "| <code>x</code> y |\n|---|\n"
    )
    assert coded(parsed) == [
        "<kbd>TBD</kbd>", "<CODE class=a>TODO</CODE>", "<b>", "</b>", "<samp>", "</samp>", "<code>x</code>",
    ]  # fmt: skip
    kinds = {
        "<script>\n\nTBD\n</script>": "code",
        "<style>\na {}\n</style>": "code",
        "<pre>\nTBD\n\nTBD\n</pre>": "code",
        "<pre>\nTBD": "code",
        "<pre>\nTBD\n</pre> words": "paragraph",
    }
    assert {text: shape(parsed_of(text))[0][0] for text in kinds} == kinds


def test_rows_are_read_with_their_escaped_pipes_and_beyond_the_width_of_their_table():
    parsed = parsed_of("> - | A | B |\n>   |---|---|\n>   | a \\| b | | c |\n>   d | e\\|")
    assert [(b.row, b.column, parsed.text[b.start : b.end]) for b in parsed.blocks] == [
        (1, 1, "A"), (1, 2, "B"), (2, 1, "a \\| b"), (2, 3, "c"), (3, 1, "d"), (3, 2, "e\\|"),
    ]  # fmt: skip


def test_a_block_begins_behind_all_its_markers():
    parsed = parsed_of("- 1. > # A\n- - [ ] b\n\n      c\n> - Title\n>   ---\n")
    assert shape(parsed) == [
        ("heading", 1, "A"), ("list_item", 0, "b"), ("list_item", 0, "c"), ("heading", 2, "Title"),
    ]  # fmt: skip


def test_a_formula_between_dollars_is_code():
    kinds = [kind for kind, _, _ in shape(parsed_of("$$\nx = etc\n$$\n\n$$5 and words\n"))]
    assert kinds == ["code", "paragraph"]


def test_slugs_are_made_of_what_is_shown():
    slugs = {
        "`foo_bar` _under_": "foo_bar-under",
        "snake_case __bold__ *x*": "snake_case-bold-x",
        "[Link](a.md) & <b>more</b>": "link--more",
        "[Given][g] \\*star\\* &amp;": "given-star-",
        "一、概述（总）": "一概述总",
        "Cafe\u0301 – ½": "cafe\u0301--½",
        "🚀 Go": "-go",
        "![picture](a.png) shown": "-shown",
    }
    text = "".join(f"# {title}\n\n" for title in slugs)
    assert parsed_of(text + "[g]: https://a.b\n").anchors == tuple(slugs.values())


SLOW = {
    "hashes": "# a" + " " * 60_000 + "b",
    "hashes at the end": "# a " + "# " * 30_000 + "b",
    "links and ticks": "`a` [b](c) " * 10_000,
    "a link that never ends": "[a](" + "x" * 60_000,
    "brackets": "[" * 60_000,
    "pairs of brackets": "[" + "[]" * 30_000,
    "tags": "<code>" * 20_000,
    "a tag that never ends": "a <" + "b" * 60_000,
    "comments": "<!-- " * 20_000,
    "backticks": "".join("`" * n + " " for n in range(300)),
    "lines of a label": "[\n" + "a\n" * 20_000,
    "keys": "---\n" + "a: b\n" * 20_000,
    "footnotes": "[^1]: a b\n" * 10_000,
    "quotes": ("> " * 45 + "a\n") * 300,
    "pipes": "| a |\n|---|\n" + "|" * 60_000,
    "an underline": "a\n" + "- " * 30_000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_no_markdown_takes_long(text: str):
    begin = process_time()
    assert_sound(parsed_of(text))
    assert process_time() - begin < 3
