"""A team's words: what they take away, and how a file says them."""

import pytest
from tests.reading import report_of

from paperlane.checks.words import LARGEST, MOST, Words, words_in
from paperlane.errors import BadRequest
from paperlane.model.documents import Brief, Ignored, Report

TEXT = "# One\n\nThe Fast\nTrack shall be fast and robust, and its SLO met.\n\n系统应尽快响应。\n"


def heard(*ignored: str, text: str = TEXT, **terms: str) -> Report:
    return report_of(text, brief=Brief(ignored=ignored, terms=terms))


def quotes(report: Report) -> list[str]:
    return [issue.quote for issue in report.issues]


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        ("fast", ["robust", "SLO", "尽快"]),  # in any case
        ("Fast", ["fast", "robust", "SLO", "尽快"]),  # as it is written
        ("FAST", ["Fast", "fast", "robust", "SLO", "尽快"]),
        ("fast  track", ["fast", "robust", "SLO", "尽快"]),  # the one that stands inside
        ("Fast Track", ["fast", "robust", "SLO", "尽快"]),
        ("Fast track", ["Fast", "fast", "robust", "SLO", "尽快"]),
        ("breakfast", ["Fast", "fast", "robust", "SLO", "尽快"]),
        ("be FAST and", ["Fast", "fast", "robust", "SLO", "尽快"]),
        ("be fast and", ["Fast", "robust", "SLO", "尽快"]),
        ("be fast or", ["Fast", "fast", "robust", "SLO", "尽快"]),
        ("track shall be fast", ["Fast", "robust", "SLO", "尽快"]),
        ("尽快响应", ["Fast", "fast", "robust", "SLO"]),
        ("ｆａｓｔ", ["robust", "SLO", "尽快"]),  # of any width
        ("SLO", ["Fast", "fast", "robust", "尽快"]),
    ],
)
def test_an_ignored_word_takes_away_what_it_covers_and_no_more(ignored: str, left: list[str]):
    report = heard(ignored)
    assert quotes(report) == left
    assert report.ignored == Ignored(words=5 - len(left))


def test_a_phrase_counts_at_each_place_where_it_holds_the_quote():
    text = "# One\n\nİİ shall be fast: so fast.\n"  # in small letters İ is two characters
    assert quotes(heard("fast: so fast", text=text)) == []
    assert quotes(heard("so fast", text=text)) == ["fast"]
    assert quotes(heard("fast:", text=text)) == ["fast"]


def test_a_word_that_a_check_names_is_meant_too():
    text = "# One\n\nIt opens the the door.\n"
    assert quotes(heard(text=text)) == ["the the"]
    assert quotes(heard("the", text=text)) == []


def test_an_acronym_of_the_glossary_is_spelled_out():
    assert "SLO" not in quotes(heard(SLO=""))
    assert "SLO" in quotes(heard(slo="no acronym"))
    assert heard(SLO="").ignored == Ignored()


def test_a_file_of_words_is_lines():
    said = words_in("# glossary\nSLO: service level\nobjective:\n\n  robust \n10:1\n支付网关：PGW\nrobust\n")
    assert dict(said.terms) == {"SLO": "service level", "objective": "", "支付网关": "PGW"}
    assert list(said.ignored) == ["robust", "10:1"]
    assert words_in(said.written()) == said


@pytest.mark.parametrize(
    ("line", "term", "meaning"),
    [
        ("ACH:automated clearing house", "ACH", "automated clearing house"),
        ("3DS:secure", "3DS", "secure"),
        ("ledger:all that was booked", "ledger", "all that was booked"),
        ("对账:核对账目", "对账", "核对账目"),
        ("std::string: a type", "std::string", "a type"),
        ("xs:string: a type", "xs:string", "a type"),
        ("API:接口：程序之间", "API", "接口:程序之间"),
    ],
)
def test_a_term_ends_at_its_colon_with_or_without_a_space(line: str, term: str, meaning: str):
    said = words_in(line)
    assert (dict(said.terms), said.ignored) == ({term: meaning}, ())
    assert words_in(said.written()) == said


@pytest.mark.parametrize(
    "phrase",
    ["10:1", "10:am", "key:value", "std::string", "https://example.org/a b", "mailto:ann@example.org now", "::before"],
)
def test_an_ignored_phrase_may_hold_a_colon(phrase: str):
    assert words_in(phrase) == Words({}, (phrase,))


@pytest.mark.parametrize("line", [": nothing", ":nothing", ":", "：无"])
def test_a_line_that_begins_with_a_colon_is_named(line: str):
    with pytest.raises(BadRequest, match=f"^Line 3: There is no term before the colon of “{line}”\\.$") as refused:
        words_in(f"# ours\nSLO:\n  {line}\n")
    assert refused.value.code == "no_term"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (Words({"": "nothing"}), "invalid_words"),
        (Words({"ACH:clearing": ""}), "invalid_words"),  # on a line of its own it would be a term and a meaning
        (Words(ignored=["x" * 201]), "invalid_words"),
        (Words(ignored=[f"w{number}" for number in range(MOST + 1)]), "too_many_words"),
        (Words({"x": "y" * LARGEST}), "too_many_words"),
    ],
)
def test_words_are_bounded(words: Words, code: str):
    with pytest.raises(BadRequest) as refused:
        words.checked()
    assert refused.value.code == code
    assert refused.value.hint
