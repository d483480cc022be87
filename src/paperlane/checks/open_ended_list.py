"""Lists in requirements that do not say where they end: "etc.", "including but not limited to", "等"."""

from paperlane.checks import Check, Scope
from paperlane.checks.wording import wording
from paperlane.model.documents import Severity

_ENDS = r"(?=\s*(?:[.,;)]|$))"
_ITEMS = (
    r"(?=\s+(?:(?:the|an?|its)\s+)?(?!(?:one|two|three|four|five|six|ten|once|twice)\b)[a-z]+(?:\s+[a-z]+){0,3},\s)"
)
# after INCOSE's Guide to Writing Requirements, rule R9 (avoid open-ended clauses)
_ENGLISH = (
    (
        r"etc\b\.?|et\s+cetera|(?:and|or)\s+(?:so\s+(?:on|forth)|such(?=\s*[.,;)])|(?:all\s+)?(?:that|things?\s+like\s+(?:that|this|these))(?=\s*[.;)])|a\s+few\s+(?:more|others)|the\s+likes?|suchlike|(?:something|anything|everything)\s+(?:similar|else|like\s+(?:that|it))|"
        r"whatever(?:\s+else)?|the\s+rest|what(?:\s+)?not)"
    ),
    rf"(?:as\s+well\s+as|along\s+with|together\s+with)\s+(?:any\s+|some\s+|many\s+)?(?:others?|similar\s+\w+|other\s+\w+|more){_ENDS}",
    (
        rf"(?:at\s+least|at\s+(?:the\s+very\s+least|a\s+minimum)|as\s+a\s+minimum|in\s+particular|for\s+(?:example|instance)|"
        rf"primarily|mainly|especially|notably|typically),?{_ITEMS}|et\s+al\b\.?|(?:plus|and\s+all|and\s+everything)\s+(?:others?|more|related|else)(?:\s+\w+)?{_ENDS}|to\s+name\s+(?:but\s+|just\s+)?(?:a\s+few|some)"
    ),
    (
        rf"(?:and|or)\s+(?:(?:many|any|some)\s+)?(?:other\s+)?(?:others|(?:similar|comparable|equivalent|related|further|additional|like)(?:\s+(?:ones|\w+))?|"
        rf"(?:more|further)(?:\s+of\s+(?:that|this|the\s+same)\s+kind)?|(?:\w+\s+)?of\s+(?:that|this|the\s+same)\s+(?:kind|sort|type)){_ENDS}|"
        rf"(?:and|or)\s+any\s+other\s+(?:\w+\s+)?\w+{_ENDS}"
    ),
    rf"(?<=,\s)(?:and|or)\s+(?:any\s+|all\s+)?other\s+(?:\w+\s+)?\w+{_ENDS}",
    (
        r"(?:(?:including|includes?|comprising|such\s+as)\s*,?\s*)?(?:(?:but|and|which|that|is|are)\s+){0,2}"
        r"(?:not|without)\s+(?:be(?:ing)?\s+)?(?:necessarily\s+)?(?:limited|restricted|confined)\s+(?:only\s+)?to"
    ),
    r"(?:(?:including|includes?)\s*,?\s*)?(?:but\s+)?without\s+limitation",
    r"(?:including,?\s+)?among(?:st)?\s+(?:others|other\s+things)|inter\s+alia|(?<!,\s)such\s+as(?!\s+[\"“])",
)
_DOTS = r"(?:[,，、]\s{0,3}|(?<=[\w)）\u3400-\u9fff])\s?)(?:\.{3,}|…+)(?=\s{0,3}(?:[)）。；;]|$))"
_CHINESE = (
    r"等等(?!待)|(?:包括|包含|涵盖)?[，,]?[但而]?并?不[仅只]?(?:限于|局限于)|诸如|不一而足|[以依]此类推|什么的(?=[，。；])|(?:不止|不限)于",
    r"(?:诸如此类|(?<!总)之类)(?=[的，。；）]|$)|(?:至少|主要|例如|比如|譬如)(?:应?包[括含])?(?=[一-龥]{2,12}、)",
    r"(?:以及|和|及|或|与)(?:其[他它])?(?:类似|同类|相似|相近|别的|更多|相关)(?:的)?[一-龥]{0,4}(?=[，。；）]|$)",
    r"(?:以及|和|及|或)其[他它](?:相关)?(?:[一-龥]{2}|信息|内容|数据|功能|操作|情况|事项|类型|格式|方式|设备|字段)?(?=[，。；]|$)",
    # 等 closes complete lists too, before a number (A、B、C等三种); it waits (应等用户确认) and is part of words
    (
        r"(?<![平相对同均高中初上下优何这此不稍头我你他幂一二两三四五六七八九十\d])"
        r"(?<![应要须需先再会请得，。；：、（])(?<![应要须需先再会请得，。；：、（] )等"
        r"(?!分(?![类别布组])|高(?![级危风性])|保(?![护存密障证留持])|[待于级价同效号式长比距宽额候到位离温压值差腰边速量幂]|"
        r"[\s上以述这共全部计总]{0,4}(?:\d|[一二两三四五六七八九十几百]\s*[一-龥]))"
        r"(?:(?:参数|资料|事项|情形|情况|信息|数据|内容|功能|操作|格式|类型|方式|设备|物品|材料|介质|字段|文件|指标|场景|因素|措施|"
        r"项目|对象|要素|状态|事件|手段|活动|工作|服务|产品|部件|[一-龥]{2})(?=[，。；）]|$))?"
    ),
)
WORDS = wording(_ENGLISH, _CHINESE, signs=[_DOTS])

CHECK = Check(
    name="open-ended-list",
    title={"en": "Open-ended list", "zh": "未穷尽的列举"},
    why="Nobody can build or test what a list leaves to be added, and each reader adds something else.",
    category="completeness",
    severity=Severity.WARNING,
    confidence=0.7,
    scope=Scope.PASSAGE,
    find=WORDS.findings,
    messages={
        "en": "“{word}” leaves the list open: what else belongs to it is anybody's guess.",
        "zh": "“{word}”使列举不完整，其余内容无从得知。",
    },
    suggestions={
        "en": "Name every item, or say where the complete list stands.",
        "zh": "请列出全部项目，或指明完整清单所在位置。",
    },
    flags=(
        "The form shall ask for at least name, address and age.",
        "The unit shall log starts and any other event.",
        "系统应记录登录、注销或类似事件。",
        "表单应至少询问姓名、地址和年龄。",
        "The system shall export PDF, DOCX, etc.",
        "The log must hold the time, the user and so on.",
        "Reports shall include, but are not limited to, cost and time.",
        "The system shall accept formats such as PDF and DOCX.",
        "The form shall ask for name, address, ...",
        "系统应支持 PDF、DOCX 等格式。",
        "日志必须包含时间、用户等。",
        "报告应包括但不限于成本和进度。",
        "系统应记录登录、退出等等。",
        "系統應記錄登入、登出等操作。",
        "系统应：\n\n- 导出 PDF、DOCX 等",
    ),
    passes=(
        "The form shall ask for at least two names.",
        "The system shall export PDF and DOCX.",
        "There are cats, dogs, etc.",
        "The limit shall be such that no user waits.",
        "系统应支持 PDF、DOCX、HTML 等三种格式。",
        "系统应支持PDF、DOCX等2种格式。",
        "接口应保证幂等，优先级相等时应等待用户确认。",
        "系统应等用户确认后再提交，不等同于拒绝。",
        "支持 PDF、DOCX 等格式。",
    ),
)
