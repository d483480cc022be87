"""Statements that oblige to several things at once."""

import re
from collections.abc import Iterator
from itertools import pairwise

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.sentences import sentences
from paperlane.model.documents import Severity

_ENGLISH = re.compile(r"(?<![\"“”'‘’*`])\b(?:shall|must)\b(?:\s+not\b)?(?![\"”'’*`])", re.IGNORECASE)
_ENGLISH_JOIN = re.compile(r"(?:,|;|\band\b|\bor\b|\bbut\b|\bwhile\b)", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:if|when|where|unless|which|that|who|whose|because|as|than|whether|how|what)\b", re.IGNORECASE
)
_CHINESE = re.compile(r"必须|不得|应当|应该|(?<![对响相供适反效])应(?![用急对答聘变声付届有景力届季收])")
_CHINESE_JOIN = re.compile(r"[，；、,;]|并且?|同时|而且|以及|或者?")
_CHINESE_CONDITION = re.compile(r"如果|若|当|除非|因为|所应|是否|时，")


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if prose.block.level:
            continue
        for start, end in sentences(prose.text):
            sentence = prose.text[start:end]
            rules = (
                (_ENGLISH, _ENGLISH_JOIN, _CONDITION),
                (_CHINESE, _CHINESE_JOIN, _CHINESE_CONDITION),
            )
            for obligation, join, condition in rules:
                found = list(obligation.finditer(sentence))
                joined = _joined(sentence, found, join, condition)
                if joined > 1:
                    yield prose.finding(start, end, {"count": str(joined)})


def _joined(sentence: str, found: list[re.Match[str]], join: re.Pattern[str], condition: re.Pattern[str]) -> int:
    """How many obligations stand side by side; one inside a condition or a clause belongs to another."""
    count = min(len(found), 1)
    for before, after in pairwise(found):
        between = sentence[before.end() : after.start()]
        count += join.search(between) is not None and condition.search(between) is None
    return count


CHECK = Check(
    name="several-obligations",
    title={"en": "Several obligations in one statement", "zh": "一句中有多项要求"},
    why="A statement with several obligations is half met and half broken by the same system: it has no clear answer.",
    category="structure",
    severity=Severity.WARNING,
    confidence=0.7,
    scope=Scope.PASSAGE,
    find=_find,
    messages={
        "en": "This statement holds {count} obligations.",
        "zh": "这句话包含 {count} 项要求。",
    },
    suggestions={"en": "Write one statement for each, with a number of its own.", "zh": "请拆分为多条，并分别编号。"},
    flags=(
        "The server shall log each request, and it shall answer within 1 s.",
        "The user must sign in and the system must record it.",
        "系统应记录每次登录，并应在一秒内响应。",
        "管理员必须审批申请，同时系统必须通知用户。",
    ),
    passes=(
        "The server shall log each request and answer it within 1 s.",
        "The server shall log each request. It shall answer within 1 s.",
        "The unit shall stop when the operator decides that it must stop.",
        "系统应在一秒内响应。系统应记录日志。",
        "应用程序应支持中文。",
    ),
)
