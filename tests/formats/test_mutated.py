"""Damaged files through the real sandbox: every one an answer, none of them a crash, a hang or a failed step."""

from pathlib import Path

from tests.formats.mutating import FAULTS, answers, table

FILES = 500
LARGEST = 45_000  # bytes of a sample: larger ones are tested by the program of `mutating`


async def test_every_damaged_file_is_an_answer(corpus: Path):
    found = await answers(range(FILES), corpus, LARGEST)
    assert len(found) == FILES
    assert not [answer for answer in found if answer.code in FAULTS], table(found)
    assert {answer.suffix for answer in found if answer.code == "completed"} >= {
        ".md",
        ".rst",
        ".html",
        ".txt",
        ".docx",
    }
