"""Numbers of sections and ids of requirements that stand twice or leave a gap."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from paperlane.checks import SOUND, Check, Finding, Prose, Scope, Subject
from paperlane.checks.numerals import in_chinese, value_of
from paperlane.model.documents import BlockKind, Document, Section, Severity

_ARABIC = re.compile(r"(?P<parent>(?:\d+\.)*)(?P<own>\d+)\.?", re.ASCII)
_CHINESE = re.compile(r"(?P<before>第?)\s*(?P<own>[零〇一二三四五六七八九十百]+|\d+)\s*(?P<after>[章节節条條篇部]?)")
_ID = re.compile(
    r"(?<![\w.-])(?P<stem>[A-Z][A-Za-z]{0,11}(?:[-_.][A-Z][A-Za-z]{0,11}){0,3}[-_]|[A-Z]{2,6})(?P<number>\d{1,5})"
    r"(?P<part>[a-z]?)(?![\w,-]|\.\d)",
    re.ASCII,
)
_FEWEST_IDS = 3
_WIDEST = 20  # a wider gap is the beginning of another range
_LISTED = 3
_TWICE = {"en": "stands twice", "zh": "重复出现"}
_MISSING = {"en": "missing before this", "zh": "在此之前缺失"}


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _sections(subject.document)
    yield from _ids(subject)


def _sections(document: Document) -> Iterator[Finding]:
    """Numbers of sibling headings rise by one from the first."""
    seen: dict[tuple[object, ...], Section] = {}
    last: dict[tuple[object, ...], int] = {}
    for section in document.sections:
        if (read := _read(section)) is None:
            continue
        series, own, name = read
        place = document.parsed.blocks[section.heading]
        before = last.get((series, section.level))
        if (series, own) in seen and seen[series, own].path[:-1] == section.path[:-1]:
            yield Finding(place.start, place.end, {"number": name(own), **_TWICE}, Severity.ERROR)
            continue
        if before is not None and before + 1 < own <= before + _WIDEST:
            missing = _listed([name(number) for number in range(before + 1, own)])
            yield Finding(place.start, place.end, {"number": missing, **_MISSING})
        seen[series, own] = section
        last[series, section.level] = own


def _read(section: Section) -> tuple[tuple[object, ...], int, Callable[[int], str]] | None:
    """The series that a heading's number belongs to, the number, and how its series writes one."""
    if (found := _ARABIC.fullmatch(section.number)) is not None:
        parent = found["parent"]
        return (parent,), int(found["own"]), lambda number: f"{parent}{number}"
    if (found := _CHINESE.fullmatch(section.number)) is None:
        return None
    before, own, after = found["before"], found["own"], found["after"]
    write = str if own.isdecimal() else in_chinese
    return (after, section.path[:-1]), value_of(own), lambda number: f"{before}{write(number)}{after}"


@dataclass(frozen=True, slots=True)
class _Id:
    """An id where it is defined."""

    stem: str
    number: int
    text: str
    start: int
    end: int

    def beside(self, number: int) -> str:
        """Another id of its series, as wide."""
        width = len(self.text.rstrip("abcdefghijklmnopqrstuvwxyz")) - len(self.stem)
        return f"{self.stem}{number:0{width}}"


def _ids(subject: Subject) -> Iterator[Finding]:
    """An id at the beginning of a block or a row, or in a heading, defines it; elsewhere it is only mentioned."""
    defined: defaultdict[str, defaultdict[str, list[_Id]]] = defaultdict(lambda: defaultdict(list))
    for prose in subject.prose:
        found = _ID.match(prose.text, len(prose.text) - len(prose.text.lstrip(" \t*_[(|")))
        if found is not None and (place := _place(prose, found)):
            at = prose.finding(*found.span())
            defined[found["stem"]][place].append(_Id(found["stem"], int(found["number"]), found[0], at.start, at.end))
    for groups in defined.values():
        if sum(map(len, groups.values())) >= _FEWEST_IDS:
            yield from _series(groups)


def _place(prose: Prose, found: re.Match[str]) -> str:
    """Which list of ids a block belongs to; "" for none."""
    if prose.block.kind is BlockKind.TABLE_CELL:
        return f"table {prose.block.table}" if prose.block.column == 1 else ""
    if prose.block.level:
        return "headings"
    return "text" if len(prose.text) > found.end() + 2 else ""


