"""Words that no test can decide: "fast", "user-friendly", "适当"."""

from paperlane.checks import Check, Scope, escape_clause, missing_tolerance, open_ended_list
from paperlane.checks.wording import wording
from paperlane.model.documents import Severity

_DIGITS = r"(?:digit|bit|byte|figure|change)s?"  # the significant ones
_AFTER = r"(?:after|before|follow|prec|below|above|upon|when|adjacent|parent|child|super|sub)\w*"  # in a row
_THINGS = r"(?:information|data|cases|users?|requests?|errors?|functions?)"
_BE = (  # said of the subject itself
    r"secure|safe|clear|understandable|light(?:weight)?|cost[-\s]effective|comprehensive|complete|accurate|precise|low|high|"
    r"small|large|short|long|compact|quiet|portable|readable|usable|consistent|transparent|self[-\s]explanatory|durable|"
    r"rugged|powerful|natural|fair|affordable|sturdy|strong|tough|solid|stiff|loud|legible|ergonomic|modular|concise|brief|competitive|future[-\s]proof|"
    r"accessible|(?:highly\s+)?sensitive|pleasing|beautiful|tidy|neat|polite|helpful|informative|trustworthy|responsible|modest|"
    r"lean|agile|mature|realistic|recent|current|well[-\s]\w+"
)
# after INCOSE's Guide to Writing Requirements, rules R7 (avoid vague terms) and R35 (indefinite times)
_ENGLISH = (
    # speed
    r"fast(?:er)?|quick(?:ly|er)?|rapid(?:ly)?|swift(?:ly)?|slow(?:ly)?|speed(?:y|ily)|instant(?:ly|aneous(?:ly)?)",
    rf"promptly|prompt(?=\s+\w+(?:se|ly|ion|ing|ry|ck|ir)\b)|immediate(?:ly)?(?!\s+{_AFTER})|(?<!as\s)soon(?!er)|eventually",
    r"timely|in\s+(?:a\s+timely\s+manner|good\s+time|due\s+course)|without\s+(?:(?:any\s+)?(?:undue|unnecessary|noticeable|significant|great|major|much|long)\s+)?delays?(?!\s+(?:of|time|line|above|over))|shortly(?=\s+(?:after|before)|\s*[.,;])|at\s+short\s+notice|on\s+time",
    r"(?:a\s+)?(?:short|long|reasonable|brief)\s+(?:time|period|while|delay|distance)s?|(?:near|almost)\s+real[-\s]time",
    r"(?:at|with)\s+(?:high|good|great|maximum|full|reasonable)\s+(?:speed|performance)",
    r"as\s+\w+\s+as\s+(?:possible|practicable|practical|feasible|necessary)|responsive(?:ly|ness)?",
    # how often
    r"frequent(?:ly)?|often|regularly|at\s+(?:regular|suitable|short|long|frequent|reasonable)\s+intervals|periodic(?:ally)?(?!\s+table)|from\s+time\s+to\s+time",
    r"occasional(?:ly)?|sometimes|normally|usually|generally|typical(?:ly)?|mostly|largely",
    (
        r"(?:(?<=under\s)|(?<=in\s)|(?<=during\s)|(?<=for\s))(?:normal|usual|ordinary|regular|typical|average|adverse|extreme|"
        r"severe|harsh|heavy|bad|poor|favou?rable)(?=\s+(?!(?:mode|form|forms|order|text|distribution|expressions?)\b)[a-z]+)"
    ),
    # how much
    (
        r"approximately|roughly|nearly|almost|close\s+to|or\s+so(?=\s*[.,;]|$)|relatively|fairly|quite|(?<!so\s)(?<!how\s)highly(?=\s+[a-z]+)|sufficiently|suitably|readily|gently|softly|firmly|tightly|neatly|clearly|correctly|safely|securely|accurately|precisely|quietly|cleanly|nicely|flawlessly|reasonably|evenly|broadly|"
        r"loosely|heavily|strongly|somewhat|slightly|moderate(?:ly)?|rather(?!\s+than|,)|extremely"
    ),
    r"very(?!\s+(?:start|end|same|first|last|beginning|least|top)\b)|several|various|numerous|(?:a\s+)?few|some\s+of",
    r"multiple(?=\s+(?!times\b)[a-z]+s\b)|a\s+couple\s+of|a\s+handful\s+of|tons\s+of|(?<!how\s)(?<!as\s)(?<!so\s)many|(?:a\s+)?lots?\s+of|a\s+great\s+deal\s+of|plenty\s+of|enough|ample|(?<!a\s)little(?=\s+(?!endian\b)[a-z]+)|(?<=tolerate\s)some|as\s+(?:little|few|much|many)\s+[\w\s]{1,30}?\s+as\s+(?:possible|necessary)",
    r"a\s+(?:(?:large|small|limited|great|certain|reasonable)\s+)?(?:number|amount|variety|range)\s+of",
    rf"large\s+(?:amounts?|volumes?|numbers?|quantit(?:y|ies))\s+of|most(?=\s+(?:of\s+the\s+)?{_THINGS}\b)",
    r"adequate(?:ly)?|sufficient(?:ly)?|reasonabl[ey]|acceptabl[ey](?!\s+to\b)|satisfactor(?:y|ily)|appropriate(?:ly)?",
    rf"significant(?:ly)?(?!\s+{_DIGITS})|substantial(?:ly)?|considerabl[ey]|excessive(?:ly)?|undu(?:e|ly)",
    r"minimi[sz]e[sd]?|maximi[sz]e[sd]?|minimal(?:ly)?|optimal(?:ly)?|optimum|optimi[sz]ed?|ideal",
    # how good
    r"(?:user|operator|customer|developer)[-\s]friendl(?:y|iness)|eas(?:y|ier|ily|e\s+of\s+use)|intuitive(?:ly)?",
    r"simpl[ey](?!\s+(?:object|type|bind|network|mail|attribute))|straightforward|convenient(?:ly)?|comfortabl[ey]",
    r"efficient(?:ly)?|efficiency|effective(?:ly)?(?!\s+(?:date|from|on|as\s+of)\b)|robust(?:ly)?|reliabl[ey]|dependabl[ey]",
    r"resilient(?:ly)?|stabl[ey]|seamless(?:ly)?|smooth(?:ly)?|graceful(?:ly)?|flexibl[ey]|scalabl[ey]|extensible",
    r"maintainable|adaptable|versatile|suitabl[ey](?!\s+for\b)|proper(?:ly)?|meaningful(?:ly)?|sensibl[ey]",
    (
        r"(?<!the\s)(?<!other\s)relevant(?=\s+[a-z]+)(?!\s+(?:to|for|section|clause|standard|requirement|provision)s?\b)|up[-\s]to[-\s]date|careful(?:ly)?|thorough(?:ly)?|"
        r"(?<!be\s)(?<!is\s)(?:useful|helpful)|(?:in)?expensive|cheap(?:ly)?|economical(?:ly)?|noticeabl[ey]|environmentally[-\s](?:friendly|sound|sustainable)|(?:eco|family|child)[-\s]friendly|attractive(?:ly)?|pleasant|appealing|clean|elegant|modern|state[-\s]of[-\s]the[-\s]art|cutting[-\s]edge|world[-\s]class"
    ),
    r"best[-\s](?:in[-\s]class|possible|practice)s?|industry[-\s]leading|good|better|excellent|superior",
    (
        r"high(?:ly|er)?[-\s](?:performance|quality|availab(?:le|ility)|reliab(?:le|ility)|speed|throughput|efficiency|secure|"
        r"accura(?:te|cy)|precision|resolution|scalable|volume)"
    ),
    r"low(?:er)?[-\s](?:latency|cost|power|noise|maintenance|overhead)|(?:scale|perform|work|function|behave)s?\s+well",
    rf"(?<=be\s)(?:{_BE})(?=\s*(?:[.,;]|and\b|or\b|enough|$))|user['’]s\s+satisfaction",
)
_CHINESE = (
    # speed
    r"尽快|尽早|及时|(?<!最)快速(?!路)|较快|很快|飞快|迅速|迅捷|敏捷(?!开发)|立即|立刻|马上|即刻|第一时间",
    r"短(?:时间|期)内?|长(?:时间|期)(?!支持)|要(?:快|低|高|好|短|小|少|稳)(?=[，。；]|$)",
    # how often
    r"定期|不定期|经常|时常|偶尔|频繁|通常|往往|基本上",
    # how much
    r"大约|大概|大致|约莫|差不多|几乎|接近|近似|(?<=[\d个十百千万%％天年月周时钟秒米])\s?左右",
    r"若干|多[种样项类](?!性)|数个|一些|某些|(?<!第)几个|少许|些许|许多|很多|众多|大量|海量|少量|大部分|绝?大多数?|多数(?=[用情场操请])|各种|各类|各式",
    r"一定(?:程度|的?(?:时间|数量|范围|比例|条件|期限|能力|规模))(?:上|内)?|适量|适度|适当(?!性)|合适的?|(?<!不)(?<!不是)合理(?!性)|恰当|妥善",
    r"足够的?|充足的?|充分(?!必要)的?|非常|十分|极其|极为|相当(?!于)|尤其|过[高低大小长短多少快慢]|不必要的",
    r"更(?:好|快|高|佳|强|多(?!的?(?:信息|内容|细节))|方便)的?|比?较为?[高低大小快慢好多少长短强弱](?!者)|比较(?=[容简方合稳安清准])",
    (
        r"(?<=在)(?:正常|一般|普通|恶劣|极端|良好|常规)(?=[一-龥]{1,6}(?:下|中|条件|环境))|轻微|可观|轻松|轻[巧柔便]|结实|牢固|平顺|响亮|醒目|灵敏(?!度)|简明|简练|整齐|整洁|清楚|悦目|美化|有竞争力|前瞻性?|人体工[学程]|随即|随后即|很[大小多少高低快慢好长短强弱]|轻便|便携|紧凑|耐用|坚固|安静|舒适|"
        r"令人满意|可接受的?(?![性范])|过于|太(?=[一-龥])|显著|明显|大幅度?|最优|最佳|最大化|最小化"
    ),
    # how good
    r"友好(?!城市)的?|人性化|易[用读懂学](?!性)|易于?(?:使用|理解|维护|操作|扩展|学习?|掌握|管理|阅读|安装|部署|懂|上手)|方便地?|便捷|便利",
    r"便于(?=[一-龥])|相关(?=数据|信息|内容|资料|功能|文件|人员|规定|操作|部门|参数|指标|要求|记录|设备|标准)|简单|简洁|简便|直观|美观|流畅|清晰(?!度)(?:明了)?|明了|一目了然",
    r"高效|有效地|灵活|强大|健壮|鲁棒|先进(?!行|先出)|领先|优良|优质|优秀|优异|出色|完善的|完备的|满意|良好的?|主流|体验良?好",
    r"高(?:性能|质量|效率|可用性?|可靠性?|并发(?!时|场景|环境|情况|[的下])|安全性|精度|速|吞吐|稳定性|水平)|低(?:延迟|时延|成本|功耗|误差)",
    r"稳定(?!性|版)(?:地|的|运行|可靠)?|(?<!不)可靠(?!性)(?:地|的|运行)?|安全可靠|平稳|平滑|无缝|顺畅",
)
# a word in quotes is spoken of
_WORDS = wording(
    [rf"(?<![\"“‘])(?:{'|'.join(_ENGLISH)})"],
    [rf"(?<![“「‘])(?:{'|'.join(_CHINESE)})"],
    others=[escape_clause.WORDS, open_ended_list.WORDS, missing_tolerance.ABOUT],
)

