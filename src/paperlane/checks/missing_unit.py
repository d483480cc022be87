"""Numbers in requirements without the unit that they need: "within 5", "不超过3"."""

import re
from collections.abc import Iterator

from paperlane.checks import Check, Finding, Scope, Subject
from paperlane.checks.obligations import Clause
from paperlane.checks.subject import Prose
from paperlane.compiling import later
from paperlane.model.documents import Severity

_NUMERAL = later(
    r"[\d一二两三四五六七八九十百]|\b(?:t(?:wo|en|hree|welve|wenty|hirty)|f(?:our|ive|ifteen)|six|seven|eight|nine|a\s+hundred)",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = r"\d+(?:[.,]\d+)*+"
_WORD = (
    r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-\w+)?|"
    r"(?:a|one)\s+(?:hundred|thousand))"
)
# nothing that it counts or measures follows
_BARE = (
    r"(?=(?:\s*(?:±|\+/-)\s*\d+(?:\.\d+)?)?\s*(?:[.;,)!?。；，]?\s*$|[.;,)](?!\d)|(?:and|or(?!\s+(?:more|less|fewer|higher|lower)\s+(?!(?:when|if|while|after|"
    r"before|in|on|at|for|of|per|than|and)\b)[a-z])|when|while|if|for|in|during|at|under|after|"
    r"before|with|without|whenever|within|throughout|inside|across|unless|on|by|as|then|even|regardless|despite|from|since|"
    r"until|because|so|where|which|to\s+(?!\d)|per|each|concurrently|simultaneously|total|long|wide|high|deep|thick|tall|"
    r"apart|away|old|above|below|beyond|late|early|off|near|around|beside|against|along|towards?|ahead|behind|shall|must|should|a\s+(?:second|minute|hour|day)|of\s+(?:\w+ing|receipt|detection|an?|each|every|its|"
    r"the\s+(?:request|event|start|failure|alarm|submission|call)))\b))"
    r"(?!\s*(?:,|and|or|to|[-–])\s+(?:[a-z]+\s+){0,3}[-+±]?\d)"
)
# a range as a whole: if its second number has no unit, neither has the first one
_ENGLISH = later(
    rf"(?:{_NUMBER}(?:(?:(?:,\s?{_NUMBER}){{0,4}},?\s+(?:and|to|or)\s+|\s?(?:[–—~-]|\.\.\.?)\s?)[-+]?{_NUMBER}|(?:\s?[x×*]\s?{_NUMBER}){{2}})?|\b{_WORD})(?:{_BARE}|(?=\s+of\s+(?:\w+\s+)?\w+(?:\s*[.;,]|\s*$)))",
    re.IGNORECASE | re.ASCII,
)
_PART_OF_A_NAME = later(r"[\w.,/#§:=-]")
_QUANTITY = later(
    r"\b(?:(?:noise|sound|water|light|fluid|oil|fuel|power|signal|voltage|pressure|charge|battery|fill|brightness|oxygen|dust|"
    r"radiation|liquid|humidity|temperature|acoustic|emission)\s+levels?|errors?|spacing|drift|offset|travel|stroke|clearance|"
    r"time(?:-?out)?s?|latency|delay|lag|duration|interval|period|life(?:time|span)?|retention|deadline|age|size|length|width|"
    r"height|depth|diameter|radius|distance|weight|mass|pressure|current|power|energy|speed|velocity|rate|bandwidth|throughput|"
    r"memory|space|volume|uptime|downtime|torque|force|load|flow|tension|thrust|altitude|gap|pitch|dose|gain|amplitude|noise|"
    r"jitter|budget|cost|price|overhead|angle|span|margin|range|limit|total|maximum|minimum|threshold|gauge|pull|mileage|wattage|"
    r"MTBF|MTTR|(?!im|mess|pack|langu|inst)\w+(?:ness|ance|ency|[dtsnl]ity|ture|ration|uation|ation|ption|stion|rval|acity|cision|acy|"
    r"gth|eight|oltage|orage|sage))\b",
    re.IGNORECASE | re.ASCII,
)
_MORE = (
    r"(?:more|less|fewer|later|longer|greater|higher|lower|larger|smaller|bigger|slower|faster|shorter|earlier|sooner|worse|better|"
    r"heavier|lighter|hotter|colder|warmer|deeper|wider|thicker|thinner|quicker)"
)
_QUANTITY_OF = later(rf"{_QUANTITY.pattern}\s+$", re.IGNORECASE | re.ASCII)
# what stands before a number that measures something
_BEFORE = later(
    rf"(?:\b(?:(?P<any>within|every|after|for|under|below|above|over|beyond|at\s+(?:least|most)|up\s+to|down\s+to|{_MORE}\s+than"
    r"(?:\s+or\s+equal\s+to)?|exceed(?:s|ing)?|not\s+to\s+exceed|maximum(?:\s+of)?|minimum(?:\s+of)?|max\.?|min\.?|limited\s+to|"
    r"as\s+(?:many|much)\s+as|an?\s+total\s+of|between|from)|"
    r"(?P<place>in|at|to|by|than)|(?P<of>(?:an?|the|its|each|some)\s+(?:(?!set|group|list|pair|series|choice)[\w-]+\s+){1,4}of|(?!(?:groups|sets|batches|teams|pairs|lists|lots|numbers|thousands|series|tables|blocks|chunks|rows|"
    r"teams|parts|copies|sheets|pages)\b)\w+s\s+of)|(?P<is>be|is|are|equals?|=|being)|"
    r"(?P<done>be\s+(?!set\b)\w+(?:ed|en|[lp]t))|(?P<does>(?:shall|must)\s+(?:not\s+)?(?!be\b|not\b)[a-z]+|(?:reach|attain|last|weigh|measure|draw|supply|deliver|withstand|carry|lift|travel|"
    r"sustain|total|pause|wait|hold|hit|bear|rated|dimensioned|sized)(?:s|es|ies|ing)?))\s+|(?:[<>≤≥±]=?|\+/-|plus\s+or\s+minus)\s*)$",
    re.IGNORECASE | re.ASCII,
)
# what tells that something else is meant
_NAMES = later(
    r"\b(?:default(?:s|ed)?|initiali[sz]ed?|assign(?:ed)?|equal|mapped|according|refer(?:s|red)?|compl(?:y|ies)|conform\w*|"
    r"belong\w*|correspond\w*|respond\w*|round(?:ed)?|divid\w+|multipli\w+|multiply|increment\w*|decrement\w*|padded|"
    r"return\w*|display\w*|show\w*|print\w*|yield\w*|output\w*|contain\w*|read|write|send|use|include|accept|follow\w*|equals?|"
    r"as|do|press|dial|enter|type|select|call|see)\s+(?:(?:to|by|with|in|at)\s+)?$",
    re.IGNORECASE | re.ASCII,
)
_ACROSS = later(
    r"\s+(?:long|wide|high|deep|thick|tall|old|apart|away|above|below|beyond|of\s+the\s+time|in\s+(?:length|width|height|depth|diameter|size|weight))\b"
)
_WINDOW = 60  # characters in which the words stand that say what a number is
_YEAR = later(r"(?:19|20)\d\d")
_NONE = ("0", "1", "一")  # limits of anything
_NUMBER_OF = later(r"\b(?:numbers?|counts?|quantity|versions?)\b", re.IGNORECASE | re.ASCII)
_COUNTED = later(
    r"\b(?:numbers?|counts?|quantity|versions?|levels?|index|indices|priorit(?:y|ies)|ports?|"
    r"values?|integers?|digits?|scores?|ratings?|scale|probabilit(?:y|ies)|percentiles?|rows?|columns?|floors?|class(?:es)?|"
    r"grades?|phases?|categor(?:y|ies)|steps?|modes?|types?|chapters?|sections?|tables?|figures?|rounds?|attempts?|retries|"
    r"channels?|status|exit|pH|ids?|identifiers?|codes?|ratio|factor|positions?|TLS|SSL|HTTP|Java|Python|Android|iOS|release|"
    r"year|coefficient|exponent|radix|base|seed|rank|order|dimensions?|characters)\b|"
    r"\d\s?(?::|out\s+of)\s?\d",
    re.IGNORECASE | re.ASCII,
)
# bounded, for each sign of a long run may begin one
_NUMBER_ZH = r"(?:\d+(?:[.,]\d+)*+(?:\s?[百千万亿])?|[一二两三四五六七八九十百千万亿]{1,20})"
_BARE_ZH = (
    r"(?=\s*(?:[，。；、）)！？,;]|\.?\s*$|(?:以|之)?[内上下间]|范围|时(?![秒间段])|的?情况|[并且或则](?!\d)|"
    r"的(?=[一-龥]{2})))"
)
_UNIT_ZH = r"[秒分时天日周月年季毫微纳小个次米公千万百亿克吨升帧条行页字轮批圈度元位层台组A-Za-z%％℃°]"
_MEASURED_ZH = (
    r"(?:时间|时延|延迟|延时|时长|耗时|周期|间隔|超时|寿命|有效期|期限|保留期|长度|宽度|高度|深度|厚度|直径|半径|距离|"
    r"重量|质量|温度|湿度|压力|电压|电流|"
    r"功率|功耗|能耗|速度|速率|频率|带宽|吞吐量?|容量|内存|存储|磁盘|空间|大小|体积|面积|可用性|"
    r"[利使占可成失错准命丢误][一-龥]{0,3}率|精度|分辨率|角度|成本|价格|费用|金额|年龄|处理能力|噪声|音量|电平|液位|误差|"
    r"[一-龥](?:(?<![程幅难])度|(?<![数并])量|[力压流温长宽高厚径距矩角速频积重强耗损]|(?<![日分早学星短长])期|率))"
)
_CHINESE = later(
    rf"(?<=[\u3400-\u9fff])\s?(?P<within>{_NUMBER_ZH})(?=\s?[以之]?内(?![部存容网置核外嵌含]))|"
    rf"[在于]\s?(?P<past>\d+)(?=\s?[之以]?后)|每隔?\s?(?P<every>\d+)(?=[^\w\u3400-\u9fff]|[执进检备采发刷同更轮上])|"
    rf"(?:保[留存]|存储|留存|归档)(?:至少|不少于|时间|期限|为)?\s?(?P<kept>{_NUMBER_ZH}){_BARE_ZH}|"
    rf"(?:不?(?:得|能|可|应)?(?:超过|多于|少于|达到)|不(?:得|能|可|应)?[大小高低短长]于|至少|至多|最多|最少)(?:为|是|"
    rf"到|达到?|支持|保[留存])?\s?(?P<limit>{_NUMBER_ZH}){_BARE_ZH}|"
    rf"[在于从由]\s?(?P<range>-?{_NUMBER_ZH}\s?[到至~～—-]\s?-?{_NUMBER_ZH})(?=\s?(?:之间|的?范围|[，。；、]|内|可调|工作|运行|[^\w]|$))|"
    rf"每隔?\s?(?P<each>\d+)(?!\d)(?!\.)(?=\s?[一-龥])(?!\s?{_UNIT_ZH})|"
    rf"(?<=[一-龥])\s?(?P<bound>-?\d+(?:\.\d+)?)(?=\s?以[上下内](?![一-龥]{{0,2}}[个人台件条]))|"
    rf"(?<=[一-龥])\s?(?P<of>\d+(?:\.\d+)?)(?=\s?的[一-龥]{{0,3}}(?:力|延|迟|冲击|过载|振动|加速度)|\s?的?(?:高度|深度|长度|宽度|厚度|距离|时间|温度|压力|速度|重量|质量|电压|电流|功率|载荷|负载)(?:[的内后，。；]|$))|"
    rf"[\u3400-\u9fff]\s?(?P<at>\d+(?:\.\d+)?)(?=处[，。；])|"
    rf"(?:±|正负)\s?(?P<off>\d+(?:\.\d+)?){_BARE_ZH}|"
    rf"[至到]\s?(?P<until>-?\d+(?:\.\d+)?){_BARE_ZH}|[高低超]出[一-龥]{{1,4}}\s?(?P<over>\d+(?:\.\d+)?){_BARE_ZH}|"
    rf"以\s?(?P<by>\d+(?:\.\d+)?)(?=\s?的?[一-龥]{{2}})(?!\s?(?:{_UNIT_ZH}|[以之种类倍对路后前上下内]))|"
    rf"(?<=[一-龥])\s?(?P<after>\d+(?:\.\d+)?)(?=\s?[之以]?后[一-龥])|"
    rf"(?:应|须|必须|应当)(?:设置?|设定|调整?)?[为是到至]\s?(?P<is>-?(?:\d{{2,}}|\d+\.\d+)){_BARE_ZH}|[\u3400-\u9fff][为是](?P<is2>\d+\.\d+){_BARE_ZH}|"
    rf"[一-龥](?P<sized>\d+(?:\.\d+)?)(?=\s?[长宽高厚深](?:[，。；的]|$))|"
    rf"(?:承受|达到?|升至|降至|升到|降到|等待|持续|停留|间隔|延时|重约|称重|移动|行驶|输出|供给|[低高大小少多优劣早晚快慢]于|之?[后前]|超过|供电|运行|工作|加热[到至]|冷却[到至]|保持在?)\s?"
    rf"(?P<does>-?{_NUMBER_ZH}){_BARE_ZH}|"
    rf"{_MEASURED_ZH}[^，。；\n]{{0,12}}?(?:[大小高低长短早晚]于|超过|少于|多于|等于|达到?|设[为置成定]为?|[为在是取]|[<>≤≥＜＞]=?|至少|"
    rf"至多|最[大小长短多少])(?:等于)?\s?(?P<measured>(?:-?\d+\s?[到至~～或和、-]\s?)?-?{_NUMBER_ZH}){_BARE_ZH}",
    re.ASCII,
)
_COUNTED_ZH = later(
    r"(?:[人个次户件条页行位层台份倍参函]数|数(?:量|目|值)|号码?|(?<![声压功])级别?|版本|[系指]数|索引|下标|比[例值]|(?<!\d)分(?![钟秒])值?|得分|"
    r"并发量|并发数|阈值|端口|编码|代码|状态码|序号|年份|默认值|[Tt][Ll][Ss]|JDK|Java)[^，。；\n]{0,12}$"
)


