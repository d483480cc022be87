"""Do we say the same as other programs of their examples, where a rule of theirs and a check of ours ask the same?"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

from paperlane.checks import CHECKS
from paperlane.model.documents import Issue
from quality.reading import judge


@dataclass(frozen=True, slots=True)
class Shared:
    """A rule of another program, and the checks of ours that ask the same; if they ask more, what they quote and say.

    `alias` is the rule's other name, by which an example may configure it. `tests` are the beginnings of the names of
    tests that try it with its usual options, and an example is a fault where it `mends` places of a form.
    """

    source: str
    rule: str
    checks: Sequence[str]
    form: str = ""
    says: str = ""
    alias: str = ""
    tests: Sequence[str] = ()
    mends: str = ""


_USUAL = ("[case", "#")
_PUNCTUATION = ("repeated-punctuation", "repeated-space", "exclamations", "latin-abbreviation")
SHARED: Sequence[Shared] = (
    Shared("markdownlint", "MD001", ("heading-skipped",), alias="heading-increment"),
    Shared(
        "markdownlint",
        "MD042",
        ("broken-link",),
        r"\]\(\s*(#|<#?>)?\s*(\"[^\"]*\")?\s*\)|^[^(]*$",
        alias="no-empty-links",
        says=r"has no address|has a placeholder",
    ),
    Shared("markdownlint", "MD051", ("broken-reference", "anchor-case"), r"#", alias="link-fragments"),
    Shared("proselint", "annotations", ("tbd",)),
    Shared("proselint", "lexical_illusions", ("doubled-word", "repeated-phrase")),
    Shared("proselint", "spelling.consistency", ("inconsistent-term",)),
    Shared("proselint", "misc.greylist", ("wordy-phrase",)),
    Shared("proselint", "misc.latin", ("latin-abbreviation",)),
    Shared("proselint", "redundancy.misc", ("wordy-phrase",)),
    Shared("proselint", "redundancy.ras_syndrome", ("wordy-phrase",)),
    Shared("proselint", "typography.punctuation", _PUNCTUATION),
    Shared("proselint", "typography.symbols", ("typewriter-sign", "repeated-space")),
    Shared(
        "zhlint",
        "punctuation-width",
        ("mixed-width", "chinese-punctuation", "chinese-quotes"),
        tests=("[punctuation-width",),
    ),
    Shared(
        "zhlint",
        "space-between-mixed-width",
        ("chinese-spacing",),
        tests=("one space between mixed-width", *_USUAL),
        mends=r"[\u3400-\u9fff][A-Za-z\d]|[A-Za-z\d][\u3400-\u9fff]",
    ),
    Shared(
        "zhlint",
        "space-beside-full-width-punctuation",
        ("punctuation-spacing",),
        tests=("no space before punctuation", "no space after full-width", *_USUAL),
        mends=r"\s(?=[，。；：？！、])|(?<=[，。；：？！、])\s",
    ),
)
"""What is compared. LanguageTool's examples share no rule with us."""


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
    every = Verdicts()
    figures: list[Figure] = []
    for shared in SHARED:
        name = f"conformance.{shared.source}.{shared.rule}"
        if not set(shared.checks) & set(CHECKS):
            figures.append(Figure(name, None, "", note=f"no check {', '.join(shared.checks)} yet"))
            continue
        found = Verdicts()
        for verdict in islice(_READERS[shared.source](corpus / "labelled", shared), 50 if quick else None):
            found, every = found.and_(*verdict), every.and_(*verdict)
        figures.append(_figure(name, found, ", ".join(shared.checks)))
    said = f"{every.found} of {every.faults}"
    faults = Figure("conformance.faults", every.found / every.faults if every.faults else None, "", settings=said)
    return [_figure("conformance.all", every, "all shared rules"), faults, *figures]


def _figure(name: str, found: Verdicts, names: str) -> Figure:
    said = f"{names}: {found.found} of {found.faults} faults, {found.passed} of {found.clean} clean ones"
    return Figure(name, found.share if found.faults + found.clean else None, "", settings=said)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _said(name: str, text: str, shared: Shared) -> list[Issue]:
    issues = judge(name, text.encode(), [one for one in shared.checks if one in CHECKS]).report.issues
    return [
        issue
        for issue in issues
        if issue.rule in shared.checks and re.search(shared.form, issue.quote) and re.search(shared.says, issue.message)
    ]


def _markdownlint(labelled: Path, shared: Shared) -> Iterator[tuple[bool, bool]]:
    """Each line that either side complains of, and each file of which neither does; none that configures the rule."""
    for row in _lines(labelled / "markdownlint_expected.jsonl"):
        text = (labelled / row["file"]).read_text(encoding="utf-8")
        if not _is_configured(text, shared):
            lines = {line for line, name in row["expected"] if name == shared.rule}
            ours = {issue.location.line for issue in _said("example.md", text, shared)}
            yield from ((line in lines, line in ours) for line in sorted(lines | ours))
            if not lines | ours:
                yield False, False


def _is_configured(text: str, shared: Shared) -> bool:
    """Does the example turn the rule off or give it options, by its name or with all others?"""
    told = "\n".join(_CONFIGURED.findall(text)).casefold()
    return any(
        word in told for word in (shared.rule.casefold(), shared.alias, '"default": false', "markdownlint-disable")
    )


_CONFIGURED = re.compile(r"<!--\s*markdownlint-.*?-->", re.DOTALL)


def _proselint(labelled: Path, shared: Shared) -> Iterator[tuple[bool, bool]]:
    for row in _lines(labelled / "proselint_examples.jsonl"):
        if row["rule"] == shared.rule:
            yield row["bad"], bool(_said("example.txt", row["text"], shared))


_FOLDED = str.maketrans("。“”‘’", ".\"\"''")


def _zhlint(labelled: Path, shared: Shared) -> Iterator[tuple[bool, bool]]:
    """What was tried with options that are not the rule's own is left out."""
    for row in _lines(labelled / "zhlint_cases.jsonl"):
        if row["skipped"] or (row["with_options"] and not row["test"].startswith(tuple(shared.tests))):
            continue
        says = bool(_said("example.md", row["text"], shared))
        yield _mends(row["text"], row["expected"], shared.mends), says


def _mends(text: str, mended: str, form: str) -> bool:
    """Has the mended text fewer places of the form, or, where there is none, does it differ by widths and no more?"""
    if form:
        return len(re.findall(form, mended)) < len(re.findall(form, text))
    sides = ["".join(side.split()) for side in (text, mended)]
    folded = [unicodedata.normalize("NFKC", side).translate(_FOLDED) for side in sides]
    return sides[0] != sides[1] and folded[0] == folded[1]


_READERS: Mapping[str, Callable[[Path, Shared], Iterable[tuple[bool, bool]]]] = {
    "markdownlint": _markdownlint,
    "proselint": _proselint,
    "zhlint": _zhlint,
}
