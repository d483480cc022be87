"""A look at all prose at once: what it finds is what a search of each block would find."""

import re
import time
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reading import document_of

from paperlane.checks import CHECKS, Subject, broken_reference, tbd, whole
from paperlane.checks.spellings import american, likely
from paperlane.checks.subject import Prose, Reading
from paperlane.checks.vocabulary import Vocabulary, vocabulary

_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")


def subject_of(*paragraphs: str) -> Subject:
    return whole(document_of("\n\n".join(paragraphs), "text.txt"))


def words_of(*paragraphs: str) -> Vocabulary:
    return vocabulary(subject_of(*paragraphs))


def test_a_sign_is_found_in_each_block_that_holds_it_and_in_no_other():
    seen = subject_of("One?", "Two.", "Why? Who?", "?", "见表").reading
    assert seen.holding("?") == {0, 2, 3}
    assert seen.holding("two", "见", "nowhere", ".o") == {1, 4}
    assert seen.matching(re.compile(r"[A-Z]w")) == {1}
    assert [prose.text for prose in seen.at({4, 1})] == ["Two.", "见表"]


@pytest.mark.parametrize("figure", ["7", "七", "７", "两"])
def test_a_block_with_a_figure_is_numbered(figure: str):
    assert subject_of("None here.", f"It has {figure}.", "Nor here.").reading.numbered == {1}


def test_a_passage_sees_what_the_whole_document_shows():
    document = subject_of("One?", "Two.")
    assert Subject(document.document, 1, 2, document).reading is document.reading
    assert vocabulary(Subject(document.document, 1, 2, document)) is vocabulary(document)


@pytest.mark.parametrize(
    "text",
    [
        "An e-mail of 3rd-party make", "a--b -c d- - e", "x-1-y 1-z", "naïve Straße é-a a-é", "中a中b-c中-d",
        "it's a_b.c/d ToDo TBDs iOS",
    ],
)  # fmt: skip
def test_words_are_letters_and_hyphens_between_them(text: str):
    words = words_of("Before-", text, "-after")
    assert [(prose.text, own) for prose, own in words.blocks] == [
        (one, _WORD.findall(one)) for one in ("Before-", text, "-after")
    ]
    assert list(words.written) == list(dict.fromkeys(_WORD.findall(f"Before- {text} , -after")))


def test_blocks_are_found_by_their_words_in_any_case():
    words = words_of("The Door opens.", "the gate", "A sub-section of the DOOR")
    assert words.holding(["door"]) == {0, 2}
    assert words.holding(["door", "gate"], ["the"]) == {0, 1, 2}
    assert words.holding(["door"], ["opens", "gate"]) == {0}
    assert words.holding(["section"]) == set()
    assert words.naming("section", "gate") == {1, 2}
    assert words.alike(lambda word: word.startswith("do")) == ["door"]


def test_a_phrase_is_looked_for_where_its_rarest_word_stands():
    words = words_of("the set point", "the point", "a Set", "the set of the points")
    assert _texts(words.saying(["points of"])) == ["the set of the points"]
    assert _texts(words.saying(["5g set", "the nowhere"])) == []
    assert _texts(words.saying(["Set point"])) == ["the set point", "the point"]
    assert list(words.beside([("set", "point")])) == [["the", "set", "point"], ["the", "point"]]


def _texts(blocks: Sequence[Prose]) -> list[str]:
    return [prose.text for prose in blocks]


def test_a_word_with_a_british_spelling_is_a_likely_one_and_so_is_the_american():
    british = [
        "colour", "unauthorised", "organisation", "analysing", "labelled", "modellers", "centre", "grey", "vapours",
        "labelling",
    ]  # fmt: skip
    plain = ["gate", "opens", "table", "said"]
    assert list(likely([*british, *plain])) == british
    assert list(likely([*map(american, british), *plain])) == [american(word) for word in british]


def test_many_words_take_as_long_as_they_are_many():
    def seconds(count: int) -> float:
        names = ["".join(chr(97 + int(digit)) for digit in str(number)) for number in range(1000, 1000 + count)]
        text = "".join(f"The abc {name} has an abc{name} of 5 s, REQ-{name}.\n\n" for name in names)
        subject = whole(document_of(text, "text.txt"))
        begun = time.process_time()
        for check in ("inconsistent-term", "broken-reference", "tbd", "contradicting-value"):
            list(CHECKS[check].find(subject))
        return time.process_time() - begun

    seconds(80)  # which compiles the patterns
    assert seconds(800) < 40 * seconds(80) + 0.3


@pytest.mark.parametrize(
    ("pattern", "name"), [(tbd._DECIDED, "decided"), (tbd._DEFINED, "decided"), (tbd._OPEN, "open")]
)
@settings(max_examples=150)
@given(draw=st.data())
def test_no_open_point_is_lost_by_the_words_that_are_looked_for(
    pattern: re.Pattern[str], name: str, draw: st.DataObject
):
    said = draw.draw(st.from_regex(pattern.pattern, fullmatch=True))
    subject = subject_of("Before it.", f"Here {said} .", "Behind it.")
    hinted: Collection[int] = getattr(tbd._Signs.of(subject), name)
    for prose in subject.prose:
        assert prose.block.start in hinted or pattern.search(prose.low) is None, prose.text


@settings(max_examples=300)
@given(said=st.from_regex(broken_reference._SECTION.pattern, fullmatch=True))
def test_no_section_that_is_named_is_lost_by_the_words_that_are_looked_for(said: str):
    subject = subject_of("Before it.", f"Here {said} .", "Behind it.")
    numbered = subject.reading.matching(broken_reference._PARTED_NUMBER)
    looked = broken_reference._naming_sections(subject, numbered)
    for number, prose in enumerate(subject.prose):
        assert number in looked or broken_reference._SECTION.search(prose.low) is None, prose.text


def found_in(text: str) -> set[tuple[str, int, int]]:
    subject = whole(document_of(text))
    return {(name, found.start, found.end) for name, check in CHECKS.items() for found in check.find(subject)}


@pytest.mark.parametrize("how", ["as it is", "broken", "loud", "spaced"])
@pytest.mark.parametrize("name", CHECKS)
def test_what_is_looked_for_first_loses_nothing(name: str, how: str, monkeypatch: pytest.MonkeyPatch):
    """With a look that finds words in each block, checks find the same in their examples."""
    text = "\n\n".join(CHECKS[name].flags)
    match how:
        case "broken":
            text = re.sub(r"(?<=[a-z]) (?=[a-z])", "\n", text)
        case "loud":
            text = text.upper()
        case "spaced":
            text = text.replace(" ", "  ")
        case _:
            pass
    found = found_in(text)
    for look in ("holding", "matching"):
        monkeypatch.setattr(Reading, look, lambda self, *_: {*range(len(self.prose))})
    monkeypatch.setattr(Reading, "rising", lambda self, *_: range(len(self.prose)))
    for look in ("holding", "naming"):
        monkeypatch.setattr(Vocabulary, look, lambda self, *_: {*range(len(self._words))})
    assert found_in(text) == found
