"""A quote is shown at its exact place in the passage that was asked about, or not at all."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlane.ai import Said
from paperlane.ai.anchoring import LONGEST, anchor
from paperlane.model.documents import Severity

BEFORE = "The pump shall start fast. "
TEXT = (
    BEFORE
    + "The  pump shall “stop” at 5 °C – or\nsooner,  when idle. "
    + "系统应在 ５ 秒内\n响应“请求”，并记录日志。 "
    + "The pump shall start fast."
)
AFTER = " The end: unique words."
WHOLE = TEXT + AFTER


def said(quote: str, rule: str = "ambiguous") -> Said:
    return Said(quote, rule, Severity.WARNING, 0.8, "why", "how")


def places(*quotes: str, start: int = len(BEFORE), end: int = len(TEXT)) -> list[str]:
    found = anchor([said(quote) for quote in quotes], WHOLE, start, end)
    assert all(WHOLE[one.start : one.end] == one.quote for one in found.placed)
    assert all(start <= one.start < one.end <= end for one in found.placed)
    return [one.quote for one in found.placed]


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("pump shall start fast.", "pump shall start fast."),
        ("  pump shall start fast.\n", "pump shall start fast."),
        ('The pump shall "stop"', "The  pump shall “stop”"),
        ('shall "stop" at 5 °C - or sooner, when', "shall “stop” at 5 °C – or\nsooner,  when"),
        ("系统应在5秒内响应", "系统应在 ５ 秒内\n响应"),
        ('响应"请求",并记录', "响应“请求”，并记录"),
        ("响应「请求」，并记录日志。", "响应“请求”，并记录日志。"),
        ("shall \u200bstart fast", "shall start fast"),
    ],
    ids=range(8),
)
def test_what_is_written_otherwise_is_found(quote: str, found: str):
    assert places(quote) == [found]


@pytest.mark.parametrize(
    "quote",
    ["the pump shall", "pump shall stop at 6", "unique words", "shallstop", "pump\x00shall", "。。", "", " ", "5"],
    ids=repr,
)
def test_what_is_not_there_is_dropped(quote: str):
    assert places(quote) == []


def test_what_stands_before_the_passage_is_not_taken_for_it():
    (one,) = anchor([said("The pump shall start fast.")], WHOLE, len(BEFORE), len(TEXT)).placed
    assert one.start == TEXT.rindex("The pump")


def test_the_same_quote_again_is_the_next_place_and_then_none():
    text = "It is fast. It is fast. And it is slow, as we said in another place of this long document, which goes on."
    found = anchor([said("It is fast"), said("It is fast"), said("It is fast")], text, 0, len(text))
    assert [one.start for one in found.placed] == [0, 12]
    assert found.dropped == Counter(repeated=1)


def test_two_rules_may_say_something_of_one_place():
    text = "It is fast, and goes on."
    found = anchor([said("fast"), said("fast", "untestable")], text, 0, len(text))
    assert [one.start for one in found.placed] == [6, 6]


def test_a_quote_of_all_or_of_too_much_points_at_nothing():
    text = "word " * 300
    found = anchor([said(text), said(text[: LONGEST + 6]), said(text[:100]), said("nowhere")], text, 0, len(text))
    assert found.dropped == Counter(whole_passage=1, too_long=1, not_found=1)
    assert len(found.placed) == 1


def test_a_short_passage_may_be_quoted_whole():
    text = "It shall be fast."
    assert len(anchor([said(text)], text, 0, len(text)).placed) == 1


def test_half_of_a_character_is_no_place():
    for half in ("1k", "g and"):
        assert anchor([said(half)], "It weighs 1㎏ and more.", 0, 23).placed == ()
    assert anchor([said("1kg")], "It weighs 1㎏ and more.", 0, 23).placed[0].quote == "1㎏"


@given(st.text(max_size=60), st.text(alphabet="ab .,“”\"'　 \n１1㎏ﬁ你好、-–", min_size=1, max_size=80), st.data())
def test_whatever_is_quoted_the_place_holds_the_quote(before: str, passage: str, data: st.DataObject):
    begin = data.draw(st.integers(0, len(passage)))
    cut = data.draw(st.integers(begin, len(passage)))
    quotes = [passage[begin:cut], " ".join(passage[begin:cut].split()), data.draw(st.text(max_size=20))]
    text = before + passage + before
    found = anchor([said(quote) for quote in quotes], text, len(before), len(before) + len(passage))
    assert len(found.placed) + found.dropped.total() == len(quotes)
    for one in found.placed:
        assert text[one.start : one.end] == one.quote
        assert len(before) <= one.start < one.end <= len(before) + len(passage)
    exact = passage[begin:cut].strip()
    if len(exact) >= 2 and any(letter.isalnum() for letter in exact):
        assert found.placed


def test_a_large_passage_takes_no_longer_than_its_length():
    """Twenty quotes that are almost there, in a passage of 400,000 characters; by its square it would take hours."""
    text = "ab " * 130_000 + "x"
    quotes = [said(("ab  " * 90) + f"x{number}") for number in range(20)]
    assert anchor(quotes, text, 0, len(text)).dropped["not_found"] == 20
