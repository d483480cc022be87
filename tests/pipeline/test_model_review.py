"""What a report says of a document that models reviewed: their issues, and how far each of them came."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape

import pytest
from tests.reading import report_of
from tests.reports.test_reports import bare, read

from paperlane.ai import Answer, Said, State, Usage, Why
from paperlane.catalog import WHYS
from paperlane.checks import CHECKS, Finding, Subject
from paperlane.model.documents import Brief, Reach, Report, Severity
from paperlane.pipeline.model_review import Opinion
from paperlane.pipeline.questions import Questions
from paperlane.reports import REPORTS, notice_line

SECTIONS = [
    f"# Part {number}\n\nThe gate {number} is opened by the guard. {'The guard keeps it shut by night. ' * 20}\n"
    for number in (1, 2, 3)
]
TEXT = "\n".join(SECTIONS)
DEAD = Answer("k", "m", "en-1", State.FAILED, why=Why.REFUSED)
FINE = Answer("k", "m", "en-1", State.ANSWERED)


def opinion(model: str, *answers: Answer) -> Opinion:
    return Opinion(model, answers, Usage(), 0.0, "USD", 0)


def reviewed(*opinions: Opinion, text: str = TEXT) -> Report:
    def said(asked: Questions) -> tuple[Opinion, ...]:
        assert {len(one.answers) for one in opinions} == {len(asked.items)}
        return opinions

    return report_of(text, brief=Brief(models=tuple(one.model for one in opinions)), opinions=said)


def test_coverage_tells_of_rules_and_of_each_model():
    skipped = replace(DEAD, state=State.SKIPPED, why=Why.BUDGET)
    coverage = reviewed(opinion("one", FINE, DEAD, skipped), opinion("two", FINE, FINE, FINE)).coverage
    assert (coverage.tested, coverage.failed, coverage.skipped, coverage.whole) == (1, 1, 1, False)
    assert coverage.reasons == ("one: budget", "one: refused")
    assert coverage.by == {
        "rules": Reach(3, 0, 0),
        "one": Reach(1, 1, 1, ("budget", "refused")),
        "two": Reach(3, 0, 0),
    }
    assert reviewed(opinion("one", FINE, FINE, FINE)).coverage.whole


@pytest.mark.parametrize(
    ("dead", "tested", "failed"), [({1}, 2, 1), ({0}, 1, 2), (set(), 2, 1)], ids=["same", "another", "none"]
)
def test_a_passage_at_which_rules_and_a_model_failed_is_one(
    monkeypatch: pytest.MonkeyPatch, dead: set[int], tested: int, failed: int
):
    def find(subject: Subject) -> Iterator[Finding]:
        if any("gate 2" in block.text for block in subject.prose):
            raise KeyError
        yield from ()

    monkeypatch.setattr(CHECKS, "_by_name", {**CHECKS, "vague-term": replace(CHECKS["vague-term"], find=find)})
    coverage = reviewed(opinion("judge", *(DEAD if number in dead else FINE for number in range(3)))).coverage
    assert (coverage.tested, coverage.failed, coverage.skipped) == (tested, failed, 0)
    assert (coverage.of_rules.tested, coverage.of_rules.failed) == (2, 1)


SAYS: dict[str, Callable[[str], str]] = {
    "en": lambda model: f"rules: all 3 passages tested; {model}: 1 of 3 passages tested",
    "zh": lambda model: f"规则：全部 3 个片段均已检测；{model}：已检测 1/3 个片段",
}


@pytest.mark.parametrize("language", SAYS)
@pytest.mark.parametrize("name", [name for name in REPORTS if name != "json"])
def test_every_report_says_how_far_rules_came_and_how_far_each_model(name: str, language: str):
    report = reviewed(opinion("judge", FINE, DEAD, DEAD))
    found = bare(unescape(read(name, REPORTS[name].render([report], (), language))))
    assert bare(SAYS[language]("judge")) in found
    assert bare(WHYS["refused"][language == "zh"]) in found
    if name != "xlsx":  # which tells counts in fields of their own
        assert bare({"en": "no issues in what was tested", "zh": "已检测的部分未发现问题"}[language]) in found


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "json"])
def test_where_a_model_tested_nothing_rules_still_tested_all(name: str):
    report = reviewed(opinion("judge", DEAD, DEAD, DEAD))
    assert report.coverage.tested == 0
    found = bare(read(name, REPORTS[name].render([report], (), "en")))
    assert bare("rules: all 3 passages tested; judge: 0 of 3 passages tested") in found
    assert bare("nothing could be tested") not in found
    if name in {"html", "md", "pdf"}:
        assert bare("Rules tested all of this document, but not every model did") in found


def test_json_tells_of_each_judge():
    (document,) = json.loads(REPORTS["json"].render([reviewed(opinion("judge", FINE, DEAD, DEAD))], (), "en"))[
        "documents"
    ]
    assert document["coverage"]["whole"] is False
    by = document["coverage"]["by"]
    assert (by["rules"]["tested"], by["rules"]["whole"]) == (3, True)
    assert by["judge"] == {"tested": 1, "failed": 2, "skipped": 0, "reasons": ["refused"], "whole": False}


def test_an_empty_document_is_never_clean_because_a_model_was_to_read_it():
    report = reviewed(opinion("judge"), text="")
    assert "nothing could be tested" in REPORTS["text"].render([report], (), "en").decode()


def test_each_reason_has_words_in_both_languages():
    assert WHYS.keys() == {why.value for why in Why}
    assert all(english and chinese for english, chinese in WHYS.values())
    (notice,) = reviewed(opinion("judge", FINE, DEAD, DEAD)).notices
    assert notice.message == f"Passages that judge did not test: 2 ({WHYS['refused'][0]})."
    assert WHYS["refused"][1] in notice_line(notice, "zh")


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("", 1),
        ("<!-- paperlane: ignore-file model/ambiguous -->", 0),
        ("<!-- paperlane: ignore model/ambiguous -->", 0),
        ("<!-- paperlane: ignore model/contradiction -->", 1),
    ],
    ids=["nothing", "file", "block", "another"],
)
def test_a_comment_speaks_of_a_models_issues_by_their_names(comment: str, left: int):
    said = Said("opened by the guard", "ambiguous", Severity.WARNING, 0.8, "Which one?", "Say which.")
    text = f"# Part\n\n{comment}\n\nThe gate is opened by the guard.\n"
    report = reviewed(opinion("judge", replace(FINE, findings=(said,))), text=text)
    assert [issue.rule for issue in report.issues].count("model/ambiguous") == left
    assert report.ignored.remarks == 1 - left
    assert report.notices == ()
