"""How much of a text is read of each of two files that hold the same document."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.figures import Figure

from paperlane.errors import DocumentError
from quality.reading import read

TWINS = (
    ("openchain_onboarding_zh.docx", "openchain_onboarding_zh.pdf"),
    ("openchain_policy_template_zh_hant.docx", "openchain_policy_template_zh_hant.odt"),
)


def characters(text: str) -> Counter[str]:
    """Each character and how often it occurs, white space apart; what is written in two ways counts as one."""
    return Counter(letter for letter in unicodedata.normalize("NFKC", text) if not letter.isspace())


def words(text: str) -> Counter[str]:
    """Each word, and each pair of neighbouring Chinese characters."""
    plain = re.sub(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])", "", unicodedata.normalize("NFKC", text)).casefold()
    found = Counter(re.findall(r"[a-z0-9]+", plain))
    for run in re.findall(r"[\u3400-\u9fff]+", plain):
        found.update(run[at : at + 2] for at in range(max(1, len(run) - 1)))
    return found


MEASURES: Mapping[str, Callable[[str], Counter[str]]] = {"characters": characters, "words": words}


def recall(wanted: Counter[str], there: Counter[str]) -> float:
    """The part of what is wanted that is there, counted as often as it occurs."""
    return (wanted & there).total() / max(1, wanted.total())


def measured(corpus: Path) -> list[Figure]:
    """Of each pair both ways: what of the one's text is found in the other's."""
    figures: list[Figure] = []
    for pair in TWINS:
        for wanted, there in (pair, pair[::-1]):
            for name, measure in MEASURES.items():
                said = f"recall.{name}.{wanted} in {there.rpartition('.')[2]}"
                try:
                    texts = [read(file, (corpus / "documents" / file).read_bytes()).text for file in (wanted, there)]
                    one, other = map(measure, texts)
                    missing = (one - other).total()
                    settings = f"{missing} of {one.total()} are missing"
                    figures.append(Figure(said, recall(one, other), "", settings=settings))
                except (DocumentError, OSError) as error:
                    figures.append(Figure(said, None, "", note=str(error)))
    return figures
