"""Obligations in the passive that do not say who has to act: "shall be encrypted", "应予以审批"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.modals import binding
from paperlane.checks.obligations import Clause
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Severity

_IRREGULAR = (
    r"(?:built|kept|sent|stored|written|rewritten|read|run|shown|taken|given|held|put|cut|drawn|chosen|done|made|"
    r"brought|bound|begun|broken|frozen|thrown|"
    r"hidden|overwritten|overridden|withdrawn|reset|shut|split|spent|sold|bought|caught|taught|told|undertaken|driven)"
)
# what says how something is, not what is done to it
_STATE = (
    r"(?!(?:bas|limit|locat|relat|requir|allow|permitt|suppos|consider|deem|nam|call|compos|connect|associat|interest|"
    r"intend|defin|need|suit|expect|"
    r"allocat|dedicat|structur|organi[sz]|siz|colou?r|shap|experienc|qualifi|align|involv|concern|concerned|support|"
    r"handl|facilitat|accommodat|address|manag|"
    r"prepar|sort|oblig|entitl|licens|aforemention|construed|interpret|understood|read\s+as|us)(?:ed)?\b)"
)
_DONE = (
    r"(?:(?:not|never|also|always|only|all|then|first)\s+)*(?:\w+ly\s+)?be\s+(?:(?:\w+ly|"
    r"also|always|first)\s+)*+"
    rf"(?:{_STATE}(?:\w+ed|{_IRREGULAR}))\b(?!\s*-)(?!\s+(?:to\b|than\b|as\s+(?:a|an|the|one|follows)\b))"
    r"(?:(?<=disposed)\s+of\b|\s+(?:out|off|down|up|away)\b)?"
)
_PASSIVE = later(rf"\b(?:shall|must)\s+{_DONE}", re.IGNORECASE | re.ASCII)
# these tell as often how the world is, but hardly in a document that binds by "shall"
_HAVE_TO = later(
    rf"\b(?:(?:ha(?:s|ve)|needs?|is|are|(?:is|are)\s+required)\s+to|should)\s+{_DONE}", re.IGNORECASE | re.ASCII
)
# whoever acts, or may: a noun of agents, or what the document builds
_ACTOR = later(
    r"\b(?:by|who|whoever|I|we|you|they|it|user|system|software|application|app|service|client|party|parties|entity|"
    r"entities|organi[sz]ation|company|team|staff|"
    r"personnel|people|person|member|authority|authorities|government|customer|supplier|vendor|admin|process|program|"
    r"function|component|module|"
    r"device|unit|instance|wallet|platform|tool|product|api|callback|code|library|node|host|machine|engine|agent|"
    r"\w+(?:[^aeiou\Wbmsd]er|[aeiou][^aeiou\W]er|der|ser|mer|tor|sor|ist|eer|ant)|"
    r"department|office|board|committee|body|bodies|state|union|public|firm|sender|caller)s?\b(?!['’]s?\s)",
    re.IGNORECASE | re.ASCII,
)
_NO_ACTOR = later(
    r"\b(?:number|parameter|header|folder|order|letter|character|identifier|integer|pointer|buffer|register|counter|"
    r"timer|filter|layer|paper|power|matter|"
    r"answer|error|vector|factor|descriptor|constructor|iterator|operator\s+symbol|behaviou?r|master|other|either|"
    r"another|whether|never|ever|over|under|after|further|"
    r"rather|later|lower|higher|greater|larger|smaller|longer|shorter|paramet\w+|container|router\s+table|separator|"
    r"delimiter|cover|center|quarter|per|water|computer|"
    r"monitor|sensor|motor|important|relevant|constant|variant|significant|list|exist|consist|consistent|persist|"
    r"assist|"
    r"instant|grant|want|quota|accordant|master|transfer|offer|refer|prefer|differ|answer|enter|alter|date|state|"
    r"trigger|cluster|ledger|banner|footer|marker|placeholder|wrapper|loader|driver|latter|former|together|altogether|"
    r"wherever|however|whichever|ether|any\s+other)s?\b",
    re.IGNORECASE | re.ASCII,
)
_PASSIVE_ZH = later(
    r"(?<![对响相供适反效感呼])(?:应当?|应该|必须|须|需要?|不得)(?:[^，。；：、\n]{1,20}?(?=(?P<far>被|予以|加以|得到)))?"
    r"(?P<done>被[一-龥]{2}|予[一-龥](?!以)[一-龥]|(?:予以|加以|得到|得以|受到|"
    r"进行)[一-龥]{2,6}?(?=[，。；、]|并|后|$))"
)
_ACTOR_ZH = later(
    r"由|系统|平台|软件|程序|服务|模块|用户|管理|[人员者方商]|客户|公司|部门|组织|机构|单位|团队|企业|供应|运营|开发|"
    r"您|你|我|他|设备|装置|终端|组件|工具|接口|产品"
)


_SUBORDINATE = later(
    r"\b(?:if|whether|how|what|when|where|which|that|who|whose|why|until|unless|because|since|so|while|as|than|"
    r"in\s+case|between)\b(?:\s+[\w/-]+){0,9}\s*$",
    re.IGNORECASE | re.ASCII,
)
_MEANS = later(
    r"\b(?:by|via|through|using|with|between(?!\s+-?\d)|on\s+behalf)\b|\bfrom\s+(?!(?:the|each|every|its|all)\b)",
    re.IGNORECASE | re.ASCII,
)
_BE = later(r"\b(?:to|should)\s+(?:\w+\s+)?be\b")
_PRONOUN = later(r"\b(?:it|this|these|they|those|which)\s+(?:also\s+|then\s+)?$", re.IGNORECASE | re.ASCII)
_WINDOW = 120


def _find(subject: Subject) -> Iterator[Finding]:
    for prose, clause in subject.duties:
        for found in _passives(prose, clause):
            span = found.span("done" if found.groupdict().get("far") else 0)
            yield prose.finding(*span, {"word": prose.said(*span)})
    for prose in subject.holding("to", "should") if binding(subject).english else ():
        if not prose.block.level and _BE.search(prose.low):
            for start, end in prose.clauses:
                for found in _told(prose, Clause(start, end, start, start)):
                    yield prose.finding(*found.span(), {"word": prose.said(*found.span())})


def _passives(prose: Prose, clause: Clause) -> Iterator[re.Match[str]]:
    """Only where nobody is named who could be meant: behind it, before its own subject, or in the list's lead."""
    text = prose.text
    passive = _PASSIVE.search(text, clause.start, clause.end)
    if passive is not None and not _acts(prose.lead) and not _named(text, clause, passive):
        yield passive
    passive = _PASSIVE_ZH.search(text, clause.start, clause.end) if prose.chinese else None
    if (
        passive is not None
        and not _ACTOR_ZH.search(text, clause.start, clause.end)
        and not _ACTOR_ZH.search(prose.lead)
    ):
        yield passive


