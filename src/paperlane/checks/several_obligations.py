"""Statements that oblige to several things at once."""

import re
from collections.abc import Iterator
from itertools import pairwise

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.obligations import CHINESE, ENGLISH
from paperlane.checks.sentences import sentences
from paperlane.compiling import later
from paperlane.model.documents import Severity

_ENGLISH_JOIN = later(r"[,;]|\b(?:and|or|but|while)\b", re.IGNORECASE | re.ASCII)
_CONDITION = later(
    r"\b(?:if|when|where|unless|which|that|who|whose|because|as|than|whether|how|what)\b", re.IGNORECASE | re.ASCII
)
# what holds up to its end, past a comma
_SAID = later(r"\b(?:that|which|who|whose|whether|how|what|than)\b|是否|所应|因为", re.IGNORECASE | re.ASCII)
_CHINESE_JOIN = later(r"[，；、,;]|并且?|同时|而且|以及|或者?")
_CHINESE_CONDITION = later(r"如果|若|当|除非|因为|所应|是否|时，")
# what obliges behind a "shall" of the same sentence, by another word
_FURTHER = later(
    r"(?:[,;]|\b(?:and|but))\s+(?:(?:and|but|then|also)\s+)*+(?:it\s+|they\s+)?(?:then\s+|also\s+)?"
    r"(?:will|(?:is|are)\s+(?:required\s+|obliged\s+)?to|ha(?:s|ve)\s+to|needs?\s+to)\s+(?:also\s+|then\s+)?[a-z]{2,}|"
    r",\s+(?:after|upon|following)\s+which\b[^.;]{1,40}?\b(?:shall|must)\b|\bas\s+well\s+as\s+(?:\w+\s+)?(?:shall|must)\b",
    re.ASCII,
)
_FURTHER_ZH = later(r"[，；、](?:并且?|且|同时|随后|然后|再)?(?:还|也)?(?:需要|要)(?![求素点么])(?=[一-龥]{2})")
_RULES = ((ENGLISH, _ENGLISH_JOIN, _CONDITION), (CHINESE, _CHINESE_JOIN, _CHINESE_CONDITION))
# what stands between two keywords that are only named, as in "SHALL, SHOULD and MUST" or 必须、不得
_NAMES = later(r"(?:[\W_]|(?:and|or|not|required|should|may|recommended|optional)(?![a-z])|[和或与及])*", re.IGNORECASE)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.obliging:
        for start, end in sentences(prose.text):
            for obligation, join, condition in _RULES if prose.chinese else _RULES[:1]:
                found = list(obligation.finditer(prose.low, start, end))
                joined = _joined(prose.text, found, join, condition)
                if joined == 1:
                    further = _FURTHER if obligation is ENGLISH else _FURTHER_ZH
                    also = further.search(prose.low, found[0].end(), end)
                    joined += also is not None and _inside(prose.low, found[0].end(), also.start(), condition) is None
                if joined > 1:
                    yield prose.finding(start, end, {"count": str(joined)})


def _inside(low: str, start: int, end: int, condition: re.Pattern[str]) -> re.Match[str] | None:
    return condition.search(low, start, end) or _SAID.search(low, start, end)


def _joined(text: str, found: list[re.Match[str]], join: re.Pattern[str], condition: re.Pattern[str]) -> int:
    """How many obligations stand side by side; one inside a condition or a clause belongs to another."""
    count = min(len(found), 1)
    for before, after in pairwise(found):
        between = text[before.end() : after.start()]
        named = _NAMES.fullmatch(between) is not None
        *_, last = [0, *(one.end() for one in join.finditer(between))]
        inside = condition.search(between, last) or _SAID.search(between)
        count += last > 0 and inside is None and not named
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
        "The user must log in; the system shall record it.",
        "用户必须登录；系统应记录日志。",
        "系统应对输入进行校验，并应记录结果。",
        "系統應儘快回應，並應記錄日誌。",
        "系统应记录每次登录，并\n应在一秒内响应。",
        "The pump shall stop when the tank is full, and it shall sound the horn.",
    ),
    passes=(
        "The server shall log each request and answer it within 1 s.",
        "The server shall log each request. It shall answer within 1 s.",
        "The unit shall stop when the operator decides that it must stop.",
        "系统应在一秒内响应。系统应记录日志。",
        "应用程序应支持中文。",
        "The keywords SHALL, SHALL NOT, MUST and MAY are to be read as in RFC 2119.",
        "本文中“必须”、“不得”和“应”表示要求。",
        "关键词必须、不得、应当按如下含义理解。",
        "系统应记录日志，用户不得不等待，管理员不得已可以重启。",
        "The server shall: (a) shall log each request; (b) shall answer it.",
        "系统应：（1）应记录日志；（2）应通知用户。",
    ),
)
