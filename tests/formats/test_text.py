"""Plain text: titles that are numbered are headings, items and sentences that are numbered are none."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reading import assert_sound, document_of, parsed_of, shape


def test_plain_text_has_numbered_headings():
    document = document_of("1 Purpose\n\nText of it.\n\n1.1 Scope\n\n- an item\n\n第二章 范围\n\n正文。\n", "a.txt")
    assert [(section.level, section.number) for section in document.sections] == [(1, "1"), (2, "1.1"), (1, "第二章")]


def read(text: str) -> list[tuple[str, int, str]]:
    parsed = parsed_of(text, "a.txt")
    assert_sound(parsed)
    return shape(parsed)


def test_chinese_headings_are_found_with_their_text_in_the_next_line():
    text = (
        "一、概述\n　　本系统用于测试。\n（一）目的\n本文说明目的。\n1、范围\n范围如下。\n2、术语\n术语如下。\n"
        "十二、要求\n1．功能\n系统应响应。\n"
    )
    assert [(level, words) for kind, level, words in read(text) if kind == "heading"] == [
        (1, "一、概述"), (2, "（一）目的"), (3, "1、范围"), (3, "2、术语"), (1, "十二、要求"), (3, "1．功能"),
    ]  # fmt: skip
    assert [words for kind, _, words in read(text) if kind == "paragraph"] == [
        "本系统用于测试。", "本文说明目的。", "范围如下。", "术语如下。", "系统应响应。",
    ]  # fmt: skip
    figures = "1、目的\n本文说明目的。\n\n2．范围\n适用于全部系统。\n2.1范围\n同上。\n"
    assert [level for _, level, _ in read(figures) if level] == [1, 1, 2]


def test_a_numbered_title_may_touch_its_text():
    text = "1 Purpose\nThe gate shall open.\n\n2. Scope\nAll gates.\n2.1 Words\nA gate.\n\nTitle\n=====\nBody.\n"
    assert [(level, words) for _, level, words in read(text) if level] == [
        (1, "1 Purpose"), (1, "2. Scope"), (2, "2.1 Words"), (1, "Title"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Steps:\n1. Open the gate\n2. Close the gate\n", 2),
        ("1. Open it.\n\n2. Close it\n\n3. Lock it.\n", 3),
        ("1. Open\n\n2. Close\n\nThen:\n\n1. Lock\n\n2. Leave\n", 4),
        ("1. Open the valve and\n   Wait.\n2. Close it now\n   Please.\n", 2),
        ("一、概述\n二、范围\n三、要求\n\n正文。\n", 3),
        ("1、打开\n2、关闭\n", 2),
        ("2 apples were bought\n", 0),
        ("2 Apples were bought by\nthe customer.\n", 0),
        ("See chapter\n3.2 Words of it\n", 0),
        ("3个苹果\n", 0),
    ],
)
def test_numbered_items_and_sentences_are_no_headings(text: str, items: int):
    kinds = [kind for kind, _, _ in read(text)]
    assert "heading" not in kinds
    assert kinds.count("list_item") == items


def test_bullets_inside_a_paragraph_are_items_of_their_own():
    text = "The list is:\n- one\n• two and\n  more\na) three\nb) four\n（1）五\n"
    assert read(text) == [
        ("paragraph", 0, "The list is:"),
        ("list_item", 0, "- one"),
        ("list_item", 0, "• two and\n  more"),
        ("list_item", 0, "a) three"),
        ("list_item", 0, "b) four"),
        ("list_item", 0, "（1）五"),
    ]


@pytest.mark.parametrize("line", ["- The gate opens\n", "The gate shall be opened by its operator.\n", "words\n"])
def test_thousands_of_lines_without_a_blank_one_are_no_single_block(line: str):
    blocks = read(line * 3_000)
    assert max(len(words) for _, _, words in blocks) < 9_000


@given(st.text(alphabet="1.2、一（）第章aB-•= \n\r\u3000。", max_size=200))
def test_any_plain_text_is_read_whole(text: str):
    assert letters("".join(words for _, _, words in read(text))) == letters(text)


def letters(text: str) -> list[str]:
    """Without white space, and without the signs that may underline a title."""
    return [sign for sign in text if not sign.isspace() and sign not in "=-"]


@pytest.mark.parametrize(
    "line", ["1. a\n", "1 A b\n", "一、概述\n", "x" * 9 + "\n", " " * 50 + "a) b\n", "1 " * 50 + "\n"]
)
def test_no_plain_text_takes_long(line: str):
    begin = process_time()
    read(line * 20_000)
    assert process_time() - begin < 4
