"""Words that let a requirement off: "where possible", "as appropriate", "视情况"."""

from paperlane.checks import Check, Scope
from paperlane.checks.wording import wording
from paperlane.model.documents import Severity

_REALLY = r"(?:(?:reasonably|technically|practically|operationally|economically|humanly|commercially|deemed)\s+)?"
_FEASIBLE = r"(?:possible|practicable|practical|feasible|achievable|workable|viable)"
_NEEDED = r"(?:necessary|needed|required|appropriate|desired|desirable|suitable|relevant|advisable|warranted)"
_IT_IS = (
    r"(?:(?:it|this|that)\s+(?:is|proves|becomes|should\s+(?:be|prove)|can\s+be)\s+|"
    r"should\s+(?:it|this)\s+(?:be|prove)\s+)?"
)
_MEANS = (
    r"(?:the\s+)?(?:time|resources?|budgets?|funds|circumstances|conditions|situation|schedule|capacity|space|weather|"
    r"technology)"
)
_CONDITION = r"(?!\s+(?:by|for|to|in|under|that|of|according|pursuant|given)\b)"  # what is "required by law" is one
_SOON = r"(?<!soon\s)(?<!quickly\s)(?<!fast\s)(?<!early\s)(?<!rapidly\s)(?<!promptly\s)(?<!swiftly\s)"

# after INCOSE's Guide to Writing Requirements, rule R8 (avoid escape clauses)
_ENGLISH = (
    (
        r"(?:insofar|(?:in\s+)?(?:so|as)\s+(?!soon|quick|fast|early|rapid|prompt|swift|immediate)\w+)\s+as\s+(?:(?:it\s+)?is\s+)?"
        rf"{_REALLY}(?:{_FEASIBLE}|{_NEEDED}|can\s+be\s+(?:managed|achieved)){_CONDITION}"
    ),
    rf"{_SOON}as\s+{_REALLY}(?:(?!possible){_FEASIBLE}|{_NEEDED}){_CONDITION}",
    r"as\s+(?:(?:it|they)\s+)?(?:deems?|sees?)\s+fit",
    (
        r"(?:except\s+)?(?:if|when(?:ever)?|where(?:ver)?|unless|insofar\s+as|to\s+the\s+degree|provided(?:\s+that)?|"
        r"as\s+long\s+as|so\s+long\s+as)\s+(?:and\s+(?:when|where|as)\s+)?"
        rf"{_IT_IS}(?:at\s+all\s+)?{_REALLY}(?:not\s+)?"
        rf"(?:(?:im)?{_FEASIBLE}|infeasible|unfeasible|{_NEEDED}|(?:un)?reasonable|convenient|beneficial|useful|helpful|"
        rf"sensible|justified|opportune){_CONDITION}"
    ),
    r"(?<!\()(?:if|where)\s+applicable",
    (
        rf"(?:as\s+(?:soon|far|much|often|long|quickly)\s+as|provided(?:\s+that)?|if|as|when(?:ever)?|where(?:ver)?)\s+{_MEANS}\s+"
        r"(?:permits?|allows?|requires?|dictates?|demands?|warrants?|(?:is|are)\s+(?:available|sufficient|favou?rable))"
    ),
    r"(?:unless|except\s+(?:where|when|if)|save\s+where)\s+otherwise\s+(?:agreed|stated|decided|arranged|justified)",
    r"(?:as|if|where|when)\s+(?:so\s+)?desired|as\s+a\s+rule(?!\s+of\b)|in\s+(?:most|many|some)\s+cases",
    r"(?:to|according\s+to)\s+the\s+best\s+of\s+(?:its|their|his|her|the\s+\w+['’]s?)\s+(?:ability|abilities|knowledge)",
    r"at\s+(?:the|its|their)\s+(?:sole\s+|own\s+)?discretion(?:\s+of)?|on\s+a\s+best[-\s]efforts?\s+basis|best[-\s]effort",
    r"barring\s+(?:unforeseen|exceptional)\s+\w+|(?:in|under|except\s+in)\s+(?:exceptional|special|unusual)\s+(?:cases|circumstances)",
    rf"{_MEANS}\s+permitting",
    (
        r"(?:to|within)\s+(?:the|an)\s+(?:(?:maximum|greatest|fullest|largest|full)\s+)?(?:extent|degree)\s+"
        rf"(?:that\s+(?:it\s+)?is\s+)?{_REALLY}(?:{_FEASIBLE}|{_NEEDED}|reasonable|permitted){_CONDITION}"
    ),
    r"to\s+some\s+(?:extent|degree)",
    r"within\s+reason(?:able\s+(?:limits|bounds))?",
    r"(?:best|(?:commercially\s+|all\s+)?reasonable|every)[-\s]+(?:efforts?|endeavou?rs?)",
    r"in\s+principle|ideally|preferably|if\s+at\s+all|should\s+the\s+need\s+arise|as\s+the\s+case\s+may\s+be",
    r"subject\s+to\s+(?:\w+\s+)?(?:feasibility|availability|practicability|resources|budget)",
)
_CHINESE = (
    r"[在于][一-龥]{0,6}?(?:允许|许可|可能|可行|必要|需要|适当|合适|适用|具备)的?(?:情况|条件|前提|范围|场合)之?[下内]?",
    r"在(?:技术|经济|操作|实际|条件|资源|时间|预算|成本)(?:上|方面)?(?:可行|允许|许可|可能|具备|合理)时?(?![一-龥]{0,3}的)",
    (
        r"(?:条件|情况|时间|资源|环境|预算|技术|空间|人力|经费|天气|进度)(?:条件)?(?:允许|许可|具备|成熟|充[足裕]|合适|适宜)"
        r"(?:时(?!间)|的话|的?(?:情况|条件|前提)?之?下)"
    ),
    (
        r"(?:如果?|若|倘若|要是|假如)(?:条件|情况|时间|资源)?"
        r"(?:确?有(?:必要|可能|需要|条件)|可能|可行|必要|允许|合适|适用)(?:的话|时(?!间))?(?![一-龥]{0,3}的)"
    ),
    r"(?:确有)?(?:必要|需要|适当|可能|可行|合适|适用|有条件)时(?![间候刻段长区])",
    r"(?:必要|适当|需要|合适)的?(?:时候|情况之?下)|确有(?:必要|需要)(?:的|时)?",
    r"[视依看](?:具体|实际|项目|业务|现场)?(?:情况|情形|需要|需求|条件|必要性?)(?:而定)?",
    r"(?:根据|按照?|依据?|结合)(?:具体|实际)(?:情况|需要|需求|情形)(?!的)|根据需要(?!的)",
    r"在?合理(?:可行)?的?(?:范围|限度)之?内|在不影响[一-龥]{1,10}?的?(?:前提|情况)下|特殊情况(?:除外|下)|理想(?:的?情况|状态)下",
    r"酌情|斟酌|原则上|尽可能地?|尽量地?|尽力(?:而为|地)?|最好(?!的)|力争|力求|争取|尽最大(?:的?努力|可能|限度)|最大(?:限度|程度)(?:地|上)?",
    r"除非(?:不|无法)(?:可行|可能|实现)?|除非另有[一-龥]{2}|除特殊(?:情况|情形|原因)(?:之?外)?|(?:如|若)?不具备(?:相应|必要)?条件(?:时|的|下|，)?|如?无特殊(?:情况|原因|要求|需要)(?:时|下)?",
    r"(?:一般|正常|通常|多数|大多数|大部分|绝大多数)(?:情况|情形)之?下|一般来说|一般而言|一般应|适时|择机|相机(?=[处行决而])|量力(?:而行)?|有条件的(?=[，,])|按需(?![求要])|适当时机?|因地制宜|看情况",
    r"尽其所能|力所能及|(?:可行|必要|需要|方便|可能|允许)的话|方便时|有余力时|在(?:能力|可控)范围内|客观条件",
)
WORDS = wording(_ENGLISH, _CHINESE, anywhere=True)