def _find(subject: Subject) -> Iterator[Finding]:
    for prose, clause in subject.duties:
        for start, end in _places(prose, clause):
            yield prose.finding(start, end, {"word": prose.said(start, end)})


def _places(prose: Prose, clause: Clause) -> Iterator[tuple[int, int]]:
    """The number itself, or the two of a range; what is only counted needs no unit."""
    text = prose.text
    if _NUMERAL.search(text, clause.start, clause.end) is None:
        return
    for found in _ENGLISH.finditer(text, clause.start, clause.end):
        start, end = found.span()
        start -= start > clause.start and text[start - 1] in "-+"
        context = max(clause.start, start - _WINDOW)
        alone = start == clause.start or _PART_OF_A_NAME.match(text[start - 1]) is None
        if alone and found[0] not in _NONE and _is_measured(text, context, start, end):
            yield start, end
    for found in _CHINESE.finditer(text, clause.start, clause.end) if prose.chinese else ():
        number = found.span(found.lastgroup or 0)
        if text[slice(*number)] not in _NONE and not _COUNTED_ZH.search(
            text, max(clause.start, number[0] - 40), number[0]
        ):
            yield number


def _is_counted(text: str, context: int, start: int) -> bool:
    """Is the last noun that tells it one for what has numbers? The channel spacing is measured, the channel is not."""
    if _NUMBER_OF.search(text, context, start):
        return True
    last = max((found.end() for found in _COUNTED.finditer(text, context, start)), default=-1)
    return last >= 0 and all(found.end() < last for found in _QUANTITY.finditer(text, context, start))