def _series(groups: Mapping[str, Sequence[_Id]]) -> Iterator[Finding]:
    """A list that mostly repeats another one, as a traceability matrix does, defines nothing."""
    everywhere = {one.number for ids in groups.values() for one in ids}
    seen: set[str] = set()
    told: set[int] = set()
    for ids in groups.values():
        own = {one.text for one in ids}
        repeats = 2 * len(own & seen) > len(own) or 2 * (len(ids) - len(own)) > len(own)
        rises = 2 * sum(after.number == before.number + 1 for before, after in pairwise(ids)) >= len(ids) - 1
        if not repeats and (rises or ids[0].stem[-1] in "-_"):  # SHA1 is a name
            yield from _twice(ids, seen)
        if rises:
            yield from _gaps(ids, everywhere, told)
        seen |= own


def _twice(ids: Sequence[_Id], before: set[str]) -> Iterator[Finding]:
    seen = set(before)
    for one in ids:
        if one.text in seen:
            yield Finding(one.start, one.end, {"number": one.text, **_TWICE}, Severity.ERROR)
        seen.add(one.text)


def _gaps(ids: Sequence[_Id], everywhere: set[int], told: set[int]) -> Iterator[Finding]:
    for before, after in pairwise(ids):
        missing = [number for number in range(before.number + 1, after.number) if number not in everywhere | told]
        if missing and after.number <= before.number + _WIDEST + 1:
            yield Finding(after.start, after.end, {"number": _listed(list(map(after.beside, missing))), **_MISSING})
            told.update(missing)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _LISTED else f"{names[0]} … {names[-1]}"


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
    profiles=SOUND,
    messages={"en": "Number {number}: {en}.", "zh": "编号 {number}：{zh}。"},
    suggestions={
        "en": "Give each its own number, without gaps, or say which number was withdrawn.",
        "zh": "请保证编号唯一且连续，或注明已废止的编号。",
    },
    flags=(
        "# 1 Purpose\n\nText.\n\n# 3 Scope\n\nText.",
        "# 1 Purpose\n\nText.\n\n# 1 Scope\n\nText.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-2 It locks.",
        "REQ-01 门可以打开。\n\nREQ-02 门可以关闭。\n\nREQ-04 门可以上锁。",
        "REQ-01门可以打开。\n\nREQ-02门可以关闭。\n\nREQ-02门可以上锁。",
        "# 第一章 目的\n\n正文。\n\n# 第三章 范围\n\n正文。",
        "# 二十、目的\n\n正文。\n\n# 二十二、范围\n\n正文。",
        "| Id | Text |\n|---|---|\n| REQ-1 | Open. |\n| REQ-2 | Close. |\n| REQ-2 | Lock. |",
        "# REQ-1 Open\n\nText.\n\n# REQ-2 Close\n\nText.\n\n# REQ-2 Lock\n\nText.",
        "REQ-1 It opens.\n\nREQ-2 It closes.\n\nREQ-5 It locks.\n\nREQ-6 It rings.",
        "FR1 It opens.\n\nFR2 It closes.\n\nFR2 It locks.",
    ),
    passes=(
        "# 1 Purpose\n\nText.\n\n# 2 Scope\n\nText.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-3 As REQ-1, it locks.",
        "# 1 目的\n\n正文。\n\n# 2 范围\n\n正文。",
        "# 第一章 目的\n\n## 第一节 甲\n\n正文。\n\n# 第二章 范围\n\n## 第一节 乙\n\n正文。",
        "# 十九、目的\n\n正文。\n\n# 二十、范围\n\n正文。",
        "| Id | Text |\n|---|---|\n| R-1 | Open. |\n| R-2 | Close. |\n\n| Id |\n|---|\n| R-1 |\n| R-2 |",
        "| Case | Step |\n|---|---|\n| TC-1 | Open. |\n| TC-1 | Close. |\n| TC-2 | Lock. |\n| TC-2 | Ring. |",
        "REQ-10 It opens.\n\nREQ-20 It closes.\n\nREQ-30 It locks.",
    ),
)
