"""Which checks are asked is what the brief says, and a name that there is not is told with those there are."""

import pytest
from tests.reading import report_of

from paperlane.checks import CHECKS, PROFILES, brief_of, chosen, names_in
from paperlane.errors import BadRequest
from paperlane.model.documents import Brief

TEXT = "# One\n\nThe system shall be fast.\n\nTBD.\n"


def test_without_a_brief_the_checks_of_the_default_profile_are_asked():
    assert set(chosen(Brief())) == {check.name for check in CHECKS.values() if "requirements" in check.profiles}


def test_profiles_add_up_and_a_check_comes_and_goes_by_its_name():
    both = {check.name for check in CHECKS.values() if {"technical", "style-zh"} & {*check.profiles}}
    brief = Brief(profiles=("technical", "style-zh"), also=("vague-term",), without=("tbd",))
    assert set(chosen(brief)) == both - {"tbd"} | {"vague-term"}


def test_what_is_both_added_and_left_out_is_left_out():
    assert "tbd" not in chosen(Brief(also=("tbd",), without=("tbd",)))


def test_names_may_stand_between_commas_and_count_once():
    assert names_in(["a, b,,a", " c "]) == ("a", "b", "c")
    assert brief_of(["technical,style-zh"], [], ["tbd"]) == Brief(("technical", "style-zh"), (), ("tbd",))


@pytest.mark.parametrize(
    ("brief", "code", "hint"),
    [
        (Brief(profiles=("tecnical",)), "unknown_profile", "Did you mean technical? Choose one of requirements, "),
        (Brief(also=("vague",)), "unknown_check", "vague-term"),
        (Brief(without=("x" * 1000,)), "unknown_check", "Choose one of "),
        (Brief(profiles=("technical",), without=tuple(CHECKS)), "no_checks", "paperlane checks"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_with_what_there_is(brief: Brief, code: str, hint: str):
    with pytest.raises(BadRequest) as refused:
        chosen(brief)
    assert refused.value.code == code
    assert hint in refused.value.hint
    assert len(refused.value.message) < 200


def test_only_chosen_checks_are_asked_and_the_report_says_which():
    report = report_of(TEXT, brief=Brief(profiles=("technical",), without=("numbering",)))
    assert {issue.rule for issue in report.issues} == {"tbd"}
    assert report.profiles == ("technical",)
    assert "vague-term" not in report.checks
    assert "numbering" not in report.checks
    assert report_of(TEXT).profiles == ("requirements",)


def test_each_check_is_in_a_profile_that_there_is():
    for check in CHECKS.values():
        assert check.profiles
        assert {*check.profiles} <= {*PROFILES}
