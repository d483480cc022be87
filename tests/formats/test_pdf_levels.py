"""The levels of headings in a tagged PDF with an outline, and where ids begin paragraphs."""

import pytest

from paperlane.formats.pdf import structured
from paperlane.formats.pdf.levels import tagged_levels
from paperlane.formats.pdf.page import Page, Title

OUTLINE = [Title("Manual", 1, 0), Title("Payments", 2, 0), Title("Refund", 3, 1)]


def test_a_heading_that_skips_a_level_has_the_level_of_its_tag():
    pages = [Page("", levels=(1, 2)), Page("", levels=(4,))]
    assert [title.level for title in tagged_levels(OUTLINE, pages)] == [1, 2, 4]


@pytest.mark.parametrize(
    "levels",
    [((1, 2), ()), ((1,), (2, 4)), ((1, 2), (2,)), ((), ())],
    ids=["fewer", "other pages", "nested otherwise", "none"],
)
def test_tags_of_other_headings_leave_the_outline_as_it_is(levels: tuple[tuple[int, ...], ...]):
    assert tagged_levels(OUTLINE, [Page("", levels=own) for own in levels]) == OUTLINE


def test_an_id_behind_a_full_line_begins_a_paragraph():
    full = "The pump shall deliver the drug at a rate between 0.1 ml/h and 1200 ml/h."
    page = Page(f"IP-101 {full}\nIP-102 {full}\nIP-103 {full}")
    assert [page.text[block.start :][:6] for block in structured([page], [])] == ["IP-101", "IP-102", "IP-103"]
