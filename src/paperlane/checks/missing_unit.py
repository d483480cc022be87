"""Numbers in requirements without the unit that they need: "within 5", "不超过3"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Prose, Scope, Subject
from paperlane.checks.obligations import Clause
from paperlane.model.documents import Severity

_NUMERAL = re.compile(r"[\d一二两三四五六七八九十百]", re.ASCII)
_NUMBER = r"\d+(?:[.,]\d+)*+"
_LIMIT = (
    r"(?:(?:at\s+(?:least|most)|up\s+to|(?:no|not)\s+(?:be\s+)?(?:more|less|fewer|later|longer|greater|higher|lower|"
    r"larger|smaller|bigger|slower|faster|shorter|earlier|sooner|worse|better|heavier|lighter|hotter|colder|warmer|deeper)\s+than|"
    r"(?:more|less|fewer|longer|greater|higher|lower|larger|smaller|shorter|bigger|slower|faster|better|heavier|lighter)\s+than"
    r"(?:\s+or\s+equal\s+to)?|not\s+to\s+exceed|down\s+to|"
    r"exceed(?:s|ing)?|under|below|above|over|beyond|"
    r"(?:a\s+)?(?:max(?:imum|\.)?|min(?:imum|\.)?)(?:\s+of)?|limited\s+to|as\s+(?:many|much)\s+as|a\s+total\s+of|"
    r"[<>≤≥]=?)\s*)"
)
# nothing that it counts or measures follows
_BARE = (
    r"(?=(?:\s*(?:±|\+/-)\s*\d+(?:\.\d+)?)?\s*(?:[.;,)!?。；，]?\s*$|[.;,)](?!\d)|(?:and|or|when|while|if|for|in|during|at|under|after|before|with|"
    r"without|whenever|within|throughout|inside|across|"
    r"unless|on|by|as|then|even|regardless|despite|from|since|until|because|so|where|which|to\s+(?!\d)|per|each|"
    r"concurrently|"
    r"simultaneously|total|long|wide|high|deep|thick|apart|old|a\s+(?:second|minute|hour|day)|of\s+(?:\w+ing|receipt|"
    r"detection|the\s+(?:request|event|start|failure|alarm|submission|call)))\b))"
    r"(?!\s*(?:,|and|or|to|[-–])\s+(?:[a-z]+\s+){0,3}\d)"
)
_MEASURED = (
    r"\b(?:time(?:-?out)?s?|latency|delay|lag|duration|interval|period|lifetime|retention|lifespan|deadline|age|size|"
    r"length|width|height|depth|"
    r"thickness|diameter|radius|distance|weight|mass|temperature|pressure|voltage|current|power|energy|speed|velocity|"
    r"rate|frequency|"
    r"bandwidth|throughput|capacity|memory|storage|space|volume|availability|uptime|downtime|utili[sz]ation|usage|"
    r"torque|force|load|flow|tension|thrust|resistance|capacitance|inductance|brightness|luminance|density|"
    r"concentration|viscosity|life|torque|illumination|illuminance|luminosity|volume|mileage|wattage|"
    r"(?:(?!number|count)\w+(?:ness|ance|ency|idity|osity|ensity|ture|eleration|ration|uation|ation|rval|eter|age)(?<!page)(?<!image)(?<!message)(?<!parameter)(?<!language)(?<!package)(?<!stage)(?<!instance))|acceleration|altitude|elevation|gap|clearance|pitch|dose|gain|amplitude|"
    r"consumption|accuracy|"
    r"precision|humidity|angle|noise|jitter|budget|cost|price|overhead|MTBF|MTTR)\b"
)
_TAKES = (
    r"\b(?:support|handle|process|store|serve|accept|hold|sustain|keep|retain|contain|buffer|cache|allow|scale\s+to|"
    r"accommodate|manage|last|take|wait|in|after|for|every)\s+"
)
_CHANGES = (  # what is measured before and after
    r"(?:switch|turn|heat|cool|fill|charg|discharg|drain|rais|lower|increas|decreas|reduc|ris|fall|drop|surviv|withstand|trip|trigger|"
    r"activat|start|stop|open|clos|shut|cut|keep|kept|held|hold|maintain|regulat|stabili[sz]|limit|operat|run|stor|ship|work|"
    r"calibrat|adjust|tun|expir|time|timed|pressuri[sz]|accelerat|brak|extend|retract|mov|rotat|delay)(?:e|es|ed|s|ing|ped|pes|ps|ning)?"
)
_ENGLISH = re.compile(
    rf"\bwithin\s+(?:a\s+maximum\s+of\s+)?(?P<within>{_NUMBER}){_BARE}(?!\s+and\b)|\b(?:every|"
    rf"after)\s+(?P<after>{_NUMBER}){_BARE}|"
    rf"\b(?:kept|retained|stored|held|valid|lasts?|runs?|waits?|archived|available|keep|retain|store|"
    rf"hold)\b[^.;,]{{0,24}}?\sfor\s+{_LIMIT}?(?P<for>{_NUMBER}){_BARE}|"
    rf"{_TAKES}{_LIMIT}(?P<takes>{_NUMBER}){_BARE}|"
    rf"{_MEASURED}(?:\s+(?!(?:number|count)s?\b)[\w'’-]+){{0,8}}?\s+(?:{_LIMIT}|(?:be|is|are|of|to|at|equals?|=|than|"
    rf"reach|attain|total|(?:between|from)(?=\s+-?\d+\s+(?:and|to)\b))\s+)"
    rf"(?P<measured>(?:-?\d+\s+(?:and|to)\s+)?-?{_NUMBER}){_BARE}|"
    rf"\b(?:shall|must)\s+(?:\w+\s+){{1,4}}?(?:for|after|every|in)\s+{_LIMIT}?(?P<for2>{_NUMBER}){_BARE}|"
    rf"\b(?:intervals?|delays?|range|rate|limit|total|maximum|minimum|span|margin|tolerance|threshold|dose|depth|load)\s+"
    rf"(?:of|at|to|from|between)\s+{_LIMIT}?(?P<span>(?:-?\d+\s+(?:and|to)\s+)?-?{_NUMBER}){_BARE}|"
    rf"\b(?:drop|fall|rise|reach|exceed|heat|cool|wait|last|weigh|measure|draw|supply|deliver|withstand|carry|lift|travel|pause|hold|"
    rf"remain|stay|stop|start|open|close|retry|repeat|sound|flash|run)\w*\s+(?:(?:below|above|to|for|after|within|at|by|up\s+to|every)\s+)?"
    rf"{_LIMIT}?(?P<does>-?{_NUMBER}){_BARE}|"
    rf"\b(?:shall|must|should|to)\s+(?:not\s+)?(?:be\s+)?{_LIMIT}(?P<least>{_NUMBER}){_BARE}|"
    rf"\b{_LIMIT}(?P<limit>-?{_NUMBER}){_BARE}|\bwithin\s+(?P<of>{_NUMBER})(?=\s+of\s+(?:an?|the|its|each|any|every)\b)|"
    rf"\b(?:between\s+(?P<between>-?{_NUMBER}\s+and\s+-?{_NUMBER})|from\s+(?P<from>-?{_NUMBER}\s+(?:up\s+)?to\s+-?{_NUMBER})|"
    rf"(?P<range>-{_NUMBER}\s*(?:\.\.\.?|…|–|~|to)\s*\+?-?{_NUMBER})){_BARE}|"
    rf"(?<!\w)(?P<high>-?{_NUMBER})(?=\s+(?:long|wide|high|deep|thick|tall|old|apart|away|across|in\s+(?:length|width|height|depth|diameter|"
    rf"size|weight|thickness|volume|area|duration))\b)|"
    rf"\b(?:{_CHANGES})(?:\s+(?:an?|the|its)?\s*[a-z]+)?\s+(?:at|to|from|by|below|above|within|for)\s+{_LIMIT}?(?P<changes>-?{_NUMBER}){_BARE}",
    re.IGNORECASE | re.ASCII,
)
_NONE = ("0", "1", "一")  # limits of anything
_COUNTED = re.compile(
    r"\b(?:numbers?|counts?|quantity|versions?|levels?|index|indices|priorit(?:y|ies)|ports?|values?|integers?|digits?|scores?|ratings?|scale|probabilit(?:y|ies)|percentiles?|rows?|columns?|floors?|class(?:es)?|grades?|phases?|categor(?:y|ies)|steps?|modes?|types?|chapters?|sections?|tables?|figures?|rounds?|attempts?|retries|channels?|status|exit|pH|values?|ids?|identifiers?|codes?|"
    r"ratio|factor|score|"
    r"positions?|digits?|TLS|SSL|HTTP|Java|Python|Android|iOS|release|year)\b|\d\s?(?:[:x×*]|out\s+of)\s?\d",
    re.IGNORECASE | re.ASCII,
)
# bounded, for each sign of a long run may begin one
_NUMBER_ZH = r"(?:\d+(?:[.,]\d+)*+\s?[百千万亿]?|[一二两三四五六七八九十百千万亿]{1,20})"
_BARE_ZH = r"(?=\s*(?:[，。；、）)！？,;]|\.?\s*$|(?:以|之)?[内上下间]|范围|时(?![秒间段])|的?情况|[并且或则](?!\d)))"
_UNIT_ZH = r"(?:秒|分|时|天|日|周|月|年|季|毫|微|纳|小|个|次|米|公|千|万|百|亿|克|吨|升|帧|条|行|页|字|轮|批|圈|度|元|位|层|台|组|[A-Za-z%％℃°])"
_MEASURED_ZH = (
    r"(?:时间|时延|延迟|延时|时长|耗时|周期|间隔|超时|寿命|有效期|期限|保留期|长度|宽度|高度|深度|厚度|直径|半径|距离|"
    r"重量|质量|温度|湿度|压力|电压|电流|"
    r"功率|功耗|能耗|速度|速率|频率|带宽|吞吐量?|容量|内存|存储|磁盘|空间|大小|体积|面积|可用性|"
    r"[利使占可成失错准命丢误][一-龥]{0,3}率|精度|分辨率|角度|成本|价格|费用|金额|年龄|处理能力|噪声|音量|电平|液位|误差|"
    r"[一-龥](?:(?<![程幅难])度|(?<![数并])量|[力压流温长宽高厚径距矩角速频积重强耗损]|(?<![日分早学星短长])期|率))"
)
_CHINESE = re.compile(
    rf"(?<=[\u3400-\u9fff])\s?(?P<within>{_NUMBER_ZH})(?=\s?[以之]?内(?![部存容网置核外嵌含]))|"
    rf"[在于]\s?(?P<past>\d+)(?=\s?[之以]?后)|每隔?\s?(?P<every>\d+)(?=[^\w\u3400-\u9fff]|[执进检备采发刷同更轮上])|"
    rf"(?:保[留存]|存储|留存|归档)(?:至少|不少于|时间|期限|为)?\s?(?P<kept>{_NUMBER_ZH}){_BARE_ZH}|"
    rf"(?:不?(?:得|能|可|应)?(?:超过|多于|少于|达到)|不(?:得|能|可|应)?[大小高低短长]于|至少|至多|最多|最少)(?:为|是|"
    rf"到|达到?|支持|保[留存])?\s?(?P<limit>{_NUMBER_ZH}){_BARE_ZH}|"
    rf"[在于从由]\s?(?P<range>-?{_NUMBER_ZH}\s?[到至~～—-]\s?-?{_NUMBER_ZH})(?=\s?(?:之间|的?范围|[，。；、]|内|可调|工作|运行|[^\w]|$))|"
    rf"每隔?\s?(?P<each>\d+)(?!\d)(?!\.)(?=\s?[一-龥])(?!\s?{_UNIT_ZH})|"
    rf"(?<=[一-龥])\s?(?P<bound>-?\d+(?:\.\d+)?)(?=\s?以[上下内](?![一-龥]{{0,2}}[个人台件条]))|"
    rf"(?<=[一-龥])\s?(?P<of>\d+(?:\.\d+)?)(?=\s?的?(?:高度|深度|长度|宽度|厚度|距离|时间|温度|压力|速度|重量|质量|电压|电流|功率|载荷|负载)(?:[的内后，。；]|$))|"
    rf"[一-龥](?P<sized>\d+(?:\.\d+)?)(?=\s?[长宽高厚深](?:[，。；的]|$))|"
    rf"(?:承受|达到?|升至|降至|升到|降到|等待|持续|停留|间隔|延时|重约|称重|移动|行驶|输出|供给|[低高大小少多优劣早晚快慢]于|之?[后前]|超过|供电|运行|工作|加热[到至]|冷却[到至]|保持在?)\s?"
    rf"(?P<does>-?{_NUMBER_ZH}){_BARE_ZH}|"
    rf"{_MEASURED_ZH}[^，。；\n]{{0,12}}?(?:[大小高低长短早晚]于|超过|少于|多于|等于|达到?|设[为置成定]为?|[为在是取]|[<>≤≥＜＞]=?|至少|"
    rf"至多|最[大小长短多少])(?:等于)?\s?(?P<measured>(?:-?\d+\s?[到至~～-]\s?)?-?{_NUMBER_ZH}){_BARE_ZH}",
    re.ASCII,
)
_COUNTED_ZH = re.compile(
    r"(?:[人个次户件条页行位层台份倍参函]数|数(?:量|目|值)|号码?|级别?|版本|[系指]数|索引|下标|比[例值]|分值?|得分|"
    r"并发量|并发数|阈值|[Tt][Ll][Ss]|JDK|Java)[^，。；\n]{0,12}$"
)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose in subject.prose:
        for clause in prose.duties if _NUMERAL.search(prose.text) else ():
            for start, end in _places(prose, clause):
                yield prose.finding(start, end, {"word": prose.said(start, end)})


def _places(prose: Prose, clause: Clause) -> Iterator[tuple[int, int]]:
    """The number itself, or the two of a range; what is only counted needs no unit."""
    text = prose.text
    if _NUMERAL.search(text, clause.start, clause.end) is None:
        return
    for found in _ENGLISH.finditer(text, clause.start, clause.end):
        number = found.span(found.lastgroup or 0)
        if text[slice(*number)] not in _NONE and not _COUNTED.search(
            text, max(clause.start, found.start() - 60), number[0]
        ):
            yield number
    for found in _CHINESE.finditer(text, clause.start, clause.end) if prose.chinese else ():
        number = found.span(found.lastgroup or 0)
        if text[slice(*number)] not in _NONE and not _COUNTED_ZH.search(
            text, max(clause.start, number[0] - 40), number[0]
        ):
            yield number


CHECK = Check(
    name="missing-unit",
    title={"en": "Missing unit", "zh": "缺少单位"},
    why="Five of what? A number without its unit is read as seconds by one and as minutes by another.",
    category="completeness",
    severity=Severity.WARNING,
    confidence=0.7,
    scope=Scope.PASSAGE,
    find=_find,
    messages={"en": "“{word}” has no unit.", "zh": "“{word}”缺少单位。"},
    suggestions={"en": "Write the unit, or what is counted.", "zh": "请写明单位或计数对象。"},
    flags=(
        "The width of the door shall be 850.",
        "The torque shall reach 18 within the ramp.",
        "The temperature shall lie between -20 and 55.",
        "The system shall respond within 5.",
        "The server must support at least 200.",
        "The response time shall not exceed 3 under full load.",
        "The session timeout should be 30.",
        "The backup shall run every 12 and be kept.",
        "系统应在5内响应。",
        "响应时间应不超过3。",
        "系统应支持超过100，并记录日志。",
        "CPU 利用率不得高于80。",
        "響應時間應不超過3。",
    ),
    passes=(
        "The system shall respond within 5 s.",
        "The server must support at least 200 users.",
        "The number of retries shall not exceed 3.",
        "The interval shall be between 5 and 10 s, the length at least 5 and at most 10 characters.",
        "Clients must use TLS at least 1.2.",
        "It runs within 5.",
        "系统应在 5 秒内响应。",
        "响应时间应不超过 3 秒。",
        "重试次数应不超过3。",
        "利用率不得高于80%。",
        "不超过3。",
    ),
)
