"""Do we say the same as other programs of their examples, where a rule of theirs and a check of ours ask the same?"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

from paperlane.checks import CHECKS
from paperlane.model.documents import Issue
from quality.reading import judge

SHARED: Sequence[tuple[str, str, Sequence[str]]] = (
    ("markdownlint", "MD001", ("heading-skipped",)),
    ("markdownlint", "MD042", ("broken-link",)),
    ("markdownlint", "MD051", ("broken-link",)),
    ("proselint", "annotations", ("tbd",)),
    ("proselint", "lexical_illusions", ("doubled-word",)),
    ("proselint", "spelling.consistency", ("inconsistent-term",)),
    ("zhlint", "punctuation-width", ("mixed-width",)),
)
"""Whose rule, its name, and which of our checks ask the same. LanguageTool's examples share none with us yet."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of one rule: how many verdicts on faults and on faultless places there were, and how many agree."""

    faults: int = 0
    found: int = 0
    clean: int = 0
    passed: int = 0

    @property
    def share(self) -> float:
        """The share of agreeing verdicts."""
        return (self.found + self.passed) / max(1, self.faults + self.clean)

    def and_(self, is_fault: bool, says_fault: bool) -> "Verdicts":  # noqa: FBT001  the two sides of one verdict
        """With one more."""
        return Verdicts(
            self.faults + is_fault,
            self.found + (is_fault and says_fault),
            self.clean + (not is_fault),
            self.passed + (not is_fault and not says_fault),
        )


def measured(corpus: Path, *, quick: bool = False) -> list[Figure]:
    """The share of agreeing verdicts of each shared rule, and of all."""
    labelled = corpus / "labelled"
    every = Verdicts()
    figures: list[Figure] = []
    for source, rule, names in SHARED:
        known = [name for name in names if name in CHECKS]
        if not known:
            figures.append(Figure(f"conformance.{source}.{rule}", None, "", note=f"no check {', '.join(names)} yet"))
            continue
        found = Verdicts()
        for number, verdict in enumerate(_READERS[source](labelled, rule, known)):
            if quick and number >= 50:
                break
            found, every = found.and_(*verdict), every.and_(*verdict)
        figures.append(_figure(f"conformance.{source}.{rule}", found, ", ".join(known)))
    said = f"{every.found} of {every.faults}"
    faults = Figure("conformance.faults", every.found / every.faults if every.faults else None, "", settings=said)
    return [_figure("conformance.all", every, "all shared rules"), faults, *figures]


def _figure(name: str, found: Verdicts, names: str) -> Figure:
    said = f"{names}: {found.found} of {found.faults} faults, {found.passed} of {found.clean} clean ones"
    return Figure(name, found.share if found.faults + found.clean else None, "", settings=said)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _said(name: str, text: str, names: Sequence[str]) -> list[Issue]:
    return [issue for issue in judge(name, text.encode(), names).report.issues if issue.rule in names]


def _markdownlint(labelled: Path, rule: str, names: Sequence[str]) -> Iterator[tuple[bool, bool]]:
    """Each line that either side complains of, and each file of which neither does."""
    for row in _lines(labelled / "markdownlint_expected.jsonl"):
        lines = {line for line, name in row["expected"] if name == rule}
        alike = {line for line, name in row["expected"] if name in _ALIKE.get(rule, ()) and name != rule}
        issues = _said("example.md", (labelled / row["file"]).read_text(encoding="utf-8"), names)
        ours = {issue.location.line for issue in issues} - alike
        yield from ((line in lines, line in ours) for line in sorted(lines | ours))
        if not lines | ours:
            yield False, False


_ALIKE: Mapping[str, frozenset[str]] = {"MD042": frozenset({"MD042", "MD051"}), "MD051": frozenset({"MD042", "MD051"})}
"""Rules of theirs that are one check of ours: what it says for the one is not held against the other."""


def _proselint(labelled: Path, rule: str, names: Sequence[str]) -> Iterator[tuple[bool, bool]]:
    for row in _lines(labelled / "proselint_examples.jsonl"):
        if row["rule"] == rule:
            yield row["bad"], bool(_said("example.txt", row["text"], names))


def _zhlint(labelled: Path, _rule: str, names: Sequence[str]) -> Iterator[tuple[bool, bool]]:
    """A case is a fault of widths when the mended text differs by them; what was tried with options is left out."""
    for row in _lines(labelled / "zhlint_cases.jsonl"):
        if row["skipped"] or (row["with_options"] and not row["test"].startswith("[punctuation-width")):
            continue
        text, mended = ("".join(row[side].split()) for side in ("text", "expected"))
        folded = [unicodedata.normalize("NFKC", side) for side in (text, mended)]
        yield text != mended and folded[0] == folded[1], bool(_said("example.md", row["text"], names))


_READERS: Mapping[str, Callable[[Path, str, Sequence[str]], Iterable[tuple[bool, bool]]]] = {
    "markdownlint": _markdownlint,
    "proselint": _proselint,
    "zhlint": _zhlint,
}
