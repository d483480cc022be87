"""`make quality`: how good documents are read and judged, beside other programs; writes the page of it."""

import argparse
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, Part, now
from benchmarks.page import summary
from benchmarks.rounds import reason, say

from benchmarks import machine
from quality import FOLDER, ROOT, defects
from quality.wordings import KINDS, Half
from quality.writing import WRITERS


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run shall look at."""

    corpus: Path
    quick: bool
    kinds: Sequence[str]
    formats: Sequence[str]


def _defects(asked: Asked) -> list[Figure]:
    """Both halves; nothing is told of single wordings."""
    most = 2 if asked.quick else None
    return [
        figure
        for half in Half
        for figure in defects.figures(defects.found_in(half, asked.corpus, asked.kinds, asked.formats, most), half)
    ]


PARTS: Mapping[str, Callable[[Asked], Sequence[Figure]]] = {
    "defects": _defects,
}


def main() -> None:
    """Measure what was asked for, keep the figures, and write the page anew."""
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="all by default")
    parser.add_argument("--quick", action="store_true", help="a small part of the data, to check that all works")
    parser.add_argument("--show-misses", action="store_true", help="of the defects of half A alone: which are missed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of the defects")
    parser.add_argument("--formats", nargs="+", choices=list(WRITERS), default=list(WRITERS), help="of the defects")
    given = parser.parse_args()
    corpus = Path(os.environ.get("PAPERLANE_CORPUS", ROOT.parent / "shared" / "corpus"))
    asked = Asked(corpus, given.quick, given.kinds, given.formats)
    if given.show_misses:
        found = defects.found_in(Half.A, corpus, asked.kinds, asked.formats, 2 if given.quick else None)
        print(*defects.misses(found), summary(defects.figures(found, Half.A)), sep="\n")
        return
    for name in given.parts or PARTS:
        part = _part(name, asked)
        part.keep(FOLDER)
        print(f"\n{name}\n{summary(part.figures)}", flush=True)


def _part(name: str, asked: Asked) -> Part:
    say(name)
    began = now()
    try:
        figures = PARTS[name](asked)
    except Exception as error:  # noqa: BLE001  the other parts go on, and the page says why this one has no figures
        traceback.print_exc()
        figures = [Figure(name, None, "", note=reason(error))]
    return Part(name, figures, asked.quick, machine.description(), now(), began)


if __name__ == "__main__":
    main()
