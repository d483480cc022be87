"""Ids of requirements, and numbers of sections, tables and figures, that stand twice."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.series import STANDARDS, Id, Numbered, captions, headings, ids
from paperlane.compiling import later
from paperlane.model.documents import Severity

_FEWEST_IDS = 3
_LISTS = ("text", "headings", "cards")  # a table may give an id several rows
# what an id of its own defines is a statement; a standard's name begins one as well
_STATES = later(r"[\s)\]】）*_`:：.—–-]+(?:[A-Z][\w'-]*[ ,]+\w+ +\w|[\u3400-\u9fff][^\n]{3})", re.ASCII)


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _sections(subject)
    yield from _captions(subject)
    for lists in _families(subject).values():
        if sum(map(len, lists.values())) < _FEWEST_IDS or all(_is_one(found) for found in lists.values()):
            yield from _pairs([one for place in _LISTS for one in lists.get(place, ())])
        else:
            yield from _ids(lists)


def _sections(subject: Subject) -> Iterator[Finding]:
    seen: set[tuple[object, ...]] = set()
    for one in headings(subject):
        key = (one.series, one.own, one.within)
        if key in seen:
            yield Finding(one.start, one.end, {"number": one.name(one.own)})
        seen.add(key)


def _captions(subject: Subject) -> Iterator[Finding]:
    """A list of tables repeats their titles too."""
    seen: defaultdict[tuple[object, ...], list[Numbered]] = defaultdict(list)
    for one in captions(subject):
        others = seen[one.series, one.own]
        if others and not any(one.says.startswith(other.says) or other.says.startswith(one.says) for other in others):
            yield Finding(one.start, one.end, {"number": one.name(one.own)})
        others.append(one)


def _families(subject: Subject) -> Mapping[str, Mapping[str, Sequence[Id]]]:
    """The lists of each kind of ids."""
    families: defaultdict[str, defaultdict[str, list[Id]]] = defaultdict(lambda: defaultdict(list))
    for place, found in ids(subject).items():
        for one in found:
            families[one.family][place].append(one)
    return families


def _is_one(found: Sequence[Id]) -> bool:
    return len({one.text for one in found}) == 1


def _pairs(found: Sequence[Id]) -> Iterator[Finding]:
    """Of ids that are too few for a list: one that two statements begin with, each with another one."""
    seen: dict[str, str] = {}
    for one in sorted(found, key=lambda one: one.start):
        says = " ".join(one.says.split())
        before = seen.setdefault(one.text, says)
        name = re.split(r"[-_./\d]", one.text, maxsplit=1)[0]
        plain = one.stem[-1] not in "-_./—" and name.isascii()
        if before == says or plain or (not name.isupper() and name.isascii()) or name in STANDARDS:
            continue
        if _STATES.match(one.says) and not says.startswith(before) and not before.startswith(says):
            yield Finding(one.start, one.end, {"number": one.text})


def _ids(lists: Mapping[str, Sequence[Id]]) -> Iterator[Finding]:
    """A list that mostly repeats another one, as a traceability matrix does, defines nothing."""
    seen: Counter[str] = Counter()
    for found in lists.values():
        own = {one.text for one in found}
        repeats = 2 * len(own & seen.keys()) > len(own) or 2 * (len(found) - len(own)) > len(own)
        rises = 2 * sum(_next(*pair) for pair in pairwise(found)) >= len(found) - 1
        named = not rises and found[0].stem[-1] not in "-_."  # SHA1 is a name
        for one in found:
            seen[one.text] += 1
            if seen[one.text] > 1 and not repeats and not named:
                yield Finding(one.start, one.end, {"number": one.text})


def _next(before: Id, after: Id) -> bool:
    return before.stem != after.stem or after.number == before.number + 1


CHECK = Check(
    name="duplicate-id",
    title={"en": "Duplicate id or number", "zh": "编号重复"},
    why="Two things of one number cannot be told apart in a review, a test or a trace.",
    category="structure",
    severity=Severity.ERROR,
    confidence=0.9,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "{number} stands twice.", "zh": "编号 {number} 重复出现。"},
    suggestions={"en": "Give each a number of its own.", "zh": "请为每一项分配唯一的编号。"},
    flags=(
        "DK-71 门宽两米。\nDK-71 门高三米。",
        "# 1 Purpose\n\nText.\n\n# 1 Scope\n\nText.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-2 It locks.",
        "REQ-01门可以打开。\n\nREQ-02门可以关闭。\n\nREQ-02门可以上锁。",
        "| Id | Text |\n|---|---|\n| REQ-1 | Open. |\n| REQ-2 | Close. |\n| REQ-2 | Lock. |",
        "# REQ-1 Open\n\nText.\n\n# REQ-2 Close\n\nText.\n\n# REQ-2 Lock\n\nText.",
        "FR1 It opens.\n\nFR2 It closes.\n\nFR2 It locks.",
        "FR-1.1 It opens.\n\nFR-1.2 It closes.\n\nFR-2.1 It locks.\n\nFR-1.2 It rings.",
        "SRS_3.2-1 It opens.\n\nSRS_3.2-2 It closes.\n\nSRS_3.2-2 It locks.",
        "**REQ-1**: It opens.\n\n**REQ-2**: It closes.\n\n`REQ-1`: It locks.",
        "R-71 The hatch opens inwards.\n\nText.\n\nR-71 The hatch has one lock.",
        "功能需求-7 日志应保存一年。\n\n功能需求-7 管理员可导出日志。",
        "需求编号：R-01 可以打开。\n\n需求编号：R-02 可以关闭。\n\n需求编号：R-01 可以上锁。",
        "需求1：可以打开。\n\n需求2：可以关闭。\n\n需求2：可以上锁。",
        "# 第一章 目的\n\n正文。\n\n# 第一章 范围\n\n正文。",
        "Table 1: Limits\n\nText.\n\nTable 2: Users\n\nText.\n\nTable 2: Roles\n\nText.",
        "图1 总体结构\n\n正文。\n\n图1 数据流\n\n正文。",
        "| Id | R-1 |\n|---|---|\n| A | B |\n\n| Id | R-2 |\n|---|---|\n| A | C |\n\n| Id | R-1 |\n|---|---|\n| A | D",
        "# Appendix A Terms\n\nText.\n\n# Appendix A Forms\n\nText.",
    ),
    passes=(
        "# 1 Purpose\n\nText.\n\n# 2 Scope\n\nText.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-3 As REQ-1, it locks.",
        "REQ-1 The door opens.\n\nREQ-2 It closes.\n\nREQ-1 and REQ-2 belong together.",
        "# 第一章 目的\n\n## 第一节 甲\n\n正文。\n\n# 第二章 范围\n\n## 第一节 乙\n\n正文。",
        "| Id | Text |\n|---|---|\n| R-1 | Open. |\n| R-2 | Close. |\n\n| Id |\n|---|\n| R-1 |\n| R-2 |",
        "| Case | Step |\n|---|---|\n| TC-1 | Open. |\n| TC-1 | Close. |\n| TC-2 | Lock. |\n| TC-2 | Ring. |",
        "ISO-9001 The standard is met.\n\nISO-9001 The audit is yearly.",
        "Table 1: Limits\n\nTable 2: Users\n\nText.\n\nTable 1: Limits\n\nText.\n\nTable 2: Users",
        "图1 总体结构\n\n图1给出了总体结构，见下文。",
    ),
)
