"""Numbers of sections and ids of requirements that stand twice or leave a gap."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.model.documents import Document, Section, Severity

_ID = re.compile(
    r"(?<![\w.-])(?P<stem>[A-Z][A-Za-z]{0,11}(?:[-_.][A-Z][A-Za-z]{0,11}){0,3}[-_])(?P<number>\d{1,5})(?![\w-]|\.\d)"
)
_FEWEST_IDS = 3
_TWICE = {"en": "stands twice", "zh": "重复出现"}
_MISSING = {"en": "is missing before this", "zh": "在此之前缺失"}


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _sections(subject.document)
    yield from _ids(subject)


def _sections(document: Document) -> Iterator[Finding]:
    """Numbers of sibling headings rise by one from the first."""
    seen: dict[str, Section] = {}
    last: dict[tuple[str, int], int] = {}
    for section in document.sections:
        number = section.number.rstrip(".")
        if not re.fullmatch(r"\d+(?:\.\d+)*", number):
            continue
        parent, _, own = number.rpartition(".")
        place = document.parsed.blocks[section.heading]
        before = last.get((parent, section.level))
        if number in seen and seen[number].path[:-1] == section.path[:-1]:
            yield Finding(place.start, place.end, {"number": number, **_TWICE}, Severity.ERROR)
            continue
        if before is not None and before + 1 < int(own) <= before + 20:
            missing = f"{parent}.{before + 1}".lstrip(".")
            yield Finding(place.start, place.end, {"number": missing, **_MISSING})
        seen[number] = section
        last[parent, section.level] = int(own)


def _ids(subject: Subject) -> Iterator[Finding]:
    """An id at the beginning of a block defines it; elsewhere it is only mentioned."""
    defined: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for prose in subject.prose:
        at = len(prose.text) - len(prose.text.lstrip(" \t*_[(|"))
        found = _ID.match(prose.text, at)
        if found is not None and len(prose.text) > found.end() + 2 and not prose.block.level and not prose.block.table:
            place = prose.finding(*found.span())
            defined[found["stem"]].append((int(found["number"]), place.start, place.end))
    for stem, places in defined.items():
        if len(places) >= _FEWEST_IDS:
            yield from _series(subject.document.text, stem, places)


def _series(text: str, stem: str, places: Sequence[tuple[int, int, int]]) -> Iterator[Finding]:
    seen: set[int] = set()
    last = None
    for number, start, end in places:
        if number in seen:
            yield Finding(start, end, {"number": text[start:end], **_TWICE}, Severity.ERROR)
        elif last is not None and number == last + 2:
            width = end - start - len(stem)
            yield Finding(start, end, {"number": f"{stem}{last + 1:0{width}}", **_MISSING})
        seen.add(number)
        last = number


CHECK = Check(
    name="numbering",
    title={"en": "Duplicate or missing number", "zh": "编号重复或缺失"},
    why="Two things of one number cannot be told apart in a review, and a gap lets readers look for what is not there.",
    category="structure",
    severity=Severity.WARNING,
    worse="an error where a number stands twice",
    confidence=0.85,
    scope=Scope.DOCUMENT,
    find=_find,
    messages={"en": "Number {number} {en}.", "zh": "编号 {number} {zh}。"},
    suggestions={
        "en": "Give each its own number, without gaps, or say which number was withdrawn.",
        "zh": "请保证编号唯一且连续，或注明已废止的编号。",
    },
    flags=(
        "# 1 Purpose\n\nText.\n\n# 3 Scope\n\nText.",
        "# 1 Purpose\n\nText.\n\n# 1 Scope\n\nText.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-2 It locks.",
        "REQ-01 门可以打开。\n\nREQ-02 门可以关闭。\n\nREQ-04 门可以上锁。",
    ),
    passes=(
        "# 1 Purpose\n\nText.\n\n# 2 Scope\n\nText.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-3 As REQ-1, it locks.",
        "# 1 目的\n\n正文。\n\n# 2 范围\n\n正文。",
    ),
)