def _told(prose: Prose, clause: Clause) -> Iterator[re.Match[str]]:
    passive = _HAVE_TO.search(prose.text, clause.start, clause.end)
    if passive is not None and not _acts(prose.lead) and not _named(prose.text, clause, passive):
        yield passive


def _named(text: str, clause: Clause, passive: re.Match[str]) -> bool:
    """What stands right before the verb has it done to it; who does it stands before a comma, or after "by"."""
    before = text.rfind(",", clause.start, passive.start())
    if _MEANS.search(text, passive.end(), clause.end) or _acts(text[clause.start : max(clause.start, before)]):
        return True
    if _PRONOUN.search(text, max(clause.start, passive.start() - _WINDOW), passive.start()):
        return True
    return _SUBORDINATE.search(text, max(clause.start, passive.start() - _WINDOW), passive.start()) is not None


def _acts(text: str) -> bool:
    return _ACTOR.search(_NO_ACTOR.sub("", text)) is not None


CHECK = Check(
    name="passive-without-actor",
    title={"en": "Passive without an actor", "zh": "被动句缺少执行者"},
    why="Where nobody is named, each party can take the duty for another's.",
    category="ambiguity",
    severity=Severity.INFO,
    confidence=0.4,
    scope=Scope.PASSAGE,
    find=_find,
    messages={
        "en": "“{word}” does not say who has to do it.",
        "zh": "“{word}”没有说明由谁执行。",
    },
    suggestions={
        "en": "Name who acts, as in “the server shall encrypt …”.",
        "zh": "请写明执行者，例如“系统应加密……”。",
    },
    flags=(
        "会话应在 15 分钟后被关闭。",
        "Lamps shall be lit. Logs shall be kept. Doors shall be shut. Pallets have to be removed from the lane.",
        "All passwords shall be encrypted.",
        "Backups must be kept for 30 days.",
        "The parameters shall always be validated before use.",
        "密码应被加密。",
        "变更必须予以审批，并归档。",
        "密碼應被加密。",
    ),
    passes=(
        "Pallets have to be removed from the lane.",
        "The server shall encrypt all passwords.",
        "All passwords shall be encrypted by the server.",
        "When the server starts, the log shall be deleted.",
        "The limit shall be based on the load.",
        "The server shall ensure that:\n\n- passwords shall be encrypted",
        "Passwords are encrypted.",
        "It must be loaded first, which shall be noted.",
        "系统应加密密码。",
        "密码应由系统进行加密。",
        "密码被加密。",
    ),
)
