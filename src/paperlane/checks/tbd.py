"""Places that somebody meant to fill in later: TBD, TODO, 待定."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Self

from paperlane.checks import SOUND, Check, Finding, Scope, Subject
from paperlane.checks.subject import Prose
from paperlane.checks.vocabulary import vocabulary
from paperlane.compiling import later
from paperlane.model.documents import Severity

_SETTLED = (
    "确定|明确|敲定|决定|商定|选定|给出|补充|说明|定义|提供|描述|细化|完善|落实|规定|约定|指定|拟定|制定|填写|"
    "补齐|补全|量化"
)
_ASKED = (  # what somebody does until it is settled
    "讨论|研究|协商|评估|论证|商议|商讨|调研|审批|确认|澄清|批准|核实|商榷|斟酌|考证|洽谈|谈判|征求意见|议定|审定|评审"
)
_TODO = (  # what somebody still has to do for it
    rf"{_ASKED}|修订|修改|调整|测算|核算|计算|实测|测定|校核|复核|查证|设计|选型|分配|通知|公布|发布|批复|答复|回复|反馈|编写|编制|撰写|"
    "起草|整理|收集|扩充|充实|添加|填入|商量|考虑|查|核|测|验证|决策|更新|续"
)
_STOP = r"(?=\s*(?:[，。；）)】＞>]|$))"
_UNIT = (
    r"(?=\s?(?:ms|s|min|h|mm|cm|m|km|kg|g|V|A|W|kW|°C|℃|%|dB|[kMG]?Hz|[KMG]B|bit/s|bytes?|bits?|(?:milli|micro)?seconds?|minutes?|hours?|"
    r"days?|weeks?|months?|years?|users?|meters?|metres?|degrees?|percent|times|秒|毫秒|分钟|小时|天|周|个|月|年|次|条|米|毫米|千克|伏|"
    r"安|瓦|度|人|元|台|位|页|件|字节|兆)(?![A-Za-z]))"
)
_AFTER = r"(?:(?<=\bbe\s)|(?<=\bis\s)|(?<=\bof\s)|(?<=[为是:：])|(?<=[为是:：]\s))"
_MARK = later(
    # what any of these begins with: to look at each sign for all of them would take many times as long
    r"(?=[TtFxXnNyYzZ_?？×Ｘ○〇□（(【＜《上下与两业争于亟今仍从以供修其具再初制协占双另各合后同向和商在处完实审容将尚届开征待悬批招拟择斟新方日暂有"
    r"未本某核此正没洽测澄甲留略目研确稍空等签编考联讨议论设评试该调谈起还这适选需项验])(?:"
    r"(?<![\w-])(?:(?:TBD|TBC|TBA|TBS|TBR|TODO|FIXME|XXX)s?(?:[-_ #]?\d{1,4})?(?![\w-])|"
    r"T\.B\.[ACDRS]\.?|t\.b\.[acdrs]\.?)|"
    r"(?<![\w.-])[Tt][Bb][ACDacd](?![\w-])|(?<![\w-])[Tt]o[ -]?[Dd]o(?=\s?[:：])|"
    rf"\?{{3,}}|？{{3,}}|{_AFTER}(?:[xXＸ×○〇□]{{2,}}|_{{3,}}|某某|[?？]{{1,2}})(?=[.。;；,，]?\s*$)|[×○〇□]{{3,}}|{_AFTER}[?？]{{1,2}}{_UNIT}|(?:\(\s{{1,4}}\)|（\s{{0,4}}）){_UNIT}|"
    rf"(?<![\w.])(?:[xXＸ×○〇□]{{2,4}}|[nNyYzZ]{{2,4}}|[?？]{{2}}|_{{2,}}){_UNIT}|"
    r"未定(?![一-龥])|"
    rf"(?:尚未|还未|仍未|还没有?|暂未|未最终)(?:最终)?(?:{_SETTLED}|{_ASKED}|定(?!稿)){_STOP}|"
    rf"(?:将|拟)?(?:在|于|留待|留到)?(?:下一?|后续|以后|今后|未来|新|另一)(?:个|的|一)?(?:版本?|阶段|修订版?|迭代|期|稿)[中里内]?"
    rf"(?:再|另行)?(?:{_SETTLED})|"
    rf"(?:将|拟)?(?:在|于|待|留待|(?<=[\s一-龥])(?=(?:评审|合同|签约|招标|方案|需求)))(?:[一-龥]{{0,4}}(?:设计|开发|研制|实施|编码|测试|联调|评审|初样|正样|合同|方案|招标|项目|需求|试运行|上线|签约|验收))"
    rf"[一-龥]{{0,4}}?(?:阶段|过程|期间|时|后|中)中?(?:再|另行|进一步)?(?:{_SETTLED}){_STOP}|"
    rf"(?:尚|仍|还|正|目前)在?[一-龥]{{0,2}}?(?:{_ASKED}|编写|编制|起草|制定|测算|选型)(?:之?中|阶段)?{_STOP}|"
    rf"(?:正在|处于)?(?:{_ASKED}|拟定|制定|编制|编写|起草|完善|争论|调查|修订|选型)(?:之)?中{_STOP}|悬而未决|未决(?!定)|"
    rf"(?:暂缺|暂无|待续|暂空|留空|后补|容后|再议|另议|另定|再定|占位(?![符宽])|[尚暂]无(?:定论|结论|数据|依据|方案)|没有定论)(?:[一-龥]{{2}})?(?=[：:]|\s*(?:[，。；）)】]|$))|"
    rf"(?:[尚仍还暂]|目前)(?:[不未]|不太|还不|尚不|仍不)(?:明[确晰]?|确定|清楚|清晰|定|详|知){_STOP}|"
    rf"(?:有待|尚待|尚需|还需|仍需|还须|仍须|需要?进一步|有必要进一步|亟待)(?:进一步|后续|继续)?(?:{_SETTLED}|{_TODO}){_STOP}|"
    rf"(?:未|没有)(?:{_SETTLED})(?=[。；）)]|\s*$)|"
    rf"后续(?:再|另行|进一步)?(?:补充|完善|确定|明确|给出|细化|再定|提供|通知|约定|商定|公布){_STOP}|"
    rf"(?:另行|再行|以后再?|日后再?|后期再?|稍后再?|届时再?|将来再?|择[期机日]再?|另择|适时|下一?步再?)(?:{_SETTLED}|通知|商议|告知|公布|讨论|定|议){_STOP}|"
    rf"(?:双方|各方|供需双方|甲乙双方|[与同和][一-龥]{{2,8}})(?:另行|共同|友好)?(?:协商|商议|商讨|讨论)(?:确定|决定|约定|解决|后确定|而定|一致后确定){_STOP}|"
    r"(?<![策战忽简大谋胆方侵粗概要省])略(?=[。；]|\s*$)(?<=[一-龥：:（(]略)|(?:从略|(?:此处|以下|其余|具体内容)(?:省略|略去))(?=[。；）)]|\s*$)|"
    r"[（(【＜《](?:此处|这里|在此|请)[^）)】＞》\n]{0,3}?(?:填写|补充|插入|描述|说明|添加|填入|写)[^）)】＞》\n]{0,20}[）)】＞》]|"
    rf"待[一-龥]{{2,8}}?(?:后|时)(?:再|另行)?(?:{_SETTLED}|定){_STOP}|(?:暂时?)?空缺{_STOP}|等待[一-龥]{{2,6}}(?:意见|答复|批复|反馈|定论|结论){_STOP}|"
    rf"(?:正(?:在)?|需要?|仍需|还需)[与同和向][一-龥]{{2,8}}?(?:沟通|{_ASKED}|商定){_STOP}|"
    r"暂(?:按|以|定为|取|设为?)(?=[^，。；]{1,12}(?:考虑|为准|计|处理|[。；，]))|"
    r"暂定(?![价金名])|(?:此[处项]|本[节项]|这里|该[处项])?(?:(?<=[日工周限长假]期)|(?<![等期对看接招]))待(?:定(?![义位向时期级制价购系])|补充|完善|明确|"
    r"[补填](?![一-龥]{0,3}[的率])|(?:进一步|后续|最终|双方|各方|客户|业主|甲方|用户|[一-龥]{2,4}(?:部门?|方|组|会|人员))"
    rf"(?:{_SETTLED}|确认|讨论|批准|补充|提供|答复)|(?:{_SETTLED}|{_TODO}|议)(?:(?![一-龥])|(?=[事内问项]))))",
    re.ASCII,
)
_NAME = (
    r"(?:value|number|date|name|limit|unit|tolerance|time|amount|duration|text|range|percentage|n+|x+|y+|z+|tb[acdrs])"
)
_BLANK = later(  # where something shall be written
    r"[<\[](?:(?<![`\w].)\s*(?:(?:please\s+)?(?:fill\s+in|(?:insert|enter|add|specify|complete|describe|define)\s+[a-z])[^<>\[\]`\n]{0,40}|"
    r"to\s+be\s+\w+(?:\s+\w+)?|placeholder|tb[acdrs])\s*[>\]](?![(`])|"
    rf"(?:(?<=\bbe\s.)|(?<=\bis\s.)|(?<=\bof\s.)|(?<=\bwithin\s.)|(?<=\bthan\s.)|(?<=\bleast\s.)|(?<=\bexceed\s.)){_NAME}[>\]](?![(`]))",
    re.IGNORECASE | re.ASCII,
)
_HERE = later(r"\b(?:please\s+)?(?:insert|fill\s+in|add|enter)\s+(?:\w+\s+){1,4}here\b", re.IGNORECASE | re.ASCII)
_THOUGHT = (
    r"decision|advice|opinion|confirmation|approval|clarification|input|agreement|feedback|review|answer|reply|outcome|results?|response|"
    r"analysis|information|trade-?off|study|discussion|definition|investigation|negotiation|detail(?:s|ing)?|elaboration|work|"
    r"refinement|consideration"
)
_UNDECIDED = (  # said of it
    r"(?:still|yet|currently|as\s+yet|so\s+far|presently)\s+(?:open|undecided|unclear|unknown|unresolved|undefined|unspecified|pending|missing|"
    r"outstanding|undetermined|under\s+\w+|in\s+(?:work|discussion|progress))|left\s+(?:open|blank|undefined)|an?\s+open\s+(?:point|issue|question|item)|undecided|unresolved|"
    r"undetermined|under\s+(?:discussion|negotiation|investigation|consideration|study|review|clarification|construction|evaluation|assessment|analysis)|"
    rf"(?:awaiting|awaits|pending|subject\s+to)\s+(?:[\w'’]+\s+){{0,3}}?(?:{_THOUGHT})(?:\s+(?:by|of|from|with)\s+(?:[\w'’]+\s*){{1,4}})?|"
    rf"(?:an?\s+matter\s+for|in\s+need\s+of)\s+(?:further|more|additional|some)\s+(?:{_THOUGHT})|"
    rf"for\s+(?:(?:further|additional)\s+(?:{_THOUGHT})|(?:more|some)\s+(?:discussion|negotiation|clarification|consideration))|"
    r"(?:details?|values?|more|text|figures?)\s+(?:to|will)\s+(?:follow|come)|to\s+(?:come|follow)|(?:an?\s+|the\s+)?placeholder(?:\s+(?:for|text)\b[^.]{0,60})?|"
    r"work\s+in\s+progress|(?:still\s+)?being\s+(?:discussed|negotiated|clarified|investigated|decided|worked\s+out)|still\s+being\s+(?:defined|finali[sz]ed|written)|"
    r"(?:unknown|unclear|not\s+known|undecided)\s+(?:yet|at\s+(?:this|the)\s+(?:time|moment|stage|point)|at\s+present)|"
    r"not\s+(?:decided|defined|determined|specified|agreed|known|fixed|settled|clear|available|chosen|set)\s+(?:yet|so\s+far|as\s+yet)|open\s+(?:point|issue|question|item)s?|"
    r"(?:not\s+|un)(?:finali[sz]ed|decided|agreed(?:\s+upon)?)|(?:only\s+)?(?:provisional|tentative|preliminary)|anybody['’]s\s+guess|coming\s+soon|"
    r"lorem\s+ipsum[^.]{0,60}"
)
_DECISIONS = (
    r"defined|determined|specified|agreed(?:\s+(?:up)?on)?|decided(?:\s+upon)?|clarified|finali[sz]ed|negotiated|discussed|resolved|"
    r"established|confirmed|fixed|settled|quantified|worked\s+out|detailed|elaborated|refined"
)
_MADE = (
    r"defined|specified|determined|decided|detailed|agreed|finali[sz]ed|described|clarified|added|provided|supplied|"
    r"completed|given|chosen|set|listed|documented|confirmed|established|fixed|settled|refined|elaborated|selected|filled\s+in"
)
_STAGES = (
    r"(?:design|phase|development|implementation|stage|project|integration|negotiations?|review|workshop|kick-?off|pdr|cdr|srr|"
    r"contract|analysis|detailing|commissioning|prototyping|tests?|testing)"
)
_LATER = (
    r"(?:later|subsequently|afterwards|separately|at\s+a\s+later\s+(?:date|time|stage|point)|in\s+due\s+(?:course|time)|in\s+(?:an?|the|some)\s+"
    r"(?:later|future|next|subsequent|following|coming|separate|forthcoming|final|upcoming)\s+"
    r"(?:version|release|revision|phase|stage|issue|edition|draft|iteration|document|update|baseline)|"
    rf"(?:during|in|at|after|before|by|following|upon)\s+(?:the\s+)?(?:[\w-]+\s+){{0,2}}?{_STAGES})"
)
_DECIDED = later(
    rf"(?<![\w“\"'‘「-])(?:to\s+be\s+(?:determined|confirmed|announced|decided|filled\s+in)|(?:yet|still|"
    r"remains?)\s+to\s+be\s+(?:\w+ed|chosen|set|written|found|known|made|given|drawn)|"
    r"(?:not\s+yet|yet\s+not|(?:has|have)\s+not|(?:has|have)\s+yet\s+to)\s+(?:been\s+|be\s+)?(?:defined|decided|determined|specified|agreed|known|finali[sz]ed|"
    r"confirmed|chosen|set|fixed|settled|selected|written|available|clear|approved|clarified|established|resolved|quantified|received)|"
    rf"(?:needs?|requires?|in\s+need\s+of)\s+(?:further|more|additional|some)\s+(?:{_THOUGHT})|"
    r"(?:must|shall|should|needs?\s+to|ha(?:s|ve)\s+to)\s+(?:still|yet)\s+be\s+\w+ed|(?:needs?|ha(?:s|ve))\s+to\s+be\s+(?:clarified|agreed|decided|"
    r"negotiated|discussed|finali[sz]ed)|(?:this\s+)?(?:section|chapter|paragraph|clause|table|text|content|figure|description|details?)\s+"
    r"(?:(?:is|are)\s+(?:still\s+)?(?:incomplete|unfinished|missing|not\s+(?:yet\s+)?(?:complete|written))|missing)|note\s+to\s+self|"
    r"no\s+(?:decision|value|agreement|figure|limit|date|number|choice)\s+(?:has|have)\s+(?:yet\s+)?been\s+\w+(?:\s+yet)?|"
    rf"(?:(?:will|shall|is\s+going\s+to|can\s+only)\s+be\s+(?:{_MADE})\s+{_LATER}|to\s+be\s+(?:{_MADE})(?=\s+{_LATER})))(?![\w-])",
    re.ASCII,
)
_DEFINED = later(
    rf"(?<![\w-])to\s+be\s+(?:{_DECISIONS}|added|completed|provided|supplied|advised|written|drafted|selected|chosen|set|inserted|"
    r"filled|issued|estimated|documented|described|identified|assigned|updated|"
    r"announced|developed|investigated|continued)(?![\w-])",
    re.ASCII,
)
_OPEN = later(rf"(?<![\w“\"'‘「-])(?:{_UNDECIDED})(?![\w-])", re.ASCII)
_ENABLED = later(r"\b(?:allow|enabl|permit|caus|requir|possibl)\w*(?:\s+[\w-]+){0,6}\s+$", re.IGNORECASE | re.ASCII)
_ALONE = later(
    r"(?:^|[.,!?:：(（\[–—-]|\b(?:is|are|be|remains?|yet|still|(?:still|yet)\s+(?:needs?|has|have))\s)\s*$",
    re.IGNORECASE | re.ASCII,
)
_SAID = later(
    r"(?:^|[.:：(（\[–—-]|\b(?:is|are|be|remains?|currently|(?<!\w)(?:value|limit|figure|threshold|requirement|point|section|number|format))\s)\s*$",
    re.IGNORECASE | re.ASCII,
)
_ENDS = later(
    r"\s*(?:[.!?;:)\]。；）]|$)|\s+(?:later|soon|with\s+the|between\s+the|in\s+(?:agreement|coordination|consultation)|during\s+the|"
    r"and\s+(?:may|might|can|will)\s+change|before\s+the|jointly|together)\b",
    re.IGNORECASE | re.ASCII,
)
_IF = later(r"\b(?:if|when|while|until|unless|whether|as\s+long\s+as|because)\b[^.;]*$", re.IGNORECASE | re.ASCII)
_WINDOW = 80
_SIGNS = (
    "?", "？", "__", "×", "○", "〇", "□", "ｘ",
    "( )", "（）", "（ ）",
)  # fmt: skip
_OF_MARKS = ("tb", "todo", "fixme", "xx", "nn", "yy", "zz")  # what words begin with
_DONE = (
    "added advised agreed announced assigned chosen clarified completed confirmed continued decided defined described "
    "detailed determined developed discussed documented drafted elaborated established estimated filled finalised "
    "finalized fixed given identified inserted investigated issued listed negotiated provided quantified refined "
    "resolved selected set settled specified supplied updated worked written"
)
# words without which no block says so, of each group one
_OF_DECIDED = (
    ("be", f"{_DONE} remain remains"), ("yet still",),
    ("has have", "not", f"{_DONE} approved available clear known received"),
    ("no", "been", "decision value agreement figure limit date number choice"), ("self",),
    ("need needs require requires", "further more additional some"),
    ("incomplete unfinished missing complete written", "is are missing"),
)  # fmt: skip
_OF_OPEN = (
    ("undecided unresolved undetermined unknown unclear placeholder progress awaiting awaits pending being under",),
    ("provisional tentative preliminary lorem guess soon left known agreed decided unagreed follow come coming",),
    ("finalized finalised unfinalized unfinalised",),
    ("still yet currently far presently", "open undefined unspecified missing outstanding work discussion not"),
    ("open", "point points issue issues question questions item items"),
    ("subject", "to"), ("further additional", "for of"), ("need matter", "more some"),
    ("more some", "discussion negotiation clarification consideration"),
)  # fmt: skip


def _find(subject: Subject) -> Iterator[Finding]:
    signs = _Signs.of(subject)
    explained = set(_explained(subject.prose, signs))
    for prose in subject.prose:
        if not signs.hint(prose) or (prose.block.table, prose.block.row) in explained:
            continue
        for found in (*_open(prose, signs), *_blank(prose.written)):
            yield prose.finding(*found.span(), {"word": prose.said(*found.span())})


@dataclass(frozen=True, slots=True)
class _Signs:
    """The blocks of a document that hold a sign of such a mark or phrase, by where they start; few do."""

    marks: Collection[int]
    decided: Collection[int]
    open: Collection[int]
    here: Collection[int]

    @classmethod
    def of(cls, subject: Subject) -> Self:
        """Those in the whole document, looked for once."""
        whole = subject.of or subject
        found: Self | None = whole.kept.get(CHECK.name)
        if found is None:
            reading, words = whole.reading, vocabulary(whole)
            marked = words.alike(lambda word: any(part.startswith(_OF_MARKS) for part in word.split("-")))
            spelled = words.holding(["t"], ["b"]) | words.holding(["to"], ["do"])
            marks = reading.holding(*_SIGNS) | words.holding([*marked, "to-do"]) | spelled
            here = reading.holding(" here")
            decided, open_ = (
                {*chain.from_iterable(words.holding(*map(str.split, groups)) for groups in signs)}
                for signs in (_OF_DECIDED, _OF_OPEN)
            )
            found = cls(*({one.block.start for one in reading.at(blocks)} for blocks in (marks, decided, open_, here)))
            whole.kept[CHECK.name] = found
        return found

    def hint(self, prose: Prose) -> bool:
        """May something be open in a block? In most nothing is."""
        at, written = prose.block.start, prose.written
        return (
            at in self.marks or at in self.decided or at in self.open or prose.chinese
            or "<" in written or "[" in written or at in self.here
        )  # fmt: skip


def _explained(blocks: Sequence[Prose], signs: _Signs) -> Iterator[tuple[int, int]]:
    """Rows of a glossary that say what such a mark means."""
    for first, second in pairwise(blocks) if signs.marks else ():
        if (
            second.block.column > 1
            and first.block.start in signs.marks
            and _MARK.fullmatch(first.text.strip())
            and _DECIDED.fullmatch(second.low.strip())
        ):
            yield second.block.table, second.block.row


def _blank(written: str) -> Iterator[re.Match[str]]:
    """What a reader shall write; a name in angle brackets may look like a tag, so that the text itself has none."""
    yield from _BLANK.finditer(written)
    yield from _HERE.finditer(written)


def _open(prose: Prose, signs: _Signs) -> Iterator[re.Match[str]]:
    """Marks wherever they stand; phrases that may also tell what a program does, only where they hardly do.

    What is to be decided is mostly open, but for "lets it be decided" and "the orders to be confirmed are listed";
    programs define and specify, so there nothing more may be said.
    """
    at, text = prose.block.start, prose.low
    if at in signs.marks or prose.chinese:
        yield from _MARK.finditer(prose.text)
    if at in signs.decided:
        for found in _DECIDED.finditer(text):
            if not _before(_ENABLED, text, found) and (_before(_ALONE, text, found) or _ENDS.match(text, found.end())):
                yield found
        for found in _DEFINED.finditer(text):
            if _before(_ALONE, text, found) and _ENDS.match(text, found.end()):
                yield found
    if at in signs.open:
        for found in _OPEN.finditer(text):
            if _before(_SAID, text, found) and not _before(_IF, text, found) and _ENDS.match(text, found.end()):
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
        "The delay is nn ms.",
        "The launch is at T-xx min.",
        "To do: ask the client.",
        "The room is ( ) m long.",
        "The price is for more discussion.",
        "Insert the name\nhere.",
        "颜色需与业主确认。",
        "价格由供需双方商讨确定。",
        "The pause is XX seconds.",
        "The fee needs further clarification.",
        "The date will be fixed during the detailed design.",
        "The pause is <TBD>.",
        "流程将在详细设计阶段确定。",
        "数值尚不明确，颜色需与业主确认。",
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
        "If the file is not finalized, it is deleted.",
        "参数可以省略，主节点在启动过程中确定。",
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
