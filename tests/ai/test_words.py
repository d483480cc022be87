"""What is asked, under which key, and how an answer's form is checked."""

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paperlane.ai import Context, Question, Why
from paperlane.ai.chat import Message
from paperlane.ai.prompts import prompt
from paperlane.ai.reading import MOST, SCHEMA, Unusable, _Issue, cleaned, read
from paperlane.ai.rules import CATEGORIES
from paperlane.model.documents import Language

ONE = {
    "quote": "fast",
    "rule": "ambiguous",
    "severity": "warning",
    "confidence": 0.5,
    "message": "How fast?",
    "suggestion": "",
}
QUESTION = Question(3, "It shall be fast.", Language.EN, Context(("1 Pump",), {"idle": "off"}, "Name"))


def test_a_key_is_that_of_what_is_asked_and_of_nothing_else():
    key = QUESTION.key("m", "en-1")
    assert replace(QUESTION, passage=9).key("m", "en-1") == key
    others = [
        QUESTION.key("n", "en-1"),
        QUESTION.key("m", "en-2"),
        replace(QUESTION, text="It shall be slow.").key("m", "en-1"),
        replace(QUESTION, language=Language.ZH).key("m", "en-1"),
        replace(QUESTION, context=Context(("2 Pump",), {"idle": "off"}, "Name")).key("m", "en-1"),
        replace(QUESTION, context=Context(("1 Pump",), {"idle": "on"}, "Name")).key("m", "en-1"),
        replace(QUESTION, context=Context(("1 Pump",), {"idle": "off"}, "")).key("m", "en-1"),
    ]
    assert len({key, *others}) == 8
    assert len(key) == 64


@pytest.mark.parametrize("language", Language)
def test_each_language_has_words_with_a_version_and_names_every_rule(language: Language):
    words = prompt(language)
    assert words.version == f"{language.value}-1"
    assert all(rule in words.system for rule in CATEGORIES)
    system, asked = words.messages(replace(QUESTION, language=language))
    assert "$" not in system.content + asked.content
    assert "It shall be fast." in asked.content
    assert "It shall be fast." not in system.content
    assert all(part in asked.content for part in ("1 Pump", "idle: off", "Name"))


@given(st.text(), st.text(max_size=40), st.text(max_size=40))
def test_the_mark_of_the_data_is_in_none_of_it_and_always_the_same(text: str, title: str, term: str):
    asked = Question(0, text, Language.EN, Context((title,), {term: title}, text))
    _, message = prompt(Language.EN).messages(asked)
    assert prompt(Language.EN).messages(asked)[1] == message
    mark = message.content.partition("<<<BEGIN passage ")[2][:16] if "<<<BEGIN" not in text else ""
    if mark:
        assert message.content.count(mark) == 9
        assert mark not in text + title + term
    message.content.encode()


def test_a_repair_brings_the_answer_back_cut():
    messages = (Message("system", "s"), Message("user", "u"))
    again = prompt(Language.EN).again(messages, "no" * 9_000, "it was not JSON")
    assert [message.role for message in again] == ["system", "user", "assistant", "user"]
    assert len(again[2].content) == 4_000
    assert "it was not JSON" in again[3].content


def test_the_schema_and_the_reader_want_the_same():
    properties = SCHEMA["properties"]["issues"]["items"]["properties"]
    assert set(properties) == set(_Issue.model_fields)
    assert set(get_args(_Issue.model_fields["rule"].annotation)) == set(CATEGORIES)


def test_a_good_answer_is_read():
    (said,), dropped = read(json.dumps({"issues": [ONE]}))
    assert (said.quote, said.rule, said.message, dropped) == ("fast", "ambiguous", "How fast?", 0)
    assert read('{"issues": []}') == ((), 0)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": "NaN"}, "confidence"),
        ({"severity": "fatal"}, "severity"),
        ({"rule": "spelling"}, "rule"),
        ({"quote": None}, "quote"),
        ({"message": ""}, "message"),
    ],
    ids=str,
)
def test_a_wrong_answer_says_where(change: dict[str, object], where: str):
    with pytest.raises(Unusable) as unusable:
        read(json.dumps({"issues": [ONE | change]}))
    assert (unusable.value.why, where in unusable.value.fault) == (Why.WRONG_SCHEMA, True)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"issues": [', "null", "[]", '"issues"', "{}", "fine", "\x00"], ids=range(8)
)
def test_what_is_no_answer_is_unusable(text: str):
    with pytest.raises(Unusable):
        read(text)


def test_a_quote_that_no_store_could_hold_is_mended():
    (said,), _ = read(json.dumps({"issues": [ONE | {"quote": "f\ud800ast"}]}))
    assert said.quote.encode().decode() == said.quote == "f\ufffdast"


def test_findings_are_bounded():
    said, dropped = read(json.dumps({"issues": [ONE] * (MOST + 5)}))
    assert (len(said), dropped) == (MOST, 5)


@given(st.text(max_size=3_000))
@example("0 \x1b\r0")
def test_cleaned_words_are_on_one_line_and_harmless(words: str):
    clean = cleaned(words)
    assert len(clean) <= 500
    assert clean == clean.strip()
    assert clean.isprintable()
    assert cleaned(clean) == clean
