"""Checks of whole documents: what a team's glossary says counts, both places are told, and alarms stay few."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.reading import document_of

from paperlane.checks import CHECKS, Issues, whole
from paperlane.checks.spellings import american, british
from paperlane.model.documents import Brief, Issue, Severity


def issues_of(rule: str, text: str, terms: Mapping[str, str] | None = None, name: str = "text.md") -> list[Issue]:
    document = replace(document_of(text, name), brief=Brief(terms=terms or {}))
    issues = Issues(document)
    return [issues.of(CHECKS[rule], finding) for finding in CHECKS[rule].find(whole(document))]


@pytest.mark.parametrize(
    ("terms", "text", "quote", "instead"),
    [
        ({"e-mail": ""}, "Send an email.", "email", "e-mail"),
        ({"website": ""}, "A Web site and a web-site.", "Web site", "website"),
        ({"OpenChain": ""}, "It is openchain.", "openchain", "OpenChain"),
        ({"登录": ""}, "用户登陆系统。", "登陆", "登录"),
        ({"用户": "系统的使用人，不称使用者"}, "使用者应登录。", "使用者", "用户"),
        ({"customer": "who buys; not “client”"}, "A client buys.", "client", "customer"),
        ({"Wallet Unit": ""}, "A WalletUnit is one.", "WalletUnit", "Wallet Unit"),
        ({"gate": "a door; not “G-1”"}, "The G-1 opens.", "G-1", "gate"),
    ],
)
def test_the_teams_glossary_binds_where_a_term_stands_once(
    terms: Mapping[str, str], text: str, quote: str, instead: str
):
    issue, *_ = issues_of("inconsistent-term", text, terms)
    assert (issue.quote, issue.params["instead"], issue.severity) == (quote, instead, Severity.WARNING)
    assert issues_of("inconsistent-term", text.replace(quote, instead), terms) == [] or quote == "Web site"
    assert issues_of("inconsistent-term", text) == [] or quote == "Web site"


def test_a_term_of_the_glossary_may_begin_a_sentence_and_stand_in_the_plural():
    assert issues_of("inconsistent-term", "E-mails are sent. E-mail is read.", {"e-mail": ""}) == []


def test_the_documents_own_glossary_says_how_a_term_is_written():
    text = "# Terms\n\n| Term | Meaning |\n|---|---|\n| access point | a door |\n\n# Use\n\nAn accesspoint opens."
    (issue,) = issues_of("inconsistent-term", text)
    assert (issue.quote, issue.params["instead"]) == ("accesspoint", "access point")


def test_the_teams_acronyms_need_no_words():
    text = "The SLO is met daily."
    assert [issue.quote for issue in issues_of("undefined-acronym", text)] == ["SLO"]
    assert issues_of("undefined-acronym", text, {"SLO": ""}) == []


def test_the_rare_spelling_is_told_wherever_it_stands_and_a_frequent_one_once():
    few = issues_of("inconsistent-term", "email " * 9 + "e-mail E-mail e-mails")
    assert [issue.quote for issue in few] == ["e-mail", "E-mail", "e-mails"]
    assert [issue.quote for issue in issues_of("inconsistent-term", "email " * 9 + "e-mail " * 5)] == ["e-mail"]


def test_both_places_of_a_contradiction_are_told_and_each_names_the_other():
    text = "# Speed\n\nThe response time is 2 s.\n\n# Tests\n\nThe response time shall be 3 s."
    first, second = issues_of("contradicting-value", text)
    assert (first.quote, second.quote) == ("2 s", "3 s")
    assert first.message == "It is 2 s here, and 3 s in “Tests”."
    assert second.params["title"] == "Speed"


def test_sections_of_a_kind_that_differ_in_many_values_contradict_nothing():
    kinds = [
        f"# {name}\n\nThe width is {width} m. The battery life is {life} h." for name, width, life in ("A12", "B39")
    ]
    assert issues_of("contradicting-value", "\n\n".join(kinds)) == []


@pytest.mark.parametrize("share", ["21 of {}", "21 out of {}", "共 {} 个中的 21 个"])
def test_results_in_tables_contradict_nothing(share: str):
    tables = (
        f"# {name}\n\n| Case | Result |\n|---|---|\n| Drop of the load | {share.format(of)} |"
        for name, of in (("A", 80), ("B", 90))
    )
    assert issues_of("contradicting-value", "\n\n".join(tables)) == []


def test_a_dotted_name_is_one_name():
    table = "| Name | Value |\n|---|---|\n| {} | {} s |"
    one, same, other = (
        table.format("gate.open.delay", 2),
        table.format("gate.open.delay", 3),
        table.format("gate.open.delay.most", 3),
    )
    assert len(issues_of("contradicting-value", f"# A\n\n{one}\n\n# B\n\n{same}")) == 2
    assert issues_of("contradicting-value", f"# A\n\n{one}\n\n# B\n\n{other}") == []
    assert issues_of("contradicting-value", f"# A\n\n{one}\n\n# B\n\n{table.format('gate.open.defect', 3)}") == []


def test_many_values_of_one_name_are_entries_of_a_kind():
    entries = [f"# Entry {number}\n\nThe session timeout is {number} s." for number in range(1, 9)]
    assert issues_of("contradicting-value", "\n\n".join(entries)) == []


def test_headings_that_often_stand_alone_group_others_and_are_told_once():
    text = "".join(f"# Version {number}\n\n# Part of {number}\n\nText.\n\n" for number in range(2, 12))
    assert len(issues_of("empty-section", f"# Notes\n\nText.\n\n{text}")) == 1


def test_a_copied_section_is_told_at_its_heading_and_names_the_first():
    said = " ".join(f"word{number}" for number in range(60))
    (issue,) = issues_of("duplicated-section", f"# One\n\n{said}\n\n# Two\n\nText.\n\n# Three\n\n{said}")
    assert (issue.quote, issue.params["title"]) == ("Three", "One")


def test_a_section_copied_from_below_a_short_one_is_told_too():
    said = " ".join(f"word{number}" for number in range(60))
    other = " ".join(f"text{number}" for number in range(60))
    text = f"# One\n\n## A\n\n{said}\n\n## B\n\n{other}\n\n# Two\n\nText.\n\n## C\n\n{said}"
    assert [issue.quote for issue in issues_of("duplicated-section", text)] == ["C"]


def test_a_label_that_a_build_adds_later_is_no_broken_link():
    many = " ".join(f"[see this][label-{number}]" for number in range(9))
    assert issues_of("broken-link", many) == []
    assert len(issues_of("broken-link", "[see this][label]")) == 1


def test_a_caption_counts_where_it_begins_a_line():
    assert issues_of("broken-reference", "See Table 2.\n\nTable 1: A\n\nrows\nTable 2: B") == []


def test_the_british_and_american_spellings_of_a_word_lead_to_each_other():
    for word in (
        "behaviour",
        "organisation",
        "unauthorised",
        "analysed",
        "labelled",
        "centre",
        "modelling",
        "coloured",
    ):
        assert british(american(word)) == word
    assert {american(word) for word in ("promise", "hour", "called", "advise", "four")} == {""}
    assert {british(word) for word in ("error", "size", "order", "filed", "prize")} == {""}
