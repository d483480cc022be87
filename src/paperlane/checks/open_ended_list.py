"""Lists in requirements that do not say where they end: "etc.", "including but not limited to", "等"."""

from paperlane.checks import Check, Scope
from paperlane.checks.wording import wording
from paperlane.model.documents import Severity

# where a list ends: the clause does, or a phrase begins that says where, when or why
_ENDS = (
    r"(?=\s*(?:[.,;:)]|$)|\s+(?:in|on|at|by|for|from|of|to|with|within|when|while|if|before|after|during|that|which|as|into|"
    r"via|through|under|per|is|are|shall|must|should|will|it|the|where|unless|until|so)\b)"
)
_FEW = (
    r"(?!(?:one|two|three|four|five|six|ten|once|twice|by|for|in|on|at|of|as|to|if|when|where|because|since|with|without|from|"
    r"through|via|using|that|which|this|these|those|until|unless|after|before|during|between|while)\b)"
)
_ITEMS = rf"(?=\s+{_FEW}(?:(?:the|an?|its)\s+)?{_FEW}[a-z][\w/.-]*(?:\s+[\w/.-]+){{0,2}}?(?:,\s|\s+(?:and|or)\s))"
_AND = r"(?:and/or|and|or|plus|as\s+well\s+as|along\s+with|together\s+with)"
_ANY = r"(?:(?:any|all|some|many|various|certain|the|a\s+number\s+of|several|possibly|perhaps|even|also)\s+)*+"
_MORE = (  # of the same kind
    r"other|further|additional|(?<!one\sor\s)(?<!two\sor\s)(?<!three\sor\s)more|miscellaneous|assorted|similar|comparable|equivalent|"
    r"(?<!the\s)related|analogous|like"
)
_THINGS = (
    r"things?|items?|stuff|events?|data|information|devices?|equipment|means|ways?|types?|kinds?|documents?|formats?|"
    r"elements?|parameters?|functions?|features?|cases?|conditions?|situations?|sources?|systems?|parts?|materials?"
)
# after INCOSE's Guide to Writing Requirements, rule R9 (avoid open-ended clauses)
_ENGLISH = (
    (
        r"etc\b\.?|et\s*cetera|et\s+al\b\.?|(?:and|or)\s+(?:so\s+(?:on|forth)(?:\s+and\s+so\s+(?:on|forth))?|such(?=\s*[.,;)])|"
        r"(?:all\s+)?(?:that|things?\s+like\s+(?:that|this|these))(?=\s*[.;)])|a\s+few\s+(?:more|others)|the\s+likes?|"
        r"suchlike|(?:something|someone|somewhere|anything|everything)\s+(?:similar|else|more|comparable|equivalent|like\s+(?:that|it))|"
        r"what(?:so)?ever(?:\s+else)?(?:\s+\w+){0,3}(?=\s*[.,;)])|the\s+rest|all\s+the\s+rest|what(?:\s+)?not|otherwise(?=\s*[.;)])|beyond(?=\s*[.;)])|counting(?=\s*[.;)]))"
    ),
    rf"{_AND}\s+{_ANY}(?:others|(?<!one\sor\s)(?<!two\sor\s)(?<!three\sor\s)(?<!zero\sor\s)more(?:\s+besides)?|further\s+ones|the\s+others){_ENDS}",
    rf"{_AND}\s+{_ANY}(?:{_MORE})\s+(?!(?:one|two|three|than|side|party|hand|end|half|to)\b)(?:\w+\s+){{0,2}}?[\w-]+{_ENDS}",
    rf"{_AND}\s+{_ANY}(?:similar|equivalent|comparable|alike|related){_ENDS}",
    (
        rf"{_AND}\s+(?:any|all|every)(?:thing)?\s+(?:\w+\s+)?(?:that\s+(?:is|are|may|might|could)\s+\w+|of\s+(?:that|this|the\s+same)\s+(?:kind|sort|type|nature)|"
        rf"(?:{_THINGS})\s+(?:of|like)\s+(?:that|this|the\s+same)\s+(?:kind|sort|type|nature))"
    ),
    r"(?:\w+\s+)?of\s+(?:that|this|the\s+same|a\s+similar|a\s+like)\s+(?:kind|sort|type|nature)(?=\s*[.;)])",
    (
        rf"(?:at\s+least|at\s+(?:the\s+very\s+least|a\s+minimum)|as\s+a\s+minimum|minimally|in\s+particular|"
        rf"primarily|mainly|chiefly|principally|mostly|especially|particularly|notably|typically|generally|"
        rf"among(?:st)?\s+(?:them|these|which)),?{_ITEMS}"
    ),
    rf"(?:including,?\s+)?(?:(?<=[\w,]\s)|(?<=\s\())(?:for\s+(?:example|instance)|e\.\s?g\.),?{_ITEMS}",
    r"(?:plus|and\s+all|and\s+everything)\s+(?:others?|more|related|else)(?:\s+\w+)?(?=\s*[.,;)])|to\s+(?:name|mention|list)\s+(?:but\s+|just\s+|only\s+)?(?:an?\s+few|some|several|one|two)",
    (
        r"(?:(?:including|includes?|comprising|such\s+as)\s*,?\s*)?(?:(?:but|and|which|that|is|are)\s+){0,2}"
        r"(?:not|without)\s+(?:be(?:ing)?\s+)?(?:necessarily\s+)?(?:limited|restricted|confined|limiting)\s+(?:only\s+|just\s+|itself\s+|themselves\s+)?(?:to|only)"
    ),
    r"(?:(?:including|includes?)\s*,?\s*)?(?:but\s+)?without\s+(?:any\s+)?(?:limitations?|restrictions?)",
    r"(?:but\s+)?not\s+(?:only|exclusively|solely)\s+(?=\w+(?:\s+\w+)?,)",
    r"(?:including,?\s+)?among(?:st)?\s+(?:many\s+)?(?:others|other\s+(?:things|\w+))|inter\s+alia|(?<!,\s)such\s+as(?!\s+[\"“])",
    r"(?<=s\s)(?<!looks\s)(?<!acts\s)(?<!behaves\s)(?<!seems\s)(?<!works\s)(?<!is\s)(?<!sounds\s)(?<!feels\s)(?<!this\s)(?<!appears\s)like(?=\s+(?:an?\s+|the\s+)?[\w-]+(?:\s+[\w-]+)?(?:,|\s+(?:and|or)\b|\s*\.))",
)
_DOTS = (
    r"(?=[,，、\s.…])(?:[,，、]\s{0,3}|(?<=[\w)）\u3400-\u9fff])\s?)(?:\.{3,}|…+)"
    r"(?=\s{0,3}(?:[)）。；;]|$)|[ \t]*\r?\n)"
)
_OTHERS_ZH = r"(?:其[他它余](?!人)|别的|类似|同类|相似|相近|相类|更多|另外)"
_AMPERSAND = rf"&\s?(?:c\b\.?|so\s+(?:on|forth)|(?:others|more){_ENDS}|other\s+\w+{_ENDS})"
_CHINESE = (
    (
        r"等等(?!待)|(?:包括|包含|涵盖)?[，,]?[但而]?并?不[仅只]?(?:局?限于|局限在|限制于|止于|止)(?![一-龥]{0,2}损失)|诸如|不一而足|[以依]此类推|"
        r"什么的(?=[，。；])|不止于|云云|凡此种种"
    ),
    (
        r"(?:诸如此类|(?<!总)(?<!分)之类|(?<![第同另种单])(?:一|这|此)类(?=的))(?=[的，。；）]|$)|(?:最起码|起码|至少|主要|重点|"
        r"特别|尤其)(?:应?包[括含]|是|有|为)?(?=[^，。；、\d每]{2,12}[、和与及])"
    ),
    (
        r"(?<=[\u3400-\u9fffA-Za-z\d，,（( ])(?:例如|比如|譬如|好比)(?!一个)(?=[^，。；：:、]{1,16}[、和与及或])|"
        r"(?<=[，,（(])(?:如|像|比方)(?![果何下同图表此])(?=[^，。；、]{1,16}[、和与及或])|"
        r"像(?=[^，。；]{1,20}(?:这样|那样|这类|之类)的?)"
    ),
    rf"(?<=[\u3400-\u9fffA-Za-z\d），、])(?<!以)(?:以及|和|及|或者?|与|、|乃至|甚至)(?:任何|所有|一切|各种|某些)?{_OTHERS_ZH}(?:的)?(?:[一-龥]{{1,8}}(?=[，。；）]|$)|[一-龥]{{2}})?",
    # 等 closes complete lists too, before a number (A、B、C等三种); it waits (应等用户确认) and is part of words
    (
        r"(?<![平相对同均高中初上下优何这此不稍头我你他幂一二两三四五六七八九十\d])"
        r"(?<![应要须需先再会请得，。；：、（])(?<![应要须需先再会请得，。；：、（] )等"
        r"(?!分(?![类别布组])|高(?![级危风性])|保(?![护存密障证留持])|[待于级价同效号式长比距宽额候到位离温压值差腰边速量幂]|"
        r"[\s上以述这共全部计总]{0,4}(?:\d|(?!一[系切些类])[一二两三四五六七八九十几百]\s*[一-龥]))"
        r"(?:(?:参数|资料|事项|情形|情况|信息|数据|内容|功能|操作|格式|类型|方式|设备|物品|材料|介质|字段|文件|指标|场景|因素|措施|"
        r"项目|对象|要素|状态|事件|手段|活动|工作|服务|产品|部件|[一-龥]{2})(?=[，。；）]|$))?"
    ),
)
WORDS = wording(_ENGLISH, _CHINESE, signs=[_DOTS, _AMPERSAND])

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
        "The pump shall report leaks, blockages and other faults to the desk.",
        "The tank shall hold acids & others.",
        "The reader shall show errors like gaps, jams and cuts.",
        "办事员应附上申请表、收据以及其他佐证材料。",
        "门房应避让树木、电线等障碍物。",
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
        "One or more keys shall be stored.",
        "The filter shall look like a box or a tube, and each other part alike.",
        "评估应至少每年进行一次和归档。",
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
