"""Places that somebody meant to fill in later: TBD, TODO, 待定."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from paperlane.checks import SOUND, Check, Finding, Prose, Scope, Subject
from paperlane.model.documents import Severity

_SETTLED = "确定|明确|敲定|决定|商定|选定|给出|补充|说明|定义|提供|描述|细化|完善|落实|规定|约定|指定|拟定|制定|填写"
_MARK = re.compile(
    r"(?<![\w-])(?:(?:TBD|TBC|TBA|TBS|TBR|TODO|FIXME|XXX)(?![\w-])|T\.B\.[ACD]\.)|(?<![\w.-])[Tt][Bb][ACDacd](?![\w-])|"
    r"\?{3,}|？{3,}|(?:(?<=[:：])|(?<=[:：]\s))(?:[xXＸ×○□]{2,}|_{3,}|某某)(?=[.。;；,，]?\s*$)|[×○□]{3,}|(?<![\w.])[xX]{2,3}(?=\s?(?:ms|s|min|%|[KMG]B|Hz|秒|毫秒|分钟|小时|天|个|次|条|%)(?![A-Za-z]))|"
    r"未定(?![一-龥])|"
    rf"(?:尚未|还未|仍未|还没有?|暂未|未最终)(?:最终)?(?:{_SETTLED})(?=[，。；）)]|\s*$)|"
    rf"(?:将|拟)?(?:在|于|留待|留到)?(?:下一?|后续|以后|今后|未来|新|另一)(?:个|的|一)?(?:版本?|阶段|修订版?|迭代|期|稿)[中里内]?"
    rf"(?:再|另行)?(?:{_SETTLED})|(?:尚|仍|还)在?(?:讨论|研究|协商|评估|论证|商议|调研|审批)(?:之?中|阶段)?(?=[，。；）)]|\s*$)|"
    r"(?:正在|处于)?(?:讨论|研究|协商|评审|审批|论证)中(?=[，。；）)]|\s*$)|悬而未决|未决(?!定)|"
    r"(?:暂缺|暂无|待续|暂空|留空|后补|容后|再议|另议|另定|再定|占位(?![符宽])|尚无定论|没有定论)(?:[一-龥]{2})?(?=[，。；）)】]|\s*$)|"
    rf"(?:有待|尚待|尚需|还需|仍需|还须|仍须|需要?进一步)(?:进一步)?(?:{_SETTLED}|讨论|确认|商议|研究|协商|澄清|验证|批准)(?=[，。；）)]|\s*$)|"
    rf"(?:未|没有)(?:{_SETTLED})(?=[。；）)]|\s*$)|(?:起草|编写|整理|更新|拟定|制定|完善|洽谈|谈判|征求意见|商讨|争论|调查|测试|选型)(?:之)?中(?=[。；）)]|\s*$)|"
    r"后续(?:再|"
    r"另行)?(?:补充|完善|确定|明确|给出|细化|再定)(?=[，。；）)]|\s*$)|"
    rf"(?:另行|再行|以后再?|日后再?|后期再?|稍后再?|届时再?|将来再?)(?:{_SETTLED}|通知|商议|告知|公布|确定|商定|讨论|明确|定|补充)(?=[，。；）)]|\s*$)|"
    r"暂定(?![价金名])|(?:此[处项]|本[节项]|这里|该[处项])?(?:(?<=[日工周限长假]期)|(?<![等期对看接招]))待(?:定(?![义位向时期级制价购系])|补充|完善|明确|"
    r"[补填](?![一-龥]{0,3}[的率])|(?:进一步|后续|最终|双方|各方|客户|业主|甲方|用户|[一-龥]{2,4}(?:部门?|方|组|会|人员))"
    rf"(?:{_SETTLED}|确认|讨论|批准|补充|提供|答复)|(?:确定|决定|敲定|商议|研究|调研|论证|议|查|核|测|验证|批准|审批|决策|续|更新|"
    r"确认|讨论|填写|核实|商定|商榷|协商|细化|评估|提供|给出|落实|添加|编写)(?:(?![一-龥])|(?=[事内问项])))",
    re.ASCII,
)
_BLANK = re.compile(  # where something shall be written
    r"(?<![`\w])[<\[]\s*(?:(?:please\s+)?(?:fill\s+in|(?:insert|enter|add|specify|complete)\s+[a-z])[^<>\[\]`\n]{0,40}|"
    r"to\s+be\s+\w+(?:\s+\w+)?|placeholder)\s*[>\]](?![(`])|(?:please\s+)?(?:insert|fill\s+in|add|enter)\s+(?:\w+\s+){1,4}here\b",
    re.IGNORECASE | re.ASCII,
)
_UNDECIDED = (  # said of it
    r"(?:still|yet|currently|as\s+yet)\s+(?:open|undecided|unclear|unknown|unresolved|undefined|unspecified|pending|missing|"
    r"outstanding|under\s+\w+)|left\s+open|an?\s+open\s+(?:point|issue|question)|undecided|unresolved|"
    r"under\s+(?:discussion|negotiation|investigation|consideration|study|review|clarification)|"
    r"(?:awaiting|pending|subject\s+to)\s+(?:\w+\s+)?(?:decision|confirmation|approval|clarification|input|agreement|feedback|review)|"
    r"(?:details?|values?|more|text)\s+(?:to|will)\s+follow|to\s+(?:come|follow)|for\s+further\s+study|(?:an?\s+|the\s+)?placeholder|"
    r"work\s+in\s+progress|(?:still\s+)?being\s+(?:discussed|negotiated|clarified|investigated|decided|worked\s+out)|"
    r"(?:unknown|unclear|not\s+known|undecided)\s+(?:yet|at\s+(?:this|the)\s+(?:time|moment|stage|point)|at\s+present)|"
    r"not\s+(?:decided|defined|determined|specified|agreed|known|fixed|settled|clear|available|chosen|set)\s+(?:yet|so\s+far|as\s+yet)|open\s+(?:point|issue|question)s?"
)
_MADE = (
    r"defined|specified|determined|decided|detailed|agreed|finali[sz]ed|described|clarified|added|provided|supplied|"
    r"completed|given|chosen|set|listed|documented|confirmed"
)
_LATER = (
    r"(?:later|at\s+a\s+later\s+(?:date|time|stage)|in\s+due\s+course|in\s+(?:an?|the|some)\s+"
    r"(?:later|future|next|subsequent|following|coming|separate|forthcoming)\s+"
    r"(?:version|release|revision|phase|stage|issue|edition|draft|iteration|document|update))"
)
_DECIDED = re.compile(
    r"(?<![\w“\"'‘「-])(?:to\s+be\s+(?:determined|confirmed|announced|decided|filled\s+in)|(?:yet|still|"
    r"remains?)\s+to\s+be\s+(?:\w+ed|chosen|set|written|found|known|made|given|drawn)|"
    r"(?:not\s+yet|yet\s+not|(?:has|have)\s+not)\s+(?:been\s+)?(?:defined|decided|determined|specified|agreed|known|finali[sz]ed|"
    r"confirmed|chosen|set|fixed|settled|selected|written|available|clear|approved|clarified|established)|"
    rf"(?:(?:will|shall)\s+be\s+(?:{_MADE})\s+{_LATER}|to\s+be\s+(?:{_MADE})(?=\s+{_LATER})))(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_DEFINED = re.compile(
    r"(?<![\w-])to\s+be\s+(?:defined|specified|added|agreed|clarified|completed|provided|supplied)(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_OF_OPEN = re.compile(
    r"open|un\w+(?:ed|ear|nown)|pend|study|progress|being|come|placeholder|not\s|follow|under|await|subject|missing|outstanding",
    re.IGNORECASE,
)
_OPEN = re.compile(rf"(?<![\w“\"'‘「-])(?:{_UNDECIDED})(?![\w-])", re.IGNORECASE | re.ASCII)
_ENABLED = re.compile(
    r"\b(?:allow|enabl|permit|caus|requir|possibl)\w*(?:\s+[\w-]+){0,6}\s+$", re.IGNORECASE | re.ASCII
)
_ALONE = re.compile(r"(?:^|[.,!?:：(（\[–—-]|\b(?:is|are|remains?|yet|still)\s)\s*$", re.IGNORECASE | re.ASCII)
_SAID = re.compile(r"(?:^|[:：(（\[–—-]|\b(?:is|are|remains?|currently)\s)\s*$", re.IGNORECASE | re.ASCII)
_ENDS = re.compile(r"\s*(?:[.!?;)\]。；）]|$)|\s+(?:later|soon)\b", re.IGNORECASE | re.ASCII)
_WINDOW = 80
# a quick look before the slow one
_SIGNS = ("TB", "tb", "Tb", "T.B", "TODO", "FIXME", "XX", "xx", "??", "？？", "__", "××", "○○", "□□")
_SIGNS_ZH = re.compile(r"[未没待再行中尚仍还将拟版期稿暂缺无空补后议定位进×○□Ｘ]|暂定|后续|某某")


def _find(subject: Subject) -> Iterator[Finding]:
    explained = set(_explained(subject.prose))
    for prose in subject.prose:
        if (prose.block.table, prose.block.row) in explained:
            continue
        for found in (*_open(prose.text), *_blank(prose.written)):
            yield prose.finding(*found.span(), {"word": prose.said(*found.span())})


def _explained(blocks: Sequence[Prose]) -> Iterator[tuple[int, int]]:
    """Rows of a glossary that say what such a mark means."""
    for first, second in pairwise(blocks):
        if second.block.column > 1 and _MARK.fullmatch(first.text.strip()) and _DECIDED.fullmatch(second.text.strip()):
            yield second.block.table, second.block.row


def _blank(written: str) -> Iterator[re.Match[str]]:
    """What a reader shall write; a name in angle brackets may look like a tag, so that the text itself has none."""
    if "<" in written or "[" in written or " here" in written:
        yield from _BLANK.finditer(written)


def _open(text: str) -> Iterator[re.Match[str]]:
    """Marks wherever they stand; phrases that may also tell what a program does, only where they hardly do.

    What is to be decided is mostly open, but for "lets it be decided" and "the orders to be confirmed are listed";
    programs define and specify, so there nothing more may be said.
    """
    if any(sign in text for sign in _SIGNS) or (not text.isascii() and _SIGNS_ZH.search(text)):
        yield from _MARK.finditer(text)
    for found in _DECIDED.finditer(text):
        if not _before(_ENABLED, text, found) and (_before(_ALONE, text, found) or _ENDS.match(text, found.end())):
            yield found
    for found in _OPEN.finditer(text) if _OF_OPEN.search(text) else ():
        if _before(_SAID, text, found) and _ENDS.match(text, found.end()):
            yield found
    for found in _DEFINED.finditer(text):
        if _before(_ALONE, text, found) and _ENDS.match(text, found.end()):
            yield found


def _before(pattern: re.Pattern[str], text: str, found: re.Match[str]) -> bool:
    return pattern.search(text, max(0, found.start() - _WINDOW), found.start()) is not None


CHECK = Check(
    name="tbd",
    title={"en": "Open point", "zh": "待定内容"},
    why="What is still to be determined cannot be built or tested, and is easily forgotten.",
    category="completeness",
    severity=Severity.ERROR,
    confidence=0.95,
    scope=Scope.PASSAGE,
    find=_find,
    profiles=SOUND,
    messages={"en": "“{word}” marks a point that is still open.", "zh": "“{word}”表明此处内容尚未确定。"},
    suggestions={
        "en": "Decide it, or name who decides it and by when.",
        "zh": "请补全内容，或注明由谁在何时确定。",
    },
    flags=(
        "The contact is still open.",
        "The price is under discussion.",
        "The name is to be specified in the next issue.",
        "Weight: <fill in>",
        "此处待填；上限待商定。",
        "密级：XX",
        "The time-out is TBD.",
        "The time-out is tbd, the limit T.B.D.",
        "Retention: to be determined.",
        "To be confirmed by the customer.",
        "Retention: To Be Determined",
        "The retention is to\nbe decided.",
        "The retention is to be specified.",
        "超时时间：待定。",
        "数据格式待补充。",
        "超时为TBD秒。",
        "接口见TODO列表。",
        "格式未定，上限暂定5秒。",
        "超时时间：待\n  定。",
        "資料格式待補充，上限待確認。",
        "The rate is not yet defined, the limit remains to be agreed with the customer.",
        "The interface will be specified in a later version.",
        "The time-out is xx ms.",
        "参数值尚未确定；接口格式后续补充，指标另行确定。",
    ),
    passes=(
        "The valve is open.",
        "The door is under the roof.",
        "密级：A",
        "The time-out is 5 s.",
        "The todos of a user are listed.",
        "The expression is to be specified as a valid string.",
        "A call allows those parameters to be specified.",
        "Messages are not required to be defined.",
        "It lets the caller set what is to be provided to it, and allows the size to be determined at run time.",
        "The list of orders to be confirmed is shown.",
        "| Word | Meaning |\n|---|---|\n| TBD | to be determined |",
        "等待定义完成后再开始。",
        "等待确认后再发送，行为未定义，尚未定稿。",
        "超时时间为 5 秒。",
        "It will be removed in a future release.",
        "尚未确定的变量不参与计算。",
    ),
)
