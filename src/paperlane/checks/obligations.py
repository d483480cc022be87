"""Words that oblige somebody, in English and Chinese, and the clauses that hold them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from paperlane.checks.sentences import LABEL, clauses
from paperlane.compiling import later

_QUOTES = r"\"“”'‘’"


def bordered(*words: str, after: str = "") -> str:
    """A pattern of words, at whose begin a word begins, and not `after` one of these characters.

    What stands before them is looked at behind their first letters: a pattern that begins with letters passes quickly
    by all others.
    """
    rests: defaultdict[str, list[str]] = defaultdict(list)
    for word in words:
        rests[word[0]].append(word[1:])
    return "(?:{})".format("|".join(rf"{first}(?<![\w{after}].)(?:{'|'.join(rests[first])})" for first in rests))


_UNQUOTED = r"\b(?![\"”'’])"  # a word in quotes is spoken of

ENGLISH = later(rf"{bordered('shall', 'must', after=_QUOTES)}(?:\s+not)?{_UNQUOTED}", re.ASCII)
"""What must be, in lower case. `will` and `need` are left out: they tell as often what happens."""

# 应, 须 and 需 are parts of many words that oblige nobody: 响应, 对应, 应用, 应对; 无须, 须知; 按需, 只需.
# 不得不 is no ban.
_QUOTES_ZH = r"“「『\""
_WORDS_ZH = (
    rf"必(?<![{_QUOTES_ZH}].)须",
    rf"应(?<![{_QUOTES_ZH}].)[当该]",
    rf"不(?<![{_QUOTES_ZH}].)得(?![不已])",
    rf"需(?<![{_QUOTES_ZH}按所无必急刚供仅只].)(?![要求])",
    rf"须(?<![{_QUOTES_ZH}必无毋].)(?!知)",
    (
        rf"应(?<![{_QUOTES_ZH}对响相供适反效感呼].)(?<![^返]回.)"
        r"(?![用急答聘声付届景季收]|力(?![求争图])|变(?![为成更得绿红黄灰黑白蓝暗亮大小])|有[的尽]|对(?![接外内齐标]|"
        r".{0,30}?(?:进行|加以|予以|给予|[作做]出|实施|采取|提供|发出|[报告预]警|执行)))"
    ),
)
CHINESE = later("|".join(rf"{word}(?![”」』\"])" for word in _WORDS_ZH))
"""What must be or should be. 需要 and 要求 are left out: they tell as often what somebody wants."""

# what is built "will" and "needs to" by the document's word; what else does tells how the world is
_BUILT = (
    "system", "software", "application", "service", "server", "client", "module", "component", "interface", "product",
    "solution", "tool", "device", "platform", "api", "database", "website", "app", "backend", "back-end", "frontend",
    "front-end", "gateway", "controller",
)  # fmt: skip
_BUILT_ZH = (
    "系统", "平台", "软件", "服务", "模块", "接口", "设备", "产品", "程序", "页面", "网站", "客户端", "服务器",
    "服务端", "数据库", "终端", "网关", "后台", "前端", "后端", "组件",
)  # fmt: skip
_REQUIRED = (r"is\s+(?:required|obliged)\s+to", r"are\s+(?:required|obliged)\s+to")
_ADVICE = (
    later(bordered("shall", "must", "should", *_REQUIRED, after=_QUOTES) + _UNQUOTED, re.ASCII),
    later(rf"{bordered(*_BUILT)}s?\s+(?:will|needs?\s+to|ha(?:s|ve)\s+to|(?:is|are)\s+(?:expected\s+)?to)\b", re.ASCII),
)
_ADVICE_ZH = (
    CHINESE,
    later("务必|严禁"),
    later(rf"(?:{'|'.join(_BUILT_ZH)})(?:还|均|都|也|总是|至少)?(?:需要|要(?![求点素么不是]))"),
)
OF_ADVICE = (
    "shall", "must", "should", "required", "obliged", "will", "need", "has to", "have to", "is to", "are to",
    "expected", "应", "须", "需", "要", "务", "严", "不得",
)  # fmt: skip
"""Whatever obliges somebody, in lower case, holds one of these: they are quickly looked for."""


@dataclass(frozen=True, slots=True)
class Clause:
    """What obliges somebody, `start:end` of its block: by the words from `at` to `after`, or by its list's lead.

    There both are its start.
    """

    start: int
    end: int
    at: int
    after: int


def duties(low: str, clauses_: Iterable[tuple[int, int]], lead: str = "") -> Sequence[Clause]:
    """Of a block's clauses, in lower case, those that oblige somebody, each with the first words that do.

    What follows a colon, as items or halves of its sentence, is obliged by what stands before it; so is the first
    sentence of an item whose list is introduced, by its `lead`, so.
    """
    found: list[Clause] = []
    led = _leads(lead)
    first, carried = True, False
    for start, end in clauses_:
        said = _advice(low, start, end)
        if said is not None:
            found.append(Clause(start, end, *said.span()))
            carried = _COLON.search(low, said.end(), end) is not None
        elif (led and first) or (carried and (LABEL.match(low, start, end) or low[end - 1] in ";；")):
            found.append(Clause(start, end, start, start))
        else:
            carried = False
        first = False
    return found


_COLON = later(r"[:：](?!\d)")


def obliges(low: str, lead: str = "") -> bool:
    """Does a block, in lower case, hold words that oblige somebody, or the `lead` of the list that it is an item of?"""
    return _leads(lead) or _advice(low, 0, len(low)) is not None


def _leads(lead: str) -> bool:
    """Does the last clause of what introduces a list oblige somebody?"""
    return lead != "" and _advice(lead, *clauses(lead)[-1]) is not None


def _advice(low: str, start: int, end: int) -> re.Match[str] | None:
    """The first words between two places that oblige somebody."""
    first: re.Match[str] | None = None
    for pattern in _ADVICE if low.isascii() else (*_ADVICE, *_ADVICE_ZH):
        found = pattern.search(low, start, end if first is None else first.start())
        first = found or first
    return first
