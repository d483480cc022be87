"""Words that oblige somebody, in English and Chinese, and the clauses that hold them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from paperlane.checks.sentences import LABEL, clauses

_UNQUOTED = r"(?<![\"“”'‘’])\b(?:{})\b(?![\"”'’])"  # a word in quotes is spoken of

ENGLISH = re.compile(_UNQUOTED.format(r"(?:shall|must)(?:\s+not)?"), re.IGNORECASE | re.ASCII)
"""What must be. `will` and `need` are left out: they tell as often what happens."""

# 应, 须 and 需 are parts of many words that oblige nobody: 响应, 对应, 应用, 应对; 无须, 须知; 按需, 只需.
# 不得不 is no ban.
CHINESE = re.compile(
    r"(?<![“「『\"])(?:必须|应当|应该|不得(?![不已])|(?<![按所无必急刚供仅只])需(?![要求])|(?<![必无毋])须(?!知)|"
    r"(?<![对响相供适反效感呼])(?<![^返]回)应(?![用急答聘声付届景季收]|力(?![求争图])|变(?![为成更得绿红黄灰黑白蓝暗亮大小])|有[的尽]|对(?![接外内齐标]|.{0,30}?(?:进行|加以|予以|给予|[作做]出|实施|采取|提供|发出|[报告预]警|执行))))"
    r"(?![”」』\"])"
)
"""What must be or should be. 需要 and 要求 are left out: they tell as often what somebody wants."""

# what is built "will" and "needs to" by the document's word; what else does tells how the world is
_BUILT_WORDS = (
    "system", "software", "application", "service", "server", "client", "module", "component", "interface", "product",
    "solution", "tool", "device", "platform", "api", "database", "website", "app", "backend", "back-end", "frontend",
    "front-end", "gateway", "controller",
)  # fmt: skip
_BUILT = rf"(?:{'|'.join(_BUILT_WORDS)})s?"
_BUILT_ZH = (
    "系统|平台|软件|服务|模块|接口|设备|产品|程序|页面|网站|客户端|服务器|服务端|数据库|终端|网关|后台|前端|后端|组件"
)
_ADVICE = re.compile(
    _UNQUOTED.format(r"shall|must|should|(?:is|are)\s+(?:required|obliged)\s+to")
    + rf"|\b{_BUILT}\s+(?:will|needs?\s+to|ha(?:s|ve)\s+to|(?:is|are)\s+(?:expected\s+)?to)\b|{CHINESE.pattern}|"
    rf"(?:{_BUILT_ZH})(?:还|均|都|也|总是|至少)?(?:需要|要(?![求点素么不是]))|务必|严禁",
    re.ASCII,
)
_OF_ADVICE = re.compile(r"[应须需要务严]|不得")
_OBLIGE = ("shall", "must", "should", "required", "obliged")
_PROMISE = ("will", "need", "has to", "have to", "is to", "are to", "expected")


@dataclass(frozen=True, slots=True)
class Clause:
    """What obliges somebody, `start:end` of its block: by the words from `at` to `after`, or by its list's lead.

    There both are its start.
    """

    start: int
    end: int
    at: int
    after: int


def obliges(low: str, lead: str = "") -> bool:
    """Does a block, in lower case, hold words that oblige somebody, or the `lead` of the list that it is an item of?"""
    return _leads(lead) or _obliges(low)


def duties(low: str, clauses_: Iterable[tuple[int, int]], lead: str = "") -> Iterator[Clause]:
    """Of a block's clauses, in lower case, those that oblige somebody, each with the first words that do.

    What follows a colon, as items or halves of its sentence, is obliged by what stands before it; so is the first
    sentence of an item whose list is introduced so.
    """
    led = _leads(lead)
    first, carried = True, False
    for start, end in clauses_:
        found = _ADVICE.search(low, start, end)
        if found is not None:
            yield Clause(start, end, *found.span())
            carried = _COLON.search(low, found.end(), end) is not None
        elif (led and first) or (carried and (LABEL.match(low, start, end) or low[end - 1] in ";；")):
            yield Clause(start, end, start, start)
        else:
            carried = False
        first = False


_COLON = re.compile(r"[:：](?!\d)")


def _leads(lead: str) -> bool:
    """Does the last clause of what introduces a list oblige somebody?"""
    if not lead or not _obliges(lead):
        return False
    *_, (start, end) = clauses(lead)
    return _ADVICE.search(lead, start, end) is not None


def _obliges(low: str) -> bool:
    """A quick look before the slow one: most blocks hold none of the letters of such words."""
    if not any(word in low for word in _OBLIGE):
        chinese = not low.isascii() and _OF_ADVICE.search(low) is not None
        if not chinese and not (any(word in low for word in _PROMISE) and any(word in low for word in _BUILT_WORDS)):
            return False
    return _ADVICE.search(low) is not None