CHECK = Check(
    name="vague-term",
    title={"en": "Vague term", "zh": "含糊的用语"},
    why="A requirement with a word that no measurement decides cannot be tested, and everybody reads it differently.",
    category="ambiguity",
    severity=Severity.WARNING,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=_WORDS.findings,
    messages={"en": "“{word}” is vague: no test can decide it.", "zh": "“{word}”含义模糊，无法验证。"},
    suggestions={
        "en": "Name a number with its unit and tolerance, a list, or a condition.",
        "zh": "请给出数值、单位与容差，或列出明确的条件。",
    },
    flags=(
        "The server has\nto respond quickly.",
        "The hull shall be sturdy.",
        "外壳应轻巧。",
        "The display shall be legible under normal lighting.",
        "看板应显示相关数据。",
        "The system shall respond fast.",
        "The page must be user-friendly.",
        "Logs should be kept in a reasonable way, and promptly.",
        "系统应尽快响应用户请求。",
        "服务器必须具有足够的存储空间。",
        "The page must be easy to\nuse, and load as quickly as possible.",
        "> The page must load as\n> soon as possible.",
        "系统shall be fast。",
        "系统应尽\n快响应。",
        "系統應儘快回應，並應記錄日誌。",
        "系统应在5秒左右响应，负载较高时也应如此。",
        "The system shall offer a variety of reports at high speed.",
        "The system will respond quickly.",
        "The system shall:\n\n- be intuitive\n- stop",
        "系统应：（1）迅速启动；（2）记录日志。",
        "系统需要定期备份。",
        "平台應提供簡潔直觀的頁面，便於使用。",
    ),
    passes=(
        "The system shall respond within 200 ms.",
        "A fast car passed the house.",
        "系统应在 200 毫秒内响应。",
        "应用程序通常运行在服务器上。",
        "The system shall support one-to-many transfers, and say how many there are.",
        "The server shall stop; the page is fast.",
        "Programs will usually need to do this.",
        "系统应检查左右括号，以较长者为准。",
        "系统响应快速。",
        "用户需要快速上手。",
        "The test shall take place immediately after the start.",
        "The system shall encrypt data where appropriate, in about 5 s.",
        "系统应视情况、在适当时记录日志。",
    ),
)