CHECK = Check(
    name="escape-clause",
    title={"en": "Escape clause", "zh": "免责性措辞"},
    why="A requirement that holds only where it is possible or appropriate is met by whoever does nothing.",
    category="ambiguity",
    severity=Severity.WARNING,
    confidence=0.8,
    scope=Scope.PASSAGE,
    find=WORDS.findings,
    messages={
        "en": "“{word}” lets the requirement off: nobody can say when it holds.",
        "zh": "“{word}”为该要求留下了退路，无法判断其何时必须满足。",
    },
    suggestions={
        "en": "State the condition that can be tested, or delete the words.",
        "zh": "请写明可验证的条件，或删去该措辞。",
    },
    flags=(
        "闸门应量力开启。",
        "Except where that is impractical, the pipe shall lie under the road.",
        "除非另有约定，供方应交付备件。",
        "The system shall encrypt data where possible.",
        "As far as is reasonably practicable, the operator must log each access.",
        "Logs should be kept as appropriate.",
        "The unit shall be cleaned to the extent practical.",
        "The page must, whenever it is feasible, show the price.",
        "The supplier shall use best efforts to mend it.",
        "The system shall:\n\n- log each access, if necessary\n- stop",
        "系统应尽可能记录日志。",
        "在条件允许的情况下，系统应加密数据。",
        "原则上应由管理员审批。",
        "必要时，系统应通知用户。",
        "系统应视情况重启，如有可能须通知用户。",
        "系統應盡可能記錄日誌。",
        "系統應視情況重啟，並在條件允許時通知用戶。",
    ),
    passes=(
        "The system shall encrypt data at rest.",
        "Use a lock where possible.",
        "The operator shall keep logs as required by law.",
        "The server shall stop; use a lock if possible.",
        "A data item shall be shown when required by the operator.",
        "系统应加密存储的数据。",
        "如有可能，可以加锁。",
        "系统应在需要时间校准的设备上显示提示。",
        "用户应视图操作。",
    ),
)
