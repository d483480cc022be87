"""Seeded defects stand where they are said to stand, the same ones each time, in wordings that no check knows."""

import re
from itertools import chain
from pathlib import Path

import pytest
from quality.carriers import own
from quality.defects import NAMES, Elsewhere, Found, Outcome, figures, found_in, iou, judged_of, misses
from quality.injecting import Defect, Seeded, seeded
from quality.placing import Placed, in_source
from quality.reading import read
from quality.wordings import KINDS, Half, Wording, unmarked, wordings
from quality.writing import WRITERS, linkless, markdown

from paperlane.checks import CHECKS
from paperlane.model.documents import Language

NOWHERE = Path("/nowhere")  # without the corpus, defects stand in our own carriers alone
PLACELESS = {"heading-skipped", "empty-section", "duplicated-section", "numbering"}  # decided by what stands around


def every() -> list[Wording]:
    return [wording for kind in KINDS for language in Language for wording in wordings(kind, language)]


def some(half: Half) -> list[Seeded]:
    return [document for language in Language for document in list(seeded(half, language, NOWHERE))[:3]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", list(Language))
def test_each_kind_has_25_wordings_in_each_language_and_both_halves_have_some(kind: str, language: Language):
    found = wordings(kind, language)
    assert len(set(found)) == len(found) >= 25
    assert {wording.half for wording in found} == set(Half)


def test_each_wording_marks_its_fault():
    for wording in every():
        assert wording.kind in NAMES
        if wording.kind not in {"duplicated-section", "heading-skipped"}:  # marked where they are written
            assert any(unmarked(piece)[1] for piece in wording.pieces), wording


def test_no_wording_is_in_both_halves():
    halves = {half: {wording for wording in every() if wording.half is half} for half in Half}
    assert not halves[Half.A] & halves[Half.B]
    shown = {half: {one.wording for document in some(half) for one in document.defects} for half in Half}
    assert all(shown[half] <= halves[half] for half in Half)


def test_a_half_holds_each_of_its_wordings_once():
    for half in Half:
        for language in Language:
            put = [one.wording for document in seeded(half, language, NOWHERE) for one in document.defects]
            wanted = [wording for wording in every() if wording.half is half and wording.language is language]
            assert sorted(map(repr, put)) == sorted(map(repr, wanted))


def test_wordings_are_not_the_examples_of_the_checks():
    examples = "\n".join(chain.from_iterable((*check.flags, *check.passes) for check in CHECKS.values()))
    known = {"".join(line.split()) for line in examples.splitlines()}
    for wording in every():
        for piece in wording.pieces:
            text = re.sub(r"\s", "", unmarked(piece)[0].lstrip("# "))
            assert text not in known or len(text) < 12, wording


def test_the_same_seed_makes_the_same_documents():
    assert some(Half.A) == some(Half.A)
    one = some(Half.A)[0]
    assert WRITERS["docx"](one.pieces, one.language) == WRITERS["docx"](one.pieces, one.language)


@pytest.mark.parametrize("half", list(Half))
def test_offsets_in_markdown_are_exact(half: Half):
    for document in some(half):
        source, _ = markdown(document.pieces)
        begins = in_source(document.pieces)
        for begin, piece in zip(begins, document.pieces, strict=True):
            assert source[begin : begin + len(piece.text)] == piece.text
            assert all(0 <= mark.start < mark.end <= len(piece.text) for mark in piece.marks)


def test_each_defect_has_its_marks_and_they_hold_the_marked_words():
    for document in some(Half.A):
        for number, defect in enumerate(document.defects):
            marks = [
                piece.text[mark.start : mark.end]
                for piece in document.pieces
                for mark in piece.marks
                if mark.defect == number
            ]
            assert marks, defect
            if defect.kind not in PLACELESS:
                for piece in defect.wording.pieces:
                    text, spans = unmarked(piece)
                    assert all(text[start:end] in marks for start, end in spans), defect


@pytest.mark.parametrize("suffix", ["docx", "pdf"])
def test_what_was_written_is_found_again_in_what_is_read(suffix: str):
    for document in (some(Half.A)[1], some(Half.A)[4]):
        text = read(f"it.{suffix}", WRITERS[suffix](document.pieces, document.language)).text
        placed = Placed(text, document.pieces)
        for at, piece in enumerate(document.pieces):
            for mark in piece.marks:
                span = placed.span(at, mark.start, mark.end)
                wanted = (
                    "".join(linkless(piece.text)[mark.start : mark.end].split()) if "](" not in piece.text else None
                )
                if document.defects[mark.defect].kind not in {"broken-link", "duplicated-section"}:
                    assert span is not None, piece
                    assert "".join(text[slice(*span)].split()) == wanted


def test_carriers_are_read_with_their_headings_and_hold_no_fault_of_structure():
    for language in Language:
        for pieces in own(language):
            document = read("it.md", WRITERS["md"](pieces, language))
            assert document.language is language
            assert len(document.sections) == sum(piece.level > 0 for piece in pieces)


def test_overlap_is_shared_by_union():
    assert iou((0, 10), (0, 10)) == 1
    assert iou((0, 10), (5, 15)) == pytest.approx(1 / 3)
    assert iou((0, 10), (10, 20)) == 0


def test_a_defect_that_a_check_knows_is_found_at_its_place():
    found = found_in(Half.A, NOWHERE, ["doubled-word"], ["md"], 2)
    right = [one for one in found.outcomes if one.defect.wording.language is Language.EN]
    assert right
    assert all(one.found and one.iou == 1 for one in right)


def test_of_the_half_that_is_held_out_no_miss_is_shown():
    (wording, *_) = [wording for wording in every() if wording.half is Half.B]
    found = Found([Outcome(Defect(wording), "md", found=False)], [Elsewhere("it", "tbd", "TBD")])
    with pytest.raises(ValueError, match="held out"):
        list(misses(found))
    assert wording.pieces[0] not in repr(figures(found, Half.B))


def test_checks_that_no_default_profile_asks_are_asked_of_seeded_documents():
    (document, *_) = some(Half.A)
    assert {rule for names in NAMES.values() for rule in names if rule in CHECKS} <= set(
        judged_of(document, "md").report.checks
    )
