"""Does every quote that is shown stand in the document, at the place that is told?"""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.figures import Figure

from paperlane.errors import DocumentError
from paperlane.model.documents import Language
from quality.carriers import own
from quality.defects import judged_of
from quality.documents import all_tested
from quality.injecting import seeded
from quality.reading import Tested, judge
from quality.wordings import Half
from quality.writing import WRITERS

_MUTANTS = 40  # of each carrier and format


def measured(corpus: Path, *, quick: bool = False) -> list[Figure]:
    """The share of quotes that stand at their place: in the corpus, in seeded documents, and in damaged ones."""
    few = 2 if quick else None
    sources = {
        "corpus": (found for _, found in all_tested(corpus, quick=quick)),
        "seeded": (
            judged_of(document, suffix)
            for half in Half
            for language in Language
            for document in islice(seeded(half, language, corpus), few)
            for suffix in WRITERS
        ),
        "damaged": _damaged(2 if quick else _MUTANTS),
    }
    figures: list[Figure] = []
    right = every = 0
    for name, found in sources.items():
        quotes, good = 0, 0
        for one in found:
            quotes += len(one.report.issues)
            good += sum(_stands(one))
        right, every = right + good, every + quotes
        figures.append(_figure(f"anchoring.{name}", good, quotes))
    return [_figure("anchoring.all", right, every), *figures]


def _figure(name: str, good: int, quotes: int) -> Figure:
    return Figure(name, good / quotes if quotes else None, "", settings=f"{good:,} of {quotes:,} quotes")


def _stands(tested: Tested) -> Iterator[bool]:
    text = tested.parsed.text
    for issue in tested.report.issues:
        yield bool(issue.quote) and text[issue.location.start : issue.location.end] == issue.quote


def _damaged(count: int) -> Iterator[Tested]:
    """Our own carriers as each format with a few bytes changed; what cannot be read any more has no quotes."""
    for language in Language:
        for number, pieces in enumerate(own(language)):
            for suffix, write in WRITERS.items():
                whole = write(pieces, language)
                for seed in range(count):
                    chance = random.Random(f"{language}/{number}/{suffix}/{seed}")
                    content = bytearray(whole)
                    for _ in range(chance.randint(1, 12)):
                        content[chance.randrange(len(content))] = chance.randrange(256)
                    try:
                        yield judge(f"damaged.{suffix}", bytes(content))
                    except DocumentError:
                        continue
