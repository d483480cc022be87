"""Each check flags its own examples and passes the others, and whatever it says stands in the document."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reading import document_of, report_of

from paperlane import checks
from paperlane.checks import CHECKS, PROFILES, Subject, say, whole
from paperlane.checks import subject as subjects
from paperlane.checks.numerals import in_chinese, value_of
from paperlane.checks.sentences import clauses, sentences
from paperlane.model.documents import Brief, Language, Report

FLAGS = [(check.name, text) for check in CHECKS.values() for text in check.flags]
PASSES = [(check.name, text) for check in CHECKS.values() for text in check.passes]
HAN = range(0x3400, 0xA000)
EVERYTHING = Brief(profiles=tuple(PROFILES))


def rules_of(report: Report) -> set[str]:
    return {issue.rule for issue in report.issues}


@pytest.mark.parametrize(("name", "text"), FLAGS)
def test_a_check_flags_its_example(name: str, text: str):
    assert name in rules_of(report_of(text, brief=EVERYTHING))


@pytest.mark.parametrize(("name", "text"), PASSES)
def test_a_check_passes_its_example(name: str, text: str):
    assert name not in rules_of(report_of(text, brief=EVERYTHING))


@pytest.mark.parametrize("name", list(CHECKS))
def test_a_check_has_examples_and_words_in_each_of_its_languages(name: str):
    check = CHECKS[name]
    for language in check.languages:
        for examples in (check.flags, check.passes):
            chinese = [any(ord(letter) in HAN for letter in text) for text in examples]
            assert (language is Language.ZH) in chinese
    for words in (check.title, check.messages, check.suggestions):
        assert set(words) == {"en", "zh"}
    assert check.why.endswith(".")


@pytest.mark.parametrize("name", list(CHECKS))
def test_an_issue_can_be_said_in_both_languages(name: str):
    for text in CHECKS[name].flags:
        for issue in report_of(text, brief=EVERYTHING).issues:
            assert (issue.message, issue.suggestion) == say(issue.rule, issue.params, "en")
            assert all(any(ord(letter) in HAN for letter in said) for said in say(issue.rule, issue.params, "zh"))


WORDS = st.sampled_from(
    ["The", "system", "shall", "must", "fast", "fast", "TBD", "SLO", "section 9.9", "REQ-1", "系统", "应", "尽快",
     "的的", "。", "待\n定", "應", "\n> ", "§9.9", ".", "\n", "\n\n", "# 1 One\n\n", "### Deep\n\n",
     "| a | b |\n|---|---|\n| TBD | the the |\n",
     "`code`", "😀", "\r\n", "[x](#y)", "- "]
)  # fmt: skip


@given(st.lists(WORDS, max_size=60))
def test_every_quote_stands_at_its_place_and_every_fingerprint_is_its_own(words: list[str]):
    text = " ".join(words)
    report = report_of(text)
    for issue in report.issues:
        place = issue.location
        assert text[place.start : place.end] == issue.quote
        assert place.line >= 1
        assert place.column >= 1
    fingerprints = [issue.fingerprint for issue in report.issues]
    assert len(set(fingerprints)) == len(fingerprints)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# One\n\nThe system shall be fast.", "# Zero\n\nAll is well.\n\n# One\n\nThe system shall be fast."),
        ("The x is TBD.\n\nThe y is TBD.", "The w is TBD.\n\nThe x is TBD.\n\nThe y is TBD."),
        ("The x is TBD. The y is TBD.", "The w is TBD. The x is TBD. The y\nis TBD."),
        ("数值待定。上限待定。", "格式待定。数值待定。上限待\n定。"),
        ("# 1 A\n\nSee section 9.\n\n# 2 B", "# 1 A\n\nOr section 9.\n\nSee section 9.\n\n# 2 B"),
        ("The SLO is high.", "The SLO is daily.\n\nThe SLO is high."),
    ],
)
def test_fingerprints_survive_edits_elsewhere_in_the_same_section_too(before: str, after: str):
    known = {issue.fingerprint for issue in report_of(before).issues}
    assert known
    assert known <= {issue.fingerprint for issue in report_of(after).issues}


def test_what_is_written_anew_has_a_fingerprint_of_its_own():
    before, after = report_of("The x is TBD."), report_of("The w is TBD.\n\nThe x is TBD.")
    new, old = after.issues
    assert old.fingerprint == before.issues[0].fingerprint
    assert new.fingerprint != old.fingerprint


def test_exact_twins_are_told_apart_by_their_order():
    twins = report_of("| A |\n|---|\n| TBD |\n| TBD |").issues
    assert len({issue.fingerprint for issue in twins}) == len(twins) == 2


TRADITIONAL = {
    "系統應儘快回應，並應記錄日誌。": "系统应尽快回应，并应记录日志。",
    "服務必須具有足夠的空間，適當時應較強。": "服务必须具有足够的空间，适当时应较强。",
    "系統應儘可能支援匯出等功能，響應時間不超過3。": "系统应尽可能支援汇出等功能，响应时间不超过3。",
    "系統應具備資料處理能力；資料應被加密,約5秒。": "系统应具备资料处理能力；资料应被加密,约5秒。",
    "格式待補充，上限待確認；並且並且待討論。": "格式待补充，上限待确认；并且并且待讨论。",
    "# 第一節 甲\n\n詳見第九節，見圖3。\n\n# 第三節\n\n圖1": "# 第一节 甲\n\n详见第九节，见图3。\n\n# 第三节\n\n图1",
}


@pytest.mark.parametrize(("text", "twin"), TRADITIONAL.items())
def test_traditional_chinese_is_read_as_its_simplified_twin(text: str, twin: str):
    found = [(issue.rule, issue.location.start, issue.location.end) for issue in report_of(twin).issues]
    assert found
    assert [(issue.rule, issue.location.start, issue.location.end) for issue in report_of(text).issues] == found
    assert all(issue.quote in text for issue in report_of(text).issues)


def test_each_traditional_character_stands_for_one_that_a_pattern_uses():
    sources = [source.read_text() for source in Path(checks.__file__).parent.glob("*.py") if source.stem != "subject"]
    for traditional, read in subjects._READ_AS.items():
        assert traditional != read
        assert chr(read) == " " or any(chr(read) in source for source in sources)


@pytest.mark.parametrize(
    "text", ["> 数值待\n>   定。", "- 数值待\r\n  定，应尽\r\n  快响应。", "It is to\n  be determined."]
)
def test_words_broken_over_lines_are_found_and_quoted_as_they_stand(text: str):
    issues = report_of(text).issues
    assert issues
    for issue in issues:
        assert issue.quote == text[issue.location.start : issue.location.end]
        assert "\n" in issue.quote
        assert "\n" not in issue.message


@pytest.mark.parametrize("text", ["系统应在输入/输出/存储后尽快响应。", "联系foo@bar.com或TBD"])
def test_chinese_beside_an_address_is_read(text: str):
    assert report_of(text).issues


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ("The system shall:\n\n- respond quickly\n- be fast\n\nThe page is fast.", ["quickly", "fast"]),
        ("The system shall: (a) respond quickly; (b) stop. It is fast.", ["quickly"]),
        ("The developer uses:\n\n- a fast car", []),
        ("系统应：\n\n- 迅速响应\n- 停止\n\n页面迅速。", ["迅速"]),
        ("系统应：（1）停止；（2）迅速响应。页面迅速。", ["迅速"]),
    ],
)
def test_what_leads_a_list_obliges_its_items(text: str, quotes: list[str]):
    assert [issue.quote for issue in report_of(text).issues if issue.rule == "vague-term"] == quotes


@pytest.mark.parametrize(
    "text",
    [
        "The system shall encrypt data as far as possible, as appropriate, if necessary.",
        "It shall accept PDF, DOCX, etc., and similar formats.",
        "It shall answer in about 5 s, almost always, and as soon as possible.",
        "系统应尽可能在适当时记录日志等内容，并在5秒左右完成。",
    ],
)
def test_no_place_has_issues_of_two_checks_of_words(text: str):
    words = {"vague-term", "escape-clause", "open-ended-list", "missing-tolerance", "weak-verb"}
    spans = [(issue.location.start, issue.location.end) for issue in report_of(text).issues if issue.rule in words]
    assert len(spans) > 1
    assert all(one[1] <= other[0] for one, other in pairwise(sorted(spans)))


def test_a_word_is_left_to_the_check_whose_words_hold_it_wherever_it_stands():
    text = "The gate shall open fast, as appropriate, quickly, where necessary, and soon, as appropriate."
    quotes = {
        rule: [issue.quote for issue in report_of(text).issues if issue.rule == rule]
        for rule in ("vague-term", "escape-clause")
    }
    assert quotes["vague-term"] == ["fast", "quickly", "soon"]
    assert quotes["escape-clause"] == ["as appropriate", "where necessary", "as appropriate"]


def test_blocks_that_hold_a_word_are_found_and_a_part_finds_its_own():
    document = document_of("# A gate\n\nIt opens.\n\n# Two\n\nThe GATE shuts, a gate rings.\n\nIt must.\n\nThey end.")
    everything = whole(document)
    for words, blocks in {
        ("gate", "they"): ["A gate", "The GATE shuts, a gate rings.", "They end."],
        ("s.",): ["It opens.", "The GATE shuts, a gate rings."],
        ("door",): [],
    }.items():
        assert [one.text for one in everything.holding(*words)] == blocks
    assert [[one.text for one in Subject(document, at, at + 2, everything).holding("gate")] for at in (0, 1, 3)] == [
        ["A gate"],
        [],
        ["The GATE shuts, a gate rings."],
    ]
    assert [prose.text for prose, _ in everything.duties] == ["It must."]
    assert [list(Subject(document, at, at + 1, everything).duties) != [] for at in range(6)] == [
        at == 4 for at in range(6)
    ]


def test_a_passage_shares_the_prose_of_its_document():
    document = document_of("# One\n\nText.\n\n```\ncode\n```\n\n# Two\n\nThe x.\n\nThe y.")
    everything = whole(document)
    parts = [Subject(document, first, first + 2, everything) for first in range(len(document.parsed.blocks) - 1)]
    for subject in parts:
        assert [one.text for one in subject.prose] == [
            one.text for one in Subject(document, subject.first, subject.last).prose
        ]
        assert all(any(one is shared for shared in everything.prose) for one in subject.prose)


def test_a_semicolon_joins_a_sentence_and_parts_its_clauses():
    text = "It runs; it stops. 它运行；它停止。"
    assert [text[start:end] for start, end in sentences(text)] == ["It runs; it stops.", "它运行；它停止。"]
    assert [text[start:end] for start, end in clauses(text)] == ["It runs;", "it stops.", "它运行；", "它停止。"]
    listed = "（1）甲；（2）乙。\n• a\n• b"
    assert [listed[start:end] for start, end in sentences(listed)] == ["（1）甲；", "（2）乙。", "• a", "• b"]
    measured = "It answers within 1 s. It has 3. See e.g. this, etc. It ends."
    assert [measured[start:end] for start, end in sentences(measured)] == [
        "It answers within 1 s.",
        "It has 3.",
        "See e.g. this, etc.",
        "It ends.",
    ]


@pytest.mark.parametrize(
    ("numeral", "value"), [("7", 7), ("十", 10), ("十二", 12), ("九十九", 99), ("一百零五", 105), ("二〇", 20)]
)
def test_numerals_are_numbers(numeral: str, value: int):
    assert value_of(numeral) == value
    assert value > 99 or value_of(in_chinese(value)) == value


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("# 第九章 A\n\n# 第十一章 B", "第十章"),
        ("# 1.1 A\n\n# 1.4 B", "1.2, 1.3"),
        ("R-01 Open.\n\nR-02 Close.\n\nR-05 Ring.\n\nR-06 Lock.", "R-03, R-04"),
        ("R-1 Open.\n\nR-2 Close.\n\nR-9 Ring.\n\nR-10 Lock.", "R-3 … R-8"),
    ],
)
def test_a_gap_is_one_issue_that_names_what_is_missing(text: str, missing: str):
    (issue,) = (issue for issue in report_of(text).issues if issue.rule == "numbering")
    assert issue.params["number"] == missing


UNITS = [
    "TBD ",
    "to be ",
    "see section 9.9 ",
    "sections 2, 3, 9, ",
    "见第九章，",
    "应对",
    "应\n",
    "as ",
    "the ",
    "; ",
    "a/",
    "\n> ",
    "shall be able to ",
    "shall be done ",
    "shall take a ",
    "time the ",
    "to the extent ",
    "within 5 ",
    "应支持",
    "应在可能的",
    "不超过3，",
    "等、",
    "的的",
    "(",
    '"',
    "to login the e-mail, ",
    "5 s, REQ-1 ",
    "[a](b c) http:/a.b ",
    "\n\n# A\n\nTable 1: a",
    "a-",
    "中a",
    "， ",
    "……",
    "“中",
    "'中",
    "it  is a error due to the ",
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_block_takes_as_long_as_its_length(unit: str):
    def seconds(length: int) -> float:
        subject = whole(document_of("# 1 A\n\n# 2 B\n\nx" + unit * (length // len(unit)), "text.txt"))
        begun = time.process_time()
        for check in CHECKS.values():
            list(check.find(subject))
        return time.process_time() - begun

    seconds(4_000)  # which compiles the patterns
    assert seconds(40_000) < 40 * seconds(4_000) + 0.3


def test_lines_and_columns_count_from_one():
    (issue,) = report_of("# One\r\n\r\nIt is  TBD.\r\n").issues
    assert (issue.location.line, issue.location.column, issue.location.section) == (3, 8, ("One",))


def test_code_is_passed_by():
    assert report_of("Run `the the TBD` now.\n\n```\nTBD the the\n```\n\n    TBD\n").issues == ()
