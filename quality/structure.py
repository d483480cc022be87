"""How well headings are found: Paperlane's own score, and what other programs make of the same files."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.figures import OURS, Figure
from benchmarks.program import Failed

from quality.headings import Score, Shown, folded, score
from quality.speed import OFFICE, PYMUPDF, Take, reads

_PEERS: Mapping[str, Mapping[str, Take]] = {
    ".docx": {name: reads(name, OFFICE) for name in ("python-docx", "docx2python", "markitdown", "pandoc")},
    ".pdf": {"markitdown": reads("markitdown", OFFICE), "pymupdf4llm": reads("pymupdf4llm", PYMUPDF)},
}
MEASURES = ("title", "title_and_level", "title_and_page", "shifted")
_LARGE = 2_000_000  # bytes of a file that peers take hours for

Heading = tuple[str, int, int]
"""Title, level, page."""


def measured(corpus: Path, *, quick: bool = False) -> list[Figure]:
    """F1 of titles, of titles with levels, and of titles with pages: the means that are aimed at, and of each file."""
    scores = score(corpus, without=("erlang_stdlib_large.pdf",) if quick else ())
    ours = [
        Figure(f"headings.{one.file}.{_short(one.shown)}.{name}", getattr(one, name), "", settings=_told(one))
        for one in scores
        for name in MEASURES
    ]
    theirs = [
        figure
        for file, gold in _gold(corpus).items()
        for figure in _others(corpus / "documents" / file, gold, quick=quick)
    ]
    means = [
        mean
        for shown in Shown
        for name in MEASURES
        for mean in _means(
            f"headings.{_short(shown)}.{name}",
            {one.file for one in scores if one.shown is shown},
            name,
            [*ours, *theirs],
        )
    ]
    return [*means, *ours, *theirs]


def _means(said: str, files: Collection[str], measure: str, figures: Sequence[Figure]) -> Iterator[Figure]:
    """Of each program over the files of one kind that it could read; ours as this kind was shown to it."""
    kind = said.split(".")[1]
    for who in dict.fromkeys([OURS, *(figure.peer for figure in figures)]):
        names = {f"headings.{file}.{kind}.{measure}" if who == OURS else f"headings.{file}.{measure}" for file in files}
        values = [one.value for one in figures if one.peer == who and one.name in names and one.value is not None]
        if values:
            yield Figure(said, fmean(values), "", who, settings=f"mean of {len(values)} of {len(files)} files")


def _told(one: Score) -> str:
    return f"{one.shown.value}; {one.found} found, {one.wanted} in the gold"


def _short(shown: Shown) -> str:
    return shown.name.lower()


def _others(path: Path, gold: Sequence[Heading], *, quick: bool) -> Iterator[Figure]:
    for peer, take in _PEERS[path.suffix].items():
        name = f"headings.{path.name}"
        if path.stat().st_size > _LARGE or (quick and peer == "pymupdf4llm"):
            yield Figure(f"{name}.title", None, "", peer, note="left out: it takes too long")
            continue
        try:
            found = [(title, level, page) for level, title, page in take(path).told["headings"]]
        except Failed as why:
            yield Figure(f"{name}.title", None, "", peer, note=str(why))
            continue
        said = f"the whole file; {len(found)} found, {len(gold)} in the gold"
        yield Figure(f"{name}.title", _f1(gold, found, 1), "", peer, settings=said)
        yield Figure(f"{name}.title_and_level", _f1(gold, found, 2), "", peer, settings=said)
        if any(page for _, _, page in found):
            by_page = [(title, page, 0) for title, _, page in found]
            yield Figure(
                f"{name}.title_and_page", _f1([(t, p, 0) for t, _, p in gold], by_page, 2), "", peer, settings=said
            )


def _f1(gold: Sequence[Heading], found: Sequence[Heading], parts: int) -> float:
    """Of titles and so many parts, counted as often as they come."""
    one, other = (Counter((folded(title), *rest)[:parts] for title, *rest in side) for side in (gold, found))
    return 2 * (one & other).total() / max(1, len(gold) + len(found))


def _gold(corpus: Path) -> Mapping[str, Sequence[Heading]]:
    gold: defaultdict[str, list[Heading]] = defaultdict(list)
    for line in (corpus / "labelled/headings_gold.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        heading = (row["title"], row["level"], row["page"] or 0)
        if heading not in gold[Path(row["file"]).name][-1:]:  # some outlines list the same heading twice
            gold[Path(row["file"]).name].append(heading)
    return gold
