"""A word that was typed twice: "the the", "的的"."""

import re
from collections.abc import Iterator

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.compiling import later
from paperlane.model.documents import BlockKind, Severity

_ENGLISH = later(
    r"(?<![\w'’./\\-])([A-Za-z]++)(?:[ \t]+|[ \t]*\r?\n[ \t]*)(\1)(?![\w'’-]|\.\w|\s*[=({])", re.IGNORECASE | re.ASCII
)
_MEANT = frozenset(
    {"that", "had", "bye", "blah", "hear", "knock", "so", "very", "no", "ha", "yada", "tut", "there", "long", "many"}
)
_BEGINS = later(r"(?:^|[.!?:][\"'”’)]*\s)\W*$", re.ASCII)
# Only what stands twice by no right: 并并 is part of 合并并推送, 及及 of 以及及时, 是是 of 但是是否, 应应 of 响应应在.
# 的的 may hold 目的, 的士 or 的确. A word that begins another one may stand behind itself: 测试测试用例.
_CHINESE = later(
    r"(?<![目标])(的)的(?![确士])|([或但而且])\2|(?<![响对相供适反效感呼回])(应)应(?![用急答聘变])|"
    r"(?<![存现所正实潜内外])(在)在|(?<![参给])(与)与|"
    r"(?<![关对由基属等高低位处至大小鉴便介过终善])(于)于|(?<![温饱中共总平附])(和)和(?![气美谐睦])|"
    r"(?<![所没只含拥具享])(有)有(?![效限关序机害利趣无])|(?<![认作成行因分转称])(为)为(?!了|何)|"
    r"(?<![可所足得予加用难])(以)以(?![及上下内外前后便来])|(?<![及尤])(其)其(?![他它中余次实])|(?<![不])(也)也(?!许)|(都)都|"
    r"(?<![可不但就还总凡于要只而若正])(是)是(?!否)|(?<![性功可智职才技节])(能)能(?![力够源量])|"
    r"(?<![机社协学委议])(会)会(?![议员])|(?<![达收直遇得])(到)到(?![达期])|(?<![相针面])(对)对(?![象应于方比])|"
    r"(?<![若以])(及)及(?!时)|(?<![合])(并)并(?![行发推])|(?<![活应])(该)该|"
    r"(?<![即])(将)将(?!来)|(?<![自理缘])(由)由|(须)须(?!知)|(被)被|(把)把|(从)从(?![属容])|"
    r"(?<![为除不罢极走到明临算知])(了)了(?!解|结|然|事|如|却|得)|(?<!身)(未)未(?!来|必)|"
    r"(?<![其当前空适市高暗集期])(中)中(?!心|间|断|文|国|央|止|继|等|性|午|部|期|立|途)|"
    r"(?<![落最然以之随先前今事此其背])(后)后(?!续|台|期|退|者|果|面|端|缀)|(?<![以之国室境体年月日周])(内)内(?!部|容|存|外|置|核|网|嵌)|"
    r"(?<![以之马早晚线加])(上)上(?!传|报|线|级|下|述|限|一|次|游|升)|(?<![方趋导意倾流定面走])(向)向(?!量|导|上|下|前|后)|"
    r"(?<![成早迁造])(就)就(?!绪|是|地|近|业)|(?<![应相恰适每正担])(当)当(?!前|时|地|日|天|事|然)|(?P<few>[按给至若则])(?P=few)|(?P<long>(?![\u4e00-\u9fff]{0,4}什么)[\u4e00-\u9fff]{3,6})(?P=long)|(?<![必急所供无])(需)需(?![求要])|"
    r"(?P<two>但是|并且|而且|或者|以及|如果|因为|所以|可以|进行|需要|必须|应该|应当|不得|我们|他们|根据|已经|没有|这个|其中|"
    r"为了|对于|关于|由于|能够|或者|同时|然后)(?P=two)|"
    r"(?P<verb>通过|使用|实现|支持|提供)(?P=verb)(?![者率量类商方])|"
    r"(?P<pair>[\u4e00-\u9fff](?<![一二三两几每很非])[\u4e00-\u9fff])(?P=pair)(?![管用工集设案程者员人方商率量类性化级学法论])"
)
# quick looks before the slow ones
_TWICE = later(r"\b([a-z]++)\s+\1\b", re.ASCII)
_TWICE_ZH = later(r"([\u4e00-\u9fff]{1,6})\1")


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        if prose.block.kind is BlockKind.TABLE_CELL and len(prose.text) < 20:  # noqa: PLR2004  a cell's two short values
            continue
        for found in _ENGLISH.finditer(prose.text) if _TWICE.search(prose.low) else ():
            if not _meant(prose.text, found):
                yield prose.finding(*found.span(), {"word": found[1]})
        for found in _chinese(prose.text) if prose.chinese else ():
            half = found.start() + len(found[0]) // 2
            yield prose.finding(*found.span(), {"word": prose.said(found.start(), half)})


def _chinese(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while (twice := _TWICE_ZH.search(text, at)) is not None:
        found = _CHINESE.match(text, twice.start())
        at = found.end() if found is not None else twice.start() + 1
        if found is not None:
            yield found


def _meant(text: str, found: re.Match[str]) -> bool:
    """Is it no slip? "The the" is one at the beginning of a sentence; "table Table" is a thing and its name."""
    word, again = found[1], found[2]
    if word != again:
        begins = _BEGINS.search(text, max(0, found.start() - 6), found.start()) is not None
        return not (begins and word.istitle() and again.islower())
    return word.lower() in _MEANT or again[0].isupper() or (len(word) == 1 and word != "a")


CHECK = Check(
    name="doubled-word",
    title={"en": "Doubled word", "zh": "重复的字词"},
    why="A word typed twice is a slip that makes a reader stop, and sometimes hides a missing word.",
    category="language",
    severity=Severity.WARNING,
    confidence=0.9,
    scope=Scope.PASSAGE,
    find=_find,
    profiles=SOUND,
    messages={"en": "“{word}” stands twice.", "zh": "“{word}”重复出现。"},
    suggestions={"en": "Delete one, or write the word that is missing.", "zh": "请删除多余的一个，或补上遗漏的字词。"},
    flags=(
        "阀门关闭后后应上锁。",
        "司机等待等待信号，钥匙挂于于墙上。",
        "It opens the the door.",
        "This is is wrong.",
        "It is open. The the door is shut.",
        "系统的的功能如下。",
        "用户可以可以登录。",
        "它打开the the门。",
        "系統記錄日誌，並且並且通知用戶。",
        "用户可以\n可以登录。",
        "系统应应记录日志，系统系统须记录。",
    ),
    passes=(
        "阀门关闭后后台上锁，除了了解情况的人。",
        "He said that that was right.",
        "They had had enough.",
        "系统常常需要看看日志。",
        "的的确确如此。",
        "合并并推送，以及及时通知，但是是否完成未知。",
        "目的的方法不同，主从从属关系一个一个地建立。",
        "此文件系统系统管理员可用，使用使用者账户。",
        "A B B tree has nodes.",
        "Each row of table Table is deleted.",
        "Lock lock = new Lock();",
        "响应应在两秒内完成，测试测试用例，存在在线用户。",
        "Threat description\nDescription of the threat",
    ),
)
