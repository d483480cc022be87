"""The arithmetic of the scores, the verdicts that were given, and the page that is written of them. Never a time."""

import json
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.figures import Figure, Part
from quality.aims import AIMS
from quality.alarms import JUDGED, verdicts, wilson
from quality.conformance import SHARED, Verdicts
from quality.peers import versions
from quality.speed import CONTESTS
from quality.twins import characters, recall, words

from quality import page


def test_recall_counts_as_often_as_it_occurs_and_knows_no_white_space():
    assert recall(characters("a a b"), characters("ab")) == pytest.approx(2 / 3)
    assert recall(characters("ａｂ"), characters("a\nb")) == 1
    assert words("系统 应停") == Counter({"系统": 1, "统应": 1, "应停": 1})


def test_a_verdict_agrees_when_both_sides_say_the_same():
    found = Verdicts().and_(True, True).and_(True, False).and_(False, False).and_(False, True)
    assert (found.faults, found.found, found.clean, found.passed, found.share) == (2, 1, 2, 1, 0.5)


def test_wilsons_interval_is_the_published_one():
    low, high = wilson(10, 100)  # Newcombe 1998, method 3, for other figures; these by the formula
    assert (round(low, 4), round(high, 4)) == (0.0552, 0.1744)
    assert wilson(0, 10)[0] == 0


def test_each_verdict_says_why_and_quotes_little():
    found = verdicts()
    assert len({verdict.key for verdict in found}) == len(found)
    assert all(len(verdict.quote) <= 40 and (verdict.true is None or verdict.why) for verdict in found)
    assert all(json.loads(line) for line in JUDGED.read_text().splitlines())


def test_the_page_judges_each_aim_and_names_what_is_not_measured(tmp_path: Path):
    figures = [
        Figure("anchoring.all", 1.0, ""),
        Figure("headings.all.title", 0.99, ""),
        Figure("headings.all.title", 0.9, "", "markitdown"),
        Figure("defects.B.en.tbd.recall", 0.5, ""),
        Figure("defects.B.zh.tbd.recall", 1.0, ""),
        Figure("defects.B.en.weak-verb.recall", 0.0, ""),
        Figure("speed.docx", 0.1, "s"),
        Figure("speed.docx", None, "s", "pandoc", note="is not installed"),
    ]
    page.write([Part("it", figures, quick=False)], tmp_path / "page.md", tmp_path / "plot.svg")
    written = (tmp_path / "page.md").read_text()
    assert "| Quotes shown that stand in the document | 1.00 |  | ≥ 1 | 1.00 | yes |" in written
    assert "| Headings of styled DOCX: F1 of titles | 0.990 | markitdown: 0.900 | ≥ 0.970 | 0.990 | yes |" in written
    assert "| DOCX, time | 0.100 s | pandoc: is not installed |" in written
    assert f"{2} of {len(AIMS)} met, 0 missed" in written
    assert ">tbd</text>" in (tmp_path / "plot.svg").read_text()
    assert ">0</text>" in (tmp_path / "plot.svg").read_text()
    assert ">0.750</text>" in (tmp_path / "plot.svg").read_text()


def test_each_aim_of_speed_names_a_program_that_takes_part():
    taking = {(contest.name, program) for contest in CONTESTS for program in contest.programs}
    wanted = {(aim.figure, aim.peer) for aim in AIMS if aim.figure.startswith("speed.")}
    assert wanted <= taking


def test_the_versions_of_all_peers_are_known():
    assert versions().keys() >= {"markitdown", "pymupdf4llm", "proselint", "typos", "codespell", "zhlint", "write-good"}
    assert all(shared.checks for shared in SHARED)
