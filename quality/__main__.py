"""`make quality`: how good documents are read and judged, beside other programs; writes the page of it."""

import argparse
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, Part, kept, now
from benchmarks.page import summary
from benchmarks.rounds import reason, say

from benchmarks import machine
from quality import FOLDER, ROOT, alarms, anchoring, conformance, defects, page, peers, speed, twins
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


def _headings(asked: Asked) -> list[Figure]:
    from quality import structure  # noqa: PLC0415  the other parts need nothing of what it loads

    return structure.measured(asked.corpus, quick=asked.quick)


PARTS: Mapping[str, Callable[[Asked], Sequence[Figure]]] = {
    "defects": _defects,
    "alarms": lambda asked: alarms.measured(asked.corpus, quick=asked.quick),
    "headings": _headings,
    "recall": lambda asked: twins.measured(asked.corpus),
    "conformance": lambda asked: conformance.measured(asked.corpus, quick=asked.quick),
    "anchoring": lambda asked: anchoring.measured(asked.corpus, quick=asked.quick),
    "speed": lambda asked: speed.measured(asked.corpus, quick=asked.quick),
}


def main() -> None:
    """Measure what was asked for, keep the figures, and write the page anew."""
    parser = argparse.ArgumentParser(prog="make quality", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a small part of the data, to check that all works")
    parser.add_argument("--no-page", action="store_true", help="leave docs/reference/quality.md as it is")
    parser.add_argument("--judge", action="store_true", help="show the alarms of the sample that wait for a verdict")
    parser.add_argument("--show-misses", action="store_true", help="of the defects of half A alone: which are missed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of the defects")
    parser.add_argument("--formats", nargs="+", choices=list(WRITERS), default=list(WRITERS), help="of the defects")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.")
    asked = Asked(_corpus(), given.quick, given.kinds, given.formats)
    if given.judge:
        print(*alarms.judge(asked.corpus), sep="\n")
    elif given.show_misses:
        found = defects.found_in(Half.A, asked.corpus, asked.kinds, asked.formats, 2 if given.quick else None)
        print(*defects.misses(found), summary(defects.figures(found, Half.A)), sep="\n")
    else:
        _measure(given.parts or list(PARTS), asked, is_written=not (given.no_page or given.quick))


def _corpus() -> Path:
    corpus = Path(os.environ.get("PAPERLANE_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (corpus / "documents").is_dir():
        raise SystemExit(f"There is no corpus at {corpus}; say where it is in PAPERLANE_CORPUS.")
    return corpus


def _measure(names: Sequence[str], asked: Asked, *, is_written: bool) -> None:
    for name in names:
        part = _part(name, asked)
        part.keep(FOLDER)
        print(f"\n{name}\n{summary(part.figures)}", flush=True)
    if is_written:
        page.write(kept(FOLDER))
        say(f"written: {page.PAGE.relative_to(ROOT)}, {page.PLOT.relative_to(ROOT)}")


def _part(name: str, asked: Asked) -> Part:
    say(name)
    began = now()
    try:
        figures = PARTS[name](asked)
    except Exception as error:  # noqa: BLE001  the other parts go on, and the page says why this one has no figures
        traceback.print_exc()
        figures = [Figure(name, None, "", note=reason(error))]
    told = {**machine.description(), **peers.versions()}
    return Part(name, figures, asked.quick, told, now(), began)


if __name__ == "__main__":
    main()
