"""Gaps in the numbers of sections, tables and figures, of lists, and in the ids of requirements."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.enumerations import gaps
from paperlane.checks.series import Id, captions, headings, ids
from paperlane.model.documents import Severity

_FEWEST = 3
_WIDEST = 20  # a wider gap is the beginning of another range
_LISTED = 3


def _find(subject: Subject) -> Iterator[Finding]:
    yield from _sections(subject)
    yield from _captions(subject)
    yield from _ids(subject)
    for finding, missing in gaps(subject):
        yield replace(finding, params={"number": _listed(missing)})


def _sections(subject: Subject) -> Iterator[Finding]:
    """Numbers of sibling headings rise by one from the first."""
    seen: set[tuple[object, ...]] = set()
    last: dict[tuple[object, ...], int] = {}
    for one in headings(subject):
        before = last.get(one.series)
        key = (one.series, one.own, one.within)
        if key in seen:
            continue  # a number that stands twice is another check's
        if before is not None and before + 1 < one.own <= before + _WIDEST:
            missing = [one.name(number) for number in range(before + 1, one.own)]
            yield Finding(one.start, one.end, {"number": _listed(missing)})
        seen.add(key)
        last[one.series] = one.own


def _captions(subject: Subject) -> Iterator[Finding]:
    """A figure may be numbered where no text shows it, so a series of few tells nothing."""
    series: defaultdict[tuple[object, ...], list[tuple[int, Finding]]] = defaultdict(list)
    numbers: defaultdict[tuple[object, ...], set[int]] = defaultdict(set)
    for one in captions(subject):
        numbers[one.series].add(one.own)
        before = series[one.series][-1][0] if series[one.series] else 0
        missing = [one.name(number) for number in range(before + 1, one.own)] if before else []
        series[one.series].append((one.own, Finding(one.start, one.end, {"number": _listed(missing)})))
    for key, found in series.items():
        rises = sum(after == before + 1 for (before, _), (after, _) in pairwise(found))
        if len(found) < _FEWEST or 2 * rises < len(found) - 1:
            continue
        for (before, _), (after, finding) in pairwise(found):
            lacks = not any(number in numbers[key] for number in range(before + 1, after))
            if before + 1 < after <= before + _WIDEST and lacks:
                yield finding


def _ids(subject: Subject) -> Iterator[Finding]:
    """An id that is missing in its list and in all others."""
    stems: defaultdict[str, defaultdict[str, list[Id]]] = defaultdict(lambda: defaultdict(list))
    for place, found in ids(subject).items():
        for one in found:
            stems[one.stem][place].append(one)
    for lists in stems.values():
        if sum(map(len, lists.values())) >= _FEWEST:
            yield from _gaps(lists)


def _gaps(lists: Mapping[str, Sequence[Id]]) -> Iterator[Finding]:
    known = {one.number for found in lists.values() for one in found}
    for found in lists.values():
        if 2 * sum(after.number == before.number + 1 for before, after in pairwise(found)) < len(found) - 1:
            continue
        for before, after in pairwise(found):
            missing = [number for number in range(before.number + 1, after.number) if number not in known]
            if missing and after.number <= before.number + _WIDEST + 1:
                yield Finding(after.start, after.end, {"number": _listed(list(map(after.beside, missing)))})
                known.update(missing)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _LISTED else f"{names[0]} … {names[-1]}" if names else ""


CHECK = Check(
    name="numbering",
    title={"en": "Missing number", "zh": "编号缺失"},
    why="A gap lets readers look for what is not there, or hides what was lost.",
    category="structure",
    severity=Severity.WARNING,
    confidence=0.85,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={"en": "{number} is missing before this.", "zh": "此前缺少编号 {number}。"},
    suggestions={
        "en": "Number without gaps, or say which number was withdrawn.",
        "zh": "请保证编号连续，或注明已废止的编号。",
    },
    flags=(
        "# 1 Purpose\n\nText.\n\n# 3 Scope\n\nText.",
        "REQ-01 门可以打开。\n\nREQ-02 门可以关闭。\n\nREQ-04 门可以上锁。",
        "# 第一章 目的\n\n正文。\n\n# 第三章 范围\n\n正文。",
        "# 二十、目的\n\n正文。\n\n# 二十二、范围\n\n正文。",
        "REQ-1 It opens.\n\nREQ-2 It closes.\n\nREQ-5 It locks.\n\nREQ-6 It rings.",
        "# Appendix A Terms\n\nText.\n\n# Appendix C Forms\n\nText.",
        "Table 1: Limits\n\nTable 2: Users\n\nTable 3: Roles\n\nTable 5: Files",
        "图1 总体结构\n\n图2 数据流\n\n图4 部署",
        "FR-1.1 It opens.\n\nFR-1.2 It closes.\n\nFR-1.4 It locks.",
        "**`REQ-1`** It opens.\n\n**`REQ-2`** It closes.\n\n**`REQ-4`** It locks.",
        "需求编号：R-01 可以打开。\n\n需求编号：R-02 可以关闭。\n\n需求编号：R-05 可以上锁。",
        "| No. | Id | Text |\n|---|---|---|\n| 1 | R-1 | Open. |\n| 2 | R-2 | Close. |\n| 3 | R-4 | Lock. |",
        "(1) It opens.\n\n(2) It closes.\n\n(4) It locks.",
        "1. It opens.\n3. It closes.\n4. It locks.",
        "a) It opens.\n\nb) It closes.\n\nd) It locks.",
        "(i) It opens.\n\n(ii) It closes.\n\n(iv) It locks.",
        "Step 1: Open it.\n\nStep 2: Close it.\n\nStep 4: Lock it.",
        "（一）门可以打开。\n\n（二）门可以关闭。\n\n（四）门可以上锁。",
        "第一步：打开门。\n\n第二步：关闭门。\n\n第四步：上锁。",
        "①打开门。\n\n②关闭门。\n\n④上锁。",
    ),
    passes=(
        "# 1 Purpose\n\nText.\n\n# 2 Scope\n\nText.",
        "# 1 目的\n\n正文。\n\n# 2 范围\n\n正文。",
        "# 十九、目的\n\n正文。\n\n# 二十、范围\n\n正文。",
        "1. It opens.\n1. It closes.\n1. It locks.",
        "(h) It opens.\n\n(i) It closes.\n\n(j) It locks.\n\n(v) It rings.",
        "a) It opens.\n\nb) It closes, and c) it rings.\n\nd) It locks.",
        "1. It opens.\n\n# Then\n\n3. It closes.\n4. It locks.",
        "REQ-10 It opens.\n\nREQ-20 It closes.\n\nREQ-30 It locks.",
        "# 1 Purpose\n\nText.\n\n# 1 Scope\n\nText.",
        "Table 1: Limits\n\nTable 2: Users\n\nTable 4 shows what is left.",
        "REQ-1 It opens.\n\nREQ-2 It closes.\n\nREQ-3 It locks.\n\nREQ-9, as all others, is new.",
    ),
)
