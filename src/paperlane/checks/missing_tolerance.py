"""Measured values in requirements without a tolerance: "about 5 s", "the supply shall be 12 V"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.obligations import Clause
from paperlane.checks.subject import Prose
from paperlane.checks.wording import wording
from paperlane.compiling import later
from paperlane.model.documents import Severity

_DIGIT = later(r"\d", re.ASCII)
_NUMBER = r"\d+(?:[.,]\d+)*+"
_UNIT_ZH = (
    r"(?:个|条|次|人|份|台|毫?秒钟?|分钟?|小时|[天日周月年]|个月|毫?米|厘米|公?里|千?克|公斤|吨|度|摄氏度|伏|安|瓦|"
    r"赫兹|元|字节|兆|倍|[万亿千百])"
)
ABOUT = wording(
    [
        (
            r"(?:approximately|approx\.?|about|around|roughly|circa|ca\.|nearly|almost|close\s+to|more\s+or\s+less|"
            rf"in\s+the\s+(?:order|region|vicinity|neighbou?rhood)\s+of)\s+{_NUMBER}[a-z%]*"
        ),
    ],
    [
        rf"(?:大?约|大概|近似|接近|将近)为?\s?{_NUMBER}",
        rf"{_NUMBER}\s?(?:{_UNIT_ZH}{{1,2}}|[A-Za-z%％℃°μ/]{{1,6}})?\s?(?:左右|上下(?![文限])|前后)",
    ],
    anywhere=True,
    signs=[rf"(?:~(?<![\w~].)|≈)\s?{_NUMBER}"],
)
"""A number that is only about right."""

# what is measured, not counted or set: no such value is ever met exactly
_ANALOGUE = (
    r"(?:[kmµμ]?[VAWΩ]|kVA|[kMG]?Hz|[kM]?Pa|m?bar|k?N(?:m)?|[µμmck]?m|[µμmk]?g|dBm?|°\s?[CF]?|℃|℉|K|l[xm]|rpm|ohms?|"
    r"volts?|amp(?:ere)?s?|watts?|"
    r"hertz|degrees?|(?:milli|centi|kilo)?met(?:er|re)s?|(?:kilo|milli)?grams?|pascals?|newtons?|decibels?|伏特?|"
    r"安培?|毫安|千?瓦|[千兆吉]?赫兹?|帕|千帕|兆帕|"
    r"毫米|厘米|微米|公斤|千克|毫克|克|摄氏度|度|分贝|欧姆?|牛顿?|流明)"
)
_EXACT = later(
    r"(?:\b(?:be|equals?|weighs?|measures?|"
    r"(?:remain|stay|kept|held|maintained|regulated|stabili[sz]ed|keep|hold|maintain)(?:\s+(?:\w+\s+){0,3}?at)?|"
    r"(?:set|adjusted|tuned|calibrated)\s+(?:at|to))\s+(?:exactly\s+|a\s+)?|"
    r"(?:为|是|等于|保持在?|维持在?|设(?:置|定)?[为在]|控制[为在])\s?)"
    rf"(?P<value>-?{_NUMBER}\s?{_ANALOGUE})(?![\w/²³^-])(?!\s*(?:±|\+/-|or\s+(?:more|less|higher|lower|above|below)|"
    rf"to\b|[-–~～至到]|以[上下内]|及以|或以))",
    re.ASCII,
)
_TOLERATED = later(
    r"±|\+\s?/\s?-|[Tt]oleranc|[Aa]ccura|[Pp]recision|within(?!\s+(?:about|approx|around|roughly))|公差|误差|偏差|"
    r"容差|允差|精度|\b(?:at\s+(?:least|most)|between|range)\b|至少|至多|最[大小高低]|之间|范围",
    re.ASCII,
)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose, clause in subject.duties:
        if _DIGIT.search(prose.text, clause.start, clause.end) and not _tolerates(prose, clause):
            for start, end in _places(prose, clause):
                yield prose.finding(start, end, {"word": prose.said(start, end)})


def _tolerates(prose: Prose, clause: Clause) -> bool:
    return _TOLERATED.search(prose.text, clause.start, clause.end) is not None


def _places(prose: Prose, clause: Clause) -> Iterator[tuple[int, int]]:
    yield from ABOUT.found(prose, clause)
    yield from (found.span("value") for found in _EXACT.finditer(prose.text, clause.after, clause.end))


CHECK = Check(
    name="missing-tolerance",
    title={"en": "Missing tolerance", "zh": "缺少容差"},
    why="No measured value is met exactly, and “about” leaves it to each tester how near is near enough.",
    category="completeness",
    severity=Severity.WARNING,
    confidence=0.7,
    scope=Scope.PASSAGE,
    find=_find,
    messages={
        "en": "“{word}” has no tolerance: which values still pass?",
        "zh": "“{word}”未给出容差，无法判断哪些值合格。",
    },
    suggestions={
        "en": "Give a range or a tolerance, as in “12 V ± 5 %”, or a limit.",
        "zh": "请给出范围、容差（如“12 V ± 5%”）或上下限。",
    },
    flags=(
        "The system shall answer in roughly 200 ms, at peak ~ 1 s.",
        "The system shall answer in about 5 s.",
        "The supply voltage shall be 12 V.",
        "The chamber must be kept at 20 °C during the test.",
        "系统应在约5秒内响应。",
        "系统应在5秒左右响应。",
        "供电电压应为12 V。",
        "溫度應保持在20℃。",
    ),
    passes=(
        "The reader shall read labels at 20 cm, and stop when it falls to 60 kPa.",
        "The system shall answer within 5 s.",
        "The supply voltage shall be 12 V ± 5 %.",
        "It takes about 5 s.",
        "The list shall be 5 m or less in length, and hold 12 items.",
        "系统应在 5 秒内响应。",
        "供电电压应为 12 V，误差不超过 5%。",
        "大约需要5秒。",
    ),
)
