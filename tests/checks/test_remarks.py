"""Comments in a document take away what they name where they say, are counted, and told where they make no sense."""

from dataclasses import replace

import pytest
from tests.reading import NoJob, document_of

from paperlane.catalog import tell
from paperlane.model.documents import Brief, Findings, Ignored, Remark
from paperlane.pipeline.issue_detection import detect
from paperlane.pipeline.section_merge import merge

TEXT = """# One

The system shall be fast.

TBD and TODO.

| A | B |
|---|---|
| TBD | TBC |
| TBA | x |

The system shall be robust. TBD.
"""
ALL = ["fast", "TBD", "TODO", "TBD", "TBC", "TBA", "robust", "TBD"]


def found(*remarks: tuple[int, str], text: str = TEXT, brief: Brief = Brief()) -> Findings:  # noqa: B008  frozen
    document = document_of(text)
    heard = replace(document.parsed, remarks=tuple(Remark(at, words) for at, words in remarks))
    document = replace(document, parsed=heard, brief=brief)
    return detect((document, merge(document, NoJob())), NoJob())


def quotes(findings: Findings) -> list[str]:
    return [issue.quote for issue in findings.issues]


def at(words: str) -> int:
    return TEXT.index(words)


def test_without_comments_all_is_found():
    assert quotes(found()) == ALL
    assert found().ignored == Ignored()


@pytest.mark.parametrize(
    ("remark", "left"),
    [
        ((at("TBD and") - 1, "ignore tbd"), ["fast", "TBD", "TBC", "TBA", "robust", "TBD"]),  # before a block
        ((at("TODO"), "ignore tbd"), ["fast", "TBD", "TBC", "TBA", "robust", "TBD"]),  # inside it
        ((at("TBC"), "ignore tbd"), ["fast", "TBD", "TODO", "TBA", "robust", "TBD"]),  # a row
        ((at("robust"), "ignore tbd, vague-term"), ["fast", "TBD", "TODO", "TBD", "TBC", "TBA"]),
        ((at("robust"), "ignore vague-term tbd"), ["fast", "TBD", "TODO", "TBD", "TBC", "TBA"]),
        ((at("fast"), "ignore tbd"), ALL),
        ((len(TEXT), "ignore tbd"), ALL),  # nothing comes behind it
        ((at("robust"), "ignore-file tbd"), ["fast", "robust"]),
        ((at("TODO"), "off tbd"), ["fast", "TBD", "robust"]),
        ((at("TODO"), "off"), ["fast", "TBD"]),
    ],
)
def test_a_comment_takes_away_what_it_names_where_it_says(remark: tuple[int, str], left: list[str]):
    findings = found(remark)
    assert quotes(findings) == left
    assert findings.ignored == Ignored(remarks=len(ALL) - len(left))
    assert not findings.notices


def test_what_is_switched_off_is_on_again_behind_the_comment_that_says_so():
    assert quotes(found((0, "off"), (at("TBC"), "on tbd"))) == ["TBC", "TBA", "TBD"]
    assert quotes(found((0, "off tbd"), (at("TBC"), "on"))) == ["fast", "TBC", "TBA", "robust", "TBD"]
    assert quotes(found((at("TBC"), "on tbd"), (0, "off tbd"))) == ["fast", "TBC", "TBA", "robust", "TBD"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("ignor tbd", "unknown_remark", "The comment “ignor tbd” in line 5 is not understood."),
        ("", "unknown_remark", "The comment “” in line 5 is not understood."),
        ("ignore", "unknown_remark", "The comment “ignore” in line 5 names no check."),
        ("ignore-file", "unknown_remark", "The comment “ignore-file” in line 5 names no check."),
        (
            "ignore tbb",
            "unknown_check_in_remark",
            "The comment “ignore tbb” in line 5 names tbb, which is no check. Did you mean tbd?",
        ),
        ("off tbb", "unknown_check_in_remark", "The comment “off tbb” in line 5 names tbb, which is no check."),
    ],
)
def test_a_comment_that_is_not_understood_is_told_and_takes_nothing_away(words: str, code: str, said: str):
    findings = found((at("TBD and"), words))
    assert quotes(findings) == ALL
    (notice,) = findings.notices
    assert notice.code == code
    assert notice.message.startswith(said)
    assert notice.params["line"] == "5"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tbb", "第 5 行的注释“ignore tbb”提到的 tbb 不是检查项。是否想写 tbd？"),
        ("qqqq", "第 5 行的注释“ignore qqqq”提到的 qqqq 不是检查项。"),
    ],
)
def test_a_near_name_is_told_in_chinese_too(name: str, said: str):
    (notice,) = found((at("TBD and"), f"ignore {name}")).notices
    assert tell(notice.code, "zh", notice.message, params=notice.params) == (said, "")


def test_what_a_comment_names_rightly_holds_beside_a_wrong_name():
    findings = found((at("TBD and"), "ignore tbb, tbd"))
    assert len(findings.issues) == len(ALL) - 2
    assert len(findings.notices) == 1


def test_a_flood_of_wrong_comments_is_told_in_few_warnings():
    findings = found(*[(number % 40, f"what {'x' * 300} {{line}}") for number in range(5000)])
    assert len(findings.notices) == 21
    assert findings.notices[-1].params == {"count": "4980"}
    assert max(len(notice.message) for notice in findings.notices) < 200
