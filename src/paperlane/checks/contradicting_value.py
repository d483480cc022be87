"""One quantity of two values: the same thing is said with another number elsewhere."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paperlane.checks import SOUND, Check, Finding, Places, Scope, Subject
from paperlane.checks.quantities import FIGURE, NUMBERS, Claim, claims
from paperlane.checks.subject import Prose
from paperlane.checks.vocabulary import vocabulary
from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Severity

_GENERAL = frozenset(
    {"value", "default", "limit", "requirement", "target", "数值", "值", "默认值", "指标", "要求", "取值"}
)
_MOST_CLAIMS, _MOST_VALUES = 5, 2  # more of one key are entries of a kind, each with a value of its own
_FEWEST_WORDS = {"number": 2.0}
_CODE = later(r"(?<!-)->|::|\w\([^)]*\)\W*$")  # functions are described alike
_TITLE = 300  # characters of a block from which a title is made
_SHORT = 30  # characters of a cell that holds a value
# 21 of 36: a result, counted each time
_SHARE = later(r"\d\s+(?:out\s+)?of\s+(?:the\s+)?\d|\d\s*[个项条次]?中的?\s*\d")
_COUNTED = later(r"\s?(?:[位条个次人台件页份张名项](?![\u3400-\u9fff])|个?字符)")  # what a number counts
_FAR = 400  # characters in one section, behind which one no longer compares things side by side
_FEWEST_SHARED, _FEWEST_MEASURED = 3.0, 2.0
_MOST_MORE, _MOST_MEASURED = 1.7, 2.1  # times as many words
_MOST_NEAR = 40
_FEWEST = 2.0
_GENERIC = 1.0


@dataclass(frozen=True, slots=True)
class _Stated:
    """A claim with its place, and the title of its section."""

    claim: Claim
    finding: Finding
    title: str
    section: int


def _find(subject: Subject) -> Iterator[Finding]:
    """Both places, for nobody can tell which one is wrong."""
    groups: defaultdict[tuple[frozenset[str], tuple[str, ...]], list[_Stated]] = defaultdict(list)
    for stated in _stated(subject):
        groups[stated.claim.key, stated.claim.dimensions].append(stated)
    pairs = [pair for group in groups.values() for pair in _pairs(group)]
    pairs += _wider([group[0] for group in groups.values() if len(group) == 1])
    alike = Counter((first.section, second.section) for first, second in pairs)
    blocks = {section.first: section.last - section.first for section in subject.document.sections}
    for first, second in pairs:
        shared = alike[first.section, second.section]
        shorter = min(blocks.get(one.section, 0) for one in (first, second))
        if shared > 1 and first.section != second.section and 2 * shared >= shorter - 1:
            continue  # two sections of a kind, that speak of two things in the same words
        for one, other in ((first, second), (second, first)):
            yield Finding(
                one.finding.start, one.finding.end,
                {"here": one.claim.said, "there": other.claim.said, "title": other.title},
            )  # fmt: skip


def _pairs(group: Sequence[_Stated]) -> Iterator[tuple[_Stated, _Stated]]:
    """Claims of one thing that cannot both be true, each told once."""
    values = {one.claim.values for one in group}
    if len(group) > _MOST_CLAIMS or not 1 < len(values) <= _MOST_VALUES:
        return
    weight = min(one.claim.weight for one in group)
    fewest = max(_FEWEST_WORDS.get(dimension, _FEWEST) for dimension in group[0].claim.dimensions)
    if weight < (fewest if len(group) > 2 else min(fewest, _GENERIC if fewest == _FEWEST else fewest)):  # noqa: PLR2004  one pair
        return
    first = group[0]
    for other in group[1:]:
        if _apart(first, other) and other.claim.contradicts(first.claim):
            yield first, other
            return


def _wider(claimed: Sequence[_Stated]) -> Iterator[tuple[_Stated, _Stated]]:
    """Claims of which one says a little more, but no condition: what it is said of is the same."""
    index: defaultdict[str, list[_Stated]] = defaultdict(list)
    for one in claimed:
        for word in one.claim.key:
            index[word].append(one)
    for one in claimed:
        key = one.claim.key
        if one.claim.weight < (_FEWEST_MEASURED if _is_measured(one.claim) else _FEWEST_SHARED):
            continue
        near = min((index[word] for word in key), key=len)
        found = [other for other in near[:_MOST_NEAR] if other is not one and _says_more(other.claim, one.claim)]
        if len(found) == 1 and _apart(one, found[0]) and one.claim.contradicts(found[0].claim):
            first, second = sorted((one, found[0]), key=lambda stated: stated.finding.start)
            yield first, second


def _is_measured(claim: Claim) -> bool:
    """Has each of its values a unit?"""
    return "number" not in claim.dimensions


def _says_more(wide: Claim, narrow: Claim) -> bool:
    return (
        narrow.key < wide.key
        and wide.dimensions == narrow.dimensions
        and wide.weight <= (_MOST_MEASURED if _is_measured(wide) else _MOST_MORE) * narrow.weight
        and not (wide.key - narrow.key) & wide.when
    )


def _apart(first: _Stated, second: _Stated) -> bool:
    return first.section != second.section or abs(second.finding.start - first.finding.start) > _FAR


def _stated(subject: Subject) -> Iterator[_Stated]:
    places = Places(subject.document)
    reading, words = subject.reading, vocabulary(subject)
    worded = words.naming(*NUMBERS)
    row: tuple[int, int] = (0, 0)
    name: Prose | None = None
    heads: dict[tuple[int, int], str] = {}
    for number, prose in enumerate(reading.prose):
        block = prose.block
        cell = block.kind is BlockKind.TABLE_CELL
        if cell and block.row == 1:
            heads[block.table, block.column] = prose.text.strip()
        if cell and (block.table, block.row) != row:
            row, name = (block.table, block.row), prose
        in_words = number in worded
        if block.level or not (in_words or number in reading.numbered):
            continue
        about = ""
        if cell and _SHARE.search(prose.text) is not None:
            continue
        if cell and name is not None and name is not prose and len(prose.text) < _SHORT:
            head = heads.get((block.table, block.column), "")
            about = f"{name.text} {head if head.lower() not in _GENERAL else ''}"
        for start, end in prose.clauses:
            if not in_words and FIGURE.search(prose.text, start, end) is None:
                continue
            for claim in claims(prose.text, start, end, about, in_words=in_words):
                if not claim.key:
                    continue
                counted = _COUNTED.match(prose.text, claim.end)
                finding = prose.finding(claim.start, counted.end() if counted else claim.end)
                at = places.block(finding.start)
                section = places.section(at)
                if section is not None and _CODE.search(section.title):
                    continue
                title = section.path[-1] if section is not None and section.path else prose.said(0, _TITLE)[:60]
                yield _Stated(claim, finding, title, section.first if section is not None else 0)


CHECK = Check(
    name="contradicting-value",
    title={"en": "Contradicting values", "zh": "数值前后矛盾"},
    why="Of two values for one thing each reader builds or tests another one.",
    category="consistency",
    severity=Severity.WARNING,
    confidence=0.7,
    scope=Scope.DOCUMENT,
    find=_find,
    profiles=SOUND,
    messages={
        "en": "It is {here} here, and {there} in “{title}”.",
        "zh": "此处为“{here}”，而“{title}”中为“{there}”。",
    },
    suggestions={
        "en": "Keep the value in one place, or say under which condition each holds.",
        "zh": "请统一数值，或分别注明各自适用的条件。",
    },
    flags=(
        "# A\n\nThe lock delay is a two-second pause.\n\n# B\n\nThe lock delay of the door is a nine-second pause.",
        "# A\n\nThe hold period is 5 s.\n\n# B\n\nThe hold period of the lamp is 10 s.",
        "# 甲\n\n缓冲区上限为1000条。\n\n# 乙\n\n缓冲区上限为5000条。",
        "# 甲\n\n给料速度为20升/分钟。\n\n# 乙\n\n给料速度为25升/分钟。",
        "# A\n\nThe flow of the fan is 20 m³/h.\n\n# B\n\nThe flow of the fan is 25 m³/h.",
        "# Speed\n\nThe response time is 2 s.\n\n# Tests\n\nThe response time shall be 3 s.",
        "# 性能\n\n超时时间为30秒。\n\n# 接口\n\n超时时间为60秒。",
        "# Speed\n\nThe system shall respond within 2 seconds.\n\n# Tests\n\nThe response time must not exceed 5 s.",
        "# 性能\n\n系统应在2秒内响应查询请求。\n\n# 测试\n\n查询请求的响应时间不超过5秒。",
        "# Login\n\nA session times out after 30 minutes.\n\n# Security\n\nThe session time-out is 15 minutes.",
        "# A\n\nIt is locked after 5 failed attempts.\n\n# B\n\nIt shall be locked after three failed attempts.",
        "# 登录\n\n连续输错密码5次后锁定账号。\n\n# 安全\n\n连续输错密码3次后，锁定账号。",
        "# Load\n\nThe system supports 500 concurrent users.\n\n# Tests\n\nSupport 300 concurrent users.",
        "# 负载\n\n系统支持500个并发用户。\n\n# 测试\n\n支持300个并发用户。",
        "# A\n\nThe delay of the sensor is 20 ms.\n\n# B\n\nThe sensor delay is 20 s.",
        "# A\n\n| Name | Value |\n|---|---|\n| Session timeout | 30 min |\n\n# B\n\nThe session timeout is 20 minutes.",
        "# A\n\nPasswords have at least 12 characters.\n\n# B\n\nThe passwords have 8 characters.",
        "# A\n\nAudit logs are retained for 90 days.\n\n# B\n\nThe audit logs shall be stored for at least 180 days.",
        "# A\n\nThe watchdog timeout is 100 ms.\n\n# B\n\nThe watchdog timeout is 250 ms, after which it resets.",
        "# A\n\nThe temperature ranges from -20 °C to 60 °C.\n\n# B\n\nThe temperature ranges from -10 °C to 60 °C.",
        "# A <!-- toc -->\n\nThe retry interval is 5 s.\n\n# B <!-- toc -->\n\nThe retry interval is 500 ms.",
        "# 甲\n\n日志保存90天。\n\n# 乙\n\n日志应至少保存180天。",
        "# 甲\n\n系统可用性不低于99.9%。\n\n# 乙\n\n系统可用性应达到99.99%。",
        "# A\n\nThe availability is 99.9 %.\n\n# B\n\nAvailability shall be at least 99.99%.",
    ),
    passes=(
        "# A\n\nA letter is kept in a 16-bit cell.\n\n# B\n\nA letter is kept in a 32-bit cell of its own.",
        "# Speed\n\nThe response time is 2 s.\n\n# Tests\n\nThe response time shall be 2000 ms.",
        "# 性能\n\n超时时间为30秒。\n\n# 接口\n\n超时时间为0.5分钟。",
        "# Speed\n\nThe response time is 2 s.\n\n# Load\n\nUnder full load, the response time is 5 s.",
        "# A\n\nPasswords have at least 8 characters.\n\n# B\n\nPasswords have at most 64 characters.",
        "# A\n\nThe response time is less than 2 s.\n\n# B\n\nThe response time is 1 s.",
        "# A\n\nSee section 2 of the manual.\n\n# B\n\nSee section 3 of the manual.",
        "# 一\n\n读取超时时间为30秒。\n\n# 二\n\n写入超时时间为60秒。",
        "# Door\n\nThe opening time is 2 s.\n\n# Gate\n\nFor example, the opening time is 9 s.",
        "# close(Door) -> ok\n\nIt waits for 2 s.\n\n# open(Door) -> ok\n\nIt waits for 3 s.",
        "# Door\n\nThe opening time is 2 s. Behind the second door, too, the opening time is 5 s.",
        "# A\n\nThe width is 2 m. The weight is 3 kg.\n\n# B\n\nThe width is 4 m. The weight is 8 kg.",
    ),
)