def _is_measured(text: str, context: int, start: int, end: int) -> bool:
    """Does what stands around the number say that it measures something, and nothing that it names or counts?"""
    if _ACROSS.match(text, end) is not None:
        return True
    if _is_counted(text, context, start):
        return False
    before = _BEFORE.search(text, context, start)
    if before is None and text[end : end + 1] != ")" and _QUANTITY_OF.search(text, context, start):
        return True
    if before is None or before["is"]:
        return before is not None and (end - start > 1 or _QUANTITY.search(text, context, start) is not None)
    if _NAMES.search(text, context, start) and not _QUANTITY.search(text, context, start):
        return False
    return not (before["place"] and _YEAR.fullmatch(text, start, end))


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
        "The noise level shall not exceed 45.",
        "The case shall measure 300 x 200 x 80.",
        "The mast shall be 12 high.",
        "The shift shall end after fifteen.",
        "Loads exceeding 80 shall trip the breaker.",
        "剂量应在0.1至99之间可调。",
        "门缝应小于6。",
        "螺栓应拧紧至45。",
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
        "The step shall need approval by 2 or more officers.",
        "The number of temperature readings shall be 5.",
        "The contract shall end in 2030.",
        "The unit shall be tested as in 4.2 and 4.3.",
        "服务应监听8080端口。",
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
