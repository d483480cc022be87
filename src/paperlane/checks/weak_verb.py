"""Obligations whose verb no test can decide: "shall be able to", "shall support reporting", "应具备处理能力"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.modals import loose
from paperlane.checks.obligations import Clause, bordered
from paperlane.checks.sentences import LABEL
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Severity

_WHOM = (
    r"(?:(?:the\s+|an?\s+|its\s+|their\s+|each\s+)?(?:users?|operators?|administrators?|customers?|clients?|callers?|"
    r"staff|passengers?|citizens?|patients?|applicants?|others?)\s+(?:with\s+)?)?"
)
_MEANS = (
    r"(?:(?:the|an?|some|any|its|every|all)\s+)?(?:\w+\s+)?(?:ability|abilities|capability|capabilities|capacity|functionality|"
    r"possibility|possibilities|means|support|facility|facilities|mechanisms?|features?|options?|assistance|functions?|"
    r"opportunity|opportunities|potential|power|provisions?|ways?|guidance|help)\s+(?:to|of|for|in|with|when)"
)
# after INCOSE's Guide to Writing Requirements, rule R10 (avoid superfluous infinitives), and weak verbs beside it
_TRY = (
    r"(?:try|attempt|aim|seek|endeavou?r|tend|hope|plan|intend|expect|strive|struggle|work|push|wish)\s+"
    r"(?:to|for|at|towards?)|(?:make|use|undertake|exert)\s+(?:an?\s+|every\s+|all\s+|its\s+|some\s+|any\s+)?"
    r"(?:\w+\s+)?(?:efforts?|attempts?|endeavou?rs?)\s+(?:to|at)|do\s+(?:its|their|the|his|her)\s+(?:best|utmost)\s+to|"
    r"take\s+(?:\w+\s+){0,2}?(?:measures|steps|actions?|precautions|care)\s+(?:to|against|of|for|that)|get\s+ready\s+(?:to|for)"
)
_ABLE = (
    r"be\s+(?:able|designed|intended|expected|equipped|ready|prepared|meant|built|supposed|conceived|suited|planned|"
    r"encouraged|advised|invited|urged|welcome|free|willing|inclined|likely|"
    r"in\s+a\s+position)\s+to(?!\s+(?:the|an?|each|all|every|be\s+\d)\b)|be\s+(?:capable|incapable)\s+of|"
    r"be\s+(?:suitable|suited|adapted|intended|designed|fit|adequate|ready|prepared|optimi[sz]ed|meant|equipped|responsible|"
    r"accountable)\s+for|"
    r"be\s+(?:aimed|directed|targeted|geared|oriented|tailored|amenable|conducive|adapted|adaptable|friendly|open|receptive|responsive|"
    r"sympathetic|attuned|committed|dedicated|capable)\s+(?:to|at|towards?)|"
    rf"be\s+(?:allowed|permitted|enabled|entitled)\s+to|be\s+(?:given|offered|provided\s+with|granted)\s+{_MEANS}|"
    rf"(?:have|possess|exhibit|demonstrate|show|retain)\s+{_MEANS}|(?:provide|offer|include|contain|feature|give|grant|present|furnish)\s+{_WHOM}{_MEANS}|"
    rf"(?:make|render)\s+it\s+(?:\w+\s+)?(?:possible|easy|easier|simple|feasible)\s+(?:to|for)|{_TRY}"
)
_HOPEFUL = (
    r"facilitate|accommodate|cater\s+(?:for|to)|cope\s+with|take\s+care\s+of|(?:provide|allow|account|care|look)\s+for|"
    r"look\s+(?:after|into)|attend\s+to|care\s+(?:about|for)|focus\s+on|concentrate\s+on|prioriti[sz]e|emphasi[sz]e|respect|honou?r|consider(?![^.;]{0,80}?\sto\s+(?:be|have)\b)|be\s+considered(?!\s+(?:as|to)\b)|assist|help|"
    r"aid|promote|encourage|foster|advance|further|boost|strengthen|ease|simplify|"
    r"take\s+(?:\w+\s+){0,4}?into\s+(?:account|consideration)|be\s+taken\s+into\s+(?:account|consideration)|"
    r"give\s+(?:\w+\s+)?(?:consideration|attention|thought|regard|priority)\s+to|bear\s+in\s+mind|keep\s+in\s+mind|"
    r"have\s+regard\s+to|be\s+(?:mindful|aware|conscious)\s+of|pay\s+(?:\w+\s+)?attention\s+to|enhance|improve|"
    r"serve\s+to|act\s+to|recogni[sz]e\s+the\s+need|be\s+(?:helpful|useful|beneficial)\s+(?:to|for|in|when)|participate\s+in|be\s+involved\s+in|take\s+part\s+in|"
    r"have\s+provisions?\s+(?:for|to)|make\s+(?:\w+\s+)?(?:provisions?|allowances?)\s+for|lend\s+itself\s+to|"
    r"contribute\s+(?:to|towards?)|play\s+an?\s+(?:\w+\s+)?(?:role|part)\s+in|streamline|empower|"
    r"(?:allow|enable|permit)(?=\s+(?:\w+\s+){0,5}?(?:to|of)\b)|let(?=\s+\w+)"
)
_GENERIC = (
    r"support|handle|process|manage|address|deal\s+with|work\s+with|interact\s+with|interface\s+with|integrate\s+with|"
    r"ensure(?!\s+that)|guarantee(?!\s+that)|administer|oversee|be\s+compatible\s+with|(?:perform|provide|execute|carry\s+out|conduct|have)\s+(?:\w+\s+)?(?:handling|management|processing|support|functionality|assistance)|coordinate|reflect|see\s+to|make\s+sure(?!\s+that)|(?:enable|permit|allow)(?!\s+(?:the|an?|all|its|each|any|no|only)\b)|"
    r"be\s+(?:supported|handled|managed|facilitated|accommodated|addressed|catered\s+for|dealt\s+with|"
    r"taken\s+care\s+of|ensured)"
)
_ADVERBS = r"(?:(?:also|always|further|both|thus|then|therefore|\w+ly)\s+)*+"
_VERB = later(
    rf"{_ADVERBS}(?P<verb>(?P<able>{_ABLE})|(?P<hopeful>{_HOPEFUL})|(?P<generic>{_GENERIC}))(?![\w-])(?!\s*\))",
    re.ASCII,
)
_QUOTES = r"\"“'‘"  # a word in quotes is spoken of
_BINDS = ("shall", "must", "should", "will", r"required\s+to", r"obliged\s+to")
_TELLS = (r"expected\s+to", r"needs?\s+to", r"ha(?:s|ve)\s+to", r"is\s+to", r"are\s+to")
_OBLIGES = later(rf"{bordered(*_BINDS, *_TELLS, after=_QUOTES)}\s+", re.ASCII)
# these only tell what happens, but of what is built
_OFTEN = later(r"will|needs?|ha(?:s|ve)|is|are|expected")
# what names something that a test can look at
_EXACT = later(
    r"\d|\ufffc|[\"“”「《`|\[]|[:：]\s*\S|[:：]\s*$|\b(?:following|below|accordance|according\s+to|compl(?:y|iance|"
    r"iant|ies|ying)|conform\w*|"
    r"(?:as\s+)?(?:defined|specified|described|listed|mentioned|laid\s+down|set\s+out)\s+(?:in|by|above))\b",
    re.ASCII,
)
# an ability is as weak where it is measured, but not where what it means is listed
_LISTED = later(
    r"[:：]\s*\S|•|[:：]\s*$|\b(?:following|below|accordance|according\s+to|above|"
    r"(?:as\s+)?(?:defined|specified|described|listed|mentioned|laid\s+down|set\s+out)\s+(?:in|by))\b",
    re.ASCII,
)
_LISTED_ZH = later(r"[：:•]|如下|下列|以下")
_NAMED = later(
    r"\b[A-Z]{2,}|[a-z][A-Z]|(?<=[\w,(] )[A-Z]\w+|(?<=\w)_\w|,\s*(?:and|or)\s|,.*\s(?:and|or)\s|"
    r"\b(?:via|through|using|by|without|unless|until|if|when|each|every|all|both|only|at\s+least|between|same|whether|"
    r"so\s+that|from)\b",
    re.ASCII,
)
_FEW = 80  # characters of an obligation that leaves no room for a condition or a measure

_WEAK_ZH = (
    "支持|考虑|处理|关注|重视|保障|保护|配合|协助|帮助|便利|优化|改[善进]|管理|应对|照顾|兼顾|完善|"
    "加强|支撑|协调|保证|服务|解决"
)
_VERB_ZH = later(
    r"(?P<verb>(?P<able>(?:能够|可以|有能力|有办法|能(?![力量源动])|可(?!能|用|靠|见|行|选|读|视|变|信|控|持|扩|维|编|执|移|配|追|重|访|被)|可选择)(?!被)|"
    r"(?:被?设计|用)(?:成|为|用?于|来)|"
    r"尝试|试图|设法|努力|力[图求争]|争取|谋求|追求|致力于|旨在|(?:着眼|立足|倾向|有志)于|打算|计划|预[期计]|期望|希望|尽力(?!而)|着力|趋[于向]|准备好|采取[^，。；、]{0,6}?(?:措施|手段|办法|方法|行动)|"
    r"(?:能|可)?(?:具[备有]|拥有|有|"
    r"提供)[^，。；,;：:、\n]{0,30}?(?:能力|功能|支持|机制|手段|特性|[^个任惯异共属男女毒药德理定弹活磁]性)"
    r"(?=\s*(?:[，。；,;]|并|$)))|"
    r"(?P<hopeful>(?:有|能|可)?(?:[助利便易适宜]|有[助利益])于|适[合应]|允许|(?:可供|供)(?=[一-龥]{2})|辅助|配合|足以|得以|"
    r"(?:改[善进良]|提[升高]|[增加]强|强化|优化|完善|健全|深化|促进|推[动进广行]|加[快大深]|扩大|拓[展宽]|丰富|巩固|保障|落实|贯彻|"
    r"[做搞][好到]|抓[好紧]|开展|统筹|兼顾|协调|参与|关注|重视|注[意重]|考虑|顾及|照顾|体现|突出|强调|尊重|维护|引导|助力|赋能|支撑|带动|"
    r"激励|鼓励|倡导|提倡|服务于|侧重|方便|协助|帮助|简化|便利)(?!的)|"
    r"满足(?!的)(?=[^，。；]{0,8}(?:需求|需要|要求)\s*(?:[，。；]|$)))|"
    r"(?P<generic>(?:能|可|能够|可以)?(?:支持|处理|管理|应对|确保|保证|负责|承担|反映|解决|兼容|"
    rf"为[^，。；、\n]{{1,12}}?(?:提供|预留|创造|奠定)[^，。；\n]{{0,6}}?(?:{_WEAK_ZH}|条件|依据|基础|可能)|"
    rf"(?:予以|给予|加以|提供|得到|获得|作出|做出)[^，。；,;：:、\n]{{0,8}}?(?:{_WEAK_ZH})(?=[^，。；\n]{{0,8}}(?:[，。；]|$))|"
    r"对[^，。；,;：:\n]{1,14}?进行[^，。；,;：:\n]{0,6}?(?:处理|管理|支持)|"
    r"(?:实现|完成|进行)[^，。；,;：:\n]{1,10}?(?:处理|管理|支持)(?=[，。；]|$)|(?:起到?|发挥)[^，。；,;：:\n]{1,10}?作用)))",
    re.ASCII,
)
_HOW_ZH = (
    r"(?:同时|还|均|都|也|总是|全面|充分|积极|进一步|不断|持续|大力|切实|逐步|主动|深入|稳步|"
    r"统一|优先|重点|自动|统筹|更好地?|具?有?一定的?)*+"
)
_OBLIGES_ZH = later(rf"(?<![对响相供适反效感呼])(?:应[当该]?|必须|须|需要?|要|务必){_HOW_ZH}")
_EXACT_ZH = later(r"[•\dA-Za-z\ufffc“”「《【\[`|：:]|如下|下列|以下|按照?|根据|依据|符合|遵[循守照]|规定", re.ASCII)
_NAMED_ZH = later(r"[、]|通过|使用|采用|利用|方式|经由?|并|且|和|或|如果|当|若|所有|每|全部|后|前|时|至少")
_FEW_ZH = 16
_WINDOW = 300  # characters in which something exact may stand


def _find(subject: Subject) -> Iterator[Finding]:
    for prose, clause in subject.duties:
        for found in _verbs(prose, clause):
            yield prose.finding(*found.span("verb"), {"word": prose.said(*found.span("verb"))})
    for prose, start, end in loose(subject):
        yield prose.finding(start, end, {"word": prose.said(start, end)})


def _verbs(prose: Prose, clause: Clause) -> Iterator[re.Match[str]]:
    """Weak verbs with nothing behind them that a test can look at; the emptier the verb, the less will do.

    What is only able or designed to do something is weak even where it is measured: it may still never do it.
    """
    text, low = prose.text, prose.low
    for found in _each(_OBLIGES, _VERB, low, clause):
        end = min(clause.end, found.end() + _WINDOW)
        if LABEL.match(text, found.end()) or (_LISTED if found["able"] else _EXACT).search(low, found.end(), end):
            continue
        if not found["generic"] or (end - found.end() <= _FEW and not _NAMED.search(text, found.end(), end)):
            yield found
    for found in _each(_OBLIGES_ZH, _VERB_ZH, low, clause) if prose.chinese else ():
        end = min(clause.end, found.end() + _WINDOW)
        if LABEL.match(text, found.end()) or (_LISTED_ZH if found["able"] else _EXACT_ZH).search(
            text, found.start("verb"), end
        ):
            continue
        if not found["generic"] or (
            end - found.end() <= _FEW_ZH and not _NAMED_ZH.search(text, found.start("verb"), end)
        ):
            yield found


def _each(obliges: re.Pattern[str], verb: re.Pattern[str], low: str, clause: Clause) -> Iterator[re.Match[str]]:
    """Behind each word that obliges; an item of a list begins with the verb itself."""
    at = clause.start
    while (said := obliges.search(low, at, clause.end)) is not None:
        found = verb.match(low, said.end(), clause.end)
        at = said.end() if found is None else found.end()
        if found is not None and (_OFTEN.match(said[0]) is None or clause.at <= said.start() < clause.after):
            yield found
    if clause.at == clause.after:
        label = LABEL.match(low, clause.start, clause.end)
        found = verb.match(low, label.end() if label else clause.start, clause.end)
        if found is not None:
            yield found


CHECK = Check(
    name="weak-verb",
    title={"en": "Weak verb", "zh": "弱动词"},
    why="A system that supports, handles or is able to do something has met the words whatever it really does.",
    category="ambiguity",
    severity=Severity.WARNING,
    confidence=0.6,
    scope=Scope.PASSAGE,
    find=_find,
    messages={
        "en": "“{word}” says nothing that a test can decide.",
        "zh": "“{word}”没有说明可以验证的行为。",
    },
    suggestions={
        "en": "Say what is done, to what, when, and with what result.",
        "zh": "请写明在何种条件下做什么、对象是什么、结果如何。",
    },
    flags=(
        "The guard shall take measures to prevent theft.",
        "The desk shall give the caller the option to end the call.",
        "The unit shall stop. The unit shall log it. The unit must restart. The lid is intended to protect the lamp.",
        "The unit shall stop. The unit shall log it. The unit must restart. It is desirable that the lid is red.",
        "道口应力求保持畅通。",
        "门房应采取措施防止盗窃。",
        "大厅应积极推动数据开放。",
        "灯应熄灭。门应关闭。阀必须打开。建议阀门在两秒内关闭。",
        "The system shall be able to print reports.",
        "The system shall support reporting.",
        "The server must handle errors.",
        "The module shall be capable of storing data.",
        "The tool should facilitate the work of the team.",
        "The page shall provide the user with the ability to search.",
        "User preferences shall be taken into account.",
        "The system shall:\n\n- support auditing\n- stop",
        "系统应支持报表管理。",
        "系统应具备数据处理能力。",
        "平台应能够导出报表。",
        "系统必须对异常进行处理。",
        "系统应具备良好的可扩展性，并记录日志。",
        "系统应可以导出报表。",
        "系統應能夠匯出報表。",
        "系统应：\n\n- 支持审计\n- 停机",
        "The printer shall be able to print 20 pages a minute.",
        "The unit shall make every effort to reconnect.",
        "The unit shall stop. The unit shall log it. The unit must restart. The unit shall run. The unit might beep.",
        "系统应具备每秒处理 200 个请求的能力。",
        "系统应尝试重连，并允许更换证书。",
        "系统应停机。系统应记录日志。系统必须重启。系统应通知用户。系统可删除旧日志。",
    ),
    passes=(
        "The clerk shall be responsible for\n• sorting the mail\n• locking the door",
        "灯应熄灭。门应关闭。阀必须打开。阀门预计的寿命为十年。",
        "The system shall support PDF and DOCX.",
        "The system shall support the following formats: a and b.",
        "The server shall handle at least 200 requests a second.",
        "It is able to print, and supports reporting.",
        "The process shall stop.",
        "系统应支持 PDF 导出。",
        "系统应记录登录。",
        "系统支持报表管理，用户可以导出报表。",
        "系统应支持通过短信验证码登录。",
        "服务器应处理下列请求：查询和删除。",
        "The unit shall stop. The unit should beep. The unit may restart.",
        "“SHOULD” is advice. The unit shall stop. The unit shall run. The unit must log. It shall end. Users may ask.",
        "系统应停机。系统宜告警。系统可重启。",
    ),
)
